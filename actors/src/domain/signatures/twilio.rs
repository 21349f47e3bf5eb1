//! `X-Twilio-Signature` (<https://www.twilio.com/docs/usage/security>): HMAC-SHA1 under an auth token, over the URL
//! that is called and then every parameter of the form, name and value without anything between, sorted.
//!
//! Made here, for what is posted to a `StatusCallback`; what Twilio itself posts is checked at the HTTP edge.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

/// The header that carries the signature.
pub const HEADER: &str = "X-Twilio-Signature";

/// What Twilio's libraries call an auth token: signs, and is shared with whoever checks.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthToken(String);

impl std::fmt::Debug for AuthToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuthToken(redacted)")
    }
}

impl AuthToken {
    /// 16 bytes as 32 hex digits: the shape that Twilio's own have.
    #[must_use]
    pub fn of_bytes(bytes: [u8; 16]) -> Self {
        Self(hex::encode(bytes))
    }

    /// The token, for the eyes of an admin alone.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The header's value for a form that is posted to this URL.
    #[must_use]
    pub fn sign(&self, url: &str, form: &[(String, String)]) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.0.as_bytes());
        STANDARD.encode(hmac::sign(&key, format!("{url}{}", signed_form(form)).as_bytes()))
    }
}

/// Names and values, sorted by both; the same pair twice is signed once.
#[must_use]
pub fn signed_form(pairs: &[(String, String)]) -> String {
    let mut pairs: Vec<_> = pairs.iter().collect();
    pairs.sort_unstable();
    pairs.dedup();
    pairs.into_iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_twilio_s_documentation_is_signed_as_there() {
        let form = [
            ("Digits", "1234"),
            ("CallSid", "CA1234567890ABCDE"),
            ("To", "+18005551212"),
            ("Caller", "+14158675310"),
            ("From", "+14158675310"),
        ];
        let form = form.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let token = AuthToken("12345".into());
        assert_eq!(token.sign("https://example.com/myapp.php?foo=1&bar=2", &form), "L/OH5YylLD5NRKLltdqwSvS0BnU=");
    }

    #[test]
    fn a_token_has_twilio_s_shape_and_is_never_shown() {
        let token = AuthToken::of_bytes([0xab; 16]);
        assert_eq!(token.expose(), "ab".repeat(16));
        assert_eq!(format!("{token:?}"), "AuthToken(redacted)");
    }
}
