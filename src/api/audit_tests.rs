//! What programs do, as the audit trail has it.

use std::net::SocketAddr;

use actix_web::http::{Method, header};
use actix_web::test::{TestRequest, call_service};
use serde_json::json;

use super::test_stage::*;

#[actix_web::test]
async fn what_a_program_does_is_in_the_trail_once_a_request_before_it_is_done() {
    let stage = stage().await;
    let app = app!(stage);
    let peer: SocketAddr = "198.51.100.9:5".parse().unwrap();
    let sent = async |path: &str, kind: &str, body: String| {
        let request = TestRequest::post().uri(path).peer_addr(peer).set_payload(body);
        let request = request.insert_header((header::AUTHORIZATION, format!("Bearer {KEY}")));
        let request = request.insert_header((header::CONTENT_TYPE, kind.to_owned())).to_request();
        let response = call_service(&app, request).await;
        assert!(response.status().is_success(), "{path}: {}", response.status());
        actix_web::test::read_body(response).await
    };
    let (json, lines) = ("application/json", "application/x-ndjson");
    let contact = json!({"external_id": "1", "phones": [{"number": "+12125550123"}]});
    let line = json!({"contact": contact, "channel": "sms", "body": "Hi"}).to_string();
    sent("/v1/senders", json, json!({"channel": "sms", "address": "+12125550100"}).to_string()).await;
    let before = ask!(app, GET, "/v1/audit").expect(200)["data"].as_array().unwrap().len();
    sent("/v1/messages:batch", lines, format!("{line}\n{line}\n")).await;
    sent("/v1/contacts:import", "text/csv", "name,external_id\nAda,1\nBob,2\n".into()).await;
    sent("/v1/contacts:import?dry_run=true", "text/csv", "name,external_id\nEve,3\n".into()).await;
    sent("/v1/suppressions:import", "text/csv", "address\n+12125550177\n+12125550178\n".into()).await;
    sent("/v1/suppressions", json, json!({"address": "+12125550179"}).to_string()).await;
    let listed = ask!(app, GET, "/v1/contacts?q=Ada").expect(200);
    let ada = id_of(&listed["data"][0]);
    sent(&format!("/v1/contacts/{ada}/messages"), json, later("Hi").to_string()).await;
    sent("/admin/v1/drain", json, json!({"draining": true}).to_string()).await;
    sent("/admin/v1/drain", json, json!({"draining": false}).to_string()).await;
    let trail = ask!(app, GET, "/v1/audit").expect(200);
    let trail = trail["data"].as_array().unwrap();
    let new = &trail[..trail.len() - before];
    let mut actions: Vec<_> = new.iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    actions.reverse();
    let expected = [
        "messages.scheduled",
        "contacts.imported",
        "suppressions.imported",
        "suppression.created",
        "message.scheduled",
        "draining.begun",
        "draining.ended",
    ];
    assert_eq!(actions, expected);
    let account = ask!(app, GET, "/v1/account").expect(200);
    assert_eq!(new.last().unwrap()["subject"], account["id"]);
    for entry in new {
        assert_eq!(entry["from"], "198.51.100.9");
        assert!(entry["who"].as_str().unwrap().starts_with("key_"), "{entry}");
    }
    stage.engine.shutdown(PATIENCE).await;
}
