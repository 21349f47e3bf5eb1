//! What is signed so that others can check it, or so that we know it again.
//!
//! - [`installation`]: tags under the installation's own secret: unsubscribe links and reply addresses.
//! - [`twilio`]: `X-Twilio-Signature`, under the token of an account.
//! - [`webhook`]: Standard Webhooks, under a secret shared with whoever receives them.

pub mod installation;
pub mod twilio;
pub mod webhook;

pub use installation::InstallationKey;
