//! Notices: what webhooks are told, and how a notice ends.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::world::*;
use crate::contact::command::{Answer, AttemptEnd, ContactCommand};
use crate::contact::decision::{Decision, Effect};
use crate::domain::address::Channel;
use crate::domain::contact::Removal;
use crate::domain::directory::{Account, Subscribed, Webhook, WebhookEvent};
use crate::domain::ids::{BootId, LaneNo, MessageId, WebhookId};
use crate::domain::message::{Message, State, StateName, StoredContent};
use crate::domain::receipt::{Receipt, ReceiptStatus};
use crate::domain::signatures::webhook::WebhookSecret;
use crate::domain::ticket::Ticket;
use crate::domain::verdict::{Failure, Verdict};
use crate::protocol::api::{EngineError, Resolve};
use crate::sender::Release;
use crate::sender::transport::Hook;

const URL: &str = "https://crm.example.com/hook?token=hidden";

fn webhook(byte: u8, events: Subscribed) -> Webhook {
    Webhook {
        id: WebhookId::from_bytes([byte; 16]),
        lane: LaneNo(100 + u32::from(byte)),
        account: ACCOUNT,
        version: 1,
        url: URL.into(),
        description: None,
        events,
        secret: WebhookSecret::from_bytes(&[byte; 32]).unwrap(),
        replaced: None,
        is_enabled: true,
        created_at: NOW,
        updated_at: NOW,
        request_hash: None,
    }
}

fn only(events: &[WebhookEvent]) -> Subscribed {
    Subscribed::To(events.iter().copied().collect::<BTreeSet<_>>())
}

/// A contact, and a webhook that is told of these.
fn world(events: &[WebhookEvent]) -> World {
    let mut world = World::new();
    world.directory.put_webhook(webhook(1, only(events)));
    world
}

fn notices(world: &World) -> Vec<Message> {
    let mut notices = world.model.messages();
    notices.retain(|message| message.channel == Channel::Webhook);
    notices.sort_by_key(|notice| notice.created_us);
    notices
}

fn body(notice: &Message) -> Value {
    let StoredContent::Inline(content) = &notice.content else { panic!("a blob") };
    serde_json::from_str(content.text.as_deref().unwrap()).unwrap()
}

/// The one notice that there is.
fn the_notice(world: &World) -> Message {
    let found = notices(world);
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().unwrap()
}

/// A world with a text message, of whose making its webhook is told.
fn told() -> (World, MessageId, MessageId) {
    let mut world = world(&[WebhookEvent::MessageCreated]);
    let about = world.sms();
    let notice = the_notice(&world).id;
    (world, about, notice)
}

fn answered(status: u16) -> AttemptEnd {
    let failure = Failure::provider(format!("http_{status}"), "x");
    AttemptEnd::Judged(if status == 410 { Verdict::Permanent(failure) } else { Verdict::Transient(failure) })
}

fn counted(decision: &Decision) -> Vec<(Channel, StateName)> {
    let count =
        |effect: &Effect| if let Effect::Count(channel, state) = effect { Some((*channel, *state)) } else { None };
    decision.effects.iter().filter_map(count).collect()
}

#[test]
fn what_no_webhook_wants_to_hear_of_costs_nothing() {
    let cost = |world: &mut World| budget(&world.schedule_as(&caller(), new_message(Channel::Sms)));
    let alone = cost(&mut World::new());
    assert_eq!(cost(&mut world(&[WebhookEvent::MessageFailed])), alone);
    let mut off = World::new();
    off.directory.put_webhook(Webhook { is_enabled: false, ..webhook(1, Subscribed::All) });
    assert_eq!(cost(&mut off), alone);
    let of_another = Webhook { account: crate::domain::ids::AccountNo(9), ..webhook(1, Subscribed::All) };
    let mut other = World::new();
    other.directory.put_webhook(of_another);
    assert_eq!(cost(&mut other), alone);
    assert_eq!(cost(&mut world(&[WebhookEvent::MessageCreated])), (alone.0 + 2, alone.1), "record and due entry");
}

