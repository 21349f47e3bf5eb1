//! `/v1/api-keys`: made, listed and revoked by admins. The secret is shown once, when it is made.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use sendwheel_actors::domain::clock::UnixMs;
use sendwheel_actors::domain::directory::{ApiKey, Role, Snapshot};
use sendwheel_actors::domain::ids::ApiKeyId;
use sendwheel_actors::engine::api::NewApiKey;
use serde::Serialize;
use utoipa::ToSchema;

use super::answers::{Answer, ListOf, PathId, created_status, json as answer_json, located, ok};
use super::auth::Admin;
use super::body;
use super::checks::{ROLES, choice, line};
use super::contact_view::{as_text, as_text_or_null};
use super::error::ApiError;
use super::faults::{At, Faults};
use super::json::{self, Text, request_object};
use super::paging::{Query, page_of};
use super::routes::Shared;
use super::schemas;

request_object! {
    /// A key to make.
    pub(crate) struct ApiKeyRequest<'a> {
        /// What people call it: at most 100 bytes.
        #[schema(value_type = String, example = "billing")]
        name: Text<'a>,
        /// What it may do; at most what the caller may. Default `user`.
        #[schema(value_type = Option<schemas::Role>)]
        role: Text<'a>,
        /// Whether its messages go to the outbox, whatever the transport; default no.
        #[schema(value_type = Option<bool>)]
        test: bool,
    }
}

impl ApiKeyRequest<'_> {
    /// The key that is asked for by somebody of this role.
    pub(crate) fn into_new(self, by: Role) -> Result<NewApiKey, ApiError> {
        let mut faults = Faults::default();
        let (root, all) = (At::Root, &mut faults);
        self.stray.refuse(&root, Self::NAMES, all);
        let at = root.member("name");
        let name = self.name.required(&at, all).and_then(|text| line(text, 100, &at, all));
        let at = root.member("role");
        let role = self.role.optional(&at, all).and_then(|text| choice(&text, ROLES, &at, all)).unwrap_or(Role::User);
        let test = self.test.optional(&root.member("test"), all).unwrap_or(false);
        let new = faults.finish(name.map(|name| NewApiKey { name, role, test, idempotency: None }))?;
        if new.role > by {
            return Err(ApiError::forbidden(
                "role_too_high",
                "a key cannot have more rights than the one that makes it",
            ));
        }
        Ok(new)
    }
}

/// An API key, without its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub(crate) struct ApiKeyView<'a> {
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, example = "key_01h455vb4pex5vsknk084sn02q")]
    id: ApiKeyId,
    /// 1, and 2 once it was revoked.
    version: u32,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, format = DateTime)]
    created_at: UnixMs,
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, format = DateTime)]
    updated_at: UnixMs,
    #[schema(value_type = String)]
    name: &'a str,
    #[schema(value_type = schemas::Role)]
    role: Role,
    test: bool,
    #[serde(serialize_with = "as_text_or_null")]
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<UnixMs>,
    /// When it was last used, if it was.
    #[serde(serialize_with = "as_text_or_null")]
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<UnixMs>,
    /// Only in the answer that made it: the secret, never shown again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "sw_…")]
    secret: Option<&'a str>,
}

impl<'a> ApiKeyView<'a> {
    pub(crate) fn of(key: &'a ApiKey, secret: Option<&'a str>, directory: &Snapshot) -> Self {
        Self {
            id: key.id,
            version: 1 + u32::from(key.revoked_at.is_some()),
            created_at: key.created_at,
            updated_at: key.revoked_at.unwrap_or(key.created_at),
            name: &key.name,
            role: key.role,
            test: key.test,
            revoked_at: key.revoked_at,
            last_used_at: directory.key_last_used(key.id),
            secret,
        }
    }
}

/// Makes a key. Its secret is in this answer and nowhere else.
#[utoipa::path(post, path = "/v1/api-keys", tag = "api-keys", request_body = ApiKeyRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Names this request: a repetition finds what it made, without the secret")),
    responses((status = 201, body = ApiKeyView), (status = 200, body = ApiKeyView, description = "Made earlier by the same request")))]
