//! Our webhook signatures against the official library of Standard Webhooks.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod peers;

use std::io::Write as _;
use std::process::{Command, Stdio};

use peers::{clock, peer_file, source_file};
use sendwheel_actors::domain::clock::Clock as _;
use sendwheel_actors::domain::signatures::webhook::{TOLERANCE, WebhookSecret, sign, verify};
use serde_json::{Value, json};

fn library(cases: &Value) -> Vec<Value> {
    let mut command = Command::new(peer_file("venv/bin/python"));
    let command = command.arg(source_file("signatures.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(cases.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the library could not read the cases");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_official_library_accepts_our_signatures_and_makes_the_same() {
    // The library reads the clock itself.
    let now = clock().now();
    let secrets: Vec<WebhookSecret> =
        (24..=64u8).map(|length| WebhookSecret::from_bytes(&vec![length; length.into()]).unwrap()).collect();
    let bodies = ["", "{}", r#"{"text": "Grüße 🎉 \r\n"}"#, &"x".repeat(100_000)];
    let mut cases = Vec::new();
    for (number, secret) in secrets.iter().enumerate() {
        let (id, body) = (format!("evt_{number}"), bodies[number % bodies.len()]);
        let headers = sign(std::slice::from_ref(secret), &id, now, body.as_bytes());
        cases.push(json!({"secret": secret.expose(), "id": id, "timestamp": headers.timestamp, "body": body,
            "signature": headers.signature}));
    }
    for (case, said) in cases.iter().zip(library(&json!(cases))) {
        assert_eq!((&said["valid"], &said["signature"]), (&json!(true), &case["signature"]), "{}", case["id"]);
    }
}

#[test]
fn ours_and_the_official_library_judge_alike() {
    let now = clock().now();
    let [old, new, other] = [1, 2, 3].map(|byte| WebhookSecret::from_bytes(&[byte; 32]).unwrap());
    let seconds = |ms: i64| (ms / 1_000).to_string();
    let both = sign(&[new.clone(), old.clone()], "evt_1", now, b"{}");
    let minute = 60_000;
    let tolerance = i64::try_from(TOLERANCE.as_millis()).unwrap();
    let early = sign(std::slice::from_ref(&new), "evt_1", now.minus(TOLERANCE * 2), b"{}");
    let late = sign(std::slice::from_ref(&new), "evt_1", now.plus(TOLERANCE * 2), b"{}");
    let edge = sign(std::slice::from_ref(&new), "evt_1", now.minus(TOLERANCE / 2), b"{}");
    let cases = [
        (&old, "evt_1", both.timestamp.clone(), "{}", both.signature.clone(), true),
        (&new, "evt_1", both.timestamp.clone(), "{}", both.signature.clone(), true),
        (&new, "evt_1", both.timestamp.clone(), "{}", format!("v1a,AAAA {}", both.signature), true),
        (&other, "evt_1", both.timestamp.clone(), "{}", both.signature.clone(), false),
        (&new, "evt_2", both.timestamp.clone(), "{}", both.signature.clone(), false),
        (&new, "evt_1", both.timestamp.clone(), "{ }", both.signature.clone(), false),
        (&new, "evt_1", seconds(now.0 + minute), "{}", both.signature.clone(), false),
        (&new, "evt_1", early.timestamp, "{}", early.signature, false),
        (&new, "evt_1", late.timestamp, "{}", late.signature, false),
        (&new, "evt_1", edge.timestamp, "{}", edge.signature, true),
        (&new, "evt_1", seconds(now.0 - tolerance - minute), "{}", both.signature.clone(), false),
        (&new, "evt_1", both.timestamp.clone(), "{}", both.signature.replace("v1,", "v2,"), false),
    ];
    let asked: Vec<Value> = cases
        .iter()
        .map(|(secret, id, timestamp, body, signature, _)| {
            json!({"secret": secret.expose(), "id": id, "timestamp": timestamp, "body": body, "signature": signature})
        })
        .collect();
    for ((secret, id, timestamp, body, signature, expected), said) in cases.iter().zip(library(&json!(asked))) {
        let ours = verify(std::slice::from_ref(secret), id, timestamp, signature, body.as_bytes(), now);
        assert_eq!((ours.is_ok(), said["valid"].as_bool()), (*expected, Some(*expected)), "{id} {timestamp} {body}");
        // What the library signs, ours accepts.
        let theirs = said["signature"].as_str().unwrap();
        let at = sendwheel_actors::domain::clock::UnixMs(timestamp.parse::<i64>().unwrap() * 1_000);
        assert_eq!(verify(std::slice::from_ref(secret), id, timestamp, theirs, body.as_bytes(), at), Ok(()));
    }
}
