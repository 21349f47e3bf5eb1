//! The order of turns: accounts in a ring, and the lanes of each account in a ring.
//!
//! Each permit turns both rings by one, so an account with a thousand lanes gets as many turns as an
//! account with one. A lane is in its ring only while it may have something to hand over.

use std::collections::VecDeque;

use super::quick_map::QuickMap;
use crate::domain::ids::{AccountNo, LaneNo};

#[derive(Debug, Default)]
pub(super) struct FairRing {
    /// Accounts with a lane in their ring, next first.
    accounts: VecDeque<AccountNo>,
    /// An empty ring is kept: its account soon comes back.
    lanes: QuickMap<AccountNo, VecDeque<LaneNo>>,
}

impl FairRing {
    /// The lane whose turn it is.
    pub(super) fn front(&self) -> Option<LaneNo> {
        let account = self.accounts.front()?;
        self.lanes.get(account).and_then(|ring| ring.front()).copied()
    }

    /// Adds a lane at the end of its account's ring. It must not be in it.
    pub(super) fn push(&mut self, account: AccountNo, lane: LaneNo) {
        let ring = self.lanes.entry(account).or_default();
        if ring.is_empty() {
            self.accounts.push_back(account);
        }
        ring.push_back(lane);
    }

    /// The lane at the front had its turn.
    pub(super) fn turn(&mut self) {
        let Some(account) = self.accounts.pop_front() else { return };
        if let Some(ring) = self.lanes.get_mut(&account) {
            ring.rotate_left(1);
            self.accounts.push_back(account);
        }
    }

    /// The lane at the front leaves; its account keeps its turn.
    pub(super) fn pop(&mut self) {
        let Some(account) = self.accounts.front() else { return };
        let Some(ring) = self.lanes.get_mut(account) else { return };
        ring.pop_front();
        if ring.is_empty() {
            self.accounts.pop_front();
        }
    }

    /// Takes a lane out, wherever it stands. Rare: a lane was removed or changed its account.
    pub(super) fn remove(&mut self, account: AccountNo, lane: LaneNo) {
        let Some(ring) = self.lanes.get_mut(&account) else { return };
        ring.retain(|other| *other != lane);
        if ring.is_empty() {
            self.lanes.remove(&account);
            self.accounts.retain(|other| *other != account);
        }
    }
}
