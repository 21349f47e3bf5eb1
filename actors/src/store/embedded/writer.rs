//! The one thread behind all commits.
//!
//! It takes whatever requests wait (up to a bound), checks each one's fence against the heads in memory,
//! writes all that pass as one fjall batch with one fsync, and then answers. fjall itself has no group
//! commit: its commit holds the journal's lock over the fsync, so 256 partitions would queue behind each
//! other. A request that is fenced fails alone. Requests of one partition keep their order.
//!
//! When the process dies, the journal has whole groups only: fjall drops a torn one at the next start,
//! and nobody was told of it. When the disk is full, the group that met it is *unknown* (what a failed
//! write left in the journal may come back at reopening), and everything after it is refused with
//! `OutOfSpace` until [`Control::Recover`] has closed and reopened the database. Any other failure of a
//! write is fatal: see [`EmbeddedSettings::on_fatal`].

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use fjall::{PersistMode, UserKey, UserValue};
use tokio::sync::{mpsc, oneshot};

use super::db::{Counters, Db, DirLock, Heads};
use super::moves::{self, Move};
use super::settings::{DiskStep, EmbeddedSettings};
use super::shared::{Health, Shared};
use super::space::{self, DiskError};
use crate::domain::ids::{Partition, PartitionCount};
use crate::store::codec;
use crate::store::contract::{CommitError, Counter, Head, Index, StoreError};
use crate::store::keys::embedded::{self as layout, KeyBuf, Space};

/// One key's new value; `None` removes it.
pub(super) struct Write {
    pub(super) space: Space,
    pub(super) key: UserKey,
    pub(super) value: Option<UserValue>,
}

/// A batch, its keys already spelled by the caller's thread.
pub(super) struct Commit {
    pub(super) expected: Head,
    pub(super) writes: Vec<Write>,
    /// In order; see [`moves`].
    pub(super) moves: Vec<Move>,
    pub(super) adds: Vec<(Counter, i64)>,
    pub(super) is_growth: bool,
    /// The smallest key that it puts into the due index.
    pub(super) first_due: Option<KeyBuf>,
}

impl Commit {
    pub(super) fn lower_first_due(&mut self, index: Index, key: &KeyBuf) {
        if index == Index::Due && self.first_due.as_ref().is_none_or(|first| key < first) {
            self.first_due = Some(key.clone());
        }
    }
}

/// What the writer is asked to write.
pub(super) enum Request {
    Commit(Box<Commit>, oneshot::Sender<Result<(), CommitError>>),
    /// A new token for a partition; only over `instead_of`, if that is given.
    Token {
        partition: Partition,
        token: u128,
        instead_of: Option<u128>,
        reply: oneshot::Sender<Result<Option<Head>, StoreError>>,
    },
    Hints(Vec<Write>, oneshot::Sender<Result<(), StoreError>>),
    Control(Control, oneshot::Sender<Result<(), StoreError>>),
}

/// What stands alone, between groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Control {
    Recover,
    Close,
}

/// Requests that may wait for the writer; more callers wait for room.
const QUEUE: usize = 1_024;
/// Keys in a group: beyond this, waiting for the group costs more than its fsync saves.
const GROUP_WRITES: usize = 16_384;
/// Requests in a group.
const GROUP_REQUESTS: usize = 512;
/// Groups between two looks at the bytes on disk, when there is a budget.
const GROUPS_PER_USAGE: u32 = 64;

enum Ack {
    Commit(oneshot::Sender<Result<(), CommitError>>),
    Token(oneshot::Sender<Result<Option<Head>, StoreError>>, Head),
    Hints(oneshot::Sender<Result<(), StoreError>>),
}

#[derive(Default)]
struct Group {
    writes: Vec<Write>,
    heads: Heads,
    counters: Counters,
    first_dues: Vec<(Partition, KeyBuf)>,
    acks: Vec<Ack>,
    /// Partitions with records in it; a second batch of one may write the same key again.
    partitions: BTreeSet<Partition>,
    has_repeats: bool,
}

