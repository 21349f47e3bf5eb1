//! The lanes of a channel by number. There may be ten thousand, so they lie side by side, without the spare
//! room of a tree's nodes.

use super::lane::Lane;
use super::quick_map::QuickMap;
use crate::domain::ids::{AccountNo, LaneNo};

#[derive(Debug, Default)]
pub(super) struct LaneTable {
    places: QuickMap<LaneNo, u32>,
    lanes: Vec<Lane>,
}

impl LaneTable {
    pub(super) fn get(&self, no: LaneNo) -> Option<&Lane> {
        self.places.get(&no).map(|place| &self.lanes[*place as usize])
    }

    pub(super) fn get_mut(&mut self, no: LaneNo) -> Option<&mut Lane> {
        self.places.get(&no).map(|place| &mut self.lanes[*place as usize])
    }

    /// The lane of this number; if there is none, a new one of this account.
    pub(super) fn get_or_add(&mut self, no: LaneNo, account: AccountNo) -> &mut Lane {
        let next = self.lanes.len();
        let place = *self.places.entry(no).or_insert_with(|| u32::try_from(next).expect("lanes have u32 numbers"));
        if place as usize == next {
            if next == self.lanes.capacity() {
                self.lanes.reserve_exact(4 + next / 8);
            }
            self.lanes.push(Lane::new(no, account));
        }
        &mut self.lanes[place as usize]
    }

    pub(super) fn remove(&mut self, no: LaneNo) {
        let Some(place) = self.places.remove(&no) else { return };
        self.lanes.swap_remove(place as usize);
        if let Some(moved) = self.lanes.get(place as usize) {
            self.places.insert(moved.no, place);
        }
    }

    /// All of them, in no particular order, but in the same one for the same history.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Lane> {
        self.lanes.iter_mut()
    }

    /// Bytes on the heap, by capacity, but for what hangs on the lanes.
    pub(super) fn heap_bytes(&self) -> usize {
        self.lanes.capacity() * size_of::<Lane>() + self.places.capacity() * (size_of::<(LaneNo, u32)>() + 1) * 8 / 7
    }
}
