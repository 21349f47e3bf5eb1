//! Providers that record what they are handed, and answer by a script.
//!
//! Every sink binds a free port of 127.0.0.1, keeps what it gets in memory up to a bound, and ends with
//! its value. Nothing here leaves the machine.
//!
//! - [`smtp`]: a mail server. - [`sms`]: Twilio's Messages API and the generic JSON provider.
//! - [`http`]: the small HTTP server under it. - [`proxy`]: TCP with latency, cuts and silence.
//! - [`plan`]: scripted answers. - [`record`]: what was recorded, and waiting for it.

pub mod http;
mod listen;
pub mod plan;
pub mod proxy;
pub mod record;
pub mod sms;
pub mod smtp;

pub use listen::Gate;
