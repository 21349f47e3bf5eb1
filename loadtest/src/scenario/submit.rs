//! How fast schedules are accepted: in batches, and one by one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use hdrhistogram::Histogram;
use serde_json::Value;
use tokio::task::JoinSet;

use super::{Outcome, Target};
use crate::client::{self, Client, ClientError};
use crate::progress::Progress;
use crate::wall::{self, Stopwatch};
use crate::workload::{self, Cast, token};

/// Lines of one batch: what the API takes at most.
const BATCH_MAX: usize = 10_000;
/// A request is repeated this often when the node asks for patience.
const TRIES: u32 = 20;
/// Longest wait before a repetition.
const RETRY_MAX: Duration = Duration::from_secs(2);
/// Largest latency that the histogram tells apart, in microseconds.
const LATENCY_MAX_US: u64 = 120_000_000;

/// How the answer to a line begins whose message was made, or is there already.
const TAKEN: [&[u8]; 2] = [b"{\"status\":201,", b"{\"status\":200,"];

/// How a load is cut into requests.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Messages in all.
    pub messages: usize,
    /// Requests at once.
    pub clients: usize,
    /// Lines of one request.
    pub lines: usize,
}

/// What sending a load came to.
#[derive(Debug)]
pub struct Submitted {
    /// From the first request to the last answer.
    pub took: Duration,
    /// Lines answered with 201 or 200.
    pub accepted: usize,
    /// The first refusal, where there was one.
    pub refusal: Option<String>,
    /// Requests that the node asked to repeat later.
    pub repeated: usize,
}

/// An empty histogram of microseconds up to two minutes.
///
/// # Panics
/// Never: its bounds are constants in range.
#[must_use]
pub fn micros() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_MAX_US, 3).expect("constant bounds in range")
}

/// Records a duration, the longest one as the histogram's maximum.
pub fn record(histogram: &mut Histogram<u64>, took: Duration) {
    histogram.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
}

/// How long to wait before the same request is made again, or nothing if it is not.
///
/// Only where the node said that nothing was done: without keys, a repetition after silence would count
/// twice.
fn patience(error: &ClientError, tries: u32) -> Option<Duration> {
    match error {
        ClientError::Refused { status: 429 | 503, retry_after, .. } if tries < TRIES => {
            Some(retry_after.map_or(Duration::from_millis(50), Duration::from_secs).min(RETRY_MAX))
        }
        _ => None,
    }
}

/// Waits as [`patience`] says and counts it, or gives the error back.
async fn wait_or_fail(error: ClientError, tries: &mut u32, repeated: &AtomicUsize) -> Result<(), ClientError> {
    *tries += 1;
    let Some(wait) = patience(&error, *tries) else { return Err(error) };
    repeated.fetch_add(1, Ordering::Relaxed);
    tokio::time::sleep(wait).await;
    Ok(())
}

/// How many lines of a batch's answer say that a message was made, and the first one that says something else.
fn count(answers: &[u8], wanted: usize) -> anyhow::Result<(usize, Option<String>)> {
    let (mut seen, mut taken, mut refusal) = (0, 0, None);
    for line in answers.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        seen += 1;
        if TAKEN.iter().any(|start| line.starts_with(start)) {
            taken += 1;
        } else if refusal.is_none() {
            refusal = Some(String::from_utf8_lossy(line).into_owned());
        }
    }
    if seen != wanted {
        bail!("{seen} lines came back for {wanted} messages");
    }
    Ok((taken, refusal))
}

/// Sends the messages of a load in batches; `line` makes each.
///
/// # Errors
/// When a request fails as a whole.
pub async fn send_batches(
    client: &Client,
    cast: &Arc<Cast>,
    load: Load,
    line: Arc<dyn Fn(usize) -> Value + Send + Sync>,
) -> anyhow::Result<Submitted> {
    let lines = load.lines.clamp(1, BATCH_MAX);
    let next = Arc::new(AtomicUsize::new(0));
    let repeated = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    let bar = Arc::new(Progress::of("schedule in batches", load.messages));
    let watch = Stopwatch::start();
    for _ in 0..load.clients.max(1) {
        let (mut wire, cast, line) = (client.wire().await?, Arc::clone(cast), Arc::clone(&line));
        let (next, repeated, bar) = (Arc::clone(&next), Arc::clone(&repeated), Arc::clone(&bar));
        clients.spawn(async move {
            let (mut accepted, mut refusal) = (0, None);
            loop {
                let from = next.fetch_add(lines, Ordering::Relaxed);
                if from >= load.messages {
                    return anyhow::Ok((accepted, refusal));
                }
                let upto = load.messages.min(from + lines);
                let batch: Vec<Value> = (from..upto).map(|n| workload::for_contact(line(n), cast.contact(n))).collect();
                let batch = client::lines_of(&batch);
                let mut tries = 0;
                let answers = loop {
                    match wire.ask("POST", "/v1/messages:batch", "application/x-ndjson", batch.as_bytes()).await {
                        Ok(answers) => break answers,
                        Err(error) => wait_or_fail(error, &mut tries, &repeated).await?,
                    }
                };
                let (taken, first) = count(answers, upto - from)?;
                accepted += taken;
                refusal = refusal.or(first);
                bar.more(upto - from);
            }
        });
    }
    let mut submitted = Submitted { took: Duration::ZERO, accepted: 0, refusal: None, repeated: 0 };
    while let Some(ended) = clients.join_next().await {
        let (accepted, refusal) = ended.context("a client task ended early")??;
        submitted.accepted += accepted;
        submitted.refusal = submitted.refusal.or(refusal);
    }
    submitted.took = watch.elapsed();
    submitted.repeated = repeated.load(Ordering::Relaxed);
    Ok(submitted)
}

