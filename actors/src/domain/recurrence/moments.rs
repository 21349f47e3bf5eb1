//! From an occurrence on the wall to its instant in a zone.
//!
//! A time that clocks skip moves as the message asks for (ahead by default), one that they repeat takes the first; where
//! the message asks for a refusal, that occurrence is left out. Two occurrences that a clock change puts on one instant
//! are one: instants of a series always grow.

use super::rule::{End, Until};
use super::{Civil, Place, Recurrence};
use crate::domain::clock::UnixMs;
use crate::domain::schedule::{FoldPolicy, GapPolicy, Resolution};
use crate::domain::zone::{self, TimeZone};

/// Occurrences that are looked at one by one; from then on those that have passed are leapt over.
const MAX_WALKED: u32 = 1_000;

/// The clock that a series goes by.
#[derive(Debug, Clone, Copy)]
pub struct Clock<'a> {
    /// Its zone.
    pub zone: &'a TimeZone,
    /// What to do with a time that clocks skip.
    pub gap: GapPolicy,
    /// What to do with one that they repeat.
    pub fold: FoldPolicy,
}

/// An occurrence as it lies in a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Which.
    pub place: Place,
    /// Its instant.
    pub at: UnixMs,
    /// How it met a clock change.
    pub resolution: Resolution,
    /// Occurrences before it that had passed already; at most a thousand are counted.
    pub passed: u32,
}

/// The first occurrence after the last one whose instant is not before `not_before`; `None`: the series is over.
#[must_use]
pub fn next(
    recurrence: &Recurrence,
    start: Civil,
    last: Option<(Place, UnixMs)>,
    clock: Clock<'_>,
    not_before: UnixMs,
) -> Option<Moment> {
    let until = match recurrence.rule().end {
        End::Until(Until::Utc(until)) => until,
        _ => UnixMs::MAX,
    };
    let mut place = last.map(|(place, _)| place);
    let (mut passed, mut has_leapt) = (0, false);
    // What is left out for a clock change is no more than a few in a row; a rule that has nothing else is over.
    for _ in 0..MAX_WALKED + 64 {
        let next = if passed >= MAX_WALKED && !std::mem::replace(&mut has_leapt, true) {
            // A day earlier: whatever a clock change does, nothing ahead is leapt over.
            recurrence.next_from(start, place, Civil(zone::civil_at(clock.zone, UnixMs(not_before.0 - DAY_MS))?))?
        } else {
            recurrence.next(start, place)?
        };
        place = Some(next);
        let Ok((at, resolution)) = zone::resolve(&next.at.to_string(), clock.zone, clock.gap, clock.fold) else {
            continue;
        };
        if at > until {
            return None;
        }
        if last.is_some_and(|(_, last)| at <= last) {
            continue;
        }
        if at >= not_before {
            return Some(Moment { place: next, at, resolution, passed });
        }
        passed = (passed + 1).min(MAX_WALKED);
    }
    None
}

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
