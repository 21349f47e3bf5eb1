//! The registry of a shard: who is awake. It wakes contacts up (their records are read, grouped), passes
//! commands on, and puts contacts to sleep (least recently used first, when there are too many).
//!
//! Nothing is ever sent to a contact that may be stopping: while one is asked to sleep, its commands wait
//! here. When a partition is dropped, its contacts answer all their callers and stop; commands for it are
//! refused until it is open again, permits go back to their pool, outcomes are told again by it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message as ActixMessage};

use super::actor::{Abandon, ContactActor, Passivate, RecordsRead, ReplyTo, Tell};
use super::command::ContactCommand;
use super::decide::{Needs, needs};
use super::decision::{Known, Records};
use super::reading::{Read, read_all};
use crate::domain::clock::BootUs;
use crate::domain::contact::Contact;
use crate::domain::ids::{ContactId, Partition};
use crate::protocol::api::EngineError;
use crate::sender::Release;
use crate::sender::pool::PermitReleased;
use crate::shard::Node;
use crate::wheel::actor::Rewake;

/// A command for a contact, active or not.
#[derive(Debug, ActixMessage)]
#[rtype(result = "()")]
pub struct Deliver {
    /// Whom.
    pub contact: ContactId,
    /// What.
    pub command: ContactCommand,
    /// Who wants to know.
    pub reply: ReplyTo,
}

/// Several commands at once: permits, outcomes.
#[derive(Debug, ActixMessage)]
#[rtype(result = "()")]
pub struct DeliverMany(pub Vec<(ContactId, ContactCommand)>);

/// A contact needs records.
#[derive(Debug, ActixMessage)]
#[rtype(result = "()")]
pub struct ReadRecords {
    /// Who.
    pub contact: ContactId,
    /// Which.
    pub needs: Needs,
    /// Where to.
    pub to: Addr<ContactActor>,
}

/// A contact was asked to sleep.
#[derive(Debug, Clone, Copy, ActixMessage)]
#[rtype(result = "()")]
pub struct PassivationAnswer {
    /// Who.
    pub contact: ContactId,
    /// Under which opening of its partition it lives.
    pub epoch: u32,
    /// Whether it stopped.
    pub is_idle: bool,
}

/// Contacts of this partition may be woken up.
#[derive(Debug, Clone, Copy, ActixMessage)]
#[rtype(result = "()")]
pub struct OpenContacts {
    /// Which.
    pub partition: Partition,
    /// Which opening.
    pub epoch: u32,
}

/// Contacts of this partition stop; their callers hear this.
#[derive(Debug, Clone, ActixMessage)]
#[rtype(result = "()")]
pub struct CloseContacts {
    /// Which.
    pub partition: Partition,
    /// Why.
    pub error: EngineError,
}

/// How many contacts are awake.
#[derive(Debug, Clone, Copy, ActixMessage)]
#[rtype(result = "usize")]
pub struct CountActive;

#[derive(Debug, ActixMessage)]
#[rtype(result = "()")]
struct ReadsDone(Vec<(ReadFor, Read)>);

#[derive(Debug, Clone)]
enum ReadFor {
    Activation(ContactId, u32),
    Actor(Addr<ContactActor>),
}

#[derive(Debug)]
enum Slot {
    Loading { epoch: u32, waiting: VecDeque<(ContactCommand, ReplyTo)> },
    Active { epoch: u32, addr: Addr<ContactActor>, used: BootUs },
    Passivating { epoch: u32, addr: Addr<ContactActor>, waiting: VecDeque<(ContactCommand, ReplyTo)> },
}

#[derive(Debug)]
enum Gate {
    Open(u32),
    Closed(EngineError),
}

/// Read batches under way at once per shard.
const READS_IN_FLIGHT: usize = 4;
/// Records asked for in one read batch, about.
const READ_BATCH: usize = 1_024;

/// What could not be read is not read again before this: a record that stays unreadable keeps nobody busy.
const READ_AGAIN: Duration = Duration::from_millis(250);

/// A contact that nobody spoke to for this long goes to sleep.
const IDLE: Duration = Duration::from_secs(300);

