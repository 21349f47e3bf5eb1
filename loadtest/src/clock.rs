//! The wall clock of one process, to be set: libfaketime is loaded into it and reads how far ahead it is from a file. Its
//! monotonic clocks run on, as those of a machine do whose clock is set.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::TempDir;

/// Where Debian has it, on the machines that it is built for.
const LIBRARIES: [&str; 2] =
    ["/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1", "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1"];
/// How soon a process may notice that its clock was set, milliseconds: the library reads the file once a second, and a
/// node asks its store for the time once a second.
pub const NOTICED_WITHIN_MS: i64 = 3_000;

/// The clock of one process.
#[derive(Debug)]
pub struct SetClock {
    folder: TempDir,
    library: &'static Path,
}

impl SetClock {
    /// A clock that shows the time as it is.
    ///
    /// # Errors
    /// When the library is not installed (Debian: `faketime`).
    pub fn new() -> anyhow::Result<Self> {
        let library = LIBRARIES.into_iter().map(Path::new).find(|path| path.is_file());
        let library = library.context("no libfaketime: install the package `faketime`")?;
        let clock = Self { folder: TempDir::with_prefix("sendwheel-clock-").context("make a folder")?, library };
        clock.set(0)?;
        Ok(clock)
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("ahead")
    }

    /// Sets it so many milliseconds ahead of the true time; behind it, if negative.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set(&self, ahead_ms: i64) -> anyhow::Result<()> {
        // Moved into its place: whoever reads it reads a whole one.
        let new = self.folder.path().join("new");
        let (sign, by) = (if ahead_ms < 0 { '-' } else { '+' }, ahead_ms.unsigned_abs());
        fs::write(&new, format!("{sign}{}.{:03}\n", by / 1_000, by % 1_000)).context("write the clock's file")?;
        fs::rename(new, self.file()).context("set the clock")
    }

    /// What a process is started with to have this clock.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        let own = |(name, value): (&str, String)| (name.to_owned(), value);
        [
            // With the C library behind it: its allocator comes before the one that Redis brings along, which asks for
            // the time before it can give memory, while the clock's library needs memory to tell the time.
            ("LD_PRELOAD", format!("{}:libc.so.6", self.library.display())),
            ("FAKETIME_TIMESTAMP_FILE", self.file().display().to_string()),
            ("FAKETIME_CACHE_DURATION", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
        .map(own)
        .into()
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::wall;

    #[test]
    fn a_process_sees_the_time_that_was_set() {
        let Ok(clock) = SetClock::new() else {
            println!("libfaketime is not installed: not tried");
            return;
        };
        let ahead = || {
            let output = Command::new("date").arg("+%s%3N").envs(clock.environment()).output().unwrap();
            let shown: i64 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
            shown - wall::now_ms()
        };
        for set in [0, 5_500, -90_000] {
            clock.set(set).unwrap();
            assert!((ahead() - set).abs() < 500, "{set}: {}", ahead());
        }
    }
}
