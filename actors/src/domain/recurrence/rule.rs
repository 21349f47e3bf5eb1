//! The rule of a recurrence, and the moments of one of its periods: a day, a week, a month or a year.
//!
//! Each `BY` part keeps those days of a period that it names (RFC 5545, section 3.3.10, whose table of expanding and
//! limiting comes to the same, as no part reaches beyond its period); hours and minutes then multiply them.

use jiff::civil::{Date, Weekday};
use jiff::{Span, Unit};

use super::Civil;
use crate::domain::clock::UnixMs;

/// How long a period is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frequency {
    /// A day.
    Daily,
    /// A week, from [`Rule::week_start`] on.
    Weekly,
    /// A month.
    Monthly,
    /// A year.
    Yearly,
}

impl Frequency {
    /// As RFC 5545 spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Daily => "DAILY",
            Self::Weekly => "WEEKLY",
            Self::Monthly => "MONTHLY",
            Self::Yearly => "YEARLY",
        }
    }
}

/// When the rule has no more moments, inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// After this day.
    Day(Date),
    /// After this time of the series' own clock.
    Local(Civil),
    /// After this instant.
    Utc(UnixMs),
}

/// How a rule ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It does not.
    Never,
    /// After so many moments.
    Count(u32),
    /// At a moment.
    Until(Until),
}

/// A day of the week, each or one of those of a month or year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    /// Which: from the beginning, or, negative, from the end; 0: each.
    pub nth: i8,
    /// The day of the week.
    pub weekday: Weekday,
}

/// A rule. Its lists are sorted, have each value once, and are empty where a part was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// How long a period is.
    pub frequency: Frequency,
    /// Every how many periods.
    pub interval: u16,
    /// How it ends.
    pub end: End,
    /// `BYMONTH`: 1–12.
    pub months: Vec<i8>,
    /// `BYMONTHDAY`: 1–31, or −1 for the last and so on.
    pub month_days: Vec<i8>,
    /// `BYDAY`.
    pub days: Vec<Day>,
    /// `BYHOUR`: 0–23.
    pub hours: Vec<i8>,
    /// `BYMINUTE`: 0–59.
    pub minutes: Vec<i8>,
    /// `BYSETPOS`: which moments of a period, from the beginning or the end.
    pub positions: Vec<i16>,
    /// `WKST`: the first day of a week.
    pub week_start: Weekday,
}

/// A period: its first day, and how many days it has.
#[derive(Clone, Copy)]
struct Period {
    first: Date,
    days: i16,
}

impl Rule {
    /// How far ahead a moment is searched for: beyond the longest way from one 29 February on a Monday to the next.
    pub const SEARCHED_YEARS: i16 = 41;

    /// The first moment after this one of a rule that begins with `start`; its first one, without one. Ends are not
    /// looked at.
    pub(super) fn next(&self, start: Civil, after: Option<Civil>) -> Option<Civil> {
        let is_it = |at: &Civil| *at >= start && after.is_none_or(|after| *at > after);
        let from = after.map_or(start, |after| after.max(start)).0.date();
        let begins = self.period_of(start.0.date())?;
        let mut period = self.aligned(begins, from)?;
        let last_year = from.year().saturating_add(Self::SEARCHED_YEARS);
        while period.first.year() <= last_year {
            if let Some(found) = self.moments(period, start).into_iter().find(is_it) {
                return Some(found);
            }
            period = self.following(period)?;
        }
        None
    }

    fn period_of(&self, day: Date) -> Option<Period> {
        Some(match self.frequency {
            Frequency::Daily => Period { first: day, days: 1 },
            Frequency::Weekly => {
                let behind = day.weekday().since(self.week_start);
                Period { first: plus_days(day, -i64::from(behind))?, days: 7 }
            }
            Frequency::Monthly => Period { first: day.first_of_month(), days: day.days_in_month().into() },
            Frequency::Yearly => Period { first: day.first_of_year(), days: day.days_in_year() },
        })
    }

    /// The period of a day, or the last one before it that the interval names.
    fn aligned(&self, begins: Period, day: Date) -> Option<Period> {
        let interval = i64::from(self.interval.max(1));
        let (first, then) = (begins.first, self.period_of(day)?.first);
        let floor = |periods: i64| periods.max(0) / interval * interval;
        let day = match self.frequency {
            Frequency::Daily => plus_days(first, floor(days_between(first, then)))?,
            Frequency::Weekly => plus_days(first, floor(days_between(first, then) / 7) * 7)?,
            Frequency::Monthly => plus_months(first, floor(months_between(first, then)))?,
            Frequency::Yearly => plus_months(first, floor(months_between(first, then) / 12) * 12)?,
        };
        self.period_of(day)
    }

