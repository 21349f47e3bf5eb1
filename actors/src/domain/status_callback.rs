//! A `StatusCallback`: where a message that was made through the Twilio-compatible API is told of, and in which words
//! (<https://www.twilio.com/docs/messaging/guides/outbound-message-status-in-status-callbacks>).
//!
//! As Twilio has it, the status that a message begins with is not told: the answer to its creation said it. Each later
//! one is. A second attempt is none of Twilio's words, and not told either.
//!
//! What is posted is signed with a token of the account that is made from the installation's secret: API keys are
//! kept as hashes, so that none of them can sign. Nothing is stored, and every node makes the same one.

use url::form_urlencoded::Serializer;

use super::address::Address;
use super::directory::{Account, Sender};
use super::ids::{AccountNo, MessageId};
use super::message::{Message, State, StateName};
use super::signatures::InstallationKey;
use super::signatures::installation::Purpose;
use super::signatures::twilio::AuthToken;

/// A failure that Twilio has no code for: "unknown error".
const UNKNOWN_ERROR: u32 = 30_008;
/// "Validity period expired".
const EXPIRED: u32 = 30_036;

/// The key that the accounts' tokens are made with.
#[derive(Debug, Clone)]
pub struct StatusCallbackKey(InstallationKey);

impl StatusCallbackKey {
    /// The key of the installation's secret.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(InstallationKey::new(secret))
    }

    /// What signs an account's callbacks.
    #[must_use]
    pub fn token(&self, account: AccountNo) -> AuthToken {
        let tag = self.0.tag(Purpose::StatusCallback, &account.0.to_be_bytes());
        AuthToken::of_bytes(*tag.first_chunk().expect("a tag is longer"))
    }
}

/// `SM…`: the message's name in Twilio's way, its sixteen bytes in hex.
#[must_use]
pub fn message_sid(id: MessageId) -> String {
    format!("SM{}", hex::encode(id.as_bytes()))
}

/// The status that a message's coming to its state is told as, if it is news to its callback.
#[must_use]
pub fn news(message: &Message) -> Option<&'static str> {
    let is_first = message.attempts.len() <= 1;
    match message.state.name() {
        StateName::Sending if is_first => Some("sending"),
        StateName::Sending | StateName::Scheduled | StateName::Queued | StateName::Held | StateName::Uncertain => None,
        StateName::Submitted => Some("sent"),
        StateName::Delivered => Some("delivered"),
        StateName::Undelivered | StateName::Bounced => Some("undelivered"),
        StateName::Failed | StateName::Expired => Some("failed"),
        StateName::Canceled => Some("canceled"),
    }
}

/// Why it did not arrive, in Twilio's codes, if it did not.
#[must_use]
pub fn error_code(message: &Message) -> Option<u32> {
    match message.state {
        State::Undelivered | State::Bounced => {
            Some(code_of(message.receipt.as_ref().and_then(|receipt| receipt.code.as_deref())))
        }
        State::Failed => {
            let failure = message.attempts.last().and_then(|attempt| attempt.failure.as_ref());
            Some(code_of(failure.map(|failure| failure.code.as_str())))
        }
        State::Expired => Some(EXPIRED),
        _ => None,
    }
}

/// Twilio's own code, as a receipt brings it or as our transport names it.
fn code_of(text: Option<&str>) -> u32 {
    text.and_then(|text| text.strip_prefix("twilio_").unwrap_or(text).parse().ok()).unwrap_or(UNKNOWN_ERROR)
}

/// The form that tells of a message; `to` is its recipient, if that may still be named.
#[must_use]
pub fn form(
    message: &Message,
    to: Option<&Address>,
    status: &str,
    account: &Account,
    sender: Option<&Sender>,
) -> String {
    let sid = message_sid(message.identity());
    let mut form = Serializer::new(String::new());
    for name in ["MessageSid", "SmsSid"] {
        form.append_pair(name, &sid);
    }
    for name in ["MessageStatus", "SmsStatus"] {
        form.append_pair(name, status);
    }
    if let Some(to) = to {
        form.append_pair("To", to.as_str());
    }
    if let Some(sender) = sender {
        form.append_pair("From", &sender.address.to_string());
    }
    form.append_pair("AccountSid", &account.twilio_sid).append_pair("ApiVersion", "2010-04-01");
    if let Some(code) = error_code(message) {
        form.append_pair("ErrorCode", &code.to_string());
    }
    form.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_account_has_its_own_token_and_always_the_same() {
        let key = |byte| StatusCallbackKey::new(&[byte; 32]);
        assert_eq!(key(1).token(AccountNo(1)), key(1).token(AccountNo(1)));
        assert_ne!(key(1).token(AccountNo(1)), key(1).token(AccountNo(2)));
        assert_ne!(key(1).token(AccountNo(1)), key(2).token(AccountNo(1)));
    }

    #[test]
    fn a_message_s_sid_is_its_id_in_hex() {
        let id = MessageId::from_bytes(*b"\x01\x93\x00\xff\xaa\xbb\x70\x2a\x80\x01\x02\x03\x04\x05\x06\x07");
        assert_eq!(message_sid(id), "SM019300ffaabb702a8001020304050607");
    }

    #[test]
    fn twilio_s_own_codes_come_back_and_others_are_unknown_errors() {
        for (text, code) in [
            (Some("30005"), 30_005),
            (Some("twilio_21610"), 21_610),
            (Some("http_503"), UNKNOWN_ERROR),
            (Some("timeout"), UNKNOWN_ERROR),
            (None, UNKNOWN_ERROR),
        ] {
            assert_eq!(code_of(text), code, "{text:?}");
        }
    }
}
