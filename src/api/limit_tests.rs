//! Limits over many senders, set by people and held by a real engine.

use actix_web::http::{Method, header};
use actix_web::test::{TestRequest, call_service};
use sendwheel_loadtest::wait::until;
use serde_json::json;

use super::test_stage::*;

#[actix_web::test]
async fn an_operator_limits_what_all_senders_of_an_account_send_together() {
    let stage = stage().await;
    let app = app!(stage);
    let acme = ask!(app, POST, "/v1/accounts"; json!({"name": "Acme", "with_api_key": true})).expect(201);
    let (path, key) = (format!("/v1/accounts/{}", id_of(&acme)), acme["api_key"]["secret"].as_str().unwrap());
    assert_eq!(acme["limits"], json!({"email": null, "sms": null}));
    let limits = json!({"email": {"rate": 1, "per": "1d"}, "sms": {"rate": 9}});
    ask!(app, PATCH, path; json!({"limits": limits})).expect(200);
    ask!(app, PATCH, path; json!({"limits": {"sms": null}})).expect(200);

    macro_rules! as_admin {
        ($method:ident, $path:expr, $body:expr) => {{
            let request = TestRequest::with_uri(&$path.to_string()).method(Method::$method);
            let request = request.insert_header((header::AUTHORIZATION, format!("Bearer {key}"))).set_json($body);
            Got::of(call_service(&app, request.to_request()).await).await
        }};
    }
    let seen = as_admin!(GET, "/v1/account", ()).expect(200);
    assert_eq!(seen["limits"], json!({"email": {"rate": 1, "per": "1d", "burst": 1}, "sms": null}));
    assert_eq!(as_admin!(PATCH, "/v1/account", json!({"limits": null})).status, 422, "it is not theirs to lift");
    let trail = as_admin!(GET, "/v1/audit", ()).expect(200);
    assert_eq!(
        (&trail["data"][0]["action"], &trail["data"][0]["fields"]),
        (&json!("account.updated"), &json!(["limits"]))
    );

    as_admin!(POST, "/v1/senders", json!({"channel": "email", "address": "news@acme.example"})).expect(201);
    let ada = json!({"name": "Ada", "emails": [{"address": "ada@example.com"}]});
    let ada = id_of(&as_admin!(POST, "/v1/contacts", ada).expect(201));
    let mail = json!({"channel": "email", "subject": "Hi", "text": "Hi"});
    let mail = id_of(&as_admin!(POST, format!("/v1/contacts/{ada}/messages"), mail).expect(201));
    until("the mail to wait for its account's limit", PATIENCE, async || {
        let read = as_admin!(GET, format!("/v1/messages/{mail}"), ()).expect(200);
        (read["state"] == "queued" && read["reason"]["code"] == "rate_limited").then_some(())
    })
    .await
    .unwrap();
    ask!(app, PATCH, path; json!({"limits": null})).expect(200);
    until("the mail to go without one", PATIENCE, async || {
        let read = as_admin!(GET, format!("/v1/messages/{mail}"), ()).expect(200);
        (read["state"] == "submitted").then_some(())
    })
    .await
    .unwrap();
    stage.engine.shutdown(PATIENCE).await;
}
