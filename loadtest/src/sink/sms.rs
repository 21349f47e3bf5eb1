//! An SMS provider that records every request, and answers by a script.
//!
//! It speaks Twilio's Messages API (form in, JSON out, <https://www.twilio.com/docs/messaging/api>) and
//! a generic JSON one (`POST` anywhere else, an object with `to`, `from` and `body` or `text`). What it
//! took is recorded before the answer goes out, so that a connection that dies in between leaves a
//! message taken, and a client that does not know.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use serde_json::{Value, json};

use super::http::{Answer, Handler, HttpSink, Reply, Request};
use super::listen::Gate;
use super::plan::{Plan, Rule};
use super::record::Record;
use crate::wall;

/// The account that the Twilio side knows.
pub const TWILIO_SID: &str = "AC00000000000000000000000000000001";
/// Its token.
pub const TWILIO_TOKEN: &str = "sink-token";

/// The one step of an SMS request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Submit;

/// What the sink does instead of taking the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Refuses it.
    Refuse {
        /// HTTP status.
        status: u16,
        /// The provider's own error code.
        code: u32,
        /// Seconds for the `Retry-After` header.
        retry_after: Option<u32>,
    },
    /// Closes without an answer; nothing is taken.
    Close,
    /// Takes it, and closes without an answer.
    TakeAndClose,
    /// Never answers; nothing is taken.
    Hang,
    /// Takes it, and never answers.
    TakeAndHang,
}

/// Which API a request used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// Twilio's Messages API.
    Twilio,
    /// The generic JSON one.
    Json,
}

/// A request that came.
#[derive(Debug, Clone)]
pub struct Sms {
    /// Which API it used.
    pub provider: Provider,
    /// Recipient.
    pub to: String,
    /// Sender.
    pub from: String,
    /// Text.
    pub body: String,
    /// The key under which a repeated request can be known, where one was given.
    pub idempotency_key: Option<String>,
    /// Every field of the form or object, as text.
    pub fields: BTreeMap<String, String>,
    /// Which connection it came on, counted from 1.
    pub connection: u64,
    /// When its first line had come: the start of the hand-over, milliseconds since 1970.
    pub started_at_ms: i64,
    /// When it had come whole.
    pub ended_at_ms: i64,
    /// Whether the sink took it (and answered so, if it answered at all).
    pub taken: bool,
    /// The id that the sink gave or would have given it.
    pub provider_id: String,
}

struct Shared {
    plan: Mutex<Plan<Submit, Act>>,
    requests: Record<Sms>,
}

/// A running SMS sink.
pub struct SmsSink {
    http: HttpSink,
    shared: Arc<Shared>,
}

impl SmsSink {
    /// Starts a sink on a free port that keeps at most `keep` requests.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(keep: usize) -> io::Result<Self> {
        let shared = Arc::new(Shared { plan: Mutex::default(), requests: Record::with_limit(keep) });
        let handler: Arc<Handler> = {
            let shared = Arc::clone(&shared);
            Arc::new(move |request| handle(&shared, request))
        };
        Ok(Self { http: HttpSink::start(handler).await?, shared })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.http.address()
    }

    /// The address as the settings `sms.twilio.base_url` and `sms.http.url` take it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Every request that came with the right credentials.
    #[must_use]
    pub fn requests(&self) -> &Record<Sms> {
        &self.shared.requests
    }

    /// Adds a scripted answer.
    pub fn add(&self, rule: Rule<Submit, Act>) {
        self.shared.plan.lock().unwrap_or_else(PoisonError::into_inner).add(rule);
    }

    /// Ends every scripted answer.
    pub fn behave(&self) {
        self.shared.plan.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Opens or shuts the door.
    pub fn set_gate(&self, gate: Gate) {
        self.http.set_gate(gate);
    }

    /// Closes every open connection.
    pub fn cut_all(&self) {
        self.http.cut_all();
    }
}

fn error_reply(provider: Provider, status: u16, code: u32, retry_after: Option<u32>) -> Reply {
    let mut reply = match provider {
        Provider::Twilio => Reply::json(
            status,
            &json!({
                "code": code,
                "message": "refused by the sink's script",
                "more_info": format!("https://www.twilio.com/docs/errors/{code}"),
                "status": status,
            }),
        ),
        Provider::Json => Reply::json(status, &json!({"error": {"code": code, "message": "refused by script"}})),
    };
    if let Some(seconds) = retry_after {
        reply.headers.push(("Retry-After".to_owned(), seconds.to_string()));
    }
    reply
}

