//! What the lanes do beyond their bounds: overflow, refills, cancels meanwhile.

use super::admission::AfterRefill;
use super::lanes::{LaneConfig, Lanes, LanesSettings, Next, Release, Rest};
use super::lanes_destination_tests::ONE_A_SECOND;
use super::lanes_tests::{admit, config, drain, lanes, ms, permit};
use crate::domain::destination_limits::DestinationLimits;
use crate::domain::ids::LaneNo;
use crate::domain::message::Class;
use crate::domain::ticket::fixtures::ticket;

#[test]
fn beyond_its_bound_a_class_overflows_and_refills_in_order() {
    let mut lanes = Lanes::new(LanesSettings { lane_bound: 10, ..LanesSettings::default() }, ms(0));
    let tickets: Vec<_> = (0..20).map(|n| ticket(n, 10)).collect();
    assert_eq!(admit(&mut lanes, &tickets[1..15]), tickets[11..15]);
    assert_eq!(admit(&mut lanes, &[tickets[15].with_class(Class::Campaign)]), [], "other classes have their own bound");
    for _ in 0..4 {
        let permit = permit(&mut lanes, ms(1));
        lanes.release(permit.id, Release::Spent { cost: 1 }, ms(1));
    }
    assert_eq!(admit(&mut lanes, &[tickets[16]]), [tickets[16]], "others lie before it in the store");
    assert_eq!(admit(&mut lanes, &[tickets[0]]), [], "it belongs before those that wait here");
    assert_eq!(lanes.refills(), [], "still half full");
    assert_eq!(lanes.status(ms(1))[0].parked, [false, true, false]);
    for _ in 0..4 {
        let permit = permit(&mut lanes, ms(1));
        lanes.release(permit.id, Release::Spent { cost: 1 }, ms(1));
    }
    let refills = lanes.refills();
    assert_eq!(refills.len(), 1);
    let (lane, class, room) = refills[0];
    assert_eq!((lane, class, room), (LaneNo(1), Class::Transactional, 6));
    assert_eq!(lanes.refills(), [], "one at a time");
    assert_eq!(lanes.admit_refill(lane, class, &tickets[11..14], Rest::Nothing), AfterRefill::GoOn);
    assert_eq!(lanes.status(ms(1))[0].parked, [false; 3]);
    let mut rest = drain(&mut lanes, ms(1));
    rest.retain(|n| *n != 15);
    assert!(rest.is_sorted() && rest.ends_with(&[10, 11, 12, 13]), "{rest:?}");
}

#[test]
fn what_is_parked_while_a_refill_is_read_is_not_forgotten() {
    let mut lanes = Lanes::new(LanesSettings { lane_bound: 4, ..LanesSettings::default() }, ms(0));
    lanes.set_parked(LaneNo(1), Class::Transactional);
    let (lane, class, room) = lanes.refills()[0];
    assert_eq!(room, 4);
    assert_eq!(admit(&mut lanes, &[ticket(1, 10)]).len(), 1);
    assert_eq!(lanes.admit_refill(lane, class, &[], Rest::Nothing), AfterRefill::GoOn);
    assert_eq!(lanes.refills().len(), 1, "the read came too early to be the last one");
    assert_eq!(lanes.admit_refill(lane, class, &[], Rest::Unread), AfterRefill::GoOn);
    assert_eq!(lanes.refills().len(), 1, "a failed read is repeated");
    assert_eq!(lanes.admit_refill(lane, class, &[ticket(1, 10)], Rest::Nothing), AfterRefill::GoOn);
    assert!(lanes.refills().is_empty());
    assert_eq!(drain(&mut lanes, ms(0)), [1]);
}

#[test]
fn nothing_overtakes_what_a_partition_that_opens_again_has_in_the_store() {
    let mut lanes = Lanes::new(LanesSettings { lane_bound: 4, ..LanesSettings::default() }, ms(0));
    assert_eq!(admit(&mut lanes, &[ticket(8, 10), ticket(9, 20)]), [], "of a partition that stays open");
    // The other one has a ticket of the same contact in either index.
    let (earlier, later) = (ticket(1, 5).with_contact(7), ticket(2, 7).with_contact(7));
    lanes.set_parked(LaneNo(1), Class::Transactional);
    assert_eq!(admit(&mut lanes, &[later]), [later], "it goes where the earlier one is");
    assert_eq!(drain(&mut lanes, ms(1)), [8, 9]);
    let (lane, class, _) = lanes.refills()[0];
    assert_eq!(lanes.admit_refill(lane, class, &[earlier, later], Rest::Nothing), AfterRefill::GoOn);
    assert_eq!(drain(&mut lanes, ms(1)), [1, 2]);
}

