//! What was promised to callers, and what went to the providers; each hand-over is checked as it begins.

use std::collections::{BTreeMap, BTreeSet};

use sendwheel_actors::domain::directory::Limit;
use sendwheel_actors::domain::ids::{ContactId, MessageId, PartitionCount, SenderId};
use sendwheel_actors::domain::message::{Message, State};
use sendwheel_actors::sender::transport::Envelope;
use sendwheel_actors::store::{RecordKey, Table, codec, keys};

use crate::world::{Process, World};

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
    pub sender: SenderId,
    /// What is wrong with it, unless it turns out not to have started.
    pub wrongs: Vec<String>,
}

/// A message, as its caller knows it.
#[derive(Debug, Clone, Default)]
pub struct Promised {
    /// Its scheduling was acknowledged.
    pub is_acknowledged: bool,
    /// When it may be due, by what was acknowledged or may have been applied.
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
    /// Settled for good in the store when a process began.
    pub is_settled: bool,
    pub hands: Vec<HandedOver>,
}

#[derive(Debug, Clone, Default)]
pub struct Person {
    pub is_busy: bool,
    pub is_deletion_asked: bool,
    pub deleted_at: Option<i64>,
    /// By channel.
    pub denied_at: [Option<i64>; 2],
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
    pub messages: BTreeMap<MessageId, Promised>,
    pub by_contact: BTreeMap<ContactId, Vec<MessageId>>,
    pub people: BTreeMap<ContactId, Person>,
    pub lanes: BTreeMap<SenderId, Lane>,
    pub violations: Vec<String>,
    pub operations_open: usize,
    /// Hand-overs that began after a stop was acknowledged, under a claim that was made before it.
    pub begun_after_stop: usize,
}

impl Model {
    pub fn message(&mut self, id: MessageId, contact: ContactId) -> &mut Promised {
        let of_contact = self.by_contact.entry(contact).or_default();
        if !of_contact.contains(&id) {
            of_contact.push(id);
        }
        self.messages.entry(id).or_default()
    }

