//! One SMTP session, from the greeting to the end of the connection.

use std::io;
use std::sync::Arc;

use base64::Engine as _;
use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::{Act, Mail, Shared, Step};
use crate::wall;

/// Longest command or mail line, in bytes. RFC 5321 asks for 1,000; a peer that folds badly is still read.
const LINE_MAX: u64 = 64 * 1024;
/// Largest mail, in bytes; a longer one ends the session.
const MAIL_MAX: usize = 32 << 20;
/// Most recipients of one mail.
const RECIPIENTS_MAX: usize = 1_000;

/// Whether the session goes on.
enum Next {
    Continue,
    End,
}

struct Transaction {
    from: String,
    to: Vec<String>,
    started_at_ms: i64,
}

struct Session {
    number: u64,
    shared: Arc<Shared>,
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    is_authenticated: bool,
    transaction: Option<Transaction>,
}

/// Serves one connection until it ends. Errors of the connection end it too: a sink has nobody to tell.
pub(super) async fn run(stream: TcpStream, number: u64, shared: Arc<Shared>) {
    let (reader, writer) = stream.into_split();
    let is_authenticated = shared.options.auth.is_none();
    let reader = BufReader::new(reader);
    let mut session = Session { number, shared, reader, writer, is_authenticated, transaction: None };
    // Whatever ends the session is what the peer sees; there is nothing to add.
    let _ended = session.serve().await;
}

async fn read_line(reader: &mut (impl AsyncBufReadExt + Unpin + AsyncRead)) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    reader.take(LINE_MAX).read_until(b'\n', &mut line).await?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.last() != Some(&b'\n') {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "line too long or cut"));
    }
    Ok(Some(line))
}

/// The path between `<` and `>` of a MAIL or RCPT argument.
fn path_of(argument: &str) -> Option<String> {
    let (_, rest) = argument.split_once('<')?;
    let (path, _) = rest.split_once('>')?;
    Some(path.to_owned())
}

impl Session {
    async fn serve(&mut self) -> io::Result<()> {
        if let Next::End = self.step(Step::Connect, "220 sink.example ESMTP").await? {
            return Ok(());
        }
        while let Some(line) = read_line(&mut self.reader).await? {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if let Next::End = self.command(&line).await? {
                break;
            }
        }
        Ok(())
    }

