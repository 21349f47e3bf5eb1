//! The SMTP transport against scripted servers that are slow, rude or gone.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod peers;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use peers::{PATIENCE, Yes, clock, email, is_provider, taken, transient, unknown};
use sendwheel_actors::domain::clock::{ManualClock, UnixMs};
use sendwheel_actors::sender::smtp::{SmtpSettings, SmtpTls, SmtpTransport};
use sendwheel_actors::sender::transport::{Attempted, Connection, Transport};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What a scripted server does with a line; the last one of a `\0`-separated answer may say `close`.
type Script = fn(connection: usize, line: &str) -> &'static str;

struct Server {
    port: u16,
    connections: Arc<AtomicUsize>,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers every line as the script says; an empty answer is silence, `close` closes.
    async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Self { port, connections: Arc::default(), lines: Arc::default() };
        let (connections, lines) = (Arc::clone(&server.connections), Arc::clone(&server.lines));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = connections.fetch_add(1, Ordering::SeqCst) + 1;
                tokio::spawn(serve(stream, number, script, Arc::clone(&lines)));
            }
        });
        server
    }

    fn settings(&self) -> SmtpSettings {
        let mut settings = SmtpSettings::new("127.0.0.1", self.port, SmtpTls::None);
        settings.command_timeout = Duration::from_millis(300);
        settings.attempt_timeout = Duration::from_millis(1_500);
        settings
    }

    fn connection(&self) -> Box<dyn Connection> {
        SmtpTransport::new(self.settings(), clock()).unwrap().connect()
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn serve(stream: TcpStream, number: usize, script: Script, lines: Arc<Mutex<Vec<String>>>) {
    let mut stream = BufReader::new(stream);
    let mut line = "CONNECT".to_owned();
    loop {
        lines.lock().unwrap().push(line.clone());
        match script(number, &line) {
            "close" => return,
            "" => {}
            answer => {
                let close = answer.ends_with(" close");
                let answer = format!("{}\r\n", answer.trim_end_matches(" close"));
                if stream.write_all(answer.as_bytes()).await.is_err() || close {
                    return;
                }
            }
        }
        line.clear();
        if !matches!(stream.read_line(&mut line).await, Ok(length) if length > 0) {
            return;
        }
        line.truncate(line.trim_end().len());
    }
}

/// A server without extensions that takes everything.
fn polite(_: usize, line: &str) -> &'static str {
    match line.split([' ', ':']).next().unwrap() {
        "CONNECT" => "220 scripted",
        "EHLO" | "MAIL" | "RCPT" | "RSET" | "NOOP" => "250 ok",
        "DATA" => "354 go on",
        "." => "250 2.0.0 Ok: queued as SCRIPT1",
        "QUIT" => "221 bye close",
        _ => "",
    }
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_a_refused_connection() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let transport = SmtpTransport::new(SmtpSettings::new("127.0.0.1", port, SmtpTls::None), clock()).unwrap();
    let failure = transient(transport.connect().hand_over(&email(1, "jane"), &Yes::always()).await);
    assert_eq!((failure.code.as_str(), is_provider(&failure)), ("connect_refused", true));
}

#[tokio::test]
async fn a_server_that_never_greets_times_out() {
    let server = Server::start(|_, _| "").await;
    let failure = transient(server.connection().hand_over(&email(1, "jane"), &Yes::always()).await);
    assert_eq!((failure.code.as_str(), is_provider(&failure)), ("timeout", true));
}

#[tokio::test]
async fn a_server_that_does_not_answer_a_command_leaves_nothing_open() {
    for silent in ["MAIL", "RCPT", "DATA"] {
        let script: Script = match silent {
            "MAIL" => |_, line| if line.starts_with("MAIL") { "" } else { polite(1, line) },
            "RCPT" => |_, line| if line.starts_with("RCPT") { "" } else { polite(1, line) },
            _ => |_, line| if line == "DATA" { "" } else { polite(1, line) },
        };
        let server = Server::start(script).await;
        let failure = transient(server.connection().hand_over(&email(1, "jane"), &Yes::always()).await);
        assert_eq!((failure.code.as_str(), is_provider(&failure)), ("timeout", true), "{silent}");
    }
}

#[tokio::test]
async fn no_answer_to_the_final_dot_leaves_the_outcome_unknown() {
    let server = Server::start(|_, line| if line == "." { "" } else { polite(1, line) }).await;
    let failure = unknown(server.connection().hand_over(&email(1, "jane"), &Yes::always()).await);
    assert_eq!((failure.code.as_str(), is_provider(&failure)), ("timeout", true));
}

