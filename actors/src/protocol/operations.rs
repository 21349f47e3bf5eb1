//! What operators see of a node.

use std::time::Duration;

use crate::domain::address::Channel;
use crate::domain::clock::UnixMs;
use crate::domain::directory::Limit;
use crate::domain::ids::{AccountNo, LaneNo, Partition, SenderId};
use crate::store::{Description, NodeId, Usage};

/// A node at a glance.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeStatus {
    /// Its name.
    pub node: NodeId,
    /// This start of it.
    pub boot: u64,
    /// When it started.
    pub started_at: UnixMs,
    /// Shard threads.
    pub shards: usize,
    /// Partitions it owns and serves.
    pub partitions_owned: usize,
    /// Partitions there are.
    pub partitions: usize,
    /// Contacts in memory.
    pub active_contacts: usize,
    /// Whether it takes schedules.
    pub readiness: Readiness,
    /// Whether it hands nothing over on an operator's wish.
    pub draining: bool,
    /// Its store.
    pub store: Description,
    /// How full its store is.
    pub usage: Usage,
}

/// Whether a node takes schedules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// Yes.
    Ready,
    /// Not yet: partitions are being opened.
    Starting,
    /// Not now: the store cannot be reached.
    StoreUnavailable,
    /// Not now: the store is full.
    OutOfSpace,
    /// Not any more.
    Stopping,
}

/// A partition on this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionStatus {
    /// Which.
    pub partition: Partition,
    /// Its shard.
    pub shard: usize,
    /// What it is doing.
    pub phase: &'static str,
    /// Commits so far.
    pub seq: u64,
    /// Up to when its due index is in the wheel.
    pub loaded_until: UnixMs,
    /// Its pending messages.
    pub pending: u64,
}

/// What is due soon, counted in steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueSoon {
    /// When the first step begins.
    pub from: UnixMs,
    /// Messages that are due in each step, over all accounts.
    pub counts: Vec<u64>,
    /// Whether all were counted: where very many are due, only the first of each partition are.
    pub is_whole: bool,
}

/// A lane on this node.
#[derive(Debug, Clone, PartialEq)]
pub struct LaneView {
    /// Its number.
    pub lane: LaneNo,
    /// Its sender, unless that was removed.
    pub sender: Option<SenderId>,
    /// Its account.
    pub account: AccountNo,
    /// Its channel.
    pub channel: Channel,
    /// Tickets waiting in memory: conversation, transactional, campaign.
    pub backlog: [usize; 3],
    /// How many of these wait for their destinations: a domain, a country or a range of numbers at its limit.
    pub held: usize,
    /// Classes of which more tickets are parked in the store.
    pub parked: [bool; 3],
    /// Permits under way.
    pub in_flight: usize,
    /// Its limit.
    pub limit: Option<Limit>,
    /// Whether an operator stopped it.
    pub paused: bool,
    /// `closed`, `open` or `half_open`.
    pub breaker: &'static str,
    /// How long until it may serve again, if it is blocked.
    pub blocked_for: Option<Duration>,
}
