//! The Sendwheel engine: contacts, journal, timing wheel, lanes and senders. No HTTP server in it.
//!
//! One way round, like a clock: a message is *scheduled* by its contact, *woken* by the wheel, *admitted*
//! by a lane, *checked and claimed* by its contact, *sent* by a worker, *settled* by its contact.
//!
//! [`domain`] ← [`store`] ← [`protocol`] ← {[`contact`], [`journal`], [`wheel`], [`sender`], [`partition`],
//! [`directory`], [`shard`]} ← [`engine`]; and [`domain`] ← [`inbound`]: what comes in, read without I/O.

pub mod contact;
pub mod directory;
pub mod domain;
pub mod engine;
pub mod inbound;
pub mod journal;
pub mod partition;
pub mod protocol;
pub mod sender;
pub mod shard;
pub mod store;
pub mod wheel;
