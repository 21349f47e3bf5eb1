//! A conversation through the public API: what the contact writes stands in the thread, stops what it should stop,
//! and people find their way in it. Twilio's callbacks are signed here as Twilio signs them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use ring::hmac;
use sendwheel_loadtest::node::NodeOptions;
use sendwheel_loadtest::sink::sms::TWILIO_TOKEN;
use sendwheel_loadtest::wait;
use serde_json::{Value, json};

use super::{Desk, Got, PATIENCE, id_of, sms_in, texts};

/// What the callbacks are signed with, and what the provider that takes our SMS knows us by.
pub(super) const TOKEN: &str = TWILIO_TOKEN;

async fn desk() -> Desk {
    let options = NodeOptions::new(env!("CARGO_BIN_EXE_sendwheel")).set("sms.twilio.auth_token", TOKEN);
    Desk::start_with(options, 2).await
}

/// The signature that Twilio gives a form (<https://www.twilio.com/docs/usage/security>).
fn signature(url: &str, form: &[(&str, &str)]) -> String {
    let mut form = form.to_vec();
    form.sort_unstable();
    let signed: String = std::iter::once(url).chain(form.iter().flat_map(|(name, value)| [*name, *value])).collect();
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, TOKEN.as_bytes());
    STANDARD.encode(hmac::sign(&key, signed.as_bytes()))
}

impl Desk {
    /// What Twilio calls, with its signature.
    pub(super) async fn callback(&self, path: &str, form: &[(&str, &str)]) -> Got {
        let signature = signature(&format!("{}{path}", self.node.url()), form);
        let request = self.request_as(None, Method::POST, path).header("X-Twilio-Signature", signature);
        Got::of(request.form(form)).await
    }

    pub(super) async fn writes(&self, from: &str, to: &str, sid: &str, body: &str) {
        let form = [("MessageSid", sid), ("From", from), ("To", to), ("Body", body)];
        let got = self.callback("/inbound/twilio/message", &form).await;
        assert_eq!((got.status, got.header("content-type")), (200, Some("text/xml; charset=utf-8")), "{}", got.text);
    }

    pub(super) async fn thread(&self, n: usize) -> Vec<Value> {
        self.all_of(&format!("/v1/contacts/{}/thread", self.contact(n)), 50).await
    }

    pub(super) async fn message(&self, id: &str) -> Value {
        self.get(&format!("/v1/messages/{id}")).await.expect(200)
    }

    pub(super) async fn until_state(&self, id: &str, state: &str) -> Value {
        wait::until(
            state,
            PATIENCE,
            || async move { Some(self.message(id).await).filter(|found| found["state"] == state) },
        )
        .await
        .unwrap()
    }

    /// The contact's number, and the one that we write to it from.
    async fn numbers(&self, n: usize) -> (String, String) {
        let contact = self.get(&format!("/v1/contacts/{}", self.contact(n))).await.expect(200);
        let senders = self.get("/v1/senders").await.expect(200);
        let ours = senders["data"].as_array().unwrap().iter().find(|sender| sender["channel"] == "sms").unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&contact["phones"][0]["number"]), text(&ours["address"]))
    }
}

#[tokio::test]
async fn a_reply_stands_under_what_it_answers_once_and_takes_back_what_waits_for_it() {
    let desk = desk().await;
    let (theirs, ours) = desk.numbers(0).await;
    let sent = desk.schedule(0, &json!({"channel": "sms", "body": "Are you well?"})).await.expect(201);
    desk.until_state(id_of(&sent), "submitted").await;
    let mut nudge = sms_in(1);
    nudge["cancel_on_reply"] = json!(true);
    let nudge = desk.schedule(0, &nudge).await.expect(201);
    let stays = desk.scheduled(0, 1).await;

    for _ in 0..2 {
        desk.writes(&theirs, &ours, "SM1", "Very well!").await;
    }
    let replied = desk.until_state(id_of(&nudge), "canceled").await;
    assert_eq!(replied["reason"]["code"], "replied");
    let thread = desk.thread(0).await;
    assert_eq!(texts(&thread, "kind"), ["scheduled", "outbound", "inbound", "outbound"], "{thread:?}");
    let reply = &thread[2];
    assert_eq!((&reply["body"], &reply["state"]), (&json!("Very well!"), &json!("received")));
    assert_eq!((&reply["from"], &reply["to"]), (&json!(theirs), &json!(ours)));
    assert_eq!(reply["in_reply_to"], sent["id"]);
    assert_eq!(thread[0]["id"], stays["id"]);

    let listed = desk.get("/v1/conversations?unread=true").await.expect(200);
    assert_eq!(listed["data"][0]["contact"]["id"], desk.contact(0));
    assert_eq!((&listed["data"][0]["unread"], &listed["data"][0]["unknown"]), (&json!(1), &json!(false)));
    let path = format!("/v1/contacts/{}/conversation", desk.contact(0));
    assert_eq!(desk.patch(&path, &json!({"read": true})).await.expect(200)["unread"], 0);
    assert_eq!(desk.get("/v1/conversations?unread=true").await.expect(200)["data"], json!([]));
}

