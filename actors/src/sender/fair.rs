//! The order of turns: accounts in a ring, and the lanes of each account in a ring.
//!
//! Each permit turns both rings by one, so an account with a thousand lanes gets as many turns as an
//! account with one. A lane is in its ring only while it may have something to hand over. An account whose
//! limit is reached leaves the ring of accounts as a whole until its moment, with its own ring as it stands:
//! that costs the same for a thousand lanes as for one, and the lane whose turn it was has it still.

use std::collections::{BTreeSet, VecDeque};

use super::quick_map::QuickMap;
use crate::domain::clock::BootUs;
use crate::domain::ids::{AccountNo, LaneNo};

/// The lanes of one account.
#[derive(Debug, Default)]
struct Ring {
    lanes: VecDeque<LaneNo>,
    /// Until when the account's limit keeps it out of the ring of accounts.
    blocked_until: Option<BootUs>,
}

#[derive(Debug, Default)]
pub(super) struct FairRing {
    /// Accounts with a lane in their ring that are not blocked, next first.
    accounts: VecDeque<AccountNo>,
    /// An empty ring is kept: its account soon comes back.
    rings: QuickMap<AccountNo, Ring>,
    /// Blocked accounts, with lanes or without.
    blocked: BTreeSet<(BootUs, AccountNo)>,
}

impl FairRing {
    /// The lane whose turn it is.
    pub(super) fn front(&self) -> Option<LaneNo> {
        let account = self.accounts.front()?;
        self.rings.get(account).and_then(|ring| ring.lanes.front()).copied()
    }

    /// Adds a lane at the end of its account's ring. It must not be in it.
    pub(super) fn push(&mut self, account: AccountNo, lane: LaneNo) {
        let ring = self.rings.entry(account).or_default();
        if ring.lanes.is_empty() && ring.blocked_until.is_none() {
            self.accounts.push_back(account);
        }
        ring.lanes.push_back(lane);
    }

    /// The lane at the front had its turn.
    pub(super) fn turn(&mut self) {
        let Some(account) = self.accounts.pop_front() else { return };
        if let Some(ring) = self.rings.get_mut(&account) {
            ring.lanes.rotate_left(1);
            self.accounts.push_back(account);
        }
    }

    /// The lane at the front leaves; its account keeps its turn.
    pub(super) fn pop(&mut self) {
        let Some(account) = self.accounts.front() else { return };
        let Some(ring) = self.rings.get_mut(account) else { return };
        ring.lanes.pop_front();
        if ring.lanes.is_empty() {
            self.accounts.pop_front();
        }
    }

    /// The account at the front leaves until this moment, with all of its lanes.
    pub(super) fn block(&mut self, until: BootUs) {
        let Some(account) = self.accounts.pop_front() else { return };
        self.rings.entry(account).or_default().blocked_until = Some(until);
        self.blocked.insert((until, account));
    }

    /// An account leaves until this moment, wherever it stands. Rare: looks at every account with a turn.
    pub(super) fn block_account(&mut self, account: AccountNo, until: BootUs) {
        self.unblock(account);
        self.accounts.retain(|other| *other != account);
        self.rings.entry(account).or_default().blocked_until = Some(until);
        self.blocked.insert((until, account));
    }

    /// A blocked account comes back, if it is one.
    pub(super) fn unblock(&mut self, account: AccountNo) {
        // Most have no limit, and none is blocked.
        if self.blocked.is_empty() {
            return;
        }
        let Some(ring) = self.rings.get_mut(&account) else { return };
        let Some(until) = ring.blocked_until.take() else { return };
        self.blocked.remove(&(until, account));
        if !ring.lanes.is_empty() {
            self.accounts.push_back(account);
        }
    }

    /// Accounts whose moment has come are back.
    pub(super) fn unblock_until(&mut self, now: BootUs) {
        while let Some((until, account)) = self.blocked.first().copied()
            && until <= now
        {
            self.unblock(account);
        }
    }

    /// Until when an account is blocked, if it is.
    pub(super) fn blocked_until(&self, account: AccountNo) -> Option<BootUs> {
        self.rings.get(&account).and_then(|ring| ring.blocked_until)
    }

    /// When the first blocked account comes back.
    pub(super) fn unblocks_at(&self) -> Option<BootUs> {
        self.blocked.first().map(|(until, _)| *until)
    }

    /// Takes a lane out, wherever it stands. Rare: a lane was removed or changed its account.
    pub(super) fn remove(&mut self, account: AccountNo, lane: LaneNo) {
        let Some(ring) = self.rings.get_mut(&account) else { return };
        ring.lanes.retain(|other| *other != lane);
        if ring.lanes.is_empty() {
            self.accounts.retain(|other| *other != account);
            if ring.blocked_until.is_none() {
                self.rings.remove(&account);
            }
        }
    }
}
