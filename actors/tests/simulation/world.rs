//! What outlives a process: time, the store's data, the model of what was promised, the log of events.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sendwheel_actors::domain::address::Channel;
use sendwheel_actors::domain::clock::{BootUs, Clock, UnixMs};
use sendwheel_actors::store::memory::MemoryStore;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::model::Model;

/// 2026-11-23T08:00:00Z: where every run begins.
pub const BEGIN_MS: i64 = 1_795_420_800_000;

/// Time that goes on over processes: each one has a runtime whose paused clock begins anew.
#[derive(Debug, Default)]
pub struct SimClock(Mutex<(Duration, Option<Instant>)>);

impl SimClock {
    fn elapsed(&self) -> Duration {
        let (before, started) = *self.0.lock().unwrap();
        before + started.map_or(Duration::ZERO, |at| at.elapsed())
    }

    /// A process begins; called inside its runtime.
    pub fn process_begins(&self) {
        #[expect(clippy::disallowed_methods, reason = "the paused clock of the runtime is this clock's source")]
        let now = Instant::now();
        self.0.lock().unwrap().1 = Some(now);
    }

    /// The process ends, and nothing runs for a while; called inside its runtime.
    pub fn process_ends(&self, downtime: Duration) {
        let elapsed = self.elapsed();
        *self.0.lock().unwrap() = (elapsed + downtime, None);
    }
}

impl Clock for SimClock {
    fn now(&self) -> UnixMs {
        UnixMs(BEGIN_MS + i64::try_from(self.elapsed().as_millis()).unwrap())
    }

    fn boot(&self) -> BootUs {
        BootUs(1_000_000 + u64::try_from(self.elapsed().as_micros()).unwrap())
    }
}

/// One process: from its start to its end or its death.
#[derive(Debug)]
pub struct Process {
    pub number: u32,
    pub store: Arc<MemoryStore>,
    is_dead: AtomicBool,
    died: Notify,
}

impl Process {
    pub fn new(number: u32, store: Arc<MemoryStore>) -> Arc<Self> {
        Arc::new(Self { number, store, is_dead: AtomicBool::new(false), died: Notify::new() })
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

/// How a run differs from others, drawn from its seed. Rates are per thousand calls.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub crash: u32,
    pub fail: u32,
    pub unknown: u32,
    pub renew_fails: u32,
    pub slow: u32,
    pub operations: u32,
    pub contacts: usize,
    pub active_contacts: usize,
    pub lane_bound: usize,
    pub wheel_page: usize,
    pub partitions: u16,
    pub shards: usize,
    /// When each provider is down, ms since the beginning.
    pub down: [(i64, i64); 2],
}

impl Plan {
    pub fn of_seed(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed ^ 0x9e37_79b9);
        let stormy = rng.random_range(0..4);
        let rate = |rng: &mut StdRng, most: u32| if stormy == 0 { 0 } else { rng.random_range(0..=most) };
        let mut down = || {
            let from = rng.random_range(0..60_000);
            (from, from + rng.random_range(0..20_000))
        };
        let down = [down(), down()];
        Self {
            crash: rate(&mut rng, 4),
            fail: rate(&mut rng, 25),
            unknown: rate(&mut rng, 25),
            renew_fails: if rng.random_bool(0.3) { 900 } else { 30 },
            slow: rng.random_range(0..120),
            operations: rng.random_range(60..200),
            contacts: rng.random_range(2..9),
            active_contacts: rng.random_range(1..5),
            lane_bound: rng.random_range(1..5),
            wheel_page: rng.random_range(1..6),
            partitions: [1, 2, 4][rng.random_range(0..3)],
            shards: rng.random_range(1..3),
            down,
        }
    }
}

/// Everything that a run shares.
#[derive(Debug)]
pub struct World {
    pub plan: Plan,
    pub clock: Arc<SimClock>,
    has_faults: AtomicBool,
    store_calls: AtomicU64,
    log: Mutex<Vec<String>>,
    model: Mutex<Model>,
}

/// A run that makes more store calls than this goes round in circles.
const MAX_STORE_CALLS: u64 = 400_000;

impl World {
    pub fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self {
            plan: Plan::of_seed(seed),
            clock: Arc::default(),
            has_faults: AtomicBool::new(true),
            store_calls: AtomicU64::new(0),
            log: Mutex::default(),
            model: Mutex::default(),
        })
    }

    pub fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap()
    }

    pub fn now(&self) -> i64 {
        self.clock.now().0
    }

    pub fn log(&self, text: impl AsRef<str>) {
        let mut line = String::new();
        let at = self.now() - BEGIN_MS;
        let _ = write!(line, "{:>4}.{:03} {}", at / 1_000, at % 1_000, text.as_ref());
        self.log.lock().unwrap().push(line);
    }

    pub fn events(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// A rule was broken.
    pub fn violation(&self, text: impl AsRef<str>) {
        self.log(format!("VIOLATION {}", text.as_ref()));
        self.model().violations.push(text.as_ref().to_owned());
    }

    pub fn has_faults(&self) -> bool {
        self.has_faults.load(Ordering::SeqCst)
    }

    pub fn heal(&self) {
        self.log("all faults end");
        self.has_faults.store(false, Ordering::SeqCst);
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
        let at = self.now() - BEGIN_MS;
        let (from, to) = self.plan.down[channel as usize % 2];
        self.has_faults() && (from..to).contains(&at)
    }
}

/// A stream of random numbers of its own for each use, so that one more draw here moves nothing there.
pub fn stream(seed: u64, process: u32, of: u64) -> StdRng {
    StdRng::seed_from_u64(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ (u64::from(process) << 32) ^ of)
}
