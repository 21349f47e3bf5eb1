//! Reports as servers write them.

use super::*;
use crate::inbound::{InboundEmail, Kind};

fn report(raw: &str) -> Option<DeliveryReport> {
    match InboundEmail::parse(raw.as_bytes()).unwrap().kind {
        Kind::DeliveryReport(report) => Some(report),
        _ => None,
    }
}

/// Each recipient as `address action status severity`.
fn recipients(report: &DeliveryReport) -> Vec<String> {
    let line = |found: &RecipientReport| {
        let address = found.recipient.as_ref().map_or("?", EmailAddress::as_str);
        let status = found.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
        format!("{address} {:?} {status} {:?}", found.action, found.severity())
    };
    report.recipients.iter().map(line).collect()
}

fn multipart(header: &str, fields: &str, returned: &str) -> String {
    format!(
        "{header}MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status;\n\tboundary=\"B\"\n\n\
         --B\nContent-Type: text/plain; charset=us-ascii\n\nSorry.\n\n\
         --B\nContent-Type: message/delivery-status\n\n{fields}\n--B\n{returned}\n--B--\n"
    )
    .replace('\n', "\r\n")
}

const RETURNED: &str = "Content-Type: message/rfc822\n\nReturn-Path: <team@example.com>\nFrom: team@example.com\n\
                        Message-ID: <msg_1@example.com>\nSubject: Hello\n\nHello\n";

#[test]
fn postfix_gives_up() {
    let raw = multipart(
        "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example.com (Mail Delivery System)\nTo: team@example.com\n\
         Subject: Undelivered Mail Returned to Sender\nAuto-Submitted: auto-replied\n",
        "Reporting-MTA: dns; mx.example.com\nX-Postfix-Queue-ID: 4F2A11\nX-Postfix-Sender: rfc822; team@example.com\n\
         Arrival-Date: Mon, 23 Nov 2026 18:00:00 +0100 (CET)\n\n\
         Final-Recipient: rfc822; jane@example.org\nOriginal-Recipient: rfc822;jane@example.org\nAction: failed\n\
         Status: 5.1.1\nRemote-MTA: dns; mail.example.org\n\
         Diagnostic-Code: smtp; 550 5.1.1 <jane@example.org>: Recipient address rejected:\n    User unknown\n",
        RETURNED,
    );
    let report = report(&raw).unwrap();
    assert_eq!(recipients(&report), ["jane@example.org Failed 5.1.1 Hard"]);
    assert_eq!(report.original_ids, ["<msg_1@example.com>"]);
    let first = &report.recipients[0];
    assert_eq!(first.final_recipient, None);
    assert_eq!(
        first.diagnostic.as_deref(),
        Some("550 5.1.1 <jane@example.org>: Recipient address rejected: User unknown")
    );
    assert!(!format!("{report:?}").contains("jane"), "a report's Debug goes to logs");
}

#[test]
fn postfix_waits() {
    let raw = multipart(
        "From: MAILER-DAEMON@mx.example.com\nSubject: Delayed Mail (still being retried)\n",
        "Reporting-MTA: dns; mx.example.com\n\nFinal-Recipient: rfc822; jane@example.org\nAction: delayed\n\
         Status: 4.4.1\nDiagnostic-Code: X-Postfix; connect to mail.example.org[192.0.2.1]:25: Connection timed out\n\
         Will-Retry-Until: Sat, 28 Nov 2026 18:00:00 +0100 (CET)\n",
        "Content-Type: text/rfc822-headers\n\nFrom: team@example.com\nMessage-ID: <msg_1@example.com>\n",
    );
    let report = report(&raw).unwrap();
    assert_eq!(recipients(&report), ["jane@example.org Delayed 4.4.1 Soft"]);
    assert_eq!(report.original_ids, ["<msg_1@example.com>"]);
}

#[test]
fn gmail_names_the_mail_in_its_fields_and_as_what_it_answers() {
    let raw = multipart(
        "From: Mail Delivery Subsystem <mailer-daemon@googlemail.com>\nAuto-Submitted: auto-replied\n\
         Subject: Delivery Status Notification (Failure)\nReferences: <root@example.com> <msg_2@example.com>\n\
         In-Reply-To: <msg_2@example.com>\n",
        "Reporting-MTA: dns; googlemail.com\nReceived-From-MTA: dns; team@example.com\n\
         X-Original-Message-ID: <msg_2@example.com>\n\nFinal-Recipient: rfc822; jane@example.org\nAction: failed\n\
         Status: 5.2.2\nRemote-MTA: dns; mail.example.org\n\
         Diagnostic-Code: smtp; 552-5.2.2 The email account that you tried to reach is over quota\n\
         Last-Attempt-Date: Mon, 23 Nov 2026 10:00:00 -0800 (PST)\n",
        "Content-Type: message/rfc822\n\nSubject: no id here\n\nx\n",
    );
    let report = report(&raw).unwrap();
    assert_eq!(recipients(&report), ["jane@example.org Failed 5.2.2 Hard"]);
    assert_eq!(report.original_ids, ["<msg_2@example.com>", "<root@example.com>"]);
}

