//! The form in which a contact is changed: everything that a contact has, each list with a line left empty for one more.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use askama::Template;
use sendwheel_actors::domain::contact::{Consent, Contact, Profile, limits};
use sendwheel_actors::domain::ids::ContactId;
use serde_json::{Map, Value, json};

use super::answer::{Answer, ok, page};
use super::composer::zones;
use super::contacts::FIELDS;
use super::error::faults_of;
use super::form::{Form, Posted};
use super::people::called;
use super::steps::back;
use super::visitor::{Frame, Named, Visitor, Whose};
use crate::api::contact_request::{CONSENTS, ContactRequest};
use crate::api::{ApiError, json as reader};

/// An address in the form.
#[derive(Debug, Default, PartialEq, Eq)]
struct Line {
    address: String,
    label: String,
    is_primary: bool,
}

/// What the form says.
#[derive(Debug, PartialEq, Eq)]
struct Fields {
    version: String,
    name: String,
    emails: Vec<Line>,
    phones: Vec<Line>,
    zone: String,
    tags: String,
    attributes: Vec<(String, String)>,
    consent_email: String,
    consent_sms: String,
    external_id: String,
}

fn consent_name(consent: Consent) -> &'static str {
    CONSENTS.iter().find(|(_, one)| *one == consent).map_or("unknown", |(name, _)| name)
}

fn lines_of(form: &Form, kind: &str) -> Vec<Line> {
    let primary = form.get(&format!("{kind}-primary"));
    let line = |number: usize| Line {
        address: form.get(&format!("{kind}-{number}")).trim().to_owned(),
        label: form.get(&format!("{kind}-{number}-label")).trim().to_owned(),
        is_primary: primary == number.to_string(),
    };
    (0..=limits::ADDRESSES).map(line).filter(|line| !line.address.is_empty()).collect()
}

/// Addresses as a request has them.
fn requested(lines: &[Line], name: &str) -> Value {
    let one = |line: &Line| {
        let mut one = json!({name: line.address, "primary": line.is_primary});
        if !line.label.is_empty() {
            one["label"] = line.label.as_str().into();
        }
        one
    };
    lines.iter().map(one).collect()
}

fn or_null(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { text.into() }
}

impl Fields {
    fn of_contact(contact: &Contact) -> Self {
        let Profile { name, emails, phones, time_zone, tags, attributes, consent, external_id } =
            contact.profile.clone();
        let line = |address: String, label: Option<String>, is_primary| Line {
            address,
            label: label.unwrap_or_default(),
            is_primary,
        };
        Self {
            version: contact.version.to_string(),
            name: name.unwrap_or_default(),
            emails: emails.into_iter().map(|it| line(it.address.to_string(), it.label, it.primary)).collect(),
            phones: phones.into_iter().map(|it| line(it.number.to_string(), it.label, it.primary)).collect(),
            zone: time_zone.unwrap_or_default(),
            tags: tags.join(", "),
            attributes: attributes.into_iter().collect(),
            consent_email: consent_name(consent.email).to_owned(),
            consent_sms: consent_name(consent.sms).to_owned(),
            external_id: external_id.unwrap_or_default(),
        }
    }

    fn of_form(form: &Form) -> Self {
        let field = |name: &str| form.get(name).trim().to_owned();
        let attribute =
            |number: usize| (field(&format!("attribute-{number}-name")), field(&format!("attribute-{number}-value")));
        Self {
            version: field("version"),
            name: field("name"),
            emails: lines_of(form, "email"),
            phones: lines_of(form, "phone"),
            zone: field("zone"),
            tags: field("tags"),
            attributes: (0..=limits::ATTRIBUTES).map(attribute).filter(|(name, _)| !name.is_empty()).collect(),
            consent_email: field("consent_email"),
            consent_sms: field("consent_sms"),
            external_id: field("external_id"),
        }
    }

