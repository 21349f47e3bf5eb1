//! People at work on conversations: the list, read and assigned, notes, and the undo of a last step.

use actix_web::{HttpRequest, web};
use sendwheel_actors::contact::command::Attend;
use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::contact::Contact;
use sendwheel_actors::domain::conversation::MAX_NOTE_BYTES;
use sendwheel_actors::domain::ids::{ContactId, MessageId, UserId};
use sendwheel_actors::domain::message::Content;
use sendwheel_actors::engine::api::{ConversationFilter, Undone};
use serde::Serialize;
use utoipa::ToSchema;

use super::answers::{Answer, ListOf, PathId, created_status, json, ok};
use super::auth::Authenticated;
use super::checks::{bounded, id};
use super::contact_view::{ContactView, as_text_or_null};
use super::faults::{At, Faults};
use super::item_view::ItemView;
use super::json::{self, Text, request_object};
use super::message_view::MessageView;
use super::paging::Query;
use super::routes::Shared;
use super::{body, error::ApiError};

/// A conversation: its contact, and where it stands.
#[derive(Serialize, ToSchema)]
#[schema(as = Conversation)]
pub(crate) struct ConversationView<'a> {
    contact: ContactView<'a>,
    /// The last message either way.
    #[serde(serialize_with = "as_text_or_null")]
    #[schema(value_type = Option<String>, format = DateTime)]
    last_activity_at: Option<UnixMs>,
    /// `email` or `sms`: the way of that message.
    #[schema(value_type = Option<String>)]
    last_channel: Option<&'static str>,
    /// Received messages that nobody has read.
    unread: u32,
    /// The user who looks after it.
    #[serde(serialize_with = "as_text_or_null")]
    #[schema(value_type = Option<String>)]
    assigned_user: Option<UserId>,
    /// Made for an address that no contact had.
    unknown: bool,
}

impl<'a> ConversationView<'a> {
    fn of(contact: &'a Contact) -> Self {
        let conversation = &contact.conversation;
        Self {
            last_activity_at: conversation.last_activity_at,
            last_channel: conversation.last_channel.map(|channel| channel.name()),
            unread: conversation.unread,
            assigned_user: conversation.assigned_to,
            unknown: conversation.is_unknown,
            contact: ContactView::of(contact),
        }
    }
}

/// Conversations with any messages, the most recently active first.
#[utoipa::path(get, path = "/v1/conversations", tag = "conversations",
    params(("unread" = Option<bool>, Query, description = "Only those with unread messages"),
        ("assigned_user" = Option<String>, Query, description = "Only those of this user: an id, `me` or `none`"),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1, description = "Items of a page: default 50, at most 500")),
    responses((status = 200, body = ListOf<ConversationView>)))]
pub(crate) async fn list_conversations(auth: Authenticated, shared: web::Data<Shared>, request: HttpRequest) -> Answer {
    let mut query = Query::of(&request, &["unread", "assigned_user", "cursor", "limit"]);
    let page = query.page();
    let me = auth.caller.user;
    let assigned_to = query.parsed("assigned_user", |text| match text {
        "none" => Ok(None),
        "me" => me.map(Some).ok_or(("no_user", "a key is no user: name one".to_owned())),
        text => text.parse().map(Some).map_err(|_| ("unknown_user", "a user's id, `me` or `none`".to_owned())),
    });
    let filter = ConversationFilter { is_unread: query.flag("unread"), assigned_to };
    query.finish()?;
    let page = shared.state.engine.conversations(&auth.caller, filter, page).await?;
    Ok(ok(&ListOf { data: page.items.iter().map(ConversationView::of).collect(), next_cursor: page.next_cursor }))
}

request_object! {
    /// What to change about a conversation.
    pub(crate) struct ConversationRequest<'a> {
        /// Whether everything in it was read.
        #[schema(value_type = Option<bool>)]
        read: bool,
        /// The user who looks after it; `null`: nobody.
        #[schema(value_type = Option<String>)]
        assigned_user: Text<'a>,
    }
}

/// Marks a conversation as read or unread, or assigns it to a user.
#[utoipa::path(patch, path = "/v1/contacts/{id}/conversation", tag = "conversations", params(("id" = String, Path)),
    request_body = ConversationRequest, responses((status = 200, body = ConversationView)))]
