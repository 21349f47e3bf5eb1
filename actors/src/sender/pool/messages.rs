//! What a pool is told and asked.

use actix::Message as ActixMessage;

use crate::domain::clock::BootUs;
use crate::domain::ids::Partition;
use crate::domain::reason::LaneReason;
use crate::domain::ticket::Ticket;
use crate::sender::lanes::{LaneStatus, Release, Rest};
use crate::sender::transport::Envelope;
use crate::store::keys::WaitingScope;
use crate::wheel::parking::ReadFrom;

/// These are due.
#[derive(Debug, ActixMessage)]
#[rtype(result = "()")]
pub struct Admit(pub Vec<Ticket>);

/// This one was cancelled or moved.
#[derive(Debug, Clone, Copy, ActixMessage)]
#[rtype(result = "()")]
pub struct CancelTicket(pub Ticket);

/// The claim is durable: hand this over.
#[derive(Debug, ActixMessage)]
#[rtype(result = "()")]
pub struct HandOver {
    /// Under which permit.
    pub permit: u64,
    /// Under which opening of its partition it was claimed.
    pub epoch: u32,
    /// What.
    pub envelope: Box<Envelope>,
}

/// The permit was not used.
#[derive(Debug, Clone, Copy, ActixMessage)]
#[rtype(result = "()")]
pub struct PermitReleased {
    /// Which.
    pub permit: u64,
    /// What becomes of its ticket.
    pub release: Release,
}

/// The attempt under this permit is settled, durably.
#[derive(Debug, Clone, Copy, ActixMessage)]
#[rtype(result = "()")]
pub struct Settled {
    /// Which.
    pub permit: u64,
    /// What it cost.
    pub cost: u16,
}

/// The store has parked tickets of this scope. Sent when a partition is opened, before any ticket of that opening.
#[derive(Debug, Clone, Copy, ActixMessage)]
#[rtype(result = "()")]
pub struct ParkedFound(pub WaitingScope);

/// One shard's answer to a `Refill`.
#[derive(Debug, ActixMessage)]
#[rtype(result = "()")]
pub struct Refilled {
    /// For which scope.
    pub scope: WaitingScope,
    /// From where on it was asked for.
    pub from: ReadFrom,
    /// What was read.
    pub tickets: Vec<Ticket>,
    /// What this shard has of it besides.
    pub rest: Rest,
    /// The asker's number for the question.
    pub question: u64,
}

/// A partition is not served any more. Comes from its wheel, behind the last ticket that this let go.
#[derive(Debug, Clone, Copy, ActixMessage)]
#[rtype(result = "()")]
pub struct DropTickets(pub Partition);

/// Senders changed.
#[derive(Debug, Clone, Copy, ActixMessage)]
#[rtype(result = "()")]
pub struct SendersChanged;

/// Give no permits (or give them again).
#[derive(Debug, Clone, Copy, ActixMessage)]
#[rtype(result = "()")]
pub struct SetDraining(pub bool);

/// How the lanes are.
#[derive(Debug, Clone, Copy, ActixMessage)]
#[rtype(result = "PoolStatus")]
pub struct DescribePool;

/// The answer to [`DescribePool`].
#[derive(Debug, Clone, actix::MessageResponse)]
pub struct PoolStatus {
    /// Every lane.
    pub lanes: Vec<LaneStatus>,
    /// When this was so.
    pub at: BootUs,
    /// Permits under way, settled ones not among them.
    pub in_flight: usize,
}

/// Why these tickets wait, if they do.
#[derive(Debug, Clone, ActixMessage)]
#[rtype(result = "Vec<Option<LaneReason>>")]
pub struct WhyWaiting(pub Vec<Ticket>);
