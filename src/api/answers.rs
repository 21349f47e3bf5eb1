//! Answers: JSON resources with their version as ETag, lists, and ids in paths.

use std::future::{Ready, ready};
use std::str::FromStr;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, EntityTag};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use sendwheel_actors::engine::api::Created;
use serde::Serialize;
use utoipa::ToSchema;

use super::error::ApiError;

/// What a handler answers.
pub(crate) type Answer = Result<HttpResponse, ApiError>;

/// A page of a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct ListOf<T> {
    /// The items.
    pub(crate) data: Vec<T>,
    /// For `?cursor=`, if there is more.
    pub(crate) next_cursor: Option<String>,
}

/// An answer with a JSON body.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(serde_json::to_vec(body).expect("answers have string keys and no failing parts"))
}

/// 200 with a JSON body.
pub(crate) fn ok(body: &impl Serialize) -> HttpResponse {
    json(StatusCode::OK, body)
}

/// A resource with its version.
pub(crate) fn resource(status: StatusCode, version: u32, body: &impl Serialize) -> HttpResponse {
    let mut response = json(status, body);
    let tag = header::ETag(EntityTag::new_strong(version.to_string()));
    let value = header::TryIntoHeaderValue::try_into_value(tag).expect("digits in quotes are a header value");
    response.headers_mut().insert(header::ETAG, value);
    response
}

/// With where it is found: a path of ids.
pub(crate) fn located(mut response: HttpResponse, path: String) -> HttpResponse {
    let location = path.try_into().expect("an id is a header value");
    response.headers_mut().insert(header::LOCATION, location);
    response
}

/// 201 for what was made now, 200 for what the same request made earlier.
pub(crate) fn created_status<T>(created: Created<T>) -> (StatusCode, T) {
    match created {
        Created::New(value) => (StatusCode::CREATED, value),
        Created::Replayed(value) => (StatusCode::OK, value),
    }
}

/// The id in a path. What is no id names nothing: 404.
#[derive(Debug)]
pub(crate) struct PathId<T>(pub(crate) T);

impl<T: FromStr + 'static> FromRequest for PathId<T> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = request.match_info().get("id").and_then(|text| text.parse().ok());
        ready(id.map(Self).ok_or(ApiError::not_found()))
    }
}
