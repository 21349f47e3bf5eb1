//! The rules that one message meets, and the first moment that they permit.
//!
//! Whether a moment is permitted changes only where the recipient's clock shows the edge of a rule or midnight, or
//! where that clock is changed. So the search goes from edge to edge, and finds the first permitted moment exactly,
//! also in a zone that skips or repeats an hour.

use std::fmt;
use std::time::Duration;

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::domain::address::Channel;
use crate::domain::clock::UnixMs;
use crate::domain::message::Class;
use crate::domain::sending_rules::{Cap, Country, Holiday, Hours, Scope, SendingRules, Sent, TimeOfDay};
use crate::domain::zone::{self, TimeZone};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

/// How far a message is moved at most.
pub const MAX_DELAY: Duration = Duration::from_secs(35 * 24 * 60 * 60);

/// What keeps a message from going at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// Quiet hours.
    QuietHours {
        /// When they begin.
        from: TimeOfDay,
        /// When they end.
        to: TimeOfDay,
    },
    /// No send window is open.
    SendWindow,
    /// A holiday.
    Holiday(Holiday),
    /// The contact got as many messages as it gets in a period.
    FrequencyCap {
        /// So many.
        limit: u8,
        /// In this long.
        per: Duration,
    },
}

impl Cause {
    /// The stable code shown in the API.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::QuietHours { .. } => "quiet_hours",
            Self::SendWindow => "send_window",
            Self::Holiday(_) => "holiday",
            Self::FrequencyCap { .. } => "frequency_cap",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::QuietHours { from, to } => write!(f, "the quiet hours from {from} to {to}"),
            Self::SendWindow => f.write_str("the time outside the send windows"),
            Self::Holiday(holiday) => write!(f, "the holiday {holiday}"),
            Self::FrequencyCap { limit, per } => {
                write!(f, "the time in which the contact has had {limit} messages in {}", spelled(*per))
            }
        }
    }
}

/// A period in the largest unit that it is a whole number of.
fn spelled(period: Duration) -> String {
    let (seconds, units) = (period.as_secs(), [("days", 86_400), ("hours", 3_600), ("minutes", 60)]);
    let unit = units.into_iter().find(|(_, unit)| seconds.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{seconds} seconds"), |(name, unit)| format!("{} {name}", seconds / unit))
}

/// A delay with its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delay {
    /// What it waits for the end of.
    pub cause: Cause,
    /// When that is.
    pub until: UnixMs,
}

