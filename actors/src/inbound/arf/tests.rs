use super::*;

fn complaint(raw: &str) -> Option<Complaint> {
    read(&Structure::read(raw.as_bytes()))
}

fn report(fields: &str, returned: &str) -> String {
    format!(
        "From: <feedback@provider.example>\r\nSubject: FW: Offers\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=feedback-report; boundary=\"b\"\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\nThis is an email abuse report.\r\n\r\n\
         --b\r\nContent-Type: message/feedback-report\r\n\r\n{fields}\r\n\r\n--b\r\n{returned}\r\n--b--\r\n"
    )
}

const MESSAGE: &str = "Content-Type: message/rfc822\r\nContent-Disposition: inline\r\n\r\n\
                       From: Team <team@example.com>\r\nTo: Jane <jane@example.org>\r\n\
                       Message-ID: <msg_1@example.com>\r\nSubject: Offers\r\n\r\nBuy!\r\n";

#[test]
fn a_complaint_names_the_mail_and_its_recipient() {
    let yahoo = "Feedback-Type: abuse\r\nUser-Agent: Yahoo!-Mail-Feedback/2.0\r\nVersion: 0.1\r\n\
                 Original-Mail-From: <bounce@example.com>\r\nOriginal-Rcpt-To: jane@example.org\r\n\
                 Received-Date: Mon, 23 Nov 2026 18:00:00 PST\r\nReported-Domain: example.com";
    let found = complaint(&report(yahoo, MESSAGE)).unwrap();
    assert_eq!(found.feedback, Feedback::Abuse);
    assert_eq!(found.recipients.iter().map(EmailAddress::as_str).collect::<Vec<_>>(), ["jane@example.org"]);
    assert_eq!(found.original_ids, ["<msg_1@example.com>"]);
}

#[test]
fn where_addresses_are_blanked_the_returned_header_must_do() {
    let aol = "Feedback-Type: abuse\r\nUser-Agent: AOL SComp\r\nVersion: 0.1\r\nRedacted-Address: redacted@";
    let headers_only = "Content-Type: text/rfc822-headers\r\n\r\nTo: redacted@aol.example\r\n\
                        Message-ID: <msg_2@example.com>\r\n";
    let found = complaint(&report(aol, headers_only)).unwrap();
    assert_eq!(found.original_ids, ["<msg_2@example.com>"]);
    assert_eq!(found.recipients.len(), 1);

    let encoded = "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n\
                   TWVzc2FnZS1JRDogPG1zZ18zQGV4YW1wbGUuY29tPg0KDQp4DQo=\r\n";
    assert_eq!(complaint(&report(aol, encoded)).unwrap().original_ids, ["<msg_3@example.com>"]);
}

#[test]
fn the_kind_of_feedback_is_told() {
    for (name, expected, is_complaint) in [
        ("Abuse", Feedback::Abuse, true),
        ("fraud", Feedback::Fraud, true),
        ("opt-out", Feedback::OptOut, true),
        ("not-spam", Feedback::NotSpam, false),
        ("auth-failure", Feedback::AuthFailure, false),
        ("something-new", Feedback::Other, true),
    ] {
        let found = complaint(&report(&format!("Feedback-Type: {name}"), MESSAGE)).unwrap();
        assert_eq!((found.feedback, found.feedback.is_complaint()), (expected, is_complaint));
    }
}

#[test]
fn what_is_no_report_is_no_complaint() {
    assert_eq!(complaint(&report("Version: 1", MESSAGE)), None);
    assert_eq!(complaint("Subject: abuse\r\n\r\nFeedback-Type: abuse\r\n"), None);
    // A complaint that somebody forwards is not one about our mail.
    let forwarded = format!(
        "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: message/rfc822\r\n\r\n{}\r\n--o--\r\n",
        report("Feedback-Type: abuse", MESSAGE)
    );
    assert_eq!(complaint(&forwarded), None);
}

#[test]
fn a_complaint_does_not_show_whom_it_is_about() {
    let shown = format!("{:?}", complaint(&report("Feedback-Type: abuse", MESSAGE)).unwrap());
    assert!(!shown.contains("example"), "{shown}");
}