    fn following(&self, period: Period) -> Option<Period> {
        let interval = i64::from(self.interval.max(1));
        let day = match self.frequency {
            Frequency::Daily => plus_days(period.first, interval)?,
            Frequency::Weekly => plus_days(period.first, 7 * interval)?,
            Frequency::Monthly => plus_months(period.first, interval)?,
            Frequency::Yearly => plus_months(period.first, 12 * interval)?,
        };
        self.period_of(day)
    }

    /// What a period has, in order.
    fn moments(&self, period: Period, start: Civil) -> Vec<Civil> {
        let mut out = Vec::new();
        let mut day = Some(period.first);
        for _ in 0..period.days {
            let Some(date) = day else { break };
            if self.has_day(date, start.0.date()) {
                self.add_times(date, start, &mut out);
            }
            day = date.tomorrow().ok();
        }
        if self.positions.is_empty() {
            return out;
        }
        let at = |position: &i16| {
            let place = usize::from(position.unsigned_abs());
            if *position > 0 { place.checked_sub(1) } else { out.len().checked_sub(place) }
        };
        let mut chosen: Vec<_> = self.positions.iter().filter_map(at).filter_map(|at| out.get(at).copied()).collect();
        chosen.sort_unstable();
        chosen.dedup();
        chosen
    }

    fn has_day(&self, day: Date, start: Date) -> bool {
        if !self.months.is_empty() && !self.months.contains(&day.month()) {
            return false;
        }
        if self.month_days.is_empty() && self.days.is_empty() {
            // No day is named: it is the one that the series begins with.
            return match self.frequency {
                Frequency::Daily => true,
                Frequency::Weekly => day.weekday() == start.weekday(),
                Frequency::Monthly => day.day() == start.day(),
                Frequency::Yearly => {
                    day.day() == start.day() && (!self.months.is_empty() || day.month() == start.month())
                }
            };
        }
        let from_end = day.day() - day.days_in_month() - 1;
        let is_month_day =
            self.month_days.is_empty() || self.month_days.contains(&day.day()) || self.month_days.contains(&from_end);
        is_month_day && (self.days.is_empty() || self.days.iter().any(|named| self.is_weekday(*named, day)))
    }

    fn is_weekday(&self, named: Day, day: Date) -> bool {
        if named.weekday != day.weekday() {
            return false;
        }
        if named.nth == 0 {
            return true;
        }
        let is_of_year = self.frequency == Frequency::Yearly && self.months.is_empty();
        let (number, of) = if is_of_year {
            (day.day_of_year(), day.days_in_year())
        } else {
            (day.day().into(), day.days_in_month().into())
        };
        let nth = i16::from(named.nth);
        if nth > 0 { (number - 1) / 7 + 1 == nth } else { (of - number) / 7 + 1 == -nth }
    }

    fn add_times(&self, date: Date, start: Civil, out: &mut Vec<Civil>) {
        let time = start.0.time();
        let (own_hour, own_minute) = ([time.hour()], [time.minute()]);
        let hours = if self.hours.is_empty() { &own_hour[..] } else { &self.hours };
        let minutes = if self.minutes.is_empty() { &own_minute[..] } else { &self.minutes };
        for hour in hours {
            out.extend(minutes.iter().map(|minute| Civil(date.at(*hour, *minute, time.second(), 0))));
        }
    }
}

fn plus_days(date: Date, days: i64) -> Option<Date> {
    date.checked_add(Span::new().try_days(days).ok()?).ok().filter(|date| (1..=9999).contains(&date.year()))
}

fn plus_months(date: Date, months: i64) -> Option<Date> {
    date.checked_add(Span::new().try_months(months).ok()?).ok().filter(|date| (1..=9999).contains(&date.year()))
}

fn days_between(from: Date, to: Date) -> i64 {
    from.until((Unit::Day, to)).map_or(0, |span| i64::from(span.get_days()))
}

fn months_between(from: Date, to: Date) -> i64 {
    let months = |date: Date| i64::from(date.year()) * 12 + i64::from(date.month());
    months(to) - months(from)
}