    /// The change as a request has it: consent only where it is another, and attributes that are gone as `null`.
    fn request(&self, profile: &Profile) -> Value {
        let mut attributes: BTreeMap<&str, Value> =
            profile.attributes.keys().map(|name| (name.as_str(), Value::Null)).collect();
        attributes.extend(self.attributes.iter().map(|(name, value)| (name.as_str(), or_null(value))));
        let tags: Vec<&str> = self.tags.split(',').map(str::trim).filter(|tag| !tag.is_empty()).collect();
        let mut consent = Map::new();
        for (name, given, was) in
            [("email", &self.consent_email, profile.consent.email), ("sms", &self.consent_sms, profile.consent.sms)]
        {
            if given != consent_name(was) {
                consent.insert(name.into(), given.as_str().into());
            }
        }
        json!({
            "name": or_null(&self.name), "emails": requested(&self.emails, "address"),
            "phones": requested(&self.phones, "number"), "time_zone": or_null(&self.zone), "tags": tags,
            "attributes": attributes, "consent": consent, "external_id": or_null(&self.external_id),
        })
    }

    /// With an empty line at the end of each list, while it has room.
    fn with_room(mut self) -> Self {
        for lines in [&mut self.emails, &mut self.phones] {
            if lines.len() < limits::ADDRESSES {
                lines.push(Line::default());
            }
        }
        if self.attributes.len() < limits::ATTRIBUTES {
            self.attributes.push(Default::default());
        }
        self
    }
}

/// The consents to choose from.
const CHOICES: [(&str, &str); 3] = [("unknown", "Not recorded"), ("granted", "Agreed"), ("denied", "Opted out")];

#[derive(Template)]
#[template(path = "edit_contact.html")]
struct EditPage {
    frame: Frame,
    contact: ContactId,
    title: String,
    fields: Fields,
    zones: &'static [String],
    wrong: Vec<String>,
}

impl EditPage {
    fn of(visitor: &Visitor, contact: &Contact, fields: Fields, wrong: Vec<String>) -> Self {
        let (frame, title) = (visitor.frame("conversations"), called(&contact.profile));
        Self { frame, contact: contact.id, title, fields: fields.with_room(), zones: zones(), wrong }
    }
}

/// The form.
pub(super) async fn edit_page(visitor: Visitor, Named(id): Whose) -> Answer {
    let contact = visitor.engine().contact(visitor.caller(), id).await?;
    ok(&EditPage::of(&visitor, &contact, Fields::of_contact(&contact), Vec::new()))
}

async fn changed(visitor: &Visitor, contact: &Contact, fields: &Fields) -> Result<(), ApiError> {
    let request = fields.request(&contact.profile).to_string();
    let patch = reader::read::<ContactRequest<'_>>(request.as_bytes())?.into_patch()?;
    visitor.engine().patch_contact(visitor.caller(), contact.id, patch, fields.version.parse().ok()).await?;
    Ok(())
}

/// Changes one.
pub(super) async fn edit(Posted { visitor, form }: Posted, Named(id): Whose) -> Answer {
    let contact = visitor.engine().contact(visitor.caller(), id).await?;
    let fields = Fields::of_form(&form);
    match changed(&visitor, &contact, &fields).await {
        Ok(()) => Ok(back(id, "changed")),
        Err(error) => {
            let wrong = faults_of(error, "the contact", &FIELDS)?;
            Ok(page(StatusCode::UNPROCESSABLE_ENTITY, &EditPage::of(&visitor, &contact, fields, wrong)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(pairs: &[(&str, &str)]) -> Form {
        Form::of(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_form_says_the_whole_contact_and_what_is_gone_from_it() {
        let form = form(&[
            ("name", "Ada"),
            ("email-0", "ada@example.com"),
            ("email-0-label", "work"),
            ("email-1", ""),
            ("email-2", "a@example.com"),
            ("email-primary", "2"),
            ("tags", "vip, , eu"),
            ("attribute-0-name", "plan"),
            ("attribute-0-value", "pro"),
            ("consent_email", "granted"),
            ("consent_sms", "unknown"),
        ]);
        let profile = Profile { attributes: [("seats".to_owned(), "3".to_owned())].into(), ..Profile::default() };
        let request = Fields::of_form(&form).request(&profile);
        assert_eq!(
            request,
            json!({"name": "Ada", "emails": [
                    {"address": "ada@example.com", "label": "work", "primary": false},
                    {"address": "a@example.com", "primary": true}],
                "phones": [], "time_zone": null, "tags": ["vip", "eu"], "attributes": {"plan": "pro", "seats": null},
                "consent": {"email": "granted"}, "external_id": null})
        );
    }
}
