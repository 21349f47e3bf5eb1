//! How much may go to one destination: `[[email.destinations]]`, `[[sms.destinations]]` and the limit of every other one.

use sendwheel_actors::domain::address::EmailAddress;
use sendwheel_actors::domain::destination_limits::DestinationLimits;
use sendwheel_actors::domain::directory::Limit;

use super::layers::Layers;
use super::sections::limit;

/// Limits of email domains.
pub(super) fn of_domains(layers: &mut Layers) -> DestinationLimits {
    let named = named(layers, "email.destinations", "domain", domain);
    let each = limit(layers, "email.destination_limit");
    DestinationLimits::of_domains(named.iter().map(|(domain, limit)| (domain.as_str(), *limit)), each)
}

/// Limits of countries and of ranges of numbers.
pub(super) fn of_prefixes(layers: &mut Layers) -> DestinationLimits {
    let named = named(layers, "sms.destinations", "prefix", prefix);
    let each = limit(layers, "sms.destination_limit");
    DestinationLimits::of_prefixes(named, each)
}

/// One table for each destination, or a plain one for a single destination.
fn named<T: PartialEq>(
    layers: &mut Layers,
    section: &str,
    name: &str,
    read: fn(&str) -> Result<T, &'static str>,
) -> Vec<(T, Limit)> {
    let keys = match layers.len_of(section) {
        0 if layers.has(section) => vec![section.to_owned()],
        many => (0..many).map(|index| format!("{section}.{index}")).collect(),
    };
    let mut all: Vec<(T, Limit)> = Vec::with_capacity(keys.len());
    for key in keys {
        let named_by = format!("{key}.{name}");
        let is_named = layers.has(&named_by);
        let destination = layers.optional(&named_by, read);
        if !is_named {
            layers.refuse(&named_by, format!("a limited destination needs a {name}"));
        }
        let (Some(limit), Some(destination)) = (limit(layers, &key), destination) else { continue };
        if all.iter().any(|(other, _)| *other == destination) {
            layers.refuse(&named_by, format!("this {name} has a limit already: leave one of the two"));
        }
        all.push((destination, limit));
    }
    all
}

/// A domain as addresses are kept: in lowercase ASCII.
fn domain(text: &str) -> Result<String, &'static str> {
    let address = EmailAddress::parse(&format!("any@{text}"));
    address.map(|address| address.domain().to_owned()).map_err(|_| "expected a domain such as gmail.com")
}

/// The first digits of numbers.
fn prefix(text: &str) -> Result<u32, &'static str> {
    let digits = text.strip_prefix('+').unwrap_or_default();
    let is_prefix = (1..=9).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|digit| digit.is_ascii_digit());
    digits.parse().ok().filter(|_| is_prefix).ok_or("expected + and one to nine digits, such as +49")
}
