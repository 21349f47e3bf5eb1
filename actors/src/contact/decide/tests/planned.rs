//! An account's rules: what is scheduled goes by them, and is held against them once more before it goes.

use std::time::Duration;

use super::world::*;
use crate::contact::command::{AttemptEnd, ContactCommand};
use crate::domain::address::{Channel, PhoneNumber};
use crate::domain::clock::UnixMs;
use crate::domain::directory::Account;
use crate::domain::instant::parse_instant;
use crate::domain::message::{Class, StateName};
use crate::domain::schedule::{FoldPolicy, GapPolicy, IfLate, QuietHoursPolicy};
use crate::domain::sending_rules::{Country, Hours, Scope, SendingRules, TimeOfDay, Weekdays};
use crate::domain::ticket::TicketKind;
use crate::domain::verdict::{Failure, Verdict};
use crate::protocol::api::{MessageEdit, NewIntent, NewMessage, ProfilePatch, ZoneChoice};
use crate::sender::Release;

fn at(text: &str) -> UnixMs {
    parse_instant(text).unwrap()
}

fn quiet(scope: Scope, from: &str, to: &str) -> SendingRules {
    let time = |text| TimeOfDay::parse(text).unwrap();
    let hours = Hours { scope, days: Weekdays::ALL, from: time(from), to: time(to) };
    SendingRules { quiet_hours: vec![hours], ..SendingRules::default() }
}

fn night() -> SendingRules {
    quiet(Scope::default(), "21:00", "08:00")
}

fn set_rules(world: &mut World, rules: SendingRules) {
    let account = world.directory.account(ACCOUNT).unwrap().clone();
    world.directory.put_account(Account { rules, ..account });
}

/// Nine in the morning of a winter's day in New York, where nobody sleeps yet or any more.
const MORNING: &str = "2026-12-01T14:00:00Z";
/// Eleven at night of that day.
const LATE: &str = "2026-12-02T04:00:00Z";
/// When that night is over.
const AFTER: &str = "2026-12-02T13:00:00Z";

fn world(rules: SendingRules) -> World {
    let mut world = World::new();
    world.change_contact(|contact| contact.profile.time_zone = Some("America/New_York".into()));
    set_rules(&mut world, rules);
    world.now = at(MORNING);
    world
}

fn sms(at_text: &str) -> NewMessage {
    let intent = NewIntent::At(at(at_text));
    NewMessage { intent, quiet_hours: QuietHoursPolicy::Defer, ..new_message(Channel::Sms) }
}

fn code(world: &World, id: crate::domain::ids::MessageId) -> Option<&'static str> {
    world.message(id).reason.map(|reason| reason.code())
}

#[test]
fn what_is_meant_for_quiet_hours_is_due_at_their_end_and_says_why() {
    let mut world = world(night());
    let message = world.schedule(sms(LATE));
    assert_eq!((message.due_at, message.wanted_at()), (at(AFTER), at(LATE)));
    assert_eq!(code(&world, message.id), Some("quiet_hours"));
    assert_eq!(message.plan.unwrap().zone, "America/New_York");
    let free = world.schedule(sms("2026-12-01T23:00:00Z"));
    assert_eq!((free.due_at, free.plan, free.reason), (at("2026-12-01T23:00:00Z"), None, None));
    world.now = at(AFTER);
    world.claim(message.id);
}

#[test]
fn rules_are_about_a_channel_a_country_and_a_class() {
    let country = |text| Scope { country: Country::parse(text), ..Scope::default() };
    for (scope, is_met) in [
        (Scope { channel: Some(Channel::Sms), ..Scope::default() }, true),
        (Scope { channel: Some(Channel::Email), ..Scope::default() }, false),
        (Scope { class: Some(Class::Transactional), ..Scope::default() }, true),
        (Scope { class: Some(Class::Campaign), ..Scope::default() }, false),
        (country("US"), true),
        (country("CA"), false),
    ] {
        let mut world = world(quiet(scope, "21:00", "08:00"));
        assert_eq!(world.schedule(sms(LATE)).plan.is_some(), is_met, "{scope:?}");
    }
}

#[test]
fn a_message_that_must_not_wait_is_refused_with_what_conflicts() {
    let mut world = world(night());
    let skip = NewMessage { quiet_hours: QuietHoursPolicy::Skip, ..sms(LATE) };
    assert_eq!(refusals(&world.schedule_as(&caller(), skip)), [("/send/at".to_owned(), "quiet_hours")]);
    let hour = Duration::from_secs(3_600);
    let short = NewMessage { if_late: IfLate::SkipAfter(8 * hour), ..sms(LATE) };
    assert_eq!(refusals(&world.schedule_as(&caller(), short)), [("/send/at".to_owned(), "no_moment_left")]);
    let long = NewMessage { if_late: IfLate::SkipAfter(9 * hour), ..sms(LATE) };
    let id = world.schedule(long).id;
    // Its lateness counts from the moment that was meant, not from the end of the night.
    world.now = UnixMs(at(AFTER).0 + 1);
    world.permit(id);
    assert_eq!((world.state(id), code(&world, id)), (StateName::Expired, Some("too_late")));
    let ignored = NewMessage { quiet_hours: QuietHoursPolicy::Ignore, ..sms(LATE) };
    world.now = at(MORNING);
    assert_eq!(world.schedule(ignored).due_at, at(LATE));
}

