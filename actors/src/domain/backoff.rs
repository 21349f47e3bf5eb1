//! When an attempt that failed is made again.
//!
//! Pure: the attempt's number, a random number and the provider's own wish go in. The delay grows by a factor up
//! to a cap and is spread by ±20 %, so that messages which failed together do not come back together. It never
//! overflows, and it never falls below what the provider asked for. Nothing is kept between attempts: the
//! message's own attempt count is all the state there is, so that a restart changes no delay.

use std::time::Duration;

use super::address::Channel;

/// The longest wish of a provider (`Retry-After`) that is granted.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// The rule of one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The delay after the first attempt.
    pub base: Duration,
    /// How much longer each next delay is; 1 keeps it constant.
    pub factor: u32,
    /// The longest delay before it is spread.
    pub cap: Duration,
    /// Attempts in all, the first one counted.
    pub max_attempts: u16,
    /// How far a delay is spread to either side, in percent of itself; at most 100.
    pub jitter: u8,
}

impl Backoff {
    /// Email: 1, 2, 4 … 128 minutes, then every four hours: fourteen attempts in about a day, well inside the
    /// four to five days that RFC 5321 §4.5.4.1 allows for, because a scheduled message grows stale.
    pub const EMAIL: Self = Self {
        base: Duration::from_secs(60),
        factor: 2,
        cap: Duration::from_secs(4 * 60 * 60),
        max_attempts: 14,
        jitter: 20,
    };

    /// SMS: 15, 30, 60, 120 and 240 seconds: six attempts in about eight minutes.
    pub const SMS: Self = Self {
        base: Duration::from_secs(15),
        factor: 2,
        cap: Duration::from_secs(30 * 60),
        max_attempts: 6,
        jitter: 20,
    };

    /// Webhooks: 5 and 25 seconds, 2, 10 and 52 minutes, 4 and 22 hours, then every day: ten attempts in about three
    /// days, as Standard Webhooks suggests.
    pub const WEBHOOK: Self = Self {
        base: Duration::from_secs(5),
        factor: 5,
        cap: Duration::from_secs(24 * 60 * 60),
        max_attempts: 10,
        jitter: 20,
    };

    /// The default rule of a channel.
    #[must_use]
    pub const fn of(channel: Channel) -> Self {
        match channel {
            Channel::Email => Self::EMAIL,
            Channel::Sms => Self::SMS,
            Channel::Webhook => Self::WEBHOOK,
        }
    }

    /// How long to wait after attempt number `attempt` (counted from 1) failed; `None` when it was the last one.
    ///
    /// `random` is any number, evenly drawn. `retry_after` is the provider's wish: a lower bound, granted up to
    /// [`MAX_RETRY_AFTER`].
    #[must_use]
    pub fn delay(&self, attempt: u16, random: u64, retry_after: Option<Duration>) -> Option<Duration> {
        if attempt >= self.max_attempts {
            return None;
        }
        let planned = self.spread(self.planned(attempt), random);
        let wished = retry_after.unwrap_or(Duration::ZERO).min(MAX_RETRY_AFTER);
        Some(planned.max(wished))
    }

    /// The delay before it is spread.
    fn planned(&self, attempt: u16) -> Duration {
        let growth = self.factor.max(1).saturating_pow(u32::from(attempt.saturating_sub(1)));
        self.base.saturating_mul(growth).min(self.cap)
    }

