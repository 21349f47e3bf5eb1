//! Who may do what, cell by cell: every route of the table that the server mounts, asked by everyone there is.
//!
//! A right caller's request may still be refused for what it asks (409, 415, 422): that it was looked at is what
//! counts here. A route without a row fails.

use std::collections::BTreeSet;
use std::time::Duration;

use actix_web::dev::ServiceResponse;
use actix_web::http::{Method, header};
use actix_web::test::{TestRequest, call_service};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use serde_json::{Value, json};

use super::routes::endpoints;
use super::test_stage::*;

/// Who asks, in the order of a row's cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    /// Nobody who says who they are.
    Nobody,
    /// A test key with the role admin.
    TestKey,
    UserKey,
    AdminKey,
    OperatorKey,
    /// An admin's key of another account.
    OthersKey,
    UserSession,
    AdminSession,
    /// A key of an admin that was revoked.
    RevokedKey,
    /// A session of the operator that is over.
    ExpiredSession,
}

const EVERYONE: [Who; 10] = [
    Who::Nobody,
    Who::TestKey,
    Who::UserKey,
    Who::AdminKey,
    Who::OperatorKey,
    Who::OthersKey,
    Who::UserSession,
    Who::AdminSession,
    Who::RevokedKey,
    Who::ExpiredSession,
];

/// The statuses that everyone gets.
type Cells = [u16; 10];

/// For those who say who they are; `others` is what another account's admin gets.
const fn known(own: u16, others: u16) -> Cells {
    [401, own, own, own, own, others, own, own, 401, 401]
}

/// For admins and operators.
const fn admins(own: u16, others: u16) -> Cells {
    [401, own, 403, own, own, others, 403, own, 401, 401]
}

/// For operators, of whichever account.
const fn operators(own: u16) -> Cells {
    [401, 403, 403, 403, own, 403, 403, 403, 401, 401]
}

/// For keys of the account that the path names; another's are as good as none, and a session is no key.
const fn keys(own: u16) -> Cells {
    [401, own, own, own, own, 401, 401, 401, 401, 401]
}

/// For everybody.
const fn public(status: u16) -> Cells {
    [status; 10]
}

/// What a path's `{id}` stands for: something of the first account, made for this cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Nothing,
    Contact,
    Message,
    Series,
    Sender,
    Key,
    /// A user whom nobody is.
    User,
    Account,
    Webhook,
    Template,
    /// A session of the user who asks as [`Who::UserSession`].
    Session,
}

