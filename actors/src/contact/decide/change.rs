//! What callers do to a message that exists: cancel, edit, send now, resolve, remove.

use super::schedule::{check_consent, check_content, choose_recipient, choose_sender, plan_intent, stored};
use super::{Decision, Known, Surroundings, enter, live, message_of, next_version, or_refuse, planning};
use crate::contact::command::Answer;
use crate::contact::entries::DueEntry;
use crate::domain::conversation::ItemKind;
use crate::domain::ids::MessageId;
use crate::domain::message::{BlobKey, Content, Message, State, StateName, StoredContent};
use crate::domain::reason::Reason;
use crate::domain::schedule::Intent;
use crate::protocol::api::{Caller, CancelOutcome, EngineError, FieldError, MessageEdit, Resolve};
use crate::store::{Mutation, Table, codec, keys};

/// Only a dead letter can be revived.
pub(crate) fn not_failed(state: StateName) -> EngineError {
    EngineError::Conflict {
        code: "not_failed",
        detail: format!("the message is {state}: only a failed one can be requeued"),
    }
}

fn not_pending(state: StateName) -> EngineError {
    EngineError::Conflict {
        code: "not_pending",
        detail: format!("the message is {state}: only a scheduled or held one can be changed"),
    }
}

pub(super) fn cancel(known: &Known<'_>, caller: &Caller, id: MessageId, around: &Surroundings<'_>) -> Decision {
    let message = or_refuse!(message_of(known, caller.account, id));
    let answer = |outcome| Ok(Answer::Canceled(outcome));
    match message.state {
        State::Scheduled | State::Held | State::Uncertain => {
            let was_handed_over = message.state == State::Uncertain;
            let mut next = next_version(message, around.now);
            enter(&mut next, State::Canceled, Some(Reason::CanceledByCaller), caller.author, around.now);
            let mut decision = Decision::default();
            // An uncertain one may have arrived: it will not be tried again, and the caller is told so.
            decision.reply(answer(if was_handed_over {
                CancelOutcome::AlreadyHandedOver(StateName::Uncertain)
            } else {
                CancelOutcome::Canceled
            }));
            decision.put_message(Some(message), next, DueEntry::Somewhere, around.now);
            decision
        }
        State::Sending(_) => {
            let outcome = CancelOutcome::AlreadyHandedOver(StateName::Sending);
            if message.is_cancel_requested {
                return Decision::answer(answer(outcome));
            }
            let mut next = next_version(message, around.now);
            next.is_cancel_requested = true;
            let mut decision = Decision::default();
            decision.reply(answer(outcome));
            decision.put_message(Some(message), next, DueEntry::Somewhere, around.now);
            decision
        }
        State::Canceled => Decision::answer(answer(CancelOutcome::Canceled)),
        ref other => Decision::answer(answer(CancelOutcome::AlreadyHandedOver(other.name()))),
    }
}

/// Takes a cancel back. What has come due meanwhile goes at once.
pub(super) fn restore(known: &Known<'_>, caller: &Caller, id: MessageId, around: &Surroundings<'_>) -> Decision {
    let message = or_refuse!(message_of(known, caller.account, id));
    let is_undoable = message.state == State::Canceled && message.reason == Some(Reason::CanceledByCaller);
    if !is_undoable {
        return Decision::answer(Err(EngineError::Conflict {
            code: "not_undoable",
            detail: format!("the message is {}: only a cancel of your own can be taken back", message.state.name()),
        }));
    }
    let mut next = next_version(message, around.now);
    if next.due_at < around.now {
        (next.due_at, next.plan) = (around.now, None);
    }
    next.is_cancel_requested = false;
    enter(&mut next, State::Scheduled, Some(Reason::Undone), caller.author, around.now);
    next.reason = None;
    let mut decision = Decision::default();
    decision.reply(Ok(Answer::Message(Box::new(next.clone()))));
    decision.put_message(Some(message), next, DueEntry::InDue, around.now);
    decision
}

