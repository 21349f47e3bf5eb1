//! Series: each occurrence a message of its own, the next one made when the one before is out of the way.

use std::time::Duration;

use super::world::*;
use crate::contact::command::{Absorbed, Answer, AttemptEnd, ContactCommand, MovedEntry, TakenOver};
use crate::contact::decide::Sweep;
use crate::domain::address::Channel;
use crate::domain::clock::UnixMs;
use crate::domain::contact::Consent;
use crate::domain::conversation::{ItemKind, ThreadItem};
use crate::domain::directory::Account;
use crate::domain::ids::{ContactId, MessageId, SeriesId};
use crate::domain::instant::parse_instant;
use crate::domain::message::{Author, Message, StateName, StoredContent};
use crate::domain::plan::Cause;
use crate::domain::reason::Reason;
use crate::domain::schedule::{FoldPolicy, GapPolicy, QuietHoursPolicy};
use crate::domain::sending_rules::{Hours, Scope, SendingRules, TimeOfDay, Weekdays};
use crate::domain::series::{Series, SeriesState};
use crate::domain::suppression::SuppressionReason;
use crate::domain::ticket::TicketKind;
use crate::domain::verdict::{Failure, Verdict};
use crate::protocol::api::{Idempotency, NewIntent, NewMessage, ProfilePatch, ZoneChoice};

fn at(text: &str) -> UnixMs {
    parse_instant(text).unwrap()
}

fn repeating(rule: &str, local: &str, zone: ZoneChoice) -> NewMessage {
    let intent = NewIntent::Wall { local: local.into(), zone, gap: GapPolicy::Forward, fold: FoldPolicy::First };
    NewMessage { intent, recurrence: Some(rule.parse().unwrap()), ..new_message(Channel::Sms) }
}

fn utc() -> ZoneChoice {
    ZoneChoice::Named("UTC".into())
}

/// A daily message at ten, from the first of December on.
fn daily(rule: &str) -> NewMessage {
    repeating(rule, "2026-12-01T10:00", utc())
}

impl World {
    fn begun(&mut self, new: NewMessage) -> (SeriesId, MessageId) {
        let message = self.schedule(new);
        (message.series.expect("it repeats").series, message.id)
    }

    fn series(&self, id: SeriesId) -> Series {
        match self.item(id.entry()).expect("the series is there").kind {
            ItemKind::Series(series) => *series,
            other => panic!("no series: {other:?}"),
        }
    }

    fn latest(&self, id: SeriesId) -> Message {
        self.message(self.series(id).latest)
    }

    /// The latest occurrence comes due and is handed over.
    fn send_next(&mut self, id: SeriesId) -> MessageId {
        let message = self.latest(id);
        self.now = self.now.max(message.due_at);
        self.attempt(message.id, submitted());
        message.id
    }

    fn stands(&self, id: SeriesId) -> (SeriesState, Option<&'static str>) {
        let series = self.series(id);
        (series.state, series.reason.as_ref().map(Reason::code))
    }
}

#[test]
fn the_next_occurrence_is_made_in_the_batch_that_claims_the_one_before() {
    let mut world = World::new();
    let (series, first) = world.begun(daily("FREQ=DAILY"));
    assert_eq!(world.latest(series).id, first);
    assert_eq!(world.item(series.entry()).unwrap().at, ThreadItem::STANDING);
    world.now = at("2026-12-01T10:00:00Z");
    let decision = world.permit(first);
    assert!(envelope(&decision).is_some());
    let next = world.latest(series);
    assert_eq!(next.due_at, at("2026-12-02T10:00:00Z"));
    assert_eq!(next.id, series.occurrence("2026-12-02T10:00:00"));
    assert_eq!(next.series.as_ref().map(|of| (of.number, of.repeats.as_str())), Some((2, "daily")));
    assert_eq!((next.author, &next.to, next.sender), (caller().author, &world.message(first).to, SMS));
    assert_eq!(armed(&decision).iter().map(|ticket| ticket.message).collect::<Vec<_>>(), [next.id]);
}

