//! What callers say and hear about accounts, users and sessions.

use std::net::IpAddr;

use secrecy::SecretString;

use super::api::Idempotency;
use crate::domain::address::EmailAddress;
use crate::domain::directory::{Account, ApiKey, Limit, Role, Session, User};
use crate::domain::password::Password;
use crate::domain::plan::smart::Shares;
use crate::domain::sending_rules::{Cap, Holiday, Hours};
use crate::domain::session::SessionToken;

/// A new account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAccount {
    /// Shown name.
    pub name: String,
    /// IANA zone name; checked when the account is made.
    pub time_zone: String,
    /// Whether an API key with the role admin is made with it.
    pub with_api_key: bool,
    /// The caller's key for this request.
    pub idempotency: Option<Idempotency>,
}

/// An account that was made, with its first key if one was wanted.
#[derive(Debug, Clone)]
pub struct MadeAccount {
    /// The account.
    pub account: Account,
    /// Its first key and that key's secret, told once.
    pub api_key: Option<(ApiKey, SecretString)>,
}

/// Changes to an account; `None` leaves a field as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountPatch {
    /// Shown name.
    pub name: Option<String>,
    /// IANA zone name.
    pub time_zone: Option<String>,
    /// Suspends or resumes it.
    pub suspended: Option<bool>,
    /// Who is told by mail of messages that need attention.
    pub alert_emails: Option<Vec<EmailAddress>>,
    /// When nothing goes.
    pub quiet_hours: Option<Vec<Hours>>,
    /// When something may go.
    pub send_windows: Option<Vec<Hours>>,
    /// Days on which nothing goes.
    pub holidays: Option<Vec<Holiday>>,
    /// Whether class `conversation` goes at any time.
    pub conversation_exempt: Option<bool>,
    /// What answers an SMS that asks for help; `Some(None)`: nothing any more.
    pub help_reply: Option<Option<String>>,
    /// How many messages a contact gets.
    pub frequency_caps: Option<Vec<Cap>>,
    /// Which smart messages do not go at the best moment.
    pub smart_send: Option<Shares>,
    /// Whether its mails tell of opens and clicks.
    pub tracking: Option<bool>,
    /// What all of its senders together may mail; `Some(None)`: whatever they may.
    pub email_limit: Option<Option<Limit>>,
    /// The same for SMS.
    pub sms_limit: Option<Option<Limit>>,
}

impl AccountPatch {
    /// Whether it may change what messages are planned by.
    #[must_use]
    pub const fn touches_rules(&self) -> bool {
        self.time_zone.is_some()
            || self.quiet_hours.is_some()
            || self.send_windows.is_some()
            || self.holidays.is_some()
            || self.conversation_exempt.is_some()
            || self.frequency_caps.is_some()
    }
}

/// A new user.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Sign-in name.
    pub email: EmailAddress,
    /// What people call them.
    pub name: Option<String>,
    /// What they may do; at most what the caller may.
    pub role: Role,
    /// What they sign in with; left out: they are invited by mail, and choose it.
    pub password: Option<Password>,
    /// The caller's key for this request.
    pub idempotency: Option<Idempotency>,
}

/// Changes to a user; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct UserPatch {
    /// Sign-in name.
    pub email: Option<EmailAddress>,
    /// What people call them.
    pub name: Option<Option<String>>,
    /// What they may do.
    pub role: Option<Role>,
    /// Another password; it ends the user's other sessions.
    pub password: Option<Password>,
    /// The password until now: needed by whoever changes their own.
    pub current_password: Option<SecretString>,
}

/// Somebody who wants to sign in.
#[derive(Clone)]
pub struct SignIn {
    /// What was given as their address; need not be one.
    pub email: String,
    /// What was given as their password.
    pub password: SecretString,
    /// From where, if that is known.
    pub origin: Option<IpAddr>,
    /// What their browser calls itself.
    pub user_agent: Option<String>,
}

impl std::fmt::Debug for SignIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SignIn")
    }
}

/// Somebody who is signed in.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// Who.
    pub user: User,
    /// Their session.
    pub session: Session,
    /// What finds it, told once.
    pub token: SessionToken,
}

/// What came of a sign-in.
#[derive(Debug, Clone)]
#[must_use]
pub enum SignInOutcome {
    /// They are in.
    Welcome(Box<SignedIn>),
    /// No such user, or not their password: nobody is told which.
    Refused,
    /// It was their password, and their account is suspended.
    Suspended,
}
