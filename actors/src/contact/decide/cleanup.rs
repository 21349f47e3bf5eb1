//! Deleting a contact, step by step, and forgetting what was settled long ago.
//!
//! The tombstone is committed first, together with a clean-up entry in the due index: from its
//! acknowledgement on the last check stops every message, and a crash resumes the clean-up. Then pending
//! messages go in chunks, then the past, then what is kept of it elsewhere (the alias of an external id that was set
//! later and, where it is erased, its addresses on the list of suppressed ones), then the contact itself with the
//! entry.

use std::time::Duration;

use super::callbacks;
use super::merging;
use super::needs::{CHUNK, CLEANUP_CHUNK};
use super::profile::hints;
use super::{Decision, Known, Surroundings, blobs_of, blobs_of_item, live, or_refuse, series};
use crate::contact::command::{Answer, ContactCommand, Matter};
use crate::contact::decision::{Consultation, Effect};
use crate::contact::entries::change_contact;
use crate::domain::clock::UnixMs;
use crate::domain::contact::{Contact, Life, Merging, Removal};
use crate::domain::conversation::ThreadItem;
use crate::domain::ids::ContactId;
use crate::domain::message::{Message, State};
use crate::domain::ticket::Ticket;
use crate::protocol::api::{Caller, EngineResult};
use crate::protocol::events::{EventKind, Happened};
use crate::store::keys::{self, TimelineMember};
use crate::store::{Batch, Counter, Entry, Index, Member, Mutation};

pub(super) fn delete(known: &Known<'_>, caller: &Caller, removal: Removal, around: &Surroundings<'_>) -> Decision {
    let contact = or_refuse!(live(known, caller.account));
    if contact.is_taking_over() {
        return Decision::answer(Err(merging::under_way()));
    }
    let ticket = Ticket::cleanup(contact.account, contact.id, around.now);
    let tombstone = Contact {
        life: Life::Tombstone { at: around.now, removal },
        version: contact.version + 1,
        updated_at: around.now,
        ..contact.clone()
    };
    let mut decision = Decision::default();
    decision.put_contact(Some(contact), tombstone);
    decision.mutations.push(Mutation::Index(Index::Due, ticket.due_at, Member::from_slice(&ticket.member())));
    // Before the answer: a claim whose attempt has not begun yet is as good as none.
    decision.effects.push(Effect::RevokeClaims(None));
    decision.reply(Ok(Answer::Deleted(known.records.pending_count.unwrap_or(0) as u64)));
    decision.effects.push(Effect::Publish(Happened {
        at: around.now,
        kind: EventKind::ContactDeleted,
        contact: contact.id,
        message: None,
        item: None,
    }));
    decision.effects.push(Effect::Continue(Box::new(ContactCommand::Cleanup(ticket))));
    decision
}

/// Mutations of a batch that is shared with others that messages may take.
const ROOM: usize = Batch::MAX_MUTATIONS - 56;
/// Mutations that a batch of a deletion may take, which goes alone; the contact's own record and entries may follow
/// the last messages.
pub(super) const CLEANUP_ROOM: usize = CLEANUP_CHUNK * MESSAGE_TAKES;
/// Record and at most four index entries, without the blobs.
const MESSAGE_TAKES: usize = 5;

/// What came of removing a page of messages.
#[derive(Default)]
struct Removed {
    /// So many were to stay.
    kept: usize,
    /// Not all of them fitted.
    is_cut: bool,
}