impl Submitted {
    /// Notes what was not accepted, and fails when nothing was.
    ///
    /// # Errors
    /// When no line was accepted.
    pub fn note_into(&self, outcome: &mut Outcome, messages: usize) -> anyhow::Result<()> {
        if let Some(refusal) = &self.refusal {
            outcome.note(format!("{} of {messages} refused, first: {refusal}", messages - self.accepted));
        }
        if self.repeated > 0 {
            outcome.note(format!("{} requests were asked to come again later", self.repeated));
        }
        if self.accepted == 0 {
            bail!("no message was accepted: {}", self.refusal.as_deref().unwrap_or("no reason given"));
        }
        Ok(())
    }
}

/// Tomorrow: far enough not to be sent during a run.
fn tomorrow_ms() -> i64 {
    wall::now_ms() + 86_400_000
}

/// Schedules SMS for tomorrow through `/v1/messages:batch`.
///
/// # Errors
/// When the node fails or accepts nothing.
pub async fn batch(target: &Target, load: Load) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::new("schedule-batch", target.store);
    let (run, due) = (target.run.clone(), tomorrow_ms());
    let line = move |n| workload::sms(&token(&run, n), due);
    let cast = Arc::new(target.cast.clone());
    let submitted = send_batches(&target.client, &cast, load, Arc::new(line)).await?;
    submitted.note_into(&mut outcome, load.messages)?;
    outcome.figure("accepted", submitted.accepted as f64, "messages");
    outcome.figure("rate", submitted.accepted as f64 / submitted.took.as_secs_f64(), "messages/s");
    outcome.note(format!("{} clients, {} lines a batch, acknowledged durable", load.clients, load.lines));
    Ok(outcome)
}

/// Schedules SMS for tomorrow one by one, each client waiting for its answer before the next request.
///
/// # Errors
/// When the node fails.
pub async fn single(target: &Target, messages: usize, clients: usize) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::new("schedule-single", target.store);
    let due = tomorrow_ms();
    let next = Arc::new(AtomicUsize::new(0));
    let repeated = Arc::new(AtomicUsize::new(0));
    let cast = Arc::new(target.cast.clone());
    let mut tasks = JoinSet::new();
    let bar = Arc::new(Progress::of("schedule one by one", messages));
    let watch = Stopwatch::start();
    for _ in 0..clients.max(1) {
        let (mut wire, cast, run) = (target.client.wire().await?, Arc::clone(&cast), target.run.clone());
        let (next, repeated, bar) = (Arc::clone(&next), Arc::clone(&repeated), Arc::clone(&bar));
        tasks.spawn(async move {
            let mut latencies = micros();
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= messages {
                    return anyhow::Ok(latencies);
                }
                let message = workload::sms(&token(&run, n), due).to_string();
                let path = format!("/v1/contacts/{}/messages", cast.contact(n));
                let sent = Stopwatch::start();
                let mut tries = 0;
                while let Err(error) = wire.ask("POST", &path, "application/json", message.as_bytes()).await {
                    wait_or_fail(error, &mut tries, &repeated).await?;
                }
                record(&mut latencies, sent.elapsed());
                bar.more(1);
            }
        });
    }
    let mut latencies = micros();
    while let Some(ended) = tasks.join_next().await {
        latencies.add(ended.context("a client task ended early")??).context("equal bounds")?;
    }
    outcome.figure("rate", messages as f64 / watch.elapsed().as_secs_f64(), "messages/s");
    outcome.latencies("answer", &latencies);
    outcome.note(format!(
        "closed loop: {clients} clients, each sending when its last answer has come; a stall delays the next \
         requests instead of counting against them, so p99 is what these clients saw, not what arrivals at a \
         fixed rate would see"
    ));
    let repeated = repeated.load(Ordering::Relaxed);
    if repeated > 0 {
        outcome.note(format!("{repeated} requests were asked to come again later; their waits are counted"));
    }
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_made_a_message_are_counted_and_the_first_other_one_is_told() {
        let answers =
            b"{\"status\":201,\"message\":{}}\n{\"status\":422,\"problem\":1}\n{\"status\":200,\"message\":{}}\n";
        let (taken, refusal) = count(answers, 3).unwrap();
        assert_eq!((taken, refusal.as_deref()), (2, Some("{\"status\":422,\"problem\":1}")));
        assert!(count(answers, 4).unwrap_err().to_string().contains("3 lines"));
    }

    #[test]
    fn only_a_refusal_that_asks_for_patience_is_repeated_and_not_for_ever() {
        let refused = |status, retry_after| ClientError::Refused {
            status,
            code: String::new(),
            detail: String::new(),
            retry_after,
        };
        assert_eq!(patience(&refused(503, Some(1)), 1), Some(Duration::from_secs(1)));
        assert_eq!(patience(&refused(429, Some(60)), 1), Some(RETRY_MAX));
        assert_eq!(patience(&refused(422, Some(1)), 1), None);
        assert_eq!(patience(&ClientError::NoAnswer(String::new()), 1), None);
        assert_eq!(patience(&refused(503, Some(1)), TRIES), None);
    }
}
