//! From what an author meant by "when" to a due time. Pure.
//!
//! What is not understood, or lies in the past, is refused: it never becomes "now". The one grace is
//! [`LATE_GRACE`], for a request that was under way while its moment passed.

use std::time::Duration;

use super::clock::UnixMs;
use super::schedule::{FoldPolicy, GapPolicy, Intent, Resolution, WallClock};
use super::zone::{self, TimeZone, WallError, ZoneError};

/// A moment that passed no longer ago than this means now.
pub const LATE_GRACE: Duration = Duration::from_secs(60);

/// Nothing is scheduled further ahead: ten years, three of them leap years at most.
pub const MAX_AHEAD: Duration = Duration::from_secs(3_653 * 24 * 60 * 60);

/// Why an intent has no due time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// More than [`LATE_GRACE`] ago.
    #[error("the time is in the past: choose a later one, or `now`")]
    InThePast,
    /// More than [`MAX_AHEAD`] from now.
    #[error("the time is more than ten years ahead: choose an earlier one")]
    TooFar,
    /// The zone of a wall-clock time is not one.
    #[error(transparent)]
    Zone(#[from] ZoneError),
    /// A wall-clock time without an instant.
    #[error(transparent)]
    Wall(#[from] WallError),
}

impl PlanError {
    /// The stable code shown in the API.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::InThePast => "in_the_past",
            Self::TooFar => "too_far",
            Self::Zone(_) => "unknown_time_zone",
            Self::Wall(error) => error.code(),
        }
    }
}

/// The due time of an intent. Never before `now`.
///
/// # Errors
/// Says why there is none.
pub fn plan(intent: &Intent, now: UnixMs) -> Result<UnixMs, PlanError> {
    match intent {
        Intent::Now => Ok(now),
        Intent::At(at) => within_reach(*at, now),
        Intent::Wall(wall) => within_reach(resolve_wall(wall)?.0, now),
    }
}

/// The instant of a stored wall-clock time by today's rules, and how it met a clock change.
///
/// # Errors
/// Says why there is none.
pub fn resolve_wall(wall: &WallClock) -> Result<(UnixMs, Resolution), PlanError> {
    let zone = TimeZone::parse(&wall.zone)?;
    Ok(zone::resolve(&wall.local, &zone, wall.gap, wall.fold)?)
}

/// A wall-clock time as it is stored, with its resolution filled in.
///
/// # Errors
/// Says why it has no instant.
pub fn wall_clock(
    local: &str,
    zone: &TimeZone,
    zone_of_contact: bool,
    gap: GapPolicy,
    fold: FoldPolicy,
) -> Result<WallClock, WallError> {
    let (_, resolution) = zone::resolve(local, zone, gap, fold)?;
    Ok(WallClock { local: local.to_owned(), zone: zone.name().to_owned(), zone_of_contact, gap, fold, resolution })
}

fn within_reach(at: UnixMs, now: UnixMs) -> Result<UnixMs, PlanError> {
    if at < now.minus(LATE_GRACE) {
        return Err(PlanError::InThePast);
    }
    if at > now.plus(MAX_AHEAD) || at > UnixMs::MAX {
        return Err(PlanError::TooFar);
    }
    Ok(at.max(now))
}

#[cfg(test)]
mod tests {
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
        assert_eq!(plan(&Intent::Now, NOW), Ok(NOW));
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
            let due = plan(&Intent::At(UnixMs(NOW.0 + offset_ms)), NOW);
            assert_eq!(due, expected.map(|ms| UnixMs(NOW.0 + ms)), "{offset_ms} ms");
        }
        assert_eq!(plan(&Intent::At(UnixMs(i64::MAX)), NOW), Err(PlanError::TooFar));
        assert_eq!(plan(&Intent::At(UnixMs(i64::MIN)), NOW), Err(PlanError::InThePast));
        assert_eq!(plan(&Intent::At(UnixMs(UnixMs::MAX.0 + 1)), UnixMs::MAX), Err(PlanError::TooFar));
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
            let due = plan(&wall(local, zone), NOW).map(|at| at.0).map_err(PlanError::code);
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
            if let Ok(due) = plan(&Intent::At(UnixMs(at)), UnixMs(now)) {
                prop_assert!(due.0 >= now && due.0 >= at && due <= UnixMs::MAX);
            }
        }
    }
}
