//! A receipt: the provider's later, or early, word on a message.
//!
//! | the message is | a receipt that is not final | a final one |
//! |---|---|---|
//! | `sending` | kept | kept, and applied when the attempt is settled |
//! | `uncertain`, or waits to be repeated after that | proves the hand-over: `submitted` | the same, then refined |
//! | `submitted` | kept | refined: `delivered`, `undelivered`, `bounced` |
//! | anything else | ignored | ignored |

use super::{Decision, Known, Surroundings, enter, merging, next_version};
use crate::contact::command::Answer;
use crate::contact::entries::DueEntry;
use crate::domain::address::Channel;
use crate::domain::ids::MessageId;
use crate::domain::message::{AttemptOutcome, Author, Message, State, StateName};
use crate::domain::reason::Reason;
use crate::domain::receipt::Receipt;
use crate::protocol::api::EngineError;

pub(super) fn receipt(known: &Known<'_>, id: MessageId, receipt: Receipt, around: &Surroundings<'_>) -> Decision {
    let message = known.records.messages.get(&id).and_then(Option::as_deref);
    let is_live = known.contact.is_some_and(|contact| contact.is_live());
    if let Some(contact) = known.contact.filter(|contact| !contact.is_live() && !contact.is_deleted()) {
        // It moves to another contact: asked again, it is found there.
        return Decision::answer(Err(merging::refusal(contact)));
    }
    let is_awaiting = |message: &&Message| message.contact == known.id && message.channel != Channel::Webhook;
    let Some(message) = message.filter(is_awaiting).filter(|_| is_live) else {
        return Decision::answer(Err(EngineError::NotFound));
    };
    if !is_awaited(message) || !receipt.supersedes(message.receipt.as_ref()) {
        return Decision::answer(Ok(Answer::Receipt(message.state.name())));
    }
    let mut next = next_version(message, around.now);
    next.receipt = Some(receipt);
    match message.state {
        State::Submitted => refine(&mut next, around),
        // Even a bounce proves that the provider took it: it is not tried again.
        State::Uncertain | State::Scheduled => {
            let code = next.receipt.as_ref().and_then(|receipt| receipt.code.clone()).unwrap_or_default();
            enter(&mut next, State::Submitted, Some(Reason::ReceiptSaid(code)), Author::System, around.now);
            refine(&mut next, around);
        }
        _ => {}
    }
    let state = next.state.name();
    let mut decision = Decision::default();
    decision.reply(Ok(Answer::Receipt(state)));
    decision.put_message(Some(message), next, DueEntry::Somewhere, around.now);
    decision
}

/// Whether a receipt can still say anything: an attempt was begun, and the message is not final.
fn is_awaited(message: &Message) -> bool {
    match message.state {
        State::Sending(_) | State::Submitted | State::Uncertain => true,
        // Its last attempt's outcome is unknown, and it is to be repeated.
        State::Scheduled => message.attempts.last().is_some_and(|attempt| attempt.outcome == AttemptOutcome::Unknown),
        _ => false,
    }
}

/// A submitted message becomes what its receipt says. Its place in the thread stays.
pub(super) fn refine(message: &mut Message, around: &Surroundings<'_>) {
    let Some(receipt) = message.receipt.clone() else { return };
    let state = match receipt.status.refines_to() {
        Some(StateName::Delivered) => State::Delivered,
        Some(StateName::Undelivered) => State::Undelivered,
        Some(StateName::Bounced) => State::Bounced,
        _ => return,
    };
    let since = message.since;
    let reason = (state != State::Delivered).then(|| Reason::ReceiptSaid(receipt.code.unwrap_or_default()));
    enter(message, state, reason, Author::System, around.now);
    message.since = since;
}
