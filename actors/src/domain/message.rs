//! A message: what its author meant, the state it is in, and every attempt to hand it over.

mod place;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::address::{Address, Channel, WebUrl};
use super::clock::UnixMs;
use super::ids::{AccountNo, ApiKeyId, BootId, CampaignNo, ContactId, LaneNo, MessageId, SenderId, UserId};
use super::plan::Plan;
use super::plan::smart::Arm;
use super::reason::Reason;
use super::receipt::Receipt;
use super::schedule::{IfLate, Intent, QuietHoursPolicy};
use super::series::Occurrence;
use super::threading::{MailId, References};
use super::tracking::Response;
use super::verdict::Failure;
use place::by_place;

/// How urgent a message is within its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Class {
    /// A person is waiting for it: first in its lane.
    Conversation = 0,
    /// Caused by something the recipient did.
    Transactional = 1,
    /// One of many; needs consent.
    Campaign = 2,
}

impl Class {
    /// Every class, most urgent first.
    pub const ALL: [Self; 3] = [Self::Conversation, Self::Transactional, Self::Campaign];

    /// The name used in the API and in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Conversation => "conversation",
            Self::Transactional => "transactional",
            Self::Campaign => "campaign",
        }
    }

    /// The class that a stored byte stands for.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Conversation),
            1 => Some(Self::Transactional),
            2 => Some(Self::Campaign),
            _ => None,
        }
    }
}

/// Who caused a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Author {
    /// A program, by its API key.
    #[serde(rename = "k", alias = "ApiKey")]
    ApiKey(ApiKeyId),
    /// A person, by their session.
    #[serde(rename = "u", alias = "User")]
    User(UserId),
    /// The system itself.
    #[serde(rename = "s", alias = "System")]
    System,
}

/// The text of a message as its author gave it.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Content {
    /// Email only.
    pub subject: Option<String>,
    /// The SMS text, or the email's plain text.
    pub text: Option<String>,
    /// Email only: the HTML alternative.
    pub html: Option<String>,
    /// Whether the fields are templates, still to be rendered at hand-over.
    pub render: bool,
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Content(redacted)")
    }
}

impl Content {
    /// Bytes of text in it.
    #[must_use]
    pub fn len(&self) -> usize {
        [&self.subject, &self.text, &self.html].into_iter().flatten().map(String::len).sum()
    }

    /// Whether there is no text at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Where a message's content is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoredContent {
    /// In the message record itself: small content, so that scheduling costs one record.
    #[serde(rename = "i", alias = "Inline")]
    Inline(Content),
    /// In a blob of its own ([`BlobKey::CONTENT`]), so that claims and settlings do not write it again.
    /// The subject stays here for lists.
    #[serde(rename = "b", alias = "Blob")]
    Blob {
        /// The email's subject as given.
        subject: Option<String>,
    },
}

impl StoredContent {
    /// Content up to this many bytes stays in the message record.
    pub const INLINE_MAX: usize = 1024;

    /// The subject, wherever the rest is.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        match self {
            Self::Inline(content) => content.subject.as_deref(),
            Self::Blob { subject } => subject.as_deref(),
        }
    }
}

/// A file that goes with an email; its bytes are a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The blob's number within the message.
    pub blob: u8,
    /// File name shown to the recipient.
    pub filename: String,
    /// MIME type.
    pub content_type: String,
    /// Bytes.
    pub size: u32,
}

/// The key of a blob: a message and a number within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlobKey {
    /// The message it belongs to.
    pub message: MessageId,
    /// [`BlobKey::CONTENT`], or an attachment's number.
    pub number: u8,
}

impl BlobKey {
    /// The number of the blob that holds a message's content.
    pub const CONTENT: u8 = 0;
    /// The number of the blob that holds a received message as it came.
    pub const RAW: u8 = u8::MAX;
}

/// A claim: the durable, exclusive right to make one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Which attempt, counted from 1.
    pub attempt: u16,
    /// The process that holds it.
    pub boot: BootId,
    /// After this instant the holder starts nothing any more.
    pub deadline: UnixMs,
}

