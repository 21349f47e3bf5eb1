//! The timing wheel: tickets come out at their millisecond, in order, never before.
//!
//! Eight levels of 256 slots: one level for each byte of the millisecond. A ticket stands on the level
//! of the highest byte in which its due time differs from the wheel's cursor, in the slot of that
//! byte's value. So a slot of level 0 is one millisecond, all tickets of one due time stand in one slot,
//! lower levels are always due before higher ones, and no time is too far away. Moving the cursor by any
//! distance touches only slots that hold something: those that were passed expire whole, and the one
//! that the cursor enters is spread over the levels below. A ticket due within 65 s moves at most once
//! before it expires, one within 4 h 39 min at most twice.
//!
//! Invariants: nothing comes out before its due time (I1); what went in and was not cancelled comes out
//! once, however the wall clock jumps. Two live tickets of one generation (message, due time) that are
//! in the wheel together come out as one: a load and an arming may both bring it.
//!
//! The wheel is a cache. When the process dies nothing is lost: it is loaded again from the due index.

use super::ready::{Ready, order};
use super::slot::Slot;
use crate::domain::clock::UnixMs;
use crate::domain::ids::MessageId;
use crate::domain::ticket::Ticket;

const LEVELS: usize = 8;
const SLOTS: usize = 256;
const NIL: MessageId = MessageId::from_bytes([0; 16]);

#[derive(Debug, Default)]
struct Level {
    occupied: [u64; SLOTS / 64],
    /// Allocated when the level is first used.
    slots: Vec<Slot>,
}

impl Level {
    fn push(&mut self, slot: usize, ticket: Ticket) {
        if self.slots.is_empty() {
            self.slots.resize_with(SLOTS, Slot::default);
        }
        self.slots[slot].push(ticket);
        self.occupied[slot / 64] |= 1 << (slot % 64);
    }

    /// The first slot that holds something.
    fn first(&self) -> Option<usize> {
        let word = self.occupied.iter().position(|word| *word != 0)?;
        Some(word * 64 + self.occupied[word].trailing_zeros() as usize)
    }

    fn clear(&mut self, slot: usize) {
        self.occupied[slot / 64] &= !(1 << (slot % 64));
    }
}

/// Hierarchical timing wheel over milliseconds.
#[derive(Debug)]
pub struct TimingWheel {
    /// Everything due up to here has left the slots; everything in them is due later. See [`tick`].
    cursor: u64,
    levels: [Level; LEVELS],
    ready: Ready,
    in_slots: usize,
}

/// Milliseconds as an unsigned number of the same order.
const fn tick(at: UnixMs) -> u64 {
    at.0.cast_unsigned() ^ (1 << 63)
}

/// The highest byte in which two different ticks differ.
const fn level_between(one: u64, other: u64) -> usize {
    (63 - (one ^ other).leading_zeros() as usize) / 8
}

const fn slot_at(tick: u64, level: usize) -> usize {
    (tick >> (8 * level)) as usize & (SLOTS - 1)
}

impl TimingWheel {
    /// An empty wheel that stands at `now`.
    #[must_use]
    pub fn new(now: UnixMs) -> Self {
        Self {
            cursor: tick(now),
            levels: std::array::from_fn(|_| Level::default()),
            ready: Ready::default(),
            in_slots: 0,
        }
    }

    /// Puts a ticket in. One that is due already comes out at the next advance.
    pub fn insert(&mut self, ticket: Ticket) {
        let due = tick(ticket.due_at);
        if due <= self.cursor {
            self.ready.insert(ticket);
        } else {
            let level = level_between(due, self.cursor);
            self.levels[level].push(slot_at(due, level), ticket);
            self.in_slots += 1;
        }
    }

    /// Takes the message's ticket of that due time back, if it is here; nothing is searched: it is
    /// dropped when its slot expires. Inserted again afterwards, it comes out. A nil message is ignored
    /// (the ticket that cleans a contact up cannot be told apart by it, and is never taken back).
    pub fn cancel(&mut self, message: MessageId, due_at: UnixMs) {
        if message == NIL {
            return;
        }
        let due = tick(due_at);
        if due <= self.cursor {
            self.ready.cancel((message, due_at));
            return;
        }
        let level = level_between(due, self.cursor);
        let index = slot_at(due, level);
        let level = &mut self.levels[level];
        if let Some(slot) = level.slots.get_mut(index) {
            let before = slot.len();
            slot.cancel((message, due_at));
            self.in_slots -= before - slot.len();
            if slot.is_empty() {
                level.clear(index);
            }
        }
    }

    /// Appends at most `max` tickets due by `now` to `out`, ordered by due time and creation over
    /// all that has expired so far; what is left comes at the next call. A `now` before an earlier one
    /// gives out only what is due by it, and repeats nothing.
    pub fn advance(&mut self, now: UnixMs, max: usize, out: &mut Vec<Ticket>) {
        let target = tick(now);
        if target > self.cursor {
            self.move_cursor(target);
        }
        self.ready.emit(now, max, out);
    }

    fn move_cursor(&mut self, target: u64) {
        let top = level_between(target, self.cursor);
        let entered = slot_at(target, top);
        self.cursor = target;
        if self.in_slots == 0 {
            return;
        }
        for level in 0..=top {
            while let Some(index) = self.levels[level].first() {
                if level == top && index > entered {
                    break;
                }
                self.levels[level].clear(index);
                let slot = &mut self.levels[level].slots[index];
                self.in_slots -= slot.len();
                let mut tickets = slot.take();
                if level == top && index == entered {
                    let (levels, in_slots) = (&mut self.levels, &mut self.in_slots);
                    tickets.retain(|ticket| {
                        let due = tick(ticket.due_at);
                        if due > target {
                            let lower = level_between(due, target);
                            levels[lower].push(slot_at(due, lower), *ticket);
                            *in_slots += 1;
                        }
                        due <= target
                    });
                }
                tickets.sort_unstable_by_key(order);
                self.ready.append(&tickets);
                self.levels[level].slots[index].recycle(tickets);
            }
        }
    }

    /// When the next advance may give something out: never later than the earliest live ticket's due
    /// time, and earlier only where that ticket was cancelled.
    #[must_use]
    pub fn next_due(&self) -> Option<UnixMs> {
        self.ready
            .next_due()
            .or_else(|| self.levels.iter().find_map(|level| level.first().map(|index| level.slots[index].earliest())))
    }

    /// How many tickets it holds; cancelled ones count until their slot expires or is compacted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.in_slots + self.ready.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Drops every ticket that `keep` does not want. Looks at all of them: for a partition that was lost.
    pub fn retain(&mut self, mut keep: impl FnMut(&Ticket) -> bool) {
        self.ready.retain(&mut keep);
        self.in_slots = 0;
        for level in &mut self.levels {
            for (index, slot) in level.slots.iter_mut().enumerate() {
                slot.retain(&mut keep);
                self.in_slots += slot.len();
                if slot.is_empty() {
                    level.occupied[index / 64] &= !(1 << (index % 64));
                }
            }
        }
    }
}
