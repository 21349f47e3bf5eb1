//! The process is killed at moments that nobody chose, under load, again and again; then the oracle
//! compares what was acknowledged with what arrived.
//!
//! `SENDWHEEL_KILL_ROUNDS` says how often (3 unless set), `SENDWHEEL_SEED` repeats the choices of a run.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use sendwheel_loadtest::{wait, wall, workload};

use super::stage::{PATIENCE, Stage, Store, on_both_stores};

on_both_stores! {
    nothing_acknowledged_is_lost_and_nothing_canceled_is_sent_when_the_process_is_killed,
}

/// Programs that schedule and cancel all the while.
const CLIENTS: u64 = 6;
/// The pace of each: one message in this time.
const PACE: Duration = Duration::from_millis(25);
const CONTACTS: usize = 60;

pub(crate) fn from_environment<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

async fn nothing_acknowledged_is_lost_and_nothing_canceled_is_sent_when_the_process_is_killed(store: Store) {
    let rounds: u32 = from_environment("SENDWHEEL_KILL_ROUNDS").unwrap_or(3);
    let seed = from_environment("SENDWHEEL_SEED").unwrap_or_else(|| wall::now_ms().unsigned_abs());
    println!("seed {seed}, {rounds} rounds");
    let mut choices = StdRng::seed_from_u64(seed);
    let mut stage = Stage::start(store, CONTACTS).await;
    let next = AtomicUsize::new(0);

    for round in 0..rounds {
        let Stage { node, driver, cast, smtp, sms, .. } = &mut stage;
        let progress = || driver.acknowledged() + smtp.mails().count() + sms.requests().count();
        let wanted = progress() + choices.random_range(20..400);
        let is_over = AtomicBool::new(false);
        let (is_over, next) = (&is_over, &next);
        let run = format!("{seed}");
        // The clients go on while the node is down: what they get no answer for they ask again.
        let clients = futures_util::future::join_all((0..CLIENTS).map(|client| {
            let rng = StdRng::seed_from_u64(seed ^ (u64::from(round) << 32) ^ client);
            drive(driver, cast, &run, next, is_over, rng)
        }));
        let fault = async {
            wait::until("the moment of the kill", PATIENCE, || async { (progress() >= wanted).then_some(()) })
                .await
                .unwrap_or_else(|error| panic!("{error}"));
            node.kill_9().await.unwrap();
            node.restart().await.unwrap_or_else(|error| panic!("seed {seed}, round {round}: {error:#}"));
            is_over.store(true, Ordering::SeqCst);
        };
        tokio::join!(clients, fault);
    }
    let report = stage.judge().await;
    println!("{report}");
    assert!(report.handed_over > 0 && report.canceled > 0, "the run did nothing: {report}");
}

/// Schedules at a pace, and cancels one message in four, sometimes at the very moment it is due.
async fn drive(
    driver: &sendwheel_loadtest::driver::Driver,
    cast: &workload::Cast,
    run: &str,
    next: &AtomicUsize,
    is_over: &AtomicBool,
    mut rng: StdRng,
) {
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !is_over.load(Ordering::SeqCst) {
        pace.tick().await;
        let n = next.fetch_add(1, Ordering::SeqCst);
        let token = workload::token(run, n);
        let ahead_ms = rng.random_range(0..1_500);
        let due = wall::now_ms() + ahead_ms;
        let message = if rng.random_bool(0.5) { workload::sms(&token, due) } else { workload::mail(&token, due) };
        let contact = cast.contact(rng.random_range(0..CONTACTS));
        let view = driver.schedule(&token, contact, &message, due).await.unwrap_or_else(|error| panic!("{error}"));
        if rng.random_bool(0.25) {
            if rng.random_bool(0.5) {
                // The race that matters: the cancel meets the hand-over.
                let left = u64::try_from(due - wall::now_ms()).unwrap_or(0);
                tokio::time::sleep(Duration::from_millis(left)).await;
            }
            if let Err(error) = driver.cancel(&token, &view.id).await {
                // A message that is gone is the oracle's finding, with all the others.
                assert_eq!(error.status(), Some(404), "{error}");
            }
        }
    }
}
