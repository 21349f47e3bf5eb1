//! LMTP (RFC 2033) on a local socket: Postfix or Exim deliver straight in.
//!
//! `LHLO`, `MAIL`, `RCPT`, `DATA`, `RSET`, `NOOP`, `VRFY`, `QUIT`; after the final dot one answer for each recipient.
//! A recipient that nobody here has is refused at `RCPT`; what cannot be taken now is answered 4xx, so that the mail
//! server keeps it and comes again: nothing is lost while a node or its store is down. Lines, mails, recipients,
//! connections and pauses are bounded.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use sendwheel_actors::domain::address::EmailAddress;
use sendwheel_actors::engine::Engine;
use sendwheel_actors::engine::operations::Readiness;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;

use super::mail::{NotTaken, is_recipient, take_in};

/// Connections at once; a mail server's default is 20 to one destination.
const MAX_CONNECTIONS: usize = 20;
/// Recipients of one mail (RFC 5321 section 4.5.3.1.8 asks for 100).
const MAX_RECIPIENTS: usize = 100;
/// Bytes of a command line (RFC 5321 section 4.5.3.1.4 asks for 512; addresses with UTF-8 need more).
const MAX_LINE: usize = 4_096;
/// The longest pause between two lines (RFC 5321 section 4.5.3.2).
const PAUSE: Duration = Duration::from_secs(300);

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LmtpAddress {
    /// A Unix socket; made with mode 0660, and taken over from a process that ended.
    Unix(PathBuf),
    /// A port of the loopback interface.
    Tcp(std::net::SocketAddr),
}

/// A socket that is listened on.
#[derive(Debug)]
pub struct Lmtp(Listener);

