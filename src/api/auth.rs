//! Who asks: the bearer key of a request, or the session of its cookie, looked up in the directory's snapshot.
//!
//! Either is found by the SHA-256 of its 256 random bits, so no comparison depends on a secret's bytes. The
//! snapshot holds live keys and sessions only: one is refused as soon as its end was published. An operator may
//! act in another account by naming it in the header `Sendwheel-Account`.

use std::future::{Ready, ready};
use std::net::IpAddr;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderName};
use actix_web::{FromRequest, HttpRequest, web};
use sendwheel_actors::domain::directory::{ApiKey, Role, Session, Snapshot, User};
use sendwheel_actors::domain::ids::{AccountId, AccountNo, SessionId};
use sendwheel_actors::domain::message::Author;
use sendwheel_actors::engine::Engine;
use sendwheel_actors::engine::api::Caller;
use sha2::{Digest, Sha256};

use super::cookie::{Asker, X_CSRF_TOKEN, is_safe};
use super::error::ApiError;
use super::origin::origin_of;
use super::routes::Shared;

/// A caller whose key or session is valid.
#[derive(Debug, Clone)]
pub(crate) struct Authenticated {
    /// Who they are and what they may do.
    pub(crate) caller: Caller,
    /// The directory as it was when they came.
    pub(crate) directory: Arc<Snapshot>,
    /// The session that they came with, if it was one.
    pub(crate) session: Option<SessionId>,
}

/// A caller that may change the account's settings.
#[derive(Debug, Clone)]
pub(crate) struct Admin(pub(crate) Authenticated);

/// A caller that may run the installation.
#[derive(Debug, Clone)]
pub(crate) struct Operator(pub(crate) Authenticated);

/// Longest header that is looked at.
const MAX_AUTHORIZATION: usize = 512;
/// Names the account that an operator acts in.
static SENDWHEEL_ACCOUNT: HeaderName = HeaderName::from_static("sendwheel-account");

/// The token of an `Authorization` header.
fn bearer_token(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(6)?;
    let token = token.strip_prefix(b" ")?.trim_ascii();
    let is_token = scheme.eq_ignore_ascii_case(b"bearer") && token.starts_with(b"sw_");
    (is_token && value.len() <= MAX_AUTHORIZATION).then_some(token)
}

/// The caller behind a key.
fn caller_of_key(key: &ApiKey, origin: Option<IpAddr>) -> Caller {
    Caller {
        account: key.account,
        author: Author::ApiKey(key.id),
        role: key.role,
        user: None,
        test: key.test,
        origin,
        bulk: false,
    }
}

/// The caller behind a session.
fn caller_of_user(user: &User, origin: Option<IpAddr>) -> Caller {
    let author = Author::User(user.id);
    Caller { account: user.account, author, role: user.role, user: Some(user.id), test: false, origin, bulk: false }
}

fn shared_of(request: &HttpRequest) -> &Shared {
    request.app_data::<web::Data<Shared>>().expect("the routes are mounted with their state")
}

/// Where the second token of a change stands.
#[derive(Clone, Copy)]
enum Proof<'a> {
    /// In its header, as scripts send it.
    Header,
    /// In a field of the form, which was read.
    Field(&'a str),
}

/// Refuses what somebody else's page may have made a browser ask.
fn check_asker(request: &HttpRequest, shared: &Shared, session: &Session, proof: Proof<'_>) -> Result<(), ApiError> {
    if is_safe(request.method()) {
        return Ok(());
    }
    if shared.cookie.asker(request.headers()) != Asker::OurPages {
        return Err(ApiError::forbidden(
            "csrf",
            "with a session, changes are only taken from this installation's pages",
        ));
    }
    if let Proof::Field(token) = proof {
        return if shared.state.engine.is_csrf_token(session, token.as_bytes()) {
            Ok(())
        } else {
            Err(ApiError::forbidden("csrf", "the page is of another session: load it anew, then try again"))
        };
    }
    let mut tokens = request.headers().get_all(&X_CSRF_TOKEN);
    match (tokens.next(), tokens.next()) {
        (Some(token), None) if shared.state.engine.is_csrf_token(session, token.as_bytes()) => Ok(()),
        _ => Err(ApiError::forbidden("csrf", "send the session's csrf_token in the header X-CSRF-Token")),
    }
}

/// The account that the caller acts in: their own, or for operators the one that a header names.
fn account_of(request: &HttpRequest, caller: &Caller, directory: &Snapshot) -> Result<AccountNo, ApiError> {
    if !directory.is_active(caller.account) {
        return Err(ApiError::forbidden("account_suspended", "the account is suspended: ask the operator"));
    }
    let mut named = request.headers().get_all(&SENDWHEEL_ACCOUNT);
    let Some(value) = named.next() else { return Ok(caller.account) };
    let id = value.to_str().ok().and_then(|text| text.trim().parse::<AccountId>().ok());
    let (Some(id), None) = (id, named.next()) else {
        return Err(ApiError::BadHeader {
            code: "invalid_account",
            detail: "the header Sendwheel-Account must be there once and be the id of an account: account_…",
        });
    };
    let found = directory.account_by_id(id).map(|account| account.no);
    match found {
        Some(no) if no == caller.account => Ok(no),
        // Nobody else is told whether there is such an account.
        _ if caller.role < Role::Operator => {
            Err(ApiError::forbidden("operator_required", "only an operator acts in another account"))
        }
        Some(no) => Ok(no),
        None => Err(ApiError::not_found()),
    }
}

