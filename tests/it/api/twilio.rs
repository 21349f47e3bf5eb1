//! The Twilio-compatible API, asked by Twilio's official libraries for Python and Node with their base URL changed and
//! nothing else. `scripts/test-peers` installs them.

use std::process::Stdio;

use reqwest::Method;
use sendwheel_loadtest::node::{API_KEY, NodeOptions};
use sendwheel_loadtest::{wait, wall, workload};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::super::peers::{peer_file, source_file};
use super::{DAY_MS, Desk, Got, PATIENCE, id_of, texts};

/// The number that the desk sends from.
pub(super) const OURS: &str = "+12125550100";
/// One that no contact of the desk has.
pub(super) const THEIRS: &str = "+12125550199";

/// A library.
#[derive(Debug, Clone, Copy)]
pub(super) enum Library {
    Python,
    Node,
}

/// A client that was made with a library.
pub(super) struct Sdk {
    library: Library,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Sdk {
    fn start(library: Library, desk: &Desk, credentials: &[&str]) -> Self {
        let mut command = match library {
            Library::Python => {
                let mut command = Command::new(peer_file("venv/bin/python"));
                command.arg(source_file("twilio_client.py"));
                command
            }
            Library::Node => {
                let mut command = Command::new("node");
                command.arg(source_file("twilio_client.js")).arg(peer_file("node/node_modules/twilio"));
                command
            }
        };
        command.arg(desk.node.url()).args(credentials).kill_on_drop(true);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { library, input, output: BufReader::new(output).lines(), _child: child }
    }

    async fn ask(&mut self, operation: &str, given: Value) -> Value {
        let line = format!("{}\n", json!([operation, given]));
        self.input.write_all(line.as_bytes()).await.unwrap();
        let answer = tokio::time::timeout(PATIENCE, self.output.next_line()).await;
        let answer = answer.expect("the library answers in time").unwrap().expect("the library goes on");
        serde_json::from_str(&answer).unwrap()
    }

    pub(super) async fn ok(&mut self, operation: &str, given: Value) -> Value {
        let mut said = self.ask(operation, given.clone()).await;
        assert!(said.get("error").is_none(), "{:?}: {operation} {given}: {said}", self.library);
        said["ok"].take()
    }

    /// Status and code of a refusal.
    pub(super) async fn refused(&mut self, operation: &str, given: Value) -> (u64, u64) {
        let said = self.ask(operation, given.clone()).await;
        let error = &said["error"];
        assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{operation} {given}: {said}");
        (error["status"].as_u64().unwrap(), error["code"].as_u64().unwrap())
    }

    async fn until_status(&mut self, sid: &str, status: &str) -> Value {
        let deadline = wall::now_ms() + i64::try_from(PATIENCE.as_millis()).unwrap();
        loop {
            let message = self.ok("fetch", json!({"sid": sid})).await;
            if message["status"] == status {
                return message;
            }
            assert!(wall::now_ms() < deadline, "{message}");
            tokio::task::yield_now().await;
        }
    }
}

impl Desk {
    async fn account_sid(&self) -> String {
        self.get("/v1/account").await.expect(200)["twilio_sid"].as_str().unwrap().to_owned()
    }

