//! Identifiers: 128-bit UUIDs shown as TypeIDs (`msg_01h…`), and the partition arithmetic behind them.
//!
//! A message id carries its partition in the twelve bits that UUID version 7 and 8 leave free after
//! the version nibble, so a message is found by its id alone. Ids derived from a caller's key are
//! version 8 (SHA-256 of the parts), all others version 7. TypeID: <https://github.com/jetify-com/typeid>.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Largest number of partitions: what fits the twelve bits a message id has for it.
pub const MAX_PARTITIONS: u16 = 4096;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a {expected} id: expected `{expected}_` and 26 characters of lowercase base32")]
pub struct IdError {
    /// The prefix that was expected.
    pub expected: &'static str,
}

/// Crockford's, in lowercase: without letters that are read as digits or make words.
pub(super) const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

fn encode_base32(value: u128) -> [u8; 26] {
    let mut out = [b'0'; 26];
    let mut rest = value;
    for slot in out.iter_mut().rev() {
        *slot = ALPHABET[(rest & 31) as usize];
        rest >>= 5;
    }
    out
}

fn decode_base32(text: &str) -> Option<u128> {
    let bytes = text.as_bytes();
    // 26 characters are 130 bits: the first may only carry three.
    if bytes.len() != 26 || bytes[0] > b'7' {
        return None;
    }
    bytes.iter().try_fold(0u128, |value, byte| {
        let digit = ALPHABET.iter().position(|c| c == byte)?;
        Some((value << 5) | digit as u128)
    })
}

macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// The TypeID prefix of this kind of id.
            pub const PREFIX: &'static str = $prefix;

            /// Wraps a UUID that was made or stored as this kind of id.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The sixteen bytes, as keys and index members carry them.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// The id that sixteen stored bytes are.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let text = encode_base32(self.0.as_u128());
                f.write_str($prefix)?;
                f.write_str("_")?;
                f.write_str(std::str::from_utf8(&text).expect("the base32 alphabet is ASCII"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                text.strip_prefix(concat!($prefix, "_"))
                    .and_then(decode_base32)
                    .map(|value| Self(Uuid::from_u128(value)))
                    .ok_or(IdError { expected: $prefix })
            }
        }
    };
}

typed_id!(
    /// One scheduled or sent message.
    MessageId, "msg");
typed_id!(
    /// One person or company that messages go to.
    ContactId, "contact");
typed_id!(
    /// A phone number or email identity that messages are sent from.
    SenderId, "sender");
typed_id!(
    /// A tenant of this installation.
    AccountId, "account");
typed_id!(
    /// A person who signs in.
    UserId, "user");
typed_id!(
    /// An API key (its public name, not its secret).
    ApiKeyId, "key");
typed_id!(
    /// A signed-in browser (its public name, not its secret).
    SessionId, "session");
typed_id!(
    /// An entry of the audit trail.
    AuditId, "audit");
typed_id!(
    /// Messages that repeat: the id of their entry in the contact's thread, under a name of its own.
    SeriesId, "series");
typed_id!(
    /// A URL to which an account wants to be told what happens.
    WebhookId, "webhook");
typed_id!(
    /// What an account keeps to be said again and again.
    TemplateId, "template");

/// The unit of ownership, of commit and of Redis hash slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Partition(pub u16);

impl Partition {
    /// Where the directory (accounts, keys, senders) lives: beside the numbered partitions, leased alike.
    pub const DIRECTORY: Self = Self(u16::MAX);
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::DIRECTORY { f.write_str("directory") } else { self.0.fmt(f) }
    }
}

/// How many partitions a store was created with; fixed for its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PartitionCount(u16);

impl PartitionCount {
    /// The default for a new store: enough to spread over a dozen nodes, and few enough that the changes of a busy
    /// moment share their commits.
    pub const DEFAULT: Self = Self(64);

    /// A count between 1 and [`MAX_PARTITIONS`].
    #[must_use]
    pub const fn new(count: u16) -> Option<Self> {
        if count >= 1 && count <= MAX_PARTITIONS { Some(Self(count)) } else { None }
    }

    /// The number itself.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Every partition, in order (the directory is not among them).
    pub fn iter(self) -> impl Iterator<Item = Partition> + Clone {
        (0..self.0).map(Partition)
    }

    /// The partition that owns a contact and everything of it.
    #[must_use]
    pub fn of_contact(self, contact: ContactId) -> Partition {
        let hash = xxhash_rust::xxh3::xxh3_64(contact.as_bytes());
        Partition((hash % u64::from(self.0)) as u16)
    }

    /// The partition that a message id names, if this store has it.
    #[must_use]
    pub fn of_message(self, message: MessageId) -> Option<Partition> {
        let partition = message.partition();
        (partition.0 < self.0).then_some(partition)
    }
}

