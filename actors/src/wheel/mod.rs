//! The wheel: the near future in memory, a cache of the store's due index that may be dropped and
//! rebuilt at any instant.
//!
//! - [`wheel`]: the hierarchical timing wheel. Gives tickets out at their millisecond, never before.
//! - [`window`]: which part of one partition's due index the wheel holds, and how it is loaded without
//!   skipping or repeating a ticket.
//! - [`actor`]: the wheel of a shard. [`parking`]: what is due beyond its lane's bound.
//! - `slot` and `ready`: what waits in one slot of the wheel, and what has expired and is not given out yet.

pub mod actor;
pub mod parking;
mod ready;
mod slot;
#[expect(clippy::module_inception, reason = "the folder is the role, the file is the data structure it is named for")]
pub mod wheel;
#[cfg(test)]
mod wheel_tests;
pub mod window;
#[cfg(test)]
mod window_tests;

pub use wheel::TimingWheel;
pub use window::{Armed, Load, Window};
