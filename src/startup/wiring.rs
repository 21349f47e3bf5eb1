//! Settings to the engine's own types: store, transports, the HTTP edge's bounds.

use std::fs;
use std::sync::Arc;

use anyhow::Context;
use secrecy::SecretString;
use sendwheel_actors::domain::clock::SharedClock;
use sendwheel_actors::domain::source::IdSource;
use sendwheel_actors::engine::Transports;
use sendwheel_actors::sender::discard::DiscardTransport;
use sendwheel_actors::sender::dkim::DkimSettings;
use sendwheel_actors::sender::outbox::{OutboxSettings, OutboxTransport};
use sendwheel_actors::sender::routed::Routed;
use sendwheel_actors::sender::sms::{HttpSmsSettings, HttpSmsTransport, TwilioSettings, TwilioTransport};
use sendwheel_actors::sender::smtp::{SmtpSettings, SmtpTransport};
use sendwheel_actors::sender::transport::Transport;
use sendwheel_actors::sender::webhook::WebhookTransport;
use sendwheel_actors::store::redis::WaitReplicas;
use sendwheel_actors::store::{self, SharedStore, StoreError, StoreSettings, StoreUrl};
use url::Url;

use crate::api::ApiSettings;
use crate::config::{EmailSettings, EmailTransport, HttpSmsSection, Settings, SmsSettings, SmsTransport};
use crate::inbound::twilio_signature::TwilioVerifier;

/// Messages that `discard` takes at once.
const DISCARD_CONNECTIONS: usize = 64;
/// Largest key file that is read.
const MAX_KEY_FILE: u64 = 64 * 1024;

/// The URL of the store. An embedded one has a folder of its own inside the node's, beside its name and outbox.
///
/// # Errors
/// If it is none; the settings' reader lets only such through as begin like one.
pub(crate) fn store_url(settings: &Settings) -> anyhow::Result<StoreUrl> {
    let url: StoreUrl = settings.store.url.expose().parse().context("store.url cannot be used")?;
    Ok(match url {
        StoreUrl::Embedded(folder) => StoreUrl::Embedded(folder.join("store")),
        redis => redis,
    })
}

/// Opens the store of the settings, making it if there is none.
///
/// # Errors
/// As [`store::open`].
pub async fn open_store(settings: &Settings, clock: &SharedClock, ids: &IdSource) -> anyhow::Result<SharedStore> {
    let section = &settings.store;
    let mut store = StoreSettings::new(section.partitions, Arc::clone(clock), ids.clone());
    store.embedded.fsync = section.fsync;
    store.embedded.memtable_bytes = section.memtable;
    store.embedded.journal_bytes = section.journal;
    store.embedded.cache_bytes = section.cache;
    store.embedded.max_bytes = section.max_bytes;
    store.redis.connection_timeout = section.connect_timeout;
    store.redis.response_timeout = section.response_timeout;
    store.redis.wait = (section.wait_replicas > 0)
        .then_some(WaitReplicas { replicas: section.wait_replicas, timeout: section.wait_timeout });
    let opened: Result<SharedStore, StoreError> = store::open(&store_url(settings)?, &store).await;
    opened.with_context(|| format!("cannot open the store {}", section.url))
}