impl MessageId {
    /// A number that is spread evenly over all messages, and always the same for one.
    #[must_use]
    pub fn spread(self) -> u64 {
        xxhash_rust::xxh3::xxh3_64(self.as_bytes())
    }

    /// The partition in the id's fixed bits.
    #[must_use]
    pub fn partition(self) -> Partition {
        let bytes = self.0.as_bytes();
        Partition(u16::from_be_bytes([bytes[6] & 0x0f, bytes[7]]))
    }

    /// Stamps a partition into the twelve bits after the version nibble.
    #[must_use]
    pub fn in_partition(uuid: Uuid, partition: Partition) -> Self {
        debug_assert!(partition.0 < MAX_PARTITIONS, "a message lives in a numbered partition");
        let mut bytes = uuid.into_bytes();
        let [high, low] = partition.0.to_be_bytes();
        bytes[6] = (bytes[6] & 0xf0) | (high & 0x0f);
        bytes[7] = low;
        Self(Uuid::from_bytes(bytes))
    }

    /// The id that a caller's idempotency key stands for, within one contact of one account.
    #[must_use]
    pub fn derived(account: AccountNo, contact: ContactId, key: &str, partition: Partition) -> Self {
        Self::in_partition(
            derive_uuid(b"message", &[&account.0.to_be_bytes(), contact.as_bytes(), key.as_bytes()]),
            partition,
        )
    }

    /// The id of what a contact sent, by the provider's or the mail's own id: the same, however often it is delivered.
    #[must_use]
    pub fn received(contact: ContactId, own_id: &str, partition: Partition) -> Self {
        Self::in_partition(derive_uuid(b"received", &[contact.as_bytes(), own_id.as_bytes()]), partition)
    }

    /// The id that an entry of a thread has once it moved into another contact's: the same, however often it is moved
    /// there, and wherever it was before.
    #[must_use]
    pub fn moved(self, into: ContactId, partition: Partition) -> Self {
        let anywhere = Self::in_partition(self.0, Partition(0));
        Self::in_partition(derive_uuid(b"moved", &[anywhere.as_bytes(), into.as_bytes()]), partition)
    }

    /// The id of the message that one requeue of a dead letter makes: one dead letter, one revival.
    #[must_use]
    pub fn requeued(original: Self) -> Self {
        Self::in_partition(derive_uuid(b"requeue", &[original.as_bytes()]), original.partition())
    }
}

impl SeriesId {
    /// The series that begins with a message.
    #[must_use]
    pub fn begun_by(first: MessageId) -> Self {
        Self::of_entry(MessageId::in_partition(derive_uuid(b"series", &[first.as_bytes()]), first.partition()))
    }

    /// The series behind an entry of a thread.
    #[must_use]
    pub const fn of_entry(entry: MessageId) -> Self {
        Self(entry.0)
    }

    /// Its entry in the contact's thread.
    #[must_use]
    pub const fn entry(self) -> MessageId {
        MessageId(self.0)
    }

    /// The id of its message at a time on the wall: the same, however often it is made.
    #[must_use]
    pub fn occurrence(self, local: &str) -> MessageId {
        let uuid = derive_uuid(b"occurrence", &[self.as_bytes(), local.as_bytes()]);
        MessageId::in_partition(uuid, self.entry().partition())
    }
}

impl ContactId {
    /// The id of the contact that an account knows by `external_id`, so that concurrent upserts meet.
    #[must_use]
    pub fn from_external_id(account: AccountNo, external_id: &str) -> Self {
        Self(derive_uuid(b"contact", &[&account.0.to_be_bytes(), external_id.as_bytes()]))
    }

    /// The id of the contact that an address which no contact has makes when it writes to us.
    #[must_use]
    pub fn from_address_digest(digest: &[u8; 16]) -> Self {
        Self(derive_uuid(b"contact-address", &[digest]))
    }

    /// The id whose actor decides on an address of an account: whether it is suppressed. No contact has it.
    #[must_use]
    pub fn of_address_digest(digest: &[u8; 16]) -> Self {
        Self(derive_uuid(b"address", &[digest]))
    }

    /// The id whose actor keeps an entry of the audit trail that is about a whole request. No contact has it.
    #[must_use]
    pub fn of_audit(id: AuditId) -> Self {
        Self(derive_uuid(b"audit", &[id.as_bytes()]))
    }

    /// The id whose actor sends what tries a webhook out. No contact has it.
    #[must_use]
    pub fn of_webhook(id: WebhookId) -> Self {
        Self(derive_uuid(b"webhook", &[id.as_bytes()]))
    }

