//! A bug is planted for each invariant: the oracle must find each, and nothing in the same runs without it.
//!
//! Played all at once: each waits most of its time. `SENDWHEEL_SEED` plays another seed.

use std::path::Path;

use sendwheel_loadtest::bugs;

use super::kill9::from_environment;

const BINARY: &str = env!("CARGO_BIN_EXE_sendwheel");

fn seed() -> u64 {
    from_environment("SENDWHEEL_SEED").unwrap_or(1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_oracle_finds_a_bug_of_each_invariant() {
    let found = bugs::ALL.map(|bug| bug.is_found(Path::new(BINARY), seed()));
    for found in futures_util::future::join_all(found).await {
        println!("{}", found.unwrap_or_else(|error| panic!("{error:#}")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_oracle_finds_nothing_where_no_bug_is_planted() {
    let clean = bugs::ALL.map(|bug| bug.is_not_found_without(Path::new(BINARY), seed()));
    for clean in futures_util::future::join_all(clean).await {
        clean.unwrap_or_else(|error| panic!("{error:#}"));
    }
}
