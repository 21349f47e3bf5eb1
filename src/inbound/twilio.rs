//! What Twilio calls: a received SMS, and the status of a sent one. Both are forms, signed over our public URL.
//!
//! Answers are quick and safe to repeat: what was kept already is kept once. A request that is not Twilio's is
//! refused with 403 and logged without what it says.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use sendwheel_actors::domain::address::{Address, Channel, PhoneNumber};
use sendwheel_actors::domain::conversation::{OptVia, ThreadEvent};
use sendwheel_actors::domain::ids::{AccountNo, MessageId, SenderId};
use sendwheel_actors::domain::message::Content;
use sendwheel_actors::domain::receipt::{Receipt, ReceiptStatus};
use sendwheel_actors::domain::suppression::SuppressionReason;
use sendwheel_actors::engine::Engine;
use sendwheel_actors::engine::api::{EngineError, Incoming, ReceivedAs};
use sendwheel_actors::inbound::keywords::{self, Keyword};

use super::twilio_signature::{HEADER, Signed};
use crate::api::{ApiError, Shared, body};

/// Bytes of a callback: an SMS has at most 1,600 characters, and there are some thirty parameters.
const FORM_BYTES: usize = 64 * 1024;
/// Parameters of a callback.
const MAX_PARAMETERS: usize = 200;

/// A signed form.
struct Form(Vec<(String, String)>);

impl Form {
    fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.get(name)
            .ok_or_else(|| ApiError::field("", "parameter_missing", format!("the parameter {name} is missing")))
    }
}

fn refused(code: &'static str, detail: &'static str) -> ApiError {
    tracing::warn!(code, "a callback was refused");
    ApiError::forbidden(code, detail)
}

async fn signed(shared: &Shared, request: &HttpRequest, payload: &mut web::Payload) -> Result<Form, ApiError> {
    let settings = &shared.state.settings;
    let Some(verifier) = &settings.twilio else {
        return Err(refused("not_configured", "callbacks need sms.twilio.auth_token"));
    };
    let body = body::read(request, payload, FORM_BYTES, &shared.large, settings).await?;
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(&body.bytes)
        .take(MAX_PARAMETERS + 1)
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    if pairs.len() > MAX_PARAMETERS {
        return Err(ApiError::field("", "too_many", "a callback has fewer parameters"));
    }
    let path = request.uri().path_and_query().map_or("", |path| path.as_str());
    let url = format!("{}{path}", settings.public_url);
    let signature = request.headers().get(HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match verifier.verify(&url, Signed::Form(&pairs), signature) {
        Ok(()) => Ok(Form(pairs)),
        Err(_) => Err(refused(
            "invalid_signature",
            "the signature is not Twilio's: check server.public_url and sms.twilio.auth_token",
        )),
    }
}

/// An SMS came in.
#[utoipa::path(post, path = "/inbound/twilio/message", tag = "callbacks",
    params(("X-Twilio-Signature" = String, Header)),
    request_body(content = String, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = String, content_type = "text/xml")))]
pub(crate) async fn receive_message(
    shared: web::Data<Shared>,
    request: HttpRequest,
    mut payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let form = signed(&shared, &request, &mut payload).await?;
    let engine = &shared.state.engine;
    let number = |name| {
        PhoneNumber::parse(form.required(name)?)
            .map_err(|_| ApiError::field("", "invalid_number", format!("{name} is no phone number")))
    };
    let (from, to) = (number("From")?, number("To")?);
    let Some((account, sender)) = engine.sender_at(&Address::Phone(to.clone())) else {
        // Not an error that Twilio could do anything about: it would only ask again.
        tracing::warn!("an SMS came to a number that no account, or more than one, has as a sender");
        return Ok(nothing_to_say());
    };
    let text = form.get("Body").unwrap_or_default().to_owned();
    let sid = form.required("MessageSid").or_else(|_| form.required("SmsSid"))?.to_owned();
    let from = Address::Phone(from);
    let keyword = keywords::classify(&text);
    let incoming = Incoming {
        account,
        contact: None,
        own_id: format!("twilio:{sid}"),
        from: from.clone(),
        to: to.as_str().to_owned(),
        sender: Some(sender),
        content: Content { text: Some(text), ..Content::default() },
        attachments: Vec::new(),
        mail: None,
        provider_id: Some(sid.clone()),
        is_automatic: false,
        raw: None,
        name: None,
    };
    let received = engine.receive(incoming).await?;
    obey(engine, (account, sender), &from, received, keyword, &sid).await?;
    Ok(nothing_to_say())
}

