//! One lane: the three classes of one sender, its limit and its breaker.
//!
//! A person's conversation goes first, always. Transactional and campaign messages share what is left by
//! weight, measured in units: a balance moves one way with each unit of the one and the other way with
//! each of the other. It is forgotten when one of them has nothing to send, so no class saves up turns.

use std::time::Duration;

use super::breaker::{Breaker, BreakerState, Pass};
use super::cancelled::Cancelled;
use super::limits::Gcra;
use super::lines::Lines;
use super::shelving::Crowds;
use crate::domain::clock::BootUs;
use crate::domain::destination_limits::DestinationKey;
use crate::domain::directory::Limit;
use crate::domain::ids::{AccountNo, LaneNo};
use crate::domain::message::Class;
use crate::domain::ticket::QueuedTicket;

/// A class gets at least one unit in this many, whatever the weights say.
pub(super) const MIN_SHARE: u32 = 20;

/// A class that fell behind catches up by at most this many units in a row, times its weight.
const CATCH_UP: i32 = 16;

/// Larger weights are scaled down to this: balances are kept small, and fit an `i32` with any cost.
const MAX_WEIGHT: u32 = 1_000;

/// Shares of transactional and campaign messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weights {
    transactional: i32,
    campaign: i32,
}

impl Weights {
    pub(super) fn new(transactional: u32, campaign: u32) -> Self {
        let scale = transactional.max(campaign).div_ceil(MAX_WEIGHT).max(1);
        let (transactional, campaign) = ((transactional / scale).max(1), (campaign / scale).max(1));
        let weight = |own: u32, other: u32| {
            i32::try_from(own.max(other.div_ceil(MIN_SHARE - 1))).expect("weights were scaled down")
        };
        Self { transactional: weight(transactional, campaign), campaign: weight(campaign, transactional) }
    }
}

/// Where a lane stands in the order of turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spot {
    /// Nothing to hand over, paused, or waiting for its probe: something must happen first.
    Off,
    /// In the ring.
    Ring,
    /// Limited or backing off until [`Lane::blocked_until`].
    Blocked,
}

/// 80 bytes: what few lanes have at a time hangs on it.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) no: LaneNo,
    pub(super) account: AccountNo,
    /// The directory knows it (its account is certain).
    pub(super) is_configured: bool,
    pub(super) is_paused: bool,
    /// Its sender is gone; it stays until its last permit has ended.
    pub(super) is_removed: bool,
    /// The directory knows no sender of it (any more).
    pub(super) is_without_sender: bool,
    pub(super) bucket: Option<Box<Gcra>>,
    /// `None` while the provider works.
    breaker: Option<Box<Breaker>>,
    pub(super) lines: Lines,
    /// Units by which transactional messages are ahead of their share, times the weights.
    balance: i32,
    pub(super) in_flight: u32,
    pub(super) spot: Spot,
    pub(super) blocked_until: BootUs,
}

impl Lane {
    pub(super) fn new(no: LaneNo, account: AccountNo) -> Self {
        Self {
            no,
            account,
            is_configured: false,
            is_paused: false,
            is_removed: false,
            is_without_sender: false,
            bucket: None,
            breaker: None,
            lines: Lines::default(),
            balance: 0,
            in_flight: 0,
            spot: Spot::Off,
            blocked_until: BootUs(0),
        }
    }

    pub(super) fn limit(&self) -> Option<Limit> {
        self.bucket.as_ref().map(|bucket| bucket.limit())
    }

    /// When its limit lets one unit go, if nothing goes before.
    pub(super) fn opens_at(&self) -> Option<BootUs> {
        self.bucket.as_ref().and_then(|bucket| bucket.opens_at(1))
    }

    /// Whether a message may go, as far as the breaker says.
    pub(super) fn pass(&self, now: BootUs) -> Pass {
        self.breaker.as_ref().map_or(Pass::Free, |breaker| breaker.pass(now))
    }

    /// The breaker, for people.
    pub(super) fn breaker_state(&self, now: BootUs) -> BreakerState {
        self.breaker.as_ref().map_or(BreakerState::Closed, |breaker| breaker.state(now))
    }

    /// Whether the provider works, as far as anybody knows.
    pub(super) fn is_breaker_closed(&self) -> bool {
        self.breaker.is_none()
    }

    /// Tells the breaker something that closes it at most.
    pub(super) fn ease_breaker(&mut self, tell: impl FnOnce(&mut Breaker)) {
        if let Some(breaker) = &mut self.breaker {
            tell(breaker);
            if breaker.is_closed() {
                self.breaker = None;
            }
        }
    }

    /// The provider failed.
    pub(super) fn provider_failed(&mut self, retry_after: Option<Duration>, now: BootUs, random: u64) {
        self.breaker.get_or_insert_default().failed(retry_after, now, random);
    }

    pub(super) fn set_limit(&mut self, limit: Option<Limit>, now: BootUs) {
        match (&mut self.bucket, limit) {
            (Some(bucket), Some(limit)) => bucket.set_limit(limit, now),
            (bucket, limit) => *bucket = limit.map(|limit| Box::new(Gcra::empty_at(limit, now))),
        }
    }

    /// Tickets that wait, over all classes.
    pub(super) fn waiting(&self) -> usize {
        self.lines.len()
    }

    /// The ticket whose turn it is, and its class; one that waits for its contact's turn if there is no place aside. A
    /// probe is the first of the highest class present.
    pub(super) fn pick(
        &mut self,
        is_probe: bool,
        crowds: &Crowds<'_>,
        cancelled: &mut Cancelled,
    ) -> Option<(Class, QueuedTicket)> {
        let (no, balance) = (self.no, self.balance);
        let mut head = |class: Class| {
            let is_dead = |ticket: &QueuedTicket| cancelled.drop_if_dead(ticket, (no, class));
            self.lines.head(class, crowds, is_dead).map(|ticket| (class, ticket))
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

    /// The classes in the order in which they go now.
    const fn preference(&self, is_probe: bool) -> [Class; 3] {
        if is_probe || self.balance <= 0 {
            [Class::Conversation, Class::Transactional, Class::Campaign]
        } else {
            [Class::Conversation, Class::Campaign, Class::Transactional]
        }
    }

    /// Whether a class goes before another one now.
    pub(super) fn prefers(&self, one: Class, to: Class, is_probe: bool) -> bool {
        one != to && self.preference(is_probe).into_iter().find(|class| *class == one || *class == to) == Some(one)
    }

    /// The ticket whose turn it is of those that are held for a destination, and its class.
    pub(super) fn pick_for(
        &mut self,
        key: DestinationKey,
        is_probe: bool,
        cancelled: &mut Cancelled,
    ) -> Option<(Class, QueuedTicket)> {
        let no = self.no;
        self.preference(is_probe).into_iter().find_map(|class| {
            let head = self.lines.head_for(key, class, |ticket| cancelled.drop_if_dead(ticket, (no, class)));
            head.map(|ticket| (class, ticket))
        })
    }

    /// Counts a granted ticket against its class's share.
    pub(super) fn charge(&mut self, class: Class, cost: u16, weights: Weights) {
        let units = i32::from(cost.max(1));
        let other = match class {
            Class::Conversation => return,
            Class::Transactional => Class::Campaign,
            Class::Campaign => Class::Transactional,
        };
        if self.lines.is_empty_of(other) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_takes_80_bytes() {
        assert_eq!(size_of::<Lane>(), 80);
    }
}
