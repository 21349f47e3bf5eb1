//! Accounts, users and sessions through the engine.

use std::sync::Arc;
use std::time::Duration;

use super::handle::Engine;
use crate::directory::{Checked, Directory};
use crate::domain::clock::UnixMs;
use crate::domain::directory::{Account, Session, Snapshot, User};
use crate::domain::ids::{AccountNo, SessionId, UserId};
use crate::domain::session::SessionToken;
use crate::partition::{PlanAgain, resume_held};
use crate::protocol::api::{Caller, Created, EngineError, EngineResult};
use crate::protocol::people::{AccountPatch, MadeAccount, NewAccount, NewUser, SignIn, SignInOutcome, UserPatch};
use crate::store::{Index, RangeQuery};

impl Engine {
    /// Makes an account; with its first key, if one is wanted, whose secret is shown once.
    ///
    /// # Errors
    /// See [`Directory::create_account`].
    pub async fn create_account(&self, caller: &Caller, new: NewAccount) -> EngineResult<Created<MadeAccount>> {
        self.check_growth()?;
        self.directory.create_account(&self.node, caller, &new).await
    }

    /// Changes an account, which need not be the caller's own. Resuming it lets go on what was held meanwhile.
    ///
    /// # Errors
    /// See [`Directory::patch_account`].
    pub async fn patch_account(
        &self,
        caller: &Caller,
        no: AccountNo,
        patch: AccountPatch,
        if_match: Option<u32>,
    ) -> EngineResult<Account> {
        let account = self.directory.patch_account(&self.node, caller, no, &patch, if_match).await?;
        let partitions = self.node.routes().shards.iter().flat_map(|shard| &shard.partitions);
        for (_, partition) in partitions.filter(|_| patch.touches_rules()) {
            partition.do_send(PlanAgain);
        }
        if patch.suspended == Some(false) {
            let node = Arc::clone(&self.node);
            // What is not reached now, each partition's sweep finds.
            actix::spawn(async move {
                for partition in node.partitions.iter() {
                    if let Err(error) = resume_held(&node, partition, no).await {
                        tracing::warn!(%partition, %error, "what was held is let go on later");
                    }
                }
            });
        }
        Ok(account)
    }

    /// Removes a suspended account that has no contacts.
    ///
    /// # Errors
    /// It has contacts; see [`Directory::delete_account`].
    pub async fn delete_account(&self, caller: &Caller, no: AccountNo) -> EngineResult<()> {
        Directory::check_removable(&self.directory(), caller, no)?;
        let query = |partition| RangeQuery {
            partition,
            index: Index::Contacts(no),
            after: None,
            to: UnixMs::MAX,
            limit: 1,
            descending: false,
        };
        let queries: Vec<_> = self.node.partitions.iter().map(query).collect();
        if self.read_ranges(&queries).await?.iter().any(|found| !found.is_empty()) {
            let detail = "the account has contacts: delete them first, with what is pending for them";
            return Err(EngineError::Conflict { code: "account_not_empty", detail: detail.into() });
        }
        self.directory.delete_account(&self.node, caller, no).await
    }

    /// Makes a user. One without a password is invited by mail.
    ///
    /// # Errors
    /// See [`Directory::create_user`].
    pub async fn create_user(&self, caller: &Caller, new: NewUser) -> EngineResult<Created<User>> {
        self.check_growth()?;
        let created = self.directory.create_user(&self.node, caller, &new).await?;
        let (Created::New(user) | Created::Replayed(user)) = &created;
        if !user.has_password() {
            self.invite(user).await?;
        }
        Ok(created)
    }

    /// Changes a user; another password ends their sessions, but for `kept_session`.
    ///
    /// # Errors
    /// See [`Directory::patch_user`].
    pub async fn patch_user(
        &self,
        caller: &Caller,
        id: UserId,
        patch: UserPatch,
        if_match: Option<u32>,
        kept_session: Option<SessionId>,
    ) -> EngineResult<User> {
        self.directory.patch_user(&self.node, caller, id, &patch, if_match, kept_session).await
    }

    /// Removes a user.
    ///
    /// # Errors
    /// See [`Directory::delete_user`].
    pub async fn delete_user(&self, caller: &Caller, id: UserId) -> EngineResult<()> {
        let email = self.directory().user(id).map(|user| user.email.clone());
        self.directory.delete_user(&self.node, caller, id).await?;
        if let Some(email) = email {
            self.forget_addressee(&email).await;
        }
        Ok(())
    }

    /// Signs somebody in.
    ///
    /// # Errors
    /// Too many attempts, too much at once, the store.
    pub async fn sign_in(&self, sign_in: SignIn) -> EngineResult<SignInOutcome> {
        let outcome = match self.directory.check_sign_in(&self.node, &sign_in).await? {
            Checked::Right(user) => self.directory.begin_session(&self.node, &sign_in, &user).await?,
            Checked::Wrong(user) => {
                if let Some(user) = user {
                    let (node, directory, from) = (Arc::clone(&self.node), Arc::clone(&self.directory), sign_in.origin);
                    // Not before the answer: it would take longer for a user who exists.
                    actix::spawn(async move {
                        if let Err(error) = directory.note_refused(&node, &user, from).await {
                            tracing::warn!(%error, "a refused sign-in is missing in the audit trail");
                        }
                    });
                }
                SignInOutcome::Refused
            }
        };
        let name = match &outcome {
            SignInOutcome::Welcome(_) => "welcome",
            SignInOutcome::Refused => "refused",
            SignInOutcome::Suspended => "suspended",
        };
        metrics::counter!("sendwheel_sign_ins_total", "outcome" => name).increment(1);
        Ok(outcome)
    }

    /// The live session that a browser's token stands for; it counts as used now.
    #[must_use]
    pub fn session_by_token<'a>(&self, directory: &'a Snapshot, token: &[u8]) -> Option<&'a Session> {
        let session = directory.session_by_hash(&SessionToken::hash_of(token)?)?;
        let now = self.node.clock.now();
        if self.session_ends_at(directory, session) <= now {
            return None;
        }
        directory.touch_session(session, now);
        Some(session)
    }

    /// When a session ends if it is not used any more.
    #[must_use]
    pub fn session_ends_at(&self, directory: &Snapshot, session: &Session) -> UnixMs {
        self.node.settings.sessions.ends_at(session, directory.session_last_used(session))
    }

    /// How long a session lasts at most.
    #[must_use]
    pub fn session_lifetime(&self) -> Duration {
        self.node.settings.sessions.lifetime
    }

    /// The token that the pages of a session send along with whatever changes something.
    #[must_use]
    pub fn csrf_token(&self, session: &Session) -> String {
        self.directory.csrf().token(&session.hash)
    }

    /// Whether a text is that token.
    #[must_use]
    pub fn is_csrf_token(&self, session: &Session, text: &[u8]) -> bool {
        self.directory.csrf().verify(&session.hash, text)
    }

    /// Ends a session of a user.
    ///
    /// # Errors
    /// Not found, the store.
    pub async fn end_session(&self, caller: &Caller, user: UserId, id: SessionId) -> EngineResult<()> {
        self.directory.end_session(&self.node, caller, user, id).await
    }
}
