//! Leases of the backends that nodes share.

use super::*;

async fn acquire(store: &SharedStore, node: NodeId, ttl: Duration) -> Acquired {
    store.acquire(Partition(3), node, ttl).await.unwrap()
}

fn granted(acquired: Acquired) -> Lease {
    match acquired {
        Acquired::Granted(lease) => lease,
        held @ Acquired::HeldBy { .. } => panic!("{held:?}"),
    }
}

pub(super) async fn a_lease_is_held_against_others_and_taken_back_by_its_node<B: Backend>() {
    let backend = B::start().await;
    let store = backend.open().await;
    let first = granted(acquire(&store, NODE, TTL).await);
    assert_eq!(first.ttl, Some(TTL));
    match acquire(&store, OTHER_NODE, TTL).await {
        Acquired::HeldBy { node, remaining } => {
            assert_eq!(node, NODE);
            assert!(remaining <= TTL && remaining > TTL / 2, "{remaining:?}");
        }
        Acquired::Granted(lease) => panic!("{lease:?}"),
    }
    assert_eq!(store.head(Partition(3)).await.unwrap(), Some(first.head), "an attempt in vain fences nobody");
    let second = granted(acquire(&store, NODE, TTL).await);
    assert_ne!(first.head.token, second.head.token);
    assert_eq!(store.renew(&first).await.unwrap(), Renewal::Lost);
    assert_eq!(store.renew(&second).await.unwrap(), Renewal::Renewed);
    store.release(first).await.unwrap();
    assert_eq!(store.renew(&second).await.unwrap(), Renewal::Renewed, "an old lease releases nothing");
    store.release(second.clone()).await.unwrap();
    assert_eq!(store.renew(&second).await.unwrap(), Renewal::Lost);
    let third = granted(acquire(&store, OTHER_NODE, TTL).await);
    assert_eq!(store.redraw(second.head).await.unwrap(), None);
    let mut late = second.head;
    assert!(matches!(store.commit(&mut late, batch([])).await, Err(CommitError::Fenced { .. })));
    store.release(second).await.unwrap();
    assert_eq!(store.renew(&third).await.unwrap(), Renewal::Renewed);
}

pub(super) async fn a_lease_runs_out_unless_it_is_renewed<B: Backend>() {
    let backend = B::start().await;
    let store = backend.open().await;
    let short = Duration::from_millis(300);
    let mut first = granted(acquire(&store, NODE, short).await);
    first.ttl = Some(TTL);
    assert_eq!(store.renew(&first).await.unwrap(), Renewal::Renewed);
    backend.pass(short * 2);
    match acquire(&store, OTHER_NODE, short).await {
        Acquired::HeldBy { remaining, .. } => assert!(remaining > short, "renewed for longer: {remaining:?}"),
        Acquired::Granted(lease) => panic!("{lease:?}"),
    }
    let brief = Lease { ttl: Some(short), ..first.clone() };
    assert_eq!(store.renew(&brief).await.unwrap(), Renewal::Renewed);
    let second = eventually("the lease runs out", async || {
        backend.pass(short / 4);
        match acquire(&store, OTHER_NODE, TTL).await {
            Acquired::Granted(lease) => Some(lease),
            Acquired::HeldBy { remaining, .. } => {
                assert!(remaining <= short, "{remaining:?}");
                None
            }
        }
    })
    .await;
    assert_eq!(second.node, OTHER_NODE);
    assert_eq!(store.renew(&first).await.unwrap(), Renewal::Lost);
    let mut late = first.head;
    assert!(matches!(store.commit(&mut late, batch([put(1, b"late")])).await, Err(CommitError::Fenced { .. })));
    assert_eq!(get(&store, 3, 1).await, None);
}

pub(super) async fn a_lease_that_ran_out_is_neither_renewed_nor_redrawn<B: Backend>() {
    let backend = B::start().await;
    let store = backend.open().await;
    let short = Duration::from_millis(50);
    let lease = granted(acquire(&store, NODE, short).await);
    let mut head = lease.head;
    eventually("the lease runs out", async || {
        backend.pass(short);
        match store.redraw(head).await.unwrap() {
            Some(redrawn) => {
                head = redrawn;
                None
            }
            None => Some(()),
        }
    })
    .await;
    assert_eq!(store.renew(&Lease { head, ..lease }).await.unwrap(), Renewal::Lost);
}
