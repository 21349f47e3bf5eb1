//! `/v1/accounts`: for operators. What belongs to an account is set up by acting in it, with the header
//! `Sendwheel-Account`.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use secrecy::ExposeSecret;
use sendwheel_actors::domain::directory::Account;
use sendwheel_actors::domain::ids::{AccountId, AccountNo};
use sendwheel_actors::engine::people::{AccountPatch, NewAccount};
use serde::Serialize;
use utoipa::ToSchema;

use super::account::AccountView;
use super::account_limits::{self, AccountLimitsRequest};
use super::answers::{Answer, ListOf, PathId, created_status, located, ok, resource};
use super::api_keys::ApiKeyView;
use super::auth::{Authenticated, Operator};
use super::body;
use super::checks::{choice, line, zone_name};
use super::error::ApiError;
use super::faults::{At, Faults};
use super::json::{self, Text, request_object};
use super::paging::{Query, page_of};
use super::routes::Shared;
use super::schemas;

request_object! {
    /// An account to make.
    pub(crate) struct AccountRequest<'a> {
        /// Shown name: at most 200 bytes.
        #[schema(value_type = String, example = "Acme")]
        name: Text<'a>,
        /// IANA zone: for contacts without one of their own. Default UTC.
        #[schema(value_type = Option<String>, example = "Europe/Berlin")]
        time_zone: Text<'a>,
        /// Whether to make an API key with the role admin, whose secret is in the answer; default no.
        #[schema(value_type = Option<bool>)]
        with_api_key: bool,
    }
}

request_object! {
    /// Changes to an account by an operator.
    pub(crate) struct AccountOrder<'a> {
        /// Shown name: at most 200 bytes.
        #[schema(value_type = Option<String>)]
        name: Text<'a>,
        /// IANA zone.
        #[schema(value_type = Option<String>)]
        time_zone: Text<'a>,
        /// `suspended`: its keys and sessions are refused and what is due is held, until it is `active` again.
        #[schema(value_type = Option<schemas::AccountStatus>)]
        status: Text<'a>,
        /// What all of its senders together may send, over each sender's own limit; null: whatever they may.
        #[schema(value_type = Option<AccountLimitsRequest>)]
        limits: AccountLimitsRequest<'a>,
    }
}

impl AccountRequest<'_> {
    fn into_new(self) -> Result<NewAccount, ApiError> {
        let mut faults = Faults::default();
        let (root, all) = (At::Root, &mut faults);
        self.stray.refuse(&root, Self::NAMES, all);
        let at = root.member("name");
        let name = self.name.required(&at, all).and_then(|text| line(text, 200, &at, all));
        let at = root.member("time_zone");
        let time_zone = self.time_zone.optional(&at, all).and_then(|text| zone_name(text, &at, all));
        let with_api_key = self.with_api_key.optional(&root.member("with_api_key"), all).unwrap_or(false);
        let time_zone = time_zone.unwrap_or_else(|| "UTC".into());
        faults.finish(name.map(|name| NewAccount { name, time_zone, with_api_key, idempotency: None }))
    }
}

impl AccountOrder<'_> {
    fn into_patch(self) -> Result<AccountPatch, ApiError> {
        const STATUSES: &[(&str, bool)] = &[("active", false), ("suspended", true)];
        let mut faults = Faults::default();
        let (root, all) = (At::Root, &mut faults);
        self.stray.refuse(&root, Self::NAMES, all);
        let at = root.member("name");
        let name = self.name.changed(&at, all).and_then(|text| line(text, 200, &at, all));
        let at = root.member("time_zone");
        let time_zone = self.time_zone.changed(&at, all).and_then(|text| zone_name(text, &at, all));
        let at = root.member("status");
        let suspended = self.status.changed(&at, all).and_then(|text| choice(&text, STATUSES, &at, all));
        let limits = self.limits.clearable(&root.member("limits"), all);
        let (email_limit, sms_limit) = account_limits::changed(limits, &root.member("limits"), all);
        faults.finish(Some(AccountPatch {
            name,
            time_zone,
            suspended,
            email_limit,
            sms_limit,
            ..AccountPatch::default()
        }))
    }
}

