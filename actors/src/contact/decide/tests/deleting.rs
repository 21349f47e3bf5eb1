//! Deleting a contact, and forgetting what was settled long ago.

use std::time::Duration;

use super::world::*;
use crate::contact::command::{Answer, ContactCommand, Matter};
use crate::contact::decide::cleanup::CLEANUP_ROOM;
use crate::contact::decision::{Decision, Effect};
use crate::domain::address::Channel;
use crate::domain::clock::UnixMs;
use crate::domain::ids::{BootId, ContactId, MessageId};
use crate::domain::message::{Attachment, BlobKey, StateName};
use crate::domain::ticket::{Ticket, TicketKind};
use crate::protocol::api::{EngineError, NewContact, NewMessage};
use crate::sender::Release;
use crate::store::{Index, Mutation, Table, codec, keys};

fn next(decision: &Decision) -> Option<ContactCommand> {
    decision.effects.iter().find_map(|effect| match effect {
        Effect::Continue(command) => Some((**command).clone()),
        _ => None,
    })
}

fn rewake(decision: &Decision) -> Option<(Ticket, UnixMs)> {
    decision.effects.iter().find_map(|effect| match effect {
        Effect::Rewake(ticket, at) => Some((*ticket, *at)),
        _ => None,
    })
}

/// The clean-up entry in the due index, as a start finds it.
fn cleanup_entry(world: &World) -> Option<Ticket> {
    let due = world.model.index.iter().filter(|(index, ..)| *index == Index::Due);
    let mut tickets = due.map(|(_, score, member)| Ticket::from_entry(*score, member).unwrap());
    tickets.find(|ticket| ticket.kind() == TicketKind::Cleanup)
}

/// Goes on until nothing follows. How many steps it took.
fn go_on(world: &mut World, mut command: Option<ContactCommand>) -> usize {
    let mut steps = 0;
    while let Some(this) = command {
        assert!(steps < 100, "it goes on for ever");
        steps += 1;
        command = next(&world.tell(this));
    }
    steps
}

/// But for the trail of what people did, which names ids alone.
pub(super) fn assert_all_is_gone(world: &World) {
    let records: Vec<_> = world.model.records.keys().filter(|(table, _)| *table != Table::Audit).collect();
    assert!(records.is_empty(), "{records:?}");
    let entries: Vec<_> = world.model.index.iter().filter(|(index, ..)| !matches!(index, Index::Audit(_))).collect();
    assert!(entries.is_empty(), "{entries:?}");
    assert!(world.model.counters.values().all(|count| *count == 0));
}

/// An email with its content and nine attachments in blobs.
fn heavy(world: &mut World) -> MessageId {
    let id = world.schedule(NewMessage { content: content(&"x".repeat(1_500)), ..new_message(Channel::Email) }).id;
    let mut message = world.message(id);
    for blob in 1..=9 {
        let (filename, content_type) = ("a.pdf".into(), "application/pdf".into());
        message.attachments.push(Attachment { blob, filename, content_type, size: 1 });
        let key = keys::blob(BlobKey { message: id, number: blob });
        world.model.apply(&[Mutation::Put(Table::Blob, key, bytes::Bytes::from_static(b"x"))]);
    }
    world.model.apply(&[Mutation::Put(Table::Message, keys::message(id), codec::encode(&message))]);
    id
}

#[test]
fn the_tombstone_and_the_entry_that_resumes_it_are_one_batch() {
    let mut world = World::new();
    world.sms();
    world.email();
    let decision = world.tell(ContactCommand::Delete(caller(), Removal::Delete));
    assert_eq!(answer(&decision), &Ok(Answer::Deleted(2)));
    assert!(world.contact().unwrap().is_deleted());
    assert!(cleanup_entry(&world).is_some());
    assert_eq!(next(&decision), cleanup_entry(&world).map(ContactCommand::Cleanup));
    assert!(!decision.is_growth, "deleting works when space has run out");
}

#[test]
fn from_the_tombstone_on_nothing_is_handed_over_scheduled_or_changed() {
    let mut world = World::new();
    let id = world.sms();
    world.tell(ContactCommand::Delete(caller(), Removal::Delete));
    for command in [
        ContactCommand::Cancel(caller(), id),
        ContactCommand::SendNow(caller(), id),
        ContactCommand::Edit(caller(), id, Box::default(), None),
        ContactCommand::Patch(caller(), Box::default(), None),
        ContactCommand::Delete(caller(), Removal::Delete),
    ] {
        assert_eq!(answer(&world.tell(command)), &Err(EngineError::NotFound));
    }
    for command in [
        ContactCommand::Create(caller(), Box::new(NewContact { profile: profile(), idempotency: None })),
        ContactCommand::Upsert(caller(), Box::new(NewContact { profile: profile(), idempotency: None })),
    ] {
        assert_eq!(conflict(&world.tell(command)), "contact_being_deleted");
    }
    let decision = world.permit(id);
    assert_eq!((envelope(&decision).is_none(), release(&decision)), (true, Some(Release::Unused)));
}

