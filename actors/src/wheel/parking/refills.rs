//! Reading parked tickets back: on from a cursor for each partition and pool, in due order.

use std::sync::Arc;
use std::time::Duration;

use actix::{Addr, AsyncContext, Context, Handler, Message as ActixMessage};

use super::{OpenPark, Parking};
use crate::domain::address::Channel;
use crate::domain::clock::UnixMs;
use crate::domain::ids::{LaneNo, Partition};
use crate::domain::message::Class;
use crate::domain::ticket::{Position, Ticket};
use crate::sender::lanes::Rest;
use crate::sender::pool::{Refilled, SenderPool};
use crate::store::keys::WaitingScope;
use crate::store::{Entry, Index, Member, RangeQuery};

/// Where a read begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReadFrom {
    /// At the start.
    Start,
    /// Behind what was read last.
    Last,
    /// At this position, whatever was read: for the lane's shelves.
    Shelf(Position),
}

/// A lane has room again.
#[derive(Debug, ActixMessage)]
#[rtype(result = "()")]
pub struct Refill {
    /// Which lane.
    pub lane: LaneNo,
    /// Which class of it.
    pub class: Class,
    /// The asker's channel.
    pub channel: Channel,
    /// For how many tickets.
    pub room: usize,
    /// From where on.
    pub from: ReadFrom,
    /// Who asks.
    pub pool: Addr<SenderPool>,
    /// The asker's number for the question.
    pub question: u64,
}

/// How far one pool has read a scope; or one read that has no part in that.
#[derive(Debug, Default)]
pub(super) struct Reader {
    cursor: Option<Entry>,
    pub(super) is_reading: bool,
    is_moved_back: bool,
    /// The first of those that were being parked during the read, which may not have seen them: what it found
    /// from there on is left for the next one, so that none of them is overtaken.
    floor: Option<Entry>,
}

impl Reader {
    pub(super) fn lower_floor(&mut self, first: &Entry) {
        if self.floor.as_ref().is_none_or(|floor| first < floor) {
            self.floor = Some(first.clone());
        }
    }

    /// Entries from this one on were parked, durably. Only now: a read before this moment did not see them, and may
    /// have gone past them.
    pub(super) fn parked(&mut self, first: &Entry) {
        if self.cursor.as_ref().is_some_and(|cursor| first <= cursor) {
            self.cursor = None;
            self.is_moved_back = self.is_reading;
        }
    }

    /// Cuts a page to what may be taken of it, and moves on behind that. What is left of the scope.
    fn finish(&mut self, entries: &mut Vec<Entry>, was_full: bool) -> Rest {
        self.is_reading = false;
        let floor = self.floor.take();
        let found = entries.len();
        if let Some(floor) = &floor {
            entries.truncate(entries.partition_point(|entry| entry < floor));
        }
        // A page that ends before the floor says nothing of what lies between.
        let ends_before = was_full && entries.len() == found;
        // A cursor that was moved back meanwhile stays there: what it misses is read again.
        if !std::mem::take(&mut self.is_moved_back)
            && let Some(last) = entries.last()
        {
            self.cursor = Some(last.clone());
        }
        // One that cannot be read is passed over: what is told is never behind what is left.
        let last = || entries.iter().rev().find_map(position);
        match floor.filter(|_| !ends_before) {
            Some(floor) => position(&floor).map_or(Rest::Unread, Rest::From),
            None if was_full => last().map_or(Rest::Unread, Rest::From),
            None => Rest::Nothing,
        }
    }
}

/// Where an entry stands; `None`: it cannot be read.
fn position(entry: &Entry) -> Option<Position> {
    Ticket::from_entry(entry.score, &entry.member).ok().map(|ticket| ticket.position())
}

/// The entry before the first one at this position.
fn before(position: Position, channel: Channel) -> Entry {
    Entry { score: position.due_at, member: Member::from_slice(&position.member_prefix(channel)) }
}

/// Between attempts to read from a store that does not answer.
const RETRY: Duration = Duration::from_millis(250);

/// What was read of one partition.
#[derive(Debug)]
struct Page {
    partition: Partition,
    /// Under which opening.
    epoch: u32,
    limit: usize,
    /// Of a read for the shelves: the reader is its own.
    reader: Option<Reader>,
    /// `None`: it could not be read.
    entries: Option<Vec<Entry>>,
}

#[derive(Debug, ActixMessage)]
#[rtype(result = "()")]
struct PageRead {
    scope: WaitingScope,
    from: ReadFrom,
    channel: Channel,
    pages: Vec<Page>,
    pool: Addr<SenderPool>,
    question: u64,
}

impl Handler<Refill> for Parking {
    type Result = ();

    fn handle(&mut self, refill: Refill, ctx: &mut Self::Context) {
        self.refill(refill, ctx);
    }
}

impl Parking {
    pub(super) fn refill_held(&mut self, ctx: &Context<Self>) {
        for refill in std::mem::take(&mut self.held) {
            self.refill(refill, ctx);
        }
    }

