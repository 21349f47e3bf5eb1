//! What callers of the engine say and hear: requests already parsed into domain types, answers, refusals.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::domain::address::{Address, Channel, WebUrl};
use crate::domain::audit::Stamp;
use crate::domain::clock::UnixMs;
use crate::domain::contact::{Contact, Profile};
use crate::domain::conversation::ThreadItem;
use crate::domain::directory::Role;
use crate::domain::ids::{AccountNo, ContactId, MessageId, SenderId, SeriesId, TemplateId, UserId};
use crate::domain::message::{Author, Class, Content, Message, ReplyChoice, State, StateName};
use crate::domain::reason::LaneReason;
use crate::domain::recurrence::Recurrence;
use crate::domain::schedule::{FoldPolicy, GapPolicy, IfLate, QuietHoursPolicy, TooLittleData};
use crate::domain::series::Series;
use crate::domain::threading::ThreadedMail;

/// Who asks: an authenticated caller within one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The account they work in.
    pub account: AccountNo,
    /// Who they are.
    pub author: Author,
    /// What they may do.
    pub role: Role,
    /// The user behind a session, or none for a key.
    pub user: Option<UserId>,
    /// Whether their messages go to the outbox, whatever the transport.
    pub test: bool,
    /// Where the request came from, if that is known.
    pub origin: Option<IpAddr>,
    /// Whether this is one of many things that one request does, and the request has its own entry in the trail.
    pub bulk: bool,
}

impl Caller {
    /// The same caller, for the parts of a request that is in the audit trail as a whole.
    #[must_use]
    pub const fn in_bulk(self) -> Self {
        Self { bulk: true, ..self }
    }

    /// Who, when and from where, for the audit trail.
    #[must_use]
    pub const fn stamp(&self, now: UnixMs) -> Stamp {
        Stamp { who: self.author, from: self.origin, at: now }
    }
}

/// A field of a request that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) to the field, `""` for the whole.
    pub pointer: String,
    /// Stable code: `unknown_sender`, `in_the_past`, …
    pub code: &'static str,
    /// What is wrong and what would be right.
    pub detail: String,
}

impl FieldError {
    /// A refusal of one field.
    pub fn new(pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code, detail: detail.into() }
    }
}

/// Why a request was not done. Nothing of it was stored, unless the variant says so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// It does not exist for this account.
    #[error("not found")]
    NotFound,
    /// It was merged into this contact.
    #[error("this contact was merged into {0}: use that one")]
    Merged(ContactId),
    /// Fields were refused.
    #[error("the request was refused: {}", .0.first().map_or("", |field| field.detail.as_str()))]
    Invalid(Vec<FieldError>),
    /// It cannot be done in the present state.
    #[error("{detail}")]
    Conflict {
        /// Stable code.
        code: &'static str,
        /// What is in the way.
        detail: String,
    },
    /// The caller may not.
    #[error("{detail}")]
    Forbidden {
        /// Stable code.
        code: &'static str,
        /// What right is missing.
        detail: String,
    },
    /// `If-Match` named another version.
    #[error("the resource has changed: its version is {current}")]
    VersionMismatch {
        /// The version it has.
        current: u32,
    },
    /// Too often; try again later.
    #[error("{detail}")]
    Throttled {
        /// Stable code.
        code: &'static str,
        /// What was done too often.
        detail: String,
        /// When it makes sense to try again.
        retry_after: Duration,
    },
    /// Too much at once; try again shortly.
    #[error("the node has as much work as it can take, try again shortly")]
    Overloaded,
    /// The store cannot be reached; for a change, it may still have been done.
    #[error("the store cannot be reached, try again later")]
    Unavailable,
    /// New work is refused for want of space.
    #[error("the store is out of space: free some, or raise its limit")]
    OutOfSpace,
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopping,
}

impl EngineError {
    /// A refusal of one field.
    pub fn field(pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::new(pointer, code, detail)])
    }

    /// After how long trying again makes sense, if it does.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after, .. } => Some(*retry_after),
            Self::Overloaded | Self::Unavailable => Some(Duration::from_secs(1)),
            Self::OutOfSpace => Some(Duration::from_secs(10)),
            Self::Stopping => Some(Duration::from_secs(5)),
            _ => None,
        }
    }
}

/// The engine's result.
pub type EngineResult<T> = Result<T, EngineError>;

