//! A webhook as an admin asks for it.

use std::collections::BTreeSet;

use sendwheel_actors::domain::directory::{Subscribed, WebhookEvent};
use sendwheel_actors::engine::webhooks::{NewWebhook, WebhookPatch};
use url::Url;

use super::checks::{bounded, line};
use super::error::ApiError;
use super::faults::{At, Faults};
use super::json::{List, Text, request_object};

/// Stands for every event in a list of them.
pub(crate) const EVERY: &str = "*";
/// Bytes of a description.
const DESCRIPTION_BYTES: usize = 200;
/// Bytes of a URL.
const URL_BYTES: usize = sendwheel_actors::domain::egress::MAX_URL_LEN;

request_object! {
    /// A webhook: a URL that is told what happens.
    pub(crate) struct WebhookRequest<'a> {
        /// Where notices are posted to: `https://`, at a public address.
        #[schema(value_type = String, example = "https://crm.example.com/sendwheel")]
        url: Text<'a>,
        /// What people call it.
        #[schema(value_type = Option<String>)]
        description: Text<'a>,
        /// The events it is told of; left out, or `["*"]`: every one.
        #[schema(value_type = Option<Vec<String>>, example = json!(["message.failed", "message.received"]))]
        events: List<Text<'a>>,
        /// Whether anything is sent to it; default yes.
        #[schema(value_type = Option<bool>)]
        enabled: bool,
    }
}

request_object! {
    /// Changes to a webhook. `null` clears `description`.
    pub(crate) struct WebhookChange<'a> {
        /// Where notices are posted to. What waits goes there, too.
        #[schema(value_type = Option<String>)]
        url: Text<'a>,
        /// What people call it.
        #[schema(value_type = Option<String>)]
        description: Text<'a>,
        /// The events it is told of; `["*"]`: every one.
        #[schema(value_type = Option<Vec<String>>)]
        events: List<Text<'a>>,
        /// Whether anything is sent to it. What waits while it is off is forgotten when its turn comes.
        #[schema(value_type = Option<bool>)]
        enabled: bool,
    }
}

/// Where it may lead, the engine checks.
fn url(text: Text<'_>, at: &At<'_>, faults: &mut Faults) -> Option<Url> {
    let text = bounded(text, URL_BYTES, at, faults)?;
    let parsed = Url::parse(&text).ok();
    if parsed.is_none() {
        faults.refuse(at, "invalid_url", "expected a URL such as \"https://crm.example.com/sendwheel\"");
    }
    parsed
}

fn events(list: List<Text<'_>>, at: &At<'_>, faults: &mut Faults) -> Option<Subscribed> {
    if list.total == 0 {
        faults.refuse(at, "empty", "name at least one event, or [\"*\"] for every one");
        return None;
    }
    let before = faults.len();
    let (mut events, mut has_all) = (BTreeSet::new(), false);
    for (index, item) in list.items.into_iter().enumerate() {
        let at = at.item(index);
        let Some(name) = item.required(&at, faults) else { continue };
        match name.parse::<WebhookEvent>() {
            _ if name == EVERY => has_all = true,
            Ok(event) => drop(events.insert(event)),
            Err(()) => {
                let names = WebhookEvent::ALL.map(WebhookEvent::as_str).join(", ");
                faults.refuse(&at, "unknown_value", format!("expected \"*\" or one of: {names}"));
            }
        }
    }
    let subscribed = if has_all { Subscribed::All } else { Subscribed::To(events) };
    (faults.len() == before).then_some(subscribed)
}

impl WebhookRequest<'_> {
    /// The webhook that is asked for.
    pub(crate) fn into_new(self) -> Result<NewWebhook, ApiError> {
        let mut faults = Faults::default();
        let (root, all) = (At::Root, &mut faults);
        self.stray.refuse(&root, Self::NAMES, all);
        let at = root.member("url");
        let url = self.url.required(&at, all).and_then(|text| url(text, &at, all));
        let at = root.member("description");
        let description = self.description.optional(&at, all).and_then(|text| line(text, DESCRIPTION_BYTES, &at, all));
        let at = root.member("events");
        let events = self.events.optional(&at, all).and_then(|list| events(list, &at, all)).unwrap_or_default();
        let is_enabled = self.enabled.optional(&root.member("enabled"), all).unwrap_or(true);
        faults.finish(url.map(|url| NewWebhook { url, description, events, is_enabled, idempotency: None }))
    }
}

impl WebhookChange<'_> {
    /// The changes that are asked for.
    pub(crate) fn into_patch(self) -> Result<WebhookPatch, ApiError> {
        let mut faults = Faults::default();
        let (root, all) = (At::Root, &mut faults);
        self.stray.refuse(&root, Self::NAMES, all);
        let at = root.member("url");
        let url = self.url.changed(&at, all).and_then(|text| url(text, &at, all));
        let at = root.member("description");
        let description = self.description.clearable(&at, all);
        let description = description.map(|text| text.and_then(|text| line(text, DESCRIPTION_BYTES, &at, all)));
        let at = root.member("events");
        let events = self.events.changed(&at, all).and_then(|list| events(list, &at, all));
        let is_enabled = self.enabled.changed(&root.member("enabled"), all);
        faults.finish(Some(WebhookPatch { url, description, events, is_enabled }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::json;

    fn new(json: &str) -> Result<NewWebhook, ApiError> {
        json::read::<WebhookRequest<'_>>(json.as_bytes())?.into_new()
    }

    fn patch(json: &str) -> Result<WebhookPatch, ApiError> {
        json::read::<WebhookChange<'_>>(json.as_bytes())?.into_patch()
    }

    fn codes<T>(result: Result<T, ApiError>) -> Vec<(String, &'static str)> {
        match result {
            Err(ApiError::Invalid(errors)) => errors.into_iter().map(|e| (e.pointer, e.code)).collect(),
            Err(other) => panic!("{other}"),
            Ok(_) => Vec::new(),
        }
    }

    #[test]
    fn left_out_events_are_all_of_them() {
        for json in [r#"{"url": "https://e.com"}"#, r#"{"url": "https://e.com", "events": ["note.created", "*"]}"#] {
            assert_eq!(new(json).expect("sound").events, Subscribed::All, "{json}");
        }
        let some = new(r#"{"url": "https://e.com", "events": ["message.held", "message.held"]}"#).expect("sound");
        assert_eq!(some.events, Subscribed::To(BTreeSet::from([WebhookEvent::MessageHeld])));
        assert!(some.is_enabled);
    }

    #[test]
    fn every_wrong_field_is_refused_by_its_name() {
        for (rest, pointer, code) in [
            ("", "/url", "required"),
            (r#""url": "crm.example.com""#, "/url", "invalid_url"),
            (r#""url": "https://e.com", "events": []"#, "/events", "empty"),
            (r#""url": "https://e.com", "events": ["message.held", "message.gone"]"#, "/events/1", "unknown_value"),
            (r#""url": "https://e.com", "description": "a\nb""#, "/description", "control_character"),
            (r#""url": "https://e.com", "secret": "whsec_x""#, "/secret", "unknown_field"),
        ] {
            assert_eq!(codes(new(&format!("{{{rest}}}"))), [(pointer.to_owned(), code)], "{rest}");
        }
    }

    #[test]
    fn a_change_tells_clearing_from_leaving_alone() {
        let change = patch(r#"{"description": null, "enabled": false}"#).expect("sound");
        assert_eq!((change.description, change.is_enabled), (Some(None), Some(false)));
        assert!(change.url.is_none() && change.events.is_none());
        assert_eq!(codes(patch(r#"{"url": null}"#)).len(), 1);
    }
}
