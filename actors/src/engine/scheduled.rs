//! What is scheduled: one list over the due index and what was parked of it.
//!
//! A ticket beyond its lane's bound moves from `due` to `waiting`, with the same score and member, so a place in the
//! list is the same in both, and stays what it is when a ticket moves between two pages. Within a page `due` is read
//! first, then which scopes are parked, then those: what moves meanwhile is met twice, which is noticed, and never
//! missed.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use super::handle::Engine;
use super::lists::{Chunk, Source, Wanted};
use crate::domain::address::Channel;
use crate::domain::clock::UnixMs;
use crate::domain::ids::{AccountNo, ContactId, LaneNo, MessageId};
use crate::domain::ticket::{Ticket, TicketKind};
use crate::protocol::api::{
    Caller, CancelManyOutcome, CancelOutcome, EngineError, EngineResult, MessageView, Page, PageRequest, ScheduleFilter,
};
use crate::shard::Step;
use crate::store::keys::WaitingScope;
use crate::store::{Entry, Index, Member, RangeQuery};

/// Lanes and classes of one partition that are looked at: as many as are served.
const MAX_SCOPES: usize = 100_000;
/// Entries looked at for one page of an account's scheduled messages, among those of others and those that do not fit.
const MAX_LOOKED_AT: usize = 20_000;

impl Engine {
    /// What is scheduled in the account, by due time.
    ///
    /// # Errors
    /// A cursor that is none, the store.
    pub async fn schedule_of(
        &self,
        caller: &Caller,
        filter: &ScheduleFilter,
        page: PageRequest,
    ) -> EngineResult<Page<MessageView>> {
        let (ids, next_cursor) = self.scheduled_of(caller.account, filter, &page).await?;
        Ok(Page { items: self.views(self.records(caller.account, &ids).await?).await, next_cursor })
    }

    /// Takes back these messages, each as if it were asked for alone; the caller can undo all of it, contact by contact.
    ///
    /// # Errors
    /// The store; some may have been cancelled by then.
    pub async fn cancel_these(&self, caller: &Caller, ids: &[MessageId]) -> EngineResult<CancelManyOutcome> {
        let ids: BTreeSet<MessageId> = ids.iter().copied().collect();
        let wanted: Vec<_> = ids.iter().copied().collect();
        let found = self.records(caller.account, &wanted).await?;
        let contacts: HashMap<MessageId, ContactId> =
            found.into_iter().map(|message| (message.id, message.contact)).collect();
        let results = futures_util::future::join_all(ids.into_iter().map(async |id| match contacts.get(&id) {
            Some(contact) => self.canceled_of(caller, *contact, id).await,
            // Not there, or moved with its contact into another one.
            None => self.canceled(caller, id).await,
        }));
        let mut outcome = CancelManyOutcome::default();
        let mut canceled: HashMap<ContactId, Vec<MessageId>> = HashMap::new();
        let mut failed = None;
        for result in results.await {
            match result {
                Ok((contact, id, CancelOutcome::Canceled)) => canceled.entry(contact).or_default().push(id),
                Ok((.., CancelOutcome::AlreadyHandedOver(_))) => outcome.already_handed_over += 1,
                Err(EngineError::NotFound) => outcome.not_found += 1,
                Err(error) => failed = Some(error),
            }
        }
        outcome.canceled = canceled.values().map(|ids| ids.len() as u64).sum();
        let steps = canceled.into_iter().map(|(contact, ids)| (contact, Step::Canceled(ids)));
        self.node.undo.remember(caller.author, steps, self.node.clock.boot());
        failed.map_or(Ok(outcome), Err)
    }

    /// The due index has every account's messages: those of others are passed over, a bounded number a page. One that
    /// was edited while it was read may be met as it was and as it is, and counts once.
    pub(super) async fn scheduled_of(
        &self,
        account: AccountNo,
        filter: &ScheduleFilter,
        page: &PageRequest,
    ) -> EngineResult<(Vec<MessageId>, Option<String>)> {
        let lane = match filter.sender {
            None => None,
            Some(sender) => match self.directory().sender(sender).filter(|sender| sender.account == account) {
                Some(sender) => Some(sender.lane),
                None => return Ok((Vec::new(), None)),
            },
        };
        let fits = |ticket: &Ticket| fits(ticket, account, filter.channel, lane);
        let start = filter.from.map(|score| Entry { score, member: Member::from_slice(b"") });
        let to = filter.to.map_or(UnixMs::MAX, |to| UnixMs((to.0 - 1).max(0)));
        let mut ids: Vec<MessageId> = Vec::new();
        let mut seen = HashSet::new();
        let mut request = PageRequest { cursor: page.cursor.clone(), limit: page.limit };
        let mut looked_at = 0;
        loop {
            request.limit = page.limit - ids.len();
            let listed = self.merged(Source::Scheduled(account), start.clone(), to, &request).await?;
            looked_at += listed.items.len();
            ids.extend(
                listed
                    .items
                    .iter()
                    .filter_map(|entry| Ticket::from_entry(entry.score, &entry.member).ok())
                    .filter(fits)
                    .map(|ticket| ticket.message)
                    .filter(|id| seen.insert(*id)),
            );
            if listed.next_cursor.is_none() || ids.len() >= page.limit || looked_at >= MAX_LOOKED_AT {
                return Ok((ids, listed.next_cursor));
            }
            request.cursor = listed.next_cursor;
        }
    }

    /// The next of each partition, from `due` and from the lanes that may be this account's.
    pub(super) async fn read_scheduled(
        &self,
        account: AccountNo,
        to: UnixMs,
        wanted: &[Wanted],
    ) -> EngineResult<Vec<Chunk>> {
        let query = |wanted: &Wanted, index| RangeQuery {
            partition: wanted.partition,
            index,
            after: wanted.after.clone(),
            to,
            limit: wanted.limit,
            descending: false,
        };
        let due: Vec<_> = wanted.iter().map(|wanted| query(wanted, Index::Due)).collect();
        let due = self.read_ranges(&due).await?;
        let all_scopes = |wanted| RangeQuery {
            after: None,
            to: UnixMs::MAX,
            limit: MAX_SCOPES,
            ..query(wanted, Index::WaitingScopes)
        };
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

/// Whether an entry is a message of this account, and of this channel and lane if they are named. Notices to webhooks
/// are none.
fn fits(ticket: &Ticket, account: AccountNo, channel: Option<Channel>, lane: Option<LaneNo>) -> bool {
    ticket.account == account
        && ticket.kind() == TicketKind::Message
        && ticket.channel() != Channel::Webhook
        && channel.is_none_or(|channel| ticket.channel() == channel)
        && lane.is_none_or(|lane| ticket.lane == lane)
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
