//! Refusals in Twilio's shape: `{code, message, more_info, status}` with its error codes
//! (<https://www.twilio.com/docs/api/errors>). What we refuse and Twilio has no code for gets 20000 and the HTTP status,
//! as its own general codes are made. No message repeats what was sent.

use std::borrow::Cow;
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use sendwheel_actors::engine::api::{EngineError, FieldError};
use serde::Serialize;

use crate::api::ApiError;

/// Why a request was not done, as a Twilio library reads it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct TwilioError {
    status: StatusCode,
    code: u32,
    message: Cow<'static, str>,
    retry_after: Option<Duration>,
    allow: Option<String>,
}

#[derive(Serialize)]
struct Body<'a> {
    code: u32,
    message: &'a str,
    more_info: String,
    status: u16,
}

impl TwilioError {
    const fn new(status: StatusCode, code: u32, message: &'static str) -> Self {
        Self { status, code, message: Cow::Borrowed(message), retry_after: None, allow: None }
    }

    /// A parameter is wrong.
    pub(super) const fn parameter(code: u32, message: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// A parameter that this installation cannot heed.
    pub(super) const fn unsupported(message: &'static str) -> Self {
        Self::parameter(20_422, message)
    }

    pub(super) const UNAUTHORIZED: Self = Self::new(
        StatusCode::UNAUTHORIZED,
        20_003,
        "Authenticate: the user name is the account's twilio_sid, the password one of its API keys",
    );
    pub(super) const SUSPENDED: Self =
        Self::new(StatusCode::UNAUTHORIZED, 20_005, "The account is suspended: ask the operator");
    pub(super) const NOT_FOUND: Self = Self::new(StatusCode::NOT_FOUND, 20_404, "The requested resource was not found");
    pub(super) const NO_TO: Self = Self::parameter(21_604, "A 'To' phone number is required");
    pub(super) const INVALID_TO: Self =
        Self::parameter(21_211, "Invalid 'To' phone number: expected a number in E.164 form, as in +12125550123");
    pub(super) const NO_FROM: Self = Self::parameter(21_603, "A 'From' phone number is required");
    pub(super) const INVALID_FROM: Self = Self::parameter(
        21_212,
        "Invalid 'From' number: expected E.164, a short code, or up to eleven letters and digits",
    );
    pub(super) const UNKNOWN_FROM: Self = Self::parameter(
        21_606,
        "The 'From' number is no SMS sender of this account that the key may use: see GET /v1/senders",
    );
    pub(super) const NO_BODY: Self = Self::parameter(21_602, "A message body is required");
    pub(super) const LONG_BODY: Self =
        Self::parameter(21_617, "The message body is longer than 1,600 characters, or than 25 segments");
    pub(super) const UNSUBSCRIBED: Self = Self::parameter(21_610, "Attempt to send to an unsubscribed recipient");
    pub(super) const INVALID_CALLBACK: Self = Self::parameter(
        21_609,
        "Invalid 'StatusCallback' URL: expected http:// or https:// with a host, at most 500 bytes",
    );
    pub(super) const CLOSED_CALLBACK: Self = Self::parameter(
        21_609,
        "This 'StatusCallback' may not be called: expected https:// and a host that the internet can reach",
    );
    pub(super) const NO_SEND_AT: Self = Self::parameter(35_111, "'SendAt' is required with ScheduleType=fixed");
    pub(super) const INVALID_SEND_AT: Self = Self::parameter(
        35_114,
        "'SendAt' must be ISO 8601 with an offset, as in 2026-12-01T09:00:00Z, not in the past, at most ten years ahead",
    );
    pub(super) const INVALID_SCHEDULE_TYPE: Self =
        Self::parameter(35_126, "'ScheduleType' must be 'fixed', together with 'SendAt'");
    pub(super) const TOO_LATE: Self =
        Self::new(StatusCode::CONFLICT, 30_409, "This message cannot be canceled: its hand-over has begun");
    const NOT_FINAL: Self =
        Self::new(StatusCode::CONFLICT, 20_009, "Resource not complete: cancel the message first, or wait for its end");

    /// The path has other methods: these.
    pub(crate) fn method_not_allowed(methods: String) -> Self {
        let mut error = Self::new(StatusCode::METHOD_NOT_ALLOWED, 20_004, "Method not allowed");
        error.allow = Some(methods);
        error
    }
}

/// A field that the engine refused, under the name it has in our own API.
fn of_field(field: &FieldError) -> TwilioError {
    match (field.pointer.as_str(), field.code) {
        ("/to", "consent_denied") => TwilioError::UNSUBSCRIBED,
        ("/to", _) => TwilioError::INVALID_TO,
        ("/from", _) => TwilioError::UNKNOWN_FROM,
        ("/body", _) => TwilioError::LONG_BODY,
        ("/callback_url", _) => TwilioError::CLOSED_CALLBACK,
        (pointer, _) if pointer.starts_with("/send") => TwilioError::INVALID_SEND_AT,
        ("/cursor", _) => TwilioError::parameter(20_001, "Invalid 'PageToken': take next_page_uri as it is"),
        _ => TwilioError::parameter(20_422, "A parameter of the request was refused"),
    }
}

impl From<EngineError> for TwilioError {
    fn from(error: EngineError) -> Self {
        match &error {
            EngineError::Invalid(fields) => fields.first().map_or(Self::NOT_FOUND, of_field),
            EngineError::NotFound => Self::NOT_FOUND,
            EngineError::Conflict { code: "not_final", .. } => Self::NOT_FINAL,
            _ => general(&ApiError::Engine(error)),
        }
    }
}

impl From<ApiError> for TwilioError {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Engine(error) => error.into(),
            ApiError::Invalid(fields) => EngineError::Invalid(fields).into(),
            error => general(&error),
        }
    }
}

