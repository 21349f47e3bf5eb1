//! What callers do to a message that exists.

use std::time::Duration;

use super::world::*;
use crate::contact::command::{Answer, AttemptEnd, ContactCommand};
use crate::contact::decision::Decision;
use crate::domain::address::{Address, Channel};
use crate::domain::clock::UnixMs;
use crate::domain::ids::{AccountNo, MessageId};
use crate::domain::message::{Class, Content, Message, State, StateName, StoredContent};
use crate::domain::reason::Reason;
use crate::domain::schedule::Intent;
use crate::domain::verdict::{Failure, Verdict};
use crate::protocol::api::{Caller, CancelOutcome, EngineError, MessageEdit, NewIntent, NewMessage, Resolve};

fn cancel(world: &mut World, id: MessageId) -> CancelOutcome {
    match answer(&world.tell(ContactCommand::Cancel(caller(), id))) {
        Ok(Answer::Canceled(outcome)) => outcome.clone(),
        other => panic!("{other:?}"),
    }
}

fn edit(world: &mut World, id: MessageId, edit: MessageEdit) -> Decision {
    world.tell(ContactCommand::Edit(caller(), id, Box::new(edit), None))
}

fn edited(world: &mut World, id: MessageId, change: MessageEdit) -> Message {
    match answer(&edit(world, id, change)) {
        Ok(Answer::Message(message)) => (**message).clone(),
        other => panic!("{other:?}"),
    }
}

fn send_now(world: &mut World, id: MessageId) -> Decision {
    world.tell(ContactCommand::SendNow(caller(), id))
}

fn failure() -> Failure {
    Failure::message("timeout", "no answer")
}

/// A message that was held because its sender is gone.
fn held(world: &mut World) -> MessageId {
    let id = world.schedule(NewMessage { from: Some(ANNS), ..new_message(Channel::Sms) }).id;
    world.directory.remove_sender(ANNS);
    world.permit(id);
    assert_eq!(world.state(id), StateName::Held);
    id
}

fn uncertain(world: &mut World) -> MessageId {
    let id = world.sms();
    world.attempt(id, AttemptEnd::Judged(Verdict::Unknown(failure())));
    assert_eq!(world.state(id), StateName::Uncertain);
    id
}

#[test]
fn a_cancel_before_the_hand_over_holds_and_a_repeated_one_says_so_again() {
    let makers: [fn(&mut World) -> MessageId; 2] = [World::sms, held];
    for make in makers {
        let mut world = World::new();
        let id = make(&mut world);
        assert_eq!(cancel(&mut world, id), CancelOutcome::Canceled);
        assert_eq!(cancel(&mut world, id), CancelOutcome::Canceled);
        assert_eq!(world.message(id).reason, Some(Reason::CanceledByCaller));
    }
}

#[test]
fn a_cancel_disarms_the_ticket_wherever_it_waits() {
    let mut world = World::new();
    let id = world.sms();
    let ticket = world.ticket(id);
    world.park(id);
    assert_eq!(disarmed(&world.tell(ContactCommand::Cancel(caller(), id))), [ticket]);
}

#[test]
fn a_cancel_that_comes_too_late_says_how_far_the_message_is() {
    let mut world = World::new();
    let sending = world.sms();
    world.claim(sending);
    assert_eq!(cancel(&mut world, sending), CancelOutcome::AlreadyHandedOver(StateName::Sending));
    let sent = world.email();
    world.attempt(sent, submitted());
    assert_eq!(cancel(&mut world, sent), CancelOutcome::AlreadyHandedOver(StateName::Submitted));
    assert_eq!(world.state(sent), StateName::Submitted);
}

#[test]
fn a_cancel_of_an_uncertain_message_ends_it_and_says_that_it_may_have_arrived() {
    let mut world = World::new();
    let id = uncertain(&mut world);
    assert_eq!(cancel(&mut world, id), CancelOutcome::AlreadyHandedOver(StateName::Uncertain));
    assert_eq!(world.state(id), StateName::Canceled);
}

