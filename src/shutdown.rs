//! Stopping in order, and at once when someone insists.
//!
//! The first SIGTERM or SIGINT begins the orderly stop: the engine takes no new work (`/readyz` says so),
//! finishes what is in flight up to the deadline, settles, flushes and gives its leases back; then the HTTP
//! server goes. What is unfinished at the deadline stays claimed in the store for the next start. A second
//! signal ends the process at once, which is as safe as a crash: nothing acknowledged is lost.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::startup::Node;

/// How long connections may take to end after the engine has stopped.
pub(crate) const HTTP_GRACE: Duration = Duration::from_secs(2);

/// The signals that mean "stop".
#[derive(Debug)]
pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// Begins to listen: from here on a signal does not kill the process by itself.
    ///
    /// # Errors
    /// If the system does not let us.
    pub fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one and tells its name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// How a stop went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Stopped {
    /// Everything that was in flight is settled, or stays claimed for the next start.
    InOrder {
        /// Hand-overs that did not finish in time.
        unfinished: usize,
    },
    /// Someone insisted.
    AtOnce,
}

/// Stops a node, unless a second signal comes first.
pub async fn stop(node: Node, deadline: Duration, signals: &mut StopSignals) -> Stopped {
    tokio::select! {
        unfinished = stop_in_order(node, deadline) => Stopped::InOrder { unfinished },
        name = signals.next() => {
            tracing::warn!(signal = name, "stopping at once");
            Stopped::AtOnce
        }
    }
}

/// Stops a node in order; how many hand-overs did not finish by the deadline.
pub async fn stop_in_order(node: Node, deadline: Duration) -> usize {
    // The server runs on meanwhile: it answers 503 where a closed port would look like a crash.
    let unfinished = node.engine.shutdown(deadline).await;
    if unfinished > 0 {
        tracing::warn!(unfinished, "hand-overs were not finished in time, the next start settles them");
    }
    node.http.stop(true).await;
    unfinished
}
