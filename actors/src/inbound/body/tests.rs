use super::super::limits::MAX_PARTS;
use super::*;

fn body(raw: &str) -> Body {
    Body::of(&Structure::read(raw.as_bytes()))
}

fn part(header: &str, content: &str) -> String {
    format!("--b\n{header}\n\n{content}\n")
}

fn multipart(kind: &str, parts: &[String]) -> String {
    format!("Content-Type: multipart/{kind}; boundary=b\n\n{}--b--\n", parts.concat())
}

const PLAIN: &str = "Content-Type: text/plain";
const HTML: &str = "Content-Type: text/html";

#[test]
fn the_text_of_a_mail_is_all_of_it() {
    let inner = multipart("alternative", &[part(PLAIN, "plain"), part(HTML, "<p>rich</p>")])
        .replace("=b", "=i")
        .replace("--b", "--i");
    for (raw, text, html) in [
        ("Subject: x\n\nhello\n".to_owned(), "hello\n", None),
        ("Content-Type: text/html\n\n<p>Hi<br>there</p>".to_owned(), "Hi\nthere", Some("<p>Hi<br>there</p>")),
        (multipart("alternative", &[part(PLAIN, "plain"), part(HTML, "<p>rich</p>")]), "plain", Some("<p>rich</p>")),
        (multipart("alternative", &[part(HTML, "<p>rich</p>")]), "rich", Some("<p>rich</p>")),
        (multipart("alternative", &[part(PLAIN, "plain")]), "plain", None),
        // Apple Mail, with a picture within the text.
        (
            multipart("mixed", &[part(PLAIN, "one"), part("Content-Type: image/png", "P"), part(PLAIN, "two")]),
            "one\ntwo",
            None,
        ),
        // A mailing list's footer.
        (
            multipart("mixed", &[format!("--b\n{inner}"), part(PLAIN, "footer & more")]),
            "plain\nfooter & more",
            Some("<p>rich</p><div>footer &amp; more</div>"),
        ),
    ] {
        let body = body(&raw);
        assert_eq!(body.text.as_deref(), Some(text), "{raw}");
        assert_eq!(body.html.as_ref().map(|html| html.html.as_str()), html, "{raw}");
        assert!(!body.is_cut);
    }
    assert_eq!(body("Content-Type: image/png\n\nPNG").text, None);
}

#[test]
fn a_message_that_is_attached_is_a_file() {
    let raw =
        multipart("mixed", &[part(PLAIN, "see below"), part("Content-Type: message/rfc822", "Subject: x\n\ninner")]);
    let body = body(&raw);
    assert_eq!(body.text.as_deref(), Some("see below"));
    assert_eq!(body.attachments.len(), 1);
    assert_eq!(body.attachments[0].content_type, "message/rfc822");
    assert_eq!(body.attachments[0].bytes(raw.as_bytes()), b"Subject: x\n\ninner");
}

#[test]
fn attachments_are_found_by_disposition_name_or_type() {
    let raw = multipart(
        "mixed",
        &[
            part(PLAIN, "text"),
            part("Content-Type: text/plain; name=notes.txt", "notes"),
            part("Content-Type: text/html\nContent-Disposition: attachment", "<p>"),
            part(
                "Content-Type: application/zip\nContent-Transfer-Encoding: base64\nContent-Disposition: attachment;\n filename*=utf-8''%C3%9Cber.zip",
                "UEsDBA==",
            ),
            part(
                "Content-Type: image/png\nContent-ID: <logo@x>\nContent-Disposition: inline; filename=logo.png",
                "PNG",
            ),
            part("Content-Type: text/calendar; method=REQUEST", "BEGIN:VCALENDAR"),
        ],
    );
    let body = body(&raw);
    assert_eq!(body.text.as_deref(), Some("text"));
    let found: Vec<_> = body
        .attachments
        .iter()
        .map(|a| (a.filename.as_str(), a.content_type.as_str(), a.size, a.content_id.as_deref(), a.is_inline))
        .collect();
    assert_eq!(
        found,
        [
            ("notes.txt", "text/plain", 5, None, false),
            ("", "text/html", 3, None, false),
            ("Über.zip", "application/zip", 4, None, false),
            ("logo.png", "image/png", 3, Some("logo@x"), true),
            ("", "text/calendar", 15, None, false),
        ]
    );
    assert_eq!(body.attachments[2].bytes(raw.as_bytes()), b"PK\x03\x04");
    assert_eq!(body.attachments[2].bytes(b"another mail"), b"");
}

#[test]
fn what_other_readers_are_offered_is_no_file() {
    let raw = multipart(
        "alternative",
        &[part(PLAIN, "text"), part("Content-Type: text/x-amp-html", "<html amp4email>"), part(HTML, "<p>x")],
    );
    assert_eq!(body(&raw).attachments, []);
}

#[test]
fn a_file_name_is_only_a_name() {
    for (name, expected) in [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\x\\a.doc", "a.doc"),
        ("\u{202e}fdp.exe", "fdp.exe"),
        ("a\"b\r\n\0c.txt", "abc.txt"),
        ("..", ""),
        ("", ""),
    ] {
        assert_eq!(file_name(name), expected, "{name:?}");
    }
    let long = file_name(&format!("{}.invoice.pdf", "ü".repeat(300)));
    assert!(long.len() <= MAX_NAME_BYTES && long.ends_with(".invoice.pdf"), "{long}");
}

#[test]
fn text_that_flows_is_put_together_again() {
    for (text, is_del_sp, expected) in [
        ("one \ntwo \nthree\n\nfour", false, "one two three\n\nfour"),
        ("one \r\ntwo", true, "onetwo"),
        (" >not a quote\n From here", false, ">not a quote\nFrom here"),
        ("> quoted \n> on\nnew", false, "> quoted on\nnew"),
        ("> a \n>> b \nc", false, "> a \n>> b \nc"),
        ("text \n-- \nJane", false, "text \n-- \nJane"),
        ("end \n", false, "end "),
        ("", false, ""),
    ] {
        assert_eq!(unflowed(text, is_del_sp), expected, "{text:?}");
    }
    let raw = "Content-Type: text/plain; format=flowed; delsp=yes\n\na \nb\n";
    assert_eq!(body(raw).text.as_deref(), Some("ab\n"));
}

#[test]
fn what_goes_beyond_a_bound_is_left_out_and_said_to_be() {
    let long = body(&format!("Subject: x\n\n{}", "ü".repeat(MAX_TEXT_BYTES)));
    assert!(long.is_cut && long.text.unwrap().len() <= MAX_TEXT_BYTES);

    let file = part("Content-Type: image/png", "P");
    let many = body(&multipart("mixed", &vec![file; MAX_PARTS - 1]));
    assert!(many.is_cut);
    assert_eq!(many.attachments.len(), MAX_ATTACHMENTS);
}
