//! What a store promises. Two backends keep it (embedded, Redis), and one conformance suite runs on both.
//!
//! A backend knows records and ordered indexes, nothing of messages. All that belongs to one partition
//! is written by the holder of that partition's lease, in fenced batches: a batch names the head (token
//! and sequence number) that its writer believes in, and the store applies it only if that is still the
//! head, raising the sequence number in the same atomic step. So a writer that lost its lease, or a
//! batch that arrives late, can change nothing.
//!
//! **Unknown outcomes.** A commit that timed out may or may not have been applied. The owner reads
//! [`Store::head`]: its own token with a sequence number one higher means applied.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use smallvec::SmallVec;

use crate::domain::address::Address;
use crate::domain::clock::UnixMs;
use crate::domain::ids::{AccountNo, ContactId, LaneNo, Partition, PartitionCount};
use crate::domain::message::Class;

/// A record's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    /// Key: contact id. Value: `Contact`.
    Contact = 1,
    /// Key: message id. Value: `Message`.
    Message = 2,
    /// Key: message id and blob number. Value: raw bytes (an attachment) or `Content`.
    Blob = 3,
    /// Key: account number and external id. Value: contact id. For external ids that were set later.
    Alias = 4,
    /// Key: a kind byte and an id. Value: `Account`, `User`, `ApiKey`, `Sender`, `Session`, `Webhook` or
    /// `MessageTemplate`. In the directory partition.
    Directory = 5,
    /// Key: item id. Value: `ThreadItem`.
    Item = 10,
    /// Key: account number and the address' digest. Value: `Suppression`.
    Suppression = 11,
    /// Key: account number. Value: `AccountHabits`, as far as they were learned in this partition.
    Habits = 12,
    /// Key: none. Value: `PlannedBy`, of the whole partition.
    Planned = 13,
    /// Key: audit id. Value: `AuditEntry`. In the partition of what was changed.
    Audit = 6,
}

/// A record's key within its table and partition.
pub type Key = SmallVec<[u8; 24]>;

/// An ordered index, with the scope that tells its instances apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Index {
    /// What will be due. Score: due time. Member: `Ticket::member`.
    Due,
    /// What is due beyond its lane's bound. Score and member as in `Due`.
    Waiting(LaneNo, Class),
    /// Which `Waiting` scopes of this partition may hold anything. Score 0. Member: lane and class.
    WaitingScopes,
    /// A contact's pending messages. Score: due time. Member: message id.
    Pending(ContactId),
    /// A contact's past: sent, received, failed, cancelled, notes. Score: time. Member: `TimelineMember`.
    Timeline(ContactId),
    /// An account's held messages. Score: since when. Member: message id and contact id.
    Held(AccountNo),
    /// An account's held, uncertain and failed messages. Score: since when. Member: state byte, message id, contact id.
    Attention(AccountNo),
    /// An account's contacts. Score: creation time. Member: contact id.
    Contacts(AccountNo),
    /// An account's conversations. Score: last activity. Member: contact id.
    Inbox(AccountNo),
    /// An account's suppressed addresses. Score: since when. Member: the address' digest.
    Suppressions(AccountNo),
    /// An account's search terms. Score 0. Member: term, 0, contact id.
    Search(AccountNo),
    /// Every directory record. Score 0. Member: kind byte and id, as in `Table::Directory`'s keys.
    Directory,
    /// An account's audit trail, in each partition and the directory's. Score: time. Member: audit id, partition.
    Audit(AccountNo),
}

/// An index entry's score: milliseconds, or 0. Exact in Redis's doubles (below 2^53).
pub type Score = UnixMs;

/// An index entry's member: at most 128 bytes; compared bytewise within a score.
pub type Member = SmallVec<[u8; 64]>;

/// An entry of an index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    /// Orders entries first.
    pub score: Score,
    /// Orders entries of one score.
    pub member: Member,
}

/// One change. Applying it twice is the same as once: `Put` replaces, the others ignore what is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mutation {
    /// Creates or replaces a record.
    Put(Table, Key, Bytes),
    /// Removes a record.
    Delete(Table, Key),
    /// Adds an entry. A member stands once in an index: another score replaces the earlier one on Redis,
    /// so a move is always `Unindex` then `Index`.
    Index(Index, Score, Member),
    /// Removes an entry, if it stands there with exactly this score: under another score it stays
    /// (a batch that comes late must not remove what a later one moved).
    Unindex(Index, Score, Member),
    /// Moves an entry from the first index to the second, if it stands in the first with exactly this score;
    /// otherwise nothing happens. For whoever does not own what the entry stands for, and so cannot know
    /// whether it was removed meanwhile.
    Move(Index, Index, Score, Member),
    /// Adds to a counter of the partition.
    Add(Counter, i64),
}

