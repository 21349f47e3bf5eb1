//! When an account lets its messages go: quiet hours, send windows, holidays, and how many a contact gets.
//!
//! Hours are half-open, in whole minutes of the recipient's clock, and may wrap midnight; then they belong to the day
//! on which they begin. Every rule has a scope; whatever a scope leaves open holds for all. Quiet hours add up. Send
//! windows of one scope add up, and a message keeps to those of every scope that covers it. A holiday is a whole day.

use std::fmt;
use std::time::Duration;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::address::Channel;
use super::clock::UnixMs;
use super::message::Class;

/// A country: two letters of ISO 3166-1.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Country([u8; 2]);

impl Country {
    /// Two letters, in any case. Whether there is such a country is not asked: none of its rules would ever hold.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 2] = text.as_bytes().try_into().ok()?;
        bytes.iter().all(u8::is_ascii_alphabetic).then(|| Self(bytes.map(|byte| byte.to_ascii_uppercase())))
    }

    /// Its two letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("??")
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A time of day in minutes since midnight, up to 24:00.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TimeOfDay(u16);

impl TimeOfDay {
    /// Midnight at the end of a day, in minutes.
    pub const END: u16 = 24 * 60;

    /// Reads `21:30`; `24:00` is the end of the day.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (hour, minute) = text.split_once(':')?;
        let is_number = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        if !(is_number(hour) && is_number(minute)) {
            return None;
        }
        let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
        let minutes = hour * 60 + minute;
        (minute < 60 && minutes <= Self::END).then_some(Self(minutes))
    }

    /// Minutes since midnight.
    #[must_use]
    pub const fn minutes(self) -> u16 {
        self.0
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl fmt::Debug for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A set of days of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Weekdays(u8);

impl Weekdays {
    /// Every day.
    pub const ALL: Self = Self(0x7f);
    /// No day: to add to.
    pub const NONE: Self = Self(0);
    /// The names of the days, from Monday, as the API spells them.
    pub const NAMES: [&'static str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

    /// These and one more, by its name.
    #[must_use]
    pub fn with(self, name: &str) -> Option<Self> {
        Self::NAMES.iter().position(|known| *known == name).map(|day| Self(self.0 | 1 << day))
    }

    /// Whether a day is one of them; 0 is Monday.
    #[must_use]
    pub const fn has(self, day: u8) -> bool {
        self.0 >> (day % 7) & 1 == 1
    }

    /// The names of those that are in it.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        (0..7).filter(move |day| self.has(*day)).map(|day| Self::NAMES[usize::from(day)])
    }
}

/// Which messages a rule is about; what is left open holds for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Scope {
    /// The way they travel.
    pub channel: Option<Channel>,
    /// Where their recipient's number is at home.
    pub country: Option<Country>,
    /// How urgent they are.
    pub class: Option<Class>,
}

impl Scope {
    /// Whether a message is in it.
    #[must_use]
    pub fn covers(&self, channel: Channel, country: Option<Country>, class: Class) -> bool {
        self.channel.is_none_or(|wanted| wanted == channel)
            && self.country.is_none_or(|wanted| Some(wanted) == country)
            && self.class.is_none_or(|wanted| wanted == class)
    }
}

/// Hours of some days of the week, half-open: `from` is in them, `to` is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hours {
    /// Which messages they are about.
    pub scope: Scope,
    /// The days on which they begin.
    pub days: Weekdays,
    /// When they begin.
    pub from: TimeOfDay,
    /// When they end; before `from`: on the next day.
    pub to: TimeOfDay,
}

impl Hours {
    /// Whether they end on the day after they began.
    #[must_use]
    pub const fn wrap_midnight(&self) -> bool {
        self.to.0 <= self.from.0
    }

