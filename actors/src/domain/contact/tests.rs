use super::*;

fn email(text: &str, primary: bool) -> ContactEmail {
    ContactEmail { address: EmailAddress::parse(text).unwrap(), label: None, primary }
}

fn phone(text: &str, primary: bool) -> ContactPhone {
    ContactPhone { number: PhoneNumber::parse(text).unwrap(), label: None, primary }
}

#[test]
fn exactly_one_address_of_each_kind_is_primary() {
    for (marked, expected) in [
        ([false, false, false], 0),
        ([true, false, false], 0),
        ([false, false, true], 2),
        ([false, true, true], 1),
        ([true, true, true], 0),
    ] {
        let mut profile = Profile {
            emails: marked.iter().enumerate().map(|(n, on)| email(&format!("{n}@example.com"), *on)).collect(),
            phones: marked.iter().enumerate().map(|(n, on)| phone(&format!("+1212555010{n}"), *on)).collect(),
            ..Profile::default()
        };
        profile.choose_primaries();
        let on = |at: usize| at == expected;
        assert!(profile.emails.iter().enumerate().all(|(at, email)| email.primary == on(at)), "{marked:?}");
        assert!(profile.phones.iter().enumerate().all(|(at, phone)| phone.primary == on(at)), "{marked:?}");
        let primary = |channel| profile.primary(channel).unwrap().to_string();
        assert_eq!(primary(Channel::Email), format!("{expected}@example.com"));
        assert_eq!(primary(Channel::Sms), format!("+1212555010{expected}"));
    }
    let mut empty = Profile::default();
    empty.choose_primaries();
    assert_eq!((empty.primary(Channel::Email), empty.primary(Channel::Sms)), (None, None));
}

#[test]
fn an_address_belongs_to_a_contact_whatever_its_domain_s_case() {
    let profile = Profile {
        emails: vec![email("Jane@Example.com", true)],
        phones: vec![phone("+1 212 555 0123", true)],
        ..Profile::default()
    };
    let has = |channel, text| profile.has(&Address::parse(channel, text).unwrap());
    assert!(has(Channel::Email, "Jane@EXAMPLE.com"));
    assert!(!has(Channel::Email, "joe@example.com"));
    assert!(has(Channel::Sms, "+12125550123"));
    assert!(!has(Channel::Sms, "+12125550124"));
    assert_eq!(
        profile.addresses().map(|address| address.to_string()).collect::<Vec<_>>(),
        ["Jane@example.com", "+12125550123"]
    );
}

#[test]
fn a_contact_is_found_by_name_address_number_and_external_id() {
    let profile = Profile {
        name: Some("  Jörg Van  MÜLLER ".into()),
        emails: vec![email("J.M@Example.com", true), email("other@example.com", false)],
        phones: vec![phone("+4930901820", true)],
        external_id: Some("CRM-7".into()),
        ..Profile::default()
    };
    assert_eq!(
        profile.search_terms(),
        [
            "4930901820",
            "crm-7",
            "example.com",
            "j.m@example.com",
            "jörg van  müller",
            "müller",
            "other@example.com",
            "van",
        ]
    );
    assert!(Profile::default().search_terms().is_empty());
    assert!(Profile { name: Some("  ".into()), ..Profile::default() }.search_terms().is_empty());
}

#[test]
fn search_terms_are_bounded_and_keep_name_and_external_id() {
    let numbered = |n: usize| format!("+12125550{n:03}");
    let profile = Profile {
        name: Some(format!("Zoe {} {}", "ü".repeat(100), "w ".repeat(50))),
        emails: (0..20).map(|n| email(&format!("a{n}@d{n}.example"), n == 0)).collect(),
        phones: (0..20).map(|n| phone(&numbered(n), n == 0)).collect(),
        external_id: Some("zz-9".into()),
        ..Profile::default()
    };
    let terms = profile.search_terms();
    assert_eq!(terms.len(), MAX_TERMS);
    assert!(terms.is_sorted());
    assert!(terms.iter().all(|term| !term.is_empty() && term.len() <= MAX_TERM_BYTES));
    assert!(terms.contains(&"ü".repeat(32)), "a long word is cut between characters");
    for expected in ["zz-9", "w", "a0@d0.example", "d0.example", &numbered(0)[1..]] {
        assert!(terms.iter().any(|term| term == expected), "{expected}");
    }
    assert!(terms.iter().any(|term| term.starts_with("zoe ü")));
}

#[test]
fn consent_and_last_use_are_kept_by_channel() {
    let consent = ConsentByChannel { email: Consent::Granted, sms: Consent::Denied };
    assert_eq!((consent.on(Channel::Email), consent.on(Channel::Sms)), (Consent::Granted, Consent::Denied));
    assert_eq!(ConsentByChannel::default().on(Channel::Sms), Consent::Unknown);
    let mut contact = Contact {
        id: ContactId::from_bytes([1; 16]),
        account: AccountNo(1),
        version: 1,
        life: Life::Live,
        merges: Merges::default(),
        profile: Profile::default(),
        last_email: LastUsed::default(),
        last_sms: LastUsed::default(),
        conversation: Default::default(),
        created_at: UnixMs(0),
        updated_at: UnixMs(0),
        request_hash: None,
        habit: None,
        sent: Vec::new(),
    };
    let sender = Some(SenderId::from_bytes([2; 16]));
    contact.last_sms.sender = sender;
    assert_eq!((contact.last_used(Channel::Sms).sender, contact.last_used(Channel::Email).sender), (sender, None));
    assert!(contact.is_live());
    contact.life = Life::Tombstone { at: UnixMs(5), removal: Removal::Delete };
    assert!(contact.is_deleted());
}
