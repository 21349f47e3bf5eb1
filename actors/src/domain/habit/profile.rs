//! What is known of many contacts together.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::contact::take;
use super::echo::{Echo, HOURS as ECHO_HOURS};
use super::lesson::{Forecast, Lesson};
use super::rates::SCORED;
use super::week::{WEEK_HOURS, Week, bin_of, day_of, hour_of, kept, smoothed, total};

/// Days after which a count weighs a third: a population changes slowly, and holidays should not.
const MEMORY_DAYS: f32 = 90.0;
/// Active hours, spread evenly, that stand beside what was counted: an empty profile says "any hour".
const EVEN: f32 = WEEK_HOURS as f32;
/// Forecasts whose worth is kept; older ones fade.
const FORECASTS: f32 = 20_000.0;
/// Active hours of all contacts, at most, that stand beside those of an account's.
const LENT_HOURS: f32 = 50.0;
/// Likewise, forecasts.
const LENT_FORECASTS: f32 = 200.0;
/// Bytes of an encoded profile.
const ENCODED: usize = 8 + 4 * (WEEK_HOURS + SCORED + 1 + 2 * ECHO_HOURS);

/// When the contacts of an account (or of all accounts) are active, and which forecasts held for them.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    counts: Week,
    aged_day: i64,
    gains: [f32; SCORED],
    forecasts: f32,
    pub(super) echo: Echo,
}

impl Default for Profile {
    fn default() -> Self {
        Self { counts: [0.0; WEEK_HOURS], aged_day: 0, gains: [0.0; SCORED], forecasts: 0.0, echo: Echo::new() }
    }
}

impl Profile {
    /// Whether nothing was learned yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.aged_day == 0
    }

    /// Counts an active hour of one contact, and what it says of forecasts.
    pub fn take_in(&mut self, lesson: &Lesson) {
        if let Some(forecast) = &lesson.forecast {
            self.learn(forecast);
        }
        self.age_to(day_of(lesson.at));
        // One that comes late has aged, too.
        self.counts[bin_of(hour_of(lesson.at))] += kept(MEMORY_DAYS, self.aged_day - day_of(lesson.at));
    }

    /// Adds what was learned elsewhere.
    pub fn add(&mut self, other: &Self) {
        self.add_share(other, 1.0, 1.0);
        if self.forecasts > FORECASTS {
            let keep = FORECASTS / self.forecasts;
            self.gains = self.gains.map(|sum| sum * keep);
            self.forecasts = FORECASTS;
        }
    }

    /// This profile of an account, leaning on that of all as far as it knows little itself.
    #[must_use]
    pub fn leaning_on(&self, all: &Self) -> Self {
        let mut out = self.clone();
        let of_hours = (LENT_HOURS / total(&all.counts).max(1.0)).min(1.0);
        out.add_share(all, of_hours, (LENT_FORECASTS / all.forecasts.max(1.0)).min(1.0));
        out
    }

    fn add_share(&mut self, other: &Self, of_hours: f32, of_forecasts: f32) {
        self.age_to(other.aged_day);
        let of_hours = of_hours * kept(MEMORY_DAYS, self.aged_day - other.aged_day);
        let add = |into: &mut [f32], what: &[f32], share: f32| {
            for (sum, value) in into.iter_mut().zip(what) {
                *sum += value * share;
            }
        };
        add(&mut self.counts, &other.counts, of_hours);
        add(&mut self.gains, &other.gains, of_forecasts);
        add(&mut self.echo.met, &other.echo.met, of_forecasts);
        add(&mut self.echo.foretold, &other.echo.foretold, of_forecasts);
        self.forecasts += other.forecasts * of_forecasts;
    }

    fn age_to(&mut self, day: i64) {
        if day > self.aged_day {
            let keep = kept(MEMORY_DAYS, day - self.aged_day);
            for count in &mut self.counts {
                *count *= keep;
            }
            self.aged_day = day;
        }
    }

    /// Takes in how much better than the first view the others foretold an event, and what it followed.
    fn learn(&mut self, forecast: &Forecast) {
        if self.forecasts >= FORECASTS {
            let keep = 1.0 - 1.0 / FORECASTS;
            self.gains = self.gains.map(|sum| sum * keep);
            self.forecasts *= keep;
        }
        for (sum, gain) in self.gains.iter_mut().zip(forecast.gains) {
            *sum += gain;
        }
        self.forecasts += 1.0;
        self.echo.learn(forecast.met, &forecast.foretold);
    }

    /// The share of all activity that falls into each hour of the week.
    pub(super) fn shape(&self) -> Week {
        let even = EVEN / WEEK_HOURS as f32;
        let total = total(&self.counts) + EVEN;
        smoothed(&self.counts.map(|count| (count + even) / total))
    }

    /// What so many forecasts gained on average, for a contact that has no forecasts of its own.
    pub(super) fn usual_gains(&self, forecasts: f32) -> [f32; SCORED] {
        let worth = forecasts.min(self.forecasts) / self.forecasts.max(1.0);
        self.gains.map(|sum| sum * worth)
    }

    fn values_mut(&mut self) -> impl Iterator<Item = &mut f32> {
        let Self { counts, gains, forecasts, echo, .. } = self;
        let echo = echo.met.iter_mut().chain(&mut echo.foretold);
        counts.iter_mut().chain(gains).chain(std::iter::once(forecasts)).chain(echo)
    }
}

impl Serialize for Profile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::with_capacity(ENCODED);
        bytes.extend(self.aged_day.to_le_bytes());
        bytes.extend(self.clone().values_mut().flat_map(|value| value.to_le_bytes()));
        serializer.serialize_bytes(&bytes)
    }
}

impl<'de> Deserialize<'de> for Profile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = bytes::Bytes::deserialize(deserializer)?;
        if bytes.len() != ENCODED {
            return Err(D::Error::custom(format!("cannot read a profile of {} bytes: it has {ENCODED}", bytes.len())));
        }
        let mut rest = &bytes[..];
        let mut profile = Self { aged_day: i64::from_le_bytes(take(&mut rest)), ..Self::default() };
        for value in profile.values_mut() {
            *value = f32::from_le_bytes(take(&mut rest));
        }
        Ok(profile)
    }
}
