//! A thin client of the `/v1` API, as a program of a user would have it.
//!
//! An answer that never came is its own error ([`ClientError::NoAnswer`]): the request may have been
//! carried out. The journal of a run must keep that apart from a refusal.

mod events;
mod metrics;
mod wire;

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

pub use events::{Event, EventStream};
pub use metrics::Metrics;
pub use wire::Wire;

/// Why a request did not give what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The server answered that it will not. Nothing was changed.
    #[error("refused with {status} {code}: {detail}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The problem's stable `code`, or nothing if the answer was no problem document.
        code: String,
        /// What it said.
        detail: String,
        /// Seconds of the `Retry-After` header.
        retry_after: Option<u64>,
    },
    /// No whole answer came: the request may have been carried out.
    #[error("no answer: {0}")]
    NoAnswer(String),
    /// The answer is not what the contract says.
    #[error("answer outside the contract: {0}")]
    Malformed(String),
}

impl ClientError {
    /// The HTTP status of a refusal.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            Self::NoAnswer(_) | Self::Malformed(_) => None,
        }
    }

    /// Whether the same request may succeed a little later: no answer, one that came before the request was read (408),
    /// 429 or 503.
    #[must_use]
    pub const fn is_worth_repeating(&self) -> bool {
        matches!(self, Self::NoAnswer(_) | Self::Refused { status: 408 | 429 | 502 | 503 | 504, .. })
    }
}

impl From<reqwest::Error> for ClientError {
    fn from(error: reqwest::Error) -> Self {
        if error.is_decode() && !error.is_timeout() {
            return Self::Malformed(format!("{error:?}"));
        }
        Self::NoAnswer(format!("{error:?}"))
    }
}

/// The result of a request.
pub type Answered<T> = Result<T, ClientError>;

/// A message as the API shows it. Fields that the harness does not judge stay in `rest`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MessageView {
    /// `msg_…`
    pub id: String,
    /// `contact_…`
    #[serde(default)]
    pub contact_id: String,
    /// State name.
    pub state: String,
    /// Version for `If-Match`.
    #[serde(default)]
    pub version: Value,
    /// Due time, RFC 3339.
    #[serde(default)]
    pub due_at: Option<String>,
    /// Attempts as shown: a list of objects, or their number.
    #[serde(default)]
    pub attempts: Value,
    /// Everything else.
    #[serde(flatten)]
    pub rest: serde_json::Map<String, Value>,
}

impl MessageView {
    /// How many attempts it shows.
    #[must_use]
    pub fn attempt_count(&self) -> usize {
        match &self.attempts {
            Value::Array(list) => list.len(),
            other => other.as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or(0),
        }
    }

    /// How many attempts it shows whose outcome nobody knows; nothing if it shows only their number.
    #[must_use]
    pub fn unknown_attempts(&self) -> Option<usize> {
        let list = self.attempts.as_array()?;
        let is_unknown = |attempt: &&Value| matches!(attempt["outcome"].as_str(), Some("unknown" | "uncertain"));
        Some(list.iter().filter(is_unknown).count())
    }
}

/// What a cancel came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelOutcome {
    /// It will not be handed over.
    Canceled,
    /// It was claimed or sent before; no further attempt is made.
    AlreadyHandedOver,
}

/// One line of a batch's answer.
#[derive(Debug, Clone, Deserialize)]
pub struct BatchLine {
    /// The status that a single request would have had.
    pub status: u16,
    /// The message, where it was made.
    #[serde(default)]
    pub message: Option<MessageView>,
    /// The problem, where it was not.
    #[serde(default)]
    pub problem: Option<Value>,
}

/// One line of an import's answer.
#[derive(Debug, Clone, Deserialize)]
pub struct ImportLine {
    /// Which row, counted by the server.
    pub row: u64,
    /// `created`, `updated` or `refused`.
    pub outcome: String,
    /// The contact, unless refused.
    #[serde(default)]
    pub id: Option<String>,
    /// Why it was refused.
    #[serde(default)]
    pub errors: Value,
}

