//! The built binary against programs of other people: aiosmtpd takes its mail, Prism its SMS by Twilio's own
//! description. `scripts/test-peers` installs both.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use mail_parser::MessageParser;
use sendwheel_loadtest::client::{CancelOutcome, Client, MessageView};
use sendwheel_loadtest::node::{Node, NodeOptions};
use sendwheel_loadtest::{wait, wall, workload};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::stage::PATIENCE;

const SID: &str = "AC00000000000000000000000000000001";

/// A file that `scripts/test-peers` made.
pub(crate) fn peer_file(path: &str) -> PathBuf {
    let root = std::env::var_os("SENDWHEEL_PEERS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers"), PathBuf::from);
    let file = root.join(path);
    assert!(file.exists(), "{} is missing: run scripts/test-peers", file.display());
    file
}

pub(crate) fn source_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers").join(name)
}

/// A peer's process, which ends with this value, and what it printed.
pub(crate) struct Peer {
    pub(crate) port: u16,
    printed: Arc<Mutex<Vec<String>>>,
    _child: Child,
}

impl Peer {
    /// Starts it and waits for the line with `mark` before its port.
    pub(crate) async fn start(command: &mut Command, mark: &str) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let printed = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&printed);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                seen.lock().unwrap().push(line);
            }
        });
        let port = wait::until("the peer to say its port", PATIENCE, || async {
            printed.lock().unwrap().iter().find_map(|line| {
                let (_, rest) = line.split_once(mark)?;
                rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok()
            })
        });
        let port = port.await.unwrap();
        Self { port, printed, _child: child }
    }

    fn lines_with(&self, words: &[&str]) -> usize {
        let printed = self.printed.lock().unwrap();
        printed.iter().filter(|line| words.iter().all(|word| line.contains(word))).count()
    }
}

/// A message that is due in three seconds, one that is canceled, and one after both that shows that the
/// canceled one would have come by now.
struct Three {
    due: i64,
    kept: MessageView,
    canceled: MessageView,
    last: MessageView,
}

impl Three {
    async fn schedule(client: &Client, contact: &str, message: &Value) -> Self {
        let due = wall::now_ms() + 3_000;
        let at = |name: &str, due: i64| {
            let mut message = message.clone();
            message["send"] = json!({"at": wall::rfc3339(due)});
            message["metadata"] = json!({"name": name});
            message
        };
        let kept = client.schedule(contact, &at("kept", due), None).await.unwrap();
        let canceled = client.schedule(contact, &at("canceled", due), None).await.unwrap();
        let last = client.schedule(contact, &at("last", due + 1_000), None).await.unwrap();
        assert_eq!(client.cancel(&canceled.id).await.unwrap(), CancelOutcome::Canceled);
        Self { due, kept, canceled, last }
    }

    /// Waits until both are submitted, and gives them.
    async fn submitted(&self, client: &Client) -> [MessageView; 2] {
        for id in [&self.kept.id, &self.last.id] {
            wait::until("the message to be submitted", PATIENCE, || async {
                let message = client.message(id).await.unwrap();
                assert_ne!(message.state, "failed", "{message:?}");
                (message.state == "submitted").then_some(())
            })
            .await
            .unwrap();
        }
        let canceled = client.message(&self.canceled.id).await.unwrap();
        assert_eq!((canceled.state.as_str(), canceled.attempt_count()), ("canceled", 0));
        let kept = client.message(&self.kept.id).await.unwrap();
        let started = kept.attempts[0]["started_at"].as_str().and_then(wall::parse_rfc3339).unwrap();
        assert!((self.due..self.due + 2_000).contains(&started), "{} ms off", started - self.due);
        [kept, client.message(&self.last.id).await.unwrap()]
    }
}

