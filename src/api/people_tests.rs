//! Accounts, users and sessions as a browser and a program meet them.

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::http::{Method, header};
use actix_web::test::{TestRequest, call_service};
use serde_json::{Value, json};

use super::ApiSettings;
use super::test_stage::*;

const ADA: (&str, &str) = ("ada@example.com", "difference engine no. 2");

/// Asks as a browser that is signed in; with what its own pages send unless other headers are given.
macro_rules! browse {
    ($app:expr, $signed:expr, $method:ident, $path:expr $(, [$($name:expr => $value:expr),*])? $(; $body:expr)?) => {{
        let signed: &Signed = &$signed;
        let request = TestRequest::with_uri(&$path.to_string()).method(Method::$method)
            .insert_header((header::COOKIE, signed.cookie.clone()))
            .insert_header(("Sec-Fetch-Site", "same-origin"))
            .insert_header(("X-CSRF-Token", signed.csrf.clone()));
        $($(let request = request.insert_header(($name, $value));)*)?
        $(let request = request.set_json($body);)?
        Got::of(call_service(&$app, request.to_request()).await).await
    }};
}

/// Asks with a key.
macro_rules! with_key {
    ($app:expr, $key:expr, $method:ident, $path:expr $(; $body:expr)?) => {{
        let request = TestRequest::with_uri(&$path.to_string()).method(Method::$method)
            .insert_header((header::AUTHORIZATION, format!("Bearer {}", $key)));
        $(let request = request.set_json($body);)?
        Got::of(call_service(&$app, request.to_request()).await).await
    }};
}

macro_rules! try_sign_in {
    ($app:expr, $who:expr $(, [$($name:expr => $value:expr),*])?) => {{
        let (email, password): (&str, &str) = $who;
        let peer: SocketAddr = "192.0.2.7:4711".parse().unwrap();
        let request = TestRequest::post().uri("/v1/sessions").peer_addr(peer)
            .insert_header((header::USER_AGENT, "Mozilla/5.0 (Test)"));
        $($(let request = request.insert_header(($name, $value));)*)?
        let request = request.set_json(json!({"email": email, "password": password}));
        Got::of(call_service(&$app, request.to_request()).await).await
    }};
}

macro_rules! sign_in {
    ($app:expr, $who:expr) => {
        Signed::of(try_sign_in!($app, $who))
    };
}

/// What a browser keeps.
struct Signed {
    cookie: String,
    set_cookie: String,
    csrf: String,
    answer: Value,
}

impl Signed {
    #[track_caller]
    fn of(got: Got) -> Self {
        let set_cookie = got.headers.get(header::SET_COOKIE).map_or("", |value| value.to_str().unwrap()).to_owned();
        let answer = got.expect(201);
        let cookie = set_cookie.split(';').next().unwrap().to_owned();
        Self { cookie, set_cookie, csrf: answer["csrf_token"].as_str().unwrap().to_owned(), answer }
    }
}

/// A refusal's code.
#[track_caller]
fn refused(got: Got, status: u16) -> String {
    got.expect(status)["code"].as_str().unwrap().to_owned()
}

macro_rules! ada {
    ($app:expr, $role:expr) => {
        ask!($app, POST, "/v1/users"; json!({"email": ADA.0, "password": ADA.1, "name": "Ada", "role": $role})).expect(201)
    };
}

