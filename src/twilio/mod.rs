//! The Twilio-compatible API: sending, scheduling, reading, cancelling and removing SMS in the shapes of Twilio's
//! Messages resource, so that a program that uses an official Twilio library works with another base URL:
//!
//! ```text
//! Python   client = Client(twilio_sid, api_key);  client.api.base_url = "https://sendwheel.example.com"
//! Node     const client = twilio(twilio_sid, apiKey);  client.api.baseUrl = "https://sendwheel.example.com"
//! curl     curl -u "$TWILIO_SID:$API_KEY" https://sendwheel.example.com/2010-04-01/Accounts/$TWILIO_SID/Messages.json
//! ```
//!
//! `GET /v1/account` tells the account's `twilio_sid`; the password is an API key. A library that takes a key's own
//! name beside the account takes `SK` and the hex digits of its id, or the id itself ([`auth`]).
//!
//! What belongs where: [`create`], [`instance`] and [`list`] are the handlers; [`form`] reads what they are asked,
//! [`auth`] says who asks; [`resource`] and [`status`] show a message, [`sid`] its name; [`error`] says what went
//! wrong, in Twilio's codes.
//!
//! What differs from Twilio, on purpose:
//! - a message is scheduled with `From` alone, any time ahead; a `MessagingServiceSid` is accepted, and only means
//!   that the sender is chosen when `From` is missing;
//! - whatever is still pending can be cancelled, not only what was scheduled;
//! - a `StatusCallback` is held to the same rules as a webhook's URL, and told of `sending`, `sent`, `delivered`,
//!   `undelivered`, `failed` and `canceled`, as they come, in Twilio's form. What signs it is not the API key, of which
//!   a hash alone is kept, but the account's `twilio_auth_token`, which `GET /v1/account` tells an admin: a program
//!   gives that one to the library's `RequestValidator`;
//! - text only: media, content templates and redaction are refused by name rather than left out in silence.
//!
//! It is another's interface, described in full by its owner, so the OpenAPI document of this installation leaves it
//! out. It has no state of its own: everything is a request to the engine.

pub(crate) mod auth;
pub(crate) mod create;
pub(crate) mod error;
mod form;
pub(crate) mod instance;
pub(crate) mod list;
mod resource;
pub(crate) mod sid;
mod status;

/// What every path of this API begins with: its version.
pub(crate) const PREFIX: &str = "/2010-04-01/";
