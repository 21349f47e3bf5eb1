//! Webhooks of the built binary: a receiver is told what happens, signed, until it has taken it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Method;
use sendwheel_loadtest::client::Client;
use sendwheel_loadtest::node::{Node, NodeOptions};
use sendwheel_loadtest::sink::http::{Answer, Handler, HttpSink, Reply, Request};
use sendwheel_loadtest::sink::record::Record;
use sendwheel_loadtest::{wait, wall, workload};
use serde_json::{Value, json};

use super::signatures::library;
use super::stage::PATIENCE;

/// A program that webhooks are told to; it answers 204 unless it was told otherwise.
pub(crate) struct Receiver {
    sink: HttpSink,
    got: Arc<Record<Request>>,
    answers: Arc<Mutex<VecDeque<Reply>>>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let (got, answers) = (Arc::new(Record::with_limit(1_000)), Arc::<Mutex<VecDeque<Reply>>>::default());
        let (seen, script) = (Arc::clone(&got), Arc::clone(&answers));
        let handler: Arc<Handler> = Arc::new(move |request| {
            let scripted = script.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            seen.push(request.clone());
            let reply = scripted.unwrap_or_else(|| Self::answer(204));
            (Duration::ZERO, Answer::Reply(reply))
        });
        Self { sink: HttpSink::start(handler).await.unwrap(), got, answers }
    }

    pub(crate) fn answer(status: u16) -> Reply {
        Reply { status, headers: Vec::new(), body: String::new() }
    }

    pub(crate) fn then(&self, replies: impl IntoIterator<Item = Reply>) {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).extend(replies);
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.sink.address())
    }

    pub(crate) async fn told(&self, count: usize) -> Vec<Request> {
        self.got.wait_for_count(count, PATIENCE).await.unwrap_or_else(|error| panic!("{error}"));
        self.got.all()
    }
}

pub(crate) fn header<'a>(request: &'a Request, name: &str) -> &'a str {
    request.header(name).unwrap_or_else(|| panic!("no {name}"))
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

/// As the official library has it.
fn is_signed(request: &Request, secret: &str) -> bool {
    let case = json!({
        "secret": secret,
        "id": header(request, "webhook-id"),
        "timestamp": header(request, "webhook-timestamp"),
        "body": std::str::from_utf8(&request.body).unwrap(),
        "signature": header(request, "webhook-signature"),
    });
    library(&[case])[0]["valid"].as_bool().unwrap()
}

async fn node() -> Node {
    let options = NodeOptions::new(env!("CARGO_BIN_EXE_sendwheel"))
        .set("sms.transport", "discard")
        .set("webhooks.allow_private", "true")
        .set("webhooks.retry_base", "200ms")
        .set("webhooks.retry_cap", "2s")
        .set("webhooks.max_attempts", "4");
    Node::start(options).await.unwrap_or_else(|error| panic!("{error:#}"))
}

/// A webhook for these events; its id and secret.
async fn webhook(client: &Client, receiver: &Receiver, events: &[&str]) -> (String, String) {
    let made = client.post("/v1/webhooks", &json!({"url": receiver.url(), "events": events})).await.unwrap();
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (text("id"), text("secret"))
}

fn sms() -> Value {
    json!({"channel": "sms", "body": "Nobody else's business", "metadata": {"order": "17"}})
}

