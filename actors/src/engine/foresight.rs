//! What would become of a message, before anybody schedules it.

use super::handle::Engine;
use crate::contact::decide::{Foreseen, foresee};
use crate::contact::decision::Surroundings;
use crate::domain::address::{Address, Channel};
use crate::domain::contact::Contact;
use crate::protocol::api::{Caller, EngineResult, NewIntent};

impl Engine {
    /// When a message of the caller's to this contact would go, and why; `to` as when it is scheduled. Keeps nothing.
    ///
    /// # Errors
    /// The time or the window do not allow it.
    pub fn foresee(
        &self,
        caller: &Caller,
        contact: &Contact,
        (channel, to): (Channel, Option<Address>),
        intent: NewIntent,
    ) -> EngineResult<Foreseen> {
        let directory = self.directory();
        foresee(contact, caller.author, (channel, to), intent, &Surroundings::of(&self.node, &directory))
    }
}
