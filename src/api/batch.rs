//! `POST /v1/messages:batch`: many messages in one request, a line each, every line for itself.
//!
//! The body is read whole before anything is done, so that one that is too large does nothing. Then the
//! lines run side by side, bounded, begun in their order; their answers come in the same order, as soon
//! as the commit that they wait for is durable. If the caller goes away, lines not yet begun are not
//! done: with an idempotency key per line, sending the batch again does each once.

use std::convert::Infallible;
use std::sync::Arc;

use actix_web::http::header;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use futures_util::StreamExt;
use futures_util::stream;
use sendwheel_actors::domain::audit::AuditAction;
use sendwheel_actors::domain::ids::ContactId;
use sendwheel_actors::engine::api::{Created, Idempotency, MessageView as Seen, NewContact, NewMessage};
use serde::Serialize;
use serde::de::{IgnoredAny, MapAccess};
use utoipa::ToSchema;

use super::answers::Answer;
use super::auth::Authenticated;
use super::body::{self, Kind};
use super::checks::id;
use super::contact_request::ContactRequest;
use super::error::{ApiError, Problem};
use super::faults::{At, Faults};
use super::json::{self, Name, Shape, Text, request_object};
use super::message_request::MessageRequest;
use super::message_view::MessageView;
use super::paging::Query;
use super::routes::Shared;

request_object! {
    /// Whom a line of a batch is for: `contact_id`, or `contact`.
    pub(crate) struct BatchRecipient<'a> {
        /// A contact that exists.
        #[schema(value_type = Option<String>)]
        contact_id: Text<'a>,
        /// A contact to make or update, by its `external_id`.
        #[schema(value_type = Option<ContactRequest>)]
        contact: ContactRequest<'a>,
        /// Names this line: a repetition finds what it made.
        #[schema(value_type = Option<String>)]
        idempotency_key: Text<'a>,
    }
}

/// A line of a batch: a message and whom it is for.
#[derive(Default, ToSchema)]
pub(crate) struct BatchLine<'a> {
    #[serde(flatten)]
    #[schema(value_type = BatchRecipient)]
    recipient: BatchRecipient<'a>,
    #[serde(flatten)]
    #[schema(value_type = MessageRequest)]
    message: MessageRequest<'a>,
}

impl<'de> Shape<'de> for BatchLine<'de> {
    const EXPECTED: &'static str = "an object";

    fn from_object<A: MapAccess<'de>>(mut map: A) -> Result<Option<Self>, A::Error> {
        let mut line = Self::default();
        while let Some(Name(name)) = map.next_key()? {
            if !line.message.take(&name, &mut map)? && !line.recipient.take(&name, &mut map)? {
                map.next_value::<IgnoredAny>()?;
                line.message.stray.add_unknown(name);
            }
        }
        Ok(Some(line))
    }
}

/// Whom a line is for.
#[derive(Debug)]
enum Recipient {
    Known(ContactId),
    Upsert(Box<NewContact>),
}

/// Reads one line into what is to be done.
fn read_line(bytes: &[u8], auth: &Authenticated) -> Result<(Recipient, NewMessage), ApiError> {
    let mut line: BatchLine<'_> = json::read(bytes)?;
    let root = At::Root;
    let mut faults = Faults::default();
    let is_named_twice = line.recipient.contact_id.is_named() && line.recipient.contact.is_named();
    let at = root.member("contact_id");
    let known = line.recipient.contact_id.optional(&at, &mut faults);
    let known = known.and_then(|text| id(&text, "unknown_contact", &at, &mut faults)).map(Recipient::Known);
    let at = root.member("contact");
    let upsert = line.recipient.contact.optional(&at, &mut faults).map(|contact| {
        let before = faults.len();
        let profile = contact.into_profile(&at, &mut faults);
        if profile.external_id.is_none() && faults.len() == before {
            faults.refuse(&at.member("external_id"), "required", "a contact in a batch is found by its external_id");
        }
        Recipient::Upsert(Box::new(NewContact { profile, idempotency: None }))
    });
    if is_named_twice {
        faults.refuse(&at, "given_twice", "give contact_id or contact, not both");
    }
    let recipient = known.or(upsert);
    if recipient.is_none() && faults.is_empty() {
        faults.refuse(&root.member("contact_id"), "required", "say whom it is for: give contact_id, or contact");
    }
    let at = root.member("idempotency_key");
    let key = line.recipient.idempotency_key.optional(&at, &mut faults);
    if key.as_ref().is_some_and(|key| !body::is_idempotency_key(key)) {
        faults.refuse(&at, "invalid_idempotency_key", "a key has 1 to 200 visible characters");
    }
    let names = [BatchRecipient::NAMES, MessageRequest::NAMES].concat();
    line.recipient.stray.refuse(&root, &names, &mut faults);
    std::mem::take(&mut line.message.stray).refuse(&root, &names, &mut faults);
    let mut new = line.message.into_new(auth.caller.role, &root, faults)?;
    let recipient = recipient.expect("a line without a recipient was refused");
    if let Some(key) = key {
        // The message is the same whether its contact is named or upserted, here or in a path.
        let request_hash = body::request_hash(bytes, &["idempotency_key", "contact_id", "contact"])?;
        new.idempotency = Some(Idempotency { key: key.into_owned(), request_hash });
    }
    Ok((recipient, new))
}

