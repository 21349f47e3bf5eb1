//! Who waits for a destination: accounts take turns, and in each its lanes, as in the ring of all lanes (`fair`). Other
//! than there, a lane that may not go now is passed over and keeps its place.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{self, Excluded, Included, Unbounded};

use crate::domain::ids::{AccountNo, LaneNo};

/// A lane, and the account for which it stands here.
pub(super) type Place = (AccountNo, LaneNo);

/// The lanes of one account.
#[derive(Debug)]
struct Lanes {
    /// Never empty.
    all: BTreeSet<LaneNo>,
    /// The one that had the last turn, or lower than that.
    last: LaneNo,
}

#[derive(Debug, Default)]
pub(super) struct Rotation {
    accounts: BTreeMap<AccountNo, Lanes>,
    /// The account that had the last turn.
    last: AccountNo,
    len: usize,
}

/// What comes after `one` (`None`: what is first) in the round that ends with `last`.
fn after<T: Ord + Copy>(one: Option<T>, last: T, first_in: impl Fn((Bound<T>, Bound<T>)) -> Option<T>) -> Option<T> {
    match one {
        Some(one) if one <= last => first_in((Excluded(one), Included(last))),
        Some(one) => first_in((Excluded(one), Unbounded)).or_else(|| first_in((Unbounded, Included(last)))),
        None => first_in((Excluded(last), Unbounded)).or_else(|| first_in((Unbounded, Included(last)))),
    }
}

impl Lanes {
    fn after(&self, lane: Option<LaneNo>) -> Option<LaneNo> {
        after(lane, self.last, |range| self.all.range(range).next().copied())
    }
}

impl Rotation {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Adds a lane, unless it is here.
    pub(super) fn insert(&mut self, (account, lane): Place) {
        let lanes = self.accounts.entry(account).or_insert_with(|| Lanes { all: BTreeSet::new(), last: LaneNo(0) });
        self.len += usize::from(lanes.all.insert(lane));
    }

    pub(super) fn remove(&mut self, (account, lane): Place) {
        let Some(lanes) = self.accounts.get_mut(&account) else { return };
        self.len -= usize::from(lanes.all.remove(&lane));
        if lanes.all.is_empty() {
            self.accounts.remove(&account);
        }
    }

    /// The lane after this one in the round that is under way, or the first of the round.
    pub(super) fn after(&self, place: Option<Place>) -> Option<Place> {
        let next_lane = |(account, lane): Place| {
            let lane = self.accounts.get(&account)?.after(Some(lane))?;
            Some((account, lane))
        };
        place.and_then(next_lane).or_else(|| {
            let last = place.map(|(account, _)| account);
            let account = after(last, self.last, |range| self.accounts.range(range).next().map(|(no, _)| *no))?;
            Some((account, self.accounts[&account].after(None)?))
        })
    }

    /// A lane had its turn: the next round begins after its account, and in that after this lane.
    pub(super) fn turn(&mut self, (account, lane): Place) {
        self.last = account;
        if let Some(lanes) = self.accounts.get_mut(&account) {
            lanes.last = lane;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(places: &[(u32, u32)]) -> Rotation {
        let mut rotation = Rotation::default();
        places.iter().for_each(|(account, lane)| rotation.insert((AccountNo(*account), LaneNo(*lane))));
        rotation
    }

    /// A whole round, without a turn.
    fn round(rotation: &Rotation) -> Vec<u32> {
        let places = std::iter::successors(rotation.after(None), |place| rotation.after(Some(*place)));
        places.map(|(_, lane)| lane.0).collect()
    }

    #[test]
    fn accounts_take_turns_however_many_lanes_they_have() {
        let mut rotation = of(&[(1, 10), (1, 11), (1, 12), (2, 20), (3, 30)]);
        let mut turns = Vec::new();
        for _ in 0..9 {
            let place = rotation.after(None).unwrap();
            rotation.turn(place);
            turns.push(place.1.0);
        }
        assert_eq!(turns, [10, 20, 30, 11, 20, 30, 12, 20, 30]);
        assert_eq!(of(&[]).after(None), None);
    }

    #[test]
    fn a_round_looks_at_everyone_once_wherever_it_begins_and_whoever_leaves() {
        let mut rotation = of(&[(1, 10), (1, 11), (2, 20), (3, 30), (1, 11)]);
        assert_eq!((rotation.len(), round(&rotation)), (5 - 1, vec![10, 11, 20, 30]));
        rotation.turn((AccountNo(1), LaneNo(10)));
        rotation.turn((AccountNo(2), LaneNo(20)));
        assert_eq!(round(&rotation), [30, 11, 10, 20]);
        let first = rotation.after(None).unwrap();
        rotation.remove(first);
        assert_eq!(rotation.after(Some(first)), Some((AccountNo(1), LaneNo(11))));
        rotation.remove((AccountNo(1), LaneNo(11)));
        assert_eq!((rotation.len(), round(&rotation)), (2, vec![10, 20]));
    }
}
