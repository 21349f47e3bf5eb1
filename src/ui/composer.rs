//! What is written: a new message, or a change of one that waits. What it asks for is spelled as a request of the API
//! and read by the same readers, so a page refuses what the API refuses, in the same words.

use std::sync::LazyLock;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use askama::Template;
use sendwheel_actors::domain::address::{Address, Channel};
use sendwheel_actors::domain::contact::Contact;
use sendwheel_actors::domain::ids::{ContactId, MessageId};
use sendwheel_actors::domain::segments::{Encoding, not_gsm7, segments};
use sendwheel_actors::domain::source::IdSource;
use sendwheel_actors::domain::zone::TimeZone;
use serde_json::{Map, Value};

use super::answer::{Answer, ok};
use super::error::{PageError, faults_of};
use super::fill::{TemplateChoice, Whole, choices_of as templates_of, whole};
use super::form::{Form, Posted};

use super::moment::{Moment, Preset, REPEATS, Wish, presets};
use super::multipart::File;
use super::people::called;
use super::preview;
use super::rich;
use super::steps::{back, message_of};
use super::thread::{Look, around};
use super::visitor::{Named, Visitor, Whose};
use super::when;
use crate::api::faults::{At, Faults};
use crate::api::message_request::MessageRequest;
use crate::api::sender_choices::choices;
use crate::api::{ApiError, json as reader};

/// Something to choose.
pub(super) struct Choice {
    pub(super) value: String,
    pub(super) label: String,
    pub(super) channel: &'static str,
    pub(super) is_default: bool,
}

/// What the composer is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    New,
    Edit(MessageId, u32),
    Reschedule(MessageId, u32),
}

/// The composer with what is in it.
pub(super) struct Composer {
    pub(super) purpose: Purpose,
    pub(super) is_email: bool,
    pub(super) from: Vec<Choice>,
    pub(super) to: Vec<Choice>,
    pub(super) templates: Vec<TemplateChoice>,
    /// The template that goes as it is, instead of what is written.
    pub(super) whole: Option<Whole>,
    pub(super) subject: String,
    pub(super) message: String,
    pub(super) wish: Wish,
    pub(super) zones: &'static [String],
    pub(super) presets: Vec<Preset>,
    pub(super) moment: Moment,
    pub(super) length: String,
    /// What the contact would get, where that was asked for.
    pub(super) preview: String,
    /// What the contact is called.
    pub(super) whom: String,
    pub(super) wrong: Vec<String>,
    pub(super) once: String,
}

static ZONES: LazyLock<Vec<String>> = LazyLock::new(TimeZone::names);
/// Names what a form makes, so that posting it twice makes one message.
static ONCE: LazyLock<IdSource> = LazyLock::new(IdSource::from_os);

/// A name for what a form makes.
pub(super) fn once() -> String {
    format!("page-{:032x}", ONCE.random_u128())
}

/// Every zone, to choose from.
pub(super) fn zones() -> &'static [String] {
    &ZONES
}

const fn why_words(why: &str) -> &str {
    match why.as_bytes() {
        b"last_used" => "last used here",
        b"assigned" => "yours",
        b"default" => "account's default",
        b"local" => "same area",
        b"primary" => "primary",
        _ => "",
    }
}

fn labelled(address: &str, label: Option<&str>, why: &str) -> String {
    let notes: Vec<&str> = label.into_iter().chain(Some(why_words(why)).filter(|why| !why.is_empty())).collect();
    if notes.is_empty() { address.to_owned() } else { format!("{address} · {}", notes.join(", ")) }
}

fn choices_of(visitor: &Visitor, contact: &Contact) -> (Vec<Choice>, Vec<Choice>) {
    let (mut from, mut to) = (Vec::new(), Vec::new());
    for channel in [Channel::Sms, Channel::Email] {
        let all = choices(contact, channel, visitor.caller(), &visitor.auth.directory);
        from.extend(all.data.iter().map(|one| Choice {
            value: one.sender.id.to_string(),
            label: labelled(&one.sender.address.to_string(), one.sender.label, one.why),
            channel: channel.name(),
            is_default: one.default,
        }));
        to.extend(all.to.iter().map(|one| Choice {
            value: one.address.to_owned(),
            label: labelled(one.address, one.label, one.why),
            channel: channel.name(),
            is_default: one.default,
        }));
    }
    (from, to)
}

