//! Records, entries, counters, blobs, aliases and hints agree, whatever happened: written down anew from what
//! the architecture says of each.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::FutureExt;
use sendwheel_actors::contact::decide::blobs_of_item;
use sendwheel_actors::domain::audit::AuditEntry;
use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::contact::Contact;
use sendwheel_actors::domain::conversation::ThreadItem;
use sendwheel_actors::domain::ids::{ContactId, MessageId, Partition};
use sendwheel_actors::domain::message::{BlobKey, Message, State, StoredContent};
use sendwheel_actors::domain::suppression::Suppression;
use sendwheel_actors::domain::ticket::{Ticket, TicketKind};
use sendwheel_actors::store::keys::{
    self, AttentionMember, AuditMember, DirectoryKey, HeldMember, SearchMember, TimelineMember, WaitingScope,
};
use sendwheel_actors::store::memory::MemoryStore;
use sendwheel_actors::store::{Counter, Index, Key, Member, Store, Table, codec};

use crate::oracle::Found;
use crate::workload::ACCOUNT;
use crate::world::World;

type EntryOf = (Partition, Index, UnixMs, Member);

/// Everything that can be said of what is stored.
pub fn check(world: &World, data: &MemoryStore, found: &Found, wrongs: &mut Vec<String>) {
    entries(world, found, wrongs);
    counters(found, wrongs);
    blobs(found, wrongs);
    external_ids(world, found, wrongs);
    hints(data, found, wrongs);
}

fn live(found: &Found) -> impl Iterator<Item = &Contact> {
    found.contacts.values().filter(|contact| contact.is_live())
}

