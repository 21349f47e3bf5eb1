//! What stands around every page of the settings, what their forms share, and who may see them.

use std::ops::Deref;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use askama::Template;
use sendwheel_actors::domain::directory::Role;
use serde_json::{Map, Value};

use crate::api::ApiError;
use crate::api::auth::require;
use crate::api::paging::Query;
use crate::ui::answer::{Answer, page, see};
use crate::ui::error::{PageError, faults_of};
use crate::ui::form::Form;
use crate::ui::visitor::{Frame, Visitor};

/// What stands around a page of the settings.
pub(super) struct Around {
    frame: Frame,
    pub(super) tab: &'static str,
    pub(super) is_admin: bool,
    pub(super) told: Option<&'static str>,
    pub(super) wrong: Vec<String>,
}

impl Deref for Around {
    type Target = Frame;

    fn deref(&self) -> &Frame {
        &self.frame
    }
}

/// What is told after a change, by the word in the address.
const TOLD: [(&str, &str); 8] = [
    ("saved", "Saved."),
    ("added", "Added."),
    ("removed", "Removed."),
    ("invited", "Invited: the mail with the link is on its way."),
    ("revoked", "Revoked: it is refused from now on."),
    ("tested", "A notice is on its way to it."),
    ("paused", "Paused: what is due from it waits."),
    ("resumed", "Resumed."),
];

impl Around {
    pub(super) fn of(visitor: &Visitor, tab: &'static str) -> Self {
        let is_admin = visitor.caller().role >= Role::Admin;
        Self { frame: visitor.frame("settings"), tab, is_admin, told: None, wrong: Vec::new() }
    }

    /// With what an address tells.
    pub(super) fn told(visitor: &Visitor, tab: &'static str, request: &HttpRequest) -> Result<Self, PageError> {
        let mut query = Query::of(request, &["told"]);
        let word = query.take("told");
        query.finish()?;
        let told = word.and_then(|word| TOLD.iter().find(|(name, _)| *name == word)).map(|(_, text)| *text);
        Ok(Self { told, ..Self::of(visitor, tab) })
    }

    /// With what is wrong about a form.
    pub(super) fn refused(visitor: &Visitor, tab: &'static str, error: ApiError) -> Result<Self, PageError> {
        let wrong = faults_of(error, "this", &FIELDS)?;
        Ok(Self { wrong, ..Self::of(visitor, tab) })
    }
}

/// On to the list with a word of what was done; else once more what was typed, with what is wrong about it.
pub(super) fn after<T: Template>(
    visitor: &Visitor,
    tab: &'static str,
    done: Result<&'static str, ApiError>,
    again: impl FnOnce(Around) -> T,
) -> Answer {
    match done {
        Ok(told) => Ok(see(&format!("/settings/{tab}?told={told}"))),
        Err(error) => {
            let frame = Around::refused(visitor, tab, error)?;
            Ok(page(StatusCode::UNPROCESSABLE_ENTITY, &again(frame)))
        }
    }
}

/// What fields of requests are called here.
const FIELDS: [(&str, &str); 20] = [
    ("name", "Name"),
    ("subject", "Subject"),
    ("body", "Message"),
    ("html", "HTML"),
    ("email", "Email"),
    ("role", "Role"),
    ("password", "New password"),
    ("current_password", "Password until now"),
    ("address", "Address"),
    ("channel", "Channel"),
    ("label", "Label"),
    ("assigned_user", "Assigned to"),
    ("limits", "Limit"),
    ("country", "Country"),
    ("url", "URL"),
    ("events", "Events"),
    ("time_zone", "Time zone"),
    ("alert_emails", "Alerts"),
    ("quiet_hours", "Quiet hours"),
    ("holidays", "Holidays"),
];

/// Only admins go on.
pub(super) fn admin(visitor: &Visitor) -> Result<(), PageError> {
    require(Role::Admin, &visitor.auth)?;
    Ok(())
}

/// A field that may be cleared: `null` when it is empty.
pub(super) fn clearable(form: &Form, name: &str) -> Value {
    form.given(name).map_or(Value::Null, Value::from)
}

/// A number as a request has it; what is none stays a text, which its reader refuses.
pub(super) fn number(text: &str) -> Value {
    text.parse::<u32>().map_or_else(|_| Value::from(text), Value::from)
}

/// Puts the fields that are given into a request.
pub(super) fn put_given(request: &mut Map<String, Value>, form: &Form, names: &[&str]) {
    for name in names {
        if let Some(value) = form.given(name) {
            request.insert((*name).to_owned(), value.into());
        }
    }
}
