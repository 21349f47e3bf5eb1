//! The judge: what was acknowledged, against what was handed over and what the API says afterwards.
//!
//! Pure. It holds the invariants of `ARCHITECTURE.md` seen from outside:
//!
//! - **I1** no hand-over begins before its message's due time ([`Violation::Early`]);
//! - **I2** nothing acknowledged is lost: past its due time and a grace, every message was handed over
//!   and is settled, or stands in a final, held or uncertain state ([`Violation::Lost`],
//!   [`Violation::Unsettled`], [`Violation::Phantom`]);
//! - **I3** no hand-over begins after a cancel or a contact's deletion was acknowledged
//!   ([`Violation::AfterStop`]);
//! - **I4** a second hand-over has the first one's identity, and the message shows an attempt whose
//!   outcome was unknown ([`Violation::Duplicate`]); explained ones are counted;
//! - **I5** a node whose partitions another one serves by now acknowledges nothing and begins no hand-over
//!   ([`Violation::AfterTakeover`]); it takes two nodes, so only runs with [`Superseded`] ones show it;
//! - **I6** no lane begins more than its limit allows, in any window ([`Violation::TooFast`]);
//! - **I7** messages of one contact in one lane are first attempted in the order of their due times
//!   ([`Violation::OutOfOrder`]).
//!
//! Time is this machine's wall clock on both sides, but for what is said to have been set ([`Evidence::clock`]). An acknowledgement counts from when the client had
//! it, a hand-over from its first byte at the sink: both err towards innocence, never towards guilt.

mod evidence;
mod order;
mod pace;
mod takeover;
mod violation;

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::Serialize;

use crate::clock::NOTICED_WITHIN_MS;

pub use evidence::{begun_mails, begun_sms, from_mails, from_sms, last_standing_of, standing_of};
pub use violation::Violation;

/// A message whose schedule was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduled {
    /// The run's own name for it, found again in its text.
    pub token: String,
    /// The id that the API gave it.
    pub id: String,
    /// Its contact.
    pub contact: String,
    /// When it is due, milliseconds since 1970; after a reschedule the last acknowledged time.
    pub due_at_ms: i64,
    /// What it is sent from: messages of one contact keep their order within it.
    pub lane: String,
    /// When the client had the answer.
    pub acked_at_ms: i64,
}

/// An acknowledged stop of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The cancel was answered `canceled`.
    Canceled {
        /// When the client had the answer.
        acked_at_ms: i64,
    },
    /// The cancel was answered `already_handed_over`: what is under way may still arrive, no more.
    AlreadyHandedOver {
        /// When the client had the answer.
        acked_at_ms: i64,
    },
}

/// What the client of a run did and was told.
#[derive(Debug, Clone, Default)]
pub struct Journal {
    /// Acknowledged schedules.
    pub scheduled: Vec<Scheduled>,
    /// Tokens sent without an answer: each may exist or not.
    pub unanswered: Vec<String>,
    /// Acknowledged cancels by token, not undone.
    pub stops: HashMap<String, Stop>,
    /// Contacts whose deletion was acknowledged, and when.
    pub deleted_contacts: HashMap<String, i64>,
    /// How their messages were shown just before their deletion was asked for, by message id.
    pub seen_before_deletion: HashMap<String, Standing>,
}

/// A message that a sink took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handover {
    /// The run's name for the message.
    pub token: String,
    /// What makes two hand-overs the same to their receiver: Message-ID or idempotency key.
    pub identity: Option<String>,
    /// When its first byte came, milliseconds since 1970.
    pub started_at_ms: i64,
}

/// An attempt that a sink saw begin, whether it took the message or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// The run's name for the message, where the sink saw its text.
    pub token: Option<String>,
    /// What it was sent from.
    pub lane: String,
    /// When its first byte came, milliseconds since 1970.
    pub at_ms: i64,
}

/// How fast a lane may begin hand-overs.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// Which lane.
    pub lane: String,
    /// Hand-overs a second.
    pub per_second: f64,
    /// So many at once after a pause.
    pub burst: f64,
}

/// A message as the API shows it at the end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// State name.
    pub state: String,
    /// Due time as shown, milliseconds since 1970: later than asked for when it was deferred or retried.
    pub due_at_ms: Option<i64>,
    /// Attempts shown.
    pub attempts: usize,
    /// Attempts shown with an unknown outcome, if outcomes are shown; before a deletion also the one that was under way,
    /// whose outcome may never have been learnt.
    pub unknown_attempts: Option<usize>,
}

