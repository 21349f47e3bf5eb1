//! What a batch does: records, entries, counters, in order; hints beside them; and that it lasts.

use super::*;
use crate::domain::address::{Address, Channel};
use crate::domain::ids::{AccountNo, LaneNo};
use crate::domain::message::Class;

pub(super) async fn later_mutations_see_earlier_ones<B: Backend>() {
    let backend = B::start().await;
    let store = backend.open().await;
    let mut head = head(&store, 3).await;
    let mutations = [
        put(1, b"a"),
        Mutation::Delete(Table::Message, key(1)),
        put(1, b"b"),
        put(2, b"a"),
        Mutation::Delete(Table::Message, key(2)),
        index(5, b"moved"),
        unindex(5, b"moved"),
        index(9, b"moved"),
        index(7, b"there and back"),
        unindex(7, b"there and back"),
        index(7, b"there and back"),
        index(8, b"gone"),
        unindex(8, b"gone"),
        Mutation::Add(Counter::Pending, 3),
        Mutation::Add(Counter::Pending, -1),
    ];
    store.commit(&mut head, batch(mutations)).await.unwrap();
    assert_eq!(get(&store, 3, 1).await.unwrap(), "b");
    assert_eq!(get(&store, 3, 2).await, None);
    assert_eq!(due(&store, 3).await, [entry(7, b"there and back"), entry(9, b"moved")]);
    assert_eq!(store.counter(Partition(3), Counter::Pending).await.unwrap(), 2);
}

pub(super) async fn a_move_in_an_index_is_unindex_and_index<B: Backend>() {
    let backend = B::start().await;
    let store = backend.open().await;
    let mut head = head(&store, 3).await;
    store.commit(&mut head, batch([index(5, b"x"), index(6, b"y")])).await.unwrap();
    store.commit(&mut head, batch([unindex(5, b"x"), index(10, b"x")])).await.unwrap();
    assert_eq!(due(&store, 3).await, [entry(6, b"y"), entry(10, b"x")]);
    let waiting = Index::Waiting(LaneNo(4), Class::Campaign);
    let to_waiting = [unindex(10, b"x"), Mutation::Index(waiting, UnixMs(10), member(b"x"))];
    store.commit(&mut head, batch(to_waiting)).await.unwrap();
    assert_eq!(due(&store, 3).await, [entry(6, b"y")]);
    assert_eq!(range(&store, whole(3, waiting)).await, [entry(10, b"x")]);
}

pub(super) async fn an_entry_is_moved_only_from_where_it_stands<B: Backend>() {
    let backend = B::start().await;
    let store = backend.open().await;
    let mut head = head(&store, 3).await;
    let waiting = Index::Waiting(LaneNo(4), Class::Campaign);
    let park = |score, bytes: &[u8]| Mutation::Move(Index::Due, waiting, UnixMs(score), member(bytes));
    let settle = |score, bytes: &[u8]| Mutation::Unindex(waiting, UnixMs(score), member(bytes));
    store.commit(&mut head, batch([index(5, b"moved"), index(6, b"other score"), index(7, b"gone")])).await.unwrap();
    let moves = [
        park(5, b"moved"),
        park(5, b"moved"),
        park(4, b"other score"),
        park(8, b"never there"),
        unindex(7, b"gone"),
        park(7, b"gone"),
        index(9, b"came just now"),
        park(9, b"came just now"),
        index(10, b"there and back"),
        park(10, b"there and back"),
        Mutation::Move(waiting, Index::Due, UnixMs(10), member(b"there and back")),
        index(11, b"settled at once"),
        park(11, b"settled at once"),
        settle(11, b"settled at once"),
    ];
    store.commit(&mut head, batch(moves)).await.unwrap();
    assert_eq!(due(&store, 3).await, [entry(6, b"other score"), entry(10, b"there and back")]);
    let parked = [entry(5, b"moved"), entry(9, b"came just now")];
    assert_eq!(range(&store, whole(3, waiting)).await, parked);
    store.commit(&mut head, batch([park(5, b"moved"), put(1, b"a")])).await.unwrap();
    assert_eq!(range(&store, whole(3, waiting)).await, parked, "what stands there already stays");
    assert_eq!(get(&store, 3, 1).await.unwrap(), "a");
}

