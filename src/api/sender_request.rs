//! A sender as an admin asks for it.

use sendwheel_actors::domain::address::{Channel, Mailbox, PhoneNumber};
use sendwheel_actors::domain::directory::SenderAddress;
use sendwheel_actors::domain::ids::UserId;
use sendwheel_actors::engine::api::{NewSender, SenderPatch};

use super::checks::{CHANNELS, LimitRequest, address_code, choice, id, line};
use super::error::ApiError;
use super::faults::{At, Faults};
use super::json::{Text, request_object};
use super::schemas;

request_object! {
    /// A sender: a phone number or an email identity.
    pub(crate) struct SenderRequest<'a> {
        /// What it sends.
        #[schema(value_type = schemas::Channel)]
        channel: Text<'a>,
        /// `name@domain` or `Name <name@domain>`; a phone number, a short code or an alphanumeric sender id.
        #[schema(value_type = String, example = "Support <support@example.com>")]
        address: Text<'a>,
        /// What people call it.
        #[schema(value_type = Option<String>)]
        label: Text<'a>,
        /// Becomes the channel's default; the first one does anyway.
        #[schema(value_type = Option<bool>)]
        is_default: bool,
        /// The only user, besides admins, who may use it.
        #[schema(value_type = Option<String>)]
        assigned_user: Text<'a>,
        /// Left out: SMS one segment a second, email none.
        #[schema(value_type = Option<LimitRequest>)]
        limits: LimitRequest<'a>,
        /// ISO 3166 code.
        #[schema(value_type = Option<String>, example = "US")]
        country: Text<'a>,
    }
}

request_object! {
    /// Changes to a sender. `null` clears `label`, `assigned_user`, `limits` and `country`.
    pub(crate) struct SenderChange<'a> {
        /// What people call it.
        #[schema(value_type = Option<String>)]
        label: Text<'a>,
        /// Makes it the channel's default.
        #[schema(value_type = Option<bool>)]
        is_default: bool,
        /// The only user, besides admins, who may use it.
        #[schema(value_type = Option<String>)]
        assigned_user: Text<'a>,
        /// Its limit.
        #[schema(value_type = Option<LimitRequest>)]
        limits: LimitRequest<'a>,
        /// ISO 3166 code.
        #[schema(value_type = Option<String>)]
        country: Text<'a>,
        /// Stops or resumes what is sent from it.
        #[schema(value_type = Option<bool>)]
        paused: bool,
    }
}

/// Bytes of a label.
const LABEL_BYTES: usize = 100;

/// The address of a sender, by its channel.
fn sender_address(channel: Channel, text: &str, at: &At<'_>, faults: &mut Faults) -> Option<SenderAddress> {
    let refused = |error: sendwheel_actors::domain::address::AddressError, faults: &mut Faults| {
        faults.refuse(at, address_code(error), error.to_string());
    };
    match channel {
        Channel::Email => Mailbox::parse(text).map_err(|error| refused(error, faults)).ok().map(SenderAddress::Email),
        Channel::Sms if text.starts_with('+') => {
            PhoneNumber::parse_valid(text).map_err(|error| refused(error, faults)).ok().map(SenderAddress::Phone)
        }
        // Not among the choices.
        Channel::Webhook => None,
        Channel::Sms => {
            let is_short_code = (3..=8).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
            let is_name = (1..=11).contains(&text.len())
                && text.trim() == text
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b" -_&+.".contains(&b))
                && text.bytes().any(|b| b.is_ascii_alphabetic());
            if is_short_code || is_name {
                return Some(SenderAddress::ShortOrName(text.to_owned()));
            }
            let detail = "expected a phone number with `+` and country code, a short code of 3 to 8 digits, or up to \
                          11 letters and digits with at least one letter";
            faults.refuse(at, "invalid_sender_address", detail);
            None
        }
    }
}

/// A two-letter country code, in capitals.
fn country(text: &str, at: &At<'_>, faults: &mut Faults) -> Option<String> {
    let is_code = text.len() == 2 && text.bytes().all(|b| b.is_ascii_alphabetic());
    if !is_code {
        faults.refuse(at, "invalid_country", "expected a two-letter country code (ISO 3166), such as US");
    }
    is_code.then(|| text.to_ascii_uppercase())
}

impl SenderRequest<'_> {
    /// The sender that is asked for.
    pub(crate) fn into_new(self) -> Result<NewSender, ApiError> {
        let mut faults = Faults::default();
        let (root, all) = (At::Root, &mut faults);
        self.stray.refuse(&root, Self::NAMES, all);
        let at = root.member("channel");
        let channel = self.channel.required(&at, all).and_then(|text| choice(&text, CHANNELS, &at, all));
        let at = root.member("address");
        let address = self.address.required(&at, all).and_then(|text| sender_address(channel?, &text, &at, all));
        let at = root.member("label");
        let label = self.label.optional(&at, all).and_then(|text| line(text, LABEL_BYTES, &at, all));
        let is_default = self.is_default.optional(&root.member("is_default"), all).unwrap_or(false);
        let at = root.member("assigned_user");
        let assigned_user =
            self.assigned_user.optional(&at, all).and_then(|text| id::<UserId>(&text, "unknown_user", &at, all));
        let at = root.member("limits");
        let limit = self.limits.optional(&at, all).and_then(|limit| limit.read(&at, all));
        let at = root.member("country");
        let country = self.country.optional(&at, all).and_then(|text| country(&text, &at, all));
        let new = address.map(|address| NewSender {
            address,
            label,
            is_default,
            assigned_user,
            limit,
            country,
            idempotency: None,
        });
        faults.finish(new)
    }
}

