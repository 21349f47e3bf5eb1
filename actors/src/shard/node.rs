//! The shared context of a node's actors.

use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use actix::Addr;
use arc_swap::ArcSwap;

use super::gone::GoneWebhooks;
use super::habits::Habits;
use super::health::Health;
use super::room::Room;
use super::undo::UndoLog;
use crate::contact::registry::ContactRegistry;
use crate::domain::address::Channel;
use crate::domain::clock::{BootUs, SharedClock, UnixMs};
use crate::domain::directory::Snapshot;
use crate::domain::ids::{BootId, ContactId, Partition, PartitionCount};
use crate::domain::reply_address::ReplyKey;
use crate::domain::source::IdSource;
use crate::domain::status_callback::StatusCallbackKey;
use crate::domain::tracking::TrackingKey;
use crate::domain::unsubscribe::UnsubscribeKey;
use crate::journal::Journal;
use crate::partition::PartitionActor;
use crate::protocol::events::EventHub;
use crate::protocol::settings::EngineSettings;
use crate::protocol::suppressions::SuppressionSet;
use crate::sender::pool::SenderPool;
use crate::store::SharedStore;
use crate::wheel::actor::WheelActor;
use crate::wheel::parking::Parking;

/// Until when this node may trust its lease of one partition. Read by workers before each hand-over.
///
/// A claim is good under the opening of its partition under which it was made, and no other: between two openings
/// the contact may have been deleted, here or by another node, by somebody who knew nothing of the claim.
#[derive(Debug, Default)]
pub struct Trust {
    until: AtomicU64,
    epoch: AtomicU32,
}

impl Trust {
    /// The partition was opened, for the `epoch`th time: trusts its lease until this moment.
    pub fn open(&self, epoch: u32, until: BootUs) {
        // The opening first: whoever reads a moment of it reads it, too.
        self.epoch.store(epoch, Ordering::SeqCst);
        self.extend(until);
    }

    /// The lease was renewed: trusts it until this moment.
    pub fn extend(&self, until: BootUs) {
        self.until.store(until.0, Ordering::SeqCst);
    }

    /// Trusts it no longer.
    pub fn revoke(&self) {
        self.extend(BootUs(0));
    }

    /// Until when.
    #[must_use]
    pub fn until(&self) -> BootUs {
        BootUs(self.until.load(Ordering::SeqCst))
    }

    /// Until when something may be handed over that was claimed under this opening: never, if it is over.
    #[must_use]
    pub fn of_claim(&self, epoch: u32) -> BootUs {
        let until = self.until();
        if self.epoch.load(Ordering::SeqCst) == epoch { until } else { BootUs(0) }
    }
}

/// Where the actors of one shard are.
#[derive(Debug, Clone)]
pub struct ShardRoutes {
    /// Its contacts.
    pub registry: Addr<ContactRegistry>,
    /// Its group commit.
    pub journal: Addr<Journal>,
    /// Its timing wheel.
    pub wheel: Addr<WheelActor>,
    /// Its parked tickets.
    pub parking: Addr<Parking>,
    /// Its partitions, in order of their numbers.
    pub partitions: Vec<(Partition, Addr<PartitionActor>)>,
    /// Requests of callers under way, bounded by the settings.
    pub inflight: Arc<AtomicUsize>,
}

/// Where the sender pools are.
#[derive(Debug, Clone)]
pub struct PoolRoutes {
    /// Email.
    pub email: Addr<SenderPool>,
    /// SMS.
    pub sms: Addr<SenderPool>,
    /// Notices to webhooks.
    pub webhook: Addr<SenderPool>,
}

