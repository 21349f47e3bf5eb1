//! The contact did something of its own accord: its habit learns from it, in the batch of what it did.

use super::{Surroundings, planning};
use crate::contact::decision::Effect;
use crate::domain::contact::Contact;
use crate::domain::plan::smart::own_clock;
use crate::domain::zone::TimeZone;

/// Notes that the contact was active now, in its record that is about to be written. What follows for the others of
/// its account is done when that is durable.
pub(super) fn note(contact: &mut Contact, around: &Surroundings<'_>) -> Option<Effect> {
    let zone = TimeZone::parse(&planning::zone_of(contact, around)).unwrap_or_else(|_| TimeZone::utc());
    let at = own_clock(&zone, around.now);
    let profile = around.habits.of(contact.account);
    let lesson = contact.habit.get_or_insert_default().take_in(at, &profile)?;
    Some(Effect::Learn(contact.account, Box::new(lesson)))
}
