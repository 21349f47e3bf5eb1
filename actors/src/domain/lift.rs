//! What choosing the moment of a smart message gains: how often each arm of them was responded to, with intervals.
//!
//! Counted is a message's first response (an open, a click, an answer) within an hour and within a day of its hand-over.
//! Messages are taken to be independent of each other; where few contacts get many of them the intervals are too narrow.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::plan::smart::Arm;

/// The square of the normal quantile of a 95 % interval.
const Z95_SQUARED: f64 = 3.841_459;
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What became of the messages of one arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Handed over.
    pub sent: u64,
    /// Responded to within an hour.
    pub within_hour: u64,
    /// Responded to within a day.
    pub within_day: u64,
}

/// Something that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A message was handed over.
    Sent,
    /// It was responded to for the first time, so long after.
    Responded(Duration),
}

/// What became of an account's smart messages, by arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally([Counts; Arm::COMPARED.len()]);

impl Tally {
    /// Counts a step; arms that are not compared count nothing.
    pub fn count(&mut self, arm: Arm, step: Step) {
        let Some(at) = Arm::COMPARED.iter().position(|compared| *compared == arm) else { return };
        let counts = &mut self.0[at];
        match step {
            Step::Sent => counts.sent += 1,
            Step::Responded(after) => {
                counts.within_hour += u64::from(after <= HOUR);
                counts.within_day += u64::from(after <= DAY);
            }
        }
    }

    /// Adds what was counted elsewhere.
    pub fn add(&mut self, other: &Self) {
        for (counts, more) in self.0.iter_mut().zip(other.0) {
            counts.sent += more.sent;
            counts.within_hour += more.within_hour;
            counts.within_day += more.within_day;
        }
    }

    /// Each compared arm with its counts.
    pub fn arms(&self) -> impl Iterator<Item = (Arm, Counts)> + '_ {
        Arm::COMPARED.into_iter().zip(self.0)
    }
}

/// A value and its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The value.
    pub value: f64,
    /// Its interval.
    pub ci95: [f64; 2],
}

/// How often something happened, with Wilson's interval; none of none may be anything.
#[must_use]
pub fn rate(happened: u64, of: u64) -> Estimate {
    if of == 0 {
        return Estimate { value: 0.0, ci95: [0.0, 1.0] };
    }
    let (n, p) = (of as f64, happened.min(of) as f64 / of as f64);
    let middle = p + Z95_SQUARED / (2.0 * n);
    let half = (Z95_SQUARED * (p * (1.0 - p) + Z95_SQUARED / (4.0 * n)) / n).sqrt();
    let whole = 1.0 + Z95_SQUARED / n;
    Estimate { value: p, ci95: [((middle - half) / whole).max(0.0), ((middle + half) / whole).min(1.0)] }
}

/// The first rate less the second, with Newcombe's interval (his method 10).
#[must_use]
pub fn difference(first: Estimate, second: Estimate) -> Estimate {
    let value = first.value - second.value;
    let below = (first.value - first.ci95[0]).hypot(second.ci95[1] - second.value);
    let above = (first.ci95[1] - first.value).hypot(second.value - second.ci95[0]);
    Estimate { value, ci95: [(value - below).max(-1.0), (value + above).min(1.0)] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_near(estimate: Estimate, value: f64, low: f64, high: f64) -> bool {
        let near = |a: f64, b: f64| (a - b).abs() < 5e-4;
        near(estimate.value, value) && near(estimate.ci95[0], low) && near(estimate.ci95[1], high)
    }

    #[test]
    fn intervals_are_those_of_the_literature() {
        // Newcombe 1998, "Interval estimation for the difference", table II, (a): 56/70 and 48/80.
        let (first, second) = (rate(56, 70), rate(48, 80));
        assert!(is_near(difference(first, second), 0.2, 0.0524, 0.3339), "{:?}", difference(first, second));
        // His "Two-sided confidence intervals for the single proportion", table I: 81/263, 15/148, 0/20, 1/29.
        for (happened, of, low, high) in
            [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)]
        {
            let found = rate(happened, of);
            assert!(is_near(found, happened as f64 / of as f64, low, high), "{happened}/{of}: {found:?}");
        }
        assert_eq!(rate(0, 0), Estimate { value: 0.0, ci95: [0.0, 1.0] });
    }

    #[test]
    fn a_response_counts_by_when_it_came_and_arms_that_are_not_compared_do_not() {
        let mut tally = Tally::default();
        for arm in [Arm::Chosen, Arm::Chosen, Arm::Holdout, Arm::AtOnce, Arm::Named] {
            tally.count(arm, Step::Sent);
        }
        for after in [HOUR, HOUR + Duration::from_millis(1), DAY, DAY + Duration::from_millis(1)] {
            tally.count(Arm::Chosen, Step::Responded(after));
        }
        let mut twice = tally;
        twice.add(&tally);
        let counts = |sent, within_hour, within_day| Counts { sent, within_hour, within_day };
        let arms: Vec<_> = twice.arms().collect();
        let expected =
            [(Arm::Chosen, counts(4, 2, 6)), (Arm::Random, counts(0, 0, 0)), (Arm::Holdout, counts(2, 0, 0))];
        assert_eq!(arms, expected);
    }
}