#[test]
fn the_last_check_moves_what_has_come_into_quiet_hours_since() {
    let mut world = world(SendingRules::default());
    let hour = Duration::from_secs(3_600);
    let id = world.schedule(sms(LATE)).id;
    let skipped = world.schedule(NewMessage { quiet_hours: QuietHoursPolicy::Skip, ..sms(LATE) }).id;
    let short = world.schedule(NewMessage { if_late: IfLate::SkipAfter(hour), ..sms(LATE) }).id;
    set_rules(&mut world, night());
    world.now = at(LATE);
    let decision = world.permit(id);
    assert!(envelope(&decision).is_none());
    assert_eq!(release(&decision), Some(Release::Unused));
    assert_eq!(armed(&decision), [world.ticket(id)]);
    assert_eq!((world.message(id).due_at, code(&world, id)), (at(AFTER), Some("quiet_hours")));
    world.permit(skipped);
    assert_eq!((world.state(skipped), code(&world, skipped)), (StateName::Expired, Some("skipped")));
    world.permit(short);
    assert_eq!((world.state(short), code(&world, short)), (StateName::Expired, Some("no_moment_left")));
    world.now = at(AFTER);
    world.claim(id);
}

#[test]
fn a_retry_waits_as_well_and_one_that_waits_in_its_lane_is_moved_from_there() {
    let mut world = world(night());
    let id = world.schedule(sms("2026-12-02T01:59:59Z")).id;
    world.now = at("2026-12-02T01:59:59Z");
    let busy = AttemptEnd::Judged(Verdict::Transient(Failure::provider("http_503", "busy")));
    world.attempt(id, busy);
    world.now = at(LATE);
    assert!(envelope(&world.permit(id)).is_none());
    assert_eq!(world.message(id).due_at, at(AFTER));
    let parked = world.schedule(sms(AFTER)).id;
    set_rules(&mut world, quiet(Scope::default(), "21:00", "10:00"));
    world.park(parked);
    world.now = at(AFTER);
    assert!(envelope(&world.permit(parked)).is_none());
    assert_eq!(world.message(parked).due_at, at("2026-12-02T15:00:00Z"));
}

#[test]
fn an_edit_meets_the_rules_anew_and_so_does_sending_now() {
    let mut world = world(quiet(Scope { class: Some(Class::Campaign), ..Scope::default() }, "21:00", "08:00"));
    world.set_consent(crate::domain::contact::Consent::Granted);
    let id = world.schedule(sms(LATE)).id;
    let edit = |world: &mut World, edit| world.tell(ContactCommand::Edit(caller(), id, Box::new(edit), None));
    edit(&mut world, MessageEdit { class: Some(Class::Campaign), ..MessageEdit::default() });
    assert_eq!((world.message(id).due_at, world.message(id).wanted_at()), (at(AFTER), at(LATE)));
    edit(&mut world, MessageEdit { text: Some("other".into()), ..MessageEdit::default() });
    assert_eq!((world.message(id).due_at, code(&world, id)), (at(AFTER), Some("quiet_hours")));
    edit(&mut world, MessageEdit { intent: Some(NewIntent::At(at("2026-12-01T20:00:00Z"))), ..MessageEdit::default() });
    assert_eq!((world.message(id).due_at, world.message(id).plan), (at("2026-12-01T20:00:00Z"), None));
    world.now = at("2026-12-02T03:00:00Z");
    world.tell(ContactCommand::SendNow(caller(), id));
    assert_eq!((world.message(id).due_at, code(&world, id)), (at(AFTER), Some("quiet_hours")));
}

#[test]
fn a_message_that_was_missed_is_planned_again_if_its_author_wants_that() {
    let mut world = world(night());
    let id = world.schedule(NewMessage { if_late: IfLate::Replan, ..sms("2026-12-01T20:00:00Z") }).id;
    world.now = at("2026-12-01T21:30:00Z");
    assert!(envelope(&world.permit(id)).is_none());
    assert_eq!((world.message(id).due_at, code(&world, id)), (at("2026-12-02T20:00:00Z"), Some("replanned")));
    world.now = at("2026-12-02T20:59:00Z");
    world.claim(id);
}

