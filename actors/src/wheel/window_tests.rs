//! The window by table, and against a store index that changes while loads are under way.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use super::{Armed, Load, TimingWheel, Window};
use crate::domain::clock::UnixMs;
use crate::domain::ticket::Ticket;
use crate::domain::ticket::fixtures::ticket;
use crate::store::contract::{Entry, Member};

fn entry(ticket: &Ticket) -> Entry {
    Entry { score: ticket.due_at, member: Member::from_slice(&ticket.member()) }
}

/// The due index of one partition.
#[derive(Default)]
struct Store(BTreeMap<Entry, Ticket>);

impl Store {
    fn read(&self, load: &Load) -> (Vec<Ticket>, bool) {
        let page: Vec<_> = self
            .0
            .iter()
            .filter(|(entry, _)| load.after.as_ref().is_none_or(|after| *entry > after) && entry.score <= load.to)
            .take(load.limit)
            .map(|(_, ticket)| *ticket)
            .collect();
        let was_full = page.len() == load.limit;
        (page, was_full)
    }
}

fn numbers(tickets: &[Ticket]) -> Vec<u64> {
    tickets.iter().map(|ticket| ticket.created_us).collect()
}

#[test]
fn pages_follow_each_other_through_equal_due_times() {
    let mut store = Store::default();
    for n in 0..10 {
        let ticket = ticket(n, 100);
        store.0.insert(entry(&ticket), ticket);
    }
    let mut window = Window::new(4);
    let mut out = Vec::new();
    let mut ends = Vec::new();
    while let Some(load) = window.begin_load(UnixMs(100)) {
        let (page, was_full) = store.read(&load);
        window.finish_load(&page, was_full, &mut out);
        ends.push(window.end().0);
    }
    assert_eq!(numbers(&out), (0..10).collect::<Vec<_>>());
    assert_eq!(ends, [99, 99, 100]);
    assert!(!window.wants_more(UnixMs(100)));
    assert!(window.wants_more(UnixMs(101)));
    assert_eq!(
        window.begin_load(UnixMs(150)).unwrap().after,
        Some(Entry { score: UnixMs(101), member: Member::new() })
    );
}

#[test]
fn one_load_at_a_time() {
    let mut window = Window::new(4);
    assert!(window.begin_load(UnixMs(100)).is_some());
    assert_eq!(window.begin_load(UnixMs(200)), None);
    assert!(!window.wants_more(UnixMs(200)));
    window.fail_load();
    assert_eq!(window.begin_load(UnixMs(200)).unwrap().after, None, "nothing was lost by the failure");
}

#[test]
fn what_changes_during_a_load_overrules_its_page() {
    let mut window = Window::new(100);
    let _ = window.begin_load(UnixMs(100)).unwrap();
    let (stays, removed, armed, moved) = (ticket(1, 10), ticket(2, 20), ticket(3, 30), ticket(4, 40));
    window.disarm(&removed);
    assert_eq!(window.arm(&armed), Armed::Beyond);
    window.disarm(&moved);
    assert_eq!(window.arm(&moved.in_lane(7, 1)), Armed::Beyond);
    let mut out = Vec::new();
    // A read that saw none of it, but for what was armed.
    window.finish_load(&[stays, removed, armed, moved], false, &mut out);
    assert_eq!(out, [stays, armed, moved.in_lane(7, 1)]);
    assert_eq!(window.arm(&ticket(5, 100)), Armed::Insert);
    assert_eq!(window.arm(&ticket(6, 101)), Armed::Beyond);
}

#[test]
fn what_is_armed_behind_a_page_that_was_cut_short_comes_with_the_next_one() {
    let mut window = Window::new(2);
    let _ = window.begin_load(UnixMs(100)).unwrap();
    let later = ticket(9, 90);
    assert_eq!(window.arm(&later), Armed::Beyond);
    let mut out = Vec::new();
    window.finish_load(&[ticket(1, 10), ticket(2, 10)], true, &mut out);
    assert_eq!(numbers(&out), [1, 2]);
    assert_eq!(window.arm(&ticket(1, 10)), Armed::Insert, "within the last due time, before the last entry");
    assert_eq!(window.arm(&ticket(3, 10)), Armed::Beyond, "behind the last entry read");
    let _ = window.begin_load(UnixMs(100)).unwrap();
    window.finish_load(&[ticket(3, 10), later], false, &mut out);
    assert_eq!(numbers(&out), [1, 2, 3, 9]);
}

#[derive(Debug, Clone)]
enum Step {
    Schedule(u32, i64),
    Remove(u32),
    Move(u32, i64),
    /// Delivers this many of the arm and disarm calls that follow commits.
    Acknowledge(usize),
    Begin(i64),
    Read,
    Finish,
    Fail,
}