/// The registry of one shard.
#[derive(Debug)]
pub struct ContactRegistry {
    node: Arc<Node>,
    slots: HashMap<ContactId, Slot>,
    gates: HashMap<Partition, Gate>,
    reads: VecDeque<(ReadFor, ContactId, Needs)>,
    reads_in_flight: usize,
    /// How many were woken up since some were asked to sleep.
    woken: usize,
}

impl ContactRegistry {
    /// A registry with nobody in it.
    #[must_use]
    pub fn new(node: Arc<Node>) -> Self {
        Self {
            node,
            slots: HashMap::new(),
            gates: HashMap::new(),
            reads: VecDeque::new(),
            reads_in_flight: 0,
            woken: 0,
        }
    }

    fn deliver(&mut self, contact: ContactId, command: ContactCommand, reply: ReplyTo) {
        let partition = self.node.partitions.of_contact(contact);
        let epoch = match self.gates.get(&partition) {
            Some(Gate::Open(epoch)) => *epoch,
            Some(Gate::Closed(error)) => return self.refuse(&command, reply, error.clone()),
            None => return self.refuse(&command, reply, EngineError::Unavailable),
        };
        let now = self.node.clock.boot();
        match self.slots.get_mut(&contact) {
            Some(Slot::Active { addr, used, .. }) => {
                *used = now;
                addr.do_send(Tell { command, reply });
            }
            Some(Slot::Loading { waiting, .. } | Slot::Passivating { waiting, .. }) => {
                waiting.push_back((command, reply));
            }
            None => self.load(contact, epoch, VecDeque::from([(command, reply)])),
        }
    }

    fn load(&mut self, contact: ContactId, epoch: u32, waiting: VecDeque<(ContactCommand, ReplyTo)>) {
        let nothing = Records::default();
        let partition = self.node.partitions.of_contact(contact);
        let suppressions = &self.node.suppressions;
        let known = Known { id: contact, partition, contact: None, records: &nothing, suppressions };
        // What the first command needs is read along with the contact's own record.
        let along = waiting.front().map(|(command, _)| needs(command, &known)).unwrap_or_default();
        self.reads.push_back((ReadFor::Activation(contact, epoch), contact, along));
        self.slots.insert(contact, Slot::Loading { epoch, waiting });
    }

    fn refuse(&self, command: &ContactCommand, reply: ReplyTo, error: EngineError) {
        if let Some(reply) = reply {
            let _ = reply.send(Err(error));
        }
        // The ticket is loaded again when its partition opens; an outcome is told again by its pool.
        if let ContactCommand::Permit(granted) = command {
            let pool = self.node.routes().pools.of(granted.ticket.channel());
            pool.do_send(PermitReleased { permit: granted.permit, release: Release::Unused });
        }
    }

    fn start_reads(&mut self, ctx: &Context<Self>) {
        while self.reads_in_flight < READS_IN_FLIGHT && !self.reads.is_empty() {
            let mut batch = Vec::new();
            let mut records = 0;
            while records < READ_BATCH
                && let Some((who, contact, needs)) = self.reads.pop_front()
            {
                records += 1 + needs.messages.len() + needs.contents.len();
                batch.push((who, contact, needs));
            }
            self.reads_in_flight += 1;
            let (node, registry) = (Arc::clone(&self.node), ctx.address());
            actix::spawn(async move {
                let (who, wanted): (Vec<_>, Vec<_>) = batch
                    .into_iter()
                    .map(|(who, contact, needs)| {
                        let with_contact = matches!(who, ReadFor::Activation(..));
                        (who, (contact, with_contact, needs))
                    })
                    .unzip();
                let read = read_all(&node, wanted).await;
                registry.do_send(ReadsDone(who.into_iter().zip(read).collect()));
            });
        }
    }

