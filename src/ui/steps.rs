//! What is done with a message or a conversation by a button: one post, then back to the conversation.

use actix_web::{HttpRequest, HttpResponse, web};
use sendwheel_actors::contact::command::Attend;
use sendwheel_actors::domain::conversation::MAX_NOTE_BYTES;
use sendwheel_actors::domain::ids::{ContactId, MessageId, UserId};
use sendwheel_actors::engine::api::{CancelOutcome, EngineError, Idempotency, Resolve};

use super::answer::{Answer, see};
use super::error::PageError;
use super::form::Form;
use super::visitor::Whose;
use crate::api::{ApiError, Shared};

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
    shared: web::Data<Shared>,
    request: HttpRequest,
    Whose(contact): Whose,
    payload: web::Payload,
) -> Answer {
    let (visitor, _) = Form::of_visitor(&shared, &request, payload).await?;
    let (engine, caller, id) = (visitor.engine(), visitor.caller(), message_of(&request)?);
    let told = match request.match_info().get("step").unwrap_or_default() {
        "cancel" => match engine.cancel(caller, id).await? {
            CancelOutcome::Canceled => "canceled",
            CancelOutcome::AlreadyHandedOver(_) => "too_late",
        },
        "send-now" => engine.send_now(caller, id).await.map(|_| "sent")?,
        "retry" => {
            let _ = engine.requeue(caller, id).await?;
            "sent"
        }
        "arrived" => engine.resolve(caller, id, Resolve::Submitted).await.map(|_| "changed")?,
        "resend" => engine.resolve(caller, id, Resolve::Retry).await.map(|_| "sent")?,
        "give-up" => engine.resolve(caller, id, Resolve::Canceled).await.map(|_| "changed")?,
        _ => return Err(PageError::not_found()),
    };
    Ok(back(contact, told))
}

/// Takes the last step back.
pub(super) async fn undo(
    shared: web::Data<Shared>,
    request: HttpRequest,
    Whose(contact): Whose,
    payload: web::Payload,
) -> Answer {
    let (visitor, _) = Form::of_visitor(&shared, &request, payload).await?;
    match visitor.engine().undo(visitor.caller(), contact).await {
        Ok(_) => Ok(back(contact, "undone")),
        Err(EngineError::Conflict { code: "nothing_to_undo", .. }) => Ok(back(contact, "undo_over")),
        Err(EngineError::Conflict { code: "already_handed_over", .. }) => Ok(back(contact, "too_late")),
        Err(error) => Err(error.into()),
    }
}

/// Keeps a note.
pub(super) async fn note(
    shared: web::Data<Shared>,
    request: HttpRequest,
    Whose(contact): Whose,
    payload: web::Payload,
) -> Answer {
    let (visitor, form) = Form::of_visitor(&shared, &request, payload).await?;
    let text = form.given("note").ok_or_else(|| ApiError::field("/body", "required", "a note says something"))?;
    if text.len() > MAX_NOTE_BYTES {
        let detail = format!("a note has at most {MAX_NOTE_BYTES} bytes: shorten it");
        return Err(ApiError::field("/body", "too_long", detail).into());
    }
    let once = form.given("once").map(|key| Idempotency { key: key.to_owned(), request_hash: form.hash() });
    let _ = visitor.engine().note(visitor.caller(), contact, text.to_owned(), once.as_ref()).await?;
    Ok(back(contact, "noted"))
}

/// Marks a conversation as unread, or assigns it.
pub(super) async fn attend(
    shared: web::Data<Shared>,
    request: HttpRequest,
    Whose(contact): Whose,
    payload: web::Payload,
) -> Answer {
    let (visitor, form) = Form::of_visitor(&shared, &request, payload).await?;
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
