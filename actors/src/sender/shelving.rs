//! Tickets for destinations and contacts that have more waiting than their share of a line: shelved in the store, and
//! brought back. What [`Shelves`] remembers of them, the lanes act upon here.
//!
//! A ticket is shelved when it comes to the head of its line and its destination is closed and has its share already, or
//! it would step aside for its contact's turn where too many do, or something before it is shelved that it must not
//! overtake. The last is known when it comes in: it is shelved at once then, unless a later one of its contact is under
//! way, held or aside here, which it must go before.

use std::collections::BTreeMap;

use super::destinations::Destinations;
use super::held::HeldTickets;
use super::lanes::{Lanes, LanesSettings};
use super::lines::Lines;
use super::shelves::{Behind, Bounds, Room, ShelfOf, Shelves};
use super::terms::Rest;
use super::turns::Turned;
use crate::domain::destination_limits::DestinationKey;
use crate::domain::ids::LaneNo;
use crate::domain::message::Class;
use crate::domain::ticket::{Position, QueuedTicket, Ticket};

/// Contacts that a line remembers for its shelves, for each ticket that it may hold (eight bytes and some for each).
const OWNERS_A_TICKET: usize = 16;

/// What a line holds for a closed destination while a third of its bound is held.
const FEW_HELD: usize = 16;

/// A page of index `waiting` to be read for a line's shelves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShelfRead {
    /// Which lane.
    pub lane: LaneNo,
    /// Which class of it.
    pub class: Class,
    /// From this position on, itself included.
    pub from: Position,
}

/// How many tickets of a class step aside behind permits.
fn most_aside(settings: &LanesSettings) -> usize {
    (settings.lane_bound / 4).max(1)
}

/// What a line may hold for a destination, with what steps aside behind it: its share of a third of the line's bound, and
/// a sixth at most. Where more is held, a few for each, then one.
fn room(
    settings: &LanesSettings,
    class: Class,
    held: Option<&HeldTickets>,
    shelves: usize,
    key: DestinationKey,
) -> Room {
    let bound = settings.lane_bound.max(1);
    let few = FEW_HELD.min(bound / 6).max(1);
    let load = |held: &HeldTickets| (held.len_of(class) + held.aside_of(class), held.load_at(class, key));
    let (all, held) = held.map_or((0, 0), load);
    let most = match all {
        _ if all < bound / 3 => (bound / 3 / (shelves + 1)).min(bound / 6).max(few),
        _ if all < bound / 2 => few,
        _ => 1,
    };
    Room { held, most }
}

/// What a shelf may bring back.
fn room_of(settings: &LanesSettings, class: Class, lines: Option<&Lines>, shelves: usize, of: ShelfOf) -> Room {
    match of {
        Some(key) => room(settings, class, lines.and_then(Lines::held), shelves, key),
        None => Room { held: lines.map_or(0, |lines| lines.behind_permits(class)), most: most_aside(settings) },
    }
}

/// How much more a line may hold of anything.
fn places(settings: &LanesSettings, class: Class, lines: Option<&Lines>) -> usize {
    settings.lane_bound.max(1).saturating_sub(lines.map_or(0, |lines| lines.len_of(class)))
}

/// Whether there is place aside in one lane.
#[derive(Debug)]
pub(super) struct Crowds<'a> {
    no: LaneNo,
    settings: &'a LanesSettings,
    destinations: &'a Destinations,
    shelves: &'a BTreeMap<(LaneNo, Class), Shelves>,
}

impl<'a> Crowds<'a> {
    pub(super) const fn new(
        no: LaneNo,
        settings: &'a LanesSettings,
        destinations: &'a Destinations,
        shelves: &'a BTreeMap<(LaneNo, Class), Shelves>,
    ) -> Self {
        Self { no, settings, destinations, shelves }
    }

