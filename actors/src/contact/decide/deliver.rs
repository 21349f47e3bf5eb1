//! Delivery as the contact sees it, up to the hand-over: a permit ends in a claim or in a named reason why not. What
//! comes of the attempt is in [`settle`](super::settle).
//!
//! The claim (`sending`, attempt, boot, deadline) is durable before the envelope leaves. A claim that is
//! met again with a permit was never handed over if it is of this boot (the pool would not permit what it
//! has in flight), and is uncertain if it is of another.

use super::callbacks;
use super::change::{content_of, replace_content};
use super::merging::UNTIL_MOVED;
use super::schedule::rendered;
use super::settle::{finish_attempt, resend_or_hold};
use super::{Decision, Known, Surroundings, enter, next_version};
use super::{notices, planning, threads, track};
use crate::contact::command::{CLAIM_MARGIN, PermitGranted};
use crate::contact::decision::Effect;
use crate::contact::entries::{DueEntry, drop_stale_entry};
use crate::domain::address::Channel;
use crate::domain::clock::UnixMs;
use crate::domain::contact::{Consent, Contact};
use crate::domain::directory::{Role, Sender};
use crate::domain::ids::{BootId, UserId};
use crate::domain::message::{Attempt, AttemptOutcome, Author, Claim, Class, Content, Message, State};
use crate::domain::permissions;
use crate::domain::plan::Planned;
use crate::domain::planted::Bug;
use crate::domain::reason::Reason;
use crate::domain::segments;
use crate::domain::suppression::Suppression;
use crate::domain::ticket::Ticket;
use crate::domain::unsubscribe::Unsubscribe;
use crate::domain::verdict::Failure;
use crate::sender::Release;
use crate::sender::transport::{Envelope, Withdrawal};
use crate::store::keys;

/// What the last check says.
enum Check<'a> {
    Send(&'a Sender, Content),
    Stop(State, Reason),
    Later(Planned, Reason),
    NotYet,
}

pub(super) fn permit(known: &Known<'_>, granted: &PermitGranted, around: &Surroundings<'_>) -> Decision {
    let ticket = &granted.ticket;
    let unused = |mut decision: Decision| {
        decision.effects.push(Effect::Release(ticket.channel(), granted.permit, Release::Unused));
        decision
    };
    let stale = || {
        let mut decision = Decision::default();
        drop_stale_entry(&mut decision.mutations, ticket);
        unused(decision)
    };
    let message = known.records.messages.get(&ticket.message).and_then(Option::as_deref);
    let Some(message) = message.filter(|message| message.contact == known.id) else { return stale() };
    if !is_in_its_place(message, ticket) {
        // Moved to another lane or class while this ticket was on its way: the one there stands for it, and may be
        // under way by now. It is armed once more, in case it met this one in the wheel and gave way.
        let mut decision = stale();
        if message.state == State::Scheduled && message.due_at == ticket.due_at {
            decision.effects.push(Effect::Arm(Ticket::of_message(message).parked()));
        }
        return decision;
    }
    let contact = known.contact.filter(|contact| !contact.is_deleted());
    let is_notice = message.channel == Channel::Webhook;
    if contact.is_none() && !is_notice {
        let mut decision = Decision::default();
        // The clean-up waits for a claim of this boot, and this permit says that it was never handed over.
        if message.state == State::Scheduled || is_claimed_by(message, around.boot) {
            decision.remove_message(message);
            let unsent = Message { state: State::Scheduled, ..message.clone() };
            callbacks::tell_of_removal(&mut decision, known, &unsent, around);
        }
        return unused(decision);
    }
    let check = |message: &Message, stored: &Message| match contact {
        Some(contact) if !is_notice && !contact.is_live() => {
            not_now(message, granted, stored, around.now.plus(UNTIL_MOVED), around)
        }
        Some(contact) if !is_notice => claim_or_stop(known, contact, message, granted, stored, around),
        _ => notices::claim_or_drop(known, message, granted, stored, around),
    };
    match message.state {
        State::Scheduled => check(message, message),
        // Of this boot and unknown to the pool, or it would not have permitted it: never handed over.
        State::Sending(claim) if claim.boot == around.boot || Bug::BootNotCompared.is_planted() => {
            let mut attempts = message.attempts.clone();
            attempts.retain(|attempt| attempt.number != claim.attempt);
            let undone = Message { attempts, state: State::Scheduled, ..message.clone() };
            check(&undone, message)
        }
        State::Sending(claim) if around.now < claim.deadline => {
            let mut decision = Decision::default();
            decision.effects.push(Effect::Rewake(*ticket, claim.deadline));
            unused(decision)
        }
        State::Sending(_) => {
            let failure =
                Failure::message("claim_orphaned", "the process died, or the node lost its lease, during the attempt");
            let mut next = next_version(message, around.now);
            finish_attempt(&mut next, AttemptOutcome::Unknown, None, Some(failure), around.now);
            enter(&mut next, State::Uncertain, Some(Reason::ClaimOrphaned), Author::System, around.now);
            let mut decision = Decision::default();
            resend_or_hold(&mut decision, &mut next, Reason::ClaimOrphaned, around);
            decision.put_message(Some(message), next, DueEntry::behind(ticket, message), around.now);
            unused(decision)
        }
        // A dead letter's time is over.
        State::Failed if is_notice => {
            let mut decision = Decision::default();
            decision.remove_message(message);
            unused(decision)
        }
        _ => stale(),
    }
}