    async fn command(&mut self, line: &str) -> io::Result<Next> {
        let (verb, argument) = line.split_once(' ').unwrap_or((line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => {
                let offer = self.offer();
                self.transaction = None;
                self.step(Step::Ehlo, &offer).await
            }
            "HELO" => self.step(Step::Ehlo, "250 sink.example").await,
            "AUTH" => self.auth(argument).await,
            "MAIL" | "RCPT" | "DATA" if !self.is_authenticated => self.reply("530 5.7.0 authentication required").await,
            "MAIL" => self.mail(argument).await,
            "RCPT" => self.rcpt(argument).await,
            "DATA" => self.data().await,
            "RSET" => {
                self.transaction = None;
                self.reply("250 2.0.0 ok").await
            }
            "NOOP" => self.reply("250 2.0.0 ok").await,
            "QUIT" => {
                self.reply("221 2.0.0 bye").await?;
                Ok(Next::End)
            }
            _ => self.reply("500 5.5.2 command not recognized").await,
        }
    }

    fn offer(&self) -> String {
        let mut lines = vec!["sink.example", "ENHANCEDSTATUSCODES", "8BITMIME"];
        if self.shared.options.pipelining {
            lines.push("PIPELINING");
        }
        if self.shared.options.auth.is_some() {
            lines.push("AUTH PLAIN");
        }
        let mut offer: String = lines.iter().map(|line| format!("250-{line}\r\n")).collect();
        offer.push_str("250 SMTPUTF8");
        offer
    }

    async fn auth(&mut self, argument: &str) -> io::Result<Next> {
        let Some((user, password)) = self.shared.options.auth.clone() else {
            return self.reply("502 5.5.1 not offered").await;
        };
        let mut words = argument.split_whitespace();
        if !words.next().is_some_and(|mechanism| mechanism.eq_ignore_ascii_case("PLAIN")) {
            return self.reply("504 5.5.4 only PLAIN is offered").await;
        }
        let response = match words.next() {
            Some(initial) => initial.to_owned(),
            None => {
                self.reply("334 ").await?;
                let Some(line) = read_line(&mut self.reader).await? else { return Ok(Next::End) };
                String::from_utf8_lossy(&line).trim().to_owned()
            }
        };
        let given = base64::engine::general_purpose::STANDARD.decode(response).unwrap_or_default();
        if given == format!("\0{user}\0{password}").as_bytes() {
            self.is_authenticated = true;
            self.step(Step::Auth, "235 2.7.0 accepted").await
        } else {
            self.reply("535 5.7.8 wrong user or password").await
        }
    }

    async fn mail(&mut self, argument: &str) -> io::Result<Next> {
        let started_at_ms = wall::now_ms();
        let Some(from) = path_of(argument) else { return self.reply("501 5.5.4 bad path").await };
        if self.transaction.is_some() {
            return self.reply("503 5.5.1 nested MAIL").await;
        }
        let (next, is_taken) = self.answer(Step::Mail, &[], "250 2.1.0 ok").await?;
        if is_taken {
            self.transaction = Some(Transaction { from, to: Vec::new(), started_at_ms });
        }
        Ok(next)
    }

    async fn rcpt(&mut self, argument: &str) -> io::Result<Next> {
        let Some(to) = path_of(argument) else { return self.reply("501 5.5.4 bad path").await };
        match &self.transaction {
            None => return self.reply("503 5.5.1 MAIL first").await,
            Some(open) if open.to.len() >= RECIPIENTS_MAX => return self.reply("452 4.5.3 too many").await,
            Some(_) => {}
        }
        let (next, is_taken) = self.answer(Step::Rcpt, std::slice::from_ref(&to), "250 2.1.5 ok").await?;
        if let (true, Some(open)) = (is_taken, &mut self.transaction) {
            open.to.push(to);
        }
        Ok(next)
    }

    async fn data(&mut self) -> io::Result<Next> {
        let recipients = match &self.transaction {
            Some(open) if !open.to.is_empty() => open.to.clone(),
            _ => return self.reply("503 5.5.1 RCPT first").await,
        };
        let (next, goes_on) = self.answer(Step::Data, &recipients, "354 go on").await?;
        if !goes_on {
            return Ok(next);
        }
        let Some(raw) = self.read_mail(&recipients).await? else { return Ok(Next::End) };
        let ended_at_ms = wall::now_ms();
        let Some(open) = self.transaction.take() else { return Ok(Next::End) };
        let mut mail = Mail {
            connection: self.number,
            from: open.from,
            to: open.to,
            raw,
            started_at_ms: open.started_at_ms,
            ended_at_ms,
            taken: true,
        };
        let decision = self.shared.decide(Step::Message, &mail.to);
        tokio::time::sleep(decision.delay).await;
        let answer = match decision.act {
            None => Some("250 2.0.0 taken".to_owned()),
            Some(Act::TakeAndClose) => None,
            Some(Act::Reply(text)) => {
                mail.taken = text.starts_with('2');
                Some(text)
            }
            Some(Act::Close) => return Ok(Next::End),
            Some(Act::Hang) => return std::future::pending().await,
        };
        self.shared.mails.push(mail);
        match answer {
            Some(text) => self.reply(&text).await,
            None => Ok(Next::End),
        }
    }

    /// The mail up to its final dot, unstuffed and cut to what is kept; nothing if the script or the peer
    /// ended it before.
    async fn read_mail(&mut self, recipients: &[String]) -> io::Result<Option<Bytes>> {
        let keep = self.shared.options.keep_bytes;
        let mut raw = Vec::new();
        let mut size = 0;
        let mut is_first = true;
        loop {
            let Some(line) = read_line(&mut self.reader).await? else { return Ok(None) };
            if std::mem::take(&mut is_first) {
                let decision = self.shared.decide(Step::Body, recipients);
                tokio::time::sleep(decision.delay).await;
                match decision.act {
                    None | Some(Act::Reply(_)) => {}
                    Some(Act::Close | Act::TakeAndClose) => return Ok(None),
                    Some(Act::Hang) => std::future::pending().await,
                }
            }
            if line == b".\r\n" || line == b".\n" {
                return Ok(Some(raw.into()));
            }
            let line = line.strip_prefix(b".").unwrap_or(&line);
            size += line.len();
            if size > MAIL_MAX {
                return Ok(None);
            }
            let room = keep.saturating_sub(raw.len()).min(line.len());
            raw.extend_from_slice(&line[..room]);
        }
    }

    async fn step(&mut self, step: Step, usual: &str) -> io::Result<Next> {
        self.answer(step, &[], usual).await.map(|(next, _)| next)
    }

    /// Answers as the script says, or as usual; also tells whether the command was accepted.
    async fn answer(&mut self, step: Step, recipients: &[String], usual: &str) -> io::Result<(Next, bool)> {
        let decision = self.shared.decide(step, recipients);
        tokio::time::sleep(decision.delay).await;
        match decision.act {
            None => self.reply(usual).await.map(|next| (next, true)),
            Some(Act::Reply(text)) => {
                let is_taken = text.starts_with(['2', '3']);
                self.reply(&text).await.map(|next| (next, is_taken))
            }
            Some(Act::Close | Act::TakeAndClose) => Ok((Next::End, false)),
            Some(Act::Hang) => std::future::pending().await,
        }
    }

    async fn reply(&mut self, text: &str) -> io::Result<Next> {
        self.writer.write_all(format!("{text}\r\n").as_bytes()).await?;
        Ok(if text.starts_with("421") { Next::End } else { Next::Continue })
    }
}
