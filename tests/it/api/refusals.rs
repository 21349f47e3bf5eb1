//! What is refused, with which words, and that nothing of it is stored.

use chrono::{DateTime, Datelike as _, NaiveDate, Weekday};
use reqwest::Method;
use sendwheel_loadtest::wall;
use serde_json::{Value, json};

use super::{Desk, Got, id_of, sms_in};

/// A message with some fields replaced.
fn with(mut message: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        message[name] = value.clone();
    }
    message
}

fn sms(changes: &Value) -> Value {
    with(sms_in(1), changes)
}

fn mail(changes: &Value) -> Value {
    let message = json!({"channel": "email", "subject": "Hello", "text": "Hello", "send": sms_in(1)["send"]});
    with(message, changes)
}

/// A Sunday of a month of next year. New York's clocks skip an hour on the second of March, and repeat one on the first
/// of November.
fn sunday(month: u32, nth: u8) -> NaiveDate {
    let year = DateTime::from_timestamp_millis(wall::now_ms()).unwrap().year();
    NaiveDate::from_weekday_of_month_opt(year + 1, month, Weekday::Sun, nth).unwrap()
}

#[tokio::test]
async fn every_field_that_cannot_be_right_is_refused_by_name_and_nothing_is_stored() {
    let desk = Desk::start(2).await;
    let ago = |ms: i64| wall::rfc3339(wall::now_ms() - ms);
    let at = |at: &str| json!({"send": {"at": at}});
    let local = |zone: &str| json!({"send": {"at": "2030-01-01T09:00", "time_zone": zone}});
    let stranger = "sender_01h455vb4pex5vsknk084sn02q";
    let cases = [
        (sms(&local("America/Springfield")), "/send/time_zone", "unknown_time_zone"),
        (sms(&at("2030-01-01T09:00")), "/send/time_zone", "time_zone_required"),
        (sms(&at(&ago(61_000))), "/send/at", "in_the_past"),
        (sms(&at("2001-01-01T00:00:00Z")), "/send/at", "in_the_past"),
        (sms(&json!({"send": {"at": "2001-01-01T00:00", "time_zone": "Europe/Berlin"}})), "/send/at", "in_the_past"),
        (sms(&at("2199-01-01T00:00:00Z")), "/send/at", "too_far"),
        (sms(&at("tomorrow at nine")), "/send/at", "invalid_time"),
        (sms(&at("2030-02-30T09:00:00Z")), "/send/at", "invalid_time"),
        (sms(&at("")), "/send/at", "invalid_time"),
        (sms(&json!({"send": "soon"})), "/send", "invalid_time"),
        (sms(&json!({"send": 1_900_000_000})), "/send", "invalid_type"),
        (sms(&json!({"send": {"at": "2030-01-01T09:00Z", "time_zone": "UTC"}})), "/send/at", "ambiguous_time"),
        (
            sms(
                &json!({"send": {"at": format!("{}T02:30", sunday(3, 2)), "time_zone": "America/New_York", "gap": "reject"}}),
            ),
            "/send/at",
            "time_in_gap",
        ),
        (sms(&json!({"body": "x".repeat(1_601)})), "/body", "too_many_segments"),
        (sms(&json!({"body": "🎉".repeat(801)})), "/body", "too_many_segments"),
        (sms(&json!({"body": "  "})), "/body", "empty"),
        (sms(&json!({"body": null})), "/body", "required"),
        (sms(&json!({"body": "Hi {{ contact.nmae"})), "/body", "template_failed"),
        (sms(&json!({"subject": "x"})), "/subject", "not_applicable"),
        (mail(&json!({"subject": "Hello\r\nBcc: everybody@example.com"})), "/subject", "header_injection"),
        (mail(&json!({"subject": "Hello\nX: y"})), "/subject", "header_injection"),
        (mail(&json!({"subject": "Hello\u{0}"})), "/subject", "header_injection"),
        (mail(&json!({"subject": "x".repeat(999)})), "/subject", "too_long"),
        (mail(&json!({"text": null})), "/text", "required"),
        (sms(&json!({"from": stranger})), "/from", "unknown_sender"),
        (sms(&json!({"from": "24365"})), "/from", "unknown_sender"),
        (sms(&json!({"from": desk.cast.email_sender})), "/from", "wrong_channel"),
        (sms(&json!({"to": "+12125550199"})), "/to", "unknown_address"),
        (sms(&json!({"to": "212"})), "/to", "invalid_phone_number"),
        (mail(&json!({"to": "somebody@else.example"})), "/to", "unknown_address"),
        (mail(&json!({"to": "a@b@c"})), "/to", "invalid_email"),
        (sms(&json!({"class": "campaign"})), "/class", "consent_missing"),
        (sms(&json!({"if_late": {"skip_after": "a while"}})), "/if_late/skip_after", "invalid_duration"),
        (sms(&json!({"channel": "fax"})), "/channel", "unknown_value"),
        (sms(&json!({"chanel": "sms"})), "/chanel", "unknown_field"),
        (sms(&json!({"metadata": {"order": [42]}})), "/metadata/order", "invalid_type"),
    ];
    let mut wrong = Vec::new();
    for (message, pointer, code) in &cases {
        let got = desk.schedule(0, message).await;
        let fields = if got.status == 422 { got.refused_fields() } else { Vec::new() };
        if fields != [((*pointer).to_owned(), (*code).to_owned())] {
            wrong.push(format!("{message:.120}\n  wanted {pointer} {code}, got {} {}", got.status, got.text));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let many = sms(&json!({"channel": "fax", "send": {"at": "never"}, "from": "x", "metadata": []}));
    let pointers: Vec<_> = desk.schedule(0, &many).await.refused_fields().into_iter().map(|field| field.0).collect();
    assert_eq!(pointers, ["/channel", "/from", "/send/at", "/metadata"], "all mistakes are told at once");
    desk.assert_nothing_stored().await;
}

#[tokio::test]
async fn a_time_just_passed_means_now_and_an_exact_limit_is_kept() {
    let desk = Desk::start(1).await;
    let due = wall::now_ms() - 50_000;
    let message = sms(&json!({"send": {"at": wall::rfc3339(due)}}));
    let made = desk.schedule(0, &message).await.expect(201);
    let due_at = wall::parse_rfc3339(made["due_at"].as_str().unwrap()).unwrap();
    assert!(due_at > due && (wall::now_ms() - due_at).abs() < 10_000, "{made}");
    // GSM-7: segments of 153 characters; UCS-2: of 67 units, of which each of these takes two.
    for (body, segments) in [("x".repeat(1_600), 11), ("🎉".repeat(800), 25), ("x".repeat(160), 1)] {
        let longest = desk.schedule(0, &sms(&json!({"body": body}))).await.expect(201);
        assert_eq!(longest["segments"], segments);
    }
}

#[tokio::test]
async fn a_wall_clock_time_is_resolved_in_its_zone_and_says_how() {
    let desk = Desk::start(1).await;
    let local = |at: &str, zone: &str| sms(&json!({"send": {"at": at, "time_zone": zone}}));
    let winter = sunday(1, 3);
    for (date, time, zone, due, resolution) in [
        (winter, "09:00", "America/New_York", "14:00:00Z", "exact"),
        (winter, "09:00", "contact", "14:00:00Z", "exact"),
        (sunday(3, 2), "02:30", "America/New_York", "07:30:00Z", "gap"),
        (sunday(11, 1), "01:30", "America/New_York", "05:30:00Z", "fold"),
    ] {
        let at = &format!("{date}T{time}");
        let made = desk.schedule(0, &local(at, zone)).await.expect(201);
        assert_eq!(made["due_at"], format!("{date}T{due}"), "{at} {zone}");
        assert_eq!(made["send"]["resolution"], resolution, "{at} {zone}");
        assert_eq!(made["send"]["at"], *at);
    }
}

#[tokio::test]
async fn bodies_that_cannot_be_read_are_refused_for_what_they_are() {
    let desk = Desk::start(1).await;
    let path = format!("/v1/contacts/{}/messages", desk.contact(0));
    let send = |path: String, kind: Option<&'static str>, body: String| {
        let request = desk.client.request(Method::POST, &path).body(body);
        let request = match kind {
            Some(kind) => request.header("Content-Type", kind),
            None => request,
        };
        async move { Got::of(request).await }
    };
    let json_kind = Some("application/json");
    for text in ["", "{", "{\"channel\": \"sms\",}", "\u{feff}{}", "{} {}", "nothing"] {
        let got = send(path.clone(), json_kind, text.to_owned()).await;
        assert_eq!(got.refused(400), "malformed_json", "{text}");
    }
    // Deep nesting must not eat the stack.
    let deep = format!("{{\"metadata\": {}", "[".repeat(100_000));
    assert_eq!(send(path.clone(), json_kind, deep).await.refused(400), "malformed_json");
    for text in ["[]", "7", "null", "\"text\""] {
        let got = send(path.clone(), json_kind, text.to_owned()).await;
        assert_eq!(got.refused(422), "invalid_request", "{text}");
    }
    let whole = sms_in(1).to_string();
    for kind in
        [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("application/json; charset=latin1")]
    {
        assert_eq!(send(path.clone(), kind, whole.clone()).await.refused(415), "unsupported_media_type", "{kind:?}");
    }
    let large = |bytes: usize| json!({"name": "x".repeat(bytes)}).to_string();
    let got = send("/v1/contacts".to_owned(), json_kind, large(300 * 1024)).await;
    assert_eq!(got.refused(413), "too_large");
    let got = send("/v1/messages:batch".to_owned(), Some("application/x-ndjson"), "x".repeat(17 << 20)).await;
    assert_eq!(got.refused(413), "too_large");
    let key = desk.client.request(Method::POST, &path).header("Idempotency-Key", "x".repeat(201)).json(&sms_in(1));
    assert_eq!(Got::of(key).await.refused(400), "invalid_idempotency_key");
    desk.assert_nothing_stored().await;
}

#[tokio::test]
async fn what_is_not_there_is_not_found_and_what_cannot_be_done_there_says_what_can() {
    let desk = Desk::start(1).await;
    let message = desk.scheduled(0, 1).await;
    let other = "01h455vb4pex5vsknk084sn02q";
    for path in [
        format!("/v1/messages/msg_{other}"),
        format!("/v1/contacts/contact_{other}"),
        format!("/v1/contacts/contact_{other}/thread"),
        format!("/v1/senders/sender_{other}"),
        format!("/v1/api-keys/key_{other}"),
        // The id of one kind is no id of another.
        format!("/v1/contacts/{}", id_of(&message)),
        "/v1/messages/1".to_owned(),
        "/v1/messages/%00".to_owned(),
    ] {
        assert_eq!(desk.get(&path).await.refused(404), "not_found", "{path}");
    }
    let gone = format!("/v1/messages/msg_{other}");
    assert_eq!(desk.delete(&gone).await.refused(404), "not_found");
    assert_eq!(desk.patch(&gone, &json!({"body": "x"})).await.refused(404), "not_found");
    for action in ["send-now", "requeue"] {
        assert_eq!(desk.post(&format!("{gone}/{action}"), &json!({})).await.refused(404), "not_found");
    }
    let nobody = format!("/v1/contacts/contact_{other}/messages");
    assert_eq!(desk.post(&nobody, &sms_in(1)).await.refused(404), "not_found");
    assert_eq!(desk.get("/v1/nothing").await.refused(404), "unknown_path");
    assert_eq!(desk.get("/v2/messages").await.refused(404), "unknown_path");

    let got = desk.post(&format!("/v1/messages/{}", id_of(&message)), &json!({})).await;
    assert_eq!(got.refused(405), "method_not_allowed");
    let allowed: Vec<_> = got.header("allow").unwrap().split(", ").collect();
    assert!(["GET", "PATCH", "DELETE"].iter().all(|method| allowed.contains(method)), "{allowed:?}");
    assert_eq!(desk.delete("/v1/contacts").await.refused(405), "method_not_allowed");
}
