//! What the engine's parts and its callers say to each other: requests and answers ([`api`]), events
//! ([`events`]), what operators see ([`operations`]), every bound and knob ([`settings`]), and which addresses may be
//! suppressed ([`suppressions`]).
//!
//! Below the actors and above the store, so that an actor can speak of a request without knowing the
//! engine that passes it on.

pub mod api;
pub mod events;
pub mod operations;
pub mod people;
pub mod settings;
pub mod suppressions;
pub mod templates;
pub mod webhooks;