/// An answer to a line.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum BatchAnswer<'a> {
    /// It was scheduled: 201, or 200 if an earlier line or request with its key did.
    Done {
        /// The HTTP status that it alone would have had.
        status: u16,
        /// The message.
        #[schema(value_type = MessageView)]
        message: Box<MessageView<'a>>,
    },
    /// It was refused.
    Refused {
        /// The HTTP status that it alone would have had.
        status: u16,
        /// Why.
        problem: Problem<'a>,
    },
}

/// What the lines of a batch share.
struct Batch {
    auth: Authenticated,
    shared: web::Data<Shared>,
}

impl Batch {
    async fn schedule(&self, line: &[u8]) -> Result<Created<Seen>, ApiError> {
        let (recipient, new) = read_line(line, &self.auth)?;
        let engine = &self.shared.state.engine;
        let caller = &self.auth.caller;
        let contact = match recipient {
            Recipient::Known(contact) => contact,
            Recipient::Upsert(contact) => {
                let under_contact = |error| match error {
                    sendwheel_actors::engine::api::EngineError::Invalid(mut errors) => {
                        for error in &mut errors {
                            error.pointer.insert_str(0, "/contact");
                        }
                        ApiError::Invalid(errors)
                    }
                    error => error.into(),
                };
                engine.upsert_contact(caller, *contact).await.map_err(under_contact)?.into_inner().id
            }
        };
        Ok(engine.schedule(caller, contact, new).await?)
    }

    /// Does one line; its answer with a line break.
    async fn answer(self: Arc<Self>, line: Bytes) -> Vec<u8> {
        let outcome = self.schedule(&line).await;
        let mut out = Vec::with_capacity(1_024);
        let written = match &outcome {
            Ok(created) => {
                let (status, seen) = match created {
                    Created::New(seen) => (201, seen),
                    Created::Replayed(seen) => (200, seen),
                };
                let message = Box::new(MessageView::of(seen, &self.auth.directory));
                serde_json::to_writer(&mut out, &BatchAnswer::Done { status, message })
            }
            Err(error) => {
                let status = error.status_code().as_u16();
                serde_json::to_writer(&mut out, &BatchAnswer::Refused { status, problem: error.problem() })
            }
        };
        written.expect("answers have string keys and a vector takes them");
        out.push(b'\n');
        out
    }
}

/// The lines of a body that have something on them.
fn lines_of(body: &Bytes) -> Vec<Bytes> {
    let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    lines.map(|line| body.slice_ref(line)).collect()
}

/// Schedules many messages: newline-delimited JSON in, an answer a line out, in the same order. Each line
/// stands alone. At most 10,000 lines and 16 MiB.
#[utoipa::path(post, path = "/v1/messages:batch", tag = "messages",
    request_body(content = BatchLine, content_type = "application/x-ndjson"),
    responses((status = 200, body = BatchAnswer, content_type = "application/x-ndjson", description = "An answer a line")))]
pub(crate) async fn schedule_batch(
    auth: Authenticated,
    shared: web::Data<Shared>,
    request: HttpRequest,
    mut payload: web::Payload,
) -> Answer {
    Query::of(&request, &[]).finish()?;
    if body::kind_of(&request) != Some(Kind::NdJson) {
        return Err(ApiError::UnsupportedMediaType("application/x-ndjson"));
    }
    let settings = &shared.state.settings;
    let body = body::read(&request, &mut payload, settings.large_bytes, &shared.large, settings).await?;
    let lines = lines_of(&body.bytes);
    if lines.len() > settings.batch_lines {
        return Err(ApiError::TooLarge(format!("{} lines", settings.batch_lines).into()));
    }
    let in_flight = settings.lines_in_flight;
    shared.state.engine.record_request(&auth.caller, AuditAction::MessagesScheduled).await?;
    let auth = Authenticated { caller: auth.caller.in_bulk(), ..auth };
    let batch = Arc::new(Batch { shared: shared.clone(), auth });
    let answers = stream::iter(lines).map(move |line| Arc::clone(&batch).answer(line)).buffered(in_flight);
    let chunks = answers.ready_chunks(128).map(move |answers| {
        // The body's share of the memory for large ones is held until the last line is answered.
        let _ = &body;
        Ok::<_, Infallible>(Bytes::from(answers.concat()))
    });
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "application/x-ndjson"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .streaming(chunks))
}

