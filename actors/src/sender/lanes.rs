//! The lanes of one channel: which due ticket may be handed over now.
//!
//! Tickets come from the wheel ([`Lanes::admit`]) and leave with a [`Permit`] ([`Lanes::next`]); a permit
//! ends with [`Lanes::release`]. Pure: whoever calls it brings the time and draws the random numbers.
//!
//! What it promises:
//! - inside a lane, conversations first; transactional and campaign by weight, neither starves;
//! - between lanes, turns by account, then by lane within the account;
//! - every limit is checked before any is taken, and a ticket that was cancelled takes no token;
//! - a ticket whose destination is closed waits elsewhere ([`Lines`](super::lines::Lines), `destinations`): its lane
//!   goes on with the next one;
//! - one permit at a time for a contact in one lane and class, in order of due time and creation (I7);
//! - a lane that is limited, paused or backing off costs nothing until its moment has come: it stands in
//!   an order of time, not in the ring, and delays no other lane; so does an account whose limit is reached,
//!   with all of its lanes at once;
//! - memory is bounded: [`LanesSettings`], and what lies beyond stays in the store's index `waiting`; so does what a
//!   destination has waiting beyond its share of a line ([`Shelves`]), and the line goes on with what goes elsewhere.
//!
//! It is a cache like the wheel. When the process dies, its tickets are still in the due index; permits
//! that were used left a claim behind. When a provider dies, its lanes' breakers open.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::breaker::Pass;
use super::cancelled::Cancelled;
use super::elsewhere::Draw;
use super::fair::FairRing;
use super::lane::{Spot, Weights};
use super::lane_table::LaneTable;
use super::parked::Parked;
use super::permits::{Held, Permits};
use super::shared_limits::SharedLimits;
use super::shelves::Shelves;
use super::shelving::Crowds;
use super::tokens::{TooEarly, Whose};
use crate::domain::clock::BootUs;
use crate::domain::destination_limits::DestinationKey;
use crate::domain::directory::Limit;
use crate::domain::ids::{AccountNo, LaneNo};
use crate::domain::message::Class;
use crate::domain::ticket::Ticket;

pub use super::report::LaneStatus;
pub use super::terms::{GUARANTEED_ROOM, LaneConfig, LanesSettings, Next, Permit, Release, Renewal, Rest};

/// What became of a turn.
pub(super) enum Tried {
    Granted(Permit),
    Blocked(TooEarly),
    Nothing,
    /// Some of its tickets wait for their destinations now; it may have others.
    Held,
}

/// Tickets that are set aside for their destinations in one turn of a lane, at most: then it is another's.
const HELD_IN_A_TURN: usize = 16;

/// Destinations that were put off are tried again with each permit, as many at most; all of them before nothing goes.
const PUT_OFF_AGAIN: usize = 16;

/// The lanes of one channel.
#[derive(Debug)]
pub struct Lanes {
    pub(super) settings: LanesSettings,
    pub(super) weights: Weights,
    pub(super) shared: SharedLimits,
    pub(super) lanes: LaneTable,
    pub(super) ring: FairRing,
    pub(super) blocked: BTreeSet<(BootUs, LaneNo)>,
    /// Open destinations that let a lane's own queue go first: to be tried again, the first one first.
    pub(super) put_off: VecDeque<DestinationKey>,
    /// Something was held since those were tried.
    pub(super) has_held: bool,
    draw: Draw,
    /// Who is first where a lane and a destination could go; as it was drawn after the last permit.
    is_ring_first: bool,
    pub(super) permits: Permits,
    pub(super) cancelled: Cancelled,
    /// Lanes and classes with tickets in the store.
    pub(super) parked: BTreeMap<(LaneNo, Class), Parked>,
    /// Of those, what has more waiting for one destination than it may hold.
    pub(super) shelves: BTreeMap<(LaneNo, Class), Shelves>,
    /// To be moved to index `waiting`.
    pub(super) shelved: Vec<Ticket>,
    pub(super) waiting: usize,
    pub(super) is_draining: bool,
    pub(super) lead: Duration,
}

