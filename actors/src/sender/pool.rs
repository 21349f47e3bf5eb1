//! The sender pool's actor: one per channel. Due tickets wait in its lanes; a permit lets one through to
//! its contact, which checks and claims; the envelope comes back and goes to a worker; the outcome goes to
//! the contact, and is kept here until its settling is acknowledged.
//!
//! Permits under way are bounded by the workers plus a little read-ahead: as many as the workers finish
//! during one claim. So a claim seldom waits for a worker, and never long: an envelope whose permit is
//! older than its time to live goes back unsent.
//!
//! If the process dies, permits die with it: the claims that were made are met again as another boot's.

mod messages;
mod refills;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message as ActixMessage, SpawnHandle};

use super::allowance::Allowance;
use super::lanes::{LaneConfig, Lanes, LanesSettings, Next, Permit, Release};
use super::transport::{Envelope, Transport};
use super::worker::{SenderWorker, Work, WorkDone};
use crate::contact::command::{AttemptEnd, AttemptFinished, ContactCommand, PermitGranted};
use crate::contact::registry::DeliverMany;
use crate::domain::address::Channel;
use crate::domain::clock::BootUs;
use crate::domain::ids::ContactId;
use crate::domain::reason::LaneReason;
use crate::domain::ticket::Ticket;
use crate::domain::verdict::Verdict;
use crate::shard::Node;
use crate::store::keys::WaitingScope;

use refills::Question;

pub use messages::{
    Admit, CancelTicket, DescribePool, DropTickets, HandOver, ParkedFound, PermitReleased, PoolStatus, Refilled,
    SendersChanged, SetDraining, Settled, WhyWaiting,
};

/// Where a permit is.
#[derive(Debug)]
enum Phase {
    /// With its contact, for the last check and the claim.
    Asked,
    /// Its envelope waits for a worker.
    Ready,
    /// A worker has it.
    Sending,
    /// Its attempt is over; the contact was told at this moment and has not settled it yet.
    Ended { finished: Box<AttemptFinished>, told_at: BootUs },
}

#[derive(Debug)]
struct PermitState {
    ticket: Ticket,
    granted_at: BootUs,
    attempt: u16,
    phase: Phase,
}

/// An outcome that was not acknowledged is told again after this long.
const TELL_AGAIN: Duration = Duration::from_secs(2);

/// The pool of one channel.
pub struct SenderPool {
    node: Arc<Node>,
    channel: Channel,
    transport: Arc<dyn Transport>,
    lanes: Lanes,
    workers: Vec<Addr<SenderWorker>>,
    idle: Vec<usize>,
    ready: VecDeque<(u64, Box<Envelope>)>,
    permits: HashMap<u64, PermitState>,
    active: usize,
    allowance: Allowance,
    alarm: Option<(BootUs, SpawnHandle)>,
    questions: HashMap<WaitingScope, Question>,
    questions_asked: u64,
    /// Scopes whose next refill begins at the start.
    read_again: HashSet<WaitingScope>,
    tell: Vec<Vec<(ContactId, ContactCommand)>>,
    is_telling: bool,
}

impl std::fmt::Debug for SenderPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SenderPool").field("channel", &self.channel).finish_non_exhaustive()
    }
}

impl SenderPool {
    /// A pool over a transport.
    #[must_use]
    pub fn new(node: Arc<Node>, channel: Channel, transport: Arc<dyn Transport>) -> Self {
        let now = node.clock.boot();
        let settings = LanesSettings {
            lane_bound: node.settings.lane_bound,
            total_bound: node.settings.lanes_total_bound,
            channel_limit: node.settings.delivery(channel).channel_limit,
            ..LanesSettings::default()
        };
        let shards = node.settings.shards;
        Self {
            lanes: Lanes::new(settings, now),
            allowance: Allowance::new(transport.connections().max(1), now),
            workers: Vec::new(),
            idle: Vec::new(),
            ready: VecDeque::new(),
            permits: HashMap::new(),
            active: 0,
            alarm: None,
            questions: HashMap::new(),
            questions_asked: 0,
            read_again: HashSet::new(),
            tell: (0..shards).map(|_| Vec::new()).collect(),
            is_telling: false,
            node,
            channel,
            transport,
        }
    }

    fn tell(&mut self, contact: ContactId, command: ContactCommand, ctx: &mut Context<Self>) {
        let shard = self.node.shard_of(self.node.partitions.of_contact(contact));
        self.tell[shard].push((contact, command));
        // What this turn brings goes together.
        if !std::mem::replace(&mut self.is_telling, true) {
            ctx.notify(TellNow);
        }
    }