    /// Moves a delay by up to `jitter` percent to either side.
    fn spread(&self, planned: Duration, random: u64) -> Duration {
        let planned_us = planned.as_micros();
        let reach = planned_us * u128::from(self.jitter.min(100)) / 100;
        // `random` as a share of its range, applied to the span from -reach to +reach. A longer span than 64 bits
        // of microseconds (half a million years) is cut, so that the product fits.
        let span = (2 * reach).min(u128::from(u64::MAX));
        let offset = span * u128::from(random) / u128::from(u64::MAX);
        let spread_us = planned_us - reach + offset;
        Duration::from_micros(u64::try_from(spread_us).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIDDLE: u64 = u64::MAX / 2;

    fn seconds(rule: Backoff) -> Vec<u64> {
        (1..rule.max_attempts)
            .map(|attempt| rule.delay(attempt, MIDDLE, None).unwrap().as_secs_f64().round() as u64)
            .collect()
    }

    #[test]
    fn email_is_tried_for_about_a_day() {
        let delays = seconds(Backoff::EMAIL);
        assert_eq!(delays[..9], [60, 120, 240, 480, 960, 1_920, 3_840, 7_680, 14_400]);
        assert_eq!(delays.len(), 13);
        let hours = delays.iter().sum::<u64>() / 3_600;
        assert_eq!(hours, 24);
    }

    #[test]
    fn sms_is_tried_for_a_few_minutes() {
        assert_eq!(seconds(Backoff::SMS), [15, 30, 60, 120, 240]);
        assert_eq!(Backoff::of(Channel::Sms), Backoff::SMS);
        assert_eq!(Backoff::of(Channel::Email), Backoff::EMAIL);
    }

    #[test]
    fn a_webhook_is_tried_for_about_three_days() {
        let delays = seconds(Backoff::WEBHOOK);
        assert_eq!(delays, [5, 25, 125, 625, 3_125, 15_625, 78_125, 86_400, 86_400]);
        assert_eq!(delays.iter().sum::<u64>() / 86_400, 3);
        assert_eq!(Backoff::of(Channel::Webhook), Backoff::WEBHOOK);
    }

    #[test]
    fn the_last_attempt_has_no_delay_after_it() {
        let rule = Backoff::SMS;
        assert!(rule.delay(5, 0, None).is_some());
        assert_eq!(rule.delay(6, 0, None), None);
        assert_eq!(rule.delay(6, 0, Some(Duration::from_secs(1))), None);
        assert_eq!(rule.delay(u16::MAX, 0, None), None);
        assert_eq!(Backoff { max_attempts: 0, ..rule }.delay(0, 0, None), None);
    }

    #[test]
    fn the_random_number_spreads_a_delay_by_a_fifth_to_either_side() {
        let delay = |random| Backoff::EMAIL.delay(1, random, None).unwrap();
        assert_eq!(delay(0), Duration::from_secs(48));
        assert_eq!(delay(u64::MAX), Duration::from_secs(72));
        assert!(delay(MIDDLE) < delay(MIDDLE + u64::MAX / 8));
    }

    #[test]
    fn a_provider_s_wish_is_a_lower_bound_of_at_most_a_day() {
        let delay = |wish: u64| Backoff::EMAIL.delay(1, MIDDLE, Some(Duration::from_secs(wish))).unwrap().as_secs();
        assert_eq!(delay(5), 59);
        assert_eq!(delay(3_600), 3_600);
        assert_eq!(delay(1_000_000), 86_400);
        assert_eq!(delay(u64::MAX), 86_400);
    }

    fn rules() -> impl Strategy<Value = Backoff> {
        (0..=u64::MAX, 0..=u32::MAX, 0..=u64::MAX, 0..=u16::MAX, 0..=u8::MAX).prop_map(
            |(base, factor, cap, max_attempts, jitter)| Backoff {
                base: Duration::from_millis(base),
                factor,
                cap: Duration::from_millis(cap),
                max_attempts,
                jitter,
            },
        )
    }

    fn sane_rules() -> impl Strategy<Value = Backoff> {
        (1..100_000u64, 1..10u32, 1..100_000_000u64, 2..50u16, 0..=100u8).prop_map(
            |(base, factor, cap, max_attempts, jitter)| Backoff {
                base: Duration::from_millis(base),
                factor,
                cap: Duration::from_millis(cap),
                max_attempts,
                jitter,
            },
        )
    }

    proptest! {
        #[test]
        fn no_rule_and_no_number_overflows(rule in rules(), attempt: u16, random: u64, wish: Option<u64>) {
            let delay = rule.delay(attempt, random, wish.map(Duration::from_secs));
            prop_assert_eq!(delay.is_some(), attempt < rule.max_attempts);
        }

        #[test]
        fn later_delays_are_never_shorter_and_all_are_bounded(rule in sane_rules(), random: u64) {
            let delays: Vec<_> = (1..rule.max_attempts).map(|n| rule.delay(n, random, None).unwrap()).collect();
            prop_assert!(delays.is_sorted());
            let jitter = f64::from(rule.jitter) / 100.0;
            let (low, high) = (rule.base.min(rule.cap).mul_f64(1.0 - jitter), rule.cap.mul_f64(1.0 + jitter));
            let rounding = Duration::from_micros(2);
            for delay in delays {
                prop_assert!(delay + rounding >= low && delay <= high + rounding, "{delay:?}");
            }
        }

        #[test]
        fn a_wish_is_never_undercut(rule in sane_rules(), attempt in 1..50u16, random: u64, wish in 0..86_400u64) {
            let wish = Duration::from_secs(wish);
            if let Some(delay) = rule.delay(attempt, random, Some(wish)) {
                prop_assert!(delay >= wish);
            }
        }
    }
}
