//! The fixture: one contact, three senders, a store of maps, a fixed time.

use std::sync::Arc;
use std::time::Duration;

pub(super) use super::model::*;
pub(super) use super::people::*;
use crate::contact::command::{
    Answer, Answered, AttemptEnd, AttemptFinished, ContactCommand, PermitGranted, ScheduleMessage,
};
use crate::contact::decide::cleanup::CLEANUP_ROOM;
use crate::contact::decide::{Needs, decide, message_id_for, needs, stored};
use crate::contact::decision::{Decision, Effect, Known, Records, Surroundings};
use crate::contact::entries::{DueEntry, change_message};
use crate::domain::address::Channel;
use crate::domain::clock::UnixMs;
use crate::domain::contact::{Consent, Contact};
use crate::domain::conversation::ThreadItem;
use crate::domain::directory::Snapshot;
use crate::domain::ids::{BootId, ContactId, MessageId, PartitionCount};
use crate::domain::message::{BlobKey, Message, StateName};
use crate::domain::reply_address::ReplyKey;
use crate::domain::source::IdSource;
use crate::domain::status_callback::StatusCallbackKey;
use crate::domain::ticket::Ticket;
use crate::domain::tracking::TrackingKey;
use crate::domain::unsubscribe::UnsubscribeKey;
use crate::domain::verdict::Verdict;
use crate::protocol::api::{Caller, Created, EngineError, NewContact, NewMessage};
use crate::protocol::settings::EngineSettings;
use crate::protocol::suppressions::SuppressionSet;
use crate::sender::Release;
use crate::sender::transport::Envelope;
use crate::shard::Habits;
use crate::store::{Batch, Entry, Index, Member, Mutation, NodeId, Table, codec, keys};

pub(super) struct World {
    pub(super) now: UnixMs,
    pub(super) boot: BootId,
    pub(super) ids: IdSource,
    pub(super) directory: Snapshot,
    pub(super) settings: EngineSettings,
    pub(super) suppressions: SuppressionSet,
    pub(super) habits: Habits,
    pub(super) unsubscribe: UnsubscribeKey,
    pub(super) reply: ReplyKey,
    pub(super) status_callbacks: StatusCallbackKey,
    pub(super) tracking: TrackingKey,
    pub(super) model: Model,
    /// Blobs that a test took away.
    pub(super) lost_blobs: usize,
    permits: u64,
}

pub(super) fn submitted() -> AttemptEnd {
    AttemptEnd::Judged(Verdict::Submitted { provider_id: Some("p1".into()) })
}

impl World {
    /// Nobody there yet.
    pub(super) fn empty() -> Self {
        Self {
            now: NOW,
            boot: BootId(1),
            ids: IdSource::seeded(1),
            directory: directory(&[ANN, BOB]),
            settings: EngineSettings::for_node(NodeId(1)),
            suppressions: SuppressionSet::default(),
            habits: Habits::default(),
            unsubscribe: UnsubscribeKey::new(&[1; 32]),
            reply: ReplyKey::new(&[1; 32]),
            status_callbacks: StatusCallbackKey::new(&[1; 32]),
            tracking: TrackingKey::new(&[1; 32]),
            model: Model::default(),
            lost_blobs: 0,
            permits: 0,
        }
    }

    /// The contact lives.
    pub(super) fn new() -> Self {
        let mut world = Self::empty();
        let new = NewContact { profile: profile(), idempotency: None };
        let decision = world.tell(ContactCommand::Create(caller(), Box::new(new)));
        assert!(matches!(answer(&decision), Ok(Answer::Created(Created::New(_)))));
        world
    }

    pub(super) fn contact(&self) -> Option<Contact> {
        self.model.records.get(&(Table::Contact, keys::contact(CONTACT))).map(|bytes| codec::decode(bytes).unwrap())
    }

    pub(super) fn change_contact(&mut self, change: impl FnOnce(&mut Contact)) {
        let mut contact = self.contact().unwrap();
        change(&mut contact);
        self.model.records.insert((Table::Contact, keys::contact(CONTACT)), codec::encode(&contact));
    }

    /// The contact was changed behind the decisions' back: so are its search entries.
    pub(super) fn drop_search_entries_but_those_of_the_contact(&mut self) {
        let terms = self.contact().unwrap().profile.search_terms();
        self.model.index.retain(|(index, _, member)| {
            *index != Index::Search(ACCOUNT) || terms.contains(&keys::SearchMember::decode(member).unwrap().term)
        });
    }

