//! `GET·POST·DELETE …/Messages/{sid}.json`: reads, cancels, removes one SMS, ours or the contact's.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use sendwheel_actors::domain::ids::MessageId;
use sendwheel_actors::engine::Engine;
use sendwheel_actors::engine::api::{CancelOutcome, EngineError};

use super::auth::Keyholder;
use super::error::TwilioError;
use super::form::Form;
use super::resource::Resource;
use super::sid;
use crate::api::{Shared, answers};

/// The message that the path names.
fn named(request: &HttpRequest) -> Result<MessageId, TwilioError> {
    request.match_info().get("sid").and_then(sid::message).ok_or(TwilioError::NOT_FOUND)
}

/// The message as it is now. Email has no place in this API.
async fn show(engine: &Engine, holder: &Keyholder, id: MessageId) -> Result<Resource, TwilioError> {
    let shown = match engine.message(&holder.caller, id).await {
        Ok(view) => Resource::of_message(&view, holder, engine.clock().now()),
        Err(EngineError::NotFound) => {
            let (item, content) = engine.item(&holder.caller, id).await?;
            Resource::of_item(&item, &content, holder)
        }
        Err(error) => return Err(error.into()),
    };
    shown.ok_or(TwilioError::NOT_FOUND)
}

/// One message.
pub(crate) async fn fetch_message(
    holder: Keyholder,
    shared: web::Data<Shared>,
    request: HttpRequest,
) -> Result<HttpResponse, TwilioError> {
    let shown = show(&shared.state.engine, &holder, named(&request)?).await?;
    Ok(answers::json(StatusCode::OK, &shown))
}

/// Whether a change is a cancel; there is no other.
fn check_change(form: &Form) -> Result<(), TwilioError> {
    if form.first("Body").is_some() {
        return Err(TwilioError::unsupported("'Body' cannot be changed or redacted: delete the message instead"));
    }
    match form.get("Status") {
        Some(status) if status.eq_ignore_ascii_case("canceled") => Ok(()),
        Some(_) => Err(TwilioError::unsupported("'Status' can only be set to 'canceled'")),
        None => Err(TwilioError::parameter(20_001, "Give Status=canceled: nothing else can be changed")),
    }
}

/// Cancels a message. It can be repeated.
pub(crate) async fn update_message(
    holder: Keyholder,
    shared: web::Data<Shared>,
    request: HttpRequest,
    mut payload: web::Payload,
) -> Result<HttpResponse, TwilioError> {
    let (engine, id) = (&shared.state.engine, named(&request)?);
    check_change(&Form::read(&shared, &request, &mut payload).await?)?;
    show(engine, &holder, id).await?;
    match engine.cancel(&holder.caller, id).await {
        Ok(CancelOutcome::Canceled) => {}
        // What came in is shown, and nothing that could be cancelled.
        Ok(CancelOutcome::AlreadyHandedOver(_)) | Err(EngineError::NotFound) => return Err(TwilioError::TOO_LATE),
        Err(error) => return Err(error.into()),
    }
    Ok(answers::json(StatusCode::OK, &show(engine, &holder, id).await?))
}

/// Removes a message that is settled, or one that came in.
pub(crate) async fn delete_message(
    holder: Keyholder,
    shared: web::Data<Shared>,
    request: HttpRequest,
) -> Result<HttpResponse, TwilioError> {
    let (engine, id) = (&shared.state.engine, named(&request)?);
    show(engine, &holder, id).await?;
    engine.remove_message(&holder.caller, id).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancel_is_the_only_change() {
        let check = |text: &str| check_change(&Form::parse(text.as_bytes()).unwrap());
        assert_eq!(check("Status=canceled"), Ok(()));
        for text in ["", "Status=", "Status=sent", "Body=", "Body=New", "Status=canceled&Body="] {
            assert!(check(text).is_err(), "{text}");
        }
    }
}
