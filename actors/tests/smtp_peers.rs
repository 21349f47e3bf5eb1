//! The SMTP transport against aiosmtpd, and its mails as Python's `email` package and dkimpy see them.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod peers;

use std::process::{Command, Stdio};

use mail_parser::{MessageParser, MimeHeaders};
use peers::{
    Certificate, SmtpPeer, Yes, attachment, clock, email, is_provider, peer_file, permanent, source_file, taken,
    transient, unknown,
};
use secrecy::SecretString;
use sendwheel_actors::sender::dkim::DkimSettings;
use sendwheel_actors::sender::smtp::{SmtpSettings, SmtpTls, SmtpTransport};
use sendwheel_actors::sender::transport::{Attempted, Connection, Transport};
use serde_json::json;

fn connection(settings: SmtpSettings) -> Box<dyn Connection> {
    SmtpTransport::new(settings, clock()).unwrap().connect()
}

fn plain(peer: &SmtpPeer) -> SmtpSettings {
    SmtpSettings::new("localhost", peer.port(), SmtpTls::Opportunistic)
}

#[tokio::test]
async fn a_mail_arrives_as_it_was_written() {
    let peer = SmtpPeer::start(&[]).await;
    let mut envelope = email(1, "jane");
    envelope.content.subject = Some("Grüße 🎉".into());
    let text = ".\n..\n.dot at the start\nlong ".to_owned() + &"ü".repeat(2_000) + "\nend\n";
    envelope.content.text = Some(text.clone());
    envelope.content.html = Some("<p>Grüße</p>\n.\n".into());
    let file: Vec<u8> = (0..=255).cycle().take(200_000).collect();
    envelope.attachments.push(attachment("Übersicht.pdf", &file));
    envelope.in_reply_to = Some("<parent@example.org>".into());
    envelope.references = vec!["<root@example.org>".into(), "<parent@example.org>".into()];
    envelope.list_unsubscribe = Some("https://send.example/u/token".parse().unwrap());
    let mut connection = connection(plain(&peer));
    let id = taken(connection.hand_over(&envelope, &Yes::always()).await);
    assert_eq!(id.as_deref(), Some("PEER0001"));

    let mails = peer.mails();
    let mail = &mails[0];
    assert_eq!(mail["defects"], json!([]));
    assert_eq!((&mail["mail_from"], &mail["rcpt_tos"]), (&json!("team@example.com"), &json!(["jane@example.org"])));
    assert_eq!(mail["text"].as_str().unwrap().replace("\r\n", "\n").trim_end(), text.trim_end());
    assert_eq!(mail["html"].as_str().unwrap().replace("\r\n", "\n").trim_end(), "<p>Grüße</p>\n.");
    assert_eq!(mail["attachments"][0]["filename"], "Übersicht.pdf");
    assert_eq!(mail["attachments"][0]["hex"].as_str().unwrap(), hex::encode(&file));
    let header = |name: &str| {
        let headers = mail["headers"].as_array().unwrap();
        headers.iter().find(|header| header[0] == name).map(|header| header[1].as_str().unwrap().to_owned())
    };
    assert_eq!(header("Subject").unwrap(), "Grüße 🎉");
    assert_eq!(header("From").unwrap(), "Sales <team@example.com>");
    assert_eq!(header("Message-ID").unwrap(), format!("<{}@example.com>", envelope.message));
    assert_eq!(header("Date").unwrap(), "Mon, 23 Nov 2026 18:00:00 +0000");
    assert_eq!(header("In-Reply-To").unwrap(), "<parent@example.org>");
    assert_eq!(header("References").unwrap(), "<root@example.org> <parent@example.org>");
    assert_eq!(header("List-Unsubscribe").unwrap(), "<https://send.example/u/token>");
    assert_eq!(header("List-Unsubscribe-Post").unwrap(), "List-Unsubscribe=One-Click");

    let raw = peer.raw(1);
    let parsed = MessageParser::default().parse(&raw).unwrap();
    assert_eq!(parsed.subject(), Some("Grüße 🎉"));
    assert_eq!(parsed.body_text(0).unwrap().replace("\r\n", "\n").trim_end(), text.trim_end());
    assert_eq!(parsed.attachment(0).unwrap().contents(), file);
    assert_eq!(parsed.attachment(0).unwrap().attachment_name(), Some("Übersicht.pdf"));
}

