//! Bounces in plain text: qmail's (<https://cr.yp.to/proto/qsbmf.txt>) and Exim's.
//!
//! Both name each recipient on a line of its own, then the reason, then return the mail behind a fixed line.
//! Other servers' prose is not guessed at.

use super::{Action, DeliveryReport, RecipientReport, StatusCode, assumed, diagnostic};
use crate::domain::address::EmailAddress;
use crate::inbound::headers::Headers;
use crate::inbound::limits::{MAX_REPORT_BYTES, MAX_REPORT_RECIPIENTS, head};

/// Reads the text of a bounce.
pub(super) fn read(headers: &Headers<'_>, text: &str) -> Option<DeliveryReport> {
    let text = head(text, MAX_REPORT_BYTES);
    if headers.has("X-Failed-Recipients") { exim(headers, text) } else { qmail(text) }
}

/// `Hi. This is the qmail-send program at …`, then paragraphs `<address>:` and a reason.
fn qmail(text: &str) -> Option<DeliveryReport> {
    let start = text.trim_start();
    if !start.starts_with("Hi. This is the ") {
        return None;
    }
    let (notice, returned) = split_returned(start, |line| line.starts_with("--- "));
    let mut recipients = Vec::new();
    for paragraph in notice.split("\n\n") {
        let Some((address, reason)) = paragraph.trim().strip_prefix('<').and_then(|rest| rest.split_once(">:")) else {
            continue;
        };
        if recipients.len() < MAX_REPORT_RECIPIENTS {
            recipients.push(failed(EmailAddress::parse(address.trim()).ok(), reason));
        }
    }
    finished(recipients, returned)
}

/// The header `X-Failed-Recipients`, and for each of them an indented line with its reason below.
fn exim(headers: &Headers<'_>, text: &str) -> Option<DeliveryReport> {
    let (notice, returned) = split_returned(text, |line| {
        line.starts_with("------ This is a copy of ") || line.starts_with("------ The body")
    });
    let mut recipients = Vec::new();
    for address in headers.addresses(&["X-Failed-Recipients"]).into_iter().take(MAX_REPORT_RECIPIENTS) {
        let reason = reason_below(notice, &address);
        recipients.push(failed(Some(address), &reason));
    }
    finished(recipients, returned)
}

/// The lines below the one that is this address, up to an empty one.
fn reason_below(notice: &str, address: &EmailAddress) -> String {
    let mut lines = notice.lines().map(str::trim);
    let is_named = |line: &str| line.split_ascii_whitespace().next() == Some(address.as_str());
    if !lines.any(is_named) {
        return String::new();
    }
    lines.take_while(|line| !line.is_empty()).take(20).collect::<Vec<_>>().join(" ")
}

/// The notice, and the mail that is returned behind a line that begins it.
fn split_returned(text: &str, is_mark: impl Fn(&str) -> bool) -> (&str, &str) {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if is_mark(line) {
            return (&text[..at], text[at + line.len()..].trim_start());
        }
        at += line.len();
    }
    (text, "")
}

fn failed(recipient: Option<EmailAddress>, reason: &str) -> RecipientReport {
    let status = StatusCode::find(reason).filter(|status| status.class != 2);
    RecipientReport {
        recipient,
        final_recipient: None,
        action: Action::Failed,
        status: status.or_else(|| assumed(Action::Failed)),
        diagnostic: diagnostic(reason),
    }
}

fn finished(recipients: Vec<RecipientReport>, returned: &str) -> Option<DeliveryReport> {
    if recipients.is_empty() {
        return None;
    }
    let original_ids = Headers::read(returned.as_bytes()).0.ids("Message-ID");
    Some(DeliveryReport { original_ids, recipients })
}
