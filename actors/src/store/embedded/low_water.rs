//! Where the live part of each partition's due index begins.
//!
//! What was sent leaves tombstones at the front of the due index, and a scan from its very start walks
//! over all of them. A scan that went from the start and met its first live key proves that nothing
//! lives before that key *in its snapshot*; what is inserted before it afterwards lowers the mark again.
//!
//! The order that makes this safe: the writer lowers marks after a commit is visible and before it is
//! acknowledged; a scan registers before it takes its snapshot. So an insert that a scan's snapshot lacks
//! lowers either the mark or, while the scan runs, its floor. A scan that starts between a commit and the
//! lowering may miss an entry that nobody was told of yet.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::ids::Partition;
use crate::store::keys::embedded::KeyBuf;

#[derive(Default)]
struct Mark {
    /// No live key is smaller.
    key: Option<KeyBuf>,
    /// The smallest key inserted since the oldest of the scans under way began.
    floor: Option<KeyBuf>,
    scans: usize,
}

/// The marks of every partition.
#[derive(Default)]
pub(super) struct LowWater(Mutex<HashMap<Partition, Mark>>);

impl LowWater {
    fn marks(&self) -> MutexGuard<'_, HashMap<Partition, Mark>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A scan from the start begins; its snapshot must be taken after this. Where it may start.
    pub(super) fn begin(&self, partition: Partition) -> Option<KeyBuf> {
        let mut marks = self.marks();
        let mark = marks.entry(partition).or_default();
        mark.scans += 1;
        mark.key.clone()
    }

    /// It ended: `first` is the smallest live key that it met, `None` if it can tell nothing.
    pub(super) fn end(&self, partition: Partition, first: Option<&[u8]>) {
        let mut marks = self.marks();
        let mark = marks.entry(partition).or_default();
        if let Some(first) = first {
            let proven = mark.floor.as_deref().map_or(first, |floor| floor.min(first));
            if mark.key.as_deref().is_none_or(|key| key < proven) {
                mark.key = Some(KeyBuf::from_slice(proven));
            }
        }
        mark.scans -= 1;
        if mark.scans == 0 {
            mark.floor = None;
        }
    }

    /// A key was inserted, and is visible.
    pub(super) fn inserted(&self, partition: Partition, key: &[u8]) {
        let mut marks = self.marks();
        let Some(mark) = marks.get_mut(&partition) else { return };
        if mark.key.as_deref().is_some_and(|low| key < low) {
            mark.key = Some(KeyBuf::from_slice(key));
        }
        if mark.scans > 0 && mark.floor.as_deref().is_none_or(|floor| key < floor) {
            mark.floor = Some(KeyBuf::from_slice(key));
        }
    }

    /// Forgets everything: the database was reopened.
    pub(super) fn clear(&self) {
        for mark in self.marks().values_mut() {
            mark.key = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: Partition = Partition(1);

    fn scan(low: &LowWater, first: &[u8]) {
        low.begin(P);
        low.end(P, Some(first));
    }

    #[test]
    fn a_scan_raises_the_mark_and_an_insert_lowers_it() {
        let low = LowWater::default();
        assert_eq!(low.begin(P), None);
        low.end(P, Some(b"m"));
        low.inserted(P, b"z");
        assert_eq!(low.begin(P).as_deref(), Some(&b"m"[..]));
        low.end(P, None);
        low.inserted(P, b"c");
        assert_eq!(low.begin(P).as_deref(), Some(&b"c"[..]));
        low.end(P, Some(b"p"));
        assert_eq!(low.begin(P).as_deref(), Some(&b"p"[..]));
    }

    #[test]
    fn an_insert_during_a_scan_is_not_passed_over() {
        let low = LowWater::default();
        scan(&low, b"a");
        low.begin(P);
        low.inserted(P, b"c");
        low.end(P, Some(b"m"));
        assert_eq!(low.begin(P).as_deref(), Some(&b"c"[..]), "the scan's snapshot may lack c");
        low.begin(P);
        low.end(P, Some(b"p"));
        low.inserted(P, b"b");
        low.end(P, Some(b"q"));
        assert_eq!(low.begin(P).as_deref(), Some(&b"b"[..]), "the older scan still ran");
    }

    #[test]
    fn a_reopened_database_is_scanned_from_its_start() {
        let low = LowWater::default();
        scan(&low, b"m");
        low.clear();
        assert_eq!(low.begin(P), None);
    }
}
