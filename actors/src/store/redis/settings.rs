//! What the Redis store can be told.

use std::time::Duration;

/// Wait for replicas before a commit or a renewal counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitReplicas {
    /// How many replicas must have it.
    pub replicas: u32,
    /// How long to wait for them.
    pub timeout: Duration,
}

/// Settings of the Redis store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedisSettings {
    /// How long connecting may take (default 2 s).
    pub connection_timeout: Duration,
    /// How long an answer may take (default 2 s). After it a commit's outcome is unknown.
    pub response_timeout: Duration,
    /// Replicas to wait for; not with a cluster.
    pub wait: Option<WaitReplicas>,
}

impl Default for RedisSettings {
    fn default() -> Self {
        let timeout = Duration::from_secs(2);
        Self { connection_timeout: timeout, response_timeout: timeout, wait: None }
    }
}
