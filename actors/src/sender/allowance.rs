//! How many permits may be under way, and how far ahead of their moment they are given: pure.
//!
//! By Little's law, workers stay busy if as many permits are being claimed as workers finish during one
//! claim. More would only age; so the read-ahead is the measured rate times the time of a claim, doubled,
//! and doubled once more while workers are idle, so that a slow store is soon answered by more claims at
//! once (group commits carry them all).
//!
//! A store that is merely busy gets slower with each claim more: reading ahead for that would chase its own
//! tail. So the time that counts is the fastest lately; a slower one is believed only while so few claims
//! are under way that they cannot be its cause.

use std::time::Duration;

use crate::domain::clock::BootUs;

/// Most permits ahead of the workers: enough for a thousand a second and claims of more than a second.
const MAX_AHEAD: usize = 2_048;
/// How often the rate is measured.
const PERIOD: Duration = Duration::from_millis(100);
/// What can go after this long goes while its permit is good: half its time to live.
const IN_TIME: Duration = Duration::from_millis(125);
/// Permits are given at most this much ahead of their moment.
const MAX_LEAD: Duration = Duration::from_secs(2);

/// The measured allowance.
#[derive(Debug)]
pub(super) struct Allowance {
    workers: usize,
    rate_per_s: f64,
    /// A claim takes this long on average.
    claim_s: f64,
    /// It would take this long if few were under way.
    lone_claim_s: f64,
    /// Nearly all envelopes could go after at most this long.
    slow_start_s: f64,
    ahead: usize,
    finished: u32,
    measured_at: BootUs,
}

impl Allowance {
    pub(super) const fn new(workers: usize, now: BootUs) -> Self {
        Self {
            workers,
            rate_per_s: 0.0,
            claim_s: 0.01,
            lone_claim_s: 0.01,
            slow_start_s: 0.01,
            ahead: 1,
            finished: 0,
            measured_at: now,
        }
    }

    /// A claim took this long.
    pub(super) fn claimed(&mut self, took: Duration) {
        let took = took.as_secs_f64();
        self.claim_s += (took - self.claim_s) * 0.05;
        let is_lone = self.ahead <= self.workers;
        self.lone_claim_s = if is_lone { self.claim_s } else { self.lone_claim_s.min(self.claim_s) };
    }

    /// An envelope could go this long after its permit was given: its claim, and the wait for a worker.
    pub(super) fn could_go(&mut self, after: Duration) {
        let more = after.as_secs_f64() - self.slow_start_s;
        // Slower ones weigh ten times as much: tokens are lost to what comes back late, not to what waits.
        self.slow_start_s += more * if more > 0.0 { 0.5 } else { 0.05 };
    }

    /// A worker finished.
    pub(super) const fn finished(&mut self) {
        self.finished += 1;
    }

    /// How many permits may be under way now; `is_idle`: a worker has nothing to do.
    pub(super) fn permits(&mut self, now: BootUs, is_idle: bool) -> usize {
        let since = now.since(self.measured_at);
        if since >= PERIOD {
            let rate = f64::from(self.finished) / since.as_secs_f64();
            self.rate_per_s += (rate - self.rate_per_s) * 0.5;
            self.finished = 0;
            self.measured_at = now;
        }
        let claims = if is_idle { 4.0 } else { 2.0 };
        self.ahead = ((self.rate_per_s * claims * self.lone_claim_s).ceil() as usize).clamp(1, MAX_AHEAD);
        self.workers + self.ahead
    }

    /// How far ahead of its moment a permit is given. Nothing, while claims are quick.
    pub(super) fn lead(&self) -> Duration {
        Duration::from_secs_f64(self.slow_start_s).saturating_sub(IN_TIME).min(MAX_LEAD)
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
            permits = allowance.permits(BootUs(period * 100_000), false);
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

    /// Permits after some seconds with a store that claims within `claim_s`, or as fast as `claims_per_s` lets
    /// it, and a provider that is quick: all that is allowed is being claimed.
    fn closed_loop(allowance: &mut Allowance, claim_s: f64, claims_per_s: f64, periods: u64) -> usize {
        let mut permits = 0;
        let begun = allowance.measured_at.0 / 100_000;
        for period in begun + 1..=begun + periods {
            permits = allowance.permits(BootUs(period * 100_000), true);
            let took = claim_s.max(permits as f64 / claims_per_s);
            for _ in 0..(permits as f64 / took / 10.0).round() as u32 {
                allowance.claimed(Duration::from_secs_f64(took));
                allowance.finished();
            }
        }
        permits
    }

    #[test]
    fn a_slow_store_is_answered_by_more_claims_at_once() {
        let mut allowance = Allowance::new(16, BootUs(0));
        assert!(closed_loop(&mut allowance, 1.0, f64::INFINITY, 60) >= 2_000, "{allowance:?}");
    }

    #[test]
    fn a_busy_store_is_not_asked_for_ever_more() {
        for workers in [1, 16, 64] {
            let mut allowance = Allowance::new(workers, BootUs(0));
            let permits = closed_loop(&mut allowance, 0.002, 5_000.0, 1_000);
            assert!(permits <= 9 * workers + 40, "{permits} for {workers} workers, {allowance:?}");
        }
    }

    #[test]
    fn permits_are_given_ahead_by_what_slow_claims_take_and_not_at_all_while_they_are_quick() {
        let mut allowance = Allowance::new(16, BootUs(0));
        (0..100).for_each(|_| allowance.could_go(Duration::from_millis(30)));
        assert_eq!(allowance.lead(), Duration::ZERO);
        (0..100).for_each(|n| allowance.could_go(Duration::from_millis(if n % 2 == 0 { 30 } else { 1_000 })));
        assert!(allowance.lead() >= Duration::from_millis(750), "those of a second are back in time: {allowance:?}");
        (0..100).for_each(|_| allowance.could_go(Duration::from_secs(60)));
        assert_eq!(allowance.lead(), MAX_LEAD);
    }
}
