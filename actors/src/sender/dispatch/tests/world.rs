//! What is around the dispatch, in virtual time: contacts whose commits take as long as the test says,
//! workers, and callers that cancel. Every hand-over is written down and checked as it begins.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::time::Duration;

use super::super::{Begin, Dispatch};
use crate::contact::command::{AttemptEnd, PermitGranted};
use crate::domain::clock::{BootUs, UnixMs};
use crate::domain::directory::Limit;
use crate::domain::ids::{AccountNo, ContactId, LaneNo, MessageId};
use crate::domain::message::Class;
use crate::domain::ticket::Ticket;
use crate::domain::verdict::{Failure, Verdict};
use crate::sender::lanes::{LaneConfig, Lanes, LanesSettings, Release};

/// How a message stands with its contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Scheduled,
    Claimed { permit: u64, is_cancel_requested: bool },
    Submitted,
    Canceled,
}

#[derive(Debug)]
pub(super) struct Message {
    pub(super) ticket: Ticket,
    pub(super) state: State,
    /// A caller was told that it will not go out any more.
    is_stopped: bool,
    pub(super) hands: Vec<BootUs>,
    pub(super) undone: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Copy)]
enum Event {
    Admit(MessageId),
    Claimed(u64),
    Worked(usize, u64, MessageId),
    NotStarted(usize, u64),
    Settled(u64, u16),
    Released(u64, u8),
    Cancel(MessageId),
    CancelHolds(MessageId),
    Pause(LaneNo, bool),
    ProviderWorks(bool),
    Wake,
}

/// How the world around is.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) workers: usize,
    pub(super) attempt: Duration,
    /// The times that commits take, in turn.
    pub(super) commits: Vec<Duration>,
    pub(super) channel_limit: Option<Limit>,
}

impl Default for Plan {
    fn default() -> Self {
        let (workers, attempt) = (16, Duration::from_millis(10));
        Self { workers, attempt, commits: vec![Duration::ZERO], channel_limit: None }
    }
}

/// Everything.
#[derive(Debug)]
pub(super) struct World {
    pub(super) now: BootUs,
    pub(super) dispatch: Dispatch<()>,
    pub(super) messages: BTreeMap<MessageId, Message>,
    plan: Plan,
    limits: HashMap<LaneNo, Option<Limit>>,
    events: BinaryHeap<Reverse<(BootUs, u64, Event)>>,
    drawn: u64,
    /// Commits of one contact become durable in order.
    durable_at: HashMap<ContactId, BootUs>,
    provider_works: bool,
    wakes_at: Option<BootUs>,
    pub(super) most_permits: usize,
}

fn config(lane: LaneNo, limit: Option<Limit>, paused: bool) -> LaneConfig {
    LaneConfig { lane, account: AccountNo(1), limit, paused }
}

impl World {
    pub(super) fn new(plan: Plan, limits: &[(u32, Option<Limit>)]) -> Self {
        let now = BootUs(0);
        let settings = LanesSettings { channel_limit: plan.channel_limit, ..LanesSettings::default() };
        let mut lanes = Lanes::new(settings, now);
        for (lane, limit) in limits {
            lanes.configure(config(LaneNo(*lane), *limit, false), now);
        }
        Self {
            now,
            dispatch: Dispatch::new(lanes, plan.workers, Duration::from_secs(10), now),
            messages: BTreeMap::new(),
            plan,
            limits: limits.iter().map(|(lane, limit)| (LaneNo(*lane), *limit)).collect(),
            events: BinaryHeap::new(),
            drawn: 0,
            durable_at: HashMap::new(),
            provider_works: true,
            wakes_at: None,
            most_permits: 0,
        }
    }

    fn at(&mut self, at: BootUs, event: Event) {
        self.drawn += 1;
        self.events.push(Reverse((at, self.drawn, event)));
    }

    /// When what this contact decides now is durable.
    fn commit(&mut self, contact: ContactId) -> BootUs {
        self.drawn += 1;
        let took = self.plan.commits[usize::try_from(self.drawn).unwrap_or(0) % self.plan.commits.len()];
        let at = self.durable_at.entry(contact).or_default();
        *at = self.now.plus(took).max(*at);
        *at
    }

    pub(super) fn schedule(&mut self, at: BootUs, ticket: Ticket) {
        let message = Message { ticket, state: State::Scheduled, is_stopped: false, hands: vec![], undone: 0 };
        self.messages.insert(ticket.message, message);
        self.at(at, Event::Admit(ticket.message));
    }

    pub(super) fn cancel(&mut self, at: BootUs, message: MessageId) {
        self.at(at, Event::Cancel(message));
    }

