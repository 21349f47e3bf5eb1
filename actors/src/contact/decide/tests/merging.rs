//! A merge, from the side of the duplicate and from that of the survivor.

use std::time::Duration;

use super::world::*;
use crate::contact::command::{Absorbed, Answer, ContactCommand, Matter, TakenOver};
use crate::contact::decision::{Decision, Effect};
use crate::domain::address::Channel;
use crate::domain::contact::{Consent, Life};
use crate::domain::conversation::ItemKind;
use crate::domain::habit::{Habit, Profile as HabitProfile};
use crate::domain::ids::{BootId, ContactId, MessageId};
use crate::domain::message::{Author, Class, StateName};
use crate::domain::sending_rules::Sent;
use crate::domain::ticket::Ticket;
use crate::protocol::api::{EngineError, NewMessage};
use crate::sender::Release;

const OTHER: ContactId = ContactId::from_bytes([7; 16]);
const TOKEN: u64 = 77;

/// What the other contact is asked.
fn asked(decision: &Decision) -> Option<(Ticket, Matter, ContactCommand)> {
    decision.effects.iter().find_map(|effect| match effect {
        Effect::Consult(consultation) => {
            let [(OTHER, command)] = &*consultation.asked else { panic!("the other is asked") };
            Some((consultation.ticket, consultation.matter.clone(), command.clone()))
        }
        _ => None,
    })
}

fn next(decision: &Decision) -> Option<ContactCommand> {
    decision.effects.iter().find_map(|effect| match effect {
        Effect::Continue(command) => Some((**command).clone()),
        _ => None,
    })
}

fn rewakes(decision: &Decision) -> bool {
    decision.effects.iter().any(|effect| matches!(effect, Effect::Rewake(..)))
}

/// The contact is being merged into the other; its clean-up.
fn begin(world: &mut World) -> Ticket {
    let decision = world.tell(ContactCommand::Merge(caller(), OTHER, TOKEN));
    let (ticket, matter, _) = asked(&decision).expect("the survivor is asked");
    assert_eq!(matter, Matter::Absorb);
    assert!(decision.effects.iter().any(|effect| matches!(effect, Effect::RevokeClaims(None))));
    ticket
}

/// The same, and the survivor has agreed.
fn moving(world: &mut World) -> Ticket {
    let ticket = begin(world);
    let decision = world.tell(ContactCommand::Heard(ticket, Matter::Absorb, Ok(())));
    assert_eq!(answer(&decision), &Ok(Answer::Done));
    ticket
}

/// Steps of the duplicate until it is merged; what it gave away.
fn give_all(world: &mut World, ticket: Ticket) -> Vec<TakenOver> {
    let mut given = Vec::new();
    let mut command = Some(ContactCommand::Cleanup(ticket));
    while let Some(this) = command {
        assert!(given.len() < 50, "it goes on for ever");
        let decision = world.tell(this);
        command = next(&decision);
        if let Some((ticket, matter, asked)) = asked(&decision) {
            if let ContactCommand::TakeOver(taken) = asked {
                given.push(*taken);
            }
            command = next(&world.tell(ContactCommand::Heard(ticket, matter, Ok(()))));
        }
    }
    given
}

/// A survivor that has agreed to take what `duplicate` has, and the token.
fn taking(duplicate: &World) -> (World, u64) {
    let mut world = World::new();
    let expected = world.tell(ContactCommand::ExpectMerge(caller(), OTHER));
    let Ok(Answer::Expected(token)) = answer(&expected) else { panic!("{expected:?}") };
    let token = *token;
    let mut record = duplicate.contact().unwrap();
    record.id = OTHER;
    let absorbed = Absorbed { duplicate: record, token, by: Author::System };
    let command = ContactCommand::Absorb(Box::new(absorbed));
    assert_eq!(answer(&world.tell(command.clone())), &Ok(Answer::Done));
    let before = world.model.records.clone();
    assert_eq!(answer(&world.tell(command)), &Ok(Answer::Done), "asked again");
    assert_eq!(world.model.records, before, "what was done is not done again");
    (world, token)
}

#[test]
fn from_the_mark_on_nothing_is_handed_over_or_changed_and_a_refusal_takes_it_back() {
    let mut world = World::new();
    let id = world.sms();
    let ticket = begin(&mut world);
    let decision = world.permit(id);
    assert_eq!((envelope(&decision).is_none(), release(&decision)), (true, Some(Release::Unused)));
    assert!(rewakes(&decision), "its ticket comes again, should the merge be refused");
    for command in [
        ContactCommand::Cancel(caller(), id),
        ContactCommand::SendNow(caller(), id),
        ContactCommand::Patch(caller(), Box::default(), None),
        ContactCommand::Delete(caller(), Removal::Delete),
    ] {
        assert_eq!(conflict(&world.tell(command)), "merge_under_way");
    }
    let refused = world.tell(ContactCommand::Heard(ticket, Matter::Absorb, Err(EngineError::NotFound)));
    assert_eq!(answer(&refused), &Err(EngineError::NotFound), "whoever asked for the merge hears why");
    assert!(world.contact().unwrap().is_live());
    assert!(envelope(&world.permit(id)).is_some());
}