/// What a creating request made or found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Created<T> {
    /// Made now: 201.
    New(T),
    /// Made earlier by the same request: 200.
    Replayed(T),
}

impl<T> Created<T> {
    /// The resource, whichever way.
    pub fn into_inner(self) -> T {
        match self {
            Self::New(value) | Self::Replayed(value) => value,
        }
    }
}

/// A caller's idempotency key with the hash of the request it came with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The key: 1 to 200 bytes.
    pub key: String,
    /// First 16 bytes of SHA-256 over the request's content.
    pub request_hash: [u8; 16],
}

/// A zone as a request names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ZoneChoice {
    /// An IANA zone; checked when the message is planned.
    Named(String),
    /// The contact's, else the account's.
    OfContact,
}

/// When a new message is meant to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewIntent {
    /// At once.
    Now,
    /// At an instant.
    At(UnixMs),
    /// At a wall-clock time.
    Wall {
        /// `2026-12-01T09:00`, without offset.
        local: String,
        /// In which zone.
        zone: ZoneChoice,
        /// If the zone skips it.
        gap: GapPolicy,
        /// If the zone has it twice.
        fold: FoldPolicy,
    },
    /// At the best moment of a window.
    Smart {
        /// Which one.
        window: NewWindow,
        /// If too little is known of the contact.
        too_little_data: TooLittleData,
    },
}

/// A window as a request names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewWindow {
    /// So many hours from now.
    Hours(u8),
    /// From one instant to another, which is not in it.
    Between(UnixMs, UnixMs),
}

/// A file to go with an email.
#[derive(Clone, PartialEq, Eq)]
pub struct NewAttachment {
    /// File name shown to the recipient.
    pub filename: String,
    /// MIME type.
    pub content_type: String,
    /// The bytes.
    pub bytes: Bytes,
}

impl std::fmt::Debug for NewAttachment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewAttachment({} bytes)", self.bytes.len())
    }
}

/// A message to schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// The way it travels.
    pub channel: Channel,
    /// The contact's address; left out: last used, else primary.
    pub to: Option<Address>,
    /// The sender; left out: last used with this contact, else the account's default.
    pub from: Option<SenderId>,
    /// What it says.
    pub content: Content,
    /// What says it instead; the content is empty then.
    pub template: Option<TemplateId>,
    /// Email only.
    pub attachments: Vec<NewAttachment>,
    /// When.
    pub intent: NewIntent,
    /// Whether, and when, it is said again.
    pub recurrence: Option<Recurrence>,
    /// Left out: `conversation` from a session, `transactional` from a key.
    pub class: Option<Class>,
    /// If its moment has passed.
    pub if_late: IfLate,
    /// If its moment falls into quiet hours.
    pub quiet_hours: QuietHoursPolicy,
    /// Whether a reply takes it back.
    pub cancel_on_reply: bool,
    /// Email: which mail it answers.
    pub reply: ReplyChoice,
    /// The caller's labels: at most 20, names up to 40 bytes, values up to 500.
    pub metadata: BTreeMap<String, String>,
    /// Where its changes are told, in Twilio's words.
    pub callback_url: Option<WebUrl>,
    /// The caller's key for this request.
    pub idempotency: Option<Idempotency>,
}

/// Changes to a pending message; `None` leaves a field as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MessageEdit {
    /// Another address.
    pub to: Option<Address>,
    /// Another sender.
    pub from: Option<SenderId>,
    /// Another subject.
    pub subject: Option<String>,
    /// Another text.
    pub text: Option<String>,
    /// Another HTML alternative.
    pub html: Option<String>,
    /// Another time.
    pub intent: Option<NewIntent>,
    /// Another class.
    pub class: Option<Class>,
    /// Another rule for lateness.
    pub if_late: Option<IfLate>,
    /// Another rule for quiet hours.
    pub quiet_hours: Option<QuietHoursPolicy>,
    /// Whether a reply takes it back.
    pub cancel_on_reply: Option<bool>,
    /// Replaces all labels.
    pub metadata: Option<BTreeMap<String, String>>,
}

/// How a person settles an uncertain message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolve {
    /// It was handed over.
    Submitted,
    /// It was not, and is given up.
    Failed,
    /// It was not, and is taken back.
    Canceled,
    /// Try again, under the same identity.
    Retry,
}