/// What was seen of a node after another one had taken its partitions over.
#[derive(Debug, Clone, Default)]
pub struct Superseded {
    /// Since when the other one served all of them, milliseconds since 1970.
    pub since_ms: i64,
    /// What this node's own sinks saw begin, in any order.
    pub begun: Vec<Begun>,
    /// Tokens that this node acknowledged, and when the client had the answer.
    pub acknowledged: Vec<(String, i64)>,
}

/// Everything that a run left behind.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// What the client was told.
    pub journal: Journal,
    /// What the sinks took, in any order.
    pub handovers: Vec<Handover>,
    /// What the sinks saw begin, in any order.
    pub begun: Vec<Begun>,
    /// The limits that were set.
    pub limits: Vec<Limit>,
    /// When the clock that messages are due by was set, and how far ahead of ours it is since, milliseconds.
    pub clock: Vec<(i64, i64)>,
    /// Nodes that lost their partitions.
    pub superseded: Vec<Superseded>,
    /// What the API shows, by message id; a message it does not know is not here.
    pub standings: HashMap<String, Standing>,
    /// When the API was asked, milliseconds since 1970.
    pub asked_at_ms: i64,
    /// How long after its due time a message may still be on its way, milliseconds.
    pub grace_ms: i64,
}

impl Evidence {
    /// How far ahead of ours the clock may have been that the system went by at this moment: as it is set, or was until
    /// a little ago.
    fn ahead(&self, at_ms: i64) -> i64 {
        let before = |(set_at_ms, _): &&(i64, i64)| *set_at_ms <= at_ms - NOTICED_WITHIN_MS;
        let until_then = self.clock.iter().filter(before).map(|(_, ahead)| *ahead).next_back().unwrap_or(0);
        let since = self.clock.iter().filter(|(set_at_ms, _)| (at_ms - NOTICED_WITHIN_MS..=at_ms).contains(set_at_ms));
        since.map(|(_, ahead)| *ahead).fold(until_then, i64::max)
    }

    /// How much later than by ours something may be due.
    fn behind(&self) -> i64 {
        self.clock.iter().map(|(_, ahead)| -ahead).fold(0, i64::max)
    }
}

/// What the check found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Acknowledged schedules.
    pub acknowledged: usize,
    /// Of these: handed over at least once.
    pub handed_over: usize,
    /// Of these: cancel acknowledged as `canceled`.
    pub canceled: usize,
    /// Second and later hand-overs that an unknown outcome explains (I4 allows and counts them).
    pub explained_duplicates: usize,
    /// Messages by the state shown at the end.
    pub by_state: BTreeMap<String, usize>,
    /// Everything that must not be.
    pub violations: Vec<Violation>,
}

impl Report {
    /// Whether every promise was kept.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }

    /// The first violation of this invariant (`I1` to `I7`).
    #[must_use]
    pub fn first_of(&self, invariant: &str) -> Option<&Violation> {
        self.violations.iter().find(|violation| violation.invariant() == Some(invariant))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} acknowledged, {} handed over, {} canceled, {} explained duplicates, states {:?}",
            self.acknowledged, self.handed_over, self.canceled, self.explained_duplicates, self.by_state
        )?;
        const SHOWN: usize = 40;
        for violation in self.violations.iter().take(SHOWN) {
            writeln!(f, "  {violation:?}")?;
        }
        if self.violations.len() > SHOWN {
            writeln!(f, "  … and {} more", self.violations.len() - SHOWN)?;
        }
        Ok(())
    }
}

const HANDED_OVER_STATES: [&str; 4] = ["submitted", "delivered", "undelivered", "bounced"];
const RESTING_STATES: [&str; 5] = ["held", "uncertain", "failed", "canceled", "expired"];

/// Judges a run.
#[must_use]
pub fn check(evidence: &Evidence) -> Report {
    let mut report = Report { acknowledged: evidence.journal.scheduled.len(), ..Report::default() };
    let mut by_token: HashMap<&str, Vec<&Handover>> = HashMap::new();
    for handover in &evidence.handovers {
        by_token.entry(&handover.token).or_default().push(handover);
    }
    for message in &evidence.journal.scheduled {
        let mut handovers = by_token.remove(message.token.as_str()).unwrap_or_default();
        handovers.sort_by_key(|handover| handover.started_at_ms);
        check_message(evidence, message, &handovers, &mut report);
    }
    for token in &evidence.journal.unanswered {
        by_token.remove(token.as_str());
    }
    let mut strangers: Vec<_> = by_token.into_keys().collect();
    strangers.sort_unstable();
    report.violations.extend(strangers.into_iter().map(|token| Violation::Unknown { token: token.to_owned() }));
    report.violations.extend(evidence.limits.iter().filter_map(|limit| pace::check(limit, &evidence.begun)));
    report.violations.extend(order::check(evidence));
    report.violations.extend(evidence.superseded.iter().flat_map(takeover::check));
    report
}

