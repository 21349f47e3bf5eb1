//! The journal's actor: one per shard.
//!
//! One batch per partition is in flight; what arrives meanwhile waits and goes together. New work for which the
//! store has no room is known not to have been applied: the contacts that asked for it hear so ([`Refused`]), what
//! they decided since is dropped, and everybody else's goes on. After any other failed commit the partition is closed
//! here and its actor told: it drops the partition's contacts, draws a new token and opens it again. A late commit of
//! a dropped contact names an older epoch and is ignored.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message};

use tokio::sync::oneshot;

use super::batching::{Group, Share, next_group};
use crate::contact::actor::ContactActor;
use crate::domain::ids::Partition;
use crate::domain::planted::Bug;
use crate::partition::CommitFailed;
use crate::shard::Node;
use crate::store::{AddressHint, CommitError, Head, Mutation, StoreError};
use crate::wheel::parking::{Parked, Parking};

/// Who hears that a commit is durable.
#[derive(Debug)]
pub enum Requester {
    /// A contact.
    Contact(Addr<ContactActor>),
    /// The shard's parking.
    Parking(Partition, Addr<Parking>),
    /// A task beside the actors; what was dropped with its partition drops this.
    Waiting(oneshot::Sender<()>),
    /// Nobody: what a sweep removes it will not look for again.
    Nobody,
}

/// Make this durable.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Commit {
    /// In which partition.
    pub partition: Partition,
    /// Under which opening of it.
    pub epoch: u32,
    /// What.
    pub mutations: Vec<Mutation>,
    /// Whether it makes new work.
    pub is_growth: bool,
    /// Written before.
    pub hints_to_add: Vec<AddressHint>,
    /// Removed after.
    pub hints_to_remove: Vec<AddressHint>,
    /// Who hears of it.
    pub requester: Requester,
}

/// The requester's oldest open commit is durable.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Committed;

/// The store has no room for the requester's oldest open commit. Neither that nor any later one of its commits was
/// applied or will be: it undoes them, and says so ([`Undone`]).
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Refused;

/// This contact has undone what was refused: what it commits from here on does not build on it.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Undone {
    /// In which partition.
    pub partition: Partition,
    /// Under which opening of it.
    pub epoch: u32,
    /// Who.
    pub contact: Addr<ContactActor>,
}

/// Serve a partition under this head.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct OpenPartition {
    /// What the first commit names.
    pub head: Head,
    /// Which opening this is.
    pub epoch: u32,
}

/// Serve a partition no longer; what waits is dropped.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct ClosePartition(pub Partition);

#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Flush;

#[derive(Debug, Message)]
#[rtype(result = "()")]
struct BatchDone {
    epoch: u32,
    head: Head,
    is_growth: bool,
    outcome: Result<(), CommitError>,
    requesters: Vec<Requester>,
    pending: i64,
}

#[derive(Debug)]
struct Line {
    epoch: u32,
    head: Head,
    is_dirty: bool,
    queue: VecDeque<(Share, Requester)>,
    /// Contacts that have not undone yet what was refused.
    undoing: HashSet<Addr<ContactActor>>,
}

impl Line {
    fn is_undoing(&self, requester: &Requester) -> bool {
        matches!(requester, Requester::Contact(contact) if self.undoing.contains(contact))
    }

    /// There was no room for what these asked for. What they decided since builds on it.
    fn refuse(&mut self, requesters: Vec<Requester>) {
        for requester in requesters {
            if let Requester::Contact(contact) = requester
                && self.undoing.insert(contact.clone())
            {
                contact.do_send(Refused);
            }
        }
        let mut queue = std::mem::take(&mut self.queue);
        queue.retain(|(_, requester)| !self.is_undoing(requester));
        self.queue = queue;
    }
}

/// The group commit of one shard.
#[derive(Debug)]
pub struct Journal {
    node: Arc<Node>,
    lines: HashMap<Partition, Line>,
    dirty: Vec<Partition>,
    /// Partitions of which a group is with the store, perhaps of an earlier opening: none goes before that came back,
    /// so that address hints change in the order of the commits.
    in_flight: HashSet<Partition>,
}

impl Journal {
    /// A journal that serves nothing yet.
    #[must_use]
    pub fn new(node: Arc<Node>) -> Self {
        Self { node, lines: HashMap::new(), dirty: Vec::new(), in_flight: HashSet::new() }
    }

