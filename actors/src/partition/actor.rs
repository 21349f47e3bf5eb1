//! One partition on this node: acquires its lease, opens it, renews, drops and reopens it when a commit
//! failed or the lease was lost, gives it back at the end.
//!
//! ```text
//! Acquiring ──granted, scopes read──► Serving ──commit failed, lease lost──► Acquiring
//!     │ held, unreachable: again later      └──release──► Released
//! ```
//!
//! Whatever fails, the way back is the same: drop everything that was decided but is not known to be
//! durable, draw a new token (so that no late batch can land), read anew. The lease is trusted from the
//! moment its renewal was *sent*, less a margin.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, Message as ActixMessage, ResponseFuture};

use super::replanning::is_zoned_anew;
use super::sweep::sweep;
use super::upkeep::{NearIsPlanned, PlanAgain, Turn, WriteHabits};
use crate::contact::registry::{CloseContacts, OpenContacts};
use crate::domain::clock::{BootUs, UnixMs};
use crate::domain::ids::Partition;
use crate::journal::{ClosePartition, OpenPartition};
use crate::protocol::api::EngineError;
use crate::shard::{Node, StoreCondition, WRITE_EVERY};
use crate::store::keys::WaitingScope;
use crate::store::{Acquired, CommitError, Counter, Index, Lease, RangeQuery, Renewal, StoreError};
use crate::wheel::parking::{CloseParking, OpenParking};

/// A batch of this partition was not applied, or nobody knows.
#[derive(Debug, ActixMessage)]
#[rtype(result = "()")]
pub struct CommitFailed {
    /// Under which opening.
    pub epoch: u32,
    /// What happened.
    pub error: CommitError,
}

/// Everybody is connected: acquire the lease.
#[derive(Debug, Clone, Copy, ActixMessage)]
#[rtype(result = "()")]
pub struct BeginPartition;

/// Give the lease back; there is no way on from here.
#[derive(Debug, Clone, Copy, ActixMessage)]
#[rtype(result = "()")]
pub struct ReleasePartition;

/// How it stands.
#[derive(Debug, Clone, Copy, ActixMessage)]
#[rtype(result = "PartitionBrief")]
pub struct DescribePartition;

/// The answer to [`DescribePartition`].
#[derive(Debug, Clone, Copy, actix::MessageResponse)]
pub struct PartitionBrief {
    /// `acquiring`, `serving` or `released`.
    pub phase: &'static str,
    /// Commits so far.
    pub seq: u64,
}

#[derive(Debug)]
enum Phase {
    Acquiring,
    Serving(Lease),
    Released,
}

/// What opening a partition needs from the store.
#[derive(Debug)]
struct Opened {
    lease: Lease,
    asked_at: BootUs,
    pending: i64,
    scopes: Vec<WaitingScope>,
    /// By other rules of zones than those that were last planned by.
    is_zoned_anew: bool,
}

#[derive(Debug, ActixMessage)]
#[rtype(result = "()")]
struct AcquireDone(Result<Result<Opened, Duration>, StoreError>);

#[derive(Debug, ActixMessage)]
#[rtype(result = "()")]
struct RenewDone {
    epoch: u32,
    sent_at: BootUs,
    result: Result<Renewal, StoreError>,
}

/// Between attempts to reach a store that does not answer.
const RETRY: Duration = Duration::from_millis(250);

/// One partition.
pub struct PartitionActor {
    node: Arc<Node>,
    partition: Partition,
    phase: Phase,
    epoch: u32,
    is_sweeping: bool,
    /// Planning again, one at a time.
    pub(super) replanning: Turn,
}

impl std::fmt::Debug for PartitionActor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PartitionActor")
            .field("partition", &self.partition)
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}

impl PartitionActor {
    /// A partition that is to be served.
    #[must_use]
    pub fn new(node: Arc<Node>, partition: Partition) -> Self {
        Self { node, partition, phase: Phase::Acquiring, epoch: 0, is_sweeping: false, replanning: Turn::default() }
    }