impl PoolRoutes {
    /// The pool of a channel.
    #[must_use]
    pub const fn of(&self, channel: Channel) -> &Addr<SenderPool> {
        match channel {
            Channel::Email => &self.email,
            Channel::Sms => &self.sms,
            Channel::Webhook => &self.webhook,
        }
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> [&Addr<SenderPool>; 3] {
        [&self.email, &self.sms, &self.webhook]
    }
}

/// Where everybody is. Known once all actors have started.
#[derive(Debug, Clone)]
pub struct Routes {
    /// The shards.
    pub shards: Vec<ShardRoutes>,
    /// The pools.
    pub pools: PoolRoutes,
}

/// The keys that are made of the installation's secret.
#[derive(Debug)]
pub struct Keys {
    /// Signs unsubscribe links.
    pub unsubscribe: UnsubscribeKey,
    /// Signs reply addresses.
    pub reply: ReplyKey,
    /// Signs status callbacks.
    pub status_callbacks: StatusCallbackKey,
    /// Signs what tells of opens and clicks.
    pub tracking: TrackingKey,
}

/// The shared context.
#[derive(Debug)]
pub struct Node {
    /// Every bound and knob.
    pub settings: EngineSettings,
    /// This start of the process.
    pub boot: BootId,
    /// When it started.
    pub started_at: UnixMs,
    /// Time.
    pub clock: SharedClock,
    /// Ids and random numbers.
    pub ids: IdSource,
    /// The truth.
    pub store: SharedStore,
    /// How many partitions the store has.
    pub partitions: PartitionCount,
    /// Accounts, keys and senders as they are now.
    pub directory: ArcSwap<Snapshot>,
    /// Listeners.
    pub events: Arc<EventHub>,
    /// Signs unsubscribe links.
    pub unsubscribe: UnsubscribeKey,
    /// Signs reply addresses.
    pub reply: ReplyKey,
    /// Signs status callbacks.
    pub status_callbacks: StatusCallbackKey,
    /// Signs what tells of opens and clicks.
    pub tracking: TrackingKey,
    /// Which addresses may be suppressed.
    pub suppressions: SuppressionSet,
    /// When contacts are active.
    pub habits: Habits,
    /// Webhooks that are to be switched off.
    pub gone_webhooks: GoneWebhooks,
    /// Everybody's last step.
    pub undo: UndoLog,
    /// Whether the node can work.
    pub health: Health,
    /// Whether the store has room for new work.
    pub room: Room,
    trust: Vec<Arc<Trust>>,
    pending: Vec<AtomicI64>,
    committed: Vec<AtomicU64>,
    routes: OnceLock<Routes>,
}

impl Node {
    /// A context without actors; they are told by [`Node::connect`].
    #[must_use]
    pub fn new(
        settings: EngineSettings,
        clock: SharedClock,
        ids: IdSource,
        store: SharedStore,
        directory: Snapshot,
        keys: Keys,
    ) -> Self {
        let Keys { unsubscribe, reply, status_callbacks, tracking } = keys;
        let partitions = store.partitions();
        let boot = BootId(ids.random_u64());
        Self {
            events: EventHub::new(boot, settings.event_ring),
            started_at: clock.now(),
            boot,
            partitions,
            directory: ArcSwap::from_pointee(directory),
            unsubscribe,
            reply,
            status_callbacks,
            tracking,
            suppressions: SuppressionSet::default(),
            habits: Habits::default(),
            gone_webhooks: GoneWebhooks::default(),
            undo: UndoLog::default(),
            health: Health::default(),
            room: Room::default(),
            trust: partitions.iter().map(|_| Arc::default()).collect(),
            pending: partitions.iter().map(|_| AtomicI64::new(0)).collect(),
            committed: partitions.iter().map(|_| AtomicU64::new(0)).collect(),
            routes: OnceLock::new(),
            settings,
            clock,
            ids,
            store,
        }
    }

    /// Tells where everybody is; once.
    pub fn connect(&self, routes: Routes) {
        self.routes.set(routes).expect("a node is connected once");
    }

    /// Where everybody is.
    #[must_use]
    pub fn routes(&self) -> &Routes {
        self.routes.get().expect("actors are told to work only after the node was connected")
    }

    /// The shard that serves a partition.
    #[must_use]
    pub fn shard_of(&self, partition: Partition) -> usize {
        usize::from(partition.0) % self.settings.shards
    }

    /// Where the shard of a partition is.
    #[must_use]
    pub fn shard(&self, partition: Partition) -> &ShardRoutes {
        &self.routes().shards[self.shard_of(partition)]
    }

    /// Where the shard of a contact is.
    #[must_use]
    pub fn shard_of_contact(&self, contact: ContactId) -> &ShardRoutes {
        self.shard(self.partitions.of_contact(contact))
    }

    /// The actor of a partition.
    #[must_use]
    pub fn partition_actor(&self, partition: Partition) -> Option<&Addr<PartitionActor>> {
        let partitions = &self.shard(partition).partitions;
        let at = partitions.binary_search_by_key(&partition, |(partition, _)| *partition).ok()?;
        Some(&partitions[at].1)
    }

    /// Until when this node may trust its lease of a partition.
    #[must_use]
    pub fn trust(&self, partition: Partition) -> &Arc<Trust> {
        &self.trust[usize::from(partition.0)]
    }

    /// The last sequence number that this process knows to be durable, per partition: a store that comes back with
    /// a lower one has lost writes.
    #[must_use]
    pub fn committed(&self, partition: Partition) -> &AtomicU64 {
        &self.committed[usize::from(partition.0)]
    }

    /// Pending messages of a partition, to set or to move.
    #[must_use]
    pub fn pending_of(&self, partition: Partition) -> &AtomicI64 {
        &self.pending[usize::from(partition.0)]
    }

    /// Pending messages over all partitions served here.
    #[must_use]
    pub fn pending(&self) -> i64 {
        self.pending.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_trusted_under_its_own_opening_alone() {
        let trust = Trust::default();
        trust.open(1, BootUs(10));
        assert_eq!((trust.of_claim(1), trust.of_claim(2)), (BootUs(10), BootUs(0)));
        trust.extend(BootUs(20));
        assert_eq!(trust.of_claim(1), BootUs(20));
        trust.revoke();
        assert_eq!(trust.of_claim(1), BootUs(0));
        trust.open(2, BootUs(30));
        assert_eq!((trust.of_claim(1), trust.of_claim(2)), (BootUs(0), BootUs(30)));
    }
}