#[test]
fn what_came_of_an_occurrence_makes_no_other() {
    let mut world = World::new();
    let (series, first) = world.begun(daily("FREQ=DAILY"));
    world.now = at("2026-12-01T10:00:00Z");
    let ticket = world.ticket(first);
    let attempt = world.claim(first).attempt;
    let next = world.latest(series);
    world.finish(ticket, attempt, AttemptEnd::NotStarted);
    assert_eq!(world.state(first), StateName::Scheduled);
    let attempt = world.claim(first).attempt;
    world.finish(ticket, attempt, submitted());
    assert_eq!(world.latest(series), next, "it was made once");
    assert_eq!(world.series(series).made, 2);
}

#[test]
fn a_series_ends_with_its_rule_and_becomes_an_event_of_the_thread() {
    let mut world = World::new();
    let (series, _) = world.begun(daily("FREQ=DAILY;COUNT=3"));
    let sent: Vec<_> = (0..3).map(|_| world.send_next(series)).collect();
    assert_eq!(sent.iter().collect::<std::collections::BTreeSet<_>>().len(), 3);
    assert_eq!(world.stands(series), (SeriesState::Ended, None));
    assert_eq!(world.item(series.entry()).unwrap().at, at("2026-12-03T10:00:00Z"));
    assert_eq!(world.due_tickets(), []);
}

#[test]
fn an_occurrence_that_is_cancelled_leaves_the_series() {
    let mut world = World::new();
    let (series, first) = world.begun(daily("FREQ=DAILY"));
    world.tell(ContactCommand::Cancel(caller(), first));
    assert_eq!(world.state(first), StateName::Canceled);
    assert_eq!(world.latest(series).due_at, at("2026-12-02T10:00:00Z"));
    world.tell(ContactCommand::Restore(caller(), first));
    assert_eq!(world.state(first), StateName::Scheduled, "undone, both are there");
    assert_eq!(world.latest(series).due_at, at("2026-12-02T10:00:00Z"));
    assert_eq!(world.due_tickets().len(), 2);
}

#[test]
fn a_cancelled_series_stays_past_retention_while_an_occurrence_of_it_may_be_tried_again() {
    let mut world = World::new();
    let (series, first) = world.begun(daily("FREQ=DAILY"));
    world.now = at("2026-12-01T10:00:00Z");
    let again = Failure::message("busy", "try again");
    world.attempt(first, AttemptEnd::Judged(Verdict::Transient(again)));
    // The process ends before the sweep that follows this.
    world.tell(ContactCommand::CancelSeries(caller(), series));
    world.later(Duration::from_secs(3_600));
    world.tell_all(ContactCommand::Forget(world.now));
    assert!(envelope(&world.permit(first)).is_none());
    assert_eq!(world.message(first).reason, Some(Reason::SeriesCanceled));
    world.later(Duration::from_secs(3_600));
    world.tell_all(ContactCommand::Forget(world.now));
    assert!(world.item(series.entry()).is_none(), "nothing of it is to come");
}

#[test]
fn cancelling_a_series_takes_back_what_is_pending_and_nothing_of_it_goes_any_more() {
    let mut world = World::new();
    let (series, first) = world.begun(daily("FREQ=DAILY"));
    world.now = at("2026-12-01T10:00:00Z");
    let again = Failure::message("busy", "try again");
    world.attempt(first, AttemptEnd::Judged(Verdict::Transient(again)));
    let next = world.latest(series).id;
    let decision = world.tell(ContactCommand::CancelSeries(caller(), series));
    assert!(matches!(answer(&decision), Ok(Answer::Item(_, true))));
    assert_eq!(world.stands(series), (SeriesState::Canceled, Some("canceled_by_caller")));
    assert_eq!(world.message(next).reason, Some(Reason::SeriesCanceled));
    // The one that is to be tried again is stopped by its last check, whenever the sweep comes.
    world.later(Duration::from_secs(3_600));
    assert!(envelope(&world.permit(first)).is_none());
    assert_eq!(world.message(first).reason, Some(Reason::SeriesCanceled));
    assert_eq!(world.due_tickets(), []);
    let repeated = world.tell(ContactCommand::CancelSeries(caller(), series));
    assert!(matches!(answer(&repeated), Ok(Answer::Item(_, false))), "it can be repeated");
}

#[test]
fn the_sweep_of_a_cancelled_series_takes_back_its_earlier_occurrences_and_no_others() {
    let mut world = World::new();
    let other = world.sms();
    let (series, first) = world.begun(daily("FREQ=DAILY"));
    world.now = at("2026-12-01T10:00:00Z");
    world.attempt(first, AttemptEnd::Judged(Verdict::Transient(Failure::message("busy", "try again"))));
    world.tell_all(ContactCommand::CancelSeries(caller(), series));
    assert_eq!((world.state(first), world.state(other)), (StateName::Canceled, StateName::Scheduled));
}

