//! What the embedded store can be told, and where tests make it fail.

use std::fmt;
use std::io;
use std::sync::Arc;

/// Called when the disk failed in a way after which nothing more can be promised.
pub type FatalHook = Arc<dyn Fn(&str) + Send + Sync>;

/// Asked before each step on the disk; an answer is taken as that step's error.
pub type DiskFaults = Arc<dyn Fn(DiskStep) -> Option<io::Error> + Send + Sync>;

/// A step on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskStep {
    /// Writing a group of batches to the journal: nothing of it is there when it fails.
    Write,
    /// Making it durable: it may or may not be there when it fails.
    Sync,
    /// The trial write that looks whether there is space again.
    Trial,
}

/// Settings of the embedded store.
#[derive(Clone)]
pub struct EmbeddedSettings {
    /// Whether a commit is acknowledged only when it is on the disk (default). Without it, a power cut may
    /// take the last commits; a crash of the process takes none.
    pub fsync: bool,
    /// Bytes of each keyspace's memtable, 4–64 MiB (default 16 MiB): larger ones stall commits for longer.
    pub memtable_bytes: u64,
    /// Bytes of journals before memtables are written out, at least 64 MiB (default 128 MiB): what the next
    /// start after a crash has to replay at most.
    pub journal_bytes: u64,
    /// Bytes of the block cache (default 64 MiB).
    pub cache_bytes: u64,
    /// The disk budget in bytes. None: what the file system has left.
    pub max_bytes: Option<u64>,
    /// Reads under way at once (default 4), each on a thread of the blocking pool.
    pub readers: usize,
    /// Called when a write fails for another reason than space; the default ends the process, because
    /// what a failed fsync left behind cannot be known.
    pub on_fatal: FatalHook,
    /// Makes disk steps fail, for tests.
    pub faults: Option<DiskFaults>,
}

impl EmbeddedSettings {
    /// Smallest and largest memtable.
    pub const MEMTABLE_BYTES: std::ops::RangeInclusive<u64> = 4 << 20..=64 << 20;
    /// Smallest journal cap.
    pub const MIN_JOURNAL_BYTES: u64 = 64 << 20;
}

impl Default for EmbeddedSettings {
    fn default() -> Self {
        Self {
            fsync: true,
            memtable_bytes: 16 << 20,
            journal_bytes: 128 << 20,
            cache_bytes: 64 << 20,
            max_bytes: None,
            readers: 4,
            on_fatal: Arc::new(|_| std::process::abort()),
            faults: None,
        }
    }
}

impl fmt::Debug for EmbeddedSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedSettings")
            .field("fsync", &self.fsync)
            .field("memtable_bytes", &self.memtable_bytes)
            .field("journal_bytes", &self.journal_bytes)
            .field("cache_bytes", &self.cache_bytes)
            .field("max_bytes", &self.max_bytes)
            .field("readers", &self.readers)
            .finish_non_exhaustive()
    }
}
