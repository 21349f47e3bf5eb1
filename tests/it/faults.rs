//! What providers and stores do wrong, and what must come of it.

use std::collections::HashSet;
use std::time::Duration;

use sendwheel_loadtest::client::{Client, ClientError};
use sendwheel_loadtest::node::API_KEY;
use sendwheel_loadtest::sink::Gate;
use sendwheel_loadtest::sink::plan::Rule;
use sendwheel_loadtest::sink::proxy::Path;
use sendwheel_loadtest::sink::sms::{self, Submit};
use sendwheel_loadtest::sink::smtp::{self, Step};
use sendwheel_loadtest::{oracle, wait, wall, workload};

use super::stage::{PATIENCE, Stage, Store};

/// How long a retry may take, backoff included.
const RETRIED: Duration = Duration::from_secs(60);

fn refuse(status: u16, code: u32) -> sms::Act {
    sms::Act::Refuse { status, code, retry_after: None }
}

#[tokio::test]
async fn mail_waits_for_a_server_that_is_down() {
    let stage = Stage::start(Store::Embedded, 1).await;
    stage.smtp.set_gate(Gate::Refusing);
    let message = stage.mail(0, 200).await;
    // Tried or put off by the breaker: either way the message tells why it has not gone out.
    stage
        .until(&message.id, "a reason or an attempt", PATIENCE, |view| {
            view.attempt_count() > 0 || view.rest.get("reason").is_some_and(|reason| !reason.is_null())
        })
        .await;
    stage.smtp.set_gate(Gate::Open);
    stage.until_state(&message.id, "submitted", RETRIED).await;
    stage.judge().await;
    assert_eq!(stage.smtp.mails().count(), 1);
}

#[tokio::test]
async fn a_recipient_refused_for_good_fails_and_the_next_mail_goes_out() {
    let stage = Stage::start(Store::Embedded, 2).await;
    let bad = Rule::at(Step::Rcpt).to(&workload::email(0));
    stage.smtp.add(bad.act(smtp::Act::Reply("550 5.1.1 no such user".into())));
    let (refused, taken) = (stage.mail(0, 200).await, stage.mail(1, 200).await);
    let refused = stage.until_state(&refused.id, "failed", PATIENCE).await;
    assert_eq!(refused.attempt_count(), 1);
    stage.until_state(&taken.id, "submitted", PATIENCE).await;
    stage.judge().await;
}

#[tokio::test]
async fn a_recipient_put_off_is_tried_again() {
    let stage = Stage::start(Store::Embedded, 1).await;
    stage.smtp.add(Rule::at(Step::Rcpt).times(1).act(smtp::Act::Reply("451 4.7.1 greylisted".into())));
    let message = stage.mail(0, 200).await;
    let message = stage.until_state(&message.id, "submitted", RETRIED).await;
    assert_eq!(message.attempt_count(), 2);
    stage.judge().await;
}

#[tokio::test]
async fn mail_whose_answer_was_lost_is_sent_again_under_the_same_message_id() {
    let stage = Stage::start(Store::Embedded, 1).await;
    stage.smtp.add(Rule::at(Step::Message).times(1).act(smtp::Act::TakeAndClose));
    let message = stage.mail(0, 200).await;
    stage.until_state(&message.id, "submitted", RETRIED).await;
    let report = stage.judge().await;
    assert_eq!(report.explained_duplicates, 1, "{report}");
    let ids: HashSet<_> = oracle::from_mails(&stage.smtp.mails().all()).into_iter().map(|mail| mail.identity).collect();
    assert_eq!(ids.len(), 1);
}

#[tokio::test]
async fn mail_cut_in_the_middle_was_not_taken_and_arrives_once() {
    let stage = Stage::start(Store::Embedded, 1).await;
    stage.smtp.add(Rule::at(Step::Body).times(1).act(smtp::Act::Close));
    let message = stage.mail(0, 200).await;
    stage.until_state(&message.id, "submitted", RETRIED).await;
    stage.judge().await;
    assert_eq!(stage.smtp.mails().count(), 1);
}

#[tokio::test]
async fn an_sms_whose_answer_was_lost_is_kept_for_a_person() {
    let stage = Stage::start(Store::Embedded, 1).await;
    stage.sms.add(Rule::at(Submit).act(sms::Act::TakeAndClose));
    let message = stage.sms(0, 200).await;
    stage.until_state(&message.id, "uncertain", PATIENCE).await;
    stage.judge().await;
    assert_eq!(stage.sms.requests().count(), 1, "nobody may send it a second time");
}

