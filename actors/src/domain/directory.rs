//! The directory's records: accounts and senders here, users, keys and sessions in [`people`], webhooks in
//! [`webhooks`], templates in [`templates`], and the snapshot of all of them that everyone reads.
//!
//! Fields are only ever added at the end, with a default: so a record of an earlier format is still read.

pub mod people;
pub mod snapshot;
pub mod templates;
mod used;
pub mod webhooks;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::address::{Channel, EmailAddress, Mailbox, PhoneNumber};
use super::clock::UnixMs;
use super::ids::{AccountId, AccountNo, LaneNo, SenderId, UserId};
use super::plan::smart::Shares;
use super::sending_rules::SendingRules;

pub use people::{ApiKey, Session, SessionTerms, User};
pub use snapshot::Snapshot;
pub use templates::MessageTemplate;
pub use webhooks::{Subscribed, Webhook, WebhookEvent};

/// What a caller may do. Each role has the rights of those after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Schedules and reads; uses permitted senders.
    User,
    /// Every sender and every setting of the account.
    Admin,
    /// The installation.
    Operator,
}

impl Role {
    /// The name shown in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
            Self::Operator => "operator",
        }
    }
}

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its number in tickets and scopes.
    pub no: AccountNo,
    /// Counts changes, from 1.
    pub version: u32,
    /// Shown name.
    pub name: String,
    /// IANA zone name, validated.
    pub time_zone: String,
    /// `AC` and 32 hex digits: the account's name in the Twilio-compatible API.
    pub twilio_sid: String,
    /// When it was created.
    pub created_at: UnixMs,
    /// The last change.
    pub updated_at: UnixMs,
    /// Since when it is suspended, if it is: its keys and sessions are refused, and what is due is held.
    #[serde(default)]
    pub suspended_at: Option<UnixMs>,
    /// Hash of the creating request, when that had an idempotency key.
    #[serde(default)]
    pub request_hash: Option<[u8; 16]>,
    /// Who is told of messages that need attention.
    #[serde(default)]
    pub alerts: Alerts,
    /// When its messages may go.
    #[serde(default)]
    pub rules: SendingRules,
    /// What answers an SMS that asks for help; none: nothing does.
    #[serde(default)]
    pub help_reply: Option<String>,
    /// Which smart messages do not go at the moment that looks best.
    #[serde(default)]
    pub smart_send: Shares,
    /// Whether its mails tell of opens and clicks.
    #[serde(default)]
    pub tracking: bool,
    /// When what its messages are planned by last changed: its rules, its zone.
    #[serde(default)]
    pub rules_changed_at: UnixMs,
    /// What all of its senders together may send; set by operators.
    #[serde(default)]
    pub limits: AccountLimits,
}

/// The limits of an account, by channel; `None`: it has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AccountLimits {
    /// Mails.
    pub email: Option<Limit>,
    /// Segments.
    pub sms: Option<Limit>,
}

impl AccountLimits {
    /// The limit on a channel. What is told to webhooks has none.
    #[must_use]
    pub const fn on(&self, channel: Channel) -> Option<Limit> {
        match channel {
            Channel::Email => self.email,
            Channel::Sms => self.sms,
            Channel::Webhook => None,
        }
    }
}

/// Who is told by mail of messages that are held, failed or of unknown outcome.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Alerts {
    /// Addresses, at most [`Alerts::MAX_EMAILS`]; none: nobody is told.
    pub emails: Vec<EmailAddress>,
    /// Up to when they were told.
    pub told_until: UnixMs,
}

impl Alerts {
    /// Most addresses.
    pub const MAX_EMAILS: usize = 10;
}

impl Account {
    /// Whether it may do anything at all.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.suspended_at.is_none()
    }
}

/// How many units a limit lets through: `rate` in each `per`, up to `burst` at once.
/// A unit is a segment (SMS) or a mail (email).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// Units per period; at least 1.
    pub rate: u32,
    /// The period.
    pub per: Duration,
    /// Units that may go at once after a pause; at least 1.
    pub burst: u32,
}

impl Limit {
    /// SMS without a limit of its own: one segment a second, the usual long code.
    pub const LONG_CODE: Self = Self { rate: 1, per: Duration::from_secs(1), burst: 1 };
}

/// What an address of a sender is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SenderAddress {
    /// An email identity.
    Email(Mailbox),
    /// A phone number.
    Phone(PhoneNumber),
    /// A short code (3–8 digits) or an alphanumeric sender id (up to 11 characters).
    ShortOrName(String),
}

impl SenderAddress {
    /// The channel it sends on.
    #[must_use]
    pub const fn channel(&self) -> Channel {
        match self {
            Self::Email(_) => Channel::Email,
            Self::Phone(_) | Self::ShortOrName(_) => Channel::Sms,
        }
    }
}

impl std::fmt::Display for SenderAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Email(mailbox) => mailbox.fmt(f),
            Self::Phone(number) => number.fmt(f),
            Self::ShortOrName(text) => f.write_str(text),
        }
    }
}

/// A phone number or email identity that messages are sent from; its lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    /// Its id.
    pub id: SenderId,
    /// Its lane's number in tickets and scopes.
    pub lane: LaneNo,
    /// The account it belongs to.
    pub account: AccountNo,
    /// Counts changes, from 1.
    pub version: u32,
    /// What recipients see.
    pub address: SenderAddress,
    /// What people call it.
    pub label: Option<String>,
    /// The one that is used when nothing else decides; one per channel and account.
    pub is_default: bool,
    /// The only user (besides admins) who may use it, if set.
    pub assigned_user: Option<UserId>,
    /// Its limit; none: SMS [`Limit::LONG_CODE`], email unlimited.
    pub limit: Option<Limit>,
    /// ISO 3166 code, if known.
    pub country: Option<String>,
    /// An operator stopped its lane.
    pub paused: bool,
    /// When it was created.
    pub created_at: UnixMs,
    /// The last change.
    pub updated_at: UnixMs,
    /// Hash of the creating request, when that had an idempotency key.
    pub request_hash: Option<[u8; 16]>,
}

impl Sender {
    /// The channel it sends on.
    #[must_use]
    pub const fn channel(&self) -> Channel {
        self.address.channel()
    }

    /// The limit in force.
    #[must_use]
    pub fn effective_limit(&self) -> Option<Limit> {
        self.limit.or(match self.channel() {
            Channel::Sms => Some(Limit::LONG_CODE),
            Channel::Email | Channel::Webhook => None,
        })
    }
}
