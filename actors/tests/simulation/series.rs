//! Messages that repeat: who schedules and cancels them, and what must be so of them whatever crashes.

use std::collections::{BTreeMap, BTreeSet};

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use sendwheel_actors::domain::address::Channel;
use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::conversation::{ItemKind, ThreadItem};
use sendwheel_actors::domain::ids::SeriesId;
use sendwheel_actors::domain::message::{Content, Message, State, StoredContent};
use sendwheel_actors::domain::schedule::{FoldPolicy, GapPolicy, IfLate, QuietHoursPolicy};
use sendwheel_actors::domain::series::SeriesState;
use sendwheel_actors::engine::api::{NewIntent, NewMessage, ZoneChoice};
use sendwheel_actors::store::{Table, codec};

use crate::handover::version_of;
use crate::model::Model;
use crate::oracle::Found;
use crate::workload::{CALLER, Callers, earliest};
use crate::world::World;

/// A series, as its caller knows it.
#[derive(Debug, Default)]
pub struct Repeats {
    /// The numbers of its messages that came into being.
    pub born: BTreeSet<u32>,
    /// Its scheduling was acknowledged.
    pub is_acknowledged: bool,
    pub is_busy: bool,
    /// Its cancelling was acknowledged.
    pub canceled_at: Option<i64>,
    /// What its first message said when it came into being, and so each of them.
    pub says: Option<u32>,
}

/// By its id, and by those it had since.
pub type Series = BTreeMap<SeriesId, Repeats>;

/// Every minute, so many times.
fn every_minute(count: u32) -> String {
    let all = |below: u32| (0..below).map(|number| number.to_string()).collect::<Vec<_>>().join(",");
    format!("FREQ=DAILY;COUNT={count};BYHOUR={};BYMINUTE={}", all(24), all(60))
}

impl Callers {
    /// Perhaps somebody schedules a message that repeats, or takes one back.
    pub fn chance_to_repeat(&self, rng: &mut StdRng, number: u32) {
        if rng.random_range(0..1_000) >= self.world.plan.repeats {
            return;
        }
        if rng.random_bool(0.3) { self.cancel_series(rng) } else { self.repeat(rng, number) }
    }

    fn repeat(&self, rng: &mut StdRng, number: u32) {
        let Some(contact) = self.some_contact(rng) else { return };
        let start = UnixMs((self.world.now() / 1_000 + rng.random_range(1..30)) * 1_000);
        let channel = if rng.random_bool(0.5) { Channel::Sms } else { Channel::Email };
        let is_email = channel == Channel::Email;
        let new = NewMessage {
            channel,
            to: None,
            from: None,
            content: Content {
                subject: is_email.then(|| "Again".into()),
                text: Some(Self::some_text(rng, number)),
                html: None,
                render: true,
            },
            template: None,
            attachments: Vec::new(),
            intent: NewIntent::Wall {
                local: start.to_string().trim_end_matches('Z').to_owned(),
                zone: ZoneChoice::Named("UTC".into()),
                gap: GapPolicy::Forward,
                fold: FoldPolicy::First,
            },
            recurrence: Some(every_minute(rng.random_range(1..6)).parse().unwrap()),
            class: Some(Self::some_class(rng)),
            if_late: IfLate::Send,
            quiet_hours: if rng.random_bool(0.5) { QuietHoursPolicy::Ignore } else { QuietHoursPolicy::Defer },
            reply: Default::default(),
            cancel_on_reply: false,
            metadata: Default::default(),
            callback_url: None,
            idempotency: None,
        };
        let me = self.clone();
        self.spawn(format!("repeat {number} {channel} of {contact} from {start}"), async move {
            match me.answer(me.engine.schedule(&CALLER, contact, new)).await {
                Ok(created) => {
                    let view = created.into_inner();
                    let series = view.message.series.as_ref().map(|of| of.series).unwrap();
                    me.world.model().series.entry(series).or_default().is_acknowledged = true;
                    format!("{series}, {}", me.scheduled(contact, &view, vec![number]))
                }
                Err(error) => error.to_string(),
            }
        });
    }

