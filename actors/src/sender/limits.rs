//! Rate limits: the generic cell rate algorithm, one number a bucket.
//!
//! A bucket remembers its theoretical arrival time (TAT): when it will be idle again if nothing more
//! comes. A unit moves the TAT ahead by one interval, and may go while the TAT stays within `burst`
//! intervals of now. So in every window of length t no more than `burst + rate × t` units go (I6).
//! A message that costs more than the burst would never fit: it goes when the bucket is idle, and the
//! next one waits for all of its units.
//!
//! Time comes in microseconds of the monotonic clock; the TAT is kept in nanoseconds, and an interval
//! is rounded up to one, so that rounding makes no limit faster and high rates lose no more than 0.1 %.
//!
//! Buckets live in memory. After a start or a take-over nobody knows what went just before, so a new
//! bucket is empty: its first unit waits one interval.

use crate::domain::clock::BootUs;
use crate::domain::directory::Limit;
use crate::domain::planted::Bug;

/// A token that was checked: what [`Gcra::take`] takes, and what may be given back.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Taken {
    before: u64,
    after: u64,
    cost: u16,
    generation: u32,
}

/// A bucket.
#[derive(Debug, Clone)]
pub struct Gcra {
    limit: Limit,
    /// Nanoseconds a unit.
    interval: u64,
    /// Nanoseconds on the monotonic clock; `None` until the first check.
    tat: Option<u64>,
    /// Counts changes of the limit from the microsecond on at which the bucket was made: a token of another limit, or of
    /// another bucket, does not come back.
    generation: u32,
}

const fn nanos(at: BootUs) -> u64 {
    at.0.saturating_mul(1_000)
}

impl Gcra {
    /// A bucket that is empty at its first check, and fills from there.
    #[must_use]
    pub fn new(limit: Limit) -> Self {
        let interval = limit.per.as_nanos().div_ceil(u128::from(limit.rate.max(1)));
        let interval = u64::try_from(interval).unwrap_or(u64::MAX).max(1);
        Self { limit, interval, tat: None, generation: 0 }
    }

    /// A bucket that is empty now. Tokens of one that was taken away before are none of its own.
    #[must_use]
    pub fn empty_at(limit: Limit, now: BootUs) -> Self {
        let mut bucket = Self::new(limit);
        bucket.tat = Some(nanos(now).saturating_add(bucket.capacity()));
        bucket.generation = now.0 as u32;
        bucket
    }

    /// The limit that it keeps.
    #[must_use]
    pub const fn limit(&self) -> Limit {
        self.limit
    }

    fn burst(&self) -> u64 {
        u64::from(self.limit.burst.max(1))
    }

    /// Nanoseconds that the TAT may be ahead.
    fn capacity(&self) -> u64 {
        self.interval.saturating_mul(self.burst())
    }

    /// When `cost` units may go, if nothing goes before; `None` before the first check.
    /// A cost of 0 counts as 1.
    #[must_use]
    pub fn opens_at(&self, cost: u16) -> Option<BootUs> {
        let cost = u64::from(cost.max(1));
        let slack = self.interval.saturating_mul(self.burst() - cost.min(self.burst()));
        self.tat.map(|tat| BootUs(tat.saturating_sub(slack).div_ceil(1_000)))
    }

    /// Whether nothing that went is remembered: a new one in its place would let the same go.
    #[must_use]
    pub fn is_full(&self, now: BootUs) -> bool {
        self.tat.is_some_and(|tat| tat <= nanos(now))
    }

    /// The first moment from `now` on at which `cost` units may go; changes nothing but the start of a new
    /// bucket.
    pub fn earliest(&mut self, now: BootUs, cost: u16) -> BootUs {
        if self.tat.is_none() {
            self.tat = Some(nanos(now).saturating_add(self.capacity()));
        }
        self.opens_at(cost).map_or(now, |at| at.max(now))
    }

    /// Whether `cost` units may go now; changes nothing but the start of a new bucket. The moment may lie
    /// ahead, if [`Gcra::earliest`] named it or one before it: what is taken there is gone for all that
    /// ask later.
    ///
    /// # Errors
    /// When they may go, if nothing goes before.
    pub fn check(&mut self, now: BootUs, cost: u16) -> Result<Taken, BootUs> {
        match self.earliest(now, cost) {
            at if at > now => Err(at),
            _ => {
                let tat = self.tat.unwrap_or_default();
                let cost = cost.max(1);
                let after = tat.max(nanos(now)).saturating_add(self.interval.saturating_mul(u64::from(cost)));
                Ok(Taken { before: tat, after, cost, generation: self.generation })
            }
        }
    }

