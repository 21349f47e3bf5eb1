//! The queue of one class of one lane with many tickets, in order of due time and creation.
//!
//! Chunks of 64 in a deque. Nearly everything comes in at the back and leaves at the front; what comes
//! late finds its place by two binary searches. Because a ticket's place is a function of its content, a
//! duplicate meets its twin there, and no set of queued ids is needed.

use std::cmp::Ordering;
use std::collections::VecDeque;

use crate::domain::ticket::QueuedTicket;

/// Tickets in a full chunk (3.6 KB).
const CHUNK: usize = 64;

/// Where an inserted ticket ended up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inserted {
    /// It is the first now.
    Front,
    /// Others are before it.
    Behind,
    /// It was there already, and was replaced in its place.
    Replaced,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    /// None is empty; each holds at most [`CHUNK`].
    chunks: VecDeque<Vec<QueuedTicket>>,
    /// How many of the first chunk have left; less than its length.
    head: usize,
    len: usize,
}

impl Queue {
    /// A queue of tickets that are in order already, at most a chunk of them.
    pub(super) fn of_sorted(tickets: &[QueuedTicket]) -> Self {
        debug_assert!(tickets.len() <= CHUNK && tickets.is_sorted_by(|one, next| one.order(next).is_lt()));
        let mut queue = Self::default();
        if !tickets.is_empty() {
            queue.chunks.reserve_exact(1);
            queue.chunks.push_back(tickets.to_vec());
            queue.len = tickets.len();
        }
        queue
    }

