//! Suppressions: addresses of an account that nothing is sent to, whichever contact has them.

use serde::{Deserialize, Serialize};

use super::address::{Address, Channel};
use super::clock::UnixMs;
use super::ids::AccountNo;
use super::message::Author;

/// Why an address is suppressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SuppressionReason {
    /// A person or a program of ours put it here.
    Manual,
    /// Mail to it came back for good.
    HardBounce,
    /// Its owner unsubscribed, by a word or a link.
    Unsubscribed,
    /// Its owner called a mail spam.
    Complaint,
}

impl SuppressionReason {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::Manual, Self::HardBounce, Self::Unsubscribed, Self::Complaint];

    /// The stable name shown in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::HardBounce => "hard_bounce",
            Self::Unsubscribed => "unsubscribed",
            Self::Complaint => "complaint",
        }
    }
}

impl std::str::FromStr for SuppressionReason {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|reason| reason.name() == text).ok_or(())
    }
}

/// A suppressed address, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppression {
    /// The account that may not write to it.
    pub account: AccountNo,
    /// The address; none once its owner was erased: the digest that the record lies under stands for it.
    pub address: Option<Address>,
    /// The channel of the address.
    pub channel: Channel,
    /// Why; a stronger reason replaces a weaker one.
    pub reason: SuppressionReason,
    /// Since when.
    pub since: UnixMs,
    /// Who did it.
    pub by: Author,
}