    fn acquire_later(&self, after: Duration, ctx: &mut Context<Self>) {
        ctx.run_later(after, |partition, ctx| {
            if matches!(partition.phase, Phase::Acquiring) {
                partition.acquire(ctx);
            }
        });
    }

    fn acquire(&self, ctx: &Context<Self>) {
        let (node, partition, actor) = (Arc::clone(&self.node), self.partition, ctx.address());
        actix::spawn(async move {
            actor.do_send(AcquireDone(try_open(&node, partition).await));
        });
    }

    fn serve(&mut self, opened: Opened, ctx: &Context<Self>) {
        let Opened { lease, asked_at, pending, scopes, is_zoned_anew } = opened;
        let head = lease.head;
        let expected = self.node.committed(self.partition).load(Ordering::Relaxed);
        if head.seq < expected {
            metrics::counter!("sendwheel_store_lost_writes_total").increment(1);
            tracing::error!(
                partition = %self.partition, expected, found = head.seq,
                "the store lost writes that it had acknowledged: what it has now counts"
            );
        }
        self.node.committed(self.partition).store(head.seq, Ordering::Relaxed);
        self.epoch += 1;
        let (partition, epoch) = (self.partition, self.epoch);
        self.node.pending_of(partition).store(pending, Ordering::Relaxed);
        self.node.trust(partition).open(epoch, trusted_until(asked_at, lease.ttl));
        let shard = self.node.shard(partition);
        shard.journal.do_send(OpenPartition { head, epoch });
        shard.registry.do_send(OpenContacts { partition, epoch });
        if is_zoned_anew {
            let then = NearIsPlanned { epoch, scopes };
            super::upkeep::plan_soon(Arc::clone(&self.node), partition, then, ctx.address());
        } else {
            shard.parking.do_send(OpenParking { partition, epoch, scopes });
        }
        self.node.health.set_store(StoreCondition::Works);
        self.node.health.partition_opened();
        self.phase = Phase::Serving(lease);
        super::upkeep::after_opening(Arc::clone(&self.node), partition, epoch, Arc::clone(&self.replanning));
    }

    /// Under which opening it is served, if it is.
    pub(super) fn opening(&self) -> Option<(Arc<Node>, Partition, u32)> {
        matches!(self.phase, Phase::Serving(_)).then(|| (Arc::clone(&self.node), self.partition, self.epoch))
    }

    /// Drops everything that is not known to be durable.
    fn stop_serving(&mut self, error: &EngineError) {
        if !matches!(self.phase, Phase::Serving(_)) {
            return;
        }
        let partition = self.partition;
        self.node.trust(partition).revoke();
        let shard = self.node.shard(partition);
        shard.registry.do_send(CloseContacts { partition, error: error.clone() });
        shard.journal.do_send(ClosePartition(partition));
        shard.parking.do_send(CloseParking(partition));
        self.node.health.partition_closed();
        self.node.pending_of(partition).store(0, Ordering::Relaxed);
        self.phase = Phase::Acquiring;
    }

    fn renew(&self, ctx: &mut Context<Self>) {
        let Phase::Serving(lease) = &self.phase else { return };
        if lease.ttl.is_none() {
            return;
        }
        let left = self.node.trust(self.partition).until().since(self.node.clock.boot());
        ctx.run_later(left, Self::give_up_without_trust);
        let (node, lease, epoch, actor) = (Arc::clone(&self.node), lease.clone(), self.epoch, ctx.address());
        actix::spawn(async move {
            let sent_at = node.clock.boot();
            let result = node.store.renew(&lease).await;
            actor.do_send(RenewDone { epoch, sent_at, result });
        });
    }

    /// Nothing may be handed over any more, so nothing is claimed: the partition is opened anew when the store
    /// grants it. Otherwise claims would be made and undone as fast as the store takes them.
    fn give_up_without_trust(&mut self, ctx: &mut Context<Self>) {
        let until = self.node.trust(self.partition).until();
        if matches!(self.phase, Phase::Serving(_)) && until <= self.node.clock.boot() {
            tracing::warn!(partition = %self.partition, "the lease was not renewed in time: the partition is given up");
            self.stop_serving(&EngineError::Unavailable);
            self.acquire_later(RETRY, ctx);
        }
    }