pub(super) async fn what_is_not_there_is_removed_without_complaint<B: Backend>() {
    let backend = B::start().await;
    let store = backend.open().await;
    let mut head = head(&store, 3).await;
    store.commit(&mut head, batch([put(1, b"a"), index(5, b"x")])).await.unwrap();
    let removal = || batch([Mutation::Delete(Table::Message, key(1)), unindex(5, b"x"), unindex(5, b"never")]);
    store.commit(&mut head, removal()).await.unwrap();
    store.commit(&mut head, removal()).await.unwrap();
    assert_eq!(get(&store, 3, 1).await, None);
    assert_eq!(due(&store, 3).await, []);
    store.commit(&mut head, batch([index(5, b"x")])).await.unwrap();
    store.commit(&mut head, batch([index(5, b"x")])).await.unwrap();
    assert_eq!(due(&store, 3).await, [entry(5, b"x")]);
}

pub(super) async fn an_entry_that_moved_survives_a_late_unindex<B: Backend>() {
    let backend = B::start().await;
    let store = backend.open().await;
    let mut head = head(&store, 3).await;
    store.commit(&mut head, batch([index(5, b"x")])).await.unwrap();
    store.commit(&mut head, batch([unindex(5, b"x"), index(9, b"x")])).await.unwrap();
    store.commit(&mut head, batch([unindex(5, b"x")])).await.unwrap();
    assert_eq!(due(&store, 3).await, [entry(9, b"x")]);
}

pub(super) async fn a_contacts_own_entries_are_written_moved_and_removed_by_the_batch<B: Backend>() {
    let backend = B::start().await;
    let store = backend.open().await;
    let mut head = head(&store, 3).await;
    let (pending, timeline) = (Index::Pending(contact(1)), Index::Timeline(contact(1)));
    let of = async |index| {
        range(
            &store,
            RangeQuery { partition: Partition(3), index, after: None, to: UnixMs::MAX, limit: 9, descending: false },
        )
        .await
    };
    let put = |index, score, name: &[u8]| Mutation::Index(index, UnixMs(score), member(name));
    let take = |index, score, name: &[u8]| Mutation::Unindex(index, UnixMs(score), member(name));
    let three = [put(pending, 1, b"a"), put(pending, 2, b"b"), put(timeline, 5, b"a"), put(pending, 3, b"c")];
    store.commit(&mut head, batch(three)).await.unwrap();
    assert_eq!(of(pending).await, [entry(1, b"a"), entry(2, b"b"), entry(3, b"c")]);
    // Removed, moved, removed and written anew.
    let changes = [
        take(pending, 1, b"a"),
        take(pending, 2, b"b"),
        put(pending, 7, b"b"),
        take(pending, 3, b"c"),
        put(pending, 3, b"c"),
        take(timeline, 5, b"a"),
        put(timeline, 5, b"b"),
    ];
    store.commit(&mut head, batch(changes)).await.unwrap();
    assert_eq!(of(pending).await, [entry(3, b"c"), entry(7, b"b")]);
    assert_eq!(of(timeline).await, [entry(5, b"b")]);
    // More than one command takes.
    let many = |change: &dyn Fn(i64) -> Mutation| (0..2_500).map(change).collect::<Vec<_>>();
    let name = |n: i64| n.to_be_bytes();
    store.commit(&mut head, batch(many(&|n| put(pending, 100 + n, &name(n))))).await.unwrap();
    assert_eq!(store.count(Partition(3), pending, 9_999).await.unwrap(), 2_502);
    store.commit(&mut head, batch(many(&|n| take(pending, 100 + n, &name(n))))).await.unwrap();
    assert_eq!(of(pending).await, [entry(3, b"c"), entry(7, b"b")]);
}

