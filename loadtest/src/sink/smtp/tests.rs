use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::*;

const PATIENCE: Duration = Duration::from_secs(5);

/// A client that sends a line and reads the whole reply.
struct Peer(BufReader<TcpStream>);

impl Peer {
    async fn connect(sink: &SmtpSink) -> (Self, String) {
        let stream = TcpStream::connect(sink.address()).await.unwrap();
        let mut peer = Self(BufReader::new(stream));
        let greeting = peer.reply().await;
        (peer, greeting)
    }

    async fn reply(&mut self) -> String {
        let mut text = String::new();
        loop {
            let mut line = String::new();
            let read = tokio::time::timeout(PATIENCE, self.0.read_line(&mut line)).await.expect("a reply in time");
            // A reset reads as an error, an orderly end as nothing: both are an end to the peer.
            if read.unwrap_or(0) == 0 {
                return "closed".to_owned();
            }
            text.push_str(&line);
            if line.as_bytes().get(3) != Some(&b'-') {
                return text;
            }
        }
    }

    async fn say(&mut self, line: &str) -> String {
        if self.0.write_all(format!("{line}\r\n").as_bytes()).await.is_err() {
            return "closed".to_owned();
        }
        self.reply().await
    }

    async fn send(&mut self, to: &str, text: &str) -> String {
        assert!(self.say("MAIL FROM:<from@example.com> BODY=8BITMIME").await.starts_with("250"));
        let rcpt = self.say(&format!("RCPT TO:<{to}>")).await;
        if !rcpt.starts_with("250") {
            return rcpt;
        }
        let data = self.say("DATA").await;
        if !data.starts_with("354") {
            return data;
        }
        self.say(&format!("{text}\r\n.")).await
    }
}

async fn sink() -> SmtpSink {
    SmtpSink::start(SmtpOptions::default()).await.unwrap()
}

#[tokio::test]
async fn a_mail_is_recorded_with_its_envelope_and_its_dots_unstuffed() {
    let sink = sink().await;
    let (mut peer, greeting) = Peer::connect(&sink).await;
    assert!(greeting.starts_with("220"));
    let offer = peer.say("EHLO test").await;
    for keyword in ["ENHANCEDSTATUSCODES", "8BITMIME", "SMTPUTF8", "PIPELINING"] {
        assert!(offer.contains(keyword), "{offer}");
    }
    assert!(peer.send("to@example.com", "Subject: x\r\n\r\n..dot").await.starts_with("250"));
    let mails = sink.mails().all();
    assert_eq!(mails.len(), 1);
    assert_eq!(
        (mails[0].from.as_str(), mails[0].to.as_slice()),
        ("from@example.com", &["to@example.com".to_owned()][..])
    );
    assert_eq!(&mails[0].raw[..], b"Subject: x\r\n\r\n.dot\r\n");
    assert!(mails[0].taken && mails[0].connection == 1);
    assert!(mails[0].started_at_ms <= mails[0].ended_at_ms);
}

#[tokio::test]
async fn commands_sent_together_are_all_answered() {
    let sink = sink().await;
    let (mut peer, _) = Peer::connect(&sink).await;
    peer.0.write_all(b"MAIL FROM:<a@b.c>\r\nRCPT TO:<d@e.f>\r\nDATA\r\n").await.unwrap();
    let replies = [peer.reply().await, peer.reply().await, peer.reply().await];
    assert_eq!(replies.map(|text| text[..3].to_owned()), ["250", "250", "354"]);
    assert!(peer.say("hi\r\n.").await.starts_with("250"));
    assert_eq!(sink.mails().count(), 1);
}

#[tokio::test]
async fn a_scripted_recipient_is_refused_and_the_next_one_is_not() {
    let sink = sink().await;
    sink.add(Rule::at(Step::Rcpt).to("bad@example.com").act(Act::Reply("550 5.1.1 no such user".into())));
    let (mut peer, _) = Peer::connect(&sink).await;
    assert!(peer.send("bad@example.com", "x").await.starts_with("550"));
    assert!(peer.say("RSET").await.starts_with("250"));
    assert!(peer.send("good@example.com", "x").await.starts_with("250"));
    assert_eq!(sink.mails().count(), 1);
}

