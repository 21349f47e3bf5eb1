//! A short load with faults of a seed: the node is killed and suspended, its store stands still, its providers answer
//! badly; the oracle judges. `scripts/soak` plays the long ones.
//!
//! `SENDWHEEL_SEED` plays another one.

use std::time::Duration;

use sendwheel_loadtest::scenario::faults::{self, Faults};
use sendwheel_loadtest::scenario::lanes::{self, LanesRun};
use sendwheel_loadtest::scenario::steady::Steady;
use sendwheel_loadtest::scenario::{StoreKind, TargetOptions, figures};

use super::kill9::from_environment;
use super::stage::{Store, on_both_stores};

on_both_stores! {
    no_promise_is_broken_while_things_go_wrong,
    no_lane_waits_for_one_that_stands_still,
}

const CONTACTS: usize = 40;

fn own(store: Store) -> TargetOptions {
    let store = match store {
        Store::Embedded => StoreKind::Embedded,
        Store::Redis => StoreKind::OwnRedis,
    };
    TargetOptions::Own { binary: env!("CARGO_BIN_EXE_sendwheel").into(), store }
}

async fn no_promise_is_broken_while_things_go_wrong(store: Store) {
    let options = own(store);
    let seed = from_environment("SENDWHEEL_SEED").unwrap_or(3);
    // Other tests run beside this one: its pace is not judged.
    let run = Faults { pace: None, ..Faults::drawn(seed, Duration::from_secs(15), 60) };
    let outcome = faults::run(&options, CONTACTS, &run).await.unwrap_or_else(|error| panic!("{error:#}"));
    println!("{}", figures::table(&[outcome]));
}

async fn no_lane_waits_for_one_that_stands_still(store: Store) {
    let others = Steady { rate: 50, lasting: Duration::from_secs(6), ahead: Duration::from_millis(1_000) };
    // More than a lane may have in memory; and a second in which this process stands still is let off.
    let run = LanesRun { backlog: 12_000, others, let_off: 2 };
    let outcome = lanes::run(&own(store), CONTACTS, run).await.unwrap_or_else(|error| panic!("{error:#}"));
    println!("{}", figures::table(&[outcome]));
}
