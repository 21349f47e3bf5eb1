//! The breaker of a lane: stops handing over to a provider that fails, and tries again with one message.
//!
//! Closed: everything may go. The first failure opens it: nothing goes until a moment that backs off
//! exponentially with jitter, and not before the provider's own `Retry-After`. Then one probe goes. It
//! succeeds: closed; it fails: open again, twice as long. Outcomes of messages that were under way when
//! it opened prolong it only by their `Retry-After`: a hundred of them are one failure, not a hundred.
//!
//! It lives in memory and runs on the monotonic clock. After a restart it is closed, and the first
//! failure opens it again.

use std::time::Duration;

use crate::domain::clock::BootUs;

/// The first backoff, before jitter.
pub const BACKOFF_MIN: Duration = Duration::from_secs(1);
/// The longest backoff, before jitter.
pub const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// A provider that asks for more than this is asked again after it.
pub const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// What people see of a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Everything may go.
    Closed,
    /// Nothing goes before `until`.
    Open {
        /// When a probe may go.
        until: BootUs,
    },
    /// A probe may go, or is under way.
    HalfOpen,
}

impl BreakerState {
    /// The name shown to operators.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open { .. } => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// Whether a message may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Pass {
    /// It may.
    Free,
    /// It may, as the probe: call [`Breaker::probe_started`].
    Probe,
    /// Not before this moment.
    NotBefore(BootUs),
    /// Not before the probe under way has ended: the one with this permit.
    ProbeUnderWay(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    #[default]
    Closed,
    Open {
        until: BootUs,
    },
    /// With this permit.
    Probing(u64),
}

/// A breaker.
#[derive(Debug, Clone, Default)]
pub struct Breaker {
    phase: Phase,
    /// Failures in a row that opened it.
    openings: u32,
}

impl Breaker {
    /// Whether a message may go now.
    pub fn pass(&self, now: BootUs) -> Pass {
        match self.phase {
            Phase::Closed => Pass::Free,
            Phase::Open { until } if until > now => Pass::NotBefore(until),
            Phase::Open { .. } => Pass::Probe,
            Phase::Probing(permit) => Pass::ProbeUnderWay(permit),
        }
    }

    /// Its state, for people.
    #[must_use]
    pub fn state(&self, now: BootUs) -> BreakerState {
        match self.pass(now) {
            Pass::Free => BreakerState::Closed,
            Pass::NotBefore(until) => BreakerState::Open { until },
            Pass::Probe | Pass::ProbeUnderWay(_) => BreakerState::HalfOpen,
        }
    }

    /// Whether it knows of no failure.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// The probe was granted, with this permit.
    pub fn probe_started(&mut self, permit: u64) {
        self.phase = Phase::Probing(permit);
    }

    /// This permit ended; whether it was the probe under way, without a word on the provider: then another may go at once.
    /// One in whose place another is under way by now is none any more: else each that slow commits end late would stop
    /// the next, for ever.
    pub fn probe_ended(&mut self, permit: u64, now: BootUs) -> bool {
        let was_probe = self.phase == Phase::Probing(permit);
        if was_probe {
            self.phase = Phase::Open { until: now };
        }
        was_probe
    }

    /// The provider worked. Ignored before the backoff has passed: that message went out before the failure.
    pub fn succeeded(&mut self, now: BootUs) {
        if !matches!(self.pass(now), Pass::NotBefore(_)) {
            *self = Self::default();
        }
    }

