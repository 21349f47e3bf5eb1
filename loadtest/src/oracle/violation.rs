//! What the oracle finds, and which invariant it breaks.

use serde::Serialize;

/// One broken promise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "violation", rename_all = "snake_case")]
pub enum Violation {
    /// I1: handed over before its due time.
    Early {
        /// Which message.
        token: String,
        /// How much, milliseconds.
        by_ms: i64,
    },
    /// I2: acknowledged, past due, never handed over, and in no state that says why.
    Lost {
        /// Which message.
        token: String,
        /// The state shown, or nothing when the API does not know the message.
        state: Option<String>,
    },
    /// I2: handed over, but still shown as pending long after.
    Unsettled {
        /// Which message.
        token: String,
        /// The state shown, or nothing when the API does not know the message.
        state: Option<String>,
    },
    /// I2: shown as handed over, but no sink ever took it.
    Phantom {
        /// Which message.
        token: String,
        /// The state shown.
        state: String,
    },
    /// I3: a hand-over began after its stop was acknowledged.
    AfterStop {
        /// Which message.
        token: String,
        /// How long after, milliseconds.
        by_ms: i64,
    },
    /// I4: handed over more than once without an attempt of unknown outcome for each, or under another
    /// identity.
    Duplicate {
        /// Which message.
        token: String,
        /// How often it was handed over.
        times: usize,
        /// Whether every hand-over carried the same identity.
        same_identity: bool,
        /// Attempts of unknown outcome that the API shows, or could have had.
        explained: usize,
    },
    /// I6: more hand-overs began than the lane's limit allows in such a time.
    TooFast {
        /// Which lane.
        lane: String,
        /// So many began
        count: usize,
        /// within so many milliseconds,
        within_ms: i64,
        /// when so many were allowed.
        allowed: usize,
    },
    /// I7: a later message of the same contact and lane was attempted first.
    OutOfOrder {
        /// Which message.
        token: String,
        /// The one that went before.
        overtaken_by: String,
    },
    /// I5: a node did something after another one had taken its partitions over.
    AfterTakeover {
        /// `hand-over` or `acknowledgement`.
        what: &'static str,
        /// Which message, where it is known.
        token: Option<String>,
        /// How long after, milliseconds.
        by_ms: i64,
    },
    /// A sink took something that nobody ever tried to schedule.
    Unknown {
        /// The name found in its text.
        token: String,
    },
}

impl Violation {
    /// Which invariant it breaks; nothing for what no invariant has a name for.
    #[must_use]
    pub const fn invariant(&self) -> Option<&'static str> {
        Some(match self {
            Self::Early { .. } => "I1",
            Self::Lost { .. } | Self::Unsettled { .. } | Self::Phantom { .. } => "I2",
            Self::AfterStop { .. } => "I3",
            Self::Duplicate { .. } => "I4",
            Self::AfterTakeover { .. } => "I5",
            Self::TooFast { .. } => "I6",
            Self::OutOfOrder { .. } => "I7",
            Self::Unknown { .. } => return None,
        })
    }

    /// The message that it is about.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        match self {
            Self::Early { token, .. }
            | Self::Lost { token, .. }
            | Self::Unsettled { token, .. }
            | Self::Phantom { token, .. }
            | Self::AfterStop { token, .. }
            | Self::Duplicate { token, .. }
            | Self::OutOfOrder { token, .. }
            | Self::Unknown { token } => Some(token),
            Self::AfterTakeover { token, .. } => token.as_deref(),
            Self::TooFast { .. } => None,
        }
    }
}
