//! The timing wheel's actor: one per shard. It holds the near future of the shard's partitions and lets
//! due tickets go to their pools (messages) or contacts (clean-ups).
//!
//! The wheel is a cache of the due index: dropped with its partition, filled again from the store. The
//! wall clock is read at every turn and at least once a second, so a clock that is set is noticed. Loading
//! goes page by page; a partition with a large backlog pages on while its tickets leave.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, Message as ActixMessage};
use tokio::sync::Notify;

use super::parking::BacklogOut;
use super::wheel::TimingWheel;
use super::window::{Armed, Load, Window};
use crate::contact::command::ContactCommand;
use crate::contact::registry::DeliverMany;
use crate::domain::address::Channel;
use crate::domain::clock::{SharedClock, UnixMs};
use crate::domain::ids::Partition;
use crate::domain::ticket::{Ticket, TicketKind};
use crate::sender::pool::{Admit, DropTickets};
use crate::shard::Node;
use crate::store::{Index, RangeQuery, StoreError};

/// A message was scheduled or rescheduled, durably.
#[derive(Debug, Clone, Copy, ActixMessage)]
#[rtype(result = "()")]
pub struct Arm(pub Ticket);

/// A message was cancelled or moved, durably.
#[derive(Debug, Clone, Copy, ActixMessage)]
#[rtype(result = "()")]
pub struct Disarm(pub Ticket);

/// A ticket that is due already is to be met again at this instant.
#[derive(Debug, Clone, Copy, ActixMessage)]
#[rtype(result = "()")]
pub struct Rewake(pub Ticket, pub UnixMs);

/// Load this partition's due entries.
#[derive(Debug, Clone, Copy, ActixMessage)]
#[rtype(result = "()")]
pub struct OpenWindow {
    /// Which.
    pub partition: Partition,
    /// Which opening.
    pub epoch: u32,
}

/// Forget this partition, and let the pools do so.
#[derive(Debug, Clone, Copy, ActixMessage)]
#[rtype(result = "()")]
pub struct CloseWindow(pub Partition);

/// Let nothing go any more.
#[derive(Debug, Clone, Copy, ActixMessage)]
#[rtype(result = "()")]
pub struct StopWheel;

/// What is loaded: for each partition the end of its window, and the tickets over all.
#[derive(Debug, Clone, Copy, ActixMessage)]
#[rtype(result = "WheelStatus")]
pub struct DescribeWheel;

/// The answer to [`DescribeWheel`].
#[derive(Debug, Clone, actix::MessageResponse)]
pub struct WheelStatus {
    /// Up to when each partition is loaded.
    pub windows: Vec<(Partition, UnixMs)>,
    /// Tickets in the wheel.
    pub tickets: usize,
}

#[derive(Debug, Clone, Copy, ActixMessage)]
#[rtype(result = "()")]
struct Turn;

#[derive(Debug, ActixMessage)]
#[rtype(result = "()")]
struct PagesLoaded(Vec<LoadedPage>);

/// What was read of one partition's due index.
#[derive(Debug)]
struct LoadedPage {
    partition: Partition,
    epoch: u32,
    limit: usize,
    tickets: Result<Vec<Ticket>, StoreError>,
}

struct Loaded {
    epoch: u32,
    window: Window,
    /// After a failed load: not again before.
    retry_at: UnixMs,
    /// What was due when it was opened has been let go, and the parking knows.
    is_backlog_out: bool,
}

/// Tickets that leave in one turn at most; then others have theirs.
const TURN: usize = 8_192;
const RETRY: Duration = Duration::from_millis(250);

/// The wheel of one shard.
pub struct WheelActor {
    node: Arc<Node>,
    wheel: TimingWheel,
    windows: BTreeMap<Partition, Loaded>,
    rewakes: BinaryHeap<Reverse<(UnixMs, u64, TicketByOrder)>>,
    rewake_count: u64,
    due: Vec<Ticket>,
    is_stopped: bool,
    alarm: Rc<Alarm>,
}

impl std::fmt::Debug for WheelActor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WheelActor").field("tickets", &self.wheel.len()).finish_non_exhaustive()
    }
}

/// A ticket in the heap of rewakes; ordered by the numbers before it alone.
#[derive(Clone, Copy)]
struct TicketByOrder(Ticket);

