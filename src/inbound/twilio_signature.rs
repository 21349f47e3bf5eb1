//! `X-Twilio-Signature`: whether a request was sent by Twilio, for our account
//! (<https://www.twilio.com/docs/usage/security>).
//!
//! HMAC-SHA1 under the account's auth token, over the URL that Twilio called and then every POST parameter, name
//! and value without anything between, sorted by name. A body that is no form is signed by its SHA-256, which stands
//! in the URL as `bodySHA256`. The URL is the *public* one: what a proxy made of it on the way here does not count.
//! Twilio signs some requests with the port in it and some without, so that either holds, as in its own libraries.
//!
//! A signature has no time in it: whoever saw a request can send it again, and what is done with one must bear that.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};
pub use sendwheel_actors::domain::signatures::twilio::HEADER;
use sendwheel_actors::domain::signatures::twilio::signed_form;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const BODY_HASH: &str = "bodySHA256";

/// What of a request's body is signed, besides the URL.
#[derive(Clone, Copy)]
pub enum Signed<'a> {
    /// The parameters of a form, decoded; none for a GET.
    Form(&'a [(String, String)]),
    /// Any other body, as it came.
    Raw(&'a [u8]),
}

/// Why no request can be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the auth token is empty: anyone could sign with it")]
pub struct EmptyToken;

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TwilioSignatureError {
    /// The body is none of a form, and the URL does not say its hash, or another.
    #[error("the request's body is not the one that Twilio signed: check that nothing on the way changes it")]
    Body,
    /// Another URL, other parameters or another token.
    #[error("the request's signature is not Twilio's: check server.public_url and sms.twilio.auth_token")]
    Signature,
}

/// Checks signatures of one account.
#[derive(Clone)]
pub struct TwilioVerifier(hmac::Key);

impl std::fmt::Debug for TwilioVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TwilioVerifier(redacted)")
    }
}

impl TwilioVerifier {
    /// For the account with this auth token.
    ///
    /// # Errors
    /// Refuses an empty token.
    pub fn new(auth_token: &SecretString) -> Result<Self, EmptyToken> {
        match auth_token.expose_secret().as_bytes() {
            [] => Err(EmptyToken),
            token => Ok(Self(hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, token))),
        }
    }

    /// Checks a request to `url`: the base of our public address, and path and query as they came, untouched.
    ///
    /// # Errors
    /// Says why the request is refused.
    pub fn verify(&self, url: &str, body: Signed<'_>, signature: &str) -> Result<(), TwilioSignatureError> {
        let parameters = match body {
            Signed::Form(pairs) => signed_form(pairs),
            Signed::Raw(bytes) if is_body_of(url, bytes) => String::new(),
            Signed::Raw(_) => return Err(TwilioSignatureError::Body),
        };
        let given = STANDARD.decode(signature).unwrap_or_default();
        let is_signed_as = |url: &str| {
            let mut context = hmac::Context::with_key(&self.0);
            context.update(url.as_bytes());
            context.update(parameters.as_bytes());
            context.sign().as_ref().ct_eq(&given)
        };
        let is_signed = is_signed_as(&with_port(url)) | is_signed_as(&without_port(url));
        if is_signed.into() { Ok(()) } else { Err(TwilioSignatureError::Signature) }
    }
}

/// Whether the URL says this body's hash.
fn is_body_of(url: &str, body: &[u8]) -> bool {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let said = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == BODY_HASH);
    said.is_some_and(|(_, hash)| hash.eq_ignore_ascii_case(&hex::encode(Sha256::digest(body))))
}

/// The parts of a URL before its port, the port with its colon, and what follows.
fn split_port(url: &str) -> (&str, &str, &str) {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at);
    // A colon in brackets is part of an IPv6 address, one before `@` of credentials.
    let host = url[start..end].rfind(['@', ']']).map_or(start, |at| start + at);
    let port = url[host..end].find(':').map_or(end, |at| host + at);
    (&url[..port], &url[port..end], &url[end..])
}

fn with_port(url: &str) -> String {
    match split_port(url) {
        (before, "", after) => {
            let port = if before.starts_with("https:") { 443 } else { 80 };
            format!("{before}:{port}{after}")
        }
        _ => url.to_owned(),
    }
}

