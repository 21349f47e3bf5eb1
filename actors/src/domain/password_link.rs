//! The link in a mail that lets somebody choose a password: an invitation, or help for who forgot theirs.
//!
//! Nothing is stored. The link names its user and when it ends, and its tag covers besides the address it was sent
//! to and the password that is kept now: once a password was chosen, or the address changed, every link made before
//! is worth nothing. Whoever reads the mail may choose the password: that is what the link is for, so it ends soon.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::clock::UnixMs;
use super::directory::User;
use super::ids::UserId;
use super::signatures::InstallationKey;
use super::signatures::installation::{Purpose, TAG_LEN};

/// Format version, user id, end in ms.
const PAYLOAD_LEN: usize = 1 + 16 + 8;
const VERSION: u8 = 1;

/// Characters of a token: base64url without padding.
pub const TOKEN_LEN: usize = ((PAYLOAD_LEN + TAG_LEN) * 4).div_ceil(3);

/// How long an invitation can be taken up.
pub const INVITATION_LASTS: Duration = Duration::from_secs(7 * 86_400);
/// How long a forgotten password can be replaced.
pub const RESET_LASTS: Duration = Duration::from_secs(3_600);

/// A link that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this link is no longer valid: ask for a new one")]
pub struct LinkError;

/// The key that signs links.
#[derive(Debug, Clone)]
pub struct PasswordLinks(InstallationKey);

fn tagged(payload: &[u8], user: &User) -> Vec<u8> {
    let (email, kept) = (user.email.as_str().as_bytes(), user.password_hash.as_bytes());
    // An address has no NUL in it: nothing of one field can pass for the other.
    [payload, email, &[0], kept].concat()
}

impl PasswordLinks {
    /// The key of 32 random bytes.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(InstallationKey::new(secret))
    }

    /// The token of a link for a user as they are now.
    #[must_use]
    pub fn sign(&self, user: &User, ends_at: UnixMs) -> String {
        let mut token = Vec::with_capacity(PAYLOAD_LEN + TAG_LEN);
        token.push(VERSION);
        token.extend_from_slice(user.id.as_bytes());
        token.extend_from_slice(&ends_at.0.to_be_bytes());
        let tag = self.0.tag(Purpose::PasswordLink, &tagged(&token, user));
        token.extend_from_slice(&tag);
        URL_SAFE_NO_PAD.encode(token)
    }

    /// Whose password a token lets choose, if it does: `find` knows users as they are now. Its tag is compared in
    /// constant time.
    ///
    /// # Errors
    /// Refuses what this key did not sign for that user as they are, and what has ended.
    pub fn verify<'a>(
        &self,
        token: &str,
        now: UnixMs,
        find: impl FnOnce(UserId) -> Option<&'a User>,
    ) -> Result<&'a User, LinkError> {
        if token.len() != TOKEN_LEN {
            return Err(LinkError);
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| LinkError)?;
        let (payload, tag) = bytes.split_at_checked(PAYLOAD_LEN).ok_or(LinkError)?;
        let (version, rest) = payload.split_first().ok_or(LinkError)?;
        let (id, rest) = rest.split_first_chunk::<16>().ok_or(LinkError)?;
        let ends_at = UnixMs(i64::from_be_bytes(rest.try_into().map_err(|_| LinkError)?));
        let user = find(UserId::from_bytes(*id)).ok_or(LinkError)?;
        let is_ours = tag.len() == TAG_LEN && self.0.has_tagged(Purpose::PasswordLink, &tagged(payload, user), tag);
        if *version == VERSION && is_ours && now < ends_at { Ok(user) } else { Err(LinkError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::address::EmailAddress;
    use crate::domain::directory::Role;
    use crate::domain::ids::AccountNo;

    fn ada() -> User {
        User {
            id: UserId::from_bytes([1; 16]),
            account: AccountNo(1),
            email: EmailAddress::parse("ada@example.com").unwrap(),
            password_hash: String::new(),
            role: Role::User,
            created_at: UnixMs(0),
            name: None,
            version: 1,
            changed_at: None,
            request_hash: None,
        }
    }

    fn key() -> PasswordLinks {
        PasswordLinks::new(&[42; 32])
    }

    fn is_valid(key: &PasswordLinks, token: &str, now: i64, user: &User) -> bool {
        key.verify(token, UnixMs(now), |id| (id == user.id).then_some(user)).is_ok()
    }

    #[test]
    fn a_link_is_good_until_it_ends() {
        let token = key().sign(&ada(), UnixMs(1_000));
        assert_eq!(token.len(), TOKEN_LEN);
        assert!(is_valid(&key(), &token, 999, &ada()));
        assert!(!is_valid(&key(), &token, 1_000, &ada()));
    }

    #[test]
    fn a_link_is_good_for_one_user_as_they_were_and_of_one_key() {
        let token = key().sign(&ada(), UnixMs(1_000));
        assert!(!is_valid(&PasswordLinks::new(&[43; 32]), &token, 0, &ada()));
        let chosen = User { password_hash: "$argon2id$x".into(), ..ada() };
        assert!(!is_valid(&key(), &token, 0, &chosen), "a link works once");
        let moved = User { email: EmailAddress::parse("eve@example.com").unwrap(), ..ada() };
        assert!(!is_valid(&key(), &token, 0, &moved), "a link in an old mailbox is worth nothing");
        let other = User { id: UserId::from_bytes([2; 16]), ..ada() };
        assert!(!is_valid(&key(), &token, 0, &other));
        let renamed = User { name: Some("Ada".into()), role: Role::Admin, version: 2, ..ada() };
        assert!(is_valid(&key(), &token, 0, &renamed));
    }

    #[test]
    fn every_bit_of_a_token_counts() {
        let token = URL_SAFE_NO_PAD.decode(key().sign(&ada(), UnixMs(1_000))).unwrap();
        let user = ada();
        for bit in 0..token.len() * 8 {
            let mut other = token.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            let other = URL_SAFE_NO_PAD.encode(other);
            assert!(key().verify(&other, UnixMs(0), |_| Some(&user)).is_err(), "{bit}");
        }
        for text in ["", "x", &"A".repeat(TOKEN_LEN), &"?".repeat(TOKEN_LEN)] {
            assert!(!is_valid(&key(), text, 0, &ada()), "{text}");
        }
    }
}
