//! What a contact can be told, and what it answers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::decide::Sweep;
use crate::domain::address::{Address, Channel};
use crate::domain::audit::{AuditEntry, Stamp};
use crate::domain::clock::UnixMs;
use crate::domain::contact::{Contact, Removal};
use crate::domain::conversation::{Inbound, OptVia, ThreadEvent, ThreadItem};
use crate::domain::ids::{AccountNo, ContactId, MessageId, SeriesId, UserId, WebhookId};
use crate::domain::message::{Attachment, Author, Message, StateName, StoredContent};
use crate::domain::receipt::Receipt;
use crate::domain::suppression::Suppression;
use crate::domain::ticket::Ticket;
use crate::domain::tracking::Engagement;
use crate::domain::verdict::Verdict;
use crate::protocol::api::{
    Caller, CancelOutcome, Created, EngineResult, MessageEdit, NewContact, NewMessage, ProfilePatch, Resolve, Upserted,
};
use crate::store::Entry;

/// How much longer than its attempt a claim is good: what its own commit, the wait for its moment and the way
/// of an answer may take before it is called orphaned.
pub const CLAIM_MARGIN: Duration = Duration::from_secs(5);

/// A permit as the contact sees it: the lane lets this ticket through, now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PermitGranted {
    /// The pool's number for it.
    pub permit: u64,
    /// Which message.
    pub ticket: Ticket,
    /// How long one attempt may take on this channel.
    pub attempt_timeout: Duration,
}

/// What came of an attempt that a worker made, or did not begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptEnd {
    /// It was made and judged.
    Judged(Verdict),
    /// Nothing reached the provider: the permit was too old, or the claim could not be trusted any more.
    NotStarted,
}

/// An attempt is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptFinished {
    /// The pool's number for its permit.
    pub permit: u64,
    /// Which message.
    pub ticket: Ticket,
    /// Which attempt.
    pub attempt: u16,
    /// What came of it.
    pub end: AttemptEnd,
    /// When.
    pub finished_at: UnixMs,
}

/// A message to schedule, with its large parts set apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleMessage {
    /// Its id: drawn before, or derived from the idempotency key.
    pub id: MessageId,
    /// What the caller wants; attachments' bytes are no longer in it.
    pub new: NewMessage,
    /// The attachments.
    pub attachments: Vec<Attachment>,
    /// Where the content is.
    pub content: StoredContent,
    /// What goes into blobs of its own, by number: large content, attachments. Committed with the message,
    /// so that no blob is without one, and none is another request's.
    pub blobs: Vec<(u8, Bytes)>,
    /// Revives this dead letter.
    pub requeue_of: Option<MessageId>,
}

/// The contact wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The account that was written to.
    pub account: AccountNo,
    /// The item's id: derived from the mail's or the provider's own id.
    pub item: MessageId,
    /// What came; [`Inbound::in_reply_to`] is found here.
    pub inbound: Box<Inbound>,
    /// What goes into blobs of its own, by number: large content, attachments, the raw mail.
    pub blobs: Vec<(u8, Bytes)>,
    /// What they call themselves, for a contact that is made.
    pub name: Option<String>,
    /// Email: what it may answer, nearest first.
    pub candidates: Vec<MessageId>,
}

/// The contact opts out of a channel, or in again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptChange {
    /// For which account.
    pub account: AccountNo,
    /// On which channel.
    pub channel: Channel,
    /// By which address, if one must be the contact's.
    pub address: Option<Address>,
    /// Out, or in.
    pub is_out: bool,
    /// How they said so.
    pub via: OptVia,
    /// The id of the thread's entry about it.
    pub item: MessageId,
}

/// What a person does to a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attend {
    /// Read, or unread again.
    pub is_read: Option<bool>,
    /// Who looks after it; `Some(None)`: nobody.
    pub assigned_to: Option<Option<UserId>>,
}

/// What a clean-up asked others about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Matter {
    /// A deletion: what is kept of the contact under other ids is to go.
    Farewell,
    /// A merge: whether the survivor takes the profile.
    Absorb,
    /// A merge: these messages and items.
    TakeOver(Vec<MessageId>),
    /// A merge: that was all.
    Joined,
}

/// A duplicate as its survivor is to take it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absorbed {
    /// Its record.
    pub duplicate: Contact,
    /// What the survivor gave out.
    pub token: u64,
    /// Who merges them.
    pub by: Author,
}

/// A part of a duplicate's thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenOver {
    /// The duplicate.
    pub from: ContactId,
    /// What the survivor gave out.
    pub token: u64,
    /// The entries, each with its blobs by number.
    pub entries: Vec<(MovedEntry, Vec<(u8, Bytes)>)>,
}

/// An entry of a thread that moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MovedEntry {
    /// A message of ours.
    Message(Arc<Message>),
    /// Anything else.
    Item(Arc<ThreadItem>),
}

