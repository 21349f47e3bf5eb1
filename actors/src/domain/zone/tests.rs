use std::collections::BTreeMap;

use chrono::{Offset as _, TimeZone as _};
use proptest::prelude::*;

use super::*;

fn zone(name: &str) -> TimeZone {
    TimeZone::parse(name).unwrap()
}

/// Resolves with the default policies and shows the instant in the zone.
fn shown(local: &str, name: &str, gap: GapPolicy, fold: FoldPolicy) -> Result<(String, Resolution), WallError> {
    let zone = zone(name);
    resolve(local, &zone, gap, fold).map(|(at, resolution)| (show_in(&zone, at), resolution))
}

#[test]
fn a_name_is_found_in_any_case_and_keeps_the_database_s_spelling() {
    for (text, name) in [
        ("Europe/Berlin", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("AMERICA/NEW_YORK", "America/New_York"),
        ("asia/calcutta", "Asia/Calcutta"),
        ("utc", "UTC"),
        ("Etc/UTC", "Etc/UTC"),
        ("etc/gmt+3", "Etc/GMT+3"),
        ("est5edt", "EST5EDT"),
        ("America/Argentina/ComodRivadavia", "America/Argentina/ComodRivadavia"),
    ] {
        let zone = TimeZone::parse(text).unwrap();
        assert_eq!(zone.name(), name);
        assert_eq!(zone, name.parse().unwrap());
        assert_eq!(format!("{zone} {zone:?}"), format!("{name} TimeZone({name})"));
    }
    assert_eq!(TimeZone::utc().name(), "UTC");
    assert_ne!(zone("Europe/Berlin"), zone("Europe/Paris"));
}

#[test]
fn texts_that_are_no_zone_are_refused() {
    assert_eq!(TimeZone::parse(""), Err(ZoneError::Empty));
    let long = "A".repeat(100_000);
    for text in [
        "Mars/Phobos",
        "UTC+3",
        "+03:00",
        "GMT+25",
        " Europe/Berlin",
        "Europe/Berlin ",
        "Europe\\Berlin",
        "Europe/Berlin\0",
        "../../etc/passwd",
        "/usr/share/zoneinfo/Europe/Berlin",
        "posix/Europe/Berlin",
        "localtime",
        "Factory",
        "Etc/Unknown",
        "contact",
        "EST5EDT,M3.2.0,M11.1.0",
        &long,
    ] {
        assert_eq!(TimeZone::parse(text), Err(ZoneError::Unknown), "{text}");
    }
}

#[test]
fn a_zone_is_stored_as_its_name() {
    let zone = zone("europe/berlin");
    let stored = rmp_serde::to_vec(&zone).unwrap();
    assert_eq!(stored, rmp_serde::to_vec("Europe/Berlin").unwrap());
    assert_eq!(rmp_serde::from_slice::<TimeZone>(&stored).unwrap(), zone);
    assert!(serde_json::from_str::<TimeZone>("\"Mars/Phobos\"").is_err());
    assert_eq!(serde_json::from_str::<TimeZone>("\"Europe/\\u0042erlin\"").unwrap(), zone);
}

#[test]
fn the_rules_are_the_ones_compiled_in() {
    let version = tzdb_version();
    assert!(version.len() == 5 && version >= "2026f", "{version}");
    let names = TimeZone::names();
    assert!(names.len() > 590, "{}", names.len());
    assert!(names.iter().all(|name| TimeZone::parse(name).is_ok_and(|zone| zone.name() == name)));
    // Without the machine's own database, jiff's default one is the compiled-in one as well.
    assert!(format!("{:?}", jiff::tz::db()).contains("Bundled(available)"), "{:?}", jiff::tz::db());
}

#[test]
fn a_time_that_exists_once_is_taken_as_it_is() {
    for (local, name, expected) in [
        ("2026-12-01T09:00", "America/New_York", "2026-12-01T09:00:00-05:00"),
        ("2026-07-01T09:00", "America/New_York", "2026-07-01T09:00:00-04:00"),
        // Morocco gave its summer time up in September 2026.
        ("2027-07-01T09:00", "Africa/Casablanca", "2027-07-01T09:00:00+00:00"),
        ("2026-12-01T09:00:30", "Europe/Berlin", "2026-12-01T09:00:30+01:00"),
        ("2026-12-01T09:00:00.25", "Asia/Kathmandu", "2026-12-01T09:00:00.250+05:45"),
        ("2026-12-01T09:00:00.0001", "UTC", "2026-12-01T09:00:00.001+00:00"),
        ("1970-01-01T00:00", "UTC", "1970-01-01T00:00:00+00:00"),
        ("9999-12-30T09:00", "America/New_York", "9999-12-30T09:00:00-05:00"),
        ("9999-07-01T09:00", "Europe/Berlin", "9999-07-01T09:00:00+02:00"),
        ("9999-12-31T23:59:59.999", "UTC", "9999-12-31T23:59:59.999+00:00"),
        ("9999-12-31T23:59:59.999", "Pacific/Kiritimati", "9999-12-31T23:59:59.999+14:00"),
    ] {
        let expected = (expected.to_owned(), Resolution::Exact);
        assert_eq!(shown(local, name, GapPolicy::Reject, FoldPolicy::Reject), Ok(expected), "{local} {name}");
    }
}

#[test]
fn a_skipped_time_moves_by_the_length_of_the_gap() {
    // 2011-12-30 does not exist in Samoa: it crossed the date line.
    for (local, name, forward, backward) in [
        ("2027-03-14T02:00", "America/New_York", "2027-03-14T03:00:00-04:00", "2027-03-14T01:00:00-05:00"),
        ("2027-03-14T02:30", "America/New_York", "2027-03-14T03:30:00-04:00", "2027-03-14T01:30:00-05:00"),
        ("2027-03-28T02:59:59", "Europe/Berlin", "2027-03-28T03:59:59+02:00", "2027-03-28T01:59:59+01:00"),
        ("2026-10-04T02:15", "Australia/Lord_Howe", "2026-10-04T02:45:00+11:00", "2026-10-04T01:45:00+10:30"),
        ("2026-03-22T02:30", "Africa/Casablanca", "2026-03-22T03:30:00+01:00", "2026-03-22T01:30:00+00:00"),
        ("2011-12-30T09:00", "Pacific/Apia", "2011-12-31T09:00:00+14:00", "2011-12-29T09:00:00-10:00"),
    ] {
        let resolved = |gap| shown(local, name, gap, FoldPolicy::Reject);
        assert_eq!(resolved(GapPolicy::Backward), Ok((backward.to_owned(), Resolution::Gap)), "{local} {name}");
        assert_eq!(resolved(GapPolicy::Forward), Ok((forward.to_owned(), Resolution::Gap)), "{local} {name}");
        assert_eq!(resolved(GapPolicy::Reject), Err(WallError::InGap), "{local} {name}");
    }
}

#[test]
fn a_repeated_time_is_the_first_or_the_last() {
    for (local, name, first, last) in [
        ("2026-11-01T01:00", "America/New_York", "2026-11-01T01:00:00-04:00", "2026-11-01T01:00:00-05:00"),
        ("2026-11-01T01:30", "America/New_York", "2026-11-01T01:30:00-04:00", "2026-11-01T01:30:00-05:00"),
        ("2026-10-25T02:30", "Europe/Berlin", "2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00"),
        ("2027-04-04T01:45", "Australia/Lord_Howe", "2027-04-04T01:45:00+11:00", "2027-04-04T01:45:00+10:30"),
        ("2026-02-15T02:30", "Africa/Casablanca", "2026-02-15T02:30:00+01:00", "2026-02-15T02:30:00+00:00"),
    ] {
        let resolved = |fold| shown(local, name, GapPolicy::Reject, fold);
        assert_eq!(resolved(FoldPolicy::First), Ok((first.to_owned(), Resolution::Fold)), "{local} {name}");
        assert_eq!(resolved(FoldPolicy::Last), Ok((last.to_owned(), Resolution::Fold)), "{local} {name}");
        assert_eq!(resolved(FoldPolicy::Reject), Err(WallError::InFold), "{local} {name}");
    }
}

#[test]
fn the_edges_of_a_change_are_half_open() {
    for (local, name, expected) in [
        ("2027-03-14T01:59:59.999", "America/New_York", Resolution::Exact),
        ("2027-03-14T03:00", "America/New_York", Resolution::Exact),
        ("2026-11-01T00:59:59.999", "America/New_York", Resolution::Exact),
        ("2026-11-01T01:59:59.999", "America/New_York", Resolution::Fold),
        ("2026-11-01T02:00", "America/New_York", Resolution::Exact),
        ("2026-10-04T02:29:59", "Australia/Lord_Howe", Resolution::Gap),
        ("2026-10-04T02:30", "Australia/Lord_Howe", Resolution::Exact),
        ("2011-12-29T23:59:59", "Pacific/Apia", Resolution::Exact),
        ("2011-12-31T00:00", "Pacific/Apia", Resolution::Exact),
    ] {
        let resolved = resolve(local, &zone(name), GapPolicy::Forward, FoldPolicy::First);
        assert_eq!(resolved.unwrap().1, expected, "{local} {name}");
    }
}

#[test]
fn texts_that_are_no_wall_clock_time_are_refused() {
    use WallError as E;
    for (local, expected) in [
        ("", E::Malformed),
        ("now", E::Malformed),
        ("2026-12-01", E::Malformed),
        ("09:00", E::Malformed),
        ("2026-12-01 09:00", E::Malformed),
        ("2026-12-01T09", E::Malformed),
        ("2026-12-01T0900", E::Malformed),
        ("2026-12-01T09:00 ", E::Malformed),
        ("2026-12-01T09:00:00.", E::Malformed),
        ("2026-12-01T09:00[Europe/Berlin]", E::Malformed),
        ("2026-12-01T09:00Z", E::HasOffset),
        ("2026-12-01T09:00:00+01:00", E::HasOffset),
        ("2026-02-30T09:00", E::NoSuchTime),
        ("2026-12-01T24:00", E::NoSuchTime),
        ("2026-12-01T23:59:60", E::LeapSecond),
        ("1969-12-31T23:59", E::OutOfRange),
        ("0001-01-01T00:00", E::OutOfRange),
    ] {
        let resolved = resolve(local, &zone("Europe/Berlin"), GapPolicy::Forward, FoldPolicy::First);
        assert_eq!(resolved, Err(expected), "{local}");
    }
    // Inside 1970–9999 on the wall, outside in UTC.
    let at = |local, name| resolve(local, &zone(name), GapPolicy::Forward, FoldPolicy::First);
    assert_eq!(at("1970-01-01T00:00", "Asia/Tokyo"), Err(E::OutOfRange));
    assert_eq!(at("9999-12-31T23:00", "America/New_York"), Err(E::OutOfRange));
    assert_eq!(at("9999-12-31T23:59:59.9999", "UTC"), Err(E::OutOfRange));
}

#[test]
fn an_instant_is_shown_in_a_zone_with_its_offset() {
    for (at, name, expected) in [
        (0, "America/New_York", "1969-12-31T19:00:00-05:00"),
        (1_796_115_600_123, "Europe/Berlin", "2026-12-01T10:00:00.123+01:00"),
        (1_796_115_600_000, "Asia/Kathmandu", "2026-12-01T14:45:00+05:45"),
        // 44 minutes and 30 seconds behind: shown with whole minutes, still the same instant.
        (0, "Africa/Monrovia", "1969-12-31T23:15:00-00:45"),
        (UnixMs::MAX.0, "America/New_York", "9999-12-31T18:59:59.999-05:00"),
        // 10000-01-01 there, which RFC 3339 cannot write.
        (UnixMs::MAX.0, "Europe/Berlin", "9999-12-31T23:59:59.999Z"),
    ] {
        assert_eq!(show_in(&zone(name), UnixMs(at)), expected);
    }
    assert_eq!(offset_at(&zone("America/New_York"), UnixMs(1_796_115_600_000)).local_minus_utc(), -18_000);
    assert_eq!(offset_at(&zone("UTC"), UnixMs(i64::MIN)).local_minus_utc(), 0);
    assert_eq!(offset_at(&zone("UTC"), UnixMs(i64::MAX)).local_minus_utc(), 0);
}

#[test]
fn every_zone_of_chrono_tz_is_one_of_ours() {
    for &tz in &chrono_tz::TZ_VARIANTS {
        assert_eq!(TimeZone::from(tz).name(), tz.name());
    }
}

/// Zones whose offset differs anywhere in 2026–2037, and by how many minutes chrono-tz is ahead of us.
///
/// The list tells what would go wrong if chrono-tz computed offsets. When either crate is updated, check each
/// line that changes against the database's NEWS.
#[test]
fn chrono_tz_is_wrong_in_exactly_these_zones() {
    let day = |year| Utc.with_ymd_and_hms(year, 1, 1, 0, 0, 0).unwrap().timestamp();
    let (from, to) = (day(2026), day(2038));
    let mut differences: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for tz in chrono_tz::TZ_VARIANTS {
        let ours = TimeZone::from(tz);
        // Every five days, and the seconds on both sides of each of our changes.
        let start = jiff::Timestamp::from_second(from).unwrap();
        let changes = ours.0.following(start).map(|change| change.timestamp().as_second());
        let instants = (from..to).step_by(5 * 86_400);
        for second in changes.take_while(|at| *at < to).flat_map(|at| [at - 1, at]).chain(instants) {
            let utc = chrono::DateTime::from_timestamp(second, 0).unwrap();
            let theirs = tz.offset_from_utc_datetime(&utc.naive_utc()).fix().local_minus_utc();
            let difference = (theirs - offset_at(&ours, UnixMs(second * 1_000)).local_minus_utc()) / 60;
            let seen = differences.entry(tz.name()).or_default();
            if difference != 0 && !seen.contains(&difference) {
                seen.push(difference);
                seen.sort_unstable();
            }
        }
    }
    differences.retain(|_, minutes| !minutes.is_empty());
    let found: Vec<_> = differences.iter().map(|(name, minutes)| format!("{name} {minutes:?}")).collect();
    assert_eq!(found, DIFFERENCES, "ours is {}, chrono-tz has {}", tzdb_version(), chrono_tz::IANA_TZDB_VERSION);
}

/// Thirteen zones differ by an hour for months or for good; Moldova's two only in the hours between the old and
/// the new moment of its clock changes.
const DIFFERENCES: [&str; 15] = [
    "Africa/Casablanca [60]",
    "Africa/El_Aaiun [60]",
    "America/Edmonton [-60]",
    "America/Havana [-60]",
    "America/Inuvik [-60]",
    "America/Rainy_River [-60]",
    "America/Vancouver [-60]",
    "America/Winnipeg [-60]",
    "America/Yellowknife [-60]",
    "Canada/Central [-60]",
    "Canada/Mountain [-60]",
    "Canada/Pacific [-60]",
    "Cuba [-60]",
    "Europe/Chisinau [-60, 60]",
    "Europe/Tiraspol [-60, 60]",
];

proptest! {
    #[test]
    fn an_instant_shown_in_a_zone_is_read_back(at in 0..=UnixMs::MAX.0, index in 0..10_000usize) {
        let names = TimeZone::names();
        let zone = zone(&names[index % names.len()]);
        prop_assert_eq!(super::super::instant::parse_instant(&show_in(&zone, UnixMs(at))), Ok(UnixMs(at)));
    }

    #[test]
    fn a_wall_clock_time_resolves_to_an_instant_that_shows_it(at in 0..4_000_000_000_000i64, index in 0..10_000usize) {
        let names = TimeZone::names();
        let zone = zone(&names[index % names.len()]);
        let local = UnixMs(at).to_datetime().naive_utc().format("%Y-%m-%dT%H:%M:%S%.3f").to_string();
        let resolved = |gap, fold| resolve(&local, &zone, gap, fold);
        let forward = resolved(GapPolicy::Forward, FoldPolicy::First);
        prop_assume!(forward != Err(WallError::OutOfRange));
        let (instant, resolution) = forward.unwrap();
        let local_ms = instant.0 + i64::from(offset_at(&zone, instant).local_minus_utc()) * 1_000;
        match resolution {
            Resolution::Exact => prop_assert_eq!(local_ms, at),
            Resolution::Fold => {
                prop_assert_eq!(local_ms, at);
                prop_assert!(resolved(GapPolicy::Forward, FoldPolicy::Last).unwrap().0 > instant);
            }
            Resolution::Gap => {
                prop_assert!(local_ms > at);
                prop_assert!(resolved(GapPolicy::Backward, FoldPolicy::First).unwrap().0 < instant);
            }
        }
    }
}
