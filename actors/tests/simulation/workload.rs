//! What callers do, drawn from the seed: each operation runs by itself, and what it was told goes into the
//! model. An operation whose answer is lost may have been applied or not, and the model allows both.
//! Here: who calls, and everything that makes a message.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use sendwheel_actors::domain::address::{Channel, WebUrl};
use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::directory::Role;
use sendwheel_actors::domain::ids::{AccountNo, ContactId, MessageId, SenderId};
use sendwheel_actors::domain::message::{Author, Class, Content, Message, StateName};
use sendwheel_actors::domain::schedule::{IfLate, QuietHoursPolicy};
use sendwheel_actors::engine::Engine;
use sendwheel_actors::engine::api::{
    Caller, Created, EngineError, EngineResult, Idempotency, MessageView, NewAttachment, NewIntent, NewMessage,
};

use crate::plan::Focus;
use crate::world::{Process, World};

pub const ACCOUNT: AccountNo = AccountNo(1);

pub const CALLER: Caller = Caller {
    account: ACCOUNT,
    author: Author::System,
    role: Role::Admin,
    user: None,
    test: false,
    origin: None,
    bulk: false,
};

/// Whoever calls one process.
#[derive(Clone)]
pub struct Callers {
    pub world: Arc<World>,
    pub process: Arc<Process>,
    pub engine: Engine,
}

pub fn keyed(key: String) -> Option<Idempotency> {
    Some(Idempotency { key, request_hash: [7; 16] })
}

/// The answer is lost: nobody knows whether it was applied.
pub const fn is_lost(error: &EngineError) -> bool {
    matches!(error, EngineError::Unavailable | EngineError::Stopping | EngineError::OutOfSpace)
}

/// An attachment that can be told from all others.
pub fn attachment(number: u32) -> NewAttachment {
    let filename = format!("file-{number}");
    NewAttachment { filename, content_type: "text/plain".into(), bytes: attachment_bytes(number) }
}

/// Which attachment has this name.
pub fn number_of_attachment(name: &str) -> Option<u32> {
    name.strip_prefix("file-")?.parse().ok()
}

/// What is in an attachment; the largest ones make a batch of their own.
pub fn attachment_bytes(number: u32) -> Bytes {
    let len = [40, 3_000, 90_000][number as usize % 3];
    let line = format!("line of attachment {number}\n");
    line.bytes().cycle().take(len).collect::<Vec<_>>().into()
}

/// When a message may be due at the earliest: planned again, it may be due when it was meant to be.
pub fn earliest(message: &Message) -> i64 {
    message.due_at.0.min(message.wanted_at().0)
}

/// How messages that are asked for together are alike.
#[derive(Debug, Clone, Copy)]
struct Like {
    contact: ContactId,
    channel: Channel,
    from: Option<SenderId>,
    intent: (i64, bool),
    class: Class,
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

    /// One operation, drawn.
    pub fn operate(&self, rng: &mut StdRng, number: u32) {
        if self.world.plan.focus == Focus::Contacts && rng.random_bool(0.7) {
            return match rng.random_range(0..100) {
                0..30 => self.upsert(rng),
                30..60 => self.name_contact(rng),
                60..85 => self.delete_contact(rng),
                85..90 => self.change_addresses(rng),
                90..93 => self.suppress(rng),
                93..96 => self.opt_out(rng),
                96..98 => self.receive(rng, number),
                _ => self.schedule(rng, number),
            };
        }
        match rng.random_range(0..100) {
            0..33 => self.schedule(rng, number),
            33..37 => self.ask_again(rng),
            37..40 => self.requeue(rng),
            40..50 => self.cancel(rng),
            50..62 => self.edit(rng, number),
            62..68 => self.send_now(rng),
            68..72 => self.consent(rng),
            72..75 => self.delete_contact(rng),
            75..78 => self.upsert(rng),
            78..80 => self.name_contact(rng),
            80..82 => self.change_addresses(rng),
            82..85 => self.suppress(rng),
            85..86 => self.opt_out(rng),
            86..88 => self.receive(rng, number),
            88..90 => self.receipt(rng),
            90..94 => self.pause(rng),
            94..95 => self.remove_sender(rng),
            95..97 => self.rename(rng),
            _ => self.resolve(rng),
        }
    }

    pub fn some_contact(&self, rng: &mut StdRng) -> Option<ContactId> {
        let model = self.world.model();
        let alive = model
            .people
            .iter()
            .filter(|(_, person)| !person.is_busy && person.deleted_at.is_none() && person.merged_at.is_none());
        alive.map(|(id, _)| *id).choose(rng)
    }

    pub fn some_sender(&self, rng: &mut StdRng, channel: Channel) -> Option<SenderId> {
        let model = self.world.model();
        let lanes = model
            .lanes
            .iter()
            .filter(|(_, lane)| lane.removed_at.is_none() && lane.is_email == (channel == Channel::Email));
        lanes.map(|(id, _)| *id).choose(rng)
    }

