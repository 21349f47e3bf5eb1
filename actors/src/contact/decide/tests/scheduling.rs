//! Scheduling: what is chosen, what is refused, what is written.

use super::world::*;
use crate::contact::command::AttemptEnd;
use crate::contact::command::{Answer, ContactCommand, ScheduleMessage};
use crate::domain::address::{Address, Channel};
use crate::domain::clock::UnixMs;
use crate::domain::contact::Consent;
use crate::domain::ids::{MessageId, SenderId};
use crate::domain::message::{Class, Content, State, StateName, StoredContent};
use crate::domain::reason::Reason;
use crate::domain::schedule::{FoldPolicy, GapPolicy, Intent, Resolution};
use crate::domain::ticket::Ticket;
use crate::domain::verdict::{Failure, Verdict};
use crate::protocol::api::{Caller, Created, EngineError, Idempotency, NewIntent, NewMessage, ZoneChoice};

fn keyed(key: &str, hash: u8) -> NewMessage {
    let idempotency = Some(Idempotency { key: key.into(), request_hash: [hash; 16] });
    NewMessage { idempotency, ..new_message(Channel::Sms) }
}

#[test]
fn a_schedule_is_three_mutations_and_a_counter_and_arms_its_ticket() {
    let mut world = World::new();
    let decision = world.schedule_as(&caller().in_bulk(), new_message(Channel::Sms));
    let Ok(Answer::Scheduled(Created::New(message))) = answer(&decision) else { panic!() };
    assert_eq!(budget(&decision), (3, 1));
    assert!(decision.is_growth);
    assert_eq!(armed(&decision), [Ticket::of_message(message)]);
    assert_eq!((message.due_at, &message.state, message.version), (NOW, &State::Scheduled, 1));
    let alone = world.schedule_as(&caller(), new_message(Channel::Sms));
    assert_eq!(budget(&alone), (5, 1), "and its entry in the audit trail, if it is a request of its own");
}

#[test]
fn large_content_is_one_blob_more() {
    let mut world = World::new();
    let new = NewMessage { content: content(&"long ".repeat(400)), ..new_message(Channel::Email) };
    assert_eq!(budget(&world.schedule_as(&caller().in_bulk(), new)), (4, 1));
}

#[test]
fn without_from_and_to_the_defaults_are_taken_and_then_what_was_used_last() {
    let mut world = World::new();
    let message = world.schedule(new_message(Channel::Email));
    assert_eq!((message.sender, message.to.to_string().as_str()), (EMAIL, "jane@example.com"));
    let other = Address::parse(Channel::Email, "jane.doe@example.org").unwrap();
    let first = world.schedule(NewMessage { to: Some(other.clone()), ..new_message(Channel::Email) });
    world.attempt(first.id, submitted());
    assert_eq!(world.schedule(new_message(Channel::Email)).to, other);
    let first = world.schedule(NewMessage { from: Some(ANNS), ..new_message(Channel::Sms) });
    world.attempt(first.id, submitted());
    assert_eq!(world.schedule(new_message(Channel::Sms)).sender, ANNS);
}

#[test]
fn the_class_is_conversation_for_people_and_transactional_for_programs_unless_it_is_named() {
    let mut world = World::new();
    assert_eq!(world.schedule(new_message(Channel::Sms)).class, Class::Transactional);
    let decision = world.schedule_as(&user(ANN), new_message(Channel::Sms));
    let Ok(Answer::Scheduled(Created::New(message))) = answer(&decision) else { panic!() };
    assert_eq!((message.class, message.sender), (Class::Conversation, ANNS));
}

