//! `sendwheel send`: one message, scheduled through a node's API. Makes the contact when there is none.

use std::io::Read;
use std::time::Duration;

use clap::Args;
use reqwest::Method;
use sendwheel_actors::domain::address::Channel;
use sendwheel_actors::domain::clock::{Clock, SystemClock, UnixMs};
use sendwheel_actors::domain::source::IdSource;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{Client, NodeArgs};
use super::{Failure, Outcome, say};

/// Schedules one message.
#[derive(Args)]
#[command(after_help = "Examples:
  sendwheel send --to +12125550123 'See you at nine'
  sendwheel send --to ann@example.com --subject 'Tomorrow' --at 2026-12-01T09:00 --tz America/New_York 'See you at nine'
  sendwheel send --to ann@example.com --subject Report --at +10m - < report.txt")]
pub(crate) struct SendArgs {
    #[command(flatten)]
    node: NodeArgs,
    /// A phone number (+ and digits) or an email address
    #[arg(long, value_name = "ADDR")]
    to: String,
    /// When: 2026-12-01T09:00 with --tz, 2026-12-01T09:00:00-05:00, or +10m; left out: now
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    at: Option<String>,
    /// The zone of a wall-clock time: an IANA name, or "contact" for the contact's own
    #[arg(long, value_name = "ZONE", requires = "at")]
    tz: Option<String>,
    /// The email's subject
    #[arg(long)]
    subject: Option<String>,
    /// The sender's id (sender_…); left out: the last used with this contact, else the default
    #[arg(long, value_name = "SENDER")]
    from: Option<String>,
    /// Send the text as it is, without filling in {{ contact.name }} and the like
    #[arg(long)]
    verbatim: bool,
    /// The text; - reads it from stdin
    body: String,
}

/// Longest text read from stdin; the node has its own bound.
const MAX_STDIN: u64 = 1 << 20;

#[derive(Deserialize)]
struct Contacts {
    data: Vec<FoundContact>,
}

#[derive(Deserialize)]
struct FoundContact {
    id: String,
    #[serde(default)]
    emails: Vec<FoundAddress>,
    #[serde(default)]
    phones: Vec<FoundAddress>,
}

#[derive(Deserialize)]
struct FoundAddress {
    #[serde(alias = "number")]
    address: String,
}

pub(crate) async fn run(args: SendArgs) -> Outcome {
    let client = Client::new(&args.node)?;
    let channel = channel_of(&args.to)?;
    let when = when(args.at.as_deref(), args.tz.as_deref(), SystemClock.now())?;
    let body = match args.body.as_str() {
        "-" => read_stdin()?,
        text => text.to_owned(),
    };
    if args.subject.is_some() && channel == Channel::Sms {
        return Err(Failure::Usage("a text message has no subject: leave out --subject".into()));
    }
    let contact = contact_with(&client, channel, &args.to).await?;
    let mut message = json!({ "channel": channel.name(), "to": args.to, "send": when });
    message[if channel == Channel::Email { "text" } else { "body" }] = body.into();
    if let Some(subject) = args.subject {
        message["subject"] = subject.into();
    }
    if let Some(sender) = args.from {
        message["from"] = sender.into();
    }
    if args.verbatim {
        message["render"] = false.into();
    }
    let created: Value = client.json(create(&client, &format!("/v1/contacts/{contact}/messages"), &message)).await?;
    let text = |key: &str| created.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    say(format_args!("{}  {}  due {}", text("id"), text("state"), text("due_at")))
}

/// A creating POST, with a key so that a repetition below HTTP makes nothing twice.
fn create(client: &Client, path: &str, body: &Value) -> reqwest::RequestBuilder {
    let key = format!("cli-{:032x}", IdSource::from_os().random_u128());
    client.request(Method::POST, path).header("idempotency-key", key).json(body)
}

fn channel_of(address: &str) -> Result<Channel, Failure> {
    match address {
        email if email.contains('@') => Ok(Channel::Email),
        phone if phone.starts_with('+') => Ok(Channel::Sms),
        _ => Err(Failure::Usage("--to must be an email address, or a phone number as +12125550123".into())),
    }
}

/// The API's `send` for what the flags say.
fn when(at: Option<&str>, zone: Option<&str>, now: UnixMs) -> Result<Value, Failure> {
    let Some(at) = at.map(str::trim) else { return Ok("now".into()) };
    let refuse = |what: &str| Err(Failure::Usage(format!("--at {at:?}: {what}")));
    if let Some(delay) = at.strip_prefix('+') {
        return match humantime::parse_duration(delay) {
            Ok(_) if zone.is_some() => refuse("a delay has no zone: leave out --tz"),
            Ok(delay) if delay <= Duration::from_secs(3_650 * 86_400) => {
                Ok(json!({ "at": now.plus(delay).to_string() }))
            }
            _ => refuse("expected a delay such as +90s, +10m or +1d"),
        };
    }
    if chrono::DateTime::parse_from_rfc3339(at).is_ok() {
        return match zone {
            None => Ok(json!({ "at": at })),
            Some(_) => refuse("the time has an offset already: leave out --tz"),
        };
    }
    let local = at.replacen(' ', "T", 1);
    let is_wall_clock = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
        .iter()
        .any(|form| chrono::NaiveDateTime::parse_from_str(&local, form).is_ok());
    match zone {
        _ if !is_wall_clock => refuse("expected 2026-12-01T09:00 with --tz, 2026-12-01T09:00:00-05:00, or +10m"),
        Some(zone) => Ok(json!({ "at": local, "time_zone": zone })),
        None => refuse("a wall-clock time needs its zone: add --tz America/New_York, or --tz contact"),
    }
}

