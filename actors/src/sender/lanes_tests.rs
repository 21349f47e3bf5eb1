//! The lanes' rules, one by one.

use std::collections::HashMap;
use std::time::Duration;

use super::breaker::BreakerState;
use super::lanes::{LaneConfig, Lanes, LanesSettings, Next, Permit, Release};
use crate::domain::clock::BootUs;
use crate::domain::directory::Limit;
use crate::domain::ids::{AccountNo, LaneNo};
use crate::domain::message::Class;
use crate::domain::reason::LaneReason;
use crate::domain::ticket::Ticket;
use crate::domain::ticket::fixtures::ticket;

pub(super) const fn ms(at: u64) -> BootUs {
    BootUs(at * 1_000)
}

pub(super) fn lanes() -> Lanes {
    Lanes::new(LanesSettings::default(), ms(0))
}

pub(super) fn admit(lanes: &mut Lanes, tickets: &[Ticket]) -> Vec<Ticket> {
    let mut overflow = Vec::new();
    lanes.admit(tickets, &mut overflow);
    overflow
}

pub(super) fn config(lane: u32, limit: Option<Limit>) -> LaneConfig {
    LaneConfig { lane: LaneNo(lane), account: AccountNo(1), limit, paused: false }
}

pub(super) fn permit(lanes: &mut Lanes, now: BootUs) -> Permit {
    match lanes.next(now) {
        Next::Permit(permit) => permit,
        other => panic!("no permit but {other:?}"),
    }
}

/// Grants and spends everything that may go at `now`; the tickets' numbers.
pub(super) fn drain(lanes: &mut Lanes, now: BootUs) -> Vec<u64> {
    let mut numbers = Vec::new();
    while let Next::Permit(permit) = lanes.next(now) {
        numbers.push(permit.ticket.created_us);
        lanes.release(permit.id, Release::Spent { cost: permit.ticket.cost }, now);
    }
    numbers
}

#[test]
fn a_conversation_goes_first_and_the_others_share_by_weight() {
    let mut lanes =
        Lanes::new(LanesSettings { transactional_weight: 3, campaign_weight: 1, ..LanesSettings::default() }, ms(0));
    let tickets: Vec<_> = (0..300)
        .map(|n| ticket(n, 10).with_class([Class::Campaign, Class::Transactional, Class::Conversation][n as usize % 3]))
        .collect();
    admit(&mut lanes, &tickets);
    let order = drain(&mut lanes, ms(1));
    assert!(order[..100].iter().all(|n| n % 3 == 2), "conversations first");
    assert_eq!(order[100..180].iter().filter(|n| *n % 3 == 1).count(), 60, "three of four");
    let in_class: Vec<_> = order.iter().filter(|n| *n % 3 == 0).collect();
    assert!(in_class.is_sorted());
}

#[test]
fn neither_class_starves_whatever_the_weights() {
    for (transactional_weight, campaign_weight, rare) in [(1_000_000, 0, 0), (0, 1_000_000, 1)] {
        let mut lanes =
            Lanes::new(LanesSettings { transactional_weight, campaign_weight, ..LanesSettings::default() }, ms(0));
        let tickets: Vec<_> = (0..2_000)
            .map(|n| ticket(n, 10).with_class([Class::Campaign, Class::Transactional][n as usize % 2]))
            .collect();
        admit(&mut lanes, &tickets);
        let order = drain(&mut lanes, ms(1));
        let served = order[..1_000].iter().filter(|n| *n % 2 == rare).count();
        assert!((50..=51).contains(&served), "{served} of 1,000");
    }
}

#[test]
fn an_account_with_many_lanes_gets_no_more_turns_than_one_with_one() {
    let mut lanes = lanes();
    let mut tickets: Vec<_> = (0..1_000).map(|n| ticket(n, 10).in_lane(100 + n, 1)).collect();
    tickets.extend((1_000..1_100).map(|n| ticket(n, 20).in_lane(1, 2)));
    admit(&mut lanes, &tickets);
    let first: Vec<_> = drain(&mut lanes, ms(1)).into_iter().take(100).collect();
    assert_eq!(first.iter().filter(|n| **n >= 1_000).count(), 50);
}

