//! The lanes against a naive model, under random schedules: every permit is checked against the rules,
//! and in the end every live ticket has gone exactly once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use proptest::prelude::*;

use super::breaker::Pass;
use super::lane::Lane;
use super::lanes::{Lanes, LanesSettings, Next, Permit, Release, Renewal, Rest};
use super::lanes_model_limits::{ACCOUNT_LIMITS, MAX_COST, Sent, check_limits, destinations};
use super::lanes_model_steps::{LANES, SHELF_PAGE, Step, config, step};
use super::limits::Gcra;
use super::shelving::ShelfRead;
use crate::domain::clock::{BootUs, UnixMs};
use crate::domain::destination_limits::DestinationLimits;
use crate::domain::directory::Limit;
use crate::domain::ids::{AccountNo, ContactId, LaneNo, MessageId};
use crate::domain::message::Class;
use crate::domain::ticket::Ticket;
use crate::domain::ticket::fixtures::ticket;

struct Model {
    lanes: Lanes,
    now: BootUs,
    /// Live messages that were not sent: the truth of the store.
    live: BTreeMap<MessageId, Ticket>,
    /// Of these, what index `waiting` holds and the lanes do not.
    in_store: BTreeSet<MessageId>,
    /// What index `waiting` holds.
    in_waiting: BTreeSet<MessageId>,
    permits: Vec<Permit>,
    refills: Vec<(LaneNo, Class, Vec<Ticket>, Rest)>,
    shelf_reads: Vec<(ShelfRead, Vec<Ticket>, Rest)>,
    paused: HashMap<LaneNo, bool>,
    is_draining: bool,
    account_limits: BTreeMap<AccountNo, Limit>,
    sent: Vec<Sent>,
    limits_set: HashMap<AccountNo, usize>,
}

fn key(ticket: &Ticket) -> (UnixMs, u64) {
    ticket.order()
}

impl Model {
    fn new(lane_bound: usize, channel_limit: Option<Limit>, has_destinations: bool) -> Self {
        let destinations = if has_destinations { destinations() } else { DestinationLimits::default() };
        let settings =
            LanesSettings { lane_bound, total_bound: 1_000, channel_limit, destinations, ..LanesSettings::default() };
        let mut lanes = Lanes::new(settings, BootUs(0));
        for lane in 0..LANES {
            lanes.configure(config(lane, false), BootUs(0));
        }
        Self {
            lanes,
            now: BootUs(0),
            live: BTreeMap::new(),
            in_store: BTreeSet::new(),
            in_waiting: BTreeSet::new(),
            permits: Vec::new(),
            refills: Vec::new(),
            shelf_reads: Vec::new(),
            paused: HashMap::new(),
            is_draining: false,
            account_limits: BTreeMap::new(),
            sent: Vec::new(),
            limits_set: HashMap::new(),
        }
    }

    fn under_permit(&self, message: MessageId) -> bool {
        self.permits.iter().any(|permit| permit.ticket.message == message)
    }

    fn is_busy(&self, ticket: &Ticket) -> bool {
        let group = |ticket: &Ticket| -> (ContactId, LaneNo, Class) { (ticket.contact, ticket.lane, ticket.class()) };
        self.permits.iter().any(|permit| group(&permit.ticket) == group(ticket))
    }

    fn waits_here(&self, ticket: &Ticket) -> bool {
        !self.in_store.contains(&ticket.message) && !self.under_permit(ticket.message)
    }

    /// Live tickets in memory that could go if no limit but these were in the way, in order: those of a contact's
    /// that nothing of its own is before.
    fn grantable(&self, lane: LaneNo, class: Class) -> Vec<&Ticket> {
        let line = self.live.values().filter(|ticket| ticket.lane == lane && ticket.class() == class);
        let mut waiting: Vec<_> = line.filter(|ticket| self.waits_here(ticket)).collect();
        waiting.sort_by_key(|ticket| key(ticket));
        let mut contacts = BTreeSet::new();
        waiting.retain(|ticket| contacts.insert(ticket.contact) && !self.is_busy(ticket));
        waiting
    }

    fn is_limited(&self, ticket: &Ticket) -> bool {
        self.lanes.settings.destinations.of(ticket.destination).is_some()
    }

    /// Whether a destination without a limit, or with one that lets the largest message go.
    fn is_open(&self, ticket: &Ticket) -> bool {
        !self.is_limited(ticket)
            || self.lanes.shared.destinations.opens_at(ticket.destination, MAX_COST).is_some_and(|at| at <= self.now)
    }

