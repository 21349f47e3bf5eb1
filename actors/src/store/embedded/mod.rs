//! The store on this machine's disk: fjall, one process, nothing beside it.
//!
//! Commits go to one writer thread (module `writer`), which groups them behind one fsync. Reads run on
//! blocking threads, a few at once, each call as one job over one snapshot: never on the caller's thread,
//! which is a shard. Heads and counters are kept in memory by the writer, and written in the same batch
//! as what they fence and count.
//!
//! A lease is always granted and never runs out: the lock file keeps every other process out.
//! For what happens when the process or the disk dies, see module `writer`.

mod db;
mod low_water;
mod moves;
mod settings;
mod shared;
mod space;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use fjall::UserKey;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::contract::*;
use super::keys;
use super::keys::embedded::{self as layout, KeyBuf, Space};
use super::open::StoreSettings;
use crate::domain::address::Address;
use crate::domain::clock::{SharedClock, UnixMs};
use crate::domain::ids::{AccountNo, ContactId, Partition, PartitionCount};
use crate::domain::source::IdSource;
use db::Db;
use moves::Move;
pub use settings::{DiskFaults, DiskStep, EmbeddedSettings, FatalHook};
use shared::{Health, Shared};
use writer::{Commit, Control, Request, Write};

/// The embedded store.
pub struct EmbeddedStore {
    dir: PathBuf,
    partitions: PartitionCount,
    max_bytes: Option<u64>,
    fsync: bool,
    clock: SharedClock,
    ids: IdSource,
    shared: Arc<Shared>,
    readers: Semaphore,
    requests: Mutex<Option<mpsc::Sender<Request>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for EmbeddedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedStore").field("dir", &self.dir).field("health", &self.shared.health()).finish()
    }
}

async fn blocking<T: Send + 'static>(
    job: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(job).await {
        Ok(result) => result,
        Err(error) => Err(StoreError::Unavailable(format!("a read was given up: {error}"))),
    }
}

impl EmbeddedStore {
    /// Opens the store in a directory, creating it if there is none.
    ///
    /// # Errors
    /// `Unusable` when another process has it, the directory cannot be used, or the number of partitions
    /// or a setting does not fit; `Corrupt` when another version wrote it; `OutOfSpace`.
    pub async fn open(dir: &Path, settings: &StoreSettings) -> Result<Self, StoreError> {
        let embedded = settings.embedded.clone();
        if !EmbeddedSettings::MEMTABLE_BYTES.contains(&embedded.memtable_bytes) {
            return Err(StoreError::Unusable(format!(
                "memtables of {} bytes do not work well: set 4 to 64 MiB",
                embedded.memtable_bytes
            )));
        }
        let (dir, partitions) = (dir.to_owned(), settings.partitions);
        let (max_bytes, fsync, readers) = (embedded.max_bytes, embedded.fsync, embedded.readers.max(1));
        let opening = dir.clone();
        let (shared, requests, thread) = blocking(move || {
            let lock = db::lock(&opening)?;
            let shared = Arc::new(Shared::new(Db::open(&opening, partitions, &embedded)?)?);
            let (requests, thread) = writer::start(opening, partitions, embedded, Arc::clone(&shared), lock)?;
            Ok((shared, requests, thread))
        })
        .await?;
        Ok(Self {
            dir,
            partitions,
            max_bytes,
            fsync,
            clock: Arc::clone(&settings.clock),
            ids: settings.ids.clone(),
            shared,
            readers: Semaphore::new(readers),
            requests: Mutex::new(Some(requests)),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Asks the writer; `None` when it has ended.
    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Option<T> {
        let sender = self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let (reply, answer) = oneshot::channel();
        sender.send(request(reply)).await.ok()?;
        answer.await.ok()
    }

    fn ended(&self) -> StoreError {
        match self.shared.health() {
            Health::Open => StoreError::Unavailable("the store's writer has ended; restart the process".to_owned()),
            health => health.error(),
        }
    }

    /// Runs a read on a blocking thread.
    async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Db, &Shared) -> fjall::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let _permit = self.readers.acquire().await.map_err(|_| self.ended())?;
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let db = shared.db().ok_or_else(|| shared.health().error())?;
            job(&db, &shared).map_err(|error| db::store_error(&error))
        })
        .await
    }

    async fn token(&self, partition: Partition, instead_of: Option<u128>) -> Result<Option<Head>, StoreError> {
        let token = self.ids.random_u128();
        let answer = self.ask(|reply| Request::Token { partition, token, instead_of, reply }).await;
        answer.unwrap_or_else(|| Err(self.ended()))
    }

    async fn write_hints(&self, hints: &[AddressHint], is_add: bool) -> Result<(), StoreError> {
        if hints.is_empty() {
            return Ok(());
        }
        let writes = hints
            .iter()
            .map(|hint| {
                let key = layout::hint(keys::address_digest(hint.account, &hint.address), hint.contact);
                Write { space: Space::Meta, key: key.as_slice().into(), value: is_add.then(|| [].into()) }
            })
            .collect();
        self.ask(|reply| Request::Hints(writes, reply)).await.unwrap_or_else(|| Err(self.ended()))
    }
}