    /// By how many tickets a chunk at an end grows: an eighth of what is here, so that a short queue stays small.
    fn growth(&self) -> usize {
        (self.len / 8).clamp(2, CHUNK)
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn front(&self) -> Option<&QueuedTicket> {
        self.chunks.front().map(|chunk| &chunk[self.head])
    }

    pub(super) fn back(&self) -> Option<&QueuedTicket> {
        self.chunks.back().and_then(|chunk| chunk.last())
    }

    pub(super) fn pop_front(&mut self) -> Option<QueuedTicket> {
        let chunk = self.chunks.front()?;
        let ticket = chunk[self.head];
        self.head += 1;
        self.len -= 1;
        if self.head == chunk.len() {
            self.chunks.pop_front();
            self.head = 0;
            if self.chunks.len() < self.chunks.capacity() / 4 {
                self.chunks.shrink_to(self.chunks.len() * 2);
            }
        }
        Some(ticket)
    }

    /// Takes the last one out.
    pub(super) fn pop_back(&mut self) -> Option<QueuedTicket> {
        if self.len <= 1 {
            return self.pop_front();
        }
        let chunk = self.chunks.back_mut()?;
        let ticket = chunk.pop();
        if chunk.is_empty() {
            self.chunks.pop_back();
        }
        self.len -= 1;
        ticket
    }

    /// Puts a ticket in its place.
    pub(super) fn insert(&mut self, ticket: QueuedTicket) -> Inserted {
        match self.back().map(|last| last.order(&ticket)) {
            None => {
                self.push_back(ticket);
                Inserted::Front
            }
            Some(Ordering::Less) => {
                self.push_back(ticket);
                Inserted::Behind
            }
            Some(_) if self.front().is_some_and(|first| ticket.order(first).is_lt()) => {
                self.push_front(ticket);
                Inserted::Front
            }
            Some(_) => self.insert_within(ticket),
        }
    }

    /// Takes this ticket out; whether it was here.
    pub(super) fn remove(&mut self, ticket: &QueuedTicket) -> bool {
        if self.back().is_none_or(|last| ticket.order(last).is_gt()) {
            return false;
        }
        let (chunk, Ok(at)) = self.find(ticket) else { return false };
        if chunk == 0 && at == self.head {
            return self.pop_front().is_some();
        }
        // What it leaves is not empty: in the first chunk another stands before it.
        self.chunks[chunk].remove(at);
        if self.chunks[chunk].is_empty() {
            self.chunks.remove(chunk);
        }
        self.len -= 1;
        true
    }

    /// The ticket that stands in the place of this one.
    pub(super) fn get(&self, ticket: &QueuedTicket) -> Option<&QueuedTicket> {
        self.back().filter(|last| ticket.order(last).is_le())?;
        let (chunk, place) = self.find(ticket);
        place.ok().map(|at| &self.chunks[chunk][at])
    }

    /// The chunk where a ticket not after the last one belongs, and its place there (`Err`: to be inserted).
    fn find(&self, ticket: &QueuedTicket) -> (usize, Result<usize, usize>) {
        let is_before = |chunk: &Vec<QueuedTicket>| chunk.last().is_some_and(|last| last.order(ticket).is_lt());
        let chunk = self.chunks.partition_point(is_before);
        let skip = if chunk == 0 { self.head } else { 0 };
        let place = self.chunks[chunk][skip..].binary_search_by(|other| other.order(ticket));
        (chunk, place.map(|at| at + skip).map_err(|at| at + skip))
    }

    fn insert_within(&mut self, ticket: QueuedTicket) -> Inserted {
        match self.find(&ticket) {
            (chunk, Ok(at)) => {
                self.chunks[chunk][at] = ticket;
                Inserted::Replaced
            }
            (mut chunk, Err(mut at)) => {
                if chunk == 0 && self.head > 0 {
                    // Gone tickets make room: move the ones before the place back by one.
                    self.chunks[0].copy_within(self.head..at, self.head - 1);
                    self.chunks[0][at - 1] = ticket;
                    self.head -= 1;
                } else {
                    if self.chunks[chunk].len() == CHUNK {
                        let upper = self.chunks[chunk].split_off(CHUNK / 2);
                        self.chunks.insert(chunk + 1, upper);
                        if at > CHUNK / 2 {
                            (chunk, at) = (chunk + 1, at - CHUNK / 2);
                        }
                    }
                    self.chunks[chunk].insert(at, ticket);
                }
                self.len += 1;
                Inserted::Behind
            }
        }
    }

    fn push_back(&mut self, ticket: QueuedTicket) {
        let growth = self.growth();
        match self.chunks.back_mut() {
            Some(chunk) if chunk.len() < CHUNK => {
                if chunk.len() == chunk.capacity() {
                    chunk.reserve_exact(growth.min(CHUNK - chunk.len()));
                }
                chunk.push(ticket);
            }
            _ => {
                if self.chunks.len() == self.chunks.capacity() {
                    self.chunks.reserve_exact(1 + self.chunks.len() / 4);
                }
                let mut chunk = Vec::with_capacity(growth);
                chunk.push(ticket);
                self.chunks.push_back(chunk);
            }
        }
        self.len += 1;
    }

    fn push_front(&mut self, ticket: QueuedTicket) {
        if self.head == 0 {
            // Filled from its end, so that the next ones find room before it.
            let growth = self.growth();
            if self.chunks.len() == self.chunks.capacity() {
                self.chunks.reserve_exact(1 + self.chunks.len() / 4);
            }
            self.chunks.push_front(vec![ticket; growth]);
            self.head = growth;
        }
        self.head -= 1;
        self.chunks[0][self.head] = ticket;
        self.len += 1;
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &QueuedTicket> {
        self.chunks.iter().flatten().skip(self.head)
    }

    /// Drops what `keep` does not want; looks at everything.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&QueuedTicket) -> bool) {
        let before = std::mem::take(self);
        for ticket in before.iter().filter(|ticket| keep(ticket)) {
            self.push_back(*ticket);
        }
    }

    /// Bytes on the heap, by capacity.
    pub(super) fn heap_bytes(&self) -> usize {
        self.chunks.capacity() * size_of::<Vec<QueuedTicket>>()
            + self.chunks.iter().map(|chunk| chunk.capacity() * size_of::<QueuedTicket>()).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::ids::{AccountNo, LaneNo};
    use crate::domain::ticket::fixtures::ticket;

    fn queued(n: u32, due: i64) -> QueuedTicket {
        QueuedTicket::of(&ticket(n, due))
    }

    fn number(ticket: &QueuedTicket) -> u64 {
        ticket.ticket(LaneNo(1), AccountNo(1)).created_us
    }

    fn key(ticket: &QueuedTicket) -> (i64, u64) {
        (ticket.due_at().0, number(ticket))
    }

    #[test]
    fn what_comes_back_goes_before_those_behind_it() {
        let mut queue = Queue::default();
        for n in 0..200 {
            queue.insert(queued(n, 10));
        }
        let taken: Vec<_> = (0..70).filter_map(|_| queue.pop_front()).collect();
        for ticket in taken.iter().rev() {
            assert_eq!(queue.insert(*ticket), Inserted::Front);
        }
        let all: Vec<_> = std::iter::from_fn(|| queue.pop_front()).map(|ticket| number(&ticket)).collect();
        assert_eq!(all, (0..200).collect::<Vec<_>>());
    }

    #[test]
    fn a_long_queue_takes_hardly_more_than_its_tickets() {
        let mut queue = Queue::default();
        for n in 0..100_000 {
            queue.insert(queued(n, 10));
        }
        assert!(queue.heap_bytes() < 57 * 100_000, "{} bytes", queue.heap_bytes());
        for _ in 0..99_990 {
            queue.pop_front();
        }
        assert!(queue.heap_bytes() < 16_384, "{} bytes remain", queue.heap_bytes());
    }

    #[derive(Debug, Clone)]
    enum Step {
        Insert(u32, i64),
        InsertAtBack(u32),
        Pop(usize),
        Remove(u32),
        Retain(u32),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0u32..300, 0i64..3).prop_map(|(n, due)| Step::Insert(n, due)),
            4 => (1u32..200).prop_map(Step::InsertAtBack),
            3 => (1usize..120).prop_map(Step::Pop),
            3 => (0u32..300).prop_map(Step::Remove),
            1 => (2u32..9).prop_map(Step::Retain),
        ]
    }

