//! What is kept of one contact.
//!
//! Counted are active hours, not events: ten clicks within a minute say no more of the habit than one. Two
//! memories stand side by side: the hours of the week over months, and the hours of the day over a week, which
//! sees a changed habit soon. Both age once a day, not at each event: small steps would be lost in rounding.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::echo::HOURS as ECHO_HOURS;
use super::profile::Profile;
use super::rates::{self, SCORED, VIEWS};
use super::week::{DAY_HOURS, WEEK_HOURS, Week, bin_of, day_of, hour_of, kept, total, weeks_observed};
use crate::domain::clock::UnixMs;

/// Days after which a count of the hours of the week weighs a third.
pub(super) const LONG_DAYS: f32 = 45.0;
/// Days after which a count of the hours of the day weighs a third.
pub(super) const SHORT_DAYS: f32 = 7.0;
/// Events after which a view's forecast weighs a third.
const FORECAST_EVENTS: f32 = 100.0;
/// Active hours that a contact needs before its first forecast is scored.
const SCORED_FROM: f32 = 2.5;

/// One active hour in the long memory. An hour of the week active each week sums to 6.9: below 8.
const LONG_UNIT: f32 = 8192.0;
/// One active hour in the short memory. An hour active each day sums to 7.5: below 8.
const SHORT_UNIT: f32 = 32.0;
/// One nat of a forecast's score.
const SCORE_UNIT: f32 = 32.0;

/// Bytes of an encoded habit.
const ENCODED: usize = 4 + 4 + 4 + 8 + 2 * WEEK_HOURS + DAY_HOURS + 2 * SCORED;

/// The habit of one contact: at which hours of the week it is active.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Habit {
    /// First hour seen, in hours since 1970.
    first_hour: u32,
    /// Last active hour.
    last_hour: u32,
    /// The day to which the counts are aged.
    aged_day: u32,
    /// Bit `n`: active `n` hours before the last active hour.
    recent: u64,
    long: [u16; WEEK_HOURS],
    short: [u8; DAY_HOURS],
    /// How much better than the first view the others foretold this contact's events.
    scores: [i16; SCORED],
}

impl Default for Habit {
    fn default() -> Self {
        Self {
            first_hour: 0,
            last_hour: 0,
            aged_day: 0,
            recent: 0,
            long: [0; WEEK_HOURS],
            short: [0; DAY_HOURS],
            scores: [0; SCORED],
        }
    }
}

/// The counts of a habit, aged to a moment.
pub(super) struct Counts {
    pub(super) long: Week,
    /// Weeks that the long counts were collected in.
    pub(super) long_weeks: f32,
    pub(super) short: [f32; DAY_HOURS],
    /// Weeks that the short counts were collected in.
    pub(super) short_weeks: f32,
}