pub(crate) async fn patch_conversation(
    auth: Authenticated,
    shared: web::Data<Shared>,
    request: HttpRequest,
    PathId(contact): PathId<ContactId>,
    mut payload: web::Payload,
) -> Answer {
    let body = shared.json(&request, &mut payload).await?;
    let wanted = json::read::<ConversationRequest<'_>>(&body.bytes)?;
    let (mut faults, root) = (Faults::default(), At::Root);
    wanted.stray.refuse(&root, ConversationRequest::NAMES, &mut faults);
    let is_read = wanted.read.changed(&root.member("read"), &mut faults);
    let at = root.member("assigned_user");
    let assigned_to = wanted.assigned_user.clearable(&at, &mut faults);
    let assigned_to = assigned_to.map(|user| user.and_then(|text| id(&text, "unknown_user", &at, &mut faults)));
    faults.finish(Some(()))?;
    let contact = shared.state.engine.attend(&auth.caller, contact, Attend { is_read, assigned_to }).await?;
    Ok(ok(&ConversationView::of(&contact)))
}

request_object! {
    /// A note for colleagues.
    pub(crate) struct NoteRequest<'a> {
        /// Plain text, at most 10,000 bytes.
        #[schema(value_type = String)]
        body: Text<'a>,
    }
}

/// Keeps a note in a thread. It is never sent.
#[utoipa::path(post, path = "/v1/contacts/{id}/notes", tag = "conversations", request_body = NoteRequest,
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header, description = "Names this request: a repetition finds what it made")),
    responses((status = 201, body = ItemView), (status = 200, body = ItemView, description = "Made earlier by the same request")))]
pub(crate) async fn create_note(
    auth: Authenticated,
    shared: web::Data<Shared>,
    request: HttpRequest,
    PathId(contact): PathId<ContactId>,
    mut payload: web::Payload,
) -> Answer {
    let body = shared.json(&request, &mut payload).await?;
    let wanted = json::read::<NoteRequest<'_>>(&body.bytes)?;
    let (mut faults, root) = (Faults::default(), At::Root);
    wanted.stray.refuse(&root, NoteRequest::NAMES, &mut faults);
    let at = root.member("body");
    let text = wanted.body.required(&at, &mut faults).and_then(|text| bounded(text, MAX_NOTE_BYTES, &at, &mut faults));
    if text.as_ref().is_some_and(|text| text.trim().is_empty()) {
        faults.refuse(&at, "required", "a note says something");
    }
    let text = faults.finish(text)?;
    let idempotency = body::idempotency(&request, &body.bytes)?;
    let created = shared.state.engine.note(&auth.caller, contact, text.into_owned(), idempotency.as_ref()).await?;
    let (status, item) = created_status(created);
    Ok(json(status, &ItemView::of(&item, &Content::default())))
}

/// What an undo did.
#[derive(Serialize, ToSchema)]
#[schema(as = Undone)]
struct UndoneView<'a> {
    /// `canceled`: what was scheduled is taken back. `restored`: what was cancelled is scheduled again.
    outcome: &'static str,
    /// The messages.
    #[schema(value_type = Vec<String>)]
    message_ids: Vec<String>,
    /// The messages that are scheduled again.
    messages: Vec<MessageView<'a>>,
}

/// Takes back the caller's last schedule or cancel with this contact, within ten seconds.
#[utoipa::path(post, path = "/v1/contacts/{id}/undo", tag = "conversations", params(("id" = String, Path)),
    responses((status = 200, body = UndoneView), (status = 409, description = "Nothing to undo, or too late")))]
pub(crate) async fn undo(
    auth: Authenticated,
    shared: web::Data<Shared>,
    request: HttpRequest,
    PathId(contact): PathId<ContactId>,
) -> Result<actix_web::HttpResponse, ApiError> {
    Query::of(&request, &[]).finish()?;
    let undone = shared.state.engine.undo(&auth.caller, contact).await?;
    let view = match &undone {
        Undone::Canceled(id) => {
            UndoneView { outcome: "canceled", message_ids: vec![id.to_string()], messages: Vec::new() }
        }
        Undone::Series(seen) => UndoneView {
            outcome: if seen.is_active() { "restored" } else { "canceled" },
            message_ids: vec![seen.series.latest.to_string()],
            messages: Vec::new(),
        },
        Undone::Restored(views) => UndoneView {
            outcome: "restored",
            message_ids: views.iter().map(|view| MessageId::to_string(&view.message.id)).collect(),
            messages: views.iter().map(|view| MessageView::of(view, &auth.directory)).collect(),
        },
    };
    Ok(ok(&view))
}
