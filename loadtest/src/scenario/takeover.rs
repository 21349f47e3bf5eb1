//! Two nodes on one store: the first one is suspended for longer than its lease, the second one takes over and sends what
//! is due, and the first one goes on. It must not: nothing that it had in its hands may begin, and nothing that it is
//! asked for may be acknowledged.
//!
//! Each node has sinks of its own, so that it is known who sent what.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::timeline::Mark;
use super::{Outcome, StoreKind, TargetOptions};
use crate::client::Client;
use crate::driver::{Driver, Sinks};
use crate::node::{API_KEY, Node, NodeOptions};
use crate::oracle::{self, Report, Superseded};
use crate::progress::Progress;
use crate::redis::{Redis, RedisOptions};
use crate::sink::plan::Rule;
use crate::sink::sms::{SmsSink, TWILIO_SID, TWILIO_TOKEN};
use crate::sink::smtp::{SmtpOptions, SmtpSink, Step};
use crate::wall::{self, Stopwatch};
use crate::workload::{self, token};

/// The shortest one that a node takes.
const LEASE: Duration = Duration::from_secs(2);
/// Contacts: each gets one message of every kind.
const CONTACTS: usize = 30;
/// Mails of the first node are due so long after they were scheduled, milliseconds.
const AHEAD_MS: i64 = 1_500;
/// SMS are due so much later: while the first node stands still.
const LATER_MS: i64 = 1_500;
/// The first node stands still from so long after the mails are due.
const UNDER_WAY: Duration = Duration::from_millis(300);
/// Mail servers greet so late: the first node's connections are being opened when it is suspended.
const GREETING: Duration = Duration::from_millis(1_200);
/// How long the first node is watched, and asked for things, after it has gone on.
const WATCHED: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(30);
/// What the first node had claimed stays with it until its attempts must be over, long after this run.
const REST: Duration = Duration::from_secs(3);
const GRACE: Duration = Duration::from_secs(120);
const KEPT: usize = 100_000;

/// A run with two nodes.
#[derive(Debug, Clone, Copy)]
pub struct Takeover {
    /// Names the run: nothing of it is drawn.
    pub seed: u64,
    /// The bug that the first node has, in a build with planted bugs.
    pub bug: Option<&'static str>,
}

/// What came of it.
#[derive(Debug)]
pub struct Judged {
    /// The oracle's findings.
    pub report: Report,
    /// What happened when.
    pub marks: Vec<Mark>,
    /// From the first node's suspension until the second one served everything.
    pub took: Duration,
    /// Requests to the first node that it refused after it had gone on.
    pub refused: usize,
}

struct Sinking {
    smtp: SmtpSink,
    sms: SmsSink,
}

impl Sinking {
    async fn start() -> anyhow::Result<Self> {
        Ok(Self { smtp: SmtpSink::start(SmtpOptions::default()).await?, sms: SmsSink::start(KEPT).await? })
    }

    fn sinks(&self) -> Sinks<'_> {
        Sinks { smtp: Some(&self.smtp), sms: Some(&self.sms) }
    }

    fn node(&self, binary: &Path, redis: &Redis) -> NodeOptions {
        NodeOptions::new(binary)
            .store(redis.url())
            .set("engine.lease_ttl", format!("{}s", LEASE.as_secs()))
            .set("email.transport", "smtp")
            .set("email.smtp.url", self.smtp.url())
            // Longer than it is suspended, or its own timeouts would stop it.
            .set("email.smtp.command_timeout", "50s")
            .set("email.smtp.attempt_timeout", "60s")
            .set("sms.transport", "twilio")
            .set("sms.twilio.base_url", self.sms.url())
            .set("sms.twilio.account_sid", TWILIO_SID)
            .set("sms.twilio.auth_token", TWILIO_TOKEN)
    }
}

