//! Sessions: begun with a password, ended by their user, by another password, or by time.

use std::net::IpAddr;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use super::Directory;
use super::attempts::{Attempts, Guess};
use super::draft::{Draft, unchanged};
use crate::domain::address::EmailAddress;
use crate::domain::audit::{AuditAction, Stamp};
use crate::domain::directory::people::sign_in_name;
use crate::domain::directory::{Session, User};
use crate::domain::ids::{SessionId, UserId};
use crate::domain::message::Author;
use crate::domain::session::SessionToken;
use crate::protocol::api::{Caller, EngineError, EngineResult};
use crate::protocol::people::{SignIn, SignInOutcome, SignedIn};
use crate::shard::Node;

/// What came of looking at a password.
pub(crate) enum Checked {
    /// Whose it is, as they were then.
    Right(User),
    /// Not theirs; the user whose password was guessed at, if there is one and it is to be noted.
    Wrong(Option<User>),
}

/// Which of a user's sessions, oldest first, go so that there is room for one more.
fn to_make_room(mine: Vec<&Session>) -> impl Iterator<Item = &Session> {
    let too_many = (mine.len() + 1).saturating_sub(Session::MAX_PER_USER);
    mine.into_iter().take(too_many)
}

impl Directory {
    pub(super) fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a guess at a password, or says how long to wait.
    pub(super) fn begin_guess(&self, name: String, from: Option<IpAddr>, node: &Node) -> EngineResult<Guess> {
        self.attempts().begin(name, from, node.clock.boot()).map_err(|wait| EngineError::Throttled {
            code: "too_many_attempts",
            detail: format!("too many wrong passwords: try again in {} s", wait.as_secs().max(1)),
            retry_after: wait.max(Duration::from_secs(1)),
        })
    }

    /// Looks at a password. Takes as long for a user who does not exist.
    ///
    /// # Errors
    /// Too many attempts, too much at once.
    pub(crate) async fn check_sign_in(&self, node: &Node, sign_in: &SignIn) -> EngineResult<Checked> {
        let email = EmailAddress::parse(sign_in.email.trim()).ok();
        let name = email.as_ref().map_or_else(|| sign_in.email.trim().to_lowercase(), sign_in_name);
        let guess = self.begin_guess(name, sign_in.origin, node)?;
        let user = email.and_then(|email| node.directory.load().user_by_email(&email).cloned());
        let kept = user.as_ref().filter(|user| user.has_password()).map(|user| user.password_hash.clone());
        match (self.passwords.verify(sign_in.password.clone(), kept).await, user) {
            (Ok(true), Some(user)) => {
                self.attempts().right(&guess);
                Ok(Checked::Right(user))
            }
            (Ok(_), user) => {
                let is_noted = |user: &User| self.attempts().may_note(user.account, node.clock.boot());
                Ok(Checked::Wrong(user.filter(is_noted)))
            }
            (Err(error), _) => {
                self.attempts().not_made(&guess);
                Err(error)
            }
        }
    }

    /// Notes in the audit trail that somebody gave a wrong password for a user.
    ///
    /// # Errors
    /// The store.
    pub(crate) async fn note_refused(&self, node: &Node, user: &User, from: Option<IpAddr>) -> EngineResult<()> {
        let stamp = Stamp { who: Author::System, from, at: node.clock.now() };
        self.change(node, |snapshot, _| {
            let mut draft = Draft::of(snapshot, &node.ids);
            draft.note(stamp, user.account, AuditAction::SignInFailed, user.id, &[]);
            Ok(draft.done(()))
        })
        .await
    }

    /// Begins a session for a user whose password was right.
    ///
    /// # Errors
    /// The store.
    pub(crate) async fn begin_session(
        &self,
        node: &Node,
        sign_in: &SignIn,
        checked: &User,
    ) -> EngineResult<SignInOutcome> {
        let (ids, now) = (&node.ids, node.clock.now());
        let token = SessionToken::new(ids);
        let stamp = Stamp { who: Author::User(checked.id), from: sign_in.origin, at: now };
        self.change(node, |snapshot, _| {
            // It may have been changed or taken away while it was looked at.
            let user = snapshot.user(checked.id).filter(|user| user.password_hash == checked.password_hash);
            let Some(user) = user.cloned() else { return Ok(unchanged(snapshot, SignInOutcome::Refused)) };
            if !snapshot.is_active(user.account) {
                return Ok(unchanged(snapshot, SignInOutcome::Suspended));
            }
            let session = Session {
                id: ids.session(now),
                user: user.id,
                hash: token.hash(),
                created_at: now,
                last_used_at: now,
                from: sign_in.origin,
                user_agent: sign_in.user_agent.as_deref().and_then(Session::shortened),
            };
            let mut draft = Draft::of(snapshot, ids);
            for oldest in to_make_room(snapshot.sessions_of(user.id).collect()) {
                draft.remove_session(oldest);
            }
            draft.note(stamp, user.account, AuditAction::SignedIn, session.id, &[]);
            draft.put_session(session.clone());
            Ok(draft.done(SignInOutcome::Welcome(Box::new(SignedIn { user, session, token: token.clone() }))))
        })
        .await
    }

    /// Ends a session of a user.
    ///
    /// # Errors
    /// Not found, the store.
    pub async fn end_session(&self, node: &Node, caller: &Caller, user: UserId, id: SessionId) -> EngineResult<()> {
        let now = node.clock.now();
        self.change(node, |snapshot, _| {
            let session = snapshot.session(user, id).ok_or(EngineError::NotFound)?;
            let account = snapshot.user(user).ok_or(EngineError::NotFound)?.account;
            let mut draft = Draft::of(snapshot, &node.ids);
            draft.note(caller.stamp(now), account, AuditAction::SignedOut, id, &[]);
            draft.remove_session(session);
            Ok(draft.done(()))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::UnixMs;

    #[test]
    fn the_oldest_sessions_make_room_for_a_new_one() {
        let session = |n: u8| Session {
            id: SessionId::from_bytes([n; 16]),
            user: UserId::from_bytes([1; 16]),
            hash: [n; 32],
            created_at: UnixMs(n.into()),
            last_used_at: UnixMs(n.into()),
            from: None,
            user_agent: None,
        };
        let all: Vec<_> = (0..60).map(session).collect();
        for (count, expected) in [(0, 0), (49, 0), (50, 1), (60, 11)] {
            let gone: Vec<_> = to_make_room(all[..count].iter().collect()).map(|one| one.hash[0]).collect();
            assert_eq!(gone, (0..expected).collect::<Vec<u8>>(), "{count}");
        }
    }
}