#[test]
fn a_deletion_goes_in_chunks_and_leaves_nothing() {
    let mut world = World::new();
    for _ in 0..110 {
        let id = world.sms();
        world.attempt(id, submitted());
        world.email();
        world.sms();
    }
    let parked = world.sms();
    world.park(parked);
    let held = world.sms();
    world.directory.remove_sender(SMS);
    world.permit(held);
    let decision = world.tell(ContactCommand::Delete(caller(), Removal::Delete));
    let first = world.tell(next(&decision).unwrap());
    assert!(first.mutations.len() > CLEANUP_ROOM / 4 * 3, "a batch is used: {}", first.mutations.len());
    assert_eq!(go_on(&mut world, next(&first)), 2, "the other pending ones, and the past with the contact");
    assert_all_is_gone(&world);
}

#[test]
fn messages_with_many_blobs_are_removed_in_smaller_chunks() {
    let mut world = World::new();
    for _ in 0..40 {
        let id = heavy(&mut world);
        world.attempt(id, submitted());
        heavy(&mut world);
    }
    let decision = world.tell(ContactCommand::Delete(caller(), Removal::Delete));
    go_on(&mut world, next(&decision));
    assert_all_is_gone(&world);
}

#[test]
fn the_end_of_a_deletion_removes_record_entry_and_hints() {
    let mut world = World::new();
    let decision = world.tell(ContactCommand::Delete(caller(), Removal::Delete));
    let last = world.tell(next(&decision).unwrap());
    assert_eq!((last.contact, last.hints_to_remove.len()), (Some(None), 3));
    assert!(cleanup_entry(&world).is_none());
    assert_all_is_gone(&world);
}

#[test]
fn a_deletion_that_a_crash_interrupted_goes_on_with_what_is_left() {
    let mut world = World::new();
    for _ in 0..50 {
        world.sms();
    }
    let claimed = world.email();
    world.claim(claimed);
    let decision = world.tell(ContactCommand::Delete(caller(), Removal::Delete));
    world.tell(next(&decision).unwrap());
    world.boot = BootId(2);
    let resumed = cleanup_entry(&world).map(ContactCommand::Cleanup);
    go_on(&mut world, resumed);
    assert_all_is_gone(&world);
}

#[test]
fn an_entry_whose_record_is_gone_is_removed_by_itself() {
    let mut world = World::new();
    let decision = world.tell(ContactCommand::Delete(caller(), Removal::Delete));
    let member = keys::message_member(MessageId::from_bytes([9; 16]));
    world.model.index.insert((Index::Pending(CONTACT), NOW, member.clone()));
    let after = world.tell(next(&decision).unwrap());
    world.model.index.insert((Index::Timeline(CONTACT), NOW, member));
    go_on(&mut world, next(&after));
    assert_all_is_gone(&world);
}

#[test]
fn a_clean_up_of_a_contact_that_lives_or_is_gone_removes_its_entry_alone() {
    for mut world in [World::new(), World::empty()] {
        let ticket = Ticket::cleanup(ACCOUNT, CONTACT, NOW);
        world.model.index.insert((Index::Due, NOW, ticket.member().as_slice().into()));
        let before = world.model.records.clone();
        world.tell(ContactCommand::Cleanup(ticket));
        assert_eq!((cleanup_entry(&world), &world.model.records), (None, &before));
    }
}

/// What the end of a deletion asks of others.
fn consulted(decision: &Decision) -> Option<(Ticket, &[(ContactId, ContactCommand)])> {
    decision.effects.iter().find_map(|effect| match effect {
        Effect::Consult(consultation) => Some((consultation.ticket, &*consultation.asked)),
        _ => None,
    })
}

