//! Tickets that are due beyond their lane's bound: parked in index `waiting`, from which the lane refills.
//!
//! One actor per shard. Parking moves entries from `due` to `waiting` (same score, same member) in one
//! batch per partition. Parking does not own the messages: one that was cancelled or edited since its ticket came has
//! lost its entry, in an earlier batch, and the move of what is not there does nothing. Refilling reads on from a
//! cursor per partition and lane; a ticket that is parked behind the cursor moves it back once that is durable,
//! and what is then read twice is recognised by the lane.
//!
//! Opening and closing go through here to the wheel, and from the wheel to the pools. So a pool hears which scopes
//! have something parked before the first ticket of an opening comes, and of a closing after the last one.

mod refills;

use std::collections::{BTreeMap, HashMap, VecDeque, btree_map};
use std::sync::Arc;

use actix::{Actor, AsyncContext, Context, Handler, Message as ActixMessage};

use super::actor::{CloseWindow, OpenWindow};
use crate::domain::address::Channel;
use crate::domain::clock::UnixMs;
use crate::domain::ids::Partition;
use crate::domain::ticket::Ticket;
use crate::journal::{Commit, Requester};
use crate::sender::pool::ParkedFound;
use crate::shard::Node;
use crate::store::keys::WaitingScope;
use crate::store::{Batch, Entry, Index, Member, Mutation};

use refills::Reader;
pub use refills::{ReadFrom, Refill};

/// Park these: their lanes are full, or have no more room for their destinations.
#[derive(Debug, ActixMessage)]
#[rtype(result = "()")]
pub struct Park {
    /// Which.
    pub tickets: Vec<Ticket>,
    /// They are read by position when their destinations have room: those who read on from a cursor may miss them.
    pub is_shelved: bool,
}

/// What one commit parks.
#[derive(Debug)]
struct OpenPark {
    is_shelved: bool,
    /// The first entry of each scope.
    first: BTreeMap<WaitingScope, Entry>,
}

/// Serve a partition with these scopes, and let its wheel do so.
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

/// Forget a partition, and let its wheel and the pools do so.
#[derive(Debug, Clone, Copy, ActixMessage)]
#[rtype(result = "()")]
pub struct CloseParking(pub Partition);

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

/// A move for each ticket (two writes in a store), and one mutation for its scope if that is new: within a batch.
const PARK_CHUNK: usize = Batch::MAX_MUTATIONS / 3;

/// The parking of one shard.
#[derive(Debug)]
pub struct Parking {
    node: Arc<Node>,
    lots: BTreeMap<Partition, Lot>,
    /// In the order in which the journal will confirm them.
    open: HashMap<Partition, VecDeque<OpenPark>>,
    /// Questions that wait for a backlog, or for what is being parked: at most two for each scope and channel.
    held: Vec<Refill>,
}

impl Parking {
    /// A parking that serves nothing yet.
    #[must_use]
    pub fn new(node: Arc<Node>) -> Self {
        Self { node, lots: BTreeMap::new(), open: HashMap::new(), held: Vec::new() }
    }

    fn park(&mut self, partition: Partition, tickets: &[Ticket], is_shelved: bool, ctx: &Context<Self>) {
        // Not open: the tickets are in `due` and are loaded again with the partition.
        let Some(lot) = self.lots.get_mut(&partition) else { return };
        let mut mutations = Vec::with_capacity(tickets.len() + 1);
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
        for (scope, first) in touched.iter().filter(|_| !is_shelved) {
            let readers = lot.scopes.get_mut(scope).map(|known| &mut known.readers);
            readers
                .into_iter()
                .flatten()
                .filter(|reader| reader.is_reading)
                .for_each(|reader| reader.lower_floor(first));
        }
        self.open.entry(partition).or_default().push_back(OpenPark { is_shelved, first: touched });
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
        self.node.shard(partition).wheel.do_send(OpenWindow { partition, epoch });
    }
}

impl Handler<CloseParking> for Parking {
    type Result = ();

    fn handle(&mut self, CloseParking(partition): CloseParking, ctx: &mut Self::Context) {
        self.lots.remove(&partition);
        self.open.remove(&partition);
        self.node.shard(partition).wheel.do_send(CloseWindow(partition));
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

    fn handle(&mut self, Park { tickets, is_shelved }: Park, ctx: &mut Self::Context) {
        let mut by_partition: BTreeMap<Partition, Vec<Ticket>> = BTreeMap::new();
        for ticket in tickets {
            by_partition.entry(self.node.partitions.of_contact(ticket.contact)).or_default().push(ticket);
        }
        for (partition, tickets) in by_partition {
            for chunk in tickets.chunks(PARK_CHUNK) {
                self.park(partition, chunk, is_shelved, ctx);
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

    fn handle(&mut self, Parked(partition): Parked, ctx: &mut Self::Context) {
        let parked = self.open.get_mut(&partition).and_then(VecDeque::pop_front);
        if let Some(OpenPark { is_shelved: false, first }) = parked
            && let Some(lot) = self.lots.get_mut(&partition)
        {
            for (scope, first) in first {
                let Some(scope) = lot.scopes.get_mut(&scope) else { continue };
                scope.readers.iter_mut().for_each(|reader| reader.parked(&first));
            }
        }
        self.refill_held(ctx);
    }
}
