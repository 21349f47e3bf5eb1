//! What an operator chooses about the mail relay.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use crate::sender::dkim::DkimSettings;
use crate::sender::transport::TransportError;

/// When the connection to the relay is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpTls {
    /// From the first byte on (`smtps://`, port 465). The certificate must be valid.
    Implicit,
    /// After `STARTTLS`, or not at all (`?tls=required`). The certificate must be valid.
    Required,
    /// After `STARTTLS` where the relay offers it (RFC 7435): keeps out listeners, not impostors, so the
    /// certificate is checked only when a `ca` is given.
    Opportunistic,
    /// Never (`?tls=none`): for a relay on the same host.
    None,
}

/// How the relay is reached, and with what patience.
#[derive(Debug, Clone)]
pub struct SmtpSettings {
    /// Host name or IP address; also the name that its certificate must have.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Encryption.
    pub tls: SmtpTls,
    /// Name and password for AUTH (PLAIN or LOGIN), if the relay wants them.
    pub credentials: Option<(String, SecretString)>,
    /// PEM file with certificates that are trusted besides the system's.
    pub ca_file: Option<PathBuf>,
    /// The name given in EHLO; none: this machine's.
    pub hello_name: Option<String>,
    /// Connections, and so mails in flight.
    pub connections: usize,
    /// For name resolution and TCP connect together, and again for the TLS handshake.
    pub connect_timeout: Duration,
    /// For each command's answer, except the final dot's.
    pub command_timeout: Duration,
    /// For one whole hand-over, with connecting and the answer to the final dot.
    pub attempt_timeout: Duration,
    /// A connection idle for longer is asked with NOOP whether it still lives.
    pub idle_check: Duration,
    /// Mails after which a connection is replaced; relays commonly cut one at 100 or 1,000.
    pub mails_per_connection: u32,
    /// Keys with which mails are signed.
    pub dkim: Vec<DkimSettings>,
}

