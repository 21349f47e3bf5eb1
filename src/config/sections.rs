//! The sections of the settings as types. Each knows how to read itself from the layers; `default.toml`
//! says what every key means.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sendwheel_actors::domain::address::EmailAddress;
use sendwheel_actors::domain::directory::{Limit, SessionTerms};
use sendwheel_actors::domain::egress::Reach;
use sendwheel_actors::domain::ids::{MAX_PARTITIONS, PartitionCount};
use sendwheel_actors::engine::settings::{DeliverySettings, UncertainPolicy};

use super::layers::Layers;
use super::network::Network;
use super::parse::{self, SecretUrl};
use crate::inbound::lmtp::LmtpAddress;

const DAY: Duration = Duration::from_secs(86_400);
const UNCERTAIN: &[(&str, UncertainPolicy)] = &[("resend", UncertainPolicy::Resend), ("hold", UncertainPolicy::Hold)];

/// `[server]`.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What the outside reaches this node under, if it was set.
    pub public_url: Option<String>,
    /// HTTP worker threads.
    pub workers: usize,
    /// Connections at once, over all workers.
    pub max_connections: usize,
    /// Time for a request's head.
    pub request_timeout: Duration,
    /// Time that an idle connection is kept.
    pub keep_alive: Duration,
    /// Bytes of a JSON body.
    pub max_json: u64,
    /// Bytes of a body with attachments, or of a batch.
    pub max_large: u64,
    /// Rows of an import.
    pub max_import_rows: u64,
    /// Listeners to events at once.
    pub event_listeners: usize,
    /// Who may say on whose behalf a request comes.
    pub trusted_proxies: Vec<Network>,
}

impl ServerSettings {
    pub(super) fn read(layers: &mut Layers) -> Self {
        let processors = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self {
            listen: layers.or("server.listen", SocketAddr::from(([127, 0, 0, 1], 8080)), parse::socket_address),
            public_url: layers.optional("server.public_url", parse::http_url),
            workers: layers.or("server.workers", (processors / 2).max(2), parse::number(1, 256)),
            max_connections: layers.or("server.max_connections", 10_000, parse::number(10, 1_000_000)),
            request_timeout: layers.or("server.request_timeout", Duration::from_secs(10), parse::positive_duration),
            keep_alive: layers.or("server.keep_alive", Duration::from_secs(75), parse::positive_duration),
            max_json: layers.or("server.max_json", 256 << 10, parse::bytes_within(1 << 10, 16 << 20)),
            max_large: layers.or("server.max_large", 16 << 20, parse::bytes_within(1 << 10, 256 << 20)),
            max_import_rows: layers.or("server.max_import_rows", 1_000_000, parse::number(1, 1_000_000_000)),
            event_listeners: layers.or("server.event_listeners", 1_000, parse::number(1, 1_000_000)),
            trusted_proxies: layers.or("server.trusted_proxies", Vec::new(), parse::networks),
        }
    }

    /// The URL of this node as seen from outside, given the address it really listens on.
    #[must_use]
    pub fn public_url_at(&self, bound: SocketAddr) -> String {
        self.public_url.clone().unwrap_or_else(|| {
            let reachable = match bound.ip() {
                ip if !ip.is_unspecified() => bound,
                std::net::IpAddr::V4(_) => SocketAddr::from(([127, 0, 0, 1], bound.port())),
                std::net::IpAddr::V6(_) => SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, bound.port())),
            };
            format!("http://{reachable}")
        })
    }
}

/// `[inbound]`.
#[derive(Debug, Clone)]
pub struct InboundSettings {
    /// The domain of signed reply addresses.
    pub reply_domain: Option<String>,
    /// What a mail server shows at `/inbound/email`.
    pub token: Option<SecretString>,
    /// Where mail servers deliver straight in.
    pub lmtp: Option<LmtpAddress>,
    /// Bytes of a mail.
    pub max_mail: u64,
}

impl InboundSettings {
    pub(super) fn read(layers: &mut Layers) -> Self {
        let token = layers.secret("inbound.token");
        if token.as_ref().is_some_and(|token| token.expose_secret().len() < 32) {
            layers.refuse("inbound.token", "expected at least 32 characters");
        }
        Self {
            reply_domain: layers.optional("inbound.reply_domain", parse::mail_domain),
            token,
            lmtp: layers.optional("inbound.lmtp", parse::lmtp_address),
            max_mail: layers.or("inbound.max_mail", 25 << 20, parse::bytes_within(1 << 10, 25 << 20)),
        }
    }
}