impl Mutation {
    /// Bytes that this mutation carries, for the batch bound.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Put(_, key, value) => key.len() + value.len(),
            Self::Delete(_, key) => key.len(),
            Self::Index(_, _, member) | Self::Unindex(_, _, member) | Self::Move(_, _, _, member) => member.len() + 8,
            Self::Add(..) => 16,
        }
    }

    /// Whether it carries nothing (no mutation does; this keeps `len` company).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A number kept per partition, beside the records it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Counter {
    /// Messages in a pending state.
    Pending = 1,
    /// Contacts that live.
    Contacts = 2,
    /// Lane numbers given out (in the directory partition).
    Lanes = 3,
    /// Account numbers given out (in the directory partition).
    Accounts = 4,
}

/// A batch: all of it is applied, or none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// In order; a later one sees what an earlier one did.
    pub mutations: Vec<Mutation>,
    /// Whether it makes new work: refused when memory or disk runs out, while all other batches
    /// (settling, cancelling, cleaning up) may use the reserve.
    pub is_growth: bool,
}

impl Batch {
    /// Most mutations in a batch of more than one decision.
    pub const MAX_MUTATIONS: usize = 256;
    /// Most bytes in a batch of more than one decision.
    pub const MAX_BYTES: usize = 128 * 1024;
}

/// The fence of one partition: what the next commit must name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The partition.
    pub partition: Partition,
    /// 128 random bits, drawn when the lease was acquired, or anew after an unknown outcome.
    pub token: u128,
    /// Commits under this partition so far, over all tokens.
    pub seq: u64,
}

/// A node's name: stays the same over restarts on the same data.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u128);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The right to own a partition until `ttl` has passed since it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Who holds it.
    pub node: NodeId,
    /// What the first commit under it names.
    pub head: Head,
    /// How long it lasts. The embedded store's never runs out while its lock file is held.
    pub ttl: Option<Duration>,
}

/// What came of asking for a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Acquired {
    /// It is ours, with a new token. A node takes its own earlier lease back at once.
    Granted(Lease),
    /// Another node has it, for at most this long.
    HeldBy {
        /// That node.
        node: NodeId,
        /// What is left of its lease.
        remaining: Duration,
    },
}

/// What came of renewing a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Renewal {
    /// It lasts `ttl` from the moment the renewal was sent.
    Renewed,
    /// It is not ours any more.
    Lost,
}

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store cannot be reached or did not answer in time; a read may simply be repeated.
    #[error("the store did not answer: {0}")]
    Unavailable(String),
    /// No memory or disk space. Embedded: the store must be reopened before anything works again.
    #[error("the store is out of space")]
    OutOfSpace,
    /// What it holds cannot be read: an unknown format or a broken invariant. Never guessed at.
    #[error("the store holds what this version cannot read: {0}")]
    Corrupt(String),
    /// The store and the settings do not fit together.
    #[error("the store cannot be used: {0}")]
    Unusable(String),
}

/// Why a batch was not applied.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The head is another one: somebody else owns the partition, or the store lost writes. Not applied.
    #[error("the partition's head has moved: expected sequence {expected}, the store has {found:?}")]
    Fenced {
        /// The sequence number that was named.
        expected: u64,
        /// The head that the store has, if it has one.
        found: Option<Head>,
    },
    /// Not applied: it makes new work, and there is no room for that. Everything else goes on, under the same head.
    #[error("the store has no room for new work")]
    NoRoom,
    /// Not applied: no space. See [`StoreError::OutOfSpace`].
    #[error("the store is out of space")]
    OutOfSpace,
    /// Applied or not, nobody knows: look at the head.
    #[error("the outcome of a commit is not known: {0}")]
    Unknown(String),
    /// Not applied, for certain (the connection was refused before anything was sent, say).
    #[error("the store did not take a commit: {0}")]
    Unavailable(String),
}

