//! A lane that stands still: one number at one message a second has far more than that due, while other numbers send at a
//! steady rate. It must delay none of them, and must not take memory for what waits.
//!
//! Lateness is measured, with it and without it. That it delays nobody is judged by the order of arrivals, not by time:
//! whatever the machine does, messages of other lanes must not wait for what was due before them in this one.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::json;

use super::steady::{self, Origin, Steady};
use super::submit::{Load, send_batches};
use super::{Outcome, Target, TargetOptions};
use crate::node::resident_bytes;
use crate::oracle::{self, Begun, Evidence, Limit};
use crate::progress::Progress;
use crate::sink::sms::{Sms, SmsSink, TWILIO_SID, TWILIO_TOKEN};
use crate::wait;
use crate::wall::{self, Stopwatch};
use crate::workload::{self, token, token_in};

/// The number that stands still.
const SLOW: &str = "+12125550199";
/// Other numbers.
const OTHERS: usize = 4;
/// Tickets that a lane may have in memory: far fewer than are due.
const LANE_BOUND: usize = 10_000;
/// A ticket whose permit was not used comes back to its place, also in a full lane.
const COMES_BACK: usize = 16;
/// Until everything that is due waits in its lane, or in the store.
const SETTLED_WITHIN: Duration = Duration::from_secs(120);
/// So few commits a second a node makes that has nothing to do but one message a second.
const QUIET: f64 = 20.0;
/// What a sink keeps.
const KEPT: usize = 2_000_000;
const MIB: f64 = 1024.0 * 1024.0;

/// A run with a lane that stands still.
#[derive(Debug, Clone, Copy)]
pub struct LanesRun {
    /// Messages that are due in it at one instant.
    pub backlog: usize,
    /// What the others send.
    pub others: Steady,
    /// How many more at once are let off where pace is judged on a busy machine.
    pub let_off: u32,
}

/// Measures the others without the lane that stands still, and with it.
///
/// # Errors
/// When the node fails, when a message of another lane waits for that lane, when that lane does not go on or goes too
/// fast, or when more of it is in memory than may be.
pub async fn run(options: &TargetOptions, contacts: usize, run: LanesRun) -> anyhow::Result<Outcome> {
    let sink = SmsSink::start(KEPT).await?;
    let settings = [
        ("sms.transport", "twilio".to_owned()),
        ("sms.twilio.base_url", sink.url()),
        ("sms.twilio.account_sid", TWILIO_SID.to_owned()),
        ("sms.twilio.auth_token", TWILIO_TOKEN.to_owned()),
        ("engine.lane_bound", LANE_BOUND.to_string()),
    ];
    let target = Target::prepare(options, contacts, &settings).await?;
    let limits = |rate: u32, burst: u32| json!({"rate": rate, "per": "1s", "burst": burst});
    let sender = |address: String, limits| json!({"channel": "sms", "address": address, "limits": limits});
    let slow =
        target.client.create_sender(&sender(SLOW.to_owned(), limits(1, 1))).await.context("make a slow sender")?;
    let mut senders = Vec::new();
    for n in 0..OTHERS {
        let other = sender(format!("+1212555020{n}"), limits(1_000_000, 100_000));
        senders.push(target.client.create_sender(&other).await.context("make a sender")?);
    }
    let mut outcome = Outcome::new("lanes", target.store);
    let first = run.backlog;
    let alone = steady::run_from(&target, run.others, Some(&sink), Origin { first, senders: &senders }).await;
    let alone = alone.context("the others without the lane that stands still")?;

    let before = target.pid().and_then(resident_bytes);
    let (name, due, slow_sender) = (target.run.clone(), wall::now_ms(), slow.clone());
    let line = move |n| workload::from_sender(workload::sms(&token(&name, n), due), &slow_sender);
    let load = Load { messages: run.backlog, clients: 4, lines: 1_000 };
    let submitted = send_batches(&target.client, &Arc::new(target.cast.clone()), load, Arc::new(line)).await?;
    submitted.note_into(&mut outcome, run.backlog)?;
    let in_memory = until_it_waits(&target, submitted.accepted).await?;

    let first = first + 10_000_000;
    let from = sink.requests().count();
    let beside = steady::run_from(&target, run.others, Some(&sink), Origin { first, senders: &senders }).await;
    let beside = beside.context("messages of other lanes wait for the one that stands still")?;
    let seen = judge(&sink.requests().all(), from, first, &target.run, run)?;

    outcome.figure("due in the lane that stands still", submitted.accepted as f64, "messages");
    outcome.figure("of these in memory", in_memory, "tickets");
    outcome.figure("handed over of it meanwhile", seen.of_slow as f64, "messages");
    outcome.figure("of others, due after all of it", seen.of_others as f64, "messages");
    for (when, others) in [("without it", alone), ("with it", beside)] {
        for figure in others.figures.iter().filter(|figure| figure.name.starts_with("lateness")) {
            outcome.figure(&format!("others' {}, {when}", figure.name), figure.value, figure.unit);
        }
    }
    if let (Some(before), Some(with)) = (before, target.pid().and_then(resident_bytes)) {
        outcome.figure("resident memory before", before as f64 / MIB, "MiB");
        outcome.figure("resident memory with it", with as f64 / MIB, "MiB");
    }
    Ok(outcome)
}