#[test]
fn what_moves_is_removed_only_when_the_survivor_has_it_and_its_id_leads_there() {
    let mut world = World::new();
    let (pending, past) = (world.sms(), world.email());
    world.attempt(past, submitted());
    let ticket = moving(&mut world);
    let step = world.tell(ContactCommand::Cleanup(ticket));
    let (_, matter, _) = asked(&step).expect("the survivor is asked to take it");
    assert_eq!(matter, Matter::TakeOver(vec![pending]));
    assert!(step.mutations.is_empty() && world.try_message(pending).is_some(), "it is still here");
    let given = give_all(&mut world, ticket);
    assert_eq!(given.len(), 2, "what is pending goes first");
    for id in [pending, past] {
        let moved = id.moved(OTHER, crate::domain::ids::PartitionCount::DEFAULT.of_contact(OTHER));
        assert!(world.try_message(id).is_none());
        assert_eq!(world.item(id).unwrap().kind, ItemKind::Moved(moved));
    }
    assert_eq!(world.contact().unwrap().life, Life::Merged(OTHER));
    assert_eq!(world.due_tickets(), []);
    let repeated = world.tell(ContactCommand::Schedule(caller(), Box::new(schedule_command())));
    assert_eq!(answer(&repeated), &Err(EngineError::Merged(OTHER)));
}

fn schedule_command() -> crate::contact::command::ScheduleMessage {
    let new: NewMessage = new_message(Channel::Sms);
    let (content, _) = crate::contact::decide::stored(new.content.clone());
    let id = MessageId::in_partition(uuid::Uuid::from_u128(5), PARTITION);
    crate::contact::command::ScheduleMessage {
        id,
        new,
        attachments: Vec::new(),
        content,
        blobs: Vec::new(),
        requeue_of: None,
    }
}

#[test]
fn an_attempt_under_way_is_waited_for_and_nothing_due_after_it_goes_before() {
    let mut world = World::new();
    let first = world.sms();
    let ticket_of_first = world.ticket(first);
    let attempt = world.claim(first).attempt;
    let second = world.sms();
    let ticket = moving(&mut world);
    let step = world.tell(ContactCommand::Cleanup(ticket));
    assert!(asked(&step).is_none() && rewakes(&step) && step.mutations.is_empty());
    world.finish(ticket_of_first, attempt, submitted());
    assert_eq!(world.state(first), StateName::Submitted, "its end counts");
    let (_, matter, _) = asked(&world.tell(ContactCommand::Cleanup(ticket))).unwrap();
    assert_eq!(matter, Matter::TakeOver(vec![second]));
}

#[test]
fn a_claim_of_a_process_that_died_becomes_uncertain_before_it_moves() {
    let mut world = World::new();
    let id = world.sms();
    world.claim(id);
    moving(&mut world);
    world.boot = BootId(2);
    world.later(Duration::from_secs(3_600));
    world.permit(id);
    assert_ne!(world.state(id), StateName::Sending, "nobody knows whether it went out");
    assert_eq!(world.message(id).attempts.len(), 1);
}

#[test]
fn the_survivor_takes_each_entry_once_and_counts_and_tells_nothing() {
    let mut duplicate = World::new();
    let (pending, past) = (duplicate.sms(), duplicate.email());
    duplicate.attempt(past, submitted());
    let heavy = "x".repeat(2_000);
    let long = duplicate.schedule(NewMessage { content: content(&heavy), ..new_message(Channel::Email) }).id;
    duplicate.tell(ContactCommand::Note(
        caller(),
        MessageId::in_partition(uuid::Uuid::from_u128(9), PARTITION),
        "n".into(),
    ));
    let (mut survivor, token) = taking(&duplicate);
    let ticket = moving(&mut duplicate);
    for mut taken in give_all(&mut duplicate, ticket) {
        (taken.from, taken.token) = (OTHER, token);
        let command = ContactCommand::TakeOver(Box::new(taken));
        let decision = survivor.tell(command.clone());
        assert_eq!(answer(&decision), &Ok(Answer::Done));
        assert!(!decision.is_growth, "it works when space has run out");
        let is_told = |effect: &Effect| matches!(effect, Effect::Publish(_) | Effect::Count(..));
        assert!(!decision.effects.iter().any(is_told));
        let before = survivor.model.records.clone();
        survivor.tell(command);
        assert_eq!(survivor.model.records, before, "asked again, it has it");
    }
    let here = |id: MessageId| id.moved(CONTACT, PARTITION);
    assert_eq!(
        (survivor.state(here(pending)), survivor.state(here(past))),
        (StateName::Scheduled, StateName::Submitted)
    );
    assert_eq!(survivor.message(here(pending)).identity(), pending);
    let envelope = survivor.claim(here(long));
    assert_eq!((envelope.message, envelope.identity), (here(long), long), "outside it is what it was");
    assert!(envelope.content.text.is_some_and(|text| text.len() >= 2_000));
}

