//! Each hand-over is checked at the moment at which it begins, with everything that can be said of it then.

use bytes::Bytes;
use sendwheel_actors::domain::address::Channel;
use sendwheel_actors::domain::ids::{MessageId, SenderId};
use sendwheel_actors::domain::message::{Message, State};
use sendwheel_actors::sender::transport::Envelope;

use crate::model::{HandedOver, Model, Outcome, Promised};
use crate::workload::{attachment_bytes, number_of_attachment};
use crate::world::{Process, World};

pub fn version_of(text: &str) -> Option<u32> {
    text.split_whitespace().find_map(|word| word.strip_prefix('v')?.parse().ok())
}

/// What is wrong with a hand-over.
struct Wrongs<'a> {
    envelope: &'a Envelope,
    found: Vec<String>,
}

impl Wrongs<'_> {
    fn add(&mut self, rule: &str, text: impl AsRef<str>) {
        let Envelope { identity: message, attempt, .. } = self.envelope;
        self.found.push(format!("{rule}: {message} attempt {attempt}: {}", text.as_ref()));
    }
}

impl World {
    /// A hand-over begins. Its number.
    pub fn hand_over_begins(&self, process: &Process, envelope: &Envelope) -> usize {
        let now = self.elapsed();
        let (id, contact) = (envelope.identity, envelope.contact);
        self.log(format!("hand-over: {id} attempt {} of {contact}", envelope.attempt));
        let mut wrongs = Wrongs { envelope, found: Vec::new() };
        self.check_lease(process, envelope, &mut wrongs);
        let mut model = self.model();
        let record = model.mirror.messages.get(&id).cloned();
        let claimed = record.as_ref().and_then(|record| record.attempts.last()).map(|last| last.started_at.0);
        let begun_after_stop = self.check_claim(&model, record.as_ref(), claimed, &mut wrongs);
        if envelope.first_attempt
            && let Some(record) = &record
        {
            for earlier in self.overtaken(&model, record) {
                wrongs.add("I7", format!("overtook {earlier}"));
            }
        }
        let known = model.message(id, contact);
        let told_at = claimed.unwrap_or(i64::MIN).max(self.now());
        if known.dues.iter().min().is_some_and(|due| *due > told_at) {
            wrongs.add("I1", format!("early: it may be due at {:?}, now is {told_at}", known.dues));
        }
        check_content(envelope, known, &mut wrongs);
        check_repetition(envelope, known, process, now, &mut wrongs);
        known.hands.push(HandedOver {
            at: now,
            process: process.number,
            attempt: envelope.attempt,
            outcome: Outcome::Pending,
            over_at: None,
            sender: record.map_or(SenderId::from_bytes([0; 16]), |record| record.sender),
            wrongs: wrongs.found,
        });
        let number = known.hands.len() - 1;
        *model.tally.entry("begun after a stop").or_default() += begun_after_stop;
        *model.tally.entry("attachments handed over").or_default() += envelope.attachments.len() as u64;
        number
    }

    /// The point of no return: still under its lease.
    pub fn hand_over_goes_through(&self, process: &Process, envelope: &Envelope, number: usize) {
        let mut wrongs = Wrongs { envelope, found: Vec::new() };
        self.check_lease(process, envelope, &mut wrongs);
        if let Some(known) = self.model().messages.get_mut(&envelope.identity)
            && let Some(hand) = known.hands.get_mut(number)
        {
            hand.wrongs.extend(wrongs.found);
        }
    }

    /// I5, and more: nobody else can have the lease while this node trusts it.
    fn check_lease(&self, process: &Process, envelope: &Envelope, wrongs: &mut Wrongs<'_>) {
        let holder = process.store.holder(envelope.message.partition());
        if holder != Some(process.node) {
            wrongs.add("I5", format!("node {} has no lease any more, {holder:?} has it", process.node));
        }
    }

