//! What must be read before a command can be decided.

use super::merging;
use super::series::{is_canceled_item, series_in};
use crate::contact::command::{ContactCommand, Matter, MovedEntry};
use crate::contact::decision::Known;
use crate::domain::address::{Address, Channel};
use crate::domain::clock::UnixMs;
use crate::domain::contact::Life;
use crate::domain::conversation::ThreadItem;
use crate::domain::ids::{AccountNo, MessageId, SeriesId};
use crate::domain::message::{BlobKey, ReplyChoice, State, StoredContent};
use crate::protocol::api::Caller;
use crate::store::keys::{AddressDigest, TimelineMember};
use crate::store::{Entry, keys};

/// What is missing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs {
    /// Message records.
    pub messages: Vec<MessageId>,
    /// Contents that are blobs.
    pub contents: Vec<MessageId>,
    /// Blobs that move.
    pub blobs: Vec<BlobKey>,
    /// Aliases, by account and external id.
    pub aliases: Vec<(AccountNo, String)>,
    /// Items of the thread.
    pub items: Vec<MessageId>,
    /// Addresses that may be suppressed.
    pub suppressions: Vec<(AccountNo, AddressDigest)>,
    /// Pending entries after one, so many.
    pub pending: Option<(Option<Entry>, usize)>,
    /// How many pending entries there are.
    pub pending_count: bool,
    /// So many of the oldest timeline entries, up to this instant.
    pub timeline: Option<(UnixMs, usize)>,
    /// So many of the newest timeline entries.
    pub recent: Option<usize>,
}

