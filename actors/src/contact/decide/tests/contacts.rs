//! Creating, upserting and changing a contact; aliases.

use super::world::*;
use crate::contact::command::{Answer, ContactCommand};
use crate::contact::decision::Decision;
use crate::domain::address::{Address, Channel, EmailAddress};
use crate::domain::contact::{Consent, ContactEmail, Profile, limits};
use crate::domain::ids::{AccountNo, ContactId};
use crate::protocol::api::{Caller, Created, EngineError, Idempotency, NewContact, ProfilePatch, Upserted};

const OTHER: ContactId = ContactId::from_bytes([44; 16]);

fn given(profile: Profile, hash: Option<u8>) -> Box<NewContact> {
    let idempotency = hash.map(|hash| Idempotency { key: "k".into(), request_hash: [hash; 16] });
    Box::new(NewContact { profile, idempotency })
}

fn create(world: &mut World, profile: Profile, hash: Option<u8>) -> Decision {
    world.tell(ContactCommand::Create(caller(), given(profile, hash)))
}

fn upsert(world: &mut World, profile: Profile) -> Decision {
    world.tell(ContactCommand::Upsert(caller(), given(profile, None)))
}

fn patch(world: &mut World, patch: ProfilePatch, if_match: Option<u32>) -> Decision {
    world.tell(ContactCommand::Patch(caller(), Box::new(patch), if_match))
}

fn named(external_id: &str) -> Profile {
    Profile { external_id: Some(external_id.into()), ..profile() }
}

fn addresses(hints: &[crate::store::AddressHint]) -> Vec<String> {
    hints.iter().map(|hint| hint.address.to_string()).collect()
}

#[test]
fn a_new_contact_has_a_hint_for_each_address_and_exactly_one_primary_of_each_kind() {
    let mut world = World::empty();
    let mut profile = profile();
    profile.emails.iter_mut().for_each(|email| email.primary = false);
    let decision = create(&mut world, profile, None);
    assert!(decision.is_growth);
    assert_eq!(addresses(&decision.hints_to_add), ["jane@example.com", "jane.doe@example.org", "+12125550199"]);
    assert!(world.contact().unwrap().profile.emails[0].primary);
}

#[test]
fn the_same_create_finds_its_contact_and_another_one_is_a_conflict() {
    let mut world = World::empty();
    create(&mut world, profile(), Some(1));
    let again = create(&mut world, profile(), Some(1));
    assert!(matches!(answer(&again), Ok(Answer::Created(Created::Replayed(_)))) && again.mutations.is_empty());
    assert_eq!(conflict(&create(&mut world, profile(), Some(2))), "idempotency_key_reused");
    assert_eq!(conflict(&create(&mut world, profile(), None)), "external_id_taken");
}

#[test]
fn an_upsert_replaces_what_is_given_adds_tags_and_attributes_and_keeps_the_rest() {
    let mut world = World::empty();
    let email = |text| ContactEmail { address: EmailAddress::parse(text).unwrap(), label: None, primary: true };
    let before = Profile {
        tags: vec!["a".into()],
        attributes: [("x".into(), "1".into()), ("y".into(), "1".into())].into(),
        ..named("crm-1")
    };
    assert!(matches!(answer(&upsert(&mut world, before)), Ok(Answer::Upserted(Upserted::Created(_)))));
    world.set_consent(Consent::Granted);
    let decision = upsert(
        &mut world,
        Profile {
            name: Some("Jane Roe".into()),
            emails: vec![email("roe@example.com"), email("jane@example.com")],
            tags: vec!["b".into(), "a".into()],
            attributes: [("x".into(), "2".into())].into(),
            external_id: Some("crm-1".into()),
            ..Profile::default()
        },
    );
    let Ok(Answer::Upserted(Upserted::Updated(contact))) = answer(&decision) else { panic!() };
    let merged = &contact.profile;
    assert_eq!((merged.name.as_deref(), &merged.tags), (Some("Jane Roe"), &vec!["a".into(), "b".into()]));
    assert_eq!(merged.attributes, [("x".into(), "2".into()), ("y".into(), "1".into())].into());
    assert_eq!((merged.emails.len(), merged.phones.len()), (3, 1));
    assert_eq!(merged.primary(Channel::Email).unwrap().to_string(), "jane@example.com");
    assert_eq!((merged.consent.sms, merged.time_zone.as_deref()), (Consent::Granted, Some("Europe/Berlin")));
    assert_eq!(addresses(&decision.hints_to_add), ["roe@example.com"]);
    assert_eq!(contact.version, 2);
}

