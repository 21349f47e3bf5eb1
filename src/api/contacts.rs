//! `/v1/contacts`.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use sendwheel_actors::domain::contact::Removal;
use sendwheel_actors::domain::ids::ContactId;
use sendwheel_actors::engine::api::NewContact;
use serde::Serialize;
use utoipa::ToSchema;

use super::answers::{Answer, ListOf, PathId, created_status, located, ok, resource};
use super::auth::Authenticated;
use super::body;
use super::checks;
use super::contact_request::ContactRequest;
use super::contact_view::ContactView;
use super::faults::{At, Faults};
use super::json::{self, Text, request_object};
use super::paging::Query;
use super::routes::Shared;

/// What deleting a contact did.
#[derive(Serialize, ToSchema)]
pub(crate) struct ContactDeleted {
    /// Pending messages that were cancelled with it.
    canceled: u64,
}

/// Makes a contact.
#[utoipa::path(post, path = "/v1/contacts", tag = "contacts", request_body = ContactRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Names this request: a repetition finds what it made")),
    responses((status = 201, body = ContactView), (status = 200, body = ContactView, description = "Made earlier by the same request")))]
pub(crate) async fn create_contact(
    auth: Authenticated,
    shared: web::Data<Shared>,
    request: HttpRequest,
    mut payload: web::Payload,
) -> Answer {
    let body = shared.json(&request, &mut payload).await?;
    let mut faults = Faults::default();
    let profile = json::read::<ContactRequest<'_>>(&body.bytes)?.into_profile(&At::Root, &mut faults);
    let profile = faults.finish(Some(profile))?;
    let idempotency = body::idempotency(&request, &body.bytes)?;
    let created = shared.state.engine.create_contact(&auth.caller, NewContact { profile, idempotency }).await?;
    let (status, contact) = created_status(created);
    Ok(located(resource(status, contact.version, &ContactView::of(&contact)), format!("/v1/contacts/{}", contact.id)))
}

/// Contacts, or those that a search finds: by words of the name, addresses, digits of numbers, external id.
#[utoipa::path(get, path = "/v1/contacts", tag = "contacts",
    params(("q" = Option<String>, Query, description = "Beginning of a word or an address"),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1, description = "Items of a page: default 50, at most 500")),
    responses((status = 200, body = ListOf<ContactView>)))]
pub(crate) async fn list_contacts(auth: Authenticated, shared: web::Data<Shared>, request: HttpRequest) -> Answer {
    let mut query = Query::of(&request, &["q", "cursor", "limit"]);
    let page = query.page();
    let words = query.parsed("q", |text| match text.trim() {
        words if words.len() > 200 => Err(("too_long", "at most 200 bytes".to_owned())),
        words => Ok(words.to_owned()),
    });
    query.finish()?;
    let words = words.filter(|words| !words.is_empty());
    let page = shared.state.engine.contacts(&auth.caller, words.as_deref(), page).await?;
    Ok(ok(&ListOf { data: page.items.iter().map(ContactView::of).collect(), next_cursor: page.next_cursor }))
}

/// One contact.
#[utoipa::path(get, path = "/v1/contacts/{id}", tag = "contacts", params(("id" = String, Path)),
    responses((status = 200, body = ContactView)))]
pub(crate) async fn get_contact(
    auth: Authenticated,
    shared: web::Data<Shared>,
    request: HttpRequest,
    PathId(id): PathId<ContactId>,
) -> Answer {
    Query::of(&request, &[]).finish()?;
    let contact = shared.state.engine.contact(&auth.caller, id).await?;
    Ok(resource(StatusCode::OK, contact.version, &ContactView::of(&contact)))
}

/// Changes a contact: what is left out stays as it is.
#[utoipa::path(patch, path = "/v1/contacts/{id}", tag = "contacts", request_body = ContactRequest,
    params(("id" = String, Path), ("If-Match" = Option<String>, Header, description = "The version that is to be changed")),
    responses((status = 200, body = ContactView)))]
