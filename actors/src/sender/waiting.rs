//! The tickets that wait in one lane, by class.
//!
//! Most lanes have few: one sorted vector holds all three classes of them, with hardly any room to spare,
//! so that ten thousand lanes with ten tickets each cost little more than the tickets. A lane with more has
//! a [`Queue`] for each class.

use std::cmp::Ordering;

use super::queue::{Inserted, Queue};
use crate::domain::message::Class;
use crate::domain::ticket::QueuedTicket;

/// Most tickets in one vector (3.6 KB, moved within a tenth of a microsecond).
const FEW: usize = 64;
/// A vector that has become empty keeps room for this many.
const KEPT: usize = 4;

#[derive(Debug)]
pub(super) enum Waiting {
    /// By class, then in order.
    Few(Vec<QueuedTicket>),
    /// By class.
    Many(Box<[Queue; 3]>),
}

impl Default for Waiting {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

fn place(one: &QueuedTicket, other: &QueuedTicket) -> Ordering {
    one.class().cmp(&other.class()).then_with(|| one.order(other))
}

/// Where the tickets of a class are.
fn of_class(few: &[QueuedTicket], class: Class) -> std::ops::Range<usize> {
    let from = few.partition_point(|ticket| ticket.class() < class);
    from..from + few[from..].partition_point(|ticket| ticket.class() == class)
}

impl Waiting {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Few(few) => few.len(),
            Self::Many(queues) => queues.iter().map(Queue::len).sum(),
        }
    }

    pub(super) fn len_of(&self, class: Class) -> usize {
        match self {
            Self::Few(few) => of_class(few, class).len(),
            Self::Many(queues) => queues[class as usize].len(),
        }
    }

    pub(super) fn front(&self, class: Class) -> Option<&QueuedTicket> {
        match self {
            Self::Few(few) => few.get(few.partition_point(|ticket| ticket.class() < class)),
            Self::Many(queues) => queues[class as usize].front(),
        }
        .filter(|ticket| ticket.class() == class)
    }

    pub(super) fn back(&self, class: Class) -> Option<&QueuedTicket> {
        match self {
            Self::Few(few) => few[..few.partition_point(|ticket| ticket.class() <= class)].last(),
            Self::Many(queues) => queues[class as usize].back(),
        }
        .filter(|ticket| ticket.class() == class)
    }

    pub(super) fn pop_front(&mut self, class: Class) -> Option<QueuedTicket> {
        let popped = match self {
            Self::Few(few) => {
                let range = of_class(few, class);
                (!range.is_empty()).then(|| few.remove(range.start))
            }
            Self::Many(queues) => queues[class as usize].pop_front(),
        };
        self.give_room_back();
        popped
    }

    /// Takes the last one of a class out.
    pub(super) fn pop_back(&mut self, class: Class) -> Option<QueuedTicket> {
        let popped = match self {
            Self::Few(few) => {
                let range = of_class(few, class);
                (!range.is_empty()).then(|| few.remove(range.end - 1))
            }
            Self::Many(queues) => queues[class as usize].pop_back(),
        };
        self.give_room_back();
        popped
    }

    fn give_room_back(&mut self) {
        match self {
            Self::Few(few) if few.is_empty() && few.capacity() > KEPT => *few = Vec::new(),
            Self::Many(queues) if queues.iter().all(|queue| queue.len() == 0) => *self = Self::default(),
            Self::Few(_) | Self::Many(_) => {}
        }
    }

    /// Puts a ticket in its place, or over its twin there.
    pub(super) fn insert(&mut self, ticket: QueuedTicket) -> Inserted {
        let few = match self {
            Self::Many(queues) => return queues[ticket.class() as usize].insert(ticket),
            Self::Few(few) => few,
        };
        match few.binary_search_by(|other| place(other, &ticket)) {
            Ok(at) => {
                few[at] = ticket;
                Inserted::Replaced
            }
            Err(at) if few.len() < FEW => {
                if few.len() == few.capacity() {
                    few.reserve_exact(2.max(few.len() / 8));
                }
                few.insert(at, ticket);
                let is_first = at == 0 || few[at - 1].class() != ticket.class();
                if is_first { Inserted::Front } else { Inserted::Behind }
            }
            Err(_) => {
                let queue = |class| Queue::of_sorted(&few[of_class(few, class)]);
                *self = Self::Many(Box::new(Class::ALL.map(queue)));
                self.insert(ticket)
            }
        }
    }

    /// The ticket that stands in the place of this one.
    pub(super) fn get(&self, ticket: &QueuedTicket) -> Option<&QueuedTicket> {
        match self {
            Self::Few(few) => few.binary_search_by(|other| place(other, ticket)).ok().map(|at| &few[at]),
            Self::Many(queues) => queues[ticket.class() as usize].get(ticket),
        }
    }

    /// All of a class, in order.
    pub(super) fn iter(&self, class: Class) -> impl Iterator<Item = &QueuedTicket> {
        let (few, queue) = match self {
            Self::Few(few) => (&few[of_class(few, class)], None),
            Self::Many(queues) => (&[][..], Some(&queues[class as usize])),
        };
        few.iter().chain(queue.into_iter().flat_map(Queue::iter))
    }

    /// Drops what `keep` does not want; looks at everything.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&QueuedTicket) -> bool) {
        match self {
            Self::Few(few) => few.retain(&mut keep),
            Self::Many(queues) => queues.iter_mut().for_each(|queue| queue.retain(&mut keep)),
        }
        self.give_room_back();
    }

    /// Bytes on the heap, by capacity.
    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Few(few) => few.capacity() * size_of::<QueuedTicket>(),
            Self::Many(queues) => size_of::<[Queue; 3]>() + queues.iter().map(Queue::heap_bytes).sum::<usize>(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::ticket::fixtures::ticket;

    fn queued(n: u32, due: i64, class: usize) -> QueuedTicket {
        QueuedTicket::of(&ticket(n, due).with_class(Class::ALL[class]))
    }

    #[test]
    fn a_few_tickets_have_hardly_any_room_to_spare() {
        let mut waiting = Waiting::default();
        for n in 0..10 {
            waiting.insert(queued(n, 10, n as usize % 3));
        }
        assert_eq!(waiting.heap_bytes(), 560);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Insert(u32, i64, usize),
        InsertAtBack(u32, usize),
        PopFront(usize, usize),
        PopBack(usize),
        Retain(u32),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (0u32..100, 0i64..3, 0usize..3).prop_map(|(n, due, class)| Step::Insert(n, due, class)),
            3 => (1u32..50, 0usize..3).prop_map(|(count, class)| Step::InsertAtBack(count, class)),
            3 => (1usize..40, 0usize..3).prop_map(|(count, class)| Step::PopFront(count, class)),
            2 => (0usize..3).prop_map(Step::PopBack),
            1 => (2u32..9).prop_map(Step::Retain),
        ]
    }

    proptest! {
        #[test]
        fn it_is_an_ordered_set_for_each_class(steps in prop::collection::vec(step(), 1..80)) {
            let mut waiting = Waiting::default();
            let mut model: [BTreeMap<(i64, u64), QueuedTicket>; 3] = Default::default();
            let mut next = 1_000;
            let key = |ticket: &QueuedTicket| (ticket.due_at().0, ticket.ticket(crate::domain::ids::LaneNo(1), crate::domain::ids::AccountNo(1)).created_us);
            for step in steps {
                match step {
                    Step::Insert(n, due, class) => {
                        let ticket = queued(n, due, class);
                        let is_new = model[class].insert(key(&ticket), ticket).is_none();
                        let inserted = waiting.insert(ticket);
                        prop_assert_eq!(inserted != Inserted::Replaced, is_new);
                        let is_first = model[class].first_key_value().unwrap().0 == &key(&ticket);
                        prop_assert!(inserted == Inserted::Replaced || (inserted == Inserted::Front) == is_first);
                        prop_assert_eq!(waiting.get(&ticket), Some(&ticket));
                    }
                    Step::InsertAtBack(count, class) => for _ in 0..count {
                        let ticket = queued(next, 5, class);
                        next += 1;
                        model[class].insert(key(&ticket), ticket);
                        waiting.insert(ticket);
                    },
                    Step::PopFront(count, class) => for _ in 0..count {
                        prop_assert_eq!(waiting.pop_front(Class::ALL[class]), model[class].pop_first().map(|(_, ticket)| ticket));
                    },
                    Step::PopBack(class) => {
                        prop_assert_eq!(waiting.pop_back(Class::ALL[class]), model[class].pop_last().map(|(_, ticket)| ticket));
                    }
                    Step::Retain(modulo) => {
                        waiting.retain(|ticket| key(ticket).1 % u64::from(modulo) != 0);
                        model.iter_mut().for_each(|model| model.retain(|_, ticket| key(ticket).1 % u64::from(modulo) != 0));
                    }
                }
                prop_assert_eq!(waiting.len(), model.iter().map(BTreeMap::len).sum::<usize>());
                for class in Class::ALL {
                    let model = &model[class as usize];
                    prop_assert_eq!(waiting.len_of(class), model.len());
                    prop_assert_eq!(waiting.front(class), model.first_key_value().map(|(_, ticket)| ticket));
                    prop_assert_eq!(waiting.back(class), model.last_key_value().map(|(_, ticket)| ticket));
                    prop_assert!(waiting.iter(class).eq(model.values()));
                    prop_assert_eq!(waiting.get(&queued(999, 1, class as usize)), None);
                }
            }
        }
    }
}
