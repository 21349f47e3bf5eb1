//! What a message request may and may not say, by table.

use super::*;
use crate::api::json;

fn new(json: &str) -> Result<NewMessage, ApiError> {
    json::read::<MessageRequest<'_>>(json.as_bytes())?.into_new(Role::User, &At::Root, Faults::default())
}

fn edit(json: &str) -> Result<MessageEdit, ApiError> {
    json::read::<MessageRequest<'_>>(json.as_bytes())?.into_edit(Role::User)
}

fn faults<T: std::fmt::Debug>(result: Result<T, ApiError>) -> Vec<(String, &'static str)> {
    match result {
        Err(ApiError::Invalid(errors)) => errors.into_iter().map(|error| (error.pointer, error.code)).collect(),
        other => panic!("expected refused fields, got {other:?}"),
    }
}

#[test]
fn the_contract_s_example_is_read_whole() {
    let message = new(r#"{ "channel": "sms", "to": "+12125550123", "from": "sender_01h455vb4pex5vsknk084sn02q",
             "body": "Hi {{ contact.name }}",
             "send": {"at": "2026-12-01T09:00", "time_zone": "America/New_York", "gap": "forward", "fold": "first"},
             "class": "conversation", "if_late": {"skip_after": "6h"}, "cancel_on_reply": true,
             "quiet_hours": "defer", "metadata": {"order": "42", "n": 7} }"#)
    .expect("the example is sound");
    assert_eq!(message.channel, Channel::Sms);
    assert_eq!(message.to.expect("it has a to").as_str(), "+12125550123");
    assert_eq!(message.from.expect("it has a from").to_string(), "sender_01h455vb4pex5vsknk084sn02q");
    assert_eq!(message.content.text.as_deref(), Some("Hi {{ contact.name }}"));
    assert!(message.content.render);
    assert!(message.cancel_on_reply);
    assert_eq!(message.metadata["order"], "42");
    assert_eq!(message.metadata["n"], "7");
    assert!(matches!(message.intent, NewIntent::Wall { .. }));
}

#[test]
fn what_is_left_out_or_null_takes_its_default() {
    for json in [
        r#"{"channel": "sms", "body": "x"}"#,
        r#"{"channel": "sms", "body": "x", "to": null, "from": null, "send": null, "class": null, "subject": null,
            "if_late": null, "quiet_hours": null, "metadata": null}"#
            .replace(r#", "subject": null"#, "")
            .as_str(),
    ] {
        let message = new(json).expect(json);
        assert_eq!(message.intent, NewIntent::Now);
        assert_eq!((message.to, message.from, message.class), (None, None, None));
    }
}