#[test]
fn a_cancelled_series_is_restored_with_the_occurrence_that_went_with_it() {
    let mut world = World::new();
    let (series, first) = world.begun(daily("FREQ=DAILY"));
    world.tell_all(ContactCommand::CancelSeries(caller(), series));
    assert_eq!(world.due_tickets(), []);
    world.tell(ContactCommand::RestoreSeries(caller(), series));
    assert_eq!(world.stands(series), (SeriesState::Active, None));
    assert_eq!((world.latest(series).id, world.state(first)), (first, StateName::Scheduled));
    assert_eq!(world.item(series.entry()).unwrap().at, ThreadItem::STANDING);
    world.send_next(series);
    assert_eq!(world.latest(series).due_at, at("2026-12-02T10:00:00Z"));
    assert_eq!(conflict(&world.tell(ContactCommand::RestoreSeries(caller(), series))), "not_undoable");
}

#[test]
fn an_opt_out_ends_a_series() {
    let mut world = World::new();
    let (series, first) = world.begun(daily("FREQ=DAILY"));
    world.set_consent(Consent::Denied);
    world.now = at("2026-12-01T10:00:00Z");
    assert!(envelope(&world.permit(first)).is_none());
    assert_eq!(world.stands(series), (SeriesState::Ended, Some("consent_denied")));
    assert_eq!(world.due_tickets(), []);
}

#[test]
fn a_suppressed_address_ends_a_series() {
    let mut world = World::new();
    let (series, first) = world.begun(daily("FREQ=DAILY"));
    let to = world.message(first).to;
    world.tell_all(ContactCommand::CancelPending(Sweep::Suppressed(to, SuppressionReason::Complaint), None));
    assert_eq!(world.stands(series), (SeriesState::Ended, Some("suppressed")));
}

#[test]
fn a_reply_ends_a_series_that_was_to_be_taken_back_then_and_no_other() {
    let mut world = World::new();
    let (stays, _) = world.begun(daily("FREQ=DAILY"));
    let (goes, _) = world.begun(NewMessage { cancel_on_reply: true, ..daily("FREQ=WEEKLY") });
    let replied = Sweep::Replied { at: world.now.plus(Duration::from_secs(1)) };
    world.tell_all(ContactCommand::CancelPending(replied, None));
    assert_eq!(world.stands(stays), (SeriesState::Active, None));
    assert_eq!(world.stands(goes), (SeriesState::Ended, Some("replied")));
}

#[test]
fn an_occurrence_that_is_held_keeps_the_series_waiting_for_a_person() {
    let mut world = World::new();
    let (series, first) = world.begun(daily("FREQ=DAILY"));
    let sender = world.directory.sender(SMS).unwrap().clone();
    world.directory.remove_sender(SMS);
    world.now = at("2026-12-01T10:00:00Z");
    world.permit(first);
    assert_eq!((world.state(first), world.latest(series).id), (StateName::Held, first));
    world.directory.put_sender(sender);
    world.now = at("2026-12-04T12:00:00Z");
    world.tell(ContactCommand::Cancel(caller(), first));
    assert_eq!(world.latest(series).due_at, at("2026-12-05T10:00:00Z"));
    assert_eq!(world.series(series).passed, 3, "what passed meanwhile is counted");
}

#[test]
fn what_passed_while_the_node_was_away_is_not_caught_up_with() {
    let mut world = World::new();
    let (series, first) = world.begun(daily("FREQ=DAILY;COUNT=10"));
    world.now = at("2026-12-04T10:00:30Z");
    world.claim(first);
    let next = world.latest(series);
    assert_eq!(next.due_at, at("2026-12-04T10:00:30Z"), "what passed less than a minute ago goes at once");
    assert_eq!((world.series(series).passed, world.series(series).place.counted), (2, 4));
}

