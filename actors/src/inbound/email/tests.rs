//! Mails as mailers write them.

use proptest::prelude::*;

use super::super::limits::MAX_ATTACHMENTS;
use super::super::quoting;
use super::*;

fn parse(raw: &str) -> InboundEmail {
    InboundEmail::parse(raw.as_bytes()).unwrap()
}

fn texts(addresses: &[EmailAddress]) -> Vec<&str> {
    addresses.iter().map(EmailAddress::as_str).collect()
}

const GMAIL: &str = "Delivered-To: reply+abc123@in.example.com\r\n\
Return-Path: <jane.doe@gmail.com>\r\n\
MIME-Version: 1.0\r\n\
References: <root@example.com> <msg_1@example.com>\r\n\
In-Reply-To: <msg_1@example.com>\r\n\
From: Jane Doe <jane.doe@gmail.com>\r\n\
Date: Mon, 23 Nov 2026 18:12:45 +0100\r\n\
Message-ID: <CAKj=Kq+x9@mail.gmail.com>\r\n\
Subject: Re: =?UTF-8?Q?Angebot_f=C3=BCr_M=C3=A4rz?=\r\n\
To: Team Example <Reply+ABC123@in.example.com>\r\n\
Cc: boss@example.com\r\n\
Content-Type: multipart/alternative; boundary=\"0000000000001c\"\r\n\
\r\n\
--0000000000001c\r\n\
Content-Type: text/plain; charset=\"UTF-8\"\r\n\
Content-Transfer-Encoding: quoted-printable\r\n\
\r\n\
Sch=C3=B6n, das passt!\r\n\
\r\n\
On Mon, Nov 23, 2026 at 5:00=E2=80=AFPM Team Example <reply+abc123@in.example.com> \r\n\
wrote:\r\n\
\r\n\
> Passt das?\r\n\
>\r\n\
\r\n\
--0000000000001c\r\n\
Content-Type: text/html; charset=\"UTF-8\"\r\n\
Content-Transfer-Encoding: quoted-printable\r\n\
\r\n\
<div dir=3D\"ltr\">Sch=C3=B6n, das passt!</div><br><div class=3D\"gmail_quote gmail_quote_container\">\
<div dir=3D\"ltr\" class=3D\"gmail_attr\">On Mon, Nov 23 wrote:<br></div><blockquote class=3D\"gmail_quote\" \
style=3D\"margin:0\">Passt das?</blockquote></div>\r\n\
\r\n\
--0000000000001c--\r\n";

#[test]
fn gmail_answers() {
    let mail = parse(GMAIL);
    assert_eq!(mail.message_id.as_deref(), Some("<CAKj=Kq+x9@mail.gmail.com>"));
    assert_eq!(mail.in_reply_to, ["<msg_1@example.com>"]);
    assert_eq!(mail.references, ["<root@example.com>", "<msg_1@example.com>"]);
    let from = mail.from.as_ref().unwrap();
    assert_eq!((from.name.as_deref(), from.address.as_str()), (Some("Jane Doe"), "jane.doe@gmail.com"));
    assert_eq!(texts(&mail.to), ["Reply+ABC123@in.example.com"]);
    assert_eq!(texts(&mail.cc), ["boss@example.com"]);
    assert_eq!(texts(&mail.delivered_to), ["reply+abc123@in.example.com"]);
    assert_eq!(mail.recipients().count(), 3);
    assert_eq!(mail.reply_tokens, ["abc123"]);
    assert_eq!(mail.subject, "Re: Angebot für März");
    assert_eq!(mail.date.unwrap().to_string(), "2026-11-23T17:12:45Z");
    assert_eq!(quoting::written(mail.text.as_deref().unwrap()), "Schön, das passt!");
    let html = mail.html.as_ref().unwrap();
    assert!(html.has_quote && html.html.starts_with("<div dir=\"ltr\">Schön, das passt!</div>"), "{}", html.html);
    assert!(!mail.is_automatic() && mail.kind == Kind::Message && !mail.is_cut);
}

