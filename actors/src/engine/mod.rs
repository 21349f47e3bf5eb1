//! The crate's front door: [`Engine`] starts everything, and is what the server talks to.
//!
//! Changes go to the contact's actor; reads go to the store, and so show only what is durable. What a lane
//! knows of a waiting message is asked when it is read.

mod accounts;
mod alerts;
mod audit;
mod consent;
mod contacts;
mod conversations;
mod cursor;
mod directory;
mod foresight;
mod handle;
mod help;
mod hooks;
mod lists;
mod merging;
mod message_lists;
mod messages;
mod notices;
mod ops;
mod overview;
mod receiving;
mod scheduled;
mod series;
mod start;
mod stop;
mod texts;
mod thread;
mod walk;

pub use crate::contact::decide::Foreseen;
pub use crate::directory::Bootstrap;
pub use crate::protocol::settings::EngineSettings;
pub use crate::protocol::{api, events, operations, people, settings, templates, webhooks};
pub use crate::shard::Undoable;
pub use handle::Engine;
pub use receiving::own_message_id;
pub use start::{EngineStart, StartError, Threads, Transports};
