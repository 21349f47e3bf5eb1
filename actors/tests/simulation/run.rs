//! One run: process after process over the same data, until the workload is done, everything is healed and
//! nothing moves any more.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix::System;
use rand::Rng;
use sendwheel_actors::domain::address::Channel;
use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::clock::{Clock, SharedClock};
use sendwheel_actors::domain::destination_limits::DestinationLimits;
use sendwheel_actors::domain::directory::{Account, Subscribed, Webhook, WebhookEvent};
use sendwheel_actors::domain::ids::{LaneNo, Partition, WebhookId};
use sendwheel_actors::domain::message::StateName;
use sendwheel_actors::domain::signatures::webhook::WebhookSecret;
use sendwheel_actors::domain::source::IdSource;
use sendwheel_actors::engine::{Engine, EngineSettings, EngineStart, Threads, Transports};
use sendwheel_actors::store::keys::DirectoryKey;
use sendwheel_actors::store::memory::MemoryStore;
use sendwheel_actors::store::{Acquired, Batch, Counter, Index, Mutation, NodeId, Store, Table, codec};

use crate::model::Tally;
use crate::oracle;
use crate::people::{THEIR_DOMAIN, TO_THEIR_DOMAIN};
use crate::plan::Plan;
use crate::probe::probe;
use crate::provider::Provider;
use crate::quiet::Quiet;
use crate::receiver::Receiver;
use crate::slow_store::{SlowStore, faults};
use crate::workload::{ACCOUNT, Callers};
use crate::world::{Process, World, stream};

/// The names under which processes run; mostly the first one.
const NODES: [NodeId; 2] = [NodeId(7), NodeId(9)];

fn settings(world: &World, node: NodeId) -> EngineSettings {
    let mut settings = EngineSettings::for_node(node);
    settings.shards = world.plan.shards;
    settings.active_contacts = world.plan.active_contacts;
    settings.wheel_horizon = Duration::from_secs(5);
    settings.wheel_page = world.plan.wheel_page;
    settings.lane_bound = world.plan.lane_bound;
    settings.retention = world.plan.retention.unwrap_or(settings.retention);
    settings.sweep_every = world.plan.sweep_every;
    for delivery in [&mut settings.email, &mut settings.sms, &mut settings.webhook] {
        delivery.retry_base = Duration::from_millis(300);
        delivery.retry_cap = Duration::from_secs(2);
        delivery.max_attempts = 4;
    }
    settings.email_destinations = DestinationLimits::of_domains([(THEIR_DOMAIN, TO_THEIR_DOMAIN)], None);
    // Nothing of what is told is to be given up.
    settings.webhook.max_attempts = 1_000;
    settings
}

/// What a run came to.
#[derive(Debug)]
pub struct Report {
    pub seed: u64,
    pub violations: Vec<String>,
    pub events: Vec<String>,
    pub tally: Tally,
}

/// How a process ended.
enum End {
    /// It died, or was stopped; another one goes on.
    Again,
    /// Everything is done.
    Done,
}

/// The account, as if it had been set up before.
async fn found(store: &MemoryStore, ids: &IdSource, now: UnixMs, plan: &Plan) {
    let Ok(Acquired::Granted(lease)) = store.acquire(Partition::DIRECTORY, NODES[0], Duration::from_secs(1)).await
    else {
        panic!("an empty store is free");
    };
    let account = Account {
        id: ids.account(now),
        no: ACCOUNT,
        version: 1,
        name: "Simulated".into(),
        time_zone: "Europe/Berlin".into(),
        twilio_sid: "AC0".into(),
        created_at: now,
        updated_at: now,
        suspended_at: None,
        alerts: Default::default(),
        rules: plan.quiet.map(Quiet::rules).unwrap_or_default(),
        help_reply: None,
        smart_send: Default::default(),
        tracking: false,
        rules_changed_at: UnixMs(0),
        limits: Default::default(),
        request_hash: None,
    };
    let key = DirectoryKey::Account(ACCOUNT);
    let mut mutations = vec![
        Mutation::Put(Table::Directory, key.key(), codec::encode(&account)),
        Mutation::Index(Index::Directory, UnixMs(0), key.member()),
    ];
    if plan.has_webhook {
        let webhook = webhook(now);
        let key = DirectoryKey::Webhook(webhook.id);
        mutations.push(Mutation::Put(Table::Directory, key.key(), codec::encode(&webhook)));
        mutations.push(Mutation::Index(Index::Directory, UnixMs(0), key.member()));
        mutations.push(Mutation::Add(Counter::Lanes, 1));
    }
    let mut head = lease.head;
    store.commit(&mut head, Batch { mutations, is_growth: true }).await.unwrap();
}

fn webhook(now: UnixMs) -> Webhook {
    Webhook {
        id: WebhookId::from_bytes([7; 16]),
        lane: LaneNo(1),
        account: ACCOUNT,
        version: 1,
        url: "https://crm.example.com/hook".into(),
        description: None,
        events: Subscribed::To(
            StateName::ALL.into_iter().filter(|state| state.is_final()).filter_map(WebhookEvent::of_state).collect(),
        ),
        secret: WebhookSecret::from_bytes(&[7; 32]).unwrap(),
        replaced: None,
        is_enabled: true,
        created_at: now,
        updated_at: now,
        request_hash: None,
    }
}

struct Run {
    world: Arc<World>,
    seed: u64,
    operations_left: u32,
    operations_done: u32,
}

