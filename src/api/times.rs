//! Times and durations as requests and answers spell them.

use std::time::Duration;

use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::instant::{InstantError, parse_instant};

/// What a text says about when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GivenTime {
    /// An instant: it had an offset.
    Instant(UnixMs),
    /// A date and a time of day without an offset.
    Wall,
}

/// Reads `2026-12-01T09:00:00+01:00`, or the same without an offset. Seconds may be left out.
pub(crate) fn read_time(text: &str) -> Result<GivenTime, InstantError> {
    match parse_instant(text) {
        Ok(at) => Ok(GivenTime::Instant(at)),
        Err(InstantError::NoOffset) => Ok(GivenTime::Wall),
        Err(error) => Err(error),
    }
}

/// Reads `250ms`, `1s`, `5m`, `6h`, `1d`: a whole number and a unit, at most ten years.
pub(crate) fn read_duration(text: &str) -> Option<Duration> {
    const TEN_YEARS_MS: u64 = 10 * 366 * 86_400_000;
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at_checked(digits)?;
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    let ms = number.parse::<u64>().ok()?.checked_mul(unit_ms)?;
    (ms <= TEN_YEARS_MS).then(|| Duration::from_millis(ms))
}

/// Spells a duration in the largest unit that it is a whole number of.
pub(crate) fn show_duration(duration: Duration) -> String {
    let ms = duration.as_millis();
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    match units.into_iter().find(|(_, unit_ms)| ms > 0 && ms.is_multiple_of(*unit_ms)) {
        Some((unit, unit_ms)) => format!("{}{unit}", ms / unit_ms),
        None => format!("{ms}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_with_an_offset_is_an_instant_and_one_without_is_a_wall_clock() {
        for (text, expected) in [
            ("2026-12-01T09:00:00Z", Some(1_796_115_600_000)),
            ("2026-12-01T10:00:00+01:00", Some(1_796_115_600_000)),
            ("2026-12-01T10:00+01:00", Some(1_796_115_600_000)),
            ("2026-12-01T09:00", None),
            ("2026-12-01T09:00:30", None),
        ] {
            let expected = expected.map_or(GivenTime::Wall, |ms| GivenTime::Instant(UnixMs(ms)));
            assert_eq!(read_time(text), Ok(expected), "{text}");
        }
        for text in ["", "now", "tomorrow at nine", "2026-12-01", "09:00", "1796115600", "2026-02-30T09:00"] {
            assert!(read_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_duration_is_shown_as_it_is_read() {
        for text in ["1s", "5m", "6h", "1d", "90s", "250ms", "36h", "0ms"] {
            assert_eq!(show_duration(read_duration(text).expect(text)), text);
        }
        assert_eq!(show_duration(Duration::from_secs(120)), "2m");
        for text in ["", "s", "5", "-5m", "5 m", "1.5h", "5w", "99999999999d", "５m", "4000d"] {
            assert_eq!(read_duration(text), None, "{text}");
        }
    }
}
