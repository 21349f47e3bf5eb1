//! A message as a caller asks for it: read, checked, turned into the engine's words.
//!
//! Everything that needs no knowledge of the account is judged here, all of it at once; zones, senders,
//! addresses and templates are the engine's to judge.

use std::collections::BTreeMap;

use sendwheel_actors::domain::address::{Address, Channel};
use sendwheel_actors::domain::directory::Role;
use sendwheel_actors::domain::ids::{SenderId, TemplateId};
use sendwheel_actors::domain::message::{Content, ReplyChoice};
use sendwheel_actors::domain::recurrence::{Recurrence, RecurrenceError};
use sendwheel_actors::domain::schedule::QuietHoursPolicy;
use sendwheel_actors::engine::api::{MessageEdit, NewIntent, NewMessage};

use super::attachments::{self, AttachmentRequest};
use super::checks::{CHANNELS, CLASSES, address_code, bounded, choice, id, metadata};
use super::error::ApiError;
use super::faults::{At, Faults};
use super::json::{Field, Label, List, Members, Text, request_object};
use super::schemas;
use super::send_request::{IfLateRequest, SendRequest};

/// Characters of an SMS, before segments are counted.
const SMS_CHARACTERS: usize = 10_000;
/// Bytes of a subject (RFC 5322 section 2.1.1: a line).
const SUBJECT_BYTES: usize = 998;
/// Bytes of an email's plain text.
const TEXT_BYTES: usize = 256 * 1024;
/// Bytes of an email's HTML.
pub(super) const HTML_BYTES: usize = 512 * 1024;

const QUIET_HOURS: &[(&str, QuietHoursPolicy)] =
    &[("defer", QuietHoursPolicy::Defer), ("skip", QuietHoursPolicy::Skip), ("ignore", QuietHoursPolicy::Ignore)];

request_object! {
    /// A message to schedule. SMS has `body`; email has `subject`, `text` and `html`.
    pub(crate) struct MessageRequest<'a> {
        /// The way it travels.
        #[schema(value_type = schemas::Channel)]
        channel: Text<'a>,
        /// The contact's address; left out: the last one used on this channel, else the primary one.
        #[schema(value_type = Option<String>, example = "+12125550123")]
        to: Text<'a>,
        /// The id of a sender; left out: the last one used with this contact, else the account's default.
        #[schema(value_type = Option<String>, example = "sender_01h455vb4pex5vsknk084sn02q")]
        from: Text<'a>,
        /// The id of a template, which says what the message says as it is now; then no field of the content is given.
        #[schema(value_type = Option<String>, example = "template_01h455vb4pex5vsknk084sn02q")]
        template: Text<'a>,
        /// Email only: at most 998 bytes on one line.
        #[schema(value_type = Option<String>)]
        subject: Text<'a>,
        /// The text of an SMS, at most 10,000 characters; another name for `text` of an email.
        #[schema(value_type = Option<String>, example = "Hi {{ contact.name }}")]
        body: Text<'a>,
        /// The plain text of an email, at most 256 KiB; another name for `body` of an SMS.
        #[schema(value_type = Option<String>)]
        text: Text<'a>,
        /// Email only: the HTML alternative, at most 512 KiB.
        #[schema(value_type = Option<String>)]
        html: Text<'a>,
        /// Email only: at most 20 files and 10 MiB.
        #[schema(value_type = Option<Vec<AttachmentRequest>>)]
        attachments: List<AttachmentRequest<'a>>,
        /// When; default `now`.
        #[schema(value_type = Option<SendRequest>)]
        send: SendRequest<'a>,
        /// How urgent it is; default `conversation` from a session, `transactional` from a key.
        #[schema(value_type = Option<schemas::Class>)]
        class: Text<'a>,
        /// What to do when its moment has passed; default `send`.
        #[schema(value_type = Option<IfLateRequest>)]
        if_late: IfLateRequest<'a>,
        /// What to do in quiet hours; default `defer`. `ignore` needs the role admin.
        #[schema(value_type = Option<schemas::QuietHours>)]
        quiet_hours: Text<'a>,
        /// Whether a reply of the contact takes it back; default no.
        #[schema(value_type = Option<bool>)]
        cancel_on_reply: bool,
        /// Whether the content fields are templates; default yes.
        #[schema(value_type = Option<bool>)]
        render: bool,
        /// Labels of yours: at most 20, names up to 40 bytes, values up to 500.
        #[schema(value_type = Option<BTreeMap<String, String>>)]
        metadata: Members<'a, Label<'a>>,
        /// Says it again by a rule of RFC 5545: `FREQ` (`DAILY`, `WEEKLY`, `MONTHLY`, `YEARLY`), `INTERVAL`, `COUNT` or `UNTIL`,
        /// `BYDAY`, `BYMONTHDAY`, `BYMONTH`, `BYHOUR`, `BYMINUTE`, `BYSETPOS`, `WKST`; further lines `EXDATE` and `RDATE`. It
        /// begins with `send.at`, and needs a wall-clock time there.
        #[schema(value_type = Option<String>, example = "FREQ=WEEKLY;BYDAY=MO;COUNT=10")]
        recurrence: Text<'a>,
        /// Email only: the message or received mail of this thread that it answers. Left out: the last one, as that
        /// is at hand-over; `null`: none, it begins a conversation.
        #[schema(value_type = Option<String>)]
        reply_to_message: Text<'a>,
    }
}