#[test]
fn body_and_text_are_two_names_of_one_thing() {
    for (json, text) in [
        (r#"{"channel": "sms", "text": "x"}"#, "x"),
        (r#"{"channel": "email", "body": "y"}"#, "y"),
        (r#"{"channel": "email", "text": "z", "html": "<p>z</p>", "subject": "s"}"#, "z"),
    ] {
        assert_eq!(new(json).expect(json).content.text.as_deref(), Some(text));
    }
    assert!(!new(r#"{"channel": "sms", "text": "x", "render": false}"#).expect("sound").content.render);
}

#[test]
fn every_wrong_field_is_refused_by_its_name() {
    let long_sms = "ü".repeat(10_001);
    let long_subject = "x".repeat(999);
    let with_long = |json: &str| json.replace("LONG_SMS", &long_sms).replace("LONG_SUBJECT", &long_subject);
    for (json, pointer, code) in [
        (r#"{"body": "x"}"#, "/channel", "required"),
        (r#"{"channel": "fax", "body": "x"}"#, "/channel", "unknown_value"),
        (r#"{"channel": 1, "body": "x"}"#, "/channel", "invalid_type"),
        (r#"{"channel": "sms"}"#, "/body", "required"),
        (r#"{"channel": "sms", "body": null}"#, "/body", "required"),
        (r#"{"channel": "sms", "body": ""}"#, "/body", "empty"),
        (r#"{"channel": "sms", "body": " \n"}"#, "/body", "empty"),
        (r#"{"channel": "sms", "body": 5}"#, "/body", "invalid_type"),
        (r#"{"channel": "sms", "body": "LONG_SMS"}"#, "/body", "too_long"),
        (r#"{"channel": "sms", "body": "x", "text": "y"}"#, "/text", "given_twice"),
        (r#"{"channel": "sms", "body": "x", "subject": "s"}"#, "/subject", "not_applicable"),
        (r#"{"channel": "sms", "body": "x", "html": "s"}"#, "/html", "not_applicable"),
        (r#"{"channel": "sms", "body": "x", "attachments": []}"#, "/attachments", "not_applicable"),
        (r#"{"channel": "email"}"#, "/text", "required"),
        (r#"{"channel": "email", "text": "x", "subject": "LONG_SUBJECT"}"#, "/subject", "too_long"),
        (r#"{"channel": "email", "text": "x", "subject": "a\r\nBcc: b@c.de"}"#, "/subject", "header_injection"),
        (r#"{"channel": "email", "text": "x", "subject": "a\u0000"}"#, "/subject", "header_injection"),
        (r#"{"channel": "email", "text": "x", "to": "a@b.de\nBcc: c@d.ef"}"#, "/to", "header_injection"),
        (r#"{"channel": "email", "text": "x", "to": "+12125550123"}"#, "/to", "invalid_email"),
        (r#"{"channel": "sms", "body": "x", "to": "a@b.de"}"#, "/to", "invalid_phone_number"),
        (r#"{"channel": "sms", "body": "x", "to": "2125550123"}"#, "/to", "invalid_phone_number"),
        (r#"{"channel": "sms", "body": "x", "to": ""}"#, "/to", "empty"),
        (r#"{"channel": "sms", "body": "x", "from": "+12125550199"}"#, "/from", "unknown_sender"),
        (r#"{"channel": "sms", "body": "x", "from": 5}"#, "/from", "invalid_type"),
        (r#"{"channel": "sms", "body": "x", "class": "urgent"}"#, "/class", "unknown_value"),
        (r#"{"channel": "sms", "body": "x", "send": "soon"}"#, "/send", "invalid_time"),
        (r#"{"channel": "sms", "body": "x", "if_late": "skip"}"#, "/if_late", "unknown_value"),
        (r#"{"channel": "sms", "body": "x", "quiet_hours": true}"#, "/quiet_hours", "invalid_type"),
        (r#"{"channel": "sms", "body": "x", "cancel_on_reply": "yes"}"#, "/cancel_on_reply", "invalid_type"),
        (r#"{"channel": "sms", "body": "x", "render": 1}"#, "/render", "invalid_type"),
        (r#"{"channel": "sms", "body": "x", "metadata": []}"#, "/metadata", "invalid_type"),
        (r#"{"channel": "sms", "body": "x", "metadata": {"a/b": {}}}"#, "/metadata/a~1b", "invalid_type"),
        (r#"{"channel": "sms", "body": "x", "metadata": {"a": null}}"#, "/metadata/a", "required"),
        (r#"{"channel": "sms", "body": "x", "metadata": {"": "x"}}"#, "/metadata/", "invalid_name"),
        (r#"{"channel": "sms", "body": "x", "recurrence": "daily"}"#, "/recurrence", "not_a_recurrence"),
        (r#"{"channel": "sms", "body": "x", "recurrence": "FREQ=HOURLY"}"#, "/recurrence", "recurrence_not_supported"),
        (
            r#"{"channel": "sms", "body": "x", "recurrence": "FREQ=DAILY", "send": {"window": {"hours": 24}, "smart": true}}"#,
            "/send/window",
            "not_with_recurrence",
        ),
        (r#"{"channel": "sms", "body": "x", "sendAt": "x"}"#, "/sendAt", "unknown_field"),
        (r#"{"channel": "sms", "body": "x", "contact_id": "x"}"#, "/contact_id", "unknown_field"),
        (r#"{"channel": "sms", "body": "x", "body": "y"}"#, "/body", "repeated_field"),
    ] {
        assert_eq!(faults(new(&with_long(json))), [(pointer.to_owned(), code)], "{json}");
    }
}

#[test]
fn a_template_says_it_alone() {
    const ID: &str = "template_01h455vb4pex5vsknk084sn02q";
    let with = |rest: &str| new(&format!(r#"{{"channel": "email", "template": "{ID}"{rest}}}"#));
    let message = with("").expect("sound");
    assert_eq!(message.template.expect("a template").to_string(), ID);
    assert_eq!(message.content, Content { render: true, ..Content::default() });
    for name in ["subject", "body", "text", "html"] {
        assert_eq!(faults(with(&format!(r#", "{name}": "x""#))), [(format!("/{name}"), "given_twice")]);
        assert!(with(&format!(r#", "{name}": null"#)).is_ok(), "{name}");
    }
    assert_eq!(faults(with(r#", "render": false"#)), [("/render".to_owned(), "given_twice")]);
    let unknown = new(r#"{"channel": "sms", "template": "sender_01h455vb4pex5vsknk084sn02q"}"#);
    assert_eq!(faults(unknown), [("/template".to_owned(), "unknown_template")]);
    assert_eq!(faults(new(r#"{"channel": "sms", "template": null}"#)), [("/body".to_owned(), "required")]);
}

#[test]
fn all_wrong_fields_are_refused_together() {
    let mut found = faults(new(
        r#"{"channel": "email", "to": "nobody", "from": "x", "subject": "a\nb", "html": 5, "send": {"at": "x"},
            "class": "x", "metadata": 1, "bogus": 1}"#,
    ));
    found.sort();
    let pointers: Vec<_> = found.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(pointers, ["/bogus", "/class", "/from", "/html", "/metadata", "/send/at", "/subject", "/to"]);
}

#[test]
fn a_long_text_at_its_limit_is_taken() {
    let body = "ü".repeat(10_000);
    assert!(new(&format!(r#"{{"channel": "sms", "body": "{body}"}}"#)).is_ok());
}

#[test]
fn only_an_admin_ignores_quiet_hours() {
    let json = br#"{"channel": "sms", "body": "x", "quiet_hours": "ignore"}"#;
    let by = |role| json::read::<MessageRequest<'_>>(json).and_then(|m| m.into_new(role, &At::Root, Faults::default()));
    assert!(by(Role::Admin).is_ok());
    assert!(matches!(by(Role::User), Err(ApiError::Engine(_))));
}

#[test]
fn an_edit_names_only_what_changes() {
    let change = edit(r#"{"body": "new", "send": "now", "to": "a@b.de", "metadata": {}}"#).expect("sound");
    assert_eq!(change.text.as_deref(), Some("new"));
    assert_eq!(change.intent, Some(NewIntent::Now));
    assert_eq!(change.metadata, Some(BTreeMap::new()));
    assert_eq!((change.subject, change.class), (None, None));
    assert_eq!(edit("{}").expect("nothing changes"), MessageEdit::default());
}

#[test]
fn an_edit_refuses_what_cannot_be_changed_or_cleared() {
    for (json, pointer, code) in [
        (r#"{"channel": "email"}"#, "/channel", "not_editable"),
        (r#"{"attachments": []}"#, "/attachments", "not_editable"),
        (r#"{"render": true}"#, "/render", "not_editable"),
        (r#"{"subject": null}"#, "/subject", "invalid_type"),
        (r#"{"text": null}"#, "/text", "invalid_type"),
        (r#"{"send": null}"#, "/send", "invalid_type"),
        (r#"{"to": "x"}"#, "/to", "invalid_phone_number"),
        (r#"{"state": "canceled"}"#, "/state", "unknown_field"),
        (r#"{"body": ""}"#, "/body", "empty"),
    ] {
        assert_eq!(faults(edit(json)), [(pointer.to_owned(), code)], "{json}");
    }
}
