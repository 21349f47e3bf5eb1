//! The store: one contract, two backends (embedded fjall, Redis), one codec, one key module.
//!
//! [`contract`] says what a backend promises; [`keys`] knows every key and index member; [`codec`]
//! is the one way in which records become bytes; [`open`](open()) chooses the backend by a [`StoreUrl`].
//! A third backend in memory, with injectable faults, drives the seeded simulation.

pub mod audit;
pub mod codec;
pub mod contract;
pub mod embedded;
pub mod keys;
#[cfg(any(test, feature = "simulation"))]
pub mod memory;
mod open;
pub mod redis;
mod url;

#[cfg(test)]
mod conformance;

pub use contract::*;
pub use open::{StoreSettings, open};
pub use url::{StoreUrl, StoreUrlError};