/// What came of a cancel.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum CancelOutcome {
    /// It is cancelled: it will not be handed over. Also the answer to a repeated cancel.
    Canceled,
    /// Too late: an attempt began or it has another final state. No further attempt is made.
    AlreadyHandedOver(StateName),
}

/// What came of cancelling many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CancelManyOutcome {
    /// How many were cancelled.
    pub canceled: u64,
    /// For how many it was too late.
    pub already_handed_over: u64,
    /// How many of those that were named are not there.
    pub not_found: u64,
}

/// Which messages to cancel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelFilter {
    /// Of this contact; without it, of the whole account.
    pub contact: Option<ContactId>,
    /// With all of these labels.
    pub metadata: BTreeMap<String, String>,
}

/// A series as a caller sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesView {
    /// Its id.
    pub id: SeriesId,
    /// Whose it is.
    pub contact: ContactId,
    /// Counts changes.
    pub version: u32,
    /// The record.
    pub series: Series,
}

/// A message as a caller sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageView {
    /// The record.
    pub message: Message,
    /// Its content, loaded from wherever it is kept; empty in lists when it is a blob.
    pub content: Content,
    /// If it is due and waits in its lane: why. Shown as state `queued`.
    pub queued: Option<LaneReason>,
}

impl MessageView {
    /// The state as callers see it.
    #[must_use]
    pub const fn state_name(&self) -> StateName {
        match (&self.message.state, self.queued) {
            (State::Scheduled, Some(_)) => StateName::Queued,
            (state, _) => state.name(),
        }
    }
}

/// Which messages to list. Exactly one of `contact` and `state` is needed; both may be given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MessageFilter {
    /// Of this contact.
    pub contact: Option<ContactId>,
    /// In this state; without a contact one of scheduled, held, uncertain, failed.
    pub state: Option<StateName>,
}

/// Which of an account's scheduled messages to list; without anything all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScheduleFilter {
    /// Due at this moment or later.
    pub from: Option<UnixMs>,
    /// Due before this moment.
    pub to: Option<UnixMs>,
    /// From this sender.
    pub sender: Option<SenderId>,
    /// On this channel.
    pub channel: Option<Channel>,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins, if there is one. Opaque.
    pub next_cursor: Option<String>,
}

/// Where to go on with a list, and how much of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// From an earlier page.
    pub cursor: Option<String>,
    /// At most this many.
    pub limit: usize,
}

/// Changes to a contact; `None` leaves a field as it is, `Some(None)` clears it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProfilePatch {
    /// Display name.
    pub name: Option<Option<String>>,
    /// Replaces all email addresses.
    pub emails: Option<Vec<crate::domain::contact::ContactEmail>>,
    /// Replaces all phone numbers.
    pub phones: Option<Vec<crate::domain::contact::ContactPhone>>,
    /// IANA zone name.
    pub time_zone: Option<Option<String>>,
    /// Replaces all tags.
    pub tags: Option<Vec<String>>,
    /// Sets these attributes; `None` removes one.
    pub attributes: Option<BTreeMap<String, Option<String>>>,
    /// Email consent.
    pub consent_email: Option<crate::domain::contact::Consent>,
    /// SMS consent.
    pub consent_sms: Option<crate::domain::contact::Consent>,
    /// The caller's own name for the contact.
    pub external_id: Option<Option<String>>,
}

/// What an upsert did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Upserted {
    /// There was none.
    Created(Contact),
    /// There was one; it was merged: given fields replace, others stay.
    Updated(Contact),
}

impl Upserted {
    /// The contact, whichever way.
    #[must_use]
    pub fn into_inner(self) -> Contact {
        match self {
            Self::Created(contact) | Self::Updated(contact) => contact,
        }
    }
}

/// A new contact.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewContact {
    /// Its profile, already bounded and parsed.
    pub profile: Profile,
    /// The caller's key for this request.
    pub idempotency: Option<Idempotency>,
}

/// A new sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSender {
    /// What recipients see.
    pub address: crate::domain::directory::SenderAddress,
    /// What people call it.
    pub label: Option<String>,
    /// Becomes the channel's default (the first one does anyway).
    pub is_default: bool,
    /// The only user who may use it.
    pub assigned_user: Option<UserId>,
    /// Its limit.
    pub limit: Option<crate::domain::directory::Limit>,
    /// ISO 3166 code.
    pub country: Option<String>,
    /// The caller's key for this request.
    pub idempotency: Option<Idempotency>,
}

