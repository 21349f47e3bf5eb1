//! Notices to webhooks: one signed POST per attempt (Standard Webhooks 1.0) to a URL that a user has set; and those to
//! messages' status callbacks, in the form and with the signature that Twilio's have.
//!
//! Whoever answers with a status from 200 to 299 has it. 410 says that nobody listens there any more; everything else
//! is tried again. An answer's body is read so far that its connection can be used again, and never looked at or
//! shown: it is a stranger's. Where the URL may lead is checked anew for every attempt ([`egress`]): the rules may
//! have changed since it was stored, and so may the addresses of its name. Redirects are not followed.
//!
//! [`egress`]: crate::sender::egress

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use url::Url;

use super::egress::restrict;
use super::sms::http::{self, Answer, Posted};
use super::transport::{Attempted, Connection, Envelope, Guard, Hook, Transport, TransportError};
use crate::domain::address::Address;
use crate::domain::clock::SharedClock;
use crate::domain::egress::{Reach, check_url};
use crate::domain::signatures::twilio;
use crate::domain::signatures::webhook::sign;
use crate::domain::verdict::{Failure, FailureScope, Verdict};

/// For TCP and TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For one whole attempt (Standard Webhooks: 15 to 30 seconds).
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);
/// The header that names a callback's request, the same for every attempt, as Twilio has it.
const IDEMPOTENCY: &str = "I-Twilio-Idempotency-Token";
/// Bytes of an answer that are read.
const MAX_ANSWER: usize = 16 * 1024;

/// Notices to webhooks.
#[derive(Clone)]
pub struct WebhookTransport(Arc<Shared>);

struct Shared {
    reach: Reach,
    client: Client,
    connections: usize,
    clock: SharedClock,
}

impl fmt::Debug for WebhookTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookTransport").field("reach", &self.0.reach).finish_non_exhaustive()
    }
}

impl WebhookTransport {
    /// Requests in flight, over all webhooks.
    pub const CONNECTIONS: usize = 32;

    /// Sets the client up; connects to nothing yet.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn new(reach: Reach, clock: SharedClock) -> Result<Self, TransportError> {
        // A few idle connections for each host: one of them serves a lane that has one contact at a time.
        let client = restrict(http::client_builder(4, CONNECT_TIMEOUT, ATTEMPT_TIMEOUT), reach);
        let client = client.build().map_err(|error| http::no_client(&error))?;
        Ok(Self(Arc::new(Shared { reach, client, connections: Self::CONNECTIONS, clock })))
    }
}

impl Transport for WebhookTransport {
    fn connect(&self) -> Box<dyn Connection> {
        Box::new(WebhookConnection(Arc::clone(&self.0)))
    }
    fn name(&self) -> &'static str {
        "webhook"
    }
    fn connections(&self) -> usize {
        self.0.connections
    }
    fn attempt_timeout(&self) -> Duration {
        ATTEMPT_TIMEOUT
    }
}

struct WebhookConnection(Arc<Shared>);

#[async_trait]
impl Connection for WebhookConnection {
    async fn hand_over(&mut self, envelope: &Envelope, guard: &dyn Guard) -> Attempted {
        let shared = &*self.0;
        let (Address::Url(url), Some(hook)) = (&envelope.to, &envelope.hook) else {
            return Attempted::Judged(Envelope::wrong_channel("webhook"));
        };
        let url = match Url::parse(url.as_str()) {
            Ok(url) => url,
            Err(_) => return refused("the webhook's URL cannot be read: set it anew"),
        };
        if let Err(error) = check_url(&url, shared.reach) {
            return refused(&error.to_string());
        }
        let body = envelope.content.text.clone().unwrap_or_default().into_bytes();
        let id = envelope.message.to_string();
        let now = shared.clock.now();
        let request = shared.client.post(url.clone());
        let request = match hook {
            Hook::Webhook { secrets } => {
                let signed = sign(secrets, &id, now, &body);
                request
                    .header(CONTENT_TYPE, "application/json")
                    .header("webhook-id", id)
                    .header("webhook-timestamp", signed.timestamp)
                    .header("webhook-signature", signed.signature)
            }
            Hook::StatusCallback { token } => {
                let form: Vec<_> = url::form_urlencoded::parse(&body).into_owned().collect();
                request
                    .header(CONTENT_TYPE, "application/x-www-form-urlencoded; charset=UTF-8")
                    .header(IDEMPOTENCY, id)
                    .header(twilio::HEADER, token.sign(url.as_str(), &form))
            }
        };
        let verdict = match http::post_within(request, body, (ATTEMPT_TIMEOUT, MAX_ANSWER), guard, now).await {
            Posted::Stopped => return Attempted::NotStarted,
            Posted::Failed(verdict) => verdict,
            Posted::Answered(answer) => judge(&answer),
        };
        Attempted::Judged(match hook {
            Hook::Webhook { .. } => verdict,
            Hook::StatusCallback { .. } => of_one_alone(verdict),
        })
    }

