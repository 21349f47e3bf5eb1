//! What is known of many contacts together.

use super::echo::Echo;
use super::rates::SCORED;
use super::week::{WEEK_HOURS, Week, day_of, kept, smoothed, total};
use crate::domain::clock::UnixMs;

/// Days after which a count weighs a third: a population changes slowly, and holidays should not.
const MEMORY_DAYS: f32 = 90.0;
/// Active hours, spread evenly, that stand beside what was counted: an empty profile says "any hour".
const EVEN: f32 = WEEK_HOURS as f32;
/// Forecasts whose worth is kept; older ones fade.
const FORECASTS: f32 = 20_000.0;

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
    /// Counts an active hour of one contact.
    pub(super) fn saw(&mut self, at: UnixMs) {
        let day = day_of(at);
        if day > self.aged_day {
            let keep = kept(MEMORY_DAYS, day - self.aged_day);
            for count in &mut self.counts {
                *count *= keep;
            }
            self.aged_day = day;
        }
        self.counts[super::week::bin_of(super::week::hour_of(at))] += 1.0;
    }

    /// Takes in how much better than the first view the others foretold an event, and what followed it.
    pub(super) fn learn(&mut self, gains: &[f32; SCORED], echo: impl FnOnce(&mut Echo)) {
        if self.forecasts >= FORECASTS {
            let keep = 1.0 - 1.0 / FORECASTS;
            self.gains = self.gains.map(|sum| sum * keep);
            self.forecasts *= keep;
        }
        for (sum, gain) in self.gains.iter_mut().zip(gains) {
            *sum += gain;
        }
        self.forecasts += 1.0;
        echo(&mut self.echo);
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
}
