//! One message over its life: scheduled once, changed, sent at once, taken back, settled, revived.

use reqwest::Method;
use sendwheel_actors::domain::ids::MessageId;
use sendwheel_loadtest::sink::plan::Rule;
use sendwheel_loadtest::sink::sms::{self, Submit};
use sendwheel_loadtest::{wait, wall, workload};
use serde_json::{Value, json};

use super::super::stage::{PATIENCE, Stage, Store};
use super::{DAY_MS, Desk, Got, id_of, sms_in, texts};

/// Waits until a message is in a state, and gives it.
async fn until_state(desk: &Desk, id: &str, state: &str) -> Value {
    let path = format!("/v1/messages/{id}");
    wait::until(&format!("state {state}"), PATIENCE, || async {
        let message = desk.get(&path).await.expect(200);
        (message["state"] == state).then_some(message)
    })
    .await
    .unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test]
async fn the_same_request_makes_one_message_and_another_under_its_key_is_refused() {
    let desk = Desk::start(2).await;
    let path = |n: usize| format!("/v1/contacts/{}/messages", desk.contact(n));
    let send = |n: usize, body: String| {
        let request = desk.client.request(Method::POST, &path(n)).header("Idempotency-Key", "order-42");
        Got::of(request.header("Content-Type", "application/json").body(body))
    };
    let message = sms_in(1);
    let first = send(0, message.to_string()).await;
    let made = first.expect(201);
    assert_eq!(first.header("location"), Some(&*format!("/v1/messages/{}", id_of(&made))));
    // The same content, written another way.
    let spaced = serde_json::to_string_pretty(&message).unwrap();
    for body in [message.to_string(), spaced] {
        assert_eq!(id_of(&send(0, body).await.expect(200)), id_of(&made));
    }
    let mut other = message.clone();
    other["body"] = "Goodbye".into();
    assert_eq!(send(0, other.to_string()).await.refused(409), "idempotency_key_reused");
    // The key of another contact is another key.
    let second = send(1, message.to_string()).await.expect(201);
    assert_ne!(id_of(&second), id_of(&made));
    // Also after the message changed and was taken back, the request finds it.
    desk.patch(&format!("/v1/messages/{}", id_of(&made)), &json!({"body": "Changed"})).await.expect(200);
    desk.delete(&format!("/v1/messages/{}", id_of(&made))).await.expect(200);
    let again = send(0, message.to_string()).await.expect(200);
    assert_eq!((id_of(&again), &again["state"]), (id_of(&made), &json!("canceled")));
}

#[tokio::test]
async fn requests_that_race_under_one_key_make_one_message() {
    let desk = Desk::start(1).await;
    let (path, message) = (format!("/v1/contacts/{}/messages", desk.contact(0)), sms_in(1));
    let requests = (0..16)
        .map(|_| Got::of(desk.client.request(Method::POST, &path).header("Idempotency-Key", "race").json(&message)));
    let got = futures_util::future::join_all(requests).await;
    assert_eq!(got.iter().filter(|got| got.status == 201).count(), 1);
    assert!(got.iter().all(|got| matches!(got.status, 200 | 201)));
    assert_eq!(desk.all_of("/v1/messages?state=scheduled", 50).await.len(), 1);
}

#[tokio::test]
async fn an_edit_needs_the_version_it_was_made_for_and_changes_all_or_nothing() {
    let desk = Desk::start(1).await;
    let made = desk.scheduled(0, 1).await;
    let path = format!("/v1/messages/{}", id_of(&made));
    let edit = |version: &'static str, change: Value| {
        Got::of(desk.client.request(Method::PATCH, &path).header("If-Match", version).json(&change))
    };
    let due = wall::now_ms() + 3 * DAY_MS;
    let change = json!({"body": "New text", "send": {"at": wall::rfc3339(due)}, "metadata": {"order": "42"}});
    let got = edit("\"1\"", change).await;
    let changed = got.expect(200);
    assert_eq!((&changed["version"], got.header("etag")), (&json!(2), Some("\"2\"")));
    assert_eq!((&changed["body"], &changed["metadata"]["order"]), (&json!("New text"), &json!("42")));
    assert_eq!(changed["due_at"].as_str().and_then(wall::parse_rfc3339), Some(due));

    assert_eq!(edit("\"1\"", json!({"body": "Late"})).await.refused(412), "version_mismatch");
    assert_eq!(edit("soon", json!({"body": "Late"})).await.status, 400);
    // One good and one bad field: nothing is changed.
    let half = desk.patch(&path, &json!({"body": "Half", "send": {"at": "2001-01-01T00:00:00Z"}})).await;
    assert_eq!(half.refused_fields(), [("/send/at".to_owned(), "in_the_past".to_owned())]);
    for (change, pointer, code) in [
        (json!({"channel": "email"}), "/channel", "not_editable"),
        (json!({"to": "+12125550199"}), "/to", "unknown_address"),
        (json!({"from": "sender_01h455vb4pex5vsknk084sn02q"}), "/from", "unknown_sender"),
        (json!({"body": null}), "/body", "invalid_type"),
        (json!({"body": "x".repeat(2_000)}), "/body", "too_many_segments"),
    ] {
        let fields = desk.patch(&path, &change).await.refused_fields();
        assert_eq!(fields, [(pointer.to_owned(), code.to_owned())]);
    }
    let read = desk.get(&path).await.expect(200);
    assert_eq!((&read["version"], &read["body"], &read["due_at"]), (&json!(2), &json!("New text"), &changed["due_at"]));

    desk.delete(&path).await.expect(200);
    desk.patch(&path, &json!({"body": "After"})).await.refused(409);
}

