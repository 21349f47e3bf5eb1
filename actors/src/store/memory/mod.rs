//! The store in memory, for the seeded simulation and for tests: it keeps the contract, repeats itself
//! exactly, and fails where it is told to.
//!
//! Every call asks the [`FaultHook`] first. A crashed handle answers nothing any more, as a dead process
//! would: its calls hang. [`MemoryStore::reopen`] gives a new handle over what had been applied.
//! Everything is ordered (no hash maps), so a run depends on its seed alone.

mod data;
mod faults;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::contract::*;
use super::keys;
use crate::domain::address::Address;
use crate::domain::clock::{SharedClock, UnixMs};
use crate::domain::ids::{AccountNo, ContactId, Partition, PartitionCount};
use crate::domain::source::IdSource;
pub use data::Contents;
use data::{Data, LeaseEntry};
pub use faults::{Applied, Call, CommitWatch, Fault, FaultHook, no_faults};

/// A handle of a store in memory: one process's view of it.
pub struct MemoryStore {
    data: Arc<Mutex<Data>>,
    partitions: PartitionCount,
    clock: SharedClock,
    ids: IdSource,
    faults: FaultHook,
    watch: Option<CommitWatch>,
    is_crashed: AtomicBool,
    is_closed: AtomicBool,
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("is_crashed", &self.is_crashed).finish_non_exhaustive()
    }
}

/// What a call is to do after its hook was asked.
enum Then {
    Apply,
    ApplyUnlessGrowth,
    ApplyThenUnknown,
    ApplyThenCrash,
}

