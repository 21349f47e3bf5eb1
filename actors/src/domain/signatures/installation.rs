//! The installation's own secret: 32 random bytes, made with the store and kept in it.
//!
//! Whatever we give out and want to know again is tagged with HMAC-SHA256 under it. A tag is bound to its purpose,
//! so that a token made for one thing is worth nothing for another. Nothing is stored and no tag expires; another
//! secret makes every older tag invalid.

use ring::hmac;
use subtle::ConstantTimeEq;

/// Bytes of a whole tag.
pub const TAG_LEN: usize = 32;
/// Fewest bytes that a tag may be cut to: 128 bits are out of reach for guessing (RFC 2104 §5 asks for 80).
pub const MIN_TAG_LEN: usize = 16;

/// What a tag is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The link of `List-Unsubscribe`.
    Unsubscribe,
    /// The address that a recipient's answer comes back to.
    Reply,
    /// The link behind which somebody chooses a password.
    PasswordLink,
    /// The token that signs an account's status callbacks.
    StatusCallback,
}

impl Purpose {
    /// Goes before the payload. None begins with another, and none changes: what was sent out must stay valid.
    const fn prefix(self) -> &'static [u8] {
        match self {
            Self::Unsubscribe => b"sendwheel unsubscribe\0",
            Self::Reply => b"sendwheel reply\0",
            Self::PasswordLink => b"sendwheel password link\0",
            Self::StatusCallback => b"sendwheel status callback\0",
        }
    }
}

/// The key that tags are made and checked with.
#[derive(Clone)]
pub struct InstallationKey(hmac::Key);

impl std::fmt::Debug for InstallationKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InstallationKey(redacted)")
    }
}

impl InstallationKey {
    /// The key of 32 random bytes.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The tag of a payload. It may be cut to its first [`MIN_TAG_LEN`] bytes or more.
    #[must_use]
    pub fn tag(&self, purpose: Purpose, payload: &[u8]) -> [u8; TAG_LEN] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(purpose.prefix());
        context.update(payload);
        context.sign().as_ref().try_into().expect("HMAC-SHA256 has 32 bytes")
    }

    /// Whether this tag, whole or cut, is that of the payload. Takes the same time wherever they differ.
    #[must_use]
    pub fn has_tagged(&self, purpose: Purpose, payload: &[u8], tag: &[u8]) -> bool {
        if !(MIN_TAG_LEN..=TAG_LEN).contains(&tag.len()) {
            return false;
        }
        self.tag(purpose, payload)[..tag.len()].ct_eq(tag).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> InstallationKey {
        InstallationKey::new(&[42; 32])
    }

    #[test]
    fn a_tag_holds_for_its_payload_its_purpose_and_its_key_alone() {
        let tag = key().tag(Purpose::Reply, b"payload");
        assert!(key().has_tagged(Purpose::Reply, b"payload", &tag));
        assert!(!key().has_tagged(Purpose::Reply, b"payloae", &tag));
        assert!(!key().has_tagged(Purpose::Unsubscribe, b"payload", &tag));
        assert!(!InstallationKey::new(&[43; 32]).has_tagged(Purpose::Reply, b"payload", &tag));
    }

    #[test]
    fn a_tag_may_be_cut_but_not_to_nothing() {
        let tag = key().tag(Purpose::Reply, b"x");
        for length in 0..=TAG_LEN {
            let is_long_enough = length >= MIN_TAG_LEN;
            assert_eq!(key().has_tagged(Purpose::Reply, b"x", &tag[..length]), is_long_enough, "{length}");
        }
        assert!(!key().has_tagged(Purpose::Reply, b"x", &[&tag[..], &[0]].concat()));
    }

    #[test]
    fn every_bit_of_a_tag_counts() {
        let tag = key().tag(Purpose::Reply, b"x");
        for bit in 0..TAG_LEN * 8 {
            let mut other = tag;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(!key().has_tagged(Purpose::Reply, b"x", &other), "{bit}");
        }
    }

    #[test]
    fn the_key_is_never_shown() {
        assert_eq!(format!("{:?}", key()), "InstallationKey(redacted)");
    }
}
