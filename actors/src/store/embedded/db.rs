//! The fjall database under the embedded store: its keyspaces, and reading from them.
//!
//! Layout of the directory: `lock` (held while a process has the store), `db/` (fjall's own). The number
//! of partitions and the layout's version are written once, when the store is created.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use fjall::config::CompressionPolicy;
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, PersistMode, Readable};

use super::low_water::LowWater;
use super::settings::EmbeddedSettings;
use super::space;
use crate::domain::ids::{ContactId, Partition, PartitionCount};
use crate::store::codec;
use crate::store::contract::{Entry, Head, Index, MAX_HINTED, RangeQuery, StoreError};
use crate::store::keys::embedded::{self as layout, KeyBuf, Space};

pub(super) type Counters = BTreeMap<(Partition, u8), i64>;
pub(super) type Heads = BTreeMap<Partition, Head>;

/// An open database.
pub(super) struct Db {
    pub(super) database: Database,
    spaces: [Keyspace; Space::ALL.len()],
}

/// Holds the store's directory against other processes.
pub(super) struct DirLock(#[allow(dead_code, reason = "the lock lasts as long as the file is open")] File);

/// Locks the directory, creating it if need be.
pub(super) fn lock(dir: &Path) -> Result<DirLock, StoreError> {
    let unusable = |error: std::io::Error| {
        StoreError::Unusable(format!("cannot use directory {}: {error}; check its permissions", dir.display()))
    };
    std::fs::create_dir_all(dir).map_err(unusable)?;
    let file = File::options().create(true).truncate(false).write(true).open(dir.join("lock")).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(DirLock(file)),
        Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::Unusable(format!(
            "another process has {} open; stop it, or give this one a directory of its own",
            dir.display()
        ))),
        Err(std::fs::TryLockError::Error(error)) => Err(unusable(error)),
    }
}

fn database_dir(dir: &Path) -> PathBuf {
    dir.join("db")
}

/// An error of the database while reading or opening.
pub(super) fn store_error(error: &fjall::Error) -> StoreError {
    match error {
        fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) if space::is_space_error(error) => {
            StoreError::OutOfSpace
        }
        fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => {
            StoreError::Unavailable(format!("the disk failed: {error}"))
        }
        fjall::Error::Locked => StoreError::Unusable("another process has the database open; stop it".to_owned()),
        other => StoreError::Corrupt(format!("the database cannot be read ({other:?}); restore it from a backup")),
    }
}

/// How far behind the others fjall's own threads stand where cores are scarce, as `nice` counts it. Merging files keeps
/// both of them busy for a second and more (one of them waits by asking), and what is due meanwhile must not wait for it.
const BEHIND: i32 = 10;

