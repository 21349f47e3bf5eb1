//! What every handler shares: the engine's handle, the edge's bounds, and the metrics to show.

use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::SecretString;
use sendwheel_actors::engine::Engine;

use crate::config::Network;
use crate::inbound::twilio_signature::TwilioVerifier;

/// Every bound and knob of the HTTP edge.
///
/// The server around it bounds what comes before a handler: `client_request_timeout` (10 s) for the
/// request head, `keep_alive` (75 s), `client_disconnect_timeout` (5 s), `max_connections`.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    /// Base of links to this installation: `https://host`, without a trailing slash.
    pub public_url: String,
    /// Bytes of a JSON body.
    pub json_bytes: usize,
    /// Bytes of a body that may carry attachments, or a batch.
    pub large_bytes: usize,
    /// Bytes of all bodies over 256 KiB that may be in memory at once; more are refused with 429.
    pub large_bodies_bytes: usize,
    /// How long a body may take to arrive (streamed imports: 30 s between two pieces).
    pub body_timeout: Duration,
    /// Lines of a batch.
    pub batch_lines: usize,
    /// Lines of a batch, or rows of an import, that are under way at once.
    pub lines_in_flight: usize,
    /// Bytes of a row of an import.
    pub import_row_bytes: usize,
    /// Rows of an import.
    pub import_rows: u64,
    /// Bytes of results of an import kept for a caller that does not read them yet.
    pub import_results_bytes: usize,
    /// Listeners to events at once; more are refused with 429.
    pub event_listeners: usize,
    /// What a mail server shows to bring mail for every account.
    pub inbound_token: Option<SecretString>,
    /// Bytes of a mail that comes in.
    pub inbound_bytes: usize,
    /// Checks what Twilio signs; none: its callbacks are refused.
    pub twilio: Option<TwilioVerifier>,
    /// Proxies that are believed when they say where a request came from.
    pub trusted_proxies: Vec<Network>,
    /// From where mail scanners load pictures and follow links.
    pub scanners: Vec<Network>,
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            public_url: "http://127.0.0.1:8080".into(),
            json_bytes: 256 * 1024,
            large_bytes: 16 * 1024 * 1024,
            large_bodies_bytes: 256 * 1024 * 1024,
            body_timeout: Duration::from_secs(60),
            batch_lines: 10_000,
            lines_in_flight: 512,
            import_row_bytes: 64 * 1024,
            import_rows: 1_000_000,
            import_results_bytes: 32 * 1024 * 1024,
            event_listeners: 1_000,
            inbound_token: None,
            inbound_bytes: 25 * 1024 * 1024,
            twilio: None,
            trusted_proxies: Vec::new(),
            scanners: Vec::new(),
        }
    }
}

/// What the routes are mounted with.
#[derive(Debug, Clone)]
pub struct ApiState {
    /// The engine.
    pub engine: Engine,
    /// The edge's bounds.
    pub settings: ApiSettings,
    /// What `/metrics` shows.
    pub metrics: PrometheusHandle,
}