fn length_words(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let found = segments(text);
    let parts = if found.count == 1 { "1 segment".into() } else { format!("{} segments", found.count) };
    let mut words = format!("{} characters · {parts} · {}", text.chars().count(), found.encoding.name());
    if found.encoding != Encoding::Gsm7
        && let Some(first) = not_gsm7(text)
    {
        words.push_str(&format!(" because of “{first}”: 70 characters to a segment instead of 160"));
    }
    words
}

impl Composer {
    /// An empty one.
    pub(super) fn new(visitor: &Visitor, contact: &Contact) -> Self {
        let (from, to) = choices_of(visitor, contact);
        let zone = visitor.zone_of(contact);
        let presets = presets(&zone, visitor);
        let wish = Wish::at(&presets[1].date, "09:00", zone.name());
        let has = |channel: &str| to.iter().any(|one| one.channel == channel);
        let was_email = contact.conversation.last_channel == Some(Channel::Email);
        let mut composer = Self {
            purpose: Purpose::New,
            is_email: (was_email && has("email")) || !has("sms"),
            from,
            to,
            templates: templates_of(visitor),
            whole: None,
            subject: String::new(),
            message: String::new(),
            moment: Moment::default(),
            wish,
            zones: zones(),
            presets,
            length: String::new(),
            preview: String::new(),
            whom: called(&contact.profile),
            wrong: Vec::new(),
            once: once(),
        };
        composer.foresee(visitor, contact);
        composer
    }

    /// Says what the chosen time comes to.
    fn foresee(&mut self, visitor: &Visitor, contact: &Contact) {
        let channel = if self.is_email { Channel::Email } else { Channel::Sms };
        let to = self.to.iter().find(|one| one.channel == channel.name() && one.is_default);
        let to = to.and_then(|one| Address::parse(channel, &one.value).ok());
        self.moment = Moment::of(visitor, contact, (channel, to), &self.wish);
    }

    /// One with what a message said.
    pub(super) async fn again(visitor: &Visitor, contact: &Contact, id: MessageId) -> Result<Self, PageError> {
        let view = visitor.engine().message(visitor.caller(), id).await?;
        if view.message.contact != contact.id {
            return Err(PageError::not_found());
        }
        let mut composer = Self::new(visitor, contact);
        composer.is_email = view.message.channel == Channel::Email;
        composer.subject = view.content.subject.clone().unwrap_or_default();
        composer.message = view.content.text.clone().unwrap_or_default();
        composer.choose(&view.message.sender.to_string(), view.message.to.as_str());
        Ok(composer)
    }

    /// One that changes a message that waits.
    pub(super) async fn change(
        visitor: &Visitor,
        contact: &Contact,
        id: MessageId,
        is_time: bool,
    ) -> Result<Self, PageError> {
        let mut composer = Self::again(visitor, contact, id).await?;
        let view = visitor.engine().message(visitor.caller(), id).await?;
        let version = view.message.version;
        composer.purpose = if is_time { Purpose::Reschedule(id, version) } else { Purpose::Edit(id, version) };
        let zone = visitor.zone_of(contact);
        let due = when::civil(&zone, view.message.due_at);
        composer.wish = Wish::at(&due.date().to_string(), &due.format("%H:%M").to_string(), zone.name());
        composer.foresee(visitor, contact);
        Ok(composer)
    }

    fn choose(&mut self, from: &str, to: &str) {
        for (list, wanted) in [(&mut self.from, from), (&mut self.to, to)] {
            let Some(at) = list.iter().position(|one| one.value == wanted) else { continue };
            let channel = list[at].channel;
            for (number, one) in list.iter_mut().enumerate().filter(|(_, one)| one.channel == channel) {
                one.is_default = number == at;
            }
        }
    }

    /// For a channel.
    pub(super) fn be(&mut self, channel: Channel) {
        self.is_email = channel == Channel::Email;
    }

