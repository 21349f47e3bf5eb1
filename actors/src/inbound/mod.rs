//! What comes in from people and providers, from raw bytes to what a conversation needs. Pure: no I/O, no clock, no
//! state. [`keywords`]: whether a message is a word that carriers give a meaning to (STOP, START, HELP).
//!
//! [`email`] reads a mail, and says whether it is a message, a report on one of ours ([`dsn`]) or a complaint
//! ([`arf`]). [`quoting`] parts what is new in a text from what it quotes; [`html`] makes HTML fit to be shown.
//!
//! Everything here is written by strangers. Reading it takes time in proportion to its size, gives a bounded result
//! ([`limits`]), never panics, and believes nothing: a mail that names one of ours proves only that its sender knew
//! the name.

pub mod arf;
mod automatic;
mod body;
mod charset;
pub mod dsn;
pub mod email;
mod headers;
pub mod html;
pub mod keywords;
pub mod limits;
pub mod quoting;
mod status;
mod structure;
mod transfer;

pub use arf::{Complaint, Feedback};
pub use automatic::Automatic;
pub use body::Attachment;
pub use dsn::{Action, DeliveryReport, RecipientReport, Severity};
pub use email::{InboundEmail, InboundError, Kind};
pub use html::SafeHtml;
pub use status::StatusCode;
