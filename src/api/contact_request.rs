//! A contact as a caller gives it: a whole one, a change of one, or one to upsert.

use std::collections::{BTreeMap, HashSet};

use sendwheel_actors::domain::address::{EmailAddress, PhoneNumber};
use sendwheel_actors::domain::contact::{Consent, ConsentByChannel, ContactEmail, ContactPhone, Profile, limits};
use sendwheel_actors::engine::api::ProfilePatch;

use super::checks::{address_code, at_most, bounded, choice, line, zone_name};
use super::error::ApiError;
use super::faults::{At, Faults};
use super::json::{Field, Label, List, Members, Text, request_object};
use super::schemas;

/// The consents by name.
pub(crate) const CONSENTS: &[(&str, Consent)] =
    &[("unknown", Consent::Unknown), ("granted", Consent::Granted), ("denied", Consent::Denied)];

request_object! {
    /// An email address of a contact.
    pub(crate) struct EmailRequest<'a> {
        /// The address, without a display name.
        #[schema(value_type = String, format = Email)]
        address: Text<'a>,
        /// `work`, `home`, …
        #[schema(value_type = Option<String>)]
        label: Text<'a>,
        /// The one to use when nothing else decides; without any, the first is.
        #[schema(value_type = Option<bool>)]
        primary: bool,
    }
}

request_object! {
    /// A phone number of a contact.
    pub(crate) struct PhoneRequest<'a> {
        /// The number with `+` and country code.
        #[schema(value_type = String, example = "+12125550123")]
        number: Text<'a>,
        /// `mobile`, `work`, …
        #[schema(value_type = Option<String>)]
        label: Text<'a>,
        /// The one to use when nothing else decides; without any, the first is.
        #[schema(value_type = Option<bool>)]
        primary: bool,
    }
}

request_object! {
    /// What a contact agreed to, per channel.
    pub(crate) struct ConsentRequest<'a> {
        /// Default `unknown`.
        #[schema(value_type = Option<schemas::Consent>)]
        email: Text<'a>,
        /// Default `unknown`.
        #[schema(value_type = Option<schemas::Consent>)]
        sms: Text<'a>,
    }
}

request_object! {
    /// A contact. In a change, fields that are left out stay, and `null` clears `name`, `time_zone`,
    /// `external_id` and single attributes.
    pub(crate) struct ContactRequest<'a> {
        /// Display name: at most 200 bytes.
        #[schema(value_type = Option<String>)]
        name: Text<'a>,
        /// At most 20.
        #[schema(value_type = Option<Vec<EmailRequest>>)]
        emails: List<EmailRequest<'a>>,
        /// At most 20.
        #[schema(value_type = Option<Vec<PhoneRequest>>)]
        phones: List<PhoneRequest<'a>>,
        /// IANA zone.
        #[schema(value_type = Option<String>, example = "Europe/Berlin")]
        time_zone: Text<'a>,
        /// At most 100, each at most 100 bytes.
        #[schema(value_type = Option<Vec<String>>)]
        tags: List<Text<'a>>,
        /// Free fields for templates: at most 100; numbers and booleans are kept as text.
        #[schema(value_type = Option<BTreeMap<String, Option<String>>>)]
        attributes: Members<'a, Label<'a>>,
        /// What they agreed to.
        #[schema(value_type = Option<ConsentRequest>)]
        consent: ConsentRequest<'a>,
        /// Your own name for the contact, unique in the account: at most 200 bytes.
        #[schema(value_type = Option<String>)]
        external_id: Text<'a>,
    }
}

/// One address of either kind, as its object has it.
struct OneAddress<'a> {
    value: Field<Text<'a>>,
    label: Field<Text<'a>>,
    primary: Field<bool>,
}

/// Reads a list of addresses: bounded, without repetition, with at most one primary.
fn addresses<'a, T: super::json::Shape<'a>, A: Clone + Eq + std::hash::Hash, C>(
    list: List<T>,
    at: &At<'_>,
    faults: &mut Faults,
    (name, split): (&'static str, impl Fn(T, &At<'_>, &mut Faults) -> OneAddress<'a>),
    parse: impl Fn(&str) -> Result<A, sendwheel_actors::domain::address::AddressError>,
    make: impl Fn(A, Option<String>, bool) -> C,
) -> Vec<C> {
    if !at_most(list.total, limits::ADDRESSES, at, faults) {
        return Vec::new();
    }
    let mut seen = HashSet::new();
    let mut has_primary = false;
    let mut made = Vec::with_capacity(list.items.len());
    for (index, item) in list.items.into_iter().enumerate() {
        let at = at.item(index);
        let Some(item) = item.required(&at, faults) else { continue };
        let item = split(item, &at, faults);
        let value_at = at.member(name);
        let address = item.value.required(&value_at, faults).and_then(|text| {
            parse(&text).map_err(|error| faults.refuse(&value_at, address_code(error), error.to_string())).ok()
        });
        let label_at = at.member("label");
        let label =
            item.label.optional(&label_at, faults).and_then(|text| line(text, limits::TAG_BYTES, &label_at, faults));
        let primary_at = at.member("primary");
        let primary = item.primary.optional(&primary_at, faults).unwrap_or(false);
        if primary && has_primary {
            faults.refuse(&primary_at, "more_than_one_primary", "only one of them can be primary");
        }
        has_primary |= primary;
        let Some(address) = address else { continue };
        if !seen.insert(address.clone()) {
            faults.refuse(&value_at, "repeated", "this address is in the list twice: give it once");
        }
        made.push(make(address, label, primary));
    }
    made
}