#[test]
fn what_cannot_be_scheduled_is_refused_by_field() {
    let unknown = SenderId::from_bytes([99; 16]);
    let sms = || new_message(Channel::Sms);
    let email = || new_message(Channel::Email);
    let stranger = Address::parse(Channel::Sms, "+12125550100").unwrap();
    let template = |text: &str| Content { render: true, ..content(text) };
    let wall = |local: &str, zone: &str| NewIntent::Wall {
        local: local.into(),
        zone: ZoneChoice::Named(zone.into()),
        gap: GapPolicy::Reject,
        fold: FoldPolicy::First,
    };
    for (new, pointer, code) in [
        (NewMessage { from: Some(unknown), ..sms() }, "/from", "unknown_sender"),
        (NewMessage { from: Some(EMAIL), ..sms() }, "/from", "wrong_channel"),
        (NewMessage { to: Some(stranger), ..sms() }, "/to", "unknown_address"),
        (NewMessage { class: Some(Class::Campaign), ..email() }, "/class", "consent_missing"),
        (NewMessage { content: content(&"x".repeat(1_601)), ..sms() }, "/body", "too_many_segments"),
        (NewMessage { content: template("{{ contact.nothing }}"), ..email() }, "/body", "template_failed"),
        (NewMessage { content: template("{% if %}"), ..email() }, "/body", "template_failed"),
        (NewMessage { intent: NewIntent::At(UnixMs(NOW.0 - 60_001)), ..sms() }, "/send/at", "in_the_past"),
        (NewMessage { intent: NewIntent::At(UnixMs::MAX), ..sms() }, "/send/at", "too_far"),
        (NewMessage { intent: wall("2027-03-28T02:30", "Europe/Berlin"), ..sms() }, "/send/at", "time_in_gap"),
        (NewMessage { intent: wall("soon", "UTC"), ..sms() }, "/send/at", "not_a_time"),
        (NewMessage { intent: wall("2027-01-01T09:00", "Mars/X"), ..sms() }, "/send/time_zone", "unknown_time_zone"),
    ] {
        let mut world = World::new();
        let decision = world.schedule_as(&caller(), new);
        let refused = refusals(&decision);
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert_eq!(refused[0].0, pointer, "{code}");
        assert_eq!(refused[0].1, code);
    }
}

#[test]
fn every_refused_field_is_named_at_once() {
    let mut world = World::new();
    world.set_consent(Consent::Denied);
    let decision = world.schedule_as(
        &caller(),
        NewMessage {
            from: Some(SenderId::from_bytes([99; 16])),
            to: Some(Address::parse(Channel::Sms, "+12125550100").unwrap()),
            intent: NewIntent::At(UnixMs(0)),
            ..new_message(Channel::Sms)
        },
    );
    let codes: Vec<_> = refusals(&decision).into_iter().map(|(_, code)| code).collect();
    assert_eq!(codes, ["unknown_sender", "unknown_address", "consent_denied", "in_the_past"]);
}

#[test]
fn a_user_may_not_send_from_another_ones_number() {
    let mut world = World::new();
    let new = NewMessage { from: Some(ANNS), ..new_message(Channel::Sms) };
    assert_eq!(refusals(&world.schedule_as(&user(BOB), new.clone()))[0].1, "sender_not_permitted");
    assert!(answer(&world.schedule_as(&user(ANN), new)).is_ok());
}

#[test]
fn without_a_sender_or_an_address_nothing_can_be_scheduled() {
    let mut world = World::new();
    world.directory.remove_sender(EMAIL);
    let decision = world.schedule_as(&caller(), new_message(Channel::Email));
    assert_eq!(refusals(&decision), [("/from".into(), "no_sender")]);
}

#[test]
fn a_wall_clock_time_is_kept_with_its_zone_and_resolution() {
    let mut world = World::new();
    let intent = NewIntent::Wall {
        local: "2027-03-28T02:30".into(),
        zone: ZoneChoice::OfContact,
        gap: GapPolicy::Forward,
        fold: FoldPolicy::First,
    };
    let message = world.schedule(NewMessage { intent, ..new_message(Channel::Sms) });
    let Intent::Wall(wall) = &message.intent else { panic!() };
    assert_eq!((wall.zone.as_str(), wall.zone_of_contact, wall.resolution), ("Europe/Berlin", true, Resolution::Gap));
    assert_eq!(message.due_at.to_string(), "2027-03-28T01:30:00Z");
}

#[test]
fn the_cost_of_an_sms_is_its_segments_as_it_would_be_sent_now() {
    let mut world = World::new();
    let text = content(&format!("{}{{{{ contact.first_name }}}}", "x".repeat(158)));
    let new = NewMessage { content: Content { render: true, ..text }, ..new_message(Channel::Sms) };
    assert_eq!(world.schedule(new).estimated_cost, 2);
}