#[test]
fn lanes_of_one_account_take_turns() {
    let mut lanes = lanes();
    let mut tickets: Vec<_> = (0..100).map(|n| ticket(n, 10).in_lane(1, 1)).collect();
    tickets.extend((100..110).map(|n| ticket(n, 20).in_lane(2, 1)));
    admit(&mut lanes, &tickets);
    let first: Vec<_> = drain(&mut lanes, ms(1)).into_iter().take(20).collect();
    assert_eq!(first.iter().filter(|n| **n >= 100).count(), 10);
}

#[test]
fn a_limited_lane_waits_for_its_moment_and_delays_no_other() {
    let mut lanes = lanes();
    lanes.configure(config(1, Some(Limit::LONG_CODE)), ms(0));
    admit(&mut lanes, &[ticket(1, 10), ticket(2, 10), ticket(3, 10).in_lane(2, 1), ticket(4, 10).in_lane(2, 1)]);
    assert_eq!(drain(&mut lanes, ms(0)), [3, 4]);
    assert_eq!(lanes.next(ms(0)), Next::WaitUntil(ms(1_000)), "a new lane starts without a burst");
    assert_eq!(lanes.why(ticket(1, 10).message, LaneNo(1), ms(0)), Some(LaneReason::RateLimited));
    assert_eq!(drain(&mut lanes, ms(1_000)), [1]);
    assert_eq!(lanes.status(ms(1_000))[0].next_at, Some(ms(2_000)));
    assert_eq!(drain(&mut lanes, ms(2_000)), [2]);
    assert_eq!(lanes.next(ms(2_000)), Next::Idle);
}

#[test]
fn all_limits_are_checked_before_any_is_taken() {
    let channel_limit = Some(Limit { rate: 1, per: Duration::from_secs(10), burst: 1 });
    let mut lanes = Lanes::new(LanesSettings { channel_limit, ..LanesSettings::default() }, ms(0));
    lanes.configure(config(1, Some(Limit::LONG_CODE)), ms(0));
    admit(&mut lanes, &[ticket(1, 10), ticket(2, 10).costing(3)]);
    assert_eq!(lanes.next(ms(5_000)), Next::WaitUntil(ms(10_000)));
    // Had the lane's token been taken at 5 s, its units would not be there now.
    assert_eq!(drain(&mut lanes, ms(10_000)), [1]);
    assert_eq!(lanes.why(ticket(2, 10).message, LaneNo(1), ms(15_000)), Some(LaneReason::RateLimited));
    assert_eq!(drain(&mut lanes, ms(20_000)), [2], "above the burst, when the bucket is idle");
    admit(&mut lanes, &[ticket(3, 30)]);
    assert_eq!(lanes.next(ms(20_000)), Next::WaitUntil(ms(23_000)));
    assert_eq!(lanes.next(ms(23_000)), Next::WaitUntil(ms(50_000)));
}

#[test]
fn an_unused_permit_gives_its_tokens_back_and_a_spent_one_is_charged_its_true_cost() {
    let mut lanes = lanes();
    lanes.configure(config(1, Some(Limit::LONG_CODE)), ms(0));
    admit(&mut lanes, &[ticket(1, 10), ticket(2, 10), ticket(3, 10), ticket(4, 10)]);
    let unused = permit(&mut lanes, ms(1_000));
    assert_eq!(lanes.next(ms(1_000)), Next::WaitUntil(ms(2_000)));
    lanes.release(unused.id, Release::Unused, ms(1_100));
    let requeued = permit(&mut lanes, ms(1_100));
    assert_eq!(requeued.ticket, ticket(2, 10));
    lanes.release(requeued.id, Release::Requeue, ms(1_200));
    let again = permit(&mut lanes, ms(1_200));
    assert_eq!((again.ticket, again.id != requeued.id), (ticket(2, 10), true));
    lanes.release(again.id, Release::Spent { cost: 2 }, ms(1_300));
    lanes.release(again.id, Release::Requeue, ms(1_300));
    assert_eq!(lanes.next(ms(1_300)), Next::WaitUntil(ms(3_200)), "it pays for both segments");
    assert_eq!(drain(&mut lanes, ms(3_200)), [3]);
}