    pub(super) fn pause(&mut self, at: BootUs, lane: u32, paused: bool) {
        self.at(at, Event::Pause(LaneNo(lane), paused));
    }

    pub(super) fn provider_works(&mut self, at: BootUs, works: bool) {
        self.at(at, Event::ProviderWorks(works));
    }

    /// Lives until nothing happens any more, or until this moment.
    pub(super) fn run(&mut self, until: BootUs) {
        while let Some(Reverse((at, ..))) = self.events.peek()
            && *at <= until
        {
            self.now = *at;
            // What happens at one moment is known before anything follows from it.
            while let Some(Reverse((at, ..))) = self.events.peek()
                && *at == self.now
                && let Some(Reverse((.., event))) = self.events.pop()
            {
                self.happen(event);
            }
            self.pump();
        }
    }

    fn happen(&mut self, event: Event) {
        let now = self.now;
        match event {
            Event::Admit(id) => {
                let mut overflow = Vec::new();
                self.dispatch.lanes.admit(&[self.messages[&id].ticket], &mut overflow);
                assert!(overflow.is_empty());
            }
            Event::Claimed(permit) => self.dispatch.claimed(permit, 1, (), now),
            Event::Worked(worker, permit, id) => {
                let end = AttemptEnd::Judged(if self.provider_works {
                    Verdict::Submitted { provider_id: None }
                } else {
                    Verdict::Transient(Failure::provider("down", "the provider is down"))
                });
                self.dispatch.worked(worker, permit, &end, now, 0);
                let is_submitted = matches!(end, AttemptEnd::Judged(Verdict::Submitted { .. }));
                let _ = self.dispatch.end(permit, end, UnixMs(0), now);
                self.settle(permit, id, is_submitted);
            }
            Event::NotStarted(worker, permit) => {
                self.dispatch.worked(worker, permit, &AttemptEnd::NotStarted, now, 0);
                self.undo(permit);
            }
            Event::Settled(permit, cost) => self.dispatch.release(permit, Release::Spent { cost }, now),
            Event::Released(permit, 0) => self.dispatch.release(permit, Release::Unused, now),
            Event::Released(permit, _) => self.dispatch.release(permit, Release::Requeue, now),
            Event::Cancel(id) => {
                let Message { ticket, state, .. } = &mut self.messages.get_mut(&id).expect("it was scheduled");
                match state {
                    State::Scheduled => *state = State::Canceled,
                    State::Claimed { is_cancel_requested, .. } => *is_cancel_requested = true,
                    State::Submitted | State::Canceled => return,
                }
                let contact = ticket.contact;
                let at = self.commit(contact);
                self.at(at, Event::CancelHolds(id));
            }
            Event::CancelHolds(id) => {
                let message = self.messages.get_mut(&id).expect("it was scheduled");
                message.is_stopped = true;
                if message.state == State::Canceled {
                    self.dispatch.lanes.cancel(id, message.ticket.due_at);
                }
            }
            Event::Pause(lane, paused) => self.dispatch.lanes.configure(config(lane, self.limits[&lane], paused), now),
            Event::ProviderWorks(works) => self.provider_works = works,
            Event::Wake => self.wakes_at = None,
        }
    }

    fn pump(&mut self) {
        let now = self.now;
        while let Some(begin) = self.dispatch.begin(now) {
            match begin {
                Begin::HandOver(next) => {
                    let message = self.messages.get_mut(&next.ticket.message).expect("it was scheduled");
                    assert!(matches!(message.state, State::Claimed { permit, .. } if permit == next.permit));
                    if message.is_stopped {
                        // The envelope was withdrawn: its guard says so before the first byte.
                        self.at(now, Event::NotStarted(next.worker, next.permit));
                        continue;
                    }
                    message.hands.push(now);
                    self.at(now.plus(self.plan.attempt), Event::Worked(next.worker, next.permit, next.ticket.message));
                }
                Begin::Undo(permit) => self.undo(permit),
            }
        }
        while let Some(granted) = self.dispatch.ask(now) {
            self.claim(granted);
        }
        self.most_permits = self.most_permits.max(self.dispatch.len());
        if let Some(at) = self.dispatch.wakes_at()
            && self.wakes_at.is_none_or(|set_for| at < set_for)
        {
            assert!(at > now, "what may go has gone");
            self.wakes_at = Some(at);
            self.at(at, Event::Wake);
        }
    }