/// An account that was made.
#[derive(Serialize, ToSchema)]
pub(crate) struct MadeAccount<'a> {
    #[serde(flatten)]
    #[schema(inline = false)]
    account: AccountView<'a>,
    /// Its first key, if one was wanted, with its secret, which is never shown again.
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<ApiKeyView<'a>>,
}

/// The account of an id, which an operator may name.
fn find(auth: &Authenticated, id: AccountId) -> Result<&Account, ApiError> {
    auth.directory.account_by_id(id).ok_or(ApiError::not_found())
}

/// Makes an account.
#[utoipa::path(post, path = "/v1/accounts", tag = "accounts", request_body = AccountRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Names this request: a repetition finds what it made, without the key")),
    responses((status = 201, body = MadeAccount), (status = 200, body = MadeAccount, description = "Made earlier by the same request")))]
pub(crate) async fn create_account(
    Operator(auth): Operator,
    shared: web::Data<Shared>,
    request: HttpRequest,
    mut payload: web::Payload,
) -> Answer {
    let body = shared.json(&request, &mut payload).await?;
    let mut new = json::read::<AccountRequest<'_>>(&body.bytes)?.into_new()?;
    new.idempotency = body::idempotency(&request, &body.bytes)?;
    let (status, made) = created_status(shared.state.engine.create_account(&auth.caller, new).await?);
    let api_key = made.api_key.as_ref();
    let view = MadeAccount {
        account: AccountView::of(&made.account),
        api_key: api_key.map(|(key, secret)| ApiKeyView::of(key, Some(secret.expose_secret()), &auth.directory)),
    };
    Ok(located(resource(status, made.account.version, &view), format!("/v1/accounts/{}", made.account.id)))
}

/// Every account of the installation, oldest first.
#[utoipa::path(get, path = "/v1/accounts", tag = "accounts",
    params(("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1, description = "Items of a page: default 50, at most 500")),
    responses((status = 200, body = ListOf<AccountView>)))]
pub(crate) async fn list_accounts(Operator(auth): Operator, request: HttpRequest) -> Answer {
    let mut query = Query::of(&request, &["cursor", "limit"]);
    let page = query.page();
    query.finish()?;
    let accounts = auth.directory.accounts();
    let (accounts, next_cursor) =
        page_of(accounts, &page, |account| account.no, |text| text.parse().ok().map(AccountNo), |no| no.to_string())?;
    Ok(ok(&ListOf { data: accounts.into_iter().map(AccountView::of).collect(), next_cursor }))
}

/// One account.
#[utoipa::path(get, path = "/v1/accounts/{id}", tag = "accounts", params(("id" = String, Path)),
    responses((status = 200, body = AccountView)))]
pub(crate) async fn get_account_by_id(
    Operator(auth): Operator,
    request: HttpRequest,
    PathId(id): PathId<AccountId>,
) -> Answer {
    Query::of(&request, &[]).finish()?;
    let account = find(&auth, id)?;
    Ok(resource(StatusCode::OK, account.version, &AccountView::of(account)))
}

/// Changes an account, suspends it or resumes it: what is left out stays as it is.
#[utoipa::path(patch, path = "/v1/accounts/{id}", tag = "accounts", request_body = AccountOrder,
    params(("id" = String, Path), ("If-Match" = Option<String>, Header, description = "The version that is to be changed")),
    responses((status = 200, body = AccountView)))]
pub(crate) async fn patch_account_by_id(
    Operator(auth): Operator,
    shared: web::Data<Shared>,
    request: HttpRequest,
    PathId(id): PathId<AccountId>,
    mut payload: web::Payload,
) -> Answer {
    let if_match = body::if_match(&request)?;
    let body = shared.json(&request, &mut payload).await?;
    let patch = json::read::<AccountOrder<'_>>(&body.bytes)?.into_patch()?;
    let no = find(&auth, id)?.no;
    let account = shared.state.engine.patch_account(&auth.caller, no, patch, if_match).await?;
    Ok(resource(StatusCode::OK, account.version, &AccountView::of(&account)))
}