#[test]
fn a_series_at_nine_goes_at_nine_over_a_clock_change() {
    let mut world = World::new();
    world.now = at("2027-03-26T12:00:00Z");
    let berlin = ZoneChoice::Named("Europe/Berlin".into());
    let (series, _) = world.begun(repeating("FREQ=DAILY", "2027-03-27T09:00", berlin));
    let dues: Vec<_> = (0..3)
        .map(|_| {
            let id = world.send_next(series);
            world.message(id).due_at.to_string()
        })
        .collect();
    assert_eq!(dues, ["2027-03-27T08:00:00Z", "2027-03-28T07:00:00Z", "2027-03-29T07:00:00Z"]);
}

#[test]
fn a_series_in_the_contact_s_zone_follows_the_contact() {
    let mut world = World::new();
    let (series, first) = world.begun(repeating("FREQ=DAILY", "2026-12-02T09:00", ZoneChoice::OfContact));
    assert_eq!(world.message(first).due_at, at("2026-12-02T08:00:00Z"));
    let patch = ProfilePatch { time_zone: Some(Some("America/New_York".into())), ..ProfilePatch::default() };
    world.tell_all(ContactCommand::Patch(caller(), Box::new(patch), None));
    assert_eq!(world.message(first).due_at, at("2026-12-02T14:00:00Z"));
    world.send_next(series);
    assert_eq!(world.latest(series).due_at, at("2026-12-03T14:00:00Z"));
}

#[test]
fn an_occurrence_that_was_sent_at_once_or_moved_does_not_move_the_series() {
    let mut world = World::new();
    let (series, first) = world.begun(daily("FREQ=DAILY"));
    world.tell(ContactCommand::SendNow(caller(), first));
    world.send_next(series);
    assert_eq!(world.latest(series).due_at, at("2026-12-02T10:00:00Z"));
}

#[test]
fn an_occurrence_that_the_rules_skip_is_left_out() {
    let mut world = World::new();
    let time = |text| TimeOfDay::parse(text).unwrap();
    let night = Hours { scope: Scope::default(), days: Weekdays::ALL, from: time("21:00"), to: time("08:00") };
    let rules = SendingRules { quiet_hours: vec![night], ..SendingRules::default() };
    let account = world.directory.account(ACCOUNT).unwrap().clone();
    world.directory.put_account(Account { rules, ..account });
    // In Berlin, where the contact is, 22:00 is quiet.
    let rule = "FREQ=DAILY;BYHOUR=9,21;BYMINUTE=0";
    let new = NewMessage { quiet_hours: QuietHoursPolicy::Skip, ..repeating(rule, "2026-12-01T09:30", utc()) };
    assert_eq!(refusals(&world.schedule_as(&caller(), new)), [("/send/at".into(), "quiet_hours")]);
    let new = NewMessage { quiet_hours: QuietHoursPolicy::Skip, ..repeating(rule, "2026-12-02T00:00", utc()) };
    let (series, _) = world.begun(new);
    world.send_next(series);
    assert_eq!(world.latest(series).due_at, at("2026-12-03T09:00:00Z"));
    assert_eq!(world.series(series).passed, 1);
    // Nothing is left at all: the series ends, and says what is in the way.
    let always = Hours { scope: Scope::default(), days: Weekdays::ALL, from: time("00:00"), to: time("23:59") };
    let rules = SendingRules { quiet_hours: vec![always], ..SendingRules::default() };
    let account = world.directory.account(ACCOUNT).unwrap().clone();
    world.directory.put_account(Account { rules, ..account });
    let latest = world.latest(series).id;
    world.tell(ContactCommand::Cancel(caller(), latest));
    assert_eq!(
        world.series(series).reason,
        Some(Reason::Skipped(Cause::QuietHours { from: time("00:00"), to: time("23:59") }))
    );
}

#[test]
fn what_cannot_repeat_is_refused_with_what_to_do() {
    let mut world = World::new();
    let new = NewMessage { recurrence: Some("FREQ=DAILY".parse().unwrap()), ..new_message(Channel::Sms) };
    assert_eq!(refusals(&world.schedule_as(&caller(), new)), [("/send".into(), "recurrence_needs_wall_clock")]);
    let never = daily("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30");
    assert_eq!(refusals(&world.schedule_as(&caller(), never)), [("/recurrence".into(), "recurrence_never_happens")]);
    let over = daily("FREQ=DAILY;UNTIL=20261130");
    assert_eq!(refusals(&world.schedule_as(&caller(), over)), [("/recurrence".into(), "recurrence_never_happens")]);
    let past = repeating("FREQ=DAILY", "2026-11-01T10:00", utc());
    assert_eq!(refusals(&world.schedule_as(&caller(), past)), [("/send/at".into(), "in_the_past")]);
}

