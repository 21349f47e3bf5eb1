//! A store whose commits and lists take as long as a test says, as a slow disk's or a distant Redis' do, and which
//! is as full as it says.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use sendwheel_actors::domain::address::Address;
use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::ids::{AccountNo, ContactId, Partition, PartitionCount};
use sendwheel_actors::store::*;

/// Milliseconds after each commit and each read of ranges.
#[derive(Debug, Default)]
pub(crate) struct Delays {
    pub(crate) commit_ms: AtomicU64,
    pub(crate) ranges_ms: AtomicU64,
    /// What it says of its usage, if it is not to look.
    pub(crate) usage: Mutex<Option<Usage>>,
    /// It has no room for new work.
    pub(crate) has_no_room: AtomicBool,
}

#[derive(Debug)]
pub(crate) struct SlowStore {
    pub(crate) store: SharedStore,
    pub(crate) delays: Arc<Delays>,
}

async fn wait(ms: &AtomicU64) {
    tokio::time::sleep(Duration::from_millis(ms.load(Ordering::SeqCst))).await;
}

#[async_trait]
impl Store for SlowStore {
    fn partitions(&self) -> PartitionCount {
        self.store.partitions()
    }

    async fn acquire(&self, partition: Partition, node: NodeId, ttl: Duration) -> Result<Acquired, StoreError> {
        self.store.acquire(partition, node, ttl).await
    }

    async fn renew(&self, lease: &Lease) -> Result<Renewal, StoreError> {
        self.store.renew(lease).await
    }

    async fn release(&self, lease: Lease) -> Result<(), StoreError> {
        self.store.release(lease).await
    }

    async fn head(&self, partition: Partition) -> Result<Option<Head>, StoreError> {
        self.store.head(partition).await
    }

    async fn redraw(&self, head: Head) -> Result<Option<Head>, StoreError> {
        self.store.redraw(head).await
    }

    async fn commit(&self, head: &mut Head, batch: Batch) -> Result<(), CommitError> {
        let outcome = if batch.is_growth && self.delays.has_no_room.load(Ordering::SeqCst) {
            Err(CommitError::NoRoom)
        } else {
            self.store.commit(head, batch).await
        };
        wait(&self.delays.commit_ms).await;
        outcome
    }

    async fn get(&self, keys: &[RecordKey]) -> Result<Vec<Option<Bytes>>, StoreError> {
        self.store.get(keys).await
    }

    async fn ranges(&self, queries: &[RangeQuery]) -> Result<Vec<Vec<Entry>>, StoreError> {
        let found = self.store.ranges(queries).await;
        wait(&self.delays.ranges_ms).await;
        found
    }

    async fn count(&self, partition: Partition, index: Index, limit: usize) -> Result<usize, StoreError> {
        self.store.count(partition, index, limit).await
    }

    async fn counter(&self, partition: Partition, counter: Counter) -> Result<i64, StoreError> {
        self.store.counter(partition, counter).await
    }

    async fn add_hints(&self, hints: &[AddressHint]) -> Result<(), StoreError> {
        self.store.add_hints(hints).await
    }

    async fn remove_hints(&self, hints: &[AddressHint]) -> Result<(), StoreError> {
        self.store.remove_hints(hints).await
    }

    async fn hinted(&self, account: AccountNo, address: &Address) -> Result<Vec<ContactId>, StoreError> {
        self.store.hinted(account, address).await
    }

    async fn now(&self) -> Result<UnixMs, StoreError> {
        self.store.now().await
    }

    async fn usage(&self) -> Result<Usage, StoreError> {
        let told = *self.delays.usage.lock().unwrap();
        match told {
            Some(usage) => Ok(usage),
            None => self.store.usage().await,
        }
    }

    async fn describe(&self) -> Result<Description, StoreError> {
        self.store.describe().await
    }

    async fn recover(&self) -> Result<(), StoreError> {
        self.store.recover().await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.store.close().await
    }
}
