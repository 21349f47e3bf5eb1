//! The moment of a window at which its contact is likeliest to be there.
//!
//! The moments of a window are its beginning and every quarter of an hour, each moved to where the account's rules
//! permit it, so what is chosen is permitted. Two shares of the messages, drawn by their ids, do not go at the moment
//! that looks best: one at any moment of the window, one at the first. Without them nobody could say what choosing
//! gains. A contact of which too little is known takes no part in that: its author says what is done.
//!
//! Planned again with the same inputs, a message gets the same moment.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Calendar, LATE_GRACE, MAX_AHEAD, Plan, PlanError, Planned, Terms, fit};
use crate::domain::clock::UnixMs;
use crate::domain::habit::{self, Choice, Habit, Profile, Sureness};
use crate::domain::schedule::{QuietHoursPolicy, SmartWindow, TooLittleData};
use crate::domain::zone::{self, TimeZone};

/// The longest window.
pub const MAX_WINDOW: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Between two moments that are compared.
const STEP_MS: i64 = 15 * 60 * 1_000;

/// Which messages do not go at the moment that looks best. In hundredths of an account's smart messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shares {
    /// At any moment of their window.
    pub random: u8,
    /// At its first.
    pub holdout: u8,
}

impl Shares {
    /// Most of either.
    pub const MAX: u8 = 50;
}

impl Default for Shares {
    fn default() -> Self {
        Self { random: 5, holdout: 5 }
    }
}

/// How a message came to its moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Arm {
    /// The best one of the window.
    Chosen,
    /// Any one of the window.
    Random,
    /// The first one of the window, to compare with.
    Holdout,
    /// Too little is known of the contact, and its author wants it to go at the first moment of the window.
    AtOnce,
    /// Too little is known of the contact: the moment that its author named.
    Named,
}

impl Arm {
    /// Those that are compared.
    pub const COMPARED: [Self; 3] = [Self::Chosen, Self::Random, Self::Holdout];

    /// The name shown in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chosen => "chosen",
            Self::Random => "random",
            Self::Holdout => "holdout",
            Self::AtOnce => "now",
            Self::Named => "at",
        }
    }
}

/// The choice of a moment as it is kept with its message. Scores are in ten-thousandths; they compare moments, and run
/// low as chances ([`Choice::chance`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    /// How it came to its moment.
    pub arm: Arm,
    /// How much the contact's own history stands behind the best moment.
    pub sureness: Sureness,
    /// The best moment of the window.
    pub best_at: UnixMs,
    /// Its score.
    pub best: u16,
    /// The score of the window's first moment.
    pub first: u16,
    /// The score of the moment that the account's other contacts alone would suggest.
    pub others: u16,
}

/// What a choice is made of, besides the window and the rules.
#[derive(Debug)]
pub struct Knowledge<'a> {
    /// The contact's own habit.
    pub habit: Option<&'a Habit>,
    /// That of its account.
    pub profile: &'a Profile,
    /// The clock by which the contact lives.
    pub zone: &'a TimeZone,
    /// Which messages do not go at the best moment.
    pub shares: Shares,
    /// A number of the message's own, evenly spread over all messages.
    pub draw: u64,
}

/// What the contact's clock shows at an instant, read as though it were UTC: the clock that habits are kept by.
#[must_use]
pub fn own_clock(zone: &TimeZone, at: UnixMs) -> UnixMs {
    UnixMs(at.0 + i64::from(zone::offset_at(zone, at).local_minus_utc()) * 1_000)
}

/// Whether a window is one, by now.
///
/// # Errors
/// Says what is wrong with it.
pub fn check(window: &SmartWindow, now: UnixMs) -> Result<(), PlanError> {
    if window.to <= window.from {
        return Err(PlanError::EmptyWindow);
    }
    if window.to <= now || window.from < now.minus(LATE_GRACE) {
        return Err(PlanError::WindowPassed);
    }
    if window.to.since(window.from) > MAX_WINDOW {
        return Err(PlanError::WindowTooLong);
    }
    if window.to > now.plus(MAX_AHEAD) || window.to > UnixMs::MAX {
        return Err(PlanError::TooFar);
    }
    match window.too_little_data {
        TooLittleData::At(at) if !(window.from..window.to).contains(&at) => Err(PlanError::OutsideWindow),
        _ => Ok(()),
    }
}

