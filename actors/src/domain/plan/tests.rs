//! Moments that rules permit: by table, and by property against a walk from minute to minute.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::domain::address::Channel;
use crate::domain::instant::parse_instant;
use crate::domain::message::Class;
use crate::domain::sending_rules::{Country, Holiday, Hours, Scope, SendingRules, TimeOfDay, Weekdays};

const DEFER: Terms = Terms { quiet_hours: QuietHoursPolicy::Defer, if_late: IfLate::Send };

fn at(text: &str) -> UnixMs {
    parse_instant(text).unwrap()
}

fn hours(days: &str, from: &str, to: &str) -> Hours {
    let time = |text| TimeOfDay::parse(text).unwrap();
    let days = match days {
        "" => Weekdays::ALL,
        days => days.split(' ').fold(Weekdays::NONE, |days, day| days.with(day).unwrap()),
    };
    Hours { scope: Scope::default(), days, from: time(from), to: time(to) }
}

fn quiet(hours: &[Hours]) -> SendingRules {
    SendingRules { quiet_hours: hours.to_vec(), ..SendingRules::default() }
}

fn calendar<'a>(rules: &'a SendingRules, zone: &str) -> Calendar<'a> {
    Calendar::of(rules, TimeZone::parse(zone).unwrap(), Channel::Sms, Country::parse("US"), Class::Transactional)
}

/// Where a message that is meant for a moment goes, and why.
fn due(rules: &SendingRules, zone: &str, wanted: &str) -> (String, Vec<&'static str>) {
    let planned = fit(at(wanted), at(wanted), DEFER, &calendar(rules, zone)).unwrap();
    let delays = planned.plan.map(|plan| plan.delays).unwrap_or_default();
    (planned.due_at.to_string(), delays.iter().map(|delay| delay.cause.code()).collect())
}

#[test]
fn quiet_hours_are_left_at_their_end_on_the_recipients_clock() {
    let night = quiet(&[hours("", "21:00", "08:00")]);
    for (zone, wanted, expected) in [
        ("UTC", "2026-12-01T20:59:59.999Z", "2026-12-01T20:59:59.999Z"),
        ("UTC", "2026-12-01T21:00:00Z", "2026-12-02T08:00:00Z"),
        ("UTC", "2026-12-02T07:59:59.999Z", "2026-12-02T08:00:00Z"),
        ("UTC", "2026-12-02T08:00:00Z", "2026-12-02T08:00:00Z"),
        ("America/New_York", "2026-12-02T02:00:00Z", "2026-12-02T13:00:00Z"),
        ("Asia/Kathmandu", "2026-12-01T20:00:00Z", "2026-12-02T02:15:00Z"),
        // The night of a clock change ends by the clock that it ends on.
        ("Europe/Berlin", "2026-03-28T22:00:00Z", "2026-03-29T06:00:00Z"),
        ("Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T07:00:00Z"),
        // The day that Samoa never had.
        ("Pacific/Apia", "2011-12-30T09:00:00Z", "2011-12-30T18:00:00Z"),
    ] {
        assert_eq!(due(&night, zone, wanted).0, expected, "{zone} {wanted}");
    }
}

#[test]
fn an_end_inside_a_clock_change_is_met_where_the_clock_passes_it() {
    // 02:30 is skipped on 29 March: the clock passes it as it jumps from 02:00 to 03:00.
    let short = quiet(&[hours("", "01:00", "02:30")]);
    assert_eq!(due(&short, "Europe/Berlin", "2026-03-29T00:15:00Z").0, "2026-03-29T01:00:00Z");
    // On 25 October it is shown twice: quiet until the first, quiet again when the clock is set back.
    assert_eq!(due(&short, "Europe/Berlin", "2026-10-24T23:15:00Z").0, "2026-10-25T00:30:00Z");
    assert_eq!(due(&short, "Europe/Berlin", "2026-10-25T01:10:00Z").0, "2026-10-25T01:30:00Z");
}

