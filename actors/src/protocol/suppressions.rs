//! Which addresses may be suppressed: 64 bits of each one's digest, for every node in memory.
//!
//! The last check asks here first, so that a message to an address that nobody suppressed costs no read. A hit is
//! verified by the record. So the set may hold too much, never too little: an address enters before its record is
//! durable, and stays until the process ends.

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};

use crate::domain::address::Address;
use crate::domain::ids::AccountNo;
use crate::store::keys::{self, AddressDigest};

const SHARDS: usize = 16;

/// The set.
#[derive(Debug, Default)]
pub struct SuppressionSet {
    shards: [RwLock<HashSet<u64>>; SHARDS],
}

const fn hash(digest: &AddressDigest) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *digest;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

impl SuppressionSet {
    fn shard(&self, hash: u64) -> &RwLock<HashSet<u64>> {
        &self.shards[(hash % SHARDS as u64) as usize]
    }

    /// The digest of an address that may be suppressed; `None`: it is not.
    #[must_use]
    pub fn find(&self, account: AccountNo, address: &Address) -> Option<AddressDigest> {
        // Most installations suppress little: an empty set costs no digest.
        if self.is_empty() {
            return None;
        }
        let digest = keys::address_digest(account, address);
        let hash = hash(&digest);
        let is_there = self.shard(hash).read().unwrap_or_else(PoisonError::into_inner).contains(&hash);
        is_there.then_some(digest)
    }

    /// It may be suppressed from now on.
    pub fn insert(&self, digest: &AddressDigest) {
        let hash = hash(digest);
        self.shard(hash).write().unwrap_or_else(PoisonError::into_inner).insert(hash);
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| shard.read().unwrap_or_else(PoisonError::into_inner).is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::address::EmailAddress;

    #[test]
    fn an_address_is_suppressed_for_its_own_account_only() {
        let set = SuppressionSet::default();
        let address = Address::Email(EmailAddress::parse("ada@example.com").unwrap());
        let digest = keys::address_digest(AccountNo(1), &address);
        assert_eq!(set.find(AccountNo(1), &address), None);
        set.insert(&digest);
        assert_eq!(set.find(AccountNo(1), &address), Some(digest));
        assert_eq!(set.find(AccountNo(2), &address), None);
    }
}
