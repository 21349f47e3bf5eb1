//! Senders: who may go next, and how it goes out.
//!
//! - [`lanes`]: the fair queues of one channel: which due ticket may be handed over now.
//! - [`limits`]: GCRA buckets. [`breaker`]: stops a lane whose provider fails.
//! - `terms`, `admission`, `report`: their settings and permits, what comes in, what people are told.
//! - `lane`, `line`, `queue`, `fair`, `cancelled`, `permits`: the parts that the lanes are made of.

mod admission;
pub mod breaker;
mod cancelled;
mod fair;
mod lane;
pub mod lanes;
#[cfg(test)]
mod lanes_model_tests;
#[cfg(test)]
mod lanes_tests;
pub mod limits;
mod line;
mod permits;
mod queue;
mod report;
mod terms;