#[tokio::test]
async fn stop_holds_at_once_for_everything_pending_and_start_lifts_it() {
    let desk = desk().await;
    let (theirs, ours) = desk.numbers(0).await;
    let pending = desk.scheduled(0, 1).await;
    let mail = json!({"channel": "email", "subject": "s", "body": "b", "send": sms_in(1)["send"]});
    let mail = desk.schedule(0, &mail).await.expect(201);

    desk.writes(&theirs, &ours, "SM1", " Stop! ").await;
    desk.until_state(id_of(&pending), "canceled").await;
    assert_eq!(desk.message(id_of(&mail)).await["state"], "scheduled", "another channel");
    let contact = desk.get(&format!("/v1/contacts/{}", desk.contact(0))).await.expect(200);
    assert_eq!(contact["consent"]["sms"], "denied");
    let refused = desk.schedule(0, &sms_in(1)).await.refused_fields();
    assert_eq!(refused, [("/to".to_owned(), "consent_denied".to_owned())]);
    let listed = desk.get("/v1/suppressions").await.expect(200);
    assert_eq!(listed["data"][0]["address"], theirs);
    assert_eq!(listed["data"][0]["reason"], "unsubscribed");

    desk.writes(&theirs, &ours, "SM2", "START").await;
    assert_eq!(desk.get("/v1/suppressions").await.expect(200)["data"], json!([]));
    desk.schedule(0, &sms_in(1)).await.expect(201);
    let thread = desk.thread(0).await;
    let events: Vec<_> = thread.iter().filter(|entry| entry["kind"] == "event").collect();
    let codes: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(codes, ["opted_in", "opted_out"]);
}

#[tokio::test]
async fn help_is_answered_once_an_hour_and_only_where_the_account_says_with_what() {
    let desk = desk().await;
    let (theirs, ours) = desk.numbers(0).await;
    desk.writes(&theirs, &ours, "SM1", "HELP").await;
    let answers = |thread: &[Value]| thread.iter().filter(|entry| entry["body"] == "Acme: call us").count();
    assert_eq!(desk.thread(0).await.len(), 2, "what they wrote, and that it asks for help");

    let text = json!({"help_reply": "Acme: call us"});
    assert_eq!(desk.patch("/v1/account", &text).await.expect(200)["help_reply"], "Acme: call us");
    for refused in [" ".to_owned(), "x".repeat(1_700)] {
        desk.patch("/v1/account", &json!({"help_reply": refused})).await.refused_fields();
    }
    // Told twice of the same, and asked again by another machine.
    for sid in ["SM2", "SM2", "SM3"] {
        desk.writes(&theirs, &ours, sid, "help").await;
    }
    let thread = desk.thread(0).await;
    let answer = thread.iter().find(|entry| entry["body"] == "Acme: call us").unwrap();
    // A whole hour may end between two of them.
    assert!((1..=2).contains(&answers(&thread)), "{thread:?}");
    let answer = desk.until_state(id_of(answer), "submitted").await;
    assert_eq!((&answer["class"], &answer["from_address"]), (&json!("conversation"), &json!(ours)), "{answer}");

    assert_eq!(desk.patch("/v1/account", &json!({"help_reply": null})).await.expect(200)["help_reply"], Value::Null);
}

#[tokio::test]
async fn a_stop_inside_a_sentence_stops_nothing() {
    let desk = desk().await;
    let (theirs, ours) = desk.numbers(0).await;
    let pending = desk.scheduled(0, 1).await;
    desk.writes(&theirs, &ours, "SM1", "please stop by at five").await;
    assert_eq!(desk.thread(0).await.last().unwrap()["body"], "please stop by at five");
    assert_eq!(desk.message(id_of(&pending)).await["state"], "scheduled");
}

