//! What goes wrong in a run, and when: drawn from a seed, so that the same seed repeats it.

use std::fmt;
use std::time::Duration;

use rand::Rng as _;
use rand::rngs::StdRng;
use serde::Serialize;

use crate::sink::plan::Rule;
use crate::sink::{sms, smtp};

/// Quiet time at the start, and after the last fault.
const CALM: Duration = Duration::from_secs(3);

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum Fault {
    /// The node is killed and started again.
    KillNode,
    /// The node stands still for so long (SIGSTOP).
    SuspendNode {
        /// Milliseconds.
        for_ms: u64,
    },
    /// The store's server stands still for so long.
    SuspendStore {
        /// Milliseconds.
        for_ms: u64,
    },
    /// The store's server stands still for so long; then the node is killed, the server goes on, and the node is started
    /// again: what the node had said without the store's word is gone.
    KillNodeWithoutStore {
        /// Milliseconds.
        for_ms: u64,
    },
    /// The store's server stands still for so long; then it is killed, and the node with it, and both are started again.
    /// What had not been answered by then is gone for certain: what a server that goes on finds sent to it, it still does.
    KillBoth {
        /// Milliseconds.
        for_ms: u64,
    },
    /// The store's server is killed, and started again after so long.
    KillStore {
        /// Milliseconds.
        for_ms: u64,
    },
    /// The store's server is killed, its replica takes its place, and it comes back after so long as the replica of that.
    FailOver {
        /// Milliseconds.
        for_ms: u64,
    },
    /// The store is slow for so long: its server's answers, or its disk.
    SlowStore {
        /// Milliseconds.
        for_ms: u64,
    },
    /// The embedded store's disk is full for so long.
    FillDisk {
        /// Milliseconds.
        for_ms: u64,
    },
    /// The embedded store's disk stands still for so long.
    SuspendDisk {
        /// Milliseconds.
        for_ms: u64,
    },
    /// The wall clock of the node, or of the store's server, is set this far ahead of the true time; behind, if negative.
    SetClock {
        /// Milliseconds.
        ahead_ms: i64,
    },
    /// Both sinks refuse connections, and have closed those that were open.
    RefuseConnections {
        /// Milliseconds.
        for_ms: u64,
    },
    /// Both sinks take connections and say nothing.
    SayNothing {
        /// Milliseconds.
        for_ms: u64,
    },
    /// Every open connection to the sinks is cut.
    CutConnections,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KillNode => write!(f, "node killed"),
            Self::SuspendNode { for_ms } => write!(f, "node suspended for {for_ms} ms"),
            Self::SuspendStore { for_ms } => write!(f, "store suspended for {for_ms} ms"),
            Self::KillNodeWithoutStore { for_ms } => write!(f, "store suspended for {for_ms} ms, then node killed"),
            Self::KillBoth { for_ms } => write!(f, "store suspended for {for_ms} ms, then both killed"),
            Self::KillStore { for_ms } => write!(f, "store killed, started again after {for_ms} ms"),
            Self::FailOver { for_ms } => write!(f, "store failed over, without a replica for {for_ms} ms"),
            Self::SlowStore { for_ms } => write!(f, "store slow for {for_ms} ms"),
            Self::FillDisk { for_ms } => write!(f, "disk full for {for_ms} ms"),
            Self::SuspendDisk { for_ms } => write!(f, "disk stands still for {for_ms} ms"),
            Self::SetClock { ahead_ms } => write!(f, "clock set {ahead_ms} ms ahead"),
            Self::RefuseConnections { for_ms } => write!(f, "sinks refuse connections for {for_ms} ms"),
            Self::SayNothing { for_ms } => write!(f, "sinks say nothing for {for_ms} ms"),
            Self::CutConnections => write!(f, "connections to the sinks cut"),
        }
    }
}

/// A fault and its moment, from the start of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Timed {
    /// Milliseconds from the start.
    pub at_ms: u64,
    /// What goes wrong.
    #[serde(flatten)]
    pub fault: Fault,
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What a run has that may go wrong, beside a node and its sinks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Means {
    /// The store is a server.
    pub has_store_server: bool,
    /// And it has a replica.
    pub has_replica: bool,
    /// The embedded store has a disk of its own.
    pub has_disk: bool,
    /// The wall clock can be set.
    pub has_clock: bool,
}

/// How far a clock is set ahead or behind, milliseconds.
const CLOCK_MAX: i64 = 8_000;