#[test]
fn windows_of_one_scope_add_up_and_those_of_another_narrow_them() {
    let mut rules = SendingRules {
        send_windows: vec![
            hours("mon tue wed thu fri", "09:00", "12:00"),
            hours("mon tue wed thu fri", "14:00", "18:00"),
        ],
        holidays: vec![Holiday::parse(Scope::default(), "12-25").unwrap()],
        ..SendingRules::default()
    };
    let only = |text: &str| (text.to_owned(), vec!["send_window"]);
    assert_eq!(due(&rules, "UTC", "2026-12-01T10:00:00Z").1, Vec::<&str>::new());
    assert_eq!(due(&rules, "UTC", "2026-12-01T12:00:00Z"), only("2026-12-01T14:00:00Z"));
    assert_eq!(due(&rules, "UTC", "2026-12-04T18:00:00Z"), only("2026-12-07T09:00:00Z"));
    assert_eq!(
        due(&rules, "UTC", "2026-12-25T10:00:00Z"),
        ("2026-12-28T09:00:00Z".into(), vec!["holiday", "send_window"])
    );
    let sms = Scope { channel: Some(Channel::Sms), ..Scope::default() };
    rules.send_windows.push(Hours { scope: sms, ..hours("", "11:00", "15:00") });
    assert_eq!(due(&rules, "UTC", "2026-12-01T09:00:00Z").0, "2026-12-01T11:00:00Z");
    assert_eq!(due(&rules, "UTC", "2026-12-01T12:00:00Z").0, "2026-12-01T14:00:00Z");
    let email = Scope { channel: Some(Channel::Email), ..Scope::default() };
    rules.send_windows.push(Hours { scope: email, ..hours("", "03:00", "04:00") });
    assert_eq!(due(&rules, "UTC", "2026-12-01T12:00:00Z").0, "2026-12-01T14:00:00Z", "rules of others are not met");
}

#[test]
fn conversation_is_exempt_if_the_account_says_so() {
    let mut rules = quiet(&[hours("", "21:00", "08:00")]);
    let obstacle = |rules: &SendingRules, class| {
        let calendar = Calendar::of(rules, TimeZone::utc(), Channel::Sms, None, class);
        calendar.obstacle(at("2026-12-01T23:00:00Z")).is_some()
    };
    assert!(obstacle(&rules, Class::Conversation));
    rules.conversation_exempt = true;
    assert!(!obstacle(&rules, Class::Conversation) && obstacle(&rules, Class::Transactional));
}

#[test]
fn an_author_chooses_between_waiting_skipping_and_going_all_the_same() {
    let night = quiet(&[hours("", "21:00", "08:00")]);
    let calendar = calendar(&night, "UTC");
    let wanted = at("2026-12-01T23:00:00Z");
    let by = |quiet_hours, if_late| fit(wanted, wanted, Terms { quiet_hours, if_late }, &calendar);
    let ignored = by(QuietHoursPolicy::Ignore, IfLate::Send).unwrap();
    assert_eq!((ignored.due_at, ignored.plan), (wanted, None));
    assert_eq!(by(QuietHoursPolicy::Skip, IfLate::Send).unwrap_err().code(), "quiet_hours");
    let waits = by(QuietHoursPolicy::Defer, IfLate::SkipAfter(Duration::from_secs(9 * 3_600))).unwrap();
    assert_eq!(waits.due_at, at("2026-12-02T08:00:00Z"));
    let error = by(QuietHoursPolicy::Defer, IfLate::SkipAfter(Duration::from_secs(9 * 3_600 - 1))).unwrap_err();
    assert_eq!(error.code(), "no_moment_left");
    let text = error.to_string();
    assert!(text.contains("21:00") && text.contains("2026-12-02T07:59:59Z"), "{text}");
}

#[test]
fn rules_that_leave_nothing_are_named_after_a_bounded_search() {
    let never = quiet(&[hours("", "00:00", "24:00")]);
    let wanted = at("2026-12-01T23:00:00Z");
    let error = fit(wanted, wanted, DEFER, &calendar(&never, "America/New_York")).unwrap_err();
    assert!(matches!(error, PlanError::NoMoment { cause: Cause::QuietHours { .. }, .. }));
}

#[test]
fn the_best_moment_of_a_window_is_one_that_the_rules_permit() {
    let night = quiet(&[hours("", "21:00", "08:00")]);
    let calendar = calendar(&night, "UTC");
    let window = at("2026-12-01T18:00:00Z")..at("2026-12-02T18:00:00Z");
    let hour = Duration::from_secs(3_600);
    let towards = |wanted: &str| {
        let wanted = at(wanted);
        calendar.best(window.clone(), hour, |at| -((at.0 - wanted.0).abs() as f64)).unwrap().0.to_string()
    };
    assert_eq!(towards("2026-12-01T20:10:00Z"), "2026-12-01T20:00:00Z");
    assert_eq!(towards("2026-12-02T05:00:00Z"), "2026-12-02T08:00:00Z");
    assert_eq!(towards("2026-12-03T05:00:00Z"), "2026-12-02T17:00:00Z");
    let asleep = at("2026-12-01T22:00:00Z")..at("2026-12-02T08:00:00Z");
    assert_eq!(calendar.best(asleep, hour, |_| 1.0), None);
}