#[test]
fn what_is_pending_follows_the_contact_to_another_clock_but_never_into_the_past() {
    let mut world = world(night());
    let of_contact = |local: &str| {
        let (gap, fold) = (GapPolicy::Forward, FoldPolicy::First);
        let intent = NewIntent::Wall { local: local.into(), zone: ZoneChoice::OfContact, gap, fold };
        NewMessage { intent, quiet_hours: QuietHoursPolicy::Defer, ..new_message(Channel::Sms) }
    };
    let nine = world.schedule(of_contact("2026-12-02T09:00")).id;
    let soon = world.schedule(of_contact("2026-12-01T10:00")).id;
    let instant = world.schedule(sms("2026-12-02T09:00:00Z")).id;
    assert_eq!(world.message(nine).due_at, at("2026-12-02T14:00:00Z"));
    assert_eq!(world.message(instant).due_at, at(AFTER), "four in the morning in New York");
    let patch = ProfilePatch { time_zone: Some(Some("Europe/Berlin".into())), ..ProfilePatch::default() };
    world.tell_all(ContactCommand::Patch(caller(), Box::new(patch), None));
    assert_eq!(world.message(nine).due_at, at("2026-12-02T08:00:00Z"));
    assert_eq!(world.message(soon).due_at, world.now, "ten o'clock has passed in Berlin");
    assert_eq!((world.message(instant).due_at, world.message(instant).plan), (at("2026-12-02T09:00:00Z"), None));
    let last = world.message(nine).history.last().unwrap().reason.clone();
    assert_eq!(last.map(|reason| reason.code()), Some("replanned"));
    assert_eq!(world.message(nine).version, 2);
    world.tell_all(ContactCommand::ReplanPending(None));
    assert_eq!(world.message(nine).version, 2, "planned again, it stays");
}

#[test]
fn without_a_zone_of_its_own_a_contact_has_that_of_its_number_where_that_is_certain() {
    let mut world = world(night());
    for (number, due) in [("+4930123456", "2026-12-02T07:00:00Z"), ("+18505550123", AFTER)] {
        let number = PhoneNumber::parse(number).unwrap();
        world.change_contact(|contact| {
            contact.profile.time_zone = None;
            contact.profile.phones[0].number = number;
        });
        world.drop_search_entries_but_those_of_the_contact();
        world.index_contact();
        let late = if due == AFTER { LATE } else { "2026-12-01T23:00:00Z" };
        assert_eq!(world.schedule(sms(late)).due_at, at(due));
    }
}

#[test]
fn newer_rules_of_zones_move_a_wall_clock_time_in_whatever_zone() {
    let mut world = world(night());
    let wall = |zone| {
        let (gap, fold) = (GapPolicy::Forward, FoldPolicy::First);
        NewIntent::Wall { local: "2026-12-03T09:00".into(), zone, gap, fold }
    };
    let named = NewMessage { intent: wall(ZoneChoice::Named("Europe/Berlin".into())), ..sms(LATE) };
    let named = world.schedule(NewMessage { quiet_hours: QuietHoursPolicy::Ignore, ..named }).id;
    let of_contact = world.schedule(NewMessage { intent: wall(ZoneChoice::OfContact), ..sms(LATE) }).id;
    let (by_new, of_new) = (at("2026-12-03T08:00:00Z"), at("2026-12-03T14:00:00Z"));
    // As older rules had it: the clocks of both zones an hour off.
    for (id, due) in [(named, by_new), (of_contact, of_new)] {
        let old = world.message(id);
        let next = crate::domain::message::Message { due_at: UnixMs(due.0 + 3_600_000), ..old.clone() };
        world.replace(&old, &next);
    }
    world.tell_all(ContactCommand::ReplanPending(None));
    assert_eq!((world.message(named).due_at, world.message(of_contact).due_at), (by_new, of_new));
}

#[test]
fn a_crash_after_a_contacts_clock_was_changed_does_not_leave_its_messages_on_the_old_one() {
    let mut world = world(night());
    let (gap, fold) = (GapPolicy::Forward, FoldPolicy::First);
    let intent = NewIntent::Wall { local: "2026-12-02T09:00".into(), zone: ZoneChoice::OfContact, gap, fold };
    let id = world.schedule(NewMessage { intent, ..sms(LATE) }).id;
    let patch = ProfilePatch { time_zone: Some(Some("Europe/Berlin".into())), ..ProfilePatch::default() };
    // What it would go on with dies with the process.
    world.tell(ContactCommand::Patch(caller(), Box::new(patch), None));
    assert_eq!(world.message(id).due_at, at("2026-12-02T14:00:00Z"));
    let ticket = world.due_tickets().into_iter().find(|ticket| ticket.kind() == TicketKind::Replan).unwrap();
    assert_eq!((ticket.contact, ticket.due_at), (CONTACT, world.now));
    world.tell_all(ContactCommand::Replan(ticket, None));
    assert_eq!(world.message(id).due_at, at("2026-12-02T08:00:00Z"));
    assert!(world.due_tickets().iter().all(|ticket| ticket.kind() == TicketKind::Message));
    world.tell_all(ContactCommand::Replan(ticket, None));
    assert_eq!(world.message(id).version, 2, "met again, it changes nothing");
}
