//! Taking back what is pending, a chunk at a time, after something that the last check already knows of.

use super::needs::CHUNK;
use super::{Decision, Known, Surroundings, callbacks, enter, next_version, notices, series};
use crate::contact::command::ContactCommand;
use crate::contact::decision::Effect;
use crate::contact::entries::DueEntry;
use crate::domain::address::{Address, Channel};
use crate::domain::clock::UnixMs;
use crate::domain::ids::SeriesId;
use crate::domain::message::{Author, Message, State};
use crate::domain::reason::Reason;
use crate::domain::suppression::SuppressionReason;
use crate::store::{Batch, Entry, keys};

/// Why pending messages are taken back, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sweep {
    /// The contact wrote: those that were to be taken back then, scheduled before.
    Replied {
        /// When they wrote.
        at: UnixMs,
    },
    /// The contact wants nothing more on this channel.
    OptedOut(Channel),
    /// Nothing is sent to this address any more.
    Suppressed(Address, SuppressionReason),
    /// The series was taken back.
    Series(SeriesId),
}

impl Sweep {
    fn covers(&self, message: &Message) -> Option<Reason> {
        match self {
            Self::Replied { at } => (message.cancel_on_reply && message.created_at() <= *at).then_some(Reason::Replied),
            Self::OptedOut(channel) => (message.channel == *channel).then_some(Reason::ConsentDenied),
            Self::Series(id) => {
                message.series.as_ref().is_some_and(|of| of.series == *id).then_some(Reason::SeriesCanceled)
            }
            Self::Suppressed(address, why) => (message.to == *address).then_some(Reason::Suppressed(*why)),
        }
    }
}

/// Mutations that one cancel makes at most: record, both due entries, pending, held, attention, timeline, counter.
const PER_CANCEL: usize = 8;

pub(super) fn cancel_pending(known: &Known<'_>, sweep: Sweep, around: &Surroundings<'_>) -> Decision {
    let mut decision = Decision::default();
    let is_live = known.contact.is_some_and(|contact| contact.is_live());
    let pending = known.records.pending.as_deref().filter(|_| is_live).unwrap_or_default();
    let mut last: Option<&Entry> = None;
    let (mut is_cut, mut spent) = (false, 0);
    let told = known.contact.map_or(0, |contact| notices::mutations_of_a_change(contact.account, around));
    for entry in pending {
        let id = keys::message_of_member(&entry.member).ok();
        let message = id.and_then(|id| known.records.messages.get(&id)).and_then(Option::as_deref);
        let repeats = message.is_some_and(|message| message.series.is_some());
        // A series ends with it, or goes on with another message, which is told of as well.
        let moved_on = if repeats { series::MUTATIONS + told } else { 0 };
        let cost = PER_CANCEL + told + moved_on + message.map_or(0, callbacks::mutations_of_a_change);
        // The first one always goes, however many are told of it.
        if spent > 0 && spent + cost > Batch::MAX_MUTATIONS {
            is_cut = true;
            break;
        }
        last = Some(entry);
        if let Some((message, reason)) = message.and_then(|message| Some((message, sweep.covers(message)?))) {
            take_back(&mut decision, message, reason, around);
            spent += cost;
        }
    }
    if let Some(last) = last.filter(|_| is_cut || pending.len() >= CHUNK) {
        let next = ContactCommand::CancelPending(sweep, Some(last.clone()));
        decision.effects.push(Effect::Continue(Box::new(next)));
    }
    decision.done()
}

/// Before hand-over it is cancelled; while an attempt is under way, no further one is made.
fn take_back(decision: &mut Decision, message: &Message, reason: Reason, around: &Surroundings<'_>) {
    let mut next = next_version(message, around.now);
    match message.state {
        State::Scheduled | State::Held | State::Uncertain => {
            enter(&mut next, State::Canceled, Some(reason), Author::System, around.now);
        }
        State::Sending(_) if !message.is_cancel_requested => next.is_cancel_requested = true,
        _ => return,
    }
    decision.put_message(Some(message), next, DueEntry::Somewhere, around.now);
}
