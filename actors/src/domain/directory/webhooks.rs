//! Webhooks: the URLs to which an account wants to be told what happens, and what can be told.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::domain::clock::UnixMs;
use crate::domain::ids::{AccountNo, LaneNo, WebhookId};
use crate::domain::message::StateName;
use crate::domain::signatures::webhook::WebhookSecret;

/// Something that a webhook can be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum WebhookEvent {
    /// A contact was created.
    ContactCreated,
    /// A contact was changed.
    ContactUpdated,
    /// A contact was deleted.
    ContactDeleted,
    /// A message was scheduled.
    MessageCreated,
    /// A message was edited or moved, or its next attempt was planned.
    MessageScheduled,
    /// Its provider took a message.
    MessageSubmitted,
    /// A message arrived.
    MessageDelivered,
    /// A message did not arrive.
    MessageUndelivered,
    /// A message came back.
    MessageBounced,
    /// A message waits for a person.
    MessageHeld,
    /// Nobody knows whether its provider took a message.
    MessageUncertain,
    /// A message was given up.
    MessageFailed,
    /// A message was taken back.
    MessageCanceled,
    /// A message's time passed.
    MessageExpired,
    /// A contact opened a mail.
    MessageOpened,
    /// A contact followed a link of a mail.
    MessageClicked,
    /// A contact wrote.
    MessageReceived,
    /// A note was written.
    NoteCreated,
    /// A conversation was read or assigned, or something happened in it.
    ConversationUpdated,
}

impl WebhookEvent {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::ContactCreated,
        Self::ContactUpdated,
        Self::ContactDeleted,
        Self::MessageCreated,
        Self::MessageScheduled,
        Self::MessageSubmitted,
        Self::MessageDelivered,
        Self::MessageUndelivered,
        Self::MessageBounced,
        Self::MessageHeld,
        Self::MessageUncertain,
        Self::MessageFailed,
        Self::MessageCanceled,
        Self::MessageExpired,
        Self::MessageOpened,
        Self::MessageClicked,
        Self::MessageReceived,
        Self::NoteCreated,
        Self::ConversationUpdated,
    ];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ContactCreated => "contact.created",
            Self::ContactUpdated => "contact.updated",
            Self::ContactDeleted => "contact.deleted",
            Self::MessageCreated => "message.created",
            Self::MessageScheduled => "message.scheduled",
            Self::MessageSubmitted => "message.submitted",
            Self::MessageDelivered => "message.delivered",
            Self::MessageUndelivered => "message.undelivered",
            Self::MessageBounced => "message.bounced",
            Self::MessageHeld => "message.held",
            Self::MessageUncertain => "message.uncertain",
            Self::MessageFailed => "message.failed",
            Self::MessageCanceled => "message.canceled",
            Self::MessageExpired => "message.expired",
            Self::MessageOpened => "message.opened",
            Self::MessageClicked => "message.clicked",
            Self::MessageReceived => "message.received",
            Self::NoteCreated => "note.created",
            Self::ConversationUpdated => "conversation.updated",
        }
    }

    /// What a message's coming to this state is told as. That an attempt begins is nobody's news.
    #[must_use]
    pub const fn of_state(state: StateName) -> Option<Self> {
        match state {
            StateName::Scheduled => Some(Self::MessageScheduled),
            StateName::Queued | StateName::Sending => None,
            StateName::Submitted => Some(Self::MessageSubmitted),
            StateName::Delivered => Some(Self::MessageDelivered),
            StateName::Undelivered => Some(Self::MessageUndelivered),
            StateName::Bounced => Some(Self::MessageBounced),
            StateName::Held => Some(Self::MessageHeld),
            StateName::Uncertain => Some(Self::MessageUncertain),
            StateName::Failed => Some(Self::MessageFailed),
            StateName::Canceled => Some(Self::MessageCanceled),
            StateName::Expired => Some(Self::MessageExpired),
        }
    }
}

impl FromStr for WebhookEvent {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|event| event.as_str() == text).ok_or(())
    }
}

/// Which events a webhook is told of.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Subscribed {
    /// Every one, also those that come with a later version.
    #[default]
    All,
    /// These.
    To(BTreeSet<WebhookEvent>),
}

impl Subscribed {
    /// Whether an event is among them.
    #[must_use]
    pub fn has(&self, event: WebhookEvent) -> bool {
        match self {
            Self::All => true,
            Self::To(events) => events.contains(&event),
        }
    }
}

/// A secret that was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplacedSecret {
    /// The secret.
    pub secret: WebhookSecret,
    /// It signs along until then.
    pub until: UnixMs,
}

