//! From a permit to its settled outcome: which permits are given, which envelope goes out when. Pure; the
//! pool's actor carries messages to and fro.
//!
//! A permit is with its contact first, for the last check and the claim. Its envelope comes back and waits
//! for its moment and for a worker, whose outcome is kept until its settling is acknowledged. Permits under
//! way are bounded by the workers plus a measured read-ahead ([`Allowance`]).
//!
//! **Slow claims.** How long a claim takes is up to the store. Three rules keep every limit (I6) whatever
//! it takes, and let messages make progress:
//! 1. A limited lane gives its permits ahead of their moment by what claims take lately, so that an
//!    envelope is back in time. One that is early waits, with its tokens.
//! 2. An envelope that could go but was last looked at longer ago than a permit's time to live is looked at
//!    again: its lane may have been paused since. If its tokens are too old, they are renewed
//!    ([`Lanes::renew`]): it goes at once, or waits for the first moment that its limits have left. It
//!    keeps that moment, whatever comes later, and a class or contact keeps its order, since nobody else
//!    of them has a permit meanwhile.
//! 3. Only what cannot go while its claim is good ([`CLAIM_MARGIN`], counted from when it was asked for),
//!    or whose lane stands still, goes back unsent: no attempt is counted, and its ticket returns to its
//!    place, before all that came later.
//!
//! Why nothing starves: the latest permit of a lane gets its old tokens back, so it is renewed at once;
//! every earlier one stands before all that will be asked for later. So each moment that a limit allows is
//! taken by a message that is claimed and goes, except for those that were lost to claims slower than
//! lately, and rule 1 learns from each of these.
//!
//! If the process dies, permits die with it: the claims that were made are met again as another boot's.

use std::collections::BTreeMap;
use std::time::Duration;

use super::allowance::Allowance;
use super::lanes::{Lanes, Next, Permit, Release, Renewal};
use super::quick_map::QuickMap;
use crate::contact::command::{AttemptEnd, AttemptFinished, CLAIM_MARGIN, PermitGranted};
use crate::domain::clock::{BootUs, UnixMs};
use crate::domain::ids::ContactId;
use crate::domain::ticket::Ticket;
use crate::domain::verdict::Verdict;

/// An outcome that was not acknowledged is told again after this long.
pub(super) const TELL_AGAIN: Duration = Duration::from_secs(2);

/// Where a permit is.
#[derive(Debug)]
enum Phase {
    /// With its contact, for the last check and the claim.
    Asked,
    /// Its envelope waits for a worker, which may have it from this moment on.
    Ready(BootUs),
    /// A worker has it.
    Sending,
    /// Its attempt is over; the contact was told at this moment and has not settled it yet.
    Ended { finished: Box<AttemptFinished>, told_at: BootUs },
}

#[derive(Debug)]
struct UnderWay {
    ticket: Ticket,
    /// The moment of its tokens.
    slot: BootUs,
    asked_at: BootUs,
    looked_at: BootUs,
    /// Few others were being claimed when it was asked for: they did not slow its claim down.
    is_lone: bool,
    /// When its envelope came, until its first turn.
    claimed_at: Option<BootUs>,
    attempt: u16,
    phase: Phase,
}

/// An envelope that goes out now.
#[derive(Debug)]
pub(super) struct HandOver<E> {
    pub(super) worker: usize,
    pub(super) permit: u64,
    pub(super) ticket: Ticket,
    pub(super) envelope: E,
    /// Nothing is begun after this. It is not after the claim's own.
    pub(super) deadline: BootUs,
}

/// An envelope's turn has come.
#[derive(Debug)]
#[must_use]
pub(super) enum Begin<E> {
    /// A worker gets it.
    HandOver(HandOver<E>),
    /// It goes back unsent: this permit's attempt is to be ended as not started.
    Undo(u64),
}

