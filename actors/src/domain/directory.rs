//! The directory's records: accounts, users, API keys and senders, and the snapshot that everyone reads.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::address::{Channel, Mailbox, PhoneNumber};
use super::clock::UnixMs;
use super::ids::{AccountId, AccountNo, ApiKeyId, LaneNo, SenderId, UserId};

/// What a caller may do. Each role has the rights of those after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Schedules and reads; uses permitted senders.
    User,
    /// Every sender and every setting of the account.
    Admin,
    /// The installation.
    Operator,
}

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its number in tickets and scopes.
    pub no: AccountNo,
    /// Counts changes, from 1.
    pub version: u32,
    /// Shown name.
    pub name: String,
    /// IANA zone name, validated.
    pub time_zone: String,
    /// `AC` and 32 hex digits: the account's name in the Twilio-compatible API.
    pub twilio_sid: String,
    /// When it was created.
    pub created_at: UnixMs,
    /// The last change.
    pub updated_at: UnixMs,
}

/// A person who signs in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// The account it belongs to.
    pub account: AccountNo,
    /// Sign-in name.
    pub email: super::address::EmailAddress,
    /// argon2id, in PHC string form.
    pub password_hash: String,
    /// What they may do.
    pub role: Role,
    /// When it was created.
    pub created_at: UnixMs,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("id", &self.id).field("role", &self.role).finish_non_exhaustive()
    }
}

/// An API key: shown once, stored as SHA-256 of its 256 random bits.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Its public name.
    pub id: ApiKeyId,
    /// The account it works for.
    pub account: AccountNo,
    /// SHA-256 of the secret.
    pub hash: [u8; 32],
    /// What a person calls it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Its messages go to the outbox, whatever the transport.
    pub test: bool,
    /// When it was created.
    pub created_at: UnixMs,
    /// When it was revoked, if it was.
    pub revoked_at: Option<UnixMs>,
    /// Hash of the creating request, when that had an idempotency key.
    pub request_hash: Option<[u8; 16]>,
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiKey").field("id", &self.id).field("role", &self.role).finish_non_exhaustive()
    }
}

/// How many units a limit lets through: `rate` in each `per`, up to `burst` at once.
/// A unit is a segment (SMS) or a mail (email).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// Units per period; at least 1.
    pub rate: u32,
    /// The period.
    pub per: Duration,
    /// Units that may go at once after a pause; at least 1.
    pub burst: u32,
}

impl Limit {
    /// SMS without a limit of its own: one segment a second, the usual long code.
    pub const LONG_CODE: Self = Self { rate: 1, per: Duration::from_secs(1), burst: 1 };
}

/// What an address of a sender is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SenderAddress {
    /// An email identity.
    Email(Mailbox),
    /// A phone number.
    Phone(PhoneNumber),
    /// A short code (3–8 digits) or an alphanumeric sender id (up to 11 characters).
    ShortOrName(String),
}

impl SenderAddress {
    /// The channel it sends on.
    #[must_use]
    pub const fn channel(&self) -> Channel {
        match self {
            Self::Email(_) => Channel::Email,
            Self::Phone(_) | Self::ShortOrName(_) => Channel::Sms,
        }
    }
}

impl std::fmt::Display for SenderAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Email(mailbox) => mailbox.fmt(f),
            Self::Phone(number) => number.fmt(f),
            Self::ShortOrName(text) => f.write_str(text),
        }
    }
}

/// A phone number or email identity that messages are sent from; its lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    /// Its id.
    pub id: SenderId,
    /// Its lane's number in tickets and scopes.
    pub lane: LaneNo,
    /// The account it belongs to.
    pub account: AccountNo,
    /// Counts changes, from 1.
    pub version: u32,
    /// What recipients see.
    pub address: SenderAddress,
    /// What people call it.
    pub label: Option<String>,
    /// The one that is used when nothing else decides; one per channel and account.
    pub is_default: bool,
    /// The only user (besides admins) who may use it, if set.
    pub assigned_user: Option<UserId>,
    /// Its limit; none: SMS [`Limit::LONG_CODE`], email unlimited.
    pub limit: Option<Limit>,
    /// ISO 3166 code, if known.
    pub country: Option<String>,
    /// An operator stopped its lane.
    pub paused: bool,
    /// When it was created.
    pub created_at: UnixMs,
    /// The last change.
    pub updated_at: UnixMs,
    /// Hash of the creating request, when that had an idempotency key.
    pub request_hash: Option<[u8; 16]>,
}