    /// Says how long the message is.
    pub(super) fn count(&mut self) {
        self.length = length_words(&self.message);
    }

    /// With what was typed and chosen.
    pub(super) fn typed(mut self, visitor: &Visitor, contact: &Contact, form: &Form) -> Self {
        self.is_email = form.get("channel") == "email" || (form.get("channel").is_empty() && self.is_email);
        self.choose(form.get("from"), form.get("to"));
        for (field, name) in [(&mut self.subject, "subject"), (&mut self.message, "message")] {
            if let Some(given) = form.given(name) {
                given.clone_into(field);
            }
        }
        self.wish = self.wish.of_form(form);
        self.foresee(visitor, contact);
        self.count();
        self.chosen(visitor, form)
    }

    /// What was typed, with what is wrong about it.
    fn refused(self, visitor: &Visitor, contact: &Contact, form: &Form, wrong: Vec<String>) -> Self {
        Self { wrong, ..self.typed(visitor, contact, form) }
    }

    /// The message that is changed.
    pub(super) fn changed(&self) -> Option<MessageId> {
        match self.purpose {
            Purpose::New => None,
            Purpose::Edit(id, _) | Purpose::Reschedule(id, _) => Some(id),
        }
    }

    pub(super) fn version(&self) -> u32 {
        match self.purpose {
            Purpose::New => 0,
            Purpose::Edit(_, version) | Purpose::Reschedule(_, version) => version,
        }
    }

    /// What repeating can be chosen: of a new message.
    pub(super) fn repeats(&self) -> &'static [(&'static str, &'static str, &'static str)] {
        if self.purpose == Purpose::New { &REPEATS } else { &[] }
    }

    pub(super) fn is_reschedule(&self) -> bool {
        matches!(self.purpose, Purpose::Reschedule(..))
    }
}

/// When a form means, as a request says it.
fn send_of(form: &Form, contact: &Contact) -> Result<Value, ApiError> {
    Wish::at("", "", "").of_form(form).request(contact.profile.time_zone.as_deref())
}

fn put(request: &mut Map<String, Value>, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        request.insert(name.into(), value.into());
    }
}

/// What fields of a message are called.
const FIELDS: [(&str, &str); 10] = [
    ("template", "Template"),
    ("attachments", "Attach file"),
    ("to", "To"),
    ("from", "From"),
    ("subject", "Subject"),
    ("body", "Message"),
    ("text", "Message"),
    ("html", "Message"),
    ("send", "Time"),
    ("recurrence", "Repeat"),
];

async fn scheduled(visitor: &Visitor, contact: &Contact, form: &Form) -> Result<(), ApiError> {
    let channel = form.get("channel");
    let mut request = Map::new();
    put(&mut request, "channel", Some(channel));
    put(&mut request, "to", form.given("to"));
    put(&mut request, "from", form.given("from"));
    if let Some(template) = whole(visitor, form) {
        request.insert("template".into(), template.id.to_string().into());
    } else if channel != "email" {
        put(&mut request, "body", form.given("message"));
    } else {
        put(&mut request, "text", form.given("message"));
        put(&mut request, "subject", form.given("subject"));
        put(&mut request, "html", form.given("message").and_then(rich::html).as_deref());
    }
    if !form.files().is_empty() {
        request.insert("attachments".into(), form.files().iter().map(File::request).collect());
    }
    if form.get("do") == "schedule" {
        request.insert("send".into(), send_of(form, contact)?);
        let wish = Wish::at("", "", "").of_form(form);
        wish.first()?;
        put(&mut request, "recurrence", wish.recurrence().as_deref());
    }
    let bytes = Value::Object(request).to_string();
    let request = reader::read::<MessageRequest<'_>>(bytes.as_bytes())?;
    let mut new = request.into_new(visitor.caller().role, &At::Root, Faults::default())?;
    new.idempotency = form.once();
    let _ = visitor.engine().schedule(visitor.caller(), contact.id, new).await?;
    Ok(())
}

