//! What only Redis has: a server that fills up, stops, dies, or is not set up for us.

use super::redis_server::RedisServer;
use super::*;
use crate::store::redis::WaitReplicas;

const MEGABYTE: usize = 1 << 20;

async fn open_with(server: &RedisServer, settings: &StoreSettings) -> Result<SharedStore, StoreError> {
    crate::store::open(&server.url(), settings).await
}

fn growth(mutations: impl IntoIterator<Item = Mutation>) -> Batch {
    Batch { is_growth: true, ..batch(mutations) }
}

#[tokio::test]
async fn full_memory_refuses_new_work_and_lets_settling_through() {
    let server = RedisServer::launch(&["--maxmemory", "64mb", "--maxmemory-policy", "noeviction"]).await;
    let store = server.open().await;
    let mut current = head(&store, 3).await;
    let large = |byte: u8| Mutation::Put(Table::Blob, key(byte), Bytes::from(vec![byte; MEGABYTE]));
    let stored = 8u8;
    for byte in 0..stored {
        store.commit(&mut current, growth([large(byte), index(i64::from(byte), &[byte])])).await.unwrap();
    }
    server.command(&["CONFIG", "SET", "maxmemory", "6mb"]).await;
    let refused = store.commit(&mut current, growth([put(100, b"new"), index(100, &[100])])).await.unwrap_err();
    assert!(matches!(refused, CommitError::NoRoom), "{refused}");
    assert_eq!(store.head(Partition(3)).await.unwrap(), Some(current), "the refused batch was not applied");
    assert_eq!(get(&store, 3, 100).await, None, "nothing of it");
    assert_eq!(due(&store, 3).await.len(), usize::from(stored));
    assert!(store.usage().await.unwrap().share >= 1.0);
    assert!(matches!(store.recover().await, Err(StoreError::OutOfSpace)));

    let settling =
        [put(200, b"settled"), unindex(0, &[0]), Mutation::Index(Index::Timeline(contact(1)), UnixMs(1), member(b"m"))];
    store.commit(&mut current, batch(settling)).await.unwrap();
    assert_eq!(get(&store, 3, 200).await.unwrap(), "settled");
    let lease = lease(&store, 3).await;
    assert_eq!(store.renew(&lease).await.unwrap(), Renewal::Renewed);
    let mut current = store.redraw(lease.head).await.unwrap().expect("leases work on a full server");

    let deletions = (0..stored).map(|byte| Mutation::Delete(Table::Blob, key(byte)));
    store.commit(&mut current, batch(deletions)).await.unwrap();
    eventually("memory is free again", async || store.recover().await.ok()).await;
    store.commit(&mut current, growth([large(1)])).await.unwrap();
}

#[tokio::test]
async fn a_server_that_would_evict_is_refused() {
    let server = RedisServer::launch(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]).await;
    let error = open_with(&server, &settings()).await.unwrap_err();
    assert!(matches!(&error, StoreError::Unusable(why) if why.contains("noeviction")), "{error}");
}

#[tokio::test]
async fn a_server_without_append_only_file_is_warned_about() {
    let server = RedisServer::launch(&["--appendonly", "no"]).await;
    let warnings = server.open().await.describe().await.unwrap().warnings;
    assert!(warnings.iter().any(|warning| warning.contains("appendonly")), "{warnings:?}");
    let server = RedisServer::launch(&["--maxmemory", "100mb"]).await;
    let description = server.open().await.describe().await.unwrap();
    assert_eq!(description.warnings, Vec::<String>::new());
    assert!(description.version.split('.').next().is_some_and(|major| major.parse::<u32>().unwrap() >= 7));
}

#[tokio::test]
async fn another_number_of_partitions_or_layout_is_refused() {
    let server = RedisServer::launch(&[]).await;
    server.open().await;
    let mut other = settings();
    other.partitions = PartitionCount::new(PARTITIONS * 2).unwrap();
    let error = open_with(&server, &other).await.unwrap_err();
    assert!(matches!(&error, StoreError::Unusable(why) if why.contains("8 partitions")), "{error}");
    server.command(&["HSET", "sw:{d}:v", "layout", "9"]).await;
    let error = open_with(&server, &settings()).await.unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt(why) if why.contains("run the version that wrote it")), "{error}");
}

