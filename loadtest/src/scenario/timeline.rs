//! What a run looked like from second to second, for its charts.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use serde::Serialize;

use crate::client::Client;
use crate::node;
use crate::oracle::Evidence;
use crate::wall::Stopwatch;

/// Between two looks at the node.
const STEP: Duration = Duration::from_secs(1);
/// Longest timeline: a day.
const SAMPLES_MAX: usize = 86_400;

/// One look at the node.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Sample {
    /// Seconds from the start.
    pub at_s: f64,
    /// Messages pending by the node's own gauge; nothing while it did not answer.
    pub pending: Option<f64>,
    /// Resident memory in bytes.
    pub resident: Option<u64>,
}

/// What arrived in one second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Second {
    /// Seconds from the start.
    pub at_s: i64,
    /// Hand-overs that began in it.
    pub handed_over: usize,
    /// How late half of the first hand-overs were, milliseconds.
    pub p50_ms: i64,
    /// How late 99 in 100 were at most.
    pub p99_ms: i64,
}

/// Something that the reader must know of a moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mark {
    /// Seconds from the start.
    pub at_s: f64,
    /// What happened.
    pub what: String,
}

/// A run from second to second.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Timeline {
    /// Looks at the node.
    pub samples: Vec<Sample>,
    /// What the sinks saw.
    pub seconds: Vec<Second>,
    /// Faults.
    pub marks: Vec<Mark>,
}

impl Timeline {
    /// Looks at the node every second until the run is over.
    pub async fn sample(watch: Stopwatch, client: &Client, pid: &AtomicU32, is_over: &AtomicBool) -> Self {
        let mut samples = Vec::new();
        let mut ticks = tokio::time::interval(STEP);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !is_over.load(Ordering::SeqCst) && samples.len() < SAMPLES_MAX {
            ticks.tick().await;
            let at_s = watch.elapsed().as_secs_f64();
            let resident = node::resident_bytes(pid.load(Ordering::SeqCst));
            // A node that stands still is not waited for: the next second has its own sample.
            let metrics = tokio::time::timeout(STEP, client.metrics()).await;
            let pending = metrics.ok().and_then(Result::ok).map(|metrics| metrics.sum("sendwheel_pending", &[]));
            samples.push(Sample { at_s, pending, resident });
        }
        Self { samples, ..Self::default() }
    }

    /// Adds what the sinks saw, by the second in which each message's first hand-over began. `started_at_ms`: when the
    /// run began, milliseconds since 1970.
    pub fn lateness(&mut self, started_at_ms: i64, evidence: &Evidence) {
        let due: HashMap<&str, i64> =
            evidence.journal.scheduled.iter().map(|message| (message.token.as_str(), message.due_at_ms)).collect();
        let mut first: HashMap<&str, i64> = HashMap::new();
        for handover in &evidence.handovers {
            let at = first.entry(&handover.token).or_insert(handover.started_at_ms);
            *at = handover.started_at_ms.min(*at);
        }
        let mut by_second: std::collections::BTreeMap<i64, Vec<i64>> = std::collections::BTreeMap::new();
        for (token, at) in first {
            let Some(due) = due.get(token) else { continue };
            by_second.entry((at - started_at_ms).div_euclid(1_000)).or_default().push((at - due).max(0));
        }
        self.seconds = by_second
            .into_iter()
            .map(|(at_s, mut late)| {
                late.sort_unstable();
                let quantile = |q: f64| late[((late.len() - 1) as f64 * q).round() as usize];
                Second { at_s, handed_over: late.len(), p50_ms: quantile(0.5), p99_ms: quantile(0.99) }
            })
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::{Handover, Journal, Scheduled};

    #[test]
    fn lateness_goes_by_the_second_of_the_first_hand_over() {
        let scheduled = |token: &str, due_at_ms| Scheduled {
            token: token.into(),
            id: token.into(),
            contact: "c".into(),
            due_at_ms,
            lane: "sms".into(),
            acked_at_ms: 0,
        };
        let handover = |token: &str, started_at_ms| Handover { token: token.into(), identity: None, started_at_ms };
        let evidence = Evidence {
            journal: Journal {
                scheduled: vec![scheduled("a", 10_000), scheduled("b", 10_200), scheduled("c", 11_000)],
                ..Journal::default()
            },
            handovers: vec![
                handover("a", 12_500),
                handover("a", 10_100),
                handover("b", 10_900),
                handover("c", 11_002),
                handover("x", 1),
            ],
            ..Evidence::default()
        };
        let mut timeline = Timeline::default();
        timeline.lateness(10_000, &evidence);
        assert_eq!(
            timeline.seconds,
            [
                Second { at_s: 0, handed_over: 2, p50_ms: 700, p99_ms: 700 },
                Second { at_s: 1, handed_over: 1, p50_ms: 2, p99_ms: 2 }
            ]
        );
    }
}