/// The transports of the settings. Test messages go to the outbox, whatever the transport.
///
/// # Errors
/// Names the setting that cannot be used.
pub fn transports(settings: &Settings, clock: &SharedClock) -> anyhow::Result<Transports> {
    let outbox = OutboxTransport::new(&OutboxSettings::new(&settings.outbox_dir), Arc::clone(clock))
        .context("cannot use outbox.dir")?;
    let outbox: Arc<dyn Transport> = Arc::new(outbox);
    let beside = |real: Arc<dyn Transport>| -> Arc<dyn Transport> { Arc::new(Routed::new(real, Arc::clone(&outbox))) };
    let email = match settings.email.transport {
        EmailTransport::Outbox => Arc::clone(&outbox),
        EmailTransport::Discard => beside(Arc::new(DiscardTransport::new(DISCARD_CONNECTIONS))),
        EmailTransport::Smtp => {
            let smtp = SmtpTransport::new(smtp_settings(&settings.email)?, Arc::clone(clock));
            beside(Arc::new(smtp.context("cannot use [email.smtp] or [email.dkim]")?))
        }
    };
    let sms = match settings.sms.transport {
        SmsTransport::Outbox => outbox,
        SmsTransport::Discard => beside(Arc::new(DiscardTransport::new(DISCARD_CONNECTIONS))),
        SmsTransport::Twilio => {
            let mut twilio = twilio_settings(&settings.sms)?;
            twilio.status_callback = twilio_callback(settings.server.public_url.as_deref())?;
            let twilio = TwilioTransport::new(twilio, Arc::clone(clock));
            beside(Arc::new(twilio.context("cannot use [sms.twilio]")?))
        }
        SmsTransport::Http => {
            let http = HttpSmsTransport::new(http_sms_settings(&settings.sms.http)?, Arc::clone(clock));
            beside(Arc::new(http.context("cannot use [sms.http]")?))
        }
    };
    let webhook =
        WebhookTransport::new(settings.webhooks.reach, Arc::clone(clock)).context("cannot send to webhooks")?;
    Ok(Transports { email, sms, webhook: Arc::new(webhook) })
}

/// The mail server's settings, with the signing keys read from their files.
///
/// # Errors
/// Names the setting or file that cannot be used.
pub(crate) fn smtp_settings(section: &EmailSettings) -> anyhow::Result<SmtpSettings> {
    let url = section.smtp.url.as_ref().context("email.smtp.url is missing")?;
    let mut smtp = SmtpSettings::from_url(url.expose()).context("cannot use email.smtp.url")?;
    smtp.connections = section.smtp.connections;
    smtp.connect_timeout = section.smtp.connect_timeout;
    smtp.command_timeout = section.smtp.command_timeout;
    smtp.attempt_timeout = section.smtp.attempt_timeout;
    smtp.mails_per_connection = section.smtp.mails_per_connection;
    // The URL may name these two as well; a key of its own is the clearer wish.
    smtp.hello_name = section.smtp.hello_name.clone().or(smtp.hello_name);
    smtp.ca_file = section.smtp.ca_file.clone().or(smtp.ca_file);
    for key in &section.dkim {
        let file = &key.key_file;
        let size = fs::metadata(file).map(|metadata| metadata.len());
        if size.is_ok_and(|size| size > MAX_KEY_FILE) {
            anyhow::bail!("the DKIM key file {} is too large to be a key", file.display());
        }
        let pem =
            fs::read_to_string(file).with_context(|| format!("cannot read the DKIM key file {}", file.display()))?;
        smtp.dkim.push(DkimSettings {
            domain: key.domain.clone(),
            selector: key.selector.clone(),
            private_key: SecretString::from(pem),
        });
    }
    smtp.checked().context("cannot use [email.smtp]")
}

fn twilio_settings(section: &SmsSettings) -> anyhow::Result<TwilioSettings> {
    let twilio = &section.twilio;
    let base_url = twilio.base_url.parse().context("cannot use sms.twilio.base_url")?;
    let account_sid = twilio.account_sid.as_deref().context("sms.twilio.account_sid is missing")?;
    let auth_token = twilio.auth_token.clone().context("sms.twilio.auth_token is missing")?;
    let mut settings = TwilioSettings::new(base_url, account_sid, auth_token);
    settings.connections = twilio.connections;
    settings.connect_timeout = twilio.connect_timeout;
    settings.attempt_timeout = twilio.attempt_timeout;
    Ok(settings)
}