fn expected_of_message(message: &Message) -> Vec<EntryOf> {
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

fn expected_of_contact(partition: Partition, contact: &Contact) -> Vec<EntryOf> {
    let term = |term| SearchMember { term, contact: contact.id }.encode().unwrap();
    let terms = contact.profile.search_terms().into_iter().map(term);
    let mut out: Vec<_> = terms.map(|member| (partition, Index::Search(contact.account), UnixMs(0), member)).collect();
    let member = keys::contact_member(contact.id);
    let active = contact.conversation.last_activity_at;
    out.extend(active.map(|at| (partition, Index::Inbox(contact.account), at, member.clone())));
    out.push((partition, Index::Contacts(contact.account), contact.created_at, member));
    out
}

/// Items of threads, suppressed addresses, and the audit trail.
fn expected_of_others(found: &Found) -> Vec<EntryOf> {
    let mut out = Vec::new();
    for ((partition, table, key), bytes) in &found.contents.records {
        match table {
            Table::Item => {
                let item: ThreadItem = codec::decode(bytes).unwrap();
                let member = TimelineMember::Item(item.id).encode();
                out.push((*partition, Index::Timeline(item.contact), item.at, member));
            }
            Table::Suppression => {
                let suppression: Suppression = codec::decode(bytes).unwrap();
                // Under the record's own digest: its address may have been erased.
                let digest = key[4..].try_into().unwrap();
                let member = keys::suppression_member(digest);
                out.push((*partition, Index::Suppressions(suppression.account), suppression.since, member));
            }
            Table::Audit => {
                let entry: AuditEntry = codec::decode(bytes).unwrap();
                let member = AuditMember { entry: entry.id, partition: *partition }.encode();
                out.push((*partition, Index::Audit(entry.account), entry.at, member));
            }
            _ => {}
        }
    }
    out
}

/// Records and entries, both ways.
fn entries(world: &World, found: &Found, wrongs: &mut Vec<String>) {
    let mut expected: BTreeSet<EntryOf> = found.messages.values().flat_map(expected_of_message).collect();
    expected.extend(expected_of_others(found));
    let partition = |contact: &Contact| world.partitions.of_contact(contact.id);
    expected.extend(live(found).flat_map(|contact| expected_of_contact(partition(contact), contact)));
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
            Index::WaitingScopes | Index::Directory => {}
            _ if expected.remove(entry) => {}
            _ => wrongs.push(format!("entries: {index:?} in {partition} at {score} stands for nothing")),
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
                (contact.is_live()).then_some(Counter::Contacts)
            }
            _ => None,
        };
        if let Some(counter) = counted {
            *expected.entry((*partition, counter)).or_default() += 1;
        }
    }
    let directory = found.contents.entries.iter().filter(|(_, index, ..)| *index == Index::Directory);
    for (partition, .., member) in directory {
        if let Ok(DirectoryKey::Account(number)) = DirectoryKey::from_member(member) {
            let given = expected.entry((*partition, Counter::Accounts)).or_default();
            *given = (*given).max(i64::from(number.0));
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

/// Large contents and attachments: none is missing, and none is left over.
fn blobs(found: &Found, wrongs: &mut Vec<String>) {
    let mut expected: BTreeSet<(Partition, Key)> = BTreeSet::new();
    for message in found.messages.values() {
        let of_message = |number| (message.id.partition(), keys::blob(BlobKey { message: message.id, number }));
        expected.extend(message.attachments.iter().map(|attachment| of_message(attachment.blob)));
        if matches!(message.content, StoredContent::Blob { .. }) {
            expected.insert(of_message(BlobKey::CONTENT));
        }
    }
    for ((partition, table, _), bytes) in &found.contents.records {
        if *table == Table::Item {
            let item: ThreadItem = codec::decode(bytes).unwrap();
            let of_item = |number| (*partition, keys::blob(BlobKey { message: item.id, number }));
            expected.extend(blobs_of_item(&item).map(of_item));
            if !found.contacts.contains_key(&item.contact) {
                wrongs.push(format!("I2: item {} outlived its contact", item.id));
            }
        }
    }
    let is_blob = |key: &&(Partition, Table, Key)| key.1 == Table::Blob;
    for (partition, _, key) in found.contents.records.keys().filter(is_blob) {
        if !expected.remove(&(*partition, key.clone())) {
            let id = MessageId::from_bytes(key[..16].try_into().unwrap());
            wrongs.push(format!("blobs: number {} of {id} is left over", key[16]));
        }
    }
    for (_, key) in expected {
        let id = MessageId::from_bytes(key[..16].try_into().unwrap());
        wrongs.push(format!("blobs: number {} of {id} is missing", key[16]));
    }
}

/// One contact for an external id, found by it; and what was told of one is so.
fn external_ids(world: &World, found: &Found, wrongs: &mut Vec<String>) {
    let mut by_external_id: BTreeMap<&str, ContactId> = BTreeMap::new();
    for contact in live(found) {
        let Some(external_id) = contact.profile.external_id.as_deref() else { continue };
        if let Some(other) = by_external_id.insert(external_id, contact.id) {
            wrongs.push(format!("external ids: {external_id} is {other}'s and {}'s", contact.id));
        }
        let holder = ContactId::from_external_id(ACCOUNT, external_id);
        let alias = (world.partitions.of_contact(holder), Table::Alias, keys::alias(ACCOUNT, external_id));
        let leads_to = found.contents.records.get(&alias).map(|bytes| <[u8; 16]>::try_from(&bytes[..]).unwrap());
        let first =
            if found.contacts.contains_key(&holder) { holder } else { leads_to.map_or(holder, ContactId::from_bytes) };
        if world.model().survivor(first) != contact.id {
            wrongs.push(format!("external ids: {external_id} does not lead to {}", contact.id));
        }
    }
    for (id, person) in &world.model().people {
        let contact = found.contacts.get(id).filter(|contact| contact.is_live());
        if let (Some(contact), Some((told, births))) = (contact, &person.external_id)
            && *births == person.births
            && contact.profile.external_id.as_ref() != Some(told)
        {
            wrongs.push(format!("external ids: {id} was told {told}, and has {:?}", contact.profile.external_id));
        }
    }
}

/// Whoever asks for an address finds every contact that has it.
fn hints(data: &MemoryStore, found: &Found, wrongs: &mut Vec<String>) {
    for contact in live(found) {
        for address in contact.profile.addresses() {
            let hinted = data.hinted(contact.account, &address).now_or_never().unwrap().unwrap();
            if !hinted.contains(&contact.id) {
                wrongs.push(format!("hints: an address of {} does not lead to it", contact.id));
            }
        }
    }
}
