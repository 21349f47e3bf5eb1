//! Messages with a window: when they go, what moves them, what stays.

use std::time::Duration;

use super::receiving::{receive, sms};
use super::world::*;
use crate::contact::command::ContactCommand;
use crate::contact::decide::foresee;
use crate::contact::decision::{Decision, Effect};
use crate::domain::address::Channel;
use crate::domain::clock::UnixMs;
use crate::domain::directory::Account;
use crate::domain::instant::parse_instant;
use crate::domain::lift::Step;
use crate::domain::message::{Message, StateName};
use crate::domain::plan::smart::{Arm, Chosen, Shares};
use crate::domain::schedule::{FoldPolicy, GapPolicy, Intent, QuietHoursPolicy, TooLittleData};
use crate::domain::sending_rules::{Hours, Scope, SendingRules, TimeOfDay, Weekdays};
use crate::protocol::api::{EngineError, MessageEdit, NewIntent, NewMessage, NewWindow, ProfilePatch, ZoneChoice};

const HOUR: Duration = Duration::from_secs(3_600);

fn at(text: &str) -> UnixMs {
    parse_instant(text).unwrap()
}

fn smart(channel: Channel, window: NewWindow) -> NewMessage {
    let intent = NewIntent::Smart { window, too_little_data: TooLittleData::Now };
    NewMessage { intent, quiet_hours: QuietHoursPolicy::Defer, ..new_message(channel) }
}

fn a_day() -> NewWindow {
    NewWindow::Hours(24)
}

fn set(world: &mut World, rules: SendingRules, smart_send: Shares) {
    let account = world.directory.account(ACCOUNT).unwrap().clone();
    world.directory.put_account(Account { rules, smart_send, ..account });
}

/// A contact in Berlin that wrote at half past eight in the evening of each of ten days; at nine in the morning.
fn world() -> World {
    let mut world = World::new();
    set(&mut world, SendingRules::default(), Shares { random: 0, holdout: 0 });
    for day in 0..10 {
        world.now = at("2026-12-01T19:30:00Z").plus(HOUR * 24 * u32::from(day));
        receive(&mut world, sms(day));
    }
    world.now = at("2026-12-11T08:00:00Z");
    world
}

const EVENING: &str = "2026-12-11T19:00:00Z";

fn chosen(message: &Message) -> &Chosen {
    message.plan.as_ref().unwrap().chosen.as_ref().unwrap()
}

#[test]
fn a_window_is_met_at_the_hour_of_the_habit_on_either_channel() {
    let mut world = world();
    for channel in [Channel::Sms, Channel::Email] {
        let message = world.schedule(smart(channel, a_day()));
        assert_eq!((message.due_at, message.wanted_at()), (at(EVENING), at(EVENING)));
        assert_eq!(
            (chosen(&message).arm, message.plan.as_ref().unwrap().zone.as_str()),
            (Arm::Chosen, "Europe/Berlin")
        );
        assert_eq!(message.reason, None);
        world.now = at(EVENING);
        world.attempt(message.id, submitted());
        assert_eq!(chosen(&world.message(message.id)).arm, Arm::Chosen, "what was sent says how it came to its time");
        world.now = at("2026-12-11T08:00:00Z");
    }
    let id = world.schedule(smart(Channel::Sms, a_day())).id;
    world.tell(ContactCommand::Cancel(caller(), id));
    assert_eq!(world.state(id), StateName::Canceled);
}

#[test]
fn who_has_not_been_seen_is_written_to_at_once() {
    let mut world = World::new();
    let message = world.schedule(smart(Channel::Sms, a_day()));
    assert_eq!((message.due_at, chosen(&message).arm), (world.now, Arm::AtOnce));
}

#[test]
fn a_window_that_is_none_is_refused_by_name() {
    let mut world = world();
    let now = world.now;
    for (window, too_little_data, pointer, code) in [
        (NewWindow::Between(now.plus(HOUR), now.plus(HOUR)), TooLittleData::Now, "/send/window", "empty_window"),
        (NewWindow::Between(now.minus(HOUR * 2), now), TooLittleData::Now, "/send/window", "window_in_the_past"),
        (a_day(), TooLittleData::At(now.plus(HOUR * 30)), "/send/too_little_data", "outside_window"),
    ] {
        let intent = NewIntent::Smart { window, too_little_data };
        let refused = world.schedule_as(&caller(), NewMessage { intent, ..new_message(Channel::Sms) });
        assert_eq!(refusals(&refused), [(pointer.to_owned(), code)]);
    }
}