fn check_message(evidence: &Evidence, message: &Scheduled, handovers: &[&Handover], report: &mut Report) {
    let token = || message.token.clone();
    let standing = evidence.standings.get(&message.id);
    let state = standing.map_or("unknown to the api", |standing| standing.state.as_str());
    *report.by_state.entry(state.to_owned()).or_default() += 1;
    report.handed_over += usize::from(!handovers.is_empty());

    if let Some(first) = handovers.first()
        && let by_ms = message.due_at_ms - first.started_at_ms - evidence.ahead(first.started_at_ms)
        && by_ms > 0
    {
        report.violations.push(Violation::Early { token: token(), by_ms });
    }
    check_stop(evidence, message, handovers, report);
    let is_deleted = evidence.journal.deleted_contacts.contains_key(&message.contact);
    let last_seen = standing.or_else(|| evidence.journal.seen_before_deletion.get(&message.id));
    check_duplicates(message, last_seen, handovers, report);
    if let Some(violation) = judge_standing(evidence, message, standing, !handovers.is_empty(), is_deleted) {
        report.violations.push(violation);
    }
}

fn check_stop(evidence: &Evidence, message: &Scheduled, handovers: &[&Handover], report: &mut Report) {
    let started_after = |stop_ms: i64| handovers.iter().filter(move |handover| handover.started_at_ms > stop_ms);
    let mut violations = Vec::new();
    match evidence.journal.stops.get(&message.token) {
        Some(Stop::Canceled { acked_at_ms }) => {
            report.canceled += 1;
            violations.extend(started_after(*acked_at_ms).map(|late| late.started_at_ms - acked_at_ms));
        }
        // The attempt under way may arrive after the answer; one behind it may not.
        Some(Stop::AlreadyHandedOver { acked_at_ms }) => {
            violations.extend(started_after(*acked_at_ms).skip(1).map(|late| late.started_at_ms - acked_at_ms));
        }
        None => {}
    }
    if let Some(deleted_at_ms) = evidence.journal.deleted_contacts.get(&message.contact) {
        violations.extend(started_after(*deleted_at_ms).map(|late| late.started_at_ms - deleted_at_ms));
    }
    if let Some(by_ms) = violations.into_iter().max() {
        report.violations.push(Violation::AfterStop { token: message.token.clone(), by_ms });
    }
}

fn check_duplicates(message: &Scheduled, last_seen: Option<&Standing>, handovers: &[&Handover], report: &mut Report) {
    let times = handovers.len();
    if times < 2 {
        return;
    }
    let same_identity = handovers.iter().all(|handover| handover.identity == handovers[0].identity);
    // Where the API shows only a number, every attempt but one may have been unknown.
    let explained = last_seen
        .map(|seen| seen.unknown_attempts.unwrap_or_else(|| seen.attempts.saturating_sub(1)))
        .unwrap_or_default();
    if same_identity && explained >= times - 1 {
        report.explained_duplicates += times - 1;
    } else {
        let token = message.token.clone();
        report.violations.push(Violation::Duplicate { token, times, same_identity, explained });
    }
}

fn judge_standing(
    evidence: &Evidence,
    message: &Scheduled,
    standing: Option<&Standing>,
    is_handed_over: bool,
    is_deleted: bool,
) -> Option<Violation> {
    let token = message.token.clone();
    let Some(standing) = standing else {
        // A deleted contact takes its messages with it.
        if is_deleted {
            return None;
        }
        let state = None;
        return Some(if is_handed_over {
            Violation::Unsettled { token, state }
        } else {
            Violation::Lost { token, state }
        });
    };
    let state = standing.state.as_str();
    if HANDED_OVER_STATES.contains(&state) {
        return (!is_handed_over).then(|| Violation::Phantom { token, state: state.to_owned() });
    }
    if RESTING_STATES.contains(&state) {
        // Canceled without anybody having asked for it is a loss with a label.
        let is_asked = is_deleted || evidence.journal.stops.contains_key(&message.token);
        let is_lost = state == "canceled" && !is_asked && !is_handed_over;
        return is_lost.then(|| Violation::Lost { token, state: Some(state.to_owned()) });
    }
    let due_at_ms = standing.due_at_ms.unwrap_or(message.due_at_ms).max(message.due_at_ms);
    if evidence.asked_at_ms <= due_at_ms + evidence.grace_ms + evidence.behind() {
        return None;
    }
    let state = Some(state.to_owned());
    Some(if is_handed_over { Violation::Unsettled { token, state } } else { Violation::Lost { token, state } })
}

#[cfg(test)]
mod tests;
