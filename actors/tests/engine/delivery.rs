//! From a schedule to its settling.

use std::time::Duration;

use sendwheel_actors::domain::address::Channel;
use sendwheel_actors::domain::clock::{Clock, SystemClock};
use sendwheel_actors::domain::destination_limits::DestinationLimits;
use sendwheel_actors::domain::directory::Limit;
use sendwheel_actors::domain::message::{Content, StateName};
use sendwheel_actors::domain::verdict::{Failure, Verdict};
use sendwheel_actors::engine::api::{
    CancelOutcome, Created, EngineError, Idempotency, NewAttachment, NewIntent, NewMessage, PageRequest, Resolve,
    ThreadEntry,
};

use super::support::{Node, settings, sms, until};

#[actix::test]
async fn a_due_message_goes_all_the_way_round() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), settings()).await;
    node.sms_sender("+12125550100").await;
    let contact = node.contact(1).await;
    let view = node.sms(contact.id, "Hi {{ contact.first_name }}", Node::in_ms(300)).await;
    assert_eq!(view.state_name(), StateName::Scheduled);
    node.until_state(view.message.id, StateName::Submitted).await;
    let seen = node.sms.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].text, "Hi Jane");
    assert!(seen[0].at >= view.message.due_at, "never early");
    let settled = node.engine.message(&node.caller, view.message.id).await.unwrap();
    assert_eq!(settled.message.attempts.len(), 1);
    assert_eq!(settled.content.text.as_deref(), Some("Hi Jane"), "what was sent is what is shown");
    node.stop().await;
}

#[actix::test]
async fn a_thread_shows_all_of_a_long_message() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), settings()).await;
    node.sms_sender("+12125550100").await;
    let contact = node.contact(1).await;
    let long = "Bring the papers. ".repeat(60);
    let id = node.sms(contact.id, &long, Node::in_ms(60_000)).await.message.id;
    let page = PageRequest { cursor: None, limit: 10 };
    let thread = node.engine.thread(&node.caller, contact.id, page).await.unwrap();
    let texts: Vec<_> = thread
        .items
        .into_iter()
        .filter_map(|entry| if let ThreadEntry::Message { view, .. } = entry { Some(*view) } else { None })
        .map(|view| (view.message.id, view.content.text.unwrap_or_default()))
        .collect();
    assert_eq!(texts, [(id, long)]);
    node.stop().await;
}

#[actix::test]
async fn a_cancelled_message_is_never_handed_over() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), settings()).await;
    node.sms_sender("+12125550100").await;
    let contact = node.contact(1).await;
    let canceled = node.sms(contact.id, "no", Node::in_ms(400)).await.message.id;
    let sent = node.sms(contact.id, "yes", Node::in_ms(500)).await.message.id;
    assert_eq!(node.engine.cancel(&node.caller, canceled).await.unwrap(), CancelOutcome::Canceled);
    assert_eq!(node.engine.cancel(&node.caller, canceled).await.unwrap(), CancelOutcome::Canceled, "repeatable");
    node.until_state(sent, StateName::Submitted).await;
    assert_eq!(node.sms.seen().iter().map(|seen| seen.message).collect::<Vec<_>>(), [sent]);
    assert_eq!(
        node.engine.cancel(&node.caller, sent).await.unwrap(),
        CancelOutcome::AlreadyHandedOver(StateName::Submitted)
    );
    node.stop().await;
}

