//! Opens the store that a [`StoreUrl`] names.

use std::sync::Arc;

use super::contract::{SharedStore, StoreError};
use super::embedded::{EmbeddedSettings, EmbeddedStore};
use super::redis::{RedisSettings, RedisStore};
use super::url::StoreUrl;
use crate::domain::clock::SharedClock;
use crate::domain::ids::PartitionCount;
use crate::domain::source::IdSource;

/// What both backends need, and what is only for one of them.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// How many partitions a new store gets; an existing one must have as many.
    pub partitions: PartitionCount,
    /// The wall clock behind the embedded store's `now`.
    pub clock: SharedClock,
    /// Where lease tokens are drawn from.
    pub ids: IdSource,
    /// For `embedded:`.
    pub embedded: EmbeddedSettings,
    /// For `redis:` and `redis-cluster:`.
    pub redis: RedisSettings,
}

impl StoreSettings {
    /// The defaults of both backends.
    #[must_use]
    pub fn new(partitions: PartitionCount, clock: SharedClock, ids: IdSource) -> Self {
        Self { partitions, clock, ids, embedded: EmbeddedSettings::default(), redis: RedisSettings::default() }
    }
}

/// Opens a store, creating it if there is none.
///
/// # Errors
/// `Unusable` when it does not fit the settings or another process has it, `Unavailable` when it cannot be
/// reached, `Corrupt` when it was written by another version, `OutOfSpace` when there is no space to open it.
pub async fn open(url: &StoreUrl, settings: &StoreSettings) -> Result<SharedStore, StoreError> {
    Ok(match url {
        StoreUrl::Embedded(dir) => Arc::new(EmbeddedStore::open(dir, settings).await?),
        StoreUrl::Redis(_) | StoreUrl::RedisCluster(_) => Arc::new(RedisStore::open(url, settings).await?),
    })
}