    fn admit(&mut self, tickets: &[Ticket]) {
        let mut overflow = Vec::new();
        self.lanes.admit(tickets, &mut overflow);
        self.moved(overflow);
        self.take_shelved();
    }

    fn take_shelved(&mut self) {
        let shelved = self.lanes.take_shelved();
        self.moved(shelved);
    }

    fn moved(&mut self, tickets: Vec<Ticket>) {
        for ticket in tickets {
            assert!(!self.under_permit(ticket.message) && self.live.contains_key(&ticket.message));
            self.in_store.insert(ticket.message);
            self.in_waiting.insert(ticket.message);
        }
    }

    fn cancel(&mut self, message: MessageId) {
        if let Some(ticket) = self.live.remove(&message) {
            self.in_store.remove(&message);
            self.in_waiting.remove(&message);
            self.lanes.cancel_ticket(&ticket);
        }
    }

    fn is_settled(&self, message: MessageId) -> bool {
        self.sent.iter().any(|sent| sent.ticket.message == message)
    }

    fn check_permit(&self, permit: &Permit, was_open: impl Fn(&Ticket) -> bool) {
        // Of late ones it is not known where their entries stand: they get a mark that the store's have not.
        let ticket = &self.live.get(&permit.ticket.message).copied().unwrap_or(permit.ticket);
        assert_eq!(permit.ticket.parked(), ticket.parked());
        let is_in_waiting = self.in_waiting.contains(&ticket.message);
        assert!(permit.ticket.may_be_parked() || !is_in_waiting, "its entry in index `waiting` would stay");
        assert!(!self.is_draining && !self.paused.get(&ticket.lane).copied().unwrap_or(false));
        assert_eq!(self.live.get(&ticket.message), Some(ticket), "alive, and the one that was scheduled last");
        assert!(!self.is_busy(ticket), "one permit for a contact, lane and class");
        if !self.is_limited(ticket) {
            let mut others = self.grantable(ticket.lane, ticket.class());
            others.retain(|other| !self.is_limited(other));
            assert_eq!(others.first(), Some(&ticket), "the first that may go");
        }
        if ticket.class() != Class::Conversation {
            let conversations = self.grantable(ticket.lane, Class::Conversation);
            assert!(!conversations.iter().any(|other| was_open(other)), "conversations first");
        }
        let earlier = self.live.values().find(|other| {
            let same_line = (other.contact, other.lane, other.class()) == (ticket.contact, ticket.lane, ticket.class());
            same_line && key(other) < key(ticket)
        });
        assert_eq!(earlier, None, "in order within a contact");
    }

    fn next(&mut self) -> Next {
        let opened = |ticket: &Ticket| self.is_open(ticket).then_some(ticket.message);
        let open: BTreeSet<_> = self.live.values().filter_map(opened).collect();
        let next = self.lanes.next(self.now);
        self.take_shelved();
        match next {
            Next::Permit(permit) if self.is_settled(permit.ticket.message) => {
                // It came with a page that was read before. Its contact says so.
                self.lanes.release(permit.id, Release::Unused, self.now);
                return self.next();
            }
            Next::Permit(permit) => {
                self.check_permit(&permit, |ticket| open.contains(&ticket.message));
                self.permits.push(permit);
            }
            outcome => {
                if let Next::WaitUntil(until) = outcome {
                    assert!(until > self.now);
                }
                self.check_nothing_may_go();
            }
        }
        next
    }

    /// Whether every lane whose limits all let the largest message go has nothing to hand over.
    fn check_nothing_may_go(&self) {
        for lane in self.lanes.lanes.iter() {
            let is_open = |bucket: &Gcra| bucket.opens_at(MAX_COST).is_some_and(|at| at <= self.now);
            let may_go = !self.is_draining
                && matches!(lane.pass(self.now), Pass::Free | Pass::Probe)
                && !self.paused.get(&lane.no).copied().unwrap_or(false)
                && lane.bucket.as_deref().into_iter().chain(self.lanes.shared.of(lane.account)).all(is_open);
            for class in Class::ALL {
                let could_go = may_go && self.grantable(lane.no, class).into_iter().any(|ticket| self.is_open(ticket));
                assert!(!could_go, "lane {} could go on", lane.no);
            }
        }
    }

