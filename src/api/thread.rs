//! `GET /v1/contacts/{id}/thread`: the conversation with a contact.

use actix_web::{HttpRequest, web};
use sendwheel_actors::domain::directory::Snapshot;
use sendwheel_actors::domain::ids::ContactId;
use sendwheel_actors::engine::api::ThreadEntry;
use serde::Serialize;
use utoipa::ToSchema;

use super::answers::{Answer, ListOf, PathId, ok};
use super::auth::Authenticated;
use super::item_view::ItemView;
use super::message_view::MessageView;
use super::paging::Query;
use super::routes::Shared;

/// An entry of a thread: a message of ours (`scheduled`, `outbound`), or what else stands in it.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = ThreadEntry)]
pub(crate) enum EntryView<'a> {
    /// Ours.
    Message(Box<MessageView<'a>>),
    /// Received, a note, or an event.
    Item(Box<ItemView<'a>>),
}

impl<'a> EntryView<'a> {
    fn of(entry: &'a ThreadEntry, directory: &'a Snapshot) -> Self {
        match entry {
            ThreadEntry::Message { is_pending, view } => {
                Self::Message(Box::new(MessageView::of(view, directory).in_thread(*is_pending)))
            }
            ThreadEntry::Item { item, content } => Self::Item(Box::new(ItemView::of(item, content))),
        }
    }
}

/// The conversation: what is still to come first, by due time; then the past, newest first.
#[utoipa::path(get, path = "/v1/contacts/{id}/thread", tag = "contacts",
    params(("id" = String, Path), ("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1, description = "Items of a page: default 50, at most 500")),
    responses((status = 200, body = ListOf<EntryView>)))]
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
    let data = page.items.iter().map(|entry| EntryView::of(entry, &auth.directory)).collect();
    Ok(ok(&ListOf { data, next_cursor: page.next_cursor }))
}