/// A subject: one line, since a line break in it would begin another header.
pub(super) fn subject(text: Text<'_>, at: &At<'_>, faults: &mut Faults) -> Option<String> {
    if text.chars().any(char::is_control) {
        faults.refuse(at, "header_injection", "a subject is one line: no line breaks or control characters");
        return None;
    }
    bounded(text, SUBJECT_BYTES, at, faults).map(Text::into_owned)
}

/// Plain text of a channel, or of one that is not known here.
pub(super) fn plain(text: Text<'_>, channel: Option<Channel>, at: &At<'_>, faults: &mut Faults) -> Option<String> {
    if text.trim().is_empty() {
        faults.refuse(at, "empty", "give at least one visible character");
        return None;
    }
    // Counting characters is only needed when the bytes could be more than that many.
    if channel == Some(Channel::Sms) && text.len() > SMS_CHARACTERS {
        let characters = text.chars().count();
        if characters > SMS_CHARACTERS {
            faults.refuse(at, "too_long", format!("at most {SMS_CHARACTERS} characters, this has {characters}"));
            return None;
        }
    }
    bounded(text, TEXT_BYTES, at, faults).map(Text::into_owned)
}

/// The plain text out of its two names.
fn plain_of_two<'a>(
    body: Field<Text<'a>>,
    text: Field<Text<'a>>,
    channel: Option<Channel>,
    here: &At<'_>,
    faults: &mut Faults,
) -> Option<String> {
    let (body_at, text_at) = (here.member("body"), here.member("text"));
    let body = body.optional(&body_at, faults).and_then(|body| plain(body, channel, &body_at, faults));
    let text = text.optional(&text_at, faults).and_then(|text| plain(text, channel, &text_at, faults));
    if body.is_some() && text.is_some() {
        faults.refuse(&text_at, "given_twice", "body and text are the same thing: give one of them");
    }
    body.or(text)
}

fn address(channel: Channel, text: &str, at: &At<'_>, faults: &mut Faults) -> Option<Address> {
    Address::parse(channel, text).map_err(|error| faults.refuse(at, address_code(error), error.to_string())).ok()
}

/// A rule of RFC 5545.
fn recurrence(text: &str, at: &At<'_>, faults: &mut Faults) -> Option<Recurrence> {
    text.parse().map_err(|error: RecurrenceError| faults.refuse(at, error.code(), error.to_string())).ok()
}

/// Quiet hours are only ignored by those who may.
fn refuse_ignoring(policy: Option<QuietHoursPolicy>, role: Role) -> Result<(), ApiError> {
    if policy == Some(QuietHoursPolicy::Ignore) && role < Role::Admin {
        return Err(ApiError::forbidden("admin_required", "quiet_hours: ignore needs the role admin"));
    }
    Ok(())
}

/// The fields that a new message and an edit read alike.
struct Common {
    from: Option<SenderId>,
    intent: Option<NewIntent>,
    class: Option<sendwheel_actors::domain::message::Class>,
    if_late: Option<sendwheel_actors::domain::schedule::IfLate>,
    quiet_hours: Option<QuietHoursPolicy>,
    cancel_on_reply: Option<bool>,
    metadata: Option<BTreeMap<String, String>>,
}

