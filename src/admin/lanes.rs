//! `/admin/v1/lanes`: what waits at each sender; pausing, resuming, setting the rate.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use sendwheel_actors::domain::directory::{Limit, Snapshot};
use sendwheel_actors::domain::ids::{AccountId, LaneNo, SenderId};
use sendwheel_actors::engine::operations::LaneView as Lane;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::answers::{Answer, ListOf, PathId, ok, resource};
use crate::api::auth::Operator;
use crate::api::checks::LimitRequest;
use crate::api::contact_view::as_text_or_null;
use crate::api::error::ApiError;
use crate::api::faults::{At, Faults};
use crate::api::json;
use crate::api::paging::{Query, page_of};
use crate::api::routes::Shared;
use crate::api::schemas;
use crate::api::sender_view::{LimitView, SenderView};

/// What waits at one sender, on this node.
#[derive(Serialize, ToSchema)]
#[schema(as = Lane)]
pub(crate) struct LaneView<'a> {
    /// Its number.
    lane: u32,
    /// Its sender, unless that was removed.
    #[serde(serialize_with = "as_text_or_null")]
    #[schema(value_type = Option<String>)]
    sender_id: Option<SenderId>,
    #[serde(serialize_with = "as_text_or_null")]
    #[schema(value_type = Option<String>)]
    address: Option<&'a sendwheel_actors::domain::directory::SenderAddress>,
    #[serde(serialize_with = "as_text_or_null")]
    #[schema(value_type = Option<String>)]
    account_id: Option<AccountId>,
    #[schema(value_type = schemas::Channel)]
    channel: &'static str,
    /// Messages that wait in memory, by class.
    backlog: Backlog<usize>,
    /// How many of these wait for their destinations: a domain, a country or a range of numbers at its limit.
    held: usize,
    /// Whether more of a class wait in the store.
    parked: Backlog<bool>,
    /// Permits under way.
    in_flight: usize,
    /// The limit in force.
    limits: Option<LimitView>,
    paused: bool,
    /// `closed` (all is well), `open` (the provider fails) or `half_open` (it is being tried again).
    #[schema(value_type = String)]
    breaker: &'static str,
    /// Milliseconds until it may serve again, if it is blocked.
    blocked_for_ms: Option<u64>,
}

/// A value for each class.
#[derive(Serialize, ToSchema)]
struct Backlog<T> {
    conversation: T,
    transactional: T,
    campaign: T,
}

impl<T> From<[T; 3]> for Backlog<T> {
    fn from([conversation, transactional, campaign]: [T; 3]) -> Self {
        Self { conversation, transactional, campaign }
    }
}

impl<'a> LaneView<'a> {
    fn of(lane: &Lane, directory: &'a Snapshot) -> Self {
        Self {
            lane: lane.lane.0,
            sender_id: lane.sender,
            address: lane.sender.and_then(|id| directory.sender(id)).map(|sender| &sender.address),
            account_id: directory.account(lane.account).map(|account| account.id),
            channel: lane.channel.name(),
            backlog: lane.backlog.into(),
            held: lane.held,
            parked: lane.parked.into(),
            in_flight: lane.in_flight,
            limits: lane.limit.map(LimitView::of),
            paused: lane.paused,
            breaker: lane.breaker,
            blocked_for_ms: lane.blocked_for.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}

/// The lanes on this node.
#[utoipa::path(get, path = "/admin/v1/lanes", tag = "admin",
    params(("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1, description = "Items of a page: default 50, at most 500")),
    responses((status = 200, body = ListOf<LaneView>)))]
pub(crate) async fn list_lanes(Operator(auth): Operator, shared: web::Data<Shared>, request: HttpRequest) -> Answer {
    let mut query = Query::of(&request, &["cursor", "limit"]);
    let page = query.page();
    query.finish()?;
    let mut lanes = shared.state.engine.lanes().await?;
    lanes.sort_by_key(|lane| (lane.lane, lane.channel));
    let (lanes, next_cursor) =
        page_of(lanes.iter(), &page, |lane| lane.lane, |text| text.parse().ok().map(LaneNo), |lane| lane.to_string())?;
    Ok(ok(&ListOf { data: lanes.into_iter().map(|lane| LaneView::of(lane, &auth.directory)).collect(), next_cursor }))
}

/// Changes a lane of any account.
async fn set(
    shared: &Shared,
    operator: &Operator,
    sender: SenderId,
    paused: Option<bool>,
    limit: Option<Option<Limit>>,
) -> Answer {
    let sender = shared.state.engine.set_lane(&operator.0.caller, sender, paused, limit).await?;
    Ok(resource(StatusCode::OK, sender.version, &SenderView::of(&sender)))
}

/// Stops a lane: nothing is handed over from its sender.
#[utoipa::path(post, path = "/admin/v1/lanes/{id}/pause", tag = "admin",
    params(("id" = String, Path, description = "The sender")), responses((status = 200, body = SenderView)))]