/// Plays it and lets the oracle judge.
///
/// # Errors
/// When a node does not start or refuses what it must take.
pub async fn judge(binary: &Path, run: &Takeover) -> anyhow::Result<Judged> {
    let _bar = Progress::waiting("one node takes over");
    let redis = Redis::start_with(RedisOptions { is_durable: true, ..RedisOptions::default() }).await?;
    let (firsts, seconds) = (Sinking::start().await?, Sinking::start().await?);
    firsts.smtp.add(Rule::at(Step::Connect).delay(GREETING));
    let mut options = firsts.node(binary, &redis);
    if let Some(bug) = run.bug {
        options = options.set("planted_bug", bug);
    }
    let mut first = Node::start(options).await.context("start the first node")?;
    let cast = workload::cast(&first.client(), CONTACTS).await.context("prepare contacts and senders")?;
    let driver = Driver::new(first.client(), PATIENCE);
    let name = format!("{:x}", run.seed);
    let due = wall::now_ms() + AHEAD_MS;
    let mut next = 0;
    let mut message = |make: fn(&str, i64) -> serde_json::Value, due| {
        next += 1;
        let token = token(&name, next);
        (make(&token, due), token, due)
    };
    let mut all = Vec::new();
    for contact in &cast.contacts {
        all.push((contact, message(workload::mail, due)));
        all.push((contact, message(workload::sms, due + LATER_MS)));
    }
    let asked = all.iter().map(|(contact, (body, token, due))| driver.schedule(token, contact, body, *due));
    futures_util::future::try_join_all(asked).await.context("schedule at the first node")?;
    let left = u64::try_from(due - wall::now_ms()).context("scheduling took longer than messages lie ahead")?;
    tokio::time::sleep(Duration::from_millis(left) + UNDER_WAY).await;

    let watch = Stopwatch::start();
    let mut marks = Vec::new();
    let mut mark = |what: &str| marks.push(Mark { at_s: watch.elapsed().as_secs_f64(), what: what.to_owned() });
    mark("first node suspended");
    first.suspend()?;
    // Until nobody has the lease: a node that finds the directory taken does not start.
    tokio::time::sleep(LEASE + LEASE / 10).await;
    let second = Node::start(seconds.node(binary, &redis)).await.context("start the second node")?;
    let (since_ms, took) = (wall::now_ms(), watch.elapsed());
    mark("second node serves everything");
    let driver = driver.at(second.client());
    first.resume()?;
    mark("first node goes on");
    let (acknowledged, refused) = ask_the_first(&first, &cast.contacts, &name).await;
    for contact in &cast.contacts {
        let (body, token, due) = message(workload::sms, wall::now_ms());
        driver.schedule(&token, contact, &body, due).await.context("schedule at the second node")?;
    }
    let mut evidence = driver.settle(REST, GRACE, seconds.sinks()).await.context("read how messages stand")?;
    first.kill_9().await?;
    mark("first node killed");
    let of_first = driver.settle(Duration::ZERO, GRACE, firsts.sinks()).await.context("read how messages stand")?;
    evidence.handovers.extend(of_first.handovers);
    evidence.begun.extend(of_first.begun.clone());
    // Scheduled there, they are nobody's: found at a sink, they are the first node's own.
    evidence.journal.unanswered.extend(acknowledged.iter().map(|(token, _)| token.clone()));
    evidence.superseded.push(Superseded { since_ms, begun: of_first.begun, acknowledged });
    Ok(Judged { report: oracle::check(&evidence), marks, took, refused })
}

/// Asks the node that was suspended to schedule, all the while that it is watched: what it acknowledged and when, and how
/// often it refused.
async fn ask_the_first(node: &Node, contacts: &[String], name: &str) -> (Vec<(String, i64)>, usize) {
    let client = Client::with_timeout(&node.url(), API_KEY, Duration::from_secs(1));
    let (watch, mut acknowledged, mut refused) = (Stopwatch::start(), Vec::new(), 0);
    for n in 0.. {
        if watch.is_past(WATCHED) {
            break;
        }
        let token = token(name, 1_000_000 + n);
        let message = workload::sms(&token, wall::now_ms());
        match client.schedule(&contacts[n % contacts.len()], &message, Some(&token)).await {
            Ok(_) => acknowledged.push((token, wall::now_ms())),
            Err(_) => refused += 1,
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    (acknowledged, refused)
}

/// The same as a scenario.
///
/// # Errors
/// As for [`judge`], and when a promise is broken.
pub async fn run(options: &TargetOptions, run: &Takeover) -> anyhow::Result<Outcome> {
    let TargetOptions::Own { binary, store: StoreKind::OwnRedis } = options else {
        bail!("two nodes need a Redis of their own: give --store redis")
    };
    let Judged { report, marks, took, refused } = judge(binary, run).await?;
    if let Some(first) = report.violations.first() {
        bail!("seed {}: a promise is broken: {first:?} ({} in all)\n{report}", run.seed, report.violations.len());
    }
    let mut outcome = Outcome::new("takeover", "redis");
    outcome.figure("acknowledged", report.acknowledged as f64, "messages");
    outcome.figure("handed over", report.handed_over as f64, "messages");
    outcome.figure("taken over after", took.as_secs_f64(), "s");
    outcome.figure("requests that the first node refused", refused as f64, "requests");
    outcome.note(format!("no promise broken, I5 among them; states {:?}", report.by_state));
    for Mark { at_s, what } in marks {
        outcome.note(format!("{at_s:.1} s {what}"));
    }
    Ok(outcome)
}
