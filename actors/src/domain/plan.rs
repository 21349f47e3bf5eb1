//! From what an author meant by "when" to a due time, with what it was delayed by. Pure.
//!
//! An intent names a [`moment`]; the [`Calendar`] of the message says from when on it may go; [`plan`] puts the two
//! together, and [`fit`] does so again for a message whose moment has come. The due time is the first permitted
//! moment that is not before the one asked for: planned again, it stays what it is.
//!
//! What is not understood, or lies in the past, is refused: it never becomes "now". The one grace is
//! [`LATE_GRACE`], for a request that was under way while its moment passed. Where the rules leave no moment before
//! the message expires, that is an error that names the rule.

mod calendar;
pub mod smart;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use calendar::{Calendar, Cause, Delay, MAX_DELAY};

use super::address::Channel;
use super::clock::UnixMs;
use super::instant::parse_instant;
use super::message::Class;
use super::schedule::{FoldPolicy, GapPolicy, IfLate, Intent, QuietHoursPolicy, Resolution, WallClock};
use super::sending_rules::SendingRules;
use super::zone::{self, TimeZone, WallError, ZoneError};

/// A moment that passed no longer ago than this means now.
pub const LATE_GRACE: Duration = Duration::from_secs(60);

/// Nothing is scheduled further ahead: ten years, three of them leap years at most.
pub const MAX_AHEAD: Duration = Duration::from_secs(3_653 * 24 * 60 * 60);

/// Why an intent has no due time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// More than [`LATE_GRACE`] ago.
    #[error("the time is in the past: choose a later one, or `now`")]
    InThePast,
    /// More than [`MAX_AHEAD`] from now.
    #[error("the time is more than ten years ahead: choose an earlier one")]
    TooFar,
    /// The zone of a wall-clock time is not one.
    #[error(transparent)]
    Zone(#[from] ZoneError),
    /// A window that ends before it begins.
    #[error("the window is empty: its `to` must lie after its `from`")]
    EmptyWindow,
    /// A window that began more than [`LATE_GRACE`] ago.
    #[error("the window lies in the past: give one that is still to come")]
    WindowPassed,
    /// A window of more than [`smart::MAX_WINDOW`].
    #[error("the window is longer than seven days: choose a shorter one")]
    WindowTooLong,
    /// What is to happen with too little data would happen outside the window.
    #[error("the time to fall back to lies outside the window: choose one within it, or a longer window")]
    OutsideWindow,
    /// A wall-clock time without an instant.
    #[error(transparent)]
    Wall(#[from] WallError),
    /// It would have to wait, and its author wants it skipped then.
    #[error("the time falls into {0}, and `quiet_hours` is `skip`: choose another time, or `defer`")]
    Skipped(Cause),
    /// The rules leave no moment of a window.
    #[error(
        "{cause}: no moment is left before the window ends at {to}: choose a longer one, or change the account's rules"
    )]
    NoMomentInWindow {
        /// What is in the way at its end.
        cause: Cause,
        /// Its end.
        to: UnixMs,
    },
    /// The rules leave no moment before it expires.
    #[error(
        "{cause}: no moment is left before {until}, when it would expire: choose another time, a longer \
         `skip_after`, or change the account's rules"
    )]
    NoMoment {
        /// What is in the way.
        cause: Cause,
        /// Until when a moment was looked for.
        until: UnixMs,
    },
}

impl PlanError {
    /// The stable code shown in the API.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::InThePast => "in_the_past",
            Self::TooFar => "too_far",
            Self::EmptyWindow => "empty_window",
            Self::WindowPassed => "window_in_the_past",
            Self::WindowTooLong => "window_too_long",
            Self::OutsideWindow => "outside_window",
            Self::Zone(_) => "unknown_time_zone",
            Self::Wall(error) => error.code(),
            Self::Skipped(cause) => cause.code(),
            Self::NoMoment { .. } | Self::NoMomentInWindow { .. } => "no_moment_left",
        }
    }
}

/// What a message is planned by, besides its moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// What to do when it would have to wait.
    pub quiet_hours: QuietHoursPolicy,
    /// When it expires.
    pub if_late: IfLate,
}

/// A moment that was found for a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Planned {
    /// When it may go.
    pub due_at: UnixMs,
    /// Why that is not the moment asked for; none: it is.
    pub plan: Option<Plan>,
}

/// Why a message goes when it goes, if not just when it was asked for. Kept with it, so that it reads the same whenever
/// it is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The moment asked for, or chosen.
    pub wanted_at: UnixMs,
    /// The zone of the clock that the rules were held against.
    pub zone: String,
    /// What it waits for, in order; never empty, but for a moment that was chosen.
    pub delays: Vec<Delay>,
    /// How the moment was chosen; none: it was named.
    #[serde(default)]
    pub chosen: Option<Box<smart::Chosen>>,
}

/// What the pending messages of a partition were planned by.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PlannedBy {
    /// The release of the rules of zones; empty: nothing was planned again yet.
    pub zones: String,
    /// Changes of accounts' rules up to this instant.
    pub rules_until: UnixMs,
}

/// The first moment for an intent that the calendar permits, not before `now`.
///
/// # Errors
/// Says why there is none.
pub fn plan(intent: &Intent, terms: Terms, calendar: &Calendar<'_>, now: UnixMs) -> Result<Planned, PlanError> {
    let wanted_at = moment(intent, now)?;
    fit(wanted_at, wanted_at, terms, calendar)
}

