//! Users: made, changed and removed. An admin manages those of the account up to their own role; everyone may
//! change their own name and password.

use super::draft::{Draft, set, unchanged};
use super::{Directory, check_reach, check_version, keyed, reused};
use crate::domain::address::EmailAddress;
use crate::domain::audit::AuditAction;
use crate::domain::directory::people::sign_in_name;
use crate::domain::directory::{Role, Snapshot, User};
use crate::domain::ids::{SessionId, UserId};
use crate::domain::password::Password;
use crate::protocol::api::{Caller, Created, EngineError, EngineResult};
use crate::protocol::people::{NewUser, UserPatch};
use crate::shard::Node;

/// Users of one account.
const MAX_USERS: usize = 10_000;

fn forbidden(code: &'static str, detail: &str) -> EngineError {
    EngineError::Forbidden { code, detail: detail.into() }
}

/// Refuses what would let a test key into the live account.
fn check_live(caller: &Caller) -> EngineResult<()> {
    if caller.test {
        return Err(forbidden("test_key", "a test key makes no users and sets no passwords: use a live key"));
    }
    Ok(())
}

fn check_email_free(snapshot: &Snapshot, email: &EmailAddress, except: UserId) -> EngineResult<()> {
    if snapshot.user_by_email(email).is_some_and(|user| user.id != except) {
        let detail = "another user of this installation signs in with this address: choose another one";
        return Err(EngineError::Conflict { code: "email_taken", detail: detail.into() });
    }
    Ok(())
}

pub(super) fn check_password(password: &Password, email: &EmailAddress, name: Option<&str>) -> EngineResult<()> {
    let fits = password.check_for(email, name);
    fits.map_err(|error| EngineError::field("/password", "weak_password", error.to_string()))
}

/// Every account keeps an admin, and the installation an operator: nobody could make another one.
fn check_not_last(snapshot: &Snapshot, user: &User, role_then: Option<Role>) -> EngineResult<()> {
    let loses = |role: Role| user.role >= role && role_then.is_none_or(|then| then < role);
    if loses(Role::Admin) && !snapshot.has_another(Role::Admin, user.id, Some(user.account)) {
        let detail = "the account needs an admin: make another user one first";
        return Err(EngineError::Conflict { code: "last_admin", detail: detail.into() });
    }
    if loses(Role::Operator) && !snapshot.has_another(Role::Operator, user.id, None) {
        let detail = "the installation needs an operator: make another user one first";
        return Err(EngineError::Conflict { code: "last_operator", detail: detail.into() });
    }
    Ok(())
}

/// Whether the caller may make this change of this user.
fn check_change(snapshot: &Snapshot, caller: &Caller, user: &User, patch: &UserPatch) -> EngineResult<()> {
    let is_own = caller.user == Some(user.id);
    if caller.role < Role::Admin {
        if !is_own {
            return Err(forbidden("admin_required", "only an admin changes other users"));
        }
        if patch.role.is_some_and(|role| role != user.role) || patch.email.is_some() {
            return Err(forbidden("admin_required", "only an admin changes a role or a sign-in address"));
        }
    }
    check_reach(caller, user.role)?;
    if let Some(role) = patch.role {
        check_reach(caller, role)?;
        check_not_last(snapshot, user, Some(role))?;
    }
    if let Some(email) = &patch.email {
        check_email_free(snapshot, email, user.id)?;
    }
    if patch.password.is_some() {
        check_live(caller)?;
        if is_own && patch.current_password.is_none() {
            let detail = "whoever changes their own password gives the one until now";
            return Err(EngineError::field("/current_password", "required", detail));
        }
    }
    Ok(())
}

impl Directory {
    /// Makes a user. One without a password is invited: they choose it.
    ///
    /// # Errors
    /// A role above the caller's, an address that is taken, a guessable password, a reused key, the store.
    pub async fn create_user(&self, node: &Node, caller: &Caller, new: &NewUser) -> EngineResult<Created<User>> {
        check_reach(caller, new.role)?;
        check_live(caller)?;
        if let Some(password) = &new.password {
            check_password(password, &new.email, new.name.as_deref())?;
        }
        let now = node.clock.now();
        let id = keyed(&new.idempotency, caller, b"user").map_or_else(|| node.ids.user(now), UserId::from_uuid);
        let hash = new.idempotency.as_ref().map(|idempotency| idempotency.request_hash);
        let check = |snapshot: &Snapshot| {
            if snapshot.users_of(caller.account).len() >= MAX_USERS {
                let detail = format!("an account has at most {MAX_USERS} users: remove some first");
                return Err(EngineError::Conflict { code: "too_many", detail });
            }
            check_email_free(snapshot, &new.email, id)
        };
        let before = node.directory.load_full();
        if before.user(id).is_none() {
            check(&before)?;
        }
        let password_hash = match &new.password {
            Some(password) => self.passwords.hash(password, &node.ids).await?,
            None => String::new(),
        };
        self.change(node, |snapshot, _| {
            if let Some(existing) = snapshot.user(id) {
                return if existing.request_hash == hash {
                    Ok(unchanged(snapshot, Created::Replayed(existing.clone())))
                } else {
                    Err(reused())
                };
            }
            check(snapshot)?;
            let user = User {
                id,
                account: caller.account,
                email: new.email.clone(),
                password_hash: password_hash.clone(),
                role: new.role,
                created_at: now,
                name: new.name.clone(),
                version: 1,
                changed_at: None,
                request_hash: hash,
            };
            let mut draft = Draft::of(snapshot, &node.ids);
            draft.note(caller.stamp(now), user.account, AuditAction::UserCreated, id, &[]);
            draft.put_user(user.clone());
            Ok(draft.grown(Created::New(user)))
        })
        .await
    }

