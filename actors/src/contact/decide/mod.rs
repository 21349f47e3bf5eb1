//! The pure core of a contact: from what is known and a command to a [`Decision`].
//!
//! | who | moves a message |
//! |---|---|
//! | a caller ([`schedule`], [`change`]) | into being; `scheduled → canceled`, `held → scheduled`, `uncertain → …`, edits |
//! | its lane's permit ([`deliver`]) | `scheduled → sending`, or `→ held`, `canceled`, `expired` at the last check |
//! | the end of an attempt ([`settle`]) | `sending → submitted`, `scheduled` (retry), `uncertain`, `failed`, `canceled` |
//! | a receipt ([`receipt`]) | `submitted → delivered`, `undelivered`, `bounced`; proves an uncertain hand-over |
//! | what the contact does ([`receive`], [`consent`]) | pending `→ canceled`, by a [`sweep`] |
//! | a deletion ([`cleanup`]), a caller when it is final ([`change`]) | out of being |
//! | what it tells webhooks ([`notices`]) and a message's `StatusCallback` ([`callbacks`]) | a notice into being and out of it |
//! | the one before it in its series ([`series`]) | into being |
//! | a merge ([`merging`], [`absorbing`]) | from one contact to another |
//! | its account's resumption ([`resumed`]) | `held → scheduled`, `expired` |
//!
//! Nothing here does I/O: what a command needs to know is asked for with [`needs()`] and read first.

mod absorbing;
mod activity;
mod callbacks;
mod change;
mod cleanup;
mod consent;
mod converse;
mod deliver;
mod foresight;
mod merging;
mod needs;
mod notices;
mod planning;
mod profile;
mod receipt;
mod receive;
mod replan;
mod resumed;
mod schedule;
mod series;
mod settle;
mod sweep;
mod threads;
mod track;
mod trail;

use crate::domain::address::Channel;
use crate::domain::clock::UnixMs;
use crate::domain::contact::Contact;
use crate::domain::conversation::{ItemKind, ThreadItem};
use crate::domain::ids::{AccountNo, MessageId};
use crate::domain::message::{Author, BlobKey, HistoryEntry, Message, State, StoredContent};
use crate::domain::reason::Reason;
use crate::protocol::api::EngineError;

use super::command::ContactCommand;
use super::decision::{Decision, Known, Surroundings};

pub(crate) use change::not_failed;
pub use foresight::{Foreseen, foresee};
pub(crate) use merging::UNDER_WAY;
pub use needs::{Needs, needs};
pub use schedule::{message_id_for, stored};
pub use sweep::Sweep;

/// Decides a command, and what is told of it. Everything that [`needs()`] asks for is in `known.records`.
pub fn decide(known: &Known<'_>, command: ContactCommand, around: &Surroundings<'_>) -> Decision {
    let deed = trail::deed(known, &command, around);
    let mut decision = decided(known, command, around);
    series::follow(&mut decision, known, around);
    if let Some(deed) = deed {
        trail::note(&mut decision, deed, known, around);
    }
    notices::add(&mut decision, known, around);
    decision
}

fn decided(known: &Known<'_>, command: ContactCommand, around: &Surroundings<'_>) -> Decision {
    use ContactCommand as C;
    match command {
        C::Create(caller, new) => profile::create(known, &caller, *new, around),
        C::Upsert(caller, new) => profile::upsert(known, &caller, *new, around),
        C::UpsertAliased(caller, new) => profile::upsert_aliased(known, &caller, *new, around),
        C::Patch(caller, patch, if_match) => profile::patch(known, &caller, *patch, if_match, around),
        C::ClaimAlias(caller, external_id, target) => profile::claim_alias(known, &caller, &external_id, target),
        C::DropAlias(account, external_id, target) => profile::drop_alias(known, account, &external_id, target),
        C::Delete(caller, removal) => cleanup::delete(known, &caller, removal, around),
        C::Schedule(caller, new) => schedule::schedule(known, &caller, *new, around),
        C::Cancel(caller, id) => change::cancel(known, &caller, id, around),
        C::Edit(caller, id, edit, if_match) => change::edit(known, &caller, id, *edit, if_match, around),
        C::SendNow(caller, id) => change::send_now(known, &caller, id, around),
        C::Resolve(caller, id, how) => change::resolve(known, &caller, id, how, around),
        C::ResumeHeld(id) => resumed::resume_held(known, id, around),
        C::Permit(permit) => deliver::permit(known, &permit, around),
        C::Finished(finished) => settle::finished(known, *finished, around),
        C::Cleanup(ticket) => cleanup::step(known, &ticket, around),
        C::Heard(ticket, matter, answer) => cleanup::heard(known, &ticket, matter, answer, around),
        C::ExpectMerge(caller, from) => absorbing::expect(known, &caller, from, around),
        C::Merge(caller, into, token) => merging::begin(known, &caller, into, token, around),
        C::Absorb(absorbed) => absorbing::absorb(known, *absorbed, around),
        C::TakeOver(taken) => absorbing::take_over(known, *taken, around),
        C::Joined(from, token) => absorbing::joined(known, from, token),
        C::Forgo(survivor, removal) => merging::forgo(known, survivor, removal, around),
        C::Forget(before) => cleanup::forget(known, before),
        C::Remove(caller, id) => change::remove(known, &caller, id),
        C::Restore(caller, id) => change::restore(known, &caller, id, around),
        C::CancelSeries(caller, id) => series::cancel(known, &caller, id, around),
        C::RestoreSeries(caller, id) => series::restore(known, &caller, id, around),
        C::Receive(received) => receive::receive(known, *received, around),
        C::Receipt(id, receipt) => receipt::receipt(known, id, receipt, around),
        C::Tracked(id, engagement) => track::tracked(known, id, engagement, around),
        C::Happened(account, id, event) => receive::happened(known, account, id, event, around),
        C::Opt(change) => consent::opt(known, &change, around),
        C::Suppress(suppression, _) => consent::suppress(known, *suppression),
        C::Unsuppress(account, address, _) => consent::unsuppress(known, account, &address),
        C::Record(entry) => trail::record(known, &entry),
        C::EraseSuppressed(account, address) => consent::erase_suppressed(known, account, &address),
        C::AddressSuppressed(suppression) => consent::address_suppressed(known, &suppression),
        C::CancelPending(sweep, _) => sweep::cancel_pending(known, sweep, around),
        C::ReplanPending(_) => replan::replan_pending(known, None, around),
        C::Replan(ticket, _) => replan::replan_pending(known, Some(ticket), around),
        C::Attend(caller, attend) => converse::attend(known, &caller, attend, around),
        C::Note(caller, id, text) => converse::note(known, &caller, id, text, around),
        C::Ping(account, id) => notices::ping(known, account, id, around),
        C::Revive(caller, id) => notices::revive(known, &caller, id, around),
    }
}

