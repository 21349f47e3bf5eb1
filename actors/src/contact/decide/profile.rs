//! Creating and changing a contact.

use smallvec::SmallVec;

use super::sweep::Sweep;
use super::{Decision, Known, Surroundings, live, or_refuse, replan};
use crate::contact::command::{Answer, ContactCommand};
use crate::contact::decision::Effect;
use crate::contact::entries::change_contact;
use crate::domain::address::Channel;
use crate::domain::contact::{Consent, Contact, LastUsed, Life, MergedContact, Merges, Profile};
use crate::domain::conversation::Conversation;
use crate::domain::ids::{AccountNo, ContactId};
use crate::protocol::api::{Caller, Created, EngineError, Idempotency, NewContact, ProfilePatch, Upserted};
use crate::protocol::events::{EventKind, Happened};
use crate::store::{AddressHint, Mutation, Table, keys};

pub(super) fn being_deleted() -> EngineError {
    EngineError::Conflict {
        code: "contact_being_deleted",
        detail: "this contact is being deleted: create it again once that is finished".into(),
    }
}

/// What a create or upsert meets before it can make a record.
enum Met<'a> {
    Nothing,
    Existing(&'a Contact),
    StandsFor(ContactId),
}

fn meet<'a>(known: &Known<'a>, account: AccountNo, new: &NewContact) -> Result<Met<'a>, EngineError> {
    match known.contact {
        Some(contact) if contact.account != account => Err(EngineError::NotFound),
        Some(contact) if contact.is_deleted() => Err(being_deleted()),
        Some(Contact { life: Life::Merged(into), .. }) => Ok(Met::StandsFor(*into)),
        Some(contact) if !contact.is_live() => Err(super::merging::refusal(contact)),
        Some(contact) => Ok(Met::Existing(contact)),
        None => Ok(new
            .profile
            .external_id
            .as_ref()
            .and_then(|id| known.records.aliases.get(id).copied().flatten())
            // An alias that outlived its contact does not keep the contact from coming back.
            .filter(|other| *other != known.id)
            .map_or(Met::Nothing, Met::StandsFor)),
    }
}

pub(super) fn create(known: &Known<'_>, caller: &Caller, new: NewContact, around: &Surroundings<'_>) -> Decision {
    match or_refuse!(meet(known, caller.account, &new)) {
        Met::Nothing => {
            let contact = fresh(known, caller, new, around);
            let mut decision = made(None, contact.clone(), EventKind::ContactCreated);
            decision.is_growth = true;
            decision.reply(Ok(Answer::Created(Created::New(contact))));
            decision
        }
        Met::StandsFor(other) => Decision::answer(Ok(Answer::StandsFor(other))),
        Met::Existing(contact) => Decision::answer(match (&new.idempotency, contact.request_hash) {
            (Some(idempotency), Some(hash)) if idempotency.request_hash == hash => {
                Ok(Answer::Created(Created::Replayed(contact.clone())))
            }
            (Some(Idempotency { .. }), Some(_)) => Err(EngineError::Conflict {
                code: "idempotency_key_reused",
                detail: "this idempotency key was used with another request: use a new key".into(),
            }),
            _ => Err(EngineError::Conflict {
                code: "external_id_taken",
                detail: format!("contact {} has this external id: change that one", contact.id),
            }),
        }),
    }
}

pub(super) fn upsert(known: &Known<'_>, caller: &Caller, new: NewContact, around: &Surroundings<'_>) -> Decision {
    match or_refuse!(meet(known, caller.account, &new)) {
        Met::Nothing => {
            let contact = fresh(known, caller, new, around);
            let mut decision = made(None, contact.clone(), EventKind::ContactCreated);
            decision.is_growth = true;
            decision.reply(Ok(Answer::Upserted(Upserted::Created(contact))));
            decision
        }
        Met::StandsFor(other) => Decision::answer(Ok(Answer::StandsFor(other))),
        Met::Existing(contact) => take(contact, new, around),
    }
}

/// An alias led here. A contact that is gone, or has another external id by now, does not come back for it: that
/// alias may be dropped at any moment, and nobody would find the contact any more.
pub(super) fn upsert_aliased(
    known: &Known<'_>,
    caller: &Caller,
    mut new: NewContact,
    around: &Surroundings<'_>,
) -> Decision {
    if known.contact.is_some_and(Contact::is_deleted) {
        return Decision::answer(Err(being_deleted()));
    }
    let contact = match live(known, caller.account) {
        Ok(contact) => contact,
        Err(EngineError::Merged(into)) => return Decision::answer(Ok(Answer::StandsFor(into))),
        Err(error) => return Decision::answer(Err(error)),
    };
    let own = &contact.profile.external_id;
    // Those of contacts that were merged into this one lead here, and it keeps its own.
    let asked = new.profile.external_id.as_deref();
    let holder = asked.map(|asked| ContactId::from_external_id(contact.account, asked));
    let leads_here = |merged: &MergedContact| merged.external_id.as_deref() == asked || Some(merged.id) == holder;
    if contact.merges.done.iter().any(leads_here) {
        new.profile.external_id.clone_from(own);
    }
    if own.is_some() && *own != new.profile.external_id {
        return Decision::answer(Err(EngineError::NotFound));
    }
    take(contact, new, around)
}

