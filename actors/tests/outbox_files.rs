//! The outbox's files, and the route that test messages take.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod peers;

use std::sync::Arc;

use peers::{Yes, clock, email, is_provider, permanent, sms, taken, transient};
use sendwheel_actors::domain::clock::{ManualClock, UnixMs};
use sendwheel_actors::sender::discard::DiscardTransport;
use sendwheel_actors::sender::outbox::{OutboxSettings, OutboxTransport};
use sendwheel_actors::sender::routed::Routed;
use sendwheel_actors::sender::transport::{Attempted, Transport};

fn lines(folder: &std::path::Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(folder.join("sms.jsonl")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn files(folder: &std::path::Path) -> Vec<String> {
    std::fs::read_dir(folder.join("email"))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[tokio::test]
async fn an_email_is_one_file_however_often_it_is_handed_over() {
    let folder = tempfile::tempdir().unwrap();
    let transport = OutboxTransport::new(&OutboxSettings::new(folder.path()), clock()).unwrap();
    let mut connection = transport.connect();
    let mut envelope = email(1, "jane");
    envelope.content.html = Some("<p>x</p>".into());
    taken(connection.hand_over(&envelope, &Yes::always()).await);
    let name = format!("{}.eml", envelope.message);
    let first = std::fs::read(folder.path().join("email").join(&name)).unwrap();
    assert_eq!(mail_parser::MessageParser::default().parse(&first).unwrap().subject(), Some("Hello"));
    envelope.attempt = 2;
    taken(connection.hand_over(&envelope, &Yes::always()).await);
    assert_eq!(files(folder.path()), [name.as_str()]);
    assert_eq!(std::fs::read(folder.path().join("email").join(&name)).unwrap(), first);
}

#[tokio::test]
async fn text_messages_of_many_workers_are_whole_lines() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(UnixMs(1_795_456_800_123));
    let transport = OutboxTransport::new(&OutboxSettings::new(folder.path()), clock).unwrap();
    let workers = (0..16).map(|worker| {
        let mut connection = transport.connect();
        async move {
            for number in 0..20 {
                taken(connection.hand_over(&sms(worker * 100 + number), &Yes::always()).await);
            }
        }
    });
    futures_util::future::join_all(workers).await;
    let lines = lines(folder.path());
    assert_eq!(lines.len(), 320);
    let ids: std::collections::HashSet<_> = lines.iter().map(|line| line["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 320);
    let envelope = sms(0);
    let line = lines.iter().find(|line| line["id"] == envelope.message.to_string()).unwrap();
    assert_eq!(
        *line,
        serde_json::json!({
            "id": envelope.message.to_string(), "attempt": 1, "from": "+12125550100", "to": "+12125550123",
            "body": envelope.content.text.unwrap(), "at": "2026-11-23T18:00:00.123Z",
        })
    );
}

#[tokio::test]
async fn a_guard_that_says_no_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let transport = OutboxTransport::new(&OutboxSettings::new(folder.path()), clock()).unwrap();
    let mut connection = transport.connect();
    assert_eq!(connection.hand_over(&sms(1), &Yes::times(0)).await, Attempted::NotStarted);
    assert_eq!(connection.hand_over(&email(1, "jane"), &Yes::times(0)).await, Attempted::NotStarted);
    assert!(lines(folder.path()).is_empty() && files(folder.path()).is_empty());
}

#[tokio::test]
async fn a_folder_that_went_away_is_the_provider_s_failure() {
    let folder = tempfile::tempdir().unwrap();
    let transport = OutboxTransport::new(&OutboxSettings::new(folder.path()), clock()).unwrap();
    std::fs::remove_dir_all(folder.path().join("email")).unwrap();
    let failure = transient(transport.connect().hand_over(&email(1, "jane"), &Yes::always()).await);
    assert_eq!((failure.code.as_str(), is_provider(&failure)), ("outbox_write", true));
}

#[tokio::test]
async fn test_messages_stay_in_the_outbox_and_all_others_leave() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = OutboxTransport::new(&OutboxSettings::new(folder.path()), clock()).unwrap();
    let routed = Routed::new(Arc::new(DiscardTransport::new(3)), Arc::new(outbox));
    assert_eq!((routed.name(), routed.connections()), ("discard", 3));
    let mut connection = routed.connect();
    taken(connection.hand_over(&sms(1), &Yes::always()).await);
    assert!(lines(folder.path()).is_empty());
    let mut envelope = sms(2);
    envelope.test = true;
    taken(connection.hand_over(&envelope, &Yes::always()).await);
    assert_eq!(lines(folder.path()).len(), 1);
}

#[tokio::test]
async fn a_message_on_the_wrong_channel_is_refused_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let transport = OutboxTransport::new(&OutboxSettings::new(folder.path()), clock()).unwrap();
    let mut envelope = email(1, "jane");
    envelope.to = sms(1).to;
    assert_eq!(permanent(transport.connect().hand_over(&envelope, &Yes::always()).await).code, "wrong_channel");
}
