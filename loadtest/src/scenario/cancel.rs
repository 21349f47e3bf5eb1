//! Taking back: message by message over HTTP, by lists of them, and contacts that go with everything that is pending
//! for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{Outcome, Target};
use crate::wait;
use crate::wall::{self, Stopwatch};
use crate::workload::{self, token};

/// Lines of one batch, and messages of one list.
const LINES: usize = 1_000;
const LISTS_AT_ONCE: usize = 4;
/// Numbers that no cast comes to begin here.
const VICTIMS: usize = 7_000_000;
/// What is taken back is due this far ahead: none of it in the run.
const DAY_MS: i64 = 86_400_000;
/// Longer than the node's gauge of what is pending takes to show a change.
const GAUGE: Duration = Duration::from_millis(1_500);
/// Until the run is given up.
const PATIENCE: Duration = Duration::from_secs(120);

/// A run of cancels.
#[derive(Debug, Clone, Copy)]
pub struct Cancel {
    /// Messages that are cancelled one by one, and as many by lists.
    pub messages: usize,
    /// Clients, each waiting for its answer.
    pub clients: usize,
    /// Contacts that are deleted.
    pub contacts: usize,
    /// What is pending for each of them.
    pub pending: usize,
}

/// Measures all three.
///
/// # Errors
/// When the node fails, or says of one message that it was not cancelled.
pub async fn run(target: &Target, cancel: Cancel) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::new("cancel", target.store);
    one_by_one(target, cancel, &mut outcome).await?;
    by_lists(target, cancel, &mut outcome).await?;
    with_their_contacts(target, cancel, &mut outcome).await?;
    outcome.note(format!("one by one: closed loop of {} clients, each cancel acknowledged durable", cancel.clients));
    Ok(outcome)
}

/// Schedules these lines for tomorrow and gives their ids.
async fn schedule(target: &Target, lines: &[Value]) -> anyhow::Result<Vec<String>> {
    let mut ids = Vec::with_capacity(lines.len());
    for chunk in lines.chunks(LINES) {
        for answer in target.client.batch(chunk).await.context("schedule what is to be cancelled")? {
            let Some(message) = answer.message else { bail!("a message was refused: {:?}", answer.problem) };
            ids.push(message.id);
        }
    }
    Ok(ids)
}

/// Schedules as many messages as are to be cancelled, numbered from this one on.
async fn schedule_all(target: &Target, cancel: Cancel, first: usize) -> anyhow::Result<Vec<String>> {
    let due = wall::now_ms() + DAY_MS;
    let line = |n| workload::for_contact(workload::sms(&token(&target.run, n), due), target.cast.contact(n));
    schedule(target, &(first..first + cancel.messages).map(line).collect::<Vec<_>>()).await
}

/// Has so many clients send a request for each of these, and refuses an answer that says it is not done.
async fn ask_all<T: Send + Sync + 'static>(
    target: &Target,
    clients: usize,
    asked: Vec<T>,
    request: impl Fn(&T) -> (&'static str, String, Vec<u8>) + Send + Copy + 'static,
    is_done: impl Fn(&T, &Value) -> bool + Send + Copy + 'static,
) -> anyhow::Result<Duration> {
    let (asked, next) = (Arc::new(asked), Arc::new(AtomicUsize::new(0)));
    let mut running = JoinSet::new();
    let watch = Stopwatch::start();
    for _ in 0..clients.max(1) {
        let (mut wire, asked, next) = (target.client.wire().await?, Arc::clone(&asked), Arc::clone(&next));
        running.spawn(async move {
            while let Some(one) = asked.get(next.fetch_add(1, Ordering::Relaxed)) {
                let (method, path, content) = request(one);
                let kind = if content.is_empty() { "" } else { "application/json" };
                let answer = wire.ask(method, &path, kind, &content).await.context("cancel")?;
                let answer: Value = serde_json::from_slice(answer).context("read what came of a cancel")?;
                if !is_done(one, &answer) {
                    bail!("not cancelled: {answer}");
                }
            }
            Ok(())
        });
    }
    while let Some(ended) = running.join_next().await {
        ended.context("a client task ended early")??;
    }
    Ok(watch.elapsed())
}

async fn one_by_one(target: &Target, cancel: Cancel, outcome: &mut Outcome) -> anyhow::Result<()> {
    let ids = schedule_all(target, cancel, 0).await?;
    let request = |id: &String| ("DELETE", format!("/v1/messages/{id}"), Vec::new());
    let took = ask_all(target, cancel.clients, ids, request, |_, answer| answer["outcome"] == "canceled").await?;
    outcome.figure("one by one", cancel.messages as f64 / took.as_secs_f64(), "messages/s");
    Ok(())
}

async fn by_lists(target: &Target, cancel: Cancel, outcome: &mut Outcome) -> anyhow::Result<()> {
    let ids = schedule_all(target, cancel, cancel.messages).await?;
    let lists: Vec<Vec<String>> = ids.chunks(LINES).map(<[_]>::to_vec).collect();
    let request =
        |ids: &Vec<String>| ("POST", "/v1/messages:cancel".to_owned(), json!({ "ids": ids }).to_string().into_bytes());
    let is_done = |ids: &Vec<String>, answer: &Value| answer["canceled"] == ids.len();
    let took = ask_all(target, LISTS_AT_ONCE, lists, request, is_done).await?;
    outcome.figure("by lists of 1,000", cancel.messages as f64 / took.as_secs_f64(), "messages/s");
    Ok(())
}

async fn with_their_contacts(target: &Target, cancel: Cancel, outcome: &mut Outcome) -> anyhow::Result<()> {
    let due = wall::now_ms() + DAY_MS;
    let mut contacts = Vec::with_capacity(cancel.contacts);
    for n in 0..cancel.contacts {
        let contact = json!({"name": "Leaves", "phones": [{"number": workload::phone(VICTIMS + n)}]});
        let contact = target.client.create_contact(&contact).await.context("make a contact")?;
        let line = |of: usize| workload::for_contact(workload::sms(&token(&target.run, of), due), &contact);
        schedule(target, &(0..cancel.pending).map(line).collect::<Vec<_>>()).await?;
        contacts.push(contact);
    }
    let pending = async || Some(target.client.metrics().await.ok()?.sum("sendwheel_pending", &[]));
    // The gauge lags behind: what it shows counts when it has stood still.
    let stands = async || {
        let seen = pending().await?;
        tokio::time::sleep(GAUGE).await;
        (pending().await? == seen).then_some(seen)
    };
    let before = wait::until("what is pending to stand still", PATIENCE, stands).await?;
    let all = (cancel.contacts * cancel.pending) as f64;
    let watch = Stopwatch::start();
    let request = |contact: &String| ("DELETE", format!("/v1/contacts/{contact}"), Vec::new());
    let pending_each = cancel.pending;
    let is_done = move |_: &String, answer: &Value| answer["canceled"] == pending_each;
    let answered = ask_all(target, cancel.clients, contacts, request, is_done).await?;
    let gone = async || pending().await.is_some_and(|now| now <= before - all).then_some(());
    wait::until("everything of the deleted contacts to be gone", PATIENCE, gone).await?;
    outcome.figure("contacts deleted", cancel.contacts as f64, "contacts");
    outcome.figure("pending for each", cancel.pending as f64, "messages");
    outcome.figure("with their contact, answered", all / answered.as_secs_f64(), "messages/s");
    outcome.figure("with their contact, all gone", all / watch.elapsed().as_secs_f64(), "messages/s");
    outcome.note(
        "answered: from then on none of the contact's messages is handed over; gone: by the node's gauge, to a second",
    );
    Ok(())
}