#[test]
fn a_message_that_was_missed_is_planned_for_the_same_time_of_day() {
    let wall = |local: &str, zone: &str| {
        let zone = TimeZone::parse(zone).unwrap();
        Intent::Wall(wall_clock(local, &zone, false, GapPolicy::Forward, FoldPolicy::First).unwrap())
    };
    let due = at("2026-12-01T14:00:00Z");
    let next = |intent: &Intent, now: &str| next_time(intent, due, at(now)).map(|at| at.to_string());
    let nine = wall("2026-12-01T09:00", "America/New_York");
    assert_eq!(next(&nine, "2026-12-01T15:00:00Z"), None, "a lane may be an hour behind");
    assert_eq!(next(&nine, "2026-12-01T15:00:00.001Z").as_deref(), Some("2026-12-02T14:00:00Z"));
    assert_eq!(next(&nine, "2026-12-04T13:59:59Z").as_deref(), Some("2026-12-04T14:00:00Z"));
    assert_eq!(
        next(&nine, "2027-03-14T04:00:00Z").as_deref(),
        Some("2027-03-14T13:00:00Z"),
        "by the clock of that day"
    );
    assert_eq!(next(&Intent::At(due), "2026-12-03T14:00:00Z").as_deref(), Some("2026-12-04T14:00:00Z"));
    assert_eq!(next(&Intent::Now, "2026-12-03T14:00:00Z"), None);
}

#[test]
fn rules_that_shut_out_some_messages_for_good_are_found() {
    let us = Scope { country: Country::parse("US"), ..Scope::default() };
    let day = Hours { scope: us, ..hours("", "08:00", "21:00") };
    let mut rules = quiet(&[hours("", "21:00", "08:00")]);
    assert_eq!(shut(&rules), None);
    rules.quiet_hours.push(Hours { scope: us, ..hours("mon tue wed thu fri sat", "08:00", "21:00") });
    assert_eq!(shut(&rules), None, "Sunday is left");
    rules.quiet_hours.push(day);
    assert!(matches!(shut(&rules), Some(Cause::QuietHours { .. })));
    let windows = SendingRules { send_windows: vec![day], ..quiet(&[hours("", "08:00", "21:00")]) };
    assert!(shut(&windows).is_some());
}

prop_compose! {
    fn any_hours()(days in 1..128u8, from in 0..96u16, length in 1..80u16, kind in 0..3u8) -> (u8, Hours) {
        let to = match (from + length) * 15 % 1_440 { 0 => 1_440, minutes => minutes };
        let text = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        let names: Vec<_> = (0..7).filter(|day| days >> day & 1 == 1).map(|day| Weekdays::NAMES[day]).collect();
        (kind, hours(&names.join(" "), &text(from * 15), &text(to)))
    }
}

fn any_rules() -> impl Strategy<Value = SendingRules> {
    prop::collection::vec(any_hours(), 0..5).prop_map(|all| {
        let mut rules = SendingRules::default();
        for (kind, hours) in all {
            if kind == 0 { rules.send_windows.push(hours) } else { rules.quiet_hours.push(hours) }
        }
        rules.holidays.push(Holiday::parse(Scope::default(), "10-25").unwrap());
        rules
    })
}

const ZONES: [&str; 7] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Africa/Casablanca",
    "Asia/Kathmandu",
];

proptest! {
    // A day and a half before a change of many clocks to some days behind it.
    #[test]
    fn the_due_time_is_the_first_permitted_moment_and_planned_again_it_stays(
        rules in any_rules(), zone in 0..ZONES.len(), minutes in -2_200..4_000i64, spring: bool, ms in 0..60_000i64,
    ) {
        let calendar = calendar(&rules, ZONES[zone]);
        let change = at(if spring { "2026-03-29T01:00:00Z" } else { "2026-10-25T01:00:00Z" });
        let wanted = UnixMs(change.0 + minutes * 60_000 + ms);
        match fit(wanted, wanted, DEFER, &calendar) {
            Ok(planned) => {
                let due = planned.due_at;
                prop_assert!(due >= wanted);
                prop_assert_eq!(calendar.obstacle(due), None);
                prop_assert_eq!(planned.plan.is_none(), due == wanted);
                let again = fit(wanted, due, DEFER, &calendar).unwrap();
                prop_assert_eq!(again.due_at, due);
                // Minimal: every minute before it is forbidden, and the millisecond before it.
                for minute in 0.. {
                    let earlier = UnixMs(wanted.0 + minute * 60_000);
                    if earlier >= due {
                        break;
                    }
                    prop_assert!(calendar.obstacle(earlier).is_some(), "{} is free, {} was chosen", earlier, due);
                }
                prop_assert!(due == wanted || calendar.obstacle(UnixMs(due.0 - 1)).is_some());
            }
            Err(PlanError::NoMoment { .. }) => {
                for hour in 0..24 * 7 {
                    prop_assert!(calendar.obstacle(UnixMs(wanted.0 + hour * 3_600_000)).is_some());
                }
            }
            Err(error) => prop_assert!(false, "{error}"),
        }
    }
}
