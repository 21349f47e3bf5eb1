//! What can be changed in the directory. Each change is decided on a snapshot.

use secrecy::{ExposeSecret, SecretString};

use super::secrets::{hash_api_key, hash_password, new_api_key};
use super::{Change, Directory, put, remove};
use crate::domain::address::EmailAddress;
use crate::domain::clock::UnixMs;
use crate::domain::directory::{Account, ApiKey, Role, Sender, Snapshot, User};
use crate::domain::ids::{AccountNo, ApiKeyId, LaneNo, SenderId, UserId, derive_uuid};
use crate::domain::zone::TimeZone;
use crate::protocol::api::{
    Caller, Created, EngineError, EngineResult, Idempotency, NewApiKey, NewSender, SenderPatch,
};
use crate::shard::Node;
use crate::store::keys::DirectoryKey;
use crate::store::{Counter, Mutation, codec};

/// What an empty store begins with.
#[derive(Debug)]
pub struct Bootstrap {
    /// The first account's name.
    pub account_name: String,
    /// Its zone (IANA).
    pub time_zone: String,
    /// The first admin's sign-in name.
    pub admin_email: EmailAddress,
    /// Their password.
    pub admin_password: SecretString,
    /// The first API key's secret; role operator.
    pub api_key: SecretString,
}

fn reused() -> EngineError {
    EngineError::Conflict {
        code: "idempotency_key_reused",
        detail: "this idempotency key was used with another request: use a new key".into(),
    }
}

fn account_zone(name: &str) -> EngineResult<String> {
    TimeZone::parse(name)
        .map(|zone| zone.name().to_owned())
        .map_err(|error| EngineError::field("/time_zone", "unknown_time_zone", error.to_string()))
}

/// One default per channel and account: the new one takes over from the old.
fn take_default(mutations: &mut Vec<Mutation>, snapshot: &mut Snapshot, sender: &Sender, now: UnixMs) {
    let others: Vec<Sender> = snapshot
        .senders_of(sender.account)
        .filter(|other| other.channel() == sender.channel() && other.is_default && other.id != sender.id)
        .cloned()
        .collect();
    for mut other in others {
        other.is_default = false;
        other.version += 1;
        other.updated_at = now;
        put(mutations, DirectoryKey::Sender(other.id), codec::encode(&other));
        snapshot.put_sender(other);
    }
}

impl Directory {
    /// Makes the first account, its admin and its key, if there is no account yet. Whether it did.
    ///
    /// # Errors
    /// The store, or a zone that does not exist.
    pub async fn bootstrap(&self, node: &Node, first: &Bootstrap) -> EngineResult<bool> {
        if !self.is_empty().await {
            return Ok(false);
        }
        let time_zone = account_zone(&first.time_zone)?;
        let password_hash = hash_password(&first.admin_password, &node.ids)
            .map_err(|error| EngineError::field("/bootstrap/admin_password", "unusable_password", error))?;
        let (ids, now) = (&node.ids, node.clock.now());
        self.change(node, |snapshot, _| {
            if snapshot.accounts().next().is_some() {
                return Ok(Change { mutations: vec![], snapshot: snapshot.clone(), is_growth: true, answer: false });
            }
            let (mut mutations, mut next) = (Vec::new(), snapshot.clone());
            let no = AccountNo(1);
            let account = Account {
                id: ids.account(now),
                no,
                version: 1,
                name: first.account_name.clone(),
                time_zone: time_zone.clone(),
                twilio_sid: format!("AC{:032x}", ids.random_u128()),
                created_at: now,
                updated_at: now,
            };
            let user = User {
                id: ids.user(now),
                account: no,
                email: first.admin_email.clone(),
                password_hash: password_hash.clone(),
                role: Role::Operator,
                created_at: now,
            };
            let key = ApiKey {
                id: ids.api_key(now),
                account: no,
                hash: hash_api_key(first.api_key.expose_secret()),
                name: "bootstrap".into(),
                role: Role::Operator,
                test: false,
                created_at: now,
                revoked_at: None,
                request_hash: None,
            };
            put(&mut mutations, DirectoryKey::Account(no), codec::encode(&account));
            put(&mut mutations, DirectoryKey::User(user.id), codec::encode(&user));
            put(&mut mutations, DirectoryKey::ApiKey(key.id), codec::encode(&key));
            next.put_account(account);
            next.put_user(user);
            next.put_api_key(key);
            Ok(Change { mutations, snapshot: next, is_growth: true, answer: true })
        })
        .await
    }

