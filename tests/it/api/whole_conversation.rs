//! One conversation from its first message to the deletion of its contact, through the public API, with everyone else
//! played by real peers: a provider that speaks Twilio's API and records what it is asked, a mail server (aiosmtpd),
//! mail programs and a mail system that answer over LMTP. The thread is looked at after each step.

use std::path::{Path, PathBuf};
use std::process::Command;

use sendwheel_loadtest::node::{Node, NodeOptions};
use sendwheel_loadtest::sink::sms::{SmsSink, TWILIO_SID, TWILIO_TOKEN};
use sendwheel_loadtest::{wait, wall, workload};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::peers::{Peer, peer_file, source_file};
use super::{Desk, PATIENCE, id_of, sms_in, texts};

/// The number that the desk sends from.
const OURS: &str = "+12125550100";
/// How far ahead a message is scheduled that is to go out: long enough to see it wait.
const SOON_MS: i64 = 1_500;

/// Everyone.
struct World {
    // Declared first, so dropped first: the node ends before what it speaks to.
    desk: Desk,
    sms: SmsSink,
    _smtp: Peer,
    folder: TempDir,
}

impl World {
    async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let inbox = folder.path().join("inbox");
        std::fs::create_dir(&inbox).unwrap();
        let mut server = tokio::process::Command::new(peer_file("venv/bin/python"));
        let smtp = Peer::start(server.arg(source_file("smtp_peer.py")).arg(&inbox), "port ").await;
        let sms = SmsSink::start(1_000).await.unwrap();
        let options = NodeOptions::new(env!("CARGO_BIN_EXE_sendwheel"))
            .set("email.transport", "smtp")
            .set("email.smtp.url", format!("smtp://localhost:{}?tls=none", smtp.port))
            .set("sms.transport", "twilio")
            .set("sms.twilio.base_url", sms.url())
            .set("sms.twilio.account_sid", TWILIO_SID)
            .set("sms.twilio.auth_token", TWILIO_TOKEN)
            .set("inbound.reply_domain", "reply.example.net")
            .set("inbound.lmtp", format!("unix:{}", folder.path().join("lmtp").display()));
        let node = Node::start(options).await.unwrap_or_else(|error| panic!("{error:#}"));
        let client = node.client();
        let cast = workload::cast(&client, 2).await.unwrap_or_else(|error| panic!("{error:#}"));
        Self { desk: Desk { node, client, cast }, sms, _smtp: smtp, folder }
    }

    fn mail_file(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("inbox/{number:04}.eml"))
    }

    /// What aiosmtpd made of the mail with this number, once it is there.
    async fn mail(&self, number: usize) -> Value {
        let described = self.mail_file(number).with_extension("json");
        let text = wait::until("the mail to arrive", PATIENCE, || async { std::fs::read_to_string(&described).ok() });
        serde_json::from_str(&text.await.unwrap()).unwrap()
    }

    /// The number of mails that arrived.
    fn mails(&self) -> usize {
        let files = std::fs::read_dir(self.folder.path().join("inbox")).unwrap();
        files.filter(|file| has_extension(&file.as_ref().unwrap().path(), "eml")).count()
    }

    /// A mail program, or a mail system, answers the mail with this number. The answer's Message-ID.
    async fn answers(&self, shape: &str, number: usize, sender: &str, text: &str) -> String {
        let mut client = Command::new(peer_file("venv/bin/python"));
        client.arg(source_file("mail_client.py")).arg(self.folder.path().join("lmtp")).arg(shape);
        client.arg(self.mail_file(number)).args([sender, text]);
        let output = tokio::task::spawn_blocking(move || client.output().unwrap()).await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Schedules a message to person `n` that is due in so many milliseconds; with the moment.
    async fn schedule(&self, n: usize, mut message: Value, in_ms: i64) -> (Value, i64) {
        let due = wall::now_ms() + in_ms;
        message["send"] = json!({"at": wall::rfc3339(due)});
        (self.desk.schedule(n, &message).await.expect(201), due)
    }

    /// A message to the other person that is due after everything so far has had its moment, and has arrived.
    async fn everything_due_has_had_its_moment(&self) {
        let (marker, _) = self.schedule(1, sms("That is all"), 2 * SOON_MS).await;
        self.desk.until_state(id_of(&marker), "submitted").await;
    }

    /// What the provider was asked to send to person 0.
    fn texts_sent(&self) -> Vec<String> {
        let all = self.sms.requests().all();
        let theirs = workload::phone(0);
        all.into_iter().filter(|request| request.taken && request.to == theirs).map(|request| request.body).collect()
    }

    /// Kinds of the thread's entries and what they say, newest first after what is still to come.
    async fn assert_thread(&self, expected: &[(&str, &str)]) -> Vec<Value> {
        let thread = self.desk.thread(0).await;
        let said = |entry: &Value| {
            let text = entry["event"].as_str().or(entry["body"].as_str()).or(entry["text"].as_str());
            text.unwrap_or_default().lines().next().unwrap_or_default().to_owned()
        };
        let shown: Vec<(&str, String)> =
            thread.iter().map(|entry| (entry["kind"].as_str().unwrap(), said(entry))).collect();
        let expected: Vec<(&str, String)> = expected.iter().map(|(kind, text)| (*kind, (*text).to_owned())).collect();
        assert_eq!(shown, expected, "{thread:#?}");
        thread
    }
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension)
}