    /// The contact was changed behind the decisions' back: its entries stand for it again.
    pub(super) fn index_contact(&mut self) {
        let terms = self.contact().unwrap().profile.search_terms();
        self.model.index.extend(terms.into_iter().map(|term| {
            let member = keys::SearchMember { term, contact: CONTACT }.encode().unwrap();
            (Index::Search(ACCOUNT), UnixMs(0), member)
        }));
    }

    /// Nobody signs in any more.
    pub(super) fn remove_users(&mut self) {
        self.directory = directory(&[]);
    }

    pub(super) fn set_consent(&mut self, consent: Consent) {
        self.change_contact(|contact| {
            (contact.profile.consent.email, contact.profile.consent.sms) = (consent, consent);
        });
    }

    pub(super) fn message(&self, id: MessageId) -> Message {
        self.try_message(id).expect("the message is there")
    }

    pub(super) fn try_message(&self, id: MessageId) -> Option<Message> {
        self.model.records.get(&(Table::Message, keys::message(id))).map(|bytes| codec::decode(bytes).unwrap())
    }

    /// The message is another one, with all that stands for it.
    pub(super) fn replace(&mut self, old: &Message, new: &Message) {
        let mut mutations = Vec::new();
        change_message(&mut mutations, Some(old), Some(new), DueEntry::InDue);
        self.model.apply(&mutations);
    }

    pub(super) fn item(&self, id: MessageId) -> Option<ThreadItem> {
        self.model.records.get(&(Table::Item, keys::item(id))).map(|bytes| codec::decode(bytes).unwrap())
    }

    pub(super) fn later(&mut self, by: Duration) {
        self.now = self.now.plus(by);
    }

    fn read(&self, needs: &Needs, records: &mut Records) {
        let range = |index, to: UnixMs, limit| {
            let entries = self.model.index.iter().filter(|(of, score, _)| *of == index && *score <= to);
            entries.take(limit).map(|(_, score, member)| Entry { score: *score, member: member.clone() }).collect()
        };
        for id in &needs.messages {
            records.messages.insert(*id, self.try_message(*id).map(Arc::new));
        }
        for id in &needs.contents {
            let key = keys::blob(BlobKey { message: *id, number: BlobKey::CONTENT });
            let found = self.model.records.get(&(Table::Blob, key)).map(|bytes| codec::decode(bytes).unwrap());
            records.contents.insert(*id, found);
        }
        for (account, external_id) in &needs.aliases {
            let found = self.model.records.get(&(Table::Alias, keys::alias(*account, external_id)));
            let target = found.map(|bytes| ContactId::from_bytes(bytes[..].try_into().unwrap()));
            records.aliases.insert(external_id.clone(), target);
        }
        for blob in &needs.blobs {
            records.blobs.insert(*blob, self.model.records.get(&(Table::Blob, keys::blob(*blob))).cloned());
        }
        if let Some((after, limit)) = &needs.pending {
            let mut entries: Vec<Entry> = range(Index::Pending(CONTACT), UnixMs::MAX, usize::MAX);
            entries.retain(|entry| after.as_ref().is_none_or(|after| entry > after));
            entries.truncate(*limit);
            records.pending = Some(entries);
        }
        if let Some(limit) = needs.recent {
            let mut entries: Vec<Entry> = range(Index::Timeline(CONTACT), UnixMs::MAX, usize::MAX);
            entries.reverse();
            entries.truncate(limit);
            records.recent = Some(entries);
        }
        for id in &needs.items {
            records.items.insert(*id, self.item(*id).map(Arc::new));
        }
        for (account, digest) in &needs.suppressions {
            let found = self.model.records.get(&(Table::Suppression, keys::suppression(*account, *digest)));
            records.suppressions.insert(*digest, found.map(|bytes| codec::decode(bytes).unwrap()));
        }
        if needs.pending_count {
            let all: Vec<Entry> = range(Index::Pending(CONTACT), UnixMs::MAX, usize::MAX);
            records.pending_count = Some(all.len());
        }
        if let Some((to, limit)) = needs.timeline {
            records.timeline = Some(range(Index::Timeline(CONTACT), to, limit));
        }
    }

