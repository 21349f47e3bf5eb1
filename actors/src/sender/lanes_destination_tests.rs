//! What limits of destinations do to the lanes, rule by rule.

use std::time::Duration;

use super::lanes::{LaneConfig, Lanes, LanesSettings, Next, Release};
use super::lanes_tests::{admit, config, drain, ms, permit};
use crate::domain::address::Destination;
use crate::domain::destination_limits::DestinationLimits;
use crate::domain::directory::Limit;
use crate::domain::ids::LaneNo;
use crate::domain::message::Class;
use crate::domain::reason::LaneReason;
use crate::domain::ticket::Ticket;
use crate::domain::ticket::fixtures::ticket;

pub(super) const ONE_A_SECOND: Limit = Limit { rate: 1, per: Duration::from_secs(1), burst: 1 };
pub(super) const SLOW: u32 = 49;
pub(super) const SLOWER: u32 = 7;
pub(super) const OTHER: u32 = 44;

/// One a second to one destination, one an hour to another, no limit to the rest.
pub(super) fn lanes() -> Lanes {
    let an_hour = Limit { per: Duration::from_secs(3_600), ..ONE_A_SECOND };
    let destinations = DestinationLimits::of_prefixes([(SLOW, ONE_A_SECOND), (SLOWER, an_hour)], None);
    Lanes::new(LanesSettings { destinations, lane_bound: 200_000, ..LanesSettings::default() }, ms(0))
}

pub(super) fn mail(n: u32, to: u32) -> Ticket {
    ticket(n, 10).to(to)
}

fn held(lanes: &Lanes, lane: u32) -> usize {
    lanes.status(ms(0)).iter().find(|status| status.lane == LaneNo(lane)).map_or(0, |status| status.held)
}

#[test]
fn a_closed_destination_delays_nothing_that_goes_elsewhere() {
    let mut lanes = lanes();
    let mut tickets: Vec<_> = (0..1_000).map(|n| mail(n, SLOWER)).collect();
    tickets.extend((1_000..1_010).map(|n| mail(n, OTHER)));
    tickets.extend((1_010..1_020).map(|n| mail(n, OTHER).in_lane(2, 2)));
    admit(&mut lanes, &tickets);
    let mut sent = drain(&mut lanes, ms(0));
    sent.sort_unstable();
    assert_eq!(sent, (1_000..1_020).collect::<Vec<_>>());
    assert_eq!((held(&lanes, 1), lanes.backlog()), (1_000, 1_000));
    assert_eq!(lanes.next(ms(0)), Next::WaitUntil(ms(3_600_000)));
    assert_eq!(lanes.why(tickets[500].message, LaneNo(1), ms(0)), Some(LaneReason::RateLimited));
    assert_eq!(drain(&mut lanes, ms(3_600_000)), [0], "in order, when its moment has come");
    assert_eq!(lanes.next(ms(3_600_000)), Next::WaitUntil(ms(7_200_000)));
}

#[test]
fn a_contact_s_later_messages_wait_behind_the_one_that_is_held() {
    let mut lanes = lanes();
    admit(&mut lanes, &[mail(1, SLOW).with_contact(1), mail(2, OTHER).with_contact(1), mail(3, OTHER)]);
    assert_eq!(drain(&mut lanes, ms(0)), [3]);
    assert_eq!(lanes.why(mail(2, OTHER).message, LaneNo(1), ms(0)), Some(LaneReason::BehindEarlier));
    // One that comes before both, late: it goes first, and they wait behind it.
    let early = ticket(9, 5).to(OTHER).with_contact(1);
    admit(&mut lanes, &[early]);
    assert_eq!(drain(&mut lanes, ms(0)), [9]);
    assert_eq!(held(&lanes, 1), 1);
    assert_eq!(drain(&mut lanes, ms(1_000)), [1, 2]);
    assert_eq!(lanes.next(ms(1_000)), Next::Idle);
}

#[test]
fn an_earlier_one_that_comes_while_its_contact_s_later_one_is_held_goes_first_whatever_opens() {
    let mut lanes = lanes();
    admit(&mut lanes, &[mail(1, SLOW).with_contact(1)]);
    assert_eq!(drain(&mut lanes, ms(0)), Vec::<u64>::new());
    admit(&mut lanes, &[ticket(9, 5).to(SLOWER).with_contact(1)]);
    assert_eq!(drain(&mut lanes, ms(5_000)), Vec::<u64>::new(), "its destination is open, but not its turn");
    assert_eq!(drain(&mut lanes, ms(3_600_000)), [9, 1]);
}

