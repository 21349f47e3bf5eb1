//! The best moment of a window: by table, and by property.

use std::ops::Range;

use proptest::prelude::*;

use super::smart::{Arm, Knowledge, MAX_WINDOW, Shares, check, choose};
use super::*;
use crate::domain::habit::{Habit, Profile, Sureness};
use crate::domain::schedule::{SmartWindow, TooLittleData};
use crate::domain::sending_rules::{Hours, Scope, SendingRules, TimeOfDay, Weekdays};

const DEFER: Terms = Terms { quiet_hours: QuietHoursPolicy::Defer, if_late: IfLate::Send };
const HOUR_MS: i64 = 3_600_000;
/// Nobody is drawn for anything else.
const ALWAYS: Shares = Shares { random: 0, holdout: 0 };

fn at(text: &str) -> UnixMs {
    parse_instant(text).unwrap()
}

fn window(range: Range<&str>) -> SmartWindow {
    SmartWindow { from: at(range.start), to: at(range.end), hours: None, too_little_data: TooLittleData::Now }
}

/// One day, from midnight in New York.
fn day() -> SmartWindow {
    window("2026-12-01T05:00:00Z".."2026-12-02T05:00:00Z")
}

fn new_york() -> TimeZone {
    TimeZone::parse("America/New_York").unwrap()
}

fn night() -> SendingRules {
    let time = |text| TimeOfDay::parse(text).unwrap();
    let hours = Hours { scope: Scope::default(), days: Weekdays::ALL, from: time("21:00"), to: time("08:00") };
    SendingRules { quiet_hours: vec![hours], ..SendingRules::default() }
}

fn calendar(rules: &SendingRules) -> Calendar<'_> {
    Calendar::of(rules, new_york(), Channel::Sms, None, Class::Transactional)
}

/// Who was active at this hour of so many days before the window, by their own clock.
fn active_at(hour: i64, days: i64) -> (Habit, Profile) {
    let (mut habit, mut profile) = (Habit::default(), Profile::default());
    let midnight = at("2026-12-01T00:00:00Z");
    for day in (1..=days).rev() {
        habit.saw(UnixMs(midnight.0 + (hour - 24 * day) * HOUR_MS), &mut profile);
    }
    (habit, profile)
}

fn planned(
    window: &SmartWindow,
    rules: &SendingRules,
    (habit, profile): &(Habit, Profile),
    (shares, draw): (Shares, u64),
    now: &str,
) -> Result<Planned, PlanError> {
    let knowledge = Knowledge { habit: Some(habit), profile, zone: &new_york(), shares, draw };
    choose(window, DEFER, &calendar(rules), &knowledge, at(now))
}

const NOW: &str = "2026-12-01T05:00:00Z";

#[test]
fn the_hour_of_a_habit_is_met_by_the_contacts_own_clock() {
    let open = SendingRules::default();
    for hour in [7, 13, 22] {
        let planned = planned(&day(), &open, &active_at(hour, 30), (ALWAYS, 0), NOW).unwrap();
        let plan = planned.plan.unwrap();
        let chosen = plan.chosen.unwrap();
        assert_eq!(planned.due_at, UnixMs(at(NOW).0 + hour * HOUR_MS), "{hour}");
        assert_eq!((plan.wanted_at, plan.delays.len(), plan.zone.as_str()), (planned.due_at, 0, "America/New_York"));
        assert_eq!((chosen.arm, chosen.sureness, chosen.best_at), (Arm::Chosen, Sureness::Fair, planned.due_at));
        assert!(chosen.best > 4 * chosen.first && chosen.best >= chosen.others, "{chosen:?}");
    }
}

#[test]
fn what_the_rules_forbid_is_not_chosen_and_a_night_alone_is_refused() {
    let known = active_at(21, 30);
    let planned_at = |window, now: &str| planned(&window, &night(), &known, (ALWAYS, 0), now);
    let due = planned_at(day(), NOW).unwrap().due_at;
    assert_eq!(due, at("2026-12-02T01:45:00Z"), "as near to the night as may be");
    let asleep = window("2026-12-02T03:00:00Z".."2026-12-02T12:00:00Z");
    let error = planned_at(asleep, NOW).unwrap_err();
    assert_eq!(error.code(), "no_moment_left");
    assert!(error.to_string().contains("the quiet hours from 21:00 to 08:00"), "{error}");
}

#[test]
fn of_whom_too_little_is_known_the_author_says_what_is_done() {
    let (open, few) = (SendingRules::default(), (Habit::default(), active_at(13, 30).1));
    for (policy, arm, expected) in [
        (TooLittleData::Now, Arm::AtOnce, NOW),
        (TooLittleData::Population, Arm::Chosen, "2026-12-01T18:00:00Z"),
        (TooLittleData::At(at("2026-12-01T20:10:00Z")), Arm::Named, "2026-12-01T20:10:00Z"),
    ] {
        let window = SmartWindow { too_little_data: policy, ..day() };
        let planned = planned(&window, &open, &few, (ALWAYS, 0), NOW).unwrap();
        let chosen = planned.plan.unwrap().chosen.unwrap();
        assert_eq!((chosen.arm, planned.due_at), (arm, at(expected)), "{policy:?}");
        assert_eq!(chosen.sureness, Sureness::TooLittle);
    }
    let at_once = planned(&day(), &night(), &few, (ALWAYS, 0), NOW).unwrap();
    assert_eq!(at_once.due_at, at("2026-12-01T13:00:00Z"), "at once is when the night is over");
    assert_eq!(at_once.plan.unwrap().delays.len(), 1);
}

