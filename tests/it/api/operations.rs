//! What programs and operators watch a node by: events, its own description, metrics, readiness, draining.

use std::collections::HashSet;
use std::time::Duration;

use reqwest::Method;
use sendwheel_loadtest::client::{Event, EventStream};
use sendwheel_loadtest::node::NodeOptions;
use sendwheel_loadtest::{wait, wall, workload};
use serde_json::{Value, json};

use super::super::stage::{PATIENCE, Stage, Store};
use super::{Desk, Got, id_of};

/// The next event about this message that puts it into this state.
async fn until_event(events: &mut EventStream, message: &str, state: &str) -> (Event, Vec<Event>) {
    let mut before = Vec::new();
    loop {
        let event = events.next(PATIENCE).await.unwrap().expect("the stream stays open");
        let data: Value = serde_json::from_str(&event.data).unwrap();
        if data["message_id"] == message && data["state"] == state {
            return (event, before);
        }
        before.push(event);
    }
}

#[tokio::test]
async fn a_listener_that_comes_back_gets_what_it_missed_once() {
    let desk = Desk::start(1).await;
    let now = json!({"channel": "sms", "body": "Hello"});
    let mut events = desk.client.events(None).await.unwrap();
    let first = desk.schedule(0, &now).await.expect(201);
    let (submitted, before) = until_event(&mut events, id_of(&first), "submitted").await;
    let mut seen: HashSet<String> = before.into_iter().map(|event| event.id).collect();
    seen.insert(submitted.id.clone());
    assert!(!submitted.id.is_empty() && submitted.event == "message.updated", "{submitted:?}");
    drop(events);

    let missed = desk.schedule(0, &now).await.expect(201);
    wait::until("the message to go out", PATIENCE, || async {
        let path = format!("/v1/messages/{}", id_of(&missed));
        (desk.get(&path).await.expect(200)["state"] == "submitted").then_some(())
    })
    .await
    .unwrap();
    let mut resumed = desk.client.events(Some(&submitted.id)).await.unwrap();
    let (_, between) = until_event(&mut resumed, id_of(&missed), "submitted").await;
    assert!(between.iter().any(|event| event.event == "message.created"), "{between:?}");
    assert!(between.iter().all(|event| !seen.contains(&event.id) && event.event != "reset"), "{between:?}");
    assert!(between.iter().all(|event| !event.data.contains(id_of(&first))), "what was seen came again: {between:?}");

    // One that cannot be continued is told so, and goes on with what comes.
    let mut lost = desk.client.events(Some("from-another-life-7")).await.unwrap();
    assert_eq!(lost.next(PATIENCE).await.unwrap().unwrap().event, "reset");
    let next = desk.schedule(0, &now).await.expect(201);
    until_event(&mut lost, id_of(&next), "submitted").await;
}

#[tokio::test]
async fn events_of_a_small_ring_say_when_they_are_lost() {
    let options = NodeOptions::new(env!("CARGO_BIN_EXE_sendwheel")).set("engine.event_ring", "16");
    let desk = Desk::start_with(options, 1).await;
    let mut events = desk.client.events(None).await.unwrap();
    let first = desk.schedule(0, &json!({"channel": "sms", "body": "Hello"})).await.expect(201);
    let (seen, _) = until_event(&mut events, id_of(&first), "submitted").await;
    drop(events);
    let line = workload::for_contact(super::sms_in(1), desk.contact(0));
    desk.client.batch(&vec![line; 40]).await.unwrap();
    let mut resumed = desk.client.events(Some(&seen.id)).await.unwrap();
    assert_eq!(resumed.next(PATIENCE).await.unwrap().unwrap().event, "reset");
}

