//! The directory: accounts, users, sessions, API keys, senders, webhooks and templates. It lives in a partition of its own, leased
//! like the others, and publishes an immutable snapshot that every shard reads without a lock.
//!
//! Changes are rare and go one after another: a change is decided on the snapshot, committed together with the
//! audit entries that tell of it, published. After a commit that failed, or whose outcome is unknown, the
//! directory is read anew under a new token. One file has the changes of one kind of record; [`upkeep`] has what
//! the directory does by itself.

mod accounts;
mod api_keys;
mod attempts;
mod bootstrap;
mod draft;
mod password_links;
mod passwords;
mod secrets;
mod senders;
mod sessions;
mod templates;
pub mod upkeep;
mod users;
pub(crate) mod webhooks;

use std::time::Duration;

use tokio::sync::Mutex;

use crate::domain::address::Mailbox;
use crate::domain::audit::AuditEntry;
use crate::domain::clock::UnixMs;
use crate::domain::directory::{Account, ApiKey, MessageTemplate, Role, Sender, Session, Snapshot, User, Webhook};
use crate::domain::ids::{AccountNo, LaneNo, Partition, derive_uuid};
use crate::domain::password_link::PasswordLinks;
use crate::domain::reply_address::ReplyKey;
use crate::domain::session::CsrfKey;
use crate::domain::source::IdSource;
use crate::domain::status_callback::StatusCallbackKey;
use crate::domain::tracking::TrackingKey;
use crate::domain::unsubscribe::UnsubscribeKey;
use crate::protocol::api::{Caller, EngineError, EngineResult, Idempotency};
use crate::sender::pool::SendersChanged;
use crate::shard::{Keys, Node};
use crate::store::keys::{self, DirectoryKey};
use crate::store::{
    Acquired, Batch, CommitError, Counter, Head, Index, Mutation, NodeId, RangeQuery, RecordKey, Renewal, SharedStore,
    StoreError, Table, audit, codec,
};

use attempts::Attempts;
use passwords::Passwords;

pub use bootstrap::Bootstrap;
pub use secrets::{hash_api_key, verify_password};
pub(crate) use sessions::Checked;

const DIRECTORY: Partition = Partition::DIRECTORY;
/// Records of the directory, over all accounts.
const MAX_RECORDS: usize = 1_000_000;

struct State {
    head: Head,
    snapshot: Snapshot,
    last_lane: u32,
    // What the counter of account numbers says; behind the highest number only on a store that had no counter.
    counted_accounts: u32,
    // A commit's outcome is unknown, or the lease was lost, and what is there by now could not be read.
    is_outdated: bool,
}

/// The directory's owner.
pub struct Directory {
    store: SharedStore,
    node: NodeId,
    lease_ttl: Duration,
    state: Mutex<State>,
    passwords: Passwords,
    attempts: std::sync::Mutex<Attempts>,
    csrf: CsrfKey,
    password_links: PasswordLinks,
    system_from: Mailbox,
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Directory")
    }
}

/// What a change writes, the snapshot after it, and what its caller hears.
struct Change<T> {
    mutations: Vec<Mutation>,
    audit: Vec<AuditEntry>,
    snapshot: Snapshot,
    is_growth: bool,
    answer: T,
}

fn reused() -> EngineError {
    EngineError::Conflict {
        code: "idempotency_key_reused",
        detail: "this idempotency key was used with another request: use a new key".into(),
    }
}

fn keyed(idempotency: &Option<Idempotency>, caller: &Caller, kind: &[u8]) -> Option<uuid::Uuid> {
    let key = &idempotency.as_ref()?.key;
    Some(derive_uuid(kind, &[&caller.account.0.to_be_bytes(), key.as_bytes()]))
}

fn check_version(if_match: Option<u32>, current: u32) -> EngineResult<()> {
    match if_match {
        Some(version) if version != current => Err(EngineError::VersionMismatch { current }),
        _ => Ok(()),
    }
}

/// Refuses to give, change or take away rights above the caller's own.
fn check_reach(caller: &Caller, role: Role) -> EngineResult<()> {
    if role > caller.role {
        return Err(EngineError::Forbidden {
            code: "role_too_high",
            detail: format!("this needs the role {}, which you do not have", role.as_str()),
        });
    }
    Ok(())
}

/// What a read that failed means to a caller.
fn unread(error: &StoreError) -> EngineError {
    tracing::warn!(%error, "a read of the directory's partition failed");
    match error {
        StoreError::OutOfSpace => EngineError::OutOfSpace,
        _ => EngineError::Unavailable,
    }
}

