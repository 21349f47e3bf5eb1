//! Where and how the store in memory fails.

use std::sync::Arc;

use crate::domain::ids::Partition;
use crate::store::contract::{Batch, Head, NodeId};

/// A call of the store, as a hook sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// `acquire`.
    Acquire(Partition),
    /// `renew`.
    Renew(Partition),
    /// `release`.
    Release(Partition),
    /// `head`.
    Head(Partition),
    /// `redraw`.
    Redraw(Partition),
    /// `commit`.
    Commit {
        /// Of which partition.
        partition: Partition,
        /// How many mutations.
        mutations: usize,
        /// Whether it makes new work.
        is_growth: bool,
    },
    /// `get`, of so many records.
    Get(usize),
    /// `ranges`, so many of them.
    Ranges(usize),
    /// `count`.
    Count(Partition),
    /// `counter`.
    Counter(Partition),
    /// `add_hints`, so many of them.
    AddHints(usize),
    /// `remove_hints`, so many of them.
    RemoveHints(usize),
    /// `hinted`.
    Hinted,
    /// `now`.
    Now,
    /// `usage`.
    Usage,
    /// `describe`.
    Describe,
    /// `recover`.
    Recover,
    /// `close`.
    Close,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use]
pub enum Fault {
    /// It works.
    #[default]
    Proceed,
    /// Nothing is applied, and the caller is told so (`Unavailable`).
    FailBefore,
    /// There is no room for new work: a batch that makes some is refused (`NoRoom`), everything else works.
    NoRoom,
    /// It is applied, and the caller learns nothing (`Unknown` for a commit, `Unavailable` otherwise).
    ApplyThenUnknown,
    /// The process dies before it is applied: this call and all later ones of the handle hang.
    CrashBefore,
    /// The process dies after it was applied: this call and all later ones of the handle hang.
    CrashAfter,
}

/// Decides about every call, in order.
pub type FaultHook = Arc<dyn Fn(&Call) -> Fault + Send + Sync>;

/// A hook that lets everything work.
#[must_use]
pub fn no_faults() -> FaultHook {
    Arc::new(|_| Fault::Proceed)
}

/// A batch that is being applied.
#[derive(Debug)]
pub struct Applied<'a> {
    /// The head that it names.
    pub head: Head,
    /// Whose lease of the partition the store has, run out or not.
    pub lease_of: Option<NodeId>,
    /// What it changes.
    pub batch: &'a Batch,
}

/// Sees every batch that a handle applies, as it is applied; it must not call the store.
pub type CommitWatch = Arc<dyn Fn(&Applied<'_>) + Send + Sync>;
