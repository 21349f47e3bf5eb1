//! What happens to a process from outside, beside the faults of its store: it is suspended, the wall clock is
//! set, a batch that nobody heard of arrives late, another node takes what its lease no longer covers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use rand::Rng;
use rand::rngs::StdRng;
use sendwheel_actors::domain::ids::Partition;
use sendwheel_actors::store::memory::no_faults;
use sendwheel_actors::store::{Batch, Head, Lease, NodeId, Store};

use crate::world::{Process, World, stream};

/// A batch under way.
#[derive(Debug)]
struct Late {
    at: i64,
    node: NodeId,
    head: Head,
    batch: Batch,
}

/// What fate draws from, and what it has in hand.
#[derive(Debug)]
pub struct Fate {
    pub rng: StdRng,
    late: Vec<Late>,
    /// Leases that the rival has, and until when it keeps them.
    pub taken: BTreeMap<Partition, (Lease, i64)>,
}

impl Fate {
    pub fn of_seed(seed: u64) -> Self {
        Self { rng: stream(seed, 0, 5), late: Vec::new(), taken: BTreeMap::new() }
    }
}

/// Between two looks of the rival while the process is suspended.
const LOOK: Duration = Duration::from_secs(3);

impl World {
    /// Perhaps the process stands still between this line of it and the next one. Time passes, and others go on.
    pub fn chance_to_suspend(self: &Arc<Self>, process: &Process) {
        if !self.has_faults() || process.is_dead() {
            return;
        }
        let mut left = {
            let rng = &mut self.fate.lock().unwrap().rng;
            if rng.random_range(0..100_000) >= self.plan.suspend {
                return;
            }
            Duration::from_millis(if rng.random_bool(0.3) {
                rng.random_range(50..5_000)
            } else {
                rng.random_range(8_000..25_000)
            })
        };
        self.count("suspensions");
        self.log(format!("process {} is suspended for {left:?}", process.number));
        while !left.is_zero() {
            let step = left.min(LOOK);
            self.clock.pass(step);
            left -= step;
            self.rival_acts();
        }
    }

    /// Perhaps somebody sets the wall clock. Never by so little that one claim could have been made before or after.
    pub fn chance_to_set_clock(&self) {
        let by = {
            let rng = &mut self.fate.lock().unwrap().rng;
            if rng.random_range(0..1_000) >= self.plan.clock_set {
                return;
            }
            rng.random_range(5_000..60_000) * if rng.random_bool(0.5) { 1 } else { -1 }
        };
        self.clock.set_wall(by);
        self.count("clock set");
        // A claim's deadline is of the wall clock: no attempt of another node goes on beyond what that shows now.
        let now = self.elapsed();
        let mut model = self.model();
        let hands = model.messages.values_mut().flat_map(|known| &mut known.hands);
        hands.filter_map(|hand| hand.over_at.as_mut()).for_each(|over_at| *over_at = now.min(*over_at));
        drop(model);
        self.log(format!("the wall clock is set by {by} ms"));
    }

    /// A batch is on its way, and nobody waits for it.
    pub fn send_late(&self, process: &Process, head: Head, batch: Batch) {
        let mut fate = self.fate.lock().unwrap();
        let at = self.elapsed() + fate.rng.random_range(20..4_000);
        fate.late.push(Late { at, node: process.node, head, batch });
    }

    /// What is on its way arrives, where its time has come.
    pub fn deliver_late(self: &Arc<Self>) {
        let now = self.elapsed();
        let arrived = {
            let mut fate = self.fate.lock().unwrap();
            fate.late.extract_if(.., |late| late.at <= now).collect::<Vec<_>>()
        };
        for Late { node, mut head, batch, .. } in arrived {
            let commit = self.handle(node, no_faults());
            let outcome = commit.commit(&mut head, batch).now_or_never().unwrap();
            self.count(if outcome.is_ok() { "late batches that landed" } else { "late batches fenced off" });
            self.log(format!("a late batch arrives in {}: {outcome:?}", head.partition));
        }
    }
}
