//! The sections of the two channels: which transport, and how it reaches its provider.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sendwheel_actors::domain::address::Mailbox;
use sendwheel_actors::domain::destination_limits::DestinationLimits;
use sendwheel_actors::engine::settings::DeliverySettings;
use sendwheel_actors::sender::sms::HttpSmsSettings;
use sendwheel_actors::sender::smtp::SmtpSettings;

use super::destinations;
use super::layers::Layers;
use super::network::Network;
use super::parse::{self, SecretUrl};
use super::sections::{Headers, delivery};

/// What carries email.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmailTransport {
    /// A mail server.
    Smtp,
    /// Files in a folder.
    Outbox,
    /// Nothing: for measuring.
    Discard,
}

/// What carries SMS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmsTransport {
    /// Twilio.
    Twilio,
    /// Any provider with an HTTP API.
    Http,
    /// Lines in a file.
    Outbox,
    /// Nothing: for measuring.
    Discard,
}

/// `[email.smtp]`.
#[derive(Debug, Clone)]
pub struct SmtpSection {
    /// The server, with its password.
    pub url: Option<SecretUrl>,
    /// Connections at once.
    pub connections: usize,
    /// The name to greet with, if set.
    pub hello_name: Option<String>,
    /// An authority to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// For opening a connection, TLS included.
    pub connect_timeout: Duration,
    /// For one answer.
    pub command_timeout: Duration,
    /// For one whole hand-over.
    pub attempt_timeout: Duration,
    /// Mails after which a connection is replaced.
    pub mails_per_connection: u32,
}

/// One table of `[[email.dkim]]`.
#[derive(Debug, Clone)]
pub struct DkimSection {
    /// The signing domain.
    pub domain: String,
    /// Names the key in the DNS.
    pub selector: String,
    /// PEM.
    pub key_file: PathBuf,
}

/// `[email]`.
#[derive(Debug, Clone)]
pub struct EmailSettings {
    /// What carries it.
    pub transport: EmailTransport,
    /// Whom mails of the installation itself come from, if that was set.
    pub system_from: Option<Mailbox>,
    /// From where mail scanners load pictures and follow links.
    pub scanners: Vec<Network>,
    /// Retries and limits.
    pub delivery: DeliverySettings,
    /// How much may go to one domain.
    pub destinations: DestinationLimits,
    /// The mail server.
    pub smtp: SmtpSection,
    /// Signing keys by domain.
    pub dkim: Vec<DkimSection>,
}

/// Where mail filters of many organisations work from, as their makers publish it: Exchange Online Protection
/// (<https://learn.microsoft.com/microsoft-365/enterprise/urls-and-ip-address-ranges>) and Barracuda Email Gateway
/// Defense (<https://campus.barracuda.com/product/emailgatewaydefense/doc/96023004/ip-analysis-inbound/>).
const KNOWN_SCANNERS: &str = "40.92.0.0/15, 40.107.0.0/16, 52.100.0.0/14, 104.47.0.0/17, 2a01:111:f400::/48, \
                              2a01:111:f403::/48, 209.222.80.0/21";

fn known_scanners() -> Vec<Network> {
    parse::networks(KNOWN_SCANNERS).unwrap_or_default()
}