impl SmtpSettings {
    /// Plain settings for a relay, with every default.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16, tls: SmtpTls) -> Self {
        Self {
            host: host.into(),
            port,
            tls,
            credentials: None,
            ca_file: None,
            hello_name: None,
            connections: 16,
            connect_timeout: Duration::from_secs(10),
            command_timeout: Duration::from_secs(30),
            attempt_timeout: Duration::from_secs(60),
            idle_check: Duration::from_secs(10),
            mails_per_connection: 1_000,
            dkim: Vec::new(),
        }
    }

    /// Reads `smtp://user:secret@host:587?tls=required` or `smtps://…`.
    ///
    /// Parameters: `tls` = `required` | `opportunistic` | `none`; `ca` = PEM file; `hello` = EHLO name.
    /// Ports left out are 25 (`smtp`), 587 (`smtp` with `tls=required`) and 465 (`smtps`).
    ///
    /// # Errors
    /// Says what is wrong, without the URL: it holds a password.
    pub fn from_url(text: &str) -> Result<Self, TransportError> {
        let refuse = |detail: &str| TransportError::setting("url", detail);
        let url = Url::parse(text)
            .map_err(|error| refuse(&format!("{error}; expected smtp://user:password@host:port?tls=required")))?;
        let mut tls = match url.scheme() {
            "smtp" => SmtpTls::Opportunistic,
            "smtps" => SmtpTls::Implicit,
            _ => return Err(refuse("the scheme must be smtp or smtps")),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| refuse("it names no host"))?;
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(refuse("it must end after host, port and parameters; escape `#`, `/`, `?` in the password"));
        }
        let (mut ca_file, mut hello_name) = (None, None);
        for (key, value) in url.query_pairs() {
            match (key.as_ref(), value.as_ref()) {
                ("tls", "required") if tls != SmtpTls::Implicit => tls = SmtpTls::Required,
                ("tls", "required") => {}
                ("tls", "opportunistic") if tls != SmtpTls::Implicit => tls = SmtpTls::Opportunistic,
                ("tls", "none") if tls != SmtpTls::Implicit => tls = SmtpTls::None,
                ("tls", _) => {
                    return Err(refuse("tls must be required, opportunistic or none, and smtps is always encrypted"));
                }
                ("ca", path) => ca_file = Some(PathBuf::from(path)),
                ("hello", name) => hello_name = Some(name.to_owned()),
                _ => return Err(refuse("its parameters may be tls, ca and hello")),
            }
        }
        let port = url.port().unwrap_or(match tls {
            SmtpTls::Implicit => 465,
            SmtpTls::Required => 587,
            SmtpTls::Opportunistic | SmtpTls::None => 25,
        });
        let mut settings = Self::new(host.trim_matches(['[', ']']), port, tls);
        if !url.username().is_empty() {
            let decode = |text: &str| {
                percent_decoded(text).ok_or_else(|| refuse("user and password must be percent-encoded UTF-8"))
            };
            let password = decode(url.password().unwrap_or_default())?;
            settings.credentials = Some((decode(url.username())?, SecretString::from(password)));
        }
        settings.ca_file = ca_file;
        settings.hello_name = hello_name;
        settings.checked()
    }

    /// These settings, if they make sense together.
    ///
    /// # Errors
    /// Names the setting that does not.
    pub fn checked(self) -> Result<Self, TransportError> {
        let is_hello = |name: &String| {
            !name.is_empty()
                && name.len() <= 255
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b':' | b'[' | b']'))
        };
        if self.hello_name.as_ref().is_some_and(|name| !is_hello(name)) {
            return Err(TransportError::setting("hello", "it must be a host name"));
        }
        if self.connections == 0 || self.mails_per_connection == 0 {
            return Err(TransportError::setting("connections", "at least one is needed"));
        }
        if [self.connect_timeout, self.command_timeout, self.attempt_timeout].contains(&Duration::ZERO) {
            return Err(TransportError::setting("timeouts", "they must be longer than zero"));
        }
        Ok(self)
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        if *byte == b'%' {
            let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(*byte);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_url_says_where_and_how() {
        let settings =
            SmtpSettings::from_url("smtp://ann%40x:s%3Acret@mail.example:2525?tls=required&ca=/a.pem&hello=me.example")
                .unwrap();
        assert_eq!((settings.host.as_str(), settings.port, settings.tls), ("mail.example", 2525, SmtpTls::Required));
        let (user, password) = settings.credentials.as_ref().unwrap();
        assert_eq!((user.as_str(), password.expose_secret()), ("ann@x", "s:cret"));
        assert_eq!(settings.ca_file, Some(PathBuf::from("/a.pem")));
        assert_eq!(settings.hello_name.as_deref(), Some("me.example"));
        assert!(!format!("{settings:?}").contains("s:cret"));
    }

    #[test]
    fn the_default_is_opportunistic_and_ports_follow_the_encryption() {
        for (url, port, tls) in [
            ("smtp://h", 25, SmtpTls::Opportunistic),
            ("smtp://h?tls=none", 25, SmtpTls::None),
            ("smtp://h?tls=required", 587, SmtpTls::Required),
            ("smtps://h/", 465, SmtpTls::Implicit),
            ("smtp://[::1]:26", 26, SmtpTls::Opportunistic),
        ] {
            let settings = SmtpSettings::from_url(url).unwrap();
            assert_eq!((settings.port, settings.tls), (port, tls), "{url}");
        }
        assert_eq!(SmtpSettings::from_url("smtp://[::1]:26").unwrap().host, "::1");
    }

    #[test]
    fn a_url_that_is_wrong_is_refused_without_its_password() {
        for url in [
            "http://u:hunter2@h",
            "smtp://u:hunter2@h?tls=maybe",
            "smtps://u:hunter2@h?tls=none",
            "smtp://u:hunter2@h/path",
            "smtp://u:hunter2@h?x=1",
            "smtp://u:hunter2@h?hello=a%20b",
            "smtp://u:hunter2@h:99999",
            "smtp://",
        ] {
            let error = SmtpSettings::from_url(url).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
