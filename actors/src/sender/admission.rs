//! What comes into the lanes and what is taken back: admission, overflow, refills, cancels.
//!
//! A line (one class of one lane) that is full sends what follows to the store's index `waiting`, and reads
//! more from there when it is half empty. It remembers a floor ([`Parked`]): nothing that lies there, unread or on
//! its way, comes before it. A ticket from the due index is taken in only if it belongs before the floor; else it
//! is parked as well, and comes back in its turn. Two things follow.
//!
//! - No message overtakes an earlier one of its contact that lies in the store (I7). That holds also when a
//!   partition is dropped and opened again while the line holds tickets of others: the pool hears that the store
//!   has tickets of this line ([`Lanes::set_parked`]: the floor falls to the bottom) before the first ticket of the
//!   new opening comes, and until a refill has read them in order nothing passes. Tickets of the earlier opening
//!   have all come before the drop, because the wheel that sends them also sends the drop.
//! - A ticket that waits here without the mark of [`Ticket::parked`] has its entry in `due`, and nothing moves it
//!   from there. For one that is parked, or about to be, is never taken in from the due index without it: not when
//!   its arming comes late, nor when its message moved away and back meanwhile.
//!
//! One kind of ticket passes the floor: one that comes late, while a later one of its contact waits here. Parked, it
//! would be overtaken by that one (the floor falls for all partitions, whichever opens). Nothing that lies in the
//! store comes before it, since nothing there comes before the one that waits. It gets the mark.

use std::collections::BTreeMap;

use super::lane::{Lane, Spot};
use super::lanes::Lanes;
use super::lines::Found;
use super::parked::{BOTTOM, Parked, Place, Taken};
use super::queue::Inserted;
use super::quick_map::QuickMap;
use super::terms::{GUARANTEED_ROOM, LanesSettings, Rest};
use crate::domain::clock::UnixMs;
use crate::domain::ids::{AccountNo, ContactId, LaneNo, MessageId};
use crate::domain::message::Class;
use crate::domain::ticket::{QueuedTicket, Ticket};

/// Cancels that are kept before everything is swept for them.
const CANCELS_KEPT: usize = 64;

/// Where the next refill begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum AfterRefill {
    /// Behind the last ticket of this one.
    GoOn,
    /// At the start: not all of it was taken in.
    ReadAgain,
}

/// How a ticket comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// It is due: not past its line's floor.
    Due,
    /// It is due, and would be overtaken by one of its contact.
    PastTheFloor,
    /// It was read from index `waiting`.
    Refill,
}

impl Lanes {
    /// Takes in due tickets. One that waits here or has a permit is ignored. What does not fit goes to
    /// `overflow`, to be moved to index `waiting`; so does what does not belong before all that lies there. A lane that
    /// is not known is created.
    pub fn admit(&mut self, tickets: &[Ticket], overflow: &mut Vec<Ticket>) {
        let mut late: BTreeMap<_, Vec<Ticket>> = BTreeMap::new();
        for ticket in tickets {
            let out = overflow.len();
            if !self.admit_one(ticket, Way::Due, overflow) {
                if self.lanes.get(ticket.lane).is_some_and(|lane| lane.lines.has_later(&QueuedTicket::of(ticket))) {
                    late.entry((ticket.lane, ticket.class())).or_default().push(*ticket);
                    continue;
                }
                overflow.push(*ticket);
            }
            self.note_parked_from(&overflow[out..]);
        }
        for ((lane, class), tickets) in late {
            self.admit_late(lane, class, tickets, overflow);
        }
    }

    /// Of tickets that the floor of their line keeps out, takes in those whose contact has a later one here. Looks
    /// through the line once for all of them.
    fn admit_late(&mut self, no: LaneNo, class: Class, mut tickets: Vec<Ticket>, overflow: &mut Vec<Ticket>) {
        let mut last: QuickMap<ContactId, Option<Place>> = tickets.iter().map(|late| (late.contact, None)).collect();
        for queued in self.lanes.get(no).into_iter().flat_map(|lane| lane.lines.iter(class)) {
            if let Some(last) = last.get_mut(&queued.contact)
                && !self.cancelled.is_dead(queued, (no, class))
            {
                *last = (*last).max(Some(queued.ticket(no, AccountNo(0)).order()));
            }
        }
        tickets.sort_unstable_by_key(Ticket::order);
        for ticket in tickets {
            let out = overflow.len();
            let is_overtaken = last[&ticket.contact] > Some(ticket.order())
                || self
                    .lanes
                    .get(no)
                    .is_some_and(|lane| lane.lines.is_before_its_contact_s_ahead(&QueuedTicket::of(&ticket)));
            if !is_overtaken || !self.admit_one(&ticket.parked(), Way::PastTheFloor, overflow) {
                overflow.push(ticket);
            }
            self.note_parked_from(&overflow[out..]);
        }
    }