    fn activate(&mut self, contact: ContactId, epoch: u32, found: Option<Contact>, records: Records) {
        let partition = self.node.partitions.of_contact(contact);
        let Some(Slot::Loading { epoch: loading, waiting }) = self.slots.get_mut(&contact) else { return };
        if *loading != epoch {
            return;
        }
        let waiting = std::mem::take(waiting);
        let addr = ContactActor::new(Arc::clone(&self.node), contact, partition, epoch, found, records).start();
        for (command, reply) in waiting {
            addr.do_send(Tell { command, reply });
        }
        let used = self.node.clock.boot();
        self.slots.insert(contact, Slot::Active { epoch, addr, used });
        self.woken += 1;
        let bound = self.node.settings.active_contacts;
        if self.slots.len() > bound && self.woken >= bound / 20 {
            self.woken = 0;
            self.passivate_some(bound);
        }
    }

    /// Asks the least recently used to sleep until a tenth of the bound is free, two at most for each that was woken
    /// since. Those that are busy stay, and are asked again when they are the least recently used ones.
    fn passivate_some(&mut self, bound: usize) {
        let mut active: Vec<(BootUs, ContactId)> = self
            .slots
            .iter()
            .filter_map(|(id, slot)| if let Slot::Active { used, .. } = slot { Some((*used, *id)) } else { None })
            .collect();
        let tenth = bound / 10;
        let count = active.len().saturating_sub(bound - tenth).min(tenth.max(1));
        if count == 0 {
            return;
        }
        active.select_nth_unstable(count - 1);
        // A map's order is arbitrary; a replay must see the same one.
        active[..count].sort_unstable();
        for (_, id) in &active[..count] {
            self.passivate(*id);
        }
    }

    /// Asks those to sleep that nobody has spoken to for a while.
    fn passivate_idle(&mut self) {
        let now = self.node.clock.boot();
        let mut idle: Vec<ContactId> = self
            .slots
            .iter()
            .filter(|(_, slot)| matches!(slot, Slot::Active { used, .. } if now.since(*used) > IDLE))
            .map(|(id, _)| *id)
            .collect();
        idle.sort_unstable();
        for id in idle {
            self.passivate(id);
        }
    }

    fn passivate(&mut self, id: ContactId) {
        if let Some(slot) = self.slots.get_mut(&id)
            && let Slot::Active { epoch, addr, .. } = slot
        {
            let (epoch, addr) = (*epoch, addr.clone());
            addr.do_send(Passivate);
            *slot = Slot::Passivating { epoch, addr, waiting: VecDeque::new() };
        }
    }
}

impl Actor for ContactRegistry {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // Bounded by the requests and permits under way, which are bounded themselves.
        ctx.set_mailbox_capacity(1 << 16);
        ctx.run_interval(IDLE / 4, |registry, _| registry.passivate_idle());
    }
}

impl Handler<Deliver> for ContactRegistry {
    type Result = ();

    fn handle(&mut self, Deliver { contact, command, reply }: Deliver, ctx: &mut Self::Context) {
        self.deliver(contact, command, reply);
        self.start_reads(ctx);
    }
}

impl Handler<DeliverMany> for ContactRegistry {
    type Result = ();

    fn handle(&mut self, DeliverMany(commands): DeliverMany, ctx: &mut Self::Context) {
        for (contact, command) in commands {
            self.deliver(contact, command, None);
        }
        self.start_reads(ctx);
    }
}

impl Handler<ReadRecords> for ContactRegistry {
    type Result = ();

    fn handle(&mut self, ReadRecords { contact, needs, to }: ReadRecords, ctx: &mut Self::Context) {
        self.reads.push_back((ReadFor::Actor(to), contact, needs));
        self.start_reads(ctx);
    }
}

impl Handler<ReadsDone> for ContactRegistry {
    type Result = ();

