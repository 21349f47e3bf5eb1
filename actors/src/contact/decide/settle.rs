//! The end of an attempt: it settles the message, or puts it back for another attempt.
//!
//! A message is settled by what the provider said of the attempt that its claim names; whatever else comes is of the
//! past, and changes nothing.

use std::time::Duration;

use super::callbacks;
use super::deliver::{is_in_its_place, is_ready_for};
use super::receipt::refine;
use super::{Decision, Known, Surroundings, enter, next_version};
use super::{notices, planning, threads};
use crate::contact::command::{AttemptEnd, AttemptFinished, ContactCommand, OptChange};
use crate::contact::decision::Effect;
use crate::contact::entries::DueEntry;
use crate::domain::address::Channel;
use crate::domain::backoff::Backoff;
use crate::domain::clock::UnixMs;
use crate::domain::contact::{Contact, LastUsed};
use crate::domain::conversation::OptVia;
use crate::domain::ids::ContactId;
use crate::domain::lift::Step;
use crate::domain::message::{AttemptOutcome, Author, Class, Message, State, StateName};
use crate::domain::reason::Reason;
use crate::domain::suppression::{Suppression, SuppressionReason};
use crate::domain::verdict::{Failure, FailureScope, Verdict};
use crate::protocol::settings::UncertainPolicy;
use crate::sender::Release;
use crate::store::keys;

pub(super) fn finish_attempt(
    message: &mut Message,
    outcome: AttemptOutcome,
    provider_id: Option<String>,
    failure: Option<Failure>,
    at: UnixMs,
) {
    if let Some(attempt) = message.attempts.last_mut() {
        attempt.finished_at = Some(at);
        attempt.outcome = outcome;
        attempt.provider_id = provider_id;
        attempt.failure = failure;
    }
}

/// After `uncertain`: again under the same identity, or a person's turn.
pub(super) fn resend_or_hold(
    decision: &mut Decision,
    message: &mut Message,
    reason: Reason,
    around: &Surroundings<'_>,
) {
    let delivery = around.settings.delivery(message.channel);
    if delivery.uncertain == UncertainPolicy::Hold || message.is_cancel_requested {
        return;
    }
    // It was uncertain for a moment only, which nobody else would count.
    decision.effects.push(Effect::Count(message.channel, StateName::Uncertain));
    retry_or_fail(message, None, reason, "outcome_unknown", around);
}

/// The next attempt after its backoff, or a dead letter.
fn retry_or_fail(message: &mut Message, wish: Option<Duration>, reason: Reason, code: &str, around: &Surroundings<'_>) {
    let delivery = around.settings.delivery(message.channel);
    let backoff = Backoff {
        base: delivery.retry_base,
        cap: delivery.retry_cap,
        max_attempts: delivery.max_attempts,
        ..Backoff::of(message.channel)
    };
    let number = message.attempts.last().map_or(1, |attempt| attempt.number);
    match backoff.delay(number, around.ids.random_u64(), wish) {
        Some(delay) => {
            // At least a millisecond ahead, so that the next due entry is another one than the last. It says what
            // this attempt has cost.
            message.estimated_cost = message.cost();
            message.due_at = around.now.plus(delay).max(UnixMs(message.due_at.0 + 1));
            enter(message, State::Scheduled, Some(reason), Author::System, around.now);
        }
        None => {
            enter(message, State::Failed, Some(Reason::AttemptsExhausted(code.into())), Author::System, around.now);
            notices::keep_dead(message, around);
        }
    }
}

