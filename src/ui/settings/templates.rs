//! Templates: what is said again and again.

use actix_web::HttpRequest;
use askama::Template;
use sendwheel_actors::domain::address::Channel;
use sendwheel_actors::domain::directory::MessageTemplate;
use sendwheel_actors::domain::ids::TemplateId;
use serde_json::{Map, Value};

use super::around::{Around, admin, after, clearable, put_given};
use crate::api::template_request::{TemplateChange, TemplateRequest};
use crate::api::{ApiError, json as reader};
use crate::ui::answer::{Answer, ok};
use crate::ui::composer::once;
use crate::ui::entry::channel_name;
use crate::ui::error::PageError;
use crate::ui::form::{Form, Posted};
use crate::ui::rich;
use crate::ui::visitor::{Named, Visitor};

/// A template of the list.
struct Row {
    id: TemplateId,
    name: String,
    channel: &'static str,
    words: String,
}

impl Row {
    fn of(template: &MessageTemplate) -> Self {
        let content = &template.content;
        let said = content.subject.as_ref().or(content.text.as_ref()).or(content.html.as_ref());
        Self {
            id: template.id,
            name: template.name.clone(),
            channel: channel_name(template.channel),
            words: said.cloned().unwrap_or_default(),
        }
    }
}

/// What a template is in a form.
#[derive(Default)]
struct Fields {
    name: String,
    subject: String,
    message: String,
    /// Only HTML that does not come from the message's marks.
    html: String,
}

impl Fields {
    fn of(template: &MessageTemplate) -> Self {
        let content = &template.content;
        Self {
            name: template.name.clone(),
            subject: content.subject.clone().unwrap_or_default(),
            message: content.text.clone().unwrap_or_default(),
            html: rich::own_html(content).unwrap_or_default().to_owned(),
        }
    }

    fn of_form(form: &Form) -> Self {
        let [name, subject, message, html] =
            ["name", "subject", "message", "html"].map(|name| form.get(name).to_owned());
        Self { name, subject, message, html }
    }
}

/// The HTML that a form asks for: its own, else that of the message's marks.
fn html_of(form: &Form) -> Option<String> {
    form.given("html").map(str::to_owned).or_else(|| form.given("message").and_then(rich::html))
}

/// A new template as a request has it.
fn request_of(form: &Form) -> Value {
    let mut request = Map::new();
    put_given(&mut request, form, &["channel", "name"]);
    if let Some(text) = form.given("message") {
        request.insert("body".into(), text.into());
    }
    if form.get("channel") == "email" {
        put_given(&mut request, form, &["subject"]);
        if let Some(html) = html_of(form) {
            request.insert("html".into(), html.into());
        }
    }
    Value::Object(request)
}

/// A change as a request has it.
fn change_of(form: &Form, channel: Channel) -> Value {
    let mut request = Map::new();
    request.insert("name".into(), form.get("name").into());
    request.insert("body".into(), clearable(form, "message"));
    if channel == Channel::Email {
        request.insert("subject".into(), clearable(form, "subject"));
        request.insert("html".into(), html_of(form).map_or(Value::Null, Value::from));
    }
    Value::Object(request)
}

#[derive(Template)]
#[template(path = "settings/templates.html")]
struct TemplatesPage {
    frame: Around,
    rows: Vec<Row>,
    fields: Fields,
    is_email: bool,
    once: String,
}

impl TemplatesPage {
    fn of(visitor: &Visitor, frame: Around) -> Self {
        let rows = visitor.auth.directory.templates_of(visitor.caller().account).into_iter().map(Row::of).collect();
        Self { frame, rows, fields: Fields::default(), is_email: false, once: once() }
    }
}

/// The list, with a form for one more.
pub(in crate::ui) async fn templates_page(visitor: Visitor, request: HttpRequest) -> Answer {
    admin(&visitor)?;
    let frame = Around::told(&visitor, "templates", &request)?;
    ok(&TemplatesPage::of(&visitor, frame))
}

async fn added(visitor: &Visitor, form: &Form) -> Result<&'static str, ApiError> {
    let request = request_of(form).to_string();
    let mut new = reader::read::<TemplateRequest<'_>>(request.as_bytes())?.into_new()?;
    new.idempotency = form.once();
    let _ = visitor.engine().create_template(visitor.caller(), new).await?;
    Ok("added")
}

