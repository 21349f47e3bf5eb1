//! Request bodies and the headers around them: bounded in size, in time and in how many large ones
//! are in memory at once.

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderName};
use actix_web::web::{self, Bytes, BytesMut};
use futures_util::StreamExt;
use sendwheel_actors::engine::api::{EngineError, Idempotency};
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::ApiError;
use super::state::ApiSettings;

/// Bodies up to this size are not counted against the memory for large ones.
pub(crate) const SMALL_BODY: usize = 256 * 1024;

/// Memory for large bodies, in KiB permits.
#[derive(Debug, Clone)]
pub(crate) struct LargeBodies(Arc<Semaphore>);

impl LargeBodies {
    pub(crate) fn new(settings: &ApiSettings) -> Self {
        Self(Arc::new(Semaphore::new(settings.large_bodies_bytes / 1024)))
    }
}

/// A body that was read, with its share of the memory for large ones.
#[derive(Debug)]
pub(crate) struct Body {
    /// The bytes.
    pub(crate) bytes: Bytes,
    _share: Option<OwnedSemaphorePermit>,
}

/// The kinds of body that the endpoints take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One JSON value.
    Json,
    /// One JSON value a line.
    NdJson,
    /// Rows of comma-separated values with a header.
    Csv,
}

/// The kind that the content type names.
pub(crate) fn kind_of(request: &HttpRequest) -> Option<Kind> {
    let text = request.headers().get(header::CONTENT_TYPE)?.to_str().ok()?;
    let mut parts = text.split(';').map(str::trim);
    let kind = match parts.next()?.to_ascii_lowercase().as_str() {
        "application/json" | "application/merge-patch+json" => Kind::Json,
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Kind::NdJson,
        "text/csv" => Kind::Csv,
        _ => return None,
    };
    // Only UTF-8 is read; another charset would come out garbled, so it is refused.
    let is_utf8 = parts.all(|part| match part.to_ascii_lowercase().strip_prefix("charset=") {
        Some(charset) => matches!(charset.trim_matches('"'), "utf-8" | "utf8" | "us-ascii"),
        None => true,
    });
    is_utf8.then_some(kind)
}

/// Refuses a body that was compressed: its bound would say nothing about its real size.
pub(crate) fn refuse_encoded(request: &HttpRequest) -> Result<(), ApiError> {
    match request.headers().get(header::CONTENT_ENCODING) {
        Some(encoding) if !encoding.as_bytes().eq_ignore_ascii_case(b"identity") => {
            Err(ApiError::UnsupportedMediaType("one of the accepted kinds, without a content encoding"))
        }
        _ => Ok(()),
    }
}

fn too_large(limit: usize) -> ApiError {
    ApiError::TooLarge(format!("{} KiB", limit / 1024).into())
}

/// Reads a body of at most `limit` bytes.
pub(crate) async fn read(
    request: &HttpRequest,
    payload: &mut web::Payload,
    limit: usize,
    large: &LargeBodies,
    settings: &ApiSettings,
) -> Result<Body, ApiError> {
    refuse_encoded(request)?;
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(too_large(limit));
    }
    tokio::time::timeout(settings.body_timeout, collect(payload, limit, large))
        .await
        .unwrap_or(Err(ApiError::BodyTooSlow))
}

async fn collect(payload: &mut web::Payload, limit: usize, large: &LargeBodies) -> Result<Body, ApiError> {
    let next = |chunk: Option<Result<Bytes, _>>| chunk.transpose().map_err(|_| ApiError::BodyIncomplete);
    let Some(first) = next(payload.next().await)? else {
        return Ok(Body { bytes: Bytes::new(), _share: None });
    };
    let mut share = None;
    let mut all = BytesMut::new();
    let mut chunk = Some(first);
    while let Some(part) = chunk {
        let length = all.len() + part.len();
        if length > limit {
            return Err(too_large(limit));
        }
        if length > SMALL_BODY && share.is_none() {
            // The whole limit is taken at once: two half-read bodies cannot block each other for ever.
            let permits = u32::try_from(limit / 1024).unwrap_or(u32::MAX);
            let permit = Arc::clone(&large.0).try_acquire_many_owned(permits);
            share = Some(permit.map_err(|_| ApiError::Engine(EngineError::Overloaded))?);
        }
        chunk = next(payload.next().await)?;
        if all.is_empty() && chunk.is_none() {
            return Ok(Body { bytes: part, _share: share });
        }
        all.extend_from_slice(&part);
    }
    Ok(Body { bytes: all.freeze(), _share: share })
}