    /// Nobody knows what became of the operations of a process that died.
    pub fn process_begins(&mut self, now: i64) {
        self.operations_open = 0;
        for known in self.messages.values_mut().filter(|known| known.is_busy) {
            (known.is_busy, known.placed_at) = (false, now);
        }
        self.people.values_mut().for_each(|person| person.is_busy = false);
        self.lanes.values_mut().for_each(|lane| lane.is_busy = false);
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
    pub fn hands(&self) -> usize {
        self.messages.values().map(|known| known.hands.len()).sum()
    }
}

/// A message's record as it lies in the store.
pub fn stored(process: &Process, partitions: PartitionCount, id: MessageId) -> Option<Message> {
    let key = RecordKey { partition: partitions.of_message(id)?, table: Table::Message, key: keys::message(id) };
    process.store.peek(&key).map(|bytes| codec::decode(&bytes).unwrap())
}

fn version_of(text: &str) -> Option<u32> {
    text.split_whitespace().find_map(|word| word.strip_prefix('v')?.parse().ok())
}

impl World {
    /// A hand-over begins: everything that can be said of it now is checked. Its number.
    pub fn hand_over_begins(&self, process: &Process, envelope: &Envelope) -> usize {
        let now = self.now();
        let (id, contact) = (envelope.message, envelope.contact);
        let partitions = PartitionCount::new(self.plan.partitions).unwrap();
        self.log(format!("hand-over: {id} attempt {} of {contact}", envelope.attempt));
        let mut wrongs = Vec::new();
        let mut wrong =
            |rule: &str, text: String| wrongs.push(format!("{rule}: {id} attempt {}: {text}", envelope.attempt));
        let record = stored(process, partitions, id);
        let mut model = self.model();
        let claimed_at =
            record.as_ref().and_then(|record| record.attempts.last()).map_or(i64::MAX, |last| last.started_at.0);
        match &record {
            None => wrong("I2", "handed over without a record".into()),
            Some(record) if !matches!(record.state, State::Sending(claim) if claim.attempt == envelope.attempt) => {
                wrong("claim", format!("handed over without a durable claim, in {:?}", record.state));
            }
            // The claim is made before a commit that takes its time: a wheel that is early shows there.
            Some(record) if record.due_at.0 > claimed_at => {
                wrong("I1", format!("claimed {} ms early", record.due_at.0 - claimed_at));
            }
            Some(_) => {}
        }
        let person = model.people.get(&contact).cloned().unwrap_or_default();
        let sender = record.as_ref().map_or(SenderId::from_bytes([0; 16]), |record| record.sender);
        let removed_at = model.lanes.get(&sender).and_then(|lane| lane.removed_at);
        let stops = [
            ("deletion", person.deleted_at),
            ("opt-out", person.denied_at[envelope.channel() as usize % 2]),
            ("removal of its sender", removed_at),
        ];
        let mut begun_after_stop = 0;
        for (what, at) in stops {
            let Some(at) = at else { continue };
            if claimed_at > at {
                wrong("I3", format!("claimed at {claimed_at}, after the {what} was acknowledged at {at}"));
            } else if now > at {
                begun_after_stop = 1;
            }
        }
        if envelope.first_attempt
            && let Some(record) = &record
        {
            for earlier in self.overtaken(&model, process, partitions, record) {
                wrong("I7", format!("overtook {earlier}"));
            }
        }
        let known = model.message(id, contact);
        if known.dues.iter().min().is_some_and(|due| *due > now) {
            wrong("I1", format!("early: it may be due at {:?}, now is {now}", known.dues));
        }
        if let Some(version) = envelope.content.text.as_deref().and_then(version_of)
            && !known.texts.is_empty()
            && !known.texts.contains(&version)
        {
            wrong("edit", format!("says version {version}, not one of {:?}", known.texts));
        }
        if let Some(at) = known.canceled_at {
            wrong("I3", format!("its cancelling was acknowledged at {at}"));
        }
        let before: Vec<_> = known.hands.iter().filter(|hand| hand.outcome != Outcome::NotStarted).collect();
        if known.hands_allowed.is_some_and(|allowed| before.len() >= allowed) {
            wrong("I3", "tried again after a cancel was acknowledged".into());
        }
        if let Some(last) = before.last() {
            if last.attempt >= envelope.attempt {
                wrong("I4", format!("attempt {} was made before", last.attempt));
            }
            match last.outcome {
                Outcome::Pending => wrong("I4", "another attempt is under way".into()),
                Outcome::Submitted | Outcome::Permanent if last.process == process.number => {
                    wrong("I4", format!("it was {:?} before, and the process did not die", last.outcome));
                }
                _ => {}
            }
        }
        if known.is_settled {
            wrong("I4", "it was settled before, durably".into());
        }
        known.hands.push(HandedOver {
            at: now,
            process: process.number,
            attempt: envelope.attempt,
            outcome: Outcome::Pending,
            sender,
            wrongs,
        });
        let number = known.hands.len() - 1;
        model.begun_after_stop += begun_after_stop;
        number
    }

    /// Messages of the same contact, lane and class that should have gone before this one.
    fn overtaken(
        &self,
        model: &Model,
        process: &Process,
        partitions: PartitionCount,
        record: &Message,
    ) -> Vec<MessageId> {
        let order = |message: &Message| (message.due_at, message.created_us);
        let mut out = Vec::new();
        for id in model.by_contact.get(&record.contact).into_iter().flatten() {
            let known = &model.messages[id];
            let was_placed = known.is_acknowledged && !known.is_busy && known.placed_at < record.due_at.0;
            if *id == record.id || !was_placed || known.canceled_at.is_some() || !known.hands.is_empty() {
                continue;
            }
            let Some(other) = stored(process, partitions, *id) else { continue };
            let is_in_line = (other.lane, other.class) == (record.lane, record.class);
            if is_in_line
                && other.state == State::Scheduled
                && order(&other) < order(record)
                && other.attempts.is_empty()
            {
                out.push(*id);
            }
        }
        out
    }

    /// What the store has settled for good when a process begins.
    pub fn note_settled(&self, process: &Process) {
        let partitions = PartitionCount::new(self.plan.partitions).unwrap();
        let mut model = self.model();
        for (id, known) in &mut model.messages {
            let record = stored(process, partitions, *id);
            known.is_settled = record.is_some_and(|record| record.state.name().is_final());
        }
    }
}
