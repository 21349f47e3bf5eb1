//! Smart send time as callers see it: the window of a message, how its moment was chosen, an account's shares.

use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::plan::Plan;
use sendwheel_actors::domain::plan::smart::{Chosen, Shares};
use sendwheel_actors::domain::schedule::{SmartWindow, TooLittleData};
use sendwheel_actors::domain::zone::{TimeZone, show_in};
use serde::Serialize;
use utoipa::ToSchema;

use super::contact_view::as_text;
use super::faults::{At, Faults};
use super::json::request_object;

/// A window of which the best moment is found.
#[derive(Serialize, ToSchema)]
#[schema(as = SmartSend)]
pub(crate) struct SmartView {
    window: WindowView,
    /// True.
    smart: bool,
    /// If too little is known of the contact: `now`, `population` or an instant.
    too_little_data: String,
}

/// From one instant to another, which is not in it.
#[derive(Serialize, ToSchema)]
#[schema(as = SendWindow)]
struct WindowView {
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, format = DateTime)]
    from: UnixMs,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, format = DateTime)]
    to: UnixMs,
    /// As it was asked for, if it was by its length.
    #[serde(skip_serializing_if = "Option::is_none")]
    hours: Option<u8>,
}

impl SmartView {
    pub(crate) fn of(window: &SmartWindow) -> Self {
        Self {
            window: WindowView { from: window.from, to: window.to, hours: window.hours },
            smart: true,
            too_little_data: match window.too_little_data {
                TooLittleData::Now => "now".into(),
                TooLittleData::Population => "population".into(),
                TooLittleData::At(at) => at.to_string(),
            },
        }
    }
}

/// How the moment of a window was chosen. Scores compare moments: of two, the contact is likelier to be there at the one
/// with the higher score. As chances they run low, so they are not percentages.
#[derive(Serialize, ToSchema)]
#[schema(as = SmartChoice)]
pub(crate) struct ChosenView {
    /// `chosen`: the best moment. `random` and `holdout` (the window's first moment): to compare with. `now` and `at`:
    /// too little is known of the contact.
    arm: &'static str,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, format = DateTime)]
    best_at: UnixMs,
    /// The best moment on the contact's own clock.
    #[schema(example = "2026-12-01T09:15:00")]
    best_local: String,
    score: f64,
    against: AgainstView,
    /// How much the contact's own history stands behind it: `too_little`, `low`, `fair` or `high`.
    sureness: &'static str,
}

/// What the score is to be held against.
#[derive(Serialize, ToSchema)]
#[schema(as = SmartAgainst)]
struct AgainstView {
    /// The score of the window's first moment.
    first_moment: f64,
    /// That of the moment which the account's other contacts alone would suggest.
    population: f64,
}

impl ChosenView {
    pub(crate) fn of(plan: &Plan) -> Option<Self> {
        let Chosen { arm, sureness, best_at, best, first, others } = **plan.chosen.as_ref()?;
        let score = |ten_thousandths: u16| f64::from(ten_thousandths) / 10_000.0;
        let zone = TimeZone::parse(&plan.zone).unwrap_or_else(|_| TimeZone::utc());
        Some(Self {
            arm: arm.as_str(),
            best_at,
            best_local: show_in(&zone, best_at),
            score: score(best),
            against: AgainstView { first_moment: score(first), population: score(others) },
            sureness: sureness.as_str(),
        })
    }
}

request_object! {
    /// Which of an account's smart messages do not go at the best moment, so that what choosing gains can be told.
    pub(crate) struct SharesRequest<'a> {
        /// Percent that go at any moment of their window, at most 50; default 5.
        #[schema(value_type = Option<u8>, maximum = 50)]
        random_percent: u32,
        /// Percent that go at its first moment, at most 50; default 5.
        #[schema(value_type = Option<u8>, maximum = 50)]
        holdout_percent: u32,
    }
}

impl SharesRequest<'_> {
    /// The shares; what is left out is as by default.
    pub(crate) fn read(self, here: &At<'_>, faults: &mut Faults) -> Option<Shares> {
        let before = faults.len();
        let usual = Shares::default();
        let mut percent = |field: super::json::Field<u32>, name: &str, usual: u8| {
            let at = here.member(name);
            let Some(percent) = field.optional(&at, faults) else { return usual };
            u8::try_from(percent).ok().filter(|percent| *percent <= Shares::MAX).unwrap_or_else(|| {
                faults.refuse(&at, "out_of_range", format!("expected a whole number from 0 to {}", Shares::MAX));
                usual
            })
        };
        let random = percent(self.random_percent, "random_percent", usual.random);
        let holdout = percent(self.holdout_percent, "holdout_percent", usual.holdout);
        self.stray.refuse(here, Self::NAMES, faults);
        (faults.len() == before).then_some(Shares { random, holdout })
    }
}

/// Which smart messages do not go at the best moment.
#[derive(Serialize, ToSchema)]
#[schema(as = SmartSendSettings)]
pub(crate) struct SharesView {
    /// Percent that go at any moment of their window.
    random_percent: u8,
    /// Percent that go at its first moment.
    holdout_percent: u8,
}

impl SharesView {
    pub(crate) const fn of(shares: Shares) -> Self {
        Self { random_percent: shares.random, holdout_percent: shares.holdout }
    }
}
