//! Receipts: late, early, twice, and never backwards.

use super::world::*;
use crate::contact::command::{Answer, AttemptEnd, ContactCommand};
use crate::domain::ids::MessageId;
use crate::domain::message::StateName;
use crate::domain::receipt::{Receipt, ReceiptStatus};
use crate::domain::verdict::{Failure, Verdict};

fn receipt(world: &mut World, id: MessageId, status: ReceiptStatus) -> StateName {
    let receipt = Receipt { status, at: world.now, code: Some("30005".into()) };
    let decision = world.tell(ContactCommand::Receipt(id, receipt));
    match answer(&decision) {
        Ok(Answer::Receipt(state)) => *state,
        other => panic!("no receipt: {other:?}"),
    }
}

fn unknown() -> AttemptEnd {
    AttemptEnd::Judged(Verdict::Unknown(Failure::provider("timeout", "no answer")))
}

#[test]
fn a_receipt_refines_submitted_and_keeps_its_place_in_the_thread() {
    for (status, state) in [
        (ReceiptStatus::Delivered, StateName::Delivered),
        (ReceiptStatus::Undelivered, StateName::Undelivered),
        (ReceiptStatus::Bounced, StateName::Bounced),
    ] {
        let mut world = World::new();
        let id = world.sms();
        world.attempt(id, submitted());
        let since = world.message(id).since;
        world.later(std::time::Duration::from_secs(5));
        assert_eq!(receipt(&mut world, id, status), state);
        assert_eq!((world.state(id), world.message(id).since), (state, since));
        assert_eq!(world.message(id).updated_at, world.now);
    }
}

#[test]
fn a_final_state_never_goes_back() {
    let mut world = World::new();
    let id = world.sms();
    world.attempt(id, submitted());
    receipt(&mut world, id, ReceiptStatus::Delivered);
    let version = world.message(id).version;
    for status in [ReceiptStatus::Accepted, ReceiptStatus::Undelivered, ReceiptStatus::Bounced] {
        assert_eq!(receipt(&mut world, id, status), StateName::Delivered);
    }
    assert_eq!(world.message(id).version, version, "nothing was written");
    let cancelled = world.sms();
    world.tell(ContactCommand::Cancel(caller(), cancelled));
    assert_eq!(receipt(&mut world, cancelled, ReceiptStatus::Delivered), StateName::Canceled);
}

#[test]
fn a_receipt_that_comes_before_the_submit_answer_waits_for_it() {
    let mut world = World::new();
    let id = world.sms();
    let ticket = world.ticket(id);
    let attempt = world.claim(id).attempt;
    assert_eq!(receipt(&mut world, id, ReceiptStatus::Delivered), StateName::Sending);
    world.finish(ticket, attempt, submitted());
    assert_eq!(world.state(id), StateName::Delivered);
}

#[test]
fn an_early_receipt_proves_a_hand_over_whose_answer_is_lost() {
    let mut world = World::new();
    let id = world.sms();
    let ticket = world.ticket(id);
    let attempt = world.claim(id).attempt;
    receipt(&mut world, id, ReceiptStatus::Accepted);
    world.finish(ticket, attempt, unknown());
    assert_eq!(world.state(id), StateName::Submitted);
    assert_eq!(receipt(&mut world, id, ReceiptStatus::Delivered), StateName::Delivered);
}

#[test]
fn a_receipt_settles_an_uncertain_message_and_stops_its_repetition() {
    // SMS waits for a person; email waits to be sent again.
    for (id, waits) in [(World::sms as fn(&mut World) -> _, StateName::Uncertain), (World::email, StateName::Scheduled)]
    {
        let mut world = World::new();
        let id = id(&mut world);
        world.attempt(id, unknown());
        assert_eq!(world.state(id), waits);
        assert_eq!(receipt(&mut world, id, ReceiptStatus::Delivered), StateName::Delivered);
        assert!(world.due_tickets().is_empty());
    }
}

#[test]
fn a_receipt_for_a_message_that_was_never_tried_is_ignored() {
    let mut world = World::new();
    let id = world.sms();
    assert_eq!(receipt(&mut world, id, ReceiptStatus::Delivered), StateName::Scheduled);
    assert_eq!(world.message(id).receipt, None);
}
