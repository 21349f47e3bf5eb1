//! Mail that comes in, as servers and providers hand it over: replies, bounces, complaints, forgeries; over HTTP, and
//! over LMTP from a client that we did not write.

use std::process::Command;

use reqwest::Method;
use sendwheel_loadtest::node::NodeOptions;
use serde_json::{Value, json};

use super::super::peers::peer_file;
use super::{Desk, Got, id_of, sms_in, texts};

const TOKEN: &str = "a-token-of-more-than-thirty-two-characters";

async fn desk() -> Desk {
    let options = NodeOptions::new(env!("CARGO_BIN_EXE_sendwheel"))
        .set("inbound.token", TOKEN)
        .set("inbound.reply_domain", "reply.example.net");
    Desk::start_with(options, 2).await
}

/// A mail with these header lines.
fn mail(headers: &[(&str, &str)], body: &str) -> String {
    let mut mail = String::new();
    for (name, value) in headers {
        mail.push_str(&format!("{name}: {value}\r\n"));
    }
    mail + "\r\n" + body
}

impl Desk {
    async fn mail_comes(&self, raw: &str) -> Value {
        self.mail_with(Some(TOKEN), raw).await.expect(200)
    }

    async fn mail_with(&self, key: Option<&str>, raw: &str) -> Got {
        let request = self.request_as(key, Method::POST, "/inbound/email");
        Got::of(request.header("content-type", "message/rfc822").body(raw.to_owned())).await
    }

    /// An email that went out: the message and its Message-ID.
    async fn mailed(&self, n: usize, subject: &str) -> (Value, String) {
        let new = json!({"channel": "email", "subject": subject, "body": "Hello"});
        let sent = self.schedule(n, &new).await.expect(201);
        let sent = self.until_state(id_of(&sent), "submitted").await;
        let domain =
            sent["from_address"].as_str().unwrap().trim_end_matches('>').rsplit_once('@').unwrap().1.to_owned();
        let message_id = format!("<{}@{domain}>", id_of(&sent));
        (sent, message_id)
    }
}

fn report(original: &str, recipient: &str, action: &str, status: &str) -> String {
    let fields = format!(
        "--b\r\nContent-Type: text/plain\r\n\r\nYour mail could not be delivered.\r\n\
         --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.org\r\n\r\n\
         Final-Recipient: rfc822; {recipient}\r\nAction: {action}\r\nStatus: {status}\r\n\r\n\
         --b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: {original}\r\nSubject: x\r\n\r\n--b--\r\n"
    );
    mail(
        &[
            ("From", "MAILER-DAEMON@mx.example.org"),
            ("To", "hello@example.com"),
            ("Message-ID", "<report@mx.example.org>"),
            ("MIME-Version", "1.0"),
            ("Content-Type", "multipart/report; report-type=delivery-status; boundary=b"),
        ],
        &fields,
    )
}

#[tokio::test]
async fn a_reply_stands_under_the_mail_that_it_answers_and_the_next_one_answers_it() {
    let desk = desk().await;
    let (sent, message_id) = desk.mailed(0, "Your quote").await;
    let to = sent["to"].as_str().unwrap();
    let raw = mail(
        &[
            ("From", &format!("Ada <{to}>")),
            ("To", "someone@elsewhere.example"),
            ("Subject", "Re: Your quote"),
            ("Message-ID", "<r1@client.example>"),
            ("In-Reply-To", &message_id),
            ("References", &message_id),
        ],
        "Sounds good!\r\n\r\nOn Monday you wrote:\r\n> Hello\r\n",
    );
    let first = desk.mail_comes(&raw).await;
    assert_eq!((&first["outcome"], &first["repeated"]), (&json!("received"), &json!(false)));
    assert_eq!(first["contact_id"], desk.contact(0));
    assert_eq!(desk.mail_comes(&raw).await["repeated"], true, "the same mail again is kept once");
    let thread = desk.thread(0).await;
    assert_eq!(texts(&thread, "kind"), ["inbound", "outbound"]);
    assert_eq!(thread[0]["in_reply_to"], sent["id"]);
    assert!(thread[0]["body"].as_str().unwrap().starts_with("Sounds good!"));

    let (answer, _) = desk.mailed(0, "Re: Your quote").await;
    assert_eq!(answer["in_reply_to"], thread[0]["id"]);
}

#[tokio::test]
async fn a_mail_of_ours_that_comes_back_ends_there() {
    let desk = desk().await;
    let (_, message_id) = desk.mailed(0, "Hello").await;
    let raw = mail(&[("From", "hello@example.com"), ("To", "x@y.example"), ("Message-ID", &message_id)], "Hello");
    assert_eq!(desk.mail_comes(&raw).await["outcome"], "loop");
    assert_eq!(texts(&desk.thread(0).await, "kind"), ["outbound"]);
}

