//! What is done with a message or a conversation by a button: one post, then back to the conversation.

use actix_web::{HttpRequest, HttpResponse};
use sendwheel_actors::contact::command::Attend;
use sendwheel_actors::domain::conversation::MAX_NOTE_BYTES;
use sendwheel_actors::domain::ids::{ContactId, MessageId, UserId};
use sendwheel_actors::engine::api::{CancelOutcome, EngineError, Resolve};

use super::answer::{Answer, see};
use super::composer::refused;
use super::error::PageError;
use super::form::Posted;
use super::visitor::{Named, Visitor, Whose};
use crate::api::ApiError;

/// Back to a conversation, with a word of what was done.
pub(super) fn back(contact: ContactId, told: &str) -> HttpResponse {
    see(&format!("/contacts/{contact}?told={told}"))
}

/// The message that a path names.
pub(super) fn message_of(request: &HttpRequest) -> Result<MessageId, PageError> {
    let id = request.match_info().get("message").and_then(|text| text.parse().ok());
    id.ok_or(PageError::not_found())
}

/// Cancels, sends now, tries again, or settles.
pub(super) async fn with_message(
    Posted { visitor, .. }: Posted,
    request: HttpRequest,
    Named(contact): Whose,
) -> Answer {
    let id = message_of(&request)?;
    match done(&visitor, id, request.match_info().get("step").unwrap_or_default()).await {
        Ok(told) => Ok(back(contact, told)),
        Err(error) => refused(&visitor, contact, error).await,
    }
}

async fn done(visitor: &Visitor, id: MessageId, step: &str) -> Result<&'static str, ApiError> {
    let (engine, caller) = (visitor.engine(), visitor.caller());
    Ok(match step {
        "cancel" => match engine.cancel(caller, id).await? {
            CancelOutcome::Canceled => "canceled",
            CancelOutcome::AlreadyHandedOver(_) => "too_late",
        },
        "cancel-series" => {
            let message = engine.message(caller, id).await?.message;
            let series = message.series.ok_or_else(ApiError::not_found)?.series;
            engine.cancel_series(caller, series).await.map(|_| "canceled")?
        }
        "send-now" => engine.send_now(caller, id).await.map(|_| "sent")?,
        "retry" => {
            let _ = engine.requeue(caller, id).await?;
            "sent"
        }
        "arrived" => engine.resolve(caller, id, Resolve::Submitted).await.map(|_| "changed")?,
        "resend" => engine.resolve(caller, id, Resolve::Retry).await.map(|_| "sent")?,
        "give-up" => engine.resolve(caller, id, Resolve::Canceled).await.map(|_| "changed")?,
        _ => return Err(ApiError::not_found()),
    })
}

/// Takes the last step back.
pub(super) async fn undo(Posted { visitor, .. }: Posted, Named(contact): Whose) -> Answer {
    match visitor.engine().undo(visitor.caller(), contact).await {
        Ok(_) => Ok(back(contact, "undone")),
        Err(EngineError::Conflict { code: "nothing_to_undo", .. }) => Ok(back(contact, "undo_over")),
        Err(EngineError::Conflict { code: "already_handed_over", .. }) => Ok(back(contact, "too_late")),
        Err(error) => Err(error.into()),
    }
}

/// Keeps a note.
pub(super) async fn note(Posted { visitor, form }: Posted, Named(contact): Whose) -> Answer {
    let text = form.given("note").ok_or_else(|| ApiError::field("/body", "required", "a note says something"))?;
    if text.len() > MAX_NOTE_BYTES {
        let detail = format!("a note has at most {MAX_NOTE_BYTES} bytes: shorten it");
        return Err(ApiError::field("/body", "too_long", detail).into());
    }
    let once = form.once();
    let _ = visitor.engine().note(visitor.caller(), contact, text.to_owned(), once.as_ref()).await?;
    Ok(back(contact, "noted"))
}

/// Marks a conversation as unread, or assigns it.
pub(super) async fn attend(Posted { visitor, form }: Posted, Named(contact): Whose) -> Answer {
    let (attend, told) = match form.get("do") {
        "unread" => (Attend { is_read: Some(false), assigned_to: None }, "unread"),
        _ => {
            let user = form.given("assigned").map(str::parse::<UserId>).transpose();
            let user = user.map_err(|_| ApiError::field("/assigned_user", "unknown_user", "no such user"))?;
            (Attend { is_read: None, assigned_to: Some(user) }, "changed")
        }
    };
    visitor.engine().attend(visitor.caller(), contact, attend).await?;
    Ok(back(contact, told))
}