#[test]
fn one_that_comes_late_is_not_overtaken_by_its_contact_because_another_partition_opens() {
    let mut lanes = lanes();
    let of = |n: u32, due| ticket(n, due).with_contact(7);
    assert_eq!(admit(&mut lanes, &[of(3, 30), ticket(5, 50)]), []);
    lanes.set_parked(LaneNo(1), Class::Transactional);
    let (late, latest, strange) = (of(2, 20), of(4, 40), ticket(1, 10));
    assert_eq!(admit(&mut lanes, &[latest, strange, late]), [strange, latest], "nothing of theirs waits behind them");
    let first = permit(&mut lanes, ms(1));
    assert_eq!(first.ticket, late.parked(), "where its entry stands is not known for certain");
    // Those aside count as well.
    assert!(matches!(lanes.next(ms(1)), Next::Permit(other) if other.ticket == ticket(5, 50)));
    assert!(matches!(lanes.next(ms(1)), Next::Idle));
    assert_eq!(admit(&mut lanes, &[of(6, 25)]), []);
    lanes.release(first.id, Release::Spent { cost: 1 }, ms(1));
    assert_eq!(drain(&mut lanes, ms(1)), [6, 3]);
    let (lane, class, _) = lanes.refills()[0];
    assert_eq!(lanes.admit_refill(lane, class, &[strange, latest], Rest::Nothing), AfterRefill::GoOn);
    assert_eq!(drain(&mut lanes, ms(1)), [1, 4]);
}

#[test]
fn a_late_one_makes_no_way_for_itself_by_a_later_one_that_was_cancelled() {
    let mut lanes = lanes();
    let of = |n: u32, due| ticket(n, due).with_contact(7);
    assert_eq!(admit(&mut lanes, &[of(3, 30), ticket(5, 50)]), []);
    lanes.cancel(of(3, 30).message, of(3, 30).due_at);
    lanes.set_parked(LaneNo(1), Class::Transactional);
    assert_eq!(admit(&mut lanes, &[of(2, 20)]), [of(2, 20)]);
}

#[test]
fn what_comes_before_all_that_lies_in_the_store_is_taken_in() {
    let mut lanes = lanes();
    lanes.set_parked(LaneNo(1), Class::Transactional);
    let (lane, class, _) = lanes.refills()[0];
    let read = [ticket(1, 10), ticket(2, 20)];
    assert_eq!(lanes.admit_refill(lane, class, &read, Rest::From(read[1].position())), AfterRefill::GoOn);
    let (before, behind) = (ticket(3, 15), ticket(4, 25));
    assert_eq!(admit(&mut lanes, &[behind, before]), [behind], "something due then or earlier may lie there");
    assert_eq!(drain(&mut lanes, ms(0)), [1, 3, 2]);
}

#[test]
fn of_a_refill_nothing_is_taken_behind_what_was_parked_while_it_was_read() {
    let mut lanes = lanes();
    lanes.set_parked(LaneNo(1), Class::Transactional);
    let (lane, class, _) = lanes.refills()[0];
    let late = ticket(1, 15);
    assert_eq!(admit(&mut lanes, &[late]), [late]);
    let read = [ticket(2, 10), ticket(3, 20)];
    assert_eq!(lanes.admit_refill(lane, class, &read, Rest::Nothing), AfterRefill::ReadAgain);
    assert_eq!(drain(&mut lanes, ms(0)), [2]);
    assert_eq!(lanes.refills().len(), 1);
    assert_eq!(lanes.admit_refill(lane, class, &[late, read[1]], Rest::Nothing), AfterRefill::GoOn);
    assert_eq!(drain(&mut lanes, ms(0)), [1, 3]);
}