/// The rules that one message meets, on its recipient's clock.
#[derive(Debug, Clone)]
pub struct Calendar<'a> {
    zone: TimeZone,
    quiet: Vec<&'a Hours>,
    /// By scope: one window of each must be open.
    windows: Vec<(Scope, Vec<&'a Hours>)>,
    holidays: Vec<&'a Holiday>,
    /// With the instants at which messages went that count, in order.
    caps: Vec<(&'a Cap, Vec<UnixMs>)>,
    /// Every minute of the day at which a rule begins or ends; ascending, with the end of the day.
    edges: Vec<u16>,
}

/// What a clock shows.
struct Local {
    date: NaiveDate,
    /// 0 is Monday.
    weekday: u8,
    ms_of_day: i64,
}

impl Local {
    fn of(zone: &TimeZone, at: UnixMs) -> Self {
        let ms = at.0 + i64::from(zone::offset_at(zone, at).local_minus_utc()) * 1_000;
        let days = ms.div_euclid(DAY_MS);
        let date = UnixMs(days * DAY_MS).to_datetime().date_naive();
        let weekday = u8::try_from(date.weekday().num_days_from_monday()).unwrap_or(0);
        Self { date, weekday, ms_of_day: ms.rem_euclid(DAY_MS) }
    }

    fn minute(&self) -> u16 {
        u16::try_from(self.ms_of_day / MINUTE_MS).unwrap_or(0)
    }
}

impl<'a> Calendar<'a> {
    /// Nothing is in the way.
    #[must_use]
    pub fn open(zone: TimeZone) -> Self {
        Self { zone, quiet: Vec::new(), windows: Vec::new(), holidays: Vec::new(), caps: Vec::new(), edges: Vec::new() }
    }

    /// The rules that a message of this kind meets.
    #[must_use]
    pub fn of(
        rules: &'a SendingRules,
        zone: TimeZone,
        channel: Channel,
        country: Option<Country>,
        class: Class,
    ) -> Self {
        let mut calendar = Self::open(zone);
        if rules.conversation_exempt && class == Class::Conversation {
            return calendar;
        }
        let is_met = |scope: &Scope| scope.covers(channel, country, class);
        calendar.quiet.extend(rules.quiet_hours.iter().filter(|hours| is_met(&hours.scope)));
        for window in rules.send_windows.iter().filter(|window| is_met(&window.scope)) {
            match calendar.windows.iter_mut().find(|(scope, _)| *scope == window.scope) {
                Some((_, windows)) => windows.push(window),
                None => calendar.windows.push((window.scope, vec![window])),
            }
        }
        calendar.holidays.extend(rules.holidays.iter().filter(|holiday| is_met(&holiday.scope)));
        let hours = calendar.quiet.iter().chain(calendar.windows.iter().flat_map(|(_, windows)| windows));
        calendar.edges = hours.flat_map(|hours| [hours.from.minutes(), hours.to.minutes()]).collect();
        calendar.edges.push(TimeOfDay::END);
        calendar.edges.sort_unstable();
        calendar.edges.dedup();
        calendar
    }

    /// The same for a contact that got these messages.
    #[must_use]
    pub fn after(
        mut self,
        rules: &'a SendingRules,
        sent: &[Sent],
        (channel, country, class): (Channel, Option<Country>, Class),
    ) -> Self {
        if rules.conversation_exempt && class == Class::Conversation {
            return self;
        }
        for cap in rules.caps.iter().filter(|cap| cap.scope.covers(channel, country, class)) {
            let counts = |sent: &&Sent| cap.scope.covers(sent.channel, country, sent.class);
            let mut counted: Vec<_> = sent.iter().filter(counts).map(|sent| sent.at).collect();
            counted.sort_unstable();
            self.caps.push((cap, counted));
        }
        self
    }

    /// The zone of the recipient's clock.
    #[must_use]
    pub const fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Whether every moment is permitted.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.quiet.is_empty() && self.windows.is_empty() && self.holidays.is_empty() && self.caps.is_empty()
    }

    /// What keeps a message from going at a moment.
    #[must_use]
    pub fn obstacle(&self, at: UnixMs) -> Option<Cause> {
        if self.is_open() {
            return None;
        }
        self.cap_at(at).or_else(|| self.cause(&Local::of(&self.zone, at)))
    }

    /// The cap that is full at a moment.
    fn cap_at(&self, at: UnixMs) -> Option<Cause> {
        let is_full = |(cap, sent): &&(&Cap, Vec<UnixMs>)| {
            let recent = sent.iter().filter(|sent| **sent <= at && at < sent.plus(cap.per));
            recent.count() >= usize::from(cap.limit)
        };
        let (cap, _) = self.caps.iter().find(is_full)?;
        Some(Cause::FrequencyCap { limit: cap.limit, per: cap.per })
    }

    fn cause(&self, local: &Local) -> Option<Cause> {
        let (year, month, day) = (local.date.year(), local.date.month(), local.date.day());
        if let Some(holiday) = self.holidays.iter().find(|holiday| holiday.is_on(year, month, day)) {
            return Some(Cause::Holiday(**holiday));
        }
        let is_now = |hours: &&Hours| hours.cover(local.weekday, local.minute());
        if let Some(quiet) = self.quiet.iter().copied().find(is_now) {
            return Some(Cause::QuietHours { from: quiet.from, to: quiet.to });
        }
        let is_shut = self.windows.iter().any(|(_, windows)| !windows.iter().copied().any(|window| is_now(&window)));
        is_shut.then_some(Cause::SendWindow)
    }

    /// The next moment at which the answer of [`Self::obstacle`] may be another one.
    fn next_edge(&self, at: UnixMs) -> UnixMs {
        let local = Local::of(&self.zone, at);
        let edges = self.edges.iter().map(|minute| i64::from(*minute) * MINUTE_MS);
        let edge = edges.into_iter().find(|edge| *edge > local.ms_of_day).unwrap_or(DAY_MS);
        let by_clock = UnixMs(at.0 + edge - local.ms_of_day);
        let of_caps = self.caps.iter().flat_map(|(cap, sent)| sent.iter().map(|sent| sent.plus(cap.per)));
        let by_cap = of_caps.filter(|end| *end > at).min().map_or(by_clock, |end| end.min(by_clock));
        zone::next_change(&self.zone, at).map_or(by_cap, |change| change.min(by_cap))
    }

    /// The first permitted moment from `from` on, not after `until`, with what it was delayed by. At most
    /// [`MAX_DELAY`] ahead.
    ///
    /// # Errors
    /// There is none; what is in the way at the end.
    pub fn first(&self, from: UnixMs, until: Option<UnixMs>) -> Result<(UnixMs, Vec<Delay>), Cause> {
        let limit = from.plus(MAX_DELAY);
        let until = until.map_or(limit, |until| until.min(limit));
        let (mut at, mut delays) = (from, Vec::new());
        while let Some(cause) = self.obstacle(at) {
            at = self.next_edge(at);
            if at > until {
                return Err(cause);
            }
            note(&mut delays, Delay { cause, until: at });
        }
        Ok((at, delays))
    }
}

/// Delays of one message that are told apart.
const MAX_DELAYS: usize = 4;

/// Adds a delay: one that goes on is one.
fn note(delays: &mut Vec<Delay>, delay: Delay) {
    let is_full = delays.len() >= MAX_DELAYS;
    match delays.last_mut() {
        Some(last) if last.cause == delay.cause || is_full => *last = delay,
        _ => delays.push(delay),
    }
}