/// Where Twilio reports to: only an address that was set is one that it can reach.
fn twilio_callback(public_url: Option<&str>) -> anyhow::Result<Option<Url>> {
    let callback = public_url.map(|base| Url::parse(&format!("{base}/inbound/twilio/status")));
    callback.transpose().context("cannot use server.public_url for Twilio's status callbacks")
}

fn http_sms_settings(section: &HttpSmsSection) -> anyhow::Result<HttpSmsSettings> {
    let url = section.url.as_ref().context("sms.http.url is missing")?;
    // The parser's own error does not quote the URL, which may carry a token.
    let mut settings = HttpSmsSettings::new(url.expose().parse().context("cannot use sms.http.url")?);
    settings.headers = section.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    settings.body_template.clone_from(&section.body);
    settings.id_pointer.clone_from(&section.id_pointer);
    settings.connections = section.connections;
    settings.connect_timeout = section.connect_timeout;
    settings.attempt_timeout = section.attempt_timeout;
    Ok(settings)
}

/// The bounds of the HTTP edge.
pub(crate) fn api_settings(settings: &Settings, public_url: String) -> ApiSettings {
    let server = &settings.server;
    let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    ApiSettings {
        public_url,
        json_bytes: size(server.max_json),
        large_bytes: size(server.max_large),
        import_rows: server.max_import_rows,
        event_listeners: server.event_listeners,
        inbound_token: settings.inbound.token.clone(),
        inbound_bytes: size(settings.inbound.max_mail),
        // An empty token is none: anyone could sign with it.
        twilio: settings.sms.twilio.auth_token.as_ref().and_then(|token| TwilioVerifier::new(token).ok()),
        trusted_proxies: server.trusted_proxies.clone(),
        scanners: settings.email.scanners.clone(),
        ..ApiSettings::default()
    }
}

#[cfg(test)]
mod tests {
    use sendwheel_actors::domain::clock::SystemClock;

    use super::*;
    use crate::config::Flags;

    fn settings(folder: &std::path::Path, file: &str) -> Settings {
        let flags = Flags { data: Some(folder.display().to_string()), ..Flags::default() };
        Settings::merge(Some(("f", file)), [], &flags).unwrap()
    }

    fn names(file: &str) -> anyhow::Result<(&'static str, &'static str)> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let clock: SharedClock = Arc::new(SystemClock);
        let made = transports(&settings(folder.path(), file), &clock)?;
        Ok((made.email.name(), made.sms.name()))
    }

    #[test]
    fn each_transport_of_the_settings_is_made() {
        for (file, expected) in [
            ("", ("outbox", "outbox")),
            ("email.transport = \"discard\"\nsms.transport = \"discard\"", ("discard", "discard")),
            ("email = { transport = \"smtp\", smtp.url = \"smtp://h\" }", ("smtp", "outbox")),
            ("sms = { transport = \"http\", http.url = \"https://h\" }", ("outbox", "http")),
            (
                "[sms]\ntransport = \"twilio\"\n[sms.twilio]\naccount_sid = \"AC0123456789abcdef0123456789abcdef\"\nauth_token = \"x\"",
                ("outbox", "twilio"),
            ),
        ] {
            assert_eq!(names(file).unwrap(), expected, "{file}");
        }
    }

    #[test]
    fn a_signing_key_that_is_not_there_stops_the_start_with_its_name() {
        let file = "email = { transport = \"smtp\", smtp.url = \"smtp://h\", dkim = { domain = \"d\", selector = \"s\", key_file = \"/none.pem\" } }";
        let error = format!("{:#}", names(file).unwrap_err());
        assert!(error.contains("/none.pem"), "{error}");
    }

    #[test]
    fn an_embedded_store_has_its_own_folder_in_the_nodes() {
        let settings = settings(std::path::Path::new("/d"), "");
        assert_eq!(store_url(&settings).unwrap().to_string(), "embedded:/d/store");
        assert_eq!(settings.outbox_dir, std::path::Path::new("/d/outbox"));
    }
}