/// Where a message stands. `queued` is not here: it lives in memory only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Waits for its due time.
    #[serde(rename = "s", alias = "Scheduled")]
    Scheduled,
    /// Claimed: an attempt may be under way.
    #[serde(rename = "g", alias = "Sending")]
    Sending(Claim),
    /// The provider took it.
    #[serde(rename = "t", alias = "Submitted")]
    Submitted,
    /// A receipt says that it arrived.
    #[serde(rename = "d", alias = "Delivered")]
    Delivered,
    /// A receipt says that it did not arrive.
    #[serde(rename = "n", alias = "Undelivered")]
    Undelivered,
    /// A bounce came back.
    #[serde(rename = "b", alias = "Bounced")]
    Bounced,
    /// Waits for a person: the reason says for what.
    #[serde(rename = "h", alias = "Held")]
    Held,
    /// Nobody knows whether the provider took it.
    #[serde(rename = "u", alias = "Uncertain")]
    Uncertain,
    /// Given up: a dead letter.
    #[serde(rename = "f", alias = "Failed")]
    Failed,
    /// Taken back before hand-over.
    #[serde(rename = "c", alias = "Canceled")]
    Canceled,
    /// Its time passed.
    #[serde(rename = "e", alias = "Expired")]
    Expired,
}

/// The name of a state, as the API, metrics and filters spell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StateName {
    /// See [`State::Scheduled`].
    Scheduled,
    /// Due and waiting in its lane: computed when read.
    Queued,
    /// See [`State::Sending`].
    Sending,
    /// See [`State::Submitted`].
    Submitted,
    /// See [`State::Delivered`].
    Delivered,
    /// See [`State::Undelivered`].
    Undelivered,
    /// See [`State::Bounced`].
    Bounced,
    /// See [`State::Held`].
    Held,
    /// See [`State::Uncertain`].
    Uncertain,
    /// See [`State::Failed`].
    Failed,
    /// See [`State::Canceled`].
    Canceled,
    /// See [`State::Expired`].
    Expired,
}

impl StateName {
    /// Every state.
    pub const ALL: [Self; 12] = [
        Self::Scheduled,
        Self::Queued,
        Self::Sending,
        Self::Submitted,
        Self::Delivered,
        Self::Undelivered,
        Self::Bounced,
        Self::Held,
        Self::Uncertain,
        Self::Failed,
        Self::Canceled,
        Self::Expired,
    ];

    /// The name in lowercase.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Submitted => "submitted",
            Self::Delivered => "delivered",
            Self::Undelivered => "undelivered",
            Self::Bounced => "bounced",
            Self::Held => "held",
            Self::Uncertain => "uncertain",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Expired => "expired",
        }
    }

    /// Whether the table of ARCHITECTURE section 2 has an arrow from this state to `next`.
    ///
    /// One more: `scheduled → submitted`, when a receipt proves that an attempt whose outcome was unknown arrived
    /// while its repetition waits. `queued` has no arrows of its own here: it is `scheduled` seen from a lane.
    #[must_use]
    pub const fn can_become(self, next: Self) -> bool {
        use StateName as S;
        matches!(
            (self, next),
            (S::Scheduled, S::Scheduled | S::Sending | S::Submitted | S::Canceled | S::Held | S::Expired)
                | (
                    S::Sending,
                    S::Scheduled | S::Submitted | S::Uncertain | S::Failed | S::Canceled | S::Expired | S::Held
                )
                | (S::Submitted, S::Delivered | S::Undelivered | S::Bounced)
                | (S::Uncertain, S::Scheduled | S::Submitted | S::Failed | S::Canceled)
                | (S::Held, S::Scheduled | S::Canceled | S::Expired)
                | (S::Canceled, S::Scheduled)
        )
    }

    /// Whether a message in this state has an entry in the due index (or in `waiting`).
    #[must_use]
    pub const fn is_due_indexed(self) -> bool {
        matches!(self, Self::Scheduled | Self::Queued | Self::Sending)
    }

    /// Whether the message still counts as pending in its contact's thread.
    #[must_use]
    pub const fn is_pending(self) -> bool {
        matches!(self, Self::Scheduled | Self::Queued | Self::Sending | Self::Held | Self::Uncertain)
    }

    /// Whether nothing but a receipt, an undo or a requeue can follow.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !self.is_pending()
    }

    /// Whether a person has to look: the message stands in the `attention` index.
    #[must_use]
    pub const fn needs_attention(self) -> bool {
        matches!(self, Self::Held | Self::Uncertain | Self::Failed)
    }
}

