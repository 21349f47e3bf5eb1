//! One POST to a provider, whose body goes out only after the guard was asked on an open connection.
//!
//! The body is a stream that reports when the HTTP client first wants it, and waits for a "go". Until
//! then the provider has at most the head of a request, on which it cannot act; so a failure before is
//! `Transient`, and one after it `Unknown`.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use chrono::DateTime;
use futures_util::stream;
use reqwest::header::{CONTENT_LENGTH, HeaderMap, RETRY_AFTER};
use reqwest::{Body, Client, ClientBuilder, RequestBuilder, StatusCode};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::domain::address::Address;
use crate::domain::clock::UnixMs;
use crate::domain::verdict::{Failure, Verdict};
use crate::sender::egress;
use crate::sender::transport::{Envelope, Guard, TransportError};

/// Answer bytes that are read; providers answer a few hundred.
const MAX_ANSWER: usize = 64 * 1024;
/// Longest wish of a provider that is believed.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
/// How long an idle connection is kept; providers close theirs after a minute or more.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// A client for one provider.
///
/// # Errors
/// If TLS cannot be set up.
pub fn client(
    connections: usize,
    connect_timeout: Duration,
    attempt_timeout: Duration,
) -> Result<Client, TransportError> {
    client_builder(connections, connect_timeout, attempt_timeout).build().map_err(|error| no_client(&error))
}

/// Why there is no client.
pub(crate) fn no_client(error: &reqwest::Error) -> TransportError {
    TransportError::setting("tls", format!("{error}; check the system's certificates"))
}

/// A client in the making.
pub(crate) fn client_builder(
    connections: usize,
    connect_timeout: Duration,
    attempt_timeout: Duration,
) -> ClientBuilder {
    // reqwest takes the process's provider; whoever installed one first keeps it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .connect_timeout(connect_timeout)
        .timeout(attempt_timeout)
        .pool_max_idle_per_host(connections)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .tcp_nodelay(true)
        .user_agent(concat!("sendwheel/", env!("CARGO_PKG_VERSION")))
}

/// What the provider answered.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// `Retry-After`, at most a day.
    pub retry_after: Option<Duration>,
    /// The body, as much as arrived of what was wanted. Holds addresses.
    pub body: Bytes,
}

/// What came of one request.
#[derive(Debug)]
#[must_use]
pub enum Posted {
    /// An answer came.
    Answered(Answer),
    /// The guard said no; the provider cannot act on what it has.
    Stopped,
    /// No answer came.
    Failed(Verdict),
}

/// Sends one request with this body.
pub async fn post(request: RequestBuilder, body: Vec<u8>, limit: Duration, guard: &dyn Guard, now: UnixMs) -> Posted {
    post_within(request, body, (limit, MAX_ANSWER), guard, now).await
}

/// The same, within a time, and reading so many bytes of the answer's body at most.
pub(crate) async fn post_within(
    request: RequestBuilder,
    body: Vec<u8>,
    (limit, max_answer): (Duration, usize),
    guard: &dyn Guard,
    now: UnixMs,
) -> Posted {
    if !guard.may_hand_over() {
        return Posted::Stopped;
    }
    let mut released = false;
    match timeout(limit, exchange(request, (Bytes::from(body), max_answer), guard, &mut released, now)).await {
        Ok(posted) => posted,
        Err(_) => Posted::Failed(lost(released, "timeout", "the provider did not answer in time")),
    }
}

async fn exchange(
    request: RequestBuilder,
    (body, max_answer): (Bytes, usize),
    guard: &dyn Guard,
    released: &mut bool,
    now: UnixMs,
) -> Posted {
    let length = body.len();
    let (wanted, mut is_wanted) = oneshot::channel::<()>();
    let (go, may_go) = oneshot::channel::<()>();
    let gated = stream::once(async move {
        // The other ends live as long as the request does.
        let _ = wanted.send(());
        may_go.await.map(|()| body)
    });
    let request = request.header(CONTENT_LENGTH, length).body(Body::wrap_stream(gated));
    let sending = request.send();
    tokio::pin!(sending);
    let mut go = Some(go);
    let outcome = loop {
        tokio::select! {
            biased;
            _ = &mut is_wanted, if go.is_some() => {
                let go = go.take();
                if !guard.may_hand_over() {
                    return Posted::Stopped;
                }
                *released = true;
                // If nobody waits any more, `sending` is about to say why.
                let _ = go.map(|go| go.send(()));
            }
            outcome = &mut sending => break outcome,
        }
    };
    match outcome {
        Ok(response) => {
            let status = response.status();
            let retry_after = retry_after(response.headers(), now);
            Posted::Answered(Answer { status, retry_after, body: bounded_body(response, max_answer).await })
        }
        Err(error) => Posted::Failed(judge_error(&error, *released)),
    }
}

