//! Permits: a claim, or a named reason why not.

use std::time::Duration;

use super::world::*;
use crate::contact::command::{AttemptEnd, ContactCommand};
use crate::contact::decision::{Decision, Effect};
use crate::domain::address::Channel;
use crate::domain::contact::Consent;
use crate::domain::directory::Role;
use crate::domain::ids::{BootId, MessageId};
use crate::domain::message::{AttemptOutcome, Class, Content, State, StateName, StoredContent};
use crate::domain::reason::Reason;
use crate::domain::schedule::IfLate;
use crate::protocol::api::{MessageEdit, NewMessage};
use crate::sender::Release;
use crate::store::keys;
use crate::store::{Index, Mutation, Table};

const OTHER_BOOT: BootId = BootId(2);

#[test]
fn a_claim_is_one_mutation_and_hands_the_envelope_over_under_its_permit() {
    let mut world = World::new();
    let id = world.sms();
    let decision = world.permit(id);
    assert_eq!(budget(&decision), (1, 0));
    assert!(!decision.is_growth);
    assert!(armed(&decision).is_empty() && disarmed(&decision).is_empty());
    let envelope = envelope(&decision).unwrap();
    assert_eq!((envelope.message, envelope.attempt, envelope.first_attempt), (id, 1, true));
    assert_eq!((envelope.content, envelope.date), (content("hello"), NOW));
    let message = world.message(id);
    let State::Sending(claim) = message.state else { panic!() };
    assert_eq!((claim.attempt, claim.boot, claim.deadline), (1, world.boot, NOW.plus(Duration::from_secs(35))));
    assert_eq!(message.attempts[0].outcome, AttemptOutcome::Pending);
}

#[test]
fn an_envelope_is_handed_over_only_after_everything_else_of_its_decision() {
    let mut world = World::new();
    let id = world.sms();
    assert!(matches!(world.permit(id).effects.last(), Some(Effect::HandOver(..))));
}

#[test]
fn a_ticket_of_a_message_that_is_gone_or_settled_loses_its_entry_wherever_that_stands() {
    let mut world = World::new();
    let id = world.sms();
    let ticket = world.ticket(id);
    world.tell(ContactCommand::Cancel(caller(), id));
    let mut gone = ticket;
    gone.message = MessageId::from_bytes([77; 16]);
    for ticket in [ticket, ticket.parked(), gone] {
        let member = ticket.member().as_slice().into();
        let waiting = Index::Waiting(ticket.lane, ticket.class());
        for index in [Index::Due, waiting] {
            world.model.apply(&[Mutation::Index(index, ticket.due_at, smallvec::SmallVec::clone(&member))]);
        }
        let decision = world.grant(ticket);
        assert_eq!(release(&decision), Some(Release::Unused));
        assert_eq!(decision.mutations.len(), 2);
    }
}

#[test]
fn a_ticket_of_an_earlier_due_time_changes_nothing() {
    let mut world = World::new();
    let id = world.sms();
    let ticket = world.ticket(id);
    world.later(Duration::from_millis(5));
    world.tell(ContactCommand::SendNow(caller(), id));
    assert_eq!(release(&world.grant(ticket)), Some(Release::Unused));
    assert_eq!(world.state(id), StateName::Scheduled);
}

#[test]
fn a_permit_of_the_lane_that_an_edit_left_behind_does_not_claim_the_message() {
    for edit in [
        MessageEdit { from: Some(ANNS), ..MessageEdit::default() },
        MessageEdit { class: Some(Class::Conversation), ..MessageEdit::default() },
    ] {
        let mut world = World::new();
        let id = world.sms();
        let before = world.ticket(id);
        let decision = world.tell(ContactCommand::Edit(caller(), id, Box::new(edit), None));
        assert_eq!((disarmed(&decision), armed(&decision)), (vec![before], vec![world.ticket(id)]));
        assert_eq!(before.due_at, world.ticket(id).due_at);
        assert_eq!(release(&world.grant(before)), Some(Release::Unused), "the old lane may not send it");
        world.claim(id);
        // Had the old lane's permit come second, it would have met a claim that the pool has in flight.
        let decision = world.grant(before);
        assert!(envelope(&decision).is_none(), "it would be handed over twice");
        assert_eq!((release(&decision), world.state(id)), (Some(Release::Unused), StateName::Sending));
    }
}