#[test]
fn a_ticket_that_stood_in_the_store_is_known_to_have_stood_there() {
    let mut lanes = lanes();
    lanes.set_parked(LaneNo(1), Class::Transactional);
    let (lane, class, _) = lanes.refills()[0];
    let read = ticket(1, 10).parked();
    assert_eq!(lanes.admit_refill(lane, class, &[read], Rest::Nothing), AfterRefill::GoOn);
    assert_eq!(admit(&mut lanes, &[ticket(1, 10)]), [], "armed once more");
    assert_eq!(permit(&mut lanes, ms(1)).ticket, read);
}

#[test]
fn what_makes_room_is_overtaken_by_nothing_of_its_contact_that_stepped_aside() {
    let destinations = DestinationLimits::of_prefixes((100..106).map(|to| (to, ONE_A_SECOND)), None);
    let mut lanes = Lanes::new(LanesSettings { lane_bound: 8, destinations, ..LanesSettings::default() }, ms(0));
    // Six places are taken by others, which are held.
    admit(&mut lanes, &(0..6).map(|n| ticket(100 + n, 1).to(100 + n)).collect::<Vec<_>>());
    lanes.set_parked(LaneNo(1), Class::Transactional);
    assert_eq!(lanes.next(ms(1)), Next::WaitUntil(ms(1_000)));
    let (lane, class, _) = lanes.refills()[0];
    let refill: Vec<_> = (2..5).map(|n| ticket(n, 10).with_contact(7)).collect();
    assert_eq!(lanes.admit_refill(lane, class, &refill, Rest::Nothing), AfterRefill::GoOn);
    let first = permit(&mut lanes, ms(1));
    // The others step aside; then one of them stands for all.
    assert_eq!(lanes.next(ms(1)), Next::WaitUntil(ms(1_000)));
    lanes.release(first.id, Release::Spent { cost: 1 }, ms(1));
    assert_eq!(admit(&mut lanes, &[ticket(1, 5).with_contact(7)]), [refill[2]], "the last one, not the one in front");
    assert_eq!(drain(&mut lanes, ms(1)), [1, 3]);
}

#[test]
fn one_that_comes_late_to_a_full_line_goes_before_what_its_contact_has_aside() {
    let mut lanes = Lanes::new(LanesSettings { lane_bound: 8, ..LanesSettings::default() }, ms(0));
    let of = |n: u32, due| ticket(n, due).with_contact(7);
    admit(&mut lanes, &[of(1, 10), of(9, 50)]);
    let first = permit(&mut lanes, ms(1));
    assert_eq!(lanes.next(ms(1)), Next::Idle, "the later one steps aside");
    lanes.configure(LaneConfig { paused: true, ..config(1, None) }, ms(1));
    // Seven more fill the line, all before the late one.
    admit(&mut lanes, &(20..27).map(|n| ticket(n, 5)).collect::<Vec<_>>());
    assert_eq!(admit(&mut lanes, &[of(2, 20)]), [of(9, 50)], "that gives way");
    lanes.configure(config(1, None), ms(1));
    lanes.release(first.id, Release::Spent { cost: 1 }, ms(1));
    assert!(drain(&mut lanes, ms(1)).ends_with(&[2]));
}

#[test]
fn one_that_comes_late_to_a_full_line_goes_before_a_later_one_whose_permit_comes_back() {
    let mut lanes = Lanes::new(LanesSettings { lane_bound: 4, ..LanesSettings::default() }, ms(0));
    let of = |n: u32, due| ticket(n, due).with_contact(7);
    admit(&mut lanes, &[of(9, 50)]);
    let later = permit(&mut lanes, ms(1));
    lanes.configure(LaneConfig { paused: true, ..config(1, None) }, ms(1));
    admit(&mut lanes, &(20..24).map(|n| ticket(n, 5)).collect::<Vec<_>>());
    assert_eq!(admit(&mut lanes, &[of(2, 20)]), [], "one beyond the bound");
    // Nor does it make room for one that comes before it.
    assert_eq!(admit(&mut lanes, &[ticket(30, 15)]), [ticket(30, 15)]);
    lanes.release(later.id, Release::Requeue, ms(1));
    lanes.configure(config(1, None), ms(1));
    assert_eq!(drain(&mut lanes, ms(1)), [20, 21, 22, 23, 2, 9]);
}

