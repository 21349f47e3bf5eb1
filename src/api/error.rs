//! The one error of the HTTP edge, shown as `application/problem+json` (RFC 9457).
//!
//! `code` is stable and meant for programs; `detail` is for people. For input, `errors` names every
//! refused field with its JSON pointer. Nothing of a body or an address is ever put into one: the
//! details speak of what was expected.

use std::borrow::Cow;
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpResponse, ResponseError};
use sendwheel_actors::engine::api::{EngineError, FieldError};
use serde::Serialize;
use utoipa::ToSchema;

/// Why a request was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// No key, or none that is valid.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// No such user, or not their password.
    #[error("the email address or the password is wrong")]
    WrongCredentials,
    /// No such path.
    #[error("there is nothing at this path: see /openapi.json")]
    UnknownRoute,
    /// The path has other methods: these.
    #[error("this path takes {0}")]
    MethodNotAllowed(Cow<'static, str>),
    /// The body is not JSON.
    #[error("the body is not valid JSON: {detail}, at line {line}, column {column}")]
    Malformed {
        /// Where, from 1.
        line: usize,
        /// Where, from 1.
        column: usize,
        /// What the reader stumbled over.
        detail: String,
    },
    /// A header cannot be read.
    #[error("{detail}")]
    BadHeader {
        /// Stable code.
        code: &'static str,
        /// What would be right.
        detail: &'static str,
    },
    /// The body ended early or could not be read.
    #[error("the body could not be read to its end: send it again")]
    BodyIncomplete,
    /// The body did not come in time.
    #[error("the body did not arrive in time: send it faster")]
    BodyTooSlow,
    /// The body is larger than the endpoint takes.
    #[error("the body is too large: at most {0}")]
    TooLarge(Cow<'static, str>),
    /// The body's kind is not one that the endpoint takes: these.
    #[error("set the content type to {0}")]
    UnsupportedMediaType(&'static str),
    /// Fields were refused.
    #[error("{} of the request was refused", if .0.len() == 1 { "a field" } else { "more than one field" })]
    Invalid(Vec<FieldError>),
    /// The engine refused.
    #[error(transparent)]
    Engine(EngineError),
}

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Invalid(errors) => Self::Invalid(errors),
            error => Self::Engine(error),
        }
    }
}

/// The body of an error answer (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem<'a> {
    /// Always `about:blank`: the status says what kind of problem it is, `code` which one.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// Which problem it is; stable.
    code: &'static str,
    /// What happened and what would be right.
    detail: Cow<'a, str>,
    /// For input: every refused field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Option<Vec<ProblemField>>)]
    errors: Vec<ProblemField<'a>>,
}

/// A refused field.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProblemField<'a> {
    /// JSON pointer (RFC 6901) to the field in the body, or to the query parameter of that name.
    #[schema(value_type = String)]
    pointer: &'a str,
    /// What is wrong; stable.
    code: &'static str,
    /// What would be right.
    #[schema(value_type = String)]
    detail: &'a str,
}

impl<'a> ProblemField<'a> {
    /// A refused field as it is shown.
    pub(crate) fn of(error: &'a FieldError) -> Self {
        Self { pointer: &error.pointer, code: error.code, detail: &error.detail }
    }
}