    /// Gives permits while there is room for them.
    fn pump(&mut self, ctx: &mut Context<Self>) {
        let now = self.node.clock.boot();
        let allowed = self.allowance.permits(now);
        let attempt_timeout = self.transport.attempt_timeout();
        // Outcomes that wait to be settled do not count, but not without a bound.
        while self.active < allowed && self.permits.len() < 4 * allowed + 1_024 {
            match self.lanes.next(now) {
                Next::Permit(Permit { id, ticket, granted_at, .. }) => {
                    let state = PermitState { ticket, granted_at, attempt: 0, phase: Phase::Asked };
                    self.permits.insert(id, state);
                    self.active += 1;
                    let granted = PermitGranted { permit: id, ticket, attempt_timeout };
                    self.tell(ticket.contact, ContactCommand::Permit(granted), ctx);
                }
                Next::WaitUntil(at) => {
                    self.set_alarm(at, now, ctx);
                    break;
                }
                Next::Idle => break,
            }
        }
        self.ask_for_refills(ctx);
    }

    fn set_alarm(&mut self, at: BootUs, now: BootUs, ctx: &mut Context<Self>) {
        if let Some((set_for, handle)) = self.alarm {
            if set_for <= at && set_for > now {
                return;
            }
            ctx.cancel_future(handle);
        }
        let handle = ctx.run_later(at.since(now), |pool, ctx| {
            pool.alarm = None;
            pool.pump(ctx);
        });
        self.alarm = Some((at, handle));
    }

    /// Gives envelopes to idle workers.
    fn dispatch(&mut self, ctx: &mut Context<Self>) {
        while let Some(worker) = self.idle.pop() {
            let Some((permit, envelope)) = self.ready.pop_front() else {
                self.idle.push(worker);
                break;
            };
            let now = self.node.clock.boot();
            let Some(state) = self.permits.get_mut(&permit) else {
                self.idle.push(worker);
                continue;
            };
            if now.since(state.granted_at) > self.node.settings.permit_ttl {
                self.idle.push(worker);
                self.end(permit, AttemptEnd::NotStarted, ctx);
                continue;
            }
            state.phase = Phase::Sending;
            let partition = self.node.partitions.of_contact(state.ticket.contact);
            self.workers[worker].do_send(Work {
                permit,
                due_at: state.ticket.due_at,
                envelope,
                deadline: now.plus(self.transport.attempt_timeout()),
                trust: Arc::clone(self.node.trust(partition)),
            });
        }
    }

    /// An attempt is over: its contact settles it.
    fn end(&mut self, permit: u64, end: AttemptEnd, ctx: &mut Context<Self>) {
        let finished_at = self.node.clock.now();
        let told_at = self.node.clock.boot();
        let Some(state) = self.permits.get_mut(&permit) else { return };
        let finished = AttemptFinished { permit, ticket: state.ticket, attempt: state.attempt, end, finished_at };
        state.phase = Phase::Ended { finished: Box::new(finished.clone()), told_at };
        self.active -= 1;
        let contact = state.ticket.contact;
        self.tell(contact, ContactCommand::Finished(Box::new(finished)), ctx);
    }

    fn forget(&mut self, permit: u64, release: Release, ctx: &mut Context<Self>) {
        let Some(state) = self.permits.remove(&permit) else { return };
        if !matches!(state.phase, Phase::Ended { .. }) {
            self.active -= 1;
        }
        self.lanes.release(permit, release, self.node.clock.boot());
        self.pump(ctx);
    }

    fn tell_again(&mut self, ctx: &mut Context<Self>) {
        let now = self.node.clock.boot();
        let mut again = Vec::new();
        for state in self.permits.values_mut() {
            if let Phase::Ended { finished, told_at } = &mut state.phase
                && now.since(*told_at) > TELL_AGAIN
            {
                *told_at = now;
                again.push(finished.clone());
            }
        }
        // A map's order is arbitrary; a replay must see the same one.
        again.sort_unstable_by_key(|finished| finished.permit);
        for finished in again {
            self.tell(finished.ticket.contact, ContactCommand::Finished(finished), ctx);
        }
    }

    /// The backlog of each lane, for the metrics; of the first thousand lanes, so that their number is bounded.
    fn show_backlog(&self) {
        for lane in self.lanes.status(self.node.clock.boot()).iter().take(1_000) {
            let backlog = lane.backlog.iter().sum::<usize>() as f64;
            metrics::gauge!("sendwheel_lane_backlog", "channel" => self.channel.name(), "lane" => lane.lane.to_string())
                .set(backlog);
        }
    }

    fn configure(&mut self) {
        let now = self.node.clock.boot();
        let directory = self.node.directory.load();
        for sender in directory.senders().filter(|sender| sender.channel() == self.channel) {
            self.lanes.configure(
                LaneConfig {
                    lane: sender.lane,
                    account: sender.account,
                    limit: sender.effective_limit(),
                    paused: sender.paused,
                },
                now,
            );
        }
        // The lane of a removed sender runs on without a limit: each ticket's last check holds its message.
        for status in self.lanes.status(now) {
            if directory.sender_of_lane(status.lane).is_none() && (status.limit.is_some() || status.paused) {
                let config = LaneConfig { lane: status.lane, account: status.account, limit: None, paused: false };
                self.lanes.configure(config, now);
            }
        }
    }
}

#[derive(Debug, Clone, Copy, ActixMessage)]
#[rtype(result = "()")]
struct TellNow;