impl std::fmt::Display for StateName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for StateName {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(())
    }
}

impl State {
    /// The name of this state.
    #[must_use]
    pub const fn name(&self) -> StateName {
        match self {
            Self::Scheduled => StateName::Scheduled,
            Self::Sending(_) => StateName::Sending,
            Self::Submitted => StateName::Submitted,
            Self::Delivered => StateName::Delivered,
            Self::Undelivered => StateName::Undelivered,
            Self::Bounced => StateName::Bounced,
            Self::Held => StateName::Held,
            Self::Uncertain => StateName::Uncertain,
            Self::Failed => StateName::Failed,
            Self::Canceled => StateName::Canceled,
            Self::Expired => StateName::Expired,
        }
    }
}

/// Which mail an email answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ReplyChoice {
    /// The last one of the contact's conversation, as that is at hand-over; a campaign's mail answers none.
    #[default]
    #[serde(rename = "l", alias = "Last")]
    Last,
    /// None: it begins a conversation.
    #[serde(rename = "n", alias = "None")]
    None,
    /// This message, or received mail.
    #[serde(rename = "t", alias = "To")]
    To(MessageId),
}

/// An email's thread headers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageThread {
    /// `Message-ID`: its own.
    pub id: Option<MailId>,
    /// `In-Reply-To`.
    pub in_reply_to: Option<MailId>,
    /// `References`, oldest first.
    pub references: References,
    /// The entry of the contact's thread that it answers; none: it begins a conversation.
    pub entry: Option<MessageId>,
}

/// One try to hand a message over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Counted from 1.
    pub number: u16,
    /// When it was claimed.
    pub started_at: UnixMs,
    /// When its outcome was known.
    pub finished_at: Option<UnixMs>,
    /// What came of it.
    #[serde(serialize_with = "by_place")]
    pub outcome: AttemptOutcome,
    /// The provider's id for it, where there is one.
    pub provider_id: Option<String>,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
    /// What its lane was charged. SMS: segments of what was sent; email: 1.
    pub cost: u16,
}

/// What came of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// Not known yet.
    Pending,
    /// The provider took it.
    Submitted,
    /// Not taken; may be tried again.
    Transient,
    /// Not taken, and never will be.
    Permanent,
    /// Nobody knows.
    Unknown,
}

/// An entry of a message's history: a change that was not an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// When.
    pub at: UnixMs,
    /// The state it went to.
    #[serde(serialize_with = "by_place")]
    pub state: StateName,
    /// Why.
    pub reason: Option<Reason>,
    /// Who.
    pub by: Author,
}