#[test]
fn a_smart_message_is_edited_sent_now_and_planned_again_when_its_clock_or_rules_change() {
    let mut world = world();
    let id = world.schedule(smart(Channel::Sms, a_day())).id;
    let edit = |world: &mut World, edit| world.tell(ContactCommand::Edit(caller(), id, Box::new(edit), None));
    world.now = world.now.plus(HOUR);
    edit(&mut world, MessageEdit { text: Some("other".into()), ..MessageEdit::default() });
    assert_eq!((world.message(id).due_at, chosen(&world.message(id)).arm), (at(EVENING), Arm::Chosen));

    // Quiet hours around the evening: another moment, when it is planned again.
    let time = |text| TimeOfDay::parse(text).unwrap();
    let hours = Hours { scope: Scope::default(), days: Weekdays::ALL, from: time("18:00"), to: time("23:00") };
    let quiet = SendingRules { quiet_hours: vec![hours], ..SendingRules::default() };
    set(&mut world, quiet, Shares { random: 0, holdout: 0 });
    world.tell_all(ContactCommand::ReplanPending(None));
    let moved = world.message(id).due_at;
    assert!(moved < at("2026-12-11T17:00:00Z") || moved >= at("2026-12-11T22:00:00Z"), "{moved}");
    let version = world.message(id).version;
    world.tell_all(ContactCommand::ReplanPending(None));
    assert_eq!(world.message(id).version, version, "planned again, it stays");

    // The same evening on a clock that is six hours behind.
    set(&mut world, SendingRules::default(), Shares { random: 0, holdout: 0 });
    let patch = ProfilePatch { time_zone: Some(Some("America/New_York".into())), ..ProfilePatch::default() };
    world.tell_all(ContactCommand::Patch(caller(), Box::new(patch), None));
    assert_eq!(world.message(id).due_at, at("2026-12-12T01:00:00Z"));

    let at_ten = NewIntent::At(at("2026-12-11T10:00:00Z"));
    edit(&mut world, MessageEdit { intent: Some(at_ten), ..MessageEdit::default() });
    assert_eq!((world.message(id).due_at, world.message(id).plan), (at("2026-12-11T10:00:00Z"), None));
    let intent = NewIntent::Smart { window: a_day(), too_little_data: TooLittleData::Now };
    edit(&mut world, MessageEdit { intent: Some(intent), ..MessageEdit::default() });
    assert!(matches!(world.message(id).intent, Intent::Smart(_)));
    world.tell(ContactCommand::SendNow(caller(), id));
    assert_eq!((world.message(id).due_at, world.message(id).plan), (world.now, None));
}

#[test]
fn a_moment_that_was_told_is_not_left_for_another_one_since_more_is_known() {
    let mut world = world();
    let told = world.schedule(smart(Channel::Sms, a_day()));
    for n in 0..30 {
        world.now = at("2026-12-11T08:00:00Z").plus(HOUR / 10 * u32::from(n));
        receive(&mut world, sms(100 + n));
    }
    world.tell_all(ContactCommand::ReplanPending(None));
    assert_eq!(world.message(told.id), told);
}

#[test]
fn what_is_moved_at_the_last_check_still_says_how_it_was_chosen() {
    let mut world = world();
    let id = world.schedule(smart(Channel::Sms, a_day())).id;
    let time = |text| TimeOfDay::parse(text).unwrap();
    let hours = Hours { scope: Scope::default(), days: Weekdays::ALL, from: time("18:00"), to: time("23:00") };
    set(&mut world, SendingRules { quiet_hours: vec![hours], ..SendingRules::default() }, Shares::default());
    world.now = at(EVENING);
    assert!(envelope(&world.permit(id)).is_none());
    let message = world.message(id);
    assert_eq!((message.due_at, message.wanted_at()), (at("2026-12-11T22:00:00Z"), at(EVENING)));
    assert_eq!(chosen(&message).arm, Arm::Chosen);
}

#[test]
fn a_smart_message_counts_when_it_is_sent_and_by_how_soon_it_is_answered() {
    let mut world = world();
    let tallies = |decision: &Decision| -> Vec<_> {
        let step = |effect: &Effect| if let Effect::Tally(_, arm, step) = effect { Some((*arm, *step)) } else { None };
        decision.effects.iter().filter_map(step).collect()
    };
    let id = world.schedule(smart(Channel::Sms, a_day())).id;
    let plain = world.sms();
    assert_eq!(tallies(&world.attempt(plain, submitted())), []);
    world.now = at(EVENING);
    assert_eq!(tallies(&world.attempt(id, submitted())), [(Arm::Chosen, Step::Sent)]);
    world.now = world.now.plus(HOUR * 2);
    let decision = world.tell(ContactCommand::Receive(Box::new(sms(50))));
    assert_eq!(tallies(&decision), [(Arm::Chosen, Step::Responded(HOUR * 2))]);
    assert_eq!(world.message(id).response.replied_at, Some(world.now));
    let decision = world.tell(ContactCommand::Receive(Box::new(sms(51))));
    assert_eq!(tallies(&decision), [], "the first response counts");
}

#[test]
fn what_is_foreseen_is_what_is_scheduled() {
    let mut world = world();
    let wall = NewIntent::Wall {
        local: "2026-12-12T23:00".into(),
        zone: ZoneChoice::OfContact,
        gap: GapPolicy::default(),
        fold: FoldPolicy::default(),
    };
    let time = |text| TimeOfDay::parse(text).unwrap();
    let quiet = Hours { scope: Scope::default(), days: Weekdays::ALL, from: time("22:00"), to: time("06:00") };
    set(
        &mut world,
        SendingRules { quiet_hours: vec![quiet], ..SendingRules::default() },
        Shares { random: 0, holdout: 0 },
    );
    for new in [smart(Channel::Sms, a_day()), NewMessage { intent: wall, ..smart(Channel::Email, a_day()) }] {
        let contact = world.contact().unwrap();
        let foreseen = foresee(&contact, caller().author, (new.channel, None), new.intent.clone(), &world.around());
        let foreseen = foreseen.unwrap();
        let message = world.schedule(new);
        assert_eq!((&foreseen.intent, foreseen.planned.due_at), (&message.intent, message.due_at));
        assert_eq!(foreseen.planned.plan, message.plan);
        assert!(message.plan.is_some(), "chosen, or delayed by the quiet hours");
    }
    let contact = world.contact().unwrap();
    let past = foresee(&contact, caller().author, (Channel::Sms, None), NewIntent::At(UnixMs(0)), &world.around());
    assert!(matches!(past, Err(EngineError::Invalid(_))), "{past:?}");
}
