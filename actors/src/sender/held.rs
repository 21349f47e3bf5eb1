//! The tickets of a lane that wait for their destinations, by class and destination, each in order.

use std::collections::BTreeMap;

use super::queue::Queue;
use crate::domain::destination_limits::DestinationKey;
use crate::domain::message::Class;
use crate::domain::ticket::QueuedTicket;

#[derive(Debug, Default)]
pub(super) struct HeldTickets {
    /// None is empty.
    queues: BTreeMap<(Class, DestinationKey), Queue>,
    count: [usize; 3],
    /// By class, the latest that was put here since there was none: nothing here comes after it.
    latest: [Option<QueuedTicket>; 3],
    /// How many stepped aside behind what is held for each destination.
    aside: BTreeMap<(Class, DestinationKey), usize>,
    aside_count: [usize; 3],
}

impl HeldTickets {
    pub(super) fn len(&self) -> usize {
        self.count.iter().sum()
    }

    pub(super) const fn len_of(&self, class: Class) -> usize {
        self.count[class as usize]
    }

    /// How much of a class waits for a destination, with what is aside behind it.
    pub(super) fn load_at(&self, class: Class, key: DestinationKey) -> usize {
        let aside = self.aside.get(&(class, key)).copied().unwrap_or(0);
        self.queues.get(&(class, key)).map_or(0, Queue::len) + aside
    }

    /// How much of a class is aside behind what waits for destinations.
    pub(super) const fn aside_of(&self, class: Class) -> usize {
        self.aside_count[class as usize]
    }

    /// So many stepped aside behind what is held for a destination.
    pub(super) fn step_aside(&mut self, class: Class, key: DestinationKey, count: usize) {
        if count > 0 {
            self.aside_count[class as usize] += count;
            *self.aside.entry((class, key)).or_default() += count;
        }
    }

    /// So many are not aside behind what is held for a destination any more.
    pub(super) fn step_back(&mut self, class: Class, key: DestinationKey, count: usize) {
        if let Some(aside) = self.aside.get_mut(&(class, key)) {
            *aside -= count;
            self.aside_count[class as usize] -= count;
            if *aside == 0 {
                self.aside.remove(&(class, key));
            }
        }
    }

    /// Nothing is aside, as far as it is known here.
    pub(super) fn forget_aside(&mut self) {
        self.aside.clear();
        self.aside_count = [0; 3];
    }

    /// Whether anything waits for a destination.
    pub(super) fn has_key(&self, key: DestinationKey) -> bool {
        Class::ALL.into_iter().any(|class| self.queues.contains_key(&(class, key)))
    }

    /// The destinations that tickets of a class wait for.
    pub(super) fn keys(&self, class: Class) -> impl Iterator<Item = DestinationKey> {
        self.of(class).map(|(key, _)| key)
    }

    fn of(&self, class: Class) -> impl Iterator<Item = (DestinationKey, &Queue)> {
        // Classes in their order: one class's destinations stand side by side.
        let all = self.queues.range((class, DestinationKey::FIRST)..);
        all.take_while(move |((of, _), _)| *of == class).map(|((_, key), queue)| (*key, queue))
    }

    pub(super) fn front(&self, class: Class, key: DestinationKey) -> Option<QueuedTicket> {
        self.queues.get(&(class, key)).and_then(Queue::front).copied()
    }

    /// The last of a class, whatever it waits for.
    pub(super) fn back(&self, class: Class) -> Option<(DestinationKey, QueuedTicket)> {
        let lasts = self.of(class).filter_map(|(key, queue)| queue.back().map(|last| (key, *last)));
        lasts.max_by(|(_, one), (_, other)| one.order(other))
    }

    /// Puts a ticket in its place, or over its twin there.
    pub(super) fn insert(&mut self, key: DestinationKey, ticket: QueuedTicket) {
        let queue = self.queues.entry((ticket.class(), key)).or_default();
        let before = queue.len();
        let _ = queue.insert(ticket);
        let class = ticket.class() as usize;
        if self.count[class] == 0 || self.latest[class].is_none_or(|latest| latest.order(&ticket).is_lt()) {
            self.latest[class] = Some(ticket);
        }
        self.count[class] += queue.len() - before;
    }

    /// Whether one that comes after this one may be here; that none does is certain.
    pub(super) fn may_have_later(&self, ticket: &QueuedTicket) -> bool {
        let class = ticket.class() as usize;
        self.count[class] > 0 && self.latest[class].is_some_and(|latest| ticket.order(&latest).is_lt())
    }

    /// Takes a ticket out.
    pub(super) fn remove(&mut self, key: DestinationKey, ticket: &QueuedTicket) {
        let place = (ticket.class(), key);
        let Some(queue) = self.queues.get_mut(&place) else { return };
        self.count[ticket.class() as usize] -= usize::from(queue.remove(ticket));
        if queue.len() == 0 {
            self.queues.remove(&place);
        }
    }

    /// All of a class, in no particular order.
    pub(super) fn iter(&self, class: Class) -> impl Iterator<Item = &QueuedTicket> {
        self.of(class).flat_map(|(_, queue)| queue.iter())
    }

    /// Whether this one is held.
    pub(super) fn has(&self, key: DestinationKey, ticket: &QueuedTicket) -> bool {
        self.queues.get(&(ticket.class(), key)).is_some_and(|queue| queue.get(ticket).is_some())
    }

    /// Drops what `keep` does not want; looks at everything.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&QueuedTicket) -> bool) {
        self.count = [0; 3];
        self.queues.retain(|(class, _), queue| {
            queue.retain(&mut keep);
            self.count[*class as usize] += queue.len();
            queue.len() > 0
        });
    }

    /// Bytes on the heap, by capacity; the map's own bookkeeping is estimated.
    pub(super) fn heap_bytes(&self) -> usize {
        let entry = size_of::<((Class, DestinationKey), Queue)>() * 3 / 2;
        self.queues.values().map(|queue| entry + queue.heap_bytes()).sum()
    }
}
