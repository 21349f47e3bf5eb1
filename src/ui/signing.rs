//! The way in and out.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde_json::json;

use super::answer::{Answer, ok, page, see};
use super::assets::{Paths, paths};
use super::error::words;
use super::form::Form;
use crate::api::auth::Authenticated;
use crate::api::{ApiError, Shared, sessions};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage<'a> {
    assets: &'static Paths,
    email: &'a str,
    next: &'a str,
    wrong: Option<String>,
}

/// Where to go on: only to a page of ours. `//host` and `/\host` lead elsewhere.
fn safe_next(text: &str) -> &str {
    let is_ours = text.starts_with('/') && !text.starts_with("//") && !text.contains(['\\', '\r', '\n', '\t']);
    if is_ours { text } else { "/" }
}

/// The page.
pub(super) async fn sign_in_page(request: HttpRequest) -> Answer {
    let mut query = url::form_urlencoded::parse(request.query_string().as_bytes());
    let next = query.find(|(name, _)| name == "next").map(|(_, value)| value.into_owned()).unwrap_or_default();
    let next = safe_next(&next);
    if Authenticated::of_page(&request).is_ok() {
        return Ok(see(next));
    }
    ok(&SignInPage { assets: paths(), email: "", next, wrong: None })
}

/// Signs in.
pub(super) async fn sign_in(shared: web::Data<Shared>, request: HttpRequest, mut payload: web::Payload) -> Answer {
    let form = Form::read(&shared, &request, &mut payload).await?;
    let body = json!({"email": form.get("email"), "password": form.get("password")});
    let next = safe_next(form.get("next"));
    match sessions::begin(&shared, &request, body.to_string().as_bytes()).await {
        Ok(signed_in) => {
            let mut response = see(next);
            let cookie = shared.cookie.begin(&signed_in.token, shared.state.engine.session_lifetime());
            response.add_cookie(&cookie).expect("a token is a cookie's value");
            Ok(response)
        }
        Err(error) => {
            let status = match &error {
                ApiError::WrongCredentials => StatusCode::UNAUTHORIZED,
                error => actix_web::ResponseError::status_code(error),
            };
            let (email, wrong) = (form.get("email"), Some(words(&error)));
            Ok(page(status, &SignInPage { assets: paths(), email, next, wrong }))
        }
    }
}

/// Signs out.
pub(super) async fn sign_out(shared: web::Data<Shared>, request: HttpRequest, payload: web::Payload) -> Answer {
    let (visitor, _) = Form::of_visitor(&shared, &request, payload).await?;
    sessions::end_current(&shared, &visitor.auth).await?;
    let mut response: HttpResponse = see("/sign-in");
    response.add_cookie(&shared.cookie.end()).expect("an empty cookie is one");
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_s_page_after_signing_in() {
        assert_eq!(safe_next("/contacts/contact_1?filter=mine"), "/contacts/contact_1?filter=mine");
        for elsewhere in ["//evil.example", "/\\evil.example", "https://evil.example", "evil", "", "/a\r\nb"] {
            assert_eq!(safe_next(elsewhere), "/", "{elsewhere}");
        }
    }
}
