//! A contact: who they are, how to reach them, what they agreed to.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::address::{Address, Channel, EmailAddress, PhoneNumber};
use super::clock::UnixMs;
use super::conversation::Conversation;
use super::habit::Habit;
use super::ids::{AccountNo, ContactId, SenderId};
use super::message::Author;
use super::sending_rules::Sent;

/// Bounds on a contact's fields; the API refuses what is beyond them.
pub mod limits {
    /// Bytes of a name.
    pub const NAME_BYTES: usize = 200;
    /// Email addresses, and phone numbers, each.
    pub const ADDRESSES: usize = 20;
    /// Tags.
    pub const TAGS: usize = 100;
    /// Bytes of a tag, a label or an attribute's name.
    pub const TAG_BYTES: usize = 100;
    /// Attributes.
    pub const ATTRIBUTES: usize = 100;
    /// Bytes of an attribute's value.
    pub const ATTRIBUTE_BYTES: usize = 2_000;
    /// Bytes of an external id.
    pub const EXTERNAL_ID_BYTES: usize = 200;
    /// Contacts that were merged into one.
    pub const MERGES: usize = 50;
}

/// Most search terms of a contact: each is an entry of the index.
const MAX_TERMS: usize = 40;
/// Longest search term, in bytes.
const MAX_TERM_BYTES: usize = 64;

/// What a contact agreed to on one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consent {
    /// Nobody recorded anything: blocks class `campaign`.
    #[default]
    Unknown,
    /// Agreed.
    Granted,
    /// Refused: blocks everything.
    Denied,
}

/// An email address of a contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactEmail {
    /// The address.
    pub address: EmailAddress,
    /// `work`, `home`, …
    pub label: Option<String>,
    /// The one to use when nothing else decides.
    pub primary: bool,
}

/// A phone number of a contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactPhone {
    /// The number.
    pub number: PhoneNumber,
    /// `mobile`, `work`, …
    pub label: Option<String>,
    /// The one to use when nothing else decides.
    pub primary: bool,
}

/// Consent per channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ConsentByChannel {
    /// Email.
    pub email: Consent,
    /// SMS.
    pub sms: Consent,
}

impl ConsentByChannel {
    /// The consent on one channel, to change it; none where nobody is asked.
    pub const fn on_mut(&mut self, channel: Channel) -> Option<&mut Consent> {
        match channel {
            Channel::Email => Some(&mut self.email),
            Channel::Sms => Some(&mut self.sms),
            Channel::Webhook => None,
        }
    }

    /// The consent on one channel; an account's own programs need nobody's.
    #[must_use]
    pub const fn on(&self, channel: Channel) -> Consent {
        match channel {
            Channel::Email => self.email,
            Channel::Sms => self.sms,
            Channel::Webhook => Consent::Granted,
        }
    }
}

/// What a caller can set on a contact.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Profile {
    /// Display name.
    pub name: Option<String>,
    /// At most one is primary; the first one is made so when none is.
    pub emails: Vec<ContactEmail>,
    /// At most one is primary; the first one is made so when none is.
    pub phones: Vec<ContactPhone>,
    /// IANA zone name, validated.
    pub time_zone: Option<String>,
    /// Free labels.
    pub tags: Vec<String>,
    /// Free fields, for templates.
    pub attributes: BTreeMap<String, String>,
    /// What they agreed to.
    pub consent: ConsentByChannel,
    /// The caller's own name for this contact, unique in the account.
    pub external_id: Option<String>,
}

/// What was used last on one channel: the default of the next message.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LastUsed {
    /// The contact's address.
    pub address: Option<Address>,
    /// Our sender.
    pub sender: Option<SenderId>,
}

/// How much of a contact goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Removal {
    /// Its messages, its thread and itself. Addresses that are suppressed stay on the list: who wants no messages
    /// gets none from the next contact with that address either.
    Delete,
    /// Also what the list of suppressed addresses says of it: a digest stays, which keeps the address suppressed and
    /// cannot be read.
    Erase,
}

