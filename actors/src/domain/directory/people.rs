//! Who may come in: users with their passwords and sessions, programs with their keys. None of them holds a
//! secret that could be used: passwords are kept as argon2id, keys and session tokens as SHA-256.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Role;
use crate::domain::address::EmailAddress;
use crate::domain::clock::UnixMs;
use crate::domain::ids::{AccountNo, ApiKeyId, SessionId, UserId};

/// A person who signs in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// The account it belongs to.
    pub account: AccountNo,
    /// Sign-in name: no other user of the installation has it, however it is written ([`sign_in_name`]).
    pub email: EmailAddress,
    /// argon2id, in PHC string form; empty as long as they were invited and chose none.
    pub password_hash: String,
    /// What they may do.
    pub role: Role,
    /// When it was created.
    pub created_at: UnixMs,
    /// What people call them.
    #[serde(default)]
    pub name: Option<String>,
    /// Counts changes, from 1.
    #[serde(default = "first_version")]
    pub version: u32,
    /// The last change, if there was one.
    #[serde(default)]
    pub changed_at: Option<UnixMs>,
    /// Hash of the creating request without its password, when that had an idempotency key.
    #[serde(default)]
    pub request_hash: Option<[u8; 16]>,
}

const fn first_version() -> u32 {
    1
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("id", &self.id).field("role", &self.role).finish_non_exhaustive()
    }
}

impl User {
    /// Whether they have a password; who has none was invited, and cannot sign in yet.
    #[must_use]
    pub fn has_password(&self) -> bool {
        !self.password_hash.is_empty()
    }

    /// When anything of it changed last.
    #[must_use]
    pub fn updated_at(&self) -> UnixMs {
        self.changed_at.unwrap_or(self.created_at)
    }
}

/// The form in which an email address is compared as a sign-in name: people do not remember how they
/// capitalised theirs, and no mail server in use tells such mailboxes apart.
#[must_use]
pub fn sign_in_name(email: &EmailAddress) -> String {
    email.as_str().to_lowercase()
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
    /// Its last use as far as it was written; [`super::Snapshot::key_last_used`] knows the very last one.
    #[serde(default)]
    pub last_used_at: Option<UnixMs>,
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiKey").field("id", &self.id).field("role", &self.role).finish_non_exhaustive()
    }
}

/// A signed-in browser, found by the SHA-256 of the token in its cookie.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its public name.
    pub id: SessionId,
    /// Who signed in.
    pub user: UserId,
    /// SHA-256 of the token.
    pub hash: [u8; 32],
    /// When they signed in.
    pub created_at: UnixMs,
    /// Its last use as far as it was written; [`super::Snapshot::session_last_used`] knows the very last one.
    pub last_used_at: UnixMs,
    /// From where they signed in, if that is known.
    pub from: Option<IpAddr>,
    /// What their browser calls itself, cut to [`Session::USER_AGENT_BYTES`].
    pub user_agent: Option<String>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("id", &self.id).field("user", &self.user).finish_non_exhaustive()
    }
}

impl Session {
    /// Most sessions of one user; the oldest goes when another one comes.
    pub const MAX_PER_USER: usize = 50;
    /// Bytes of a browser's name that are kept.
    pub const USER_AGENT_BYTES: usize = 120;

    /// A browser's name as it is kept: printable, on one line, cut short at a character's end.
    #[must_use]
    pub fn shortened(user_agent: &str) -> Option<String> {
        let text = user_agent.trim();
        let mut end = text.len().min(Self::USER_AGENT_BYTES);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let text: String = text[..end].chars().filter(|c| !c.is_control()).collect();
        (!text.is_empty()).then_some(text)
    }
}

/// How long sessions last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionTerms {
    /// Without a use.
    pub idle: Duration,
    /// At all.
    pub lifetime: Duration,
}

impl SessionTerms {
    /// From when on a session that was last used at `last_used` is over.
    #[must_use]
    pub fn ends_at(&self, session: &Session, last_used: UnixMs) -> UnixMs {
        last_used.plus(self.idle).min(session.created_at.plus(self.lifetime))
    }

    /// How old a use may grow in memory before it is written: an hour, or less where sessions are short.
    #[must_use]
    pub fn write_use_after(&self) -> Duration {
        (self.idle / 8).min(Duration::from_secs(3_600))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        Session {
            id: SessionId::from_bytes([1; 16]),
            user: UserId::from_bytes([2; 16]),
            hash: [3; 32],
            created_at: UnixMs(1_000_000),
            last_used_at: UnixMs(1_000_000),
            from: None,
            user_agent: None,
        }
    }

    #[test]
    fn a_session_ends_when_it_is_idle_or_old_whichever_comes_first() {
        let terms = SessionTerms { idle: Duration::from_secs(100), lifetime: Duration::from_secs(1_000) };
        for (last_used_s, ends_s) in [(1_000, 1_100), (1_500, 1_600), (1_950, 2_000), (3_000, 2_000)] {
            assert_eq!(terms.ends_at(&session(), UnixMs(last_used_s * 1_000)), UnixMs(ends_s * 1_000), "{last_used_s}");
        }
    }

    #[test]
    fn a_use_is_written_well_before_its_session_would_seem_idle() {
        let terms = |idle| SessionTerms { idle: Duration::from_secs(idle), lifetime: Duration::from_secs(1) };
        assert_eq!(terms(14 * 86_400).write_use_after(), Duration::from_secs(3_600));
        assert_eq!(terms(1_800).write_use_after(), Duration::from_secs(225));
    }

    #[test]
    fn a_browser_s_name_is_cut_at_a_character_s_end() {
        assert_eq!(Session::shortened("  Mozilla/5.0\n(X11) "), Some("Mozilla/5.0(X11)".into()));
        assert_eq!(Session::shortened(" \n"), None);
        let long = format!("{}é{}", "x".repeat(119), "y".repeat(50));
        assert_eq!(Session::shortened(&long), Some("x".repeat(119)));
    }

    #[test]
    fn sign_in_names_do_not_depend_on_capitals() {
        let name = |text| sign_in_name(&EmailAddress::parse(text).unwrap());
        assert_eq!(name("Ada.L@Example.com"), name("ada.l@example.COM"));
        assert_ne!(name("ada@example.com"), name("adb@example.com"));
    }

    #[test]
    fn nothing_secret_or_personal_is_in_debug_output() {
        let user = User {
            id: UserId::from_bytes([4; 16]),
            account: AccountNo(1),
            email: EmailAddress::parse("ada@example.com").unwrap(),
            password_hash: "$argon2id$hidden".into(),
            role: Role::User,
            created_at: UnixMs(0),
            name: Some("Ada".into()),
            version: 1,
            changed_at: None,
            request_hash: None,
        };
        let shown = format!("{user:?} {:?}", Session { from: Some([10, 9, 8, 7].into()), ..session() });
        for hidden in ["ada", "Ada", "argon2id", "10.9.8.7", "3, 3"] {
            assert!(!shown.contains(hidden), "{shown}");
        }
    }
}
