//! Accepts and forgets: measures everything but the provider.

use std::time::Duration;

use async_trait::async_trait;

use super::transport::{Attempted, Connection, Envelope, Guard, Transport};
use crate::domain::verdict::Verdict;

/// A transport that takes every message and keeps none.
#[derive(Debug, Clone)]
pub struct DiscardTransport {
    connections: usize,
}

impl DiscardTransport {
    /// A transport with this many workers (at least one).
    #[must_use]
    pub fn new(connections: usize) -> Self {
        Self { connections: connections.max(1) }
    }
}

impl Transport for DiscardTransport {
    fn connect(&self) -> Box<dyn Connection> {
        Box::new(DiscardConnection)
    }
    fn name(&self) -> &'static str {
        "discard"
    }
    fn connections(&self) -> usize {
        self.connections
    }
    fn attempt_timeout(&self) -> Duration {
        Duration::from_secs(1)
    }
}

#[derive(Debug)]
struct DiscardConnection;

#[async_trait]
impl Connection for DiscardConnection {
    async fn hand_over(&mut self, _envelope: &Envelope, guard: &dyn Guard) -> Attempted {
        if guard.may_hand_over() {
            Attempted::Judged(Verdict::Submitted { provider_id: None })
        } else {
            Attempted::NotStarted
        }
    }
    async fn close(&mut self) {}
}
