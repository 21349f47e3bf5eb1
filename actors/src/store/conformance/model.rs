//! Random batches and ranges: the embedded store and the one in memory agree.

use proptest::prelude::*;

use super::backends::{Embedded, Memory};
use super::*;
use crate::domain::ids::LaneNo;
use crate::domain::message::Class;

const INDEXES: [Index; 3] = [Index::Due, Index::Waiting(LaneNo(1), Class::Campaign), Index::WaitingScopes];

fn mutation() -> impl Strategy<Value = Mutation> {
    let index = prop::sample::select(&INDEXES[..]);
    let score = prop::sample::select(&[-3i64, 0, 1, 2, 7, 1_800_000_000_000][..]);
    let bytes = prop::collection::vec(prop::sample::select(&[0u8, 1, 127, 128, 255][..]), 1..4);
    let entry = (index, score, bytes).prop_map(|(index, score, bytes)| (index, UnixMs(score), member(&bytes)));
    prop_oneof![
        (0u8..6, prop::collection::vec(any::<u8>(), 0..5)).prop_map(|(byte, value)| Mutation::Put(
            Table::Message,
            key(byte),
            value.into()
        )),
        (0u8..6).prop_map(|byte| Mutation::Delete(Table::Message, key(byte))),
        entry.clone().prop_map(|(index, score, member)| Mutation::Index(index, score, member)),
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

type Step = (u16, Vec<Mutation>, Vec<RangeQuery>, bool);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (
        0..2u16,
        prop::collection::vec(mutation(), 0..12),
        prop::collection::vec(query(), 1..6),
        prop::bool::weighted(0.05),
    );
    prop::collection::vec(step, 1..25)
}

async fn compare(steps: Vec<Step>) {
    let (memory, mut embedded) = (Memory::start().await, Embedded::start().await);
    let (left, mut right) = (memory.open().await, embedded.open().await);
    for partition in 0..2 {
        head(&left, partition).await;
        head(&right, partition).await;
    }
    for (partition, mutations, queries, restart) in steps {
        for store in [&left, &right] {
            let mut head = store.head(Partition(partition)).await.unwrap().unwrap();
            store.commit(&mut head, batch(mutations.clone())).await.unwrap();
        }
        if restart {
            right = embedded.restart(right).await;
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn random_batches_leave_the_same_behind_in_memory_and_on_disk(steps in steps()) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(compare(steps));
    }
}
