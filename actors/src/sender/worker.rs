//! A sender worker: one connection, one attempt at a time. It reports an outcome and never tries again by
//! itself.

use std::sync::Arc;
use std::time::Duration;

use actix::fut::WrapFuture;
use actix::{Actor, ActorFutureExt, Addr, AsyncContext, Context, Handler, Message as ActixMessage};

use super::pool::SenderPool;
use super::transport::{Attempted, Connection, Envelope, Guard, Transport, Withdrawal};
use crate::contact::command::AttemptEnd;
use crate::domain::clock::{BootUs, SharedClock, UnixMs};
use crate::domain::message::BlobKey;
use crate::domain::planted::Bug;
use crate::domain::verdict::{Failure, Verdict};
use crate::shard::{Node, Trust};
use crate::store::{RecordKey, Table, keys};

/// Make an attempt.
#[derive(Debug, ActixMessage)]
#[rtype(result = "()")]
pub struct Work {
    /// Under which permit.
    pub permit: u64,
    /// When it was due, for the lateness.
    pub due_at: UnixMs,
    /// What.
    pub envelope: Box<Envelope>,
    /// Nothing is begun after this.
    pub deadline: BootUs,
    /// Until when the lease behind the claim is trusted.
    pub trust: Arc<Trust>,
    /// Under which opening of its partition it was claimed.
    pub epoch: u32,
}

/// A worker's attempt is over.
#[derive(Debug, ActixMessage)]
#[rtype(result = "()")]
pub struct WorkDone {
    /// Which worker.
    pub worker: usize,
    /// Under which permit.
    pub permit: u64,
    /// What came of it.
    pub end: AttemptEnd,
}

/// The claim may be used while its deadline and the lease's trust have not passed, and nobody stopped it.
struct ClaimGuard {
    clock: SharedClock,
    deadline: BootUs,
    trust: Arc<Trust>,
    epoch: u32,
    withdrawal: Withdrawal,
}

impl Guard for ClaimGuard {
    fn may_hand_over(&self) -> bool {
        let is_withdrawn = self.withdrawal.is_withdrawn() && !Bug::WithdrawalNotChecked.is_planted();
        let trusted_until =
            if Bug::LeaseNotChecked.is_planted() { self.deadline } else { self.trust.of_claim(self.epoch) };
        !is_withdrawn && self.clock.boot() < self.deadline.min(trusted_until)
    }
}

/// One worker.
pub struct SenderWorker {
    number: usize,
    node: Arc<Node>,
    pool: Addr<SenderPool>,
    transport: Arc<dyn Transport>,
    connection: Option<Box<dyn Connection>>,
}

impl std::fmt::Debug for SenderWorker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SenderWorker").field("number", &self.number).finish_non_exhaustive()
    }
}

impl SenderWorker {
    /// A worker that connects when it gets work.
    #[must_use]
    pub fn new(number: usize, node: Arc<Node>, pool: Addr<SenderPool>, transport: Arc<dyn Transport>) -> Self {
        Self { number, node, pool, transport, connection: None }
    }
}

impl Actor for SenderWorker {
    type Context = Context<Self>;
}

/// Beyond the transport's own timeouts: a connection that does not even keep those is given up.
const GRACE: Duration = Duration::from_secs(2);

impl Handler<Work> for SenderWorker {
    type Result = ();

    fn handle(&mut self, work: Work, ctx: &mut Self::Context) {
        let Work { permit, due_at, mut envelope, deadline, trust, epoch } = work;
        let mut connection = self.connection.take().unwrap_or_else(|| self.transport.connect());
        let (node, limit) = (Arc::clone(&self.node), self.transport.attempt_timeout() + GRACE);
        let channel = envelope.channel();
        let attempt = async move {
            let withdrawal = envelope.withdrawal.clone();
            let guard = ClaimGuard { clock: Arc::clone(&node.clock), deadline, trust, epoch, withdrawal };
            if let Err(end) = fetch_attachments(&node, &mut envelope).await {
                return (Some(connection), end);
            }
            if envelope.first_attempt {
                let lateness = node.clock.now().since(due_at).as_secs_f64();
                metrics::histogram!("sendwheel_lateness_seconds", "channel" => channel.name()).record(lateness);
            }
            match tokio::time::timeout(limit, connection.hand_over(&envelope, &guard)).await {
                Ok(Attempted::Judged(verdict)) => (Some(connection), AttemptEnd::Judged(verdict)),
                Ok(Attempted::NotStarted) => (Some(connection), AttemptEnd::NotStarted),
                Err(_) => {
                    let failure = Failure::provider("timeout", "the provider did not answer in time");
                    (None, AttemptEnd::Judged(Verdict::Unknown(failure)))
                }
            }
        };
        // One future at a time: the pool gives no work to a busy worker.
        ctx.spawn(attempt.into_actor(self).map(move |(connection, end), worker, _| {
            worker.connection = connection;
            worker.pool.do_send(WorkDone { worker: worker.number, permit, end });
        }));
    }
}

/// Attachments are blobs; their bytes are read here, not by the contact.
async fn fetch_attachments(node: &Node, envelope: &mut Envelope) -> Result<(), AttemptEnd> {
    if envelope.attachments.is_empty() {
        return Ok(());
    }
    let partition = node.partitions.of_contact(envelope.contact);
    let wanted: Vec<_> = envelope
        .attachments
        .iter()
        .map(|(attachment, _)| RecordKey {
            partition,
            table: Table::Blob,
            key: keys::blob(BlobKey { message: envelope.message, number: attachment.blob }),
        })
        .collect();
    let found = node.store.get(&wanted).await.map_err(|error| {
        AttemptEnd::Judged(Verdict::Transient(Failure::message("attachment_unread", error.to_string())))
    })?;
    for ((_, bytes), found) in envelope.attachments.iter_mut().zip(found) {
        *bytes = found.ok_or_else(|| {
            let failure = Failure::message("attachment_lost", "an attachment is missing from the store");
            AttemptEnd::Judged(Verdict::Permanent(failure))
        })?;
    }
    Ok(())
}
