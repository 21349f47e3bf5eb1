//! Messages as files: emails as `email/<message id>.eml`, text messages as lines of `sms.jsonl`.
//!
//! For trying Sendwheel out, for test keys, and for anyone who wants to look before sending. An email is
//! written under a temporary name and renamed, so a reader never sees half of one; a second hand-over of
//! the same message writes the same bytes again. A text message is one `write` to a file opened for
//! appending, so lines of several workers do not mix; its second hand-over is a second line with the same
//! id. Nothing is fsynced: the outbox outlives the process, not a power cut.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;
use tokio::time::timeout;

use super::mime;
use super::transport::{Attempted, Connection, Envelope, Guard, Transport, TransportError};
use crate::domain::address::Channel;
use crate::domain::clock::{SharedClock, UnixMs};
use crate::domain::verdict::{Failure, Verdict};

/// Where the files go.
#[derive(Debug, Clone)]
pub struct OutboxSettings {
    /// The folder; made with its parents if it is missing.
    pub dir: PathBuf,
    /// Writers at a time.
    pub connections: usize,
    /// For writing one message.
    pub attempt_timeout: Duration,
}

impl OutboxSettings {
    /// Four writers and ten seconds for each message.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), connections: 4, attempt_timeout: Duration::from_secs(10) }
    }
}

/// A transport of both channels that writes files.
#[derive(Debug, Clone)]
pub struct OutboxTransport {
    folder: Arc<Folder>,
    connections: usize,
    attempt_timeout: Duration,
    clock: SharedClock,
}

#[derive(Debug)]
struct Folder {
    email: PathBuf,
    sms: PathBuf,
}

impl OutboxTransport {
    /// Makes the folder.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn new(settings: &OutboxSettings, clock: SharedClock) -> Result<Self, TransportError> {
        let email = settings.dir.join("email");
        fs::create_dir_all(&email).map_err(|error| TransportError::io(&email, error))?;
        Ok(Self {
            folder: Arc::new(Folder { email, sms: settings.dir.join("sms.jsonl") }),
            connections: settings.connections.max(1),
            attempt_timeout: settings.attempt_timeout,
            clock,
        })
    }
}

impl Transport for OutboxTransport {
    fn connect(&self) -> Box<dyn Connection> {
        Box::new(OutboxConnection(self.clone()))
    }
    fn name(&self) -> &'static str {
        "outbox"
    }
    fn connections(&self) -> usize {
        self.connections
    }
    fn attempt_timeout(&self) -> Duration {
        self.attempt_timeout
    }
}

struct OutboxConnection(OutboxTransport);

#[async_trait]
impl Connection for OutboxConnection {
    async fn hand_over(&mut self, envelope: &Envelope, guard: &dyn Guard) -> Attempted {
        let folder = Arc::clone(&self.0.folder);
        let name = envelope.identity.to_string();
        let bytes = match contents(envelope, self.0.clock.now()) {
            Ok(bytes) => bytes,
            Err(verdict) => return Attempted::Judged(verdict),
        };
        if !guard.may_hand_over() {
            return Attempted::NotStarted;
        }
        let channel = envelope.channel();
        let write = tokio::task::spawn_blocking(move || match channel {
            Channel::Email => write_email(&folder.email, &name, &bytes),
            Channel::Sms => append_line(&folder.sms, &bytes),
            // Has no contents.
            Channel::Webhook => Ok(()),
        });
        Attempted::Judged(match timeout(self.0.attempt_timeout, write).await {
            Ok(Ok(Ok(()))) => Verdict::Submitted { provider_id: None },
            Ok(Ok(Err(error))) => Verdict::Transient(Failure::provider(
                "outbox_write",
                format!("cannot write to the outbox: {}; check its folder and the free space", error.kind()),
            )),
            Ok(Err(_)) => Verdict::Unknown(Failure::provider("outbox_write", "the process stopped while writing")),
            Err(_) => {
                Verdict::Unknown(Failure::provider("timeout", "writing to the outbox took too long: check its disk"))
            }
        })
    }

    async fn close(&mut self) {}
}

/// A text message in the outbox.
#[derive(Serialize)]
struct Line<'a> {
    id: String,
    attempt: u16,
    from: String,
    to: &'a str,
    body: &'a str,
    at: String,
}

fn contents(envelope: &Envelope, now: UnixMs) -> Result<Vec<u8>, Verdict> {
    if envelope.from.channel() != envelope.channel() {
        return Err(Envelope::wrong_channel("outbox"));
    }
    match envelope.channel() {
        Channel::Email => mime::build(envelope)
            .map(|mail| mail.bytes)
            .map_err(|error| Verdict::Permanent(Failure::message("mime", error.to_string()))),
        Channel::Sms => {
            let line = Line {
                id: envelope.identity.to_string(),
                attempt: envelope.attempt,
                from: envelope.from.to_string(),
                to: envelope.to.as_str(),
                body: envelope.content.text.as_deref().unwrap_or_default(),
                at: now.to_string(),
            };
            let mut bytes = serde_json::to_vec(&line).expect("strings and a number are always JSON");
            bytes.push(b'\n');
            Ok(bytes)
        }
        Channel::Webhook => Err(Envelope::wrong_channel("outbox")),
    }
}

fn write_email(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    // A message has one claim at a time, so nobody else writes this temporary name.
    let temporary = folder.join(format!(".{name}.tmp"));
    fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, folder.join(format!("{name}.eml")))).inspect_err(
        |_| {
            let _ = fs::remove_file(&temporary);
        },
    )
}

fn append_line(path: &Path, line: &[u8]) -> io::Result<()> {
    // Opened each time, so that the file may be moved away or emptied while we run.
    let mut file: File = OpenOptions::new().append(true).create(true).open(path)?;
    let written = file.write(line)?;
    if written == line.len() {
        return Ok(());
    }
    // The disk is full: end the broken line, if that still fits, so that the next one can be read.
    let _ = file.write(b"\n");
    Err(io::ErrorKind::StorageFull.into())
}
