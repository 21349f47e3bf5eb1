//! Users and what they may do.

use actix_web::HttpRequest;
use askama::Template;
use sendwheel_actors::domain::directory::{Role, User};
use sendwheel_actors::domain::ids::UserId;
use serde_json::{Map, Value};

use super::around::{Around, admin, after, clearable, put_given};
use crate::api::user_request::{UserChange, UserRequest};
use crate::api::{ApiError, json as reader, passwords};
use crate::ui::answer::{Answer, ok};
use crate::ui::composer::once;
use crate::ui::error::PageError;
use crate::ui::form::{Form, Posted};
use crate::ui::visitor::{Named, Visitor, user_name};

/// The roles that somebody can give, with what they may do.
pub(super) fn roles(most: Role) -> Vec<(&'static str, &'static str)> {
    let all = [
        (Role::User, "user", "User: their own, unassigned and default senders"),
        (Role::Admin, "admin", "Admin: every sender and every setting"),
        (Role::Operator, "operator", "Operator: every account, and operations"),
    ];
    all.into_iter().filter(|(role, ..)| *role <= most).map(|(_, name, words)| (name, words)).collect()
}

const fn role_name(role: Role) -> &'static str {
    match role {
        Role::User => "user",
        Role::Admin => "admin",
        Role::Operator => "operator",
    }
}

/// A user of the list.
struct Row {
    id: UserId,
    name: String,
    email: String,
    role: &'static str,
    is_invited: bool,
    is_you: bool,
}

impl Row {
    fn of(visitor: &Visitor, user: &User) -> Self {
        Self {
            id: user.id,
            name: user_name(user),
            email: user.email.to_string(),
            role: role_name(user.role),
            is_invited: !user.has_password(),
            is_you: visitor.caller().user == Some(user.id),
        }
    }
}

#[derive(Template)]
#[template(path = "settings/users.html")]
struct UsersPage {
    frame: Around,
    rows: Vec<Row>,
    roles: Vec<(&'static str, &'static str)>,
    email: String,
    name: String,
    role: String,
    once: String,
}

impl UsersPage {
    fn of(visitor: &Visitor, frame: Around) -> Self {
        let users = visitor.auth.directory.users_of(visitor.caller().account).into_iter();
        Self {
            frame,
            rows: users.map(|user| Row::of(visitor, user)).collect(),
            roles: roles(visitor.caller().role),
            email: String::new(),
            name: String::new(),
            role: "user".into(),
            once: once(),
        }
    }
}

/// The list, with a form to invite one more.
pub(in crate::ui) async fn users_page(visitor: Visitor, request: HttpRequest) -> Answer {
    admin(&visitor)?;
    let frame = Around::told(&visitor, "users", &request)?;
    ok(&UsersPage::of(&visitor, frame))
}

async fn invited(visitor: &Visitor, form: &Form) -> Result<&'static str, ApiError> {
    let mut request = Map::new();
    put_given(&mut request, form, &["email", "name", "role"]);
    let request = Value::Object(request).to_string();
    let mut new = reader::read::<UserRequest<'_>>(request.as_bytes())?.into_new()?;
    new.idempotency = form.once();
    let _ = visitor.engine().create_user(visitor.caller(), new).await?;
    Ok("invited")
}

/// Invites one.
pub(in crate::ui) async fn invite(Posted { visitor, form }: Posted) -> Answer {
    admin(&visitor)?;
    let done = invited(&visitor, &form).await;
    after(&visitor, "users", done, |frame| {
        let [email, name, role, once] = ["email", "name", "role", "once"].map(|name| form.get(name).to_owned());
        UsersPage { email, name, role, once, ..UsersPage::of(&visitor, frame) }
    })
}

#[derive(Template)]
#[template(path = "settings/user.html")]
struct UserPage {
    frame: Around,
    row: Row,
    version: u32,
    roles: Vec<(&'static str, &'static str)>,
    name: String,
}

impl UserPage {
    fn of(visitor: &Visitor, frame: Around, user: &User) -> Self {
        let (row, roles) = (Row::of(visitor, user), roles(visitor.caller().role));
        Self { frame, row, version: user.version, roles, name: user.name.clone().unwrap_or_default() }
    }
}

fn user_of(visitor: &Visitor, id: UserId) -> Result<&User, PageError> {
    let user = visitor.auth.directory.user(id).filter(|user| user.account == visitor.caller().account);
    user.ok_or(PageError::not_found())
}

/// One.
pub(in crate::ui) async fn user_page(visitor: Visitor, request: HttpRequest, Named(id): Named<UserId>) -> Answer {
    admin(&visitor)?;
    let frame = Around::told(&visitor, "users", &request)?;
    ok(&UserPage::of(&visitor, frame, user_of(&visitor, id)?))
}

async fn changed(visitor: &Visitor, id: UserId, form: &Form) -> Result<&'static str, ApiError> {
    match form.get("do") {
        "remove" => visitor.engine().delete_user(visitor.caller(), id).await.map(|()| "removed").map_err(Into::into),
        "invite" => passwords::invited(&visitor.auth, visitor.engine(), id).await.map(|()| "invited"),
        _ => {
            let mut request = Map::new();
            request.insert("name".into(), clearable(form, "name"));
            put_given(&mut request, form, &["role"]);
            let request = Value::Object(request).to_string();
            let patch = reader::read::<UserChange<'_>>(request.as_bytes())?.into_patch()?;
            let version = form.get("version").parse().ok();
            visitor.engine().patch_user(visitor.caller(), id, patch, version, visitor.auth.session).await?;
            Ok("saved")
        }
    }
}

/// Changes, removes, or invites one again.
pub(in crate::ui) async fn change(Posted { visitor, form }: Posted, Named(id): Named<UserId>) -> Answer {
    admin(&visitor)?;
    let user = user_of(&visitor, id)?;
    let done = changed(&visitor, id, &form).await;
    after(&visitor, "users", done, |frame| UserPage {
        name: form.get("name").to_owned(),
        ..UserPage::of(&visitor, frame, user)
    })
}
