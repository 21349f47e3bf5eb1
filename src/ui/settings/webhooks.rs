//! Webhooks: where the account is told what happens.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use askama::Template;
use sendwheel_actors::domain::directory::{Subscribed, Webhook, WebhookEvent};
use sendwheel_actors::domain::ids::WebhookId;
use sendwheel_actors::domain::signatures::webhook::WebhookSecret;
use sendwheel_actors::engine::webhooks::WithSecret;
use serde_json::{Value, json};

use super::around::{Around, admin, after, clearable};
use crate::api::webhook_request::{EVERY, WebhookChange, WebhookRequest};
use crate::api::{ApiError, json as reader};
use crate::ui::answer::{Answer, ok, page};
use crate::ui::composer::once;
use crate::ui::error::PageError;
use crate::ui::form::{Form, Posted};
use crate::ui::visitor::{Named, Visitor};

/// A webhook of the list.
struct Row {
    id: WebhookId,
    url: String,
    description: String,
    events: String,
    is_enabled: bool,
}

impl Row {
    fn of(webhook: &Webhook) -> Self {
        let events = match &webhook.events {
            Subscribed::All => "every event".to_owned(),
            Subscribed::To(events) => events.iter().map(|event| event.as_str()).collect::<Vec<_>>().join(", "),
        };
        Self {
            id: webhook.id,
            url: webhook.url.clone(),
            description: webhook.description.clone().unwrap_or_default(),
            events,
            is_enabled: webhook.is_enabled,
        }
    }
}

/// An event to choose.
struct EventChoice {
    name: &'static str,
    is_chosen: bool,
}

/// What a webhook is in a form.
struct Fields {
    url: String,
    description: String,
    is_all: bool,
    events: Vec<EventChoice>,
}

impl Fields {
    fn of(url: &str, description: &str, subscribed: &Subscribed) -> Self {
        let is_all = *subscribed == Subscribed::All;
        let choice =
            |event: WebhookEvent| EventChoice { name: event.as_str(), is_chosen: !is_all && subscribed.has(event) };
        let events = WebhookEvent::ALL.into_iter().map(choice).collect();
        Self { url: url.to_owned(), description: description.to_owned(), is_all, events }
    }

    fn of_form(form: &Form) -> Self {
        let chosen = form.all("event").filter_map(|name| name.parse::<WebhookEvent>().ok()).collect();
        let subscribed = if form.get("every") == "yes" { Subscribed::All } else { Subscribed::To(chosen) };
        Self::of(form.get("url"), form.get("description"), &subscribed)
    }
}

/// A webhook as a request has it.
fn request_of(form: &Form) -> Value {
    let events: Vec<&str> = if form.get("every") == "yes" { vec![EVERY] } else { form.all("event").collect() };
    let mut request = json!({"url": form.get("url").trim(), "events": events});
    if form.given("description").is_some() {
        request["description"] = clearable(form, "description");
    }
    request
}

#[derive(Template)]
#[template(path = "settings/webhooks.html")]
struct WebhooksPage {
    frame: Around,
    rows: Vec<Row>,
    fields: Fields,
    once: String,
    /// Of the webhook that was made now, or given another.
    secret: Option<String>,
}

impl WebhooksPage {
    fn of(visitor: &Visitor, frame: Around) -> Self {
        let directory = visitor.engine().directory();
        let mut webhooks: Vec<_> = directory.webhooks_of(visitor.caller().account).collect();
        webhooks.sort_by_key(|webhook| webhook.lane);
        let rows = webhooks.into_iter().map(Row::of).collect();
        Self { frame, rows, fields: Fields::of("", "", &Subscribed::All), once: once(), secret: None }
    }

    fn with_secret(visitor: &Visitor, made: &WithSecret) -> Self {
        let frame = Around::of(visitor, "webhooks");
        Self { secret: made.secret.as_ref().map(WebhookSecret::expose), ..Self::of(visitor, frame) }
    }
}