    fn refill(&mut self, refill: Refill, ctx: &Context<Self>) {
        let scope = WaitingScope { lane: refill.lane, class: refill.class };
        if self.lots.values().any(|lot| !lot.is_backlog_out && lot.scopes.contains_key(&scope)) {
            self.held.push(refill);
            return;
        }
        let Refill { lane, class, channel, room, from, pool, question } = refill;
        if let ReadFrom::Shelf(position) = from {
            // What is on its way to a place before that would cut all of it off.
            let from = before(position, channel);
            let is_before = |park: &OpenPark| park.first.get(&scope).is_some_and(|first| *first <= from);
            if self.open.values().flatten().any(is_before) {
                self.held.push(Refill { lane, class, channel, room, from: ReadFrom::Shelf(position), pool, question });
                return;
            }
        }
        let mut asked = Vec::new();
        for (partition, lot) in &mut self.lots {
            if let Some(known) = lot.scopes.get_mut(&scope) {
                let open = self.open.get(partition).into_iter().flatten();
                let (cursor, reader) = if let ReadFrom::Shelf(position) = from {
                    let mut reader = Reader::default();
                    open.filter_map(|park| park.first.get(&scope)).for_each(|first| reader.lower_floor(first));
                    (Some(before(position, channel)), Some(reader))
                } else {
                    let reader = &mut known.readers[channel as usize];
                    reader.is_reading = true;
                    reader.floor = None;
                    if from == ReadFrom::Start {
                        reader.cursor = None;
                    }
                    let open = open.filter(|park| !park.is_shelved);
                    open.filter_map(|park| park.first.get(&scope)).for_each(|first| reader.lower_floor(first));
                    (reader.cursor.clone(), None)
                };
                asked.push((*partition, lot.epoch, cursor, reader));
            }
        }
        let limit = (room / asked.len().max(1)).clamp(4, 4_096);
        let (node, parking) = (Arc::clone(&self.node), ctx.address());
        actix::spawn(async move {
            let queries: Vec<_> = asked
                .iter()
                .map(|(partition, _, cursor, _)| RangeQuery {
                    partition: *partition,
                    index: Index::Waiting(lane, class),
                    after: cursor.clone(),
                    to: UnixMs::MAX,
                    limit,
                    descending: false,
                })
                .collect();
            let found = if queries.is_empty() { Ok(Vec::new()) } else { node.store.ranges(&queries).await };
            let found = match found {
                Ok(found) => found.into_iter().map(Some).collect(),
                Err(error) => {
                    tracing::warn!(%lane, %error, "parked tickets could not be read, trying again");
                    // The lane asks again as soon as it is answered.
                    tokio::time::sleep(RETRY).await;
                    vec![None; asked.len()]
                }
            };
            let pages = asked.into_iter().zip(found).map(|((partition, epoch, _, reader), entries)| Page {
                partition,
                epoch,
                limit,
                reader,
                entries,
            });
            parking.do_send(PageRead { scope, from, channel, pages: pages.collect(), pool, question });
        });
    }
}

impl Handler<PageRead> for Parking {
    type Result = ();

    fn handle(&mut self, read: PageRead, _: &mut Self::Context) {
        let PageRead { scope, from, channel, pages, pool, question } = read;
        let mut tickets = Vec::new();
        let mut rest = Rest::Nothing;
        for Page { partition, epoch, limit, mut reader, entries } in pages {
            let lot = self.lots.get_mut(&partition).filter(|lot| lot.epoch == epoch);
            // Closed meanwhile: what it has is told when it opens again.
            let Some(known) = lot.and_then(|lot| lot.scopes.get_mut(&scope)) else {
                rest = Rest::Unread;
                continue;
            };
            let reader = reader.as_mut().unwrap_or(&mut known.readers[channel as usize]);
            let Some(mut entries) = entries else {
                reader.is_reading = false;
                rest = Rest::Unread;
                continue;
            };
            let was_full = entries.len() >= limit;
            rest = rest.min(reader.finish(&mut entries, was_full));
            for entry in entries {
                match Ticket::from_entry(entry.score, &entry.member) {
                    Ok(ticket) => tickets.push(ticket.parked()),
                    Err(error) => tracing::error!(%partition, %error, "a parked entry cannot be read"),
                }
            }
        }
        pool.do_send(Refilled { scope, from, tickets, rest, question });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ticket::fixtures::ticket;

    fn entry(n: u32) -> Entry {
        let ticket = ticket(n, 10);
        Entry { score: ticket.due_at, member: Member::from_slice(&ticket.member()) }
    }

    fn finish(floor: Option<u32>, page: &[u32], was_full: bool) -> (usize, Rest) {
        let mut reader = Reader { is_reading: true, floor: floor.map(entry), ..Reader::default() };
        let mut entries: Vec<_> = page.iter().map(|n| entry(*n)).collect();
        let rest = reader.finish(&mut entries, was_full);
        (entries.len(), rest)
    }

    #[test]
    fn what_is_told_to_be_left_is_never_behind_what_was_not_read() {
        let from = |n: u32| Rest::From(ticket(n, 10).position());
        assert_eq!(finish(None, &[1, 2], false), (2, Rest::Nothing));
        assert_eq!(finish(None, &[1, 2], true), (2, from(2)));
        assert_eq!(finish(Some(9), &[1, 2], false), (2, from(9)), "all before it was read");
        assert_eq!(finish(Some(9), &[1, 2], true), (2, from(2)), "what lies between was not");
        assert_eq!(finish(Some(2), &[1, 2, 3], true), (1, from(2)));
        assert_eq!(finish(Some(2), &[1, 3], false), (1, from(2)));
    }
}
