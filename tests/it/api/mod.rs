//! The HTTP API of the built binary, as a program meets it: what it takes, what it refuses and how, and that
//! a refusal leaves nothing behind. Each test has its own node, whose transports accept and forget.

mod bulk;
mod callbacks;
mod conversations;
mod inbound_mail;
mod lists;
mod messages;
mod operations;
mod passwords;
mod people;
mod refusals;
mod rights;
mod twilio;
mod whole_conversation;

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use sendwheel_loadtest::client::{Client, http_client};
use sendwheel_loadtest::node::{Node, NodeOptions};
use sendwheel_loadtest::wall;
use sendwheel_loadtest::workload::{self, Cast};
use serde_json::{Value, json};

use super::stage::PATIENCE;

/// The states by which an account's messages are listed.
const LISTED: [&str; 4] = ["scheduled", "held", "uncertain", "failed"];
/// A day in milliseconds.
const DAY_MS: i64 = 86_400_000;

/// An answer, whole.
#[derive(Debug)]
struct Got {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Got {
    async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, text: response.text().await.unwrap() }
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {}: {}", self.status, self.text))
    }

    #[track_caller]
    fn lines(&self) -> Vec<Value> {
        self.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The JSON of an answer with this status.
    #[track_caller]
    fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    /// A refusal, whole as RFC 9457 has it; gives its `code`.
    #[track_caller]
    fn refused(&self, status: u16) -> String {
        let problem = self.expect(status);
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        for name in ["type", "title", "detail"] {
            assert!(problem[name].as_str().is_some_and(|text| !text.is_empty()), "{name} in {problem}");
        }
        problem["code"].as_str().unwrap().to_owned()
    }

    /// The refused fields of a 422: pointer and code, each with a detail.
    #[track_caller]
    fn refused_fields(&self) -> Vec<(String, String)> {
        assert_eq!(self.refused(422), "invalid_request");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let fields = self.json()["errors"].as_array().unwrap().clone();
        for field in &fields {
            assert!(field["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{field}");
        }
        fields.iter().map(|field| (text(&field["pointer"]), text(&field["code"]))).collect()
    }
}

/// A node with two senders and some contacts.
struct Desk {
    node: Node,
    client: Client,
    cast: Cast,
}

impl Desk {
    async fn start(contacts: usize) -> Self {
        Self::start_with(NodeOptions::new(env!("CARGO_BIN_EXE_sendwheel")), contacts).await
    }

    async fn start_with(options: NodeOptions, contacts: usize) -> Self {
        let options = options.set("email.transport", "discard").set("sms.transport", "discard");
        let node = Node::start(options).await.unwrap_or_else(|error| panic!("{error:#}"));
        let client = node.client();
        let cast = workload::cast(&client, contacts).await.unwrap_or_else(|error| panic!("{error:#}"));
        Self { node, client, cast }
    }

    fn contact(&self, n: usize) -> &str {
        self.cast.contact(n)
    }

    async fn get(&self, path: &str) -> Got {
        Got::of(self.client.request(Method::GET, path)).await
    }

    async fn post(&self, path: &str, body: &Value) -> Got {
        Got::of(self.client.request(Method::POST, path).json(body)).await
    }

    async fn patch(&self, path: &str, body: &Value) -> Got {
        Got::of(self.client.request(Method::PATCH, path).json(body)).await
    }

    async fn delete(&self, path: &str) -> Got {
        Got::of(self.client.request(Method::DELETE, path)).await
    }

    /// A request with no key, or with another one.
    fn request_as(&self, key: Option<&str>, method: Method, path: &str) -> RequestBuilder {
        let request = http_client(PATIENCE).request(method, format!("{}{path}", self.node.url()));
        match key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    /// Schedules a message to contact `n`.
    async fn schedule(&self, n: usize, message: &Value) -> Got {
        self.post(&format!("/v1/contacts/{}/messages", self.contact(n)), message).await
    }

    /// Schedules an SMS to contact `n` that is due in so many days, and gives it.
    async fn scheduled(&self, n: usize, days: i64) -> Value {
        self.schedule(n, &sms_in(days)).await.expect(201)
    }

    /// Every item of a list, page after page.
    async fn all_of(&self, path: &str, limit: usize) -> Vec<Value> {
        let separator = if path.contains('?') { '&' } else { '?' };
        let first = format!("{path}{separator}limit={limit}");
        let (mut items, mut next) = (Vec::new(), first.clone());
        loop {
            let page = self.get(&next).await.expect(200);
            let data = page["data"].as_array().unwrap();
            assert!(data.len() <= limit, "{} items where {limit} were asked for", data.len());
            items.extend(data.iter().cloned());
            match page["next_cursor"].as_str() {
                Some(cursor) => next = format!("{first}&cursor={cursor}"),
                None => return items,
            }
        }
    }

    /// Demands that no message is stored, for nobody and in no state.
    async fn assert_nothing_stored(&self) {
        for state in LISTED {
            let items = self.all_of(&format!("/v1/messages?state={state}"), 50).await;
            assert!(items.is_empty(), "{state}: {items:?}");
        }
        for contact in &self.cast.contacts {
            let thread = self.all_of(&format!("/v1/contacts/{contact}/thread"), 50).await;
            assert!(thread.is_empty(), "{thread:?}");
        }
    }
}

fn id_of(resource: &Value) -> &str {
    resource["id"].as_str().unwrap()
}

/// The values of one text field, in order.
fn texts<'a>(items: &'a [Value], field: &str) -> Vec<&'a str> {
    items.iter().map(|item| item[field].as_str().unwrap()).collect()
}

/// An SMS that is due in so many days.
fn sms_in(days: i64) -> Value {
    json!({"channel": "sms", "body": "Hello", "send": {"at": wall::rfc3339(wall::now_ms() + days * DAY_MS)}})
}
