//! A mail server that records every mail it takes, and answers by a script.
//!
//! It speaks RFC 5321 with ENHANCEDSTATUSCODES, 8BITMIME, SMTPUTF8 and, if wanted, PIPELINING and
//! AUTH PLAIN; no TLS. A mail is recorded at its final dot, before the answer goes out, so that a
//! connection that dies in between leaves exactly what a real server would have: a mail taken, and a
//! client that does not know.

mod session;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::listen::{Gate, Listening};
use super::plan::{Decision, Plan, Rule};
use super::record::Record;

/// Where in a session a rule applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The connection was accepted; the greeting has not gone out.
    Connect,
    /// EHLO or HELO.
    Ehlo,
    /// AUTH.
    Auth,
    /// MAIL FROM.
    Mail,
    /// RCPT TO.
    Rcpt,
    /// DATA, before 354.
    Data,
    /// Inside the mail: after its first line.
    Body,
    /// After the final dot, before the answer.
    Message,
}

/// What the sink does instead of its usual answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Answers this, such as `451 4.7.1 try again later`. At [`Step::Message`] the mail counts as taken
    /// when the code begins with 2. A 421 also closes the connection.
    Reply(String),
    /// Closes the connection; nothing is taken.
    Close,
    /// At [`Step::Message`]: takes the mail, and closes without an answer.
    TakeAndClose,
    /// Never answers again, and keeps the connection open; nothing is taken.
    Hang,
}

/// A mail that was brought to its final dot.
#[derive(Debug, Clone)]
pub struct Mail {
    /// Which connection it came on, counted from 1.
    pub connection: u64,
    /// Reverse path, without brackets.
    pub from: String,
    /// Forward paths that were accepted.
    pub to: Vec<String>,
    /// The mail with dots unstuffed, as it came.
    pub raw: Bytes,
    /// When MAIL FROM came: the start of the hand-over, milliseconds since 1970.
    pub started_at_ms: i64,
    /// When the final dot came.
    pub ended_at_ms: i64,
    /// Whether the sink took it (and answered so, if it answered at all).
    pub taken: bool,
}

/// What a sink offers and keeps.
#[derive(Debug, Clone)]
pub struct SmtpOptions {
    /// Offer PIPELINING.
    pub pipelining: bool,
    /// Offer AUTH PLAIN and require it, with this user and password.
    pub auth: Option<(String, String)>,
    /// Mails kept; later ones are only counted.
    pub keep: usize,
    /// Bytes of each mail kept, from its beginning.
    pub keep_bytes: usize,
}

impl Default for SmtpOptions {
    fn default() -> Self {
        Self { pipelining: true, auth: None, keep: 1_000_000, keep_bytes: 1 << 20 }
    }
}

struct Shared {
    options: SmtpOptions,
    plan: Mutex<Plan<Step, Act>>,
    mails: Record<Mail>,
}

impl Shared {
    fn decide(&self, step: Step, recipients: &[String]) -> Decision<Act> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner).decide(&step, recipients)
    }
}

/// A running mail sink.
pub struct SmtpSink {
    listening: Listening,
    shared: Arc<Shared>,
}

impl SmtpSink {
    /// Starts a sink on a free port.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(options: SmtpOptions) -> io::Result<Self> {
        let mails = Record::with_limit(options.keep);
        let shared = Arc::new(Shared { options, plan: Mutex::default(), mails });
        let listening = {
            let shared = Arc::clone(&shared);
            Listening::start(move |stream, number| session::run(stream, number, Arc::clone(&shared))).await?
        };
        Ok(Self { listening, shared })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listening.address()
    }

    /// The address as the setting `email.smtp.url` takes it, without credentials.
    #[must_use]
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address())
    }

    /// Every mail that came to its final dot.
    #[must_use]
    pub fn mails(&self) -> &Record<Mail> {
        &self.shared.mails
    }

    /// Adds a scripted answer.
    pub fn add(&self, rule: Rule<Step, Act>) {
        self.shared.plan.lock().unwrap_or_else(PoisonError::into_inner).add(rule);
    }

    /// Ends every scripted answer.
    pub fn behave(&self) {
        self.shared.plan.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Opens or shuts the door.
    pub fn set_gate(&self, gate: Gate) {
        self.listening.set_gate(gate);
    }

    /// Closes every open connection.
    pub fn cut_all(&self) {
        self.listening.cut_all();
    }
}

#[cfg(test)]
mod tests;
