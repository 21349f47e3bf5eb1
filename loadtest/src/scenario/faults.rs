//! A load while things go wrong: the node is killed and suspended, its store is gone, slow, full or stands still, its
//! clock is set, its providers answer badly, slowly or not at all; and at the end the oracle judges what arrived.
//!
//! - [`world`]: what stands around the node. - [`mod@play`]: what goes wrong. - [`mod@drive`]: the clients.

mod drive;
mod play;
mod world;

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::timeline::{Mark, Timeline};
use super::{Outcome, StoreKind, TargetOptions};
use crate::client::Client;
use crate::driver::{Driver, Sinks};
use crate::fault::{self, Timed};
use crate::node::Node;
use crate::oracle::{self, Evidence, Limit, Report, Violation};
use crate::progress::Progress;
use crate::sink::plan::Rule;
use crate::sink::{sms, smtp};
use crate::wall::{self, Stopwatch};
use crate::workload;

use drive::{CLIENTS, drive};
use play::{Played, play, set_clock};
use world::World;

/// A request is repeated for at most this long.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the run may take to come to rest at the end: a breaker waits for a minute at most.
const REST: Duration = Duration::from_secs(150);
/// How long after its due time a message may be on its way: longer than any claim's deadline and a few retries.
const GRACE: Duration = Duration::from_secs(90);

/// What goes wrong in a run.
#[derive(Debug, Clone)]
pub enum Course {
    /// What its seed draws.
    Drawn,
    /// This.
    Given {
        /// Faults.
        faults: Vec<Timed>,
        /// How the SMS provider answers.
        sms: Vec<Rule<sms::Submit, sms::Act>>,
        /// How the mail server answers.
        mail: Vec<Rule<smtp::Step, smtp::Act>>,
    },
}

/// A run with faults.
#[derive(Debug, Clone)]
pub struct Faults {
    /// Repeats its choices.
    pub seed: u64,
    /// How long messages are scheduled.
    pub lasting: Duration,
    /// Messages a second.
    pub rate: usize,
    /// How many messages in one their contact is deleted after.
    pub removals: f64,
    /// Hand-overs a second of the SMS number, and so many at once. Less than a herd wants.
    pub sms_limit: (u32, u32),
    /// Whether the pace of the SMS number is judged, too, and how many more at once are let off. Where the machine is
    /// busy with other things, this process may see spread hand-overs all at once.
    pub pace: Option<u32>,
    /// What goes wrong.
    pub course: Course,
    /// Whether Redis has a replica, which every commit waits for.
    pub has_replica: bool,
    /// The bug that the node has, in a build with planted bugs.
    pub bug: Option<&'static str>,
    /// How long the run may take to come to rest.
    pub rest: Duration,
    /// How long after its due time a message may be on its way.
    pub grace: Duration,
}

impl Faults {
    /// A run whose faults its seed draws.
    #[must_use]
    pub fn drawn(seed: u64, lasting: Duration, rate: usize) -> Self {
        Self {
            seed,
            lasting,
            rate,
            removals: 0.005,
            sms_limit: (150, 20),
            pace: Some(0),
            course: Course::Drawn,
            // Every other seed fails over.
            has_replica: seed.is_multiple_of(2),
            bug: None,
            rest: REST,
            grace: GRACE,
        }
    }
}

/// What came of a run.
#[derive(Debug)]
pub struct Judged {
    /// How tables call the store.
    pub store: &'static str,
    /// The oracle's findings.
    pub report: Report,
    /// The run from second to second.
    pub timeline: Timeline,
    /// What could not go wrong here, and why.
    pub missing: Vec<String>,
    /// All that is known of the message that the first broken promise is about.
    pub story: Option<String>,
}

/// Plays a run against a node of its own and lets the oracle judge it.
///
/// # Errors
/// When the node does not come back, or a client is refused what it asks for; with the seed.
pub async fn judge(options: &TargetOptions, contacts: usize, run: &Faults) -> anyhow::Result<Judged> {
    let TargetOptions::Own { binary, store } = options else {
        bail!("faults need a node of their own: give --binary, not --url")
    };
    play_out(binary, store, contacts, run).await.with_context(|| format!("seed {}", run.seed))
}

