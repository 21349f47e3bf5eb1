//! Tickets beyond a lane's bound: sent to be parked in the store, and read back when there is room.

use actix::{AsyncContext, Context, Handler};

use super::{ParkedFound, Refilled, SenderPool};
use crate::domain::ticket::Ticket;
use crate::sender::admission::AfterRefill;
use crate::sender::lanes::Rest;
use crate::sender::shelving::ShelfRead;
use crate::store::keys::WaitingScope;
use crate::wheel::parking::{Park, ReadFrom, Refill};

/// Entries of a scope that are read for its shelves at a time: many are not for those that have room.
const SHELF_PAGE: usize = 4_096;

/// For whom a scope is read; each asks one question at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Asker {
    Line,
    Shelves,
}

/// A refill that was asked of every shard.
#[derive(Debug)]
pub(super) struct Question {
    number: u64,
    answers_due: usize,
    rest: Rest,
    tickets: Vec<Ticket>,
}

impl SenderPool {
    /// Sends what does not fit to be parked.
    pub(super) fn park(&mut self, tickets: Vec<Ticket>, is_shelved: bool) {
        let mut by_shard: Vec<Vec<Ticket>> = vec![Vec::new(); self.node.settings.shards];
        for ticket in tickets {
            by_shard[self.node.shard_of(self.node.partitions.of_contact(ticket.contact))].push(ticket);
        }
        for (shard, tickets) in by_shard.into_iter().enumerate().filter(|(_, tickets)| !tickets.is_empty()) {
            self.node.routes().shards[shard].parking.do_send(Park { tickets, is_shelved });
        }
    }

    /// Sends what its lanes have no room for by destination to be parked, and asks for what they have room for.
    pub(super) fn keep_in_store(&mut self, ctx: &Context<Self>) {
        let shelved = self.dispatch.lanes.take_shelved();
        if !shelved.is_empty() {
            self.park(shelved, true);
        }
        for (lane, class, room) in self.dispatch.lanes.refills() {
            let scope = WaitingScope { lane, class };
            let from = if self.read_again.remove(&scope) { ReadFrom::Start } else { ReadFrom::Last };
            self.ask(scope, Asker::Line, room, from, ctx);
        }
        for ShelfRead { lane, class, from } in self.dispatch.lanes.shelf_reads() {
            self.ask(WaitingScope { lane, class }, Asker::Shelves, SHELF_PAGE, ReadFrom::Shelf(from), ctx);
        }
    }

    fn ask(&mut self, scope: WaitingScope, asker: Asker, room: usize, from: ReadFrom, ctx: &Context<Self>) {
        self.questions_asked += 1;
        let (number, shards) = (self.questions_asked, &self.node.routes().shards);
        let question = Question { number, answers_due: shards.len(), rest: Rest::Nothing, tickets: Vec::new() };
        self.questions.insert((scope, asker), question);
        let WaitingScope { lane, class } = scope;
        for shard in shards {
            let room = room / shards.len() + 1;
            let (channel, pool) = (self.channel, ctx.address());
            shard.parking.do_send(Refill { lane, class, channel, room, from, pool, question: number });
        }
    }
}

impl Handler<ParkedFound> for SenderPool {
    type Result = ();

    fn handle(&mut self, ParkedFound(scope): ParkedFound, ctx: &mut Self::Context) {
        let channel = self.node.directory.load().channel_of_lane(scope.lane);
        // The lane of a removed sender may be of any channel; the other pools find nothing of their own.
        if channel.is_none_or(|channel| channel == self.channel) {
            self.dispatch.lanes.set_parked(scope.lane, scope.class);
            self.pump(ctx);
        }
    }
}

impl Handler<Refilled> for SenderPool {
    type Result = ();

    fn handle(&mut self, refilled: Refilled, ctx: &mut Self::Context) {
        let Refilled { scope, from, tickets, rest, question } = refilled;
        let asker = if let ReadFrom::Shelf(_) = from { Asker::Shelves } else { Asker::Line };
        let Some(asked) = self.questions.get_mut(&(scope, asker)).filter(|asked| asked.number == question) else {
            return;
        };
        asked.answers_due -= 1;
        asked.rest = asked.rest.min(rest);
        let channel = self.channel;
        asked.tickets.extend(tickets.into_iter().filter(|ticket| ticket.channel() == channel));
        if asked.answers_due > 0 {
            return;
        }
        let Some(Question { rest, mut tickets, .. }) = self.questions.remove(&(scope, asker)) else { return };
        tickets.sort_unstable_by_key(Ticket::position);
        let (lane, class, lanes) = (scope.lane, scope.class, &mut self.dispatch.lanes);
        match asker {
            Asker::Line => {
                if lanes.admit_refill(lane, class, &tickets, rest) == AfterRefill::ReadAgain {
                    self.read_again.insert(scope);
                }
            }
            Asker::Shelves => lanes.admit_shelved(lane, class, &tickets, rest),
        }
        self.pump(ctx);
    }
}