impl Group {
    fn has_room(&self) -> bool {
        self.writes.len() < GROUP_WRITES && self.acks.len() < GROUP_REQUESTS
    }
}

pub(super) struct Writer {
    dir: PathBuf,
    partitions: PartitionCount,
    settings: EmbeddedSettings,
    shared: Arc<Shared>,
    requests: mpsc::Receiver<Request>,
    /// Held until the writer ends, also while the database is closed for a moment.
    lock: DirLock,
    groups_until_usage: u32,
    is_over_budget: bool,
}

/// Starts the writer's thread.
pub(super) fn start(
    dir: PathBuf,
    partitions: PartitionCount,
    settings: EmbeddedSettings,
    shared: Arc<Shared>,
    lock: DirLock,
) -> Result<(mpsc::Sender<Request>, JoinHandle<()>), StoreError> {
    let (sender, requests) = mpsc::channel(QUEUE);
    let writer =
        Writer { dir, partitions, settings, shared, requests, lock, groups_until_usage: 0, is_over_budget: false };
    let thread = std::thread::Builder::new()
        .name("store-writer".to_owned())
        .spawn(move || writer.run())
        .map_err(|error| StoreError::Unavailable(format!("cannot start the writer's thread: {error}")))?;
    Ok((sender, thread))
}

/// Sorts writes by key and keeps each key's last one. Within one fjall batch all writes have one sequence
/// number, so the order of two writes to one key would be lost; and sorted keys are found faster.
pub(super) fn keep_last_writes(writes: &mut Vec<Write>) {
    // Stable: writes of one key stay in their order.
    writes.sort_by(|a, b| (a.space, &*a.key).cmp(&(b.space, &*b.key)));
    writes.dedup_by(|later, kept| {
        let is_same = later.space == kept.space && later.key == kept.key;
        if is_same {
            std::mem::swap(later, kept);
        }
        is_same
    });
}

impl Writer {
    fn run(mut self) {
        let mut waiting = None;
        loop {
            let Some(first) = waiting.take().or_else(|| self.requests.blocking_recv()) else {
                break;
            };
            let mut group = Group::default();
            let mut next = Some(first);
            let mut control = None;
            while let Some(request) = next.take() {
                match request {
                    Request::Control(what, reply) => {
                        control = Some((what, reply));
                        break;
                    }
                    request => self.stage(request, &mut group),
                }
                if group.has_room() {
                    next = self.requests.try_recv().ok();
                }
            }
            self.write(group);
            if let Some((what, reply)) = control {
                let result = match what {
                    Control::Recover => self.recover(),
                    Control::Close => self.close(),
                };
                if what == Control::Close {
                    // The directory is free before the caller hears of it.
                    let Self { lock, .. } = self;
                    drop(lock);
                    let _ = reply.send(result);
                    return;
                }
                let _ = reply.send(result);
            }
        }
        // Dropped without `close`: as a crash would leave it, but for the lock.
        drop(self.shared.take_db());
    }