#[actix_web::test]
async fn a_person_signs_in_works_and_signs_out() {
    let stage = stage().await;
    let app = app!(stage);
    let ada = ada!(app, "admin");
    assert!(ada.get("password").is_none() && !ada.to_string().contains("argon2"));
    let signed = sign_in!(app, ADA);
    assert_eq!(signed.answer["user"]["id"], ada["id"]);
    for part in ["sendwheel_session=", "; HttpOnly", "; SameSite=Lax", "; Path=/", "; Max-Age=7776000"] {
        assert!(signed.set_cookie.contains(part), "{part} in {}", signed.set_cookie);
    }
    assert!(!signed.set_cookie.contains("Secure"), "the installation has no TLS");
    let me = browse!(app, signed, GET, "/v1/users/me").expect(200);
    assert_eq!((&me["email"], &me["csrf_token"]), (&json!(ADA.0), &json!(signed.csrf)));
    assert_eq!((&me["session"]["from"], &me["session"]["current"]), (&json!("192.0.2.7"), &json!(true)));
    let contact = browse!(app, signed, POST, "/v1/contacts"; json!({"name": "Bob"})).expect(201);
    assert_eq!(contact["name"], "Bob");
    let out = browse!(app, signed, DELETE, "/v1/sessions/current");
    assert!(out.headers.get(header::SET_COOKIE).unwrap().to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(out.status, 204);
    assert_eq!(refused(browse!(app, signed, GET, "/v1/users/me"), 401), "unauthorized");
    stage.engine.shutdown(PATIENCE).await;
}

#[actix_web::test]
async fn another_site_s_page_changes_nothing_with_somebody_s_cookie() {
    let stage = stage().await;
    let app = app!(stage);
    let signed = sign_in!(app, ADMIN);
    let body = || json!({"name": "Mallory"});
    let attempt = |headers: &[(&'static str, String)]| {
        let request = TestRequest::post().uri("/v1/contacts").insert_header((header::COOKIE, signed.cookie.clone()));
        headers.iter().fold(request, |request, (name, value)| request.insert_header((*name, value.clone())))
    };
    let (site, origin, token) = ("Sec-Fetch-Site", "Origin", "X-CSRF-Token");
    let csrf = || (token, signed.csrf.clone());
    let text = str::to_owned;
    for headers in [
        vec![],
        vec![csrf()],
        vec![(site, text("same-origin"))],
        vec![(site, text("same-origin")), (token, text("wrong"))],
        vec![(site, text("cross-site")), csrf()],
        vec![(site, text("same-site")), csrf()],
        vec![(origin, text("https://evil.example")), csrf()],
        vec![(origin, text("null")), csrf()],
    ] {
        let got = Got::of(call_service(&app, attempt(&headers).set_json(body()).to_request()).await).await;
        assert_eq!(refused(got, 403), "csrf", "{headers:?}");
    }
    for headers in [
        vec![(site, text("same-origin")), csrf()],
        vec![(origin, text("http://127.0.0.1:8080")), csrf()],
        vec![(origin, text("http://localhost:9")), ("Host", text("localhost:9")), csrf()],
    ] {
        Got::of(call_service(&app, attempt(&headers).set_json(body()).to_request()).await).await.expect(201);
    }
    let listed = browse!(app, signed, GET, "/v1/contacts", ["Sec-Fetch-Site" => "cross-site"]);
    assert_eq!(listed.expect(200)["data"].as_array().unwrap().len(), 3, "reading needs no proof");
    assert_eq!(refused(try_sign_in!(app, ADMIN, ["Sec-Fetch-Site" => "cross-site"]), 403), "csrf");
    assert_eq!(refused(try_sign_in!(app, ADMIN, ["Origin" => "https://evil.example"]), 403), "csrf");
    // A key needs no page: no browser sends one by itself.
    assert_eq!(ask!(app, POST, "/v1/contacts", ["Origin" => "https://elsewhere.example"]; body()).status, 201);
    stage.engine.shutdown(PATIENCE).await;
}

#[actix_web::test]
async fn with_tls_the_cookie_is_for_this_host_alone() {
    let settings = ApiSettings { public_url: "https://messages.example.com".into(), ..ApiSettings::default() };
    let stage = stage_with(settings).await;
    let app = app!(stage);
    let signed = sign_in!(app, ADMIN);
    assert!(signed.set_cookie.starts_with("__Host-sendwheel_session=") && signed.set_cookie.contains("; Secure"));
    browse!(app, signed, GET, "/v1/users/me").expect(200);
    let plain = Signed { cookie: signed.cookie.replace("__Host-", ""), ..signed };
    assert_eq!(browse!(app, plain, GET, "/v1/users/me").status, 401, "a neighbour may have set that one");
    stage.engine.shutdown(PATIENCE).await;
}

#[actix_web::test]
async fn wrong_passwords_are_refused_alike_and_then_have_to_wait() {
    let stage = stage().await;
    let app = app!(stage);
    for (number, email) in
        ["admin@example.com", "nobody@example.com", "no address at all"].into_iter().cycle().take(10).enumerate()
    {
        let got = try_sign_in!(app, (email, "wrong"));
        assert!(!got.headers.contains_key(header::SET_COOKIE));
        let problem = got.expect(401);
        assert_eq!(
            (&problem["code"], &problem["detail"]),
            (&json!("wrong_credentials"), &json!("the email address or the password is wrong")),
            "{number}"
        );
    }
    let got = try_sign_in!(app, ADMIN);
    let wait: u64 = got.headers.get(header::RETRY_AFTER).unwrap().to_str().unwrap().parse().unwrap();
    assert!((890..=900).contains(&wait), "{wait}");
    assert_eq!(refused(got, 429), "too_many_attempts");
    stage.clock.advance(Duration::from_secs(900));
    sign_in!(app, ADMIN);
    stage.engine.shutdown(PATIENCE).await;
}

#[actix_web::test]
async fn a_user_sees_their_sessions_and_ends_one_that_is_elsewhere() {
    let stage = stage().await;
    let app = app!(stage);
    let (here, there) = (sign_in!(app, ADMIN), sign_in!(app, ADMIN));
    let listed = browse!(app, here, GET, "/v1/sessions").expect(200);
    let sessions = listed["data"].as_array().unwrap();
    let current: Vec<_> = sessions.iter().map(|one| one["current"].as_bool().unwrap()).collect();
    assert_eq!(current, [true, false]);
    assert_eq!((&sessions[1]["from"], &sessions[1]["user_agent"]), (&json!("192.0.2.7"), &json!("Mozilla/5.0 (Test)")));
    let path = format!("/v1/sessions/{}", id_of(&sessions[1]));
    assert_eq!(browse!(app, here, DELETE, path).status, 204);
    assert_eq!(browse!(app, here, DELETE, path).status, 404);
    assert_eq!(browse!(app, there, GET, "/v1/users/me").status, 401);
    assert_eq!(browse!(app, here, GET, "/v1/users/me").status, 200);
    assert_eq!(ask!(app, GET, "/v1/sessions").expect(200)["data"], json!([]), "a key has none");
    stage.engine.shutdown(PATIENCE).await;
}

#[actix_web::test]
async fn users_are_made_changed_and_removed_with_reasons_for_what_is_refused() {
    let stage = stage().await;
    let app = app!(stage);
    let ada = ada!(app, "user");
    let path = format!("/v1/users/{}", id_of(&ada));
    assert_eq!((&ada["role"], &ada["name"], &ada["version"]), (&json!("user"), &json!("Ada"), &json!(1)));
    let sender = json!({"channel": "sms", "address": "24365", "assigned_user": ada["id"]});
    let sender = ask!(app, POST, "/v1/senders"; sender).expect(201);
    assert_eq!(ask!(app, GET, path).expect(200)["assigned_senders"], json!([sender["id"]]));

    let again = json!({"email": "ADA@example.com", "password": ADA.1});
    assert_eq!(refused(ask!(app, POST, "/v1/users"; again), 409), "email_taken");
    for (password, code) in
        [("too short", "too_short"), ("aaaaaaaaaaaaaaaa", "weak_password"), ("bob@example.com", "weak_password")]
    {
        let weak = ask!(app, POST, "/v1/users"; json!({"email": "bob@example.com", "password": password})).expect(422);
        assert_eq!((&weak["errors"][0]["pointer"], &weak["errors"][0]["code"]), (&json!("/password"), &json!(code)));
        assert!(!weak.to_string().contains(password), "{weak}");
    }
    let users = ask!(app, GET, "/v1/users").expect(200);
    let emails: Vec<_> = users["data"].as_array().unwrap().iter().map(|user| user["email"].as_str().unwrap()).collect();
    assert_eq!(emails, [ADMIN.0, ADA.0]);
    let first = format!("/v1/users/{}", id_of(&users["data"][0]));
    assert_eq!(refused(ask!(app, DELETE, first), 409), "last_admin");
    assert_eq!(refused(ask!(app, PATCH, first; json!({"role": "user"})), 409), "last_admin");

    let stale = ask!(app, PATCH, path, ["If-Match" => "\"7\""]; json!({"name": "A"}));
    assert_eq!(stale.status, 412);
    let changed = ask!(app, PATCH, path; json!({"name": null, "role": "admin"})).expect(200);
    assert_eq!((&changed["name"], &changed["role"], &changed["version"]), (&Value::Null, &json!("admin"), &json!(2)));
    assert_eq!(ask!(app, DELETE, path).status, 204);
    assert_eq!(ask!(app, GET, path).status, 404);
    let free = ask!(app, GET, format!("/v1/senders/{}", id_of(&sender))).expect(200);
    assert_eq!(free["assigned_user"], Value::Null);
    stage.engine.shutdown(PATIENCE).await;
}

#[actix_web::test]
async fn a_user_changes_their_own_name_and_password_and_nothing_above_them() {
    let stage = stage().await;
    let app = app!(stage);
    let path = format!("/v1/users/{}", id_of(&ada!(app, "user")));
    let (here, there) = (sign_in!(app, ADA), sign_in!(app, ADA));
    browse!(app, here, PATCH, path; json!({"name": "Countess"})).expect(200);
    assert_eq!(refused(browse!(app, here, PATCH, path; json!({"role": "admin"})), 403), "admin_required");
    let new = "analytical engine, first draft";
    let wrong = browse!(app, here, PATCH, path; json!({"password": new, "current_password": "wrong"})).expect(422);
    assert_eq!(wrong["errors"][0]["pointer"], "/current_password");
    let change = json!({"password": new, "current_password": ADA.1});
    browse!(app, here, PATCH, path; change).expect(200);
    assert_eq!((browse!(app, here, GET, path).status, browse!(app, there, GET, path).status), (200, 401));
    sign_in!(app, (ADA.0, new));
    // Not even an admin's key reaches a user above it, whose password would be a way up.
    let admin = ask!(app, POST, "/v1/api-keys"; json!({"name": "admin", "role": "admin"})).expect(201);
    let me = id_of(&browse!(app, sign_in!(app, ADMIN), GET, "/v1/users/me").expect(200));
    let takeover = json!({"password": "a password of the attacker"});
    let got = with_key!(app, admin["secret"].as_str().unwrap(), PATCH, format!("/v1/users/{me}"); takeover);
    assert_eq!(refused(got, 403), "role_too_high");
    stage.engine.shutdown(PATIENCE).await;
}

#[actix_web::test]
async fn a_repeated_request_makes_one_user_and_its_stored_hash_says_nothing_of_the_password() {
    let stage = stage().await;
    let app = app!(stage);
    let with = |password: &str, name: &str| json!({"email": ADA.0, "password": password, "name": name});
    let made = ask!(app, POST, "/v1/users", ["Idempotency-Key" => "k"]; with(ADA.1, "Ada")).expect(201);
    let again = ask!(app, POST, "/v1/users", ["Idempotency-Key" => "k"]; with("another password, as long", "Ada"));
    assert_eq!(again.expect(200)["id"], made["id"]);
    let other = ask!(app, POST, "/v1/users", ["Idempotency-Key" => "k"]; with(ADA.1, "Bob"));
    assert_eq!(refused(other, 409), "idempotency_key_reused");
    sign_in!(app, ADA);
    stage.engine.shutdown(PATIENCE).await;
}

#[actix_web::test]
async fn an_operator_sets_another_account_up_suspends_it_and_takes_it_away() {
    let stage = stage().await;
    let app = app!(stage);
    let new = json!({"name": "Acme", "time_zone": "Europe/Berlin", "with_api_key": true});
    let acme = ask!(app, POST, "/v1/accounts", ["Idempotency-Key" => "k"]; new.clone()).expect(201);
    let (id, key) = (id_of(&acme), acme["api_key"]["secret"].as_str().unwrap().to_owned());
    let again = ask!(app, POST, "/v1/accounts", ["Idempotency-Key" => "k"]; new).expect(200);
    assert_eq!((&again["id"], again.get("api_key")), (&acme["id"], None));
    let account = with_key!(app, key, GET, "/v1/account").expect(200);
    assert_eq!((&account["id"], &account["time_zone"]), (&json!(id), &json!("Europe/Berlin")));

    let acting = |value: &str| value.to_owned();
    let sender = json!({"channel": "sms", "address": "24365"});
    ask!(app, POST, "/v1/senders", ["Sendwheel-Account" => acting(&id)]; sender).expect(201);
    assert_eq!(ask!(app, GET, "/v1/senders").expect(200)["data"], json!([]), "it is not the operator's own");
    assert_eq!(with_key!(app, key, GET, "/v1/senders").expect(200)["data"][0]["address"], "24365");
    let unknown = "account_01h455vb4pex5vsknk084sn02q";
    assert_eq!(ask!(app, GET, "/v1/account", ["Sendwheel-Account" => unknown]).status, 404);
    assert_eq!(refused(ask!(app, GET, "/v1/account", ["Sendwheel-Account" => "acme"]), 400), "invalid_account");
    for name in [unknown.to_owned(), id_of(&ask!(app, GET, "/v1/account").expect(200))] {
        let request = TestRequest::get().uri("/v1/account").insert_header(("Sendwheel-Account", name));
        let request = request.insert_header((header::AUTHORIZATION, format!("Bearer {key}")));
        let got = Got::of(call_service(&app, request.to_request()).await).await;
        assert_eq!(refused(got, 403), "operator_required", "an admin is not told whether there is one");
    }

    let path = format!("/v1/accounts/{id}");
    assert_eq!(refused(ask!(app, DELETE, path), 409), "not_suspended");
    let user = json!({"email": ADA.0, "password": ADA.1, "role": "admin"});
    with_key!(app, key, POST, "/v1/users"; user).expect(201);
    let signed = sign_in!(app, ADA);
    let suspended = ask!(app, PATCH, path; json!({"status": "suspended"})).expect(200);
    assert!(suspended["suspended_at"].is_string());
    assert_eq!(refused(with_key!(app, key, GET, "/v1/account"), 403), "account_suspended");
    assert_eq!(refused(browse!(app, signed, GET, "/v1/account"), 403), "account_suspended");
    assert_eq!(refused(try_sign_in!(app, ADA), 403), "account_suspended");
    assert_eq!(refused(try_sign_in!(app, (ADA.0, "wrong")), 401), "wrong_credentials");
    ask!(app, GET, "/v1/senders", ["Sendwheel-Account" => acting(&id)]).expect(200);
    ask!(app, PATCH, path; json!({"status": "active"})).expect(200);
    with_key!(app, key, GET, "/v1/account").expect(200);
    browse!(app, signed, GET, "/v1/account").expect(200);

    ask!(app, PATCH, path; json!({"status": "suspended"})).expect(200);
    assert_eq!(ask!(app, DELETE, path).status, 204);
    assert_eq!(ask!(app, GET, path).status, 404);
    assert_eq!(with_key!(app, key, GET, "/v1/account").status, 401);
    let own = ask!(app, GET, "/v1/account").expect(200);
    let own = format!("/v1/accounts/{}", id_of(&own));
    assert_eq!(refused(ask!(app, PATCH, own; json!({"status": "suspended"})), 409), "own_account");
    stage.engine.shutdown(PATIENCE).await;
}

#[actix_web::test]
async fn the_trail_tells_who_did_what_from_where_and_hides_every_value() {
    let stage = stage().await;
    let app = app!(stage);
    let ada = id_of(&ada!(app, "user"));
    let signed = sign_in!(app, ADMIN);
    let me = signed.answer["user"]["id"].as_str().unwrap().to_owned();
    let peer: SocketAddr = "198.51.100.9:5".parse().unwrap();
    let change = json!({"name": "Countess", "password": "analytical engine, first draft"});
    let request = TestRequest::patch()
        .uri(&format!("/v1/users/{ada}"))
        .peer_addr(peer)
        .insert_header((header::COOKIE, signed.cookie.clone()))
        .insert_header(("Sec-Fetch-Site", "same-origin"))
        .insert_header(("X-CSRF-Token", signed.csrf.clone()))
        .set_json(&change);
    Got::of(call_service(&app, request.to_request()).await).await.expect(200);
    let trail = ask!(app, GET, format!("/v1/audit?subject={ada}&who={me}")).expect(200);
    assert_eq!(trail["data"].as_array().unwrap().len(), 1, "{trail}");
    let entry = &trail["data"][0];
    assert_eq!(
        (&entry["action"], &entry["who"], &entry["from"]),
        (&json!("user.updated"), &json!(me), &json!("198.51.100.9"))
    );
    assert_eq!(entry["fields"], json!(["name", "password"]));
    let all = ask!(app, GET, "/v1/audit").expect(200);
    let actions: Vec<_> =
        all["data"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(
        actions,
        ["user.updated", "session.created", "user.created", "api_key.created", "user.created", "account.created"]
    );
    for value in ["Countess", "analytical", ADA.0, ADA.1, ADMIN.1] {
        assert!(!all.to_string().contains(value), "{value}");
    }
    let first = ask!(app, GET, "/v1/audit?limit=4").expect(200);
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = ask!(app, GET, format!("/v1/audit?limit=4&cursor={cursor}")).expect(200);
    assert_eq!((rest["data"].as_array().unwrap().len(), &rest["next_cursor"]), (2, &Value::Null));
    assert_eq!(ask!(app, GET, "/v1/audit?who=me").expect(422)["errors"][0]["pointer"], "/who");
    stage.engine.shutdown(PATIENCE).await;
}

#[actix_web::test]
async fn a_key_shows_when_it_was_last_used_and_one_above_the_caller_cannot_be_revoked() {
    let stage = stage().await;
    let app = app!(stage);
    let made = ask!(app, POST, "/v1/api-keys"; json!({"name": "admin", "role": "admin"})).expect(201);
    let (path, secret) = (format!("/v1/api-keys/{}", id_of(&made)), made["secret"].as_str().unwrap().to_owned());
    assert_eq!(ask!(app, GET, path).expect(200)["last_used_at"], Value::Null);
    with_key!(app, secret, GET, "/v1/account").expect(200);
    let used = ask!(app, GET, path).expect(200)["last_used_at"].as_str().unwrap().to_owned();
    stage.clock.advance(Duration::from_secs(5));
    with_key!(app, secret, GET, "/v1/account").expect(200);
    assert!(ask!(app, GET, path).expect(200)["last_used_at"].as_str().unwrap() > used.as_str());
    let keys = with_key!(app, secret, GET, "/v1/api-keys").expect(200);
    let operators = keys["data"].as_array().unwrap().iter().find(|key| key["role"] == "operator").unwrap();
    let got = with_key!(app, secret, DELETE, format!("/v1/api-keys/{}", id_of(operators)));
    assert_eq!(refused(got, 403), "role_too_high");
    let test = ask!(app, POST, "/v1/api-keys"; json!({"name": "t", "role": "admin", "test": true})).expect(201);
    let test = test["secret"].as_str().unwrap();
    assert_eq!(refused(with_key!(app, test, POST, "/v1/api-keys"; json!({"name": "live"})), 403), "test_key");
    with_key!(app, test, POST, "/v1/api-keys"; json!({"name": "test", "test": true})).expect(201);
    let user = json!({"email": ADA.0, "password": ADA.1});
    assert_eq!(refused(with_key!(app, test, POST, "/v1/users"; user), 403), "test_key");
    stage.engine.shutdown(PATIENCE).await;
}
