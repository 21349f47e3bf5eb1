//! `/admin/v1/drain`: a node that drains accepts schedules and hands nothing over, until it is told to go on.

use actix_web::{HttpRequest, web};
use sendwheel_actors::domain::audit::AuditAction;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::answers::{Answer, ok};
use crate::api::auth::Operator;
use crate::api::body;
use crate::api::error::ApiError;
use crate::api::faults::{At, Faults};
use crate::api::json::{self, request_object};
use crate::api::paging::Query;
use crate::api::routes::Shared;

request_object! {
    /// Whether to drain.
    pub(crate) struct DrainRequest<'a> {
        /// Default yes; no ends it.
        #[schema(value_type = Option<bool>)]
        draining: bool,
    }
}

/// Whether a node drains.
#[derive(Serialize, ToSchema)]
pub(crate) struct Draining {
    draining: bool,
}

/// Whether this node drains.
#[utoipa::path(get, path = "/admin/v1/drain", tag = "admin", responses((status = 200, body = Draining)))]
pub(crate) async fn get_drain(_operator: Operator, shared: web::Data<Shared>, request: HttpRequest) -> Answer {
    Query::of(&request, &[]).finish()?;
    Ok(ok(&Draining { draining: shared.state.engine.node().await?.draining }))
}

fn wish(body: &[u8]) -> Result<bool, ApiError> {
    if body.trim_ascii().is_empty() {
        return Ok(true);
    }
    let request = json::read::<DrainRequest<'_>>(body)?;
    let mut faults = Faults::default();
    request.stray.refuse(&At::Root, DrainRequest::NAMES, &mut faults);
    let root = At::Root;
    let draining = request.draining.optional(&root.member("draining"), &mut faults).unwrap_or(true);
    faults.finish(Some(draining))
}

/// Begins or ends draining. Without a body it begins.
#[utoipa::path(post, path = "/admin/v1/drain", tag = "admin", request_body = Option<DrainRequest>,
    responses((status = 200, body = Draining)))]
pub(crate) async fn set_drain(
    Operator(auth): Operator,
    shared: web::Data<Shared>,
    request: HttpRequest,
    mut payload: web::Payload,
) -> Answer {
    Query::of(&request, &[]).finish()?;
    let settings = &shared.state.settings;
    let body = body::read(&request, &mut payload, settings.json_bytes, &shared.large, settings).await?;
    if !body.bytes.is_empty() && body::kind_of(&request) != Some(body::Kind::Json) {
        return Err(ApiError::UnsupportedMediaType("application/json"));
    }
    let draining = wish(&body.bytes)?;
    let action = if draining { AuditAction::DrainingBegun } else { AuditAction::DrainingEnded };
    shared.state.engine.record_request(&auth.caller, action).await?;
    shared.state.engine.set_draining(draining);
    Ok(ok(&Draining { draining }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draining_begins_unless_told_otherwise() {
        assert_eq!(wish(b""), Ok(true));
        assert_eq!(wish(b"{}"), Ok(true));
        assert_eq!(wish(br#"{"draining": false}"#), Ok(false));
        assert!(matches!(wish(br#"{"draining": "no"}"#), Err(ApiError::Invalid(_))));
        assert!(matches!(wish(br#"{"drain": false}"#), Err(ApiError::Invalid(_))));
    }
}
