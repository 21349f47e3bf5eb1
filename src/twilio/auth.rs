//! Who asks: HTTP Basic authentication with the account's SID, or the key's own name, and an API key as password.
//!
//! The account in the path must be the key's: another one is not found, whether it exists or not.

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sendwheel_actors::domain::directory::Snapshot;
use sendwheel_actors::domain::message::Author;
use sendwheel_actors::engine::api::Caller;

use super::error::TwilioError;
use super::sid;
use crate::api::auth;

/// Longest header that is looked at.
const MAX_AUTHORIZATION: usize = 1_024;

/// A caller whose key is valid, in the account that the path names.
#[derive(Debug, Clone)]
pub(crate) struct Keyholder {
    /// Who they are and what they may do.
    pub(super) caller: Caller,
    /// The directory as it was when they came.
    pub(super) directory: Arc<Snapshot>,
    /// `AC…`
    pub(super) account_sid: String,
}

/// User name and password of a header (RFC 7617).
fn credentials(value: &[u8]) -> Option<(String, Vec<u8>)> {
    let (scheme, rest) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") || value.len() > MAX_AUTHORIZATION {
        return None;
    }
    let decoded = STANDARD.decode(rest.trim_ascii()).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    Some((String::from_utf8(decoded[..colon].to_vec()).ok()?, decoded[colon + 1..].to_vec()))
}

fn authenticate(request: &HttpRequest) -> Result<Keyholder, TwilioError> {
    let mut values = request.headers().get_all(header::AUTHORIZATION);
    let (Some(value), None) = (values.next(), values.next()) else { return Err(TwilioError::UNAUTHORIZED) };
    let (user, token) = credentials(value.as_bytes()).ok_or(TwilioError::UNAUTHORIZED)?;
    let (caller, directory) = auth::caller_by_token(request, &token).ok_or(TwilioError::UNAUTHORIZED)?;
    let account = directory.account(caller.account).ok_or(TwilioError::UNAUTHORIZED)?;
    let is_named = match caller.author {
        Author::ApiKey(key) => user == account.twilio_sid || sid::names_key(&user, key),
        Author::User(_) | Author::System => false,
    };
    if !is_named {
        return Err(TwilioError::UNAUTHORIZED);
    }
    if !account.is_active() {
        return Err(TwilioError::SUSPENDED);
    }
    let account_sid = account.twilio_sid.clone();
    if request.match_info().get("account") != Some(account_sid.as_str()) {
        return Err(TwilioError::NOT_FOUND);
    }
    Ok(Keyholder { caller, directory, account_sid })
}

impl FromRequest for Keyholder {
    type Error = TwilioError;
    type Future = Ready<Result<Self, TwilioError>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(authenticate(request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_basic_credentials_are_read() {
        let header = |text: &str| format!("Basic {}", STANDARD.encode(text)).into_bytes();
        assert_eq!(credentials(&header("AC1:sw_a:b")), Some(("AC1".into(), b"sw_a:b".to_vec())));
        assert_eq!(credentials(b"basic QUMxOg=="), Some(("AC1".into(), Vec::new())));
        for value in [&b"Bearer sw_a"[..], b"Basic", b"Basic %%%", b"", &header("no colon")] {
            assert_eq!(credentials(value), None);
        }
        assert_eq!(credentials(&header(&format!("AC1:{}", "x".repeat(2_000)))), None);
    }
}