#[test]
fn an_upsert_that_changes_nothing_writes_nothing_and_one_with_too_much_stays_in_bounds() {
    let mut world = World::empty();
    upsert(&mut world, named("crm-1"));
    assert!(upsert(&mut world, named("crm-1")).mutations.is_empty());
    for _ in 0..2 {
        let numbered = |n: usize| (format!("name {n} of {}", world.ids.random_u64()), String::new());
        let attributes = (0..limits::ATTRIBUTES).map(numbered).collect();
        upsert(&mut world, Profile { attributes, ..named("crm-1") });
    }
    assert_eq!(world.contact().unwrap().profile.attributes.len(), limits::ATTRIBUTES);
}

#[test]
fn a_patch_replaces_clears_and_removes_hints_after_the_commit() {
    let mut world = World::new();
    let first = world.contact().unwrap().profile.emails[0].clone();
    let changes = ProfilePatch {
        name: Some(None),
        emails: Some(vec![ContactEmail { primary: false, ..first }]),
        consent_sms: Some(Consent::Denied),
        ..ProfilePatch::default()
    };
    let decision = patch(&mut world, changes, Some(1));
    let Ok(Answer::Contact(contact)) = answer(&decision) else { panic!() };
    assert_eq!((contact.version, &contact.profile.name, contact.profile.emails[0].primary), (2, &None, true));
    assert_eq!(addresses(&decision.hints_to_remove), ["jane.doe@example.org"]);
    assert!(decision.hints_to_add.is_empty());
    let stale = patch(&mut world, ProfilePatch::default(), Some(1));
    assert_eq!(answer(&stale), &Err(EngineError::VersionMismatch { current: 2 }));
}

#[test]
fn an_external_id_stays_once_it_is_set() {
    let mut world = World::new();
    let set = |id: Option<&str>| ProfilePatch { external_id: Some(id.map(str::to_owned)), ..ProfilePatch::default() };
    assert!(answer(&patch(&mut world, set(Some("crm-1")), None)).is_ok());
    assert!(answer(&patch(&mut world, set(Some("crm-1")), None)).is_ok());
    assert_eq!(conflict(&patch(&mut world, set(Some("crm-2")), None)), "external_id_fixed");
    assert_eq!(conflict(&patch(&mut world, set(None), None)), "external_id_fixed");
}

#[test]
fn more_attributes_than_a_contact_may_have_are_refused() {
    let mut world = World::new();
    let attributes = (0..=limits::ATTRIBUTES).map(|n| (format!("a{n}"), Some(String::new()))).collect();
    let changes = ProfilePatch { attributes: Some(attributes), ..ProfilePatch::default() };
    assert_eq!(refusals(&patch(&mut world, changes, None)), [("/attributes".into(), "too_many")]);
}

#[test]
fn a_contact_of_another_account_does_not_exist() {
    let mut world = World::new();
    let stranger = Caller { account: AccountNo(2), ..caller() };
    let patched = world.tell(ContactCommand::Patch(stranger, Box::default(), None));
    let created = world.tell(ContactCommand::Create(stranger, given(profile(), None)));
    for decision in [patched, created] {
        assert_eq!(answer(&decision), &Err(EngineError::NotFound));
    }
}

fn claim(world: &mut World, target: ContactId) -> Decision {
    world.tell(ContactCommand::ClaimAlias(caller(), "crm-1".into(), target))
}

