//! Reads: records by `MGET` (per partition with a cluster), ranges by script in pages, all pipelined on one connection.

use bytes::Bytes;
use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::connection::{Link, store_error};
use super::scripts::SCRIPTS;
use crate::domain::clock::UnixMs;
use crate::domain::ids::Partition;
use crate::store::contract::{Entry, Member, RangeQuery, RecordKey, Score, StoreError};
use crate::store::keys::redis as layout;

/// Commands of one call under way at once.
const IN_FLIGHT: usize = 64;
/// Keys of one `MGET`: blobs can be large.
const KEYS_PER_GET: usize = 64;
/// Entries of one page: keeps a script under a millisecond or two.
const PAGE: usize = 1_000;

pub(super) async fn get(link: &Link, keys: &[RecordKey]) -> Result<Vec<Option<Bytes>>, StoreError> {
    let mut order: Vec<usize> = (0..keys.len()).collect();
    let is_cluster = link.is_cluster();
    if is_cluster {
        // One command must stay in one slot: positions grouped by partition.
        order.sort_by_key(|at| keys[*at].partition);
    }
    let mut reads = Vec::new();
    for group in order.chunk_by(|a, b| !is_cluster || keys[*a].partition == keys[*b].partition) {
        reads.extend(group.chunks(KEYS_PER_GET).map(|group| mget(link, keys, group.to_vec())));
    }
    let mut found: Vec<Option<Bytes>> = vec![None; keys.len()];
    let mut replies = stream::iter(reads).buffer_unordered(IN_FLIGHT);
    while let Some((group, values)) = replies.try_next().await? {
        for (at, value) in group.into_iter().zip(values) {
            found[at] = value.map(Bytes::from);
        }
    }
    Ok(found)
}

/// Reads the records at some positions of `keys` by one command.
async fn mget(
    link: &Link,
    keys: &[RecordKey],
    group: Vec<usize>,
) -> Result<(Vec<usize>, Vec<Option<Vec<u8>>>), StoreError> {
    let mut command = redis::cmd("MGET");
    for at in &group {
        let key = &keys[*at];
        command.arg(layout::record(key.partition, key.table, &key.key).as_slice());
    }
    let values: Vec<Option<Vec<u8>>> = link.run(&command).await.map_err(|error| store_error(&error))?;
    if values.len() == group.len() {
        Ok((group, values))
    } else {
        Err(StoreError::Unavailable("the server answered MGET with another number of values".to_owned()))
    }
}

pub(super) async fn ranges(link: &Link, queries: &[RangeQuery]) -> Result<Vec<Vec<Entry>>, StoreError> {
    let reads: Vec<_> = queries.iter().map(|query| range(link, query)).collect();
    stream::iter(reads).buffered(IN_FLIGHT).try_collect().await
}

async fn range(link: &Link, query: &RangeQuery) -> Result<Vec<Entry>, StoreError> {
    let key = layout::index(query.partition, query.index);
    let mut entries: Vec<Entry> = Vec::new();
    while entries.len() < query.limit {
        let limit = PAGE.min(query.limit - entries.len());
        let after = entries.last().or(query.after.as_ref());
        let flat: Vec<Vec<u8>> = link
            .script(&SCRIPTS.range, |command| {
                command.arg(1).arg(key.as_slice()).arg(if query.descending { "d" } else { "a" });
                command.arg(query.to.0).arg(limit);
                match after {
                    Some(after) => command.arg(after.score.0).arg(after.member.as_slice()),
                    None => command.arg("").arg(""),
                };
            })
            .await
            .map_err(|error| store_error(&error))?;
        let mut page = flat
            .chunks_exact(2)
            .map(|pair| Some(Entry { score: score(&pair[1])?, member: Member::from_slice(&pair[0]) }))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| unreadable_score(query.partition))?;
        if query.descending {
            page.reverse();
        }
        let is_last = page.len() < limit;
        entries.append(&mut page);
        if is_last {
            break;
        }
    }
    Ok(entries)
}

fn unreadable_score(partition: Partition) -> StoreError {
    StoreError::Corrupt(format!("an index of partition {partition} has a score that is no whole number"))
}

/// Scores are whole numbers below 2^53, which Redis writes without a fraction.
fn score(bytes: &[u8]) -> Option<Score> {
    std::str::from_utf8(bytes).ok()?.parse().ok().map(UnixMs)
}
