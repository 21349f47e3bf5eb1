//! Judges SMTP troubles: pure, by stage and reply (RFC 5321 §4.2, RFC 3463).
//!
//! A 5xx about a mail is that mail's own end. Whatever happens before a mail is spoken of (connecting,
//! TLS, EHLO, AUTH), and 421 and 4.7.x, speak of the relay: transient, and counted by the breaker. A
//! connection lost before the final dot left nothing behind; after it, nobody knows.

use lettre::transport::smtp::Error as SmtpError;

use crate::domain::verdict::{Failure, Verdict};
use crate::sender::scrub::{bounded, scrub};

/// Where in the dialogue something went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Resolving the name and opening the TCP connection.
    Connect,
    /// The TLS handshake.
    Tls,
    /// Greeting and EHLO.
    Hello,
    /// AUTH.
    Auth,
    /// MAIL FROM.
    Sender,
    /// RCPT TO.
    Recipient,
    /// DATA and the content.
    Content,
}

impl Stage {
    const fn words(self) -> &'static str {
        match self {
            Self::Connect => "connecting to the mail server",
            Self::Tls => "the TLS handshake with the mail server",
            Self::Hello => "greeting the mail server",
            Self::Auth => "signing in at the mail server",
            Self::Sender => "naming the sender to the mail server",
            Self::Recipient => "naming the recipient to the mail server",
            Self::Content => "sending the mail's content",
        }
    }
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The server said no.
    Refused {
        /// The reply code, 400–599.
        reply: u16,
        /// What it said, addresses included: not to be shown as it is.
        text: String,
    },
    /// The connection ended or broke, or the server spoke no SMTP.
    Lost(String),
    /// No answer in time.
    TimedOut,
    /// The TCP connection was refused.
    ConnectRefused,
    /// TLS did not come about: certificate, protocol, or not offered.
    Tls(String),
    /// The server does not offer what this mail or these settings need.
    Unsupported(&'static str),
}

impl From<SmtpError> for Trouble {
    fn from(error: SmtpError) -> Self {
        let text = || std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        match error.status() {
            Some(code) => Self::Refused { reply: u16::from(code), text: text() },
            None if error.is_tls() => Self::Tls(text()),
            None => Self::Lost(text()),
        }
    }
}

impl Trouble {
    /// Whether the server is about to close, or has closed: what an idle connection meets at its next use.
    #[must_use]
    pub const fn is_closing(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::TimedOut | Self::Refused { reply: 421, .. })
    }
}

/// The verdict over a trouble. `dotted`: the final dot may have reached the server. `known`: the addresses
/// of the mail, to be kept out of the detail.
pub fn judge(stage: Stage, trouble: &Trouble, dotted: bool, known: &[&str]) -> Verdict {
    let doing = stage.words();
    if let Trouble::Refused { reply, text } = trouble {
        return judge_refusal(stage, *reply, text, known);
    }
    let (code, detail) = match trouble {
        Trouble::Lost(why) if stage != Stage::Tls => {
            let why = scrub(why, known);
            ("smtp_connection_lost", format!("the connection ended while {doing}: {why}"))
        }
        Trouble::TimedOut if stage == Stage::Connect => {
            ("connect_timeout", format!("{doing} took too long: check host, port and firewall"))
        }
        Trouble::TimedOut => ("timeout", format!("no answer in time while {doing}")),
        Trouble::ConnectRefused => (
            "connect_refused",
            "the mail server does not listen there: check host and port in email.smtp.url".to_owned(),
        ),
        // What breaks in the handshake is about TLS, whatever it looks like from here.
        Trouble::Tls(why) | Trouble::Lost(why) => {
            let why = scrub(why, known);
            ("smtp_tls", format!("no encrypted connection to the mail server: {why}; check its certificate and `tls`"))
        }
        Trouble::Unsupported(what) => ("smtp_unsupported", format!("the mail server does not offer {what}")),
        Trouble::Refused { .. } => unreachable!("a refusal was judged above"),
    };
    let failure = Failure::provider(code, bounded(&detail));
    if dotted { Verdict::Unknown(failure) } else { Verdict::Transient(failure) }
}

fn judge_refusal(stage: Stage, reply: u16, text: &str, known: &[&str]) -> Verdict {
    let status = enhanced_status(reply, text);
    let said = scrub(text, known);
    let code = match status {
        Some(status) => format!("smtp_{status}"),
        None => format!("smtp_{reply}"),
    };
    let is_auth = stage == Stage::Auth
        || (stage == Stage::Sender && matches!(reply, 530 | 534 | 535 | 538))
        || matches!(status, Some("5.7.8" | "5.7.9" | "5.7.11"));
    if is_auth {
        let detail = format!("the mail server wants other credentials ({reply} {said}): check email.smtp.url");
        return Verdict::Transient(Failure::provider(code, bounded(&detail)));
    }
    let detail = bounded(&match stage {
        Stage::Sender => format!("the mail server refused the sender: {reply} {said}"),
        Stage::Recipient => format!("the mail server refused the recipient: {reply} {said}"),
        Stage::Content => format!("the mail server refused the mail: {reply} {said}"),
        Stage::Connect | Stage::Tls | Stage::Hello | Stage::Auth => {
            format!("the mail server refuses to work with us: {reply} {said}")
        }
    });
    let before_mail = matches!(stage, Stage::Connect | Stage::Tls | Stage::Hello);
    if before_mail || reply == 421 || (reply < 500 && status.is_some_and(|status| status.starts_with("4.7."))) {
        Verdict::Transient(Failure::provider(code, detail))
    } else if reply < 500 {
        Verdict::Transient(Failure::message(code, detail))
    } else {
        Verdict::Permanent(Failure::message(code, detail))
    }
}