pub(super) async fn counters_stand_apart_and_start_at_zero<B: Backend>() {
    let backend = B::start().await;
    let store = backend.open().await;
    let (mut third, mut fourth) = (head(&store, 3).await, head(&store, 4).await);
    assert_eq!(store.counter(Partition(3), Counter::Pending).await.unwrap(), 0);
    for _ in 0..3 {
        let adds = [Mutation::Add(Counter::Pending, 2), Mutation::Add(Counter::Contacts, -1)];
        store.commit(&mut third, batch(adds)).await.unwrap();
    }
    store.commit(&mut fourth, batch([Mutation::Add(Counter::Pending, 10)])).await.unwrap();
    for (partition, counter, value) in
        [(3, Counter::Pending, 6), (3, Counter::Contacts, -3), (4, Counter::Pending, 10), (4, Counter::Contacts, 0)]
    {
        assert_eq!(store.counter(Partition(partition), counter).await.unwrap(), value, "{partition} {counter:?}");
    }
}

pub(super) async fn records_come_back_in_the_order_asked_for<B: Backend>() {
    let backend = B::start().await;
    let store = backend.open().await;
    for partition in [1, 2] {
        let mut head = head(&store, partition).await;
        let value = |byte: u8| Bytes::from(vec![partition as u8, byte]);
        let puts = (0..100).map(|byte| Mutation::Put(Table::Message, key(byte), value(byte)));
        store.commit(&mut head, batch(puts)).await.unwrap();
        let large = Bytes::from(vec![7; 300_000]);
        store.commit(&mut head, batch([Mutation::Put(Table::Blob, key(1), large)])).await.unwrap();
    }
    let mut keys = Vec::new();
    for byte in (0..120).rev() {
        for partition in [2, 1, 5] {
            keys.push(RecordKey { partition: Partition(partition), table: Table::Message, key: key(byte) });
        }
    }
    let found = store.get(&keys).await.unwrap();
    assert_eq!(found.len(), keys.len());
    for (record, found) in keys.iter().zip(found) {
        let byte = record.key[0];
        let expected = (record.partition.0 != 5 && byte < 100).then(|| vec![record.partition.0 as u8, byte]);
        assert_eq!(found.map(|value| value.to_vec()), expected, "{record:?}");
    }
    let blob = |table| RecordKey { partition: Partition(1), table, key: key(1) };
    let found = store.get(&[blob(Table::Blob), blob(Table::Contact)]).await.unwrap();
    assert_eq!(found[0].as_ref().map(Bytes::len), Some(300_000));
    assert_eq!(found[1], None, "tables stand apart");
    assert!(store.get(&[]).await.unwrap().is_empty());
}

pub(super) async fn indexes_and_scopes_stand_apart<B: Backend>() {
    let backend = B::start().await;
    let store = backend.open().await;
    let indexes = [
        Index::Due,
        Index::Waiting(LaneNo(1), Class::Campaign),
        Index::Waiting(LaneNo(1), Class::Conversation),
        Index::Waiting(LaneNo(256), Class::Campaign),
        Index::WaitingScopes,
        Index::Pending(contact(1)),
        Index::Pending(contact(2)),
        Index::Timeline(contact(1)),
        Index::Held(AccountNo(1)),
        Index::Attention(AccountNo(1)),
        Index::Contacts(AccountNo(1)),
        Index::Contacts(AccountNo(2)),
        Index::Inbox(AccountNo(1)),
        Index::Search(AccountNo(1)),
        Index::Directory,
    ];
    for partition in [1, Partition::DIRECTORY.0] {
        let mut head = head(&store, partition).await;
        let entries = indexes
            .iter()
            .enumerate()
            .map(|(at, index)| Mutation::Index(*index, UnixMs(1_000), member(&[at as u8, (partition % 7) as u8])));
        store.commit(&mut head, batch(entries)).await.unwrap();
    }
    for partition in [1, Partition::DIRECTORY.0] {
        let queries: Vec<_> = indexes.iter().map(|index| whole(partition, *index)).collect();
        for (at, found) in store.ranges(&queries).await.unwrap().into_iter().enumerate() {
            assert_eq!(found, [entry(1_000, &[at as u8, (partition % 7) as u8])], "{:?}", indexes[at]);
        }
        for (at, index) in indexes.iter().enumerate() {
            let query = RangeQuery { descending: true, ..whole(partition, *index) };
            assert_eq!(range(&store, query).await, [entry(1_000, &[at as u8, (partition % 7) as u8])], "{index:?}");
            assert_eq!(store.count(Partition(partition), *index, 10).await.unwrap(), 1);
        }
    }
}

