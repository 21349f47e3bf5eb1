//! The wheel by table and against a sorted set.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::TimingWheel;
use super::ready::order;
use crate::domain::clock::UnixMs;
use crate::domain::ids::{AccountNo, ContactId, MessageId};
use crate::domain::ticket::Ticket;
use crate::domain::ticket::fixtures::ticket;

const ALL: usize = usize::MAX;

fn advance(wheel: &mut TimingWheel, now: i64, max: usize) -> Vec<u64> {
    let mut out = Vec::new();
    wheel.advance(UnixMs(now), max, &mut out);
    assert!(out.iter().all(|ticket| ticket.due_at.0 <= now), "nothing is early");
    out.iter().map(|ticket| ticket.created_us).collect()
}

#[test]
fn a_ticket_comes_out_at_its_millisecond_and_not_before() {
    for due in [1_001, 1_255, 1_256, 1_279, 1_280, 66_000, 17_000_000, 5_000_000_000, 253_402_300_799_999] {
        let mut wheel = TimingWheel::new(UnixMs(1_000));
        wheel.insert(ticket(7, due));
        assert_eq!(wheel.next_due(), Some(UnixMs(due)));
        assert!(advance(&mut wheel, due - 1, ALL).is_empty());
        assert_eq!(wheel.next_due(), Some(UnixMs(due)));
        assert_eq!(advance(&mut wheel, due, ALL), [7]);
        assert!(wheel.is_empty());
        assert_eq!(wheel.next_due(), None);
    }
}

#[test]
fn what_is_due_already_comes_out_at_the_next_advance_in_its_order() {
    let mut wheel = TimingWheel::new(UnixMs(1_000));
    for (n, due) in [(1, 1_000), (2, 900), (3, 1_000), (0, 1_000), (4, -5)] {
        wheel.insert(ticket(n, due));
    }
    assert_eq!(advance(&mut wheel, 1_000, 2), [4, 2]);
    wheel.insert(ticket(9, 10));
    assert_eq!(advance(&mut wheel, 1_000, 2), [9, 0]);
    assert_eq!(advance(&mut wheel, 1_000, 9), [1, 3]);
}

#[test]
fn a_clock_that_steps_back_loses_nothing_and_repeats_nothing() {
    let mut wheel = TimingWheel::new(UnixMs(1_000));
    for (n, due) in [(1, 2_000), (2, 3_000), (3, 9_000)] {
        wheel.insert(ticket(n, due));
    }
    assert_eq!(advance(&mut wheel, 5_000, 1), [1]);
    assert!(advance(&mut wheel, 100, ALL).is_empty());
    wheel.insert(ticket(4, 200));
    wheel.insert(ticket(5, 4_000));
    assert_eq!(wheel.next_due(), Some(UnixMs(200)));
    assert_eq!(advance(&mut wheel, 300, ALL), [4]);
    assert_eq!(advance(&mut wheel, 3_500, ALL), [2]);
    assert_eq!(advance(&mut wheel, 10_000, ALL), [5, 3]);
    assert!(wheel.is_empty());
}

#[test]
fn a_ticket_cancelled_and_inserted_again_comes_out_once() {
    for due in [500, 1_100, 40_000, 90_000_000] {
        let mut wheel = TimingWheel::new(UnixMs(1_000));
        let message = ticket(1, due).message;
        wheel.cancel(message, UnixMs(due));
        wheel.insert(ticket(1, due));
        wheel.insert(ticket(2, due));
        wheel.cancel(message, UnixMs(due));
        wheel.cancel(message, UnixMs(due));
        assert!(advance(&mut wheel, due.max(1_001) - 1, 0).is_empty());
        wheel.insert(ticket(1, due).in_lane(9, 9));
        let mut out = Vec::new();
        wheel.advance(UnixMs(due.max(1_001)), ALL, &mut out);
        assert_eq!(out, [ticket(1, due).in_lane(9, 9), ticket(2, due)]);
    }
}

#[test]
fn a_ticket_inserted_twice_comes_out_once_even_at_the_bound_of_an_advance() {
    for due in [500, 1_100, 40_000] {
        let mut wheel = TimingWheel::new(UnixMs(1_000));
        wheel.insert(ticket(1, due));
        wheel.insert(ticket(2, due));
        wheel.insert(ticket(1, due));
        assert_eq!(advance(&mut wheel, 40_000, 1), [1]);
        assert_eq!(advance(&mut wheel, 40_000, ALL), [2]);
        wheel.insert(ticket(1, due));
        assert_eq!(advance(&mut wheel, 40_000, ALL), [1], "again, after it had come out");
    }
}

#[test]
fn cleanups_of_two_contacts_at_one_moment_both_come_out_and_are_not_cancelled_by_nil() {
    let mut wheel = TimingWheel::new(UnixMs(0));
    for contact in [1, 2] {
        wheel.insert(Ticket::cleanup(AccountNo(1), ContactId::from_bytes([contact; 16]), UnixMs(50)));
    }
    wheel.cancel(MessageId::from_bytes([0; 16]), UnixMs(50));
    assert_eq!(advance(&mut wheel, 50, ALL).len(), 2);
}

