//! The Sendwheel engine: contacts, journal, timing wheel, lanes and senders. No HTTP server in it.

pub mod domain;
pub mod engine;
pub mod store;
