//! Receipts: what a provider tells of a message after it took it, or before its answer reached us.
//!
//! A receipt refines `submitted` and proves that a hand-over happened. It never takes a final state back, and one that
//! comes before the submit answer waits in the message until that is settled.

use serde::{Deserialize, Serialize};

use super::clock::UnixMs;
use super::message::StateName;

/// What a receipt says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptStatus {
    /// The provider has it, and is still trying.
    Accepted,
    /// The carrier or the next server could not take it for now and tries again.
    Delayed,
    /// It arrived.
    Delivered,
    /// It did not arrive, and will not (SMS).
    Undelivered,
    /// It came back (email).
    Bounced,
}

impl ReceiptStatus {
    /// The final state that it refines `submitted` to, if it does.
    #[must_use]
    pub const fn refines_to(self) -> Option<StateName> {
        match self {
            Self::Accepted | Self::Delayed => None,
            Self::Delivered => Some(StateName::Delivered),
            Self::Undelivered => Some(StateName::Undelivered),
            Self::Bounced => Some(StateName::Bounced),
        }
    }
}

/// A receipt, as kept in its message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// What it says.
    pub status: ReceiptStatus,
    /// When it came.
    pub at: UnixMs,
    /// The provider's code (`30005`), or the enhanced status code (`5.1.1`): at most 64 bytes.
    pub code: Option<String>,
}

impl Receipt {
    /// Bytes of a code that are kept.
    pub const MAX_CODE: usize = 64;

    /// Whether this one says more than an earlier one. What is final stays.
    #[must_use]
    pub fn supersedes(&self, earlier: Option<&Self>) -> bool {
        earlier.is_none_or(|earlier| earlier.status.refines_to().is_none() && self.status > earlier.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_final_receipt_stays_and_an_early_one_gives_way() {
        use ReceiptStatus as S;
        let receipt = |status| Receipt { status, at: UnixMs(0), code: None };
        for (earlier, later, expected) in [
            (None, S::Accepted, true),
            (Some(S::Accepted), S::Accepted, false),
            (Some(S::Accepted), S::Delayed, true),
            (Some(S::Delayed), S::Accepted, false),
            (Some(S::Delayed), S::Bounced, true),
            (Some(S::Delivered), S::Undelivered, false),
            (Some(S::Delivered), S::Bounced, false),
            (Some(S::Undelivered), S::Delivered, false),
        ] {
            let earlier = earlier.map(receipt);
            assert_eq!(receipt(later).supersedes(earlier.as_ref()), expected, "{earlier:?} then {later:?}");
        }
    }
}
