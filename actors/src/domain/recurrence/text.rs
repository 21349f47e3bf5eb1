//! The canonical text of a recurrence: what it is shown and stored as, and read back from.

use std::fmt::{self, Display, Formatter, Write as _};

use super::parse::WEEKDAYS;
use super::rule::{Day, End, Rule, Until};
use super::{Civil, Excluded, Recurrence};
use jiff::civil::{Date, Weekday};

pub(super) fn write(recurrence: &Recurrence, f: &mut Formatter<'_>) -> fmt::Result {
    let Recurrence { rule, added, excluded } = recurrence;
    if !added.is_empty() || !excluded.is_empty() {
        f.write_str("RRULE:")?;
    }
    write_rule(rule, f)?;
    if !added.is_empty() {
        f.write_str("\nRDATE:")?;
        write_list(added.iter().map(|at| Basic(*at)), f)?;
    }
    let days =
        || excluded.iter().filter_map(|excluded| if let Excluded::Day(day) = excluded { Some(*day) } else { None });
    let moments =
        || excluded.iter().filter_map(|excluded| if let Excluded::Moment(at) = excluded { Some(*at) } else { None });
    if moments().next().is_some() {
        f.write_str("\nEXDATE:")?;
        write_list(moments().map(Basic), f)?;
    }
    if days().next().is_some() {
        f.write_str("\nEXDATE;VALUE=DATE:")?;
        write_list(days().map(BasicDay), f)?;
    }
    Ok(())
}

/// `20261224`
struct BasicDay(Date);

impl Display for BasicDay {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}{:02}{:02}", self.0.year(), self.0.month(), self.0.day())
    }
}

/// `20261224T090000`
struct Basic(Civil);

impl Display for Basic {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let at = self.0.0;
        write!(f, "{}T{:02}{:02}{:02}", BasicDay(at.date()), at.hour(), at.minute(), at.second())
    }
}

impl Display for Day {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.nth != 0 {
            write!(f, "{}", self.nth)?;
        }
        f.write_str(code(self.weekday))
    }
}

fn code(weekday: Weekday) -> &'static str {
    WEEKDAYS.iter().find(|(_, day)| *day == weekday).map_or("MO", |(code, _)| code)
}

fn write_list<T: Display>(values: impl Iterator<Item = T>, f: &mut Formatter<'_>) -> fmt::Result {
    for (at, value) in values.enumerate() {
        if at > 0 {
            f.write_char(',')?;
        }
        value.fmt(f)?;
    }
    Ok(())
}

fn write_rule(rule: &Rule, f: &mut Formatter<'_>) -> fmt::Result {
    write!(f, "FREQ={}", rule.frequency.name())?;
    if rule.interval != 1 {
        write!(f, ";INTERVAL={}", rule.interval)?;
    }
    match rule.end {
        End::Never => {}
        End::Count(count) => write!(f, ";COUNT={count}")?,
        End::Until(Until::Day(day)) => write!(f, ";UNTIL={}", BasicDay(day))?,
        End::Until(Until::Local(at)) => write!(f, ";UNTIL={}", Basic(at))?,
        End::Until(Until::Utc(at)) => write!(f, ";UNTIL={}", at.to_datetime().format("%Y%m%dT%H%M%SZ"))?,
    }
    write_part("BYMONTH", &rule.months, f)?;
    write_part("BYMONTHDAY", &rule.month_days, f)?;
    write_part("BYDAY", &rule.days, f)?;
    write_part("BYHOUR", &rule.hours, f)?;
    write_part("BYMINUTE", &rule.minutes, f)?;
    write_part("BYSETPOS", &rule.positions, f)?;
    if rule.week_start != Weekday::Monday {
        write!(f, ";WKST={}", code(rule.week_start))?;
    }
    Ok(())
}

fn write_part<T: Display>(name: &str, values: &[T], f: &mut Formatter<'_>) -> fmt::Result {
    if values.is_empty() {
        return Ok(());
    }
    write!(f, ";{name}=")?;
    write_list(values.iter(), f)
}
