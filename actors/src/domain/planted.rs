//! Bugs planted on purpose, one for each invariant (I1 to I7), so that the load harness can show that its oracle finds
//! each of them: an oracle that never found anything has proved nothing.
//!
//! A build without feature `planted-bugs`, which nothing turns on by default, has none of them:
//! [`Bug::is_planted`] is a constant `false` there, and goes with the branch behind it. A build with the feature has at
//! most the one that it is asked for before it starts, and is a correct one otherwise.

use std::str::FromStr;

/// A bug, at the one place of the code where such a bug would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Bug {
    /// I1: an instant loses its fraction of a second instead of being rounded up.
    FractionCutOff = 1,
    /// I2: the journal says that a commit is durable when it has only taken it in.
    AcknowledgedBeforeDurable,
    /// I3: a worker does not ask whether its contact has stopped the attempt since it was claimed.
    WithdrawalNotChecked,
    /// I4: a claim of a process that died counts as one of this process that never went out.
    BootNotCompared,
    /// I5: a worker does not ask whether the lease behind its claim is still trusted.
    LeaseNotChecked,
    /// I6: a token that goes to a message is not taken from its bucket.
    TokensNotTaken,
    /// I7: a lane serves its messages in the order in which they were made, whenever they are due.
    OrderOfCreation,
}

impl Bug {
    /// All of them, in order of the invariants that they break.
    pub const ALL: [Self; 7] = [
        Self::FractionCutOff,
        Self::AcknowledgedBeforeDurable,
        Self::WithdrawalNotChecked,
        Self::BootNotCompared,
        Self::LeaseNotChecked,
        Self::TokensNotTaken,
        Self::OrderOfCreation,
    ];

    /// What it is asked for by.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FractionCutOff => "fraction-cut-off",
            Self::AcknowledgedBeforeDurable => "acknowledged-before-durable",
            Self::WithdrawalNotChecked => "withdrawal-not-checked",
            Self::BootNotCompared => "boot-not-compared",
            Self::LeaseNotChecked => "lease-not-checked",
            Self::TokensNotTaken => "tokens-not-taken",
            Self::OrderOfCreation => "order-of-creation",
        }
    }
}

/// There is no bug of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no bug is called `{0}`: expected one of domain::planted::Bug")]
pub struct NoSuchBug(String);

impl FromStr for Bug {
    type Err = NoSuchBug;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|bug| bug.name() == name).ok_or_else(|| NoSuchBug(name.to_owned()))
    }
}

#[cfg(feature = "planted-bugs")]
mod switch {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::Bug;

    /// Which one this process has; 0: none.
    static PLANTED: AtomicU8 = AtomicU8::new(0);

    impl Bug {
        /// Gives this process the bug, before its engine starts.
        pub fn plant(self) {
            PLANTED.store(self as u8, Ordering::SeqCst);
        }

        /// Whether this process has it.
        pub(crate) fn is_planted(self) -> bool {
            PLANTED.load(Ordering::Relaxed) == self as u8
        }
    }
}

#[cfg(not(feature = "planted-bugs"))]
impl Bug {
    /// Never: this build has no planted bugs.
    pub(crate) const fn is_planted(self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_has_a_name_of_its_own_and_none_is_planted_by_itself() {
        for bug in Bug::ALL {
            assert_eq!(bug.name().parse(), Ok(bug));
            assert!(!bug.is_planted());
        }
        assert!("mistake".parse::<Bug>().is_err());
    }
}
