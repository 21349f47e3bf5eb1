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
