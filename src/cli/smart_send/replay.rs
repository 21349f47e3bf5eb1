//! The protocol: which moments are judged, what each strategy chooses there, and what was a hit.
//!
//! Events and moments are walked in order of time: a strategy is asked before it is shown anything that happened
//! at or after the moment. Only the population's best hour is fixed beforehand, from the events before the split.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::habit::{Habit, Profile, choose};

use super::events::Event;
use super::interval::{self, Estimate};

/// Longest window.
pub(super) const MAX_WINDOW_HOURS: usize = 168;
/// The strategies, as they are told; the last is compared with the others.
pub(super) const STRATEGIES: [&str; 6] = ["now", "random", "population", "own_24h", "own_168h", "sendwheel"];

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
const WEEK_HOURS: usize = 168;
/// Events that a contact needs to be looked at.
const MIN_EVENTS: usize = 20;
/// Events that a contact needs before a moment.
const MIN_PAST: usize = 5;
/// Moments of each contact and day.
const DRAWS: usize = 12;

/// What can be chosen about a replay.
#[derive(Debug, Clone, Copy)]
pub(super) struct Protocol {
    /// Candidates are the first so many full hours after a moment, itself included.
    pub(super) window_hours: usize,
    pub(super) seed: u64,
}

/// What a replay found.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Report {
    /// Each strategy's hit rate.
    pub(super) rates: Vec<(&'static str, Estimate)>,
    /// Sendwheel's hit rate less that of each other strategy.
    pub(super) lifts: Vec<(&'static str, Estimate)>,
    pub(super) moments: u64,
    /// Contacts with a moment.
    pub(super) contacts: usize,
    /// Events looked at.
    pub(super) events: usize,
}

/// Nothing to judge.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ReplayError {
    #[error("no contact has {MIN_EVENTS} events or more: give a longer history")]
    NoContacts,
    #[error("no moment can be judged: give a history of a week or more, with activity in its last 40 %")]
    NoMoments,
}

/// A moment to be judged.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Moment {
    second: i64,
    contact: u32,
    /// The candidate of strategy `random`.
    random: usize,
    /// Which candidates are followed by activity within the hour.
    hits: [u64; 3],
}

impl Moment {
    const fn is_hit(&self, candidate: usize) -> bool {
        self.hits[candidate / 64] >> (candidate % 64) & 1 == 1
    }
}

/// What the strategies choose at each moment, in order of the moments.
struct Choices {
    moments: Vec<Moment>,
    chosen: Vec<[usize; STRATEGIES.len()]>,
    contacts: usize,
    events: usize,
}

/// Replays a history.
pub(super) fn replay(events: &[Event], protocol: Protocol) -> Result<Report, ReplayError> {
    let choices = choices(events, protocol)?;
    let mut hits = vec![[0.0; STRATEGIES.len()]; choices.contacts];
    let mut tries = vec![0.0; choices.contacts];
    for (moment, chosen) in choices.moments.iter().zip(&choices.chosen) {
        let contact = moment.contact as usize;
        tries[contact] += 1.0;
        for (sum, candidate) in hits[contact].iter_mut().zip(chosen) {
            *sum += f64::from(u8::from(moment.is_hit(*candidate)));
        }
    }
    let last = STRATEGIES.len() - 1;
    let of = |gain: &dyn Fn(&[f64; STRATEGIES.len()]) -> f64, bounds| {
        let pairs: Vec<_> = hits.iter().map(gain).zip(tries.iter().copied()).collect();
        interval::ratio(pairs.into_iter(), bounds)
    };
    Ok(Report {
        rates: STRATEGIES.iter().enumerate().map(|(at, name)| (*name, of(&|sums| sums[at], [0.0, 1.0]))).collect(),
        lifts: STRATEGIES[..last]
            .iter()
            .enumerate()
            .map(|(at, name)| (*name, of(&|sums| sums[last] - sums[at], [-1.0, 1.0])))
            .collect(),
        moments: choices.moments.len() as u64,
        contacts: tries.iter().filter(|tries| **tries > 0.0).count(),
        events: choices.events,
    })
}