/// Spells a batch's keys, on the caller's thread: the writer is the one thread that all wait for.
fn prepare(expected: Head, batch: Batch) -> Commit {
    let partition = expected.partition;
    let mut commit = Commit {
        expected,
        writes: Vec::with_capacity(batch.mutations.len()),
        moves: Vec::new(),
        adds: Vec::new(),
        is_growth: batch.is_growth,
        first_due: None,
    };
    let spelled = |(space, key): (Space, KeyBuf)| (space, UserKey::from(key.as_slice()));
    for mutation in batch.mutations {
        let ((space, key), value) = match mutation {
            Mutation::Put(table, key, value) => (layout::record(partition, table, &key), Some((&*value).into())),
            Mutation::Delete(table, key) => (layout::record(partition, table, &key), None),
            Mutation::Index(index, score, member) => {
                let entry = layout::entry(partition, index, score, &member);
                commit.lower_first_due(index, &entry.1);
                (entry, Some([].into()))
            }
            Mutation::Unindex(index, score, member) => (layout::entry(partition, index, score, &member), None),
            Mutation::Move(from, to, score, member) => {
                let from = layout::entry(partition, from, score, &member);
                let entry = layout::entry(partition, to, score, &member);
                commit.lower_first_due(to, &entry.1);
                commit.moves.push(Move { at: commit.writes.len(), from: spelled(from), to: spelled(entry) });
                continue;
            }
            Mutation::Add(counter, by) => {
                commit.adds.push((counter, by));
                continue;
            }
        };
        commit.writes.push(Write { space, key: UserKey::from(key.as_slice()), value });
    }
    // The order of a batch's writes counts until its moves are resolved.
    if commit.moves.is_empty() {
        writer::keep_last_writes(&mut commit.writes);
    }
    commit
}

#[async_trait]
impl Store for EmbeddedStore {
    fn partitions(&self) -> PartitionCount {
        self.partitions
    }

    async fn acquire(&self, partition: Partition, node: NodeId, _ttl: Duration) -> Result<Acquired, StoreError> {
        match self.token(partition, None).await? {
            Some(head) => Ok(Acquired::Granted(Lease { node, head, ttl: None })),
            None => Err(self.ended()),
        }
    }

    async fn renew(&self, lease: &Lease) -> Result<Renewal, StoreError> {
        let head = self.shared.head(lease.head.partition);
        let is_ours = self.shared.health() != Health::Closed && head.is_some_and(|head| head.token == lease.head.token);
        Ok(if is_ours { Renewal::Renewed } else { Renewal::Lost })
    }

    async fn release(&self, _lease: Lease) -> Result<(), StoreError> {
        // The lock file is the lease; the next `acquire` draws a new token.
        Ok(())
    }

    async fn head(&self, partition: Partition) -> Result<Option<Head>, StoreError> {
        match self.shared.health() {
            Health::Open => Ok(self.shared.head(partition)),
            // Reopening may bring back what a failed write left in the journal: the head is not known.
            health => Err(health.error()),
        }
    }

