//! What callers do, drawn from the seed: each operation runs by itself, and what it was told goes into the
//! model. An operation whose answer is lost may have been applied or not, and the model allows both.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use sendwheel_actors::domain::address::{Channel, EmailAddress, Mailbox, PhoneNumber};
use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::contact::{Consent, ConsentByChannel, ContactEmail, ContactPhone, Profile};
use sendwheel_actors::domain::directory::{Limit, Role, SenderAddress};
use sendwheel_actors::domain::ids::{AccountNo, ContactId, MessageId, PartitionCount, SenderId};
use sendwheel_actors::domain::message::{Author, Class, Content, StateName};
use sendwheel_actors::domain::schedule::{IfLate, QuietHoursPolicy};
use sendwheel_actors::engine::Engine;
use sendwheel_actors::engine::api::{
    Caller, CancelOutcome, EngineError, EngineResult, Idempotency, MessageEdit, NewContact, NewIntent, NewMessage,
    NewSender, Resolve,
};

use crate::model::{Lane, Outcome, Person};
use crate::world::{Process, World};

pub const ACCOUNT: AccountNo = AccountNo(1);

pub const CALLER: Caller =
    Caller { account: ACCOUNT, author: Author::System, role: Role::Admin, user: None, test: false, origin: None };

/// Whoever calls one process.
#[derive(Clone)]
pub struct Callers {
    pub world: Arc<World>,
    pub process: Arc<Process>,
    pub engine: Engine,
}

fn keyed(key: String) -> Option<Idempotency> {
    Some(Idempotency { key, request_hash: [7; 16] })
}

/// The answer is lost: nobody knows whether it was applied.
const fn is_lost(error: &EngineError) -> bool {
    matches!(error, EngineError::Unavailable | EngineError::Stopping | EngineError::OutOfSpace)
}

fn profile(number: usize) -> Profile {
    let number_of = PhoneNumber::parse(&format!("+1212{:07}", 5_550_000 + number)).unwrap();
    let address = EmailAddress::parse(&format!("jane{number}@example.org")).unwrap();
    Profile {
        name: Some(format!("Jane {number}")),
        phones: vec![ContactPhone { number: number_of, label: None, primary: true }],
        emails: vec![ContactEmail { address, label: None, primary: true }],
        consent: ConsentByChannel { email: Consent::Granted, sms: Consent::Granted },
        ..Profile::default()
    }
}

impl Callers {
    pub fn spawn(&self, what: String, operation: impl Future<Output = String> + 'static) {
        self.world.model().operations_open += 1;
        self.world.log(format!("asked: {what}"));
        let (world, process) = (Arc::clone(&self.world), Arc::clone(&self.process));
        actix::spawn(async move {
            let told = operation.await;
            if process.is_dead() {
                return;
            }
            world.model().operations_open -= 1;
            world.log(format!("told: {what}: {told}"));
        });
    }

