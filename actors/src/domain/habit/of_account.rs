//! What is kept of an account's contacts together.

use serde::{Deserialize, Serialize};

use super::profile::Profile;
use crate::domain::lift::Tally;

/// When an account's contacts are active, and what it gained to know.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct AccountHabits {
    /// When they are active.
    pub profile: Profile,
    /// What became of its smart messages.
    pub tally: Tally,
}

impl AccountHabits {
    /// Adds what was learned elsewhere.
    pub fn add(&mut self, other: &Self) {
        self.profile.add(&other.profile);
        self.tally.add(&other.tally);
    }
}
