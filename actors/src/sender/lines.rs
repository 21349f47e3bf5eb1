//! The lines of one lane, one for each class: what waits, and the contacts whose turn it is.
//!
//! Messages of one contact are first attempted in order (I7): while a contact has a permit in a line, its
//! later tickets step aside and wait behind it, where they delay nobody else. When the permit ends, the
//! first of them goes back to its place and stands there for all of them; the others stay aside until it
//! has had its permit. So a ticket steps aside at most once per permit of its contact.
//!
//! A ticket whose destination is closed is *held* beside the queue, and its contact's later ones step aside behind it
//! as behind a permit. If an earlier one comes after all, the held one steps aside itself.
//!
//! Invariant: a contact with tickets aside has a permit, or one of its tickets is held or waits before them.

use super::held::HeldTickets;
use super::queue::Inserted;
use super::shelving::Crowds;
use super::turns::{Ahead, Turn, Turned, Turns, who};
use super::waiting::Waiting;
use crate::domain::destination_limits::DestinationKey;
use crate::domain::ids::ContactId;
use crate::domain::message::Class;
use crate::domain::ticket::QueuedTicket;

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
    /// It was held, and now waits in the queue: its destination is another one.
    Freed,
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
        self.waiting.len() + self.turns.as_ref().map_or(0, |turns| turns.aside.iter().sum::<usize>() + turns.held.len())
    }

    /// Tickets of a class that wait here.
    pub(super) fn len_of(&self, class: Class) -> usize {
        self.waiting.len_of(class) + self.beside(class)
    }

    /// Tickets of a class in the queue.
    pub(super) fn queued(&self, class: Class) -> usize {
        self.waiting.len_of(class)
    }

    /// Tickets of a class aside or held.
    fn beside(&self, class: Class) -> usize {
        self.turns.as_ref().map_or(0, |turns| turns.aside[class as usize] + turns.held.len_of(class))
    }

    /// Whether no ticket of a class waits here.
    pub(super) fn is_empty_of(&self, class: Class) -> bool {
        self.waiting.front(class).is_none() && self.beside(class) == 0
    }

    /// What is held for destinations.
    pub(super) fn held(&self) -> Option<&HeldTickets> {
        self.turns.as_ref().map(|turns| &turns.held).filter(|held| held.len() > 0)
    }

    fn turn(&self, ticket: &QueuedTicket) -> Option<&Turn> {
        self.turns.as_ref()?.of.get(&who(ticket))
    }

    /// Puts a ticket that [`Lines::find_and_replace`] did not find in its place.
    pub(super) fn insert(&mut self, ticket: QueuedTicket) -> Inserted {
        if let Some(turns) = &mut self.turns
            && let Some(turn) = turns.of.get_mut(&who(&ticket))
            && let Some(Ahead::Held(key, held)) = turn.ahead
            && ticket.order(&held).is_lt()
        {
            turns.held.remove(key, &held);
            turns.held.step_back(held.class(), key, turn.aside.len());
            turn.ahead = None;
            turn.step_aside(held);
            turns.aside[held.class() as usize] += 1;
        }
        self.waiting.insert(ticket)
    }

    /// Where a ticket is, if it is here. One that waits is replaced by this one, which is newer unless it was read
    /// from index `waiting`. What is known to have stood there keeps its mark.
    pub(super) fn find_and_replace(&mut self, ticket: &QueuedTicket) -> Found {
        if let Some(turns) = &mut self.turns
            && let Some(turn) = turns.of.get_mut(&who(ticket))
        {
            match &mut turn.ahead {
                Some(Ahead::Permit(permit, under_way)) if under_way.order(ticket).is_eq() => {
                    return Found::UnderPermit(*permit);
                }
                Some(Ahead::Held(key, held)) if held.order(ticket).is_eq() => {
                    let merged = merged(held, ticket);
                    if merged.destination() == held.destination() {
                        *held = merged;
                        turns.held.insert(*key, merged);
                        return Found::Waiting;
                    }
                    turns.held.remove(*key, ticket);
                    turns.held.step_back(ticket.class(), *key, turn.aside.len());
                    turn.ahead = None;
                    if turn.aside.is_empty() {
                        turns.of.remove(&who(ticket));
                    }
                    self.waiting.insert(merged);
                    return Found::Freed;
                }
                _ => {}
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
                turn.ahead.is_some_and(|ahead| ahead.ticket().order(ticket).is_eq())
                    || turn.find_aside(ticket).is_some()
            })
    }

    /// Whether one that comes after this one may wait here: another's in the queue or held, or its own contact's aside.
    pub(super) fn has_later(&self, ticket: &QueuedTicket) -> bool {
        let is_later = |other: &QueuedTicket| ticket.order(other).is_lt();
        self.waiting.back(ticket.class()).is_some_and(is_later)
            || self.held().is_some_and(|held| held.may_have_later(ticket))
            || self.is_before_its_contact_s(ticket)
    }

    /// Whether its contact has a later one under a permit, which may come back, or held.
    pub(super) fn is_before_its_contact_s_ahead(&self, ticket: &QueuedTicket) -> bool {
        let ahead = self.turn(ticket).and_then(|turn| turn.ahead);
        ahead.is_some_and(|ahead| ticket.order(ahead.ticket()).is_lt())
    }

    /// Takes out a ticket of a line behind which nothing of its contact waits, if this one belongs before the last one
    /// in the queue or held: it makes room. Those aside are behind the one that stands for them, and so go before it.
    pub(super) fn make_room(&mut self, ticket: &QueuedTicket) -> Option<QueuedTicket> {
        let class = ticket.class();
        let queued = self.waiting.back(class).copied().map(|last| (None, last));
        let held = self.held().and_then(|held| held.back(class)).map(|(key, last)| (Some(key), last));
        let last = queued.into_iter().chain(held).max_by(|(_, one), (_, other)| one.order(other));
        let Some((key, last)) = last.filter(|(_, last)| ticket.order(last).is_lt()) else {
            // What its own contact has aside would overtake it.
            return self.pop_aside_behind(ticket);
        };
        if let Some(aside) = self.pop_aside_behind(&last) {
            return Some(aside);
        }
        match key {
            // One that has a permit, and may come back, would overtake it.
            None if self.is_before_its_contact_s_ahead(&last) => None,
            None => self.waiting.pop_back(class),
            Some(key) => {
                self.free(key, &last);
                Some(last)
            }
        }
    }

    /// Takes out the last of what a ticket's contact has aside, if it comes after that ticket.
    fn pop_aside_behind(&mut self, ticket: &QueuedTicket) -> Option<QueuedTicket> {
        let turns = self.turns.as_mut()?;
        let turn = turns.of.get_mut(&who(ticket))?;
        let aside = turn.aside.pop_back_if(|aside| ticket.order(aside).is_lt())?;
        if let Some(Ahead::Held(key, _)) = turn.ahead {
            turns.held.step_back(ticket.class(), key, 1);
        }
        turns.aside[ticket.class() as usize] -= 1;
        if turn.aside.is_empty() && turn.ahead.is_none() {
            turns.of.remove(&who(ticket));
        }
        Some(aside)
    }

    /// Takes this ticket out, if it is held.
    pub(super) fn free_held(&mut self, ticket: &QueuedTicket) -> Option<QueuedTicket> {
        let Some(Ahead::Held(key, held)) = self.turn(ticket)?.ahead else { return None };
        if held.order(ticket).is_ne() {
            return None;
        }
        self.free(key, &held);
        Some(held)
    }

    /// Takes a held ticket out; its contact's first one aside stands in for it.
    fn free(&mut self, key: DestinationKey, ticket: &QueuedTicket) {
        let Some(turns) = &mut self.turns else { return };
        turns.held.remove(key, ticket);
        if let Some(turn) = turns.of.get_mut(&who(ticket)) {
            turns.held.step_back(ticket.class(), key, turn.aside.len());
            turn.ahead = None;
        }
        self.stand_in(who(ticket));
    }

    /// The ticket of a class that may go next. Drops dead ones on the way, and lets those step aside whose contact has a
    /// permit or a held one; if there is no place for that, it is the first of these ([`Lines::waits_for`]).
    pub(super) fn head(
        &mut self,
        class: Class,
        crowds: &Crowds<'_>,
        mut is_dead: impl FnMut(&QueuedTicket) -> bool,
    ) -> Option<QueuedTicket> {
        while let Some(ticket) = self.waiting.front(class).copied() {
            if is_dead(&ticket) {
                self.waiting.pop_front(class);
                self.stand_in(who(&ticket));
                continue;
            }
            let Some(turns) = &mut self.turns else { return Some(ticket) };
            let Turns { of, aside, held } = &mut **turns;
            let Some(turn) = of.get_mut(&who(&ticket)) else { return Some(ticket) };
            let behind = match turn.ahead {
                None => return Some(ticket),
                Some(Ahead::Permit(..)) => None,
                Some(Ahead::Held(key, _)) => Some(key),
            };
            let behind_permits = aside[class as usize] - held.aside_of(class);
            // One that another of its contact's is waiting for, or sent, must not go behind that.
            if turn.is_last(&ticket) && !crowds.have_place(&ticket, behind, held, behind_permits) {
                return Some(ticket);
            }
            self.waiting.pop_front(class);
            turn.step_aside(ticket);
            aside[class as usize] += 1;
            behind.into_iter().for_each(|key| held.step_aside(class, key, 1));
        }
        None
    }

    /// The ticket of a class that may go next to a destination. Drops dead ones on the way.
    pub(super) fn head_for(
        &mut self,
        key: DestinationKey,
        class: Class,
        mut is_dead: impl FnMut(&QueuedTicket) -> bool,
    ) -> Option<QueuedTicket> {
        loop {
            let ticket = self.held()?.front(class, key)?;
            if !is_dead(&ticket) {
                return Some(ticket);
            }
            self.free(key, &ticket);
        }
    }

    /// Takes out the ticket that [`Lines::head`] returned for this class; its contact's first one aside stands in for it.
    pub(super) fn take_head(&mut self, class: Class) {
        let ticket = self.waiting.pop_front(class).expect("a head was found before it is taken");
        self.stand_in(who(&ticket));
    }

    /// The first ticket of a class in the queue.
    pub(super) fn front(&self, class: Class) -> Option<&QueuedTicket> {
        self.waiting.front(class)
    }

    /// What its contact has under way or held, if it has.
    pub(super) fn waits_for(&self, ticket: &QueuedTicket) -> Option<Turned> {
        self.turn(ticket)?.ahead.map(|ahead| match ahead {
            Ahead::Permit(..) => Turned::Permit,
            Ahead::Held(..) => Turned::Held,
        })
    }

    /// Tickets of a class aside behind permits.
    pub(super) fn behind_permits(&self, class: Class) -> usize {
        self.turns.as_ref().map_or(0, |turns| turns.aside[class as usize] - turns.held.aside_of(class))
    }

    /// Whether something of its contact that is under way, held or aside comes after it.
    pub(super) fn is_before_its_contact_s(&self, ticket: &QueuedTicket) -> bool {
        let aside = self.turn(ticket).and_then(|turn| turn.aside.back());
        aside.is_some_and(|aside| ticket.order(aside).is_lt()) || self.is_before_its_contact_s_ahead(ticket)
    }

    /// The ticket that [`Lines::head`] returned for this class waits for its destination.
    pub(super) fn hold(&mut self, class: Class, key: DestinationKey) {
        let ticket = self.waiting.pop_front(class).expect("a head was found before it is held");
        let turns = &mut **self.turns.get_or_insert_default();
        turns.held.insert(key, ticket);
        let turn = turns.of.entry(who(&ticket)).or_default();
        turns.held.step_aside(class, key, turn.aside.len());
        turn.ahead = Some(Ahead::Held(key, ticket));
    }

    /// Gives the ticket that [`Lines::head`] returned for this class its permit, or the one that [`Lines::head_for`]
    /// returned for this destination.
    pub(super) fn grant(&mut self, class: Class, from: Option<DestinationKey>, permit: u64) {
        let turns = &mut **self.turns.get_or_insert_default();
        let ticket = match from {
            None => self.waiting.pop_front(class),
            Some(key) => turns.held.front(class, key).inspect(|ticket| turns.held.remove(key, ticket)),
        }
        .expect("a head was found before its permit is granted");
        let turn = turns.of.entry(who(&ticket)).or_default();
        from.into_iter().for_each(|key| turns.held.step_back(class, key, turn.aside.len()));
        turn.ahead = Some(Ahead::Permit(permit, ticket));
    }

    /// Ends a permit. `requeue`: its ticket goes back to its place. Unknown permits are ignored.
    pub(super) fn end(&mut self, permit: u64, class: Class, contact: ContactId, requeue: bool) {
        let Some(turns) = &mut self.turns else { return };
        let Some(turn) = turns.of.get_mut(&(class, contact)) else { return };
        let Some(Ahead::Permit(id, ticket)) = turn.ahead else { return };
        if id != permit {
            return;
        }
        turn.ahead = None;
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

    /// The first ticket aside of a contact without a permit or a held ticket goes back to its place.
    fn stand_in(&mut self, who: (Class, ContactId)) {
        let Some(turns) = &mut self.turns else { return };
        let Some(turn) = turns.of.get_mut(&who).filter(|turn| turn.ahead.is_none()) else { return };
        let first = turn.aside.pop_front();
        if turn.aside.is_empty() {
            turns.of.remove(&who);
        }
        if let Some(first) = first {
            turns.aside[who.0 as usize] -= 1;
            self.waiting.insert(first);
        }
    }

    /// Whether an earlier ticket of its contact is under way, held or before it aside.
    pub(super) fn is_behind_another(&self, ticket: &QueuedTicket) -> bool {
        self.turn(ticket).is_some_and(|turn| {
            turn.ahead.is_some_and(|ahead| ahead.ticket().message != ticket.message)
                || turn.find_aside(ticket).is_some()
        })
    }

    /// All of a class that waits, in no particular order.
    pub(super) fn iter(&self, class: Class) -> impl Iterator<Item = &QueuedTicket> {
        let held = self.turns.iter().flat_map(move |turns| turns.held.iter(class));
        let turns = self.turns.iter().flat_map(|turns| &turns.of);
        let aside = turns.filter(move |((of, _), _)| *of == class).flat_map(|(_, turn)| &turn.aside);
        self.waiting.iter(class).chain(held).chain(aside)
    }

    /// Drops what `keep` does not want; permits stay.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&QueuedTicket) -> bool) {
        self.waiting.retain(&mut keep);
        let Some(turns) = &mut self.turns else { return };
        turns.held.retain(&mut keep);
        turns.aside = [0; 3];
        turns.held.forget_aside();
        for ((class, _), turn) in &mut turns.of {
            turn.aside.retain(&mut keep);
            turns.aside[*class as usize] += turn.aside.len();
            turn.ahead = turn.ahead.filter(|ahead| match ahead {
                Ahead::Permit(..) => true,
                Ahead::Held(key, ticket) => turns.held.has(*key, ticket),
            });
            if let Some(Ahead::Held(key, _)) = turn.ahead {
                turns.held.step_aside(*class, key, turn.aside.len());
            }
        }
        let with_none_ahead: Vec<_> =
            turns.of.iter().filter(|(_, turn)| turn.ahead.is_none()).map(|(who, _)| *who).collect();
        for who in with_none_ahead {
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
            size_of::<Turns>()
                + turns.held.heap_bytes()
                + turns.of.capacity() * (size_of::<((Class, ContactId), Turn)>() + 1) * 8 / 7
                + aside
        });
        self.waiting.heap_bytes() + turns
    }
}