/// The first moment from `from` on that the calendar permits to a message that was meant for `wanted_at`, from which
/// its lateness counts.
///
/// # Errors
/// It is to be skipped, or no moment is left.
pub fn fit(wanted_at: UnixMs, from: UnixMs, terms: Terms, calendar: &Calendar<'_>) -> Result<Planned, PlanError> {
    let expires_at = match terms.if_late {
        IfLate::SkipAfter(limit) => Some(wanted_at.plus(limit)),
        IfLate::Send | IfLate::Replan => None,
    };
    let Some(first) = calendar.obstacle(from).filter(|_| terms.quiet_hours != QuietHoursPolicy::Ignore) else {
        return Ok(Planned { due_at: from, plan: None });
    };
    if terms.quiet_hours == QuietHoursPolicy::Skip {
        return Err(PlanError::Skipped(first));
    }
    let (due_at, delays) = calendar.first(from, expires_at).map_err(|cause| {
        let limit = from.plus(MAX_DELAY);
        PlanError::NoMoment { cause, until: expires_at.map_or(limit, |expires_at| expires_at.min(limit)) }
    })?;
    let plan = Plan { wanted_at, zone: calendar.zone().name().to_owned(), delays, chosen: None };
    Ok(Planned { due_at, plan: Some(plan) })
}

/// The moment that an intent names. Never before `now`.
///
/// # Errors
/// Says why there is none.
pub fn moment(intent: &Intent, now: UnixMs) -> Result<UnixMs, PlanError> {
    match intent {
        Intent::Now => Ok(now),
        Intent::At(at) => within_reach(*at, now),
        Intent::Wall(wall) => within_reach(resolve_wall(wall)?.0, now),
        Intent::Smart(window) => Ok(window.from.max(now)),
    }
}

/// A message that is later than this is planned again, if its author wants that. A lane that is a little behind is no
/// reason to wait for another day.
pub const REPLAN_AFTER: Duration = Duration::from_secs(60 * 60);

/// The same time of day as the one that was missed, on the first day on which it is still ahead; `None` if it was
/// missed by less than [`REPLAN_AFTER`], or no time was named.
#[must_use]
pub fn next_time(intent: &Intent, due_at: UnixMs, now: UnixMs) -> Option<UnixMs> {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    if now.since(due_at) <= REPLAN_AFTER {
        return None;
    }
    match intent {
        // A window that has passed is no time of day.
        Intent::Now | Intent::Smart(_) => None,
        Intent::At(at) => {
            let days = now.since(*at).as_millis() / DAY.as_millis() + 1;
            Some(at.plus(DAY.saturating_mul(u32::try_from(days).ok()?)))
        }
        Intent::Wall(wall) => {
            let zone = TimeZone::parse(&wall.zone).ok()?;
            let (_, time_of_day) = wall.local.split_once(['T', 't'])?;
            let today = zone::show_in(&zone, now);
            // Two days ahead at most: today's may have passed.
            [0, 1, 2].into_iter().find_map(|days| {
                let date = UnixMs(parse_instant(&format!("{}T00:00Z", today.get(..10)?)).ok()?.0).plus(DAY * days);
                let local = format!("{}T{time_of_day}", date.to_string().get(..10)?);
                // Its author accepted a time that a clock change could move; refused is only what they ask for.
                let (at, _) = zone::resolve(&local, &zone, GapPolicy::Forward, FoldPolicy::First).ok()?;
                (at > now).then_some(at)
            })
        }
    }
}

/// The rule that leaves some messages no moment of any week, holidays aside, if there is one.
#[must_use]
pub fn shut(rules: &SendingRules) -> Option<Cause> {
    let weekly = SendingRules { holidays: Vec::new(), ..rules.clone() };
    let mut countries: Vec<_> = weekly.scopes().map(|scope| scope.country).collect();
    countries.sort_unstable();
    countries.dedup();
    let kinds = countries.into_iter().flat_map(|country| {
        Channel::TO_PEOPLE.into_iter().flat_map(move |channel| Class::ALL.map(|class| (channel, country, class)))
    });
    kinds.into_iter().find_map(|(channel, country, class)| {
        Calendar::of(&weekly, TimeZone::utc(), channel, country, class).first(UnixMs(0), Some(WEEK)).err()
    })
}

/// The end of the first week of 1970.
const WEEK: UnixMs = UnixMs(7 * 24 * 60 * 60 * 1_000);

/// The instant of a stored wall-clock time by today's rules, and how it met a clock change.
///
/// # Errors
/// Says why there is none.
pub fn resolve_wall(wall: &WallClock) -> Result<(UnixMs, Resolution), PlanError> {
    let zone = TimeZone::parse(&wall.zone)?;
    Ok(zone::resolve(&wall.local, &zone, wall.gap, wall.fold)?)
}

/// A wall-clock time as it is stored, with its resolution filled in.
///
/// # Errors
/// Says why it has no instant.
pub fn wall_clock(
    local: &str,
    zone: &TimeZone,
    zone_of_contact: bool,
    gap: GapPolicy,
    fold: FoldPolicy,
) -> Result<WallClock, WallError> {
    let (_, resolution) = zone::resolve(local, zone, gap, fold)?;
    Ok(WallClock { local: local.to_owned(), zone: zone.name().to_owned(), zone_of_contact, gap, fold, resolution })
}

fn within_reach(at: UnixMs, now: UnixMs) -> Result<UnixMs, PlanError> {
    if at < now.minus(LATE_GRACE) {
        return Err(PlanError::InThePast);
    }
    if at > now.plus(MAX_AHEAD) || at > UnixMs::MAX {
        return Err(PlanError::TooFar);
    }
    Ok(at.max(now))
}

#[cfg(test)]
mod moment_tests;
#[cfg(test)]
mod smart_tests;
#[cfg(test)]
mod tests;