/// Removes an account with its users, keys and senders. It must be suspended and have no contacts.
#[utoipa::path(delete, path = "/v1/accounts/{id}", tag = "accounts", params(("id" = String, Path)),
    responses((status = 204, description = "Removed")))]
pub(crate) async fn delete_account(
    Operator(auth): Operator,
    shared: web::Data<Shared>,
    request: HttpRequest,
    PathId(id): PathId<AccountId>,
) -> Answer {
    Query::of(&request, &[]).finish()?;
    let no = find(&auth, id)?.no;
    shared.state.engine.delete_account(&auth.caller, no).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sendwheel_actors::domain::directory::Limit;

    use super::*;

    fn codes<T>(result: Result<T, ApiError>) -> Vec<(String, &'static str)> {
        match result {
            Err(ApiError::Invalid(errors)) => errors.into_iter().map(|e| (e.pointer, e.code)).collect(),
            Err(other) => panic!("{other}"),
            Ok(_) => Vec::new(),
        }
    }

    #[test]
    fn an_account_needs_a_name_and_has_a_zone() {
        let new = |json: &str| json::read::<AccountRequest<'_>>(json.as_bytes())?.into_new();
        let account = new(r#"{"name": "Acme"}"#).expect("sound");
        assert_eq!((account.name.as_str(), account.time_zone.as_str(), account.with_api_key), ("Acme", "UTC", false));
        for (json, pointer, code) in [
            ("{}", "/name", "required"),
            (r#"{"name": " "}"#, "/name", "empty"),
            (r#"{"name": "A", "with_api_key": "yes"}"#, "/with_api_key", "invalid_type"),
            (r#"{"name": "A", "status": "suspended"}"#, "/status", "unknown_field"),
        ] {
            assert_eq!(codes(new(json)), [(pointer.to_owned(), code)], "{json}");
        }
    }

    #[test]
    fn an_operator_s_order_suspends_resumes_or_leaves_alone() {
        let patch = |json: &str| json::read::<AccountOrder<'_>>(json.as_bytes())?.into_patch();
        for (json, suspended) in
            [(r#"{"status": "suspended"}"#, Some(true)), (r#"{"status": "active"}"#, Some(false)), ("{}", None)]
        {
            assert_eq!(patch(json).expect("sound").suspended, suspended, "{json}");
        }
        assert_eq!(codes(patch(r#"{"status": "gone"}"#)), [("/status".to_owned(), "unknown_value")]);
        assert_eq!(codes(patch(r#"{"status": null}"#)), [("/status".to_owned(), "invalid_type")]);
    }

    #[test]
    fn an_operator_s_order_limits_a_channel_lets_it_go_or_leaves_it_alone() {
        let patch = |json: &str| json::read::<AccountOrder<'_>>(json.as_bytes())?.into_patch();
        let ten = Limit { rate: 10, per: Duration::from_secs(60), burst: 5 };
        for (json, email, sms) in [
            (r#"{"limits": {"email": {"rate": 10, "per": "1m", "burst": 5}}}"#, Some(Some(ten)), None),
            (r#"{"limits": {"sms": null}}"#, None, Some(None)),
            (r#"{"limits": null}"#, Some(None), Some(None)),
            (r#"{"limits": {}}"#, None, None),
            ("{}", None, None),
        ] {
            let patch = patch(json).expect("sound");
            assert_eq!((patch.email_limit, patch.sms_limit), (email, sms), "{json}");
        }
        for (json, pointer, code) in [
            (r#"{"limits": {"fax": null}}"#, "/limits/fax", "unknown_field"),
            (r#"{"limits": {"sms": {"rate": 0}}}"#, "/limits/sms/rate", "too_small"),
            (r#"{"limits": 5}"#, "/limits", "invalid_type"),
        ] {
            assert_eq!(codes(patch(json)), [(pointer.to_owned(), code)], "{json}");
        }
    }
}