    fn sweep(&mut self, ctx: &Context<Self>) {
        if !matches!(self.phase, Phase::Serving(_)) || std::mem::replace(&mut self.is_sweeping, true) {
            return;
        }
        let (node, partition, epoch, actor) = (Arc::clone(&self.node), self.partition, self.epoch, ctx.address());
        actix::spawn(async move {
            if let Err(error) = sweep(&node, partition, epoch).await {
                tracing::warn!(%partition, %error, "the sweep stopped early and is taken up again later");
            }
            actor.do_send(SweepDone);
        });
    }
}

#[derive(Debug, Clone, Copy, ActixMessage)]
#[rtype(result = "()")]
struct SweepDone;

/// From when the lease was asked for, less a fifth for clocks that do not run alike.
fn trusted_until(asked_at: BootUs, ttl: Option<Duration>) -> BootUs {
    ttl.map_or(BootUs(u64::MAX), |ttl| asked_at.plus(ttl - ttl / 5))
}

/// Acquires the lease and reads what opening needs. `Ok(Err(wait))`: another node has it.
async fn try_open(node: &Node, partition: Partition) -> Result<Result<Opened, Duration>, StoreError> {
    if node.health.store() == StoreCondition::OutOfSpace {
        node.store.recover().await?;
    }
    let asked_at = node.clock.boot();
    let lease = match node.store.acquire(partition, node.settings.node, node.settings.lease_ttl).await? {
        Acquired::Granted(lease) => lease,
        Acquired::HeldBy { remaining, .. } => return Ok(Err(remaining)),
    };
    let pending = node.store.counter(partition, Counter::Pending).await?;
    let query = RangeQuery {
        partition,
        index: Index::WaitingScopes,
        after: None,
        to: UnixMs::MAX,
        limit: 100_000,
        descending: false,
    };
    let found = node.store.ranges(std::slice::from_ref(&query)).await?;
    let scopes = found.into_iter().flatten().filter_map(|entry| WaitingScope::decode(&entry.member).ok()).collect();
    let is_zoned_anew = is_zoned_anew(node, partition).await?;
    Ok(Ok(Opened { lease, asked_at, pending, scopes, is_zoned_anew }))
}

impl Actor for PartitionActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(self.node.settings.lease_ttl / 3, |partition, ctx| partition.renew(ctx));
        // Partitions sweep one after another, not all at once.
        let every = self.node.settings.sweep_every;
        let first = every / 4096 * (u32::from(self.partition.0) + 64);
        ctx.run_later(first, move |partition, ctx| {
            partition.sweep(ctx);
            ctx.run_interval(every, |partition, ctx| {
                partition.sweep(ctx);
                ctx.notify(PlanAgain);
            });
        });
        let first = WRITE_EVERY / 4096 * (u32::from(self.partition.0) + 64);
        ctx.run_later(first, move |_, ctx| {
            ctx.run_interval(WRITE_EVERY, |_, ctx| ctx.notify(WriteHabits));
        });
    }
}

impl Handler<BeginPartition> for PartitionActor {
    type Result = ();

    fn handle(&mut self, _: BeginPartition, ctx: &mut Self::Context) {
        self.acquire(ctx);
    }
}

impl Handler<AcquireDone> for PartitionActor {
    type Result = ();

    fn handle(&mut self, AcquireDone(result): AcquireDone, ctx: &mut Self::Context) {
        if !matches!(self.phase, Phase::Acquiring) {
            return;
        }
        match result {
            Ok(Ok(opened)) => self.serve(opened, ctx),
            Ok(Err(remaining)) => {
                self.acquire_later(remaining.clamp(Duration::from_millis(50), Duration::from_secs(1)), ctx);
            }
            Err(error) => {
                let condition = if matches!(error, StoreError::OutOfSpace) {
                    StoreCondition::OutOfSpace
                } else {
                    StoreCondition::Unavailable
                };
                self.node.health.set_store(condition);
                tracing::debug!(partition = %self.partition, %error, "the partition cannot be opened yet, trying again");
                self.acquire_later(RETRY, ctx);
            }
        }
    }
}

