//! A message reaches its provider once, not before its time, and not at all once it was taken back.

use std::time::Duration;

use sendwheel_loadtest::client::CancelOutcome;
use sendwheel_loadtest::oracle;
use sendwheel_loadtest::wall;

use super::stage::{PATIENCE, Stage, Store, on_both_stores};

on_both_stores! {
    a_message_arrives_not_before_its_due_time_and_a_canceled_one_never,
    a_repeated_request_with_the_same_key_makes_one_message,
    a_message_moved_ahead_of_its_time_arrives_at_the_new_one,
    nothing_is_handed_over_after_its_contact_was_deleted,
    an_orderly_end_loses_nothing_and_what_fell_due_meanwhile_goes_out,
}

async fn a_message_arrives_not_before_its_due_time_and_a_canceled_one_never(store: Store) {
    const MESSAGES: usize = 40;
    let stage = Stage::start(store, 10).await;
    let mut canceled = 0;
    for n in 0..MESSAGES {
        let message = if n % 2 == 0 { stage.sms(n, 3_000).await } else { stage.mail(n, 3_000).await };
        if n % 4 < 2 {
            let outcome = stage.driver.cancel(&stage.token(n), &message.id).await.unwrap();
            assert_eq!(outcome, CancelOutcome::Canceled);
            // A cancel can be repeated, and says the same again.
            assert_eq!(stage.driver.client().cancel(&message.id).await.unwrap(), CancelOutcome::Canceled);
            canceled += 1;
        }
    }
    // Due after all the others: when these two are there, everything else was, or never will be.
    stage.sms(MESSAGES, 5_000).await;
    stage.mail(MESSAGES + 1, 5_000).await;
    let expected = (MESSAGES - canceled) / 2 + 1;
    stage.sms.requests().wait_for_count(expected, PATIENCE).await.unwrap();
    stage.smtp.mails().wait_for_count(expected, PATIENCE).await.unwrap();
    let report = stage.judge().await;
    assert_eq!((report.handed_over, report.canceled), (MESSAGES - canceled + 2, canceled), "{report}");
    assert_eq!(stage.sms.requests().count() + stage.smtp.mails().count(), MESSAGES - canceled + 2);
}

async fn a_repeated_request_with_the_same_key_makes_one_message(store: Store) {
    let stage = Stage::start(store, 1).await;
    let (token, due) = (stage.token(0), wall::now_ms() + 1_500);
    let message = sendwheel_loadtest::workload::sms(&token, due);
    let contact = stage.cast.contact(0);
    let first = stage.driver.schedule(&token, contact, &message, due).await.unwrap();
    let second = stage.driver.client().schedule(contact, &message, Some(&token)).await.unwrap();
    assert_eq!(first.id, second.id);
    let mut other = message.clone();
    other["body"] = "another text".into();
    let conflict = stage.driver.client().schedule(contact, &other, Some(&token)).await.unwrap_err();
    assert_eq!(conflict.status(), Some(409), "{conflict}");
    stage.until_state(&first.id, "submitted", PATIENCE).await;
    stage.judge().await;
    assert_eq!(stage.sms.requests().count(), 1);
}

async fn a_message_moved_ahead_of_its_time_arrives_at_the_new_one(store: Store) {
    let stage = Stage::start(store, 1).await;
    let (token, due) = (stage.token(0), wall::now_ms() + 2_000);
    // Scheduled for tomorrow, and judged by the time that the change sets.
    let message = sendwheel_loadtest::workload::sms(&token, wall::now_ms() + 86_400_000);
    let view = stage.driver.schedule(&token, stage.cast.contact(0), &message, due).await.unwrap();
    let change = serde_json::json!({"send": {"at": wall::rfc3339(due)}});
    let moved = stage.driver.client().patch(&view.id, &change, None).await.unwrap();
    assert_eq!(moved.due_at.as_deref().and_then(wall::parse_rfc3339), Some(due));
    stage.until_state(&view.id, "submitted", PATIENCE).await;
    stage.judge().await;
    let arrived = oracle::from_sms(&stage.sms.requests().all())[0].started_at_ms;
    assert!(arrived - due < 2_000, "arrived {} ms after its time", arrived - due);
}

async fn nothing_is_handed_over_after_its_contact_was_deleted(store: Store) {
    let stage = Stage::start(store, 2).await;
    for n in 0..20 {
        stage.sms(n, 2_000).await;
    }
    stage.driver.delete_contact(stage.cast.contact(0)).await.unwrap();
    stage.sms(21, 3_500).await;
    stage.sms.requests().wait_for_count(11, PATIENCE).await.unwrap();
    let report = stage.judge().await;
    assert_eq!(report.handed_over, 11, "{report}");
}

async fn an_orderly_end_loses_nothing_and_what_fell_due_meanwhile_goes_out(store: Store) {
    const MESSAGES: usize = 30;
    let mut stage = Stage::start(store, 10).await;
    for n in 0..MESSAGES {
        stage.sms(n, 1_000 + 50 * i64::try_from(n).unwrap()).await;
    }
    stage.sms.requests().wait_for_count(3, PATIENCE).await.unwrap();
    let status = stage.node.terminate(Duration::from_secs(45)).await.unwrap();
    assert!(status.success(), "ended with {status}");
    stage.node.restart().await.unwrap();
    stage.sms.requests().wait_for_count(MESSAGES, PATIENCE).await.unwrap();
    let report = stage.judge().await;
    assert_eq!((report.handed_over, report.explained_duplicates), (MESSAGES, 0), "{report}");
}
