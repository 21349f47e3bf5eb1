//! Reads a recurrence: one rule, and lines of moments beside it. Case does not matter, the order of parts neither.

use jiff::civil::{Date, DateTime, Weekday};

use super::rule::{Day, End, Frequency, Rule, Until};
use super::{Civil, Excluded, Recurrence, RecurrenceError as E};
use crate::domain::clock::UnixMs;

/// Most values of one `BY` part: a day of the week has at most eleven of them in a month, a minute sixty.
const MAX_VALUES: usize = 77;

pub(super) const WEEKDAYS: [(&str, Weekday); 7] = [
    ("MO", Weekday::Monday),
    ("TU", Weekday::Tuesday),
    ("WE", Weekday::Wednesday),
    ("TH", Weekday::Thursday),
    ("FR", Weekday::Friday),
    ("SA", Weekday::Saturday),
    ("SU", Weekday::Sunday),
];

const DAYS: &str = "days such as `MO`, or with `FREQ=MONTHLY` and `YEARLY` also `1MO` and `-1FR`";

pub(super) fn parse(text: &str) -> Result<Recurrence, E> {
    if text.len() > Recurrence::MAX_LEN {
        return Err(E::TooLong);
    }
    let text = text.trim().to_ascii_uppercase();
    if text.is_empty() {
        return Err(E::Empty);
    }
    let (mut rule, mut added, mut excluded) = (None, Vec::new(), Vec::new());
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').unwrap_or(("RRULE", line));
        let (name, parameters) = name.split_once(';').map_or((name, None), |(name, rest)| (name, Some(rest)));
        match name {
            "RRULE" if rule.is_some() => return Err(E::Twice("RRULE")),
            "RRULE" => rule = Some(parse_rule(value)?),
            "EXDATE" => {
                let dates = dates("EXDATE", parameters, value)?;
                excluded.extend(dates.into_iter().map(|date| match date {
                    Moment::Day(day) => Excluded::Day(day),
                    Moment::Local(at) => Excluded::Moment(at),
                }));
            }
            "RDATE" => {
                for date in dates("RDATE", parameters, value)? {
                    let Moment::Local(at) = date else {
                        return Err(E::NotAMoment { part: "RDATE", example: "`20261224T090000`" });
                    };
                    added.push(at);
                }
            }
            "DTSTART" => return Err(E::HasStart),
            "EXRULE" => {
                return Err(E::Unsupported { part: "EXRULE", instead: "name the moments to leave out in `EXDATE`" });
            }
            _ => return Err(E::UnknownLine),
        }
    }
    if excluded.len() > Recurrence::MAX_DATES {
        return Err(E::TooManyDates("EXDATE"));
    }
    if added.len() > Recurrence::MAX_DATES {
        return Err(E::TooManyDates("RDATE"));
    }
    excluded.sort_unstable();
    excluded.dedup();
    added.sort_unstable();
    added.dedup();
    Ok(Recurrence { rule: rule.ok_or(E::NoRule)?, added, excluded })
}

enum Moment {
    Day(Date),
    Local(Civil),
}

fn dates(part: &'static str, parameters: Option<&str>, value: &str) -> Result<Vec<Moment>, E> {
    for parameter in parameters.into_iter().flat_map(|all| all.split(';')) {
        // What kind of values follow shows by themselves.
        if !matches!(parameter, "VALUE=DATE" | "VALUE=DATE-TIME") {
            return Err(E::Parameter(shown(parameter.split('=').next().unwrap_or(parameter))));
        }
    }
    let wrong = || E::NotAMoment {
        part,
        example: if part == "EXDATE" { "`20261224T090000` or days such as `20261224`" } else { "`20261224T090000`" },
    };
    let one = |text: &str| {
        if text.ends_with('Z') {
            return Err(E::DateInUtc(part));
        }
        match text.split_once('T') {
            None => date(text).map(Moment::Day).ok_or_else(wrong),
            Some(_) => local(text).map(Moment::Local).ok_or_else(wrong),
        }
    };
    value.split(',').take(Recurrence::MAX_DATES + 1).map(|text| one(text.trim())).collect()
}

fn digits(text: &str) -> Option<i16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// `20261224`
fn date(text: &str) -> Option<Date> {
    if text.len() != 8 || !text.is_ascii() {
        return None;
    }
    let small = |range: std::ops::Range<usize>| digits(&text[range]).and_then(|number| i8::try_from(number).ok());
    let year = digits(&text[..4]).filter(|year| *year >= 1970)?;
    Date::new(year, small(4..6)?, small(6..8)?).ok()
}

