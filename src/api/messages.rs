//! `/v1/messages` and `/v1/contacts/{id}/messages`: scheduling, reading, editing, cancelling one message.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use sendwheel_actors::domain::ids::{ContactId, MessageId};
use sendwheel_actors::domain::message::StateName;
use sendwheel_actors::domain::series::SeriesState;
use sendwheel_actors::engine::api::{CancelOutcome, EngineError, MessageFilter, MessageView as Seen, SeriesView};
use serde::Serialize;
use utoipa::ToSchema;

use super::answers::{Answer, ListOf, PathId, created_status, located, ok, resource};
use super::auth::Authenticated;
use super::body;
use super::faults::{At, Faults};
use super::json;
use super::message_request::MessageRequest;
use super::message_view::MessageView;
use super::paging::Query;
use super::routes::Shared;
use super::schemas;

/// What came of a cancel.
#[derive(Serialize, ToSchema)]
pub(crate) struct Cancellation {
    /// `canceled`: it will not be handed over. `already_handed_over`: too late, and no further attempt is made.
    /// `already_over`: a series that had come to its end before.
    outcome: &'static str,
    /// With `already_handed_over`: where it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schemas::State>)]
    state: Option<&'static str>,
}

impl Cancellation {
    /// Of a series: one that was over before says how.
    pub(crate) fn of_series(seen: &SeriesView) -> Self {
        let was_over = seen.series.state != SeriesState::Canceled;
        Self { outcome: if was_over { "already_over" } else { "canceled" }, state: None }
    }
}

/// One message with its version and, when it was made now, its place.
pub(crate) fn one(status: StatusCode, auth: &Authenticated, seen: &Seen) -> HttpResponse {
    let response = resource(status, seen.message.version, &MessageView::of(seen, &auth.directory));
    match status {
        StatusCode::CREATED => located(response, format!("/v1/messages/{}", seen.message.id)),
        _ => response,
    }
}

/// Schedules a message to a contact.
#[utoipa::path(post, path = "/v1/contacts/{id}/messages", tag = "messages", request_body = MessageRequest,
    params(("id" = String, Path, description = "The contact"),
        ("Idempotency-Key" = Option<String>, Header, description = "Names this request: a repetition finds what it made")),
    responses((status = 201, body = MessageView), (status = 200, body = MessageView, description = "Made earlier by the same request")))]
pub(crate) async fn schedule_message(
    auth: Authenticated,
    shared: web::Data<Shared>,
    request: HttpRequest,
    PathId(contact): PathId<ContactId>,
    mut payload: web::Payload,
) -> Answer {
    Query::of(&request, &[]).finish()?;
    let settings = &shared.state.settings;
    let body = body::read_json(&request, &mut payload, settings.large_bytes, &shared.large, settings).await?;
    let message = json::read::<MessageRequest<'_>>(&body.bytes)?;
    let mut new = message.into_new(auth.caller.role, &At::Root, Faults::default())?;
    new.idempotency = body::idempotency(&request, &body.bytes)?;
    drop(body);
    let (status, seen) = created_status(shared.state.engine.schedule(&auth.caller, contact, new).await?);
    Ok(one(status, &auth, &seen))
}

/// One message, with its plan and everything that happened to it.
#[utoipa::path(get, path = "/v1/messages/{id}", tag = "messages",
    params(("id" = String, Path), ("explain" = Option<bool>, Query, description = "One message always comes with it")),
    responses((status = 200, body = MessageView)))]
pub(crate) async fn get_message(
    auth: Authenticated,
    shared: web::Data<Shared>,
    request: HttpRequest,
    PathId(id): PathId<MessageId>,
) -> Answer {
    let mut query = Query::of(&request, &["explain"]);
    query.flag("explain");
    query.finish()?;
    let seen = shared.state.engine.message(&auth.caller, id).await?;
    let view = MessageView::of(&seen, &auth.directory).explained(&seen);
    Ok(resource(StatusCode::OK, seen.message.version, &view))
}

/// The states that an account can be searched by.
const LISTED: [StateName; 4] = [StateName::Scheduled, StateName::Held, StateName::Uncertain, StateName::Failed];

fn filter_of(query: &mut Query) -> MessageFilter {
    let contact =
        query.parsed("contact_id", |text| text.parse::<ContactId>().map_err(|error| ("invalid_id", error.to_string())));
    let state = query.parsed("state", |text| {
        let names = || StateName::ALL.map(StateName::as_str).join(", ");
        text.parse::<StateName>().map_err(|()| ("unknown_value", format!("expected one of: {}", names())))
    });
    let root = At::Root;
    if query.take("campaign_id").is_some() {
        let at = root.member("campaign_id");
        query.faults.refuse(&at, "not_supported_yet", "this version has no campaigns yet: leave it out");
    }
    if query.faults.is_empty() && contact.is_none() && !state.is_some_and(|state| LISTED.contains(&state)) {
        let at = root.member("state");
        let code = if state.is_none() { "required" } else { "unknown_value" };
        let names = LISTED.map(StateName::as_str).join(", ");
        query.faults.refuse(&at, code, format!("without a contact_id, give one of: {names}"));
    }
    MessageFilter { contact, state }
}

