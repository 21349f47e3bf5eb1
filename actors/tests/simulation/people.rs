//! What callers do to contacts: consent, names, addresses, external ids, deletion.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use sendwheel_actors::domain::address::{EmailAddress, PhoneNumber};
use sendwheel_actors::domain::contact::{Consent, ConsentByChannel, ContactEmail, ContactPhone, Profile, Removal};
use sendwheel_actors::domain::directory::Limit;
use sendwheel_actors::domain::ids::ContactId;
use sendwheel_actors::engine::api::{EngineError, NewContact, ProfilePatch};

use crate::model::Person;
use crate::quiet::{BERLIN, HONOLULU};
use crate::workload::{CALLER, Callers, is_lost};

fn phone(number: usize) -> ContactPhone {
    let number = PhoneNumber::parse(&format!("+1212{:07}", 5_550_000 + number)).unwrap();
    ContactPhone { number, label: None, primary: true }
}

/// Where everybody has their mail.
pub const THEIR_DOMAIN: &str = "example.org";
/// What may go there, from all senders together: less than the fastest of them send at once.
pub const TO_THEIR_DOMAIN: Limit = Limit { rate: 10, per: Duration::from_secs(1), burst: 2 };

fn email(number: usize) -> ContactEmail {
    let address = EmailAddress::parse(&format!("jane{number}@{THEIR_DOMAIN}")).unwrap();
    ContactEmail { address, label: None, primary: true }
}

pub fn profile(number: usize) -> Profile {
    Profile {
        name: Some(format!("Jane {number}")),
        phones: vec![phone(number)],
        emails: vec![email(number)],
        consent: ConsentByChannel { email: Consent::Granted, sms: Consent::Granted },
        ..Profile::default()
    }
}

/// Few, so that they meet.
fn some_external_id(rng: &mut StdRng) -> String {
    format!("crm-{}", rng.random_range(0..5))
}

impl Callers {
    fn take_person(&self, rng: &mut StdRng, before: impl FnOnce(&mut Person)) -> Option<(ContactId, u32)> {
        let contact = self.some_contact(rng)?;
        let mut model = self.world.model();
        let person = model.people.get_mut(&contact).unwrap();
        person.is_busy = true;
        before(person);
        Some((contact, person.births))
    }

    /// Ends an operation on a contact. What it was told counts for the life that it was told of.
    pub fn leave_person(&self, (contact, births): (ContactId, u32), after: impl FnOnce(&mut Person, i64)) {
        let now = self.world.elapsed();
        let mut model = self.world.model();
        let person = model.people.get_mut(&contact).unwrap();
        (person.is_busy, person.is_being_deleted) = (false, false);
        if person.births == births {
            after(person, now);
        }
    }

    fn patch<F>(&self, what: &str, taken: (ContactId, u32), patch: ProfilePatch, after: F)
    where
        F: FnOnce(&mut Person, i64) + 'static,
    {
        let me = self.clone();
        self.spawn(format!("{what} of {}", taken.0), async move {
            let answer = me.answer(me.engine.patch_contact(&CALLER, taken.0, patch, None)).await;
            me.leave_person(taken, |person, now| {
                if answer.is_ok() {
                    after(person, now);
                }
            });
            answer.map_or_else(|error| error.to_string(), |_| "done".into())
        });
    }

    pub fn consent(&self, rng: &mut StdRng) {
        let (channel, is_denied) = (rng.random_range(0..2_usize), rng.random_bool(0.6));
        let Some(taken) = self.take_person(rng, |person| person.denied_at[channel] = None) else { return };
        let consent = Some(if is_denied { Consent::Denied } else { Consent::Granted });
        let mut patch = ProfilePatch::default();
        if channel == 0 {
            patch.consent_email = consent;
        } else {
            patch.consent_sms = consent;
        }
        self.patch(&format!("consent on {channel}, denied {is_denied}"), taken, patch, move |person, now| {
            if is_denied {
                person.denied_at[channel] = Some(now);
            }
        });
    }

