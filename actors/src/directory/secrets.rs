//! Secrets: passwords are kept as argon2id, API keys as SHA-256 of their 256 random bits. Those of webhooks are kept
//! as they are: they sign what we send.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::domain::signatures::webhook::WebhookSecret;
use crate::domain::source::IdSource;

/// What an API key's secret is kept and found as.
#[must_use]
pub fn hash_api_key(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// A new API key's secret: `sw_` and 43 characters (256 random bits).
pub(super) fn new_api_key(ids: &IdSource) -> String {
    let mut bytes = [0; 32];
    ids.fill(&mut bytes);
    format!("sw_{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// A new webhook's secret: 256 random bits.
pub(super) fn new_webhook_secret(ids: &IdSource) -> WebhookSecret {
    let mut bytes = [0; 32];
    ids.fill(&mut bytes);
    WebhookSecret::from_bytes(&bytes).expect("32 bytes are a secret")
}

/// A password as it is kept (PHC string). Takes tens of milliseconds, on purpose.
pub(super) fn hash_password(password: &SecretString, ids: &IdSource) -> Result<String, String> {
    let mut salt = [0; 16];
    ids.fill(&mut salt);
    Argon2::default()
        .hash_password_with_salt(password.expose_secret().as_bytes(), &salt)
        .map(|hash| hash.to_string())
        .map_err(|error| error.to_string())
}

/// Whether a password is the one that was kept.
#[must_use]
pub fn verify_password(password: &SecretString, kept: &str) -> bool {
    PasswordHash::new(kept)
        .is_ok_and(|hash| Argon2::default().verify_password(password.expose_secret().as_bytes(), &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_recognised_and_another_is_not() {
        let ids = IdSource::seeded(1);
        let kept = hash_password(&SecretString::from("correct horse"), &ids).unwrap();
        assert!(kept.starts_with("$argon2id$"));
        assert!(verify_password(&SecretString::from("correct horse"), &kept));
        assert!(!verify_password(&SecretString::from("battery staple"), &kept));
    }

    #[test]
    fn an_api_key_has_256_bits_and_its_prefix() {
        let key = new_api_key(&IdSource::seeded(1));
        assert!(key.starts_with("sw_") && key.len() == 46, "{key}");
        assert_ne!(key, new_api_key(&IdSource::seeded(2)));
    }
}