    fn handle(&mut self, ReadsDone(reads): ReadsDone, ctx: &mut Self::Context) {
        self.reads_in_flight -= 1;
        for (who, read) in reads {
            match (who, read) {
                (ReadFor::Actor(addr), Ok((_, records))) => addr.do_send(RecordsRead(Ok(records))),
                (ReadFor::Actor(addr), Err(error)) => {
                    ctx.run_later(READ_AGAIN, move |_, _| addr.do_send(RecordsRead(Err(error))));
                }
                (ReadFor::Activation(id, epoch), Ok((contact, records))) => self.activate(id, epoch, contact, records),
                (ReadFor::Activation(id, epoch), Err(error)) => {
                    let is_this =
                        matches!(self.slots.get(&id), Some(Slot::Loading { epoch: loading, .. }) if *loading == epoch);
                    if is_this && let Some(Slot::Loading { waiting, .. }) = self.slots.remove(&id) {
                        for (command, reply) in waiting {
                            self.refuse_unread(&command, reply, error.clone(), ctx);
                        }
                    }
                }
            }
        }
        self.start_reads(ctx);
    }
}

impl ContactRegistry {
    /// The partition is open, but a read failed: the ticket stays in its lane and is tried again. Its permit is
    /// kept until then, so that no later message of the contact goes first.
    fn refuse_unread(&self, command: &ContactCommand, reply: ReplyTo, error: EngineError, ctx: &mut Context<Self>) {
        if let Some(reply) = reply {
            let _ = reply.send(Err(error));
        }
        match command {
            ContactCommand::Permit(granted) => {
                let pool = self.node.routes().pools.of(granted.ticket.channel()).clone();
                let released = PermitReleased { permit: granted.permit, release: Release::Requeue };
                ctx.run_later(READ_AGAIN, move |_, _| pool.do_send(released));
            }
            ContactCommand::Cleanup(ticket) | ContactCommand::Heard(ticket, ..) | ContactCommand::Replan(ticket, _) => {
                let at = self.node.clock.now().plus(Duration::from_secs(1));
                self.node.shard_of_contact(ticket.contact).wheel.do_send(Rewake(*ticket, at));
            }
            _ => {}
        }
    }
}

impl Handler<PassivationAnswer> for ContactRegistry {
    type Result = ();

    fn handle(&mut self, answer: PassivationAnswer, ctx: &mut Self::Context) {
        let PassivationAnswer { contact, epoch, is_idle } = answer;
        let is_this = matches!(self.slots.get(&contact), Some(Slot::Passivating { epoch: of, .. }) if *of == epoch);
        if !is_this {
            return;
        }
        let Some(Slot::Passivating { addr, waiting, .. }) = self.slots.remove(&contact) else { return };
        if !is_idle {
            for (command, reply) in waiting {
                addr.do_send(Tell { command, reply });
            }
            let used = self.node.clock.boot();
            self.slots.insert(contact, Slot::Active { epoch, addr, used });
        } else if !waiting.is_empty() {
            self.load(contact, epoch, waiting);
            self.start_reads(ctx);
        }
    }
}

impl Handler<OpenContacts> for ContactRegistry {
    type Result = ();

    fn handle(&mut self, OpenContacts { partition, epoch }: OpenContacts, _: &mut Self::Context) {
        self.gates.insert(partition, Gate::Open(epoch));
    }
}

impl Handler<CloseContacts> for ContactRegistry {
    type Result = ();

    fn handle(&mut self, CloseContacts { partition, error }: CloseContacts, _: &mut Self::Context) {
        self.gates.insert(partition, Gate::Closed(error.clone()));
        let partitions = self.node.partitions;
        let mut gone: Vec<ContactId> =
            self.slots.keys().filter(|contact| partitions.of_contact(**contact) == partition).copied().collect();
        gone.sort_unstable();
        for contact in gone {
            match self.slots.remove(&contact) {
                Some(Slot::Active { addr, .. }) => addr.do_send(Abandon(error.clone())),
                Some(Slot::Passivating { addr, waiting, .. }) => {
                    addr.do_send(Abandon(error.clone()));
                    for (command, reply) in waiting {
                        self.refuse(&command, reply, error.clone());
                    }
                }
                Some(Slot::Loading { waiting, .. }) => {
                    for (command, reply) in waiting {
                        self.refuse(&command, reply, error.clone());
                    }
                }
                None => {}
            }
        }
    }
}

impl Handler<CountActive> for ContactRegistry {
    type Result = usize;

    fn handle(&mut self, _: CountActive, _: &mut Self::Context) -> usize {
        self.slots.len()
    }
}