    fn end(&mut self, which: usize, how: usize) {
        if self.permits.is_empty() {
            return;
        }
        let mut permit = self.permits.remove(which % self.permits.len());
        let message = permit.ticket.message;
        let is_live = self.live.get(&message).is_some_and(|ticket| ticket.due_at == permit.ticket.due_at);
        let release = match how {
            // A contact never sends what it cancelled, and never drops what is live.
            0 => Release::Requeue,
            _ if is_live => match self.lanes.renew(permit.id, self.now, self.now.plus(Duration::from_secs(5))) {
                Renewal::Slot(at) if at <= self.now => Release::Spent { cost: permit.ticket.cost },
                Renewal::Slot(at) => {
                    // Its envelope waits for its moment.
                    permit.slot = at;
                    self.permits.push(permit);
                    return;
                }
                Renewal::Refused => Release::Requeue,
            },
            _ => Release::Unused,
        };
        if let Release::Spent { .. } = release {
            assert!(!self.is_draining && !self.paused.get(&permit.ticket.lane).copied().unwrap_or(false));
            self.live.remove(&message);
            self.in_waiting.remove(&message);
            let account = permit.ticket.account;
            let (at, ticket, account_limit) = (self.now, permit.ticket, self.account_limits.get(&account).copied());
            let limits_before = self.limits_set.get(&account).copied().unwrap_or(0);
            self.sent.push(Sent { at, ticket, account_limit, limits_before });
        }
        self.lanes.release(permit.id, release, self.now);
        if permit.is_probe && matches!(release, Release::Spent { .. }) {
            self.lanes.report_provider(permit.ticket.lane, None, self.now, 0);
        }
    }

    fn end_refill(&mut self, works: bool) {
        if let Some((ShelfRead { lane, class, .. }, page, rest)) = self.shelf_reads.pop() {
            let (page, rest) = if works { (page, rest) } else { (Vec::new(), Rest::Unread) };
            self.lanes.admit_shelved(lane, class, &page, rest);
            self.taken_in(&page);
        }
        let Some((lane, class, page, rest)) = self.refills.pop() else { return };
        if !works {
            let _ = self.lanes.admit_refill(lane, class, &[], Rest::Unread);
            return;
        }
        // Either is right: what was not taken in stays in the model's store.
        let _ = self.lanes.admit_refill(lane, class, &page, rest);
        self.taken_in(&page);
    }

    fn taken_in(&mut self, page: &[Ticket]) {
        for ticket in page {
            let is_live = self.live.get(&ticket.message).is_some_and(|live| live.parked() == *ticket);
            if is_live && self.lanes.contains_ticket(ticket) {
                self.in_store.remove(&ticket.message);
            }
        }
    }

    fn begin_refill(&mut self) {
        for (lane, class, room) in self.lanes.refills() {
            assert!(room > 0);
            let mut page: Vec<_> = self.in_store.iter().map(|message| self.live[message].parked()).collect();
            page.retain(|ticket| ticket.lane == lane && ticket.class() == class);
            page.sort_by_key(key);
            let is_all = page.len() <= room;
            page.truncate(room);
            let rest = page.last().filter(|_| !is_all).map_or(Rest::Nothing, |last| Rest::From(last.position()));
            self.refills.push((lane, class, page, rest));
        }
        for read in self.lanes.shelf_reads() {
            let mut page: Vec<_> = self.in_waiting.iter().map(|message| self.live[message].parked()).collect();
            page.retain(|ticket| (ticket.lane, ticket.class()) == (read.lane, read.class));
            page.retain(|ticket| ticket.position() >= read.from);
            page.sort_by_key(Ticket::position);
            let is_all = page.len() <= SHELF_PAGE;
            page.truncate(SHELF_PAGE);
            let rest = page.last().filter(|_| !is_all).map_or(Rest::Nothing, |last| Rest::From(last.position()));
            self.shelf_reads.push((read, page, rest));
        }
    }

