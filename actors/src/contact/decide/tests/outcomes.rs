//! Outcomes of attempts: each settles its message, once.

use std::time::Duration;

use super::world::*;
use crate::contact::command::{AttemptEnd, ContactCommand};
use crate::contact::decision::{Decision, Effect};
use crate::domain::address::Channel;
use crate::domain::clock::UnixMs;
use crate::domain::contact::Consent;
use crate::domain::message::{AttemptOutcome, Class, Message, StateName};
use crate::domain::reason::Reason;
use crate::domain::suppression::SuppressionReason;
use crate::domain::verdict::{Failure, Verdict};
use crate::protocol::api::{CancelOutcome, NewMessage};
use crate::sender::Release;

fn failure() -> Failure {
    Failure::message("smtp_4.2.2", "the mailbox is full")
}

fn transient() -> AttemptEnd {
    AttemptEnd::Judged(Verdict::Transient(failure()))
}

fn unknown() -> AttemptEnd {
    AttemptEnd::Judged(Verdict::Unknown(failure()))
}

fn is_settled(decision: &Decision) -> bool {
    decision.effects.iter().any(|effect| matches!(effect, Effect::Settled(..)))
}

#[test]
fn a_settling_is_four_mutations_and_a_counter_and_one_more_for_a_parked_ticket() {
    for is_parked in [false, true] {
        let mut world = World::new();
        let first = world.sms();
        world.attempt(first, submitted());
        let id = world.sms();
        if is_parked {
            world.park(id);
        }
        let decision = world.attempt(id, submitted());
        // A parked ticket's message may have moved away and back: its entry is removed from either index.
        assert_eq!(budget(&decision), (4 + usize::from(is_parked), 1));
        assert!(is_settled(&decision));
        let message = world.message(id);
        assert_eq!(message.state.name(), StateName::Submitted);
        assert_eq!(message.attempts[0].outcome, AttemptOutcome::Submitted);
        assert_eq!(message.attempts[0].provider_id.as_deref(), Some("p1"));
    }
}

#[test]
fn what_was_last_used_is_written_once() {
    let mut world = World::new();
    for writes in [true, false, false] {
        let id = world.sms();
        assert_eq!(world.attempt(id, submitted()).contact.is_some(), writes);
    }
    let contact = world.contact().unwrap();
    assert_eq!(contact.last_sms.sender, Some(SMS));
    assert_eq!((contact.version, contact.last_email.sender), (1, None), "the profile did not change");
    assert_eq!(contact.conversation.last_activity_at, Some(NOW));
}

#[test]
fn a_campaign_moves_no_conversation_up() {
    let mut world = World::new();
    world.set_consent(Consent::Granted);
    let new = NewMessage { class: Some(Class::Campaign), ..new_message(Channel::Sms) };
    let id = world.schedule(new).id;
    world.attempt(id, submitted());
    assert_eq!(world.contact().unwrap().conversation.last_activity_at, None);
}

#[test]
fn a_transient_failure_comes_again_after_its_backoff_and_never_before_the_provider_wishes() {
    for (wish, at_least) in [(None, 12), (Some(Duration::from_secs(500)), 500)] {
        let mut world = World::new();
        let id = world.sms();
        let before = world.ticket(id);
        let end = AttemptEnd::Judged(Verdict::Transient(failure().with_retry_after(wish)));
        let decision = world.attempt(id, end);
        let message = world.message(id);
        assert_eq!(message.state.name(), StateName::Scheduled);
        assert_eq!(message.reason, Some(Reason::RetryAfter("smtp_4.2.2".into())));
        assert!(message.due_at >= NOW.plus(Duration::from_secs(at_least)), "{}", message.due_at);
        assert_eq!(armed(&decision), [world.ticket(id)]);
        assert!(disarmed(&decision).is_empty() && before != world.ticket(id));
        // The wheel hears of the next one before the pool forgets this one.
        let position = |wanted: fn(&Effect) -> bool| decision.effects.iter().position(wanted).unwrap();
        assert!(position(|e| matches!(e, Effect::Arm(_))) < position(|e| matches!(e, Effect::Settled(..))));
        world.now = message.due_at;
        let next = world.claim(id);
        assert_eq!((next.attempt, next.first_attempt, next.date), (2, false, NOW));
    }
}

