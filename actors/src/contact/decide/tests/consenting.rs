//! Opting out and in, suppressed addresses, and what that does to what is pending.

use super::world::*;
use crate::contact::command::{Answer, ContactCommand, OptChange};
use crate::contact::decision::{Decision, Effect};
use crate::domain::address::{Address, Channel, EmailAddress, PhoneNumber};
use crate::domain::clock::UnixMs;
use crate::domain::contact::Consent;
use crate::domain::conversation::OptVia;
use crate::domain::ids::MessageId;
use crate::domain::message::{Author, StateName};
use crate::domain::reason::Reason;
use crate::domain::suppression::{Suppression, SuppressionReason};
use crate::protocol::api::ProfilePatch;
use crate::protocol::suppressions::SuppressionSet;
use crate::store::keys;

fn hers() -> Address {
    Address::Phone(PhoneNumber::parse("+12125550199").unwrap())
}

fn opt(is_out: bool, address: Address) -> ContactCommand {
    let item = MessageId::in_partition(uuid::Uuid::from_bytes([if is_out { 1 } else { 2 }; 16]), PARTITION);
    ContactCommand::Opt(Box::new(OptChange {
        account: ACCOUNT,
        channel: address.channel(),
        address: Some(address),
        is_out,
        via: OptVia::Keyword,
        item,
    }))
}

fn was_changed(decision: &Decision) -> bool {
    match answer(decision) {
        Ok(Answer::Opted { was_changed }) => *was_changed,
        other => panic!("{other:?}"),
    }
}

fn suppression(reason: SuppressionReason, since: UnixMs) -> Suppression {
    let (address, channel) = (Some(hers()), Channel::Sms);
    Suppression { account: ACCOUNT, address, channel, reason, since, by: Author::System }
}

#[test]
fn an_opt_out_takes_back_what_is_pending_on_its_channel_only() {
    let mut world = World::new();
    let pending: Vec<_> = (0..100).map(|_| world.sms()).collect();
    let email = world.email();
    let decision = world.tell_all(opt(true, hers()));
    assert!(was_changed(&decision));
    assert!(decision.effects.iter().any(|effect| matches!(effect, Effect::RevokeClaims(Some(Channel::Sms)))));
    for id in pending {
        assert_eq!((world.state(id), world.message(id).reason), (StateName::Canceled, Some(Reason::ConsentDenied)));
    }
    assert_eq!(world.state(email), StateName::Scheduled);
    assert_eq!(world.contact().unwrap().profile.consent.sms, Consent::Denied);
    assert!(!was_changed(&world.tell(opt(true, hers()))), "once is enough");
}

#[test]
fn the_reply_of_an_opt_out_comes_after_its_claims_were_revoked() {
    let denied = ProfilePatch { consent_sms: Some(Consent::Denied), ..ProfilePatch::default() };
    for stop in [opt(true, hers()), ContactCommand::Patch(caller(), Box::new(denied), None)] {
        let mut world = World::new();
        let decision = world.tell(stop);
        let at = |wanted: fn(&Effect) -> bool| decision.effects.iter().position(wanted).unwrap();
        let revoked = at(|effect| matches!(effect, Effect::RevokeClaims(Some(Channel::Sms))));
        assert!(revoked < at(|effect| matches!(effect, Effect::Reply(_))));
    }
    let mut world = World::new();
    let decision = world.tell(ContactCommand::Delete(caller(), Removal::Delete));
    let at = |wanted: fn(&Effect) -> bool| decision.effects.iter().position(wanted).unwrap();
    assert!(
        at(|effect| matches!(effect, Effect::RevokeClaims(None))) < at(|effect| matches!(effect, Effect::Reply(_)))
    );
}

#[test]
fn an_opt_in_lifts_an_opt_out_and_is_no_consent_by_itself() {
    let mut world = World::new();
    assert!(!was_changed(&world.tell(opt(false, hers()))));
    assert_eq!(world.contact().unwrap().profile.consent.sms, Consent::Unknown);
    world.tell_all(opt(true, hers()));
    assert!(was_changed(&world.tell(opt(false, hers()))));
    assert_eq!(world.contact().unwrap().profile.consent.sms, Consent::Granted);
}

#[test]
fn whoever_does_not_have_the_address_any_more_is_not_opted_out() {
    let mut world = World::new();
    let other = Address::Email(EmailAddress::parse("other@example.com").unwrap());
    assert!(!was_changed(&world.tell(opt(true, other))));
}

