//! Turns of destinations: who goes next of those that were held because theirs was closed.
//!
//! An open destination is tried in turn with the ring of lanes. Of the lanes that hold tickets for it the first goes that
//! may by its own terms (not paused, its provider works, its limit and its account's let it), and of that lane the best
//! class by its own preference. All limits are checked, then all are taken, as at the ring; whoever's turn it is waits
//! for them, so that a cheaper message does not overtake a dear one for ever. Two rules keep a person's conversation from
//! waiting behind a campaign: what a lane holds does not go while its own queue has something better, and at the lane's
//! turn a conversation that it holds for an open destination goes before what is not one.
//!
//! Which of the two is first where both could go is drawn, not alternated: a strict alternation can fall into step with
//! a limit that lets one message go at a time, and then one side would get every moment of it.

use super::breaker::Pass;
use super::lane::Spot;
use super::lanes::{Lanes, Tried};
use super::permits::Held;
use super::shelving::Crowds;
use super::terms::Permit;
use super::tokens::{TooEarly, Whose};
use crate::domain::clock::BootUs;
use crate::domain::destination_limits::DestinationKey;
use crate::domain::ids::{AccountNo, LaneNo};
use crate::domain::message::Class;
use crate::domain::ticket::QueuedTicket;

/// A sequence of bits that falls into step with nothing (xorshift): the same for the same history.
#[derive(Debug)]
pub(super) struct Draw(u64);

impl Default for Draw {
    fn default() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }
}

impl Draw {
    pub(super) const fn next(&mut self) -> bool {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 63 == 1
    }
}

/// What a lane has to say at its turn for a destination.
enum Said {
    Granted(Permit),
    /// Not before this moment.
    Later(BootUs),
    /// Something must happen to it first.
    Stands,
    /// Something better is in its own queue.
    OwnFirst,
    /// It holds nothing for it any more.
    Nothing,
    /// The destination itself is closed for this message.
    Closed(BootUs),
    /// So is the channel.
    ChannelClosed(BootUs),
}

impl Lanes {
    /// The first open destination has its turn.
    pub(super) fn try_destination(&mut self, now: BootUs) -> Tried {
        let Some(key) = self.shared.destinations.front() else { return Tried::Nothing };
        let opens_at = self.shared.destinations.opens_at_key(key, 1).map(|at| at.minus(self.lead));
        if let Some(at) = opens_at.filter(|at| *at > now) {
            self.shared.destinations.block(key, Some(at));
            return Tried::Nothing;
        }
        let mut place = None;
        let mut wakes_at: Option<BootUs> = None;
        let mut is_put_off = false;
        for _ in 0..self.shared.destinations.lanes(key) {
            let Some(next) = self.shared.destinations.lane_after(key, place) else { break };
            let (_, no) = next;
            place = Some(next);
            let said = self.try_held(no, key, now);
            Class::ALL.into_iter().for_each(|class| self.held_has_gone(no, class, key));
            match said {
                Said::Granted(permit) => {
                    let held = self.lanes.get(no).and_then(|lane| lane.lines.held());
                    let holds_more = held.is_some_and(|held| held.has_key(key));
                    self.shared.destinations.turned(key, next, holds_more);
                    return Tried::Granted(permit);
                }
                Said::Later(at) => wakes_at = Some(wakes_at.map_or(at, |wakes_at| wakes_at.min(at))),
                Said::Stands => {}
                Said::OwnFirst => is_put_off = true,
                Said::Nothing => self.shared.destinations.leave(key, next),
                Said::Closed(at) => {
                    self.shared.destinations.block(key, Some(at));
                    return Tried::Nothing;
                }
                Said::ChannelClosed(at) => return Tried::Blocked(TooEarly { whose: Whose::Channel, at }),
            }
        }
        self.shared.destinations.block(key, wakes_at);
        if is_put_off {
            self.put_off.push_back(key);
        }
        Tried::Nothing
    }

    fn try_held(&mut self, no: LaneNo, key: DestinationKey, now: BootUs) -> Said {
        let Some(lane) = self.lanes.get_mut(no) else { return Said::Nothing };
        if lane.lines.held().is_none() {
            return Said::Nothing;
        }
        if lane.is_paused {
            return Said::Stands;
        }
        let is_probe = match lane.pass(now) {
            Pass::Free => false,
            Pass::Probe => true,
            Pass::NotBefore(at) => return Said::Later(at),
            Pass::ProbeUnderWay(_) => return Said::Stands,
        };
        let opens_at = lane.opens_at().map(|at| at.minus(self.lead)).filter(|at| *at > now);
        if let Some(at) = opens_at.into_iter().chain(self.ring.blocked_until(lane.account)).max() {
            return Said::Later(at);
        }
        let before = lane.waiting();
        let held = lane.pick_for(key, is_probe, &mut self.cancelled);
        let crowds = Crowds::new(no, &self.settings, &self.shared.destinations, &self.shelves);
        let own = lane.pick(is_probe, &crowds, &mut self.cancelled);
        self.waiting -= before - lane.waiting();
        let is_own_first =
            matches!((own, held), (Some((own, _)), Some((class, _))) if lane.prefers(own, class, is_probe));
        if own.is_some() && lane.spot == Spot::Off {
            // What was behind a cancelled one that was held.
            self.wake(no);
        }
        let Some((class, queued)) = held else { return Said::Nothing };
        if is_own_first {
            return Said::OwnFirst;
        }
        let conversation =
            if class == Class::Conversation { Ok(None) } else { self.try_conversation(no, is_probe, now) };
        let granted = match conversation {
            Ok(None) => self.grant(no, class, queued, Some(key), is_probe, now),
            Ok(Some(permit)) => Ok(permit),
            Err(too_early) => Err(too_early),
        };
        match granted {
            Ok(permit) => Said::Granted(permit),
            Err(TooEarly { whose: Whose::Lane, at }) => {
                self.block_lane(no, at);
                Said::Later(at)
            }
            Err(TooEarly { whose: Whose::Account, at }) => {
                let account = self.lanes.get(no).map(|lane| lane.account);
                account.into_iter().for_each(|account| self.ring.block_account(account, at));
                Said::Later(at)
            }
            Err(TooEarly { whose: Whose::Destination, at }) => Said::Closed(at),
            Err(TooEarly { whose: Whose::Channel, at }) => Said::ChannelClosed(at),
        }
    }

