//! The provider at the other end: takes what it is handed, answers by chance, and tells the model of every
//! hand-over at the moment at which it begins.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rand::Rng;
use rand::rngs::StdRng;
use sendwheel_actors::domain::address::Channel;
use sendwheel_actors::domain::ids::MessageId;
use sendwheel_actors::domain::verdict::{Failure, Verdict};
use sendwheel_actors::sender::transport::{Attempted, Connection, Envelope, Guard, Transport};

use crate::model::Outcome;
use crate::world::{Process, World, stream};

/// One channel's provider, as one process sees it.
#[derive(Debug, Clone)]
pub struct Provider {
    world: Arc<World>,
    process: Arc<Process>,
    channel: Channel,
    rng: Arc<Mutex<StdRng>>,
}

impl Provider {
    pub fn new(world: Arc<World>, process: Arc<Process>, channel: Channel, seed: u64) -> Self {
        let rng = Arc::new(Mutex::new(stream(seed, process.number, 10 + channel as u64)));
        Self { world, process, channel, rng }
    }
}

/// A hand-over under way: dropped before it was judged, nobody knows its outcome.
struct UnderWay<'a> {
    world: &'a World,
    message: MessageId,
    number: usize,
}

impl UnderWay<'_> {
    fn is_now(&self, outcome: Outcome) {
        self.world.model().hand_over_ended(self.message, self.number, outcome);
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.is_now(Outcome::Unknown);
    }
}

struct Slot(Provider);

impl Slot {
    fn draw(&self) -> (u32, Duration, Duration) {
        if self.0.world.is_probing() {
            return (999, Duration::ZERO, Duration::from_millis(1));
        }
        let mut rng = self.0.rng.lock().unwrap();
        let connect = Duration::from_millis(if rng.random_bool(0.5) { 0 } else { rng.random_range(0..60) });
        let answer = Duration::from_millis(rng.random_range(0..300));
        (rng.random_range(0..1_000), connect, answer)
    }
}

#[async_trait]
impl Connection for Slot {
    async fn hand_over(&mut self, envelope: &Envelope, guard: &dyn Guard) -> Attempted {
        let Provider { world, process, channel, .. } = &self.0;
        if process.is_dead() {
            return std::future::pending().await;
        }
        world.chance_to_suspend(process);
        if !guard.may_hand_over() {
            world.log(format!("not started: {}", envelope.message));
            return Attempted::NotStarted;
        }
        let number = world.hand_over_begins(process, envelope);
        let under_way = UnderWay { world, message: envelope.identity, number };
        let (draw, connect, answer) = self.draw();
        tokio::time::sleep(connect).await;
        world.chance_to_suspend(process);
        if !guard.may_hand_over() {
            under_way.is_now(Outcome::NotStarted);
            world.log(format!("not finished: {}", envelope.message));
            return Attempted::NotStarted;
        }
        world.hand_over_goes_through(process, envelope, number);
        tokio::time::sleep(answer).await;
        if process.is_dead() {
            return std::future::pending().await;
        }
        let (outcome, verdict) = if world.provider_is_down(*channel) {
            if draw < 700 {
                (Outcome::Transient, Verdict::Transient(Failure::provider("down", "the provider is down")))
            } else {
                (Outcome::Unknown, Verdict::Unknown(Failure::provider("lost", "the connection died")))
            }
        } else {
            match draw {
                0..60 => (Outcome::Transient, Verdict::Transient(Failure::message("busy", "try again"))),
                60..80 => (Outcome::Transient, Verdict::Transient(Failure::provider("limit", "too much"))),
                80..110 => (Outcome::Permanent, Verdict::Permanent(Failure::message("refused", "no such recipient"))),
                110..140 => (Outcome::Unknown, Verdict::Unknown(Failure::provider("lost", "the connection died"))),
                // Its worker gives it up.
                140..155 => return std::future::pending().await,
                _ => (Outcome::Submitted, Verdict::Submitted { provider_id: Some(format!("p{draw}")) }),
            }
        };
        under_way.is_now(outcome);
        world.log(format!("{outcome:?}: {}", envelope.message));
        Attempted::Judged(verdict)
    }

    async fn close(&mut self) {}
}

impl Transport for Provider {
    fn connect(&self) -> Box<dyn Connection> {
        Box::new(Slot(self.clone()))
    }

    fn name(&self) -> &'static str {
        "simulated"
    }

    fn connections(&self) -> usize {
        2
    }

    fn attempt_timeout(&self) -> Duration {
        Duration::from_secs(1)
    }
}
