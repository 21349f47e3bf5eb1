use super::*;

fn read(text: &str) -> Headers<'_> {
    Headers::read(text.as_bytes()).0
}

#[test]
fn fields_are_unfolded_and_found_in_any_case() {
    let headers = read("Subject: one\r\n two\r\n\tthree\r\nX-Empty:\r\nsubject: second\r\n\r\nbody: x\r\n");
    assert_eq!(headers.raw("SUBJECT").as_deref(), Some("one two three"));
    assert_eq!(headers.raws("subject").collect::<Vec<_>>(), ["one two three", "second"]);
    assert_eq!(headers.raw("X-Empty").as_deref(), Some(""));
    assert!(headers.has("x-empty") && !headers.has("body"));
}

#[test]
fn the_header_ends_at_an_empty_line_or_where_no_field_is() {
    for (text, length) in [
        ("A: b\r\n\r\nbody", 8),
        ("A: b\n\nbody", 6),
        ("A: b\n \n\nbody", 8),
        ("A: b\nno field\nC: d\n", 5),
        ("A: b\n--boundary: x\n", 5),
        ("two words: x\n", 0),
        (": x\n", 0),
        ("\nA: b\n", 1),
        ("A: b", 4),
        ("", 0),
    ] {
        assert_eq!(Headers::read(text.as_bytes()).1, length, "{text:?}");
    }
}

#[test]
fn a_blank_before_the_colon_belongs_to_no_name() {
    assert_eq!(read("Subject : x\n").raw("Subject").as_deref(), Some("x"));
}