fn choices(events: &[Event], protocol: Protocol) -> Result<Choices, ReplayError> {
    let mut events = events.to_vec();
    events.sort_unstable();
    events.dedup();
    let (Some(first), Some(last)) = (events.first(), events.last()) else { return Err(ReplayError::NoContacts) };
    // 0.6 of the span in whole numbers: the same on every machine.
    let split = first.second + (last.second - first.second) * 3 / 5;
    // The last window, and the hour after its last candidate, must lie in the history.
    let until = last.second - (2 * DAY).max(protocol.window_hours as i64 * HOUR + DAY);

    let contacts = events.iter().map(|event| event.contact as usize + 1).max().unwrap_or(0);
    let mut seconds: Vec<Vec<i64>> = vec![Vec::new(); contacts];
    for event in &events {
        seconds[event.contact as usize].push(event.second);
    }
    events.retain(|event| seconds[event.contact as usize].len() >= MIN_EVENTS);
    if events.is_empty() {
        return Err(ReplayError::NoContacts);
    }
    let moments = moments(&seconds, split, until, protocol);
    if moments.is_empty() {
        return Err(ReplayError::NoMoments);
    }
    let chosen = choose_all(&events, &moments, contacts, split, protocol.window_hours);
    Ok(Choices { moments, chosen, contacts, events: events.len() })
}

/// The moments to be judged, by time.
fn moments(seconds: &[Vec<i64>], split: i64, until: i64, protocol: Protocol) -> Vec<Moment> {
    let mut rng = StdRng::seed_from_u64(protocol.seed);
    let mut moments = Vec::new();
    for (contact, seconds) in seconds.iter().enumerate().filter(|(_, seconds)| seconds.len() >= MIN_EVENTS) {
        let mut day = split;
        while day < until {
            for _ in 0..DRAWS {
                let second = day + rng.random_range(0..DAY);
                let random = rng.random_range(0..protocol.window_hours);
                let past = seconds.partition_point(|of_event| *of_event < second);
                let mut hits = [0; 3];
                for of_event in &seconds[past..] {
                    // At or after the moment, so not negative.
                    let hour = ((of_event - second) / HOUR) as usize;
                    if hour >= protocol.window_hours {
                        break;
                    }
                    hits[hour / 64] |= 1 << (hour % 64);
                }
                if past >= MIN_PAST && hits != [0; 3] {
                    moments.push(Moment { second, contact: contact as u32, random, hits });
                }
            }
            day += DAY;
        }
    }
    moments.sort_by_key(|moment| (moment.second, moment.contact));
    moments
}

/// What is known of a contact so far.
#[derive(Clone)]
struct Past {
    week: [u32; WEEK_HOURS],
    day: [u32; 24],
    habit: Habit,
}

fn choose_all(
    events: &[Event],
    moments: &[Moment],
    contacts: usize,
    split: i64,
    window: usize,
) -> Vec<[usize; STRATEGIES.len()]> {
    let mut population = [0_u32; WEEK_HOURS];
    for event in events.iter().filter(|event| event.second < split) {
        population[bin(event.second)] += 1;
    }
    let empty = Past { week: [0; WEEK_HOURS], day: [0; 24], habit: Habit::default() };
    let mut pasts = vec![empty; contacts];
    let mut profile = Profile::default();
    let mut coming = events.iter().peekable();
    let mut candidates = Vec::with_capacity(window);
    moments
        .iter()
        .map(|moment| {
            while let Some(event) = coming.next_if(|event| event.second < moment.second) {
                let past = &mut pasts[event.contact as usize];
                let bin = bin(event.second);
                past.week[bin] += 1;
                past.day[bin % 24] += 1;
                past.habit.saw(UnixMs(event.second * 1_000), &mut profile);
            }
            let past = &pasts[moment.contact as usize];
            candidates.clear();
            candidates.extend((0..window as i64).map(|hour| UnixMs((moment.second + hour * HOUR) * 1_000)));
            let now = UnixMs(moment.second * 1_000);
            let best = |counts: &[u32]| most(window, |hour| counts[(bin(moment.second) + hour) % counts.len()]);
            // There is a candidate, since a window has an hour or more.
            let sendwheel = choose(&past.habit, &profile, now, &candidates).map_or(0, |choice| choice.index);
            [0, moment.random, best(&population), best(&past.day), best(&past.week), sendwheel]
        })
        .collect()
}

/// The first of the hours with the highest count.
fn most(window: usize, count: impl Fn(usize) -> u32) -> usize {
    (0..window).rev().max_by_key(|hour| count(*hour)).unwrap_or(0)
}

/// The hour of the week, counted like the days since 1970: from a Thursday.
fn bin(second: i64) -> usize {
    // A remainder by 168 lies in 0..168.
    second.div_euclid(HOUR).rem_euclid(WEEK_HOURS as i64) as usize
}

#[cfg(test)]
mod tests;
