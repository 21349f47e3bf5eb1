//! A contact with many pending messages is deleted while others' are due at a steady rate: how soon it is answered, how
//! soon all of them are gone, and what it costs the others, against the same rate without a deletion.

use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::steady::{self, Steady};
use super::{Outcome, Target};
use crate::progress::Progress;
use crate::wall::{self, Stopwatch};
use crate::workload::{self, token};

/// How often the gauge is read while waiting: the resolution of the figure.
const POLL: Duration = Duration::from_millis(20);
/// Until the run is given up.
const PATIENCE: Duration = Duration::from_secs(60);
/// Lines of one batch.
const LINES: usize = 1_000;
/// A number that no cast comes to.
const VICTIM: usize = 900_000;
/// Pending messages are due this far ahead: none of them in the run.
const DAY_MS: i64 = 86_400_000;

/// A run with one deletion.
#[derive(Debug, Clone, Copy)]
pub struct Deletion {
    /// Pending messages of the contact.
    pub messages: usize,
    /// What the others get meanwhile.
    pub others: Steady,
}

/// Measures the others alone, and then with the deletion a third of the time in.
///
/// # Errors
/// When the node fails, or has not removed everything in time.
pub async fn run(target: &Target, deletion: Deletion) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::new("deletion", target.store);
    let alone = steady::run(target, deletion.others, None).await.context("the rate without a deletion")?;
    let contact = json!({"name": "Leaves", "phones": [{"number": workload::phone(VICTIM)}]});
    let contact = target.client.create_contact(&contact).await.context("make the contact")?;
    let due = wall::now_ms() + DAY_MS;
    let bar = Progress::of("schedule for one contact", deletion.messages);
    for from in (0..deletion.messages).step_by(LINES) {
        let upto = deletion.messages.min(from + LINES);
        let line = |n| workload::for_contact(workload::sms(&token(&target.run, n), due), &contact);
        let answers = target.client.batch(&(from..upto).map(line).collect::<Vec<Value>>()).await?;
        if answers.iter().any(|answer| answer.message.is_none()) {
            bail!("a pending message was refused");
        }
        bar.more(answers.len());
    }
    drop(bar);
    let (beside, (answered, gone)) =
        tokio::try_join!(steady::run(target, deletion.others, None), remove(target, &contact, deletion))?;
    outcome.figure("pending messages", deletion.messages as f64, "messages");
    outcome.figure("answered", answered.as_secs_f64() * 1_000.0, "ms");
    outcome.figure("all gone", gone.as_secs_f64() * 1_000.0, "ms");
    for (when, others) in [("alone", alone), ("beside it", beside)] {
        for figure in others.figures.iter().filter(|figure| figure.name.starts_with("lateness")) {
            outcome.figure(&format!("others' {}, {when}", figure.name), figure.value, figure.unit);
        }
    }
    outcome
        .note("all gone: by the node's own gauge of what is pending, to within half a second of the others' messages");
    Ok(outcome)
}

/// Deletes the contact; how long the answer took, and until nothing of it was pending.
async fn remove(target: &Target, contact: &str, deletion: Deletion) -> anyhow::Result<(Duration, Duration)> {
    tokio::time::sleep(deletion.others.lasting / 3).await;
    let pending =
        async || anyhow::Ok(target.client.metrics().await.context("read /metrics")?.sum("sendwheel_pending", &[]));
    // The others' come and go meanwhile.
    let enough = pending().await? - deletion.messages as f64 + deletion.others.rate as f64 / 2.0;
    let watch = Stopwatch::start();
    target.client.delete_contact(contact).await.context("delete the contact")?;
    let answered = watch.elapsed();
    while pending().await? > enough {
        if watch.is_past(PATIENCE) {
            bail!("messages of the deleted contact are still pending after {} s", PATIENCE.as_secs());
        }
        tokio::time::sleep(POLL).await;
    }
    Ok((answered, watch.elapsed()))
}
