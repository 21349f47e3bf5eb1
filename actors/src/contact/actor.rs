//! The contact's actor: performs what [`decide`] decided, in order, once it is durable.
//!
//! Commands are decided strictly one after another. When the first one needs records that are not known,
//! everything that the waiting commands need is read at once, and the actor goes on when it has come.
//! What was decided but is not durable yet lives in an overlay, which wins over anything read meanwhile.

use std::collections::VecDeque;
use std::sync::Arc;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message as ActixMessage};
use tokio::sync::oneshot;

use super::command::{Answered, ContactCommand};
use super::decide::{Needs, decide, needs};
use super::decision::{Decision, Known, Records, Surroundings};
use super::effects::OpenClaims;
use super::open::{OpenCommit, OpenCommits, Performance, TakenBack};
use super::overlay::{Changes, Overlay};
use super::registry::{PassivationAnswer, ReadRecords};
use crate::domain::contact::Contact;
use crate::domain::ids::{ContactId, Partition};
use crate::journal::{Commit, Committed, Refused, Requester, Undone};
use crate::protocol::api::EngineError;
use crate::shard::Node;

/// Where an answer goes; nobody waits for some.
pub type ReplyTo = Option<oneshot::Sender<Answered>>;

/// A command for this contact.
#[derive(Debug, ActixMessage)]
#[rtype(result = "()")]
pub struct Tell {
    /// What to do.
    pub command: ContactCommand,
    /// Who wants to know.
    pub reply: ReplyTo,
}

/// What was asked for has been read.
#[derive(Debug, ActixMessage)]
#[rtype(result = "()")]
pub struct RecordsRead(pub Result<Records, EngineError>);

/// The partition is dropped: answer everybody with this, and stop.
#[derive(Debug, ActixMessage)]
#[rtype(result = "()")]
pub struct Abandon(pub EngineError);

/// Stop, if nothing is open.
#[derive(Debug, Clone, Copy, ActixMessage)]
#[rtype(result = "()")]
pub struct Passivate;

/// One active contact.
pub struct ContactActor {
    pub(super) node: Arc<Node>,
    pub(super) id: ContactId,
    pub(super) partition: Partition,
    pub(super) epoch: u32,
    pub(super) contact: Option<Box<Contact>>,
    pub(super) inbox: VecDeque<(ContactCommand, ReplyTo)>,
    records: Records,
    overlay: Overlay,
    is_reading: bool,
    /// What is being read was asked for before something was taken back: it may be older than what is durable by now.
    is_outdated: bool,
    open: OpenCommits,
    pub(super) open_claims: OpenClaims,
}

impl std::fmt::Debug for ContactActor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ContactActor").field("id", &self.id).finish_non_exhaustive()
    }
}

impl ContactActor {
    /// A contact as it was read, with what was read along for its first command.
    #[must_use]
    pub fn new(
        node: Arc<Node>,
        id: ContactId,
        partition: Partition,
        epoch: u32,
        contact: Option<Contact>,
        records: Records,
    ) -> Self {
        Self {
            node,
            id,
            partition,
            epoch,
            contact: contact.map(Box::new),
            inbox: VecDeque::new(),
            records,
            overlay: Overlay::default(),
            is_reading: false,
            is_outdated: false,
            open: OpenCommits::default(),
            open_claims: OpenClaims::default(),
        }
    }

