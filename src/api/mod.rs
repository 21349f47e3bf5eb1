//! The HTTP API: JSON in and out, `application/problem+json` for refusals, newline-delimited JSON for
//! many, server-sent events for what happens.
//!
//! What belongs where:
//! - [`routes`] has every path and mounts it; [`openapi`] has the document, and a test holds the two together;
//! - [`auth`] says who asks, with [`cookie`] and [`origin`]; [`body`], [`json`], [`faults`], [`checks`], [`times`], [`paging`] read what they
//!   ask, and gather everything that is wrong with it; [`error`] and [`answers`] say what comes back;
//! - then one file a resource, with `_request` and `_view` beside it where they are long.
//!
//! What it promises: bodies are bounded in size and time; nothing of a body or an address is logged; the
//! engine sees only parsed domain types. A request holds nothing that outlives it: when a client goes
//! away, what was not begun is not done, and what was handed to the engine is done or not as if the answer
//! had been lost.

pub(crate) mod account;
mod account_limits;
mod accounts;
pub(crate) mod answers;
pub(crate) mod api_keys;
mod attachments;
mod audit;
pub(crate) mod auth;
mod batch;
pub(crate) mod body;
pub(crate) mod checks;
pub(crate) mod contact_request;
pub(crate) mod contact_view;
mod contacts;
mod conversations;
pub(crate) mod cookie;
mod csv_contact;
pub(crate) mod error;
mod events;
pub(crate) mod faults;
mod frequency_caps;
pub(crate) mod health;
pub(crate) mod import;
mod item_view;
pub(crate) mod json;
mod message_actions;
pub(crate) mod message_request;
pub(crate) mod message_view;
pub(crate) mod messages;
pub(crate) mod openapi;
pub(crate) mod origin;
pub(crate) mod page;
pub(crate) mod paging;
pub(crate) mod passwords;
mod pipe;
mod plan_view;
mod reports;
mod request_span;
pub(crate) mod routes;
mod rows;
pub(crate) mod schedule;
pub(crate) mod schemas;
mod send_request;
pub(crate) mod sender_choices;
pub(crate) mod sender_request;
pub(crate) mod sender_view;
mod senders;
pub(crate) mod sending_rules;
pub(crate) mod sessions;
mod smart_view;
mod state;
mod suppressions;
pub(crate) mod template_request;
mod templates;
mod thread;
pub(crate) mod times;
mod unsubscribe;
pub(crate) mod user_request;
mod user_view;
mod users;
pub(crate) mod webhook_request;
mod webhooks;

pub use error::{ApiError, Problem, ProblemField};
pub use request_span::RequestSpan;
pub use routes::Api;
pub(crate) use routes::Shared;
pub use state::{ApiSettings, ApiState};

#[cfg(test)]
mod audit_tests;
#[cfg(test)]
mod engine_tests;
#[cfg(test)]
mod limit_tests;
#[cfg(test)]
mod people_tests;
#[cfg(test)]
mod planning_tests;
#[cfg(test)]
mod role_tests;
#[cfg(test)]
mod template_tests;
#[cfg(test)]
mod test_stage;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod webhook_tests;
