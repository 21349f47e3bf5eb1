//! Contacts of several kinds, and what the model makes of them.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::domain::clock::UnixMs;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// A Monday, 00:00.
const MONDAY: UnixMs = UnixMs(1_699_833_600_000);

fn at(day: i64, hour: i64) -> UnixMs {
    UnixMs(MONDAY.0 + day * DAY_MS + hour * HOUR_MS + HOUR_MS / 2)
}

/// The hours of a day's window, from midnight.
fn day(day: i64) -> Vec<UnixMs> {
    (0..24).map(|hour| UnixMs(MONDAY.0 + day * DAY_MS + hour * HOUR_MS)).collect()
}

fn seen(habit: &mut Habit, profile: &mut Profile, events: impl IntoIterator<Item = UnixMs>) {
    for event in events {
        habit.saw(event, profile);
    }
}

/// A profile of many contacts that are active at one hour of weekdays.
fn office(hour: i64) -> Profile {
    let mut profile = Profile::default();
    for contact in 0..40 {
        let days = (0..56).filter(|day| day % 7 < 5);
        seen(&mut Habit::default(), &mut profile, days.map(|day| at(day, hour + contact % 2)));
    }
    profile
}

fn chosen(habit: &Habit, profile: &Profile, of_day: i64) -> Choice {
    let candidates = day(of_day);
    choose(habit, profile, candidates[0], &candidates).unwrap()
}

#[test]
fn an_unknown_contact_is_taken_for_one_of_the_others() {
    let choice = chosen(&Habit::default(), &office(9), 56);
    assert!((9..=10).contains(&choice.index), "{choice:?}");
    assert_eq!(choice.sureness, Sureness::TooLittle);
    assert!((choice.chance - choice.chance_of_population).abs() < 1e-6, "{choice:?}");
    assert!(choice.chance > choice.chance_at_once, "{choice:?}");
}

#[test]
fn who_works_at_night_is_met_at_night_among_people_of_the_day() {
    let mut profile = office(9);
    let mut habit = Habit::default();
    seen(&mut habit, &mut profile, (28..56).map(|day| at(day, 2)));
    let choice = chosen(&habit, &profile, 56);
    assert_eq!(choice.index, 2, "{choice:?}");
    assert!(choice.chance > 2.0 * choice.chance_of_population, "{choice:?}");
    assert_eq!(choice.sureness, Sureness::Fair);
}

#[test]
fn who_reads_on_sundays_is_met_on_sunday() {
    let mut profile = office(9);
    let mut habit = Habit::default();
    seen(&mut habit, &mut profile, (0..16).map(|week| at(week * 7 + 6, 20)));
    let week: Vec<UnixMs> = (112..119).flat_map(day).collect();
    let choice = choose(&habit, &profile, week[0], &week).unwrap();
    assert_eq!(choice.index, 6 * 24 + 20, "{choice:?}");
}

#[test]
fn a_changed_shift_is_followed_within_two_weeks() {
    let mut profile = office(9);
    let mut habit = Habit::default();
    seen(&mut habit, &mut profile, (0..90).map(|day| at(day, 7)));
    assert_eq!(chosen(&habit, &profile, 90).index, 7);
    seen(&mut habit, &mut profile, (90..104).map(|day| at(day, 19)));
    assert_eq!(chosen(&habit, &profile, 104).index, 19);
}

#[test]
fn a_burst_of_events_says_no_more_than_one() {
    let (mut profile, mut other) = (office(9), office(9));
    let (mut once, mut often) = (Habit::default(), Habit::default());
    seen(&mut once, &mut profile, (0..9).map(|day| at(day, 12)));
    let bursts = (0..9).flat_map(|day| (0..50).map(move |second| at(day, 12).plus(Duration::from_secs(second))));
    seen(&mut often, &mut other, bursts);
    assert_eq!((once, profile), (often, other));
}

