//! A duplicate is merged into the contact that survives: the duplicate's side. The survivor's is in
//! [`absorbing`](super::absorbing).
//!
//! Two contacts are two partitions, so nothing changes both at once. The duplicate drives: its clean-up entry in the
//! due index asks the survivor for one step after another ([`Effect::Consult`]), the survivor commits each for itself,
//! and whoever dies on the way begins the last step again. A step that was made is made again without a trace.
//!
//! | the duplicate | the survivor | what moves it on |
//! |---|---|---|
//! | live | expects it, by a token | a caller asks the survivor, and then the duplicate |
//! | merging | takes its profile, and is bound | the duplicate asks ([`Matter::Absorb`]); a refusal makes it live again |
//! | moving | takes messages and items, a few at a time | [`Matter::TakeOver`]: what was taken goes here, its id leads there |
//! | merged | is free again | [`Matter::Joined`]; the record stays, and leads to the survivor |
//!
//! - **Nothing is lost**: what moves is removed here only when the survivor has it durably.
//! - **Nothing is doubled**: from the first mark on nothing is handed over here, and nothing that is not under way
//!   changes; what is under way is waited for. An entry's new id is derived from its old one, so it arrives once; and
//!   until all have arrived the survivor removes and forgets nothing, is not deleted and not merged itself. A token is
//!   given out once, and gone for good once the survivor has let it go: so a refusal stays one, however late a second
//!   answer comes.
//! - **Order**: pending messages go by due time, and wait for one before them that is under way. What falls due before it
//!   has arrived is sent when it arrives.

use std::sync::Arc;
use std::time::Duration;

use super::profile::hints;
use super::{Decision, Known, Surroundings, blobs_of, blobs_of_item, live, or_refuse};
use crate::contact::command::{Absorbed, ContactCommand, Matter, MovedEntry, ScheduleMessage, TakenOver};
use crate::contact::decision::{Consultation, Effect};
use crate::contact::entries::change_item;
use crate::domain::clock::UnixMs;
use crate::domain::contact::{Contact, LastUsed, Life, MergedContact, Merges, Merging, Profile, Removal};
use crate::domain::conversation::{Conversation, ItemKind, ThreadItem};
use crate::domain::ids::{ContactId, MessageId};
use crate::domain::message::{BlobKey, State};
use crate::domain::ticket::Ticket;
use crate::protocol::api::{Caller, EngineError, EngineResult};
use crate::protocol::events::{EventKind, Happened};
use crate::store::keys::TimelineMember;
use crate::store::{Entry, Index, Member, Mutation};

/// Entries looked at for one step.
pub(super) const PAGE: usize = 24;
/// Mutations that the entries of one step may take, on either side.
const ROOM: usize = 190;
/// Mutations of one entry, besides its blobs: record, both due entries, pending, held, attention, timeline, counter,
/// and the record and the entry that lead to it.
const PER_ENTRY: usize = 10;
/// Bytes of blobs that move in one step; one entry moves, however large.
const PAGE_BYTES: u64 = 1 << 20;
/// What a blob counts for whose size no record tells: a text, a mail as it came.
const TEXT_BYTES: u64 = 64 << 10;
/// How long an attempt that is under way is waited for before it is looked at again.
const UNTIL_SETTLED: Duration = Duration::from_millis(200);
/// How long a ticket of a message that moves sleeps. It goes with the message.
pub(super) const UNTIL_MOVED: Duration = Duration::from_secs(1);

/// The code of what is refused while a merge is under way.
pub(crate) const UNDER_WAY: &str = "merge_under_way";

/// What to say while a merge is under way.
pub(super) fn under_way() -> EngineError {
    EngineError::Conflict {
        code: UNDER_WAY,
        detail: "a merge of this contact is under way: try again once it is finished, in a few seconds".into(),
    }
}

/// What a duplicate says to whoever does not know yet that it is one.
pub(super) fn refusal(contact: &Contact) -> EngineError {
    match contact.life {
        Life::Merging(_) => under_way(),
        Life::Merged(into) => EngineError::Merged(into),
        Life::Live | Life::Tombstone { .. } => EngineError::NotFound,
    }
}

