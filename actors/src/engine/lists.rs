//! Lists over all partitions: merged in order, with the first few of each partition read at first and
//! refilled on demand.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use bytes::Bytes;

use super::cursor;
use super::handle::Engine;
use crate::domain::clock::UnixMs;
use crate::domain::ids::{AccountNo, Partition};
use crate::protocol::api::{EngineError, EngineResult, Page, PageRequest};
use crate::store::{Entry, Index, RangeQuery, RecordKey, StoreError};

/// Read of each partition at first: a page of fifty over 256 partitions needs few refills.
const FIRST: usize = 4;

/// What a read that failed means to a caller. Also while a full disk keeps the store from being read: there is nothing
/// that a reader asked too much of.
pub(super) fn unread(error: &StoreError) -> EngineError {
    tracing::warn!(%error, "a read failed");
    EngineError::Unavailable
}

/// A record that this version cannot read.
pub(super) fn unreadable(error: &dyn std::fmt::Display) -> EngineError {
    tracing::error!(%error, "a record cannot be read");
    EngineError::Unavailable
}

/// What a list is made of.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source {
    /// One index, ascending.
    Up(Index),
    /// One index, descending.
    Down(Index),
    /// What is due some time and was not handed over, in order: of everybody, or at least of this account.
    Scheduled(AccountNo),
}

/// What is to be read of one partition.
pub(super) struct Wanted {
    pub(super) partition: Partition,
    pub(super) after: Option<Entry>,
    pub(super) limit: usize,
}

/// What was read of one partition.
pub(super) struct Chunk {
    pub(super) entries: VecDeque<Entry>,
    /// There may be more behind the last one.
    pub(super) has_more: bool,
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

    async fn read_chunks(&self, source: Source, to: UnixMs, wanted: &[Wanted]) -> EngineResult<Vec<Chunk>> {
        let (index, descending) = match source {
            Source::Up(index) => (index, false),
            Source::Down(index) => (index, true),
            Source::Scheduled(account) => return self.read_scheduled(account, to, wanted).await,
        };
        let queries: Vec<_> = wanted
            .iter()
            .map(|Wanted { partition, after, limit }| RangeQuery {
                partition: *partition,
                index,
                after: after.clone(),
                to,
                limit: *limit,
                descending,
            })
            .collect();
        let chunk = |(wanted, entries): (&Wanted, Vec<Entry>)| Chunk {
            has_more: entries.len() == wanted.limit,
            entries: entries.into(),
        };
        Ok(wanted.iter().zip(self.read_ranges(&queries).await?).map(chunk).collect())
    }

    /// A page of a list, over all partitions.
    pub(super) async fn merged(
        &self,
        source: Source,
        start: Option<Entry>,
        to: UnixMs,
        page: &PageRequest,
    ) -> EngineResult<Page<Entry>> {
        let partitions = self.node.partitions.iter().collect();
        self.merged_over(partitions, source, start, to, page).await
    }

    /// A page of a list, over these partitions.
    pub(super) async fn merged_over(
        &self,
        partitions: Vec<Partition>,
        source: Source,
        start: Option<Entry>,
        to: UnixMs,
        page: &PageRequest,
    ) -> EngineResult<Page<Entry>> {
        let after = match &page.cursor {
            Some(text) => Some(cursor::decode(text)?.1),
            None => start,
        };
        let limit = if partitions.len() == 1 { page.limit + 1 } else { FIRST };
        let first = |partition: &Partition| Wanted { partition: *partition, after: after.clone(), limit };
        let first: Vec<_> = partitions.iter().map(first).collect();
        let mut heads = self.read_chunks(source, to, &first).await?;
        let rank = |entry: Entry| match source {
            Source::Down(_) => Rank::Down(entry),
            Source::Up(_) | Source::Scheduled(_) => Rank::Up(Reverse(entry)),
        };
        let mut heap: BinaryHeap<(Rank, usize)> = BinaryHeap::new();
        for (number, chunk) in heads.iter_mut().enumerate() {
            heap.extend(chunk.entries.pop_front().map(|entry| (rank(entry), number)));
        }
        let mut items = Vec::with_capacity(page.limit);
        while items.len() < page.limit
            && let Some((Rank::Up(Reverse(entry)) | Rank::Down(entry), number)) = heap.pop()
        {
            let chunk = &mut heads[number];
            if chunk.entries.is_empty() && chunk.has_more {
                let limit = page.limit - items.len();
                let more = Wanted { partition: partitions[number], after: Some(entry.clone()), limit };
                let more = self.read_chunks(source, to, &[more]).await?;
                *chunk = more.into_iter().next().unwrap_or(Chunk { entries: VecDeque::new(), has_more: false });
            }
            heap.extend(chunk.entries.pop_front().map(|next| (rank(next), number)));
            items.push(entry);
        }
        let next_cursor = match items.last() {
            Some(last) if !heap.is_empty() => Some(cursor::encode(0, last)),
            _ => None,
        };
        Ok(Page { items, next_cursor })
    }
}
