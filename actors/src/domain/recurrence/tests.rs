use proptest::prelude::*;

use super::moments::{Clock, next};
use super::*;
use crate::domain::clock::UnixMs;
use crate::domain::instant::parse_instant;
use crate::domain::schedule::{FoldPolicy, GapPolicy, Resolution};
use crate::domain::zone::TimeZone;

fn recurrence(text: &str) -> Recurrence {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn civil(text: &str) -> Civil {
    text.parse().unwrap()
}

fn all(text: &str, start: &str) -> Vec<String> {
    let (recurrence, start) = (recurrence(text), civil(start));
    let mut last = None;
    let next = || {
        last = recurrence.next(start, last);
        last
    };
    std::iter::from_fn(next).take(20).map(|place| place.at.to_string()).collect()
}

#[test]
fn the_beginning_is_an_occurrence_only_if_it_fits() {
    let first = |text| all(text, "2026-11-28T09:00").into_iter().next();
    assert_eq!(first("FREQ=WEEKLY").as_deref(), Some("2026-11-28T09:00:00"));
    assert_eq!(first("FREQ=WEEKLY;BYDAY=MO").as_deref(), Some("2026-11-30T09:00:00"));
    assert_eq!(first("FREQ=DAILY;BYHOUR=8").as_deref(), Some("2026-11-29T08:00:00"));
}

#[test]
fn dates_that_are_left_out_are_counted_and_dates_that_are_added_are_not() {
    let text = "RRULE:FREQ=DAILY;COUNT=4\nEXDATE:20261202T090000\nRDATE:20261201T120000,20261224T100000";
    let expected = [
        "2026-12-01T09:00:00",
        "2026-12-01T12:00:00",
        "2026-12-03T09:00:00",
        "2026-12-04T09:00:00",
        "2026-12-24T10:00:00",
    ];
    assert_eq!(all(text, "2026-12-01T09:00"), expected);
}

#[test]
fn a_day_that_is_left_out_is_left_out_whole() {
    let text = "RRULE:FREQ=DAILY;BYHOUR=9,17;COUNT=6\nEXDATE;VALUE=DATE:20261202";
    let expected = ["2026-12-01T09:00:00", "2026-12-01T17:00:00", "2026-12-03T09:00:00", "2026-12-03T17:00:00"];
    assert_eq!(all(text, "2026-12-01T09:00"), expected);
}

#[test]
fn a_date_that_is_added_where_the_rule_has_one_is_one_occurrence() {
    let text = "RRULE:FREQ=DAILY;COUNT=2\nRDATE:20261202T090000";
    assert_eq!(all(text, "2026-12-01T09:00"), ["2026-12-01T09:00:00", "2026-12-02T09:00:00"]);
}

#[test]
fn until_is_inclusive_whichever_way_it_is_given() {
    let days = |until: &str| all(&format!("FREQ=DAILY;UNTIL={until}"), "2026-12-01T09:00").len();
    assert_eq!(days("20261203"), 3);
    assert_eq!(days("20261203T090000"), 3);
    assert_eq!(days("20261203T085959"), 2);
    let berlin = TimeZone::parse("Europe/Berlin").unwrap();
    let in_utc = |until: &str| moments_of(&format!("FREQ=DAILY;UNTIL={until}"), "2026-12-01T09:00", &berlin).len();
    assert_eq!(in_utc("20261203T080000Z"), 3);
    assert_eq!(in_utc("20261203T075959Z"), 2);
}

fn moments_of(text: &str, start: &str, zone: &TimeZone) -> Vec<moments::Moment> {
    let (recurrence, start) = (recurrence(text), civil(start));
    let clock = Clock { zone, gap: GapPolicy::Forward, fold: FoldPolicy::First };
    let mut last = None;
    let step = || {
        let moment = next(&recurrence, start, last, clock, UnixMs(0))?;
        last = Some((moment.place, moment.at));
        Some(moment)
    };
    std::iter::from_fn(step).take(20).collect()
}

#[test]
fn a_series_at_nine_stays_at_nine_over_a_clock_change() {
    let berlin = TimeZone::parse("Europe/Berlin").unwrap();
    let found = moments_of("FREQ=DAILY;COUNT=3", "2027-03-27T09:00", &berlin);
    let expected = ["2027-03-27T08:00:00Z", "2027-03-28T07:00:00Z", "2027-03-29T07:00:00Z"];
    assert_eq!(found.iter().map(|moment| moment.at.to_string()).collect::<Vec<_>>(), expected);
}

#[test]
fn two_occurrences_that_a_clock_change_puts_on_one_instant_are_one() {
    let berlin = TimeZone::parse("Europe/Berlin").unwrap();
    let found = moments_of("FREQ=DAILY;BYHOUR=2,3;COUNT=6", "2027-03-27T02:30", &berlin);
    let shown: Vec<_> = found.iter().map(|moment| (moment.place.at.to_string(), moment.resolution)).collect();
    assert_eq!(shown.len(), 5);
    assert_eq!(shown[2], ("2027-03-28T02:30:00".into(), Resolution::Gap));
    assert_eq!(shown[3], ("2027-03-29T02:30:00".into(), Resolution::Exact));
}

#[test]
fn an_occurrence_in_a_gap_that_is_to_be_refused_is_left_out() {
    let zone = TimeZone::parse("Europe/Berlin").unwrap();
    let clock = Clock { zone: &zone, gap: GapPolicy::Reject, fold: FoldPolicy::First };
    let daily = recurrence("FREQ=DAILY");
    let start = civil("2027-03-28T02:30");
    let first = next(&daily, start, None, clock, UnixMs(0)).unwrap();
    assert_eq!(first.place.at, civil("2027-03-29T02:30"));
}

#[test]
fn what_has_passed_is_leapt_over_and_counted_up_to_a_thousand() {
    let zone = TimeZone::parse("America/New_York").unwrap();
    let clock = Clock { zone: &zone, gap: GapPolicy::Forward, fold: FoldPolicy::First };
    let daily = recurrence("FREQ=DAILY");
    let now = parse_instant("2026-12-01T14:00:00Z").unwrap();
    let found = next(&daily, civil("2026-11-27T09:00"), None, clock, now).unwrap();
    assert_eq!((found.place.at, found.passed), (civil("2026-12-01T09:00"), 4));
    let found = next(&daily, civil("1999-01-01T09:00"), None, clock, now).unwrap();
    assert_eq!((found.place.at, found.passed), (civil("2026-12-01T09:00"), 1_000));
}

#[test]
fn a_rule_that_never_happens_has_no_occurrence() {
    assert_eq!(recurrence("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30").next(civil("2026-01-01T09:00"), None), None);
    assert_eq!(recurrence("FREQ=DAILY;UNTIL=20251231").next(civil("2026-01-01T09:00"), None), None);
    assert_eq!(
        recurrence("FREQ=YEARLY")
            .next(civil("9999-12-31T09:00"), Some(Place { at: civil("9999-12-31T09:00"), counted: 1 })),
        None
    );
}

#[test]
fn what_is_not_supported_is_refused_with_what_to_use() {
    for (text, code, says) in [
        ("", "not_a_recurrence", "is empty"),
        ("every monday", "not_a_recurrence", "`EVERY MONDAY` is not understood"),
        ("FREQ=DAILY;;COUNT=3", "not_a_recurrence", "is not understood"),
        ("COUNT=3", "not_a_recurrence", "needs `FREQ`"),
        ("FREQ=FORTNIGHTLY", "not_a_recurrence", "`WEEKLY`"),
        ("FREQ=HOURLY", "recurrence_not_supported", "`FREQ=DAILY` with `BYHOUR`"),
        ("FREQ=SECONDLY", "recurrence_not_supported", "`BYMINUTE`"),
        ("FREQ=DAILY;BYSECOND=1", "recurrence_not_supported", "the second is that of `send.at`"),
        ("FREQ=YEARLY;BYYEARDAY=100", "recurrence_not_supported", "`BYMONTHDAY`"),
        ("FREQ=YEARLY;BYWEEKNO=20", "recurrence_not_supported", "`BYDAY`"),
        ("FREQ=DAILY;RSCALE=CHINESE", "not_a_recurrence", "no part of a rule"),
        ("FREQ=DAILY;FREQ=DAILY", "not_a_recurrence", "twice"),
        ("FREQ=DAILY;COUNT=3;UNTIL=20261224", "not_a_recurrence", "one of them"),
        ("FREQ=DAILY;UNTIL=20261224;COUNT=3", "not_a_recurrence", "one of them"),
        ("FREQ=DAILY;COUNT=0", "not_a_recurrence", "from 1 to 1000"),
        ("FREQ=DAILY;COUNT=1001", "not_a_recurrence", "from 1 to 1000"),
        ("FREQ=DAILY;INTERVAL=0", "not_a_recurrence", "from 1 to 1000"),
        ("FREQ=DAILY;INTERVAL=-1", "not_a_recurrence", "from 1 to 1000"),
        ("FREQ=DAILY;UNTIL=2026-12-24", "not_a_recurrence", "`20261224`"),
        ("FREQ=DAILY;UNTIL=20261324", "not_a_recurrence", "`20261224`"),
        ("FREQ=DAILY;BYMONTH=13", "not_a_recurrence", "from 1 to 12"),
        ("FREQ=DAILY;BYMONTHDAY=0", "not_a_recurrence", "from 1 to 31"),
        ("FREQ=DAILY;BYHOUR=24", "not_a_recurrence", "from 0 to 23"),
        ("FREQ=DAILY;BYMINUTE=60", "not_a_recurrence", "from 0 to 59"),
        ("FREQ=WEEKLY;BYDAY=MOON", "not_a_recurrence", "`MO`"),
        ("FREQ=WEEKLY;BYDAY=é", "not_a_recurrence", "`MO`"),
        ("FREQ=WEEKLY;BYDAY=1MO", "not_a_recurrence", "`FREQ=MONTHLY`"),
        ("FREQ=MONTHLY;BYDAY=6MO", "not_a_recurrence", "from -5 to 5"),
        ("FREQ=YEARLY;BYDAY=54MO", "not_a_recurrence", "`1MO`"),
        ("FREQ=WEEKLY;BYMONTHDAY=1", "not_a_recurrence", "`FREQ=MONTHLY`"),
        ("FREQ=MONTHLY;BYSETPOS=1", "not_a_recurrence", "such as `BYDAY`"),
        ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=367", "not_a_recurrence", "366"),
        ("FREQ=WEEKLY;WKST=XX", "not_a_recurrence", "`SU`"),
        ("EXDATE:20261224T090000", "not_a_recurrence", "no rule"),
        ("RRULE:FREQ=DAILY\nRRULE:FREQ=DAILY", "not_a_recurrence", "twice"),
        ("DTSTART:20261224T090000\nRRULE:FREQ=DAILY", "recurrence_not_supported", "leave `DTSTART` out"),
        ("RRULE:FREQ=DAILY\nEXRULE:FREQ=WEEKLY", "recurrence_not_supported", "`EXDATE`"),
        ("RRULE:FREQ=DAILY\nEXDATE;TZID=Europe/Berlin:20261224T090000", "recurrence_not_supported", "leave `TZID` out"),
        ("RRULE:FREQ=DAILY\nEXDATE:20261224T090000Z", "recurrence_not_supported", "leave the `Z` out"),
        ("RRULE:FREQ=DAILY\nRDATE:20261224", "not_a_recurrence", "`20261224T090000`"),
        ("RRULE:FREQ=DAILY\nEXDATE:", "not_a_recurrence", "`20261224T090000`"),
        ("RRULE:FREQ=DAILY\nX-EXTRA:1", "not_a_recurrence", "is not understood"),
    ] {
        let error = text.parse::<Recurrence>().unwrap_err();
        assert_eq!(error.code(), code, "{text}: {error}");
        assert!(error.to_string().contains(says), "{text}: {error}");
    }
}

#[test]
fn every_bound_holds() {
    let long = format!("FREQ=DAILY;BYHOUR={}", "9,".repeat(2_100));
    assert_eq!(long.parse::<Recurrence>(), Err(RecurrenceError::TooLong));
    let dates = |count: usize| format!("RRULE:FREQ=DAILY\nEXDATE:{}", vec!["20261224T090000"; count].join(","));
    assert!(dates(100).parse::<Recurrence>().is_ok());
    assert_eq!(dates(101).parse::<Recurrence>(), Err(RecurrenceError::TooManyDates("EXDATE")));
    let twice = format!("{}\nEXDATE:20261224T090000", dates(100));
    assert_eq!(twice.parse::<Recurrence>(), Err(RecurrenceError::TooManyDates("EXDATE")));
}

#[test]
fn the_canonical_text_is_one_for_all_ways_to_write_it() {
    for (text, canonical) in [
        ("freq=weekly;byday=fr,mo,mo;interval=1", "FREQ=WEEKLY;BYDAY=MO,FR"),
        ("RRULE:COUNT=3;FREQ=DAILY", "FREQ=DAILY;COUNT=3"),
        (" RRULE:FREQ=MONTHLY;BYDAY=+1MO;WKST=MO \r\n", "FREQ=MONTHLY;BYDAY=1MO"),
        (
            "FREQ=YEARLY;UNTIL=20261224T080000Z;BYMONTHDAY=-1;WKST=SU",
            "FREQ=YEARLY;UNTIL=20261224T080000Z;BYMONTHDAY=-1;WKST=SU",
        ),
        (
            "EXDATE:20261225,20261224T090000\nRRULE:FREQ=DAILY\nRDATE:20270101T120000",
            "RRULE:FREQ=DAILY\nRDATE:20270101T120000\nEXDATE:20261224T090000\nEXDATE;VALUE=DATE:20261225",
        ),
    ] {
        assert_eq!(recurrence(text).to_string(), canonical);
        assert_eq!(recurrence(canonical), recurrence(text));
    }
}

#[test]
fn it_says_in_words_what_it_is() {
    for (text, words) in [
        ("FREQ=DAILY", "daily"),
        ("FREQ=WEEKLY;BYDAY=MO;UNTIL=20261224", "weekly on Mon, until 2026-12-24"),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE,FR;COUNT=10", "every 2 weeks on Mon, Wed and Fri, 10 times"),
        ("FREQ=MONTHLY;BYDAY=-1FR", "monthly on the last Fri"),
        ("FREQ=MONTHLY;BYMONTHDAY=1,-2", "monthly on the 2nd last and 1st of the month"),
        ("FREQ=YEARLY;BYMONTH=11;BYDAY=4TH", "yearly in Nov on the 4th Thu"),
        ("FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=-1", "monthly on Mon and Tue, the last of these"),
        ("FREQ=DAILY;BYHOUR=9,17;BYMINUTE=30", "daily, in the hours 09 and 17 at minute 30"),
        ("FREQ=DAILY;UNTIL=20261224T090000", "daily, until 2026-12-24 09:00"),
        ("FREQ=DAILY;UNTIL=20261224T090000Z", "daily, until 2026-12-24 09:00 UTC"),
        ("RRULE:FREQ=DAILY\nEXDATE:20261224", "daily, but for 1 date"),
    ] {
        assert_eq!(recurrence(text).in_words(), words);
    }
}

fn a_text() -> impl Strategy<Value = String> {
    let list = |values: &'static [&'static str]| prop::collection::vec(prop::sample::select(values), 1..4);
    let part = prop_oneof![
        (1..40u32).prop_map(|n| format!("INTERVAL={n}")),
        (1..40u32).prop_map(|n| format!("COUNT={n}")),
        list(&["MO", "TU", "WE", "TH", "FR", "SA", "SU"]).prop_map(|days| format!("BYDAY={}", days.join(","))),
        list(&["1", "15", "31", "-1", "-31"]).prop_map(|days| format!("BYMONTHDAY={}", days.join(","))),
        list(&["1", "2", "12"]).prop_map(|months| format!("BYMONTH={}", months.join(","))),
        list(&["0", "2", "23"]).prop_map(|hours| format!("BYHOUR={}", hours.join(","))),
        list(&["1", "-1", "3"]).prop_map(|positions| format!("BYSETPOS={}", positions.join(","))),
        Just("UNTIL=20300101".to_owned()),
        Just("WKST=SU".to_owned()),
    ];
    let frequency = prop::sample::select(&["DAILY", "WEEKLY", "MONTHLY", "YEARLY"][..]);
    (frequency, prop::collection::vec(part, 0..5))
        .prop_map(|(frequency, parts)| format!("FREQ={frequency};{}", parts.join(";")).trim_end_matches(';').to_owned())
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "[A-Z0-9=;:,\\-+é\n ]{0,80}") {
        let _ = text.parse::<Recurrence>();
    }

    #[test]
    fn what_is_read_is_shown_and_read_back(text in a_text()) {
        if let Ok(read) = text.parse::<Recurrence>() {
            prop_assert_eq!(read.to_string().parse::<Recurrence>(), Ok(read));
        }
    }

    #[test]
    fn occurrences_grow_and_a_leap_meets_the_one_that_walking_meets(
        text in a_text(), day in 0..10_000i64, ahead in 0..4_000i64,
    ) {
        let Ok(recurrence) = text.parse::<Recurrence>() else { return Ok(()) };
        let day_ms = 24 * 60 * 60 * 1_000;
        let at = |days: i64| civil(UnixMs(days * day_ms + 9_000_000).to_string().trim_end_matches('Z'));
        let (start, target) = (at(day), at(day + ahead));
        let (mut last, mut walked) = (None, None);
        for _ in 0..400 {
            let Some(place) = recurrence.next(start, last) else { break };
            prop_assert!(place.at >= start && last.is_none_or(|last: Place| last.at < place.at));
            last = Some(place);
            if place.at >= target {
                walked = Some(place.at);
                break;
            }
        }
        let is_over = last.is_none_or(|last| recurrence.next(start, Some(last)).is_none());
        if walked.is_some() || is_over {
            prop_assert_eq!(recurrence.next_from(start, None, target).map(|place| place.at), walked);
        }
    }
}
