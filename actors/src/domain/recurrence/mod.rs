//! Recurrence: when a series happens, by the clock on the wall. Pure.
//!
//! A [`Recurrence`] is what RFC 5545 writes as `RRULE`, with further moments (`RDATE`) and moments left out (`EXDATE`).
//! It knows nothing of zones: it names [`Civil`] times, counted from the one that the series begins with, and
//! [`moments`] finds the instants that these are in a zone. So a series at nine stays at nine when clocks are changed.
//!
//! - The first occurrence is the first moment from the beginning on that the rule has; the beginning itself is one only
//!   if it fits. `COUNT` counts what the rule has, also what `EXDATE` leaves out, and no `RDATE`.
//! - `UNTIL` is inclusive. A date means all of that day, a time without `Z` the series' own clock.
//! - Where the next occurrence lies is computed from the one before, never by walking from the beginning: a series
//!   that is decades old costs what a new one does. Only `COUNT`, which is bounded, has to be counted through.
//! - Everything is bounded: the text, each list, the years that are searched for a moment.
//! - What is not understood is refused with words that say what is; no part of a rule is ever passed over.

mod error;
pub mod moments;
mod parse;
mod rule;
mod text;
mod words;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use error::RecurrenceError;
pub use rule::{Day, End, Frequency, Rule, Until};

use super::zone::WallError;

/// A date and a time of day, whole seconds, of no zone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Civil(jiff::civil::DateTime);

impl fmt::Display for Civil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Civil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Civil {
    type Err = WallError;

    /// `2026-12-01T09:00` or `2026-12-01T09:00:00`; a part of a second is left away.
    fn from_str(text: &str) -> Result<Self, WallError> {
        super::zone::civil(text).map(Self)
    }
}

impl Serialize for Civil {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Civil {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// How far a series has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The occurrence.
    pub at: Civil,
    /// How many moments the rule has up to here, those left out included.
    pub counted: u32,
}

/// A moment, or a day, that is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Excluded {
    Day(jiff::civil::Date),
    Moment(Civil),
}

/// When a series happens. Shown and stored as its canonical text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recurrence {
    rule: Rule,
    /// Sorted, each once.
    added: Vec<Civil>,
    /// Sorted, each once.
    excluded: Vec<Excluded>,
}

impl Recurrence {
    /// Longest text that is read, in bytes.
    pub const MAX_LEN: usize = 4_096;
    /// Most moments that `EXDATE` or `RDATE` name.
    pub const MAX_DATES: usize = 100;
    /// Highest `COUNT`.
    pub const MAX_COUNT: u32 = 1_000;

    /// Its rule.
    #[must_use]
    pub const fn rule(&self) -> &Rule {
        &self.rule
    }

    /// The next occurrence of a series that begins with `start`, after this one; the first one, if there is none yet.
    ///
    /// A rule whose next moment is more than [`Rule::SEARCHED_YEARS`] away has none. `UNTIL` in UTC is not looked at
    /// here: it needs a zone.
    #[must_use]
    pub fn next(&self, start: Civil, last: Option<Place>) -> Option<Place> {
        let is_next = |at: Civil| last.map_or(at >= start, |last| at > last.at);
        let added = self.added.iter().copied().find(|at| is_next(*at) && !self.is_excluded(*at));
        let (mut after, mut counted) = (last.map(|last| last.at), last.map_or(0, |last| last.counted));
        loop {
            match self.own_next(start, after, counted) {
                Some(at) if added.is_none_or(|added| at <= added) => {
                    counted += 1;
                    after = Some(at);
                    if !self.is_excluded(at) {
                        return Some(Place { at, counted });
                    }
                }
                _ => return added.map(|at| Place { at, counted }),
            }
        }
    }

    /// The first occurrence after `last` that is not before `at`.
    #[must_use]
    pub fn next_from(&self, start: Civil, last: Option<Place>, at: Civil) -> Option<Place> {
        if matches!(self.rule.end, End::Count(_)) {
            // Bounded by the count.
            let mut place = self.next(start, last)?;
            while place.at < at {
                place = self.next(start, Some(place))?;
            }
            return Some(place);
        }
        match at.0.checked_sub(jiff::Span::new().seconds(1)) {
            Ok(before) if before >= start.0 && last.is_none_or(|last| last.at.0 < before) => {
                self.next(start, Some(Place { at: Civil(before), counted: 0 }))
            }
            _ => self.next(start, last),
        }
    }

    /// The next moment of the rule alone.
    fn own_next(&self, start: Civil, after: Option<Civil>, counted: u32) -> Option<Civil> {
        let is_over = |at: &Civil| match self.rule.end {
            End::Never | End::Until(Until::Utc(_)) => false,
            End::Count(count) => counted >= count,
            End::Until(Until::Day(day)) => at.0.date() > day,
            End::Until(Until::Local(until)) => *at > until,
        };
        self.rule.next(start, after).filter(|at| !is_over(at))
    }

    fn is_excluded(&self, at: Civil) -> bool {
        self.excluded.binary_search(&Excluded::Moment(at)).is_ok()
            || self.excluded.binary_search(&Excluded::Day(at.0.date())).is_ok()
    }
}

impl fmt::Display for Recurrence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::write(self, f)
    }
}

impl FromStr for Recurrence {
    type Err = RecurrenceError;

    fn from_str(text: &str) -> Result<Self, RecurrenceError> {
        parse::parse(text)
    }
}

impl Serialize for Recurrence {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Recurrence {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod table_tests;
#[cfg(test)]
mod tests;
