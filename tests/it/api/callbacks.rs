//! `StatusCallback`: a program that gave one to Twilio's library hears of its message in Twilio's words, and the
//! libraries' own validators take the signature.

use std::collections::BTreeMap;

use reqwest::Method;
use sendwheel_loadtest::node::NodeOptions;
use sendwheel_loadtest::sink::http::Request;
use serde_json::{Value, json};

use super::twilio::{Library, OURS, Sdk, THEIRS, in_days, sid};
use super::{Desk, Got};
use crate::webhooks::{Receiver, header};

async fn desk() -> Desk {
    let options = NodeOptions::new(env!("CARGO_BIN_EXE_sendwheel"))
        .set("webhooks.allow_private", "true")
        .set("webhooks.retry_base", "200ms")
        .set("webhooks.retry_cap", "2s");
    Desk::start_with(options, 1).await
}

fn form(request: &Request) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(&request.body).into_owned().collect()
}

fn statuses(told: &[Request]) -> Vec<String> {
    told.iter().map(|request| form(request)["MessageStatus"].clone()).collect()
}

/// Whether a library's validator takes a request as signed with this token.
async fn validates(sdk: &mut Sdk, token: &Value, url: &str, request: &Request) -> bool {
    let given = json!({"token": token, "url": url, "params": form(request), "signature": header(request, "x-twilio-signature")});
    sdk.ok("validate", given).await.as_bool().unwrap()
}

async fn a_program_hears(library: Library) {
    let (desk, receiver) = (desk().await, Receiver::start().await);
    let mut sdk = desk.sdk(library).await;
    let account = desk.get("/v1/account").await.expect(200);
    let token = &account["twilio_auth_token"];
    let url = format!("{}?order=7&text=a+b", receiver.url());
    let given = json!({"to": THEIRS, "from": OURS, "body": "Nobody's business", "status_callback": url});
    let made = sdk.ok("create", given).await;
    let told = receiver.told(2).await;
    assert_eq!(statuses(&told), ["sending", "sent"]);
    for (request, status) in told.iter().zip(["sending", "sent"]) {
        let expected: BTreeMap<String, String> = [
            ("MessageSid", sid(&made)),
            ("SmsSid", sid(&made)),
            ("MessageStatus", status),
            ("SmsStatus", status),
            ("To", THEIRS),
            ("From", OURS),
            ("AccountSid", account["twilio_sid"].as_str().unwrap()),
            ("ApiVersion", "2010-04-01"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        assert_eq!(form(request), expected);
        assert!(header(request, "content-type").starts_with("application/x-www-form-urlencoded"));
        assert!(validates(&mut sdk, token, &url, request).await);
        assert!(!validates(&mut sdk, token, &receiver.url(), request).await, "of another URL");
        assert!(!validates(&mut sdk, &json!("0".repeat(32)), &url, request).await, "with another token");
    }

    // What is refused is posted again, the same, until it is taken.
    receiver.then([Receiver::answer(500), Receiver::answer(500)]);
    let mut later = json!({"to": THEIRS, "from": OURS, "body": "Hi", "status_callback": url});
    (later["schedule_type"], later["send_at"]) = (json!("fixed"), json!(in_days(1)));
    let later = sdk.ok("create", later).await;
    sdk.ok("update", json!({"sid": sid(&later), "status": "canceled"})).await;
    let told = receiver.told(5).await;
    assert_eq!(statuses(&told[2..]), ["canceled"; 3]);
    for request in &told[2..] {
        assert_eq!(form(request)["MessageSid"], sid(&later));
        assert_eq!(request.body, told[2].body);
        assert_eq!(header(request, "i-twilio-idempotency-token"), header(&told[2], "i-twilio-idempotency-token"));
        assert!(validates(&mut sdk, token, &url, request).await);
    }
    let log = desk.node.log();
    assert!(!log.contains(token.as_str().unwrap()) && !log.contains("order=7"), "neither is in the log");
}

#[tokio::test]
async fn a_program_hears_of_its_message_and_twilio_s_python_library_takes_the_signature() {
    a_program_hears(Library::Python).await;
}

#[tokio::test]
async fn a_program_hears_of_its_message_and_twilio_s_node_library_takes_the_signature() {
    a_program_hears(Library::Node).await;
}

#[tokio::test]
async fn a_callback_to_where_nobody_may_look_is_refused_and_leaves_no_contact() {
    let desk = Desk::start(1).await;
    let contacts = desk.all_of("/v1/contacts", 50).await.len();
    let mut sdk = desk.sdk(Library::Python).await;
    for url in ["https://127.0.0.1/x", "https://10.0.0.7/x", "https://169.254.169.254/latest", "http://example.com/x"] {
        let given = json!({"to": THEIRS, "from": OURS, "body": "Hi", "status_callback": url});
        assert_eq!(sdk.refused("create", given).await, (400, 21_609), "{url}");
    }
    assert_eq!(desk.all_of("/v1/contacts", 50).await.len(), contacts);

    // What signs callbacks is an admin's to see.
    let made = desk.post("/v1/api-keys", &json!({"name": "shop", "role": "user"})).await.expect(201);
    let request = desk.request_as(made["secret"].as_str(), Method::GET, "/v1/account");
    assert_eq!(Got::of(request).await.expect(200)["twilio_auth_token"], Value::Null);
    let token = &desk.get("/v1/account").await.expect(200)["twilio_auth_token"];
    assert!(token.as_str().is_some_and(|token| token.len() == 32), "{token}");
}
