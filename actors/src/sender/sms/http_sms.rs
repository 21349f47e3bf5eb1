//! Any SMS provider that takes JSON over HTTP: URL, headers and a body template from the settings.
//!
//! The template is checked when the transport is made, so that a broken one stops the start and not the
//! first message. Every value in it is written as JSON (`{"to": {{ to }}}`), so no text can break out.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::http::{self, Answer, Posted};
use crate::domain::clock::SharedClock;
use crate::domain::verdict::{Failure, Verdict};
use crate::sender::transport::{Attempted, Connection, Envelope, Guard, Transport, TransportError};

/// Longest body template, in bytes.
const MAX_TEMPLATE: usize = 64 * 1024;
/// Instructions that one rendering may take.
const FUEL: u64 = 20_000;
const TEMPLATE: &str = "body";

/// How the provider is reached, and what it wants to read.
#[derive(Clone)]
pub struct HttpSmsSettings {
    /// Where messages are posted to.
    pub url: Url,
    /// `POST`, or `PUT` where a provider wants that.
    pub method: Method,
    /// Further headers, such as `Authorization`.
    pub headers: Vec<(String, SecretString)>,
    /// minijinja source of a JSON text; knows `id`, `to`, `from`, `text`, `attempt`, `idempotency_key`.
    pub body_template: String,
    /// RFC 6901 pointer to the provider's id of the message in its answer.
    pub id_pointer: Option<String>,
    /// Requests in flight.
    pub connections: usize,
    /// For TCP and TLS.
    pub connect_timeout: Duration,
    /// For one whole attempt.
    pub attempt_timeout: Duration,
}

impl HttpSmsSettings {
    /// A body that has everything, for providers that can be told what to read.
    pub const DEFAULT_BODY: &str = r#"{"id": {{ id }}, "to": {{ to }}, "from": {{ from }}, "text": {{ text }}}"#;

    /// Settings with every default: POST, 16 requests in flight, 5 s to connect, 20 s for an attempt.
    #[must_use]
    pub fn new(url: Url) -> Self {
        Self {
            url,
            method: Method::POST,
            headers: Vec::new(),
            body_template: Self::DEFAULT_BODY.to_owned(),
            id_pointer: None,
            connections: 16,
            connect_timeout: Duration::from_secs(5),
            attempt_timeout: Duration::from_secs(20),
        }
    }
}

impl fmt::Debug for HttpSmsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Some providers take their key in the URL: only the host is shown.
        f.debug_struct("HttpSmsSettings")
            .field("host", &self.url.host_str())
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}

/// SMS through a provider's JSON API.
#[derive(Debug, Clone)]
pub struct HttpSmsTransport {
    shared: Arc<Shared>,
}

struct Shared {
    settings: HttpSmsSettings,
    headers: HeaderMap,
    templates: Environment<'static>,
    client: Client,
    clock: SharedClock,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(f)
    }
}

impl HttpSmsTransport {
    /// Checks template and headers and sets the client up; connects to nothing yet.
    ///
    /// # Errors
    /// Names the setting that cannot be used.
    pub fn new(settings: HttpSmsSettings, clock: SharedClock) -> Result<Self, TransportError> {
        if !matches!(settings.url.scheme(), "http" | "https") {
            return Err(TransportError::setting("url", "it must be an http or https URL"));
        }
        if settings.method != Method::POST && settings.method != Method::PUT {
            return Err(TransportError::setting("method", "it must be POST or PUT"));
        }
        if settings.id_pointer.as_ref().is_some_and(|pointer| !pointer.starts_with('/')) {
            return Err(TransportError::setting("id_pointer", "a JSON pointer begins with `/`"));
        }
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in &settings.headers {
            let refuse =
                || TransportError::setting("headers", format!("`{name}` is not a header or its value not ASCII"));
            let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refuse())?;
            let mut value = HeaderValue::from_str(value.expose_secret()).map_err(|_| refuse())?;
            value.set_sensitive(true);
            headers.insert(key, value);
        }
        let templates = compile(&settings.body_template)?;
        let client = http::client(settings.connections, settings.connect_timeout, settings.attempt_timeout)?;
        Ok(Self { shared: Arc::new(Shared { settings, headers, templates, client, clock }) })
    }
}

fn compile(source: &str) -> Result<Environment<'static>, TransportError> {
    let refuse = |error: &dyn fmt::Display| TransportError::setting("body_template", error.to_string());
    if source.len() > MAX_TEMPLATE {
        return Err(refuse(&"it is longer than 64 KiB"));
    }
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates.set_fuel(Some(FUEL));
    templates.set_auto_escape_callback(|_| AutoEscape::Json);
    templates.add_template_owned(TEMPLATE, source.to_owned()).map_err(|error| refuse(&error))?;
    let sample = render(&templates, "msg_0", "+12125550123", "+12125550100", "\"quoted\"\n", 1)
        .map_err(|error| refuse(&error))?;
    serde_json::from_slice::<serde::de::IgnoredAny>(&sample).map_err(|error| {
        refuse(&format!("it does not make JSON ({error}); write values bare, as in {{\"to\": {{{{ to }}}}}}"))
    })?;
    Ok(templates)
}