fn step() -> impl Strategy<Value = Step> {
    let number = 0u32..8;
    let due = 0i64..12;
    prop_oneof![
        5 => (number.clone(), due.clone()).prop_map(|(n, due)| Step::Schedule(n, due)),
        2 => number.clone().prop_map(Step::Remove),
        2 => (number, due.clone()).prop_map(|(n, due)| Step::Move(n, due)),
        4 => (1usize..4).prop_map(Step::Acknowledge),
        3 => due.prop_map(Step::Begin),
        3 => Just(Step::Read),
        3 => Just(Step::Finish),
        1 => Just(Step::Fail),
    ]
}

#[derive(Debug, Clone, Copy)]
enum Effect {
    Arm(Ticket),
    Disarm(Ticket),
}

/// One partition: its store, its window, and the wheel behind it.
struct Bench {
    store: Store,
    window: Window,
    wheel: TimingWheel,
    /// Tickets given to the wheel and not taken back, with how often.
    given: BTreeMap<Entry, u32>,
    effects: VecDeque<Effect>,
    load: Option<Load>,
    page: Option<(Vec<Ticket>, bool)>,
}

impl Bench {
    fn new(page: usize) -> Self {
        Self {
            store: Store::default(),
            window: Window::new(page),
            wheel: TimingWheel::new(UnixMs(-1)),
            given: BTreeMap::new(),
            effects: VecDeque::new(),
            load: None,
            page: None,
        }
    }

    fn give(&mut self, ticket: Ticket) {
        *self.given.entry(entry(&ticket)).or_default() += 1;
        self.wheel.insert(ticket);
    }

    fn remove(&mut self, n: u32) {
        let message = ticket(n, 0).message;
        let found = self.store.0.values().find(|ticket| ticket.message == message).copied();
        if let Some(ticket) = found {
            self.store.0.remove(&entry(&ticket));
            self.effects.push_back(Effect::Disarm(ticket));
        }
    }

    fn schedule(&mut self, n: u32, due: i64) {
        self.remove(n);
        let ticket = ticket(n, due);
        self.store.0.insert(entry(&ticket), ticket);
        self.effects.push_back(Effect::Arm(ticket));
    }

    fn acknowledge(&mut self) {
        match self.effects.pop_front() {
            Some(Effect::Arm(ticket)) => match self.window.arm(&ticket) {
                Armed::Insert => self.give(ticket),
                Armed::Beyond => {}
            },
            Some(Effect::Disarm(ticket)) => {
                self.window.disarm(&ticket);
                self.wheel.cancel(ticket.message, ticket.due_at);
                self.given.remove(&entry(&ticket));
            }
            None => {}
        }
    }

    fn read(&mut self) {
        if let Some(load) = &self.load {
            self.page.get_or_insert_with(|| self.store.read(load));
        }
    }

    fn finish(&mut self) {
        self.read();
        self.load = None;
        if let Some((page, was_full)) = self.page.take() {
            let mut out = Vec::new();
            self.window.finish_load(&page, was_full, &mut out);
            for ticket in out {
                self.give(ticket);
            }
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Schedule(n, due) | Step::Move(n, due) => self.schedule(n, due),
            Step::Remove(n) => self.remove(n),
            Step::Acknowledge(count) => (0..count).for_each(|_| self.acknowledge()),
            Step::Begin(to) => {
                if let Some(load) = self.window.begin_load(UnixMs(to)) {
                    self.load = Some(load);
                }
            }
            Step::Read => self.read(),
            Step::Finish => self.finish(),
            Step::Fail => {
                self.window.fail_load();
                (self.load, self.page) = (None, None);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_048))]

    /// With every commit's effect delivered at once, the window alone is exact.
    #[test]
    fn every_live_ticket_within_the_end_is_given_exactly_once(page in 1usize..5, steps in prop::collection::vec(step(), 1..80)) {
        let mut bench = Bench::new(page);
        for step in &steps {
            bench.step(step);
            while !bench.effects.is_empty() {
                bench.acknowledge();
            }
            prop_assert!(bench.given.values().all(|count| *count == 1), "given twice: {:?}", bench.given);
            prop_assert!(bench.given.keys().all(|entry| bench.store.0.contains_key(entry)), "given, but removed");
            if bench.load.is_none() {
                for entry in bench.store.0.keys().filter(|entry| entry.score <= bench.window.end()) {
                    prop_assert!(bench.given.contains_key(entry), "skipped: {entry:?}");
                }
            }
        }
    }

    /// With effects that arrive any time after their commit, window and wheel together are exact.
    #[test]
    fn late_effects_are_made_good_by_the_wheel(page in 1usize..5, steps in prop::collection::vec(step(), 1..80)) {
        let mut bench = Bench::new(page);
        for step in &steps {
            bench.step(step);
        }
        while !bench.effects.is_empty() {
            bench.acknowledge();
        }
        bench.finish();
        while let Some(load) = bench.window.begin_load(UnixMs(8)) {
            bench.load = Some(load);
            bench.finish();
        }
        let mut out = Vec::new();
        bench.wheel.advance(bench.window.end(), usize::MAX, &mut out);
        let expected: Vec<_> = bench.store.0.values().filter(|ticket| ticket.due_at <= bench.window.end()).copied().collect();
        prop_assert_eq!(out, expected);
    }
}
