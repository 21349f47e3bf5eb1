//! `/healthz`, `/readyz` and `/metrics`: for those who run the node. No key is needed.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, web};
use sendwheel_actors::engine::operations::Readiness;
use serde::Serialize;
use utoipa::ToSchema;

use super::answers::{Answer, json, ok};
use super::routes::Shared;

/// How the node is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`, or `unavailable`.
    #[schema(value_type = String)]
    status: &'static str,
    /// If it takes no schedules: `starting`, `store_unavailable`, `out_of_space` or `stopping`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    reason: Option<&'static str>,
}

/// Whether the process answers.
#[utoipa::path(get, path = "/healthz", tag = "operations", responses((status = 200, body = Health)))]
pub(crate) async fn healthz() -> Answer {
    Ok(ok(&Health { status: "ok", reason: None }))
}

/// The name of a reason for not being ready.
pub(crate) const fn unready(readiness: Readiness) -> Option<&'static str> {
    match readiness {
        Readiness::Ready => None,
        Readiness::Starting => Some("starting"),
        Readiness::StoreUnavailable => Some("store_unavailable"),
        Readiness::OutOfSpace => Some("out_of_space"),
        Readiness::Stopping => Some("stopping"),
    }
}

/// Whether schedules are accepted.
#[utoipa::path(get, path = "/readyz", tag = "operations",
    responses((status = 200, body = Health), (status = 503, body = Health, description = "Not now")))]
pub(crate) async fn readyz(shared: web::Data<Shared>) -> Answer {
    Ok(match unready(shared.state.engine.readiness()) {
        None => ok(&Health { status: "ok", reason: None }),
        reason => json(StatusCode::SERVICE_UNAVAILABLE, &Health { status: "unavailable", reason }),
    })
}

/// Metrics in the text format of Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "operations",
    responses((status = 200, body = String, content_type = "text/plain")))]
pub(crate) async fn metrics(shared: web::Data<Shared>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"))
        .body(shared.state.metrics.render())
}
