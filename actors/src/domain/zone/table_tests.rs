//! Every clock change of every zone from 2020 to 2037, against Python's zoneinfo: `scripts/zones` made the table.

use std::collections::BTreeSet;

use super::*;

/// 2020-01-01 in minutes, where every line of the table begins.
const START: i64 = 26_297_280;
/// 2038-01-01 in minutes, where it ends.
const END: i64 = 35_765_280;

/// A zone, its offset at the beginning, and its changes: the minute, and the offset from then on, in minutes.
struct Line {
    zone: TimeZone,
    first: i64,
    changes: Vec<(i64, i64)>,
}

fn table() -> Vec<Line> {
    let mut lines = include_str!("changes.txt").lines();
    let release = lines.next().and_then(|line| line.strip_prefix("release ")).unwrap();
    assert_eq!(release, tzdb_version(), "the compiled-in rules are of another release: run scripts/zones");
    let mut table = Vec::new();
    while let (Some(zones), Some(changes)) = (lines.next(), lines.next()) {
        let mut parts = changes.strip_prefix("changes ").unwrap().split(' ');
        let first = parts.next().unwrap().parse().unwrap();
        let mut at = START;
        let changes: Vec<(i64, i64)> = parts
            .map(|part| {
                let (minutes, offset) = part.split_once(':').unwrap();
                at += minutes.parse::<i64>().unwrap();
                (at, offset.parse().unwrap())
            })
            .collect();
        for name in zones.strip_prefix("zones ").unwrap().split(' ') {
            table.push(Line { zone: TimeZone::parse(name).unwrap(), first, changes: changes.clone() });
        }
    }
    table
}

fn at(minutes: i64) -> UnixMs {
    UnixMs(minutes * 60_000)
}

/// What a clock shows that is so many minutes ahead, at a second before or behind an instant.
fn shows(minutes: i64, offset: i64, second: i64) -> String {
    UnixMs((minutes + offset) * 60_000 + second * 1_000).to_string().trim_end_matches('Z').to_owned()
}

#[test]
fn the_table_has_every_zone() {
    let table: BTreeSet<String> = table().iter().map(|line| line.zone.name().to_owned()).collect();
    let ours: BTreeSet<String> = TimeZone::names().into_iter().collect();
    assert_eq!(ours.difference(&table).collect::<Vec<_>>(), Vec::<&String>::new());
    assert_eq!(table.difference(&ours).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn the_clocks_are_changed_when_the_other_implementation_says() {
    for Line { zone, first, changes } in table() {
        let offset = |at| i64::from(offset_at(&zone, at).local_minus_utc()) / 60;
        assert_eq!(offset(at(START)), first, "{zone}");
        let (mut found, mut now, mut known) = (Vec::new(), at(START), first);
        while let Some(change) = next_change(&zone, now).filter(|change| *change < at(END)) {
            // A change of the name alone is none of the clock.
            if offset(change) != known {
                known = offset(change);
                found.push((change.0 / 60_000, known));
                assert_eq!(change.0 % 60_000, 0, "{zone}");
            }
            now = change;
        }
        assert_eq!(found, changes, "{zone}");
    }
}

#[test]
fn every_skipped_and_every_repeated_time_is_resolved_by_its_policy() {
    let (mut gaps, mut folds) = (0, 0);
    for Line { zone, first, changes } in table() {
        let mut before = first;
        for (change, after) in changes {
            let length = (after - before).abs();
            let (low, high) = (before.min(after), before.max(after));
            // The first second, one in the middle, the last one.
            for second in [0, length * 30, length * 60 - 1] {
                let local = shows(change, low, second);
                let read = |gap, fold| resolve(&local, &zone, gap, fold);
                let instant = |offset: i64| UnixMs(at(change + low - offset).0 + second * 1_000);
                if after > before {
                    let by = |gap| read(gap, FoldPolicy::Reject);
                    assert_eq!(by(GapPolicy::Forward), Ok((instant(before), Resolution::Gap)), "{zone} {local}");
                    assert_eq!(by(GapPolicy::Backward), Ok((instant(after), Resolution::Gap)), "{zone} {local}");
                    assert_eq!(by(GapPolicy::Reject), Err(WallError::InGap), "{zone} {local}");
                } else {
                    let by = |fold| read(GapPolicy::Reject, fold);
                    assert_eq!(by(FoldPolicy::First), Ok((instant(before), Resolution::Fold)), "{zone} {local}");
                    assert_eq!(by(FoldPolicy::Last), Ok((instant(after), Resolution::Fold)), "{zone} {local}");
                    assert_eq!(by(FoldPolicy::Reject), Err(WallError::InFold), "{zone} {local}");
                }
            }
            // The seconds on both sides exist once.
            for (local, offset, second) in [(shows(change, low, -1), before, -1), (shows(change, high, 0), after, 0)] {
                let expected = if offset == before { low - before } else { high - after };
                let expected = UnixMs(at(change + expected).0 + second * 1_000);
                let read = resolve(&local, &zone, GapPolicy::Reject, FoldPolicy::Reject);
                assert_eq!(read, Ok((expected, Resolution::Exact)), "{zone} {local}");
            }
            if after > before {
                gaps += 1;
            } else {
                folds += 1;
            }
            before = after;
        }
    }
    assert!(gaps > 3_000 && folds > 3_000, "{gaps} gaps, {folds} folds");
}