#[tokio::test]
async fn a_cancel_can_be_repeated_and_tells_when_it_comes_too_late() {
    let desk = Desk::start(1).await;
    let path = format!("/v1/messages/{}", id_of(&desk.scheduled(0, 1).await));
    for _ in 0..2 {
        assert_eq!(desk.delete(&path).await.expect(200), json!({"outcome": "canceled"}));
    }
    let read = desk.get(&path).await.expect(200);
    assert_eq!((&read["state"], &read["reason"]["code"]), (&json!("canceled"), &json!("canceled_by_caller")));
    assert!(desk.all_of("/v1/messages?state=scheduled", 50).await.is_empty());

    let sent = desk.schedule(0, &json!({"channel": "sms", "body": "Now"})).await.expect(201);
    until_state(&desk, id_of(&sent), "submitted").await;
    let late = desk.delete(&format!("/v1/messages/{}", id_of(&sent))).await.expect(200);
    assert_eq!(late, json!({"outcome": "already_handed_over", "state": "submitted"}));
}

#[tokio::test]
async fn a_message_is_sent_at_once_when_asked_to() {
    let desk = Desk::start(1).await;
    let made = desk.scheduled(0, 30).await;
    let path = format!("/v1/messages/{}", id_of(&made));
    let now = desk.post(&format!("{path}/send-now"), &json!({})).await.expect(200);
    let due = wall::parse_rfc3339(now["due_at"].as_str().unwrap()).unwrap();
    assert!((wall::now_ms() - due).abs() < 10_000, "{now}");
    let sent = until_state(&desk, id_of(&made), "submitted").await;
    assert_eq!(sent["attempts"].as_array().unwrap().len(), 1);
    let histories = sent["explain"]["history"].as_array().unwrap();
    assert!(histories.iter().any(|entry| entry["reason"]["code"] == "send_now"), "{histories:?}");
    desk.post(&format!("{path}/send-now"), &json!({})).await.refused(409);
    desk.post(&format!("{path}/requeue"), &json!({})).await.refused(409);
    desk.post(&format!("{path}/resolve"), &json!({"outcome": "submitted"})).await.refused(409);
}

#[tokio::test]
async fn many_are_canceled_by_contact_and_by_label_and_the_others_stay() {
    let desk = Desk::start(3).await;
    for n in 0..30_usize {
        let mut message = sms_in(1 + i64::try_from(n).unwrap());
        message["metadata"] = json!({"order": (n % 2).to_string(), "shop": "north"});
        desk.schedule(n % 3, &message).await.expect(201);
    }
    let cancel = async |filter: Value| desk.post("/v1/messages:cancel", &filter).await.expect(200)["canceled"].clone();
    assert_eq!(cancel(json!({"metadata": {"order": "1", "shop": "south"}})).await, 0);
    assert_eq!(cancel(json!({"metadata": {"order": "1", "shop": "north"}})).await, 15);
    let left = desk.all_of("/v1/messages?state=scheduled", 500).await;
    assert!(left.len() == 15 && left.iter().all(|message| message["metadata"]["order"] == "0"));
    assert_eq!(cancel(json!({"contact_id": desk.contact(0), "metadata": {"order": "0"}})).await, 5);
    assert_eq!(cancel(json!({"contact_id": desk.contact(1)})).await, 5);
    assert_eq!(cancel(json!({"contact_id": desk.contact(1)})).await, 0);
    let left = desk.all_of("/v1/messages?state=scheduled", 500).await;
    assert!(left.len() == 5 && left.iter().all(|message| message["contact_id"] == *desk.contact(2)));
    desk.post("/v1/messages:cancel", &json!({})).await.refused(422);
}