/// The RFC 3463 status at the start of a reply's text, if it agrees with the reply's class.
fn enhanced_status(reply: u16, text: &str) -> Option<&str> {
    let word = text.split([' ', '\r', '\n']).next()?;
    let mut parts = word.split('.');
    let class = parts.next()?.parse::<u16>().ok()?;
    let is_number = |part: Option<&str>| {
        part.is_some_and(|part| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit()))
    };
    (class == reply / 100 && is_number(parts.next()) && is_number(parts.next()) && parts.next().is_none())
        .then_some(word)
}

/// The relay's own name for a mail it took, as common servers put it into their answer.
#[must_use]
pub fn queue_id(answer: &str) -> Option<String> {
    let after = |mark: &str| answer.split_once(mark).map(|(_, rest)| rest);
    let id: String = after("queued as ")
        .or_else(|| after(" id="))?
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        .take(64)
        .collect();
    (!id.is_empty()).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::verdict::FailureScope;

    fn refusal(stage: Stage, reply: u16, text: &str) -> Verdict {
        judge(stage, &Trouble::Refused { reply, text: text.into() }, false, &["jane@example.org"])
    }

    #[test]
    fn replies_become_verdicts() {
        use FailureScope::{Message, Provider};
        for (stage, reply, text, permanent, scope, code) in [
            (Stage::Recipient, 550, "5.1.1 no such user", true, Message, "smtp_5.1.1"),
            (Stage::Recipient, 550, "no such user", true, Message, "smtp_550"),
            (Stage::Recipient, 450, "4.2.1 try later", false, Message, "smtp_4.2.1"),
            (Stage::Recipient, 451, "4.7.1 greylisted", false, Provider, "smtp_4.7.1"),
            (Stage::Recipient, 452, "4.2.2 mailbox full", false, Message, "smtp_4.2.2"),
            (Stage::Recipient, 421, "4.3.2 shutting down", false, Provider, "smtp_4.3.2"),
            (Stage::Content, 421, "bye", false, Provider, "smtp_421"),
            (Stage::Content, 554, "5.7.1 looks like spam", true, Message, "smtp_5.7.1"),
            (Stage::Content, 550, "4.1.1 mismatched class", true, Message, "smtp_550"),
            (Stage::Sender, 530, "5.7.0 authentication required", false, Provider, "smtp_5.7.0"),
            (Stage::Sender, 550, "5.7.1 not your address", true, Message, "smtp_5.7.1"),
            (Stage::Auth, 535, "5.7.8 wrong password", false, Provider, "smtp_5.7.8"),
            (Stage::Hello, 554, "no service here", false, Provider, "smtp_554"),
        ] {
            let verdict = refusal(stage, reply, text);
            assert_eq!(matches!(verdict, Verdict::Permanent(_)), permanent, "{reply} {text}");
            let failure = verdict.failure().unwrap();
            assert_eq!((failure.scope, failure.code.as_str()), (scope, code), "{reply} {text}");
        }
    }

    #[test]
    fn only_the_final_dot_makes_a_lost_connection_unknown() {
        for trouble in [Trouble::Lost("reset".into()), Trouble::TimedOut] {
            assert!(matches!(judge(Stage::Content, &trouble, false, &[]), Verdict::Transient(_)));
            assert!(matches!(judge(Stage::Content, &trouble, true, &[]), Verdict::Unknown(_)));
        }
    }

    #[test]
    fn a_detail_is_bounded_and_names_nobody() {
        let text = format!("5.1.1 <jane@example.org>: user jane unknown{}", " and so on".repeat(100));
        let verdict = refusal(Stage::Recipient, 550, &text);
        let detail = &verdict.failure().unwrap().detail;
        assert!(!detail.contains("jane") && !detail.contains('@'), "{detail}");
        assert!(detail.chars().count() <= 200, "{detail}");
    }

    #[test]
    fn a_queue_id_is_found_where_servers_put_it() {
        assert_eq!(queue_id("2.0.0 Ok: queued as 4F9D195432C").as_deref(), Some("4F9D195432C"));
        assert_eq!(queue_id("OK id=1rXyZ-0001-AB").as_deref(), Some("1rXyZ-0001-AB"));
        assert_eq!(queue_id("250 fine"), None);
    }
}
