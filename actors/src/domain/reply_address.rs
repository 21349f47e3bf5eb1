//! The address that a recipient's answer comes back to: `reply+TOKEN@domain`.
//!
//! The token names account and contact, and only we can make it: 20 bytes and the first 16 of their tag under the
//! installation's secret. Nothing is stored and it does not expire. Whoever holds the mail may write to that
//! contact's conversation, and can do nothing else with it. The domain is not looked at: mail may come by way of
//! an alias, and the tag alone says that the address is ours.
//!
//! Some systems fold the case of a local part on its way, so that the token is base32 and read in either case.
//! `reply+` and 58 characters are just the 64 octets that a local part may have (RFC 5321 §4.5.3.1.1).

use super::address::{AddressError, EmailAddress};
use super::ids::{ALPHABET, AccountNo, ContactId};
use super::signatures::InstallationKey;
use super::signatures::installation::{MIN_TAG_LEN, Purpose};

const PREFIX: &str = "reply+";
/// Account number, contact id.
const PAYLOAD_LEN: usize = 4 + 16;
const BYTES: usize = PAYLOAD_LEN + MIN_TAG_LEN;
/// Characters of a token: five bits each.
pub const TOKEN_LEN: usize = (BYTES * 8).div_ceil(5);

/// Well-formed addresses that [`ReplyKey::find`] checks: ours is there once, others are forged.
const MAX_CHECKED: usize = 16;

/// Whose answer comes back to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReplyTo {
    /// The account that wrote.
    pub account: AccountNo,
    /// The contact that it wrote to.
    pub contact: ContactId,
}

/// An address that is none of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a reply address of this installation: answer to the address that the message came from")]
pub struct ReplyAddressError;

/// The key that signs reply addresses.
#[derive(Debug, Clone)]
pub struct ReplyKey(InstallationKey);

impl ReplyKey {
    /// The key of the installation's secret.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(InstallationKey::new(secret))
    }

    /// The address for a contact's answers, on the domain whose mail comes in here.
    ///
    /// # Errors
    /// Says what is wrong with the domain.
    pub fn address(&self, to: ReplyTo, domain: &str) -> Result<EmailAddress, AddressError> {
        let mut bytes = [0; BYTES];
        let (payload, tag) = bytes.split_at_mut(PAYLOAD_LEN);
        payload[..4].copy_from_slice(&to.account.0.to_be_bytes());
        payload[4..].copy_from_slice(to.contact.as_bytes());
        tag.copy_from_slice(&self.0.tag(Purpose::Reply, payload)[..MIN_TAG_LEN]);
        EmailAddress::parse(&format!("{PREFIX}{}@{domain}", encode(&bytes)))
    }

    /// Reads an address (`local@domain`, in any case); its tag is compared in constant time.
    ///
    /// # Errors
    /// Refuses what this key did not sign.
    pub fn verify(&self, address: &str) -> Result<ReplyTo, ReplyAddressError> {
        token(address).and_then(|token| self.open(token)).ok_or(ReplyAddressError)
    }

    /// The first of these recipients that is a reply address of ours. The others cost next to nothing, and of those
    /// that look like one only a few are checked.
    #[must_use]
    pub fn find<'a>(&self, recipients: impl IntoIterator<Item = &'a str>) -> Option<ReplyTo> {
        recipients.into_iter().filter_map(token).take(MAX_CHECKED).find_map(|token| self.open(token))
    }

    fn open(&self, token: &str) -> Option<ReplyTo> {
        let bytes = decode(token)?;
        let (payload, tag) = bytes.split_at(PAYLOAD_LEN);
        if !self.0.has_tagged(Purpose::Reply, payload, tag) {
            return None;
        }
        let (account, contact) = payload.split_first_chunk::<4>()?;
        Some(ReplyTo {
            account: AccountNo(u32::from_be_bytes(*account)),
            contact: ContactId::from_bytes(contact.try_into().ok()?),
        })
    }
}

/// What stands between `reply+` and `@`, if it is as long as a token. The local part may come in quotes, which say
/// the same (RFC 5321 §4.1.2).
fn token(address: &str) -> Option<&str> {
    let (local, _) = address.rsplit_once('@')?;
    let local = local.strip_prefix('"').and_then(|local| local.strip_suffix('"')).unwrap_or(local);
    let (prefix, token) = local.split_at_checked(PREFIX.len())?;
    (prefix.eq_ignore_ascii_case(PREFIX) && token.len() == TOKEN_LEN).then_some(token)
}

fn encode(bytes: &[u8; BYTES]) -> String {
    let mut text = String::with_capacity(TOKEN_LEN);
    let (mut buffer, mut bits) = (0u32, 0);
    for byte in bytes {
        buffer = (buffer << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(ALPHABET[(buffer >> bits) as usize & 31]));
        }
    }
    if bits > 0 {
        text.push(char::from(ALPHABET[(buffer << (5 - bits)) as usize & 31]));
    }
    text
}

