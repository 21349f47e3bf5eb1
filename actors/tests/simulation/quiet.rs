//! Quiet hours of the account, on its contacts' clocks: what a run is given, and what may go by them, worked out
//! apart from the engine's own planner, by offsets that are written down here.

use sendwheel_actors::domain::contact::Contact;
use sendwheel_actors::domain::message::{Class, Message};
use sendwheel_actors::domain::schedule::QuietHoursPolicy;
use sendwheel_actors::domain::sending_rules::{Hours, Scope, SendingRules, TimeOfDay, Weekdays};

use crate::clock::BEGIN_MS;

pub const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

/// A zone that contacts move to, and how far it is ahead of UTC while runs last, minutes.
pub const BERLIN: (&str, i64) = ("Europe/Berlin", 60);
pub const HONOLULU: (&str, i64) = ("Pacific/Honolulu", -600);
/// Where all numbers of a run are at home: the clock of a contact that has no zone of its own.
const HOME: i64 = -300;

/// Minutes since the run began, half-open.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    pub from: i64,
    pub to: i64,
}

/// Nothing goes at the hours that New York's clock shows in one window, and Berlin's in another. Honolulu's shows
/// neither while a run lasts.
#[derive(Debug, Clone, Copy)]
pub struct Quiet {
    pub home: Window,
    pub berlin: Window,
    pub conversation_exempt: bool,
}

/// What a clock shows that is so far ahead of UTC.
fn minute_of_day(wall: i64, ahead: i64) -> i64 {
    (wall / MINUTE_MS + ahead).rem_euclid(24 * 60)
}

impl Window {
    fn hours(self, ahead: i64) -> Hours {
        let time = |minute: i64| {
            let of_day = minute_of_day(BEGIN_MS + minute * MINUTE_MS, ahead);
            TimeOfDay::parse(&format!("{:02}:{:02}", of_day / 60, of_day % 60)).unwrap()
        };
        Hours { scope: Scope::default(), days: Weekdays::ALL, from: time(self.from), to: time(self.to) }
    }

    /// When it begins and ends on the first day on which it lies ahead, by the wall clock.
    pub fn next(self, now: i64) -> (i64, i64) {
        let days = (now - BEGIN_MS).div_euclid(DAY_MS) + 1;
        let at = |minute| BEGIN_MS + days * DAY_MS + minute * MINUTE_MS;
        (at(self.from), at(self.to))
    }

    /// Whether a clock shows its hours, as they are on the clock of a zone that is so far ahead.
    fn covers(self, minute: i64, ahead: i64) -> bool {
        let begins = minute_of_day(BEGIN_MS + self.from * MINUTE_MS, ahead);
        (begins..begins + self.to - self.from).contains(&minute)
    }
}

impl Quiet {
    pub fn rules(self) -> SendingRules {
        SendingRules {
            quiet_hours: vec![self.home.hours(HOME), self.berlin.hours(BERLIN.1)],
            conversation_exempt: self.conversation_exempt,
            ..SendingRules::default()
        }
    }

    /// Whether a message may not go at a moment of the wall clock.
    pub fn forbids(self, contact: &Contact, message: &Message, wall: i64) -> bool {
        let is_exempt = self.conversation_exempt && message.class == Class::Conversation;
        let ahead = match contact.profile.time_zone.as_deref() {
            None if contact.profile.phones.is_empty() => BERLIN.1,
            None => HOME,
            Some(zone) if zone == BERLIN.0 => BERLIN.1,
            Some(_) => HONOLULU.1,
        };
        let minute = minute_of_day(wall, ahead);
        let is_quiet = self.home.covers(minute, HOME) || self.berlin.covers(minute, BERLIN.1);
        is_quiet && !is_exempt && message.quiet_hours != QuietHoursPolicy::Ignore
    }
}