fn sms(text: &str) -> Value {
    json!({"channel": "sms", "body": text})
}

fn mail(subject: &str, text: &str) -> Value {
    json!({"channel": "email", "subject": subject, "text": text, "html": format!("<p>{text}</p>")})
}

fn header<'a>(mail: &'a Value, name: &str) -> Option<&'a str> {
    let headers = mail["headers"].as_array().unwrap();
    headers.iter().find(|header| header[0].as_str().unwrap().eq_ignore_ascii_case(name))?[1].as_str()
}

#[tokio::test]
async fn a_conversation_from_its_first_message_to_the_deletion_of_its_contact() {
    let world = World::start().await;
    let (desk, theirs) = (&world.desk, workload::phone(0));

    // A scheduled SMS waits, goes out not before its time, once, and is delivered.
    let (first, due) = world.schedule(0, sms("Hi {{ contact.name }}, is Tuesday fine?"), SOON_MS).await;
    world.assert_thread(&[("scheduled", "Hi {{ contact.name }}, is Tuesday fine?")]).await;
    let sent = desk.until_state(id_of(&first), "submitted").await;
    let asked = world.sms.requests().all();
    assert_eq!((asked.len(), asked[0].body.as_str()), (1, "Hi Person 0, is Tuesday fine?"));
    assert!(asked[0].started_at_ms >= due, "{} ms early", due - asked[0].started_at_ms);
    let path = format!("/inbound/twilio/status?message={}", id_of(&first));
    let receipt = [("MessageSid", asked[0].provider_id.as_str()), ("MessageStatus", "delivered")];
    assert_eq!(desk.callback(&path, &receipt).await.status, 204);
    assert_eq!(desk.message(id_of(&first)).await["state"], "delivered");
    let first_line = sent["body"].as_str().unwrap();

    // They write back: it stands under what it answers.
    desk.writes(&theirs, OURS, "SM1", "Tuesday is fine").await;
    let thread = world.assert_thread(&[("inbound", "Tuesday is fine"), ("outbound", first_line)]).await;
    assert_eq!(thread[0]["in_reply_to"], first["id"]);
    assert_eq!(desk.get("/v1/conversations?unread=true").await.expect(200)["data"][0]["unread"], 1);

    // A scheduled email reaches a mail server.
    let (offer, due) = world.schedule(0, mail("Your offer", "Here it is."), SOON_MS).await;
    let arrived = world.mail(1).await;
    assert!(wall::now_ms() >= due);
    assert_eq!((&arrived["rcpt_tos"], &arrived["defects"]), (&json!([workload::email(0)]), &json!([])));
    let offer_id = header(&arrived, "Message-ID").unwrap().to_owned();
    assert_eq!((header(&arrived, "In-Reply-To"), header(&arrived, "References")), (None, None), "it begins a thread");
    assert!(header(&arrived, "Reply-To").unwrap().contains("@reply.example.net"), "{arrived}");
    desk.until_state(id_of(&offer), "submitted").await;
    let before = [("inbound", "Tuesday is fine"), ("outbound", first_line)];
    world.assert_thread(&[&[("outbound", "Here it is.")], &before[..]].concat()).await;

    // Gmail answers it, with the whole of it quoted; our answer goes under that; Thunderbird answers again.
    let from_gmail = world.answers("gmail", 1, "", "Sounds good! Can you do it for 90 €?").await;
    let thread = desk.thread(0).await;
    assert_eq!(thread[0]["in_reply_to"], offer["id"], "{thread:#?}");
    assert_eq!((&thread[0]["subject"], &thread[0]["automatic"]), (&json!("Re: Your offer"), &json!(false)));
    assert!(thread[0]["body"].as_str().unwrap().starts_with("Sounds good! Can you do it for 90 €?"), "{}", thread[0]);
    let (answer, _) = world.schedule(0, mail("Re: Your offer", "We can."), 0).await;
    let arrived = world.mail(2).await;
    assert_eq!(header(&arrived, "In-Reply-To"), Some(from_gmail.as_str()));
    let references = header(&arrived, "References").unwrap();
    assert_eq!(references.split_whitespace().collect::<Vec<_>>(), [offer_id.as_str(), &from_gmail]);
    desk.until_state(id_of(&answer), "submitted").await;
    world.answers("thunderbird", 2, "", "Then let us do it.").await;
    let thread = desk.thread(0).await;
    assert_eq!(texts(&thread[..4], "kind"), ["inbound", "outbound", "inbound", "outbound"]);
    assert_eq!(thread[0]["in_reply_to"], answer["id"]);
    assert!(thread[0]["body"].as_str().unwrap().contains("Then let us do it."), "{}", thread[0]);
    assert_eq!(desk.get("/v1/conversations").await.expect(200)["data"][0]["unread"], 3, "one person, one conversation");

    // The next one comes back: the message says so, and the address gets nothing more.
    let (lost, _) = world.schedule(0, mail("Invoice", "Please find it below."), 0).await;
    let arrived = world.mail(3).await;
    desk.until_state(id_of(&lost), "submitted").await;
    let sender = arrived["mail_from"].as_str().unwrap();
    world.answers("postfix", 3, sender, "550 5.1.1 <person0@example.com>: Recipient address rejected").await;
    let bounced = desk.message(id_of(&lost)).await;
    assert_eq!((&bounced["state"], &bounced["reason"]["code"]), (&json!("bounced"), &json!("receipt")), "{bounced}");
    assert_eq!(desk.thread(0).await.len(), 7, "a report is no message of theirs");
    let listed = desk.get("/v1/suppressions").await.expect(200);
    assert_eq!(listed["data"][0]["address"], workload::email(0));
    assert_eq!(listed["data"][0]["reason"], "hard_bounce");
    let (more, _) = world.schedule(0, mail("Invoice", "Once more."), 0).await;
    assert_eq!(desk.until_state(id_of(&more), "canceled").await["reason"]["code"], "suppressed");

    // STOP: what is far off and what is about to go are taken back, the text of the second is never asked for.
    let far = desk.scheduled(0, 30).await;
    let (near, _) = world.schedule(0, sms("About to go"), SOON_MS).await;
    desk.writes(&theirs, OURS, "SM2", "STOP").await;
    for message in [&far, &near] {
        let canceled = desk.until_state(id_of(message), "canceled").await;
        assert_eq!(canceled["attempts"], json!([]), "{canceled}");
    }
    assert_eq!(desk.schedule(0, &sms_in(1)).await.refused_fields(), [("/to".into(), "consent_denied".into())]);
    world.everything_due_has_had_its_moment().await;
    assert_eq!(world.texts_sent(), ["Hi Person 0, is Tuesday fine?"]);

    // START, and the contact is deleted with a message on its way: nothing goes out, nothing is left.
    desk.writes(&theirs, OURS, "SM3", "START").await;
    let far = desk.scheduled(0, 30).await;
    let (near, _) = world.schedule(0, sms("Too late"), SOON_MS).await;
    let contact = format!("/v1/contacts/{}", desk.contact(0));
    let deleted = desk.delete(&contact).await.expect(200);
    assert_eq!(deleted["canceled"], 2, "{deleted}");
    for path in [&contact, &format!("{contact}/thread")] {
        assert_eq!(desk.get(path).await.refused(404), "not_found");
    }
    for message in [&far, &near, &first, &offer] {
        assert_eq!(desk.get(&format!("/v1/messages/{}", id_of(message))).await.refused(404), "not_found");
    }
    world.everything_due_has_had_its_moment().await;
    assert_eq!(world.texts_sent(), ["Hi Person 0, is Tuesday fine?"]);
    assert_eq!(world.mails(), 3, "and no mail after the one that came back");
}