/// Whether a ticket stands where its message stands. One that was sent to its lane before an edit moved the
/// message to another lane or class does not, though both are due at the same instant: the message may be under
/// a permit of that lane already, and only that one counts.
pub(super) fn is_in_its_place(message: &Message, ticket: &Ticket) -> bool {
    (message.due_at, message.lane, message.class) == (ticket.due_at, ticket.lane, ticket.class())
}

pub(super) fn is_ready_for(message: &Message, ticket: &Ticket) -> bool {
    message.state == State::Scheduled && is_in_its_place(message, ticket)
}

fn is_claimed_by(message: &Message, boot: BootId) -> bool {
    matches!(message.state, State::Sending(claim) if claim.boot == boot)
}

/// The last check, and then the claim. `message` is scheduled; `stored` is how it stands in the store:
/// the same, or a claim of this boot that is undone.
fn claim_or_stop(
    known: &Known<'_>,
    contact: &Contact,
    message: &Message,
    granted: &PermitGranted,
    stored: &Message,
    around: &Surroundings<'_>,
) -> Decision {
    let due = DueEntry::behind(&granted.ticket, stored);
    let mut decision = Decision::default();
    let mut next = next_version(message, around.now);
    match last_check(known, contact, message, around) {
        Check::Stop(state, reason) => {
            enter(&mut next, state, Some(reason), Author::System, around.now);
            decision.put_message(Some(stored), next, due, around.now);
            decision.effects.push(Effect::Release(message.channel, granted.permit, Release::Unused));
        }
        Check::Later(Planned { due_at, plan }, reason) => {
            (next.due_at, next.plan) = (due_at, plan);
            enter(&mut next, State::Scheduled, Some(reason), Author::System, around.now);
            decision.put_message(Some(stored), next, due, around.now);
            decision.effects.push(Effect::Release(message.channel, granted.permit, Release::Unused));
        }
        Check::NotYet => return not_now(message, granted, stored, message.due_at, around),
        Check::Send(sender, mut content) => {
            let is_completed = threads::join(known, contact, &mut next, &sender.address, &mut content);
            let cost = match message.channel {
                Channel::Email | Channel::Webhook => 1,
                Channel::Sms => segments::segments(content.text.as_deref().unwrap_or_default()).count,
            };
            let number = begin_attempt(message, &mut next, cost, granted, around);
            // What was sent is what is kept: a retry says the same, whatever changes in the profile meanwhile.
            if is_completed || content_of(known, message).is_some_and(|source| source.render) {
                replace_content(&mut decision, &mut next, content.clone());
            }
            let envelope = envelope(contact, &next, sender, content, number, around);
            planning::note_claimed(&mut decision, contact, message, around);
            // The record alone changes: the due entry stays until the attempt is settled.
            decision.put_message(Some(stored), next, due, around.now);
            decision.effects.push(Effect::HandOver(granted.permit, Box::new(envelope)));
        }
    }
    decision
}

/// Neither claimed nor stopped: its ticket comes again at this instant.
fn not_now(
    message: &Message,
    granted: &PermitGranted,
    stored: &Message,
    at: UnixMs,
    around: &Surroundings<'_>,
) -> Decision {
    let mut decision = Decision::default();
    if stored.state != State::Scheduled {
        let due = DueEntry::behind(&granted.ticket, stored);
        decision.put_message(Some(stored), next_version(message, around.now), due, around.now);
        decision.effects.retain(|effect| !matches!(effect, Effect::Arm(_)));
    }
    decision.effects.push(Effect::Rewake(granted.ticket, at));
    decision.effects.push(Effect::Release(message.channel, granted.permit, Release::Unused));
    decision
}

/// The message as its claim leaves it; the number of the attempt.
pub(super) fn begin_attempt(
    message: &Message,
    next: &mut Message,
    cost: u16,
    granted: &PermitGranted,
    around: &Surroundings<'_>,
) -> u16 {
    let number = message.attempts.last().map_or(1, |attempt| attempt.number.saturating_add(1));
    let deadline = around.now.plus(granted.attempt_timeout).plus(CLAIM_MARGIN);
    next.state = State::Sending(Claim { attempt: number, boot: around.boot, deadline });
    next.since = around.now;
    next.attempts.push(Attempt {
        number,
        started_at: around.now,
        finished_at: None,
        outcome: AttemptOutcome::Pending,
        provider_id: None,
        failure: None,
        cost,
    });
    if next.attempts.len() > Message::MAX_ATTEMPTS_KEPT {
        // The first one gives the mail its date: it stays.
        next.attempts.remove(1);
    }
    number
}

