//! `/v1/webhooks`: made, listed, changed and removed by admins. A secret is shown once, when it is made.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::directory::{Subscribed, Webhook, WebhookEvent};
use sendwheel_actors::domain::ids::{LaneNo, MessageId, WebhookId};
use sendwheel_actors::engine::webhooks::WithSecret;
use serde::Serialize;
use utoipa::ToSchema;

use super::answers::{Answer, ListOf, PathId, created_status, json as answer_json, located, ok, resource};
use super::auth::Admin;
use super::body;
use super::contact_view::as_text;
use super::error::ApiError;
use super::json;
use super::paging::{Query, page_of};
use super::routes::Shared;
use super::webhook_request::{EVERY, WebhookChange, WebhookRequest};

/// A webhook, without its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = Webhook)]
pub(crate) struct WebhookView<'a> {
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, example = "webhook_01h455vb4pex5vsknk084sn02q")]
    id: WebhookId,
    /// Counts changes, from 1; for `If-Match`.
    version: u32,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, format = DateTime)]
    created_at: UnixMs,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, format = DateTime)]
    updated_at: UnixMs,
    #[schema(value_type = String)]
    url: &'a str,
    #[schema(value_type = Option<String>)]
    description: Option<&'a str>,
    /// What it is told of; `["*"]`: every event.
    #[schema(value_type = Vec<String>)]
    events: Vec<&'static str>,
    /// Whether anything is sent to it. One that answers 410 is switched off.
    enabled: bool,
    /// Only in the answer that made it: what signs the notices (Standard Webhooks), never shown again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "whsec_…")]
    secret: Option<String>,
}

impl<'a> WebhookView<'a> {
    fn of(webhook: &'a Webhook) -> Self {
        Self {
            id: webhook.id,
            version: webhook.version,
            created_at: webhook.created_at,
            updated_at: webhook.updated_at,
            url: &webhook.url,
            description: webhook.description.as_deref(),
            events: match &webhook.events {
                Subscribed::All => vec![EVERY],
                Subscribed::To(events) => events.iter().copied().map(WebhookEvent::as_str).collect(),
            },
            enabled: webhook.is_enabled,
            secret: None,
        }
    }

    fn with_secret(made: &'a WithSecret) -> Self {
        let secret = made.secret.as_ref().map(sendwheel_actors::domain::signatures::webhook::WebhookSecret::expose);
        Self { secret, ..Self::of(&made.webhook) }
    }
}

/// Makes a webhook. Its secret is in this answer and nowhere else.
#[utoipa::path(post, path = "/v1/webhooks", tag = "webhooks", request_body = WebhookRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Names this request: a repetition finds what it made, without the secret")),
    responses((status = 201, body = WebhookView), (status = 200, body = WebhookView, description = "Made earlier by the same request")))]
pub(crate) async fn create_webhook(
    Admin(auth): Admin,
    shared: web::Data<Shared>,
    request: HttpRequest,
    mut payload: web::Payload,
) -> Answer {
    let body = shared.json(&request, &mut payload).await?;
    let mut new = json::read::<WebhookRequest<'_>>(&body.bytes)?.into_new()?;
    new.idempotency = body::idempotency(&request, &body.bytes)?;
    let (status, made) = created_status(shared.state.engine.create_webhook(&auth.caller, new).await?);
    Ok(located(
        resource(status, made.webhook.version, &WebhookView::with_secret(&made)),
        format!("/v1/webhooks/{}", made.webhook.id),
    ))
}

/// The account's webhooks, oldest first.
#[utoipa::path(get, path = "/v1/webhooks", tag = "webhooks",
    params(("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1, description = "Items of a page: default 50, at most 500")),
    responses((status = 200, body = ListOf<WebhookView>)))]
pub(crate) async fn list_webhooks(Admin(auth): Admin, request: HttpRequest) -> Answer {
    let mut query = Query::of(&request, &["cursor", "limit"]);
    let page = query.page();
    query.finish()?;
    let mut webhooks: Vec<_> = auth.directory.webhooks_of(auth.caller.account).collect();
    webhooks.sort_by_key(|webhook| webhook.lane);
    let (webhooks, next_cursor) = page_of(
        webhooks.into_iter(),
        &page,
        |webhook| webhook.lane,
        |text| text.parse().ok().map(LaneNo),
        |lane| lane.to_string(),
    )?;
    Ok(ok(&ListOf { data: webhooks.into_iter().map(WebhookView::of).collect(), next_cursor }))
}

