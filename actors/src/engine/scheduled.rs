//! What is scheduled: one list over the due index and what was parked of it.
//!
//! A ticket beyond its lane's bound moves from `due` to `waiting`, with the same score and member, so a place in the
//! list is the same in both, and stays what it is when a ticket moves between two pages. Within a page `due` is read
//! first, then which scopes are parked, then those: what moves meanwhile is met twice, which is noticed, and never
//! missed.

use std::collections::VecDeque;

use super::handle::Engine;
use super::lists::{Chunk, Wanted};
use crate::domain::clock::UnixMs;
use crate::domain::ids::AccountNo;
use crate::protocol::api::EngineResult;
use crate::store::keys::WaitingScope;
use crate::store::{Entry, Index, RangeQuery};

/// Lanes and classes of one partition that are looked at: as many as are served.
const MAX_SCOPES: usize = 100_000;

impl Engine {
    /// The next of each partition, from `due` and from the lanes that may be this account's.
    pub(super) async fn read_scheduled(&self, account: AccountNo, wanted: &[Wanted]) -> EngineResult<Vec<Chunk>> {
        let query = |wanted: &Wanted, index| RangeQuery {
            partition: wanted.partition,
            index,
            after: wanted.after.clone(),
            to: UnixMs::MAX,
            limit: wanted.limit,
            descending: false,
        };
        let due: Vec<_> = wanted.iter().map(|wanted| query(wanted, Index::Due)).collect();
        let due = self.read_ranges(&due).await?;
        let all_scopes = |wanted| RangeQuery { after: None, limit: MAX_SCOPES, ..query(wanted, Index::WaitingScopes) };
        let scopes = self.read_ranges(&wanted.iter().map(all_scopes).collect::<Vec<_>>()).await?;
        let directory = self.node.directory.load();
        // The lane of a removed sender may be anybody's.
        let is_others =
            |scope: &WaitingScope| directory.sender_of_lane(scope.lane).is_some_and(|sender| sender.account != account);
        let mut waiting = Vec::new();
        let mut places = Vec::new();
        for (at, (wanted, scopes)) in wanted.iter().zip(scopes).enumerate() {
            let scopes = scopes.iter().filter_map(|entry| WaitingScope::decode(&entry.member).ok());
            for scope in scopes.filter(|scope| !is_others(scope)) {
                waiting.push(query(wanted, Index::Waiting(scope.lane, scope.class)));
                places.push(at);
            }
        }
        let mut parts: Vec<Vec<Vec<Entry>>> = due.into_iter().map(|entries| vec![entries]).collect();
        for (at, entries) in places.into_iter().zip(self.read_ranges(&waiting).await?) {
            parts[at].push(entries);
        }
        Ok(wanted.iter().zip(parts).map(|(wanted, parts)| joined(parts, wanted.limit)).collect())
    }
}

/// One list of several, each of which was read up to a limit: as far as all of them are known.
fn joined(parts: Vec<Vec<Entry>>, limit: usize) -> Chunk {
    let known_to = parts.iter().filter(|part| part.len() == limit).filter_map(|part| part.last()).min().cloned();
    let mut all: Vec<Entry> = parts.into_iter().flatten().collect();
    all.sort_unstable();
    all.dedup();
    if let Some(last) = &known_to {
        all.truncate(all.partition_point(|entry| entry <= last));
    }
    Chunk { entries: VecDeque::from(all), has_more: known_to.is_some() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Member;

    fn entries(scores: &[i64]) -> Vec<Entry> {
        scores.iter().map(|score| Entry { score: UnixMs(*score), member: Member::from_slice(b"m") }).collect()
    }

    #[test]
    fn lists_are_joined_as_far_as_all_of_them_are_known() {
        let all = |parts: &[&[i64]], limit| {
            let chunk = joined(parts.iter().map(|part| entries(part)).collect(), limit);
            (chunk.entries.iter().map(|entry| entry.score.0).collect::<Vec<_>>(), chunk.has_more)
        };
        assert_eq!(all(&[&[1, 4], &[2], &[]], 3), (vec![1, 2, 4], false));
        assert_eq!(all(&[&[1, 4, 5], &[2, 9]], 3), (vec![1, 2, 4, 5], true), "more may come before the 9");
        assert_eq!(all(&[&[1, 4, 5], &[2, 3, 4]], 3), (vec![1, 2, 3, 4], true), "what moved was read twice");
    }
}
