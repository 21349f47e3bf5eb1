//! One's own name and password.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use askama::Template;
use sendwheel_actors::domain::directory::User;
use serde_json::json;

use super::around::{Around, clearable};
use crate::api::ApiError;
use crate::api::json as reader;
use crate::api::user_request::UserChange;
use crate::ui::answer::{Answer, ok, page, see};
use crate::ui::error::PageError;
use crate::ui::form::{Form, Posted};
use crate::ui::visitor::Visitor;

#[derive(Template)]
#[template(path = "settings/you.html")]
struct YouPage {
    frame: Around,
    email: String,
    name: String,
}

fn user(visitor: &Visitor) -> Result<&User, PageError> {
    let user = visitor.caller().user.and_then(|id| visitor.auth.directory.user(id));
    user.ok_or(PageError::not_found())
}

/// The page.
pub(in crate::ui) async fn you_page(visitor: Visitor, request: HttpRequest) -> Answer {
    let (frame, user) = (Around::told(&visitor, "you", &request)?, user(&visitor)?);
    let (email, name) = (user.email.to_string(), user.name.clone().unwrap_or_default());
    ok(&YouPage { frame, email, name })
}

async fn changed(visitor: &Visitor, form: &Form) -> Result<(), ApiError> {
    let request = match form.get("do") {
        "password" => json!({"password": form.get("password"), "current_password": form.get("current_password")}),
        _ => json!({"name": clearable(form, "name")}),
    };
    let request = request.to_string();
    let patch = reader::read::<UserChange<'_>>(request.as_bytes())?.into_patch()?;
    let id = visitor.caller().user.ok_or(ApiError::not_found())?;
    visitor.engine().patch_user(visitor.caller(), id, patch, None, visitor.auth.session).await?;
    Ok(())
}

/// Changes the name or the password.
pub(in crate::ui) async fn change(Posted { visitor, form }: Posted) -> Answer {
    match changed(&visitor, &form).await {
        Ok(()) => Ok(see("/settings?told=saved")),
        Err(error) => {
            let (frame, email) = (Around::refused(&visitor, "you", error)?, user(&visitor)?.email.to_string());
            let name = form.given("name").map(str::to_owned);
            let name = name.or_else(|| user(&visitor).ok()?.name.clone()).unwrap_or_default();
            Ok(page(StatusCode::UNPROCESSABLE_ENTITY, &YouPage { frame, email, name }))
        }
    }
}
