//! The lines of one lane, one for each class: what waits, and the contacts whose turn it is.
//!
//! Messages of one contact are first attempted in order (I7): while a contact has a permit in a line, its
//! later tickets step aside and wait behind it, where they delay nobody else. When the permit ends, the
//! first of them goes back to its place and stands there for all of them; the others stay aside until it
//! has had its permit. So a ticket steps aside at most once per permit of its contact.
//!
//! Invariant: a contact with tickets aside has a permit, or one of its tickets waits before them.

use std::collections::VecDeque;

use super::queue::Inserted;
use super::quick_map::QuickMap;
use super::waiting::Waiting;
use crate::domain::ids::ContactId;
use crate::domain::message::Class;
use crate::domain::ticket::QueuedTicket;

#[derive(Debug, Default)]
struct Turn {
    permit: Option<(u64, QueuedTicket)>,
    /// In order.
    aside: VecDeque<QueuedTicket>,
}

impl Turn {
    fn step_aside(&mut self, ticket: QueuedTicket) {
        let at = self.aside.partition_point(|other| other.order(&ticket).is_lt());
        self.aside.insert(at, ticket);
    }

    fn find_aside(&self, ticket: &QueuedTicket) -> Option<usize> {
        self.aside.binary_search_by(|other| other.order(ticket)).ok()
    }
}

/// The turns of a lane. Only a lane with permits has any.
#[derive(Debug, Default)]
struct Turns {
    of: QuickMap<(Class, ContactId), Turn>,
    /// Tickets aside, by class.
    aside: [usize; 3],
}

const fn who(ticket: &QueuedTicket) -> (Class, ContactId) {
    (ticket.class(), ticket.contact)
}

/// What becomes of a ticket that comes again.
const fn merged(old: &QueuedTicket, new: &QueuedTicket) -> QueuedTicket {
    match (old.may_be_parked(), new.may_be_parked()) {
        (_, true) => old.parked(),
        (true, false) => new.parked(),
        (false, false) => *new,
    }
}

/// Where a ticket was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Nowhere,
    Waiting,
    /// With the id of its permit.
    UnderPermit(u64),
}

#[derive(Debug, Default)]
pub(super) struct Lines {
    waiting: Waiting,
    turns: Option<Box<Turns>>,
}

