//! What providers call: which requests are theirs. What they say is read by `sendwheel_actors::inbound`.
//!
//! - `twilio`: received SMS and their statuses.
//! - [`twilio_signature`]: whether a request was sent by Twilio.

pub(crate) mod twilio;
pub mod twilio_signature;
