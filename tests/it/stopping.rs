//! The end of a node: what is in flight finishes, nothing new begins, and who insists is obeyed.

use std::time::Duration;

use reqwest::Method;
use sendwheel_loadtest::client::ClientError;
use sendwheel_loadtest::sink::plan::Rule;
use sendwheel_loadtest::sink::smtp::{Act, Step};
use sendwheel_loadtest::{wait, wall, workload};

use super::stage::{PATIENCE, Stage, Store, on_both_stores};

on_both_stores! {
    a_node_that_is_asked_to_end_finishes_what_is_in_flight_and_takes_nothing_new,
    what_a_node_did_not_finish_goes_out_after_its_next_start,
}

/// What `/readyz` says is the matter, if the node answers.
async fn unready(stage: &Stage) -> Option<String> {
    let response = stage.driver.client().request(Method::GET, "/readyz").send().await.ok()?;
    let answer: serde_json::Value = response.json().await.ok()?;
    Some(answer["reason"].as_str()?.to_owned())
}

async fn until_stopping(stage: &Stage) {
    wait::until("the node to be stopping", PATIENCE, || async {
        unready(stage).await.filter(|reason| reason == "stopping")
    })
    .await
    .unwrap();
}

async fn a_node_that_is_asked_to_end_finishes_what_is_in_flight_and_takes_nothing_new(store: Store) {
    let mut stage = Stage::start(store, 2).await;
    stage.smtp.add(Rule::at(Step::Message).times(1).delay(Duration::from_secs(3)));
    let slow = stage.mail(0, 100).await;
    stage.until_state(&slow.id, "sending", PATIENCE).await;
    let later = stage.mail(1, 1_500).await;
    stage.node.ask_to_end().unwrap();
    until_stopping(&stage).await;
    let due = wall::now_ms() + 60_000;
    let refused = stage.driver.client().schedule(stage.cast.contact(0), &workload::mail("t-x-1", due), None).await;
    let Err(ClientError::Refused { status, retry_after, code, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!((status, &*code, retry_after.is_some()), (503, "stopping", true));
    assert_eq!(stage.smtp.mails().count(), 0, "the mail was still in flight");
    let status = stage.node.ended(Duration::from_secs(15)).await.unwrap();
    assert!(status.success(), "{status}");
    assert_eq!(stage.smtp.mails().count(), 1, "the one in flight was finished, the next one not begun");
    stage.node.restart().await.unwrap();
    for message in [&slow, &later] {
        let sent = stage.until_state(&message.id, "submitted", PATIENCE).await;
        assert_eq!(sent.attempt_count(), 1, "its outcome was settled before the end: {sent:?}");
    }
    stage.judge().await;
    assert_eq!(stage.smtp.mails().count(), 2);
}

async fn what_a_node_did_not_finish_goes_out_after_its_next_start(store: Store) {
    let settings = |deadline: &'static str| {
        move |options: sendwheel_loadtest::node::NodeOptions| options.set("shutdown.deadline", deadline)
    };
    // Once a person who does not want to wait ends it, once the deadline: that is the same for every store.
    let ways = if store == Store::Embedded { &[true, false][..] } else { &[true] };
    for &insists in ways {
        let mut stage = Stage::start_with(store, 1, settings(if insists { "60s" } else { "500ms" })).await;
        stage.smtp.add(Rule::at(Step::Message).times(1).act(Act::Hang));
        let message = stage.mail(0, 100).await;
        stage.until_state(&message.id, "sending", PATIENCE).await;
        stage.node.ask_to_end().unwrap();
        if insists {
            until_stopping(&stage).await;
            stage.node.ask_to_end().unwrap();
        }
        let status = stage.node.ended(Duration::from_secs(4)).await.unwrap();
        assert_eq!(status.code(), Some(i32::from(insists)), "{status}");
        // The end may have come before the attempt got as far as the rule, which must not meet the next one.
        stage.smtp.behave();
        stage.smtp.cut_all();
        stage.node.restart().await.unwrap();
        let sent = stage.until_state(&message.id, "submitted", PATIENCE).await;
        assert_eq!(sent.attempt_count(), 2, "{sent:?}");
        stage.judge().await;
        assert_eq!(stage.smtp.mails().count(), 1);
    }
}
