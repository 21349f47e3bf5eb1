//! States in Twilio's words, and why a message did not arrive in its codes.

use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::message::{Message, State, StateName};
use sendwheel_actors::engine::api::MessageView;

/// A failure that Twilio has no code for: "unknown error".
const UNKNOWN_ERROR: u32 = 30_008;
/// "Validity period expired".
const EXPIRED: u32 = 30_036;

/// The status of a message of ours.
pub(super) fn of(view: &MessageView, now: UnixMs) -> &'static str {
    let message = &view.message;
    word(view.state_name(), message.due_at <= now, !message.attempts.is_empty())
}

/// The word for a state.
const fn word(state: StateName, is_due: bool, was_tried: bool) -> &'static str {
    match state {
        // What was tried already waits for its next attempt.
        StateName::Scheduled if was_tried => "queued",
        StateName::Scheduled if is_due => "accepted",
        StateName::Scheduled => "scheduled",
        // Held: a person has to look before it goes on.
        StateName::Queued | StateName::Held => "queued",
        StateName::Sending | StateName::Uncertain => "sending",
        StateName::Submitted => "sent",
        StateName::Delivered => "delivered",
        StateName::Undelivered | StateName::Bounced => "undelivered",
        StateName::Failed | StateName::Expired => "failed",
        StateName::Canceled => "canceled",
    }
}

/// Why it did not arrive, if it did not.
pub(super) fn error_code(message: &Message) -> Option<u32> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_a_word_that_twilio_s_libraries_know() {
        // <https://www.twilio.com/docs/messaging/api/message-resource#message-status-values>
        const KNOWN: [&str; 10] = [
            "accepted",
            "scheduled",
            "canceled",
            "queued",
            "sending",
            "sent",
            "failed",
            "delivered",
            "undelivered",
            "received",
        ];
        for state in StateName::ALL {
            for (is_due, was_tried) in [(false, false), (false, true), (true, false), (true, true)] {
                assert!(KNOWN.contains(&word(state, is_due, was_tried)), "{state}");
            }
        }
        let scheduled = |is_due, was_tried| word(StateName::Scheduled, is_due, was_tried);
        assert_eq!(scheduled(false, false), "scheduled");
        assert_eq!(scheduled(true, false), "accepted");
        assert_eq!([scheduled(false, true), scheduled(true, true)], ["queued"; 2]);
        for (state, expected) in [
            (StateName::Queued, "queued"),
            (StateName::Held, "queued"),
            (StateName::Sending, "sending"),
            (StateName::Uncertain, "sending"),
            (StateName::Submitted, "sent"),
            (StateName::Delivered, "delivered"),
            (StateName::Undelivered, "undelivered"),
            (StateName::Failed, "failed"),
            (StateName::Expired, "failed"),
            (StateName::Canceled, "canceled"),
        ] {
            assert_eq!(word(state, true, true), expected, "{state}");
        }
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