/// The numbers of the blobs that belong to an item of a thread.
pub fn blobs_of_item(item: &ThreadItem) -> impl Iterator<Item = u8> + '_ {
    let inbound = if let ItemKind::Inbound(inbound) = &item.kind { Some(inbound) } else { None };
    let content = match &item.kind {
        ItemKind::Inbound(inbound) => Some(&inbound.content),
        ItemKind::Series(series) => Some(&series.content),
        ItemKind::Note(_) | ItemKind::Event(_) | ItemKind::Moved(_) => None,
    };
    let content = content.filter(|content| matches!(content, StoredContent::Blob { .. })).map(|_| BlobKey::CONTENT);
    let received = inbound.into_iter().flat_map(|inbound| {
        let raw = inbound.has_raw.then_some(BlobKey::RAW);
        raw.into_iter().chain(inbound.attachments.iter().map(|attachment| attachment.blob))
    });
    content.into_iter().chain(received)
}

/// The numbers of the blobs that belong to a message.
pub fn blobs_of(message: &Message) -> impl Iterator<Item = u8> + '_ {
    let content = matches!(message.content, StoredContent::Blob { .. }).then_some(BlobKey::CONTENT);
    content.into_iter().chain(message.attachments.iter().map(|attachment| attachment.blob))
}

/// The live contact of the caller's account, or "not found", or where it went.
fn live<'a>(known: &Known<'a>, account: AccountNo) -> Result<&'a Contact, EngineError> {
    let contact = known.contact.filter(|contact| contact.account == account).ok_or(EngineError::NotFound)?;
    if contact.is_live() { Ok(contact) } else { Err(merging::refusal(contact)) }
}

/// A message of this contact and the caller's account, or "not found".
fn message_of<'a>(known: &Known<'a>, account: AccountNo, id: MessageId) -> Result<&'a Message, EngineError> {
    live(known, account)?;
    known
        .records
        .messages
        .get(&id)
        .and_then(Option::as_deref)
        .filter(|message| message.account == account && message.contact == known.id)
        .filter(|message| message.channel != Channel::Webhook)
        .ok_or(EngineError::NotFound)
}

/// Unpacks a result inside a function that returns a decision: a refusal is the answer.
macro_rules! or_refuse {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(error) => return Decision::answer(Err(error.into())),
        }
    };
}
use or_refuse;

/// A message as it will be after one more change.
fn next_version(message: &Message, now: UnixMs) -> Message {
    let mut next = message.clone();
    next.version += 1;
    next.updated_at = now;
    next
}

/// Moves a message to another state, with its reason and an entry in its history.
fn enter(message: &mut Message, state: State, reason: Option<Reason>, by: Author, now: UnixMs) {
    let (from, to) = (message.state.name(), state.name());
    debug_assert!(from == to || from.can_become(to), "no arrow from {from} to {to}");
    message.state = state;
    message.reason.clone_from(&reason);
    message.since = now;
    message.history.push(HistoryEntry { at: now, state: to, reason, by });
    if message.history.len() > Message::MAX_HISTORY_KEPT {
        message.history.remove(0);
    }
}

#[cfg(test)]
mod tests;
