//! Accounts: made, changed, suspended, resumed and removed by operators.
//!
//! An account is stopped in two steps. *Suspended*, its keys and sessions are refused and what is due is held;
//! all of it comes back when the account is resumed. Only then, and only when it has no contact any more, may it
//! be *removed*: so nothing that is pending goes by accident, nothing is left behind that nobody could reach,
//! and there is always a moment to think. Its number is never given to another account; its audit trail stays
//! until its retention is over.

use secrecy::SecretString;

use super::draft::{Draft, set, unchanged};
use super::secrets::{hash_api_key, new_api_key};
use super::{Directory, check_version, keyed, reused};
use crate::domain::audit::AuditAction;
use crate::domain::clock::UnixMs;
use crate::domain::directory::{Account, AccountLimits, ApiKey, Role, Snapshot};
use crate::domain::ids::{AccountId, AccountNo};
use crate::domain::message::Author;
use crate::domain::plan::{self, Cause};
use crate::domain::zone::TimeZone;
use crate::protocol::api::{Caller, Created, EngineError, EngineResult};
use crate::protocol::people::{AccountPatch, MadeAccount, NewAccount};
use crate::shard::Node;

/// Accounts of an installation.
const MAX_ACCOUNTS: usize = 100_000;
/// What one step of a removal writes at most, about.
const REMOVED_AT_ONCE: usize = 200;

/// The zone of a name, spelled as the rules spell it.
pub(super) fn account_zone(name: &str) -> EngineResult<String> {
    TimeZone::parse(name)
        .map(|zone| zone.name().to_owned())
        .map_err(|error| EngineError::field("/time_zone", "unknown_time_zone", error.to_string()))
}

/// The account that an author belongs to, wherever they act.
fn home_of(snapshot: &Snapshot, author: Author) -> Option<AccountNo> {
    match author {
        Author::ApiKey(id) => snapshot.api_key(id).map(|key| key.account),
        Author::User(id) => snapshot.user(id).map(|user| user.account),
        Author::System => None,
    }
}

/// Refuses what would lock its operator out.
fn check_not_own(snapshot: &Snapshot, caller: &Caller, no: AccountNo) -> EngineResult<()> {
    if home_of(snapshot, caller.author) == Some(no) {
        let detail = "nobody can suspend or remove the account that they belong to: let another operator do it";
        return Err(EngineError::Conflict { code: "own_account", detail: detail.into() });
    }
    Ok(())
}

/// The fields that a change of an account touches, with the account as it will be.
fn patched(account: &Account, patch: &AccountPatch, time_zone: Option<String>) -> (Account, Vec<&'static str>) {
    let (mut next, mut changed) = (account.clone(), Vec::new());
    set(&mut next.name, patch.name.clone(), "name", &mut changed);
    set(&mut next.time_zone, time_zone, "time_zone", &mut changed);
    set(&mut next.alerts.emails, patch.alert_emails.clone(), "alert_emails", &mut changed);
    let rules = &mut next.rules;
    set(&mut rules.quiet_hours, patch.quiet_hours.clone(), "quiet_hours", &mut changed);
    set(&mut rules.send_windows, patch.send_windows.clone(), "send_windows", &mut changed);
    set(&mut rules.holidays, patch.holidays.clone(), "holidays", &mut changed);
    set(&mut rules.conversation_exempt, patch.conversation_exempt, "conversation_exempt", &mut changed);
    set(&mut rules.caps, patch.frequency_caps.clone(), "frequency_caps", &mut changed);
    set(&mut next.help_reply, patch.help_reply.clone(), "help_reply", &mut changed);
    set(&mut next.smart_send, patch.smart_send, "smart_send", &mut changed);
    set(&mut next.tracking, patch.tracking, "tracking", &mut changed);
    let (email, sms) = (patch.email_limit, patch.sms_limit);
    let limits = AccountLimits { email: email.unwrap_or(next.limits.email), sms: sms.unwrap_or(next.limits.sms) };
    set(&mut next.limits, Some(limits), "limits", &mut changed);
    (next, changed)
}

