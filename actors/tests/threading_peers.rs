//! Our thread headers as others read them: Python's `email` package parses the mails, and an implementation of JWZ's
//! algorithm that is not ours builds the trees.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod peers;

use std::collections::HashMap;
use std::process::Command;

use mail_parser::{HeaderValue, MessageParser};
use peers::{email, peer_file, source_file};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use sendwheel_actors::domain::threading::{MAX_ID_LEN, MAX_REFERENCES, MailId, ThreadHead, ThreadedMail};
use sendwheel_actors::sender::mime;
use serde_json::Value;

/// A mail of a made-up conversation.
struct Mail {
    raw: Vec<u8>,
    read: ThreadedMail,
    parent: Option<usize>,
    is_ours: bool,
    /// Its program wrote `In-Reply-To` alone.
    is_terse: bool,
}

impl Mail {
    fn id(&self) -> &str {
        self.read.id.as_ref().unwrap().as_str()
    }
}

fn texts<'a>(value: &'a HeaderValue<'a>) -> Vec<&'a str> {
    value.as_text_list().map(|list| list.iter().map(AsRef::as_ref).collect()).unwrap_or_default()
}

/// As what comes in will be read.
fn read(raw: &[u8]) -> ThreadedMail {
    let mail = MessageParser::default().parse(raw).unwrap();
    ThreadedMail::read(mail.message_id(), texts(mail.in_reply_to()), texts(mail.references()), mail.subject())
}

/// Conversations of us and others, with branches.
struct Writer {
    rng: StdRng,
    written: u128,
}

impl Writer {
    fn new(seed: u64) -> Self {
        Self { rng: StdRng::seed_from_u64(seed), written: u128::from(seed) << 64 }
    }

    /// One of `length` mails, each of which answers the last one, or (with this chance) any before it.
    fn conversation(&mut self, length: usize, branching: f64) -> Vec<Mail> {
        let mut mails: Vec<Mail> = Vec::new();
        let mut head: Option<ThreadHead> = None;
        for at in 0..length {
            let parent = at
                .checked_sub(1)
                .map(|last| if self.rng.random_bool(branching) { self.rng.random_range(0..=last) } else { last });
            let mail = if self.rng.random_bool(0.5) {
                self.ours(&mails, parent, head.as_ref())
            } else {
                self.theirs(&mails, parent)
            };
            match &mut head {
                Some(head) => {
                    // What answers the newest mail, or names the first, belongs to it for sure.
                    let is_named = mails[0].read.id.as_ref().is_some_and(|id| mail.read.ancestors.contains(id));
                    let is_next = parent == Some(at - 1);
                    assert!(head.continues(&mail.read) || !(is_named || is_next), "{at} of {length}");
                    head.advance(&mail.read);
                }
                None => head = Some(ThreadHead::begin(&mail.read)),
            }
            assert_eq!(head.as_ref().unwrap().last(), mail.read.id.as_ref());
            mails.push(mail);
        }
        mails
    }

    /// Built as it is handed over: with the head's headers if it answers the last mail, else with that mail's.
    fn ours(&mut self, before: &[Mail], parent: Option<usize>, head: Option<&ThreadHead>) -> Mail {
        self.written += 1;
        let mut envelope = email(self.written, "jane");
        if let Some(parent) = parent {
            let mut reply = before[parent].read.reply();
            if parent + 1 == before.len() {
                // What is kept of the conversation says what the mail itself does, and may know more before it.
                let kept = head.unwrap().reply();
                assert_eq!((&kept.in_reply_to, &kept.subject), (&reply.in_reply_to, &reply.subject));
                assert!(reply.references.as_slice().iter().all(|id| kept.references.contains(id)));
                reply = kept;
            }
            envelope.in_reply_to = reply.in_reply_to.map(|id| id.to_string());
            envelope.references = reply.references.as_slice().iter().map(ToString::to_string).collect();
            envelope.content.subject = Some(reply.subject);
        }
        let raw = mime::build(&envelope).unwrap().bytes;
        Mail { read: read(&raw), raw, parent, is_ours: true, is_terse: false }
    }

    /// As some other program writes it: by the RFC and without a bound, without `In-Reply-To`, or with it alone.
    fn theirs(&mut self, before: &[Mail], parent: Option<usize>) -> Mail {
        self.written += 1;
        let length = if self.rng.random_bool(0.1) { self.rng.random_range(100..MAX_ID_LEN - 50) } else { 1 };
        let id = format!("<{:x}.{}@mail.example>", self.written, "x".repeat(length));
        let mut head = format!("From: jane@example.org\r\nTo: team@example.com\r\nMessage-ID: {id}\r\n");
        let style = self.rng.random_range(0..3);
        match parent.map(|parent| &before[parent]) {
            None => head.push_str("Subject: Hello\r\n"),
            Some(parent) => {
                let parsed = MessageParser::default().parse(&parent.raw).unwrap();
                let mut chain: Vec<String> =
                    texts(parsed.references()).into_iter().map(|id| format!("<{id}>")).collect();
                if chain.is_empty() {
                    chain.extend(texts(parsed.in_reply_to()).into_iter().map(|id| format!("<{id}>")));
                }
                chain.push(format!("<{}>", parent.id()));
                if style != 1 {
                    head.push_str(&format!("In-Reply-To: <{}>\r\n", parent.id()));
                }
                if style != 2 {
                    head.push_str(&format!("References: {}\r\n", chain.join("\r\n\t")));
                }
                head.push_str(["Subject: Re: Hello\r\n", "Subject: AW: Hello\r\n", "Subject: RE: Hello\r\n"][style]);
            }
        }
        let raw = format!("{head}\r\nText.\r\n").into_bytes();
        Mail { read: read(&raw), raw, parent, is_ours: false, is_terse: parent.is_some() && style == 2 }
    }
}

