//! What every transport promises to the workers that use it.
//!
//! A transport hands one envelope over and judges the outcome, once; it never retries a message and never
//! changes its state. A [`Connection`] belongs to one worker and is used for one envelope at a time.
//!
//! Invariants: the guard is asked before the first byte of a message and again before the point of no
//! return (the final dot, the request's body); a "no" there leaves nothing with the provider. Every
//! hand-over ends within [`Transport::attempt_timeout`]. When the provider dies before the point of no
//! return the verdict is `Transient`, after it `Unknown`: whoever settles decides what that means.

use std::fmt::{self, Debug};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use smallvec::SmallVec;
use url::Url;

use crate::domain::address::{Address, Channel, EmailAddress};
use crate::domain::clock::UnixMs;
use crate::domain::directory::SenderAddress;
use crate::domain::ids::{AccountNo, ContactId, MessageId};
use crate::domain::message::{Attachment, Class, Content};
use crate::domain::signatures::twilio::AuthToken;
use crate::domain::signatures::webhook::WebhookSecret;
use crate::domain::verdict::{Failure, Verdict};

/// Everything a worker needs to make one attempt.
#[derive(Clone)]
pub struct Envelope {
    /// The message; also its identity at the provider (`Message-ID`, idempotency key).
    pub message: MessageId,
    /// The account it belongs to.
    pub account: AccountNo,
    /// The contact it goes to.
    pub contact: ContactId,
    /// Which attempt, counted from 1.
    pub attempt: u16,
    /// How urgent it is.
    pub class: Class,
    /// What it is sent from.
    pub from: SenderAddress,
    /// The recipient.
    pub to: Address,
    /// What it says, already rendered.
    pub content: Content,
    /// Files that go with it, with their bytes.
    pub attachments: Vec<(Attachment, Bytes)>,
    /// The instant of the first attempt: the same for every attempt, so that each one's bytes are equal.
    pub date: UnixMs,
    /// Where one click unsubscribes the recipient (RFC 8058), for email that needs it.
    pub list_unsubscribe: Option<Url>,
    /// The `Message-ID` (with angle brackets) that this email answers.
    pub in_reply_to: Option<String>,
    /// The `Message-ID`s of the thread, oldest first.
    pub references: Vec<String>,
    /// Where answers go, if not to the sender's address.
    pub reply_to: Option<EmailAddress>,
    /// Made with a test key: goes to the outbox, whatever the transport.
    pub test: bool,
    /// Whether no attempt was made before.
    pub first_attempt: bool,
    /// Whether its contact has stopped it since it was claimed.
    pub withdrawal: Withdrawal,
    /// What a notice needs.
    pub hook: Option<Hook>,
}

/// What a notice needs, by what it tells.
#[derive(Debug, Clone)]
pub enum Hook {
    /// A webhook: JSON, signed as Standard Webhooks have it.
    Webhook {
        /// What signs it, the newest first.
        secrets: SmallVec<[WebhookSecret; 2]>,
    },
    /// A message's status callback: a form, signed as Twilio does.
    StatusCallback {
        /// What signs it.
        token: AuthToken,
    },
}

/// Shared by a contact and the worker that has its envelope: an attempt that was withdrawn before it began does not
/// begin. So a stop holds from its answer on, although a claim was made before.
#[derive(Debug, Clone, Default)]
pub struct Withdrawal(Arc<AtomicBool>);

impl Withdrawal {
    /// Stops the attempt, if it has not passed its point of no return.
    pub fn withdraw(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether it was stopped.
    #[must_use]
    pub fn is_withdrawn(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("message", &self.message)
            .field("attempt", &self.attempt)
            .field("class", &self.class)
            .field("test", &self.test)
            .finish_non_exhaustive()
    }
}

impl Envelope {
    /// The channel that it travels on.
    #[must_use]
    pub const fn channel(&self) -> Channel {
        self.to.channel()
    }

    /// The verdict of a transport that got an envelope of another channel.
    pub(crate) fn wrong_channel(transport: &'static str) -> Verdict {
        Verdict::Permanent(Failure::message(
            "wrong_channel",
            format!(
                "the {transport} transport cannot carry a message of this channel: check the sender and the recipient"
            ),
        ))
    }
}

/// Asked before the first byte and again before the final dot or request: `false` means that the claim
/// may not be used any more (its deadline or the trust in the lease has passed).
pub trait Guard: Send + Sync {
    /// Whether the hand-over may still go on.
    fn may_hand_over(&self) -> bool;
}

/// What came of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Attempted {
    /// It was made; this is its outcome.
    Judged(Verdict),
    /// The guard said no before the provider could take anything.
    NotStarted,
}

/// One connection, or one slot of an HTTP client, to the provider. Opened by the first envelope.
#[async_trait]
pub trait Connection: Send {
    /// Hands one envelope over and judges what came of it.
    ///
    /// Dropping the future drops the connection's state with it; the outcome is then unknown.
    async fn hand_over(&mut self, envelope: &Envelope, guard: &dyn Guard) -> Attempted;

    /// Says goodbye to the provider, where the protocol has a word for it.
    async fn close(&mut self);
}

/// A way out of the house.
pub trait Transport: Send + Sync + Debug {
    /// A connection for one worker; nothing is opened yet.
    fn connect(&self) -> Box<dyn Connection>;
    /// The name used in settings and metrics.
    fn name(&self) -> &'static str;
    /// How many connections are worth having.
    fn connections(&self) -> usize;
    /// The longest that one hand-over takes.
    fn attempt_timeout(&self) -> Duration;
}

/// Why a transport could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// A setting does not make sense.
    #[error("cannot use setting `{setting}`: {detail}")]
    Setting {
        /// Its name within the transport's section.
        setting: &'static str,
        /// What is wrong and what to do, without secrets.
        detail: String,
    },
    /// A file or folder cannot be used.
    #[error("cannot use {path}: {source}; check that it exists and may be used")]
    Io {
        /// Which one.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
}

impl TransportError {
    pub(crate) fn setting(setting: &'static str, detail: impl Into<String>) -> Self {
        Self::Setting { setting, detail: detail.into() }
    }

    pub(crate) fn io(path: &std::path::Path, source: std::io::Error) -> Self {
        Self::Io { path: path.display().to_string(), source }
    }
}