    /// Whether a minute of a day (0 is Monday) is in them.
    #[must_use]
    pub const fn cover(&self, day: u8, minute: u16) -> bool {
        let (from, to) = (self.from.0, self.to.0);
        if !self.wrap_midnight() {
            return self.days.has(day) && from <= minute && minute < to;
        }
        (self.days.has(day) && from <= minute) || (self.days.has((day + 6) % 7) && minute < to)
    }
}

/// A day on which nothing goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holiday {
    /// Which messages it is about.
    pub scope: Scope,
    /// Its year; none: every year.
    pub year: Option<i16>,
    /// From 1.
    pub month: u8,
    /// From 1.
    pub day: u8,
}

impl Holiday {
    /// Reads `2026-12-25`, or `12-25` for every year.
    #[must_use]
    pub fn parse(scope: Scope, text: &str) -> Option<Self> {
        let (year, rest) = match text.len() {
            5 => (None, text),
            10 => (Some(text.get(..4)?), text.get(4..)?.strip_prefix('-')?),
            _ => return None,
        };
        let (month, day) = rest.split_once('-')?;
        let number = |part: &str, digits: usize| {
            let is_number = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| part.parse::<i16>().ok()).flatten()
        };
        let year = match year {
            Some(year) => Some(number(year, 4)?),
            None => None,
        };
        let day_and_month = |part| u8::try_from(number(part, 2)?).ok();
        let (month, day) = (day_and_month(month)?, day_and_month(day)?);
        // A day that is in a leap year alone is a holiday in leap years alone.
        let some_year = year.map_or(2_024, i32::from);
        NaiveDate::from_ymd_opt(some_year, month.into(), day.into())?;
        Some(Self { scope, year, month, day })
    }

    /// Whether it is on this day.
    #[must_use]
    pub fn is_on(&self, year: i32, month: u32, day: u32) -> bool {
        self.year.is_none_or(|wanted| i32::from(wanted) == year)
            && u32::from(self.month) == month
            && u32::from(self.day) == day
    }
}

impl fmt::Display for Holiday {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(year) = self.year {
            write!(f, "{year:04}-")?;
        }
        write!(f, "{:02}-{:02}", self.month, self.day)
    }
}

/// So many messages a contact gets at most in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cap {
    /// Which messages count, and wait.
    pub scope: Scope,
    /// How many, from 1 to [`Cap::MAX_LIMIT`].
    pub limit: u8,
    /// In any period of this length, at most [`Cap::MAX_PERIOD`].
    pub per: Duration,
}

impl Cap {
    /// The highest limit.
    pub const MAX_LIMIT: u8 = 50;
    /// The shortest period.
    pub const MIN_PERIOD: Duration = Duration::from_secs(60);
    /// The longest period.
    pub const MAX_PERIOD: Duration = Duration::from_secs(31 * 24 * 60 * 60);
}

/// A message that a contact got, as far as caps ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// The way it travelled.
    pub channel: Channel,
    /// How urgent it was.
    pub class: Class,
    /// When its first attempt began.
    pub at: UnixMs,
    /// Tells it from the others: the lower half of [`MessageId::spread`](super::ids::MessageId::spread).
    pub message: u32,
}

/// When an account lets its messages go. None of it: always.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SendingRules {
    /// When nothing goes; at most [`Self::MAX_HOURS`].
    pub quiet_hours: Vec<Hours>,
    /// When something may go; at most [`Self::MAX_HOURS`].
    pub send_windows: Vec<Hours>,
    /// Days on which nothing goes; at most [`Self::MAX_HOLIDAYS`].
    pub holidays: Vec<Holiday>,
    /// Messages of class `conversation` go at any time: somebody waits for them.
    pub conversation_exempt: bool,
    /// How many messages a contact gets; at most [`Self::MAX_CAPS`].
    #[serde(default)]
    pub caps: Vec<Cap>,
}

impl SendingRules {
    /// Most quiet hours, and most send windows.
    pub const MAX_HOURS: usize = 32;
    /// Most caps.
    pub const MAX_CAPS: usize = 8;
    /// Most holidays.
    pub const MAX_HOLIDAYS: usize = 200;

