//! The byte layout of the embedded keyspaces.
//!
//! | keyspace | key | value |
//! |---|---|---|
//! | `records`, `blobs` | partition u16, table, record key | the record |
//! | `due`, `index` | partition u16, index tag, scope, score, member | nothing |
//! | `meta` | kind byte, then what it is about | heads, counters, address hints, settings |
//!
//! Scores are signed; their sign bit is flipped, so that bytes sort as numbers do. `due` and `waiting`
//! have a keyspace of their own: they are all churn, and their tombstones must not slow other scans.

use smallvec::SmallVec;

use crate::domain::clock::UnixMs;
use crate::domain::ids::{ContactId, Partition};
use crate::store::contract::{Entry, Index, Member, Score, Table};

/// A key under construction: long enough for an index entry without an allocation.
pub(crate) type KeyBuf = SmallVec<[u8; 160]>;

/// A keyspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum Space {
    Records,
    Blobs,
    Due,
    Index,
    Meta,
}

impl Space {
    pub(crate) const ALL: [Self; 5] = [Self::Records, Self::Blobs, Self::Due, Self::Index, Self::Meta];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::Blobs => "blobs",
            Self::Due => "due",
            Self::Index => "index",
            Self::Meta => "meta",
        }
    }
}

/// The layout's version; another one is refused at open.
pub(crate) const LAYOUT: u8 = 1;
/// Key of the layout's version, in `meta`.
pub(crate) const LAYOUT_KEY: &[u8] = b"vlayout";
/// Key of the number of partitions (u16), in `meta`.
pub(crate) const PARTITIONS_KEY: &[u8] = b"vpartitions";
/// What every head's key begins with, in `meta`.
pub(crate) const HEAD_PREFIX: u8 = b'h';
/// What every counter's key begins with, in `meta`.
pub(crate) const COUNTER_PREFIX: u8 = b'c';
const HINT_PREFIX: u8 = b'a';

pub(crate) fn record(partition: Partition, table: Table, key: &[u8]) -> (Space, KeyBuf) {
    let mut buf = KeyBuf::from_slice(&partition.0.to_be_bytes());
    buf.push(table as u8);
    buf.extend_from_slice(key);
    (if table == Table::Blob { Space::Blobs } else { Space::Records }, buf)
}

/// What all entries of one index of one partition begin with.
pub(crate) fn index_prefix(partition: Partition, index: Index) -> (Space, KeyBuf) {
    let mut buf = KeyBuf::from_slice(&partition.0.to_be_bytes());
    push_index(&mut buf, index);
    (if matches!(index, Index::Due | Index::Waiting(..)) { Space::Due } else { Space::Index }, buf)
}

/// The index tag and the scope: fixed length per tag, so that no index runs into another.
pub(super) fn push_index<A: smallvec::Array<Item = u8>>(buf: &mut SmallVec<A>, index: Index) {
    match index {
        Index::Due => buf.push(b'd'),
        Index::Waiting(lane, class) => {
            buf.push(b'w');
            buf.extend_from_slice(&lane.0.to_be_bytes());
            buf.push(class as u8);
        }
        Index::WaitingScopes => buf.push(b'W'),
        Index::Pending(contact) => {
            buf.push(b'p');
            buf.extend_from_slice(contact.as_bytes());
        }
        Index::Timeline(contact) => {
            buf.push(b't');
            buf.extend_from_slice(contact.as_bytes());
        }
        Index::Held(account) => push_account(buf, b'h', account.0),
        Index::Attention(account) => push_account(buf, b'a', account.0),
        Index::Contacts(account) => push_account(buf, b'c', account.0),
        Index::Inbox(account) => push_account(buf, b'i', account.0),
        Index::Search(account) => push_account(buf, b's', account.0),
        Index::Suppressions(account) => push_account(buf, b'u', account.0),
        Index::Directory => buf.push(b'D'),
        Index::Audit(account) => push_account(buf, b'A', account.0),
    }
}

fn push_account<A: smallvec::Array<Item = u8>>(buf: &mut SmallVec<A>, tag: u8, account: u32) {
    buf.push(tag);
    buf.extend_from_slice(&account.to_be_bytes());
}

pub(crate) const fn score_bytes(score: Score) -> [u8; 8] {
    ((score.0 as u64) ^ (1 << 63)).to_be_bytes()
}

pub(crate) fn entry(partition: Partition, index: Index, score: Score, member: &[u8]) -> (Space, KeyBuf) {
    let (space, mut buf) = index_prefix(partition, index);
    buf.extend_from_slice(&score_bytes(score));
    buf.extend_from_slice(member);
    (space, buf)
}

/// The entry that a key stands for, after its index prefix of `prefix` bytes.
pub(crate) fn entry_of(key: &[u8], prefix: usize) -> Option<Entry> {
    let (score, member) = key.get(prefix..)?.split_first_chunk::<8>()?;
    Some(Entry { score: UnixMs((u64::from_be_bytes(*score) ^ (1 << 63)) as i64), member: Member::from_slice(member) })
}

