//! What happened, for those who listen: a ring of the last 10,000 events an account, resumable by id.
//!
//! Events are published after their commit is durable. The ring is memory of this process: after a
//! restart, or when a listener was away for longer than the ring, it is told to `reset` and read anew.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::broadcast;

use crate::domain::clock::UnixMs;
use crate::domain::ids::{AccountNo, BootId, ContactId, MessageId};
use crate::domain::message::StateName;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// A contact was created.
    ContactCreated,
    /// A contact was changed.
    ContactUpdated,
    /// A contact was deleted.
    ContactDeleted,
    /// A message was scheduled.
    MessageCreated,
    /// A message changed its state or its content.
    MessageUpdated,
    /// The contact opened a mail.
    MessageOpened,
    /// The contact followed a link of a mail.
    MessageClicked,
    /// The contact wrote.
    MessageReceived,
    /// A note was written.
    NoteCreated,
    /// A conversation was read or assigned.
    ConversationUpdated,
}

impl EventKind {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ContactCreated => "contact.created",
            Self::ContactUpdated => "contact.updated",
            Self::ContactDeleted => "contact.deleted",
            Self::MessageCreated => "message.created",
            Self::MessageUpdated => "message.updated",
            Self::MessageOpened => "message.opened",
            Self::MessageClicked => "message.clicked",
            Self::MessageReceived => "message.received",
            Self::NoteCreated => "note.created",
            Self::ConversationUpdated => "conversation.updated",
        }
    }
}

/// An event, without its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Happened {
    /// When.
    pub at: UnixMs,
    /// What.
    pub kind: EventKind,
    /// Whose contact.
    pub contact: ContactId,
    /// The message and the state it went to, if it is about one.
    pub message: Option<(MessageId, StateName)>,
    /// The other entry of the thread, if it is about one.
    pub item: Option<MessageId>,
}

/// An event of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Counts the account's events of this process, from 1.
    pub number: u64,
    /// What happened.
    pub happened: Happened,
}

/// A listener's start: what it missed, and what comes.
#[derive(Debug)]
pub struct Subscription {
    /// Whether events were lost to this listener: it should read everything anew.
    pub reset: bool,
    /// Events since the id it named, oldest first.
    pub missed: Vec<Event>,
    /// Events from now on. A listener that falls behind by more than the channel holds is told so by it.
    pub coming: broadcast::Receiver<Event>,
    boot: BootId,
}

impl Subscription {
    /// The id under which a listener can resume after an event.
    #[must_use]
    pub fn event_id(&self, event: &Event) -> String {
        format!("{:016x}-{}", self.boot.0, event.number)
    }
}

/// Rings and listeners of every account.
#[derive(Debug)]
pub struct EventHub {
    boot: BootId,
    ring_len: usize,
    rings: Mutex<HashMap<AccountNo, Ring>>,
}

#[derive(Debug)]
struct Ring {
    next: u64,
    events: VecDeque<Event>,
    sender: broadcast::Sender<Event>,
}

impl EventHub {
    /// Events kept per account.
    pub const RING_LEN: usize = 10_000;
    /// Events a slow listener may fall behind.
    const CHANNEL_LEN: usize = 4_096;

    /// A hub with nothing in it.
    #[must_use]
    pub fn new(boot: BootId, ring_len: usize) -> Arc<Self> {
        Arc::new(Self { boot, ring_len: ring_len.max(1), rings: Mutex::new(HashMap::new()) })
    }

    fn with_ring<T>(&self, account: AccountNo, f: impl FnOnce(&mut Ring) -> T) -> T {
        let mut rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        f(rings.entry(account).or_insert_with(|| Ring {
            next: 1,
            events: VecDeque::new(),
            sender: broadcast::channel(Self::CHANNEL_LEN).0,
        }))
    }

    /// Numbers an event, keeps it and tells the listeners.
    pub fn publish(&self, account: AccountNo, happened: Happened) {
        self.with_ring(account, |ring| {
            let event = Event { number: ring.next, happened };
            ring.next += 1;
            if ring.events.len() == self.ring_len {
                ring.events.pop_front();
            }
            ring.events.push_back(event);
            // Nobody listening is no error.
            let _ = ring.sender.send(event);
        });
    }

    /// Starts to listen, after the event that `last_event_id` names.
    #[must_use]
    pub fn subscribe(&self, account: AccountNo, last_event_id: Option<&str>) -> Subscription {
        self.with_ring(account, |ring| {
            let coming = ring.sender.subscribe();
            let (reset, missed) = match last_event_id {
                None => (false, Vec::new()),
                Some(id) => match self.parse_event_id(id).filter(|seen| *seen < ring.next) {
                    Some(seen) if ring.events.front().is_none_or(|oldest| oldest.number <= seen + 1) => {
                        (false, ring.events.iter().filter(|event| event.number > seen).copied().collect())
                    }
                    _ => (true, Vec::new()),
                },
            };
            Subscription { reset, missed, coming, boot: self.boot }
        })
    }

    fn parse_event_id(&self, id: &str) -> Option<u64> {
        let (boot, number) = id.split_once('-')?;
        (u64::from_str_radix(boot, 16).ok()? == self.boot.0).then(|| number.parse().ok()).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: AccountNo = AccountNo(1);

    fn happened() -> Happened {
        Happened {
            at: UnixMs(1),
            kind: EventKind::ContactCreated,
            contact: ContactId::from_bytes([1; 16]),
            message: None,
            item: None,
        }
    }

    #[test]
    fn a_listener_resumes_after_the_last_event_it_saw() {
        let hub = EventHub::new(BootId(7), 10);
        for _ in 0..5 {
            hub.publish(ACCOUNT, happened());
        }
        let subscription = hub.subscribe(ACCOUNT, Some("0000000000000007-3"));
        assert!(!subscription.reset);
        assert_eq!(subscription.missed.iter().map(|event| event.number).collect::<Vec<_>>(), [4, 5]);
        assert_eq!(subscription.event_id(&subscription.missed[1]), "0000000000000007-5");
    }

    #[test]
    fn a_listener_that_was_away_too_long_or_comes_from_another_process_is_reset() {
        let hub = EventHub::new(BootId(7), 3);
        for _ in 0..6 {
            hub.publish(ACCOUNT, happened());
        }
        for (id, reset) in [
            ("0000000000000007-2", true),
            ("0000000000000007-3", false),
            ("0000000000000008-5", true),
            ("x", true),
            ("0000000000000007-99", true),
        ] {
            assert_eq!(hub.subscribe(ACCOUNT, Some(id)).reset, reset, "{id}");
        }
    }

    #[test]
    fn events_of_another_account_are_not_heard() {
        let hub = EventHub::new(BootId(7), 3);
        let mut subscription = hub.subscribe(ACCOUNT, None);
        hub.publish(AccountNo(2), happened());
        assert!(subscription.coming.try_recv().is_err());
        hub.publish(ACCOUNT, happened());
        assert_eq!(subscription.coming.try_recv().map(|event| event.number), Ok(1));
    }
}
