//! What only the embedded store has: a directory, a disk that fills up, and one that breaks.

use std::io;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use super::backends::Embedded;
use super::*;
use crate::store::StoreSettings;
use crate::store::embedded::{DiskStep, EmbeddedSettings};

const NONE: u8 = 0;
const WRITE_FULL: u8 = 1;
const SYNC_FULL: u8 = 2;
const SYNC_BROKEN: u8 = 3;

/// A disk whose steps fail as the switch says; the trial write fails while the disk is full.
fn failing_disk() -> (Arc<AtomicU8>, Arc<AtomicUsize>, StoreSettings) {
    let (switch, fatal) = (Arc::new(AtomicU8::new(NONE)), Arc::new(AtomicUsize::new(0)));
    let (faults, counted) = (Arc::clone(&switch), Arc::clone(&fatal));
    let mut settings = settings();
    settings.embedded.faults = Some(Arc::new(move |step| match (faults.load(Ordering::SeqCst), step) {
        (WRITE_FULL, DiskStep::Write | DiskStep::Trial) | (SYNC_FULL, DiskStep::Sync | DiskStep::Trial) => {
            Some(io::ErrorKind::StorageFull.into())
        }
        (SYNC_BROKEN, DiskStep::Sync) => Some(io::Error::other("the cable is out")),
        _ => None,
    }));
    settings.embedded.on_fatal = Arc::new(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    (switch, fatal, settings)
}

async fn open_with(backend: &Embedded, settings: &StoreSettings) -> Result<SharedStore, StoreError> {
    crate::store::open(&backend.url(), settings).await
}

#[tokio::test]
async fn a_full_disk_stops_commits_until_the_store_is_recovered() {
    let (switch, fatal, settings) = failing_disk();
    let backend = Embedded::start().await;
    let store = open_with(&backend, &settings).await.unwrap();
    let mut current = head(&store, 3).await;
    store.commit(&mut current, batch([put(1, b"a"), index(5, b"x")])).await.unwrap();

    switch.store(WRITE_FULL, Ordering::SeqCst);
    let error = store.commit(&mut current, batch([put(2, b"b")])).await.unwrap_err();
    assert!(matches!(error, CommitError::Unknown(_)), "what is in the journal is not known: {error}");
    switch.store(NONE, Ordering::SeqCst);
    for _ in 0..2 {
        let error = store.commit(&mut current, batch([put(2, b"b")])).await.unwrap_err();
        assert!(matches!(error, CommitError::OutOfSpace), "space alone does not help: {error}");
    }
    assert!(matches!(store.head(Partition(3)).await, Err(StoreError::OutOfSpace)));
    assert!(matches!(store.redraw(current).await, Err(StoreError::OutOfSpace)));
    assert_eq!(get(&store, 3, 1).await.unwrap(), "a", "reading goes on");
    switch.store(WRITE_FULL, Ordering::SeqCst);
    assert!(matches!(store.recover().await, Err(StoreError::OutOfSpace)));

    switch.store(NONE, Ordering::SeqCst);
    store.recover().await.unwrap();
    assert_eq!(store.head(Partition(3)).await.unwrap(), Some(current), "it was not applied");
    store.commit(&mut current, batch([put(2, b"b")])).await.unwrap();
    assert_eq!(get(&store, 3, 1).await.unwrap(), "a");
    assert_eq!(get(&store, 3, 2).await.unwrap(), "b");
    assert_eq!(due(&store, 3).await, [entry(5, b"x")]);
    assert_eq!(fatal.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_batch_whose_sync_met_a_full_disk_is_told_by_the_head_after_recovery() {
    let (switch, _, settings) = failing_disk();
    let backend = Embedded::start().await;
    let store = open_with(&backend, &settings).await.unwrap();
    let mut current = head(&store, 3).await;
    switch.store(SYNC_FULL, Ordering::SeqCst);
    let error = store.commit(&mut current, batch([put(1, b"a"), index(5, b"x")])).await.unwrap_err();
    assert!(matches!(error, CommitError::Unknown(_)), "{error}");
    switch.store(NONE, Ordering::SeqCst);
    store.recover().await.unwrap();
    let found = store.head(Partition(3)).await.unwrap().unwrap();
    assert_eq!(found, Head { seq: current.seq + 1, ..current }, "its own token, one higher: applied");
    assert_eq!(get(&store, 3, 1).await.unwrap(), "a");
    assert_eq!(due(&store, 3).await, [entry(5, b"x")]);
}

#[tokio::test]
async fn a_broken_disk_is_fatal() {
    let (switch, fatal, settings) = failing_disk();
    let backend = Embedded::start().await;
    let store = open_with(&backend, &settings).await.unwrap();
    let mut current = head(&store, 3).await;
    switch.store(SYNC_BROKEN, Ordering::SeqCst);
    let error = store.commit(&mut current, batch([put(1, b"a")])).await.unwrap_err();
    assert!(matches!(&error, CommitError::Unknown(why) if why.contains("the cable is out")), "{error}");
    assert_eq!(fatal.load(Ordering::SeqCst), 1);
    switch.store(NONE, Ordering::SeqCst);
    assert!(matches!(store.commit(&mut current, batch([])).await, Err(CommitError::Unavailable(_))));
    assert!(matches!(store.recover().await, Err(StoreError::Unavailable(_))), "nothing but a restart helps");
}

#[tokio::test]
async fn new_work_is_refused_over_the_budget_and_settling_is_not() {
    let backend = Embedded::start().await;
    let mut settings = settings();
    settings.embedded.max_bytes = Some(1);
    let store = open_with(&backend, &settings).await.unwrap();
    let mut current = head(&store, 3).await;
    store.commit(&mut current, batch([put(1, b"a")])).await.unwrap();
    let growth = || Batch { is_growth: true, ..batch([put(2, b"b")]) };
    assert!(matches!(store.commit(&mut current, growth()).await, Err(CommitError::NoRoom)));
    store.commit(&mut current, batch([put(1, b"settled")])).await.unwrap();
    assert!(store.usage().await.unwrap().share > 1.0);
    store.close().await.unwrap();

    settings.embedded.max_bytes = Some(100 << 30);
    let store = open_with(&backend, &settings).await.unwrap();
    assert!(store.usage().await.unwrap().share < 0.5);
    store.commit(&mut current, growth()).await.unwrap();
    assert_eq!(get(&store, 3, 1).await.unwrap(), "settled");
    assert_eq!(get(&store, 3, 2).await.unwrap(), "b");
}

#[tokio::test]
async fn a_second_process_is_locked_out() {
    let backend = Embedded::start().await;
    let store = backend.open().await;
    let error = open_with(&backend, &settings()).await.unwrap_err();
    assert!(matches!(&error, StoreError::Unusable(why) if why.contains("another process")), "{error}");
    store.close().await.unwrap();
    let reopened = open_with(&backend, &settings()).await.unwrap();
    store.close().await.unwrap();
    let error = open_with(&backend, &settings()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unusable(_)), "closing twice frees nobody else's lock");
    drop(reopened);
    open_with(&backend, &settings()).await.unwrap();
}

#[tokio::test]
async fn another_number_of_partitions_is_refused() {
    let backend = Embedded::start().await;
    backend.open().await.close().await.unwrap();
    let mut other = settings();
    other.partitions = PartitionCount::new(PARTITIONS * 2).unwrap();
    let error = open_with(&backend, &other).await.unwrap_err();
    assert!(matches!(&error, StoreError::Unusable(why) if why.contains("8 partitions")), "{error}");
    open_with(&backend, &settings()).await.unwrap();
}

#[tokio::test]
async fn another_layout_is_refused() {
    let backend = Embedded::start().await;
    backend.open().await.close().await.unwrap();
    {
        let database = fjall::Database::builder(backend.dir.path().join("db")).open().unwrap();
        let meta = database.keyspace("meta", fjall::KeyspaceCreateOptions::default).unwrap();
        meta.insert("vlayout", [9]).unwrap();
        database.persist(fjall::PersistMode::SyncAll).unwrap();
    }
    let error = open_with(&backend, &settings()).await.unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt(why) if why.contains("run the version that wrote it")), "{error}");
}

