//! The HTTP client of the commands that talk to a node.
//!
//! Every request has a time limit except streams, which have one per pause. Refusals arrive as problem
//! documents (RFC 9457) and are shown with their fields; a node that is not there is shown with its URL.

use std::fmt;
use std::time::Duration;

use clap::Args;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Which node, and with which key.
#[derive(Args, Clone)]
pub(crate) struct NodeArgs {
    /// The node's URL
    #[arg(long, env = "SENDWHEEL_URL", value_name = "URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// The API key (sw_…); better given in the environment, where other users of the machine cannot see it
    #[arg(long, env = "SENDWHEEL_API_KEY", value_name = "KEY", hide_env_values = true)]
    api_key: Option<String>,
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest silence of a stream; a node says something at least every 15 s.
pub(crate) const STREAM_PAUSE: Duration = Duration::from_secs(60);
/// Largest answer that is read whole.
const MAX_ANSWER: usize = 32 << 20;

/// A node's API.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    key: Option<SecretString>,
}

/// A refused field.
#[derive(Debug, Clone, Deserialize, PartialEq, Eq)]
pub(crate) struct FieldProblem {
    /// JSON pointer.
    #[serde(default)]
    pub(crate) pointer: String,
    /// What is wrong.
    #[serde(default)]
    pub(crate) detail: String,
}

/// A problem document (RFC 9457), as far as it is shown.
#[derive(Debug, Clone, Deserialize, PartialEq, Eq)]
pub(crate) struct Problem {
    #[serde(default)]
    code: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    detail: Option<String>,
    #[serde(default)]
    errors: Vec<FieldProblem>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail.as_deref().filter(|detail| !detail.is_empty()).unwrap_or(&self.title))?;
        if !self.code.is_empty() {
            write!(f, " ({})", self.code)?;
        }
        for error in &self.errors {
            write!(f, "\n  {}: {}", if error.pointer.is_empty() { "/" } else { &error.pointer }, error.detail)?;
        }
        Ok(())
    }
}

/// Why a request to a node did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// The URL cannot be used.
    #[error("cannot use the url {0:?}: expected one such as http://127.0.0.1:8080")]
    Url(String),
    /// The key cannot be sent.
    #[error("the api key has characters that cannot be sent: check SENDWHEEL_API_KEY")]
    Key,
    /// No answer.
    #[error("no answer from {base}: {what}; is the node running, and is this its url (--url, SENDWHEEL_URL)?")]
    Unreachable {
        /// The node.
        base: String,
        /// What happened.
        what: String,
    },
    /// It refused.
    #[error("the node refused ({status}): {problem}")]
    Refused {
        /// Its status.
        status: StatusCode,
        /// What it said.
        problem: Problem,
    },
    /// It answered with something else.
    #[error("cannot read the answer of {base}: {what}; is it a Sendwheel node?")]
    Unreadable {
        /// The node.
        base: String,
        /// What is wrong with it.
        what: String,
    },
}

impl Client {
    /// A client for a node.
    pub(crate) fn new(args: &NodeArgs) -> Result<Self, ClientError> {
        Self::with(&args.url, args.api_key.as_deref())
    }