/// Permits under way in one channel, with envelopes of type `E`.
#[derive(Debug)]
pub(super) struct Dispatch<E> {
    pub(super) lanes: Lanes,
    allowance: Allowance,
    attempt_timeout: Duration,
    idle: Vec<usize>,
    /// By the moment from which on each may go, then in order of their permits. Not by their tokens' moments: those
    /// of a lane without a limit lie a whole claim back, and would go before all that wait for theirs.
    ready: BTreeMap<(BootUs, u64), E>,
    permits: QuickMap<u64, UnderWay>,
    /// Permits whose attempt is not over.
    active: usize,
    /// Of these, those that are being claimed.
    asked: usize,
    /// When a lane may go on, as far as the last look at them told.
    lanes_open_at: Option<BootUs>,
}

impl<E> Dispatch<E> {
    /// Nothing is under way, and all workers are idle.
    pub(super) fn new(lanes: Lanes, workers: usize, attempt_timeout: Duration, now: BootUs) -> Self {
        Self {
            lanes,
            allowance: Allowance::new(workers, now),
            attempt_timeout,
            idle: (0..workers).collect(),
            ready: BTreeMap::new(),
            permits: QuickMap::default(),
            active: 0,
            asked: 0,
            lanes_open_at: None,
        }
    }

    /// Permits under way, and outcomes that are not settled.
    pub(super) fn len(&self) -> usize {
        self.permits.len()
    }

    /// The next message to be claimed.
    pub(super) fn ask(&mut self, now: BootUs) -> Option<PermitGranted> {
        self.lanes_open_at = None;
        let allowed = self.allowance.permits(now, !self.idle.is_empty());
        // Outcomes that wait to be settled do not count, but not without a bound.
        if self.active >= allowed || self.allowance.is_claiming_enough(self.asked) {
            return None;
        }
        if self.permits.len() >= 4 * allowed + 1_024 {
            return None;
        }
        let Permit { id, ticket, slot, .. } = match self.lanes.next(now) {
            Next::Permit(permit) => permit,
            Next::WaitUntil(at) => {
                self.lanes_open_at = Some(at);
                return None;
            }
            Next::Idle => return None,
        };
        let state = UnderWay {
            ticket,
            slot,
            asked_at: now,
            looked_at: now,
            is_lone: self.allowance.is_lone(self.asked),
            claimed_at: None,
            attempt: 0,
            phase: Phase::Asked,
        };
        self.permits.insert(id, state);
        self.active += 1;
        self.asked += 1;
        Some(PermitGranted { permit: id, ticket, attempt_timeout: self.attempt_timeout })
    }

    /// The claim is durable: its envelope waits for its turn. One of a permit that was dropped meanwhile is
    /// dropped too: the claim is met again and made anew.
    pub(super) fn claimed(&mut self, permit: u64, attempt: u16, envelope: E, now: BootUs) {
        let Some(state) = self.permits.get_mut(&permit).filter(|state| matches!(state.phase, Phase::Asked)) else {
            return;
        };
        let at = state.slot.max(now);
        (state.attempt, state.claimed_at, state.phase) = (attempt, Some(now), Phase::Ready(at));
        self.asked -= 1;
        self.ready.insert((at, permit), envelope);
        self.allowance.claimed(now.since(state.asked_at), state.is_lone);
    }

    /// The next envelope whose turn has come.
    pub(super) fn begin(&mut self, now: BootUs) -> Option<Begin<E>> {
        loop {
            let worker = *self.idle.last()?;
            let first = self.ready.first_entry().filter(|first| first.key().0 <= now)?;
            let ((ready_at, permit), envelope) = first.remove_entry();
            let state = self.permits.get_mut(&permit).expect("an envelope waits only while its permit is known");
            if let Some(claimed_at) = state.claimed_at.take() {
                // One that waited for its own moment could have gone before.
                let could_go_at = if now > ready_at { now } else { claimed_at };
                self.allowance.could_go(could_go_at.since(state.asked_at));
                self.lanes.set_lead(self.allowance.lead());
            }
            let latest = state.asked_at.plus(CLAIM_MARGIN);
            let renewal = if now > latest || self.lanes.is_cancelled(permit) {
                Renewal::Refused
            } else if now.since(state.looked_at) > self.lanes.settings.permit_ttl {
                self.lanes.renew(permit, now, latest)
            } else {
                Renewal::Slot(state.slot)
            };
            match renewal {
                Renewal::Slot(at) if at <= now => {
                    state.phase = Phase::Sending;
                    self.idle.pop();
                    let (ticket, deadline) = (state.ticket, now.plus(self.attempt_timeout));
                    return Some(Begin::HandOver(HandOver { worker, permit, ticket, envelope, deadline }));
                }
                Renewal::Slot(at) => {
                    (state.slot, state.looked_at, state.phase) = (at, now, Phase::Ready(at));
                    self.ready.insert((at, permit), envelope);
                }
                Renewal::Refused => return Some(Begin::Undo(permit)),
            }
        }
    }