fn take(contact: &Contact, new: NewContact, around: &Surroundings<'_>) -> Decision {
    let mut profile = contact.profile.clone();
    merge(&mut profile, new.profile);
    if profile == contact.profile {
        return Decision::answer(Ok(Answer::Upserted(Upserted::Updated(contact.clone()))));
    }
    let next = changed(contact, profile, around);
    let mut decision = made(Some(contact), next.clone(), EventKind::ContactUpdated);
    replan::after_a_move(&mut decision, contact, &next, around);
    decision.reply(Ok(Answer::Upserted(Upserted::Updated(next))));
    decision
}

/// Given fields replace, tags and attributes are added, others stay.
fn merge(profile: &mut Profile, given: Profile) {
    if given.name.is_some() {
        profile.name = given.name;
    }
    if given.time_zone.is_some() {
        profile.time_zone = given.time_zone;
    }
    if given.external_id.is_some() {
        profile.external_id = given.external_id;
    }
    for email in given.emails {
        match profile.emails.iter_mut().find(|known| known.address == email.address) {
            Some(known) => known.label = email.label.or(known.label.take()),
            None => profile.emails.push(crate::domain::contact::ContactEmail { primary: false, ..email }),
        }
    }
    for phone in given.phones {
        match profile.phones.iter_mut().find(|known| known.number == phone.number) {
            Some(known) => known.label = phone.label.or(known.label.take()),
            None => profile.phones.push(crate::domain::contact::ContactPhone { primary: false, ..phone }),
        }
    }
    for tag in given.tags {
        if !profile.tags.contains(&tag) {
            profile.tags.push(tag);
        }
    }
    profile.attributes.extend(given.attributes);
    if given.consent.email != Consent::Unknown {
        profile.consent.email = given.consent.email;
    }
    if given.consent.sms != Consent::Unknown {
        profile.consent.sms = given.consent.sms;
    }
    profile.choose_primaries();
    use crate::domain::contact::limits;
    profile.emails.truncate(limits::ADDRESSES);
    profile.phones.truncate(limits::ADDRESSES);
    profile.tags.truncate(limits::TAGS);
    while profile.attributes.len() > limits::ATTRIBUTES {
        profile.attributes.pop_last();
    }
}

pub(super) fn patch(
    known: &Known<'_>,
    caller: &Caller,
    patch: ProfilePatch,
    if_match: Option<u32>,
    around: &Surroundings<'_>,
) -> Decision {
    let contact = or_refuse!(live(known, caller.account));
    if if_match.is_some_and(|version| version != contact.version) {
        return Decision::answer(Err(EngineError::VersionMismatch { current: contact.version }));
    }
    if let (Some(wanted), Some(has)) = (&patch.external_id, &contact.profile.external_id)
        && wanted.as_ref() != Some(has)
    {
        return Decision::answer(Err(EngineError::Conflict {
            code: "external_id_fixed",
            detail: "an external id stays once it is set: delete the contact and create it anew".into(),
        }));
    }
    let mut profile = contact.profile.clone();
    let ProfilePatch { name, emails, phones, time_zone, tags, attributes, consent_email, consent_sms, external_id } =
        patch;
    if let Some(name) = name {
        profile.name = name;
    }
    if let Some(emails) = emails {
        profile.emails = emails;
    }
    if let Some(phones) = phones {
        profile.phones = phones;
    }
    if let Some(zone) = time_zone {
        profile.time_zone = zone;
    }
    if let Some(tags) = tags {
        profile.tags = tags;
    }
    for (name, value) in attributes.unwrap_or_default() {
        match value {
            Some(value) => profile.attributes.insert(name, value),
            None => profile.attributes.remove(&name),
        };
    }
    if let Some(consent) = consent_email {
        profile.consent.email = consent;
    }
    if let Some(consent) = consent_sms {
        profile.consent.sms = consent;
    }
    if let Some(external_id) = external_id {
        profile.external_id = external_id;
    }
    if profile.attributes.len() > crate::domain::contact::limits::ATTRIBUTES {
        return Decision::answer(Err(EngineError::field(
            "/attributes",
            "too_many",
            format!("a contact has at most {} attributes: remove some", crate::domain::contact::limits::ATTRIBUTES),
        )));
    }
    profile.choose_primaries();
    if profile == contact.profile {
        return Decision::answer(Ok(Answer::Contact(Box::new(contact.clone()))));
    }
    let next = changed(contact, profile, around);
    let mut decision = made(Some(contact), next.clone(), EventKind::ContactUpdated);
    replan::after_a_move(&mut decision, contact, &next, around);
    decision.reply(Ok(Answer::Contact(Box::new(next))));
    decision
}

