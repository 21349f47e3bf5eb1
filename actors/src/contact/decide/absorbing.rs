//! The survivor of a merge takes what the duplicate has. The way of a merge is told in [`merging`](super::merging).
//!
//! One duplicate after another. What is asked a second time was done the first time, and nothing happens.

use std::sync::Arc;

use super::merging::under_way;
use super::profile::made;
use super::{Decision, Known, Surroundings, live, or_refuse, replan, series};
use crate::contact::command::{Absorbed, Answer, ContactCommand, MovedEntry, TakenOver};
use crate::contact::decision::Effect;
use crate::contact::entries::{DueEntry, change_item, change_message, due_ticket};
use crate::domain::clock::UnixMs;
use crate::domain::contact::{
    Consent, Contact, ContactEmail, ContactPhone, IncomingMerge, LastUsed, MergedContact, Merges, Profile, limits,
};
use crate::domain::conversation::{Conversation, EmailThread, Inbound, ItemKind, ThreadEvent, ThreadItem};
use crate::domain::ids::{ContactId, MessageId, Partition, SeriesId};
use crate::domain::message::{BlobKey, Message, MessageThread, ReplyChoice, State};
use crate::domain::reason::Reason;
use crate::domain::series::{Occurrence, Series};
use crate::protocol::api::{Caller, EngineError};
use crate::protocol::events::EventKind;
use crate::store::{Mutation, Table, keys};

/// A caller wants to merge a contact into this one. A token is agreed on; it binds nobody yet.
pub(super) fn expect(known: &Known<'_>, caller: &Caller, from: ContactId, around: &Surroundings<'_>) -> Decision {
    let contact = or_refuse!(live(known, caller.account));
    if contact.merges.done.iter().any(|merged| merged.id == from) {
        return Decision::default().done();
    }
    match contact.merges.incoming {
        Some(incoming) if incoming.from == from && incoming.is_moving => return Decision::default().done(),
        Some(incoming) if incoming.from == from => return Decision::answer(Ok(Answer::Expected(incoming.token))),
        Some(incoming) if incoming.is_moving => return Decision::answer(Err(under_way())),
        _ => {}
    }
    if contact.merges.done.len() >= limits::MERGES {
        return Decision::answer(Err(too_many_merges()));
    }
    let token = around.ids.random_u64();
    let mut next = contact.clone();
    next.merges.incoming = Some(IncomingMerge { from, token, is_moving: false });
    let mut decision = Decision { is_growth: true, ..Decision::default() };
    decision.put_contact(Some(contact), next);
    decision.reply(Ok(Answer::Expected(token)));
    decision
}

fn too_many_merges() -> EngineError {
    EngineError::Conflict {
        code: "too_many_merges",
        detail: format!("at most {} contacts are merged into one: merge another one into it", limits::MERGES),
    }
}

/// The merge that is asked about, as this contact knows it.
fn incoming<'a>(known: &Known<'a>, from: ContactId, token: u64) -> Option<(&'a Contact, IncomingMerge)> {
    let contact = known.contact.filter(|contact| contact.is_live())?;
    let incoming = contact.merges.incoming.filter(|incoming| (incoming.from, incoming.token) == (from, token))?;
    Some((contact, incoming))
}

/// Takes the profile, and is bound from then on.
pub(super) fn absorb(known: &Known<'_>, absorbed: Absorbed, around: &Surroundings<'_>) -> Decision {
    let Absorbed { duplicate, token, by } = absorbed;
    let Some((contact, incoming)) = incoming(known, duplicate.id, token) else {
        // Deleted, merged itself, or another duplicate was faster: this token never counts again.
        return Decision::answer(Err(EngineError::Conflict {
            code: "merge_refused",
            detail: "the contact changed meanwhile: look at both, and merge them again if that is still right".into(),
        }));
    };
    if incoming.is_moving {
        return Decision::default().done();
    }
    let mut next = unite(contact, &duplicate, known.partition, around.now);
    if let Err(refused) = check_limits(&next) {
        // Whatever becomes of either contact, and however late this answer is heard: the token is gone.
        let mut decision = Decision::default();
        let merges = Merges { incoming: None, ..contact.merges.clone() };
        decision.put_contact(Some(contact), Contact { merges, ..contact.clone() });
        decision.reply(Err(refused));
        return decision;
    }
    next.version += 1;
    next.updated_at = around.now;
    next.merges.incoming = Some(IncomingMerge { is_moving: true, ..incoming });
    let mut decision = made(Some(contact), next.clone(), EventKind::ContactUpdated);
    replan::after_a_move(&mut decision, contact, &next, around);
    let item = ThreadItem {
        id: MessageId::received(known.id, &format!("merged:{}", duplicate.id), known.partition),
        account: contact.account,
        contact: known.id,
        version: 1,
        at: around.now,
        kind: ItemKind::Event(ThreadEvent::Merged { from: duplicate.id, by }),
    };
    change_item(&mut decision.mutations, None, Some(&item));
    decision.items.push((item.id, Some(Arc::new(item))));
    decision.done()
}