#[test]
fn outlook_answers_with_a_picture_in_its_text() {
    let raw = "From: =?iso-8859-1?Q?J=F6rg_M=FCller?= <joerg@contoso.example>\n\
To: \"reply+t0ken@in.example.com\" <reply+t0ken@in.example.com>\n\
Subject: AW: Angebot\nThread-Index: AQHa\nDate: Mon, 23 Nov 2026 17:30:00 +0000\n\
Message-ID: <DB9PR01MB@DB9PR01MB.prod.outlook.example>\nIn-Reply-To: <msg_2@example.com>\n\
Content-Language: de-DE\nMIME-Version: 1.0\n\
Content-Type: multipart/related;\n\tboundary=\"_004_R_\";\n\ttype=\"multipart/alternative\"\n\n\
--_004_R_\nContent-Type: multipart/alternative;\n\tboundary=\"_000_A_\"\n\n\
--_000_A_\nContent-Type: text/plain; charset=\"iso-8859-1\"\nContent-Transfer-Encoding: quoted-printable\n\n\
Gr=FC=DFe\n[cid:image001.png@01]\n\nVon: Team <team@example.com>\nGesendet: Montag, 23. November 2026 17:00\n\
An: J=F6rg <joerg@contoso.example>\nBetreff: Angebot\n\nPasst das?\n\n\
--_000_A_\nContent-Type: text/html; charset=\"iso-8859-1\"\nContent-Transfer-Encoding: quoted-printable\n\n\
<html><head><style>p.MsoNormal{margin:0}</style></head><body><div class=3D\"WordSection1\"><p class=3D\"MsoNormal\">\
Gr=FC=DFe<img src=3D\"cid:image001.png@01\"></p><div><div style=3D\"border:none;border-top:solid #E1E1E1 1.0pt;\
padding:3.0pt 0in 0in 0in\"><p class=3D\"MsoNormal\"><b>Von:</b> Team</p></div></div><p>Passt das?</p></div></body></html>\n\n\
--_000_A_--\n\n\
--_004_R_\nContent-Type: image/png; name=\"image001.png\"\nContent-Description: image001.png\n\
Content-Disposition: inline; filename=\"image001.png\"; size=5;\n\tcreation-date=\"Mon, 23 Nov 2026 17:30:00 GMT\"\n\
Content-ID: <image001.png@01>\nContent-Transfer-Encoding: base64\n\nAQIDBAU=\n\n--_004_R_--\n";
    let mail = parse(raw);
    assert_eq!(mail.from.unwrap().name.as_deref(), Some("Jörg Müller"));
    assert_eq!(mail.reply_tokens, ["t0ken"]);
    assert_eq!(quoting::written(mail.text.as_deref().unwrap()), "Grüße\n[cid:image001.png@01]");
    let picture = &mail.attachments[0];
    assert_eq!((picture.content_id.as_deref(), picture.is_inline, picture.size), (Some("image001.png@01"), true, 5));
    assert_eq!(picture.bytes(raw.as_bytes()), [1, 2, 3, 4, 5]);
    let html = mail.html.unwrap();
    let (new, quoted) = html.html.split_once("<div class=\"quoted\">").unwrap();
    assert!(new.contains("Grüße<img src=\"cid:image001.png@01\">"), "{new}");
    assert!(quoted.contains("Passt das?"), "{quoted}");
    assert_eq!(html.blocked_images, 0);
}