#[test]
fn a_late_event_is_counted_where_it_belongs() {
    let mut profile = Profile::default();
    let mut habit = Habit::default();
    for day in 0..30 {
        seen(&mut habit, &mut profile, [at(day, 12), at(day, 6)]);
    }
    let choice = chosen(&habit, &profile, 30);
    assert!(choice.index == 6 || choice.index == 12, "{choice:?}");
    let six = choose(&habit, &profile, at(30, 0), &[at(30, 6)]).unwrap().chance;
    let nine = choose(&habit, &profile, at(30, 0), &[at(30, 9)]).unwrap().chance;
    assert!(six > 3.0 * nine, "{six} {nine}");
}

#[test]
fn who_answers_in_bursts_is_met_at_once_after_an_event() {
    let mut profile = Profile::default();
    // Now and then, at any hour, and then three hours on end.
    for contact in 0..30 {
        let bursts = (0..40).map(|burst| burst * 41 + contact * 7);
        let hours = bursts.flat_map(|start| (0..3).map(move |more| start + more));
        seen(&mut Habit::default(), &mut profile, hours.map(|hour| at(0, hour)));
    }
    let mut habit = Habit::default();
    seen(&mut habit, &mut profile, (0..40).map(|burst| at(0, burst * 41)));
    let now = at(0, 39 * 41).plus(Duration::from_secs(60));
    let candidates: Vec<UnixMs> = (0..24).map(|hour| UnixMs(now.0 + hour * HOUR_MS)).collect();
    let choice = choose(&habit, &profile, now, &candidates).unwrap();
    assert!(choice.index <= 1, "{choice:?}");
}

#[test]
fn without_candidates_there_is_no_choice_and_equal_ones_are_taken_early() {
    let profile = Profile::default();
    assert_eq!(choose(&Habit::default(), &profile, MONDAY, &[]), None);
    assert_eq!(chosen(&Habit::default(), &profile, 0).index, 0);
}

#[test]
fn where_nothing_is_known_the_first_moment_is_taken_whatever_the_time_is() {
    for now in (0..HOUR_MS).step_by(997).map(|part| UnixMs(MONDAY.0 + 9 * HOUR_MS + part)) {
        let quarters = (1..96).map(|quarter| UnixMs((now.0 / (HOUR_MS / 4) + quarter) * (HOUR_MS / 4)));
        let candidates: Vec<_> = std::iter::once(now).chain(quarters).collect();
        let choice = choose(&Habit::default(), &Profile::default(), now, &candidates).unwrap();
        assert_eq!(choice.at, now, "{choice:?}");
    }
}

#[test]
fn a_habit_of_another_length_is_refused() {
    let bytes = rmp_serde::to_vec(&bytes::Bytes::from_static(&[1, 2, 3])).unwrap();
    let error = rmp_serde::from_slice::<Habit>(&bytes).unwrap_err().to_string();
    assert!(error.contains("cannot read a habit of 3 bytes"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_habit_stays_within_400_bytes_and_reads_back_whatever_was_seen(
        hours in proptest::collection::vec(0_i64..100_000, 0..300),
        sorted in any::<bool>(),
    ) {
        let mut hours = hours;
        if sorted {
            hours.sort_unstable();
        }
        let mut profile = Profile::default();
        let mut habit = Habit::default();
        seen(&mut habit, &mut profile, hours.iter().map(|hour| UnixMs(hour * HOUR_MS)));
        let encoded = rmp_serde::to_vec(&habit).unwrap();
        prop_assert!(encoded.len() <= 400, "{}", encoded.len());
        prop_assert_eq!(&rmp_serde::from_slice::<Habit>(&encoded).unwrap(), &habit);
        // Whatever was seen, every chance is one.
        let candidates: Vec<UnixMs> = (100_000..100_024).map(|hour| UnixMs(hour * HOUR_MS)).collect();
        let choice = choose(&habit, &profile, candidates[0], &candidates).unwrap();
        for chance in [choice.chance, choice.chance_at_once, choice.chance_of_population] {
            prop_assert!((0.0..=1.0).contains(&chance), "{choice:?}");
        }
        prop_assert!(choice.chance >= choice.chance_at_once);
        prop_assert!(choice.chance >= choice.chance_of_population);
    }
}
