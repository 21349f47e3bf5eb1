//! Disk space: how much is used, whether a failure was for lack of it, whether there is some again.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use super::settings::{DiskStep, EmbeddedSettings};

/// What a failed write was.
#[derive(Debug)]
pub(super) enum DiskError {
    /// No space; `is_certain` when nothing of the batch can be in the journal.
    OutOfSpace { is_certain: bool },
    /// Anything else: nothing more can be promised.
    Fatal(String),
}

/// What the database needs to work at all: a fresh journal, which is allocated at once, and the memtables.
pub(super) fn reserve(settings: &EmbeddedSettings) -> u64 {
    EmbeddedSettings::MIN_JOURNAL_BYTES + 2 * settings.memtable_bytes
}

/// Bytes that the file system has left for us.
pub(super) fn available(dir: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(dir)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

pub(super) fn is_space_error(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Judges an error of the database.
pub(super) fn judge(error: &fjall::Error, dir: &Path, settings: &EmbeddedSettings) -> DiskError {
    let io_error = match error {
        fjall::Error::Io(error) => Some(error),
        fjall::Error::Storage(fjall::LsmError::Io(error)) => Some(error),
        _ => None,
    };
    if io_error.is_some_and(is_space_error) {
        return DiskError::OutOfSpace { is_certain: false };
    }
    // A background thread failed earlier and left no reason. Nothing of this batch was written.
    if matches!(error, fjall::Error::Poisoned) && available(dir).is_ok_and(|left| left < reserve(settings)) {
        return DiskError::OutOfSpace { is_certain: true };
    }
    DiskError::Fatal(format!("{error:?}"))
}

/// Looks whether there is space to work with: enough of it, and a trial write that reaches the disk.
pub(super) fn trial(dir: &Path, settings: &EmbeddedSettings) -> io::Result<()> {
    if let Some(error) = settings.faults.as_ref().and_then(|faults| faults(DiskStep::Trial)) {
        return Err(error);
    }
    if available(dir)? < reserve(settings) {
        return Err(io::ErrorKind::StorageFull.into());
    }
    let path = dir.join("trial");
    let written = File::create(&path).and_then(|mut file| {
        file.write_all(&[0; 1 << 16])?;
        file.sync_all()
    });
    let removed = std::fs::remove_file(&path);
    written.and(removed)
}