impl<'a> MessageRequest<'a> {
    fn common(&mut self, here: &At<'_>, faults: &mut Faults, take: Take) -> Common {
        fn taken<'de, T: super::json::Shape<'de>>(
            field: &mut Field<T>,
            at: &At<'_>,
            faults: &mut Faults,
            take: Take,
        ) -> Option<T> {
            let field = std::mem::take(field);
            match take {
                Take::New => field.optional(at, faults),
                Take::Change => field.changed(at, faults),
            }
        }
        std::mem::take(&mut self.stray).refuse(here, Self::NAMES, faults);
        let at = here.member("from");
        let from = taken(&mut self.from, &at, faults, take).and_then(|text| id(&text, "unknown_sender", &at, faults));
        let at = here.member("send");
        let intent = taken(&mut self.send, &at, faults, take).and_then(|send| send.read(&at, faults));
        let at = here.member("class");
        let class = taken(&mut self.class, &at, faults, take).and_then(|text| choice(&text, CLASSES, &at, faults));
        let at = here.member("if_late");
        let if_late = taken(&mut self.if_late, &at, faults, take).and_then(|rule| rule.read(&at, faults));
        let at = here.member("quiet_hours");
        let quiet_hours =
            taken(&mut self.quiet_hours, &at, faults, take).and_then(|text| choice(&text, QUIET_HOURS, &at, faults));
        let cancel_on_reply = taken(&mut self.cancel_on_reply, &here.member("cancel_on_reply"), faults, take);
        let at = here.member("metadata");
        let metadata = taken(&mut self.metadata, &at, faults, take).and_then(|labels| metadata(labels, &at, faults));
        Common { from, intent, class, if_late, quiet_hours, cancel_on_reply, metadata }
    }

    /// The template that is to say what the message says.
    fn template(&mut self, here: &At<'_>, faults: &mut Faults) -> Option<TemplateId> {
        let at = here.member("template");
        let text = std::mem::take(&mut self.template).optional(&at, faults)?;
        let said = [
            ("subject", self.subject.is_given()),
            ("body", self.body.is_given()),
            ("text", self.text.is_given()),
            ("html", self.html.is_given()),
            ("render", self.render.is_given()),
        ];
        for (name, _) in said.iter().filter(|(_, is_given)| *is_given) {
            faults.refuse(&here.member(name), "given_twice", "the template says what goes here: leave it out");
        }
        id(&text, "unknown_template", &at, faults)
    }

    /// The message that is asked for. `here` is where the request's object stands.
    pub(crate) fn into_new(mut self, role: Role, here: &At<'_>, mut faults: Faults) -> Result<NewMessage, ApiError> {
        let faults_ref = &mut faults;
        let at = here.member("channel");
        let channel = std::mem::take(&mut self.channel)
            .required(&at, faults_ref)
            .and_then(|text| choice(&text, CHANNELS, &at, faults_ref));
        let common = self.common(here, faults_ref, Take::New);
        let at = here.member("to");
        let to = std::mem::take(&mut self.to)
            .optional(&at, faults_ref)
            .and_then(|text| address(channel?, &text, &at, faults_ref));
        if channel == Some(Channel::Sms) {
            let email_only = [
                ("subject", self.subject.is_named()),
                ("html", self.html.is_named()),
                ("attachments", self.attachments.is_named()),
                ("reply_to_message", self.reply_to_message.is_named()),
            ];
            for (name, _) in email_only.iter().filter(|(_, is_named)| *is_named) {
                faults_ref.refuse(&here.member(name), "not_applicable", "an SMS has no such field: leave it out");
            }
        }
        let (has_plain, has_html) = (self.body.is_given() || self.text.is_given(), self.html.is_given());
        let has_template = self.template.is_given();
        let template = self.template(here, faults_ref);
        match channel {
            _ if has_template => {}
            Some(Channel::Sms) if !has_plain => {
                faults_ref.refuse(&here.member("body"), "required", "an SMS needs a body");
            }
            Some(Channel::Email) if !has_plain && !has_html => {
                faults_ref.refuse(&here.member("text"), "required", "an email needs text or html, or both");
            }
            _ => {}
        }
        let text = plain_of_two(self.body, self.text, channel, here, faults_ref);
        let is_sms = channel == Some(Channel::Sms);
        let at = here.member("subject");
        let subject =
            self.subject.optional(&at, faults_ref).filter(|_| !is_sms).and_then(|text| subject(text, &at, faults_ref));
        let at = here.member("html");
        let html = self.html.optional(&at, faults_ref).filter(|_| !is_sms);
        let html = html.and_then(|html| bounded(html, HTML_BYTES, &at, faults_ref)).map(Text::into_owned);
        let at = here.member("attachments");
        let attachments = self.attachments.optional(&at, faults_ref).filter(|_| !is_sms);
        let attachments = attachments.map_or_else(Vec::new, |list| attachments::read(list, &at, faults_ref));
        let render = self.render.optional(&here.member("render"), faults_ref).unwrap_or(true);
        let at = here.member("reply_to_message");
        let reply = match self.reply_to_message.clearable(&at, faults_ref) {
            None => ReplyChoice::Last,
            Some(None) => ReplyChoice::None,
            Some(Some(text)) => {
                id(&text, "unknown_message", &at, faults_ref).map_or(ReplyChoice::Last, ReplyChoice::To)
            }
        };

        let at = here.member("recurrence");
        let recurrence = self.recurrence.optional(&at, faults_ref).and_then(|text| recurrence(&text, &at, faults_ref));
        if recurrence.is_some() {
            if !attachments.is_empty() {
                let detail = "a message that repeats has no attachments: put a link into its text";
                faults_ref.refuse(&here.member("attachments"), "not_with_recurrence", detail);
            }
            if matches!(common.intent, Some(NewIntent::Smart { .. })) {
                let detail = "a message that repeats goes at its rule's time: give `at` with a `time_zone`, or leave \
                              `recurrence` out";
                faults_ref.refuse(&here.member("send").member("window"), "not_with_recurrence", detail);
            }
        }

        let new = channel.map(|channel| NewMessage {
            channel,
            to,
            from: common.from,
            content: Content { subject, text, html, render },
            template,
            attachments,
            intent: common.intent.unwrap_or(NewIntent::Now),
            recurrence,
            class: common.class,
            if_late: common.if_late.unwrap_or_default(),
            quiet_hours: common.quiet_hours.unwrap_or_default(),
            cancel_on_reply: common.cancel_on_reply.unwrap_or(false),
            reply,
            metadata: common.metadata.unwrap_or_default(),
            callback_url: None,
            idempotency: None,
        });
        let new = faults.finish(new)?;
        refuse_ignoring(Some(new.quiet_hours), role)?;
        Ok(new)
    }