impl Directory {
    /// Acquires the directory and reads it. The secret behind everything that is signed is made on a new store.
    ///
    /// # Errors
    /// The store cannot be read, or another node has the directory.
    pub async fn open(
        store: SharedStore,
        node: NodeId,
        lease_ttl: Duration,
        system_from: &Mailbox,
        ids: &IdSource,
    ) -> Result<(Self, Snapshot, Keys), StoreError> {
        let mut state = load(&store, node, lease_ttl, system_from).await?;
        let key = RecordKey { partition: DIRECTORY, table: Table::Directory, key: keys::installation_secret() };
        let secret = match store.get(std::slice::from_ref(&key)).await?.into_iter().next().flatten() {
            Some(bytes) => <[u8; 32]>::try_from(&bytes[..])
                .map_err(|_| StoreError::Corrupt("the installation's secret is not 32 bytes".into()))?,
            None => {
                let mut secret = [0; 32];
                ids.fill(&mut secret);
                let put = Mutation::Put(Table::Directory, key.key, bytes::Bytes::copy_from_slice(&secret));
                let batch = Batch { mutations: vec![put], is_growth: true };
                store
                    .commit(&mut state.head, batch)
                    .await
                    .map_err(|error| StoreError::Unavailable(error.to_string()))?;
                secret
            }
        };
        let snapshot = state.snapshot.clone();
        let directory = Self {
            store,
            node,
            lease_ttl,
            state: Mutex::new(state),
            passwords: Passwords::default(),
            attempts: std::sync::Mutex::default(),
            csrf: CsrfKey::new(&secret),
            password_links: PasswordLinks::new(&secret),
            system_from: system_from.clone(),
        };
        Ok((
            directory,
            snapshot,
            Keys {
                unsubscribe: UnsubscribeKey::new(&secret),
                reply: ReplyKey::new(&secret),
                status_callbacks: StatusCallbackKey::new(&secret),
                tracking: TrackingKey::new(&secret),
            },
        ))
    }

    /// Whether there is no account yet.
    pub async fn is_empty(&self) -> bool {
        self.state.lock().await.snapshot.accounts().next().is_none()
    }

    /// The key behind the second token of a session.
    #[must_use]
    pub const fn csrf(&self) -> &CsrfKey {
        &self.csrf
    }

    /// Decides, commits with what the audit trail gets, publishes.
    async fn change<T>(
        &self,
        node: &Node,
        decide: impl Fn(&Snapshot, LaneNo) -> EngineResult<Change<T>>,
    ) -> EngineResult<T> {
        let mut state = self.state.lock().await;
        // Nobody is told that all is as it should be by what may not be so any more.
        if state.is_outdated {
            self.read_anew(node, &mut state).await.map_err(|error| unread(&error))?;
        }
        // A lost lease is taken back once; then the change is decided anew on what is there by now.
        for is_last in [false, true] {
            let next_lane = LaneNo(state.last_lane + 1);
            let Change { mut mutations, audit, mut snapshot, is_growth, answer } = decide(&state.snapshot, next_lane)?;
            let is_news = !mutations.is_empty();
            mutations.extend(audit.iter().flat_map(|entry| audit::put(DIRECTORY, entry)));
            if mutations.is_empty() {
                return Ok(answer);
            }
            let takes_lane = mutations.iter().any(|mutation| matches!(mutation, Mutation::Add(Counter::Lanes, _)));
            let accounts = snapshot.last_account.0.max(state.counted_accounts);
            if accounts > state.counted_accounts {
                let by = i64::from(accounts - state.counted_accounts);
                mutations.push(Mutation::Add(Counter::Accounts, by));
            }
            let mut head = state.head;
            match self.store.commit(&mut head, Batch { mutations, is_growth }).await {
                Ok(()) => {
                    state.head = head;
                    state.last_lane += u32::from(takes_lane);
                    state.counted_accounts = accounts;
                    if is_news {
                        snapshot.generation = state.snapshot.generation + 1;
                        state.snapshot = snapshot.clone();
                        publish(node, snapshot);
                    }
                    return Ok(answer);
                }
                Err(CommitError::NoRoom) => return Err(EngineError::OutOfSpace),
                Err(error) => {
                    tracing::warn!(%error, "a change of the directory failed: it is read anew");
                    // The change may have been applied all the same: whoever asks again finds it done.
                    self.read_anew(node, &mut state).await.map_err(|_| EngineError::Unavailable)?;
                    match error {
                        CommitError::Fenced { .. } if !is_last => {}
                        CommitError::OutOfSpace => return Err(EngineError::OutOfSpace),
                        _ => return Err(EngineError::Unavailable),
                    }
                }
            }
        }
        Err(EngineError::Unavailable)
    }

    /// Takes the directory back under a new token, and publishes what is there by now.
    async fn read_anew(&self, node: &Node, state: &mut State) -> Result<(), StoreError> {
        state.is_outdated = true;
        let anew = load(&self.store, self.node, self.lease_ttl, &self.system_from).await?;
        let before = std::mem::replace(state, anew).snapshot;
        state.snapshot.generation = before.generation + 1;
        state.snapshot.carry_uses(&before);
        publish(node, state.snapshot.clone());
        Ok(())
    }
}

