//! Checks that more than one resource makes on its fields. Each refuses with a code and what would be right.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use sendwheel_actors::domain::address::{AddressError, Channel, EmailAddress};
use sendwheel_actors::domain::directory::{Limit, Role};
use sendwheel_actors::domain::message::Class;

use super::faults::{At, Faults};
use super::json::{Label, List, Members, Shape, Text, request_object};
use super::times::read_duration;

/// The channels by name.
pub(crate) const CHANNELS: &[(&str, Channel)] = &[("email", Channel::Email), ("sms", Channel::Sms)];

/// The classes by name.
pub(crate) const CLASSES: &[(&str, Class)] =
    &[("conversation", Class::Conversation), ("transactional", Class::Transactional), ("campaign", Class::Campaign)];

/// The roles by name.
pub(crate) const ROLES: &[(&str, Role)] = &[("user", Role::User), ("admin", Role::Admin), ("operator", Role::Operator)];

/// The value that a text names, out of a fixed choice.
pub(crate) fn choice<T: Copy>(text: &str, choices: &[(&str, T)], at: &At<'_>, faults: &mut Faults) -> Option<T> {
    let found = choices.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
    if found.is_none() {
        let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
        faults.refuse(at, "unknown_value", format!("expected one of: {}", names.join(", ")));
    }
    found
}

/// A text of at most `max` bytes.
pub(crate) fn bounded<'a>(text: Text<'a>, max: usize, at: &At<'_>, faults: &mut Faults) -> Option<Text<'a>> {
    if text.len() > max {
        faults.refuse(at, "too_long", format!("at most {max} bytes, this has {}", text.len()));
        return None;
    }
    Some(text)
}

/// A name or label: one line of 1 to `max` bytes, without blanks around it.
pub(crate) fn line(text: Text<'_>, max: usize, at: &At<'_>, faults: &mut Faults) -> Option<String> {
    if text.chars().any(char::is_control) {
        faults.refuse(at, "control_character", "line breaks and control characters are not allowed here");
        return None;
    }
    let text = bounded(text, max, at, faults)?;
    let trimmed = text.trim();
    if trimmed.is_empty() {
        faults.refuse(at, "empty", "give at least one visible character, or leave the field out");
        return None;
    }
    Some(if trimmed.len() == text.len() { text.into_owned() } else { trimmed.to_owned() })
}

/// An id of a kind; a text that cannot be one is unknown.
pub(crate) fn id<T: FromStr<Err = sendwheel_actors::domain::ids::IdError>>(
    text: &str,
    unknown: &'static str,
    at: &At<'_>,
    faults: &mut Faults,
) -> Option<T> {
    text.parse().map_err(|error: T::Err| faults.refuse(at, unknown, error.to_string())).ok()
}

/// An email address.
pub(crate) fn email_address(text: &str, at: &At<'_>, faults: &mut Faults) -> Option<EmailAddress> {
    EmailAddress::parse(text.trim()).map_err(|error| faults.refuse(at, address_code(error), error.to_string())).ok()
}

/// The code of an address that was refused.
pub(crate) const fn address_code(error: AddressError) -> &'static str {
    match error {
        AddressError::Empty => "empty",
        AddressError::TooLong => "too_long",
        AddressError::ControlCharacter | AddressError::BadDisplayName => "header_injection",
        AddressError::NotAnEmail | AddressError::BadDomain => "invalid_email",
        AddressError::NotE164 | AddressError::InvalidNumber => "invalid_phone_number",
        AddressError::NotAUrl => "invalid_url",
    }
}

/// Refuses a list or object that has too many items.
pub(crate) fn at_most(total: usize, max: usize, at: &At<'_>, faults: &mut Faults) -> bool {
    if total > max {
        faults.refuse(at, "too_many", format!("at most {max} items, this has {total}"));
    }
    total <= max
}

/// What a list of at most `max` items says, each of them read by `read`.
pub(crate) fn each<'de, T: Shape<'de>, U>(
    list: List<T>,
    max: usize,
    at: &At<'_>,
    faults: &mut Faults,
    read: impl Fn(T, &At<'_>, &mut Faults) -> Option<U>,
) -> Option<Vec<U>> {
    if !at_most(list.total, max, at, faults) {
        return None;
    }
    let mut all = Vec::with_capacity(list.items.len());
    for (index, item) in list.items.into_iter().enumerate() {
        let at = at.item(index);
        all.extend(item.required(&at, faults).and_then(|item| read(item, &at, faults)));
    }
    Some(all)
}

/// The name of a zone, which the engine looks up.
pub(crate) fn zone_name(text: Text<'_>, at: &At<'_>, faults: &mut Faults) -> Option<String> {
    line(text, 64, at, faults)
}

/// Labels of a message.
pub(crate) fn metadata(
    members: Members<'_, Label<'_>>,
    at: &At<'_>,
    faults: &mut Faults,
) -> Option<BTreeMap<String, String>> {
    /// Labels, bytes of a name, bytes of a value.
    const MAX: (usize, usize, usize) = (20, 40, 500);
    if !at_most(members.total, MAX.0, at, faults) {
        return None;
    }
    let before = faults.len();
    let mut labels = BTreeMap::new();
    for (name, value) in members.items {
        let at = at.member(&name);
        if name.is_empty() || name.len() > MAX.1 || name.chars().any(char::is_control) {
            faults.refuse(&at, "invalid_name", format!("a name has 1 to {} bytes on one line", MAX.1));
        }
        let value = value.required(&at, faults).and_then(|Label(value)| bounded(value, MAX.2, &at, faults));
        if let Some(value) = value
            && labels.insert(name.to_string(), value.into_owned()).is_some()
        {
            faults.refuse(&at, "repeated_field", "the name is there twice: give it once");
        }
    }
    (faults.len() == before).then_some(labels)
}

request_object! {
    /// A limit: `rate` units (segments or mails) in each `per`, up to `burst` at once.
    pub(crate) struct LimitRequest<'a> {
        /// Units per period.
        #[schema(value_type = u32, minimum = 1, example = 10)]
        rate: u32,
        /// The period, as in `1s`; default `1s`.
        #[schema(value_type = Option<String>, example = "1s")]
        per: Text<'a>,
        /// Units that may go at once after a pause; default 1.
        #[schema(value_type = Option<u32>, minimum = 1)]
        burst: u32,
    }
}

impl LimitRequest<'_> {
    /// The limit, if every field of it is sound.
    pub(crate) fn read(self, at: &At<'_>, faults: &mut Faults) -> Option<Limit> {
        let before = faults.len();
        let rate = self.rate.required(&at.member("rate"), faults);
        let burst = self.burst.optional(&at.member("burst"), faults);
        for (name, value) in [("rate", rate), ("burst", burst)] {
            if value == Some(0) {
                faults.refuse(&at.member(name), "too_small", "at least 1");
            }
        }
        let per_at = at.member("per");
        let per = match self.per.optional(&per_at, faults) {
            None => Some(Duration::from_secs(1)),
            Some(text) => {
                let per = read_duration(&text).filter(|per| !per.is_zero());
                if per.is_none() {
                    faults.refuse(&per_at, "invalid_duration", "expected a duration such as \"1s\", \"5m\" or \"1d\"");
                }
                per
            }
        };
        self.stray.refuse(at, Self::NAMES, faults);
        match (rate, per) {
            (Some(rate), Some(per)) if faults.len() == before => Some(Limit { rate, per, burst: burst.unwrap_or(1) }),
            _ => None,
        }
    }
}
