//! `GET /v1/schedule`: everything that is scheduled in the account, by due time.

use actix_web::{HttpRequest, web};
use sendwheel_actors::domain::ids::SenderId;
use sendwheel_actors::domain::instant::parse_instant;
use sendwheel_actors::engine::api::ScheduleFilter;

use super::answers::{Answer, ListOf, ok};
use super::auth::Authenticated;
use super::checks::CHANNELS;
use super::message_view::MessageView;
use super::paging::Query;
use super::routes::Shared;
use super::schemas;

/// The parameters of a filter.
pub(crate) const FILTERS: [&str; 4] = ["from", "to", "sender", "channel"];

/// What a query asks for.
pub(crate) fn filter_of(query: &mut Query) -> ScheduleFilter {
    let mut moment =
        |name| query.parsed(name, |text| parse_instant(text).map_err(|error| ("invalid_time", error.to_string())));
    let (from, to) = (moment("from"), moment("to"));
    let sender =
        query.parsed("sender", |text| text.parse::<SenderId>().map_err(|error| ("invalid_id", error.to_string())));
    let channel = query.parsed("channel", |text| {
        let found = CHANNELS.iter().find(|(name, _)| *name == text);
        found.map(|(_, channel)| *channel).ok_or(("unknown_value", "expected one of: email, sms".to_owned()))
    });
    ScheduleFilter { from, to, sender, channel }
}

/// Everything that is scheduled, by due time.
#[utoipa::path(get, path = "/v1/schedule", tag = "messages",
    params(("from" = Option<String>, Query, description = "Due at this moment or later: RFC 3339 with an offset"),
        ("to" = Option<String>, Query, description = "Due before this moment: RFC 3339 with an offset"),
        ("sender" = Option<String>, Query, description = "From this sender"),
        ("channel" = Option<schemas::Channel>, Query),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1, description = "Items of a page: default 50, at most 500")),
    responses((status = 200, body = ListOf<MessageView>)))]
pub(crate) async fn list_schedule(auth: Authenticated, shared: web::Data<Shared>, request: HttpRequest) -> Answer {
    let mut query = Query::of(&request, &[&FILTERS[..], &["cursor", "limit"]].concat());
    let (page, filter) = (query.page(), filter_of(&mut query));
    query.finish()?;
    let page = shared.state.engine.schedule_of(&auth.caller, &filter, page).await?;
    let data = page.items.iter().map(|seen| MessageView::of(seen, &auth.directory)).collect();
    Ok(ok(&ListOf { data, next_cursor: page.next_cursor }))
}
