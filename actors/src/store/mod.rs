//! The store: one contract, two backends (embedded fjall, Redis), one codec, one key module.
//!
//! [`contract`] says what a backend promises; [`keys`] knows every key and index member; [`codec`]
//! is the one way in which records become bytes.

pub mod contract;

pub use contract::*;