    pub fn rename(&self, rng: &mut StdRng) {
        let name = "N".repeat(rng.random_range(1..90));
        let Some(taken) = self.take_person(rng, |_| {}) else { return };
        let patch = ProfilePatch { name: Some(Some(name)), ..ProfilePatch::default() };
        self.patch("name", taken, patch, |_, _| {});
    }

    /// A contact goes to another zone, where other hours are quiet.
    pub fn move_contact(&self, rng: &mut StdRng) {
        let zone = [None, Some(BERLIN.0), Some(HONOLULU.0)][rng.random_range(0..3)];
        let Some(taken) = self.take_person(rng, |_| {}) else { return };
        let patch = ProfilePatch { time_zone: Some(zone.map(String::from)), ..ProfilePatch::default() };
        self.patch(&format!("zone {zone:?}"), taken, patch, |_, _| {});
    }

    /// Addresses go and come back, and one may be another contact's as well.
    pub fn change_addresses(&self, rng: &mut StdRng) {
        let Some(taken) = self.take_person(rng, |_| {}) else { return };
        let mut patch = ProfilePatch::default();
        let first = rng.random_range(0..6);
        let numbers = first..first + rng.random_range(1..3);
        if rng.random_bool(0.5) {
            patch.phones = Some(numbers.map(phone).collect());
        } else {
            patch.emails = Some(numbers.map(email).collect());
        }
        self.patch("addresses", taken, patch, |_, _| {});
    }

    /// A contact gets an external id later: another one may have it, or take it at the same time.
    pub fn name_contact(&self, rng: &mut StdRng) {
        let external_id = some_external_id(rng);
        let Some(taken) = self.take_person(rng, |_| {}) else { return };
        let patch = ProfilePatch { external_id: Some(Some(external_id.clone())), ..ProfilePatch::default() };
        self.patch(&format!("external id {external_id}"), taken, patch, |person, _| {
            person.external_id = Some((external_id, person.births));
        });
    }

    /// A contact comes into being by its external id, or takes what is given, while others delete it.
    pub fn upsert(&self, rng: &mut StdRng) {
        let external_id = some_external_id(rng);
        let number = rng.random_range(0..20);
        // It says nothing of consent: an opt-out is not undone by the way.
        let consent = ConsentByChannel::default();
        let profile = Profile { external_id: Some(external_id.clone()), consent, ..profile(number) };
        let me = self.clone();
        self.spawn(format!("upsert {external_id} as {number}"), async move {
            let new = NewContact { profile, idempotency: None };
            match me.answer(me.engine.upsert_contact(&CALLER, new)).await {
                Ok(upserted) => {
                    let contact = upserted.into_inner();
                    let mut model = me.world.model();
                    let person = model.people.get_mut(&contact.id).unwrap();
                    // That of a contact which was merged into this one leads here, and changes nothing.
                    if contact.profile.external_id.as_ref() == Some(&external_id) {
                        person.external_id = Some((external_id, person.births));
                    }
                    contact.id.to_string()
                }
                Err(EngineError::Conflict { code: "contact_being_deleted", .. }) => "being deleted".into(),
                Err(EngineError::Conflict { code: "merge_under_way", .. }) => "being merged".into(),
                Err(error) if is_lost(&error) => "lost".into(),
                Err(error) => {
                    me.world.violation(format!("upsert of {external_id} was told: {error}"));
                    "wrong".into()
                }
            }
        });
    }

    pub fn delete_contact(&self, rng: &mut StdRng) {
        if self.world.model().people.values().filter(|person| !person.is_deletion_asked).count() < 2 {
            return;
        }
        let Some(taken) =
            self.take_person(rng, |person| (person.is_deletion_asked, person.is_being_deleted) = (true, true))
        else {
            return;
        };
        let removal = if rng.random_bool(0.5) { Removal::Erase } else { Removal::Delete };
        let me = self.clone();
        self.spawn(format!("delete {}", taken.0), async move {
            let answer = me.answer(me.engine.delete_contact(&CALLER, taken.0, removal)).await;
            me.leave_person(taken, |person, now| {
                if answer.is_ok() {
                    person.deleted_at = Some(now);
                }
            });
            format!("{answer:?}")
        });
    }
}