    proptest! {
        #[test]
        fn it_is_an_ordered_set(steps in prop::collection::vec(step(), 1..60)) {
            let mut queue = Queue::default();
            let mut model = std::collections::BTreeMap::new();
            let mut next = 1_000;
            for step in steps {
                match step {
                    Step::Insert(n, due) => {
                        let ticket = queued(n, due);
                        let is_new = model.insert(key(&ticket), ticket).is_none();
                        let inserted = queue.insert(ticket);
                        prop_assert_eq!(inserted != Inserted::Replaced, is_new);
                        let is_first = model.first_key_value().unwrap().0 == &key(&ticket);
                        prop_assert!(inserted == Inserted::Replaced || (inserted == Inserted::Front) == is_first);
                        prop_assert!(queue.get(&ticket).is_some());
                    }
                    Step::InsertAtBack(count) => for _ in 0..count {
                        let ticket = queued(next, 5);
                        next += 1;
                        model.insert(key(&ticket), ticket);
                        queue.insert(ticket);
                    },
                    Step::Pop(count) => for _ in 0..count {
                        prop_assert_eq!(queue.pop_front(), model.pop_first().map(|(_, ticket)| ticket));
                    },
                    Step::Remove(which) => {
                        let chosen = model.values().nth(which as usize).copied();
                        let ticket = chosen.unwrap_or_else(|| queued(999, 1));
                        prop_assert_eq!(queue.remove(&ticket), model.remove(&key(&ticket)).is_some());
                    }
                    Step::Retain(modulo) => {
                        queue.retain(|ticket| !number(ticket).is_multiple_of(u64::from(modulo)));
                        model.retain(|_, ticket| !number(ticket).is_multiple_of(u64::from(modulo)));
                    }
                }
                prop_assert_eq!(queue.len(), model.len());
                prop_assert_eq!(queue.front(), model.first_key_value().map(|(_, ticket)| ticket));
                prop_assert_eq!(queue.back(), model.last_key_value().map(|(_, ticket)| ticket));
                prop_assert!(queue.iter().eq(model.values()));
                prop_assert!(queue.get(&queued(999, 1)).is_none());
            }
        }
    }
}
