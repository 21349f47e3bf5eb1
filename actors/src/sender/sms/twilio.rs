//! Twilio's Messages API (<https://www.twilio.com/docs/messaging/api/message-resource>).
//!
//! One form-encoded POST an attempt. The message id goes along as idempotency token: Twilio does not
//! promise to heed it, so an outcome that nobody knows stays `Unknown`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::{Url, form_urlencoded};

use super::http::{self, Answer, Posted};
use crate::domain::clock::SharedClock;
use crate::domain::verdict::{Failure, Verdict};
use crate::sender::scrub::{bounded, scrub};
use crate::sender::transport::{Attempted, Connection, Envelope, Guard, Transport, TransportError};

/// How Twilio (or something that speaks like it) is reached.
#[derive(Clone)]
pub struct TwilioSettings {
    /// `https://api.twilio.com`, a region's host, or a stand-in.
    pub base_url: Url,
    /// `AC…`
    pub account_sid: String,
    /// The account's secret.
    pub auth_token: SecretString,
    /// Where Twilio reports deliveries to, if anywhere: `?message=` and the message's id are added.
    pub status_callback: Option<Url>,
    /// Requests in flight.
    pub connections: usize,
    /// For TCP and TLS.
    pub connect_timeout: Duration,
    /// For one whole attempt.
    pub attempt_timeout: Duration,
}

impl TwilioSettings {
    /// Settings with every default: 16 requests in flight, 5 s to connect, 20 s for an attempt.
    #[must_use]
    pub fn new(base_url: Url, account_sid: impl Into<String>, auth_token: SecretString) -> Self {
        Self {
            base_url,
            account_sid: account_sid.into(),
            auth_token,
            status_callback: None,
            connections: 16,
            connect_timeout: Duration::from_secs(5),
            attempt_timeout: Duration::from_secs(20),
        }
    }
}

impl fmt::Debug for TwilioSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TwilioSettings")
            .field("host", &self.base_url.host_str())
            .field("account_sid", &self.account_sid)
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}

/// SMS through Twilio.
#[derive(Debug, Clone)]
pub struct TwilioTransport {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: TwilioSettings,
    url: Url,
    client: Client,
    clock: SharedClock,
}

impl TwilioTransport {
    /// Sets the client up; connects to nothing yet.
    ///
    /// # Errors
    /// Names the setting that cannot be used.
    pub fn new(settings: TwilioSettings, clock: SharedClock) -> Result<Self, TransportError> {
        let sid = &settings.account_sid;
        if !(sid.starts_with("AC") && sid.len() == 34 && sid.bytes().all(|byte| byte.is_ascii_alphanumeric())) {
            return Err(TransportError::setting("account_sid", "it must be `AC` and 32 hexadecimal digits"));
        }
        let mut url = settings.base_url.clone();
        url.path_segments_mut()
            .map_err(|()| TransportError::setting("base_url", "it must be an http or https URL"))?
            .pop_if_empty()
            .extend(["2010-04-01", "Accounts", sid, "Messages.json"]);
        let client = http::client(settings.connections, settings.connect_timeout, settings.attempt_timeout)?;
        Ok(Self { shared: Arc::new(Shared { settings, url, client, clock }) })
    }
}

impl Transport for TwilioTransport {
    fn connect(&self) -> Box<dyn Connection> {
        Box::new(TwilioConnection(Arc::clone(&self.shared)))
    }
    fn name(&self) -> &'static str {
        "twilio"
    }
    fn connections(&self) -> usize {
        self.shared.settings.connections.max(1)
    }
    fn attempt_timeout(&self) -> Duration {
        self.shared.settings.attempt_timeout
    }
}

struct TwilioConnection(Arc<Shared>);

