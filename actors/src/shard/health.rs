//! Whether this node can work: the store's condition and fullness, draining, stopping. Read on every
//! request, written by the partition actors, the health task and the engine's handle.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

use crate::protocol::operations::Readiness;

/// What is known of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum StoreCondition {
    /// It answers.
    Works = 0,
    /// It does not answer.
    Unavailable = 1,
    /// It has no space.
    OutOfSpace = 2,
}

/// How full the store is, in the steps that matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Fullness {
    /// Everything goes.
    Normal = 0,
    /// New schedules are refused.
    RefusesSchedules = 1,
    /// Claims stop too.
    RefusesClaims = 2,
}

/// The node's health.
#[derive(Debug, Default)]
pub struct Health {
    store: AtomicU8,
    fullness: AtomicU8,
    partitions_open: AtomicUsize,
    partitions_wanted: AtomicUsize,
    is_draining: AtomicBool,
    is_stopping: AtomicBool,
}

impl Health {
    /// Says what the store is like.
    pub fn set_store(&self, condition: StoreCondition) {
        let before = self.store.swap(condition as u8, Ordering::SeqCst);
        if before != condition as u8 {
            tracing::warn!(?condition, "the store's condition changed");
        }
    }

    /// What the store is like.
    #[must_use]
    pub fn store(&self) -> StoreCondition {
        match self.store.load(Ordering::SeqCst) {
            0 => StoreCondition::Works,
            1 => StoreCondition::Unavailable,
            _ => StoreCondition::OutOfSpace,
        }
    }

    /// Says how full the store is.
    pub fn set_fullness(&self, fullness: Fullness) {
        let before = self.fullness.swap(fullness as u8, Ordering::SeqCst);
        if before != fullness as u8 {
            tracing::warn!(?fullness, "the store's fullness changed");
        }
    }

    /// How full the store is.
    #[must_use]
    pub fn fullness(&self) -> Fullness {
        match self.fullness.load(Ordering::SeqCst) {
            0 => Fullness::Normal,
            1 => Fullness::RefusesSchedules,
            _ => Fullness::RefusesClaims,
        }
    }

    /// Says how many partitions this node is to serve.
    pub fn want_partitions(&self, count: usize) {
        self.partitions_wanted.store(count, Ordering::SeqCst);
    }

    /// A partition is served from now on.
    pub fn partition_opened(&self) {
        self.partitions_open.fetch_add(1, Ordering::SeqCst);
    }

    /// A partition is no longer served.
    pub fn partition_closed(&self) {
        self.partitions_open.fetch_sub(1, Ordering::SeqCst);
    }

    /// How many partitions are served.
    #[must_use]
    pub fn partitions_open(&self) -> usize {
        self.partitions_open.load(Ordering::SeqCst)
    }

    /// An operator wants no hand-overs, or wants them again.
    pub fn set_draining(&self, is_draining: bool) {
        self.is_draining.store(is_draining, Ordering::SeqCst);
    }

    /// Whether an operator wants no hand-overs.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::SeqCst)
    }

    /// The node stops; there is no way back.
    pub fn stop(&self) {
        self.is_stopping.store(true, Ordering::SeqCst);
    }

    /// Whether the node stops.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::SeqCst)
    }

    /// Whether schedules are taken.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        if self.is_stopping() {
            return Readiness::Stopping;
        }
        match self.store() {
            StoreCondition::Unavailable => return Readiness::StoreUnavailable,
            StoreCondition::OutOfSpace => return Readiness::OutOfSpace,
            StoreCondition::Works => {}
        }
        if self.partitions_open() < self.partitions_wanted.load(Ordering::SeqCst).max(1) {
            return Readiness::Starting;
        }
        if self.fullness() >= Fullness::RefusesSchedules { Readiness::OutOfSpace } else { Readiness::Ready }
    }
}
