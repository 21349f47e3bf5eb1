//! A conversation: what a contact's thread holds besides our own messages, and what is known of it as a whole.
//!
//! Received messages, notes and events are [`ThreadItem`]s. They stand in the contact's timeline beside the messages
//! that were sent, under ids of the same kind, so that a reply can name either. An item never changes
//! its time, but for a series, which has one of its own only once it is over.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::address::{Address, Channel};
use super::clock::UnixMs;
use super::ids::{AccountNo, ContactId, MessageId, SenderId, UserId};
use super::message::{Attachment, Author, StoredContent};
use super::series::Series;
use super::threading::{MailId, References, ThreadHead, ThreadedMail};

/// Bytes of a note.
pub const MAX_NOTE_BYTES: usize = 10_000;

/// An entry of a thread that is not a message of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadItem {
    /// Its id, with its partition inside.
    pub id: MessageId,
    /// The account it belongs to.
    pub account: AccountNo,
    /// Whose thread it stands in.
    pub contact: ContactId,
    /// Counts changes, from 1.
    pub version: u32,
    /// When it came: its place in the thread.
    pub at: UnixMs,
    /// What it is.
    pub kind: ItemKind,
}

/// What an item is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ItemKind {
    /// The contact wrote to us.
    Inbound(Box<Inbound>),
    /// A remark for colleagues; never sent.
    Note(Note),
    /// Something happened.
    Event(ThreadEvent),
    /// Messages that repeat.
    Series(Box<Series>),
    /// What had this id moved, and has this one now. It stands in no thread that is shown.
    Moved(MessageId),
}

impl ThreadItem {
    /// Where [`ItemKind::Moved`] stands in its timeline: behind everything that ever happened (the end of year 9999).
    pub const BEHIND_ALL: UnixMs = UnixMs(253_402_300_799_000);
    /// Where a series stands that goes on: behind everything that ever happened, too, so that it is not forgotten.
    pub const STANDING: UnixMs = UnixMs(Self::BEHIND_ALL.0 - 1);
    /// The last moment of the past that threads show.
    pub const LAST_SHOWN: UnixMs = UnixMs(Self::BEHIND_ALL.0 - 2);
}

/// A message that came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inbound {
    /// The way it came.
    pub channel: Channel,
    /// The contact's address.
    pub from: Address,
    /// Ours, as it was written to.
    pub to: String,
    /// Our sender behind that address, if it is one.
    pub sender: Option<SenderId>,
    /// What it says; HTML is kept as received and made safe when shown.
    pub content: StoredContent,
    /// Files that came with it.
    pub attachments: Vec<Attachment>,
    /// What it answers: a message or an item of this thread.
    pub in_reply_to: Option<MessageId>,
    /// Email: its `Message-ID`.
    pub message_id: Option<MailId>,
    /// Email: what it refers to, oldest first.
    pub references: References,
    /// SMS: the provider's id for it.
    pub provider_id: Option<String>,
    /// A machine wrote it: an out-of-office note, a list, a loop.
    pub is_automatic: bool,
    /// Blob [`super::message::BlobKey::RAW`] holds it as it was received.
    pub has_raw: bool,
}

/// A remark for colleagues.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Plain text, at most [`MAX_NOTE_BYTES`].
    pub text: String,
    /// Who wrote it.
    pub by: Author,
}

impl std::fmt::Debug for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Note").field("by", &self.by).finish_non_exhaustive()
    }
}

/// Something that happened to a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ThreadEvent {
    /// The contact wants no more messages on a channel.
    OptedOut {
        /// Which.
        channel: Channel,
        /// How they said so.
        via: OptVia,
    },
    /// The contact wants messages again.
    OptedIn {
        /// On which channel.
        channel: Channel,
        /// How they said so.
        via: OptVia,
    },
    /// The contact asked for help.
    AskedForHelp {
        /// On which channel.
        channel: Channel,
    },
    /// A message could not be delivered for now; its server goes on trying.
    DeliveryDelayed {
        /// Which message.
        message: MessageId,
        /// The status code (RFC 3463), or the provider's.
        code: String,
    },
    /// A recipient called a message spam.
    Complained {
        /// Which message, if the report told.
        message: Option<MessageId>,
    },
    /// Another contact was merged into this one.
    Merged {
        /// That contact.
        from: ContactId,
        /// Who did it.
        by: Author,
    },
}