fn is_twilio_authorized(request: &Request) -> bool {
    let expected = base64::engine::general_purpose::STANDARD.encode(format!("{TWILIO_SID}:{TWILIO_TOKEN}"));
    request.header("authorization").and_then(|value| value.strip_prefix("Basic ")) == Some(expected.as_str())
}

/// The fields of a form or of a flat JSON object, as text.
fn fields_of(provider: Provider, body: &[u8]) -> Option<BTreeMap<String, String>> {
    match provider {
        Provider::Twilio => Some(
            url::form_urlencoded::parse(body).map(|(name, value)| (name.into_owned(), value.into_owned())).collect(),
        ),
        Provider::Json => {
            let Value::Object(object) = serde_json::from_slice(body).ok()? else { return None };
            let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            Some(object.into_iter().map(|(name, value)| (name, text(value))).collect())
        }
    }
}

fn handle(shared: &Shared, request: &Request) -> (std::time::Duration, Answer) {
    let now = |reply| (std::time::Duration::ZERO, Answer::Reply(reply));
    let twilio_path = format!("/2010-04-01/Accounts/{TWILIO_SID}/Messages.json");
    let provider = if request.target.starts_with("/2010-04-01/") { Provider::Twilio } else { Provider::Json };
    if request.method != "POST" {
        return now(error_reply(provider, 405, 20004, None));
    }
    if provider == Provider::Twilio && !is_twilio_authorized(request) {
        return now(error_reply(provider, 401, 20003, None));
    }
    if provider == Provider::Twilio && request.target != twilio_path {
        return now(error_reply(provider, 404, 20404, None));
    }
    let Some(fields) = fields_of(provider, &request.body) else { return now(error_reply(provider, 400, 20001, None)) };
    let field = |names: &[&str]| names.iter().find_map(|&name| fields.get(name)).cloned().unwrap_or_default();
    let number = shared.requests.count() + 1;
    let mut sms = Sms {
        provider,
        to: field(&["To", "to"]),
        from: field(&["From", "from"]),
        body: field(&["Body", "body", "text"]),
        idempotency_key: request
            .header("idempotency-key")
            .or_else(|| request.header("i-twilio-idempotency-token"))
            .map(str::to_owned)
            .or_else(|| fields.get("idempotency_key").cloned()),
        connection: request.connection,
        started_at_ms: request.started_at_ms,
        ended_at_ms: wall::now_ms(),
        taken: true,
        provider_id: format!("SM{number:032x}"),
        fields,
    };
    if sms.to.is_empty() || sms.from.is_empty() || sms.body.is_empty() {
        return now(error_reply(provider, 400, 21604, None));
    }
    let decision =
        shared.plan.lock().unwrap_or_else(PoisonError::into_inner).decide(&Submit, std::slice::from_ref(&sms.to));
    let (is_taken, answer) = match decision.act {
        None => (true, Answer::Reply(success(&sms))),
        Some(Act::Refuse { status, code, retry_after }) => {
            (false, Answer::Reply(error_reply(provider, status, code, retry_after)))
        }
        Some(Act::Close) => (false, Answer::Close),
        Some(Act::TakeAndClose) => (true, Answer::Close),
        Some(Act::Hang) => (false, Answer::Hang),
        Some(Act::TakeAndHang) => (true, Answer::Hang),
    };
    sms.taken = is_taken;
    shared.requests.push(sms);
    (decision.delay, answer)
}

fn success(sms: &Sms) -> Reply {
    match sms.provider {
        Provider::Json => Reply::json(202, &json!({"id": sms.provider_id, "status": "accepted"})),
        Provider::Twilio => Reply::json(
            201,
            &json!({
                "account_sid": TWILIO_SID,
                "api_version": "2010-04-01",
                "body": sms.body,
                "date_created": wall::rfc2822(sms.ended_at_ms),
                "date_updated": wall::rfc2822(sms.ended_at_ms),
                "date_sent": null,
                "direction": "outbound-api",
                "error_code": null,
                "error_message": null,
                "from": sms.from,
                "messaging_service_sid": null,
                "num_media": "0",
                "num_segments": "1",
                "price": null,
                "price_unit": null,
                "sid": sms.provider_id,
                "status": "queued",
                "to": sms.to,
                "uri": format!("/2010-04-01/Accounts/{TWILIO_SID}/Messages/{}.json", sms.provider_id),
            }),
        ),
    }
}

#[cfg(test)]
#[path = "sms_tests.rs"]
mod tests;