    /// Changes a user. Another password ends their sessions, but for the one that it was changed in.
    ///
    /// # Errors
    /// Not found, another version, what the caller may not, an address that is taken, a guessable or wrong
    /// password, the last admin, the store.
    pub async fn patch_user(
        &self,
        node: &Node,
        caller: &Caller,
        id: UserId,
        patch: &UserPatch,
        if_match: Option<u32>,
        kept_session: Option<SessionId>,
    ) -> EngineResult<User> {
        let find = |snapshot: &Snapshot| -> EngineResult<User> {
            let user = snapshot.user(id).filter(|user| user.account == caller.account).ok_or(EngineError::NotFound)?;
            check_version(if_match, user.version)?;
            check_change(snapshot, caller, user, patch)?;
            Ok(user.clone())
        };
        // Everything that is quickly refused, before a password is hashed.
        let before = find(&node.directory.load_full())?;
        let email = patch.email.as_ref().unwrap_or(&before.email);
        let name = patch.name.as_ref().unwrap_or(&before.name).as_deref();
        let mut password_hash = None;
        if let Some(password) = &patch.password {
            check_password(password, email, name)?;
            if caller.user == Some(id) {
                self.check_current(node, caller, &before, patch).await?;
            }
            password_hash = Some(self.passwords.hash(password, &node.ids).await?);
        }
        let now = node.clock.now();
        self.change(node, |snapshot, _| {
            let mut user = find(snapshot)?;
            if password_hash.is_some() && user.password_hash != before.password_hash {
                // It was changed meanwhile: the one that was just checked is not the present one any more.
                return Err(EngineError::VersionMismatch { current: user.version });
            }
            let mut changed = Vec::new();
            set(&mut user.email, patch.email.clone(), "email", &mut changed);
            set(&mut user.name, patch.name.clone(), "name", &mut changed);
            set(&mut user.role, patch.role, "role", &mut changed);
            set(&mut user.password_hash, password_hash.clone(), "password", &mut changed);
            if changed.is_empty() {
                return Ok(unchanged(snapshot, user));
            }
            user.version += 1;
            user.changed_at = Some(now);
            let mut draft = Draft::of(snapshot, &node.ids);
            draft.note(caller.stamp(now), user.account, AuditAction::UserUpdated, id, &changed);
            if password_hash.is_some() {
                for session in snapshot.sessions_of(id).filter(|session| Some(session.id) != kept_session) {
                    draft.remove_session(session);
                }
            }
            draft.put_user(user.clone());
            Ok(draft.done(user))
        })
        .await
    }

    /// Checks the password until now; wrong ones count as failed sign-ins do.
    async fn check_current(&self, node: &Node, caller: &Caller, user: &User, patch: &UserPatch) -> EngineResult<()> {
        let Some(current) = patch.current_password.clone() else { return Err(EngineError::NotFound) };
        let guess = self.begin_guess(sign_in_name(&user.email), caller.origin, node)?;
        match self.passwords.verify(current, Some(user.password_hash.clone())).await {
            Ok(true) => {
                self.attempts().right(&guess);
                Ok(())
            }
            Ok(false) => {
                Err(EngineError::field("/current_password", "wrong_password", "this is not the password until now"))
            }
            Err(error) => {
                self.attempts().not_made(&guess);
                Err(error)
            }
        }
    }

    /// Removes a user: their sessions end, their senders are nobody's, their messages count as the account's.
    ///
    /// # Errors
    /// Not found, a user with more rights than the caller, the last admin, the store.
    pub async fn delete_user(&self, node: &Node, caller: &Caller, id: UserId) -> EngineResult<()> {
        let now = node.clock.now();
        self.change(node, |snapshot, _| {
            let user = snapshot.user(id).filter(|user| user.account == caller.account).ok_or(EngineError::NotFound)?;
            check_reach(caller, user.role)?;
            check_not_last(snapshot, user, None)?;
            let mut draft = Draft::of(snapshot, &node.ids);
            draft.note(caller.stamp(now), user.account, AuditAction::UserDeleted, id, &[]);
            for session in snapshot.sessions_of(id) {
                draft.remove_session(session);
            }
            let assigned = snapshot.senders_of(user.account).filter(|sender| sender.assigned_user == Some(id));
            for mut sender in assigned.cloned() {
                sender.assigned_user = None;
                sender.version += 1;
                sender.updated_at = now;
                draft.note(caller.stamp(now), user.account, AuditAction::SenderUpdated, sender.id, &["assigned_user"]);
                draft.put_sender(sender);
            }
            draft.remove_user(id);
            Ok(draft.done(()))
        })
        .await
    }
}

#[cfg(test)]
#[path = "users_tests.rs"]
mod tests;