impl PartialEq for TicketByOrder {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
impl Eq for TicketByOrder {}
impl PartialOrd for TicketByOrder {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for TicketByOrder {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

/// When the next turn is wanted; shared with the task that waits for it.
struct Alarm {
    at: Cell<UnixMs>,
    changed: Notify,
    turned: Notify,
}

impl Alarm {
    fn want(&self, at: UnixMs) {
        if at < self.at.get() {
            self.at.set(at);
            self.changed.notify_one();
        }
    }
}

/// Waits for the alarm; outside the actor, whose mailbox may be full of other things.
async fn keep_time(alarm: Rc<Alarm>, clock: SharedClock, wheel: actix::WeakAddr<WheelActor>) {
    loop {
        let wait = alarm.at.get().since(clock.now());
        if !wait.is_zero() {
            // At least once a second, in case the clock was set.
            let nap = tokio::time::sleep(wait.min(Duration::from_secs(1)));
            tokio::select! {
                () = nap => {}
                () = alarm.changed.notified() => {}
            }
            if !alarm.at.get().since(clock.now()).is_zero() {
                continue;
            }
        }
        let Some(wheel) = wheel.upgrade() else { return };
        wheel.do_send(Turn);
        alarm.turned.notified().await;
    }
}

impl WheelActor {
    /// A wheel that holds nothing.
    #[must_use]
    pub fn new(node: Arc<Node>) -> Self {
        let now = node.clock.now();
        Self {
            node,
            wheel: TimingWheel::new(now),
            windows: BTreeMap::new(),
            rewakes: BinaryHeap::new(),
            rewake_count: 0,
            due: Vec::new(),
            is_stopped: false,
            alarm: Rc::new(Alarm { at: Cell::new(now), changed: Notify::new(), turned: Notify::new() }),
        }
    }

    fn partition(&self, ticket: &Ticket) -> Partition {
        self.node.partitions.of_contact(ticket.contact)
    }

    fn insert(&mut self, ticket: Ticket) {
        self.wheel.insert(ticket);
        self.alarm.want(ticket.due_at);
    }

    fn load_more(&mut self, now: UnixMs, ctx: &Context<Self>) {
        let horizon = now.plus(self.node.settings.wheel_horizon);
        let mut wanted = Vec::new();
        for (partition, loaded) in &mut self.windows {
            // Half a horizon ahead at once, so that a quiet partition is read seldom.
            let is_near = loaded.window.wants_more(now.plus(self.node.settings.wheel_horizon / 2));
            if is_near
                && loaded.retry_at <= now
                && let Some(Load { after, to, limit }) = loaded.window.begin_load(horizon)
            {
                wanted.push((
                    loaded.epoch,
                    RangeQuery { partition: *partition, index: Index::Due, after, to, limit, descending: false },
                ));
            }
        }
        if wanted.is_empty() {
            return;
        }
        let (node, wheel) = (Arc::clone(&self.node), ctx.address());
        actix::spawn(async move {
            let (epochs, queries): (Vec<_>, Vec<_>) = wanted.into_iter().unzip();
            let mut pages = Vec::with_capacity(queries.len());
            match node.store.ranges(&queries).await {
                Ok(found) => {
                    for ((epoch, query), entries) in epochs.into_iter().zip(&queries).zip(found) {
                        let tickets = entries
                            .iter()
                            .map(|entry| Ticket::from_entry(entry.score, &entry.member))
                            .collect::<Result<Vec<_>, _>>()
                            .map_err(|error| StoreError::Corrupt(error.to_string()));
                        pages.push(LoadedPage { partition: query.partition, epoch, limit: query.limit, tickets });
                    }
                }
                Err(error) => {
                    let error = error.to_string();
                    for (epoch, query) in epochs.into_iter().zip(&queries) {
                        let tickets = Err(StoreError::Unavailable(error.clone()));
                        pages.push(LoadedPage { partition: query.partition, epoch, limit: query.limit, tickets });
                    }
                }
            }
            wheel.do_send(PagesLoaded(pages));
        });
    }

    /// Lets parked tickets be read again where nothing that is due is still to come.
    fn tell_backlogs_out(&mut self, now: UnixMs) {
        for (partition, loaded) in &mut self.windows {
            if !loaded.is_backlog_out && loaded.window.end() >= now {
                loaded.is_backlog_out = true;
                let (partition, epoch) = (*partition, loaded.epoch);
                self.node.shard(partition).parking.do_send(BacklogOut { partition, epoch });
            }
        }
    }

    /// Sends due tickets where they belong.
    fn let_go(&mut self) {
        let (mut due, mut of_contacts) = (Channel::ALL.map(|channel| (channel, Vec::new())), Vec::new());
        for ticket in self.due.drain(..) {
            match (ticket.kind(), ticket.channel()) {
                (TicketKind::Cleanup, _) => of_contacts.push((ticket.contact, ContactCommand::Cleanup(ticket))),
                (TicketKind::Replan, _) => of_contacts.push((ticket.contact, ContactCommand::Replan(ticket, None))),
                (TicketKind::Message, channel) => due[channel as usize].1.push(ticket),
            }
        }
        for (channel, tickets) in due {
            if !tickets.is_empty() {
                self.node.routes().pools.of(channel).do_send(Admit(tickets));
            }
        }
        if let Some((contact, _)) = of_contacts.first() {
            self.node.shard_of_contact(*contact).registry.do_send(DeliverMany(of_contacts));
        }
    }
}

impl Actor for WheelActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(1 << 16);
        let alarm = Rc::clone(&self.alarm);
        actix::spawn(keep_time(alarm, Arc::clone(&self.node.clock), ctx.address().downgrade()));
    }
}

impl Handler<Arm> for WheelActor {
    type Result = ();

