//! `GET /v1/contacts/{id}/thread`: the conversation with a contact.

use actix_web::{HttpRequest, web};
use sendwheel_actors::domain::ids::ContactId;

use super::answers::{Answer, ListOf, PathId, ok};
use super::auth::Authenticated;
use super::message_view::MessageView;
use super::paging::Query;
use super::routes::Shared;

/// The conversation: what is still to come first, by due time; then the past, newest first.
#[utoipa::path(get, path = "/v1/contacts/{id}/thread", tag = "contacts",
    params(("id" = String, Path), ("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1, description = "Items of a page: default 50, at most 500")),
    responses((status = 200, body = ListOf<MessageView>)))]
pub(crate) async fn get_thread(
    auth: Authenticated,
    shared: web::Data<Shared>,
    request: HttpRequest,
    PathId(contact): PathId<ContactId>,
) -> Answer {
    let mut query = Query::of(&request, &["cursor", "limit"]);
    let page = query.page();
    query.finish()?;
    let page = shared.state.engine.thread(&auth.caller, contact, page).await?;
    let entries = page.items.iter();
    let data = entries.map(|entry| MessageView::of(&entry.view, &auth.directory).in_thread(entry.is_pending)).collect();
    Ok(ok(&ListOf { data, next_cursor: page.next_cursor }))
}