#[test]
fn exchange_tells_of_several_recipients() {
    let raw = multipart(
        "From: postmaster@contoso.example\nSubject: Undeliverable: Hello\nX-MS-Exchange-Message-Is-Ndr:\n\
         In-Reply-To: <msg_3@example.com>\n",
        "Reporting-MTA: dns;DB9PR01.prod.outlook.example\nReceived-From-MTA: dns;mail.example.com\n\
         Arrival-Date: Mon, 23 Nov 2026 18:00:00 +0000\n\n\
         Original-Recipient: rfc822;old.name@contoso.example\nFinal-Recipient: rfc822;new.name@contoso.example\n\
         Action: failed\nStatus: 5.1.10\n\
         Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup\n\n\
         Final-Recipient: RFC822; <full@contoso.example>\nAction: Failed (gave up)\nStatus: 4.2.2 (mailbox full)\n\n\
         Final-Recipient: rfc822;fine@contoso.example\nAction: delivered\nStatus: 2.0.0\n",
        RETURNED,
    );
    let report = report(&raw).unwrap();
    assert_eq!(
        recipients(&report),
        [
            "old.name@contoso.example Failed 5.1.10 Hard",
            "full@contoso.example Failed 4.2.2 Soft",
            "fine@contoso.example Delivered 2.0.0 Good"
        ]
    );
    let last = report.recipients[0].final_recipient.as_ref().unwrap();
    assert_eq!(last.as_str(), "new.name@contoso.example");
    assert_eq!(report.original_ids, ["<msg_1@example.com>", "<msg_3@example.com>"]);
}

#[test]
fn exim_writes_a_report_with_its_own_header_beside_it() {
    let raw = multipart(
        "From: Mail Delivery System <Mailer-Daemon@mx.example.com>\nX-Failed-Recipients: jane@example.org\n\
         Auto-Submitted: auto-replied\nSubject: Mail delivery failed: returning message to sender\n",
        "Reporting-MTA: dns; mx.example.com\n\nAction: failed\nFinal-Recipient: rfc822;jane@example.org\n\
         Status: 5.0.0\nRemote-MTA: dns; mail.example.org\nDiagnostic-Code: smtp; 550 5.7.1 Spam refused\n",
        RETURNED,
    );
    // `5.0.0` says nothing, the server's words do.
    assert_eq!(recipients(&report(&raw).unwrap()), ["jane@example.org Failed 5.7.1 Hard"]);
}

#[test]
fn incomplete_reports_are_read_as_far_as_they_go() {
    for (fields, expected) in [
        // No group for the mail, no status, no action, an action that nobody knows.
        ("Final-Recipient: rfc822; a@example.org\nAction: failed\n", &["a@example.org Failed 5.0.0 Hard"][..]),
        ("Final-Recipient: rfc822; a@example.org\nStatus: 4.4.7\n", &["a@example.org Delayed 4.4.7 Soft"]),
        ("Final-Recipient: rfc822; a@example.org\nAction: lost\nStatus: 5.4.4\n", &["a@example.org Failed 5.4.4 Hard"]),
        (
            "Final-Recipient: rfc822; a@example.org\nDiagnostic-Code: smtp; 550 no such user\n",
            &["a@example.org Failed 5.0.0 Hard"],
        ),
        ("Action: failed\nStatus: 5.1.1\n", &["? Failed 5.1.1 Hard"]),
        ("Final-Recipient: x400; /c=us/\nAction: failed\nStatus: 5.1.1\n", &["? Failed 5.1.1 Hard"]),
        ("Final-Recipient: rfc822; a@example.org\nAction: relayed\n", &["a@example.org Relayed - Good"]),
        // RFC 3461 escapes, and a `+` that is none.
        (
            "Original-Recipient: rfc822; a+2Bb+3Dc@example.org\nAction: expanded\n",
            &["a+b=c@example.org Expanded - Good"],
        ),
        (
            "Final-Recipient: rfc822; a+b@example.org\nAction: failed\nStatus: 5.1.1\n",
            &["a+b@example.org Failed 5.1.1 Hard"],
        ),
        // A line that is no field parts a group, and hides nothing behind it.
        (
            "\n\nnonsense\n\n\nFinal-Recipient: rfc822; a@example.org\nAction: failed\n\nmore nonsense\n",
            &["a@example.org Failed 5.0.0 Hard"],
        ),
    ] {
        let raw = multipart("From: postmaster@example.org\n", fields, RETURNED);
        assert_eq!(recipients(&report(&raw).unwrap()), expected, "{fields}");
    }
    for fields in ["", "Reporting-MTA: dns; x\n", "Final-Recipient: rfc822; a@example.org\nAction: lost\n", "nonsense"]
    {
        assert_eq!(report(&multipart("From: postmaster@example.org\n", fields, RETURNED)), None, "{fields}");
    }
}

