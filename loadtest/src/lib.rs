//! The load harness: what drives a built `sendwheel` from outside and judges what it did.
//!
//! It knows the server only by its HTTP contract, so a mistake that server and test share in a common
//! type cannot hide here.
//!
//! - [`sink`]: recording SMTP and SMS providers with scripted answers, and a TCP proxy with faults.
//! - [`node`], [`redis`]: processes under test: started, killed, suspended, restarted.
//! - [`disk`], [`clock`]: what they stand on: a disk that fills or stands still, a wall clock that is set.
//! - [`client`]: a thin client of the `/v1` API, and a reader of `/metrics`.
//! - [`driver`]: a client that keeps a journal of what it was told.
//! - [`oracle`]: what was acknowledged against what was handed over: invariants I1 to I7.
//! - [`bugs`]: bugs planted in a node, and the runs in which the oracle finds them.
//! - [`fault`]: what goes wrong in a run, by its seed.
//! - [`workload`]: contacts, senders and message lines of a run.
//! - [`scenario`]: the measured runs behind the `loadtest` binary. - [`report`]: their page. - [`progress`]: how far they
//!   are.

pub mod bugs;
pub mod client;
pub mod clock;
pub mod disk;
pub mod driver;
pub mod fault;
pub mod node;
pub mod oracle;
pub mod progress;
pub mod redis;
pub mod report;
pub mod scenario;
pub mod sink;
pub mod wait;
pub mod wall;
pub mod workload;