/// The moment of a window, not before `now`.
///
/// # Errors
/// The rules permit none of its moments.
pub fn choose(
    window: &SmartWindow,
    terms: Terms,
    calendar: &Calendar<'_>,
    knowledge: &Knowledge<'_>,
    now: UnixMs,
) -> Result<Planned, PlanError> {
    let open = Calendar::open(TimeZone::utc());
    let calendar = if terms.quiet_hours == QuietHoursPolicy::Ignore { &open } else { calendar };
    let start = window.from.max(now);
    let moments = moments(start..window.to, calendar)?;
    let first = moments.first().copied().unwrap_or(start);
    // Who wants it skipped in quiet hours wants none of a window's that fall into them.
    let start = if terms.quiet_hours == QuietHoursPolicy::Skip { first } else { start };
    let own = |at: &UnixMs| own_clock(knowledge.zone, *at);
    // What is known by then counts, not what is known now: asked again before, the answer is the same.
    let known_at = own(&window.from.max(now));
    let candidates: Vec<UnixMs> = moments.iter().map(own).collect();
    let unknown = Habit::default();
    let habit = knowledge.habit.unwrap_or(&unknown);
    let choice = habit::choose(habit, knowledge.profile, known_at, &candidates).ok_or(PlanError::EmptyWindow)?;
    let best = moments.get(choice.index).copied().unwrap_or(first);
    let is_known = choice.sureness > Sureness::TooLittle || window.too_little_data == TooLittleData::Population;
    let (arm, wanted_at) = match (window.too_little_data, arm_of(knowledge.draw, knowledge.shares)) {
        (TooLittleData::At(at), _) if !is_known => (Arm::Named, at.max(start)),
        _ if !is_known => (Arm::AtOnce, start),
        (_, Arm::Random) => {
            let from = any_of(knowledge.draw, window).max(start);
            (Arm::Random, calendar.first(from, Some(last_of(window))).map_or(first, |(at, _)| at))
        }
        (_, Arm::Holdout) => (Arm::Holdout, start),
        (_, arm) => (arm, best),
    };
    let Planned { due_at, plan } = fit(wanted_at, wanted_at, terms, calendar)?;
    let delays = plan.map(|plan| plan.delays).unwrap_or_default();
    let chosen = Some(Box::new(chosen(arm, &choice, best)));
    Ok(Planned { due_at, plan: Some(Plan { wanted_at, zone: knowledge.zone.name().to_owned(), delays, chosen }) })
}

fn chosen(arm: Arm, choice: &Choice, best_at: UnixMs) -> Chosen {
    // Casts to integers saturate.
    let score = |chance: f32| (chance * 10_000.0) as u16;
    Chosen {
        arm,
        sureness: choice.sureness,
        best_at,
        best: score(choice.chance),
        first: score(choice.chance_at_once),
        others: score(choice.chance_of_population),
    }
}

/// The last moment of a window.
fn last_of(window: &SmartWindow) -> UnixMs {
    UnixMs(window.to.0 - 1)
}

/// The permitted moments of a window that are compared: its first one, and then every quarter of an hour.
fn moments(window: std::ops::Range<UnixMs>, calendar: &Calendar<'_>) -> Result<Vec<UnixMs>, PlanError> {
    let until = UnixMs(window.end.0 - 1);
    let (mut moments, mut at) = (Vec::new(), window.start);
    while at < window.end {
        match calendar.first(at, Some(until)) {
            Ok((permitted, _)) => {
                moments.push(permitted);
                at = UnixMs((permitted.0.div_euclid(STEP_MS) + 1) * STEP_MS);
            }
            Err(cause) if moments.is_empty() => return Err(PlanError::NoMomentInWindow { cause, to: window.end }),
            Err(_) => break,
        }
    }
    Ok(moments)
}

fn arm_of(draw: u64, shares: Shares) -> Arm {
    let hundredth = draw % 100;
    let (random, holdout) = (u64::from(shares.random), u64::from(shares.holdout));
    if hundredth < random {
        Arm::Random
    } else if hundredth < random + holdout {
        Arm::Holdout
    } else {
        Arm::Chosen
    }
}

/// A moment anywhere in the whole window, whenever it is asked for.
fn any_of(draw: u64, window: &SmartWindow) -> UnixMs {
    // What is left of the draw when its arm was chosen by the hundredths.
    let (rest, of) = (u128::from(draw / 100), u128::from(u64::MAX / 100 + 1));
    let length = u128::from(window.to.0.abs_diff(window.from.0));
    UnixMs(window.from.0 + i64::try_from(rest * length / of).unwrap_or(0))
}
