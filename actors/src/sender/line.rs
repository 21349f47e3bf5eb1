//! One class of one lane: its queue, and the contacts whose turn it is.
//!
//! Messages of one contact are first attempted in order (I7): while a contact has a permit here, its
//! later tickets step aside and wait behind it, where they delay nobody else. When the permit ends, the
//! first of them goes back to its place in the queue and stands there for all of them; the others stay
//! aside until it has had its permit. So a ticket steps aside at most once per permit of its contact.
//!
//! Invariant: a contact with tickets aside has a permit, or one of its tickets in the queue before them.

use std::collections::{HashMap, VecDeque};

use super::queue::{Inserted, Queue, order};
use crate::domain::ids::ContactId;
use crate::domain::ticket::QueuedTicket;

#[derive(Debug, Default)]
struct Turn {
    permit: Option<(u64, QueuedTicket)>,
    /// In order.
    aside: VecDeque<QueuedTicket>,
}

impl Turn {
    fn step_aside(&mut self, ticket: QueuedTicket) {
        let at = self.aside.partition_point(|other| order(other) < order(&ticket));
        self.aside.insert(at, ticket);
    }
}

/// What the store holds beyond the queue's bound, as far as is known here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Parked {
    /// The store has tickets of this line in index `waiting`.
    pub(super) in_store: bool,
    /// A refill is being read.
    pub(super) is_refilling: bool,
    /// Something was parked since that read began: "exhausted" would be said too early.
    pub(super) since_refill: bool,
    /// What that read returns may hold tickets that were dropped here since: it is to be read again.
    pub(super) is_stale: bool,
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
pub(super) struct Line {
    queue: Queue,
    turns: HashMap<ContactId, Turn>,
    aside: usize,
    pub(super) parked: Parked,
}

impl Line {
    /// Tickets that wait here.
    pub(super) fn len(&self) -> usize {
        self.queue.len() + self.aside
    }

    /// Puts a ticket that [`Line::find_and_replace`] did not find in its place.
    pub(super) fn insert(&mut self, ticket: QueuedTicket) -> Inserted {
        self.queue.insert(ticket)
    }

    /// Where a ticket is, if it is here. One that waits is replaced by this one, which is newer.
    pub(super) fn find_and_replace(&mut self, ticket: &QueuedTicket) -> Found {
        if let Some(turn) = self.turns.get_mut(&ticket.contact) {
            if let Some((permit, under_way)) = turn.permit
                && order(&under_way) == order(ticket)
            {
                return Found::UnderPermit(permit);
            }
            if let Ok(at) = turn.aside.binary_search_by_key(&order(ticket), order) {
                turn.aside[at] = *ticket;
                return Found::Waiting;
            }
        }
        if self.queue.contains(ticket) {
            self.queue.insert(*ticket);
            return Found::Waiting;
        }
        Found::Nowhere
    }

    /// Whether a ticket waits here or has a permit.
    pub(super) fn contains(&self, ticket: &QueuedTicket) -> bool {
        self.queue.contains(ticket)
            || self.turns.get(&ticket.contact).is_some_and(|turn| {
                turn.permit.is_some_and(|(_, under_way)| order(&under_way) == order(ticket))
                    || turn.aside.binary_search_by_key(&order(ticket), order).is_ok()
            })
    }

    /// Whether a ticket belongs before the last one that waits in the queue.
    pub(super) fn is_before_last(&self, ticket: &QueuedTicket) -> bool {
        self.queue.back().is_some_and(|last| order(ticket) < order(last))
    }

    /// Takes out a ticket behind which nothing of its contact waits, if this one belongs before the last one in
    /// the queue: it makes room. Those aside are behind the one that stands for them, and so go before it.
    pub(super) fn make_room(&mut self, ticket: &QueuedTicket) -> Option<QueuedTicket> {
        let last = self.queue.back().copied().filter(|last| order(ticket) < order(last))?;
        if let Some(turn) = self.turns.get_mut(&last.contact)
            && let Some(aside) = turn.aside.pop_back_if(|aside| order(aside) > order(&last))
        {
            self.aside -= 1;
            if turn.aside.is_empty() && turn.permit.is_none() {
                self.turns.remove(&last.contact);
            }
            return Some(aside);
        }
        self.queue.pop_back()
    }

