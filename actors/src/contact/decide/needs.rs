//! What must be read before a command can be decided.

use crate::contact::command::ContactCommand;
use crate::contact::decision::Known;
use crate::domain::clock::UnixMs;
use crate::domain::ids::{AccountNo, MessageId};
use crate::domain::message::{State, StoredContent};
use crate::store::{Entry, keys};

/// What is missing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs {
    /// Message records.
    pub messages: Vec<MessageId>,
    /// Contents that are blobs.
    pub contents: Vec<MessageId>,
    /// Aliases, by account and external id.
    pub aliases: Vec<(AccountNo, String)>,
    /// So many pending entries.
    pub pending: Option<usize>,
    /// How many pending entries there are.
    pub pending_count: bool,
    /// So many of the oldest timeline entries, up to this instant.
    pub timeline: Option<(UnixMs, usize)>,
}

impl Needs {
    /// Whether nothing is missing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Messages looked at for one batch of a deletion or a retention sweep.
pub(super) const CHUNK: usize = 32;

/// What a command still needs, given what is known.
#[must_use]
pub fn needs(command: &ContactCommand, known: &Known<'_>) -> Needs {
    use ContactCommand as C;
    let mut out = Needs::default();
    let mut message = |id: MessageId| {
        if !known.records.messages.contains_key(&id) {
            out.messages.push(id);
        }
    };
    match command {
        C::Schedule(_, new) if new.new.idempotency.is_some() || new.requeue_of.is_some() => {
            message(new.id);
            new.requeue_of.into_iter().for_each(message);
        }
        C::Cancel(_, id) | C::SendNow(_, id) | C::Resolve(_, id, _) | C::ResumeHeld(id) => message(*id),
        C::Edit(_, id, ..) => {
            message(*id);
            content_of(&mut out, known, *id);
        }
        C::Permit(permit) => {
            message(permit.ticket.message);
            if known.contact.is_some_and(|contact| !contact.is_deleted()) {
                content_of(&mut out, known, permit.ticket.message);
            }
        }
        C::Finished(finished) => message(finished.ticket.message),
        C::Create(caller, new) | C::Upsert(caller, new) => {
            let asked = new.profile.external_id.iter().filter(|id| !known.records.aliases.contains_key(*id));
            out.aliases.extend(asked.map(|id| (caller.account, id.clone())));
        }
        C::ClaimAlias(caller, external_id, _) | C::DropAlias(caller, external_id, _) => {
            if !known.records.aliases.contains_key(external_id) {
                out.aliases.push((caller.account, external_id.clone()));
            }
        }
        C::Delete(_) => out.pending_count = known.records.pending_count.is_none(),
        C::Cleanup(_) => {
            entries_with_messages(&mut out, known, known.records.pending.as_ref(), |out| out.pending = Some(CHUNK));
            if known.records.pending.as_ref().is_some_and(Vec::is_empty) {
                entries_with_messages(&mut out, known, known.records.timeline.as_ref(), |out| {
                    out.timeline = Some((UnixMs::MAX, CHUNK));
                });
            }
        }
        C::Forget(before) => {
            entries_with_messages(&mut out, known, known.records.timeline.as_ref(), |out| {
                out.timeline = Some((*before, CHUNK));
            });
        }
        C::Schedule(..) | C::Patch(..) => {}
    }
    out
}

/// The entries, and then the records that they name.
fn entries_with_messages(
    out: &mut Needs,
    known: &Known<'_>,
    entries: Option<&Vec<Entry>>,
    ask: impl FnOnce(&mut Needs),
) {
    match entries {
        None => ask(out),
        Some(entries) => out.messages.extend(
            entries
                .iter()
                .filter_map(|entry| keys::message_of_member(&entry.member).ok())
                .filter(|id| !known.records.messages.contains_key(id)),
        ),
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
