//! Settings: a TOML file, the environment over it, flags over both.
//!
//! [`layers`] merges them and knows where each value came from, [`sections`] and [`channels`] are the
//! typed result, [`parse`] the values' forms, and `default.toml` every key with its default: it is printed
//! by `serve --print-config`, and a test holds it to the readers. Secrets are in types that do not show them.

mod channels;
mod destinations;
mod layers;
mod network;
mod parse;
mod sections;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sendwheel_actors::domain::address::{EmailAddress, Mailbox};
use sendwheel_actors::engine::EngineSettings;
use sendwheel_actors::store::NodeId;
use url::Url;

pub use channels::{
    DkimSection, EmailSettings, EmailTransport, HttpSmsSection, SmsSettings, SmsTransport, SmtpSection, TwilioSection,
};
#[cfg(feature = "planted-bugs")]
pub(crate) use layers::PLANTED_BUG;
pub use layers::Problem;
use layers::{Layers, Origin};
pub use network::Network;
pub use parse::SecretUrl;
pub use sections::{
    BootstrapSettings, ClusterSettings, EngineSection, Headers, InboundSettings, LogFormat, LogSettings,
    ServerSettings, SessionSettings, StoreSection, WebhookSettings,
};

/// Every setting with its default and what it means.
pub const DEFAULT_FILE: &str = include_str!("default.toml");

/// Largest settings file that is read.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The settings of a node.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `[server]`.
    pub server: ServerSettings,
    /// `[store]`.
    pub store: StoreSection,
    /// `[bootstrap]`.
    pub bootstrap: BootstrapSettings,
    /// `[engine]`.
    pub engine: EngineSection,
    /// `[sessions]`.
    pub sessions: SessionSettings,
    /// `[email]`.
    pub email: EmailSettings,
    /// `[sms]`.
    pub sms: SmsSettings,
    /// `[webhooks]`.
    pub webhooks: WebhookSettings,
    /// `[inbound]`.
    pub inbound: InboundSettings,
    /// `[cluster]`.
    pub cluster: ClusterSettings,
    /// `[outbox] dir`.
    pub outbox_dir: PathBuf,
    /// `[shutdown] deadline`.
    pub shutdown_deadline: Duration,
    /// `[log]`.
    pub log: LogSettings,
}

/// What flags say; each wins over file and environment.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--data`.
    pub data: Option<String>,
    /// `--store`.
    pub store: Option<String>,
    /// `--listen`.
    pub listen: Option<String>,
}