    /// Changes the account's name and zone.
    ///
    /// # Errors
    /// Not found, another version, a zone that does not exist, the store.
    pub async fn patch_account(
        &self,
        node: &Node,
        no: AccountNo,
        name: Option<String>,
        time_zone: Option<String>,
        if_match: Option<u32>,
    ) -> EngineResult<Account> {
        let time_zone = time_zone.as_deref().map(account_zone).transpose()?;
        let now = node.clock.now();
        self.change(node, |snapshot, _| {
            let mut account = snapshot.account(no).ok_or(EngineError::NotFound)?.clone();
            check_version(if_match, account.version)?;
            account.name = name.clone().unwrap_or(account.name);
            account.time_zone = time_zone.clone().unwrap_or(account.time_zone);
            account.version += 1;
            account.updated_at = now;
            let (mut mutations, mut next) = (Vec::new(), snapshot.clone());
            put(&mut mutations, DirectoryKey::Account(no), codec::encode(&account));
            next.put_account(account.clone());
            Ok(Change { mutations, snapshot: next, is_growth: false, answer: account })
        })
        .await
    }

    /// Adds a sender and with it a lane.
    ///
    /// # Errors
    /// An address that is a sender already, a user that does not exist, a reused key, the store.
    pub async fn create_sender(&self, node: &Node, caller: &Caller, new: &NewSender) -> EngineResult<Created<Sender>> {
        let now = node.clock.now();
        let id = keyed(&new.idempotency, caller, b"sender").map_or_else(|| node.ids.sender(now), SenderId::from_uuid);
        let hash = new.idempotency.as_ref().map(|idempotency| idempotency.request_hash);
        self.change(node, |snapshot, lane: LaneNo| {
            if let Some(existing) = snapshot.sender(id) {
                return if existing.request_hash == hash {
                    Ok(unchanged(snapshot, Created::Replayed(existing.clone())))
                } else {
                    Err(reused())
                };
            }
            if snapshot.senders_of(caller.account).any(|sender| sender.address == new.address) {
                let detail = "this address is a sender already: change that one";
                return Err(EngineError::Conflict { code: "sender_exists", detail: detail.into() });
            }
            check_user(snapshot, caller.account, new.assigned_user)?;
            let is_first = snapshot.default_sender(caller.account, new.address.channel()).is_none();
            let sender = Sender {
                id,
                lane,
                account: caller.account,
                version: 1,
                address: new.address.clone(),
                label: new.label.clone(),
                is_default: new.is_default || is_first,
                assigned_user: new.assigned_user,
                limit: new.limit,
                country: new.country.clone(),
                paused: false,
                created_at: now,
                updated_at: now,
                request_hash: hash,
            };
            let (mut mutations, mut next) = (vec![Mutation::Add(Counter::Lanes, 1)], snapshot.clone());
            if sender.is_default {
                take_default(&mut mutations, &mut next, &sender, now);
            }
            put(&mut mutations, DirectoryKey::Sender(id), codec::encode(&sender));
            next.put_sender(sender.clone());
            Ok(Change { mutations, snapshot: next, is_growth: true, answer: Created::New(sender) })
        })
        .await
    }

    /// Changes a sender. `account`: only one of that account.
    ///
    /// # Errors
    /// Not found, another version, a user that does not exist, the store.
    pub async fn patch_sender(
        &self,
        node: &Node,
        account: Option<AccountNo>,
        id: SenderId,
        patch: &SenderPatch,
        if_match: Option<u32>,
    ) -> EngineResult<Sender> {
        let now = node.clock.now();
        self.change(node, |snapshot, _| {
            let found = snapshot.sender(id).filter(|sender| account.is_none_or(|account| sender.account == account));
            let mut sender = found.ok_or(EngineError::NotFound)?.clone();
            check_version(if_match, sender.version)?;
            if patch.is_default == Some(false) && sender.is_default {
                let detail = "a channel needs a default sender: make another one the default instead";
                return Err(EngineError::Conflict { code: "default_needed", detail: detail.into() });
            }
            check_user(snapshot, sender.account, patch.assigned_user.flatten())?;
            sender.label = patch.label.clone().unwrap_or(sender.label);
            sender.is_default = patch.is_default.unwrap_or(sender.is_default);
            sender.assigned_user = patch.assigned_user.unwrap_or(sender.assigned_user);
            sender.limit = patch.limit.unwrap_or(sender.limit);
            sender.country = patch.country.clone().unwrap_or(sender.country);
            sender.paused = patch.paused.unwrap_or(sender.paused);
            sender.version += 1;
            sender.updated_at = now;
            let (mut mutations, mut next) = (Vec::new(), snapshot.clone());
            if sender.is_default {
                take_default(&mut mutations, &mut next, &sender, now);
            }
            put(&mut mutations, DirectoryKey::Sender(id), codec::encode(&sender));
            next.put_sender(sender.clone());
            Ok(Change { mutations, snapshot: next, is_growth: false, answer: sender })
        })
        .await
    }

