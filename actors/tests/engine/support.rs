//! An engine for a test: its store, its transports, its account.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use sendwheel_actors::directory::Bootstrap;
use sendwheel_actors::domain::address::{Channel, EmailAddress, Mailbox, PhoneNumber};
use sendwheel_actors::domain::clock::{Clock, SystemClock, UnixMs};
use sendwheel_actors::domain::contact::{Contact, ContactEmail, ContactPhone, Profile};
use sendwheel_actors::domain::directory::{Limit, Role, Sender, SenderAddress};
use sendwheel_actors::domain::ids::{AccountNo, ContactId, MessageId, PartitionCount};
use sendwheel_actors::domain::message::{Author, Content, StateName};
use sendwheel_actors::domain::schedule::{IfLate, QuietHoursPolicy};
use sendwheel_actors::domain::source::IdSource;
use sendwheel_actors::domain::verdict::Verdict;
use sendwheel_actors::engine::api::{Caller, MessageView, NewContact, NewIntent, NewMessage, NewSender};
use sendwheel_actors::engine::operations::Readiness;
use sendwheel_actors::engine::{Engine, EngineSettings, EngineStart, Threads, Transports};
use sendwheel_actors::sender::transport::{Attempted, Connection, Envelope, Guard, Transport};
use sendwheel_actors::store::{self, NodeId, SharedStore, StoreSettings, StoreUrl};

/// A hand-over that was seen.
#[derive(Debug, Clone)]
pub(crate) struct HandedOver {
    pub(crate) message: MessageId,
    pub(crate) attempt: u16,
    pub(crate) text: String,
    /// Bytes, and the first of them.
    pub(crate) attachments: Vec<(usize, u8)>,
    pub(crate) at: UnixMs,
    /// Its `List-Unsubscribe`.
    pub(crate) unsubscribe: Option<String>,
}

/// Records, and answers from a script; without one everything is taken.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recorder {
    pub(crate) seen: Arc<Mutex<Vec<HandedOver>>>,
    pub(crate) script: Arc<Mutex<VecDeque<Verdict>>>,
}

impl Recorder {
    pub(crate) fn seen(&self) -> Vec<HandedOver> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn answer(&self, verdict: Verdict) {
        self.script.lock().unwrap().push_back(verdict);
    }
}

struct Recording(Recorder);

#[async_trait]
impl Connection for Recording {
    async fn hand_over(&mut self, envelope: &Envelope, guard: &dyn Guard) -> Attempted {
        if !guard.may_hand_over() {
            return Attempted::NotStarted;
        }
        self.0.seen.lock().unwrap().push(HandedOver {
            message: envelope.message,
            attempt: envelope.attempt,
            text: envelope.content.text.clone().unwrap_or_default(),
            attachments: envelope.attachments.iter().map(|(_, bytes)| (bytes.len(), bytes[0])).collect(),
            at: SystemClock.now(),
            unsubscribe: envelope.list_unsubscribe.as_ref().map(ToString::to_string),
        });
        let scripted = self.0.script.lock().unwrap().pop_front();
        Attempted::Judged(scripted.unwrap_or(Verdict::Submitted { provider_id: Some("p1".into()) }))
    }

    async fn close(&mut self) {}
}

impl Transport for Recorder {
    fn connect(&self) -> Box<dyn Connection> {
        Box::new(Recording(self.clone()))
    }

    fn name(&self) -> &'static str {
        "recorder"
    }

    fn connections(&self) -> usize {
        4
    }

    fn attempt_timeout(&self) -> Duration {
        Duration::from_secs(2)
    }
}

/// A running engine.
pub(crate) struct Node {
    pub(crate) engine: Engine,
    pub(crate) email: Recorder,
    pub(crate) sms: Recorder,
    pub(crate) webhook: Recorder,
    pub(crate) caller: Caller,
}

const FAST: Limit = Limit { rate: 100_000, per: Duration::from_secs(1), burst: 1_000 };

/// Settings with short waits.
pub(crate) fn settings() -> EngineSettings {
    let mut settings = EngineSettings::for_node(NodeId(1));
    settings.shards = 2;
    for delivery in [&mut settings.email, &mut settings.sms, &mut settings.webhook] {
        delivery.retry_base = Duration::from_millis(50);
        delivery.retry_cap = Duration::from_millis(200);
        delivery.max_attempts = 3;
    }
    settings
}

impl Node {
    /// Starts an engine on a folder, with an account on the first start.
    pub(crate) async fn start(folder: &std::path::Path, settings: EngineSettings) -> Self {
        Self::start_with(folder, settings, Arc::new(SystemClock), |store| store).await
    }

    /// The same by another clock.
    pub(crate) async fn start_at(folder: &std::path::Path, settings: EngineSettings, clock: Arc<dyn Clock>) -> Self {
        Self::start_with(folder, settings, clock, |store| store).await
    }

    /// The same, with something between the engine and its store.
    pub(crate) async fn start_on(
        folder: &std::path::Path,
        settings: EngineSettings,
        between: impl FnOnce(SharedStore) -> SharedStore,
    ) -> Self {
        Self::start_with(folder, settings, Arc::new(SystemClock), between).await
    }

    /// The same on any store.
    pub(crate) async fn start_over(
        url: &StoreUrl,
        settings: EngineSettings,
        between: impl FnOnce(SharedStore) -> SharedStore,
    ) -> Self {
        Self::begin(url, settings, Arc::new(SystemClock), between).await
    }

