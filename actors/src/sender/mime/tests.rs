use bytes::Bytes;
use mail_parser::{MessageParser, MimeHeaders};
use proptest::prelude::*;

use super::*;
use crate::domain::address::Mailbox as SenderMailbox;
use crate::domain::ids::{AccountNo, ContactId, MessageId};
use crate::domain::message::{Attachment, Class, Content};
use crate::domain::threading::MAX_REFERENCES;

fn envelope() -> Envelope {
    Envelope {
        message: MessageId::from_bytes([3; 16]),
        identity: "msg_01h455vb4pex5vsknk084sn02q".parse::<MessageId>().unwrap(),
        account: AccountNo(1),
        contact: ContactId::from_bytes([7; 16]),
        attempt: 1,
        class: Class::Transactional,
        from: SenderAddress::Email(SenderMailbox::parse("\"Zoë, Sales\" <team@bücher.example>").unwrap()),
        to: Address::Email(EmailAddress::parse("jane@example.org").unwrap()),
        content: Content {
            subject: Some("Grüße 🎉 and a rather long subject that has to be folded over several lines".into()),
            text: Some("Hello\n.\nWörld\n".into()),
            html: None,
            render: false,
        },
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

fn text_of(mail: &Mail) -> String {
    String::from_utf8(mail.bytes.clone()).unwrap()
}

#[test]
fn the_headers_say_who_when_and_which_message() {
    let mail = build(&envelope()).unwrap();
    assert!(mail.bytes.is_ascii(), "everything leaves as 7-bit text");
    let message = MessageParser::default().parse(&mail.bytes).unwrap();
    assert_eq!(message.message_id(), Some("msg_01h455vb4pex5vsknk084sn02q@xn--bcher-kva.example"));
    assert_eq!(message.subject(), envelope().content.subject.as_deref());
    assert_eq!(message.date().unwrap().to_timestamp(), 1_795_456_800);
    let from = message.from().unwrap().first().unwrap();
    assert_eq!((from.name(), from.address()), (Some("Zoë, Sales"), Some("team@xn--bcher-kva.example")));
    assert_eq!(message.to().unwrap().first().unwrap().address(), Some("jane@example.org"));
    assert_eq!(message.body_text(0).unwrap().replace("\r\n", "\n").trim_end(), "Hello\n.\nWörld");
    assert_eq!(message.header_raw("MIME-Version").unwrap().trim(), "1.0");
    assert!(message.header_raw("List-Unsubscribe").is_none());
}

#[test]
fn every_shape_of_content_comes_back_as_it_was() {
    for (text, html, files) in [
        (Some("only text"), None, 0),
        (None, Some("<p>only <b>html</b></p>"), 0),
        (Some("both"), Some("<p>both</p>"), 0),
        (Some("text"), None, 2),
        (None, Some("<p>x</p>"), 1),
        (Some("all"), Some("<p>all</p>"), 3),
    ] {
        let mut envelope = envelope();
        envelope.content.text = text.map(str::to_owned);
        envelope.content.html = html.map(str::to_owned);
        for number in 0..files {
            let bytes = Bytes::from((0..=255).cycle().take(1_000 + number).collect::<Vec<u8>>());
            let file = Attachment {
                blob: number as u8 + 1,
                filename: format!("Übersicht {number}.pdf"),
                content_type: "application/pdf".into(),
                size: bytes.len() as u32,
            };
            envelope.attachments.push((file, bytes));
        }
        let mail = build(&envelope).unwrap();
        let message = MessageParser::default().parse(&mail.bytes).unwrap();
        if let Some(text) = text {
            assert_eq!(message.body_text(0).unwrap().trim_end(), text);
        }
        if let Some(html) = html {
            assert_eq!(message.body_html(0).unwrap().trim_end(), html);
        }
        assert_eq!(message.attachment_count(), files);
        for (part, (file, bytes)) in message.attachments().zip(&envelope.attachments) {
            assert_eq!(part.attachment_name(), Some(file.filename.as_str()));
            assert_eq!(part.contents(), bytes);
        }
    }
}

#[test]
fn the_same_envelope_gives_the_same_bytes() {
    let mut envelope = envelope();
    envelope.content.html = Some("<p>x</p>".into());
    let first = build(&envelope).unwrap();
    envelope.attempt = 2;
    envelope.first_attempt = false;
    assert_eq!(first.bytes, build(&envelope).unwrap().bytes);
}

#[test]
fn one_click_unsubscribe_has_both_headers() {
    let mut envelope = envelope();
    envelope.list_unsubscribe = Some("https://send.example/u/abc?x=1".parse().unwrap());
    let text = text_of(&build(&envelope).unwrap());
    assert!(text.contains("\r\nList-Unsubscribe: <https://send.example/u/abc?x=1>\r\n"), "{text}");
    assert!(text.contains("\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"));

    envelope.list_unsubscribe = Some("mailto:a@example.org?subject=x> y".parse().unwrap());
    let text = text_of(&build(&envelope).unwrap());
    assert!(text.contains("\r\nList-Unsubscribe: <mailto:a@example.org?subject=x%3E%20y>\r\n"), "{text}");
    assert!(!text.contains("List-Unsubscribe-Post"), "a mailto cannot be posted to");
}

#[test]
fn a_thread_keeps_its_first_and_newest_ids() {
    let mut envelope = envelope();
    envelope.in_reply_to = Some("<29@example.org>".into());
    envelope.references = (0..30).map(|n| format!("<{n}@example.org>")).collect();
    envelope.references.insert(5, "not an id\r\nBcc: x@example.org".into());
    let mail = build(&envelope).unwrap();
    let message = MessageParser::default().parse(&mail.bytes).unwrap();
    assert_eq!(message.in_reply_to().as_text(), Some("29@example.org"));
    let references = message.references().as_text_list().unwrap().to_vec();
    assert_eq!(references.len(), MAX_REFERENCES);
    assert_eq!((references[0].as_ref(), references[1].as_ref()), ("0@example.org", "11@example.org"));
    assert_eq!(references.last().unwrap(), "29@example.org");
    assert!(message.header_raw("Bcc").is_none());
}

#[test]
fn a_text_message_is_no_email() {
    let mut envelope = envelope();
    envelope.to = Address::Phone("+12125550123".parse().unwrap());
    assert_eq!(build(&envelope).unwrap_err(), MimeError::NotEmail);
}

proptest! {
    #[test]
    fn no_value_can_add_a_header(
        subject in "[a\r\n\t\0:ü <>\u{2028}]{0,80}",
        name in "[a\r\n\":ü <>,]{0,30}",
        file in "[a\r\n\";/ü=]{0,30}",
        id in "<[a\r\n@<> ]{0,20}>",
        kind in "[a/;\r\n=]{0,20}",
    ) {
        let mut plain = envelope();
        plain.attachments.push((
            Attachment { blob: 1, filename: "a".into(), content_type: "text/csv".into(), size: 1 },
            Bytes::from_static(b"x"),
        ));
        plain.in_reply_to = Some("<a@b>".into());
        plain.references = vec!["<a@b>".into()];
        let mut evil = plain.clone();
        evil.content.subject = Some(format!("{subject}\r\nBcc: evil@example.org\r\n\r\nbody"));
        evil.from = SenderAddress::Email(SenderMailbox {
            name: Some(format!("{name}\r\nBcc: evil@example.org")),
            address: EmailAddress::parse("team@example.com").unwrap(),
        });
        evil.attachments[0].0.filename = format!("{file}\r\nX-Evil: 1");
        evil.attachments[0].0.content_type = format!("{kind}\r\nX-Evil: 1");
        evil.in_reply_to = Some(id.clone());
        evil.references = vec![id, "<x@y>\r\nX-Evil: 1".into()];
        let names = |envelope: &Envelope| {
            let mail = build(envelope).unwrap();
            let text = text_of(&mail);
            let head = text.split("\r\n\r\n").next().unwrap().to_owned();
            let mut names: Vec<String> = head
                .split("\r\n")
                .filter(|line| !line.starts_with([' ', '\t']))
                .map(|line| line.split(':').next().unwrap().to_owned())
                .collect();
            names.retain(|name| name != "In-Reply-To" && name != "References");
            assert!(!text.contains("\r\nX-Evil") && !text.contains("\nBcc"), "{text}");
            assert!(!text.replace("\r\n", "").contains(['\r', '\n']), "a bare CR or LF");
            names
        };
        prop_assert_eq!(names(&evil), names(&plain));
    }

    #[test]
    fn any_text_comes_back(text in "\\PC{0,300}", html in "\\PC{0,300}") {
        let mut envelope = envelope();
        envelope.content.text = Some(format!("{text}."));
        envelope.content.html = Some(format!("{html}."));
        let mail = build(&envelope).unwrap();
        let message = MessageParser::default().parse(&mail.bytes).unwrap();
        prop_assert_eq!(message.text_bodies().next().unwrap().text_contents().unwrap(), format!("{text}."));
        prop_assert_eq!(message.html_bodies().next().unwrap().text_contents().unwrap(), format!("{html}."));
    }
}
