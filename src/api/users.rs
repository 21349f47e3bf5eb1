//! `/v1/users`: admins make, change and remove them; everyone sees themselves and changes their own name and
//! password.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::directory::Role;
use sendwheel_actors::domain::ids::{AccountId, UserId};
use serde::Serialize;
use utoipa::ToSchema;

use super::answers::{Answer, ListOf, PathId, created_status, located, ok, resource};
use super::auth::{Admin, Authenticated};
use super::body;
use super::contact_view::as_text_or_null;
use super::error::ApiError;
use super::json;
use super::paging::{Query, page_of};
use super::routes::Shared;
use super::user_request::{UserChange, UserRequest};
use super::user_view::{SessionView, UserView};

/// The signed-in user.
#[derive(Serialize, ToSchema)]
pub(crate) struct Me<'a> {
    #[serde(flatten)]
    user: UserView<'a>,
    /// The account that they act in.
    #[serde(serialize_with = "as_text_or_null")]
    #[schema(value_type = Option<String>)]
    account_id: Option<AccountId>,
    /// What the pages of this session send in `X-CSRF-Token` with whatever changes something.
    csrf_token: Option<String>,
    session: Option<SessionView<'a>>,
}

/// Makes a user.
#[utoipa::path(post, path = "/v1/users", tag = "users", request_body = UserRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Names this request: a repetition finds what it made; the password is not compared")),
    responses((status = 201, body = UserView), (status = 200, body = UserView, description = "Made earlier by the same request")))]
pub(crate) async fn create_user(
    Admin(auth): Admin,
    shared: web::Data<Shared>,
    request: HttpRequest,
    mut payload: web::Payload,
) -> Answer {
    let body = shared.json(&request, &mut payload).await?;
    let mut new = json::read::<UserRequest<'_>>(&body.bytes)?.into_new()?;
    new.idempotency = body::idempotency_without(&request, &body.bytes, &["password"])?;
    let (status, user) = created_status(shared.state.engine.create_user(&auth.caller, new).await?);
    Ok(located(resource(status, user.version, &UserView::of(&user, &auth.directory)), format!("/v1/users/{}", user.id)))
}

/// The cursor of a user: their place in the order of creation.
fn read_cursor(text: &str) -> Option<(UnixMs, UserId)> {
    let (at, id) = text.split_once('.')?;
    Some((UnixMs(at.parse().ok()?), id.parse().ok()?))
}

/// The account's users, oldest first.
#[utoipa::path(get, path = "/v1/users", tag = "users",
    params(("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1, description = "Items of a page: default 50, at most 500")),
    responses((status = 200, body = ListOf<UserView>)))]
pub(crate) async fn list_users(Admin(auth): Admin, request: HttpRequest) -> Answer {
    let mut query = Query::of(&request, &["cursor", "limit"]);
    let page = query.page();
    query.finish()?;
    let users = auth.directory.users_of(auth.caller.account);
    let (users, next_cursor) = page_of(
        users.into_iter(),
        &page,
        |user| (user.created_at, user.id),
        read_cursor,
        |(at, id)| format!("{}.{id}", at.0),
    )?;
    Ok(ok(&ListOf { data: users.into_iter().map(|user| UserView::of(user, &auth.directory)).collect(), next_cursor }))
}

/// The signed-in user, with the token that their pages need. A key is no user: 404.
#[utoipa::path(get, path = "/v1/users/me", tag = "users", responses((status = 200, body = Me)))]
pub(crate) async fn get_me(auth: Authenticated, shared: web::Data<Shared>, request: HttpRequest) -> Answer {
    Query::of(&request, &[]).finish()?;
    let engine = &shared.state.engine;
    let user = auth.caller.user.and_then(|id| auth.directory.user(id)).ok_or(ApiError::not_found())?;
    let session = auth.session();
    let me = Me {
        user: UserView::of(user, &auth.directory),
        account_id: auth.directory.account(auth.caller.account).map(|account| account.id),
        csrf_token: session.map(|session| engine.csrf_token(session)),
        session: session.map(|session| SessionView::of(session, &auth.directory, engine, auth.session)),
    };
    Ok(resource(StatusCode::OK, user.version, &me))
}

/// One user: for admins, and for the user themselves.
#[utoipa::path(get, path = "/v1/users/{id}", tag = "users", params(("id" = String, Path)),
    responses((status = 200, body = UserView)))]
pub(crate) async fn get_user(auth: Authenticated, request: HttpRequest, PathId(id): PathId<UserId>) -> Answer {
    Query::of(&request, &[]).finish()?;
    let user = auth.directory.user(id).filter(|user| user.account == auth.caller.account);
    let user = user.ok_or(ApiError::not_found())?;
    if auth.caller.role < Role::Admin && auth.caller.user != Some(id) {
        return Err(ApiError::forbidden("admin_required", "only an admin sees other users"));
    }
    Ok(resource(StatusCode::OK, user.version, &UserView::of(user, &auth.directory)))
}

/// Changes a user: what is left out stays as it is. Users change their own name and password, admins all.
#[utoipa::path(patch, path = "/v1/users/{id}", tag = "users", request_body = UserChange,
    params(("id" = String, Path), ("If-Match" = Option<String>, Header, description = "The version that is to be changed")),
    responses((status = 200, body = UserView)))]
pub(crate) async fn patch_user(
    auth: Authenticated,
    shared: web::Data<Shared>,
    request: HttpRequest,
    PathId(id): PathId<UserId>,
    mut payload: web::Payload,
) -> Answer {
    let if_match = body::if_match(&request)?;
    let body = shared.json(&request, &mut payload).await?;
    let patch = json::read::<UserChange<'_>>(&body.bytes)?.into_patch()?;
    let user = shared.state.engine.patch_user(&auth.caller, id, patch, if_match, auth.session).await?;
    Ok(resource(StatusCode::OK, user.version, &UserView::of(&user, &auth.directory)))
}

/// Removes a user. Their sessions end, their senders are free, their messages go on as the account's.
#[utoipa::path(delete, path = "/v1/users/{id}", tag = "users", params(("id" = String, Path)),
    responses((status = 204, description = "Removed")))]
pub(crate) async fn delete_user(
    Admin(auth): Admin,
    shared: web::Data<Shared>,
    request: HttpRequest,
    PathId(id): PathId<UserId>,
) -> Answer {
    Query::of(&request, &[]).finish()?;
    shared.state.engine.delete_user(&auth.caller, id).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_shown() {
        let id = UserId::from_bytes([5; 16]);
        assert_eq!(read_cursor(&format!("17.{id}")), Some((UnixMs(17), id)));
        for text in ["", "17", "17.x", &format!("x.{id}")] {
            assert_eq!(read_cursor(text), None, "{text}");
        }
    }
}
