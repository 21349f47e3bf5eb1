//! How quick the pages are, and how much of them is transferred, in an account of some size. Takes minutes, and says
//! something in a release build only: `cargo nextest run --release --run-ignored only -E 'test(pages_are_quick)'`.

use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, SET_COOKIE};
use reqwest::redirect::Policy;
use sendwheel_actors::domain::clock::{Clock, SystemClock};
use sendwheel_loadtest::node::{Node, NodeOptions};
use sendwheel_loadtest::workload;
use serde_json::json;

const EMAIL: &str = "ann@example.org";
const PASSWORD: &str = "correct horse battery staple";
const CONTACTS: usize = 100_000;
const MESSAGES: usize = 10_000;
/// How often each page is asked for.
const TIMES: usize = 300;
/// What a page may take in 99 of 100 cases, and what the first one may transfer.
const P99: Duration = Duration::from_millis(30);
const FIRST_PAGE: usize = 100_000;

/// A node with many contacts, one of which has a long conversation.
async fn stage() -> (Node, String) {
    let options = NodeOptions::new(env!("CARGO_BIN_EXE_sendwheel"))
        .set("bootstrap.admin_email", EMAIL)
        .set("bootstrap.admin_password", PASSWORD)
        .set("email.transport", "discard")
        .set("sms.transport", "discard");
    let node = Node::start(options).await.unwrap_or_else(|error| panic!("{error:#}"));
    let client = node.client();
    let cast = workload::cast(&client, 1).await.unwrap();
    for chunk in 0..CONTACTS / 5_000 {
        let row = |n: usize| {
            json!({"name": format!("Person {n}"), "external_id": format!("x{n}"),
            "emails": [{"address": format!("p{n}@example.com")}], "time_zone": "Europe/Berlin"})
        };
        let rows: Vec<_> = (chunk * 5_000..(chunk + 1) * 5_000).map(row).collect();
        client.import(&rows).await.unwrap();
    }
    let contact = cast.contact(0).to_owned();
    for chunk in 0..MESSAGES / 1_000 {
        let mail = |n: usize| {
            json!({"contact_id": contact, "channel": "email", "subject": format!("No. {n}"),
            "text": "Something of the usual length, that goes on for a line or two and then ends."})
        };
        let mails: Vec<_> = (chunk * 1_000..(chunk + 1) * 1_000).map(mail).collect();
        client.batch(&mails).await.unwrap();
    }
    (node, contact)
}

async fn signed_in(http: &reqwest::Client, node: &Node) -> String {
    let form = [("email", EMAIL), ("password", PASSWORD)];
    let request = http.post(format!("{}/sign-in", node.url())).header("Sec-Fetch-Site", "same-origin").form(&form);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 303);
    let cookie = answer.headers()[SET_COOKIE].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

/// Bytes of everything that the first page loads, as it is transferred.
async fn first_page(http: &reqwest::Client, node: &Node, cookie: &str) -> usize {
    let get = |path: String| http.get(format!("{}{path}", node.url())).header(ACCEPT_ENCODING, "br, gzip");
    let page = get("/".into()).header("Cookie", cookie).send().await.unwrap().text().await.unwrap();
    let mut all = page.len();
    for path in page.split('"').filter(|part| part.starts_with("/assets/")) {
        all += get(path.to_owned()).send().await.unwrap().bytes().await.unwrap().len();
    }
    all
}

#[tokio::test]
#[ignore = "takes minutes, and a release build"]
async fn pages_are_quick_with_many_contacts_and_a_long_conversation() {
    let (node, contact) = stage().await;
    let http = reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
    let cookie = signed_in(&http, &node).await;
    let transferred = first_page(&http, &node, &cookie).await;
    println!("first page: {transferred} bytes transferred");
    let mut slow = Vec::new();
    for path in ["/", "/?q=person+77", &format!("/contacts/{contact}"), "/schedule", "/schedule?view=week", "/ops"] {
        let mut took = Vec::with_capacity(TIMES);
        for _ in 0..TIMES {
            let begun = SystemClock.boot();
            let answer = http.get(format!("{}{path}", node.url())).header("Cookie", &cookie).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{path}");
            let _ = answer.bytes().await.unwrap();
            took.push(SystemClock.boot().since(begun));
        }
        took.sort_unstable();
        let (half, most) = (took[TIMES / 2], took[TIMES * 99 / 100]);
        println!("{path}: p50 {half:?}, p99 {most:?}");
        if most > P99 {
            slow.push(path.to_owned());
        }
    }
    assert!(transferred <= FIRST_PAGE, "{transferred} bytes");
    assert!(slow.is_empty(), "slower than {P99:?}: {slow:?}");
}
