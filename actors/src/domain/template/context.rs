//! What a template may name.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::address::Channel;
use crate::domain::contact::Profile;
use crate::domain::directory::{Account, Sender, SenderAddress};

/// What a template may name: `contact`, `sender` and `account`. What is not known is left out, so that naming it is
/// an error, and `{{ contact.first_name | default("there") }}` is how an author provides for it.
#[derive(Clone, Default, Serialize)]
pub struct TemplateContext {
    /// Who gets the message.
    pub contact: ContactFields,
    /// What it is sent from.
    pub sender: SenderFields,
    /// Who sends it.
    pub account: AccountFields,
}

/// `contact.…`
#[derive(Clone, Default, Serialize)]
pub struct ContactFields {
    /// Display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The first word of the name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// Primary email address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Primary phone number, E.164.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// IANA zone name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// The account's own fields.
    pub attributes: BTreeMap<String, String>,
    /// The account's own name for the contact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
}

/// `sender.…`
#[derive(Clone, Default, Serialize)]
pub struct SenderFields {
    /// What people call it; for an email identity without a label its display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The address alone, without a display name.
    pub address: String,
}

/// `account.…`
#[derive(Clone, Default, Serialize)]
pub struct AccountFields {
    /// Shown name.
    pub name: String,
}

impl std::fmt::Debug for TemplateContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TemplateContext(redacted)")
    }
}

impl TemplateContext {
    /// The fields of one message's contact, sender and account.
    #[must_use]
    pub fn new(profile: &Profile, sender: &Sender, account: &Account) -> Self {
        let primary = |channel| profile.primary(channel).map(|address| address.to_string());
        let (address, display_name) = match &sender.address {
            SenderAddress::Email(mailbox) => (mailbox.address.to_string(), mailbox.name.clone()),
            other => (other.to_string(), None),
        };
        Self {
            contact: ContactFields {
                name: profile.name.clone(),
                first_name: profile.name.as_deref().and_then(first_word),
                email: primary(Channel::Email),
                phone: primary(Channel::Sms),
                time_zone: profile.time_zone.clone(),
                tags: profile.tags.clone(),
                attributes: profile.attributes.clone(),
                external_id: profile.external_id.clone(),
            },
            sender: SenderFields { label: sender.label.clone().or(display_name), address },
            account: AccountFields { name: account.name.clone() },
        }
    }
}

/// A name's first word. Of `Doe, Jane` it is the one after the comma.
fn first_word(name: &str) -> Option<String> {
    let words = |text: &str| text.split([',', ' ', '\t', '\u{a0}']).find(|word| !word.is_empty()).map(str::to_owned);
    let given = name.split_once(',').and_then(|(_, given)| words(given));
    given.or_else(|| words(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_name_is_the_first_word_or_the_one_after_a_comma() {
        for (name, expected) in [
            ("Jane", Some("Jane")),
            ("  Jane  Doe ", Some("Jane")),
            ("Doe, Jane Mary", Some("Jane")),
            ("Doe,Jane", Some("Jane")),
            ("Doe,", Some("Doe")),
            ("Åsa\u{a0}Öberg", Some("Åsa")),
            (" , ", None),
            ("", None),
        ] {
            assert_eq!(first_word(name).as_deref(), expected, "{name:?}");
        }
    }
}
