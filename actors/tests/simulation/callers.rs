//! What callers do to contacts and senders.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use sendwheel_actors::domain::contact::Consent;
use sendwheel_actors::domain::ids::{ContactId, SenderId};
use sendwheel_actors::engine::api::{ProfilePatch, SenderPatch};

use crate::model::Person;
use crate::workload::{CALLER, Callers};

impl Callers {
    fn take_person(&self, rng: &mut StdRng, before: impl FnOnce(&mut Person)) -> Option<ContactId> {
        let contact = self.some_contact(rng)?;
        let mut model = self.world.model();
        let person = model.people.get_mut(&contact).unwrap();
        person.is_busy = true;
        before(person);
        Some(contact)
    }

    fn leave_person(&self, contact: ContactId, after: impl FnOnce(&mut Person, i64)) {
        let now = self.world.now();
        let mut model = self.world.model();
        let person = model.people.get_mut(&contact).unwrap();
        person.is_busy = false;
        after(person, now);
    }

    pub fn consent(&self, rng: &mut StdRng) {
        let (channel, is_denied) = (rng.random_range(0..2_usize), rng.random_bool(0.6));
        let Some(contact) = self.take_person(rng, |person| person.denied_at[channel] = None) else { return };
        let consent = Some(if is_denied { Consent::Denied } else { Consent::Granted });
        let mut patch = ProfilePatch::default();
        if channel == 0 {
            patch.consent_email = consent;
        } else {
            patch.consent_sms = consent;
        }
        let me = self.clone();
        self.spawn(format!("consent of {contact} on {channel}: denied {is_denied}"), async move {
            let answer = me.answer(me.engine.patch_contact(&CALLER, contact, patch, None)).await;
            me.leave_person(contact, |person, now| {
                if answer.is_ok() && is_denied {
                    person.denied_at[channel] = Some(now);
                }
            });
            answer.map_or_else(|error| error.to_string(), |_| "done".into())
        });
    }

    pub fn rename(&self, rng: &mut StdRng) {
        let name = "N".repeat(rng.random_range(1..90));
        let Some(contact) = self.take_person(rng, |_| {}) else { return };
        let patch = ProfilePatch { name: Some(Some(name)), ..ProfilePatch::default() };
        let me = self.clone();
        self.spawn(format!("rename {contact}"), async move {
            let answer = me.answer(me.engine.patch_contact(&CALLER, contact, patch, None)).await;
            me.leave_person(contact, |_, _| {});
            answer.map_or_else(|error| error.to_string(), |_| "done".into())
        });
    }

    pub fn delete_contact(&self, rng: &mut StdRng) {
        if self.world.model().people.values().filter(|person| !person.is_deletion_asked).count() < 2 {
            return;
        }
        let Some(contact) = self.take_person(rng, |person| person.is_deletion_asked = true) else { return };
        let me = self.clone();
        self.spawn(format!("delete {contact}"), async move {
            let answer = me.answer(me.engine.delete_contact(&CALLER, contact)).await;
            me.leave_person(contact, |person, now| {
                if answer.is_ok() {
                    person.deleted_at = Some(now);
                }
            });
            format!("{answer:?}")
        });
    }

    fn take_sender(&self, rng: &mut StdRng) -> Option<SenderId> {
        let mut model = self.world.model();
        let free = model.lanes.iter().filter(|(_, lane)| !lane.is_busy && lane.removed_at.is_none());
        let id = free.map(|(id, _)| *id).choose(rng)?;
        model.lanes.get_mut(&id).unwrap().is_busy = true;
        Some(id)
    }

    pub fn pause(&self, rng: &mut StdRng) {
        let paused = Some(rng.random_bool(0.4));
        let Some(id) = self.take_sender(rng) else { return };
        let me = self.clone();
        self.spawn(format!("pause {id}: {paused:?}"), async move {
            let patch = SenderPatch { paused, ..SenderPatch::default() };
            let answer = me.answer(me.engine.patch_sender(&CALLER, id, patch, None)).await;
            me.world.model().lanes.get_mut(&id).unwrap().is_busy = false;
            answer.map_or_else(|error| error.to_string(), |_| "done".into())
        });
    }

    pub fn remove_sender(&self, rng: &mut StdRng) {
        let Some(id) = self.take_sender(rng) else { return };
        let me = self.clone();
        self.spawn(format!("remove {id}"), async move {
            let answer = me.answer(me.engine.delete_sender(&CALLER, id)).await;
            let now = me.world.now();
            let mut model = me.world.model();
            let lane = model.lanes.get_mut(&id).unwrap();
            lane.is_busy = false;
            if answer.is_ok() {
                lane.removed_at = Some(now);
            }
            answer.map_or_else(|error| error.to_string(), |()| "done".into())
        });
    }

    /// At the end everything may go: no sender is paused.
    pub async fn resume_all(&self) {
        // A pause that is still under way would be the last word. What is stuck is found later.
        for _ in 0..60 {
            if self.world.model().operations_open == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let lanes: Vec<_> = self.world.model().lanes.keys().copied().collect();
        for id in lanes {
            for _ in 0..20 {
                let patch = SenderPatch { paused: Some(false), ..SenderPatch::default() };
                match self.engine.patch_sender(&CALLER, id, patch, None).await {
                    Err(error) if error.retry_after().is_some() => tokio::time::sleep(Duration::from_secs(1)).await,
                    _ => break,
                }
            }
        }
    }
}