impl Lanes {
    /// No lanes yet. The channel's bucket starts empty.
    #[must_use]
    pub fn new(settings: LanesSettings, now: BootUs) -> Self {
        Self {
            weights: Weights::new(settings.transactional_weight, settings.campaign_weight),
            shared: SharedLimits::new(settings.channel_limit, settings.destinations.clone(), now),
            settings,
            lanes: LaneTable::default(),
            ring: FairRing::default(),
            blocked: BTreeSet::new(),
            put_off: VecDeque::new(),
            has_held: false,
            draw: Draw::default(),
            is_ring_first: true,
            permits: Permits::default(),
            cancelled: Cancelled::default(),
            parked: BTreeMap::new(),
            shelves: BTreeMap::new(),
            shelved: Vec::new(),
            waiting: 0,
            is_draining: false,
            lead: Duration::ZERO,
        }
    }

    /// Creates a lane or changes it; its queue stays. A new lane's bucket starts empty.
    pub fn configure(&mut self, config: LaneConfig, now: BootUs) {
        let LaneConfig { lane: no, account, limit, paused } = config;
        let lane = self.lanes.get_or_add(no, account);
        if lane.account != account {
            if lane.spot == Spot::Ring {
                self.ring.remove(lane.account, no);
                self.ring.push(account, no);
            }
            lane.account = account;
        }
        lane.is_configured = true;
        (lane.is_removed, lane.is_without_sender) = (false, false);
        lane.is_paused = paused;
        lane.set_limit(limit, now);
        self.wake(no);
        self.wake_held(no);
    }

    /// The limits of accounts from now on; whoever is not among them has none. A new bucket starts empty.
    pub fn set_account_limits(&mut self, limits: impl Iterator<Item = (AccountNo, Limit)>, now: BootUs) {
        for account in self.shared.set_accounts(limits, now) {
            self.ring.unblock(account);
            self.shared.destinations.open_all();
        }
    }

    /// Removes a lane: the tickets that waited, in order. Their contacts must look at them. Permits stay,
    /// and the lane is forgotten when the last of them has ended.
    pub fn remove_lane(&mut self, lane: LaneNo) -> Vec<Ticket> {
        let Some(state) = self.lanes.get_mut(lane) else { return Vec::new() };
        state.is_removed = true;
        let account = state.account;
        let mut tickets = Vec::with_capacity(state.waiting());
        for class in Class::ALL {
            let drained = state.lines.drain(class);
            self.waiting -= drained.len();
            let cancelled = &mut self.cancelled;
            let live = drained.into_iter().filter(|ticket| !cancelled.drop_if_dead(ticket, (lane, class)));
            tickets.extend(live.map(|ticket| ticket.ticket(lane, account)));
            self.parked.remove(&(lane, class));
            self.shelves.remove(&(lane, class));
        }
        self.forget_if_removed(lane);
        tickets
    }

    fn forget_if_removed(&mut self, no: LaneNo) {
        let Some(lane) = self.lanes.get(no) else { return };
        if lane.is_removed && lane.in_flight == 0 && lane.waiting() == 0 {
            match lane.spot {
                Spot::Ring => self.ring.remove(lane.account, no),
                Spot::Blocked => drop(self.blocked.remove(&(lane.blocked_until, no))),
                Spot::Off => {}
            }
            self.lanes.remove(no);
        }
    }

    /// The next message that may go.
    pub fn next(&mut self, now: BootUs) -> Next {
        if self.is_draining {
            return Next::Idle;
        }
        while let Some((until, lane)) = self.blocked.first().copied()
            && until <= now
        {
            self.wake(lane);
        }
        self.ring.unblock_until(now);
        self.shared.destinations.open_until(now);
        self.open_put_off(PUT_OFF_AGAIN);
        let mut not_tried = self.put_off.len();
        self.has_held = false;
        loop {
            let (lane, destination) = (self.ring.front(), self.shared.destinations.front());
            let tried = match lane {
                Some(no) if destination.is_none() || self.is_ring_first => self.try_ring(no, now),
                _ if destination.is_some() => self.try_destination(now),
                _ => {
                    // What was better than theirs may wait elsewhere by now.
                    if std::mem::take(&mut self.has_held) {
                        not_tried = self.put_off.len();
                    }
                    if not_tried == 0 {
                        break;
                    }
                    self.open_put_off(std::mem::take(&mut not_tried));
                    continue;
                }
            };
            match tried {
                Tried::Granted(permit) => {
                    self.is_ring_first = self.draw.next();
                    return Next::Permit(permit);
                }
                // Whoever is next in turn waits for the channel: a cheaper message must not overtake it for ever.
                Tried::Blocked(TooEarly { whose: Whose::Channel, at }) => return Next::WaitUntil(at),
                Tried::Blocked(_) | Tried::Nothing | Tried::Held => {}
            }
        }
        let lane = self.blocked.first().map(|(until, _)| *until);
        let others = self.ring.unblocks_at().into_iter().chain(self.shared.destinations.opens_next_at());
        lane.into_iter().chain(others).min().map_or(Next::Idle, Next::WaitUntil)
    }