/// The ids under which a message with this idempotency key is here, had it been scheduled for a contact that was merged
/// into this one.
pub(super) fn earlier_ids(known: &Known<'_>, command: &ScheduleMessage) -> Vec<MessageId> {
    let (Some(contact), Some(idempotency)) = (known.contact, &command.new.idempotency) else { return Vec::new() };
    let id_at = |merged: &MergedContact| {
        let made = MessageId::derived(contact.account, merged.id, &idempotency.key, known.partition);
        // The partitions on the way are no part of the last id.
        contact.merges.way(merged.id, contact.id).fold(made, |id, into| id.moved(into, known.partition))
    };
    contact.merges.done.iter().map(id_at).collect()
}

fn ticket_of(contact: &Contact, merging: &Merging) -> Ticket {
    Ticket::cleanup(contact.account, contact.id, merging.at)
}

/// Asks whether the survivor takes the profile.
fn ask_absorb(contact: &Contact, merging: &Merging) -> Effect {
    let absorbed = Absorbed { duplicate: contact.clone(), token: merging.token, by: merging.by };
    consult(contact, merging, Matter::Absorb, ContactCommand::Absorb(Box::new(absorbed)))
}

fn consult(contact: &Contact, merging: &Merging, matter: Matter, command: ContactCommand) -> Effect {
    let ticket = ticket_of(contact, merging);
    Effect::Consult(Box::new(Consultation { ticket, matter, asked: vec![(merging.into, command)] }))
}

/// A caller wants it, and the survivor expects it.
pub(super) fn begin(
    known: &Known<'_>,
    caller: &Caller,
    into: ContactId,
    token: u64,
    around: &Surroundings<'_>,
) -> Decision {
    if let Some(contact) = known.contact.filter(|contact| contact.account == caller.account)
        && let Life::Merging(merging) = &contact.life
        && (merging.into, merging.token) == (into, token)
    {
        let mut decision = Decision::default();
        if merging.is_moving {
            return decision.done();
        }
        decision.effects.push(ask_absorb(contact, merging));
        return decision;
    }
    let contact = or_refuse!(live(known, caller.account));
    if contact.is_taking_over() {
        return Decision::answer(Err(under_way()));
    }
    let merging = Merging { into, at: around.now, by: caller.author, origin: caller.origin, token, is_moving: false };
    // Whoever is expected here by now is not any more.
    let merges = Merges { incoming: None, ..contact.merges.clone() };
    let next = Contact { life: Life::Merging(merging), merges, ..contact.clone() };
    let mut decision = Decision::default();
    decision.effects.push(Effect::RevokeClaims(None));
    decision.effects.push(ask_absorb(&next, &merging));
    let ticket = ticket_of(contact, &merging);
    decision.mutations.push(Mutation::Index(Index::Due, ticket.due_at, Member::from_slice(&ticket.member())));
    decision.put_contact(Some(contact), next);
    decision
}

/// What moves next.
#[derive(Default)]
pub(super) struct Page {
    moving: Vec<MovedEntry>,
    /// Entries whose record is gone.
    stale: Vec<Entry>,
    /// What would be next is under way.
    waits: bool,
}

impl MovedEntry {
    /// Its id.
    pub(super) fn id(&self) -> MessageId {
        match self {
            Self::Message(message) => message.id,
            Self::Item(item) => item.id,
        }
    }

    /// Its place among those of the same instant.
    fn created_us(&self) -> u64 {
        match self {
            Self::Message(message) => message.created_us,
            Self::Item(_) => 0,
        }
    }

    fn blobs(&self) -> Vec<u8> {
        match self {
            Self::Message(message) => blobs_of(message).collect(),
            Self::Item(item) => blobs_of_item(item).collect(),
        }
    }

    /// About as many bytes as its blobs have.
    fn bytes(&self) -> u64 {
        let files = match self {
            Self::Message(message) => message.attachments.as_slice(),
            Self::Item(item) => match &item.kind {
                ItemKind::Inbound(inbound) => inbound.attachments.as_slice(),
                _ => &[],
            },
        };
        let others = self.blobs().len().saturating_sub(files.len()) as u64;
        files.iter().map(|file| u64::from(file.size)).sum::<u64>() + others * TEXT_BYTES
    }

