//! The span around each request: which route, which outcome, which request id. No paths, no query
//! strings, no bodies: they carry addresses and tokens.

use actix_web::HttpMessage;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use tracing::Span;
use tracing::field::Empty;
use tracing_actix_web::{RequestId, RootSpanBuilder};

/// For `TracingLogger::<RequestSpan>::new()`.
#[derive(Debug)]
pub struct RequestSpan;

impl RootSpanBuilder for RequestSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let route = request.match_pattern();
        let id = request.extensions().get::<RequestId>().map(ToString::to_string);
        tracing::info_span!(
            "request",
            request_id = id.as_deref().unwrap_or_default(),
            method = request.method().as_str(),
            route = route.as_deref().unwrap_or("unknown"),
            status = Empty,
        )
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, actix_web::Error>) {
        let status = match outcome {
            Ok(response) => response.status(),
            Err(error) => error.as_response_error().status_code(),
        };
        span.record("status", status.as_u16());
        // A node that is not ready says so to every probe; its log says why once.
        let is_probe = outcome.as_ref().is_ok_and(|response| response.request().path() == "/readyz");
        if status.is_server_error() && !is_probe {
            let _entered = span.enter();
            tracing::warn!("the request could not be served");
        }
    }
}
