//! Signing in over a real connection: what stays when the process dies, what is believed of a proxy, and what
//! never shows.

use reqwest::header::{COOKIE, ORIGIN, SET_COOKIE};
use reqwest::{Method, RequestBuilder};
use sendwheel_loadtest::client::http_client;
use sendwheel_loadtest::node::{Node, NodeOptions};
use serde_json::{Value, json};

use super::super::stage::PATIENCE;
use super::{Got, id_of};

pub(super) const EMAIL: &str = "olga@example.com";
pub(super) const PASSWORD: &str = "open sesame, said the operator";

async fn node(settings: impl FnOnce(NodeOptions) -> NodeOptions) -> Node {
    let options = NodeOptions::new(env!("CARGO_BIN_EXE_sendwheel"))
        .set("bootstrap.admin_email", EMAIL)
        .set("bootstrap.admin_password", PASSWORD)
        .set("sms.transport", "discard");
    Node::start(settings(options)).await.unwrap_or_else(|error| panic!("{error:#}"))
}

pub(super) fn request(node: &Node, method: Method, path: &str) -> RequestBuilder {
    http_client(PATIENCE).request(method, format!("{}{path}", node.url()))
}

/// A sign-in with a password.
pub(super) async fn sign_in(node: &Node, email: &str, password: &str) -> Got {
    Got::of(request(node, Method::POST, "/v1/sessions").json(&json!({"email": email, "password": password}))).await
}

/// A browser's session.
pub(super) struct Session {
    cookie: String,
    csrf: String,
    answer: Value,
}

impl Session {
    pub(super) async fn begin(request: RequestBuilder) -> Self {
        let got = Got::of(request.json(&json!({"email": EMAIL, "password": PASSWORD}))).await;
        let cookie = got.headers.get(SET_COOKIE).map_or("", |value| value.to_str().unwrap());
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let answer = got.expect(201);
        Self { cookie, csrf: answer["csrf_token"].as_str().unwrap().to_owned(), answer }
    }

    pub(super) async fn ask(&self, node: &Node, method: Method, path: &str, body: Option<&Value>) -> Got {
        let request = request(node, method, path)
            .header(COOKIE, &self.cookie)
            .header(ORIGIN, node.url())
            .header("X-CSRF-Token", &self.csrf);
        Got::of(match body {
            Some(body) => request.json(body),
            None => request,
        })
        .await
    }
}

#[tokio::test]
async fn a_session_and_what_was_done_in_it_survive_the_death_of_the_process() {
    let mut node = node(|options| options).await;
    let session = Session::begin(request(&node, Method::POST, "/v1/sessions")).await;
    let user = json!({"email": "sam@example.com", "password": "a sentence that Sam remembers"});
    let user = session.ask(&node, Method::POST, "/v1/users", Some(&user)).await.expect(201);
    node.kill_9().await.unwrap();
    node.restart().await.unwrap();
    let me = session.ask(&node, Method::GET, "/v1/users/me", None).await.expect(200);
    assert_eq!((&me["email"], &me["csrf_token"]), (&json!(EMAIL), &json!(session.csrf)));
    let path = format!("/v1/users/{}", id_of(&user));
    session.ask(&node, Method::PATCH, &path, Some(&json!({"name": "Sam"}))).await.expect(200);
    let trail = session.ask(&node, Method::GET, "/v1/audit", None).await.expect(200);
    let actions: Vec<_> = trail["data"].as_array().unwrap().iter().map(|one| one["action"].as_str().unwrap()).collect();
    assert_eq!(
        actions,
        ["user.updated", "user.created", "session.created", "api_key.created", "user.created", "account.created"]
    );
}

#[tokio::test]
async fn only_a_trusted_proxy_says_where_a_request_came_from() {
    for (trusted, expected) in [("127.0.0.0/8", "203.0.113.5"), ("192.0.2.1", "127.0.0.1")] {
        let node = node(|options| options.set("server.trusted_proxies", trusted)).await;
        let forwarded = request(&node, Method::POST, "/v1/sessions").header("X-Forwarded-For", "10.1.1.1, 203.0.113.5");
        let session = Session::begin(forwarded).await;
        assert_eq!(session.answer["session"]["from"], expected, "{trusted}");
    }
}

#[tokio::test]
async fn nothing_of_a_sign_in_shows_in_the_log() {
    let node = node(|options| options.set("log.level", "debug")).await;
    let session = Session::begin(request(&node, Method::POST, "/v1/sessions")).await;
    let wrong = json!({"email": EMAIL, "password": "a wrong sentence altogether"});
    let got = Got::of(request(&node, Method::POST, "/v1/sessions").json(&wrong)).await;
    assert_eq!(got.refused(401), "wrong_credentials");
    let weak = json!({"email": "sam@example.com", "password": "short one"});
    session.ask(&node, Method::POST, "/v1/users", Some(&weak)).await.refused(422);
    let user = json!({"email": "sam@example.com", "password": "a sentence that Sam remembers"});
    session.ask(&node, Method::POST, "/v1/users", Some(&user)).await.expect(201);
    assert_eq!(session.ask(&node, Method::DELETE, "/v1/sessions/current", None).await.status, 204);
    let log = node.log();
    assert!(log.contains("listening on"), "there is a log");
    let token = session.cookie.split_once('=').unwrap().1;
    for word in [PASSWORD, token, &session.csrf, "a wrong sentence", "short one", "Sam remembers", "sam@example.com"] {
        assert!(!log.contains(word), "the log has `{word}`");
    }
}
