//! What a template puts into the composer: its subject and text, to go on with; one that has a layout of its own goes as
//! it is. Beside it stands what this contact would get.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use askama::Template;
use sendwheel_actors::domain::contact::Contact;
use sendwheel_actors::domain::directory::MessageTemplate;
use sendwheel_actors::domain::ids::{ContactId, TemplateId};

use super::answer::{Answer, ok};
use super::composer::Composer;
use super::form::{Form, Posted};
use super::preview;
use super::rich;
use super::thread::{Look, around};
use super::visitor::{Named, Visitor, Whose};

/// A template to choose.
pub(super) struct TemplateChoice {
    pub(super) id: TemplateId,
    pub(super) name: String,
    pub(super) channel: &'static str,
    pub(super) is_chosen: bool,
}

/// A template that goes as it is.
pub(super) struct Whole {
    pub(super) id: TemplateId,
    pub(super) name: String,
}

impl Whole {
    fn of(template: &MessageTemplate) -> Option<Self> {
        rich::own_html(&template.content).map(|_| Self { id: template.id, name: template.name.clone() })
    }
}

/// The account's templates.
pub(super) fn choices_of(visitor: &Visitor) -> Vec<TemplateChoice> {
    let templates = visitor.auth.directory.templates_of(visitor.caller().account).into_iter();
    let choice = |template: &MessageTemplate| TemplateChoice {
        id: template.id,
        name: template.name.clone(),
        channel: template.channel.name(),
        is_chosen: false,
    };
    templates.map(choice).collect()
}

/// The template that a field names.
pub(super) fn named<'a>(visitor: &'a Visitor, form: &Form, field: &str) -> Option<&'a MessageTemplate> {
    let id = form.get(field).parse::<TemplateId>().ok()?;
    visitor.auth.directory.template(visitor.caller().account, id)
}

/// The template that goes as it is, if the form's message does: they are for email alone.
pub(super) fn whole<'a>(visitor: &'a Visitor, form: &Form) -> Option<&'a MessageTemplate> {
    named(visitor, form, "whole").filter(|_| form.get("channel") == "email")
}

impl Composer {
    /// With what stands in the list of templates.
    pub(super) fn chosen(mut self, visitor: &Visitor, form: &Form) -> Self {
        let chosen = named(visitor, form, "template").map(|template| template.id);
        for one in &mut self.templates {
            one.is_chosen = chosen == Some(one.id);
        }
        self.whole = named(visitor, form, "whole").and_then(Whole::of);
        self
    }

    /// With what a template says, as its channel has it.
    fn filled(mut self, visitor: &Visitor, contact: &Contact, form: &Form, template: &MessageTemplate) -> Self {
        let content = &template.content;
        self.be(template.channel);
        self.subject = content.subject.clone().unwrap_or_default();
        self.message = content.text.clone().unwrap_or_default();
        self.whole = Whole::of(template);
        self.count();
        self.preview = preview::of(visitor, contact, form, template.channel, content);
        self
    }
}

#[derive(Template)]
#[template(path = "written.html")]
struct WrittenPart {
    contact: ContactId,
    composer: Composer,
}

/// The composer with a template in it; without one, as it was.
pub(super) async fn fill(Posted { visitor, form }: Posted, request: HttpRequest, Named(id): Whose) -> Answer {
    let contact = visitor.engine().contact(visitor.caller(), id).await?;
    let mut composer = Composer::new(&visitor, &contact).typed(&visitor, &contact, &form);
    composer = match named(&visitor, &form, "template") {
        Some(template) => composer.filled(&visitor, &contact, &form, template),
        None => Composer { whole: None, ..composer },
    };
    if request.headers().contains_key("HX-Request") {
        return ok(&WrittenPart { contact: id, composer });
    }
    around(&visitor, contact, composer, Look::default(), StatusCode::OK).await
}
