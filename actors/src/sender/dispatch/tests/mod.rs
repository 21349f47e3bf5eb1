//! Pace, limits, order and cancels, whatever time commits take.

mod world;

use std::time::Duration;

use proptest::prelude::*;

use crate::domain::clock::BootUs;
use crate::domain::directory::Limit;
use crate::domain::ids::LaneNo;
use crate::domain::message::Class;
use crate::domain::ticket::fixtures::ticket;

use world::{Plan, State, World};

const HOUR: BootUs = BootUs(3_600_000_000);

const fn ms(at: u64) -> BootUs {
    BootUs(at * 1_000)
}

fn per_second(rate: u32, burst: u32) -> Option<Limit> {
    Some(Limit { rate, per: Duration::from_secs(1), burst })
}

fn commits(ms: &[u64]) -> Vec<Duration> {
    ms.iter().copied().map(Duration::from_millis).collect()
}

/// All of `count` messages in lane 1 are due at the beginning. How many a second went, all told.
fn drain(limit: Option<Limit>, plan: Plan, count: u32) -> (World, f64) {
    let mut world = World::new(plan, &[(1, limit)]);
    for n in 0..count {
        world.schedule(ms(0), ticket(n, 10));
    }
    world.run(HOUR);
    world.check_ended();
    world.check_limits();
    let hands = world.hands(None);
    assert_eq!(hands.len(), count as usize, "each exactly once");
    let seconds = hands.last().map_or(0.0, |(at, _)| at.0 as f64 / 1e6);
    (world, f64::from(count) / seconds)
}

#[test]
fn a_limit_is_used_to_four_fifths_and_kept_whatever_time_claims_take() {
    for claims in [0, 200, 400, 1_000] {
        for (rate, burst, count) in [(1, 1, 60), (20, 1, 800), (20, 20, 800), (1_000, 1, 30_000), (1_000, 100, 30_000)]
        {
            let plan = Plan { commits: commits(&[claims]), ..Plan::default() };
            let (_, pace) = drain(per_second(rate, burst), plan, count);
            assert!(pace >= 0.8 * f64::from(rate), "{pace:.1}/s of {rate}/s, burst {burst}, claims of {claims} ms");
        }
    }
}

#[test]
fn without_a_limit_workers_are_busy_for_four_fifths_of_the_time_whatever_time_claims_take() {
    for claims in [0, 200, 400, 1_000] {
        // 16 workers with 10 ms for each message.
        let (_, pace) = drain(None, Plan { commits: commits(&[claims]), ..Plan::default() }, 48_000);
        assert!(pace >= 0.8 * 1_600.0, "{pace:.0}/s of 1,600/s, claims of {claims} ms");
    }
}

#[test]
fn a_mixture_of_quick_and_slow_claims_uses_a_limit_to_four_fifths() {
    let plan = Plan { commits: commits(&[5, 900, 20, 5, 1_200, 400, 0]), ..Plan::default() };
    let (_, pace) = drain(per_second(50, 1), plan, 3_000);
    assert!(pace >= 40.0, "{pace:.1}/s of 50/s");
}

#[test]
fn claims_that_become_slow_under_way_cost_a_lane_few_of_its_moments() {
    let plan =
        Plan { commits: [commits(&[3]).repeat(1_000), commits(&[1_000]).repeat(9_000)].concat(), ..Plan::default() };
    let (world, pace) = drain(per_second(20, 1), plan, 1_500);
    assert!(pace >= 19.0, "{pace:.1}/s of 20/s");
    let undone: u32 = world.messages.values().map(|known| known.undone).sum();
    assert_eq!(undone, 0, "claims wait for their moments");
}

#[test]
fn a_limit_of_one_in_ten_seconds_is_kept_and_used_with_slow_claims() {
    let limit = Some(Limit { rate: 1, per: Duration::from_secs(10), burst: 1 });
    let (world, pace) = drain(limit, Plan { commits: commits(&[1_000]), ..Plan::default() }, 30);
    assert!(pace >= 0.095, "{pace:.3}/s of 0.1/s");
    assert!(world.messages.values().all(|known| known.undone == 0));
}