impl SenderChange<'_> {
    /// The changes that are asked for.
    pub(crate) fn into_patch(self) -> Result<SenderPatch, ApiError> {
        let mut faults = Faults::default();
        let (root, all) = (At::Root, &mut faults);
        self.stray.refuse(&root, Self::NAMES, all);
        let at = root.member("label");
        let label = self.label.clearable(&at, all).map(|text| text.and_then(|text| line(text, LABEL_BYTES, &at, all)));
        let at = root.member("is_default");
        let is_default = self.is_default.changed(&at, all);
        if is_default == Some(false) {
            all.refuse(&at, "not_applicable", "make another sender the default instead");
        }
        let at = root.member("assigned_user");
        let assigned_user = self.assigned_user.clearable(&at, all);
        let assigned_user = assigned_user.map(|text| text.and_then(|text| id(&text, "unknown_user", &at, all)));
        let at = root.member("limits");
        let limit = self.limits.clearable(&at, all).map(|limit| limit.and_then(|limit| limit.read(&at, all)));
        let at = root.member("country");
        let country = self.country.clearable(&at, all).map(|text| text.and_then(|text| country(&text, &at, all)));
        let paused = self.paused.changed(&root.member("paused"), all);
        faults.finish(Some(SenderPatch { label, is_default, assigned_user, limit, country, paused }))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::api::json;

    fn codes<T>(result: Result<T, ApiError>) -> Vec<(String, &'static str)> {
        match result {
            Err(ApiError::Invalid(errors)) => errors.into_iter().map(|e| (e.pointer, e.code)).collect(),
            Err(other) => panic!("{other}"),
            Ok(_) => Vec::new(),
        }
    }

    fn new(json: &str) -> Result<NewSender, ApiError> {
        json::read::<SenderRequest<'_>>(json.as_bytes())?.into_new()
    }

    fn patch(json: &str) -> Result<SenderPatch, ApiError> {
        json::read::<SenderChange<'_>>(json.as_bytes())?.into_patch()
    }

    #[test]
    fn every_kind_of_sender_is_read() {
        for (channel, address, shown) in [
            ("sms", "+1 212 555 0100", "+12125550100"),
            ("sms", "24365", "24365"),
            ("sms", "Sendwheel", "Sendwheel"),
            ("email", "Support <help@Example.com>", "Support <help@example.com>"),
        ] {
            let json = format!(r#"{{"channel": "{channel}", "address": "{address}", "country": "us"}}"#);
            let sender = new(&json).expect(address);
            assert_eq!(sender.address.to_string(), shown);
            assert_eq!(sender.country.as_deref(), Some("US"));
        }
        let limited = new(r#"{"channel": "sms", "address": "24365", "limits": {"rate": 10, "per": "1m", "burst": 5}}"#)
            .expect("sound");
        let limit = limited.limit.expect("it has one");
        assert_eq!((limit.rate, limit.per, limit.burst), (10, Duration::from_secs(60), 5));
    }

    #[test]
    fn every_wrong_field_is_refused_by_its_name() {
        for (rest, pointer, code) in [
            (r#""channel": "sms""#, "/address", "required"),
            (r#""channel": "fax", "address": "1""#, "/channel", "unknown_value"),
            (r#""channel": "sms", "address": "12""#, "/address", "invalid_sender_address"),
            (r#""channel": "sms", "address": "TooLongAName""#, "/address", "invalid_sender_address"),
            (r#""channel": "sms", "address": "+999""#, "/address", "invalid_phone_number"),
            (r#""channel": "email", "address": "x\r\nBcc: a@b.de""#, "/address", "header_injection"),
            (r#""channel": "sms", "address": "24365", "limits": {}"#, "/limits/rate", "required"),
            (r#""channel": "sms", "address": "24365", "limits": {"rate": 0}"#, "/limits/rate", "too_small"),
            (
                r#""channel": "sms", "address": "24365", "limits": {"rate": 1, "per": "0s"}"#,
                "/limits/per",
                "invalid_duration",
            ),
            (
                r#""channel": "sms", "address": "24365", "limits": {"rate": 1, "burst": 0}"#,
                "/limits/burst",
                "too_small",
            ),
            (r#""channel": "sms", "address": "24365", "limits": {"rate": 1, "x": 0}"#, "/limits/x", "unknown_field"),
            (r#""channel": "sms", "address": "24365", "assigned_user": "me""#, "/assigned_user", "unknown_user"),
            (r#""channel": "sms", "address": "24365", "country": "USA""#, "/country", "invalid_country"),
        ] {
            assert_eq!(codes(new(&format!("{{{rest}}}"))), [(pointer.to_owned(), code)], "{rest}");
        }
    }

    #[test]
    fn a_change_tells_clearing_from_leaving_alone() {
        let change = patch(r#"{"limits": null, "paused": true}"#).expect("sound");
        assert_eq!((change.limit, change.paused, change.label), (Some(None), Some(true), None));
        assert_eq!(codes(patch(r#"{"is_default": false}"#)), [("/is_default".to_owned(), "not_applicable")]);
        assert_eq!(codes(patch(r#"{"address": "x"}"#)), [("/address".to_owned(), "unknown_field")]);
    }
}
