//! The buckets of destinations (email domains, countries, ranges of numbers), and who waits for which.
//!
//! A ticket whose destination is closed does not stand in its lane's way: it leaves the queue and is *held* in its lane
//! ([`Lines`](super::lines::Lines)), under its destination's key, and the lane goes on with its next one. Here are the
//! lanes that hold something for a key, which take turns at it, and the state of each key:
//!
//! - *open*: to be tried, in turn with the ring of lanes;
//! - *blocked* until a moment: its own bucket's, or the first at which one of its lanes may go;
//! - *idle*: nobody holds anything for it, or none of the lanes that do may go until something happens to one of them,
//!   which opens it again.
//!
//! What is blocked or idle costs nothing, however much is held for it. A lane may stand here that holds nothing any more
//! (its tickets were cancelled): it leaves when its turn comes.
//!
//! A bucket is made when its first ticket comes, as one that has been filling since the lanes began. One that is full,
//! with no permit out that may still be charged more, and that nobody waits for is forgotten, so there are about as many
//! as destinations were used within the time that a bucket takes to fill; the settings bound how many there can be
//! ([`DestinationLimits`]).

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::limits::Gcra;
use super::quick_map::QuickMap;
use super::rotation::{Place, Rotation};
use crate::domain::address::Destination;
use crate::domain::clock::BootUs;
use crate::domain::destination_limits::{DestinationKey, DestinationLimits};

/// Buckets that are kept before full ones are looked for.
const KEPT: usize = 1_024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spot {
    Idle,
    Open,
    Blocked(BootUs),
}

#[derive(Debug)]
struct State {
    bucket: Gcra,
    /// Permits that are out for it.
    permits: u32,
    /// Lanes that hold tickets for it.
    lanes: Rotation,
    spot: Spot,
}

impl State {
    fn is_needed(&self, now: BootUs) -> bool {
        self.permits > 0 || self.lanes.len() > 0 || self.spot != Spot::Idle || !self.bucket.is_full(now)
    }
}

#[derive(Debug)]
pub(super) struct Destinations {
    limits: DestinationLimits,
    since: BootUs,
    states: QuickMap<DestinationKey, State>,
    open: VecDeque<DestinationKey>,
    blocked: BTreeSet<(BootUs, DestinationKey)>,
    /// Full buckets are looked for when there are so many.
    sweep_at: usize,
}

impl Destinations {
    pub(super) fn new(limits: DestinationLimits, now: BootUs) -> Self {
        Self {
            limits,
            since: now,
            states: QuickMap::default(),
            open: VecDeque::new(),
            blocked: BTreeSet::new(),
            sweep_at: KEPT,
        }
    }

    /// What a destination's limit is kept under, if it has one.
    pub(super) fn key(&self, destination: Destination) -> Option<DestinationKey> {
        if self.limits.is_empty() { None } else { self.limits.of(destination).map(|(key, _)| key) }
    }

    /// Makes sure that a destination's bucket is there; its key, if it has a limit.
    pub(super) fn enter(&mut self, destination: Destination, now: BootUs) -> Option<DestinationKey> {
        if self.limits.is_empty() {
            return None;
        }
        let (key, limit) = self.limits.of(destination)?;
        if self.states.len() >= self.sweep_at && !self.states.contains_key(&key) {
            self.states.retain(|_, state| state.is_needed(now));
            self.sweep_at = KEPT + 2 * self.states.len();
        }
        self.states.entry(key).or_insert_with(|| State {
            bucket: Gcra::empty_at(limit, self.since),
            permits: 0,
            lanes: Rotation::default(),
            spot: Spot::Idle,
        });
        Some(key)
    }