#[tokio::test]
async fn a_server_that_forgot_the_scripts_is_given_them_again() {
    let server = RedisServer::launch(&[]).await;
    let store = server.open().await;
    let mut current = head(&store, 3).await;
    for round in 0..3u8 {
        server.command(&["SCRIPT", "FLUSH"]).await;
        store.commit(&mut current, growth([put(round, b"a"), index(1, &[round])])).await.unwrap();
        server.command(&["SCRIPT", "FLUSH"]).await;
        assert_eq!(due(&store, 3).await.len(), usize::from(round) + 1);
    }
    assert_eq!(current.seq, 3);
}

#[tokio::test]
async fn a_server_that_does_not_answer_leaves_a_commit_unknown_and_the_head_tells() {
    let server = RedisServer::launch(&[]).await;
    let mut settings = settings();
    settings.redis.response_timeout = Duration::from_millis(300);
    let store = open_with(&server, &settings).await.unwrap();
    let mut current = head(&store, 3).await;
    server.signal(rustix::process::Signal::STOP);
    let error = store.commit(&mut current, batch([put(1, b"a")])).await.unwrap_err();
    assert!(matches!(&error, CommitError::Unknown(why) if why.contains("no answer in time")), "{error}");
    assert!(matches!(store.head(Partition(3)).await, Err(StoreError::Unavailable(_))));
    server.signal(rustix::process::Signal::CONT);
    let applied = eventually("the late batch lands", async || {
        store.head(Partition(3)).await.ok().flatten().filter(|head| head.seq > current.seq)
    })
    .await;
    assert_eq!(applied, Head { seq: 1, ..current });
    assert_eq!(get(&store, 3, 1).await.unwrap(), "a");
}

#[tokio::test]
async fn a_script_that_fails_half_way_leaves_every_head_where_it_was() {
    let server = RedisServer::launch(&[]).await;
    let store = server.open().await;
    let heads = [head(&store, 0).await, head(&store, 1).await, head(&store, 2).await];
    // An index of another kind, as no program of ours leaves it.
    let index_of = crate::store::keys::redis::index(Partition(0), Index::Due);
    server.command(&["SET", std::str::from_utf8(&index_of).unwrap(), "no index"]).await;
    let batches = [
        batch([put(1, b"a"), index(1, b"x")]),
        batch([put(1, b"a"), index(1, b"x"), Mutation::Delete(Table::Message, key(1))]),
        batch([put(1, b"a")]),
    ];
    let commits = heads.iter().zip(batches).map(async |(head, batch)| store.commit(&mut head.clone(), batch).await);
    for outcome in futures_util::future::join_all(commits).await {
        assert!(matches!(outcome, Err(CommitError::Unknown(_))), "{outcome:?}");
    }
    for head in heads {
        assert_eq!(store.head(head.partition).await.unwrap(), Some(head));
    }
}

#[tokio::test]
async fn what_could_not_be_sent_in_time_is_not_sent_later() {
    let server = RedisServer::launch(&[]).await;
    let mut settings = settings();
    settings.redis.response_timeout = Duration::from_millis(300);
    let store = open_with(&server, &settings).await.unwrap();
    let mut heads = Vec::new();
    for partition in 0..6 {
        heads.push(head(&store, partition).await);
    }
    server.signal(rustix::process::Signal::STOP);
    // Too large to share a script: two are under way, the others wait behind them.
    let commits = heads.iter().map(async |head| {
        let mut head = *head;
        store.commit(&mut head, batch((0..400).map(|n: u16| index(i64::from(n), &n.to_be_bytes())))).await
    });
    let outcomes = futures_util::future::join_all(commits).await;
    assert!(matches!(&outcomes[0], Err(CommitError::Unknown(_))), "{outcomes:?}");
    assert!(matches!(&outcomes[5], Err(CommitError::Unavailable(_))), "{outcomes:?}");
    server.signal(rustix::process::Signal::CONT);
    for (head, outcome) in heads.iter().zip(&outcomes) {
        let Partition(partition) = head.partition;
        if matches!(outcome, Err(CommitError::Unknown(_))) {
            eventually("it lands late", async || {
                store.head(head.partition).await.ok().flatten().filter(|now| now.seq > head.seq)
            })
            .await;
            assert_eq!(due(&store, partition).await.len(), 400);
        } else {
            assert_eq!(store.head(head.partition).await.unwrap(), Some(*head), "{outcome:?}");
            assert_eq!(due(&store, partition).await, []);
        }
    }
}

