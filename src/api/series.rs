//! Series: messages that repeat, as a whole.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::ids::{ContactId, MessageId, SenderId, SeriesId};
use sendwheel_actors::engine::api::SeriesView as Seen;
use serde::Serialize;
use utoipa::ToSchema;

use super::answers::{Answer, PathId, ok, resource};
use super::auth::Authenticated;
use super::contact_view::{as_text, as_text_or_null};
use super::message_view::{ReasonView, Who};
use super::messages::Cancellation;
use super::paging::Query;
use super::routes::Shared;
use super::schemas;

/// A message that repeats.
#[derive(Serialize, ToSchema)]
#[schema(as = Series)]
pub(crate) struct SeriesView<'a> {
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, example = "series_01h455vb4pex5vsknk084sn02q")]
    id: SeriesId,
    /// Counts changes, from 1.
    version: u32,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, format = DateTime)]
    created_at: UnixMs,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, format = DateTime)]
    updated_at: UnixMs,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    contact_id: ContactId,
    /// `active`, `ended` or `canceled`.
    #[schema(value_type = String)]
    state: &'static str,
    /// Why it is over; `null` of one that goes on, or whose rule has come to its end.
    reason: Option<ReasonView>,
    /// RFC 5545, as it was understood.
    #[schema(value_type = String, example = "FREQ=WEEKLY;BYDAY=MO")]
    recurrence: String,
    /// The same in words.
    #[schema(value_type = String, example = "weekly on Mon")]
    repeats: String,
    /// The time on the wall that it is counted from.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, example = "2026-12-01T09:00:00")]
    start: sendwheel_actors::domain::recurrence::Civil,
    /// The zone whose clock it goes by, or `contact`.
    #[schema(value_type = String)]
    time_zone: &'a str,
    /// Its latest message: while it is active, the next one to go.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    message_id: MessageId,
    /// The time on the wall of that message.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    at: sendwheel_actors::domain::recurrence::Civil,
    /// Messages made so far.
    made: u32,
    /// Occurrences that were left out: they had passed, or the account's rules left them no moment.
    left_out: u32,
    #[schema(value_type = schemas::Channel)]
    channel: &'static str,
    #[schema(value_type = String)]
    to: &'a str,
    #[serde(serialize_with = "as_text_or_null")]
    #[schema(value_type = Option<String>)]
    from: Option<SenderId>,
    #[schema(value_type = schemas::Class)]
    class: &'static str,
    #[schema(value_type = Option<String>)]
    subject: Option<&'a str>,
    cancel_on_reply: bool,
    /// Who scheduled it: the id of a key or a user.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    who: Who,
}

impl<'a> SeriesView<'a> {
    pub(crate) fn of(seen: &'a Seen) -> Self {
        let series = &seen.series;
        Self {
            id: seen.id,
            version: seen.version,
            created_at: series.created_at,
            updated_at: series.updated_at,
            contact_id: seen.contact,
            state: series.state.name(),
            reason: series.reason.as_ref().map(ReasonView::stored),
            recurrence: series.recurrence.to_string(),
            repeats: series.recurrence.in_words(),
            start: series.start,
            time_zone: series.zone.as_deref().unwrap_or("contact"),
            message_id: series.latest,
            at: series.place.at,
            made: series.made,
            left_out: series.passed,
            channel: series.channel.name(),
            to: series.to.as_str(),
            from: Some(series.sender),
            class: series.class.name(),
            subject: series.content.subject(),
            cancel_on_reply: series.cancel_on_reply,
            who: Who(series.author),
        }
    }
}

/// A series.
#[utoipa::path(get, path = "/v1/series/{id}", tag = "messages", params(("id" = String, Path)),
    responses((status = 200, body = SeriesView)))]
pub(crate) async fn get_series(
    auth: Authenticated,
    shared: web::Data<Shared>,
    request: HttpRequest,
    PathId(id): PathId<SeriesId>,
) -> Answer {
    Query::of(&request, &[]).finish()?;
    let seen = shared.state.engine.series(&auth.caller, id).await?;
    Ok(resource(StatusCode::OK, seen.version, &SeriesView::of(&seen)))
}

/// Cancels a series: what of it is pending, and all that would follow. It can be repeated. The outcome is `already_over`
/// if its rule had come to its end before: its last message, if that is to be tried again, is then cancelled by itself.
#[utoipa::path(delete, path = "/v1/series/{id}", tag = "messages", params(("id" = String, Path)),
    responses((status = 200, body = Cancellation)))]
pub(crate) async fn cancel_series(
    auth: Authenticated,
    shared: web::Data<Shared>,
    request: HttpRequest,
    PathId(id): PathId<SeriesId>,
) -> Answer {
    Query::of(&request, &[]).finish()?;
    let seen = shared.state.engine.cancel_series(&auth.caller, id).await?;
    Ok(ok(&Cancellation::of_series(&seen)))
}
