//! Opens and clicks of single emails: the tokens in their links and pictures, and what is taken for a machine's.
//!
//! A token says whose message it is and, behind a link, where that leads; only we can make it, so our redirect leads
//! nowhere but where a mail of ours led. Nothing is stored and a token does not expire: a link in a mail must work for
//! as long as the mail is kept.

mod machines;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use url::Url;

use super::clock::UnixMs;
use super::ids::{AccountNo, ContactId, MessageId};
use super::signatures::InstallationKey;
use super::signatures::installation::{MIN_TAG_LEN, Purpose};

pub use machines::{INSTANT, is_machine};

const VERSION: u8 = 1;
/// Format version, account number, contact id, message id.
const HEAD_LEN: usize = 1 + 4 + 16 + 16;

/// Bytes of a link; longer ones stay as they are.
pub const MAX_LINK: usize = 1_500;
/// Characters of a token at most.
pub const MAX_TOKEN: usize = (HEAD_LEN + MAX_LINK + MIN_TAG_LEN).div_ceil(3) * 4;

/// What a contact did with a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engagement {
    /// Its picture was loaded.
    Opened,
    /// One of its links was followed.
    Clicked,
}

/// What a contact did with a message, when it did it first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Response {
    /// It opened it, or followed a link of it.
    pub opened_at: Option<UnixMs>,
    /// It followed a link of it.
    pub clicked_at: Option<UnixMs>,
    /// It answered it.
    pub replied_at: Option<UnixMs>,
}

impl Response {
    /// The first of them.
    #[must_use]
    pub fn first_at(&self) -> Option<UnixMs> {
        [self.opened_at, self.clicked_at, self.replied_at].into_iter().flatten().min()
    }
}

/// Whose mail it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tracked {
    /// The account that sent it.
    pub account: AccountNo,
    /// Whom it went to.
    pub contact: ContactId,
    /// The message.
    pub message: MessageId,
}

/// A token that we did not make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the link is not valid: use the complete link from the message")]
pub struct TokenError;

/// The key that signs tokens.
#[derive(Debug, Clone)]
pub struct TrackingKey(InstallationKey);

