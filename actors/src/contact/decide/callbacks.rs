//! Status callbacks: a message's own `StatusCallback` is told of its states, in Twilio's words.
//!
//! What tells is a notice like those to webhooks ([`super::notices`]): made with the change, tried again, a dead letter
//! in the end. Its `callback_url` says where it goes, and that it is one; the lane is its account's, so that the
//! callbacks of one account never wait for another's.

use super::notices::{Destination, Goal, put};
use super::{Decision, Known, Surroundings};
use crate::domain::address::{Address, Channel, WebUrl};
use crate::domain::contact::{Life, Removal};
use crate::domain::ids::LaneNo;
use crate::domain::message::{Message, StateName};
use crate::domain::status_callback;
use crate::protocol::events::{EventKind, Happened};
use crate::sender::transport::Hook;

/// Mutations that one change of a message makes at most, by being told to its callback: record and due entry. What is
/// told is small enough for the record.
pub(super) fn mutations_of_a_change(message: &Message) -> usize {
    if message.callback_url.is_some() { 2 } else { 0 }
}

/// Whether a decision changes any message that has a callback.
pub(super) fn are_concerned(decision: &Decision) -> bool {
    decision.messages.iter().any(|(_, message)| message.as_ref().is_some_and(|message| of(message).is_some()))
}

/// Where a message's changes are told; a notice's own are not.
fn of(message: &Message) -> Option<&WebUrl> {
    message.callback_url.as_ref().filter(|_| message.channel != Channel::Webhook)
}

/// Adds the notice of what happened, if it is news to its message's callback.
pub(super) fn tell(decision: &mut Decision, known: &Known<'_>, happened: &Happened, around: &Surroundings<'_>) {
    let (EventKind::MessageUpdated, Some((id, _))) = (happened.kind, happened.message) else { return };
    let decided = decision.messages.iter().rev().find(|(of, _)| *of == id);
    let Some(message) = decided.and_then(|(_, message)| message.clone()) else { return };
    if let Some(status) = status_callback::news(&message) {
        say(decision, known, &message, Some(&message.to), status, around);
    }
}

/// Adds the notice of a message that goes with its contact: nothing else will tell of it. `ended` is how it stands when
/// it goes. One that was to be sent yet counts as taken back; of one that may have been sent nothing is claimed.
/// After an erasure nobody is told whom it was for.
pub(super) fn tell_of_removal(decision: &mut Decision, known: &Known<'_>, ended: &Message, around: &Surroundings<'_>) {
    let status = match ended.state.name() {
        StateName::Scheduled | StateName::Held => "canceled",
        _ => match status_callback::news(ended) {
            Some(status) if ended.state.name().is_final() || ended.state.name() == StateName::Submitted => status,
            _ => return,
        },
    };
    let life = known.contact.map(|contact| &contact.life);
    let is_erased = matches!(life, Some(Life::Tombstone { removal: Removal::Erase, .. }));
    say(decision, known, ended, Some(&ended.to).filter(|_| !is_erased), status, around);
}

fn say(
    decision: &mut Decision,
    known: &Known<'_>,
    message: &Message,
    to: Option<&Address>,
    status: &str,
    around: &Surroundings<'_>,
) {
    let Some(url) = of(message) else { return };
    let (Some(account), Ok(host)) = (around.directory.account(message.account), WebUrl::host_of(url.as_str())) else {
        return;
    };
    let form = status_callback::form(message, to, status, account, around.directory.sender(message.sender));
    let goal = Goal {
        account: message.account,
        sender: message.sender,
        lane: LaneNo::of_callbacks(message.account),
        to: Address::Url(host),
        callback_url: Some(url.clone()),
    };
    put(decision, known, goal, form, around);
}

/// Where a notice goes if it is a callback's; to nobody once its account is gone.
pub(super) fn destination(url: &WebUrl, notice: &Message, around: &Surroundings<'_>) -> Option<Destination> {
    around.directory.account(notice.account)?;
    let token = around.status_callbacks.token(notice.account);
    Some(Destination { url: url.as_str().to_owned(), hook: Hook::StatusCallback { token } })
}
