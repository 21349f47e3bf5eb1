//! The conformance suite: what `contract.rs` promises, checked on every backend by the same functions.
//!
//! [`Backend`] is a way to open a store and to restart what is behind it. The functions of [`fencing`],
//! [`paging`], [`records`] and [`leases`] take any; `backends` runs them on all, with what only one has.

mod backends;
mod embedded_disk;
mod fencing;
mod leases;
mod model;
mod paging;
mod records;
mod redis_memory;
mod redis_server;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::contract::*;
use super::{StoreSettings, keys};
use crate::domain::clock::{ManualClock, SystemClock, UnixMs};
use crate::domain::ids::{ContactId, MessageId, Partition, PartitionCount};
use crate::domain::source::IdSource;

/// A way to open a store.
trait Backend: Send + Sync + Sized {
    /// Starts what is behind an empty store.
    async fn start() -> Self;
    /// Opens it.
    async fn open(&self) -> SharedStore;
    /// Lets the process behind it die, starts it again and opens it.
    async fn restart(&mut self, store: SharedStore) -> SharedStore;
    /// Lets `by` pass where leases run on a clock that a test moves; others wait for a condition.
    fn pass(&self, _by: Duration) {}
}

const PARTITIONS: u16 = 8;
const NODE: NodeId = NodeId(1);
const OTHER_NODE: NodeId = NodeId(2);
const TTL: Duration = Duration::from_secs(60);
/// Every wait in this suite ends here.
const DEADLINE: Duration = Duration::from_secs(20);

fn settings() -> StoreSettings {
    StoreSettings::new(PartitionCount::new(PARTITIONS).unwrap(), Arc::new(SystemClock), IdSource::from_os())
}

async fn lease(store: &SharedStore, partition: u16) -> Lease {
    match store.acquire(Partition(partition), NODE, TTL).await.unwrap() {
        Acquired::Granted(lease) => lease,
        held @ Acquired::HeldBy { .. } => panic!("{held:?}"),
    }
}

async fn head(store: &SharedStore, partition: u16) -> Head {
    lease(store, partition).await.head
}

fn batch(mutations: impl IntoIterator<Item = Mutation>) -> Batch {
    Batch { mutations: mutations.into_iter().collect(), is_growth: false }
}

fn key(byte: u8) -> Key {
    keys::message(MessageId::from_bytes([byte; 16]))
}

fn put(byte: u8, value: &'static [u8]) -> Mutation {
    Mutation::Put(Table::Message, key(byte), Bytes::from_static(value))
}

fn member(bytes: &[u8]) -> Member {
    Member::from_slice(bytes)
}

fn index(score: i64, bytes: &[u8]) -> Mutation {
    Mutation::Index(Index::Due, UnixMs(score), member(bytes))
}

fn unindex(score: i64, bytes: &[u8]) -> Mutation {
    Mutation::Unindex(Index::Due, UnixMs(score), member(bytes))
}

fn entry(score: i64, bytes: &[u8]) -> Entry {
    Entry { score: UnixMs(score), member: member(bytes) }
}

fn contact(byte: u8) -> ContactId {
    ContactId::from_bytes([byte; 16])
}

/// All of an index, ascending.
fn whole(partition: u16, index: Index) -> RangeQuery {
    RangeQuery {
        partition: Partition(partition),
        index,
        after: None,
        to: UnixMs::MAX,
        limit: 10_000,
        descending: false,
    }
}

async fn range(store: &SharedStore, query: RangeQuery) -> Vec<Entry> {
    store.ranges(&[query]).await.unwrap().remove(0)
}

async fn due(store: &SharedStore, partition: u16) -> Vec<Entry> {
    range(store, whole(partition, Index::Due)).await
}

async fn get(store: &SharedStore, partition: u16, byte: u8) -> Option<Bytes> {
    let key = RecordKey { partition: Partition(partition), table: Table::Message, key: key(byte) };
    store.get(&[key]).await.unwrap().remove(0)
}

/// Waits until a condition holds, looking again every few milliseconds.
async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let until = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, until).await.unwrap_or_else(|_| panic!("not within {DEADLINE:?}: {what}"))
}

fn manual_clock() -> Arc<ManualClock> {
    ManualClock::at(UnixMs(1_800_000_000_000))
}