/// The smallest key that is greater than every key with this prefix.
pub(crate) fn prefix_end(prefix: &[u8]) -> KeyBuf {
    let mut end = KeyBuf::from_slice(prefix);
    while let Some(last) = end.last_mut() {
        if *last < u8::MAX {
            *last += 1;
            return end;
        }
        end.pop();
    }
    // Only a prefix of 0xff bytes alone gets here; no key begins so, as tags follow the partition.
    KeyBuf::from_slice(&[u8::MAX; 8])
}

pub(crate) fn head(partition: Partition) -> KeyBuf {
    let mut buf = KeyBuf::from_slice(&[HEAD_PREFIX]);
    buf.extend_from_slice(&partition.0.to_be_bytes());
    buf
}

/// `counter` is a `Counter` as its number.
pub(crate) fn counter(partition: Partition, counter: u8) -> KeyBuf {
    let mut buf = KeyBuf::from_slice(&[COUNTER_PREFIX]);
    buf.extend_from_slice(&partition.0.to_be_bytes());
    buf.push(counter);
    buf
}

/// The partition of a head's key.
pub(crate) fn partition_of_head(key: &[u8]) -> Option<Partition> {
    let rest = key.strip_prefix(&[HEAD_PREFIX])?;
    Some(Partition(u16::from_be_bytes(rest.try_into().ok()?)))
}

/// The partition and the number of a counter's key.
pub(crate) fn partition_of_counter(key: &[u8]) -> Option<(Partition, u8)> {
    let [a, b, counter] = <[u8; 3]>::try_from(key.strip_prefix(&[COUNTER_PREFIX])?).ok()?;
    Some((Partition(u16::from_be_bytes([a, b])), counter))
}

/// What all hints of one address begin with.
pub(crate) fn hint_prefix(digest: [u8; 16]) -> KeyBuf {
    let mut buf = KeyBuf::from_slice(&[HINT_PREFIX]);
    buf.extend_from_slice(&digest);
    buf
}

pub(crate) fn hint(digest: [u8; 16], contact: ContactId) -> KeyBuf {
    let mut buf = hint_prefix(digest);
    buf.extend_from_slice(contact.as_bytes());
    buf
}

/// The contact of a hint's key.
pub(crate) fn contact_of_hint(key: &[u8]) -> Option<ContactId> {
    key.last_chunk::<16>().map(|id| ContactId::from_bytes(*id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{AccountNo, LaneNo};
    use crate::domain::message::Class;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keys_sort_as_entries_do(a: i64, b: i64, x: [u8; 3], y: [u8; 5]) {
            let key = |score, member: &[u8]| entry(Partition(3), Index::Due, UnixMs(score), member).1;
            let (left, right) = (key(a, &x), key(b, &y));
            prop_assert_eq!(left.cmp(&right), (a, &x[..]).cmp(&(b, &y[..])));
            let prefix = index_prefix(Partition(3), Index::Due).1;
            prop_assert_eq!(entry_of(&left, prefix.len()), Some(Entry { score: UnixMs(a), member: Member::from_slice(&x) }));
            prop_assert!(left < prefix_end(&prefix));
        }
    }

    #[test]
    fn no_index_lies_within_another() {
        let id = ContactId::from_bytes([b'w'; 16]);
        let account = AccountNo(u32::from_be_bytes([b'd'; 4]));
        let indexes = [
            Index::Due,
            Index::Waiting(LaneNo(0), Class::Campaign),
            Index::WaitingScopes,
            Index::Pending(id),
            Index::Timeline(id),
            Index::Held(account),
            Index::Attention(account),
            Index::Contacts(account),
            Index::Inbox(account),
            Index::Search(account),
            Index::Directory,
            Index::Audit(account),
        ];
        for a in indexes {
            for b in indexes {
                let (a_prefix, b_prefix) = (index_prefix(Partition(1), a).1, index_prefix(Partition(1), b).1);
                assert_eq!(a_prefix.starts_with(&b_prefix), a == b, "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn the_end_of_a_prefix_carries_over() {
        assert_eq!(prefix_end(&[1, 2]).as_slice(), [1, 3]);
        assert_eq!(prefix_end(&[1, 255]).as_slice(), [2]);
        assert!(prefix_end(&index_prefix(Partition::DIRECTORY, Index::Due).1).as_slice() > [255, 255, b'd'].as_slice());
    }

    #[test]
    fn meta_keys_are_read_back() {
        assert_eq!(partition_of_head(&head(Partition(300))), Some(Partition(300)));
        assert_eq!(partition_of_counter(&counter(Partition(300), 2)), Some((Partition(300), 2)));
        let contact = ContactId::from_bytes([7; 16]);
        assert_eq!(contact_of_hint(&hint([1; 16], contact)), Some(contact));
    }
}
