//! Measured runs: each drives a node as a user's program would and gives figures.
//!
//! - [`target`]: the node of a run, its own or a given one.
//! - [`submit`]: how fast schedules are accepted. - [`drain`]: how fast what is due goes out.
//! - [`steady`]: how late at a steady rate. - [`pending`]: what waiting costs.
//! - [`lanes`]: what a lane that stands still does to others. - [`growth`]: what a message costs while more wait.
//! - [`deletion`]: what a contact with much pending costs when it goes. - [`cancel`]: how fast messages are taken back.
//! - [`faults`]: what is kept while things go wrong. - [`takeover`]: what a node does that lost its partitions.
//! - [`figures`]: what a run gives, as a table and as JSON. - [`timeline`]: the same from second to second.
//!
//! Every run is bounded in messages and in time. Client, node, store and sinks share one machine, so
//! the figures are lower bounds of what the node alone could do.

pub mod cancel;
pub mod deletion;
pub mod drain;
pub mod faults;
pub mod figures;
pub mod growth;
pub mod lanes;
pub mod pending;
pub mod steady;
pub mod submit;
pub mod takeover;
pub mod target;
pub mod timeline;

pub use figures::{Figure, Outcome};
pub use target::{StoreKind, Target, TargetOptions};