#[test]
fn text_is_readable_whatever_it_is_encoded_in() {
    for (value, expected) in [
        (&b"plain"[..], "plain"),
        (b"=?utf-8?Q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        (b"=?UTF-8?B?R3LDvMOfZQ==?= =?iso-8859-1?q?_=FCber?=", "Grüße über"),
        (b"=?utf-8?q?one?=\r\n =?utf-8?q?_two?= three", "one two three"),
        ("Grüße".as_bytes(), "Grüße"),
        (b"Gr\xfc\xdfe", "Grüße"),
        (b"=?gb2312?B?xOO6ww==?=", "你好"),
        (b"=?nope", "=?nope"),
        (b"nul\0 inside", "nul inside"),
        (b"=?utf-8?q?line=0D=0ABcc:_x?=", "line Bcc: x"),
    ] {
        let field = [b"Subject: ", value, b"\r\n"].concat();
        assert_eq!(Headers::read(&field).0.text("Subject", 999).as_deref(), Some(expected), "{expected}");
    }
    assert_eq!(read("Subject:\r\n").text("Subject", 999), None);
    assert_eq!(read("Subject: 12345\r\n").text("Subject", 3).as_deref(), Some("123"));
}

#[test]
fn addresses_are_what_could_be_answered() {
    let headers = read(
        "To: Jane Doe <jane@Example.COM>, \"Doe, John\" <john@example.com>,\r\n bare@example.org,\r\n\
         \tGroup: a@example.com, b@example.com;, nonsense, <broken@>, jane@example.com\r\n\
         To: second@example.com\r\nCc: undisclosed-recipients:;\r\n",
    );
    let all = headers.addresses(&["To"]);
    let all: Vec<_> = all.iter().map(EmailAddress::as_str).collect();
    for expected in [
        "jane@example.com",
        "john@example.com",
        "bare@example.org",
        "a@example.com",
        "b@example.com",
        "second@example.com",
    ] {
        assert_eq!(all.iter().filter(|found| **found == expected).count(), 1, "{expected} in {all:?}");
    }
    assert_eq!(headers.addresses(&["Cc"]), []);
}

#[test]
fn an_author_has_a_name_as_people_read_it() {
    for (value, name, address) in [
        ("Jane Doe <jane@example.com>", Some("Jane Doe"), "jane@example.com"),
        ("\"Doe, Jane\" <jane@example.com>", Some("Doe, Jane"), "jane@example.com"),
        ("=?utf-8?q?J=C3=BCrgen?= <j@example.com>", Some("Jürgen"), "j@example.com"),
        ("jane@example.com (Jane)", Some("Jane"), "jane@example.com"),
        ("jane@example.com", None, "jane@example.com"),
        ("<jane@example.com>", None, "jane@example.com"),
    ] {
        let field = format!("From: {value}\r\n");
        let mailbox = read(&field).mailbox("From").unwrap();
        assert_eq!((mailbox.name.as_deref(), mailbox.address.as_str()), (name, address), "{value}");
    }
    for value in ["nobody", "<>", "", "\"open", "MAILER-DAEMON (Mail Delivery System)"] {
        assert_eq!(read(&format!("From: {value}\r\n")).mailbox("From"), None, "{value}");
    }
}

#[test]
fn message_ids_keep_their_brackets_and_lose_their_folding() {
    for (value, expected) in [
        ("<a@b>", &["<a@b>"][..]),
        ("<a@b> <c@d>\r\n <e@\r\n f>", &["<a@b>", "<c@d>", "<e@f>"]),
        ("<a@b>,<a@b>", &["<a@b>"]),
        ("a@b", &["<a@b>"]),
        ("Your message of today <a@b> (x <c@d>)", &["<a@b>", "<c@d>"]),
        ("<no-at> <> <open@x <a@b>", &["<a@b>"]),
        ("<open@x", &[]),
        ("words only", &[]),
    ] {
        assert_eq!(read(&format!("References: {value}\r\n")).ids("References"), expected, "{value}");
    }
    let long = format!("Message-ID: <{}@x>\r\n", "a".repeat(MAX_MESSAGE_ID));
    assert_eq!(read(&long).ids("Message-ID"), [""; 0]);
}

#[test]
fn of_many_references_the_first_and_the_newest_are_kept() {
    for count in [MAX_REFERENCES - 1, MAX_REFERENCES, MAX_REFERENCES + 1, 5_000] {
        let mut field = "References:".to_owned();
        for number in 0..count {
            field.push_str(&format!("\r\n <{number}@example.com>"));
        }
        let ids = read(&field).ids("References");
        assert_eq!(ids.len(), count.min(MAX_REFERENCES));
        assert_eq!(ids[0], "<0@example.com>");
        assert_eq!(ids[1], format!("<{}@example.com>", count - ids.len() + 1));
        assert_eq!(ids[ids.len() - 1], format!("<{}@example.com>", count - 1));
    }
}

#[test]
fn a_date_is_an_instant_or_nothing() {
    for (value, expected) in [
        ("Mon, 23 Nov 2026 18:00:00 +0100", Some("2026-11-23T17:00:00Z")),
        ("23 Nov 2026 18:00 GMT", Some("2026-11-23T18:00:00Z")),
        ("Mon, 23 Nov 2026 18:00:00 -0500 (EST)", Some("2026-11-23T23:00:00Z")),
        ("Thu, 1 Jan 1970 00:00:00 +0100", None),
        ("99 Foo 9999 99:99:99", None),
        ("yesterday", None),
        ("", None),
    ] {
        let found = read(&format!("Date: {value}\r\n")).date("Date").map(|at| at.to_string());
        assert_eq!(found.as_deref(), expected, "{value}");
    }
}

#[test]
fn a_media_type_has_its_parameters() {
    let headers = read(
        "Content-Type: Text/HTML; charset=\"UTF-8\";\r\n name*0*=utf-8''%C3%9Cber;\r\n name*1=sicht.pdf\r\n\
         Content-Disposition: attachment; filename==?utf-8?q?=C3=BC.txt?=\r\n",
    );
    let media = headers.content_type("Content-Type").unwrap();
    assert_eq!((media.ctype(), media.subtype()), ("text", Some("html")));
    assert_eq!(media.attribute("charset"), Some("UTF-8"));
    assert_eq!(media.attribute("name"), Some("Übersicht.pdf"));
    assert_eq!(headers.content_type("Content-Disposition").unwrap().attribute("filename"), Some("ü.txt"));
}

#[test]
fn a_header_of_any_length_takes_little_time() {
    // Quadratic time would take hours here, and the test runner ends a test long before.
    for piece in ["a:", "(", "=?utf-8?q?a", "=?utf-8?b?====", "<a@b> ", "<", "\"\\", "a*1=b;", "x@y,", ":;", "\n "] {
        let value = piece.repeat(500_000 / piece.len());
        let field = format!("X: {value}\r\n");
        let headers = read(&field);
        headers.text("X", 999);
        headers.addresses(&["X"]);
        headers.ids("X");
        headers.content_type("X");
        headers.date("X");
    }
}

#[test]
fn too_many_fields_are_said_to_be() {
    let text = "A: b\n".repeat(MAX_FIELDS + 1);
    assert!(read(&text).is_cut);
    assert!(!read(&text[5..]).is_cut);
}

#[test]
fn addresses_without_a_comma_between_them_are_not_lost_and_a_name_is_none_of_them() {
    for (value, expected) in [
        ("ann@x.example bob@y.example", &["ann@x.example", "bob@y.example"][..]),
        ("<ann@x.example> <bob@y.example>", &["ann@x.example", "bob@y.example"]),
        ("<ann@x.example>bob@y.example", &["ann@x.example", "bob@y.example"]),
        (
            "Ann <ann@x.example>\r\n \"Bob\" <bob@y.example>, e@z.example",
            &["ann@x.example", "bob@y.example", "e@z.example"],
        ),
        ("Team: <ann@x.example> (she) Bob <bob@y.example>;", &["ann@x.example", "bob@y.example"]),
        ("ann@x.example <ann@x.example>", &["ann@x.example"]),
        ("\"eve@z.example> <eve@z.example>\" <ann@x.example>", &["ann@x.example"]),
        ("\"a \\\" <eve@z.example>\" <ann@x.example>", &["ann@x.example"]),
        ("(eve@z.example (x) eve@z.example) ann@x.example", &["ann@x.example"]),
    ] {
        let raw = format!("To: {value}\r\n");
        let found = read(&raw).addresses(&["To"]);
        assert_eq!(found.iter().map(EmailAddress::as_str).collect::<Vec<_>>(), expected, "{value}");
    }
}
