//! Who may write: heads, tokens, sequence numbers; all of a batch or nothing.

use super::*;

pub(super) async fn a_commit_raises_the_head<B: Backend>() {
    let backend = B::start().await;
    let store = backend.open().await;
    assert_eq!(store.head(Partition(3)).await.unwrap(), None);
    let mut head = head(&store, 3).await;
    assert_eq!(head.seq, 0);
    store.commit(&mut head, batch([put(1, b"a")])).await.unwrap();
    store.commit(&mut head, batch([])).await.unwrap();
    assert_eq!(head.seq, 2);
    assert_eq!(store.head(Partition(3)).await.unwrap(), Some(head));
    assert_eq!(get(&store, 3, 1).await.unwrap(), "a");
}

pub(super) async fn a_stale_sequence_number_is_fenced<B: Backend>() {
    let backend = B::start().await;
    let store = backend.open().await;
    let mut current = head(&store, 3).await;
    let mut stale = current;
    store.commit(&mut current, batch([put(1, b"a")])).await.unwrap();
    let error = store.commit(&mut stale, batch([put(1, b"late"), index(1, b"x")])).await.unwrap_err();
    assert!(matches!(error, CommitError::Fenced { expected: 0, found: Some(found) } if found == current), "{error}");
    assert_eq!(stale.seq, 0, "a refused batch does not raise the head");
    let mut ahead = Head { seq: current.seq + 1, ..current };
    assert!(matches!(store.commit(&mut ahead, batch([])).await, Err(CommitError::Fenced { .. })));
    assert_eq!(get(&store, 3, 1).await.unwrap(), "a");
    assert_eq!(due(&store, 3).await, []);
}

pub(super) async fn a_stale_token_is_fenced<B: Backend>() {
    let backend = B::start().await;
    let store = backend.open().await;
    let mut earlier = head(&store, 3).await;
    store.commit(&mut earlier, batch([put(1, b"a")])).await.unwrap();
    let mut current = head(&store, 3).await;
    assert_ne!(earlier.token, current.token);
    assert_eq!(earlier.seq, current.seq, "the sequence runs on over tokens");
    let error = store.commit(&mut earlier, batch([put(1, b"late")])).await.unwrap_err();
    assert!(matches!(error, CommitError::Fenced { found: Some(found), .. } if found == current), "{error}");
    store.commit(&mut current, batch([put(2, b"b")])).await.unwrap();
    assert_eq!(get(&store, 3, 1).await.unwrap(), "a");
}

pub(super) async fn a_partition_without_a_head_takes_no_commit<B: Backend>() {
    let backend = B::start().await;
    let store = backend.open().await;
    let mut made_up = Head { partition: Partition(2), token: 0, seq: 0 };
    let error = store.commit(&mut made_up, batch([put(1, b"a")])).await.unwrap_err();
    assert!(matches!(error, CommitError::Fenced { found: None, .. }), "{error}");
    assert_eq!(get(&store, 2, 1).await, None);
}

pub(super) async fn a_redrawn_token_keeps_the_lease_and_fences_late_batches<B: Backend>() {
    let backend = B::start().await;
    let store = backend.open().await;
    let lease = lease(&store, 3).await;
    let mut late = lease.head;
    store.commit(&mut late, batch([put(1, b"a")])).await.unwrap();
    let mut redrawn = store.redraw(late).await.unwrap().expect("the token was the head's");
    assert_ne!(redrawn.token, late.token);
    assert_eq!(redrawn.seq, 1);
    assert!(matches!(store.commit(&mut late, batch([put(1, b"late")])).await, Err(CommitError::Fenced { .. })));
    assert_eq!(store.redraw(late).await.unwrap(), None, "a token is replaced once");
    store.commit(&mut redrawn, batch([put(2, b"b")])).await.unwrap();
    let renewed = Lease { head: redrawn, ..lease.clone() };
    assert_eq!(store.renew(&renewed).await.unwrap(), Renewal::Renewed);
    assert_eq!(store.renew(&lease).await.unwrap(), Renewal::Lost);
    assert_eq!(get(&store, 3, 1).await.unwrap(), "a");
}

pub(super) async fn of_two_writers_with_one_head_one_wins<B: Backend>() {
    let backend = B::start().await;
    let store = backend.open().await;
    let mut current = head(&store, 3).await;
    for round in 0..20u8 {
        let (mut left, mut right) = (current, current);
        let (a, b) = tokio::join!(
            store.commit(&mut left, batch([put(1, b"left"), index(1, &[round, b'l'])])),
            store.commit(&mut right, batch([put(1, b"right"), index(1, &[round, b'r'])])),
        );
        let (winner, loser, value, name) = if a.is_ok() { (left, b, "left", b'l') } else { (right, a, "right", b'r') };
        assert!(matches!(loser, Err(CommitError::Fenced { .. })), "{loser:?}");
        assert_eq!(get(&store, 3, 1).await.unwrap(), value);
        assert_eq!(due(&store, 3).await.last(), Some(&entry(1, &[round, name])));
        current = winner;
    }
    assert_eq!(due(&store, 3).await.len(), 20);
    assert_eq!(store.head(Partition(3)).await.unwrap(), Some(current));
}

pub(super) async fn partitions_commit_side_by_side<B: Backend>() {
    let backend = B::start().await;
    let store = backend.open().await;
    let mut commits = Vec::new();
    for partition in (0..PARTITIONS).chain([Partition::DIRECTORY.0]) {
        let store = Arc::clone(&store);
        commits.push(async move {
            let mut head = head(&store, partition).await;
            for round in 0..10 {
                store.commit(&mut head, batch([put(round, b"v"), index(i64::from(round), &[round])])).await.unwrap();
            }
            (partition, head)
        });
    }
    for (partition, head) in futures_util::future::join_all(commits).await {
        assert_eq!(head.seq, 10);
        assert_eq!(store.head(Partition(partition)).await.unwrap(), Some(head));
        assert_eq!(due(&store, partition).await.len(), 10);
    }
}