#[tokio::test]
async fn a_mail_reaches_a_real_server_encrypted_and_signed_in_and_a_canceled_one_never_does() {
    let folder = TempDir::new().unwrap();
    let (cert, key, inbox) =
        (folder.path().join("cert.pem"), folder.path().join("key.pem"), folder.path().join("inbox"));
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    std::fs::create_dir(&inbox).unwrap();
    let mut command = Command::new(peer_file("venv/bin/python"));
    command.arg(source_file("smtp_peer.py")).arg(&inbox).arg("--cert").arg(&cert).arg("--key").arg(&key);
    let peer = Peer::start(command.args(["--user", "ann", "--password", "s:cret"]), "port ").await;

    let options = NodeOptions::new(env!("CARGO_BIN_EXE_sendwheel"))
        .set("email.transport", "smtp")
        .set("email.smtp.url", format!("smtp://ann:s%3Acret@localhost:{}?tls=required", peer.port))
        .set("email.smtp.ca_file", cert.to_str().unwrap());
    let node = Node::start(options).await.unwrap_or_else(|error| panic!("{error:#}"));
    let client = node.client();
    let cast = workload::cast(&client, 1).await.unwrap();
    let mail = json!({
        "channel": "email",
        "subject": "Grüße {{ contact.name }} 🎉",
        "text": "Hello {{ contact.name }},\n.\nbye\n",
        "html": "<p>Hello <b>{{ contact.name }}</b></p>",
    });
    let three = Three::schedule(&client, cast.contact(0), &mail).await;
    let [kept, last] = three.submitted(&client).await;

    let described = |number: u8| -> Option<Value> {
        let text = std::fs::read_to_string(inbox.join(format!("{number:04}.json"))).ok()?;
        Some(serde_json::from_str(&text).unwrap())
    };
    let mails: Vec<Value> = (1..).map_while(described).collect();
    assert_eq!(mails.len(), 2, "the canceled one never arrives");
    for (number, (mail, message)) in (1..).zip(mails.iter().zip([&kept, &last])) {
        assert_eq!((&mail["tls"], &mail["authenticated"], &mail["defects"]), (&json!(true), &json!(true), &json!([])));
        assert_eq!(
            (&mail["mail_from"], &mail["rcpt_tos"]),
            (&json!("harness@example.com"), &json!([workload::email(0)]))
        );
        let raw = std::fs::read(inbox.join(format!("{number:04}.eml"))).unwrap();
        let parsed = MessageParser::default().parse(&raw).unwrap();
        assert_eq!(parsed.subject(), Some("Grüße Person 0 🎉"));
        assert_eq!(parsed.body_text(0).unwrap().replace("\r\n", "\n").trim_end(), "Hello Person 0,\n.\nbye");
        assert_eq!(parsed.body_html(0).unwrap().trim_end(), "<p>Hello <b>Person 0</b></p>");
        let from = parsed.from().unwrap().first().unwrap();
        assert_eq!((from.name(), from.address()), (Some("Harness"), Some("harness@example.com")));
        assert_eq!(parsed.to().unwrap().first().unwrap().address(), Some(&*workload::email(0)));
        assert_eq!(parsed.message_id(), Some(&*format!("{}@example.com", message.id)));
        let sent = parsed.date().unwrap().to_timestamp() * 1_000;
        assert!((wall::now_ms() - sent).abs() < 60_000, "dated {}", parsed.date().unwrap());
    }
    let arrived = std::fs::metadata(inbox.join("0001.eml")).unwrap().modified().unwrap();
    let arrived = arrived.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    // The file system's clock is a coarse one: it may be a tick behind.
    let due = Duration::from_millis(u64::try_from(three.due).unwrap() - 10);
    assert!(arrived >= due, "it arrived before its time");
}

#[tokio::test]
async fn an_sms_is_accepted_by_the_description_of_twilio_s_api_and_a_canceled_one_is_never_asked_for() {
    let mut command = Command::new(peer_file("node/node_modules/.bin/prism"));
    command.args(["mock", "--host", "127.0.0.1", "--port", "0", "--errors"]);
    let prism =
        Peer::start(command.arg(source_file("twilio_messages_openapi.json")), "listening on http://127.0.0.1:").await;
    let options = NodeOptions::new(env!("CARGO_BIN_EXE_sendwheel"))
        .set("sms.transport", "twilio")
        .set("sms.twilio.base_url", format!("http://127.0.0.1:{}", prism.port))
        .set("sms.twilio.account_sid", SID)
        .set("sms.twilio.auth_token", "not so secret");
    let node = Node::start(options).await.unwrap_or_else(|error| panic!("{error:#}"));
    let client = node.client();
    let cast = workload::cast(&client, 1).await.unwrap();
    let sms = json!({"channel": "sms", "body": "Hi {{ contact.name }}, 50 % off & more 🎉"});
    let three = Three::schedule(&client, cast.contact(0), &sms).await;
    for message in three.submitted(&client).await {
        let id = message.attempts[0]["provider_id"].as_str().unwrap();
        assert!(id.starts_with("SM") && id.len() == 34, "{id}");
    }
    assert_eq!(prism.lines_with(&["/Messages.json", "Request received"]), 2);
}
