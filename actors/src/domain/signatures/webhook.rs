//! Standard Webhooks 1.0 (<https://www.standardwebhooks.com>): whoever receives one of our webhooks can tell that it
//! is ours, whole and new.
//!
//! Signed is `id.timestamp.body` with HMAC-SHA256, under a secret that is shown to the receiver once. While a secret
//! is replaced, both sign: receivers take any signature that they can check. The timestamp is the attempt's and not
//! the event's, so that a late retry is not refused as a replay; the id is the event's and the same on every attempt.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use ring::hmac;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::domain::clock::UnixMs;

/// How far the clocks of sender and receiver may be apart, either way.
pub const TOLERANCE: Duration = Duration::from_secs(5 * 60);

const SECRET_PREFIX: &str = "whsec_";
const SECRET_LEN: std::ops::RangeInclusive<usize> = 24..=64;
const VERSION: &str = "v1,";
/// Signatures of one webhook that are looked at: one for each secret in use, and there are two at most.
const MAX_SIGNATURES: usize = 16;

/// A text that is no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a webhook secret: expected `whsec_` and the base64 of 24 to 64 random bytes")]
pub struct SecretError;

/// Why a webhook is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// A header is not of its form.
    #[error("the webhook's headers are not valid: expected webhook-id, webhook-timestamp and webhook-signature")]
    Malformed,
    /// Sent too long ago or, by our clock, in the future.
    #[error("the webhook's timestamp is more than five minutes off: check the clocks, or refuse it as a replay")]
    TooFarOff,
    /// No signature is of one of our secrets.
    #[error("no signature of the webhook is valid: check its secret, and that the body is read unchanged")]
    NotSigned,
}

/// A secret shared with the receiver of webhooks. Stored as the receiver needs it: it must be able to sign.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WebhookSecret(Vec<u8>);

impl std::fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookSecret(redacted)")
    }
}

impl TryFrom<String> for WebhookSecret {
    type Error = SecretError;

    fn try_from(text: String) -> Result<Self, SecretError> {
        Self::parse(&text)
    }
}

impl From<WebhookSecret> for String {
    fn from(secret: WebhookSecret) -> Self {
        secret.expose()
    }
}

impl WebhookSecret {
    /// The secret of these random bytes.
    ///
    /// # Errors
    /// Refuses fewer than 24 or more than 64.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SecretError> {
        if SECRET_LEN.contains(&bytes.len()) { Ok(Self(bytes.to_vec())) } else { Err(SecretError) }
    }

    /// Reads `whsec_` and base64, with or without padding.
    ///
    /// # Errors
    /// Refuses every other text.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let encoded = text.strip_prefix(SECRET_PREFIX).ok_or(SecretError)?;
        let bytes = STANDARD_NO_PAD.decode(encoded.trim_end_matches('=')).map_err(|_| SecretError)?;
        Self::from_bytes(&bytes)
    }

    /// The secret as the receiver needs it: to be shown or stored, never logged.
    #[must_use]
    pub fn expose(&self) -> String {
        format!("{SECRET_PREFIX}{}", STANDARD.encode(&self.0))
    }

    fn tag(&self, id: &str, seconds: i64, body: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &self.0));
        context.update(id.as_bytes());
        context.update(format!(".{seconds}.").as_bytes());
        context.update(body);
        context.sign()
    }
}

/// What goes along with a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHeaders {
    /// `webhook-timestamp`: whole seconds since 1970.
    pub timestamp: String,
    /// `webhook-signature`: one for each secret, apart by spaces.
    pub signature: String,
}

/// Signs one attempt to deliver the event `id` (which has no full stop: it ends there in what is signed). The newest
/// secret comes first, and more than one is given only while they are changed over.
#[must_use]
pub fn sign(secrets: &[WebhookSecret], id: &str, at: UnixMs, body: &[u8]) -> SignedHeaders {
    debug_assert!(is_id(id), "ids of events are TypeIDs");
    let seconds = at.0.div_euclid(1_000);
    let one = |secret: &WebhookSecret| format!("{VERSION}{}", STANDARD.encode(secret.tag(id, seconds, body)));
    let signature = secrets.iter().map(one).collect::<Vec<_>>().join(" ");
    SignedHeaders { timestamp: seconds.to_string(), signature }
}

