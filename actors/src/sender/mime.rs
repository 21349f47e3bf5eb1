//! Builds the email of an envelope: the same envelope gives the same bytes, for every attempt.
//!
//! Identity and dates come from the envelope, and the boundaries from a hash over message and content: no
//! text can contain the boundary it is wrapped in, and a second hand-over repeats the first one's bytes.
//! Everything leaves as 7-bit text (RFC 2047 headers, quoted-printable or base64 bodies), so no relay
//! needs 8BITMIME and no signature breaks on the way. Only a non-ASCII local part needs SMTPUTF8.
//!
//! No value can add a header: control characters are replaced in free text, ids that are no ids are left
//! out, addresses and URLs were parsed before.

use std::time::{Duration, SystemTime};

use lettre::message::header::{ContentType, HeaderName, HeaderValue, InReplyTo, References};
use lettre::message::{Attachment as MimeAttachment, Mailbox, Message, MultiPart, SinglePart};
use sha2::{Digest, Sha256};
use url::Url;

use super::transport::Envelope;
use crate::domain::address::{Address, EmailAddress};
use crate::domain::clock::UnixMs;
use crate::domain::directory::SenderAddress;
use crate::domain::threading::{self, MailId};

/// Longest unsubscribe address (a line has 998 octets).
const MAX_LINE: usize = 900;

/// An email, ready for SMTP.
#[derive(Clone)]
pub struct Mail {
    /// The envelope sender.
    pub from: lettre::Address,
    /// The envelope recipient.
    pub to: lettre::Address,
    /// Headers, empty line, body; lines end in CRLF.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mail").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

/// Why no email can be built from an envelope. Trying again gives the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MimeError {
    /// Sender or recipient is not an email address.
    #[error("sender and recipient must be email addresses")]
    NotEmail,
    /// An address that the mail library does not take.
    #[error("cannot write the address into a header: check sender and recipient")]
    Address,
    /// The unsubscribe address does not fit a header line.
    #[error("the unsubscribe address is longer than a header line: shorten server.public_url")]
    UnsubscribeTooLong,
    /// The parts do not make a message.
    #[error("cannot build the email from its parts: check subject and addresses")]
    Parts,
}

/// Builds the email of an envelope.
///
/// # Errors
/// Says what cannot be written; the envelope will never become an email.
pub fn build(envelope: &Envelope) -> Result<Mail, MimeError> {
    let (SenderAddress::Email(sender), Address::Email(recipient)) = (&envelope.from, &envelope.to) else {
        return Err(MimeError::NotEmail);
    };
    let from = smtp_address(&sender.address)?;
    let to = smtp_address(recipient)?;
    let id = format!("<{}@{}>", envelope.identity, from.domain());

    let mut builder = Message::builder()
        .from(Mailbox::new(sender.name.as_deref().map(one_line), from.clone()))
        .to(Mailbox::new(None, to.clone()))
        .subject(one_line(envelope.content.subject.as_deref().unwrap_or_default()))
        .message_id(Some(id))
        .date(system_time(envelope.date));
    if let Some(parent) = envelope.in_reply_to.as_deref().and_then(|id| MailId::parse(id).ok()) {
        builder = builder.header(InReplyTo::from(parent.to_string()));
    }
    if let Some(reply_to) = &envelope.reply_to {
        builder = builder.reply_to(Mailbox::new(None, smtp_address(reply_to)?));
    }
    let thread = threading::References::read(envelope.references.iter().map(String::as_str));
    if !thread.is_empty() {
        builder = builder.header(References::from(thread.to_string()));
    }
    if let Some(url) = &envelope.list_unsubscribe {
        builder = builder.raw_header(raw_header("List-Unsubscribe", angle_bracketed(url)?));
        // RFC 8058: one click is an HTTP POST; a `mailto:` cannot take it.
        if matches!(url.scheme(), "https" | "http") {
            builder = builder.raw_header(raw_header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()));
        }
    }

    let message = with_body(builder, envelope).map_err(|_| MimeError::Parts)?;
    Ok(Mail { from, to, bytes: message.formatted() })
}

