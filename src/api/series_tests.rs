//! A message that repeats, as callers of the API see it.

use actix_web::http::{Method, header};
use actix_web::test::{TestRequest, call_service};
use serde_json::{Value, json};

use super::test_stage::*;

#[actix_web::test]
async fn a_message_that_repeats_is_explained_cancelled_one_by_one_and_as_a_series() {
    let stage = stage().await;
    let app = app!(stage);
    ask!(app, POST, "/v1/senders"; json!({"channel": "sms", "address": "24365"})).expect(201);
    let contact = json!({"name": "Ada", "phones": [{"number": "+12125550123"}], "time_zone": "Asia/Kolkata"});
    let contact = id_of(&ask!(app, POST, "/v1/contacts"; contact).expect(201));
    let path = format!("/v1/contacts/{contact}/messages");
    let message = |rule: &str, send: Value| json!({"channel": "sms", "body": "Hi", "send": send, "recurrence": rule});
    let nine = || json!({"at": format!("{}T09:00", day()), "time_zone": "contact"});

    let made = ask!(app, POST, path; message("RRULE:count=3;freq=daily", nine())).expect(201);
    let series = format!("/v1/series/{}", made["series_id"].as_str().unwrap());
    assert_eq!(made["due_at"], format!("{}T03:30:00Z", day()));
    let read = ask!(app, GET, format!("/v1/messages/{}", id_of(&made))).expect(200);
    let occurrence = &read["explain"]["plan"]["occurrence"];
    assert_eq!((&occurrence["number"], &occurrence["at"]), (&json!(1), &json!(format!("{}T09:00:00", day()))));
    assert_eq!(occurrence["repeats"], "daily, 3 times");

    let cancelled = ask!(app, DELETE, format!("/v1/messages/{}", id_of(&made))).expect(200);
    assert_eq!(cancelled["outcome"], "canceled");
    let found = ask!(app, GET, series).expect(200);
    assert_eq!((&found["state"], &found["made"]), (&json!("active"), &json!(2)));
    assert_eq!((&found["recurrence"], &found["time_zone"]), (&json!("FREQ=DAILY;COUNT=3"), &json!("contact")));
    let next = format!("/v1/messages/{}", found["message_id"].as_str().unwrap());
    let second = ask!(app, GET, next).expect(200);
    assert_eq!((&second["explain"]["plan"]["occurrence"]["at"], &second["state"]), (&found["at"], &json!("scheduled")));
    assert!(second["due_at"].as_str() > made["due_at"].as_str());

    let cancelled = ask!(app, DELETE, format!("{next}?series=true")).expect(200);
    assert_eq!(cancelled, json!({"outcome": "canceled"}));
    assert_eq!(ask!(app, GET, next).expect(200)["reason"]["code"], "series_canceled");
    assert_eq!(ask!(app, DELETE, series).expect(200), json!({"outcome": "canceled"}), "it can be repeated");
    let thread = ask!(app, GET, format!("/v1/contacts/{contact}/thread")).expect(200);
    let events: Vec<_> =
        thread["data"].as_array().unwrap().iter().filter_map(|entry| entry["event"].as_str()).collect();
    assert_eq!(events, ["series_canceled"]);

    let undone = ask!(app, POST, format!("/v1/contacts/{contact}/undo"); json!({})).expect(200);
    assert_eq!(undone["outcome"], "restored");
    assert_eq!(ask!(app, GET, next).expect(200)["state"], "scheduled");
    let many = ask!(app, POST, "/v1/messages:cancel"; json!({"contact_id": contact})).expect(200);
    assert_eq!(many["canceled"], 1);
    assert_eq!(ask!(app, GET, series).expect(200)["state"], "canceled", "all that is pending is all of the series");

    let edit = ask!(app, PATCH, next; json!({"recurrence": "FREQ=DAILY"})).expect(422);
    assert_eq!(edit["errors"][0]["code"], "not_editable");
    for (rule, send, pointer, code) in [
        ("FREQ=HOURLY", nine(), "/recurrence", "recurrence_not_supported"),
        ("every Monday", nine(), "/recurrence", "not_a_recurrence"),
        ("FREQ=DAILY;UNTIL=20200101", nine(), "/recurrence", "recurrence_never_happens"),
        ("FREQ=DAILY", json!("now"), "/send", "recurrence_needs_wall_clock"),
        ("FREQ=DAILY", json!({"at": format!("{}T09:00:00Z", day())}), "/send", "recurrence_needs_wall_clock"),
        ("FREQ=DAILY", json!({"window": {"hours": 24}, "smart": true}), "/send/window", "not_with_recurrence"),
    ] {
        let refused = ask!(app, POST, path; message(rule, send)).expect(422);
        let error = &refused["errors"][0];
        assert_eq!((&error["pointer"], &error["code"]), (&json!(pointer), &json!(code)), "{rule}");
    }
    stage.engine.shutdown(PATIENCE).await;
}