/// The caller whose key this is, in the key's own account, whether that is suspended or not.
pub(crate) fn caller_by_token(request: &HttpRequest, token: &[u8]) -> Option<(Caller, Arc<Snapshot>)> {
    let hash: [u8; 32] = Sha256::digest(token).into();
    let shared = shared_of(request);
    let engine = &shared.state.engine;
    let directory = engine.directory();
    let key = directory.key_by_hash(&hash)?;
    let caller = caller_of_key(key, origin_of(request, &shared.state.settings.trusted_proxies));
    directory.touch_key(key.id, engine.clock().now());
    Some((caller, directory))
}

fn by_key(request: &HttpRequest, value: &[u8]) -> Result<Authenticated, ApiError> {
    let unknown = ApiError::Unauthorized("the API key is not valid: check it, or make a new one");
    let found = bearer_token(value).and_then(|token| caller_by_token(request, token));
    let (mut caller, directory) = found.ok_or(unknown)?;
    caller.account = account_of(request, &caller, &directory)?;
    Ok(Authenticated { caller, directory, session: None })
}

fn by_session(request: &HttpRequest, proof: Proof<'_>) -> Result<Authenticated, ApiError> {
    let nobody = ApiError::Unauthorized("give an API key (Authorization: Bearer sw_…), or sign in");
    if !request.headers().contains_key(header::COOKIE) {
        return Err(nobody);
    }
    let shared = shared_of(request);
    let Some(cookie) = request.cookie(shared.cookie.name()) else { return Err(nobody) };
    let over = ApiError::Unauthorized("the session is over: sign in again");
    let engine = &shared.state.engine;
    let directory = engine.directory();
    let session = engine.session_by_token(&directory, cookie.value().as_bytes()).ok_or(over.clone())?;
    let user = directory.user(session.user).ok_or(over)?;
    check_asker(request, shared, session, proof)?;
    let mut caller = caller_of_user(user, origin_of(request, &shared.state.settings.trusted_proxies));
    caller.account = account_of(request, &caller, &directory)?;
    let session = Some(session.id);
    Ok(Authenticated { caller, directory, session })
}

impl Authenticated {
    /// The caller of a request that may come in another way as well.
    pub(crate) fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        authenticate(request)
    }

    /// The session that a page is read with: pages know no keys.
    pub(crate) fn of_page(request: &HttpRequest) -> Result<Self, ApiError> {
        by_session(request, Proof::Header)
    }

    /// The session that a form is posted with, whose second token stands in a field.
    pub(crate) fn of_form(request: &HttpRequest, token: &str) -> Result<Self, ApiError> {
        by_session(request, Proof::Field(token))
    }
}

fn authenticate(request: &HttpRequest) -> Result<Authenticated, ApiError> {
    let mut values = request.headers().get_all(header::AUTHORIZATION);
    match (values.next(), values.next()) {
        (Some(value), None) => by_key(request, value.as_bytes()),
        (None, _) => by_session(request, Proof::Header),
        _ => Err(ApiError::Unauthorized("give one API key: Authorization: Bearer sw_…")),
    }
}

impl Authenticated {
    /// Their session with its user, if they came with one.
    pub(crate) fn session(&self) -> Option<&Session> {
        self.directory.session(self.caller.user?, self.session?)
    }

    /// Whether they would still be let in: for what goes on after the request was answered.
    pub(crate) fn is_still_valid(&self, engine: &Engine) -> bool {
        let directory = engine.directory();
        let home = match (self.caller.author, self.session) {
            (Author::ApiKey(id), _) => {
                directory.api_key(id).filter(|key| key.revoked_at.is_none()).map(|key| key.account)
            }
            (Author::User(id), Some(session)) => {
                let session = directory.session(id, session);
                let lives = |session: &&Session| engine.session_ends_at(&directory, session) > engine.clock().now();
                session.filter(lives).and_then(|_| directory.user(id)).map(|user| user.account)
            }
            _ => None,
        };
        home.is_some_and(|home| directory.is_active(home))
    }
}

/// Refuses whoever has not this role.
pub(crate) fn require(role: Role, caller: &Authenticated) -> Result<(), ApiError> {
    if caller.caller.role >= role {
        return Ok(());
    }
    Err(match role {
        Role::Operator => ApiError::forbidden("operator_required", "this needs the role operator"),
        _ => ApiError::forbidden("admin_required", "this needs the role admin"),
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
        ready(authenticate(request).and_then(|caller| require(Role::Admin, &caller).map(|()| Self(caller))))
    }
}

impl FromRequest for Operator {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(authenticate(request).and_then(|caller| require(Role::Operator, &caller).map(|()| Self(caller))))
    }
}

#[cfg(test)]
mod tests {
    use sendwheel_actors::domain::ids::ApiKeyId;

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
                origin: None,
                bulk: false,
            },
            directory: Arc::default(),
            session: None,
        };
        for (has, needs, passes) in [
            (Role::User, Role::User, true),
            (Role::User, Role::Admin, false),
            (Role::Admin, Role::Admin, true),
            (Role::Admin, Role::Operator, false),
            (Role::Operator, Role::Admin, true),
        ] {
            assert_eq!(require(needs, &with(has)).is_ok(), passes, "{has:?} for {needs:?}");
        }
    }
}