#[async_trait]
impl Connection for TwilioConnection {
    async fn hand_over(&mut self, envelope: &Envelope, guard: &dyn Guard) -> Attempted {
        let Shared { settings, url, client, clock } = &*self.0;
        let (from, to, text) = match http::sms_parts(envelope, "twilio") {
            Ok(parts) => parts,
            Err(verdict) => return Attempted::Judged(verdict),
        };
        let callback = settings.status_callback.clone().map(|mut url| {
            url.query_pairs_mut().append_pair("message", &envelope.identity.to_string());
            url
        });
        let body = form(&to, &from, &text, callback.as_ref());
        let request = client
            .post(url.clone())
            .basic_auth(&settings.account_sid, Some(settings.auth_token.expose_secret()))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("I-Twilio-Idempotency-Token", envelope.identity.to_string());
        match http::post(request, body, settings.attempt_timeout, guard, clock.now()).await {
            Posted::Stopped => Attempted::NotStarted,
            Posted::Failed(verdict) => Attempted::Judged(verdict),
            Posted::Answered(answer) => Attempted::Judged(judge(&answer, &[&to, &from])),
        }
    }

    async fn close(&mut self) {}
}

fn form(to: &str, from: &str, text: &str, status_callback: Option<&Url>) -> Vec<u8> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("To", to).append_pair("From", from).append_pair("Body", text);
    if let Some(callback) = status_callback {
        form.append_pair("StatusCallback", callback.as_str());
    }
    form.finish().into_bytes()
}

/// What Twilio answers: a message, or an error with its code.
#[derive(Deserialize, Default)]
struct TwilioAnswer {
    sid: Option<String>,
    code: Option<u32>,
    message: Option<String>,
}