/// Reads a JSON body of at most `limit` bytes.
pub(crate) async fn read_json(
    request: &HttpRequest,
    payload: &mut web::Payload,
    limit: usize,
    large: &LargeBodies,
    settings: &ApiSettings,
) -> Result<Body, ApiError> {
    if kind_of(request) != Some(Kind::Json) {
        return Err(ApiError::UnsupportedMediaType("application/json"));
    }
    read(request, payload, limit, large, settings).await
}

/// The longest pause between two pieces of a streamed body.
pub(crate) const STREAM_PAUSE: Duration = Duration::from_secs(30);

/// Whether a text can be an idempotency key.
pub(crate) fn is_idempotency_key(key: &str) -> bool {
    (1..=200).contains(&key.len()) && !key.chars().any(char::is_control)
}

/// The caller's key for this request, with the hash of its JSON body.
pub(crate) fn idempotency(request: &HttpRequest, body: &[u8]) -> Result<Option<Idempotency>, ApiError> {
    idempotency_without(request, body, &[])
}

/// As [`idempotency`], without the named members: a stored hash must not help to guess a password.
pub(crate) fn idempotency_without(
    request: &HttpRequest,
    body: &[u8],
    without: &[&str],
) -> Result<Option<Idempotency>, ApiError> {
    static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
    let mut values = request.headers().get_all(&IDEMPOTENCY_KEY);
    let Some(value) = values.next() else { return Ok(None) };
    let bad = ApiError::BadHeader {
        code: "invalid_idempotency_key",
        detail: "the header Idempotency-Key must be there once and have 1 to 200 visible characters",
    };
    match value.to_str() {
        Ok(key) if is_idempotency_key(key) && values.next().is_none() => {
            Ok(Some(Idempotency { key: key.to_owned(), request_hash: request_hash(body, without)? }))
        }
        _ => Err(bad),
    }
}

/// First 16 bytes of SHA-256 over the JSON value, however it is spaced and ordered, without the named members.
pub(crate) fn request_hash(json: &[u8], without: &[&str]) -> Result<[u8; 16], ApiError> {
    let mut value: serde_json::Value = if json.trim_ascii().is_empty() {
        serde_json::Value::Null
    } else {
        serde_json::from_slice(json).map_err(|error| ApiError::malformed(&error))?
    };
    if let Some(object) = value.as_object_mut() {
        for name in without {
            object.remove(*name);
        }
    }
    let mut hash = Sha256::new();
    feed(&mut hash, &value);
    let mut first = [0; 16];
    first.copy_from_slice(&hash.finalize()[..16]);
    Ok(first)
}

/// Feeds a value in an order that does not depend on how it was written. Every part carries its kind
/// and its length, so that different values are different bytes.
fn feed(hash: &mut Sha256, value: &serde_json::Value) {
    use serde_json::Value;
    let mut text = |tag: u8, text: &str| {
        hash.update([tag]);
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    };
    match value {
        Value::Null => text(b'n', ""),
        Value::Bool(value) => text(b'b', if *value { "1" } else { "0" }),
        Value::Number(value) => text(b'd', &value.to_string()),
        Value::String(value) => text(b's', value),
        Value::Array(items) => {
            text(b'a', &items.len().to_string());
            for item in items {
                feed(hash, item);
            }
        }
        Value::Object(members) => {
            text(b'o', &members.len().to_string());
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            for (name, member) in members {
                feed(hash, &Value::String(name.clone()));
                feed(hash, member);
            }
        }
    }
}

