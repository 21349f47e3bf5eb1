//! What is done with messages beyond reading and editing: cancel many, send now, resolve, requeue.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use sendwheel_actors::domain::ids::MessageId;
use sendwheel_actors::engine::api::{CancelFilter, CancelManyOutcome, Resolve};
use serde::Serialize;
use utoipa::ToSchema;

use super::answers::{Answer, PathId, created_status, ok};
use super::auth::Authenticated;
use super::checks::{choice, each, id, metadata};
use super::error::ApiError;
use super::faults::{At, Faults};
use super::json::{self, Anything, Label, List, MAX_ITEMS, Members, Text, request_object};
use super::message_view::MessageView;
use super::messages::one;
use super::paging::Query;
use super::routes::Shared;
use super::schemas;
use super::send_request::refuse_unsupported;

request_object! {
    /// Which messages to cancel: these, or those that fit everything else that is given.
    pub(crate) struct CancelRequest<'a> {
        /// These, at most 1,000; nothing else is given then.
        #[schema(value_type = Option<Vec<String>>)]
        ids: List<Text<'a>>,
        /// Of this contact.
        #[schema(value_type = Option<String>)]
        contact_id: Text<'a>,
        #[schema(ignore)]
        campaign_id: Anything,
        /// With all of these labels.
        #[schema(value_type = Option<BTreeMap<String, String>>)]
        metadata: Members<'a, Label<'a>>,
    }
}

/// What a request to cancel many is about.
#[derive(Debug, PartialEq, Eq)]
enum ToCancel {
    These(Vec<MessageId>),
    Fitting(CancelFilter),
}

impl CancelRequest<'_> {
    fn read(self) -> Result<ToCancel, ApiError> {
        let mut faults = Faults::default();
        let root = At::Root;
        self.stray.refuse(&root, Self::NAMES, &mut faults);
        refuse_unsupported(&self.campaign_id, &root.member("campaign_id"), &mut faults);
        let at_ids = root.member("ids");
        let ids = self.ids.optional(&at_ids, &mut faults).and_then(|list| {
            each(list, MAX_ITEMS, &at_ids, &mut faults, |text, at, faults| id(&text, "invalid_id", at, faults))
        });
        let at = root.member("contact_id");
        let contact =
            self.contact_id.optional(&at, &mut faults).and_then(|text| id(&text, "invalid_id", &at, &mut faults));
        let at = root.member("metadata");
        let metadata = self.metadata.optional(&at, &mut faults).and_then(|all| metadata(all, &at, &mut faults));
        let filter = CancelFilter { contact, metadata: metadata.unwrap_or_default() };
        let is_filtered = filter.contact.is_some() || !filter.metadata.is_empty();
        match &ids {
            Some(_) if is_filtered => {
                faults.refuse(&at_ids, "conflict", "give ids, or contact_id and metadata, not both");
            }
            None if faults.is_empty() && !is_filtered => {
                faults.refuse(
                    &root,
                    "filter_required",
                    "say which messages: give ids, or contact_id or metadata or both",
                );
            }
            _ => {}
        }
        faults.finish(Some(ids.map_or(ToCancel::Fitting(filter), ToCancel::These)))
    }
}

/// What came of cancelling many.
#[derive(Serialize, ToSchema)]
pub(crate) struct Cancellations {
    /// How many were cancelled.
    canceled: u64,
    /// For how many it was too late.
    already_handed_over: u64,
    /// How many of `ids` are not there.
    not_found: u64,
}

/// Cancels these messages, or every pending one that fits.
#[utoipa::path(post, path = "/v1/messages:cancel", tag = "messages", request_body = CancelRequest,
    responses((status = 200, body = Cancellations)))]
pub(crate) async fn cancel_messages(
    auth: Authenticated,
    shared: web::Data<Shared>,
    request: HttpRequest,
    mut payload: web::Payload,
) -> Answer {
    let body = shared.json(&request, &mut payload).await?;
    let engine = &shared.state.engine;
    let CancelManyOutcome { canceled, already_handed_over, not_found } =
        match json::read::<CancelRequest<'_>>(&body.bytes)?.read()? {
            ToCancel::These(ids) => engine.cancel_these(&auth.caller, &ids).await?,
            ToCancel::Fitting(filter) => engine.cancel_many(&auth.caller, filter).await?,
        };
    Ok(ok(&Cancellations { canceled, already_handed_over, not_found }))
}

/// Sends a pending message at once, within its sender's limits.
#[utoipa::path(post, path = "/v1/messages/{id}/send-now", tag = "messages", params(("id" = String, Path)),
    responses((status = 200, body = MessageView)))]
pub(crate) async fn send_message_now(
    auth: Authenticated,
    shared: web::Data<Shared>,
    request: HttpRequest,
    PathId(id): PathId<MessageId>,
) -> Answer {
    Query::of(&request, &[]).finish()?;
    let seen = shared.state.engine.send_now(&auth.caller, id).await?;
    Ok(one(StatusCode::OK, &auth, &seen))
}

