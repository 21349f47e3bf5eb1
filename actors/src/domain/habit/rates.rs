//! The views: from the counts of a contact and the shape of all, how many active hours a week each hour expects.
//!
//! Each is a chain of shrinkage, from the shape of all contacts at this contact's level of activity, over its day
//! and its weekdays, to its own week. They differ in how much evidence they ask for, and how far they look back.

use super::contact::Counts;
use super::profile::Profile;
use super::week::{DAY_HOURS, WEEK_DAYS, WEEK_HOURS, Week, smoothed, total};

/// How many views there are: the shape of all; the own day and weekdays, long and short; the own week at three
/// strengths.
pub(super) const VIEWS: usize = 6;
/// All are scored against the first.
pub(super) const SCORED: usize = VIEWS - 1;

/// Weeks of the expected that stand beside the counts of an hour of the day, as a share of an hour of the week.
const DAY_PRIOR: f32 = 3.0 / WEEK_HOURS as f32;
/// Likewise for a weekday.
const WEEKDAY_PRIOR: f32 = 3.0 / WEEK_DAYS as f32;
/// Weeks of the expected that stand beside the counts of an hour of the week: one for each of the last views.
const WEEK_PRIORS: [f32; 3] = [1.0, 4.0, 16.0];
/// Forecasts of others that weigh as much as a contact's own.
const USUAL_FORECASTS: f32 = 20.0;

/// What each view expects: active hours in each hour of the week.
pub(super) fn views(counts: &Counts, profile: &Profile) -> [Week; VIEWS] {
    let level = (total(&counts.long) + 1.0) / (counts.long_weeks + 0.2);
    let all = profile.shape().map(|share| share * level);
    let own = smoothed(&counts.long);

    let mut days = [0.0_f32; DAY_HOURS];
    let mut days_expected = [0.0_f32; DAY_HOURS];
    let mut weekdays = [0.0_f32; WEEK_DAYS];
    let mut weekdays_expected = [0.0_f32; WEEK_DAYS];
    for (weekday, (hours, expected)) in own.chunks(DAY_HOURS).zip(all.chunks(DAY_HOURS)).enumerate() {
        for hour in 0..DAY_HOURS {
            days[hour] += hours[hour];
            days_expected[hour] += expected[hour];
            weekdays[weekday] += hours[hour];
            weekdays_expected[weekday] += expected[hour];
        }
    }
    let by_weekday: [f32; WEEK_DAYS] = std::array::from_fn(|weekday| {
        ratio(weekdays[weekday], weekdays_expected[weekday] * counts.long_weeks, level * WEEKDAY_PRIOR)
    });
    let by_hour = |seen: &[f32; DAY_HOURS], weeks: f32| -> [f32; DAY_HOURS] {
        std::array::from_fn(|hour| ratio(seen[hour], days_expected[hour] * weeks, level * DAY_PRIOR))
    };
    let product = |by_hour: &[f32; DAY_HOURS]| -> Week {
        let mut out: Week = all;
        for (day, factor) in out.chunks_mut(DAY_HOURS).zip(by_weekday) {
            for (value, of_hour) in day.iter_mut().zip(by_hour) {
                *value *= factor * of_hour;
            }
        }
        let scale = level / total(&out);
        out.map(|value| value * scale)
    };
    let long = product(&by_hour(&days, counts.long_weeks));
    let short = product(&by_hour(&smoothed_day(&counts.short), counts.short_weeks));
    let week = |prior: f32| -> Week {
        let weeks = counts.long_weeks + prior;
        std::array::from_fn(|at| (own[at] + prior * long[at]) / weeks)
    };
    let [weak, fair, strong] = WEEK_PRIORS.map(week);
    [all, long, short, weak, fair, strong]
}

/// Observed over expected, drawn towards one.
fn ratio(observed: f32, expected: f32, prior: f32) -> f32 {
    (observed + prior) / (expected + prior)
}

/// The day as a circle, smoothed as the week is.
fn smoothed_day(day: &[f32; DAY_HOURS]) -> [f32; DAY_HOURS] {
    let week: Week = std::array::from_fn(|at| day[at % DAY_HOURS]);
    let smooth = smoothed(&week);
    std::array::from_fn(|hour| smooth[hour])
}

/// The weight of each view, from its scores over the first: Bayes' rule with what held for the others as prior.
pub(super) fn weights(own: &[f32; SCORED], profile: &Profile) -> [f32; VIEWS] {
    let usual = profile.usual_gains(USUAL_FORECASTS);
    let mut scores = [0.0; VIEWS];
    for (at, score) in scores[1..].iter_mut().enumerate() {
        *score = own[at] + usual[at];
    }
    let best = scores.iter().copied().fold(0.0, f32::max);
    let shares = scores.map(|score| (score - best).exp());
    let total: f32 = shares.iter().sum();
    shares.map(|share| share / total)
}

/// The views in one, by their weights.
pub(super) fn mixed(views: &[Week; VIEWS], weights: &[f32; VIEWS]) -> Week {
    let mut out = [0.0; WEEK_HOURS];
    for (view, weight) in views.iter().zip(weights) {
        for (sum, value) in out.iter_mut().zip(view) {
            *sum += weight * value;
        }
    }
    out
}