#[derive(Debug)]
enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl Lmtp {
    /// Binds the socket.
    ///
    /// # Errors
    /// If it is taken or not ours to take.
    pub async fn bind(address: &LmtpAddress) -> io::Result<Self> {
        Ok(Self(match address {
            LmtpAddress::Tcp(address) => Listener::Tcp(TcpListener::bind(address).await?),
            LmtpAddress::Unix(path) => Listener::Unix(bind_unix(path).await?),
        }))
    }

    /// Serves it until the engine stops.
    pub async fn serve(self, engine: Engine, max_bytes: usize) {
        let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
            let accepted = match &self.0 {
                Listener::Unix(listener) => listener.accept().await.map(|(stream, _)| Stream::Unix(stream)),
                Listener::Tcp(listener) => listener.accept().await.map(|(stream, _)| Stream::Tcp(stream)),
            };
            if engine.readiness() == Readiness::Stopping {
                return;
            }
            let engine = engine.clone();
            match accepted {
                Ok(stream) => {
                    tokio::spawn(async move {
                        let ended = match stream {
                            Stream::Unix(stream) => Session::new(engine, max_bytes).run(stream).await,
                            Stream::Tcp(stream) => Session::new(engine, max_bytes).run(stream).await,
                        };
                        if let Err(error) = ended {
                            tracing::debug!(%error, "an LMTP connection broke");
                        }
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "an LMTP connection could not be accepted");
                    // Out of file descriptors, most likely: others must end first.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

enum Stream {
    Unix(tokio::net::UnixStream),
    Tcp(tokio::net::TcpStream),
}

/// A socket file that nobody listens on any more is removed first.
async fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            if tokio::net::UnixStream::connect(path).await.is_ok() {
                return Err(error);
            }
            std::fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        bound => bound,
    }
    .and_then(|listener| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
        Ok(listener)
    })
}

/// A command.
#[derive(Debug, PartialEq, Eq)]
enum Command {
    Lhlo,
    Mail,
    Rcpt(Option<EmailAddress>),
    Data,
    Rset,
    Noop,
    Quit,
    /// Another protocol's greeting.
    WrongProtocol,
    Unknown,
}

impl Command {
    fn parse(line: &str) -> Self {
        let upper: String = line.chars().take(10).collect::<String>().to_ascii_uppercase();
        let word = upper.split([' ', ':']).next().unwrap_or_default().trim_end();
        match word {
            "LHLO" => Self::Lhlo,
            "HELO" | "EHLO" => Self::WrongProtocol,
            "MAIL" if upper.starts_with("MAIL FROM:") => Self::Mail,
            "RCPT" if upper.starts_with("RCPT TO:") => Self::Rcpt(path_of(&line[8..])),
            "DATA" => Self::Data,
            "RSET" => Self::Rset,
            "NOOP" | "VRFY" => Self::Noop,
            "QUIT" => Self::Quit,
            _ => Self::Unknown,
        }
    }
}

/// The address between angle brackets, without a source route.
fn path_of(text: &str) -> Option<EmailAddress> {
    let inner = text.trim_start().strip_prefix('<')?;
    let end = inner.find('>')?;
    let address = inner[..end].rsplit_once(':').map_or(&inner[..end], |(_, address)| address);
    EmailAddress::parse(address).ok()
}

struct Session {
    engine: Engine,
    max_bytes: usize,
    has_greeted: bool,
    has_sender: bool,
    recipients: Vec<EmailAddress>,
}

impl Session {
    const fn new(engine: Engine, max_bytes: usize) -> Self {
        Self { engine, max_bytes, has_greeted: false, has_sender: false, recipients: Vec::new() }
    }

    fn reset(&mut self) {
        self.has_sender = false;
        self.recipients.clear();
    }

    async fn run(mut self, stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
        let mut stream = BufReader::new(stream);
        stream.write_all(b"220 sendwheel LMTP\r\n").await?;
        stream.flush().await?;
        loop {
            let Some(line) = read_line(&mut stream).await? else { return Ok(()) };
            let answer = match line {
                Line::TooLong => "500 5.5.2 the line is too long\r\n".to_owned(),
                Line::Text(line) => match Command::parse(&line) {
                    Command::Quit => {
                        stream.write_all(b"221 2.0.0 bye\r\n").await?;
                        return stream.flush().await;
                    }
                    Command::Data if self.has_sender && !self.recipients.is_empty() => {
                        stream.write_all(b"354 go ahead, a dot on a line by itself ends it\r\n").await?;
                        stream.flush().await?;
                        let Some(mail) = read_mail(&mut stream, self.max_bytes).await? else { return Ok(()) };
                        self.deliver(mail).await
                    }
                    command => self.answer(command),
                },
            };
            stream.write_all(answer.as_bytes()).await?;
            stream.flush().await?;
        }
    }

    fn answer(&mut self, command: Command) -> String {
        let text = match command {
            Command::Lhlo => {
                self.reset();
                self.has_greeted = true;
                return format!(
                    "250-sendwheel\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n\
                     250 SIZE {}\r\n",
                    self.max_bytes
                );
            }
            Command::WrongProtocol => "500 5.5.1 this is LMTP: greet with LHLO",
            Command::Mail if !self.has_greeted => "503 5.5.1 greet with LHLO first",
            Command::Mail if self.has_sender => "503 5.5.1 one mail at a time",
            Command::Mail => {
                self.has_sender = true;
                "250 2.1.0 ok"
            }
            Command::Rcpt(_) if !self.has_sender => "503 5.5.1 say MAIL FROM first",
            Command::Rcpt(_) if self.recipients.len() >= MAX_RECIPIENTS => "452 4.5.3 too many recipients",
            Command::Rcpt(None) => "501 5.1.3 no such address",
            Command::Rcpt(Some(address)) if is_recipient(&self.engine, &address) => {
                self.recipients.push(address);
                "250 2.1.5 ok"
            }
            Command::Rcpt(Some(_)) => "550 5.1.1 no such recipient here",
            Command::Data => "503 5.5.1 say MAIL FROM and RCPT TO first",
            Command::Rset => {
                self.reset();
                "250 2.0.0 ok"
            }
            Command::Noop => "252 2.0.0 ok",
            Command::Quit | Command::Unknown => "500 5.5.2 no such command here",
        };
        format!("{text}\r\n")
    }

    /// One answer for each recipient, in their order.
    async fn deliver(&mut self, mail: Mail) -> String {
        let mut answers = String::new();
        for recipient in std::mem::take(&mut self.recipients) {
            let answer = match &mail {
                Mail::TooLarge => "552 5.3.4 the mail is too large".to_owned(),
                Mail::Whole(raw) => {
                    match take_in(&self.engine, None, std::slice::from_ref(&recipient), raw.clone()).await {
                        Ok(_) => "250 2.0.0 taken".to_owned(),
                        Err(NotTaken::Engine(error)) => {
                            tracing::warn!(%error, "a mail could not be taken in now");
                            "451 4.3.0 not now, try again later".to_owned()
                        }
                        Err(error @ NotTaken::NoRecipient) => format!("550 5.1.1 {error}"),
                        Err(error) => format!("554 5.6.0 {error}"),
                    }
                }
            };
            answers.push_str(&answer);
            answers.push_str("\r\n");
        }
        self.reset();
        answers
    }
}

enum Line {
    Text(String),
    TooLong,
}

/// Takes what the stream has next, up to and with a line end, as long as it fits; the rest of a longer line is
/// dropped. `None`: the stream ended.
async fn next_line(
    stream: &mut (impl AsyncBufReadExt + Unpin),
    into: &mut BytesMut,
    max: usize,
) -> io::Result<Option<bool>> {
    let (mut fits, mut is_empty) = (true, true);
    loop {
        let available = tokio::time::timeout(PAUSE, stream.fill_buf()).await.map_err(|_| io::ErrorKind::TimedOut)??;
        if available.is_empty() {
            return Ok((!is_empty).then_some(fits));
        }
        is_empty = false;
        let end = available.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
        let taken = end.unwrap_or(available.len());
        if into.len() + taken <= max {
            into.extend_from_slice(&available[..taken]);
        } else {
            fits = false;
        }
        stream.consume(taken);
        if end.is_some() {
            return Ok(Some(fits));
        }
    }
}

async fn read_line(stream: &mut (impl AsyncBufReadExt + Unpin)) -> io::Result<Option<Line>> {
    let mut line = BytesMut::new();
    Ok(next_line(stream, &mut line, MAX_LINE).await?.map(|fits| {
        if fits { Line::Text(String::from_utf8_lossy(&line).trim_end().to_owned()) } else { Line::TooLong }
    }))
}

enum Mail {
    Whole(Bytes),
    TooLarge,
}

/// Everything up to the final dot, without the dots that were put in front of others. `None`: the stream ended
/// before, and nothing was said.
async fn read_mail(stream: &mut (impl AsyncBufReadExt + Unpin), max: usize) -> io::Result<Option<Mail>> {
    let mut mail = BytesMut::new();
    let mut fits = true;
    loop {
        let mut line = BytesMut::new();
        // A line may be as long as the mail: what stands in it is nobody's business here.
        let Some(line_fits) = next_line(stream, &mut line, max).await? else { return Ok(None) };
        if line_fits && matches!(&line[..], b".\r\n" | b".\n") {
            return Ok(Some(if fits { Mail::Whole(mail.freeze()) } else { Mail::TooLarge }));
        }
        let line = line.strip_prefix(b".").unwrap_or(&line);
        fits &= line_fits && mail.len() + line.len() <= max;
        if fits {
            mail.extend_from_slice(line);
        } else {
            mail.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_in_any_case_and_their_parameters_passed_over() {
        let address = EmailAddress::parse("ada@example.com").unwrap();
        for (line, command) in [
            ("lhlo mx.example.com", Command::Lhlo),
            ("EHLO mx.example.com", Command::WrongProtocol),
            ("MAIL FROM:<> SIZE=100", Command::Mail),
            ("RCPT TO:<ada@example.com> NOTIFY=NEVER", Command::Rcpt(Some(address.clone()))),
            ("rcpt to: <@relay.example:ada@example.com>", Command::Rcpt(Some(address))),
            ("RCPT TO:ada", Command::Rcpt(None)),
            ("RCPT", Command::Unknown),
            ("DATA", Command::Data),
            ("RSET", Command::Rset),
            ("quit", Command::Quit),
            ("", Command::Unknown),
            ("\u{1f600}\u{1f600}\u{1f600}", Command::Unknown),
        ] {
            assert_eq!(Command::parse(line), command, "{line}");
        }
    }

    #[tokio::test]
    async fn a_mail_ends_at_its_dot_and_doubled_dots_are_halved() {
        let mut stream = BufReader::new(&b"Subject: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n"[..]);
        match read_mail(&mut stream, 1_000).await.unwrap() {
            Some(Mail::Whole(mail)) => assert_eq!(&mail[..], b"Subject: x\r\n\r\n.dot\r\n"),
            _ => panic!("it is whole"),
        }
        assert!(matches!(read_line(&mut stream).await.unwrap(), Some(Line::Text(line)) if line == "QUIT"));
    }

    #[tokio::test]
    async fn a_mail_that_is_too_large_is_read_to_its_end_and_not_kept() {
        let text = format!("{}\r\n{}\r\n.\r\n", "x".repeat(600), "y".repeat(600));
        let mut stream = BufReader::new(text.as_bytes());
        assert!(matches!(read_mail(&mut stream, 1_000).await.unwrap(), Some(Mail::TooLarge)));
        assert!(read_line(&mut stream).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_mail_that_breaks_off_is_none() {
        let mut stream = BufReader::new(&b"Subject: x\r\n"[..]);
        assert!(read_mail(&mut stream, 1_000).await.unwrap().is_none());
    }
}
