//! A message's plan: which rules of its account it meets, on whose clock, and when it may go by them.
//!
//! The plan is made when a message is scheduled, and held against the rules of the moment at its last check: so a
//! rule that came later, or a lane that was slow, never makes a message go when nothing may.

use super::{Decision, Surroundings};
use crate::domain::address::{Address, Channel};
use crate::domain::clock::UnixMs;
use crate::domain::contact::Contact;
use crate::domain::ids::MessageId;
use crate::domain::message::{Class, Message};
use crate::domain::plan::smart::{self, Knowledge};
use crate::domain::plan::{self, Calendar, Plan, PlanError, Planned, Terms};
use crate::domain::reason::Reason;
use crate::domain::schedule::{IfLate, Intent, SmartWindow};
use crate::domain::sending_rules::{Cap, Country, Sent};
use crate::domain::zone::TimeZone;

/// Messages that a contact's record remembers.
const MAX_SENT: usize = 2 * Cap::MAX_LIMIT as usize;

/// The contact's zone, else the one of its number's home where that is certain, else the account's, else UTC.
pub(super) fn zone_of(contact: &Contact, around: &Surroundings<'_>) -> String {
    let home = || match contact.profile.primary(Channel::Sms)? {
        Address::Phone(number) => TimeZone::of_number(&number).map(|zone| zone.name().to_owned()),
        Address::Email(_) | Address::Url(_) => None,
    };
    let account = || around.directory.account(contact.account).map(|account| account.time_zone.clone());
    contact.profile.time_zone.clone().or_else(home).or_else(account).unwrap_or_else(|| "UTC".into())
}

/// The country of a recipient: of the number that is written to, else of the contact's primary one.
fn country_of(contact: &Contact, to: &Address) -> Option<Country> {
    match to {
        Address::Phone(number) => number.country(),
        Address::Email(_) | Address::Url(_) => match contact.profile.primary(Channel::Sms)? {
            Address::Phone(number) => number.country(),
            Address::Email(_) | Address::Url(_) => None,
        },
    }
}

/// The rules that a message meets, as they are now.
pub(super) fn calendar<'a>(
    contact: &Contact,
    (message, to): (MessageId, &Address),
    class: Class,
    around: &Surroundings<'a>,
) -> Calendar<'a> {
    let rules = around.directory.account(contact.account).map(|account| &account.rules);
    let Some(rules) = rules.filter(|rules| !rules.is_empty()) else { return Calendar::open(TimeZone::utc()) };
    let zone = TimeZone::parse(&zone_of(contact, around)).unwrap_or_else(|_| TimeZone::utc());
    // Reading a number takes some microseconds, which only rules about countries are worth.
    let asks_country = rules.scopes().any(|scope| scope.country.is_some());
    let country = asks_country.then(|| country_of(contact, to)).flatten();
    let kind = (to.channel(), country, class);
    let mut calendar = Calendar::of(rules, zone, to.channel(), country, class);
    if !rules.caps.is_empty() {
        // A message that is tried again does not stand in its own way.
        let others: Vec<Sent> = contact.sent.iter().filter(|sent| sent.message != tag(message)).copied().collect();
        calendar = calendar.after(rules, &others, kind);
    }
    calendar
}

/// What tells a message from the others of its contact.
fn tag(message: MessageId) -> u32 {
    // The lower half.
    message.spread() as u32
}

/// Notes in the contact's record that a message is handed over, where caps ask for that; once, however often it is
/// tried.
pub(super) fn note_claimed(decision: &mut Decision, contact: &Contact, message: &Message, around: &Surroundings<'_>) {
    let caps = around.directory.account(contact.account).map_or(&[][..], |account| &account.rules.caps);
    let Some(longest) = caps.iter().map(|cap| cap.per).max() else { return };
    if contact.sent.iter().any(|sent| sent.message == tag(message.id)) {
        return;
    }
    let mut next = contact.clone();
    next.sent.retain(|sent| around.now < sent.at.plus(longest));
    // More than any cap lets through; of those that none stops, the oldest leave.
    let over = (next.sent.len() + 1).saturating_sub(MAX_SENT);
    next.sent.drain(..over);
    let (channel, class) = (message.channel, message.class);
    next.sent.push(Sent { channel, class, at: around.now, message: tag(message.id) });
    decision.put_contact(Some(contact), next);
}

/// Takes the note back: its only attempt did not begin.
pub(super) fn note_unclaimed(decision: &mut Decision, contact: &Contact, message: &Message) {
    let is_it = |sent: &Sent| sent.message == tag(message.id);
    if let Some(at) = contact.sent.iter().rposition(is_it).filter(|_| message.attempts.is_empty()) {
        let mut next = contact.clone();
        next.sent.remove(at);
        decision.put_contact(Some(contact), next);
    }
}