#[test]
fn apple_mail_flows_its_text_and_answers_below_nothing() {
    let raw = "From: Jane <jane@icloud.example>\nContent-Type: text/plain;\n\tcharset=us-ascii; format=flowed; delsp=yes\n\
Content-Transfer-Encoding: 7bit\nMime-Version: 1.0 (Mac OS X Mail 16.0)\nSubject: Re: Hello\n\
Date: Mon, 23 Nov 2026 18:00:00 +0100\nMessage-Id: <8F1C@icloud.example>\nIn-Reply-To: <msg_3@example.com>\n\
To: team@example.com\nX-Mailer: Apple Mail\n\nA line that is so long that it was  \nwrapped.\n\n\
> On 23. Nov 2026, at 17:00, Team <team@example.com> wrote:\n> \n> Hello\n\nSent from my iPhone\n";
    let mail = parse(raw);
    let text = mail.text.unwrap();
    assert!(text.starts_with("A line that is so long that it was wrapped.\n"), "{text}");
    assert_eq!(quoting::written(&text), "A line that is so long that it was wrapped.");
    assert_eq!(mail.message_id.as_deref(), Some("<8F1C@icloud.example>"));
}

#[test]
fn yahoo_sends_html_alone() {
    let raw = "Date: Mon, 23 Nov 2026 17:00:00 +0000 (UTC)\nFrom: Jane Doe <jane@yahoo.example>\n\
To: team@example.com\nMessage-ID: <1043.1@mail.yahoo.example>\nIn-Reply-To: <msg_4@example.com>\n\
MIME-Version: 1.0\nContent-Type: text/html; charset=UTF-8\nContent-Transfer-Encoding: base64\n\n";
    use base64::Engine as _;
    let html = "<html><body><div class=\"ydp1\">Fine &ndash; see you!</div><div id=\"yahoo_quoted_1\" class=\"yahoo_quoted\">\
                <div>On Monday, November 23, 2026 at 05:00:00 PM, Team &lt;team@example.com&gt; wrote:</div>\
                <blockquote>Shall we meet?</blockquote></div></body></html>";
    let mail = parse(&(raw.to_owned() + &base64::engine::general_purpose::STANDARD.encode(html)));
    assert_eq!(quoting::written(mail.text.as_deref().unwrap()), "Fine – see you!");
    assert!(mail.html.unwrap().has_quote);
}

#[test]
fn exchange_is_out_of_office() {
    let raw = "From: Jane Doe <jane@contoso.example>\nTo: team@example.com\nSubject: Automatic reply: Hello\n\
Message-ID: <a1@contoso.example>\nIn-Reply-To: <msg_5@example.com>\nReferences: <msg_5@example.com>\n\
Auto-Submitted: auto-generated\nX-MS-Exchange-Generated-Message-Source: Mailbox Rules Agent\n\
X-Auto-Response-Suppress: All\nContent-Type: text/html; charset=\"us-ascii\"\n\n<p>I am away until Monday.</p>\n";
    let mail = parse(raw);
    assert_eq!(mail.automatic, Some(Automatic::Replied));
    assert!(mail.is_automatic() && mail.kind == Kind::Message);
    assert_eq!(mail.text.as_deref(), Some("I am away until Monday."));
}

#[test]
fn what_is_no_mail_is_refused() {
    assert_eq!(InboundEmail::parse(b" \r\n"), Err(InboundError::Empty));
    assert_eq!(InboundEmail::parse(b"just words\r\n"), Err(InboundError::NoHeader));
    let error = InboundEmail::parse_within(GMAIL.as_bytes(), 100).unwrap_err();
    assert_eq!(error, InboundError::TooLarge { bytes: GMAIL.len(), max: 100 });
    assert!(InboundEmail::parse_within(GMAIL.as_bytes(), GMAIL.len()).is_ok());
    let large = vec![b'x'; MAX_RAW_BYTES + 1];
    assert!(matches!(InboundEmail::parse(&large), Err(InboundError::TooLarge { .. })));
}

#[test]
fn a_mail_without_anything_is_still_one() {
    let mail = parse("X-Nothing: 1\n");
    assert_eq!((mail.message_id, mail.from, mail.date), (None, None, None));
    assert_eq!((mail.subject.as_str(), mail.text.as_deref()), ("", Some("")));
    assert_eq!(parse("Sender: jane@example.com\n\nx").from.unwrap().address.as_str(), "jane@example.com");
}