#[test]
fn a_retry_is_due_later_than_the_attempt_it_follows_even_when_the_clock_was_set_back() {
    let mut world = World::new();
    let id = world.sms();
    let ticket = world.ticket(id);
    let attempt = world.claim(id).attempt;
    world.now = UnixMs(NOW.0 - 3_600_000);
    world.finish(ticket, attempt, transient());
    assert_eq!(world.message(id).due_at, UnixMs(NOW.0 + 1));
}

#[test]
fn a_permanent_failure_is_a_dead_letter_at_once() {
    let mut world = World::new();
    let id = world.email();
    world.attempt(id, AttemptEnd::Judged(Verdict::Permanent(failure())));
    let message = world.message(id);
    assert_eq!(message.state.name(), StateName::Failed);
    assert_eq!(message.reason, Some(Reason::Refused("smtp_4.2.2".into())));
}

#[test]
fn the_last_permitted_attempt_that_fails_makes_a_dead_letter() {
    let mut world = World::new();
    let id = world.sms();
    for attempt in 1..=world.settings.sms.max_attempts {
        assert_eq!(world.state(id), StateName::Scheduled);
        world.now = world.message(id).due_at;
        world.attempt(id, transient());
        assert_eq!(world.message(id).attempts.len(), usize::from(attempt));
    }
    assert_eq!(world.message(id).reason, Some(Reason::AttemptsExhausted("smtp_4.2.2".into())));
    assert_eq!(world.state(id), StateName::Failed);
}

#[test]
fn a_long_life_keeps_its_first_attempt_and_its_last_ones() {
    let mut world = World::new();
    world.settings.sms.max_attempts = 100;
    let id = world.sms();
    for _ in 0..70 {
        world.now = world.message(id).due_at;
        world.attempt(id, transient());
    }
    let message = world.message(id);
    assert_eq!(
        (message.attempts.len(), message.history.len()),
        (Message::MAX_ATTEMPTS_KEPT, Message::MAX_HISTORY_KEPT)
    );
    assert_eq!((message.attempts[0].number, message.attempts[19].number), (1, 70));
    world.now = message.due_at;
    assert_eq!(world.claim(id).date, NOW);
}

#[test]
fn an_unknown_outcome_is_tried_again_by_email_and_held_for_a_person_by_sms() {
    for (channel, state) in [(Channel::Email, StateName::Scheduled), (Channel::Sms, StateName::Uncertain)] {
        let mut world = World::new();
        let id = world.schedule(new_message(channel)).id;
        let decision = world.attempt(id, unknown());
        assert!(is_settled(&decision));
        let message = world.message(id);
        assert_eq!((message.state.name(), message.attempts[0].outcome), (state, AttemptOutcome::Unknown));
        assert_eq!(message.reason, Some(Reason::OutcomeUnknown("smtp_4.2.2".into())));
        let counted = |effect: &&Effect| matches!(effect, Effect::Count(_, StateName::Uncertain));
        assert_eq!(decision.effects.iter().filter(counted).count(), 1, "counted once");
    }
}

#[test]
fn an_attempt_that_never_began_goes_back_to_its_lane_and_is_not_counted() {
    let mut world = World::new();
    let id = world.sms();
    let ticket = world.ticket(id);
    let decision = world.attempt(id, AttemptEnd::NotStarted);
    assert_eq!(release(&decision), Some(Release::Requeue));
    assert!(armed(&decision).is_empty(), "its ticket is with the pool");
    assert_eq!(budget(&decision), (1, 0));
    let message = world.message(id);
    assert_eq!((message.state.name(), message.attempts.len(), world.ticket(id)), (StateName::Scheduled, 0, ticket));
    assert!(world.claim(id).first_attempt);
}

#[test]
fn an_attempt_that_never_began_goes_back_also_when_its_end_is_told_twice() {
    // The commit was applied but its acknowledgement was lost with the partition. The lane ignored the
    // ticket that was read anew, for the permit was still out.
    let mut world = World::new();
    let id = world.sms();
    let ticket = world.ticket(id);
    world.attempt(id, AttemptEnd::NotStarted);
    let again = world.finish(ticket, 1, AttemptEnd::NotStarted);
    assert_eq!((release(&again), again.mutations.len()), (Some(Release::Requeue), 0));
}