#[cfg(test)]
mod tests {
    use sendwheel_actors::domain::directory::Role;
    use sendwheel_actors::domain::ids::AccountNo;
    use sendwheel_actors::domain::message::Author;
    use sendwheel_actors::engine::api::Caller;

    use super::*;

    fn auth() -> Authenticated {
        let caller = Caller {
            account: AccountNo(1),
            author: Author::System,
            role: Role::User,
            user: None,
            test: false,
            origin: None,
            bulk: false,
        };
        Authenticated { caller, directory: Arc::default(), session: None }
    }

    fn line(json: &str) -> Result<(Recipient, NewMessage), Vec<(String, &'static str)>> {
        match read_line(json.as_bytes(), &auth()) {
            Ok(read) => Ok(read),
            Err(ApiError::Invalid(errors)) => Err(errors.into_iter().map(|e| (e.pointer, e.code)).collect()),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn a_line_names_its_contact_or_brings_it() {
        let contact = ContactId::from_bytes([9; 16]);
        let (recipient, new) =
            line(&format!(r#"{{"contact_id": "{contact}", "channel": "sms", "body": "x"}}"#)).expect("sound");
        assert!(matches!(recipient, Recipient::Known(id) if id == contact));
        assert_eq!(new.idempotency, None);
        let (recipient, _) =
            line(r#"{"contact": {"external_id": "7", "name": "N"}, "channel": "sms", "body": "x"}"#).expect("sound");
        let Recipient::Upsert(new) = recipient else { panic!("it brings a contact") };
        assert_eq!(new.profile.external_id.as_deref(), Some("7"));
    }

    #[test]
    fn a_line_s_hash_leaves_out_its_key_and_its_contact() {
        let hash = |rest: &str| {
            let json = format!(r#"{{"channel": "sms", "body": "x", {rest}}}"#);
            line(&json).expect("sound").1.idempotency.expect("it has a key")
        };
        let contact = ContactId::from_bytes([9; 16]);
        let first = hash(&format!(r#""idempotency_key": "k", "contact_id": "{contact}""#));
        let second = hash(r#""contact": {"external_id": "7"}, "idempotency_key": "l""#);
        assert_eq!(first.request_hash, second.request_hash);
        assert_eq!((first.key.as_str(), second.key.as_str()), ("k", "l"));
        assert_eq!(first.request_hash, body::request_hash(br#"{"body":"x","channel":"sms"}"#, &[]).unwrap());
        let other = hash(r#""contact": {"external_id": "7"}, "idempotency_key": "k", "class": "campaign""#);
        assert_ne!(first.request_hash, other.request_hash);
    }

    #[test]
    fn every_fault_of_a_line_is_found() {
        for (json, expected) in [
            (r#"{"channel": "sms", "body": "x"}"#, vec![("/contact_id", "required")]),
            (r#"{"channel": "sms", "body": "x", "contact_id": "7"}"#, vec![("/contact_id", "unknown_contact")]),
            (r#"{"channel": "sms", "body": "x", "contact": {}}"#, vec![("/contact/external_id", "required")]),
            (
                r#"{"channel": "fax", "body": "x", "contact": {"external_id": "7", "emails": [{"address": "x"}]}, "y": 1}"#,
                vec![
                    ("/contact/emails/0/address", "invalid_email"),
                    ("/y", "unknown_field"),
                    ("/channel", "unknown_value"),
                ],
            ),
            (
                r#"{"channel": "sms", "body": "x", "contact": {"external_id": "7"}, "idempotency_key": ""}"#,
                vec![("/idempotency_key", "invalid_idempotency_key")],
            ),
        ] {
            let found = line(json).expect_err(json);
            let found: Vec<_> = found.iter().map(|(pointer, code)| (pointer.as_str(), *code)).collect();
            assert_eq!(found, expected, "{json}");
        }
    }

    #[test]
    fn blank_lines_are_no_lines() {
        let body = Bytes::from_static(b"\n{\"a\":1}\r\n\n  \n{\"b\":2}");
        assert_eq!(lines_of(&body), [&b"{\"a\":1}"[..], &b"{\"b\":2}"[..]]);
    }
}