    fn behind(entry: &Entry, known: &Known<'_>) -> Option<Self> {
        match TimelineMember::decode(&entry.member).ok()? {
            TimelineMember::Message(id) => known.records.messages.get(&id)?.clone().map(Self::Message),
            TimelineMember::Item(id) => known.records.items.get(&id)?.clone().map(Self::Item),
        }
    }

    fn is_under_way(&self) -> bool {
        matches!(self, Self::Message(message) if matches!(message.state, State::Sending(_)))
    }
}

/// The first of these entries, as many as fit into a step.
fn page(known: &Known<'_>, entries: &[Entry]) -> Page {
    let mut page = Page::default();
    let (mut taken, mut bytes) = (0, 0);
    let mut found: Vec<_> = entries.iter().map(|entry| (entry, MovedEntry::behind(entry, known))).collect();
    found.sort_by_key(|(entry, moving)| (entry.score, moving.as_ref().map(MovedEntry::created_us)));
    for (entry, moving) in found {
        let Some(moving) = moving else {
            page.stale.push(entry.clone());
            continue;
        };
        if moving.is_under_way() {
            page.waits = true;
            break;
        }
        taken += PER_ENTRY + moving.blobs().len();
        bytes += moving.bytes();
        if !page.moving.is_empty() && (taken > ROOM || bytes > PAGE_BYTES) {
            break;
        }
        page.moving.push(moving);
    }
    page
}

/// The blobs that go with the next step.
pub(super) fn blobs_needed(known: &Known<'_>, entries: &[Entry]) -> Vec<BlobKey> {
    let moving = page(known, entries).moving;
    let keys = moving.iter().flat_map(|moving| {
        let message = moving.id();
        moving.blobs().into_iter().map(move |number| BlobKey { message, number })
    });
    keys.filter(|key| !known.records.blobs.contains_key(key)).collect()
}

/// The next step.
pub(super) fn step(
    known: &Known<'_>,
    contact: &Contact,
    merging: &Merging,
    ticket: &Ticket,
    around: &Surroundings<'_>,
) -> Decision {
    let mut decision = Decision::default();
    if !merging.is_moving {
        decision.effects.push(ask_absorb(contact, merging));
        return decision;
    }
    let pending = known.records.pending.as_deref().unwrap_or_default();
    let past = known.records.timeline.as_deref().unwrap_or_default();
    let (index, entries) = match pending {
        [] => (Index::Timeline(contact.id), past),
        pending => (Index::Pending(contact.id), pending),
    };
    let Page { moving, stale, waits } = page(known, entries);
    if !moving.is_empty() {
        let with_blobs = |moving: MovedEntry| {
            let message = moving.id();
            let blob = |number| Some((number, known.records.blobs.get(&BlobKey { message, number })?.clone()?));
            let blobs = moving.blobs().into_iter().filter_map(blob).collect();
            (moving, blobs)
        };
        let ids = moving.iter().map(MovedEntry::id).collect();
        let entries = moving.into_iter().map(with_blobs).collect();
        let taken = TakenOver { from: contact.id, token: merging.token, entries };
        let command = ContactCommand::TakeOver(Box::new(taken));
        decision.effects.push(consult(contact, merging, Matter::TakeOver(ids), command));
    } else if !stale.is_empty() {
        let gone = stale.into_iter().map(|entry| Mutation::Unindex(index, entry.score, entry.member));
        decision.mutations.extend(gone);
        decision.effects.push(Effect::Continue(Box::new(ContactCommand::Cleanup(*ticket))));
    } else if waits {
        decision.effects.push(Effect::Rewake(*ticket, around.now.plus(UNTIL_SETTLED)));
    } else {
        let command = ContactCommand::Joined(contact.id, merging.token);
        decision.effects.push(consult(contact, merging, Matter::Joined, command));
    }
    decision
}