    fn note_parked_from(&mut self, overflow: &[Ticket]) {
        for parked in overflow {
            self.note_parked(parked.lane, parked.class(), parked.order());
        }
    }

    /// Whether it is here now.
    fn admit_one(&mut self, ticket: &Ticket, way: Way, overflow: &mut Vec<Ticket>) -> bool {
        let is_refill = way == Way::Refill;
        let (no, class) = (ticket.lane, ticket.class());
        let total_room = self.settings.total_bound.saturating_sub(self.waiting);
        let lane = self.lanes.get_or_add(no, ticket.account);
        lane.is_removed = false;
        if !lane.is_configured && lane.spot == Spot::Off {
            lane.account = ticket.account;
        }
        let mut queued = QueuedTicket::of(ticket);
        let place = (no, class);
        if is_refill && self.cancelled.is_dead(&queued, place) {
            // The page was read before the cancel.
            return true;
        }
        let account = lane.account;
        match lane.lines.find_and_replace(&queued) {
            Found::UnderPermit(permit) => {
                // What was read before it was cancelled does not bring it back.
                if !is_refill {
                    self.permits.readmit(permit);
                }
                return true;
            }
            Found::Waiting => {
                self.cancelled.revive(&queued, place, true);
                return true;
            }
            Found::Freed => {
                self.cancelled.revive(&queued, place, true);
                self.look_at_shelves(no, class);
                self.wake(no);
                return true;
            }
            Found::Nowhere => {}
        }
        self.cancelled.revive(&queued, place, false);
        if way == Way::Due && self.parked.get(&place).is_some_and(|parked| parked.may_precede(ticket.order())) {
            return false;
        }
        if way != Way::PastTheFloor && self.shelve_incoming(ticket, way == Way::Due) {
            return true;
        }
        if self.shelves.contains_key(&place) {
            // One like it may be on its way to a shelf.
            queued = queued.parked();
        }
        let Some(lane) = self.lanes.get_mut(no) else { return true };
        let lines = &mut lane.lines;
        let len = lines.len_of(class);
        // A refill was read for the room there is; a little more is taken, since its cursor moves on.
        if !is_refill && len >= bound(&self.settings, len, total_room) {
            // The last one gives way, or an earlier one would lie behind later ones.
            match lines.make_room(&queued) {
                Some(last) => {
                    self.waiting -= 1;
                    if !self.cancelled.drop_if_dead(&last, place) {
                        overflow.push(last.ticket(no, account));
                    }
                }
                // The later one has a permit: as many as come meanwhile are beyond the bound.
                None if way == Way::PastTheFloor => {}
                None => return false,
            }
        }
        let was_empty = lines.is_empty_of(class);
        let inserted = lines.insert(queued);
        self.waiting += 1;
        // Behind others nothing changes for a lane that is blocked.
        if was_empty || inserted == Inserted::Front || lane.spot == Spot::Off {
            self.wake(no);
        }
        // What was held may have made room, or stepped aside.
        self.look_at_shelves(no, class);
        true
    }

    /// Takes in what came back from a shelf.
    pub(super) fn bring_back(&mut self, ticket: &Ticket) {
        let is_here = self.admit_one(ticket, Way::Refill, &mut Vec::new());
        debug_assert!(is_here, "what comes back is always taken in");
    }

    /// Takes in tickets that were read from index `waiting` for [`Lanes::refills`], in order; `rest`: what that index
    /// holds behind them. What was parked since the question may not have been seen, so nothing behind the first of
    /// those is taken. All others are, also a few more than the room that was asked for, so that a reader may go on
    /// behind the last one.
    pub fn admit_refill(&mut self, lane: LaneNo, class: Class, tickets: &[Ticket], rest: Rest) -> AfterRefill {
        let place = (lane, class);
        // Nothing of a lane that was removed meanwhile is known.
        let (left, taken) = self.parked.remove(&place).map_or((None, Taken::All), |parked| parked.end_refill(rest));
        if let Some(left) = left {
            self.parked.insert(place, left);
        }
        let count = taken.count(tickets.iter().map(Ticket::order));
        self.look_at_shelves(lane, class);
        for ticket in &tickets[..count] {
            let is_here = self.admit_one(ticket, Way::Refill, &mut Vec::new());
            debug_assert!(is_here, "a refill is always taken in");
        }
        if count < tickets.len() || taken == Taken::Nothing { AfterRefill::ReadAgain } else { AfterRefill::GoOn }
    }

