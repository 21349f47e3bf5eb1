//! `/admin/v1/dead-letters`: failed messages of every account, and their revival.

use actix_web::{HttpRequest, web};
use sendwheel_actors::domain::ids::{AccountId, MessageId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::answers::{Answer, ListOf, PathId, created_status, ok, resource};
use crate::api::auth::Operator;
use crate::api::contact_view::as_text_or_null;
use crate::api::message_view::MessageView;
use crate::api::paging::Query;
use crate::api::routes::Shared;

/// A failed message, without what it says.
#[derive(Serialize, ToSchema)]
#[schema(as = DeadLetter)]
pub(crate) struct DeadLetterView<'a> {
    #[serde(serialize_with = "as_text_or_null")]
    #[schema(value_type = Option<String>)]
    account_id: Option<AccountId>,
    #[schema(value_type = MessageView)]
    message: MessageView<'a>,
}

/// Failed messages of every account.
#[utoipa::path(get, path = "/admin/v1/dead-letters", tag = "admin",
    params(("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1, description = "Items of a page: default 50, at most 500")),
    responses((status = 200, body = ListOf<DeadLetterView>)))]
pub(crate) async fn list_dead_letters(
    Operator(auth): Operator,
    shared: web::Data<Shared>,
    request: HttpRequest,
) -> Answer {
    let mut query = Query::of(&request, &["cursor", "limit"]);
    let page = query.page();
    query.finish()?;
    let page = shared.state.engine.dead_letters(page).await?;
    let letters = page.items.iter();
    let data = letters.map(|letter| DeadLetterView {
        account_id: auth.directory.account(letter.account).map(|account| account.id),
        message: MessageView::of(&letter.view, &auth.directory).without_content(),
    });
    Ok(ok(&ListOf { data: data.collect(), next_cursor: page.next_cursor }))
}

/// Revives a dead letter: makes a new message with its content. One dead letter is revived once.
#[utoipa::path(post, path = "/admin/v1/dead-letters/{id}/requeue", tag = "admin",
    params(("id" = String, Path, description = "The message")),
    responses((status = 201, body = MessageView), (status = 200, body = MessageView, description = "Revived earlier")))]
pub(crate) async fn requeue_dead_letter(
    Operator(auth): Operator,
    shared: web::Data<Shared>,
    request: HttpRequest,
    PathId(id): PathId<MessageId>,
) -> Answer {
    Query::of(&request, &[]).finish()?;
    let created = shared.state.engine.requeue_dead_letter(&auth.caller, id).await?;
    let (status, seen) = created_status(created);
    Ok(resource(status, seen.message.version, &MessageView::of(&seen, &auth.directory).without_content()))
}