    /// Whether there is no rule.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.quiet_hours.is_empty() && self.send_windows.is_empty() && self.holidays.is_empty() && self.caps.is_empty()
    }

    /// Every scope that a rule names, and the open one.
    pub fn scopes(&self) -> impl Iterator<Item = Scope> + '_ {
        let hours = self.quiet_hours.iter().chain(&self.send_windows).map(|hours| hours.scope);
        let others = self.holidays.iter().map(|holiday| holiday.scope).chain(self.caps.iter().map(|cap| cap.scope));
        std::iter::once(Scope::default()).chain(hours).chain(others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(days: Weekdays, from: &str, to: &str) -> Hours {
        let time = |text| TimeOfDay::parse(text).unwrap();
        Hours { scope: Scope::default(), days, from: time(from), to: time(to) }
    }

    #[test]
    fn a_time_of_day_is_read_strictly() {
        for (text, minutes) in [("00:00", 0), ("09:05", 545), ("23:59", 1_439), ("24:00", 1_440)] {
            let time = TimeOfDay::parse(text).unwrap();
            assert_eq!((time.minutes(), time.to_string().as_str()), (minutes, text));
        }
        for text in ["", "9:00", "24:01", "25:00", "12:60", "+9:00", "12:00:00", "1200", "９:00"] {
            assert_eq!(TimeOfDay::parse(text), None, "{text}");
        }
    }

    #[test]
    fn hours_are_half_open_and_those_that_wrap_belong_to_the_day_they_begin_on() {
        let day = hours(Weekdays::ALL, "09:00", "17:00");
        for (minute, is_in) in [(539, false), (540, true), (1_019, true), (1_020, false)] {
            assert_eq!(day.cover(2, minute), is_in, "{minute}");
        }
        let friday_night = hours(Weekdays::NONE.with("fri").unwrap(), "22:00", "06:00");
        for (day, minute, is_in) in [
            (4, 1_319, false),
            (4, 1_320, true),
            (5, 0, true),
            (5, 359, true),
            (5, 360, false),
            (4, 0, false),
            (5, 1_320, false),
        ] {
            assert_eq!(friday_night.cover(day, minute), is_in, "day {day}, minute {minute}");
        }
        let sunday_night = hours(Weekdays::NONE.with("sun").unwrap(), "22:00", "06:00");
        assert!(sunday_night.cover(0, 10), "it goes on into Monday");
        let whole = hours(Weekdays::ALL, "00:00", "24:00");
        assert!(whole.cover(3, 0) && whole.cover(3, 1_439) && !whole.wrap_midnight());
    }

    #[test]
    fn a_holiday_is_a_date_or_one_of_every_year() {
        let read = |text| Holiday::parse(Scope::default(), text);
        for text in ["2026-12-25", "12-25", "02-29", "2028-02-29"] {
            assert_eq!(read(text).unwrap().to_string(), text);
        }
        for text in ["2026-02-29", "13-01", "2026-1-01", "12-32", "", "christmas!", "+026-12-25", "2026_12-25"] {
            assert_eq!(read(text), None, "{text}");
        }
        assert!(read("12-25").unwrap().is_on(2031, 12, 25) && !read("2026-12-25").unwrap().is_on(2027, 12, 25));
    }

    #[test]
    fn what_a_scope_leaves_open_holds_for_all() {
        let us = Country::parse("us");
        let scope = Scope { channel: Some(Channel::Sms), country: us, class: None };
        assert!(scope.covers(Channel::Sms, Country::parse("US"), Class::Campaign));
        assert!(!scope.covers(Channel::Email, us, Class::Campaign));
        assert!(!scope.covers(Channel::Sms, None, Class::Campaign), "an unknown country is none");
        assert!(Scope::default().covers(Channel::Email, None, Class::Conversation));
        assert_eq!((Country::parse("USA"), Country::parse("u1"), Country::parse("é")), (None, None, None));
    }
}