impl Actor for SenderPool {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(1 << 16);
        for number in 0..self.transport.connections().max(1) {
            let worker = SenderWorker::new(number, Arc::clone(&self.node), ctx.address(), Arc::clone(&self.transport));
            self.workers.push(worker.start());
            self.idle.push(number);
        }
        self.configure();
        ctx.run_interval(TELL_AGAIN / 2, |pool, ctx| {
            pool.tell_again(ctx);
            pool.show_backlog();
            pool.pump(ctx);
        });
    }
}

impl Handler<TellNow> for SenderPool {
    type Result = ();

    fn handle(&mut self, _: TellNow, _: &mut Self::Context) {
        self.is_telling = false;
        for (shard, commands) in self.tell.iter_mut().enumerate() {
            if !commands.is_empty() {
                self.node.routes().shards[shard].registry.do_send(DeliverMany(std::mem::take(commands)));
            }
        }
    }
}

impl Handler<Admit> for SenderPool {
    type Result = ();

    fn handle(&mut self, Admit(tickets): Admit, ctx: &mut Self::Context) {
        let mut overflow = Vec::new();
        self.lanes.admit(&tickets, &mut overflow);
        if !overflow.is_empty() {
            self.park(overflow);
        }
        self.pump(ctx);
    }
}

impl Handler<CancelTicket> for SenderPool {
    type Result = ();

    fn handle(&mut self, CancelTicket(ticket): CancelTicket, _: &mut Self::Context) {
        // One that is not due yet is the wheel's.
        if ticket.due_at <= self.node.clock.now() {
            self.lanes.cancel(ticket.message, ticket.due_at);
        }
    }
}

impl Handler<HandOver> for SenderPool {
    type Result = ();

    fn handle(&mut self, HandOver { permit, envelope }: HandOver, ctx: &mut Self::Context) {
        let now = self.node.clock.boot();
        // A permit of a partition that was dropped meanwhile: the claim is met again and made anew.
        let Some(state) = self.permits.get_mut(&permit) else { return };
        state.attempt = envelope.attempt;
        state.phase = Phase::Ready;
        self.allowance.claimed(now.since(state.granted_at));
        self.ready.push_back((permit, envelope));
        self.dispatch(ctx);
    }
}

impl Handler<PermitReleased> for SenderPool {
    type Result = ();

    fn handle(&mut self, PermitReleased { permit, release }: PermitReleased, ctx: &mut Self::Context) {
        self.forget(permit, release, ctx);
    }
}

impl Handler<WorkDone> for SenderPool {
    type Result = ();

    fn handle(&mut self, WorkDone { worker, permit, end }: WorkDone, ctx: &mut Self::Context) {
        self.idle.push(worker);
        self.allowance.finished();
        let now = self.node.clock.boot();
        if let (Some(state), AttemptEnd::Judged(verdict)) = (self.permits.get(&permit), &end) {
            let failed =
                verdict.is_provider_failure().then(|| verdict.failure().and_then(|failure| failure.retry_after));
            if failed.is_some() || matches!(verdict, Verdict::Submitted { .. } | Verdict::Permanent(_)) {
                self.lanes.report_provider(state.ticket.lane, failed, now, self.node.ids.random_u64());
            }
        }
        self.end(permit, end, ctx);
        self.dispatch(ctx);
        self.pump(ctx);
    }
}

impl Handler<Settled> for SenderPool {
    type Result = ();

    fn handle(&mut self, Settled { permit, cost }: Settled, ctx: &mut Self::Context) {
        self.forget(permit, Release::Spent { cost }, ctx);
    }
}

impl Handler<DropTickets> for SenderPool {
    type Result = ();

    fn handle(&mut self, DropTickets(partition): DropTickets, ctx: &mut Self::Context) {
        let partitions = self.node.partitions;
        self.lanes.drop_partition(|ticket| partitions.of_contact(ticket.contact) != partition);
        // Asked permits die with their contacts; a claim that was made all the same is met again.
        let mut dead: Vec<u64> = self
            .permits
            .iter()
            .filter(|(_, state)| {
                matches!(state.phase, Phase::Asked) && partitions.of_contact(state.ticket.contact) == partition
            })
            .map(|(permit, _)| *permit)
            .collect();
        dead.sort_unstable();
        for permit in dead {
            self.forget(permit, Release::Unused, ctx);
        }
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
        self.lanes.set_draining(is_draining);
        self.pump(ctx);
    }
}

impl Handler<DescribePool> for SenderPool {
    type Result = PoolStatus;

    fn handle(&mut self, _: DescribePool, _: &mut Self::Context) -> PoolStatus {
        let at = self.node.clock.boot();
        PoolStatus { lanes: self.lanes.status(at), at, in_flight: self.permits.len() }
    }
}

impl Handler<WhyWaiting> for SenderPool {
    type Result = Vec<Option<LaneReason>>;

    fn handle(&mut self, WhyWaiting(tickets): WhyWaiting, _: &mut Self::Context) -> Self::Result {
        let now = self.node.clock.boot();
        tickets.iter().map(|ticket| self.lanes.why_ticket(ticket, now)).collect()
    }
}