impl Needs {
    /// Whether nothing is missing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Messages looked at for one batch of a sweep: about as many as it has room for.
pub(super) const CHUNK: usize = 48;
/// Messages looked at for one batch of a deletion. It has nothing to put and may be a few times as large as others
/// are: each batch waits for the disk once, and 10,000 messages are to go within two seconds.
pub(super) const CLEANUP_CHUNK: usize = 192;
/// Entries of a thread looked at for what an SMS may answer.
const RECENT: usize = 32;

/// What a command still needs, given what is known.
#[must_use]
pub fn needs(command: &ContactCommand, known: &Known<'_>) -> Needs {
    use ContactCommand as C;
    let mut out = Needs::default();
    if let C::Schedule(_, new) = command {
        if let ReplyChoice::To(id) = new.new.reply {
            entry(&mut out, known, id);
        }
        if new.new.recurrence.is_some() && new.new.idempotency.is_some() {
            item(&mut out, known, SeriesId::begun_by(new.id).entry());
        }
    }
    let mut message = |id: MessageId| {
        if !known.records.messages.contains_key(&id) {
            out.messages.push(id);
        }
    };
    match command {
        C::Schedule(_, new) if new.new.idempotency.is_some() || new.requeue_of.is_some() => {
            message(new.id);
            new.requeue_of.into_iter().for_each(&mut message);
            merging::earlier_ids(known, new).into_iter().for_each(message);
        }
        C::Cancel(_, id)
        | C::SendNow(_, id)
        | C::Resolve(_, id, _)
        | C::Restore(_, id)
        | C::Receipt(id, _)
        | C::Tracked(id, _)
        | C::ResumeHeld(id)
        | C::Revive(_, id) => message(*id),
        C::Edit(_, id, ..) => {
            message(*id);
            content_of(&mut out, known, *id);
        }
        C::Remove(_, id) => entry(&mut out, known, *id),
        C::Permit(permit) => {
            message(permit.ticket.message);
            // A notice goes out whatever became of its contact.
            let is_notice = permit.ticket.channel() == Channel::Webhook;
            if is_notice {
                content_of(&mut out, known, permit.ticket.message);
            } else if known.contact.is_some_and(|contact| contact.is_live()) {
                content_of(&mut out, known, permit.ticket.message);
                suppression_of(&mut out, known, permit.ticket.message);
                answered_of(&mut out, known, permit.ticket.message);
            }
        }
        C::Finished(finished) => message(finished.ticket.message),
        C::Create(caller, new) | C::Upsert(caller, new) => {
            let asked = new.profile.external_id.iter().filter(|id| !known.records.aliases.contains_key(*id));
            out.aliases.extend(asked.map(|id| (caller.account, id.clone())));
        }
        C::ClaimAlias(Caller { account, .. }, external_id, _) | C::DropAlias(account, external_id, _) => {
            if !known.records.aliases.contains_key(external_id) {
                out.aliases.push((*account, external_id.clone()));
            }
        }
        C::Delete(..) => out.pending_count = known.records.pending_count.is_none(),
        C::Receive(received) => {
            item(&mut out, known, received.item);
            match received.inbound.channel {
                Channel::Email => {
                    received.candidates.iter().for_each(|id| entry(&mut out, known, *id));
                }
                Channel::Sms | Channel::Webhook => {
                    entries_with_records(&mut out, known, known.records.recent.as_ref(), |out| {
                        out.recent = Some(RECENT);
                    });
                }
            }
        }
        C::Note(_, id, _) | C::Happened(_, id, _) => item(&mut out, known, *id),
        C::CancelSeries(_, id) | C::RestoreSeries(_, id) => latest_of(&mut out, known, *id),
        C::Suppress(suppression, _) => {
            suppression.address.iter().for_each(|address| suppressed(&mut out, known, suppression.account, address));
        }
        C::Unsuppress(account, address, _) | C::EraseSuppressed(account, address) => {
            suppressed(&mut out, known, *account, address);
        }
        C::CancelPending(_, after) | C::ReplanPending(after) | C::Replan(_, after) => {
            entries_with_records(&mut out, known, known.records.pending.as_ref(), |out| {
                out.pending = Some((after.clone(), CHUNK));
            });
        }
        C::Cleanup(_) if known.contact.is_some_and(|contact| matches!(contact.life, Life::Merging(_))) => {
            moving(&mut out, known);
        }
        C::TakeOver(taken) => {
            for (moved, _) in &taken.entries {
                let here = |id: MessageId| id.moved(known.id, known.partition);
                entry(&mut out, known, here(moved.id()));
                if let MovedEntry::Item(item) = moved
                    && let Some(series) = series_in(item)
                {
                    entry(&mut out, known, here(series.latest));
                }
            }
        }
        C::Heard(_, Matter::TakeOver(ids), Ok(())) => ids.iter().for_each(|id| entry(&mut out, known, *id)),
        C::Cleanup(_) => {
            entries_with_records(&mut out, known, known.records.pending.as_ref(), |out| {
                out.pending = Some((None, CLEANUP_CHUNK));
            });
            if known.records.pending.as_ref().is_some_and(Vec::is_empty) {
                entries_with_records(&mut out, known, known.records.timeline.as_ref(), |out| {
                    out.timeline = Some((UnixMs::MAX, CLEANUP_CHUNK));
                });
            }
        }
        C::Forget(before) => {
            entries_with_records(&mut out, known, known.records.timeline.as_ref(), |out| {
                out.timeline = Some((*before, CHUNK));
            });
            if out.is_empty() && known.records.items.values().flatten().any(|item| is_canceled_item(item)) {
                out.pending_count = known.records.pending_count.is_none();
            }
        }
        C::Schedule(..)
        | C::UpsertAliased(..)
        | C::Patch(..)
        | C::Opt(_)
        | C::AddressSuppressed(_)
        | C::Attend(..)
        | C::Heard(..)
        | C::ExpectMerge(..)
        | C::Merge(..)
        | C::Absorb(_)
        | C::Joined(..)
        | C::Forgo(..)
        | C::Record(_)
        | C::Ping(..) => {}
    }
    series_of_messages(&mut out, known);
    out
}

/// The series that the messages at hand belong to: whatever moves one of them out of the way may make the next. Also
/// what it says, if that is a blob of its own.
fn series_of_messages(out: &mut Needs, known: &Known<'_>) {
    let messages = known.records.messages.values().filter_map(Option::as_deref);
    for id in messages.filter_map(|message| Some(message.series.as_ref()?.series.entry())) {
        series(out, known, id);
    }
}

fn series(out: &mut Needs, known: &Known<'_>, id: MessageId) {
    item(out, known, id);
    let series = known.records.items.get(&id).and_then(Option::as_deref).and_then(series_in);
    let is_apart = series.is_some_and(|series| matches!(series.content, StoredContent::Blob { .. }));
    if is_apart && !known.records.contents.contains_key(&id) {
        out.contents.push(id);
    }
}

/// A series, and its latest message.
fn latest_of(out: &mut Needs, known: &Known<'_>, id: SeriesId) {
    series(out, known, id.entry());
    let series = known.records.items.get(&id.entry()).and_then(Option::as_deref).and_then(series_in);
    if let Some(latest) = series.map(|series| series.latest)
        && !known.records.messages.contains_key(&latest)
    {
        out.messages.push(latest);
    }
}

/// What the next step of a merge moves: pending entries, then those of the past, with their records and blobs.
fn moving(out: &mut Needs, known: &Known<'_>) {
    let records = known.records;
    entries_with_records(out, known, records.pending.as_ref(), |out| out.pending = Some((None, merging::PAGE)));
    let mut entries = &records.pending;
    if records.pending.as_ref().is_some_and(Vec::is_empty) {
        let before = UnixMs(ThreadItem::BEHIND_ALL.0 - 1);
        entries_with_records(out, known, records.timeline.as_ref(), |out| {
            out.timeline = Some((before, merging::PAGE));
        });
        entries = &records.timeline;
    }
    if let Some(entries) = entries.as_ref().filter(|_| out.is_empty()) {
        out.blobs = merging::blobs_needed(known, entries);
    }
}

/// The entries, and then the records that they name.
fn entries_with_records(
    out: &mut Needs,
    known: &Known<'_>,
    entries: Option<&Vec<Entry>>,
    ask: impl FnOnce(&mut Needs),
) {
    match entries {
        None => ask(out),
        Some(entries) => {
            for member in entries.iter().filter_map(|entry| TimelineMember::decode(&entry.member).ok()) {
                thread_record(out, known, member);
            }
        }
    }
}

/// The record behind an entry of the thread.
fn thread_record(out: &mut Needs, known: &Known<'_>, member: TimelineMember) {
    match member {
        TimelineMember::Message(id) if !known.records.messages.contains_key(&id) => out.messages.push(id),
        TimelineMember::Item(id) => item(out, known, id),
        TimelineMember::Message(_) => {}
    }
}

/// The mail that an email is to answer, until that is settled by its first claim.
fn answered_of(out: &mut Needs, known: &Known<'_>, id: MessageId) {
    let Some(Some(message)) = known.records.messages.get(&id) else { return };
    if let (ReplyChoice::To(id), None) = (message.reply, &message.thread) {
        entry(out, known, id);
    }
}

/// An entry of the thread, whichever kind it is.
fn entry(out: &mut Needs, known: &Known<'_>, id: MessageId) {
    thread_record(out, known, TimelineMember::Message(id));
    item(out, known, id);
}

fn item(out: &mut Needs, known: &Known<'_>, id: MessageId) {
    if !known.records.items.contains_key(&id) {
        out.items.push(id);
    }
}

fn suppressed(out: &mut Needs, known: &Known<'_>, account: AccountNo, address: &Address) {
    let digest = keys::address_digest(account, address);
    if !known.records.suppressions.contains_key(&digest) {
        out.suppressions.push((account, digest));
    }
}

/// Whether a message's address is suppressed, if the set of hashes says that it may be.
fn suppression_of(out: &mut Needs, known: &Known<'_>, id: MessageId) {
    let Some(Some(message)) = known.records.messages.get(&id) else { return };
    if let Some(digest) = known.suppressions.find(message.account, &message.to)
        && !known.records.suppressions.contains_key(&digest)
    {
        out.suppressions.push((message.account, digest));
    }
}

/// The content of a pending message, if it is a blob of its own.
fn content_of(out: &mut Needs, known: &Known<'_>, id: MessageId) {
    let Some(Some(message)) = known.records.messages.get(&id) else { return };
    let is_waiting = matches!(message.state, State::Scheduled | State::Sending(_) | State::Held);
    if is_waiting && matches!(message.content, StoredContent::Blob { .. }) && !known.records.contents.contains_key(&id)
    {
        out.contents.push(id);
    }
}