fn fresh(known: &Known<'_>, caller: &Caller, new: NewContact, around: &Surroundings<'_>) -> Contact {
    let mut profile = new.profile;
    profile.choose_primaries();
    Contact {
        id: known.id,
        account: caller.account,
        version: 1,
        life: Life::Live,
        profile,
        last_email: LastUsed::default(),
        last_sms: LastUsed::default(),
        conversation: Conversation::default(),
        merges: Merges::default(),
        created_at: around.now,
        updated_at: around.now,
        request_hash: new.idempotency.map(|idempotency| idempotency.request_hash),
        habit: None,
        sent: Vec::new(),
    }
}

fn changed(contact: &Contact, profile: Profile, around: &Surroundings<'_>) -> Contact {
    Contact { version: contact.version + 1, profile, updated_at: around.now, ..contact.clone() }
}

/// A created or changed contact: record, indexes, address hints (added before, removed after), event.
pub(super) fn made(old: Option<&Contact>, new: Contact, kind: EventKind) -> Decision {
    let mut decision = Decision::default();
    let (had, has) = (hints(old), hints(Some(&new)));
    decision.hints_to_add = has.iter().filter(|hint| !had.contains(hint)).cloned().collect();
    decision.hints_to_remove = had.into_iter().filter(|hint| !has.contains(hint)).collect();
    change_contact(&mut decision.mutations, old, Some(&new));
    let is_denied = |contact: &Contact, channel| contact.profile.consent.on(channel) == Consent::Denied;
    let newly_denied =
        |channel: &Channel| is_denied(&new, *channel) && old.is_some_and(|old| !is_denied(old, *channel));
    for channel in Channel::TO_PEOPLE.into_iter().filter(newly_denied) {
        // Before any answer: what has not begun yet does not begin. What is pending is taken back afterwards.
        decision.effects.push(Effect::RevokeClaims(Some(channel)));
        let sweep = ContactCommand::CancelPending(Sweep::OptedOut(channel), None);
        decision.effects.push(Effect::Continue(Box::new(sweep)));
    }
    decision.effects.push(Effect::Publish(Happened {
        at: new.updated_at,
        kind,
        contact: new.id,
        message: None,
        item: None,
    }));
    decision.contact = Some(Some(Box::new(new)));
    decision
}

/// The address hints of a contact.
pub(super) fn hints(contact: Option<&Contact>) -> Vec<AddressHint> {
    let Some(contact) = contact else { return Vec::new() };
    let hint = |address| AddressHint { account: contact.account, address, contact: contact.id };
    contact.profile.addresses().map(hint).collect()
}

/// This id is derived from an external id. Another contact takes that external id: whoever asks here is
/// sent there.
pub(super) fn claim_alias(known: &Known<'_>, caller: &Caller, external_id: &str, target: ContactId) -> Decision {
    if let Some(contact) = known.contact {
        let is_taken = contact.profile.external_id.as_deref() == Some(external_id);
        return Decision::answer(Ok(if is_taken { Answer::StandsFor(contact.id) } else { Answer::Done }));
    }
    match known.records.aliases.get(external_id).copied().flatten() {
        Some(other) if other != target => Decision::answer(Ok(Answer::StandsFor(other))),
        Some(_) => Decision::answer(Ok(Answer::Done)),
        None => {
            let key = keys::alias(caller.account, external_id);
            let value = bytes::Bytes::copy_from_slice(target.as_bytes());
            let aliases = vec![(external_id.to_owned(), Some(target))];
            Decision { mutations: vec![Mutation::Put(Table::Alias, key, value)], aliases, ..Decision::default() }.done()
        }
    }
}

pub(super) fn drop_alias(known: &Known<'_>, account: AccountNo, external_id: &str, target: ContactId) -> Decision {
    if known.records.aliases.get(external_id).copied().flatten() != Some(target) {
        return Decision::answer(Ok(Answer::Done));
    }
    let key: SmallVec<_> = keys::alias(account, external_id);
    let aliases = vec![(external_id.to_owned(), None)];
    Decision { mutations: vec![Mutation::Delete(Table::Alias, key)], aliases, ..Decision::default() }.done()
}
