//! Senders and their limits.

use actix_web::HttpRequest;
use askama::Template;
use sendwheel_actors::domain::directory::{Limit, Sender};
use sendwheel_actors::domain::ids::SenderId;
use serde_json::{Map, Value, json};

use super::around::{Around, admin, after, clearable, number, put_given};
use crate::api::sender_request::{SenderChange, SenderRequest};
use crate::api::times::show_duration;
use crate::api::{ApiError, json as reader};
use crate::ui::answer::{Answer, ok};
use crate::ui::composer::once;
use crate::ui::entry::channel_name;
use crate::ui::error::PageError;
use crate::ui::form::{Form, Posted};
use crate::ui::visitor::{Named, Visitor, user_name};

/// A sender of the list.
struct Row {
    id: SenderId,
    address: String,
    label: String,
    channel: &'static str,
    limit: String,
    user: String,
    is_default: bool,
    paused: bool,
}

fn limit_words(sender: &Sender) -> String {
    let limit = |limit: &Limit| format!("{} in {}, {} at once", limit.rate, show_duration(limit.per), limit.burst);
    match (&sender.limit, sender.channel().name()) {
        (Some(own), _) => limit(own),
        (None, "sms") => limit(&Limit::LONG_CODE),
        (None, _) => "none".into(),
    }
}

impl Row {
    fn of(visitor: &Visitor, sender: &Sender) -> Self {
        let user = sender.assigned_user.and_then(|id| visitor.auth.directory.user(id));
        Self {
            id: sender.id,
            address: sender.address.to_string(),
            label: sender.label.clone().unwrap_or_default(),
            channel: channel_name(sender.channel()),
            limit: limit_words(sender),
            user: user.map_or_else(|| "everybody".into(), user_name),
            is_default: sender.is_default,
            paused: sender.paused,
        }
    }
}

#[derive(Template)]
#[template(path = "settings/senders.html")]
struct SendersPage {
    frame: Around,
    rows: Vec<Row>,
    address: String,
    label: String,
    is_email: bool,
    once: String,
}

impl SendersPage {
    fn of(visitor: &Visitor, frame: Around) -> Self {
        let senders = visitor.auth.directory.senders_of(visitor.caller().account);
        let rows = senders.map(|sender| Row::of(visitor, sender)).collect();
        Self { frame, rows, address: String::new(), label: String::new(), is_email: false, once: once() }
    }
}

/// The list, with a form for one more.
pub(in crate::ui) async fn senders_page(visitor: Visitor, request: HttpRequest) -> Answer {
    admin(&visitor)?;
    let frame = Around::told(&visitor, "senders", &request)?;
    ok(&SendersPage::of(&visitor, frame))
}

async fn added(visitor: &Visitor, form: &Form) -> Result<&'static str, ApiError> {
    let mut request = Map::new();
    put_given(&mut request, form, &["channel", "address", "label"]);
    let request = Value::Object(request).to_string();
    let mut new = reader::read::<SenderRequest<'_>>(request.as_bytes())?.into_new()?;
    new.idempotency = form.once();
    let _ = visitor.engine().create_sender(visitor.caller(), new).await?;
    Ok("added")
}

/// Adds one.
pub(in crate::ui) async fn add(Posted { visitor, form }: Posted) -> Answer {
    admin(&visitor)?;
    let done = added(&visitor, &form).await;
    after(&visitor, "senders", done, |frame| {
        let [address, label, once] = ["address", "label", "once"].map(|name| form.get(name).to_owned());
        let is_email = form.get("channel") == "email";
        SendersPage { address, label, is_email, once, ..SendersPage::of(&visitor, frame) }
    })
}

/// A user to whom a sender can be assigned.
struct UserChoice {
    id: String,
    name: String,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "settings/sender.html")]
struct SenderPage {
    frame: Around,
    row: Row,
    version: u32,
    users: Vec<UserChoice>,
    country: String,
    rate: String,
    per: String,
    burst: String,
}

