//! A store that takes its time: the store in memory behind random latencies, so that whatever can happen
//! between a call and its answer does: also that the process is suspended, or that a commit arrives when nobody
//! waits for it any more. And the faults that it is given.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rand::Rng;
use rand::rngs::StdRng;
use sendwheel_actors::domain::address::Address;
use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::ids::{AccountNo, ContactId, Partition, PartitionCount};
use sendwheel_actors::store::memory::{Call, Fault, FaultHook};
use sendwheel_actors::store::*;

use crate::world::{Process, World, stream};

/// Draws a fault for every call, as the run's plan says.
pub fn faults(
    world: &Arc<World>,
    process: &Arc<std::sync::OnceLock<Arc<Process>>>,
    seed: u64,
    number: u32,
) -> FaultHook {
    let rng = Mutex::new(stream(seed, number, 1));
    let (world, process) = (Arc::clone(world), Arc::clone(process));
    Arc::new(move |call: &Call| {
        let Some(process) = process.get() else { return Fault::Proceed };
        if !world.count_call() {
            process.die();
            return Fault::CrashBefore;
        }
        if !world.has_faults() {
            return Fault::Proceed;
        }
        let draw = rng.lock().unwrap().random_range(0..1_000);
        let plan = world.plan;
        let fail = if matches!(call, Call::Renew(_)) { plan.renew_fails } else { plan.fail };
        let fault = match draw {
            draw if draw < plan.crash => {
                process.die();
                if draw % 2 == 0 { Fault::CrashBefore } else { Fault::CrashAfter }
            }
            draw if draw < plan.crash + fail => Fault::FailBefore,
            draw if draw < plan.crash + fail + plan.unknown => Fault::ApplyThenUnknown,
            draw if draw >= 1_000 - plan.no_room && matches!(call, Call::Commit { is_growth: true, .. }) => {
                world.count("new work without room");
                Fault::NoRoom
            }
            _ => Fault::Proceed,
        };
        if fault != Fault::Proceed {
            world.log(format!("fault {fault:?} at {call:?}"));
        }
        fault
    })
}

/// One process's way to the store.
#[derive(Debug)]
pub struct SlowStore {
    world: Arc<World>,
    process: Arc<Process>,
    rng: Mutex<StdRng>,
    /// In every fourth run each commit takes at least this long: longer than a permit is good for, often.
    commit: Duration,
}

impl SlowStore {
    pub fn new(world: Arc<World>, process: Arc<Process>, seed: u64) -> Self {
        let rng = Mutex::new(stream(seed, process.number, 2));
        let mut of_run = stream(seed, 0, 5);
        let ms = if of_run.random_bool(0.25) { of_run.random_range(100..1_000) } else { 1 };
        Self { world, process, rng, commit: Duration::from_millis(ms) }
    }

    async fn wait(&self) {
        if self.world.is_probing() {
            return;
        }
        self.world.chance_to_suspend(&self.process);
        let ms = {
            let mut rng = self.rng.lock().unwrap();
            match rng.random_range(0..1_000) {
                draw if draw < self.world.plan.slow / 4 => rng.random_range(50..600),
                draw if draw < self.world.plan.slow * 3 => rng.random_range(1..20),
                draw => u64::from(draw % 3 == 0),
            }
        };
        if ms > 0 {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
    }

    /// Whether something happens that happens so often in a thousand times, as long as there are faults.
    fn draws(&self, per_thousand: u32) -> bool {
        self.world.has_faults() && self.rng.lock().unwrap().random_range(0..1_000) < per_thousand
    }

    /// Waits on both sides of a call.
    async fn call<T>(&self, call: impl Future<Output = T>) -> T {
        self.wait().await;
        self.world.deliver_late();
        let answer = call.await;
        self.wait().await;
        answer
    }
}

#[async_trait]
impl Store for SlowStore {
    fn partitions(&self) -> PartitionCount {
        self.process.store.partitions()
    }

    async fn acquire(&self, partition: Partition, node: NodeId, ttl: Duration) -> Result<Acquired, StoreError> {
        self.call(self.process.store.acquire(partition, node, ttl)).await
    }

    async fn renew(&self, lease: &Lease) -> Result<Renewal, StoreError> {
        let delay = |is_slow: bool| {
            let ms = if is_slow { self.rng.lock().unwrap().random_range(0..6_000) } else { 0 };
            tokio::time::sleep(Duration::from_millis(ms))
        };
        let (before, after) = (self.draws(self.world.plan.renew_slow), self.draws(self.world.plan.renew_slow));
        delay(before).await;
        let renewed = self.call(self.process.store.renew(lease)).await;
        delay(after).await;
        renewed
    }

    async fn release(&self, lease: Lease) -> Result<(), StoreError> {
        self.call(self.process.store.release(lease)).await
    }

    async fn head(&self, partition: Partition) -> Result<Option<Head>, StoreError> {
        self.call(self.process.store.head(partition)).await
    }

    async fn redraw(&self, head: Head) -> Result<Option<Head>, StoreError> {
        self.call(self.process.store.redraw(head)).await
    }

    async fn commit(&self, head: &mut Head, batch: Batch) -> Result<(), CommitError> {
        // No commit is free: one that goes round in circles moves time ahead, and is seen.
        let takes = if self.world.is_probing() { Duration::from_millis(1) } else { self.commit };
        tokio::time::sleep(takes).await;
        if self.draws(self.world.plan.late) {
            self.world.log(format!("a batch of {} is late", head.partition));
            self.world.send_late(&self.process, *head, batch);
            self.wait().await;
            return Err(CommitError::Unknown("it did not arrive in time".into()));
        }
        self.call(self.process.store.commit(head, batch)).await
    }

    async fn get(&self, keys: &[RecordKey]) -> Result<Vec<Option<Bytes>>, StoreError> {
        self.call(self.process.store.get(keys)).await
    }

    async fn ranges(&self, queries: &[RangeQuery]) -> Result<Vec<Vec<Entry>>, StoreError> {
        if self.world.is_probing() {
            // Nor is a look into an index: a lane that looks for what is being parked just now waits for that commit.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.call(self.process.store.ranges(queries)).await
    }

    async fn count(&self, partition: Partition, index: Index, limit: usize) -> Result<usize, StoreError> {
        self.call(self.process.store.count(partition, index, limit)).await
    }

    async fn counter(&self, partition: Partition, counter: Counter) -> Result<i64, StoreError> {
        self.call(self.process.store.counter(partition, counter)).await
    }

    async fn add_hints(&self, hints: &[AddressHint]) -> Result<(), StoreError> {
        self.call(self.process.store.add_hints(hints)).await
    }

    async fn remove_hints(&self, hints: &[AddressHint]) -> Result<(), StoreError> {
        self.call(self.process.store.remove_hints(hints)).await
    }

    async fn hinted(&self, account: AccountNo, address: &Address) -> Result<Vec<ContactId>, StoreError> {
        self.call(self.process.store.hinted(account, address)).await
    }

    async fn now(&self) -> Result<UnixMs, StoreError> {
        self.process.store.now().await
    }

    async fn usage(&self) -> Result<Usage, StoreError> {
        self.process.store.usage().await
    }

    async fn describe(&self) -> Result<Description, StoreError> {
        self.process.store.describe().await
    }

    async fn recover(&self) -> Result<(), StoreError> {
        self.call(self.process.store.recover()).await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.call(self.process.store.close()).await
    }
}
