//! The engine's handle: cheap to clone, used from any thread. How a command reaches its contact.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::oneshot;

use crate::contact::command::{Answer, ContactCommand};
use crate::contact::registry::Deliver;
use crate::directory::Directory;
use crate::domain::clock::SharedClock;
use crate::domain::directory::Snapshot;
use crate::domain::ids::{AccountNo, ContactId, Partition};
use crate::protocol::api::{EngineError, EngineResult};
use crate::protocol::events::Subscription;
use crate::protocol::operations::Readiness;
use crate::shard::{Fullness, Node, StoreCondition};

/// The engine.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(super) node: Arc<Node>,
    pub(super) directory: Arc<Directory>,
    pub(super) arbiters: Arc<super::start::Arbiters>,
}

/// A request under way: counted while it lives.
struct Underway<'a>(&'a AtomicUsize);

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Engine {
    /// The engine's time.
    #[must_use]
    pub fn clock(&self) -> &SharedClock {
        &self.node.clock
    }

    /// The directory as it is now: accounts, keys (`key_by_hash` for authentication), senders.
    #[must_use]
    pub fn directory(&self) -> Arc<Snapshot> {
        self.node.directory.load_full()
    }

    /// Whether schedules are taken.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        self.node.health.readiness()
    }

    /// Listens to an account's events, after the one that `last_event_id` names.
    #[must_use]
    pub fn subscribe(&self, account: AccountNo, last_event_id: Option<&str>) -> Subscription {
        self.node.events.subscribe(account, last_event_id)
    }

    /// Whether new work is taken: not while stopping, and not when the store is nearly full.
    pub(super) fn check_growth(&self) -> EngineResult<()> {
        if self.node.health.is_stopping() {
            return Err(EngineError::Stopping);
        }
        // Partitions that met the full disk are closed until it has room: their callers wait for room, too.
        if self.node.health.store() == StoreCondition::OutOfSpace {
            return Err(EngineError::OutOfSpace);
        }
        match self.node.health.fullness() {
            Fullness::Normal => Ok(()),
            Fullness::RefusesSchedules | Fullness::RefusesClaims => Err(EngineError::OutOfSpace),
        }
    }

    /// Tells a contact something and waits for its answer. Bounded: beyond that `Overloaded`.
    pub(super) async fn ask(&self, contact: ContactId, command: ContactCommand) -> EngineResult<Answer> {
        if self.node.health.is_stopping() {
            return Err(EngineError::Stopping);
        }
        let shard = self.node.shard_of_contact(contact);
        if shard.inflight.fetch_add(1, Ordering::Relaxed) >= self.node.settings.inflight_requests {
            shard.inflight.fetch_sub(1, Ordering::Relaxed);
            return Err(EngineError::Overloaded);
        }
        let _underway = Underway(&shard.inflight);
        let (reply, answer) = oneshot::channel();
        shard.registry.do_send(Deliver { contact, command, reply: Some(reply) });
        // A dropped reply: the actor died or its partition was dropped; nobody knows what became of it.
        answer.await.unwrap_or(Err(EngineError::Unavailable))
    }

    pub(super) fn partition_of(&self, contact: ContactId) -> Partition {
        self.node.partitions.of_contact(contact)
    }
}

/// An answer of another kind than the question has: a bug, not a refusal.
pub(super) fn unexpected(answer: &Answer) -> EngineError {
    tracing::error!(?answer, "a contact answered another question");
    EngineError::Unavailable
}