    /// Takes what was checked. Nothing else may have been taken since.
    pub fn take(&mut self, taken: &Taken) {
        debug_assert_eq!(self.tat, Some(taken.before), "a token is taken right after its check");
        if Bug::TokensNotTaken.is_planted() {
            return;
        }
        self.tat = Some(taken.after);
    }

    /// Whether the limit is still the one that this token was taken of.
    #[must_use]
    pub const fn is_of_this_limit(&self, taken: &Taken) -> bool {
        self.generation == taken.generation
    }

    fn is_latest(&self, taken: &Taken) -> bool {
        self.tat == Some(taken.after) && self.is_of_this_limit(taken)
    }

    /// Gives a token back that was not used; whether the bucket took it. It does only while nothing was
    /// taken since: those after it waited for its interval, and giving it back later would let two go at once.
    #[expect(clippy::needless_pass_by_value, reason = "a token is given back once")]
    pub fn give_back(&mut self, taken: Taken) -> bool {
        let is_latest = self.is_latest(&taken);
        if is_latest {
            self.tat = Some(taken.before);
        }
        is_latest
    }

    /// Charges what the message really cost. A higher cost is always charged; a lower one is credited
    /// under the rule of [`Gcra::give_back`].
    #[expect(clippy::needless_pass_by_value, reason = "a token is trued up once")]
    pub fn true_up(&mut self, taken: Taken, cost: u16) {
        let cost = cost.max(1);
        if cost > taken.cost {
            let more = self.interval.saturating_mul(u64::from(cost - taken.cost));
            self.tat = self.tat.map(|tat| tat.saturating_add(more));
        } else if self.is_latest(&taken) {
            self.tat = Some(taken.after - self.interval.saturating_mul(u64::from(taken.cost - cost)));
        }
    }