const UNKNOWN: &str = "an injected fault took the answer";

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new(partitions: PartitionCount, clock: SharedClock, ids: IdSource, faults: FaultHook) -> Self {
        let data = Arc::new(Mutex::new(Data::default()));
        Self::over(data, partitions, clock, ids, faults)
    }

    fn over(
        data: Arc<Mutex<Data>>,
        partitions: PartitionCount,
        clock: SharedClock,
        ids: IdSource,
        faults: FaultHook,
    ) -> Self {
        Self {
            data,
            partitions,
            clock,
            ids,
            faults,
            watch: None,
            is_crashed: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
        }
    }

    /// A new handle over the same data: the next process, or another node.
    #[must_use]
    pub fn reopen(&self, faults: FaultHook) -> Self {
        Self::over(Arc::clone(&self.data), self.partitions, Arc::clone(&self.clock), self.ids.clone(), faults)
    }

    /// This handle, with somebody who sees what it commits.
    #[must_use]
    pub fn watched(self, watch: CommitWatch) -> Self {
        Self { watch: Some(watch), ..self }
    }

    /// Whether this handle answers nothing any more.
    #[must_use]
    pub fn is_crashed(&self) -> bool {
        self.is_crashed.load(Ordering::SeqCst)
    }

    /// Crashes this handle from outside: every call of it hangs from now on.
    pub fn crash(&self) {
        self.is_crashed.store(true, Ordering::SeqCst);
    }

    /// Everything that was applied, as it lies in the store, for an oracle. Asks no hook, crashed or not.
    #[must_use]
    pub fn contents(&self) -> Contents {
        self.data().contents()
    }

    /// One record as it lies in the store, for an oracle. Asks no hook, crashed or not.
    #[must_use]
    pub fn peek(&self, key: &RecordKey) -> Option<Bytes> {
        self.data().get(key)
    }

    /// Whose lease of a partition has not run out, for an oracle. Asks no hook, crashed or not.
    #[must_use]
    pub fn holder(&self, partition: Partition) -> Option<NodeId> {
        let now = self.clock.boot();
        self.data().leases.get(&partition).filter(|lease| lease.until > now).map(|lease| lease.node)
    }

    fn data(&self) -> MutexGuard<'_, Data> {
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn apply(&self, head: Head, batch: Batch) -> Result<Head, CommitError> {
        let mut data = self.data();
        data.check(head)?;
        if let Some(watch) = &self.watch {
            let lease_of = data.leases.get(&head.partition).map(|lease| lease.node);
            watch(&Applied { head, lease_of, batch: &batch });
        }
        Ok(data.apply(head, batch))
    }

    /// Asks the hook; never returns on a crashed handle. An error text means: nothing was applied.
    async fn enter(&self, call: Call) -> Result<Then, &'static str> {
        if self.is_crashed() {
            return std::future::pending().await;
        }
        if self.is_closed.load(Ordering::SeqCst) {
            return Err("the store is closed");
        }
        match (self.faults)(&call) {
            Fault::Proceed => Ok(Then::Apply),
            Fault::NoRoom => Ok(Then::ApplyUnlessGrowth),
            Fault::FailBefore => Err("an injected fault refused the call"),
            Fault::ApplyThenUnknown => Ok(Then::ApplyThenUnknown),
            Fault::CrashBefore => {
                self.crash();
                std::future::pending().await
            }
            Fault::CrashAfter => Ok(Then::ApplyThenCrash),
        }
    }

    /// One call that is not a commit.
    async fn call<T>(&self, call: Call, apply: impl FnOnce(&mut Data) -> T + Send) -> Result<T, StoreError>
    where
        T: Send,
    {
        let then = self.enter(call).await.map_err(|why| StoreError::Unavailable(why.to_owned()))?;
        let value = apply(&mut self.data());
        self.leave(then, value).await.ok_or_else(|| StoreError::Unavailable(UNKNOWN.to_owned()))
    }

    async fn leave<T>(&self, then: Then, value: T) -> Option<T> {
        match then {
            Then::Apply | Then::ApplyUnlessGrowth => Some(value),
            Then::ApplyThenUnknown => None,
            Then::ApplyThenCrash => {
                self.crash();
                drop(value);
                std::future::pending().await
            }
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn partitions(&self) -> PartitionCount {
        self.partitions
    }

    async fn acquire(&self, partition: Partition, node: NodeId, ttl: Duration) -> Result<Acquired, StoreError> {
        let (now, token) = (self.clock.boot(), self.ids.random_u128());
        self.call(Call::Acquire(partition), |data| {
            if let Some(held) = data.leases.get(&partition)
                && held.node != node
                && held.until > now
            {
                return Acquired::HeldBy { node: held.node, remaining: held.until.since(now) };
            }
            let seq = data.heads.get(&partition).map_or(0, |head| head.seq);
            let head = Head { partition, token, seq };
            data.heads.insert(partition, head);
            data.leases.insert(partition, LeaseEntry { node, token, until: now.plus(ttl) });
            Acquired::Granted(Lease { node, head, ttl: Some(ttl) })
        })
        .await
    }

    async fn renew(&self, lease: &Lease) -> Result<Renewal, StoreError> {
        let now = self.clock.boot();
        let ttl = lease.ttl.unwrap_or(Duration::MAX);
        self.call(Call::Renew(lease.head.partition), |data| match data.leases.get_mut(&lease.head.partition) {
            Some(held) if held.token == lease.head.token && held.until > now => {
                held.until = now.plus(ttl);
                Renewal::Renewed
            }
            _ => Renewal::Lost,
        })
        .await
    }

    async fn release(&self, lease: Lease) -> Result<(), StoreError> {
        self.call(Call::Release(lease.head.partition), |data| {
            if data.leases.get(&lease.head.partition).is_some_and(|held| held.token == lease.head.token) {
                data.leases.remove(&lease.head.partition);
            }
        })
        .await
    }

    async fn head(&self, partition: Partition) -> Result<Option<Head>, StoreError> {
        self.call(Call::Head(partition), |data| data.heads.get(&partition).copied()).await
    }

    async fn redraw(&self, head: Head) -> Result<Option<Head>, StoreError> {
        let (now, token) = (self.clock.boot(), self.ids.random_u128());
        self.call(Call::Redraw(head.partition), |data| {
            let lease = data.leases.get_mut(&head.partition)?;
            let stored = data.heads.get_mut(&head.partition)?;
            if stored.token != head.token || lease.token != head.token || lease.until <= now {
                return None;
            }
            stored.token = token;
            lease.token = token;
            Some(*stored)
        })
        .await
    }

    async fn commit(&self, head: &mut Head, batch: Batch) -> Result<(), CommitError> {
        let partition = head.partition;
        let call = Call::Commit { partition, mutations: batch.mutations.len(), is_growth: batch.is_growth };
        let then = self.enter(call).await.map_err(|why| CommitError::Unavailable(why.to_owned()))?;
        if batch.is_growth && matches!(then, Then::ApplyUnlessGrowth) {
            self.data().check(*head)?;
            return Err(CommitError::NoRoom);
        }
        let applied = self.apply(*head, batch);
        match self.leave(then, applied).await {
            Some(applied) => {
                *head = applied?;
                Ok(())
            }
            None => Err(CommitError::Unknown(UNKNOWN.to_owned())),
        }
    }

    async fn get(&self, keys: &[RecordKey]) -> Result<Vec<Option<Bytes>>, StoreError> {
        self.call(Call::Get(keys.len()), |data| keys.iter().map(|key| data.get(key)).collect()).await
    }

    async fn ranges(&self, queries: &[RangeQuery]) -> Result<Vec<Vec<Entry>>, StoreError> {
        self.call(Call::Ranges(queries.len()), |data| queries.iter().map(|query| data.range(query)).collect()).await
    }

    async fn count(&self, partition: Partition, index: Index, limit: usize) -> Result<usize, StoreError> {
        self.call(Call::Count(partition), |data| data.count(partition, index, limit)).await
    }

    async fn counter(&self, partition: Partition, counter: Counter) -> Result<i64, StoreError> {
        self.call(Call::Counter(partition), |data| data.counters.get(&(partition, counter)).copied().unwrap_or(0)).await
    }

    async fn add_hints(&self, hints: &[AddressHint]) -> Result<(), StoreError> {
        self.call(Call::AddHints(hints.len()), |data| {
            data.hints
                .extend(hints.iter().map(|hint| (keys::address_digest(hint.account, &hint.address), hint.contact)));
        })
        .await
    }

    async fn remove_hints(&self, hints: &[AddressHint]) -> Result<(), StoreError> {
        self.call(Call::RemoveHints(hints.len()), |data| {
            for hint in hints {
                data.hints.remove(&(keys::address_digest(hint.account, &hint.address), hint.contact));
            }
        })
        .await
    }

    async fn hinted(&self, account: AccountNo, address: &Address) -> Result<Vec<ContactId>, StoreError> {
        let digest = keys::address_digest(account, address);
        self.call(Call::Hinted, |data| data.hinted(digest)).await
    }

    async fn now(&self) -> Result<UnixMs, StoreError> {
        self.call(Call::Now, |_| self.clock.now()).await
    }

    async fn usage(&self) -> Result<Usage, StoreError> {
        self.call(Call::Usage, |data| Usage { share: 0.0, bytes: data.bytes() }).await
    }

    async fn describe(&self) -> Result<Description, StoreError> {
        let warnings = vec!["everything is lost when the process ends: for tests and simulation only".to_owned()];
        self.call(Call::Describe, |_| Description { backend: "memory", version: String::new(), warnings }).await
    }

    async fn recover(&self) -> Result<(), StoreError> {
        self.call(Call::Recover, |_| ()).await
    }

    async fn close(&self) -> Result<(), StoreError> {
        let result = self.call(Call::Close, |_| ()).await;
        self.is_closed.store(true, Ordering::SeqCst);
        result
    }
}

#[cfg(test)]
mod tests;
