//! The Sendwheel engine: contacts, journal, timing wheel, lanes and senders. No HTTP server in it.

pub mod domain;
pub mod sender;
pub mod store;
