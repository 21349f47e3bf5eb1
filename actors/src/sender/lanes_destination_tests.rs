//! What limits of destinations do to the lanes, rule by rule.

use std::time::Duration;

use super::lanes::{LaneConfig, Lanes, LanesSettings, Next, Release};
use super::lanes_tests::{admit, config, drain, ms, permit};
use crate::domain::address::Destination;
use crate::domain::destination_limits::DestinationLimits;
use crate::domain::directory::Limit;
use crate::domain::ids::{AccountNo, LaneNo};
use crate::domain::message::Class;
use crate::domain::reason::LaneReason;
use crate::domain::ticket::Ticket;
use crate::domain::ticket::fixtures::ticket;

const ONE_A_SECOND: Limit = Limit { rate: 1, per: Duration::from_secs(1), burst: 1 };
const SLOW: u32 = 49;
const SLOWER: u32 = 7;
const OTHER: u32 = 44;

/// One a second to one destination, one an hour to another, no limit to the rest.
fn lanes() -> Lanes {
    let an_hour = Limit { per: Duration::from_secs(3_600), ..ONE_A_SECOND };
    let destinations = DestinationLimits::of_prefixes([(SLOW, ONE_A_SECOND), (SLOWER, an_hour)], None);
    Lanes::new(LanesSettings { destinations, lane_bound: 200_000, ..LanesSettings::default() }, ms(0))
}