    fn known(&self) -> Known<'_> {
        Known {
            id: self.id,
            partition: self.partition,
            contact: self.contact.as_deref(),
            records: &self.records,
            suppressions: &self.node.suppressions,
        }
    }

    /// Decides what can be decided.
    fn pump(&mut self, ctx: &mut Context<Self>) {
        while !self.is_reading {
            let Some((command, _)) = self.inbox.front() else { break };
            let missing = needs(command, &self.known());
            if !missing.is_empty() {
                self.read(ctx, missing);
                return;
            }
            let (command, reply) = self.inbox.pop_front().expect("the front was just looked at");
            let is_paged = matches!(
                command,
                ContactCommand::Cleanup(_)
                    | ContactCommand::Forget(_)
                    | ContactCommand::Delete(..)
                    | ContactCommand::CancelPending(..)
                    | ContactCommand::ReplanPending(_)
                    | ContactCommand::Replan(..)
                    | ContactCommand::Receive(_)
            );
            self.perform(command, reply, ctx);
            if is_paged {
                // Entries are read anew for each step; records are remembered only as long as the overlay needs.
                self.overlay.trim(&mut self.records);
            }
        }
        if self.inbox.is_empty() && !self.is_reading {
            self.overlay.trim(&mut self.records);
        }
    }

    /// Reads what the first command needs, and along with it what the others will need.
    fn read(&mut self, ctx: &Context<Self>, first: Needs) {
        self.is_reading = true;
        let mut all = first;
        for (command, _) in self.inbox.iter().skip(1).take(255) {
            let more = needs(command, &self.known());
            all.messages.extend(more.messages);
            all.contents.extend(more.contents);
            all.aliases.extend(more.aliases);
            all.items.extend(more.items);
            all.suppressions.extend(more.suppressions);
        }
        all.messages.sort_unstable();
        all.messages.dedup();
        all.contents.sort_unstable();
        all.contents.dedup();
        all.items.sort_unstable();
        all.items.dedup();
        all.suppressions.sort_unstable();
        all.suppressions.dedup();
        let registry = &self.node.shard(self.partition).registry;
        registry.do_send(ReadRecords { contact: self.id, needs: all, to: ctx.address() });
    }

    fn perform(&mut self, command: ContactCommand, reply: ReplyTo, ctx: &mut Context<Self>) {
        let ended = match &command {
            ContactCommand::Finished(finished) => Some(finished.ticket.message),
            _ => None,
        };
        ended.into_iter().for_each(|message| self.open_claims.end(message));
        let node = Arc::clone(&self.node);
        let directory = node.directory.load();
        let around = Surroundings::of(&node, &directory);
        let again = self.open.may_take_back(&command).then(|| Box::new(command.clone()));
        let Decision {
            mutations,
            hints_to_add,
            hints_to_remove,
            is_growth,
            contact,
            messages,
            contents,
            aliases,
            items,
            suppressions,
            effects,
        } = decide(&self.known(), command, &around);
        if mutations.is_empty() && hints_to_add.is_empty() && hints_to_remove.is_empty() {
            match self.open.last() {
                Some(last) => last.performances.push(Performance { effects, reply, again }),
                None => self.run(effects, reply),
            }
            ended.into_iter().for_each(|message| self.overlay.forget_message(message));
            return;
        }
        // Before anything is changed. What nobody asked for is no new work.
        if is_growth
            && !node.room.is_left()
            && let Some(reply) = reply
        {
            let _ = reply.send(Err(EngineError::OutOfSpace));
            return;
        }
        node.room.take(&mutations);
        let contact_before = contact.map(|contact| std::mem::replace(&mut self.contact, contact));
        let changed = self.overlay.lay(Changes { messages, contents, aliases, items, suppressions }, &mut self.records);
        // What was sent was kept for this moment. If the decision left it alone, no commit takes it along.
        ended.into_iter().for_each(|message| self.overlay.forget_message(message));
        let performances = vec![Performance { effects, reply, again: again.filter(|_| !is_growth) }];
        self.open.push(OpenCommit { performances, changed, is_growth, contact_before });
        self.node.shard(self.partition).journal.do_send(Commit {
            partition: self.partition,
            epoch: self.epoch,
            mutations,
            is_growth,
            hints_to_add,
            hints_to_remove,
            requester: Requester::Contact(ctx.address()),
        });
    }
}

impl Actor for ContactActor {
    type Context = Context<Self>;
}

impl Handler<Tell> for ContactActor {
    type Result = ();