/// One of the faults that these means allow.
fn draw_one(choices: &mut StdRng, means: Means, for_ms: u64) -> Fault {
    let ahead_ms = choices.random_range(-CLOCK_MAX..=CLOCK_MAX);
    let mut faults = vec![
        Fault::KillNode,
        Fault::SuspendNode { for_ms },
        Fault::RefuseConnections { for_ms },
        Fault::SayNothing { for_ms },
        Fault::CutConnections,
    ];
    if means.has_store_server {
        faults.extend([
            Fault::SuspendStore { for_ms },
            Fault::KillNodeWithoutStore { for_ms },
            Fault::KillBoth { for_ms },
            Fault::KillStore { for_ms },
        ]);
    }
    if means.has_replica {
        faults.extend([Fault::FailOver { for_ms }, Fault::FailOver { for_ms }]);
    }
    if means.has_store_server || means.has_disk {
        faults.push(Fault::SlowStore { for_ms });
    }
    if means.has_disk {
        faults.extend([Fault::FillDisk { for_ms }, Fault::SuspendDisk { for_ms }]);
    }
    if means.has_clock {
        faults.push(Fault::SetClock { ahead_ms });
    }
    faults[choices.random_range(0..faults.len())]
}

/// Draws the faults of a run that lasts so long, one after another. The first is always a kill: a run without one has
/// shown nothing.
#[must_use]
pub fn draw(choices: &mut StdRng, lasting: Duration, means: Means) -> Vec<Timed> {
    let mut plan = Vec::new();
    let mut at_ms = millis(CALM);
    let end = millis(lasting.saturating_sub(CALM));
    while at_ms < end || plan.is_empty() {
        let for_ms = choices.random_range(300..4_000);
        let drawn = draw_one(choices, means, for_ms);
        let fault = if plan.is_empty() { Fault::KillNode } else { drawn };
        plan.push(Timed { at_ms, fault });
        at_ms += for_ms + choices.random_range(1_000..5_000);
    }
    plan
}

/// How often a provider's mood changes in a run, and for how many messages at most. A breaker asks once, twice as late
/// each time: a bad mood of many messages would outlast the run.
const MOODS: u32 = 12;
const MOOD_MAX: u32 = 4;

/// Draws answers as providers give them on a bad day: too many requests, a server error, a connection closed before or
/// after the message was taken.
pub fn sms_moods(choices: &mut StdRng, messages: u32) -> Vec<Rule<sms::Submit, sms::Act>> {
    (0..MOODS)
        .map(|_| {
            let act = match choices.random_range(0..5) {
                0 => sms::Act::Refuse { status: 429, code: 20_429, retry_after: Some(1) },
                1 => sms::Act::Refuse { status: 503, code: 20_503, retry_after: None },
                2 => sms::Act::Refuse { status: 500, code: 20_500, retry_after: None },
                3 => sms::Act::Close,
                _ => sms::Act::TakeAndClose,
            };
            let (skip, times) = (choices.random_range(0..messages.max(2) / 2), choices.random_range(1..=MOOD_MAX));
            Rule::at(sms::Submit).skip(skip).times(times).act(act)
        })
        .collect()
}

/// The same for mail: greylisting, a server that closes its service, a connection cut before or after the final dot
/// was answered.
pub fn mail_moods(choices: &mut StdRng, messages: u32) -> Vec<Rule<smtp::Step, smtp::Act>> {
    (0..MOODS)
        .map(|_| {
            let (step, act) = match choices.random_range(0..5) {
                0 => (smtp::Step::Rcpt, smtp::Act::Reply("450 4.7.1 greylisted, come again".to_owned())),
                1 => (smtp::Step::Mail, smtp::Act::Reply("421 4.7.0 closing".to_owned())),
                2 => (smtp::Step::Message, smtp::Act::Reply("451 4.3.0 try again later".to_owned())),
                3 => (smtp::Step::Body, smtp::Act::Close),
                _ => (smtp::Step::Message, smtp::Act::TakeAndClose),
            };
            let (skip, times) = (choices.random_range(0..messages.max(2) / 2), choices.random_range(1..=MOOD_MAX));
            Rule::at(step).skip(skip).times(times).act(act)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn a_seed_repeats_its_plan_and_every_fault_comes_up() {
        let server = Means { has_store_server: true, has_clock: true, ..Means::default() };
        let pair = Means { has_replica: true, ..server };
        let disk = Means { has_disk: true, has_clock: true, ..Means::default() };
        let plan = |seed, means| draw(&mut StdRng::seed_from_u64(seed), Duration::from_secs(60), means);
        assert_eq!(plan(7, server), plan(7, server));
        assert_ne!(plan(7, server), plan(8, server));
        let kinds = |means| {
            let all = (0..30).flat_map(|seed| plan(seed, means));
            all.map(|timed| std::mem::discriminant(&timed.fault)).collect::<std::collections::HashSet<_>>().len()
        };
        assert_eq!([server, pair, disk, Means::default()].map(kinds), [11, 12, 9, 5]);
        assert_eq!(draw(&mut StdRng::seed_from_u64(1), Duration::ZERO, Means::default())[0].fault, Fault::KillNode);
    }
}
