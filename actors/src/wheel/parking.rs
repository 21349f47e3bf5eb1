//! Tickets that are due beyond their lane's bound: parked in index `waiting`, from which the lane refills.
//!
//! One actor per shard. Parking moves entries from `due` to `waiting` (same score, same member) in one
//! batch per partition. It does not own the messages: one that was cancelled or edited since its ticket came has lost
//! its entry, in an earlier batch, and the move of what is not there does nothing. Refilling reads on from a cursor per partition and lane; a ticket that is parked
//! behind the cursor moves it back once that is durable, and what is then read twice is recognised by the
//! lane.

use std::collections::{BTreeMap, HashMap, VecDeque, btree_map};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message as ActixMessage};

use crate::domain::address::Channel;
use crate::domain::clock::UnixMs;
use crate::domain::ids::{LaneNo, Partition};
use crate::domain::message::Class;
use crate::domain::ticket::Ticket;
use crate::journal::{Commit, Requester};
use crate::sender::pool::{ParkedFound, Refilled, SenderPool};
use crate::shard::Node;
use crate::store::keys::WaitingScope;
use crate::store::{Batch, Entry, Index, Member, Mutation, RangeQuery};

/// Park these: their lanes are full.
#[derive(Debug, ActixMessage)]
#[rtype(result = "()")]
pub struct Park(pub Vec<Ticket>);

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
    /// Not behind the last ticket read, but at the start.
    pub from_start: bool,
    /// Who asks.
    pub pool: Addr<SenderPool>,
    /// The asker's number for the question.
    pub question: u64,
}

/// Serve a partition with these scopes.
#[derive(Debug, ActixMessage)]
#[rtype(result = "()")]
pub struct OpenParking {
    /// Which.
    pub partition: Partition,
    /// Which opening.
    pub epoch: u32,
    /// Scopes of index `waiting` that may hold something.
    pub scopes: Vec<WaitingScope>,
}

/// All that was due when a partition was opened has been loaded and let go.
#[derive(Debug, Clone, Copy, ActixMessage)]
#[rtype(result = "()")]
pub struct BacklogOut {
    /// Which.
    pub partition: Partition,
    /// Which opening.
    pub epoch: u32,
}

/// Forget a partition.
#[derive(Debug, Clone, Copy, ActixMessage)]
#[rtype(result = "()")]
pub struct CloseParking(pub Partition);

/// How far one pool has read a scope.
#[derive(Debug, Default)]
struct Reader {
    cursor: Option<Entry>,
    is_reading: bool,
    is_moved_back: bool,
    /// The first of those that were being parked during the read, which may not have seen them: what it found
    /// from there on is left for the next one, so that none of them is overtaken.
    floor: Option<Entry>,
}

impl Reader {
    fn lower_floor(&mut self, first: &Entry) {
        if self.floor.as_ref().is_none_or(|floor| first < floor) {
            self.floor = Some(first.clone());
        }
    }
}

/// Between attempts to read from a store that does not answer.
const RETRY: Duration = Duration::from_millis(250);

#[derive(Debug, Default)]
struct Scope {
    /// By channel. Nobody knows whose the lane of a removed sender was: every pool reads it, and what one has
    /// passed over the others have not read.
    readers: [Reader; Channel::ALL.len()],
}

#[derive(Debug)]
struct Lot {
    epoch: u32,
    /// The wheel has let everything go that is due: until then what lies here may overtake it.
    is_backlog_out: bool,
    scopes: BTreeMap<WaitingScope, Scope>,
}

#[derive(Debug, ActixMessage)]
#[rtype(result = "()")]
struct PageRead {
    scope: WaitingScope,
    channel: Channel,
    pages: Vec<(Partition, u32, usize, Vec<Entry>)>,
    is_complete: bool,
    pool: Addr<SenderPool>,
    question: u64,
}

/// A move for each ticket (two writes in a store), and one mutation for its scope if that is new: within a batch.
const PARK_CHUNK: usize = Batch::MAX_MUTATIONS / 3;

/// The parking of one shard.
#[derive(Debug)]
pub struct Parking {
    node: Arc<Node>,
    lots: BTreeMap<Partition, Lot>,
    /// In the order in which the journal will confirm them: the first entry of each scope.
    open: HashMap<Partition, VecDeque<BTreeMap<WaitingScope, Entry>>>,
    /// Questions that wait for a backlog: at most one for each scope and channel.
    held: Vec<Refill>,
}

