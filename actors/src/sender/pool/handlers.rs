//! What the pool does with each message that it gets.

use actix::Handler;

use super::{
    Admit, CancelTicket, DescribePool, DropTickets, HandOver, PermitReleased, PoolStatus, SenderPool, SendersChanged,
    SetDraining, Settled, WhyWaiting,
};
use crate::domain::reason::LaneReason;
use crate::sender::lanes::Release;
use crate::sender::worker::WorkDone;

impl Handler<Admit> for SenderPool {
    type Result = ();

    fn handle(&mut self, Admit(tickets): Admit, ctx: &mut Self::Context) {
        let mut overflow = Vec::new();
        self.dispatch.lanes.admit(&tickets, &mut overflow);
        if !overflow.is_empty() {
            self.park(overflow, false);
        }
        self.pump(ctx);
    }
}

impl Handler<CancelTicket> for SenderPool {
    type Result = ();

    fn handle(&mut self, CancelTicket(ticket): CancelTicket, _: &mut Self::Context) {
        // One that is not due yet is the wheel's.
        if ticket.due_at <= self.node.clock.now() {
            self.dispatch.lanes.cancel_ticket(&ticket);
        }
    }
}

impl Handler<HandOver> for SenderPool {
    type Result = ();

    fn handle(&mut self, HandOver { permit, epoch, envelope }: HandOver, ctx: &mut Self::Context) {
        self.dispatch.claimed(permit, envelope.attempt, (epoch, envelope), self.node.clock.boot());
        self.pump(ctx);
    }
}

impl Handler<PermitReleased> for SenderPool {
    type Result = ();

    fn handle(&mut self, PermitReleased { permit, release }: PermitReleased, ctx: &mut Self::Context) {
        self.dispatch.release(permit, release, self.node.clock.boot());
        self.pump(ctx);
    }
}

impl Handler<WorkDone> for SenderPool {
    type Result = ();

    fn handle(&mut self, WorkDone { worker, permit, end }: WorkDone, ctx: &mut Self::Context) {
        let now = self.node.clock.boot();
        self.dispatch.worked(worker, permit, &end, now, self.node.ids.random_u64());
        self.end(permit, end, now, ctx);
        self.pump(ctx);
    }
}

impl Handler<Settled> for SenderPool {
    type Result = ();

    fn handle(&mut self, Settled { permit, cost }: Settled, ctx: &mut Self::Context) {
        self.dispatch.release(permit, Release::Spent { cost }, self.node.clock.boot());
        self.pump(ctx);
    }
}

impl Handler<DropTickets> for SenderPool {
    type Result = ();

    fn handle(&mut self, DropTickets(partition): DropTickets, ctx: &mut Self::Context) {
        let partitions = self.node.partitions;
        self.dispatch.drop_contacts(|contact| partitions.of_contact(contact) == partition, self.node.clock.boot());
        self.pump(ctx);
    }
}

impl Handler<SendersChanged> for SenderPool {
    type Result = ();

    fn handle(&mut self, _: SendersChanged, ctx: &mut Self::Context) {
        self.configure();
        self.pump(ctx);
    }
}

impl Handler<SetDraining> for SenderPool {
    type Result = ();

    fn handle(&mut self, SetDraining(is_draining): SetDraining, ctx: &mut Self::Context) {
        self.dispatch.lanes.set_draining(is_draining);
        self.pump(ctx);
    }
}

impl Handler<DescribePool> for SenderPool {
    type Result = PoolStatus;

    fn handle(&mut self, _: DescribePool, _: &mut Self::Context) -> PoolStatus {
        let at = self.node.clock.boot();
        PoolStatus { lanes: self.dispatch.lanes.status(at), at, in_flight: self.dispatch.len() }
    }
}

impl Handler<WhyWaiting> for SenderPool {
    type Result = Vec<Option<LaneReason>>;

    fn handle(&mut self, WhyWaiting(tickets): WhyWaiting, _: &mut Self::Context) -> Self::Result {
        let now = self.node.clock.boot();
        tickets.iter().map(|ticket| self.dispatch.lanes.why_ticket(ticket, now)).collect()
    }
}
