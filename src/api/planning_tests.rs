//! An account's sending rules, from the settings to the plan that a message shows.

use actix_web::http::{Method, header};
use actix_web::test::{TestRequest, call_service};
use serde_json::json;

use super::test_stage::*;

#[actix_web::test]
async fn quiet_hours_are_set_and_the_plan_of_a_message_shows_them() {
    let stage = stage().await;
    let app = app!(stage);
    let night = json!([{"channel": "sms", "from": "21:00", "to": "08:00"}]);
    let set =
        json!({"quiet_hours": night, "holidays": [{"date": "12-25", "country": "CA"}], "conversation_exempt": true});
    let account = ask!(app, PATCH, "/v1/account"; set).expect(200);
    assert_eq!(account["quiet_hours"][0]["days"].as_array().unwrap().len(), 7);
    assert_eq!(
        (account["holidays"][0]["date"].as_str(), account["send_windows"].as_array()),
        (Some("12-25"), Some(&vec![]))
    );
    assert_eq!(ask!(app, GET, "/v1/account").expect(200), account);

    ask!(app, POST, "/v1/senders"; json!({"channel": "sms", "address": "24365"})).expect(201);
    let contact = json!({"name": "Ada", "phones": [{"number": "+12125550123"}], "time_zone": "Asia/Kolkata"});
    let contact = id_of(&ask!(app, POST, "/v1/contacts"; contact).expect(201));
    let path = format!("/v1/contacts/{contact}/messages");
    let send = |more: serde_json::Value| {
        let at = format!("{}T23:00", day());
        let mut message = json!({"channel": "sms", "body": "Hi", "send": {"at": at, "time_zone": "contact"}});
        message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        message
    };
    let made = ask!(app, POST, path; send(json!({}))).expect(201);
    assert!(made["due_at"].as_str().unwrap().ends_with("T02:30:00Z"), "{}", made["due_at"]);
    assert_eq!(made["reason"]["code"], "quiet_hours");
    let of_message = format!("/v1/messages/{}", id_of(&made));
    let read = ask!(app, GET, of_message).expect(200);
    let plan = &read["explain"]["plan"];
    assert_eq!((&plan["zone"], &plan["due_at"]), (&json!("Asia/Kolkata"), &made["due_at"]));
    assert_eq!(plan["wanted_at"], format!("{}T17:30:00Z", day()));
    assert_eq!(plan["delays"][0]["until"], made["due_at"]);
    assert_eq!(plan["delays"][0]["reason"]["detail"], "it waits for the end of the quiet hours from 21:00 to 08:00");
    assert_eq!(&ask!(app, GET, of_message).expect(200)["explain"]["plan"], plan, "read again, it is the same");

    let refused = ask!(app, POST, path; send(json!({"if_late": {"skip_after": "1h"}}))).expect(422);
    assert_eq!(
        (refused["errors"][0]["pointer"].as_str(), refused["errors"][0]["code"].as_str()),
        (Some("/send/at"), Some("no_moment_left"))
    );
    let free = ask!(app, POST, path; send(json!({"class": "conversation"}))).expect(201);
    assert_eq!((free["due_at"].as_str(), free["reason"].as_null()), (Some(&*format!("{}T17:30:00Z", day())), Some(())));

    let shut = json!({"quiet_hours": [{"from": "00:00", "to": "12:00"}, {"from": "12:00", "to": "24:00"}]});
    let refused = ask!(app, PATCH, "/v1/account"; shut).expect(422);
    assert_eq!(
        (refused["errors"][0]["pointer"].as_str(), refused["errors"][0]["code"].as_str()),
        (Some("/quiet_hours"), Some("no_moment_left"))
    );
    stage.engine.shutdown(PATIENCE).await;
}