#[test]
fn cancelling_over_and_over_keeps_memory_bounded() {
    for due in [500, 1_100, 40_000] {
        let mut wheel = TimingWheel::new(UnixMs(1_000));
        for n in 0..100_000 {
            wheel.insert(ticket(n, due));
            wheel.cancel(ticket(n, due).message, UnixMs(due));
            wheel.cancel(ticket(n, due - 1).message, UnixMs(due));
        }
        assert!(wheel.len() < 100, "{} tickets are kept", wheel.len());
        assert!(advance(&mut wheel, 40_000, ALL).is_empty());
    }
}

#[test]
fn a_lost_partition_leaves_everywhere() {
    let mut wheel = TimingWheel::new(UnixMs(1_000));
    let dues = [10, 5, 1_010, 1_300, 70_000, 20_000_000];
    for (n, due) in (0..).zip(dues) {
        wheel.insert(ticket(2 * n, due));
        wheel.insert(ticket(2 * n + 1, due));
    }
    wheel.cancel(ticket(2, 5).message, UnixMs(5));
    wheel.retain(|ticket| ticket.created_us % 2 == 0);
    assert_eq!(wheel.len(), dues.len() - 1);
    assert_eq!(advance(&mut wheel, 20_000_000, ALL), [0, 4, 6, 8, 10]);
    assert_eq!(wheel.next_due(), None);
}

#[derive(Debug, Clone)]
enum Step {
    Insert(u32, i64),
    Cancel(u32, i64),
    Advance(i64, usize),
    Back(i64),
    ToNextDue,
    Retain(u64),
}

fn due() -> impl Strategy<Value = i64> {
    prop_oneof![4 => 0i64..40, 4 => 0i64..1_000, 2 => 0i64..200_000, 1 => 0i64..50_000_000_000, 1 => -100i64..0]
}

fn step() -> impl Strategy<Value = Step> {
    // Few messages and coarse due times, so that generations meet again.
    let generation = || (0u32..6, due().prop_map(|due| if due > 300 { due - due % 977 } else { due }));
    prop_oneof![
        6 => generation().prop_map(|(n, due)| Step::Insert(n, due)),
        3 => generation().prop_map(|(n, due)| Step::Cancel(n, due)),
        3 => (due(), prop_oneof![Just(ALL), 0usize..4]).prop_map(|(by, max)| Step::Advance(by, max)),
        1 => due().prop_map(Step::Back),
        2 => Just(Step::ToNextDue),
        1 => (2u64..5).prop_map(Step::Retain),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn it_gives_out_what_a_sorted_set_would(start in 0i64..300, steps in prop::collection::vec(step(), 1..80)) {
        let mut wheel = TimingWheel::new(UnixMs(start));
        let mut model = BTreeMap::new();
        let mut now = start;
        let mut serial = 0;
        for step in steps {
            match step {
                Step::Insert(n, due) => {
                    // The lane tells a ticket that was inserted again from the cancelled one.
                    serial += 1;
                    let ticket = ticket(n, now + due).in_lane(serial, 1);
                    // A live one may come twice, from a load and from an arming, but then it is the same.
                    let ticket = *model.entry(order(&ticket)).or_insert(ticket);
                    wheel.insert(ticket);
                }
                Step::Cancel(n, due) => {
                    let ticket = ticket(n, now + due);
                    wheel.cancel(ticket.message, ticket.due_at);
                    model.remove(&order(&ticket));
                }
                Step::Retain(modulo) => {
                    wheel.retain(|ticket| ticket.created_us % modulo != 0);
                    model.retain(|_, ticket| ticket.created_us % modulo != 0);
                }
                Step::Advance(..) | Step::Back(_) | Step::ToNextDue => {
                    let max = if let Step::Advance(_, max) = step { max } else { ALL };
                    now = match step {
                        Step::Advance(by, _) => now + by,
                        Step::Back(by) => now - by,
                        _ => wheel.next_due().map_or(now, |at| at.0.max(now)),
                    };
                    let expected: Vec<_> =
                        model.values().take_while(|ticket| ticket.due_at.0 <= now).take(max).copied().collect();
                    let mut out = Vec::new();
                    wheel.advance(UnixMs(now), max, &mut out);
                    prop_assert_eq!(&out, &expected);
                    model.retain(|_, ticket| !expected.contains(ticket));
                }
            }
            prop_assert!(wheel.len() >= model.len());
            if let Some((first, _)) = model.first_key_value() {
                prop_assert!(wheel.next_due().is_some_and(|at| at <= first.0));
            }
        }
        // Sleeping until `next_due` gets everything out, in few steps.
        let mut out = Vec::new();
        let mut steps = 0;
        while let Some(at) = wheel.next_due() {
            wheel.advance(at, ALL, &mut out);
            steps += 1;
            prop_assert!(steps < 1_000);
        }
        prop_assert_eq!(out, model.into_values().collect::<Vec<_>>());
        prop_assert!(wheel.is_empty());
    }
}