pub(super) fn edit(
    known: &Known<'_>,
    caller: &Caller,
    id: MessageId,
    edit: MessageEdit,
    if_match: Option<u32>,
    around: &Surroundings<'_>,
) -> Decision {
    let contact = or_refuse!(live(known, caller.account));
    let message = or_refuse!(message_of(known, caller.account, id));
    if if_match.is_some_and(|version| version != message.version) {
        return Decision::answer(Err(EngineError::VersionMismatch { current: message.version }));
    }
    if !matches!(message.state, State::Scheduled | State::Held) {
        return Decision::answer(Err(not_pending(message.state.name())));
    }
    let Some(mut content) = content_of(known, message) else {
        return Decision::answer(Err(EngineError::Conflict {
            code: "content_lost",
            detail: "the message's content is missing from the store: cancel it and schedule it anew".into(),
        }));
    };
    let MessageEdit { to, from, subject, text, html, intent, class, if_late, quiet_hours, cancel_on_reply, metadata } =
        edit;
    let mut next = next_version(message, around.now);
    let mut errors = Vec::new();
    let changes_content = subject.is_some() || text.is_some() || html.is_some();
    content.subject = subject.or(content.subject);
    content.text = text.or(content.text);
    content.html = html.or(content.html);
    next.class = class.unwrap_or(next.class);
    next.if_late = if_late.unwrap_or(next.if_late);
    next.quiet_hours = quiet_hours.unwrap_or(next.quiet_hours);
    next.cancel_on_reply = cancel_on_reply.unwrap_or(next.cancel_on_reply);
    next.metadata = metadata.unwrap_or(next.metadata);

    // A held message may be held for its very sender or address: an edit without another one checks them again.
    let recipient =
        choose_recipient(contact, message.channel, Some(to.unwrap_or_else(|| message.to.clone())), &mut errors);
    let sender =
        choose_sender(contact, caller, message.channel, Some(from.unwrap_or(message.sender)), around, &mut errors);
    check_consent(contact, message.channel, next.class, &mut errors);
    if let Some(sender) = sender {
        next.estimated_cost = check_content(contact, sender, message.channel, &content, around, &mut errors);
    }
    let terms = planning::terms(&next);
    if let Some(intent) = intent {
        let planned = plan_intent(intent, contact, recipient.as_ref(), next.class, terms, around, &mut errors);
        if let Some((intent, planned)) = planned {
            next.intent = intent;
            (next.due_at, next.plan) = (planned.due_at, planned.plan);
        }
    } else if let Some(recipient) = &recipient
        && message.attempts.is_empty()
        && (recipient, next.class, terms) != (&message.to, message.class, planning::terms(message))
    {
        // It meets other rules now, for the moment that was meant.
        let moved = Message { to: recipient.clone(), ..next.clone() };
        match planning::again(contact, &moved, message.wanted_at(), around) {
            Ok(planned) => (next.due_at, next.plan) = (planned.due_at, planned.plan),
            Err(error) => errors.push(FieldError::new("/quiet_hours", error.code(), error.to_string())),
        }
    }
    let (Some(recipient), Some(sender), true) = (recipient, sender, errors.is_empty()) else {
        return Decision::answer(Err(EngineError::Invalid(errors)));
    };
    next.to = recipient;
    (next.sender, next.lane) = (sender.id, sender.lane);
    if message.state == State::Held && next.due_at < around.now {
        (next.due_at, next.plan) = (around.now, None);
    }
    let mut decision = Decision { is_growth: changes_content, ..Decision::default() };
    if changes_content {
        replace_content(&mut decision, &mut next, content);
    }
    enter(&mut next, State::Scheduled, Some(Reason::Edited), caller.author, around.now);
    next.reason = planning::reason(next.plan.as_ref());
    decision.reply(Ok(Answer::Message(Box::new(next.clone()))));
    decision.put_message(Some(message), next, DueEntry::Somewhere, around.now);
    decision
}

/// Another content takes the place of the old one, wherever each is kept.
pub(super) fn replace_content(decision: &mut Decision, message: &mut Message, content: Content) {
    let key = keys::blob(BlobKey { message: message.id, number: BlobKey::CONTENT });
    let was_blob = matches!(message.content, StoredContent::Blob { .. });
    let (inline, blob) = stored(content);
    message.content = inline;
    match blob {
        Some(content) => {
            decision.mutations.push(Mutation::Put(Table::Blob, key, codec::encode(&content)));
            decision.contents.push((message.id, Some(content)));
        }
        None if was_blob => {
            decision.mutations.push(Mutation::Delete(Table::Blob, key));
            decision.contents.push((message.id, None));
        }
        None => {}
    }
}