impl ApiError {
    /// A refusal of one field.
    pub fn field(pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::new(pointer, code, detail)])
    }

    /// It does not exist for this caller.
    #[must_use]
    pub const fn not_found() -> Self {
        Self::Engine(EngineError::NotFound)
    }

    /// The caller may not.
    pub fn forbidden(code: &'static str, detail: impl Into<String>) -> Self {
        Self::Engine(EngineError::Forbidden { code, detail: detail.into() })
    }

    /// Malformed JSON, by what its reader says.
    pub(crate) fn malformed(error: &serde_json::Error) -> Self {
        let text = error.to_string();
        let detail = text.split(" at line ").next().unwrap_or_default().to_owned();
        Self::Malformed { line: error.line(), column: error.column(), detail }
    }

    /// Which problem it is; stable.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Unauthorized(_) => "unauthorized",
            Self::WrongCredentials => "wrong_credentials",
            Self::UnknownRoute => "unknown_path",
            Self::MethodNotAllowed(_) => "method_not_allowed",
            Self::Malformed { .. } => "malformed_json",
            Self::BadHeader { code, .. } => code,
            Self::BodyIncomplete => "incomplete_body",
            Self::BodyTooSlow => "body_too_slow",
            Self::TooLarge(_) => "too_large",
            Self::UnsupportedMediaType(_) => "unsupported_media_type",
            Self::Invalid(_) => "invalid_request",
            Self::Engine(error) => match error {
                EngineError::NotFound => "not_found",
                EngineError::Merged(_) => "contact_merged",
                EngineError::Invalid(_) => "invalid_request",
                EngineError::Conflict { code, .. } | EngineError::Forbidden { code, .. } => code,
                EngineError::VersionMismatch { .. } => "version_mismatch",
                EngineError::Throttled { code, .. } => code,
                EngineError::Overloaded => "overloaded",
                EngineError::Unavailable => "store_unavailable",
                EngineError::OutOfSpace => "out_of_space",
                EngineError::Stopping => "stopping",
            },
        }
    }

    /// After how long trying again makes sense, if it does.
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Engine(error) => error.retry_after(),
            _ => None,
        }
    }

    /// What the caller reads.
    #[must_use]
    pub fn problem(&self) -> Problem<'_> {
        let status = self.status_code();
        let errors = match self {
            Self::Invalid(errors) | Self::Engine(EngineError::Invalid(errors)) => {
                errors.iter().map(ProblemField::of).collect()
            }
            _ => Vec::new(),
        };
        Problem {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            code: self.code(),
            detail: self.to_string().into(),
            errors,
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Unauthorized(_) | Self::WrongCredentials => StatusCode::UNAUTHORIZED,
            Self::UnknownRoute => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Malformed { .. } | Self::BadHeader { .. } | Self::BodyIncomplete => StatusCode::BAD_REQUEST,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Engine(error) => match error {
                EngineError::NotFound | EngineError::Merged(_) => StatusCode::NOT_FOUND,
                EngineError::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
                EngineError::Conflict { .. } => StatusCode::CONFLICT,
                EngineError::Forbidden { .. } => StatusCode::FORBIDDEN,
                EngineError::VersionMismatch { .. } => StatusCode::PRECONDITION_FAILED,
                EngineError::Throttled { .. } | EngineError::Overloaded => StatusCode::TOO_MANY_REQUESTS,
                EngineError::Unavailable | EngineError::Stopping => StatusCode::SERVICE_UNAVAILABLE,
                EngineError::OutOfSpace => StatusCode::INSUFFICIENT_STORAGE,
            },
        }
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut response = HttpResponse::build(self.status_code());
        response.insert_header((header::CONTENT_TYPE, "application/problem+json"));
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        match self {
            Self::Unauthorized(_) | Self::WrongCredentials => {
                response.insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"sendwheel\""));
            }
            Self::MethodNotAllowed(methods) => {
                response.insert_header((header::ALLOW, methods.as_ref()));
            }
            _ => {}
        }
        if let Some(after) = self.retry_after() {
            response.insert_header((header::RETRY_AFTER, after.as_secs().max(1).to_string()));
        }
        response.body(serde_json::to_vec(&self.problem()).expect("a problem has only strings and numbers"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_engine_refusal_has_its_status_and_its_wish_for_patience() {
        let throttled = EngineError::Throttled {
            code: "too_many_attempts",
            detail: "x".into(),
            retry_after: Duration::from_secs(840),
        };
        let conflict = EngineError::Conflict { code: "idempotency_conflict", detail: "x".into() };
        for (error, status, code, retry_after) in [
            (EngineError::NotFound, 404, "not_found", None),
            (conflict, 409, "idempotency_conflict", None),
            (EngineError::Forbidden { code: "admin_required", detail: "x".into() }, 403, "admin_required", None),
            (EngineError::VersionMismatch { current: 3 }, 412, "version_mismatch", None),
            (EngineError::Overloaded, 429, "overloaded", Some("1")),
            (throttled, 429, "too_many_attempts", Some("840")),
            (EngineError::Unavailable, 503, "store_unavailable", Some("1")),
            (EngineError::OutOfSpace, 507, "out_of_space", Some("10")),
            (EngineError::Stopping, 503, "stopping", Some("5")),
            (EngineError::field("/from", "unknown_sender", "x"), 422, "invalid_request", None),
        ] {
            let error = ApiError::from(error);
            let response = error.error_response();
            assert_eq!(response.status().as_u16(), status, "{error:?}");
            assert_eq!(error.problem().code, code);
            assert_eq!(response.headers().get(header::RETRY_AFTER).map(|v| v.to_str().unwrap()), retry_after);
            assert_eq!(response.headers().get(header::CONTENT_TYPE).unwrap(), "application/problem+json");
        }
    }

    #[test]
    fn a_refused_field_is_shown_with_pointer_code_and_detail() {
        let error = ApiError::field("/send/at", "time_zone_required", "add an offset");
        let shown = serde_json::to_value(error.problem()).unwrap();
        assert_eq!(
            shown["errors"],
            serde_json::json!([{"pointer": "/send/at", "code": "time_zone_required", "detail": "add an offset"}])
        );
        assert_eq!(shown["status"], 422);
        assert_eq!(shown["title"], "Unprocessable Entity");
        assert_eq!(shown["type"], "about:blank");
    }
}
