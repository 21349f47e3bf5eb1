//! A bug is planted for each invariant: the oracle must find each, and nothing in the same runs without it.
//!
//! A few are played at once: each waits most of its time. `SENDWHEEL_SEED` plays another seed.

use std::path::Path;

use futures_util::{StreamExt as _, stream};
use sendwheel_loadtest::bugs;

use super::kill9::from_environment;

const BINARY: &str = env!("CARGO_BIN_EXE_sendwheel");
/// Runs at once.
const AT_ONCE: usize = 3;

fn seed() -> u64 {
    from_environment("SENDWHEEL_SEED").unwrap_or(1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_oracle_finds_a_bug_of_each_invariant() {
    let found = bugs::ALL.map(|bug| Box::pin(bug.is_found(Path::new(BINARY), seed())));
    let found: Vec<_> = stream::iter(found).buffer_unordered(AT_ONCE).collect().await;
    for found in found {
        println!("{}", found.unwrap_or_else(|error| panic!("{error:#}")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_oracle_finds_nothing_where_no_bug_is_planted() {
    let clean = bugs::ALL.map(|bug| Box::pin(bug.is_not_found_without(Path::new(BINARY), seed())));
    let clean: Vec<_> = stream::iter(clean).buffer_unordered(AT_ONCE).collect().await;
    for clean in clean {
        clean.unwrap_or_else(|error| panic!("{error:#}"));
    }
}