/// The version that `If-Match` demands: `"3"` or `3`; `*` and its absence demand none.
pub(crate) fn if_match(request: &HttpRequest) -> Result<Option<u32>, ApiError> {
    let Some(value) = request.headers().get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    text.trim_matches('"').parse().map(Some).map_err(|_| ApiError::BadHeader {
        code: "invalid_if_match",
        detail: "the header If-Match must be one version, as in If-Match: \"3\"",
    })
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn settings() -> ApiSettings {
        ApiSettings { large_bodies_bytes: 2 * 1024 * 1024, ..ApiSettings::default() }
    }

    async fn read_of(length: usize, limit: usize, large: &LargeBodies) -> Result<Body, ApiError> {
        let (request, mut payload) = TestRequest::post().set_payload(vec![b'x'; length]).to_http_parts();
        let mut payload = <web::Payload as actix_web::FromRequest>::from_request(&request, &mut payload)
            .await
            .expect("a payload can be taken");
        read(&request, &mut payload, limit, large, &settings()).await
    }

    #[actix_web::test]
    async fn a_body_over_its_limit_is_refused_and_one_at_it_is_read() {
        let large = LargeBodies::new(&settings());
        assert_eq!(read_of(1_024, 1_024, &large).await.expect("it fits").bytes.len(), 1_024);
        assert!(matches!(read_of(1_025, 1_024, &large).await, Err(ApiError::TooLarge(_))));
    }

    #[actix_web::test]
    async fn large_bodies_beyond_the_memory_for_them_are_refused_until_one_is_done() {
        let large = LargeBodies::new(&settings());
        let limit = 2 * 1024 * 1024;
        let first = read_of(1024 * 1024, limit, &large).await.expect("there is room for one");
        let second = read_of(1024 * 1024, limit, &large).await;
        assert!(matches!(second, Err(ApiError::Engine(EngineError::Overloaded))), "{second:?}");
        assert!(read_of(1_000, limit, &large).await.is_ok(), "a small body is not counted");
        drop(first);
        assert!(read_of(1024 * 1024, limit, &large).await.is_ok());
    }

    #[test]
    fn a_request_s_hash_is_about_its_content_not_its_spelling() {
        let hash = |json: &str| request_hash(json.as_bytes(), &["idempotency_key"]).expect("valid JSON");
        assert_eq!(hash(r#"{"a":1,"b":[true,null]}"#), hash(r#" { "b": [true, null], "\u0061": 1 } "#));
        assert_eq!(hash(r#"{"a":1,"idempotency_key":"x"}"#), hash(r#"{"a":1}"#));
        for other in [r#"{"a":"1"}"#, r#"{"a":2}"#, r#"{"a":[1]}"#, r#"{"a":1,"b":null}"#, "[]"] {
            assert_ne!(hash(other), hash(r#"{"a":1}"#), "{other}");
        }
    }

    #[test]
    fn headers_that_cannot_be_read_are_refused_not_ignored() {
        let if_match_of =
            |text: &str| if_match(&TestRequest::get().insert_header(("if-match", text)).to_http_request());
        assert_eq!(if_match_of("\"3\"").unwrap(), Some(3));
        assert_eq!(if_match_of("3").unwrap(), Some(3));
        assert_eq!(if_match_of("*").unwrap(), None);
        for text in ["three", "\"1\", \"2\"", "W/\"3\"", "-1", ""] {
            assert!(if_match_of(text).is_err(), "{text}");
        }
        let key_of = |key: &str| {
            idempotency(&TestRequest::get().insert_header(("idempotency-key", key)).to_http_request(), b"{}")
        };
        assert!(key_of("order-42").unwrap().is_some());
        assert!(key_of("").is_err());
        assert!(key_of(&"x".repeat(201)).is_err());
    }

    #[test]
    fn only_utf_8_of_a_known_kind_is_taken() {
        let of = |text: &str| kind_of(&TestRequest::get().insert_header(("content-type", text)).to_http_request());
        assert_eq!(of("application/json"), Some(Kind::Json));
        assert_eq!(of("Application/JSON; charset=UTF-8"), Some(Kind::Json));
        assert_eq!(of("application/x-ndjson"), Some(Kind::NdJson));
        assert_eq!(of("text/csv; header=present"), Some(Kind::Csv));
        for text in ["text/plain", "application/json; charset=utf-16", "json", ""] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