#[test]
fn an_edit_names_the_version_it_was_made_from() {
    let mut world = World::new();
    let id = world.sms();
    let change = |version| {
        let edit = MessageEdit { text: Some("new".into()), ..MessageEdit::default() };
        ContactCommand::Edit(caller(), id, Box::new(edit), Some(version))
    };
    let decision = world.tell(change(2));
    assert_eq!(answer(&decision), &Err(EngineError::VersionMismatch { current: 1 }));
    assert!(answer(&world.tell(change(1))).is_ok());
    assert_eq!(world.message(id).version, 2);
}

#[test]
fn an_edit_changes_what_is_given_and_moves_the_ticket() {
    let mut world = World::new();
    let id = world.sms();
    let before = world.ticket(id);
    let at = UnixMs(NOW.0 + 3_600_000);
    let change = MessageEdit {
        text: Some("x".repeat(200)),
        intent: Some(NewIntent::At(at)),
        class: Some(Class::Conversation),
        from: Some(ANNS),
        cancel_on_reply: Some(true),
        metadata: Some([("k".into(), "v".into())].into()),
        ..MessageEdit::default()
    };
    let decision = edit(&mut world, id, change);
    let message = world.message(id);
    assert_eq!((message.due_at, &message.intent, message.estimated_cost), (at, &Intent::At(at), 2));
    assert_eq!((message.sender, message.class, message.cancel_on_reply), (ANNS, Class::Conversation, true));
    assert_eq!((disarmed(&decision), armed(&decision)), (vec![before], vec![world.ticket(id)]));
    assert_eq!(message.history.last().unwrap().reason, Some(Reason::Edited));
    assert_eq!(message.to.to_string(), "+12125550199");
}

#[test]
fn an_edit_that_leaves_lane_time_and_cost_leaves_the_ticket_and_its_place() {
    let mut world = World::new();
    let id = world.sms();
    world.park(id);
    let decision = edit(&mut world, id, MessageEdit { text: Some("other".into()), ..MessageEdit::default() });
    assert!(armed(&decision).is_empty() && disarmed(&decision).is_empty());
    assert_eq!(budget(&decision), (3, 0), "the message, and two for the trail");
}

#[test]
fn an_edit_moves_content_into_a_blob_and_out_of_it() {
    let mut world = World::new();
    let id = world.email();
    let text = |text: String| MessageEdit { text: Some(text), ..MessageEdit::default() };
    let long = "x".repeat(1_500);
    let grown = edit(&mut world, id, text(long.clone()));
    assert!(grown.is_growth);
    assert_eq!(grown.contents, [(id, Some(content(&long)))], "known before it can be read");
    assert!(matches!(world.message(id).content, StoredContent::Blob { .. }));
    let longer = "y".repeat(1_600);
    edited(&mut world, id, text(longer));
    edited(&mut world, id, MessageEdit { subject: Some("hi".into()), ..MessageEdit::default() });
    let shrunk = edit(&mut world, id, text("short".into()));
    assert_eq!(shrunk.contents, [(id, None)]);
    assert_eq!(
        world.message(id).content,
        StoredContent::Inline(Content { subject: Some("hi".into()), ..content("short") })
    );
}

#[test]
fn an_edit_releases_a_held_message_once_its_fault_is_mended() {
    let mut world = World::new();
    let id = held(&mut world);
    assert_eq!(refusals(&edit(&mut world, id, MessageEdit::default())), [("/from".into(), "unknown_sender")]);
    world.later(Duration::from_secs(60));
    let message = edited(&mut world, id, MessageEdit { from: Some(SMS), ..MessageEdit::default() });
    assert_eq!((message.state.clone(), message.reason.clone(), message.due_at), (State::Scheduled, None, world.now));
    world.claim(id);
}

#[test]
fn an_edit_is_refused_by_field_and_changes_nothing() {
    let mut world = World::new();
    let id = world.sms();
    let change = MessageEdit {
        from: Some(EMAIL),
        to: Some(Address::parse(Channel::Sms, "+12125550100").unwrap()),
        text: Some("x".repeat(1_601)),
        class: Some(Class::Campaign),
        intent: Some(NewIntent::At(UnixMs(0))),
        ..MessageEdit::default()
    };
    let decision = edit(&mut world, id, change);
    let codes: Vec<_> = refusals(&decision).into_iter().map(|(_, code)| code).collect();
    assert_eq!(codes, ["unknown_address", "wrong_channel", "consent_missing", "in_the_past"]);
    let long = MessageEdit { text: Some("x".repeat(1_601)), ..MessageEdit::default() };
    assert_eq!(refusals(&edit(&mut world, id, long)), [("/body".into(), "too_many_segments")]);
}

