//! Senders: who may go next, and how it goes out.
//!
//! - [`pool`]: the actor of one channel; [`worker`]: one connection. `dispatch`: what the pool decides, from
//!   a permit to its settled outcome; `allowance`: how many permits may be under way.
//! - [`lanes`]: the fair queues of one channel: which due ticket may be handed over now.
//! - [`limits`]: GCRA buckets. [`breaker`]: stops a lane whose provider fails.
//! - `terms`, `admission`, `elsewhere`, `shelving`, `renewal`, `report`: their settings and permits, what comes in, who
//!   waits for a destination, here or in the store, what becomes of old permits, what people are told.
//! - `lane_table`, `lane`, `lines`, `waiting`, `queue`, `fair`, `cancelled`, `parked`, `permits`, `tokens`,
//!   `shared_limits`, `destinations`, `rotation`, `held`, `turns`, `shelves`, `quick_map`: the parts that the lanes are made of.
//! - [`transport`]: what every way out promises; [`smtp`], [`sms`], [`webhook`], [`outbox`] and [`discard`]: the ways;
//!   [`routed`]: keeps test messages at home.
//! - [`egress`]: HTTP clients for URLs that users set, which reach public addresses only.
//! - [`mime`] builds emails, [`dkim`] signs them, [`scrub`] keeps addresses out of what servers say.

mod admission;
mod allowance;
pub mod breaker;
mod cancelled;
mod destinations;
pub mod discard;
mod dispatch;
pub mod dkim;
pub mod egress;
mod elsewhere;
mod fair;
mod held;
mod lane;
mod lane_table;
pub mod lanes;
#[cfg(test)]
mod lanes_account_tests;
#[cfg(test)]
mod lanes_destination_tests;
#[cfg(test)]
mod lanes_model_limits;
#[cfg(test)]
mod lanes_model_steps;
#[cfg(test)]
mod lanes_model_tests;
#[cfg(test)]
mod lanes_opening_tests;
#[cfg(test)]
mod lanes_parking_tests;
#[cfg(test)]
mod lanes_shelving_tests;
#[cfg(test)]
mod lanes_tests;
pub mod limits;
mod lines;
pub mod mime;
pub mod outbox;
mod parked;
mod permits;
pub mod pool;
mod queue;
mod quick_map;
mod renewal;
mod report;
mod rotation;
pub mod routed;
pub mod scrub;
mod shared_limits;
mod shelves;
pub(crate) mod shelving;
pub mod sms;
pub mod smtp;
mod terms;
mod tokens;
pub mod transport;
mod turns;
mod waiting;
pub mod webhook;
pub mod worker;

pub use terms::Release;
