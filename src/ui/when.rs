//! Moments as people say them: today, tomorrow, a weekday, a date; in a named place.

use chrono::{Datelike, NaiveDate, NaiveDateTime};
use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::zone::{TimeZone, offset_at};

/// The date and time that clocks of a zone show.
pub(super) fn civil(zone: &TimeZone, at: UnixMs) -> NaiveDateTime {
    at.to_datetime().with_timezone(&offset_at(zone, at)).naive_local()
}

fn day(date: NaiveDate, today: NaiveDate) -> String {
    match date.signed_duration_since(today).num_days() {
        0 => "Today".into(),
        1 => "Tomorrow".into(),
        -1 => "Yesterday".into(),
        _ if date.year() == today.year() => date.format("%a %-d %b").to_string(),
        _ => date.format("%-d %b %Y").to_string(),
    }
}

/// `Tomorrow 09:00`, `Sat 28 Nov 09:00`.
pub(super) fn moment(zone: &TimeZone, at: UnixMs, now: UnixMs) -> String {
    let shown = civil(zone, at);
    format!("{} {}", day(shown.date(), civil(zone, now).date()), shown.format("%H:%M"))
}

/// As short as a list has room for: the time of today, else the day.
pub(super) fn short(zone: &TimeZone, at: UnixMs, now: UnixMs) -> String {
    let (shown, today) = (civil(zone, at), civil(zone, now).date());
    if shown.date() == today { shown.format("%H:%M").to_string() } else { day(shown.date(), today) }
}

/// Where a zone's clocks are: `New York` for `America/New_York`.
pub(super) fn place(zone: &TimeZone) -> String {
    zone.name().rsplit('/').next().unwrap_or_default().replace('_', " ")
}

/// A moment in the contact's zone, and in the viewer's where their clocks show another time.
pub(super) fn in_both(theirs: &TimeZone, mine: &TimeZone, at: UnixMs, now: UnixMs) -> (String, Option<String>) {
    let there = format!("{} in {}", moment(theirs, at, now), place(theirs));
    let differs = offset_at(theirs, at) != offset_at(mine, at);
    (there, differs.then(|| format!("{} your time ({})", moment(mine, at, now), place(mine))))
}

/// `in 22 h`, `in 5 min`; nothing for what has passed.
pub(super) fn ahead(at: UnixMs, now: UnixMs) -> Option<String> {
    let minutes = at.since(now).as_secs().div_ceil(60);
    match minutes {
        0 => None,
        1..60 => Some(format!("in {minutes} min")),
        60..2880 => Some(format!("in {} h", (minutes + 30) / 60)),
        _ => Some(format!("in {} days", (minutes + 720) / 1440)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-12-01T09:00:00Z.
    const NINE: UnixMs = UnixMs(1_796_115_600_000);
    const HOUR: i64 = 3_600_000;

    fn zone(name: &str) -> TimeZone {
        TimeZone::parse(name).unwrap()
    }

    #[test]
    fn a_moment_is_told_by_the_day_of_the_place_where_it_is() {
        let berlin = zone("Europe/Berlin");
        let at = |hours: i64| UnixMs(NINE.0 + hours * HOUR);
        for (hours, text, brief) in [
            (0, "Today 10:00", "10:00"),
            (14, "Tomorrow 00:00", "Tomorrow"),
            (-11, "Yesterday 23:00", "Yesterday"),
            (48, "Thu 3 Dec 10:00", "Thu 3 Dec"),
            (24 * 40, "10 Jan 2027 10:00", "10 Jan 2027"),
        ] {
            assert_eq!((&*moment(&berlin, at(hours), NINE), &*short(&berlin, at(hours), NINE)), (text, brief));
        }
    }

    #[test]
    fn a_second_time_is_only_told_where_clocks_differ() {
        let (berlin, paris, york) = (zone("Europe/Berlin"), zone("Europe/Paris"), zone("America/New_York"));
        let (there, here) = in_both(&york, &berlin, NINE, NINE);
        assert_eq!(there, "Today 04:00 in New York");
        assert_eq!(here.as_deref(), Some("Today 10:00 your time (Berlin)"));
        assert_eq!(in_both(&paris, &berlin, NINE, NINE).1, None);
    }

    #[test]
    fn how_far_ahead_is_told_in_one_unit() {
        let after = |minutes: i64| ahead(UnixMs(NINE.0 + minutes * 60_000), NINE);
        assert_eq!(after(-1), None);
        assert_eq!(after(5).as_deref(), Some("in 5 min"));
        assert_eq!(after(22 * 60).as_deref(), Some("in 22 h"));
        assert_eq!(after(3 * 1440).as_deref(), Some("in 3 days"));
    }
}