fn emails<'a>(list: List<EmailRequest<'a>>, at: &At<'_>, faults: &mut Faults) -> Vec<ContactEmail> {
    let split = |item: EmailRequest<'a>, at: &At<'_>, faults: &mut Faults| {
        item.stray.refuse(at, EmailRequest::NAMES, faults);
        OneAddress { value: item.address, label: item.label, primary: item.primary }
    };
    addresses(list, at, faults, ("address", split), EmailAddress::parse, |address, label, primary| ContactEmail {
        address,
        label,
        primary,
    })
}

fn phones<'a>(list: List<PhoneRequest<'a>>, at: &At<'_>, faults: &mut Faults) -> Vec<ContactPhone> {
    let split = |item: PhoneRequest<'a>, at: &At<'_>, faults: &mut Faults| {
        item.stray.refuse(at, PhoneRequest::NAMES, faults);
        OneAddress { value: item.number, label: item.label, primary: item.primary }
    };
    addresses(list, at, faults, ("number", split), PhoneNumber::parse_valid, |number, label, primary| ContactPhone {
        number,
        label,
        primary,
    })
}

fn tags(list: List<Text<'_>>, at: &At<'_>, faults: &mut Faults) -> Vec<String> {
    if !at_most(list.total, limits::TAGS, at, faults) {
        return Vec::new();
    }
    let mut tags = Vec::with_capacity(list.items.len());
    for (index, tag) in list.items.into_iter().enumerate() {
        let at = at.item(index);
        let tag = tag.required(&at, faults).and_then(|tag| line(tag, limits::TAG_BYTES, &at, faults));
        if let Some(tag) = tag.filter(|tag| !tags.contains(tag)) {
            tags.push(tag);
        }
    }
    tags
}

/// Attributes; `None` stands for `null`.
fn attributes(members: Members<'_, Label<'_>>, at: &At<'_>, faults: &mut Faults) -> BTreeMap<String, Option<String>> {
    let mut made = BTreeMap::new();
    if !at_most(members.total, limits::ATTRIBUTES, at, faults) {
        return made;
    }
    for (name, value) in members.items {
        let at = at.member(&name);
        if name.is_empty() || name.len() > limits::TAG_BYTES || name.chars().any(char::is_control) {
            faults.refuse(&at, "invalid_name", format!("a name has 1 to {} bytes on one line", limits::TAG_BYTES));
        }
        let value = value
            .optional(&at, faults)
            .and_then(|Label(value)| bounded(value, limits::ATTRIBUTE_BYTES, &at, faults).map(Text::into_owned));
        if made.insert(name.to_string(), value).is_some() {
            faults.refuse(&at, "repeated_field", "the name is there twice: give it once");
        }
    }
    made
}

/// Consent per channel, as far as it is given.
fn consent(request: ConsentRequest<'_>, at: &At<'_>, faults: &mut Faults) -> (Option<Consent>, Option<Consent>) {
    let mut one = |name: &str, field: Field<Text<'_>>| {
        let at = at.member(name);
        field.optional(&at, faults).and_then(|text| choice(&text, CONSENTS, &at, faults))
    };
    let given = (one("email", request.email), one("sms", request.sms));
    request.stray.refuse(at, ConsentRequest::NAMES, faults);
    given
}

