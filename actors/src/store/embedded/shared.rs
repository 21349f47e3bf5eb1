//! What the writer's thread and the readers share: the open database, heads and counters, and whether
//! the store works.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use super::db::{Counters, Db, Heads};
use super::low_water::LowWater;
use crate::domain::ids::Partition;
use crate::store::contract::{Head, StoreError};
use crate::store::keys::embedded::KeyBuf;

/// Whether the store works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Health {
    Open = 0,
    /// Until `recover`.
    OutOfSpace = 1,
    /// For good.
    Failed = 2,
    /// For good.
    Closed = 3,
}

impl Health {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Open => "the store is being reopened; try again",
            Self::OutOfSpace => "the disk is full",
            Self::Failed => "the disk failed; restart the process once it works",
            Self::Closed => "the store is closed",
        }
    }

    pub(super) fn error(self) -> StoreError {
        match self {
            Self::OutOfSpace => StoreError::OutOfSpace,
            Self::Open | Self::Failed | Self::Closed => StoreError::Unavailable(self.text().to_owned()),
        }
    }
}

struct State {
    heads: Heads,
    counters: Counters,
}

pub(super) struct Shared {
    db: RwLock<Option<Arc<Db>>>,
    state: Mutex<State>,
    health: AtomicU8,
    pub(super) low_water: LowWater,
}

impl Shared {
    pub(super) fn new(db: Db) -> Result<Self, StoreError> {
        let (heads, counters) = db.load()?;
        Ok(Self {
            db: RwLock::new(Some(Arc::new(db))),
            state: Mutex::new(State { heads, counters }),
            health: AtomicU8::new(Health::Open as u8),
            low_water: LowWater::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn health(&self) -> Health {
        match self.health.load(Ordering::SeqCst) {
            0 => Health::Open,
            1 => Health::OutOfSpace,
            2 => Health::Failed,
            _ => Health::Closed,
        }
    }

    pub(super) fn set_health(&self, health: Health) {
        self.health.store(health as u8, Ordering::SeqCst);
    }

    /// The open database. Readers hold it for one read only.
    pub(super) fn db(&self) -> Option<Arc<Db>> {
        self.db.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes the database away from readers and waits for the last of them.
    pub(super) fn take_db(&self) -> Option<Db> {
        let mut db = self.db.write().unwrap_or_else(PoisonError::into_inner).take()?;
        loop {
            match Arc::try_unwrap(db) {
                Ok(db) => return Some(db),
                Err(shared) => {
                    // Reads take milliseconds, and no new one can begin.
                    db = shared;
                    std::thread::park_timeout(Duration::from_millis(1));
                }
            }
        }
    }

    /// Puts a reopened database in place, with the heads and counters that it has.
    pub(super) fn replace_db(&self, db: Db) -> Result<(), StoreError> {
        let (heads, counters) = db.load()?;
        *self.state() = State { heads, counters };
        self.low_water.clear();
        *self.db.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(db));
        Ok(())
    }

    pub(super) fn head(&self, partition: Partition) -> Option<Head> {
        self.state().heads.get(&partition).copied()
    }

    pub(super) fn counter(&self, key: (Partition, u8)) -> i64 {
        self.state().counters.get(&key).copied().unwrap_or(0)
    }

    /// Shows what a durable group changed.
    pub(super) fn publish(&self, heads: &Heads, counters: &Counters, first_dues: &[(Partition, KeyBuf)]) {
        {
            let mut state = self.state();
            state.heads.extend(heads);
            state.counters.extend(counters);
        }
        for (partition, key) in first_dues {
            self.low_water.inserted(*partition, key);
        }
    }
}
