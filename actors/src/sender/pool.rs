//! The sender pool's actor: one per channel. Due tickets wait in its lanes; a permit lets one through to
//! its contact, which checks and claims; the envelope comes back and goes to a worker; the outcome goes to
//! the contact, and is kept here until its settling is acknowledged.
//!
//! What is decided, [`Dispatch`](super::dispatch) decides: which permits are given, which envelope goes when,
//! what becomes of one whose claim took long. Here messages come in and go out, and time is read.

mod handlers;
mod messages;
mod refills;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message as ActixMessage, SpawnHandle};

use super::dispatch::{Begin, Dispatch, TELL_AGAIN};
use super::lanes::{LaneConfig, Lanes, LanesSettings};
use super::transport::{Envelope, Transport};
use super::worker::{SenderWorker, Work};
use crate::contact::command::{AttemptEnd, AttemptFinished, ContactCommand};
use crate::contact::registry::DeliverMany;
use crate::domain::address::Channel;
use crate::domain::clock::BootUs;
use crate::domain::ids::ContactId;
use crate::shard::Node;
use crate::store::keys::WaitingScope;

use refills::{Asker, Question};

pub use messages::{
    Admit, CancelTicket, DescribePool, DropTickets, HandOver, ParkedFound, PermitReleased, PoolStatus, Refilled,
    SendersChanged, SetDraining, Settled, WhyWaiting,
};

/// The pool of one channel.
pub struct SenderPool {
    node: Arc<Node>,
    channel: Channel,
    transport: Arc<dyn Transport>,
    /// Of envelopes, and under which opening of its partition each was claimed.
    dispatch: Dispatch<(u32, Box<Envelope>)>,
    workers: Vec<Addr<SenderWorker>>,
    alarm: Option<(BootUs, SpawnHandle)>,
    questions: HashMap<(WaitingScope, Asker), Question>,
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
            destinations: node.settings.destinations(channel),
            permit_ttl: node.settings.permit_ttl,
            ..LanesSettings::default()
        };
        let shards = node.settings.shards;
        let (workers, attempt_timeout) = (transport.connections().max(1), transport.attempt_timeout());
        Self {
            dispatch: Dispatch::new(Lanes::new(settings, now), workers, attempt_timeout, now),
            workers: Vec::new(),
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

    /// Everything goes that may go now.
    fn pump(&mut self, ctx: &mut Context<Self>) {
        let now = self.node.clock.boot();
        while let Some(begin) = self.dispatch.begin(now) {
            match begin {
                Begin::HandOver(next) => {
                    let partition = self.node.partitions.of_contact(next.ticket.contact);
                    let (epoch, envelope) = next.envelope;
                    self.workers[next.worker].do_send(Work {
                        permit: next.permit,
                        due_at: next.ticket.due_at,
                        envelope,
                        deadline: next.deadline,
                        trust: Arc::clone(self.node.trust(partition)),
                        epoch,
                    });
                }
                Begin::Undo(permit) => self.end(permit, AttemptEnd::NotStarted, now, ctx),
            }
        }
        while let Some(granted) = self.dispatch.ask(now) {
            self.tell(granted.ticket.contact, ContactCommand::Permit(granted), ctx);
        }
        if let Some(at) = self.dispatch.wakes_at() {
            self.set_alarm(at, now, ctx);
        }
        self.keep_in_store(ctx);
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

    /// An attempt is over: its contact settles it.
    fn end(&mut self, permit: u64, end: AttemptEnd, now: BootUs, ctx: &mut Context<Self>) {
        if let Some(finished) = self.dispatch.end(permit, end, self.node.clock.now(), now) {
            self.tell_finished(finished, ctx);
        }
    }

    fn tell_finished(&mut self, finished: Box<AttemptFinished>, ctx: &mut Context<Self>) {
        self.tell(finished.ticket.contact, ContactCommand::Finished(finished), ctx);
    }

    /// The backlog of each lane, and what of it waits for its destinations, for the metrics; of the first thousand
    /// lanes, so that their number is bounded.
    fn show_backlog(&self) {
        for lane in self.dispatch.lanes.status(self.node.clock.boot()).iter().take(1_000) {
            let backlog = lane.backlog.iter().sum::<usize>() as f64;
            let (channel, number) = (self.channel.name(), lane.lane.to_string());
            metrics::gauge!("sendwheel_lane_backlog", "channel" => channel, "lane" => number.clone()).set(backlog);
            metrics::gauge!("sendwheel_lane_held", "channel" => channel, "lane" => number).set(lane.held as f64);
        }
    }

    fn configure(&mut self) {
        let now = self.node.clock.boot();
        let directory = self.node.directory.load();
        let senders = directory.senders().filter(|sender| sender.channel() == self.channel).map(|sender| LaneConfig {
            lane: sender.lane,
            account: sender.account,
            limit: sender.effective_limit(),
            paused: sender.paused,
        });
        // What waits for one that is switched off is let through, to be dropped by its contact.
        let webhooks = directory.webhooks().filter(|_| self.channel == Channel::Webhook).map(|webhook| LaneConfig {
            lane: webhook.lane,
            account: webhook.account,
            limit: None,
            paused: false,
        });
        for config in senders.chain(webhooks) {
            self.dispatch.lanes.configure(config, now);
        }
        self.dispatch.lanes.set_account_limits(directory.account_limits(self.channel), now);
        for status in self.dispatch.lanes.status(now) {
            if directory.channel_of_lane(status.lane).is_none() {
                self.dispatch.lanes.sender_is_gone(status.lane);
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
        }
        self.configure();
        ctx.run_interval(TELL_AGAIN / 2, |pool, ctx| {
            for finished in pool.dispatch.untold(pool.node.clock.boot()) {
                pool.tell_finished(finished, ctx);
            }
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
