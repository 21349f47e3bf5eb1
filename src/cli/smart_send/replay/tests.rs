//! Small histories whose figures can be reckoned by hand.

use super::*;

/// A Monday, 00:00.
const MONDAY: i64 = 1_699_833_600;

fn event(contact: u32, second: i64) -> Event {
    Event { second, contact }
}

fn day_of_nine(contact: u32, days: std::ops::Range<i64>) -> impl Iterator<Item = Event> {
    days.map(move |day| event(contact, MONDAY + day * DAY + 9 * HOUR + 1_800))
}

fn protocol(window_hours: usize) -> Protocol {
    Protocol { window_hours, seed: 1 }
}

fn rate(report: &Report, name: &str) -> f64 {
    report.rates.iter().find(|(of, _)| *of == name).unwrap().1.value
}

#[test]
fn who_is_active_at_nine_every_day_is_met_at_nine() {
    // Only the candidate within the hour before 09:30 hits; the bins of the hours cut it at 09:00, so that a
    // histogram picks the candidate from 09:00 to 10:00, which misses when it is past 09:30.
    let events: Vec<_> = (0..3).flat_map(|contact| day_of_nine(contact, 0..60)).collect();
    let report = replay(&events, protocol(24)).unwrap();
    assert_eq!((report.contacts, report.events), (3, 180));
    // From the split at day 35.4 to two days before the end: 22 days, begun ones too, each with 12 moments. In
    // every window of 24 hours there is one 09:30, so none is skipped.
    assert_eq!(report.moments, 3 * 22 * 12);
    // One hour of 24.
    for name in ["now", "random"] {
        assert!((rate(&report, name) - 1.0 / 24.0).abs() < 0.03, "{name} {}", rate(&report, name));
    }
    for name in ["own_24h", "sendwheel"] {
        assert!((0.4..=1.0).contains(&rate(&report, name)), "{name} {}", rate(&report, name));
    }
}

#[test]
fn an_event_counts_once_and_a_contact_under_twenty_not_at_all() {
    let mut events: Vec<_> = day_of_nine(0, 0..60).collect();
    let once = replay(&events, protocol(24)).unwrap();
    events.extend(day_of_nine(0, 0..60));
    // Nineteen events, told twice.
    events.extend(day_of_nine(1, 30..49).chain(day_of_nine(1, 30..49)));
    assert_eq!(replay(&events, protocol(24)).unwrap(), once);
    events.extend(day_of_nine(1, 49..50));
    assert_eq!(replay(&events, protocol(24)).unwrap().contacts, 2);
}

#[test]
fn moments_without_activity_or_past_are_left_out() {
    // Active until day 30 and once on day 60: between, no window holds anything but the last.
    let mut events: Vec<_> = day_of_nine(0, 0..30).collect();
    events.push(event(1, MONDAY + 60 * DAY));
    assert_eq!(replay(&events, protocol(24)), Err(ReplayError::NoMoments));
    // Begins on day 50: five events are past from day 55 on.
    let mut events: Vec<_> = day_of_nine(0, 50..80).collect();
    events.push(event(1, MONDAY));
    let all = choices(&events, protocol(24)).unwrap();
    let first = all.moments.first().unwrap().second;
    assert!(first > MONDAY + 54 * DAY + 9 * HOUR + 1_800, "{first}");
    assert!(first < MONDAY + 56 * DAY, "{first}");
}

#[test]
fn no_strategy_peeks() {
    let events: Vec<_> = (0..4)
        .flat_map(|contact| {
            (0..700).map(move |at| event(contact, MONDAY + at * 7_919 + i64::from(contact) * 5_003 + (at * at) % 4_001))
        })
        .collect();
    let before = choices(&events, protocol(24)).unwrap();
    let cut = MONDAY + 50 * DAY;
    // The span stays, and with it the moments; all after the cut is moved by half a day.
    let end = events.iter().map(|event| event.second).max().unwrap();
    let changed: Vec<_> = events
        .iter()
        .map(|of| if of.second >= cut { event(of.contact, (of.second + DAY / 2).min(end)) } else { *of })
        .collect();
    let after = choices(&changed, protocol(24)).unwrap();
    let early = |choices: &Choices| -> std::collections::BTreeMap<(i64, u32), [usize; 6]> {
        let pairs = choices.moments.iter().zip(&choices.chosen).filter(|(moment, _)| moment.second <= cut);
        pairs.map(|(moment, chosen)| ((moment.second, moment.contact), *chosen)).collect()
    };
    let (before, after) = (early(&before), early(&after));
    let both: Vec<_> = before.iter().filter_map(|(key, chosen)| Some((chosen, after.get(key)?))).collect();
    assert!(both.len() > 500, "{}", both.len());
    assert!(both.iter().all(|(one, other)| one == other));
}

#[test]
fn the_same_seed_gives_the_same_figures_whatever_the_order_of_the_rows() {
    let mut events: Vec<_> = (0..3).flat_map(|contact| day_of_nine(contact, 0..60)).collect();
    let once = replay(&events, protocol(24)).unwrap();
    events.reverse();
    assert_eq!(replay(&events, protocol(24)).unwrap(), once);
    let other = Protocol { window_hours: 24, seed: 2 };
    assert_ne!(replay(&events, other).unwrap(), once);
}

#[test]
fn a_longer_window_has_more_candidates() {
    let events: Vec<_> = (0..3).flat_map(|contact| day_of_nine(contact, 0..60)).collect();
    let all = choices(&events, protocol(72)).unwrap();
    let hits = all.moments.iter().map(|moment| (0..72).filter(|at| moment.is_hit(*at)).count());
    assert!(hits.clone().all(|count| count == 3), "{:?}", hits.max());
    assert!(all.chosen.iter().flatten().all(|candidate| *candidate < 72));
    assert!(all.chosen.iter().any(|chosen| chosen[1] >= 24));
}

#[test]
fn a_history_that_says_nothing_is_refused() {
    assert_eq!(replay(&[], protocol(24)), Err(ReplayError::NoContacts));
    let few: Vec<_> = day_of_nine(0, 0..19).collect();
    assert_eq!(replay(&few, protocol(24)), Err(ReplayError::NoContacts));
    let within_a_minute: Vec<_> = (0..40).map(|at| event(0, MONDAY + at)).collect();
    assert_eq!(replay(&within_a_minute, protocol(24)), Err(ReplayError::NoMoments));
}
