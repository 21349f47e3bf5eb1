//! What the actors of a node share. A shard is one thread (an actix `Arbiter`) with its registry, journal,
//! wheel and partitions; everything of one contact happens on one shard.
//!
//! [`Node`] is the shared context: clock, ids, store, directory snapshot, events, health, and where the
//! actors are. It owns no message state, and nothing in it is awaited or locked on the hot path.

mod gone;
mod habits;
mod health;
mod node;
mod room;
mod undo;

pub use habits::{Habits, WRITE_EVERY};
pub use health::{Fullness, Health, StoreCondition};
pub use node::{Keys, Node, PoolRoutes, Routes, ShardRoutes, Trust};
pub use room::{Look, Room};
pub use undo::{Step, UNDO_WITHIN, UndoLog, Undoable};