    async fn redraw(&self, head: Head) -> Result<Option<Head>, StoreError> {
        self.token(head.partition, Some(head.token)).await
    }

    async fn commit(&self, head: &mut Head, batch: Batch) -> Result<(), CommitError> {
        let commit = Box::new(prepare(*head, batch));
        match self.ask(|reply| Request::Commit(commit, reply)).await {
            Some(result) => result?,
            None if self.shared.health() == Health::Closed => {
                return Err(CommitError::Unavailable(Health::Closed.text().to_owned()));
            }
            // The writer ended with the request in its hands.
            None => return Err(CommitError::Unknown("the store's writer has ended; restart the process".to_owned())),
        }
        head.seq += 1;
        Ok(())
    }

    async fn get(&self, keys: &[RecordKey]) -> Result<Vec<Option<Bytes>>, StoreError> {
        let keys: Vec<_> = keys.iter().map(|key| layout::record(key.partition, key.table, &key.key)).collect();
        self.read(move |db, _| db.get(&keys)).await
    }

    async fn ranges(&self, queries: &[RangeQuery]) -> Result<Vec<Vec<Entry>>, StoreError> {
        let queries = queries.to_vec();
        self.read(move |db, shared| db.ranges(&queries, &shared.low_water)).await
    }

    async fn count(&self, partition: Partition, index: Index, limit: usize) -> Result<usize, StoreError> {
        self.read(move |db, _| db.count(partition, index, limit)).await
    }

    async fn counter(&self, partition: Partition, counter: Counter) -> Result<i64, StoreError> {
        match self.shared.health() {
            Health::Open | Health::OutOfSpace => Ok(self.shared.counter((partition, counter as u8))),
            health => Err(health.error()),
        }
    }

    async fn add_hints(&self, hints: &[AddressHint]) -> Result<(), StoreError> {
        self.write_hints(hints, true).await
    }

    async fn remove_hints(&self, hints: &[AddressHint]) -> Result<(), StoreError> {
        self.write_hints(hints, false).await
    }

    async fn hinted(&self, account: AccountNo, address: &Address) -> Result<Vec<ContactId>, StoreError> {
        let digest = keys::address_digest(account, address);
        self.read(move |db, _| db.hinted(digest)).await
    }

    async fn now(&self) -> Result<UnixMs, StoreError> {
        Ok(self.clock.now())
    }

    async fn usage(&self) -> Result<Usage, StoreError> {
        let (dir, max_bytes) = (self.dir.clone(), self.max_bytes);
        self.read(move |db, _| {
            let bytes = db.database.disk_space()?;
            let budget = match max_bytes {
                Some(max_bytes) => max_bytes,
                None => bytes.saturating_add(space::available(&dir)?),
            };
            Ok(Usage { share: bytes as f64 / budget.max(1) as f64, bytes })
        })
        .await
    }

    async fn describe(&self) -> Result<Description, StoreError> {
        let mut warnings = Vec::new();
        if !self.fsync {
            warnings.push("fsync is off: a power cut may take the last commits; set it on".to_owned());
        }
        if self.shared.health() != Health::Open {
            warnings.push(self.shared.health().text().to_owned());
        }
        Ok(Description { backend: "embedded", version: "fjall 3".to_owned(), warnings })
    }

    async fn recover(&self) -> Result<(), StoreError> {
        let answer = self.ask(|reply| Request::Control(Control::Recover, reply)).await;
        answer.unwrap_or_else(|| Err(self.ended()))
    }

    async fn close(&self) -> Result<(), StoreError> {
        let answer = self.ask(|reply| Request::Control(Control::Close, reply)).await;
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Closing what is closed is no error.
        answer.unwrap_or(Ok(()))
    }
}

impl Drop for EmbeddedStore {
    /// Without `close` first, this leaves the directory as a crash would, and frees its lock.
    fn drop(&mut self) {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // The writer answers panics as an ended thread; there is nobody left to tell.
            let _ = thread.join();
        }
    }
}
