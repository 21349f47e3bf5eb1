//! What people change leaves an entry in the audit trail, in the same batch; what is refused leaves none.

use std::time::Duration;

use super::world::*;
use crate::contact::command::{Attend, ContactCommand};
use crate::contact::decision::Decision;
use crate::domain::address::Channel;
use crate::domain::audit::AuditEntry;
use crate::domain::contact::{Profile, Removal};
use crate::domain::ids::{AccountNo, ApiKeyId, UserId};
use crate::domain::message::Author;
use crate::protocol::api::{Caller, MessageEdit, NewContact, ProfilePatch};
use crate::store::{Index, Mutation, Table, codec};

/// The entry that a decision writes; it is listed where it is kept.
fn entry(decision: &Decision) -> Option<AuditEntry> {
    let found = decision.mutations.iter().find_map(|mutation| match mutation {
        Mutation::Put(Table::Audit, _, bytes) => Some(codec::decode::<AuditEntry>(bytes).unwrap()),
        _ => None,
    });
    let listed = decision.mutations.iter().filter(|one| matches!(one, Mutation::Index(Index::Audit(_), ..))).count();
    assert_eq!(listed, usize::from(found.is_some()));
    found
}

fn noted(decision: &Decision, action: &str, subject: impl std::fmt::Display, fields: &[&str]) {
    let entry = entry(decision).unwrap_or_else(|| panic!("{action} is noted"));
    assert_eq!((entry.action.as_str(), entry.subject), (action, subject.to_string()));
    assert_eq!((entry.account, entry.who, entry.from), (ACCOUNT, caller().author, caller().origin));
    assert_eq!(entry.fields, fields);
}

#[test]
fn what_people_change_is_noted_with_the_names_of_fields() {
    let mut world = World::new();
    let contact = world.contact().unwrap().id;
    let patch = ProfilePatch { name: Some(Some("Eve".into())), tags: Some(vec![]), ..ProfilePatch::default() };
    let decision = world.tell(ContactCommand::Patch(caller(), Box::new(patch), None));
    noted(&decision, "contact.updated", contact, &["name", "tags"]);
    let id = world.sms();
    let edit = MessageEdit { text: Some("Another text".into()), ..MessageEdit::default() };
    let decision = world.tell(ContactCommand::Edit(caller(), id, Box::new(edit), None));
    noted(&decision, "message.updated", id, &["text"]);
    noted(&world.tell(ContactCommand::Cancel(caller(), id)), "message.canceled", id, &[]);
    world.later(Duration::from_secs(1));
    noted(&world.tell(ContactCommand::Restore(caller(), id)), "message.restored", id, &[]);
    noted(&world.tell(ContactCommand::SendNow(caller(), id)), "message.sent_now", id, &[]);
    let gone = world.sms();
    world.attempt(gone, submitted());
    noted(&world.tell(ContactCommand::Remove(caller(), gone)), "message.deleted", gone, &[]);
    let attend = Attend { assigned_to: Some(None), is_read: Some(false) };
    assert_eq!(entry(&world.tell(ContactCommand::Attend(caller(), attend))), None, "nobody had it before");
    noted(&world.tell(ContactCommand::Delete(caller(), Removal::Delete)), "contact.deleted", contact, &[]);
}

#[test]
fn what_somebody_schedules_and_upserts_is_noted_unless_a_request_does_many_of_it() {
    let person = Caller { origin: Some([198, 51, 100, 9].into()), ..user(UserId::from_bytes([7; 16])) };
    let upsert = |name: &str| {
        let profile = Profile { name: Some(name.into()), ..Profile::default() };
        Box::new(NewContact { profile, idempotency: None })
    };
    let mut world = World::new();
    let contact = world.contact().unwrap().id;
    let key = Caller { author: Author::ApiKey(ApiKeyId::from_bytes([8; 16])), ..person };
    let bulk = key.in_bulk();
    assert_eq!(entry(&world.schedule_as(&bulk, new_message(Channel::Sms))), None);
    assert_eq!(entry(&world.tell(ContactCommand::Upsert(bulk, upsert("Eve")))), None);
    let system = Caller { author: Author::System, ..person };
    assert_eq!(entry(&world.schedule_as(&system, new_message(Channel::Sms))), None);
    let by_key = entry(&world.schedule_as(&key, new_message(Channel::Sms))).expect("a program's request is noted");
    assert_eq!((by_key.action.as_str(), by_key.who, by_key.from), ("message.scheduled", key.author, key.origin));

    let of_person = |decision: &Decision, action: &str, fields: &[&str]| {
        let entry = entry(decision).unwrap_or_else(|| panic!("{action} is noted"));
        assert_eq!((entry.action.as_str(), entry.who, entry.from), (action, person.author, person.origin));
        assert_eq!(entry.fields, fields);
        entry.subject
    };
    let decision = world.schedule_as(&person, new_message(Channel::Sms));
    let subject = of_person(&decision, "message.scheduled", &[]);
    assert!(world.model.messages().iter().any(|message| message.id.to_string() == subject));
    let decision = world.tell(ContactCommand::Upsert(person, upsert("Ada")));
    assert_eq!(of_person(&decision, "contact.updated", &["name"]), contact.to_string());
    assert_eq!(entry(&world.tell(ContactCommand::Upsert(person, upsert("Ada")))), None, "it was called so before");
    let stranger = Caller { account: AccountNo(9), ..person };
    assert_eq!(entry(&world.schedule_as(&stranger, new_message(Channel::Sms))), None, "it is refused");
}

#[test]
fn what_changes_nothing_and_what_the_system_does_is_not_noted() {
    let mut world = World::new();
    let id = world.sms();
    let stranger = Caller { account: AccountNo(9), ..caller() };
    assert_eq!(entry(&world.tell(ContactCommand::Cancel(stranger, id))), None);
    world.tell(ContactCommand::Cancel(caller(), id));
    assert_eq!(entry(&world.tell(ContactCommand::Cancel(caller(), id))), None, "once is enough");
    let id = world.sms();
    let granted = world.ticket(id);
    assert_eq!(entry(&world.grant(granted)), None);
}