/// An HTTP client with the harness's TLS provider and a timeout for every request.
///
/// # Panics
/// When the client cannot be built, which depends on nothing but this program.
#[must_use]
pub fn http_client(timeout: Duration) -> reqwest::Client {
    // A second installation is refused, and changes nothing.
    let _already = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .timeout(timeout)
        .tcp_nodelay(true)
        .no_proxy()
        .build()
        .expect("the builder holds no setting that can fail")
}

/// A client of one node.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    key: String,
}

impl Client {
    /// A client of the node at `base` (`http://host:port`) with an API key.
    #[must_use]
    pub fn new(base: &str, key: &str) -> Self {
        Self::with_timeout(base, key, Duration::from_secs(60))
    }

    /// The same with another limit for each request.
    #[must_use]
    pub fn with_timeout(base: &str, key: &str, timeout: Duration) -> Self {
        Self { http: http_client(timeout), base: base.trim_end_matches('/').to_owned(), key: key.to_owned() }
    }

    /// Where the node is.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// A connection of its own to the same node, for as many requests a second as there can be.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn wire(&self) -> Answered<Wire> {
        Wire::connect(self.base.trim_start_matches("http://"), &self.key).await
    }

    /// A request to `path` with the API key, for what has no method here.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.key)
    }

    async fn checked(request: RequestBuilder) -> Answered<Response> {
        let response = request.send().await?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let body = response.text().await.unwrap_or_default();
        let problem: Value = serde_json::from_str(&body).unwrap_or_default();
        let code = problem["code"].as_str().unwrap_or_default().to_owned();
        Err(ClientError::Refused { status, code, detail: body.chars().take(500).collect(), retry_after })
    }

    async fn json<T: DeserializeOwned>(request: RequestBuilder) -> Answered<T> {
        let text = Self::checked(request).await?.text().await?;
        serde_json::from_str(&text).map_err(|error| ClientError::Malformed(format!("{error} in {text}")))
    }

    async fn ndjson<T: DeserializeOwned>(request: RequestBuilder) -> Answered<Vec<T>> {
        let text = Self::checked(request).await?.text().await?;
        text.lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| {
                serde_json::from_str(line).map_err(|error| ClientError::Malformed(format!("{error} in {line}")))
            })
            .collect()
    }

    /// `GET path` as JSON.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn get(&self, path: &str) -> Answered<Value> {
        Self::json(self.request(Method::GET, path)).await
    }

    /// `POST path` with a JSON body, answered with JSON.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn post(&self, path: &str, body: &Value) -> Answered<Value> {
        Self::json(self.request(Method::POST, path).json(body)).await
    }

    /// Whether `/readyz` says that schedules are accepted.
    pub async fn is_ready(&self) -> bool {
        let request = self.request(Method::GET, "/readyz").timeout(Duration::from_secs(2));
        request.send().await.is_ok_and(|response| response.status() == StatusCode::OK)
    }

    /// A snapshot of `/metrics`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn metrics(&self) -> Answered<Metrics> {
        Ok(Metrics::parse(&Self::checked(self.request(Method::GET, "/metrics")).await?.text().await?))
    }

    /// Creates a contact and gives its id.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn create_contact(&self, contact: &Value) -> Answered<String> {
        id_of(&self.post("/v1/contacts", contact).await?)
    }

    /// Deletes a contact and gives the number of messages that were cancelled with it.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn delete_contact(&self, id: &str) -> Answered<u64> {
        let answer: Value = Self::json(self.request(Method::DELETE, &format!("/v1/contacts/{id}"))).await?;
        answer["canceled"].as_u64().ok_or_else(|| ClientError::Malformed(answer.to_string()))
    }

    /// Imports contacts, one JSON object a row.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn import(&self, rows: &[Value]) -> Answered<Vec<ImportLine>> {
        let request = self.request(Method::POST, "/v1/contacts:import");
        Self::ndjson(request.header("Content-Type", "application/x-ndjson").body(lines_of(rows))).await
    }

    /// Creates a sender and gives its id.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn create_sender(&self, sender: &Value) -> Answered<String> {
        id_of(&self.post("/v1/senders", sender).await?)
    }

    /// Changes a sender.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn change_sender(&self, id: &str, change: &Value) -> Answered<()> {
        Self::checked(self.request(Method::PATCH, &format!("/v1/senders/{id}")).json(change)).await.map(drop)
    }

    /// Schedules one message.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn schedule(&self, contact: &str, message: &Value, key: Option<&str>) -> Answered<MessageView> {
        let mut request = self.request(Method::POST, &format!("/v1/contacts/{contact}/messages")).json(message);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        Self::json(request).await
    }

    /// Schedules many messages; the answer has one line for each, in the same order.
    ///
    /// # Errors
    /// See [`ClientError`]; also when the number of lines differs.
    pub async fn batch(&self, messages: &[Value]) -> Answered<Vec<BatchLine>> {
        let request = self.request(Method::POST, "/v1/messages:batch");
        let request = request.header("Content-Type", "application/x-ndjson").body(lines_of(messages));
        let lines: Vec<BatchLine> = Self::ndjson(request).await?;
        if lines.len() != messages.len() {
            // A stream that ended early: what the missing lines came to is not known.
            return Err(ClientError::NoAnswer(format!("{} lines for {} messages", lines.len(), messages.len())));
        }
        Ok(lines)
    }

    /// A message as it stands.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn message(&self, id: &str) -> Answered<MessageView> {
        Self::json(self.request(Method::GET, &format!("/v1/messages/{id}"))).await
    }

    /// All that is shown of a message.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn show(&self, id: &str) -> Answered<Value> {
        Self::json(self.request(Method::GET, &format!("/v1/messages/{id}"))).await
    }

    /// Cancels a message.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn cancel(&self, id: &str) -> Answered<CancelOutcome> {
        let answer: Value = Self::json(self.request(Method::DELETE, &format!("/v1/messages/{id}"))).await?;
        serde_json::from_value(answer["outcome"].clone()).map_err(|_| ClientError::Malformed(answer.to_string()))
    }

    /// Changes a pending message; `version` goes into `If-Match`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn patch(&self, id: &str, change: &Value, version: Option<&str>) -> Answered<MessageView> {
        let mut request = self.request(Method::PATCH, &format!("/v1/messages/{id}")).json(change);
        if let Some(version) = version {
            request = request.header("If-Match", version);
        }
        Self::json(request).await
    }

    /// One page of a contact's conversation.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn thread(&self, contact: &str, cursor: Option<&str>) -> Answered<Value> {
        let query = cursor.map_or_else(String::new, |cursor| format!("&cursor={cursor}"));
        self.get(&format!("/v1/contacts/{contact}/thread?limit=500{query}")).await
    }

    /// The account's events from now, or from behind the event `after`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn events(&self, after: Option<&str>) -> Answered<EventStream> {
        let mut request = self.request(Method::GET, "/v1/events").header("Accept", "text/event-stream");
        if let Some(after) = after {
            request = request.header("Last-Event-ID", after);
        }
        // The stream is meant to stay open; each read of it has its own limit.
        let response = Self::checked(request.timeout(Duration::from_secs(3_600))).await?;
        Ok(EventStream::new(response))
    }
}

fn id_of(answer: &Value) -> Answered<String> {
    answer["id"]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| ClientError::Malformed(json!({ "no id in": answer }).to_string()))
}

/// Rows as NDJSON.
pub(crate) fn lines_of(rows: &[Value]) -> String {
    rows.iter().fold(String::new(), |mut text, row| {
        text.push_str(&row.to_string());
        text.push('\n');
        text
    })
}

#[cfg(test)]
mod tests;