    /// An answer that reaches a living process; one of a dead process never comes.
    pub async fn answer<T>(&self, asked: impl Future<Output = EngineResult<T>>) -> EngineResult<T> {
        let answer = asked.await;
        if self.process.is_dead() {
            return std::future::pending().await;
        }
        answer
    }

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
            let is_email = address.channel() == Channel::Email;
            let new = NewSender {
                address,
                label: None,
                is_default: false,
                assigned_user: None,
                limit,
                country: None,
                idempotency: keyed(format!("sender {number}")),
            };
            while !self.world.model().prepared.contains(&format!("sender {number}")) {
                match self.answer(self.engine.create_sender(&CALLER, new.clone())).await {
                    Ok(created) => {
                        let sender = created.into_inner();
                        let lane = Lane { limit: sender.effective_limit(), is_email, is_busy: false, removed_at: None };
                        let mut model = self.world.model();
                        model.lanes.insert(sender.id, lane);
                        model.prepared.insert(format!("sender {number}"));
                    }
                    Err(_) => tokio::time::sleep(Duration::from_millis(300)).await,
                }
            }
        }
        for number in 0..self.world.plan.contacts {
            let new = NewContact { profile: profile(number), idempotency: keyed(format!("contact {number}")) };
            while !self.world.model().prepared.contains(&format!("contact {number}")) {
                match self.answer(self.engine.create_contact(&CALLER, new.clone())).await {
                    Ok(created) => {
                        let mut model = self.world.model();
                        model.people.insert(created.into_inner().id, Person::default());
                        model.prepared.insert(format!("contact {number}"));
                    }
                    Err(_) => tokio::time::sleep(Duration::from_millis(300)).await,
                }
            }
        }
    }

    /// One operation, drawn.
    pub fn operate(&self, rng: &mut StdRng, number: u32) {
        match rng.random_range(0..100) {
            0..42 => self.schedule(rng, number),
            42..54 => self.cancel(rng),
            54..70 => self.edit(rng, number),
            70..78 => self.send_now(rng),
            78..84 => self.consent(rng),
            84..87 => self.delete_contact(rng),
            87..92 => self.pause(rng),
            92..93 => self.remove_sender(rng),
            93..97 => self.rename(rng),
            _ => self.resolve(rng),
        }
    }

    pub fn some_contact(&self, rng: &mut StdRng) -> Option<ContactId> {
        let model = self.world.model();
        let alive = model.people.iter().filter(|(_, person)| !person.is_busy && person.deleted_at.is_none());
        alive.map(|(id, _)| *id).choose(rng)
    }

    fn some_sender(&self, rng: &mut StdRng, channel: Channel) -> Option<SenderId> {
        let model = self.world.model();
        let lanes = model
            .lanes
            .iter()
            .filter(|(_, lane)| lane.removed_at.is_none() && lane.is_email == (channel == Channel::Email));
        lanes.map(|(id, _)| *id).choose(rng)
    }

    /// A message that nobody works on; now somebody does.
    fn some_message(&self, rng: &mut StdRng) -> Option<MessageId> {
        let mut model = self.world.model();
        let free = model.messages.iter().filter(|(_, known)| known.is_acknowledged && !known.is_busy);
        // The newest are the most alive.
        let mut free: Vec<_> = free.map(|(id, known)| (known.placed_at, *id)).collect();
        free.sort_unstable();
        let (_, id) = free.into_iter().rev().take(12).choose(rng)?;
        model.messages.get_mut(&id).unwrap().is_busy = true;
        Some(id)
    }

    fn some_due(&self, rng: &mut StdRng) -> (NewIntent, i64) {
        let now = self.world.now();
        let at = match rng.random_range(0..20) {
            0..5 => return (NewIntent::Now, now),
            5..14 => now + rng.random_range(0..8_000),
            14..18 => now + rng.random_range(8_000..40_000),
            _ => now + rng.random_range(7_200_000..90_000_000),
        };
        // Ties.
        let at = if rng.random_bool(0.6) { (at / 500 + 1) * 500 } else { at };
        (NewIntent::At(UnixMs(at)), at)
    }

    fn some_text(rng: &mut StdRng, version: u32) -> String {
        match rng.random_range(0..10) {
            0..6 => format!("Hello v{version}"),
            6..8 => format!("Dear {{{{ contact.name }}}}, v{version} {}", "x".repeat(rng.random_range(100..170))),
            8 => format!("Long v{version} {}", "y".repeat(rng.random_range(150..400))),
            _ => format!("Blob v{version} {}", "z".repeat(1_100)),
        }
    }

    fn some_class(rng: &mut StdRng) -> Class {
        Class::ALL[rng.random_range(0..3)]
    }

    fn schedule(&self, rng: &mut StdRng, number: u32) {
        let Some(contact) = self.some_contact(rng) else { return };
        let channel = if rng.random_bool(0.5) { Channel::Sms } else { Channel::Email };
        let (intent, due) = self.some_due(rng);
        let key = rng.random_bool(0.5).then(|| format!("message {number}"));
        let new = NewMessage {
            channel,
            to: None,
            from: if rng.random_bool(0.8) { self.some_sender(rng, channel) } else { None },
            content: Content {
                subject: (channel == Channel::Email).then(|| "Subject".into()),
                text: Some(Self::some_text(rng, number)),
                render: true,
                ..Content::default()
            },
            attachments: Vec::new(),
            intent,
            class: Some(Self::some_class(rng)),
            if_late: if rng.random_bool(0.1) { IfLate::SkipAfter(Duration::from_secs(2)) } else { IfLate::Send },
            quiet_hours: QuietHoursPolicy::Defer,
            cancel_on_reply: false,
            metadata: Default::default(),
            idempotency: key.clone().and_then(keyed),
        };
        let partition = PartitionCount::new(self.world.plan.partitions).unwrap().of_contact(contact);
        let id = key.as_deref().map(|key| MessageId::derived(ACCOUNT, contact, key, partition));
        if let Some(id) = id {
            let mut model = self.world.model();
            let known = model.message(id, contact);
            (known.is_busy, known.dues, known.texts) = (true, vec![due], vec![number]);
        }
        let tries = if id.is_some() { rng.random_range(1..4) } else { 1 };
        let me = self.clone();
        self.spawn(format!("schedule {number} {channel} of {contact} due {due}"), async move {
            for _ in 0..tries {
                match me.answer(me.engine.schedule(&CALLER, contact, new.clone())).await {
                    Ok(created) => {
                        let message = created.into_inner().message;
                        let now = me.world.now();
                        let mut model = me.world.model();
                        let known = model.message(message.id, contact);
                        (known.is_acknowledged, known.is_busy, known.placed_at) = (true, false, now);
                        (known.dues, known.texts) = (vec![message.due_at.0], vec![number]);
                        return format!("{} due {}", message.id, message.due_at.0);
                    }
                    Err(error) if is_lost(&error) => tokio::time::sleep(Duration::from_millis(400)).await,
                    Err(error) => return error.to_string(),
                }
            }
            if let Some(id) = id {
                me.world.model().message(id, contact).is_busy = false;
            }
            "lost".into()
        });
    }

    /// Ends an operation on a message: its place, when it may be due, what it may say.
    fn settle(&self, id: MessageId, due: Option<Vec<i64>>, texts: Option<Vec<u32>>) {
        let now = self.world.now();
        let mut model = self.world.model();
        let known = model.messages.get_mut(&id).unwrap();
        (known.is_busy, known.placed_at) = (false, now);
        known.dues = due.unwrap_or_else(|| std::mem::take(&mut known.dues));
        known.texts = texts.unwrap_or_else(|| std::mem::take(&mut known.texts));
    }

    fn cancel(&self, rng: &mut StdRng) {
        let Some(id) = self.some_message(rng) else { return };
        let me = self.clone();
        self.spawn(format!("cancel {id}"), async move {
            let answer = me.answer(me.engine.cancel(&CALLER, id)).await;
            me.settle(id, None, None);
            let now = me.world.now();
            let mut model = me.world.model();
            let known = model.messages.get_mut(&id).unwrap();
            match &answer {
                Ok(CancelOutcome::Canceled | CancelOutcome::AlreadyHandedOver(StateName::Uncertain)) => {
                    known.canceled_at = Some(now);
                }
                Ok(CancelOutcome::AlreadyHandedOver(StateName::Sending)) => {
                    let begun = known.hands.iter().filter(|hand| hand.outcome != Outcome::NotStarted).count();
                    let is_begun = known.hands.last().is_some_and(|hand| hand.outcome == Outcome::Pending);
                    known.hands_allowed = Some(begun + usize::from(!is_begun));
                }
                _ => {}
            }
            format!("{answer:?}")
        });
    }

    fn edit(&self, rng: &mut StdRng, number: u32) {
        let Some(id) = self.some_message(rng) else { return };
        let (intent, due) = if rng.random_bool(0.5) {
            let (intent, due) = self.some_due(rng);
            (Some(intent), Some(due))
        } else {
            (None, None)
        };
        let text = rng.random_bool(0.4).then(|| Self::some_text(rng, number));
        let channel = if rng.random_bool(0.5) { Channel::Sms } else { Channel::Email };
        let edit = MessageEdit {
            intent,
            class: rng.random_bool(0.4).then(|| Self::some_class(rng)),
            from: if rng.random_bool(0.4) { self.some_sender(rng, channel) } else { None },
            text: text.clone(),
            ..MessageEdit::default()
        };
        let (dues, texts) = {
            let mut model = self.world.model();
            let known = model.messages.get_mut(&id).unwrap();
            let before = (known.dues.clone(), known.texts.clone());
            known.dues.extend(due);
            known.texts.extend(text.as_ref().map(|_| number));
            before
        };
        let me = self.clone();
        self.spawn(format!("edit {id} due {due:?} class {:?} from {:?}", edit.class, edit.from), async move {
            match me.answer(me.engine.edit(&CALLER, id, edit, None)).await {
                Ok(view) => {
                    me.settle(id, Some(vec![view.message.due_at.0]), text.map(|_| vec![number]));
                    format!("due {}", view.message.due_at.0)
                }
                Err(error) if is_lost(&error) => {
                    me.settle(id, None, None);
                    "lost".into()
                }
                Err(error) => {
                    me.settle(id, Some(dues), Some(texts));
                    error.to_string()
                }
            }
        });
    }

    fn send_now(&self, rng: &mut StdRng) {
        let Some(id) = self.some_message(rng) else { return };
        self.move_to_now(id, "send now", |me| async move {
            me.engine.send_now(&CALLER, id).await.map(|view| view.message.due_at.0)
        });
    }

    fn resolve(&self, rng: &mut StdRng) {
        let Some(id) = self.some_message(rng) else { return };
        let how = if rng.random_bool(0.7) { Resolve::Retry } else { Resolve::Failed };
        self.move_to_now(id, "resolve", move |me| async move {
            me.engine.resolve(&CALLER, id, how).await.map(|view| view.message.due_at.0)
        });
    }

    fn move_to_now<F>(&self, id: MessageId, what: &str, ask: impl FnOnce(Self) -> F)
    where
        F: Future<Output = EngineResult<i64>> + 'static,
    {
        let now = self.world.now();
        let before = {
            let mut model = self.world.model();
            let known = model.messages.get_mut(&id).unwrap();
            let before = known.dues.clone();
            known.dues.push(now);
            before
        };
        let (me, asked) = (self.clone(), ask(self.clone()));
        self.spawn(format!("{what} {id}"), async move {
            match me.answer(asked).await {
                Ok(due) => {
                    me.settle(id, Some(vec![due]), None);
                    // A person who wants it tried again takes an earlier cancel back.
                    me.world.model().messages.get_mut(&id).unwrap().hands_allowed = None;
                    format!("due {due}")
                }
                Err(error) if is_lost(&error) => {
                    me.settle(id, None, None);
                    "lost".into()
                }
                Err(error) => {
                    me.settle(id, Some(before), None);
                    error.to_string()
                }
            }
        });
    }
}
