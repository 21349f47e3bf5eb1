//! Messages that repeat ([`crate::domain::series`]): the contact makes one occurrence after the other.
//!
//! Only the next occurrence is there, as a message like any other. [`follow`] looks at every decision: where the latest
//! occurrence of a series was moved out of the way (claimed, cancelled, expired), the one after it is made in the same
//! batch. A crash before that batch leaves the old one, after it the new one; a claim that is undone or repeated finds
//! the next one made already, since only the latest one counts. No second scheduler, and nothing to sweep.
//!
//! - **What has passed** while the latest one was on its way (a downtime, a hold) is not caught up with: the next one is
//!   the first that is still ahead. What was left out is counted.
//! - **The account's rules** are met by each occurrence; one that is to be skipped in quiet hours, or for which they
//!   leave no moment, is left out, and the one after it is tried.
//! - **One occurrence** can be edited, sent at once or cancelled like any message; the series goes by its rule from where
//!   that one stood.
//! - **Cancelling the series** is durable with its answer: the last check asks for it, so no occurrence goes any more,
//!   also none that is to be tried again; a sweep then takes back what is pending.
//! - **The contact's zone** moves the next occurrence of a series that goes by it (`replan`), and all after it.
//! - **A merge** moves the series as an entry of the thread, after what is pending; if its latest occurrence was moved out
//!   of the way meanwhile, the next one is made where it arrives ([`arrive`]).

mod next;

use std::sync::Arc;

use super::schedule::stored;
use super::{Decision, Known, Surroundings, enter, live, next_version, or_refuse, planning};
use crate::contact::command::{Answer, ContactCommand};
use crate::contact::decide::Sweep;
use crate::contact::decision::Effect;
use crate::contact::entries::{DueEntry, change_item};
use crate::domain::contact::Contact;
use crate::domain::conversation::{ItemKind, ThreadItem};
use crate::domain::ids::{AccountNo, MessageId, SeriesId};
use crate::domain::message::{BlobKey, Content, Message, State, StoredContent};
use crate::domain::reason::Reason;
use crate::domain::recurrence::moments::{self, Clock, Moment};
use crate::domain::recurrence::{Civil, Recurrence};
use crate::domain::schedule::Intent;
use crate::domain::series::{Fate, Occurrence, Series, SeriesState};
use crate::domain::zone::TimeZone;
use crate::protocol::api::{Caller, EngineError, FieldError, NewIntent, NewMessage, ZoneChoice};
use crate::protocol::events::{EventKind, Happened};
use crate::store::{Mutation, Table, codec, keys};

/// Mutations that moving a series on takes at most: record and entry of the series, both of its entries, and record,
/// due, pending, content and counter of the next message.
pub(super) const MUTATIONS: usize = 9;

/// A series that is about to begin: its first occurrence is the message that is being scheduled.
pub(super) struct Beginning {
    recurrence: Recurrence,
    start: Civil,
    moment: Moment,
}

/// Reads what a message with a recurrence begins; its intent becomes that of the first occurrence.
pub(super) fn begin(
    new: &mut NewMessage,
    contact: &Contact,
    around: &Surroundings<'_>,
    errors: &mut Vec<FieldError>,
) -> Option<Beginning> {
    let recurrence = new.recurrence.take()?;
    let NewIntent::Wall { local, zone, gap, fold } = &mut new.intent else {
        let detail = "a message that repeats needs a wall-clock time with a `time_zone`, such as \
                      {\"at\": \"2026-12-01T09:00\", \"time_zone\": \"contact\"}";
        errors.push(FieldError::new("/send", "recurrence_needs_wall_clock", detail));
        return None;
    };
    let name = match zone {
        ZoneChoice::Named(name) => name.clone(),
        ZoneChoice::OfContact => planning::zone_of(contact, around),
    };
    // What is wrong with the zone or the time is said where they are planned.
    let (Ok(zone), Ok(start)) = (TimeZone::parse(&name), local.parse::<Civil>()) else { return None };
    let clock = Clock { zone: &zone, gap: *gap, fold: *fold };
    let Some(moment) = moments::next(&recurrence, start, None, clock, crate::domain::clock::UnixMs(0)) else {
        let detail = "the rule has no occurrence from `send.at` on: check `UNTIL`, or days that no month has";
        errors.push(FieldError::new("/recurrence", "recurrence_never_happens", detail));
        return None;
    };
    *local = moment.place.at.to_string();
    Some(Beginning { recurrence, start, moment })
}

