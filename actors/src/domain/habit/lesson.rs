//! What one event of one contact teaches of contacts in general.
//!
//! A lesson is made where the contact's habit is, and may be taken in later and elsewhere: the contact's own record
//! changes in the batch of the event, what many contacts have in common follows when that is durable.

use super::echo::HOURS as ECHO_HOURS;
use super::rates::SCORED;
use crate::domain::clock::UnixMs;

/// One active hour, and what it says of the forecasts that were made of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Lesson {
    /// When, by the contact's clock.
    pub(super) at: UnixMs,
    /// What the forecasts were worth; none: there was too little to make one of.
    pub(super) forecast: Option<Forecast>,
}

/// What forecasts of an event were worth, and what had gone before it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Forecast {
    /// How much better than the first view the others foretold it.
    pub(super) gains: [f32; SCORED],
    /// Bit `n`: it came `n + 1` hours after an active hour.
    pub(super) met: u32,
    /// How likely each of the hours after it is to be active, by the week's shape alone.
    pub(super) foretold: [f32; ECHO_HOURS],
}