/// Does this in a thread that stands behind the others, and so do those that it starts.
fn behind_others<T: Send>(open: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // Where it is not allowed, they are like the others.
            let _ = rustix::process::setpriority_process(None, BEHIND);
            open()
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

impl Db {
    /// Opens or creates the database in a locked directory.
    pub(super) fn open(
        dir: &Path,
        partitions: PartitionCount,
        settings: &EmbeddedSettings,
    ) -> Result<Self, StoreError> {
        let builder = Database::builder(database_dir(dir))
            .cache_size(settings.cache_bytes)
            .max_journaling_size(settings.journal_bytes.max(EmbeddedSettings::MIN_JOURNAL_BYTES))
            // Records are small and journalled only until their memtable is written: compressing them
            // costs the writer more than the disk saves.
            .journal_compression(CompressionType::None)
            .manual_journal_persist(true)
            .worker_threads(2);
        let database = behind_others(|| builder.open()).map_err(|error| store_error(&error))?;
        let options = |space: Space| {
            let options = KeyspaceCreateOptions::default()
                .manual_journal_persist(true)
                .max_memtable_size(settings.memtable_bytes)
                .expect_point_read_hits(matches!(space, Space::Records));
            match space {
                // Attachments are written once and are large: kept apart, compaction does not copy them.
                Space::Blobs => options.with_kv_separation(Some(KvSeparationOptions::default())),
                Space::Meta => options.data_block_compression_policy(CompressionPolicy::disabled()),
                Space::Records | Space::Due | Space::Index => options,
            }
        };
        let mut spaces = Vec::with_capacity(Space::ALL.len());
        for space in Space::ALL {
            spaces.push(database.keyspace(space.name(), || options(space)).map_err(|error| store_error(&error))?);
        }
        let Ok(spaces) = spaces.try_into() else { unreachable!("one keyspace was opened for each space") };
        let db = Self { database, spaces };
        db.check(partitions)?;
        Ok(db)
    }

    pub(super) fn space(&self, space: Space) -> &Keyspace {
        &self.spaces[space as usize]
    }

    /// Compares what the store was created with, or writes it down.
    fn check(&self, partitions: PartitionCount) -> Result<(), StoreError> {
        let meta = self.space(Space::Meta);
        let get = |key: &[u8]| meta.get(key).map_err(|error| store_error(&error));
        match get(layout::LAYOUT_KEY)? {
            None => {
                let mut batch = self.database.batch().durability(Some(PersistMode::SyncAll));
                batch.insert(meta, layout::LAYOUT_KEY, [layout::LAYOUT]);
                batch.insert(meta, layout::PARTITIONS_KEY, partitions.get().to_be_bytes());
                return batch.commit().map_err(|error| store_error(&error));
            }
            Some(found) if *found != [layout::LAYOUT] => {
                return Err(StoreError::Corrupt(format!(
                    "its layout has version {:?}, and this program reads {}: run the version that wrote it, or upgrade",
                    found.first(),
                    layout::LAYOUT
                )));
            }
            Some(_) => {}
        }
        let found = get(layout::PARTITIONS_KEY)?.and_then(|value| <[u8; 2]>::try_from(&*value).ok());
        match found.map(u16::from_be_bytes) {
            Some(found) if found == partitions.get() => Ok(()),
            Some(found) => Err(StoreError::Unusable(format!(
                "it was created with {found} partitions and the settings say {}; set {found}, or start a new store",
                partitions.get()
            ))),
            None => {
                Err(StoreError::Corrupt("its number of partitions is missing; restore it from a backup".to_owned()))
            }
        }
    }

    /// Every head and counter.
    pub(super) fn load(&self) -> Result<(Heads, Counters), StoreError> {
        let (mut heads, mut counters) = (Heads::new(), Counters::new());
        let meta = self.space(Space::Meta);
        for guard in meta.prefix([layout::HEAD_PREFIX]) {
            let (key, value) = guard.into_inner().map_err(|error| store_error(&error))?;
            let partition = layout::partition_of_head(&key).ok_or_else(|| {
                StoreError::Corrupt("a head's key cannot be read; restore it from a backup".to_owned())
            })?;
            heads.insert(partition, codec::decode_head(partition, &value)?);
        }
        for guard in meta.prefix([layout::COUNTER_PREFIX]) {
            let (key, value) = guard.into_inner().map_err(|error| store_error(&error))?;
            let counter = layout::partition_of_counter(&key).zip(<[u8; 8]>::try_from(&*value).ok());
            let (key, value) = counter
                .ok_or_else(|| StoreError::Corrupt("a counter cannot be read; restore it from a backup".to_owned()))?;
            counters.insert(key, i64::from_be_bytes(value));
        }
        Ok((heads, counters))
    }

    pub(super) fn get(&self, keys: &[(Space, KeyBuf)]) -> fjall::Result<Vec<Option<Bytes>>> {
        let snapshot = self.database.snapshot();
        keys.iter()
            .map(|(space, key)| {
                let value = snapshot.get(self.space(*space), key.as_slice())?;
                Ok(value.map(|value| Bytes::copy_from_slice(&value)))
            })
            .collect()
    }

    /// Reads ranges in one snapshot.
    pub(super) fn ranges(&self, queries: &[RangeQuery], low_water: &LowWater) -> fjall::Result<Vec<Vec<Entry>>> {
        // Scans that may use and raise a low-water mark register before the snapshot is taken.
        let scans: Vec<Scan<'_>> = queries.iter().map(|query| Scan::new(query, low_water)).collect();
        let snapshot = self.database.snapshot();
        scans.into_iter().map(|scan| scan.run(self, &snapshot)).collect()
    }

    pub(super) fn count(&self, partition: Partition, index: Index, limit: usize) -> fjall::Result<usize> {
        let (space, prefix) = layout::index_prefix(partition, index);
        let mut count = 0;
        for guard in self.space(space).prefix(prefix.as_slice()).take(limit) {
            guard.key()?;
            count += 1;
        }
        Ok(count)
    }

    pub(super) fn hinted(&self, digest: [u8; 16]) -> fjall::Result<Vec<ContactId>> {
        let prefix = layout::hint_prefix(digest);
        let guards = self.space(Space::Meta).prefix(prefix.as_slice()).take(MAX_HINTED);
        let keys = guards.map(fjall::Guard::key).collect::<fjall::Result<Vec<_>>>()?;
        Ok(keys.iter().filter_map(|key| layout::contact_of_hint(key)).collect())
    }

    /// Writes every memtable out, so that the next start has nothing to replay.
    pub(super) fn flush(&self) -> fjall::Result<()> {
        self.database.persist(PersistMode::SyncAll)?;
        for space in &self.spaces {
            space.rotate_memtable_and_wait()?;
        }
        Ok(())
    }
}

/// A range under way; gives its low-water registration back however it ends.
struct Scan<'a> {
    query: &'a RangeQuery,
    low_water: Option<&'a LowWater>,
    start: Option<KeyBuf>,
    first: Option<KeyBuf>,
}