/// Everybody sees this directory from now on; the pools are told if its lanes are others.
fn publish(node: &Node, snapshot: Snapshot) {
    let has_same_lanes = snapshot.shares_lanes(&node.directory.load());
    node.directory.store(snapshot.into());
    if !has_same_lanes {
        for pool in node.routes().pools.all() {
            pool.do_send(SendersChanged);
        }
    }
}

async fn load(store: &SharedStore, node: NodeId, ttl: Duration, system_from: &Mailbox) -> Result<State, StoreError> {
    let lease = match store.acquire(DIRECTORY, node, ttl).await? {
        Acquired::Granted(lease) => lease,
        Acquired::HeldBy { node, .. } => {
            return Err(StoreError::Unusable(format!(
                "node {node} has the directory: this version runs one node on a store"
            )));
        }
    };
    let query = RangeQuery {
        partition: DIRECTORY,
        index: Index::Directory,
        after: None,
        to: UnixMs::MAX,
        limit: MAX_RECORDS,
        descending: false,
    };
    let entries = store.ranges(std::slice::from_ref(&query)).await?.into_iter().next().unwrap_or_default();
    let listed = entries.iter().map(|entry| DirectoryKey::from_member(&entry.member)).collect::<Result<Vec<_>, _>>();
    let listed = listed.map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let mut snapshot = Snapshot::with_system(system_from);
    for chunk in listed.chunks(1_024) {
        let wanted: Vec<_> = chunk
            .iter()
            .map(|key| RecordKey { partition: DIRECTORY, table: Table::Directory, key: key.key() })
            .collect();
        for (key, bytes) in chunk.iter().zip(store.get(&wanted).await?) {
            let Some(bytes) = bytes else { continue };
            match key {
                DirectoryKey::Account(_) => snapshot.put_account(decode::<Account>(&bytes)?),
                DirectoryKey::User(_) => snapshot.put_user(decode::<User>(&bytes)?),
                DirectoryKey::ApiKey(_) => snapshot.put_api_key(decode::<ApiKey>(&bytes)?),
                DirectoryKey::Sender(_) => snapshot.put_sender(decode::<Sender>(&bytes)?),
                DirectoryKey::Session(_) => snapshot.put_session(decode::<Session>(&bytes)?),
                DirectoryKey::Webhook(_) => snapshot.put_webhook(decode::<Webhook>(&bytes)?),
                DirectoryKey::Template(_) => snapshot.put_template(decode::<MessageTemplate>(&bytes)?),
            }
        }
    }
    let last_lane = u32::try_from(store.counter(DIRECTORY, Counter::Lanes).await?).unwrap_or(0);
    let counted_accounts = u32::try_from(store.counter(DIRECTORY, Counter::Accounts).await?).unwrap_or(0);
    snapshot.last_account = snapshot.last_account.max(AccountNo(counted_accounts));
    Ok(State { head: lease.head, snapshot, last_lane, counted_accounts, is_outdated: false })
}

fn decode<T: codec::Record>(bytes: &[u8]) -> Result<T, StoreError> {
    codec::decode(bytes).map_err(|error| StoreError::Corrupt(error.to_string()))
}

impl Directory {
    /// Renews the directory's lease now and then; ends when the node stops. One that was lost is taken back, and what
    /// was changed meanwhile is read, so that nobody is served from a directory that is somebody else's.
    pub async fn keep_lease(&self, node: &Node) {
        let mut every = tokio::time::interval(self.lease_ttl / 3);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !node.health.is_stopping() {
            every.tick().await;
            // Not while it changes: a change that takes it back has another token.
            let mut state = self.state.lock().await;
            let lease = crate::store::Lease { node: self.node, head: state.head, ttl: Some(self.lease_ttl) };
            let renewed = match self.store.renew(&lease).await {
                Ok(Renewal::Renewed) if state.is_outdated => self.read_anew(node, &mut state).await,
                Ok(Renewal::Renewed) => Ok(()),
                Ok(Renewal::Lost) => {
                    tracing::warn!("the directory's lease was lost: it is taken back and read anew");
                    self.read_anew(node, &mut state).await
                }
                Err(error) => Err(error),
            };
            if let Err(error) = renewed {
                tracing::warn!(%error, "the directory's lease could not be renewed, trying again");
            }
        }
    }

    /// Gives the lease back.
    pub async fn release(&self) {
        let head = self.state.lock().await.head;
        let lease = crate::store::Lease { node: self.node, head, ttl: Some(self.lease_ttl) };
        if let Err(error) = self.store.release(lease).await {
            tracing::warn!(%error, "the directory's lease could not be given back and runs out by itself");
        }
    }
}