/// A range to read: entries after `after` (exclusive; from the start when `None`), with scores up to
/// and including `to`, at most `limit` of them, in order of score, then member.
///
/// `after` need not be in the index. Its member may be empty: then every entry of that score follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeQuery {
    /// Which partition.
    pub partition: Partition,
    /// Which index.
    pub index: Index,
    /// Where to go on.
    pub after: Option<Entry>,
    /// The last score wanted.
    pub to: Score,
    /// At most this many.
    pub limit: usize,
    /// From the end: entries *before* `after` in descending order (from `to` downwards when `None`).
    pub descending: bool,
}

/// A record to read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RecordKey {
    /// Which partition.
    pub partition: Partition,
    /// Which table.
    pub table: Table,
    /// Which record.
    pub key: Key,
}

/// How full the store is, as shares of its budget (0 when no budget is known).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Usage {
    /// Used share of the memory or disk budget, 0 to 1 and beyond.
    pub share: f64,
    /// Bytes used.
    pub bytes: u64,
}

/// An address hint: this contact of this account may have this address. Verified by the reader.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AddressHint {
    /// The account.
    pub account: AccountNo,
    /// The address.
    pub address: Address,
    /// The contact.
    pub contact: ContactId,
}

/// Most contacts that [`Store::hinted`] returns for one address.
pub const MAX_HINTED: usize = 1_000;

/// What `describe` tells about a store, for `doctor` and `/admin/v1/nodes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// `embedded` or `redis`.
    pub backend: &'static str,
    /// Its version, where it has one.
    pub version: String,
    /// What an operator should know or change.
    pub warnings: Vec<String>,
}

/// A store, shared by every shard.
#[async_trait]
pub trait Store: Send + Sync + fmt::Debug + 'static {
    /// How many partitions this store was created with.
    fn partitions(&self) -> PartitionCount;

    /// Asks for the lease of a partition; draws a new token when it is granted.
    async fn acquire(&self, partition: Partition, node: NodeId, ttl: Duration) -> Result<Acquired, StoreError>;

    /// Renews a lease by its token.
    async fn renew(&self, lease: &Lease) -> Result<Renewal, StoreError>;

    /// Gives a lease back. One that is not ours any more is no error.
    async fn release(&self, lease: Lease) -> Result<(), StoreError>;

    /// The head that the store has for a partition.
    async fn head(&self, partition: Partition) -> Result<Option<Head>, StoreError>;

    /// Replaces the token under a lease that is still held under `head.token`, so that no batch that
    /// named the old one can land any more. `None`: the token was not the head's.
    async fn redraw(&self, head: Head) -> Result<Option<Head>, StoreError>;

    /// Applies a batch under a head, durably; raises `head.seq` on success.
    async fn commit(&self, head: &mut Head, batch: Batch) -> Result<(), CommitError>;

    /// Reads records, in the order asked for; any mix of partitions.
    async fn get(&self, keys: &[RecordKey]) -> Result<Vec<Option<Bytes>>, StoreError>;

    /// Reads ranges, in the order asked for; any mix of partitions.
    async fn ranges(&self, queries: &[RangeQuery]) -> Result<Vec<Vec<Entry>>, StoreError>;

    /// How many entries an index of a partition has, counted up to `limit`.
    async fn count(&self, partition: Partition, index: Index, limit: usize) -> Result<usize, StoreError>;

    /// A counter of a partition; 0 if it was never added to.
    async fn counter(&self, partition: Partition, counter: Counter) -> Result<i64, StoreError>;

    /// Adds address hints; before the commit that needs them.
    async fn add_hints(&self, hints: &[AddressHint]) -> Result<(), StoreError>;

    /// Removes address hints; after the commit that made them stale.
    async fn remove_hints(&self, hints: &[AddressHint]) -> Result<(), StoreError>;

    /// The contacts that may have an address; at most [`MAX_HINTED`].
    async fn hinted(&self, account: AccountNo, address: &Address) -> Result<Vec<ContactId>, StoreError>;

    /// The store's wall clock. Embedded: the machine's.
    async fn now(&self) -> Result<UnixMs, StoreError>;

    /// How full it is.
    async fn usage(&self) -> Result<Usage, StoreError>;

    /// What it is and what is wrong with it.
    async fn describe(&self) -> Result<Description, StoreError>;

    /// Whether it works again after [`StoreError::OutOfSpace`]; reopens it if it must be reopened.
    async fn recover(&self) -> Result<(), StoreError>;

    /// Flushes and closes; nothing works afterwards.
    async fn close(&self) -> Result<(), StoreError>;
}

/// A shared store.
pub type SharedStore = Arc<dyn Store>;