    /// What surrounds a decision now.
    pub(super) fn around(&self) -> Surroundings<'_> {
        Surroundings {
            now: self.now,
            boot: self.boot,
            partitions: PartitionCount::DEFAULT,
            ids: &self.ids,
            directory: &self.directory,
            settings: &self.settings,
            habits: &self.habits,
            unsubscribe: &self.unsubscribe,
            reply: &self.reply,
            status_callbacks: &self.status_callbacks,
            tracking: &self.tracking,
        }
    }

    /// Reads what the command needs, decides it and commits what was decided.
    pub(super) fn tell(&mut self, command: ContactCommand) -> Decision {
        let contact = self.contact();
        let mut records = Records::default();
        for round in 0.. {
            assert!(round < 5, "a command goes on asking");
            let known = Known {
                id: CONTACT,
                partition: PARTITION,
                contact: contact.as_ref(),
                records: &records,
                suppressions: &self.suppressions,
            };
            let missing = needs(&command, &known);
            if missing.is_empty() {
                break;
            }
            self.read(&missing, &mut records);
        }
        let known = Known {
            id: CONTACT,
            partition: PARTITION,
            contact: contact.as_ref(),
            records: &records,
            suppressions: &self.suppressions,
        };
        let around = self.around();
        let goes_alone = matches!(command, ContactCommand::Cleanup(_) | ContactCommand::Heard(..));
        let room = if goes_alone { CLEANUP_ROOM + 56 } else { Batch::MAX_MUTATIONS };
        let decision = decide(&known, command, &around);
        assert!(decision.mutations.len() <= room, "{} of {room}", decision.mutations.len());
        self.model.apply(&decision.mutations);
        for (id, record) in &decision.messages {
            assert_eq!(self.try_message(*id).as_ref(), record.as_deref(), "the actor would know another record");
        }
        if let Some(contact) = &decision.contact {
            assert_eq!(self.contact().as_ref(), contact.as_deref(), "the actor would know another contact");
        }
        self.check();
        decision
    }

    /// Tells it, and everything that it goes on with by itself.
    pub(super) fn tell_all(&mut self, command: ContactCommand) -> Decision {
        let first = self.tell(command);
        let mut more = continued(&first);
        while let Some(command) = more.pop() {
            more.extend(continued(&self.tell(command)));
        }
        first
    }

    pub(super) fn schedule_as(&mut self, caller: &Caller, new: NewMessage) -> Decision {
        let id = message_id_for(caller, CONTACT, PARTITION, new.idempotency.as_ref(), &self.ids, self.now);
        let (content, blob) = stored(new.content.clone());
        let blobs = blob.map(|content| (BlobKey::CONTENT, codec::encode(&content))).into_iter().collect();
        let command = ScheduleMessage { id, new, attachments: Vec::new(), content, blobs, requeue_of: None };
        self.tell(ContactCommand::Schedule(*caller, Box::new(command)))
    }

    pub(super) fn schedule(&mut self, new: NewMessage) -> Message {
        let decision = self.schedule_as(&caller(), new);
        match answer(&decision) {
            Ok(Answer::Scheduled(Created::New(message))) => (**message).clone(),
            other => panic!("not scheduled: {other:?}"),
        }
    }

    pub(super) fn sms(&mut self) -> MessageId {
        self.schedule(new_message(Channel::Sms)).id
    }

    pub(super) fn email(&mut self) -> MessageId {
        self.schedule(new_message(Channel::Email)).id
    }

    /// The message's ticket, as a lane has it by now.
    pub(super) fn ticket(&self, id: MessageId) -> Ticket {
        let message = self.message(id);
        let ticket = Ticket::of_message(&message);
        let waiting = Index::Waiting(message.lane, message.class);
        let entry = (waiting, ticket.due_at, Member::from_slice(&ticket.member()));
        if self.model.index.contains(&entry) { ticket.parked() } else { ticket }
    }

    /// Moves the message's due entry to index `waiting`.
    pub(super) fn park(&mut self, id: MessageId) {
        let ticket = self.ticket(id);
        let member = Member::from_slice(&ticket.member());
        assert!(self.model.index.remove(&(Index::Due, ticket.due_at, member.clone())));
        self.model.index.insert((Index::Waiting(ticket.lane, ticket.class()), ticket.due_at, member));
    }

    /// What a start finds in `due` and in `waiting`.
    pub(super) fn due_tickets(&self) -> Vec<Ticket> {
        let tickets = self.model.index.iter().filter_map(|(index, score, member)| match index {
            Index::Due => Some(Ticket::from_entry(*score, member).unwrap()),
            Index::Waiting(..) => Some(Ticket::from_entry(*score, member).unwrap().parked()),
            _ => None,
        });
        tickets.collect()
    }

    pub(super) fn grant(&mut self, ticket: Ticket) -> Decision {
        self.permits += 1;
        let granted = PermitGranted { permit: self.permits, ticket, attempt_timeout: Duration::from_secs(30) };
        let decision = self.tell(ContactCommand::Permit(granted));
        let ends = decision.effects.iter().filter(|effect| match effect {
            Effect::HandOver(permit, _) | Effect::Release(_, permit, _) => *permit == self.permits,
            _ => false,
        });
        assert_eq!(ends.count(), 1, "a permit is used or released, once: {:?}", decision.effects);
        decision
    }

    pub(super) fn permit(&mut self, id: MessageId) -> Decision {
        let ticket = self.ticket(id);
        self.grant(ticket)
    }

    /// A permit that becomes a claim.
    pub(super) fn claim(&mut self, id: MessageId) -> Envelope {
        let decision = self.permit(id);
        envelope(&decision).unwrap_or_else(|| panic!("no claim: {:?}", decision.effects))
    }

    /// The attempt under the last claim of this message is over.
    pub(super) fn finish(&mut self, ticket: Ticket, attempt: u16, end: AttemptEnd) -> Decision {
        let finished = AttemptFinished { permit: self.permits, ticket, attempt, end, finished_at: self.now };
        let decision = self.tell(ContactCommand::Finished(Box::new(finished)));
        let ends = decision.effects.iter().filter(|effect| matches!(effect, Effect::Settled(..) | Effect::Release(..)));
        assert_eq!(ends.count(), 1, "the pool hears of it, once: {:?}", decision.effects);
        decision
    }

    /// Claims and ends the attempt.
    pub(super) fn attempt(&mut self, id: MessageId, end: AttemptEnd) -> Decision {
        let ticket = self.ticket(id);
        let attempt = self.claim(id).attempt;
        self.finish(ticket, attempt, end)
    }

    pub(super) fn state(&self, id: MessageId) -> StateName {
        self.message(id).state.name()
    }
}

