//! Every key there is: record keys, index members, the byte layout of the embedded keyspaces, Redis keys.
//!
//! No other module spells a key. All numbers are big-endian, so that bytes sort as numbers do. Parts of
//! fixed length come first, so that no separator is needed and no two different things meet in one key.

pub(crate) mod embedded;
mod members;
pub(crate) mod redis;

use sha2::{Digest, Sha256};

use super::contract::Key;
use crate::domain::address::Address;
use crate::domain::ids::{
    AccountNo, ApiKeyId, AuditId, ContactId, MessageId, SenderId, SessionId, TemplateId, UserId, WebhookId,
};
use crate::domain::message::BlobKey;

pub use members::{
    AttentionMember, AuditMember, HeldMember, KeyError, SearchMember, TimelineMember, WaitingScope, contact_member,
    contact_of_member, message_member, message_of_member, search_start,
};

/// The key of a contact's record, in `Table::Contact`.
#[must_use]
pub fn contact(id: ContactId) -> Key {
    Key::from_slice(id.as_bytes())
}

/// The key of a message's record, in `Table::Message`.
#[must_use]
pub fn message(id: MessageId) -> Key {
    Key::from_slice(id.as_bytes())
}

/// The key of a blob, in `Table::Blob`.
#[must_use]
pub fn blob(blob: BlobKey) -> Key {
    let mut key = Key::from_slice(blob.message.as_bytes());
    key.push(blob.number);
    key
}

/// The key of an item of a thread, in `Table::Item`.
#[must_use]
pub fn item(id: MessageId) -> Key {
    Key::from_slice(id.as_bytes())
}

/// Sixteen bytes that stand for an address of an account: what suppressions and hints are kept under.
pub type AddressDigest = [u8; 16];

/// The key of a suppressed address, in `Table::Suppression`.
#[must_use]
pub fn suppression(account: AccountNo, digest: AddressDigest) -> Key {
    let mut key = Key::from_slice(&account.0.to_be_bytes());
    key.extend_from_slice(&digest);
    key
}

/// The member of a suppressed address in `Suppressions`.
#[must_use]
pub fn suppression_member(digest: AddressDigest) -> super::contract::Member {
    super::contract::Member::from_slice(&digest)
}

/// The digest that a member of `Suppressions` holds.
///
/// # Errors
/// Not sixteen bytes.
pub fn digest_of_member(bytes: &[u8]) -> Result<AddressDigest, KeyError> {
    bytes.try_into().map_err(|_| KeyError::new("suppressions", bytes))
}

/// The key of an external id that was set after its contact was created, in `Table::Alias`.
#[must_use]
pub fn alias(account: AccountNo, external_id: &str) -> Key {
    let mut key = Key::from_slice(&account.0.to_be_bytes());
    key.extend_from_slice(external_id.as_bytes());
    key
}

/// The key of what an account's contacts taught of habits, in `Table::Habits`.
#[must_use]
pub fn habits(account: AccountNo) -> Key {
    Key::from_slice(&account.0.to_be_bytes())
}

/// The key of what a partition's messages were planned by, in `Table::Planned`.
#[must_use]
pub fn planned() -> Key {
    Key::from_slice(&[0])
}

/// The key of an audit entry, in `Table::Audit`.
#[must_use]
pub fn audit(id: AuditId) -> Key {
    Key::from_slice(id.as_bytes())
}

/// The key of the installation's secret (32 random bytes) in `Table::Directory`; not listed in `Index::Directory`.
#[must_use]
pub fn installation_secret() -> Key {
    Key::from_slice(&[0])
}

/// What the directory holds: the key of a record in `Table::Directory`, and its member in `Index::Directory`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DirectoryKey {
    /// An account, by its number.
    Account(AccountNo),
    /// A user.
    User(UserId),
    /// An API key.
    ApiKey(ApiKeyId),
    /// A sender.
    Sender(SenderId),
    /// A session.
    Session(SessionId),
    /// A webhook.
    Webhook(WebhookId),
    /// A template.
    Template(TemplateId),
}

impl DirectoryKey {
    /// The record's key: a kind byte and the id.
    #[must_use]
    pub fn key(self) -> Key {
        let (kind, id): (u8, &[u8]) = match &self {
            Self::Account(no) => (1, &no.0.to_be_bytes()),
            Self::User(id) => (2, id.as_bytes()),
            Self::ApiKey(id) => (3, id.as_bytes()),
            Self::Sender(id) => (4, id.as_bytes()),
            Self::Session(id) => (5, id.as_bytes()),
            Self::Webhook(id) => (6, id.as_bytes()),
            Self::Template(id) => (7, id.as_bytes()),
        };
        let mut key = Key::new();
        key.push(kind);
        key.extend_from_slice(id);
        key
    }

    /// The member under which `Index::Directory` lists it (score 0).
    #[must_use]
    pub fn member(self) -> super::contract::Member {
        super::contract::Member::from_slice(&self.key())
    }

    /// What a member of `Index::Directory` stands for.
    ///
    /// # Errors
    /// Another kind or length.
    pub fn from_member(bytes: &[u8]) -> Result<Self, KeyError> {
        let error = || KeyError::new("directory", bytes);
        let (kind, id) = bytes.split_first().ok_or_else(error)?;
        if *kind == 1 {
            let no = <[u8; 4]>::try_from(id).map_err(|_| error())?;
            return Ok(Self::Account(AccountNo(u32::from_be_bytes(no))));
        }
        let id = <[u8; 16]>::try_from(id).map_err(|_| error())?;
        match kind {
            2 => Ok(Self::User(UserId::from_bytes(id))),
            3 => Ok(Self::ApiKey(ApiKeyId::from_bytes(id))),
            4 => Ok(Self::Sender(SenderId::from_bytes(id))),
            5 => Ok(Self::Session(SessionId::from_bytes(id))),
            6 => Ok(Self::Webhook(WebhookId::from_bytes(id))),
            7 => Ok(Self::Template(TemplateId::from_bytes(id))),
            _ => Err(error()),
        }
    }
}

/// What an address is kept under: no address stands in a key, and the reader verifies every hint anyway.
#[must_use]
pub fn address_digest(account: AccountNo, address: &Address) -> AddressDigest {
    let mut hash = Sha256::new();
    hash.update(account.0.to_be_bytes());
    hash.update([address.channel() as u8]);
    hash.update(address.as_str().as_bytes());
    let mut digest = [0; 16];
    digest.copy_from_slice(&hash.finalize()[..16]);
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_member_is_read_back() {
        for key in [
            DirectoryKey::Account(AccountNo(7)),
            DirectoryKey::User(UserId::from_bytes([1; 16])),
            DirectoryKey::ApiKey(ApiKeyId::from_bytes([1; 16])),
            DirectoryKey::Sender(SenderId::from_bytes([1; 16])),
            DirectoryKey::Session(SessionId::from_bytes([1; 16])),
            DirectoryKey::Webhook(WebhookId::from_bytes([1; 16])),
            DirectoryKey::Template(TemplateId::from_bytes([1; 16])),
        ] {
            assert_eq!(DirectoryKey::from_member(&key.member()), Ok(key));
        }
        assert!(DirectoryKey::from_member(&[]).is_err());
        assert!(DirectoryKey::from_member(&[9; 17]).is_err());
        assert!(DirectoryKey::from_member(&[1; 17]).is_err());
    }

    #[test]
    fn an_alias_belongs_to_one_account() {
        assert_ne!(alias(AccountNo(1), "42"), alias(AccountNo(2), "42"));
        assert_eq!(alias(AccountNo(1), "42").as_slice(), b"\0\0\0\x0142");
    }
}
