//! The token in a `List-Unsubscribe` URL (RFC 8058): it names a contact and an address, and only we can make it.
//!
//! Account, contact, channel and the address's digest, so that the link tells nobody the address, tagged with the installation's own key. Nothing is stored and a token does not
//! expire: a mail may be opened years later, and its recipient must still get out. Whoever holds the mail may
//! unsubscribe its recipient, and can do nothing else with the token. Another key makes every older token invalid,
//! so that the key is kept with the store.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::address::Channel;
use super::ids::{AccountNo, ContactId};
use super::signatures::InstallationKey;
use super::signatures::installation::{Purpose, TAG_LEN};

/// Format version, account number, contact id, channel, digest of the address.
const PAYLOAD_LEN: usize = 1 + 4 + 16 + 1 + 16;
const VERSION: u8 = 1;

/// Characters of a token: base64url without padding.
pub const TOKEN_LEN: usize = ((PAYLOAD_LEN + TAG_LEN) * 4).div_ceil(3);

/// Whom a token unsubscribes from what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsubscribe {
    /// The account that wrote to them.
    pub account: AccountNo,
    /// The contact.
    pub contact: ContactId,
    /// The channel that they want no more messages on.
    pub channel: Channel,
    /// The digest of the address that was written to, within the account.
    pub address: [u8; 16],
}

/// A token that we did not make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the unsubscribe link is not valid: use the complete link from the message")]
pub struct TokenError;

/// The key that signs tokens.
#[derive(Debug, Clone)]
pub struct UnsubscribeKey(InstallationKey);

impl UnsubscribeKey {
    /// The key of 32 random bytes.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(InstallationKey::new(secret))
    }

    /// Makes the token.
    #[must_use]
    pub fn sign(&self, what: Unsubscribe) -> String {
        let mut token = Vec::with_capacity(PAYLOAD_LEN + TAG_LEN);
        token.push(VERSION);
        token.extend_from_slice(&what.account.0.to_be_bytes());
        token.extend_from_slice(what.contact.as_bytes());
        token.push(what.channel as u8);
        token.extend_from_slice(&what.address);
        let tag = self.0.tag(Purpose::Unsubscribe, &token);
        token.extend_from_slice(&tag);
        URL_SAFE_NO_PAD.encode(token)
    }

    /// Reads a token; its tag is compared in constant time.
    ///
    /// # Errors
    /// Refuses what this key did not sign.
    pub fn verify(&self, token: &str) -> Result<Unsubscribe, TokenError> {
        if token.len() != TOKEN_LEN {
            return Err(TokenError);
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| TokenError)?;
        let (payload, tag) = bytes.split_at_checked(PAYLOAD_LEN).ok_or(TokenError)?;
        if !self.0.has_tagged(Purpose::Unsubscribe, payload, tag) {
            return Err(TokenError);
        }
        let (version, rest) = payload.split_first().ok_or(TokenError)?;
        let (account, rest) = rest.split_first_chunk::<4>().ok_or(TokenError)?;
        let (contact, rest) = rest.split_first_chunk::<16>().ok_or(TokenError)?;
        let (channel, address) = rest.split_first().ok_or(TokenError)?;
        match (*version, <[u8; 16]>::try_from(address)) {
            (VERSION, Ok(address)) => Ok(Unsubscribe {
                account: AccountNo(u32::from_be_bytes(*account)),
                contact: ContactId::from_bytes(*contact),
                channel: Channel::TO_PEOPLE.into_iter().find(|known| *known as u8 == *channel).ok_or(TokenError)?,
                address,
            }),
            _ => Err(TokenError),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WHAT: Unsubscribe = Unsubscribe {
        account: AccountNo(7),
        contact: ContactId::from_bytes([3; 16]),
        channel: Channel::Email,
        address: [5; 16],
    };

    fn key() -> UnsubscribeKey {
        UnsubscribeKey::new(&[42; 32])
    }

    #[test]
    fn a_token_of_one_key_is_worth_nothing_to_another() {
        let token = key().sign(WHAT);
        assert_eq!(key().verify(&token), Ok(WHAT));
        assert_eq!(UnsubscribeKey::new(&[43; 32]).verify(&token), Err(TokenError));
    }

    #[test]
    fn a_token_fits_into_a_url_and_stays_the_same_over_versions() {
        let token = key().sign(WHAT);
        assert_eq!(token.len(), TOKEN_LEN);
        assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
        // A mail that was sent must stay unsubscribable: these bytes are a format.
        assert_eq!(
            token,
            "AQAAAAcDAwMDAwMDAwMDAwMDAwMDAAUFBQUFBQUFBQUFBQUFBQU8hIRNLRvbFTFQ9sOpXp20wgpg-qUC6JJQUfGOKrHsHw"
        );
    }

    #[test]
    fn no_changed_token_is_accepted() {
        let token = key().sign(WHAT);
        for at in 0..token.len() {
            for replacement in ['A', 'B', '_', '=', '.', ' '] {
                let mut forged = token.clone();
                forged.replace_range(at..=at, replacement.encode_utf8(&mut [0; 4]));
                if forged != token {
                    assert_eq!(key().verify(&forged), Err(TokenError), "{at} {replacement}");
                }
            }
            assert_eq!(key().verify(&token[..at]), Err(TokenError));
        }
        for text in ["", " ", &format!("{token}A"), &format!("{token}="), &token.to_lowercase(), &"é".repeat(36)] {
            assert_eq!(key().verify(text), Err(TokenError), "{text}");
        }
    }

    #[test]
    fn a_signed_payload_of_another_kind_is_refused() {
        let signed = |payload: &[u8], purpose| {
            let tag = key().0.tag(purpose, payload);
            URL_SAFE_NO_PAD.encode([payload, &tag].concat())
        };
        let payload = |version: u8, channel: u8| {
            let mut payload = [0; PAYLOAD_LEN];
            (payload[0], payload[1 + 4 + 16]) = (version, channel);
            payload
        };
        assert!(key().verify(&signed(&payload(1, 0), Purpose::Unsubscribe)).is_ok());
        assert_eq!(key().verify(&signed(&payload(2, 0), Purpose::Unsubscribe)), Err(TokenError));
        assert_eq!(key().verify(&signed(&payload(1, 9), Purpose::Unsubscribe)), Err(TokenError));
        assert_eq!(key().verify(&signed(&payload(1, 0), Purpose::Reply)), Err(TokenError));
    }

    #[test]
    fn the_key_is_never_shown() {
        assert_eq!(format!("{:?}", key()), "UnsubscribeKey(InstallationKey(redacted))");
    }

    proptest! {
        #[test]
        fn every_token_names_what_was_signed(
            secret: [u8; 32], account: u32, contact: [u8; 16], channel in 0..2u8, address: [u8; 16], other: [u8; 32],
        ) {
            let what = Unsubscribe {
                account: AccountNo(account),
                contact: ContactId::from_bytes(contact),
                channel: Channel::from_byte(channel).unwrap(),
                address,
            };
            let token = UnsubscribeKey::new(&secret).sign(what);
            prop_assert_eq!(UnsubscribeKey::new(&secret).verify(&token), Ok(what));
            prop_assert_eq!(UnsubscribeKey::new(&other).verify(&token).is_ok(), other == secret);
        }
    }
}
