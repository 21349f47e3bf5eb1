//! Where a message goes, in four bytes: what a ticket tells of its recipient, so that whoever limits what goes to one
//! domain or one country needs no message record.
//!
//! It is part of the due entry and must be the same for the same address for ever. An email's is the FNV-1a hash of its
//! domain (two domains that share one share a limit, which is the worst that comes of it); an SMS's the first digits of
//! its number. Neither tells whose address it is.

use super::{Address, EmailAddress, PhoneNumber};

/// Most digits of a number that fit.
const DIGITS: usize = 9;

/// What is written on the outside of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Destination(pub u32);

impl Destination {
    /// Where nothing is limited: webhooks, and what is no message.
    pub const NONE: Self = Self(0);

    /// The destination of an address.
    #[must_use]
    pub fn of(address: &Address) -> Self {
        match address {
            Address::Email(email) => Self::of_domain(EmailAddress::domain(email)),
            Address::Phone(number) => Self::of_number(number),
            Address::Url(_) => Self::NONE,
        }
    }

    /// That of all addresses of an email domain: FNV-1a, 32 bits, of its name in lowercase ASCII.
    #[must_use]
    pub fn of_domain(domain: &str) -> Self {
        let step = |hash: u32, byte: u8| (hash ^ u32::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0193);
        Self(domain.bytes().fold(0x811c_9dc5, step))
    }

    /// That of a phone number: its first nine digits. No number begins with zero, so none is lost.
    #[must_use]
    pub fn of_number(number: &PhoneNumber) -> Self {
        let digits = number.as_str().bytes().filter(u8::is_ascii_digit).take(DIGITS);
        Self(digits.fold(0, |all, digit| all * 10 + u32::from(digit - b'0')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::address::Channel;

    fn of(channel: Channel, text: &str) -> u32 {
        Destination::of(&Address::parse(channel, text).unwrap()).0
    }

    #[test]
    fn a_destination_is_the_same_for_ever() {
        // FNV-1a's own test vectors.
        for (domain, hash) in [("", 0x811c_9dc5), ("a", 0xe40c_292c), ("foobar", 0xbf9c_f968), ("FooBar", 0xbf9c_f968)]
        {
            assert_eq!(Destination::of_domain(domain), Destination(hash), "{domain}");
        }
        assert_eq!(of(Channel::Email, "Ada@Example.com"), of(Channel::Email, "bob@example.COM"));
        assert_ne!(of(Channel::Email, "ada@example.com"), of(Channel::Email, "ada@example.org"));
        assert_eq!(of(Channel::Sms, "+4915112345678"), 491_511_234);
        assert_eq!(of(Channel::Sms, "+2904123"), 2_904_123);
        assert_eq!(of(Channel::Sms, "+999999999999999"), 999_999_999);
        assert_eq!(of(Channel::Webhook, "https://example.com/hook"), 0);
    }
}
