use proptest::prelude::*;

use super::*;

fn id(text: &str) -> MailId {
    MailId::parse(text).unwrap()
}

fn ids(chain: &References) -> Vec<&str> {
    chain.as_slice().iter().map(MailId::as_str).collect()
}

/// A mail as its program wrote it; empty texts for headers that it has not.
fn mail(message_id: &str, in_reply_to: &str, references: &str, subject: &str) -> ThreadedMail {
    let message_id = (!message_id.is_empty()).then_some(message_id);
    ThreadedMail::read(message_id, in_reply_to.split_whitespace(), references.split_whitespace(), Some(subject))
}

#[test]
fn an_id_is_what_can_be_repeated_in_a_header() {
    for (text, expected) in [
        ("<a@b>", "a@b"),
        ("a@b", "a@b"),
        (" \r\n\t<a@b> ", "a@b"),
        ("<20261126.1@mail.example>", "20261126.1@mail.example"),
        ("<no-at-sign>", "no-at-sign"),
        ("<\"quoted\"@[192.0.2.1]>", "\"quoted\"@[192.0.2.1]"),
        ("<=?utf-8?q?x?=@b>", "=?utf-8?q?x?=@b"),
    ] {
        assert_eq!(MailId::parse(text).unwrap().as_str(), expected);
    }
    assert_eq!(id(&"x".repeat(MAX_ID_LEN)).to_string().len(), MAX_ID_LEN + 2);
    for text in [
        "",
        "<>",
        "< >",
        "<a b@c>",
        "<a@b\r\nBcc: c@d>",
        "<a@b>\0",
        "<a@\u{7f}>",
        "<ü@b>",
        "<a@b><c@d>",
        "<a@b",
        "a@b>",
        "<<a@b>>",
    ] {
        assert_eq!(MailId::parse(text), Err(MailIdError), "{text:?}");
    }
    assert_eq!(MailId::parse(&"x".repeat(MAX_ID_LEN + 1)), Err(MailIdError));
    assert_eq!(format!("{:?}", id("jane@example.org")), "MailId(redacted)");
}

#[test]
fn an_answer_refers_to_its_parent_as_the_rfc_says() {
    for (parent, in_reply_to, references) in [
        (mail("<p@x>", "", "", "Hi"), Some("p@x"), vec!["p@x"]),
        (mail("<p@x>", "<b@x>", "<a@x> <b@x>", "Hi"), Some("p@x"), vec!["a@x", "b@x", "p@x"]),
        // No References: the one id of In-Reply-To stands for them, several do not.
        (mail("<p@x>", "<a@x>", "", "Hi"), Some("p@x"), vec!["a@x", "p@x"]),
        (mail("<p@x>", "<a@x> <b@x>", "", "Hi"), Some("p@x"), vec!["p@x"]),
        (mail("<p@x>", "your mail of Monday", "", "Hi"), Some("p@x"), vec!["p@x"]),
        // References without the mail that it answers.
        (mail("<p@x>", "<b@x>", "<a@x>", "Hi"), Some("p@x"), vec!["a@x", "b@x", "p@x"]),
        // No id: what is known of the conversation is repeated, and nothing is said to be answered.
        (mail("", "<a@x>", "<a@x>", "Hi"), None, vec!["a@x"]),
        (mail("", "", "", "Hi"), None, vec![]),
        // Ids that are none, twice, or the mail's own.
        (mail("<p@x>", "", "<a@x> junk<> <a@x> <p@x> <b@x>", "Hi"), Some("p@x"), vec!["a@x", "b@x", "p@x"]),
    ] {
        let reply = parent.reply();
        assert_eq!(reply.in_reply_to.as_ref().map(MailId::as_str), in_reply_to, "{parent:?}");
        assert_eq!(ids(&reply.references), references);
        assert_eq!(reply.subject, "Re: Hi");
    }
}