pub(super) fn finished(known: &Known<'_>, finished: AttemptFinished, around: &Surroundings<'_>) -> Decision {
    let AttemptFinished { permit, ticket, attempt, end, finished_at } = finished;
    let mut decision = Decision::default();
    let message = known.records.messages.get(&ticket.message).and_then(Option::as_deref);
    let claimed = message.filter(|message| {
        is_in_its_place(message, &ticket)
            && matches!(message.state, State::Sending(claim) if claim.attempt == attempt && claim.boot == around.boot)
    });
    let Some(message) = claimed else {
        // Settled already, or its contact is gone with it: the pool need not keep the outcome. One that was not
        // started is scheduled again since: its ticket was met under this very permit when its partition was
        // loaded anew, and no other will come.
        decision.effects.push(match message {
            Some(message) if matches!(end, AttemptEnd::NotStarted) && is_ready_for(message, &ticket) => {
                Effect::Release(ticket.channel(), permit, Release::Requeue)
            }
            _ => Effect::Settled(ticket.channel(), permit, ticket.cost),
        });
        return decision;
    };
    let due = DueEntry::behind(&ticket, message);
    // A notice is the account's, whatever became of the contact.
    let is_notice = message.channel == Channel::Webhook;
    let is_orphan = !is_notice && known.contact.is_none_or(Contact::is_deleted);
    if is_notice
        && let AttemptEnd::Judged(verdict) = &end
        && notices::is_done(&mut decision, message, verdict)
    {
        decision.effects.push(Effect::Settled(ticket.channel(), permit, message.cost()));
        return decision;
    }
    let mut next = next_version(message, around.now);
    // A receipt that came first proves that it was taken, whatever became of the answer.
    let end = match end {
        AttemptEnd::Judged(verdict) if next.receipt.is_some() && !matches!(verdict, Verdict::Submitted { .. }) => {
            AttemptEnd::Judged(Verdict::Submitted { provider_id: None })
        }
        end => end,
    };
    match end {
        AttemptEnd::NotStarted => {
            next.attempts.pop();
            if let Some(contact) = known.contact.filter(|contact| contact.is_live()) {
                planning::note_unclaimed(&mut decision, contact, &next);
            }
            let release = if is_orphan {
                decision.remove_message(message);
                next.state = State::Scheduled;
                callbacks::tell_of_removal(&mut decision, known, &next, around);
                Release::Unused
            } else if next.is_cancel_requested {
                enter(&mut next, State::Canceled, Some(Reason::CanceledByCaller), Author::System, around.now);
                decision.put_message(Some(message), next, due, around.now);
                Release::Unused
            } else {
                next.state = State::Scheduled;
                next.since = around.now;
                decision.put_message(Some(message), next, due, around.now);
                // Its ticket goes back to its place from under this permit: the wheel need not bring it.
                decision.effects.retain(|effect| !matches!(effect, Effect::Arm(_)));
                Release::Requeue
            };
            decision.effects.push(Effect::Release(message.channel, permit, release));
            return decision;
        }
        AttemptEnd::Judged(Verdict::Submitted { provider_id }) => {
            finish_attempt(&mut next, AttemptOutcome::Submitted, provider_id, None, finished_at);
            enter(&mut next, State::Submitted, None, Author::System, around.now);
            refine(&mut next, around);
            let arm = next.arm();
            decision.effects.extend(arm.map(|arm| Effect::Tally(next.account, arm, Step::Sent)));
            if let Some(contact) = known.contact.filter(|contact| contact.is_live()) {
                note_sent(&mut decision, contact, &next, around);
            }
        }
        AttemptEnd::Judged(Verdict::Permanent(failure)) => {
            let reason = Reason::Refused(failure.code.clone());
            if failure.scope == FailureScope::OptedOut {
                note_opted_out(&mut decision, known, &next, around);
            }
            finish_attempt(&mut next, AttemptOutcome::Permanent, None, Some(failure), finished_at);
            enter(&mut next, State::Failed, Some(reason), Author::System, around.now);
            notices::keep_dead(&mut next, around);
        }
        AttemptEnd::Judged(Verdict::Transient(failure)) => {
            let (code, wish) = (failure.code.clone(), failure.retry_after);
            finish_attempt(&mut next, AttemptOutcome::Transient, None, Some(failure), finished_at);
            if next.is_cancel_requested {
                enter(&mut next, State::Canceled, Some(Reason::CanceledByCaller), Author::System, around.now);
            } else {
                retry_or_fail(&mut next, wish, Reason::RetryAfter(code.clone()), &code, around);
            }
        }
        AttemptEnd::Judged(Verdict::Unknown(failure)) => {
            let reason = Reason::OutcomeUnknown(failure.code.clone());
            finish_attempt(&mut next, AttemptOutcome::Unknown, None, Some(failure), finished_at);
            enter(&mut next, State::Uncertain, Some(reason.clone()), Author::System, around.now);
            resend_or_hold(&mut decision, &mut next, reason, around);
        }
    }
    let cost = next.cost();
    if is_orphan {
        decision.remove_message(message);
        callbacks::tell_of_removal(&mut decision, known, &next, around);
    } else {
        decision.put_message(Some(message), next, due, around.now);
    }
    decision.effects.push(Effect::Settled(ticket.channel(), permit, cost));
    decision
}

/// The recipient said stop to the carrier: the same follows as from a STOP to us, for the address and for this contact.
/// What is lost of it in a crash is found again with the next attempt, which the carrier stops as well.
fn note_opted_out(decision: &mut Decision, known: &Known<'_>, message: &Message, around: &Surroundings<'_>) {
    let (account, channel, address) = (message.account, message.channel, Some(message.to.clone()));
    let owner = ContactId::of_address_digest(&keys::address_digest(account, &message.to));
    let suppression = Suppression {
        account,
        address: address.clone(),
        channel,
        reason: SuppressionReason::Unsubscribed,
        since: around.now,
        by: Author::System,
    };
    decision.effects.push(Effect::Tell(owner, Box::new(ContactCommand::Suppress(Box::new(suppression), None))));
    let item = around.ids.message(around.now, known.partition);
    let change = OptChange { account, channel, address, is_out: true, via: OptVia::Provider, item };
    decision.effects.push(Effect::Continue(Box::new(ContactCommand::Opt(Box::new(change)))));
}

/// How old a conversation's last activity may be before a sent message renews it; `None`: it does not count as one.
const fn activity_pause(class: Class) -> Option<Duration> {
    match class {
        Class::Conversation => Some(Duration::from_secs(1)),
        Class::Transactional => Some(Duration::from_secs(600)),
        Class::Campaign => None,
    }
}

/// The next message goes from where and to where this one went; the conversation moves up. Written only when that
/// changes anything.
fn note_sent(decision: &mut Decision, contact: &Contact, message: &Message, around: &Surroundings<'_>) {
    let mut next = contact.clone();
    if let Some(last) = next.last_used_mut(message.channel) {
        *last = LastUsed { address: Some(message.to.clone()), sender: Some(message.sender) };
    }
    threads::note_sent(&mut next, message);
    let is_old = |pause| next.conversation.last_activity_at.is_none_or(|at| around.now.since(at) > pause);
    if activity_pause(message.class).is_some_and(is_old) {
        next.conversation.touch(message.channel, around.now);
    }
    if next != *contact {
        decision.put_contact(Some(contact), next);
    }
}
