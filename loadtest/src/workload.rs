//! Contacts, senders and message lines of a run.
//!
//! Every message carries a token in its text, `[t-RUN-N]`, by which a sink's record is matched with what
//! was acknowledged, whatever the server does with its own ids.

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use crate::client::Client;
use crate::wall;

/// Rows of one import request.
const IMPORT_ROWS: usize = 5_000;
/// Phone numbers there are: +1 212 NXX XXXX from 200-0000 on.
const NUMBERS: usize = 8_000_000;

/// The token of message `n` of a run.
#[must_use]
pub fn token(run: &str, n: usize) -> String {
    format!("t-{run}-{n}")
}

/// The token in a text, if there is one.
#[must_use]
pub fn token_in(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("[t-")?;
    let (token, _) = rest.split_once(']')?;
    Some(format!("t-{token}"))
}

/// The phone number of contact `n`: an American one with its own area code, never dialled.
#[must_use]
pub fn phone(n: usize) -> String {
    format!("+1212{}", 2_000_000 + n % NUMBERS)
}

/// The email address of contact `n`, in a domain that is reserved for examples.
#[must_use]
pub fn email(n: usize) -> String {
    format!("person{n}@example.com")
}

/// Length of an SMS in characters of GSM-7: one whole segment, in which a bracket counts twice.
const SMS_LENGTH: usize = 158;

/// The text of an SMS: one segment full.
#[must_use]
pub fn sms_text(token: &str) -> String {
    let mut text = format!("Your table is ready at eight [{token}]");
    while text.len() < SMS_LENGTH {
        text.push_str(" We look forward to seeing you.");
    }
    text.truncate(SMS_LENGTH);
    text
}

/// An SMS line for `/v1/messages:batch`, or without `contact_id` the body of a single schedule.
#[must_use]
pub fn sms(token: &str, due_at_ms: i64) -> Value {
    json!({
        "channel": "sms",
        "body": sms_text(token),
        "render": false,
        "send": {"at": wall::rfc3339(due_at_ms)},
    })
}

/// The same as an email of about 1 KB.
#[must_use]
pub fn mail(token: &str, due_at_ms: i64) -> Value {
    let text = "A line of ordinary text in an ordinary mail, of about sixty bytes.\n".repeat(15);
    json!({
        "channel": "email",
        "subject": format!("Your order [{token}]"),
        "text": text,
        "render": false,
        "send": {"at": wall::rfc3339(due_at_ms)},
    })
}

/// The same message for a contact.
#[must_use]
pub fn for_contact(mut message: Value, contact: &str) -> Value {
    message["contact_id"] = contact.into();
    message
}

/// The same message from this sender, not from the account's default.
#[must_use]
pub fn from_sender(mut message: Value, sender: &str) -> Value {
    message["from"] = sender.into();
    message
}

/// What a run sends from and to.
#[derive(Debug, Clone)]
pub struct Cast {
    /// Contact ids.
    pub contacts: Vec<String>,
    /// The SMS sender's id.
    pub sms_sender: String,
    /// The email sender's id.
    pub email_sender: String,
}

impl Cast {
    /// The contact of message `n`: every contact in turn.
    ///
    /// # Panics
    /// When the cast has no contacts, which [`cast`] refuses to make.
    #[must_use]
    pub fn contact(&self, n: usize) -> &str {
        &self.contacts[n % self.contacts.len()]
    }
}

/// Makes two default senders whose limits are no limit here, and `count` contacts with a phone number
/// and an email address each.
///
/// # Errors
/// When the node refuses a sender or a row.
pub async fn cast(client: &Client, count: usize) -> anyhow::Result<Cast> {
    if count == 0 {
        bail!("a run needs at least one contact");
    }
    let limits = json!({"rate": 1_000_000, "per": "1s", "burst": 100_000});
    let sms = json!({"channel": "sms", "address": "+12125550100", "is_default": true, "limits": limits});
    let email =
        json!({"channel": "email", "address": "Harness <harness@example.com>", "is_default": true, "limits": limits});
    let sms_sender = client.create_sender(&sms).await.context("create the SMS sender")?;
    let email_sender = client.create_sender(&email).await.context("create the email sender")?;
    let mut contacts = Vec::with_capacity(count);
    let rows: Vec<Value> = (0..count).map(contact_row).collect();
    for chunk in rows.chunks(IMPORT_ROWS) {
        for line in client.import(chunk).await.context("import contacts")? {
            let Some(id) = line.id else { bail!("row {} was refused: {}", line.row, line.errors) };
            contacts.push(id);
        }
    }
    if contacts.len() != count {
        bail!("imported {} of {count} contacts", contacts.len());
    }
    Ok(Cast { contacts, sms_sender, email_sender })
}

fn contact_row(n: usize) -> Value {
    json!({
        "name": format!("Person {n}"),
        "emails": [{"address": email(n)}],
        "phones": [{"number": phone(n)}],
        "time_zone": "America/New_York",
        "external_id": format!("person-{n}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_again_in_the_text_it_was_put_in() {
        let line = sms(&token("run", 7), 0);
        assert_eq!(token_in(line["body"].as_str().unwrap()).as_deref(), Some("t-run-7"));
        let line = mail(&token("run", 8), 0);
        assert_eq!(token_in(line["subject"].as_str().unwrap()).as_deref(), Some("t-run-8"));
        assert_eq!(token_in("nothing here"), None);
    }

    #[test]
    fn a_text_fills_one_segment() {
        let text = sms_text(&token("19acd01234f", 9_999_999));
        let septets: usize = text.chars().map(|c| if "[]".contains(c) { 2 } else { 1 }).sum();
        assert_eq!(septets, 160, "{text}");
    }

    #[test]
    fn phone_numbers_are_distinct_and_of_eleven_digits() {
        let numbers: std::collections::HashSet<_> = (0..20_000).map(phone).collect();
        assert_eq!(numbers.len(), 20_000);
        assert!(numbers.iter().all(|number| number.len() == 12));
    }
}
