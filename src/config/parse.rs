//! Texts of settings to typed values. Each refusal says what would have been right; the caller adds the key.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sendwheel_actors::domain::address::{EmailAddress, Mailbox};

use crate::inbound::lmtp::LmtpAddress;

use super::network::Network;

/// `"250ms"`, `"10s"`, `"6h"`, `"90d"`.
pub(crate) fn duration(text: &str) -> Result<Duration, &'static str> {
    humantime::parse_duration(text).map_err(|_| r#"expected a duration such as "250ms", "10s", "6h" or "90d""#)
}

/// As [`duration`], longer than nothing.
pub(crate) fn positive_duration(text: &str) -> Result<Duration, &'static str> {
    let duration = duration(text)?;
    if duration.is_zero() { Err("expected a duration longer than nothing") } else { Ok(duration) }
}

/// A whole number within bounds.
pub(crate) fn number<T>(least: T, most: T) -> impl FnOnce(&str) -> Result<T, String>
where
    T: std::str::FromStr + PartialOrd + fmt::Display + Copy,
{
    move |text| match text.replace('_', "").parse::<T>() {
        Ok(number) if number >= least && number <= most => Ok(number),
        _ => Err(format!("expected a number from {least} to {most}")),
    }
}

/// `true` or `false`.
pub(crate) fn boolean(text: &str) -> Result<bool, &'static str> {
    text.parse().map_err(|_| "expected true or false")
}

/// A size in bytes: `"64MiB"`, `"2GB"`, or a plain number.
pub(crate) fn bytes(text: &str) -> Result<u64, &'static str> {
    const EXPECTED: &str = r#"expected a size such as "512KiB", "16MiB" or "20GB""#;
    let text = text.trim().replace('_', "");
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().map_err(|_| EXPECTED)?;
    let unit: u64 = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return Err(EXPECTED),
    };
    number.checked_mul(unit).ok_or(EXPECTED)
}

/// As [`bytes()`], within bounds.
pub(crate) fn bytes_within(least: u64, most: u64) -> impl FnOnce(&str) -> Result<u64, String> {
    move |text| match bytes(text)? {
        size if (least..=most).contains(&size) => Ok(size),
        _ => Err(format!("expected a size from {} to {}", shown(least), shown(most))),
    }
}

fn shown(size: u64) -> String {
    let units = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = units.iter().find(|(unit, _)| size >= *unit && size.is_multiple_of(*unit));
    unit.map_or_else(|| size.to_string(), |(unit, name)| format!("{}{name}", size / unit))
}

/// `"127.0.0.1:8080"`, `"[::1]:0"`, `"localhost:8080"`.
pub(crate) fn socket_address(text: &str) -> Result<SocketAddr, &'static str> {
    let text = text.strip_prefix("localhost:").map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
    text.parse().map_err(|_| r#"expected an address and a port such as "127.0.0.1:8080""#)
}

/// An `http` or `https` URL, returned without its trailing slash.
pub(crate) fn http_url(text: &str) -> Result<String, &'static str> {
    const EXPECTED: &str = r#"expected a URL such as "https://messages.example.com""#;
    let url = url::Url::parse(text).map_err(|_| EXPECTED)?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(EXPECTED);
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// A domain name that mail may come to.
pub(crate) fn mail_domain(text: &str) -> Result<String, &'static str> {
    match EmailAddress::parse(&format!("x@{text}")) {
        Ok(address) => Ok(address.domain().to_owned()),
        Err(_) => Err(r#"expected a domain such as "reply.example.com""#),
    }
}

/// Where LMTP is spoken: a Unix socket, or a port that only this machine reaches.
pub(crate) fn lmtp_address(text: &str) -> Result<LmtpAddress, &'static str> {
    const EXPECTED: &str = r#"expected "unix:/path/to/socket" or a port of the loopback interface ("127.0.0.1:2424")"#;
    if let Some(path) = text.strip_prefix("unix:").filter(|path| path.starts_with('/')) {
        return Ok(LmtpAddress::Unix(path.into()));
    }
    let address: SocketAddr = text.parse().map_err(|_| EXPECTED)?;
    // It has no passwords: whoever reaches it may bring any mail.
    if address.ip().is_loopback() { Ok(LmtpAddress::Tcp(address)) } else { Err(EXPECTED) }
}

/// Addresses and ranges, with commas between them.
pub(crate) fn networks(text: &str) -> Result<Vec<Network>, &'static str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::parse).collect()
}

/// Any text that is not empty.
pub(crate) fn text(text: &str) -> Result<String, &'static str> {
    if text.is_empty() { Err("expected a text") } else { Ok(text.to_owned()) }
}

/// Whom mail comes from.
pub(crate) fn mailbox(text: &str) -> Result<Mailbox, String> {
    Mailbox::parse(text).map_err(|error| error.to_string())
}

/// One of a few words.
pub(crate) fn word<T: Copy>(words: &'static [(&'static str, T)]) -> impl FnOnce(&str) -> Result<T, String> {
    move |text| {
        words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
            let words: Vec<_> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
            format!("expected one of {}", words.join(", "))
        })
    }
}

/// A URL that may carry a password: shown and logged only without it.
#[derive(Clone)]
pub struct SecretUrl(SecretString);

impl SecretUrl {
    /// Keeps a URL.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self(SecretString::from(url))
    }

    /// The whole URL, for whoever connects to it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // By hand: a list of cluster nodes and `embedded:DIR` are no URLs to a URL parser, and a password
        // with an unescaped slash must not slip through either.
        let whole = self.expose();
        if whole.starts_with("embedded:") {
            return f.write_str(whole);
        }
        let Some((scheme, rest)) = whole.split_once("://") else { return f.write_str("***") };
        let (user, rest) = rest.rsplit_once('@').map_or(("", rest), |(_, rest)| ("***@", rest));
        let shown = rest.split(['?', '#']).next().unwrap_or_default();
        write!(f, "{scheme}://{user}{shown}")
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
