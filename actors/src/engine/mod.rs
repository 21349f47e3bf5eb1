//! The crate's front door: [`Engine`] starts everything, and is what the server talks to.
//!
//! [`api`] has the requests and answers, [`events`] what listeners hear, [`operations`] what operators
//! see, [`settings`] every bound and knob.

pub mod api;
pub mod events;
mod handle;
pub mod operations;
pub mod settings;

pub use handle::Engine;
pub use settings::EngineSettings;