    /// Removes a sender. What is scheduled from it is held when it is due.
    ///
    /// # Errors
    /// Not found, the store.
    pub async fn delete_sender(&self, node: &Node, account: AccountNo, id: SenderId) -> EngineResult<()> {
        let now = node.clock.now();
        self.change(node, |snapshot, _| {
            let sender = snapshot.sender(id).filter(|sender| sender.account == account).ok_or(EngineError::NotFound)?;
            let (mut mutations, mut next) = (Vec::new(), snapshot.clone());
            remove(&mut mutations, DirectoryKey::Sender(id));
            next.remove_sender(id);
            // The oldest one that is left takes over as default.
            let heir = next.senders_of(account).find(|other| other.channel() == sender.channel()).cloned();
            if let Some(mut heir) = heir.filter(|_| sender.is_default) {
                heir.is_default = true;
                heir.version += 1;
                heir.updated_at = now;
                put(&mut mutations, DirectoryKey::Sender(heir.id), codec::encode(&heir));
                next.put_sender(heir);
            }
            Ok(Change { mutations, snapshot: next, is_growth: false, answer: () })
        })
        .await
    }

    /// Makes an API key. Its secret is told once: a replay has none.
    ///
    /// # Errors
    /// A role above the caller's, a reused key, the store.
    pub async fn create_api_key(
        &self,
        node: &Node,
        caller: &Caller,
        new: &NewApiKey,
    ) -> EngineResult<Created<(ApiKey, Option<String>)>> {
        if new.role > caller.role {
            return Err(EngineError::Forbidden {
                code: "role_too_high",
                detail: "a key cannot have more rights than the one that makes it".into(),
            });
        }
        let now = node.clock.now();
        let id = keyed(&new.idempotency, caller, b"api-key").map_or_else(|| node.ids.api_key(now), ApiKeyId::from_uuid);
        let hash = new.idempotency.as_ref().map(|idempotency| idempotency.request_hash);
        let secret = new_api_key(&node.ids);
        self.change(node, |snapshot, _| {
            if let Some(existing) = snapshot.api_key(id) {
                return if existing.request_hash == hash {
                    Ok(unchanged(snapshot, Created::Replayed((existing.clone(), None))))
                } else {
                    Err(reused())
                };
            }
            let key = ApiKey {
                id,
                account: caller.account,
                hash: hash_api_key(&secret),
                name: new.name.clone(),
                role: new.role,
                test: new.test,
                created_at: now,
                revoked_at: None,
                request_hash: hash,
            };
            let (mut mutations, mut next) = (Vec::new(), snapshot.clone());
            put(&mut mutations, DirectoryKey::ApiKey(id), codec::encode(&key));
            next.put_api_key(key.clone());
            Ok(Change { mutations, snapshot: next, is_growth: true, answer: Created::New((key, Some(secret.clone()))) })
        })
        .await
    }

    /// Revokes an API key: it is refused from the answer on. What it scheduled goes on.
    ///
    /// # Errors
    /// Not found, the store.
    pub async fn revoke_api_key(&self, node: &Node, account: AccountNo, id: ApiKeyId) -> EngineResult<()> {
        let now = node.clock.now();
        self.change(node, |snapshot, _| {
            let mut key =
                snapshot.api_key(id).filter(|key| key.account == account).ok_or(EngineError::NotFound)?.clone();
            if key.revoked_at.is_some() {
                return Ok(unchanged(snapshot, ()));
            }
            key.revoked_at = Some(now);
            let (mut mutations, mut next) = (Vec::new(), snapshot.clone());
            put(&mut mutations, DirectoryKey::ApiKey(id), codec::encode(&key));
            next.put_api_key(key);
            Ok(Change { mutations, snapshot: next, is_growth: false, answer: () })
        })
        .await
    }
}

fn unchanged<T>(snapshot: &Snapshot, answer: T) -> Change<T> {
    Change { mutations: Vec::new(), snapshot: snapshot.clone(), is_growth: false, answer }
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

fn check_user(snapshot: &Snapshot, account: AccountNo, user: Option<UserId>) -> EngineResult<()> {
    match user {
        Some(id) if snapshot.user(id).is_none_or(|user| user.account != account) => {
            Err(EngineError::field("/assigned_user", "unknown_user", "no such user in this account"))
        }
        _ => Ok(()),
    }
}