request_object! {
    /// How an uncertain message is settled.
    pub(crate) struct ResolveRequest<'a> {
        /// `submitted`: it was handed over. `failed`, `canceled`: it was not. `retry`: try again, under the
        /// same identity.
        #[schema(value_type = schemas::ResolveAs)]
        outcome: Text<'a>,
    }
}

impl ResolveRequest<'_> {
    fn read(self) -> Result<Resolve, ApiError> {
        const OUTCOMES: &[(&str, Resolve)] = &[
            ("submitted", Resolve::Submitted),
            ("failed", Resolve::Failed),
            ("canceled", Resolve::Canceled),
            ("retry", Resolve::Retry),
        ];
        let mut faults = Faults::default();
        self.stray.refuse(&At::Root, Self::NAMES, &mut faults);
        let root = At::Root;
        let at = root.member("outcome");
        let outcome =
            self.outcome.required(&at, &mut faults).and_then(|text| choice(&text, OUTCOMES, &at, &mut faults));
        faults.finish(outcome)
    }
}

/// Settles a message of which nobody knows whether its provider took it.
#[utoipa::path(post, path = "/v1/messages/{id}/resolve", tag = "messages", request_body = ResolveRequest,
    params(("id" = String, Path)), responses((status = 200, body = MessageView)))]
pub(crate) async fn resolve_message(
    auth: Authenticated,
    shared: web::Data<Shared>,
    request: HttpRequest,
    PathId(id): PathId<MessageId>,
    mut payload: web::Payload,
) -> Answer {
    let body = shared.json(&request, &mut payload).await?;
    let how = json::read::<ResolveRequest<'_>>(&body.bytes)?.read()?;
    let seen = shared.state.engine.resolve(&auth.caller, id, how).await?;
    Ok(one(StatusCode::OK, &auth, &seen))
}

/// Revives a dead letter: makes a new message with its content. One dead letter is revived once.
#[utoipa::path(post, path = "/v1/messages/{id}/requeue", tag = "messages", params(("id" = String, Path)),
    responses((status = 201, body = MessageView), (status = 200, body = MessageView, description = "Revived earlier")))]
pub(crate) async fn requeue_message(
    auth: Authenticated,
    shared: web::Data<Shared>,
    request: HttpRequest,
    PathId(id): PathId<MessageId>,
) -> Answer {
    Query::of(&request, &[]).finish()?;
    let (status, seen) = created_status(shared.state.engine.requeue(&auth.caller, id).await?);
    Ok(one(status, &auth, &seen))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes<T: std::fmt::Debug>(result: Result<T, ApiError>) -> Vec<(String, &'static str)> {
        match result {
            Err(ApiError::Invalid(errors)) => errors.into_iter().map(|e| (e.pointer, e.code)).collect(),
            other => panic!("expected refused fields, got {other:?}"),
        }
    }

    #[test]
    fn cancelling_many_needs_to_be_told_which() {
        let read = |json: &str| json::read::<CancelRequest<'_>>(json.as_bytes()).and_then(CancelRequest::read);
        let label = |value: &str| [("order".to_owned(), value.to_owned())].into();
        let of_order = CancelFilter { contact: None, metadata: label("42") };
        assert_eq!(read(r#"{"metadata": {"order": "42"}}"#), Ok(ToCancel::Fitting(of_order)));
        let (one, other) = (MessageId::from_bytes([1; 16]), MessageId::from_bytes([2; 16]));
        assert_eq!(read(&format!(r#"{{"ids": ["{one}", "{other}"]}}"#)), Ok(ToCancel::These(vec![one, other])));
        assert_eq!(read(r#"{"ids": []}"#), Ok(ToCancel::These(Vec::new())));
        let with_both = format!(r#"{{"ids": ["{one}"], "metadata": {{"order": "42"}}}}"#);
        let too_many = format!(r#"{{"ids": [{}]}}"#, vec![format!("\"{one}\""); MAX_ITEMS + 1].join(","));
        for (json, pointer, code) in [
            ("{}", "", "filter_required"),
            (r#"{"metadata": {}}"#, "", "filter_required"),
            (r#"{"contact_id": "42"}"#, "/contact_id", "invalid_id"),
            (r#"{"ids": ["42"]}"#, "/ids/0", "invalid_id"),
            (with_both.as_str(), "/ids", "conflict"),
            (too_many.as_str(), "/ids", "too_many"),
            (r#"{"campaign_id": "campaign_x"}"#, "/campaign_id", "not_supported_yet"),
            (r#"{"state": "scheduled"}"#, "/state", "unknown_field"),
        ] {
            assert_eq!(codes(read(json)), [(pointer.to_owned(), code)], "{json}");
        }
    }

    #[test]
    fn an_uncertain_message_is_settled_by_a_known_word() {
        let read = |json: &str| json::read::<ResolveRequest<'_>>(json.as_bytes()).and_then(ResolveRequest::read);
        assert_eq!(read(r#"{"outcome": "retry"}"#), Ok(Resolve::Retry));
        assert_eq!(codes(read(r#"{"outcome": "sent"}"#)), [("/outcome".to_owned(), "unknown_value")]);
        assert_eq!(codes(read("{}")), [("/outcome".to_owned(), "required")]);
    }
}
