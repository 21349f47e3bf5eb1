//! A store whose commits take as long as a test says, as a slow disk's or a distant Redis' do, and what the
//! engine makes of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use sendwheel_actors::domain::address::Address;
use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::directory::Limit;
use sendwheel_actors::domain::ids::{AccountNo, ContactId, Partition, PartitionCount};
use sendwheel_actors::domain::message::StateName;
use sendwheel_actors::store::*;

use super::support::{Node, settings, until};

#[derive(Debug)]
struct SlowCommits {
    store: SharedStore,
    commit_ms: Arc<AtomicU64>,
}

#[async_trait]
impl Store for SlowCommits {
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
        let outcome = self.store.commit(head, batch).await;
        tokio::time::sleep(Duration::from_millis(self.commit_ms.load(Ordering::SeqCst))).await;
        outcome
    }

    async fn get(&self, keys: &[RecordKey]) -> Result<Vec<Option<Bytes>>, StoreError> {
        self.store.get(keys).await
    }

    async fn ranges(&self, queries: &[RangeQuery]) -> Result<Vec<Vec<Entry>>, StoreError> {
        self.store.ranges(queries).await
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
        self.store.usage().await
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

#[actix::test]
async fn commits_of_400_ms_neither_stop_delivery_nor_break_a_limit_or_an_order() {
    let folder = tempfile::tempdir().unwrap();
    let commit_ms = Arc::new(AtomicU64::new(0));
    let slow = Arc::clone(&commit_ms);
    let node = Node::start_on(folder.path(), settings(), move |store| Arc::new(SlowCommits { store, commit_ms })).await;
    let limit = Limit { rate: 20, per: Duration::from_secs(1), burst: 1 };
    node.limited_sms_sender("+12125550100", limit).await;
    let due = Node::in_ms(2_000);
    let mut sent = Vec::new();
    let first = node.contact(0).await;
    for number in 0..3 {
        sent.push(node.sms(first.id, &format!("in order {number}"), due.clone()).await.message.id);
    }
    for number in 1..60 {
        let contact = node.contact(number).await;
        sent.push(node.sms(contact.id, "x", due.clone()).await.message.id);
    }
    slow.store(400, Ordering::SeqCst);

    until("all are handed over", async || node.sms.seen().len() >= sent.len()).await;
    slow.store(0, Ordering::SeqCst);
    for id in &sent {
        node.until_state(*id, StateName::Submitted).await;
    }
    let seen = node.sms.seen();
    let mut hands: BTreeMap<_, Vec<u16>> = BTreeMap::new();
    for hand in &seen {
        hands.entry(hand.message).or_default().push(hand.attempt);
    }
    assert!(hands.len() == sent.len() && hands.values().all(|attempts| attempts == &[1]), "once each: {hands:?}");
    let ordered: Vec<_> = seen.iter().map(|hand| hand.message).filter(|id| sent[..3].contains(id)).collect();
    assert_eq!(ordered, sent[..3]);
    let mut times: Vec<_> = seen.iter().map(|hand| hand.at.0).collect();
    times.sort_unstable();
    for (first, from) in times.iter().enumerate() {
        for (last, to) in times.iter().enumerate().skip(first) {
            let allowed = 1.0 + 20.0 * (to - from + 250) as f64 / 1_000.0;
            assert!((last - first + 1) as f64 <= allowed, "{} in {} ms", last - first + 1, to - from);
        }
    }
    node.stop().await;
}
