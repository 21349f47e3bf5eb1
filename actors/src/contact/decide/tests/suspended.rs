//! A suspended account hands nothing over, and goes on where it stopped.

use std::time::Duration;

use super::world::*;
use crate::contact::command::ContactCommand;
use crate::domain::address::Channel;
use crate::domain::directory::Account;
use crate::domain::ids::MessageId;
use crate::domain::message::{Author, StateName};
use crate::domain::reason::Reason;
use crate::domain::schedule::IfLate;
use crate::protocol::api::NewMessage;
use crate::sender::Release;

fn suspend(world: &mut World, is_suspended: bool) {
    let account = world.directory.account(ACCOUNT).unwrap().clone();
    world.directory.put_account(Account { suspended_at: is_suspended.then_some(NOW), ..account });
}

/// A message that was held for its account.
fn held(new: NewMessage) -> (World, MessageId) {
    let mut world = World::new();
    let id = world.schedule(new).id;
    suspend(&mut world, true);
    let decision = world.permit(id);
    assert!(envelope(&decision).is_none());
    assert_eq!(release(&decision), Some(Release::Unused));
    assert_eq!((world.state(id), world.message(id).reason), (StateName::Held, Some(Reason::AccountSuspended)));
    (world, id)
}

#[test]
fn what_is_due_in_a_suspended_account_is_held_and_goes_on_when_it_is_resumed() {
    let (mut world, id) = held(new_message(Channel::Sms));
    world.later(Duration::from_secs(3_600));
    world.tell(ContactCommand::ResumeHeld(id));
    assert_eq!(world.state(id), StateName::Held, "the account is still suspended");
    suspend(&mut world, false);
    let decision = world.tell(ContactCommand::ResumeHeld(id));
    assert_eq!(armed(&decision), [world.ticket(id)]);
    let message = world.message(id);
    assert_eq!((message.state.name(), message.reason, message.due_at), (StateName::Scheduled, None, world.now));
    let last = message.history.last().unwrap();
    assert_eq!((&last.reason, last.by), (&Some(Reason::AccountResumed), Author::System));
    world.claim(id);
    // Told twice, as a sweep may: it is under way already.
    world.tell(ContactCommand::ResumeHeld(id));
    assert_eq!(world.state(id), StateName::Sending);
}

#[test]
fn lateness_counts_from_the_time_that_was_meant() {
    let limit = Duration::from_secs(60);
    for (wait, expected) in [(limit, StateName::Scheduled), (limit + Duration::from_millis(1), StateName::Expired)] {
        let (mut world, id) = held(NewMessage { if_late: IfLate::SkipAfter(limit), ..new_message(Channel::Sms) });
        world.later(wait);
        suspend(&mut world, false);
        world.tell(ContactCommand::ResumeHeld(id));
        assert_eq!(world.state(id), expected, "{wait:?}");
    }
}

#[test]
fn what_is_held_for_another_reason_is_left_to_its_people() {
    let mut world = World::new();
    let id = world.sms();
    world.directory.remove_sender(ANNS);
    world.directory.remove_sender(SMS);
    world.permit(id);
    assert_eq!(world.message(id).reason, Some(Reason::SenderGone));
    world.tell(ContactCommand::ResumeHeld(id));
    assert_eq!(world.state(id), StateName::Held);
}

#[test]
fn an_account_that_is_gone_hands_nothing_over() {
    let mut world = World::new();
    let id = world.sms();
    world.directory.remove_account(ACCOUNT);
    assert!(envelope(&world.permit(id)).is_none());
    assert_eq!(world.state(id), StateName::Held);
}