    /// Under a durable claim, and claimed neither before its time nor after a stop was acknowledged. How many stops
    /// were acknowledged between claim and hand-over.
    fn check_claim(
        &self,
        model: &Model,
        record: Option<&Message>,
        claimed: Option<i64>,
        wrongs: &mut Wrongs<'_>,
    ) -> u64 {
        let envelope = wrongs.envelope;
        match record {
            None => wrongs.add("I2", "handed over without a record"),
            Some(record) if record.id != envelope.message => {
                wrongs.add("I4", format!("handed over as {}, and it has moved", envelope.message));
            }
            Some(record) if !matches!(record.state, State::Sending(claim) if claim.attempt == envelope.attempt) => {
                wrongs.add("claim", format!("handed over without a durable claim, in {:?}", record.state));
            }
            // The claim is made before a commit that takes its time: a wheel that is early shows there.
            Some(record) if claimed.is_some_and(|at| record.due_at.0 > at) => {
                wrongs.add("I1", format!("claimed at {claimed:?}, due at {}", record.due_at.0));
            }
            Some(_) => {}
        }
        let claimed_at = claimed.map_or(i64::MAX, |wall| self.clock.last_shown(wall));
        let (now, person) = (self.elapsed(), model.people.get(&envelope.contact));
        let known = model.messages.get(&envelope.identity);
        // Those stop what is claimed, too.
        let stops = [
            ("deletion", person.and_then(|person| person.deleted_at)),
            ("merge", person.and_then(|person| person.merged_at)),
            ("opt-out", person.and_then(|person| person.denied_at[envelope.channel() as usize % 2])),
            ("cancel of its series", record.and_then(|record| model.series_canceled_at(record))),
            ("suppression of its address", model.stops.get(&envelope.to).and_then(|stop| stop.since)),
        ];
        for (what, at) in stops {
            if at.is_some_and(|at| now > at) {
                wrongs.add("I3", format!("the {what} was acknowledged at {at:?}, it was claimed at {claimed_at}"));
            }
        }
        let removed_at = record.and_then(|record| model.lanes.get(&record.sender)).and_then(|lane| lane.removed_at);
        let stops = [
            ("removal of its sender", removed_at),
            ("reply that takes it back", known.and_then(|known| known.replied_at)),
            ("receipt that says what became of it", known.and_then(|known| known.arrived_at)),
        ];
        let mut begun_after_stop = 0;
        for (what, at) in stops {
            let Some(at) = at else { continue };
            if claimed_at > at {
                wrongs.add("I3", format!("claimed at {claimed_at}, after the {what} was acknowledged at {at}"));
            } else if now > at {
                begun_after_stop = 1;
            }
        }
        begun_after_stop
    }

    /// Messages of the same contact, lane and class that should have gone before this one.
    fn overtaken(&self, model: &Model, record: &Message) -> Vec<MessageId> {
        let order = |message: &Message| (message.due_at, message.created_us);
        let let_go_at = self.clock.first_reached(record.due_at.0);
        let mut out = Vec::new();
        // It was let go, sent back to wait, and let go again, each by itself.
        if self.clock.was_set_back_since(let_go_at) {
            return out;
        }
        for id in model.by_contact.get(&record.contact).into_iter().flatten() {
            let known = &model.messages[id];
            let was_placed = known.is_acknowledged && !known.is_busy && known.placed_at < let_go_at;
            if *id == record.identity() || !was_placed || known.canceled_at.is_some() || !known.hands.is_empty() {
                continue;
            }
            let Some(other) = model.mirror.messages.get(id) else { continue };
            let is_in_line = (other.lane, other.class) == (record.lane, record.class);
            if is_in_line
                && other.state == State::Scheduled
                && order(other) < order(record)
                && other.attempts.is_empty()
            {
                out.push(*id);
            }
        }
        out
    }
}

/// It says what it was told to say, and carries what it was given.
fn check_content(envelope: &Envelope, known: &Promised, wrongs: &mut Wrongs<'_>) {
    let text = envelope.content.text.as_deref().unwrap_or_default();
    match version_of(text) {
        Some(version) if !known.texts.is_empty() && !known.texts.contains(&version) => {
            wrongs.add("edit", format!("says version {version}, not one of {:?}", known.texts));
        }
        None => wrongs.add("content", "it has no text"),
        Some(_) => {}
    }
    let names: Vec<_> = envelope.attachments.iter().map(|(attachment, _)| attachment.filename.as_str()).collect();
    if let Some(request) = &known.request
        && names != request.attachments.iter().map(|asked| asked.filename.as_str()).collect::<Vec<_>>()
    {
        wrongs.add("content", format!("it carries {names:?}"));
    }
    for (attachment, bytes) in &envelope.attachments {
        let wanted = number_of_attachment(&attachment.filename).map_or_else(Bytes::new, attachment_bytes);
        if *bytes != wanted || attachment.size as usize != wanted.len() {
            wrongs.add("content", format!("{} has {} other bytes", attachment.filename, bytes.len()));
        }
    }
}

/// I3 for a cancel, and I4: what may go again, and when.
fn check_repetition(envelope: &Envelope, known: &Promised, process: &Process, now: i64, wrongs: &mut Wrongs<'_>) {
    if let Some(at) = known.canceled_at {
        wrongs.add("I3", format!("its cancelling was acknowledged at {at}"));
    }
    let before: Vec<_> = known.hands.iter().filter(|hand| hand.outcome != Outcome::NotStarted).collect();
    if known.hands_allowed.is_some_and(|allowed| before.len() >= allowed) {
        wrongs.add("I3", "tried again after a cancel was acknowledged");
    }
    if let Some(last) = before.last() {
        if last.attempt >= envelope.attempt {
            wrongs.add("I4", format!("attempt {} was made before", last.attempt));
        }
        match last.outcome_at(now) {
            Outcome::Pending => wrongs.add("I4", "another attempt is under way"),
            // The policy of this run's SMS: a person decides.
            Outcome::Unknown if envelope.channel() == Channel::Sms && known.retry_asked_at < Some(last.at) => {
                wrongs.add("I4", "it may have arrived, and nobody asked to have it tried again");
            }
            Outcome::Submitted | Outcome::Permanent if last.process == process.number => {
                wrongs.add("I4", format!("it was {:?} before, and the process did not die", last.outcome));
            }
            _ => {}
        }
    }
    if known.is_settled {
        wrongs.add("I4", "it was settled before, durably");
    }
}