#[actix_web::test]
async fn a_smart_window_is_scheduled_explained_and_edited() {
    let stage = stage().await;
    let app = app!(stage);
    let account = ask!(app, GET, "/v1/account").expect(200);
    assert_eq!(account["smart_send"], json!({"random_percent": 5, "holdout_percent": 5}));
    let set = json!({"smart_send": {"random_percent": 0, "holdout_percent": 0}});
    assert_eq!(ask!(app, PATCH, "/v1/account"; set).expect(200)["smart_send"], set["smart_send"]);
    for (shares, pointer) in [
        (json!({"random_percent": 51}), "/smart_send/random_percent"),
        (json!({"holdout_percent": -1}), "/smart_send/holdout_percent"),
        (json!({"percent": 1}), "/smart_send/percent"),
    ] {
        let refused = ask!(app, PATCH, "/v1/account"; json!({"smart_send": shares})).expect(422);
        assert_eq!(refused["errors"][0]["pointer"], pointer);
    }

    ask!(app, POST, "/v1/senders"; json!({"channel": "sms", "address": "24365"})).expect(201);
    let contact = json!({"name": "Ada", "phones": [{"number": "+12125550123"}], "time_zone": "Asia/Kolkata"});
    let contact = id_of(&ask!(app, POST, "/v1/contacts"; contact).expect(201));
    let path = format!("/v1/contacts/{contact}/messages");
    let (from, to) = (format!("{}T08:00:00Z", day()), format!("{}T20:00:00Z", day()));
    let window = json!({"window": {"from": from, "to": to}, "smart": true, "too_little_data": "population"});
    let made = ask!(app, POST, path; json!({"channel": "sms", "body": "Hi", "send": window})).expect(201);
    assert_eq!((&made["due_at"], &made["send"]), (&json!(from), &window), "nothing is known: every moment is alike");
    let of_message = format!("/v1/messages/{}", id_of(&made));
    let smart = &ask!(app, GET, of_message).expect(200)["explain"]["plan"]["smart"];
    assert_eq!((smart["arm"].as_str(), smart["sureness"].as_str()), (Some("chosen"), Some("too_little")));
    assert_eq!(smart["best_local"], format!("{}T13:30:00+05:30", day()));
    assert_eq!(
        (&smart["score"], &smart["against"]["population"]),
        (&smart["against"]["first_moment"], &smart["score"])
    );

    let named = format!("{}T09:30:00Z", day());
    let mut edited = window.clone();
    edited["too_little_data"] = json!(named);
    let changed = ask!(app, PATCH, of_message; json!({"send": edited})).expect(200);
    assert_eq!((&changed["due_at"], &changed["send"]["too_little_data"]), (&json!(named), &json!(named)));
    let past = json!({"window": {"from": "2020-01-01T00:00:00Z", "to": "2020-01-02T00:00:00Z"}, "smart": true});
    let refused = ask!(app, PATCH, of_message; json!({"send": past})).expect(422);
    assert_eq!(
        (refused["errors"][0]["pointer"].as_str(), refused["errors"][0]["code"].as_str()),
        (Some("/send/window"), Some("window_in_the_past"))
    );
    stage.engine.shutdown(PATIENCE).await;
}

#[actix_web::test]
async fn a_picture_and_a_link_answer_whoever_asks_and_lead_only_where_a_mail_led() {
    let stage = stage().await;
    let app = app!(stage);
    assert_eq!(ask!(app, GET, "/v1/account").expect(200)["tracking"], false);
    assert_eq!(ask!(app, PATCH, "/v1/account"; json!({"tracking": true})).expect(200)["tracking"], true);
    for (path, status) in [("/t/o/nonsense", 200), ("/t/c/nonsense", 404), ("/t/c/https%3A%2F%2Fevil.example", 404)] {
        let answer = call_service(&app, TestRequest::get().uri(path).to_request()).await;
        assert_eq!(answer.status().as_u16(), status, "{path}");
        if status == 200 {
            let header = |name| answer.headers().get(name).unwrap().to_str().unwrap();
            assert_eq!(header(header::CONTENT_TYPE), "image/gif");
            assert!(header(header::CACHE_CONTROL).contains("no-store"));
        }
    }
    stage.engine.shutdown(PATIENCE).await;
}

#[actix_web::test]
async fn caps_are_set_and_shown_and_the_report_has_every_arm() {
    let stage = stage().await;
    let app = app!(stage);
    let set = json!({"frequency_caps": [{"channel": "sms", "limit": 2, "per": "1d"}, {"limit": 50, "per": "31d"}]});
    assert_eq!(ask!(app, PATCH, "/v1/account"; set).expect(200)["frequency_caps"], set["frequency_caps"]);
    for (cap, pointer) in [
        (json!({"limit": 0, "per": "1d"}), "/frequency_caps/0/limit"),
        (json!({"limit": 51, "per": "1d"}), "/frequency_caps/0/limit"),
        (json!({"limit": 1, "per": "32d"}), "/frequency_caps/0/per"),
        (json!({"limit": 1, "per": "1s"}), "/frequency_caps/0/per"),
        (json!({"limit": 1}), "/frequency_caps/0/per"),
        (json!({"limit": 1, "per": "1d", "days": 1}), "/frequency_caps/0/days"),
    ] {
        let refused = ask!(app, PATCH, "/v1/account"; json!({"frequency_caps": [cap]})).expect(422);
        assert_eq!(refused["errors"][0]["pointer"], pointer);
    }
    let report = ask!(app, GET, "/v1/reports/smart-send").expect(200);
    let names = |list: &str, name: &str| -> Vec<_> {
        report[list].as_array().unwrap().iter().map(|one| one[name].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("arms", "arm"), ["chosen", "random", "holdout"]);
    assert_eq!(names("lift", "against"), ["random", "holdout"]);
    assert_eq!(report["arms"][0]["within_hour"], json!({"responded": 0, "rate": 0.0, "ci95": [0.0, 1.0]}));
    assert_eq!(report["lift"][0]["within_day"], json!({"difference": 0.0, "ci95": [-1.0, 1.0]}));
    stage.engine.shutdown(PATIENCE).await;
}
