//! The one place where time is read: instants as integer milliseconds, and the clocks that give them.
//!
//! Wall time ([`UnixMs`]) decides when a message is due. Monotonic time ([`BootUs`], running through
//! suspension) decides about trust, breakers and permits, which must not follow a clock that is set.
//! Everything else takes its `now` as an argument.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// An instant: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMs(pub i64);

impl UnixMs {
    /// The last instant that can be shown (9999-12-31T23:59:59.999Z); nothing is scheduled past it.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// Rounds up to the next millisecond, so that what is due then is never early.
    #[must_use]
    pub fn from_datetime_ceil(at: DateTime<Utc>) -> Self {
        let floor = at.timestamp_millis();
        let has_rest = !at.timestamp_subsec_nanos().is_multiple_of(1_000_000);
        Self(floor + i64::from(has_rest))
    }

    /// The same instant as a chrono value; out of range is clamped to [`UnixMs::MAX`].
    #[must_use]
    pub fn to_datetime(self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0)
            .or_else(|| DateTime::from_timestamp_millis(Self::MAX.0))
            .expect("UnixMs::MAX is inside chrono's range")
    }

    /// This instant moved ahead, at most to [`UnixMs::MAX`].
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        let ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(ms).min(Self::MAX.0))
    }

    /// This instant moved back.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        let ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(ms))
    }

    /// How long after `earlier` this is; zero if it is not after.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for UnixMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_datetime().to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

impl fmt::Debug for UnixMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Microseconds on a clock that only runs forward, also while the machine is suspended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BootUs(pub u64);

impl BootUs {
    /// This moment moved ahead.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(by.as_micros()).unwrap_or(u64::MAX)))
    }

    /// This instant moved back.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(by.as_micros()).unwrap_or(u64::MAX)))
    }

    /// How long after `earlier` this is; zero if it is not after.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// Where time comes from.
pub trait Clock: Send + Sync + fmt::Debug + 'static {
    /// Wall time. May jump either way when the machine's clock is set.
    fn now(&self) -> UnixMs;
    /// Monotonic time through suspension (`CLOCK_BOOTTIME`).
    fn boot(&self) -> BootUs;
}

/// A shared clock.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clocks.
#[derive(Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    /// Asked of the C library, not of the kernel past it: so libfaketime can set it for one process.
    #[allow(clippy::disallowed_methods, reason = "this is where time is read")]
    fn now(&self) -> UnixMs {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        UnixMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn boot(&self) -> BootUs {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
        BootUs(seconds * 1_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000)
    }
}

/// Wall time of another clock (the store's), carried on by the machine's monotonic one: nodes on one store
/// agree about what is due, whatever their own wall clocks say.
#[derive(Debug)]
pub struct FollowingClock {
    inner: SharedClock,
    offset_ms: AtomicI64,
}

impl FollowingClock {
    /// A clock that shows the machine's wall time until it is told another.
    #[must_use]
    pub fn new(inner: SharedClock) -> Arc<Self> {
        let offset_ms = inner.now().0 - Self::boot_ms(&inner);
        Arc::new(Self { inner, offset_ms: AtomicI64::new(offset_ms) })
    }

    fn boot_ms(inner: &SharedClock) -> i64 {
        i64::try_from(inner.boot().0 / 1_000).unwrap_or(i64::MAX)
    }

    /// The other clock showed this, not before now: so this one is late by the way of the answer at most,
    /// and never early.
    pub fn follow(&self, shown: UnixMs) {
        self.offset_ms.store(shown.0 - Self::boot_ms(&self.inner), Ordering::SeqCst);
    }
}

impl Clock for FollowingClock {
    fn now(&self) -> UnixMs {
        UnixMs(Self::boot_ms(&self.inner) + self.offset_ms.load(Ordering::SeqCst))
    }

    fn boot(&self) -> BootUs {
        self.inner.boot()
    }
}

/// A clock that a test moves.
#[derive(Debug, Default)]
pub struct ManualClock {
    now_ms: AtomicI64,
    boot_us: AtomicU64,
}

impl ManualClock {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn at(now: UnixMs) -> Arc<Self> {
        Arc::new(Self { now_ms: AtomicI64::new(now.0), boot_us: AtomicU64::new(1_000_000) })
    }

    /// Moves both clocks ahead.
    pub fn advance(&self, by: Duration) {
        self.now_ms
            .fetch_add(i64::try_from(by.as_millis()).expect("a test advances by less than ages"), Ordering::SeqCst);
        self.boot_us
            .fetch_add(u64::try_from(by.as_micros()).expect("a test advances by less than ages"), Ordering::SeqCst);
    }

    /// Sets wall time alone, as an operator or NTP would.
    pub fn set_wall(&self, now: UnixMs) {
        self.now_ms.store(now.0, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixMs {
        UnixMs(self.now_ms.load(Ordering::SeqCst))
    }

    fn boot(&self) -> BootUs {
        BootUs(self.boot_us.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_rounds_up_so_that_nothing_is_early() {
        let at = |text: &str| UnixMs::from_datetime_ceil(text.parse().unwrap()).0;
        assert_eq!(at("1970-01-01T00:00:00.001Z"), 1);
        assert_eq!(at("1970-01-01T00:00:00.001000001Z"), 2);
        assert_eq!(at("1969-12-31T23:59:59.999500Z"), 0);
    }

    #[test]
    fn a_following_clock_shows_the_other_s_time_and_runs_on() {
        let machine = ManualClock::at(UnixMs(1_000));
        let clock = FollowingClock::new(Arc::clone(&machine) as SharedClock);
        assert_eq!(clock.now(), UnixMs(1_000));
        clock.follow(UnixMs(50_000));
        machine.advance(Duration::from_millis(7));
        machine.set_wall(UnixMs(3));
        assert_eq!(clock.now(), UnixMs(50_007));
    }

    #[test]
    fn the_system_clock_agrees_with_the_standard_library() {
        #[allow(clippy::disallowed_methods, reason = "the reference that our clock is compared with")]
        let reference = Utc::now().timestamp_millis();
        assert!((SystemClock.now().0 - reference).abs() < 5_000);
        let first = SystemClock.boot();
        assert!(SystemClock.boot() >= first);
    }
}
