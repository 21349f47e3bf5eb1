//! What must be so when everything is quiet: nothing lost, every entry and every counter as the records
//! say, no limit broken.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::contact::Contact;
use sendwheel_actors::domain::ids::{ContactId, MessageId, Partition};
use sendwheel_actors::domain::message::{Message, State, StateName, StoredContent};
use sendwheel_actors::domain::ticket::{Ticket, TicketKind};
use sendwheel_actors::store::keys::{self, AttentionMember, HeldMember, WaitingScope};
use sendwheel_actors::store::memory::{Contents, MemoryStore};
use sendwheel_actors::store::{Counter, Index, Member, Table, codec};

use crate::model::{HandedOver, Outcome};
use crate::world::{BEGIN_MS, Process, World};

/// Longest wait for quiet, virtual: breakers, backoffs and claims of dead processes are over long before.
const PATIENCE: Duration = Duration::from_secs(1_800);

struct Found {
    contents: Contents,
    messages: BTreeMap<MessageId, Message>,
    contacts: BTreeMap<ContactId, Contact>,
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
fn moving(found: &Found, now: i64) -> Vec<String> {
    let mut out = Vec::new();
    for message in found.messages.values() {
        let is_moving = matches!(message.state, State::Sending(_))
            || (message.state == State::Scheduled && message.due_at.0 <= now + 2_000);
        if is_moving {
            out.push(format!(
                "{} {:?} due {} of {}",
                message.id,
                message.state,
                message.due_at.0 - BEGIN_MS,
                message.contact
            ));
        }
    }
    let is_deleted = |contact: &&Contact| contact.is_deleted();
    out.extend(found.contacts.values().filter(is_deleted).map(|contact| format!("the deletion of {}", contact.id)));
    for (partition, index, score, member) in &found.contents.entries {
        if matches!(index, Index::Due | Index::Waiting(..)) && score.0 <= now {
            let what = Ticket::from_entry(*score, member);
            out.push(format!("an entry of {index:?} in {partition}: {what:?}"));
        }
    }
    out
}

/// Waits until nothing moves any more. What does not come to rest is stuck, while the process lives.
pub async fn until_quiet(world: &World, process: &Process) {
    let begun = world.now();
    loop {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let (now, open) = (world.now(), world.model().operations_open);
        let left = moving(&read(&process.store), now);
        if left.is_empty() && open == 0 {
            return;
        }
        if now - begun > PATIENCE.as_millis() as i64 {
            world.violation(format!("I2: stuck, {open} operations open: {}", left.join("; ")));
            return;
        }
    }
}

/// Everything that can be said at the end.
pub fn check(world: &World, data: &MemoryStore) {
    let found = read(data);
    let mut wrongs = Vec::new();
    promises(world, &found, &mut wrongs);
    entries(&found, &mut wrongs);
    counters(&found, &mut wrongs);
    limits(world, &mut wrongs);
    for wrong in wrongs {
        world.violation(wrong);
    }
}

/// I2: every acknowledged message ended, or is still to come; what it says of itself is what went out.
fn promises(world: &World, found: &Found, wrongs: &mut Vec<String>) {
    let (now, model) = (world.now(), world.model());
    for (contact, ids) in &model.by_contact {
        let person = model.people.get(contact).cloned().unwrap_or_default();
        let is_there = found.contacts.contains_key(contact);
        if person.deleted_at.is_some() && is_there {
            wrongs.push(format!("I2: {contact} was deleted and is there"));
        }
        if !person.is_deletion_asked && !is_there {
            wrongs.push(format!("I2: {contact} is lost"));
        }
        for id in ids {
            let known = &model.messages[id];
            let Some(message) = found.messages.get(id) else {
                if known.is_acknowledged && is_there {
                    wrongs.push(format!("I2: {id} is lost"));
                }
                continue;
            };
            if !is_there {
                wrongs.push(format!("I2: {id} outlived its contact"));
            }
            let took = known.hands.iter().any(|hand| hand.outcome == Outcome::Submitted);
            match message.state.name() {
                StateName::Scheduled if message.due_at.0 <= now - 60_000 => {
                    wrongs.push(format!("I2: {id} is still scheduled for {}", message.due_at));
                }
                StateName::Sending => wrongs.push(format!("I2: {id} is still being sent")),
                StateName::Submitted if !took => wrongs.push(format!("I2: {id} is submitted and was never taken")),
                state => {
                    if known.canceled_at.is_some() && state != StateName::Canceled {
                        wrongs.push(format!("I3: the cancelling of {id} was acknowledged, and it is {state}"));
                    }
                }
            }
        }
    }
}

type EntryOf = (Partition, Index, UnixMs, Member);

/// Entries of records, written down anew from what the architecture says of each index.
fn expected(message: &Message) -> Vec<EntryOf> {
    let partition = message.id.partition();
    let mut out = Vec::new();
    let (pending, attention) = match message.state {
        State::Scheduled | State::Sending(_) => (true, None),
        State::Held | State::Uncertain => (true, Some(())),
        State::Failed => (false, Some(())),
        _ => (false, None),
    };
    let own = keys::message_member(message.id);
    if pending {
        out.push((partition, Index::Pending(message.contact), message.due_at, own));
    } else {
        out.push((partition, Index::Timeline(message.contact), message.since, own));
    }
    if message.state == State::Held {
        let member = HeldMember { message: message.id, contact: message.contact }.encode();
        out.push((partition, Index::Held(message.account), message.since, member));
    }
    if attention.is_some() {
        let member =
            AttentionMember { state: message.state.name(), message: message.id, contact: message.contact }.encode();
        out.push((partition, Index::Attention(message.account), message.since, member.unwrap()));
    }
    out
}

/// Records and entries agree, both ways.
fn entries(found: &Found, wrongs: &mut Vec<String>) {
    let mut expected: BTreeSet<EntryOf> = found.messages.values().flat_map(expected).collect();
    for contact in found.contacts.values().filter(|contact| !contact.is_deleted()) {
        let partition = found
            .contents
            .records
            .keys()
            .find(|(_, table, key)| *table == Table::Contact && key.as_slice() == contact.id.as_bytes());
        let partition = partition.map_or(Partition(0), |(partition, ..)| *partition);
        let member = keys::contact_member(contact.id);
        expected.insert((partition, Index::Contacts(contact.account), contact.created_at, member));
    }
    let mut tickets: BTreeMap<MessageId, u32> = BTreeMap::new();
    for entry in &found.contents.entries {
        let (partition, index, score, member) = entry;
        match index {
            Index::Due | Index::Waiting(..) => {
                let ticket = Ticket::from_entry(*score, member).unwrap();
                let message = found.messages.get(&ticket.message);
                let is_live = ticket.kind() == TicketKind::Message
                    && message.is_some_and(|message| {
                        matches!(message.state, State::Scheduled | State::Sending(_))
                            && Ticket::of_message(message) == ticket
                    });
                if !is_live {
                    let state = message.map(|message| &message.state);
                    wrongs.push(format!("entries: {index:?} in {partition} has {ticket:?}, the message is {state:?}"));
                }
                if let Index::Waiting(lane, class) = index {
                    let scope = WaitingScope { lane: *lane, class: *class }.encode();
                    if !found.contents.entries.contains(&(*partition, Index::WaitingScopes, UnixMs(0), scope)) {
                        wrongs.push(format!("entries: {index:?} in {partition} is in no scope"));
                    }
                }
                *tickets.entry(ticket.message).or_default() += 1;
            }
            Index::Pending(_) | Index::Timeline(_) | Index::Held(_) | Index::Attention(_) | Index::Contacts(_)
                if !expected.remove(entry) =>
            {
                wrongs.push(format!("entries: {index:?} in {partition} at {score} stands for nothing"));
            }
            _ => {}
        }
    }
    wrongs.extend(
        expected
            .iter()
            .map(|(partition, index, score, _)| format!("entries: {index:?} in {partition} at {score} is missing")),
    );
    for message in found.messages.values() {
        let wanted = u32::from(message.state.name().is_due_indexed());
        let there = tickets.get(&message.id).copied().unwrap_or(0);
        if there != wanted {
            wrongs
                .push(format!("I2: {} is {:?} and has {there} entries in due and waiting", message.id, message.state));
        }
    }
    for ((_, table, key), _) in found.contents.records.iter().filter(|((_, table, _), _)| *table == Table::Blob) {
        let id = MessageId::from_bytes(key[..16].try_into().unwrap());
        let message = found.messages.get(&id);
        if !message.is_some_and(|message| matches!(message.content, StoredContent::Blob { .. })) {
            wrongs.push(format!("records: a {table:?} of {id} is left over"));
        }
    }
}

fn counters(found: &Found, wrongs: &mut Vec<String>) {
    let mut expected: BTreeMap<(Partition, Counter), i64> = BTreeMap::new();
    for (partition, table, key) in found.contents.records.keys() {
        let counted = match table {
            Table::Message => {
                let message = &found.messages[&MessageId::from_bytes(key[..].try_into().unwrap())];
                message.state.name().is_pending().then_some(Counter::Pending)
            }
            Table::Contact => {
                let contact = &found.contacts[&ContactId::from_bytes(key[..].try_into().unwrap())];
                (!contact.is_deleted()).then_some(Counter::Contacts)
            }
            _ => None,
        };
        if let Some(counter) = counted {
            *expected.entry((*partition, counter)).or_default() += 1;
        }
    }
    for (key, count) in &found.contents.counters {
        let wanted = expected.remove(key).unwrap_or(0);
        if key.1 != Counter::Lanes && *count != wanted {
            wrongs.push(format!("counters: {key:?} says {count}, there are {wanted}"));
        }
    }
    wrongs.extend(expected.iter().map(|(key, wanted)| format!("counters: {key:?} is missing, there are {wanted}")));
}

/// I6, in every window that begins and ends with a hand-over.
fn limits(world: &World, wrongs: &mut Vec<String>) {
    let model = world.model();
    for (sender, lane) in &model.lanes {
        let Some(limit) = lane.limit else { continue };
        let is_of_lane = |hand: &&HandedOver| hand.sender == *sender && hand.outcome != Outcome::NotStarted;
        let mut times: Vec<i64> =
            model.messages.values().flat_map(|known| &known.hands).filter(is_of_lane).map(|hand| hand.at).collect();
        times.sort_unstable();
        for (first, from) in times.iter().enumerate() {
            for (last, to) in times.iter().enumerate().skip(first) {
                let window = (to - from + 250) as f64 / 1_000.0;
                let allowed = f64::from(limit.burst) + f64::from(limit.rate) * window / limit.per.as_secs_f64();
                if (last - first + 1) as f64 > allowed {
                    wrongs.push(format!("I6: {} hand-overs of {sender} in {} ms", last - first + 1, to - from));
                    return;
                }
            }
        }
    }
}
