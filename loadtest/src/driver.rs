//! A client that keeps a journal: it repeats what was not answered, as a careful program would, and
//! writes down only what was acknowledged.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::Value;

use crate::client::{Answered, CancelOutcome, Client, ClientError, MessageView};
use crate::oracle::{self, Evidence, Journal, Scheduled, Standing, Stop};
use crate::sink::sms::SmsSink;
use crate::sink::smtp::SmtpSink;
use crate::wall::{self, Stopwatch};

/// Between two tries of the same request.
const RETRY: Duration = Duration::from_millis(50);
/// Requests at once when reading how messages stand.
const READS: usize = 16;
/// States in which a message is still on its way.
const UNDER_WAY: [&str; 3] = ["scheduled", "queued", "sending"];

/// A client with a journal.
pub struct Driver {
    client: Client,
    journal: Mutex<Journal>,
    patience: Duration,
}

impl Driver {
    /// A driver that repeats a request for at most `patience`.
    #[must_use]
    pub fn new(client: Client, patience: Duration) -> Self {
        Self { client, journal: Mutex::default(), patience }
    }

    /// The same journal at another node of the same store.
    #[must_use]
    pub fn at(self, client: Client) -> Self {
        Self { client, ..self }
    }

    /// The client behind it.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many schedules were acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> usize {
        self.journal().scheduled.len()
    }

    /// Whether to try again after this error, waiting a little; else gives the error back.
    async fn again(&self, error: ClientError, watch: &Stopwatch) -> Answered<()> {
        let is_worth_it = error.is_worth_repeating();
        self.again_if(is_worth_it, error, watch).await
    }

    /// The same for what ends something: a store without room takes it as soon as it has some.
    async fn end_again(&self, error: ClientError, watch: &Stopwatch) -> Answered<()> {
        let is_worth_it = error.is_worth_repeating() || error.status() == Some(507);
        self.again_if(is_worth_it, error, watch).await
    }

    async fn again_if(&self, is_worth_it: bool, error: ClientError, watch: &Stopwatch) -> Answered<()> {
        if !is_worth_it || watch.is_past(self.patience) {
            return Err(error);
        }
        tokio::time::sleep(RETRY).await;
        Ok(())
    }

    /// Schedules a message under its token as idempotency key, until it is answered.
    ///
    /// # Errors
    /// What the last try said, when it was refused for good or patience ended.
    pub async fn schedule(&self, token: &str, contact: &str, message: &Value, due_at_ms: i64) -> Answered<MessageView> {
        let watch = Stopwatch::start();
        let mut may_exist = false;
        loop {
            match self.client.schedule(contact, message, Some(token)).await {
                Ok(view) => {
                    self.journal().scheduled.push(Scheduled {
                        token: token.to_owned(),
                        id: view.id.clone(),
                        contact: contact.to_owned(),
                        due_at_ms,
                        lane: message["channel"].as_str().unwrap_or_default().to_owned(),
                        acked_at_ms: wall::now_ms(),
                    });
                    return Ok(view);
                }
                Err(error) => {
                    // A server error may hide a commit whose outcome the server itself does not know.
                    may_exist |= error.status().is_none_or(|status| status >= 500);
                    if let Err(error) = self.again(error, &watch).await {
                        if may_exist {
                            self.journal().unanswered.push(token.to_owned());
                        }
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Cancels a message until it is answered.
    ///
    /// # Errors
    /// As for [`Driver::schedule`]; then nothing is written down, and nothing is expected of the cancel.
    pub async fn cancel(&self, token: &str, id: &str) -> Answered<CancelOutcome> {
        let watch = Stopwatch::start();
        loop {
            match self.client.cancel(id).await {
                Ok(outcome) => {
                    let acked_at_ms = wall::now_ms();
                    let stop = match outcome {
                        CancelOutcome::Canceled => Stop::Canceled { acked_at_ms },
                        CancelOutcome::AlreadyHandedOver => Stop::AlreadyHandedOver { acked_at_ms },
                    };
                    self.journal().stops.insert(token.to_owned(), stop);
                    return Ok(outcome);
                }
                Err(error) => self.end_again(error, &watch).await?,
            }
        }
    }

    /// Deletes a contact until it is answered; a contact that is gone counts as deleted. How its messages stand is
    /// written down before, since nobody can ask afterwards.
    ///
    /// # Errors
    /// As for [`Driver::cancel`].
    pub async fn delete_contact(&self, contact: &str) -> Answered<()> {
        let watch = Stopwatch::start();
        loop {
            let ids = self.ids_of(|message| message.contact == contact);
            let seen = self.read(ids, oracle::last_standing_of).await?;
            self.journal().seen_before_deletion.extend(seen);
            match self.client.delete_contact(contact).await {
                // Gone: an earlier try was carried out and its answer lost.
                Ok(_) | Err(ClientError::Refused { status: 404, .. }) => {
                    self.journal().deleted_contacts.insert(contact.to_owned(), wall::now_ms());
                    return Ok(());
                }
                Err(error) => self.end_again(error, &watch).await?,
            }
        }
    }

    /// How every acknowledged message stands, by its id; one that the API does not know is left out.
    ///
    /// # Errors
    /// When a message cannot be read.
    pub async fn standings(&self) -> Answered<HashMap<String, Standing>> {
        self.read(self.ids_of(|_| true), oracle::standing_of).await
    }

    fn ids_of(&self, is_wanted: impl Fn(&Scheduled) -> bool) -> Vec<String> {
        let journal = self.journal();
        journal.scheduled.iter().filter(|message| is_wanted(message)).map(|message| message.id.clone()).collect()
    }

    async fn read(
        &self,
        ids: Vec<String>,
        standing: fn(&MessageView) -> Standing,
    ) -> Answered<HashMap<String, Standing>> {
        let reads = ids.into_iter().map(|id| async move {
            let watch = Stopwatch::start();
            loop {
                match self.client.message(&id).await {
                    Ok(view) => return Ok(Some((id, standing(&view)))),
                    Err(ClientError::Refused { status: 404, .. }) => return Ok(None),
                    Err(error) => self.again(error, &watch).await?,
                }
            }
        });
        let answers: Vec<Answered<_>> = stream::iter(reads).buffer_unordered(READS).collect().await;
        answers.into_iter().filter_map(Result::transpose).collect()
    }

    /// Waits until no acknowledged message is under way any more, for at most `within`, and gives what the
    /// oracle needs. What is still under way then is the oracle's to judge.
    ///
    /// # Errors
    /// When a message cannot be read.
    pub async fn settle(&self, within: Duration, grace: Duration, sinks: Sinks<'_>) -> Answered<Evidence> {
        let watch = Stopwatch::start();
        loop {
            let standings = self.standings().await?;
            let is_settled = standings.values().all(|standing| !UNDER_WAY.contains(&standing.state.as_str()));
            if !is_settled && !watch.is_past(within) {
                tokio::time::sleep(Duration::from_millis(250)).await;
                continue;
            }
            let (mut handovers, mut begun) = (Vec::new(), Vec::new());
            if let Some(sink) = sinks.smtp {
                sink.mails().with(|mails| {
                    handovers.extend(oracle::from_mails(mails));
                    begun.extend(oracle::begun_mails(mails));
                });
            }
            if let Some(sink) = sinks.sms {
                sink.requests().with(|requests| {
                    handovers.extend(oracle::from_sms(requests));
                    begun.extend(oracle::begun_sms(requests));
                });
            }
            return Ok(Evidence {
                journal: self.journal().clone(),
                handovers,
                begun,
                limits: Vec::new(),
                superseded: Vec::new(),
                clock: Vec::new(),
                standings,
                asked_at_ms: wall::now_ms(),
                grace_ms: i64::try_from(grace.as_millis()).unwrap_or(i64::MAX),
            });
        }
    }
}

/// The sinks of a run.
#[derive(Clone, Copy, Default)]
pub struct Sinks<'a> {
    /// Where its mails went.
    pub smtp: Option<&'a SmtpSink>,
    /// Where its SMS went.
    pub sms: Option<&'a SmsSink>,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::json;

    use super::*;
    use crate::sink::http::{Answer, Handler, HttpSink, Reply};

    /// A server that closes the first `silent` requests, and answers 503 to the next and then `reply`.
    async fn server(silent: usize, reply: Reply) -> (HttpSink, Driver) {
        let seen = AtomicUsize::new(0);
        let handler: Arc<Handler> = Arc::new(move |_| {
            let answer = match seen.fetch_add(1, Ordering::SeqCst) {
                n if n < silent => Answer::Close,
                n if n == silent => Answer::Reply(Reply::json(503, &json!({}))),
                _ => Answer::Reply(reply.clone()),
            };
            (Duration::ZERO, answer)
        });
        let sink = HttpSink::start(handler).await.unwrap();
        let client = Client::new(&format!("http://{}", sink.address()), "k");
        (sink, Driver::new(client, Duration::from_secs(5)))
    }

    #[tokio::test]
    async fn a_schedule_is_repeated_until_answered_and_written_down_once() {
        let (_sink, driver) = server(2, Reply::json(201, &json!({"id": "msg_1", "state": "scheduled"}))).await;
        driver.schedule("t", "contact_1", &json!({"channel": "sms"}), 5).await.unwrap();
        let journal = driver.journal().clone();
        let [scheduled] = &journal.scheduled[..] else { panic!("written down once: {journal:?}") };
        let Scheduled { token, id, contact, due_at_ms, lane, .. } = scheduled;
        assert_eq!((&**token, &**id, &**contact, *due_at_ms, &**lane), ("t", "msg_1", "contact_1", 5, "sms"));
        assert!(journal.unanswered.is_empty());
    }

    #[tokio::test]
    async fn a_refused_schedule_is_no_acknowledgement() {
        let handler: Arc<Handler> = Arc::new(|_| (Duration::ZERO, Answer::Reply(Reply::json(422, &json!({})))));
        let sink = HttpSink::start(handler).await.unwrap();
        let client = Client::new(&format!("http://{}", sink.address()), "k");
        let driver = Driver::new(client, Duration::from_secs(5));
        assert_eq!(driver.schedule("t", "contact_1", &json!({}), 5).await.unwrap_err().status(), Some(422));
        assert_eq!((driver.acknowledged(), driver.journal().unanswered.len()), (0, 0));
    }

    #[tokio::test]
    async fn a_contact_that_is_gone_counts_as_deleted() {
        let (_sink, driver) = server(1, Reply::json(404, &json!({}))).await;
        driver.delete_contact("contact_1").await.unwrap();
        assert!(driver.journal().deleted_contacts.contains_key("contact_1"));
    }

    #[tokio::test]
    async fn settling_ends_at_its_deadline_and_shows_what_is_under_way() {
        let (_sink, driver) = server(0, Reply::json(200, &json!({"id": "msg_1", "state": "sending"}))).await;
        driver.schedule("t", "contact_1", &json!({}), 5).await.unwrap();
        let evidence = driver.settle(Duration::ZERO, Duration::ZERO, Sinks::default()).await.unwrap();
        assert_eq!(evidence.standings["msg_1"].state, "sending");
        assert!(!oracle::check(&evidence).is_clean());
    }
}