    fn handle(&mut self, Arm(ticket): Arm, _: &mut Self::Context) {
        let partition = self.partition(&ticket);
        // Not open: it is in the store, and is loaded when the partition opens.
        let Some(loaded) = self.windows.get_mut(&partition) else { return };
        match loaded.window.arm(&ticket) {
            Armed::Insert => self.insert(ticket),
            Armed::Beyond => {}
        }
    }
}

impl Handler<Disarm> for WheelActor {
    type Result = ();

    fn handle(&mut self, Disarm(ticket): Disarm, _: &mut Self::Context) {
        let partition = self.partition(&ticket);
        let Some(loaded) = self.windows.get_mut(&partition) else { return };
        loaded.window.disarm(&ticket);
        // One that is due has left the wheel: its pool forgets it.
        if ticket.due_at > self.node.clock.now() {
            self.wheel.cancel(ticket.message, ticket.due_at);
        }
    }
}

impl Handler<Rewake> for WheelActor {
    type Result = ();

    fn handle(&mut self, Rewake(ticket, at): Rewake, _: &mut Self::Context) {
        if self.windows.contains_key(&self.partition(&ticket)) {
            self.rewake_count += 1;
            self.rewakes.push(Reverse((at, self.rewake_count, TicketByOrder(ticket))));
            self.alarm.want(at);
        }
    }
}

impl Handler<OpenWindow> for WheelActor {
    type Result = ();

    fn handle(&mut self, OpenWindow { partition, epoch }: OpenWindow, _: &mut Self::Context) {
        let window = Window::new(self.node.settings.wheel_page);
        self.windows.insert(partition, Loaded { epoch, window, retry_at: UnixMs(0), is_backlog_out: false });
        self.alarm.want(self.node.clock.now());
    }
}

impl Handler<CloseWindow> for WheelActor {
    type Result = ();

    fn handle(&mut self, CloseWindow(partition): CloseWindow, _: &mut Self::Context) {
        self.windows.remove(&partition);
        let partitions = self.node.partitions;
        self.wheel.retain(|ticket| partitions.of_contact(ticket.contact) != partition);
        self.rewakes.retain(|Reverse((_, _, ticket))| partitions.of_contact(ticket.0.contact) != partition);
        // From here, behind everything that was let go.
        for pool in self.node.routes().pools.all() {
            pool.do_send(DropTickets(partition));
        }
    }
}

impl Handler<StopWheel> for WheelActor {
    type Result = ();

    fn handle(&mut self, _: StopWheel, _: &mut Self::Context) {
        self.is_stopped = true;
    }
}

impl Handler<DescribeWheel> for WheelActor {
    type Result = WheelStatus;

    fn handle(&mut self, _: DescribeWheel, _: &mut Self::Context) -> WheelStatus {
        WheelStatus {
            windows: self.windows.iter().map(|(partition, loaded)| (*partition, loaded.window.end())).collect(),
            tickets: self.wheel.len(),
        }
    }
}

impl Handler<Turn> for WheelActor {
    type Result = ();

    fn handle(&mut self, _: Turn, ctx: &mut Self::Context) {
        let now = self.node.clock.now();
        let mut next = now.plus(Duration::from_secs(1));
        if !self.is_stopped {
            self.load_more(now, ctx);
            while let Some(Reverse((at, _, TicketByOrder(ticket)))) = self.rewakes.peek()
                && *at <= now
            {
                self.due.push(*ticket);
                self.rewakes.pop();
            }
            self.wheel.advance(now, TURN, &mut self.due);
            let is_all_out = self.due.len() < TURN;
            self.let_go();
            if is_all_out {
                self.tell_backlogs_out(now);
            }
            let rewake = self.rewakes.peek().map(|Reverse((at, ..))| *at);
            next = [self.wheel.next_due(), rewake].into_iter().flatten().fold(next, UnixMs::min);
        }
        self.alarm.at.set(next);
        self.alarm.turned.notify_one();
    }
}

impl Handler<PagesLoaded> for WheelActor {
    type Result = ();

    fn handle(&mut self, PagesLoaded(pages): PagesLoaded, _: &mut Self::Context) {
        let now = self.node.clock.now();
        let mut fresh = Vec::new();
        for LoadedPage { partition, epoch, limit, tickets } in pages {
            let Some(loaded) = self.windows.get_mut(&partition).filter(|loaded| loaded.epoch == epoch) else {
                continue;
            };
            match tickets {
                Ok(tickets) => {
                    let was_full = tickets.len() >= limit;
                    loaded.window.finish_load(&tickets, was_full, &mut fresh);
                    if was_full || !loaded.is_backlog_out {
                        self.alarm.want(now);
                    }
                }
                Err(error) => {
                    loaded.window.fail_load();
                    loaded.retry_at = now.plus(RETRY);
                    tracing::warn!(%partition, %error, "due entries could not be read, trying again");
                }
            }
        }
        for ticket in fresh {
            self.insert(ticket);
        }
    }
}
