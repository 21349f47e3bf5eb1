//! `GET /v1/events`: what happens in the account, as server-sent events.
//!
//! A listener that comes back with `Last-Event-ID` gets what it missed; one that was away too long, or
//! reads too slowly, gets the event `reset` and should read everything anew. A comment every 15 s shows
//! both sides that the other one is there. The stream ends when the node stops, the key is revoked or the session
//! is over.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use actix_web::http::header;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::Stream;
use futures_util::stream;
use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::ids::{ContactId, MessageId};
use sendwheel_actors::engine::api::EngineError;
use sendwheel_actors::engine::events::{Event, Subscription};
use sendwheel_actors::engine::operations::Readiness;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::{Interval, MissedTickBehavior};
use utoipa::ToSchema;

use super::answers::Answer;
use super::auth::Authenticated;
use super::contact_view::{as_text, as_text_or_null};
use super::error::ApiError;
use super::paging::Query;
use super::routes::Shared;
use super::schemas;

/// How often a stream looks whether it should end.
const LOOK: Duration = Duration::from_secs(1);
/// A comment is sent every so many looks.
const LOOKS_PER_HEARTBEAT: u32 = 15;
/// Events written at once.
const BATCH: usize = 64;

/// The data of an event.
#[derive(Serialize, ToSchema)]
#[schema(as = Event)]
pub(crate) struct EventView {
    /// `message.created`, `message.updated`, `contact.created`, `contact.updated` or `contact.deleted`.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    kind: &'static str,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, format = DateTime)]
    at: UnixMs,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String)]
    contact_id: ContactId,
    /// If it is about a message: which one, and where it stands now.
    #[serde(serialize_with = "as_text_or_null", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    message_id: Option<MessageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schemas::State>)]
    state: Option<&'static str>,
}

/// Writes an event as the standard has it: its id, its name, one line of data, a blank line.
fn write_event(out: &mut Vec<u8>, id: &str, event: &Event) {
    let happened = &event.happened;
    let kind = happened.kind.name();
    let view = EventView {
        kind,
        at: happened.at,
        contact_id: happened.contact,
        message_id: happened.message.map(|(id, _)| id).or(happened.item),
        state: happened.message.map(|(_, state)| state.as_str()),
    };
    out.extend_from_slice(format!("id: {id}\nevent: {kind}\ndata: ").as_bytes());
    serde_json::to_writer(&mut *out, &view).expect("an event has only strings and a vector takes it");
    out.extend_from_slice(b"\n\n");
}

const RESET: &[u8] = b"event: reset\ndata: {}\n\n";

/// A listener.
struct Listener {
    auth: Authenticated,
    shared: web::Data<Shared>,
    subscription: Subscription,
    missed: VecDeque<Event>,
    looks: Interval,
    looks_since_heartbeat: u32,
    is_begun: bool,
    _room: OwnedSemaphorePermit,
}

impl Listener {
    /// Whether the stream should end: the node stops, or the listener would not be let in any more.
    fn should_end(&self) -> bool {
        let engine = &self.shared.state.engine;
        !self.auth.is_still_valid(engine) || engine.readiness() == Readiness::Stopping
    }

    fn write(&self, out: &mut Vec<u8>, event: &Event) {
        write_event(out, &self.subscription.event_id(event), event);
    }

    /// What to write next, or `None` at the end.
    async fn next(&mut self) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        if !std::mem::replace(&mut self.is_begun, true) {
            // Something at once, so that the client sees the stream open; and how soon to come back.
            out.extend_from_slice(b": connected\nretry: 2000\n\n");
            if self.subscription.reset {
                out.extend_from_slice(RESET);
            }
            return Some(out);
        }
        while out.len() < 64 * 1024
            && let Some(event) = self.missed.pop_front()
        {
            self.write(&mut out, &event);
        }
        if !out.is_empty() {
            return Some(out);
        }
        loop {
            tokio::select! {
                event = self.subscription.coming.recv() => {
                    match event {
                        Ok(event) => self.write(&mut out, &event),
                        Err(RecvError::Lagged(_)) => out.extend_from_slice(RESET),
                        Err(RecvError::Closed) => return None,
                    }
                    for _ in 1..BATCH {
                        match self.subscription.coming.try_recv() {
                            Ok(event) => self.write(&mut out, &event),
                            Err(TryRecvError::Lagged(_)) => out.extend_from_slice(RESET),
                            Err(TryRecvError::Empty | TryRecvError::Closed) => break,
                        }
                    }
                    return Some(out);
                }
                _ = self.looks.tick() => {
                    if self.should_end() {
                        return None;
                    }
                    self.looks_since_heartbeat += 1;
                    if self.looks_since_heartbeat >= LOOKS_PER_HEARTBEAT {
                        self.looks_since_heartbeat = 0;
                        return Some(b": alive\n\n".to_vec());
                    }
                }
            }
        }
    }

    fn into_stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        stream::unfold(self, async |mut listener| {
            let out = listener.next().await?;
            Some((Ok(Bytes::from(out)), listener))
        })
    }
}

/// Everything that happens in the account, as it happens (server-sent events). Resumable.
#[utoipa::path(get, path = "/v1/events", tag = "events",
    params(("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was seen")),
    responses((status = 200, body = EventView, content_type = "text/event-stream",
        description = "Events with `id`, `event` and JSON `data`; the event `reset` means: some were lost, read anew")))]
pub(crate) async fn listen_to_events(auth: Authenticated, shared: web::Data<Shared>, request: HttpRequest) -> Answer {
    Query::of(&request, &[]).finish()?;
    let room = std::sync::Arc::clone(&shared.listeners).try_acquire_owned();
    let room = room.map_err(|_| ApiError::Engine(EngineError::Overloaded))?;
    let last_event_id = request.headers().get("last-event-id").and_then(|value| value.to_str().ok());
    let last_event_id = last_event_id.filter(|id| !id.is_empty());
    let mut subscription = shared.state.engine.subscribe(auth.caller.account, last_event_id);
    let missed = std::mem::take(&mut subscription.missed).into();
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let listener =
        Listener { shared, auth, subscription, missed, looks, looks_since_heartbeat: 0, is_begun: false, _room: room };
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/event-stream"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        // Proxies that gather answers would hold events back.
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(listener.into_stream()))
}

#[cfg(test)]
mod tests {
    use sendwheel_actors::domain::message::StateName;
    use sendwheel_actors::engine::events::{EventKind, Happened};

    use super::*;

    #[test]
    fn an_event_is_written_as_the_standard_has_it() {
        let mut out = Vec::new();
        let message = MessageId::from_bytes([1; 16]);
        let happened = Happened {
            at: UnixMs(1_796_115_600_000),
            kind: EventKind::MessageUpdated,
            contact: ContactId::from_bytes([2; 16]),
            message: Some((message, StateName::Submitted)),
            item: None,
        };
        write_event(&mut out, "07-3", &Event { number: 3, happened });
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<_> = text.split('\n').collect();
        assert_eq!((lines[0], lines[1], lines[3], lines[4]), ("id: 07-3", "event: message.updated", "", ""));
        let data: serde_json::Value = serde_json::from_str(lines[2].strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(data["message_id"], message.to_string());
        assert_eq!(data["state"], "submitted");
        assert_eq!(data["at"], "2026-12-01T09:00:00Z");
    }
}