/// Refuses rules that would leave some messages no moment at all: they could never be scheduled.
fn check_rules(account: &Account) -> EngineResult<()> {
    let Some(cause) = plan::shut(&account.rules) else { return Ok(()) };
    let pointer = if matches!(cause, Cause::SendWindow) { "/send_windows" } else { "/quiet_hours" };
    let detail = format!("{cause}: with the other rules this leaves some messages no moment of any week");
    Err(EngineError::field(pointer, "no_moment_left", detail))
}

impl Directory {
    /// Makes an account, with a first key if one is wanted.
    ///
    /// # Errors
    /// A zone that does not exist, a reused key, too many accounts, the store.
    pub async fn create_account(
        &self,
        node: &Node,
        caller: &Caller,
        new: &NewAccount,
    ) -> EngineResult<Created<MadeAccount>> {
        let time_zone = account_zone(&new.time_zone)?;
        let (ids, now) = (&node.ids, node.clock.now());
        let id = keyed(&new.idempotency, caller, b"account").map_or_else(|| ids.account(now), AccountId::from_uuid);
        let hash = new.idempotency.as_ref().map(|idempotency| idempotency.request_hash);
        let secret = new_api_key(ids);
        self.change(node, |snapshot, _| {
            if let Some(existing) = snapshot.account_by_id(id) {
                let made = MadeAccount { account: existing.clone(), api_key: None };
                return if existing.request_hash == hash {
                    Ok(unchanged(snapshot, Created::Replayed(made)))
                } else {
                    Err(reused())
                };
            }
            if snapshot.accounts().count() >= MAX_ACCOUNTS {
                let detail = format!("an installation has at most {MAX_ACCOUNTS} accounts: remove some first");
                return Err(EngineError::Conflict { code: "too_many", detail });
            }
            let account = Account {
                id,
                no: AccountNo(snapshot.last_account.0 + 1),
                version: 1,
                name: new.name.clone(),
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
                rules_changed_at: UnixMs(0),
                limits: Default::default(),
                request_hash: hash,
            };
            let mut draft = Draft::of(snapshot, ids);
            draft.note(caller.stamp(now), account.no, AuditAction::AccountCreated, id, &[]);
            draft.put_account(account.clone());
            let api_key = new.with_api_key.then(|| {
                let key = ApiKey {
                    id: ids.api_key(now),
                    account: account.no,
                    hash: hash_api_key(&secret),
                    name: "first".into(),
                    role: Role::Admin,
                    test: false,
                    created_at: now,
                    revoked_at: None,
                    request_hash: None,
                    last_used_at: None,
                };
                draft.note(caller.stamp(now), account.no, AuditAction::ApiKeyCreated, key.id, &[]);
                draft.put_api_key(key.clone());
                (key, SecretString::from(secret.as_str()))
            });
            Ok(draft.grown(Created::New(MadeAccount { account, api_key })))
        })
        .await
    }

    /// Changes an account's name, zone and settings, and for operators its limits and whether it is suspended.
    ///
    /// # Errors
    /// Not found, another version, a zone that does not exist, the operator's own account, the store.
    pub async fn patch_account(
        &self,
        node: &Node,
        caller: &Caller,
        no: AccountNo,
        patch: &AccountPatch,
        if_match: Option<u32>,
    ) -> EngineResult<Account> {
        let time_zone = patch.time_zone.as_deref().map(account_zone).transpose()?;
        let now = node.clock.now();
        self.change(node, |snapshot, _| {
            let account = snapshot.account(no).ok_or(EngineError::NotFound)?;
            check_version(if_match, account.version)?;
            let (mut next, changed) = patched(account, patch, time_zone.clone());
            if next.rules != account.rules {
                check_rules(&next)?;
            }
            if (&next.rules, &next.time_zone) != (&account.rules, &account.time_zone) {
                // Later than the last change, whatever the clock says: each is told from the one before.
                next.rules_changed_at = now.max(UnixMs(account.rules_changed_at.0 + 1));
            }
            let suspend = patch.suspended.filter(|suspend| *suspend == account.is_active());
            if suspend == Some(true) {
                check_not_own(snapshot, caller, no)?;
            }
            if changed.is_empty() && suspend.is_none() {
                return Ok(unchanged(snapshot, next));
            }
            let mut draft = Draft::of(snapshot, &node.ids);
            if !changed.is_empty() {
                draft.note(caller.stamp(now), no, AuditAction::AccountUpdated, account.id, &changed);
            }
            if let Some(suspend) = suspend {
                let action = if suspend { AuditAction::AccountSuspended } else { AuditAction::AccountResumed };
                draft.note(caller.stamp(now), no, action, account.id, &[]);
                next.suspended_at = suspend.then_some(now);
            }
            if account.alerts.emails.is_empty() {
                // Whoever is told from now on is not told of what was before.
                next.alerts.told_until = now;
            }
            next.version += 1;
            next.updated_at = now;
            draft.put_account(next.clone());
            Ok(draft.done(next))
        })
        .await
    }

