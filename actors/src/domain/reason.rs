//! Why a message waits, was held, moved, skipped or cancelled: every delay has a name.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::plan::Cause;
use super::suppression::SuppressionReason;

/// A stored reason. Lane reasons (`rate_limited`, `lane_paused`, `provider_backoff`) are [`LaneReason`]s:
/// they are computed when read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// A user or a program took it back.
    CanceledByCaller,
    /// Its contact was deleted.
    ContactDeleted,
    /// The recipient does not want messages on this channel.
    ConsentDenied,
    /// A campaign message needs the recipient's consent, which nobody recorded.
    ConsentMissing,
    /// The sender it goes from does not exist any more.
    SenderGone,
    /// The address it goes to is no longer one of the contact's.
    AddressRemoved,
    /// Its author may no longer send from that sender.
    SenderNotPermitted,
    /// A template field could not be filled in; the detail says which.
    TemplateFailed(String),
    /// The attempt failed and another one follows.
    RetryAfter(String),
    /// Every permitted attempt failed; the code of the last one.
    AttemptsExhausted(String),
    /// The provider refused it for good; its code.
    Refused(String),
    /// The outcome of an attempt is not known; its code.
    OutcomeUnknown(String),
    /// A claim of a process that died was found.
    ClaimOrphaned,
    /// Later than its author allowed.
    TooLate(Duration),
    /// Its content is gone from the store.
    ContentLost,
    /// A person settled it.
    ResolvedByCaller,
    /// A person revived it.
    Requeued,
    /// Edited or rescheduled.
    Edited,
    /// Sent at once by a person's wish.
    SendNow,
    /// The contact wrote, and its author wanted it taken back then.
    Replied,
    /// Its address is suppressed.
    Suppressed(SuppressionReason),
    /// The recipient's provider or the carrier said so later; its code.
    ReceiptSaid(String),
    /// A caller took their own last step back.
    Undone,
    /// Its account is suspended.
    AccountSuspended,
    /// Its account was suspended and is not any more.
    AccountResumed,
    /// The account's rules make it wait.
    Delayed(Cause),
    /// The account's rules would make it wait, and its author wants it skipped then.
    Skipped(Cause),
    /// The account's rules leave no moment before it expires.
    NoMoment(Cause),
    /// It was planned again: it had been missed, or its contact's clock changed.
    Replanned,
    /// It is the next occurrence of a series.
    Repeated,
    /// The series that it belongs to was taken back.
    SeriesCanceled,
}

impl Reason {
    /// The stable code shown in the API.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::CanceledByCaller => "canceled_by_caller",
            Self::ContactDeleted => "contact_deleted",
            Self::ConsentDenied => "consent_denied",
            Self::ConsentMissing => "consent_missing",
            Self::SenderGone => "sender_gone",
            Self::AddressRemoved => "address_removed",
            Self::SenderNotPermitted => "sender_not_permitted",
            Self::TemplateFailed(_) => "template_failed",
            Self::RetryAfter(_) => "retry",
            Self::AttemptsExhausted(_) => "attempts_exhausted",
            Self::Refused(_) => "refused",
            Self::OutcomeUnknown(_) => "outcome_unknown",
            Self::ClaimOrphaned => "claim_orphaned",
            Self::TooLate(_) => "too_late",
            Self::ContentLost => "content_lost",
            Self::ResolvedByCaller => "resolved_by_caller",
            Self::Requeued => "requeued",
            Self::Edited => "edited",
            Self::SendNow => "send_now",
            Self::Replied => "replied",
            Self::Suppressed(_) => "suppressed",
            Self::ReceiptSaid(_) => "receipt",
            Self::Undone => "undone",
            Self::AccountSuspended => "account_suspended",
            Self::AccountResumed => "account_resumed",
            Self::Delayed(cause) => cause.code(),
            Self::Skipped(_) => "skipped",
            Self::NoMoment(_) => "no_moment_left",
            Self::Replanned => "replanned",
            Self::Repeated => "repeated",
            Self::SeriesCanceled => "series_canceled",
        }
    }

    /// One sentence for a person: what happened and what to do.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            Self::CanceledByCaller => "canceled before hand-over".into(),
            Self::ContactDeleted => "the contact was deleted".into(),
            Self::ConsentDenied => "the contact does not want messages on this channel".into(),
            Self::ConsentMissing => {
                "a campaign message needs consent, and the contact's is unknown: record it, then send again".into()
            }
            Self::SenderGone => "the sender was removed: choose another one, or cancel".into(),
            Self::AddressRemoved => "the address was removed from the contact: choose another one, or cancel".into(),
            Self::SenderNotPermitted => {
                "its author may no longer use this sender: choose another one, or cancel".into()
            }
            Self::TemplateFailed(what) => format!("the content could not be filled in: {what}"),
            Self::RetryAfter(code) => format!("the last attempt failed ({code}); another one follows"),
            Self::AttemptsExhausted(code) => format!("every permitted attempt failed, the last one with {code}"),
            Self::Refused(code) => format!("the provider refused it for good ({code})"),
            Self::OutcomeUnknown(code) => format!("the provider may or may not have taken it ({code}): resolve it"),
            Self::ClaimOrphaned => {
                "the process died during the attempt: the provider may or may not have taken it".into()
            }
            Self::TooLate(limit) => format!("more than {} s late, which its author did not allow", limit.as_secs()),
            Self::ContentLost => "its content is missing from the store".into(),
            Self::ResolvedByCaller => "settled by a person".into(),
            Self::Requeued => "revived from a dead letter".into(),
            Self::Edited => "edited or rescheduled".into(),
            Self::SendNow => "sent at once on request".into(),
            Self::Replied => "the contact wrote, and it was to be taken back then".into(),
            Self::Suppressed(why) => {
                let why = match why {
                    SuppressionReason::Manual => "it was put there by hand",
                    SuppressionReason::HardBounce => "mail to it came back for good",
                    SuppressionReason::Unsubscribed => "its owner unsubscribed",
                    SuppressionReason::Complaint => "its owner called a mail spam",
                };
                format!("the address is on the suppression list: {why}")
            }
            Self::ReceiptSaid(code) => format!("a receipt of the provider said so ({code})"),
            Self::Undone => "its author took it back right away".into(),
            Self::AccountSuspended => {
                "the account is suspended: it goes on when an operator resumes the account".into()
            }
            Self::AccountResumed => "the account was resumed".into(),
            Self::Delayed(cause) => format!("it waits for the end of {cause}"),
            Self::Skipped(cause) => format!("its time fell into {cause}, and its author wanted it skipped then"),
            Self::NoMoment(cause) => format!("{cause} left no moment before it expired"),
            Self::Repeated => "it is the next occurrence of its series".into(),
            Self::SeriesCanceled => "its series was canceled".into(),
            Self::Replanned => "it was missed, or its contact's clock changed: it was planned again".into(),
        }
    }
}

/// Why a due message is still in its lane; computed, never stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LaneReason {
    /// The sender's or the channel's limit.
    RateLimited,
    /// An operator paused the lane.
    LanePaused,
    /// The provider fails; the breaker is open.
    ProviderBackoff,
    /// An earlier message of the same contact is under way.
    BehindEarlier,
    /// The node is draining.
    Draining,
    /// Next in line.
    InLine,
}

impl LaneReason {
    /// The stable code shown in the API.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::RateLimited => "rate_limited",
            Self::LanePaused => "lane_paused",
            Self::ProviderBackoff => "provider_backoff",
            Self::BehindEarlier => "behind_earlier",
            Self::Draining => "draining",
            Self::InLine => "in_line",
        }
    }
}