#[test]
fn an_edit_of_a_message_whose_content_is_missing_says_so() {
    let mut world = World::new();
    let id = world.schedule(NewMessage { content: content(&"x".repeat(1_500)), ..new_message(Channel::Email) }).id;
    world.model.records.retain(|(table, _), _| *table != crate::store::Table::Blob);
    world.lost_blobs = 1;
    assert_eq!(conflict(&edit(&mut world, id, MessageEdit::default())), "content_lost");
}

#[test]
fn only_what_is_scheduled_or_held_can_be_edited_or_sent_now() {
    let mut world = World::new();
    let sending = world.sms();
    world.claim(sending);
    let sent = world.email();
    world.attempt(sent, submitted());
    let canceled = world.email();
    cancel(&mut world, canceled);
    for id in [sending, sent, canceled] {
        assert_eq!(conflict(&edit(&mut world, id, MessageEdit::default())), "not_pending");
        assert_eq!(conflict(&send_now(&mut world, id)), "not_pending");
    }
}

#[test]
fn send_now_moves_the_due_time_and_releases_what_is_held() {
    let mut world = World::new();
    let at = NewIntent::At(UnixMs(NOW.0 + 3_600_000));
    let later = world.schedule(NewMessage { intent: at, ..new_message(Channel::Sms) }).id;
    let held = held(&mut world);
    world.later(Duration::from_secs(1));
    for id in [later, held] {
        let decision = send_now(&mut world, id);
        let message = world.message(id);
        assert_eq!((&message.state, message.due_at, &message.intent), (&State::Scheduled, world.now, &Intent::Now));
        assert_eq!(armed(&decision), [world.ticket(id)]);
        assert_eq!((message.reason, message.history.last().unwrap().reason.clone()), (None, Some(Reason::SendNow)));
    }
}

#[test]
fn an_uncertain_message_is_resolved_each_way() {
    for (how, state) in [
        (Resolve::Submitted, StateName::Submitted),
        (Resolve::Failed, StateName::Failed),
        (Resolve::Canceled, StateName::Canceled),
        (Resolve::Retry, StateName::Scheduled),
    ] {
        let mut world = World::new();
        let id = uncertain(&mut world);
        world.later(Duration::from_secs(5));
        let decision = world.tell(ContactCommand::Resolve(caller(), id, how));
        assert_eq!(world.state(id), state);
        assert_eq!(armed(&decision).len(), usize::from(how == Resolve::Retry));
        let again = world.tell(ContactCommand::Resolve(caller(), id, how));
        assert_eq!(conflict(&again), "not_uncertain");
        if how == Resolve::Retry {
            let envelope = world.claim(id);
            assert_eq!((envelope.attempt, envelope.message), (2, id));
        }
    }
}

#[test]
fn a_retry_that_a_person_asks_for_counts_more_than_the_cancel_before_it() {
    let mut world = World::new();
    let id = world.sms();
    let ticket = world.ticket(id);
    let attempt = world.claim(id).attempt;
    cancel(&mut world, id);
    world.finish(ticket, attempt, AttemptEnd::Judged(Verdict::Unknown(failure())));
    world.tell(ContactCommand::Resolve(caller(), id, Resolve::Retry));
    world.claim(id);
}

#[test]
fn messages_of_other_accounts_and_unknown_ones_are_not_found() {
    let mut world = World::new();
    let id = world.sms();
    let stranger = Caller { account: AccountNo(2), ..caller() };
    let unknown = MessageId::from_bytes([99; 16]);
    for (caller, id) in [(stranger, id), (caller(), unknown)] {
        for command in [
            ContactCommand::Cancel(caller, id),
            ContactCommand::Edit(caller, id, Box::default(), None),
            ContactCommand::SendNow(caller, id),
            ContactCommand::Resolve(caller, id, Resolve::Retry),
        ] {
            assert_eq!(answer(&world.tell(command)), &Err(EngineError::NotFound));
        }
    }
}
