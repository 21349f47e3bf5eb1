//! A short load with faults of a seed: the node is killed and suspended, its store stands still, its providers answer
//! badly; the oracle judges. `scripts/soak` plays the long ones.
//!
//! `SENDWHEEL_SEED` plays another one.

use std::time::Duration;

use sendwheel_loadtest::scenario::faults::{self, Faults};
use sendwheel_loadtest::scenario::{StoreKind, TargetOptions, figures};

use super::kill9::from_environment;
use super::stage::{Store, on_both_stores};

on_both_stores! {
    no_promise_is_broken_while_things_go_wrong,
}

const CONTACTS: usize = 40;

async fn no_promise_is_broken_while_things_go_wrong(store: Store) {
    let store = match store {
        Store::Embedded => StoreKind::Embedded,
        Store::Redis => StoreKind::OwnRedis,
    };
    let options = TargetOptions::Own { binary: env!("CARGO_BIN_EXE_sendwheel").into(), store };
    let seed = from_environment("SENDWHEEL_SEED").unwrap_or(3);
    // Other tests run beside this one: its pace is not judged.
    let run = Faults { pace: None, ..Faults::drawn(seed, Duration::from_secs(15), 60) };
    let outcome = faults::run(&options, CONTACTS, &run).await.unwrap_or_else(|error| panic!("{error:#}"));
    println!("{}", figures::table(&[outcome]));
}