#[test]
fn reply_tokens_are_found_wherever_the_mail_went() {
    for (header, expected) in [
        ("To: reply+A_b-1@in.example.com", &["A_b-1"][..]),
        ("Cc: x@example.com, Reply+one@in.example.com\nX-Original-To: reply+two@in.example.com", &["two", "one"]),
        ("To: reply+one@in.example.com, reply+ONE@other.example", &["one"]),
        ("To: reply@in.example.com, reply+@in.example.com, replyx+a@in.example.com", &[]),
        ("From: reply+one@in.example.com", &[]),
    ] {
        assert_eq!(parse(&format!("{header}\n\nx")).reply_tokens, expected, "{header}");
    }
    let many: String = (0..100).map(|n| format!("reply+t{n}@in.example.com, ")).collect();
    assert_eq!(parse(&format!("To: {many}\n\nx")).reply_tokens.len(), MAX_REPLY_TOKENS);
}

#[test]
fn a_mail_does_not_show_who_wrote_what() {
    let shown = format!("{:?}", parse(GMAIL));
    for word in ["jane", "Schön", "abc123", "Angebot"] {
        assert!(!shown.contains(word), "{word} in {shown}");
    }
}

#[test]
fn ten_thousand_parts_inside_each_other_are_no_trouble() {
    for piece in ["Content-Type: multipart/mixed; boundary=b\n\n--b\n", "Content-Type: message/rfc822\n\n"] {
        let raw = piece.repeat(10_000) + "\nhello\n";
        // As little stack as a thread may have: depth must cost none.
        let thread = std::thread::Builder::new().stack_size(256 * 1024);
        let read = thread.spawn(move || {
            let mail = parse(&raw);
            (mail.is_cut, mail.attachments.len())
        });
        let (is_cut, attachments) = read.unwrap().join().unwrap();
        assert!(is_cut && attachments <= MAX_ATTACHMENTS);
    }
}

/// Pieces of mails, of which any order must be readable.
const PIECES: [&str; 30] = [
    "Content-Type: multipart/mixed; boundary=b\n\n",
    "Content-Type: multipart/alternative; boundary=\"i\"\n\n",
    "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n",
    "--b\n",
    "--b--\n",
    "--i\n",
    "--i--\n",
    "Content-Type: text/html; charset=utf-8\n\n",
    "Content-Type: text/plain; format=flowed\n",
    "\n",
    "\r\n",
    " ",
    "Content-Type: message/rfc822\n\n",
    "Content-Type: message/delivery-status\n\n",
    "Content-Type: message/feedback-report\n\n",
    "Content-Transfer-Encoding: base64\n",
    "Content-Transfer-Encoding: quoted-printable\n",
    "Content-Disposition: attachment; filename*0=",
    "Final-Recipient: rfc822; a@example.org\nAction: failed\n\n",
    "Feedback-Type: abuse\n",
    "From: MAILER-DAEMON@example.org\n",
    "Hi. This is the qmail-send program\n\n<a@example.org>:\n550\n",
    "X-Failed-Recipients: a@example.org\n",
    "References: <a@b> <c@d>\n",
    "Subject: =?utf-8?q?=C3",
    "<blockquote><div><b>",
    "=C3=BC=\n",
    "QUJD\n",
    "\0\u{fffd}\u{202e}",
    "> On 1 Jan 2026 a@b wrote:\n",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_bytes_are_read_without_a_panic_and_in_little_time(
        pieces in prop::collection::vec(prop_oneof![
            4 => prop::sample::select(&PIECES[..]).prop_map(|piece| piece.as_bytes().to_vec()),
            1 => prop::collection::vec(any::<u8>(), 0..40),
        ], 0..60),
    ) {
        let raw = pieces.concat();
        if let Ok(mail) = InboundEmail::parse(&raw) {
            for attachment in &mail.attachments {
                prop_assert_eq!(attachment.bytes(&raw).len() as u64, attachment.size);
            }
            let text = mail.text.unwrap_or_default();
            let blocks: String = quoting::split(&text).iter().map(|block| block.text).collect();
            prop_assert_eq!(blocks, text);
        }
    }
}
