//! Any bytes as the parts of a report, or as the text of a bounce.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sendwheel_actors::inbound::{Action, InboundEmail, Kind};

/// Headers under which the bytes are a report, a complaint, or a bounce in plain text.
const ENVELOPES: [&str; 4] = [
    "From: MAILER-DAEMON@x.example\nContent-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n",
    "From: a@x.example\nContent-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/feedback-report\n\n",
    "Return-Path: <>\nFrom: MAILER-DAEMON@x.example\n\nHi. This is the qmail-send program\n\n",
    "From: MAILER-DAEMON@x.example\nX-Failed-Recipients: a@x.example, b@x.example\n\n",
];

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    let envelope = ENVELOPES[usize::from(*first) % ENVELOPES.len()];
    let Ok(mail) = InboundEmail::parse(&[envelope.as_bytes(), rest].concat()) else { return };
    match mail.kind {
        Kind::DeliveryReport(report) => {
            assert!((1..=100).contains(&report.recipients.len()) && report.original_ids.len() <= 8);
            for recipient in report.recipients {
                assert!(recipient.action != Action::Failed || recipient.status.is_some());
                assert!(recipient.diagnostic.as_ref().is_none_or(|text| text.len() <= 500 && !text.contains('\n')));
                let _ = recipient.severity();
            }
        }
        Kind::Complaint(complaint) => assert!(complaint.recipients.len() <= 100),
        Kind::Message => {}
    }
});
