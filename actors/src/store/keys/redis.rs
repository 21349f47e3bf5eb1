//! Every Redis key. `{…}` is the hash tag: all keys of one partition lie in one slot, so that one script
//! may touch them.
//!
//! | key | type | holds |
//! |---|---|---|
//! | `sw:{p}:` h | string | head: token (16 bytes), sequence number (decimal) |
//! | `sw:{p}:` l | string, expires | lease: node (32 hex digits), token (16 bytes) |
//! | `sw:{p}:` n | hash | counters |
//! | `sw:{p}:` r, table, record key | string | record |
//! | `sw:{p}:` i, index tag, scope | sorted set | index |
//! | `sw:{digest}:` a | set | contacts that may have an address |
//! | `sw:{d}:` v | hash | `layout`, `partitions` |
//!
//! `p` is the partition's number, `d` for the directory.

use smallvec::SmallVec;

use super::embedded::push_index;
use crate::domain::ids::Partition;
use crate::store::contract::{Index, Table};

/// A Redis key.
pub(crate) type RedisKey = SmallVec<[u8; 64]>;

/// The layout's version; another one is refused at open.
pub(crate) const LAYOUT: u8 = 1;
/// The hash of what was fixed when the store was created.
pub(crate) const META: &str = "sw:{d}:v";
/// Its field for the layout's version.
pub(crate) const META_LAYOUT: &str = "layout";
/// Its field for the number of partitions.
pub(crate) const META_PARTITIONS: &str = "partitions";

fn in_partition(partition: Partition, kind: u8) -> RedisKey {
    let mut key = RedisKey::from_slice(b"sw:{");
    if partition == Partition::DIRECTORY {
        key.push(b'd');
    } else {
        let mut digits = [0u8; 5];
        let mut at = digits.len();
        let mut rest = partition.0;
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        key.extend_from_slice(&digits[at..]);
    }
    key.extend_from_slice(b"}:");
    key.push(kind);
    key
}

pub(crate) fn head(partition: Partition) -> RedisKey {
    in_partition(partition, b'h')
}

pub(crate) fn lease(partition: Partition) -> RedisKey {
    in_partition(partition, b'l')
}

pub(crate) fn counters(partition: Partition) -> RedisKey {
    in_partition(partition, b'n')
}

pub(crate) fn record(partition: Partition, table: Table, key: &[u8]) -> RedisKey {
    let mut out = in_partition(partition, b'r');
    out.push(match table {
        Table::Contact => b'c',
        Table::Message => b'm',
        Table::Blob => b'b',
        Table::Alias => b'a',
        Table::Directory => b'd',
        Table::Item => b'i',
        Table::Suppression => b's',
        Table::Audit => b'A',
        Table::Habits => b'h',
        Table::Planned => b'p',
    });
    out.extend_from_slice(key);
    out
}

pub(crate) fn index(partition: Partition, index: Index) -> RedisKey {
    let mut key = in_partition(partition, b'i');
    push_index(&mut key, index);
    key
}

pub(crate) fn hints(digest: [u8; 16]) -> RedisKey {
    let mut key = RedisKey::from_slice(b"sw:{");
    key.extend_from_slice(hex::encode(digest).as_bytes());
    key.extend_from_slice(b"}:a");
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::ContactId;

    #[test]
    fn keys_carry_their_partition_as_hash_tag() {
        assert_eq!(head(Partition(0)).as_slice(), b"sw:{0}:h");
        assert_eq!(lease(Partition(4095)).as_slice(), b"sw:{4095}:l");
        assert_eq!(counters(Partition::DIRECTORY).as_slice(), b"sw:{d}:n");
        assert_eq!(record(Partition(12), Table::Message, b"id").as_slice(), b"sw:{12}:rmid");
        assert_eq!(index(Partition(12), Index::Due).as_slice(), b"sw:{12}:id");
        let pending = index(Partition(7), Index::Pending(ContactId::from_bytes([b'x'; 16])));
        assert_eq!(pending.as_slice(), b"sw:{7}:ipxxxxxxxxxxxxxxxx");
        assert_eq!(hints([0xab; 16]).as_slice(), b"sw:{abababababababababababababababab}:a");
    }
}