/// What one contact must not have more of.
fn check_limits(contact: &Contact) -> Result<(), EngineError> {
    if contact.profile.emails.len().max(contact.profile.phones.len()) > limits::ADDRESSES {
        let most = limits::ADDRESSES;
        return Err(EngineError::Conflict {
            code: "too_many_addresses",
            detail: format!("together they have more than {most} addresses of a kind: remove some first"),
        });
    }
    if contact.merges.done.len() > limits::MERGES { Err(too_many_merges()) } else { Ok(()) }
}

/// Both in one: what the survivor has stays, what it lacks comes from the duplicate, and of two consents the stricter
/// one holds.
fn unite(survivor: &Contact, other: &Contact, partition: Partition, now: UnixMs) -> Contact {
    let mut next = survivor.clone();
    let (profile, given) = (&mut next.profile, other.profile.clone());
    *profile = Profile {
        name: profile.name.take().or(given.name),
        time_zone: profile.time_zone.take().or(given.time_zone),
        external_id: profile.external_id.take().or(given.external_id),
        ..std::mem::take(profile)
    };
    for email in given.emails {
        if profile.emails.iter().all(|known| known.address != email.address) {
            profile.emails.push(ContactEmail { primary: false, ..email });
        }
    }
    for phone in given.phones {
        if profile.phones.iter().all(|known| known.number != phone.number) {
            profile.phones.push(ContactPhone { primary: false, ..phone });
        }
    }
    for tag in given.tags {
        if profile.tags.len() < limits::TAGS && !profile.tags.contains(&tag) {
            profile.tags.push(tag);
        }
    }
    for (name, value) in given.attributes {
        if profile.attributes.len() < limits::ATTRIBUTES {
            profile.attributes.entry(name).or_insert(value);
        }
    }
    profile.consent.email = stricter(profile.consent.email, given.consent.email);
    profile.consent.sms = stricter(profile.consent.sms, given.consent.sms);
    profile.choose_primaries();
    let or = |own: &LastUsed, others: &LastUsed| if own.address.is_some() { own.clone() } else { others.clone() };
    next.last_email = or(&survivor.last_email, &other.last_email);
    next.last_sms = or(&survivor.last_sms, &other.last_sms);
    // One person's hours cannot be told from two halves of them: what more was seen of counts.
    let seen = |contact: &Contact| contact.habit.as_ref().map_or(0.0, |habit| habit.active_hours(now));
    if seen(other) > seen(survivor) {
        next.habit = other.habit.clone();
    }
    next.sent.extend_from_slice(&other.sent);
    next.sent.sort_by_key(|sent| sent.at);
    next.merges.done.push(MergedContact {
        id: other.id,
        external_id: other.profile.external_id.clone(),
        into: survivor.id,
    });
    next.merges.done.extend(other.merges.done.iter().cloned());
    next.conversation = one_conversation(&survivor.conversation, &other.conversation, survivor.id, partition);
    next
}

const fn stricter(one: Consent, other: Consent) -> Consent {
    match (one, other) {
        (Consent::Denied, _) | (_, Consent::Denied) => Consent::Denied,
        (Consent::Unknown, _) | (_, Consent::Unknown) => Consent::Unknown,
        (Consent::Granted, Consent::Granted) => Consent::Granted,
    }
}

