//! Hands mails over on a kept-alive connection.
//!
//! A connection that the server closed while it was idle is noticed at the first answer to the next mail,
//! before anything of that mail was accepted; it is replaced once, and that is no failure. Every other
//! trouble is judged and reported, never retried here. The future of a hand-over may be dropped at any
//! point: the connection is then dropped too, because nobody knows what the server is about to answer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Noop, Rcpt, Rset};
use lettre::transport::smtp::extension::MailParameter;
use lettre::transport::smtp::response::Response;
use tokio::time::timeout;

use super::dial::{DialError, Dialed, Dialer, within};
use super::settings::SmtpSettings;
use super::verdict::{Stage, Trouble, judge, queue_id};
use super::wire::{Gate, GuardedParts, Progress};
use crate::domain::clock::{BootUs, SharedClock};
use crate::domain::verdict::{Failure, Verdict};
use crate::sender::dkim::Signer;
use crate::sender::mime::{self, Mail};
use crate::sender::transport::{Attempted, Connection, Envelope, Guard, Transport, TransportError};

/// Attachments from this size on are encoded off the shard thread, in bytes.
const LARGE_ATTACHMENTS: usize = 64 * 1024;
/// Longest wait for the answers to NOOP, RSET and QUIT.
const COURTESY_TIMEOUT: Duration = Duration::from_secs(5);

/// Email over SMTP.
#[derive(Debug, Clone)]
pub struct SmtpTransport {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    dialer: Dialer,
    signer: Arc<Signer>,
    clock: SharedClock,
}

impl SmtpTransport {
    /// Reads certificates and keys; connects to nothing yet.
    ///
    /// # Errors
    /// Names the setting or file that cannot be used.
    pub fn new(settings: SmtpSettings, clock: SharedClock) -> Result<Self, TransportError> {
        let settings = settings.checked()?;
        let signer = Arc::new(Signer::new(&settings.dkim)?);
        Ok(Self { shared: Arc::new(Shared { dialer: Dialer::new(settings)?, signer, clock }) })
    }
}

impl Transport for SmtpTransport {
    fn connect(&self) -> Box<dyn Connection> {
        Box::new(SmtpConnection { shared: Arc::clone(&self.shared), live: None })
    }
    fn name(&self) -> &'static str {
        "smtp"
    }
    fn connections(&self) -> usize {
        self.shared.dialer.settings().connections
    }
    fn attempt_timeout(&self) -> Duration {
        self.shared.dialer.settings().attempt_timeout
    }
}

/// One worker's connection.
struct SmtpConnection {
    shared: Arc<Shared>,
    live: Option<Live>,
}

struct Live {
    dialed: Dialed,
    /// Mails spoken of on it.
    mails: u32,
    last_used: BootUs,
}

/// What came of one mail on one connection.
enum Spoken {
    /// The server took it.
    Taken(Response),
    /// The guard said no.
    Stopped,
    /// It did not work out; whether the connection can take another mail.
    Failed { error: DialError, reusable: bool },
}

#[async_trait]
impl Connection for SmtpConnection {
    async fn hand_over(&mut self, envelope: &Envelope, guard: &dyn Guard) -> Attempted {
        let limit = self.shared.dialer.settings().attempt_timeout;
        let mut gate = None;
        match timeout(limit, self.attempt(envelope, guard, &mut gate)).await {
            Ok(attempted) => attempted,
            Err(_) => {
                self.live = None;
                let dotted = gate.is_some_and(|gate: Gate| gate.progress() == Progress::Dotted);
                Attempted::Judged(judge(Stage::Content, &Trouble::TimedOut, dotted, &[]))
            }
        }
    }

    async fn close(&mut self) {
        if let Some(mut live) = self.live.take() {
            // Without an answer the socket closes all the same.
            let _ = timeout(COURTESY_TIMEOUT, live.dialed.smtp.quit()).await;
        }
    }
}