fn mail(n: u32, to: u32) -> Ticket {
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
    let destinations = DestinationLimits::of_prefixes([(SLOW, ONE_A_SECOND)], None);
    let mut lanes = Lanes::new(LanesSettings { lane_bound: 3, destinations, ..LanesSettings::default() }, ms(0));
    admit(&mut lanes, &[ticket(1, 10).to(SLOW), ticket(2, 30).to(SLOW), ticket(3, 20).to(SLOW)]);
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

#[test]
fn accounts_take_turns_at_a_destination_however_many_lanes_they_have() {
    let mut lanes = lanes();
    let large = (0..40).map(|n| mail(n, SLOW).in_lane(1 + n % 20, 1));
    let small = (100..103).map(|n| mail(n, SLOW).in_lane(50, 2));
    admit(&mut lanes, &large.chain(small).collect::<Vec<_>>());
    assert_eq!(drain(&mut lanes, ms(0)), Vec::<u64>::new());
    let sent: Vec<_> = (1..=6).flat_map(|second| drain(&mut lanes, ms(second * 1_000))).collect();
    assert_eq!(sent.iter().filter(|n| **n >= 100).count(), 3, "{sent:?}");
}

/// One a second to each destination.
fn each_limited() -> Lanes {
    let destinations = DestinationLimits::of_domains([], Some(ONE_A_SECOND));
    Lanes::new(LanesSettings { destinations, ..LanesSettings::default() }, ms(0))
}

#[test]
fn what_a_message_cost_after_all_is_charged_though_its_destination_was_quiet_meanwhile() {
    let mut lanes = each_limited();
    admit(&mut lanes, &[mail(1, SLOW)]);
    let first = permit(&mut lanes, ms(1_000_000));
    // So many others that buckets which are full are forgotten.
    let others: Vec<_> = (0..2_000).map(|n| mail(1_000 + n, 1_000 + n)).collect();
    admit(&mut lanes, &others);
    assert_eq!(drain(&mut lanes, ms(2_000_000)).len(), 2_000);
    lanes.release(first.id, Release::Spent { cost: 2_000 }, ms(2_000_000));
    admit(&mut lanes, &[mail(2, SLOW)]);
    assert_eq!(lanes.next(ms(2_500_000)), Next::WaitUntil(ms(3_000_000)));
}

#[test]
fn destinations_that_nobody_writes_to_any_more_are_forgotten() {
    let mut lanes = each_limited();
    for round in 1..=20_u32 {
        let tickets: Vec<_> = (0..500).map(|n| mail(n, 1_000 * round + n)).collect();
        admit(&mut lanes, &tickets);
        assert_eq!(drain(&mut lanes, ms(u64::from(round) * 10_000)).len(), 500);
    }
    assert!(lanes.shared.destinations.len() <= 2_000, "of 10,000");
}

#[test]
fn an_unused_permit_opens_what_waited_for_its_lane_s_or_its_account_s_limit() {
    for is_account in [false, true] {
        let mut lanes = lanes();
        let one_a_minute = Limit { per: Duration::from_secs(60), ..ONE_A_SECOND };
        admit(&mut lanes, &[mail(1, SLOW)]);
        assert_eq!(drain(&mut lanes, ms(0)), Vec::<u64>::new());
        lanes.configure(config(1, (!is_account).then_some(one_a_minute)), ms(0));
        lanes.set_account_limits(is_account.then_some((AccountNo(1), one_a_minute)).into_iter(), ms(0));
        admit(&mut lanes, &[ticket(2, 5).to(OTHER)]);
        // The unlimited destination's goes: whose turn it is at the lane's moment is drawn.
        let first = permit(&mut lanes, ms(60_000));
        assert_eq!(lanes.next(ms(60_000)), Next::WaitUntil(ms(120_000)));
        lanes.cancel(first.ticket.message, first.ticket.due_at);
        lanes.release(first.id, Release::Unused, ms(60_000));
        assert_eq!(drain(&mut lanes, ms(60_000)).len(), 1, "account: {is_account}");
    }
}

#[test]
fn a_lifted_limit_lets_go_what_was_held() {
    for is_account in [false, true] {
        let mut lanes = lanes();
        let an_hour = Some(Limit { per: Duration::from_secs(3_600), ..ONE_A_SECOND });
        let set = |lanes: &mut Lanes, limit: Option<Limit>, now| {
            if is_account {
                lanes.set_account_limits(limit.map(|limit| (AccountNo(1), limit)).into_iter(), now);
            } else {
                lanes.configure(config(1, limit), now);
            }
        };
        admit(&mut lanes, &[mail(1, SLOW)]);
        assert_eq!(drain(&mut lanes, ms(0)), Vec::<u64>::new());
        set(&mut lanes, an_hour, ms(0));
        assert_eq!(drain(&mut lanes, ms(2_000)), Vec::<u64>::new());
        assert_eq!(lanes.next(ms(2_000)), Next::WaitUntil(ms(3_600_000)));
        set(&mut lanes, None, ms(2_000));
        assert_eq!(drain(&mut lanes, ms(2_000)), [1], "account: {is_account}");
    }
}

#[test]
fn a_lane_whose_provider_works_again_goes_on_with_what_it_holds() {
    let mut lanes = lanes();
    admit(&mut lanes, &[mail(1, SLOW), mail(2, SLOW), mail(3, SLOW).in_lane(2, 2)]);
    assert_eq!(drain(&mut lanes, ms(0)), Vec::<u64>::new());
    lanes.report_provider(LaneNo(1), Some(Some(Duration::from_secs(10))), ms(0), 0);
    assert_eq!(drain(&mut lanes, ms(1_000)), [3], "the other lane's");
    assert_eq!(drain(&mut lanes, ms(9_000)), Vec::<u64>::new());
    assert_eq!(lanes.next(ms(9_000)), Next::WaitUntil(ms(10_000)));
    let probe = permit(&mut lanes, ms(10_000));
    assert!(probe.is_probe);
    assert_eq!(drain(&mut lanes, ms(12_000)), Vec::<u64>::new());
    assert_eq!(lanes.next(ms(12_000)), Next::Idle, "until the probe is back");
    lanes.report_provider(LaneNo(1), None, ms(12_000), 0);
    assert_eq!(drain(&mut lanes, ms(12_000)), [2]);
    lanes.release(probe.id, Release::Spent { cost: 1 }, ms(12_000));
    assert_eq!((lanes.backlog(), lanes.in_flight()), (0, 0));
}

#[test]
fn a_lane_that_joins_others_which_wait_for_something_else_goes_when_the_destination_opens() {
    let mut lanes = lanes();
    admit(&mut lanes, &[mail(1, SLOW)]);
    assert_eq!(drain(&mut lanes, ms(0)), Vec::<u64>::new());
    lanes.report_provider(LaneNo(1), Some(Some(Duration::from_secs(60))), ms(0), 0);
    // Of what opens at one second lane 1 can make no use: it waits for its provider.
    assert_eq!(drain(&mut lanes, ms(1_000)), Vec::<u64>::new());
    admit(&mut lanes, &[mail(2, SLOW).in_lane(2, 2), mail(3, SLOW).in_lane(2, 2)]);
    assert_eq!(drain(&mut lanes, ms(1_000)), [2]);
    assert_eq!(drain(&mut lanes, ms(1_500)), Vec::<u64>::new());
    // Nor of the next one, whether lane 3 comes before or after that.
    assert_eq!(drain(&mut lanes, ms(2_000)), [3]);
    assert_eq!(drain(&mut lanes, ms(3_000)), Vec::<u64>::new());
    lanes.configure(config(3, None), ms(3_000));
    admit(&mut lanes, &[mail(4, SLOW).in_lane(3, 3)]);
    assert_eq!(drain(&mut lanes, ms(3_000)), [4]);
    admit(&mut lanes, &[mail(5, SLOW).in_lane(3, 3)]);
    assert_eq!(lanes.next(ms(3_500)), Next::WaitUntil(ms(4_000)));
    assert_eq!(drain(&mut lanes, ms(4_000)), [5]);
}

#[test]
fn a_probe_that_says_nothing_lets_what_its_lane_holds_try_again() {
    for release in [Release::Unused, Release::Spent { cost: 1 }] {
        let mut lanes = lanes();
        admit(&mut lanes, &[mail(1, SLOW), mail(2, SLOW)]);
        assert_eq!(drain(&mut lanes, ms(0)), Vec::<u64>::new());
        lanes.report_provider(LaneNo(1), Some(Some(Duration::from_secs(1))), ms(0), 0);
        let probe = permit(&mut lanes, ms(2_000));
        assert!(probe.is_probe);
        assert_eq!(drain(&mut lanes, ms(4_000)), Vec::<u64>::new());
        lanes.release(probe.id, release, ms(4_000));
        assert!(permit(&mut lanes, ms(4_000)).is_probe, "{release:?}");
    }
}

#[test]
fn what_is_held_for_a_sender_that_is_gone_is_let_through() {
    let mut lanes = lanes();
    admit(&mut lanes, &[mail(1, SLOW)]);
    assert_eq!(drain(&mut lanes, ms(0)), Vec::<u64>::new());
    lanes.configure(LaneConfig { paused: true, ..config(1, None) }, ms(0));
    assert_eq!(drain(&mut lanes, ms(2_000)), Vec::<u64>::new());
    lanes.sender_is_gone(LaneNo(1));
    assert_eq!(drain(&mut lanes, ms(2_000)), [1]);
}

#[test]
fn a_dear_message_is_not_overtaken_for_ever_by_cheap_ones_of_other_lanes() {
    let burst_of_three = Limit { burst: 3, ..ONE_A_SECOND };
    let destinations = DestinationLimits::of_prefixes([(SLOW, burst_of_three)], None);
    let mut lanes = Lanes::new(LanesSettings { destinations, ..LanesSettings::default() }, ms(0));
    let cheap = (10..60).map(|n| mail(n, SLOW).in_lane(2, 2));
    admit(&mut lanes, &cheap.chain([mail(1, SLOW).costing(3)]).collect::<Vec<_>>());
    assert_eq!(drain(&mut lanes, ms(0)), Vec::<u64>::new());
    let sent: Vec<_> = (1..=10).flat_map(|second| drain(&mut lanes, ms(second * 1_000))).collect();
    assert!(sent.contains(&1), "{sent:?}");
}

#[test]
fn a_lane_that_only_holds_tells_when_its_first_destination_opens() {
    let mut lanes = lanes();
    admit(&mut lanes, &[mail(1, SLOWER), mail(2, SLOW)]);
    assert_eq!(drain(&mut lanes, ms(0)), Vec::<u64>::new());
    assert_eq!(lanes.status(ms(0))[0].next_at, Some(ms(1_000)));
    assert_eq!(drain(&mut lanes, ms(1_000)), [2]);
    assert_eq!(lanes.status(ms(1_000))[0].next_at, Some(ms(3_600_000)));
}

#[test]
fn all_that_let_something_better_go_first_is_tried_before_nothing_goes() {
    for survivor in 0..40 {
        let mut lanes = each_limited();
        let mut tickets: Vec<_> = (0..40).map(|n| mail(n, n).with_class(Class::Campaign)).collect();
        admit(&mut lanes, &tickets);
        assert_eq!(drain(&mut lanes, ms(0)), Vec::<u64>::new());
        tickets.extend((100..120).map(|n| mail(n, n).with_class(Class::Conversation)));
        admit(&mut lanes, &tickets[40..]);
        // Until all were tried: whose turn it is is drawn.
        while lanes.put_off.len() < 40 {
            assert!(permit(&mut lanes, ms(1_000)).ticket.created_us >= 100, "conversations first");
        }
        let cancelled = tickets.iter().filter(|ticket| ticket.created_us != survivor);
        cancelled.for_each(|ticket| lanes.cancel(ticket.message, ticket.due_at));
        assert_eq!(permit(&mut lanes, ms(1_000)).ticket.created_us, survivor);
    }
}

#[test]
fn what_was_put_off_goes_when_the_better_one_turns_out_to_wait_elsewhere() {
    for others in 1..10 {
        let mut lanes = each_limited();
        admit(&mut lanes, &[mail(1, 1).with_class(Class::Campaign)]);
        assert_eq!(drain(&mut lanes, ms(0)), Vec::<u64>::new());
        lanes.configure(LaneConfig { paused: true, ..config(1, None) }, ms(0));
        // Takes what destination 2 has, and some draws.
        admit(&mut lanes, &(2..2 + others).map(|n| mail(n, n).in_lane(2, 2)).collect::<Vec<_>>());
        assert_eq!(drain(&mut lanes, ms(1_000)).len(), others as usize);
        admit(&mut lanes, &[mail(50, 2).with_class(Class::Conversation)]);
        lanes.configure(config(1, None), ms(1_000));
        assert_eq!(drain(&mut lanes, ms(1_000)), [1], "after {others} others");
        assert_eq!(drain(&mut lanes, ms(2_000)), [50]);
    }
}

#[test]
fn a_late_message_goes_before_its_contact_s_later_one_that_is_held_though_the_line_is_full() {
    let destinations = DestinationLimits::of_prefixes([(SLOW, ONE_A_SECOND)], None);
    let mut lanes = Lanes::new(LanesSettings { lane_bound: 2, destinations, ..LanesSettings::default() }, ms(0));
    admit(&mut lanes, &[ticket(1, 30).to(SLOW).with_contact(1), ticket(2, 20).to(SLOW)]);
    assert_eq!(drain(&mut lanes, ms(0)), Vec::<u64>::new());
    assert_eq!(admit(&mut lanes, &[ticket(3, 40)]).len(), 1);
    lanes.set_parked(LaneNo(1), Class::Transactional);
    assert_eq!(admit(&mut lanes, &[ticket(4, 25).with_contact(4)]).len(), 1, "the store may have what comes before it");
    let late = ticket(5, 25).with_contact(1);
    let out = admit(&mut lanes, &[late]);
    assert!(out.iter().all(|ticket| ticket.message != late.message), "parked, it would be overtaken");
    assert!(lanes.contains_ticket(&late));
}
