//! Instants as callers write them: RFC 3339 with an offset, read strictly.
//!
//! A text without an offset is no instant but a wall-clock time, and gets an error of its own: which zone was
//! meant is never guessed. A part below the millisecond rounds up, so that nothing is due early. Both kinds of
//! text are read by one parser, which [`super::zone`] shares.

use chrono::{NaiveDate, NaiveDateTime, TimeDelta};

use super::clock::UnixMs;
use super::planted::Bug;

/// Longest text that is looked at, in bytes: date, time, nine digits of fraction and an offset need 35.
const MAX_LEN: usize = 40;

/// Why a text is not an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InstantError {
    /// Not of the form at all.
    #[error("not an instant: expected RFC 3339 such as `2026-12-01T09:00:00+01:00`")]
    Malformed,
    /// The form is right, but the calendar or the clock has no such value.
    #[error("no such date or time of day: check day, hour, minute, second and offset")]
    NoSuchTime,
    /// No offset: a wall-clock time.
    #[error(
        "the time has no offset: add one (`Z` or `+01:00`), or give a `time_zone` with it if a wall-clock time is meant"
    )]
    NoOffset,
    /// Second 60. It has no number in Unix time, and the seconds around it have.
    #[error("a leap second cannot be scheduled: use second 59, or the full minute after it")]
    LeapSecond,
    /// Before 1970 or after 9999.
    #[error("the time is out of range: expected the years 1970 to 9999")]
    OutOfRange,
}

impl InstantError {
    /// The stable code shown in the API.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "not_a_time",
            Self::NoSuchTime => "no_such_time",
            Self::NoOffset => "time_zone_required",
            Self::LeapSecond => "leap_second",
            Self::OutOfRange => "time_out_of_range",
        }
    }
}

/// Reads an instant: date, `T`, time of day and an offset (`Z` or `±hh:mm`), letters in either case.
///
/// Seconds may be left out; a fraction of up to nine digits is rounded up to the millisecond.
///
/// # Errors
/// Says what is wrong with the text.
pub fn parse_instant(text: &str) -> Result<UnixMs, InstantError> {
    let (local, rest) = parse_civil(text)?;
    let offset = parse_offset(rest)?;
    let utc = local.checked_sub_signed(TimeDelta::seconds(offset.into())).ok_or(InstantError::OutOfRange)?;
    if Bug::FractionCutOff.is_planted() {
        return in_range(UnixMs(utc.and_utc().timestamp() * 1_000));
    }
    in_range(UnixMs::from_datetime_ceil(utc.and_utc()))
}

/// Refuses what cannot be shown with four digits of a year, or lies before all of Unix time.
pub(super) fn in_range(at: UnixMs) -> Result<UnixMs, InstantError> {
    if at >= UnixMs(0) && at <= UnixMs::MAX { Ok(at) } else { Err(InstantError::OutOfRange) }
}

/// Reads `YYYY-MM-DDThh:mm[:ss[.fraction]]`, and gives back what follows it.
pub(super) fn parse_civil(text: &str) -> Result<(NaiveDateTime, &str), InstantError> {
    // Checked first, so that every slice below falls between characters.
    if text.len() > MAX_LEN || !text.is_ascii() {
        return Err(InstantError::Malformed);
    }
    let mut cursor = Cursor(text);
    let year = cursor.number(4)?;
    cursor.expect("-")?;
    let month = cursor.number(2)?;
    cursor.expect("-")?;
    let day = cursor.number(2)?;
    cursor.expect("Tt")?;
    let hour = cursor.number(2)?;
    cursor.expect(":")?;
    let minute = cursor.number(2)?;
    let (mut second, mut nanos) = (0, 0);
    if cursor.take(":") {
        second = cursor.number(2)?;
        if cursor.take(".") {
            nanos = cursor.fraction()?;
        }
    }
    if second == 60 && minute < 60 && hour < 24 {
        return Err(InstantError::LeapSecond);
    }
    let local = i32::try_from(year)
        .ok()
        .and_then(|year| NaiveDate::from_ymd_opt(year, month, day))
        .and_then(|date| date.and_hms_nano_opt(hour, minute, second, nanos))
        .ok_or(InstantError::NoSuchTime)?;
    Ok((local, cursor.0))
}

/// Whether what follows a wall-clock time is an offset.
pub(super) fn is_offset(rest: &str) -> bool {
    !rest.is_empty() && parse_offset(rest).is_ok()
}