#[tokio::test]
async fn a_commit_to_a_server_that_is_down_is_not_applied_and_works_after_it_is_back() {
    let mut server = RedisServer::launch(&[]).await;
    let store = server.open().await;
    let mut current = head(&store, 3).await;
    store.commit(&mut current, batch([put(1, b"a")])).await.unwrap();
    server.kill();
    eventually("the connection is refused", async || match store.commit(&mut current, batch([])).await.unwrap_err() {
        CommitError::Unavailable(_) => Some(()),
        // While the loss of the connection is noticed.
        CommitError::Unknown(_) => None,
        error @ (CommitError::Fenced { .. } | CommitError::NoRoom | CommitError::OutOfSpace) => panic!("{error}"),
    })
    .await;
    assert!(matches!(store.head(Partition(3)).await, Err(StoreError::Unavailable(_))));
    server.kill_and_relaunch().await;
    let found = eventually("the store reconnects", async || store.head(Partition(3)).await.ok()).await;
    assert_eq!(found, Some(current));
    eventually("commits reconnect", async || store.commit(&mut current, batch([put(2, b"b")])).await.ok()).await;
    assert_eq!(get(&store, 3, 1).await.unwrap(), "a");
}

#[tokio::test]
async fn without_enough_replicas_nothing_counts() {
    let server = RedisServer::launch(&[]).await;
    let mut settings = settings();
    settings.redis.wait = Some(WaitReplicas { replicas: 1, timeout: Duration::from_millis(20) });
    let store = open_with(&server, &settings).await.unwrap();
    let lease = lease(&store, 3).await;
    let mut current = lease.head;
    let error = store.commit(&mut current, batch([put(1, b"a")])).await.unwrap_err();
    assert!(matches!(&error, CommitError::Unknown(why) if why.contains("replicas")), "{error}");
    let error = store.renew(&lease).await.unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable(why) if why.contains("replicas")), "{error}");
    settings.redis.wait = Some(WaitReplicas { replicas: 0, timeout: Duration::from_millis(20) });
    let store = open_with(&server, &settings).await.unwrap();
    let mut current = store.head(Partition(3)).await.unwrap().unwrap();
    store.commit(&mut current, batch([put(2, b"b")])).await.unwrap();
}

#[tokio::test]
async fn a_cluster_is_used_slot_by_slot() {
    let server = RedisServer::launch(&["--cluster-enabled", "yes"]).await;
    server.command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).await;
    let url = server.url().to_string().replace("redis://", "redis-cluster://").parse().unwrap();
    let store = eventually("the cluster is up", async || crate::store::open(&url, &settings()).await.ok()).await;
    for partition in (0..PARTITIONS).chain([Partition::DIRECTORY.0]) {
        let lease = lease(&store, partition).await;
        let mut current = lease.head;
        let mutations = [put(1, b"a"), index(5, b"x"), Mutation::Add(Counter::Pending, 1), put(2, b"b")];
        store.commit(&mut current, growth(mutations)).await.unwrap();
        store.commit(&mut current, batch([Mutation::Delete(Table::Message, key(2)), unindex(4, b"x")])).await.unwrap();
        assert_eq!(store.renew(&lease).await.unwrap(), Renewal::Renewed);
        assert!(store.redraw(current).await.unwrap().is_some());
    }
    let keys: Vec<_> =
        (0..PARTITIONS).map(|no| RecordKey { partition: Partition(no), table: Table::Message, key: key(1) }).collect();
    assert!(store.get(&keys).await.unwrap().iter().all(Option::is_some));
    let queries: Vec<_> = (0..PARTITIONS).map(|no| whole(no, Index::Due)).collect();
    assert!(store.ranges(&queries).await.unwrap().iter().all(|found| *found == [entry(5, b"x")]));
    assert!(store.now().await.unwrap() > UnixMs(1_600_000_000_000));
    assert!(store.usage().await.unwrap().bytes > 0);
}

#[tokio::test]
async fn a_password_is_never_shown() {
    let server = RedisServer::launch(&["--requirepass", "geheim"]).await;
    let address = server.url().to_string();
    let with = |password: &str| address.replace("redis://", &format!("redis://:{password}@")).parse().unwrap();
    let store = crate::store::open(&with("geheim"), &settings()).await.unwrap();
    assert!(!format!("{store:?}").contains("geheim"));
    let error = crate::store::open(&with("falsch"), &settings()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unusable(_)), "{error}");
    assert!(!format!("{error} {error:?}").contains("falsch"));
}
