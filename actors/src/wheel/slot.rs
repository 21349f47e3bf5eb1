//! One slot of the wheel: tickets in order of arrival, and which of them were cancelled since.
//!
//! A cancel does not search. It notes how many tickets the slot held at that moment: those of its
//! generation before that position are dead, one that is inserted again afterwards lives. This works
//! because all tickets of one due time stand in one slot at any moment, and a cascade (which empties
//! the slot) resolves its cancels on the way. Cancels of tickets that never were here cost an entry
//! until the slot is emptied or compacted.

use std::collections::HashMap;

use crate::domain::clock::UnixMs;
use crate::domain::ids::MessageId;
use crate::domain::ticket::Ticket;

/// What tells a live ticket of a message from a stale one.
pub(super) type Generation = (MessageId, UnixMs);

/// Cancels that are kept before a slot (or the ready run) is worth compacting.
pub(super) const CANCELS_KEPT: usize = 16;

/// An emptied slot keeps room for at most this many tickets (2 KB).
const ROOM_KEPT: usize = 32;

#[derive(Debug, Default)]
pub(super) struct Slot {
    tickets: Vec<Ticket>,
    /// Lower bound of the due times inside, while it holds tickets.
    earliest: UnixMs,
    /// Tickets of a generation before this position are dead.
    #[expect(clippy::box_collection, reason = "thousands of slots, and few of them with a cancel")]
    cancelled: Option<Box<HashMap<Generation, usize>>>,
}

impl Slot {
    /// Tickets inside, cancelled ones too.
    pub(super) fn len(&self) -> usize {
        self.tickets.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tickets.is_empty()
    }

    pub(super) fn earliest(&self) -> UnixMs {
        self.earliest
    }

    pub(super) fn push(&mut self, ticket: Ticket) {
        if self.tickets.is_empty() || ticket.due_at < self.earliest {
            self.earliest = ticket.due_at;
        }
        self.tickets.push(ticket);
    }

    /// Notes a cancel; compacts once cancels outnumber half of the tickets, so that each costs O(1) on average.
    pub(super) fn cancel(&mut self, generation: Generation) {
        if self.tickets.is_empty() {
            return;
        }
        let cancelled = self.cancelled.get_or_insert_default();
        cancelled.insert(generation, self.tickets.len());
        if cancelled.len() > self.tickets.len() / 2 + CANCELS_KEPT {
            self.retain(|_| true);
        }
    }

    /// Empties the slot; the live tickets, in order of arrival.
    pub(super) fn take(&mut self) -> Vec<Ticket> {
        if self.cancelled.is_some() {
            self.retain_live(|_| true);
        }
        std::mem::take(&mut self.tickets)
    }

    /// Gives the allocation of a taken slot back, if it is small enough to be kept.
    pub(super) fn recycle(&mut self, mut tickets: Vec<Ticket>) {
        if self.tickets.capacity() == 0 && tickets.capacity() <= ROOM_KEPT {
            tickets.clear();
            self.tickets = tickets;
        }
    }

    /// Drops the dead, and what `keep` does not want.
    pub(super) fn retain(&mut self, keep: impl FnMut(&Ticket) -> bool) {
        self.retain_live(keep);
        if self.tickets.len() < self.tickets.capacity() / 4 {
            self.tickets.shrink_to(ROOM_KEPT.max(self.tickets.len()));
        }
    }

    fn retain_live(&mut self, mut keep: impl FnMut(&Ticket) -> bool) {
        match self.cancelled.take() {
            None => self.tickets.retain(keep),
            Some(cancelled) => {
                let mut position = 0;
                self.tickets.retain(|ticket| {
                    position += 1;
                    let dead_before = cancelled.get(&(ticket.message, ticket.due_at)).copied().unwrap_or(0);
                    position > dead_before && keep(ticket)
                });
            }
        }
    }
}
