//! The one place where ids and random numbers are made.

use std::fmt;
use std::sync::{Arc, Mutex};

use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use uuid::Uuid;

use super::clock::UnixMs;
use super::ids::{
    AccountId, ApiKeyId, AuditId, ContactId, MessageId, Partition, SenderId, SessionId, TemplateId, UserId, WebhookId,
};

/// A source of ids, random numbers and strictly increasing creation times.
///
/// Seeded, it repeats itself: the simulation replays a run from its seed.
#[derive(Clone)]
pub struct IdSource(Arc<Mutex<Inner>>);

struct Inner {
    rng: StdRng,
    last_created_us: u64,
}

impl fmt::Debug for IdSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdSource")
    }
}

impl IdSource {
    /// A source seeded by the operating system.
    #[must_use]
    pub fn from_os() -> Self {
        Self::with_rng(StdRng::from_os_rng())
    }

    /// A source that repeats itself for the same seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::with_rng(StdRng::seed_from_u64(seed))
    }

    fn with_rng(rng: StdRng) -> Self {
        Self(Arc::new(Mutex::new(Inner { rng, last_created_us: 0 })))
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Sixteen random bytes.
    #[must_use]
    pub fn random_u128(&self) -> u128 {
        let mut bytes = [0; 16];
        self.inner().rng.fill_bytes(&mut bytes);
        u128::from_be_bytes(bytes)
    }

    /// Eight random bytes.
    #[must_use]
    pub fn random_u64(&self) -> u64 {
        self.inner().rng.next_u64()
    }

    /// Fills a buffer, for secrets.
    pub fn fill(&self, buffer: &mut [u8]) {
        self.inner().rng.fill_bytes(buffer);
    }

    /// A creation time in microseconds, strictly greater than every earlier one of this process.
    #[must_use]
    pub fn created_us(&self, now: UnixMs) -> u64 {
        let mut inner = self.inner();
        let wall = u64::try_from(now.0).unwrap_or(0).saturating_mul(1_000);
        inner.last_created_us = wall.max(inner.last_created_us + 1);
        inner.last_created_us
    }

    fn uuid_v7(&self, now: UnixMs) -> Uuid {
        let mut random = [0; 10];
        self.inner().rng.fill_bytes(&mut random);
        uuid::Builder::from_unix_timestamp_millis(u64::try_from(now.0).unwrap_or(0), &random).into_uuid()
    }

    /// A new message's id, stamped with its partition.
    #[must_use]
    pub fn message(&self, now: UnixMs, partition: Partition) -> MessageId {
        MessageId::in_partition(self.uuid_v7(now), partition)
    }

    /// A new contact's id.
    #[must_use]
    pub fn contact(&self, now: UnixMs) -> ContactId {
        ContactId::from_uuid(self.uuid_v7(now))
    }

    /// A new sender's id.
    #[must_use]
    pub fn sender(&self, now: UnixMs) -> SenderId {
        SenderId::from_uuid(self.uuid_v7(now))
    }

    /// A new account's id.
    #[must_use]
    pub fn account(&self, now: UnixMs) -> AccountId {
        AccountId::from_uuid(self.uuid_v7(now))
    }

    /// A new user's id.
    #[must_use]
    pub fn user(&self, now: UnixMs) -> UserId {
        UserId::from_uuid(self.uuid_v7(now))
    }

    /// A new API key's id.
    #[must_use]
    pub fn api_key(&self, now: UnixMs) -> ApiKeyId {
        ApiKeyId::from_uuid(self.uuid_v7(now))
    }

    /// A new webhook's id.
    #[must_use]
    pub fn webhook(&self, now: UnixMs) -> WebhookId {
        WebhookId::from_uuid(self.uuid_v7(now))
    }

    /// A new template's id.
    #[must_use]
    pub fn template(&self, now: UnixMs) -> TemplateId {
        TemplateId::from_uuid(self.uuid_v7(now))
    }

    /// A new session's id.
    #[must_use]
    pub fn session(&self, now: UnixMs) -> SessionId {
        SessionId::from_uuid(self.uuid_v7(now))
    }

    /// A new audit entry's id: greater than every earlier one of this process, so that the entries of one change
    /// are listed in its order (RFC 9562 section 6.2, method 3).
    #[must_use]
    pub fn audit(&self, now: UnixMs) -> AuditId {
        let us = self.created_us(now);
        let mut random = [0; 10];
        self.inner().rng.fill_bytes(&mut random);
        [random[0], random[1]] = ((us % 1_000) as u16).to_be_bytes();
        AuditId::from_uuid(uuid::Builder::from_unix_timestamp_millis(us / 1_000, &random).into_uuid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn creation_times_increase_even_when_the_clock_steps_back() {
        let ids = IdSource::seeded(1);
        let first = ids.created_us(UnixMs(2_000));
        let second = ids.created_us(UnixMs(1_000));
        assert!(second > first);
    }

    #[test]
    fn audit_entries_of_one_moment_are_in_order() {
        let ids = IdSource::seeded(1);
        let made: Vec<_> = (0..2_000).map(|_| ids.audit(UnixMs(1_800_000_000_000))).collect();
        assert!(made.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn the_same_seed_gives_the_same_ids() {
        let ids = |seed| IdSource::seeded(seed).message(UnixMs(5), Partition(3));
        assert_eq!(ids(7), ids(7));
        assert_ne!(ids(7), ids(8));
        assert_eq!(ids(7).partition(), Partition(3));
    }
}