fn with_body(builder: lettre::message::MessageBuilder, envelope: &Envelope) -> Result<Message, lettre::error::Error> {
    let content = &envelope.content;
    let boundary = boundary(envelope);
    let text = SinglePart::plain(lines(content.text.as_deref().unwrap_or_default()));
    let html = content.html.as_deref().map(|html| SinglePart::html(lines(html)));
    let alternatives =
        |text, html| MultiPart::alternative().boundary(format!("{boundary}_a")).singlepart(text).singlepart(html);
    if envelope.attachments.is_empty() {
        return match (content.text.is_some(), html) {
            (true, Some(html)) => builder.multipart(alternatives(text, html)),
            (false, Some(html)) => builder.singlepart(html),
            (_, None) => builder.singlepart(text),
        };
    }
    let mixed = MultiPart::mixed().boundary(format!("{boundary}_m"));
    let mut mixed = match (content.text.is_some(), html) {
        (true, Some(html)) => mixed.multipart(alternatives(text, html)),
        (false, Some(html)) => mixed.singlepart(html),
        (_, None) => mixed.singlepart(text),
    };
    for (attachment, bytes) in &envelope.attachments {
        let content_type = ContentType::parse(&one_line(&attachment.content_type))
            .or_else(|_| ContentType::parse("application/octet-stream"))
            .expect("the fallback is a content type");
        let body = lettre::message::Body::new_with_encoding(
            bytes.to_vec(),
            lettre::message::header::ContentTransferEncoding::Base64,
        )
        .expect("any bytes can be encoded as base64");
        mixed = mixed.singlepart(MimeAttachment::new(file_name(&attachment.filename)).body(body, content_type));
    }
    builder.multipart(mixed)
}

/// The address as SMTP carries it: an internationalised domain as its ASCII form (RFC 5890).
fn smtp_address(address: &EmailAddress) -> Result<lettre::Address, MimeError> {
    let text = address.as_str();
    let (local, domain) = text.rsplit_once('@').ok_or(MimeError::Address)?;
    if domain.is_ascii() {
        return lettre::Address::new(local, domain).map_err(|_| MimeError::Address);
    }
    match url::Host::parse(domain) {
        Ok(url::Host::Domain(ascii)) => lettre::Address::new(local, ascii).map_err(|_| MimeError::Address),
        _ => Err(MimeError::Address),
    }
}

fn system_time(at: UnixMs) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(at.0).unwrap_or(0).min(UnixMs::MAX.0 as u64))
}

/// Unique to the message and its content, and unknown to whoever wrote the content.
fn boundary(envelope: &Envelope) -> String {
    let content = &envelope.content;
    let mut hash = Sha256::new();
    hash.update(envelope.identity.as_bytes());
    for part in [&content.subject, &content.text, &content.html].into_iter().flatten() {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    // `=_` cannot occur in quoted-printable or base64 text (RFC 2045 §6.7).
    format!("=_{}", hex::encode(&hash.finalize()[..16]))
}

fn raw_header(name: &'static str, value: String) -> HeaderValue {
    HeaderValue::dangerous_new_pre_encoded(HeaderName::new_from_ascii_str(name), value.clone(), value)
}

/// A URL between angle brackets. An opaque URL (`mailto:`) may hold `>`, space or non-ASCII: escaped here.
fn angle_bracketed(url: &Url) -> Result<String, MimeError> {
    let mut text = String::from("<");
    for byte in url.as_str().bytes() {
        match byte {
            b'<' | b'>' | b' ' | 0..=0x1f | 0x7f..=0xff => text.push_str(&format!("%{byte:02X}")),
            _ => text.push(char::from(byte)),
        }
    }
    text.push('>');
    if text.len() > MAX_LINE { Err(MimeError::UnsubscribeTooLong) } else { Ok(text) }
}

/// Free text for a header: control characters become spaces.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Body text with one kind of line ending, for the mail library to turn into CRLF.
fn lines(text: &str) -> String {
    if text.contains(['\r', '\0']) {
        text.replace("\r\n", "\n").replace('\r', "\n").replace('\0', "")
    } else {
        text.to_owned()
    }
}

/// A file name that is only a name: no path, no quotes or control characters for a client to trip over.
fn file_name(name: &str) -> String {
    let name: String =
        name.chars().map(|c| if c.is_control() || matches!(c, '/' | '\\' | '"') { '_' } else { c }).take(200).collect();
    if name.trim().is_empty() { "attachment".to_owned() } else { name }
}

#[cfg(test)]
mod tests;
