//! An email identity as people write it: `Name <address>`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{AddressError, EmailAddress, MAX_INPUT_LEN, is_control_like};

/// Longest display name, in bytes.
const MAX_NAME_LEN: usize = 200;

/// An email sender's identity: an address with an optional display name, as in `Name <address>`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Parts")]
pub struct Mailbox {
    /// The display name, if any; without quotes or escapes.
    pub name: Option<String>,
    /// The address.
    pub address: EmailAddress,
}

/// A mailbox as stored, before its name is checked.
#[derive(Deserialize)]
struct Parts {
    name: Option<String>,
    address: EmailAddress,
}

impl TryFrom<Parts> for Mailbox {
    type Error = AddressError;
    fn try_from(parts: Parts) -> Result<Self, AddressError> {
        Self::new(parts.name.as_deref().unwrap_or_default(), parts.address)
    }
}

impl Mailbox {
    /// Joins a display name (empty for none; spaces around it are dropped) and an address.
    ///
    /// # Errors
    /// Refuses a name that is too long, or with control characters.
    pub fn new(name: &str, address: EmailAddress) -> Result<Self, AddressError> {
        let name = name.trim();
        if name.chars().any(is_control_like) {
            return Err(AddressError::ControlCharacter);
        }
        if name.len() > MAX_NAME_LEN {
            return Err(AddressError::TooLong);
        }
        Ok(Self { name: (!name.is_empty()).then(|| name.to_owned()), address })
    }

    /// Parses `address`, `<address>`, `Name <address>` or `"Quoted, name" <address>` (RFC 5322 §3.4; one
    /// mailbox, no comments, no groups).
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.len() > MAX_INPUT_LEN {
            return Err(AddressError::TooLong);
        }
        if text.chars().any(is_control_like) {
            return Err(AddressError::ControlCharacter);
        }
        let text = text.trim();
        match text.strip_suffix('>') {
            Some(text) => {
                let (name, address) = split_name(text)?;
                Self::new(&name, EmailAddress::parse(address.trim())?)
            }
            None => Ok(Self { name: None, address: EmailAddress::parse(text)? }),
        }
    }
}

/// The name before the opening bracket, its quotes and escapes resolved, and what follows the bracket.
fn split_name(text: &str) -> Result<(String, &str), AddressError> {
    let mut name = String::new();
    let mut rest = text.char_indices();
    while let Some((at, character)) = rest.next() {
        match character {
            '<' => return Ok((name, &text[at + 1..])),
            '"' => loop {
                match rest.next().ok_or(AddressError::BadDisplayName)?.1 {
                    '"' => break,
                    '\\' => name.push(rest.next().ok_or(AddressError::BadDisplayName)?.1),
                    quoted => name.push(quoted),
                }
            },
            // Outside of quotes these part one mailbox from the next: `a@example.com, B <b@example.com>`.
            '>' | ',' | ';' => return Err(AddressError::BadDisplayName),
            plain => name.push(plain),
        }
    }
    Err(AddressError::BadDisplayName)
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) if name.contains(['"', '\\', '<', '>', ',', ';', ':', '(', ')', '[', ']', '@']) => {
                let escaped = name.replace('\\', "\\\\").replace('"', "\\\"");
                write!(f, "\"{escaped}\" <{}>", self.address)
            }
            Some(name) => write!(f, "{name} <{}>", self.address),
            None => fmt::Display::fmt(&self.address, f),
        }
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mailbox(redacted)")
    }
}