#[tokio::test]
async fn a_hard_bounce_suppresses_the_address_and_a_delay_does_not() {
    let desk = desk().await;
    let (sent, message_id) = desk.mailed(0, "Hello").await;
    let to = sent["to"].as_str().unwrap();
    let delayed = desk.mail_comes(&report(&message_id, to, "delayed", "4.4.1")).await;
    assert_eq!((&delayed["outcome"], &delayed["message_id"]), (&json!("reported"), &sent["id"]));
    assert_eq!(desk.message(id_of(&sent)).await["state"], "submitted");
    let events: Vec<_> = desk.thread(0).await.into_iter().filter(|entry| entry["kind"] == "event").collect();
    assert_eq!((&events[0]["event"], &events[0]["detail"]), (&json!("delivery_delayed"), &json!("4.4.1")));

    desk.mail_comes(&report(&message_id, to, "failed", "5.1.1")).await;
    let bounced = desk.message(id_of(&sent)).await;
    assert_eq!((&bounced["state"], &bounced["reason"]["code"]), (&json!("bounced"), &json!("receipt")));
    let listed = desk.get("/v1/suppressions").await.expect(200);
    assert_eq!((&listed["data"][0]["address"], &listed["data"][0]["reason"]), (&json!(to), &json!("hard_bounce")));
    let again = desk.schedule(0, &json!({"channel": "email", "subject": "s", "body": "b"})).await.expect(201);
    assert_eq!(desk.until_state(id_of(&again), "canceled").await["reason"]["code"], "suppressed");
    // A report on a mail that is none of ours says nothing.
    let other = report("<x@elsewhere.example>", to, "failed", "5.1.1");
    assert_eq!(desk.mail_comes(&other).await["outcome"], "ignored");
}

#[tokio::test]
async fn a_complaint_opts_its_author_out() {
    let desk = desk().await;
    let (sent, message_id) = desk.mailed(0, "Hello").await;
    let mut later = sms_in(1);
    later["channel"] = json!("email");
    later["subject"] = json!("s");
    let later = desk.schedule(0, &later).await.expect(201);
    let parts = format!(
        "--b\r\nContent-Type: text/plain\r\n\r\nThis is an abuse report.\r\n\
         --b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nUser-Agent: x/1\r\nVersion: 1\r\n\r\n\
         --b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: {message_id}\r\nSubject: Hello\r\n\r\nHello\r\n--b--\r\n"
    );
    let raw = mail(
        &[
            ("From", "fbl@provider.example"),
            ("To", "abuse@example.com"),
            ("MIME-Version", "1.0"),
            ("Content-Type", "multipart/report; report-type=feedback-report; boundary=b"),
        ],
        &parts,
    );
    assert_eq!(desk.mail_comes(&raw).await["outcome"], "reported");
    desk.until_state(id_of(&later), "canceled").await;
    let contact = desk.get(&format!("/v1/contacts/{}", desk.contact(0))).await.expect(200);
    assert_eq!(contact["consent"]["email"], "denied");
    let listed = desk.get("/v1/suppressions").await.expect(200);
    assert_eq!((&listed["data"][0]["address"], &listed["data"][0]["reason"]), (&sent["to"], &json!("complaint")));
}

#[tokio::test]
async fn only_who_may_brings_mail_and_what_is_none_is_refused() {
    let desk = desk().await;
    let raw = mail(&[("From", "a@b.example"), ("To", "c@d.example")], "x");
    assert_eq!(desk.mail_with(None, &raw).await.status, 401);
    assert_eq!(desk.mail_with(Some("sw_0000000000000000000000000000000000000000"), &raw).await.status, 401);
    let refused = desk.mail_with(Some(TOKEN), &raw).await.refused_fields();
    assert_eq!(refused, [(String::new(), "unknown_recipient".to_owned())]);
    for (raw, code) in
        [("", "unreadable_mail"), ("\r\n\r\nonly text", "unreadable_mail"), ("To: x@y.example\r\n\r\nx", "no_author")]
    {
        let refused = desk.mail_with(Some(TOKEN), raw).await.refused_fields();
        assert_eq!(refused, [(String::new(), code.to_owned())], "{raw}");
    }
}

#[tokio::test]
async fn a_mail_server_delivers_over_lmtp() {
    const CLIENT: &str = r#"
import smtplib, sys
path, sender, ours = sys.argv[1:4]
mail = f"From: {sender}\r\nTo: {ours}\r\nSubject: Hi\r\nMessage-ID: <l1@client.example>\r\n\r\n.A line with a dot\r\n"
with smtplib.LMTP(path) as client:
    refused = client.sendmail(sender, [ours, "nobody@elsewhere.example"], mail)
    assert list(refused) == ["nobody@elsewhere.example"], refused
    assert refused["nobody@elsewhere.example"][0] == 550, refused
    client.sendmail("", [ours], mail.replace("<l1@", "<l2@"))
"#;
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("lmtp");
    let options =
        NodeOptions::new(env!("CARGO_BIN_EXE_sendwheel")).set("inbound.lmtp", format!("unix:{}", socket.display()));
    let desk = Desk::start_with(options, 1).await;
    let senders = desk.get("/v1/senders").await.expect(200);
    let ours = senders["data"].as_array().unwrap().iter().find(|sender| sender["channel"] == "email").unwrap();
    let ours = ours["address"].as_str().unwrap().trim_end_matches('>').rsplit(['<', ' ']).next().unwrap().to_owned();
    let socket = socket.display().to_string();
    let mut client = Command::new(peer_file("venv/bin/python"));
    client.args(["-c", CLIENT, &socket, "stranger@client.example", &ours]);
    let output = tokio::task::spawn_blocking(move || client.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let listed = desk.get("/v1/conversations").await.expect(200);
    assert_eq!(listed["data"][0]["unread"], 2, "{listed}");
    let contact = id_of(&listed["data"][0]["contact"]).to_owned();
    let thread = desk.get(&format!("/v1/contacts/{contact}/thread")).await.expect(200);
    assert_eq!(thread["data"][0]["body"].as_str().unwrap().trim(), ".A line with a dot");
}
