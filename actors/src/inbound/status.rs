//! Enhanced mail system status codes (RFC 3463): what a mail server says about one recipient.

use std::fmt;

/// An enhanced status code such as `5.1.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StatusCode {
    /// 2 success, 4 persistent transient failure, 5 permanent failure.
    pub class: u8,
    /// What it is about: 1 the address, 2 the mailbox, 3 the system, 4 the way, 5 the protocol, 6 the content,
    /// 7 security or policy, 0 anything.
    pub subject: u16,
    /// Which of it.
    pub detail: u16,
}

impl StatusCode {
    /// Reads a code at the start of a text (`5.1.1 (bad address)`).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim_start();
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let mut numbers = text[..end].trim_end_matches('.').split('.');
        let mut number = |digits: usize| {
            let part = numbers.next()?;
            if part.len() <= digits { part.parse::<u16>().ok() } else { None }
        };
        let (class, subject, detail) = (number(1)?, number(3)?, number(3)?);
        let class = u8::try_from(class).ok().filter(|class| matches!(class, 2 | 4 | 5))?;
        numbers.next().is_none().then_some(Self { class, subject, detail })
    }

    /// Finds a code in a server's answer: an enhanced one, or what an SMTP reply code amounts to.
    pub(super) fn find(text: &str) -> Option<Self> {
        let words = || text.split(|c: char| c.is_whitespace() || matches!(c, '#' | '(' | ')' | ';' | ':' | ',' | '-'));
        words().find_map(Self::parse).or_else(|| {
            words().find_map(|word| match word.as_bytes() {
                [class @ (b'4' | b'5'), b'0'..=b'5', b'0'..=b'9'] => {
                    Some(Self { class: class - b'0', subject: 0, detail: 0 })
                }
                _ => None,
            })
        })
    }

    /// Whether it says no more than its class (`5.0.0`).
    pub(super) const fn is_bare(self) -> bool {
        self.subject == 0 && self.detail == 0
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_three_numbers_and_nothing_else() {
        for (text, expected) in [
            ("5.1.1", Some("5.1.1")),
            (" 4.4.7 (delivery time expired)", Some("4.4.7")),
            ("2.0.0 ok", Some("2.0.0")),
            ("5.7.509", Some("5.7.509")),
            ("5.1.10.", Some("5.1.10")),
            ("3.1.1", None),
            ("5.1", None),
            ("5.1.1.1", None),
            ("5..1", None),
            ("5.1.1000", None),
            ("55.1.1", None),
            ("", None),
            ("permanent", None),
        ] {
            assert_eq!(StatusCode::parse(text).map(|code| code.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_code_is_found_in_an_answer_and_an_ip_address_is_none() {
        for (text, expected) in [
            ("550 5.1.1 <x@example.com>: Recipient address rejected", Some("5.1.1")),
            ("550-5.7.26 This mail is unauthenticated", Some("5.7.26")),
            ("host mx.example.com[5.1.1.1] said: 452 4.2.2 mailbox full", Some("4.2.2")),
            ("Sorry, no mailbox here by that name. (#5.1.1)", Some("5.1.1")),
            ("550 no such user", Some("5.0.0")),
            ("smtp;421 try again", Some("4.0.0")),
            ("connection timed out after 500 s at port 25", Some("5.0.0")),
            ("no code at all 5.1.1.1 999", None),
        ] {
            assert_eq!(StatusCode::find(text).map(|code| code.to_string()).as_deref(), expected, "{text}");
        }
    }
}
