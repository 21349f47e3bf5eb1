//! What must be so when everything is quiet: nothing lost, nothing kept beyond its time, no limit broken; and
//! what is stored agrees with itself.

use std::collections::BTreeMap;
use std::time::Duration;

use sendwheel_actors::domain::contact::{Contact, Life};
use sendwheel_actors::domain::directory::{Limit, WebhookEvent};
use sendwheel_actors::domain::ids::{ContactId, MessageId, SenderId};
use sendwheel_actors::domain::message::{Message, State, StateName};
use sendwheel_actors::domain::ticket::Ticket;
use sendwheel_actors::store::memory::{Contents, MemoryStore};
use sendwheel_actors::store::{Index, Table, codec};

use crate::model::{HandedOver, Outcome};
use crate::people::{THEIR_DOMAIN, TO_THEIR_DOMAIN};
use crate::receiver::word_of;
use crate::records;
use crate::series;
use crate::world::{Process, World};

/// Longest wait for quiet, virtual: breakers, backoffs and claims of dead processes are over long before.
const PATIENCE: Duration = Duration::from_secs(600);

/// What lies in the store, read from its bytes.
pub struct Found {
    pub contents: Contents,
    pub messages: BTreeMap<MessageId, Message>,
    pub contacts: BTreeMap<ContactId, Contact>,
}

fn read(store: &MemoryStore) -> Found {
    let contents = store.contents();
    let (mut messages, mut contacts) = (BTreeMap::new(), BTreeMap::new());
    for ((_, table, _), bytes) in &contents.records {
        match table {
            Table::Message => {
                let message: Message = codec::decode(bytes).unwrap();
                messages.insert(message.id, message);
            }
            Table::Contact => {
                let contact: Contact = codec::decode(bytes).unwrap();
                contacts.insert(contact.id, contact);
            }
            _ => {}
        }
    }
    Found { contents, messages, contacts }
}

/// What still has to happen by now.
fn moving(world: &World, process: &Process) -> Vec<String> {
    let (now, model) = (world.now(), world.model());
    let mut out = Vec::new();
    for message in model.mirror.messages.values() {
        let is_moving = matches!(message.state, State::Sending(_))
            || (message.state == State::Scheduled && message.due_at.0 <= now + 2_000);
        if is_moving {
            let wait = message.due_at.0 - now;
            out.push(format!("{} {:?} due in {wait} ms of {}", message.id, message.state, message.contact));
        }
    }
    out.extend(model.mirror.notices.values().map(|notice| format!("notice {} {:?}", notice.id, notice.state)));
    let is_going = |contact: &&Contact| contact.is_deleted() || matches!(contact.life, Life::Merging(_));
    let going = model.mirror.contacts.values().filter(is_going);
    out.extend(going.map(|contact| format!("{} as {:?}", contact.id, contact.life)));
    if !out.is_empty() {
        return out;
    }
    for (partition, index, score, member) in &process.store.contents().entries {
        if matches!(index, Index::Due | Index::Waiting(..)) && score.0 <= now {
            let what = Ticket::from_entry(*score, member);
            out.push(format!("an entry of {index:?} in {partition}: {what:?}"));
        }
    }
    out
}

/// Waits until nothing moves any more. What does not come to rest is stuck, while the process lives.
pub async fn until_quiet(world: &World, process: &Process) {
    let begun = world.elapsed();
    loop {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let open = world.model().operations_open;
        let left = moving(world, process);
        if left.is_empty() && open == 0 {
            return;
        }
        if world.elapsed() - begun > PATIENCE.as_millis() as i64 {
            world.violation(format!("I2: stuck, {open} operations open: {}", left.join("; ")));
            return;
        }
    }
}

/// Everything that can be said at the end.
pub fn check(world: &World) {
    let found = read(&world.data);
    let mut wrongs = Vec::new();
    promises(world, &found, &mut wrongs);
    retention(world, &found, &mut wrongs);
    records::check(world, &world.data, &found, &mut wrongs);
    series::check(world, &found, &mut wrongs);
    limits(world, &mut wrongs);
    for wrong in wrongs {
        world.violation(wrong);
    }
}