/// The body as far as it came: the status alone decides whether the message was taken.
async fn bounded_body(mut response: reqwest::Response, max: usize) -> Bytes {
    let mut body = BytesMut::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = max - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() >= room {
            break;
        }
    }
    body.freeze()
}

fn judge_error(error: &reqwest::Error, released: bool) -> Verdict {
    if error.is_builder() {
        return Verdict::Permanent(Failure::message(
            "request",
            "cannot build the provider's request: check its URL and headers",
        ));
    }
    let refused = std::iter::successors(std::error::Error::source(error), |error| error.source())
        .filter_map(|error| error.downcast_ref::<std::io::Error>())
        .any(|error| error.kind() == std::io::ErrorKind::ConnectionRefused);
    let (code, detail) = if egress::is_refused(error) {
        ("not_public", "its host has no public address: use one that everyone can reach")
    } else if refused {
        ("connect_refused", "the provider does not listen there: check its URL")
    } else if error.is_connect() && error.is_timeout() {
        ("connect_timeout", "connecting to the provider took too long: check its URL and the firewall")
    } else if error.is_connect() {
        ("connect_failed", "cannot connect to the provider: check its URL, DNS and TLS certificate")
    } else if error.is_timeout() {
        ("timeout", "the provider did not answer in time")
    } else {
        ("connection_lost", "the connection to the provider ended before its answer")
    };
    lost(released && !error.is_connect(), code, detail)
}

fn lost(released: bool, code: &str, detail: &str) -> Verdict {
    let failure = Failure::provider(code, detail);
    if released { Verdict::Unknown(failure) } else { Verdict::Transient(failure) }
}

/// `Retry-After` in seconds or as a date (RFC 9110 §10.2.3).
fn retry_after(headers: &HeaderMap, now: UnixMs) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => UnixMs(DateTime::parse_from_rfc2822(text).ok()?.timestamp_millis()).since(now),
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

/// The verdict that a status stands for where the provider says no more; `None` for success.
#[must_use]
pub fn judge_status(answer: &Answer, code: String, detail: String) -> Option<Verdict> {
    let status = answer.status;
    if status.is_success() {
        return None;
    }
    let is_transient = status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429);
    Some(if is_transient {
        Verdict::Transient(Failure::provider(code, detail).with_retry_after(answer.retry_after))
    } else if status.is_client_error() {
        Verdict::Permanent(Failure::message(code, detail))
    } else {
        // A redirect: following it would repeat the message to an address nobody configured.
        Verdict::Transient(Failure::provider(code, format!("{detail}: check the provider's URL")))
    })
}

/// Sender, recipient and text of an SMS.
///
/// # Errors
/// The verdict, if the envelope is none.
pub fn sms_parts(envelope: &Envelope, transport: &'static str) -> Result<(String, String, String), Verdict> {
    match (&envelope.to, envelope.from.channel() == envelope.channel()) {
        (Address::Phone(to), true) => {
            Ok((envelope.from.to_string(), to.to_string(), envelope.content.text.clone().unwrap_or_default()))
        }
        _ => Err(Envelope::wrong_channel(transport)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::verdict::FailureScope;

    fn answer(status: u16) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: Some(Duration::from_secs(7)),
            body: Bytes::new(),
        }
    }

    #[test]
    fn statuses_become_verdicts() {
        for status in [200, 201, 202, 204] {
            assert_eq!(judge_status(&answer(status), "c".into(), "d".into()), None);
        }
        for status in [408, 425, 429, 500, 502, 503, 504] {
            let Some(Verdict::Transient(failure)) = judge_status(&answer(status), "c".into(), "d".into()) else {
                panic!("{status} is transient");
            };
            assert_eq!(failure.scope, FailureScope::Provider);
            assert_eq!(failure.retry_after, Some(Duration::from_secs(7)));
        }
        for status in [400, 404, 422] {
            let Some(Verdict::Permanent(failure)) = judge_status(&answer(status), "c".into(), "d".into()) else {
                panic!("{status} is permanent");
            };
            assert_eq!(failure.scope, FailureScope::Message);
        }
        assert!(matches!(judge_status(&answer(302), "c".into(), "d".into()), Some(Verdict::Transient(_))));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let wait = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            retry_after(&headers, UnixMs(1_445_412_420_000))
        };
        assert_eq!(wait("120"), Some(Duration::from_secs(120)));
        assert_eq!(wait("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(wait("Wed, 21 Oct 2015 07:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("99999999"), Some(MAX_RETRY_AFTER));
        assert_eq!(wait("soon"), None);
    }
}
