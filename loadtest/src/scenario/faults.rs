//! A load while things go wrong: the node is killed and suspended, its store stands still, its providers answer badly,
//! slowly or not at all; and at the end the oracle judges what arrived.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::timeline::{Mark, Timeline};
use super::{Outcome, Target, TargetOptions};
use crate::driver::{Driver, Sinks};
use crate::fault::{self, Fault, Timed};
use crate::node::Node;
use crate::oracle::{self, Limit, Report};
use crate::redis::Redis;
use crate::sink::Gate;
use crate::sink::sms::{SmsSink, TWILIO_SID, TWILIO_TOKEN};
use crate::sink::smtp::{SmtpOptions, SmtpSink};
use crate::wall::{self, Stopwatch};
use crate::workload::{self, Cast, token};

/// Programs that schedule and cancel.
const CLIENTS: usize = 64;
/// A request is repeated for at most this long.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the run may take to come to rest at the end: a breaker waits for a minute at most.
const REST: Duration = Duration::from_secs(150);
/// How long after its due time a message may be on its way: longer than any claim's deadline and a few retries.
const GRACE: Duration = Duration::from_secs(90);
/// Messages of a herd are due at whole multiples of this.
const HERD: i64 = 5_000;
/// What a sink keeps.
const KEPT: usize = 1_000_000;
/// Hand-overs a second of the SMS number, and so many at once: less than a herd wants.
const SMS_RATE: u32 = 150;
const SMS_BURST: u32 = 20;

/// A run with faults.
#[derive(Debug, Clone, Copy)]
pub struct Faults {
    /// Repeats its choices.
    pub seed: u64,
    /// How long messages are scheduled.
    pub lasting: Duration,
    /// Messages a second.
    pub rate: usize,
    /// Whether the pace of the SMS number is judged, too. Where the machine is busy with other things, this process may
    /// see spread hand-overs all at once, so there it cannot be.
    pub judges_pace: bool,
}

