//! What a message costs while more and more wait: at every size the same steady load, and the processor time of node and
//! store for each message of it. Work that grows with what waits, instead of with what is done, shows as a slope.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::Serialize;

use super::steady::{self, Steady};
use super::submit::{Load, send_batches};
use super::{Outcome, Target, pending};
use crate::node::{processor_time, resident_bytes};
use crate::wait;
use crate::workload::{self, token};

/// The store's own work on what came in, such as merging files, is waited for: so much processor time in a second is
/// rest.
const REST: Duration = Duration::from_millis(60);
/// How long it may take to come to rest.
const REST_WITHIN: Duration = Duration::from_secs(180);
const SECOND: Duration = Duration::from_secs(1);

/// What is measured at one size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Step {
    /// Messages waiting for a far day.
    pub pending: usize,
    /// Processor time of the node for a message of the steady load, scheduled and handed over, microseconds.
    pub node_us: f64,
    /// The same of a Redis of the run's own.
    pub redis_us: Option<f64>,
    /// Resident memory of the node afterwards, bytes.
    pub resident: Option<u64>,
    /// Memory that Redis uses for its data, bytes.
    pub redis_bytes: Option<f64>,
    /// Lateness of the steady load, milliseconds.
    pub p50_ms: f64,
    /// 99 in 100 are no later.
    pub p99_ms: f64,
    /// All are no later.
    pub max_ms: f64,
    /// From starting the killed node to its first hand-over, seconds.
    pub first_hand_over_s: f64,
}

/// Fills up to each size in turn and measures there.
///
/// # Errors
/// When the node fails, or is not the run's own.
pub async fn run(target: &mut Target, sizes: &[usize], steady: Steady) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::new("growth", target.store);
    let mut filled = 0;
    for &size in sizes {
        fill(target, filled, size).await.with_context(|| format!("fill up to {size} pending"))?;
        filled = size;
        let step = measure(target, size, steady).await.with_context(|| format!("with {size} pending"))?;
        let of = |what: &str| format!("{what} with {size} pending");
        outcome.figure(&of("node's processor time a message"), step.node_us, "µs");
        if let Some(redis) = step.redis_us {
            outcome.figure(&of("redis' processor time a message"), redis, "µs");
        }
        for (name, value) in [("p50", step.p50_ms), ("p99", step.p99_ms), ("max", step.max_ms)] {
            outcome.figure(&of(&format!("lateness {name}")), value, "ms");
        }
        outcome.figure(&of("start to first hand-over"), step.first_hand_over_s, "s");
        if let Some(resident) = step.resident {
            outcome.figure(&of("resident memory"), resident as f64 / 1_048_576.0, "MiB");
        }
        outcome.growth.push(step);
    }
    outcome.note(format!(
        "at every size the same {} messages/s for {} s, each scheduled and handed over (discard); processor time of \
         the whole process over that time, for each of those messages",
        steady.rate,
        steady.lasting.as_secs()
    ));
    Ok(outcome)
}

async fn fill(target: &Target, from: usize, upto: usize) -> anyhow::Result<()> {
    let run = target.run.clone();
    let line = move |n: usize| {
        let n = from + n;
        workload::sms(&token(&run, n), pending::far(n))
    };
    let load = Load { messages: upto - from, clients: 8, lines: 1_000 };
    let submitted = send_batches(&target.client, &Arc::new(target.cast.clone()), load, Arc::new(line)).await?;
    if submitted.accepted != load.messages {
        bail!("{} of {} accepted: {:?}", submitted.accepted, load.messages, submitted.refusal);
    }
    Ok(())
}

async fn measure(target: &mut Target, size: usize, steady: Steady) -> anyhow::Result<Step> {
    rest(target).await?;
    let used = |target: &Target| (target.pid().and_then(processor_time), target.redis_pid().and_then(processor_time));
    let before = used(target);
    let outcome = steady::run(target, steady, None).await?;
    let after = used(target);
    let value = |name: &str| outcome.figures.iter().find(|figure| figure.name == name).map(|figure| figure.value);
    let messages = value("accepted").context("the steady run says how many it sent")?;
    let each = |before: Option<Duration>, after: Option<Duration>| {
        Some(after?.saturating_sub(before?).as_secs_f64() * 1_000_000.0 / messages)
    };
    let node_us = each(before.0, after.0).context("measuring processor time needs a node on this machine")?;
    let redis_bytes = match &target.redis {
        Some(redis) => Some(pending::used_memory(redis).await?),
        None => None,
    };
    let resident = target.pid().and_then(resident_bytes);
    let first_hand_over_s = pending::first_hand_over(target).await?.as_secs_f64();
    let late = |name: &str| value(name).with_context(|| format!("the steady run has {name}"));
    Ok(Step {
        pending: size,
        node_us,
        redis_us: each(before.1, after.1),
        resident,
        redis_bytes,
        p50_ms: late("lateness p50")?,
        p99_ms: late("lateness p99")?,
        max_ms: late("lateness max")?,
        first_hand_over_s,
    })
}

/// Waits until node and store do nothing more.
async fn rest(target: &Target) -> anyhow::Result<()> {
    let pids = [target.pid(), target.redis_pid()];
    let used = || pids.iter().flatten().filter_map(|&pid| processor_time(pid)).sum::<Duration>();
    let is_at_rest = async || {
        let before = used();
        tokio::time::sleep(SECOND).await;
        (used().saturating_sub(before) <= REST).then_some(())
    };
    // A store that never rests is measured as it is.
    let _rested = wait::until("node and store to come to rest", REST_WITHIN, is_at_rest).await;
    Ok(())
}