#[tokio::test]
async fn one_connection_carries_many_mails_with_and_without_pipelining() {
    for options in [&[][..], &["--no-pipelining"]] {
        let peer = SmtpPeer::start(options).await;
        let mut connection = connection(plain(&peer));
        for number in 1..=20 {
            taken(connection.hand_over(&email(number, "jane"), &Yes::always()).await);
        }
        connection.close().await;
        assert_eq!(peer.mails().len(), 20);
        let commands = peer.commands();
        assert_eq!(commands.len(), 21, "{commands:?}");
        assert!(commands[..20].iter().all(|command| command == &commands[0]), "one client port: {commands:?}");
        assert_eq!(commands[20], "QUIT");
    }
}

#[tokio::test]
async fn a_connection_is_replaced_after_its_share_of_mails() {
    let peer = SmtpPeer::start(&[]).await;
    let mut connection = connection(SmtpSettings { mails_per_connection: 2, ..plain(&peer) });
    for number in 1..=5 {
        taken(connection.hand_over(&email(number, "jane"), &Yes::always()).await);
    }
    let mut ports = peer.commands();
    ports.retain(|command| command.starts_with("MAIL"));
    ports.dedup();
    assert_eq!(ports.len(), 3, "{ports:?}");
}

#[tokio::test]
async fn a_refusal_is_judged_and_the_connection_goes_on() {
    for options in [&[][..], &["--no-pipelining"]] {
        let peer = SmtpPeer::start(options).await;
        let mut connection = connection(plain(&peer));
        let guard = Yes::always();

        let failure = permanent(connection.hand_over(&email(1, "rcpt-550"), &guard).await);
        assert_eq!(failure.code, "smtp_5.1.1");
        assert!(!is_provider(&failure));
        assert!(!failure.detail.contains("rcpt-550") && !failure.detail.contains("example.org"), "{}", failure.detail);
        assert!(failure.detail.contains("unknown"), "{}", failure.detail);

        let failure = transient(connection.hand_over(&email(2, "rcpt-450"), &guard).await);
        assert_eq!((failure.code.as_str(), is_provider(&failure)), ("smtp_4.2.1", false));

        let failure = permanent(connection.hand_over(&email(3, "data-554"), &guard).await);
        assert_eq!((failure.code.as_str(), is_provider(&failure)), ("smtp_5.7.1", false));

        taken(connection.hand_over(&email(4, "jane"), &guard).await);
        let mut ports = peer.commands();
        ports.retain(|command| command.starts_with("MAIL"));
        ports.dedup();
        assert_eq!(ports.len(), 1, "all on one connection: {ports:?}");

        let failure = transient(connection.hand_over(&email(5, "rcpt-421"), &guard).await);
        assert_eq!((failure.code.as_str(), is_provider(&failure)), ("smtp_4.3.2", true));
        taken(connection.hand_over(&email(6, "jane"), &guard).await);
        assert_eq!(peer.mails().len(), 2);
    }
}

#[tokio::test]
async fn a_connection_cut_after_the_final_dot_leaves_the_outcome_unknown() {
    let peer = SmtpPeer::start(&[]).await;
    let mut connection = connection(plain(&peer));
    let failure = unknown(connection.hand_over(&email(1, "cut-after-data"), &Yes::always()).await);
    assert_eq!((failure.code.as_str(), is_provider(&failure)), ("smtp_connection_lost", true));
    assert_eq!(peer.mails().len(), 1, "which is why nobody may say that it failed");
    taken(connection.hand_over(&email(2, "jane"), &Yes::always()).await);
}

