//! The contact did something of its own accord: its habit learns from it, in the batch of what it did.

use super::{Decision, Surroundings, planning};
use crate::contact::decision::Effect;
use crate::domain::clock::UnixMs;
use crate::domain::contact::Contact;
use crate::domain::zone::{self, TimeZone};

/// What the contact's clock shows at an instant, read as though it were UTC: the clock that habits are kept by.
pub(super) fn own_clock(zone: &TimeZone, at: UnixMs) -> UnixMs {
    UnixMs(at.0 + i64::from(zone::offset_at(zone, at).local_minus_utc()) * 1_000)
}

/// Notes that the contact was active now, in its record that is about to be written. What follows for the others of
/// its account is done when that is durable.
pub(super) fn note(contact: &mut Contact, decision: &mut Decision, around: &Surroundings<'_>) {
    let zone = TimeZone::parse(&planning::zone_of(contact, around)).unwrap_or_else(|_| TimeZone::utc());
    let at = own_clock(&zone, around.now);
    let profile = around.habits.of(contact.account);
    let lesson = contact.habit.get_or_insert_default().take_in(at, &profile);
    decision.effects.extend(lesson.map(|lesson| Effect::Learn(contact.account, Box::new(lesson))));
}
