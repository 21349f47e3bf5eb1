//! A recurrence in words, for people: "every 2 weeks on Mon and Fri, until 2026-12-24".

use jiff::civil::Weekday;

use super::Recurrence;
use super::rule::{Day, End, Frequency, Until};
use crate::domain::clock::UnixMs;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

impl Recurrence {
    /// What it says, in English.
    #[must_use]
    pub fn in_words(&self) -> String {
        let rule = self.rule();
        let (once, many) = match rule.frequency {
            Frequency::Daily => ("daily", "days"),
            Frequency::Weekly => ("weekly", "weeks"),
            Frequency::Monthly => ("monthly", "months"),
            Frequency::Yearly => ("yearly", "years"),
        };
        let mut out = if rule.interval == 1 { once.to_owned() } else { format!("every {} {many}", rule.interval) };
        if !rule.months.is_empty() {
            let month = |month: &i8| MONTHS[usize::from(month.unsigned_abs().clamp(1, 12)) - 1].to_owned();
            out += &format!(" in {}", listed(rule.months.iter().map(month)));
        }
        if !rule.days.is_empty() {
            out += &format!(" on {}", listed(rule.days.iter().map(day)));
        }
        if !rule.month_days.is_empty() {
            let days = listed(rule.month_days.iter().map(|day| nth(i16::from(*day))));
            out += &format!(" on the {days} of the month");
        }
        if !rule.positions.is_empty() {
            out += &format!(", the {} of these", listed(rule.positions.iter().map(|position| nth(*position))));
        }
        if !rule.hours.is_empty() || !rule.minutes.is_empty() {
            let all = |values: &[i8]| listed(values.iter().map(|value| format!("{value:02}")));
            match (rule.hours.is_empty(), rule.minutes.as_slice()) {
                (false, []) => out += &format!(", in the hours {}", all(&rule.hours)),
                (true, minutes) => out += &format!(", at minute {}", all(minutes)),
                (false, minutes) => out += &format!(", in the hours {} at minute {}", all(&rule.hours), all(minutes)),
            }
        }
        match rule.end {
            End::Never => {}
            End::Count(1) => out += ", once",
            End::Count(count) => out += &format!(", {count} times"),
            End::Until(Until::Day(day)) => out += &format!(", until {day}"),
            End::Until(Until::Local(at)) => out += &format!(", until {} {:.5}", at.0.date(), at.0.time().to_string()),
            End::Until(Until::Utc(at)) => out += &format!(", until {}", minute(at)),
        }
        let dates = |count: usize| if count == 1 { "1 date".to_owned() } else { format!("{count} dates") };
        if !self.excluded.is_empty() {
            out += &format!(", but for {}", dates(self.excluded.len()));
        }
        if !self.added.is_empty() {
            out += &format!(", and on {} more", dates(self.added.len()));
        }
        out
    }
}

fn minute(at: UnixMs) -> String {
    at.to_datetime().format("%Y-%m-%d %H:%M UTC").to_string()
}

fn day(day: &Day) -> String {
    let name = match day.weekday {
        Weekday::Monday => "Mon",
        Weekday::Tuesday => "Tue",
        Weekday::Wednesday => "Wed",
        Weekday::Thursday => "Thu",
        Weekday::Friday => "Fri",
        Weekday::Saturday => "Sat",
        Weekday::Sunday => "Sun",
    };
    if day.nth == 0 { name.to_owned() } else { format!("the {} {name}", nth(i16::from(day.nth))) }
}

/// `1st`, `22nd`, `last`, `3rd last`.
fn nth(number: i16) -> String {
    let from = number.unsigned_abs();
    let suffix = match (from % 100, from % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    match number {
        -1 => "last".to_owned(),
        ..0 => format!("{from}{suffix} last"),
        0.. => format!("{from}{suffix}"),
    }
}

fn listed(values: impl Iterator<Item = String>) -> String {
    let values: Vec<_> = values.collect();
    match values.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}