#[test]
fn a_contact_has_one_permit_at_a_time_and_keeps_nobody_else_waiting() {
    let mut lanes = lanes();
    let of = |n: u32, contact| ticket(n, 10).with_contact(contact);
    admit(&mut lanes, &[of(1, 7), of(2, 7), of(3, 7), of(4, 8), of(5, 7).with_class(Class::Campaign)]);
    let first = permit(&mut lanes, ms(1));
    let others = [permit(&mut lanes, ms(1)), permit(&mut lanes, ms(1))];
    assert_eq!(first.ticket.created_us, 1);
    assert_eq!(others.map(|permit| permit.ticket.created_us), [5, 4], "another class, another contact");
    assert_eq!(lanes.next(ms(1)), Next::Idle);
    assert_eq!(lanes.why(of(3, 7).message, LaneNo(1), ms(1)), Some(LaneReason::BehindEarlier));
    assert_eq!(lanes.why(of(1, 7).message, LaneNo(1), ms(1)), Some(LaneReason::InLine));
    admit(&mut lanes, &[of(0, 7), of(6, 9)]);
    lanes.release(first.id, Release::Requeue, ms(2));
    let granted: Vec<_> = drain(&mut lanes, ms(2));
    assert_eq!(granted, [0, 1, 2, 3, 6], "a requeued ticket is before those behind it");
    assert_eq!((lanes.in_flight(), lanes.backlog()), (2, 0));
}

#[test]
fn a_contact_with_a_thousand_messages_goes_through_them_in_order() {
    let mut lanes = lanes();
    let tickets: Vec<_> = (0..1_000).map(|n| ticket(n, 10).with_contact(1)).collect();
    admit(&mut lanes, &tickets);
    let mut order = Vec::new();
    while let Next::Permit(permit) = lanes.next(ms(1)) {
        assert_eq!(lanes.next(ms(1)), Next::Idle);
        order.push(permit.ticket.created_us);
        lanes.release(permit.id, Release::Spent { cost: 1 }, ms(1));
    }
    assert_eq!(order, (0..1_000).collect::<Vec<_>>());
}

#[test]
fn a_duplicate_is_ignored_wherever_its_twin_is() {
    let mut lanes = lanes();
    let tickets: Vec<_> = (0..10).map(|n| ticket(n, 10).with_contact(n / 4)).collect();
    admit(&mut lanes, &tickets);
    let first = permit(&mut lanes, ms(1));
    let second = permit(&mut lanes, ms(1));
    assert!(lanes.next(ms(1)).is_permit());
    assert!(!lanes.next(ms(1)).is_permit(), "three contacts, three permits");
    admit(&mut lanes, &tickets);
    assert_eq!(lanes.backlog(), 7);
    for permit in [first, second] {
        lanes.release(permit.id, Release::Spent { cost: 1 }, ms(1));
    }
    assert_eq!(drain(&mut lanes, ms(1)), [1, 2, 3, 5, 6, 7]);
}

impl Next {
    fn is_permit(&self) -> bool {
        matches!(self, Self::Permit(_))
    }
}

#[test]
fn a_cancelled_ticket_takes_no_token_and_one_scheduled_again_goes_once() {
    let mut lanes = lanes();
    lanes.configure(config(1, Some(Limit::LONG_CODE)), ms(0));
    let tickets: Vec<_> = (0..5).map(|n| ticket(n, 10)).collect();
    admit(&mut lanes, &tickets);
    for n in [0, 1, 3] {
        lanes.cancel(tickets[n].message, tickets[n].due_at);
        assert!(!lanes.contains(tickets[n].message));
        assert_eq!(lanes.why(tickets[n].message, LaneNo(1), ms(0)), None);
    }
    admit(&mut lanes, &[tickets[1]]);
    assert!(lanes.contains(tickets[1].message) && lanes.contains_ticket(&tickets[1]));
    assert_eq!(drain(&mut lanes, ms(1_000)), [1]);
    assert_eq!(drain(&mut lanes, ms(2_000)), [2]);
    assert_eq!(drain(&mut lanes, ms(3_000)), [4]);
    assert_eq!(lanes.backlog(), 0);
}

#[test]
fn a_message_that_moved_to_another_lane_and_back_goes_once() {
    let mut lanes = lanes();
    let here = ticket(1, 10);
    let there = here.in_lane(2, 1);
    for place in [here, there, here] {
        admit(&mut lanes, &[place]);
        lanes.cancel(here.message, here.due_at);
    }
    admit(&mut lanes, &[there]);
    let permit = permit(&mut lanes, ms(1));
    assert_eq!(permit.ticket.lane, LaneNo(2));
    assert_eq!(lanes.next(ms(1)), Next::Idle);
    assert_eq!(lanes.backlog(), 0);
}

