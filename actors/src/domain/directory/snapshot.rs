//! An immutable picture of the directory. Readers hold one for the length of a decision.
//!
//! Its tables are shared between pictures until one of them changes, so that a sign-in does not copy every
//! sender. The one thing in it that moves is when a key or a session was last used: a number that all pictures
//! share, raised without a lock and written by the directory now and then.

mod templates;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::people::{ApiKey, Session, User, sign_in_name};
use super::used::Used;
use super::{Account, AccountLimits, Limit, Role, Sender, SenderAddress, Webhook};
use crate::domain::address::{Channel, EmailAddress, Mailbox};
use crate::domain::clock::UnixMs;
use crate::domain::ids::{AccountId, AccountNo, ApiKeyId, LaneNo, SenderId, SessionId, UserId, WebhookId};

/// "Never", for keys that were not used yet.
const NEVER: UnixMs = UnixMs(0);

#[derive(Debug, Clone, Default)]
struct Users {
    by_id: BTreeMap<UserId, User>,
    by_name: HashMap<String, UserId>,
}

#[derive(Debug, Clone, Default)]
struct Keys {
    by_id: HashMap<ApiKeyId, Used<ApiKey>>,
    by_hash: HashMap<[u8; 32], ApiKeyId>,
}

#[derive(Debug, Clone, Default)]
struct Sessions {
    // By user, then by id, which begins with the time of the sign-in.
    by_user: BTreeMap<(UserId, SessionId), Used<Session>>,
    by_hash: HashMap<[u8; 32], (UserId, SessionId)>,
}

#[derive(Debug, Clone, Default)]
struct Senders {
    by_id: HashMap<SenderId, Sender>,
    by_lane: BTreeMap<LaneNo, SenderId>,
}

#[derive(Debug, Clone, Default)]
struct Webhooks {
    // By account: whatever happens in one asks for its webhooks.
    by_account: BTreeMap<(AccountNo, WebhookId), Webhook>,
    by_lane: BTreeMap<LaneNo, (AccountNo, WebhookId)>,
}

/// An immutable picture of the directory.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Counts publications: a stop holds once every shard confirmed a generation that has it.
    pub generation: u64,
    /// The highest account number that was ever given out: none is given twice.
    pub last_account: AccountNo,
    accounts: Arc<BTreeMap<AccountNo, Account>>,
    // Of the accounts that have any.
    limits: Arc<BTreeMap<AccountNo, AccountLimits>>,
    users: Arc<Users>,
    keys: Arc<Keys>,
    sessions: Arc<Sessions>,
    senders: Arc<Senders>,
    webhooks: Arc<Webhooks>,
    templates: Arc<templates::Templates>,
}

impl Snapshot {
    /// An empty directory with the installation's own account, which nobody has, and its one sender: they are made
    /// from the settings and stored nowhere.
    #[must_use]
    pub fn with_system(from: &Mailbox) -> Self {
        let mut snapshot = Self::default();
        let (no, at) = (AccountNo::SYSTEM, UnixMs(0));
        snapshot.put_account(Account {
            id: AccountId::from_bytes([0; 16]),
            no,
            version: 1,
            name: "Sendwheel".into(),
            time_zone: "UTC".into(),
            twilio_sid: String::new(),
            created_at: at,
            updated_at: at,
            suspended_at: None,
            alerts: Default::default(),
            rules: Default::default(),
            help_reply: None,
            smart_send: Default::default(),
            tracking: false,
            rules_changed_at: UnixMs(0),
            limits: Default::default(),
            request_hash: None,
        });
        snapshot.put_sender(Sender {
            id: SenderId::from_bytes([0; 16]),
            lane: LaneNo::SYSTEM,
            account: no,
            version: 1,
            address: SenderAddress::Email(from.clone()),
            label: None,
            is_default: true,
            assigned_user: None,
            limit: None,
            country: None,
            paused: false,
            created_at: at,
            updated_at: at,
            request_hash: None,
        });
        snapshot
    }

    /// The account of a number.
    #[must_use]
    pub fn account(&self, no: AccountNo) -> Option<&Account> {
        self.accounts.get(&no)
    }

