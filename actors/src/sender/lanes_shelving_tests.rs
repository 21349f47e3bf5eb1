//! What the lanes do with tickets for destinations that have more waiting than their share of a line.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::admission::AfterRefill;
use super::lanes::{Lanes, LanesSettings, Next, Release, Rest};
use super::lanes_destination_tests::{ONE_A_SECOND, OTHER, SLOW, SLOWER, mail};
use super::lanes_tests::ms;
use crate::domain::clock::BootUs;
use crate::domain::destination_limits::DestinationLimits;
use crate::domain::ids::LaneNo;
use crate::domain::message::Class;
use crate::domain::ticket::fixtures::ticket;
use crate::domain::ticket::{Position, Ticket};

const LINE: (LaneNo, Class) = (LaneNo(1), Class::Transactional);

/// A line with its index `waiting`.
struct World {
    lanes: Lanes,
    index: BTreeMap<Position, Ticket>,
    /// Behind what its refills have read.
    cursor: Option<Position>,
    /// Entries that were read for shelves.
    read: usize,
}

impl World {
    fn new(lane_bound: usize) -> Self {
        let each = (100..200).map(|to| (to, ONE_A_SECOND));
        let destinations =
            DestinationLimits::of_prefixes([SLOW, SLOWER].map(|to| (to, ONE_A_SECOND)).into_iter().chain(each), None);
        let settings = LanesSettings { lane_bound, destinations, ..LanesSettings::default() };
        Self { lanes: Lanes::new(settings, ms(0)), index: BTreeMap::new(), cursor: None, read: 0 }
    }

    fn keep(&mut self, tickets: Vec<Ticket>) {
        self.index.extend(tickets.into_iter().map(|ticket| (ticket.position(), ticket.parked())));
    }

    fn admit(&mut self, tickets: &[Ticket]) {
        let mut overflow = Vec::new();
        self.lanes.admit(tickets, &mut overflow);
        if overflow.iter().any(|ticket| self.cursor >= Some(ticket.position())) {
            self.cursor = None;
        }
        self.keep(overflow);
        let shelved = self.lanes.take_shelved();
        self.keep(shelved);
    }

    fn page(&self, from: Bound<Position>, limit: usize) -> (Vec<Ticket>, Rest) {
        let page: Vec<_> = self.index.range((from, Bound::Unbounded)).take(limit).map(|(_, ticket)| *ticket).collect();
        let rest =
            page.last().filter(|_| page.len() == limit).map_or(Rest::Nothing, |last| Rest::From(last.position()));
        (page, rest)
    }

    /// Answers what the line asks of its index; whether it asked.
    fn refill(&mut self) -> bool {
        let refills = self.lanes.refills();
        for (lane, class, room) in &refills {
            let (page, rest) = self.page(self.cursor.map_or(Bound::Unbounded, Bound::Excluded), *room);
            self.cursor = page.last().map(Ticket::position).or(self.cursor);
            assert_eq!(self.lanes.admit_refill(*lane, *class, &page, rest), AfterRefill::GoOn);
        }
        let reads = self.lanes.shelf_reads();
        for read in &reads {
            let (page, rest) = self.page(Bound::Included(read.from), 64);
            self.read += page.len();
            self.lanes.admit_shelved(read.lane, read.class, &page, rest);
        }
        !refills.is_empty() || !reads.is_empty()
    }

    /// All that goes at this moment, by creation.
    fn send(&mut self, now: BootUs) -> Vec<u64> {
        let mut sent = Vec::new();
        loop {
            let next = self.lanes.next(now);
            let shelved = self.lanes.take_shelved();
            self.keep(shelved);
            if let Next::Permit(permit) = next {
                assert!(self.lanes.backlog() <= self.lanes.settings.lane_bound + 2, "memory is bounded");
                sent.push(permit.ticket.created_us);
                self.index.remove(&permit.ticket.position());
                self.lanes.release(permit.id, Release::Spent { cost: 1 }, now);
            } else if !self.refill() {
                return sent;
            }
        }
    }
}

#[test]
fn a_destination_that_has_its_share_of_a_line_delays_nothing_that_goes_elsewhere() {
    let mut world = World::new(100);
    let tickets: Vec<_> = (0..2_000).map(|n| mail(n, if n % 3 == 0 { OTHER } else { SLOW })).collect();
    world.admit(&tickets);
    let mut sent = BTreeSet::new();
    sent.extend(world.send(ms(0)));
    assert_eq!(sent, (0..2_000).filter(|n| n % 3 == 0).collect(), "all that goes elsewhere, at once");
    assert!(world.lanes.backlog() <= 25, "{}", world.lanes.backlog());
    for second in 1..=1_333 {
        let went = world.send(ms(second * 1_000));
        assert_eq!(went.len(), 1, "one a second, at {second}");
        assert!(sent.insert(went[0]));
    }
    assert_eq!((sent.len(), world.lanes.backlog(), world.index.len()), (2_000, 0, 0));
    assert!(!world.lanes.has_shelves(LINE.0, LINE.1), "nothing is remembered of them");
}