impl Sender {
    /// The channel it sends on.
    #[must_use]
    pub const fn channel(&self) -> Channel {
        self.address.channel()
    }

    /// The limit in force.
    #[must_use]
    pub fn effective_limit(&self) -> Option<Limit> {
        self.limit.or(match self.channel() {
            Channel::Sms => Some(Limit::LONG_CODE),
            Channel::Email => None,
        })
    }
}

/// An immutable picture of the directory. Readers hold one for the length of a decision.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Counts publications: a stop holds once every shard confirmed a generation that has it.
    pub generation: u64,
    accounts: BTreeMap<AccountNo, Account>,
    users: HashMap<UserId, User>,
    keys: HashMap<ApiKeyId, ApiKey>,
    key_by_hash: HashMap<[u8; 32], ApiKeyId>,
    senders: HashMap<SenderId, Sender>,
    sender_by_lane: BTreeMap<LaneNo, SenderId>,
}

impl Snapshot {
    /// The account of a number.
    #[must_use]
    pub fn account(&self, no: AccountNo) -> Option<&Account> {
        self.accounts.get(&no)
    }

    /// Every account, by number.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values()
    }

    /// The user of an id.
    #[must_use]
    pub fn user(&self, id: UserId) -> Option<&User> {
        self.users.get(&id)
    }

    /// The key of an id, revoked or not.
    #[must_use]
    pub fn api_key(&self, id: ApiKeyId) -> Option<&ApiKey> {
        self.keys.get(&id)
    }

    /// The live key whose secret has this SHA-256.
    #[must_use]
    pub fn key_by_hash(&self, hash: &[u8; 32]) -> Option<&ApiKey> {
        self.key_by_hash.get(hash).and_then(|id| self.keys.get(id)).filter(|key| key.revoked_at.is_none())
    }

    /// Every key of an account, oldest first.
    #[must_use]
    pub fn api_keys_of(&self, account: AccountNo) -> Vec<&ApiKey> {
        let mut keys: Vec<_> = self.keys.values().filter(|key| key.account == account).collect();
        keys.sort_by_key(|key| (key.created_at, key.id));
        keys
    }

    /// The sender of an id.
    #[must_use]
    pub fn sender(&self, id: SenderId) -> Option<&Sender> {
        self.senders.get(&id)
    }

    /// The sender behind a lane.
    #[must_use]
    pub fn sender_of_lane(&self, lane: LaneNo) -> Option<&Sender> {
        self.sender_by_lane.get(&lane).and_then(|id| self.senders.get(id))
    }

    /// Every sender, by lane number.
    pub fn senders(&self) -> impl Iterator<Item = &Sender> {
        self.sender_by_lane.values().filter_map(|id| self.senders.get(id))
    }

    /// Every sender of an account, by lane number.
    pub fn senders_of(&self, account: AccountNo) -> impl Iterator<Item = &Sender> {
        self.senders().filter(move |sender| sender.account == account)
    }

    /// The account's default sender on a channel.
    #[must_use]
    pub fn default_sender(&self, account: AccountNo, channel: Channel) -> Option<&Sender> {
        self.senders_of(account).find(|sender| sender.channel() == channel && sender.is_default)
    }

    /// Puts or replaces an account.
    pub fn put_account(&mut self, account: Account) {
        self.accounts.insert(account.no, account);
    }

    /// Puts or replaces a user.
    pub fn put_user(&mut self, user: User) {
        self.users.insert(user.id, user);
    }

    /// Puts or replaces a key.
    pub fn put_api_key(&mut self, key: ApiKey) {
        self.key_by_hash.insert(key.hash, key.id);
        self.keys.insert(key.id, key);
    }

    /// Puts or replaces a sender.
    pub fn put_sender(&mut self, sender: Sender) {
        self.sender_by_lane.insert(sender.lane, sender.id);
        self.senders.insert(sender.id, sender);
    }

    /// Removes a sender.
    pub fn remove_sender(&mut self, id: SenderId) {
        if let Some(sender) = self.senders.remove(&id) {
            self.sender_by_lane.remove(&sender.lane);
        }
    }
}
