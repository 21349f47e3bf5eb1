//! How many permits may be under way, and how far ahead of their moment they are given: pure.
//!
//! By Little's law, workers stay busy if as many permits are being claimed as workers finish during one
//! claim. More would only age; so the read-ahead is the measured rate times the time of a claim, doubled,
//! and doubled once more while workers are idle, so that a slow store is soon answered by more claims at
//! once (group commits carry them all).
//!
//! A group commit carries many claims for hardly more than one, so while workers are idle there are always as many
//! claims under way as finish within [`REACH`]: a store that answers at once is given enough to put together.
//!
//! Beyond that, a store that is merely busy gets slower with each claim more: reading ahead for that would chase its
//! own tail. So the time that counts is that of lone claims: those that were asked for while so few others were being
//! claimed that they cannot be its cause. Where claims take much longer than lone ones did, the store is busy, or
//! it has become slow; to tell which, a probe now and then asks for so few that they are lone, until some of
//! them are back.

use std::time::Duration;

use crate::domain::clock::BootUs;

/// Most permits ahead of the workers: enough for a thousand a second and claims of more than a second.
const MAX_AHEAD: usize = 2_048;
/// How often the rate is measured.
const PERIOD: Duration = Duration::from_millis(100);
/// While workers are idle, so much of what finishes is being claimed. Less costs throughput on a store that commits in
/// groups; more only makes claims older (40 ms, on a machine of two cores: a fifth more than none on Redis).
const REACH: Duration = Duration::from_millis(40);
/// What can go after this long goes while its permit is good: half its time to live.
const IN_TIME: Duration = Duration::from_millis(125);
/// What a probe waits for at most.
const PROBE_CLAIMS: u32 = 8;
/// From one probe to the next.
const PROBE_EVERY: Duration = Duration::from_secs(10);
/// Permits are given at most this much ahead of their moment.
const MAX_LEAD: Duration = Duration::from_secs(2);

/// A mean that forgets: of all values while they are few, then mostly of the last twenty.
#[derive(Debug, Clone, Copy)]
struct Average {
    seconds: f64,
    values: u32,
}

impl Average {
    const fn assumed(seconds: f64) -> Self {
        Self { seconds, values: 0 }
    }

    fn take(&mut self, value: Duration) {
        self.values = self.values.saturating_add(1);
        self.seconds += (value.as_secs_f64() - self.seconds) / f64::from(self.values.min(20));
    }
}

/// The measured allowance.
#[derive(Debug)]
pub(super) struct Allowance {
    workers: usize,
    rate_per_s: f64,
    /// A claim takes this long on average.
    claim: Average,
    /// It takes this long when few are under way.
    lone_claim: Average,
    is_probing: bool,
    probe_again_at: BootUs,
    /// Nearly all envelopes could go after at most this long.
    slow_start_s: f64,
    finished: u32,
    measured_at: BootUs,
}

impl Allowance {
    pub(super) const fn new(workers: usize, now: BootUs) -> Self {
        Self {
            workers,
            rate_per_s: 0.0,
            claim: Average::assumed(0.01),
            lone_claim: Average::assumed(0.01),
            is_probing: false,
            probe_again_at: now,
            slow_start_s: 0.01,
            finished: 0,
            measured_at: now,
        }
    }

    /// Whether a claim is a lone one that is asked for while so many are under way.
    pub(super) const fn is_lone(&self, claims: usize) -> bool {
        claims < self.workers
    }

    /// A claim took this long.
    pub(super) fn claimed(&mut self, took: Duration, is_lone: bool) {
        self.claim.take(took);
        if is_lone {
            self.lone_claim.take(took);
            let enough = u32::try_from(self.workers).unwrap_or(PROBE_CLAIMS).min(PROBE_CLAIMS);
            self.is_probing &= self.lone_claim.values < enough;
        }
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
            if self.claim.seconds > 2.0 * self.lone_claim.seconds && self.probe_again_at <= now {
                self.is_probing = true;
                self.probe_again_at = now.plus(PROBE_EVERY);
                self.lone_claim.values = 0;
            }
        }
        let of_claims = if is_idle {
            (4.0 * self.lone_claim.seconds).max(REACH.as_secs_f64())
        } else {
            2.0 * self.lone_claim.seconds
        };
        let ahead = self.rate_per_s * of_claims;
        self.workers + (ahead.ceil() as usize).clamp(1, MAX_AHEAD)
    }

    /// Whether so many claims under way are all there should be now.
    pub(super) const fn is_claiming_enough(&self, claims: usize) -> bool {
        self.is_probing && !self.is_lone(claims)
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
                allowance.claimed(claim, true);
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
            let claims = if allowance.is_claiming_enough(permits) { allowance.workers } else { permits };
            let took = claim_s.max(claims as f64 / claims_per_s);
            let is_lone = allowance.is_lone(claims - 1);
            for _ in 0..(claims as f64 / took / 10.0).round() as u32 {
                allowance.claimed(Duration::from_secs_f64(took), is_lone);
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
            // What it claims within the reach, and no more than that however long it is asked.
            let within_reach = (5_000.0 * REACH.as_secs_f64()) as usize;
            let most = workers + within_reach.max(8 * workers + 40);
            assert!(permits <= most, "{permits} for {workers} workers, {allowance:?}");
        }
    }

    #[test]
    fn a_store_that_has_become_slow_is_found_out_by_a_probe() {
        for workers in [2, 16] {
            let mut allowance = Allowance::new(workers, BootUs(0));
            closed_loop(&mut allowance, 0.002, f64::INFINITY, 20);
            let permits = closed_loop(&mut allowance, 0.4, f64::INFINITY, 300);
            assert!(permits >= 1_000, "{permits} for {workers} workers, {allowance:?}");
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
