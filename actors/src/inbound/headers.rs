//! Header fields (RFC 5322 §2.2), found in one pass over the bytes and parsed one by one when they are asked for.
//!
//! The values are parsed by `mail-parser`, of which nothing else is used: the structure of a mail is read in
//! [`super::structure`]. Bytes beyond ASCII are taken as UTF-8 (RFC 6532) or else as Windows-1252.

use chrono::DateTime;
use mail_parser::parsers::MessageStream;
use mail_parser::{Addr, Address, ContentType, HeaderValue};

use super::charset::{guess, one_line};
use super::limits::{MAX_ADDRESSES, MAX_FIELD_BYTES, MAX_FIELD_NAME, MAX_FIELDS, MAX_MESSAGE_ID, MAX_REFERENCES};
use crate::domain::address::{EmailAddress, Mailbox};
use crate::domain::clock::UnixMs;

/// The header fields of a message, a part, or a group of a report.
#[derive(Debug, Default)]
pub(super) struct Headers<'x> {
    fields: Vec<(&'x [u8], &'x [u8])>,
    /// Some fields were passed over: there were too many.
    pub(super) is_cut: bool,
}

impl<'x> Headers<'x> {
    /// Reads fields up to an empty line, or up to a line that is no field: a body whose empty line got lost. Also
    /// gives how many bytes they take, with the empty line.
    pub(super) fn read(bytes: &'x [u8]) -> (Self, usize) {
        let mut headers = Self::default();
        let mut at = 0;
        while at < bytes.len() {
            let line = line_at(bytes, at);
            if is_blank(line) {
                return (headers, at + line.len());
            }
            let Some(name) = field_name(line) else { return (headers, at) };
            let value_at = at + name.len() + 1;
            at += line.len();
            while at < bytes.len() && matches!(bytes[at], b' ' | b'\t') {
                at += line_at(bytes, at).len();
            }
            if headers.fields.len() < MAX_FIELDS {
                headers.fields.push((name.trim_ascii_end(), &bytes[value_at..at]));
            } else {
                headers.is_cut = true;
            }
        }
        (headers, at)
    }

    /// Whether there is no field at all.
    pub(super) const fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Whether there is a field of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    fn all<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'x [u8]> + 'h {
        let is_named = move |field: &&(&[u8], &[u8])| field.0.eq_ignore_ascii_case(name.as_bytes());
        self.fields.iter().filter(is_named).map(|(_, value)| *value)
    }

    /// The first such field's value as it stands, unfolded.
    pub(super) fn raw(&self, name: &str) -> Option<String> {
        self.raws(name).next()
    }

    /// The values of all such fields as they stand, unfolded.
    pub(super) fn raws<'h>(&'h self, name: &'h str) -> impl Iterator<Item = String> + 'h {
        self.all(name).map(|value| one_line(&readable(value), MAX_FIELD_BYTES))
    }

    /// The first such field as text for people, its encoded words (RFC 2047) decoded.
    pub(super) fn text(&self, name: &str, max_bytes: usize) -> Option<String> {
        let value = readable(self.all(name).next()?);
        let parsed = MessageStream::new(value.as_bytes()).parse_unstructured();
        let text = match &parsed {
            HeaderValue::Text(text) => text,
            _ => "",
        };
        Some(one_line(text, max_bytes)).filter(|text| !text.is_empty())
    }

    /// The addresses of all such fields, as far as they are addresses; each once.
    pub(super) fn addresses(&self, names: &[&str]) -> Vec<EmailAddress> {
        let mut found = Vec::new();
        for value in names.iter().flat_map(|name| self.all(name)) {
            each_address(value, |address| {
                let parsed = address.address.as_deref().and_then(|text| EmailAddress::parse(text.trim()).ok());
                if let Some(parsed) = parsed.filter(|parsed| !found.contains(parsed)) {
                    found.push(parsed);
                }
                found.len() < MAX_ADDRESSES
            });
        }
        found
    }

    /// The first address of the first such field, with its display name.
    pub(super) fn mailbox(&self, name: &str) -> Option<Mailbox> {
        let mut found = None;
        each_address(self.all(name).next()?, |address| {
            found = address.address.as_deref().and_then(|text| EmailAddress::parse(text.trim()).ok()).map(|parsed| {
                let name = one_line(address.name.as_deref().unwrap_or_default(), 200);
                Mailbox::new(&name, parsed.clone()).unwrap_or(Mailbox { name: None, address: parsed })
            });
            found.is_none()
        });
        found
    }

    /// The message ids of all such fields, with their brackets: the first, and the newest of the rest.
    pub(super) fn ids(&self, name: &str) -> Vec<String> {
        let mut ids = Vec::new();
        for value in self.all(name) {
            each_id(value, |id| {
                if ids.last() != Some(&id) {
                    ids.push(id);
                }
                // Forgotten from behind the first, some at once: moving them up one by one would be slow.
                if ids.len() >= 4 * MAX_REFERENCES {
                    ids.drain(1..=ids.len() - MAX_REFERENCES);
                }
            });
        }
        let surplus = ids.len().saturating_sub(MAX_REFERENCES);
        if surplus > 0 {
            ids.drain(1..=surplus);
        }
        ids
    }