/// A message, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Its id, with its partition inside.
    pub id: MessageId,
    /// The id that it was made under, if it came here with a contact that was merged.
    pub origin: Option<MessageId>,
    /// The account it belongs to.
    pub account: AccountNo,
    /// The contact it goes to.
    pub contact: ContactId,
    /// Counts every committed change, from 1.
    pub version: u32,
    /// The way it travels.
    #[serde(serialize_with = "by_place")]
    pub channel: Channel,
    /// How urgent it is.
    #[serde(serialize_with = "by_place")]
    pub class: Class,
    /// What it is sent from.
    pub sender: SenderId,
    /// The lane of that sender.
    pub lane: LaneNo,
    /// The recipient's address.
    pub to: Address,
    /// What it says.
    pub content: StoredContent,
    /// Files that go with it.
    pub attachments: Vec<Attachment>,
    /// Where it stands.
    pub state: State,
    /// Why it stands there.
    pub reason: Option<Reason>,
    /// What its author meant by "when".
    pub intent: Intent,
    /// The resolved first permitted instant, or the next attempt's.
    pub due_at: UnixMs,
    /// What to do if its moment has long passed.
    pub if_late: IfLate,
    /// What to do if its moment falls into quiet hours.
    #[serde(serialize_with = "by_place")]
    pub quiet_hours: QuietHoursPolicy,
    /// Whether a reply of the contact takes it back.
    pub cancel_on_reply: bool,
    /// Microseconds since 1970, strictly increasing within a process: orders messages due together.
    pub created_us: u64,
    /// The last change.
    pub updated_at: UnixMs,
    /// When it came to where it stands. A receipt that refines `submitted` does not move it, so that a
    /// thread keeps its order.
    pub since: UnixMs,
    /// Somebody took it back while an attempt was under way: no further attempt is made.
    pub is_cancel_requested: bool,
    /// Who scheduled it.
    pub author: Author,
    /// Campaign, or zero.
    pub campaign: CampaignNo,
    /// What its ticket says that it will cost. SMS: segments, as it would have been sent when the ticket was made;
    /// email: 1. It stays what it is while the ticket does: what an attempt really cost is the attempt's.
    pub estimated_cost: u16,
    /// Every attempt, oldest first; at most [`Message::MAX_ATTEMPTS_KEPT`].
    pub attempts: Vec<Attempt>,
    /// Holds, edits, cancels: oldest first; at most [`Message::MAX_HISTORY_KEPT`].
    pub history: Vec<HistoryEntry>,
    /// First 16 bytes of SHA-256 over the creating request, when it had an idempotency key.
    pub request_hash: Option<[u8; 16]>,
    /// The caller's own labels.
    pub metadata: BTreeMap<String, String>,
    /// The dead letter that this message revives.
    pub requeue_of: Option<MessageId>,
    /// Email: which mail it answers.
    pub reply: ReplyChoice,
    /// Email: its thread headers, fixed by its first claim so that every attempt says the same.
    pub thread: Option<MessageThread>,
    /// The last word of its provider, also before its attempt is settled.
    pub receipt: Option<Receipt>,
    /// Goes to the outbox, whatever the transport: made with a test key.
    pub test: bool,
    /// Where its changes are told, in Twilio's words; of a notice: where it goes, if it tells of such a change.
    pub callback_url: Option<WebUrl>,
    /// Why it is due later than was asked for; none: it is not.
    #[serde(default)]
    pub plan: Option<Plan>,
    /// What its recipient did with it.
    #[serde(default)]
    pub response: Response,
    /// Which occurrence it is, if it repeats.
    #[serde(default)]
    pub series: Option<Box<Occurrence>>,
}

impl Message {
    /// Attempts beyond this many drop the oldest but the first.
    pub const MAX_ATTEMPTS_KEPT: usize = 20;
    /// History beyond this many entries drops the oldest.
    pub const MAX_HISTORY_KEPT: usize = 50;

    /// When it was created.
    #[must_use]
    pub fn created_at(&self) -> UnixMs {
        UnixMs(i64::try_from(self.created_us / 1_000).unwrap_or(i64::MAX))
    }

    /// The moment that was meant: its lateness counts from there.
    #[must_use]
    pub fn wanted_at(&self) -> UnixMs {
        self.plan.as_ref().map_or(self.due_at, |plan| plan.wanted_at)
    }

    /// How it came to its moment, if that was chosen out of a window.
    #[must_use]
    pub fn arm(&self) -> Option<Arm> {
        self.plan.as_ref()?.chosen.as_ref().map(|chosen| chosen.arm)
    }

    /// How late its first attempt may start, if there is a limit.
    #[must_use]
    pub const fn skip_after(&self) -> Option<Duration> {
        match self.if_late {
            IfLate::SkipAfter(limit) => Some(limit),
            IfLate::Send | IfLate::Replan => None,
        }
    }

    /// What it last cost, else what it is expected to.
    #[must_use]
    pub fn cost(&self) -> u16 {
        self.attempts.last().map_or(self.estimated_cost, |attempt| attempt.cost)
    }

    /// What providers and recipients know it by: the same for every attempt, wherever the message has moved since.
    #[must_use]
    pub fn identity(&self) -> MessageId {
        self.origin.unwrap_or(self.id)
    }

    /// The Message-ID of the email, the same for every attempt: `<identity@domain of the sender>`.
    #[must_use]
    pub fn email_message_id(&self, sender_domain: &str) -> String {
        format!("<{}@{sender_domain}>", self.identity())
    }
}

#[cfg(test)]
pub(crate) mod tests;
