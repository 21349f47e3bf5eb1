//! Which waiting tickets were cancelled. A cancel does not search: the ticket is dropped when it is met.
//!
//! An entry says "tickets of this generation are dead, except in one place", so that a message that is
//! scheduled again for the same moment, perhaps in another lane, goes once. Entries leave when their
//! dead tickets were met. Those of tickets that never waited here would stay: the lanes sweep everything
//! once entries outnumber a quarter of what waits, which bounds the memory and costs each cancel O(1).

use super::quick_map::QuickMap;
use crate::domain::clock::UnixMs;
use crate::domain::ids::{LaneNo, MessageId};
use crate::domain::message::Class;
use crate::domain::ticket::QueuedTicket;

type Place = (LaneNo, Class);

#[derive(Debug, Clone, Copy)]
struct Entry {
    /// At most this many dead tickets wait; at least 1.
    dead: u32,
    lives_in: Option<Place>,
}

#[derive(Debug, Default)]
pub(super) struct Cancelled {
    entries: QuickMap<(MessageId, UnixMs), Entry>,
}

impl Cancelled {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Every ticket of that generation is dead now.
    pub(super) fn cancel(&mut self, message: MessageId, due_at: UnixMs) {
        let entry = self.entries.entry((message, due_at)).or_insert(Entry { dead: 0, lives_in: None });
        if entry.dead == 0 || entry.lives_in.take().is_some() {
            entry.dead += 1;
        }
    }

    /// A ticket of that generation came in anew; `replaced`: over one that waited in this very place.
    pub(super) fn revive(&mut self, ticket: &QueuedTicket, place: Place, replaced: bool) {
        if self.entries.is_empty() {
            return;
        }
        let key = (ticket.message, ticket.due_at());
        let Some(entry) = self.entries.get_mut(&key) else { return };
        if entry.lives_in == Some(place) {
            return;
        }
        entry.dead += u32::from(entry.lives_in.is_some());
        entry.dead -= u32::from(replaced);
        entry.lives_in = Some(place);
        if entry.dead == 0 {
            self.entries.remove(&key);
        }
    }

    /// Whether a ticket in this place is dead.
    pub(super) fn is_dead(&self, ticket: &QueuedTicket, place: Place) -> bool {
        !self.entries.is_empty()
            && self.entries.get(&(ticket.message, ticket.due_at())).is_some_and(|entry| entry.lives_in != Some(place))
    }

    /// The same, for a ticket that is dropped if it is.
    pub(super) fn drop_if_dead(&mut self, ticket: &QueuedTicket, place: Place) -> bool {
        if !self.is_dead(ticket, place) {
            return false;
        }
        let key = (ticket.message, ticket.due_at());
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.dead -= 1;
            if entry.dead == 0 {
                self.entries.remove(&key);
            }
        }
        true
    }

    /// Everything dead was dropped.
    pub(super) fn clear(&mut self) {
        self.entries = QuickMap::default();
    }

    /// Bytes on the heap, estimated from the capacity.
    pub(super) fn heap_bytes(&self) -> usize {
        self.entries.capacity() * (size_of::<((MessageId, UnixMs), Entry)>() + 1) * 8 / 7
    }
}