impl Beginning {
    /// Makes the message the first occurrence, and adds the series.
    pub(super) fn add(
        self,
        decision: &mut Decision,
        message: &mut Message,
        content: Content,
        around: &Surroundings<'_>,
    ) {
        let Self { recurrence, start, moment } = self;
        let Intent::Wall(wall) = &message.intent else { return };
        let id = SeriesId::begun_by(message.id);
        let (content, blob) = stored(content);
        if let Some(content) = blob {
            let key = keys::blob(BlobKey { message: id.entry(), number: BlobKey::CONTENT });
            decision.mutations.push(Mutation::Put(Table::Blob, key, codec::encode(&content)));
            decision.contents.push((id.entry(), Some(content)));
        }
        message.series =
            Some(Box::new(Occurrence { series: id, number: 1, at: moment.place.at, repeats: words(&recurrence) }));
        let series = Series {
            state: SeriesState::Active,
            reason: None,
            recurrence,
            start,
            zone: (!wall.zone_of_contact).then(|| wall.zone.clone()),
            gap: wall.gap,
            fold: wall.fold,
            place: moment.place,
            place_at: moment.at,
            latest: message.id,
            made: 1,
            passed: 0,
            created_at: around.now,
            updated_at: around.now,
            author: message.author,
            channel: message.channel,
            class: message.class,
            sender: message.sender,
            lane: message.lane,
            to: message.to.clone(),
            content,
            if_late: message.if_late,
            quiet_hours: message.quiet_hours,
            cancel_on_reply: message.cancel_on_reply,
            reply: message.reply,
            metadata: message.metadata.clone(),
            callback_url: message.callback_url.clone(),
            test: message.test,
        };
        let item = ThreadItem {
            id: id.entry(),
            account: message.account,
            contact: message.contact,
            version: 1,
            at: ThreadItem::STANDING,
            kind: ItemKind::Series(Box::new(series)),
        };
        change_item(&mut decision.mutations, None, Some(&item));
        decision.items.push((item.id, Some(Arc::new(item))));
    }
}

fn words(recurrence: &Recurrence) -> String {
    recurrence.in_words().chars().take(Occurrence::MAX_WORDS).collect()
}

/// What the item of a series holds.
pub(super) fn series_in(item: &ThreadItem) -> Option<&Series> {
    if let ItemKind::Series(series) = &item.kind { Some(series) } else { None }
}

/// Whether an occurrence's series was taken back by a caller.
pub(super) fn is_canceled(known: &Known<'_>, occurrence: &Occurrence) -> bool {
    let item = known.records.items.get(&occurrence.series.entry()).and_then(Option::as_deref);
    item.is_some_and(is_canceled_item)
}

/// Whether an item is a series that was taken back.
pub(super) fn is_canceled_item(item: &ThreadItem) -> bool {
    series_in(item).is_some_and(|series| series.state == SeriesState::Canceled)
}

/// The item of a series, with what this decision has made of it so far.
fn current(decision: &Decision, known: &Known<'_>, id: SeriesId) -> Option<Arc<ThreadItem>> {
    let decided = decision.items.iter().rev().find(|(of, _)| *of == id.entry());
    decided.map_or_else(|| known.records.items.get(&id.entry()).cloned().flatten(), |(_, item)| item.clone())
}

/// Moves on every series whose latest occurrence this decision moved out of the way.
pub(super) fn follow(decision: &mut Decision, known: &Known<'_>, around: &Surroundings<'_>) {
    let of_series =
        |(_, message): &(MessageId, Option<Arc<Message>>)| message.clone().filter(|message| message.series.is_some());
    let changed: Vec<Arc<Message>> = decision.messages.iter().filter_map(of_series).collect();
    for message in changed {
        let Some(item) = message.series.as_ref().and_then(|of| current(decision, known, of.series)) else { continue };
        if series_in(&item).is_some_and(|series| series.latest == message.id) {
            move_on(decision, known, &item, Some(&message), around);
        }
    }
}

/// A series has come from a contact that was merged into this one.
pub(super) fn arrive(decision: &mut Decision, known: &Known<'_>, id: SeriesId, around: &Surroundings<'_>) {
    let Some(item) = current(decision, known, id) else { return };
    let Some(latest) = series_in(&item).map(|series| series.latest) else { return };
    let decided = decision.messages.iter().rev().find(|(of, _)| *of == latest);
    let message =
        decided.map_or_else(|| known.records.messages.get(&latest).cloned().flatten(), |(_, message)| message.clone());
    move_on(decision, known, &item, message.as_deref(), around);
}

fn move_on(
    decision: &mut Decision,
    known: &Known<'_>,
    item: &Arc<ThreadItem>,
    latest: Option<&Message>,
    around: &Surroundings<'_>,
) {
    let Some(series) = series_in(item).filter(|series| series.state == SeriesState::Active) else { return };
    let contact = decision.contact.as_ref().and_then(Option::as_deref).or(known.contact);
    let Some(contact) = contact.filter(|contact| contact.is_live()).cloned() else { return };
    match Fate::of(latest) {
        Fate::Waits => {}
        Fate::Ends(reason) => end(decision, item, SeriesState::Ended, Some(reason), around),
        Fate::GoesOn => {
            let content = match &series.content {
                StoredContent::Inline(content) => Some(content.clone()),
                StoredContent::Blob { .. } => known.records.contents.get(&item.id).cloned().flatten(),
            };
            let Some(content) = content else {
                return end(decision, item, SeriesState::Ended, Some(Reason::ContentLost), around);
            };
            match next::next(series, item, &contact, &content, around) {
                Ok((next, message, blob)) => {
                    if let Some(content) = blob {
                        let key = keys::blob(BlobKey { message: message.id, number: BlobKey::CONTENT });
                        decision.mutations.push(Mutation::Put(Table::Blob, key, codec::encode(&content)));
                        decision.contents.push((message.id, Some(content)));
                    }
                    put(decision, item, next, around);
                    decision.put_message(None, message, DueEntry::InDue, around.now);
                }
                Err(reason) => end(decision, item, SeriesState::Ended, reason, around),
            }
        }
    }
}