    fn handle(&mut self, Tell { command, reply }: Tell, ctx: &mut Self::Context) {
        self.inbox.push_back((command, reply));
        self.pump(ctx);
    }
}

impl Handler<RecordsRead> for ContactActor {
    type Result = ();

    fn handle(&mut self, RecordsRead(read): RecordsRead, ctx: &mut Self::Context) {
        self.is_reading = false;
        if std::mem::take(&mut self.is_outdated) {
            return self.pump(ctx);
        }
        match read {
            Ok(read) => {
                self.records.contents.extend(read.contents);
                self.records.blobs.extend(read.blobs);
                self.records.aliases.extend(read.aliases);
                self.records.items.extend(read.items);
                self.records.suppressions.extend(read.suppressions);
                self.records.pending = read.pending.or(self.records.pending.take());
                self.records.pending_count = read.pending_count.or(self.records.pending_count.take());
                self.records.timeline = read.timeline.or(self.records.timeline.take());
                self.records.recent = read.recent.or(self.records.recent.take());
                self.records.messages.extend(read.messages);
                // What was decided since the read began is newer than what it found.
                self.overlay.apply(&mut self.records);
                // What is being sent will be settled: its message need not be read for that.
                let claims = &self.open_claims;
                self.overlay.forget_durable(|id| claims.has(id));
                self.pump(ctx);
            }
            Err(error) => {
                // Only what was waiting for records fails; the next command reads again.
                if let Some((command, reply)) = self.inbox.pop_front() {
                    self.refuse(&command, reply, error);
                }
                self.pump(ctx);
            }
        }
    }
}

impl Handler<Committed> for ContactActor {
    type Result = ();

    fn handle(&mut self, _: Committed, ctx: &mut Self::Context) {
        let Some(OpenCommit { performances, changed, .. }) = self.open.pop() else { return };
        self.overlay.committed(&changed);
        for Performance { effects, reply, .. } in performances {
            self.run(effects, reply);
        }
        if !self.is_reading {
            let claims = &self.open_claims;
            self.overlay.forget(&changed, &mut self.records, |id| claims.has(id));
        }
        self.pump(ctx);
    }
}

impl Handler<Refused> for ContactActor {
    type Result = ();

    fn handle(&mut self, _: Refused, ctx: &mut Self::Context) {
        let TakenBack { contact, refused, again } = self.open.take_back();
        if let Some(contact) = contact {
            self.contact = contact;
        }
        // Whatever was decided before is durable, and can be read.
        (self.overlay, self.records) = (Overlay::default(), Records::default());
        self.is_outdated = self.is_reading;
        for reply in refused.into_iter().flatten() {
            let _ = reply.send(Err(EngineError::OutOfSpace));
        }
        for (command, reply) in again.into_iter().rev() {
            self.inbox.push_front((command, reply));
        }
        let (partition, epoch, contact) = (self.partition, self.epoch, ctx.address());
        self.node.shard(partition).journal.do_send(Undone { partition, epoch, contact });
        self.pump(ctx);
    }
}

impl Handler<Abandon> for ContactActor {
    type Result = ();

    fn handle(&mut self, Abandon(error): Abandon, ctx: &mut Self::Context) {
        for reply in self.open.take_replies().flatten() {
            let _ = reply.send(Err(error.clone()));
        }
        for (command, reply) in std::mem::take(&mut self.inbox) {
            self.refuse(&command, reply, error.clone());
        }
        ctx.stop();
    }
}

impl Handler<Passivate> for ContactActor {
    type Result = ();

    fn handle(&mut self, _: Passivate, ctx: &mut Self::Context) {
        let is_idle = self.inbox.is_empty() && !self.is_reading && self.open.is_empty() && self.open_claims.is_empty();
        let registry = &self.node.shard(self.partition).registry;
        registry.do_send(PassivationAnswer { contact: self.id, epoch: self.epoch, is_idle });
        if is_idle {
            ctx.stop();
        }
    }
}
