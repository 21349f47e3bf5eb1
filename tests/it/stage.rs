//! What every black-box test stands on: a node, its providers, its store, and a client with a journal.

use std::time::Duration;

use sendwheel_loadtest::client::MessageView;
use sendwheel_loadtest::driver::{Driver, Sinks};
use sendwheel_loadtest::node::{Node, NodeOptions};
use sendwheel_loadtest::oracle::{self, Report};
use sendwheel_loadtest::redis::Redis;
use sendwheel_loadtest::sink::proxy::Proxy;
use sendwheel_loadtest::sink::sms::{SmsSink, TWILIO_SID, TWILIO_TOKEN};
use sendwheel_loadtest::sink::smtp::{SmtpOptions, SmtpSink};
use sendwheel_loadtest::workload::{self, Cast};
use sendwheel_loadtest::{wait, wall};

/// How long anything may take that has no time of its own.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// How long after its due time a message may still be on its way: longer than any claim's deadline.
pub(crate) const GRACE: Duration = Duration::from_secs(60);
/// How long a run may take to come to rest.
pub(crate) const REST: Duration = Duration::from_secs(150);

/// Which store the node has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    Embedded,
    Redis,
}

/// A node with everything around it.
pub(crate) struct Stage {
    // Declared first, so dropped first: the node ends before what it speaks to.
    pub(crate) node: Node,
    pub(crate) driver: Driver,
    pub(crate) cast: Cast,
    pub(crate) smtp: SmtpSink,
    pub(crate) sms: SmsSink,
    pub(crate) redis: Option<Redis>,
    /// Stands between the node and Redis.
    pub(crate) path: Option<Proxy>,
    run: String,
}

impl Stage {
    pub(crate) async fn start(store: Store, contacts: usize) -> Self {
        Self::start_with(store, contacts, |options| options).await
    }

    /// The same with more settings.
    pub(crate) async fn start_with(
        store: Store,
        contacts: usize,
        settings: impl FnOnce(NodeOptions) -> NodeOptions,
    ) -> Self {
        let smtp = SmtpSink::start(SmtpOptions::default()).await.unwrap();
        let sms = SmsSink::start(1_000_000).await.unwrap();
        let mut options = NodeOptions::new(env!("CARGO_BIN_EXE_sendwheel"))
            // A minute between attempts is kind to providers and long for a test.
            .set("email.retry_base", "2s")
            .set("sms.retry_base", "2s")
            // What a dead process had in its hands is taken up when its attempt must be over.
            .set("email.smtp.command_timeout", "8s")
            .set("email.smtp.attempt_timeout", "10s")
            .set("sms.twilio.attempt_timeout", "10s")
            .set("email.transport", "smtp")
            .set("email.smtp.url", smtp.url())
            .set("sms.transport", "twilio")
            .set("sms.twilio.base_url", sms.url())
            .set("sms.twilio.account_sid", TWILIO_SID)
            .set("sms.twilio.auth_token", TWILIO_TOKEN);
        let (mut redis, mut path) = (None, None);
        if store == Store::Redis {
            let server = Redis::start().await.unwrap();
            let proxy = Proxy::start(server.address()).await.unwrap();
            options = options.store(format!("redis://{}", proxy.address()));
            (redis, path) = (Some(server), Some(proxy));
        }
        let node = Node::start(settings(options)).await.unwrap_or_else(|error| panic!("{error:#}"));
        let cast = workload::cast(&node.client(), contacts).await.unwrap_or_else(|error| panic!("{error:#}"));
        let driver = Driver::new(node.client(), PATIENCE);
        let run = format!("{:x}", wall::now_ms());
        Self { node, driver, cast, smtp, sms, redis, path, run }
    }

    pub(crate) fn token(&self, n: usize) -> String {
        workload::token(&self.run, n)
    }

    pub(crate) fn sinks(&self) -> Sinks<'_> {
        Sinks { smtp: Some(&self.smtp), sms: Some(&self.sms) }
    }

    /// Schedules SMS number `n`, due in so many milliseconds.
    pub(crate) async fn sms(&self, n: usize, due_in_ms: i64) -> MessageView {
        let (token, due) = (self.token(n), wall::now_ms() + due_in_ms);
        let message = workload::sms(&token, due);
        self.driver.schedule(&token, self.cast.contact(n), &message, due).await.unwrap()
    }

    /// Schedules email number `n`, due in so many milliseconds.
    pub(crate) async fn mail(&self, n: usize, due_in_ms: i64) -> MessageView {
        let (token, due) = (self.token(n), wall::now_ms() + due_in_ms);
        let message = workload::mail(&token, due);
        self.driver.schedule(&token, self.cast.contact(n), &message, due).await.unwrap()
    }

    /// Waits until a message satisfies the condition.
    pub(crate) async fn until(
        &self,
        id: &str,
        what: &str,
        within: Duration,
        is_met: impl Fn(&MessageView) -> bool,
    ) -> MessageView {
        let client = self.driver.client();
        let is_met = &is_met;
        wait::until(what, within, || async move { client.message(id).await.ok().filter(is_met) })
            .await
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// Waits until a message is in this state.
    pub(crate) async fn until_state(&self, id: &str, state: &str, within: Duration) -> MessageView {
        self.until(id, &format!("state {state}"), within, |message| message.state == state).await
    }

    /// Waits until everything rests, lets the oracle judge, and demands that it finds nothing.
    pub(crate) async fn judge(&self) -> Report {
        let evidence = self.driver.settle(REST, GRACE, self.sinks()).await.unwrap();
        assert_eq!(self.smtp.mails().dropped() + self.sms.requests().dropped(), 0, "a sink's record is full");
        let report = oracle::check(&evidence);
        assert!(report.is_clean(), "{report}");
        report
    }
}

/// A test for each store, from one that takes the store.
macro_rules! on_both_stores {
    ($($test:ident),+ $(,)?) => {
        mod embedded {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    super::$test(crate::stage::Store::Embedded).await;
                }
            )+
        }
        mod redis {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    super::$test(crate::stage::Store::Redis).await;
                }
            )+
        }
    };
}
pub(crate) use on_both_stores;