#[test]
fn a_suppressed_address_gets_nothing_though_its_contact_wants_it() {
    let mut world = World::new();
    let (id, far) = (world.sms(), world.sms());
    world.tell(ContactCommand::Suppress(Box::new(suppression(SuppressionReason::Manual, NOW)), None));
    world.permit(id);
    let why = Some(Reason::Suppressed(SuppressionReason::Manual));
    assert_eq!((world.state(id), world.message(id).reason), (StateName::Canceled, why.clone()));
    let found = Box::new(suppression(SuppressionReason::Manual, NOW));
    world.tell_all(ContactCommand::AddressSuppressed(found));
    assert_eq!((world.state(far), world.message(far).reason), (StateName::Canceled, why));
    world.tell(ContactCommand::Unsuppress(ACCOUNT, hers(), None));
    let id = world.sms();
    assert_eq!(world.claim(id).message, id, "the set of hashes holds it still, the record does not");
}

#[test]
fn a_suppression_that_is_there_already_is_known_from_its_acknowledgement_on() {
    let mut world = World::new();
    let suppress = || ContactCommand::Suppress(Box::new(suppression(SuppressionReason::Manual, NOW)), None);
    world.tell(suppress());
    // It was committed by a process whose caller heard nothing, after this one had read what is suppressed.
    world.suppressions = SuppressionSet::default();
    world.tell(suppress());
    let id = world.sms();
    world.permit(id);
    assert_eq!(world.state(id), StateName::Canceled);
}

#[test]
fn a_stronger_reason_replaces_a_weaker_one_and_the_first_date_stays() {
    let mut world = World::new();
    let tell = |world: &mut World, reason| {
        let since = world.now;
        let decision = world.tell(ContactCommand::Suppress(Box::new(suppression(reason, since)), None));
        match answer(&decision) {
            Ok(Answer::Suppressed(suppression, is_new)) => (suppression.reason, suppression.since, *is_new),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(tell(&mut world, SuppressionReason::HardBounce), (SuppressionReason::HardBounce, NOW, true));
    world.later(std::time::Duration::from_secs(5));
    assert_eq!(tell(&mut world, SuppressionReason::Manual), (SuppressionReason::HardBounce, NOW, false));
    assert_eq!(tell(&mut world, SuppressionReason::Complaint), (SuppressionReason::Complaint, NOW, false));
}

#[test]
fn a_cancel_is_taken_back_and_what_has_come_due_goes_at_once() {
    let mut world = World::new();
    let id = world.sms();
    world.tell(ContactCommand::Cancel(caller(), id));
    world.later(std::time::Duration::from_secs(9));
    world.tell(ContactCommand::Restore(caller(), id));
    assert_eq!((world.state(id), world.message(id).due_at), (StateName::Scheduled, world.now));
    assert_eq!(world.claim(id).message, id);
    assert_eq!(conflict(&world.tell(ContactCommand::Restore(caller(), id))), "not_undoable");
}

#[test]
fn what_an_opt_out_cancelled_is_not_undone() {
    let mut world = World::new();
    let id = world.sms();
    world.tell_all(opt(true, hers()));
    assert_eq!(conflict(&world.tell(ContactCommand::Restore(caller(), id))), "not_undoable");
}

#[test]
fn an_erased_address_stays_suppressed_and_is_readable_again_only_when_it_is_named_anew() {
    let mut world = World::new();
    let digest = keys::address_digest(ACCOUNT, &hers());
    let stored = |world: &World| world.model.suppressions().pop().expect("it is on the list").1;
    let since = UnixMs(NOW.0 - 5);
    world.tell(ContactCommand::Suppress(Box::new(suppression(SuppressionReason::Complaint, since)), None));
    for _ in 0..2 {
        world.tell(ContactCommand::EraseSuppressed(ACCOUNT, hers()));
        let erased = stored(&world);
        assert_eq!((erased.address, erased.reason, erased.since), (None, SuppressionReason::Complaint, since));
    }
    let id = world.sms();
    world.permit(id);
    assert_eq!(world.state(id), StateName::Canceled, "nothing is sent to it");
    world.tell(ContactCommand::Suppress(Box::new(suppression(SuppressionReason::Manual, NOW)), None));
    let named = stored(&world);
    assert_eq!((named.address, named.reason, named.since), (Some(hers()), SuppressionReason::Complaint, since));
    world.tell(ContactCommand::EraseSuppressed(ACCOUNT, hers()));
    world.tell(ContactCommand::Unsuppress(ACCOUNT, hers(), None));
    assert!(world.model.suppressions().is_empty() && world.suppressions.find(ACCOUNT, &hers()) == Some(digest));
}

#[test]
fn erasing_an_address_that_nobody_suppressed_changes_nothing() {
    let mut world = World::new();
    assert!(world.tell(ContactCommand::EraseSuppressed(ACCOUNT, hers())).mutations.is_empty());
}
