//! A change in the making: records, the snapshot with them, and the audit trail, in step.

use super::Change;
use crate::domain::audit::{AuditAction, AuditEntry, Stamp};
use crate::domain::clock::UnixMs;
use crate::domain::directory::{Account, ApiKey, MessageTemplate, Sender, Session, Snapshot, User, Webhook};
use crate::domain::ids::{AccountNo, ApiKeyId, SenderId, TemplateId, UserId, WebhookId};
use crate::domain::source::IdSource;
use crate::store::keys::DirectoryKey;
use crate::store::{Index, Mutation, Table, codec};

/// A change in the making.
pub(super) struct Draft<'a> {
    /// The directory as it will be.
    pub(super) next: Snapshot,
    mutations: Vec<Mutation>,
    audit: Vec<AuditEntry>,
    ids: &'a IdSource,
}

/// Sets a field if it is to be another one, and notes its name.
pub(super) fn set<T: PartialEq>(field: &mut T, to: Option<T>, name: &'static str, changed: &mut Vec<&'static str>) {
    if let Some(to) = to
        && *field != to
    {
        *field = to;
        changed.push(name);
    }
}

/// What a change answers that finds everything done already.
pub(super) fn unchanged<T>(snapshot: &Snapshot, answer: T) -> Change<T> {
    Change { mutations: Vec::new(), audit: Vec::new(), snapshot: snapshot.clone(), is_growth: false, answer }
}

impl<'a> Draft<'a> {
    pub(super) fn of(snapshot: &Snapshot, ids: &'a IdSource) -> Self {
        Self { next: snapshot.clone(), mutations: Vec::new(), audit: Vec::new(), ids }
    }

    /// How much it writes so far.
    pub(super) fn len(&self) -> usize {
        self.mutations.len()
    }

    fn put(&mut self, key: DirectoryKey, value: bytes::Bytes) {
        self.mutations.push(Mutation::Put(Table::Directory, key.key(), value));
        self.mutations.push(Mutation::Index(Index::Directory, UnixMs(0), key.member()));
    }

    fn remove(&mut self, key: DirectoryKey) {
        self.mutations.push(Mutation::Delete(Table::Directory, key.key()));
        self.mutations.push(Mutation::Unindex(Index::Directory, UnixMs(0), key.member()));
    }

    pub(super) fn put_account(&mut self, account: Account) {
        self.put(DirectoryKey::Account(account.no), codec::encode(&account));
        self.next.put_account(account);
    }

    pub(super) fn remove_account(&mut self, no: AccountNo) {
        self.remove(DirectoryKey::Account(no));
        self.next.remove_account(no);
    }

    pub(super) fn put_user(&mut self, user: User) {
        self.put(DirectoryKey::User(user.id), codec::encode(&user));
        self.next.put_user(user);
    }

    pub(super) fn remove_user(&mut self, id: UserId) {
        self.remove(DirectoryKey::User(id));
        self.next.remove_user(id);
    }

    pub(super) fn put_api_key(&mut self, key: ApiKey) {
        self.put(DirectoryKey::ApiKey(key.id), codec::encode(&key));
        self.next.put_api_key(key);
    }

    pub(super) fn remove_api_key(&mut self, id: ApiKeyId) {
        self.remove(DirectoryKey::ApiKey(id));
        self.next.remove_api_key(id);
    }

    pub(super) fn put_session(&mut self, session: Session) {
        self.put(DirectoryKey::Session(session.id), codec::encode(&session));
        self.next.put_session(session);
    }

    pub(super) fn remove_session(&mut self, session: &Session) {
        self.remove(DirectoryKey::Session(session.id));
        self.next.remove_session(session.user, session.id);
    }

    pub(super) fn put_sender(&mut self, sender: Sender) {
        self.put(DirectoryKey::Sender(sender.id), codec::encode(&sender));
        self.next.put_sender(sender);
    }

    pub(super) fn remove_sender(&mut self, id: SenderId) {
        self.remove(DirectoryKey::Sender(id));
        self.next.remove_sender(id);
    }

    pub(super) fn put_webhook(&mut self, webhook: Webhook) {
        self.put(DirectoryKey::Webhook(webhook.id), codec::encode(&webhook));
        self.next.put_webhook(webhook);
    }

    pub(super) fn remove_webhook(&mut self, account: AccountNo, id: WebhookId) {
        self.remove(DirectoryKey::Webhook(id));
        self.next.remove_webhook(account, id);
    }

    pub(super) fn put_template(&mut self, template: MessageTemplate) {
        self.put(DirectoryKey::Template(template.id), codec::encode(&template));
        self.next.put_template(template);
    }

    pub(super) fn remove_template(&mut self, account: AccountNo, id: TemplateId) {
        self.remove(DirectoryKey::Template(id));
        self.next.remove_template(account, id);
    }

    /// Adds a mutation of another kind.
    pub(super) fn also(&mut self, mutation: Mutation) {
        self.mutations.push(mutation);
    }

    /// Adds an entry to the audit trail.
    pub(super) fn note(
        &mut self,
        stamp: Stamp,
        account: AccountNo,
        action: AuditAction,
        subject: impl std::fmt::Display,
        fields: &[&str],
    ) {
        let id = self.ids.audit(stamp.at);
        self.audit.push(AuditEntry::new(id, stamp, account, action, subject, fields));
    }

    /// The change, which may use the store's reserve.
    pub(super) fn done<T>(self, answer: T) -> Change<T> {
        let Self { next, mutations, audit, ids: _ } = self;
        Change { mutations, audit, snapshot: next, is_growth: false, answer }
    }

    /// The change, which is refused when the store is full.
    pub(super) fn grown<T>(self, answer: T) -> Change<T> {
        Change { is_growth: true, ..self.done(answer) }
    }
}