/// One webhook.
#[utoipa::path(get, path = "/v1/webhooks/{id}", tag = "webhooks", params(("id" = String, Path)),
    responses((status = 200, body = WebhookView)))]
pub(crate) async fn get_webhook(Admin(auth): Admin, request: HttpRequest, PathId(id): PathId<WebhookId>) -> Answer {
    Query::of(&request, &[]).finish()?;
    let webhook = auth.directory.webhook(auth.caller.account, id).ok_or(ApiError::not_found())?;
    Ok(resource(StatusCode::OK, webhook.version, &WebhookView::of(webhook)))
}

/// Changes a webhook: what is left out stays as it is.
#[utoipa::path(patch, path = "/v1/webhooks/{id}", tag = "webhooks", request_body = WebhookChange,
    params(("id" = String, Path), ("If-Match" = Option<String>, Header, description = "The version that is to be changed")),
    responses((status = 200, body = WebhookView)))]
pub(crate) async fn patch_webhook(
    Admin(auth): Admin,
    shared: web::Data<Shared>,
    request: HttpRequest,
    PathId(id): PathId<WebhookId>,
    mut payload: web::Payload,
) -> Answer {
    let if_match = body::if_match(&request)?;
    let body = shared.json(&request, &mut payload).await?;
    let patch = json::read::<WebhookChange<'_>>(&body.bytes)?.into_patch()?;
    let webhook = shared.state.engine.patch_webhook(&auth.caller, id, patch, if_match).await?;
    Ok(resource(StatusCode::OK, webhook.version, &WebhookView::of(&webhook)))
}

/// Gives a webhook another secret, which is in this answer and nowhere else. For a day the one before signs along.
#[utoipa::path(post, path = "/v1/webhooks/{id}/rotate-secret", tag = "webhooks", params(("id" = String, Path)),
    responses((status = 200, body = WebhookView)))]
pub(crate) async fn rotate_webhook_secret(
    Admin(auth): Admin,
    shared: web::Data<Shared>,
    request: HttpRequest,
    PathId(id): PathId<WebhookId>,
) -> Answer {
    Query::of(&request, &[]).finish()?;
    let made = shared.state.engine.rotate_webhook_secret(&auth.caller, id).await?;
    Ok(resource(StatusCode::OK, made.webhook.version, &WebhookView::with_secret(&made)))
}

/// A notice that was sent to try a webhook out.
#[derive(Serialize, ToSchema)]
pub(crate) struct Pinged {
    /// The id that it carries in `webhook-id`.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, example = "msg_01h455vb4pex5vsknk084sn02q")]
    id: MessageId,
}

/// Sends a webhook the event `ping`. It is tried again like any other notice.
#[utoipa::path(post, path = "/v1/webhooks/{id}/test", tag = "webhooks", params(("id" = String, Path)),
    responses((status = 202, body = Pinged)))]
pub(crate) async fn test_webhook(
    Admin(auth): Admin,
    shared: web::Data<Shared>,
    request: HttpRequest,
    PathId(id): PathId<WebhookId>,
) -> Answer {
    Query::of(&request, &[]).finish()?;
    let id = shared.state.engine.test_webhook(&auth.caller, id).await?;
    Ok(answer_json(StatusCode::ACCEPTED, &Pinged { id }))
}

/// Removes a webhook. What waits for it is not sent any more.
#[utoipa::path(delete, path = "/v1/webhooks/{id}", tag = "webhooks", params(("id" = String, Path)),
    responses((status = 204, description = "Removed")))]
pub(crate) async fn delete_webhook(
    Admin(auth): Admin,
    shared: web::Data<Shared>,
    request: HttpRequest,
    PathId(id): PathId<WebhookId>,
) -> Answer {
    Query::of(&request, &[]).finish()?;
    shared.state.engine.delete_webhook(&auth.caller, id).await?;
    Ok(HttpResponse::NoContent().finish())
}
