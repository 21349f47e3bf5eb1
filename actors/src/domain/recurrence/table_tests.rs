//! Against python-dateutil and zoneinfo: `scripts/recurrence` made the table, RFC 5545's own examples among it.

use super::moments::{Clock, Moment};
use super::*;
use crate::domain::clock::UnixMs;
use crate::domain::schedule::{FoldPolicy, GapPolicy};
use crate::domain::zone::TimeZone;

/// Occurrences of each line.
const SHOWN: usize = 30;

/// The lines between two headings.
fn section(from: &str, to: Option<&str>) -> Vec<&'static str> {
    let lines = include_str!("dateutil.txt").lines();
    let found = lines.skip_while(|line| *line != from).skip(1);
    found.take_while(|line| to != Some(*line)).collect()
}

fn civil(text: &str) -> Civil {
    let (date, time) = text.split_once('T').unwrap();
    format!("{}-{}-{}T{}:{}:{}", &date[..4], &date[4..6], &date[6..], &time[..2], &time[2..4], &time[4..])
        .parse()
        .unwrap()
}

fn read<'a>(parts: &mut impl Iterator<Item = &'a str>) -> (Civil, Recurrence) {
    let start = civil(parts.next().unwrap());
    let text = parts.next().unwrap().replace('|', "\n");
    (start, text.parse().unwrap_or_else(|error| panic!("{text}: {error}")))
}

fn instants(recurrence: &Recurrence, start: Civil, zone: &TimeZone) -> Vec<Moment> {
    let clock = Clock { zone, gap: GapPolicy::Forward, fold: FoldPolicy::First };
    let mut last = None;
    let next = || {
        let moment = moments::next(recurrence, start, last, clock, UnixMs(0))?;
        last = Some((moment.place, moment.at));
        Some(moment)
    };
    std::iter::from_fn(next).take(SHOWN).collect()
}

/// Minutes from the beginning to the first, and from each to the next; a point where there are no more.
fn steps(start: Civil, occurrences: &[Civil]) -> String {
    let mut before = start;
    let mut out: Vec<String> = Vec::new();
    for at in occurrences {
        out.push((at.0.duration_since(before.0).as_secs() / 60).to_string());
        before = *at;
    }
    if occurrences.len() < SHOWN {
        out.push(".".into());
    }
    out.join(" ")
}

#[test]
fn rules_happen_when_the_other_implementation_says() {
    let new_york = TimeZone::parse("America/New_York").unwrap();
    let lines = [section("examples", Some("rules")), section("rules", Some("zones"))].concat();
    assert!(lines.len() > 500);
    for line in lines {
        let mut parts = line.splitn(3, ' ');
        let (start, recurrence) = read(&mut parts);
        let found: Vec<_> = instants(&recurrence, start, &new_york).into_iter().map(|moment| moment.place.at).collect();
        assert_eq!(steps(start, &found), parts.next().unwrap(), "{line}");
    }
}

#[test]
fn occurrences_around_clock_changes_are_at_the_instants_that_zoneinfo_says() {
    let lines = section("zones", None);
    assert!(lines.len() > 200);
    for line in lines {
        let mut parts = line.split(' ');
        let zone = TimeZone::parse(parts.next().unwrap()).unwrap();
        let (start, recurrence) = read(&mut parts);
        let mut at = 0;
        let expected: Vec<i64> = parts
            .map(|step| {
                at += step.parse::<i64>().unwrap();
                at * 60_000
            })
            .collect();
        // The table has what 30 occurrences come to, of which a clock change may make fewer instants.
        let found: Vec<_> = instants(&recurrence, start, &zone).iter().map(|moment| moment.at.0).collect();
        assert_eq!(found[..expected.len()], expected, "{line}");
    }
}

#[test]
fn a_place_in_the_middle_of_a_series_goes_on_as_from_its_beginning() {
    let new_york = TimeZone::parse("America/New_York").unwrap();
    for line in section("rules", Some("zones")) {
        let (start, recurrence) = read(&mut line.split(' '));
        let all = instants(&recurrence, start, &new_york);
        for (nth, moment) in all.iter().enumerate() {
            let after = all[..nth].last().map(|moment| moment.place);
            assert_eq!(recurrence.next(start, after), Some(moment.place), "{line}");
            let reached = recurrence.next_from(start, None, moment.place.at);
            assert_eq!(reached.map(|place| place.at), Some(moment.place.at), "{line}");
        }
    }
}
