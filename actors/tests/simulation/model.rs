//! What was promised to callers, and what went to the providers. Moments are milliseconds since the run began.

use std::collections::{BTreeMap, BTreeSet};

use sendwheel_actors::domain::address::Address;
use sendwheel_actors::domain::directory::Limit;
use sendwheel_actors::domain::ids::{ContactId, MessageId, SenderId};
use sendwheel_actors::domain::message::StateName;
use sendwheel_actors::engine::api::NewMessage;

use crate::series::Series;
use crate::watch::Mirror;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Pending,
    Submitted,
    Transient,
    Permanent,
    Unknown,
    NotStarted,
}

/// One attempt as the provider saw it.
#[derive(Debug, Clone)]
pub struct HandedOver {
    pub at: i64,
    pub process: u32,
    pub attempt: u16,
    pub outcome: Outcome,
    /// Another node makes it, and nobody hears of it; it is over by then.
    pub over_at: Option<i64>,
    pub sender: SenderId,
    /// What is wrong with it, unless it turns out not to have started.
    pub wrongs: Vec<String>,
}

impl HandedOver {
    /// What is known of it at a moment.
    pub fn outcome_at(&self, now: i64) -> Outcome {
        if self.over_at.is_some_and(|at| at <= now) { Outcome::Unknown } else { self.outcome }
    }
}

/// A message, as its caller knows it.
#[derive(Debug, Default)]
pub struct Promised {
    /// It was in the store once, and may have gone since.
    pub was_born: bool,
    /// It was asked for again, and nobody heard what came of that: it may be another message any time.
    pub may_come_back: bool,
    /// It left the store as it should: its time was over, or its contact went.
    pub is_forgotten: bool,
    /// Its scheduling was acknowledged.
    pub is_acknowledged: bool,
    /// When it may be due by the wall clock, by what was acknowledged or may have been applied.
    pub dues: Vec<i64>,
    /// Which versions of its text it may have.
    pub texts: Vec<u32>,
    /// An operation on it is under way.
    pub is_busy: bool,
    /// Its place in its lane is what it is since then.
    pub placed_at: i64,
    /// Its cancelling was acknowledged.
    pub canceled_at: Option<i64>,
    /// No more hand-overs than these: a cancel was acknowledged while an attempt was under way.
    pub hands_allowed: Option<usize>,
    /// Since when its scheduling is acknowledged.
    pub acknowledged_at: i64,
    /// Its contact wrote, and it was to be taken back then.
    pub replied_at: Option<i64>,
    /// Its provider said for good what became of it.
    pub arrived_at: Option<i64>,
    /// When a person last asked to have it tried again though it may have arrived.
    pub retry_asked_at: Option<i64>,
    /// Settled for good in the store when a process began.
    pub is_settled: bool,
    /// What was asked for under an idempotency key.
    pub request: Option<Box<NewMessage>>,
    pub hands: Vec<HandedOver>,
}

#[derive(Debug, Clone, Default)]
pub struct Person {
    pub is_busy: bool,
    /// How often it came into being.
    pub births: u32,
    pub is_deletion_asked: bool,
    /// Somebody is asking just now: whatever life of it that meets.
    pub is_being_deleted: bool,
    pub deleted_at: Option<i64>,
    /// It was told that it is another contact now.
    pub merged_at: Option<i64>,
    /// By channel.
    pub denied_at: [Option<i64>; 2],
    /// It was told that it has this external id, in that life of it.
    pub external_id: Option<(String, u32)>,
}

/// An address that nothing may go to.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    pub is_busy: bool,
    pub since: Option<i64>,
}

#[derive(Debug, Clone)]
pub struct Lane {
    pub limit: Option<Limit>,
    pub is_email: bool,
    pub is_busy: bool,
    pub removed_at: Option<i64>,
}

#[derive(Debug, Default)]
pub struct Model {
    /// What a run begins with and has: it is not made again once it was removed.
    pub prepared: BTreeSet<String>,
    pub mirror: Mirror,
    /// By the id that their callers know, wherever they have moved since.
    pub messages: BTreeMap<MessageId, Promised>,
    pub by_contact: BTreeMap<ContactId, Vec<MessageId>>,
    pub people: BTreeMap<ContactId, Person>,
    pub lanes: BTreeMap<SenderId, Lane>,
    pub stops: BTreeMap<Address, Stop>,
    pub series: Series,
    /// What the webhook took: what it was about, and the event.
    pub told: BTreeSet<(String, String)>,
    /// What status callbacks took: of which message, and the status.
    pub called: BTreeSet<(MessageId, String)>,
    /// The states that each message came to, in all its lives.
    pub came_to: BTreeSet<(MessageId, StateName)>,
    pub violations: Vec<String>,
    pub operations_open: usize,
    /// How often things happened, by name: what never does is not tested.
    pub tally: Tally,
}

/// Counts by name.
pub type Tally = BTreeMap<&'static str, u64>;

impl Model {
    pub fn message(&mut self, id: MessageId, contact: ContactId) -> &mut Promised {
        // Whose it is by now, whoever is asked for it.
        let contact = self.mirror.messages.get(&id).map_or(contact, |message| message.contact);
        let of_contact = self.by_contact.entry(contact).or_default();
        if !of_contact.contains(&id) {
            of_contact.push(id);
        }
        self.messages.entry(id).or_default()
    }

    /// Nobody knows what became of the operations of a process that died. What was settled before stays so.
    pub fn process_begins(&mut self, now: i64) {
        self.operations_open = 0;
        for (id, known) in &mut self.messages {
            if std::mem::take(&mut known.is_busy) {
                known.placed_at = now;
            }
            known.retry_asked_at = known.retry_asked_at.map(|at| at.min(now));
            let record = self.mirror.messages.get(id);
            known.is_settled = known.is_forgotten || record.is_some_and(|record| record.state.name().is_final());
        }
        self.people.values_mut().for_each(|person| (person.is_busy, person.is_being_deleted) = (false, false));
        self.series.values_mut().for_each(|series| series.is_busy = false);
        self.lanes.values_mut().for_each(|lane| lane.is_busy = false);
        self.stops.values_mut().for_each(|stop| stop.is_busy = false);
    }

    pub fn hand_over_ended(&mut self, message: MessageId, number: usize, outcome: Outcome) {
        let Some(hand) = self.messages.get_mut(&message).and_then(|known| known.hands.get_mut(number)) else { return };
        if hand.outcome != Outcome::Pending {
            return;
        }
        hand.outcome = outcome;
        if outcome != Outcome::NotStarted {
            let wrongs = std::mem::take(&mut hand.wrongs);
            self.violations.extend(wrongs);
        }
    }

    /// Hand-overs all told.
    pub fn hands(&self) -> u64 {
        self.messages.values().map(|known| known.hands.len() as u64).sum()
    }
}
