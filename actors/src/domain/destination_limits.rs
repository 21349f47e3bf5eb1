//! How much may go to one email domain, one country or one range of numbers: the installation's settings.
//!
//! A destination falls under the one limit that names it best: an email's under its domain's, an SMS's under the
//! longest prefix that its number begins with; without one under the limit of every domain, or of every country, which
//! each of them has for itself. Domains without a limit of their own are told apart by eighteen bits of their hash:
//! that bounds what is remembered of them, and costs a few of them that they share a limit.

use std::collections::BTreeMap;

use super::address::Destination;
use super::directory::Limit;

/// Bits by which destinations without a limit of their own are told apart.
const EACH_BITS: u32 = 18;
/// Marks the key of a limit that names its destinations.
const NAMED: u64 = 1 << 32;

/// Country codes of two digits (ITU-T E.164): zones 1 and 7 are one country code each, all others have three.
const TWO_DIGITS: [u32; 44] = [
    20, 27, 30, 31, 32, 33, 34, 36, 39, 40, 41, 43, 44, 45, 46, 47, 48, 49, 51, 52, 53, 54, 55, 56, 57, 58, 60, 61, 62,
    63, 64, 65, 66, 81, 82, 84, 86, 90, 91, 92, 93, 94, 95, 98,
];

/// What shares a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DestinationKey(u64);

impl DestinationKey {
    /// Not after any other.
    pub const FIRST: Self = Self(0);
}

/// The limits of destinations on one channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DestinationLimits {
    named: BTreeMap<Destination, Limit>,
    each: Option<Limit>,
    are_prefixes: bool,
}

impl DestinationLimits {
    /// Limits of email domains, by name, and of every other one.
    #[must_use]
    pub fn of_domains<'a>(named: impl IntoIterator<Item = (&'a str, Limit)>, each: Option<Limit>) -> Self {
        let named = named.into_iter().map(|(domain, limit)| (Destination::of_domain(domain), limit)).collect();
        Self { named, each, are_prefixes: false }
    }

    /// Limits of numbers, by the one to nine digits that they begin with, and of every country without one.
    #[must_use]
    pub fn of_prefixes(named: impl IntoIterator<Item = (u32, Limit)>, each: Option<Limit>) -> Self {
        let named = named.into_iter().map(|(prefix, limit)| (Destination(prefix), limit)).collect();
        Self { named, each, are_prefixes: true }
    }

    /// Whether nothing is limited.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.named.is_empty() && self.each.is_none()
    }

    /// Which limit a destination falls under, if any.
    #[must_use]
    pub fn of(&self, destination: Destination) -> Option<(DestinationKey, Limit)> {
        let named =
            |at: Destination| self.named.get(&at).map(|limit| (DestinationKey(u64::from(at.0) | NAMED), *limit));
        let found = if self.are_prefixes {
            prefixes(destination.0).find_map(|prefix| named(Destination(prefix)))
        } else {
            named(destination)
        };
        found.or_else(|| {
            let place = if self.are_prefixes { country_code(destination.0) } else { destination.0 % (1 << EACH_BITS) };
            self.each.map(|limit| (DestinationKey(u64::from(place)), limit))
        })
    }
}

/// A number's first digits, longest first.
fn prefixes(digits: u32) -> impl Iterator<Item = u32> {
    std::iter::successors(Some(digits), |digits| Some(digits / 10)).take_while(|digits| *digits > 0)
}

/// The country code that a number begins with.
fn country_code(digits: u32) -> u32 {
    let first = |count: u32| prefixes(digits).find(|prefix| *prefix < 10_u32.pow(count)).unwrap_or_default();
    match (first(1), first(2)) {
        (zone @ (1 | 7), _) => zone,
        (_, two) if TWO_DIGITS.contains(&two) => two,
        _ => first(3),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::address::PhoneNumber;

    fn rate(rate: u32) -> Limit {
        Limit { rate, per: Duration::from_secs(1), burst: 1 }
    }

    fn number(text: &str) -> Destination {
        Destination::of_number(&PhoneNumber::parse(text).unwrap())
    }

    #[test]
    fn the_longest_prefix_wins_and_every_other_country_has_its_own() {
        let limits = DestinationLimits::of_prefixes([(49, rate(2)), (49_151, rate(3))], Some(rate(9)));
        let of = |text: &str| limits.of(number(text)).unwrap();
        assert_eq!(of("+4915112345678").1, rate(3));
        assert_eq!(of("+4930123456").1, rate(2));
        assert_eq!(of("+4930123456").0, of("+498912345678").0);
        assert_ne!(of("+4930123456").0, of("+4915112345678").0);
        assert_eq!(of("+12125550123"), of("+14165550123"));
        assert_ne!(of("+12125550123"), of("+442079460958"));
        let named = DestinationLimits::of_prefixes([(49, rate(2))], None);
        assert_eq!(named.of(number("+442079460958")), None);
    }

    #[test]
    fn a_country_code_has_one_two_or_three_digits() {
        for (text, code) in [
            ("+12125550123", 1),
            ("+79123456789", 7),
            ("+4915112345678", 49),
            ("+989121234567", 98),
            ("+35312345678", 353),
            ("+2904123", 290),
            ("+8801712345678", 880),
        ] {
            assert_eq!(country_code(number(text).0), code, "{text}");
        }
    }

    /// What the numbering plans themselves say.
    #[test]
    fn country_codes_are_those_of_the_numbering_plans() {
        for code in 1..1_000_u32 {
            let is_one = phonenumber::metadata::DATABASE.by_code(&u16::try_from(code).unwrap()).is_some();
            if is_one {
                assert_eq!(country_code(code * 10_u32.pow(6)), code);
            }
        }
    }

    #[test]
    fn a_domain_has_its_own_limit_or_that_of_every_domain() {
        let limits = DestinationLimits::of_domains([("gmail.com", rate(2))], Some(rate(9)));
        let of = |domain: &str| limits.of(Destination::of_domain(domain)).unwrap();
        assert_eq!(of("gmail.com").1, rate(2));
        assert_eq!(of("example.com").1, rate(9));
        assert_ne!(of("example.com").0, of("example.org").0);
        assert!(DestinationLimits::default().is_empty());
        assert_eq!(DestinationLimits::default().of(Destination(5)), None);
    }
}
