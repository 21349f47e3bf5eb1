//! What contacts and providers say: words that stop messages, replies, receipts.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use sendwheel_actors::domain::address::{Address, Channel};
use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::conversation::OptVia;
use sendwheel_actors::domain::ids::{ContactId, MessageId};
use sendwheel_actors::domain::message::{Content, StateName};
use sendwheel_actors::domain::receipt::{Receipt, ReceiptStatus};
use sendwheel_actors::domain::suppression::SuppressionReason;
use sendwheel_actors::engine::api::{EngineError, Incoming};

use crate::model::Outcome;
use crate::workload::{ACCOUNT, CALLER, Callers, attachment, is_lost};

impl Callers {
    /// An address that a contact has now, and on which nobody works; now somebody does.
    fn take_address(&self, rng: &mut StdRng) -> Option<(ContactId, Address)> {
        let mut model = self.world.model();
        let live = model.mirror.contacts.values().filter(|contact| contact.is_live());
        let all = live.flat_map(|contact| contact.profile.addresses().map(|address| (contact.id, address)));
        let (contact, address) = all.choose(rng)?;
        let stop = model.stops.entry(address.clone()).or_default();
        (!std::mem::replace(&mut stop.is_busy, true)).then_some((contact, address))
    }

    /// Ends an operation on an address: since when nothing may go there.
    fn leave_address(&self, address: &Address, is_stopped: bool) {
        let now = self.world.elapsed();
        let mut model = self.world.model();
        let stop = model.stops.get_mut(address).unwrap();
        stop.is_busy = false;
        if is_stopped {
            stop.since.get_or_insert(now);
        }
    }

    /// Nothing is to go to an address any more, or everything again.
    pub fn suppress(&self, rng: &mut StdRng) {
        let is_stopped = rng.random_bool(0.5);
        let Some((_, address)) = self.take_address(rng) else { return };
        let me = self.clone();
        self.spawn(format!("suppress {address:?}: {is_stopped}"), async move {
            let answer = if is_stopped {
                let asked = me.engine.suppress(&CALLER, address.clone(), SuppressionReason::Manual);
                me.answer(asked).await.map(|_| ())
            } else {
                me.world.model().stops.get_mut(&address).unwrap().since = None;
                me.answer(me.engine.unsuppress(&CALLER, &address)).await.map(|_| ())
            };
            me.leave_address(&address, is_stopped && answer.is_ok());
            answer.map_or_else(|error| error.to_string(), |()| "done".into())
        });
    }

    /// Whoever has an address wants nothing more there: every contact that has it hears of it.
    pub fn opt_out(&self, rng: &mut StdRng) {
        let Some((contact, address)) = self.take_address(rng) else { return };
        let births = {
            let mut model = self.world.model();
            let person = model.people.get_mut(&contact).unwrap();
            // Whoever changes it just now may have the last word.
            if std::mem::replace(&mut person.is_busy, true) { None } else { Some(person.births) }
        };
        let Some(births) = births else { return self.leave_address(&address, false) };
        let me = self.clone();
        self.spawn(format!("opt out {contact} at {address:?}"), async move {
            let answer = me.answer(me.engine.opt_out(ACCOUNT, &address, OptVia::Keyword)).await;
            me.leave_address(&address, answer.is_ok());
            let has_address = |me: &Self| {
                let model = me.world.model();
                model.mirror.contacts.get(&contact).is_some_and(|contact| contact.profile.has(&address))
            };
            let is_denied = answer.is_ok() && has_address(&me);
            me.leave_person((contact, births), |person, now| {
                if is_denied {
                    person.denied_at[address.channel() as usize % 2] = Some(now);
                }
            });
            format!("{answer:?}")
        });
    }

    /// A contact writes, perhaps twice the same; what was to be taken back then goes no more.
    pub fn receive(&self, rng: &mut StdRng, number: u32) {
        let from = {
            let model = self.world.model();
            let live = model.mirror.contacts.values().filter(|contact| contact.is_live());
            live.flat_map(|contact| contact.profile.addresses().collect::<Vec<_>>()).choose(rng)
        };
        let Some(from) = from else { return };
        let is_email = from.channel() == Channel::Email;
        let own_id = format!("in-{}", if rng.random_bool(0.2) { number / 10 } else { number });
        let incoming = Incoming {
            account: ACCOUNT,
            contact: None,
            own_id,
            from,
            to: "us".into(),
            sender: None,
            content: Content { text: Some("r".repeat([5, 2_000][rng.random_range(0..2)])), ..Content::default() },
            attachments: (0..rng.random_range(0..3)).map(|file| attachment(number * 3 + file)).collect(),
            mail: None,
            provider_id: None,
            is_automatic: false,
            raw: is_email.then(|| crate::workload::attachment_bytes(number)),
            name: None,
        };
        let me = self.clone();
        self.spawn(format!("receive {}", incoming.own_id), async move {
            let asked_at = me.world.elapsed();
            match me.answer(me.engine.receive(incoming)).await {
                Ok(received) if received.is_new => {
                    me.replied(received.contact, asked_at);
                    format!("{} of {}", received.item, received.contact)
                }
                Ok(received) => format!("{} again", received.item),
                Err(error) => error.to_string(),
            }
        });
    }

    /// What was scheduled before a reply, and was to be taken back then, goes no more.
    fn replied(&self, contact: ContactId, asked_at: i64) {
        // Whether it was scheduled before is told by the wall clock, which may have been set in between.
        if self.world.plan.clock_set > 0 {
            return;
        }
        let now = self.world.elapsed();
        let mut model = self.world.model();
        for id in model.by_contact.get(&contact).cloned().unwrap_or_default() {
            let is_to_go = model.mirror.messages.get(&id).is_some_and(|message| message.cancel_on_reply);
            let known = model.messages.get_mut(&id).unwrap();
            if is_to_go && known.is_acknowledged && known.acknowledged_at < asked_at {
                known.replied_at.get_or_insert(now);
            }
        }
    }

    /// A provider tells of a message that it has, or may have.
    pub fn receipt(&self, rng: &mut StdRng) {
        let id: Option<MessageId> = {
            let model = self.world.model();
            let is_there = |outcome| matches!(outcome, Outcome::Submitted | Outcome::Unknown);
            let taken = model.messages.iter().filter(|(_, known)| {
                known.hands.last().is_some_and(|hand| is_there(hand.outcome) && hand.over_at.is_none())
            });
            taken.map(|(id, _)| *id).choose(rng)
        };
        let Some(id) = id else { return };
        let status =
            [ReceiptStatus::Accepted, ReceiptStatus::Delayed, ReceiptStatus::Delivered, ReceiptStatus::Bounced];
        let receipt = Receipt {
            status: status[rng.random_range(0..4)],
            at: UnixMs(self.world.now()),
            code: Some("30005".into()),
        };
        let me = self.clone();
        self.spawn(format!("receipt {:?} of {id}", receipt.status), async move {
            let answer = me.answer(me.engine.receipt(id, receipt)).await;
            let now = me.world.elapsed();
            match &answer {
                Ok(StateName::Delivered | StateName::Bounced) => {
                    me.world.model().messages.get_mut(&id).unwrap().arrived_at.get_or_insert(now);
                }
                Ok(_) | Err(EngineError::NotFound | EngineError::Conflict { code: "merge_under_way", .. }) => {}
                Err(error) if is_lost(error) => {}
                Err(error) => me.world.violation(format!("receipt of {id} was told: {error}")),
            }
            format!("{answer:?}")
        });
    }
}