/// A message's content, from its record or from the blob that was read with it.
pub(super) fn content_of(known: &Known<'_>, message: &Message) -> Option<Content> {
    match &message.content {
        StoredContent::Inline(content) => Some(content.clone()),
        StoredContent::Blob { .. } => known.records.contents.get(&message.id).cloned().flatten(),
    }
}

pub(super) fn send_now(known: &Known<'_>, caller: &Caller, id: MessageId, around: &Surroundings<'_>) -> Decision {
    let message = or_refuse!(message_of(known, caller.account, id));
    if !matches!(message.state, State::Scheduled | State::Held) {
        return Decision::answer(Err(not_pending(message.state.name())));
    }
    let contact = or_refuse!(live(known, caller.account));
    let planned = match planning::again(contact, message, around.now, around) {
        Ok(planned) => planned,
        Err(error) => {
            return Decision::answer(Err(EngineError::Conflict { code: error.code(), detail: error.to_string() }));
        }
    };
    let mut next = next_version(message, around.now);
    (next.due_at, next.plan) = (planned.due_at, planned.plan);
    next.intent = Intent::Now;
    enter(&mut next, State::Scheduled, Some(Reason::SendNow), caller.author, around.now);
    next.reason = planning::reason(next.plan.as_ref());
    let mut decision = Decision::default();
    decision.reply(Ok(Answer::Message(Box::new(next.clone()))));
    decision.put_message(Some(message), next, DueEntry::Somewhere, around.now);
    decision
}

pub(super) fn resolve(
    known: &Known<'_>,
    caller: &Caller,
    id: MessageId,
    how: Resolve,
    around: &Surroundings<'_>,
) -> Decision {
    let message = or_refuse!(message_of(known, caller.account, id));
    if message.state != State::Uncertain {
        return Decision::answer(Err(EngineError::Conflict {
            code: "not_uncertain",
            detail: format!("the message is {}: only an uncertain one can be resolved", message.state.name()),
        }));
    }
    let mut next = next_version(message, around.now);
    let state = match how {
        Resolve::Submitted => State::Submitted,
        Resolve::Failed => State::Failed,
        Resolve::Canceled => State::Canceled,
        Resolve::Retry => State::Scheduled,
    };
    if how == Resolve::Retry {
        next.due_at = around.now;
        next.estimated_cost = next.cost();
        // Whoever wants it tried again no longer wants it cancelled.
        next.is_cancel_requested = false;
    }
    enter(&mut next, state, Some(Reason::ResolvedByCaller), caller.author, around.now);
    let mut decision = Decision::default();
    decision.reply(Ok(Answer::Message(Box::new(next.clone()))));
    decision.put_message(Some(message), next, DueEntry::Somewhere, around.now);
    decision
}

/// Removes a message that is settled, or something that came in, with everything of it. What is pending stays: taking
/// it back is a cancel.
pub(super) fn remove(known: &Known<'_>, caller: &Caller, id: MessageId) -> Decision {
    or_refuse!(live(known, caller.account));
    let mut decision = Decision::default();
    if let Some(item) = known.records.items.get(&id).and_then(Option::as_deref) {
        let is_theirs = item.account == caller.account && item.contact == known.id;
        if !is_theirs || !matches!(item.kind, ItemKind::Inbound(_)) {
            return Decision::answer(Err(EngineError::NotFound));
        }
        decision.remove_item(item);
        return decision.done();
    }
    let message = or_refuse!(message_of(known, caller.account, id));
    let state = message.state.name();
    if state.is_pending() {
        return Decision::answer(Err(EngineError::Conflict {
            code: "not_final",
            detail: format!("the message is {state}: only one that is settled can be removed, so cancel it first"),
        }));
    }
    decision.remove_message(message);
    decision.done()
}