#[tokio::test]
async fn the_description_names_paths_and_methods_that_exist() {
    let desk = Desk::start(1).await;
    let document = Got::of(desk.request_as(None, Method::GET, "/openapi.json")).await.expect(200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut asked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let method: Method = method.to_uppercase().parse().unwrap();
            // Without a key, and with a name that cannot be one: nothing is done, only the route is found.
            let path = path.replace("{id}", "0").replace("{token}", "0");
            let got = Got::of(desk.request_as(None, method.clone(), &path)).await;
            let is_open = !path.starts_with("/v1/") && !path.starts_with("/admin/");
            match got.status {
                // Signing in needs no key, but something to sign in with.
                415 if ["/v1/sessions", "/v1/password-resets", "/v1/passwords"].contains(&&*path) => {}
                401 if !is_open || path == "/inbound/email" => {}
                403 if path.starts_with("/inbound/") => assert_eq!(got.refused(403), "not_configured"),
                404 if ["/u/", "/t/c/", "/password/"].iter().any(|start| path.starts_with(start)) => {
                    assert_ne!(got.text, "", "a page says that the link is not valid");
                }
                200..300 | 400 | 410 | 422 if is_open => {}
                status => panic!("{method} {path} answered {status}: {}", got.text),
            }
            asked += 1;
        }
    }
    assert!(asked >= 30, "only {asked} operations are described");
}

#[tokio::test]
async fn the_pages_of_the_description_load_nothing_from_elsewhere() {
    let desk = Desk::start(1).await;
    let page = Got::of(desk.request_as(None, Method::GET, "/docs")).await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert!(page.header("content-type").is_some_and(|kind| kind.starts_with("text/html")));
    let mut loaded = 0;
    for mark in ["src=\"", "href=\""] {
        for (at, _) in page.text.match_indices(mark) {
            let target = page.text[at + mark.len()..].split('"').next().unwrap();
            assert!(!target.contains("//"), "the page loads {target}");
            let path = format!("/docs/{}", target.trim_start_matches("./"));
            let part = Got::of(desk.request_as(None, Method::GET, &path)).await;
            assert_eq!(part.status, 200, "{path}");
            for call in ["fetch(\"http", "src=\"http", "@import", "url(http"] {
                assert!(path.contains("bundle") || !part.text.contains(call), "{path} has {call}");
            }
            loaded += 1;
        }
    }
    assert!(loaded >= 3, "the page has {loaded} parts: {}", page.text);
    let start = Got::of(desk.request_as(None, Method::GET, "/docs/swagger-initializer.js")).await;
    assert!(start.text.contains("/openapi.json"), "{}", start.text);
}

