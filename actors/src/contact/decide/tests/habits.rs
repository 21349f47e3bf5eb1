//! What a contact does of its own accord is learned from, in the batch of what it did.

use std::time::Duration;

use super::receiving::{mail, receive, sms};
use super::world::*;
use crate::contact::command::{ContactCommand, Received};
use crate::contact::decision::{Decision, Effect};
use crate::domain::clock::UnixMs;
use crate::domain::conversation::Inbound;
use crate::domain::habit::choose;

const HOUR: Duration = Duration::from_secs(3_600);

fn lessons(decision: &Decision) -> usize {
    decision.effects.iter().filter(|effect| matches!(effect, Effect::Learn(..))).count()
}

#[test]
fn a_reply_is_learned_from_by_the_contacts_own_clock_and_once_an_hour() {
    let mut world = World::new();
    assert_eq!(world.contact().unwrap().habit, None);
    let decision = world.tell(ContactCommand::Receive(Box::new(sms(1))));
    assert_eq!(lessons(&decision), 1);
    let habit = world.contact().unwrap().habit.unwrap();
    // Nine in London is ten in Berlin, where the contact lives.
    let midnight = UnixMs(NOW.0 + 86_400_000 - 9 * 3_600_000);
    let day: Vec<_> = (0..24).map(|hour| midnight.plus(HOUR * hour)).collect();
    let choice = choose(&habit, &world.habits.of(ACCOUNT), midnight, &day).unwrap();
    assert_eq!(choice.index, 10, "{choice:?}");

    world.now = world.now.plus(HOUR / 2);
    let decision = world.tell(ContactCommand::Receive(Box::new(mail(2, Vec::new()))));
    assert_eq!(lessons(&decision), 0, "the hour was counted");
    assert_eq!(world.contact().unwrap().habit.as_ref(), Some(&habit));
    world.now = world.now.plus(HOUR);
    receive(&mut world, mail(3, Vec::new()));
    assert_ne!(world.contact().unwrap().habit, Some(habit));
}

#[test]
fn what_a_program_answers_or_what_comes_twice_says_nothing_of_the_contact() {
    let mut world = World::new();
    let automatic = mail(1, Vec::new());
    let inbound = Box::new(Inbound { is_automatic: true, ..*automatic.inbound });
    receive(&mut world, Received { inbound, ..automatic });
    assert_eq!(world.contact().unwrap().habit, None);
    receive(&mut world, sms(2));
    let once = world.contact().unwrap();
    world.now = world.now.plus(HOUR * 5);
    receive(&mut world, sms(2));
    assert_eq!(world.contact().unwrap(), once);
}
