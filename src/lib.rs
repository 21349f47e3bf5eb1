//! The server: the only layer that knows HTTP.
//!
//! - [`api`]: the JSON API, health and metrics, the OpenAPI document;
//! - [`admin`]: what operators see and do.

pub mod admin;
pub mod api;