fn render(
    templates: &Environment<'_>,
    id: &str,
    to: &str,
    from: &str,
    text: &str,
    attempt: u16,
) -> Result<Vec<u8>, minijinja::Error> {
    let template = templates.get_template(TEMPLATE)?;
    template.render(context! { id, to, from, text, attempt, idempotency_key => id }).map(String::into_bytes)
}

impl Transport for HttpSmsTransport {
    fn connect(&self) -> Box<dyn Connection> {
        Box::new(HttpSmsConnection(Arc::clone(&self.shared)))
    }
    fn name(&self) -> &'static str {
        "http"
    }
    fn connections(&self) -> usize {
        self.shared.settings.connections.max(1)
    }
    fn attempt_timeout(&self) -> Duration {
        self.shared.settings.attempt_timeout
    }
}

struct HttpSmsConnection(Arc<Shared>);

#[async_trait]
impl Connection for HttpSmsConnection {
    async fn hand_over(&mut self, envelope: &Envelope, guard: &dyn Guard) -> Attempted {
        let shared = &*self.0;
        let (from, to, text) = match http::sms_parts(envelope, "http") {
            Ok(parts) => parts,
            Err(verdict) => return Attempted::Judged(verdict),
        };
        let id = envelope.identity.to_string();
        let body = match render(&shared.templates, &id, &to, &from, &text, envelope.attempt) {
            Ok(body) => body,
            Err(error) => {
                // The kind only: the whole error may quote the message.
                let detail =
                    format!("cannot write the provider's request: {}; check sms.http.body_template", error.kind());
                return Attempted::Judged(Verdict::Permanent(Failure::message("body_template", detail)));
            }
        };
        let settings = &shared.settings;
        let request = shared
            .client
            .request(settings.method.clone(), settings.url.clone())
            .headers(shared.headers.clone())
            .header("Idempotency-Key", &id);
        match http::post(request, body, settings.attempt_timeout, guard, shared.clock.now()).await {
            Posted::Stopped => Attempted::NotStarted,
            Posted::Failed(verdict) => Attempted::Judged(verdict),
            Posted::Answered(answer) => Attempted::Judged(judge(&answer, settings.id_pointer.as_deref())),
        }
    }

    async fn close(&mut self) {}
}

fn judge(answer: &Answer, id_pointer: Option<&str>) -> Verdict {
    let status = answer.status.as_u16();
    // What the provider writes may quote the message: only its status is repeated.
    let reason = answer.status.canonical_reason().unwrap_or("without a reason");
    let detail = format!("the provider answered {status} {reason}");
    http::judge_status(answer, format!("http_{status}"), detail).unwrap_or_else(|| {
        let provider_id = id_pointer.and_then(|pointer| {
            let body: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
            match body.pointer(pointer)? {
                serde_json::Value::String(id) => Some(id.clone()),
                serde_json::Value::Number(id) => Some(id.to_string()),
                _ => None,
            }
        });
        Verdict::Submitted { provider_id: provider_id.filter(|id| id.len() <= 200) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_break_out_of_the_template() {
        let templates =
            compile(r#"{"a": [{{ text }}], "t": {{ to|tojson }}, "n": {{ attempt }}, "k": {{ idempotency_key }}}"#)
                .unwrap();
        let text = "\"}], \"to\": \"evil\\\" {{ id }} \u{2028}</script>";
        let body = render(&templates, "msg_1", "+1", "+2", text, 3).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(value, serde_json::json!({"a": [text], "t": "+1", "n": 3, "k": "msg_1"}));
    }

    #[test]
    fn a_broken_template_is_refused_at_the_start() {
        for source in ["{", "{{ nobody }}", r#"{"to": "{{ to }}"}"#, "{% for a in range(9999) %}{{ a }}{% endfor %}"] {
            assert!(compile(source).is_err(), "{source}");
        }
        compile(HttpSmsSettings::DEFAULT_BODY).unwrap();
    }

    #[test]
    fn the_id_is_found_by_its_pointer() {
        let answer = |body: &'static str| Answer {
            status: reqwest::StatusCode::OK,
            retry_after: None,
            body: bytes::Bytes::from_static(body.as_bytes()),
        };
        for (body, id) in [
            (r#"{"data":[{"id":"x1"}]}"#, Some("x1")),
            (r#"{"data":[{"id":17}]}"#, Some("17")),
            (r#"{"data":[]}"#, None),
            ("not json", None),
        ] {
            let provider_id = id.map(str::to_owned);
            assert_eq!(judge(&answer(body), Some("/data/0/id")), Verdict::Submitted { provider_id });
        }
    }
}
