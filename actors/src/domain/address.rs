//! Where messages go and come from: E.164 phone numbers and email addresses, parsed once.
//!
//! Past these types no `String` means an address. `Debug` shows only the kind: an address is personal
//! data and does not belong into logs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest email address (RFC 5321 §4.5.3.1.3: a path of 256 octets with its angle brackets).
const MAX_EMAIL_LEN: usize = 254;
/// Longest local part (RFC 5321 §4.5.3.1.1).
const MAX_LOCAL_PART_LEN: usize = 64;

/// Why a text is not an address that we can send to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing there.
    #[error("the address is empty")]
    Empty,
    /// Longer than the protocol carries.
    #[error("the address is too long")]
    TooLong,
    /// Contains CR, LF, NUL or another control character: a header injection.
    #[error("the address contains a control character")]
    ControlCharacter,
    /// Not `local@domain`.
    #[error("not an email address: expected `name@domain`")]
    NotAnEmail,
    /// Not `+` and digits.
    #[error("not a phone number in E.164 form: expected `+`, country code and number, digits only")]
    NotE164,
    /// The numbering plan of the country has no such number.
    #[error("no such phone number in its country's numbering plan")]
    InvalidNumber,
}

/// An email address, without a display name. Compared and hashed as written, with its domain in lowercase.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress(String);

impl EmailAddress {
    /// Parses an address as lettre's parser does, within the protocol's lengths, without control characters.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        if text.chars().any(char::is_control) {
            return Err(AddressError::ControlCharacter);
        }
        if text.len() > MAX_EMAIL_LEN {
            return Err(AddressError::TooLong);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(AddressError::NotAnEmail)?;
        if local.len() > MAX_LOCAL_PART_LEN {
            return Err(AddressError::TooLong);
        }
        let domain = domain.to_lowercase();
        lettre::Address::new(local, &domain).map_err(|_| AddressError::NotAnEmail)?;
        Ok(Self(format!("{local}@{domain}")))
    }

    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What follows the `@`, in lowercase.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

/// A phone number in E.164 form: `+` and up to fifteen digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PhoneNumber(String);

impl PhoneNumber {
    /// Parses a number in international form; spaces, hyphens, dots and brackets between digits are dropped.
    ///
    /// Only the shape is checked here (a fast path for plain E.164); [`Self::parse_valid`] also asks the
    /// numbering plan.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        if text.chars().any(char::is_control) {
            return Err(AddressError::ControlCharacter);
        }
        if text.len() > 40 {
            return Err(AddressError::TooLong);
        }
        let rest = text.trim().strip_prefix('+').ok_or(AddressError::NotE164)?;
        let mut number = String::with_capacity(16);
        number.push('+');
        for character in rest.chars() {
            match character {
                '0'..='9' => number.push(character),
                ' ' | '-' | '.' | '(' | ')' | '/' | '\u{a0}' => {}
                _ => return Err(AddressError::NotE164),
            }
        }
        // E.164 §6: a country code does not begin with zero, and a number has at most fifteen digits.
        let digits = number.len() - 1;
        if !(7..=15).contains(&digits) || number.as_bytes()[1] == b'0' {
            return Err(AddressError::NotE164);
        }
        Ok(Self(number))
    }

    /// As [`Self::parse`], and the country's numbering plan must have such a number.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn parse_valid(text: &str) -> Result<Self, AddressError> {
        let number = Self::parse(text)?;
        let parsed = phonenumber::parse(None, &number.0).map_err(|_| AddressError::InvalidNumber)?;
        if phonenumber::is_valid(&parsed) { Ok(number) } else { Err(AddressError::InvalidNumber) }
    }

    /// `+` and digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! text_address {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = AddressError;
            fn try_from(text: String) -> Result<Self, AddressError> {
                Self::parse(&text)
            }
        }
        impl FromStr for $name {
            type Err = AddressError;
            fn from_str(text: &str) -> Result<Self, AddressError> {
                Self::parse(text)
            }
        }
        impl From<$name> for String {
            fn from(address: $name) -> Self {
                address.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(redacted)"))
            }
        }
    };
}
text_address!(EmailAddress);
text_address!(PhoneNumber);

/// The way a message travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Channel {
    /// Email over SMTP.
    Email = 0,
    /// Text messages through an SMS provider.
    Sms = 1,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Self; 2] = [Self::Email, Self::Sms];

    /// The name used in the API, in metrics and in settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
        }
    }

    /// The channel that a stored byte stands for.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Email),
            1 => Some(Self::Sms),
            _ => None,
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A recipient's address on one channel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Address {
    /// An email address.
    Email(EmailAddress),
    /// A phone number.
    Phone(PhoneNumber),
}

impl Address {
    /// Parses an address of the given channel.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn parse(channel: Channel, text: &str) -> Result<Self, AddressError> {
        match channel {
            Channel::Email => EmailAddress::parse(text).map(Self::Email),
            Channel::Sms => PhoneNumber::parse(text).map(Self::Phone),
        }
    }

    /// The channel that reaches this address.
    #[must_use]
    pub const fn channel(&self) -> Channel {
        match self {
            Self::Email(_) => Channel::Email,
            Self::Phone(_) => Channel::Sms,
        }
    }

    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Email(address) => address.as_str(),
            Self::Phone(number) => number.as_str(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An email sender's identity: an address with an optional display name, as in `Name <address>`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mailbox {
    /// The display name, if any.
    pub name: Option<String>,
    /// The address.
    pub address: EmailAddress,
}

impl Mailbox {
    /// Parses `address` or `Name <address>`.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.chars().any(char::is_control) {
            return Err(AddressError::ControlCharacter);
        }
        let text = text.trim();
        match text.strip_suffix('>').and_then(|rest| rest.rsplit_once('<')) {
            Some((name, address)) => {
                let name = name.trim().trim_matches('"').trim();
                if name.len() > 200 {
                    return Err(AddressError::TooLong);
                }
                Ok(Self {
                    name: (!name.is_empty()).then(|| name.to_owned()),
                    address: EmailAddress::parse(address.trim())?,
                })
            }
            None => Ok(Self { name: None, address: EmailAddress::parse(text)? }),
        }
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
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