    /// The id that a creating request's idempotency key stands for.
    #[must_use]
    pub fn from_idempotency_key(account: AccountNo, key: &str) -> Self {
        Self(derive_uuid(b"contact-key", &[&account.0.to_be_bytes(), key.as_bytes()]))
    }
}

/// A version 8 UUID from SHA-256 over length-prefixed parts: equal parts meet, different ones do not.
#[must_use]
pub fn derive_uuid(domain: &[u8], parts: &[&[u8]]) -> Uuid {
    let mut hash = Sha256::new();
    for part in std::iter::once(&domain).chain(parts) {
        hash.update((part.len() as u32).to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&digest[..16]);
    Uuid::new_v8(bytes)
}

macro_rules! directory_number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u32);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

directory_number!(
    /// An account's number in the directory: four bytes where a ticket or a scope would need sixteen.
    AccountNo);
impl AccountNo {
    /// The installation's own, under which what it writes to its users is kept. Nobody's: no key and no user is of it.
    pub const SYSTEM: Self = Self(0);
}

directory_number!(
    /// A lane's number: the directory number of the sender or webhook behind it.
    LaneNo);
impl LaneNo {
    /// The lane of the installation's own mails; the directory gives out numbers from 1.
    pub const SYSTEM: Self = Self(0);
    /// Set in the number of a lane that no sender and no webhook is behind: the directory never counts that far.
    const OF_CALLBACKS: u32 = 1 << 31;

    /// The lane of an account's status callbacks.
    #[must_use]
    pub const fn of_callbacks(account: AccountNo) -> Self {
        Self(Self::OF_CALLBACKS | account.0)
    }

    /// Whether status callbacks go through it.
    #[must_use]
    pub const fn is_of_callbacks(self) -> bool {
        self.0 & Self::OF_CALLBACKS != 0
    }
}

directory_number!(
    /// A campaign's number; zero stands for none.
    CampaignNo);

/// One start of one node: tells a claim of this process from a claim of one that died.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootId(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typeid_matches_the_specification_s_vectors() {
        // From the TypeID specification's valid.yml.
        for (uuid, suffix) in [
            ("00000000-0000-0000-0000-000000000000", "00000000000000000000000000"),
            ("00000000-0000-0000-0000-00000000000a", "0000000000000000000000000a"),
            ("00000000-0000-0000-0000-000000000020", "00000000000000000000000010"),
            ("ffffffff-ffff-ffff-ffff-ffffffffffff", "7zzzzzzzzzzzzzzzzzzzzzzzzz"),
            ("0110c853-1d09-52d8-d73e-1194e95b5f19", "0123456789abcdefghjkmnpqrs"),
            ("01890a5d-ac96-774b-bcce-b302099a8057", "01h455vb4pex5vsknk084sn02q"),
        ] {
            let id = MessageId::from_uuid(uuid.parse().unwrap());
            assert_eq!(id.to_string(), format!("msg_{suffix}"));
            assert_eq!(format!("msg_{suffix}").parse::<MessageId>().unwrap(), id);
        }
    }

    #[test]
    fn texts_that_are_no_typeid_are_refused() {
        for text in [
            "",
            "msg_",
            "msg_8zzzzzzzzzzzzzzzzzzzzzzzzz",
            "contact_01h455vb4pex5vsknk084sn02q",
            "msg_01h455vb4pex5vsknk084sn02Q",
            "msg_01h455vb4pex5vsknk084sn02",
            "msg-01h455vb4pex5vsknk084sn02q",
            "msg_01h455vb4pex5vsknk084sn02ü",
        ] {
            assert!(text.parse::<MessageId>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_message_id_carries_its_partition() {
        for partition in [0, 1, 255, 4095] {
            let id = MessageId::in_partition(Uuid::from_u128(u128::MAX), Partition(partition));
            assert_eq!(id.partition(), Partition(partition));
        }
        assert_eq!(PartitionCount::DEFAULT.of_message(MessageId::in_partition(Uuid::nil(), Partition(64))), None);
    }

    #[test]
    fn derived_ids_meet_only_for_equal_parts() {
        let contact = ContactId::from_external_id(AccountNo(1), "42");
        assert_eq!(contact, ContactId::from_external_id(AccountNo(1), "42"));
        assert_ne!(contact, ContactId::from_external_id(AccountNo(2), "42"));
        let key = |account, key| MessageId::derived(account, contact, key, Partition(7));
        assert_eq!(key(AccountNo(1), "a"), key(AccountNo(1), "a"));
        assert_ne!(key(AccountNo(1), "a"), key(AccountNo(1), "b"));
        assert_eq!(key(AccountNo(1), "a").partition(), Partition(7));
    }
}