/// Does what a keyword asks for. Asked for again it changes nothing, so that a repeated callback completes what an
/// earlier one began.
async fn obey(
    engine: &Engine,
    (account, sender): (AccountNo, SenderId),
    from: &Address,
    received: ReceivedAs,
    keyword: Option<Keyword>,
    sid: &str,
) -> Result<(), EngineError> {
    match keyword {
        Some(Keyword::Stop) => {
            engine.opt_out(account, from, OptVia::Keyword).await?;
        }
        Some(keyword @ Keyword::Start { .. }) => {
            let stopped = engine.suppression(account, from).await?;
            let has_opted_out = stopped.is_some_and(|found| found.reason == SuppressionReason::Unsubscribed);
            if keyword.applies(has_opted_out) {
                engine.opt_in(account, from, OptVia::Keyword).await?;
            }
        }
        Some(Keyword::Help) => {
            let event = ThreadEvent::AskedForHelp { channel: Channel::Sms };
            engine.happened(account, received.contact, &format!("help:{sid}"), event).await?;
            engine.answer_help(account, received, from, sender).await?;
        }
        None => {}
    }
    Ok(())
}

/// TwiML that sends nothing back.
fn nothing_to_say() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/xml; charset=utf-8"))
        .body("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response></Response>")
}

/// What Twilio calls a message's status, as a receipt.
fn receipt_status(text: &str) -> Option<ReceiptStatus> {
    match text {
        "accepted" | "scheduled" | "queued" | "sending" | "sent" => Some(ReceiptStatus::Accepted),
        "delivered" | "read" => Some(ReceiptStatus::Delivered),
        "undelivered" | "failed" => Some(ReceiptStatus::Undelivered),
        _ => None,
    }
}

/// The status of a sent SMS.
#[utoipa::path(post, path = "/inbound/twilio/status", tag = "callbacks",
    params(("X-Twilio-Signature" = String, Header), ("message" = String, Query, description = "The message's id")),
    request_body(content = String, content_type = "application/x-www-form-urlencoded"),
    responses((status = 204)))]
pub(crate) async fn receive_status(
    shared: web::Data<Shared>,
    request: HttpRequest,
    mut payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let form = signed(&shared, &request, &mut payload).await?;
    let engine = &shared.state.engine;
    let query = url::form_urlencoded::parse(request.query_string().as_bytes());
    let message =
        query.into_iter().find(|(name, _)| name == "message").and_then(|(_, id)| id.parse::<MessageId>().ok());
    let status = form.get("MessageStatus").or_else(|| form.get("SmsStatus")).and_then(receipt_status);
    let (Some(message), Some(status)) = (message, status) else {
        return Ok(HttpResponse::NoContent().finish());
    };
    let code = form.get("ErrorCode").map(|code| code.chars().take(Receipt::MAX_CODE).collect());
    let receipt = Receipt { status, at: engine.clock().now(), code };
    match engine.receipt(message, receipt).await {
        // One that retention or a deletion took: nothing is left to tell.
        Ok(_) | Err(EngineError::NotFound) => Ok(HttpResponse::NoContent().finish()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_of_a_message_is_understood() {
        for (text, status) in [
            ("queued", Some(ReceiptStatus::Accepted)),
            ("sent", Some(ReceiptStatus::Accepted)),
            ("delivered", Some(ReceiptStatus::Delivered)),
            ("read", Some(ReceiptStatus::Delivered)),
            ("undelivered", Some(ReceiptStatus::Undelivered)),
            ("failed", Some(ReceiptStatus::Undelivered)),
            ("canceled", None),
            ("", None),
        ] {
            assert_eq!(receipt_status(text), status, "{text}");
        }
    }
}