    fn claim(&mut self, PermitGranted { permit, ticket, .. }: PermitGranted) {
        let message = self.messages.get_mut(&ticket.message).expect("it was scheduled");
        let is_wanted = message.state == State::Scheduled;
        if is_wanted {
            message.state = State::Claimed { permit, is_cancel_requested: false };
        }
        let at = self.commit(ticket.contact);
        self.at(at, if is_wanted { Event::Claimed(permit) } else { Event::Released(permit, 0) });
    }

    fn undo(&mut self, permit: u64) {
        let finished =
            self.dispatch.end(permit, AttemptEnd::NotStarted, UnixMs(0), self.now).expect("it had begun not");
        let message = self.messages.get_mut(&finished.ticket.message).expect("it was scheduled");
        message.undone += 1;
        let is_cancelled = matches!(message.state, State::Claimed { is_cancel_requested: true, .. });
        message.state = if is_cancelled { State::Canceled } else { State::Scheduled };
        let at = self.commit(finished.ticket.contact);
        self.at(at, Event::Released(permit, u8::from(!is_cancelled)));
    }

    /// A transient failure is tried again at once, under the same ticket.
    fn settle(&mut self, permit: u64, id: MessageId, is_submitted: bool) {
        let message = self.messages.get_mut(&id).expect("it was scheduled");
        let State::Claimed { is_cancel_requested, .. } = message.state else { panic!("it was claimed") };
        let (contact, cost) = (message.ticket.contact, message.ticket.cost);
        message.state = match (is_submitted, is_cancel_requested) {
            (true, _) => State::Submitted,
            (false, true) => State::Canceled,
            (false, false) => State::Scheduled,
        };
        let is_again = message.state == State::Scheduled;
        let at = self.commit(contact);
        self.at(at, Event::Settled(permit, cost));
        if is_again {
            self.at(at, Event::Admit(id));
        }
    }

    /// Hand-overs of a lane, or of all, in order: when, and how many units.
    pub(super) fn hands(&self, lane: Option<u32>) -> Vec<(BootUs, u64)> {
        let of_lane = self.messages.values().filter(|known| lane.is_none_or(|lane| known.ticket.lane == LaneNo(lane)));
        let mut hands: Vec<_> =
            of_lane.flat_map(|known| known.hands.iter().map(|at| (*at, u64::from(known.ticket.cost)))).collect();
        hands.sort_unstable();
        hands
    }

    /// I6 in every window, for each lane and the channel.
    pub(super) fn check_limits(&self) {
        for (lane, limit) in &self.limits {
            check_limit(&self.hands(Some(lane.0)), *limit);
        }
        check_limit(&self.hands(None), self.plan.channel_limit);
    }

    /// I7: first attempts of one contact, lane and class go in order; of tickets that wait from the beginning.
    pub(super) fn check_order(&self) {
        let mut lines: HashMap<(ContactId, LaneNo, Class), Vec<(Ticket, BootUs)>> = HashMap::new();
        for Message { ticket, hands, .. } in self.messages.values() {
            let line = lines.entry((ticket.contact, ticket.lane, ticket.class())).or_default();
            line.extend(hands.first().map(|at| (*ticket, *at)));
        }
        for line in lines.values_mut() {
            line.sort_unstable_by_key(|(ticket, _)| ticket.order());
            assert!(line.is_sorted_by_key(|(_, at)| *at), "out of order: {line:?}");
        }
    }

    /// Everything ended, and what was submitted was handed over once unless its provider failed.
    pub(super) fn check_ended(&self) {
        for (id, known) in &self.messages {
            assert!(matches!(known.state, State::Submitted | State::Canceled), "{id} is {known:?}");
            assert!(known.state != State::Submitted || !known.hands.is_empty(), "{id} went out and nobody saw it");
        }
        assert_eq!((self.dispatch.len(), self.dispatch.lanes.backlog()), (0, 0));
    }
}

/// In every window of length t, units <= burst + rate * (t + 250 ms). The largest message may be above the burst.
fn check_limit(hands: &[(BootUs, u64)], limit: Option<Limit>) {
    let Some(limit) = limit else { return };
    let largest = hands.iter().map(|(_, cost)| *cost).max().unwrap_or(1);
    let per_us = f64::from(limit.rate) / limit.per.as_micros() as f64;
    let allowed = f64::from(limit.burst).max(largest as f64) + per_us * 250_000.0;
    let (mut before, mut least) = (0.0, f64::INFINITY);
    for (at, cost) in hands {
        let earned = per_us * at.0 as f64;
        least = f64::min(least, before - earned);
        before += *cost as f64;
        assert!(before - earned - least <= allowed + 1e-6, "the limit {limit:?} is broken at {at:?}");
    }
}