#[tokio::test]
async fn many_are_canceled_by_their_ids_each_as_if_alone() {
    let desk = Desk::start(2).await;
    let mut ids = Vec::new();
    for n in 0..5_usize {
        ids.push(id_of(&desk.scheduled(n % 2, 1).await).to_owned());
    }
    desk.delete(&format!("/v1/messages/{}", ids[0])).await.expect(200);
    desk.post(&format!("/v1/messages/{}/send-now", ids[1]), &json!({})).await.expect(200);
    until_state(&desk, &ids[1], "submitted").await;
    let stranger = MessageId::from_bytes([7; 16]).to_string();
    let cancel = async |ids: &[&String]| desk.post("/v1/messages:cancel", &json!({"ids": ids})).await.expect(200);
    // One of them is named twice, and one is cancelled already, which can be repeated.
    let outcome = cancel(&[&ids[0], &ids[1], &ids[2], &ids[2], &ids[3], &stranger]).await;
    assert_eq!(outcome, json!({"canceled": 3, "already_handed_over": 1, "not_found": 1}));
    let left = desk.all_of("/v1/messages?state=scheduled", 500).await;
    assert_eq!(texts(&left, "id"), [&*ids[4]]);
    // That of a contact which was merged into another one is found by its old id, once it has moved.
    let into = format!("/v1/contacts/{}/merge", desk.contact(1));
    desk.post(&into, &json!({"from": desk.contact(0)})).await.expect(200);
    let moved = async || desk.get(&format!("/v1/messages/{}", ids[4])).await.json()["id"] != *ids[4];
    wait::until("the message to move", PATIENCE, || async { moved().await.then_some(()) }).await.expect("it moves");
    assert_eq!(cancel(&[&ids[4]]).await["canceled"], 1);
    assert!(desk.all_of("/v1/messages?state=scheduled", 500).await.is_empty());
}

#[tokio::test]
async fn a_person_settles_what_nobody_knows() {
    let stage = Stage::start(Store::Embedded, 4).await;
    stage.sms.add(Rule::at(Submit).times(4).act(sms::Act::TakeAndClose));
    let client = stage.driver.client();
    let resolve = |id: String, outcome: &'static str| {
        let request = client.request(Method::POST, &format!("/v1/messages/{id}/resolve"));
        Got::of(request.json(&json!({"outcome": outcome})))
    };
    let mut ids = Vec::new();
    for n in 0..4 {
        ids.push(stage.sms(n, 200).await.id);
    }
    for id in &ids {
        stage.until_state(id, "uncertain", PATIENCE).await;
    }
    let listed = client.get("/v1/messages?state=uncertain").await.unwrap();
    assert_eq!(listed["data"].as_array().unwrap().len(), 4);
    for (id, outcome) in ids.iter().zip(["submitted", "failed", "canceled"]) {
        assert_eq!(resolve(id.clone(), outcome).await.expect(200)["state"], outcome);
        resolve(id.clone(), outcome).await.refused(409);
    }
    assert_eq!(resolve(ids[3].clone(), "perhaps").await.refused_fields()[0].0, "/outcome");
    resolve(ids[3].clone(), "retry").await.expect(200);
    let retried = stage.until_state(&ids[3], "submitted", PATIENCE).await;
    assert_eq!(retried.attempt_count(), 2);
    assert_eq!(stage.sms.requests().count(), 5);
    let keys: Vec<_> = stage.sms.requests().all().into_iter().filter(|sms| sms.to == workload::phone(3)).collect();
    assert_eq!(keys[0].idempotency_key, keys[1].idempotency_key, "the provider can tell that it is the same one");
    assert!(keys[0].idempotency_key.is_some());
}

#[tokio::test]
async fn a_dead_letter_is_revived_once_as_a_new_message() {
    let stage = Stage::start(Store::Embedded, 2).await;
    stage.sms.add(Rule::at(Submit).times(2).act(sms::Act::Refuse { status: 400, code: 21211, retry_after: None }));
    let client = stage.driver.client();
    let failed = [stage.sms(0, 200).await, stage.sms(1, 200).await];
    for message in &failed {
        stage.until_state(&message.id, "failed", PATIENCE).await;
    }
    let letters = client.get("/admin/v1/dead-letters").await.unwrap()["data"].as_array().unwrap().clone();
    let mut found: Vec<_> = letters.iter().map(|letter| id_of(&letter["message"])).collect();
    found.sort_unstable();
    let mut wanted = failed.each_ref().map(|message| message.id.as_str());
    wanted.sort_unstable();
    assert_eq!(found, wanted);
    let paths =
        [format!("/v1/messages/{}/requeue", failed[0].id), format!("/admin/v1/dead-letters/{}/requeue", failed[1].id)];
    for (path, dead) in paths.iter().zip(&failed) {
        let revived = Got::of(client.request(Method::POST, path)).await.expect(201);
        assert_eq!(revived["requeue_of"], dead.id.as_str());
        assert_ne!(id_of(&revived), dead.id);
        let again = Got::of(client.request(Method::POST, path)).await.expect(200);
        assert_eq!(id_of(&again), id_of(&revived), "one dead letter is revived once");
        stage.until_state(id_of(&revived), "submitted", PATIENCE).await;
    }
    assert_eq!(stage.sms.requests().count(), 4);
}