#[test]
fn an_outcome_that_is_told_twice_settles_once() {
    for end in [submitted(), transient(), unknown()] {
        let mut world = World::new();
        let id = world.sms();
        let ticket = world.ticket(id);
        world.attempt(id, end.clone());
        let before = world.message(id);
        let again = world.finish(ticket, 1, end);
        assert!(is_settled(&again) && again.mutations.is_empty());
        assert_eq!(world.message(id), before);
    }
}

#[test]
fn an_outcome_of_another_attempt_changes_nothing() {
    let mut world = World::new();
    let id = world.sms();
    let ticket = world.ticket(id);
    world.claim(id);
    let decision = world.finish(ticket, 2, submitted());
    assert!(is_settled(&decision) && decision.mutations.is_empty());
    assert_eq!(world.state(id), StateName::Sending);
}

#[test]
fn a_cancel_during_an_attempt_lets_no_further_one_follow() {
    for (end, state) in [
        (submitted(), StateName::Submitted),
        (transient(), StateName::Canceled),
        (unknown(), StateName::Uncertain),
        (AttemptEnd::NotStarted, StateName::Canceled),
    ] {
        let mut world = World::new();
        let id = world.email();
        let ticket = world.ticket(id);
        let attempt = world.claim(id).attempt;
        for _ in 0..2 {
            let decision = world.tell(ContactCommand::Cancel(caller(), id));
            let Ok(crate::contact::command::Answer::Canceled(outcome)) = answer(&decision) else { panic!() };
            assert_eq!(outcome, &CancelOutcome::AlreadyHandedOver(StateName::Sending));
        }
        let decision = world.finish(ticket, attempt, end);
        assert_eq!(world.state(id), state);
        assert!(armed(&decision).is_empty());
        assert_ne!(release(&decision), Some(Release::Requeue));
    }
}

#[test]
fn an_attempt_that_ends_after_its_contact_was_deleted_leaves_nothing_behind() {
    for end in [submitted(), transient(), unknown(), AttemptEnd::NotStarted] {
        let mut world = World::new();
        let new = NewMessage { content: content(&"x".repeat(1_500)), ..new_message(Channel::Email) };
        let id = world.schedule(new).id;
        let ticket = world.ticket(id);
        let attempt = world.claim(id).attempt;
        world.tell(ContactCommand::Delete(caller(), Removal::Delete));
        let decision = world.finish(ticket, attempt, end);
        assert!(world.try_message(id).is_none());
        assert!(armed(&decision).is_empty());
        assert_ne!(release(&decision), Some(Release::Requeue));
    }
}

#[test]
fn who_opted_out_at_the_carrier_gets_nothing_more_as_after_a_stop() {
    let mut world = World::new();
    let (id, pending) = (world.sms(), world.sms());
    let failure = Failure::opted_out("twilio_21610", "the recipient has opted out");
    let decision = world.attempt(id, AttemptEnd::Judged(Verdict::Permanent(failure)));
    assert_eq!(world.state(id), StateName::Failed);
    let (mut told, mut next) = (Vec::new(), Vec::new());
    for effect in decision.effects {
        match effect {
            Effect::Tell(owner, command) => told.push((owner, *command)),
            Effect::Continue(command) => next.push(*command),
            _ => {}
        }
    }
    let [(owner, ContactCommand::Suppress(suppression, None))] = &*told else { panic!("told: {told:?}") };
    let to = world.message(id).to;
    let digest = crate::store::keys::address_digest(ACCOUNT, &to);
    assert_eq!(*owner, crate::domain::ids::ContactId::of_address_digest(&digest));
    assert_eq!((suppression.address.as_ref(), suppression.reason), (Some(&to), SuppressionReason::Unsubscribed));
    next.into_iter().for_each(|command| drop(world.tell_all(command)));
    assert_eq!(world.contact().unwrap().profile.consent.on(Channel::Sms), Consent::Denied);
    assert_eq!(world.state(pending), StateName::Canceled);
}

#[test]
fn any_other_refusal_opts_nobody_out() {
    let mut world = World::new();
    let id = world.sms();
    let decision = world.attempt(id, AttemptEnd::Judged(Verdict::Permanent(failure())));
    assert!(!decision.effects.iter().any(|effect| matches!(effect, Effect::Tell(..) | Effect::Continue(_))));
}