    /// Judges one request and adds it to the group, or refuses it at once. A caller that has gone away
    /// drops its receiver; nobody needs the answer then.
    fn stage(&mut self, request: Request, group: &mut Group) {
        let health = self.shared.health();
        match request {
            Request::Commit(mut commit, reply) => {
                let refused = match health {
                    Health::Open => self.fence(&commit, group).and_then(|()| self.resolve(&mut commit, group)).err(),
                    Health::OutOfSpace => Some(CommitError::OutOfSpace),
                    Health::Failed | Health::Closed => Some(CommitError::Unavailable(health.text().to_owned())),
                };
                if let Some(error) = refused {
                    let _ = reply.send(Err(error));
                    return;
                }
                let partition = commit.expected.partition;
                group.has_repeats |= !group.partitions.insert(partition);
                group.heads.insert(partition, Head { seq: commit.expected.seq + 1, ..commit.expected });
                if !commit.adds.is_empty() {
                    self.add_counters(partition, &commit.adds, group);
                }
                group.first_dues.extend(commit.first_due.map(|key| (partition, key)));
                if group.writes.is_empty() {
                    group.writes = commit.writes;
                } else {
                    group.writes.extend(commit.writes);
                }
                group.acks.push(Ack::Commit(reply));
            }
            Request::Token { partition, token, instead_of, reply } => {
                if health != Health::Open {
                    let _ = reply.send(Err(health.error()));
                    return;
                }
                let found = group.heads.get(&partition).copied().or_else(|| self.shared.head(partition));
                if instead_of.is_some() && instead_of != found.map(|head| head.token) {
                    let _ = reply.send(Ok(None));
                    return;
                }
                let head = Head { partition, token, seq: found.map_or(0, |head| head.seq) };
                group.heads.insert(partition, head);
                group.acks.push(Ack::Token(reply, head));
            }
            Request::Hints(writes, reply) => {
                if health != Health::Open {
                    let _ = reply.send(Err(health.error()));
                    return;
                }
                group.has_repeats = true;
                group.writes.extend(writes);
                group.acks.push(Ack::Hints(reply));
            }
            Request::Control(..) => unreachable!("control requests end a group before they are staged"),
        }
    }

    fn fence(&self, commit: &Commit, group: &Group) -> Result<(), CommitError> {
        let expected = commit.expected;
        let found = group.heads.get(&expected.partition).copied().or_else(|| self.shared.head(expected.partition));
        if found != Some(expected) {
            return Err(CommitError::Fenced { expected: expected.seq, found });
        }
        if commit.is_growth && self.is_over_budget {
            return Err(CommitError::NoRoom);
        }
        Ok(())
    }

    fn resolve(&self, commit: &mut Commit, group: &Group) -> Result<(), CommitError> {
        if commit.moves.is_empty() {
            return Ok(());
        }
        let db = self.shared.db().ok_or(CommitError::OutOfSpace)?;
        let is_repeat = group.partitions.contains(&commit.expected.partition);
        moves::resolve(commit, &db, if is_repeat { &group.writes } else { &[] })
    }

    fn add_counters(&self, partition: Partition, adds: &[(Counter, i64)], group: &mut Group) {
        for (counter, by) in adds {
            let key = (partition, *counter as u8);
            let before = group.counters.get(&key).copied().unwrap_or_else(|| self.shared.counter(key));
            group.counters.insert(key, before + by);
        }
    }

    /// Writes a group durably and answers everyone in it.
    fn write(&mut self, mut group: Group) {
        if group.acks.is_empty() {
            return;
        }
        if group.has_repeats {
            keep_last_writes(&mut group.writes);
        }
        let Some(db) = self.shared.db() else {
            answer(group.acks, &DiskError::OutOfSpace { is_certain: true });
            return;
        };
        match self.write_batch(&db, &mut group) {
            Ok(()) => {
                self.shared.publish(&group.heads, &group.counters, &group.first_dues);
                for ack in group.acks {
                    match ack {
                        Ack::Commit(reply) => drop(reply.send(Ok(()))),
                        Ack::Token(reply, head) => drop(reply.send(Ok(Some(head)))),
                        Ack::Hints(reply) => drop(reply.send(Ok(()))),
                    }
                }
            }
            Err(error) => {
                match &error {
                    DiskError::OutOfSpace { .. } => {
                        tracing::error!("the disk is full: nothing is committed until there is space again");
                        self.shared.set_health(Health::OutOfSpace);
                    }
                    DiskError::Fatal(why) => {
                        tracing::error!(error = %why, "a write failed, and what it left behind cannot be known");
                        self.shared.set_health(Health::Failed);
                        (self.settings.on_fatal)(why);
                    }
                }
                answer(group.acks, &error);
            }
        }
        self.look_at_budget(&db);
    }