/// The series is over. It becomes an event of the thread, and leaves with what is as old.
fn end(
    decision: &mut Decision,
    item: &ThreadItem,
    state: SeriesState,
    reason: Option<Reason>,
    around: &Surroundings<'_>,
) {
    let Some(series) = series_in(item) else { return };
    put(decision, item, Series { state, reason, ..series.clone() }, around);
    decision.effects.push(Effect::Publish(Happened {
        at: around.now,
        kind: EventKind::ConversationUpdated,
        contact: item.contact,
        message: None,
        item: Some(item.id),
    }));
}

fn put(decision: &mut Decision, item: &ThreadItem, next: Series, around: &Surroundings<'_>) {
    let at = if next.state == SeriesState::Active { ThreadItem::STANDING } else { around.now };
    let kind = ItemKind::Series(Box::new(Series { updated_at: around.now, ..next }));
    let next = ThreadItem { version: item.version + 1, at, kind, ..item.clone() };
    change_item(&mut decision.mutations, Some(item), Some(&next));
    decision.items.push((next.id, Some(Arc::new(next))));
}

/// The item of a series of this contact, or "not found".
fn item_of(known: &Known<'_>, account: AccountNo, id: SeriesId) -> Result<Arc<ThreadItem>, EngineError> {
    live(known, account)?;
    let item = known.records.items.get(&id.entry()).cloned().flatten();
    item.filter(|item| item.account == account && item.contact == known.id && series_in(item).is_some())
        .ok_or(EngineError::NotFound)
}

fn answer(decision: &mut Decision, known: &Known<'_>, id: SeriesId, was_changed: bool) {
    let item = current(decision, known, id).ok_or(EngineError::NotFound);
    decision.reply(item.map(|item| Answer::Item(Box::new((*item).clone()), was_changed)));
}

/// Takes a series back: nothing of it is handed over any more.
pub(super) fn cancel(known: &Known<'_>, caller: &Caller, id: SeriesId, around: &Surroundings<'_>) -> Decision {
    let item = or_refuse!(item_of(known, caller.account, id));
    let mut decision = Decision::default();
    let Some(series) = series_in(&item).filter(|series| series.state == SeriesState::Active) else {
        answer(&mut decision, known, id, false);
        return decision;
    };
    // Before the answer: a claim whose attempt has not begun yet is as good as none.
    decision.effects.push(Effect::RevokeClaims(Some(series.channel)));
    end(&mut decision, &item, SeriesState::Canceled, Some(Reason::CanceledByCaller), around);
    let latest = known.records.messages.get(&series.latest).and_then(Option::as_deref);
    if let Some(message) = latest.filter(|message| matches!(message.state, State::Scheduled | State::Held)) {
        let mut next = next_version(message, around.now);
        enter(&mut next, State::Canceled, Some(Reason::SeriesCanceled), caller.author, around.now);
        decision.put_message(Some(message), next, DueEntry::Somewhere, around.now);
    }
    answer(&mut decision, known, id, true);
    // Earlier occurrences may be tried again, or wait for a person.
    let sweep = ContactCommand::CancelPending(Sweep::Series(id), None);
    decision.effects.push(Effect::Continue(Box::new(sweep)));
    decision
}

/// Takes the cancel of a series back: it goes on with the occurrence that was cancelled with it.
pub(super) fn restore(known: &Known<'_>, caller: &Caller, id: SeriesId, around: &Surroundings<'_>) -> Decision {
    let item = or_refuse!(item_of(known, caller.account, id));
    let is_undoable =
        |series: &&Series| series.state == SeriesState::Canceled && series.reason == Some(Reason::CanceledByCaller);
    let Some(series) = series_in(&item).filter(is_undoable) else {
        return Decision::answer(Err(EngineError::Conflict {
            code: "not_undoable",
            detail: "the series was not cancelled by a caller: only that can be taken back".into(),
        }));
    };
    let mut decision = Decision::default();
    put(&mut decision, &item, Series { state: SeriesState::Active, reason: None, ..series.clone() }, around);
    let latest = known.records.messages.get(&series.latest).and_then(Option::as_deref);
    match latest.filter(|message| message.reason == Some(Reason::SeriesCanceled) && message.state == State::Canceled) {
        Some(message) => {
            let mut next = next_version(message, around.now);
            if next.due_at < around.now {
                (next.due_at, next.plan) = (around.now, None);
            }
            next.is_cancel_requested = false;
            enter(&mut next, State::Scheduled, Some(Reason::Undone), caller.author, around.now);
            next.reason = None;
            decision.put_message(Some(message), next, DueEntry::InDue, around.now);
        }
        None => arrive(&mut decision, known, id, around),
    }
    answer(&mut decision, known, id, true);
    decision
}
