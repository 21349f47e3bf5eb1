//! What the store in memory holds, and how a batch changes it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use bytes::Bytes;

use crate::domain::clock::{BootUs, UnixMs};
use crate::domain::ids::{ContactId, Partition};
use crate::store::contract::*;

#[derive(Debug, Clone, Copy)]
pub(super) struct LeaseEntry {
    pub(super) node: NodeId,
    pub(super) token: u128,
    pub(super) until: BootUs,
}

type EntryKey = (Partition, Index, Score, Member);

/// All that a store in memory holds.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    /// Records.
    pub records: BTreeMap<(Partition, Table, Key), Bytes>,
    /// Index entries.
    pub entries: BTreeSet<(Partition, Index, Score, Member)>,
    /// Counters.
    pub counters: BTreeMap<(Partition, Counter), i64>,
}

#[derive(Default)]
pub(super) struct Data {
    records: BTreeMap<(Partition, Table, Key), Bytes>,
    entries: BTreeSet<EntryKey>,
    pub(super) counters: BTreeMap<(Partition, Counter), i64>,
    pub(super) heads: BTreeMap<Partition, Head>,
    pub(super) leases: BTreeMap<Partition, LeaseEntry>,
    pub(super) hints: BTreeSet<([u8; 16], ContactId)>,
}

impl Data {
    /// Whether a batch that names this head may be applied.
    pub(super) fn check(&self, expected: Head) -> Result<(), CommitError> {
        let found = self.heads.get(&expected.partition).copied();
        if found == Some(expected) { Ok(()) } else { Err(CommitError::Fenced { expected: expected.seq, found }) }
    }

    /// Applies a batch whose head was checked; the head after it.
    pub(super) fn apply(&mut self, expected: Head, batch: Batch) -> Head {
        let partition = expected.partition;
        for mutation in batch.mutations {
            match mutation {
                Mutation::Put(table, key, value) => {
                    self.records.insert((partition, table, key), value);
                }
                Mutation::Delete(table, key) => {
                    self.records.remove(&(partition, table, key));
                }
                Mutation::Index(index, score, member) => {
                    self.entries.insert((partition, index, score, member));
                }
                Mutation::Unindex(index, score, member) => {
                    self.entries.remove(&(partition, index, score, member));
                }
                Mutation::Move(from, to, score, member) => {
                    if self.entries.remove(&(partition, from, score, member.clone())) {
                        self.entries.insert((partition, to, score, member));
                    }
                }
                Mutation::Add(counter, by) => {
                    *self.counters.entry((partition, counter)).or_default() += by;
                }
            }
        }
        let head = Head { seq: expected.seq + 1, ..expected };
        self.heads.insert(partition, head);
        head
    }

    pub(super) fn get(&self, key: &RecordKey) -> Option<Bytes> {
        self.records.get(&(key.partition, key.table, key.key.clone())).cloned()
    }

    pub(super) fn contents(&self) -> Contents {
        let Self { records, entries, counters, .. } = self;
        Contents { records: records.clone(), entries: entries.clone(), counters: counters.clone() }
    }

    pub(super) fn range(&self, query: &RangeQuery) -> Vec<Entry> {
        let at = |score: Score, member: Member| (query.partition, query.index, score, member);
        let first = at(UnixMs(i64::MIN), Member::new());
        let after = query.after.clone().map(|after| at(after.score, after.member));
        let entry = |(_, _, score, member): &EntryKey| Entry { score: *score, member: member.clone() };
        let is_here = |key: &&EntryKey| key.0 == query.partition && key.1 == query.index;
        if query.descending {
            let past_to = at(UnixMs(query.to.0.saturating_add(1)), Member::new());
            let end = after.map_or(past_to.clone(), |after| after.min(past_to));
            if end <= first {
                return Vec::new();
            }
            let descending = self.entries.range(first..end).rev();
            descending.take(query.limit).map(entry).collect()
        } else {
            let start = after.map_or(Bound::Included(first), Bound::Excluded);
            let ascending = self.entries.range((start, Bound::Unbounded));
            ascending.take_while(is_here).take_while(|key| key.2 <= query.to).take(query.limit).map(entry).collect()
        }
    }

    pub(super) fn count(&self, partition: Partition, index: Index, limit: usize) -> usize {
        let first = (partition, index, UnixMs(i64::MIN), Member::new());
        self.entries.range(first..).take_while(|key| key.0 == partition && key.1 == index).take(limit).count()
    }

    pub(super) fn hinted(&self, digest: [u8; 16]) -> Vec<ContactId> {
        let first = (digest, ContactId::from_bytes([0; 16]));
        self.hints.range(first..).take_while(|hint| hint.0 == digest).take(MAX_HINTED).map(|hint| hint.1).collect()
    }

    pub(super) fn bytes(&self) -> u64 {
        let records: usize = self.records.iter().map(|(key, value)| key.2.len() + value.len()).sum();
        let entries: usize = self.entries.iter().map(|entry| entry.3.len() + 16).sum();
        (records + entries) as u64
    }
}