impl Parking {
    /// A parking that serves nothing yet.
    #[must_use]
    pub fn new(node: Arc<Node>) -> Self {
        Self { node, lots: BTreeMap::new(), open: HashMap::new(), held: Vec::new() }
    }

    fn park(&mut self, partition: Partition, tickets: &[Ticket], ctx: &Context<Self>) {
        // Not open: the tickets are in `due` and are loaded again with the partition.
        let Some(lot) = self.lots.get_mut(&partition) else { return };
        let mut mutations = Vec::with_capacity(tickets.len() * 2 + 1);
        let mut touched: BTreeMap<WaitingScope, Entry> = BTreeMap::new();
        for ticket in tickets {
            let scope = WaitingScope { lane: ticket.lane, class: ticket.class() };
            let member = Member::from_slice(&ticket.member());
            let entry = Entry { score: ticket.due_at, member: member.clone() };
            lot.scopes.entry(scope).or_insert_with(|| {
                mutations.push(Mutation::Index(Index::WaitingScopes, UnixMs(0), scope.encode()));
                Scope::default()
            });
            match touched.entry(scope) {
                btree_map::Entry::Vacant(first) => {
                    first.insert(entry);
                }
                btree_map::Entry::Occupied(mut first) if entry < *first.get() => _ = first.insert(entry),
                btree_map::Entry::Occupied(_) => {}
            }
            let waiting = Index::Waiting(scope.lane, scope.class);
            mutations.push(Mutation::Move(Index::Due, waiting, ticket.due_at, member));
        }
        for (scope, first) in &touched {
            let readers = lot.scopes.get_mut(scope).map(|known| &mut known.readers);
            readers
                .into_iter()
                .flatten()
                .filter(|reader| reader.is_reading)
                .for_each(|reader| reader.lower_floor(first));
        }
        self.open.entry(partition).or_default().push_back(touched);
        let requester = Requester::Parking(partition, ctx.address());
        self.node.shard(partition).journal.do_send(Commit {
            partition,
            epoch: lot.epoch,
            mutations,
            is_growth: false,
            hints_to_add: Vec::new(),
            hints_to_remove: Vec::new(),
            requester,
        });
    }
}

impl Actor for Parking {
    type Context = Context<Self>;
}

impl Handler<OpenParking> for Parking {
    type Result = ();

    fn handle(&mut self, OpenParking { partition, epoch, scopes }: OpenParking, _: &mut Self::Context) {
        for scope in &scopes {
            for pool in self.node.routes().pools.all() {
                pool.do_send(ParkedFound(*scope));
            }
        }
        let scopes = scopes.into_iter().map(|scope| (scope, Scope::default())).collect();
        self.lots.insert(partition, Lot { epoch, is_backlog_out: false, scopes });
    }
}

impl Handler<CloseParking> for Parking {
    type Result = ();

    fn handle(&mut self, CloseParking(partition): CloseParking, ctx: &mut Self::Context) {
        self.lots.remove(&partition);
        self.open.remove(&partition);
        self.refill_held(ctx);
    }
}

impl Handler<BacklogOut> for Parking {
    type Result = ();

    fn handle(&mut self, BacklogOut { partition, epoch }: BacklogOut, ctx: &mut Self::Context) {
        if let Some(lot) = self.lots.get_mut(&partition).filter(|lot| lot.epoch == epoch) {
            lot.is_backlog_out = true;
            self.refill_held(ctx);
        }
    }
}

impl Handler<Park> for Parking {
    type Result = ();

    fn handle(&mut self, Park(tickets): Park, ctx: &mut Self::Context) {
        let mut by_partition: BTreeMap<Partition, Vec<Ticket>> = BTreeMap::new();
        for ticket in tickets {
            by_partition.entry(self.node.partitions.of_contact(ticket.contact)).or_default().push(ticket);
        }
        for (partition, tickets) in by_partition {
            for chunk in tickets.chunks(PARK_CHUNK) {
                self.park(partition, chunk, ctx);
            }
        }
    }
}

/// Entries were moved.
#[derive(Debug, Clone, Copy, ActixMessage)]
#[rtype(result = "()")]
pub struct Parked(pub Partition);

impl Handler<Parked> for Parking {
    type Result = ();

