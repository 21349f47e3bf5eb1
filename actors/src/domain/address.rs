//! Where messages go and come from: E.164 phone numbers, email addresses and URLs, parsed once.
//!
//! Past these types no `String` means an address. `Debug` shows only the kind: an address is personal
//! data and does not belong into logs. No value contains a control character or an invisible one, so that
//! an address cannot smuggle a header or an SMTP command, nor pass for another one. What is stored is read
//! back through the same parser: a parsed address, written out, parses to itself.

mod area;
mod destination;
mod mailbox;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use serde::{Deserialize, Serialize};

pub use area::Area;
pub use destination::Destination;
pub use mailbox::Mailbox;
pub use web_url::WebUrl;

/// Longest text that is looked at, in bytes: an international domain may be longer than its ASCII form.
const MAX_INPUT_LEN: usize = 1_024;
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
    /// Contains CR, LF, NUL or another control character (a header injection), or an invisible one that makes
    /// it pass for another address.
    #[error("the address contains a control character or an invisible one: remove it")]
    ControlCharacter,
    /// Not `local@domain`.
    #[error("not an email address: expected `name@domain`")]
    NotAnEmail,
    /// What follows the `@` is no domain name.
    #[error("the email address has no valid domain name after its `@`")]
    BadDomain,
    /// The name before `<address>` holds a delimiter outside of quotes, or its quotes or brackets do not match.
    #[error("the display name is not valid: put it in double quotes, as in `\"Doe, Jane\" <jane@example.com>`")]
    BadDisplayName,
    /// Not `+` and digits.
    #[error("not a phone number in E.164 form: expected `+`, country code and number, digits only")]
    NotE164,
    /// No URL, or none for HTTP.
    #[error("not a URL: expected one that begins with https://")]
    NotAUrl,
    /// The numbering plan of the country has no such number.
    #[error("no such phone number in its country's numbering plan")]
    InvalidNumber,
}

/// Whether a character ends a line or a text for some reader, or changes what a person sees of it without being
/// seen: controls, line and paragraph separators, direction marks and overrides.
fn is_control_like(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether a character cannot be seen in an address: as above, and spaces and joiners outside of ASCII.
fn is_invisible(character: char) -> bool {
    is_control_like(character)
        || (!character.is_ascii() && character.is_whitespace())
        || matches!(character, '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// An email address, without a display name. Compared and hashed as written, but for its domain, which is kept in
/// lowercase and ASCII (`müller.example` as `xn--mller-kva.example`): servers without SMTPUTF8 take it, and one
/// domain has one spelling in limits and suppressions. A local part beyond ASCII is accepted and needs a provider
/// with SMTPUTF8 (RFC 6531). A domain in brackets or an IP address is no domain and is refused.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress(String);

impl EmailAddress {
    /// Parses an address that lettre and RFC 5321's lengths take, without control or invisible characters.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        if text.len() > MAX_INPUT_LEN {
            return Err(AddressError::TooLong);
        }
        if text.chars().any(is_invisible) {
            return Err(AddressError::ControlCharacter);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(AddressError::NotAnEmail)?;
        if local.len() > MAX_LOCAL_PART_LEN {
            return Err(AddressError::TooLong);
        }
        let domain = Uts46::new()
            .to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify)
            .map_err(|_| AddressError::BadDomain)?;
        if domain.parse::<IpAddr>().is_ok() {
            return Err(AddressError::BadDomain);
        }
        if local.len() + 1 + domain.len() > MAX_EMAIL_LEN {
            return Err(AddressError::TooLong);
        }
        lettre::Address::new(local, &domain).map_err(|_| AddressError::NotAnEmail)?;
        Ok(Self(format!("{local}@{domain}")))
    }

    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What follows the `@`, in lowercase ASCII.
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
    /// Parses a number in international form; what people write between the digits is dropped: spaces, hyphens,
    /// dots, slashes, brackets, a trunk zero in brackets, and the direction marks that address books paste along.
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
        if text.len() > 80 {
            return Err(AddressError::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(AddressError::ControlCharacter);
        }
        if is_e164(text) {
            return Ok(Self(text.to_owned()));
        }
        // `+44 (0)20 …`: the zero is for callers inside the country (ITU-T E.123 §7.2). Kept, it would make
        // another number.
        let written = text.replacen("(0)", "", 1);
        let mut number = String::with_capacity(16);
        for character in written.chars() {
            match character {
                '0'..='9' => number.push(character),
                '+' if number.is_empty() => number.push('+'),
                ' ' | '-' | '.' | '(' | ')' | '/' | '\u{a0}' | '\u{2009}' | '\u{202f}' => {}
                '\u{2010}'..='\u{2015}' | '\u{2212}' => {}
                '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
                _ => return Err(AddressError::NotE164),
            }
        }
        if is_e164(&number) { Ok(Self(number)) } else { Err(AddressError::NotE164) }
    }

    /// As [`Self::parse`], and the country's numbering plan must have such a number; it is kept as that plan
    /// writes it.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn parse_valid(text: &str) -> Result<Self, AddressError> {
        let number = Self::parse(text)?;
        let parsed = phonenumber::parse(None, &number.0).map_err(|_| AddressError::InvalidNumber)?;
        if !phonenumber::is_valid(&parsed) {
            return Err(AddressError::InvalidNumber);
        }
        Self::parse(&parsed.format().mode(phonenumber::Mode::E164).to_string()).map_err(|_| AddressError::InvalidNumber)
    }

    /// `+` and digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `+`, a country code that does not begin with zero, and seven to fifteen digits in all (E.164 §6).
fn is_e164(text: &str) -> bool {
    let Some(digits) = text.strip_prefix('+') else { return false };
    (7..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit())
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

// Below the macro that it uses.
mod web_url;

/// The way a message travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Channel {
    /// Email over SMTP.
    Email = 0,
    /// Text messages through an SMS provider.
    Sms = 1,
    /// Notices over HTTP to an account's own programs; nobody writes a message to them.
    Webhook = 2,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Self; 3] = [Self::Email, Self::Sms, Self::Webhook];
    /// Those on which messages go to people.
    pub const TO_PEOPLE: [Self; 2] = [Self::Email, Self::Sms];

    /// The name used in the API, in metrics and in settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
            Self::Webhook => "webhook",
        }
    }

    /// The channel that a stored byte stands for.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Email),
            1 => Some(Self::Sms),
            2 => Some(Self::Webhook),
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
    #[serde(rename = "e", alias = "Email")]
    Email(EmailAddress),
    /// A phone number.
    #[serde(rename = "p", alias = "Phone")]
    Phone(PhoneNumber),
    /// A URL.
    #[serde(rename = "u", alias = "Url")]
    Url(WebUrl),
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
            Channel::Webhook => WebUrl::parse(text).map(Self::Url),
        }
    }

    /// The channel that reaches this address.
    #[must_use]
    pub const fn channel(&self) -> Channel {
        match self {
            Self::Email(_) => Channel::Email,
            Self::Phone(_) => Channel::Sms,
            Self::Url(_) => Channel::Webhook,
        }
    }

    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Email(address) => address.as_str(),
            Self::Phone(number) => number.as_str(),
            Self::Url(url) => url.as_str(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
