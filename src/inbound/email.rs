//! `POST /inbound/email`: a raw mail (`message/rfc822`), as a mail server or a provider's webhook hands it over.
//!
//! Its caller shows `inbound.token` as a bearer key, or an API key with the role admin; the latter takes mail for its
//! own account alone.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use secrecy::ExposeSecret;
use sendwheel_actors::domain::address::EmailAddress;
use sendwheel_actors::domain::directory::Role;
use sendwheel_actors::domain::ids::{AccountNo, ContactId, MessageId};
use serde::Serialize;
use subtle::ConstantTimeEq;
use utoipa::ToSchema;

use super::mail::{NotTaken, Taken, take_in};
use crate::api::answers::ok;
use crate::api::auth::Authenticated;
use crate::api::paging::Query;
use crate::api::{ApiError, Shared, body};

/// What became of a mail.
#[derive(Serialize, ToSchema)]
#[schema(as = InboundEmail)]
pub(crate) struct View {
    /// `received`, `reported` (a bounce, a delay, a complaint), `ignored` (a report on nothing of ours) or `loop`.
    #[schema(value_type = String)]
    outcome: &'static str,
    /// Whose thread it stands in.
    #[serde(skip_serializing_if = "Option::is_none")]
    contact_id: Option<String>,
    /// The entry, or the message that a report is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
    /// Whether it was kept before.
    #[serde(skip_serializing_if = "Option::is_none")]
    repeated: Option<bool>,
}

impl View {
    fn of(taken: Taken) -> Self {
        let view = |outcome, contact: Option<ContactId>, message: Option<MessageId>, repeated| Self {
            outcome,
            contact_id: contact.map(|id| id.to_string()),
            message_id: message.map(|id| id.to_string()),
            repeated,
        };
        match taken {
            Taken::Kept { contact, item, is_new } => view("received", Some(contact), Some(item), Some(!is_new)),
            Taken::Reported(message) => view("reported", None, Some(message), None),
            Taken::Ignored => view("ignored", None, None, None),
            Taken::Loop => view("loop", None, None, None),
        }
    }
}

impl From<NotTaken> for ApiError {
    fn from(error: NotTaken) -> Self {
        match error {
            NotTaken::Engine(error) => error.into(),
            NotTaken::Unreadable(error) => Self::field("", "unreadable_mail", error.to_string()),
            NotTaken::NoAuthor => Self::field("", "no_author", error.to_string()),
            NotTaken::NoRecipient => Self::field("", "unknown_recipient", error.to_string()),
        }
    }
}

/// Whose mail the caller may bring; `None`: anybody's.
fn authorized(shared: &Shared, request: &HttpRequest) -> Result<Option<AccountNo>, ApiError> {
    let given = request.headers().get(header::AUTHORIZATION).map(header::HeaderValue::as_bytes).unwrap_or_default();
    let given = given.strip_prefix(b"Bearer ").unwrap_or_default();
    let token = shared.state.settings.inbound_token.as_ref();
    if token.is_some_and(|token| token.expose_secret().as_bytes().ct_eq(given).into()) {
        return Ok(None);
    }
    let auth = Authenticated::of(request)?;
    if auth.caller.role < Role::Admin {
        return Err(ApiError::forbidden("admin_required", "this needs a key with the role admin, or inbound.token"));
    }
    Ok(Some(auth.caller.account))
}

/// A mail came in.
#[utoipa::path(post, path = "/inbound/email", tag = "callbacks",
    params(("to" = Option<String>, Query, description = "Whom it came for (the envelope's recipient)")),
    request_body(content = String, content_type = "message/rfc822"),
    responses((status = 200, body = View)))]
pub(crate) async fn receive_email(
    shared: web::Data<Shared>,
    request: HttpRequest,
    mut payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let account = authorized(&shared, &request)?;
    let mut query = Query::of(&request, &["to"]);
    let to =
        query.parsed("to", |text| EmailAddress::parse(text).map_err(|error| ("invalid_address", error.to_string())));
    query.finish()?;
    let settings = &shared.state.settings;
    let body = body::read(&request, &mut payload, settings.inbound_bytes, &shared.large, settings).await?;
    let envelope: Vec<EmailAddress> = to.into_iter().collect();
    let taken = take_in(&shared.state.engine, account, &envelope, body.bytes.clone()).await?;
    Ok(ok(&View::of(taken)))
}
