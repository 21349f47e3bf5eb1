use proptest::prelude::*;

use super::*;

fn email(text: &str) -> Result<String, AddressError> {
    EmailAddress::parse(text).map(String::from)
}

fn phone(text: &str) -> Result<String, AddressError> {
    PhoneNumber::parse(text).map(String::from)
}

#[test]
fn email_addresses_are_read_and_their_domains_put_into_one_spelling() {
    for (text, expected) in [
        ("jane@example.com", "jane@example.com"),
        ("Jane.Doe+tag@Example.COM", "Jane.Doe+tag@example.com"),
        ("o'brien@example.co.uk", "o'brien@example.co.uk"),
        ("a@b.c", "a@b.c"),
        ("1@example.com", "1@example.com"),
        ("!#$%&'*+-/=?^_`{|}~@example.com", "!#$%&'*+-/=?^_`{|}~@example.com"),
        ("admin@localhost", "admin@localhost"),
        ("a@sub-domain.example.com", "a@sub-domain.example.com"),
        ("a@r3---x.example.com", "a@r3---x.example.com"),
        ("jane@müller.example", "jane@xn--mller-kva.example"),
        ("jane@MÜLLER.example", "jane@xn--mller-kva.example"),
        ("jane@xn--mller-kva.example", "jane@xn--mller-kva.example"),
        ("jane@例え.テスト", "jane@xn--r8jz45g.xn--zckzah"),
        ("jane@ｅｘａｍｐｌｅ．com", "jane@example.com"),
        ("用户@example.com", "用户@example.com"),
        ("\"john doe\"@example.com", "\"john doe\"@example.com"),
        ("\"a@b\"@example.com", "\"a@b\"@example.com"),
    ] {
        assert_eq!(email(text), Ok(expected.to_owned()), "{text}");
    }
    let parsed = EmailAddress::parse("\"a@b\"@Example.com").unwrap();
    assert_eq!(parsed.domain(), "example.com");
    assert_eq!(EmailAddress::parse("J@Müller.example").unwrap().domain(), "xn--mller-kva.example");
}

#[test]
fn texts_that_are_no_email_address_are_refused() {
    use AddressError as E;
    for (text, expected) in [
        ("", E::Empty),
        ("jane", E::NotAnEmail),
        ("jane.example.com", E::NotAnEmail),
        ("@example.com", E::NotAnEmail),
        ("a@b@example.com", E::NotAnEmail),
        (".jane@example.com", E::NotAnEmail),
        ("jane.@example.com", E::NotAnEmail),
        ("ja..ne@example.com", E::NotAnEmail),
        ("ja ne@example.com", E::NotAnEmail),
        (" jane@example.com", E::NotAnEmail),
        ("jane(comment)@example.com", E::NotAnEmail),
        ("jane,joe@example.com", E::NotAnEmail),
        ("<jane@example.com>", E::BadDomain),
        ("Jane <jane@example.com>", E::BadDomain),
        ("\"unclosed@example.com", E::NotAnEmail),
        ("jane@", E::BadDomain),
        ("jane@example.com ", E::BadDomain),
        ("jane@exam ple.com", E::BadDomain),
        ("jane@example..com", E::BadDomain),
        ("jane@.example.com", E::BadDomain),
        ("jane@example.com.", E::BadDomain),
        ("jane@-example.com", E::BadDomain),
        ("jane@example-.com", E::BadDomain),
        ("jane@exam_ple.com", E::BadDomain),
        ("jane@example.com, joe@example.com,", E::BadDomain),
        ("jane@xn--\u{fc}.example", E::BadDomain),
        ("jane@[192.0.2.1]", E::BadDomain),
        ("jane@[IPv6:2001:db8::1]", E::BadDomain),
        ("jane@192.0.2.1", E::BadDomain),
        ("jane@exa%6dple.com", E::BadDomain),
        ("jane@example.com/x", E::BadDomain),
        ("jane@example.com:25", E::BadDomain),
        ("mailto:jane@", E::BadDomain),
    ] {
        assert_eq!(email(text), Err(expected), "{text}");
    }
}

#[test]
fn an_address_cannot_carry_a_header_or_hide_a_character() {
    for injected in [
        "\r",
        "\n",
        "\r\n",
        "\0",
        "\t",
        "\u{b}",
        "\u{7f}",
        "\u{85}",
        "\u{a0}",
        "\u{ad}",
        "\u{200b}",
        "\u{200d}",
        "\u{200f}",
        "\u{2028}",
        "\u{2029}",
        "\u{202e}",
        "\u{2066}",
        "\u{3000}",
        "\u{feff}",
        "\u{e0041}",
    ] {
        for text in [
            format!("jane{injected}@example.com"),
            format!("jane@example.com{injected}"),
            format!("jane@exam{injected}ple.com"),
            format!("{injected}jane@example.com"),
            format!("\"ja{injected}ne\"@example.com"),
            format!("jane@example.com{injected}Bcc: joe@example.com"),
        ] {
            assert_eq!(email(&text), Err(AddressError::ControlCharacter), "{text:?}");
        }
    }
    let smtp = "jane@example.com>\r\nRCPT TO:<joe@example.com";
    assert_eq!(email(smtp), Err(AddressError::ControlCharacter));
    assert_eq!(email("\"jane\\\"@example.com"), Err(AddressError::NotAnEmail));
}

