//! The permits that are out: what each one may give back, and whose message it is.

use smallvec::SmallVec;

use super::quick_map::QuickMap;
use super::tokens::Tokens;
use crate::domain::clock::{BootUs, UnixMs};
use crate::domain::ids::MessageId;
use crate::domain::ticket::Ticket;

#[derive(Debug)]
pub(super) struct Held {
    pub(super) ticket: Ticket,
    pub(super) tokens: Tokens,
    /// The moment of its tokens.
    pub(super) slot: BootUs,
    /// Cancelled since: a requeue drops it.
    pub(super) is_cancelled: bool,
    /// Scheduled again since it was cancelled: it goes back to its place even if this permit is not used.
    pub(super) is_readmitted: bool,
}

#[derive(Debug, Default)]
pub(super) struct Permits {
    held: QuickMap<u64, Held>,
    /// One message has two permits only if it was moved to another lane while the first one is out.
    by_message: QuickMap<MessageId, SmallVec<[u64; 1]>>,
    last_id: u64,
}

impl Permits {
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// The id that the next permit gets.
    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(super) fn grant(&mut self, id: u64, held: Held) {
        self.by_message.entry(held.ticket.message).or_default().push(id);
        self.held.insert(id, held);
    }

    pub(super) fn end(&mut self, id: u64) -> Option<Held> {
        let held = self.held.remove(&id)?;
        if let Some(ids) = self.by_message.get_mut(&held.ticket.message) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_message.remove(&held.ticket.message);
            }
        }
        Some(held)
    }

    pub(super) fn get(&self, id: u64) -> Option<&Held> {
        self.held.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut Held> {
        self.held.get_mut(&id)
    }

    pub(super) fn has(&self, message: MessageId) -> bool {
        self.by_message.contains_key(&message)
    }

    /// Marks the permit of that generation as cancelled; whether there is one.
    pub(super) fn cancel(&mut self, message: MessageId, due_at: UnixMs) -> bool {
        let mut found = false;
        for id in self.by_message.get(&message).into_iter().flatten() {
            if let Some(held) = self.held.get_mut(id).filter(|held| held.ticket.due_at == due_at) {
                (held.is_cancelled, held.is_readmitted) = (true, false);
                found = true;
            }
        }
        found
    }

    /// The ticket of this permit was scheduled anew; matters only if it had been cancelled.
    pub(super) fn readmit(&mut self, id: u64) {
        if let Some(held) = self.held.get_mut(&id) {
            held.is_readmitted |= held.is_cancelled;
            held.is_cancelled = false;
        }
    }
}