#[test]
fn a_permit_whose_message_was_cancelled_does_not_bring_it_back() {
    let mut lanes = lanes();
    admit(&mut lanes, &[ticket(1, 10)]);
    let first = permit(&mut lanes, ms(1));
    lanes.cancel(first.ticket.message, first.ticket.due_at);
    lanes.release(first.id, Release::Requeue, ms(1));
    assert_eq!(lanes.next(ms(1)), Next::Idle);
    // Taken back and scheduled again while its permit is out: not lost.
    admit(&mut lanes, &[ticket(1, 10)]);
    let second = permit(&mut lanes, ms(1));
    lanes.cancel(second.ticket.message, second.ticket.due_at);
    admit(&mut lanes, &[ticket(1, 10)]);
    lanes.release(second.id, Release::Unused, ms(1));
    assert_eq!(drain(&mut lanes, ms(1)), [1]);
}

#[test]
fn stale_cancels_do_not_pile_up() {
    let mut lanes = lanes();
    lanes.configure(LaneConfig { paused: true, ..config(1, None) }, ms(0));
    let tickets: Vec<_> = (0..1_000).map(|n| ticket(n, 10)).collect();
    admit(&mut lanes, &tickets);
    for n in 10_000..100_000 {
        lanes.cancel(ticket(n, 10).message, ticket(n, 10).due_at);
    }
    assert!(lanes.cancelled.len() <= 1_000 / 4 + 64, "{} entries", lanes.cancelled.len());
    for ticket in &tickets[10..] {
        lanes.cancel(ticket.message, ticket.due_at);
    }
    assert!(lanes.backlog() < 100, "{} wait", lanes.backlog());
    lanes.configure(config(1, None), ms(0));
    assert_eq!(drain(&mut lanes, ms(1)), (0..10).collect::<Vec<_>>());
}

#[test]
fn a_failing_provider_stops_its_lane_and_the_first_of_the_highest_class_probes_it() {
    let mut lanes = lanes();
    admit(&mut lanes, &[ticket(1, 10).with_class(Class::Campaign), ticket(2, 20).with_class(Class::Transactional)]);
    admit(&mut lanes, &[ticket(3, 30).with_class(Class::Conversation), ticket(9, 9).in_lane(2, 1)]);
    lanes.report_provider(LaneNo(1), Some(Some(Duration::from_secs(5))), ms(0), 0);
    assert_eq!(drain(&mut lanes, ms(0)), [9], "other lanes go on");
    assert_eq!(lanes.next(ms(0)), Next::WaitUntil(ms(5_000)));
    assert_eq!(lanes.why(ticket(1, 10).message, LaneNo(1), ms(0)), Some(LaneReason::ProviderBackoff));
    assert_eq!(lanes.status(ms(0))[0].breaker, BreakerState::Open { until: ms(5_000) });
    let probe = permit(&mut lanes, ms(5_000));
    assert_eq!((probe.ticket.created_us, probe.is_probe), (3, true));
    assert_eq!(lanes.next(ms(5_000)), Next::Idle, "one at a time");
    lanes.report_provider(LaneNo(1), Some(None), ms(5_100), 0);
    lanes.release(probe.id, Release::Requeue, ms(5_100));
    let Next::WaitUntil(again) = lanes.next(ms(5_100)) else { panic!("the second backoff is not over") };
    let probe = permit(&mut lanes, again);
    assert_eq!((probe.ticket.created_us, probe.is_probe), (3, true));
    lanes.release(probe.id, Release::Spent { cost: 1 }, again);
    lanes.report_provider(LaneNo(1), None, again, 0);
    assert_eq!(drain(&mut lanes, again), [2, 1]);
}

#[test]
fn a_probe_that_was_never_handed_over_is_followed_by_another() {
    let mut lanes = lanes();
    admit(&mut lanes, &[ticket(1, 10), ticket(2, 20)]);
    lanes.report_provider(LaneNo(1), Some(None), ms(0), 0);
    let probe = permit(&mut lanes, ms(1_000));
    lanes.release(probe.id, Release::Unused, ms(1_000));
    let probe = permit(&mut lanes, ms(1_000));
    assert_eq!((probe.ticket.created_us, probe.is_probe), (2, true));
}

