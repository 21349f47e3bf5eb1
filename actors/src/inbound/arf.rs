//! Complaints of a mailbox provider's users (RFC 5965, "feedback loop"): somebody took a mail of ours for spam.
//!
//! Providers blank addresses in what they return, so that often the message id is all that tells who it was.

use std::fmt;

use super::dsn::{address, distinct, returned_ids};
use super::headers::Headers;
use super::limits::{MAX_REPORT_BYTES, MAX_REPORT_RECIPIENTS};
use super::structure::{Shape, Structure};
use crate::domain::address::EmailAddress;

/// A complaint.
#[derive(Clone, PartialEq, Eq)]
pub struct Complaint {
    /// What it is about.
    pub feedback: Feedback,
    /// Whom the mail was sent to, as far as the report says.
    pub recipients: Vec<EmailAddress>,
    /// Ids that the mail may have, with brackets, the surest first.
    pub original_ids: Vec<String>,
}

/// What a report is about (RFC 5965 §7.3, and the registry that it began).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feedback {
    /// Unwanted: spam.
    Abuse,
    /// A fraud.
    Fraud,
    /// It carries a virus.
    Virus,
    /// The user wants no more of it (also `opt-out-list`).
    OptOut,
    /// It is *not* spam: taken back.
    NotSpam,
    /// Its authentication failed (RFC 6591): told to the domain's owner, no user complained.
    AuthFailure,
    /// Anything else.
    Other,
}

impl Feedback {
    /// Whether a person wants no more mail of this kind.
    #[must_use]
    pub const fn is_complaint(self) -> bool {
        matches!(self, Self::Abuse | Self::Fraud | Self::Virus | Self::OptOut | Self::Other)
    }

    fn named(name: &str) -> Self {
        match name.trim().to_ascii_lowercase().as_str() {
            "abuse" => Self::Abuse,
            "fraud" => Self::Fraud,
            "virus" => Self::Virus,
            "opt-out" | "opt-out-list" => Self::OptOut,
            "not-spam" => Self::NotSpam,
            "auth-failure" | "dkim" => Self::AuthFailure,
            _ => Self::Other,
        }
    }
}

impl fmt::Debug for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Complaint").field("feedback", &self.feedback).finish_non_exhaustive()
    }
}

/// The complaint that a mail is, if it is one.
pub(super) fn read(mail: &Structure<'_>) -> Option<Complaint> {
    let (around, part) = mail.outer(&["message/feedback-report"])?;
    let bytes = mail.bytes(part, MAX_REPORT_BYTES);
    let start = bytes.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(bytes.len());
    let fields = Headers::read(&bytes[start..]).0;
    let feedback = Feedback::named(&fields.raw("Feedback-Type")?);
    let stated = ["Original-Rcpt-To", "Original-Recipient", "Removal-Recipient"]
        .iter()
        .flat_map(|name| fields.raws(name))
        .filter_map(|value| address(&value));
    let mut recipients: Vec<EmailAddress> = Vec::new();
    for address in stated.chain(returned_recipients(mail, around)) {
        if recipients.len() < MAX_REPORT_RECIPIENTS && !recipients.contains(&address) {
            recipients.push(address);
        }
    }
    let named = fields.ids("Original-Message-ID").into_iter();
    Some(Complaint {
        feedback,
        recipients,
        original_ids: distinct(returned_ids(mail, around).into_iter().chain(named)),
    })
}

/// Whom the returned mail was sent to.
fn returned_recipients(mail: &Structure<'_>, report: usize) -> Vec<EmailAddress> {
    const FIELDS: [&str; 2] = ["Delivered-To", "To"];
    for (at, part) in mail.children(report) {
        let found = match (part.shape, part.media.essence.as_str()) {
            (Shape::Message, _) => {
                mail.children(at).flat_map(|(_, message)| message.headers.addresses(&FIELDS)).collect()
            }
            (_, "text/rfc822-headers" | "message/rfc822") => {
                Headers::read(&mail.bytes(part, MAX_REPORT_BYTES)).0.addresses(&FIELDS)
            }
            _ => Vec::new(),
        };
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests;
