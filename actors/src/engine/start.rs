//! Starting: threads, actors, and the task that watches the store.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use actix::{Actor, Arbiter, ArbiterHandle};

use super::consent::load_suppressions;
use super::handle::Engine;
use crate::contact::registry::ContactRegistry;
use crate::directory::Directory;
use crate::domain::address::Channel;
use crate::domain::clock::{FollowingClock, SharedClock};
use crate::domain::source::IdSource;
use crate::journal::Journal;
use crate::partition::{BeginPartition, PartitionActor};
use crate::protocol::settings::EngineSettings;
use crate::sender::pool::{SenderPool, SetDraining};
use crate::sender::transport::Transport;
use crate::shard::{Fullness, Node, PoolRoutes, Routes, ShardRoutes, StoreCondition};
use crate::store::{SharedStore, StoreError};
use crate::wheel::actor::WheelActor;
use crate::wheel::parking::Parking;

/// How messages leave.
#[derive(Debug, Clone)]
pub struct Transports {
    /// Email.
    pub email: Arc<dyn Transport>,
    /// SMS.
    pub sms: Arc<dyn Transport>,
    /// Notices to webhooks.
    pub webhook: Arc<dyn Transport>,
}

/// What an engine is made of.
#[derive(Debug)]
pub struct EngineStart {
    /// Every bound and knob.
    pub settings: EngineSettings,
    /// The truth.
    pub store: SharedStore,
    /// Time; on Redis its wall time is replaced by the store's.
    pub clock: SharedClock,
    /// Ids and random numbers.
    pub ids: IdSource,
    /// How messages leave.
    pub transports: Transports,
    /// Where its actors run.
    pub threads: Threads,
}

/// On which threads an engine's actors run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Threads {
    /// On threads of their own: one for each shard, one for the pools.
    #[default]
    Own,
    /// All on the thread that starts the engine, which must run an actix `System`: one thread steps
    /// through everything in an order that can be repeated. They end with that system.
    Current,
}

/// Why an engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store does not work.
    #[error("the store cannot be used: {0}")]
    Store(#[from] StoreError),
}

/// The engine's own threads; none if it runs on its caller's.
#[derive(Debug, Default)]
pub(super) struct Arbiters(Vec<Arbiter>);

impl Arbiters {
    fn take(&mut self, threads: Threads) -> ArbiterHandle {
        match threads {
            Threads::Own => {
                self.0.push(Arbiter::new());
                self.0[self.0.len() - 1].handle()
            }
            Threads::Current => Arbiter::current(),
        }
    }

    /// Ends the threads; what is in flight on them ends with them.
    pub(super) fn stop(&self) {
        for arbiter in &self.0 {
            arbiter.stop();
        }
    }
}

/// How often the store is asked how it is.
const WATCH_EVERY: Duration = Duration::from_secs(1);

impl Engine {
    /// Starts everything; partitions open one after another from then on ([`Engine::readiness`]).
    ///
    /// Needs a running actix `System`.
    ///
    /// # Errors
    /// The store does not work, or another node has it.
    pub async fn start(start: EngineStart) -> Result<Self, StartError> {
        let EngineStart { mut settings, store, clock, ids, transports, threads } = start;
        settings.shards = settings.shards.clamp(1, usize::from(store.partitions().get()));
        let followed = (store.describe().await?.backend == "redis").then(|| FollowingClock::new(Arc::clone(&clock)));
        if let Some(clock) = &followed {
            clock.follow(store.now().await?);
        }
        let clock = followed.clone().map_or(clock, |clock| clock as SharedClock);
        let (directory, snapshot, keys) =
            Directory::open(Arc::clone(&store), settings.node, settings.lease_ttl, &settings.system_from, &ids).await?;
        let directory = Arc::new(directory);
        let node = Arc::new(Node::new(settings, clock, ids, store, snapshot, keys));
        node.health.want_partitions(usize::from(node.partitions.get()));

        let mut arbiters = Arbiters::default();
        let pools = arbiters.take(threads);
        let pool = |channel: Channel, transport: &Arc<dyn Transport>| {
            let (node, transport) = (Arc::clone(&node), Arc::clone(transport));
            SenderPool::start_in_arbiter(&pools, move |_| SenderPool::new(node, channel, transport))
        };
        let routes = PoolRoutes {
            email: pool(Channel::Email, &transports.email),
            sms: pool(Channel::Sms, &transports.sms),
            webhook: pool(Channel::Webhook, &transports.webhook),
        };
        let mut shards = Vec::new();
        for number in 0..node.settings.shards {
            shards.push(start_shard(&node, number, &arbiters.take(threads)));
        }
        load_suppressions(&node).await?;
        node.connect(Routes { shards, pools: routes });
        for (_, partition) in node.routes().shards.iter().flat_map(|shard| &shard.partitions) {
            partition.do_send(BeginPartition);
        }
        pools.spawn(watch(Arc::clone(&node), followed));
        let (keeper, kept) = (Arc::clone(&node), Arc::clone(&directory));
        pools.spawn(async move { kept.keep_lease(&keeper).await });
        let (tender, tended) = (Arc::clone(&node), Arc::clone(&directory));
        pools.spawn(async move { tended.tend(&tender).await });
        let (switcher, switched) = (Arc::clone(&node), Arc::clone(&directory));
        pools.spawn(async move { switched.switch_off_gone(&switcher).await });
        let engine = Self { node, directory, arbiters: Arc::new(arbiters) };
        pools.spawn(engine.clone().keep_alerting());
        Ok(engine)
    }
}