#[test]
fn workers_and_a_limit_that_allow_the_same_get_along_with_slow_claims() {
    for claims in [0, 200, 400, 1_000] {
        // 2 workers with 20 ms for each message: 100 a second.
        let plan = Plan {
            workers: 2,
            attempt: Duration::from_millis(20),
            commits: commits(&[claims]),
            channel_limit: per_second(100, 1),
        };
        let (_, pace) = drain(per_second(100, 1), plan, 4_000);
        assert!(pace >= 80.0, "{pace:.1}/s of 100/s, claims of {claims} ms");
    }
}

#[test]
fn many_slow_lanes_and_a_fast_one_do_not_hold_each_other_up() {
    let lanes: Vec<_> = (1..=200).map(|lane| (lane, per_second(1, 1))).chain([(500, None)]).collect();
    let mut world = World::new(Plan { commits: commits(&[400]), ..Plan::default() }, &lanes);
    for n in 0..200 * 60 {
        world.schedule(ms(0), ticket(n, 10).in_lane(1 + n % 200, 1));
    }
    for n in 100_000..130_000 {
        world.schedule(ms(0), ticket(n, 10).in_lane(500, 2));
    }
    world.run(ms(60_000));
    world.check_limits();
    let (slow, fast) = (world.hands(None).len() - world.hands(Some(500)).len(), world.hands(Some(500)).len());
    assert!(slow >= 200 * 48, "{slow} of 12,000");
    assert!(fast == 30_000, "{fast} of 30,000");
}

#[test]
fn a_pause_stops_what_was_claimed_slowly_and_it_goes_among_the_first_afterwards() {
    let mut world = World::new(Plan { commits: commits(&[400]), ..Plan::default() }, &[(1, per_second(10, 1))]);
    for n in 0..100 {
        world.schedule(ms(0), ticket(n, 10));
    }
    world.pause(ms(5_000), 1, true);
    world.run(ms(20_000));
    let last = world.hands(Some(1)).last().map(|(at, _)| *at).unwrap();
    assert!(last <= ms(5_250), "none later than a permit may be used without another look, but at {last:?}");
    assert_eq!((world.dispatch.len(), world.hands(Some(1)).len() + world.dispatch.lanes.backlog()), (0, 100));
    world.pause(ms(20_000), 1, false);
    world.run(HOUR);
    world.check_ended();
    world.check_limits();
    world.check_order();
    let mut taken_back: Vec<_> = world.messages.values().filter(|known| known.undone > 0).collect();
    taken_back.sort_unstable_by_key(|known| known.hands[0]);
    assert!((2..8).contains(&taken_back.len()), "{taken_back:?}");
    // Others' claims are quicker by chance than those of the first; but nobody waits for all of them.
    let last = taken_back.last().map(|known| known.hands[0]).unwrap();
    assert!(last <= ms(21_500), "what was taken back goes among the first, not at {last:?}");
}

#[test]
fn draining_hands_nothing_over_that_was_claimed_slowly() {
    let mut world = World::new(Plan { commits: commits(&[400]), ..Plan::default() }, &[(1, None)]);
    world.schedule(ms(0), ticket(1, 10));
    world.run(ms(100));
    world.dispatch.lanes.set_draining(true);
    world.run(HOUR);
    assert_eq!((world.hands(None).len(), world.dispatch.len()), (0, 0));
    assert_eq!(world.messages[&ticket(1, 10).message].state, State::Scheduled);
}

#[test]
fn a_provider_that_fails_stops_what_was_claimed_slowly() {
    let mut world = World::new(Plan { commits: commits(&[400]), ..Plan::default() }, &[(1, per_second(100, 1))]);
    for n in 0..400 {
        world.schedule(ms(0), ticket(n, 10));
    }
    world.provider_works(ms(2_000), false);
    world.provider_works(ms(30_000), true);
    world.run(ms(29_000));
    let late = world.hands(None).into_iter().filter(|(at, _)| *at > ms(2_600)).count();
    assert!(late <= 8, "{late} more while the breaker was open: its probes");
    world.run(HOUR);
    world.check_ended();
    world.check_limits();
}

#[test]
fn a_sender_that_is_gone_lets_its_contacts_look_again_at_what_was_claimed_slowly() {
    let mut world = World::new(Plan { commits: commits(&[400]), ..Plan::default() }, &[(1, per_second(10, 1))]);
    world.schedule(ms(0), ticket(1, 10));
    world.run(ms(300));
    world.dispatch.lanes.sender_is_gone(LaneNo(1));
    world.run(ms(600));
    assert_eq!(world.hands(None).len(), 0);
    assert_eq!(world.messages[&ticket(1, 10).message].undone, 1);
}