impl SmtpConnection {
    async fn attempt(&mut self, envelope: &Envelope, guard: &dyn Guard, gate: &mut Option<Gate>) -> Attempted {
        let mail = match self.prepare(envelope).await {
            Ok(mail) => mail,
            Err(verdict) => return Attempted::Judged(verdict),
        };
        let known = [mail.to.as_ref(), envelope.to.as_str(), mail.from.as_ref()];
        loop {
            if !guard.may_hand_over() {
                return Attempted::NotStarted;
            }
            let mut live = match self.ready().await {
                Ok(live) => live,
                Err(error) => return Attempted::Judged(judge(error.stage, &error.trouble, false, &known)),
            };
            // Dialling may have taken seconds.
            if !guard.may_hand_over() {
                self.live = Some(live);
                return Attempted::NotStarted;
            }
            live.dialed.gate.set(Progress::BeforeDot);
            *gate = Some(live.dialed.gate.clone());
            let was_used = live.mails > 0;
            live.mails += 1;
            let spoken = live.speak(&mail, guard, self.shared.dialer.settings().command_timeout).await;
            let dotted = live.dialed.gate.progress() == Progress::Dotted;
            match spoken {
                Spoken::Taken(response) => {
                    let provider_id = response.first_line().and_then(queue_id);
                    self.keep(live);
                    return Attempted::Judged(Verdict::Submitted { provider_id });
                }
                Spoken::Stopped => return Attempted::NotStarted,
                Spoken::Failed { error, .. }
                    if was_used && error.stage == Stage::Sender && error.trouble.is_closing() => {}
                Spoken::Failed { error, reusable } => {
                    if reusable {
                        self.keep(live);
                    }
                    return Attempted::Judged(judge(error.stage, &error.trouble, dotted, &known));
                }
            }
        }
    }

    /// Builds and signs the mail; off this thread where that costs more than a moment.
    async fn prepare(&self, envelope: &Envelope) -> Result<Mail, Verdict> {
        let attached: usize = envelope.attachments.iter().map(|(_, bytes)| bytes.len()).sum();
        let signer = Arc::clone(&self.shared.signer);
        let domain = match &envelope.from {
            crate::domain::directory::SenderAddress::Email(mailbox) => mailbox.address.domain(),
            _ => return Err(Envelope::wrong_channel("smtp")),
        };
        let built = if signer.has_key_for(domain) || attached >= LARGE_ATTACHMENTS {
            let envelope = envelope.clone();
            tokio::task::spawn_blocking(move || build(&envelope, &signer))
                .await
                .map_err(|_| Verdict::Transient(Failure::message("shutdown", "the process is stopping")))?
        } else {
            build(envelope, &signer)
        };
        built.map_err(|error| Verdict::Permanent(Failure::message("mime", error.to_string())))
    }

    /// The kept connection if it still lives, or a new one.
    async fn ready(&mut self) -> Result<Live, DialError> {
        let settings = self.shared.dialer.settings();
        if let Some(mut live) = self.live.take() {
            let idle = self.shared.clock.boot().since(live.last_used);
            let limit = settings.command_timeout.min(COURTESY_TIMEOUT);
            let lives =
                idle < settings.idle_check || within(limit, Stage::Hello, live.dialed.smtp.command(Noop)).await.is_ok();
            if lives {
                return Ok(live);
            }
        }
        let dialed = self.shared.dialer.dial().await?;
        Ok(Live { dialed, mails: 0, last_used: self.shared.clock.boot() })
    }

    fn keep(&mut self, mut live: Live) {
        if live.mails < self.shared.dialer.settings().mails_per_connection {
            live.last_used = self.shared.clock.boot();
            self.live = Some(live);
        }
    }
}

fn build(envelope: &Envelope, signer: &Signer) -> Result<Mail, mime::MimeError> {
    let mut mail = mime::build(envelope)?;
    mail.bytes = signer.sign(mail.from.domain(), envelope.date, mail.bytes);
    Ok(mail)
}