    /// The ticket that may go next. Drops dead ones on the way, and lets those step aside whose contact
    /// has a permit.
    pub(super) fn head(&mut self, mut is_dead: impl FnMut(&QueuedTicket) -> bool) -> Option<QueuedTicket> {
        while let Some(ticket) = self.queue.front().copied() {
            if is_dead(&ticket) {
                self.queue.pop_front();
                self.stand_in(ticket.contact);
                continue;
            }
            match self.turns.get_mut(&ticket.contact) {
                Some(turn) if turn.permit.is_some() => {
                    self.queue.pop_front();
                    turn.step_aside(ticket);
                    self.aside += 1;
                }
                _ => return Some(ticket),
            }
        }
        None
    }

    /// Gives the ticket that [`Line::head`] returned its permit.
    pub(super) fn grant(&mut self, permit: u64) {
        let ticket = self.queue.pop_front().expect("a head was found before its permit is granted");
        self.turns.entry(ticket.contact).or_default().permit = Some((permit, ticket));
    }

    /// Ends a permit. `requeue`: its ticket goes back to its place. Unknown permits are ignored.
    pub(super) fn end(&mut self, permit: u64, contact: ContactId, requeue: bool) {
        let Some(turn) = self.turns.get_mut(&contact) else { return };
        let Some((_, ticket)) = turn.permit.take_if(|(id, _)| *id == permit) else { return };
        if requeue {
            // An earlier ticket may have come meanwhile: the first of all goes back to the queue.
            turn.step_aside(ticket);
            self.aside += 1;
        }
        self.stand_in(contact);
    }

    /// The first ticket aside of a contact without a permit goes back to its place in the queue.
    fn stand_in(&mut self, contact: ContactId) {
        let Some(turn) = self.turns.get_mut(&contact).filter(|turn| turn.permit.is_none()) else { return };
        let first = turn.aside.pop_front();
        if turn.aside.is_empty() {
            self.turns.remove(&contact);
        }
        if let Some(first) = first {
            self.aside -= 1;
            self.queue.insert(first);
        }
    }

    /// Whether an earlier ticket of its contact is under way or before it aside.
    pub(super) fn is_behind_another(&self, ticket: &QueuedTicket) -> bool {
        self.turns.get(&ticket.contact).is_some_and(|turn| {
            turn.permit.is_some_and(|(_, under_way)| under_way.message != ticket.message)
                || turn.aside.binary_search_by_key(&order(ticket), order).is_ok()
        })
    }

    /// All that waits, in no particular order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &QueuedTicket> {
        self.queue.iter().chain(self.turns.values().flat_map(|turn| &turn.aside))
    }

    /// Drops what `keep` does not want; permits stay.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&QueuedTicket) -> bool) {
        self.queue.retain(&mut keep);
        for turn in self.turns.values_mut() {
            turn.aside.retain(&mut keep);
        }
        self.aside = self.turns.values().map(|turn| turn.aside.len()).sum();
        let without_permit: Vec<_> =
            self.turns.iter().filter(|(_, turn)| turn.permit.is_none()).map(|(contact, _)| *contact).collect();
        for contact in without_permit {
            self.stand_in(contact);
        }
    }

    /// Takes all that waits, in order; permits stay.
    pub(super) fn drain(&mut self) -> Vec<QueuedTicket> {
        let mut all: Vec<_> = self.iter().copied().collect();
        all.sort_unstable_by_key(order);
        self.retain(|_| false);
        all
    }

    /// Bytes on the heap, by capacity; the maps' own bookkeeping is estimated.
    pub(super) fn heap_bytes(&self) -> usize {
        let turns = self.turns.capacity() * (size_of::<(ContactId, Turn)>() + 1) * 8 / 7;
        let aside: usize = self.turns.values().map(|turn| turn.aside.capacity() * size_of::<QueuedTicket>()).sum();
        self.queue.heap_bytes() + turns + aside
    }
}