/// `[store]`.
#[derive(Debug, Clone)]
pub struct StoreSection {
    /// `embedded:DIR`, `redis://…` or `redis-cluster://…`.
    pub url: SecretUrl,
    /// This node's own folder.
    pub data_dir: PathBuf,
    /// Partitions of a new store.
    pub partitions: PartitionCount,
    /// Embedded: whether a commit waits for the disk.
    pub fsync: bool,
    /// Embedded: bytes of a memtable.
    pub memtable: u64,
    /// Embedded: bytes of journals before memtables are written out.
    pub journal: u64,
    /// Embedded: bytes of block cache.
    pub cache: u64,
    /// Embedded: bytes on disk.
    pub max_bytes: Option<u64>,
    /// Redis.
    pub connect_timeout: Duration,
    /// Redis.
    pub response_timeout: Duration,
    /// Redis: replicas that must have a commit.
    pub wait_replicas: u32,
    /// Redis: how long they may take.
    pub wait_timeout: Duration,
}

impl StoreSection {
    pub(super) fn read(layers: &mut Layers) -> Self {
        const DEFAULT_DIR: &str = "./sendwheel-data";
        let given_dir = layers.optional("store.data_dir", parse::text);
        let url = layers.secret("store.url").map(|url| url.expose_secret().to_owned());
        if url.as_deref().is_some_and(|url| !is_store_url(url)) {
            layers
                .refuse("store.url", "expected embedded:DIR, redis://host:port or redis-cluster://host:port,host:port");
        }
        let embedded_dir = |url: &str| url.strip_prefix("embedded:").map(ToOwned::to_owned);
        let (url, data_dir) = match (url, given_dir) {
            (None, None) => (format!("embedded:{DEFAULT_DIR}"), DEFAULT_DIR.into()),
            (None, Some(dir)) => (format!("embedded:{dir}"), dir),
            (Some(url), Some(dir)) => (url, dir),
            (Some(url), None) => {
                let dir = embedded_dir(&url).unwrap_or_else(|| DEFAULT_DIR.into());
                (url, dir)
            }
        };
        Self {
            url: SecretUrl::new(&url),
            data_dir: data_dir.into(),
            partitions: layers.or("store.partitions", PartitionCount::DEFAULT, partitions),
            fsync: layers.or("store.fsync", true, parse::boolean),
            memtable: layers.or("store.memtable", 16 << 20, parse::bytes_within(4 << 20, 64 << 20)),
            journal: layers.or("store.journal", 128 << 20, parse::bytes_within(64 << 20, 1 << 40)),
            cache: layers.or("store.cache", 64 << 20, parse::bytes),
            max_bytes: layers.optional("store.max_bytes", parse::bytes),
            connect_timeout: layers.or("store.connect_timeout", Duration::from_secs(2), parse::positive_duration),
            response_timeout: layers.or("store.response_timeout", Duration::from_secs(2), parse::positive_duration),
            wait_replicas: layers.or("store.wait_replicas", 0, parse::number(0, 16)),
            wait_timeout: layers.or("store.wait_timeout", Duration::from_millis(500), parse::positive_duration),
        }
    }

    /// Whether the store is the one in this process.
    #[must_use]
    pub fn is_embedded(&self) -> bool {
        self.url.expose().starts_with("embedded:")
    }
}

fn partitions(text: &str) -> Result<PartitionCount, String> {
    let count = text.parse().ok().and_then(PartitionCount::new);
    count.ok_or_else(|| format!("expected a number from 1 to {MAX_PARTITIONS}"))
}

fn is_store_url(text: &str) -> bool {
    let schemes = ["embedded:", "redis://", "rediss://", "redis-cluster://"];
    schemes.iter().any(|scheme| text.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()))
}

/// `[bootstrap]`: used once, on an empty store.
#[derive(Debug, Clone)]
pub struct BootstrapSettings {
    /// The first admin's sign-in.
    pub admin_email: EmailAddress,
    /// Their password; made when absent.
    pub admin_password: Option<SecretString>,
    /// The first API key; made when absent.
    pub api_key: Option<SecretString>,
    /// The first account's name.
    pub account: String,
    /// The first account's IANA zone, checked by the engine.
    pub time_zone: String,
}

impl BootstrapSettings {
    pub(super) fn read(layers: &mut Layers) -> Self {
        let admin_password = layers.secret("bootstrap.admin_password");
        if admin_password.as_ref().is_some_and(|password| password.expose_secret().chars().count() < 8) {
            layers.refuse("bootstrap.admin_password", "expected 8 characters or more");
        }
        let api_key = layers.secret("bootstrap.api_key");
        if api_key.as_ref().is_some_and(|key| !is_api_key(key.expose_secret())) {
            layers.refuse("bootstrap.api_key", "expected 32 to 200 visible characters, beginning with sw_");
        }
        let default_email = EmailAddress::parse("admin@localhost").expect("a constant address parses");
        Self {
            admin_email: layers.or("bootstrap.admin_email", default_email, EmailAddress::parse),
            admin_password,
            api_key,
            account: layers.or("bootstrap.account", "Default".into(), parse::text),
            time_zone: layers.or("bootstrap.time_zone", "UTC".into(), parse::text),
        }
    }
}

