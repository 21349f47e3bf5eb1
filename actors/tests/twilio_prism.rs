//! The SMS transports: Twilio's against Prism serving Twilio's own OpenAPI document, both against scripted
//! servers that are slow, rude or gone.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod peers;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use peers::{
    PATIENCE, Peer, Yes, clock, is_provider, peer_file, permanent, sms, source_file, taken, transient, unknown,
};
use sendwheel_actors::sender::sms::{HttpSmsSettings, HttpSmsTransport, TwilioSettings, TwilioTransport};
use sendwheel_actors::sender::transport::{Attempted, Connection, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::process::Command;
use url::Url;

const SID: &str = "AC00000000000000000000000000000001";

fn twilio(base: &str) -> TwilioSettings {
    let mut settings = TwilioSettings::new(base.parse().unwrap(), SID, "not so secret".to_owned().into());
    settings.attempt_timeout = Duration::from_millis(1_500);
    settings
}

fn connection(settings: TwilioSettings) -> Box<dyn Connection> {
    TwilioTransport::new(settings, clock()).unwrap().connect()
}

#[tokio::test]
async fn twilio_s_own_description_accepts_our_request_and_refuses_a_broken_one() {
    let mut command = Command::new(peer_file("node/node_modules/.bin/prism"));
    command.args(["mock", "--host", "127.0.0.1", "--port", "0", "--errors"]);
    command.arg(source_file("twilio_messages_openapi.json"));
    let prism = Peer::start(&mut command, "listening on http://127.0.0.1:").await;
    let base = format!("http://127.0.0.1:{}", prism.port);

    let mut settings = twilio(&base);
    settings.attempt_timeout = PATIENCE;
    settings.status_callback = Some("https://send.example/inbound/twilio/status".parse().unwrap());
    let id = taken(connection(settings).hand_over(&sms(1), &Yes::always()).await).unwrap();
    assert!(id.starts_with("SM") && id.len() == 34, "{id}");

    let post = |sid: &'static str, body: &'static str, auth: bool| {
        let url = format!("{base}/2010-04-01/Accounts/{sid}/Messages.json");
        async move {
            let request = reqwest::Client::new().post(url).header("content-type", "application/x-www-form-urlencoded");
            let request = if auth { request.basic_auth(SID, Some("x")) } else { request };
            request.body(body).send().await.unwrap().status().as_u16()
        }
    };
    assert_eq!(post(SID, "To=%2B12125550123&From=%2B12125550100&Body=x", true).await, 201);
    assert_eq!(post(SID, "From=%2B12125550100&Body=x", true).await, 422, "a message needs To");
    assert_eq!(post("ACx", "To=%2B12125550123&From=%2B12125550100&Body=x", true).await, 422, "no such account name");
    assert_eq!(post(SID, "To=%2B12125550123&Body=x", false).await, 401, "and credentials");
}

/// A server that answers each whole request with the next of these texts, and then closes.
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            let mut answers = answers.into_iter();
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = Vec::new();
                let is_whole = |request: &[u8]| {
                    let text = String::from_utf8_lossy(request).into_owned();
                    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
                    let length = head
                        .to_lowercase()
                        .split("content-length: ")
                        .nth(1)
                        .and_then(|rest| rest.split("\r\n").next().unwrap().parse::<usize>().ok());
                    body.len() >= length.unwrap_or(usize::MAX)
                };
                while !is_whole(&request) {
                    match stream.read_buf(&mut request).await {
                        Ok(length) if length > 0 => {}
                        _ => break,
                    }
                }
                seen.lock().unwrap().push(String::from_utf8(request).unwrap());
                match answers.next() {
                    Some(answer) => {
                        let _ = stream.write_all(answer.as_bytes()).await;
                    }
                    // Silence: hold the connection open.
                    None => std::mem::forget(stream),
                }
            }
        });
        Self { url, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}", body.len())
}