pub(crate) async fn create_api_key(
    Admin(auth): Admin,
    shared: web::Data<Shared>,
    request: HttpRequest,
    mut payload: web::Payload,
) -> Answer {
    let body = shared.json(&request, &mut payload).await?;
    let mut new = json::read::<ApiKeyRequest<'_>>(&body.bytes)?.into_new(auth.caller.role)?;
    new.idempotency = body::idempotency(&request, &body.bytes)?;
    let (status, (key, secret)) = created_status(shared.state.engine.create_api_key(&auth.caller, new).await?);
    Ok(located(
        answer_json(status, &ApiKeyView::of(&key, secret.as_deref(), &auth.directory)),
        format!("/v1/api-keys/{}", key.id),
    ))
}

/// The cursor of a key: its place in the order of creation.
fn read_cursor(text: &str) -> Option<(UnixMs, ApiKeyId)> {
    let (at, id) = text.split_once('.')?;
    Some((UnixMs(at.parse().ok()?), id.parse().ok()?))
}

/// The account's keys, oldest first, revoked ones too.
#[utoipa::path(get, path = "/v1/api-keys", tag = "api-keys",
    params(("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1, description = "Items of a page: default 50, at most 500")),
    responses((status = 200, body = ListOf<ApiKeyView>)))]
pub(crate) async fn list_api_keys(Admin(auth): Admin, request: HttpRequest) -> Answer {
    let mut query = Query::of(&request, &["cursor", "limit"]);
    let page = query.page();
    query.finish()?;
    let keys = auth.directory.api_keys_of(auth.caller.account);
    let (keys, next_cursor) = page_of(
        keys.into_iter(),
        &page,
        |key| (key.created_at, key.id),
        read_cursor,
        |(at, id)| format!("{}.{id}", at.0),
    )?;
    let data = keys.into_iter().map(|key| ApiKeyView::of(key, None, &auth.directory)).collect();
    Ok(ok(&ListOf { data, next_cursor }))
}

/// One key.
#[utoipa::path(get, path = "/v1/api-keys/{id}", tag = "api-keys", params(("id" = String, Path)),
    responses((status = 200, body = ApiKeyView)))]
pub(crate) async fn get_api_key(Admin(auth): Admin, request: HttpRequest, PathId(id): PathId<ApiKeyId>) -> Answer {
    Query::of(&request, &[]).finish()?;
    let key = auth.directory.api_key(id).filter(|key| key.account == auth.caller.account);
    Ok(answer_json(StatusCode::OK, &ApiKeyView::of(key.ok_or(ApiError::not_found())?, None, &auth.directory)))
}

/// Revokes a key: from now on it is refused.
#[utoipa::path(delete, path = "/v1/api-keys/{id}", tag = "api-keys", params(("id" = String, Path)),
    responses((status = 204, description = "Revoked")))]
pub(crate) async fn revoke_api_key(
    Admin(auth): Admin,
    shared: web::Data<Shared>,
    request: HttpRequest,
    PathId(id): PathId<ApiKeyId>,
) -> Answer {
    Query::of(&request, &[]).finish()?;
    shared.state.engine.revoke_api_key(&auth.caller, id).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_cannot_make_one_above_itself() {
        let new = |role: &str, by| {
            let json = format!(r#"{{"name": "n", "role": "{role}"}}"#);
            json::read::<ApiKeyRequest<'_>>(json.as_bytes()).and_then(|request| request.into_new(by))
        };
        assert!(new("admin", Role::Admin).is_ok());
        assert!(new("user", Role::Admin).is_ok());
        assert!(matches!(new("operator", Role::Admin), Err(ApiError::Engine(_))));
        assert!(matches!(new("root", Role::Operator), Err(ApiError::Invalid(_))));
    }

    #[test]
    fn a_cursor_is_read_as_it_was_shown() {
        let id = ApiKeyId::from_bytes([5; 16]);
        assert_eq!(read_cursor(&format!("17.{id}")), Some((UnixMs(17), id)));
        for text in ["", "17", "17.x", &format!("x.{id}")] {
            assert_eq!(read_cursor(text), None, "{text}");
        }
    }
}