    fn open_put_off(&mut self, most: usize) {
        for key in self.put_off.drain(..most.min(self.put_off.len())) {
            self.shared.destinations.open(key);
        }
    }

    /// The lane at the front of the ring has its turn.
    fn try_ring(&mut self, no: LaneNo, now: BootUs) -> Tried {
        let tried = self.try_lane(no, now);
        match tried {
            Tried::Granted(_) | Tried::Held => self.ring.turn(),
            Tried::Blocked(TooEarly { whose: Whose::Lane, at }) => {
                self.ring.pop();
                self.blocked.insert((at, no));
                self.set_spot(no, Spot::Blocked, at);
            }
            // Likewise in its account.
            Tried::Blocked(TooEarly { whose: Whose::Account, at }) => self.ring.block(at),
            Tried::Blocked(TooEarly { whose: Whose::Destination | Whose::Channel, .. }) => {}
            Tried::Nothing => {
                self.ring.pop();
                self.set_spot(no, Spot::Off, now);
            }
        }
        tried
    }

    fn set_spot(&mut self, no: LaneNo, spot: Spot, until: BootUs) {
        if let Some(lane) = self.lanes.get_mut(no) {
            (lane.spot, lane.blocked_until) = (spot, until);
        }
    }

    fn try_lane(&mut self, no: LaneNo, now: BootUs) -> Tried {
        for _ in 0..HELD_IN_A_TURN {
            let Some(lane) = self.lanes.get_mut(no).filter(|lane| !lane.is_paused) else { return Tried::Nothing };
            if lane.waiting() == 0 {
                return Tried::Nothing;
            }
            let is_probe = match lane.pass(now) {
                Pass::Free => false,
                Pass::Probe => true,
                Pass::NotBefore(at) => return Tried::Blocked(TooEarly { whose: Whose::Lane, at }),
                Pass::ProbeUnderWay(_) => return Tried::Nothing,
            };
            // Before its tickets are looked at, which lie far apart: most turns of a limited lane end here.
            if let Some(at) = lane.opens_at().map(|at| at.minus(self.lead)).filter(|at| *at > now) {
                return Tried::Blocked(TooEarly { whose: Whose::Lane, at });
            }
            let before = lane.waiting();
            let crowds = Crowds::new(no, &self.settings, &self.shared.destinations, &self.shelves);
            let picked = lane.pick(is_probe, &crowds, &mut self.cancelled);
            let holds = lane.lines.held().is_some();
            self.waiting -= before - lane.waiting();
            let Some((class, queued)) = picked else { return Tried::Nothing };
            if self.shelve_head(no, class, &queued) {
                continue;
            }
            let key = self.shared.destinations.key(queued.destination());
            if let Some(key) = key
                && self.shared.destinations.has_lanes(key)
            {
                self.set_aside(no, class, &queued, key);
                self.shared.destinations.open_for_another(key, now, self.lead);
                continue;
            }
            if holds && class != Class::Conversation {
                match self.try_conversation(no, is_probe, now) {
                    Ok(None) => {}
                    Ok(Some(permit)) => return Tried::Granted(permit),
                    Err(too_early) => return Tried::Blocked(too_early),
                }
            }
            match self.grant(no, class, queued, None, is_probe, now) {
                Ok(permit) => return Tried::Granted(permit),
                Err(TooEarly { whose: Whose::Destination, at }) => {
                    let key = key.expect("a destination with a limit has a key");
                    self.set_aside(no, class, &queued, key);
                    self.shared.destinations.block(key, Some(at));
                }
                Err(too_early) => return Tried::Blocked(too_early),
            }
        }
        Tried::Held
    }