pub(crate) async fn pause_lane(
    operator: Operator,
    shared: web::Data<Shared>,
    request: HttpRequest,
    PathId(id): PathId<SenderId>,
) -> Answer {
    Query::of(&request, &[]).finish()?;
    set(&shared, &operator, id, Some(true), None).await
}

/// Lets a stopped lane go on.
#[utoipa::path(post, path = "/admin/v1/lanes/{id}/resume", tag = "admin",
    params(("id" = String, Path, description = "The sender")), responses((status = 200, body = SenderView)))]
pub(crate) async fn resume_lane(
    operator: Operator,
    shared: web::Data<Shared>,
    request: HttpRequest,
    PathId(id): PathId<SenderId>,
) -> Answer {
    Query::of(&request, &[]).finish()?;
    set(&shared, &operator, id, Some(false), None).await
}

/// The limit that a body names; `{"rate": null}` takes it away.
pub(crate) fn read_rate(body: &[u8]) -> Result<Option<Limit>, ApiError> {
    let request = json::read::<LimitRequest<'_>>(body)?;
    if matches!(request.rate, json::Field::Null) && !request.per.is_named() && !request.burst.is_named() {
        let mut faults = Faults::default();
        request.stray.refuse(&At::Root, LimitRequest::NAMES, &mut faults);
        return faults.finish(Some(None));
    }
    let mut faults = Faults::default();
    let limit = request.read(&At::Root, &mut faults);
    faults.finish(limit.map(Some))
}

/// Sets the limit of a lane; `{"rate": null}` takes it away: SMS then has one segment a second, email none.
#[utoipa::path(post, path = "/admin/v1/lanes/{id}/rate", tag = "admin", request_body = LimitRequest,
    params(("id" = String, Path, description = "The sender")), responses((status = 200, body = SenderView)))]
pub(crate) async fn set_lane_rate(
    operator: Operator,
    shared: web::Data<Shared>,
    request: HttpRequest,
    PathId(id): PathId<SenderId>,
    mut payload: web::Payload,
) -> Answer {
    let body = shared.json(&request, &mut payload).await?;
    let limit = read_rate(&body.bytes)?;
    set(&shared, &operator, id, None, Some(limit)).await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_rate_is_set_or_taken_away_and_never_zero() {
        let ten = Limit { rate: 10, per: Duration::from_secs(1), burst: 1 };
        assert_eq!(read_rate(br#"{"rate": 10}"#), Ok(Some(ten)));
        assert_eq!(read_rate(br#"{"rate": null}"#), Ok(None));
        for json in ["{}", r#"{"rate": 0}"#, r#"{"rate": null, "x": 1}"#, r#"{"rate": null, "burst": 1}"#] {
            assert!(matches!(read_rate(json.as_bytes()), Err(ApiError::Invalid(_))), "{json}");
        }
    }
}