#[tokio::test]
async fn a_suppressed_address_gets_nothing_until_it_is_taken_off_the_list() {
    let desk = desk().await;
    let (theirs, _) = desk.numbers(0).await;
    let pending = desk.scheduled(0, 1).await;
    let added = desk.post("/v1/suppressions", &json!({"address": theirs})).await;
    assert_eq!(added.expect(201)["reason"], "manual");
    let canceled = desk.until_state(id_of(&pending), "canceled").await;
    assert_eq!(canceled["reason"]["code"], "suppressed");
    let now = desk.schedule(0, &json!({"channel": "sms", "body": "x"})).await.expect(201);
    assert_eq!(desk.until_state(id_of(&now), "canceled").await["reason"]["code"], "suppressed");

    let csv = "address,reason\nada@example.com,complaint\nnobody,\n+12125550777,hard_bounce\n";
    let request = desk.client.request(Method::POST, "/v1/suppressions:import");
    let imported = Got::of(request.header("content-type", "text/csv").body(csv)).await.expect(200);
    assert_eq!(
        (&imported["added"], &imported["refused_count"], &imported["refused"][0]["row"]),
        (&json!(2), &json!(1), &json!(3))
    );
    let exported = desk.get("/v1/suppressions:export").await;
    assert_eq!(exported.status, 200);
    for line in ["ada@example.com,email,complaint,", "+12125550777,sms,hard_bounce,"] {
        assert!(exported.text.contains(line), "{}", exported.text);
    }

    desk.delete(&format!("/v1/suppressions/{}", theirs.replace('+', "%2B"))).await.expect(200);
    let again = desk.schedule(0, &json!({"channel": "sms", "body": "x"})).await.expect(201);
    desk.until_state(id_of(&again), "submitted").await;
}

#[tokio::test]
async fn receipts_refine_a_message_and_never_take_a_final_state_back() {
    let desk = desk().await;
    let sent = desk.schedule(0, &json!({"channel": "sms", "body": "x"})).await.expect(201);
    desk.until_state(id_of(&sent), "submitted").await;
    let path = format!("/inbound/twilio/status?message={}", id_of(&sent));
    for (status, state) in [("sent", "submitted"), ("delivered", "delivered"), ("undelivered", "delivered")] {
        let form = [("MessageSid", "SM1"), ("MessageStatus", status), ("ErrorCode", "30005")];
        assert_eq!(desk.callback(&path, &form).await.status, 204);
        assert_eq!(desk.message(id_of(&sent)).await["state"], state, "after {status}");
    }
}

#[tokio::test]
async fn a_forged_callback_is_refused_and_changes_nothing() {
    let desk = desk().await;
    let (theirs, ours) = desk.numbers(0).await;
    let form = [("MessageSid", "SM1"), ("From", &*theirs), ("To", &*ours), ("Body", "STOP")];
    for signature in [None, Some(signature("http://elsewhere.example/inbound/twilio/message", &form))] {
        let mut request = desk.request_as(None, Method::POST, "/inbound/twilio/message");
        if let Some(signature) = signature {
            request = request.header("X-Twilio-Signature", signature);
        }
        assert_eq!(Got::of(request.form(&form)).await.refused(403), "invalid_signature");
    }
    assert!(desk.thread(0).await.is_empty());
    // Without a token there is nothing to check against: everything is refused.
    let desk = Desk::start(1).await;
    assert_eq!(desk.callback("/inbound/twilio/message", &form).await.refused(403), "not_configured");
}