impl<'a> Scan<'a> {
    fn new(query: &'a RangeQuery, low_water: &'a LowWater) -> Self {
        let is_marked = query.index == Index::Due && query.after.is_none() && !query.descending && query.limit > 0;
        let low_water = is_marked.then_some(low_water);
        let start = low_water.and_then(|low_water| low_water.begin(query.partition));
        Self { query, low_water, start, first: None }
    }

    fn run(mut self, db: &Db, snapshot: &fjall::Snapshot) -> fjall::Result<Vec<Entry>> {
        let query = self.query;
        let (space, prefix) = layout::index_prefix(query.partition, query.index);
        let keyspace = db.space(space);
        let after =
            query.after.as_ref().map(|after| layout::entry(query.partition, query.index, after.score, &after.member).1);
        // The end: every member of score `to` is before the smallest key of the next score.
        let past_to = match query.to.0.checked_add(1) {
            Some(next) => layout::entry(query.partition, query.index, crate::domain::clock::UnixMs(next), &[]).1,
            None => layout::prefix_end(&prefix),
        };
        let (start, end) = if query.descending {
            (
                Bound::Included(prefix.clone()),
                Bound::Excluded(after.map_or(past_to.clone(), |after| after.min(past_to.clone()))),
            )
        } else {
            let from = self.start.take().unwrap_or_else(|| prefix.clone());
            (after.map_or(Bound::Included(from), Bound::Excluded), Bound::Excluded(past_to.clone()))
        };
        if let (Bound::Included(start) | Bound::Excluded(start), Bound::Excluded(end)) = (&start, &end)
            && start >= end
        {
            return Ok(Vec::new());
        }
        let range = snapshot.range::<KeyBuf, _>(keyspace, (start, end));
        let mut entries = Vec::with_capacity(query.limit.min(1_024));
        let mut push = |guard: fjall::Guard| -> fjall::Result<()> {
            let key = guard.key()?;
            if entries.is_empty() && self.low_water.is_some() {
                self.first = Some(KeyBuf::from_slice(&key));
            }
            entries.extend(layout::entry_of(&key, prefix.len()));
            Ok(())
        };
        if query.descending {
            range.rev().take(query.limit).try_for_each(&mut push)?;
        } else {
            range.take(query.limit).try_for_each(&mut push)?;
            if self.low_water.is_some() && entries.is_empty() {
                // Nothing lives up to `to`.
                self.first = Some(past_to);
            }
        }
        Ok(entries)
    }
}

impl Drop for Scan<'_> {
    fn drop(&mut self) {
        if let Some(low_water) = self.low_water {
            low_water.end(self.query.partition, self.first.as_deref());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The niceness of every thread of this process by that name.
    fn niceness(name: &str) -> Vec<i32> {
        let threads = std::fs::read_dir("/proc/self/task").expect("a process has threads");
        let of = |thread: std::io::Result<std::fs::DirEntry>| {
            let stat = std::fs::read_to_string(thread.ok()?.path().join("stat")).ok()?;
            let (head, rest) = stat.rsplit_once(") ")?;
            head.ends_with(&format!("({name}")).then(|| rest.split(' ').nth(16)?.parse().ok())?
        };
        threads.filter_map(of).collect()
    }

    #[test]
    fn the_database_s_own_threads_stand_behind_the_others() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let before = rustix::process::getpriority_process(None).expect("a thread has a priority");
        let partitions = PartitionCount::new(4).expect("a count within its bounds");
        let db = Db::open(dir.path(), partitions, &EmbeddedSettings::default()).expect("a new database");
        let workers = niceness("fjall:worker");
        assert!(!workers.is_empty() && workers.iter().all(|nice| *nice == (before + BEHIND).min(19)), "{workers:?}");
        assert_eq!(rustix::process::getpriority_process(None), Ok(before));
        drop(db);
    }
}
