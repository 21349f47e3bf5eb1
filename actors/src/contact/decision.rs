//! What a decision is made of: what is known, what follows.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;

use crate::domain::address::Channel;
use crate::domain::clock::UnixMs;
use crate::domain::contact::Contact;
use crate::domain::conversation::ThreadItem;
use crate::domain::directory::Snapshot;
use crate::domain::habit::Lesson;
use crate::domain::ids::{AccountNo, BootId, ContactId, MessageId, Partition, PartitionCount, WebhookId};
use crate::domain::lift::Step;
use crate::domain::message::{BlobKey, Content, Message, State, StateName};
use crate::domain::plan::smart::Arm;
use crate::domain::reply_address::ReplyKey;
use crate::domain::source::IdSource;
use crate::domain::status_callback::StatusCallbackKey;
use crate::domain::suppression::Suppression;
use crate::domain::ticket::Ticket;
use crate::domain::tracking::TrackingKey;
use crate::domain::unsubscribe::UnsubscribeKey;
use crate::protocol::events::{EventKind, Happened};
use crate::protocol::settings::EngineSettings;
use crate::protocol::suppressions::SuppressionSet;
use crate::sender::Release;
use crate::sender::transport::Envelope;
use crate::shard::{Habits, Node};
use crate::store::keys::AddressDigest;
use crate::store::{AddressHint, Entry, Mutation, Table, keys};

use super::command::{Answer, Answered, ContactCommand, Matter};
use super::decide::{blobs_of, blobs_of_item};
use super::entries::{DueEntry, change_contact, change_item, change_message, due_ticket};

/// What surrounds a decision: time, randomness and settings are arguments.
#[derive(Debug)]
pub struct Surroundings<'a> {
    /// Wall time.
    pub now: UnixMs,
    /// This process.
    pub boot: BootId,
    /// How many partitions there are.
    pub partitions: PartitionCount,
    /// Random numbers and creation times.
    pub ids: &'a IdSource,
    /// Accounts and senders as they are now.
    pub directory: &'a Snapshot,
    /// Bounds and policies.
    pub settings: &'a EngineSettings,
    /// When the contacts of each account are active.
    pub habits: &'a Habits,
    /// Signs unsubscribe links.
    pub unsubscribe: &'a UnsubscribeKey,
    /// Signs reply addresses.
    pub reply: &'a ReplyKey,
    /// Signs status callbacks.
    pub status_callbacks: &'a StatusCallbackKey,
    /// Signs what tells of opens and clicks.
    pub tracking: &'a TrackingKey,
}

impl<'a> Surroundings<'a> {
    /// Those of a node, now.
    pub(crate) fn of(node: &'a Node, directory: &'a Snapshot) -> Self {
        Self {
            now: node.clock.now(),
            boot: node.boot,
            partitions: node.partitions,
            ids: &node.ids,
            directory,
            settings: &node.settings,
            habits: &node.habits,
            unsubscribe: &node.unsubscribe,
            reply: &node.reply,
            status_callbacks: &node.status_callbacks,
            tracking: &node.tracking,
        }
    }
}

/// What is known of a contact when a command is decided.
#[derive(Debug)]
pub struct Known<'a> {
    /// Its id, whether it exists or not.
    pub id: ContactId,
    /// Its partition.
    pub partition: Partition,
    /// Its record.
    pub contact: Option<&'a Contact>,
    /// What was read for this command, overlaid with what was decided since.
    pub records: &'a Records,
    /// Which addresses may be suppressed.
    pub suppressions: &'a SuppressionSet,
}

/// Records and entries that were read for a command.
#[derive(Debug, Default)]
pub struct Records {
    /// Messages; `None`: there is none.
    pub messages: BTreeMap<MessageId, Option<Arc<Message>>>,
    /// Contents that are blobs; `None`: there is none.
    pub contents: BTreeMap<MessageId, Option<Content>>,
    /// Whom this contact's external id stands for, by external id.
    pub aliases: BTreeMap<String, Option<ContactId>>,
    /// Blobs that move with their message or item; `None`: there is none.
    pub blobs: HashMap<BlobKey, Option<Bytes>>,
    /// Items of the thread; `None`: there is none.
    pub items: BTreeMap<MessageId, Option<Arc<ThreadItem>>>,
    /// Suppressed addresses; `None`: it is not.
    pub suppressions: BTreeMap<AddressDigest, Option<Suppression>>,
    /// The first pending entries of this contact.
    pub pending: Option<Vec<Entry>>,
    /// How many pending entries there are.
    pub pending_count: Option<usize>,
    /// The oldest entries of this contact's timeline.
    pub timeline: Option<Vec<Entry>>,
    /// The newest entries of this contact's timeline, newest first.
    pub recent: Option<Vec<Entry>>,
}

/// Something that happens once the decision is durable.
#[derive(Debug)]
pub enum Effect {
    /// The caller hears this.
    Reply(Box<Answered>),
    /// The wheel learns of a ticket.
    Arm(Ticket),
    /// Wheel and lanes forget a ticket.
    Disarm(Ticket),
    /// The ticket is to be met again at this instant, though it is due earlier.
    Rewake(Ticket, UnixMs),
    /// A worker gets the envelope.
    HandOver(u64, Box<Envelope>),
    /// No attempt of this contact (on this channel) that has not begun yet begins any more.
    RevokeClaims(Option<Channel>),
    /// The permit was not used.
    Release(Channel, u64, Release),
    /// The attempt is settled: the pool may forget its outcome. The cost to charge.
    Settled(Channel, u64, u16),
    /// Listeners hear this.
    Publish(Happened),
    /// A message came to this state: metrics.
    Count(Channel, StateName),
    /// Nobody listens at a webhook any more.
    SwitchOff(AccountNo, WebhookId),
    /// What the contact did teaches of others of its account.
    Learn(AccountNo, Box<Lesson>),
    /// What became of a smart message counts.
    Tally(AccountNo, Arm, Step),
    /// There is more of it: another chunk, after what else waits.
    Continue(Box<ContactCommand>),
    /// Another contact hears this; nobody waits for an answer.
    Tell(ContactId, Box<ContactCommand>),
    /// Other contacts are asked, and this one hears what came of it; who waits for an answer to this command gets the
    /// one to that.
    Consult(Box<Consultation>),
}

