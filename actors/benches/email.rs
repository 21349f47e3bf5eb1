//! What an email costs before it meets the network: building it, and signing it.
//!
//! RSA-2048 is the price of DKIM; it is why signing stays off the shard threads.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench that cannot start has no caller to tell")]

use std::hint::black_box;
use std::process::Command;

use criterion::{Criterion, criterion_group, criterion_main};
use sendwheel_actors::domain::address::{Address, Mailbox};
use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::directory::SenderAddress;
use sendwheel_actors::domain::ids::{AccountNo, ContactId, MessageId};
use sendwheel_actors::domain::message::{Class, Content};
use sendwheel_actors::sender::dkim::{DkimSettings, Signer};
use sendwheel_actors::sender::mime;
use sendwheel_actors::sender::transport::Envelope;

fn envelope() -> Envelope {
    Envelope {
        message: MessageId::from_bytes([1; 16]),
        identity: MessageId::from_bytes([1; 16]),
        account: AccountNo(1),
        contact: ContactId::from_bytes([2; 16]),
        attempt: 1,
        class: Class::Transactional,
        from: SenderAddress::Email(Mailbox::parse("Sales <team@example.com>").unwrap()),
        to: Address::Email("jane@example.org".parse().unwrap()),
        content: Content {
            subject: Some("Your order 4711 is on its way".into()),
            text: Some("Hello Jane,\nit left today.\n".repeat(20)),
            html: Some("<p>Hello Jane,</p><p>it left today.</p>\n".repeat(20)),
            render: false,
        },
        attachments: Vec::new(),
        date: UnixMs(1_795_456_800_000),
        list_unsubscribe: Some("https://send.example/u/token".parse().unwrap()),
        in_reply_to: None,
        references: Vec::new(),
        reply_to: None,
        test: false,
        first_attempt: true,
        withdrawal: Default::default(),
        hook: None,
    }
}

fn signer(algorithm: &[&str]) -> Signer {
    let output = Command::new("openssl").arg("genpkey").args(algorithm).output().expect("openssl makes the key");
    let private_key = String::from_utf8(output.stdout).unwrap().into();
    Signer::new(&[DkimSettings { domain: "example.com".into(), selector: "s".into(), private_key }]).unwrap()
}

fn email(criterion: &mut Criterion) {
    let envelope = envelope();
    let mail = mime::build(&envelope).unwrap();
    criterion.bench_function("email/build", |bencher| bencher.iter(|| mime::build(black_box(&envelope)).unwrap()));
    for (name, algorithm) in [
        ("email/sign rsa-2048", &["-algorithm", "rsa", "-pkeyopt", "rsa_keygen_bits:2048"][..]),
        ("email/sign ed25519", &["-algorithm", "ed25519"]),
    ] {
        let signer = signer(algorithm);
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| signer.sign("example.com", envelope.date, black_box(mail.bytes.clone())));
        });
    }
}

criterion_group!(benches, email);
criterion_main!(benches);