/// The bytes of a token. Each has one spelling but for its case: the bits left over must be zero.
fn decode(token: &str) -> Option<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    let mut slots = bytes.iter_mut();
    let (mut buffer, mut bits) = (0u32, 0);
    for character in token.bytes() {
        let digit = ALPHABET.iter().position(|c| *c == character.to_ascii_lowercase())?;
        buffer = (buffer << 5) | digit as u32;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            *slots.next()? = (buffer >> bits) as u8;
        }
    }
    let is_whole = slots.next().is_none() && buffer & ((1 << bits) - 1) == 0;
    is_whole.then_some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TO: ReplyTo = ReplyTo { account: AccountNo(7), contact: ContactId::from_bytes([3; 16]) };
    /// Computed by hand, in Python.
    const ADDRESS: &str = "reply+000001r30c1g60r30c1g60r30c1g60r3br224gnyn9xc9tk12bzw0c4xv4@in.example.com";

    fn key() -> ReplyKey {
        ReplyKey::new(&[42; 32])
    }

    fn address() -> String {
        key().address(TO, "in.example.com").unwrap().to_string()
    }

    #[test]
    fn an_address_fits_a_local_part_and_stays_the_same_over_versions() {
        let (local, domain) = (address().split_once('@').unwrap().0.to_owned(), "in.example.com");
        assert_eq!(local.len(), 64);
        assert!(local["reply+".len()..].bytes().all(|byte| ALPHABET.contains(&byte)));
        // A mail that was sent must stay answerable: these characters are a format.
        assert_eq!(format!("{local}@{domain}"), ADDRESS);
    }

    #[test]
    fn an_address_of_one_key_is_worth_nothing_to_another() {
        assert_eq!(key().verify(&address()), Ok(TO));
        assert_eq!(ReplyKey::new(&[43; 32]).verify(&address()), Err(ReplyAddressError));
        assert_eq!(key().find([address().as_str()]), Some(TO));
    }

    #[test]
    fn what_happens_to_an_address_on_its_way_does_not_matter() {
        let (local, _) = ADDRESS.split_once('@').unwrap();
        for changed in [
            ADDRESS.to_uppercase(),
            format!("{local}@alias.example.org"),
            format!("\"{local}\"@in.example.com"),
            format!("{}@[192.0.2.1]", local.replace("reply", "Reply")),
        ] {
            assert_eq!(key().verify(&changed), Ok(TO), "{changed}");
        }
    }

    #[test]
    fn what_is_no_address_of_ours_is_refused() {
        let (local, _) = ADDRESS.split_once('@').unwrap();
        for other in [
            "",
            "@",
            "reply+@in.example.com",
            "jane@example.org",
            local,
            &format!("{}@in.example.com", &local[..63]),
            &format!("{local}0@in.example.com"),
            &format!("x{local}@in.example.com"),
            &format!("\"{local}@in.example.com"),
            &format!("{}@in.example.com", local.replace("reply+", "reply-")),
            &format!("reply+{}@in.example.com", "ü".repeat(29)),
            &format!("reply+{}@in.example.com", "u".repeat(58)),
            &format!("replü{}@in.example.com", "0".repeat(58)),
        ] {
            assert_eq!(key().verify(other), Err(ReplyAddressError), "{other}");
        }
    }

    #[test]
    fn ours_is_found_among_the_recipients() {
        let forged = ReplyKey::new(&[1; 32]).address(TO, "in.example.com").unwrap().to_string();
        assert_eq!(key().find(["jane@example.org", &forged, "no address", ADDRESS]), Some(TO));
        assert_eq!(key().find(["jane@example.org", forged.as_str()]), None);
        // Only so many forgeries are worth a look.
        let many = std::iter::repeat_n(forged.as_str(), MAX_CHECKED).chain([ADDRESS]);
        assert_eq!(key().find(many), None);
        let others = std::iter::repeat_n("jane@example.org", 10_000).chain([ADDRESS]);
        assert_eq!(key().find(others), Some(TO));
    }

    #[test]
    fn a_domain_that_is_none_is_refused() {
        assert!(key().address(TO, "").is_err() && key().address(TO, "a b").is_err());
    }

    proptest! {
        #[test]
        fn every_address_names_what_was_signed(
            secret: [u8; 32], account: u32, contact: [u8; 16], other: [u8; 32], upper: u64,
        ) {
            let to = ReplyTo { account: AccountNo(account), contact: ContactId::from_bytes(contact) };
            let address = ReplyKey::new(&secret).address(to, "example.com").unwrap().to_string();
            let mixed: String = address
                .chars()
                .enumerate()
                .map(|(at, c)| if upper >> (at % 64) & 1 == 1 { c.to_ascii_uppercase() } else { c })
                .collect();
            prop_assert_eq!(ReplyKey::new(&secret).verify(&mixed), Ok(to));
            prop_assert_eq!(ReplyKey::new(&other).verify(&mixed).is_ok(), other == secret);
        }

        #[test]
        fn no_changed_bit_is_accepted(account: u32, contact: [u8; 16]) {
            let to = ReplyTo { account: AccountNo(account), contact: ContactId::from_bytes(contact) };
            let address = key().address(to, "example.com").unwrap().to_string();
            for bit in 0..TOKEN_LEN * 5 {
                let place = PREFIX.len() + bit / 5;
                let digit = ALPHABET.iter().position(|c| *c == address.as_bytes()[place]).unwrap() ^ (1 << (bit % 5));
                let mut forged = address.clone();
                forged.replace_range(place..=place, &char::from(ALPHABET[digit]).to_string());
                prop_assert_eq!(key().verify(&forged), Err(ReplyAddressError), "bit {}", bit);
            }
        }

        #[test]
        fn no_text_is_too_strange(text in "\\PC{0,90}", token in "[0-9a-zA-Zé]{56,60}") {
            prop_assert_eq!(key().verify(&text), Err(ReplyAddressError));
            prop_assert_eq!(key().verify(&format!("reply+{token}@x.example")), Err(ReplyAddressError));
        }
    }
}