/// Messages of a contact, or of the account in one state.
#[utoipa::path(get, path = "/v1/messages", tag = "messages",
    params(("contact_id" = Option<String>, Query),
        ("state" = Option<schemas::State>, Query, description = "Without a contact: scheduled, held, uncertain or failed"),
        ("explain" = Option<bool>, Query, description = "With plan and history"),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1, description = "Items of a page: default 50, at most 500")),
    responses((status = 200, body = ListOf<MessageView>)))]
pub(crate) async fn list_messages(auth: Authenticated, shared: web::Data<Shared>, request: HttpRequest) -> Answer {
    let mut query = Query::of(&request, &["contact_id", "campaign_id", "state", "explain", "cursor", "limit"]);
    let page = query.page();
    let is_explained = query.flag("explain");
    let filter = filter_of(&mut query);
    query.finish()?;
    let page = shared.state.engine.messages(&auth.caller, filter, page).await?;
    let view = |seen| {
        let view = MessageView::of(seen, &auth.directory);
        if is_explained { view.explained(seen) } else { view }
    };
    Ok(ok(&ListOf { data: page.items.iter().map(view).collect(), next_cursor: page.next_cursor }))
}

/// Edits or reschedules a message that is still pending: all of the change or nothing.
#[utoipa::path(patch, path = "/v1/messages/{id}", tag = "messages", request_body = schemas::MessageChange,
    params(("id" = String, Path), ("If-Match" = Option<String>, Header, description = "The version that is to be changed")),
    responses((status = 200, body = MessageView)))]
pub(crate) async fn edit_message(
    auth: Authenticated,
    shared: web::Data<Shared>,
    request: HttpRequest,
    PathId(id): PathId<MessageId>,
    mut payload: web::Payload,
) -> Answer {
    Query::of(&request, &[]).finish()?;
    let if_match = body::if_match(&request)?;
    let settings = &shared.state.settings;
    // Text and HTML together may be larger than the usual JSON body.
    let body = body::read_json(&request, &mut payload, settings.large_bytes, &shared.large, settings).await?;
    let edit = json::read::<MessageRequest<'_>>(&body.bytes)?.into_edit(auth.caller.role)?;
    drop(body);
    let seen = shared.state.engine.edit(&auth.caller, id, edit, if_match).await?;
    Ok(one(StatusCode::OK, &auth, &seen))
}

/// Cancels a message. It can be repeated. Of one that repeats, the others go on, unless `series` says all of them.
#[utoipa::path(delete, path = "/v1/messages/{id}", tag = "messages",
    params(("id" = String, Path), ("series" = Option<bool>, Query, description = "With all of its series")),
    responses((status = 200, body = Cancellation)))]
pub(crate) async fn cancel_message(
    auth: Authenticated,
    shared: web::Data<Shared>,
    request: HttpRequest,
    PathId(id): PathId<MessageId>,
) -> Answer {
    let mut query = Query::of(&request, &["series"]);
    let is_whole_series = query.flag("series");
    query.finish()?;
    if is_whole_series {
        let seen = shared.state.engine.message(&auth.caller, id).await?;
        let Some(of) = &seen.message.series else {
            let detail = "the message does not repeat: leave `series` out";
            return Err(EngineError::Conflict { code: "not_a_series", detail: detail.into() }.into());
        };
        let seen = shared.state.engine.cancel_series(&auth.caller, of.series).await?;
        return Ok(ok(&Cancellation::of_series(&seen)));
    }
    Ok(ok(&match shared.state.engine.cancel(&auth.caller, id).await? {
        CancelOutcome::Canceled => Cancellation { outcome: "canceled", state: None },
        CancelOutcome::AlreadyHandedOver(state) => {
            Cancellation { outcome: "already_handed_over", state: Some(state.as_str()) }
        }
    }))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;
    use crate::api::error::ApiError;

    #[test]
    fn a_list_without_a_contact_needs_a_state_that_is_indexed() {
        let filter = |query: &str| {
            let request = TestRequest::get().uri(&format!("/v1/messages?{query}")).to_http_request();
            let mut query = Query::of(&request, &["contact_id", "campaign_id", "state"]);
            let filter = filter_of(&mut query);
            query.finish().map(|()| filter)
        };
        let contact = ContactId::from_bytes([7; 16]);
        assert!(filter("state=held").is_ok());
        assert!(filter(&format!("contact_id={contact}")).is_ok());
        assert!(filter(&format!("contact_id={contact}&state=delivered")).is_ok());
        for (query, code) in [
            ("", "required"),
            ("state=delivered", "unknown_value"),
            ("state=lost", "unknown_value"),
            ("contact_id=7", "invalid_id"),
            ("campaign_id=c", "not_supported_yet"),
        ] {
            let Err(ApiError::Invalid(errors)) = filter(query) else { panic!("{query} was taken") };
            assert_eq!(errors.iter().map(|e| e.code).collect::<Vec<_>>(), [code], "{query}");
        }
    }
}