/// Everything that may have changed since it was scheduled.
fn last_check<'a>(known: &Known<'_>, contact: &Contact, message: &Message, around: &Surroundings<'a>) -> Check<'a> {
    if message.is_cancel_requested {
        return Check::Stop(State::Canceled, Reason::CanceledByCaller);
    }
    if !around.directory.is_active(message.account) {
        return Check::Stop(State::Held, Reason::AccountSuspended);
    }
    // The wall clock was set back since the wheel let it go.
    if message.due_at > around.now {
        return Check::NotYet;
    }
    match (contact.profile.consent.on(message.channel), message.class) {
        (Consent::Denied, _) => return Check::Stop(State::Canceled, Reason::ConsentDenied),
        (Consent::Unknown, Class::Campaign) => return Check::Stop(State::Canceled, Reason::ConsentMissing),
        _ => {}
    }
    if message.cancel_on_reply && contact.conversation.has_written_since(UnixMs(message.created_at().0 + 1)) {
        return Check::Stop(State::Canceled, Reason::Replied);
    }
    if let Some(suppression) = suppression_of(known, message) {
        return Check::Stop(State::Canceled, Reason::Suppressed(suppression.reason));
    }
    if let Some(limit) = message.skip_after()
        && message.attempts.is_empty()
        && around.now.since(message.wanted_at()) > limit
    {
        return Check::Stop(State::Expired, Reason::TooLate(limit));
    }
    match planning::at_last_check(contact, message, around) {
        Ok(None) => {}
        Ok(Some((planned, reason))) => return Check::Later(planned, reason),
        Err(reason) => return Check::Stop(State::Expired, reason),
    }
    if !contact.profile.has(&message.to) {
        return Check::Stop(State::Held, Reason::AddressRemoved);
    }
    let sender = around.directory.sender(message.sender).filter(|sender| sender.account == message.account);
    let Some(sender) = sender else { return Check::Stop(State::Held, Reason::SenderGone) };
    let (role, user) = author_now(message.author, around);
    if !permissions::may_use(role, user, sender, contact.last_used(message.channel).sender) {
        return Check::Stop(State::Held, Reason::SenderNotPermitted);
    }
    let Some(content) = content_of(known, message) else { return Check::Stop(State::Held, Reason::ContentLost) };
    match rendered(contact, sender, &content, around) {
        Ok(content) => match segments::check(content.text.as_deref().unwrap_or_default()) {
            Err(error) if message.channel == Channel::Sms => {
                Check::Stop(State::Held, Reason::TemplateFailed(error.to_string()))
            }
            _ => Check::Send(sender, content),
        },
        Err(error) => Check::Stop(State::Held, Reason::TemplateFailed(error.to_string())),
    }
}

/// The record that suppresses a message's address; read only if the set of hashes says that there may be one.
fn suppression_of<'a>(known: &'a Known<'_>, message: &Message) -> Option<&'a Suppression> {
    let digest = known.suppressions.find(message.account, &message.to)?;
    known.records.suppressions.get(&digest)?.as_ref()
}

/// The rights that a message's author has by now. A user that was removed leaves their messages to the
/// account; a revoked key stops new requests, not what it scheduled.
fn author_now(author: Author, around: &Surroundings<'_>) -> (Role, Option<UserId>) {
    match author {
        Author::User(id) => around.directory.user(id).map_or((Role::Admin, None), |user| (user.role, Some(id))),
        Author::ApiKey(id) => (around.directory.api_key(id).map_or(Role::Admin, |key| key.role), None),
        Author::System => (Role::Admin, None),
    }
}

fn envelope(
    contact: &Contact,
    message: &Message,
    sender: &Sender,
    content: Content,
    attempt: u16,
    around: &Surroundings<'_>,
) -> Envelope {
    let unsubscribe = (message.channel == Channel::Email && message.class == Class::Campaign)
        .then(|| {
            let (account, channel) = (contact.account, message.channel);
            let address = keys::address_digest(account, &message.to);
            let what = Unsubscribe { account, contact: contact.id, channel, address };
            url::Url::parse(&format!("{}/u/{}", around.settings.public_url, around.unsubscribe.sign(what))).ok()
        })
        .flatten();
    let content = track::followed(contact, message, content, around);
    Envelope {
        message: message.id,
        identity: message.identity(),
        account: message.account,
        contact: contact.id,
        attempt,
        class: message.class,
        from: sender.address.clone(),
        to: message.to.clone(),
        content,
        attachments: message.attachments.iter().map(|attachment| (attachment.clone(), bytes::Bytes::new())).collect(),
        date: message.attempts.first().map_or(around.now, |first| first.started_at),
        list_unsubscribe: unsubscribe,
        in_reply_to: message.thread.as_ref().and_then(|thread| thread.in_reply_to.as_ref()).map(ToString::to_string),
        references: message
            .thread
            .iter()
            .flat_map(|thread| thread.references.as_slice())
            .map(ToString::to_string)
            .collect(),
        reply_to: threads::reply_to(contact, message, around),
        test: message.test,
        first_attempt: attempt == 1,
        withdrawal: Withdrawal::default(),
        hook: None,
    }
}