    /// A lane waits until a moment, whatever it stood for.
    pub(super) fn block_lane(&mut self, no: LaneNo, until: BootUs) {
        let Some(lane) = self.lanes.get_mut(no) else { return };
        match lane.spot {
            Spot::Ring => self.ring.remove(lane.account, no),
            Spot::Blocked => drop(self.blocked.remove(&(lane.blocked_until, no))),
            Spot::Off => {}
        }
        (lane.spot, lane.blocked_until) = (Spot::Blocked, until);
        self.blocked.insert((until, no));
    }

    /// Grants a conversation that a lane holds for an open destination, if there is one; `Err` if a limit of the lane's,
    /// its account's or the channel's lets it wait, and with it all that is no conversation.
    pub(super) fn try_conversation(
        &mut self,
        no: LaneNo,
        is_probe: bool,
        now: BootUs,
    ) -> Result<Option<Permit>, TooEarly> {
        let mut tried = None;
        loop {
            let Some(lane) = self.lanes.get_mut(no) else { return Ok(None) };
            let is_open = |key: &DestinationKey| {
                self.shared.destinations.opens_at_key(*key, 1).is_some_and(|at| at.minus(self.lead) <= now)
            };
            let keys = lane.lines.held().into_iter().flat_map(|held| held.keys(Class::Conversation));
            let Some(key) = keys.filter(|key| Some(*key) > tried).find(is_open) else { return Ok(None) };
            tried = Some(key);
            let before = lane.waiting();
            let is_dead = |ticket: &QueuedTicket| self.cancelled.drop_if_dead(ticket, (no, Class::Conversation));
            let first = lane.lines.head_for(key, Class::Conversation, is_dead);
            self.waiting -= before - lane.waiting();
            self.held_has_gone(no, Class::Conversation, key);
            let Some(first) = first else { continue };
            match self.grant(no, Class::Conversation, first, Some(key), is_probe, now) {
                Ok(permit) => {
                    self.held_has_gone(no, Class::Conversation, key);
                    return Ok(Some(permit));
                }
                Err(TooEarly { whose: Whose::Destination, at }) => self.shared.destinations.block(key, Some(at)),
                Err(too_early) => return Err(too_early),
            }
        }
    }

    /// Something happened to a lane: what it holds may go now.
    pub(super) fn wake_held(&mut self, no: LaneNo) {
        let Some(held) = self.lanes.get(no).and_then(|lane| lane.lines.held()) else { return };
        for class in Class::ALL {
            held.keys(class).for_each(|key| self.shared.destinations.open(key));
        }
    }

    /// Units came back to the limits of a lane's message, whose destination has this key: those that waited for one of
    /// these limits may go now.
    pub(super) fn units_came_back(&mut self, no: LaneNo, account: AccountNo, key: Option<DestinationKey>) {
        self.ring.unblock(account);
        if self.shared.is_limited(account) {
            self.shared.destinations.open_all();
            return;
        }
        if self.lanes.get(no).is_some_and(|lane| lane.bucket.is_some()) {
            self.wake_held(no);
        }
        key.into_iter().for_each(|key| self.shared.destinations.open(key));
    }

    /// Gives a ticket its permit if every limit lets it go: the head of its class in the lane's queue, or of what the
    /// lane holds for a destination.
    pub(super) fn grant(
        &mut self,
        no: LaneNo,
        class: Class,
        queued: QueuedTicket,
        from: Option<DestinationKey>,
        is_probe: bool,
        now: BootUs,
    ) -> Result<Permit, TooEarly> {
        let lane = self.lanes.get_mut(no).expect("a lane was looked up before something of it is granted");
        let ticket = queued.ticket(no, lane.account);
        let key = self.shared.destinations.enter(ticket.destination, now);
        let mut buckets = self.shared.with(lane.bucket.as_deref_mut(), lane.account, key);
        let taken = buckets.take(queued.cost(), now, now.plus(self.lead));
        let (slot, tokens) = taken.map_err(|TooEarly { whose, at }| TooEarly { whose, at: at.minus(self.lead) })?;
        let id = self.permits.next_id();
        if is_probe {
            lane.ease_breaker(|breaker| breaker.probe_started(id));
        }
        key.into_iter().for_each(|key| self.shared.destinations.granted(key));
        lane.lines.grant(class, from, id);
        lane.charge(class, queued.cost(), self.weights);
        lane.in_flight += 1;
        self.waiting -= 1;
        let held = Held { ticket, tokens, slot, is_cancelled: false, is_readmitted: false };
        self.permits.grant(id, held);
        Ok(Permit { id, ticket, slot, is_probe })
    }
}