/// What a contact can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContactCommand {
    /// Come into being.
    Create(Caller, Box<NewContact>),
    /// Come into being, or take what is given.
    Upsert(Caller, Box<NewContact>),
    /// Take what is given in the place of the id that this contact's alias leads from; never come into being.
    UpsertAliased(Caller, Box<NewContact>),
    /// Change the profile.
    Patch(Caller, Box<ProfilePatch>, Option<u32>),
    /// Stand in for another contact that took this one's external id later.
    ClaimAlias(Caller, String, ContactId),
    /// Stop standing in.
    DropAlias(AccountNo, String, ContactId),
    /// Go away, with everything.
    Delete(Caller, Removal),
    /// Schedule a message.
    Schedule(Caller, Box<ScheduleMessage>),
    /// Take a message back.
    Cancel(Caller, MessageId),
    /// Change a pending message.
    Edit(Caller, MessageId, Box<MessageEdit>, Option<u32>),
    /// Send a pending message at once.
    SendNow(Caller, MessageId),
    /// Settle an uncertain message.
    Resolve(Caller, MessageId, Resolve),
    /// Let a message go on that was held while its account was suspended.
    ResumeHeld(MessageId),
    /// The lane lets a message through.
    Permit(PermitGranted),
    /// An attempt is over.
    Finished(Box<AttemptFinished>),
    /// Go on with a deletion.
    Cleanup(Ticket),
    /// Those whom a clean-up asked have answered.
    Heard(Ticket, Matter, EngineResult<()>),
    /// Another contact is to be merged into this one: agree on a token.
    ExpectMerge(Caller, ContactId),
    /// Be merged into this contact, which gave out this token.
    Merge(Caller, ContactId, u64),
    /// Take a duplicate's profile.
    Absorb(Box<Absorbed>),
    /// Take a part of a duplicate's messages and thread.
    TakeOver(Box<TakenOver>),
    /// A duplicate has nothing left: told by it, with the token of its merge.
    Joined(ContactId, u64),
    /// The contact that this one was merged into is deleted: go, too.
    Forgo(ContactId, Removal),
    /// Remove what was settled before this instant.
    Forget(UnixMs),
    /// Remove a message that is settled, or something that came in, with everything of it.
    Remove(Caller, MessageId),
    /// Schedule a cancelled message again: its caller takes the cancel back.
    Restore(Caller, MessageId),
    /// Take back a series, with what of it is pending.
    CancelSeries(Caller, SeriesId),
    /// Let a cancelled series go on: its caller takes the cancel back.
    RestoreSeries(Caller, SeriesId),
    /// Keep what they wrote.
    Receive(Box<Received>),
    /// A provider tells of a message.
    Receipt(MessageId, Receipt),
    /// They opened a mail, or followed a link of it.
    Tracked(MessageId, Engagement),
    /// Keep an entry about something that happened.
    Happened(AccountNo, MessageId, ThreadEvent),
    /// They opt out or in.
    Opt(Box<OptChange>),
    /// Put an address on the suppression list; told to the id that is derived from it.
    Suppress(Box<Suppression>, Option<Stamp>),
    /// Take an address off the list; told to the id that is derived from it.
    Unsuppress(AccountNo, Address, Option<Stamp>),
    /// Keep a digest alone of a suppressed address; told to the id that is derived from it.
    EraseSuppressed(AccountNo, Address),
    /// One of their addresses is suppressed by now.
    AddressSuppressed(Box<Suppression>),
    /// Keep an entry of the audit trail about a whole request; told to the id that is derived from it.
    Record(Box<AuditEntry>),
    /// Take back what is pending, after this entry.
    CancelPending(Sweep, Option<Entry>),
    /// Plan again what is pending, after this entry.
    ReplanPending(Option<Entry>),
    /// The same, and the entry in the due index that asks for it is removed at the end.
    Replan(Ticket, Option<Entry>),
    /// Read, assigned.
    Attend(Caller, Attend),
    /// Keep a note under this id.
    Note(Caller, MessageId, String),
    /// Try a webhook out; told to the id that is derived from it.
    Ping(AccountNo, WebhookId),
    /// Send a notice that was given up once more.
    Revive(Caller, MessageId),
}

/// What a contact answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// To `Create`.
    Created(Created<Contact>),
    /// To `Create`, `Upsert` and `ClaimAlias`: another contact has that external id, unless it is gone.
    StandsFor(ContactId),
    /// To `Upsert`.
    Upserted(Upserted),
    /// To `Patch`.
    Contact(Box<Contact>),
    /// To `ExpectMerge`: the token, unless that merge is done, or sure to be.
    Expected(u64),
    /// To `Delete`: how many pending messages went with it.
    Deleted(u64),
    /// To `Schedule`.
    Scheduled(Created<Box<Message>>),
    /// To `Cancel`.
    Canceled(CancelOutcome),
    /// To `Edit`, `SendNow`, `Resolve` and `Revive`.
    Message(Box<Message>),
    /// To `Receive`.
    Received {
        /// The item.
        item: MessageId,
        /// Whether it was kept now, not before.
        is_new: bool,
    },
    /// To `Receipt`: the message's state by now.
    Receipt(StateName),
    /// To `Opt`.
    Opted {
        /// Whether it said anything new.
        was_changed: bool,
    },
    /// To `Suppress` and `Unsuppress`; whether it is new.
    Suppressed(Box<Suppression>, bool),
    /// To `Note`; whether it is new. To `CancelSeries` and `RestoreSeries`; whether that changed it.
    Item(Box<ThreadItem>, bool),
    /// To `Ping`: the notice.
    Notified(MessageId),
    /// To everything that has nothing to tell.
    Done,
}

/// An answer, or why not.
pub type Answered = EngineResult<Answer>;