/// Whether a contact lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Life {
    /// In use.
    Live,
    /// Deleted at this instant; its messages are being removed. Nothing is handed over any more.
    Tombstone {
        /// When the deletion was decided.
        at: UnixMs,
        /// How much goes.
        removal: Removal,
    },
    /// Being merged into another contact. Nothing is handed over or changed here any more.
    Merging(Merging),
    /// Merged into this contact, which has everything of it. It stays, so that its ids lead there.
    Merged(ContactId),
}

/// A merge under way, as the duplicate knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merging {
    /// The contact that survives.
    pub into: ContactId,
    /// When it began.
    pub at: UnixMs,
    /// Who wants it.
    pub by: Author,
    /// From where, if that is known.
    pub origin: Option<IpAddr>,
    /// What the survivor gave out for this merge.
    pub token: u64,
    /// Whether the survivor has agreed: from then on there is no way back.
    pub is_moving: bool,
}

/// A merge under way, as the survivor knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncomingMerge {
    /// The duplicate.
    pub from: ContactId,
    /// Given out for this merge, and never for another.
    pub token: u64,
    /// Whether the profile was taken: from then on the rest follows.
    pub is_moving: bool,
}

/// A contact that was merged into this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergedContact {
    /// Its id.
    pub id: ContactId,
    /// The external id that leads here because of it.
    pub external_id: Option<String>,
    /// The contact that it was merged into: this one, or one that was merged into this one later.
    pub into: ContactId,
}

/// What was and is being merged into a contact.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Merges {
    /// The one that is expected, or on its way.
    pub incoming: Option<IncomingMerge>,
    /// Those that arrived, and those that had arrived at them; at most [`limits::MERGES`].
    pub done: Vec<MergedContact>,
}

impl Merges {
    /// The contacts between a merged one and this one, `me`, in the order in which they were merged; this one is last.
    pub fn way(&self, from: ContactId, me: ContactId) -> impl Iterator<Item = ContactId> + '_ {
        let next = move |at: &ContactId| {
            if *at == me { None } else { self.done.iter().find(|merged| merged.id == *at).map(|merged| merged.into) }
        };
        std::iter::successors(next(&from), next).take(self.done.len())
    }
}

/// A contact, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Its id.
    pub id: ContactId,
    /// The account it belongs to.
    pub account: AccountNo,
    /// Counts every committed change of the profile, from 1.
    pub version: u32,
    /// Whether it lives.
    pub life: Life,
    /// What callers set.
    pub profile: Profile,
    /// Last used for email.
    pub last_email: LastUsed,
    /// Last used for SMS.
    pub last_sms: LastUsed,
    /// The conversation as a whole.
    pub conversation: Conversation,
    /// What was and is being merged into it.
    pub merges: Merges,
    /// When it was created.
    pub created_at: UnixMs,
    /// The last change of the profile.
    pub updated_at: UnixMs,
    /// First 16 bytes of SHA-256 over the creating request, when it had an idempotency key.
    pub request_hash: Option<[u8; 16]>,
    /// When it is active; none: nothing was seen yet.
    #[serde(default)]
    pub habit: Option<Box<Habit>>,
    /// What it got lately, where its account caps that; oldest first.
    #[serde(default)]
    pub sent: Vec<Sent>,
}