    /// Whether there is for a ticket whose contact has one held for the destination `behind`, or one under a permit, while
    /// `held` is held and so many are aside behind permits. One that goes elsewhere than what it is behind always has.
    pub(super) fn have_place(
        &self,
        ticket: &QueuedTicket,
        behind: Option<DestinationKey>,
        held: &HeldTickets,
        behind_permits: usize,
    ) -> bool {
        let Some(key) = behind else { return behind_permits < most_aside(self.settings) };
        let shelves = self.shelves.get(&(self.no, ticket.class()));
        self.destinations.key(ticket.destination()) != Some(key)
            || shelves.is_some_and(|shelves| !shelves.may_begin(ticket.contact, key))
            || !room(self.settings, ticket.class(), Some(held), shelves.map_or(0, Shelves::len), key).is_full()
    }
}

impl Lanes {
    fn room_for(&self, no: LaneNo, class: Class, key: DestinationKey) -> Room {
        let held = self.lanes.get(no).and_then(|lane| lane.lines.held());
        let shelves = self.shelves.get(&(no, class)).map_or(0, Shelves::len);
        room(&self.settings, class, held, shelves, key)
    }

    /// What a ticket is behind that lies in the store for a destination.
    fn is_behind_shelved(&self, no: LaneNo, queued: &QueuedTicket) -> Option<Behind> {
        if self.shelves.is_empty() {
            return None;
        }
        let shelves = self.shelves.get(&(no, queued.class()))?;
        let key = self.shared.destinations.key(queued.destination());
        shelves.what_is_before(queued.contact, key, queued.position())
    }

    /// Shelves a ticket that comes in, if it is behind something shelved; whether it is. `is_due`: its entry is in `due`.
    pub(super) fn shelve_incoming(&mut self, ticket: &Ticket, is_due: bool) -> bool {
        let (no, queued) = (ticket.lane, QueuedTicket::of(ticket));
        let Some(behind) = self.is_behind_shelved(no, &queued) else { return false };
        if self.lanes.get(no).is_some_and(|lane| lane.lines.is_before_its_contact_s(&queued)) {
            return false;
        }
        if let Some(shelves) = self.shelves.get_mut(&(no, ticket.class())) {
            shelves.shelve(ticket.contact, behind, ticket.position());
        }
        if is_due {
            self.shelved.push(*ticket);
        }
        true
    }

    /// Shelves the head of a line if it is behind something shelved, or waits for its contact's turn where too many do;
    /// whether it was.
    pub(super) fn shelve_head(&mut self, no: LaneNo, class: Class, head: &QueuedTicket) -> bool {
        let behind = self.is_behind_shelved(no, head);
        let waits_for = self.lanes.get(no).and_then(|lane| lane.lines.waits_for(head));
        let key = self.shared.destinations.key(head.destination());
        let shelves = self.shelves.get(&(no, class));
        let behind = match (behind, waits_for) {
            (None, None) => return false,
            (Some(behind), _) => behind,
            (None, Some(Turned::Held)) => Behind::Shelf(key),
            (None, Some(Turned::Permit)) => {
                let behind = shelves.map_or(Behind::Shelf(None), |shelves| shelves.by_turn(head.contact, key));
                self.shelve(no, class, head, behind);
                if let Some(shelves) = self.shelves.get_mut(&(no, class)) {
                    shelves.wait_for_turns(behind);
                }
                return true;
            }
        };
        self.shelve(no, class, head, behind);
        true
    }

    /// The head of a line is for a closed destination: it is held, or shelved if that has its share already.
    pub(super) fn set_aside(&mut self, no: LaneNo, class: Class, head: &QueuedTicket, key: DestinationKey) {
        if self.room_for(no, class, key).is_full() {
            let shelves = self.shelves.get(&(no, class));
            // What has come back from a shelf of its contact's, and is for another destination, is held in any case.
            if shelves.is_none_or(|shelves| shelves.may_begin(head.contact, key)) {
                return self.shelve(no, class, head, Behind::Shelf(Some(key)));
            }
        }
        self.hold(no, class, key);
    }

