//! Who asks: the bearer key of a request, looked up in the directory's snapshot.
//!
//! A key is found by the SHA-256 of its 256 random bits, so no comparison depends on a secret's bytes.
//! The snapshot holds live keys only: a key is refused as soon as its revocation was published.

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, web};
use sendwheel_actors::domain::directory::{ApiKey, Role, Snapshot};
use sendwheel_actors::domain::message::Author;
use sendwheel_actors::engine::api::Caller;
use sha2::{Digest, Sha256};

use super::error::ApiError;
use super::routes::Shared;

/// A caller whose key is valid.
#[derive(Debug, Clone)]
pub(crate) struct Authenticated {
    /// Who they are and what they may do.
    pub(crate) caller: Caller,
    /// The directory as it was when they came.
    pub(crate) directory: Arc<Snapshot>,
}

/// A caller that may change the account's settings.
#[derive(Debug, Clone)]
pub(crate) struct Admin(pub(crate) Authenticated);

/// A caller that may run the installation.
#[derive(Debug, Clone)]
pub(crate) struct Operator(pub(crate) Authenticated);

/// Longest header that is looked at.
const MAX_AUTHORIZATION: usize = 512;

/// The token of an `Authorization` header.
fn bearer_token(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(6)?;
    let token = token.strip_prefix(b" ")?.trim_ascii();
    let is_token = scheme.eq_ignore_ascii_case(b"bearer") && token.starts_with(b"sw_");
    (is_token && value.len() <= MAX_AUTHORIZATION).then_some(token)
}

/// The caller behind a key.
fn caller_of(key: &ApiKey) -> Caller {
    Caller { account: key.account, author: Author::ApiKey(key.id), role: key.role, user: None, test: key.test }
}

impl Authenticated {
    /// The caller of a request that may come in another way as well.
    pub(crate) fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        authenticate(request)
    }
}

fn authenticate(request: &HttpRequest) -> Result<Authenticated, ApiError> {
    let mut values = request.headers().get_all(header::AUTHORIZATION);
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(ApiError::Unauthorized("give an API key: Authorization: Bearer sw_…"));
    };
    let unknown = ApiError::Unauthorized("the API key is not valid: check it, or make a new one");
    let Some(token) = bearer_token(value.as_bytes()) else { return Err(unknown) };
    let hash: [u8; 32] = Sha256::digest(token).into();
    let shared = request.app_data::<web::Data<Shared>>().expect("the routes are mounted with their state");
    let directory = shared.state.engine.directory();
    let caller = directory.key_by_hash(&hash).map(caller_of).ok_or(unknown)?;
    Ok(Authenticated { caller, directory })
}

fn require(role: Role, caller: Authenticated) -> Result<Authenticated, ApiError> {
    if caller.caller.role >= role {
        return Ok(caller);
    }
    Err(match role {
        Role::Operator => ApiError::forbidden("operator_required", "this needs a key with the role operator"),
        _ => ApiError::forbidden("admin_required", "this needs a key with the role admin"),
    })
}

impl FromRequest for Authenticated {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(authenticate(request))
    }
}

impl FromRequest for Admin {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(authenticate(request).and_then(|caller| require(Role::Admin, caller)).map(Self))
    }
}

impl FromRequest for Operator {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(authenticate(request).and_then(|caller| require(Role::Operator, caller)).map(Self))
    }
}

#[cfg(test)]
mod tests {
    use sendwheel_actors::domain::ids::{AccountNo, ApiKeyId};

    use super::*;

    #[test]
    fn only_a_bearer_token_of_ours_is_looked_up() {
        assert_eq!(bearer_token(b"Bearer sw_abc"), Some(&b"sw_abc"[..]));
        assert_eq!(bearer_token(b"bearer  sw_abc "), Some(&b"sw_abc"[..]));
        for value in ["", "Bearer", "Bearer abc", "Basic sw_abc", "Bearersw_abc", "sw_abc"] {
            assert_eq!(bearer_token(value.as_bytes()), None, "{value}");
        }
        assert_eq!(bearer_token(format!("Bearer sw_{}", "x".repeat(600)).as_bytes()), None);
    }

    #[test]
    fn a_role_has_the_rights_of_those_below_it_and_no_more() {
        let with = |role| Authenticated {
            caller: Caller {
                account: AccountNo(1),
                author: Author::ApiKey(ApiKeyId::from_bytes([0; 16])),
                role,
                user: None,
                test: false,
            },
            directory: Arc::default(),
        };
        for (has, needs, passes) in [
            (Role::User, Role::User, true),
            (Role::User, Role::Admin, false),
            (Role::Admin, Role::Admin, true),
            (Role::Admin, Role::Operator, false),
            (Role::Operator, Role::Admin, true),
        ] {
            assert_eq!(require(needs, with(has)).is_ok(), passes, "{has:?} for {needs:?}");
        }
    }
}
