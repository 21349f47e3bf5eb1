//! Lists over all partitions: merged in order, with the first few of each partition read at first and
//! refilled on demand.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use bytes::Bytes;

use super::cursor;
use super::handle::Engine;
use crate::domain::clock::UnixMs;
use crate::domain::ids::Partition;
use crate::protocol::api::{EngineError, EngineResult, Page, PageRequest};
use crate::store::{Entry, Index, RangeQuery, RecordKey, StoreError};

/// Read of each partition at first: a page of fifty over 256 partitions needs few refills.
const FIRST: usize = 4;

/// What a read that failed means to a caller.
pub(super) fn unread(error: &StoreError) -> EngineError {
    tracing::warn!(%error, "a read failed");
    match error {
        StoreError::OutOfSpace => EngineError::OutOfSpace,
        _ => EngineError::Unavailable,
    }
}

/// A record that this version cannot read.
pub(super) fn unreadable(error: &dyn std::fmt::Display) -> EngineError {
    tracing::error!(%error, "a record cannot be read");
    EngineError::Unavailable
}

/// An entry in the merge; ascending or descending.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Up(Reverse<Entry>),
    Down(Entry),
}

impl Engine {
    pub(super) async fn read_records(&self, wanted: &[RecordKey]) -> EngineResult<Vec<Option<Bytes>>> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        self.node.store.get(wanted).await.map_err(|error| unread(&error))
    }

    pub(super) async fn read_ranges(&self, queries: &[RangeQuery]) -> EngineResult<Vec<Vec<Entry>>> {
        if queries.is_empty() {
            return Ok(Vec::new());
        }
        self.node.store.ranges(queries).await.map_err(|error| unread(&error))
    }

    /// A page of an index, over all partitions.
    pub(super) async fn merged(
        &self,
        index: Index,
        start: Option<Entry>,
        to: UnixMs,
        page: &PageRequest,
        descending: bool,
    ) -> EngineResult<Page<Entry>> {
        let partitions = self.node.partitions.iter().collect();
        self.merged_over(partitions, index, start, to, page, descending).await
    }

    /// A page of an index, over these partitions.
    pub(super) async fn merged_over(
        &self,
        partitions: Vec<Partition>,
        index: Index,
        start: Option<Entry>,
        to: UnixMs,
        page: &PageRequest,
        descending: bool,
    ) -> EngineResult<Page<Entry>> {
        let after = match &page.cursor {
            Some(text) => Some(cursor::decode(text)?.1),
            None => start,
        };
        let query = |partition, after, limit| RangeQuery { partition, index, after, to, limit, descending };
        let first = if partitions.len() == 1 { page.limit + 1 } else { FIRST };
        let queries: Vec<_> = partitions.iter().map(|partition| query(*partition, after.clone(), first)).collect();
        let mut heads: Vec<(VecDeque<Entry>, bool)> = self
            .read_ranges(&queries)
            .await?
            .into_iter()
            .map(|entries| (entries.len() == first, VecDeque::from(entries)))
            .map(|(has_more, entries)| (entries, has_more))
            .collect();
        let rank = |entry: Entry| if descending { Rank::Down(entry) } else { Rank::Up(Reverse(entry)) };
        let mut heap: BinaryHeap<(Rank, usize)> = BinaryHeap::new();
        for (number, (entries, _)) in heads.iter_mut().enumerate() {
            heap.extend(entries.pop_front().map(|entry| (rank(entry), number)));
        }
        let mut items = Vec::with_capacity(page.limit);
        while items.len() < page.limit
            && let Some((Rank::Up(Reverse(entry)) | Rank::Down(entry), number)) = heap.pop()
        {
            let (entries, has_more) = &mut heads[number];
            if entries.is_empty() && *has_more {
                let limit = page.limit - items.len();
                let more = self.read_ranges(&[query(partitions[number], Some(entry.clone()), limit)]).await?;
                *entries = more.into_iter().flatten().collect();
                *has_more = entries.len() == limit;
            }
            heap.extend(entries.pop_front().map(|next| (rank(next), number)));
            items.push(entry);
        }
        let next_cursor = match items.last() {
            Some(last) if !heap.is_empty() => Some(cursor::encode(0, last)),
            _ => None,
        };
        Ok(Page { items, next_cursor })
    }
}