    fn shelve(&mut self, no: LaneNo, class: Class, head: &QueuedTicket, behind: Behind) {
        let Some(lane) = self.lanes.get_mut(no) else { return };
        lane.lines.take_head(class);
        self.waiting -= 1;
        self.has_held = true;
        let most_owners = self.settings.lane_bound.saturating_mul(OWNERS_A_TICKET);
        let shelves = self.shelves.entry((no, class)).or_insert_with(|| Shelves::new(most_owners));
        shelves.shelve(head.contact, behind, head.position());
        self.shelved.push(head.ticket(no, lane.account));
    }

    /// What was shelved since this was last asked: to be moved to index `waiting`, if it does not stand there yet. It is
    /// not part of what [`Lanes::refills`] reads on from.
    #[must_use]
    pub fn take_shelved(&mut self) -> Vec<Ticket> {
        std::mem::take(&mut self.shelved)
    }

    /// What a line holds has become less.
    pub(super) fn look_at_shelves(&mut self, no: LaneNo, class: Class) {
        if !self.shelves.is_empty()
            && let Some(shelves) = self.shelves.get_mut(&(no, class))
        {
            shelves.look_again();
        }
    }

    /// A held ticket for this destination has gone.
    pub(super) fn held_has_gone(&mut self, no: LaneNo, class: Class, key: DestinationKey) {
        if self.shelves.contains_key(&(no, class)) && self.room_for(no, class, key).is_wanting() {
            self.look_at_shelves(no, class);
        }
    }

    /// Pages to read for the shelves of lines that have room again. Each must be ended by [`Lanes::admit_shelved`].
    pub fn shelf_reads(&mut self) -> Vec<ShelfRead> {
        let mut reads = Vec::new();
        for ((lane, class), shelves) in &mut self.shelves {
            let lines = self.lanes.get(*lane).map(|lane| &lane.lines);
            let front = lines.and_then(|lines| lines.front(*class)).map(QueuedTicket::position);
            let end = self.parked.get(&(*lane, *class)).map(|parked| Position::first_of(parked.floor()));
            if lines.is_none_or(|lines| lines.behind_permits(*class) * 2 <= most_aside(&self.settings)) {
                shelves.stop_waiting_for_turns();
            }
            let (settings, count) = (&self.settings, shelves.len());
            let bounds = Bounds { end, places: places(settings, *class, lines) };
            if let Some(from) = shelves.begin_read(front, bounds, |of| room_of(settings, *class, lines, count, of)) {
                reads.push(ShelfRead { lane: *lane, class: *class, from });
            }
        }
        reads
    }

    /// Takes in what belongs here of a page that was read for [`Lanes::shelf_reads`], in order; `rest`: what the index
    /// holds behind it.
    pub fn admit_shelved(&mut self, lane: LaneNo, class: Class, page: &[Ticket], rest: Rest) {
        let place = (lane, class);
        let Some(shelves) = self.shelves.get_mut(&place) else { return };
        let lines = self.lanes.get(lane).map(|lane| &lane.lines);
        let is_crowded = lines.is_some_and(|lines| lines.behind_permits(class) >= most_aside(&self.settings));
        let waits_for = |ticket: &Ticket| lines.and_then(|lines| lines.waits_for(&QueuedTicket::of(ticket)));
        let (settings, destinations, count) = (&self.settings, &self.shared.destinations, shelves.len());
        let end = self.parked.get(&place).map(|parked| Position::first_of(parked.floor()));
        let brought = shelves.end_read(
            page,
            rest,
            Bounds { end, places: places(settings, class, lines) },
            |ticket| destinations.key(ticket.destination),
            |ticket| !is_crowded || waits_for(ticket) != Some(Turned::Permit),
            |of| room_of(settings, class, lines, count, of),
        );
        if shelves.is_empty() {
            self.shelves.remove(&place);
        }
        for ticket in brought {
            self.bring_back(&ticket);
        }
    }

    /// The shelves of every line are looked at again: tickets were dropped.
    pub(super) fn drop_shelved(&mut self) {
        self.shelves.values_mut().for_each(Shelves::drop_tickets);
    }

    /// Whether a line has left something in the store for a destination.
    #[cfg(test)]
    pub(super) fn has_shelves(&self, lane: LaneNo, class: Class) -> bool {
        self.shelves.contains_key(&(lane, class))
    }
}