/// What Python and JWZ say about these mails, which arrive in any order.
fn judged(mails: &[&Mail], rng: &mut StdRng) -> HashMap<String, Value> {
    let folder = tempfile::tempdir().unwrap();
    let mut order: Vec<usize> = (0..mails.len()).collect();
    order.shuffle(rng);
    for (place, mail) in order.into_iter().zip(mails) {
        std::fs::write(folder.path().join(format!("{place:04}.eml")), &mail.raw).unwrap();
    }
    let mut command = Command::new(peer_file("venv/bin/python"));
    let output = command.arg(source_file("threads.py")).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn ids_of(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect()
}

/// Our own mails, parsed by Python's email package, say what was meant.
fn assert_read_back(mails: &[&Mail], judged: &HashMap<String, Value>) {
    for mail in mails.iter().filter(|mail| mail.is_ours) {
        let said = &judged[mail.id()];
        assert_eq!(said["defects"], Value::Array(Vec::new()));
        assert_eq!(said["in_reply_to"].as_str(), mail.read.ancestors.last().map(MailId::as_str));
        let ancestors: Vec<_> = mail.read.ancestors.as_slice().iter().map(MailId::as_str).collect();
        assert_eq!(ids_of(&said["references"]), ancestors);
        let subject = if mail.parent.is_some() { "Re: Hello" } else { "Hello" };
        assert_eq!(said["subject"], subject);
        let text = String::from_utf8(mail.raw.clone()).unwrap();
        for line in text.split("\r\n") {
            let words = line.split_once(": ").map_or(line, |(_, value)| value).trim();
            assert!(line.len() <= 78 || !words.contains(' '), "could be folded: {line}");
            assert!(line.len() <= 998);
        }
    }
}

#[test]
fn every_reply_is_put_under_its_original() {
    for seed in 0..10 {
        let mut writer = Writer::new(seed);
        let conversations: Vec<Vec<Mail>> = [(30, 0.3), (60, 0.0), (1, 0.0), (15, 0.9)]
            .map(|(length, branching)| writer.conversation(length, branching))
            .into();
        let all: Vec<&Mail> = conversations.iter().flatten().collect();
        let judged = judged(&all, &mut writer.rng);
        assert_eq!(judged.len(), all.len());
        assert_read_back(&all, &judged);
        let mut threads = Vec::new();
        for mails in &conversations {
            for mail in mails {
                let parent = mail.parent.map(|parent| mails[parent].id());
                assert_eq!(judged[mail.id()]["parent"].as_str(), parent, "seed {seed}: {}", mail.id());
                assert_eq!(judged[mail.id()]["thread"], judged[mails[0].id()]["thread"], "seed {seed}");
            }
            threads.push(judged[mails[0].id()]["thread"].clone());
        }
        threads.dedup();
        assert_eq!(threads.len(), conversations.len(), "seed {seed}: conversations are kept apart");
    }
}

#[test]
fn a_reply_whose_original_is_missing_is_put_under_the_nearest_that_is_there() {
    let mut missing_parents = 0;
    for seed in 100..110 {
        let mut writer = Writer::new(seed);
        // Short enough for chains to be whole: what was cut out of one cannot stand in for what is missing.
        let mails = writer.conversation(MAX_REFERENCES, 0.4);
        // A terse mail is tied to its parent alone, so that these two stay.
        let mut may_miss: Vec<bool> = mails.iter().map(|mail| !mail.is_terse).collect();
        for mail in mails.iter().filter(|mail| mail.is_terse) {
            may_miss[mail.parent.unwrap()] = false;
        }
        let is_there: Vec<bool> = may_miss.iter().map(|may| !(*may && writer.rng.random_bool(0.4))).collect();
        let there: Vec<&Mail> =
            mails.iter().zip(&is_there).filter(|(_, there)| **there).map(|(mail, _)| mail).collect();
        let judged = judged(&there, &mut writer.rng);
        for mail in there {
            let mut nearest = mail.parent;
            while let Some(at) = nearest.filter(|at| !is_there[*at]) {
                missing_parents += 1;
                nearest = mails[at].parent;
            }
            let expected = nearest.map(|at| mails[at].id());
            assert_eq!(judged[mail.id()]["parent"].as_str(), expected, "seed {seed}: {}", mail.id());
        }
    }
    assert!(missing_parents > 25, "{missing_parents}: the conversations have holes");
}

#[test]
fn the_longest_chain_is_folded_and_comes_back_whole() {
    for length in [10, 60, 75, 76, 77, 78, 100, MAX_ID_LEN - 4] {
        let mut envelope = email(1, "jane");
        let ids: Vec<String> = (0..30).map(|n| format!("<{n:0>length$}@x.y>")).collect();
        let chain = sendwheel_actors::domain::threading::References::read(ids.iter().map(String::as_str));
        envelope.in_reply_to = Some(ids[29].clone());
        envelope.references = ids.clone();
        envelope.content.subject = Some("Re: Hello".into());
        let raw = mime::build(&envelope).unwrap().bytes;
        let mail = Mail { read: read(&raw), raw, parent: Some(0), is_ours: true, is_terse: false };
        assert_eq!(mail.read.ancestors, chain);
        let written = chain.to_string();
        assert!(written.starts_with(&ids[0]) && written.ends_with(&ids[29]));
        assert_read_back(&[&mail], &judged(&[&mail], &mut StdRng::seed_from_u64(0)));
    }
}
