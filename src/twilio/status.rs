//! States in Twilio's words, as they are asked for. What a callback is told of them, and why a message did not arrive
//! in Twilio's codes, is the engine's (`domain::status_callback`).

use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::message::StateName;
use sendwheel_actors::engine::api::MessageView;

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
}