    async fn start_with(
        folder: &std::path::Path,
        settings: EngineSettings,
        clock: Arc<dyn Clock>,
        between: impl FnOnce(SharedStore) -> SharedStore,
    ) -> Self {
        Self::begin(&StoreUrl::Embedded(folder.to_owned()), settings, clock, between).await
    }

    async fn begin(
        url: &StoreUrl,
        settings: EngineSettings,
        clock: Arc<dyn Clock>,
        between: impl FnOnce(SharedStore) -> SharedStore,
    ) -> Self {
        let ids = IdSource::from_os();
        let store_settings = StoreSettings::new(PartitionCount::new(16).unwrap(), Arc::clone(&clock), ids.clone());
        let mut opened = None;
        until("the store opens", async || {
            opened = store::open(url, &store_settings).await.ok();
            opened.is_some()
        })
        .await;
        let store = between(opened.unwrap());
        let (email, sms) = (Recorder::default(), Recorder::default());
        let webhook = Recorder::default();
        let transports = Transports {
            email: Arc::new(email.clone()),
            sms: Arc::new(sms.clone()),
            webhook: Arc::new(webhook.clone()),
        };
        let engine = Engine::start(EngineStart { settings, store, clock, ids, transports, threads: Threads::Own })
            .await
            .unwrap();
        engine
            .bootstrap(&Bootstrap {
                account_name: "Test".into(),
                time_zone: "Europe/Berlin".into(),
                admin_email: EmailAddress::parse("admin@example.org").unwrap(),
                admin_password: SecretString::from("a long password"),
                api_key: SecretString::from("sw_0123456789012345678901234567890123456789"),
            })
            .await
            .unwrap();
        until("the node is ready", async || engine.readiness() == Readiness::Ready).await;
        let caller = Caller {
            account: AccountNo(1),
            author: Author::System,
            role: Role::Admin,
            user: None,
            test: false,
            origin: None,
            bulk: false,
        };
        Self { engine, email, sms, webhook, caller }
    }

    pub(crate) async fn sms_sender(&self, number: &str) -> Sender {
        self.limited_sms_sender(number, FAST).await
    }

    pub(crate) async fn limited_sms_sender(&self, number: &str, limit: Limit) -> Sender {
        self.sender(SenderAddress::Phone(PhoneNumber::parse(number).unwrap()), limit).await
    }

    pub(crate) async fn email_sender(&self, mailbox: &str) -> Sender {
        self.sender(SenderAddress::Email(Mailbox::parse(mailbox).unwrap()), FAST).await
    }

    async fn sender(&self, address: SenderAddress, limit: Limit) -> Sender {
        let new = NewSender {
            address,
            label: None,
            is_default: false,
            assigned_user: None,
            limit: Some(limit),
            country: None,
            idempotency: None,
        };
        self.engine.create_sender(&self.caller, new).await.unwrap().into_inner()
    }

    pub(crate) async fn contact(&self, number: u32) -> Contact {
        let profile = Profile {
            name: Some(format!("Jane {number}")),
            phones: vec![ContactPhone {
                number: PhoneNumber::parse(&format!("+1212{:07}", 5_550_000 + number)).unwrap(),
                label: None,
                primary: true,
            }],
            emails: vec![ContactEmail {
                address: EmailAddress::parse(&format!("jane{number}@example.org")).unwrap(),
                label: None,
                primary: true,
            }],
            ..Profile::default()
        };
        self.engine.create_contact(&self.caller, NewContact { profile, idempotency: None }).await.unwrap().into_inner()
    }

    pub(crate) async fn sms(&self, contact: ContactId, text: &str, intent: NewIntent) -> MessageView {
        self.engine.schedule(&self.caller, contact, sms(text, intent)).await.unwrap().into_inner()
    }

    pub(crate) async fn state(&self, id: MessageId) -> StateName {
        self.engine.message(&self.caller, id).await.unwrap().state_name()
    }

    pub(crate) async fn until_state(&self, id: MessageId, state: StateName) {
        until(&format!("{id} is {state}"), async || self.state(id).await == state).await;
    }

    pub(crate) async fn stop(self) {
        assert_eq!(self.engine.shutdown(Duration::from_secs(5)).await, 0, "nothing is left in flight");
    }

    pub(crate) fn in_ms(ms: i64) -> NewIntent {
        NewIntent::At(UnixMs(SystemClock.now().0 + ms))
    }
}

pub(crate) fn sms(text: &str, intent: NewIntent) -> NewMessage {
    NewMessage {
        channel: Channel::Sms,
        to: None,
        from: None,
        content: Content { text: Some(text.into()), render: true, ..Content::default() },
        template: None,
        attachments: Vec::new(),
        intent,
        class: None,
        if_late: IfLate::Send,
        quiet_hours: QuietHoursPolicy::Defer,
        reply: Default::default(),
        cancel_on_reply: false,
        metadata: Default::default(),
        recurrence: None,
        callback_url: None,
        idempotency: None,
    }
}

/// Waits for a condition; fails after twenty seconds.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = SystemClock.boot().plus(Duration::from_secs(20));
    while !is_so().await {
        assert!(SystemClock.boot() < deadline, "timed out: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