#[tokio::test]
async fn an_sms_refused_for_good_fails_and_one_refused_for_now_is_tried_again() {
    let stage = Stage::start(Store::Embedded, 2).await;
    stage.sms.add(Rule::at(Submit).to(&workload::phone(0)).act(refuse(400, 21211)));
    stage.sms.add(Rule::at(Submit).to(&workload::phone(1)).times(2).act(refuse(503, 20503)));
    let (bad, later) = (stage.sms(0, 200).await, stage.sms(1, 200).await);
    stage.until_state(&bad.id, "failed", PATIENCE).await;
    let later = stage.until_state(&later.id, "submitted", RETRIED).await;
    assert!(later.attempt_count() >= 2, "{later:?}");
    stage.judge().await;
}

#[tokio::test]
async fn a_provider_that_asks_for_patience_gets_it() {
    let stage = Stage::start(Store::Embedded, 1).await;
    let act = sms::Act::Refuse { status: 429, code: 20429, retry_after: Some(3) };
    stage.sms.add(Rule::at(Submit).times(1).act(act));
    let message = stage.sms(0, 200).await;
    stage.until_state(&message.id, "submitted", RETRIED).await;
    let requests = stage.sms.requests().all();
    let between = requests[1].started_at_ms - requests[0].ended_at_ms;
    assert!(between >= 3_000, "asked again after {between} ms");
}

#[tokio::test]
async fn a_slow_answer_for_one_recipient_does_not_hold_up_the_others() {
    let stage = Stage::start(Store::Embedded, 20).await;
    stage.sms.add(Rule::at(Submit).to(&workload::phone(0)).delay(Duration::from_secs(4)));
    let due = wall::now_ms() + 1_000;
    for n in 0..20 {
        stage.sms(n, due - wall::now_ms()).await;
    }
    stage.sms.requests().wait_for_count(20, PATIENCE).await.unwrap();
    let last = stage.sms.requests().with(|all| all.iter().map(|sms| sms.started_at_ms).max().unwrap());
    assert!(last - due < 3_000, "the last began {} ms after its time", last - due);
    stage.judge().await;
}

#[tokio::test]
async fn schedules_are_refused_while_the_store_is_silent_and_accepted_again_by_themselves() {
    let stage = Stage::start(Store::Redis, 4).await;
    let before = stage.sms(0, 4_000).await;
    let redis = stage.redis.as_ref().unwrap();
    redis.suspend().unwrap();
    let impatient = Client::with_timeout(&stage.node.url(), API_KEY, Duration::from_secs(15));
    let message = workload::sms(&stage.token(1), wall::now_ms() + 60_000);
    let refusal = wait::until("a refusal", PATIENCE, || async {
        match impatient.schedule(stage.cast.contact(1), &message, None).await {
            Err(error @ ClientError::Refused { .. }) => Some(error),
            // Not refused before the node knew: the request had no answer, or was in time.
            _ => None,
        }
    });
    let ClientError::Refused { status, retry_after, detail, .. } = refusal.await.unwrap() else { unreachable!() };
    assert_eq!(status, 503, "{detail}");
    assert!(retry_after.is_some(), "{detail}");
    redis.resume().unwrap();
    let after = stage.sms(2, 2_000).await;
    for id in [&before.id, &after.id] {
        stage.until_state(id, "submitted", RETRIED).await;
    }
    stage.judge().await;
}

#[tokio::test]
async fn connections_to_the_store_that_break_or_stall_lose_nothing() {
    let stage = Stage::start(Store::Redis, 10).await;
    let path = stage.path.as_ref().unwrap();
    for n in 0..60 {
        match n {
            15 => path.cut_all(),
            30 => path.set_path(Path { latency: Duration::from_millis(40), forwards: true }),
            45 => path.set_path(Path::CLEAR),
            _ => {}
        }
        stage.sms(n, 3_000).await;
    }
    path.cut_all();
    // Every claim known before its request, and none sent twice.
    let report = stage.judge().await;
    assert_eq!(report.acknowledged, 60);
    assert_eq!(stage.sms.requests().count(), report.handed_over, "{report}");
}
