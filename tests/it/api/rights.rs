//! Who may do what: keys, roles, and what a caller without one of them gets.

use reqwest::Method;
use sendwheel_loadtest::node::API_KEY;
use serde_json::json;

use super::{Desk, Got, id_of, sms_in};

#[tokio::test]
async fn without_a_valid_key_nothing_is_told_and_nothing_done() {
    let desk = Desk::start(1).await;
    let path = format!("/v1/contacts/{}/messages", desk.contact(0));
    let almost = format!("{}0", &API_KEY[..API_KEY.len() - 1]);
    for key in [None, Some("sw_wrong"), Some("hello"), Some(almost.as_str()), Some("")] {
        let got = Got::of(desk.request_as(key, Method::POST, &path).json(&sms_in(1))).await;
        assert_eq!(got.refused(401), "unauthorized", "{key:?}");
        assert!(got.header("www-authenticate").is_some_and(|value| value.starts_with("Bearer")));
        let got = Got::of(desk.request_as(key, Method::GET, "/v1/contacts")).await;
        assert_eq!(got.refused(401), "unauthorized", "{key:?}");
        assert_eq!(Got::of(desk.request_as(key, Method::GET, "/admin/v1/nodes")).await.status, 401);
    }
    let basic = desk.request_as(None, Method::GET, "/v1/contacts").basic_auth(API_KEY, Some(API_KEY));
    assert_eq!(Got::of(basic).await.refused(401), "unauthorized");
    for open in ["/healthz", "/readyz", "/metrics", "/openapi.json"] {
        assert_eq!(Got::of(desk.request_as(None, Method::GET, open)).await.status, 200, "{open}");
    }
    desk.assert_nothing_stored().await;
}

#[tokio::test]
async fn a_key_does_what_its_role_may_and_no_more() {
    let desk = Desk::start(1).await;
    let mut keys = Vec::new();
    for role in ["user", "admin"] {
        let made = desk.post("/v1/api-keys", &json!({"name": role, "role": role})).await.expect(201);
        keys.push((id_of(&made).to_owned(), made["secret"].as_str().unwrap().to_owned()));
    }
    let [(user_id, user), (_, admin)] = &keys[..] else { unreachable!() };
    let sender = json!({"channel": "sms", "address": "+12125550111"});
    let key = json!({"name": "more", "role": "operator"});
    let limits = json!({"limits": {"rate": 5, "per": "1s", "burst": 1}});
    let sender_path = format!("/v1/senders/{}", desk.cast.sms_sender);
    let ignoring = json!({"channel": "sms", "body": "x", "send": sms_in(1)["send"], "quiet_hours": "ignore"});
    let schedule = format!("/v1/contacts/{}/messages", desk.contact(0));
    for (key, method, path, body, status, code) in [
        (user, Method::POST, "/v1/senders", &sender, 403, "admin_required"),
        (user, Method::PATCH, &*sender_path, &limits, 403, "admin_required"),
        (user, Method::POST, "/v1/api-keys", &key, 403, "admin_required"),
        (user, Method::PATCH, "/v1/account", &json!({"name": "mine"}), 403, "admin_required"),
        (user, Method::POST, &*schedule, &ignoring, 403, "admin_required"),
        (user, Method::POST, &*schedule, &sms_in(1), 201, ""),
        (user, Method::POST, "/admin/v1/drain", &json!({}), 403, "operator_required"),
        (admin, Method::POST, "/admin/v1/drain", &json!({}), 403, "operator_required"),
        (admin, Method::POST, "/v1/api-keys", &key, 403, "role_too_high"),
        (admin, Method::POST, "/v1/senders", &sender, 201, ""),
    ] {
        let got = Got::of(desk.request_as(Some(key), method, path).json(body)).await;
        assert_eq!(got.status, status, "{path}: {}", got.text);
        if status == 403 {
            assert_eq!(got.refused(403), code, "{path}");
        }
    }
    assert_eq!(desk.get("/admin/v1/drain").await.expect(200)["draining"], false, "nobody drained the node");
    assert_eq!(desk.delete(&format!("/v1/api-keys/{user_id}")).await.status, 204);
    let got = Got::of(desk.request_as(Some(user), Method::GET, "/v1/contacts")).await;
    assert_eq!(got.refused(401), "unauthorized", "a revoked key is no key");
}

#[tokio::test]
async fn no_secret_shows_in_an_answer_or_in_the_log() {
    const PHONE: &str = "2125550123";
    let desk = Desk::start(1).await;
    let made = desk.post("/v1/api-keys", &json!({"name": "shop", "role": "user"})).await.expect(201);
    let secret = made["secret"].as_str().unwrap();
    let listed = desk.get("/v1/api-keys").await;
    listed.expect(200);
    assert!(!listed.text.contains(secret) && !listed.text.contains(API_KEY));
    let person = json!({"name": "Ada", "phones": [{"number": format!("+1{PHONE}")}]});
    let contact = desk.post("/v1/contacts", &person).await.expect(201);
    let path = format!("/v1/contacts/{}/messages", id_of(&contact));
    desk.post(&path, &json!({"channel": "sms", "body": "a private line"})).await.expect(201);
    // Refusals speak of what was expected, never of what came.
    let refused = desk.post(&path, &json!({"channel": "sms", "body": "a private line", "to": "+1212555"})).await;
    refused.refused(422);
    assert!(!refused.text.contains("1212555"), "{}", refused.text);
    for word in [secret, API_KEY, PHONE, "a private line"] {
        assert!(!desk.node.log().contains(word), "the log has `{word}`");
    }
}
