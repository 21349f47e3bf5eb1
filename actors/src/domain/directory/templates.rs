//! Templates: what an account keeps to be said again and again.

use serde::{Deserialize, Serialize};

use crate::domain::address::Channel;
use crate::domain::clock::UnixMs;
use crate::domain::ids::{AccountNo, TemplateId};
use crate::domain::message::Content;

/// What an account keeps to be said again and again. A message that is made of it takes what it says then: later changes
/// are for later messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageTemplate {
    /// Its id.
    pub id: TemplateId,
    /// The account it belongs to.
    pub account: AccountNo,
    /// Counts changes, from 1.
    pub version: u32,
    /// What people call it; in an account each name is there once, however it is capitalised.
    pub name: String,
    /// The channel it is written for.
    pub channel: Channel,
    /// What it says, still to be rendered.
    pub content: Content,
    /// When it was created.
    pub created_at: UnixMs,
    /// The last change.
    pub updated_at: UnixMs,
    /// Hash of the creating request, when that had an idempotency key.
    pub request_hash: Option<[u8; 16]>,
}

impl MessageTemplate {
    /// Most of an account: all of them are in memory on every node.
    pub const MAX_PER_ACCOUNT: usize = 200;
    /// Bytes of subject, text and HTML together: beyond about 100 KB mail programs cut a mail off.
    pub const MAX_BYTES: usize = 100 * 1024;

    /// Its name as it is compared.
    #[must_use]
    pub fn name_key(name: &str) -> String {
        name.to_lowercase()
    }
}