    async fn close(&mut self) {}
}

fn refused(detail: &str) -> Attempted {
    Attempted::Judged(Verdict::Permanent(Failure::message("url_refused", detail)))
}

/// Each message has a callback of its own: what one of them does says nothing of the others in its lane.
fn of_one_alone(verdict: Verdict) -> Verdict {
    let alone = |failure: Failure| Failure { scope: FailureScope::Message, ..failure };
    match verdict {
        Verdict::Submitted { .. } => verdict,
        Verdict::Transient(failure) => Verdict::Transient(alone(failure)),
        Verdict::Permanent(failure) => Verdict::Permanent(alone(failure)),
        Verdict::Unknown(failure) => Verdict::Unknown(alone(failure)),
    }
}

fn judge(answer: &Answer) -> Verdict {
    let status = answer.status.as_u16();
    let code = format!("http_{status}");
    if answer.status.is_success() {
        return Verdict::Submitted { provider_id: None };
    }
    let reason = answer.status.canonical_reason().unwrap_or("without a reason");
    let detail = format!("the webhook answered {status} {reason}");
    match status {
        410 => Verdict::Permanent(Failure::message(code, detail)),
        429 | 503 => Verdict::Transient(Failure::provider(code, detail).with_retry_after(answer.retry_after)),
        // It may dislike this one notice: others are not kept waiting for it.
        400..=499 if !matches!(status, 401 | 403 | 404 | 408 | 425) => {
            Verdict::Transient(Failure::message(code, detail))
        }
        300..=399 => Verdict::Transient(Failure::provider(code, format!("{detail}: set the URL that it leads to"))),
        _ => Verdict::Transient(Failure::provider(code, detail)),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use reqwest::StatusCode;

    use super::*;

    #[test]
    fn what_a_callback_answers_says_nothing_of_its_lane() {
        let failure = || Failure::provider("http_500", "x").with_retry_after(Some(Duration::from_secs(7)));
        for verdict in [Verdict::Transient(failure()), Verdict::Permanent(failure()), Verdict::Unknown(failure())] {
            assert!(verdict.is_provider_failure() && !of_one_alone(verdict).is_provider_failure());
        }
        let Verdict::Transient(failure) = of_one_alone(Verdict::Transient(failure())) else {
            panic!("another verdict")
        };
        assert_eq!(failure.retry_after, Some(Duration::from_secs(7)));
    }

    #[test]
    fn only_success_ends_it_and_only_gone_gives_it_up() {
        let judged = |status: u16| {
            let retry_after = Some(Duration::from_secs(7));
            judge(&Answer { status: StatusCode::from_u16(status).unwrap(), retry_after, body: Bytes::new() })
        };
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(judged(status), Verdict::Submitted { provider_id: None }, "{status}");
        }
        assert!(matches!(judged(410), Verdict::Permanent(failure) if failure.code == "http_410"));
        for (status, of_all, is_asked_to_wait) in [
            (301, true, false),
            (307, true, false),
            (400, false, false),
            (422, false, false),
            (401, true, false),
            (404, true, false),
            (429, true, true),
            (500, true, false),
            (503, true, true),
        ] {
            let verdict = judged(status);
            assert_eq!(verdict.is_provider_failure(), of_all, "{status}");
            let Verdict::Transient(failure) = verdict else { panic!("{status} is tried again") };
            assert_eq!(failure.retry_after.is_some(), is_asked_to_wait, "{status}");
        }
    }
}