/// `20261224T090000`
fn local(text: &str) -> Option<Civil> {
    let (day, time) = text.split_once('T')?;
    if time.len() != 6 || !time.is_ascii() {
        return None;
    }
    let small = |range: std::ops::Range<usize>| digits(&time[range]).and_then(|number| i8::try_from(number).ok());
    let (hour, minute, second) = (small(0..2)?, small(2..4)?, small(4..6)?);
    let date = date(day)?;
    DateTime::new(date.year(), date.month(), date.day(), hour, minute, second, 0).ok().map(Civil)
}

/// As much of what was given as an error shows.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(24).collect()
}

fn parse_rule(text: &str) -> Result<Rule, E> {
    let mut frequency = None;
    let mut rule = Rule {
        frequency: Frequency::Daily,
        interval: 1,
        end: End::Never,
        months: Vec::new(),
        month_days: Vec::new(),
        days: Vec::new(),
        hours: Vec::new(),
        minutes: Vec::new(),
        positions: Vec::new(),
        week_start: Weekday::Monday,
    };
    let mut seen: Vec<&str> = Vec::new();
    for part in text.split(';').map(str::trim) {
        let Some((name, value)) = part.split_once('=') else { return Err(E::NotAPart(shown(part))) };
        let name = known(name)?;
        if seen.contains(&name) {
            return Err(E::Twice(name));
        }
        seen.push(name);
        match name {
            "FREQ" => frequency = Some(parse_frequency(value)?),
            "INTERVAL" => rule.interval = number(name, value, "a number from 1 to 1000", |n| (1..=1_000).contains(&n))?,
            "COUNT" => {
                let is_count = |n: u32| (1..=Recurrence::MAX_COUNT).contains(&n);
                let count = number(name, value, "a number from 1 to 1000; without it a series goes on", is_count)?;
                rule.end = end(rule.end, End::Count(count))?;
            }
            "UNTIL" => rule.end = end(rule.end, End::Until(parse_until(value)?))?,
            "BYMONTH" => rule.months = list(name, value, "numbers from 1 to 12", |n| (1..=12).contains(&n))?,
            "BYMONTHDAY" => {
                let allowed = "numbers from 1 to 31, or from -31 to -1, counted from the end";
                rule.month_days = list(name, value, allowed, |n: i8| (-31..=31).contains(&n) && n != 0)?;
            }
            "BYDAY" => rule.days = parse_days(value)?,
            "BYHOUR" => rule.hours = list(name, value, "numbers from 0 to 23", |n| (0..=23).contains(&n))?,
            "BYMINUTE" => rule.minutes = list(name, value, "numbers from 0 to 59", |n| (0..=59).contains(&n))?,
            "BYSETPOS" => {
                let allowed = "numbers from 1 to 366, or from -366 to -1, counted from the end";
                rule.positions = list(name, value, allowed, |n: i16| (-366..=366).contains(&n) && n != 0)?;
            }
            "WKST" => {
                let day = WEEKDAYS.iter().find(|(name, _)| *name == value);
                rule.week_start = day
                    .ok_or(E::Value { part: "WKST", allowed: "one of `MO`, `TU`, `WE`, `TH`, `FR`, `SA` and `SU`" })?
                    .1;
            }
            _ => return Err(unsupported(name)),
        }
    }
    rule.frequency = frequency.ok_or(E::NoFrequency)?;
    check(&rule)?;
    Ok(rule)
}

/// The name as it stands in this program.
fn known(name: &str) -> Result<&'static str, E> {
    const PARTS: [&str; 14] = [
        "FREQ",
        "INTERVAL",
        "COUNT",
        "UNTIL",
        "BYMONTH",
        "BYMONTHDAY",
        "BYDAY",
        "BYHOUR",
        "BYMINUTE",
        "BYSETPOS",
        "WKST",
        "BYSECOND",
        "BYYEARDAY",
        "BYWEEKNO",
    ];
    PARTS.into_iter().find(|part| *part == name).ok_or_else(|| E::UnknownPart(shown(name)))
}

fn unsupported(part: &'static str) -> E {
    let instead = match part {
        "BYSECOND" => "the second is that of `send.at`",
        "BYYEARDAY" => "use `BYMONTH` and `BYMONTHDAY`",
        _ => "use `BYMONTH` and `BYDAY`",
    };
    E::Unsupported { part, instead }
}

