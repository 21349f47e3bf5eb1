//! The faults do what they say, and a crashed handle hangs while a new one goes on.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::domain::clock::ManualClock;

const P: Partition = Partition(0);

/// Fails the first commit that meets it, in the given way.
fn once(fault: Fault) -> FaultHook {
    let commits = AtomicUsize::new(0);
    Arc::new(move |call| match call {
        Call::Commit { partition: P, mutations: 1, .. } if commits.fetch_add(1, Ordering::SeqCst) == 0 => fault,
        _ => Fault::Proceed,
    })
}

async fn store(fault: Fault) -> (MemoryStore, Head) {
    let store = MemoryStore::new(PartitionCount::DEFAULT, ManualClock::at(UnixMs(0)), IdSource::seeded(1), once(fault));
    let head = match store.acquire(P, NodeId(1), Duration::from_secs(1)).await.unwrap() {
        Acquired::Granted(lease) => lease.head,
        held @ Acquired::HeldBy { .. } => panic!("{held:?}"),
    };
    (store, head)
}

fn batch() -> Batch {
    Batch { mutations: vec![Mutation::Add(Counter::Pending, 1)], is_growth: false }
}

#[tokio::test]
async fn a_fault_before_applies_nothing() {
    let (store, mut head) = store(Fault::FailBefore).await;
    assert!(matches!(store.commit(&mut head, batch()).await, Err(CommitError::Unavailable(_))));
    assert_eq!(store.counter(P, Counter::Pending).await.unwrap(), 0);
    store.commit(&mut head, batch()).await.unwrap();
    assert_eq!(store.counter(P, Counter::Pending).await.unwrap(), 1);
}

#[tokio::test]
async fn without_room_new_work_is_refused_and_nothing_else() {
    let (store, mut head) = store(Fault::NoRoom).await;
    let growth = Batch { is_growth: true, ..batch() };
    assert!(matches!(store.commit(&mut head, growth.clone()).await, Err(CommitError::NoRoom)));
    assert_eq!(store.counter(P, Counter::Pending).await.unwrap(), 0);
    store.commit(&mut head, growth).await.unwrap();
    let (store, mut head) = self::store(Fault::NoRoom).await;
    store.commit(&mut head, batch()).await.unwrap();
    assert_eq!(store.counter(P, Counter::Pending).await.unwrap(), 1);
}

#[tokio::test]
async fn an_unknown_commit_was_applied_and_the_head_tells() {
    let (store, mut head) = store(Fault::ApplyThenUnknown).await;
    assert!(matches!(store.commit(&mut head, batch()).await, Err(CommitError::Unknown(_))));
    assert_eq!(head.seq, 0, "the caller was told nothing");
    assert_eq!(store.head(P).await.unwrap(), Some(Head { seq: 1, ..head }));
}

#[tokio::test(start_paused = true)]
async fn a_crashed_handle_hangs_and_a_new_one_finds_what_was_applied() {
    for (fault, applied) in [(Fault::CrashBefore, 0), (Fault::CrashAfter, 1)] {
        let (store, mut head) = store(fault).await;
        let patience = Duration::from_secs(3_600);
        assert!(tokio::time::timeout(patience, store.commit(&mut head, batch())).await.is_err());
        assert!(store.is_crashed());
        assert!(tokio::time::timeout(patience, store.head(P)).await.is_err());
        let next = store.reopen(no_faults());
        assert_eq!(next.counter(P, Counter::Pending).await.unwrap(), applied);
        assert_eq!(next.head(P).await.unwrap(), Some(Head { seq: applied.unsigned_abs(), ..head }));
    }
}