    /// A media type or disposition with its parameters (RFC 2045 §5.1, RFC 2183, RFC 2231).
    pub(super) fn content_type(&self, name: &str) -> Option<ContentType<'static>> {
        let value = readable(self.all(name).next()?);
        match MessageStream::new(value.as_bytes()).parse_content_type().into_owned() {
            HeaderValue::ContentType(parsed) => Some(parsed),
            _ => None,
        }
    }

    /// The instant of the first such field, if it is one from the years 1970 to 9999.
    pub(super) fn date(&self, name: &str) -> Option<UnixMs> {
        let value = readable(self.all(name).next()?);
        let seconds = match DateTime::parse_from_rfc2822(value.trim()) {
            Ok(date) => date.timestamp(),
            // What is no proper date may still be readable.
            Err(_) => match MessageStream::new(value.as_bytes()).parse_date() {
                HeaderValue::DateTime(date) if date.is_valid() => date.to_timestamp(),
                _ => return None,
            },
        };
        let at = UnixMs(seconds.checked_mul(1_000)?);
        (UnixMs(0)..=UnixMs::MAX).contains(&at).then_some(at)
    }
}

/// The line that begins here, with its end.
pub(super) fn line_at(bytes: &[u8], at: usize) -> &[u8] {
    let rest = &bytes[at..];
    rest.iter().position(|byte| *byte == b'\n').map_or(rest, |end| &rest[..=end])
}

fn is_blank(line: &[u8]) -> bool {
    matches!(line, b"\n" | b"\r\n" | b"\r" | b"")
}

/// The name of the field that this line begins. `--` begins a boundary.
fn field_name(line: &[u8]) -> Option<&[u8]> {
    let end = line.iter().take(MAX_FIELD_NAME + 1).position(|byte| *byte == b':')?;
    let name = line[..end].trim_ascii_end();
    let is_name = !name.is_empty() && name.iter().all(u8::is_ascii_graphic) && !name.starts_with(b"--");
    is_name.then_some(&line[..end])
}

/// A field's value as text that ends in a line break, as the parsers want it.
fn readable(value: &[u8]) -> String {
    let mut text = guess(&value[..value.len().min(MAX_FIELD_BYTES)]);
    text.retain(|c| c != '\0');
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// Gives every address of a list and its groups, as long as more are wanted.
fn each_address(value: &[u8], mut wants_more: impl FnMut(&Addr<'_>) -> bool) {
    let value = separated(&readable(value));
    if let HeaderValue::Address(parsed) = MessageStream::new(value.as_bytes()).parse_address() {
        let list = match &parsed {
            Address::List(list) => list.iter().collect::<Vec<_>>(),
            Address::Group(groups) => groups.iter().flat_map(|group| &group.addresses).collect(),
        };
        for address in list {
            if !wants_more(address) {
                return;
            }
        }
    }
}

/// An address list with the commas that its author forgot: the parser makes one address of two that only a blank
/// stands between. What is quoted or a comment stays as it is, and `ann@x <ann@x>` is one, with a name.
fn separated(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let (mut is_quoted, mut is_bracketed, mut is_escaped, mut comments) = (false, false, false, 0_usize);
    // What the token before was: an address in brackets, or one without.
    let (mut after_bracket, mut after_bare) = (false, false);
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        let begins = matches!(before, ',' | ';' | ':' | '>' | ')') || before.is_whitespace() || matches!(c, '<' | '"');
        if is_escaped {
            is_escaped = false;
        } else if is_quoted || comments > 0 {
            match c {
                '\\' => is_escaped = true,
                '"' if is_quoted => is_quoted = false,
                '(' if !is_quoted => comments += 1,
                ')' if !is_quoted => comments -= 1,
                _ => {}
            }
        } else if is_bracketed {
            (is_bracketed, after_bracket) = (c != '>', c == '>');
        } else if matches!(c, ',' | ';' | ':') {
            (after_bracket, after_bare) = (false, false);
        } else if c == '(' {
            comments = 1;
        } else if begins && !c.is_whitespace() {
            let token = text[at..].split(|c: char| c.is_whitespace() || ",;:()<>\"".contains(c)).next();
            let is_bare = token.is_some_and(|token| token.contains('@') && !token.starts_with('@'));
            if after_bracket || (after_bare && is_bare) {
                out.push(',');
            }
            (after_bracket, after_bare) = (false, is_bare);
            (is_bracketed, is_quoted) = (c == '<', c == '"');
        }
        out.push(c);
        before = c;
    }
    out
}

/// Gives every message id in a value, with its brackets. One without them is taken too, if it stands alone.
fn each_id(value: &[u8], mut found: impl FnMut(String)) {
    let mut rest = value;
    let mut has_brackets = false;
    while let Some(start) = rest.iter().position(|byte| *byte == b'<') {
        has_brackets = true;
        rest = &rest[start + 1..];
        let Some(end) = rest.iter().position(|byte| matches!(byte, b'>' | b'<')) else { break };
        if rest[end] == b'>'
            && let Some(id) = message_id(&rest[..end])
        {
            found(id);
        }
        rest = &rest[end..];
    }
    if !has_brackets && let Some(id) = message_id(value) {
        found(id);
    }
}

/// A message id in brackets, if this is what stands between them (blanks of a folded line are dropped).
fn message_id(inner: &[u8]) -> Option<String> {
    // A folded id has a line break and a blank more.
    if inner.len() > MAX_MESSAGE_ID + 8 {
        return None;
    }
    let inner: String = std::str::from_utf8(inner).ok()?.split_ascii_whitespace().collect();
    let is_id = inner.contains('@') && inner.len() + 2 <= MAX_MESSAGE_ID && !inner.chars().any(char::is_control);
    is_id.then(|| format!("<{inner}>"))
}

#[cfg(test)]
mod tests;