/// Waits until everything that is due has been woken, and what the lane has no room for lies in the store: the tickets
/// that it has in memory then.
async fn until_it_waits(target: &Target, backlog: usize) -> anyhow::Result<f64> {
    let _bar = Progress::waiting("what is due finds its lane");
    let bound = LANE_BOUND.min(backlog) as f64;
    let in_memory = wait::until("the lane to be full", SETTLED_WITHIN, || async {
        let metrics = target.client.metrics().await.ok()?;
        let held = metrics.sum("sendwheel_lane_backlog", &[("channel", "sms")]);
        // Half of a full line is read again from the store.
        (held >= bound / 3.0).then_some(held)
    });
    let in_memory = in_memory.await?;
    // What is moved to the store costs everybody something, once. What is asked here is what it costs to have it there.
    let written = async || anyhow::Ok(target.client.metrics().await?.sum("sendwheel_store_commit_seconds_count", &[]));
    let (watch, mut before) = (Stopwatch::start(), written().await?);
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = written().await?;
        if now - before <= QUIET {
            break;
        }
        if watch.is_past(SETTLED_WITHIN) {
            bail!("the store is still written to {} s after everything was due", SETTLED_WITHIN.as_secs());
        }
        before = now;
    }
    // All lanes of the channel: the others are empty now.
    if in_memory > (LANE_BOUND + COMES_BACK) as f64 {
        bail!("{in_memory} tickets of the lane that stands still are in memory: at most {LANE_BOUND} may be");
    }
    Ok(in_memory)
}

/// What was handed over while others sent beside the lane that stands still.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    of_slow: usize,
    of_others: usize,
}

/// Judges arrivals from number `from` on. `first`: the number of the first message of others.
fn judge(requests: &[Sms], from: usize, first: usize, name: &str, run: LanesRun) -> anyhow::Result<Seen> {
    let is_slow = |sms: &&Sms| sms.from == SLOW;
    let own: std::collections::HashSet<String> = (0..(run.others.rate as f64 * run.others.lasting.as_secs_f64())
        as usize)
        .map(|n| token(name, first + n))
        .collect();
    let of_others = requests[from..].iter().filter(|sms| token_in(&sms.body).is_some_and(|token| own.contains(&token)));
    let of_slow = requests[from..].iter().filter(is_slow).count();
    let seen = Seen { of_slow, of_others: of_others.count() };
    if seen.of_slow == 0 {
        bail!("the lane that stands still does not even go at its own pace: none of it was handed over meanwhile");
    }
    // Due at one instant, before all of the others: had those waited for it, it would have come first.
    if seen.of_others <= 10 * seen.of_slow {
        bail!("others wait for the lane that stands still: {seen:?}");
    }
    let begun = requests.iter().filter(is_slow);
    let begun = begun.map(|sms| Begun { token: None, lane: SLOW.to_owned(), at_ms: sms.started_at_ms }).collect();
    let limit = Limit { lane: SLOW.to_owned(), per_second: 1.0, burst: 1.0 + f64::from(run.let_off) };
    let report = oracle::check(&Evidence { begun, limits: vec![limit], ..Evidence::default() });
    if !report.is_clean() {
        bail!("the lane that stands still goes too fast: {report}");
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::sink::sms::Provider;

    fn sms(from: &str, n: usize, started_at_ms: i64) -> Sms {
        Sms {
            provider: Provider::Twilio,
            to: "+12122000000".into(),
            from: from.into(),
            body: format!("[{}]", token("run", n)),
            idempotency_key: None,
            fields: BTreeMap::new(),
            connection: 1,
            started_at_ms,
            ended_at_ms: started_at_ms,
            taken: true,
            provider_id: String::new(),
        }
    }

    /// A hundred messages of others within two seconds, and so many of the slow lane, this far apart.
    fn judged(of_slow: usize, apart_ms: i64) -> anyhow::Result<Seen> {
        let lasting = Duration::from_secs(2);
        let others = Steady { rate: 50, lasting, ahead: Duration::ZERO };
        let slow = (0..of_slow).map(|n| sms(SLOW, n, n as i64 * apart_ms));
        let all: Vec<_> = slow.chain((0..100).map(|n| sms("+12125550200", 1_000 + n, n as i64 * 20))).collect();
        judge(&all, 0, 1_000, "run", LanesRun { backlog: 1_000, others, let_off: 0 })
    }

    #[test]
    fn others_that_overtake_are_well_and_others_that_wait_or_a_lane_that_rests_or_runs_are_not() {
        assert_eq!(judged(3, 1_000).unwrap(), Seen { of_slow: 3, of_others: 100 });
        let refusal = |of_slow, apart_ms| judged(of_slow, apart_ms).unwrap_err().to_string();
        assert!(refusal(0, 1).contains("does not even go"));
        assert!(refusal(60, 1_000).contains("others wait"));
        assert!(refusal(5, 100).contains("too fast"));
    }
}