#[test]
fn lengths_are_those_of_smtp() {
    let label = "a".repeat(63);
    let domain = format!("{label}.{label}.{}", "b".repeat(61)); // 189 bytes
    assert!(email(&format!("{}@{domain}", "x".repeat(64))).is_ok());
    assert_eq!(email(&format!("{}@{domain}", "x".repeat(65))), Err(AddressError::TooLong));
    assert_eq!(email(&format!("{}@{domain}b", "x".repeat(64))), Err(AddressError::TooLong));
    assert_eq!(email(&format!("x@{}.com", "a".repeat(64))), Err(AddressError::BadDomain));
    assert_eq!(email(&format!("x@{}com", "a.".repeat(130))), Err(AddressError::BadDomain));
    assert_eq!(email(&"x".repeat(1_000_000)), Err(AddressError::TooLong));
    // 40 bytes of UTF-8 a label, 13 of punycode: what counts is what goes over the wire.
    assert!(email(&format!("x@{}.example", "ü".repeat(40))).is_ok());
}

#[test]
fn phone_numbers_are_read_in_the_forms_people_paste() {
    for (text, expected) in [
        ("+12125550123", "+12125550123"),
        ("+1 (212) 555-0123", "+12125550123"),
        ("+1.212.555.0123", "+12125550123"),
        (" +49 30/901820 ", "+4930901820"),
        ("+44 (0)20 7946 0958", "+442079460958"),
        ("+1\u{a0}212\u{202f}555\u{2011}0123", "+12125550123"),
        ("\u{202a}+12125550123\u{202c}", "+12125550123"),
        ("+39 06 1234 5678", "+390612345678"),
        ("+2901234", "+2901234"),
        ("+123456789012345", "+123456789012345"),
    ] {
        assert_eq!(phone(text), Ok(expected.to_owned()), "{text}");
    }
}

#[test]
fn texts_that_are_no_phone_number_are_refused() {
    use AddressError as E;
    for (text, expected) in [
        ("", E::Empty),
        ("+", E::NotE164),
        ("12125550123", E::NotE164),
        ("0012125550123", E::NotE164),
        ("++12125550123", E::NotE164),
        ("+1+2125550123", E::NotE164),
        ("1+2125550123", E::NotE164),
        ("+02125550123", E::NotE164),
        ("+(0)12345", E::NotE164),
        ("+123456", E::NotE164),
        ("+1234567890123456", E::NotE164),
        ("+1212555012a", E::NotE164),
        ("+1-800-FLOWERS", E::NotE164),
        ("+12125550123 x5", E::NotE164),
        ("+12125550123,+12125550124", E::NotE164),
        ("tel:+12125550123", E::NotE164),
        ("+１２１２５５５０１２３", E::NotE164),
        ("+1212555\n0123", E::ControlCharacter),
        ("+12125550123\r\nX: y", E::ControlCharacter),
        ("+12125550123\0", E::ControlCharacter),
        ("+1212555\u{2028}0123", E::NotE164),
        ("+1212555\u{200b}0123", E::NotE164),
    ] {
        assert_eq!(phone(text), Err(expected), "{text}");
    }
    assert_eq!(phone(&"+1 ".repeat(1_000)), Err(E::TooLong));
}

#[test]
fn validity_asks_the_numbering_plan_where_the_fast_path_only_looks_at_the_shape() {
    let valid = |text| PhoneNumber::parse_valid(text).map(String::from);
    for text in ["+12125550123", "+442079460958", "+4930901820", "+390612345678", "+33612345678", "+5511987654321"] {
        assert_eq!(valid(text), Ok(text.to_owned()), "{text}");
    }
    assert_eq!(valid("+44 (0)20 7946 0958"), Ok("+442079460958".to_owned()));
    for text in ["+15550001111", "+1212555012", "+10005550123", "+999123456789", "+4400000000"] {
        assert!(PhoneNumber::parse(text).is_ok(), "{text}");
        assert_eq!(valid(text), Err(AddressError::InvalidNumber), "{text}");
    }
    assert_eq!(valid("12125550123"), Err(AddressError::NotE164));
}

