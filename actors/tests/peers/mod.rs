//! What the transport tests share: real peers as child processes, scripted ones as tasks, and envelopes.

#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot set its peer up has failed")]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use sendwheel_actors::domain::address::{Address, EmailAddress, Mailbox};
use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::directory::SenderAddress;
use sendwheel_actors::domain::ids::{AccountNo, ContactId, MessageId};
use sendwheel_actors::domain::message::{Attachment, Class, Content};
use sendwheel_actors::domain::verdict::{Failure, FailureScope, Verdict};
use sendwheel_actors::sender::transport::{Attempted, Envelope, Guard};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use uuid::Uuid;

/// Longest that any test waits for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A file that `scripts/test-peers` made.
pub(crate) fn peer_file(path: &str) -> PathBuf {
    let root = std::env::var_os("SENDWHEEL_PEERS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/peers"), PathBuf::from);
    let file = root.join(path);
    assert!(file.exists(), "{} is missing: run scripts/test-peers", file.display());
    file
}

/// A file of the repository's `tests/peers`.
pub(crate) fn source_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/peers").join(name)
}

/// A peer process; ends with this value.
pub(crate) struct Peer {
    pub(crate) port: u16,
    child: Child,
}

impl Peer {
    /// Starts it and waits for the line with `mark` before its port number.
    pub(crate) async fn start(command: &mut Command, mark: &str) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = timeout(PATIENCE, async {
            loop {
                let line = lines.next_line().await.unwrap().expect("the peer says its port before it ends");
                if let Some((_, rest)) = line.split_once(mark) {
                    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                    return digits.parse().unwrap();
                }
            }
        })
        .await
        .expect("the peer is ready in time");
        // Whatever it prints later must not block it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { port, child }
    }
}

/// The aiosmtpd peer with the folder in which it keeps what it got.
pub(crate) struct SmtpPeer {
    pub(crate) folder: tempfile::TempDir,
    peer: Peer,
}

impl SmtpPeer {
    pub(crate) async fn start(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(peer_file("venv/bin/python"));
        command.arg(source_file("smtp_peer.py")).arg(folder.path()).args(options);
        let peer = Peer::start(&mut command, "port ").await;
        Self { folder, peer }
    }

    pub(crate) fn port(&self) -> u16 {
        self.peer.port
    }

    /// What the standard library of Python read from the mails, in order of arrival.
    pub(crate) fn mails(&self) -> Vec<serde_json::Value> {
        (1..)
            .map_while(|number| std::fs::read(self.folder.path().join(format!("{number:04}.json"))).ok())
            .map(|bytes| serde_json::from_slice(&bytes).unwrap())
            .collect()
    }

    /// The bytes of the mail with this number, from 1.
    pub(crate) fn raw(&self, number: usize) -> Vec<u8> {
        std::fs::read(self.folder.path().join(format!("{number:04}.eml"))).unwrap()
    }

    /// The commands that it noted.
    pub(crate) fn commands(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.path().join("commands")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

/// A certificate for `localhost`, trusted by nobody, as two PEM files.
pub(crate) struct Certificate {
    folder: tempfile::TempDir,
}

impl Certificate {
    pub(crate) fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("cert.pem"), made.cert.pem()).unwrap();
        std::fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        Self { folder }
    }

    pub(crate) fn cert(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }
}

/// A guard that says yes this many times, and then no.
pub(crate) struct Yes(AtomicUsize);

impl Yes {
    pub(crate) fn always() -> Self {
        Self(AtomicUsize::new(usize::MAX))
    }

    pub(crate) fn times(count: usize) -> Self {
        Self(AtomicUsize::new(count))
    }
}

impl Guard for Yes {
    fn may_hand_over(&self) -> bool {
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    }
}

fn envelope(number: u128, from: SenderAddress, to: Address, content: Content) -> Envelope {
    Envelope {
        message: MessageId::from_uuid(Uuid::from_u128(number)),
        identity: MessageId::from_uuid(Uuid::from_u128(number)),
        account: AccountNo(1),
        contact: ContactId::from_bytes([3; 16]),
        attempt: 1,
        class: Class::Transactional,
        from,
        to,
        content,
        attachments: Vec::new(),
        date: UnixMs(1_795_456_800_000),
        list_unsubscribe: None,
        in_reply_to: None,
        references: Vec::new(),
        reply_to: None,
        test: false,
        first_attempt: true,
        withdrawal: Default::default(),
        hook: None,
    }
}

/// An email to `local@example.org`.
pub(crate) fn email(number: u128, local: &str) -> Envelope {
    let from = SenderAddress::Email(Mailbox::parse("Sales <team@example.com>").unwrap());
    let to = Address::Email(EmailAddress::parse(&format!("{local}@example.org")).unwrap());
    let content =
        Content { subject: Some("Hello".into()), text: Some("A plain text.\n".into()), html: None, render: false };
    envelope(number, from, to, content)
}

/// A text message.
pub(crate) fn sms(number: u128) -> Envelope {
    let from = SenderAddress::Phone("+12125550100".parse().unwrap());
    let to = Address::Phone("+12125550123".parse().unwrap());
    let content = Content { text: Some("Grüße & \"quotes\" 🎉 a+b=c".into()), ..Content::default() };
    envelope(number, from, to, content)
}

/// A file to go with an email.
pub(crate) fn attachment(name: &str, bytes: &[u8]) -> (Attachment, Bytes) {
    let attachment = Attachment {
        blob: 1,
        filename: name.to_owned(),
        content_type: "application/pdf".to_owned(),
        size: bytes.len() as u32,
    };
    (attachment, Bytes::copy_from_slice(bytes))
}

/// The verdict, which must be one.
pub(crate) fn verdict(attempted: Attempted) -> Verdict {
    match attempted {
        Attempted::Judged(verdict) => verdict,
        Attempted::NotStarted => panic!("the guard stopped it"),
    }
}

/// The provider's id of a message that must have been taken.
pub(crate) fn taken(attempted: Attempted) -> Option<String> {
    match verdict(attempted) {
        Verdict::Submitted { provider_id } => provider_id,
        other => panic!("not taken: {other:?}"),
    }
}

pub(crate) fn transient(attempted: Attempted) -> Failure {
    match verdict(attempted) {
        Verdict::Transient(failure) => failure,
        other => panic!("not transient: {other:?}"),
    }
}

pub(crate) fn permanent(attempted: Attempted) -> Failure {
    match verdict(attempted) {
        Verdict::Permanent(failure) => failure,
        other => panic!("not permanent: {other:?}"),
    }
}

pub(crate) fn unknown(attempted: Attempted) -> Failure {
    match verdict(attempted) {
        Verdict::Unknown(failure) => failure,
        other => panic!("not unknown: {other:?}"),
    }
}

pub(crate) fn is_provider(failure: &Failure) -> bool {
    failure.scope == FailureScope::Provider
}

/// The machine's clock.
pub(crate) fn clock() -> Arc<sendwheel_actors::domain::clock::SystemClock> {
    Arc::new(sendwheel_actors::domain::clock::SystemClock)
}