#[tokio::test]
async fn a_guard_that_says_no_leaves_nothing_with_the_server() {
    for options in [&[][..], &["--no-pipelining"]] {
        let peer = SmtpPeer::start(options).await;
        let mut connection = connection(plain(&peer));
        let mut asked = 0;
        while connection.hand_over(&email(1, "jane"), &Yes::times(asked)).await == Attempted::NotStarted {
            assert_eq!(peer.mails().len(), 0, "a guard that said no after {asked} times yes");
            asked += 1;
        }
        assert_eq!(asked, 4, "asked before connecting, before MAIL, before the content and before the dot");
        assert_eq!(peer.mails().len(), 1);
    }
}

#[tokio::test]
async fn starttls_and_auth_keep_mail_and_password_private() {
    let certificate = Certificate::new();
    let (cert, key) = (certificate.cert(), certificate.key());
    let options =
        ["--cert", cert.to_str().unwrap(), "--key", key.to_str().unwrap(), "--user", "ann", "--password", "s:cret"];
    let peer = SmtpPeer::start(&options).await;
    let url = |password: &str, rest: &str| {
        SmtpSettings::from_url(&format!("smtp://ann:{password}@localhost:{}{rest}", peer.port())).unwrap()
    };
    let required = format!("?tls=required&ca={}", cert.display());
    taken(connection(url("s%3Acret", &required)).hand_over(&email(1, "jane"), &Yes::always()).await);
    assert_eq!((&peer.mails()[0]["tls"], &peer.mails()[0]["authenticated"]), (&json!(true), &json!(true)));

    let failure = transient(connection(url("wrong", &required)).hand_over(&email(2, "jane"), &Yes::always()).await);
    assert_eq!((failure.code.as_str(), is_provider(&failure)), ("smtp_5.7.8", true));
    assert!(failure.detail.contains("credentials") && !failure.detail.contains("wrong"), "{}", failure.detail);

    let failure =
        transient(connection(url("s%3Acret", "?tls=required")).hand_over(&email(3, "jane"), &Yes::always()).await);
    assert_eq!((failure.code.as_str(), is_provider(&failure)), ("smtp_tls", true), "nobody vouches for it");

    taken(connection(url("s%3Acret", "")).hand_over(&email(4, "jane"), &Yes::always()).await);
    assert_eq!(peer.mails()[1]["tls"], true, "opportunistic encrypts where it can");
    assert_eq!(peer.mails().len(), 2);
}

#[tokio::test]
async fn a_server_without_starttls_gets_no_mail_that_requires_it() {
    let peer = SmtpPeer::start(&[]).await;
    let settings = SmtpSettings { tls: SmtpTls::Required, ..plain(&peer) };
    let failure = transient(connection(settings).hand_over(&email(1, "jane"), &Yes::always()).await);
    assert_eq!((failure.code.as_str(), is_provider(&failure)), ("smtp_tls", true));
    assert_eq!(peer.commands(), Vec::<String>::new());
}

#[tokio::test]
async fn smtps_is_encrypted_from_the_first_byte() {
    let certificate = Certificate::new();
    let (cert, key) = (certificate.cert(), certificate.key());
    let peer = SmtpPeer::start(&["--cert", cert.to_str().unwrap(), "--key", key.to_str().unwrap(), "--implicit"]).await;
    let url = format!("smtps://localhost:{}", peer.port());
    let trusted = SmtpSettings::from_url(&format!("{url}?ca={}", cert.display())).unwrap();
    let mut connection_trusted = connection(trusted);
    for number in 1..=3 {
        taken(connection_trusted.hand_over(&email(number, "jane"), &Yes::always()).await);
    }
    assert_eq!(peer.mails()[0]["tls"], true);
    let stranger = SmtpSettings::from_url(&url).unwrap();
    let failure = transient(connection(stranger).hand_over(&email(4, "jane"), &Yes::always()).await);
    assert_eq!(failure.code, "smtp_tls");
}

fn openssl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl makes the test's keys: install it");
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "openssl {arguments:?}");
    output.stdout
}

