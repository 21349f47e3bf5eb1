//! The harness's clocks. It stands outside the system under test and must read time for itself: a clock
//! lent by the engine could be wrong together with it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Wall time in milliseconds since 1970.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "the harness judges the node's clock, so it has its own")]
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Measures how long something takes, on a clock that nobody sets.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts measuring.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "measures, decides nothing")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// Whether `limit` has passed since the start.
    #[must_use]
    pub fn is_past(&self, limit: Duration) -> bool {
        self.elapsed() >= limit
    }
}

/// An instant as the API takes and gives it: RFC 3339 with milliseconds, in UTC.
#[must_use]
pub fn rfc3339(at_ms: i64) -> String {
    chrono::DateTime::from_timestamp_millis(at_ms)
        .unwrap_or_default()
        .to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

/// An instant as Twilio gives it: RFC 2822.
#[must_use]
pub fn rfc2822(at_ms: i64) -> String {
    chrono::DateTime::from_timestamp_millis(at_ms).unwrap_or_default().to_rfc2822()
}

/// Milliseconds of an RFC 3339 text, if it is one.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    chrono::DateTime::parse_from_rfc3339(text).ok().map(|at| at.timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_survives_being_written_and_read() {
        assert_eq!(rfc3339(1_764_576_000_123), "2025-12-01T08:00:00.123Z");
        assert_eq!(parse_rfc3339("2025-12-01T09:00:00.123+01:00"), Some(1_764_576_000_123));
        assert_eq!(parse_rfc3339("tomorrow"), None);
    }
}
