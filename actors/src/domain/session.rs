//! What a browser holds: the token in its cookie, and the token that its scripts send along.
//!
//! The cookie goes with every request that the browser makes to us, also with those that another site made it
//! make. So whatever changes something needs a second token that only our own pages can read: HMAC-SHA256 over
//! the session with the installation's own key. It need not be stored, and is worth nothing without the cookie.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::source::IdSource;

/// Keeps these tags apart from whatever else is signed with the same key.
const PURPOSE: &[u8] = b"sendwheel csrf\0";
/// Characters of either token: 256 bits as base64url without padding.
const TOKEN_LEN: usize = 43;

/// The token in a session's cookie: 256 random bits.
#[derive(Clone)]
pub struct SessionToken(SecretString);

impl std::fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionToken(redacted)")
    }
}

impl SessionToken {
    /// A new one.
    #[must_use]
    pub fn new(ids: &IdSource) -> Self {
        let mut bytes = [0; 32];
        ids.fill(&mut bytes);
        Self(SecretString::from(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The text in the cookie.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// What a token that a browser sent is kept and found as; `None` for what cannot be one.
    #[must_use]
    pub fn hash_of(text: &[u8]) -> Option<[u8; 32]> {
        let is_one = text.len() == TOKEN_LEN
            && text.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        is_one.then(|| Sha256::digest(text).into())
    }

    /// What it is kept and found as.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.expose().as_bytes()).into()
    }
}

/// The key behind the second token.
#[derive(Clone)]
pub struct CsrfKey(hmac::Key);

impl std::fmt::Debug for CsrfKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CsrfKey(redacted)")
    }
}

impl CsrfKey {
    /// The key of 32 random bytes.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The second token of the session that is kept as `session_hash`.
    #[must_use]
    pub fn token(&self, session_hash: &[u8; 32]) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, &[PURPOSE, session_hash].concat()))
    }

    /// Whether a text is that token; compared in constant time.
    #[must_use]
    pub fn verify(&self, session_hash: &[u8; 32], text: &[u8]) -> bool {
        text.len() == TOKEN_LEN
            && URL_SAFE_NO_PAD
                .decode(text)
                .is_ok_and(|tag| hmac::verify(&self.0, &[PURPOSE, session_hash].concat(), &tag).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_token_has_256_bits_and_is_found_by_its_hash() {
        let (one, other) = (SessionToken::new(&IdSource::seeded(1)), SessionToken::new(&IdSource::seeded(2)));
        assert_eq!(one.expose().len(), TOKEN_LEN);
        assert_ne!(one.expose(), other.expose());
        assert_eq!(SessionToken::hash_of(one.expose().as_bytes()), Some(one.hash()));
        assert_eq!(format!("{one:?}"), "SessionToken(redacted)");
    }

    #[test]
    fn what_cannot_be_a_token_is_not_looked_up() {
        let token = SessionToken::new(&IdSource::seeded(1));
        let good = token.expose();
        for text in ["", &good[1..], &format!("{good}A"), &format!("{}=", &good[1..]), &format!("{} ", &good[1..])] {
            assert_eq!(SessionToken::hash_of(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn the_second_token_belongs_to_one_session_and_one_installation() {
        let (key, session) = (CsrfKey::new(&[1; 32]), [7; 32]);
        let token = key.token(&session);
        assert!(key.verify(&session, token.as_bytes()));
        assert!(!key.verify(&[8; 32], token.as_bytes()));
        assert!(!CsrfKey::new(&[2; 32]).verify(&session, token.as_bytes()));
        for text in ["", "x", &token[1..], &token.to_lowercase(), &format!("{token}A")] {
            assert!(!key.verify(&session, text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn an_unsubscribe_link_s_signature_is_no_second_token() {
        let signed = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &[1; 32]), &[7; 32]);
        let text = URL_SAFE_NO_PAD.encode(signed);
        assert!(!CsrfKey::new(&[1; 32]).verify(&[7; 32], text.as_bytes()));
    }
}