    /// When something may go that does not go now, unless something else happens before.
    pub(super) fn wakes_at(&self) -> Option<BootUs> {
        let first = self.ready.first_key_value().map(|((at, _), _)| *at).filter(|_| !self.idle.is_empty());
        first.into_iter().chain(self.lanes_open_at).min()
    }

    /// A worker is idle again; what its provider answered says whether the provider works.
    pub(super) fn worked(&mut self, worker: usize, permit: u64, end: &AttemptEnd, now: BootUs, random: u64) {
        self.idle.push(worker);
        self.allowance.finished();
        let (Some(state), AttemptEnd::Judged(verdict)) = (self.permits.get(&permit), end) else { return };
        let failed = verdict.is_provider_failure().then(|| verdict.failure().and_then(|failure| failure.retry_after));
        if failed.is_some() || matches!(verdict, Verdict::Submitted { .. } | Verdict::Permanent(_)) {
            self.lanes.report_provider(state.ticket.lane, failed, now, random);
        }
    }

    /// An attempt is over, or was never begun: what its contact is told, which settles it.
    pub(super) fn end(
        &mut self,
        permit: u64,
        end: AttemptEnd,
        finished_at: UnixMs,
        now: BootUs,
    ) -> Option<Box<AttemptFinished>> {
        let state = self.permits.get_mut(&permit)?;
        if let Phase::Ended { .. } = state.phase {
            return None;
        }
        self.asked -= usize::from(matches!(state.phase, Phase::Asked));
        let finished =
            Box::new(AttemptFinished { permit, ticket: state.ticket, attempt: state.attempt, end, finished_at });
        state.phase = Phase::Ended { finished: finished.clone(), told_at: now };
        self.active -= 1;
        Some(finished)
    }

    /// A permit ends.
    pub(super) fn release(&mut self, permit: u64, release: Release, now: BootUs) {
        let Some(state) = self.permits.remove(&permit) else { return };
        self.active -= usize::from(!matches!(state.phase, Phase::Ended { .. }));
        self.asked -= usize::from(matches!(state.phase, Phase::Asked));
        if let Phase::Ready(at) = state.phase {
            self.ready.remove(&(at, permit));
        }
        self.lanes.release(permit, release, now);
    }

    /// Outcomes that were told a while ago and are not settled: to be told again.
    #[expect(clippy::vec_box, reason = "they were boxed to be told, and go on so")]
    pub(super) fn untold(&mut self, now: BootUs) -> Vec<Box<AttemptFinished>> {
        let mut again = Vec::new();
        for state in self.permits.values_mut() {
            if let Phase::Ended { finished, told_at } = &mut state.phase
                && now.since(*told_at) > TELL_AGAIN
            {
                *told_at = now;
                again.push(finished.clone());
            }
        }
        // A map's order is arbitrary; a replay must see the same one.
        again.sort_unstable_by_key(|finished| finished.permit);
        again
    }

    /// These contacts' tickets leave. Permits that are asked for die with their contacts; a claim that was
    /// made all the same is met again.
    pub(super) fn drop_contacts(&mut self, is_gone: impl Fn(ContactId) -> bool, now: BootUs) {
        self.lanes.drop_partition(|ticket| !is_gone(ticket.contact));
        let is_dead = |state: &UnderWay| matches!(state.phase, Phase::Asked) && is_gone(state.ticket.contact);
        let mut dead: Vec<u64> =
            self.permits.iter().filter(|(_, state)| is_dead(state)).map(|(permit, _)| *permit).collect();
        dead.sort_unstable();
        for permit in dead {
            self.release(permit, Release::Unused, now);
        }
    }
}

#[cfg(test)]
mod tests;
