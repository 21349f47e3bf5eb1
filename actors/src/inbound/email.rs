//! A mail from raw bytes to what a conversation needs: who wrote what to whom, in answer to what, and whether it
//! was a person.
//!
//! Everything here is owned, bounded and safe to show as it stands, but nothing is proven: any header field may be
//! forged. What a mail may do is decided by whoever knows what was sent: a reply token by its signature, a report by
//! the message id that it names.

use std::fmt;

use super::arf::{self, Complaint};
use super::automatic::{self, Automatic};
use super::body::{Attachment, Body};
use super::dsn::{self, DeliveryReport};
use super::html::SafeHtml;
use super::limits::{MAX_RAW_BYTES, MAX_REPLY_TOKENS, MAX_SUBJECT};
use super::structure::Structure;
use crate::domain::address::{EmailAddress, Mailbox};
use crate::domain::clock::UnixMs;

/// What the local part of an address begins with that carries a reply token: `reply+TOKEN@domain`.
const REPLY_PREFIX: &str = "reply+";

/// Why a mail is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InboundError {
    /// Nothing but blanks.
    #[error("the mail is empty: send the complete message with its header")]
    Empty,
    /// Larger than is taken.
    #[error("the mail has {bytes} bytes, more than the {max} that are taken: send attachments in another way")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The bound.
        max: usize,
    },
    /// No header field at all: not a mail.
    #[error("the mail has no header: send the raw message (message/rfc822), not its text alone")]
    NoHeader,
}

/// What a mail is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A message; [`InboundEmail::automatic`] says whether a person wrote it.
    Message,
    /// What became of a mail of ours.
    DeliveryReport(DeliveryReport),
    /// Somebody took a mail of ours for spam.
    Complaint(Complaint),
}

/// A mail that came in.
#[derive(Clone, PartialEq, Eq)]
pub struct InboundEmail {
    /// Its id with brackets, if it has one.
    pub message_id: Option<String>,
    /// Ids of what it answers, with brackets. Usually one.
    pub in_reply_to: Vec<String>,
    /// Ids of its thread, oldest first: the first and the newest of a long list.
    pub references: Vec<String>,
    /// Its author, if the field holds an address that could be answered.
    pub from: Option<Mailbox>,
    /// Where answers shall go (`Reply-To`); empty for the author.
    pub reply_to: Vec<EmailAddress>,
    /// `To`.
    pub to: Vec<EmailAddress>,
    /// `Cc`.
    pub cc: Vec<EmailAddress>,
    /// Whom the mail servers on the way took it for (`Delivered-To`, `X-Original-To`, `Envelope-To`): also told of a
    /// blind copy.
    pub delivered_to: Vec<EmailAddress>,
    /// What stands behind `reply+` in recipients, each once, as written. Whether we made them is not known here.
    pub reply_tokens: Vec<String>,
    /// One line; empty if there is none.
    pub subject: String,
    /// When its author's clock said it was written.
    pub date: Option<UnixMs>,
    /// Its text, of all text parts or made from the HTML; lines end in `\n`.
    pub text: Option<String>,
    /// Its HTML, sanitised.
    pub html: Option<SafeHtml>,
    /// What came with it.
    pub attachments: Vec<Attachment>,
    /// Why no person wrote it, if none did.
    pub automatic: Option<Automatic>,
    /// What it is.
    pub kind: Kind,
    /// Something lay beyond a bound and is missing here.
    pub is_cut: bool,
}

impl InboundEmail {
    /// Reads a raw mail (RFC 5322, MIME) of at most [`MAX_RAW_BYTES`].
    ///
    /// # Errors
    /// Refuses what is too large or no mail. A broken mail is read as far as it is readable.
    pub fn parse(raw: &[u8]) -> Result<Self, InboundError> {
        Self::parse_within(raw, MAX_RAW_BYTES)
    }

    /// As [`Self::parse`], with another bound on the size.
    ///
    /// # Errors
    /// Refuses what is too large or no mail.
    pub fn parse_within(raw: &[u8], max_bytes: usize) -> Result<Self, InboundError> {
        if raw.len() > max_bytes {
            return Err(InboundError::TooLarge { bytes: raw.len(), max: max_bytes });
        }
        if raw.trim_ascii().is_empty() {
            return Err(InboundError::Empty);
        }
        let mail = Structure::read(raw);
        let headers = &mail.parts[0].headers;
        if headers.is_empty() {
            return Err(InboundError::NoHeader);
        }
        let from = headers.mailbox("From").or_else(|| headers.mailbox("Sender"));
        let to = headers.addresses(&["To", "Resent-To"]);
        let cc = headers.addresses(&["Cc", "Resent-Cc"]);
        let delivered_to =
            headers.addresses(&["Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "X-Forwarded-To"]);
        let body = Body::of(&mail);
        let author = from.as_ref().map(|from| &from.address);
        Ok(Self {
            message_id: headers.ids("Message-ID").into_iter().next(),
            in_reply_to: headers.ids("In-Reply-To"),
            references: headers.ids("References"),
            reply_to: headers.addresses(&["Reply-To"]),
            reply_tokens: reply_tokens([&delivered_to, &to, &cc]),
            subject: headers.text("Subject", MAX_SUBJECT).unwrap_or_default(),
            date: headers.date("Date"),
            automatic: automatic::judge(&mail, author),
            kind: kind(&mail, author, body.text.as_deref().unwrap_or_default()),
            text: body.text,
            html: body.html,
            attachments: body.attachments,
            is_cut: mail.is_cut || body.is_cut,
            from,
            to,
            cc,
            delivered_to,
        })
    }

    /// Whether no person wrote it: not to be answered automatically, and nobody's reply.
    #[must_use]
    pub const fn is_automatic(&self) -> bool {
        self.automatic.is_some() || !matches!(self.kind, Kind::Message)
    }

    /// Every address that it came to, the surest first; one address may stand there twice.
    pub fn recipients(&self) -> impl Iterator<Item = &EmailAddress> {
        self.delivered_to.iter().chain(&self.to).chain(&self.cc)
    }
}

impl fmt::Debug for InboundEmail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboundEmail")
            .field("automatic", &self.automatic)
            .field("kind", &self.kind)
            .field("attachments", &self.attachments)
            .field("is_cut", &self.is_cut)
            .finish_non_exhaustive()
    }
}

fn kind(mail: &Structure<'_>, author: Option<&EmailAddress>, text: &str) -> Kind {
    if let Some(complaint) = arf::read(mail) {
        Kind::Complaint(complaint)
    } else if let Some(report) = dsn::read(mail, author, text) {
        Kind::DeliveryReport(report)
    } else {
        Kind::Message
    }
}

fn reply_tokens(recipients: [&Vec<EmailAddress>; 3]) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    for address in recipients.into_iter().flatten() {
        let local = address.as_str().rsplit_once('@').map_or("", |(local, _)| local);
        let Some((prefix, token)) = local.split_at_checked(REPLY_PREFIX.len()) else { continue };
        let is_new = !tokens.iter().any(|known| known.eq_ignore_ascii_case(token));
        if prefix.eq_ignore_ascii_case(REPLY_PREFIX) && !token.is_empty() && is_new && tokens.len() < MAX_REPLY_TOKENS {
            tokens.push(token.to_owned());
        }
    }
    tokens
}

#[cfg(test)]
mod tests;
