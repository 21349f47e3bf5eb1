//! Senders: how a claimed message leaves the house.
//!
//! [`transport`] is what every way out promises; [`smtp`], [`sms`], [`outbox`] and [`discard`] are the
//! ways; [`routed`] keeps test messages at home. [`mime`] builds emails, [`dkim`] signs them, and
//! [`scrub`] keeps addresses out of what servers say.

pub mod discard;
pub mod dkim;
pub mod mime;
pub mod outbox;
pub mod routed;
pub mod scrub;
pub mod sms;
pub mod smtp;
pub mod transport;
