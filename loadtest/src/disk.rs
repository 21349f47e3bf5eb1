//! A small disk of a node's own, to be filled and to stand still: an ext4 file system in a file. Making one takes a user
//! who may mount; elsewhere there is none, and the faults that need one are left out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tempfile::TempDir;

/// Bytes of it: a store of a run fits several times.
const SIZE: u64 = 512 << 20;
/// A slow disk stands still for the one time, and works for the other, in turns.
const STILL: Duration = Duration::from_millis(80);
const WORKS: Duration = Duration::from_millis(20);

/// A mounted disk; it goes with this value.
#[derive(Debug)]
pub struct Disk {
    folder: TempDir,
}

fn run(program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("run {program}"))?;
    if !output.status.success() {
        bail!("{program} {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

impl Disk {
    /// Makes and mounts one.
    ///
    /// # Errors
    /// When this user may not mount, or a program for it is missing.
    pub fn mount() -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("sendwheel-disk-").context("make a folder for a disk")?;
        let (image, mounted) = (folder.path().join("image"), folder.path().join("mounted"));
        // A file with a hole: only what is written to the disk takes room.
        fs::File::create(&image).and_then(|file| file.set_len(SIZE)).context("make a disk's image")?;
        fs::create_dir(&mounted).context("make a folder to mount a disk on")?;
        let (image, mounted) = (image.to_string_lossy().into_owned(), mounted.to_string_lossy().into_owned());
        run("mkfs.ext4", &["-q", "-m", "0", &image])?;
        run("mount", &["-o", "loop", &image, &mounted])?;
        Ok(Self { folder })
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("mounted")
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }

    /// Takes all the room that there is.
    ///
    /// # Errors
    /// When it cannot be written to at all.
    pub fn fill(&self) -> anyhow::Result<()> {
        let mut file = fs::File::create(self.filler()).context("fill the disk")?;
        let block = vec![7_u8; 1 << 16];
        while std::io::Write::write_all(&mut file, &block).is_ok() {}
        Ok(())
    }

    /// Gives the room back that [`Disk::fill`] took.
    ///
    /// # Errors
    /// When it was not filled.
    pub fn make_room(&self) -> anyhow::Result<()> {
        fs::remove_file(self.filler()).context("give the disk its room back")
    }

    fn freeze(&self, how: &str) -> anyhow::Result<()> {
        run("fsfreeze", &[how, &self.path().to_string_lossy()])
    }

    /// Every write takes long, for so long.
    ///
    /// # Errors
    /// When it cannot be made to stand still, or to work again.
    pub async fn be_slow(&self, lasting: Duration) -> anyhow::Result<()> {
        let watch = crate::wall::Stopwatch::start();
        while !watch.is_past(lasting) {
            self.stand_still(STILL).await?;
            tokio::time::sleep(WORKS).await;
        }
        Ok(())
    }

    /// No write ends, for so long.
    ///
    /// # Errors
    /// As for [`Disk::be_slow`].
    pub async fn stand_still(&self, lasting: Duration) -> anyhow::Result<()> {
        self.freeze("--freeze")?;
        tokio::time::sleep(lasting).await;
        self.freeze("--unfreeze")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A run that was given up while it stood still; else there is nothing to thaw.
        let _thawed = self.freeze("--unfreeze");
        // Lazily: the node may still be ending.
        let _ended = run("umount", &["-l", &self.path().to_string_lossy()]);
    }
}

/// Whether a folder lies on a disk of its own.
#[must_use]
pub fn is_mounted(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let device = |path: &Path| fs::metadata(path).map(|about| about.dev()).ok();
    folder.parent().is_some_and(|parent| device(folder) != device(parent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_disk_is_full_until_it_has_room_again_and_writes_wait_while_it_stands_still() {
        let Ok(disk) = Disk::mount() else {
            println!("this user may not mount: not tried");
            return;
        };
        assert!(is_mounted(&disk.path()));
        let file = disk.path().join("file");
        disk.fill().unwrap();
        assert!(fs::write(&file, [1; 8_192]).is_err());
        disk.make_room().unwrap();
        fs::write(&file, [1; 8_192]).unwrap();
        let write = tokio::task::spawn_blocking({
            let watch = crate::wall::Stopwatch::start();
            let file = disk.path().join("other");
            move || {
                // Begun when the disk stands still, or it would tell nothing.
                crate::wait::until_blocking(|| watch.is_past(Duration::from_millis(50)));
                fs::write(file, [1; 8]).map(|()| watch.elapsed())
            }
        });
        disk.stand_still(Duration::from_millis(300)).await.unwrap();
        assert!(write.await.unwrap().unwrap() >= Duration::from_millis(250));
        let mounted = disk.path();
        drop(disk);
        assert!(!mounted.exists());
    }
}