/// I2: every acknowledged message ended, or is still to come; what it says of itself is what went out.
fn promises(world: &World, found: &Found, wrongs: &mut Vec<String>) {
    let (now, model) = (world.now(), world.model());
    for (contact, person) in &model.people {
        let is_there = found.contacts.contains_key(contact);
        if person.deleted_at.is_some() && is_there {
            wrongs.push(format!("I2: {contact} was deleted and is there"));
        }
        let survivor = model.survivor(*contact);
        if !person.is_deletion_asked && !is_there {
            wrongs.push(format!("I2: {contact} is lost"));
        }
        if is_there && !found.contacts.contains_key(&survivor) {
            wrongs.push(format!("I2: {contact} was merged into {survivor}, which is gone"));
        }
    }
    for (contact, ids) in &model.by_contact {
        let is_there = found.contacts.contains_key(contact);
        for id in ids {
            let known = &model.messages[id];
            let here = model.mirror.messages.get(id).map_or(*id, |message| message.id);
            let Some(message) = found.messages.get(&here) else {
                if known.is_acknowledged && is_there && !known.is_forgotten {
                    wrongs.push(format!("I2: {id} is lost"));
                }
                continue;
            };
            if !is_there {
                wrongs.push(format!("I2: {id} outlived its contact"));
            }
            // A receipt may have proved an attempt whose outcome was unknown.
            let is_there = |hand: &HandedOver| matches!(hand.outcome, Outcome::Submitted | Outcome::Unknown);
            let took = known.hands.iter().any(is_there);
            match message.state.name() {
                StateName::Scheduled if message.due_at.0 <= now - 60_000 => {
                    wrongs.push(format!("I2: {id} is still scheduled for {}", message.due_at));
                }
                StateName::Sending => wrongs.push(format!("I2: {id} is still being sent")),
                StateName::Submitted | StateName::Delivered | StateName::Bounced if !took => {
                    wrongs.push(format!("I2: {id} is submitted and was never taken"));
                }
                state => {
                    let is_told = WebhookEvent::of_state(state).is_none_or(|event| {
                        let told = |id: MessageId| (id.to_string(), event.as_str().to_owned());
                        model.ids_of(*id).any(|id| model.told.contains(&told(id)))
                    });
                    if world.plan.has_webhook && state.is_final() && !is_told {
                        wrongs.push(format!("notices: nobody was told that {id} is {state}"));
                    }
                    let is_called = word_of(state).is_none_or(|word| model.called.contains(&(*id, word.to_owned())));
                    if message.callback_url.is_some() && state.is_final() && !is_called {
                        wrongs.push(format!("callbacks: nobody was called when {id} became {state}"));
                    }
                    if known.canceled_at.is_some() && state != StateName::Canceled {
                        wrongs.push(format!("I3: the cancelling of {id} was acknowledged, and it is {state}"));
                    }
                }
            }
        }
    }
}

/// What was settled long ago has left, after some sweeps without faults.
fn retention(world: &World, found: &Found, wrongs: &mut Vec<String>) {
    let Some(retention) = world.plan.retention else { return };
    let kept = retention + world.plan.sweep_every * 2;
    let before = world.now() - i64::try_from(kept.as_millis()).unwrap();
    for message in found.messages.values() {
        if message.state.name().is_final() && message.since.0 < before {
            wrongs.push(format!("retention: {} is still there, settled {}", message.id, message.since));
        }
    }
}

/// I6, in every window that begins and ends with a hand-over: of a limited sender, and to the domain of all contacts.
fn limits(world: &World, wrongs: &mut Vec<String>) {
    let model = world.model();
    // Nodes do not share their limits in this version.
    let is_counted = |hand: &&HandedOver| hand.outcome != Outcome::NotStarted && hand.over_at.is_none();
    let counted: Vec<_> = model.messages.values().flat_map(|known| &known.hands).filter(is_counted).collect();
    for (sender, lane) in &model.lanes {
        let Some(limit) = lane.limit else { continue };
        let of_lane = counted.iter().filter(|hand| hand.sender == *sender).map(|hand| hand.at).collect();
        wrongs.extend(beyond(limit, of_lane).map(|what| format!("I6: {what} of {sender}")));
    }
    let is_mail = |sender: &SenderId| model.lanes.get(sender).is_some_and(|lane| lane.is_email);
    let mails = counted.iter().filter(|hand| is_mail(&hand.sender)).map(|hand| hand.at).collect();
    wrongs.extend(beyond(TO_THEIR_DOMAIN, mails).map(|what| format!("I6: {what} to {THEIR_DOMAIN}")));
}

/// The first window with more than the limit lets go.
fn beyond(limit: Limit, mut times: Vec<i64>) -> Option<String> {
    times.sort_unstable();
    for (first, from) in times.iter().enumerate() {
        for (last, to) in times.iter().enumerate().skip(first) {
            let window = (to - from + 250) as f64 / 1_000.0;
            let allowed = f64::from(limit.burst) + f64::from(limit.rate) * window / limit.per.as_secs_f64();
            if (last - first + 1) as f64 > allowed {
                return Some(format!("{} hand-overs in {} ms", last - first + 1, to - from));
            }
        }
    }
    None
}