#[test]
fn lanes_and_classes_take_turns_at_a_destination() {
    let mut lanes = lanes();
    let campaign = |n, lane| mail(n, SLOW).in_lane(lane, lane).with_class(Class::Campaign);
    let mut tickets: Vec<_> = (0..100).map(|n| campaign(n, 1)).collect();
    tickets.extend([campaign(500, 2), campaign(501, 2)]);
    admit(&mut lanes, &tickets);
    assert_eq!(drain(&mut lanes, ms(0)), Vec::<u64>::new());
    let mut sent = Vec::new();
    for second in 1..=4 {
        sent.extend(drain(&mut lanes, ms(second * 1_000)));
    }
    sent.sort_unstable();
    assert_eq!(sent, [0, 1, 500, 501]);
    // A person's message comes: within the next permit of each lane.
    admit(&mut lanes, &[ticket(700, 4_000).to(SLOW).with_class(Class::Conversation)]);
    assert_eq!(drain(&mut lanes, ms(5_000)), [700]);
}

#[test]
fn a_conversation_that_is_held_is_not_robbed_of_its_lane_s_token_by_a_campaign() {
    let mut lanes = lanes();
    lanes.configure(config(1, Some(Limit { per: Duration::from_secs(10), ..ONE_A_SECOND })), ms(0));
    let mut tickets: Vec<_> = (0..50).map(|n| mail(n, OTHER).with_class(Class::Campaign)).collect();
    tickets.extend((50..53).map(|n| mail(n, SLOW).with_class(Class::Conversation)));
    admit(&mut lanes, &tickets);
    let other = (90..95).map(|n| mail(n, SLOW).in_lane(2, 2)).collect::<Vec<_>>();
    admit(&mut lanes, &other);
    assert_eq!(drain(&mut lanes, ms(999)), Vec::<u64>::new());
    let mut sent = Vec::new();
    for second in 1..=60 {
        sent.extend(drain(&mut lanes, ms(second * 1_000)));
    }
    sent.retain(|n| *n < 90);
    assert_eq!(sent, [50, 51, 52, 0, 1, 2], "every token of the lane's while one of them may go");
}

#[test]
fn what_a_lane_holds_does_not_go_while_something_better_is_in_its_queue() {
    let mut lanes = lanes();
    lanes.configure(config(1, Some(ONE_A_SECOND)), ms(0));
    admit(&mut lanes, &[mail(1, SLOW).with_class(Class::Campaign)]);
    // Its destination is closed while the lane is open: taken by another lane.
    admit(&mut lanes, &[mail(2, SLOW).in_lane(2, 2)]);
    assert_eq!(drain(&mut lanes, ms(1_000)).len(), 1);
    admit(&mut lanes, &(3..6).map(|n| ticket(n, 900).to(OTHER).with_class(Class::Conversation)).collect::<Vec<_>>());
    let mut sent = Vec::new();
    for second in 2..=6 {
        sent.extend(drain(&mut lanes, ms(second * 1_000)));
    }
    sent.retain(|n| *n != 1 && *n != 2);
    assert_eq!(sent, [3, 4, 5]);
    assert_eq!(lanes.backlog(), 0);
}

#[test]
fn neither_what_is_held_nor_what_is_not_starves_at_a_limited_lane() {
    let mut lanes = lanes();
    admit(&mut lanes, &(0..200).map(|n| mail(n, SLOW)).collect::<Vec<_>>());
    assert_eq!(drain(&mut lanes, ms(0)), Vec::<u64>::new());
    lanes.configure(config(1, Some(ONE_A_SECOND)), ms(0));
    let mut tickets: Vec<_> = (200..400).map(|n| mail(n, OTHER)).collect();
    // A lane that takes a moment of its own each second, so that an alternation would fall into step.
    lanes.configure(LaneConfig { lane: LaneNo(2), ..config(2, Some(ONE_A_SECOND)) }, ms(0));
    tickets.extend((400..600).map(|n| mail(n, OTHER).in_lane(2, 1)));
    admit(&mut lanes, &tickets);
    let mut sent = Vec::new();
    for second in 1..=100 {
        sent.extend(drain(&mut lanes, ms(second * 1_000)));
    }
    let count = |from: u64| sent.iter().filter(|n| (from..from + 200).contains(*n)).count();
    assert_eq!((count(0) + count(200), count(400)), (100, 100));
    assert!(count(0) >= 20 && count(200) >= 20, "{} and {}", count(0), count(200));
}

#[test]
fn a_message_to_another_address_waits_for_that_one_s_destination() {
    let mut lanes = lanes();
    admit(&mut lanes, &[mail(1, SLOWER).with_contact(1), mail(2, OTHER).with_contact(1)]);
    assert_eq!(drain(&mut lanes, ms(0)), Vec::<u64>::new());
    admit(&mut lanes, &[mail(1, OTHER).with_contact(1)]);
    assert_eq!(held(&lanes, 1), 0);
    assert_eq!(drain(&mut lanes, ms(0)), [1, 2]);
    assert_eq!(lanes.backlog(), 0);
}

