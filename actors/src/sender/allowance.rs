//! How many permits may be under way: pure.
//!
//! By Little's law, workers stay busy if as many permits are being claimed as workers finish during one
//! claim. More would only age; so the read-ahead is the measured rate times the measured time of a claim,
//! doubled, and never more than a tenth of a second's work.

use std::time::Duration;

use crate::domain::clock::BootUs;

/// Most permits ahead of the workers.
const MAX_AHEAD: usize = 4_096;
/// How often the rate is measured.
const PERIOD: Duration = Duration::from_millis(100);
/// At most this much work is ahead, by time: well under a permit's time to live.
const MAX_AHEAD_SECONDS: f64 = 0.1;

/// The measured allowance.
#[derive(Debug)]
pub(super) struct Allowance {
    workers: usize,
    rate_per_s: f64,
    claim_s: f64,
    finished: u32,
    measured_at: BootUs,
}

impl Allowance {
    pub(super) const fn new(workers: usize, now: BootUs) -> Self {
        Self { workers, rate_per_s: 0.0, claim_s: 0.01, finished: 0, measured_at: now }
    }

    /// A claim took this long.
    pub(super) fn claimed(&mut self, took: Duration) {
        self.claim_s += (took.as_secs_f64() - self.claim_s) * 0.05;
    }

    /// A worker finished.
    pub(super) const fn finished(&mut self) {
        self.finished += 1;
    }

    /// How many permits may be under way now.
    pub(super) fn permits(&mut self, now: BootUs) -> usize {
        let since = now.since(self.measured_at);
        if since >= PERIOD {
            let rate = f64::from(self.finished) / since.as_secs_f64();
            self.rate_per_s += (rate - self.rate_per_s) * 0.5;
            self.finished = 0;
            self.measured_at = now;
        }
        let ahead = self.rate_per_s * (2.0 * self.claim_s).min(MAX_AHEAD_SECONDS);
        self.workers + (ahead.ceil() as usize).clamp(1, MAX_AHEAD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(rate_per_s: u32, claim: Duration, workers: usize) -> usize {
        let mut allowance = Allowance::new(workers, BootUs(0));
        let mut permits = 0;
        for period in 1..=50u64 {
            for _ in 0..rate_per_s / 10 {
                allowance.finished();
                allowance.claimed(claim);
            }
            permits = allowance.permits(BootUs(period * 100_000));
        }
        permits
    }

    #[test]
    fn a_slow_provider_gets_hardly_any_read_ahead() {
        assert!(after(10, Duration::from_millis(5), 16) <= 18);
    }

    #[test]
    fn a_fast_provider_gets_what_covers_the_claims() {
        let permits = after(12_000, Duration::from_millis(10), 64);
        assert!((64 + 200..64 + 300).contains(&permits), "{permits}");
    }

    #[test]
    fn slow_claims_do_not_pile_up_more_than_a_tenth_of_a_second_of_work() {
        assert!(after(1_000, Duration::from_secs(2), 10) <= 111);
    }
}
