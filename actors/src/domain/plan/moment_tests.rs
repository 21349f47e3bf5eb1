//! The moment that an intent names.

use proptest::prelude::*;

use super::*;

const NOW: UnixMs = UnixMs(1_796_115_600_000); // 2026-12-01T09:00:00Z

fn wall(local: &str, zone: &str) -> Intent {
    Intent::Wall(WallClock {
        local: local.into(),
        zone: zone.into(),
        zone_of_contact: false,
        gap: GapPolicy::Forward,
        fold: FoldPolicy::First,
        resolution: Resolution::Exact,
    })
}

#[test]
fn now_is_now() {
    assert_eq!(moment(&Intent::Now, NOW), Ok(NOW));
}

#[test]
fn an_instant_is_due_then_unless_it_passed_or_is_out_of_reach() {
    let ten_years = MAX_AHEAD.as_millis() as i64;
    for (offset_ms, expected) in [
        (0, Ok(0)),
        (1, Ok(1)),
        (86_400_000, Ok(86_400_000)),
        (-1, Ok(0)),
        (-60_000, Ok(0)),
        (-60_001, Err(PlanError::InThePast)),
        (-86_400_000, Err(PlanError::InThePast)),
        (ten_years, Ok(ten_years)),
        (ten_years + 1, Err(PlanError::TooFar)),
    ] {
        let due = moment(&Intent::At(UnixMs(NOW.0 + offset_ms)), NOW);
        assert_eq!(due, expected.map(|ms| UnixMs(NOW.0 + ms)), "{offset_ms} ms");
    }
    assert_eq!(moment(&Intent::At(UnixMs(i64::MAX)), NOW), Err(PlanError::TooFar));
    assert_eq!(moment(&Intent::At(UnixMs(i64::MIN)), NOW), Err(PlanError::InThePast));
    assert_eq!(moment(&Intent::At(UnixMs(UnixMs::MAX.0 + 1)), UnixMs::MAX), Err(PlanError::TooFar));
}

#[test]
fn a_wall_clock_time_is_resolved_and_held_to_the_same_rules() {
    for (local, zone, expected) in [
        ("2026-12-01T10:30", "Europe/Berlin", Ok(NOW.0 + 1_800_000)),
        ("2026-12-01T04:00", "America/New_York", Ok(NOW.0)),
        ("2026-12-01T08:59:30", "UTC", Ok(NOW.0)),
        ("2026-12-01T08:58", "UTC", Err("in_the_past")),
        ("2037-01-01T00:00", "UTC", Err("too_far")),
        ("9999-12-31T23:59", "UTC", Err("too_far")),
        ("2027-01-01T09:00", "Mars/Phobos", Err("unknown_time_zone")),
        ("2027-01-01T09:00", "", Err("unknown_time_zone")),
        ("2027-01-01T09:00Z", "UTC", Err("offset_and_time_zone")),
        ("soon", "UTC", Err("not_a_time")),
        ("2027-02-29T09:00", "UTC", Err("no_such_time")),
    ] {
        let due = moment(&wall(local, zone), NOW).map(|at| at.0).map_err(PlanError::code);
        assert_eq!(due, expected, "{local} {zone}");
    }
}

#[test]
fn a_stored_wall_clock_time_keeps_how_it_met_a_clock_change() {
    let zone = TimeZone::parse("america/new_york").unwrap();
    let stored = wall_clock("2027-03-14T02:30", &zone, true, GapPolicy::Forward, FoldPolicy::First).unwrap();
    assert_eq!(stored.zone, "America/New_York");
    assert_eq!(stored.resolution, Resolution::Gap);
    assert!(stored.zone_of_contact);
    assert_eq!(resolve_wall(&stored).unwrap().1, Resolution::Gap);
    let refused = wall_clock("2027-03-14T02:30", &zone, true, GapPolicy::Reject, FoldPolicy::First);
    assert_eq!(refused, Err(WallError::InGap));
}

proptest! {
    #[test]
    fn nothing_is_due_before_now_or_before_it_was_asked_for(at: i64, now in 0..=UnixMs::MAX.0) {
        if let Ok(due) = moment(&Intent::At(UnixMs(at)), UnixMs(now)) {
            prop_assert!(due.0 >= now && due.0 >= at && due <= UnixMs::MAX);
        }
    }
}
