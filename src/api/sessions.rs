//! `/v1/sessions`: signing in with a password and out again. The answer to a sign-in sets the cookie and tells
//! the token that our pages send along with whatever changes something.

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use sendwheel_actors::domain::ids::SessionId;
use sendwheel_actors::engine::people::{SignIn, SignInOutcome, SignedIn};
use serde::Serialize;
use utoipa::ToSchema;

use super::answers::{Answer, ListOf, PathId, json as answer_json, ok};
use super::auth::Authenticated;
use super::cookie::Asker;
use super::error::ApiError;
use super::json;
use super::origin::origin_of;
use super::paging::Query;
use super::routes::Shared;
use super::user_request::SignInRequest;
use super::user_view::{SessionView, UserView};

/// A sign-in that worked. The session itself is in the cookie.
#[derive(Serialize, ToSchema)]
#[schema(as = SignedIn)]
pub(crate) struct SignedInView<'a> {
    /// What pages send in `X-CSRF-Token` with whatever changes something.
    csrf_token: String,
    session: SessionView<'a>,
    user: UserView<'a>,
}

/// Signs in. After ten wrong passwords for one address, or from one, within a quarter of an hour: 429.
#[utoipa::path(post, path = "/v1/sessions", tag = "sessions", request_body = SignInRequest,
    responses((status = 201, body = SignedInView, headers(("Set-Cookie" = String, description = "The session")))))]
pub(crate) async fn sign_in(shared: web::Data<Shared>, request: HttpRequest, mut payload: web::Payload) -> Answer {
    let body = shared.json(&request, &mut payload).await?;
    let signed_in = begin(&shared, &request, &body.bytes).await?;
    let engine = &shared.state.engine;
    let directory = engine.directory();
    let view = SignedInView {
        csrf_token: engine.csrf_token(&signed_in.session),
        session: SessionView::of(&signed_in.session, &directory, engine, Some(signed_in.session.id)),
        user: UserView::of(&signed_in.user, &directory),
    };
    let mut response = answer_json(StatusCode::CREATED, &view);
    let cookie = shared.cookie.begin(&signed_in.token, engine.session_lifetime());
    response.add_cookie(&cookie).expect("a token is a cookie's value");
    Ok(response)
}

/// Begins a session by what the body (a sign-in as JSON) says.
pub(crate) async fn begin(shared: &Shared, request: &HttpRequest, body: &[u8]) -> Result<Box<SignedIn>, ApiError> {
    // Somebody else's page must not sign a person in as somebody else. A program has no page.
    if shared.cookie.asker(request.headers()) == Asker::Others {
        return Err(ApiError::forbidden("csrf", "sign in on this installation's own pages"));
    }
    let (email, password) = json::read::<SignInRequest<'_>>(body)?.read()?;
    let user_agent = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    let origin = origin_of(request, &shared.state.settings.trusted_proxies);
    let engine = &shared.state.engine;
    let sign_in = SignIn { email, password, origin, user_agent: user_agent.map(str::to_owned) };
    match engine.sign_in(sign_in).await? {
        SignInOutcome::Welcome(signed_in) => Ok(signed_in),
        SignInOutcome::Refused => Err(ApiError::WrongCredentials),
        SignInOutcome::Suspended => {
            Err(ApiError::forbidden("account_suspended", "the account is suspended: ask the operator"))
        }
    }
}

/// The caller's sessions, oldest first. A key has none.
#[utoipa::path(get, path = "/v1/sessions", tag = "sessions", responses((status = 200, body = ListOf<SessionView>)))]
pub(crate) async fn list_sessions(auth: Authenticated, shared: web::Data<Shared>, request: HttpRequest) -> Answer {
    Query::of(&request, &[]).finish()?;
    let engine = &shared.state.engine;
    let now = engine.clock().now();
    let sessions = auth.caller.user.into_iter().flat_map(|user| auth.directory.sessions_of(user));
    let live = sessions.filter(|session| engine.session_ends_at(&auth.directory, session) > now);
    let data = live.map(|session| SessionView::of(session, &auth.directory, engine, auth.session)).collect();
    Ok(ok(&ListOf { data, next_cursor: None }))
}

/// Signs out: ends the session of this request, and its cookie.
#[utoipa::path(delete, path = "/v1/sessions/current", tag = "sessions",
    responses((status = 204, description = "Signed out")))]
pub(crate) async fn sign_out(auth: Authenticated, shared: web::Data<Shared>, request: HttpRequest) -> Answer {
    Query::of(&request, &[]).finish()?;
    end_current(&shared, &auth).await?;
    Ok(HttpResponse::NoContent().cookie(shared.cookie.end()).finish())
}

/// Ends the session that somebody came with.
pub(crate) async fn end_current(shared: &Shared, auth: &Authenticated) -> Result<(), ApiError> {
    let (Some(user), Some(session)) = (auth.caller.user, auth.session) else { return Err(ApiError::not_found()) };
    Ok(shared.state.engine.end_session(&auth.caller, user, session).await?)
}

/// Ends a session of the caller, wherever it is.
#[utoipa::path(delete, path = "/v1/sessions/{id}", tag = "sessions", params(("id" = String, Path)),
    responses((status = 204, description = "Ended")))]
pub(crate) async fn end_session(
    auth: Authenticated,
    shared: web::Data<Shared>,
    request: HttpRequest,
    PathId(id): PathId<SessionId>,
) -> Answer {
    Query::of(&request, &[]).finish()?;
    let user = auth.caller.user.ok_or(ApiError::not_found())?;
    shared.state.engine.end_session(&auth.caller, user, id).await?;
    Ok(HttpResponse::NoContent().finish())
}
