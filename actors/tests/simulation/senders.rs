//! What callers do to senders, and what a run begins with.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use sendwheel_actors::domain::address::{Channel, EmailAddress, Mailbox, PhoneNumber};
use sendwheel_actors::domain::directory::{Limit, SenderAddress};
use sendwheel_actors::domain::ids::SenderId;
use sendwheel_actors::engine::api::{NewContact, NewSender, SenderPatch};

use crate::model::Lane;
use crate::people::profile;
use crate::workload::{CALLER, Callers, keyed};

const PAUSE: Duration = Duration::from_millis(300);

impl Callers {
    /// Senders and contacts that the run begins with; again and again until they are there.
    pub async fn prepare(&self) {
        let limit = |rate, burst| Some(Limit { rate, per: Duration::from_secs(1), burst });
        let phone = |number: &str| SenderAddress::Phone(PhoneNumber::parse(number).unwrap());
        let mail =
            |address| SenderAddress::Email(Mailbox { name: None, address: EmailAddress::parse(address).unwrap() });
        let senders = [
            (phone("+12125550001"), limit(2, 2)),
            (phone("+12125550002"), None),
            (mail("one@example.com"), limit(5, 1)),
            (mail("two@example.com"), None),
        ];
        for (number, (address, limit)) in senders.into_iter().enumerate() {
            let what = format!("sender {number}");
            let is_email = address.channel() == Channel::Email;
            let new = NewSender {
                address,
                label: None,
                is_default: false,
                assigned_user: None,
                limit,
                country: None,
                idempotency: keyed(what.clone()),
            };
            while !self.world.model().prepared.contains(&what) {
                match self.answer(self.engine.create_sender(&CALLER, new.clone())).await {
                    Ok(created) => {
                        let sender = created.into_inner();
                        let lane = Lane { limit: sender.effective_limit(), is_email, is_busy: false, removed_at: None };
                        let mut model = self.world.model();
                        model.lanes.insert(sender.id, lane);
                        model.prepared.insert(what.clone());
                    }
                    Err(_) => tokio::time::sleep(PAUSE).await,
                }
            }
        }
        for number in 0..self.world.plan.contacts {
            let what = format!("contact {number}");
            let new = NewContact { profile: profile(number), idempotency: keyed(what.clone()) };
            while !self.world.model().prepared.contains(&what) {
                match self.answer(self.engine.create_contact(&CALLER, new.clone())).await {
                    Ok(_) => _ = self.world.model().prepared.insert(what.clone()),
                    Err(_) => tokio::time::sleep(PAUSE).await,
                }
            }
        }
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
            let now = me.world.elapsed();
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