pub(super) async fn hints_name_contacts_until_they_are_removed<B: Backend>() {
    let backend = B::start().await;
    let store = backend.open().await;
    let address = |text: &str| Address::parse(Channel::Email, text).unwrap();
    let hint = |account, text: &str, byte| AddressHint {
        account: AccountNo(account),
        address: address(text),
        contact: contact(byte),
    };
    let hints = [hint(1, "a@x.org", 1), hint(1, "a@x.org", 2), hint(2, "a@x.org", 3), hint(1, "b@x.org", 4)];
    store.add_hints(&hints).await.unwrap();
    store.add_hints(&hints[..1]).await.unwrap();
    assert_eq!(store.hinted(AccountNo(1), &address("a@x.org")).await.unwrap(), [contact(1), contact(2)]);
    assert_eq!(store.hinted(AccountNo(2), &address("a@x.org")).await.unwrap(), [contact(3)]);
    assert_eq!(store.hinted(AccountNo(3), &address("a@x.org")).await.unwrap(), []);
    store.remove_hints(&hints[..1]).await.unwrap();
    store.remove_hints(&hints[..1]).await.unwrap();
    assert_eq!(store.hinted(AccountNo(1), &address("a@x.org")).await.unwrap(), [contact(2)]);
    let many: Vec<_> = (0..1_200u16)
        .map(|no| {
            let mut id = [9; 16];
            id[..2].copy_from_slice(&no.to_be_bytes());
            AddressHint { account: AccountNo(1), address: address("c@x.org"), contact: ContactId::from_bytes(id) }
        })
        .collect();
    store.add_hints(&many).await.unwrap();
    assert_eq!(store.hinted(AccountNo(1), &address("c@x.org")).await.unwrap().len(), MAX_HINTED);
}

pub(super) async fn everything_acknowledged_outlives_a_restart<B: Backend>() {
    let mut backend = B::start().await;
    let mut store = backend.open().await;
    let address = Address::parse(Channel::Sms, "+4915123456789").unwrap();
    let hint = AddressHint { account: AccountNo(1), address: address.clone(), contact: contact(1) };
    store.add_hints(std::slice::from_ref(&hint)).await.unwrap();
    let mut current = head(&store, 3).await;
    for round in 0..5u8 {
        for step in 0..10u8 {
            let byte = round * 10 + step;
            let mutations = [put(byte, b"value"), index(i64::from(byte), &[byte]), Mutation::Add(Counter::Pending, 1)];
            store.commit(&mut current, batch(mutations)).await.unwrap();
        }
        store = backend.restart(store).await;
        let count = (round + 1) * 10;
        assert_eq!(store.head(Partition(3)).await.unwrap(), Some(current));
        assert_eq!(due(&store, 3).await, (0..count).map(|byte| entry(i64::from(byte), &[byte])).collect::<Vec<_>>());
        for byte in 0..count {
            assert_eq!(get(&store, 3, byte).await.unwrap(), "value");
        }
        assert_eq!(store.counter(Partition(3), Counter::Pending).await.unwrap(), i64::from(count));
        assert_eq!(store.hinted(AccountNo(1), &address).await.unwrap(), [contact(1)]);
    }
}

pub(super) async fn a_store_tells_about_itself_until_it_is_closed<B: Backend>() {
    let backend = B::start().await;
    let store = backend.open().await;
    assert_eq!(store.partitions().get(), PARTITIONS);
    assert!(store.now().await.unwrap() > UnixMs(1_600_000_000_000));
    assert!(store.usage().await.unwrap().share < 0.99);
    assert!(!store.describe().await.unwrap().backend.is_empty());
    store.recover().await.unwrap();
    let mut head = head(&store, 3).await;
    store.close().await.unwrap();
    assert!(matches!(store.commit(&mut head, batch([])).await, Err(CommitError::Unavailable(_))));
    let reads = [RecordKey { partition: Partition(3), table: Table::Message, key: key(1) }];
    assert!(matches!(store.get(&reads).await, Err(StoreError::Unavailable(_))));
    assert!(store.acquire(Partition(3), NODE, TTL).await.is_err());
}
