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

/// Draws the faults of a run that lasts so long, one after another. The first is always a kill: a run without one has
/// shown nothing.
#[must_use]
pub fn draw(choices: &mut StdRng, lasting: Duration, has_store_server: bool) -> Vec<Timed> {
    let mut plan = Vec::new();
    let mut at_ms = millis(CALM);
    let end = millis(lasting.saturating_sub(CALM));
    while at_ms < end || plan.is_empty() {
        let for_ms = choices.random_range(300..4_000);
        let fault = match choices.random_range(0..if has_store_server { 6 } else { 5 }) {
            _ if plan.is_empty() => Fault::KillNode,
            0 => Fault::KillNode,
            1 => Fault::SuspendNode { for_ms },
            2 => Fault::RefuseConnections { for_ms },
            3 => Fault::SayNothing { for_ms },
            4 => Fault::CutConnections,
            _ => Fault::SuspendStore { for_ms },
        };
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
        let plan = |seed, has_store| draw(&mut StdRng::seed_from_u64(seed), Duration::from_secs(60), has_store);
        assert_eq!(plan(7, true), plan(7, true));
        assert_ne!(plan(7, true), plan(8, true));
        let kinds = |has_store| {
            let all = (0..20).flat_map(|seed| plan(seed, has_store));
            all.map(|timed| std::mem::discriminant(&timed.fault)).collect::<std::collections::HashSet<_>>().len()
        };
        assert_eq!((kinds(true), kinds(false)), (6, 5));
        assert_eq!(draw(&mut StdRng::seed_from_u64(1), Duration::ZERO, false)[0].fault, Fault::KillNode);
    }
}
