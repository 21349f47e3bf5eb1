//! The store on Redis 7 or later, alone or as a cluster: many nodes share it.
//!
//! Every change of a partition is made by a Lua script: the commit with its fence, and the lease's scripts. With a
//! cluster each touches keys of one slot only; one server takes the commits of many partitions in one script.
//! Records are strings, indexes sorted sets; see [`super::keys`]. Commits have a connection of their own, so that
//! `WAIT` delays no read.
//!
//! What happens when the server dies: with `appendonly yes` it comes back with at most the last second
//! missing, which the owners of partitions notice by a head that went back. A commit whose answer did not
//! come is `Unknown`; one that was refused, or could not be sent, is not applied.

mod commits;
mod connection;
mod read;
mod scripts;
mod server;
mod settings;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use redis::Cmd;

use super::contract::*;
use super::keys;
use super::keys::redis as layout;
use super::open::StoreSettings;
use super::url::StoreUrl;
use crate::domain::address::Address;
use crate::domain::clock::UnixMs;
use crate::domain::ids::{AccountNo, ContactId, Partition, PartitionCount};
use crate::domain::source::IdSource;
use commits::{Commits, Journal};
use connection::{Link, store_error};
use scripts::SCRIPTS;
use server::ServerFacts;
pub use settings::{RedisSettings, WaitReplicas};

/// The Redis store.
#[derive(Debug)]
pub struct RedisStore {
    partitions: PartitionCount,
    ids: IdSource,
    /// For everything but commits and renewals.
    link: Link,
    /// For commits and renewals, which may be followed by `WAIT`.
    journal: Journal,
    commits: Commits,
    is_closed: AtomicBool,
}

/// Hint commands under way at once.
const IN_FLIGHT: usize = 64;

impl RedisStore {
    /// Connects, and checks that the server can keep a store and that its store fits the settings.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be reached; `Unusable` when it is too old, may evict keys, or was set
    /// up with another number of partitions; `Corrupt` when another version wrote it.
    pub async fn open(url: &StoreUrl, settings: &StoreSettings) -> Result<Self, StoreError> {
        let redis = &settings.redis;
        let wait_time = redis.wait.map_or(Duration::ZERO, |wait| wait.timeout);
        let link = Link::open(url, redis, Duration::ZERO).await?;
        if link.is_cluster() && redis.wait.is_some() {
            return Err(StoreError::Unusable(
                "waiting for replicas works with one primary only; leave it off with a cluster".to_owned(),
            ));
        }
        for facts in ServerFacts::read(&link).await? {
            facts.check()?;
        }
        for script in SCRIPTS.all() {
            let _: redis::Value = link.run(&script.load()).await.map_err(|error| store_error(&error))?;
        }
        let journal = Journal { link: Link::open(url, redis, wait_time).await?, wait: redis.wait };
        let store = Self {
            partitions: settings.partitions,
            ids: settings.ids.clone(),
            link,
            commits: Commits::over(journal.clone(), Arc::clone(&settings.clock), redis.response_timeout),
            journal,
            is_closed: AtomicBool::new(false),
        };
        store.check_meta().await?;
        Ok(store)
    }

    /// Compares what the store was created with, or writes it down.
    async fn check_meta(&self) -> Result<(), StoreError> {
        let fixed =
            [(layout::META_LAYOUT, u16::from(layout::LAYOUT)), (layout::META_PARTITIONS, self.partitions.get())];
        for (field, ours) in fixed {
            let mut set = redis::cmd("HSETNX");
            set.arg(layout::META).arg(field).arg(ours);
            let mut get = redis::cmd("HGET");
            get.arg(layout::META).arg(field);
            let _: i64 = self.link.run(&set).await.map_err(|error| store_error(&error))?;
            let found: String = self.link.run(&get).await.map_err(|error| store_error(&error))?;
            if found == ours.to_string() {
                continue;
            }
            return Err(if field == layout::META_LAYOUT {
                StoreError::Corrupt(format!(
                    "its layout has version {found}, and this program reads {ours}: run the version that wrote it, or upgrade"
                ))
            } else {
                StoreError::Unusable(format!(
                    "it was created with {found} partitions and the settings say {ours}; set {found}, or use another database"
                ))
            });
        }
        Ok(())
    }