#[actix::test]
async fn transient_failures_are_tried_again_and_end_in_a_dead_letter_that_can_be_revived() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), settings()).await;
    node.sms_sender("+12125550100").await;
    let contact = node.contact(1).await;
    for _ in 0..3 {
        node.sms.answer(Verdict::Transient(Failure::message("try_later", "not now")));
    }
    let id = node.sms(contact.id, "again", NewIntent::Now).await.message.id;
    node.until_state(id, StateName::Failed).await;
    let view = node.engine.message(&node.caller, id).await.unwrap();
    assert_eq!(view.message.attempts.len(), 3);
    assert_eq!(node.sms.seen().iter().map(|seen| seen.attempt).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(view.message.reason.as_ref().unwrap().code(), "attempts_exhausted");
    let page = PageRequest { cursor: None, limit: 10 };
    let dead: Vec<_> =
        node.engine.dead_letters(page).await.unwrap().items.iter().map(|letter| letter.message).collect();
    assert_eq!(dead, [id]);
    let Created::New(revived) = node.engine.requeue(&node.caller, id).await.unwrap() else { panic!("made now") };
    assert_eq!(revived.message.requeue_of, Some(id));
    node.until_state(revived.message.id, StateName::Submitted).await;
    assert!(
        matches!(node.engine.requeue(&node.caller, id).await.unwrap(), Created::Replayed(_)),
        "once per dead letter"
    );
    node.stop().await;
}

#[actix::test]
async fn a_permanent_failure_is_not_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), settings()).await;
    node.sms_sender("+12125550100").await;
    let contact = node.contact(1).await;
    node.sms.answer(Verdict::Permanent(Failure::message("twilio_21211", "no such number")));
    let id = node.sms(contact.id, "x", NewIntent::Now).await.message.id;
    node.until_state(id, StateName::Failed).await;
    let view = node.engine.message(&node.caller, id).await.unwrap();
    assert_eq!(view.message.attempts.len(), 1);
    assert_eq!(view.message.reason.as_ref().unwrap().code(), "refused");
    node.stop().await;
}

#[actix::test]
async fn an_unknown_outcome_is_held_for_sms_and_a_person_resolves_it() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), settings()).await;
    node.sms_sender("+12125550100").await;
    let contact = node.contact(1).await;
    node.sms.answer(Verdict::Unknown(Failure::provider("cut", "the connection was cut")));
    let id = node.sms(contact.id, "x", NewIntent::Now).await.message.id;
    node.until_state(id, StateName::Uncertain).await;
    let view = node.engine.resolve(&node.caller, id, Resolve::Retry).await.unwrap();
    assert_eq!(view.message.version, 4);
    node.until_state(id, StateName::Submitted).await;
    assert_eq!(node.sms.seen().len(), 2);
    assert!(matches!(
        node.engine.resolve(&node.caller, id, Resolve::Retry).await,
        Err(EngineError::Conflict { code: "not_uncertain", .. })
    ));
    node.stop().await;
}

#[actix::test]
async fn the_same_key_finds_the_same_message_and_another_request_is_a_conflict() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), settings()).await;
    node.sms_sender("+12125550100").await;
    let contact = node.contact(1).await;
    let keyed = |text: &str, hash: u8| {
        let mut new = sms(text, Node::in_ms(60_000));
        new.idempotency = Some(Idempotency { key: "order-42".into(), request_hash: [hash; 16] });
        new
    };
    let first = node.engine.schedule(&node.caller, contact.id, keyed("a", 1)).await.unwrap();
    let again = node.engine.schedule(&node.caller, contact.id, keyed("a", 1)).await.unwrap();
    let (Created::New(first), Created::Replayed(again)) = (first, again) else { panic!("made once, found once") };
    assert_eq!(first.message.id, again.message.id);
    assert!(matches!(
        node.engine.schedule(&node.caller, contact.id, keyed("b", 2)).await,
        Err(EngineError::Conflict { code: "idempotency_key_reused", .. })
    ));
    let other = node.contact(2).await;
    let other = node.engine.schedule(&node.caller, other.id, keyed("a", 1)).await.unwrap();
    assert!(matches!(other, Created::New(_)), "the same key for another contact is another message");
    node.stop().await;
}

#[actix::test]
async fn what_is_pending_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), settings()).await;
    node.sms_sender("+12125550100").await;
    let contact = node.contact(1).await;
    let id = node.sms(contact.id, "later", Node::in_ms(8_000)).await.message.id;
    node.stop().await;
    let node = Node::start(folder.path(), settings()).await;
    assert_eq!(node.state(id).await, StateName::Scheduled);
    // Nobody has spoken to the contact since the start: it is its lane's permit that wakes it.
    assert_eq!(node.engine.node().await.unwrap().active_contacts, 0);
    node.until_state(id, StateName::Submitted).await;
    assert_eq!(node.engine.node().await.unwrap().active_contacts, 1);
    node.stop().await;
}

