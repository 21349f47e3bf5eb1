//! `Message-ID`s of other people's and our own mails, and the bounded chains of them that thread headers carry.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest id that is kept, in bytes, without its brackets. Those in use have fewer than a hundred.
pub const MAX_ID_LEN: usize = 250;
/// Ids kept in a chain: the first, and the newest of the rest.
pub const MAX_REFERENCES: usize = 20;
/// Longest chain as a header's value: with the header's name, and two octets more wherever it is folded, it stays
/// within the 998 octets of a line (RFC 5322 §2.1.1), for whoever unfolds it.
pub const MAX_REFERENCES_LEN: usize = 998 - "References: ".len() - 2 * MAX_REFERENCES;

/// Why a text is not kept as a `Message-ID`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a Message-ID that can be repeated in a header: expected `<id>` of up to {MAX_ID_LEN} visible ASCII characters"
)]
pub struct MailIdError;

/// The `Message-ID` of an email (RFC 5322 §3.6.4), without its brackets.
///
/// Opaque, and compared as written. It has visible ASCII characters only, no bracket among them, so that it cannot
/// add to a header. An `@` is not asked for: there are programs that leave it out, and what answers them must
/// repeat what they wrote.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MailId(String);

impl MailId {
    /// Reads an id, with or without its brackets and the spaces around them.
    ///
    /// # Errors
    /// Refuses what is empty, too long, or could not be repeated in a header.
    pub fn parse(text: &str) -> Result<Self, MailIdError> {
        let text = text.trim_matches([' ', '\t', '\r', '\n']);
        let id = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(text);
        let is_kept = (1..=MAX_ID_LEN).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>'));
        if is_kept { Ok(Self(id.to_owned())) } else { Err(MailIdError) }
    }

    /// The id without its brackets.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for MailId {
    type Error = MailIdError;
    fn try_from(text: String) -> Result<Self, MailIdError> {
        Self::parse(&text)
    }
}

impl From<MailId> for String {
    fn from(id: MailId) -> Self {
        id.0
    }
}

/// As a header has it: in brackets.
impl fmt::Display for MailId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.0)
    }
}

/// An id may hold an address.
impl fmt::Debug for MailId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MailId(redacted)")
    }
}

/// A chain of ids, oldest first, each once: what a `References` header says.
///
/// Never more than [`MAX_REFERENCES`] ids or [`MAX_REFERENCES_LEN`] bytes: the first is kept, which names the
/// conversation, and of the others the newest, which say where in it a mail stands. The gap may be anywhere between.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<MailId>")]
pub struct References(Vec<MailId>);

impl References {
    /// The chain of what can be read as ids; everything else is left out.
    #[must_use]
    pub fn read<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        texts.into_iter().filter_map(|text| MailId::parse(text).ok()).collect()
    }

    /// Adds the newest id. One that is in the chain already is moved to its end.
    pub fn push(&mut self, id: MailId) {
        self.0.retain(|other| *other != id);
        self.0.push(id);
        while self.0.len() > MAX_REFERENCES || self.header_len() > MAX_REFERENCES_LEN {
            // Two of the longest always fit, so that neither the first nor the newest goes.
            self.0.remove(1);
        }
    }

    /// The ids, oldest first.
    #[must_use]
    pub fn as_slice(&self) -> &[MailId] {
        &self.0
    }

    /// The newest id.
    #[must_use]
    pub fn last(&self) -> Option<&MailId> {
        self.0.last()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an id is in the chain.
    #[must_use]
    pub fn contains(&self, id: &MailId) -> bool {
        self.0.contains(id)
    }

    /// Bytes of the chain as a header's value: each id has its brackets, and a space before the next.
    fn header_len(&self) -> usize {
        self.0.iter().map(|id| id.0.len() + 3).sum::<usize>().saturating_sub(1)
    }
}

impl FromIterator<MailId> for References {
    fn from_iter<T: IntoIterator<Item = MailId>>(ids: T) -> Self {
        let mut chain = Self::default();
        for id in ids {
            if !chain.contains(&id) {
                chain.push(id);
            }
        }
        chain
    }
}

impl From<Vec<MailId>> for References {
    fn from(ids: Vec<MailId>) -> Self {
        ids.into_iter().collect()
    }
}

/// As a header has it: in brackets, with spaces between.
impl fmt::Display for References {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, id) in self.0.iter().enumerate() {
            let space = if at == 0 { "" } else { " " };
            write!(f, "{space}{id}")?;
        }
        Ok(())
    }
}