/// MAIL, RCPT and DATA as one write (RFC 2920 §3.1: DATA may only be the last of a group).
struct Opening<'a>(&'a MailFrom, &'a Rcpt);

impl fmt::Display for Opening<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{Data}", self.0, self.1)
    }
}

impl Live {
    async fn speak(&mut self, mail: &Mail, guard: &dyn Guard, limit: Duration) -> Spoken {
        match self.open(mail, limit).await {
            Ok(()) => {}
            Err(error) => {
                let reusable = !error.trouble.is_closing() && self.reset(limit).await;
                return Spoken::Failed { error, reusable };
            }
        }
        // The claim may have ended while the server thought about the recipient.
        if !guard.may_hand_over() {
            return Spoken::Stopped;
        }
        let parts = GuardedParts::new(&mail.bytes, guard, self.dialed.gate.clone());
        // The whole attempt's timeout bounds this: the answer to the final dot is worth waiting for.
        match self.dialed.smtp.message_iter(parts).await {
            Ok(response) => Spoken::Taken(response),
            Err(_) if self.dialed.gate.progress() == Progress::Cut => Spoken::Stopped,
            Err(error) => {
                let trouble = Trouble::from(error);
                let reusable = matches!(trouble, Trouble::Refused { .. }) && !trouble.is_closing();
                Spoken::Failed { error: DialError { stage: Stage::Content, trouble }, reusable }
            }
        }
    }

    /// Gets the server to the point where it waits for the content.
    async fn open(&mut self, mail: &Mail, limit: Duration) -> Result<(), DialError> {
        let is_ascii = AsRef::<str>::as_ref(&mail.from).is_ascii() && AsRef::<str>::as_ref(&mail.to).is_ascii();
        if !is_ascii && !self.dialed.smtputf8 {
            let text = "5.6.7 the mail server does not take addresses outside ASCII (SMTPUTF8)".to_owned();
            return Err(DialError { stage: Stage::Recipient, trouble: Trouble::Refused { reply: 550, text } });
        }
        let parameters = if is_ascii { Vec::new() } else { vec![MailParameter::SmtpUtfEight] };
        let from = MailFrom::new(Some(mail.from.clone()), parameters);
        let to = Rcpt::new(mail.to.clone(), Vec::new());
        let smtp = &mut self.dialed.smtp;
        let data = if self.dialed.pipelining {
            let sender = within(limit, Stage::Sender, smtp.command(Opening(&from, &to))).await;
            if let Err(DialError { trouble, .. }) = &sender
                && trouble.is_closing()
            {
                return sender.map(drop);
            }
            let recipient = within(limit, Stage::Recipient, smtp.read_response()).await;
            let data = within(limit, Stage::Content, smtp.read_response()).await;
            if (sender.is_err() || recipient.is_err()) && data.is_ok() {
                // Refused and yet waiting for content (RFC 2920 §3.1): never send it any. The first trouble
                // is the one to report, on a connection that must not be used again.
                self.dialed.gate.set(Progress::Cut);
            }
            sender?;
            recipient?;
            data?
        } else {
            within(limit, Stage::Sender, smtp.command(&from)).await?;
            within(limit, Stage::Recipient, smtp.command(&to)).await?;
            within(limit, Stage::Content, smtp.command(Data)).await?
        };
        if data.has_code(354) {
            Ok(())
        } else {
            let trouble = Trouble::Lost("the server did not ask for the content".to_owned());
            Err(DialError { stage: Stage::Content, trouble })
        }
    }

    /// Ends the transaction of a refused mail, so that the next one can begin.
    async fn reset(&mut self, limit: Duration) -> bool {
        self.dialed.gate.progress() != Progress::Cut
            && within(limit.min(COURTESY_TIMEOUT), Stage::Hello, self.dialed.smtp.command(Rset)).await.is_ok()
    }
}