#[test]
fn a_chain_keeps_its_first_and_its_newest() {
    let many: References = (0..50).map(|n| id(&format!("{n}@x"))).collect();
    assert_eq!(many.as_slice().len(), MAX_REFERENCES);
    assert_eq!(ids(&many)[..2], ["0@x", "31@x"]);
    assert_eq!(many.last(), Some(&id("49@x")));

    let long = |n: usize| id(&format!("{n:0>MAX_ID_LEN$}"));
    let few: References = (0..50).map(long).collect();
    assert_eq!(few.as_slice(), [long(0), long(48), long(49)]);
    assert!(few.to_string().len() <= MAX_REFERENCES_LEN);
}

#[test]
fn a_chain_is_written_as_a_header_and_stored_as_ids() {
    let chain = References::read(["<a@x>", "b@x", "\0"]);
    assert_eq!(chain.to_string(), "<a@x> <b@x>");
    let json = serde_json::to_string(&chain).unwrap();
    assert_eq!(json, r#"["a@x","b@x"]"#);
    assert_eq!(serde_json::from_str::<References>(&json).unwrap(), chain);
    assert!(serde_json::from_str::<References>(r#"["a b"]"#).is_err());
    let stored = serde_json::to_string(&(0..100).map(|n| n.to_string()).collect::<Vec<_>>()).unwrap();
    assert_eq!(serde_json::from_str::<References>(&stored).unwrap().as_slice().len(), MAX_REFERENCES);
}

#[test]
fn a_conversation_moves_forward_with_every_mail() {
    // We write, they answer, we answer, they answer our first mail again.
    let mut head = ThreadHead::begin(&mail("<1@us>", "", "", "Your order"));
    assert_eq!((head.last(), head.subject()), (Some(&id("1@us")), "Your order"));
    let answer = mail("<2@them>", "<1@us>", "<1@us>", "AW: Your order");
    assert!(head.continues(&answer));
    head.advance(&answer);
    let reply = head.reply();
    assert_eq!((reply.in_reply_to, reply.subject.as_str()), (Some(id("2@them")), "Re: Your order"));
    assert_eq!(ids(&reply.references), ["1@us", "2@them"]);
    let third = ThreadedMail { id: Some(id("3@us")), ancestors: reply.references, subject: reply.subject };
    head.advance(&third);
    assert_eq!(head.last(), Some(&id("3@us")));
    let branch = mail("<4@them>", "<1@us>", "<1@us>", "Re: Your order");
    assert!(head.continues(&branch));
    head.advance(&branch);
    assert_eq!(ids(&head.reply().references), ["1@us", "4@them"]);
    assert_eq!(head.base_subject(), "your order");
}

#[test]
fn a_mail_that_names_only_its_parent_keeps_what_was_before_it() {
    let mut head = ThreadHead::begin(&mail("<1@us>", "", "", "Hi"));
    head.advance(&mail("<2@them>", "<1@us>", "<1@us>", "Re: Hi"));
    head.advance(&mail("<3@us>", "<2@them>", "<1@us> <2@them>", "Re: Hi"));
    head.advance(&mail("<4@them>", "<2@them>", "", "Re: Hi"));
    assert_eq!(ids(&head.reply().references), ["1@us", "2@them", "4@them"]);
    // Of a branch that it has not seen, only the first mail is sure.
    head.advance(&mail("<6@them>", "<5@them>", "", "Re: Hi"));
    assert_eq!(ids(&head.reply().references), ["1@us", "5@them", "6@them"]);
}

#[test]
fn a_mail_that_comes_twice_does_not_move_a_conversation_back() {
    let mut head = ThreadHead::begin(&mail("<1@us>", "", "", "Hi"));
    let second = mail("<2@them>", "<1@us>", "<1@us>", "Re: Hi");
    head.advance(&second);
    head.advance(&mail("<3@us>", "", "<1@us> <2@them>", "Re: Hi"));
    let before = head.clone();
    head.advance(&second);
    assert_eq!(head, before);
}

#[test]
fn a_mail_without_ids_joins_where_it_was_found_to_belong() {
    let mut head = ThreadHead::begin(&mail("<1@us>", "", "", "Hi"));
    head.advance(&mail("<2@them>", "", "", "Re: Hi"));
    assert_eq!(ids(&head.reply().references), ["1@us", "2@them"]);
    // Nothing to refer to: the next mail refers to the newest that can be.
    head.advance(&mail("", "", "", "Re: Hi again"));
    assert_eq!((head.reply().in_reply_to, head.subject()), (Some(id("2@them")), "Re: Hi again"));
}

#[test]
fn a_mail_belongs_by_its_ids_and_only_without_any_by_its_subject() {
    let mut head = ThreadHead::begin(&mail("<1@us>", "", "", "Your order"));
    head.advance(&mail("<2@us>", "", "<1@us>", "Re: Your order"));
    for (other, belongs) in [
        (mail("<9@them>", "<1@us>", "", "Something else"), true),
        (mail("<9@them>", "", "<1@us> <8@them>", "Re: Your order"), true),
        (mail("<2@us>", "", "", "Re: Your order"), true),
        (mail("<9@them>", "", "", "Re:  your ORDER"), true),
        (mail("<9@them>", "", "", "Antw: [Shop] Your order (fwd)"), true),
        (mail("<9@them>", "", "", "Your order"), false),
        (mail("<9@them>", "", "", "Re: Your other order"), false),
        (mail("<9@them>", "<7@them>", "", "Re: Your order"), false),
        (mail("<9@them>", "", "", "Re:"), false),
    ] {
        assert_eq!(head.continues(&other), belongs, "{other:?}");
    }
    assert!(!ThreadHead::begin(&mail("<1@us>", "", "", "")).continues(&mail("<9@them>", "", "", "Re:")));
}

#[test]
fn the_base_subject_is_that_of_the_rfc_and_of_other_languages() {
    for subject in [
        "Hello World",
        "Re: Hello World",
        "RE:Hello World",
        "re : Hello  World",
        "Re: Re: Hello World",
        "Fwd: Hello World",
        "FW: Hello World",
        "Fw: Re: Hello World (fwd)",
        "Hello World (FWD) (fwd)",
        "[fwd: Hello World]",
        "[Fwd: Re: [list] Hello World]",
        "Re: [fwd: [fwd: Hello World]]",
        "[list] Hello World",
        "Re: [list] Hello World",
        "[list] Re: Hello World",
        "[list] Re: [other] Re: Hello World",
        "Re [list]: Hello World",
        "[a] [b] Hello World",
        "AW: Hello World",
        "WG: Hello World",
        "Antw: Hello World",
        "Antwort: Hello World",
        "SV: Hello World",
        "VS: Hello World",
        "VL: Hello World",
        "TR : Hello World",
        "RV: Hello World",
        "RES: Hello World",
        "ENC: Hello World",
        "R: Hello World",
        "I: Hello World",
        "Odp: Hello World",
        "PD: Hello World",
        "YNT: Hello World",
        "İLT: Hello World",
        "ilt: Hello World",
        "ΑΠ: Hello World",
        "ΠΡΘ: Hello World",
        "Отв: Hello World",
        "答复: Hello World",
        "回复：Hello World",
        "转发：Re: Hello World",
        "회신: Hello World",
        "Re[2]: Hello World",
        "Re[12]:Hello World",
        "Re(2): Hello World",
        "Re^3: Hello World",
        "RE*2: Hello World",
        "Re2: Hello World",
        "AW: Re: SV: Hello World",
        " \tHello\r\n World ",
        "re: HELLO WORLD",
    ] {
        assert_eq!(base_subject(subject), "hello world", "{subject:?}");
    }
    for (subject, base) in [
        ("", ""),
        ("Re:", ""),
        ("Re: Fwd:", ""),
        ("(fwd)", ""),
        ("[list]", "[list]"),
        ("Re: [list]", "[list]"),
        ("[a] [b]", "[b]"),
        ("Regarding: x", "regarding: x"),
        ("Retro: x", "retro: x"),
        ("Re x", "re x"),
        ("Re-: x", "re-: x"),
        ("[unclosed x", "[unclosed x"),
        ("[a[b] x", "[a[b] x"),
        ("x [fwd: y]", "x [fwd: y]"),
        ("[fwd: x] y", "[fwd: x] y"),
        ("12: x", "12: x"),
        ("Re(x): y", "re(x): y"),
        ("Re(): y", "re(): y"),
        ("Grüße", "grüße"),
        ("x (fwd) y", "x (fwd) y"),
    ] {
        assert_eq!(base_subject(subject), base, "{subject:?}");
    }
}

#[test]
fn an_answer_says_re_once() {
    for (subject, reply) in [
        ("Hello", "Re: Hello"),
        ("Re: Hello", "Re: Hello"),
        ("RE: Hello", "Re: Hello"),
        ("AW: Re: Hello", "Re: Hello"),
        ("Re[2]: Hello", "Re: Hello"),
        ("回复：Hello", "Re: Hello"),
        ("Fwd: Hello", "Re: Fwd: Hello"),
        ("Re: [list] Re: Hello", "Re: [list] Re: Hello"),
        ("", "Re:"),
        ("Re:", "Re:"),
        (" a\r\n\tb ", "Re: a b"),
        ("a\0b", "Re: a b"),
    ] {
        assert_eq!(reply_subject(subject), reply, "{subject:?}");
    }
    assert!(
        is_reply("Re: x")
            && is_reply("[list] AW: x")
            && !is_reply("Fwd: x")
            && !is_reply("x")
            && !is_reply("Regarding: x")
    );
}

#[test]
fn a_conversation_stays_small() {
    let mut head = ThreadHead::begin(&mail("<0@us>", "", "", &"ä".repeat(10_000)));
    for n in 1..100 {
        let long = format!("<{n:0>250}>");
        head.advance(&ThreadedMail {
            id: MailId::parse(&long).ok(),
            ancestors: head.reply().references,
            subject: "ä".repeat(10_000),
        });
    }
    assert!(serde_json::to_string(&head).unwrap().len() < 2_100);
    assert!(head.subject().len() <= MAX_SUBJECT_LEN && head.reply().subject.len() <= MAX_SUBJECT_LEN);
}

fn any_id() -> impl Strategy<Value = String> {
    prop_oneof!["<[a-c]{1,2}@x>", "[!-~]{1,300}", "\\PC{0,20}"]
}

proptest! {
    #[test]
    fn every_chain_keeps_to_its_bounds_and_ends_in_its_newest(texts in prop::collection::vec(any_id(), 0..80)) {
        let kept: Vec<MailId> = texts.iter().filter_map(|text| MailId::parse(text).ok()).collect();
        let mut chain = References::default();
        for id in &kept {
            chain.push(id.clone());
            prop_assert_eq!(chain.last(), Some(id));
            let line = chain.to_string();
            prop_assert!(chain.as_slice().len() <= MAX_REFERENCES && line.len() <= MAX_REFERENCES_LEN);
            prop_assert!(line.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()));
            let unique: std::collections::HashSet<_> = chain.as_slice().iter().collect();
            prop_assert_eq!(unique.len(), chain.as_slice().len());
        }
        let read = References::read(texts.iter().map(String::as_str));
        prop_assert_eq!(read.as_slice().first(), kept.first());
        // What is kept reads back as it is.
        prop_assert_eq!(References::read(read.to_string().split(' ')), read);
    }

    #[test]
    fn answering_a_subject_changes_nothing_but_its_prefix(subject in "\\PC{0,60}") {
        let reply = reply_subject(&subject);
        prop_assert_eq!(&reply_subject(&reply), &reply);
        prop_assert_eq!(base_subject(&reply), base_subject(&subject));
        prop_assert!(is_reply(&reply));
    }

    #[test]
    fn no_subject_is_too_strange(subject in "[\\[\\]():：^*2 RrEeFfWwDd回复\r\n\t\0İßä-]{0,600}") {
        let reply = reply_subject(&subject);
        prop_assert_eq!(&reply_subject(&reply), &reply);
        prop_assert!(reply.len() <= MAX_SUBJECT_LEN && !reply.contains(char::is_control));
        prop_assert_eq!(base_subject(&base_subject(&subject)), base_subject(&subject));
    }
}
