//! What is written, as this contact would get it: filled in, and of an email with its marks.

use askama::Template;
use sendwheel_actors::domain::address::Channel;
use sendwheel_actors::domain::contact::Contact;
use sendwheel_actors::domain::ids::SenderId;
use sendwheel_actors::domain::message::Content;
use sendwheel_actors::domain::template::{TemplateContext, render};
use sendwheel_actors::inbound::html::sanitize;

use super::answer::{Answer, ok};
use super::error::sentence;
use super::fill::whole;
use super::form::{Form, Posted};
use super::rich;
use super::visitor::{Named, Visitor, Whose};

#[derive(Template, Default)]
#[template(path = "preview.html")]
struct Preview {
    subject: Option<String>,
    text: String,
    /// Made safe.
    html: Option<String>,
    wrong: Option<String>,
}

impl Preview {
    fn of(content: Content) -> Self {
        let html = content.html.map(|html| sanitize(&html).html);
        Self { subject: content.subject, text: content.text.unwrap_or_default(), html, wrong: None }
    }

    fn wrong(text: &str) -> Self {
        Self { wrong: Some(sentence(text)), ..Self::default() }
    }
}

/// What a form says.
fn content_of(visitor: &Visitor, form: &Form) -> Content {
    whole(visitor, form).map_or_else(|| written(form), |template| template.content.clone())
}

fn written(form: &Form) -> Content {
    let (text, is_email) = (form.given("message").unwrap_or_default(), form.get("channel") == "email");
    Content {
        subject: form.given("subject").filter(|_| is_email).map(str::to_owned),
        text: Some(text.to_owned()),
        html: rich::html(text).filter(|_| is_email),
        render: true,
    }
}

/// A content as this contact would get it, from the sender that the form names.
fn shown(visitor: &Visitor, contact: &Contact, form: &Form, channel: Channel, content: &Content) -> Preview {
    let (directory, account) = (&visitor.auth.directory, visitor.caller().account);
    let chosen = form.get("from").parse::<SenderId>().ok().and_then(|id| directory.sender(id));
    let sender = chosen.filter(|sender| sender.account == account && sender.channel() == channel);
    let sender = sender.or_else(|| directory.default_sender(account, channel));
    let (Some(sender), Some(account)) = (sender, directory.account(account)) else {
        return Preview::wrong("there is no sender yet");
    };
    match render(content, &TemplateContext::new(&contact.profile, sender, account)) {
        Ok(content) => Preview::of(content),
        Err(error) => Preview::wrong(&error.to_string()),
    }
}

/// The text of the form's message as this contact would get it, if it can be filled in.
pub(super) fn filled_text(visitor: &Visitor, contact: &Contact, form: &Form) -> Option<String> {
    let shown = shown(visitor, contact, form, Channel::Sms, &written(form));
    (shown.wrong.is_none()).then_some(shown.text)
}

/// The preview of a content, as a part of a page.
pub(super) fn of(visitor: &Visitor, contact: &Contact, form: &Form, channel: Channel, content: &Content) -> String {
    let preview = shown(visitor, contact, form, channel, content);
    preview.render().expect("templates call nothing that fails, and a string takes any length")
}

/// The preview.
pub(super) async fn preview(Posted { visitor, form }: Posted, Named(id): Whose) -> Answer {
    let contact = visitor.engine().contact(visitor.caller(), id).await?;
    let channel = if form.get("channel") == "email" { Channel::Email } else { Channel::Sms };
    ok(&shown(&visitor, &contact, &form, channel, &content_of(&visitor, &form)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_sms_has_no_subject_and_no_marks() {
        let form = |channel: &str| {
            let fields = [("channel", channel), ("subject", "S"), ("message", "**a**")];
            Form::of(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
        };
        let sms = written(&form("sms"));
        assert_eq!((sms.subject, sms.html), (None, None));
        let email = written(&form("email"));
        assert_eq!(email.subject.as_deref(), Some("S"));
        assert_eq!(email.html.as_deref(), Some("<p><strong>a</strong></p>\n"));
    }
}