#[test]
fn mailboxes_are_read_with_and_without_a_name() {
    for (text, name, address) in [
        ("jane@example.com", None, "jane@example.com"),
        ("<jane@example.com>", None, "jane@example.com"),
        ("\"\" <jane@example.com>", None, "jane@example.com"),
        ("Jane Doe <jane@example.com>", Some("Jane Doe"), "jane@example.com"),
        ("Jane<jane@example.com>", Some("Jane"), "jane@example.com"),
        ("  Jane  < jane@example.com >  ", Some("Jane"), "jane@example.com"),
        ("\"Doe, Jane\" <jane@example.com>", Some("Doe, Jane"), "jane@example.com"),
        ("\"Jane \\\"JD\\\" Doe\" <jane@example.com>", Some("Jane \"JD\" Doe"), "jane@example.com"),
        ("Jane \"JD\" Doe <jane@example.com>", Some("Jane JD Doe"), "jane@example.com"),
        ("\"<b>\" <jane@example.com>", Some("<b>"), "jane@example.com"),
        ("\"a\\\\b\" <jane@example.com>", Some("a\\b"), "jane@example.com"),
        ("Acme Inc. (Support) <jane@example.com>", Some("Acme Inc. (Support)"), "jane@example.com"),
        ("jane@example.com <jane@example.com>", Some("jane@example.com"), "jane@example.com"),
        ("Jörg Müller 👩‍💻 <j@müller.example>", Some("Jörg Müller 👩‍💻"), "j@xn--mller-kva.example"),
        ("X <\"a>b\"@example.com>", Some("X"), "\"a>b\"@example.com"),
        ("\"a<b\"@example.com", None, "\"a<b\"@example.com"),
    ] {
        let mailbox = Mailbox::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!((mailbox.name.as_deref(), mailbox.address.as_str()), (name, address), "{text}");
    }
}

#[test]
fn texts_that_are_no_mailbox_are_refused() {
    use AddressError as E;
    let long = format!("{} <jane@example.com>", "x".repeat(201));
    for (text, expected) in [
        ("", E::Empty),
        ("Jane", E::NotAnEmail),
        ("Jane <>", E::Empty),
        ("Jane <jane>", E::NotAnEmail),
        ("Jane <jane@example.com", E::NotAnEmail),
        ("Jane jane@example.com>", E::BadDisplayName),
        ("Jane <<jane@example.com>", E::NotAnEmail),
        ("Jane <jane@example.com>>", E::BadDomain),
        ("Jane> <jane@example.com>", E::BadDisplayName),
        ("\"Jane <jane@example.com>", E::BadDisplayName),
        ("\"Jane\\\" <jane@example.com>", E::BadDisplayName),
        ("Doe, Jane <jane@example.com>", E::BadDisplayName),
        ("a@example.com, B <b@example.com>", E::BadDisplayName),
        ("A <a@example.com>, B <b@example.com>", E::NotAnEmail),
        ("team: jane@example.com;", E::BadDomain),
        ("Jane\r\nBcc: x@example.com <jane@example.com>", E::ControlCharacter),
        ("\"Jane\\\n\" <jane@example.com>", E::ControlCharacter),
        ("Jane\u{202e} <jane@example.com>", E::ControlCharacter),
        ("Jane\u{2028} <jane@example.com>", E::ControlCharacter),
        (&long, E::TooLong),
    ] {
        assert_eq!(Mailbox::parse(text).err(), Some(expected), "{text:?}");
    }
    assert_eq!(Mailbox::parse(&"<".repeat(1_000_000)).err(), Some(E::TooLong));
}

#[test]
fn a_mailbox_is_written_so_that_it_can_be_read_and_lettre_reads_it_too() {
    for (name, expected) in [
        ("", "jane@example.com"),
        ("Jane Doe", "Jane Doe <jane@example.com>"),
        ("Acme Inc.", "Acme Inc. <jane@example.com>"),
        ("Doe, Jane", "\"Doe, Jane\" <jane@example.com>"),
        ("a \"b\" \\ c", "\"a \\\"b\\\" \\\\ c\" <jane@example.com>"),
    ] {
        let mailbox = Mailbox::new(name, EmailAddress::parse("jane@example.com").unwrap()).unwrap();
        assert_eq!(mailbox.to_string(), expected);
        let lettre: lettre::message::Mailbox = expected.parse().unwrap();
        assert_eq!(lettre.name.unwrap_or_default(), name);
        assert_eq!(lettre.email.to_string(), "jane@example.com");
    }
}

