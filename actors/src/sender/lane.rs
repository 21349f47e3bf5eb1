//! One lane: the three classes of one sender, its limit and its breaker.
//!
//! A person's conversation goes first, always. Transactional and campaign messages share what is left by
//! weight, measured in units: a balance moves one way with each unit of the one and the other way with
//! each of the other. It is forgotten when one of them has nothing to send, so no class saves up turns.

use super::breaker::Breaker;
use super::cancelled::Cancelled;
use super::limits::Gcra;
use super::line::Line;
use crate::domain::clock::BootUs;
use crate::domain::directory::Limit;
use crate::domain::ids::{AccountNo, LaneNo};
use crate::domain::message::Class;
use crate::domain::ticket::QueuedTicket;

/// A class gets at least one unit in this many, whatever the weights say.
pub(super) const MIN_SHARE: u32 = 20;

/// A class that fell behind catches up by at most this many units in a row, times its weight.
const CATCH_UP: i64 = 16;

/// Shares of transactional and campaign messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weights {
    transactional: i64,
    campaign: i64,
}

impl Weights {
    pub(super) fn new(transactional: u32, campaign: u32) -> Self {
        let (transactional, campaign) = (transactional.max(1), campaign.max(1));
        let floor = |other: u32| other.div_ceil(MIN_SHARE - 1);
        Self {
            transactional: i64::from(transactional.max(floor(campaign))),
            campaign: i64::from(campaign.max(floor(transactional))),
        }
    }
}

/// Where a lane stands in the order of turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spot {
    /// Nothing to hand over, paused, or waiting for its probe: something must happen first.
    Off,
    /// In the ring.
    Ring,
    /// Limited or backing off until then.
    Blocked(BootUs),
}

#[derive(Debug)]
pub(super) struct Lane {
    pub(super) account: AccountNo,
    /// The directory knows it (its account is certain).
    pub(super) is_configured: bool,
    pub(super) is_paused: bool,
    /// Its sender is gone; it stays until its last permit has ended.
    pub(super) is_removed: bool,
    /// The directory knows no sender of it (any more).
    pub(super) is_without_sender: bool,
    pub(super) bucket: Option<Gcra>,
    pub(super) breaker: Breaker,
    pub(super) lines: [Line; 3],
    /// Units by which transactional messages are ahead of their share, times the weights.
    balance: i64,
    pub(super) in_flight: usize,
    pub(super) spot: Spot,
}

impl Lane {
    pub(super) fn new(account: AccountNo) -> Self {
        Self {
            account,
            is_configured: false,
            is_paused: false,
            is_removed: false,
            is_without_sender: false,
            bucket: None,
            breaker: Breaker::default(),
            lines: std::array::from_fn(|_| Line::default()),
            balance: 0,
            in_flight: 0,
            spot: Spot::Off,
        }
    }

    pub(super) fn line(&self, class: Class) -> &Line {
        &self.lines[class as usize]
    }

    pub(super) fn line_mut(&mut self, class: Class) -> &mut Line {
        &mut self.lines[class as usize]
    }

    pub(super) fn limit(&self) -> Option<Limit> {
        self.bucket.as_ref().map(Gcra::limit)
    }

    pub(super) fn set_limit(&mut self, limit: Option<Limit>, now: BootUs) {
        match (&mut self.bucket, limit) {
            (Some(bucket), Some(limit)) => bucket.set_limit(limit, now),
            (bucket, limit) => *bucket = limit.map(|limit| Gcra::empty_at(limit, now)),
        }
    }

    /// Tickets that wait, over all classes.
    pub(super) fn waiting(&self) -> usize {
        self.lines.iter().map(Line::len).sum()
    }

    /// The ticket whose turn it is, and its class. A probe is the first of the highest class present.
    pub(super) fn pick(
        &mut self,
        no: LaneNo,
        is_probe: bool,
        cancelled: &mut Cancelled,
    ) -> Option<(Class, QueuedTicket)> {
        let balance = self.balance;
        let mut head = |class: Class| {
            self.lines[class as usize]
                .head(|ticket| cancelled.drop_if_dead(ticket, (no, class)))
                .map(|ticket| (class, ticket))
        };
        if let Some(first) = head(Class::Conversation) {
            return Some(first);
        }
        if is_probe || balance <= 0 {
            head(Class::Transactional).or_else(|| head(Class::Campaign))
        } else {
            head(Class::Campaign).or_else(|| head(Class::Transactional))
        }
    }

    /// Counts a granted ticket against its class's share.
    pub(super) fn charge(&mut self, class: Class, cost: u16, weights: Weights) {
        let units = i64::from(cost.max(1));
        let other = match class {
            Class::Conversation => return,
            Class::Transactional => Class::Campaign,
            Class::Campaign => Class::Transactional,
        };
        if self.line(other).len() == 0 {
            self.balance = 0;
        } else if class == Class::Transactional {
            self.balance += units * weights.campaign;
        } else {
            self.balance -= units * weights.transactional;
        }
        // A class that could not go for long (all of its contacts under way) catches up by this much at most.
        let bound = CATCH_UP * weights.transactional * weights.campaign;
        self.balance = self.balance.clamp(-bound, bound);
    }
}