#[test]
fn a_survivor_is_bound_until_everything_has_arrived() {
    let (mut world, token) = taking(&World::new());
    let id = world.sms();
    world.attempt(id, submitted());
    world.later(Duration::from_secs(10));
    for command in [
        ContactCommand::Delete(caller(), Removal::Delete),
        ContactCommand::Merge(caller(), OTHER, TOKEN),
        ContactCommand::Remove(caller(), id),
        ContactCommand::ExpectMerge(caller(), ContactId::from_bytes([8; 16])),
    ] {
        assert_eq!(conflict(&world.tell(command)), "merge_under_way");
    }
    world.tell(ContactCommand::Forget(world.now));
    assert!(world.try_message(id).is_some(), "a sweep waits, too");
    world.tell(ContactCommand::Joined(OTHER, token));
    world.tell(ContactCommand::Forget(world.now));
    assert!(world.try_message(id).is_none());
    let late = TakenOver { from: OTHER, token, entries: Vec::new() };
    let late = world.tell(ContactCommand::TakeOver(Box::new(late)));
    assert_eq!(answer(&late), &Err(EngineError::NotFound), "what comes late is not taken");
    let again = world.tell(ContactCommand::ExpectMerge(caller(), OTHER));
    assert_eq!(answer(&again), &Ok(Answer::Done), "it is merged already");
}

#[test]
fn a_token_that_was_let_go_never_counts_again() {
    let duplicate = World::new().contact().unwrap();
    let mut world = World::new();
    let expect = |world: &mut World, of| match answer(&world.tell(ContactCommand::ExpectMerge(caller(), of))) {
        Ok(Answer::Expected(token)) => *token,
        other => panic!("{other:?}"),
    };
    let first = expect(&mut world, OTHER);
    assert_eq!(expect(&mut world, OTHER), first, "the same merge, the same token");
    expect(&mut world, ContactId::from_bytes([8; 16]));
    assert_ne!(expect(&mut world, OTHER), first);
    let duplicate = crate::domain::contact::Contact { id: OTHER, ..duplicate };
    let late = Absorbed { duplicate, token: first, by: Author::System };
    assert_eq!(conflict(&world.tell(ContactCommand::Absorb(Box::new(late)))), "merge_refused");
}

#[test]
fn of_two_consents_the_stricter_one_holds_and_what_the_survivor_has_stays() {
    let mut duplicate = World::new();
    duplicate.change_contact(|contact| {
        contact.profile.name = Some("Other".into());
        contact.profile.consent.sms = Consent::Denied;
        contact.profile.tags = vec!["vip".into()];
        contact.conversation.unread = 2;
        let mut habit = Habit::default();
        habit.take_in(NOW, &HabitProfile::default());
        contact.habit = Some(Box::new(habit));
        contact.sent = vec![Sent { channel: Channel::Sms, class: Class::Campaign, at: NOW, message: 4 }];
    });
    let habit = duplicate.contact().unwrap().habit;
    let (world, _) = taking(&duplicate);
    let contact = world.contact().unwrap();
    assert!(habit.is_some() && contact.habit == habit, "what is known of its hours");
    assert_eq!(contact.sent.len(), 1, "caps count what went to either");
    assert_eq!(contact.profile.name.as_deref(), Some("Jane Doe"));
    assert_eq!(contact.profile.consent.sms, Consent::Denied);
    assert!(contact.profile.tags.contains(&"vip".to_owned()));
    assert_eq!(contact.conversation.unread, 2);
}

#[test]
fn a_survivor_does_not_go_before_what_is_on_its_last_step_to_it() {
    let mut world = World::new();
    world.sms();
    let ticket = moving(&mut world);
    let early = world.tell(ContactCommand::Forgo(OTHER, Removal::Delete));
    assert_eq!(answer(&early), &Err(EngineError::Unavailable));
    assert!(early.mutations.is_empty(), "{early:?}");
    give_all(&mut world, ticket);
    assert_eq!(answer(&world.tell(ContactCommand::Forgo(OTHER, Removal::Delete))), &Ok(Answer::Done));
}

#[test]
fn what_leads_to_a_survivor_goes_with_it() {
    let mut world = World::new();
    let id = world.sms();
    let ticket = moving(&mut world);
    give_all(&mut world, ticket);
    world.tell(ContactCommand::Forgo(ContactId::from_bytes([8; 16]), Removal::Delete));
    assert!(world.item(id).is_some(), "another one's deletion is none of its");
    let decision = world.tell(ContactCommand::Forgo(OTHER, Removal::Delete));
    let mut command = next(&decision);
    while let Some(this) = command {
        command = next(&world.tell(this));
    }
    super::deleting::assert_all_is_gone(&world);
}
