//! What tests of the API over a real engine stand on: an engine with one account and its operator's key, on a
//! store in a temporary folder, by a clock that a test may move ahead.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::dev::ServiceResponse;
use actix_web::http::header;
use actix_web::test::read_body;
use metrics_exporter_prometheus::PrometheusBuilder;
use sendwheel_actors::domain::clock::{BootUs, Clock, SystemClock, UnixMs};
use sendwheel_actors::domain::ids::PartitionCount;
use sendwheel_actors::domain::source::IdSource;
use sendwheel_actors::engine::operations::Readiness;
use sendwheel_actors::engine::{Bootstrap, Engine, EngineSettings, EngineStart, Threads, Transports};
use sendwheel_actors::sender::discard::DiscardTransport;
use sendwheel_actors::store::embedded::EmbeddedStore;
use sendwheel_actors::store::{NodeId, StoreSettings};
use sendwheel_loadtest::wait::until;
use serde_json::{Value, json};

use super::{Api, ApiSettings, ApiState};

/// The operator's key.
pub(super) const KEY: &str = "sw_00000000000000000000000000000000";
/// The first admin's address and password.
pub(super) const ADMIN: (&str, &str) = ("admin@example.com", "a password of some length");
/// How long anything may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// The machine's clock, moved ahead by so many milliseconds.
#[derive(Debug, Default)]
pub(super) struct MovedClock(AtomicU64);

impl MovedClock {
    pub(super) fn advance(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    fn ahead(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }
}

impl Clock for MovedClock {
    fn now(&self) -> UnixMs {
        SystemClock.now().plus(self.ahead())
    }

    fn boot(&self) -> BootUs {
        SystemClock.boot().plus(self.ahead())
    }
}

/// An engine with one account, its operator's key, and nothing else.
pub(super) struct Stage {
    pub(super) engine: Engine,
    pub(super) api: Api,
    pub(super) clock: Arc<MovedClock>,
    _folder: tempfile::TempDir,
}

pub(super) async fn stage() -> Stage {
    stage_with(ApiSettings::default()).await
}

pub(super) async fn stage_with(edge: ApiSettings) -> Stage {
    stage_of(edge, |_| {}).await
}

/// With settings of the engine that are not the default ones.
pub(super) async fn stage_of(edge: ApiSettings, tune: impl FnOnce(&mut EngineSettings)) -> Stage {
    let folder = tempfile::tempdir().unwrap();
    let (moved, ids) = (Arc::new(MovedClock::default()), IdSource::seeded(1));
    let clock: Arc<dyn Clock> = moved.clone();
    let partitions = PartitionCount::new(4).unwrap();
    let settings = StoreSettings::new(partitions, Arc::clone(&clock), ids.clone());
    let store = Arc::new(EmbeddedStore::open(folder.path(), &settings).await.unwrap());
    let discard = || Arc::new(DiscardTransport::new(1));
    let transports = Transports { email: discard(), sms: discard(), webhook: discard() };
    let mut settings = EngineSettings::for_node(NodeId(1));
    tune(&mut settings);
    let engine =
        Engine::start(EngineStart { settings, store, clock, ids, transports, threads: Threads::Own }).await.unwrap();
    let first = Bootstrap {
        account_name: "Test".into(),
        time_zone: "UTC".into(),
        admin_email: ADMIN.0.parse().unwrap(),
        admin_password: ADMIN.1.to_owned().into(),
        api_key: KEY.to_owned().into(),
    };
    assert!(engine.bootstrap(&first).await.unwrap());
    let looked_at = engine.clone();
    until("the engine to be ready", PATIENCE, || {
        let readiness = looked_at.readiness();
        async move { (readiness == Readiness::Ready).then_some(()) }
    })
    .await
    .unwrap();
    let metrics = PrometheusBuilder::new().build_recorder().handle();
    let api = Api::new(ApiState { engine: engine.clone(), settings: edge, metrics });
    Stage { engine, api, clock: moved, _folder: folder }
}

/// What came back.
pub(super) struct Got {
    pub(super) status: u16,
    pub(super) headers: header::HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Got {
    pub(super) async fn of(response: ServiceResponse) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, body: read_body(response).await.to_vec() }
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    pub(super) fn lines(&self) -> Vec<Value> {
        let text = std::str::from_utf8(&self.body).expect("the body is text");
        text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
    }

    /// The JSON, after the status was as expected.
    #[track_caller]
    pub(super) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        if self.body.is_empty() { Value::Null } else { self.json() }
    }
}

/// Asks the API: method, path, extra headers, body.
macro_rules! ask {
    ($app:expr, $method:ident, $path:expr $(, [$($name:expr => $value:expr),*])? $(; $body:expr)?) => {{
        let request = TestRequest::with_uri(&$path.to_string()).method(Method::$method)
            .insert_header((header::AUTHORIZATION, format!("Bearer {KEY}")));
        $($(let request = request.insert_header(($name, $value));)*)?
        $(let request = request.insert_header((header::CONTENT_TYPE, "application/json")).set_payload($body.to_string());)?
        Got::of(call_service(&$app, request.to_request()).await).await
    }};
}

pub(super) use ask;

macro_rules! app {
    ($stage:expr) => {
        actix_web::test::init_service(actix_web::App::new().configure(|config| $stage.api.configure(config))).await
    };
}
pub(super) use app;

pub(super) fn id_of(resource: &Value) -> String {
    resource["id"].as_str().expect("a resource has an id").to_owned()
}

/// A day that is more than a year ahead.
pub(super) fn day() -> String {
    SystemClock.now().plus(Duration::from_secs(400 * 86_400)).to_string()[..10].to_owned()
}

/// A message for nine o'clock of that day in a zone without clock changes.
pub(super) fn later(body: &str) -> Value {
    json!({"channel": "sms", "body": body, "send": {"at": format!("{}T09:00", day()), "time_zone": "America/Phoenix"}})
}
