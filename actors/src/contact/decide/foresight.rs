//! What would become of a message if it were scheduled now: its moment, and why. Nothing is decided, so nothing is kept.

use super::schedule::{choose_recipient, plan_intent, usual_class};
use crate::contact::decision::Surroundings;
use crate::domain::address::{Address, Channel};
use crate::domain::contact::Contact;
use crate::domain::message::Author;
use crate::domain::plan::{Planned, Terms};
use crate::domain::schedule::{IfLate, Intent, QuietHoursPolicy};
use crate::protocol::api::{EngineError, EngineResult, NewIntent};

/// What was asked for, and what would come of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreseen {
    /// What was asked for, resolved.
    pub intent: Intent,
    /// The first moment that the account's rules permit.
    pub planned: Planned,
}

/// What would come of an intent. `to` is the contact's address; none: the one that is taken where none is named. Which
/// share of a window's messages does not go at the best moment is drawn when a message is scheduled: here it may fall
/// otherwise.
///
/// # Errors
/// The time or the window do not allow it.
pub fn foresee(
    contact: &Contact,
    author: Author,
    (channel, to): (Channel, Option<Address>),
    intent: NewIntent,
    around: &Surroundings<'_>,
) -> EngineResult<Foreseen> {
    // That there is no such address is said when a message is scheduled.
    let to = choose_recipient(contact, channel, to, &mut Vec::new());
    let id = around.ids.message(around.now, around.partitions.of_contact(contact.id));
    let terms = Terms { quiet_hours: QuietHoursPolicy::default(), if_late: IfLate::default() };
    let mut errors = Vec::new();
    let planned = plan_intent(intent, contact, (id, to.as_ref()), usual_class(author), terms, around, &mut errors);
    planned.map(|(intent, planned)| Foreseen { intent, planned }).ok_or(EngineError::Invalid(errors))
}