impl Contact {
    /// Whether it is in use: neither deleted nor on its way into another.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        matches!(self.life, Life::Live)
    }

    /// Whether everything of it is here: a merge is not agreed on until the survivor has the profile.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        matches!(self.life, Life::Live | Life::Merging(Merging { is_moving: false, .. }))
    }

    /// Whether another contact's messages and thread are moving here.
    #[must_use]
    pub fn is_taking_over(&self) -> bool {
        self.merges.incoming.is_some_and(|incoming| incoming.is_moving)
    }

    /// Whether it was deleted.
    #[must_use]
    pub const fn is_deleted(&self) -> bool {
        matches!(self.life, Life::Tombstone { .. })
    }

    /// What was used last on a channel.
    #[must_use]
    pub const fn last_used(&self, channel: Channel) -> &LastUsed {
        const NOTHING: &LastUsed = &LastUsed { address: None, sender: None };
        match channel {
            Channel::Email => &self.last_email,
            Channel::Sms => &self.last_sms,
            Channel::Webhook => NOTHING,
        }
    }

    /// What was used last on a channel, to change it; none where no contact is reached.
    pub const fn last_used_mut(&mut self, channel: Channel) -> Option<&mut LastUsed> {
        match channel {
            Channel::Email => Some(&mut self.last_email),
            Channel::Sms => Some(&mut self.last_sms),
            Channel::Webhook => None,
        }
    }
}

impl Profile {
    /// Leaves exactly one primary address of each kind: the first that is marked, else the first.
    pub fn choose_primaries(&mut self) {
        let chosen = self.emails.iter().position(|email| email.primary).unwrap_or(0);
        for (at, email) in self.emails.iter_mut().enumerate() {
            email.primary = at == chosen;
        }
        let chosen = self.phones.iter().position(|phone| phone.primary).unwrap_or(0);
        for (at, phone) in self.phones.iter_mut().enumerate() {
            phone.primary = at == chosen;
        }
    }

    /// The primary address on a channel.
    #[must_use]
    pub fn primary(&self, channel: Channel) -> Option<Address> {
        match channel {
            Channel::Email => {
                self.emails.iter().find(|email| email.primary).map(|email| Address::Email(email.address.clone()))
            }
            Channel::Sms => {
                self.phones.iter().find(|phone| phone.primary).map(|phone| Address::Phone(phone.number.clone()))
            }
            Channel::Webhook => None,
        }
    }

    /// Whether an address is one of this contact's.
    #[must_use]
    pub fn has(&self, address: &Address) -> bool {
        match address {
            Address::Email(address) => self.emails.iter().any(|email| email.address == *address),
            Address::Phone(number) => self.phones.iter().any(|phone| phone.number == *number),
            Address::Url(_) => false,
        }
    }

    /// Every address.
    pub fn addresses(&self) -> impl Iterator<Item = Address> + '_ {
        let emails = self.emails.iter().map(|email| Address::Email(email.address.clone()));
        emails.chain(self.phones.iter().map(|phone| Address::Phone(phone.number.clone())))
    }

    /// The terms under which a search finds this contact: words of the name, addresses and their parts,
    /// digits of numbers, the external id. In lowercase, at most 40 of them, at most 64 bytes each; when there are
    /// more, those of later addresses are left out, never the name or the external id.
    #[must_use]
    pub fn search_terms(&self) -> Vec<String> {
        let mut terms: Vec<_> = self.external_id.iter().map(|id| id.to_lowercase()).collect();
        if let Some(name) = &self.name {
            let name = name.trim().to_lowercase();
            let words: Vec<_> = name.split_whitespace().skip(1).map(str::to_owned).collect();
            terms.push(name);
            terms.extend(words);
        }
        terms.truncate(MAX_TERMS / 2);
        // Addresses of both kinds by turns, so that many of one kind do not keep out the other.
        for at in 0..self.emails.len().max(self.phones.len()) {
            if let Some(email) = self.emails.get(at) {
                terms.push(email.address.as_str().to_lowercase());
                terms.push(email.address.domain().to_owned());
            }
            let phone = self.phones.get(at);
            terms.extend(phone.map(|phone| phone.number.as_str().trim_start_matches('+').to_owned()));
        }
        for term in &mut terms {
            let end = (0..=MAX_TERM_BYTES.min(term.len())).rev().find(|end| term.is_char_boundary(*end));
            term.truncate(end.unwrap_or(0));
        }
        let mut seen = HashSet::new();
        terms.retain(|term| !term.is_empty() && seen.insert(term.clone()));
        terms.truncate(MAX_TERMS);
        terms.sort_unstable();
        terms
    }
}

#[cfg(test)]
mod tests;
