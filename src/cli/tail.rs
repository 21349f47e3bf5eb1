//! `sendwheel tail`: events of the account, live, across reconnects.

use std::time::Duration;

use clap::Args;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::client::{Client, ClientError, NodeArgs};
use super::events::{Decoder, Event};
use super::{Failure, Outcome, note, say};

/// Follows events. Ends when it is interrupted.
#[derive(Args)]
#[command(after_help = "Examples:\n  sendwheel tail\n  sendwheel tail --json | jq .data.state")]
pub(crate) struct TailArgs {
    #[command(flatten)]
    node: NodeArgs,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// Resume after this event id
    #[arg(long, value_name = "ID")]
    after: Option<String>,
}

/// First and longest wait before connecting again.
const RECONNECT: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(10)];

pub(crate) async fn run(args: TailArgs) -> Outcome {
    let client = Client::new(&args.node)?;
    let mut last_id = args.after;
    let mut wait = RECONNECT[0];
    let mut was_connected = false;
    loop {
        let ended = follow(&client, &mut last_id, |event| {
            was_connected = true;
            wait = RECONNECT[0];
            say(if args.json { as_json(event) } else { as_text(event) })
        })
        .await;
        let why = match ended {
            Ok(()) => "the node closed the connection".to_owned(),
            // What was wrong from the start stays wrong: no key, no such node.
            Err(Failure::Failed(error)) if was_connected || is_passing(&error) => format!("{error:#}"),
            Err(failure) => return Err(failure),
        };
        was_connected = true;
        note(format_args!("{why}; resuming in {}", humantime::format_duration(wait)));
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(RECONNECT[1]);
    }
}

fn is_passing(error: &anyhow::Error) -> bool {
    match error.downcast_ref::<ClientError>() {
        Some(ClientError::Refused { status, .. }) => {
            status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
        }
        _ => false,
    }
}

/// Follows one connection until it ends, keeping the id to resume after.
async fn follow(client: &Client, last_id: &mut Option<String>, mut on_event: impl FnMut(&Event) -> Outcome) -> Outcome {
    let mut request = client.request(Method::GET, "/v1/events").header("accept", "text/event-stream");
    if let Some(id) = &*last_id {
        request = request.header("last-event-id", id);
    }
    let mut response = client.send(request).await?;
    let mut decoder = Decoder::default();
    while let Some(chunk) = response.chunk().await.map_err(|error| client.unreachable(&error))? {
        for event in decoder.feed(&chunk) {
            on_event(&event)?;
            if event.id.is_some() {
                last_id.clone_from(&event.id);
            }
        }
    }
    Ok(())
}

fn as_json(event: &Event) -> String {
    let data = serde_json::from_str(&event.data).unwrap_or_else(|_| Value::String(event.data.clone()));
    serde_json::json!({"id": event.id, "event": event.name, "data": data}).to_string()
}

fn as_text(event: &Event) -> String {
    let name = event.name.as_deref().unwrap_or("message");
    if name == "reset" {
        return "reset                events were missed: read anew what matters".into();
    }
    let Ok(Value::Object(data)) = serde_json::from_str(&event.data) else {
        return format!("{name:<20} {}", event.data);
    };
    let text = |key: &str| data.get(key).and_then(Value::as_str).unwrap_or_default();
    // The state first and padded, so that the eye can follow the column.
    let about: Vec<_> =
        ["message_id", "contact_id", "campaign_id"].map(text).into_iter().filter(|id| !id.is_empty()).collect();
    format!("{}  {name:<16} {:<10} {}", text("at"), text("state"), about.join("  ")).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::client::tests::{Responder, client};
    use super::*;

    #[test]
    fn an_event_is_a_line() {
        let event = Event {
            id: Some("a-1".into()),
            name: Some("message.updated".into()),
            data: r#"{"at":"2026-12-01T09:00:00Z","state":"submitted","message_id":"msg_1","contact_id":"contact_1"}"#
                .into(),
        };
        assert_eq!(as_text(&event), "2026-12-01T09:00:00Z  message.updated  submitted  msg_1  contact_1");
        assert!(as_json(&event).contains(r#""state":"submitted""#));
    }

    #[actix_web::test]
    async fn a_connection_that_ends_is_resumed_after_the_last_event() {
        let stream = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
        let responder = Responder::start(vec![
            format!("{stream}id: b-1\nevent: message.created\ndata: {{}}\n\nid: b-2\ndata: {{}}\n\nid: b-3\ndata: hal"),
            format!("{stream}id: b-3\ndata: {{}}\n\n"),
        ]);
        let client = client(&responder);
        let mut last_id = None;
        let mut seen = Vec::new();
        for _ in 0..2 {
            let ended = follow(&client, &mut last_id, |event| {
                seen.push(event.id.clone().unwrap());
                Ok(())
            })
            .await;
            assert!(ended.is_ok());
        }
        assert_eq!(seen, ["b-1", "b-2", "b-3"]);
        let requests = responder.requests();
        assert!(!requests[0].contains("last-event-id"), "{}", requests[0]);
        assert!(requests[1].contains("last-event-id: b-2"), "{}", requests[1]);
    }
}
