//! What has expired and is not given out yet, in order of due time and creation.
//!
//! Two sources are merged: a run that is sorted by construction (slots expire in order, and nearly all
//! that arrives late belongs at its end), and a heap for the few late tickets that belong further ahead.
//! Cancels are noted with the position up to which they reach in each of them, as in a slot.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap, VecDeque};

use super::slot::{CANCELS_KEPT, Generation};
use crate::domain::clock::UnixMs;
use crate::domain::ids::{ContactId, MessageId};
use crate::domain::ticket::Ticket;

/// An emptied run keeps room for at most this many tickets (256 KB).
const ROOM_KEPT: usize = 4_096;

/// Total order of tickets: due time, creation; the ids only make equal tickets neighbours.
pub(super) fn order(ticket: &Ticket) -> (UnixMs, u64, MessageId, ContactId) {
    (ticket.due_at, ticket.created_us, ticket.message, ticket.contact)
}

#[derive(Debug, Clone, Copy)]
struct Late {
    ticket: Ticket,
    arrival: u64,
}

impl PartialEq for Late {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Late {}

impl PartialOrd for Late {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Late {
    fn cmp(&self, other: &Self) -> Ordering {
        order(&self.ticket).cmp(&order(&other.ticket)).then(self.arrival.cmp(&other.arrival))
    }
}

/// Up to where a cancel reaches.
#[derive(Debug, Clone, Copy)]
struct Reach {
    run: u64,
    late: u64,
}

#[derive(Debug, Default)]
pub(super) struct Ready {
    run: VecDeque<Ticket>,
    /// How many tickets have left the run: the position of its front.
    gone: u64,
    late: BinaryHeap<Reverse<Late>>,
    /// How many tickets ever came into the heap.
    arrivals: u64,
    cancelled: HashMap<Generation, Reach>,
}

impl Ready {
    pub(super) fn len(&self) -> usize {
        self.run.len() + self.late.len()
    }

    /// Appends tickets that are sorted, and due after all that is here.
    pub(super) fn append(&mut self, sorted: &[Ticket]) {
        self.run.extend(sorted);
    }

    /// Takes in a ticket whose time has passed already.
    pub(super) fn insert(&mut self, ticket: Ticket) {
        if self.run.back().is_none_or(|last| order(last) <= order(&ticket)) {
            self.run.push_back(ticket);
        } else {
            self.late.push(Reverse(Late { ticket, arrival: self.arrivals }));
            self.arrivals += 1;
        }
    }

    pub(super) fn cancel(&mut self, generation: Generation) {
        if self.len() == 0 {
            return;
        }
        let reach = Reach { run: self.gone + self.run.len() as u64, late: self.arrivals };
        self.cancelled.insert(generation, reach);
        if self.cancelled.len() > self.len() / 2 + CANCELS_KEPT {
            self.retain(|_| true);
        }
    }

    /// The due time of the first ticket, which may be a cancelled one.
    pub(super) fn next_due(&self) -> Option<UnixMs> {
        let late = self.late.peek().map(|Reverse(late)| late.ticket.due_at);
        let run = self.run.front().map(|ticket| ticket.due_at);
        [run, late].into_iter().flatten().min()
    }

    /// Gives out at most `max` live tickets due by `now`, each generation once.
    pub(super) fn emit(&mut self, now: UnixMs, max: usize, out: &mut Vec<Ticket>) {
        if max == 0 {
            return;
        }
        let start = out.len();
        while let Some(ticket) = self.peek() {
            if ticket.due_at > now {
                break;
            }
            let repeats_last = out.len() > start && out.last().is_some_and(|last| order(last) == order(&ticket));
            // Past the bound, only repetitions of what was given out last are still removed.
            if out.len() - start >= max && !repeats_last {
                break;
            }
            if !self.pop_is_dead(&ticket) {
                if repeats_last {
                    out.pop();
                }
                out.push(ticket);
            }
        }
        if self.len() == 0 {
            self.cancelled = HashMap::new();
            if self.run.capacity() > ROOM_KEPT {
                self.run = VecDeque::new();
            }
        }
    }

    fn late_is_first(&self) -> bool {
        match (self.run.front(), self.late.peek()) {
            (Some(run), Some(Reverse(late))) => order(&late.ticket) < order(run),
            (None, late) => late.is_some(),
            (Some(_), None) => false,
        }
    }

    fn peek(&self) -> Option<Ticket> {
        if self.late_is_first() { self.late.peek().map(|Reverse(late)| late.ticket) } else { self.run.front().copied() }
    }

    /// Removes the first ticket, which is `ticket`; whether it was cancelled.
    fn pop_is_dead(&mut self, ticket: &Ticket) -> bool {
        let (run, late) = if self.late_is_first() {
            (u64::MAX, self.late.pop().map_or(u64::MAX, |Reverse(late)| late.arrival))
        } else {
            self.run.pop_front();
            self.gone += 1;
            (self.gone - 1, u64::MAX)
        };
        !self.cancelled.is_empty()
            && self
                .cancelled
                .get(&(ticket.message, ticket.due_at))
                .is_some_and(|reach| run < reach.run || late < reach.late)
    }

    /// Drops the dead, and what `keep` does not want.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Ticket) -> bool) {
        let cancelled = std::mem::take(&mut self.cancelled);
        let reach = |ticket: &Ticket| {
            cancelled.get(&(ticket.message, ticket.due_at)).copied().unwrap_or(Reach { run: 0, late: 0 })
        };
        let mut position = self.gone;
        self.run.retain(|ticket| {
            position += 1;
            position > reach(ticket).run && keep(ticket)
        });
        self.late.retain(|Reverse(late)| late.arrival >= reach(&late.ticket).late && keep(&late.ticket));
    }
}