async fn dead_letters(client: &Client) -> Vec<Value> {
    client.get("/admin/v1/dead-letters").await.unwrap()["data"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_receiver_is_told_of_a_message_signed_and_in_order() {
    let (node, receiver) = (node().await, Receiver::start().await);
    let client = node.client();
    let cast = workload::cast(&client, 1).await.unwrap();
    let (id, secret) = webhook(&client, &receiver, &["message.created", "message.submitted"]).await;
    let message = client.schedule(cast.contact(0), &sms(), None).await.unwrap();
    let told = receiver.told(2).await;
    let types: Vec<_> = told.iter().map(|request| body(request)["type"].clone()).collect();
    assert_eq!(types, ["message.created", "message.submitted"]);
    for request in &told {
        assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/hook"));
        assert_eq!(header(request, "content-type"), "application/json");
        assert!(is_signed(request, &secret));
        let data = &body(request)["data"];
        assert_eq!((&data["id"], &data["metadata"]["order"]), (&json!(message.id), &json!("17")));
        assert!(!String::from_utf8_lossy(&request.body).contains("business"), "what it says is not told");
    }
    assert_eq!(body(&told[1])["data"]["state"], "submitted");
    assert_ne!(header(&told[0], "webhook-id"), header(&told[1], "webhook-id"));

    // Another secret: for a day both sign.
    let rotated = client.post(&format!("/v1/webhooks/{id}/rotate-secret"), &Value::Null).await.unwrap();
    let pinged = client.post(&format!("/v1/webhooks/{id}/test"), &Value::Null).await.unwrap();
    let ping = receiver.told(3).await.pop().unwrap();
    assert_eq!(
        (body(&ping)["type"].as_str(), header(&ping, "webhook-id")),
        (Some("ping"), pinged["id"].as_str().unwrap())
    );
    assert!(is_signed(&ping, &secret) && is_signed(&ping, rotated["secret"].as_str().unwrap()));
    // Nothing of it stands among messages, and secrets stand nowhere.
    let thread = client.thread(cast.contact(0), None).await.unwrap();
    assert_eq!(thread["data"].as_array().unwrap().len(), 1, "{thread}");
    assert!(client.message(pinged["id"].as_str().unwrap()).await.is_err());
    assert!(!node.log().contains("whsec_"));
}

#[tokio::test]
async fn what_is_refused_is_sent_again_under_the_same_id_and_survives_a_kill() {
    let (mut node, receiver) = (node().await, Receiver::start().await);
    let client = node.client();
    let cast = workload::cast(&client, 1).await.unwrap();
    webhook(&client, &receiver, &["message.canceled"]).await;
    let mut later = sms();
    later["send"] = json!({"at": wall::rfc3339(wall::now_ms() + 600_000)});
    let message = client.schedule(cast.contact(0), &later, None).await.unwrap();
    receiver.then([Receiver::answer(500), Receiver::answer(302)]);
    client.cancel(&message.id).await.unwrap();
    receiver.told(1).await;
    node.kill_9().await.unwrap();
    node.restart().await.unwrap();
    let told = receiver.told(3).await;
    let ids: Vec<_> = told.iter().map(|request| header(request, "webhook-id")).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert!(told.iter().all(|request| request.body == told[0].body));
    let last = told.last().unwrap();
    assert_eq!(body(last)["data"]["state"], "canceled");
    assert!(dead_letters(&node.client()).await.is_empty());
}

#[tokio::test]
async fn what_was_refused_too_often_is_a_dead_letter_until_it_is_revived() {
    let (node, receiver) = (node().await, Receiver::start().await);
    let client = node.client();
    let cast = workload::cast(&client, 1).await.unwrap();
    let (id, secret) = webhook(&client, &receiver, &["note.created"]).await;
    receiver.then((0..4).map(|_| Receiver::answer(400)));
    client.post(&format!("/v1/contacts/{}/notes", cast.contact(0)), &json!({"body": "x"})).await.unwrap();
    let told = receiver.told(4).await;
    let letter = wait::until("a dead letter", PATIENCE, || async { dead_letters(&client).await.pop() }).await.unwrap();
    let message = &letter["message"];
    assert_eq!(message["id"], header(&told[0], "webhook-id"));
    assert_eq!((&message["channel"], &message["from"]), (&json!("webhook"), &json!(id)));
    assert_eq!(message["reason"]["code"], "attempts_exhausted");
    assert_eq!(message["attempts"].as_array().unwrap().len(), 4);
    assert!(!message["to"].as_str().unwrap().contains("hook"), "where exactly it goes is not shown");
    let failed = client.get("/v1/messages?state=failed").await.unwrap();
    assert_eq!(failed["data"], json!([]), "it is none of the account's messages");

    let requeue = format!("/admin/v1/dead-letters/{}/requeue", message["id"].as_str().unwrap());
    client.post(&requeue, &Value::Null).await.unwrap();
    let again = receiver.told(5).await.pop().unwrap();
    assert_eq!(header(&again, "webhook-id"), header(&told[0], "webhook-id"));
    assert!(is_signed(&again, &secret));
    assert!(dead_letters(&client).await.is_empty());
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_told_no_more_and_one_that_is_busy_is_left_alone_as_long_as_it_asks() {
    let (node, receiver) = (node().await, Receiver::start().await);
    let client = node.client();
    let cast = workload::cast(&client, 1).await.unwrap();
    let (id, _) = webhook(&client, &receiver, &["note.created"]).await;
    let note = || async {
        client.post(&format!("/v1/contacts/{}/notes", cast.contact(0)), &json!({"body": "x"})).await.unwrap();
    };
    receiver.then([Reply { headers: vec![("Retry-After".into(), "3".into())], ..Receiver::answer(429) }]);
    note().await;
    let told = receiver.told(2).await;
    let waited = told[1].started_at_ms - told[0].started_at_ms;
    assert!((2_900..20_000).contains(&waited), "{waited} ms");

    receiver.then([Receiver::answer(410)]);
    note().await;
    receiver.told(3).await;
    let webhook = format!("/v1/webhooks/{id}");
    wait::until("the webhook to be switched off", PATIENCE, || async {
        (client.get(&webhook).await.unwrap()["enabled"] == false).then_some(())
    })
    .await
    .unwrap();
    let trail = client.get(&format!("/v1/audit?subject={id}")).await.unwrap();
    assert_eq!(trail["data"][0]["action"], "webhook.switched_off");
    note().await;
    // Switched on again, it is told of what happens from then on: this is the only one that comes.
    let on = client.request(Method::PATCH, &webhook).json(&json!({"enabled": true})).send().await.unwrap();
    assert_eq!(on.status(), 200);
    let pinged = client.post(&format!("{webhook}/test"), &Value::Null).await.unwrap();
    assert_eq!(header(&receiver.told(4).await[3], "webhook-id"), pinged["id"].as_str().unwrap());
    assert!(dead_letters(&client).await.is_empty());
}

#[tokio::test]
async fn the_end_of_a_contact_is_told_and_takes_no_notice_along() {
    let (node, receiver) = (node().await, Receiver::start().await);
    let client = node.client();
    let cast = workload::cast(&client, 1).await.unwrap();
    webhook(&client, &receiver, &["message.created", "contact.deleted"]).await;
    receiver.then([Receiver::answer(500), Receiver::answer(500)]);
    let mut later = sms();
    later["send"] = json!({"at": wall::rfc3339(wall::now_ms() + 600_000)});
    client.schedule(cast.contact(0), &later, None).await.unwrap();
    receiver.told(1).await;
    client.delete_contact(cast.contact(0)).await.unwrap();
    let took = |told: &[Request]| {
        let mut types: Vec<_> = told.iter().map(|request| body(request)["type"].as_str().unwrap().to_owned()).collect();
        types.dedup();
        types
    };
    // Two attempts were refused: two notices need four.
    let told = receiver.told(4).await;
    let types = took(&told);
    assert!(types.iter().any(|name| name == "contact.deleted") && types.iter().any(|name| name == "message.created"));
    let gone = told.iter().find(|request| body(request)["type"] == "contact.deleted").unwrap();
    assert_eq!(body(gone)["data"]["id"], cast.contact(0));
    assert!(dead_letters(&client).await.is_empty());
}