    /// How many are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.states.len()
    }

    /// A permit was given for a key that was entered: its bucket stays until that has ended.
    pub(super) fn granted(&mut self, key: DestinationKey) {
        if let Some(state) = self.states.get_mut(&key) {
            state.permits += 1;
        }
    }

    /// A permit for this destination has ended; its key, if it has a limit.
    pub(super) fn ended(&mut self, destination: Destination) -> Option<DestinationKey> {
        let key = self.key(destination)?;
        if let Some(state) = self.states.get_mut(&key) {
            state.permits -= 1;
        }
        Some(key)
    }

    /// The bucket of a key that was entered.
    pub(super) fn bucket_mut(&mut self, key: DestinationKey) -> Option<&mut Gcra> {
        self.states.get_mut(&key).map(|state| &mut state.bucket)
    }

    /// When a destination lets one unit go, if nothing goes before; `None` without a limit or before its first ticket.
    pub(super) fn opens_at(&self, destination: Destination, cost: u16) -> Option<BootUs> {
        self.opens_at_key(self.key(destination)?, cost)
    }

    pub(super) fn opens_at_key(&self, key: DestinationKey, cost: u16) -> Option<BootUs> {
        self.states.get(&key).and_then(|state| state.bucket.opens_at(cost))
    }

    /// Whether some lane waits for it already.
    pub(super) fn has_lanes(&self, key: DestinationKey) -> bool {
        self.states.get(&key).is_some_and(|state| state.lanes.len() > 0)
    }

    /// A lane holds a ticket for it.
    pub(super) fn join(&mut self, key: DestinationKey, place: Place) {
        if let Some(state) = self.states.get_mut(&key) {
            state.lanes.insert(place);
        }
    }

    /// A lane holds nothing for it any more.
    pub(super) fn leave(&mut self, key: DestinationKey, place: Place) {
        if let Some(state) = self.states.get_mut(&key) {
            state.lanes.remove(place);
        }
    }

    fn set(&mut self, key: DestinationKey, spot: Spot) {
        let Some(state) = self.states.get_mut(&key) else { return };
        match std::mem::replace(&mut state.spot, spot) {
            Spot::Idle => {}
            Spot::Blocked(until) => drop(self.blocked.remove(&(until, key))),
            // Only the first one is ever moved on; what is opened again keeps its place.
            Spot::Open => {
                if self.open.front() == Some(&key) {
                    self.open.pop_front();
                } else {
                    self.open.retain(|other| *other != key);
                }
            }
        }
        match spot {
            Spot::Idle => {}
            Spot::Open => self.open.push_back(key),
            Spot::Blocked(until) => drop(self.blocked.insert((until, key))),
        }
    }

    /// It is to be tried: its moment has come, or something happened to one of its lanes.
    pub(super) fn open(&mut self, key: DestinationKey) {
        if self.states.get(&key).is_some_and(|state| state.spot != Spot::Open && state.lanes.len() > 0) {
            self.set(key, Spot::Open);
        }
    }

    /// Another lane waits for it: it is to be tried as soon as its own bucket lets something go. It may be blocked for
    /// longer, by what those that waited before wait for themselves.
    pub(super) fn open_for_another(&mut self, key: DestinationKey, now: BootUs, lead: Duration) {
        let opens_at = self.opens_at_key(key, 1).map_or(now, |at| at.minus(lead));
        match self.states.get(&key).map(|state| state.spot) {
            Some(Spot::Blocked(until)) if opens_at > now => self.set(key, Spot::Blocked(until.min(opens_at))),
            _ => self.open(key),
        }
    }

    /// All that somebody waits for are to be tried. Rare: looks at every one.
    pub(super) fn open_all(&mut self) {
        let mut waited_for: Vec<_> =
            self.states.iter().filter(|(_, state)| state.lanes.len() > 0).map(|(key, _)| *key).collect();
        // A map's order is arbitrary; a replay must see the same one.
        waited_for.sort_unstable();
        for key in waited_for {
            self.open(key);
        }
    }

    /// Those whose moment has come are to be tried.
    pub(super) fn open_until(&mut self, now: BootUs) {
        while let Some((until, key)) = self.blocked.first().copied()
            && until <= now
        {
            self.set(key, Spot::Idle);
            self.open(key);
        }
    }

    /// When this one is to be tried, if nothing happens to one of its lanes before.
    pub(super) fn is_tried_at(&self, key: DestinationKey, now: BootUs) -> Option<BootUs> {
        match self.states.get(&key)?.spot {
            Spot::Idle => None,
            Spot::Open => Some(now),
            Spot::Blocked(until) => Some(until),
        }
    }

    /// When the next one is to be tried.
    pub(super) fn opens_next_at(&self) -> Option<BootUs> {
        self.blocked.first().map(|(until, _)| *until)
    }

    /// Which one is to be tried next.
    pub(super) fn front(&self) -> Option<DestinationKey> {
        self.open.front().copied()
    }

    /// How many lanes wait for it.
    pub(super) fn lanes(&self, key: DestinationKey) -> usize {
        self.states.get(&key).map_or(0, |state| state.lanes.len())
    }

    /// The lane whose turn comes after this one's, or the first in turn.
    pub(super) fn lane_after(&self, key: DestinationKey, place: Option<Place>) -> Option<Place> {
        self.states.get(&key)?.lanes.after(place)
    }

    /// A lane had its turn, and holds more or nothing; another destination is next.
    pub(super) fn turned(&mut self, key: DestinationKey, place: Place, holds_more: bool) {
        let Some(state) = self.states.get_mut(&key) else { return };
        state.lanes.turn(place);
        if !holds_more {
            state.lanes.remove(place);
        }
        let spot = if state.lanes.len() == 0 { Spot::Idle } else { Spot::Open };
        self.set(key, spot);
    }

    /// Nothing goes there until this moment; `None`: until something happens to one of its lanes.
    pub(super) fn block(&mut self, key: DestinationKey, until: Option<BootUs>) {
        self.set(key, until.map_or(Spot::Idle, Spot::Blocked));
    }
}