    fn handle(&mut self, Parked(partition): Parked, _: &mut Self::Context) {
        let touched = self.open.get_mut(&partition).and_then(VecDeque::pop_front).unwrap_or_default();
        if let Some(lot) = self.lots.get_mut(&partition) {
            for (scope, first) in touched {
                let Some(scope) = lot.scopes.get_mut(&scope) else { continue };
                // Only now: a read before this moment did not see them, and may have gone past them.
                for reader in &mut scope.readers {
                    if reader.cursor.as_ref().is_some_and(|cursor| first <= *cursor) {
                        reader.cursor = None;
                        reader.is_moved_back = reader.is_reading;
                    }
                }
            }
        }
    }
}

impl Handler<Refill> for Parking {
    type Result = ();

    fn handle(&mut self, refill: Refill, ctx: &mut Self::Context) {
        self.refill(refill, ctx);
    }
}

impl Parking {
    fn refill_held(&mut self, ctx: &Context<Self>) {
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
        let Refill { lane, class, channel, room, from_start, pool, question } = refill;
        let mut asked = Vec::new();
        for (partition, lot) in &mut self.lots {
            if let Some(known) = lot.scopes.get_mut(&scope) {
                let reader = &mut known.readers[channel as usize];
                reader.is_reading = true;
                reader.floor = None;
                if from_start {
                    reader.cursor = None;
                }
                let open = self.open.get(partition).into_iter().flatten();
                open.filter_map(|batch| batch.get(&scope)).for_each(|first| reader.lower_floor(first));
                asked.push((*partition, lot.epoch, reader.cursor.clone()));
            }
        }
        let limit = (room / asked.len().max(1)).clamp(4, 4_096);
        let (node, parking) = (Arc::clone(&self.node), ctx.address());
        actix::spawn(async move {
            let queries: Vec<_> = asked
                .iter()
                .map(|(partition, _, cursor)| RangeQuery {
                    partition: *partition,
                    index: Index::Waiting(lane, class),
                    after: cursor.clone(),
                    to: UnixMs::MAX,
                    limit,
                    descending: false,
                })
                .collect();
            let found = if queries.is_empty() { Ok(Vec::new()) } else { node.store.ranges(&queries).await };
            let is_complete = found.is_ok();
            if let Err(error) = &found {
                tracing::warn!(%lane, %error, "parked tickets could not be read, trying again");
                // The lane asks again as soon as it is answered.
                tokio::time::sleep(RETRY).await;
            }
            let found = found.unwrap_or_else(|_| vec![Vec::new(); asked.len()]);
            let pages = asked.into_iter().zip(found);
            let pages = pages.map(|((partition, epoch, _), entries)| (partition, epoch, limit, entries)).collect();
            parking.do_send(PageRead { scope, channel, pages, is_complete, pool, question });
        });
    }
}

impl Handler<PageRead> for Parking {
    type Result = ();

    fn handle(&mut self, read: PageRead, _: &mut Self::Context) {
        let PageRead { scope, channel, pages, is_complete, pool, question } = read;
        let mut tickets = Vec::new();
        let mut is_exhausted = is_complete;
        for (partition, epoch, limit, mut entries) in pages {
            let Some(lot) = self.lots.get_mut(&partition).filter(|lot| lot.epoch == epoch) else {
                is_exhausted = false;
                continue;
            };
            let Some(known) = lot.scopes.get_mut(&scope) else { continue };
            is_exhausted &= entries.len() < limit;
            let reader = &mut known.readers[channel as usize];
            reader.is_reading = false;
            if let Some(floor) = reader.floor.take() {
                is_exhausted = false;
                entries.truncate(entries.partition_point(|entry| *entry < floor));
            }
            // A cursor that was moved back meanwhile stays there: what it misses is read again.
            if reader.is_moved_back {
                reader.is_moved_back = false;
                is_exhausted = false;
            } else if let Some(last) = entries.last() {
                reader.cursor = Some(last.clone());
            }
            for entry in entries {
                match Ticket::from_entry(entry.score, &entry.member) {
                    Ok(ticket) => tickets.push(ticket.parked()),
                    Err(error) => tracing::error!(%partition, %error, "a parked entry cannot be read"),
                }
            }
        }
        pool.do_send(Refilled { scope, tickets, is_exhausted, question });
    }
}
