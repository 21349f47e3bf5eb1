//! From what sinks recorded and the API shows to what the oracle judges.

use mail_parser::MessageParser;

use super::{Begun, Handover, Standing};
use crate::client::MessageView;
use crate::sink::sms::Sms;
use crate::sink::smtp::Mail;
use crate::wall;
use crate::workload::token_in;

/// The hand-overs among recorded mails: those that were taken and carry a token in subject or text.
#[must_use]
pub fn from_mails(mails: &[Mail]) -> Vec<Handover> {
    mails
        .iter()
        .filter(|mail| mail.taken)
        .filter_map(|mail| {
            let (token, identity) = read(mail)?;
            Some(Handover { token: token?, identity, started_at_ms: mail.started_at_ms })
        })
        .collect()
}

/// Token and Message-ID of a mail, where it is one.
fn read(mail: &Mail) -> Option<(Option<String>, Option<String>)> {
    let parsed = MessageParser::default().parse(&mail.raw[..])?;
    let token = parsed.subject().and_then(token_in).or_else(|| parsed.body_text(0).and_then(|text| token_in(&text)));
    Some((token, parsed.message_id().map(str::to_owned)))
}

/// The attempts among recorded mails.
#[must_use]
pub fn begun_mails(mails: &[Mail]) -> Vec<Begun> {
    let begun = |mail: &Mail| Begun {
        token: read(mail).and_then(|(token, _)| token),
        lane: "email".to_owned(),
        at_ms: mail.started_at_ms,
    };
    mails.iter().map(begun).collect()
}

/// The attempts among recorded SMS requests.
#[must_use]
pub fn begun_sms(requests: &[Sms]) -> Vec<Begun> {
    let begun = |sms: &Sms| Begun { token: token_in(&sms.body), lane: "sms".to_owned(), at_ms: sms.started_at_ms };
    requests.iter().map(begun).collect()
}

/// The hand-overs among recorded SMS requests.
#[must_use]
pub fn from_sms(requests: &[Sms]) -> Vec<Handover> {
    requests
        .iter()
        .filter(|sms| sms.taken)
        .filter_map(|sms| {
            let token = token_in(&sms.body)?;
            Some(Handover { token, identity: sms.idempotency_key.clone(), started_at_ms: sms.started_at_ms })
        })
        .collect()
}

/// A message's standing as the API shows it.
#[must_use]
pub fn standing_of(view: &MessageView) -> Standing {
    Standing {
        state: view.state.clone(),
        due_at_ms: view.due_at.as_deref().and_then(wall::parse_rfc3339),
        attempts: view.attempt_count(),
        unknown_attempts: view.unknown_attempts(),
    }
}

/// The same just before it is deleted: what becomes of an attempt that is under way is not shown any more.
#[must_use]
pub fn last_standing_of(view: &MessageView) -> Standing {
    let is_under_way = usize::from(view.state == "sending");
    let shown = standing_of(view);
    Standing { unknown_attempts: shown.unknown_attempts.map(|unknown| unknown + is_under_way), ..shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(raw: &str, taken: bool) -> Mail {
        Mail {
            connection: 1,
            from: "a@example.com".into(),
            to: vec!["b@example.com".into()],
            raw: raw.as_bytes().to_vec().into(),
            started_at_ms: 5,
            ended_at_ms: 6,
            taken,
        }
    }

    #[test]
    fn a_mail_is_known_by_its_token_and_message_id() {
        let by_subject = mail("Message-ID: <m1@example.com>\r\nSubject: hi [t-run-1]\r\n\r\nx\r\n", true);
        let by_encoded_text = mail(
            "Message-ID: <m2@example.com>\r\nSubject: hi\r\nContent-Transfer-Encoding: base64\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\r\naGkgW3QtcnVuLTJdIQ==\r\n",
            true,
        );
        let refused = mail("Subject: [t-run-3]\r\n\r\nx\r\n", false);
        let found = from_mails(&[by_subject, by_encoded_text, refused]);
        let expected = |n: u8| Handover {
            token: format!("t-run-{n}"),
            identity: Some(format!("m{n}@example.com")),
            started_at_ms: 5,
        };
        assert_eq!(found, [expected(1), expected(2)]);
    }
}