    /// The changes that are asked for.
    pub(crate) fn into_edit(mut self, role: Role) -> Result<MessageEdit, ApiError> {
        let here = At::Root;
        let mut faults = Faults::default();
        let fixed = [
            ("channel", self.channel.is_named()),
            ("template", self.template.is_named()),
            ("attachments", self.attachments.is_named()),
            ("render", self.render.is_named()),
            ("recurrence", self.recurrence.is_named()),
        ];
        for (name, _) in fixed.iter().filter(|(_, is_named)| *is_named) {
            faults.refuse(
                &here.member(name),
                "not_editable",
                "this cannot be changed: cancel the message and schedule another one",
            );
        }
        let common = self.common(&here, &mut faults, Take::Change);
        let at = here.member("to");
        // The channel is the message's, which only the engine knows; the two kinds of address never look alike.
        let to = self.to.changed(&at, &mut faults).and_then(|text| {
            let channel = if text.contains('@') { Channel::Email } else { Channel::Sms };
            address(channel, &text, &at, &mut faults)
        });
        let at = here.member("subject");
        let subject = self.subject.changed(&at, &mut faults).and_then(|text| subject(text, &at, &mut faults));
        for (name, is_null) in [("body", matches!(self.body, Field::Null)), ("text", matches!(self.text, Field::Null))]
        {
            if is_null {
                faults.refuse(
                    &here.member(name),
                    "invalid_type",
                    "expected a string: leave it out to keep it as it is",
                );
            }
        }
        let text = plain_of_two(self.body, self.text, None, &here, &mut faults);
        let at = here.member("html");
        let html = self.html.changed(&at, &mut faults).and_then(|html| bounded(html, HTML_BYTES, &at, &mut faults));
        let edit = MessageEdit {
            to,
            from: common.from,
            subject,
            text,
            html: html.map(Text::into_owned),
            intent: common.intent,
            class: common.class,
            if_late: common.if_late,
            quiet_hours: common.quiet_hours,
            cancel_on_reply: common.cancel_on_reply,
            metadata: common.metadata,
        };
        let edit = faults.finish(Some(edit))?;
        refuse_ignoring(edit.quiet_hours, role)?;
        Ok(edit)
    }
}

/// What `null` means.
#[derive(Clone, Copy)]
enum Take {
    /// A new message: the same as leaving the field out.
    New,
    /// A change: refused, since these fields cannot be cleared.
    Change,
}

#[cfg(test)]
#[path = "message_request_tests.rs"]
mod tests;