    fn cancel_series(&self, rng: &mut StdRng) {
        let id = {
            let mut model = self.world.model();
            let is_free = |known: &Repeats| known.is_acknowledged && !known.is_busy && known.canceled_at.is_none();
            let free = model.series.iter().filter(|(_, known)| is_free(known)).map(|(id, _)| *id);
            let Some(id) = free.choose(rng) else { return };
            model.series.get_mut(&id).unwrap().is_busy = true;
            id
        };
        let me = self.clone();
        self.spawn(format!("cancel {id}"), async move {
            let answer = me.answer(me.engine.cancel_series(&CALLER, id)).await;
            let now = me.world.elapsed();
            let mut model = me.world.model();
            model.series.get_mut(&id).unwrap().is_busy = false;
            match answer {
                Ok(view) if view.series.state == SeriesState::Canceled => {
                    // Wherever it has moved since.
                    for id in [id, view.id] {
                        model.series.entry(id).or_default().canceled_at = Some(now);
                    }
                    *model.tally.entry("series cancelled").or_default() += 1;
                    "cancelled".into()
                }
                Ok(view) => format!("{:?} before", view.series.state),
                Err(error) => error.to_string(),
            }
        });
    }
}

impl Model {
    /// A message came into being; if it repeats another one, it is as good as acknowledged.
    pub fn saw_occurrence(&mut self, new: &Message, now: i64, wrongs: &mut Vec<String>) {
        let Some(of) = &new.series else { return };
        if !self.series.entry(of.series).or_default().born.insert(of.number) {
            wrongs.push(format!("I4: number {} of {} came into being twice", of.number, of.series));
        }
        let says = match &new.content {
            StoredContent::Inline(content) => content.text.as_deref().and_then(version_of),
            StoredContent::Blob { .. } => None,
        };
        let first = *self.series.entry(of.series).or_default().says.get_or_insert(says.unwrap_or_default());
        if says.is_some_and(|says| says != first) {
            wrongs.push(format!("content: number {} of {} says {says:?}, not {first}", of.number, of.series));
        }
        if of.number > 1 {
            *self.tally.entry("occurrences").or_default() += 1;
            let known = self.message(new.identity(), new.contact);
            (known.is_acknowledged, known.acknowledged_at, known.placed_at) = (true, now, now);
            known.texts.extend(says);
            known.dues = vec![earliest(new)];
        }
    }

    /// When the cancelling of a message's series was acknowledged.
    pub fn series_canceled_at(&self, message: &Message) -> Option<i64> {
        self.series.get(&message.series.as_ref()?.series)?.canceled_at
    }
}

/// A series that goes on has its next message; one that is cancelled has nothing to come; and none of its messages is
/// missing or there twice.
pub fn check(world: &World, found: &Found, wrongs: &mut Vec<String>) {
    let model = world.model();
    for ((_, table, _), bytes) in &found.contents.records {
        if *table != Table::Item {
            continue;
        }
        let item: ThreadItem = codec::decode(bytes).unwrap();
        let ItemKind::Series(series) = &item.kind else { continue };
        let id = SeriesId::of_entry(item.id);
        if !found.contacts.get(&item.contact).is_some_and(|contact| contact.is_live()) {
            continue;
        }
        let is_to_come = |message: &Message| matches!(message.state, State::Scheduled | State::Held);
        match series.state {
            SeriesState::Active if !found.messages.get(&series.latest).is_some_and(is_to_come) => {
                wrongs.push(format!("I2: {id} goes on, and its next message {} is not to come", series.latest));
            }
            SeriesState::Canceled if found.messages.get(&series.latest).is_some_and(is_to_come) => {
                wrongs.push(format!("I3: {id} was cancelled, and {} is to come", series.latest));
            }
            SeriesState::Active | SeriesState::Ended | SeriesState::Canceled => {}
        }
        // Those of a contact that was merged were born under two ids.
        let born = model.series.get(&id).map(|known| known.born.iter().copied().collect::<Vec<_>>());
        if world.plan.merges == 0 && born != Some((1..=series.made).collect()) {
            wrongs.push(format!("I2: {id} made {}, and {born:?} came into being", series.made));
        }
    }
}