impl ContactRequest<'_> {
    /// The profile that is asked for. `here` is where the request's object stands.
    pub(crate) fn into_profile(self, here: &At<'_>, faults: &mut Faults) -> Profile {
        self.stray.refuse(here, Self::NAMES, faults);
        let at = here.member("name");
        let name = self.name.optional(&at, faults).and_then(|text| line(text, limits::NAME_BYTES, &at, faults));
        let at = here.member("emails");
        let emails = self.emails.optional(&at, faults).map_or_else(Vec::new, |list| emails(list, &at, faults));
        let at = here.member("phones");
        let phones = self.phones.optional(&at, faults).map_or_else(Vec::new, |list| phones(list, &at, faults));
        let at = here.member("time_zone");
        let time_zone = self.time_zone.optional(&at, faults).and_then(|text| zone_name(text, &at, faults));
        let at = here.member("tags");
        let tags = self.tags.optional(&at, faults).map_or_else(Vec::new, |list| tags(list, &at, faults));
        let at = here.member("attributes");
        let attributes =
            self.attributes.optional(&at, faults).map_or_else(BTreeMap::new, |all| attributes(all, &at, faults));
        let at = here.member("consent");
        let (email, sms) = self.consent.optional(&at, faults).map_or((None, None), |all| consent(all, &at, faults));
        let at = here.member("external_id");
        let external_id =
            self.external_id.optional(&at, faults).and_then(|text| line(text, limits::EXTERNAL_ID_BYTES, &at, faults));
        let mut profile = Profile {
            name,
            emails,
            phones,
            time_zone,
            tags,
            attributes: attributes.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
            consent: ConsentByChannel { email: email.unwrap_or_default(), sms: sms.unwrap_or_default() },
            external_id,
        };
        profile.choose_primaries();
        profile
    }

    /// The changes that are asked for.
    pub(crate) fn into_patch(self) -> Result<ProfilePatch, ApiError> {
        let here = At::Root;
        let mut faults = Faults::default();
        let faults_ref = &mut faults;
        self.stray.refuse(&here, Self::NAMES, faults_ref);
        // A value that is refused is none here; the fault it left makes the whole change fail.
        let at = here.member("name");
        let name = self.name.clearable(&at, faults_ref);
        let name = name.map(|text| text.and_then(|text| line(text, limits::NAME_BYTES, &at, faults_ref)));
        let at = here.member("emails");
        let emails = self.emails.changed(&at, faults_ref).map(|list| emails(list, &at, faults_ref));
        let at = here.member("phones");
        let phones = self.phones.changed(&at, faults_ref).map(|list| phones(list, &at, faults_ref));
        let at = here.member("time_zone");
        let time_zone = self.time_zone.clearable(&at, faults_ref);
        let time_zone = time_zone.map(|text| text.and_then(|text| zone_name(text, &at, faults_ref)));
        let at = here.member("tags");
        let tags = self.tags.changed(&at, faults_ref).map(|list| tags(list, &at, faults_ref));
        let at = here.member("attributes");
        let attributes = self.attributes.changed(&at, faults_ref).map(|all| attributes(all, &at, faults_ref));
        let at = here.member("consent");
        let (consent_email, consent_sms) =
            self.consent.changed(&at, faults_ref).map_or((None, None), |all| consent(all, &at, faults_ref));
        let at = here.member("external_id");
        let external_id = self.external_id.clearable(&at, faults_ref);
        let external_id =
            external_id.map(|text| text.and_then(|text| line(text, limits::EXTERNAL_ID_BYTES, &at, faults_ref)));
        let patch =
            ProfilePatch { name, emails, phones, time_zone, tags, attributes, consent_email, consent_sms, external_id };
        faults.finish(Some(patch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::json;

    fn profile(json: &str) -> Result<Profile, Vec<(String, &'static str)>> {
        let mut faults = Faults::default();
        let request = json::read::<ContactRequest<'_>>(json.as_bytes()).expect("an object");
        let profile = request.into_profile(&At::Root, &mut faults);
        let errors = faults.into_errors();
        if errors.is_empty() { Ok(profile) } else { Err(errors.into_iter().map(|e| (e.pointer, e.code)).collect()) }
    }

    fn patch(json: &str) -> Result<ProfilePatch, Vec<(String, &'static str)>> {
        match json::read::<ContactRequest<'_>>(json.as_bytes()).and_then(ContactRequest::into_patch) {
            Ok(patch) => Ok(patch),
            Err(ApiError::Invalid(errors)) => Err(errors.into_iter().map(|e| (e.pointer, e.code)).collect()),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn a_whole_contact_is_read() {
        let profile = profile(
            r#"{"name": " Ada Löwe ", "emails": [{"address": "ada@Example.COM", "label": "work"}],
                "phones": [{"number": "+1 212 555 0123"}, {"number": "+4930123456", "primary": true}],
                "time_zone": "Europe/Berlin", "tags": ["vip", "vip", "eu"], "external_id": "42",
                "attributes": {"plan": "pro", "seats": 3, "trial": false, "gone": null},
                "consent": {"email": "granted"}}"#,
        )
        .expect("it is sound");
        assert_eq!(profile.name.as_deref(), Some("Ada Löwe"));
        assert_eq!(profile.emails[0].address.as_str(), "ada@example.com");
        assert!(profile.emails[0].primary, "the first is primary when none is");
        assert_eq!(profile.phones[0].number.as_str(), "+12125550123");
        assert!(!profile.phones[0].primary && profile.phones[1].primary);
        assert_eq!(profile.tags, ["vip", "eu"]);
        assert_eq!(profile.attributes.values().map(String::as_str).collect::<Vec<_>>(), ["pro", "3", "false"]);
        assert_eq!((profile.consent.email, profile.consent.sms), (Consent::Granted, Consent::Unknown));
    }

    #[test]
    fn every_wrong_field_is_refused_by_its_name() {
        let long = "x".repeat(2_001);
        for (json, pointer, code) in [
            (r#"{"name": ""}"#, "/name", "empty"),
            (r#"{"name": "a\nb"}"#, "/name", "control_character"),
            (r#"{"name": "LONG"}"#, "/name", "too_long"),
            (r#"{"emails": ["a@b.de"]}"#, "/emails/0", "invalid_type"),
            (r#"{"emails": [{"address": "nobody"}]}"#, "/emails/0/address", "invalid_email"),
            (r#"{"emails": [{"address": "a@b.de\nBcc: c@d.ef"}]}"#, "/emails/0/address", "header_injection"),
            (r#"{"emails": [{"label": "x"}]}"#, "/emails/0/address", "required"),
            (r#"{"emails": [{"address": "a@b.de"}, {"address": "a@B.de"}]}"#, "/emails/1/address", "repeated"),
            (
                r#"{"emails": [{"address": "a@b.de", "primary": true}, {"address": "b@b.de", "primary": true}]}"#,
                "/emails/1/primary",
                "more_than_one_primary",
            ),
            (r#"{"phones": [{"number": "2125550123"}]}"#, "/phones/0/number", "invalid_phone_number"),
            (r#"{"phones": [{"number": "+1 212 555 012"}]}"#, "/phones/0/number", "invalid_phone_number"),
            (r#"{"phones": [{"number": 5}]}"#, "/phones/0/number", "invalid_type"),
            (r#"{"phones": [{"number": "+12125550123", "kind": "x"}]}"#, "/phones/0/kind", "unknown_field"),
            (r#"{"tags": "vip"}"#, "/tags", "invalid_type"),
            (r#"{"tags": ["a", ""]}"#, "/tags/1", "empty"),
            (r#"{"attributes": {"a": "LONG"}}"#, "/attributes/a", "too_long"),
            (r#"{"attributes": {"a": 1.5}}"#, "/attributes/a", "invalid_type"),
            (r#"{"consent": {"email": "yes"}}"#, "/consent/email", "unknown_value"),
            (r#"{"consent": {"fax": "granted"}}"#, "/consent/fax", "unknown_field"),
            (r#"{"time_zone": 1}"#, "/time_zone", "invalid_type"),
            (r#"{"external_id": ""}"#, "/external_id", "empty"),
            (r#"{"id": "contact_x"}"#, "/id", "unknown_field"),
        ] {
            let json = json.replace("LONG", &long);
            assert_eq!(profile(&json), Err(vec![(pointer.to_owned(), code)]), "{json}");
        }
    }

    #[test]
    fn lists_beyond_their_bounds_are_refused_as_a_whole() {
        let many = |item: &str, count| vec![item; count].join(",");
        for (json, pointer) in [
            (format!(r#"{{"tags": [{}]}}"#, many("\"x\"", 101)), "/tags"),
            (format!(r#"{{"emails": [{}]}}"#, many("{}", 21)), "/emails"),
            (format!(r#"{{"phones": [{}]}}"#, many("{}", 21)), "/phones"),
        ] {
            assert_eq!(profile(&json), Err(vec![(pointer.to_owned(), "too_many")]));
        }
    }

    #[test]
    fn a_change_tells_clearing_from_leaving_alone() {
        let change = patch(r#"{"name": null, "attributes": {"a": null, "b": "x"}, "tags": []}"#).expect("sound");
        assert_eq!(change.name, Some(None));
        assert_eq!(change.time_zone, None);
        assert_eq!(change.tags, Some(Vec::new()));
        let attributes = change.attributes.expect("some change");
        assert_eq!((attributes["a"].as_deref(), attributes["b"].as_deref()), (None, Some("x")));
        assert_eq!(patch("{}"), Ok(ProfilePatch::default()));
        assert_eq!(patch(r#"{"emails": null}"#), Err(vec![("/emails".into(), "invalid_type")]));
        assert_eq!(patch(r#"{"name": "", "x": 1}"#).expect_err("two faults").len(), 2);
    }
}