    /// The store has tickets of this lane and class in index `waiting`, and nobody knows which: called for those found
    /// when a partition is opened, before the first ticket of that opening comes.
    pub fn set_parked(&mut self, lane: LaneNo, class: Class) {
        self.lanes.get_or_add(lane, AccountNo(0));
        self.note_parked(lane, class, BOTTOM);
    }

    fn note_parked(&mut self, lane: LaneNo, class: Class, from: Place) {
        self.parked.entry((lane, class)).or_insert_with(|| Parked::from(from)).note(from);
    }

    /// Refills to read from index `waiting`, with the room there is: tickets are parked, the queue is
    /// below half of what it may have, and no refill is under way. Each must be ended by [`Lanes::admit_refill`].
    pub fn refills(&mut self) -> Vec<(LaneNo, Class, usize)> {
        let mut refills = Vec::new();
        let mut total_room = self.settings.total_bound.saturating_sub(self.waiting);
        for ((lane, class), parked) in &mut self.parked {
            let Some(state) = self.lanes.get(*lane) else { continue };
            let len = state.lines.len_of(*class);
            // What is held or aside is not what the lane works on.
            let queued = state.lines.queued(*class);
            let most = bound(&self.settings, len, total_room).saturating_sub(len - queued);
            if parked.is_refilling() || queued * 2 >= most {
                continue;
            }
            let room = most - queued;
            parked.begin_refill();
            total_room = total_room.saturating_sub(room);
            refills.push((*lane, *class, room));
        }
        refills
    }

    /// Takes a waiting ticket back: it is dropped when it is met, before a token is taken. One that is
    /// under a permit is not put back by a requeue.
    pub fn cancel(&mut self, message: MessageId, due_at: UnixMs) {
        let is_nothing_here = self.waiting == 0 && self.parked.is_empty() && self.shelves.is_empty();
        if self.permits.cancel(message, due_at) || is_nothing_here {
            return;
        }
        self.cancelled.cancel(message, due_at);
        if self.cancelled.len() > self.waiting / 4 + CANCELS_KEPT {
            // Sweeps: what is dead is dropped.
            self.drop_partition(|_| true);
        }
    }

    /// The same, for one whose ticket is at hand. If it is held for its destination it leaves at once: its contact's
    /// later ones must not wait behind it for a moment that may be far.
    pub fn cancel_ticket(&mut self, ticket: &Ticket) {
        self.cancel(ticket.message, ticket.due_at);
        let Some(lane) = self.lanes.get_mut(ticket.lane) else { return };
        if let Some(held) = lane.lines.free_held(&QueuedTicket::of(ticket)) {
            self.waiting -= 1;
            self.look_at_shelves(ticket.lane, ticket.class());
            self.cancelled.drop_if_dead(&held, (ticket.lane, ticket.class()));
            self.wake(ticket.lane);
        }
    }

    /// Drops the waiting tickets that `keep` does not want: their partition was lost. Looks at all of
    /// them. Permits stay. A refill that is being read is read again.
    pub fn drop_partition(&mut self, mut keep: impl FnMut(&Ticket) -> bool) {
        let cancelled = &self.cancelled;
        for lane in self.lanes.iter_mut() {
            let (no, account) = (lane.no, lane.account);
            let is_dead = |queued: &QueuedTicket| cancelled.is_dead(queued, (no, queued.class()));
            lane.lines.retain(|queued| !is_dead(queued) && keep(&queued.ticket(no, account)));
        }
        self.parked.values_mut().for_each(Parked::drop_tickets);
        self.drop_shelved();
        self.waiting = self.lanes.iter().map(Lane::waiting).sum();
        self.cancelled.clear();
        // Where a held ticket was dropped, one that was behind it stands in the queue now.
        let off: Vec<_> = self.lanes.iter().filter(|lane| lane.spot == Spot::Off).map(|lane| lane.no).collect();
        off.into_iter().for_each(|no| self.wake(no));
    }
}

/// How many tickets a line may hold that holds `len`, while `total_room` is left for all.
fn bound(settings: &LanesSettings, len: usize, total_room: usize) -> usize {
    settings.lane_bound.max(1).min((len + total_room).max(GUARANTEED_ROOM))
}
