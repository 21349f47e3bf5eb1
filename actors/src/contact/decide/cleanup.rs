//! Deleting a contact, step by step, and forgetting what was settled long ago.
//!
//! The tombstone is committed first, together with a clean-up entry in the due index: from its
//! acknowledgement on the last check stops every message, and a crash resumes the clean-up. Then pending
//! messages go in chunks, then the past, then the contact itself with the entry.

use super::needs::CHUNK;
use super::profile::hints;
use super::{Decision, Known, Surroundings, live, or_refuse};
use crate::contact::command::{Answer, ContactCommand};
use crate::contact::decision::Effect;
use crate::contact::entries::change_contact;
use crate::domain::clock::UnixMs;
use crate::domain::contact::{Contact, Life};
use crate::domain::message::{Message, State};
use crate::domain::ticket::Ticket;
use crate::protocol::api::Caller;
use crate::protocol::events::{EventKind, Happened};
use crate::store::{Entry, Index, Member, Mutation, keys};

pub(super) fn delete(known: &Known<'_>, caller: &Caller, around: &Surroundings<'_>) -> Decision {
    let contact = or_refuse!(live(known, caller.account));
    let ticket = Ticket::cleanup(contact.account, contact.id, around.now);
    let tombstone = Contact {
        life: Life::Tombstone { at: around.now },
        version: contact.version + 1,
        updated_at: around.now,
        ..contact.clone()
    };
    let mut decision = Decision::default();
    decision.put_contact(Some(contact), tombstone);
    decision.mutations.push(Mutation::Index(Index::Due, ticket.due_at, Member::from_slice(&ticket.member())));
    decision.reply(Ok(Answer::Deleted(known.records.pending_count.unwrap_or(0) as u64)));
    decision.effects.push(Effect::Publish(Happened {
        at: around.now,
        kind: EventKind::ContactDeleted,
        contact: contact.id,
        message: None,
    }));
    decision.effects.push(Effect::Continue(Box::new(ContactCommand::Cleanup(ticket))));
    decision
}

/// The messages behind index entries. An entry whose record is gone is removed by itself.
fn messages_of<'a>(
    known: &'a Known<'_>,
    entries: &'a [Entry],
) -> impl Iterator<Item = (&'a Entry, Option<&'a Message>)> {
    entries.iter().map(|entry| {
        let id = keys::message_of_member(&entry.member).ok();
        (entry, id.and_then(|id| known.records.messages.get(&id)).and_then(Option::as_deref))
    })
}

pub(super) fn step(known: &Known<'_>, ticket: &Ticket, around: &Surroundings<'_>) -> Decision {
    let mut decision = Decision::default();
    let Some(contact) = known.contact.filter(|contact| contact.is_deleted()) else {
        // Finished before, or never deleted: the entry is a leftover.
        unindex(&mut decision, ticket);
        return decision;
    };
    let pending = known.records.pending.as_deref().unwrap_or_default();
    let past = known.records.timeline.as_deref().unwrap_or_default();
    let mut under_way = 0;
    for (entry, message) in messages_of(known, pending) {
        match message {
            // An attempt is under way: its end removes the message.
            Some(message) if matches!(message.state, State::Sending(claim) if claim.boot == around.boot) => {
                under_way += 1
            }
            Some(message) => decision.remove_message(message),
            None => decision.mutations.push(Mutation::Unindex(
                Index::Pending(contact.id),
                entry.score,
                entry.member.clone(),
            )),
        }
    }
    if !pending.is_empty() {
        if under_way == pending.len() {
            // Nothing left to do but wait; the end of an attempt takes at most its timeout.
            decision.effects.push(Effect::Rewake(*ticket, around.now.plus(std::time::Duration::from_millis(200))));
        } else {
            decision.effects.push(Effect::Continue(Box::new(ContactCommand::Cleanup(*ticket))));
        }
        return decision;
    }
    for (entry, message) in messages_of(known, past) {
        match message {
            Some(message) => decision.remove_message(message),
            None => decision.mutations.push(Mutation::Unindex(
                Index::Timeline(contact.id),
                entry.score,
                entry.member.clone(),
            )),
        }
    }
    if past.len() >= CHUNK {
        decision.effects.push(Effect::Continue(Box::new(ContactCommand::Cleanup(*ticket))));
        return decision;
    }
    change_contact(&mut decision.mutations, Some(contact), None);
    decision.hints_to_remove = hints(Some(contact));
    unindex(&mut decision, ticket);
    decision.contact = Some(None);
    decision
}

fn unindex(decision: &mut Decision, ticket: &Ticket) {
    decision.mutations.push(Mutation::Unindex(Index::Due, ticket.due_at, Member::from_slice(&ticket.member())));
}

/// Removes messages that were settled before an instant, a chunk at a time.
pub(super) fn forget(known: &Known<'_>, before: UnixMs) -> Decision {
    let mut decision = Decision::default();
    let Some(contact) = known.contact.filter(|contact| !contact.is_deleted()) else { return decision.done() };
    let past = known.records.timeline.as_deref().unwrap_or_default();
    for (entry, message) in messages_of(known, past) {
        match message {
            Some(message) if message.since <= before => decision.remove_message(message),
            Some(_) => {}
            None => decision.mutations.push(Mutation::Unindex(
                Index::Timeline(contact.id),
                entry.score,
                entry.member.clone(),
            )),
        }
    }
    if past.len() >= CHUNK && !decision.mutations.is_empty() {
        decision.effects.push(Effect::Continue(Box::new(ContactCommand::Forget(before))));
    }
    decision.done()
}