#[test]
fn an_envelope_whose_claim_has_grown_old_goes_back() {
    // The only worker has no time for the second one before its claim's margin is over.
    let plan = Plan { workers: 1, attempt: Duration::from_secs(6), commits: commits(&[0]), channel_limit: None };
    let (world, _) = drain(None, plan, 2);
    assert_eq!(world.messages.values().map(|known| known.undone).collect::<Vec<_>>(), [0, 1]);
}

#[derive(Debug, Clone)]
struct Sent {
    at_ms: u64,
    due: i64,
    contact: u32,
    lane: u32,
    class: usize,
    cost: u16,
    canceled_after_ms: Option<u64>,
}

fn sent() -> impl Strategy<Value = Sent> {
    (0u64..4_000, 0i64..4, 0u32..8, 1u32..4, 0usize..3, 1u16..4, prop::option::weighted(0.3, 0u64..6_000)).prop_map(
        |(at_ms, due, contact, lane, class, cost, canceled_after_ms)| Sent {
            at_ms,
            due,
            contact,
            lane,
            class,
            cost,
            canceled_after_ms,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    /// I6, I7, cancels (checked as each hand-over begins), and in the end everything went once.
    #[test]
    fn whatever_commits_take_every_rule_is_kept_and_every_message_ends(
        workers in 1usize..6,
        attempt_ms in 0u64..400,
        commits_ms in prop::collection::vec(prop_oneof![2 => 0u64..50, 1 => 200u64..1_500], 1..12),
        rates in prop::array::uniform2((1u32..30, 1u32..5)),
        has_channel_limit in any::<bool>(),
        sent in prop::collection::vec(sent(), 1..60),
        pauses in prop::collection::vec((0u64..8_000, 1u32..4, 0u64..3_000), 0..4),
        outage in prop::option::of((0u64..6_000, 0u64..4_000)),
    ) {
        let plan = Plan {
            workers,
            attempt: Duration::from_millis(attempt_ms),
            commits: commits(&commits_ms),
            channel_limit: per_second(40, 3).filter(|_| has_channel_limit),
        };
        let [first, second] = rates.map(|(rate, burst)| per_second(rate, burst));
        let mut world = World::new(plan, &[(1, first), (2, second), (3, None)]);
        for (n, sent) in (0..).zip(&sent) {
            let ticket = ticket(n, sent.due)
                .with_contact(sent.contact)
                .with_class(Class::ALL[sent.class])
                .in_lane(sent.lane, sent.lane)
                .costing(sent.cost);
            world.schedule(ms(sent.at_ms), ticket);
            if let Some(after) = sent.canceled_after_ms {
                world.cancel(ms(sent.at_ms + after), ticket.message);
            }
        }
        for (at, lane, long) in pauses {
            world.pause(ms(at), lane, true);
            world.pause(ms(at + long), lane, false);
        }
        let has_outage = outage.is_some();
        if let Some((at, long)) = outage {
            world.provider_works(ms(at), false);
            world.provider_works(ms(at + long), true);
        }
        world.run(HOUR);
        world.check_ended();
        world.check_limits();
        for known in world.messages.values() {
            prop_assert!(known.hands.len() <= 1 || has_outage, "{known:?} went twice");
        }
        prop_assert!(world.most_permits <= 4 * (workers + 2_048) + 1_024);
    }

    /// I7 for what waits from the beginning, and cancels among it.
    #[test]
    fn whatever_commits_take_a_contact_s_messages_go_in_order(
        commits_ms in prop::collection::vec(prop_oneof![2 => 0u64..50, 1 => 200u64..1_500], 1..12),
        (rate, burst) in (1u32..30, 1u32..5),
        sent in prop::collection::vec(sent(), 1..40),
    ) {
        let mut world = World::new(Plan { commits: commits(&commits_ms), ..Plan::default() }, &[(1, per_second(rate, burst)), (2, None)]);
        for (n, sent) in (0..).zip(&sent) {
            let ticket = ticket(n, sent.due).with_contact(sent.contact % 3).with_class(Class::ALL[sent.class]).in_lane(1 + sent.lane % 2, 1);
            world.schedule(ms(0), ticket);
            if let Some(after) = sent.canceled_after_ms {
                world.cancel(ms(after), ticket.message);
            }
        }
        world.run(HOUR);
        world.check_ended();
        world.check_limits();
        world.check_order();
    }
}