#[tokio::test]
async fn a_memtable_that_stalls_commits_is_refused() {
    let backend = Embedded::start().await;
    let mut settings = settings();
    settings.embedded.memtable_bytes = EmbeddedSettings::MEMTABLE_BYTES.end() + 1;
    assert!(matches!(open_with(&backend, &settings).await, Err(StoreError::Unusable(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_of_one_partition_sent_at_once_are_grouped_in_order() {
    let backend = Embedded::start().await;
    let store = backend.open().await;
    let start = head(&store, 3).await;
    let commits = (0..50u64).map(|at| {
        let store = Arc::clone(&store);
        let mut head = Head { seq: start.seq + at, ..start };
        let value = Bytes::from(at.to_be_bytes().to_vec());
        async move {
            let mutations = [
                Mutation::Put(Table::Message, key(1), value),
                index(1, b"same"),
                unindex(1, b"same"),
                Mutation::Add(Counter::Pending, 1),
            ];
            store.commit(&mut head, batch(mutations)).await
        }
    });
    // `join_all` polls in order, so the writer finds them in order.
    for result in futures_util::future::join_all(commits).await {
        result.unwrap();
    }
    assert_eq!(store.head(Partition(3)).await.unwrap(), Some(Head { seq: 50, ..start }));
    assert_eq!(get(&store, 3, 1).await.unwrap(), 49u64.to_be_bytes().to_vec());
    assert_eq!(due(&store, 3).await, []);
    assert_eq!(store.counter(Partition(3), Counter::Pending).await.unwrap(), 50);
}