    pub(super) async fn sdk(&self, library: Library) -> Sdk {
        let sid = self.account_sid().await;
        Sdk::start(library, self, &[&sid, API_KEY])
    }
}

pub(super) fn sid(message: &Value) -> &str {
    let sid = message["sid"].as_str().unwrap();
    assert!(sid.len() == 34 && sid.starts_with("SM"), "{sid}");
    sid
}

/// So many days ahead, on a whole second.
pub(super) fn in_days(days: i64) -> String {
    wall::rfc3339((wall::now_ms() + days * DAY_MS) / 1_000 * 1_000).replace(".000Z", "Z")
}

async fn a_message_s_life(library: Library) {
    let desk = Desk::start(1).await;
    let mut sdk = desk.sdk(library).await;
    let account = desk.account_sid().await;

    // A person whom nobody knows yet, a text that is no template, at once.
    let text = "Hi {{ contact.name }}, 50 % off & more 🎉";
    let made = sdk.ok("create", json!({"to": THEIRS, "from": OURS, "body": text})).await;
    assert_eq!((&made["body"], &made["to"], &made["from"]), (&json!(text), &json!(THEIRS), &json!(OURS)));
    assert_eq!((&made["account_sid"], &made["direction"]), (&json!(account), &json!("outbound-api")));
    assert_eq!((&made["num_segments"], &made["num_media"], &made["price"]), (&json!("1"), &json!("0"), &Value::Null));
    assert_eq!(made["uri"], format!("/2010-04-01/Accounts/{account}/Messages/{}.json", sid(&made)));
    assert_eq!(made["api_version"], "2010-04-01");
    let sent = sdk.until_status(sid(&made), "sent").await;
    assert_eq!(sent["date_created"], made["date_created"]);
    assert!(sent["date_sent"].as_str().is_some_and(|at| at >= made["date_created"].as_str().unwrap()), "{sent}");
    assert_eq!(sent["body"], text);

    // Scheduled with `From` alone, further ahead than Twilio would; the same person.
    let (at, text) = (in_days(60), "x".repeat(1_500));
    let later = json!({"to": THEIRS, "from": OURS, "body": text, "schedule_type": "fixed", "send_at": at});
    let later = sdk.ok("create", later).await;
    assert_eq!((&later["status"], &later["date_sent"]), (&json!("scheduled"), &Value::Null));
    let contacts = desk.get("/v1/contacts?q=12125550199").await.expect(200);
    assert_eq!(contacts["data"].as_array().unwrap().len(), 1, "{contacts}");
    let thread = desk.get(&format!("/v1/contacts/{}/thread", id_of(&contacts["data"][0]))).await.expect(200);
    assert_eq!(texts(thread["data"].as_array().unwrap(), "kind"), ["scheduled", "outbound"]);
    assert_eq!(thread["data"][0]["due_at"], at);

    let listed = sdk.ok("list", json!({"to": THEIRS})).await;
    let listed = listed.as_array().unwrap();
    assert_eq!(texts(listed, "sid"), [sid(&later), sid(&made)]);
    assert_eq!(listed[0]["body"], text, "a long text is whole in a list");

    // Taken back, twice; what has gone cannot be.
    for _ in 0..2 {
        let canceled = sdk.ok("update", json!({"sid": sid(&later), "status": "canceled"})).await;
        assert_eq!(canceled["status"], "canceled");
    }
    assert_eq!(sdk.refused("update", json!({"sid": sid(&made), "status": "canceled"})).await, (409, 30_409));
    assert_eq!(sdk.refused("update", json!({"sid": sid(&made), "body": ""})).await, (400, 20_422));

    // Removed once it is settled, and gone from everywhere.
    let pending = json!({"to": THEIRS, "from": OURS, "body": "Hi", "schedule_type": "fixed", "send_at": in_days(1)});
    let pending = sdk.ok("create", pending).await;
    assert_eq!(sdk.refused("delete", json!({"sid": sid(&pending)})).await, (409, 20_009));
    for gone in [&later, &made] {
        assert_eq!(sdk.ok("delete", json!({"sid": sid(gone)})).await, true);
        assert_eq!(sdk.refused("fetch", json!({"sid": sid(gone)})).await, (404, 20_404));
        assert_eq!(sdk.refused("delete", json!({"sid": sid(gone)})).await, (404, 20_404));
    }
    let listed = sdk.ok("list", json!({})).await;
    assert_eq!(texts(listed.as_array().unwrap(), "sid"), [sid(&pending)]);
}

#[tokio::test]
async fn a_message_lives_and_ends_by_twilio_s_python_library() {
    a_message_s_life(Library::Python).await;
}

#[tokio::test]
async fn a_message_lives_and_ends_by_twilio_s_node_library() {
    a_message_s_life(Library::Node).await;
}

#[tokio::test]
async fn lists_go_over_every_contact_page_by_page_and_are_filtered() {
    let desk = Desk::start(7).await;
    let mut wanted = Vec::new();
    let mut python = desk.sdk(Library::Python).await;
    for n in 0..7 {
        // Some of them went out, some wait; some contacts have both.
        if n % 2 == 0 {
            let now = python.ok("create", json!({"to": workload::phone(n), "from": OURS, "body": "now"})).await;
            python.until_status(sid(&now), "sent").await;
            wanted.push(sid(&now).to_owned());
        }
        if n % 3 == 0 || n % 2 == 1 {
            let later = json!({
                "to": workload::phone(n), "messaging_service_sid": format!("MG{}", "a".repeat(32)), "body": "later",
                "schedule_type": "fixed", "send_at": in_days(1),
            });
            let later = python.ok("create", later).await;
            assert_eq!(later["from"], OURS, "the sender is chosen");
            wanted.push(sid(&later).to_owned());
        }
    }
    // Email has no place here.
    let mail = json!({"channel": "email", "subject": "s", "body": "b"});
    desk.schedule(0, &mail).await.expect(201);
    wanted.sort_unstable();
    let mut node = desk.sdk(Library::Node).await;
    for sdk in [&mut python, &mut node] {
        for size in [1, 2, 3, 50] {
            let listed = sdk.ok("list", json!({"page_size": size})).await;
            let mut found = texts(listed.as_array().unwrap(), "sid");
            found.sort_unstable();
            assert_eq!(found, wanted, "pages of {size}");
        }
        let count = |listed: &Value| listed.as_array().unwrap().len();
        assert_eq!(count(&sdk.ok("list", json!({"limit": 3})).await), 3);
        assert_eq!(count(&sdk.ok("list", json!({"to": workload::phone(0)})).await), 2);
        assert_eq!(count(&sdk.ok("list", json!({"from": OURS})).await), wanted.len());
        assert_eq!(count(&sdk.ok("list", json!({"from": workload::phone(0)})).await), 0);
        assert_eq!(count(&sdk.ok("list", json!({"to": THEIRS})).await), 0);
        assert_eq!(count(&sdk.ok("list", json!({"date_sent_after": in_days(-1)})).await), 4);
        assert_eq!(count(&sdk.ok("list", json!({"date_sent_before": in_days(-1)})).await), 0);
    }
}

#[tokio::test]
async fn refusals_are_errors_of_the_libraries_with_twilio_s_codes_and_leave_nothing_behind() {
    let desk = Desk::start(1).await;
    let contacts = desk.all_of("/v1/contacts", 50).await;
    let address = json!({"address": workload::phone(0), "reason": "manual"});
    desk.post("/v1/suppressions", &address).await.expect(201);
    let other = json!({"name": "Other", "with_api_key": true});
    let other = desk.post("/v1/accounts", &other).await.expect(201);
    let (others_sid, others_key) = (&other["twilio_sid"], other["api_key"]["secret"].as_str().unwrap());
    let (mine, key) = (desk.account_sid().await, API_KEY);
    for library in [Library::Python, Library::Node] {
        let mut sdk = desk.sdk(library).await;
        let good = |to: &str| json!({"to": to, "from": OURS, "body": "Hi"});
        let with = |name: &str, value: Value| {
            let mut given = good(THEIRS);
            given[name] = value;
            given
        };
        for (given, refusal) in [
            (good("+10000000000"), (400, 21_211)),
            (good("whatsapp:+12125550199"), (400, 21_211)),
            (good(&workload::phone(0)), (400, 21_610)),
            (with("from", json!("+12125550177")), (400, 21_606)),
            (with("from", json!("whatsapp:+12125550100")), (400, 21_212)),
            (json!({"to": THEIRS, "body": "Hi"}), (400, 21_603)),
            (json!({"to": THEIRS, "from": OURS}), (400, 21_602)),
            (with("body", json!("x".repeat(1_601))), (400, 21_617)),
            (with("media_url", json!(["https://example.com/a.png"])), (400, 20_422)),
            (with("schedule_type", json!("fixed")), (400, 35_111)),
            (with("send_at", json!(in_days(1))), (400, 35_126)),
            (with("status_callback", json!("nowhere")), (400, 21_609)),
        ] {
            assert_eq!(sdk.refused("create", given.clone()).await, refusal, "{library:?} {given}");
        }
        let mut past = with("schedule_type", json!("fixed"));
        past["send_at"] = json!(in_days(-1));
        assert_eq!(sdk.refused("create", past).await, (400, 35_114));
        let unknown = json!({"sid": format!("SM{}", "0".repeat(32))});
        assert_eq!(sdk.refused("fetch", unknown.clone()).await, (404, 20_404));

        // Whose key it is, and which account is meant.
        for credentials in [[mine.as_str(), "sw_00000000000000000000000000000000"], [mine.as_str(), others_key]] {
            let mut stranger = Sdk::start(library, &desk, &credentials);
            assert_eq!(stranger.refused("fetch", unknown.clone()).await, (401, 20_003), "{credentials:?}");
        }
        let mut elsewhere = Sdk::start(library, &desk, &[&mine, key, others_sid.as_str().unwrap()]);
        assert_eq!(elsewhere.refused("create", good(THEIRS)).await, (404, 20_404));
    }
    assert_eq!(desk.all_of("/v1/contacts", 50).await.len(), contacts.len(), "no contact was made for a refusal");
    desk.assert_nothing_stored().await;
}

#[tokio::test]
async fn a_key_has_a_name_of_its_own_and_a_token_makes_one_message() {
    let desk = Desk::start(1).await;
    let made = desk.post("/v1/api-keys", &json!({"name": "shop", "role": "user"})).await.expect(201);
    let (name, secret, account) = (id_of(&made), made["secret"].as_str().unwrap(), desk.account_sid().await);
    let mut sdk = Sdk::start(Library::Python, &desk, &[name, secret, &account]);
    let first = sdk.ok("create", json!({"to": THEIRS, "from": OURS, "body": "Hi"})).await;
    sdk.until_status(sid(&first), "sent").await;

    let path = format!("/2010-04-01/Accounts/{account}/Messages.json");
    let form = [("To", THEIRS), ("From", OURS), ("Body", "Once")];
    let twice = |form: [(&'static str, &'static str); 3]| {
        let request = desk.request_as(None, Method::POST, &path).basic_auth(&account, Some(secret));
        Got::of(request.header("I-Twilio-Idempotency-Token", "order-7").form(&form))
    };
    let made = twice(form).await.expect(201);
    assert_eq!(twice(form).await.expect(201)["sid"], made["sid"]);
    let other = twice([("To", THEIRS), ("From", OURS), ("Body", "Other")]).await.expect(409);
    assert_eq!((&other["code"], &other["status"]), (&json!(20_409), &json!(409)));
    assert!(other["more_info"].as_str().unwrap().ends_with("/20409"));

    let contacts = desk.get("/v1/contacts?q=12125550199").await.expect(200);
    let thread = desk.get(&format!("/v1/contacts/{}/thread", id_of(&contacts["data"][0]))).await.expect(200);
    assert_eq!(thread["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn requests_that_race_for_an_unknown_number_meet_in_one_contact() {
    let desk = Desk::start(1).await;
    let account = desk.account_sid().await;
    let path = format!("/2010-04-01/Accounts/{account}/Messages.json");
    let form = [("To", THEIRS), ("From", OURS), ("Body", "Hi")];
    let requests = (0..16).map(|_| {
        let request = desk.request_as(None, Method::POST, &path).basic_auth(&account, Some(API_KEY));
        Got::of(request.form(&form))
    });
    for got in futures_util::future::join_all(requests).await {
        got.expect(201);
    }
    let contacts = desk.get("/v1/contacts?q=12125550199").await.expect(200);
    assert_eq!(contacts["data"].as_array().unwrap().len(), 1, "{contacts}");
    wait::until("all of them to go out", PATIENCE, || async {
        let thread = desk.all_of(&format!("/v1/contacts/{}/thread", id_of(&contacts["data"][0])), 50).await;
        (thread.len() == 16 && thread.iter().all(|entry| entry["state"] == "submitted")).then_some(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn what_a_contact_writes_is_read_and_removed_like_a_message() {
    let options =
        NodeOptions::new(env!("CARGO_BIN_EXE_sendwheel")).set("sms.twilio.auth_token", super::conversations::TOKEN);
    let desk = Desk::start_with(options, 1).await;
    let theirs = workload::phone(0);
    desk.writes(&theirs, OURS, "SM1", "Are you open?").await;
    for library in [Library::Python, Library::Node] {
        let mut sdk = desk.sdk(library).await;
        for given in [json!({"to": OURS}), json!({"from": theirs}), json!({})] {
            let listed = sdk.ok("list", given).await;
            let came = &listed[0];
            assert_eq!((&came["body"], &came["direction"]), (&json!("Are you open?"), &json!("inbound")));
            assert_eq!(
                (&came["from"], &came["to"], &came["status"]),
                (&json!(theirs), &json!(OURS), &json!("received"))
            );
            assert_eq!(sdk.ok("fetch", json!({"sid": sid(came)})).await, *came);
        }
    }
    let mut sdk = desk.sdk(Library::Node).await;
    let listed = sdk.ok("list", json!({})).await;
    let came = json!({"sid": sid(&listed[0])});
    assert_eq!(sdk.refused("update", json!({"sid": sid(&listed[0]), "status": "canceled"})).await, (409, 30_409));
    assert_eq!(sdk.ok("delete", came.clone()).await, true);
    assert_eq!(sdk.refused("fetch", came).await, (404, 20_404));
    assert_eq!(desk.thread(0).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_repetition_meets_its_message_whoever_of_two_with_the_number_was_active_meanwhile() {
    let options =
        NodeOptions::new(env!("CARGO_BIN_EXE_sendwheel")).set("sms.twilio.auth_token", super::conversations::TOKEN);
    let desk = Desk::start_with(options, 1).await;
    let account = desk.account_sid().await;
    let phones = json!({"phones": [{"number": THEIRS}]});
    let mut contacts = Vec::new();
    for _ in 0..2 {
        contacts.push(id_of(&desk.post("/v1/contacts", &phones).await.expect(201)).to_owned());
    }
    let path = format!("/2010-04-01/Accounts/{account}/Messages.json");
    let send = || {
        let request = desk.request_as(None, Method::POST, &path).basic_auth(&account, Some(API_KEY));
        let form = [("To", THEIRS), ("From", OURS), ("Body", "Once")];
        Got::of(request.header("I-Twilio-Idempotency-Token", "order-8").form(&form))
    };
    let made = send().await.expect(201);
    for contact in &contacts {
        let now = json!({"channel": "sms", "body": "Hello"});
        let sent = desk.post(&format!("/v1/contacts/{contact}/messages"), &now).await.expect(201);
        desk.until_state(id_of(&sent), "submitted").await;
        assert_eq!(send().await.expect(201)["sid"], made["sid"]);
    }
}