#[test]
fn qmail_bounces_in_plain_text() {
    let raw = "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example.com\nSubject: failure notice\n\n\
               Hi. This is the qmail-send program at mx.example.com.\n\
               I'm afraid I wasn't able to deliver your message to the following addresses.\n\
               This is a permanent error; I've given up. Sorry it didn't work out.\n\n\
               <jane@example.org>:\n192.0.2.1 does not like recipient.\n\
               Remote host said: 550 5.1.1 User unknown\nGiving up on 192.0.2.1.\n\n\
               <john@example.org>:\nSorry, I couldn't find any host named example.org. (#5.1.2)\n\n\
               <late@example.org>:\nThis message has been in the queue too long. (#4.4.1)\n\n\
               --- Below this line is a copy of the message.\n\n\
               Return-Path: <team@example.com>\nFrom: team@example.com\nMessage-ID: <msg_4@example.com>\n\n\
               <not-a-recipient@example.org>:\nquoted\n";
    let report = report(raw).unwrap();
    assert_eq!(
        recipients(&report),
        [
            "jane@example.org Failed 5.1.1 Hard",
            "john@example.org Failed 5.1.2 Hard",
            "late@example.org Failed 4.4.1 Soft"
        ]
    );
    assert_eq!(report.original_ids, ["<msg_4@example.com>"]);
}

#[test]
fn old_exim_bounces_in_plain_text() {
    let raw = "From: Mail Delivery System <Mailer-Daemon@mx.example.com>\nX-Failed-Recipients: jane@example.org,\n\
               \x20 john@example.org\nAuto-Submitted: auto-replied\nSubject: Mail delivery failed\n\n\
               This message was created automatically by mail delivery software.\n\n\
               A message that you sent could not be delivered to one or more of its\nrecipients. \
               This is a permanent error. The following address(es) failed:\n\n\
               \x20 jane@example.org\n    SMTP error from remote mail server after RCPT TO:<jane@example.org>:\n\
               \x20   host mail.example.org [192.0.2.1]: 550 5.1.1 No such user\n\n\
               \x20 john@example.org\n    retry timeout exceeded\n\n\
               ------ This is a copy of the message, including all the headers. ------\n\n\
               Return-path: <team@example.com>\nMessage-Id: <msg_5@example.com>\nSubject: Hello\n\nHello\n";
    let report = report(raw).unwrap();
    assert_eq!(recipients(&report), ["jane@example.org Failed 5.1.1 Hard", "john@example.org Failed 5.0.0 Hard"]);
    assert_eq!(report.original_ids, ["<msg_5@example.com>"]);
}

#[test]
fn what_a_person_writes_is_no_report() {
    let words = "Hi. This is the qmail-send program at x.\n\n<jane@example.org>:\n550 5.1.1 gone\n";
    for raw in [
        // The words of a bounce from somebody's own address.
        format!("From: eve@example.net\nSubject: failure notice\n\n{words}"),
        format!("From: eve@example.net\nX-Failed-Recipients: jane@example.org\n\n{words}"),
        // A mail server's address, and no words of a bounce.
        "From: postmaster@example.net\nSubject: Quota\n\nYour mailbox is 95 % full.\n".to_owned(),
        "Return-Path: <>\nFrom: jane@example.org\nAuto-Submitted: auto-replied\n\nI am away.\n".to_owned(),
        // A report that somebody forwards.
        format!(
            "From: jane@example.org\nContent-Type: multipart/mixed; boundary=O\n\n--O\n\nlook\n--O\n\
             Content-Type: message/rfc822\n\n{}\n--O--\n",
            multipart(
                "From: MAILER-DAEMON@x.example\n",
                "Final-Recipient: rfc822; a@b.example\nAction: failed\n",
                RETURNED
            )
        ),
    ] {
        assert_eq!(report(&raw), None, "{raw}");
    }
}

#[test]
fn a_report_is_bounded() {
    let group = "Final-Recipient: rfc822; a@example.org\nAction: failed\nStatus: 5.1.1\n\n";
    let long = format!("Diagnostic-Code: smtp; {}\n{group}", "x ".repeat(5_000));
    let raw = multipart("From: postmaster@example.org\n", &(long + &group.repeat(5_000)), RETURNED);
    let report = report(&raw).unwrap();
    assert_eq!(report.recipients.len(), MAX_REPORT_RECIPIENTS);
    assert!(report.recipients[0].diagnostic.as_ref().unwrap().len() <= MAX_DIAGNOSTIC);
    let ids = distinct((0..100).map(|number| format!("<{}@x>", number / 2)));
    assert_eq!(ids.len(), MAX_REPORT_IDS);
    assert_eq!(ids[1], "<1@x>");
}