#[test]
fn a_permit_that_comes_early_since_the_clock_was_set_back_waits_for_its_time() {
    let mut world = World::new();
    let id = world.sms();
    let (ticket, due_at) = (world.ticket(id), world.now);
    world.claim(id);
    world.now = due_at.minus(Duration::from_secs(60));
    for is_claimed in [true, false] {
        assert_eq!(world.state(id) == StateName::Sending, is_claimed);
        let decision = world.grant(ticket);
        assert!(envelope(&decision).is_none());
        assert_eq!(release(&decision), Some(Release::Unused));
        assert!(decision.effects.iter().any(|effect| matches!(effect, Effect::Rewake(_, at) if *at == due_at)));
        assert_eq!((world.state(id), world.message(id).attempts.len()), (StateName::Scheduled, 0));
        assert_eq!(budget(&decision).0, usize::from(is_claimed), "one that is scheduled stays as it is");
    }
    world.now = due_at;
    assert!(envelope(&world.grant(ticket)).is_some());
}

#[test]
fn a_claim_of_this_boot_that_is_met_again_was_never_handed_over_and_is_not_counted() {
    let mut world = World::new();
    let id = world.sms();
    world.claim(id);
    world.later(Duration::from_millis(300));
    let again = world.claim(id);
    assert_eq!((again.attempt, again.first_attempt), (1, true));
    let message = world.message(id);
    assert_eq!((message.attempts.len(), message.attempts[0].started_at), (1, world.now));
}

#[test]
fn a_claim_of_another_boot_is_left_alone_until_its_deadline() {
    let mut world = World::new();
    let id = world.email();
    world.claim(id);
    let (ticket, before) = (world.ticket(id), world.message(id));
    world.boot = OTHER_BOOT;
    world.later(Duration::from_millis(34_999));
    let decision = world.permit(id);
    assert_eq!(release(&decision), Some(Release::Unused));
    let rewake = |effect: &Effect| if let Effect::Rewake(ticket, at) = effect { Some((*ticket, *at)) } else { None };
    let deadline = NOW.plus(Duration::from_secs(35));
    assert_eq!(decision.effects.iter().find_map(rewake), Some((ticket, deadline)));
    assert_eq!(world.message(id), before);
}

#[test]
fn an_orphaned_claim_is_tried_again_by_email_and_held_for_a_person_by_sms() {
    for (channel, state, uncertain) in
        [(Channel::Email, StateName::Scheduled, 1), (Channel::Sms, StateName::Uncertain, 1)]
    {
        let mut world = World::new();
        let id = world.schedule(new_message(channel)).id;
        world.claim(id);
        world.boot = OTHER_BOOT;
        world.later(Duration::from_secs(35));
        let decision = world.permit(id);
        assert_eq!(release(&decision), Some(Release::Unused));
        let message = world.message(id);
        assert_eq!((message.state.name(), &message.attempts[0].outcome), (state, &AttemptOutcome::Unknown));
        assert_eq!(message.reason, Some(Reason::ClaimOrphaned));
        assert!(message.history.iter().any(|entry| entry.state == StateName::Uncertain));
        let counted = |effect: &&Effect| matches!(effect, Effect::Count(_, StateName::Uncertain));
        assert_eq!(decision.effects.iter().filter(counted).count(), uncertain, "{channel}");
        if state == StateName::Scheduled {
            assert!(message.due_at > world.now, "after its backoff");
            assert_eq!(armed(&decision), [world.ticket(id)]);
            world.now = message.due_at;
            assert_eq!(world.claim(id).attempt, 2);
        }
    }
}

#[test]
fn an_orphaned_claim_of_a_cancelled_message_is_not_tried_again() {
    let mut world = World::new();
    let id = world.email();
    world.claim(id);
    world.tell(ContactCommand::Cancel(caller(), id));
    world.boot = OTHER_BOOT;
    world.later(Duration::from_secs(60));
    world.permit(id);
    assert_eq!(world.state(id), StateName::Uncertain);
}