/// Changes to a sender.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SenderPatch {
    /// What people call it.
    pub label: Option<Option<String>>,
    /// Makes it the channel's default.
    pub is_default: Option<bool>,
    /// The only user who may use it.
    pub assigned_user: Option<Option<UserId>>,
    /// Its limit.
    pub limit: Option<Option<crate::domain::directory::Limit>>,
    /// ISO 3166 code.
    pub country: Option<Option<String>>,
    /// Stops or resumes its lane.
    pub paused: Option<bool>,
}

/// A new API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApiKey {
    /// What people call it.
    pub name: String,
    /// What it may do; at most the caller's own role.
    pub role: Role,
    /// Its messages go to the outbox, whatever the transport.
    pub test: bool,
    /// The caller's key for this request.
    pub idempotency: Option<Idempotency>,
}

/// An entry of a contact's thread: pending ones first, by due time; then the past, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ThreadEntry {
    /// A message of ours.
    Message {
        /// Whether it is still to come.
        is_pending: bool,
        /// The message.
        view: Box<MessageView>,
    },
    /// What came in, a note, an event.
    Item {
        /// The record.
        item: Box<ThreadItem>,
        /// A received message's content.
        content: Content,
    },
}

/// Something that came in, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// The account that was written to.
    pub account: AccountNo,
    /// Whose reply address it came to, if that was signed by us.
    pub contact: Option<ContactId>,
    /// Tells it from all others: the provider's id, or its `Message-ID`.
    pub own_id: String,
    /// Who wrote.
    pub from: Address,
    /// Our address, as it was written to.
    pub to: String,
    /// Our sender behind it.
    pub sender: Option<SenderId>,
    /// What it says.
    pub content: Content,
    /// Files that came with it; at most 100.
    pub attachments: Vec<NewAttachment>,
    /// Email: its thread headers.
    pub mail: Option<ThreadedMail>,
    /// SMS: the provider's id.
    pub provider_id: Option<String>,
    /// A machine wrote it.
    pub is_automatic: bool,
    /// As it came.
    pub raw: Option<Bytes>,
    /// What they call themselves.
    pub name: Option<String>,
}

/// Where something that came in was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceivedAs {
    /// Whose thread.
    pub contact: ContactId,
    /// The entry.
    pub item: MessageId,
    /// Whether it was kept now, not before.
    pub is_new: bool,
}

/// Which conversations to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConversationFilter {
    /// Only those with unread messages.
    pub is_unread: bool,
    /// Only those that this user looks after; `Some(None)`: nobody.
    pub assigned_to: Option<Option<UserId>>,
}

impl ConversationFilter {
    /// Whether a contact's conversation is wanted.
    #[must_use]
    pub fn fits(&self, contact: &Contact) -> bool {
        let conversation = &contact.conversation;
        (!self.is_unread || conversation.unread > 0)
            && self.assigned_to.is_none_or(|wanted| conversation.assigned_to == wanted)
    }
}

/// What a list of people shows of one of them, besides who they are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Glance {
    /// When the next pending message is due.
    pub next_due_at: Option<UnixMs>,
    /// What was said last.
    pub last: Option<LastWords>,
}

/// The newest entry of a thread, in short.
#[derive(Clone, PartialEq, Eq)]
pub struct LastWords {
    /// The subject, else the beginning of the text.
    pub text: String,
    /// Whether it is from us.
    pub is_ours: bool,
    /// Where it stands, if it is a message of ours.
    pub state: Option<StateName>,
}

impl std::fmt::Debug for LastWords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LastWords").field("state", &self.state).finish_non_exhaustive()
    }
}

/// What an undo did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undone {
    /// The message that was scheduled is cancelled.
    Canceled(MessageId),
    /// The series that was scheduled, or was let go on, is as it is now.
    Series(Box<SeriesView>),
    /// The messages that were cancelled are scheduled again.
    Restored(Vec<MessageView>),
}

/// A message in an operator's list of dead letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The account.
    pub account: AccountNo,
    /// The message.
    pub message: MessageId,
    /// The record.
    pub view: MessageView,
}