fn without_port(url: &str) -> String {
    let (before, _, after) = split_port(url);
    format!("{before}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://example.com/myapp.php?foo=1&bar=2";
    const SIGNATURE: &str = "L/OH5YylLD5NRKLltdqwSvS0BnU=";

    fn verifier() -> TwilioVerifier {
        TwilioVerifier::new(&"12345".to_owned().into()).unwrap()
    }

    fn form(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn call() -> Vec<(String, String)> {
        form(&[
            ("Digits", "1234"),
            ("CallSid", "CA1234567890ABCDE"),
            ("To", "+18005551212"),
            ("Caller", "+14158675310"),
            ("From", "+14158675310"),
        ])
    }

    /// As Twilio signs.
    fn signed(text: &str) -> String {
        STANDARD.encode(hmac::sign(&verifier().0, text.as_bytes()))
    }

    #[test]
    fn the_example_of_twilio_s_documentation_is_valid() {
        assert_eq!(verifier().verify(URL, Signed::Form(&call()), SIGNATURE), Ok(()));
    }

    #[test]
    fn what_was_changed_on_the_way_is_refused() {
        let refused = Err(TwilioSignatureError::Signature);
        let check = |url: &str, pairs: &[(String, String)], signature: &str| {
            verifier().verify(url, Signed::Form(pairs), signature)
        };
        for url in
            ["https://example.com/myapp.php?foo=1&bar=3", "http://example.com/myapp.php?foo=1&bar=2", "", "https://"]
        {
            assert_eq!(check(url, &call(), SIGNATURE), refused, "{url}");
        }
        let mut other = call();
        other[0].1.push('5');
        assert_eq!(check(URL, &other, SIGNATURE), refused);
        assert_eq!(check(URL, &call()[1..], SIGNATURE), refused);
        for signature in
            ["", "x", "L/OH5YylLD5NRKLltdqwSvS0BnU", "M/OH5YylLD5NRKLltdqwSvS0BnU=", &SIGNATURE.to_lowercase()]
        {
            assert_eq!(check(URL, &call(), signature), refused, "{signature}");
        }
        let other = TwilioVerifier::new(&"12346".to_owned().into()).unwrap();
        assert_eq!(other.verify(URL, Signed::Form(&call()), SIGNATURE), refused);
    }

    #[test]
    fn a_url_is_valid_with_its_port_and_without() {
        for (called, signed_urls) in [
            ("https://example.com/x", ["https://example.com/x", "https://example.com:443/x"]),
            ("https://example.com:443/x", ["https://example.com/x", "https://example.com:443/x"]),
            ("http://example.com", ["http://example.com", "http://example.com:80"]),
            ("https://example.com:8443/x?a=b:c", ["https://example.com/x?a=b:c", "https://example.com:8443/x?a=b:c"]),
            ("https://example.com?a=b/c:d", ["https://example.com?a=b/c:d", "https://example.com:443?a=b/c:d"]),
            ("https://[2001:db8::1]/x", ["https://[2001:db8::1]/x", "https://[2001:db8::1]:443/x"]),
            ("https://[2001:db8::1]:8443/x", ["https://[2001:db8::1]/x", "https://[2001:db8::1]:8443/x"]),
            (
                "https://ann:word@example.com/x",
                ["https://ann:word@example.com/x", "https://ann:word@example.com:443/x"],
            ),
        ] {
            for url in signed_urls {
                assert_eq!(verifier().verify(called, Signed::Form(&[]), &signed(url)), Ok(()), "{called} {url}");
            }
            let other = signed("https://example.com:81/x");
            assert_eq!(verifier().verify(called, Signed::Form(&[]), &other), Err(TwilioSignatureError::Signature));
        }
    }

    #[test]
    fn parameters_are_sorted_and_one_that_comes_twice_is_signed_once() {
        let pairs = form(&[("b", "2"), ("a", "2"), ("a", "1"), ("a", "2"), ("B", ""), ("ü", "x")]);
        let url = "https://example.com/x";
        let signature = signed(&format!("{url}Ba1a2b2üx"));
        assert_eq!(verifier().verify(url, Signed::Form(&pairs), &signature), Ok(()));
    }

    #[test]
    fn a_body_that_is_no_form_is_signed_by_its_hash() {
        let body = br#"{"property": "value", "boolean": true}"#;
        // Of Twilio's libraries' own tests.
        let hash = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
        let url = format!("{URL}&bodySHA256={hash}");
        let check = |url: &str, body: &[u8]| verifier().verify(url, Signed::Raw(body), &signed(url));
        assert_eq!(check(&url, body), Ok(()));
        assert_eq!(check(&url, b"{}"), Err(TwilioSignatureError::Body));
        // Without a hash anybody could put another body under a signature.
        assert_eq!(check(URL, body), Err(TwilioSignatureError::Body));
        assert_eq!(check(&format!("{URL}&bodySHA256="), body), Err(TwilioSignatureError::Body));
        // A hash said for a form does not take the form out of what is signed.
        let as_form = verifier().verify(&url, Signed::Form(&call()), &signed(&url));
        assert_eq!(as_form, Err(TwilioSignatureError::Signature));
    }

    #[test]
    fn an_empty_token_checks_nothing_and_no_token_is_shown() {
        assert_eq!(TwilioVerifier::new(&String::new().into()).unwrap_err(), EmptyToken);
        assert_eq!(format!("{:?}", verifier()), "TwilioVerifier(redacted)");
    }
}