fn read_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin().lock().take(MAX_STDIN + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_STDIN {
        return Err(Failure::Usage("the text on stdin is longer than 1 MiB".into()));
    }
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// The contact with exactly this address, or a new one.
async fn contact_with(client: &Client, channel: Channel, address: &str) -> Result<String, Failure> {
    let query = [("q", address), ("limit", "50")];
    let found: Contacts = client.json(client.request(Method::GET, "/v1/contacts").query(&query)).await?;
    let has_it = |contact: &FoundContact| match channel {
        Channel::Email => contact.emails.iter().any(|email| email.address.eq_ignore_ascii_case(address)),
        Channel::Sms => contact.phones.iter().any(|phone| phone.address == plain(address)),
        // `channel_of` knows the two above.
        Channel::Webhook => false,
    };
    if let Some(contact) = found.data.into_iter().find(has_it) {
        return Ok(contact.id);
    }
    let new = match channel {
        Channel::Email => json!({ "emails": [{ "address": address, "primary": true }] }),
        Channel::Sms => json!({ "phones": [{ "number": address, "primary": true }] }),
        Channel::Webhook => json!({}),
    };
    let made: FoundContact = client.json(create(client, "/v1/contacts", &new)).await?;
    Ok(made.id)
}

/// A number without the spaces, dots and brackets that people write into it.
fn plain(number: &str) -> String {
    number.chars().filter(|character| character.is_ascii_digit() || *character == '+').collect()
}

#[cfg(test)]
mod tests {
    use super::super::client::tests::{Responder, client};
    use super::*;

    #[test]
    fn a_time_is_passed_on_as_what_it_is() {
        let now = UnixMs(0);
        for (at, zone, expected) in [
            (None, None, json!("now")),
            (Some("+90s"), None, json!({"at": "1970-01-01T00:01:30Z"})),
            (Some("2026-12-01T09:00:00-05:00"), None, json!({"at": "2026-12-01T09:00:00-05:00"})),
            (Some("2026-12-01 09:00"), Some("contact"), json!({"at": "2026-12-01T09:00", "time_zone": "contact"})),
        ] {
            assert_eq!(when(at, zone, now).unwrap(), expected);
        }
    }

    #[test]
    fn a_time_that_would_have_to_be_guessed_is_refused() {
        for (at, zone) in [
            ("2026-12-01T09:00", None),
            ("tomorrow", None),
            ("tomorrow", Some("Europe/Paris")),
            ("2026-12-01T09:00:00Z", Some("Europe/Paris")),
            ("+10m", Some("Europe/Paris")),
            ("+soon", None),
            ("", None),
        ] {
            assert!(matches!(when(Some(at), zone, UnixMs(0)), Err(Failure::Usage(_))), "{at}");
        }
    }

    #[actix_web::test]
    async fn the_contact_with_exactly_that_address_is_taken() {
        let page = r#"{"data":[{"id":"contact_1","emails":[{"address":"joann@example.com"}],"phones":[]},
            {"id":"contact_2","emails":[{"address":"ann@example.com"}],"phones":[]}],"next_cursor":null}"#;
        let responder = Responder::start(vec![Responder::json(200, page)]);
        let found = contact_with(&client(&responder), Channel::Email, "Ann@example.com").await.unwrap();
        assert_eq!(found, "contact_2");
        assert!(responder.requests()[0].starts_with("GET /v1/contacts?q=Ann%40example.com&limit=50 "));
    }

    #[actix_web::test]
    async fn a_contact_is_made_when_nobody_has_the_address() {
        let page = r#"{"data":[{"id":"contact_1","phones":[{"number":"+12125550199"}]}],"next_cursor":null}"#;
        let answers = vec![Responder::json(200, page), Responder::json(201, r#"{"id":"contact_9"}"#)];
        let responder = Responder::start(answers);
        let made = contact_with(&client(&responder), Channel::Sms, "+1 212-555-0123").await.unwrap();
        assert_eq!(made, "contact_9");
        let request = &responder.requests()[1];
        assert!(request.starts_with("POST /v1/contacts ") && request.contains("idempotency-key: cli-"), "{request}");
        assert!(request.ends_with(r#"{"phones":[{"number":"+1 212-555-0123","primary":true}]}"#), "{request}");
    }
}
