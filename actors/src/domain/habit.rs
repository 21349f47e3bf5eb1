//! Habits: at which hours of the week a contact is active, and what that says of a moment to come.
//!
//! [`Habit`] is what is kept of one contact: 390 bytes whatever its history, updated by each event alone, so that
//! there is no batch job and nothing to rebuild. [`Profile`] is the same of many contacts together: the shape that
//! an unknown contact is taken to have, and what was learned of how contacts differ. [`choose`] compares the
//! moments of a window.
//!
//! No single model is right for everybody: who works at night, who reads on Sundays, who has just changed shifts.
//! So several [views](rates) of the same counts foretell every event before it is counted, and weigh, for this
//! contact, as much as their forecasts were worth; a contact with few events leans on what held for the others.
//! Everything between is shrinkage: a ratio of observed to expected, with a few weeks' worth of the expected
//! added to both sides.
//!
//! Times are instants of the clock by which the contact lives (its wall clock, read as though it were UTC), for a
//! habit is "at nine", not "at 07:00 UTC in summer". Nothing here knows zones.

mod choice;
mod contact;
mod echo;
mod lesson;
mod of_account;
mod profile;
mod rates;
mod week;

pub use choice::{Choice, Sureness, choose};
pub use contact::{Habit, HabitError};
pub use lesson::Lesson;
pub use of_account::AccountHabits;
pub use profile::Profile;

#[cfg(test)]
mod tests;
