//! What outlives a process: time, the store's data, the model of what was promised, the log of events.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use rand::SeedableRng;
use rand::rngs::StdRng;
use sendwheel_actors::domain::address::Channel;
use sendwheel_actors::domain::clock::{Clock, SharedClock};
use sendwheel_actors::domain::ids::PartitionCount;
use sendwheel_actors::domain::source::IdSource;
use sendwheel_actors::store::NodeId;
use sendwheel_actors::store::memory::{FaultHook, MemoryStore, no_faults};
use tokio::sync::Notify;

use crate::clock::SimClock;
use crate::fate::Fate;
use crate::model::Model;
use crate::plan::Plan;

/// One process: from its start to its end or its death.
#[derive(Debug)]
pub struct Process {
    pub number: u32,
    pub node: NodeId,
    pub store: Arc<MemoryStore>,
    is_dead: AtomicBool,
    died: Notify,
}

impl Process {
    pub fn new(number: u32, node: NodeId, store: Arc<MemoryStore>) -> Arc<Self> {
        Arc::new(Self { number, node, store, is_dead: AtomicBool::new(false), died: Notify::new() })
    }

    /// From here on nothing that it does counts: its store hangs, its provider hears nothing, its callers
    /// hear nothing.
    pub fn die(&self) {
        self.is_dead.store(true, Ordering::SeqCst);
        self.died.notify_one();
    }

    pub fn is_dead(&self) -> bool {
        self.is_dead.load(Ordering::SeqCst)
    }

    pub async fn death(&self) {
        self.died.notified().await;
    }
}

/// Everything that a run shares.
#[derive(Debug)]
pub struct World {
    pub plan: Plan,
    pub clock: Arc<SimClock>,
    pub partitions: PartitionCount,
    pub data: MemoryStore,
    pub fate: Mutex<Fate>,
    has_faults: AtomicBool,
    is_probing: AtomicBool,
    store_calls: AtomicU64,
    log: Mutex<Vec<String>>,
    model: Mutex<Model>,
}

/// A run that makes more store calls than this goes round in circles.
const MAX_STORE_CALLS: u64 = 400_000;

impl World {
    pub fn new(seed: u64) -> Arc<Self> {
        let (plan, clock) = (Plan::of_seed(seed), Arc::<SimClock>::default());
        let partitions = PartitionCount::new(plan.partitions).unwrap();
        let ids = IdSource::seeded(seed ^ 0xdada);
        let data = MemoryStore::new(partitions, Arc::clone(&clock) as SharedClock, ids, no_faults());
        let world = Self {
            plan,
            clock,
            partitions,
            data,
            fate: Mutex::new(Fate::of_seed(seed)),
            has_faults: AtomicBool::new(true),
            is_probing: AtomicBool::new(false),
            store_calls: AtomicU64::new(0),
            log: Mutex::default(),
            model: Mutex::default(),
        };
        Arc::new(world)
    }

    /// A node's handle of the store, whose commits are watched.
    pub fn handle(self: &Arc<Self>, node: NodeId, faults: FaultHook) -> MemoryStore {
        self.data.reopen(faults).watched(self.watch(node))
    }

    pub fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap()
    }

    /// What the wall clock shows.
    pub fn now(&self) -> i64 {
        self.clock.now().0
    }

    /// When what is asked for now is due at the earliest: the clock may be set back before that is decided.
    pub fn earliest_now(&self) -> i64 {
        if self.plan.clock_set > 0 { i64::MIN } else { self.now() }
    }

    /// Milliseconds since the run began.
    pub fn elapsed(&self) -> i64 {
        self.clock.elapsed_ms()
    }

    pub fn log(&self, text: impl AsRef<str>) {
        let mut line = String::new();
        let at = self.elapsed();
        let _ = write!(line, "{:>4}.{:03} {}", at / 1_000, at % 1_000, text.as_ref());
        self.log.lock().unwrap().push(line);
    }

    pub fn events(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// Something happened that a run is to have seen.
    pub fn count(&self, what: &'static str) {
        *self.model().tally.entry(what).or_default() += 1;
    }

    /// A rule was broken.
    pub fn violation(&self, text: impl AsRef<str>) {
        self.log(format!("VIOLATION {}", text.as_ref()));
        self.model().violations.push(text.as_ref().to_owned());
    }

    pub fn has_faults(&self) -> bool {
        self.has_faults.load(Ordering::SeqCst)
    }

    pub fn heal(self: &Arc<Self>) {
        self.log("all faults end");
        self.has_faults.store(false, Ordering::SeqCst);
        self.rival_acts();
    }

    /// Whether nothing takes time any more: what is slow now is the engine.
    pub fn is_probing(&self) -> bool {
        self.is_probing.load(Ordering::SeqCst)
    }

    pub fn begin_probe(&self) {
        self.log("everything is quick from now on");
        self.is_probing.store(true, Ordering::SeqCst);
    }

    /// Counts a call of the store; false when there were too many of them.
    pub fn count_call(&self) -> bool {
        let calls = self.store_calls.fetch_add(1, Ordering::SeqCst);
        if calls == MAX_STORE_CALLS {
            self.violation("livelock: the engine asks the store again and again");
        }
        calls < MAX_STORE_CALLS
    }

    pub fn store_calls(&self) -> u64 {
        self.store_calls.load(Ordering::SeqCst)
    }

    pub fn provider_is_down(&self, channel: Channel) -> bool {
        let (from, to) = self.plan.down[channel as usize % 2];
        self.has_faults() && (from..to).contains(&self.elapsed())
    }
}

/// A stream of random numbers of its own for each use, so that one more draw here moves nothing there.
pub fn stream(seed: u64, process: u32, of: u64) -> StdRng {
    StdRng::seed_from_u64(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ (u64::from(process) << 32) ^ of)
}
