//! The limits that lanes share: one bucket for each account that has a limit, those of destinations, and the channel's.
//!
//! Most installations limit none of them; then a decision pays for a look at two empty maps.

use super::destinations::Destinations;
use super::limits::Gcra;
use super::quick_map::QuickMap;
use super::tokens::Buckets;
use crate::domain::clock::BootUs;
use crate::domain::destination_limits::{DestinationKey, DestinationLimits};
use crate::domain::directory::Limit;
use crate::domain::ids::AccountNo;

#[derive(Debug)]
pub(super) struct SharedLimits {
    channel: Option<Gcra>,
    accounts: QuickMap<AccountNo, Gcra>,
    pub(super) destinations: Destinations,
}

impl SharedLimits {
    /// No account has a limit yet. The channel's bucket starts empty.
    pub(super) fn new(channel: Option<Limit>, destinations: DestinationLimits, now: BootUs) -> Self {
        Self {
            channel: channel.map(|limit| Gcra::empty_at(limit, now)),
            accounts: QuickMap::default(),
            destinations: Destinations::new(destinations, now),
        }
    }

    /// The accounts that have a limit from now on, and no others: the ones for which something changed. A new bucket
    /// starts empty; a changed one keeps what it has earned and what it owes.
    pub(super) fn set_accounts(
        &mut self,
        limits: impl Iterator<Item = (AccountNo, Limit)>,
        now: BootUs,
    ) -> Vec<AccountNo> {
        let mut before = std::mem::take(&mut self.accounts);
        let mut changed = Vec::new();
        for (account, limit) in limits {
            let mut bucket = before.remove(&account);
            if bucket.as_ref().is_none_or(|bucket| bucket.limit() != limit) {
                changed.push(account);
            }
            if let Some(bucket) = &mut bucket {
                bucket.set_limit(limit, now);
            }
            self.accounts.insert(account, bucket.unwrap_or_else(|| Gcra::empty_at(limit, now)));
        }
        changed.extend(before.into_keys());
        // A map's order is arbitrary; a replay must see the same one.
        changed.sort_unstable();
        changed
    }

    fn account(&self, account: AccountNo) -> Option<&Gcra> {
        if self.accounts.is_empty() { None } else { self.accounts.get(&account) }
    }

    /// Whether an account has a limit.
    pub(super) fn is_limited(&self, account: AccountNo) -> bool {
        self.account(account).is_some()
    }

    /// The buckets of a ticket in a lane of this account, to a destination of this key.
    pub(super) fn with<'a>(
        &'a mut self,
        lane: Option<&'a mut Gcra>,
        account: AccountNo,
        key: Option<DestinationKey>,
    ) -> Buckets<'a> {
        let account = if self.accounts.is_empty() { None } else { self.accounts.get_mut(&account) };
        let destination = key.and_then(|key| self.destinations.bucket_mut(key));
        Buckets([lane, account, destination, self.channel.as_mut()])
    }

    /// The same, to look at, without the lane's and the destination's.
    pub(super) fn of(&self, account: AccountNo) -> impl Iterator<Item = &Gcra> {
        self.account(account).into_iter().chain(&self.channel)
    }
}
