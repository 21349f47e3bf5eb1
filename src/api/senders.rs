//! `/v1/senders`: everyone reads them, admins change them.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use sendwheel_actors::domain::ids::{LaneNo, SenderId};

use super::answers::{Answer, ListOf, PathId, created_status, located, ok, resource};
use super::auth::{Admin, Authenticated};
use super::body;
use super::error::ApiError;
use super::json;
use super::paging::{Query, page_of};
use super::routes::Shared;
use super::sender_request::{SenderChange, SenderRequest};
use super::sender_view::SenderView;

/// Makes a sender.
#[utoipa::path(post, path = "/v1/senders", tag = "senders", request_body = SenderRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Names this request: a repetition finds what it made")),
    responses((status = 201, body = SenderView), (status = 200, body = SenderView, description = "Made earlier by the same request")))]
pub(crate) async fn create_sender(
    Admin(auth): Admin,
    shared: web::Data<Shared>,
    request: HttpRequest,
    mut payload: web::Payload,
) -> Answer {
    let body = shared.json(&request, &mut payload).await?;
    let mut new = json::read::<SenderRequest<'_>>(&body.bytes)?.into_new()?;
    new.idempotency = body::idempotency(&request, &body.bytes)?;
    let (status, sender) = created_status(shared.state.engine.create_sender(&auth.caller, new).await?);
    Ok(located(resource(status, sender.version, &SenderView::of(&sender)), format!("/v1/senders/{}", sender.id)))
}

/// The account's senders.
#[utoipa::path(get, path = "/v1/senders", tag = "senders",
    params(("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1, description = "Items of a page: default 50, at most 500")),
    responses((status = 200, body = ListOf<SenderView>)))]
pub(crate) async fn list_senders(auth: Authenticated, request: HttpRequest) -> Answer {
    let mut query = Query::of(&request, &["cursor", "limit"]);
    let page = query.page();
    query.finish()?;
    let senders = auth.directory.senders_of(auth.caller.account);
    let (senders, next_cursor) =
        page_of(senders, &page, |sender| sender.lane, |text| text.parse().ok().map(LaneNo), |lane| lane.to_string())?;
    Ok(ok(&ListOf { data: senders.into_iter().map(SenderView::of).collect(), next_cursor }))
}

/// One sender.
#[utoipa::path(get, path = "/v1/senders/{id}", tag = "senders", params(("id" = String, Path)),
    responses((status = 200, body = SenderView)))]
pub(crate) async fn get_sender(auth: Authenticated, request: HttpRequest, PathId(id): PathId<SenderId>) -> Answer {
    Query::of(&request, &[]).finish()?;
    let sender = auth.directory.sender(id).filter(|sender| sender.account == auth.caller.account);
    let sender = sender.ok_or(ApiError::not_found())?;
    Ok(resource(StatusCode::OK, sender.version, &SenderView::of(sender)))
}

/// Changes a sender: what is left out stays as it is.
#[utoipa::path(patch, path = "/v1/senders/{id}", tag = "senders", request_body = SenderChange,
    params(("id" = String, Path), ("If-Match" = Option<String>, Header, description = "The version that is to be changed")),
    responses((status = 200, body = SenderView)))]
pub(crate) async fn patch_sender(
    Admin(auth): Admin,
    shared: web::Data<Shared>,
    request: HttpRequest,
    PathId(id): PathId<SenderId>,
    mut payload: web::Payload,
) -> Answer {
    let if_match = body::if_match(&request)?;
    let body = shared.json(&request, &mut payload).await?;
    let patch = json::read::<SenderChange<'_>>(&body.bytes)?.into_patch()?;
    let sender = shared.state.engine.patch_sender(&auth.caller, id, patch, if_match).await?;
    Ok(resource(StatusCode::OK, sender.version, &SenderView::of(&sender)))
}

/// Removes a sender. What is still to be sent from it is held.
#[utoipa::path(delete, path = "/v1/senders/{id}", tag = "senders", params(("id" = String, Path)),
    responses((status = 204, description = "Removed")))]
pub(crate) async fn delete_sender(
    Admin(auth): Admin,
    shared: web::Data<Shared>,
    request: HttpRequest,
    PathId(id): PathId<SenderId>,
) -> Answer {
    Query::of(&request, &[]).finish()?;
    shared.state.engine.delete_sender(&auth.caller, id).await?;
    Ok(HttpResponse::NoContent().finish())
}
