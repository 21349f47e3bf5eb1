//! How late messages start at a steady rate, while schedules keep coming in at the same rate.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::submit::{micros, record};
use super::{Outcome, Target};
use crate::oracle;
use crate::progress::Progress;
use crate::sink::sms::SmsSink;
use crate::wait;
use crate::wall::{self, Stopwatch};
use crate::workload::{self, token, token_in};

/// One request goes out this often.
const TICK: Duration = Duration::from_millis(50);
/// Requests at once; a tick that finds none free is counted and skipped.
const REQUESTS_MAX: usize = 64;

/// How long after the end the last one may be handed over.
const PATIENCE: Duration = Duration::from_secs(60);

/// A steady run.
#[derive(Debug, Clone, Copy)]
pub struct Steady {
    /// Messages a second.
    pub rate: usize,
    /// For how long.
    pub lasting: Duration,
    /// How far ahead each is scheduled.
    pub ahead: Duration,
}

/// Schedules at the rate, each message due a little later, and reads how late they began: from the sink's
/// record where there is one, else from the node's own histogram.
///
/// # Errors
/// When the node fails, or has not settled everything a minute after the end.
pub async fn run(target: &Target, steady: Steady, sink: Option<&SmsSink>) -> anyhow::Result<Outcome> {
    run_from(target, steady, sink, Origin::default()).await
}

/// Where the messages of a run come from.
#[derive(Debug, Clone, Copy, Default)]
pub struct Origin<'a> {
    /// The number of the first one: runs at the same node need different ones.
    pub first: usize,
    /// Senders, each in turn; the account's default if there is none.
    pub senders: &'a [String],
}

/// The same with messages of another origin.
///
/// # Errors
/// As for [`run`].
pub async fn run_from(
    target: &Target,
    steady: Steady,
    sink: Option<&SmsSink>,
    origin: Origin<'_>,
) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::new("steady", target.store);
    let before = target.client.metrics().await.context("read /metrics")?;
    let cast = Arc::new(target.cast.clone());
    let free = Arc::new(Semaphore::new(REQUESTS_MAX));
    let mut requests = JoinSet::new();
    let (mut next, mut skipped) = (0, 0);
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    let watch = Stopwatch::start();
    let total = (steady.rate as f64 * steady.lasting.as_secs_f64()) as usize;
    let bar = Progress::of("a steady rate", total);
    while next < total {
        bar.at(next);
        ticks.tick().await;
        let wanted = (watch.elapsed().as_secs_f64() * steady.rate as f64) as usize;
        let upto = wanted.min(total);
        let Ok(permit) = Arc::clone(&free).try_acquire_owned() else {
            skipped += upto - next;
            next = upto;
            continue;
        };
        let now = wall::now_ms() + i64::try_from(steady.ahead.as_millis()).unwrap_or(i64::MAX);
        let tick_ms = i64::try_from(TICK.as_millis()).unwrap_or(1);
        let count = (upto - next).max(1);
        let lines: Vec<Value> = (next..upto)
            .map(|n| {
                // Spread over the tick, so that the due times are as steady as the rate.
                let spread = tick_ms * i64::try_from(n - next).unwrap_or(0) / i64::try_from(count).unwrap_or(1);
                let message = workload::sms(&token(&target.run, origin.first + n), now + spread);
                let message = workload::for_contact(message, cast.contact(n));
                match origin.senders {
                    [] => message,
                    senders => workload::from_sender(message, &senders[n % senders.len()]),
                }
            })
            .collect();
        next = upto;
        if lines.is_empty() {
            continue;
        }
        let client = target.client.clone();
        requests.spawn(async move {
            let answers = client.batch(&lines).await;
            drop(permit);
            answers.map(|answers| {
                answers
                    .into_iter()
                    .filter_map(|answer| answer.message)
                    .map(|message| (text_token(&message.rest), message.due_at))
                    .collect::<Vec<_>>()
            })
        });
    }
    drop(bar);
    let _bar = Progress::waiting("the last are handed over");
    let mut accepted = Vec::new();
    while let Some(ended) = requests.join_next().await {
        accepted.extend(ended.context("a request task ended early")?.context("schedule at the rate")?);
    }
    if accepted.is_empty() {
        bail!("no message was accepted");
    }
    outcome.figure("rate offered", steady.rate as f64, "messages/s");
    outcome.figure("accepted", accepted.len() as f64, "messages");
    if skipped > 0 {
        outcome.note(format!("{skipped} messages were not offered: {REQUESTS_MAX} requests were still open"));
    }
    match sink {
        Some(sink) => from_sink(&mut outcome, sink, accepted).await?,
        None => from_histogram(&mut outcome, target, &before, accepted.len()).await?,
    }
    Ok(outcome)
}

fn text_token(message: &serde_json::Map<String, Value>) -> Option<String> {
    ["body", "text"].iter().find_map(|field| token_in(message.get(*field)?.as_str()?))
}

async fn from_sink(
    outcome: &mut Outcome,
    sink: &SmsSink,
    accepted: Vec<(Option<String>, Option<String>)>,
) -> anyhow::Result<()> {
    let wanted = accepted.len();
    let due: std::collections::HashMap<String, i64> =
        accepted.into_iter().filter_map(|(token, due)| Some((token?, wall::parse_rfc3339(&due?)?))).collect();
    let arrived = || sink.requests().with(|all| all.iter().filter_map(|sms| due.get(&token_in(&sms.body)?)).count());
    let all = wait::until("the sink to have every message", PATIENCE, || async { (arrived() >= wanted).then_some(()) });
    all.await.with_context(|| format!("{} of {wanted} were handed over", arrived()))?;
    let mut lateness = micros();
    for handover in oracle::from_sms(&sink.requests().all()) {
        if let Some(due) = due.get(&handover.token) {
            let late_ms = u64::try_from(handover.started_at_ms - due).unwrap_or(0);
            record(&mut lateness, Duration::from_millis(late_ms));
        }
    }
    if lateness.is_empty() {
        bail!("no record of the sink could be matched with an accepted message");
    }
    outcome.latencies("lateness", &lateness);
    outcome.note("lateness from the due time to the first byte at a recording sink on the same machine");
    Ok(())
}

async fn from_histogram(
    outcome: &mut Outcome,
    target: &Target,
    before: &crate::client::Metrics,
    wanted: usize,
) -> anyhow::Result<()> {
    let labels = [("channel", "sms"), ("outcome", "submitted")];
    let already = before.sum("sendwheel_messages_total", &labels);
    let metrics = wait::until("everything to be settled", Duration::from_secs(60), || async {
        let metrics = target.client.metrics().await.ok()?;
        (metrics.sum("sendwheel_messages_total", &labels) - already >= wanted as f64).then_some(metrics)
    })
    .await?;
    let name = "sendwheel_lateness_seconds";
    let lateness = metrics.histogram(name, &[]).since(&before.histogram(name, &[]));
    for (label, q) in [("lateness p50", 0.5), ("lateness p99", 0.99)] {
        let seconds = lateness.quantile(q).context("the node shows no lateness histogram")?;
        outcome.figure(label, seconds * 1_000.0, "ms");
    }
    // Of the longest one a histogram tells only that it is not above its bucket's bound.
    outcome.figure("lateness max", lateness.at_most().unwrap_or_default() * 1_000.0, "ms");
    outcome.note("lateness from the node's own histogram, from due time to start of hand-over; max: at most");
    Ok(())
}