impl TrackingKey {
    /// The key of 32 random bytes.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(InstallationKey::new(secret))
    }

    fn sign(&self, what: Tracked, purpose: Purpose, link: &str) -> String {
        let mut token = Vec::with_capacity(HEAD_LEN + link.len() + MIN_TAG_LEN);
        token.push(VERSION);
        token.extend_from_slice(&what.account.0.to_be_bytes());
        token.extend_from_slice(what.contact.as_bytes());
        token.extend_from_slice(what.message.as_bytes());
        token.extend_from_slice(link.as_bytes());
        let tag = self.0.tag(purpose, &token);
        token.extend_from_slice(&tag[..MIN_TAG_LEN]);
        URL_SAFE_NO_PAD.encode(token)
    }

    /// The token of the picture.
    #[must_use]
    pub fn sign_open(&self, what: Tracked) -> String {
        self.sign(what, Purpose::Open, "")
    }

    /// The token of a link, if it is one whose clicks can be told: http or https, not too long.
    #[must_use]
    pub fn sign_click(&self, what: Tracked, link: &str) -> Option<String> {
        let is_web = Url::parse(link).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        (is_web && link.len() <= MAX_LINK).then(|| self.sign(what, Purpose::Click, link))
    }

    fn verify(&self, token: &str, purpose: Purpose) -> Result<(Tracked, String), TokenError> {
        if token.len() > MAX_TOKEN {
            return Err(TokenError);
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| TokenError)?;
        let (payload, tag) = bytes.split_at_checked(bytes.len().saturating_sub(MIN_TAG_LEN)).ok_or(TokenError)?;
        if tag.len() != MIN_TAG_LEN || !self.0.has_tagged(purpose, payload, tag) {
            return Err(TokenError);
        }
        let (head, link) = payload.split_first_chunk::<HEAD_LEN>().ok_or(TokenError)?;
        let (version, rest) = head.split_first().ok_or(TokenError)?;
        let (account, rest) = rest.split_first_chunk::<4>().ok_or(TokenError)?;
        let (contact, rest) = rest.split_first_chunk::<16>().ok_or(TokenError)?;
        let (message, _) = rest.split_first_chunk::<16>().ok_or(TokenError)?;
        if *version != VERSION {
            return Err(TokenError);
        }
        let what = Tracked {
            account: AccountNo(u32::from_be_bytes(*account)),
            contact: ContactId::from_bytes(*contact),
            message: MessageId::from_bytes(*message),
        };
        Ok((what, String::from_utf8(link.to_vec()).map_err(|_| TokenError)?))
    }

    /// Reads the token of a picture; its tag is compared in constant time.
    ///
    /// # Errors
    /// Refuses what this key did not sign for a picture.
    pub fn verify_open(&self, token: &str) -> Result<Tracked, TokenError> {
        self.verify(token, Purpose::Open).map(|(what, _)| what)
    }

    /// Reads the token of a link, and where it leads.
    ///
    /// # Errors
    /// Refuses what this key did not sign for a link.
    pub fn verify_click(&self, token: &str) -> Result<(Tracked, String), TokenError> {
        self.verify(token, Purpose::Click)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WHAT: Tracked = Tracked {
        account: AccountNo(7),
        contact: ContactId::from_bytes([3; 16]),
        message: MessageId::from_bytes([5; 16]),
    };

    fn key() -> TrackingKey {
        TrackingKey::new(&[42; 32])
    }

    #[test]
    fn a_token_is_read_by_its_own_key_and_for_its_own_purpose_alone() {
        let link = "https://shop.example/?a=1&b=ü#x";
        let (open, click) = (key().sign_open(WHAT), key().sign_click(WHAT, link).unwrap());
        assert_eq!(key().verify_open(&open), Ok(WHAT));
        assert_eq!(key().verify_click(&click), Ok((WHAT, link.to_owned())));
        assert_eq!(key().verify_open(&click), Err(TokenError));
        assert_eq!(key().verify_click(&open), Err(TokenError));
        assert_eq!(TrackingKey::new(&[43; 32]).verify_click(&click), Err(TokenError));
    }

    #[test]
    fn a_token_stays_the_same_over_versions() {
        // A mail that was sent must stay readable: these bytes are a format.
        assert_eq!(key().sign_open(WHAT), "AQAAAAcDAwMDAwMDAwMDAwMDAwMDBQUFBQUFBQUFBQUFBQUFBXaVH2TL1Z8f7MSwBd0qfOg");
    }

    #[test]
    fn no_changed_token_is_accepted() {
        let token = key().sign_click(WHAT, "https://a.example/").unwrap();
        for at in 0..token.len() {
            for replacement in ['A', 'B', '_', '=', '.'] {
                let mut forged = token.clone();
                forged.replace_range(at..=at, replacement.encode_utf8(&mut [0; 4]));
                if forged != token {
                    assert_eq!(key().verify_click(&forged), Err(TokenError), "{at} {replacement}");
                }
            }
            assert_eq!(key().verify_click(&token[..at]), Err(TokenError));
        }
        for text in ["", " ", &format!("{token}A"), &"A".repeat(MAX_TOKEN + 1), &"é".repeat(36)] {
            assert_eq!(key().verify_click(text), Err(TokenError), "{text}");
        }
    }

    #[test]
    fn links_that_lead_to_no_page_are_not_signed() {
        for link in ["mailto:a@example.com", "tel:+1", "#top", "/path", "javascript:alert(1)", "https://", "cid:1", ""]
        {
            assert_eq!(key().sign_click(WHAT, link), None, "{link}");
        }
        let long = |length: usize| format!("https://a.example/{}", "x".repeat(length - 18));
        assert!(key().sign_click(WHAT, &long(MAX_LINK)).is_some_and(|token| token.len() <= MAX_TOKEN));
        assert_eq!(key().sign_click(WHAT, &long(MAX_LINK + 1)), None);
    }

    proptest! {
        #[test]
        fn every_token_leads_where_it_was_signed_for(account: u32, contact: [u8; 16], message: [u8; 16], path in "[ -~]{0,80}") {
            let what = Tracked {
                account: AccountNo(account),
                contact: ContactId::from_bytes(contact),
                message: MessageId::from_bytes(message),
            };
            let link = format!("https://a.example/{path}");
            if let Some(token) = key().sign_click(what, &link) {
                prop_assert_eq!(key().verify_click(&token), Ok((what, link)));
            }
        }
    }
}