    pub(super) fn hold(&mut self, no: LaneNo, class: Class, key: DestinationKey) {
        if let Some(lane) = self.lanes.get_mut(no) {
            lane.lines.hold(class, key);
            self.has_held = true;
            self.shared.destinations.join(key, (lane.account, no));
        }
    }

    /// Ends a permit. One that is not known (it has ended already) is ignored.
    pub fn release(&mut self, permit: u64, release: Release, now: BootUs) {
        let Some(held) = self.permits.end(permit) else { return };
        let Held { ticket, tokens, is_cancelled, is_readmitted, .. } = held;
        let (no, class) = (ticket.lane, ticket.class());
        let lane = self.lanes.get_mut(no).expect("a lane outlives its permits");
        let key = self.shared.destinations.ended(ticket.destination);
        let mut buckets = self.shared.with(lane.bucket.as_deref_mut(), ticket.account, key);
        match release {
            Release::Spent { cost } => buckets.true_up(tokens, cost),
            Release::Unused | Release::Requeue => buckets.give_back(tokens),
        }
        let goes_back = match release {
            Release::Spent { .. } => false,
            Release::Unused => is_readmitted,
            Release::Requeue => !is_cancelled,
        };
        lane.in_flight -= 1;
        let mut was_probe = false;
        lane.ease_breaker(|breaker| was_probe = breaker.probe_ended(permit, now));
        lane.lines.end(permit, class, ticket.contact, goes_back);
        self.waiting += usize::from(goes_back);
        // A limited lane or account stays where it is, unless units came back.
        let is_charged_in_full = matches!(release, Release::Spent { cost } if cost >= ticket.cost);
        let (is_to_wake, is_removed) = (lane.spot == Spot::Off || !is_charged_in_full, lane.is_removed);
        if !is_charged_in_full {
            self.units_came_back(no, ticket.account, key);
        }
        if was_probe {
            self.wake_held(no);
        }
        if is_to_wake {
            self.wake(no);
        }
        if is_removed {
            self.forget_if_removed(no);
        }
    }

    /// What a provider's answer says of the provider itself: `Some` if it failed, with its `Retry-After`
    /// if it sent one. `random` spreads the moments at which lanes that failed together try again.
    pub fn report_provider(&mut self, lane: LaneNo, failed: Option<Option<Duration>>, now: BootUs, random: u64) {
        let Some(state) = self.lanes.get_mut(lane) else { return };
        let was_closed = state.is_breaker_closed();
        match failed {
            Some(retry_after) => state.provider_failed(retry_after, now, random),
            None => state.ease_breaker(|breaker| breaker.succeeded(now)),
        }
        // A lane in the ring finds out at its turn, a blocked one at its moment; one that waited for its
        // probe must be told.
        if state.spot == Spot::Off {
            self.wake(lane);
        }
        if !was_closed {
            self.wake_held(lane);
        }
    }

    /// Puts a lane that has something to hand over into the ring, wherever it stood.
    pub(super) fn wake(&mut self, no: LaneNo) {
        let Some(lane) = self.lanes.get_mut(no) else { return };
        let goes = !lane.is_paused && lane.waiting() > 0;
        match lane.spot {
            Spot::Ring => return,
            Spot::Blocked => drop(self.blocked.remove(&(lane.blocked_until, no))),
            Spot::Off => {}
        }
        lane.spot = if goes { Spot::Ring } else { Spot::Off };
        if goes {
            self.ring.push(lane.account, no);
        }
    }

    /// How far ahead the moment of a permit may lie: as long as it takes to claim its message. Without it a
    /// limit's tokens would be too old when slow claims come back.
    pub fn set_lead(&mut self, lead: Duration) {
        self.lead = lead;
    }

    /// While draining, no permits are granted; those that are out end as usual.
    pub fn set_draining(&mut self, draining: bool) {
        self.is_draining = draining;
    }

    /// Permits that are out.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.permits.len()
    }

    /// Tickets that wait; cancelled ones count until they are met.
    #[must_use]
    pub const fn backlog(&self) -> usize {
        self.waiting
    }
}
