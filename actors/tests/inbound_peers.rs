//! Inbound mail as this engine and as Python's `email` package read it.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::path::{Path, PathBuf};
use std::process::Command;

use sendwheel_actors::domain::address::EmailAddress;
use sendwheel_actors::inbound::{Action, InboundEmail, Kind};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const MAILS: usize = 600;

/// Python with nothing but its standard library.
fn python() -> PathBuf {
    let root = std::env::var_os("SENDWHEEL_PEERS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/peers"), PathBuf::from);
    let file = root.join("venv/bin/python");
    assert!(file.exists(), "{} is missing: run scripts/test-peers", file.display());
    file
}

fn addresses(list: &[EmailAddress]) -> Value {
    list.iter().map(EmailAddress::as_str).collect()
}

/// Each once, as ours are.
fn distinct(list: &Value) -> Value {
    let mut kept: Vec<&Value> = Vec::new();
    for item in list.as_array().unwrap() {
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    json!(kept)
}

/// A file's name here is only a name.
fn without_quotes(files: &Value) -> Value {
    let mut files = files.clone();
    for file in files.as_array_mut().unwrap() {
        file["filename"] = json!(file["filename"].as_str().unwrap().replace('"', ""));
    }
    files
}

fn action(action: Action) -> &'static str {
    match action {
        Action::Failed => "failed",
        Action::Delayed => "delayed",
        Action::Delivered => "delivered",
        Action::Relayed => "relayed",
        Action::Expanded => "expanded",
    }
}

/// Where the two readings differ, as `field: ours, theirs`.
fn differences(raw: &[u8], theirs: &Value) -> Vec<String> {
    let ours = InboundEmail::parse(raw).unwrap();
    let from = ours.from.as_ref().unwrap();
    let recipients: Vec<Value> = match &ours.kind {
        Kind::DeliveryReport(report) => report
            .recipients
            .iter()
            .map(|found| {
                json!([
                    found.recipient.as_ref().unwrap().as_str(),
                    action(found.action),
                    found.status.unwrap().to_string()
                ])
            })
            .collect(),
        _ => Vec::new(),
    };
    let files: Vec<Value> = ours
        .attachments
        .iter()
        .zip(theirs["files"].as_array().unwrap())
        .map(|(file, theirs)| {
            // An attached message or a report has no one form as bytes in Python.
            let (size, hash) = match theirs["size"] {
                Value::Null => (Value::Null, Value::Null),
                _ => (json!(file.size), json!(hex::encode(Sha256::digest(file.bytes(raw))))),
            };
            json!({"filename": file.filename, "content_type": file.content_type, "size": size, "sha256": hash})
        })
        .collect();
    let plain = if theirs["has_plain"] == true { ours.text.clone().unwrap_or_default() } else { String::new() };
    let trimmed = |text: &Value| json!(text.as_str().unwrap().trim_end());
    let pairs = [
        ("message_id", json!(ours.message_id), theirs["message_id"].clone()),
        ("in_reply_to", json!(ours.in_reply_to), theirs["in_reply_to"].clone()),
        ("references", json!(ours.references), theirs["references"].clone()),
        ("from", json!([from.name.clone().unwrap_or_default(), from.address.as_str()]), theirs["from"].clone()),
        ("to", addresses(&ours.to), distinct(&theirs["to"])),
        ("cc", addresses(&ours.cc), distinct(&theirs["cc"])),
        ("subject", json!(ours.subject), theirs["subject"].clone()),
        ("date", json!(ours.date.map(|at| at.0 / 1_000)), theirs["timestamp"].clone()),
        ("text", trimmed(&json!(plain)), trimmed(&theirs["text"])),
        ("html", json!(ours.html.is_some()), theirs["has_html"].clone()),
        ("files", json!(files), without_quotes(&theirs["files"])),
        ("number of files", json!(ours.attachments.len()), json!(theirs["files"].as_array().unwrap().len())),
        ("recipients", json!(recipients), theirs["recipients"].clone()),
    ];
    // Python's generator folds some lists by writing a comma as an encoded word, after which they are no lists.
    let is_miswritten = raw.windows(14).any(|window| window.eq_ignore_ascii_case(b"=?utf-8?q?=2C?"));
    let differing = pairs
        .into_iter()
        .filter(|(field, ours, theirs)| ours != theirs && !(is_miswritten && matches!(*field, "to" | "cc")));
    differing.map(|(field, ours, theirs)| format!("{field}: {ours}, {theirs}")).collect()
}

#[test]
fn python_reads_the_same_from_every_mail() {
    let seed = std::env::var("SENDWHEEL_SEED").unwrap_or_else(|_| "1".to_owned());
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/peers/mail_corpus.py");
    let output =
        Command::new(python()).arg(script).arg(folder.path()).args([&seed, &MAILS.to_string()]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let expected: Vec<Value> =
        serde_json::from_slice(&std::fs::read(folder.path().join("expected.json")).unwrap()).unwrap();
    assert_eq!(expected.len(), MAILS);
    assert!(expected.iter().any(|mail| mail["recipients"] != json!([])), "no report among the mails");
    let mut wrong = Vec::new();
    for (number, theirs) in expected.iter().enumerate() {
        let raw = std::fs::read(folder.path().join(format!("{number:04}.eml"))).unwrap();
        for difference in differences(&raw, theirs) {
            wrong.push(format!(
                "mail {number}, {difference}\n{}",
                String::from_utf8_lossy(&raw[..raw.len().min(1_500)])
            ));
        }
    }
    let shown = wrong.iter().take(20).cloned().collect::<Vec<_>>().join("\n\n");
    assert!(wrong.is_empty(), "seed {seed}: {} differences\n{shown}", wrong.len());
}
