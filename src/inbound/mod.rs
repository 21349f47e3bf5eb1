//! What providers call: which requests are theirs. What they say is read by `sendwheel_actors::inbound`.
//!
//! - [`twilio_signature`]: whether a request was sent by Twilio.

pub mod twilio_signature;
