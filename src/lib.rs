//! The server: the only layer that knows HTTP, files, flags and signals. The engine is `sendwheel_actors`.
//!
//! [`config`] reads the settings, [`startup`] puts a node together from them, [`shutdown`] takes it apart
//! again in order, [`telemetry`] is its log and its metrics, [`cli`] the commands; [`api`] is the JSON API
//! with health, metrics and the OpenAPI document, `twilio` the same engine in the shapes of Twilio's API,
//! [`inbound`] what providers call, [`admin`] what operators see and do, `ui` the pages that people work in.

pub mod admin;
pub mod api;
pub mod cli;
pub mod config;
pub mod inbound;
pub mod shutdown;
pub mod startup;
pub mod telemetry;
mod twilio;
mod ui;