    /// Notes up to when an account's people were told what needs attention. Nobody changed the account: its version
    /// stays.
    ///
    /// # Errors
    /// The store.
    pub(crate) async fn note_alerted(&self, node: &Node, no: AccountNo, until: UnixMs) -> EngineResult<()> {
        self.change(node, |snapshot, _| {
            let Some(account) = snapshot.account(no) else { return Ok(unchanged(snapshot, ())) };
            let mut next = account.clone();
            next.alerts.told_until = next.alerts.told_until.max(until);
            let mut draft = Draft::of(snapshot, &node.ids);
            draft.put_account(next);
            Ok(draft.done(()))
        })
        .await
    }

    /// Whether an account could be removed, but for its contacts.
    ///
    /// # Errors
    /// Not found, not suspended, the operator's own.
    pub(crate) fn check_removable(snapshot: &Snapshot, caller: &Caller, no: AccountNo) -> EngineResult<()> {
        let account = snapshot.account(no).ok_or(EngineError::NotFound)?;
        check_not_own(snapshot, caller, no)?;
        if account.is_active() {
            let detail = "the account is not suspended: suspend it first, so that nothing of it goes on meanwhile";
            return Err(EngineError::Conflict { code: "not_suspended", detail: detail.into() });
        }
        Ok(())
    }

    /// Removes an account with its users, keys, sessions, senders, webhooks and templates, a part at a time: whatever is
    /// left when the process dies is part of a suspended account, and goes when it is removed again. The caller has seen
    /// that it has no contacts.
    ///
    /// # Errors
    /// As [`Self::check_removable`]; the store.
    pub async fn delete_account(&self, node: &Node, caller: &Caller, no: AccountNo) -> EngineResult<()> {
        let now = node.clock.now();
        loop {
            let is_gone = self
                .change(node, |snapshot, _| {
                    Self::check_removable(snapshot, caller, no)?;
                    let mut draft = Draft::of(snapshot, &node.ids);
                    remove_part(&mut draft, snapshot, no);
                    if draft.len() >= REMOVED_AT_ONCE {
                        return Ok(draft.done(false));
                    }
                    let id = snapshot.account(no).ok_or(EngineError::NotFound)?.id;
                    // In the trail of the operator's account: that of the removed one nobody reads any more.
                    let trail = home_of(snapshot, caller.author).unwrap_or(caller.account);
                    draft.note(caller.stamp(now), trail, AuditAction::AccountDeleted, id, &[]);
                    draft.remove_account(no);
                    Ok(draft.done(true))
                })
                .await?;
            if is_gone {
                return Ok(());
            }
        }
    }
}

/// Removes what belongs to an account, up to about [`REMOVED_AT_ONCE`].
fn remove_part(draft: &mut Draft<'_>, snapshot: &Snapshot, no: AccountNo) {
    for user in snapshot.users_of(no) {
        for session in snapshot.sessions_of(user.id) {
            draft.remove_session(session);
        }
        draft.remove_user(user.id);
        if draft.len() >= REMOVED_AT_ONCE {
            return;
        }
    }
    for key in snapshot.api_keys_of(no) {
        draft.remove_api_key(key.id);
        if draft.len() >= REMOVED_AT_ONCE {
            return;
        }
    }
    for sender in snapshot.senders_of(no) {
        draft.remove_sender(sender.id);
        if draft.len() >= REMOVED_AT_ONCE {
            return;
        }
    }
    for webhook in snapshot.webhooks_of(no) {
        draft.remove_webhook(no, webhook.id);
    }
    for template in snapshot.templates_of(no) {
        draft.remove_template(no, template.id);
    }
}
