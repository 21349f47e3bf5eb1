//! Contacts come and go: the form for a new one, and what deleting one takes along.

use actix_web::http::StatusCode;
use askama::Template;
use sendwheel_actors::domain::contact::Removal;
use sendwheel_actors::domain::ids::ContactId;
use sendwheel_actors::engine::api::{MessageFilter, NewContact, PageRequest};
use serde_json::{Value, json};

use super::answer::{Answer, ok, page, see};
use super::composer::{once, zones};
use super::error::faults_of;
use super::form::{Form, Posted};
use super::people::called;
use super::visitor::{Frame, Named, Visitor, Whose};
use crate::api::contact_request::ContactRequest;
use crate::api::faults::{At, Faults};
use crate::api::{ApiError, json as reader};

/// Pending messages that are counted before a contact is deleted.
const COUNTED: usize = 500;

#[derive(Template)]
#[template(path = "new_contact.html")]
struct NewContactPage<'a> {
    frame: Frame,
    name: &'a str,
    email: &'a str,
    phone: &'a str,
    zone: &'a str,
    zones: &'static [String],
    once: &'a str,
    wrong: Vec<String>,
}

/// The form.
pub(super) async fn new_contact_page(visitor: Visitor) -> Answer {
    let (frame, once) = (visitor.frame("conversations"), once());
    let (zone, zones) = ("", zones());
    ok(&NewContactPage { frame, name: "", email: "", phone: "", zone, zones, once: &once, wrong: Vec::new() })
}

async fn created(visitor: &Visitor, form: &Form) -> Result<ContactId, ApiError> {
    let one = |name: &str, field: &str| match form.given(field) {
        Some(value) => json!([{name: value}]),
        None => json!([]),
    };
    let mut request = json!({"emails": one("address", "email"), "phones": one("number", "phone")});
    for (name, field) in [("name", "name"), ("time_zone", "zone")] {
        if let Some(value) = form.given(field) {
            request[name] = Value::from(value);
        }
    }
    let bytes = request.to_string();
    let mut faults = Faults::default();
    let profile = reader::read::<ContactRequest<'_>>(bytes.as_bytes())?.into_profile(&At::Root, &mut faults);
    let profile = faults.finish(Some(profile))?;
    let idempotency = form.once();
    let contact = visitor.engine().create_contact(visitor.caller(), NewContact { profile, idempotency }).await?;
    Ok(contact.into_inner().id)
}

/// What fields of a contact are called.
pub(super) const FIELDS: [(&str, &str); 8] = [
    ("name", "Name"),
    ("emails", "Email"),
    ("phones", "Phone"),
    ("time_zone", "Time zone"),
    ("tags", "Tags"),
    ("attributes", "Attributes"),
    ("consent", "Consent"),
    ("external_id", "External ID"),
];

/// Makes one.
pub(super) async fn new_contact(Posted { visitor, form }: Posted) -> Answer {
    let wrong = if ["name", "email", "phone"].iter().all(|field| form.given(field).is_none()) {
        vec!["Give a name, a phone number or an email address.".to_owned()]
    } else {
        match created(&visitor, &form).await {
            Ok(id) => return Ok(see(&format!("/contacts/{id}"))),
            Err(error) => faults_of(error, "the contact", &FIELDS)?,
        }
    };
    let (frame, zones) = (visitor.frame("conversations"), zones());
    let [name, email, phone, zone, once] = ["name", "email", "phone", "zone", "once"].map(|name| form.get(name));
    let again = NewContactPage { frame, name, email, phone, zone, zones, once, wrong };
    Ok(page(StatusCode::UNPROCESSABLE_ENTITY, &again))
}

#[derive(Template)]
#[template(path = "delete_contact.html")]
struct DeletePage {
    frame: Frame,
    contact: ContactId,
    name: String,
    /// What is cancelled with it, in words.
    pending: String,
}

/// What deleting would take along.
pub(super) async fn delete_page(visitor: Visitor, Named(id): Whose) -> Answer {
    let contact = visitor.engine().contact(visitor.caller(), id).await?;
    let filter = MessageFilter { contact: Some(id), state: None };
    // Pending ones come first.
    let request = PageRequest { cursor: None, limit: COUNTED };
    let found = visitor.engine().messages(visitor.caller(), filter, request).await?;
    let pending = match found.items.iter().filter(|view| view.state_name().is_pending()).count() {
        0 => "No scheduled messages will be cancelled.".into(),
        1 => "1 scheduled message will be cancelled.".into(),
        COUNTED.. => format!("{COUNTED} scheduled messages or more will be cancelled."),
        count => format!("{count} scheduled messages will be cancelled."),
    };
    ok(&DeletePage { frame: visitor.frame("conversations"), contact: id, name: called(&contact.profile), pending })
}

/// Deletes one.
pub(super) async fn delete(Posted { visitor, .. }: Posted, Named(id): Whose) -> Answer {
    visitor.engine().delete_contact(visitor.caller(), id, Removal::Delete).await?;
    Ok(see("/"))
}