#[test]
fn a_paused_lane_and_a_draining_node_grant_nothing_and_keep_everything() {
    let mut lanes = lanes();
    admit(&mut lanes, &[ticket(1, 10)]);
    lanes.configure(LaneConfig { paused: true, ..config(1, None) }, ms(0));
    assert_eq!(lanes.next(ms(0)), Next::Idle);
    admit(&mut lanes, &[ticket(2, 10)]);
    assert_eq!(lanes.next(ms(0)), Next::Idle);
    assert_eq!(lanes.why(ticket(1, 10).message, LaneNo(1), ms(0)), Some(LaneReason::LanePaused));
    lanes.configure(config(1, None), ms(0));
    lanes.set_draining(true);
    assert_eq!(lanes.next(ms(0)), Next::Idle);
    assert_eq!(lanes.why(ticket(1, 10).message, LaneNo(1), ms(0)), Some(LaneReason::Draining));
    lanes.set_draining(false);
    assert_eq!(lanes.why(ticket(1, 10).message, LaneNo(1), ms(0)), Some(LaneReason::InLine));
    assert_eq!(drain(&mut lanes, ms(0)), [1, 2]);
}

#[test]
fn a_lost_partition_s_tickets_leave_and_those_behind_them_move_up() {
    let mut lanes = lanes();
    let of = |n: u32, contact| ticket(n, 10).with_contact(contact);
    admit(&mut lanes, &[of(1, 7), of(2, 7), of(3, 7), of(4, 8), of(5, 9)]);
    let first = permit(&mut lanes, ms(1));
    let _other = permit(&mut lanes, ms(1));
    lanes.release(first.id, Release::Spent { cost: 1 }, ms(1));
    lanes.drop_partition(|ticket| ticket.created_us != 2);
    assert_eq!(lanes.backlog(), 2);
    assert_eq!(drain(&mut lanes, ms(1)), [3, 5]);
    assert_eq!((lanes.in_flight(), lanes.backlog()), (1, 0));
}

#[test]
fn a_lane_whose_account_was_learnt_late_stands_in_one_ring() {
    let mut lanes = lanes();
    admit(&mut lanes, &[ticket(1, 10).in_lane(5, 0), ticket(2, 10).in_lane(5, 3)]);
    lanes.configure(LaneConfig { lane: LaneNo(5), account: AccountNo(3), limit: None, paused: false }, ms(0));
    let tickets = [permit(&mut lanes, ms(0)), permit(&mut lanes, ms(0))].map(|permit| permit.ticket);
    assert!(tickets.iter().all(|ticket| ticket.account == AccountNo(3)));
    assert_eq!(lanes.next(ms(0)), Next::Idle);
}

#[test]
fn every_account_gets_its_share_while_lanes_block_and_wake() {
    let mut lanes = lanes();
    let limit = Some(Limit { rate: 10, per: Duration::from_secs(1), burst: 1 });
    let mut tickets = Vec::new();
    for account in 1..=4 {
        for lane in 0..account * 5 {
            let no = account * 100 + lane;
            lanes.configure(LaneConfig { account: AccountNo(account), ..config(no, limit) }, ms(0));
            tickets.extend((0..50).map(|n| ticket(no * 1_000 + n, 10).in_lane(no, account)));
        }
    }
    admit(&mut lanes, &tickets);
    let mut sent: HashMap<LaneNo, u32> = HashMap::new();
    let mut now = ms(0);
    while now <= ms(2_000) {
        match lanes.next(now) {
            Next::Permit(permit) => {
                *sent.entry(permit.ticket.lane).or_default() += 1;
                lanes.release(permit.id, Release::Spent { cost: 1 }, now);
            }
            Next::WaitUntil(until) => {
                assert!(until > now);
                now = until;
            }
            Next::Idle => break,
        }
    }
    assert_eq!(sent.len(), 50);
    assert!(sent.values().all(|count| *count == 20), "{sent:?}");
}

#[test]
fn a_waiting_ticket_takes_less_than_68_bytes_in_one_lane_and_in_ten_thousand() {
    for (count, lane_count) in [(100_000, 1), (200_000, 100), (100_000, 1_000), (100_000, 10_000)] {
        let mut lanes = lanes();
        let class = |n: u32| Class::ALL[(n / lane_count % 3) as usize];
        let tickets: Vec<_> = (0..count)
            .map(|n| ticket(n, i64::from(n / 100)).in_lane(n % lane_count, n % lane_count / 10).with_class(class(n)))
            .collect();
        admit(&mut lanes, &tickets);
        let bytes = lanes.waiting_bytes() as f64 / f64::from(count);
        assert!(bytes <= 68.0, "{bytes:.1} bytes a ticket in {lane_count} lanes");
    }
}