/// Removes messages and items with all of theirs, as many as a batch takes, and entries whose record is gone.
fn remove(
    decision: &mut Decision,
    known: &Known<'_>,
    (index, entries): (Index, &[Entry]),
    room: usize,
    stays: impl Fn(&Found<'_>) -> bool,
) -> Removed {
    let mut removed = Removed::default();
    let (mut counted, mut told) = (0, 0);
    for entry in entries {
        let found = Found::behind(entry, known);
        if found.as_ref().is_some_and(&stays) {
            removed.kept += 1;
            continue;
        }
        // With its blobs and what is told of it; one that has more alone still goes.
        let taken = decision.mutations.len() + told;
        let more = found.as_ref().map_or(0, |found| found.blobs() + found.told());
        if taken > 0 && taken + MESSAGE_TAKES + more > room {
            removed.is_cut = true;
            break;
        }
        let taken = decision.mutations.len();
        told += found.as_ref().map_or(0, Found::told);
        match found {
            Some(Found::Message(message)) => decision.remove_message(message),
            Some(Found::Item(item)) => decision.remove_item(item),
            None => decision.mutations.push(Mutation::Unindex(index, entry.score, entry.member.clone())),
        }
        let is_count = |mutation: &mut Mutation| matches!(mutation, Mutation::Add(Counter::Pending, _));
        counted += decision.mutations.extract_if(taken.., is_count).map(|count| by(&count)).sum::<i64>();
    }
    // Once for all of them: what a batch holds is room for messages.
    if counted != 0 {
        decision.mutations.push(Mutation::Add(Counter::Pending, counted));
    }
    removed
}

const fn by(mutation: &Mutation) -> i64 {
    if let Mutation::Add(_, by) = mutation { *by } else { 0 }
}

/// What an entry of a thread stands for.
enum Found<'a> {
    Message(&'a Message),
    Item(&'a ThreadItem),
}

impl<'a> Found<'a> {
    fn behind(entry: &Entry, known: &Known<'a>) -> Option<Self> {
        match TimelineMember::decode(&entry.member).ok()? {
            TimelineMember::Message(id) => known.records.messages.get(&id)?.as_deref().map(Self::Message),
            TimelineMember::Item(id) => known.records.items.get(&id)?.as_deref().map(Self::Item),
        }
    }

    fn blobs(&self) -> usize {
        match self {
            Self::Message(message) => blobs_of(message).count(),
            Self::Item(item) => blobs_of_item(item).count(),
        }
    }

    /// Mutations that telling its callback takes.
    fn told(&self) -> usize {
        match self {
            Self::Message(message) => callbacks::mutations_of_a_change(message),
            Self::Item(_) => 0,
        }
    }
}

/// The merge that goes on by this ticket.
fn merging_by<'a>(known: &Known<'a>, ticket: &Ticket) -> Option<(&'a Contact, &'a Merging)> {
    match known.contact.map(|contact| (contact, &contact.life)) {
        Some((contact, Life::Merging(merging))) if merging.at == ticket.due_at => Some((contact, merging)),
        _ => None,
    }
}

pub(super) fn step(known: &Known<'_>, ticket: &Ticket, around: &Surroundings<'_>) -> Decision {
    let mut decision = Decision::default();
    if let Some((contact, merge)) = merging_by(known, ticket) {
        return merging::step(known, contact, merge, ticket, around);
    }
    let Some(contact) = known.contact.filter(|contact| contact.is_deleted()) else {
        // Finished before, or never deleted: the entry is a leftover.
        unindex(&mut decision, ticket);
        return decision;
    };
    let again = || Effect::Continue(Box::new(ContactCommand::Cleanup(*ticket)));
    let pending = known.records.pending.as_deref().unwrap_or_default();
    if !pending.is_empty() {
        // An attempt is under way: its end removes the message. Past its deadline there is none: its claim's
        // acknowledgement was lost, and nothing was handed over.
        let is_under_way = |found: &Found<'_>| matches!(found, Found::Message(message) if matches!(message.state, State::Sending(claim) if claim.boot == around.boot && around.now < claim.deadline));
        let removed = remove(&mut decision, known, (Index::Pending(contact.id), pending), CLEANUP_ROOM, is_under_way);
        let gone: Vec<_> = decision.messages.iter().map(|(id, _)| *id).collect();
        for message in gone.iter().filter_map(|id| known.records.messages.get(id)?.as_deref()) {
            callbacks::tell_of_removal(&mut decision, known, message, around);
        }
        decision.effects.push(if removed.kept == pending.len() {
            // Nothing left to do but wait; the end of an attempt takes at most its timeout.
            Effect::Rewake(*ticket, around.now.plus(Duration::from_millis(200)))
        } else {
            again()
        });
        return decision;
    }
    let past = known.records.timeline.as_deref().unwrap_or_default();
    let removed = remove(&mut decision, known, (Index::Timeline(contact.id), past), CLEANUP_ROOM, |_| false);
    if removed.is_cut || past.len() >= CLEANUP_CHUNK {
        decision.effects.push(again());
        return decision;
    }
    let asked = elsewhere(contact);
    if asked.is_empty() {
        end(&mut decision, contact, ticket);
    } else {
        decision.effects.push(Effect::Consult(Box::new(Consultation {
            ticket: *ticket,
            matter: Matter::Farewell,
            asked,
        })));
    }
    decision
}

/// What is kept of a contact under other ids, and has to go before the record that names it.
fn elsewhere(contact: &Contact) -> Vec<(ContactId, ContactCommand)> {
    let Life::Tombstone { removal, .. } = contact.life else { return Vec::new() };
    let mut asked = Vec::new();
    if let Some(external_id) = &contact.profile.external_id {
        let holder = ContactId::from_external_id(contact.account, external_id);
        if holder != contact.id {
            asked.push((holder, ContactCommand::DropAlias(contact.account, external_id.clone(), contact.id)));
        }
    }
    // What was merged into it leads here.
    asked.extend(contact.merges.done.iter().map(|merged| (merged.id, ContactCommand::Forgo(contact.id, removal))));
    if removal == Removal::Erase {
        asked.extend(contact.profile.addresses().map(|address| {
            let owner = ContactId::of_address_digest(&keys::address_digest(contact.account, &address));
            (owner, ContactCommand::EraseSuppressed(contact.account, address))
        }));
    }
    asked
}

/// The others have answered: nothing is left but the contact itself.
pub(super) fn heard(
    known: &Known<'_>,
    ticket: &Ticket,
    matter: Matter,
    answer: EngineResult<()>,
    around: &Surroundings<'_>,
) -> Decision {
    if let Some((contact, merge)) = merging_by(known, ticket) {
        return merging::heard(known, contact, merge, ticket, matter, answer, around);
    }
    let mut decision = Decision::default();
    if matter != Matter::Farewell {
        // Of a merge that is over.
        decision.reply(answer.map(|()| Answer::Done));
        return decision;
    }
    // An answer to an earlier deletion, of a contact that came back since, says nothing of this one.
    let is_this = |contact: &&Contact| matches!(contact.life, Life::Tombstone { at, .. } if at == ticket.due_at);
    let Some(contact) = known.contact.filter(is_this) else { return decision };
    match answer {
        Ok(()) => end(&mut decision, contact, ticket),
        // A duplicate refuses while its last step to this contact is not durable: nothing goes before its turn.
        Err(_) => decision.effects.push(Effect::Rewake(*ticket, around.now.plus(Duration::from_secs(1)))),
    }
    decision
}

/// The contact goes, with its entry.
fn end(decision: &mut Decision, contact: &Contact, ticket: &Ticket) {
    change_contact(&mut decision.mutations, Some(contact), None);
    decision.hints_to_remove = hints(Some(contact));
    unindex(decision, ticket);
    decision.contact = Some(None);
}

fn unindex(decision: &mut Decision, ticket: &Ticket) {
    decision.mutations.push(Mutation::Unindex(Index::Due, ticket.due_at, Member::from_slice(&ticket.member())));
}

/// Removes messages that were settled before an instant, a chunk at a time.
pub(super) fn forget(known: &Known<'_>, before: UnixMs) -> Decision {
    let mut decision = Decision::default();
    // While another's messages move here nothing goes, so that what has arrived is known to have.
    let stays = |contact: &&Contact| contact.is_live() && !contact.is_taking_over();
    let Some(contact) = known.contact.filter(stays) else { return decision.done() };
    let past = known.records.timeline.as_deref().unwrap_or_default();
    // Its earlier occurrences may still be tried again: they ask it whether they may.
    let is_needed = |item: &ThreadItem| known.records.pending_count.unwrap_or(0) > 0 && series::is_canceled_item(item);
    let is_recent = |found: &Found<'_>| match found {
        Found::Message(message) => message.since > before,
        Found::Item(item) => item.at > before || is_needed(item),
    };
    let removed = remove(&mut decision, known, (Index::Timeline(contact.id), past), ROOM, is_recent);
    if removed.is_cut || (past.len() >= CHUNK && !decision.mutations.is_empty()) {
        decision.effects.push(Effect::Continue(Box::new(ContactCommand::Forget(before))));
    }
    decision.done()
}
