//! The contact opened a mail, or followed a link of it, or answered: kept with the message when it is the first time,
//! and learned from.

use super::{Decision, Known, Surroundings, activity, next_version};
use crate::contact::decision::Effect;
use crate::contact::entries::DueEntry;
use crate::domain::address::Channel;
use crate::domain::clock::UnixMs;
use crate::domain::contact::Contact;
use crate::domain::ids::MessageId;
use crate::domain::lift::Step;
use crate::domain::message::{AttemptOutcome, Content, Message};
use crate::domain::tracking::{Engagement, INSTANT, Tracked};
use crate::inbound::html::{append, replace_links};
use crate::protocol::events::{EventKind, Happened};

/// When the last attempt that may have arrived was handed over.
fn handed_over_at(message: &Message) -> Option<UnixMs> {
    let may_have_arrived = |outcome| !matches!(outcome, AttemptOutcome::Transient | AttemptOutcome::Permanent);
    let attempt = message.attempts.iter().rev().find(|attempt| may_have_arrived(attempt.outcome))?;
    Some(attempt.finished_at.unwrap_or(attempt.started_at))
}

/// An open or a click of a mail, that no machine was seen to make. What comes as soon as the mail arrives is one's all
/// the same.
pub(super) fn tracked(known: &Known<'_>, id: MessageId, engagement: Engagement, around: &Surroundings<'_>) -> Decision {
    let mut decision = Decision::default();
    let message = known.records.messages.get(&id).and_then(Option::as_deref);
    let contact = known.contact.filter(|contact| contact.is_live());
    let (Some(message), Some(contact)) = (message.filter(|message| message.contact == known.id), contact) else {
        return decision.done();
    };
    if handed_over_at(message).is_none_or(|at| around.now < at.plus(INSTANT)) {
        return decision.done();
    }
    let mut next = next_version(message, around.now);
    let response = &mut next.response;
    let kind = match engagement {
        Engagement::Opened => EventKind::MessageOpened,
        Engagement::Clicked => EventKind::MessageClicked,
    };
    let is_new = match engagement {
        Engagement::Opened => response.opened_at.is_none(),
        Engagement::Clicked => response.clicked_at.is_none(),
    };
    response.opened_at.get_or_insert(around.now);
    if engagement == Engagement::Clicked {
        response.clicked_at.get_or_insert(around.now);
    }
    if is_new {
        count(message, &mut decision, around);
        let state = next.state.name();
        decision.put_message(Some(message), next, DueEntry::Somewhere, around.now);
        decision.effects.push(Effect::Publish(Happened {
            at: around.now,
            kind,
            contact: known.id,
            message: Some((id, state)),
            item: None,
        }));
    }
    learn(contact, &mut decision, around);
    decision.done()
}

/// The content of a mail as it is handed over: if its account wants to be told, its links lead by us, and a picture of
/// one pixel is at its end. What is kept stays as it was written.
pub(super) fn followed(contact: &Contact, message: &Message, content: Content, around: &Surroundings<'_>) -> Content {
    let is_wanted = around.directory.account(message.account).is_some_and(|account| account.tracking);
    let Some(html) = content.html.as_deref().filter(|_| is_wanted && message.channel == Channel::Email) else {
        return content;
    };
    let what = Tracked { account: message.account, contact: contact.id, message: message.id };
    let base = around.settings.public_url.as_str();
    let html = replace_links(html, |link| {
        // Our own (to unsubscribe) are nobody's interest.
        let is_ours = link.strip_prefix(base).is_some_and(|rest| rest.starts_with('/'));
        let token = if is_ours { None } else { around.tracking.sign_click(what, link) };
        token.map(|token| format!("{base}/t/c/{token}"))
    });
    let token = around.tracking.sign_open(what);
    let pixel = format!("<img src=\"{base}/t/o/{token}\" width=\"1\" height=\"1\" alt=\"\">");
    Content { html: Some(append(&html, &pixel)), ..content }
}

/// The contact answered a message: what a smart one gains is told by that, too.
pub(super) fn replied(known: &Known<'_>, id: MessageId, decision: &mut Decision, around: &Surroundings<'_>) {
    let message = known.records.messages.get(&id).and_then(Option::as_deref);
    let Some(message) = message.filter(|message| message.arm().is_some() && message.response.replied_at.is_none())
    else {
        return;
    };
    count(message, decision, around);
    let mut next = next_version(message, around.now);
    next.response.replied_at = Some(around.now);
    decision.put_message(Some(message), next, DueEntry::Somewhere, around.now);
}

/// Counts the first response to a smart message.
fn count(message: &Message, decision: &mut Decision, around: &Surroundings<'_>) {
    if let (Some(arm), Some(at), None) = (message.arm(), handed_over_at(message), message.response.first_at()) {
        let step = Step::Responded(around.now.since(at));
        decision.effects.push(Effect::Tally(message.account, arm, step));
    }
}

/// The contact's record is written only if its habit learned anything.
fn learn(contact: &Contact, decision: &mut Decision, around: &Surroundings<'_>) {
    let mut next = contact.clone();
    decision.effects.extend(activity::note(&mut next, around));
    if next != *contact {
        decision.put_contact(Some(contact), next);
    }
}