#[test]
fn the_same_request_finds_its_message_and_another_one_with_its_key_is_a_conflict() {
    let mut world = World::new();
    let first = world.schedule(keyed("k", 1));
    let again = world.schedule_as(&caller(), keyed("k", 1));
    let Ok(Answer::Scheduled(Created::Replayed(replayed))) = answer(&again) else { panic!() };
    assert_eq!((&**replayed, again.mutations.len()), (&first, 0));
    assert_eq!(conflict(&world.schedule_as(&caller(), keyed("k", 2))), "idempotency_key_reused");
    assert_ne!(world.schedule(keyed("another", 1)).id, first.id);
}

#[test]
fn a_replay_finds_the_message_also_when_it_was_sent_long_ago_and_could_not_be_scheduled_now() {
    let mut world = World::new();
    let first = world.schedule(keyed("k", 1));
    world.attempt(first.id, submitted());
    world.set_consent(Consent::Denied);
    let again = world.schedule_as(&caller(), keyed("k", 1));
    let Ok(Answer::Scheduled(Created::Replayed(replayed))) = answer(&again) else { panic!() };
    assert_eq!(replayed.state.name(), StateName::Submitted);
}

#[test]
fn nothing_is_scheduled_for_a_contact_that_is_not_there_or_another_accounts() {
    let schedule = |world: &mut World, caller: &Caller| {
        matches!(answer(&world.schedule_as(caller, new_message(Channel::Sms))), Err(EngineError::NotFound))
    };
    assert!(schedule(&mut World::empty(), &caller()));
    let stranger = Caller { account: crate::domain::ids::AccountNo(2), ..caller() };
    assert!(schedule(&mut World::new(), &stranger));
    let mut world = World::new();
    world.tell(ContactCommand::Delete(caller(), Removal::Delete));
    assert!(schedule(&mut world, &caller()));
}

fn requeue(world: &mut World, id: MessageId, caller: &Caller) -> crate::contact::decision::Decision {
    let dead = world.message(id);
    let StoredContent::Inline(content) = dead.content.clone() else { panic!() };
    let command = ScheduleMessage {
        id: MessageId::requeued(id),
        new: NewMessage { content, from: Some(dead.sender), to: Some(dead.to), ..new_message(dead.channel) },
        attachments: Vec::new(),
        content: dead.content,
        blobs: Vec::new(),
        requeue_of: Some(id),
    };
    world.tell(ContactCommand::Schedule(*caller, Box::new(command)))
}

fn refused() -> AttemptEnd {
    AttemptEnd::Judged(Verdict::Permanent(Failure::message("smtp_5.1.1", "no such mailbox")))
}

#[test]
fn a_dead_letter_is_revived_once_and_its_revival_once_more_when_that_failed_too() {
    let mut world = World::new();
    let id = world.sms();
    world.attempt(id, refused());
    let first = requeue(&mut world, id, &caller());
    let Ok(Answer::Scheduled(Created::New(revived))) = answer(&first) else { panic!() };
    assert_eq!((revived.requeue_of, revived.history[0].reason.clone()), (Some(id), Some(Reason::Requeued)));
    let revived = revived.id;
    let again = requeue(&mut world, id, &caller());
    assert!(matches!(answer(&again), Ok(Answer::Scheduled(Created::Replayed(found))) if found.id == revived));
    world.attempt(revived, refused());
    let second = requeue(&mut world, revived, &caller());
    let Ok(Answer::Scheduled(Created::New(third))) = answer(&second) else { panic!() };
    assert!(third.id != revived && third.id != id);
}

#[test]
fn a_test_message_stays_one_when_it_is_revived_by_a_live_caller() {
    let mut world = World::new();
    let decision = world.schedule_as(&Caller { test: true, ..caller() }, new_message(Channel::Sms));
    let Ok(Answer::Scheduled(Created::New(message))) = answer(&decision) else { panic!() };
    let id = message.id;
    assert!(message.test);
    world.attempt(id, refused());
    let revived = requeue(&mut world, id, &caller());
    assert!(matches!(answer(&revived), Ok(Answer::Scheduled(Created::New(message))) if message.test));
}
