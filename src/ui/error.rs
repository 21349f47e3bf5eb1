//! How a refusal looks: a page in the same style that says what happened and where to go on.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use askama::Template;
use sendwheel_actors::engine::api::EngineError;

use super::answer;
use super::assets::{Paths, paths};
use crate::api::ApiError;

/// Why a page is not what was asked for.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum PageError {
    /// Nobody is signed in: the way in, then on to this path.
    #[error("sign in")]
    SignIn {
        /// A path of ours.
        next: String,
    },
    /// A refusal as the API has it.
    #[error(transparent)]
    Refused(ApiError),
}

impl PageError {
    pub(crate) const fn not_found() -> Self {
        Self::Refused(ApiError::not_found())
    }
}

impl From<ApiError> for PageError {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Unauthorized(_) => Self::SignIn { next: "/".into() },
            error => Self::Refused(error),
        }
    }
}

impl From<EngineError> for PageError {
    fn from(error: EngineError) -> Self {
        ApiError::from(error).into()
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    assets: &'static Paths,
    title: &'a str,
    detail: &'a str,
}

/// What is wrong, as a sentence for people: of refused fields the first one's.
pub(super) fn words(error: &ApiError) -> String {
    let text = match error {
        ApiError::Invalid(errors) => errors.first().map_or_else(|| error.to_string(), |field| field.detail.clone()),
        error => error.to_string(),
    };
    sentence(&text)
}

/// A text of the engine, which begins small and has no full stop, as a sentence.
pub(super) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let mut sentence: String = chars.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    sentence.push_str(chars.as_str());
    if !sentence.ends_with(['.', '!', '?']) {
        sentence.push('.');
    }
    sentence
}

impl ResponseError for PageError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::SignIn { .. } => StatusCode::SEE_OTHER,
            Self::Refused(error) => error.status_code(),
        }
    }

    fn error_response(&self) -> HttpResponse {
        let error = match self {
            Self::SignIn { next } if next == "/" => return answer::see("/sign-in"),
            Self::SignIn { next } => {
                let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
                return answer::see(&format!("/sign-in?next={next}"));
            }
            Self::Refused(error) => error,
        };
        let status = error.status_code();
        let title = match status {
            StatusCode::NOT_FOUND => "There is nothing here",
            StatusCode::FORBIDDEN => "You may not do that",
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => "Please try again shortly",
            _ => "That did not work",
        };
        let detail = match error {
            ApiError::Engine(EngineError::NotFound) | ApiError::UnknownRoute => {
                "It may have been deleted, or the address is not quite right.".to_owned()
            }
            error => words(error),
        };
        answer::page(status, &ErrorPage { assets: paths(), title, detail: &detail })
    }
}