#[test]
fn a_notice_is_made_with_the_change_that_it_tells_of_and_makes_no_event_itself() {
    let mut world = world(&[WebhookEvent::MessageCreated]);
    let decision = world.schedule_as(&caller(), new_message(Channel::Sms));
    let notice = the_notice(&world);
    assert_eq!((notice.due_at, notice.state.clone(), notice.lane), (world.now, State::Scheduled, LaneNo(101)));
    assert_eq!(notice.to.as_str(), "https://crm.example.com/", "a token in the URL is shown to nobody");
    assert_eq!(armed(&decision).len(), 2, "the message's ticket and the notice's");
    let published = decision.effects.iter().filter(|effect| matches!(effect, Effect::Publish(_))).count();
    assert_eq!(published, 1, "of the message alone");
    assert_eq!(counted(&decision), [(Channel::Sms, StateName::Scheduled), (Channel::Webhook, StateName::Scheduled)]);

    let about = world.model.messages().into_iter().find(|message| message.channel == Channel::Sms).unwrap();
    let told = body(&notice);
    assert_eq!((&told["type"], &told["timestamp"]), (&json!("message.created"), &json!(world.now.to_string())));
    assert_eq!(told["data"]["id"], about.id.to_string());
    assert_eq!(told["data"]["contact_id"], about.contact.to_string());
    assert_eq!((&told["data"]["channel"], &told["data"]["state"]), (&json!("sms"), &json!("scheduled")));
    assert!(!told.to_string().contains("hello"), "what it says is not told: {told}");
}

