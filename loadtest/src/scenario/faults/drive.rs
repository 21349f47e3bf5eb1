//! The clients of a run: they schedule, cancel and delete, and ask again until they are answered.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use rand::Rng as _;
use rand::rngs::StdRng;

use super::Faults;
use crate::driver::Driver;
use crate::wall;
use crate::workload::{self, Cast, token};

/// Programs that schedule and cancel.
pub(super) const CLIENTS: usize = 64;
/// Messages of a herd are due at whole multiples of this.
const HERD: i64 = 5_000;
/// So many messages in one are cancelled.
const CANCELED: f64 = 0.2;
/// Of the cancels and deletions that come when a message is about to go, half come up to so much before.
const SHORTLY: i64 = 100;

/// One client: schedules at its share of the rate, cancels one in five and deletes a contact now and then, half of them
/// when a message is about to go.
pub(super) async fn drive(
    driver: &Driver,
    cast: &Cast,
    run: &Faults,
    next: &AtomicUsize,
    is_over: &AtomicBool,
    mut rng: StdRng,
) -> anyhow::Result<()> {
    let mut pace = tokio::time::interval(Duration::from_secs_f64(CLIENTS as f64 / run.rate.max(1) as f64));
    // What could not be asked for in time is asked for as soon as it can be.
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    // No other run's: ids derive from it, and what another one sent must not pass for this one's.
    let name = format!("{:x}.{:x}", run.seed, std::process::id());
    while !is_over.load(Ordering::SeqCst) {
        pace.tick().await;
        let token = token(&name, next.fetch_add(1, Ordering::SeqCst));
        let now = wall::now_ms();
        // A third with the herd, as at the top of an hour.
        let due = if rng.random_bool(0.3) { (now / HERD + 1) * HERD } else { now + rng.random_range(0..3_000) };
        let message = if rng.random_bool(0.6) { workload::sms(&token, due) } else { workload::mail(&token, due) };
        let contact = cast.contact(rng.random_range(0..cast.contacts.len()));
        let view = match driver.schedule(&token, contact, &message, due).await {
            Ok(view) => view,
            // The contact was deleted: nothing was scheduled, and nothing is expected.
            Err(error) if matches!(error.status(), Some(404 | 409)) => continue,
            // The disk is full: nothing new is taken, and a program gives up.
            Err(error) if error.status() == Some(507) => continue,
            Err(error) => return Err(error).context("schedule a message"),
        };
        let chance: f64 = rng.random();
        if chance < CANCELED {
            if rng.random_bool(0.5) {
                until(due, &mut rng).await;
            }
            match driver.cancel(&token, &view.id).await {
                // Gone with its contact, or the oracle's finding.
                Err(error) if error.status() != Some(404) => return Err(error).context("cancel a message"),
                _ => {}
            }
        } else if chance < CANCELED + run.removals {
            if rng.random_bool(0.5) {
                until(due, &mut rng).await;
            }
            driver.delete_contact(contact).await.context("delete a contact")?;
        }
    }
    Ok(())
}

/// Waits until the very moment at which a message is due, or shortly before.
async fn until(due: i64, rng: &mut StdRng) {
    let before = if rng.random_bool(0.5) { rng.random_range(0..SHORTLY) } else { 0 };
    let left = u64::try_from(due - before - wall::now_ms()).unwrap_or(0);
    tokio::time::sleep(Duration::from_millis(left)).await;
}