/// The survivor has answered.
pub(super) fn heard(
    known: &Known<'_>,
    contact: &Contact,
    merging: &Merging,
    ticket: &Ticket,
    matter: Matter,
    answer: EngineResult<()>,
    around: &Surroundings<'_>,
) -> Decision {
    let mut decision = Decision::default();
    let again = || Effect::Continue(Box::new(ContactCommand::Cleanup(*ticket)));
    match (matter, answer) {
        (Matter::Absorb, Ok(())) if merging.is_moving => {}
        (Matter::Absorb, Ok(())) => {
            let life = Life::Merging(Merging { is_moving: true, ..*merging });
            decision.put_contact(Some(contact), Contact { life, ..contact.clone() });
            decision.effects.push(Effect::Publish(Happened {
                at: around.now,
                kind: EventKind::ContactDeleted,
                contact: contact.id,
                message: None,
                item: None,
            }));
            decision.effects.push(again());
        }
        (Matter::Absorb, Err(error)) if !merging.is_moving => {
            decision.put_contact(Some(contact), Contact { life: Life::Live, ..contact.clone() });
            unindex(&mut decision, ticket);
            decision.reply(Err(error));
            return decision;
        }
        (Matter::TakeOver(ids), Ok(())) => {
            ids.iter().for_each(|id| leave_behind(&mut decision, known, *id, merging.into, around));
            decision.effects.push(again());
        }
        (Matter::Joined, Ok(())) => {
            decision.put_contact(Some(contact), stub(contact, merging.into, around.now));
            decision.hints_to_remove = hints(Some(contact));
            unindex(&mut decision, ticket);
        }
        // It is bound: whatever it meant, it is asked again.
        (_, Err(_)) => decision.effects.push(Effect::Rewake(*ticket, around.now.plus(UNTIL_MOVED))),
        (Matter::Farewell, Ok(())) => {}
    }
    decision.done()
}

/// The survivor has it: only where it went is kept.
fn leave_behind(decision: &mut Decision, known: &Known<'_>, id: MessageId, into: ContactId, around: &Surroundings<'_>) {
    let account = known.contact.map(|contact| contact.account);
    let stub = |at| ThreadItem {
        id,
        account: account.unwrap_or_default(),
        contact: known.id,
        version: 1,
        at,
        kind: ItemKind::Moved(id.moved(into, around.partitions.of_contact(into))),
    };
    if let Some(message) = known.records.messages.get(&id).and_then(Option::as_deref) {
        decision.remove_message(message);
    } else if let Some(item) = known.records.items.get(&id).and_then(Option::as_deref) {
        if matches!(item.kind, ItemKind::Moved(_)) {
            return;
        }
        decision.remove_item(item);
    } else {
        return;
    }
    let stub = stub(ThreadItem::BEHIND_ALL);
    change_item(&mut decision.mutations, None, Some(&stub));
    decision.items.push((id, Some(Arc::new(stub))));
}

/// What stays of a duplicate.
fn stub(contact: &Contact, into: ContactId, now: UnixMs) -> Contact {
    Contact {
        life: Life::Merged(into),
        version: contact.version + 1,
        profile: Profile { external_id: contact.profile.external_id.clone(), ..Profile::default() },
        last_email: LastUsed::default(),
        last_sms: LastUsed::default(),
        conversation: Conversation::default(),
        updated_at: now,
        ..contact.clone()
    }
}

fn unindex(decision: &mut Decision, ticket: &Ticket) {
    decision.mutations.push(Mutation::Unindex(Index::Due, ticket.due_at, Member::from_slice(&ticket.member())));
}

/// The survivor is deleted, and with it what leads there.
pub(super) fn forgo(known: &Known<'_>, survivor: ContactId, removal: Removal, around: &Surroundings<'_>) -> Decision {
    let mut decision = Decision::default();
    // The survivor knows that everything came, and this one's last step is not durable yet: it would lead to nobody.
    if let Some(Life::Merging(merging)) = known.contact.map(|contact| &contact.life)
        && merging.is_moving
        && merging.into == survivor
    {
        return Decision::answer(Err(EngineError::Unavailable));
    }
    if let Some(contact) = known.contact.filter(|contact| contact.life == Life::Merged(survivor)) {
        let ticket = Ticket::cleanup(contact.account, contact.id, around.now);
        let life = Life::Tombstone { at: around.now, removal };
        let version = contact.version + 1;
        decision.put_contact(Some(contact), Contact { life, version, ..contact.clone() });
        decision.mutations.push(Mutation::Index(Index::Due, ticket.due_at, Member::from_slice(&ticket.member())));
        decision.effects.push(Effect::Continue(Box::new(ContactCommand::Cleanup(ticket))));
    }
    decision.done()
}