#[test]
fn an_erasure_takes_the_addresses_off_the_readable_list_before_the_contact_goes() {
    let mut world = World::new();
    let decision = world.tell(ContactCommand::Delete(caller(), Removal::Erase));
    let asking = world.tell(next(&decision).unwrap());
    let (ticket, asked) = consulted(&asking).expect("others are asked");
    let addresses: Vec<_> = profile().addresses().collect();
    let wanted = addresses.iter().map(|address| {
        let owner = ContactId::of_address_digest(&keys::address_digest(ACCOUNT, address));
        (owner, ContactCommand::EraseSuppressed(ACCOUNT, address.clone()))
    });
    assert_eq!(asked, wanted.collect::<Vec<_>>());
    assert!(world.contact().is_some() && cleanup_entry(&world).is_some(), "a crash asks again");
    world.tell(ContactCommand::Heard(ticket, Matter::Farewell, Ok(())));
    assert_all_is_gone(&world);
    let trail: Vec<_> = world.model.audit().into_iter().map(|entry| (entry.action, entry.subject)).collect();
    let noted = |action: &str| (action.to_owned(), CONTACT.to_string());
    assert_eq!(trail, [noted("contact.created"), noted("contact.erased")]);
}

#[test]
fn the_alias_of_an_external_id_goes_before_the_contact_that_it_leads_to() {
    let mut world = World::new();
    world.change_contact(|contact| contact.profile.external_id = Some("crm-1".into()));
    world.index_contact();
    let decision = world.tell(ContactCommand::Delete(caller(), Removal::Delete));
    let asking = world.tell(next(&decision).unwrap());
    let holder = ContactId::from_external_id(ACCOUNT, "crm-1");
    let (ticket, asked) = consulted(&asking).expect("its holder is asked");
    assert_eq!(asked, [(holder, ContactCommand::DropAlias(ACCOUNT, "crm-1".into(), CONTACT))]);
    let earlier = Ticket::cleanup(ACCOUNT, CONTACT, UnixMs(ticket.due_at.0 - 1));
    world.tell(ContactCommand::Heard(earlier, Matter::Farewell, Ok(())));
    assert!(world.contact().is_some(), "an answer to an earlier deletion ends nothing");
    let refused = world.tell(ContactCommand::Heard(ticket, Matter::Farewell, Err(EngineError::NotFound)));
    assert!(rewake(&refused).is_some() && world.contact().is_some());
    world.tell(ContactCommand::Heard(ticket, Matter::Farewell, Ok(())));
    assert_all_is_gone(&world);
}

#[test]
fn a_deletion_waits_for_an_attempt_under_way_and_ends_after_it() {
    let mut world = World::new();
    let id = world.sms();
    let ticket = world.ticket(id);
    let attempt = world.claim(id).attempt;
    let decision = world.tell(ContactCommand::Delete(caller(), Removal::Delete));
    let waiting = world.tell(next(&decision).unwrap());
    let (again, at) = rewake(&waiting).expect("it comes again");
    assert!(next(&waiting).is_none() && waiting.mutations.is_empty() && at > world.now);
    world.finish(ticket, attempt, submitted());
    go_on(&mut world, Some(ContactCommand::Cleanup(again)));
    assert_all_is_gone(&world);
}

#[test]
fn a_deletion_does_not_wait_for_a_claim_that_was_never_handed_over() {
    // The partition was dropped between the claim's commit and its acknowledgement: the pool forgot the permit.
    let mut world = World::new();
    let id = world.sms();
    world.claim(id);
    let decision = world.tell(ContactCommand::Delete(caller(), Removal::Delete));
    let waiting = world.tell(next(&decision).unwrap());
    let (again, _) = rewake(&waiting).expect("it may be under way");
    let decision = world.permit(id);
    assert!(envelope(&decision).is_none());
    go_on(&mut world, Some(ContactCommand::Cleanup(again)));
    assert_all_is_gone(&world);
}

#[test]
fn what_was_settled_before_an_instant_is_forgotten_and_the_rest_stays() {
    let mut world = World::new();
    let old: Vec<_> = (0..70).map(|_| world.sms()).collect();
    old.iter().for_each(|id| drop(world.attempt(*id, submitted())));
    world.later(Duration::from_secs(86_400));
    let (young, pending) = (world.sms(), world.sms());
    world.attempt(young, submitted());
    assert_eq!(go_on(&mut world, Some(ContactCommand::Forget(NOW))), 2);
    assert!(old.iter().all(|id| world.try_message(*id).is_none()));
    assert_eq!((world.state(young), world.state(pending)), (StateName::Submitted, StateName::Scheduled));
}

#[test]
fn heavy_messages_are_forgotten_in_smaller_chunks() {
    let mut world = World::new();
    for _ in 0..40 {
        let id = heavy(&mut world);
        world.attempt(id, submitted());
    }
    go_on(&mut world, Some(ContactCommand::Forget(NOW)));
    let mut left: Vec<_> = world.model.records.keys().map(|(table, _)| *table).collect();
    left.dedup();
    assert_eq!(left, [Table::Contact, Table::Audit], "the contact, and who made it and its messages");
}
