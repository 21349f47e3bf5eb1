//! When a key or a session was last used: the one thing in a picture of the directory that moves. All pictures share
//! the number.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::domain::clock::UnixMs;

/// A record with its last use by now.
#[derive(Debug, Clone)]
pub(super) struct Used<T> {
    pub(super) record: T,
    at: Arc<AtomicI64>,
}

impl<T> Used<T> {
    /// Takes the clock of the record that it replaces, if there is one.
    pub(super) fn new(record: T, written: UnixMs, before: Option<&Self>) -> Self {
        let at = before.map_or_else(Arc::default, |before| Arc::clone(&before.at));
        at.fetch_max(written.0, Ordering::Relaxed);
        Self { record, at }
    }

    pub(super) fn touch(&self, now: UnixMs) {
        // The last one to be read may be an earlier one: it must not take a later use back.
        self.at.fetch_max(now.0, Ordering::Relaxed);
    }

    pub(super) fn last(&self) -> UnixMs {
        UnixMs(self.at.load(Ordering::Relaxed))
    }
}