impl ThreadEvent {
    /// The stable code shown in the API.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::OptedOut { .. } => "opted_out",
            Self::OptedIn { .. } => "opted_in",
            Self::AskedForHelp { .. } => "asked_for_help",
            Self::DeliveryDelayed { .. } => "delivery_delayed",
            Self::Complained { .. } => "complained",
            Self::Merged { .. } => "merged",
        }
    }
}

/// How somebody opted out or in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptVia {
    /// A word such as STOP in a message.
    Keyword,
    /// The link of a mail, or its one-click header.
    Link,
    /// A complaint to their provider.
    Complaint,
    /// Their provider told us.
    Provider,
    /// A person or a program of ours.
    Caller,
}

impl OptVia {
    /// The stable name shown in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Keyword => "keyword",
            Self::Link => "link",
            Self::Complaint => "complaint",
            Self::Provider => "provider",
            Self::Caller => "caller",
        }
    }
}

/// An email conversation: its headers, and its newest entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailThread {
    /// What the next mail's headers are made from.
    pub head: ThreadHead,
    /// The newest mail: a message or an item.
    pub newest: MessageId,
}

impl EmailThread {
    /// Goes on with the next mail, or begins with it, if it does not belong to what there is.
    pub fn advance(thread: &mut Option<Self>, mail: &ThreadedMail, entry: MessageId, is_new: bool) {
        match thread {
            Some(thread) if !is_new => {
                thread.head.advance(mail);
                thread.newest = entry;
            }
            _ => *thread = Some(Self { head: ThreadHead::begin(mail), newest: entry }),
        }
    }
}

/// What is known of a contact's conversation as a whole; part of the contact's record.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Conversation {
    /// The last message either way: its place in the inbox. `None`: nothing yet.
    pub last_activity_at: Option<UnixMs>,
    /// When they last wrote, by channel.
    pub last_inbound_at: BTreeMap<Channel, UnixMs>,
    /// The channel of the last message either way.
    pub last_channel: Option<Channel>,
    /// The email conversation that the next mail goes on with.
    pub email: Option<EmailThread>,
    /// Received messages that nobody has read.
    pub unread: u32,
    /// The person who looks after it.
    pub assigned_to: Option<UserId>,
    /// Made for an address that wrote to us and that no contact had.
    pub is_unknown: bool,
}

impl Conversation {
    /// Whether the contact wrote after an instant, on any channel.
    #[must_use]
    pub fn has_written_since(&self, at: UnixMs) -> bool {
        self.last_inbound_at.values().any(|written| *written >= at)
    }

    /// Notes activity.
    pub fn touch(&mut self, channel: Channel, at: UnixMs) {
        self.last_activity_at = self.last_activity_at.max(Some(at));
        self.last_channel = Some(channel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activity_never_goes_back() {
        let mut conversation = Conversation::default();
        conversation.touch(Channel::Sms, UnixMs(5));
        conversation.touch(Channel::Email, UnixMs(3));
        assert_eq!(conversation.last_activity_at, Some(UnixMs(5)));
        assert_eq!(conversation.last_channel, Some(Channel::Email));
    }

    #[test]
    fn a_reply_counts_from_its_own_instant_on() {
        let mut conversation = Conversation::default();
        assert!(!conversation.has_written_since(UnixMs(0)));
        conversation.last_inbound_at.insert(Channel::Sms, UnixMs(10));
        assert!(conversation.has_written_since(UnixMs(10)));
        assert!(!conversation.has_written_since(UnixMs(11)));
    }
}