fn start_shard(node: &Arc<Node>, number: usize, on: &ArbiterHandle) -> ShardRoutes {
    let (a, b, c, d) = (Arc::clone(node), Arc::clone(node), Arc::clone(node), Arc::clone(node));
    let partitions = node
        .partitions
        .iter()
        .filter(|partition| node.shard_of(*partition) == number)
        .map(|partition| {
            let node = Arc::clone(node);
            (partition, PartitionActor::start_in_arbiter(on, move |_| PartitionActor::new(node, partition)))
        })
        .collect();
    ShardRoutes {
        registry: ContactRegistry::start_in_arbiter(on, move |_| ContactRegistry::new(a)),
        journal: Journal::start_in_arbiter(on, move |_| Journal::new(b)),
        wheel: WheelActor::start_in_arbiter(on, move |_| WheelActor::new(c)),
        parking: Parking::start_in_arbiter(on, move |_| Parking::new(d)),
        partitions,
        inflight: Arc::new(AtomicUsize::new(0)),
    }
}

/// Watches the store: its clock, its fullness, whether it answers. Forgets what can no longer be undone.
async fn watch(node: Arc<Node>, followed: Option<Arc<FollowingClock>>) {
    let mut every = tokio::time::interval(WATCH_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !node.health.is_stopping() {
        every.tick().await;
        node.undo.forget_old(node.clock.boot());
        match node.store.now().await {
            Ok(now) => {
                if let Some(clock) = &followed {
                    let ahead = now.0 - node.clock.now().0;
                    metrics::gauge!("sendwheel_clock_skew_seconds").set(ahead as f64 / 1_000.0);
                    clock.follow(now);
                }
                if node.health.store() == StoreCondition::Unavailable {
                    node.health.set_store(StoreCondition::Works);
                }
            }
            Err(error) => {
                tracing::debug!(%error, "the store does not answer");
                if node.health.store() == StoreCondition::Works {
                    node.health.set_store(StoreCondition::Unavailable);
                }
            }
        }
        let look = node.room.begin_look();
        if let Ok(usage) = node.store.usage().await {
            node.room.end_look(look, usage, node.settings.refuse_schedules_at);
            let fullness = if usage.share >= node.settings.refuse_claims_at {
                Fullness::RefusesClaims
            } else if usage.share >= node.settings.refuse_schedules_at {
                Fullness::RefusesSchedules
            } else {
                Fullness::Normal
            };
            let before = node.health.fullness();
            node.health.set_fullness(fullness);
            if (before == Fullness::RefusesClaims) != (fullness == Fullness::RefusesClaims) {
                let is_draining = fullness == Fullness::RefusesClaims || node.health.is_draining();
                for pool in node.routes().pools.all() {
                    pool.do_send(SetDraining(is_draining));
                }
            }
            metrics::gauge!("sendwheel_store_usage_ratio").set(usage.share);
        }
        metrics::gauge!("sendwheel_pending").set(node.pending().max(0) as f64);
        metrics::gauge!("sendwheel_partitions_owned").set(node.health.partitions_open() as f64);
    }
}