fn is_api_key(text: &str) -> bool {
    text.starts_with("sw_") && (32..=200).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// `[engine]`: what was set; the engine's own defaults stand for the rest.
#[derive(Debug, Clone)]
pub struct EngineSection {
    /// Shard threads, if set.
    pub shards: Option<usize>,
    /// Contacts in memory per shard.
    pub active_contacts: usize,
    /// Requests under way per shard.
    pub inflight_requests: usize,
    /// How far ahead the wheel holds tickets.
    pub wheel_horizon: Duration,
    /// Tickets read at once.
    pub wheel_page: usize,
    /// Tickets in memory per lane and class.
    pub lane_bound: usize,
    /// Tickets in memory over all lanes of a channel.
    pub lanes_total_bound: usize,
    /// Oldest permit that is used.
    pub permit_ttl: Duration,
    /// How long a lease lasts.
    pub lease_ttl: Duration,
    /// How long settled messages stay.
    pub retention: Duration,
    /// How long the audit trail goes back.
    pub audit_retention: Duration,
    /// How often people are told what needs attention, at most.
    pub alert_every: Duration,
    /// Events per account.
    pub event_ring: usize,
    /// Share of the budget from which schedules are refused.
    pub refuse_schedules_at: f64,
    /// Share of the budget from which claims are refused.
    pub refuse_claims_at: f64,
}

impl EngineSection {
    pub(super) fn read(layers: &mut Layers, is_embedded: bool) -> Self {
        let section = Self {
            shards: layers.optional("engine.shards", parse::number(1, 256)),
            active_contacts: layers.or("engine.active_contacts", 20_000, parse::number(100, 10_000_000)),
            inflight_requests: layers.or("engine.inflight_requests", 50_000, parse::number(100, 10_000_000)),
            wheel_horizon: layers.or("engine.wheel_horizon", Duration::from_secs(30), parse::positive_duration),
            wheel_page: layers.or("engine.wheel_page", 2_048, parse::number(16, 100_000)),
            lane_bound: layers.or("engine.lane_bound", 100_000, parse::number(10, 10_000_000)),
            lanes_total_bound: layers.or("engine.lanes_total_bound", 500_000, parse::number(100, 100_000_000)),
            permit_ttl: layers.or("engine.permit_ttl", Duration::from_millis(250), parse::positive_duration),
            lease_ttl: layers.or("engine.lease_ttl", Duration::from_secs(10), parse::positive_duration),
            retention: layers.or("engine.retention", DAY * if is_embedded { 90 } else { 7 }, parse::positive_duration),
            audit_retention: layers.or("engine.audit_retention", DAY * 365, parse::positive_duration),
            alert_every: layers.or("engine.alert_every", Duration::from_secs(300), parse::positive_duration),
            event_ring: layers.or("engine.event_ring", 10_000, parse::number(1, 1_000_000)),
            refuse_schedules_at: layers.or("engine.refuse_schedules_at", 0.80, parse::number(0.01, 1.0)),
            refuse_claims_at: layers.or("engine.refuse_claims_at", 0.95, parse::number(0.01, 1.0)),
        };
        if section.refuse_claims_at < section.refuse_schedules_at {
            layers.refuse("engine.refuse_claims_at", "expected at least as much as engine.refuse_schedules_at");
        }
        if section.lease_ttl < Duration::from_secs(2) {
            layers.refuse("engine.lease_ttl", "expected 2s or more: renewals need time to arrive");
        }
        section
    }
}

/// Reads what both channels have: uncertain, retries, limit.
pub(super) fn delivery(layers: &mut Layers, section: &str, default: DeliverySettings) -> DeliverySettings {
    let key = |name: &str| format!("{section}.{name}");
    let delivery = DeliverySettings {
        uncertain: layers.or(&key("uncertain"), default.uncertain, parse::word(UNCERTAIN)),
        retry_base: layers.or(&key("retry_base"), default.retry_base, parse::positive_duration),
        retry_cap: layers.or(&key("retry_cap"), default.retry_cap, parse::positive_duration),
        max_attempts: layers.or(&key("max_attempts"), default.max_attempts, parse::number(1, 1_000)),
        channel_limit: limit(layers, &key("limit")),
    };
    if delivery.retry_cap < delivery.retry_base {
        layers.refuse(&key("retry_cap"), format!("expected at least as much as {}", key("retry_base")));
    }
    delivery
}

/// A limit, if anything of it is set.
pub(super) fn limit(layers: &mut Layers, section: &str) -> Option<Limit> {
    if !layers.has(section) {
        return None;
    }
    let key = |name: &str| format!("{section}.{name}");
    let is_named = layers.has(&key("rate"));
    let rate = layers.optional(&key("rate"), parse::number(1_u32, 1_000_000));
    let per = layers.or(&key("per"), Duration::from_secs(1), parse::positive_duration);
    let burst = layers.or(&key("burst"), rate.unwrap_or(1), parse::number(1, 1_000_000));
    if !is_named {
        layers.refuse(&key("rate"), "a limit needs a rate");
    }
    rate.map(|rate| Limit { rate, per, burst })
}

/// `[webhooks]`.
#[derive(Debug, Clone, Copy)]
pub struct WebhookSettings {
    /// Where they may go.
    pub reach: Reach,
    /// Retries.
    pub delivery: DeliverySettings,
}

impl WebhookSettings {
    pub(super) fn read(layers: &mut Layers, default: DeliverySettings) -> Self {
        let is_anywhere = layers.or("webhooks.allow_private", false, parse::boolean);
        let delivery = DeliverySettings {
            retry_base: layers.or("webhooks.retry_base", default.retry_base, parse::positive_duration),
            retry_cap: layers.or("webhooks.retry_cap", default.retry_cap, parse::positive_duration),
            max_attempts: layers.or("webhooks.max_attempts", default.max_attempts, parse::number(1, 1_000)),
            ..default
        };
        if delivery.retry_cap < delivery.retry_base {
            layers.refuse("webhooks.retry_cap", "expected at least as much as webhooks.retry_base");
        }
        Self { reach: if is_anywhere { Reach::Anywhere } else { Reach::Public }, delivery }
    }
}

/// `[sessions]`.
#[derive(Debug, Clone, Copy)]
pub struct SessionSettings {
    /// How long they last.
    pub terms: SessionTerms,
}

impl SessionSettings {
    pub(super) fn read(layers: &mut Layers, default: SessionTerms) -> Self {
        let terms = SessionTerms {
            idle: layers.or("sessions.idle", default.idle, parse::positive_duration),
            lifetime: layers.or("sessions.lifetime", default.lifetime, parse::positive_duration),
        };
        if terms.idle < Duration::from_secs(60) {
            layers.refuse("sessions.idle", "expected 1m or more: a page that is being read must not sign out");
        }
        if terms.lifetime < terms.idle {
            layers.refuse("sessions.lifetime", "expected at least as much as sessions.idle");
        }
        Self { terms }
    }
}

/// `[cluster]`.
#[derive(Debug, Clone)]
pub struct ClusterSettings {
    /// How other nodes reach this one, if it was set.
    pub advertise_url: Option<String>,
    /// What nodes prove to each other.
    pub secret: Option<SecretString>,
    /// This node's name, if it was set.
    pub node_id: Option<String>,
}

impl ClusterSettings {
    pub(super) fn read(layers: &mut Layers) -> Self {
        let secret = layers.secret("cluster.secret");
        if secret.as_ref().is_some_and(|secret| secret.expose_secret().len() < 32) {
            layers.refuse("cluster.secret", "expected 32 characters or more");
        }
        Self {
            advertise_url: layers.optional("cluster.advertise_url", parse::http_url),
            secret,
            node_id: layers.optional("cluster.node_id", parse::text),
        }
    }
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines, one object a line.
    Json,
}

/// `[log]`.
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// Its form.
    pub format: LogFormat,
    /// A level, or `tracing` directives.
    pub level: String,
}

impl LogSettings {
    pub(super) fn read(layers: &mut Layers) -> Self {
        let directives = |text: &str| match text.parse::<tracing_subscriber::EnvFilter>() {
            Ok(_) => Ok(text.to_owned()),
            Err(_) => Err(
                r#"expected a level (error, warn, info, debug, trace) or directives such as "warn,sendwheel=debug""#,
            ),
        };
        let formats = &[("text", LogFormat::Text), ("json", LogFormat::Json)];
        Self {
            format: layers.or("log.format", LogFormat::Text, parse::word(formats)),
            level: layers.or("log.level", "info,actix_server=warn".into(), directives),
        }
    }
}

/// A table of header names and values.
pub type Headers = BTreeMap<String, SecretString>;