#[actix::test]
async fn a_burst_beyond_the_lanes_bound_is_parked_in_the_store_and_delivered_once_each() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings();
    settings.lane_bound = 20;
    settings.active_contacts = 50;
    let node = Node::start(folder.path(), settings).await;
    node.sms_sender("+12125550100").await;
    let mut contacts = Vec::new();
    for number in 0..60 {
        contacts.push(node.contact(number).await.id);
    }
    let due = Node::in_ms(1_500);
    let mut scheduled = Vec::new();
    for round in 0..10 {
        let text = format!("{round}");
        let sends = contacts.iter().map(|contact| node.sms(*contact, &text, due.clone()));
        scheduled.extend(futures_util::future::join_all(sends).await.into_iter().map(|view| view.message.id));
    }
    until("all are handed over", async || node.sms.seen().len() >= scheduled.len()).await;
    for id in &scheduled {
        node.until_state(*id, StateName::Submitted).await;
    }
    let mut seen: Vec<_> = node.sms.seen().iter().map(|seen| seen.message).collect();
    seen.sort();
    scheduled.sort();
    assert_eq!(seen, scheduled, "each exactly once");
    node.stop().await;
}

#[actix::test]
async fn a_destination_with_more_waiting_than_a_lane_has_room_for_delays_nothing_that_goes_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings();
    settings.lane_bound = 20;
    let limit = |rate, per| Limit { rate, per: Duration::from_secs(per), burst: 1 };
    // Contacts are told apart by the ninth digit of their numbers, in hundreds.
    let destinations = [(121_255_500, limit(1, 3_600)), (121_255_501, limit(60, 1))];
    settings.sms_destinations = DestinationLimits::of_prefixes(destinations, None);
    let node = Node::start(folder.path(), settings).await;
    node.sms_sender("+12125550100").await;
    let due = Node::in_ms(1_000);
    let mut scheduled = [Vec::new(), Vec::new(), Vec::new()];
    for (place, scheduled) in scheduled.iter_mut().enumerate() {
        for number in 0..40 {
            let contact = node.contact(100 * place as u32 + number).await.id;
            for text in ["first", "second"] {
                scheduled.push(node.sms(contact, text, due.clone()).await.message.id);
            }
        }
    }
    let [frozen, slow, elsewhere] = scheduled;
    until("all others are handed over", async || node.sms.seen().len() >= slow.len() + elsewhere.len()).await;
    for id in slow.iter().chain(&elsewhere) {
        node.until_state(*id, StateName::Submitted).await;
    }
    let seen: Vec<_> = node.sms.seen().iter().map(|seen| seen.message).collect();
    let mut sorted = seen.clone();
    sorted.sort();
    let mut expected = [slow, elsewhere].concat();
    for pair in expected.chunks(2) {
        let at = |id| seen.iter().position(|seen| *seen == id);
        assert!(at(pair[0]) < at(pair[1]), "in order within a contact");
    }
    expected.sort();
    assert_eq!(sorted, expected, "each exactly once");
    for id in frozen {
        assert_eq!(node.engine.cancel(&node.caller, id).await.unwrap(), CancelOutcome::Canceled);
    }
    node.stop().await;
}

#[actix::test]
async fn only_so_many_contacts_stay_awake_however_many_wake_up_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings();
    (settings.shards, settings.active_contacts) = (1, 100);
    let node = Node::start(folder.path(), settings).await;
    for _ in 0..3 {
        futures_util::future::join_all((0..1_000).map(|number| node.contact(number))).await;
    }
    // The last ones are busy until their commits are known to be durable; each that wakes up later asks two to sleep.
    let mut number = 1_000;
    until("the bound is kept again", async || {
        number += 1;
        node.contact(number).await;
        node.engine.node().await.unwrap().active_contacts <= 100
    })
    .await;
    assert!(number < 2_000, "{number}");
    node.stop().await;
}