/// What a clean-up asks of others. When all of them have answered, or one has refused, it is told to this contact
/// ([`ContactCommand::Heard`]); when one could not be reached, the clean-up comes again a little later.
///
/// Nothing of it is kept: after a crash the clean-up's entry in the due index asks again. So whatever is asked must
/// be the same twice as once.
#[derive(Debug)]
pub struct Consultation {
    /// The clean-up that goes on with the answers.
    pub ticket: Ticket,
    /// What it is about: told along with the answers.
    pub matter: Matter,
    /// Whom, and what.
    pub asked: Vec<(ContactId, ContactCommand)>,
}

/// What follows from a command.
#[derive(Debug, Default)]
#[must_use]
pub struct Decision {
    /// What becomes durable, all or nothing.
    pub mutations: Vec<Mutation>,
    /// Written before.
    pub hints_to_add: Vec<AddressHint>,
    /// Removed after.
    pub hints_to_remove: Vec<AddressHint>,
    /// Whether it makes new work, which is refused when space runs out.
    pub is_growth: bool,
    /// The contact's new record, if it changed; `Some(None)`: gone.
    pub contact: Option<Option<Box<Contact>>>,
    /// Messages' new records; `None`: gone.
    pub messages: Vec<(MessageId, Option<Arc<Message>>)>,
    /// New contents of messages that keep them in a blob; `None`: it is no blob any more.
    pub contents: Vec<(MessageId, Option<Content>)>,
    /// Whom external ids stand for from now on.
    pub aliases: Vec<(String, Option<ContactId>)>,
    /// New items of the thread; `None`: gone.
    pub items: Vec<(MessageId, Option<Arc<ThreadItem>>)>,
    /// Suppressed addresses; `None`: no longer.
    pub suppressions: Vec<(AddressDigest, Option<Suppression>)>,
    /// What happens afterwards, in order.
    pub effects: Vec<Effect>,
}

impl Decision {
    /// A decision that only answers.
    pub fn answer(answered: Answered) -> Self {
        let mut decision = Self::default();
        decision.reply(answered);
        decision
    }

    /// Adds an answer.
    pub fn reply(&mut self, answered: Answered) {
        self.effects.push(Effect::Reply(Box::new(answered)));
    }

    /// Adds the answer that there is nothing to tell.
    pub fn done(mut self) -> Self {
        self.reply(Ok(Answer::Done));
        self
    }

    /// Adds the change of a message: record, index entries, what wheel and listeners must hear.
    pub fn put_message(&mut self, old: Option<&Message>, new: Message, due: DueEntry, now: UnixMs) {
        change_message(&mut self.mutations, old, Some(&new), due);
        let after = new.state.name();
        // Only what waits has a ticket in the wheel or a lane; a claimed one's is under its permit.
        let waiting = |message: &Message| due_ticket(message).filter(|_| !matches!(message.state, State::Sending(_)));
        let (armed, wanted) = (old.and_then(waiting), waiting(&new));
        if armed != wanted {
            self.effects.extend(armed.filter(|_| !matches!(new.state, State::Sending(_))).map(Effect::Disarm));
            self.effects.extend(wanted.map(Effect::Arm));
        }
        let is_told = new.channel != Channel::Webhook;
        let kind = if old.is_none() { EventKind::MessageCreated } else { EventKind::MessageUpdated };
        if is_told && old.is_none_or(|old| old.state.name() != after || after == StateName::Scheduled) {
            self.effects.push(Effect::Publish(Happened {
                at: now,
                kind,
                contact: new.contact,
                message: Some((new.id, after)),
                item: None,
            }));
        }
        if old.is_none_or(|old| old.state.name() != after) {
            self.effects.push(Effect::Count(new.channel, after));
        }
        self.messages.push((new.id, Some(Arc::new(new))));
    }

    /// Adds the removal of a message with everything of it.
    pub fn remove_message(&mut self, old: &Message) {
        change_message(&mut self.mutations, Some(old), None, DueEntry::Somewhere);
        for number in blobs_of(old) {
            self.mutations.push(Mutation::Delete(Table::Blob, keys::blob(BlobKey { message: old.id, number })));
        }
        let waits = !matches!(old.state, State::Sending(_));
        self.effects.extend(due_ticket(old).filter(|_| waits).map(Effect::Disarm));
        self.contents.push((old.id, None));
        self.messages.push((old.id, None));
    }

    /// Adds the removal of an item with everything of it.
    pub fn remove_item(&mut self, old: &ThreadItem) {
        change_item(&mut self.mutations, Some(old), None);
        for number in blobs_of_item(old) {
            self.mutations.push(Mutation::Delete(Table::Blob, keys::blob(BlobKey { message: old.id, number })));
        }
        self.items.push((old.id, None));
    }

    /// Adds the change of the contact's record.
    pub fn put_contact(&mut self, old: Option<&Contact>, new: Contact) {
        change_contact(&mut self.mutations, old, Some(&new));
        self.contact = Some(Some(Box::new(new)));
    }
}