fn one_conversation(own: &Conversation, other: &Conversation, into: ContactId, partition: Partition) -> Conversation {
    let mut next = own.clone();
    if other.last_activity_at > own.last_activity_at {
        (next.last_activity_at, next.last_channel) = (other.last_activity_at, other.last_channel);
    }
    for (channel, at) in &other.last_inbound_at {
        let last = next.last_inbound_at.entry(*channel).or_insert(*at);
        *last = (*last).max(*at);
    }
    let moved = |thread: &EmailThread| EmailThread { newest: thread.newest.moved(into, partition), ..thread.clone() };
    next.email = next.email.or_else(|| other.email.as_ref().map(moved));
    next.unread = next.unread.saturating_add(other.unread);
    next.assigned_to = next.assigned_to.or(other.assigned_to);
    next.is_unknown &= other.is_unknown;
    next
}

/// Takes entries of the duplicate's thread. One that is here already stays as it is here.
pub(super) fn take_over(known: &Known<'_>, taken: TakenOver, around: &Surroundings<'_>) -> Decision {
    if incoming(known, taken.from, taken.token).is_none_or(|(_, incoming)| !incoming.is_moving) {
        return Decision::answer(Err(EngineError::NotFound));
    }
    let mut decision = Decision::default();
    for (entry, blobs) in taken.entries {
        let id = entry.id().moved(known.id, known.partition);
        let is_here = matches!(known.records.messages.get(&id), Some(Some(_)))
            || matches!(known.records.items.get(&id), Some(Some(_)));
        if is_here {
            continue;
        }
        for (number, bytes) in blobs {
            let key = keys::blob(BlobKey { message: id, number });
            decision.mutations.push(Mutation::Put(Table::Blob, key, bytes));
        }
        match entry {
            MovedEntry::Message(message) => put(&mut decision, arrived(&message, id, known), around),
            MovedEntry::Item(item) => {
                let kind = match &item.kind {
                    ItemKind::Inbound(inbound) => {
                        let in_reply_to = inbound.in_reply_to.map(|entry| entry.moved(known.id, known.partition));
                        ItemKind::Inbound(Box::new(Inbound { in_reply_to, ..(**inbound).clone() }))
                    }
                    ItemKind::Series(series) => {
                        let latest = series.latest.moved(known.id, known.partition);
                        ItemKind::Series(Box::new(Series { latest, ..(**series).clone() }))
                    }
                    kind => kind.clone(),
                };
                let item = ThreadItem { id, contact: known.id, kind, ..(*item).clone() };
                change_item(&mut decision.mutations, None, Some(&item));
                decision.items.push((id, Some(Arc::new(item))));
                series::arrive(&mut decision, known, SeriesId::of_entry(id), around);
            }
        }
    }
    decision.done()
}

/// The message as it stands here. What it was made under stays its name outside.
fn arrived(message: &Message, id: MessageId, known: &Known<'_>) -> Message {
    let here = |entry: MessageId| entry.moved(known.id, known.partition);
    Message {
        id,
        origin: Some(message.identity()),
        contact: known.id,
        reply: match message.reply {
            ReplyChoice::To(entry) => ReplyChoice::To(here(entry)),
            other => other,
        },
        series: message.series.clone().map(|of| {
            let series = SeriesId::of_entry(here(of.series.entry()));
            Box::new(Occurrence { series, ..*of })
        }),
        thread: message.thread.clone().map(|thread| MessageThread { entry: thread.entry.map(here), ..thread }),
        ..message.clone()
    }
}

/// It is none that is made: nothing is counted or told of it.
fn put(decision: &mut Decision, message: Message, around: &Surroundings<'_>) {
    change_message(&mut decision.mutations, None, Some(&message), DueEntry::Somewhere);
    decision.effects.extend(due_ticket(&message).map(Effect::Arm));
    let is_held_for_nothing = message.state == State::Held
        && message.reason == Some(Reason::AccountSuspended)
        && around.directory.is_active(message.account);
    if is_held_for_nothing {
        // Its account was resumed while it was on its way.
        decision.effects.push(Effect::Continue(Box::new(ContactCommand::ResumeHeld(message.id))));
    }
    decision.messages.push((message.id, Some(Arc::new(message))));
}

/// The duplicate has nothing left: this contact is free again.
pub(super) fn joined(known: &Known<'_>, from: ContactId, token: u64) -> Decision {
    let mut decision = Decision::default();
    if let Some((contact, _)) = incoming(known, from, token) {
        let mut next = contact.clone();
        next.merges.incoming = None;
        decision.put_contact(Some(contact), next);
        // What came was planned on the duplicate's clock.
        decision.effects.push(Effect::Continue(Box::new(ContactCommand::ReplanPending(None))));
    }
    decision.done()
}
