//! What a line leaves in the store for destinations that have more waiting than their share of it.
//!
//! A line (one class of one lane) holds so many tickets for each closed destination. What comes beyond is *shelved*: it
//! goes to index `waiting` with all that is parked, or stays there, and the line goes on with what goes elsewhere. A
//! destination's *shelf* is what is remembered of it: a floor, from which on every ticket for it lies in the store unread.
//! When the line has room for it again the index is read once more, from the lowest such floor on, and everybody's
//! shelf takes what is its own; a shelf whose destination has no room stays where it is.
//!
//! No message overtakes an earlier one of its contact (I7): whoever has a ticket on a shelf is remembered (by 32 bits
//! of its id; who is taken for another waits for nothing, but nothing goes wrong), and what follows of the same contact
//! is shelved behind it. That is simple while all of it goes to the same destination. A contact with tickets for others
//! as well is *mixed*: its tickets come back when no shelf has anything before them. If more contacts would have to be
//! remembered than the bound allows, everybody is taken for one of them, and the line waits as a whole.
//!
//! Reads end before the floor of what is parked ([`Parked`](super::parked::Parked)), which its own refills bring.

use std::collections::{BTreeMap, BTreeSet};

use super::quick_map::QuickMap;
use super::terms::Rest;
use crate::domain::destination_limits::DestinationKey;
use crate::domain::ids::ContactId;
use crate::domain::ticket::{Position, Ticket};

/// Whose a shelf is: a destination's, or, without one, of contacts that have more waiting for their turns than there is
/// place for.
pub(super) type ShelfOf = Option<DestinationKey>;

/// Where a ticket belongs that must not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behind {
    /// What lies on this shelf.
    Shelf(ShelfOf),
    /// Its contact's tickets on other shelves.
    Mixed,
}

#[derive(Debug)]
struct Shelf {
    floor: Position,
    number: u32,
    /// Its first ones would step aside for their contacts' turns, where too many do.
    waits_for_turns: bool,
}

/// What is known of a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// It has nothing shelved.
    Nobody,
    /// All that it has shelved is on this one.
    Of(ShelfOf),
    Mixed,
    /// It may have something shelved: not everybody is remembered.
    Anybody,
}

/// Marks a contact that is mixed; shelves are numbered from 1.
const MIXED: u32 = 0;

/// A page of the index is being read.
#[derive(Debug)]
struct Reading {
    from: Position,
    /// The first of what was shelved since: the page may not have it.
    since: Option<Position>,
    /// Tickets were dropped since: what it has of them must not come back.
    is_stale: bool,
}

/// How much room a line has for a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    /// Tickets that it holds.
    pub(super) held: usize,
    /// Tickets that it may hold.
    pub(super) most: usize,
}

impl Room {
    const fn left(self) -> usize {
        self.most.saturating_sub(self.held)
    }

    pub(super) const fn is_full(self) -> bool {
        self.held >= self.most
    }

    /// Worth a read: half of it is free.
    pub(super) const fn is_wanting(self) -> bool {
        self.held * 2 <= self.most
    }
}

/// How far reads go, and how much may come back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Where reads end.
    pub(super) end: Option<Position>,
    /// How much more the line may hold of anything.
    pub(super) places: usize,
}

/// The shelves of one line.
#[derive(Debug)]
pub(super) struct Shelves {
    of: BTreeMap<ShelfOf, Shelf>,
    numbers: QuickMap<u32, ShelfOf>,
    last_number: u32,
    /// From where on something of mixed contacts lies in the store unread.
    mixed: Option<Position>,
    mixed_waits_for_turns: bool,
    /// Any of them does.
    are_waiting_for_turns: bool,
    owners: QuickMap<u32, u32>,
    most_owners: usize,
    /// Somebody is not among the owners who should be.
    is_anybody: bool,
    reading: Option<Reading>,
    /// Where the next page begins, if the last one left somebody wanting.
    next: Option<Position>,
    /// Something happened since nobody wanted anything.
    is_to_look: bool,
}

