//! `/v1/templates`: everyone reads them, admins change them.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::directory::MessageTemplate;
use sendwheel_actors::domain::ids::TemplateId;
use serde::Serialize;
use utoipa::ToSchema;

use super::answers::{Answer, ListOf, PathId, created_status, located, ok, resource};
use super::auth::{Admin, Authenticated};
use super::body;
use super::contact_view::as_text;
use super::error::ApiError;
use super::json;
use super::paging::{Query, page_of};
use super::routes::Shared;
use super::schemas;
use super::template_request::{TemplateChange, TemplateRequest};

/// A template.
#[derive(Serialize, ToSchema)]
#[schema(as = Template)]
pub(crate) struct TemplateView<'a> {
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, example = "template_01h455vb4pex5vsknk084sn02q")]
    id: TemplateId,
    /// Counts changes, from 1; for `If-Match`.
    version: u32,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, format = DateTime)]
    created_at: UnixMs,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, format = DateTime)]
    updated_at: UnixMs,
    #[schema(value_type = schemas::Channel)]
    channel: &'static str,
    #[schema(value_type = String)]
    name: &'a str,
    #[schema(value_type = Option<String>)]
    subject: Option<&'a str>,
    #[schema(value_type = Option<String>)]
    body: Option<&'a str>,
    #[schema(value_type = Option<String>)]
    html: Option<&'a str>,
}

impl<'a> TemplateView<'a> {
    fn of(template: &'a MessageTemplate) -> Self {
        Self {
            id: template.id,
            version: template.version,
            created_at: template.created_at,
            updated_at: template.updated_at,
            channel: template.channel.name(),
            name: &template.name,
            subject: template.content.subject.as_deref(),
            body: template.content.text.as_deref(),
            html: template.content.html.as_deref(),
        }
    }
}

/// Keeps a template. What cannot be rendered for anybody is refused, with its line.
#[utoipa::path(post, path = "/v1/templates", tag = "templates", request_body = TemplateRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Names this request: a repetition finds what it made")),
    responses((status = 201, body = TemplateView), (status = 200, body = TemplateView, description = "Made earlier by the same request")))]
pub(crate) async fn create_template(
    Admin(auth): Admin,
    shared: web::Data<Shared>,
    request: HttpRequest,
    mut payload: web::Payload,
) -> Answer {
    let body = shared.json(&request, &mut payload).await?;
    let mut new = json::read::<TemplateRequest<'_>>(&body.bytes)?.into_new()?;
    new.idempotency = body::idempotency(&request, &body.bytes)?;
    let (status, template) = created_status(shared.state.engine.create_template(&auth.caller, new).await?);
    Ok(located(
        resource(status, template.version, &TemplateView::of(&template)),
        format!("/v1/templates/{}", template.id),
    ))
}

/// The account's templates, by name.
#[utoipa::path(get, path = "/v1/templates", tag = "templates",
    params(("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1, description = "Items of a page: default 50, at most 500")),
    responses((status = 200, body = ListOf<TemplateView>)))]
pub(crate) async fn list_templates(auth: Authenticated, request: HttpRequest) -> Answer {
    let mut query = Query::of(&request, &["cursor", "limit"]);
    let page = query.page();
    query.finish()?;
    let (templates, next_cursor) = page_of(
        auth.directory.templates_of(auth.caller.account).into_iter(),
        &page,
        |template| MessageTemplate::name_key(&template.name),
        |text| Some(text.to_owned()),
        String::clone,
    )?;
    Ok(ok(&ListOf { data: templates.into_iter().map(TemplateView::of).collect(), next_cursor }))
}

/// One template.
#[utoipa::path(get, path = "/v1/templates/{id}", tag = "templates", params(("id" = String, Path)),
    responses((status = 200, body = TemplateView)))]
pub(crate) async fn get_template(auth: Authenticated, request: HttpRequest, PathId(id): PathId<TemplateId>) -> Answer {
    Query::of(&request, &[]).finish()?;
    let template = auth.directory.template(auth.caller.account, id).ok_or(ApiError::not_found())?;
    Ok(resource(StatusCode::OK, template.version, &TemplateView::of(template)))
}

/// Changes a template: what is left out stays as it is. What was made of it stays as it is, too.
#[utoipa::path(patch, path = "/v1/templates/{id}", tag = "templates", request_body = TemplateChange,
    params(("id" = String, Path), ("If-Match" = Option<String>, Header, description = "The version that is to be changed")),
    responses((status = 200, body = TemplateView)))]
pub(crate) async fn patch_template(
    Admin(auth): Admin,
    shared: web::Data<Shared>,
    request: HttpRequest,
    PathId(id): PathId<TemplateId>,
    mut payload: web::Payload,
) -> Answer {
    let if_match = body::if_match(&request)?;
    let body = shared.json(&request, &mut payload).await?;
    let patch = json::read::<TemplateChange<'_>>(&body.bytes)?.into_patch()?;
    let template = shared.state.engine.patch_template(&auth.caller, id, patch, if_match).await?;
    Ok(resource(StatusCode::OK, template.version, &TemplateView::of(&template)))
}

/// Removes a template. What was made of it stays as it is.
#[utoipa::path(delete, path = "/v1/templates/{id}", tag = "templates", params(("id" = String, Path)),
    responses((status = 204, description = "Removed")))]
pub(crate) async fn delete_template(
    Admin(auth): Admin,
    shared: web::Data<Shared>,
    request: HttpRequest,
    PathId(id): PathId<TemplateId>,
) -> Answer {
    Query::of(&request, &[]).finish()?;
    shared.state.engine.delete_template(&auth.caller, id).await?;
    Ok(HttpResponse::NoContent().finish())
}