/// A key of this kind as PEM, and its TXT record.
fn dkim_key(kind: &str) -> (SecretString, String) {
    use base64::Engine as _;
    let pem = match kind {
        "ed25519" => openssl(&["genpkey", "-algorithm", "ed25519"], b""),
        _ => openssl(&["genpkey", "-algorithm", "rsa", "-pkeyopt", "rsa_keygen_bits:2048"], b""),
    };
    let public = openssl(&["pkey", "-pubout", "-outform", "DER"], &pem);
    // RFC 8463 §4: an Ed25519 record has the bare 32 bytes, not their SubjectPublicKeyInfo.
    let public = if kind == "ed25519" { &public[public.len() - 32..] } else { &public[..] };
    let record = format!("v=DKIM1; k={kind}; p={}", base64::engine::general_purpose::STANDARD.encode(public));
    (String::from_utf8(pem).unwrap().into(), record)
}

fn dkimpy(mail: &[u8], records: &serde_json::Value) -> Vec<bool> {
    let folder = tempfile::tempdir().unwrap();
    let (mail_file, records_file) = (folder.path().join("mail"), folder.path().join("records"));
    std::fs::write(&mail_file, mail).unwrap();
    std::fs::write(&records_file, records.to_string()).unwrap();
    let output = Command::new(peer_file("venv/bin/python"))
        .arg(source_file("dkim_verify.py"))
        .args([mail_file, records_file])
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

#[tokio::test]
async fn both_dkim_signatures_verify_and_break_when_a_header_is_added_or_changed() {
    let peer = SmtpPeer::start(&[]).await;
    let ((rsa, rsa_record), (ed25519, ed25519_record)) = (dkim_key("rsa"), dkim_key("ed25519"));
    let key = |selector: &str, private_key| DkimSettings {
        domain: "example.com".into(),
        selector: selector.into(),
        private_key,
    };
    let settings = SmtpSettings { dkim: vec![key("r1", rsa), key("e1", ed25519)], ..plain(&peer) };
    let records = json!({
        "r1._domainkey.example.com.": rsa_record,
        "e1._domainkey.example.com.": ed25519_record,
    });
    let mut envelope = email(1, "jane");
    envelope.content.text = Some("Trailing spaces   \n\ttabs\t\tand  more\n.\n\n\n".into());
    envelope.content.html = Some("<p>Grüße</p>".into());
    envelope.content.subject =
        Some("A subject that is long enough to be folded over more than one line, überall".into());
    envelope.list_unsubscribe = Some("https://send.example/u/token".parse().unwrap());
    envelope.references = vec!["<root@example.org>".into()];
    let mut connection = connection(settings);
    taken(connection.hand_over(&envelope, &Yes::always()).await);
    taken(connection.hand_over(&email(2, "jane"), &Yes::always()).await);

    for number in [1, 2] {
        let mail = peer.raw(number);
        assert_eq!(dkimpy(&mail, &records), [true, true]);
        let text = String::from_utf8(mail).unwrap();
        for (change, to) in [
            ("\r\nSubject: ", "\r\nSubject: Re: "),
            ("\r\nSubject: ", "\r\nSubject: another\r\nSubject: "),
            ("\r\nFrom: ", "\r\nFrom: evil@example.net\r\nFrom: "),
            ("\r\nMIME-Version", "\r\nReply-To: x@example.org\r\nMIME-Version"),
        ] {
            assert!(text.contains(change));
            let survives = to.contains("Reply-To");
            assert_eq!(dkimpy(text.replacen(change, to, 1).as_bytes(), &records), [survives, survives], "{to}");
        }
        assert_eq!(dkimpy(format!("{text}more").as_bytes(), &records), [false, false]);
    }
    let mails = peer.mails();
    let names: Vec<_> = mails[1]["headers"].as_array().unwrap().iter().map(|header| header[0].clone()).collect();
    assert_eq!(names[..2], [json!("DKIM-Signature"), json!("DKIM-Signature")]);
}