impl Habit {
    /// Whether anything was seen yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.recent == 0
    }

    /// Takes in that the contact was active, and lets the profile learn from it.
    ///
    /// The instant is of the contact's own clock. An event of an hour that was counted says nothing new; one from
    /// before the last active hour is counted where it belongs, but teaches nothing of forecasts.
    pub fn saw(&mut self, at: UnixMs, profile: &mut Profile) {
        // Before 1970 and after the year 400,000 nothing is active.
        let Ok(hour) = u32::try_from(hour_of(at)) else { return };
        if self.is_empty() {
            self.first_hour = hour;
            self.last_hour = hour;
            self.aged_day = hour / DAY_HOURS as u32;
            self.recent = 1;
        } else if hour > self.last_hour {
            self.learn(at, hour, profile);
            let step = hour - self.last_hour;
            self.recent = self.recent.checked_shl(step).unwrap_or(0) | 1;
            self.last_hour = hour;
        } else {
            let back = self.last_hour - hour;
            let Some(bit) = 1_u64.checked_shl(back) else { return };
            if self.recent & bit != 0 {
                return;
            }
            self.recent |= bit;
            self.first_hour = self.first_hour.min(hour);
        }
        self.age_to(hour / DAY_HOURS as u32);
        let bin = bin_of(hour.into());
        self.long[bin] = self.long[bin].saturating_add(LONG_UNIT as u16);
        let hour_of_day = bin % DAY_HOURS;
        self.short[hour_of_day] = self.short[hour_of_day].saturating_add(SHORT_UNIT as u8);
        profile.saw(at);
    }

    /// Scores what each view had foretold, before the event is counted.
    fn learn(&mut self, at: UnixMs, hour: u32, profile: &mut Profile) {
        let counts = self.counts(at);
        if total(&counts.long) < SCORED_FROM {
            return;
        }
        let views = rates::views(&counts, profile);
        let bin = bin_of(hour.into());
        let forecast = views.map(|view| (view[bin] / total(&view)).max(1e-9).ln());
        let mut gains = [0.0; SCORED];
        for (gain, of_view) in gains.iter_mut().zip(&forecast[1..]) {
            *gain = (of_view - forecast[0]).clamp(-5.0, 5.0);
        }
        let echoed = rates::mixed(&views, &self.weights(profile));
        profile.learn(&gains, |echo| echo.learn(self.recent, hour - self.last_hour, &echoed, hour));
        let keep = 1.0 - 1.0 / FORECAST_EVENTS;
        for (score, gain) in self.scores.iter_mut().zip(gains) {
            // Casts to integers saturate.
            *score = (f32::from(*score) * keep + gain * SCORE_UNIT) as i16;
        }
    }

    /// How much each view counts for this contact.
    pub(super) fn weights(&self, profile: &Profile) -> [f32; VIEWS] {
        rates::weights(&self.scores.map(|score| f32::from(score) / SCORE_UNIT), profile)
    }

    fn age_to(&mut self, day: u32) {
        let days = i64::from(day) - i64::from(self.aged_day);
        if days <= 0 {
            return;
        }
        // Rounded down, so that what is never renewed is gone in the end.
        let long = kept(LONG_DAYS, days);
        self.long = self.long.map(|count| (f32::from(count) * long) as u16);
        let short = kept(SHORT_DAYS, days);
        self.short = self.short.map(|count| (f32::from(count) * short) as u8);
        self.aged_day = day;
    }

    /// The counts as they weigh at a moment.
    pub(super) fn counts(&self, now: UnixMs) -> Counts {
        let days = day_of(now) - i64::from(self.aged_day);
        let long = kept(LONG_DAYS, days) / LONG_UNIT;
        let short = kept(SHORT_DAYS, days) / SHORT_UNIT;
        let observed = (hour_of(now) - i64::from(self.first_hour)).max(0) as f32 / DAY_HOURS as f32;
        Counts {
            long: self.long.map(|count| f32::from(count) * long),
            long_weeks: weeks_observed(LONG_DAYS, observed),
            short: self.short.map(|count| f32::from(count) * short),
            short_weeks: weeks_observed(SHORT_DAYS, observed),
        }
    }

    /// Hours from the last active hour to an hour, if it is recent enough to matter.
    pub(super) fn hours_since_active(&self, hour: i64) -> Option<usize> {
        if self.is_empty() {
            return None;
        }
        usize::try_from(hour - i64::from(self.last_hour)).ok().filter(|since| *since <= ECHO_HOURS)
    }

    fn to_bytes(&self) -> [u8; ENCODED] {
        let mut out = [0; ENCODED];
        let fields = [self.first_hour, self.last_hour, self.aged_day].into_iter().flat_map(u32::to_le_bytes);
        let bytes = fields
            .chain(self.recent.to_le_bytes())
            .chain(self.long.into_iter().flat_map(u16::to_le_bytes))
            .chain(self.short)
            .chain(self.scores.into_iter().flat_map(i16::to_le_bytes));
        for (slot, byte) in out.iter_mut().zip(bytes) {
            *slot = byte;
        }
        out
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, HabitError> {
        if bytes.len() != ENCODED {
            return Err(HabitError { length: bytes.len() });
        }
        let mut rest = bytes;
        let mut habit = Self {
            first_hour: u32::from_le_bytes(take(&mut rest)),
            last_hour: u32::from_le_bytes(take(&mut rest)),
            aged_day: u32::from_le_bytes(take(&mut rest)),
            recent: u64::from_le_bytes(take(&mut rest)),
            ..Self::default()
        };
        habit.long = std::array::from_fn(|_| u16::from_le_bytes(take(&mut rest)));
        habit.short = take(&mut rest);
        habit.scores = std::array::from_fn(|_| i16::from_le_bytes(take(&mut rest)));
        Ok(habit)
    }
}

/// The next bytes; zeroes if there are none left, which the length was checked against.
fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (taken, left) = rest.split_first_chunk().map_or(([0; N], &[][..]), |(taken, left)| (*taken, left));
    *rest = left;
    taken
}

/// A stored habit that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot read a habit of {length} bytes: it has {ENCODED}")]
pub struct HabitError {
    length: usize,
}

impl Serialize for Habit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.to_bytes())
    }
}

impl<'de> Deserialize<'de> for Habit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = bytes::Bytes::deserialize(deserializer)?;
        Self::from_bytes(&bytes).map_err(D::Error::custom)
    }
}
