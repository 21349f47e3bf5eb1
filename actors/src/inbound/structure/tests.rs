use super::*;

/// Each part as `depth type body`.
fn outline(raw: &str) -> Vec<String> {
    let mail = Structure::read(raw.as_bytes());
    let lines = mail.parts.iter().enumerate().map(|(at, part)| {
        let body = match part.shape {
            Shape::Leaf => raw[part.body.clone()].replace("\r\n", "\n").replace('\n', "|"),
            _ => String::new(),
        };
        format!("{} {} {body}", mail.around(at).count(), part.media.essence).trim_end().to_owned()
    });
    lines.collect()
}

#[test]
fn parts_are_found_with_either_line_end() {
    let raw = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"=_o\"\n\npreamble\n--=_o\n\
               Content-Type: multipart/alternative; boundary=i\n\n--i\nContent-Type: text/plain\n\nplain\n\n--i  \n\
               Content-Type: text/html\n\n<p>\n--i--\nepilogue\n--=_o\nContent-Type: image/png\n\nPNG\n--=_o--\nend\n";
    let expected =
        ["0 multipart/mixed", "1 multipart/alternative", "2 text/plain plain|", "2 text/html <p>", "1 image/png PNG"];
    assert_eq!(outline(raw), expected);
    assert_eq!(outline(&raw.replace('\n', "\r\n")), expected);
}

#[test]
fn a_broken_mail_is_read_as_far_as_it_goes() {
    for (raw, expected) in [
        // The closing boundary never comes.
        (
            "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo\n",
            &["0 multipart/mixed", "1 text/plain one", "1 text/plain two|"][..],
        ),
        // No boundary comes at all, or none is named.
        ("Content-Type: multipart/mixed; boundary=b\n\nhello\n", &["0 text/plain hello|"]),
        ("Content-Type: multipart/mixed\n\nhello\n", &["0 multipart/mixed hello|"]),
        // An inner part is ended by the outer boundary.
        (
            "Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: multipart/mixed; boundary=i\n\n--i\n\nx\n--o\n\ny\n--o--\n",
            &["0 multipart/mixed", "1 multipart/mixed", "2 text/plain x", "1 text/plain y"],
        ),
        // A boundary that begins like another is another; one after the end is text of nothing.
        (
            "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--bb\n--b--\n--b\n\ny\n",
            &["0 multipart/mixed", "1 text/plain x|--bb"],
        ),
        // No header in a part; no empty line behind one; a header cut short by the boundary.
        (
            "Content-Type: multipart/mixed; boundary=b\n\n--b\nno header\n--b\nContent-Type: text/html\n<p>\n--b\nX: y\n--b--\n",
            &["0 multipart/mixed", "1 text/plain no header", "1 text/html <p>", "1 text/plain"],
        ),
        // An unknown or empty type is text.
        ("Content-Type: nonsense\n\nx", &["0 text/plain x"]),
        ("Content-Type: \n\nx", &["0 text/plain x"]),
        ("From me Mon Nov 23\nSubject: x\n\nbody", &["0 text/plain body"]),
        ("\r\n\r\nSubject: x\n\nbody", &["0 text/plain body"]),
    ] {
        assert_eq!(outline(raw), expected, "{raw}");
    }
}

#[test]
fn an_attached_message_has_parts_of_its_own() {
    let raw = "Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: message/rfc822\n\nSubject: inner\n\
               Content-Type: multipart/mixed; boundary=i\n\n--i\n\nx\n--i--\n--o\nContent-Type: message/rfc822\n\
               Content-Transfer-Encoding: base64\n\nU3ViamVjdA==\n--o--\n";
    assert_eq!(
        outline(raw),
        [
            "0 multipart/mixed",
            "1 message/rfc822",
            "2 multipart/mixed",
            "3 text/plain x",
            "1 message/rfc822 U3ViamVjdA=="
        ]
    );
    let digest = "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: a\n\none\n--b--\n";
    assert_eq!(outline(digest), ["0 multipart/digest", "1 message/rfc822", "2 text/plain one"]);
}

#[test]
fn the_body_of_a_container_ends_where_its_part_does() {
    let raw = "Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: message/rfc822\n\nSubject: inner\n\nx\n--o--\n";
    let mail = Structure::read(raw.as_bytes());
    assert_eq!(&raw[mail.parts[1].body.clone()], "Subject: inner\n\nx");
}

#[test]
fn depth_and_number_of_parts_are_bounded() {
    let nested: String =
        (0..100).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n")).collect();
    let mail = Structure::read(nested.as_bytes());
    assert!(mail.is_cut);
    assert_eq!(mail.parts.len(), MAX_DEPTH + 1);

    let many = "Content-Type: multipart/mixed; boundary=b\n\n".to_owned() + &"--b\n\nx\n".repeat(MAX_PARTS + 10);
    let mail = Structure::read(many.as_bytes());
    assert!(mail.is_cut);
    assert_eq!(mail.parts.len(), MAX_PARTS);
    let fitting = "Content-Type: multipart/mixed; boundary=b\n\n".to_owned() + &"--b\n\nx\n".repeat(MAX_PARTS - 1);
    assert!(!Structure::read(fitting.as_bytes()).is_cut);
}

#[test]
fn no_mail_takes_more_than_one_pass() {
    let header = "Content-Type: multipart/mixed; boundary=b\n\n".to_owned();
    let rows = 60_000;
    for raw in [
        (0..rows).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n")).collect(),
        header.clone()
            + &(0..rows).map(|n| format!("--b\nContent-Type: multipart/mixed; boundary=n{n}\n\n")).collect::<String>(),
        "Content-Type: message/rfc822\n\n".repeat(rows),
        header.clone() + &"--b\nContent-Transfer-Encoding: base64\n\n*".repeat(rows),
        header.clone() + &"--\n".repeat(rows * 10),
        header + &"--b--\n".repeat(rows),
        "A: b\n".repeat(rows * 5),
        "A: b\n ".repeat(rows * 5),
    ] {
        // Quadratic time would take hours here, and the test runner ends a test long before.
        let mail = Structure::read(raw.as_bytes());
        assert!(mail.parts.len() <= MAX_PARTS);
    }
}