#[tokio::test]
async fn a_connection_cut_before_the_final_dot_is_a_transient_failure() {
    let server = Server::start(|_, line| if line == "DATA" { "close" } else { polite(1, line) }).await;
    let failure = transient(server.connection().hand_over(&email(1, "jane"), &Yes::always()).await);
    assert_eq!((failure.code.as_str(), is_provider(&failure)), ("smtp_connection_lost", true));
}

#[tokio::test]
async fn a_connection_that_went_stale_is_replaced_once_without_a_failure() {
    for script in [
        // Closes after the first mail; or says 421 to the second; or lets it run into silence.
        (|number, line| match line {
            "." if number == 1 => "250 ok close",
            _ => polite(number, line),
        }) as Script,
        |number, line| match line {
            line if line.starts_with("MAIL") && number == 1 && line.contains("second") => "421 4.4.2 idle close",
            _ => polite(number, line),
        },
        |number, line| match line {
            line if line.starts_with("MAIL") && number == 1 && line.contains("second") => "",
            _ => polite(number, line),
        },
    ] {
        let server = Server::start(script).await;
        let mut connection = server.connection();
        taken(connection.hand_over(&email(1, "jane"), &Yes::always()).await);
        let mut second = email(2, "jane");
        second.from = sendwheel_actors::domain::directory::SenderAddress::Email(
            sendwheel_actors::domain::address::Mailbox::parse("second@example.com").unwrap(),
        );
        assert_eq!(taken(connection.hand_over(&second, &Yes::always()).await).as_deref(), Some("SCRIPT1"));
        assert_eq!(server.connections(), 2);
    }
}

#[tokio::test]
async fn a_fresh_connection_that_fails_is_not_tried_again() {
    let server =
        Server::start(|_, line| if line.starts_with("MAIL") { "421 4.3.2 no close" } else { polite(1, line) }).await;
    let failure = transient(server.connection().hand_over(&email(1, "jane"), &Yes::always()).await);
    assert_eq!((failure.code.as_str(), is_provider(&failure)), ("smtp_4.3.2", true));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn an_idle_connection_is_asked_before_its_next_mail() {
    let server = Server::start(polite).await;
    let clock = ManualClock::at(UnixMs(0));
    let transport = SmtpTransport::new(server.settings(), clock.clone()).unwrap();
    let mut connection = transport.connect();
    taken(connection.hand_over(&email(1, "jane"), &Yes::always()).await);
    clock.advance(Duration::from_secs(9));
    taken(connection.hand_over(&email(2, "jane"), &Yes::always()).await);
    assert!(!server.lines().contains(&"NOOP".to_owned()), "a busy connection is not asked");
    clock.advance(Duration::from_secs(10));
    taken(connection.hand_over(&email(3, "jane"), &Yes::always()).await);
    assert_eq!(server.lines().iter().filter(|line| *line == "NOOP").count(), 1);
    assert_eq!(server.connections(), 1);
}

/// Offers PIPELINING, refuses the recipient, and asks for the content all the same.
fn confused(number: usize, line: &str) -> &'static str {
    match line {
        line if line.starts_with("EHLO") => "250-scripted\r\n250 PIPELINING",
        line if line.starts_with("RCPT") && number == 1 => "550 5.1.1 no",
        _ => polite(number, line),
    }
}

#[tokio::test]
async fn content_is_never_sent_for_a_refused_recipient() {
    let server = Server::start(confused).await;
    let mut connection = server.connection();
    assert_eq!(peers::permanent(connection.hand_over(&email(1, "jane"), &Yes::always()).await).code, "smtp_5.1.1");
    assert_eq!(server.lines().last().unwrap(), "DATA");
    taken(connection.hand_over(&email(2, "jane"), &Yes::always()).await);
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn the_last_no_of_the_guard_keeps_the_final_dot_back() {
    let server = Server::start(polite).await;
    let mut connection = server.connection();
    // Yes before connecting, before MAIL and before the content.
    assert_eq!(connection.hand_over(&email(1, "jane"), &Yes::times(3)).await, Attempted::NotStarted);
    tokio::time::timeout(PATIENCE, async {
        while !server.lines().contains(&"A plain text.".to_owned()) {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the content arrives");
    assert!(!server.lines().contains(&".".to_owned()));
    taken(connection.hand_over(&email(1, "jane"), &Yes::always()).await);
    assert_eq!(server.connections(), 2, "the broken-off connection is not used again");
}

#[tokio::test]
async fn an_address_outside_ascii_needs_a_server_that_takes_it() {
    let server = Server::start(polite).await;
    let mut connection = server.connection();
    let failure = peers::permanent(connection.hand_over(&email(1, "jäne"), &Yes::always()).await);
    assert_eq!((failure.code.as_str(), is_provider(&failure)), ("smtp_5.6.7", false));
    taken(connection.hand_over(&email(2, "jane"), &Yes::always()).await);
}
