//! The terms on which the lanes are used: settings, permits and how they end.

use std::time::Duration;

use crate::domain::clock::BootUs;
use crate::domain::destination_limits::DestinationLimits;
use crate::domain::directory::Limit;
use crate::domain::ids::{AccountNo, LaneNo};
use crate::domain::ticket::{Position, Ticket};

/// A lane and class may hold this many tickets even when the total bound is reached, so that lanes that
/// stand still with full queues never keep another one from its tickets.
pub const GUARANTEED_ROOM: usize = 128;

/// Bounds, weights and the channel's limit.
#[derive(Debug, Clone)]
pub struct LanesSettings {
    /// Most tickets of one lane and class in memory.
    pub lane_bound: usize,
    /// Most tickets of all lanes in memory, beyond [`GUARANTEED_ROOM`] for each lane and class.
    pub total_bound: usize,
    /// Share of transactional messages, against `campaign_weight`; each class gets at least 1 unit in 20.
    pub transactional_weight: u32,
    /// Share of campaign messages.
    pub campaign_weight: u32,
    /// The limit of the whole channel, if it has one.
    pub channel_limit: Option<Limit>,
    /// The limits of destinations, over all senders.
    pub destinations: DestinationLimits,
    /// How long a permit's tokens are good for.
    pub permit_ttl: Duration,
}

impl Default for LanesSettings {
    fn default() -> Self {
        Self {
            lane_bound: 100_000,
            total_bound: 500_000,
            transactional_weight: 4,
            campaign_weight: 1,
            channel_limit: None,
            destinations: DestinationLimits::default(),
            permit_ttl: Duration::from_millis(250),
        }
    }
}

/// What the directory says of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneConfig {
    /// The lane.
    pub lane: LaneNo,
    /// The account its sender belongs to; its tickets are that account's.
    pub account: AccountNo,
    /// The sender's limit.
    pub limit: Option<Limit>,
    /// An operator stopped it.
    pub paused: bool,
}

/// The right to hand one message over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permit {
    /// Names it in [`Lanes::release`](super::lanes::Lanes::release); never used twice.
    pub id: u64,
    /// Whose it is.
    pub ticket: Ticket,
    /// The moment of its tokens. It may be used from then on, and as it stands only for a
    /// [`LanesSettings::permit_ttl`]; after that it is renewed or goes back unused.
    pub slot: BootUs,
    /// It tries out a provider that failed: a failure is no attempt.
    pub is_probe: bool,
}

/// What may happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Next {
    /// This message may go.
    Permit(Permit),
    /// Nothing before this moment, unless something changes.
    WaitUntil(BootUs),
    /// Nothing until something changes.
    Idle,
}

/// What [`Lanes::renew`](super::lanes::Lanes::renew) says of a permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Renewal {
    /// It may be used from this moment on, as a new one may.
    Slot(BootUs),
    /// Not now: its envelope goes back unsent.
    Refused,
}

/// What index `waiting` holds of a line besides what was read from it. In order of how little it allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[must_use]
pub enum Rest {
    /// Nobody could look: as before the question.
    Unread,
    /// All that is left there stands there or later.
    From(Position),
    /// Nothing is left.
    Nothing,
}

/// How a permit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// Handed over, or tried. Charges what it really cost.
    Spent {
        /// Units: segments, or mails.
        cost: u16,
    },
    /// Never handed over, and no longer wanted: the token goes back if it may.
    Unused,
    /// Never handed over: as `Unused`, and the ticket goes back to its place.
    Requeue,
}
