//! What came of one attempt, judged once: in the transport.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The judgement over one attempt to hand a message to its provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[must_use]
pub enum Verdict {
    /// The provider took it. `provider_id` is the provider's own name for it, where it gives one.
    Submitted {
        /// The provider's id, for receipts.
        provider_id: Option<String>,
    },
    /// It was not taken, and trying again later may help.
    Transient(Failure),
    /// It was not taken and never will be.
    Permanent(Failure),
    /// Nobody knows: the connection died, or the answer did not come, after the provider may have taken it.
    Unknown(Failure),
}

/// Why an attempt did not end in a hand-over. Free of addresses and bodies: it is logged and shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// A stable code: `smtp_5.1.1`, `twilio_21610`, `http_503`, `connect_refused`, `timeout`, …
    pub code: String,
    /// One sentence for a person, with what to do where that is known.
    pub detail: String,
    /// What the failure says about the provider, beyond this one message.
    pub scope: FailureScope,
    /// When the provider asked to be tried again (HTTP `Retry-After`).
    pub retry_after: Option<Duration>,
}

/// How far a failure reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureScope {
    /// This message or its recipient alone.
    Message,
    /// The provider or the connection to it: counts towards the breaker.
    Provider,
    /// The recipient told the carrier to stop us: nothing more goes to this address.
    OptedOut,
}

impl Failure {
    /// A failure of this message alone.
    pub fn message(code: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { code: code.into(), detail: detail.into(), scope: FailureScope::Message, retry_after: None }
    }

    /// A failure that says the recipient wants nothing more.
    pub fn opted_out(code: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { scope: FailureScope::OptedOut, ..Self::message(code, detail) }
    }

    /// A failure that says the provider is in trouble.
    pub fn provider(code: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { code: code.into(), detail: detail.into(), scope: FailureScope::Provider, retry_after: None }
    }

    /// The same failure with the provider's own wish for the next attempt.
    #[must_use]
    pub fn with_retry_after(mut self, retry_after: Option<Duration>) -> Self {
        self.retry_after = retry_after;
        self
    }
}

impl Verdict {
    /// The failure, unless the provider took the message.
    #[must_use]
    pub const fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Submitted { .. } => None,
            Self::Transient(failure) | Self::Permanent(failure) | Self::Unknown(failure) => Some(failure),
        }
    }

    /// Whether the provider, not the message, is what failed.
    #[must_use]
    pub fn is_provider_failure(&self) -> bool {
        self.failure().is_some_and(|failure| failure.scope == FailureScope::Provider)
    }
}
