//! The API over a real engine on a store in memory of the file system: what a client sees, end to end.

use actix_web::body::MessageBody;
use actix_web::http::{Method, header};
use actix_web::test::{TestRequest, call_service};
use sendwheel_actors::domain::ids::SenderId;
use sendwheel_loadtest::wait::until;
use serde_json::{Value, json};

use super::test_stage::*;

macro_rules! sender_and_contact {
    ($app:expr) => {{
        let sender = ask!($app, POST, "/v1/senders"; json!({"channel": "sms", "address": "24365"})).expect(201);
        let contact = json!({"name": "Ada", "phones": [{"number": "+12125550123"}], "external_id": "ada"});
        let contact = ask!($app, POST, "/v1/contacts"; contact).expect(201);
        (id_of(&sender), id_of(&contact))
    }};
}

#[actix_web::test]
async fn a_message_is_scheduled_once_read_changed_and_cancelled() {
    let stage = stage().await;
    let app = app!(stage);
    let (sender, contact) = sender_and_contact!(app);
    let path = format!("/v1/contacts/{contact}/messages");

    let made = ask!(app, POST, path, ["Idempotency-Key" => "k1"]; later("Hi"));
    assert_eq!(
        made.headers.get(header::ETAG).map(header::HeaderValue::as_bytes),
        Some(&b"\"1\""[..]),
        "{}",
        made.json()
    );
    let made = made.expect(201);
    let id = id_of(&made);
    assert_eq!((made["state"].as_str(), made["from"].as_str()), (Some("scheduled"), Some(sender.as_str())));
    assert_eq!((made["to"].as_str(), made["from_address"].as_str()), (Some("+12125550123"), Some("24365")));
    assert_eq!(made["due_at"], format!("{}T16:00:00Z", day()));
    assert_eq!(made["send"]["resolution"], "exact");
    assert_eq!(made["segments"], 1);

    let again = ask!(app, POST, path, ["Idempotency-Key" => "k1"]; later("Hi")).expect(200);
    assert_eq!(again["id"], made["id"]);
    assert_eq!(ask!(app, POST, path, ["Idempotency-Key" => "k1"]; later("Other")).status, 409);

    let read = ask!(app, GET, format!("/v1/messages/{id}")).expect(200);
    assert_eq!(read["explain"]["plan"]["due_at"], read["due_at"]);
    let stale = ask!(app, PATCH, format!("/v1/messages/{id}"), ["If-Match" => "\"9\""]; json!({"body": "New"}));
    assert_eq!(stale.status, 412);
    let edited =
        ask!(app, PATCH, format!("/v1/messages/{id}"), ["If-Match" => "\"1\""]; json!({"body": "New"})).expect(200);
    assert_eq!((edited["body"].as_str(), edited["version"].as_u64()), (Some("New"), Some(2)));

    let listed = ask!(app, GET, "/v1/messages?state=scheduled").expect(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    assert_eq!(listed["next_cursor"], Value::Null);
    let nobody = SenderId::from_bytes([9; 16]);
    for (filter, is_listed) in [
        (String::new(), true),
        (format!("?from={0}T16:00:00Z&to={0}T16:00:01Z", day()), true),
        (format!("?from={}T16:00:01Z", day()), false),
        (format!("?to={}T16:00:00Z", day()), false),
        (format!("?sender={sender}&channel=sms"), true),
        (format!("?sender={nobody}"), false),
        ("?channel=email".to_owned(), false),
    ] {
        let listed = ask!(app, GET, format!("/v1/schedule{filter}")).expect(200);
        assert_eq!(listed["data"].as_array().unwrap().len() == 1, is_listed, "{filter}");
    }
    assert_eq!(ask!(app, GET, "/v1/schedule?from=tomorrow").status, 422);
    let thread = ask!(app, GET, format!("/v1/contacts/{contact}/thread")).expect(200);
    assert_eq!(thread["data"][0]["kind"], "scheduled");

    for _ in 0..2 {
        assert_eq!(ask!(app, DELETE, format!("/v1/messages/{id}")).expect(200), json!({"outcome": "canceled"}));
    }
    let read = ask!(app, GET, format!("/v1/messages/{id}")).expect(200);
    assert_eq!(
        (read["state"].as_str(), read["reason"]["code"].as_str()),
        (Some("canceled"), Some("canceled_by_caller"))
    );
    stage.engine.shutdown(PATIENCE).await;
}

/// A stream of events, with what came so far.
struct Events(actix_web::body::BoxBody, String);

impl Events {
    /// Reads on until the text is there.
    async fn until(&mut self, text: &str) {
        while !self.1.contains(text) {
            let body = &mut self.0;
            let next = std::future::poll_fn(|cx| std::pin::Pin::new(&mut *body).poll_next(cx));
            let piece =
                tokio::time::timeout(PATIENCE, next).await.expect("an event in time").expect("the stream is open");
            self.1.push_str(std::str::from_utf8(&piece.expect("a piece")).expect("text"));
        }
    }
}

#[actix_web::test]
async fn a_message_for_now_is_handed_over_and_told_to_listeners() {
    let stage = stage().await;
    let app = app!(stage);
    let (_, contact) = sender_and_contact!(app);
    let listen = TestRequest::get().uri("/v1/events").insert_header((header::AUTHORIZATION, format!("Bearer {KEY}")));
    let listening = call_service(&app, listen.to_request()).await;
    assert_eq!(listening.headers().get(header::CONTENT_TYPE).unwrap(), "text/event-stream");
    let mut events = Events(listening.into_body(), String::new());
    events.until(": connected").await;
    let made = ask!(app, POST, format!("/v1/contacts/{contact}/messages"); json!({"channel": "sms", "body": "Hi"}))
        .expect(201);
    let path = format!("/v1/messages/{}", id_of(&made));
    let submitted = until("the message to be submitted", PATIENCE, async || {
        let read = ask!(app, GET, path).expect(200);
        (read["state"] == "submitted").then_some(read)
    })
    .await
    .unwrap();
    assert_eq!(submitted["attempts"][0]["outcome"], "submitted");
    events.until("\"state\":\"submitted\"").await;
    assert!(
        events.1.contains("event: message.created\n") && events.1.contains("event: message.updated\n"),
        "{}",
        events.1
    );
    let first = events.1.lines().filter_map(|line| line.strip_prefix("id: ")).next().unwrap().to_owned();
    let listen = TestRequest::get()
        .uri("/v1/events")
        .insert_header((header::AUTHORIZATION, format!("Bearer {KEY}")))
        .insert_header(("Last-Event-ID", first));
    let mut resumed = Events(call_service(&app, listen.to_request()).await.into_body(), String::new());
    resumed.until("\"state\":\"submitted\"").await;
    assert!(!resumed.1.contains("event: message.created\n"), "what was seen is not sent again: {}", resumed.1);
    let cancel = ask!(app, DELETE, path).expect(200);
    assert_eq!(cancel, json!({"outcome": "already_handed_over", "state": "submitted"}));
    stage.engine.shutdown(PATIENCE).await;
}

#[actix_web::test]
async fn a_batch_answers_every_line_in_its_place() {
    let stage = stage().await;
    let app = app!(stage);
    let (_, contact) = sender_and_contact!(app);
    let mut with_contact = later("by id");
    with_contact["contact_id"] = contact.into();
    with_contact["idempotency_key"] = "line-1".into();
    let mut with_upsert = later("by name");
    with_upsert["contact"] = json!({"external_id": "bob", "phones": [{"number": "+12125550199"}]});
    let lines =
        format!("{with_contact}\n{{oops\n{}\n\n{with_upsert}\n{with_contact}", json!({"channel": "fax", "x": 1}));
    let request = TestRequest::post()
        .uri("/v1/messages:batch")
        .insert_header((header::AUTHORIZATION, format!("Bearer {KEY}")))
        .insert_header((header::CONTENT_TYPE, "application/x-ndjson"))
        .set_payload(lines);
    let got = Got::of(call_service(&app, request.to_request()).await).await;
    assert_eq!(got.status, 200);
    let answers = got.lines();
    let statuses: Vec<_> = answers.iter().map(|line| line["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [201, 400, 422, 201, 200]);
    assert_eq!(answers[1]["problem"]["code"], "malformed_json");
    assert_eq!(answers[4]["message"]["id"], answers[0]["message"]["id"]);
    let found = ask!(app, GET, "/v1/contacts?q=bob").expect(200);
    assert_eq!(found["data"][0]["external_id"], "bob");
    stage.engine.shutdown(PATIENCE).await;
}

#[actix_web::test]
async fn an_import_tells_what_came_of_every_row() {
    let stage = stage().await;
    let app = app!(stage);
    let csv = "name,email,external_id,plan\nAda,ada@example.com,a,pro\nBob,nobody,b,\n\nAda L,,a,free\n";
    let request = TestRequest::post()
        .uri("/v1/contacts:import")
        .insert_header((header::AUTHORIZATION, format!("Bearer {KEY}")))
        .insert_header((header::CONTENT_TYPE, "text/csv"))
        .set_payload(csv);
    let got = Got::of(call_service(&app, request.to_request()).await).await;
    assert_eq!(got.status, 200);
    let rows = got.lines();
    let outcomes: Vec<_> =
        rows.iter().map(|row| (row["row"].as_u64().unwrap(), row["outcome"].as_str().unwrap())).collect();
    assert_eq!(outcomes, [(1, "created"), (2, "refused"), (3, "updated")]);
    assert_eq!((rows[1]["line"].as_u64(), rows[1]["errors"][0]["pointer"].as_str()), (Some(3), Some("/email")));
    let ada = ask!(app, GET, format!("/v1/contacts/{}", rows[0]["id"].as_str().unwrap())).expect(200);
    assert_eq!((ada["name"].as_str(), ada["emails"][0]["address"].as_str()), (Some("Ada L"), Some("ada@example.com")));
    assert_eq!(ada["attributes"]["plan"], "free");
    stage.engine.shutdown(PATIENCE).await;
}

#[actix_web::test]
async fn keys_have_roles_and_a_revoked_one_is_refused() {
    let stage = stage().await;
    let app = app!(stage);
    let made = ask!(app, POST, "/v1/api-keys"; json!({"name": "shop", "role": "user"})).expect(201);
    let secret = made["secret"].as_str().expect("it is shown once").to_owned();
    assert!(secret.starts_with("sw_") && secret.len() >= 32);
    let listed = ask!(app, GET, "/v1/api-keys").expect(200);
    assert!(listed["data"].as_array().unwrap().iter().all(|key| key.get("secret").is_none()));

    let as_user = |method: Method, path: &str, body: Option<Value>| {
        let request = TestRequest::with_uri(path).method(method);
        let request = request.insert_header((header::AUTHORIZATION, format!("Bearer {secret}")));
        match body {
            Some(body) => request.set_json(body).to_request(),
            None => request.to_request(),
        }
    };
    for (method, path, status) in [
        (Method::GET, "/v1/senders", 200),
        (Method::GET, "/v1/account", 200),
        (Method::POST, "/v1/senders", 403),
        (Method::PATCH, "/v1/account", 403),
        (Method::GET, "/v1/api-keys", 403),
        (Method::GET, "/admin/v1/nodes", 403),
    ] {
        let got = Got::of(call_service(&app, as_user(method.clone(), path, None)).await).await;
        assert_eq!(got.status, status, "{method} {path}");
    }
    assert_eq!(ask!(app, DELETE, format!("/v1/api-keys/{}", id_of(&made))).status, 204);
    let got = Got::of(call_service(&app, as_user(Method::GET, "/v1/account", None)).await).await;
    assert_eq!(got.status, 401);
    stage.engine.shutdown(PATIENCE).await;
}

#[actix_web::test]
async fn operators_see_the_node_and_hold_its_lanes() {
    let stage = stage().await;
    let app = app!(stage);
    let (sender, contact) = sender_and_contact!(app);
    let node = ask!(app, GET, "/admin/v1/nodes").expect(200);
    assert_eq!(
        (node["data"][0]["readiness"].as_str(), node["data"][0]["partitions"].as_u64()),
        (Some("ready"), Some(4))
    );
    assert_eq!(ask!(app, GET, "/admin/v1/partitions").expect(200)["data"].as_array().unwrap().len(), 4);
    assert_eq!(ask!(app, GET, "/admin/v1/dead-letters").expect(200)["data"], json!([]));
    assert_eq!(ask!(app, GET, "/readyz").status, 200);

    let paused = ask!(app, POST, format!("/admin/v1/lanes/{sender}/pause")).expect(200);
    assert_eq!(paused["paused"], true);
    let made = ask!(app, POST, format!("/v1/contacts/{contact}/messages"); json!({"channel": "sms", "body": "Hi"}))
        .expect(201);
    let path = format!("/v1/messages/{}", id_of(&made));
    until("the message to wait in its lane", PATIENCE, async || {
        let read = ask!(app, GET, path).expect(200);
        (read["state"] == "queued" && read["reason"]["code"] == "lane_paused").then_some(())
    })
    .await
    .unwrap();
    let rate = ask!(app, POST, format!("/admin/v1/lanes/{sender}/rate"); json!({"rate": 100, "burst": 10})).expect(200);
    assert_eq!(rate["limits"], json!({"rate": 100, "per": "1s", "burst": 10}));
    assert_eq!(ask!(app, POST, format!("/admin/v1/lanes/{sender}/resume")).expect(200)["paused"], false);
    until("the message to go", PATIENCE, async || {
        (ask!(app, GET, path).expect(200)["state"] == "submitted").then_some(())
    })
    .await
    .unwrap();
    assert_eq!(ask!(app, POST, "/admin/v1/drain").expect(200), json!({"draining": true}));
    assert_eq!(ask!(app, POST, "/admin/v1/drain"; json!({"draining": false})).expect(200), json!({"draining": false}));
    stage.engine.shutdown(PATIENCE).await;
}

#[actix_web::test]
async fn what_is_not_there_or_wrong_is_refused_with_reasons() {
    let stage = stage().await;
    let app = app!(stage);
    let (_, contact) = sender_and_contact!(app);
    for path in ["/v1/contacts/x", "/v1/messages/msg_x", "/v1/senders/contact_01h455vb4pex5vsknk084sn02q"] {
        assert_eq!(ask!(app, GET, path).expect(404)["code"], "not_found", "{path}");
    }
    let path = format!("/v1/contacts/{contact}/messages");
    let zone = json!({"channel": "sms", "body": "x", "send": {"at": "2099-01-01T09:00", "time_zone": "Mars/Olympus"}});
    let refused = ask!(app, POST, path; zone).expect(422);
    assert_eq!(refused["errors"][0]["pointer"], "/send/time_zone");
    let sender = json!({"channel": "sms", "body": "x", "from": "sender_01h455vb4pex5vsknk084sn02q"});
    let refused = ask!(app, POST, path; sender).expect(422);
    assert_eq!(refused["errors"][0]["pointer"], "/from");
    assert_eq!(ask!(app, POST, path).status, 415);
    assert_eq!(ask!(app, POST, path; "{").expect(400)["code"], "malformed_json");
    let large = json!({"name": "x".repeat(300_000)});
    assert_eq!(ask!(app, POST, "/v1/contacts"; large).status, 413);
    stage.engine.shutdown(PATIENCE).await;
}

#[actix_web::test]
async fn an_erased_contact_s_address_stays_suppressed_and_is_told_to_nobody() {
    let stage = stage().await;
    let app = app!(stage);
    let (_, contact) = sender_and_contact!(app);
    ask!(app, POST, format!("/v1/contacts/{contact}/messages"); later("Hi")).expect(201);
    ask!(app, POST, "/v1/suppressions"; json!({"address": "+12125550123", "reason": "complaint"})).expect(201);
    assert_eq!(ask!(app, DELETE, format!("/v1/contacts/{contact}?erase=perhaps")).status, 422);
    let path = format!("/v1/contacts/{contact}?erase=true");
    // Suppressing its address took the message back.
    assert!(ask!(app, DELETE, path).expect(200)["canceled"].as_u64().is_some());
    assert_eq!(ask!(app, DELETE, path).status, 404);
    let (app, path) = (&app, "/v1/suppressions");
    let listed = until("its address is erased", PATIENCE, || async move {
        let listed = ask!(*app, GET, path).expect(200);
        (listed["data"][0]["address"] == Value::Null).then_some(listed)
    });
    let listed = listed.await.unwrap();
    assert_eq!((&listed["data"][0]["channel"], &listed["data"][0]["reason"]), (&json!("sms"), &json!("complaint")));
    let exported = ask!(*app, GET, "/v1/suppressions:export");
    assert_eq!(String::from_utf8(exported.body).unwrap().trim(), "address,channel,reason,created_at");
    let again = json!({"name": "Ada", "phones": [{"number": "+12125550123"}]});
    let again = id_of(&ask!(*app, POST, "/v1/contacts"; again).expect(201));
    let now = json!({"channel": "sms", "body": "Hi", "send": "now"});
    let message = id_of(&ask!(*app, POST, format!("/v1/contacts/{again}/messages"); now).expect(201));
    let path = &format!("/v1/messages/{message}");
    let stopped = until("the last check", PATIENCE, || async move {
        let read = ask!(*app, GET, path).expect(200);
        (read["state"] == "canceled").then_some(read)
    });
    assert_eq!(stopped.await.unwrap()["reason"]["code"], "suppressed");
    stage.engine.shutdown(PATIENCE).await;
}
