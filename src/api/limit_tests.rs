//! Limits over many senders, set by people and held by a real engine.

use std::time::Duration;

use actix_web::http::{Method, header};
use actix_web::test::{TestRequest, call_service};
use sendwheel_actors::domain::destination_limits::DestinationLimits;
use sendwheel_actors::domain::directory::Limit;
use sendwheel_loadtest::wait::until;
use serde_json::json;

use super::ApiSettings;
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

const A_DAY: Duration = Duration::from_secs(86_400);

#[actix_web::test]
async fn a_slow_domain_delays_no_mail_to_another_one() {
    let one_a_day = Limit { rate: 1, per: A_DAY, burst: 1 };
    let stage = stage_of(ApiSettings::default(), |settings| {
        settings.email_destinations = DestinationLimits::of_domains([("slow.example", one_a_day)], None);
    })
    .await;
    let app = app!(stage);
    let mut mails = Vec::new();
    let mut senders = Vec::new();
    for name in ["news", "offers"] {
        let sender = json!({"channel": "email", "address": format!("{name}@acme.example")});
        senders.push(id_of(&ask!(app, POST, "/v1/senders"; sender).expect(201)));
    }
    for (n, domain) in ["slow.example", "slow.example", "quick.example", "quick.example"].into_iter().enumerate() {
        for sender in &senders {
            let contact = json!({"name": "Ada", "emails": [{"address": format!("ada{n}@{domain}")}]});
            let contact = id_of(&ask!(app, POST, "/v1/contacts"; contact).expect(201));
            let mail = json!({"channel": "email", "from": sender, "subject": "Hi", "text": "Hi"});
            let mail = ask!(app, POST, format!("/v1/contacts/{contact}/messages"); mail).expect(201);
            mails.push((domain, id_of(&mail)));
        }
    }
    macro_rules! submitted_to {
        ($domain:expr) => {{
            let mut count = 0;
            for (_, mail) in mails.iter().filter(|(domain, _)| *domain == $domain) {
                let read = ask!(app, GET, format!("/v1/messages/{mail}")).expect(200);
                count += usize::from(read["state"] == "submitted");
            }
            count
        }};
    }
    macro_rules! held {
        () => {{
            let lanes = ask!(app, GET, "/admin/v1/lanes").expect(200);
            let held = lanes["data"].as_array().unwrap().iter().filter_map(|lane| lane["held"].as_u64());
            let mut held: Vec<_> = held.filter(|held| *held > 0).collect();
            held.sort_unstable();
            held
        }};
    }
    until("the quick domain's mails to go", PATIENCE, async || (submitted_to!("quick.example") == 4).then_some(()))
        .await
        .unwrap();
    assert_eq!((submitted_to!("slow.example"), held!()), (0, vec![2, 2]));
    let waits = ask!(app, GET, format!("/v1/messages/{}", mails[0].1)).expect(200);
    assert_eq!((&waits["state"], &waits["reason"]["code"]), (&json!("queued"), &json!("rate_limited")));
    for day in 1..=2 {
        stage.clock.advance(A_DAY);
        until("the slow domain's mail of a day to go", PATIENCE, async || {
            (submitted_to!("slow.example") == day).then_some(())
        })
        .await
        .unwrap();
    }
    assert_eq!(held!(), [1, 1], "its senders take turns");
    stage.engine.shutdown(PATIENCE).await;
}
