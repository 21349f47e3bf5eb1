//! Delivery status notifications (RFC 3464), and bounces of servers that write none.
//!
//! A report tells what became of a mail of ours, for each recipient. It comes from anybody: it holds only if it names
//! a mail that we did send, and its ids are unguessable. Bounces in plain text ([`plain`]) are believed only from
//! the address of a mail server, in the two forms that state recipient and reason in fixed words.

mod plain;

use std::fmt;

use super::automatic::{has_null_return_path, is_daemon};
use super::charset::{decode, one_line};
use super::headers::Headers;
use super::limits::{MAX_DIAGNOSTIC, MAX_REPORT_BYTES, MAX_REPORT_IDS, MAX_REPORT_RECIPIENTS};
use super::status::StatusCode;
use super::structure::{Shape, Structure};
use crate::domain::address::EmailAddress;

/// What became of a mail.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeliveryReport {
    /// Ids that the mail may have, with brackets, the surest first: from its returned header, from the report's
    /// fields, from `In-Reply-To` and `References` of the report.
    pub original_ids: Vec<String>,
    /// Each recipient that the report tells of.
    pub recipients: Vec<RecipientReport>,
}

/// What became of a mail for one recipient.
#[derive(Clone, PartialEq, Eq)]
pub struct RecipientReport {
    /// The address that it was sent to first, if the report says, else the last one.
    pub recipient: Option<EmailAddress>,
    /// The address that it went to in the end, where that is another one.
    pub final_recipient: Option<EmailAddress>,
    /// What the server did.
    pub action: Action,
    /// Why. Always there for a failure.
    pub status: Option<StatusCode>,
    /// The server's words, on one line. They often hold the address: not for logs.
    pub diagnostic: Option<String>,
}

/// What a server did with a mail for one recipient (RFC 3464 §2.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It gave up.
    Failed,
    /// It goes on trying.
    Delayed,
    /// It is in the mailbox.
    Delivered,
    /// It went on to a server that will not report.
    Relayed,
    /// It went to the members of a list.
    Expanded,
}

/// How bad a report is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// No failure.
    Good,
    /// A delay, or given up for a reason that may pass (4.x.x).
    Soft,
    /// Given up for a reason that stays (5.x.x).
    Hard,
}

impl RecipientReport {
    /// How bad it is.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        match (self.action, self.status) {
            (Action::Delivered | Action::Relayed | Action::Expanded, _) => Severity::Good,
            (Action::Delayed, _) | (Action::Failed, Some(StatusCode { class: 4, .. })) => Severity::Soft,
            (Action::Failed, _) => Severity::Hard,
        }
    }
}

impl fmt::Debug for RecipientReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("RecipientReport");
        shown.field("action", &self.action).field("status", &self.status).finish_non_exhaustive()
    }
}

/// The report that a mail is, if it is one. `text` is the mail's text.
pub(super) fn read(mail: &Structure<'_>, author: Option<&EmailAddress>, text: &str) -> Option<DeliveryReport> {
    let headers = &mail.parts[0].headers;
    let status = mail.outer(&["message/delivery-status", "message/global-delivery-status"]);
    let mut report = if let Some((_, part)) = status {
        standard(&mail.bytes(part, MAX_REPORT_BYTES))?
    } else if author.is_some_and(is_daemon) || has_null_return_path(headers) {
        plain::read(headers, text)?
    } else {
        return None;
    };
    let returned = status.map_or_else(Vec::new, |(around, _)| returned_ids(mail, around));
    let answered = headers.ids("In-Reply-To").into_iter().chain(headers.ids("References").into_iter().rev());
    report.original_ids = distinct(returned.into_iter().chain(report.original_ids).chain(answered));
    Some(report)
}

/// Reads groups of fields: the first tells of the mail, each other one of a recipient. Some servers leave the
/// first one out.
fn standard(bytes: &[u8]) -> Option<DeliveryReport> {
    let mut report = DeliveryReport::default();
    let mut at = 0;
    while at < bytes.len() && report.recipients.len() < MAX_REPORT_RECIPIENTS {
        let (fields, length) = Headers::read(&bytes[at..]);
        // A line that is no field: the rest may still hold some.
        at += length.max(super::headers::line_at(bytes, at).len());
        for name in ["X-Original-Message-ID", "Original-Message-ID"] {
            report.original_ids.extend(fields.ids(name));
        }
        report.recipients.extend(recipient(&fields));
    }
    (!report.recipients.is_empty()).then_some(report)
}

