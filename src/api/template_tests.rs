//! Templates as admins keep them, and messages that are made of them.

use actix_web::http::{Method, header};
use actix_web::test::{TestRequest, call_service};
use serde_json::{Value, json};

use super::test_stage::*;

fn faults(problem: &Value) -> Vec<(&str, &str)> {
    let errors = problem["errors"].as_array().expect("refused fields").iter();
    errors.map(|error| (error["pointer"].as_str().unwrap(), error["code"].as_str().unwrap())).collect()
}

#[actix_web::test]
async fn a_template_is_kept_changed_listed_by_name_and_removed() {
    let stage = stage().await;
    let app = app!(stage);
    let body = json!({"channel": "email", "name": "Reminder", "subject": "Hi", "body": "Hi {{ contact.name }}"});
    let created = ask!(app, POST, "/v1/templates", ["Idempotency-Key" => "k"]; body);
    let location = created.headers.get(header::LOCATION).expect("a location").to_str().unwrap().to_owned();
    let made = created.expect(201);
    assert_eq!(location, format!("/v1/templates/{}", id_of(&made)));
    assert_eq!((&made["body"], &made["html"]), (&json!("Hi {{ contact.name }}"), &Value::Null));
    assert_eq!(ask!(app, POST, "/v1/templates", ["Idempotency-Key" => "k"]; body).expect(200), made);
    let other = json!({"channel": "sms", "name": "Other", "body": "x"});
    let reused = ask!(app, POST, "/v1/templates", ["Idempotency-Key" => "k"]; other).expect(409);
    assert_eq!(reused["code"], "idempotency_key_reused");
    let taken = json!({"channel": "sms", "name": "REMINDER", "body": "x"});
    assert_eq!(ask!(app, POST, "/v1/templates"; taken).expect(409)["code"], "template_exists");

    let first = ask!(app, POST, "/v1/templates"; json!({"channel": "sms", "name": "arrival", "body": "x"})).expect(201);
    let page = ask!(app, GET, "/v1/templates?limit=1").expect(200);
    assert_eq!(page["data"], json!([first]));
    let cursor = page["next_cursor"].as_str().unwrap();
    let page = ask!(app, GET, format!("/v1/templates?limit=1&cursor={cursor}")).expect(200);
    assert_eq!((&page["data"], &page["next_cursor"]), (&json!([made]), &Value::Null));

    ask!(app, PATCH, location, ["If-Match" => "\"7\""]; json!({"name": "x"})).expect(412);
    let taken = ask!(app, PATCH, location; json!({"name": "Arrival"})).expect(409);
    assert_eq!(taken["code"], "template_exists");
    let change = json!({"name": "reminder", "subject": null, "html": "<p>Hi</p>"});
    let changed = ask!(app, PATCH, location, ["If-Match" => "\"1\""]; change).expect(200);
    assert_eq!(
        (&changed["version"], &changed["subject"], &changed["html"]),
        (&json!(2), &Value::Null, &change["html"])
    );
    let none = ask!(app, PATCH, location; json!({"body": null, "html": null})).expect(422);
    assert_eq!(faults(&none), [("/body", "required")]);

    ask!(app, DELETE, location).expect(204);
    ask!(app, GET, location).expect(404);
    ask!(app, PATCH, location; json!({})).expect(404);
    let trail = ask!(app, GET, format!("/v1/audit?subject={}", id_of(&made))).expect(200);
    let actions: Vec<_> = trail["data"].as_array().unwrap().iter().map(|entry| entry["action"].clone()).collect();
    assert_eq!(actions, ["template.deleted", "template.updated", "template.created"]);
    stage.engine.shutdown(PATIENCE).await;
}

#[actix_web::test]
async fn what_cannot_be_rendered_for_anybody_is_refused_with_its_line() {
    let stage = stage().await;
    let app = app!(stage);
    let refused = async |rest: Value| {
        let mut body = json!({"name": "A", "channel": "email"});
        body.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        ask!(app, POST, "/v1/templates"; body).expect(422)
    };
    let syntax = refused(json!({"body": "Hi\n{% if %}"})).await;
    assert_eq!(faults(&syntax), [("/body", "template_syntax")]);
    assert!(syntax["errors"][0]["detail"].as_str().unwrap().starts_with("body, line 2: "), "{syntax}");
    let html = refused(json!({"body": "Hi", "html": "<p>{{ contact.name </p>"})).await;
    assert_eq!(faults(&html), [("/html", "template_syntax")]);
    assert_eq!(faults(&refused(json!({"subject": "Hi"})).await), [("/body", "required")]);
    let long = "x".repeat(60 * 1024);
    assert_eq!(faults(&refused(json!({"body": long, "html": long})).await), [("/html", "too_long")]);
    let sms = refused(json!({"channel": "sms", "subject": "Hi", "html": "<p>Hi</p>"})).await;
    let wanted = [("/subject", "not_applicable"), ("/html", "not_applicable"), ("/body", "required")];
    assert_eq!(faults(&sms), wanted);
    stage.engine.shutdown(PATIENCE).await;
}

#[actix_web::test]
async fn a_message_says_what_its_template_said_when_it_was_made() {
    let stage = stage().await;
    let app = app!(stage);
    ask!(app, POST, "/v1/senders"; json!({"channel": "sms", "address": "24365"})).expect(201);
    ask!(app, POST, "/v1/senders"; json!({"channel": "email", "address": "desk@example.com"})).expect(201);
    let contact =
        json!({"name": "Ada", "phones": [{"number": "+12125550123"}], "emails": [{"address": "a@example.com"}]});
    let contact = id_of(&ask!(app, POST, "/v1/contacts"; contact).expect(201));
    let template = json!({"channel": "sms", "name": "Hello", "body": "Hi {{ contact.name }}"});
    let template = id_of(&ask!(app, POST, "/v1/templates"; template).expect(201));
    let messages = format!("/v1/contacts/{contact}/messages");
    let send = later("")["send"].clone();
    let body = json!({"channel": "sms", "template": template, "send": send});
    let made = ask!(app, POST, messages, ["Idempotency-Key" => "m"]; body).expect(201);
    assert_eq!(made["body"], "Hi {{ contact.name }}");

    let wrong = json!({"channel": "email", "template": template, "send": send});
    assert_eq!(faults(&ask!(app, POST, messages; wrong).expect(422)), [("/template", "wrong_channel")]);
    let line = json!({"contact_id": contact, "channel": "sms", "template": template, "send": send}).to_string();
    let batch = TestRequest::post()
        .uri("/v1/messages:batch")
        .insert_header((header::AUTHORIZATION, format!("Bearer {KEY}")))
        .insert_header((header::CONTENT_TYPE, "application/x-ndjson"))
        .set_payload(line);
    let lines = Got::of(call_service(&app, batch.to_request()).await).await.lines();
    assert_eq!(lines[0]["message"]["body"], "Hi {{ contact.name }}", "{lines:?}");

    ask!(app, PATCH, format!("/v1/templates/{template}"); json!({"body": "Bye"})).expect(200);
    ask!(app, DELETE, format!("/v1/templates/{template}")).expect(204);
    let kept = ask!(app, GET, format!("/v1/messages/{}", id_of(&made))).expect(200);
    assert_eq!(kept["body"], "Hi {{ contact.name }}");
    assert_eq!(ask!(app, POST, messages, ["Idempotency-Key" => "m"]; body).expect(200)["id"], made["id"]);
    let gone = ask!(app, POST, messages; body).expect(422);
    assert_eq!(faults(&gone), [("/template", "unknown_template")]);
    stage.engine.shutdown(PATIENCE).await;
}
