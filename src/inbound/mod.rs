//! What providers call: which requests are theirs. What they say is read by `sendwheel_actors::inbound`.
//!
//! - `mail`: what becomes of a mail, however it came: `email` over HTTP, [`lmtp`] on a local socket.
//! - `tracking`: what a mail that we sent tells when it is opened, or a link of it followed.
//! - `twilio`: received SMS and their statuses.
//! - [`twilio_signature`]: whether a request was sent by Twilio.

pub(crate) mod email;
pub mod lmtp;
mod mail;
pub(crate) mod tracking;
pub(crate) mod twilio;
pub mod twilio_signature;