/// Sends or schedules what was written.
pub(super) async fn write(Posted { visitor, form }: Posted, Named(id): Whose) -> Answer {
    let contact = visitor.engine().contact(visitor.caller(), id).await?;
    match scheduled(&visitor, &contact, &form).await {
        Ok(()) => Ok(back(id, if form.get("do") == "schedule" { "scheduled" } else { "sent" })),
        Err(error) => {
            let mut wrong = faults_of(error, "the message", &FIELDS)?;
            if !form.files().is_empty() {
                wrong.push("Attach file: choose the files again.".to_owned());
            }
            let composer = Composer::new(&visitor, &contact).refused(&visitor, &contact, &form, wrong);
            around(&visitor, contact, composer, Look::default(), StatusCode::UNPROCESSABLE_ENTITY).await
        }
    }
}

async fn changed(visitor: &Visitor, contact: &Contact, id: MessageId, form: &Form) -> Result<(), ApiError> {
    let mut request = Map::new();
    if form.get("do") == "reschedule" {
        request.insert("send".into(), send_of(form, contact)?);
    } else {
        for name in ["to", "from", "subject"] {
            put(&mut request, name, form.given(name));
        }
        put(&mut request, "text", Some(form.get("message")));
        let view = visitor.engine().message(visitor.caller(), id).await?;
        let (html, has_marks) = rich::written(form.get("message"));
        // HTML that comes from marks goes on with them; what a program wrote is left to it.
        let is_wanted = match &view.content.html {
            Some(_) => rich::own_html(&view.content).is_none(),
            None => has_marks && view.message.channel == Channel::Email,
        };
        put(&mut request, "html", Some(html.as_str()).filter(|_| is_wanted));
    }
    let bytes = Value::Object(request).to_string();
    let edit = reader::read::<MessageRequest<'_>>(bytes.as_bytes())?.into_edit(visitor.caller().role)?;
    let version = form.get("version").parse().ok();
    visitor.engine().edit(visitor.caller(), id, edit, version).await?;
    Ok(())
}

/// Changes a message that waits.
pub(super) async fn edit(Posted { visitor, form }: Posted, request: HttpRequest, Named(id): Whose) -> Answer {
    let (message, contact) = (message_of(&request)?, visitor.engine().contact(visitor.caller(), id).await?);
    match changed(&visitor, &contact, message, &form).await {
        Ok(()) => Ok(back(id, "changed")),
        Err(error) => {
            let wrong = faults_of(error, "the message", &FIELDS)?;
            let composer = Composer::change(&visitor, &contact, message, form.get("do") == "reschedule").await?;
            let composer = composer.refused(&visitor, &contact, &form, wrong);
            around(&visitor, contact, composer, Look::default(), StatusCode::UNPROCESSABLE_ENTITY).await
        }
    }
}

/// The conversation once more, with why something was not done.
pub(super) async fn refused(visitor: &Visitor, id: ContactId, error: ApiError) -> Answer {
    let wrong = faults_of(error, "the message", &FIELDS)?;
    let contact = visitor.engine().contact(visitor.caller(), id).await?;
    let composer = Composer { wrong, ..Composer::new(visitor, &contact) };
    around(visitor, contact, composer, Look::default(), StatusCode::UNPROCESSABLE_ENTITY).await
}

#[derive(Template)]
#[template(source = "{{ words }}", ext = "html")]
struct Length {
    words: String,
}

/// What an SMS comes to, as this contact gets it.
pub(super) async fn length_page(Posted { visitor, form }: Posted, Named(id): Whose) -> Answer {
    let contact = visitor.engine().contact(visitor.caller(), id).await?;
    let text = preview::filled_text(&visitor, &contact, &form);
    ok(&Length { words: length_words(text.as_deref().unwrap_or_else(|| form.get("message"))) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_an_sms_says_what_makes_it_long() {
        assert_eq!(length_words(""), "");
        assert_eq!(length_words("Hello"), "5 characters · 1 segment · GSM-7");
        let long = length_words(&"a".repeat(161));
        assert!(long.contains("2 segments"), "{long}");
        let emoji = length_words("Hello 🎉");
        assert!(emoji.contains("UCS-2 because of “🎉”"), "{emoji}");
    }
}
