//! Random batches and ranges: every store agrees with the one in memory.

use proptest::prelude::*;

use super::backends::{Embedded, Memory};
use super::redis_server::RedisServer;
use super::*;
use crate::domain::ids::LaneNo;
use crate::domain::message::Class;

const INDEXES: [Index; 3] = [Index::Due, Index::Waiting(LaneNo(1), Class::Campaign), Index::WaitingScopes];

const SCORES: [i64; 6] = [-3, 0, 1, 2, 7, 1_800_000_000_000];

/// `one_score`: a member is written with one score of its own. On Redis it has one, and on the others as many as it was
/// written with; nothing is, before the entry it had is removed.
fn mutation(one_score: bool) -> impl Strategy<Value = Mutation> {
    let index = prop::sample::select(&INDEXES[..]);
    let score = prop::sample::select(&SCORES[..]);
    let bytes = prop::collection::vec(prop::sample::select(&[0u8, 1, 127, 128, 255][..]), 1..4);
    let entry = (index, score, bytes).prop_map(|(index, score, bytes)| (index, UnixMs(score), member(&bytes)));
    prop_oneof![
        (0u8..6, prop::collection::vec(any::<u8>(), 0..5)).prop_map(|(byte, value)| Mutation::Put(
            Table::Message,
            key(byte),
            value.into()
        )),
        (0u8..6).prop_map(|byte| Mutation::Delete(Table::Message, key(byte))),
        entry.clone().prop_map(move |(index, score, member)| {
            let own = member.iter().map(|byte| usize::from(*byte)).sum::<usize>() % SCORES.len();
            Mutation::Index(index, if one_score { UnixMs(SCORES[own]) } else { score }, member)
        }),
        entry.clone().prop_map(|(index, score, member)| Mutation::Unindex(index, score, member)),
        (entry, prop::sample::select(&INDEXES[..]))
            .prop_map(|((from, score, member), to)| Mutation::Move(from, to, score, member)),
        (-5i64..5).prop_map(|by| Mutation::Add(Counter::Contacts, by)),
    ]
}

fn query() -> impl Strategy<Value = RangeQuery> {
    let cursor = (-4i64..9, prop::collection::vec(prop::sample::select(&[0u8, 1, 127, 128, 255][..]), 0..4));
    let to = prop::sample::select(&[-3i64, 0, 2, 8, i64::MAX][..]);
    (0..2u16, prop::sample::select(&INDEXES[..]), prop::option::of(cursor), to, 0usize..6, any::<bool>()).prop_map(
        |(partition, index, cursor, to, limit, descending)| RangeQuery {
            partition: Partition(partition),
            index,
            after: cursor.map(|(score, bytes)| entry(score, &bytes)),
            to: UnixMs(to),
            limit,
            descending,
        },
    )
}

/// What is committed at once, some of it under a head that is not the partition's; what is asked then; whether the
/// store is restarted in between.
type Step = (Vec<(Partition, Vec<Mutation>, bool)>, Vec<RangeQuery>, bool);

fn steps(one_score: bool) -> impl Strategy<Value = Vec<Step>> {
    let of_partition = |partition| {
        (Just(Partition(partition)), prop::collection::vec(mutation(one_score), 0..12), prop::bool::weighted(0.15))
    };
    let commits = (prop::option::of(of_partition(0)), prop::option::of(of_partition(1)))
        .prop_map(|(first, second)| first.into_iter().chain(second).collect());
    let step = (commits, prop::collection::vec(query(), 1..6), prop::bool::weighted(0.05));
    prop::collection::vec(step, 1..25)
}

async fn compare<B: Backend>(steps: Vec<Step>) {
    let (memory, mut other) = (Memory::start().await, B::start().await);
    let (left, mut right) = (memory.open().await, other.open().await);
    for partition in 0..2 {
        head(&left, partition).await;
        head(&right, partition).await;
    }
    for (commits, queries, restart) in steps {
        for store in [&left, &right] {
            let commit = async |(partition, mutations, is_fenced): &(Partition, Vec<Mutation>, bool)| {
                let mut head = store.head(*partition).await.unwrap().unwrap();
                head.seq += u64::from(*is_fenced);
                let outcome = store.commit(&mut head, batch(mutations.clone())).await;
                assert_eq!(matches!(outcome, Err(CommitError::Fenced { .. })), *is_fenced, "{outcome:?}");
                assert_eq!(outcome.is_err(), *is_fenced, "{outcome:?}");
            };
            futures_util::future::join_all(commits.iter().map(commit)).await;
        }
        if restart {
            right = other.restart(right).await;
        }
        assert_eq!(left.ranges(&queries).await.unwrap(), right.ranges(&queries).await.unwrap(), "{queries:?}");
        for partition in (0..2).map(Partition) {
            let keys: Vec<_> =
                (0..6).map(|byte| RecordKey { partition, table: Table::Message, key: key(byte) }).collect();
            assert_eq!(left.get(&keys).await.unwrap(), right.get(&keys).await.unwrap());
            let counter = Counter::Contacts;
            assert_eq!(
                left.counter(partition, counter).await.unwrap(),
                right.counter(partition, counter).await.unwrap()
            );
            for index in INDEXES {
                let (a, b) = (left.count(partition, index, 50).await, right.count(partition, index, 50).await);
                assert_eq!(a.unwrap(), b.unwrap());
            }
        }
    }
}

fn run(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn random_batches_leave_the_same_behind_in_memory_and_on_disk(steps in steps(false)) {
        run(compare::<Embedded>(steps));
    }

    #[test]
    fn random_batches_leave_the_same_behind_in_memory_and_on_redis(steps in steps(true)) {
        run(compare::<RedisServer>(steps));
    }
}