#[test]
fn what_is_shelved_for_one_destination_goes_in_order() {
    let mut world = World::new(100);
    world.admit(&(0..500).map(|n| mail(n, SLOW)).collect::<Vec<_>>());
    let sent: Vec<_> = (0..=500).flat_map(|second| world.send(ms(second * 1_000))).collect();
    assert_eq!(sent, (0..500).collect::<Vec<_>>());
    assert!(world.read < 500 * 8, "{} entries were read", world.read);
}

#[test]
fn a_contact_s_later_message_goes_elsewhere_only_behind_what_is_shelved_for_it() {
    let mut world = World::new(100);
    let slow: Vec<_> = (0..200).map(|n| mail(n, SLOW)).collect();
    let (earlier, later) = (mail(200, SLOW).with_contact(9_000), mail(201, OTHER).with_contact(9_000));
    let last = mail(202, SLOW).with_contact(9_000);
    world.admit(&slow);
    world.admit(&[earlier, later, last, mail(203, OTHER)]);
    let mut sent = world.send(ms(0));
    assert_eq!(sent, [203], "of nobody who has something shelved");
    (1..=203).for_each(|second| sent.extend(world.send(ms(second * 1_000))));
    assert_eq!(sent.len(), 204);
    let of_the_contact: Vec<_> = sent.iter().filter(|n| (200..203).contains(*n)).collect();
    assert_eq!(of_the_contact, [&200, &201, &202]);
}

#[test]
fn each_of_many_closed_destinations_holds_a_few_and_all_come_to_an_end() {
    let mut world = World::new(200);
    let tickets: Vec<_> =
        (0..2_000).map(|n| mail(n, 100 + n % 50)).chain((2_000..2_100).map(|n| mail(n, OTHER))).collect();
    world.admit(&tickets);
    let mut sent = BTreeSet::new();
    for second in 0..=40 {
        let went = world.send(ms(second * 1_000));
        if second == 0 {
            assert_eq!(went.iter().filter(|n| **n >= 2_000).count(), 100);
        } else {
            assert_eq!(went.len(), 50, "each of them one a second, at {second}");
        }
        sent.extend(went);
    }
    assert_eq!((sent.len(), world.index.len()), (2_100, 0));
    assert!(world.read < 2_000 * 60, "{} entries were read", world.read);
}

#[test]
fn where_not_every_contact_can_be_remembered_the_line_waits_as_a_whole_and_nothing_overtakes() {
    // Sixteen contacts are remembered.
    let mut world = World::new(1);
    world.admit(&(0..40).map(|n| mail(n, SLOW)).collect::<Vec<_>>());
    let pair = [mail(40, SLOW).with_contact(9_000), mail(41, OTHER).with_contact(9_000)];
    world.admit(&pair);
    world.admit(&[mail(42, OTHER)]);
    let sent: Vec<_> = (0..=45).flat_map(|second| world.send(ms(second * 1_000))).collect();
    assert_eq!(sent.len(), 43);
    let at = |n: u64| sent.iter().position(|sent| *sent == n);
    assert!(at(40) < at(41), "{sent:?}");
}

#[test]
fn what_is_shelved_while_a_page_is_read_is_not_passed_by() {
    let mut world = World::new(4);
    world.admit(&(0..4).map(|n| ticket(n, 20).to(SLOW)).collect::<Vec<_>>());
    assert_eq!(world.send(ms(0)), Vec::<u64>::new());
    assert!(world.lanes.has_shelves(LINE.0, LINE.1));
    // The first one goes: there is room, and a page is asked for.
    let Next::Permit(permit) = world.lanes.next(ms(1_000)) else { panic!("its moment has come") };
    world.index.remove(&permit.ticket.position());
    world.lanes.release(permit.id, Release::Spent { cost: 1 }, ms(1_000));
    let read = world.lanes.shelf_reads()[0];
    assert_eq!(world.lanes.shelf_reads(), [], "one at a time");
    let (page, rest) = world.page(Bound::Included(read.from), 64);
    // Of the contact of the second one, for somewhere else, and later; the page does not have it.
    let first = page[0];
    let late = ticket(9, 25).to(SLOW);
    world.admit(&[late]);
    world.lanes.admit_shelved(read.lane, read.class, &page, rest);
    assert!(world.lanes.contains_ticket(&first));
    assert!(world.lanes.has_shelves(LINE.0, LINE.1), "the page may not have the late one");
    let sent: Vec<_> = (2..=6).flat_map(|second| world.send(ms(second * 1_000))).collect();
    assert_eq!(sent, [1, 2, 3, 9]);
}