#[test]
fn each_webhook_is_told_what_it_asked_for_in_the_order_in_which_it_happened() {
    let mut world =
        world(&[WebhookEvent::MessageCreated, WebhookEvent::MessageSubmitted, WebhookEvent::MessageDelivered]);
    world.directory.put_webhook(webhook(2, only(&[WebhookEvent::MessageDelivered])));
    let id = world.sms();
    world.attempt(id, submitted());
    let receipt = Receipt { status: ReceiptStatus::Delivered, code: None, at: world.now };
    world.tell(ContactCommand::Receipt(id, receipt));
    let told = |lane: u32| {
        let to = notices(&world).into_iter().filter(|notice| notice.lane == LaneNo(lane)).map(|notice| body(&notice));
        to.map(|told| told["type"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(told(101), ["message.created", "message.submitted", "message.delivered"]);
    assert_eq!(told(102), ["message.delivered"]);
}

#[test]
fn a_notice_that_is_taken_leaves_nothing_behind() {
    let (mut world, _, id) = told();
    let ticket = world.ticket(id);
    let envelope = world.claim(id);
    assert_eq!((envelope.to.as_str(), envelope.message, envelope.attempt), (URL, id, 1));
    assert!(matches!(envelope.hook, Some(Hook::Webhook { secrets }) if secrets.len() == 1));
    let decision = world.finish(ticket, 1, submitted());
    assert_eq!(counted(&decision), [(Channel::Webhook, StateName::Delivered)]);
    assert!(world.try_message(id).is_none());
    assert!(world.contact().unwrap().conversation.last_activity_at.is_none(), "it is no part of the conversation");
}

#[test]
fn a_refused_notice_is_sent_again_after_its_backoff_and_in_the_end_is_a_dead_letter_for_its_retention() {
    let (mut world, _, id) = told();
    world.settings.webhook.max_attempts = 3;
    for (attempt, least, most) in [(1, 4, 6), (2, 20, 30)] {
        world.attempt(id, answered(500));
        let notice = world.message(id);
        assert_eq!(notice.state, State::Scheduled);
        let wait = notice.due_at.since(world.now);
        assert!((Duration::from_secs(least)..=Duration::from_secs(most)).contains(&wait), "{attempt}: {wait:?}");
        world.now = notice.due_at;
    }
    world.attempt(id, answered(500));
    let dead = world.message(id);
    assert_eq!((dead.state.clone(), dead.attempts.len()), (State::Failed, 3));
    assert_eq!(dead.due_at, world.now.plus(world.settings.retention), "when it is forgotten");

    world.now = dead.due_at;
    let decision = world.permit(id);
    assert_eq!(release(&decision), Some(Release::Unused));
    assert!(world.try_message(id).is_none());
}

#[test]
fn a_notice_whose_outcome_is_unknown_is_sent_again_under_its_id() {
    let (mut world, _, id) = told();
    world.attempt(id, AttemptEnd::Judged(Verdict::Unknown(Failure::provider("timeout", "x"))));
    let notice = world.message(id);
    assert_eq!(notice.state, State::Scheduled);
    world.now = notice.due_at;
    // The process dies with the claim.
    world.claim(id);
    world.boot = BootId(2);
    world.later(Duration::from_secs(60));
    world.permit(id);
    let notice = world.message(id);
    assert_eq!((notice.state.clone(), notice.attempts.len()), (State::Scheduled, 2));
    world.now = notice.due_at;
    let envelope = world.claim(id);
    assert_eq!((envelope.message, envelope.attempt), (id, 3));
}

#[test]
fn where_nobody_listens_any_more_the_webhook_is_to_be_switched_off() {
    let (mut world, _, id) = told();
    let decision = world.attempt(id, answered(410));
    let off = |effect: &&Effect| matches!(effect, Effect::SwitchOff(account, webhook) if *account == ACCOUNT && *webhook == WebhookId::from_bytes([1; 16]));
    assert_eq!(decision.effects.iter().filter(off).count(), 1);
    assert!(world.try_message(id).is_none());
}

#[test]
fn what_waits_for_a_webhook_that_is_gone_or_switched_off_is_dropped() {
    let drops: [fn(&mut World); 2] = [
        |world| world.directory.remove_webhook(ACCOUNT, WebhookId::from_bytes([1; 16])),
        |world| world.directory.put_webhook(Webhook { is_enabled: false, ..webhook(1, Subscribed::All) }),
    ];
    for drop in drops {
        let (mut world, about, id) = told();
        drop(&mut world);
        let decision = world.permit(id);
        assert_eq!(release(&decision), Some(Release::Unused));
        assert_eq!(counted(&decision), [(Channel::Webhook, StateName::Canceled)]);
        assert!(world.try_message(id).is_none());
        assert_eq!(world.state(about), StateName::Scheduled);
    }
}

#[test]
fn while_its_account_is_suspended_a_notice_waits() {
    let (mut world, _, id) = told();
    let account = world.directory.account(ACCOUNT).unwrap().clone();
    world.directory.put_account(Account { suspended_at: Some(world.now), ..account.clone() });
    world.permit(id);
    let waiting = world.message(id);
    assert!(waiting.state == State::Scheduled && waiting.due_at > world.now && waiting.attempts.is_empty());
    world.directory.put_account(account);
    world.now = waiting.due_at;
    assert_eq!(world.claim(id).attempt, 1);
}

#[test]
fn a_deleted_contact_s_notices_are_sent_all_the_same() {
    let mut world = world(&[WebhookEvent::MessageCreated, WebhookEvent::ContactDeleted]);
    world.sms();
    world.tell_all(ContactCommand::Delete(caller(), Removal::Delete));
    assert!(world.contact().is_none(), "it is gone with all that was its own");
    let left = notices(&world);
    let types: Vec<_> = left.iter().map(|notice| body(notice)["type"].clone()).collect();
    assert_eq!(types, ["message.created", "contact.deleted"]);
    for notice in &left {
        world.attempt(notice.id, answered(500));
        world.now = world.now.max(world.message(notice.id).due_at);
        world.attempt(notice.id, submitted());
    }
    assert!(world.model.messages().is_empty());
    // Nor does one that is being deleted take them along.
    let (mut world, _, id) = told();
    world.tell(ContactCommand::Delete(caller(), Removal::Delete));
    world.attempt(id, submitted());
    assert!(world.try_message(id).is_none());
}

#[test]
fn an_attempt_that_was_withdrawn_by_a_deletion_is_made_again() {
    let (mut world, _, id) = told();
    let ticket = world.ticket(id);
    let attempt = world.claim(id).attempt;
    world.tell(ContactCommand::Delete(caller(), Removal::Delete));
    let decision = world.finish(ticket, attempt, AttemptEnd::NotStarted);
    assert_eq!(release(&decision), Some(Release::Requeue));
    assert_eq!(world.state(id), StateName::Scheduled);
}

#[test]
fn a_dead_letter_is_revived_as_the_same_notice() {
    let (mut world, _, id) = told();
    world.settings.webhook.max_attempts = 1;
    let revive = |world: &mut World| world.tell(ContactCommand::Revive(caller(), id));
    assert_eq!(conflict(&revive(&mut world)), "not_failed");
    world.attempt(id, answered(500));
    world.later(Duration::from_secs(100));
    let decision = revive(&mut world);
    assert!(matches!(answer(&decision), Ok(Answer::Message(notice)) if notice.id == id));
    assert_eq!(armed(&decision), [Ticket::of_message(&world.message(id))]);
    assert_eq!(world.claim(id).attempt, 1);
    let ticket = world.ticket(id);
    world.finish(ticket, 1, answered(500));
    world.directory.put_webhook(Webhook { is_enabled: false, ..webhook(1, Subscribed::All) });
    assert_eq!(conflict(&revive(&mut world)), "webhook_disabled");
    let stranger = crate::protocol::api::Caller { account: crate::domain::ids::AccountNo(9), ..caller() };
    let decision = world.tell(ContactCommand::Revive(stranger, id));
    assert_eq!(answer(&decision), &Err(EngineError::NotFound));
}

#[test]
fn nobody_reaches_a_notice_as_a_message() {
    let (mut world, _, id) = told();
    for command in [
        ContactCommand::Cancel(caller(), id),
        ContactCommand::SendNow(caller(), id),
        ContactCommand::Resolve(caller(), id, Resolve::Failed),
        ContactCommand::Restore(caller(), id),
        ContactCommand::Edit(caller(), id, Box::default(), None),
        ContactCommand::Receipt(id, Receipt { status: ReceiptStatus::Delivered, code: None, at: world.now }),
    ] {
        let decision = world.tell(command);
        assert_eq!(answer(&decision), &Err(EngineError::NotFound));
    }
    assert_eq!(world.state(id), StateName::Scheduled);
}

#[test]
fn a_large_notice_is_kept_apart_and_leaves_whole() {
    let mut world = world(&[WebhookEvent::MessageCreated]);
    let mut new = new_message(Channel::Sms);
    new.metadata = (0..20).map(|n| (format!("label-{n}"), "x".repeat(500))).collect();
    world.schedule(new);
    let notice = the_notice(&world);
    assert!(matches!(notice.content, StoredContent::Blob { .. }));
    let ticket = world.ticket(notice.id);
    let envelope = world.claim(notice.id);
    let told: Value = serde_json::from_str(envelope.content.text.as_deref().unwrap()).unwrap();
    assert_eq!(told["data"]["metadata"]["label-7"], "x".repeat(500));
    world.finish(ticket, 1, submitted());
    assert!(notices(&world).is_empty());
}

#[test]
fn what_is_taken_back_together_fits_a_batch_however_many_are_told() {
    let mut world = World::new();
    for byte in 1..=20 {
        world.directory.put_webhook(webhook(byte, only(&[WebhookEvent::MessageCanceled])));
    }
    for _ in 0..40 {
        world.email();
    }
    // `World::tell` holds every decision against the bound of a batch.
    let patch = crate::protocol::api::ProfilePatch {
        consent_email: Some(crate::domain::contact::Consent::Denied),
        ..Default::default()
    };
    world.tell_all(ContactCommand::Patch(caller(), Box::new(patch), None));
    assert_eq!(notices(&world).len(), 40 * 20);
}

#[test]
fn a_webhook_is_tried_out_without_any_contact() {
    let mut world = World::empty();
    world.directory.put_webhook(webhook(1, only(&[])));
    let decision = world.tell(ContactCommand::Ping(ACCOUNT, WebhookId::from_bytes([1; 16])));
    let notice = the_notice(&world);
    assert_eq!(answer(&decision), &Ok(Answer::Notified(notice.id)));
    assert_eq!(body(&notice)["type"], "ping");
    world.attempt(notice.id, submitted());
    assert_eq!(notices(&world), []);
    let gone = world.tell(ContactCommand::Ping(ACCOUNT, WebhookId::from_bytes([2; 16])));
    assert_eq!(answer(&gone), &Err(EngineError::NotFound));
}
