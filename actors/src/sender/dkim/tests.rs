use super::*;

/// RFC 8463 appendix A.2: the example's key, wrapped into PKCS#8 by hand.
fn ed25519_pem() -> SecretString {
    let seed = BASE64.decode("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=").unwrap();
    let mut der = hex::decode("302e020100300506032b657004220420").unwrap();
    der.extend(seed);
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64.encode(der)).into()
}

fn settings(domain: &str, selector: &str, private_key: SecretString) -> DkimSettings {
    DkimSettings { domain: domain.into(), selector: selector.into(), private_key }
}

#[test]
fn the_relaxed_forms_are_those_of_the_rfc() {
    // RFC 6376 §3.4.5, examples 1 and 2.
    let mut head = Vec::new();
    for (name, value) in split_fields(b"A: X\r\nB : Y\t\r\n\tZ  \r\n") {
        relaxed_header(name, value, &mut head);
    }
    assert_eq!(head, b"a:X\r\nb:Y Z\r\n");
    assert_eq!(relaxed_body_hash(b" C \r\nD \t E\r\n\r\n\r\n"), <[u8; 32]>::from(Sha256::digest(b" C\r\nD E\r\n")));
    assert_eq!(relaxed_body_hash(b"\r\n\r\n"), <[u8; 32]>::from(Sha256::digest(b"")));
    assert_eq!(relaxed_body_hash(b"a\r\n\r\nb"), <[u8; 32]>::from(Sha256::digest(b"a\r\n\r\nb\r\n")));
}

#[test]
fn the_body_hash_is_that_of_rfc_8463() {
    let body = b"Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n";
    assert_eq!(BASE64.encode(relaxed_body_hash(body)), "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");
}

#[test]
fn an_ed25519_signature_verifies_with_the_public_key_of_rfc_8463() {
    let signer = Signer::new(&[settings("football.example.com", "brisbane", ed25519_pem())]).unwrap();
    let mail = b"From: Joe <joe@football.example.com>\r\nSubject: Is\r\n dinner ready?\r\n\r\nHi.\r\n".to_vec();
    let signed = String::from_utf8(signer.sign("football.example.com", UnixMs(1_528_637_909_000), mail)).unwrap();
    let (header, rest) = signed.split_once("\r\nFrom:").unwrap();
    assert!(rest.ends_with("\r\n\r\nHi.\r\n"));
    let (unsigned, signature) = header.split_once("\tb=").unwrap();
    let (_, value) = unsigned.split_once(':').unwrap();
    assert!(value.contains("h=From:From:To:Subject:Subject:\r\n\t Date:"), "{value}");
    let mut data = b"from:Joe <joe@football.example.com>\r\nsubject:Is dinner ready?\r\n".to_vec();
    relaxed_header(b"DKIM-Signature", format!("{value}\tb=").as_bytes(), &mut data);
    data.truncate(data.len() - 2);
    let signature: String = signature.split_whitespace().collect();
    let public = BASE64.decode("11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=").unwrap();
    ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, public)
        .verify(&Sha256::digest(&data), &BASE64.decode(signature).unwrap())
        .unwrap();
}

#[test]
fn the_longest_matching_domain_signs() {
    let signer = Signer::new(&[
        settings("example.com", "a", ed25519_pem()),
        settings("mail.example.com", "b", ed25519_pem()),
        settings("mail.example.com", "c", ed25519_pem()),
    ])
    .unwrap();
    let selectors = |domain: &str| signer.keys_for(domain).iter().map(|key| key.selector.clone()).collect::<Vec<_>>();
    assert_eq!(selectors("example.com"), ["a"]);
    assert_eq!(selectors("x.mail.example.com"), ["b", "c"]);
    assert!(!signer.has_key_for("badexample.com"));
    assert_eq!(signer.sign("other.org", UnixMs(0), b"A: b\r\n\r\nc".to_vec()), b"A: b\r\n\r\nc");
}

#[test]
fn a_key_that_cannot_sign_is_refused_without_showing_it() {
    let secret = "MC4CAQAwBQYDK2VwBCIEIHNlY3JldA==";
    for pem in [
        "not pem".to_owned(),
        format!("-----BEGIN PRIVATE KEY-----\n{secret}\n-----END PRIVATE KEY-----\n"),
        format!("-----BEGIN EC PRIVATE KEY-----\n{secret}\n-----END EC PRIVATE KEY-----\n"),
    ] {
        let settings = settings("example.com", "s", pem.into());
        assert!(!format!("{settings:?}").contains(secret));
        let error = Signer::new(&[settings]).unwrap_err().to_string();
        assert!(error.contains("s._domainkey.example.com") && !error.contains(secret), "{error}");
    }
    assert!(Signer::new(&[settings("exa\r\nmple", "s", ed25519_pem())]).is_err());
}