/// Adds one.
pub(in crate::ui) async fn add(Posted { visitor, form }: Posted) -> Answer {
    admin(&visitor)?;
    let done = added(&visitor, &form).await;
    after(&visitor, "templates", done, |frame| {
        let (is_email, once) = (form.get("channel") == "email", form.get("once").to_owned());
        TemplatesPage { fields: Fields::of_form(&form), is_email, once, ..TemplatesPage::of(&visitor, frame) }
    })
}

#[derive(Template)]
#[template(path = "settings/template.html")]
struct TemplatePage {
    frame: Around,
    id: TemplateId,
    version: u32,
    name: String,
    channel: &'static str,
    is_email: bool,
    fields: Fields,
}

fn template_of(visitor: &Visitor, id: TemplateId) -> Result<&MessageTemplate, PageError> {
    visitor.auth.directory.template(visitor.caller().account, id).ok_or(PageError::not_found())
}

impl TemplatePage {
    fn of(frame: Around, template: &MessageTemplate) -> Self {
        Self {
            frame,
            id: template.id,
            version: template.version,
            name: template.name.clone(),
            channel: channel_name(template.channel),
            is_email: template.channel == Channel::Email,
            fields: Fields::of(template),
        }
    }
}

/// One.
pub(in crate::ui) async fn template_page(
    visitor: Visitor,
    request: HttpRequest,
    Named(id): Named<TemplateId>,
) -> Answer {
    admin(&visitor)?;
    let frame = Around::told(&visitor, "templates", &request)?;
    ok(&TemplatePage::of(frame, template_of(&visitor, id)?))
}

async fn changed(visitor: &Visitor, template: &MessageTemplate, form: &Form) -> Result<&'static str, ApiError> {
    if form.get("do") == "remove" {
        visitor.engine().delete_template(visitor.caller(), template.id).await?;
        return Ok("removed");
    }
    let request = change_of(form, template.channel).to_string();
    let patch = reader::read::<TemplateChange<'_>>(request.as_bytes())?.into_patch()?;
    let version = form.get("version").parse().ok();
    visitor.engine().patch_template(visitor.caller(), template.id, patch, version).await?;
    Ok("saved")
}

/// Changes or removes one.
pub(in crate::ui) async fn change(Posted { visitor, form }: Posted, Named(id): Named<TemplateId>) -> Answer {
    admin(&visitor)?;
    let template = template_of(&visitor, id)?;
    let done = changed(&visitor, template, &form).await;
    after(&visitor, "templates", done, |frame| TemplatePage {
        fields: Fields::of_form(&form),
        ..TemplatePage::of(frame, template)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn form(fields: &[(&str, &str)]) -> Form {
        Form::of(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn marks_are_kept_as_html_unless_there_is_html_of_its_own() {
        let marked = [("channel", "email"), ("name", "A"), ("subject", "S"), ("message", "**Hi**")];
        let html = "<p><strong>Hi</strong></p>\n";
        assert_eq!(
            request_of(&form(&marked)),
            json!({"channel": "email", "name": "A", "subject": "S", "body": "**Hi**", "html": html})
        );
        let own = form(&[&marked[..], &[("html", "<h1>Hi</h1>")]].concat());
        assert_eq!(request_of(&own)["html"], "<h1>Hi</h1>");
        let plain = form(&[("name", "A"), ("message", "Hi")]);
        assert_eq!(
            change_of(&plain, Channel::Email),
            json!({"name": "A", "body": "Hi", "subject": null, "html": null})
        );
    }

    #[test]
    fn an_sms_takes_what_was_typed_for_an_email_no_further() {
        let switched =
            form(&[("channel", "sms"), ("name", "A"), ("subject", "S"), ("message", "**Hi**"), ("html", "x")]);
        assert_eq!(request_of(&switched), json!({"channel": "sms", "name": "A", "body": "**Hi**"}));
        assert_eq!(change_of(&switched, Channel::Sms), json!({"name": "A", "body": "**Hi**"}));
    }
}