    fn write_batch(&self, db: &Db, group: &mut Group) -> Result<(), DiskError> {
        let fault = |step| self.settings.faults.as_ref().and_then(|faults| faults(step));
        let judge = |error: fjall::Error| space::judge(&error, &self.dir, &self.settings);
        if let Some(error) = fault(DiskStep::Write) {
            return Err(judge(error.into()));
        }
        let mode = if self.settings.fsync { PersistMode::SyncData } else { PersistMode::Buffer };
        let mut batch = db.database.batch().durability(Some(mode));
        for write in group.writes.drain(..) {
            match write.value {
                Some(value) => batch.insert(db.space(write.space), write.key, value),
                None => batch.remove(db.space(write.space), write.key),
            }
        }
        let meta = db.space(Space::Meta);
        for head in group.heads.values() {
            batch.insert(meta, layout::head(head.partition).as_slice(), codec::encode_head(head));
        }
        for ((partition, counter), value) in &group.counters {
            batch.insert(meta, layout::counter(*partition, *counter).as_slice(), value.to_be_bytes());
        }
        batch.commit().map_err(judge)?;
        fault(DiskStep::Sync).map_or(Ok(()), |error| Err(judge(error.into())))
    }

    fn look_at_budget(&mut self, db: &Db) {
        let Some(max_bytes) = self.settings.max_bytes else { return };
        if self.groups_until_usage > 0 {
            self.groups_until_usage -= 1;
            return;
        }
        self.groups_until_usage = GROUPS_PER_USAGE;
        if let Ok(bytes) = db.database.disk_space() {
            self.is_over_budget = bytes >= max_bytes;
        }
    }

    /// Closes and reopens the database, if the disk was full and is not any more.
    fn recover(&mut self) -> Result<(), StoreError> {
        match self.shared.health() {
            Health::Open => return Ok(()),
            Health::OutOfSpace => {}
            health @ (Health::Failed | Health::Closed) => return Err(health.error()),
        }
        space::trial(&self.dir, &self.settings).map_err(|error| {
            if space::is_space_error(&error) {
                StoreError::OutOfSpace
            } else {
                StoreError::Unavailable(format!("the trial write failed: {error}"))
            }
        })?;
        drop(self.shared.take_db());
        let db = Db::open(&self.dir, self.partitions, &self.settings)?;
        self.shared.replace_db(db)?;
        self.shared.set_health(Health::Open);
        tracing::info!("the store was reopened after the disk had been full");
        Ok(())
    }

    /// Writes the memtables out and closes the database.
    fn close(&mut self) -> Result<(), StoreError> {
        let was_open = self.shared.health() == Health::Open;
        self.shared.set_health(Health::Closed);
        let Some(db) = self.shared.take_db() else { return Ok(()) };
        // A database that failed would wait for a background thread that has ended.
        let flushed = if was_open { db.flush() } else { Ok(()) };
        drop(db);
        flushed.map_err(|error| super::db::store_error(&error))
    }
}

fn answer(acks: Vec<Ack>, error: &DiskError) {
    let commit_error = || match error {
        DiskError::OutOfSpace { is_certain: true } => CommitError::OutOfSpace,
        DiskError::OutOfSpace { is_certain: false } => CommitError::Unknown("the disk is full".to_owned()),
        DiskError::Fatal(why) => CommitError::Unknown(why.clone()),
    };
    let store_error = || match error {
        DiskError::OutOfSpace { .. } => StoreError::OutOfSpace,
        DiskError::Fatal(why) => StoreError::Unavailable(why.clone()),
    };
    for ack in acks {
        match ack {
            Ack::Commit(reply) => drop(reply.send(Err(commit_error()))),
            Ack::Token(reply, _) => drop(reply.send(Err(store_error()))),
            Ack::Hints(reply) => drop(reply.send(Err(store_error()))),
        }
    }
}
