//! Planning again what is pending, a chunk at a time: after the contact's clock changed, its account's rules, or the
//! rules of zones.
//!
//! A change of the contact's clock is committed with an entry in the due index that asks for this, so that a crash
//! resumes it. The others a partition's sweep finds.

use super::needs::CHUNK;
use super::{Decision, Known, Surroundings, enter, next_version, notices, planning};
use crate::contact::command::ContactCommand;
use crate::contact::decision::Effect;
use crate::contact::entries::DueEntry;
use crate::domain::contact::Contact;
use crate::domain::message::{Author, Message, State};
use crate::domain::plan;
use crate::domain::reason::Reason;
use crate::domain::schedule::Intent;
use crate::domain::ticket::Ticket;
use crate::store::{Batch, Entry, Index, Member, Mutation, keys};

/// Mutations that one change of a due time makes at most: record, both due entries, pending and its old entry, timeline
/// and its old entry, counter.
const PER_CHANGE: usize = 8;

/// Has the pending messages planned again if a change of the profile moved the contact's clock.
pub(super) fn after_a_move(decision: &mut Decision, old: &Contact, new: &Contact, around: &Surroundings<'_>) {
    if planning::zone_of(old, around) != planning::zone_of(new, around) {
        let ticket = Ticket::replan(new.account, new.id, around.now);
        decision.mutations.push(Mutation::Index(Index::Due, ticket.due_at, Member::from_slice(&ticket.member())));
        decision.effects.push(Effect::Continue(Box::new(ContactCommand::Replan(ticket, None))));
    }
}

/// `ticket`: the entry in the due index that asks for it, if there is one.
pub(super) fn replan_pending(known: &Known<'_>, ticket: Option<Ticket>, around: &Surroundings<'_>) -> Decision {
    let mut decision = Decision::default();
    let unindex =
        ticket.map(|ticket| Mutation::Unindex(Index::Due, ticket.due_at, Member::from_slice(&ticket.member())));
    let Some(contact) = known.contact.filter(|contact| contact.is_live()) else {
        decision.mutations.extend(unindex);
        return decision.done();
    };
    let pending = known.records.pending.as_deref().unwrap_or_default();
    let per_change = PER_CHANGE + notices::mutations_of_a_change(contact.account, around);
    let mut last: Option<&Entry> = None;
    let (mut is_cut, mut changed) = (false, 0);
    for entry in pending {
        if changed > 0 && (changed + 1) * per_change >= Batch::MAX_MUTATIONS {
            is_cut = true;
            break;
        }
        last = Some(entry);
        let id = keys::message_of_member(&entry.member).ok();
        let message = id.and_then(|id| known.records.messages.get(&id)).and_then(Option::as_deref);
        if let Some((message, next)) = message.and_then(|message| Some((message, replanned(contact, message, around)?)))
        {
            decision.put_message(Some(message), next, DueEntry::Somewhere, around.now);
            changed += 1;
        }
    }
    if let Some(last) = last.filter(|_| is_cut || pending.len() >= CHUNK) {
        let after = Some(last.clone());
        let more = ticket.map_or_else(
            || ContactCommand::ReplanPending(after.clone()),
            |ticket| ContactCommand::Replan(ticket, after.clone()),
        );
        decision.effects.push(Effect::Continue(Box::new(more)));
    } else {
        decision.mutations.extend(unindex);
    }
    decision.done()
}

/// The message as it is planned on the contact's new clock; `None`: as it was. Never into the past, and what was tried
/// once keeps its turn. One for which no moment is left stays where it is, and meets its end at the last check.
fn replanned(contact: &Contact, message: &Message, around: &Surroundings<'_>) -> Option<Message> {
    if message.state != State::Scheduled || !message.attempts.is_empty() {
        return None;
    }
    // What is due already has its turn, and its last check; unless its own clock says by new rules that it is not.
    let is_due = message.due_at <= around.now;
    if is_due && !matches!(message.intent, Intent::Wall(_)) {
        return None;
    }
    let mut next = next_version(message, around.now);
    let mut wanted_at = message.wanted_at();
    if let Intent::Wall(wall) = &mut next.intent {
        let zone = if wall.zone_of_contact { planning::zone_of(contact, around) } else { wall.zone.clone() };
        let has_moved = std::mem::replace(&mut wall.zone, zone) != wall.zone;
        let (at, resolution) = plan::resolve_wall(wall).ok()?;
        if is_due && (has_moved || at <= around.now) {
            return None;
        }
        // One that was missed and waits for another day stays there.
        if has_moved || at > around.now {
            wall.resolution = resolution;
            wanted_at = at.max(around.now);
        }
    }
    let planned = planning::anew(contact, message, wanted_at, around).ok()?;
    (next.due_at, next.plan) = (planned.due_at, planned.plan);
    if (next.due_at, &next.plan, &next.intent) == (message.due_at, &message.plan, &message.intent) {
        return None;
    }
    enter(&mut next, State::Scheduled, Some(Reason::Replanned), Author::System, around.now);
    next.reason = planning::reason(next.plan.as_ref());
    Some(next)
}
