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
    match view.state_name() {
        // What was tried already waits for its next attempt.
        StateName::Scheduled if !message.attempts.is_empty() => "queued",
        StateName::Scheduled if message.due_at <= now => "accepted",
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
    let of_text = |text: &str| text.strip_prefix("twilio_").unwrap_or(text).parse().ok();
    match message.state {
        State::Undelivered | State::Bounced => {
            let code = message.receipt.as_ref().and_then(|receipt| receipt.code.as_deref());
            Some(code.and_then(of_text).unwrap_or(UNKNOWN_ERROR))
        }
        State::Failed => {
            let failure = message.attempts.last().and_then(|attempt| attempt.failure.as_ref());
            Some(failure.and_then(|failure| of_text(&failure.code)).unwrap_or(UNKNOWN_ERROR))
        }
        State::Expired => Some(EXPIRED),
        _ => None,
    }
}