fn parse_frequency(value: &str) -> Result<Frequency, E> {
    match value {
        "DAILY" => Ok(Frequency::Daily),
        "WEEKLY" => Ok(Frequency::Weekly),
        "MONTHLY" => Ok(Frequency::Monthly),
        "YEARLY" => Ok(Frequency::Yearly),
        "HOURLY" => Err(E::TooOften("HOURLY")),
        "MINUTELY" => Err(E::TooOften("MINUTELY")),
        "SECONDLY" => Err(E::TooOften("SECONDLY")),
        _ => Err(E::UnknownFrequency),
    }
}

fn end(before: End, end: End) -> Result<End, E> {
    if before == End::Never { Ok(end) } else { Err(E::TwoEnds) }
}

fn parse_until(value: &str) -> Result<Until, E> {
    let wrong = E::Value {
        part: "UNTIL",
        allowed: "a day such as `20261224`, or a moment such as `20261224T090000` or, in UTC, `20261224T080000Z`",
    };
    let until = match value.strip_suffix('Z') {
        Some(utc) => local(utc).and_then(instant).map(Until::Utc),
        None if value.contains('T') => local(value).map(Until::Local),
        None => date(value).map(Until::Day),
    };
    until.ok_or(wrong)
}

fn instant(utc: Civil) -> Option<UnixMs> {
    let at = utc.0.to_zoned_datetime(jiff::tz::TimeZone::UTC).ok()?;
    Some(UnixMs(at.timestamp().as_millisecond()))
}

fn number<N: std::str::FromStr + Copy>(
    part: &'static str,
    value: &str,
    allowed: &'static str,
    is_allowed: impl Fn(N) -> bool,
) -> Result<N, E> {
    // `parse` takes a plus sign, which RFC 5545 has for days alone.
    let number = value.strip_prefix('+').map_or(value, |rest| if rest.starts_with('-') { value } else { rest });
    number.parse().ok().filter(|number| is_allowed(*number)).ok_or(E::Value { part, allowed })
}

fn list<N: std::str::FromStr + Copy + Ord>(
    part: &'static str,
    value: &str,
    allowed: &'static str,
    is_allowed: impl Fn(N) -> bool,
) -> Result<Vec<N>, E> {
    let values: Result<Vec<N>, E> =
        value.split(',').take(2 * 366 + 1).map(|one| number(part, one.trim(), allowed, &is_allowed)).collect();
    let mut values = values?;
    values.sort_unstable();
    values.dedup();
    Ok(values)
}

fn parse_days(value: &str) -> Result<Vec<Day>, E> {
    let wrong = || E::Value { part: "BYDAY", allowed: DAYS };
    let mut days = Vec::new();
    for text in value.split(',').map(str::trim) {
        let (nth, name) = text.split_at_checked(text.len().saturating_sub(2)).ok_or_else(wrong)?;
        let weekday = WEEKDAYS.iter().find(|(known, _)| *known == name).ok_or_else(wrong)?.1;
        let nth =
            if nth.is_empty() { 0 } else { number("BYDAY", nth, DAYS, |n: i8| n != 0 && (-53..=53).contains(&n))? };
        days.push(Day { nth, weekday });
        if days.len() > MAX_VALUES {
            return Err(wrong());
        }
    }
    days.sort_unstable_by_key(|day| (day.weekday.to_monday_zero_offset(), day.nth));
    days.dedup();
    Ok(days)
}

/// What no part shows by itself.
fn check(rule: &Rule) -> Result<(), E> {
    let frequency = rule.frequency;
    let is_counted = rule.days.iter().any(|day| day.nth != 0);
    if is_counted && matches!(frequency, Frequency::Daily | Frequency::Weekly) {
        let instead = "use `FREQ=MONTHLY`, or days without a number";
        return Err(E::NotWith { part: "BYDAY=1MO", frequency: frequency.name(), instead });
    }
    let is_of_month = frequency == Frequency::Monthly || !rule.months.is_empty();
    if is_of_month && rule.days.iter().any(|day| day.nth.abs() > 5) {
        return Err(E::Value { part: "BYDAY", allowed: "at most five of a day in a month: numbers from -5 to 5" });
    }
    if frequency == Frequency::Weekly && !rule.month_days.is_empty() {
        let instead = "use `FREQ=MONTHLY`";
        return Err(E::NotWith { part: "BYMONTHDAY", frequency: frequency.name(), instead });
    }
    let gives = [rule.months.len(), rule.month_days.len(), rule.days.len(), rule.hours.len(), rule.minutes.len()];
    if !rule.positions.is_empty() && gives.iter().all(|given| *given == 0) {
        return Err(E::NothingToChooseFrom);
    }
    Ok(())
}
