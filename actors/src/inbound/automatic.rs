//! Whether a mail was written by a machine: what must not be answered automatically, and counts as nobody's reply
//! (RFC 3834, and what mailers do beside it).

use super::headers::Headers;
use super::structure::Structure;
use crate::domain::address::EmailAddress;

/// How a mail shows that no person wrote it to us. Where several hold, the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Automatic {
    /// A receipt: a mail was shown, or deleted unread (RFC 8098).
    Receipt,
    /// An answer to one mail, such as "out of office" (`Auto-Submitted: auto-replied`, `X-Autoreply`, …).
    Replied,
    /// Made without an occasion of ours (`Auto-Submitted: auto-generated` or another value than `no`).
    Generated,
    /// A notice about a mail's way or fate: no return path, or sent by a mail server.
    Notice,
    /// From a mailing list (`List-Id`, `Precedence: list`).
    List,
    /// Sent to many (`Precedence: bulk` or `junk`), or by a system that asks for no automatic answers.
    Bulk,
    /// From an address that takes no answers.
    NoReply,
}

/// Local parts of addresses that mail servers write from.
const DAEMONS: [&str; 4] = ["mailer-daemon", "postmaster", "mail-daemon", "mailerdaemon"];
/// Beginnings of local parts, without separators, of addresses that take no answers.
const NO_REPLY: [&str; 4] = ["noreply", "donotreply", "noanswer", "nepasrepondre"];
/// Fields that only automatic answers have, with any value.
const REPLY_FIELDS: [&str; 4] = ["X-Autoreply", "X-Autorespond", "X-Autoreply-From", "X-Mail-Autoreply"];

/// Judges by a mail's parts, its header fields and its author.
pub(super) fn judge(mail: &Structure<'_>, from: Option<&EmailAddress>) -> Option<Automatic> {
    if mail.outer(&["message/disposition-notification"]).is_some() {
        return Some(Automatic::Receipt);
    }
    let headers = &mail.parts[0].headers;
    let word = |name: &str| {
        headers.raw(name).map(|value| value.split([';', ' ', '(']).next().unwrap_or_default().to_ascii_lowercase())
    };
    let submitted = word("Auto-Submitted").filter(|value| value != "no");
    let precedence = word("Precedence").unwrap_or_default();
    let is_reply = submitted.as_deref() == Some("auto-replied")
        || REPLY_FIELDS.iter().any(|name| headers.has(name))
        || matches!(precedence.as_str(), "auto_reply" | "auto-reply");
    // Exchange says `auto-generated` of its out-of-office answers; what they answer tells them apart.
    let is_exchange_reply =
        submitted.is_some() && headers.has("X-MS-Exchange-Generated-Message-Source") && headers.has("In-Reply-To");
    if is_reply || is_exchange_reply {
        Some(Automatic::Replied)
    } else if has_null_return_path(headers) || from.is_some_and(is_daemon) {
        Some(Automatic::Notice)
    } else if submitted.is_some() {
        Some(Automatic::Generated)
    } else if headers.has("List-Id") || precedence == "list" {
        Some(Automatic::List)
    } else if matches!(precedence.as_str(), "bulk" | "junk") || suppresses_answers(headers) {
        Some(Automatic::Bulk)
    } else if from.is_some_and(is_no_reply) {
        Some(Automatic::NoReply)
    } else {
        None
    }
}

/// Whether the mail was handed over with an empty return path, as reports are (RFC 5321 §4.5.5).
pub(super) fn has_null_return_path(headers: &Headers<'_>) -> bool {
    headers.raw("Return-Path").is_some_and(|path| path.split_ascii_whitespace().collect::<String>() == "<>")
}

/// Whether a mail server writes from this address.
pub(super) fn is_daemon(address: &EmailAddress) -> bool {
    let local = local_part(address);
    DAEMONS.contains(&local.as_str())
}

fn is_no_reply(address: &EmailAddress) -> bool {
    let local: String = local_part(address).chars().filter(|c| !matches!(c, '-' | '_' | '.')).collect();
    NO_REPLY.iter().any(|name| local.starts_with(name))
}

fn local_part(address: &EmailAddress) -> String {
    address.as_str().rsplit_once('@').map_or("", |(local, _)| local).to_ascii_lowercase()
}

/// `X-Auto-Response-Suppress` (MS-OXCMAIL §2.1.3.2.19) names kinds of answers that are not wanted.
fn suppresses_answers(headers: &Headers<'_>) -> bool {
    headers.raw("X-Auto-Response-Suppress").is_some_and(|value| {
        value.split([',', ';']).any(|kind| {
            let kind = kind.trim();
            ["all", "oof", "autoreply"].iter().any(|known| kind.eq_ignore_ascii_case(known))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(raw: &str) -> Option<Automatic> {
        let mail = Structure::read(raw.as_bytes());
        judge(&mail, mail.parts[0].headers.mailbox("From").map(|mailbox| mailbox.address).as_ref())
    }

    #[test]
    fn a_read_receipt_is_nobodys_answer() {
        let receipt = "From: jane@example.org\nContent-Type: multipart/report; boundary=b; \
                       report-type=disposition-notification\n\n--b\n\nYour message was read.\n--b\n\
                       Content-Type: message/disposition-notification\n\nDisposition: manual-action; displayed\n--b--\n";
        assert_eq!(judged(receipt), Some(Automatic::Receipt));
    }

    #[test]
    fn a_machine_is_told_from_a_person() {
        use Automatic::{Bulk, Generated, List, NoReply, Notice, Replied};
        for (header, expected) in [
            ("From: jane@example.com\n", None),
            ("Auto-Submitted: no\n", None),
            ("Auto-Submitted: NO (a person)\n", None),
            ("Auto-Submitted: auto-replied\n", Some(Replied)),
            ("Auto-Submitted: auto-replied (vacation); owner-email=a@b\n", Some(Replied)),
            ("auto-submitted: Auto-Generated; x=y\n", Some(Generated)),
            ("Auto-Submitted: auto-notified\n", Some(Generated)),
            ("X-Autoreply: yes\n", Some(Replied)),
            ("Precedence: auto_reply\n", Some(Replied)),
            ("Precedence: bulk\n", Some(Bulk)),
            ("Precedence: junk\n", Some(Bulk)),
            ("Precedence: list\n", Some(List)),
            ("Precedence: first-class\n", None),
            ("List-Id: Friends <friends.example.com>\n", Some(List)),
            ("X-Auto-Response-Suppress: DR, OOF, AutoReply\n", Some(Bulk)),
            ("X-Auto-Response-Suppress: All\n", Some(Bulk)),
            ("X-Auto-Response-Suppress: RN, NRN\n", None),
            ("Return-Path: <>\n", Some(Notice)),
            ("Return-Path: < >\n", Some(Notice)),
            ("Return-Path: <a@example.com>\n", None),
            ("From: MAILER-DAEMON@example.com\n", Some(Notice)),
            ("From: Postmaster <postmaster@example.com>\n", Some(Notice)),
            ("From: no-reply@example.com\n", Some(NoReply)),
            ("From: no.reply+x@example.com\n", Some(NoReply)),
            ("From: Do Not Reply <DoNotReply@example.com>\n", Some(NoReply)),
            ("From: norbert@example.com\n", None),
            ("From: bob@noreply.example\n", None),
            (
                "Auto-Submitted: auto-generated\nX-MS-Exchange-Generated-Message-Source: Mailbox Rules Agent\n\
                 In-Reply-To: <a@b>\n",
                Some(Replied),
            ),
        ] {
            assert_eq!(judged(header), expected, "{header}");
        }
    }
}
