//! The pages in a real browser (Debian's Chromium, driven by Playwright): people's main flows, what keeps people out
//! (axe), and strangers' text that must not run. One browser, one node, one flow after another. Pictures of every page
//! go to `target/screenshots`, for people to look at.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use reqwest::Method;
use sendwheel_loadtest::node::{Node, NodeOptions};
use sendwheel_loadtest::workload;
use serde_json::json;
use tokio::process::Command;

use super::peers::peer_file;

const EMAIL: &str = "ann@example.org";
const PASSWORD: &str = "correct horse battery staple";
const TOKEN: &str = "a-token-of-more-than-thirty-two-characters";
/// A script that would say that it ran.
const HOSTILE: &str = "<img src=x onerror=\"window.ran=1\"><script>window.ran=1</script>";
/// How long everything together may take, on a machine that has other things to do.
const LIMIT: Duration = Duration::from_secs(240);

async fn stage() -> Node {
    let options = NodeOptions::new(env!("CARGO_BIN_EXE_sendwheel"))
        .set("bootstrap.admin_email", EMAIL)
        .set("bootstrap.admin_password", PASSWORD)
        .set("bootstrap.time_zone", "Europe/Berlin")
        .set("inbound.token", TOKEN);
    let node = Node::start(options).await.unwrap_or_else(|error| panic!("{error:#}"));
    let client = node.client();
    workload::cast(&client, 2).await.unwrap();
    for (name, email, phone, zone) in [
        ("Maya Chen", "maya@example.com", "+13105550134", "America/Los_Angeles"),
        ("Lena Fischer", "lena@example.com", "+4915123456789", "Europe/Berlin"),
        (HOSTILE, "mallory@example.com", "+12125550199", "Asia/Tokyo"),
    ] {
        let contact = json!({"name": name, "time_zone": zone, "tags": ["sample"],
            "emails": [{"address": email}], "phones": [{"number": phone}]});
        client.create_contact(&contact).await.unwrap();
    }
    let mail = format!(
        "From: mallory@example.com\r\nTo: harness@example.com\r\nMessage-ID: <1@example.com>\r\nSubject: {HOSTILE}\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n\
         <p>Hello <b>there</b></p>{HOSTILE}<a href=\"javascript:window.ran=1\">link</a>\
         <form action=\"https://evil.example\"><button>ok</button></form><img src=\"https://evil.example/pixel.png\">"
    );
    let http = sendwheel_loadtest::client::http_client(Duration::from_secs(10));
    let request = http.request(Method::POST, format!("{}/inbound/email", node.url())).bearer_auth(TOKEN);
    let taken = request.header("content-type", "message/rfc822").body(mail).send().await.unwrap();
    assert_eq!(taken.status(), 200);
    node
}

#[tokio::test]
async fn people_write_schedule_and_take_back_in_a_browser_and_nothing_of_a_stranger_runs() {
    let node = stage().await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pictures = root.join("target/screenshots");
    std::fs::create_dir_all(&pictures).unwrap();
    let mut command = Command::new("node");
    command
        .arg(root.join("tests/it/browser/flows.js"))
        .arg(peer_file("browser/node_modules"))
        .args([&node.url(), EMAIL, PASSWORD])
        .arg(&pictures)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let done = tokio::time::timeout(LIMIT, command.output()).await.expect("the flows end").unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    let wrong = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}\n{wrong}\n{}", node.log());
}