    /// Changes the limit. The units available now stay available, up to the new burst, and a debt stays
    /// a debt: a change grants nothing at once.
    pub fn set_limit(&mut self, limit: Limit, now: BootUs) {
        if limit == self.limit {
            return;
        }
        let old = std::mem::replace(self, Self::new(limit));
        self.generation = old.generation.wrapping_add(1);
        let Some(tat) = old.tat else { return };
        let ahead = i128::from(tat.saturating_sub(nanos(now)));
        let available = i128::from(old.capacity()) - ahead;
        let scaled = (available * i128::from(self.interval)).div_euclid(i128::from(old.interval));
        let ahead = i128::from(self.capacity()) - scaled.min(i128::from(self.capacity()));
        self.tat = Some(nanos(now).saturating_add(u64::try_from(ahead).unwrap_or(u64::MAX)));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn limit(rate: u32, per_ms: u64, burst: u32) -> Limit {
        Limit { rate, per: Duration::from_millis(per_ms), burst }
    }

    const fn ms(at: u64) -> BootUs {
        BootUs(at * 1_000)
    }

    fn go(bucket: &mut Gcra, now: BootUs, cost: u16) -> Result<(), BootUs> {
        bucket.check(now, cost).map(|taken| bucket.take(&taken))
    }

    #[test]
    fn a_new_bucket_is_empty_and_fills_up_to_its_burst() {
        for mut bucket in [Gcra::empty_at(limit(1, 1_000, 3), ms(0)), Gcra::new(limit(1, 1_000, 3))] {
            assert_eq!(go(&mut bucket, ms(0), 1), Err(ms(1_000)));
            assert_eq!(go(&mut bucket, ms(1_000), 1), Ok(()));
            assert_eq!(go(&mut bucket, ms(1_000), 1), Err(ms(2_000)));
            for _ in 0..3 {
                assert_eq!(go(&mut bucket, ms(9_000), 1), Ok(()));
            }
            assert_eq!(go(&mut bucket, ms(9_000), 1), Err(ms(10_000)));
        }
    }

    #[test]
    fn a_message_above_the_burst_goes_when_the_bucket_is_idle_and_pays_for_all_its_units() {
        let mut bucket = Gcra::empty_at(Limit::LONG_CODE, ms(0));
        assert_eq!(go(&mut bucket, ms(500), 3), Err(ms(1_000)));
        assert_eq!(go(&mut bucket, ms(1_000), 3), Ok(()));
        assert_eq!(go(&mut bucket, ms(1_000), 1), Err(ms(4_000)));
        assert_eq!(go(&mut bucket, ms(4_000), 1), Ok(()));
    }

    #[test]
    fn a_token_comes_back_only_while_it_is_the_latest() {
        let mut bucket = Gcra::empty_at(limit(1, 1_000, 2), ms(0));
        let first = bucket.check(ms(5_000), 1).unwrap();
        bucket.take(&first);
        let second = bucket.check(ms(5_000), 1).unwrap();
        bucket.take(&second);
        assert!(!bucket.give_back(first));
        assert!(bucket.give_back(second));
        assert_eq!(go(&mut bucket, ms(5_000), 1), Ok(()));
        assert_eq!(go(&mut bucket, ms(5_000), 1), Err(ms(6_000)));
    }

    #[test]
    fn the_true_cost_is_charged_and_a_lower_one_is_credited() {
        let mut bucket = Gcra::empty_at(limit(1, 1_000, 2), ms(0));
        let taken = bucket.check(ms(5_000), 1).unwrap();
        bucket.take(&taken);
        bucket.true_up(taken, 4);
        assert_eq!(go(&mut bucket, ms(5_000), 1), Err(ms(8_000)));
        let taken = bucket.check(ms(20_000), 2).unwrap();
        bucket.take(&taken);
        bucket.true_up(taken, 1);
        assert_eq!(go(&mut bucket, ms(20_000), 1), Ok(()));
    }

    #[test]
    fn a_changed_limit_grants_nothing_at_once_and_takes_nothing_earned() {
        let mut bucket = Gcra::empty_at(limit(1, 1_000, 2), ms(0));
        let token = bucket.check(ms(10_000), 2).unwrap();
        bucket.take(&token);
        bucket.set_limit(limit(10, 1_000, 50), ms(10_000));
        assert!(!bucket.give_back(token), "a token of the earlier limit");
        assert_eq!(go(&mut bucket, ms(10_000), 1), Err(ms(10_100)));
        assert_eq!(bucket.opens_at(50), Some(ms(15_000)));
        bucket.set_limit(limit(1, 1_000, 3), ms(10_300));
        assert_eq!(go(&mut bucket, ms(10_300), 3), Ok(()), "three units were earned");
        bucket.set_limit(limit(1, 1_000, 3), ms(10_300));
        assert_eq!(bucket.opens_at(1), Some(ms(11_300)), "the same limit again changes nothing");
    }

    #[test]
    fn an_odd_rate_is_never_faster_than_it_says() {
        let mut bucket = Gcra::empty_at(limit(7, 1_000, 1), ms(0));
        let mut now = BootUs(0);
        for _ in 0..700 {
            now = bucket.check(now, 1).expect_err("one unit at a time");
            go(&mut bucket, now, 1).unwrap();
        }
        assert!(now >= ms(100_000), "{now:?}");
        assert!(now <= ms(100_001), "{now:?}");
    }

    #[derive(Debug, Clone)]
    enum Fate {
        Spend,
        GiveBack,
        Credit,
    }

    proptest! {
        /// I6, without the 250 ms that several nodes may add.
        #[test]
        fn no_window_lets_more_through_than_burst_and_rate(
            rate in 1u32..20, per_ms in 1u64..2_000, burst in 1u32..6,
            steps in prop::collection::vec(
                (0u64..700_000, 1u16..5,
                 prop_oneof![4 => Just(Fate::Spend), 1 => Just(Fate::GiveBack), 1 => Just(Fate::Credit)],
                 any::<bool>()),
                1..120),
        ) {
            let limit = limit(rate, per_ms, burst);
            let mut bucket = Gcra::empty_at(limit, BootUs(0));
            let mut now = BootUs(0);
            let mut sent: Vec<(u64, u64)> = Vec::new();
            for (pause, cost, fate, waits) in steps {
                now = BootUs(now.0 + pause);
                let taken = match bucket.check(now, cost) {
                    Ok(taken) => taken,
                    Err(at) => {
                        prop_assert!(at > now);
                        if !waits { continue }
                        now = at;
                        bucket.check(now, cost).expect("it said that this moment was the one")
                    }
                };
                bucket.take(&taken);
                match fate {
                    Fate::Spend => sent.push((now.0, u64::from(cost))),
                    Fate::GiveBack => prop_assert!(bucket.give_back(taken)),
                    Fate::Credit => { bucket.true_up(taken, 1); sent.push((now.0, 1)); }
                }
            }
            for first in 0..sent.len() {
                let mut units = 0;
                let mut largest = 0;
                for (at, cost) in &sent[first..] {
                    units += cost;
                    largest = largest.max(*cost);
                    let window_us = at - sent[first].0;
                    let above_burst = largest.saturating_sub(u64::from(burst));
                    // Units scaled by the period, to stay in integers.
                    let allowed = (u64::from(burst) + above_burst) * per_ms * 1_000 + u64::from(rate) * window_us;
                    prop_assert!(units * per_ms * 1_000 <= allowed, "{units} units in {window_us} µs");
                }
            }
            let (mut total, mut largest) = (0, 0);
            for (at, cost) in &sent {
                total += cost;
                largest = largest.max(*cost);
                let above_burst = largest.saturating_sub(u64::from(burst));
                prop_assert!(total * per_ms * 1_000 <= above_burst * per_ms * 1_000 + u64::from(rate) * at, "it started empty");
            }
        }
    }
}