pub(crate) async fn patch_contact(
    auth: Authenticated,
    shared: web::Data<Shared>,
    request: HttpRequest,
    PathId(id): PathId<ContactId>,
    mut payload: web::Payload,
) -> Answer {
    let if_match = body::if_match(&request)?;
    let body = shared.json(&request, &mut payload).await?;
    let patch = json::read::<ContactRequest<'_>>(&body.bytes)?.into_patch()?;
    let contact = shared.state.engine.patch_contact(&auth.caller, id, patch, if_match).await?;
    Ok(resource(StatusCode::OK, contact.version, &ContactView::of(&contact)))
}

/// Deletes a contact with everything of it: pending messages are cancelled, and from the answer on nothing of it is
/// handed over; then they, the thread with all that was sent and received, and the contact go.
///
/// What stays: that an address is suppressed, so that an opt-out holds for the next contact with that address; that a
/// contact of this id was deleted, in the audit trail; and what the counters of the installation count. With
/// `erase`, for a request to be forgotten, the list of suppressed addresses keeps a digest alone: the address stays
/// suppressed, and can be neither listed nor exported.
#[utoipa::path(delete, path = "/v1/contacts/{id}", tag = "contacts", params(("id" = String, Path),
        ("erase" = Option<bool>, Query, description = "Also takes its addresses out of the list of suppressed ones, but for digests")),
    responses((status = 200, body = ContactDeleted)))]
pub(crate) async fn delete_contact(
    auth: Authenticated,
    shared: web::Data<Shared>,
    request: HttpRequest,
    PathId(id): PathId<ContactId>,
) -> Answer {
    let mut query = Query::of(&request, &["erase"]);
    let removal = if query.flag("erase") { Removal::Erase } else { Removal::Delete };
    query.finish()?;
    let canceled = shared.state.engine.delete_contact(&auth.caller, id, removal).await?;
    Ok(ok(&ContactDeleted { canceled }))
}

request_object! {
    /// Which contact is merged.
    pub(crate) struct MergeRequest<'a> {
        /// The duplicate.
        #[schema(value_type = String, example = "contact_01h455vb4pex5vsknk084sn02q")]
        from: Text<'a>,
    }
}

/// Merges a duplicate into this contact.
///
/// What this one has stays; addresses, tags, attributes, and what else it lacks, come from the duplicate, and on each
/// channel the stricter consent holds. From the answer on nothing is handed over from the duplicate; its messages,
/// received messages and notes follow within moments, under new ids. The old ids lead there, and so does the
/// duplicate's external id. Its own id answers 404 `contact_merged`, which names this contact. While they move,
/// changes of what is on its way, removing messages and deleting or merging either contact answer 409
/// `merge_under_way`. There is no way back; merging the same ones again does nothing.
#[utoipa::path(post, path = "/v1/contacts/{id}/merge", tag = "contacts", request_body = MergeRequest,
    params(("id" = String, Path)),
    responses((status = 200, body = ContactView)))]
pub(crate) async fn merge_contacts(
    auth: Authenticated,
    shared: web::Data<Shared>,
    request: HttpRequest,
    PathId(id): PathId<ContactId>,
    mut payload: web::Payload,
) -> Answer {
    let body = shared.json(&request, &mut payload).await?;
    let mut faults = Faults::default();
    let at = At::Root.member("from");
    let merge: MergeRequest<'_> = json::read(&body.bytes)?;
    merge.stray.refuse(&At::Root, MergeRequest::NAMES, &mut faults);
    let from = merge.from.required(&at, &mut faults);
    let from = from.and_then(|from| checks::id::<ContactId>(&from, "unknown_contact", &at, &mut faults));
    let from = faults.finish(from)?;
    let contact = shared.state.engine.merge_contacts(&auth.caller, id, from).await?;
    Ok(resource(StatusCode::OK, contact.version, &ContactView::of(&contact)))
}
