//! What the lanes tell people: why a message waits, and how each lane stands.

use super::breaker::{BreakerState, Pass};
use super::held::HeldTickets;
use super::lane::{Lane, Spot};
use super::lanes::Lanes;
use super::limits::Gcra;
use super::shelves::Shelves;
use crate::domain::clock::BootUs;
use crate::domain::directory::Limit;
use crate::domain::ids::{AccountNo, LaneNo, MessageId};
use crate::domain::message::Class;
use crate::domain::reason::LaneReason;
use crate::domain::ticket::{QueuedTicket, Ticket};

/// How a lane stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneStatus {
    /// The lane.
    pub lane: LaneNo,
    /// Its account.
    pub account: AccountNo,
    /// Waiting tickets by class ([`Class::ALL`]); cancelled ones count until they are met.
    pub backlog: [usize; 3],
    /// Whether the store holds more of them, by class.
    pub parked: [bool; 3],
    /// Permits that are out.
    pub in_flight: usize,
    /// Of the backlog, what waits for its destinations.
    pub held: usize,
    /// Its limit.
    pub limit: Option<Limit>,
    /// An operator stopped it.
    pub paused: bool,
    /// Its breaker.
    pub breaker: BreakerState,
    /// When its next message may go: `None` if nothing waits, or something else must happen first.
    pub next_at: Option<BootUs>,
}

impl Lanes {
    /// Whether a message waits here or has a permit. Looks through all that waits if it has no permit:
    /// [`Lanes::contains_ticket`] is the quick way.
    #[must_use]
    pub fn contains(&self, message: MessageId) -> bool {
        self.permits.has(message)
            || self
                .lanes
                .iter()
                .any(|lane| Class::ALL.into_iter().any(|class| self.find(lane, class, message).is_some()))
    }

    /// Whether this ticket waits here or has a permit, by two binary searches.
    #[must_use]
    pub fn contains_ticket(&self, ticket: &Ticket) -> bool {
        let queued = QueuedTicket::of(ticket);
        self.permits.has(ticket.message)
            || self.lanes.get(ticket.lane).is_some_and(|lane| lane.lines.contains(&queued))
                && self.is_live(ticket.lane, &queued)
    }

    fn is_live(&self, lane: LaneNo, ticket: &QueuedTicket) -> bool {
        !self.cancelled.is_dead(ticket, (lane, ticket.class()))
    }

    fn find<'a>(&self, lane: &'a Lane, class: Class, message: MessageId) -> Option<&'a QueuedTicket> {
        lane.lines.iter(class).find(|queued| queued.message == message && self.is_live(lane.no, queued))
    }

    /// Why a message is still in this lane; `None` if it is not there. Looks through the lane's queue:
    /// [`Lanes::why_ticket`] is the quick way.
    #[must_use]
    pub fn why(&self, message: MessageId, lane: LaneNo, now: BootUs) -> Option<LaneReason> {
        let state = self.lanes.get(lane)?;
        let waiting = Class::ALL.into_iter().find_map(|class| self.find(state, class, message)).map(|queued| {
            let is_behind = state.lines.is_behind_another(queued);
            self.reason(state, queued, is_behind, now)
        });
        waiting.or_else(|| self.permits.has(message).then_some(LaneReason::InLine))
    }

    /// Why a ticket is still in its lane; `None` if it is not there.
    #[must_use]
    pub fn why_ticket(&self, ticket: &Ticket, now: BootUs) -> Option<LaneReason> {
        let queued = QueuedTicket::of(ticket);
        if self.permits.has(ticket.message) {
            return Some(LaneReason::InLine);
        }
        let lane = self.lanes.get(ticket.lane)?;
        (lane.lines.contains(&queued) && self.is_live(ticket.lane, &queued))
            .then(|| self.reason(lane, &queued, lane.lines.is_behind_another(&queued), now))
    }

    fn reason(&self, lane: &Lane, ticket: &QueuedTicket, is_behind: bool, now: BootUs) -> LaneReason {
        let cost = ticket.cost();
        let is_later = |at: BootUs| at > now;
        let is_limited = |bucket: &Gcra| bucket.opens_at(cost).is_some_and(is_later);
        if self.is_draining {
            LaneReason::Draining
        } else if lane.is_paused {
            LaneReason::LanePaused
        } else if lane.pass(now) != Pass::Free {
            LaneReason::ProviderBackoff
        } else if is_behind {
            LaneReason::BehindEarlier
        } else if self.limits_of(lane).any(is_limited)
            || self.shared.destinations.opens_at(ticket.destination(), cost).is_some_and(is_later)
        {
            LaneReason::RateLimited
        } else {
            LaneReason::InLine
        }
    }

    /// All that limits a lane.
    fn limits_of<'a>(&'a self, lane: &'a Lane) -> impl Iterator<Item = &'a Gcra> {
        lane.bucket.as_deref().into_iter().chain(self.shared.of(lane.account))
    }

    /// How each lane stands, by lane number.
    #[must_use]
    pub fn status(&self, now: BootUs) -> Vec<LaneStatus> {
        let status = |lane: &Lane| LaneStatus {
            lane: lane.no,
            account: lane.account,
            backlog: Class::ALL.map(|class| lane.lines.len_of(class)),
            parked: Class::ALL.map(|class| {
                let line = (lane.no, class);
                self.parked.contains_key(&line) || self.shelves.contains_key(&line)
            }),
            in_flight: lane.in_flight as usize,
            held: lane.lines.held().map_or(0, HeldTickets::len),
            limit: lane.limit(),
            paused: lane.is_paused,
            breaker: lane.breaker_state(now),
            next_at: self.next_at(lane, now),
        };
        let mut all: Vec<_> = self.lanes.iter().map(status).collect();
        all.sort_unstable_by_key(|status| status.lane);
        all
    }

    fn next_at(&self, lane: &Lane, now: BootUs) -> Option<BootUs> {
        if self.is_draining || lane.is_paused || lane.waiting() == 0 {
            return None;
        }
        match lane.spot {
            // All that it has is held.
            Spot::Off => {
                let keys = lane.lines.held().into_iter().flat_map(|held| Class::ALL.map(|class| held.keys(class)));
                keys.flatten().filter_map(|key| self.shared.destinations.is_tried_at(key, now)).min()
            }
            Spot::Blocked => Some(lane.blocked_until),
            Spot::Ring => {
                let opens_at = self.limits_of(lane).filter_map(|bucket| bucket.opens_at(1));
                Some(opens_at.chain(self.ring.blocked_until(lane.account)).fold(now, BootUs::max))
            }
        }
    }

    /// Bytes on the heap for all that waits, with lanes and cancels, by capacity.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.lanes.iter().map(|lane| lane.lines.heap_bytes()).sum::<usize>()
            + self.lanes.heap_bytes()
            + self.cancelled.heap_bytes()
            + self.shelves.values().map(Shelves::heap_bytes).sum::<usize>()
    }
}