    pub fn some_due(&self, rng: &mut StdRng) -> (NewIntent, i64) {
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

    pub fn some_text(rng: &mut StdRng, version: u32) -> String {
        let to_whom = "Dear {{ contact.name }},";
        match rng.random_range(0..12) {
            0..6 => format!("Hello v{version}"),
            6..8 => format!("{to_whom} v{version} {}", "x".repeat(rng.random_range(100..170))),
            8 => format!("Long v{version} {}", "y".repeat(rng.random_range(150..400))),
            9..11 => format!("Blob v{version} {}", "z".repeat(1_100)),
            // The name decides whether it fits into its record.
            _ => format!("{to_whom} v{version} {}", "x".repeat(rng.random_range(920..1_000))),
        }
    }

    pub fn some_class(rng: &mut StdRng) -> Class {
        Class::ALL[rng.random_range(0..3)]
    }

    fn some_like(&self, rng: &mut StdRng) -> Option<Like> {
        let contact = self.some_contact(rng)?;
        let channel = if rng.random_bool(0.5) { Channel::Sms } else { Channel::Email };
        let (intent, due) = self.some_due(rng);
        let from = if rng.random_bool(0.8) { self.some_sender(rng, channel) } else { None };
        Some(Like { contact, channel, from, intent: (due, intent == NewIntent::Now), class: Self::some_class(rng) })
    }

    fn schedule(&self, rng: &mut StdRng, number: u32) {
        if let Some(like) = self.some_like(rng) {
            self.schedule_like(rng, number, like);
        }
    }

    /// Very many for one contact: more than a lane holds, and more than one step of a deletion takes.
    pub fn flood(&self, rng: &mut StdRng, number: u32) {
        let Some(like) = self.some_like(rng) else { return };
        for one in 0..rng.random_range(15..50) {
            self.schedule_like(rng, number * 1_000 + one, like);
        }
    }

    fn schedule_like(&self, rng: &mut StdRng, number: u32, like: Like) {
        let Like { contact, channel, from, intent: (due, is_now), class } = like;
        let is_email = channel == Channel::Email;
        let files = if is_email && rng.random_bool(0.3) { rng.random_range(1..4) } else { 0 };
        let key = rng.random_bool(0.5).then(|| format!("message {number}"));
        let new = NewMessage {
            channel,
            to: None,
            from,
            content: Content {
                subject: is_email.then(|| "Subject".into()),
                text: Some(Self::some_text(rng, number)),
                html: (is_email && rng.random_bool(0.1)).then(|| "<p>Hello</p>".repeat(900)),
                render: true,
            },
            template: None,
            attachments: (0..files).map(|file| attachment(number * 3 + file)).collect(),
            intent: if is_now { NewIntent::Now } else { NewIntent::At(UnixMs(due)) },
            class: Some(class),
            if_late: if rng.random_bool(0.1) { IfLate::SkipAfter(Duration::from_secs(2)) } else { IfLate::Send },
            quiet_hours: match number % 7 {
                0 => QuietHoursPolicy::Ignore,
                1 => QuietHoursPolicy::Skip,
                _ => QuietHoursPolicy::Defer,
            },
            reply: Default::default(),
            cancel_on_reply: rng.random_bool(0.2),
            metadata: Default::default(),
            recurrence: None,
            callback_url: (self.world.plan.has_callbacks && number.is_multiple_of(3))
                .then(|| WebUrl::parse("https://shop.example.com/status").unwrap()),
            idempotency: key.clone().and_then(keyed),
        };
        let partition = self.world.partitions.of_contact(contact);
        let id = key.as_deref().map(|key| MessageId::derived(ACCOUNT, contact, key, partition));
        if let Some(id) = id {
            let mut model = self.world.model();
            let known = model.message(id, contact);
            let earliest = if is_now { self.world.earliest_now() } else { due };
            (known.is_busy, known.dues, known.texts) = (true, vec![earliest], vec![number]);
            known.request = Some(Box::new(new.clone()));
        }
        let tries = if id.is_some() { rng.random_range(1..4) } else { 1 };
        let me = self.clone();
        self.spawn(format!("schedule {number} {channel} of {contact} due {due}"), async move {
            for _ in 0..tries {
                match me.answer(me.engine.schedule(&CALLER, contact, new.clone())).await {
                    Ok(created) => return me.scheduled(contact, &created.into_inner(), vec![number]),
                    Err(error) if is_lost(&error) => tokio::time::sleep(Duration::from_millis(400)).await,
                    Err(error) => {
                        me.free(id, contact);
                        return error.to_string();
                    }
                }
            }
            me.free(id, contact);
            "lost".into()
        });
    }

    /// Its caller was told that it is scheduled.
    pub fn scheduled(&self, contact: ContactId, view: &MessageView, texts: Vec<u32>) -> String {
        let (message, now) = (&view.message, self.world.elapsed());
        let mut model = self.world.model();
        let known = model.message(message.identity(), contact);
        (known.is_acknowledged, known.is_busy, known.placed_at) = (true, false, now);
        known.acknowledged_at = now;
        (known.dues, known.texts) = (vec![earliest(message)], texts);
        format!("{} due {}", message.id, message.due_at.0)
    }

    fn free(&self, id: Option<MessageId>, contact: ContactId) {
        if let Some(id) = id {
            self.world.model().message(id, contact).is_busy = false;
        }
    }

    /// The same request again, or another one under the same key.
    fn ask_again(&self, rng: &mut StdRng) {
        let Some(id) = self.some_message(rng) else { return };
        let is_same = rng.random_bool(0.7);
        let asked = {
            let mut model = self.world.model();
            let contact = model.by_contact.iter().find(|(_, ids)| ids.contains(&id)).map(|(contact, _)| *contact);
            let known = model.messages.get_mut(&id).unwrap();
            contact.zip(known.request.as_deref().cloned()).inspect(|_| known.dues.push(self.world.earliest_now()))
        };
        let Some((contact, mut new)) = asked else { return self.settle(id, None, None) };
        if !is_same {
            new.idempotency = new
                .idempotency
                .map(|known| Idempotency { request_hash: known.request_hash.map(|byte| !byte), ..known });
        }
        let (me, asked) = (self.clone(), new.clone());
        self.spawn(format!("again {id}, same {is_same}"), async move {
            let answer = me.answer(me.engine.schedule(&CALLER, contact, new)).await;
            let is_forgotten = me.world.model().messages[&id].is_forgotten;
            let told = match &answer {
                Ok(Created::Replayed(view)) if is_same && view.message.identity() == id => "replayed".into(),
                // Its record had left: it is another message now.
                Ok(Created::New(view)) if view.message.id == id && view.message.version == 1 => {
                    let due = Some(vec![earliest(&view.message)]);
                    me.settle(id, due, None);
                    let now = me.world.elapsed();
                    let mut model = me.world.model();
                    let known = model.messages.get_mut(&id).unwrap();
                    (known.is_acknowledged, known.acknowledged_at) = (true, now);
                    // Whatever made it is what is asked for again from now on.
                    known.request = Some(Box::new(asked));
                    return "new".into();
                }
                Err(EngineError::Conflict { code: "idempotency_key_reused", .. }) if !is_same => "refused".into(),
                Err(EngineError::NotFound | EngineError::Invalid(_)) if is_forgotten => "gone".into(),
                Err(error @ (EngineError::Merged(_) | EngineError::Conflict { code: "merge_under_way", .. })) => {
                    error.to_string()
                }
                // What its caller gave up may be under way to the store.
                Err(error) if is_lost(error) => {
                    me.world.model().messages.get_mut(&id).unwrap().may_come_back = true;
                    error.to_string()
                }
                Err(error @ EngineError::NotFound) => error.to_string(),
                // It moved, and what it had become left: its key is of no message any more.
                Ok(Created::New(view)) if is_forgotten && me.world.model().mirror.moved.contains_key(&id) => {
                    me.world.model().messages.get_mut(&id).unwrap().request = None;
                    view.message.id.to_string()
                }
                other => {
                    me.world.violation(format!("again: {id}, same {is_same}, was told {other:?}"));
                    "wrong".into()
                }
            };
            me.settle(id, None, None);
            told
        });
    }

    /// A dead letter is revived.
    fn requeue(&self, rng: &mut StdRng) {
        let Some(id) = self.some_message(rng) else { return };
        let failed = {
            let model = self.world.model();
            let record = model.mirror.messages.get(&id);
            let failed = record.filter(|record| record.state.name() == StateName::Failed);
            failed.map(|record| (record.contact, model.messages[&id].texts.clone()))
        };
        let Some((contact, texts)) = failed else { return self.settle(id, None, None) };
        let revived = MessageId::requeued(id);
        {
            let mut model = self.world.model();
            // One that moved is revived where it is now, under an id that its view tells.
            if model.mirror.moved.contains_key(&id) {
                drop(model);
                return self.settle(id, None, None);
            }
            let known = model.message(revived, contact);
            if std::mem::replace(&mut known.is_busy, true) {
                drop(model);
                return self.settle(id, None, None);
            }
            known.dues.push(self.world.earliest_now());
            known.texts = texts.clone();
        }
        let me = self.clone();
        self.spawn(format!("requeue {id} as {revived}"), async move {
            let answer = me.answer(me.engine.requeue(&CALLER, id)).await;
            me.settle(id, None, None);
            match answer {
                Ok(Created::New(view)) => me.scheduled(contact, &view, texts),
                // It may have been edited or cancelled since it was revived.
                Ok(Created::Replayed(_)) => {
                    me.free(Some(revived), contact);
                    "replayed".into()
                }
                Err(error) => {
                    me.free(Some(revived), contact);
                    error.to_string()
                }
            }
        });
    }
}