fn recipient(fields: &Headers<'_>) -> Option<RecipientReport> {
    let last = fields.raw("Final-Recipient").and_then(|value| address(&value));
    let original = fields.raw("Original-Recipient").and_then(|value| address(&value));
    let action = fields.raw("Action");
    if !fields.has("Final-Recipient") && action.is_none() {
        return None;
    }
    let diagnostic = fields.text("Diagnostic-Code", MAX_DIAGNOSTIC).map(|text| without_type(&text).to_owned());
    let stated = fields.raw("Status").and_then(|value| StatusCode::parse(&value));
    let found = || diagnostic.as_deref().and_then(StatusCode::find);
    // `5.0.0` says nothing: the server's own words may say more.
    let status = match stated {
        Some(code) if code.is_bare() => found().filter(|found| found.class == code.class).or(stated),
        Some(_) => stated,
        None => found(),
    };
    let word = action.unwrap_or_default();
    let word = word.split([' ', ';', '(']).next().unwrap_or_default().to_ascii_lowercase();
    let action = match (word.as_str(), status) {
        ("failed" | "failure", _) => Action::Failed,
        ("delayed", _) => Action::Delayed,
        ("delivered", _) => Action::Delivered,
        ("relayed", _) => Action::Relayed,
        ("expanded", _) => Action::Expanded,
        (_, Some(StatusCode { class: 5, .. })) => Action::Failed,
        (_, Some(StatusCode { class: 4, .. })) => Action::Delayed,
        (_, Some(_)) => Action::Delivered,
        (_, None) => return None,
    };
    Some(RecipientReport {
        final_recipient: last.clone().filter(|last| original.as_ref().is_some_and(|original| original != last)),
        recipient: original.or(last),
        action,
        status: status.or_else(|| assumed(action)),
        diagnostic: diagnostic.filter(|text| !text.is_empty()),
    })
}

/// A failure without a code is a permanent one.
const fn assumed(action: Action) -> Option<StatusCode> {
    match action {
        Action::Failed => Some(StatusCode { class: 5, subject: 0, detail: 0 }),
        _ => None,
    }
}

/// What stands behind `rfc822;`, `smtp;` and the like.
fn without_type(value: &str) -> &str {
    match value.split_once(';') {
        Some((kind, rest)) if kind.trim().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') => rest.trim(),
        _ => value.trim(),
    }
}

/// The address in `rfc822; <jane@example.com>` (RFC 3464 §2.3.1). Of its escapes (RFC 3461 §4, `xtext`) only those
/// for `+` and `=` are resolved: servers also write a `+` as it stands, and what follows it is no escape then.
pub(super) fn address(value: &str) -> Option<EmailAddress> {
    let text = without_type(value).trim_start_matches('<').trim_end_matches('>');
    EmailAddress::parse(&text.replace("+3D", "=").replace("+2B", "+")).ok()
}

/// The ids of the mail that the report (a multipart) brings back: as a message, as its header alone, or encoded against the rules.
pub(super) fn returned_ids(mail: &Structure<'_>, report: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for (at, part) in mail.children(report) {
        match (part.shape, part.media.essence.as_str()) {
            (Shape::Message, _) => {
                ids.extend(mail.children(at).flat_map(|(_, message)| message.headers.ids("Message-ID")));
            }
            (_, "text/rfc822-headers" | "message/rfc822-headers" | "message/global-headers" | "message/rfc822") => {
                ids.extend(Headers::read(&mail.bytes(part, MAX_REPORT_BYTES)).0.ids("Message-ID"));
            }
            _ => {}
        }
    }
    ids
}

/// Each id once, as many as are kept.
pub(super) fn distinct(ids: impl Iterator<Item = String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for id in ids {
        if kept.len() < MAX_REPORT_IDS && !kept.contains(&id) {
            kept.push(id);
        }
    }
    kept
}

/// A server's words as they are kept.
fn diagnostic(text: &str) -> Option<String> {
    Some(one_line(&decode(text.as_bytes(), None), MAX_DIAGNOSTIC)).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests;