impl EmailSettings {
    pub(super) fn read(layers: &mut Layers, default: DeliverySettings) -> Self {
        let transports =
            &[("smtp", EmailTransport::Smtp), ("outbox", EmailTransport::Outbox), ("discard", EmailTransport::Discard)];
        let transport = layers.or("email.transport", EmailTransport::Outbox, parse::word(transports));
        let url = layers.secret("email.smtp.url");
        match &url {
            None if transport == EmailTransport::Smtp => {
                layers.refuse("email.smtp.url", r#"email.transport = "smtp" needs the server's URL"#);
            }
            // The transport's own reader: its refusals never show the text, which holds a password.
            Some(url) => {
                if let Err(error) = SmtpSettings::from_url(url.expose_secret()) {
                    layers.refuse("email.smtp.url", error.to_string());
                }
            }
            None => {}
        }
        Self {
            transport,
            system_from: layers.optional("email.system_from", parse::mailbox),
            scanners: layers.or("email.scanners", known_scanners(), parse::networks),
            delivery: delivery(layers, "email", default),
            destinations: destinations::of_domains(layers),
            smtp: SmtpSection {
                url: url.map(|url| SecretUrl::new(url.expose_secret())),
                connections: layers.or("email.smtp.connections", 16, parse::number(1, 1_000)),
                hello_name: layers.optional("email.smtp.hello_name", parse::text),
                ca_file: layers.optional("email.smtp.ca_file", parse::text).map(PathBuf::from),
                connect_timeout: seconds(layers, "email.smtp.connect_timeout", 10),
                command_timeout: seconds(layers, "email.smtp.command_timeout", 30),
                attempt_timeout: seconds(layers, "email.smtp.attempt_timeout", 60),
                mails_per_connection: layers.or("email.smtp.mails_per_connection", 1_000, parse::number(1, 1_000_000)),
            },
            dkim: read_dkim(layers),
        }
    }
}

fn seconds(layers: &mut Layers, key: &str, default: u64) -> Duration {
    layers.or(key, Duration::from_secs(default), parse::positive_duration)
}

/// `[email.dkim]` for one domain, `[[email.dkim]]` for several.
fn read_dkim(layers: &mut Layers) -> Vec<DkimSection> {
    let many = layers.len_of("email.dkim");
    let prefixes = match many {
        0 if layers.has("email.dkim") => vec!["email.dkim".to_owned()],
        _ => (0..many).map(|index| format!("email.dkim.{index}")).collect(),
    };
    let mut keys = Vec::new();
    for prefix in prefixes {
        let [domain, selector, key_file] = ["domain", "selector", "key_file"].map(|name| {
            let key = format!("{prefix}.{name}");
            let value = layers.optional(&key, parse::text);
            if value.is_none() {
                layers.refuse(&key, "a DKIM key needs domain, selector and key_file");
            }
            value.unwrap_or_default()
        });
        keys.push(DkimSection { domain, selector, key_file: key_file.into() });
    }
    keys
}

/// `[sms.twilio]`.
#[derive(Debug, Clone)]
pub struct TwilioSection {
    /// Where its API is.
    pub base_url: String,
    /// `AC…`.
    pub account_sid: Option<String>,
    /// Its secret.
    pub auth_token: Option<SecretString>,
    /// Requests at once.
    pub connections: usize,
    /// For TCP and TLS.
    pub connect_timeout: Duration,
    /// For one whole attempt.
    pub attempt_timeout: Duration,
}

/// `[sms.http]`.
#[derive(Debug, Clone)]
pub struct HttpSmsSection {
    /// Where to POST; may carry a token.
    pub url: Option<SecretUrl>,
    /// Headers to send.
    pub headers: Headers,
    /// The body's form.
    pub body: String,
    /// Where the provider's id stands in its answer.
    pub id_pointer: Option<String>,
    /// Requests at once.
    pub connections: usize,
    /// For TCP and TLS.
    pub connect_timeout: Duration,
    /// For one whole attempt.
    pub attempt_timeout: Duration,
}

/// `[sms]`.
#[derive(Debug, Clone)]
pub struct SmsSettings {
    /// What carries it.
    pub transport: SmsTransport,
    /// Retries and limits.
    pub delivery: DeliverySettings,
    /// How much may go to one country or range of numbers.
    pub destinations: DestinationLimits,
    /// Twilio.
    pub twilio: TwilioSection,
    /// Any other provider.
    pub http: HttpSmsSection,
}

impl SmsSettings {
    pub(super) fn read(layers: &mut Layers, default: DeliverySettings) -> Self {
        let transports = &[
            ("twilio", SmsTransport::Twilio),
            ("http", SmsTransport::Http),
            ("outbox", SmsTransport::Outbox),
            ("discard", SmsTransport::Discard),
        ];
        let transport = layers.or("sms.transport", SmsTransport::Outbox, parse::word(transports));
        let twilio = TwilioSection {
            base_url: layers.or("sms.twilio.base_url", "https://api.twilio.com".into(), parse::http_url),
            account_sid: layers.optional("sms.twilio.account_sid", account_sid),
            auth_token: layers.secret("sms.twilio.auth_token"),
            connections: layers.or("sms.twilio.connections", 16, parse::number(1, 1_000)),
            connect_timeout: seconds(layers, "sms.twilio.connect_timeout", 5),
            attempt_timeout: seconds(layers, "sms.twilio.attempt_timeout", 20),
        };
        let http = HttpSmsSection {
            url: read_http_url(layers),
            headers: layers.free_table("sms.http.headers"),
            body: layers.or("sms.http.body", HttpSmsSettings::DEFAULT_BODY.into(), parse::text),
            id_pointer: layers.optional("sms.http.id_pointer", json_pointer),
            connections: layers.or("sms.http.connections", 16, parse::number(1, 1_000)),
            connect_timeout: seconds(layers, "sms.http.connect_timeout", 5),
            attempt_timeout: seconds(layers, "sms.http.attempt_timeout", 20),
        };
        let missing: &[&str] = match transport {
            SmsTransport::Twilio if twilio.account_sid.is_none() => &["sms.twilio.account_sid"],
            SmsTransport::Twilio if twilio.auth_token.is_none() => &["sms.twilio.auth_token"],
            SmsTransport::Http if http.url.is_none() => &["sms.http.url"],
            _ => &[],
        };
        for key in missing {
            layers.refuse(key, "the chosen sms.transport needs it");
        }
        let destinations = destinations::of_prefixes(layers);
        Self { transport, delivery: delivery(layers, "sms", default), destinations, twilio, http }
    }
}

fn read_http_url(layers: &mut Layers) -> Option<SecretUrl> {
    let url = layers.secret("sms.http.url")?;
    if parse::http_url(url.expose_secret()).is_err() {
        layers.refuse("sms.http.url", "expected an http or https URL");
    }
    Some(SecretUrl::new(url.expose_secret()))
}

fn account_sid(text: &str) -> Result<String, &'static str> {
    let is_sid = text.len() == 34
        && text.strip_prefix("AC").is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if is_sid { Ok(text.to_owned()) } else { Err("expected AC and 32 hexadecimal digits") }
}

fn json_pointer(text: &str) -> Result<String, &'static str> {
    if text.starts_with('/') { Ok(text.to_owned()) } else { Err(r#"expected a JSON pointer such as "/message/id""#) }
}
