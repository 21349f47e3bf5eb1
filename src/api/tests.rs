//! The routes as a client meets them, as far as no engine is needed.

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::test::{TestRequest, call_service, init_service, read_body_json};
use actix_web::{App, dev::ServiceResponse};
use serde_json::Value;

use super::{Api, ApiSettings, ApiState};
use sendwheel_actors::engine::Engine;
