//! A contact as callers see it.

use std::collections::BTreeMap;

use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::contact::{Consent, Contact, ContactEmail, ContactPhone};
use sendwheel_actors::domain::ids::ContactId;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::schemas;

/// Writes what has a text form, without an allocation of its own.
pub(crate) fn as_text<T: std::fmt::Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// As [`as_text`], or `null`.
pub(crate) fn as_text_or_null<T: std::fmt::Display, S: Serializer>(
    value: &Option<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}

/// A contact.
#[derive(Serialize, ToSchema)]
#[schema(as = Contact)]
pub(crate) struct ContactView<'a> {
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, example = "contact_01h455vb4pex5vsknk084sn02q")]
    id: ContactId,
    /// Counts changes, from 1; for `If-Match`.
    version: u32,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, format = DateTime)]
    created_at: UnixMs,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, format = DateTime)]
    updated_at: UnixMs,
    #[schema(value_type = Option<String>)]
    name: Option<&'a str>,
    emails: Vec<EmailView<'a>>,
    phones: Vec<PhoneView<'a>>,
    #[schema(value_type = Option<String>)]
    time_zone: Option<&'a str>,
    #[schema(value_type = Vec<String>)]
    tags: &'a [String],
    #[schema(value_type = BTreeMap<String, String>)]
    attributes: &'a BTreeMap<String, String>,
    consent: ConsentView,
    #[schema(value_type = Option<String>)]
    external_id: Option<&'a str>,
}

/// An email address of a contact.
#[derive(Serialize, ToSchema)]
#[schema(as = ContactEmail)]
struct EmailView<'a> {
    #[schema(value_type = String, format = Email)]
    address: &'a str,
    #[schema(value_type = Option<String>)]
    label: Option<&'a str>,
    primary: bool,
}

/// A phone number of a contact.
#[derive(Serialize, ToSchema)]
#[schema(as = ContactPhone)]
struct PhoneView<'a> {
    /// In E.164 form.
    #[schema(value_type = String)]
    number: &'a str,
    #[schema(value_type = Option<String>)]
    label: Option<&'a str>,
    primary: bool,
}

/// What a contact agreed to.
#[derive(Serialize, ToSchema)]
#[schema(as = ContactConsent)]
struct ConsentView {
    #[schema(value_type = schemas::Consent)]
    email: Consent,
    #[schema(value_type = schemas::Consent)]
    sms: Consent,
}

impl<'a> ContactView<'a> {
    pub(crate) fn of(contact: &'a Contact) -> Self {
        let profile = &contact.profile;
        let email = |email: &'a ContactEmail| EmailView {
            address: email.address.as_str(),
            label: email.label.as_deref(),
            primary: email.primary,
        };
        let phone = |phone: &'a ContactPhone| PhoneView {
            number: phone.number.as_str(),
            label: phone.label.as_deref(),
            primary: phone.primary,
        };
        Self {
            id: contact.id,
            version: contact.version,
            created_at: contact.created_at,
            updated_at: contact.updated_at,
            name: profile.name.as_deref(),
            emails: profile.emails.iter().map(email).collect(),
            phones: profile.phones.iter().map(phone).collect(),
            time_zone: profile.time_zone.as_deref(),
            tags: &profile.tags,
            attributes: &profile.attributes,
            consent: ConsentView { email: profile.consent.email, sms: profile.consent.sms },
            external_id: profile.external_id.as_deref(),
        }
    }
}
