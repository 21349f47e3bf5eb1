//! Twilio's signatures, checked by us and by Twilio's own library. `scripts/test-peers` installs it.

use std::io::Write as _;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};
use sendwheel::inbound::twilio_signature::{Signed, TwilioVerifier};
use serde_json::{Value, json};

use super::peers::{peer_file, source_file};

/// A request as Twilio might send it, and a signature that may be another request's.
#[derive(Debug, Clone)]
struct Request {
    token: String,
    url: String,
    form: Vec<(String, String)>,
    /// A body that is no form.
    body: Option<String>,
}

impl Request {
    fn case(&self, signature: &str) -> Value {
        let mut case = json!({"token": self.token, "url": self.url, "signature": signature});
        match &self.body {
            Some(body) => case["body"] = json!(body),
            None => case["form"] = json!(self.form),
        }
        case
    }

    fn is_valid(&self, signature: &str) -> bool {
        let body = match &self.body {
            Some(body) => Signed::Raw(body.as_bytes()),
            None => Signed::Form(&self.form),
        };
        TwilioVerifier::new(&self.token.clone().into()).unwrap().verify(&self.url, body, signature).is_ok()
    }
}

pub(crate) fn library(cases: &[Value]) -> Vec<Value> {
    let mut command = Command::new(peer_file("venv/bin/python"));
    let command = command.arg(source_file("signatures.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(json!(cases).to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the library could not read the cases");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Requests of every kind, always the same ones.
fn requests(count: usize) -> Vec<Request> {
    let url = "https?://(example\\.com|sms\\.example\\.org)(:443|:80|:8443)?(/[a-z]{0,5}){0,3}(\\?[a-z]=[a-z%20+]{0,5}(&b=[:/@])?)?";
    let form = prop::collection::vec(("[A-Za-z]{1,3}", "[ -~üé🎉]{0,12}"), 0..8);
    let all = ("[0-9a-f]{1,32}", url, form, prop::option::of("[ -~ü]{0,40}"));
    let strategy = all.prop_map(|(token, url, form, body)| {
        let url = match &body {
            Some(body) => {
                let separator = if url.contains('?') { '&' } else { '?' };
                format!("{url}{separator}bodySHA256={}", sha256(body))
            }
            None => url,
        };
        Request { token, url, form, body }
    });
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        prop::test_runner::TestRng::deterministic_rng(prop::test_runner::RngAlgorithm::ChaCha),
    );
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

fn sha256(text: &str) -> String {
    use sha2::Digest as _;
    hex::encode(sha2::Sha256::digest(text.as_bytes()))
}

#[test]
fn twilio_s_library_and_ours_judge_alike() {
    let requests = requests(500);
    // What the library signs for the URL as it stands; the last field is of no use yet.
    let signed = library(&requests.iter().map(|request| request.case("")).collect::<Vec<_>>());
    let signatures: Vec<String> = signed.iter().map(|said| said["signature"].as_str().unwrap().to_owned()).collect();
    for (request, signature) in requests.iter().zip(&signatures) {
        assert!(request.is_valid(signature), "{request:?}");
    }

    // Each request with its own signature, and with something about it changed.
    let mut changed = Vec::new();
    for (at, (request, signature)) in requests.iter().zip(&signatures).enumerate() {
        let mut push = |request: Request, signature: &str| changed.push((request, signature.to_owned()));
        push(request.clone(), signature);
        push(request.clone(), &signatures[(at + 1) % signatures.len()]);
        push(Request { token: format!("{}0", request.token), ..request.clone() }, signature);
        push(Request { url: request.url.replacen("example", "examples", 1), ..request.clone() }, signature);
        for port in [":443", ":80", ":8443"] {
            push(Request { url: request.url.replacen(port, "", 1), ..request.clone() }, signature);
        }
        let mut more = request.clone();
        match &mut more.body {
            Some(body) => body.push('x'),
            None => more.form.push(("Extra".into(), "1".into())),
        }
        push(more, signature);
        let mut twice = request.clone();
        twice.form.extend(request.form.first().cloned());
        twice.form.reverse();
        push(twice, signature);
    }
    let cases: Vec<Value> = changed.iter().map(|(request, signature)| request.case(signature)).collect();
    let said = library(&cases);
    let mut valid = 0;
    for ((request, signature), said) in changed.iter().zip(said) {
        assert_eq!(Some(request.is_valid(signature)), said["valid"].as_bool(), "{request:?} {signature}");
        valid += usize::from(request.is_valid(signature));
    }
    assert!(valid > 1_000 && changed.len() - valid > 1_000, "{valid} valid of {}", changed.len());
}
