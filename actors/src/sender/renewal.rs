//! Permits that have become too old to be used as they stand: looked at again when their envelope could go.
//!
//! A permit's tokens are good for [`LanesSettings::permit_ttl`](super::terms::LanesSettings) from their
//! moment on, which keeps each limit over every window (I6). A claim that is committed slowly comes back
//! later than that. Undoing it would have the message claimed, too late, and undone again for ever. So its
//! tokens are renewed: the old ones go back where nothing was taken since, new ones are taken at the first
//! moment at which all limits allow. They are the message's own: nobody else takes that moment from it, so
//! it waits once, and then it goes. Tokens that did not go back are lost, and the lane with them by one
//! moment; that is why permits are given ahead of their moment by what claims take ([`Lanes::set_lead`]).
//!
//! What would stop a new permit stops an old one too: pause, draining, an open breaker, a cancel, a sender
//! that is gone.

use super::breaker::Pass;
use super::lanes::Lanes;
use super::terms::Renewal;
use crate::domain::clock::BootUs;
use crate::domain::ids::LaneNo;

impl Lanes {
    /// Looks at a permit again whose envelope could go now. One that is good still keeps its moment; one
    /// whose tokens are too old gets new ones, of a moment not after `latest`.
    pub fn renew(&mut self, permit: u64, now: BootUs, latest: BootUs) -> Renewal {
        let Some(held) = self.permits.get_mut(permit) else { return Renewal::Refused };
        let lane = self.lanes.get_mut(held.ticket.lane).expect("a lane outlives its permits");
        let passes = match lane.pass(now) {
            Pass::Free => true,
            Pass::ProbeUnderWay(probe) => probe == permit,
            Pass::Probe | Pass::NotBefore(_) => false,
        };
        if self.is_draining || lane.is_paused || lane.is_without_sender || held.is_cancelled || !passes {
            return Renewal::Refused;
        }
        let key = self.shared.destinations.key(held.ticket.destination);
        let mut buckets = self.shared.with(lane.bucket.as_deref_mut(), held.ticket.account, key);
        if now <= held.slot.plus(self.settings.permit_ttl) && buckets.honour(&held.tokens) {
            return Renewal::Slot(held.slot);
        }
        buckets.give_back(std::mem::take(&mut held.tokens));
        let renewal = match buckets.take(held.ticket.cost, now, latest) {
            Ok((slot, tokens)) => {
                (held.slot, held.tokens) = (slot, tokens);
                Renewal::Slot(slot)
            }
            Err(_) => Renewal::Refused,
        };
        // The new moment may be the earlier one: whoever waits for these limits has an earlier one, too.
        let (no, account) = (held.ticket.lane, held.ticket.account);
        self.units_came_back(no, account, key);
        self.wake(no);
        renewal
    }

    /// Whether a permit's message was cancelled since.
    #[must_use]
    pub fn is_cancelled(&self, permit: u64) -> bool {
        self.permits.get(permit).is_some_and(|held| held.is_cancelled)
    }

    /// The lane's sender is gone. It runs on without a limit: each ticket's last check holds its message.
    /// What was claimed before is not handed over any more, unless its permit is still good.
    pub fn sender_is_gone(&mut self, lane: LaneNo) {
        let Some(state) = self.lanes.get_mut(lane) else { return };
        if state.is_without_sender {
            return;
        }
        state.is_without_sender = true;
        state.is_paused = false;
        state.bucket = None;
        self.wake(lane);
        self.wake_held(lane);
    }
}
