//! A template as an admin writes it. Its fields are read as a message's are; whether they can be rendered is the engine's
//! to judge.

use sendwheel_actors::domain::message::Content;
use sendwheel_actors::engine::templates::{NewTemplate, TemplatePatch};

use super::checks::{CHANNELS, bounded, choice, line};
use super::error::ApiError;
use super::faults::{At, Faults};
use super::json::{Field, Text, request_object};
use super::message_request::{HTML_BYTES, plain, subject};
use super::schemas;

/// Bytes of a name.
const NAME_BYTES: usize = 100;

request_object! {
    /// A template. SMS has `body`; email has `subject`, `body` and `html`. All of it is at most 100 KiB.
    pub(crate) struct TemplateRequest<'a> {
        /// The channel it is for.
        #[schema(value_type = schemas::Channel)]
        channel: Text<'a>,
        /// What people call it: at most 100 bytes, and none of the account's other templates is called so.
        #[schema(value_type = String, example = "Reminder")]
        name: Text<'a>,
        /// Email only: at most 998 bytes on one line.
        #[schema(value_type = Option<String>)]
        subject: Text<'a>,
        /// The text of an SMS, or the plain text of an email.
        #[schema(value_type = Option<String>, example = "Hi {{ contact.first_name | default(\"there\") }}")]
        body: Text<'a>,
        /// Email only: the HTML alternative.
        #[schema(value_type = Option<String>)]
        html: Text<'a>,
    }
}

request_object! {
    /// Changes to a template. `null` clears `subject`, `body` and `html`.
    pub(crate) struct TemplateChange<'a> {
        /// What people call it.
        #[schema(value_type = Option<String>)]
        name: Text<'a>,
        /// Email only.
        #[schema(value_type = Option<String>)]
        subject: Text<'a>,
        /// The text of an SMS, or the plain text of an email.
        #[schema(value_type = Option<String>)]
        body: Text<'a>,
        /// Email only: the HTML alternative.
        #[schema(value_type = Option<String>)]
        html: Text<'a>,
    }
}

fn html(text: Text<'_>, at: &At<'_>, faults: &mut Faults) -> Option<String> {
    bounded(text, HTML_BYTES, at, faults).map(Text::into_owned)
}

impl TemplateRequest<'_> {
    /// The template that is asked for.
    pub(crate) fn into_new(self) -> Result<NewTemplate, ApiError> {
        let mut faults = Faults::default();
        let (root, all) = (At::Root, &mut faults);
        self.stray.refuse(&root, Self::NAMES, all);
        let at = root.member("channel");
        let channel = self.channel.required(&at, all).and_then(|text| choice(&text, CHANNELS, &at, all));
        let at = root.member("name");
        let name = self.name.required(&at, all).and_then(|text| line(text, NAME_BYTES, &at, all));
        let at = root.member("subject");
        let subject = self.subject.optional(&at, all).and_then(|text| subject(text, &at, all));
        let at = root.member("body");
        let text = self.body.optional(&at, all).and_then(|text| plain(text, channel, &at, all));
        let at = root.member("html");
        let html = self.html.optional(&at, all).and_then(|text| html(text, &at, all));
        let content = Content { subject, text, html, render: true };
        faults.finish(channel.zip(name).map(|(channel, name)| NewTemplate {
            name,
            channel,
            content,
            idempotency: None,
        }))
    }
}

/// A field that `null` clears.
fn cleared<'a>(
    field: Field<Text<'a>>,
    at: &At<'_>,
    faults: &mut Faults,
    read: impl FnOnce(Text<'a>, &At<'_>, &mut Faults) -> Option<String>,
) -> Option<Option<String>> {
    let given = field.clearable(at, faults)?;
    Some(given.and_then(|text| read(text, at, faults)))
}

impl TemplateChange<'_> {
    /// The changes that are asked for.
    pub(crate) fn into_patch(self) -> Result<TemplatePatch, ApiError> {
        let mut faults = Faults::default();
        let (root, all) = (At::Root, &mut faults);
        self.stray.refuse(&root, Self::NAMES, all);
        let at = root.member("name");
        let name = self.name.changed(&at, all).and_then(|text| line(text, NAME_BYTES, &at, all));
        let subject = cleared(self.subject, &root.member("subject"), all, subject);
        let text = cleared(self.body, &root.member("body"), all, |text, at, all| plain(text, None, at, all));
        let html = cleared(self.html, &root.member("html"), all, html);
        faults.finish(Some(TemplatePatch { name, subject, text, html }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::json;

    fn codes<T>(result: Result<T, ApiError>) -> Vec<(String, &'static str)> {
        match result {
            Err(ApiError::Invalid(errors)) => errors.into_iter().map(|e| (e.pointer, e.code)).collect(),
            Err(other) => panic!("{other}"),
            Ok(_) => Vec::new(),
        }
    }

    #[test]
    fn every_wrong_field_is_refused_by_its_name() {
        for (rest, pointer, code) in [
            (r#""name": "A", "body": "x""#, "/channel", "required"),
            (r#""channel": "fax", "name": "A", "body": "x""#, "/channel", "unknown_value"),
            (r#""channel": "sms", "body": "x""#, "/name", "required"),
            (r#""channel": "sms", "name": "a\nb", "body": "x""#, "/name", "control_character"),
            (r#""channel": "sms", "name": "A", "body": " ""#, "/body", "empty"),
            (r#""channel": "email", "name": "A", "body": "x", "subject": "a\nb""#, "/subject", "header_injection"),
            (r#""channel": "sms", "name": "A", "text": "x""#, "/text", "unknown_field"),
        ] {
            let request = format!("{{{rest}}}");
            let read = json::read::<TemplateRequest<'_>>(request.as_bytes()).and_then(TemplateRequest::into_new);
            assert_eq!(codes(read), [(pointer.to_owned(), code)], "{rest}");
        }
    }

    #[test]
    fn a_change_tells_clearing_from_leaving_alone() {
        let patch = |text: &str| json::read::<TemplateChange<'_>>(text.as_bytes()).and_then(TemplateChange::into_patch);
        let change = patch(r#"{"html": null, "body": "x"}"#).expect("sound");
        assert_eq!((change.html, change.text), (Some(None), Some(Some("x".into()))));
        assert!(change.name.is_none() && change.subject.is_none());
        assert_eq!(codes(patch(r#"{"name": null}"#)), [("/name".to_owned(), "invalid_type")]);
        assert_eq!(codes(patch(r#"{"channel": "sms"}"#)), [("/channel".to_owned(), "unknown_field")]);
    }
}