    /// A client for a URL, with a key for the endpoints that need one.
    pub(crate) fn with(url: &str, key: Option<&str>) -> Result<Self, ClientError> {
        let base = url.trim_end_matches('/').to_owned();
        let parsed = url::Url::parse(&base).map_err(|_| ClientError::Url(url.into()))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(ClientError::Url(url.into()));
        }
        if key.is_some_and(|key| !key.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(ClientError::Key);
        }
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(STREAM_PAUSE)
            .user_agent(concat!("sendwheel/", env!("CARGO_PKG_VERSION")))
            // A redirect would carry the key to wherever it points.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| ClientError::Unreachable { base: base.clone(), what: chain(&error) })?;
        Ok(Self { http, base, key: key.map(SecretString::from) })
    }

    /// Where the node is.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// A request to a path, with the key.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.key {
            Some(key) => request.bearer_auth(key.expose_secret()),
            None => request,
        }
    }

    /// Sends a request; anything but success is an error.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let response = self.send_any(request).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = self.read(response).await?;
        let fallback = || Problem {
            code: String::new(),
            title: status.canonical_reason().unwrap_or("no reason given").into(),
            detail: None,
            errors: Vec::new(),
        };
        Err(ClientError::Refused { status, problem: serde_json::from_slice(&body).unwrap_or_else(|_| fallback()) })
    }

    /// Sends a request, whatever the status of its answer.
    pub(crate) async fn send_any(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        request.send().await.map_err(|error| self.unreachable(&error))
    }

    /// Sends a request and reads its JSON answer.
    pub(crate) async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        let response = self.send(request.timeout(REQUEST_TIMEOUT)).await?;
        let body = self.read(response).await?;
        serde_json::from_slice(&body).map_err(|error| self.unreadable(error))
    }

    /// Reads a bounded answer.
    pub(crate) async fn read(&self, mut response: Response) -> Result<Vec<u8>, ClientError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(self.unreadable("it is too long"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// The error of a connection that failed.
    pub(crate) fn unreachable(&self, error: &reqwest::Error) -> ClientError {
        ClientError::Unreachable { base: self.base.clone(), what: chain(error) }
    }

    /// The error of an answer that makes no sense.
    pub(crate) fn unreadable(&self, what: impl fmt::Display) -> ClientError {
        ClientError::Unreadable { base: self.base.clone(), what: what.to_string() }
    }
}

/// The innermost cause: reqwest's own text says only that sending failed, and repeats the URL.
fn chain(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::{Read, Write};
    use std::net::{Shutdown, SocketAddr, TcpListener};
    use std::sync::{Arc, Mutex};
    use std::thread::JoinHandle;

    use super::*;

    /// A node of canned answers: one connection each, in order.
    pub(crate) struct Responder {
        address: SocketAddr,
        requests: Arc<Mutex<Vec<String>>>,
        thread: Option<JoinHandle<()>>,
    }

    impl Responder {
        pub(crate) fn start(answers: Vec<String>) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let requests = Arc::new(Mutex::new(Vec::new()));
            let seen = Arc::clone(&requests);
            let thread = std::thread::spawn(move || {
                for answer in answers {
                    let (mut stream, _) = listener.accept().unwrap();
                    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
                    seen.lock().unwrap().push(read_request(&mut stream));
                    stream.write_all(answer.as_bytes()).unwrap();
                    let _ = stream.shutdown(Shutdown::Write);
                }
            });
            Self { address, requests, thread: Some(thread) }
        }

        /// A JSON answer.
        pub(crate) fn json(status: u16, body: &str) -> String {
            format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            )
        }

        /// What was asked, after every answer was given.
        pub(crate) fn requests(mut self) -> Vec<String> {
            self.thread.take().unwrap().join().unwrap();
            self.requests.lock().unwrap().clone()
        }
    }

    fn read_request(stream: &mut impl Read) -> String {
        let mut bytes = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
                let is_chunked = head.contains("transfer-encoding: chunked");
                if is_chunked && body.ends_with("0\r\n\r\n") || !is_chunked && body.len() >= length.unwrap_or(0) {
                    return text;
                }
            }
            let read = stream.read(&mut chunk).unwrap();
            assert!(read > 0, "the request ended early: {text}");
            bytes.extend_from_slice(&chunk[..read]);
        }
    }

    pub(crate) fn client(responder: &Responder) -> Client {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Client::with(&format!("http://{}/", responder.address), Some("sw_test")).unwrap()
    }

    #[actix_web::test]
    async fn a_refusal_is_shown_with_its_fields() {
        let problem = r#"{"title":"Unprocessable Entity","status":422,"code":"invalid_request","detail":"the request was refused",
            "errors":[{"pointer":"/send/at","code":"time_zone_required","detail":"add an offset"}]}"#;
        let responder = Responder::start(vec![Responder::json(422, problem), Responder::json(502, "<html>")]);
        let client = client(&responder);
        let refusal =
            client.json::<serde_json::Value>(client.request(Method::GET, "/v1/x")).await.unwrap_err().to_string();
        assert!(refusal.contains("the request was refused (invalid_request)\n  /send/at: add an offset"), "{refusal}");
        let other =
            client.json::<serde_json::Value>(client.request(Method::GET, "/v1/x")).await.unwrap_err().to_string();
        assert!(other.contains("502") && other.contains("Bad Gateway"), "{other}");
        assert!(responder.requests()[0].contains("authorization: Bearer sw_test"));
    }

    #[actix_web::test]
    async fn a_node_that_is_not_there_is_named() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::with(&format!("http://{free}"), None).unwrap();
        let error =
            client.json::<serde_json::Value>(client.request(Method::GET, "/readyz")).await.unwrap_err().to_string();
        assert!(error.contains(&free.to_string()) && error.contains("is the node running"), "{error}");
    }

    #[test]
    fn urls_and_keys_that_cannot_be_sent_are_refused_without_showing_the_key() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        for url in ["", "localhost:8080", "ftp://h", "http//h"] {
            assert!(matches!(Client::with(url, None), Err(ClientError::Url(_))), "{url}");
        }
        let error = Client::with("http://h", Some("sw_geheim\n")).err().unwrap();
        assert!(!error.to_string().contains("geheim"));
    }
}