    fn link(&self) -> Result<&Link, StoreError> {
        if self.is_closed.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("the store is closed".to_owned()));
        }
        Ok(&self.link)
    }

    async fn run<T: redis::FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        self.link()?.run(command).await.map_err(|error| store_error(&error))
    }

    async fn each_hint(&self, command: &'static str, hints: &[AddressHint]) -> Result<(), StoreError> {
        let link = self.link()?;
        let mut writes = Vec::with_capacity(hints.len());
        for hint in hints {
            let mut command = redis::cmd(command);
            command.arg(layout::hints(keys::address_digest(hint.account, &hint.address)).as_slice());
            command.arg(hint.contact.as_bytes().as_slice());
            writes.push(async move {
                let _: i64 = link.run(&command).await.map_err(|error| store_error(&error))?;
                Ok(())
            });
        }
        stream::iter(writes).buffer_unordered(IN_FLIGHT).try_collect().await
    }
}

fn millis(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).clamp(1, i64::MAX as u64 / 2)
}

/// A head as the server keeps it: sixteen bytes of token, then the sequence number in decimal.
fn parse_head(partition: Partition, bytes: &[u8]) -> Result<Head, StoreError> {
    let parsed = bytes.split_first_chunk::<16>().and_then(|(token, seq)| {
        let seq = std::str::from_utf8(seq).ok()?.parse().ok()?;
        Some(Head { partition, token: u128::from_be_bytes(*token), seq })
    });
    parsed.ok_or_else(|| StoreError::Corrupt(format!("the head of partition {partition} cannot be read")))
}

#[async_trait]
impl Store for RedisStore {
    fn partitions(&self) -> PartitionCount {
        self.partitions
    }

    async fn acquire(&self, partition: Partition, node: NodeId, ttl: Duration) -> Result<Acquired, StoreError> {
        let token = self.ids.random_u128();
        let reply = self.link()?.script(&SCRIPTS.acquire, |command| {
            command.arg(2).arg(layout::lease(partition).as_slice()).arg(layout::head(partition).as_slice());
            command.arg(node.to_string()).arg(token.to_be_bytes().as_slice()).arg(millis(ttl));
        });
        let (is_granted, text, left): (i64, String, i64) = reply.await.map_err(|error| store_error(&error))?;
        if is_granted == 1 {
            let seq = text
                .parse()
                .map_err(|_| StoreError::Corrupt(format!("the head of partition {partition} cannot be read")))?;
            return Ok(Acquired::Granted(Lease { node, head: Head { partition, token, seq }, ttl: Some(ttl) }));
        }
        let holder = u128::from_str_radix(&text, 16)
            .map_err(|_| StoreError::Corrupt(format!("the lease of partition {partition} cannot be read")))?;
        Ok(Acquired::HeldBy {
            node: NodeId(holder),
            remaining: Duration::from_millis(u64::try_from(left).unwrap_or(0)),
        })
    }

    async fn renew(&self, lease: &Lease) -> Result<Renewal, StoreError> {
        self.link()?;
        let (partition, ttl) = (lease.head.partition, lease.ttl.unwrap_or(Duration::MAX));
        let reply = self.journal.run(&SCRIPTS.renew, |command| {
            command.arg(1).arg(layout::lease(partition).as_slice());
            command.arg(lease.head.token.to_be_bytes().as_slice()).arg(millis(ttl));
        });
        let (renewed, is_replicated): (i64, bool) = reply.await.map_err(|error| store_error(&error))?;
        match (renewed, is_replicated) {
            (1, true) => Ok(Renewal::Renewed),
            // A primary that fails over now would not know of it.
            (1, false) => Err(StoreError::Unavailable("too few replicas confirmed the renewal".to_owned())),
            _ => Ok(Renewal::Lost),
        }
    }

    async fn release(&self, lease: Lease) -> Result<(), StoreError> {
        let reply = self.link()?.script(&SCRIPTS.release, |command| {
            command.arg(1).arg(layout::lease(lease.head.partition).as_slice());
            command.arg(lease.head.token.to_be_bytes().as_slice());
        });
        let _: i64 = reply.await.map_err(|error| store_error(&error))?;
        Ok(())
    }

    async fn head(&self, partition: Partition) -> Result<Option<Head>, StoreError> {
        let mut command = redis::cmd("GET");
        command.arg(layout::head(partition).as_slice());
        let found: Option<Vec<u8>> = self.run(&command).await?;
        found.map(|bytes| parse_head(partition, &bytes)).transpose()
    }