impl Lines {
    /// Tickets that wait here.
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.turns.as_ref().map_or(0, |turns| turns.aside.iter().sum())
    }

    /// Tickets of a class that wait here.
    pub(super) fn len_of(&self, class: Class) -> usize {
        self.waiting.len_of(class) + self.turns.as_ref().map_or(0, |turns| turns.aside[class as usize])
    }

    /// Whether no ticket of a class waits here.
    pub(super) fn is_empty_of(&self, class: Class) -> bool {
        self.waiting.front(class).is_none() && self.turns.as_ref().is_none_or(|turns| turns.aside[class as usize] == 0)
    }

    fn turn(&self, ticket: &QueuedTicket) -> Option<&Turn> {
        self.turns.as_ref()?.of.get(&who(ticket))
    }

    /// Puts a ticket that [`Lines::find_and_replace`] did not find in its place.
    pub(super) fn insert(&mut self, ticket: QueuedTicket) -> Inserted {
        self.waiting.insert(ticket)
    }

    /// Where a ticket is, if it is here. One that waits is replaced by this one, which is newer unless it was read
    /// from index `waiting`. What is known to have stood there keeps its mark.
    pub(super) fn find_and_replace(&mut self, ticket: &QueuedTicket) -> Found {
        if let Some(turn) = self.turns.as_mut().and_then(|turns| turns.of.get_mut(&who(ticket))) {
            if let Some((permit, under_way)) = turn.permit
                && under_way.order(ticket).is_eq()
            {
                return Found::UnderPermit(permit);
            }
            if let Some(at) = turn.find_aside(ticket) {
                turn.aside[at] = merged(&turn.aside[at], ticket);
                return Found::Waiting;
            }
        }
        let Some(waiting) = self.waiting.get(ticket) else { return Found::Nowhere };
        let merged = merged(waiting, ticket);
        self.waiting.insert(merged);
        Found::Waiting
    }

    /// Whether a ticket waits here or has a permit.
    pub(super) fn contains(&self, ticket: &QueuedTicket) -> bool {
        self.waiting.get(ticket).is_some()
            || self.turn(ticket).is_some_and(|turn| {
                turn.permit.is_some_and(|(_, under_way)| under_way.order(ticket).is_eq())
                    || turn.find_aside(ticket).is_some()
            })
    }

    /// Whether one that comes after this one may wait here: another's in the queue, or its own contact's aside.
    pub(super) fn has_later(&self, ticket: &QueuedTicket) -> bool {
        let is_later = |other: &QueuedTicket| ticket.order(other).is_lt();
        self.waiting.back(ticket.class()).is_some_and(is_later)
            || self.turn(ticket).and_then(|turn| turn.aside.back()).is_some_and(is_later)
    }

    /// Takes out a ticket of a line behind which nothing of its contact waits, if this one belongs before the last one
    /// in the queue: it makes room. Those aside are behind the one that stands for them, and so go before it.
    pub(super) fn make_room(&mut self, ticket: &QueuedTicket) -> Option<QueuedTicket> {
        let class = ticket.class();
        let last = self.waiting.back(class).copied().filter(|last| ticket.order(last).is_lt())?;
        if let Some(turns) = &mut self.turns
            && let Some(turn) = turns.of.get_mut(&who(&last))
            && let Some(aside) = turn.aside.pop_back_if(|aside| last.order(aside).is_lt())
        {
            turns.aside[class as usize] -= 1;
            if turn.aside.is_empty() && turn.permit.is_none() {
                turns.of.remove(&who(&last));
            }
            return Some(aside);
        }
        self.waiting.pop_back(class)
    }

    /// The ticket of a class that may go next. Drops dead ones on the way, and lets those step aside whose
    /// contact has a permit.
    pub(super) fn head(
        &mut self,
        class: Class,
        mut is_dead: impl FnMut(&QueuedTicket) -> bool,
    ) -> Option<QueuedTicket> {
        while let Some(ticket) = self.waiting.front(class).copied() {
            if is_dead(&ticket) {
                self.waiting.pop_front(class);
                self.stand_in(who(&ticket));
                continue;
            }
            let Some(turns) = &mut self.turns else { return Some(ticket) };
            match turns.of.get_mut(&who(&ticket)) {
                Some(turn) if turn.permit.is_some() => {
                    self.waiting.pop_front(class);
                    turn.step_aside(ticket);
                    turns.aside[class as usize] += 1;
                }
                _ => return Some(ticket),
            }
        }
        None
    }

    /// Gives the ticket that [`Lines::head`] returned for this class its permit.
    pub(super) fn grant(&mut self, class: Class, permit: u64) {
        let ticket = self.waiting.pop_front(class).expect("a head was found before its permit is granted");
        self.turns.get_or_insert_default().of.entry(who(&ticket)).or_default().permit = Some((permit, ticket));
    }

    /// Ends a permit. `requeue`: its ticket goes back to its place. Unknown permits are ignored.
    pub(super) fn end(&mut self, permit: u64, class: Class, contact: ContactId, requeue: bool) {
        let Some(turns) = &mut self.turns else { return };
        let Some(turn) = turns.of.get_mut(&(class, contact)) else { return };
        let Some((_, ticket)) = turn.permit.take_if(|(id, _)| *id == permit) else { return };
        if requeue {
            // An earlier ticket may have come meanwhile: the first of all goes back to its place.
            turn.step_aside(ticket);
            turns.aside[class as usize] += 1;
        }
        self.stand_in((class, contact));
        if self.turns.as_ref().is_some_and(|turns| turns.of.is_empty()) && self.waiting.len() == 0 {
            self.turns = None;
        }
    }

    /// The first ticket aside of a contact without a permit goes back to its place.
    fn stand_in(&mut self, who: (Class, ContactId)) {
        let Some(turns) = &mut self.turns else { return };
        let Some(turn) = turns.of.get_mut(&who).filter(|turn| turn.permit.is_none()) else { return };
        let first = turn.aside.pop_front();
        if turn.aside.is_empty() {
            turns.of.remove(&who);
        }
        if let Some(first) = first {
            turns.aside[who.0 as usize] -= 1;
            self.waiting.insert(first);
        }
    }

    /// Whether an earlier ticket of its contact is under way or before it aside.
    pub(super) fn is_behind_another(&self, ticket: &QueuedTicket) -> bool {
        self.turn(ticket).is_some_and(|turn| {
            turn.permit.is_some_and(|(_, under_way)| under_way.message != ticket.message)
                || turn.find_aside(ticket).is_some()
        })
    }

    /// All of a class that waits, in no particular order.
    pub(super) fn iter(&self, class: Class) -> impl Iterator<Item = &QueuedTicket> {
        let turns = self.turns.iter().flat_map(|turns| &turns.of);
        let aside = turns.filter(move |((of, _), _)| *of == class).flat_map(|(_, turn)| &turn.aside);
        self.waiting.iter(class).chain(aside)
    }

    /// Drops what `keep` does not want; permits stay.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&QueuedTicket) -> bool) {
        self.waiting.retain(&mut keep);
        let Some(turns) = &mut self.turns else { return };
        turns.aside = [0; 3];
        for ((class, _), turn) in &mut turns.of {
            turn.aside.retain(&mut keep);
            turns.aside[*class as usize] += turn.aside.len();
        }
        let without_permit: Vec<_> =
            turns.of.iter().filter(|(_, turn)| turn.permit.is_none()).map(|(who, _)| *who).collect();
        for who in without_permit {
            self.stand_in(who);
        }
    }

    /// Takes all of a class that waits, in order; permits stay.
    pub(super) fn drain(&mut self, class: Class) -> Vec<QueuedTicket> {
        let mut all: Vec<_> = self.iter(class).copied().collect();
        all.sort_unstable_by(QueuedTicket::order);
        self.retain(|ticket| ticket.class() != class);
        all
    }

    /// Bytes on the heap, by capacity; the maps' own bookkeeping is estimated.
    pub(super) fn heap_bytes(&self) -> usize {
        let turns = self.turns.as_ref().map_or(0, |turns| {
            let aside: usize = turns.of.values().map(|turn| turn.aside.capacity() * size_of::<QueuedTicket>()).sum();
            size_of::<Turns>() + turns.of.capacity() * (size_of::<((Class, ContactId), Turn)>() + 1) * 8 / 7 + aside
        });
        self.waiting.heap_bytes() + turns
    }
}
