//! What an empty store begins with.

use secrecy::{ExposeSecret, SecretString};

use super::Directory;
use super::accounts::account_zone;
use super::draft::{Draft, unchanged};
use super::secrets::{hash_api_key, hash_password};
use crate::domain::address::EmailAddress;
use crate::domain::audit::{AuditAction, Stamp};
use crate::domain::directory::{Account, ApiKey, Role, User};
use crate::domain::ids::AccountNo;
use crate::domain::message::Author;
use crate::protocol::api::{EngineError, EngineResult};
use crate::shard::Node;

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
        let stamp = Stamp { who: Author::System, from: None, at: now };
        self.change(node, |snapshot, _| {
            if snapshot.accounts().next().is_some() {
                return Ok(unchanged(snapshot, false));
            }
            let no = AccountNo(snapshot.last_account.0 + 1);
            let account = Account {
                id: ids.account(now),
                no,
                version: 1,
                name: first.account_name.clone(),
                time_zone: time_zone.clone(),
                twilio_sid: format!("AC{:032x}", ids.random_u128()),
                created_at: now,
                updated_at: now,
                suspended_at: None,
                alerts: Default::default(),
                rules: Default::default(),
                help_reply: None,
                smart_send: Default::default(),
                tracking: false,
                rules_changed_at: Default::default(),
                limits: Default::default(),
                request_hash: None,
            };
            let user = User {
                id: ids.user(now),
                account: no,
                email: first.admin_email.clone(),
                password_hash: password_hash.clone(),
                role: Role::Operator,
                created_at: now,
                name: None,
                version: 1,
                changed_at: None,
                request_hash: None,
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
                last_used_at: None,
            };
            let mut draft = Draft::of(snapshot, ids);
            draft.note(stamp, no, AuditAction::AccountCreated, account.id, &[]);
            draft.note(stamp, no, AuditAction::UserCreated, user.id, &[]);
            draft.note(stamp, no, AuditAction::ApiKeyCreated, key.id, &[]);
            draft.put_account(account);
            draft.put_user(user);
            draft.put_api_key(key);
            Ok(draft.grown(true))
        })
        .await
    }
}