pub(super) const fn terms(message: &Message) -> Terms {
    Terms { quiet_hours: message.quiet_hours, if_late: message.if_late }
}

/// Why a planned message waits longer than was asked for.
pub(super) fn reason(plan: Option<&Plan>) -> Option<Reason> {
    plan.and_then(|plan| plan.delays.last()).map(|delay| Reason::Delayed(delay.cause))
}

/// The moment of a window, by the contact's habit and the rules of now.
pub(super) fn smart(
    contact: &Contact,
    (message, window): (MessageId, &SmartWindow),
    calendar: &Calendar<'_>,
    terms: Terms,
    around: &Surroundings<'_>,
) -> Result<Planned, PlanError> {
    let account = around.directory.account(contact.account);
    let knowledge = Knowledge {
        habit: contact.habit.as_deref(),
        profile: &around.habits.of(contact.account),
        zone: &TimeZone::parse(&zone_of(contact, around)).unwrap_or_else(|_| TimeZone::utc()),
        shares: account.map(|account| account.smart_send).unwrap_or_default(),
        draw: message.spread(),
    };
    smart::choose(window, terms, calendar, &knowledge, around.now)
}

/// The plan of a message that exists, for what was meant: a moment, or the best one of a window that is still open.
pub(super) fn anew(
    contact: &Contact,
    message: &Message,
    wanted_at: UnixMs,
    around: &Surroundings<'_>,
) -> Result<Planned, PlanError> {
    match &message.intent {
        Intent::Smart(window) if around.now < window.to => {
            let calendar = calendar(contact, (message.id, &message.to), message.class, around);
            stays(contact, message, &calendar, around)
                .map_or_else(|| smart(contact, (message.id, window), &calendar, terms(message), around), Ok)
        }
        _ => again(contact, message, wanted_at, around),
    }
}

/// What was chosen of a window, as long as the contact's clock and the rules leave it there: people were told that
/// moment, and another one is not taken since more is known now.
fn stays(contact: &Contact, message: &Message, calendar: &Calendar<'_>, around: &Surroundings<'_>) -> Option<Planned> {
    let plan = message.plan.as_ref().filter(|plan| plan.chosen.is_some() && plan.zone == zone_of(contact, around))?;
    let fitted = plan::fit(plan.wanted_at, plan.wanted_at.max(around.now), terms(message), calendar).ok()?;
    (fitted.due_at == message.due_at).then(|| Planned { due_at: message.due_at, plan: message.plan.clone() })
}

/// The plan of a message that exists, by the rules of now; never before now.
pub(super) fn again(
    contact: &Contact,
    message: &Message,
    wanted_at: UnixMs,
    around: &Surroundings<'_>,
) -> Result<Planned, PlanError> {
    let calendar = calendar(contact, (message.id, &message.to), message.class, around);
    plan::fit(wanted_at, wanted_at.max(around.now), terms(message), &calendar)
}

/// What becomes of a message whose moment has come: `None`, it goes; a later moment; or why it never goes.
pub(super) fn at_last_check(
    contact: &Contact,
    message: &Message,
    around: &Surroundings<'_>,
) -> Result<Option<(Planned, Reason)>, Reason> {
    let calendar = calendar(contact, (message.id, &message.to), message.class, around);
    let is_first = message.attempts.is_empty();
    if message.if_late == IfLate::Replan
        && is_first
        && let Some(next) = plan::next_time(&message.intent, message.due_at, around.now)
        && let Ok(planned) = plan::fit(next, next, terms(message), &calendar)
    {
        let reason = reason(planned.plan.as_ref()).unwrap_or(Reason::Replanned);
        return Ok(Some((planned, reason)));
    }
    // What was tried once is tried on, however late that is.
    let if_late = if is_first { message.if_late } else { IfLate::Send };
    let terms = Terms { if_late, ..terms(message) };
    match plan::fit(message.wanted_at(), around.now, terms, &calendar) {
        Ok(mut planned) => {
            // However late it goes, it was chosen as it was chosen.
            let chosen = message.plan.as_ref().and_then(|plan| plan.chosen.clone());
            planned.plan.iter_mut().for_each(|plan| plan.chosen.clone_from(&chosen));
            Ok(reason(planned.plan.as_ref()).map(|reason| (planned, reason)))
        }
        Err(PlanError::Skipped(cause)) => Err(Reason::Skipped(cause)),
        Err(PlanError::NoMoment { cause, .. }) => Err(Reason::NoMoment(cause)),
        // A moment that was found once is not judged as one again.
        Err(_) => Ok(None),
    }
}