#[test]
fn an_alias_is_claimed_by_one_contact_alone_and_sends_upserts_there() {
    let mut world = World::empty();
    assert_eq!(answer(&claim(&mut world, OTHER)), &Ok(Answer::Done));
    assert!(claim(&mut world, OTHER).mutations.is_empty(), "once is enough");
    assert_eq!(answer(&claim(&mut world, ContactId::from_bytes([45; 16]))), &Ok(Answer::StandsFor(OTHER)));
    assert_eq!(answer(&upsert(&mut world, named("crm-1"))), &Ok(Answer::StandsFor(OTHER)));
    assert_eq!(answer(&create(&mut world, named("crm-1"), None)), &Ok(Answer::StandsFor(OTHER)));
}

#[test]
fn a_decision_about_an_alias_tells_what_it_stands_for_before_it_can_be_read() {
    let mut world = World::empty();
    assert_eq!(claim(&mut world, OTHER).aliases, [("crm-1".to_owned(), Some(OTHER))]);
    let dropped = world.tell(ContactCommand::DropAlias(caller(), "crm-1".into(), OTHER));
    assert_eq!(dropped.aliases, [("crm-1".to_owned(), None)]);
    assert!(matches!(answer(&upsert(&mut world, named("crm-1"))), Ok(Answer::Upserted(Upserted::Created(_)))));
}

#[test]
fn an_alias_is_not_claimed_over_a_contact_that_has_the_external_id() {
    let mut world = World::empty();
    create(&mut world, named("crm-1"), None);
    assert_eq!(answer(&claim(&mut world, OTHER)), &Ok(Answer::StandsFor(CONTACT)));
}

#[test]
fn an_alias_leads_to_a_contact_that_lives_and_has_no_other_external_id() {
    let aliased = |world: &mut World| world.tell(ContactCommand::UpsertAliased(caller(), given(named("crm-1"), None)));
    let mut world = World::empty();
    let nobody = aliased(&mut world);
    assert_eq!((answer(&nobody), world.contact()), (&Err(EngineError::NotFound), None), "nobody comes back for it");
    create(&mut world, profile(), None);
    assert!(matches!(answer(&aliased(&mut world)), Ok(Answer::Upserted(Upserted::Updated(_)))));
    assert_eq!(world.contact().unwrap().profile.external_id.as_deref(), Some("crm-1"));
    let mut other = World::empty();
    create(&mut other, named("crm-2"), None);
    assert_eq!(answer(&aliased(&mut other)), &Err(EngineError::NotFound));
    world.tell(ContactCommand::Delete(caller()));
    assert_eq!(conflict(&aliased(&mut world)), "contact_being_deleted");
}

#[test]
fn an_alias_is_dropped_only_by_the_contact_it_stands_for() {
    let mut world = World::empty();
    claim(&mut world, OTHER);
    let stranger = world.tell(ContactCommand::DropAlias(caller(), "crm-1".into(), CONTACT));
    assert!(stranger.mutations.is_empty());
    assert_eq!(answer(&upsert(&mut world, named("crm-1"))), &Ok(Answer::StandsFor(OTHER)));
}

#[test]
fn an_alias_that_outlived_its_contact_does_not_send_the_contact_to_itself() {
    let mut world = World::empty();
    claim(&mut world, CONTACT);
    assert!(matches!(answer(&upsert(&mut world, named("crm-1"))), Ok(Answer::Upserted(Upserted::Created(_)))));
}

#[test]
fn a_removed_address_is_not_a_default_any_more() {
    let mut world = World::new();
    let second = Address::parse(Channel::Email, "jane.doe@example.org").unwrap();
    world.change_contact(|contact| contact.last_email.address = Some(second));
    let first = world.contact().unwrap().profile.emails[0].clone();
    patch(&mut world, ProfilePatch { emails: Some(vec![first]), ..ProfilePatch::default() }, None);
    assert_eq!(world.schedule(new_message(Channel::Email)).to.to_string(), "jane@example.com");
}