/// What Twilio has no code of its own for.
fn general(error: &ApiError) -> TwilioError {
    let (status, retry_after) = match error {
        // Libraries try again after 503, and know nothing of 507.
        ApiError::Engine(error @ EngineError::OutOfSpace) => (StatusCode::SERVICE_UNAVAILABLE, error.retry_after()),
        ApiError::Engine(inner) => (error.status_code(), inner.retry_after()),
        _ => (error.status_code(), None),
    };
    let code = 20_000 + u32::from(status.as_u16());
    TwilioError { status, code, message: error.to_string().into(), retry_after, allow: None }
}

impl ResponseError for TwilioError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut response = HttpResponse::build(self.status);
        response.insert_header((header::CONTENT_TYPE, "application/json"));
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, "Basic realm=\"sendwheel\""));
        }
        if let Some(methods) = &self.allow {
            response.insert_header((header::ALLOW, methods.as_str()));
        }
        if let Some(after) = self.retry_after {
            response.insert_header((header::RETRY_AFTER, after.as_secs().max(1).to_string()));
        }
        let body = Body {
            code: self.code,
            message: &self.message,
            more_info: format!("https://www.twilio.com/docs/errors/{}", self.code),
            status: self.status.as_u16(),
        };
        response.body(serde_json::to_vec(&body).expect("an error has only strings and numbers"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_engine_refuses_has_twilio_s_code() {
        let field = |pointer: &str, code| EngineError::field(pointer, code, "x");
        let conflict = |code| EngineError::Conflict { code, detail: "x".into() };
        for (error, status, code) in [
            (field("/to", "consent_denied"), 400, 21_610),
            (field("/to", "unknown_address"), 400, 21_211),
            (field("/from", "sender_not_permitted"), 400, 21_606),
            (field("/body", "too_many_segments"), 400, 21_617),
            (field("/send/at", "in_the_past"), 400, 35_114),
            (field("/cursor", "invalid_cursor"), 400, 20_001),
            (EngineError::NotFound, 404, 20_404),
            (conflict("not_final"), 409, 20_009),
            (conflict("idempotency_key_reused"), 409, 20_409),
            (EngineError::Overloaded, 429, 20_429),
            (EngineError::OutOfSpace, 503, 20_503),
            (EngineError::Stopping, 503, 20_503),
        ] {
            for error in [TwilioError::from(error.clone()), TwilioError::from(ApiError::from(error))] {
                assert_eq!((error.status.as_u16(), error.code), (status, code), "{error:?}");
            }
        }
    }

    #[test]
    fn patience_is_asked_for_where_it_helps() {
        let response = TwilioError::from(EngineError::Overloaded).error_response();
        assert_eq!(response.headers().get(header::RETRY_AFTER).unwrap(), "1");
        assert!(!TwilioError::NOT_FOUND.error_response().headers().contains_key(header::RETRY_AFTER));
    }
}
