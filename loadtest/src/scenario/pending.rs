//! What waiting costs: memory and disk with many far-future messages, and the time of a restart.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::submit::{Load, send_batches};
use super::{Outcome, Target};
use crate::node::resident_bytes;
use crate::progress::Progress;
use crate::redis::Redis;
use crate::wait;
use crate::wall::{self, Stopwatch};
use crate::workload::{self, token};

/// How far ahead the messages are: beyond every window that a node loads.
const AHEAD_MS: i64 = 30 * 86_400_000;
/// How long an orderly end may take.
const END_WITHIN: Duration = Duration::from_secs(60);

/// A message that falls due while the node is away is due so long after it is scheduled.
const AWAY: Duration = Duration::from_secs(2);
/// How long the first hand-over after a start may take.
const FIRST_WITHIN: Duration = Duration::from_secs(120);

const MIB: f64 = 1024.0 * 1024.0;

/// When far-future message `n` is due. A second apart, as in life: not one score for all.
pub(crate) fn far(n: usize) -> i64 {
    wall::now_ms() + AHEAD_MS + i64::try_from(n % 86_400).unwrap_or(0) * 1_000
}

/// Bytes that Redis says it uses.
pub(crate) async fn used_memory(redis: &Redis) -> anyhow::Result<f64> {
    let info = redis.ask("INFO memory").await?;
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")?.trim().parse().ok());
    used.context("INFO memory has used_memory")
}

/// Kills the node while it has a message that is due shortly, starts it when that is due, and measures from the start of
/// the process until the message is handed over.
pub(crate) async fn first_hand_over(target: &mut Target) -> anyhow::Result<Duration> {
    let due = wall::now_ms() + i64::try_from(AWAY.as_millis()).unwrap_or(0);
    let message = workload::sms(&token(&target.run, usize::MAX), due);
    target.client.schedule(target.cast.contact(0), &message, None).await.context("schedule what falls due")?;
    let Some(node) = &mut target.node else { bail!("a restart needs a node of the run's own") };
    node.kill_9().await?;
    let ahead = u64::try_from(due - wall::now_ms()).unwrap_or(0);
    tokio::time::sleep(Duration::from_millis(ahead)).await;
    let watch = Stopwatch::start();
    node.restart().await?;
    let client = node.client();
    let handed_over = async || {
        let metrics = client.metrics().await.ok()?;
        (metrics.sum("sendwheel_messages_total", &[("outcome", "submitted")]) >= 1.0).then_some(())
    };
    wait::until("the first hand-over after the start", FIRST_WITHIN, handed_over).await?;
    Ok(watch.elapsed())
}

/// Schedules far-future SMS, then reads memory, and restarts a node of the run's own.
///
/// # Errors
/// When the node fails, or does not come back.
pub async fn run(target: &mut Target, load: Load) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::new("pending", target.store);
    let empty = target.pid().and_then(resident_bytes);
    let redis_empty = match &target.redis {
        Some(redis) => used_memory(redis).await?,
        None => 0.0,
    };
    let run = target.run.clone();
    let line = move |n: usize| workload::sms(&token(&run, n), far(n));
    let cast = Arc::new(target.cast.clone());
    let submitted = send_batches(&target.client, &cast, load, Arc::new(line)).await?;
    submitted.note_into(&mut outcome, load.messages)?;
    outcome.figure("pending", submitted.accepted as f64, "messages");

    if let Some(full) = target.pid().and_then(resident_bytes) {
        outcome.figure("resident memory", full as f64 / MIB, "MiB");
        if let Some(empty) = empty {
            outcome.figure("resident memory before", empty as f64 / MIB, "MiB");
            let more = full.saturating_sub(empty) as f64;
            outcome.figure("resident memory a message", more / submitted.accepted as f64, "bytes");
        }
    }
    if let Some(redis) = &target.redis {
        let used = used_memory(redis).await?;
        outcome.figure("redis used_memory", used / MIB, "MiB");
        outcome.figure("redis memory a message", (used - redis_empty) / submitted.accepted as f64, "bytes");
    }
    let Some(node) = &mut target.node else {
        outcome.note("restart not measured: the node is not the run's own");
        return Ok(outcome);
    };
    let _bar = Progress::waiting("end and start again");
    let watch = Stopwatch::start();
    node.terminate(END_WITHIN).await?;
    outcome.figure("orderly end", watch.elapsed().as_secs_f64(), "s");
    if target.redis.is_none() {
        outcome.figure("on disk", size_of(node.data()) as f64 / MIB, "MiB");
    }
    let started_in = node.restart().await?;
    outcome.figure("restart to ready", started_in.as_secs_f64(), "s");
    node.kill_9().await?;
    let started_in = node.restart().await?;
    outcome.figure("restart to ready after kill -9", started_in.as_secs_f64(), "s");
    if let Some(again) = node.pid().and_then(resident_bytes) {
        outcome.figure("resident memory after restart", again as f64 / MIB, "MiB");
    }
    let first = first_hand_over(target).await?;
    outcome.figure("start to first hand-over after kill -9", first.as_secs_f64(), "s");
    Ok(outcome)
}

/// Bytes of every file in a folder, links not followed; what cannot be read counts nothing.
fn size_of(folder: &Path) -> u64 {
    let mut folders = vec![folder.to_owned()];
    let mut bytes = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(about) = entry.metadata() else { continue };
            if about.is_dir() {
                folders.push(entry.path());
            } else {
                bytes += about.len();
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_as_large_as_its_files() {
        let folder = tempfile::TempDir::new().unwrap();
        std::fs::create_dir(folder.path().join("inner")).unwrap();
        std::fs::write(folder.path().join("a"), [0; 10]).unwrap();
        std::fs::write(folder.path().join("inner/b"), [0; 32]).unwrap();
        assert_eq!(size_of(folder.path()), 42);
    }
}