#[tokio::test]
async fn somebody_unknown_begins_a_conversation() {
    let desk = desk().await;
    let (_, ours) = desk.numbers(0).await;
    desk.writes("+12125550888", &ours, "SM1", "Who is this?").await;
    let listed = desk.get("/v1/conversations").await.expect(200);
    let conversation = &listed["data"][0];
    assert_eq!((&conversation["unknown"], &conversation["unread"]), (&json!(true), &json!(1)));
    assert_eq!(conversation["contact"]["phones"][0]["number"], "+12125550888");
    let contact = id_of(&conversation["contact"]);
    let answer = json!({"channel": "sms", "body": "The bakery"});
    let answer = desk.post(&format!("/v1/contacts/{contact}/messages"), &answer).await.expect(201);
    assert_eq!(answer["to"], "+12125550888");
    // A number of nobody's is taken and forgotten: Twilio would only ask again.
    desk.writes("+12125550888", "+12125550999", "SM2", "Hello?").await;
    assert_eq!(desk.get("/v1/conversations").await.expect(200)["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_last_step_with_a_contact_is_undone_and_nothing_else() {
    let desk = desk().await;
    let undo = format!("/v1/contacts/{}/undo", desk.contact(0));
    assert_eq!(desk.post(&undo, &json!({})).await.refused(409), "nothing_to_undo");
    let first = desk.scheduled(0, 1).await;
    let second = desk.scheduled(0, 2).await;
    let undone = desk.post(&undo, &json!({})).await.expect(200);
    assert_eq!((&undone["outcome"], &undone["message_ids"]), (&json!("canceled"), &json!([second["id"]])));
    assert_eq!(desk.message(id_of(&first)).await["state"], "scheduled");
    assert_eq!(desk.post(&undo, &json!({})).await.refused(409), "nothing_to_undo");

    desk.scheduled(0, 3).await;
    let canceled = desk.post("/v1/messages:cancel", &json!({"contact_id": desk.contact(0)})).await.expect(200);
    assert_eq!(canceled["canceled"], 2);
    let undone = desk.post(&undo, &json!({})).await.expect(200);
    assert_eq!((&undone["outcome"], undone["messages"].as_array().unwrap().len()), (&json!("restored"), 2));
    let again = desk.message(id_of(&first)).await;
    assert_eq!((&again["state"], &again["due_at"]), (&json!("scheduled"), &first["due_at"]));
}

#[tokio::test]
async fn notes_are_for_colleagues_and_go_with_the_contact() {
    let desk = desk().await;
    let path = format!("/v1/contacts/{}/notes", desk.contact(0));
    let note = desk.post(&path, &json!({"body": "likes tea"})).await.expect(201);
    assert_eq!((&note["kind"], &note["body"]), (&json!("note"), &json!("likes tea")));
    assert_eq!(texts(&desk.thread(0).await, "kind"), ["note"]);
    let refused = desk.post(&path, &json!({"body": "  "})).await.refused_fields();
    assert_eq!(refused, [("/body".to_owned(), "required".to_owned())]);
    desk.delete(&format!("/v1/contacts/{}", desk.contact(0))).await.expect(200);
    desk.post(&path, &json!({"body": "x"})).await.expect(404);
}

#[tokio::test]
async fn an_email_answers_the_thread_unless_it_is_told_not_to() {
    let desk = desk().await;
    let mail = |extra: Value| {
        let mut mail = json!({"channel": "email", "body": "b"});
        mail.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        mail
    };
    let first = desk.schedule(0, &mail(json!({"subject": "Your quote"}))).await.expect(201);
    desk.until_state(id_of(&first), "submitted").await;
    let second = desk.schedule(0, &mail(json!({}))).await.expect(201);
    let second = desk.until_state(id_of(&second), "submitted").await;
    assert_eq!((&second["in_reply_to"], &second["subject"]), (&first["id"], &json!("Re: Your quote")));
    let other = desk.schedule(0, &mail(json!({"subject": "Lunch", "reply_to_message": null}))).await.expect(201);
    let other = desk.until_state(id_of(&other), "submitted").await;
    assert_eq!((&other["in_reply_to"], &other["subject"]), (&Value::Null, &json!("Lunch")));
    let named = desk.schedule(0, &mail(json!({"reply_to_message": first["id"]}))).await.expect(201);
    assert_eq!(desk.until_state(id_of(&named), "submitted").await["in_reply_to"], first["id"]);
    let unknown = mail(json!({"reply_to_message": "msg_01h455vb4pex5vsknk084sn02q"}));
    let refused = desk.schedule(0, &unknown).await.refused_fields();
    assert_eq!(refused, [("/reply_to_message".to_owned(), "unknown_message".to_owned())]);
    let mut sms = sms_in(1);
    sms["reply_to_message"] = first["id"].clone();
    let refused = desk.schedule(0, &sms).await.refused_fields();
    assert_eq!(refused, [("/reply_to_message".to_owned(), "not_applicable".to_owned())]);
}