impl Handler<CommitFailed> for PartitionActor {
    type Result = ();

    fn handle(&mut self, CommitFailed { epoch, error }: CommitFailed, ctx: &mut Self::Context) {
        if epoch != self.epoch || !matches!(self.phase, Phase::Serving(_)) {
            return;
        }
        tracing::warn!(partition = %self.partition, %error, "a commit failed: the partition is read anew");
        metrics::counter!("sendwheel_partition_drops_total").increment(1);
        let (answer, condition, wait) = match error {
            CommitError::OutOfSpace => (EngineError::OutOfSpace, Some(StoreCondition::OutOfSpace), RETRY),
            CommitError::NoRoom => (EngineError::OutOfSpace, None, RETRY),
            CommitError::Unknown(_) | CommitError::Unavailable(_) => {
                (EngineError::Unavailable, Some(StoreCondition::Unavailable), RETRY)
            }
            CommitError::Fenced { .. } => (EngineError::Unavailable, None, Duration::from_millis(10)),
        };
        if let Some(condition) = condition {
            self.node.health.set_store(condition);
        }
        self.stop_serving(&answer);
        self.acquire_later(wait, ctx);
    }
}

impl Handler<RenewDone> for PartitionActor {
    type Result = ();

    fn handle(&mut self, RenewDone { epoch, sent_at, result }: RenewDone, ctx: &mut Self::Context) {
        let Phase::Serving(lease) = &self.phase else { return };
        if epoch != self.epoch {
            return;
        }
        match result {
            Ok(Renewal::Renewed) => self.node.trust(self.partition).extend(trusted_until(sent_at, lease.ttl)),
            Ok(Renewal::Lost) => {
                tracing::warn!(partition = %self.partition, "the lease is lost: the partition is given up");
                self.stop_serving(&EngineError::Unavailable);
                self.acquire_later(RETRY, ctx);
            }
            // Its trust runs out if no later renewal works.
            Err(error) => {
                tracing::warn!(partition = %self.partition, %error, "the lease could not be renewed, trying again");
            }
        }
    }
}

impl Handler<NearIsPlanned> for PartitionActor {
    type Result = ();

    fn handle(&mut self, NearIsPlanned { epoch, scopes }: NearIsPlanned, _: &mut Self::Context) {
        if let Some((node, partition, now)) = self.opening()
            && now == epoch
        {
            node.shard(partition).parking.do_send(OpenParking { partition, epoch, scopes });
        }
    }
}

impl Handler<SweepDone> for PartitionActor {
    type Result = ();

    fn handle(&mut self, _: SweepDone, _: &mut Self::Context) {
        self.is_sweeping = false;
    }
}

impl Handler<ReleasePartition> for PartitionActor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: ReleasePartition, _: &mut Self::Context) -> Self::Result {
        let lease = match &self.phase {
            Phase::Serving(lease) => Some(lease.clone()),
            Phase::Acquiring | Phase::Released => None,
        };
        self.stop_serving(&EngineError::Stopping);
        self.phase = Phase::Released;
        let (node, partition) = (Arc::clone(&self.node), self.partition);
        Box::pin(async move {
            if let Some(lease) = lease
                && let Err(error) = node.store.release(lease).await
            {
                tracing::warn!(%partition, %error, "the lease could not be given back and runs out by itself");
            }
        })
    }
}

impl Handler<DescribePartition> for PartitionActor {
    type Result = PartitionBrief;

    fn handle(&mut self, _: DescribePartition, _: &mut Self::Context) -> PartitionBrief {
        let phase = match self.phase {
            Phase::Acquiring => "acquiring",
            Phase::Serving(_) => "serving",
            Phase::Released => "released",
        };
        PartitionBrief { phase, seq: self.node.committed(self.partition).load(Ordering::Relaxed) }
    }
}