#[tokio::test]
async fn a_request_has_its_identity_its_credentials_and_its_text() {
    let server = Server::start(vec![answer("201 Created", "", r#"{"sid":"SM1"}"#)]).await;
    let envelope = sms(1);
    let id = taken(connection(twilio(&server.url)).hand_over(&envelope, &Yes::always()).await);
    assert_eq!(id.as_deref(), Some("SM1"));
    let request = &server.requests()[0];
    assert!(request.starts_with(&format!("POST /2010-04-01/Accounts/{SID}/Messages.json HTTP/1.1\r\n")), "{request}");
    assert!(request.contains(&format!("i-twilio-idempotency-token: {}\r\n", envelope.message)), "{request}");
    assert!(request.contains("authorization: Basic "), "{request}");
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    let form: Vec<_> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let text = envelope.content.text.unwrap();
    assert_eq!(form, [pair("To", "+12125550123"), pair("From", "+12125550100"), pair("Body", &text)]);
}

#[tokio::test]
async fn answers_become_verdicts() {
    let server = Server::start(vec![
        answer(
            "400 Bad Request",
            "",
            r#"{"code":21610,"message":"Attempt to send to unsubscribed recipient +12125550123"}"#,
        ),
        answer("429 Too Many Requests", "retry-after: 3\r\n", r#"{"code":20429}"#),
        answer("401 Unauthorized", "", r#"{"code":20003}"#),
        answer("302 Found", "location: http://127.0.0.1:1/\r\n", ""),
        answer("503 Service Unavailable", "", &"x".repeat(1_000_000)),
    ])
    .await;
    let mut connection = connection(twilio(&server.url));
    let guard = Yes::always();
    let failure = permanent(connection.hand_over(&sms(1), &guard).await);
    assert_eq!((failure.code.as_str(), is_provider(&failure)), ("twilio_21610", false));
    let failure = transient(connection.hand_over(&sms(2), &guard).await);
    assert_eq!(failure.code, "twilio_20429");
    assert_eq!((is_provider(&failure), failure.retry_after), (true, Some(Duration::from_secs(3))));
    let failure = transient(connection.hand_over(&sms(3), &guard).await);
    assert!(is_provider(&failure) && failure.detail.contains("auth_token"), "{failure:?}");
    let failure = transient(connection.hand_over(&sms(4), &guard).await);
    assert_eq!((failure.code.as_str(), is_provider(&failure)), ("http_302", true));
    let failure = transient(connection.hand_over(&sms(5), &guard).await);
    assert_eq!((failure.code.as_str(), is_provider(&failure)), ("http_503", true));
    assert_eq!(server.requests().len(), 5);
}

#[tokio::test]
async fn silence_after_the_request_leaves_the_outcome_unknown() {
    let server = Server::start(Vec::new()).await;
    let failure = unknown(connection(twilio(&server.url)).hand_over(&sms(1), &Yes::always()).await);
    assert_eq!((failure.code.as_str(), is_provider(&failure)), ("timeout", true));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_connection_cut_after_the_request_leaves_the_outcome_unknown() {
    let server = Server::start(vec![String::new()]).await;
    let failure = unknown(connection(twilio(&server.url)).hand_over(&sms(1), &Yes::always()).await);
    assert_eq!((failure.code.as_str(), is_provider(&failure)), ("connection_lost", true));
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_has_taken_nothing() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let base = format!("http://127.0.0.1:{port}");
    let failure = transient(connection(twilio(&base)).hand_over(&sms(1), &Yes::always()).await);
    assert_eq!((failure.code.as_str(), is_provider(&failure)), ("connect_refused", true));

    // A listener that accepts and never speaks: TLS does not come about, so the request never left.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings = twilio(&format!("https://{}", silent.local_addr().unwrap()));
    settings.connect_timeout = Duration::from_millis(300);
    let failure = transient(connection(settings).hand_over(&sms(1), &Yes::always()).await);
    assert_eq!((failure.code.as_str(), is_provider(&failure)), ("connect_timeout", true));
}

#[tokio::test]
async fn a_guard_that_says_no_on_the_open_connection_keeps_the_body_back() {
    let server = Server::start(vec![answer("201 Created", "", r#"{"sid":"SM1"}"#); 2]).await;
    let mut connection = connection(twilio(&server.url));
    assert_eq!(connection.hand_over(&sms(1), &Yes::times(0)).await, Attempted::NotStarted);
    assert_eq!(server.requests().len(), 0);
    assert_eq!(connection.hand_over(&sms(1), &Yes::times(1)).await, Attempted::NotStarted);
    taken(connection.hand_over(&sms(1), &Yes::times(2)).await);
    for request in server.requests() {
        let (_, body) = request.split_once("\r\n\r\n").unwrap_or((&request, ""));
        assert!(body.is_empty() || request == *server.requests().last().unwrap(), "{request}");
    }
}

#[tokio::test]
async fn any_json_provider_gets_its_own_shape() {
    let server = Server::start(vec![
        answer("202 Accepted", "", r#"{"messages":[{"id":17}]}"#),
        answer("429 Too Many Requests", "retry-after: 5\r\n", ""),
        answer("404 Not Found", "", "no such number +12125550123"),
    ])
    .await;
    let mut settings = HttpSmsSettings::new(format!("{}/send?v=1", server.url).parse::<Url>().unwrap());
    settings.headers = vec![("Authorization".into(), "Bearer hunter2".to_owned().into())];
    settings.body_template =
        r#"{"recipients": [{{ to }}], "body": {{ text }}, "ref": {{ id }}, "sender": {{ from }}}"#.into();
    settings.id_pointer = Some("/messages/0/id".into());
    let transport = HttpSmsTransport::new(settings, clock()).unwrap();
    assert!(!format!("{transport:?}").contains("hunter2"));
    let mut connection = transport.connect();
    let envelope = sms(1);
    assert_eq!(taken(connection.hand_over(&envelope, &Yes::always()).await).as_deref(), Some("17"));
    let request = &server.requests()[0];
    assert!(request.starts_with("POST /send?v=1 HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("idempotency-key: {}\r\n", envelope.message)), "{request}");
    assert!(request.contains("authorization: Bearer hunter2\r\n"));
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({
            "recipients": ["+12125550123"], "body": envelope.content.text.unwrap(),
            "ref": envelope.message.to_string(), "sender": "+12125550100",
        })
    );
    let failure = transient(connection.hand_over(&sms(2), &Yes::always()).await);
    assert_eq!((failure.code.as_str(), failure.retry_after), ("http_429", Some(Duration::from_secs(5))));
    let failure = permanent(connection.hand_over(&sms(3), &Yes::always()).await);
    assert_eq!(failure.code, "http_404");
    assert!(!failure.detail.contains("555"), "{}", failure.detail);
}