fn sender_of(visitor: &Visitor, id: SenderId) -> Result<&Sender, PageError> {
    let sender = visitor.auth.directory.sender(id).filter(|sender| sender.account == visitor.caller().account);
    sender.ok_or(PageError::not_found())
}

impl SenderPage {
    fn of(visitor: &Visitor, frame: Around, sender: &Sender) -> Self {
        let users = visitor.auth.directory.users_of(visitor.caller().account).into_iter();
        let limit = |part: fn(&Limit) -> String| sender.limit.as_ref().map(part).unwrap_or_default();
        Self {
            frame,
            row: Row::of(visitor, sender),
            version: sender.version,
            users: users
                .map(|user| UserChoice {
                    id: user.id.to_string(),
                    name: user_name(user),
                    is_chosen: sender.assigned_user == Some(user.id),
                })
                .collect(),
            country: sender.country.clone().unwrap_or_default(),
            rate: limit(|limit| limit.rate.to_string()),
            per: limit(|limit| show_duration(limit.per)),
            burst: limit(|limit| limit.burst.to_string()),
        }
    }
}

/// One, with everything that can be set.
pub(in crate::ui) async fn sender_page(visitor: Visitor, request: HttpRequest, Named(id): Named<SenderId>) -> Answer {
    admin(&visitor)?;
    let frame = Around::told(&visitor, "senders", &request)?;
    ok(&SenderPage::of(&visitor, frame, sender_of(&visitor, id)?))
}

/// A change as a request has it.
fn request_of(form: &Form) -> Value {
    let limits = match form.given("rate") {
        None => Value::Null,
        Some(rate) => {
            let mut limits = json!({"rate": number(rate)});
            if let Some(per) = form.given("per") {
                limits["per"] = per.into();
            }
            if let Some(burst) = form.given("burst") {
                limits["burst"] = number(burst);
            }
            limits
        }
    };
    let mut request = json!({
        "label": clearable(form, "label"), "assigned_user": clearable(form, "assigned_user"),
        "country": clearable(form, "country"), "limits": limits, "paused": form.get("paused") == "yes",
    });
    if form.get("is_default") == "yes" {
        request["is_default"] = true.into();
    }
    request
}

async fn changed(visitor: &Visitor, id: SenderId, form: &Form) -> Result<&'static str, ApiError> {
    if form.get("do") == "remove" {
        visitor.engine().delete_sender(visitor.caller(), id).await?;
        return Ok("removed");
    }
    let request = request_of(form).to_string();
    let patch = reader::read::<SenderChange<'_>>(request.as_bytes())?.into_patch()?;
    let version = form.get("version").parse().ok();
    visitor.engine().patch_sender(visitor.caller(), id, patch, version).await?;
    Ok("saved")
}

/// Changes or removes one.
pub(in crate::ui) async fn change(Posted { visitor, form }: Posted, Named(id): Named<SenderId>) -> Answer {
    admin(&visitor)?;
    let sender = sender_of(&visitor, id)?;
    let done = changed(&visitor, id, &form).await;
    after(&visitor, "senders", done, |frame| {
        let [country, rate, per, burst] = ["country", "rate", "per", "burst"].map(|name| form.get(name).to_owned());
        let mut again = SenderPage { country, rate, per, burst, ..SenderPage::of(&visitor, frame, sender) };
        form.get("label").clone_into(&mut again.row.label);
        again
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_of_a_sender_clears_what_is_left_empty() {
        let fields = [("label", "Desk"), ("rate", "10"), ("per", "1m"), ("burst", "x"), ("paused", "yes")];
        let form = Form::of(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect());
        assert_eq!(
            request_of(&form),
            json!({"label": "Desk", "assigned_user": null, "country": null, "paused": true,
                "limits": {"rate": 10, "per": "1m", "burst": "x"}})
        );
        assert_eq!(request_of(&Form::of(Vec::new()))["limits"], Value::Null);
    }
}
