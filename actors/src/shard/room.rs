//! Whether the store has room for new work, between two looks at it.
//!
//! How full it is, is measured about once a second, and a fast writer would pass the mark between two looks, and the
//! end of the space soon after it. So what is decided counts at once, by an upper estimate, and new work is refused
//! before it changes anything: that costs less than to undo what the store had no room for.
//!
//! What was decided shortly before a look may not have been written when it was taken. So all that was decided since
//! the look before counts too. Wrong by that much at most, and always to the safe side.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::store::{Mutation, Usage};

/// What a mutation takes besides its bytes: its place in a table, a checksum, what its key begins with.
const EACH: u64 = 48;
/// Each byte is in a journal and in a table.
const COPIES: u64 = 2;

/// The room of one store.
#[derive(Debug)]
pub struct Room {
    /// Bytes of all that was decided, by estimate.
    decided: AtomicU64,
    /// The same when the last look began.
    decided_before: AtomicU64,
    /// New work is taken until so much was decided.
    ends_at: AtomicU64,
}

impl Default for Room {
    /// Before the first look there is no end.
    fn default() -> Self {
        Self { decided: AtomicU64::new(0), decided_before: AtomicU64::new(0), ends_at: AtomicU64::new(u64::MAX) }
    }
}

/// A look that began.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct Look {
    decided: u64,
}

impl Room {
    /// These are going to be written.
    pub fn take(&self, mutations: &[Mutation]) {
        let bytes: u64 = mutations.iter().map(|mutation| mutation.len() as u64 + EACH).sum();
        self.decided.fetch_add(bytes * COPIES, Ordering::Relaxed);
    }

    /// Whether new work may come.
    #[must_use]
    pub fn is_left(&self) -> bool {
        self.decided.load(Ordering::Relaxed) < self.ends_at.load(Ordering::Relaxed)
    }

    /// The store refused new work: none is asked for until the next look at it.
    pub fn end(&self) {
        self.ends_at.store(0, Ordering::Relaxed);
    }

    /// Somebody is going to ask the store how full it is. One at a time.
    pub fn begin_look(&self) -> Look {
        Look { decided: self.decided.load(Ordering::Relaxed) }
    }

    /// The store answered; `mark`: from which share on new work is refused.
    pub fn end_look(&self, look: Look, usage: Usage, mark: f64) {
        let before = self.decided_before.swap(look.decided, Ordering::Relaxed);
        let ends_at = if usage.share >= mark {
            0
        } else if usage.share <= 0.0 {
            u64::MAX
        } else {
            let left = usage.bytes as f64 * (mark / usage.share - 1.0);
            before.saturating_add(left as u64)
        };
        self.ends_at.store(ends_at, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::store::Table;

    fn put(bytes: usize) -> [Mutation; 1] {
        let value = Bytes::from(vec![0; bytes - 1 - EACH as usize]);
        [Mutation::Put(Table::Message, smallvec::smallvec![1], value)]
    }

    fn look(room: &Room, bytes: u64) {
        let usage = Usage { share: bytes as f64 / 100_000.0, bytes };
        room.end_look(room.begin_look(), usage, 0.80);
    }

    #[test]
    fn what_is_decided_between_two_looks_counts_at_once() {
        let room = Room::default();
        assert!(room.is_left(), "nobody has looked");
        look(&room, 70_000);
        room.take(&put(4_900));
        assert!(room.is_left());
        room.take(&put(200));
        assert!(!room.is_left(), "twice 5,100 bytes are more than are left to 80 %");
    }

    #[test]
    fn a_look_puts_the_estimate_right_but_for_what_was_decided_just_before_it() {
        let room = Room::default();
        look(&room, 70_000);
        room.take(&put(5_000));
        look(&room, 73_000);
        assert!(!room.is_left(), "7,000 bytes are left, and 10,000 may not have been written");
        look(&room, 73_000);
        assert!(room.is_left());
        room.take(&put(3_600));
        assert!(!room.is_left());
    }

    #[test]
    fn at_the_mark_nothing_is_left_and_without_a_budget_everything() {
        let room = Room::default();
        look(&room, 80_000);
        assert!(!room.is_left());
        look(&room, 0);
        room.take(&put(1_000_000));
        assert!(room.is_left());
        room.end();
        assert!(!room.is_left(), "the store said so itself");
        look(&room, 0);
        assert!(room.is_left());
    }
}
