//! What the contact writes: kept once, in its thread, with what follows from it.

use super::world::*;
use crate::contact::command::{Answer, Attend, ContactCommand, Received};
use crate::domain::address::{Address, Channel, EmailAddress, PhoneNumber};
use crate::domain::conversation::{Inbound, ItemKind};
use crate::domain::ids::MessageId;
use crate::domain::message::{BlobKey, Content, StateName, StoredContent};
use crate::domain::reason::Reason;
use crate::domain::threading::{MailId, References};

const HERS: &str = "+12125550199";
const OURS: &str = "+12125550101";

pub(super) fn item_id(n: u8) -> MessageId {
    MessageId::in_partition(uuid::Uuid::from_bytes([n; 16]), PARTITION)
}

pub(super) fn sms(n: u8) -> Received {
    let from = Address::Phone(PhoneNumber::parse(HERS).unwrap());
    let content = StoredContent::Inline(Content { text: Some("fine".into()), ..Content::default() });
    let inbound = Inbound {
        channel: Channel::Sms,
        from,
        to: OURS.into(),
        sender: Some(SMS),
        content,
        attachments: Vec::new(),
        in_reply_to: None,
        message_id: None,
        references: References::default(),
        provider_id: Some(format!("SM{n}")),
        is_automatic: false,
        has_raw: false,
    };
    Received {
        account: ACCOUNT,
        item: item_id(n),
        inbound: Box::new(inbound),
        blobs: Vec::new(),
        name: None,
        candidates: Vec::new(),
    }
}

pub(super) fn mail(n: u8, candidates: Vec<MessageId>) -> Received {
    let mut received = sms(n);
    let from = Address::Email(EmailAddress::parse("jane@example.com").unwrap());
    let inbound = Inbound {
        channel: Channel::Email,
        from,
        to: "hi@example.com".into(),
        sender: Some(EMAIL),
        message_id: MailId::parse(&format!("<{n}@example.com>")).ok(),
        provider_id: None,
        has_raw: true,
        ..*received.inbound
    };
    received.inbound = Box::new(inbound);
    received.blobs = vec![(BlobKey::RAW, "raw".into())];
    Received { candidates, ..received }
}

pub(super) fn receive(world: &mut World, received: Received) -> bool {
    let decision = world.tell_all(ContactCommand::Receive(Box::new(received)));
    match answer(&decision) {
        Ok(Answer::Received { is_new, .. }) => *is_new,
        other => panic!("not received: {other:?}"),
    }
}