/// Seconds east of UTC.
fn parse_offset(rest: &str) -> Result<i32, InstantError> {
    if rest.is_empty() {
        return Err(InstantError::NoOffset);
    }
    if rest == "Z" || rest == "z" {
        return Ok(0);
    }
    let mut cursor = Cursor(rest);
    let sign = if cursor.take("+") {
        1
    } else if cursor.take("-") {
        -1
    } else {
        return Err(InstantError::Malformed);
    };
    let hours = cursor.number(2)?;
    cursor.expect(":")?;
    let minutes = cursor.number(2)?;
    if !cursor.0.is_empty() {
        return Err(InstantError::Malformed);
    }
    if hours > 23 || minutes > 59 {
        return Err(InstantError::NoSuchTime);
    }
    let seconds = i32::try_from(hours * 3_600 + minutes * 60).map_err(|_| InstantError::NoSuchTime)?;
    Ok(sign * seconds)
}

/// What is left of an ASCII text.
struct Cursor<'a>(&'a str);

impl Cursor<'_> {
    /// Exactly so many digits.
    fn number(&mut self, digits: usize) -> Result<u32, InstantError> {
        let (head, rest) = self.0.split_at_checked(digits).ok_or(InstantError::Malformed)?;
        // `parse` alone would take a sign.
        if !head.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InstantError::Malformed);
        }
        self.0 = rest;
        head.parse().map_err(|_| InstantError::Malformed)
    }

    /// One to nine digits, as nanoseconds.
    fn fraction(&mut self) -> Result<u32, InstantError> {
        let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
        if !(1..=9).contains(&digits) {
            return Err(InstantError::Malformed);
        }
        let scale = 10u32.pow(9 - u32::try_from(digits).map_err(|_| InstantError::Malformed)?);
        Ok(self.number(digits)? * scale)
    }

    /// Takes one of the given characters, if it is next.
    fn take(&mut self, any_of: &str) -> bool {
        let rest = self.0.strip_prefix(|c| any_of.contains(c));
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn expect(&mut self, any_of: &str) -> Result<(), InstantError> {
        if self.take(any_of) { Ok(()) } else { Err(InstantError::Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn instants_with_an_offset_are_read() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-12-01T09:00:00Z", 1_796_115_600_000),
            ("2026-12-01t09:00:00z", 1_796_115_600_000),
            ("2026-12-01T09:00Z", 1_796_115_600_000),
            ("2026-12-01T10:00:00+01:00", 1_796_115_600_000),
            ("2026-12-01T04:00:00-05:00", 1_796_115_600_000),
            ("2026-12-01T14:45:00+05:45", 1_796_115_600_000),
            ("2026-12-01T09:00:00-00:00", 1_796_115_600_000),
            ("1969-12-31T23:00:00-01:00", 0),
            ("2024-02-29T00:00:00Z", 1_709_164_800_000),
            ("9999-12-31T23:59:59.999Z", UnixMs::MAX.0),
            ("9999-12-31T23:59:59+14:00", UnixMs::MAX.0 - 999 - 14 * 3_600_000),
        ] {
            assert_eq!(parse_instant(text), Ok(UnixMs(expected)), "{text}");
        }
    }

    #[test]
    fn a_part_below_the_millisecond_rounds_up() {
        for (text, expected) in [
            ("1970-01-01T00:00:00.5Z", 500),
            ("1970-01-01T00:00:00.001Z", 1),
            ("1970-01-01T00:00:00.0010Z", 1),
            ("1970-01-01T00:00:00.0011Z", 2),
            ("1970-01-01T00:00:00.000000001Z", 1),
            ("1970-01-01T00:00:00.999999999Z", 1_000),
            ("1970-01-01T23:59:59.9991+00:00", 86_400_000),
        ] {
            assert_eq!(parse_instant(text), Ok(UnixMs(expected)), "{text}");
        }
    }

    #[test]
    fn a_wall_clock_time_is_told_that_it_needs_a_zone() {
        for text in ["2026-12-01T09:00", "2026-12-01T09:00:00", "2026-12-01T09:00:00.123"] {
            assert_eq!(parse_instant(text), Err(InstantError::NoOffset), "{text}");
        }
        assert!(InstantError::NoOffset.to_string().contains("time_zone"));
    }

    #[test]
    fn everything_else_is_refused() {
        use InstantError as E;
        for (text, expected) in [
            ("", E::Malformed),
            ("now", E::Malformed),
            ("tomorrow 9am", E::Malformed),
            ("1796115600", E::Malformed),
            ("2026-12-01", E::Malformed),
            ("2026-12-01 09:00:00Z", E::Malformed),
            (" 2026-12-01T09:00:00Z", E::Malformed),
            ("2026-12-01T09:00:00Z ", E::Malformed),
            ("2026-12-01T09:00:00ZZ", E::Malformed),
            ("2026-12-01T09:00:00+0100", E::Malformed),
            ("2026-12-01T09:00:00+01", E::Malformed),
            ("2026-12-01T09:00:00+01:00:00", E::Malformed),
            ("2026-12-01T09:00:00+1:00", E::Malformed),
            ("2026-12-01T09:00:00\u{2212}01:00", E::Malformed),
            ("2026-12-01T09:00:00[Europe/Berlin]", E::Malformed),
            ("2026-12-01T9:00:00Z", E::Malformed),
            ("2026-12-1T09:00:00Z", E::Malformed),
            ("26-12-01T09:00:00Z", E::Malformed),
            ("+2026-12-01T09:00:00Z", E::Malformed),
            ("-026-12-01T09:00:00Z", E::Malformed),
            ("2026-+2-01T09:00:00Z", E::Malformed),
            ("2026-12-01T09:00:00.Z", E::Malformed),
            ("2026-12-01T09:00:00.0000000001Z", E::Malformed),
            ("2026-12-01T09:00:00,5Z", E::Malformed),
            ("２０２６-12-01T09:00:00Z", E::Malformed),
            ("2026-12-01T09:00:00Z\0", E::Malformed),
            ("2026-02-29T09:00:00Z", E::NoSuchTime),
            ("2026-13-01T09:00:00Z", E::NoSuchTime),
            ("2026-00-01T09:00:00Z", E::NoSuchTime),
            ("2026-12-00T09:00:00Z", E::NoSuchTime),
            ("2026-12-01T24:00:00Z", E::NoSuchTime),
            ("2026-12-01T09:60:00Z", E::NoSuchTime),
            ("2026-12-01T09:00:61Z", E::NoSuchTime),
            ("2026-12-01T09:00:00+24:00", E::NoSuchTime),
            ("2026-12-01T09:00:00+01:60", E::NoSuchTime),
            ("2016-12-31T23:59:60Z", E::LeapSecond),
            ("2026-12-01T09:00:60+01:00", E::LeapSecond),
            ("1969-12-31T23:59:59Z", E::OutOfRange),
            ("1970-01-01T00:00:00+00:01", E::OutOfRange),
            ("0000-01-01T00:00:00Z", E::OutOfRange),
            ("9999-12-31T23:59:59.9999Z", E::OutOfRange),
            ("9999-12-31T23:59:59-00:01", E::OutOfRange),
        ] {
            assert_eq!(parse_instant(text), Err(expected), "{text}");
        }
        assert_eq!(parse_instant(&"2".repeat(10_000)), Err(E::Malformed));
    }

    proptest! {
        #[test]
        fn an_instant_that_is_shown_is_read_back(ms in 0..=UnixMs::MAX.0) {
            prop_assert_eq!(parse_instant(&UnixMs(ms).to_string()), Ok(UnixMs(ms)));
        }

        #[test]
        fn it_agrees_with_chrono_and_is_never_early(
            ms in 0..UnixMs::MAX.0 - 200_000_000, nanos in 0..1_000_000u32, minutes in -1_439..=1_439i32,
        ) {
            let offset = chrono::FixedOffset::east_opt(minutes * 60).unwrap();
            let exact = UnixMs(ms).to_datetime() + TimeDelta::nanoseconds(nanos.into());
            let shown = exact.with_timezone(&offset);
            prop_assume!(shown.naive_local().date() >= NaiveDate::from_ymd_opt(0, 1, 1).unwrap());
            let read = parse_instant(&shown.to_rfc3339_opts(chrono::SecondsFormat::Nanos, true)).unwrap();
            prop_assert_eq!(read, UnixMs(ms + i64::from(nanos > 0)));
            prop_assert!(read.to_datetime() >= exact);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[0-9TtZz:.+\\-é ]{0,45}") {
            let _ = parse_instant(&text);
        }
    }
}