#[test]
fn a_stored_mailbox_is_checked_when_it_is_read() {
    let stored = |name: &str| rmp_serde::to_vec(&(Some(name), "jane@example.com")).unwrap();
    let mailbox = Mailbox::parse("\"Doe, Jane\" <jane@example.com>").unwrap();
    assert_eq!(rmp_serde::to_vec(&mailbox).unwrap(), stored("Doe, Jane"));
    assert!(rmp_serde::from_slice::<Mailbox>(&stored("Doe, Jane")).is_ok_and(|read| read == mailbox));
    assert!(rmp_serde::from_slice::<Mailbox>(&stored("Jane\r\nBcc: x")).is_err());
    assert!(serde_json::from_str::<EmailAddress>("\"jane@example.com\\r\\n\"").is_err());
    assert!(serde_json::from_str::<PhoneNumber>("\"123\"").is_err());
}

#[test]
fn logs_never_show_an_address() {
    let address = Address::parse(Channel::Email, "jane@example.com").unwrap();
    let mailbox = Mailbox::parse("Jane <jane@example.com>").unwrap();
    let number = Address::parse(Channel::Sms, "+12125550123").unwrap();
    let shown = format!("{address:?} {mailbox:?} {number:?}");
    assert!(!shown.contains("jane") && !shown.contains("Jane") && !shown.contains("555"), "{shown}");
}

#[test]
fn an_address_knows_its_channel() {
    for channel in Channel::ALL {
        assert_eq!(Channel::from_byte(channel as u8), Some(channel));
        let text = match channel {
            Channel::Email => "jane@example.com",
            Channel::Sms => "+12125550123",
            Channel::Webhook => "https://example.com/hook",
        };
        let address = Address::parse(channel, text).unwrap();
        assert_eq!((address.channel(), address.as_str(), address.to_string().as_str()), (channel, text, text));
    }
    assert_eq!(Channel::from_byte(3), None);
    assert_eq!(Address::parse(Channel::Sms, "jane@example.com"), Err(AddressError::NotE164));
}

/// Texts near to addresses: plain ones, and ones with what an attacker or a careless hand adds.
fn near_addresses() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9.+\"\\\\ <>,\r\n\u{0}\u{2028}ü]{0,12}@[a-zA-Z0-9.\\-\\[\\]üß例\u{ad}\u{200b}。]{0,20}",
        "[a-z.+]{1,10}@[a-zA-Zü\\-]{1,10}(\\.[a-zA-Z]{2,6}){0,3}",
        any::<String>(),
    ]
}

proptest! {
    #[test]
    fn a_parsed_email_address_parses_to_itself(text in near_addresses()) {
        if let Ok(address) = EmailAddress::parse(&text) {
            prop_assert_eq!(EmailAddress::parse(address.as_str()), Ok(address.clone()));
            prop_assert!(!address.as_str().chars().any(is_invisible));
            prop_assert!(address.as_str().len() <= MAX_EMAIL_LEN && address.domain().is_ascii());
            prop_assert!(address.as_str().parse::<lettre::Address>().is_ok());
        }
    }

    #[test]
    fn a_parsed_phone_number_parses_to_itself(text in "[+0-9 ()./\\-\u{a0}\u{202a}x\n]{0,24}") {
        if let Ok(number) = PhoneNumber::parse(&text) {
            prop_assert!(is_e164(number.as_str()));
            prop_assert_eq!(PhoneNumber::parse(number.as_str()), Ok(number));
            if let Ok(valid) = PhoneNumber::parse_valid(&text) {
                prop_assert_eq!(PhoneNumber::parse_valid(valid.as_str()), Ok(valid));
            }
        }
    }

    #[test]
    fn no_digits_break_the_numbering_plans(digits in "\\+[1-9][0-9]{6,14}") {
        prop_assert!(PhoneNumber::parse(&digits).is_ok());
        if let Ok(valid) = PhoneNumber::parse_valid(&digits) {
            prop_assert!(is_e164(valid.as_str()));
        }
    }

    #[test]
    fn a_parsed_mailbox_parses_to_itself(name in "[a-zA-Z \"\\\\<>,;:()@.ü\n\u{202e}]{0,20}", address in near_addresses()) {
        for text in [format!("{name} <{address}>"), address.clone(), format!("\"{name}\" <{address}>")] {
            if let Ok(mailbox) = Mailbox::parse(&text) {
                let shown = mailbox.to_string();
                prop_assert!(!shown.chars().any(is_control_like), "{shown:?}");
                prop_assert!(Mailbox::parse(&shown).is_ok_and(|again| again == mailbox), "{shown:?}");
            }
        }
    }

    #[test]
    fn any_name_survives_being_written_and_read(name in any::<String>()) {
        let address = EmailAddress::parse("jane@example.com").unwrap();
        if let Ok(mailbox) = Mailbox::new(&name, address) {
            prop_assert!(Mailbox::parse(&mailbox.to_string()).is_ok_and(|again| again == mailbox));
        }
    }
}