impl Run {
    fn process(&self, number: u32) -> Arc<Process> {
        let cell = Arc::new(OnceLock::new());
        let hook = faults(&self.world, &cell, self.seed, number);
        let is_renamed = stream(self.seed, number, 6).random_range(0..1_000) < self.world.plan.renamed;
        let node = NODES[usize::from(is_renamed)];
        let process = Process::new(number, node, Arc::new(self.world.handle(node, hook)));
        cell.set(Arc::clone(&process)).unwrap();
        process
    }

    async fn start(&self, process: &Arc<Process>, ids: &IdSource) -> Engine {
        let store = Arc::new(SlowStore::new(Arc::clone(&self.world), Arc::clone(process), self.seed));
        let provider =
            |channel| Arc::new(Provider::new(Arc::clone(&self.world), Arc::clone(process), channel, self.seed));
        loop {
            let start = EngineStart {
                settings: settings(&self.world, process.node),
                store: Arc::clone(&store) as _,
                clock: Arc::clone(&self.world.clock) as SharedClock,
                ids: ids.clone(),
                transports: Transports {
                    email: provider(Channel::Email),
                    sms: provider(Channel::Sms),
                    webhook: Arc::new(Receiver::new(Arc::clone(&self.world), Arc::clone(process), self.seed)),
                },
                threads: Threads::Current,
            };
            match Engine::start(start).await {
                Ok(engine) => return engine,
                Err(error) => self.world.log(format!("not started: {error}")),
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Another node has an eye on this process's leases, as long as there are faults.
    fn let_rival_look(&self) {
        let world = Arc::clone(&self.world);
        actix::spawn(async move {
            while world.has_faults() {
                tokio::time::sleep(Duration::from_millis(700)).await;
                world.rival_acts();
            }
        });
    }

    /// Lives until it dies, is stopped, or has nothing left to do.
    async fn live(&mut self, process: &Arc<Process>) -> End {
        let number = process.number;
        let ids = IdSource::seeded(self.seed ^ u64::from(number) << 40);
        if number == 0 {
            found(&self.world.data, &ids, self.world.clock.now(), &self.world.plan).await;
        }
        self.world.model().process_begins(self.world.elapsed());
        self.let_rival_look();
        let engine = self.start(process, &ids).await;
        let callers = Callers { world: Arc::clone(&self.world), process: Arc::clone(process), engine };
        callers.prepare().await;
        let mut rng = stream(self.seed, number, 3);
        let mut moves = stream(self.seed, number, 7);
        let mut merges = stream(self.seed, number, 8);
        let mut repeats = stream(self.seed, number, 9);
        let floods_at = if number == 0 && self.world.plan.floods > 0 { rng.random_range(0..40) } else { u32::MAX };
        // Most processes end in the middle of it, one way or the other.
        let share = rng.random_range(0..self.operations_left * 2 + 1);
        for _ in 0..share.min(self.operations_left) {
            self.operations_left -= 1;
            self.operations_done += 1;
            self.world.chance_to_set_clock();
            callers.chance_to_merge(&mut merges);
            callers.chance_to_repeat(&mut repeats, self.operations_done);
            callers.operate(&mut rng, self.operations_done);
            if self.world.plan.quiet.is_some() && moves.random_bool(0.1) {
                callers.move_contact(&mut moves);
            }
            if self.operations_done == floods_at {
                callers.flood(&mut rng, self.operations_done);
            }
            let pause = if rng.random_bool(0.6) { rng.random_range(0..40) } else { rng.random_range(0..1_500) };
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        if self.operations_left > 0 {
            if rng.random_bool(0.5) {
                self.world.log("killed");
                process.die();
                process.store.crash();
            } else {
                self.world.log("stopping");
                let left = callers.engine.shutdown(Duration::from_secs(rng.random_range(0..4))).await;
                self.world.log(format!("stopped, {left} left"));
            }
            return End::Again;
        }
        self.world.heal();
        callers.resume_all().await;
        if self.world.plan.repeats > 0 {
            // A few more of what repeats.
            tokio::time::sleep(Duration::from_secs(130)).await;
        }
        oracle::until_quiet(&self.world, process).await;
        probe(&callers).await;
        // What the probe did is told, too.
        oracle::until_quiet(&self.world, process).await;
        let left = callers.engine.shutdown(Duration::from_secs(5)).await;
        if left > 0 {
            self.world.violation(format!("{left} permits or requests are left when everything is quiet"));
        }
        End::Done
    }
}

/// Runs a seed to its end.
pub fn run(seed: u64) -> Report {
    let world = World::new(seed);
    let operations_left = world.plan.operations;
    let mut run = Run { world: Arc::clone(&world), seed, operations_left, operations_done: 0 };
    world.log(format!("seed {seed}: {:?}", world.plan));
    let mut number = 0;
    loop {
        let system = System::with_tokio_rt(|| {
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
        });
        let process = run.process(number);
        let end = system.block_on(async {
            world.clock.process_begins();
            world.log(format!("process {number} begins"));
            let end = tokio::select! {
                biased;
                () = process.death() => End::Again,
                end = run.live(&process) => end,
            };
            world.log(format!("process {number} ends"));
            process.die();
            process.store.crash();
            let downtime = stream(seed, number, 4).random_range(10..9_000);
            world.clock.process_ends(Duration::from_millis(downtime));
            end
        });
        drop(system);
        number += 1;
        if matches!(end, End::Done) || number > 200 {
            break;
        }
    }
    oracle::check(&world);
    let events = world.events();
    let mut model = world.model();
    let hands = model.hands();
    model.tally.extend([("processes", u64::from(number)), ("hand-overs", hands), ("calls", world.store_calls())]);
    Report { seed, violations: model.violations.clone(), events, tally: model.tally.clone() }
}