    async fn redraw(&self, head: Head) -> Result<Option<Head>, StoreError> {
        let token = self.ids.random_u128();
        let reply = self.link()?.script(&SCRIPTS.redraw, |command| {
            let (lease, key) = (layout::lease(head.partition), layout::head(head.partition));
            command.arg(2).arg(lease.as_slice()).arg(key.as_slice());
            command.arg(head.token.to_be_bytes().as_slice()).arg(token.to_be_bytes().as_slice());
        });
        let seq: String = reply.await.map_err(|error| store_error(&error))?;
        if seq.is_empty() {
            return Ok(None);
        }
        let seq = seq
            .parse()
            .map_err(|_| StoreError::Corrupt(format!("the head of partition {} cannot be read", head.partition)))?;
        Ok(Some(Head { token, seq, ..head }))
    }

    async fn commit(&self, head: &mut Head, batch: Batch) -> Result<(), CommitError> {
        self.link().map_err(|error| CommitError::Unavailable(error.to_string()))?;
        self.commits.commit(*head, batch).await?;
        head.seq += 1;
        Ok(())
    }

    async fn get(&self, keys: &[RecordKey]) -> Result<Vec<Option<Bytes>>, StoreError> {
        read::get(self.link()?, keys).await
    }

    async fn ranges(&self, queries: &[RangeQuery]) -> Result<Vec<Vec<Entry>>, StoreError> {
        read::ranges(self.link()?, queries).await
    }

    async fn count(&self, partition: Partition, index: Index, limit: usize) -> Result<usize, StoreError> {
        let mut command = redis::cmd("ZCARD");
        command.arg(layout::index(partition, index).as_slice());
        let count: usize = self.run(&command).await?;
        Ok(count.min(limit))
    }

    async fn counter(&self, partition: Partition, counter: Counter) -> Result<i64, StoreError> {
        let mut command = redis::cmd("HGET");
        command.arg(layout::counters(partition).as_slice()).arg(counter as u8);
        let value: Option<i64> = self.run(&command).await?;
        Ok(value.unwrap_or(0))
    }

    async fn add_hints(&self, hints: &[AddressHint]) -> Result<(), StoreError> {
        self.each_hint("SADD", hints).await
    }

    async fn remove_hints(&self, hints: &[AddressHint]) -> Result<(), StoreError> {
        self.each_hint("SREM", hints).await
    }

    async fn hinted(&self, account: AccountNo, address: &Address) -> Result<Vec<ContactId>, StoreError> {
        let mut command = redis::cmd("SRANDMEMBER");
        command.arg(layout::hints(keys::address_digest(account, address)).as_slice()).arg(MAX_HINTED);
        let members: Vec<Vec<u8>> = self.run(&command).await?;
        let mut contacts: Vec<_> =
            members.iter().filter_map(|id| id.as_slice().try_into().ok()).map(ContactId::from_bytes).collect();
        contacts.sort_unstable();
        Ok(contacts)
    }

    async fn now(&self) -> Result<UnixMs, StoreError> {
        let reply = self.link()?.script(&SCRIPTS.now, |command| {
            command.arg(1).arg(layout::META);
        });
        reply.await.map(UnixMs).map_err(|error| store_error(&error))
    }

    async fn usage(&self) -> Result<Usage, StoreError> {
        let facts = ServerFacts::read(self.link()?).await?;
        let bytes = facts.iter().map(|facts| facts.used_memory).sum();
        // In a cluster the fullest server decides.
        let share = facts.iter().map(|facts| facts.usage().share).fold(0.0, f64::max);
        Ok(Usage { share, bytes })
    }

    async fn describe(&self) -> Result<Description, StoreError> {
        let facts = ServerFacts::read(self.link()?).await?;
        let mut warnings: Vec<String> = facts.iter().flat_map(ServerFacts::warnings).collect();
        warnings.dedup();
        let version = facts.first().map_or(String::new(), |facts| facts.version.clone());
        Ok(Description { backend: "redis", version, warnings })
    }

    async fn recover(&self) -> Result<(), StoreError> {
        let facts = ServerFacts::read(self.link()?).await?;
        if facts.iter().any(|facts| facts.usage().share >= 1.0) { Err(StoreError::OutOfSpace) } else { Ok(()) }
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.is_closed.store(true, Ordering::SeqCst);
        Ok(())
    }
}
