//! Black-box tests: one binary, so that linking happens once.
//!
//! Each test starts its own node of the built binary, its own sinks and, where it needs one, its own Redis
//! server; nothing is shared and every port is free. A failure prints the node's log.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot go on says so, and shows its seed")]

mod api;
mod browser;
#[cfg(feature = "planted-bugs")]
mod bugs;
mod delivery;
mod faults;
mod kill9;
mod load;
mod pages;
mod peers;
mod signatures;
mod sources;
mod space;
mod stage;
mod stopping;
mod webhooks;
