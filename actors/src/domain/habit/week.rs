//! The week as a circle of 168 hours, and the ageing of what is counted on it.

use crate::domain::clock::UnixMs;

pub(super) const DAY_HOURS: usize = 24;
pub(super) const WEEK_DAYS: usize = 7;
pub(super) const WEEK_HOURS: usize = DAY_HOURS * WEEK_DAYS;

const HOUR_MS: i64 = 3_600_000;

/// A quantity for each hour of the week.
pub(super) type Week = [f32; WEEK_HOURS];

/// How much of an hour's count is taken to belong to each of its neighbours.
const NEIGHBOUR: f32 = 0.3;

/// Full hours since 1970, by the contact's clock.
pub(super) fn hour_of(at: UnixMs) -> i64 {
    at.0.div_euclid(HOUR_MS)
}

/// Full days since 1970, by the contact's clock.
pub(super) fn day_of(at: UnixMs) -> i64 {
    hour_of(at).div_euclid(DAY_HOURS as i64)
}

/// Which hour of the week an hour is.
pub(super) fn bin_of(hour: i64) -> usize {
    // A remainder by 168 lies in 0..168.
    hour.rem_euclid(WEEK_HOURS as i64) as usize
}

/// How far into its hour an instant lies, in 0..1.
pub(super) fn part_of_hour(at: UnixMs) -> f32 {
    at.0.rem_euclid(HOUR_MS) as f32 / HOUR_MS as f32
}

/// The week with each hour blended with its neighbours; the total stays.
pub(super) fn smoothed(week: &Week) -> Week {
    let mut out = [0.0; WEEK_HOURS];
    let last = WEEK_HOURS - 1;
    for at in 1..last {
        out[at] = week[at] + NEIGHBOUR * (week[at - 1] + week[at + 1]);
    }
    out[0] = week[0] + NEIGHBOUR * (week[last] + week[1]);
    out[last] = week[last] + NEIGHBOUR * (week[last - 1] + week[0]);
    let whole = 1.0 + 2.0 * NEIGHBOUR;
    out.map(|value| value / whole)
}

/// The sum over the week, in eight strands: one strand waits for each addition, and takes most of a forecast's time.
pub(super) fn total(week: &Week) -> f32 {
    let mut strands = [0.0_f32; 8];
    for hours in week.chunks_exact(8) {
        for (strand, hour) in strands.iter_mut().zip(hours) {
            *strand += hour;
        }
    }
    strands.iter().sum()
}

/// What is left of a count after so many days, for a memory of `memory_days`.
pub(super) fn kept(memory_days: f32, days: i64) -> f32 {
    // More than ten thousand days leave nothing either way.
    (-(days.clamp(0, 10_000) as f32) / memory_days).exp()
}

/// For how many weeks, aged like the counts, something was observed that began `days` ago.
pub(super) fn weeks_observed(memory_days: f32, days: f32) -> f32 {
    memory_days * (1.0 - (-days.max(1.0) / memory_days).exp()) / WEEK_DAYS as f32
}