fn continued(decision: &Decision) -> Vec<ContactCommand> {
    let more = decision.effects.iter().filter_map(|effect| match effect {
        Effect::Continue(command) => Some((**command).clone()),
        _ => None,
    });
    more.collect()
}

pub(super) fn answer(decision: &Decision) -> &Answered {
    let mut replies = decision.effects.iter().filter_map(|effect| match effect {
        Effect::Reply(answered) => Some(&**answered),
        _ => None,
    });
    let first = replies.next().expect("it answers");
    assert!(replies.next().is_none(), "it answers once");
    first
}

/// Pointers and codes of the refused fields.
pub(super) fn refusals(decision: &Decision) -> Vec<(String, &'static str)> {
    assert!(decision.mutations.is_empty(), "a refusal changes nothing");
    match answer(decision) {
        Err(EngineError::Invalid(fields)) => fields.iter().map(|field| (field.pointer.clone(), field.code)).collect(),
        other => panic!("not refused: {other:?}"),
    }
}

pub(super) fn conflict(decision: &Decision) -> &'static str {
    assert!(decision.mutations.is_empty(), "a refusal changes nothing");
    match answer(decision) {
        Err(EngineError::Conflict { code, .. }) => code,
        other => panic!("no conflict: {other:?}"),
    }
}

pub(super) fn envelope(decision: &Decision) -> Option<Envelope> {
    decision.effects.iter().find_map(|effect| match effect {
        Effect::HandOver(_, envelope) => Some((**envelope).clone()),
        _ => None,
    })
}

pub(super) fn release(decision: &Decision) -> Option<Release> {
    decision.effects.iter().find_map(|effect| match effect {
        Effect::Release(_, _, release) => Some(*release),
        _ => None,
    })
}

pub(super) fn armed(decision: &Decision) -> Vec<Ticket> {
    let arm = |effect: &Effect| if let Effect::Arm(ticket) = effect { Some(*ticket) } else { None };
    decision.effects.iter().filter_map(arm).collect()
}

pub(super) fn disarmed(decision: &Decision) -> Vec<Ticket> {
    let disarm = |effect: &Effect| if let Effect::Disarm(ticket) = effect { Some(*ticket) } else { None };
    decision.effects.iter().filter_map(disarm).collect()
}

/// How many records and entries it writes, and how many counters it moves.
pub(super) fn budget(decision: &Decision) -> (usize, usize) {
    let adds = decision.mutations.iter().filter(|mutation| matches!(mutation, Mutation::Add(..))).count();
    (decision.mutations.len() - adds, adds)
}
