//! How fast what is due goes out: everything at one instant, over `discard` or over SMTP.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::submit::{Load, send_batches};
use super::{Outcome, Target};
use crate::progress::Progress;
use crate::sink::smtp::SmtpSink;
use crate::wall::{self, Stopwatch};
use crate::workload::{self, token};

/// How often the counter is read at the end: the resolution of the figure.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
/// How seldom while much is left: each look costs the node about a millisecond.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// A run in which everything is due at one instant.
#[derive(Debug, Clone, Copy)]
pub struct Drain {
    /// How the load comes in.
    pub load: Load,
    /// From the first request to the due instant: must be enough to schedule everything.
    pub lead: Duration,
    /// From the due instant until the run is given up.
    pub patience: Duration,
}

impl Drain {
    /// A run of this many messages, with time enough for a node of 8,000 schedules a second.
    #[must_use]
    pub fn of(messages: usize) -> Self {
        let seconds = messages as u64 / 8_000 + 5;
        Self {
            load: Load { messages, clients: 8, lines: 500 },
            lead: Duration::from_secs(seconds),
            patience: Duration::from_secs(seconds * 4 + 60),
        }
    }
}

/// Which messages a run sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// SMS over `discard`: the node alone.
    Sms,
    /// SMS over a provider's HTTP API.
    SmsOverHttp,
    /// Email over whatever the node is configured with.
    Email,
}

impl Channel {
    const fn name(self) -> &'static str {
        match self {
            Self::Sms | Self::SmsOverHttp => "sms",
            Self::Email => "email",
        }
    }
}

/// Schedules everything for one instant and measures from that instant until the last is settled.
///
/// # Errors
/// When the node fails, or has not settled everything in time.
pub async fn run(target: &Target, channel: Channel, drain: Drain) -> anyhow::Result<Outcome> {
    let name = match channel {
        Channel::Sms => "drain",
        Channel::SmsOverHttp => "sms",
        Channel::Email => "email",
    };
    let mut outcome = Outcome::new(name, target.store);
    let settled = async || {
        let metrics = target.client.metrics().await.context("read /metrics")?;
        let labels = [("channel", channel.name()), ("outcome", "submitted")];
        anyhow::Ok((metrics.sum("sendwheel_messages_total", &labels), metrics))
    };
    let (before, metrics_before) = settled().await?;

    let due_at_ms = wall::now_ms() + i64::try_from(drain.lead.as_millis()).unwrap_or(i64::MAX);
    let run = target.run.clone();
    let line = move |n| match channel {
        Channel::Sms | Channel::SmsOverHttp => workload::sms(&token(&run, n), due_at_ms),
        Channel::Email => workload::mail(&token(&run, n), due_at_ms),
    };
    let cast = Arc::new(target.cast.clone());
    let submitted = send_batches(&target.client, &cast, drain.load, Arc::new(line)).await?;
    submitted.note_into(&mut outcome, drain.load.messages)?;
    let ahead_ms = due_at_ms - wall::now_ms();
    if ahead_ms < 0 {
        bail!("scheduling took {} ms longer than the lead: give a longer one", -ahead_ms);
    }
    let left = Duration::from_millis(u64::try_from(ahead_ms).unwrap_or(0));
    Progress::lasting("until they are due", left).beside(tokio::time::sleep(left)).await;

    let bar = Progress::of("hand over", submitted.accepted);
    let watch = Stopwatch::start();
    let wanted = submitted.accepted as f64;
    loop {
        let (now, metrics) = settled().await?;
        bar.at((now - before) as usize);
        if now - before >= wanted {
            // From the due instant itself: waking up late here must not flatter the node.
            let took = Duration::from_millis(u64::try_from(wall::now_ms() - due_at_ms).unwrap_or(0).max(1));
            outcome.figure("messages", wanted, "messages");
            outcome.figure("from due to last settled", took.as_secs_f64(), "s");
            outcome.figure("rate", wanted / took.as_secs_f64(), "messages/s");
            let lateness = metrics
                .histogram("sendwheel_lateness_seconds", &[])
                .since(&metrics_before.histogram("sendwheel_lateness_seconds", &[]));
            for (label, q) in [("lateness p50", 0.5), ("lateness p99", 0.99)] {
                if let Some(seconds) = lateness.quantile(q) {
                    outcome.figure(label, seconds * 1_000.0, "ms");
                }
            }
            return Ok(outcome);
        }
        if watch.is_past(drain.patience) {
            bail!("{} of {wanted} settled {} s after the due instant", now - before, drain.patience.as_secs());
        }
        tokio::time::sleep(until_next_look((now - before) / wanted, watch.elapsed())).await;
    }
}

/// A quarter of the time that the rest will take, going by how long this share of it took.
fn until_next_look(done: f64, took: Duration) -> Duration {
    let left = took.as_secs_f64() * (1.0 - done).max(0.0) / done.max(f64::EPSILON);
    Duration::from_secs_f64((left / 4.0).clamp(SHORTEST_PAUSE.as_secs_f64(), LONGEST_PAUSE.as_secs_f64()))
}

/// Adds what a sink of the run's own saw of it.
pub fn note_sink(outcome: &mut Outcome, sink: &SmtpSink) {
    let connections = sink
        .mails()
        .with(|mails| mails.iter().map(|mail| mail.connection).collect::<std::collections::HashSet<_>>().len());
    outcome.figure("mails at the sink", sink.mails().count() as f64, "mails");
    outcome.note(format!("1 KB mails over {connections} connections to a recording sink on the same machine"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_become_more_frequent_towards_the_end() {
        let after = |done, ms| until_next_look(done, Duration::from_millis(ms)).as_millis();
        assert_eq!((after(0.0, 0), after(0.0, 300), after(0.5, 4_000)), (10, 250, 250));
        assert_eq!((after(0.8, 1_600), after(0.9, 900), after(0.999, 9_000)), (100, 25, 10));
        assert_eq!(after(1.1, 500), 10, "more than was asked for");
    }
}