#[test]
fn what_was_cancelled_does_not_come_back_with_a_page() {
    let mut world = World::new(4);
    world.admit(&(0..4).map(|n| mail(n, SLOW)).collect::<Vec<_>>());
    world.send(ms(0));
    let Next::Permit(permit) = world.lanes.next(ms(1_000)) else { panic!("its moment has come") };
    world.index.remove(&permit.ticket.position());
    world.lanes.release(permit.id, Release::Spent { cost: 1 }, ms(1_000));
    let read = world.lanes.shelf_reads()[0];
    let (page, rest) = world.page(Bound::Included(read.from), 64);
    world.lanes.cancel_ticket(&page[0]);
    world.index.remove(&page[0].position());
    world.lanes.admit_shelved(read.lane, read.class, &page, rest);
    let sent: Vec<_> = (2..=6).flat_map(|second| world.send(ms(second * 1_000))).collect();
    assert_eq!(sent, [2, 3]);
}

#[test]
fn a_page_that_could_not_be_read_is_read_again() {
    let mut world = World::new(4);
    world.admit(&(0..3).map(|n| mail(n, SLOW)).collect::<Vec<_>>());
    world.send(ms(0));
    let Next::Permit(permit) = world.lanes.next(ms(1_000)) else { panic!("its moment has come") };
    world.index.remove(&permit.ticket.position());
    world.lanes.release(permit.id, Release::Spent { cost: 1 }, ms(1_000));
    let read = world.lanes.shelf_reads()[0];
    world.lanes.admit_shelved(read.lane, read.class, &[], Rest::Unread);
    assert_eq!(world.lanes.shelf_reads(), [read]);
    let (page, rest) = world.page(Bound::Included(read.from), 64);
    world.lanes.admit_shelved(read.lane, read.class, &page, rest);
    let sent: Vec<_> = (2..=6).flat_map(|second| world.send(ms(second * 1_000))).collect();
    assert_eq!(sent, [1, 2]);
}

#[test]
fn a_contact_with_more_waiting_than_a_line_has_room_for_delays_no_other() {
    let mut world = World::new(100);
    let flood: Vec<_> = (0..1_000).map(|n| mail(n, OTHER).with_contact(9_000)).collect();
    world.admit(&flood);
    world.admit(&(1_000..1_300).map(|n| mail(n, OTHER)).collect::<Vec<_>>());
    // One of the contact's is under way, and stays so.
    let Next::Permit(first) = world.lanes.next(ms(0)) else { panic!("nothing is in its way") };
    assert_eq!(world.send(ms(0)), (1_000..1_300).collect::<Vec<_>>());
    world.lanes.release(first.id, Release::Spent { cost: 1 }, ms(0));
    world.index.remove(&first.ticket.position());
    assert_eq!(world.send(ms(0)), (1..1_000).collect::<Vec<_>>());
    assert!(world.index.is_empty() && !world.lanes.has_shelves(LINE.0, LINE.1));
    assert!(world.read < 10_000, "{} entries were read", world.read);
}

#[test]
fn contacts_with_much_waiting_for_a_slow_destination_delay_nobody_who_writes_elsewhere() {
    let mut world = World::new(100);
    let tickets: Vec<_> = (0..500).map(|n| mail(n, SLOW).with_contact(n % 5)).collect();
    world.admit(&tickets);
    world.admit(&(500..900).map(|n| mail(n, OTHER).with_contact(1_000 + n)).collect::<Vec<_>>());
    let mut sent = world.send(ms(0));
    assert_eq!(sent, (500..900).collect::<Vec<_>>());
    (1..=500).for_each(|second| sent.extend(world.send(ms(second * 1_000))));
    assert_eq!(sent.split_off(400), (0..500).collect::<Vec<_>>());
    assert!(world.read < 500 * 60, "{} entries were read", world.read);
}

#[test]
fn where_not_every_contact_can_be_remembered_memory_is_bounded_all_the_same() {
    // 96 contacts are remembered.
    let mut world = World::new(6);
    world.admit(&(0..300).map(|n| mail(n, SLOW)).collect::<Vec<_>>());
    let mut sent = Vec::new();
    for second in 0..=300 {
        sent.extend(world.send(ms(second * 1_000)));
        assert!(world.lanes.backlog() <= 8, "{} at {second}", world.lanes.backlog());
    }
    assert_eq!(sent, (0..300).collect::<Vec<_>>());
}
