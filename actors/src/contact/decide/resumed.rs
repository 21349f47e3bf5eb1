//! A suspended account: what is due is held, and goes on when the account is resumed.

use super::{Decision, Known, Surroundings, enter, next_version};
use crate::contact::entries::DueEntry;
use crate::domain::ids::MessageId;
use crate::domain::message::{Author, State};
use crate::domain::reason::Reason;

/// Lets a message go on that was held for its account alone. One that would be later than its author allowed
/// expires: its lateness counts from the time that was meant, not from the resumption.
pub(super) fn resume_held(known: &Known<'_>, id: MessageId, around: &Surroundings<'_>) -> Decision {
    let is_alive = known.contact.is_some_and(|contact| !contact.is_deleted());
    let message = known.records.messages.get(&id).and_then(Option::as_deref);
    let held = message
        .filter(|message| message.state == State::Held && message.reason == Some(Reason::AccountSuspended) && is_alive);
    let Some(message) = held.filter(|message| around.directory.is_active(message.account)) else {
        return Decision::default().done();
    };
    let mut next = next_version(message, around.now);
    match message.skip_after() {
        Some(limit) if message.attempts.is_empty() && around.now.since(message.wanted_at()) > limit => {
            enter(&mut next, State::Expired, Some(Reason::TooLate(limit)), Author::System, around.now);
        }
        _ => {
            if next.due_at < around.now {
                (next.due_at, next.plan) = (around.now, None);
            }
            enter(&mut next, State::Scheduled, Some(Reason::AccountResumed), Author::System, around.now);
            next.reason = None;
        }
    }
    let mut decision = Decision::default();
    decision.put_message(Some(message), next, DueEntry::Somewhere, around.now);
    decision.done()
}
