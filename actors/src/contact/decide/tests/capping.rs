//! How many messages a contact gets: counted at the claim, held against at the plan and at the last check.

use std::time::Duration;

use super::world::*;
use crate::contact::command::{AttemptEnd, ContactCommand};
use crate::domain::address::Channel;
use crate::domain::clock::UnixMs;
use crate::domain::directory::Account;
use crate::domain::ids::MessageId;
use crate::domain::message::Class;
use crate::domain::plan::Cause;
use crate::domain::reason::Reason;
use crate::domain::schedule::QuietHoursPolicy;
use crate::domain::sending_rules::{Cap, Scope, SendingRules};
use crate::domain::verdict::{Failure, Verdict};
use crate::protocol::api::{NewIntent, NewMessage};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// At most two SMS in any day.
fn world() -> World {
    let mut world = World::new();
    let scope = Scope { channel: Some(Channel::Sms), ..Scope::default() };
    let rules = SendingRules { caps: vec![Cap { scope, limit: 2, per: DAY }], ..SendingRules::default() };
    let account = world.directory.account(ACCOUNT).unwrap().clone();
    world.directory.put_account(Account { rules, ..account });
    world
}

fn message(world: &mut World, channel: Channel, at: UnixMs) -> MessageId {
    let intent = NewIntent::At(at);
    world.schedule(NewMessage { intent, quiet_hours: QuietHoursPolicy::Defer, ..new_message(channel) }).id
}

fn message_now(world: &mut World, channel: Channel) -> MessageId {
    let now = world.now;
    message(world, channel, now)
}

fn due(world: &World, id: MessageId) -> UnixMs {
    world.message(id).due_at
}

#[test]
fn what_is_more_than_a_contact_gets_waits_until_the_first_of_them_is_old_enough() {
    let mut world = world();
    let start = world.now;
    for hours in [0, 3] {
        world.now = start.plus(HOUR * hours);
        let id = message(&mut world, Channel::Sms, start.plus(HOUR * hours));
        world.attempt(id, submitted());
    }
    let third = message_now(&mut world, Channel::Sms);
    assert_eq!(due(&world, third), start.plus(DAY));
    assert_eq!(world.message(third).reason, Some(Reason::Delayed(Cause::FrequencyCap { limit: 2, per: DAY })));
    assert_eq!(world.message(third).plan.unwrap().wanted_at, world.now);
    let later = message(&mut world, Channel::Sms, start.plus(DAY));
    assert_eq!(due(&world, later), start.plus(DAY), "nothing is in its way as it is planned");
    let mail = message_now(&mut world, Channel::Email);
    assert_eq!(due(&world, mail), world.now, "the cap is about SMS");

    world.now = start.plus(DAY);
    world.attempt(third, submitted());
    assert!(envelope(&world.permit(later)).is_none(), "the last check counts what went meanwhile");
    assert_eq!(due(&world, later), start.plus(HOUR * 3).plus(DAY));
    world.now = due(&world, later);
    world.claim(later);
    assert_eq!(world.contact().unwrap().sent.len(), 2, "what is older than every cap asks is forgotten");
}

#[test]
fn a_message_that_is_tried_again_counts_once_and_one_that_did_not_begin_not_at_all() {
    let mut world = world();
    for _ in 0..2 {
        let now = world.now;
        let id = message(&mut world, Channel::Sms, now);
        let ticket = world.ticket(id);
        let attempt = world.claim(id).attempt;
        world.finish(ticket, attempt, AttemptEnd::NotStarted);
        assert_eq!(world.contact().unwrap().sent.iter().filter(|sent| sent.at == now).count(), 0);
        let busy = AttemptEnd::Judged(Verdict::Transient(Failure::provider("http_503", "busy")));
        world.attempt(id, busy);
        world.now = due(&world, id);
        world.attempt(id, submitted());
    }
    assert_eq!(world.contact().unwrap().sent.len(), 2);
    let third = message_now(&mut world, Channel::Sms);
    assert!(due(&world, third) > world.now.plus(HOUR * 23));
}

#[test]
fn a_claim_that_was_never_handed_over_does_not_stand_in_its_own_way() {
    let mut world = world();
    for _ in 0..2 {
        let id = message_now(&mut world, Channel::Sms);
        world.claim(id);
        // The pool does not know the claim: the wheel brings its ticket again.
        world.claim(id);
    }
    assert_eq!(world.contact().unwrap().sent.len(), 2);
}

#[test]
fn somebody_who_waits_for_an_answer_gets_it_where_the_account_exempts_conversations() {
    let mut world = world();
    let account = world.directory.account(ACCOUNT).unwrap().clone();
    let rules = SendingRules { conversation_exempt: true, ..account.rules.clone() };
    world.directory.put_account(Account { rules, ..account });
    for _ in 0..3 {
        let intent = NewIntent::At(world.now);
        let (class, quiet_hours) = (Some(Class::Conversation), QuietHoursPolicy::Defer);
        let id = world.schedule(NewMessage { intent, class, quiet_hours, ..new_message(Channel::Sms) }).id;
        world.attempt(id, submitted());
    }
    let other = message_now(&mut world, Channel::Sms);
    assert!(due(&world, other) > world.now, "they count for the others");
    world.tell(ContactCommand::SendNow(caller(), other));
    assert!(due(&world, other) > world.now, "at once is when the rules permit it");
}
