//! Passwords that are chosen by whoever has a link: invited users, and those who forgot theirs.
//!
//! | who | from | to |
//! |---|---|---|
//! | an admin makes a user without a password | no such user | invited: no password, cannot sign in |
//! | an admin invites again | invited | invited, with another link |
//! | the user, with the link | invited, or has a password | has a password; every link of theirs is worth nothing |

use std::net::IpAddr;
use std::time::Duration;

use super::Directory;
use super::draft::{Draft, set};
use super::users::check_password;
use crate::domain::audit::{AuditAction, Stamp};
use crate::domain::directory::User;
use crate::domain::message::Author;
use crate::domain::password::Password;
use crate::protocol::api::{EngineError, EngineResult};
use crate::shard::Node;

fn link_refused(error: crate::domain::password_link::LinkError) -> EngineError {
    EngineError::field("/token", "invalid_link", error.to_string())
}

impl Directory {
    /// A link's token for a user as they are now.
    #[must_use]
    pub(crate) fn password_link(&self, node: &Node, user: &User, lasts: Duration) -> String {
        self.password_links.sign(user, node.clock.now().plus(lasts))
    }

    /// Whether a link can be used now.
    #[must_use]
    pub(crate) fn is_password_link(&self, node: &Node, token: &str) -> bool {
        let snapshot = node.directory.load();
        self.password_links.verify(token, node.clock.now(), |id| snapshot.user(id)).is_ok()
    }

    /// Gives the user behind a link another password. It ends their sessions, and every link of theirs.
    ///
    /// # Errors
    /// A link that is not valid any more, a guessable password, the store.
    pub(crate) async fn choose_password(
        &self,
        node: &Node,
        token: &str,
        password: &Password,
        from: Option<IpAddr>,
    ) -> EngineResult<()> {
        let snapshot = node.directory.load_full();
        let now = node.clock.now();
        let user = self.password_links.verify(token, now, |id| snapshot.user(id)).map_err(link_refused)?;
        check_password(password, &user.email, user.name.as_deref())?;
        let hash = self.passwords.hash(password, &node.ids).await?;
        self.change(node, |snapshot, _| {
            // Looked at once more: of two who have the link, one comes first.
            let user = self.password_links.verify(token, now, |id| snapshot.user(id)).map_err(link_refused)?;
            let (mut user, mut changed) = (user.clone(), Vec::new());
            set(&mut user.password_hash, Some(hash.clone()), "password", &mut changed);
            user.version += 1;
            user.changed_at = Some(now);
            let mut draft = Draft::of(snapshot, &node.ids);
            let stamp = Stamp { who: Author::User(user.id), from, at: now };
            draft.note(stamp, user.account, AuditAction::UserUpdated, user.id, &changed);
            for session in snapshot.sessions_of(user.id) {
                draft.remove_session(session);
            }
            draft.put_user(user);
            Ok(draft.done(()))
        })
        .await
    }
}
