use std::sync::{Arc, Mutex};

use super::*;
use crate::sink::http::{Answer, Handler, HttpSink, Reply, Request};

/// A server that always answers the same, and what it was asked.
async fn server(reply: Reply) -> (HttpSink, Client, Arc<Mutex<Vec<Request>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let handler: Arc<Handler> = {
        let asked = Arc::clone(&asked);
        Arc::new(move |request| {
            asked.lock().unwrap().push(request.clone());
            (Duration::ZERO, Answer::Reply(reply.clone()))
        })
    };
    let sink = HttpSink::start(handler).await.unwrap();
    let client = Client::new(&format!("http://{}", sink.address()), "sw_key");
    (sink, client, asked)
}

fn text(status: u16, body: &str) -> Reply {
    Reply { status, headers: vec![("Retry-After".into(), "7".into())], body: body.into() }
}

#[tokio::test]
async fn a_refusal_carries_its_code_and_when_to_come_back() {
    let (_sink, client, _) = server(text(503, r#"{"code":"store_unavailable"}"#)).await;
    let error = client.message("msg_1").await.unwrap_err();
    assert!(error.is_worth_repeating());
    let ClientError::Refused { status, code, retry_after, .. } = error else { panic!("{error}") };
    assert_eq!((status, code.as_str(), retry_after), (503, "store_unavailable", Some(7)));
}

#[tokio::test]
async fn scheduling_sends_key_and_idempotency_key() {
    let (_sink, client, asked) = server(text(201, r#"{"id":"msg_1","state":"scheduled"}"#)).await;
    let message = client.schedule("contact_1", &json!({"body": "x"}), Some("k")).await.unwrap();
    assert_eq!((message.id.as_str(), message.attempt_count()), ("msg_1", 0));
    let asked = asked.lock().unwrap();
    assert_eq!(asked[0].target, "/v1/contacts/contact_1/messages");
    assert_eq!(asked[0].header("idempotency-key"), Some("k"));
    assert_eq!(asked[0].header("authorization"), Some("Bearer sw_key"));
}

#[tokio::test]
async fn a_batch_answered_with_too_few_lines_is_no_answer() {
    let (_sink, client, _) =
        server(text(200, "{\"status\":201,\"message\":{\"id\":\"m\",\"state\":\"scheduled\"}}\n")).await;
    assert_eq!(client.batch(&[json!({})]).await.unwrap()[0].status, 201);
    assert!(matches!(client.batch(&[json!({}), json!({})]).await, Err(ClientError::NoAnswer(_))));
}

#[tokio::test]
async fn a_connection_closed_without_an_answer_is_no_answer() {
    let handler: Arc<Handler> = Arc::new(|_| (Duration::ZERO, Answer::Close));
    let sink = HttpSink::start(handler).await.unwrap();
    let client = Client::new(&format!("http://{}", sink.address()), "k");
    assert!(matches!(client.cancel("msg_1").await, Err(ClientError::NoAnswer(_))));
}

#[tokio::test]
async fn both_outcomes_of_a_cancel_are_understood() {
    for (body, expected) in [
        (r#"{"outcome":"canceled"}"#, CancelOutcome::Canceled),
        (r#"{"outcome":"already_handed_over","state":"submitted"}"#, CancelOutcome::AlreadyHandedOver),
    ] {
        let (_sink, client, _) = server(text(200, body)).await;
        assert_eq!(client.cancel("msg_1").await.unwrap(), expected);
    }
}

#[test]
fn attempts_are_counted_from_a_list_or_a_number() {
    let view = |attempts: &str| -> MessageView {
        serde_json::from_str(&format!(r#"{{"id":"m","state":"submitted","attempts":{attempts}}}"#)).unwrap()
    };
    let listed = view(r#"[{"outcome":"unknown"},{"outcome":"submitted"}]"#);
    assert_eq!((listed.attempt_count(), listed.unknown_attempts()), (2, Some(1)));
    assert_eq!((view("3").attempt_count(), view("3").unknown_attempts()), (3, None));
}