/// Settings that cannot be used: everything that is wrong with them, a line each.
#[derive(Debug)]
pub struct ConfigError {
    /// What is wrong, at least one.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

impl Settings {
    /// Reads the settings of this process: file, environment, flags.
    ///
    /// # Errors
    /// Names every key that is unknown or has a bad value, with its line or variable.
    pub fn load(flags: &Flags) -> Result<Self, ConfigError> {
        let file = match &flags.config {
            None => None,
            Some(path) => Some((path.display().to_string(), read_file(path)?)),
        };
        // A variable that is not UTF-8 is none of ours: our names and values are text.
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            Some((name, value.to_string_lossy().into_owned()))
        });
        Self::merge(file.as_ref().map(|(name, text)| (name.as_str(), text.as_str())), variables, flags)
    }

    /// Merges the three layers; pure, so that tests need no files and no environment.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn merge(
        file: Option<(&str, &str)>,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: &Flags,
    ) -> Result<Self, ConfigError> {
        let mut layers = Layers::default();
        if let Some((name, text)) = file {
            layers.add_file(name, text);
        }
        layers.add_env(environment);
        add_flags(&mut layers, flags);
        let settings = Self::read(&mut layers);
        let problems = layers.into_problems();
        if problems.is_empty() { Ok(settings) } else { Err(ConfigError { problems }) }
    }

    fn read(layers: &mut Layers) -> Self {
        let defaults = EngineSettings::for_node(NodeId(0));
        let store = StoreSection::read(layers);
        let outbox_dir = layers.optional("outbox.dir", parse::text).map(PathBuf::from);
        Self {
            server: ServerSettings::read(layers),
            bootstrap: BootstrapSettings::read(layers),
            engine: EngineSection::read(layers, store.is_embedded()),
            sessions: SessionSettings::read(layers, defaults.sessions),
            email: EmailSettings::read(layers, defaults.email),
            sms: SmsSettings::read(layers, defaults.sms),
            webhooks: WebhookSettings::read(layers, defaults.webhook),
            inbound: InboundSettings::read(layers),
            cluster: ClusterSettings::read(layers),
            outbox_dir: outbox_dir.unwrap_or_else(|| store.data_dir.join("outbox")),
            shutdown_deadline: layers.or("shutdown.deadline", Duration::from_secs(20), parse::duration),
            log: LogSettings::read(layers),
            store,
        }
    }

    /// The engine's settings for a node of this name, whose links begin with `public_url`.
    #[must_use]
    pub fn engine_settings(&self, node: NodeId, public_url: String) -> EngineSettings {
        let mut settings = EngineSettings::for_node(node);
        let section = &self.engine;
        if let Some(shards) = section.shards {
            settings.shards = shards;
        }
        settings.lease_ttl = section.lease_ttl;
        settings.active_contacts = section.active_contacts;
        settings.inflight_requests = section.inflight_requests;
        settings.wheel_horizon = section.wheel_horizon;
        settings.wheel_page = section.wheel_page;
        settings.lane_bound = section.lane_bound;
        settings.lanes_total_bound = section.lanes_total_bound;
        settings.permit_ttl = section.permit_ttl;
        settings.retention = section.retention;
        settings.audit_retention = section.audit_retention;
        settings.sessions = self.sessions.terms;
        settings.alert_every = section.alert_every;
        settings.event_ring = section.event_ring;
        settings.email = self.email.delivery;
        settings.sms = self.sms.delivery;
        settings.email_destinations.clone_from(&self.email.destinations);
        settings.sms_destinations.clone_from(&self.sms.destinations);
        settings.webhook = self.webhooks.delivery;
        settings.webhook_reach = self.webhooks.reach;
        settings.system_from = self.email.system_from.clone().unwrap_or_else(|| system_from(&public_url));
        settings.public_url = public_url;
        settings.reply_domain.clone_from(&self.inbound.reply_domain);
        settings.refuse_schedules_at = section.refuse_schedules_at;
        settings.refuse_claims_at = section.refuse_claims_at;
        settings
    }
}

/// Whom the installation writes as when nobody said: `no-reply` at the host that it is reached under.
fn system_from(public_url: &str) -> Mailbox {
    let host = Url::parse(public_url).ok().and_then(|url| url.domain().map(ToOwned::to_owned));
    let at = |domain: &str| EmailAddress::parse(&format!("no-reply@{domain}")).ok();
    let address = host.as_deref().and_then(at).or_else(|| at("localhost")).expect("localhost is a domain");
    Mailbox::new("Sendwheel", address).expect("a plain name")
}

fn add_flags(layers: &mut Layers, flags: &Flags) {
    if let Some(listen) = &flags.listen {
        layers.add_flag("--listen", "server.listen", listen.clone());
    }
    if let Some(data) = &flags.data {
        layers.add_flag("--data", "store.data_dir", data.clone());
        // `--data` alone moves an embedded store with everything else of the node; a Redis stays where it is.
        if flags.store.is_none() && layers.is_embedded_or_unset("store.url") {
            layers.add_flag("--data", "store.url", format!("embedded:{data}"));
        }
    }
    if let Some(store) = &flags.store {
        layers.add_flag("--store", "store.url", store.clone());
    }
}

fn read_file(path: &Path) -> Result<String, ConfigError> {
    let refuse = |what: String| ConfigError {
        problems: vec![Problem { origin: Origin::Flag("--config"), key: String::new(), what }],
    };
    let read = || -> std::io::Result<Option<String>> {
        if std::fs::metadata(path)?.len() > MAX_FILE_BYTES {
            return Ok(None);
        }
        std::fs::read_to_string(path).map(Some)
    };
    match read() {
        Ok(Some(text)) => Ok(text),
        Ok(None) => Err(refuse(format!("{} is larger than 1 MiB: it cannot be a settings file", path.display()))),
        Err(error) => Err(refuse(format!("cannot read {}: {error}", path.display()))),
    }
}