/// Checks a webhook as its receiver does: `timestamp` and `signature` are the headers' values.
///
/// # Errors
/// Says why it is refused.
pub fn verify(
    secrets: &[WebhookSecret],
    id: &str,
    timestamp: &str,
    signature: &str,
    body: &[u8],
    now: UnixMs,
) -> Result<(), WebhookError> {
    let is_number = !timestamp.is_empty() && timestamp.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = timestamp.parse::<i64>().ok().filter(|_| is_number && is_id(id)).ok_or(WebhookError::Malformed)?;
    let sent = UnixMs(seconds.saturating_mul(1_000));
    if now.since(sent).max(sent.since(now)) > TOLERANCE {
        return Err(WebhookError::TooFarOff);
    }
    let given: Vec<Vec<u8>> = signature
        .split(' ')
        .take(MAX_SIGNATURES)
        .filter_map(|one| STANDARD.decode(one.strip_prefix(VERSION)?).ok())
        .collect();
    let is_signed = secrets.iter().any(|secret| {
        let tag = secret.tag(id, seconds, body);
        given.iter().any(|given| bool::from(given.as_slice().ct_eq(tag.as_ref())))
    });
    if is_signed { Ok(()) } else { Err(WebhookError::NotSigned) }
}

/// Whether a text can be the id of an event: what is signed must not be readable in two ways.
fn is_id(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'.')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const SENT: UnixMs = UnixMs(1_614_265_330_999);

    fn secret(byte: u8) -> WebhookSecret {
        WebhookSecret::from_bytes(&[byte; 32]).unwrap()
    }

    fn checked(headers: &SignedHeaders, now: UnixMs) -> Result<(), WebhookError> {
        verify(&[secret(1)], ID, &headers.timestamp, &headers.signature, BODY, now)
    }

    #[test]
    fn the_signature_is_that_of_the_specification() {
        // The example of its reference libraries.
        let secret = WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let headers = sign(&[secret], ID, SENT, BODY);
        assert_eq!(headers.timestamp, "1614265330");
        assert_eq!(headers.signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_webhook_is_valid_for_five_minutes_either_way() {
        let headers = sign(&[secret(1)], ID, SENT, BODY);
        let whole_second = UnixMs(1_614_265_330_000);
        for now in [SENT, whole_second.plus(TOLERANCE), whole_second.minus(TOLERANCE)] {
            assert_eq!(checked(&headers, now), Ok(()), "{now}");
        }
        for now in [whole_second.plus(TOLERANCE).plus(Duration::from_millis(1)), UnixMs(0), UnixMs::MAX] {
            assert_eq!(checked(&headers, now), Err(WebhookError::TooFarOff), "{now}");
        }
        let early = whole_second.minus(TOLERANCE).minus(Duration::from_millis(1));
        assert_eq!(checked(&headers, early), Err(WebhookError::TooFarOff));
    }

    #[test]
    fn both_secrets_hold_while_they_are_changed_over() {
        let headers = sign(&[secret(2), secret(1)], ID, SENT, BODY);
        assert_eq!(headers.signature.split(' ').count(), 2);
        assert_eq!(checked(&headers, SENT), Ok(()));
        let old = sign(&[secret(1)], ID, SENT, BODY);
        let both = [secret(2), secret(1)];
        assert_eq!(verify(&both, ID, &old.timestamp, &old.signature, BODY, SENT), Ok(()));
        assert_eq!(checked(&sign(&[secret(2)], ID, SENT, BODY), SENT), Err(WebhookError::NotSigned));
        assert_eq!(checked(&sign(&[], ID, SENT, BODY), SENT), Err(WebhookError::NotSigned));
    }

    #[test]
    fn what_was_changed_on_the_way_is_refused() {
        let SignedHeaders { timestamp, signature } = sign(&[secret(1)], ID, SENT, BODY);
        let check = |id: &str, timestamp: &str, signature: &str, body: &[u8]| {
            verify(&[secret(1)], id, timestamp, signature, body, SENT)
        };
        assert_eq!(check(ID, &timestamp, &signature, BODY), Ok(()));
        assert_eq!(check(ID, &timestamp, &format!("v1a,xyz v2,abc {signature}"), BODY), Ok(()));
        assert_eq!(check("msg_2", &timestamp, &signature, BODY), Err(WebhookError::NotSigned));
        assert_eq!(check(ID, "1614265331", &signature, BODY), Err(WebhookError::NotSigned));
        assert_eq!(check(ID, &timestamp, &signature, b"{}"), Err(WebhookError::NotSigned));
        for wrong in ["", "v1,", "v1", &signature[3..], &signature.replace("v1", "v2"), &signature[..20], "v1,=="] {
            assert_eq!(check(ID, &timestamp, wrong, BODY), Err(WebhookError::NotSigned), "{wrong}");
        }
        for wrong in ["", " ", "+1614265330", "-1", "1614265330.0", "1e9", "99999999999999999999", "soon"] {
            assert_eq!(check(ID, wrong, &signature, BODY), Err(WebhookError::Malformed), "{wrong}");
        }
        for wrong in ["", "a.b", "a b", "ü"] {
            assert_eq!(check(wrong, &timestamp, &signature, BODY), Err(WebhookError::Malformed), "{wrong}");
        }
    }

    #[test]
    fn only_so_many_signatures_are_looked_at() {
        let headers = sign(&[secret(1)], ID, SENT, BODY);
        let after = |count: usize| SignedHeaders {
            signature: format!("{}{}", "v1,AAAA ".repeat(count), headers.signature),
            ..headers.clone()
        };
        assert_eq!(checked(&after(MAX_SIGNATURES - 1), SENT), Ok(()));
        assert_eq!(checked(&after(MAX_SIGNATURES), SENT), Err(WebhookError::NotSigned));
    }

    #[test]
    fn a_secret_has_24_to_64_bytes_and_is_never_shown_by_accident() {
        for length in [0, 23, 65] {
            assert_eq!(WebhookSecret::from_bytes(&vec![1; length]), Err(SecretError), "{length}");
        }
        for length in [24, 25, 26, 64] {
            let secret = WebhookSecret::from_bytes(&vec![1; length]).unwrap();
            let shown = secret.expose();
            assert_eq!(WebhookSecret::parse(&shown).as_ref(), Ok(&secret));
            assert_eq!(WebhookSecret::parse(shown.trim_end_matches('=')).as_ref(), Ok(&secret));
            assert_eq!(format!("{secret:?}"), "WebhookSecret(redacted)");
        }
        for text in [
            "",
            "whsec_",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_MfKQ9r8G",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS!",
        ] {
            assert_eq!(WebhookSecret::parse(text), Err(SecretError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_signed_is_verified(
            bytes in prop::collection::vec(any::<u8>(), 24..=64), id in "[a-z_0-9]{1,40}",
            body in prop::collection::vec(any::<u8>(), 0..200), at in 0..=UnixMs::MAX.0, flip: prop::sample::Index,
        ) {
            let secrets = [WebhookSecret::from_bytes(&bytes).unwrap()];
            let headers = sign(&secrets, &id, UnixMs(at), &body);
            let check = |body: &[u8]| verify(&secrets, &id, &headers.timestamp, &headers.signature, body, UnixMs(at));
            prop_assert_eq!(check(&body), Ok(()));
            let mut other = [&body[..], &[0]].concat();
            prop_assert_eq!(check(&other), Err(WebhookError::NotSigned));
            let flipped = flip.index(other.len());
            other[flipped] ^= 1;
            prop_assert_eq!(check(&other), Err(WebhookError::NotSigned));
        }

        #[test]
        fn no_header_is_too_strange(id in "\\PC{0,20}", timestamp in "[0-9.+-]{0,25}", signature in "[v1,=A-Za-z ]{0,80}") {
            prop_assert!(verify(&[secret(1)], &id, &timestamp, &signature, BODY, SENT).is_err());
        }
    }
}