async fn play_out(
    binary: &std::path::Path,
    store: &StoreKind,
    contacts: usize,
    run: &Faults,
) -> anyhow::Result<Judged> {
    let mut world = World::start(store, run.has_replica).await?;
    let mut node = Node::start(world.node(binary, run)).await?;
    let client = node.client();
    let cast = workload::cast(&client, contacts).await.context("prepare contacts and senders")?;
    let (rate, burst) = run.sms_limit;
    let limits = serde_json::json!({"limits": {"rate": rate, "per": "1s", "burst": burst}});
    client.change_sender(&cast.sms_sender, &limits).await.context("limit the SMS sender")?;
    let plan = plan_of(run, &world);

    let driver = Driver::new(client.clone(), PATIENCE);
    let (next, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let watch = Stopwatch::start();
    let started_at_ms = wall::now_ms();
    let pid = AtomicU32::new(node.pid().unwrap_or(0));
    let (next, is_over, pid, cast) = (&next, &is_over, &pid, &cast);
    let clients = futures_util::future::join_all((0..CLIENTS).map(|n| {
        let rng = StdRng::seed_from_u64(run.seed ^ (n as u64 + 1).rotate_left(32));
        drive(&driver, cast, run, next, is_over, rng)
    }));
    let (node, around) = (&mut node, &mut world);
    let went_wrong = async {
        let mut played = play(&plan, watch, node, around, pid).await;
        let left = run.lasting.saturating_sub(watch.elapsed());
        tokio::time::sleep(if played.is_ok() { left } else { Duration::ZERO }).await;
        around.behave();
        if let Ok(played) = &mut played
            && !played.clock.is_empty()
        {
            set_clock(around, 0, played)?;
        }
        is_over.store(true, Ordering::SeqCst);
        played
    };
    let sampled = Timeline::sample(watch, &client, pid, is_over);
    let all = async { tokio::join!(clients, went_wrong, sampled) };
    let (refusals, played, mut timeline) = Progress::lasting("load and faults", run.lasting).beside(all).await;
    let Played { marks, clock } = played?;
    timeline.marks = marks;
    for refusal in refusals {
        refusal?;
    }
    let sinks = Sinks { smtp: Some(&world.smtp), sms: Some(&world.sms) };
    let _bar = Progress::waiting("come to rest");
    let mut evidence = driver.settle(run.rest, run.grace, sinks).await.context("read how messages stand")?;
    if world.smtp.mails().dropped() + world.sms.requests().dropped() > 0 {
        bail!("a sink's record is full: schedule less");
    }
    if let Some(let_off) = run.pace {
        let burst = f64::from(burst) + f64::from(let_off);
        evidence.limits.push(Limit { lane: "sms".to_owned(), per_second: rate.into(), burst });
    }
    evidence.clock = clock;
    timeline.lateness(started_at_ms, &evidence);
    let report = oracle::check(&evidence);
    let story = match report.violations.first().and_then(Violation::token) {
        Some(token) => Some(story(token, &evidence, &client).await),
        None => None,
    };
    Ok(Judged { store: store.name(), report, timeline, missing: world.missing, story })
}

/// What the run did with a message, what the sinks saw of it, and how the API shows it.
async fn story(token: &str, evidence: &Evidence, client: &Client) -> String {
    let scheduled = evidence.journal.scheduled.iter().find(|message| message.token == token);
    let mut told = format!("{token}: {scheduled:?}, stopped {:?}", evidence.journal.stops.get(token));
    for handover in evidence.handovers.iter().filter(|handover| handover.token == token) {
        let _ = write!(told, "\n  taken {handover:?}");
    }
    for begun in evidence.begun.iter().filter(|begun| begun.token.as_deref() == Some(token)) {
        let _ = write!(told, "\n  begun {begun:?}");
    }
    if let Some(message) = scheduled {
        let deleted = evidence.journal.deleted_contacts.get(&message.contact);
        let shown = client.show(&message.id).await;
        let _ = write!(told, "\n  contact deleted {deleted:?}, standing {:?}", evidence.standings.get(&message.id));
        let _ = write!(told, "\n  shown {}", shown.map_or_else(|error| error.to_string(), |shown| shown.to_string()));
    }
    told
}

/// What goes wrong when; the sinks are told how to answer.
fn plan_of(run: &Faults, world: &World) -> Vec<Timed> {
    let (faults, sms, mail) = match &run.course {
        Course::Given { faults, sms, mail } => (faults.clone(), sms.clone(), mail.clone()),
        Course::Drawn => {
            let mut choices = StdRng::seed_from_u64(run.seed);
            let plan = fault::draw(&mut choices, run.lasting, world.means());
            let seconds = u32::try_from(run.lasting.as_secs()).unwrap_or(u32::MAX);
            let messages = u32::try_from(run.rate).unwrap_or(u32::MAX).saturating_mul(seconds) / 2;
            (plan, fault::sms_moods(&mut choices, messages), fault::mail_moods(&mut choices, messages))
        }
    };
    sms.into_iter().for_each(|rule| world.sms.add(rule));
    mail.into_iter().for_each(|rule| world.smtp.add(rule));
    faults
}

/// Plays the faults of a seed against a node of the run's own, and fails when a promise is broken.
///
/// # Errors
/// As for [`judge`], and when a promise is broken: with the first one and the seed.
pub async fn run(options: &TargetOptions, contacts: usize, run: &Faults) -> anyhow::Result<Outcome> {
    let Judged { store, report, timeline, missing, story } = judge(options, contacts, run).await?;
    let seed = run.seed;
    if let Some(first) = report.violations.first() {
        let told = |mark: &Mark| format!("{:.1} s {}", mark.at_s, mark.what);
        bail!(
            "seed {seed}: a promise is broken: {first:?} ({} in all)\n{report}\n{}\nfaults: {}",
            report.violations.len(),
            story.unwrap_or_default(),
            timeline.marks.iter().map(told).collect::<Vec<_>>().join("; ")
        );
    }
    if report.handed_over == 0 || report.canceled == 0 {
        bail!("the run did nothing: {report}");
    }
    let mut outcome = Outcome::new("faults", store);
    outcome.figure("acknowledged", report.acknowledged as f64, "messages");
    outcome.figure("handed over", report.handed_over as f64, "messages");
    outcome.figure("canceled", report.canceled as f64, "messages");
    outcome.figure("explained duplicates", report.explained_duplicates as f64, "messages");
    outcome.figure("faults", timeline.marks.len() as f64, "");
    let pace = if run.pace.is_some() { ", I6" } else { "" };
    outcome.note(format!("seed {seed}; no promise of I1 to I4{pace}, I7 broken; states {:?}", report.by_state));
    missing.into_iter().for_each(|what| outcome.note(what));
    outcome.timeline = Some(timeline);
    Ok(outcome)
}
