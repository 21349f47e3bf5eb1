//! A caller removes one entry of a thread: what is settled, or what came in.

use super::receiving::{item_id, mail};
use super::world::*;
use crate::contact::command::{Answer, AttemptEnd, ContactCommand};
use crate::domain::address::Channel;
use crate::domain::ids::{AccountNo, MessageId};
use crate::domain::message::StateName;
use crate::domain::verdict::{Failure, Verdict};
use crate::protocol::api::{Caller, EngineError, NewMessage};
use crate::store::Table;

fn remove(id: MessageId) -> ContactCommand {
    ContactCommand::Remove(caller(), id)
}

/// Everything in the store but the contact itself and the trail of what people did.
fn things(world: &World) -> usize {
    world.model.records.keys().filter(|(table, _)| !matches!(table, Table::Contact | Table::Audit)).count()
}

#[test]
fn what_is_settled_goes_with_everything_of_it() {
    let mut world = World::new();
    let ends =
        [submitted(), AttemptEnd::Judged(Verdict::Permanent(Failure::message("twilio_21211", "no such number")))];
    for end in ends {
        let long = NewMessage { content: content(&"x".repeat(1_500)), ..new_message(Channel::Email) };
        let id = world.schedule(long).id;
        world.attempt(id, end);
        assert_eq!(things(&world), 2, "a message with its content");
        assert_eq!(answer(&world.tell(remove(id))), &Ok(Answer::Done));
        world.check();
        assert_eq!((things(&world), world.try_message(id)), (0, None));
        assert_eq!(answer(&world.tell(remove(id))), &Err(EngineError::NotFound));
    }
    let id = world.sms();
    world.tell(ContactCommand::Cancel(caller(), id));
    assert_eq!(answer(&world.tell(remove(id))), &Ok(Answer::Done));
    assert_eq!(answer(&world.tell(ContactCommand::Restore(caller(), id))), &Err(EngineError::NotFound));
    world.check();
}

#[test]
fn what_is_pending_stays() {
    let mut world = World::new();
    let waiting = world.sms();
    let claimed = world.email();
    world.claim(claimed);
    let uncertain = world.sms();
    world.attempt(uncertain, AttemptEnd::Judged(Verdict::Unknown(Failure::message("timeout", "no answer"))));
    for (id, state) in
        [(waiting, StateName::Scheduled), (claimed, StateName::Sending), (uncertain, StateName::Uncertain)]
    {
        let decision = world.tell(remove(id));
        assert_eq!((conflict(&decision), world.state(id)), ("not_final", state));
        assert!(decision.mutations.is_empty());
    }
}

#[test]
fn what_came_in_goes_with_its_blobs_and_an_event_stays() {
    let mut world = World::new();
    let before = things(&world);
    let received = mail(7, Vec::new());
    world.tell_all(ContactCommand::Receive(Box::new(received)));
    assert!(things(&world) > before + 1, "an item with the mail as it came");
    assert_eq!(answer(&world.tell(remove(item_id(7)))), &Ok(Answer::Done));
    world.check();
    assert_eq!((things(&world), world.item(item_id(7))), (before, None));

    world.tell(ContactCommand::Note(caller(), item_id(8), "a remark".into()));
    assert_eq!(answer(&world.tell(remove(item_id(8)))), &Err(EngineError::NotFound));
    assert!(world.item(item_id(8)).is_some());
}

#[test]
fn nobody_removes_what_is_another_account_s() {
    let mut world = World::new();
    let id = world.sms();
    world.attempt(id, submitted());
    let stranger = Caller { account: AccountNo(99), ..caller() };
    assert_eq!(answer(&world.tell(ContactCommand::Remove(stranger, id))), &Err(EngineError::NotFound));
    assert!(world.try_message(id).is_some());
}