#[tokio::test]
async fn a_connection_closed_after_the_dot_has_taken_the_mail_or_not_as_scripted() {
    for (act, taken) in [(Act::TakeAndClose, 1), (Act::Close, 0)] {
        let sink = sink().await;
        sink.add(Rule::at(Step::Message).act(act));
        let (mut peer, _) = Peer::connect(&sink).await;
        assert_eq!(peer.send("to@example.com", "x").await, "closed");
        assert_eq!(sink.mails().count(), taken);
    }
}

#[tokio::test]
async fn a_connection_closed_before_or_inside_the_mail_takes_nothing() {
    for step in [Step::Connect, Step::Data, Step::Body] {
        let sink = sink().await;
        sink.add(Rule::at(step).act(Act::Close));
        let (mut peer, greeting) = Peer::connect(&sink).await;
        if step == Step::Connect {
            assert_eq!(greeting, "closed");
        } else {
            assert_eq!(peer.send("to@example.com", "one\r\ntwo").await, "closed");
        }
        assert_eq!(sink.mails().count(), 0);
    }
}

#[tokio::test]
async fn a_refused_mail_is_recorded_as_not_taken() {
    let sink = sink().await;
    sink.add(Rule::at(Step::Message).act(Act::Reply("554 5.6.0 no".into())));
    let (mut peer, _) = Peer::connect(&sink).await;
    assert!(peer.send("to@example.com", "x").await.starts_with("554"));
    assert!(!sink.mails().all()[0].taken);
}

#[tokio::test]
async fn without_the_right_password_nothing_is_taken() {
    let options = SmtpOptions { auth: Some(("user".into(), "secret".into())), ..SmtpOptions::default() };
    let sink = SmtpSink::start(options).await.unwrap();
    let (mut peer, _) = Peer::connect(&sink).await;
    assert!(peer.say("EHLO test").await.contains("AUTH PLAIN"));
    assert!(peer.say("MAIL FROM:<a@b.c>").await.starts_with("530"));
    assert!(peer.say("AUTH PLAIN AHVzZXIAd3Jvbmc=").await.starts_with("535"));
    assert!(peer.say("AUTH PLAIN AHVzZXIAc2VjcmV0").await.starts_with("235"));
    assert!(peer.send("to@example.com", "x").await.starts_with("250"));
}

#[tokio::test]
async fn a_refusing_sink_closes_what_is_open_and_takes_its_port_again() {
    let sink = sink().await;
    let (mut peer, _) = Peer::connect(&sink).await;
    sink.set_gate(Gate::Refusing);
    assert_eq!(peer.reply().await, "closed");
    let address = sink.address();
    crate::wait::until("connections to be refused", PATIENCE, || async {
        TcpStream::connect(address).await.is_err().then_some(())
    })
    .await
    .unwrap();
    let taken = std::net::TcpListener::bind(address).unwrap_err();
    assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse, "nobody comes to stand where the sink stood");
    sink.set_gate(Gate::Open);
    let stream =
        crate::wait::until("the port to be back", PATIENCE, || async { TcpStream::connect(address).await.ok() })
            .await
            .unwrap();
    assert!(Peer(BufReader::new(stream)).reply().await.starts_with("220"));
}

#[tokio::test]
async fn a_silent_sink_lets_connect_and_greets_when_opened() {
    let sink = sink().await;
    sink.set_gate(Gate::Silent);
    let mut peer = Peer(BufReader::new(TcpStream::connect(sink.address()).await.unwrap()));
    let early = tokio::time::timeout(Duration::from_millis(50), peer.0.read_line(&mut String::new())).await;
    assert!(early.is_err(), "a silent sink must not greet");
    sink.set_gate(Gate::Open);
    assert!(peer.reply().await.starts_with("220"));
}
