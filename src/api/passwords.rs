//! Passwords that are chosen with a link from a mail: by invited users, and by those who forgot theirs.
//!
//! The token in the link is as good as a password for as long as it lasts: it is neither logged nor shown, and the
//! page that it opens tells nobody whose it is.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use sendwheel_actors::domain::address::EmailAddress;
use sendwheel_actors::domain::ids::UserId;
use sendwheel_actors::domain::password::Password;
use sendwheel_actors::engine::Engine;
use sendwheel_actors::engine::api::EngineError;

use super::answers::{Answer, PathId};
use super::auth::{Admin, Authenticated};
use super::body;
use super::error::ApiError;
use super::json;
use super::origin::origin_of;
use super::page::page_with;
use super::paging::Query;
use super::routes::Shared;
use super::user_request::{ChosenPassword, ForgottenPassword};

/// Bytes of a form with one password: a character may take four bytes, and each of them three.
const FORM_BYTES: usize = 16 * 1024;

/// Asks for a mail with a link to choose another password. The answer is the same whether there is such a user.
#[utoipa::path(post, path = "/v1/password-resets", tag = "sessions", request_body = ForgottenPassword,
    responses((status = 202, description = "If there is such a user, a mail is on its way")))]
pub(crate) async fn forgot_password(
    shared: web::Data<Shared>,
    request: HttpRequest,
    mut payload: web::Payload,
) -> Answer {
    let body = shared.json(&request, &mut payload).await?;
    let email = json::read::<ForgottenPassword<'_>>(&body.bytes)?.read()?;
    let engine = shared.state.engine.clone();
    // Not before the answer: it would take longer for a user who exists.
    actix_web::rt::spawn(async move {
        if let Ok(email) = EmailAddress::parse(email.trim()) {
            engine.forgot_password(&email).await;
        }
    });
    Ok(HttpResponse::Accepted().finish())
}

/// Chooses a password with the token of a link (its last part). It ends the user's sessions.
#[utoipa::path(post, path = "/v1/passwords", tag = "sessions", request_body = ChosenPassword,
    responses((status = 204, description = "Chosen: sign in with it")))]
pub(crate) async fn choose_password(
    shared: web::Data<Shared>,
    request: HttpRequest,
    mut payload: web::Payload,
) -> Answer {
    let body = shared.json(&request, &mut payload).await?;
    let (token, password) = json::read::<ChosenPassword<'_>>(&body.bytes)?.read()?;
    let origin = origin_of(&request, &shared.state.settings.trusted_proxies);
    shared.state.engine.choose_password(&token, &password, origin).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Sends an invited user another link. Asked again within ten minutes, it is the same mail.
#[utoipa::path(post, path = "/v1/users/{id}/invite", tag = "users", params(("id" = String, Path)),
    responses((status = 202, description = "The mail is on its way")))]
pub(crate) async fn invite_user(
    Admin(auth): Admin,
    shared: web::Data<Shared>,
    request: HttpRequest,
    PathId(id): PathId<UserId>,
) -> Answer {
    Query::of(&request, &[]).finish()?;
    invited(&auth, &shared.state.engine, id).await?;
    Ok(HttpResponse::Accepted().finish())
}

/// Invites a user of the caller's account, who is an admin.
pub(crate) async fn invited(auth: &Authenticated, engine: &Engine, id: UserId) -> Result<(), ApiError> {
    let user = auth.directory.user(id).filter(|user| user.account == auth.caller.account);
    let user = user.ok_or(ApiError::not_found())?;
    if auth.caller.test {
        return Err(ApiError::forbidden("test_key", "a test key invites nobody: use a live key"));
    }
    if user.role > auth.caller.role {
        return Err(ApiError::forbidden("role_too_high", "this user has more rights than you"));
    }
    Ok(engine.invite(user).await?)
}

/// The form, with what was wrong: a refusal's text, which is ours and has nothing of the password in it.
fn form(status: StatusCode, wrong: Option<&str>) -> HttpResponse {
    let wrong = wrong.map_or_else(String::new, |text| format!("<p class=\"wrong\" role=\"alert\">{text}</p>\n"));
    let (least, most) = (Password::MIN_CHARS, Password::MAX_CHARS);
    let body = format!(
        "{wrong}<form method=\"post\">\n<label for=\"password\">New password</label>\n\
         <input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"new-password\" required \
         minlength=\"{least}\" maxlength=\"{most}\">\n<p>At least {least} characters: a sentence is easy to remember.</p>\n\
         <button type=\"submit\">Set password</button>\n</form>"
    );
    page_with(status, "Choose your password", &body)
}

fn over() -> HttpResponse {
    page_with(
        StatusCode::NOT_FOUND,
        "This link does not work",
        "<p>It is incomplete, was used already, or is too old. Ask for a new one.</p>",
    )
}

/// The page behind the link.
#[utoipa::path(get, path = "/password/{token}", tag = "sessions", params(("token" = String, Path)),
    responses((status = 200, body = String, content_type = "text/html"), (status = 404, description = "The link is over")))]
pub(crate) async fn password_page(shared: web::Data<Shared>, request: HttpRequest) -> HttpResponse {
    let token = request.match_info().get("token").unwrap_or_default();
    if shared.state.engine.is_password_link(token) { form(StatusCode::OK, None) } else { over() }
}

/// What the page posts.
#[utoipa::path(post, path = "/password/{token}", tag = "sessions", params(("token" = String, Path)),
    request_body(content = String, content_type = "application/x-www-form-urlencoded", description = "`password=…`"),
    responses((status = 200, body = String, content_type = "text/html"), (status = 404, description = "The link is over"),
        (status = 422, description = "Not a password: the page says why")))]
pub(crate) async fn set_password(
    shared: web::Data<Shared>,
    request: HttpRequest,
    mut payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let body = body::read(&request, &mut payload, FORM_BYTES, &shared.large, &shared.state.settings).await?;
    let engine = &shared.state.engine;
    let token = request.match_info().get("token").unwrap_or_default();
    if !engine.is_password_link(token) {
        return Ok(over());
    }
    let is_form = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !is_form.is_some_and(|kind| kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded")) {
        return Err(ApiError::UnsupportedMediaType("application/x-www-form-urlencoded"));
    }
    let field = url::form_urlencoded::parse(&body.bytes).find(|(name, _)| name == "password");
    let text = field.map(|(_, value)| value).unwrap_or_default();
    let wrong = |text: &str| Ok(form(StatusCode::UNPROCESSABLE_ENTITY, Some(text)));
    let password = match Password::parse(&text) {
        Ok(password) => password,
        Err(error) => return wrong(&error.to_string()),
    };
    let origin = origin_of(&request, &shared.state.settings.trusted_proxies);
    match engine.choose_password(token, &password, origin).await {
        Ok(()) => Ok(page_with(StatusCode::OK, "Your password is set", "<p>You can sign in with it now.</p>")),
        Err(EngineError::Invalid(errors)) => match errors.first() {
            Some(error) if error.pointer == "/password" => wrong(&error.detail),
            _ => Ok(over()),
        },
        Err(error) => Err(error.into()),
    }
}
