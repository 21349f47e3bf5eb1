//! Tickets beyond a lane's bound: sent to be parked in the store, and read back when there is room.

use actix::{AsyncContext, Context, Handler};

use super::{ParkedFound, Refilled, SenderPool};
use crate::domain::ticket::Ticket;
use crate::sender::admission::AfterRefill;
use crate::sender::lanes::Rest;
use crate::store::keys::WaitingScope;
use crate::wheel::parking::{Park, Refill};

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
    pub(super) fn park(&mut self, overflow: Vec<Ticket>) {
        let mut by_shard: Vec<Vec<Ticket>> = vec![Vec::new(); self.node.settings.shards];
        for ticket in overflow {
            by_shard[self.node.shard_of(self.node.partitions.of_contact(ticket.contact))].push(ticket);
        }
        for (shard, tickets) in by_shard.into_iter().enumerate().filter(|(_, tickets)| !tickets.is_empty()) {
            self.node.routes().shards[shard].parking.do_send(Park(tickets));
        }
    }

    pub(super) fn ask_for_refills(&mut self, ctx: &Context<Self>) {
        for (lane, class, room) in self.dispatch.lanes.refills() {
            self.questions_asked += 1;
            let scope = WaitingScope { lane, class };
            let from_start = self.read_again.remove(&scope);
            let shards = &self.node.routes().shards;
            self.questions.insert(
                scope,
                Question {
                    number: self.questions_asked,
                    answers_due: shards.len(),
                    rest: Rest::Nothing,
                    tickets: Vec::new(),
                },
            );
            for shard in shards {
                let room = room / shards.len() + 1;
                let question = self.questions_asked;
                let (channel, pool) = (self.channel, ctx.address());
                shard.parking.do_send(Refill { lane, class, channel, room, from_start, pool, question });
            }
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
        let Refilled { scope, tickets, rest, question } = refilled;
        let Some(asked) = self.questions.get_mut(&scope).filter(|asked| asked.number == question) else { return };
        asked.answers_due -= 1;
        asked.rest = asked.rest.min(rest);
        let channel = self.channel;
        asked.tickets.extend(tickets.into_iter().filter(|ticket| ticket.channel() == channel));
        if asked.answers_due > 0 {
            return;
        }
        let Some(Question { rest, mut tickets, .. }) = self.questions.remove(&scope) else { return };
        tickets.sort_unstable_by_key(Ticket::order);
        if self.dispatch.lanes.admit_refill(scope.lane, scope.class, &tickets, rest) == AfterRefill::ReadAgain {
            self.read_again.insert(scope);
        }
        self.pump(ctx);
    }
}
