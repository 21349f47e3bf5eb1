//! The program behind the account's webhook and its messages' status callbacks: takes what it is told, or not, by chance, and remembers it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rand::Rng;
use rand::rngs::StdRng;
use sendwheel_actors::domain::ids::MessageId;
use sendwheel_actors::domain::message::StateName;
use sendwheel_actors::domain::verdict::{Failure, Verdict};
use sendwheel_actors::sender::transport::{Attempted, Connection, Envelope, Guard, Hook, Transport};
use serde_json::Value;
use url::form_urlencoded;

use crate::world::{Process, World, stream};

/// The receiver, as one process sees it.
#[derive(Debug, Clone)]
pub struct Receiver {
    world: Arc<World>,
    process: Arc<Process>,
    rng: Arc<Mutex<StdRng>>,
}

impl Receiver {
    pub fn new(world: Arc<World>, process: Arc<Process>, seed: u64) -> Self {
        let rng = Arc::new(Mutex::new(stream(seed, process.number, 20)));
        Self { world, process, rng }
    }
}

/// The states that a status callback's word names.
fn states_of(word: &str) -> &'static [StateName] {
    use StateName as S;
    match word {
        "sending" => &[S::Sending],
        "sent" => &[S::Submitted],
        "delivered" => &[S::Delivered],
        "undelivered" => &[S::Undelivered, S::Bounced],
        "failed" => &[S::Failed, S::Expired],
        "canceled" => &[S::Canceled],
        _ => &[],
    }
}

/// The word for a final state.
pub fn word_of(state: StateName) -> Option<&'static str> {
    let words = ["sent", "delivered", "undelivered", "failed", "canceled"];
    words.into_iter().find(|word| states_of(word).contains(&state))
}

impl World {
    fn is_told(&self, text: &str) {
        let told: Value = serde_json::from_str(text).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut model = self.model();
        model.told.insert((text(&told["data"]["id"]), text(&told["type"])));
        *model.tally.entry("notices taken").or_default() += 1;
    }

    fn is_called(&self, form: &str) {
        let form: BTreeMap<String, String> = form_urlencoded::parse(form.as_bytes()).into_owned().collect();
        let mut id = [0; 16];
        hex::decode_to_slice(&form["MessageSid"][2..], &mut id).unwrap();
        let (id, word) = (MessageId::from_bytes(id), &form["MessageStatus"]);
        let mut model = self.model();
        let is_so = states_of(word).iter().any(|state| model.came_to.contains(&(id, *state)));
        model.called.insert((id, word.clone()));
        *model.tally.entry("status callbacks taken").or_default() += 1;
        drop(model);
        if !is_so {
            self.violation(format!("callbacks: told that {id} is {word}, which it never was"));
        }
    }
}

struct Slot(Receiver);

#[async_trait]
impl Connection for Slot {
    async fn hand_over(&mut self, envelope: &Envelope, guard: &dyn Guard) -> Attempted {
        let Receiver { world, process, rng } = &self.0;
        if process.is_dead() {
            return std::future::pending().await;
        }
        if !guard.may_hand_over() {
            return Attempted::NotStarted;
        }
        let (draw, answer) = {
            let mut rng = rng.lock().unwrap();
            (rng.random_range(0..1_000), Duration::from_millis(rng.random_range(0..200)))
        };
        let is_taken = !(0..150).contains(&draw);
        if is_taken {
            let text = envelope.content.text.as_deref().unwrap();
            match &envelope.hook {
                Some(Hook::StatusCallback { .. }) => world.is_called(text),
                _ => world.is_told(text),
            }
        }
        tokio::time::sleep(answer).await;
        if process.is_dead() {
            return std::future::pending().await;
        }
        Attempted::Judged(match draw {
            0..100 => Verdict::Transient(Failure::message("http_400", "not now")),
            100..150 => Verdict::Transient(Failure::provider("http_500", "not now")),
            150..200 => Verdict::Unknown(Failure::provider("lost", "the connection died")),
            _ => Verdict::Submitted { provider_id: None },
        })
    }

    async fn close(&mut self) {}
}

impl Transport for Receiver {
    fn connect(&self) -> Box<dyn Connection> {
        Box::new(Slot(self.clone()))
    }

    fn name(&self) -> &'static str {
        "receiver"
    }

    fn connections(&self) -> usize {
        2
    }

    fn attempt_timeout(&self) -> Duration {
        Duration::from_secs(1)
    }
}