#[test]
fn a_refill_that_was_read_before_a_cancel_brings_nothing_back() {
    let mut lanes = lanes();
    lanes.set_parked(LaneNo(1), Class::Transactional);
    let (lane, class, _) = lanes.refills()[0];
    admit(&mut lanes, &[ticket(9, 5).in_lane(2, 1)]);
    lanes.cancel(ticket(1, 10).message, ticket(1, 10).due_at);
    assert_eq!(lanes.admit_refill(lane, class, &[ticket(1, 10), ticket(2, 10)], Rest::Nothing), AfterRefill::GoOn);
    assert_eq!(drain(&mut lanes, ms(0)), [9, 2]);
}

#[test]
fn a_refill_that_was_read_before_a_cancel_does_not_undo_it_for_what_is_under_way() {
    let mut lanes = lanes();
    admit(&mut lanes, &[ticket(1, 10)]);
    let first = permit(&mut lanes, ms(1));
    lanes.set_parked(LaneNo(1), Class::Transactional);
    let (lane, class, _) = lanes.refills()[0];
    lanes.cancel_ticket(&ticket(1, 10));
    assert_eq!(lanes.admit_refill(lane, class, &[ticket(1, 10)], Rest::Nothing), AfterRefill::GoOn);
    assert!(lanes.is_cancelled(first.id));
    lanes.release(first.id, Release::Unused, ms(1));
    assert_eq!(drain(&mut lanes, ms(1)), Vec::<u64>::new());
}

#[test]
fn full_queues_of_standing_lanes_keep_no_other_lane_from_its_tickets() {
    let mut lanes = Lanes::new(LanesSettings { total_bound: 1_000, ..LanesSettings::default() }, ms(0));
    lanes.configure(LaneConfig { paused: true, ..config(1, None) }, ms(0));
    let standing: Vec<_> = (0..2_000).map(|n| ticket(n, 10)).collect();
    assert_eq!(admit(&mut lanes, &standing).len(), 1_000);
    let others: Vec<_> = (5_000..6_000).map(|n| ticket(n, 20).in_lane(2, 2)).collect();
    let overflow = admit(&mut lanes, &others);
    assert_eq!(overflow.len(), 1_000 - 128);
    let mut sent = drain(&mut lanes, ms(1));
    for (lane, class, room) in lanes.refills() {
        assert_eq!(lane, LaneNo(2));
        assert_eq!(
            lanes.admit_refill(lane, class, &overflow[..room], Rest::From(overflow[room - 1].position())),
            AfterRefill::GoOn
        );
        sent.extend(drain(&mut lanes, ms(1)));
    }
    assert_eq!(sent, (5_000..5_256).collect::<Vec<_>>());
}

#[test]
fn a_removed_lane_hands_its_tickets_back_and_ends_with_its_last_permit() {
    let mut lanes = lanes();
    lanes.configure(config(1, None), ms(0));
    let of = |n: u32, contact| ticket(n, 10).with_contact(contact);
    admit(&mut lanes, &[of(1, 7), of(2, 7), of(3, 8), of(4, 9)]);
    let first = permit(&mut lanes, ms(1));
    let second = permit(&mut lanes, ms(1));
    assert_eq!((first.ticket.created_us, second.ticket.created_us), (1, 3));
    lanes.cancel(of(4, 9).message, of(4, 9).due_at);
    assert_eq!(lanes.remove_lane(LaneNo(1)), [of(2, 7)], "not the cancelled one, and not those under a permit");
    assert_eq!((lanes.backlog(), lanes.status(ms(1)).len()), (0, 1));
    lanes.release(first.id, Release::Requeue, ms(1));
    let again = permit(&mut lanes, ms(1));
    assert_eq!(again.ticket, first.ticket, "its contact finds the sender gone");
    lanes.release(again.id, Release::Unused, ms(1));
    lanes.release(second.id, Release::Spent { cost: 1 }, ms(1));
    assert!(lanes.status(ms(1)).is_empty());
    assert_eq!(lanes.next(ms(1)), Next::Idle);
    assert!(lanes.remove_lane(LaneNo(1)).is_empty());
}