/// What the last check does with a message after `change`.
fn checked(new: NewMessage, change: impl FnOnce(&mut World, MessageId)) -> (StateName, Option<Reason>, Decision) {
    let mut world = World::new();
    let decision = world.schedule_as(&user(ANN), new);
    let Ok(crate::contact::command::Answer::Scheduled(created)) = answer(&decision).clone() else { panic!() };
    let id = created.into_inner().id;
    change(&mut world, id);
    let ticket = world.ticket(id);
    let decision = world.grant(ticket);
    assert!(envelope(&decision).is_none());
    assert_eq!(release(&decision), Some(Release::Unused));
    assert_eq!(disarmed(&decision), [ticket]);
    let message = world.message(id);
    assert_eq!(message.history.last().unwrap().reason, message.reason);
    (message.state.name(), message.reason, decision)
}

#[test]
fn the_last_check_stops_what_the_contact_no_longer_wants() {
    let sms = || new_message(Channel::Sms);
    let (state, reason, decision) = checked(sms(), |world, _| world.set_consent(Consent::Denied));
    assert_eq!((state, reason), (StateName::Canceled, Some(Reason::ConsentDenied)));
    assert_eq!(budget(&decision), (4, 1));
    let (state, reason, _) = checked(sms(), |world, id| {
        let edit = MessageEdit { class: Some(Class::Campaign), ..MessageEdit::default() };
        world.set_consent(Consent::Granted);
        world.tell(ContactCommand::Edit(user(ANN), id, Box::new(edit), None));
        world.set_consent(Consent::Unknown);
    });
    assert_eq!((state, reason), (StateName::Canceled, Some(Reason::ConsentMissing)));
}

#[test]
fn the_last_check_holds_what_a_person_must_look_at() {
    let sms = || new_message(Channel::Sms);
    let (state, reason, _) = checked(sms(), |world, _| {
        world.change_contact(|contact| contact.profile.phones.clear());
        world.drop_search_entries_but_those_of_the_contact();
    });
    assert_eq!((state, reason), (StateName::Held, Some(Reason::AddressRemoved)));
    let (state, reason, _) = checked(sms(), |world, _| world.directory.remove_sender(ANNS));
    assert_eq!((state, reason), (StateName::Held, Some(Reason::SenderGone)));
    let (state, reason, _) = checked(sms(), |world, _| {
        let mut anns = world.directory.sender(ANNS).unwrap().clone();
        anns.assigned_user = Some(BOB);
        world.directory.put_sender(anns);
    });
    assert_eq!((state, reason), (StateName::Held, Some(Reason::SenderNotPermitted)));
    let template = Content { render: true, ..content("{{ contact.name }}") };
    let (state, reason, _) = checked(NewMessage { content: template, ..sms() }, |world, _| {
        world.change_contact(|contact| contact.profile.name = None);
        world.drop_search_entries_but_those_of_the_contact();
    });
    assert!(state == StateName::Held && matches!(reason, Some(Reason::TemplateFailed(_))));
}

#[test]
fn the_last_check_expires_what_is_later_than_its_author_allowed() {
    let limit = Duration::from_secs(60);
    let new = || NewMessage { if_late: IfLate::SkipAfter(limit), ..new_message(Channel::Sms) };
    let (state, reason, _) = checked(new(), |world, _| world.later(limit + Duration::from_millis(1)));
    assert_eq!((state, reason), (StateName::Expired, Some(Reason::TooLate(limit))));
    let mut world = World::new();
    let id = world.schedule(new()).id;
    world.later(limit);
    world.claim(id);
}

#[test]
fn content_that_is_missing_from_the_store_holds_its_message() {
    let mut world = World::new();
    let id = world.schedule(NewMessage { content: content(&"x".repeat(1_500)), ..new_message(Channel::Email) }).id;
    let key = keys::blob(crate::domain::message::BlobKey { message: id, number: 0 });
    let blob = world.model.records.remove(&(Table::Blob, key.clone())).unwrap();
    world.lost_blobs = 1;
    world.permit(id);
    assert_eq!((world.state(id), world.message(id).reason), (StateName::Held, Some(Reason::ContentLost)));
    world.model.records.insert((Table::Blob, key), blob);
    world.lost_blobs = 0;
    world.tell(ContactCommand::SendNow(caller(), id));
    world.claim(id);
}