#[test]
fn shares_of_the_messages_go_at_a_random_moment_and_at_the_first() {
    let (open, known) = (SendingRules::default(), active_at(13, 30));
    let shares = Shares { random: 20, holdout: 10 };
    let mut due = std::collections::BTreeMap::<Arm, Vec<UnixMs>>::new();
    for draw in (0..3_000_u64).map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15)) {
        let planned = planned(&day(), &open, &known, (shares, draw), NOW).unwrap();
        due.entry(planned.plan.unwrap().chosen.unwrap().arm).or_default().push(planned.due_at);
    }
    assert!((500..700).contains(&due[&Arm::Random].len()), "{}", due[&Arm::Random].len());
    assert!((240..360).contains(&due[&Arm::Holdout].len()), "{}", due[&Arm::Holdout].len());
    assert!(due[&Arm::Holdout].iter().all(|due| *due == at(NOW)));
    let quarters = due[&Arm::Random].iter().map(|due| (due.0 - at(NOW).0) / (6 * HOUR_MS));
    for quarter in 0..4 {
        let share = quarters.clone().filter(|found| *found == quarter).count() * 100 / due[&Arm::Random].len();
        assert!((18..32).contains(&share), "{quarter}: {share} %");
    }
}

#[test]
fn a_window_that_is_none_is_refused_with_what_is_wrong() {
    let now = at(NOW);
    let named = |text| SmartWindow { too_little_data: TooLittleData::At(at(text)), ..day() };
    let length = MAX_WINDOW.as_millis() as i64;
    for (window, code) in [
        (day(), None),
        (window("2026-12-01T06:00:00Z".."2026-12-01T06:00:00Z"), Some("empty_window")),
        (window("2026-12-01T07:00:00Z".."2026-12-01T06:00:00Z"), Some("empty_window")),
        (window("2026-11-30T05:00:00Z".."2026-12-01T05:00:00Z"), Some("window_in_the_past")),
        (window("2026-12-01T04:58:00Z".."2026-12-01T09:00:00Z"), Some("window_in_the_past")),
        (window("2026-12-01T04:59:30Z".."2026-12-01T09:00:00Z"), None),
        (SmartWindow { to: UnixMs(now.0 + length), ..day() }, None),
        (SmartWindow { to: UnixMs(now.0 + length + 1), ..day() }, Some("window_too_long")),
        (window("2037-12-01T05:00:00Z".."2037-12-02T05:00:00Z"), Some("too_far")),
        (named("2026-12-01T05:00:00Z"), None),
        (named("2026-12-02T05:00:00Z"), Some("outside_window")),
    ] {
        assert_eq!(check(&window, now).err().map(PlanError::code), code, "{window:?}");
    }
}

#[test]
fn moments_that_are_nearly_as_good_keep_their_order_as_time_goes_by() {
    // Found by the property below: as what is known faded until now, it fell behind what others do.
    let from = UnixMs(at(NOW).0 + 119_343_000);
    let window = SmartWindow { from, to: UnixMs(from.0 + HOUR_MS), hours: None, too_little_data: TooLittleData::Now };
    let (rules, known) = (night(), active_at(0, 29));
    let due_at = |now: &str| planned(&window, &rules, &known, (ALWAYS, 99), now).unwrap().due_at;
    assert_eq!(due_at(&UnixMs(at(NOW).0 + 14 * HOUR_MS).to_string()), due_at(NOW));
}

proptest! {
    #[test]
    fn whatever_is_drawn_is_permitted_lies_in_the_window_and_stays_when_planned_again(
        hour in 0..24_i64, days in 0..60_i64, draw: u64, length in 1..168_i64, begins in 0..200_000_i64,
        later in 0..48_i64, random in 0..50_u8, holdout in 0..50_u8,
    ) {
        let from = UnixMs(at(NOW).0 + begins * 1_000);
        let to = UnixMs(from.0 + length * HOUR_MS);
        let window = SmartWindow { from, to, hours: None, too_little_data: TooLittleData::Now };
        let (rules, known, shares) = (night(), active_at(hour, days), Shares { random, holdout });
        let Ok(first) = planned(&window, &rules, &known, (shares, draw), NOW) else { return Ok(()) };
        prop_assert!((from..to).contains(&first.due_at));
        prop_assert_eq!(calendar(&rules).obstacle(first.due_at), None);
        // Later, while its moment is still to come.
        let now = UnixMs(at(NOW).0 + later * HOUR_MS);
        if now < from {
            let again = planned(&window, &rules, &known, (shares, draw), &now.to_string()).unwrap();
            prop_assert_eq!(again.due_at, first.due_at);
        }
    }
}