fn fingerprint(contact: ContactId) -> u32 {
    let id = u128::from_be_bytes(*contact.as_bytes());
    // Ids that were drawn differ anywhere, derived ones everywhere.
    let mixed = (id ^ (id >> 64)) as u64;
    (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

impl Shelves {
    /// None; this many contacts may be remembered.
    pub(super) fn new(most_owners: usize) -> Self {
        Self {
            of: BTreeMap::new(),
            numbers: QuickMap::default(),
            last_number: MIXED,
            mixed: None,
            mixed_waits_for_turns: false,
            are_waiting_for_turns: false,
            owners: QuickMap::default(),
            most_owners,
            is_anybody: false,
            reading: None,
            next: None,
            is_to_look: false,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.of.is_empty() && self.mixed.is_none()
    }

    /// How many destinations have one.
    pub(super) fn len(&self) -> usize {
        self.of.len()
    }

    fn owner(&self, contact: ContactId) -> Owner {
        let known = match self.owners.get(&fingerprint(contact)) {
            Some(&MIXED) => self.mixed.map(|_| Owner::Mixed),
            Some(number) => self.numbers.get(number).map(|key| Owner::Of(*key)),
            None => None,
        };
        known.unwrap_or(if self.is_anybody { Owner::Anybody } else { Owner::Nobody })
    }

    fn floor(&self, key: ShelfOf) -> Option<Position> {
        self.of.get(&key).map(|shelf| shelf.floor)
    }

    /// What a ticket in this position is behind, so that it must not pass.
    pub(super) fn what_is_before(
        &self,
        contact: ContactId,
        key: Option<DestinationKey>,
        position: Position,
    ) -> Option<Behind> {
        let is_behind = |floor: Option<Position>| floor.is_some_and(|floor| floor <= position);
        // What is for no limited destination is behind its own contact's alone.
        let is_behind_own = key.is_some() && is_behind(self.floor(key));
        match self.owner(contact) {
            Owner::Nobody => is_behind_own.then_some(Behind::Shelf(key)),
            Owner::Of(None) if is_behind(self.floor(None)) => Some(Behind::Shelf(None)),
            Owner::Of(shelf) if shelf.is_some() && shelf == key => is_behind_own.then_some(Behind::Shelf(key)),
            Owner::Of(other) => (is_behind_own || is_behind(self.floor(other))).then_some(Behind::Mixed),
            Owner::Mixed => (is_behind_own || is_behind(self.mixed)).then_some(Behind::Mixed),
            Owner::Anybody => is_behind(self.lowest()).then_some(Behind::Mixed),
        }
    }

    /// Where a ticket belongs that has no place aside while its contact has its turn.
    pub(super) fn by_turn(&self, contact: ContactId, key: Option<DestinationKey>) -> Behind {
        match self.owner(contact) {
            Owner::Nobody | Owner::Of(None) => Behind::Shelf(None),
            Owner::Of(shelf) if shelf == key => Behind::Shelf(key),
            Owner::Of(_) | Owner::Mixed | Owner::Anybody => Behind::Mixed,
        }
    }

    /// The lowest floor of all.
    fn lowest(&self) -> Option<Position> {
        self.of.values().map(|shelf| shelf.floor).chain(self.mixed).min()
    }

    /// Whether a ticket of this contact can be the first on its destination's shelf, or the first again: nothing else of
    /// the contact's is shelved.
    pub(super) fn may_begin(&self, contact: ContactId, key: DestinationKey) -> bool {
        let owner = self.owner(contact);
        owner == Owner::Nobody || owner == Owner::Of(Some(key))
    }

    /// A ticket of this contact, in this position, goes to the store, or stays there.
    pub(super) fn shelve(&mut self, contact: ContactId, to: Behind, position: Position) {
        let owner = self.owner(contact);
        let (number, floor) = match to {
            Behind::Shelf(key) if self.has_room_for(contact) => {
                let shelf = self.of.entry(key).or_insert_with(|| {
                    self.last_number += 1;
                    self.numbers.insert(self.last_number, key);
                    Shelf { floor: position, number: self.last_number, waits_for_turns: false }
                });
                shelf.floor = shelf.floor.min(position);
                (shelf.number, None)
            }
            Behind::Shelf(_) | Behind::Mixed => {
                let before = if let Owner::Of(other) = owner { self.floor(other) } else { None };
                (MIXED, Some(before.map_or(position, |before| before.min(position))))
            }
        };
        if let Some(floor) = floor {
            self.mixed = Some(self.mixed.map_or(floor, |mixed| mixed.min(floor)));
        }
        if self.has_room_for(contact) {
            self.owners.insert(fingerprint(contact), number);
        } else {
            self.is_anybody = true;
        }
        if let Some(reading) = &mut self.reading {
            reading.since = Some(reading.since.map_or(position, |since| since.min(position)));
        }
    }

    /// Whether a contact can be remembered; those whose shelves are gone are forgotten for it.
    fn has_room_for(&mut self, contact: ContactId) -> bool {
        if self.owners.len() < self.most_owners || self.owners.contains_key(&fingerprint(contact)) {
            return true;
        }
        let (numbers, is_mixed) = (&self.numbers, self.mixed.is_some());
        self.owners.retain(|_, number| (*number == MIXED && is_mixed) || numbers.contains_key(number));
        self.owners.len() < self.most_owners
    }

    /// What comes back of this has no place aside for now.
    pub(super) fn wait_for_turns(&mut self, behind: Behind) {
        self.are_waiting_for_turns = true;
        let shelf = match behind {
            // It may have become mixed for want of room among the owners.
            Behind::Shelf(key) => self.of.get_mut(&key),
            Behind::Mixed => None,
        };
        *shelf.map_or(&mut self.mixed_waits_for_turns, |shelf| &mut shelf.waits_for_turns) = true;
    }

    /// There is place aside again.
    pub(super) fn stop_waiting_for_turns(&mut self) {
        if std::mem::take(&mut self.are_waiting_for_turns) {
            self.mixed_waits_for_turns = false;
            self.of.values_mut().for_each(|shelf| shelf.waits_for_turns = false);
            self.is_to_look = true;
        }
    }

    /// Something happened that may have made room.
    pub(super) const fn look_again(&mut self) {
        self.is_to_look = true;
    }

    /// Where to read on, if it is worth it. `front`: the first ticket in the line's queue; while that comes before a
    /// shelf's floor, what was brought last may not have been looked at.
    pub(super) fn begin_read(
        &mut self,
        front: Option<Position>,
        Bounds { end, places }: Bounds,
        room: impl Fn(ShelfOf) -> Room,
    ) -> Option<Position> {
        if !self.is_to_look || self.reading.is_some() {
            return None;
        }
        let lowest = self.of.values().map(|shelf| shelf.floor).min();
        let is_first = |mixed: &Position| lowest.is_none_or(|lowest| *mixed < lowest);
        let mixed = self.mixed.filter(|mixed| !self.mixed_waits_for_turns && is_first(mixed));
        let mut wanting: Vec<_> = self
            .of
            .iter()
            .filter(|(key, shelf)| !shelf.waits_for_turns && room(**key).is_wanting())
            .map(|(_, shelf)| shelf.floor)
            .chain(mixed.filter(|_| places > 0))
            .filter(|floor| end.is_none_or(|end| *floor < end))
            .collect();
        // Whatever makes a place in the line is not told here.
        self.is_to_look = !wanting.is_empty() || (mixed.is_some() && places == 0);
        self.are_waiting_for_turns |= self.of.contains_key(&None) && !room(None).is_wanting();
        wanting.retain(|floor| front.is_none_or(|front| *floor <= front));
        // A page goes on where the last one ended if somebody there wants more; those before it were full.
        let next = self.next.take().filter(|next| wanting.contains(next));
        let from = next.or_else(|| wanting.into_iter().min())?;
        self.reading = Some(Reading { from, since: None, is_stale: false });
        Some(from)
    }

    /// Tickets of the line were dropped.
    pub(super) fn drop_tickets(&mut self) {
        self.is_to_look = true;
        self.reading.iter_mut().for_each(|reading| reading.is_stale = true);
    }

    /// A page was read: all that the index has between where it begins and `rest`, in order. What of it comes back.
    /// `has_place`: it need not step aside, or may.
    pub(super) fn end_read(
        &mut self,
        page: &[Ticket],
        rest: Rest,
        Bounds { end, mut places }: Bounds,
        key_of: impl Fn(&Ticket) -> Option<DestinationKey>,
        has_place: impl Fn(&Ticket) -> bool,
        room: impl Fn(ShelfOf) -> Room,
    ) -> Vec<Ticket> {
        self.is_to_look = true;
        let Some(Reading { from, since, is_stale }) = self.reading.take() else { return Vec::new() };
        let read_to = match rest {
            Rest::Unread => return Vec::new(),
            _ if is_stale => return Vec::new(),
            Rest::From(position) => Some(position),
            Rest::Nothing => None,
        };
        let to = [read_to, since, end].into_iter().flatten().min();
        // What lies before the page was not looked at.
        let mut is_mixed_full = self.of.values().any(|shelf| shelf.floor < from);
        let (mut full, mut brought) = (BTreeSet::new(), Vec::new());
        let mut brought_for: BTreeMap<ShelfOf, usize> = BTreeMap::new();
        for ticket in page.iter().take_while(|ticket| to.is_none_or(|to| ticket.position() < to)) {
            let position = ticket.position();
            match self.what_is_before(ticket.contact, key_of(ticket), position) {
                Some(Behind::Shelf(key)) => {
                    let Some(shelf) = self.of.get_mut(&key).filter(|shelf| shelf.floor >= from) else { continue };
                    if full.contains(&key) {
                        continue;
                    }
                    let brought_of_it = brought_for.entry(key).or_default();
                    shelf.waits_for_turns = !has_place(ticket);
                    self.are_waiting_for_turns |= shelf.waits_for_turns;
                    if shelf.waits_for_turns || *brought_of_it >= room(key).left() {
                        shelf.floor = position;
                        full.insert(key);
                        if !std::mem::replace(&mut is_mixed_full, true) {
                            self.mixed =
                                self.mixed.map(|mixed| if mixed >= from { mixed.max(position) } else { mixed });
                        }
                        continue;
                    }
                    *brought_of_it += 1;
                    shelf.floor = shelf.floor.max(position.next());
                }
                Some(Behind::Mixed) => {
                    // Of one that is on its own shelf alone, what goes elsewhere is not in the store: it waits in the line.
                    let is_shelved = !matches!(self.owner(ticket.contact), Owner::Of(_));
                    let mixed = self.mixed.filter(|mixed| *mixed >= from && is_shelved && !is_mixed_full);
                    let Some(mixed) = mixed else { continue };
                    if places == 0 || !has_place(ticket) {
                        self.mixed = Some(mixed.max(position));
                        self.mixed_waits_for_turns = places > 0;
                        self.are_waiting_for_turns |= places > 0;
                        is_mixed_full = true;
                        continue;
                    }
                    places -= 1;
                    self.mixed = Some(mixed.max(position.next()));
                }
                None => continue,
            }
            brought.push(*ticket);
        }
        let is_looked_through = |floor: Position| floor >= from;
        match to {
            None => {
                let numbers = &mut self.numbers;
                self.of.retain(|key, shelf| {
                    let stays = !is_looked_through(shelf.floor) || full.contains(key);
                    if !stays {
                        numbers.remove(&shelf.number);
                    }
                    stays
                });
                self.mixed = self.mixed.filter(|floor| !is_looked_through(*floor) || is_mixed_full);
            }
            Some(to) => {
                let shelves = self.of.iter_mut().filter(|(key, _)| !full.contains(key));
                for (_, shelf) in shelves.filter(|(_, shelf)| is_looked_through(shelf.floor)) {
                    shelf.floor = shelf.floor.max(to);
                }
                if !is_mixed_full {
                    self.mixed = self.mixed.map(|floor| if is_looked_through(floor) { floor.max(to) } else { floor });
                }
                self.next = Some(to);
            }
        }
        if self.mixed.is_none() {
            // Whoever could not be remembered was mixed.
            self.is_anybody = false;
        }
        brought
    }

    /// Bytes on the heap, by capacity; the maps' own bookkeeping is estimated.
    pub(super) fn heap_bytes(&self) -> usize {
        self.owners.capacity() * (size_of::<(u32, u32)>() + 1) * 8 / 7
            + self.numbers.capacity() * (size_of::<(u32, ShelfOf)>() + 1) * 8 / 7
            + self.of.len() * size_of::<(ShelfOf, Shelf)>() * 3 / 2
    }
}