pub(super) fn inbound(world: &World, n: u8) -> Inbound {
    match world.item(item_id(n)).expect("the item is there").kind {
        ItemKind::Inbound(inbound) => *inbound,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_they_write_stands_in_the_thread_and_is_unread() {
    let mut world = World::new();
    assert!(receive(&mut world, sms(1)));
    let conversation = world.contact().unwrap().conversation;
    assert_eq!((conversation.unread, conversation.last_activity_at), (1, Some(NOW)));
    assert_eq!(conversation.last_channel, Some(Channel::Sms));
    assert!(receive(&mut world, mail(2, Vec::new())));
    assert_eq!(world.contact().unwrap().conversation.unread, 2);
    assert_eq!(world.contact().unwrap().last_used(Channel::Email).sender, Some(EMAIL));
}

#[test]
fn the_same_message_delivered_twice_is_kept_once() {
    let mut world = World::new();
    assert!(receive(&mut world, sms(1)));
    assert!(!receive(&mut world, sms(1)));
    assert_eq!(world.contact().unwrap().conversation.unread, 1);
}

#[test]
fn an_address_that_no_contact_has_makes_one_that_is_marked_unknown() {
    let mut world = World::empty();
    assert!(receive(&mut world, Received { name: Some("Jane".into()), ..sms(1) }));
    let contact = world.contact().unwrap();
    assert!(contact.conversation.is_unknown);
    assert_eq!(contact.profile.phones[0].number.as_str(), HERS);
    assert_eq!(contact.profile.name.as_deref(), Some("Jane"));
}

#[test]
fn an_sms_answers_the_last_one_between_the_two_numbers() {
    let mut world = World::new();
    let (first, second) = (world.sms(), world.sms());
    world.attempt(first, submitted());
    world.later(std::time::Duration::from_secs(1));
    world.attempt(second, submitted());
    let from_another_number = Received {
        inbound: Box::new(Inbound { sender: Some(ANNS), to: "+12125550103".into(), ..*sms(1).inbound }),
        ..sms(1)
    };
    world.later(std::time::Duration::from_secs(1));
    receive(&mut world, from_another_number);
    assert_eq!(inbound(&world, 1).in_reply_to, None);
    world.later(std::time::Duration::from_secs(1));
    receive(&mut world, sms(2));
    assert_eq!(inbound(&world, 2).in_reply_to, Some(second));
    world.later(std::time::Duration::from_secs(1));
    receive(&mut world, sms(3));
    assert_eq!(inbound(&world, 3).in_reply_to, Some(item_id(2)));
}

#[test]
fn a_mail_answers_the_nearest_reference_that_stands_in_the_thread() {
    let mut world = World::new();
    let id = world.email();
    world.attempt(id, submitted());
    receive(&mut world, mail(1, vec![item_id(9), id]));
    assert_eq!(inbound(&world, 1).in_reply_to, Some(id));
    receive(&mut world, mail(2, vec![item_id(1), id]));
    assert_eq!(inbound(&world, 2).in_reply_to, Some(item_id(1)));
}

#[test]
fn a_reply_takes_back_what_was_to_be_taken_back_then_and_nothing_else() {
    let mut world = World::new();
    let stays = world.sms();
    let far =
        world.schedule(crate::protocol::api::NewMessage { cancel_on_reply: true, ..new_message(Channel::Email) }).id;
    world.later(std::time::Duration::from_secs(60));
    receive(&mut world, sms(1));
    assert_eq!(world.state(stays), StateName::Scheduled);
    assert_eq!((world.state(far), world.message(far).reason), (StateName::Canceled, Some(Reason::Replied)));
    let later =
        world.schedule(crate::protocol::api::NewMessage { cancel_on_reply: true, ..new_message(Channel::Email) }).id;
    world.later(std::time::Duration::from_secs(60));
    assert_eq!(world.claim(later).message, later, "scheduled after the reply");
}

#[test]
fn the_last_check_knows_of_a_reply_before_the_sweep_has_come_by() {
    let mut world = World::new();
    let id = world.schedule(crate::protocol::api::NewMessage { cancel_on_reply: true, ..new_message(Channel::Sms) }).id;
    world.later(std::time::Duration::from_secs(60));
    world.tell(ContactCommand::Receive(Box::new(sms(1))));
    world.permit(id);
    assert_eq!((world.state(id), world.message(id).reason), (StateName::Canceled, Some(Reason::Replied)));
}

#[test]
fn an_out_of_office_note_is_no_reply() {
    let mut world = World::new();
    let id = world.schedule(crate::protocol::api::NewMessage { cancel_on_reply: true, ..new_message(Channel::Sms) }).id;
    world.later(std::time::Duration::from_secs(60));
    receive(&mut world, Received { inbound: Box::new(Inbound { is_automatic: true, ..*sms(1).inbound }), ..sms(1) });
    assert_eq!(world.contact().unwrap().conversation.unread, 0);
    assert_eq!(world.claim(id).message, id);
}

#[test]
fn a_deleted_contact_takes_its_received_messages_and_notes_with_it() {
    let mut world = World::new();
    receive(&mut world, mail(1, Vec::new()));
    world.tell(ContactCommand::Note(caller(), item_id(2), "likes tea".into()));
    world.tell_all(ContactCommand::Delete(caller(), Removal::Delete));
    assert!(world.model.items().is_empty());
    assert!(world.contact().is_none());
    super::deleting::assert_all_is_gone(&world);
}

#[test]
fn retention_takes_old_items_along() {
    let mut world = World::new();
    receive(&mut world, mail(1, Vec::new()));
    world.later(std::time::Duration::from_secs(100));
    receive(&mut world, sms(2));
    let before = world.now.minus(std::time::Duration::from_secs(50));
    world.tell_all(ContactCommand::Forget(before));
    assert!(world.item(item_id(1)).is_none() && world.item(item_id(2)).is_some());
}

#[test]
fn a_conversation_is_read_and_assigned() {
    let mut world = World::new();
    receive(&mut world, sms(1));
    world.tell(ContactCommand::Attend(caller(), Attend { is_read: Some(true), assigned_to: Some(Some(ANN)) }));
    let conversation = world.contact().unwrap().conversation;
    assert_eq!((conversation.unread, conversation.assigned_to), (0, Some(ANN)));
    world.tell(ContactCommand::Attend(caller(), Attend { is_read: Some(false), assigned_to: None }));
    assert_eq!(world.contact().unwrap().conversation.unread, 1);
}