#[test]
fn a_cancelled_message_takes_no_token_of_its_destination_and_those_behind_it_go() {
    let mut lanes = lanes();
    let tickets = [mail(1, SLOW).with_contact(1), mail(2, OTHER).with_contact(1), mail(3, SLOW)];
    admit(&mut lanes, &tickets);
    assert_eq!(drain(&mut lanes, ms(0)), Vec::<u64>::new());
    lanes.cancel_ticket(&tickets[0]);
    assert_eq!(drain(&mut lanes, ms(0)), [2], "at once");
    lanes.cancel(tickets[2].message, tickets[2].due_at);
    assert_eq!(drain(&mut lanes, ms(1_000)), Vec::<u64>::new());
    let key = lanes.shared.destinations.key(Destination(SLOW)).unwrap();
    assert!(!lanes.shared.destinations.has_lanes(key), "nobody waits for it any more");
    admit(&mut lanes, &[mail(4, SLOW)]);
    assert_eq!(drain(&mut lanes, ms(1_000)), [4]);
    assert_eq!(lanes.next(ms(1_000)), Next::Idle);
}

#[test]
fn a_lane_that_stands_still_keeps_no_destination_from_the_others() {
    let mut lanes = lanes();
    admit(&mut lanes, &[mail(1, SLOW), mail(2, SLOW).in_lane(2, 2), mail(3, SLOW).in_lane(2, 2)]);
    assert_eq!(drain(&mut lanes, ms(0)), Vec::<u64>::new());
    lanes.configure(LaneConfig { paused: true, ..config(1, None) }, ms(0));
    assert_eq!(drain(&mut lanes, ms(1_000)), [2]);
    assert_eq!(drain(&mut lanes, ms(2_000)), [3]);
    assert_eq!(lanes.next(ms(3_000)), Next::Idle, "nothing until somebody lets the lane go on");
    lanes.configure(config(1, None), ms(3_000));
    assert_eq!(drain(&mut lanes, ms(3_000)), [1]);
}

#[test]
fn an_unused_permit_opens_its_destination_again() {
    let mut lanes = lanes();
    admit(&mut lanes, &[mail(1, SLOW), mail(2, SLOW).in_lane(2, 2)]);
    let first = permit(&mut lanes, ms(1_000));
    assert_eq!(lanes.next(ms(1_000)), Next::WaitUntil(ms(2_000)));
    lanes.release(first.id, Release::Requeue, ms(1_000));
    assert_eq!(drain(&mut lanes, ms(1_000)).len(), 1);
    assert_eq!(lanes.next(ms(1_000)), Next::WaitUntil(ms(2_000)));
    assert_eq!(drain(&mut lanes, ms(2_000)).len(), 1);
    assert_eq!((lanes.backlog(), lanes.in_flight()), (0, 0));
}

#[test]
fn what_is_held_counts_towards_the_bound_and_makes_room_in_order() {
    let destinations = [SLOW, SLOWER, 33].map(|to| (to, ONE_A_SECOND));
    let destinations = DestinationLimits::of_prefixes(destinations, None);
    let mut lanes = Lanes::new(LanesSettings { lane_bound: 3, destinations, ..LanesSettings::default() }, ms(0));
    admit(&mut lanes, &[ticket(1, 10).to(SLOW), ticket(2, 30).to(SLOWER), ticket(3, 20).to(33)]);
    assert_eq!(drain(&mut lanes, ms(0)), Vec::<u64>::new());
    assert_eq!(held(&lanes, 1), 3);
    assert_eq!(admit(&mut lanes, &[ticket(4, 40)]).len(), 1, "there is no room behind them");
    let out = admit(&mut lanes, &[ticket(5, 15).to(SLOW)]);
    assert_eq!(out.iter().map(|ticket| ticket.created_us).collect::<Vec<_>>(), [2], "the last one gives way");
    assert_eq!(lanes.backlog(), 3);
}

#[test]
fn a_lost_partition_s_held_messages_leave_and_those_behind_them_move_up() {
    let mut lanes = lanes();
    let gone = mail(1, SLOW).with_contact(1);
    admit(&mut lanes, &[gone, mail(2, OTHER).with_contact(1), mail(3, SLOW)]);
    assert_eq!(drain(&mut lanes, ms(0)), Vec::<u64>::new());
    lanes.drop_partition(|ticket| ticket.message != gone.message);
    assert_eq!((lanes.backlog(), held(&lanes, 1)), (2, 1));
    assert_eq!(drain(&mut lanes, ms(0)), [2]);
    assert_eq!(drain(&mut lanes, ms(1_000)), [3]);
    let removed = lanes.remove_lane(LaneNo(1));
    assert_eq!((removed.len(), lanes.backlog()), (0, 0));
}