    fn flush(&mut self, partition: Partition, ctx: &Context<Self>) {
        let Some(line) = self.lines.get_mut(&partition) else { return };
        line.is_dirty = false;
        if self.in_flight.contains(&partition) {
            return;
        }
        let Some(group) = next_group(&mut line.queue) else { return };
        self.in_flight.insert(partition);
        let (epoch, head, journal) = (line.epoch, line.head, ctx.address());
        let (store, clock) = (Arc::clone(&self.node.store), Arc::clone(&self.node.clock));
        actix::spawn(async move {
            let mut head = head;
            let Group { batch, hints_to_add, hints_to_remove, requesters, pending } = group;
            metrics::histogram!("sendwheel_commit_mutations").record(batch.mutations.len() as f64);
            let (is_growth, started_at) = (batch.is_growth, clock.boot());
            let outcome = if batch.mutations.is_empty() && hints_to_add.is_empty() {
                Ok(())
            } else {
                let before = if hints_to_add.is_empty() { Ok(()) } else { store.add_hints(&hints_to_add).await };
                match before {
                    Ok(()) => store.commit(&mut head, batch).await,
                    Err(StoreError::OutOfSpace) if is_growth => Err(CommitError::NoRoom),
                    Err(error) => Err(CommitError::Unavailable(error.to_string())),
                }
            };
            metrics::histogram!("sendwheel_store_commit_seconds").record(clock.boot().since(started_at).as_secs_f64());
            if outcome.is_ok() && !hints_to_remove.is_empty() {
                // A hint that stays is verified by its reader.
                if let Err(error) = store.remove_hints(&hints_to_remove).await {
                    tracing::warn!(%error, "stale address hints stay");
                }
            }
            journal.do_send(BatchDone { epoch, head, is_growth, outcome, requesters, pending });
        });
    }
}

impl Actor for Journal {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // Bounded by the requests and permits under way, which are bounded themselves.
        ctx.set_mailbox_capacity(1 << 16);
    }
}

impl Handler<OpenPartition> for Journal {
    type Result = ();

    fn handle(&mut self, OpenPartition { head, epoch }: OpenPartition, _: &mut Self::Context) {
        let (queue, undoing) = (VecDeque::new(), HashSet::new());
        let line = Line { epoch, head, is_dirty: false, queue, undoing };
        self.lines.insert(head.partition, line);
    }
}

impl Handler<ClosePartition> for Journal {
    type Result = ();

    fn handle(&mut self, ClosePartition(partition): ClosePartition, _: &mut Self::Context) {
        self.lines.remove(&partition);
    }
}

impl Handler<Commit> for Journal {
    type Result = ();

    fn handle(&mut self, commit: Commit, ctx: &mut Self::Context) {
        // A contact of an earlier opening is being dropped: its callers hear that from the registry.
        let Some(line) = self.lines.get_mut(&commit.partition).filter(|line| line.epoch == commit.epoch) else {
            return;
        };
        if line.is_undoing(&commit.requester) {
            return;
        }
        if Bug::AcknowledgedBeforeDurable.is_planted()
            && let Requester::Contact(contact) = &commit.requester
        {
            contact.do_send(Committed);
        }
        let Commit { partition, mutations, is_growth, hints_to_add, hints_to_remove, requester, .. } = commit;
        line.queue.push_back((Share { mutations, is_growth, hints_to_add, hints_to_remove }, requester));
        if !line.is_dirty && !self.in_flight.contains(&partition) {
            line.is_dirty = true;
            self.dirty.push(partition);
            // Not at once: what else is decided in this turn of the shard goes with it.
            if self.dirty.len() == 1 {
                ctx.notify(Flush);
            }
        }
    }
}

impl Handler<Undone> for Journal {
    type Result = ();

    fn handle(&mut self, Undone { partition, epoch, contact }: Undone, _: &mut Self::Context) {
        if let Some(line) = self.lines.get_mut(&partition).filter(|line| line.epoch == epoch) {
            line.undoing.remove(&contact);
        }
    }
}

impl Handler<Flush> for Journal {
    type Result = ();

    fn handle(&mut self, _: Flush, ctx: &mut Self::Context) {
        for partition in std::mem::take(&mut self.dirty) {
            self.flush(partition, ctx);
        }
    }
}

impl Handler<BatchDone> for Journal {
    type Result = ();

    fn handle(&mut self, done: BatchDone, ctx: &mut Self::Context) {
        let partition = done.head.partition;
        self.in_flight.remove(&partition);
        let Some(line) = self.lines.get_mut(&partition).filter(|line| line.epoch == done.epoch) else {
            // Of an earlier opening: what waited for it goes now.
            return self.flush(partition, ctx);
        };
        match done.outcome {
            Ok(()) => {
                line.head = done.head;
                self.node.committed(partition).store(done.head.seq, Ordering::Relaxed);
                self.node.pending_of(partition).fetch_add(done.pending, Ordering::Relaxed);
                for requester in done.requesters {
                    match requester {
                        Requester::Contact(contact) => contact.do_send(Committed),
                        Requester::Parking(partition, parking) => parking.do_send(Parked(partition)),
                        Requester::Waiting(task) => {
                            // A task that went away is no error.
                            let _ = task.send(());
                        }
                        Requester::Nobody => {}
                    }
                }
                self.flush(partition, ctx);
            }
            Err(CommitError::NoRoom) if done.is_growth => {
                metrics::counter!("sendwheel_commits_without_room_total").increment(1);
                self.node.room.end();
                line.refuse(done.requesters);
                self.flush(partition, ctx);
            }
            Err(error) => {
                self.lines.remove(&partition);
                if let Some(actor) = self.node.partition_actor(partition) {
                    actor.do_send(CommitFailed { epoch: done.epoch, error });
                }
            }
        }
    }
}
