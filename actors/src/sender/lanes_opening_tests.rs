//! Destinations and the lanes that wait for them: who goes first, and what opens one again.

use std::time::Duration;

use super::lanes::{LaneConfig, Lanes, LanesSettings, Next, Release};
use super::lanes_destination_tests::{ONE_A_SECOND, OTHER, SLOW, SLOWER, lanes, mail};
use super::lanes_tests::{admit, config, drain, ms, permit};
use crate::domain::destination_limits::DestinationLimits;
use crate::domain::directory::Limit;
use crate::domain::ids::{AccountNo, LaneNo};
use crate::domain::message::Class;
use crate::domain::ticket::fixtures::ticket;

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
    let to_slow = |n| mail(n, SLOW).in_lane(2, 2);
    admit(&mut lanes, &[to_slow(2)]);
    let charged_more = permit(&mut lanes, ms(1_000));
    assert_eq!(lanes.next(ms(2_000)), Next::WaitUntil(ms(60_000)), "lane 1 waits for its provider");
    lanes.release(charged_more.id, Release::Spent { cost: 5 }, ms(2_500));
    admit(&mut lanes, &[to_slow(3), to_slow(4)]);
    assert_eq!(lanes.next(ms(2_500)), Next::WaitUntil(ms(6_000)), "the destination's own moment");
    assert_eq!(drain(&mut lanes, ms(6_000)), [3]);
    assert_eq!(drain(&mut lanes, ms(7_000)), [4]);
    assert_eq!(lanes.next(ms(8_000)), Next::WaitUntil(ms(60_000)));
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
    let destinations = DestinationLimits::of_prefixes([SLOW, SLOWER].map(|to| (to, ONE_A_SECOND)), None);
    let mut lanes = Lanes::new(LanesSettings { lane_bound: 2, destinations, ..LanesSettings::default() }, ms(0));
    admit(&mut lanes, &[ticket(1, 30).to(SLOW).with_contact(1), ticket(2, 20).to(SLOWER)]);
    assert_eq!(drain(&mut lanes, ms(0)), Vec::<u64>::new());
    assert_eq!(admit(&mut lanes, &[ticket(3, 40)]).len(), 1);
    lanes.set_parked(LaneNo(1), Class::Transactional);
    assert_eq!(admit(&mut lanes, &[ticket(4, 25).with_contact(4)]).len(), 1, "the store may have what comes before it");
    let late = ticket(5, 25).with_contact(1);
    let out = admit(&mut lanes, &[late]);
    assert!(out.iter().all(|ticket| ticket.message != late.message), "parked, it would be overtaken");
    assert!(lanes.contains_ticket(&late));
}
