//! Text messages through an SMS provider's HTTP API.
//!
//! [`twilio`] speaks Twilio's Messages API, [`http_sms`] any provider that takes JSON. [`http`] is the
//! client below both: one request per attempt, no redirects, bounded answers, and a body that leaves only
//! after the guard was asked again, which also tells a failure before the request from one after it.

pub mod http;
pub mod http_sms;
pub mod twilio;

pub use http_sms::{HttpSmsSettings, HttpSmsTransport};
pub use twilio::{TwilioSettings, TwilioTransport};
