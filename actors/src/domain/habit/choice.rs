//! The choice of a moment.

use serde::{Deserialize, Serialize};

use super::contact::Habit;
use super::echo::chance;
use super::profile::Profile;
use super::rates;
use super::week::{WEEK_HOURS, Week, bin_of, hour_of, part_of_hour, total};
use crate::domain::clock::UnixMs;

/// How much a contact's own history stands behind a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Sureness {
    /// Fewer than five active hours: the choice is the population's.
    TooLittle,
    /// Fewer than twenty active hours.
    Low,
    /// Fewer than sixty.
    Fair,
    /// Sixty active hours or more.
    High,
}

impl Sureness {
    /// The name shown in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLittle => "too_little",
            Self::Low => "low",
            Self::Fair => "fair",
            Self::High => "high",
        }
    }

    fn of(active_hours: f32) -> Self {
        match active_hours {
            hours if hours < 5.0 => Self::TooLittle,
            hours if hours < 20.0 => Self::Low,
            hours if hours < 60.0 => Self::Fair,
            _ => Self::High,
        }
    }
}

/// A chosen moment, and why.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Choice {
    /// Which of the candidates.
    pub index: usize,
    /// The chosen moment.
    pub at: UnixMs,
    /// How likely the contact is active within the hour from then, 0 to 1: made to compare moments by. It runs low for
    /// who keeps to a habit (a quarter where two days of three were active), so it is not to be read as a percentage.
    pub chance: f32,
    /// The same chance for the first candidate: what sending at once would get.
    pub chance_at_once: f32,
    /// The same chance for the moment that the population alone would choose.
    pub chance_of_population: f32,
    /// How much the contact's own history stands behind it.
    pub sureness: Sureness,
}

/// Chooses the candidate with the best chance that the contact is active within the hour from it.
///
/// The earliest of equal candidates wins. `None` without candidates. `now` and the candidates are instants of the
/// contact's own clock; what the habit holds is from before `now`.
#[must_use]
pub fn choose(habit: &Habit, profile: &Profile, now: UnixMs, candidates: &[UnixMs]) -> Option<Choice> {
    let first = *candidates.first()?;
    let counts = habit.counts(now);
    let views = rates::views(&counts, profile);
    let week = rates::mixed(&views, &habit.weights(profile));
    // An echo is heard only while the contact was active just now.
    let just_active = habit.hours_since_active(hour_of(now)).is_some_and(|since| since <= 1);
    let factors: [f32; super::echo::HOURS + 1] = if just_active {
        std::array::from_fn(|after| profile.echo.factor(after))
    } else {
        [1.0; super::echo::HOURS + 1]
    };
    let chance_at = |at: UnixMs| {
        let hour = hour_of(at);
        let of_hour = |hour: i64| {
            let factor = habit.hours_since_active(hour).map_or(1.0, |since| factors[since]);
            (chance(week[bin_of(hour)]) * factor).min(0.99)
        };
        blend(of_hour(hour), of_hour(hour + 1), part_of_hour(at))
    };
    let (index, at, best) = best_of(candidates, chance_at).unwrap_or((0, first, 0.0));
    let shape = profile.shape();
    let (_, of_population, _) = best_of(candidates, |at| share_at(&shape, at)).unwrap_or((0, first, 0.0));
    Some(Choice {
        index,
        at,
        chance: best,
        chance_at_once: chance_at(first),
        chance_of_population: chance_at(of_population),
        sureness: Sureness::of(total(&counts.long)),
    })
}

fn share_at(shape: &Week, at: UnixMs) -> f32 {
    let bin = bin_of(hour_of(at));
    blend(shape[bin], shape[(bin + 1) % WEEK_HOURS], part_of_hour(at))
}

/// The hour from an instant lies in two hours of the clock.
///
/// Of two equal hours it makes exactly that: weighted one by one they come out a rounding below, and a moment in the
/// middle of an hour would lose to an equal one at its end.
fn blend(this: f32, next: f32, part: f32) -> f32 {
    this + (next - this) * part
}

fn best_of(candidates: &[UnixMs], worth: impl Fn(UnixMs) -> f32) -> Option<(usize, UnixMs, f32)> {
    let mut best: Option<(usize, UnixMs, f32)> = None;
    for (index, &at) in candidates.iter().enumerate() {
        let value = worth(at);
        if best.is_none_or(|(_, _, most)| value > most) {
            best = Some((index, at, value));
        }
    }
    best
}
