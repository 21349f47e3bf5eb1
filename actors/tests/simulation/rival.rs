//! Another node on the same store. It takes leases that ran out, whether their holder knows of that or not,
//! changes what it finds there, and gives them back. The engine does not know it, so whatever the engine hands
//! over meanwhile it hands over without a lease (I5). What the rival changes must not be undone, and must be
//! known to the engine once it has the lease again; what it claims may be under way still.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use sendwheel_actors::contact::entries::{DueEntry, change_message};
use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::ids::{BootId, Partition};
use sendwheel_actors::domain::message::{Attempt, AttemptOutcome, Claim, Message, State};
use sendwheel_actors::domain::reason::Reason;
use sendwheel_actors::domain::schedule::Intent;
use sendwheel_actors::store::memory::{MemoryStore, no_faults};
use sendwheel_actors::store::{Acquired, Batch, Lease, NodeId, Store};

use crate::fate::Fate;
use crate::model::{HandedOver, Outcome};
use crate::world::World;

const RIVAL: NodeId = NodeId(8);
const TTL: Duration = Duration::from_secs(10);
pub const BOOT: BootId = BootId(8);
/// How long its claims hold, and so how long its attempts may take.
const CLAIMED_FOR: Duration = Duration::from_secs(6);

fn attempt(number: u16, at: UnixMs) -> Attempt {
    Attempt {
        number,
        started_at: at,
        finished_at: None,
        outcome: AttemptOutcome::Pending,
        provider_id: None,
        failure: None,
        cost: 1,
    }
}

impl World {
    /// The rival looks around.
    pub fn rival_acts(self: &Arc<Self>) {
        let mut fate = self.fate.lock().unwrap();
        let store = self.handle(RIVAL, no_faults());
        for partition in self.partitions.iter().chain([Partition::DIRECTORY]) {
            let now = self.elapsed();
            if let Some((lease, until)) = fate.taken.remove(&partition) {
                if until > now && self.has_faults() {
                    fate.taken.insert(partition, (lease, until));
                } else {
                    self.log(format!("the rival gives {partition} back"));
                    store.release(lease).now_or_never().unwrap().unwrap();
                }
            } else if self.plan.has_rival && self.has_faults() && store.holder(partition).is_none() {
                self.take(&mut fate, &store, partition);
            }
        }
    }

    fn take(&self, fate: &mut Fate, store: &MemoryStore, partition: Partition) {
        if fate.rng.random_bool(0.4) {
            return;
        }
        let acquired = store.acquire(partition, RIVAL, TTL).now_or_never().unwrap().unwrap();
        let Acquired::Granted(mut lease) = acquired else { return };
        self.count("leases taken by the rival");
        self.log(format!("the rival takes {partition}"));
        if partition != Partition::DIRECTORY {
            for _ in 0..fate.rng.random_range(0..3) {
                self.change_something(&mut fate.rng, store, &mut lease);
            }
        }
        // It may keep a lease longer than that lasts.
        let until = self.elapsed() + fate.rng.random_range(100..12_000) / fate.rng.random_range(1..6);
        fate.taken.insert(partition, (lease, until));
    }

    /// Cancels or moves a message that waits, for a caller of its own, or begins to hand it over.
    fn change_something(&self, rng: &mut StdRng, store: &MemoryStore, lease: &mut Lease) {
        let Some(old) = self.some_waiting(rng, lease.head.partition) else { return };
        let (now, wall) = (self.elapsed(), UnixMs(self.now()));
        let mut next = Message { version: old.version + 1, updated_at: wall, ..old.clone() };
        if old.due_at <= wall && rng.random_bool(0.7) {
            let number = old.attempts.last().map_or(1, |last| last.number + 1);
            next.state = State::Sending(Claim { attempt: number, boot: BOOT, deadline: wall.plus(CLAIMED_FOR) });
            next.attempts.push(attempt(number, wall));
        } else if old.series.is_none() && rng.random_bool(0.5) {
            // One of a series would take the next one along in the same batch, which the rival cannot make.
            (next.state, next.reason, next.since) = (State::Canceled, Some(Reason::CanceledByCaller), wall);
        } else {
            // This is when it is meant to go from here on, whatever zone its contact comes to live in.
            let due_at = wall.plus(Duration::from_millis(rng.random_range(500..20_000)));
            (next.due_at, next.intent, next.plan) = (due_at, Intent::At(due_at), None);
        }
        let mut mutations = Vec::new();
        change_message(&mut mutations, Some(&old), Some(&next), DueEntry::Somewhere);
        store.commit(&mut lease.head, Batch { mutations, is_growth: false }).now_or_never().unwrap().unwrap();
        self.log(format!("the rival changes {}: {:?} due {}", next.id, next.state, next.due_at.0));
        self.count("changes by the rival");
        let mut model = self.model();
        let known = model.messages.get_mut(&next.identity()).unwrap();
        match next.state {
            State::Canceled => {
                known.canceled_at = Some(now);
                // This one tells nobody.
                model.told.insert((next.id.to_string(), "message.canceled".into()));
                model.called.insert((next.identity(), "canceled".into()));
            }
            State::Sending(claim) => known.hands.push(HandedOver {
                at: now,
                process: u32::MAX,
                attempt: claim.attempt,
                outcome: Outcome::Pending,
                over_at: Some(now + rng.random_range(2_000..CLAIMED_FOR.as_millis() as i64)),
                sender: next.sender,
                wrongs: Vec::new(),
            }),
            _ => (known.dues, known.placed_at) = (vec![next.due_at.0], now),
        }
    }

    /// A message that waits in this partition, and on which nobody works.
    fn some_waiting(&self, rng: &mut StdRng, partition: Partition) -> Option<Message> {
        let model = self.model();
        let is_free = |message: &&Message| {
            message.state == State::Scheduled
                && message.id.partition() == partition
                && model.messages.get(&message.identity()).is_some_and(|known| known.is_acknowledged && !known.is_busy)
                && model.mirror.contacts.get(&message.contact).is_some_and(|contact| contact.is_live())
        };
        model.mirror.messages.values().filter(is_free).choose(rng).cloned()
    }
}