    /// The provider failed, and perhaps said when to come back.
    pub fn failed(&mut self, retry_after: Option<Duration>, now: BootUs, random: u64) {
        let asked = now.plus(retry_after.unwrap_or_default().min(RETRY_AFTER_MAX));
        self.phase = match self.phase {
            Phase::Open { until } if until > now => Phase::Open { until: until.max(asked) },
            Phase::Closed | Phase::Probing(_) | Phase::Open { .. } => {
                self.openings = self.openings.saturating_add(1);
                Phase::Open { until: now.plus(backoff(self.openings, random)).max(asked) }
            }
        };
    }
}

/// Between half and all of the exponential backoff, so that lanes that failed together come back apart.
fn backoff(openings: u32, random: u64) -> Duration {
    let full = BACKOFF_MIN.saturating_mul(1 << (openings - 1).min(16)).min(BACKOFF_MAX);
    let half = u64::try_from(full.as_micros() / 2).expect("a backoff is at most a minute");
    Duration::from_micros(half + random % (half + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(at: u64) -> BootUs {
        BootUs(at * 1_000_000)
    }

    #[test]
    fn a_failure_opens_it_and_one_probe_closes_it() {
        let mut breaker = Breaker::default();
        assert_eq!(breaker.pass(s(0)), Pass::Free);
        breaker.failed(None, s(0), u64::MAX);
        assert!(matches!(breaker.state(s(0)), BreakerState::Open { .. }));
        assert_eq!(breaker.pass(s(1)), Pass::Probe);
        breaker.probe_started(1);
        assert_eq!(breaker.pass(s(100)), Pass::ProbeUnderWay(1));
        breaker.succeeded(s(100));
        assert_eq!(breaker.pass(s(100)), Pass::Free);
    }

    #[test]
    fn a_probe_that_never_went_out_makes_room_for_another() {
        let mut breaker = Breaker::default();
        breaker.failed(None, s(0), 0);
        breaker.probe_started(1);
        assert!(breaker.probe_ended(1, s(2)));
        assert_eq!(breaker.pass(s(2)), Pass::Probe);
    }

    #[test]
    fn a_probe_in_whose_place_another_is_under_way_does_not_end_that() {
        let mut breaker = Breaker::default();
        breaker.failed(None, s(0), 0);
        breaker.probe_started(1);
        // What was under way before fails, too, and when that has passed another probe goes.
        breaker.failed(None, s(2), 0);
        assert_eq!(breaker.pass(s(4)), Pass::Probe);
        breaker.probe_started(2);
        assert!(!breaker.probe_ended(1, s(5)));
        assert_eq!(breaker.pass(s(5)), Pass::ProbeUnderWay(2));
        assert!(breaker.probe_ended(2, s(6)));
        assert_eq!(breaker.pass(s(6)), Pass::Probe);
    }

    #[test]
    fn a_probe_s_outcome_counts_even_if_its_permit_ended_first() {
        let mut breaker = Breaker::default();
        breaker.failed(None, s(0), 0);
        breaker.probe_started(1);
        assert!(breaker.probe_ended(1, s(3)));
        breaker.failed(None, s(3), 0);
        assert_eq!(breaker.pass(s(3)), Pass::NotBefore(s(4)), "twice as long");
        breaker.probe_started(1);
        assert!(breaker.probe_ended(1, s(5)));
        breaker.succeeded(s(5));
        assert_eq!(breaker.pass(s(5)), Pass::Free);
    }

    #[test]
    fn backoff_doubles_with_jitter_up_to_a_minute() {
        for (openings, full_ms) in [(1, 1_000), (2, 2_000), (6, 32_000), (7, 60_000), (400, 60_000)] {
            assert_eq!(backoff(openings, 0), Duration::from_millis(full_ms / 2));
            for random in [1, 12_345, u64::MAX, 0x9e37_79b9_7f4a_7c15] {
                let delay = backoff(openings, random);
                assert!(delay >= Duration::from_millis(full_ms / 2) && delay <= Duration::from_millis(full_ms));
            }
        }
    }

    #[test]
    fn failures_under_way_when_it_opened_count_once_but_their_retry_after_is_kept() {
        let mut breaker = Breaker::default();
        for _ in 0..100 {
            breaker.failed(None, s(0), 0);
        }
        assert_eq!(breaker.pass(s(1)), Pass::Probe, "still the first backoff");
        let mut breaker = Breaker::default();
        breaker.failed(None, s(0), 0);
        breaker.failed(Some(Duration::from_secs(30)), s(0), 0);
        breaker.succeeded(s(29));
        assert_eq!(breaker.pass(s(29)), Pass::NotBefore(s(30)));
    }

    #[test]
    fn a_failed_probe_waits_longer_and_retry_after_is_respected() {
        let mut breaker = Breaker::default();
        breaker.failed(None, s(0), 0);
        breaker.probe_started(1);
        breaker.failed(None, s(10), 0);
        assert_eq!(breaker.pass(s(10)), Pass::NotBefore(s(11)), "half of two seconds");
        breaker.probe_started(1);
        breaker.failed(Some(Duration::from_secs(600)), s(20), 0);
        assert_eq!(breaker.pass(s(20)), Pass::NotBefore(s(620)));
        breaker.failed(Some(Duration::MAX), s(20), 0);
        assert_eq!(breaker.pass(s(20)), Pass::NotBefore(s(20).plus(RETRY_AFTER_MAX)));
    }
}