#[test]
fn the_same_request_finds_the_same_series() {
    let mut world = World::new();
    let key = Idempotency { key: "k".into(), request_hash: [1; 16] };
    let new = NewMessage { idempotency: Some(key), ..daily("FREQ=DAILY") };
    let (series, first) = world.begun(new.clone());
    let again = world.schedule_as(&caller(), new.clone());
    assert!(again.mutations.is_empty() && answer(&again).is_ok());
    // Long after its first message has left, it is still the series of that request.
    world.send_next(series);
    world.tell(ContactCommand::Remove(caller(), first));
    assert_eq!(conflict(&world.schedule_as(&caller(), new)), "series_exists");
}

#[test]
fn large_content_is_kept_with_the_series_and_copied_to_each_occurrence() {
    let mut world = World::new();
    let text = format!("{{{{ contact.name }}}} {}", "x".repeat(1_100));
    let mut new = daily("FREQ=DAILY");
    new.channel = Channel::Email;
    new.content = content(&text);
    new.content.subject = Some("Report".into());
    new.content.render = true;
    let (series, _) = world.begun(new);
    world.send_next(series);
    let next = world.latest(series);
    assert!(matches!(next.content, StoredContent::Blob { .. }));
    world.now = next.due_at;
    let envelope = world.claim(next.id);
    assert!(envelope.content.text.unwrap().starts_with("Jane Doe xxx"), "it is filled in anew each time");
    world.tell_all(ContactCommand::Cancel(caller(), world.latest(series).id));
    world.tell_all(ContactCommand::Delete(caller(), Removal::Delete));
}

#[test]
fn a_series_goes_with_its_contact() {
    let mut world = World::new();
    let (series, _) = world.begun(daily("FREQ=DAILY"));
    world.tell(ContactCommand::Delete(caller(), Removal::Delete));
    let cleanup = world.due_tickets().into_iter().find(|ticket| ticket.kind() == TicketKind::Cleanup).unwrap();
    for _ in 0..4 {
        world.tell(ContactCommand::Cleanup(cleanup));
    }
    assert_eq!(world.item(series.entry()), None);
    assert!(world.contact().is_none() && world.due_tickets().is_empty());
}

/// A survivor that took what a duplicate had, the series last.
fn survivor(duplicate: &World, message: Option<Message>, item: ThreadItem) -> World {
    const OTHER: ContactId = ContactId::from_bytes([7; 16]);
    let mut world = World::new();
    world.now = duplicate.now;
    let Ok(Answer::Expected(token)) = *answer(&world.tell(ContactCommand::ExpectMerge(caller(), OTHER))) else {
        panic!("not expected");
    };
    let mut record = duplicate.contact().unwrap();
    record.id = OTHER;
    let absorbed = Absorbed { duplicate: record, token, by: Author::System };
    world.tell(ContactCommand::Absorb(Box::new(absorbed)));
    let mut take = |entry| {
        let taken = TakenOver { from: OTHER, token, entries: vec![(entry, Vec::new())] };
        world.tell(ContactCommand::TakeOver(Box::new(taken)));
    };
    if let Some(message) = message {
        take(MovedEntry::Message(message.into()));
    }
    take(MovedEntry::Item(item.into()));
    world
}

#[test]
fn a_series_goes_on_where_its_contact_was_merged_into() {
    let mut duplicate = World::new();
    let (series, first) = duplicate.begun(daily("FREQ=DAILY"));
    let item = duplicate.item(series.entry()).unwrap();
    let here = |id: MessageId| id.moved(CONTACT, PARTITION);
    let moved = SeriesId::of_entry(here(series.entry()));
    let mut world = survivor(&duplicate, Some(duplicate.message(first)), item.clone());
    assert_eq!((world.latest(moved).id, world.series(moved).made), (here(first), 1));
    world.send_next(moved);
    assert_eq!(world.latest(moved).due_at, at("2026-12-02T10:00:00Z"));

    // What was out of the way before the series arrived does not stop it.
    let world = survivor(&duplicate, None, item);
    assert_eq!(world.latest(moved).due_at, at("2026-12-02T10:00:00Z"));
    assert_eq!(world.series(moved).made, 2);
}