#[test]
fn a_message_is_sent_with_its_authors_rights_which_a_removed_user_leaves_to_the_account() {
    let mut world = World::new();
    let decision = world.schedule_as(&user(ANN), new_message(Channel::Sms));
    let Ok(crate::contact::command::Answer::Scheduled(created)) = answer(&decision).clone() else { panic!() };
    let message = created.into_inner();
    assert_eq!(message.sender, ANNS);
    let mut without = World::new();
    std::mem::swap(&mut without.model, &mut world.model);
    without.remove_users();
    assert_eq!(without.directory.user(ANN).map(|user| user.role), None::<Role>);
    without.claim(message.id);
}

#[test]
fn what_was_rendered_is_kept_so_that_a_retry_says_the_same() {
    for (text, is_blob) in
        [("hello {{ contact.name }}".to_owned(), false), (format!("{}{{{{ contact.name }}}}", "x".repeat(1_500)), true)]
    {
        let mut world = World::new();
        let template = Content { render: true, ..content(&text) };
        let id = world.schedule(NewMessage { content: template, ..new_message(Channel::Email) }).id;
        let first = world.claim(id);
        assert!(first.content.text.as_deref().unwrap().ends_with("Jane Doe"));
        assert_eq!(matches!(world.message(id).content, StoredContent::Blob { .. }), is_blob);
        world.finish(world.ticket(id), 1, AttemptEnd::NotStarted);
        world.change_contact(|contact| contact.profile.attributes.insert("a".into(), "b".into()).map_or((), drop));
        world.change_contact(|contact| contact.profile.tags.push("new".into()));
        assert_eq!(world.claim(id).content, first.content);
    }
}

#[test]
fn content_that_grows_or_shrinks_when_it_is_rendered_moves_into_a_blob_or_out_of_it() {
    let source = format!("{{{{ contact.attributes.a }}}}{{# {} #}}", "x".repeat(1_200));
    for (source, value, is_blob) in
        [(source.as_str(), "short", false), ("{{ contact.attributes.a }}", &*"y".repeat(1_500), true)]
    {
        let mut world = World::new();
        world.change_contact(|contact| drop(contact.profile.attributes.insert("a".into(), value.into())));
        let template = Content { render: true, ..content(source) };
        let id = world.schedule(NewMessage { content: template, ..new_message(Channel::Email) }).id;
        assert_ne!(matches!(world.message(id).content, StoredContent::Blob { .. }), is_blob);
        assert_eq!(world.claim(id).content.text.as_deref(), Some(value));
        assert_eq!(matches!(world.message(id).content, StoredContent::Blob { .. }), is_blob);
        world.attempt(id, submitted());
    }
}

#[test]
fn a_cost_that_is_trued_up_at_the_claim_leaves_its_due_entry_alone() {
    for is_parked in [false, true] {
        let mut world = World::new();
        let template = Content { render: true, ..content("{{ contact.attributes.a }}") };
        world.change_contact(|contact| drop(contact.profile.attributes.insert("a".into(), "short".into())));
        let id = world.schedule(NewMessage { content: template, ..new_message(Channel::Sms) }).id;
        world.change_contact(|contact| drop(contact.profile.attributes.insert("a".into(), "x".repeat(200))));
        if is_parked {
            world.park(id);
        }
        let ticket = world.ticket(id);
        let attempt = world.claim(id).attempt;
        assert_eq!((ticket.cost, world.message(id).cost()), (1, 2));
        assert!(world.due_tickets().contains(&ticket), "as its lane has it");
        world.finish(ticket, attempt, AttemptEnd::NotStarted);
        let attempt = envelope(&world.grant(ticket)).unwrap().attempt;
        let decision = world.finish(ticket, attempt, submitted());
        assert!(decision.effects.iter().any(|effect| matches!(effect, Effect::Settled(Channel::Sms, _, 2))));
    }
}

#[test]
fn a_campaign_mail_carries_its_unsubscribe_link_and_others_do_not() {
    let mut world = World::new();
    world.set_consent(Consent::Granted);
    let id = world.email();
    assert!(world.claim(id).list_unsubscribe.is_none());
    let id = world.schedule(NewMessage { class: Some(Class::Campaign), ..new_message(Channel::Email) }).id;
    assert!(world.claim(id).list_unsubscribe.unwrap().as_str().starts_with("http://127.0.0.1:8080/u/"));
}