/// A URL to which an account wants to be told what happens; its lane.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Its lane's number in tickets and scopes.
    pub lane: LaneNo,
    /// The account it belongs to.
    pub account: AccountNo,
    /// Counts changes, from 1.
    pub version: u32,
    /// Where notices are posted to: checked when it was set. It may carry a token, and is never logged.
    pub url: String,
    /// What people call it.
    pub description: Option<String>,
    /// What it is told of.
    pub events: Subscribed,
    /// Signs what is sent to it.
    pub secret: WebhookSecret,
    /// The secret before, while it still signs along.
    pub replaced: Option<ReplacedSecret>,
    /// Whether anything is sent to it.
    pub is_enabled: bool,
    /// When it was created.
    pub created_at: UnixMs,
    /// The last change.
    pub updated_at: UnixMs,
    /// Hash of the creating request, when that had an idempotency key.
    pub request_hash: Option<[u8; 16]>,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook").field("id", &self.id).field("lane", &self.lane).finish_non_exhaustive()
    }
}

impl Webhook {
    /// Webhooks of one account: every change of a message may be told to each of them.
    pub const MAX_PER_ACCOUNT: usize = 20;
    /// How long a secret signs along after it was replaced (Standard Webhooks, "secret rotation").
    pub const OVERLAP: Duration = Duration::from_secs(24 * 3_600);

    /// Whether it is to be told of an event.
    #[must_use]
    pub fn wants(&self, event: WebhookEvent) -> bool {
        self.is_enabled && self.events.has(event)
    }

    /// The secrets that sign now, the newest first.
    #[must_use]
    pub fn secrets(&self, now: UnixMs) -> SmallVec<[WebhookSecret; 2]> {
        let replaced = self.replaced.as_ref().filter(|replaced| now < replaced.until);
        std::iter::once(&self.secret).chain(replaced.map(|replaced| &replaced.secret)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webhook(events: Subscribed) -> Webhook {
        let secret = |byte: u8| WebhookSecret::from_bytes(&[byte; 32]).unwrap();
        Webhook {
            id: WebhookId::from_bytes([1; 16]),
            lane: LaneNo(1),
            account: AccountNo(1),
            version: 1,
            url: "https://example.com/hook?token=hidden".into(),
            description: None,
            events,
            secret: secret(2),
            replaced: Some(ReplacedSecret { secret: secret(1), until: UnixMs(100) }),
            is_enabled: true,
            created_at: UnixMs(0),
            updated_at: UnixMs(0),
            request_hash: None,
        }
    }

    #[test]
    fn a_webhook_is_told_what_it_asked_for_and_nothing_while_it_is_off() {
        let some = webhook(Subscribed::To(BTreeSet::from([WebhookEvent::MessageFailed])));
        assert!(some.wants(WebhookEvent::MessageFailed) && !some.wants(WebhookEvent::MessageHeld));
        let all = webhook(Subscribed::All);
        assert!(WebhookEvent::ALL.into_iter().all(|event| all.wants(event)));
        let off = Webhook { is_enabled: false, ..all };
        assert!(!WebhookEvent::ALL.into_iter().any(|event| off.wants(event)));
    }

    #[test]
    fn a_replaced_secret_signs_along_until_its_time_is_over() {
        let webhook = webhook(Subscribed::All);
        assert_eq!(webhook.secrets(UnixMs(99)).len(), 2);
        assert_eq!(webhook.secrets(UnixMs(99))[0], webhook.secret, "the newest comes first");
        assert_eq!(webhook.secrets(UnixMs(100)).as_slice(), std::slice::from_ref(&webhook.secret));
    }

    #[test]
    fn every_event_is_read_by_its_name() {
        for event in WebhookEvent::ALL {
            assert_eq!(event.as_str().parse(), Ok(event));
        }
        assert_eq!("message.*".parse::<WebhookEvent>(), Err(()));
        for state in StateName::ALL {
            let told = WebhookEvent::of_state(state).map(|event| event.as_str().to_owned());
            let is_told = !matches!(state, StateName::Queued | StateName::Sending);
            assert_eq!(told, is_told.then(|| format!("message.{state}")));
        }
    }

    #[test]
    fn neither_its_url_nor_its_secret_is_in_debug_output() {
        let shown = format!("{:?} {:?}", webhook(Subscribed::All), webhook(Subscribed::All).replaced);
        assert!(!shown.contains("hidden") && !shown.contains("whsec") && !shown.contains("example"), "{shown}");
    }
}