/// Method, path, query, what the id is of, body, cells.
type Row = (&'static str, &'static str, &'static str, Of, Option<Value>, Cells);

fn rows() -> Vec<Row> {
    let patch = || Some(json!({}));
    let message = || Some(later("Hi"));
    vec![
        ("POST", "/v1/messages:batch", "", Of::Nothing, None, known(415, 415)),
        ("POST", "/v1/contacts/{id}/messages", "", Of::Contact, message(), known(201, 404)),
        ("GET", "/v1/messages/{id}", "", Of::Message, None, known(200, 404)),
        ("PATCH", "/v1/messages/{id}", "", Of::Message, patch(), known(200, 404)),
        ("DELETE", "/v1/messages/{id}", "", Of::Message, None, known(200, 404)),
        ("GET", "/v1/series/{id}", "", Of::Series, None, known(200, 404)),
        ("DELETE", "/v1/series/{id}", "", Of::Series, None, known(200, 404)),
        ("GET", "/v1/messages", "?state=scheduled", Of::Nothing, None, known(200, 200)),
        ("GET", "/v1/schedule", "", Of::Nothing, None, known(200, 200)),
        ("GET", "/v1/reports/smart-send", "", Of::Nothing, None, known(200, 200)),
        ("POST", "/v1/messages:cancel", "", Of::Nothing, Some(json!({"metadata": {"of": "nobody"}})), known(200, 200)),
        ("POST", "/v1/messages/{id}/send-now", "", Of::Message, None, known(200, 404)),
        ("POST", "/v1/messages/{id}/resolve", "", Of::Message, Some(json!({"outcome": "failed"})), known(409, 404)),
        ("POST", "/v1/messages/{id}/requeue", "", Of::Message, None, known(409, 404)),
        ("GET", "/v1/contacts", "", Of::Nothing, None, known(200, 200)),
        ("POST", "/v1/contacts", "", Of::Nothing, Some(json!({"name": "Bob"})), known(201, 201)),
        ("POST", "/v1/contacts:import", "", Of::Nothing, None, known(415, 415)),
        ("GET", "/v1/contacts/{id}", "", Of::Contact, None, known(200, 404)),
        ("PATCH", "/v1/contacts/{id}", "", Of::Contact, patch(), known(200, 404)),
        ("DELETE", "/v1/contacts/{id}", "", Of::Contact, None, known(200, 404)),
        (
            "POST",
            "/v1/contacts/{id}/merge",
            "",
            Of::Contact,
            Some(json!({"from": "contact_01h455vb4pex5vsknk084sn02q"})),
            known(422, 404),
        ),
        ("GET", "/v1/contacts/{id}/thread", "", Of::Contact, None, known(200, 404)),
        ("POST", "/v1/contacts/{id}/undo", "", Of::Contact, None, known(409, 404)),
        ("PATCH", "/v1/contacts/{id}/conversation", "", Of::Contact, patch(), known(200, 404)),
        ("POST", "/v1/contacts/{id}/notes", "", Of::Contact, Some(json!({"body": "x"})), known(201, 404)),
        ("GET", "/v1/conversations", "", Of::Nothing, None, known(200, 200)),
        ("GET", "/v1/contacts/{id}/senders", "?channel=sms", Of::Contact, None, known(200, 404)),
        ("GET", "/v1/senders", "", Of::Nothing, None, known(200, 200)),
        ("POST", "/v1/senders", "", Of::Nothing, Some(json!({})), admins(422, 422)),
        ("GET", "/v1/senders/{id}", "", Of::Sender, None, known(200, 404)),
        ("PATCH", "/v1/senders/{id}", "", Of::Sender, patch(), admins(200, 404)),
        ("DELETE", "/v1/senders/{id}", "", Of::Sender, None, admins(204, 404)),
        ("GET", "/v1/api-keys", "", Of::Nothing, None, admins(200, 200)),
        (
            "POST",
            "/v1/api-keys",
            "",
            Of::Nothing,
            Some(json!({"name": "more"})),
            [401, 403, 403, 201, 201, 201, 403, 201, 401, 401],
        ),
        ("GET", "/v1/api-keys/{id}", "", Of::Key, None, admins(200, 404)),
        ("DELETE", "/v1/api-keys/{id}", "", Of::Key, None, admins(204, 404)),
        ("GET", "/v1/webhooks", "", Of::Nothing, None, admins(200, 200)),
        ("POST", "/v1/webhooks", "", Of::Nothing, Some(json!({})), admins(422, 422)),
        ("GET", "/v1/webhooks/{id}", "", Of::Webhook, None, admins(200, 404)),
        ("PATCH", "/v1/webhooks/{id}", "", Of::Webhook, patch(), admins(200, 404)),
        ("DELETE", "/v1/webhooks/{id}", "", Of::Webhook, None, admins(204, 404)),
        ("POST", "/v1/webhooks/{id}/test", "", Of::Webhook, None, admins(202, 404)),
        ("POST", "/v1/webhooks/{id}/rotate-secret", "", Of::Webhook, None, admins(200, 404)),
        ("GET", "/v1/templates", "", Of::Nothing, None, known(200, 200)),
        ("POST", "/v1/templates", "", Of::Nothing, Some(json!({})), admins(422, 422)),
        ("GET", "/v1/templates/{id}", "", Of::Template, None, known(200, 404)),
        ("PATCH", "/v1/templates/{id}", "", Of::Template, patch(), admins(200, 404)),
        ("DELETE", "/v1/templates/{id}", "", Of::Template, None, admins(204, 404)),
        ("GET", "/v1/suppressions", "", Of::Nothing, None, admins(200, 200)),
        ("POST", "/v1/suppressions", "", Of::Nothing, Some(json!({})), admins(422, 422)),
        ("POST", "/v1/suppressions:import", "", Of::Nothing, None, admins(415, 415)),
        ("GET", "/v1/suppressions:export", "", Of::Nothing, None, admins(200, 200)),
        ("DELETE", "/v1/suppressions/{address}", "", Of::Nothing, None, admins(404, 404)),
        ("POST", "/2010-04-01/Accounts/{account}/Messages.json", "", Of::Nothing, None, keys(415)),
        ("GET", "/2010-04-01/Accounts/{account}/Messages.json", "", Of::Nothing, None, keys(200)),
        ("GET", "/2010-04-01/Accounts/{account}/Messages/{sid}.json", "", Of::Message, None, keys(200)),
        ("POST", "/2010-04-01/Accounts/{account}/Messages/{sid}.json", "", Of::Message, None, keys(415)),
        ("DELETE", "/2010-04-01/Accounts/{account}/Messages/{sid}.json", "", Of::Message, None, keys(409)),
        ("POST", "/inbound/email", "", Of::Nothing, None, admins(422, 422)),
        ("POST", "/inbound/twilio/message", "", Of::Nothing, None, public(403)),
        ("POST", "/inbound/twilio/status", "", Of::Nothing, None, public(403)),
        ("GET", "/v1/account", "", Of::Nothing, None, known(200, 200)),
        ("PATCH", "/v1/account", "", Of::Nothing, patch(), admins(200, 200)),
        ("GET", "/v1/accounts", "", Of::Nothing, None, operators(200)),
        ("POST", "/v1/accounts", "", Of::Nothing, Some(json!({"name": "New"})), operators(201)),
        ("GET", "/v1/accounts/{id}", "", Of::Account, None, operators(200)),
        ("PATCH", "/v1/accounts/{id}", "", Of::Account, patch(), operators(200)),
        ("DELETE", "/v1/accounts/{id}", "", Of::Account, None, operators(409)),
        ("GET", "/v1/users", "", Of::Nothing, None, admins(200, 200)),
        ("POST", "/v1/users", "", Of::Nothing, Some(json!({})), admins(422, 422)),
        ("GET", "/v1/users/me", "", Of::Nothing, None, [401, 404, 404, 404, 404, 404, 200, 200, 401, 401]),
        ("GET", "/v1/users/{id}", "", Of::User, None, admins(200, 404)),
        ("PATCH", "/v1/users/{id}", "", Of::User, patch(), admins(200, 404)),
        ("DELETE", "/v1/users/{id}", "", Of::User, None, admins(204, 404)),
        ("POST", "/v1/users/{id}/invite", "", Of::User, None, [401, 403, 403, 409, 409, 404, 403, 409, 401, 401]),
        ("POST", "/v1/password-resets", "", Of::Nothing, Some(json!({})), public(422)),
        ("POST", "/v1/passwords", "", Of::Nothing, Some(json!({})), public(422)),
        ("GET", "/password/{token}", "", Of::Nothing, None, public(404)),
        ("POST", "/password/{token}", "", Of::Nothing, None, public(404)),
        ("GET", "/v1/sessions", "", Of::Nothing, None, known(200, 200)),
        ("POST", "/v1/sessions", "", Of::Nothing, Some(json!({})), public(422)),
        ("DELETE", "/v1/sessions/current", "", Of::Nothing, None, [401, 404, 404, 404, 404, 404, 204, 204, 401, 401]),
        ("DELETE", "/v1/sessions/{id}", "", Of::Session, None, [401, 404, 404, 404, 404, 404, 204, 404, 401, 401]),
        ("GET", "/v1/audit", "", Of::Nothing, None, admins(200, 200)),
        ("GET", "/v1/events", "", Of::Nothing, None, known(200, 200)),
        ("GET", "/t/o/{token}", "", Of::Nothing, None, public(200)),
        ("GET", "/t/c/{token}", "", Of::Nothing, None, public(404)),
        ("GET", "/u/{token}", "", Of::Nothing, None, public(200)),
        ("POST", "/u/{token}", "", Of::Nothing, None, public(422)),
        ("GET", "/healthz", "", Of::Nothing, None, public(200)),
        ("GET", "/readyz", "", Of::Nothing, None, public(200)),
        ("GET", "/metrics", "", Of::Nothing, None, public(200)),
        ("GET", "/openapi.json", "", Of::Nothing, None, public(200)),
        ("GET", "/admin/v1/nodes", "", Of::Nothing, None, operators(200)),
        ("GET", "/admin/v1/partitions", "", Of::Nothing, None, operators(200)),
        ("GET", "/admin/v1/lanes", "", Of::Nothing, None, operators(200)),
        ("POST", "/admin/v1/lanes/{id}/pause", "", Of::Sender, None, operators(200)),
        ("POST", "/admin/v1/lanes/{id}/resume", "", Of::Sender, None, operators(200)),
        ("POST", "/admin/v1/lanes/{id}/rate", "", Of::Sender, Some(json!({"rate": 5})), operators(200)),
        ("GET", "/admin/v1/dead-letters", "", Of::Nothing, None, operators(200)),
        ("POST", "/admin/v1/dead-letters/{id}/requeue", "", Of::Message, None, operators(409)),
        ("GET", "/admin/v1/drain", "", Of::Nothing, None, operators(200)),
        ("POST", "/admin/v1/drain", "", Of::Nothing, Some(json!({"draining": false})), operators(200)),
    ]
}

#[test]
fn every_route_has_a_row_and_no_row_is_without_a_route() {
    let mounted: BTreeSet<_> = endpoints()
        .iter()
        .flat_map(|endpoint| {
            endpoint.methods().into_iter().map(|method| format!("{method} {}", endpoint.path)).collect::<Vec<_>>()
        })
        .collect();
    let rows: Vec<_> = rows().iter().map(|(method, path, ..)| format!("{method} {path}")).collect();
    assert_eq!(rows.len(), rows.iter().collect::<BTreeSet<_>>().len(), "a row is there twice");
    assert_eq!(rows.into_iter().collect::<BTreeSet<_>>(), mounted);
}

/// A cookie with the token that goes with it.
#[derive(Debug, Clone, Default)]
struct Signed {
    cookie: String,
    csrf: String,
    id: String,
}

/// Everyone, with what they send.
struct Cast {
    test_key: String,
    user_key: String,
    admin_key: String,
    others_key: String,
    revoked_key: String,
    user: Signed,
    admin: Signed,
    expired: Signed,
    /// The account's name in the Twilio-compatible API.
    account_sid: String,
    made: std::cell::Cell<u32>,
}

const USER: (&str, &str) = ("user@example.com", "a user's password, also long");
/// An admin who is no operator.
const BOSS: (&str, &str) = ("boss@example.com", "a boss's password, also long");

/// The application, whatever its type is.
type App<'a> = dyn Fn(TestRequest) -> LocalBoxFuture<'a, ServiceResponse> + 'a;

async fn asked(app: &App<'_>, request: TestRequest) -> Got {
    Got::of(app(request).await).await
}

fn by_key(key: &str, method: &str, path: &str) -> TestRequest {
    let authorization = match path.strip_prefix("/2010-04-01/Accounts/").and_then(|rest| rest.split('/').next()) {
        Some(sid) => format!("Basic {}", STANDARD.encode(format!("{sid}:{key}"))),
        None => format!("Bearer {key}"),
    };
    TestRequest::with_uri(path)
        .method(method.parse::<Method>().unwrap())
        .insert_header((header::AUTHORIZATION, authorization))
}

fn by_session(signed: &Signed, method: &str, path: &str) -> TestRequest {
    TestRequest::with_uri(path)
        .method(method.parse::<Method>().unwrap())
        .insert_header((header::COOKIE, signed.cookie.clone()))
        .insert_header(("Sec-Fetch-Site", "same-origin"))
        .insert_header(("X-CSRF-Token", signed.csrf.clone()))
}

async fn sign_in(app: &App<'_>, (email, password): (&str, &str)) -> Signed {
    let body = json!({"email": email, "password": password});
    let got = asked(app, TestRequest::post().uri("/v1/sessions").set_json(body)).await;
    let cookie = got.headers.get(header::SET_COOKIE).expect("a cookie").to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let answer = got.expect(201);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Signed { cookie, csrf: text(&answer["csrf_token"]), id: text(&answer["session"]["id"]) }
}

/// Makes something with the operator's key; its id and, for a key, its secret.
async fn make(app: &App<'_>, path: &str, body: Value) -> (String, String) {
    let made = asked(app, by_key(KEY, "POST", path).set_json(body)).await.expect(201);
    (id_of(&made), made["secret"].as_str().unwrap_or_default().to_owned())
}

impl Cast {
    async fn gather(stage: &Stage, app: &App<'_>) -> Self {
        let key = |role: &str, test: bool| json!({"name": "k", "role": role, "test": test});
        let expired = sign_in(app, ADMIN).await;
        stage.clock.advance(Duration::from_secs(15 * 86_400));
        for ((email, password), role) in [(USER, "user"), (BOSS, "admin")] {
            make(app, "/v1/users", json!({"email": email, "password": password, "role": role})).await;
        }
        make(app, "/v1/senders", json!({"channel": "sms", "address": "24365"})).await;
        let (revoked, revoked_key) = make(app, "/v1/api-keys", key("admin", false)).await;
        asked(app, by_key(KEY, "DELETE", &format!("/v1/api-keys/{revoked}"))).await.expect(204);
        let others = json!({"name": "Other", "with_api_key": true});
        let others = asked(app, by_key(KEY, "POST", "/v1/accounts").set_json(others)).await.expect(201);
        let account = asked(app, by_key(KEY, "GET", "/v1/account")).await.expect(200);
        Self {
            test_key: make(app, "/v1/api-keys", key("admin", true)).await.1,
            user_key: make(app, "/v1/api-keys", key("user", false)).await.1,
            admin_key: make(app, "/v1/api-keys", key("admin", false)).await.1,
            others_key: others["api_key"]["secret"].as_str().unwrap().to_owned(),
            revoked_key,
            user: sign_in(app, USER).await,
            admin: sign_in(app, BOSS).await,
            expired,
            account_sid: account["twilio_sid"].as_str().unwrap().to_owned(),
            made: std::cell::Cell::new(0),
        }
    }

    fn request(&self, who: Who, method: &str, path: &str) -> TestRequest {
        match who {
            Who::Nobody => TestRequest::with_uri(path).method(method.parse().unwrap()),
            Who::TestKey => by_key(&self.test_key, method, path),
            Who::UserKey => by_key(&self.user_key, method, path),
            Who::AdminKey => by_key(&self.admin_key, method, path),
            Who::OperatorKey => by_key(KEY, method, path),
            Who::OthersKey => by_key(&self.others_key, method, path),
            Who::RevokedKey => by_key(&self.revoked_key, method, path),
            Who::UserSession => by_session(&self.user, method, path),
            Who::AdminSession => by_session(&self.admin, method, path),
            Who::ExpiredSession => by_session(&self.expired, method, path),
        }
    }

    /// Makes what a path's id stands for.
    async fn target(&self, app: &App<'_>, of: Of) -> String {
        let n = self.made.get() + 1;
        self.made.set(n);
        let contact = json!({"name": "Ada", "phones": [{"number": "+12125550123"}]});
        match of {
            Of::Nothing => String::new(),
            Of::Contact => make(app, "/v1/contacts", contact).await.0,
            Of::Message => {
                let contact = make(app, "/v1/contacts", contact).await.0;
                make(app, &format!("/v1/contacts/{contact}/messages"), later("Hi")).await.0
            }
            Of::Series => {
                let contact = make(app, "/v1/contacts", contact).await.0;
                let mut message = later("Hi");
                message["recurrence"] = json!("FREQ=DAILY;COUNT=3");
                let path = format!("/v1/contacts/{contact}/messages");
                let made = asked(app, by_key(KEY, "POST", &path).set_json(message)).await.expect(201);
                made["series_id"].as_str().unwrap().to_owned()
            }
            Of::Sender => make(app, "/v1/senders", json!({"channel": "sms", "address": format!("Name{n}")})).await.0,
            Of::Key => make(app, "/v1/api-keys", json!({"name": "target"})).await.0,
            Of::User => {
                let user = json!({"email": format!("user{n}@example.com"), "password": USER.1});
                make(app, "/v1/users", user).await.0
            }
            Of::Webhook => {
                // There are at most twenty of them: the last one goes.
                let webhooks = asked(app, by_key(KEY, "GET", "/v1/webhooks")).await.expect(200);
                for before in webhooks["data"].as_array().unwrap() {
                    asked(app, by_key(KEY, "DELETE", &format!("/v1/webhooks/{}", id_of(before)))).await.expect(204);
                }
                make(app, "/v1/webhooks", json!({"url": "https://crm.example.com/hook"})).await.0
            }
            Of::Template => {
                let template = json!({"channel": "sms", "name": format!("T{n}"), "body": "Hi"});
                make(app, "/v1/templates", template).await.0
            }
            Of::Account => make(app, "/v1/accounts", json!({"name": "Target"})).await.0,
            Of::Session => sign_in(app, USER).await.id,
        }
    }
}

#[actix_web::test]
async fn every_route_answers_everyone_as_its_row_says() {
    let stage = stage().await;
    let service = app!(stage);
    let app = |request: TestRequest| {
        let service = &service;
        async move { call_service(service, request.to_request()).await }.boxed_local()
    };
    let mut cast = Cast::gather(&stage, &app).await;
    let mut wrong = Vec::new();
    for (method, path, query, of, body, cells) in rows() {
        for (who, expected) in EVERYONE.into_iter().zip(cells) {
            let is_named = path.contains("{id}") || path.contains("{sid}");
            let id = if is_named { cast.target(&app, of).await } else { String::new() };
            let sid = id.parse().map(crate::twilio::sid::of_message).unwrap_or_default();
            let at = path.replace("{id}", &id).replace("{sid}", &sid).replace("{account}", &cast.account_sid);
            let at = format!("{}{query}", at.replace("{token}", "no-token"));
            let request = cast.request(who, method, &at);
            let request = match &body {
                Some(body) => request.set_json(body),
                None => request,
            };
            // Its body may be a stream without an end: only the head is looked at.
            let response = app(request).await;
            let status = response.status().as_u16();
            if status != expected {
                wrong.push(format!("{method} {path} by {who:?}: {status} where {expected} was expected"));
            }
            if (path, status) == ("/v1/sessions/current", 204) {
                match who {
                    Who::UserSession => cast.user = sign_in(&app, USER).await,
                    _ => cast.admin = sign_in(&app, BOSS).await,
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} cells:\n{}", wrong.len(), wrong.join("\n"));
    stage.engine.shutdown(PATIENCE).await;
}
