//! Webhooks as an admin keeps them.

use actix_web::http::{Method, header};
use actix_web::test::{TestRequest, call_service};
use serde_json::{Value, json};

use super::test_stage::*;

const URL: &str = "https://crm.example.com/hook";

fn secret_of(made: &Value) -> String {
    made["secret"].as_str().expect("a secret").to_owned()
}

#[actix_web::test]
async fn a_webhook_is_made_changed_and_removed_and_its_secret_is_shown_once() {
    let stage = stage().await;
    let app = app!(stage);
    let body = json!({"url": URL, "events": ["message.failed", "message.received"]});
    let created = ask!(app, POST, "/v1/webhooks", ["Idempotency-Key" => "k"]; body);
    let location = created.headers.get(header::LOCATION).expect("a location").to_str().unwrap().to_owned();
    let made = created.expect(201);
    assert_eq!(location, format!("/v1/webhooks/{}", id_of(&made)));
    assert!(secret_of(&made).starts_with("whsec_"));
    assert_eq!(made["events"], json!(["message.failed", "message.received"]));
    assert_eq!(made["enabled"], true);

    let again = ask!(app, POST, "/v1/webhooks", ["Idempotency-Key" => "k"]; body).expect(200);
    let mut shown = made.clone();
    shown.as_object_mut().unwrap().remove("secret");
    assert_eq!(again, shown, "the same webhook, without its secret");
    let other = json!({"url": URL});
    let reused = ask!(app, POST, "/v1/webhooks", ["Idempotency-Key" => "k"]; other).expect(409);
    assert_eq!(reused["code"], "idempotency_key_reused");
    assert_eq!(ask!(app, GET, location).expect(200), shown);
    assert_eq!(ask!(app, GET, "/v1/webhooks").expect(200)["data"], json!([shown]));

    let change = json!({"events": ["*"], "description": "CRM", "enabled": false});
    ask!(app, PATCH, location, ["If-Match" => "\"7\""]; change).expect(412);
    let changed = ask!(app, PATCH, location, ["If-Match" => "\"1\""]; change).expect(200);
    assert_eq!(
        (&changed["version"], &changed["events"], &changed["enabled"]),
        (&json!(2), &json!(["*"]), &json!(false))
    );
    assert_eq!(ask!(app, PATCH, location; json!({"enabled": false})).expect(200)["version"], 2, "nothing changed");

    let rotated = ask!(app, POST, format!("{location}/rotate-secret")).expect(200);
    assert_ne!(secret_of(&rotated), secret_of(&made));
    assert_eq!(rotated["version"], 3);

    ask!(app, DELETE, location).expect(204);
    ask!(app, GET, location).expect(404);
    ask!(app, DELETE, location).expect(404);
    assert_eq!(ask!(app, GET, "/v1/webhooks").expect(200)["data"], json!([]));

    let trail = ask!(app, GET, format!("/v1/audit?subject={}", id_of(&made))).expect(200);
    let actions: Vec<_> = trail["data"].as_array().unwrap().iter().map(|entry| entry["action"].clone()).collect();
    assert_eq!(actions, ["webhook.deleted", "webhook.secret_rotated", "webhook.updated", "webhook.created"]);
    let text = trail.to_string();
    assert!(!text.contains("whsec_") && !text.contains("crm.example.com"), "{text}");
    stage.engine.shutdown(PATIENCE).await;
}

#[actix_web::test]
async fn an_account_has_at_most_twenty_webhooks_of_its_own() {
    let stage = stage().await;
    let app = app!(stage);
    for n in 0..20 {
        ask!(app, POST, "/v1/webhooks"; json!({"url": format!("{URL}/{n}")})).expect(201);
    }
    assert_eq!(ask!(app, POST, "/v1/webhooks"; json!({"url": URL})).expect(409)["code"], "too_many");
    let first = ask!(app, GET, "/v1/webhooks?limit=1").expect(200);
    assert_eq!(first["data"][0]["url"], format!("{URL}/0"));
    let rest = ask!(app, GET, format!("/v1/webhooks?cursor={}", first["next_cursor"].as_str().unwrap())).expect(200);
    assert_eq!(rest["data"].as_array().unwrap().len(), 19);

    // Another account sees none of them, and may have its own.
    let other = ask!(app, POST, "/v1/accounts"; json!({"name": "Other"})).expect(201);
    let as_other = id_of(&other);
    let listed = ask!(app, GET, "/v1/webhooks", ["Sendwheel-Account" => as_other.clone()]).expect(200);
    assert_eq!(listed["data"], json!([]));
    ask!(app, GET, format!("/v1/webhooks/{}", id_of(&first["data"][0])), ["Sendwheel-Account" => as_other.clone()])
        .expect(404);
    ask!(app, POST, "/v1/webhooks", ["Sendwheel-Account" => as_other]; json!({"url": URL})).expect(201);
    stage.engine.shutdown(PATIENCE).await;
}

#[actix_web::test]
async fn a_url_into_the_network_or_without_tls_is_refused_when_it_is_set() {
    let stage = stage().await;
    let app = app!(stage);
    let made = ask!(app, POST, "/v1/webhooks"; json!({"url": URL})).expect(201);
    for url in [
        "http://crm.example.com/hook",
        "https://127.0.0.1/hook",
        "https://localhost/hook",
        "https://169.254.169.254/latest",
        "https://user:password@crm.example.com/",
        "https://crm.example.com:25/",
        "ftp://crm.example.com/",
    ] {
        let refused = ask!(app, POST, "/v1/webhooks"; json!({"url": url})).expect(422);
        assert_eq!(refused["errors"][0]["code"], "url_refused", "{url}");
        let change = ask!(app, PATCH, format!("/v1/webhooks/{}", id_of(&made)); json!({"url": url})).expect(422);
        assert_eq!(change["errors"][0]["pointer"], "/url", "{url}");
    }
    stage.engine.shutdown(PATIENCE).await;
}
