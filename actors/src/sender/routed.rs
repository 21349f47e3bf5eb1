//! Keeps test messages at home: what was made with a test key goes to the outbox, all else out.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::transport::{Attempted, Connection, Envelope, Guard, Transport};

/// A real transport with the outbox beside it for test messages.
#[derive(Debug, Clone)]
pub struct Routed {
    real: Arc<dyn Transport>,
    outbox: Arc<dyn Transport>,
}

impl Routed {
    /// Sends with `real`, except test messages, which go to `outbox`.
    #[must_use]
    pub fn new(real: Arc<dyn Transport>, outbox: Arc<dyn Transport>) -> Self {
        Self { real, outbox }
    }
}

impl Transport for Routed {
    fn connect(&self) -> Box<dyn Connection> {
        Box::new(RoutedConnection { real: self.real.connect(), outbox: self.outbox.connect() })
    }
    fn name(&self) -> &'static str {
        self.real.name()
    }
    fn connections(&self) -> usize {
        self.real.connections()
    }
    fn attempt_timeout(&self) -> Duration {
        self.real.attempt_timeout().max(self.outbox.attempt_timeout())
    }
}

struct RoutedConnection {
    real: Box<dyn Connection>,
    outbox: Box<dyn Connection>,
}

#[async_trait]
impl Connection for RoutedConnection {
    async fn hand_over(&mut self, envelope: &Envelope, guard: &dyn Guard) -> Attempted {
        let way = if envelope.test { &mut self.outbox } else { &mut self.real };
        way.hand_over(envelope, guard).await
    }
    async fn close(&mut self) {
        self.real.close().await;
        self.outbox.close().await;
    }
}