    /// The account of an id; the installation's own is nobody's to name.
    #[must_use]
    pub fn account_by_id(&self, id: AccountId) -> Option<&Account> {
        self.accounts().find(|account| account.id == id)
    }

    /// Whether an account is there and not suspended.
    #[must_use]
    pub fn is_active(&self, no: AccountNo) -> bool {
        self.account(no).is_some_and(Account::is_active)
    }

    /// Every account that people have, by number.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values().filter(|account| account.no != AccountNo::SYSTEM)
    }

    /// Every number under which anything is kept: those of [`Self::accounts`], and the installation's own.
    pub fn account_numbers(&self) -> impl Iterator<Item = AccountNo> {
        self.accounts.keys().copied()
    }

    /// The user of an id.
    #[must_use]
    pub fn user(&self, id: UserId) -> Option<&User> {
        self.users.by_id.get(&id)
    }

    /// The user who signs in with this address, however it is capitalised.
    #[must_use]
    pub fn user_by_email(&self, email: &EmailAddress) -> Option<&User> {
        self.users.by_name.get(&sign_in_name(email)).and_then(|id| self.user(*id))
    }

    /// Every user of an account, oldest first.
    #[must_use]
    pub fn users_of(&self, account: AccountNo) -> Vec<&User> {
        let mut users: Vec<_> = self.users.by_id.values().filter(|user| user.account == account).collect();
        users.sort_by_key(|user| (user.created_at, user.id));
        users
    }

    /// Whether any other user has this role or a higher one, in one account or anywhere.
    #[must_use]
    pub fn has_another(&self, role: Role, than: UserId, account: Option<AccountNo>) -> bool {
        let counts =
            |user: &User| user.id != than && user.role >= role && account.is_none_or(|account| user.account == account);
        self.users.by_id.values().any(counts)
    }

    /// The key of an id, revoked or not.
    #[must_use]
    pub fn api_key(&self, id: ApiKeyId) -> Option<&ApiKey> {
        self.keys.by_id.get(&id).map(|key| &key.record)
    }

    /// The live key whose secret has this SHA-256.
    #[must_use]
    pub fn key_by_hash(&self, hash: &[u8; 32]) -> Option<&ApiKey> {
        self.keys.by_hash.get(hash).and_then(|id| self.api_key(*id)).filter(|key| key.revoked_at.is_none())
    }

    /// Every key of an account, oldest first.
    #[must_use]
    pub fn api_keys_of(&self, account: AccountNo) -> Vec<&ApiKey> {
        let keys = self.keys.by_id.values().map(|key| &key.record);
        let mut keys: Vec<_> = keys.filter(|key| key.account == account).collect();
        keys.sort_by_key(|key| (key.created_at, key.id));
        keys
    }

    /// Notes that a key was used.
    pub fn touch_key(&self, id: ApiKeyId, now: UnixMs) {
        if let Some(key) = self.keys.by_id.get(&id) {
            key.touch(now);
        }
    }

    /// When a key was last used.
    #[must_use]
    pub fn key_last_used(&self, id: ApiKeyId) -> Option<UnixMs> {
        self.keys.by_id.get(&id).map(Used::last).filter(|at| *at != NEVER)
    }

    /// Every key whose last use was not written yet, with that use.
    pub fn used_keys(&self) -> impl Iterator<Item = (&ApiKey, UnixMs)> {
        let keys = self.keys.by_id.values().map(|key| (&key.record, key.last()));
        keys.filter(|(key, last)| *last > key.last_used_at.unwrap_or(NEVER))
    }

    /// A session of a user.
    #[must_use]
    pub fn session(&self, user: UserId, id: SessionId) -> Option<&Session> {
        self.sessions.by_user.get(&(user, id)).map(|session| &session.record)
    }

    /// The session whose token has this SHA-256, over or not.
    #[must_use]
    pub fn session_by_hash(&self, hash: &[u8; 32]) -> Option<&Session> {
        let (user, id) = self.sessions.by_hash.get(hash)?;
        self.session(*user, *id)
    }

    /// A user's sessions, oldest first.
    pub fn sessions_of(&self, user: UserId) -> impl Iterator<Item = &Session> {
        let (first, last) = (SessionId::from_bytes([0; 16]), SessionId::from_bytes([u8::MAX; 16]));
        self.sessions.by_user.range((user, first)..=(user, last)).map(|(_, session)| &session.record)
    }

    /// Every session with its last use.
    pub fn sessions(&self) -> impl Iterator<Item = (&Session, UnixMs)> {
        self.sessions.by_user.values().map(|session| (&session.record, session.last()))
    }

    /// Notes that a session was used.
    pub fn touch_session(&self, session: &Session, now: UnixMs) {
        if let Some(session) = self.sessions.by_user.get(&(session.user, session.id)) {
            session.touch(now);
        }
    }

    /// When a session was last used.
    #[must_use]
    pub fn session_last_used(&self, session: &Session) -> UnixMs {
        let kept = self.sessions.by_user.get(&(session.user, session.id));
        kept.map_or(session.last_used_at, Used::last)
    }

    /// The sender of an id.
    #[must_use]
    pub fn sender(&self, id: SenderId) -> Option<&Sender> {
        self.senders.by_id.get(&id)
    }

    /// The sender behind a lane.
    #[must_use]
    pub fn sender_of_lane(&self, lane: LaneNo) -> Option<&Sender> {
        self.senders.by_lane.get(&lane).and_then(|id| self.sender(*id))
    }

    /// Every sender, the installation's own first, then by lane number.
    pub fn senders(&self) -> impl Iterator<Item = &Sender> {
        self.senders.by_lane.values().filter_map(|id| self.sender(*id))
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

    /// A webhook of an account.
    #[must_use]
    pub fn webhook(&self, account: AccountNo, id: WebhookId) -> Option<&Webhook> {
        self.webhooks.by_account.get(&(account, id))
    }

    /// The webhook behind a lane.
    #[must_use]
    pub fn webhook_of_lane(&self, lane: LaneNo) -> Option<&Webhook> {
        self.webhooks.by_lane.get(&lane).and_then(|key| self.webhooks.by_account.get(key))
    }

    /// Every webhook, by lane number.
    pub fn webhooks(&self) -> impl Iterator<Item = &Webhook> {
        self.webhooks.by_lane.values().filter_map(|key| self.webhooks.by_account.get(key))
    }

    /// Every webhook of an account, by id: oldest first, but for those whose ids a caller's key made.
    pub fn webhooks_of(&self, account: AccountNo) -> impl Iterator<Item = &Webhook> {
        let (first, last) = (WebhookId::from_bytes([0; 16]), WebhookId::from_bytes([u8::MAX; 16]));
        self.webhooks.by_account.range((account, first)..=(account, last)).map(|(_, webhook)| webhook)
    }

    /// The channel of a lane.
    #[must_use]
    pub fn channel_of_lane(&self, lane: LaneNo) -> Option<Channel> {
        if lane.is_of_callbacks() {
            return Some(Channel::Webhook);
        }
        let webhook = || self.webhook_of_lane(lane).map(|_| Channel::Webhook);
        self.sender_of_lane(lane).map(Sender::channel).or_else(webhook)
    }

    /// Whether this picture shows the same lanes as another (senders, webhooks and what limits them), by looking at
    /// what they share.
    #[must_use]
    pub fn shares_lanes(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.senders, &other.senders)
            && Arc::ptr_eq(&self.webhooks, &other.webhooks)
            && Arc::ptr_eq(&self.limits, &other.limits)
    }

    /// The accounts with a limit on a channel.
    pub fn account_limits(&self, channel: Channel) -> impl Iterator<Item = (AccountNo, Limit)> {
        self.limits.iter().filter_map(move |(no, limits)| limits.on(channel).map(|limit| (*no, limit)))
    }

    fn set_limits(&mut self, no: AccountNo, limits: AccountLimits) {
        let new = (limits != AccountLimits::default()).then_some(limits);
        if self.limits.get(&no) != new.as_ref() {
            let all = Arc::make_mut(&mut self.limits);
            match new {
                Some(limits) => drop(all.insert(no, limits)),
                None => drop(all.remove(&no)),
            }
        }
    }

    /// Puts or replaces an account.
    pub fn put_account(&mut self, account: Account) {
        self.last_account = self.last_account.max(account.no);
        self.set_limits(account.no, account.limits);
        Arc::make_mut(&mut self.accounts).insert(account.no, account);
    }

    /// Removes an account.
    pub fn remove_account(&mut self, no: AccountNo) {
        self.set_limits(no, AccountLimits::default());
        Arc::make_mut(&mut self.accounts).remove(&no);
    }

    /// Puts or replaces a user.
    pub fn put_user(&mut self, user: User) {
        let users = Arc::make_mut(&mut self.users);
        if let Some(old) = users.by_id.get(&user.id) {
            users.by_name.remove(&sign_in_name(&old.email));
        }
        users.by_name.insert(sign_in_name(&user.email), user.id);
        users.by_id.insert(user.id, user);
    }

    /// Removes a user.
    pub fn remove_user(&mut self, id: UserId) {
        let users = Arc::make_mut(&mut self.users);
        if let Some(old) = users.by_id.remove(&id) {
            users.by_name.remove(&sign_in_name(&old.email));
        }
    }

    /// Puts or replaces a key.
    pub fn put_api_key(&mut self, key: ApiKey) {
        let keys = Arc::make_mut(&mut self.keys);
        let (id, written) = (key.id, key.last_used_at.unwrap_or(NEVER));
        keys.by_hash.insert(key.hash, id);
        let used = Used::new(key, written, keys.by_id.get(&id));
        keys.by_id.insert(id, used);
    }

    /// Removes a key.
    pub fn remove_api_key(&mut self, id: ApiKeyId) {
        let keys = Arc::make_mut(&mut self.keys);
        if let Some(old) = keys.by_id.remove(&id) {
            keys.by_hash.remove(&old.record.hash);
        }
    }

    /// Puts or replaces a session.
    pub fn put_session(&mut self, session: Session) {
        let sessions = Arc::make_mut(&mut self.sessions);
        let key = (session.user, session.id);
        sessions.by_hash.insert(session.hash, key);
        let written = session.last_used_at;
        let used = Used::new(session, written, sessions.by_user.get(&key));
        sessions.by_user.insert(key, used);
    }

    /// Removes a session.
    pub fn remove_session(&mut self, user: UserId, id: SessionId) {
        let sessions = Arc::make_mut(&mut self.sessions);
        if let Some(old) = sessions.by_user.remove(&(user, id)) {
            sessions.by_hash.remove(&old.record.hash);
        }
    }

    /// Puts or replaces a sender.
    pub fn put_sender(&mut self, sender: Sender) {
        let senders = Arc::make_mut(&mut self.senders);
        senders.by_lane.insert(sender.lane, sender.id);
        senders.by_id.insert(sender.id, sender);
    }

    /// Removes a sender.
    pub fn remove_sender(&mut self, id: SenderId) {
        let senders = Arc::make_mut(&mut self.senders);
        if let Some(sender) = senders.by_id.remove(&id) {
            senders.by_lane.remove(&sender.lane);
        }
    }

    /// Puts or replaces a webhook.
    pub fn put_webhook(&mut self, webhook: Webhook) {
        let webhooks = Arc::make_mut(&mut self.webhooks);
        let key = (webhook.account, webhook.id);
        webhooks.by_lane.insert(webhook.lane, key);
        webhooks.by_account.insert(key, webhook);
    }

    /// Removes a webhook.
    pub fn remove_webhook(&mut self, account: AccountNo, id: WebhookId) {
        let webhooks = Arc::make_mut(&mut self.webhooks);
        if let Some(webhook) = webhooks.by_account.remove(&(account, id)) {
            webhooks.by_lane.remove(&webhook.lane);
        }
    }

    /// Takes over the last uses that another picture knows and that were not written: after a reload.
    pub fn carry_uses(&self, other: &Self) {
        for (key, last) in other.used_keys() {
            self.touch_key(key.id, last);
        }
        for (session, last) in other.sessions() {
            self.touch_session(session, last);
        }
    }
}

#[cfg(test)]
#[path = "snapshot_tests.rs"]
mod tests;