/// The list, with a form for one more.
pub(in crate::ui) async fn webhooks_page(visitor: Visitor, request: HttpRequest) -> Answer {
    admin(&visitor)?;
    let frame = Around::told(&visitor, "webhooks", &request)?;
    ok(&WebhooksPage::of(&visitor, frame))
}

async fn added(visitor: &Visitor, form: &Form) -> Result<WithSecret, ApiError> {
    let request = request_of(form).to_string();
    let mut new = reader::read::<WebhookRequest<'_>>(request.as_bytes())?.into_new()?;
    new.idempotency = form.once();
    Ok(visitor.engine().create_webhook(visitor.caller(), new).await?.into_inner())
}

/// Adds one, and shows its secret.
pub(in crate::ui) async fn add(Posted { visitor, form }: Posted) -> Answer {
    admin(&visitor)?;
    match added(&visitor, &form).await {
        Ok(made) => ok(&WebhooksPage::with_secret(&visitor, &made)),
        Err(error) => {
            let frame = Around::refused(&visitor, "webhooks", error)?;
            let (fields, once) = (Fields::of_form(&form), form.get("once").to_owned());
            let again = WebhooksPage { fields, once, ..WebhooksPage::of(&visitor, frame) };
            Ok(page(StatusCode::UNPROCESSABLE_ENTITY, &again))
        }
    }
}

#[derive(Template)]
#[template(path = "settings/webhook.html")]
struct WebhookPage {
    frame: Around,
    id: WebhookId,
    version: u32,
    is_enabled: bool,
    fields: Fields,
}

fn webhook_of(visitor: &Visitor, id: WebhookId) -> Result<&Webhook, PageError> {
    visitor.auth.directory.webhook(visitor.caller().account, id).ok_or(PageError::not_found())
}

impl WebhookPage {
    fn of(frame: Around, webhook: &Webhook) -> Self {
        let description = webhook.description.as_deref().unwrap_or_default();
        let fields = Fields::of(&webhook.url, description, &webhook.events);
        Self { frame, id: webhook.id, version: webhook.version, is_enabled: webhook.is_enabled, fields }
    }
}

/// One.
pub(in crate::ui) async fn webhook_page(visitor: Visitor, request: HttpRequest, Named(id): Named<WebhookId>) -> Answer {
    admin(&visitor)?;
    let frame = Around::told(&visitor, "webhooks", &request)?;
    ok(&WebhookPage::of(frame, webhook_of(&visitor, id)?))
}

async fn changed(visitor: &Visitor, id: WebhookId, form: &Form) -> Result<&'static str, ApiError> {
    match form.get("do") {
        "remove" => {
            visitor.engine().delete_webhook(visitor.caller(), id).await?;
            Ok("removed")
        }
        "test" => {
            visitor.engine().test_webhook(visitor.caller(), id).await?;
            Ok("tested")
        }
        _ => {
            let mut request = request_of(form);
            request["enabled"] = (form.get("enabled") == "yes").into();
            request["description"] = clearable(form, "description");
            let request = request.to_string();
            let patch = reader::read::<WebhookChange<'_>>(request.as_bytes())?.into_patch()?;
            let version = form.get("version").parse().ok();
            visitor.engine().patch_webhook(visitor.caller(), id, patch, version).await?;
            Ok("saved")
        }
    }
}

/// Changes, tries or removes one, or gives it another secret.
pub(in crate::ui) async fn change(Posted { visitor, form }: Posted, Named(id): Named<WebhookId>) -> Answer {
    admin(&visitor)?;
    let webhook = webhook_of(&visitor, id)?;
    if form.get("do") == "secret" {
        let made = visitor.engine().rotate_webhook_secret(visitor.caller(), id).await?;
        return ok(&WebhooksPage::with_secret(&visitor, &made));
    }
    let done = changed(&visitor, id, &form).await;
    after(&visitor, "webhooks", done, |frame| WebhookPage {
        fields: Fields::of_form(&form),
        ..WebhookPage::of(frame, webhook)
    })
}