/// What an error code says beyond its status (<https://www.twilio.com/docs/api/errors>).
enum Meaning {
    /// This message will never go.
    Permanent(&'static str),
    /// The recipient stopped us at the carrier: neither this message nor another one will go.
    OptedOut(&'static str),
    /// This message may go later.
    Later(&'static str),
    /// Our settings or account are wrong, or Twilio has too much to do: no message goes now.
    Provider(&'static str),
}

fn meaning(code: u32) -> Option<Meaning> {
    use Meaning::{Later, OptedOut, Permanent, Provider};
    Some(match code {
        21211 | 21217 => Permanent("the recipient's number is not valid"),
        21214 | 21614 => Permanent("the recipient's number cannot receive text messages"),
        21604 => Permanent("the recipient is missing"),
        21610 => OptedOut("the recipient has opted out (STOP) from this sender"),
        21408 => Permanent("the account may not send to this country: enable it in Twilio's geo permissions"),
        21612 => Permanent("this sender cannot reach this recipient"),
        21602 => Permanent("the message has no text"),
        21605 | 21617 => Permanent("the text is longer than 1,600 characters: shorten it"),
        21212 | 21603 | 21606 | 21659 | 21660 | 21661 => {
            Permanent("the sender is not a number that the Twilio account may send from: check the sender")
        }
        21611 => Later("the sender's queue at Twilio is full"),
        30001 => Later("Twilio's queue overflowed"),
        14107 | 20429 => Provider("too many requests: lower the rate or ask Twilio for more"),
        20003 => Provider("Twilio refused the credentials: check sms.twilio.account_sid and sms.twilio.auth_token"),
        20005 | 30002 => Provider("the Twilio account is not active: check it in Twilio's console"),
        20404 => Provider("Twilio does not know the account: check sms.twilio.base_url and sms.twilio.account_sid"),
        _ => return None,
    })
}

/// The verdict over an answer. `known`: the addresses, to be kept out of the detail.
fn judge(answer: &Answer, known: &[&str]) -> Verdict {
    let said: TwilioAnswer = serde_json::from_slice(&answer.body).unwrap_or_default();
    let status = answer.status;
    if status.is_success() {
        return Verdict::Submitted { provider_id: said.sid.filter(|sid| sid.len() <= 64) };
    }
    let code = match said.code {
        Some(code) => format!("twilio_{code}"),
        None => format!("http_{}", status.as_u16()),
    };
    match said.code.and_then(meaning) {
        Some(Meaning::Permanent(detail)) => Verdict::Permanent(Failure::message(code, detail)),
        Some(Meaning::OptedOut(detail)) => Verdict::Permanent(Failure::opted_out(code, detail)),
        Some(Meaning::Later(detail)) => {
            Verdict::Transient(Failure::message(code, detail).with_retry_after(answer.retry_after))
        }
        Some(Meaning::Provider(detail)) => {
            Verdict::Transient(Failure::provider(code, detail).with_retry_after(answer.retry_after))
        }
        None if matches!(status.as_u16(), 401 | 403 | 404) => Verdict::Transient(Failure::provider(
            code,
            format!(
                "Twilio refused access with status {}: check the credentials and sms.twilio.base_url",
                status.as_u16()
            ),
        )),
        None => {
            let message = scrub(said.message.as_deref().unwrap_or_default(), known);
            let detail = bounded(&format!("Twilio answered {}: {message}", status.as_u16()));
            http::judge_status(answer, code, detail).unwrap_or(Verdict::Submitted { provider_id: None })
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use reqwest::StatusCode;

    use super::*;
    use crate::domain::verdict::FailureScope;

    fn verdict(status: u16, body: &str) -> Verdict {
        let answer = Answer {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: Some(Duration::from_secs(3)),
            body: Bytes::copy_from_slice(body.as_bytes()),
        };
        judge(&answer, &["+12125550123", "+12125550100"])
    }

    #[test]
    fn error_codes_become_verdicts() {
        for code in [21211, 21214, 21217, 21408, 21603, 21606, 21614, 21617, 21659, 21660] {
            let Verdict::Permanent(failure) = verdict(400, &format!(r#"{{"code":{code},"message":"no"}}"#)) else {
                panic!("{code} is permanent");
            };
            assert_eq!((failure.code, failure.scope), (format!("twilio_{code}"), FailureScope::Message));
        }
        let stopped = verdict(400, r#"{"code":21610,"message":"no"}"#);
        assert!(matches!(stopped, Verdict::Permanent(failure) if failure.scope == FailureScope::OptedOut));
        for (status, code, scope) in [
            (429, 20429, FailureScope::Provider),
            (401, 20003, FailureScope::Provider),
            (404, 20404, FailureScope::Provider),
            (400, 30001, FailureScope::Message),
            (400, 21611, FailureScope::Message),
        ] {
            let Verdict::Transient(failure) = verdict(status, &format!(r#"{{"code":{code}}}"#)) else {
                panic!("{code} is transient");
            };
            assert_eq!((failure.scope, failure.retry_after), (scope, Some(Duration::from_secs(3))), "{code}");
        }
    }

    #[test]
    fn an_answer_without_a_known_code_is_judged_by_its_status() {
        assert_eq!(verdict(201, r#"{"sid":"SM1"}"#), Verdict::Submitted { provider_id: Some("SM1".into()) });
        assert_eq!(verdict(201, "cut off"), Verdict::Submitted { provider_id: None });
        assert!(
            matches!(verdict(503, "<html>"), Verdict::Transient(f) if f.scope == FailureScope::Provider && f.code == "http_503")
        );
        assert!(matches!(verdict(401, ""), Verdict::Transient(f) if f.detail.contains("credentials")));
        assert!(matches!(verdict(400, r#"{"code":99999}"#), Verdict::Permanent(f) if f.code == "twilio_99999"));
    }

    #[test]
    fn the_recipient_is_not_in_the_detail() {
        let verdict = verdict(400, r#"{"code":12345,"message":"The number +12125550123 or 1 (212) 555-0199 is odd"}"#);
        let detail = &verdict.failure().unwrap().detail;
        assert!(!detail.contains("555") && detail.contains("is odd"), "{detail}");
    }
}
