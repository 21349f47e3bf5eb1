//! The one way in which records become bytes: a format version byte, then MessagePack with structs as
//! arrays (compact; so the order of fields is part of the format). Variants that a message has are one letter
//! (`rename`; the long name, by which the first format has them, is read as its `alias`), plain ones a number.
//!
//! A version that this program does not know, or bytes after the record, are errors: nothing is guessed.
//! The golden-bytes tests fail when a change of a type changes its format; such a change needs a new
//! version and a way to read the old one.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::contract::{Head, StoreError};
use crate::domain::audit::AuditEntry;
use crate::domain::contact::Contact;
use crate::domain::conversation::ThreadItem;
use crate::domain::directory::{Account, ApiKey, MessageTemplate, Sender, Session, User, Webhook};
use crate::domain::habit::AccountHabits;
use crate::domain::ids::Partition;
use crate::domain::message::{Content, Message};
use crate::domain::plan::PlannedBy;
use crate::domain::suppression::Suppression;

/// A type that is stored as a record.
pub trait Record: Serialize + DeserializeOwned {
    /// What error texts call it.
    const NAME: &'static str;
    /// The version of its format that this program writes.
    const VERSION: u8 = 1;
    /// The oldest version that it reads: since then fields were only added at the end, each with a default, and names
    /// of variants were shortened, which are read in both forms.
    const OLDEST: u8 = Self::VERSION;
    /// Bytes that an ordinary one takes, to save the buffer's growing.
    const TYPICAL_BYTES: usize = 256;
}

macro_rules! records {
    ($($type:ty: $name:literal, $bytes:literal $(, version $version:literal since $oldest:literal)?;)*) => {
        $(impl Record for $type {
            const NAME: &'static str = $name;
            const TYPICAL_BYTES: usize = $bytes;
            $(const VERSION: u8 = $version;
            const OLDEST: u8 = $oldest;)?
        })*
    };
}
records! {
    Contact: "contact", 384, version 2 since 1;
    Message: "message", 512, version 2 since 1;
    Content: "content", 2048;
    Account: "account", 256, version 2 since 1;
    User: "user", 256, version 2 since 1;
    ApiKey: "api key", 192, version 2 since 1;
    Sender: "sender", 256;
    ThreadItem: "thread item", 512, version 2 since 1;
    Suppression: "suppression", 128, version 2 since 1;
    Session: "session", 256;
    AuditEntry: "audit entry", 192, version 2 since 1;
    Webhook: "webhook", 384;
    MessageTemplate: "template", 1024;
    AccountHabits: "habits", 928;
    PlannedBy: "planned by", 24;
}

/// Why bytes are not a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Written by another version of the program.
    #[error(
        "a {record} record has format version {found}, and this program reads version {known}: \
         run the version that wrote it, or upgrade"
    )]
    Version {
        /// Which record.
        record: &'static str,
        /// Its version.
        found: u8,
        /// Ours.
        known: u8,
    },
    /// Empty, cut short, followed by more, or not MessagePack of this shape.
    #[error("a {record} record of {len} bytes cannot be read: restore it from a backup")]
    Malformed {
        /// Which record.
        record: &'static str,
        /// Its length; its bytes may be personal data.
        len: usize,
    },
}

impl From<CodecError> for StoreError {
    fn from(error: CodecError) -> Self {
        Self::Corrupt(error.to_string())
    }
}

/// A record's bytes.
#[must_use]
pub fn encode<T: Record>(record: &T) -> Bytes {
    let mut out = Vec::with_capacity(T::TYPICAL_BYTES);
    out.push(T::VERSION);
    rmp_serde::encode::write(&mut out, record).expect("records have only types that MessagePack has");
    Bytes::from(out)
}

/// A record from its bytes.
///
/// # Errors
/// Another format version, or bytes that are not such a record.
pub fn decode<T: Record>(bytes: &[u8]) -> Result<T, CodecError> {
    let malformed = || CodecError::Malformed { record: T::NAME, len: bytes.len() };
    let (version, body) = bytes.split_first().ok_or_else(malformed)?;
    if !(T::OLDEST..=T::VERSION).contains(version) {
        return Err(CodecError::Version { record: T::NAME, found: *version, known: T::VERSION });
    }
    let mut rest = body;
    let record = {
        let mut deserializer = rmp_serde::Deserializer::new(&mut rest);
        T::deserialize(&mut deserializer).map_err(|_| malformed())?
    };
    if rest.is_empty() { Ok(record) } else { Err(malformed()) }
}

/// A head's bytes in the embedded store: token, then sequence number.
pub(crate) fn encode_head(head: &Head) -> [u8; 24] {
    let mut out = [0; 24];
    out[..16].copy_from_slice(&head.token.to_be_bytes());
    out[16..].copy_from_slice(&head.seq.to_be_bytes());
    out
}

/// A head from its bytes in the embedded store.
pub(crate) fn decode_head(partition: Partition, bytes: &[u8]) -> Result<Head, StoreError> {
    let corrupt = || StoreError::Corrupt(format!("the head of partition {partition} has {} bytes", bytes.len()));
    let (token, seq) = bytes.split_first_chunk::<16>().ok_or_else(corrupt)?;
    let seq = <[u8; 8]>::try_from(seq).map_err(|_| corrupt())?;
    Ok(Head { partition, token: u128::from_be_bytes(*token), seq: u64::from_be_bytes(seq) })
}

#[cfg(test)]
#[path = "codec_golden.rs"]
mod golden;

#[cfg(test)]
#[path = "codec_samples.rs"]
mod samples;