#[tokio::test]
async fn metrics_have_the_names_that_were_promised_and_count_what_happened() {
    let desk = Desk::start(1).await;
    for _ in 0..3 {
        desk.schedule(0, &json!({"channel": "sms", "body": "Hello"})).await.expect(201);
    }
    desk.schedule(0, &json!({"channel": "email", "text": "Hello"})).await.expect(201);
    desk.scheduled(0, 1).await;
    let canceled = desk.scheduled(0, 1).await;
    desk.delete(&format!("/v1/messages/{}", id_of(&canceled))).await.expect(200);
    let counted = |channel: &'static str, outcome: &'static str| {
        let client = &desk.client;
        async move {
            let labels = [("channel", channel), ("outcome", outcome)];
            client.metrics().await.unwrap().sum("sendwheel_messages_total", &labels)
        }
    };
    wait::until("the messages to be counted", PATIENCE, || async {
        (counted("sms", "submitted").await >= 3.0 && counted("email", "submitted").await >= 1.0).then_some(())
    })
    .await
    .unwrap();
    assert_eq!(counted("sms", "submitted").await, 3.0);
    assert_eq!(counted("sms", "canceled").await, 1.0);
    assert_eq!(counted("sms", "scheduled").await, 5.0);
    // Gauges are set once a second, each by whoever knows it.
    wait::until("the gauges", PATIENCE, || async {
        (desk.client.metrics().await.unwrap().sum("sendwheel_partitions_owned", &[]) == 64.0).then_some(())
    })
    .await
    .unwrap();
    let text = wait::until("the lanes' gauges", PATIENCE, || async {
        let text = Got::of(desk.request_as(None, Method::GET, "/metrics")).await.text;
        text.contains("sendwheel_lane_backlog").then_some(text)
    })
    .await
    .unwrap();
    for (name, kind) in [
        ("sendwheel_messages_total", "counter"),
        ("sendwheel_pending", "gauge"),
        ("sendwheel_lateness_seconds", "histogram"),
        ("sendwheel_lane_backlog", "gauge"),
        ("sendwheel_partitions_owned", "gauge"),
        ("sendwheel_store_commit_seconds", "histogram"),
    ] {
        assert!(text.contains(&format!("# TYPE {name} {kind}\n")), "{name} in {text}");
    }
    let metrics = desk.client.metrics().await.unwrap();
    assert_eq!(metrics.histogram("sendwheel_lateness_seconds", &[("channel", "sms")]).count(), 3.0);
    assert!(metrics.histogram("sendwheel_store_commit_seconds", &[]).count() > 0.0);
    wait::until("one message to be pending", PATIENCE, || async {
        (desk.client.metrics().await.unwrap().sum("sendwheel_pending", &[]) == 1.0).then_some(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_node_says_that_it_lives_and_that_it_is_ready() {
    let desk = Desk::start(1).await;
    assert_eq!(desk.get("/healthz").await.expect(200), json!({"status": "ok"}));
    assert_eq!(desk.get("/readyz").await.expect(200), json!({"status": "ok"}));
    let nodes = desk.get("/admin/v1/nodes").await.expect(200);
    assert_eq!(nodes["data"][0]["readiness"], "ready");
    let partitions = desk.get("/admin/v1/partitions").await.expect(200);
    assert_eq!(partitions["data"].as_array().unwrap().len(), 64);
    let lanes = desk.all_of("/admin/v1/lanes", 50).await;
    assert!(lanes.iter().all(|lane| lane["paused"] == false && lane["breaker"] == "closed"), "{lanes:?}");
}

#[tokio::test]
async fn a_draining_node_takes_schedules_and_hands_nothing_over_until_it_is_told_to_go_on() {
    let stage = Stage::start(Store::Embedded, 2).await;
    let client = stage.driver.client();
    assert_eq!(client.post("/admin/v1/drain", &json!({})).await.unwrap(), json!({"draining": true}));
    let due = wall::now_ms() + 300;
    let message = stage.sms(0, due - wall::now_ms()).await;
    stage
        .until(&message.id, "the reason why it waits", PATIENCE, |view| {
            view.rest.get("reason").is_some_and(|reason| reason["code"] == "draining")
        })
        .await;
    assert!(client.is_ready().await, "it takes schedules");
    // What is canceled meanwhile does not go out afterwards.
    let canceled = stage.sms(1, 100).await;
    stage.driver.cancel(&stage.token(1), &canceled.id).await.unwrap();
    assert_eq!(stage.sms.requests().count(), 0);
    assert_eq!(client.post("/admin/v1/drain", &json!({"draining": false})).await.unwrap(), json!({"draining": false}));
    stage.until_state(&message.id, "submitted", PATIENCE).await;
    stage.judge().await;
    assert_eq!(stage.sms.requests().count(), 1);
}

#[tokio::test]
async fn a_paused_lane_holds_its_messages_and_a_limit_paces_them() {
    let stage = Stage::start(Store::Embedded, 4).await;
    let client = stage.driver.client();
    let lane = |action: &str| format!("/admin/v1/lanes/{}/{action}", stage.cast.sms_sender);
    client.post(&lane("pause"), &json!({})).await.unwrap();
    let mut ids = Vec::new();
    for n in 0..8 {
        ids.push(stage.sms(n, 100).await.id);
    }
    let mail = stage.mail(20, 100).await;
    stage.until_state(&mail.id, "submitted", PATIENCE).await;
    for id in &ids {
        let waits = |view: &sendwheel_loadtest::client::MessageView| {
            view.rest.get("reason").is_some_and(|reason| reason["code"] == "lane_paused")
        };
        stage.until(id, "the reason why it waits", PATIENCE, waits).await;
    }
    assert_eq!(stage.sms.requests().count(), 0);
    client.post(&lane("rate"), &json!({"rate": 4, "per": "1s", "burst": 1})).await.unwrap();
    client.post(&lane("resume"), &json!({})).await.unwrap();
    stage.sms.requests().wait_for_count(8, PATIENCE).await.unwrap();
    stage.judge().await;
    let mut starts: Vec<_> = stage.sms.requests().all().iter().map(|sms| sms.started_at_ms).collect();
    starts.sort_unstable();
    // Seven intervals of 250 ms, less the 250 ms by which a permit may be early on the wire.
    let spread = Duration::from_millis(u64::try_from(starts[7] - starts[0]).unwrap());
    assert!(spread >= Duration::from_millis(1_500), "eight messages within {spread:?}");
}