#[actix::test]
async fn messages_of_one_contact_go_in_due_order() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), settings()).await;
    node.sms_sender("+12125550100").await;
    let contact = node.contact(1).await;
    let base = SystemClock.now().0 + 500;
    let mut expected = Vec::new();
    for number in 0..50 {
        let at = NewIntent::At(sendwheel_actors::domain::clock::UnixMs(base + number % 5));
        let view = node.sms(contact.id, "x", at).await;
        expected.push((view.message.due_at, view.message.created_us, view.message.id));
    }
    until("all are handed over", async || node.sms.seen().len() == 50).await;
    expected.sort();
    let seen: Vec<_> = node.sms.seen().iter().map(|seen| seen.message).collect();
    assert_eq!(seen, expected.iter().map(|(.., id)| *id).collect::<Vec<_>>());
    node.stop().await;
}

#[actix::test]
async fn a_paused_lane_waits_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), settings()).await;
    let sender = node.sms_sender("+12125550100").await;
    let contact = node.contact(1).await;
    node.engine.set_lane(&node.caller, sender.id, Some(true), None).await.unwrap();
    let id = node.sms(contact.id, "x", NewIntent::Now).await.message.id;
    node.until_state(id, StateName::Queued).await;
    let view = node.engine.message(&node.caller, id).await.unwrap();
    assert_eq!(view.queued.unwrap().code(), "lane_paused");
    node.engine.set_lane(&node.caller, sender.id, Some(false), None).await.unwrap();
    node.until_state(id, StateName::Submitted).await;
    node.stop().await;
}

#[actix::test]
async fn a_message_whose_sender_is_gone_is_held_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), settings()).await;
    let sender = node.sms_sender("+12125550100").await;
    let contact = node.contact(1).await;
    let id = node.sms(contact.id, "x", Node::in_ms(400)).await.message.id;
    node.engine.delete_sender(&node.caller, sender.id).await.unwrap();
    node.until_state(id, StateName::Held).await;
    let view = node.engine.message(&node.caller, id).await.unwrap();
    assert_eq!(view.message.reason.unwrap().code(), "sender_gone");
    assert!(node.sms.seen().is_empty());
    assert!(SystemClock.now().since(view.message.since) < Duration::from_secs(20));
    node.stop().await;
}

#[actix::test]
async fn a_large_email_with_attachments_arrives_whole_and_is_removed_whole() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), settings()).await;
    node.email_sender("Ann <ann@example.com>").await;
    let contact = node.contact(1).await;
    let html = format!("<p>Hi {{{{ contact.first_name }}}}</p>{}", "<p>more</p>".repeat(5_000));
    let attachment = |name: &str, byte: u8| NewAttachment {
        filename: name.into(),
        content_type: "application/octet-stream".into(),
        bytes: vec![byte; 300_000].into(),
    };
    let new = NewMessage {
        channel: Channel::Email,
        content: Content { subject: Some("Report".into()), text: None, html: Some(html.clone()), render: true },
        attachments: vec![attachment("a.bin", 1), attachment("b.bin", 2)],
        ..sms("", Node::in_ms(300))
    };
    let id = node.engine.schedule(&node.caller, contact.id, new).await.unwrap().into_inner().message.id;
    let listed = node.engine.message(&node.caller, id).await.unwrap();
    assert_eq!(listed.content.html.as_deref(), Some(html.as_str()), "pending: as its author wrote it");
    node.until_state(id, StateName::Submitted).await;
    let seen = node.email.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].attachments, [(300_000, 1), (300_000, 2)]);
    let sent = node.engine.message(&node.caller, id).await.unwrap().content.html.unwrap();
    assert!(sent.starts_with("<p>Hi Jane</p>"), "sent: as its recipient got it");
    node.stop().await;
}