/// Plays the faults of a seed against a node of the run's own and judges it.
///
/// # Errors
/// When the node does not come back, or a promise is broken: with the first one and the seed.
pub async fn run(options: &TargetOptions, contacts: usize, run: Faults) -> anyhow::Result<Outcome> {
    let mut choices = StdRng::seed_from_u64(run.seed);
    let smtp = SmtpSink::start(SmtpOptions::default()).await?;
    let sms = SmsSink::start(KEPT).await?;
    let TargetOptions::Own { .. } = options else { bail!("faults need a node of their own: give --binary, not --url") };
    let settings = [
        ("email.transport", "smtp".to_owned()),
        ("email.smtp.url", smtp.url()),
        ("sms.transport", "twilio".to_owned()),
        ("sms.twilio.base_url", sms.url()),
        ("sms.twilio.account_sid", TWILIO_SID.to_owned()),
        ("sms.twilio.auth_token", TWILIO_TOKEN.to_owned()),
        // A minute between attempts is kind to providers and long for a run; and what a dead process had in its hands
        // is taken up when its attempt must be over.
        ("email.retry_base", "2s".to_owned()),
        ("sms.retry_base", "2s".to_owned()),
        ("email.smtp.command_timeout", "8s".to_owned()),
        ("email.smtp.attempt_timeout", "10s".to_owned()),
        ("sms.twilio.attempt_timeout", "10s".to_owned()),
    ];
    let target = Target::prepare(options, contacts, &settings).await?;
    let limits = serde_json::json!({"limits": {"rate": SMS_RATE, "per": "1s", "burst": SMS_BURST}});
    target.client.change_sender(&target.cast.sms_sender, &limits).await.context("limit the SMS sender")?;
    let mut outcome = Outcome::new("faults", target.store);
    let Target { client, cast, mut node, mut redis, .. } = target;
    let (node, redis) = (node.as_mut().context("the run has its own node")?, redis.as_mut());

    let plan = fault::draw(&mut choices, run.lasting, redis.is_some());
    let messages = u32::try_from(run.rate).unwrap_or(u32::MAX).saturating_mul(run.lasting.as_secs() as u32) / 2;
    fault::sms_moods(&mut choices, messages).into_iter().for_each(|rule| sms.add(rule));
    fault::mail_moods(&mut choices, messages).into_iter().for_each(|rule| smtp.add(rule));

    let driver = Driver::new(client.clone(), PATIENCE);
    let (next, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let watch = Stopwatch::start();
    let started_at_ms = wall::now_ms();
    let pid = std::sync::atomic::AtomicU32::new(node.pid().unwrap_or(0));
    let (next, is_over, pid, cast) = (&next, &is_over, &pid, &cast);
    let clients = futures_util::future::join_all((0..CLIENTS).map(|n| {
        let rng = StdRng::seed_from_u64(run.seed ^ (n as u64 + 1).rotate_left(32));
        drive(&driver, cast, run, next, is_over, rng)
    }));
    let went_wrong = async {
        let played = play(&plan, watch, node, redis, (&smtp, &sms), pid).await;
        let left = run.lasting.saturating_sub(watch.elapsed());
        tokio::time::sleep(if played.is_ok() { left } else { Duration::ZERO }).await;
        // At the end everything is well again, or it would never come to rest.
        sms.behave();
        smtp.behave();
        is_over.store(true, Ordering::SeqCst);
        played
    };
    let sampled = Timeline::sample(watch, &client, pid, is_over);
    let (refusals, marks, mut timeline) = tokio::join!(clients, went_wrong, sampled);
    timeline.marks = marks.with_context(|| format!("seed {}", run.seed))?;
    for refusal in refusals {
        refusal.with_context(|| format!("seed {}", run.seed))?;
    }
    let sinks = Sinks { smtp: Some(&smtp), sms: Some(&sms) };
    let mut evidence = driver.settle(REST, GRACE, sinks).await.context("read how messages stand")?;
    if smtp.mails().dropped() + sms.requests().dropped() > 0 {
        bail!("a sink's record is full: schedule less");
    }
    if run.judges_pace {
        evidence.limits.push(Limit { lane: "sms".to_owned(), per_second: SMS_RATE.into(), burst: SMS_BURST.into() });
    }
    timeline.lateness(started_at_ms, &evidence);
    judged(&mut outcome, run, &oracle::check(&evidence), timeline)?;
    Ok(outcome)
}

fn judged(outcome: &mut Outcome, run: Faults, report: &Report, timeline: Timeline) -> anyhow::Result<()> {
    let seed = run.seed;
    if let Some(first) = report.violations.first() {
        bail!(
            "seed {seed}: a promise is broken: {first:?} ({} in all)\n{report}\nfaults: {}",
            report.violations.len(),
            timeline.marks.iter().map(|mark| format!("{} s {}", mark.at_s, mark.what)).collect::<Vec<_>>().join("; ")
        );
    }
    if report.handed_over == 0 || report.canceled == 0 {
        bail!("the run did nothing: {report}");
    }
    outcome.figure("acknowledged", report.acknowledged as f64, "messages");
    outcome.figure("handed over", report.handed_over as f64, "messages");
    outcome.figure("canceled", report.canceled as f64, "messages");
    outcome.figure("explained duplicates", report.explained_duplicates as f64, "messages");
    outcome.figure("faults", timeline.marks.len() as f64, "");
    let pace = if run.judges_pace { ", I6" } else { "" };
    outcome.note(format!("seed {seed}; no promise of I1 to I4{pace}, I7 broken; states {:?}", report.by_state));
    outcome.timeline = Some(timeline);
    Ok(())
}

/// Plays the plan, and tells when what happened.
async fn play(
    plan: &[Timed],
    watch: Stopwatch,
    node: &mut Node,
    mut redis: Option<&mut Redis>,
    (smtp, sms): (&SmtpSink, &SmsSink),
    pid: &std::sync::atomic::AtomicU32,
) -> anyhow::Result<Vec<Mark>> {
    let mut marks = Vec::new();
    for Timed { at_ms, fault } in plan {
        tokio::time::sleep(Duration::from_millis(*at_ms).saturating_sub(watch.elapsed())).await;
        marks.push(Mark { at_s: watch.elapsed().as_secs_f64(), what: fault.to_string() });
        let gate = |gate| {
            smtp.set_gate(gate);
            sms.set_gate(gate);
        };
        match *fault {
            Fault::KillNode => {
                node.kill_9().await?;
                node.restart().await.context("start the node again")?;
                pid.store(node.pid().unwrap_or(0), Ordering::SeqCst);
            }
            Fault::SuspendNode { for_ms } => {
                node.suspend()?;
                tokio::time::sleep(Duration::from_millis(for_ms)).await;
                node.resume()?;
            }
            Fault::SuspendStore { for_ms } => {
                let redis = redis.as_deref_mut().context("a store server to suspend")?;
                redis.suspend()?;
                tokio::time::sleep(Duration::from_millis(for_ms)).await;
                redis.resume()?;
            }
            Fault::RefuseConnections { for_ms } => {
                gate(Gate::Refusing);
                tokio::time::sleep(Duration::from_millis(for_ms)).await;
                gate(Gate::Open);
            }
            Fault::SayNothing { for_ms } => {
                gate(Gate::Silent);
                tokio::time::sleep(Duration::from_millis(for_ms)).await;
                gate(Gate::Open);
            }
            Fault::CutConnections => {
                smtp.cut_all();
                sms.cut_all();
            }
        }
    }
    Ok(marks)
}

/// One client: schedules at its share of the rate, cancels one in five, now and then at the very moment it is due, and
/// deletes a contact now and then.
async fn drive(
    driver: &Driver,
    cast: &Cast,
    run: Faults,
    next: &AtomicUsize,
    is_over: &AtomicBool,
    mut rng: StdRng,
) -> anyhow::Result<()> {
    let mut pace = tokio::time::interval(Duration::from_secs_f64(CLIENTS as f64 / run.rate.max(1) as f64));
    // What could not be asked for in time is asked for as soon as it can be.
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    let name = format!("{:x}", run.seed);
    while !is_over.load(Ordering::SeqCst) {
        pace.tick().await;
        let token = token(&name, next.fetch_add(1, Ordering::SeqCst));
        let now = wall::now_ms();
        // A third with the herd, as at the top of an hour.
        let due = if rng.random_bool(0.3) { (now / HERD + 1) * HERD } else { now + rng.random_range(0..3_000) };
        let message = if rng.random_bool(0.6) { workload::sms(&token, due) } else { workload::mail(&token, due) };
        let contact = cast.contact(rng.random_range(0..cast.contacts.len()));
        let view = match driver.schedule(&token, contact, &message, due).await {
            Ok(view) => view,
            // The contact was deleted: nothing was scheduled, and nothing is expected.
            Err(error) if matches!(error.status(), Some(404 | 409)) => continue,
            Err(error) => return Err(error).context("schedule a message"),
        };
        let chance: f64 = rng.random();
        if chance < 0.2 {
            if rng.random_bool(0.5) {
                let left = u64::try_from(due - wall::now_ms()).unwrap_or(0);
                tokio::time::sleep(Duration::from_millis(left)).await;
            }
            match driver.cancel(&token, &view.id).await {
                // Gone with its contact, or the oracle's finding.
                Err(error) if error.status() != Some(404) => return Err(error).context("cancel a message"),
                _ => {}
            }
        } else if chance < 0.205 {
            driver.delete_contact(contact).await.context("delete a contact")?;
        }
    }
    Ok(())
}