    fn limit_account(&mut self, account: AccountNo, limit: Option<Limit>) {
        match limit {
            Some(limit) => drop(self.account_limits.insert(account, limit)),
            None => drop(self.account_limits.remove(&account)),
        }
        *self.limits_set.entry(account).or_default() += 1;
        // No two changes come at one moment.
        self.now = BootUs(self.now.0 + 1);
        self.lanes.set_account_limits(self.account_limits.iter().map(|(no, limit)| (*no, *limit)), self.now);
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Schedule { n, due, lane, class, to } => {
                let message = ticket(n, due).message;
                // Sent messages stay sent; one under way may be rescheduled by its contact only afterwards.
                if self.under_permit(message) || self.sent.iter().any(|sent| sent.ticket.message == message) {
                    return;
                }
                self.cancel(message);
                let class = Class::ALL[class];
                let account = 1 + lane % 3;
                let ticket = ticket(n, due)
                    .with_contact(n % 5)
                    .with_class(class)
                    .in_lane(lane, account)
                    .costing(1 + (n % 3) as u16)
                    .to(to);
                self.live.insert(message, ticket);
                self.admit(&[ticket]);
            }
            Step::Readmit(n) => {
                // A reload of the wheel reads what is in `due`, not what was moved to `waiting`.
                let again = self.live.get(&ticket(n, 0).message).copied();
                if let Some(ticket) = again.filter(|ticket| !self.in_waiting.contains(&ticket.message)) {
                    self.admit(&[ticket]);
                }
            }
            Step::Cancel(n) => self.cancel(ticket(n, 0).message),
            Step::Next(count) => {
                for _ in 0..count {
                    let Next::Permit(_) = self.next() else { break };
                }
            }
            Step::End(which, how) => self.end(which, how),
            Step::Pause(lane, paused) => {
                self.lanes.configure(config(lane, paused), self.now);
                self.paused.insert(LaneNo(lane), paused);
            }
            Step::LimitAccount(account, which) => self.limit_account(AccountNo(account), ACCOUNT_LIMITS[which]),
            Step::Drain(draining) => {
                self.lanes.set_draining(draining);
                self.is_draining = draining;
            }
            Step::Fail(lane) => {
                self.lanes.report_provider(LaneNo(lane), Some(None), self.now, u64::from(lane) * 12_345);
            }
            Step::Lead(us) => self.lanes.set_lead(Duration::from_micros(us)),
            Step::Wait(us) => self.now = BootUs(self.now.0 + us),
            Step::BeginRefill => self.begin_refill(),
            Step::EndRefill(works) => self.end_refill(works),
            Step::Reload => {
                // A partition is lost and comes back: everything is read again.
                self.lanes.drop_partition(|_| false);
                let under_permit = |message| self.permits.iter().any(|permit| permit.ticket.message == message);
                self.in_store = self.in_waiting.iter().copied().filter(|message| !under_permit(*message)).collect();
                for message in &self.in_waiting {
                    self.lanes.set_parked(self.live[message].lane, self.live[message].class());
                }
                let mut again: Vec<_> =
                    self.live.values().filter(|ticket| !self.in_waiting.contains(&ticket.message)).copied().collect();
                again.sort_by_key(key);
                self.admit(&again);
            }
        }
        for ticket in self.live.values().filter(|ticket| self.waits_here(ticket)) {
            assert!(self.lanes.contains_ticket(ticket), "{ticket:?} is lost");
        }
        assert_eq!(self.lanes.backlog(), self.lanes.lanes.iter().map(Lane::waiting).sum::<usize>());
        assert_eq!(self.lanes.in_flight(), self.permits.len());
    }

    /// Everything goes that is left.
    fn finish(&mut self) {
        self.lanes.set_draining(false);
        self.is_draining = false;
        for lane in 0..LANES {
            self.step(&Step::Pause(lane, false));
        }
        let mut rounds = 0;
        while !self.live.is_empty() || !self.permits.is_empty() {
            rounds += 1;
            assert!(rounds < 10_000, "does not come to an end: {:?}", self.lanes.status(self.now));
            while !self.refills.is_empty() || !self.shelf_reads.is_empty() {
                self.end_refill(true);
            }
            self.begin_refill();
            while !self.refills.is_empty() || !self.shelf_reads.is_empty() {
                self.end_refill(true);
            }
            if let Next::WaitUntil(until) = self.next()
                && self.permits.is_empty()
            {
                self.now = until;
            }
            while let Some(permit) = self.permits.first() {
                self.now = self.now.max(permit.slot);
                self.end(0, 1);
            }
        }
        // A lane may still wait for the moment of a ticket that was taken back since.
        while let Next::WaitUntil(until) = self.lanes.next(self.now) {
            assert!(until > self.now);
            self.now = until;
        }
        assert_eq!(self.lanes.next(self.now), Next::Idle);
        assert_eq!((self.lanes.backlog(), self.lanes.in_flight()), (0, 0));
        assert!(self.in_store.is_empty() && self.in_waiting.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn every_permit_keeps_the_rules_and_every_live_ticket_goes_once(
        lane_bound in prop_oneof![Just(3usize), Just(8), Just(100)],
        has_channel_limit in any::<bool>(),
        has_destinations in any::<bool>(),
        steps in prop::collection::vec(step(), 1..150),
    ) {
        let limit = Limit { rate: 50, per: Duration::from_secs(1), burst: 5 };
        let mut model = Model::new(lane_bound, has_channel_limit.then_some(limit), has_destinations);
        for step in &steps {
            model.step(step);
        }
        model.finish();
        check_limits(&model.sent, model.lanes.settings.channel_limit, &model.lanes.settings.destinations);
    }
}
