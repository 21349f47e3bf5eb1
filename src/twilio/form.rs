//! What a request says: a form in its body, or parameters in its query.

use actix_web::http::header;
use actix_web::{HttpRequest, web};
use sendwheel_actors::engine::api::Idempotency;
use sha2::{Digest, Sha256};

use super::error::TwilioError;
use crate::api::{ApiError, Shared, body};

/// Bytes of a form: a text of 1,600 characters, percent-encoded, and some thirty parameters.
const FORM_BYTES: usize = 64 * 1024;
/// Parameters of a form.
const MAX_PARAMETERS: usize = 200;

/// Parameters, in the order they came.
#[derive(Debug, Default)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    pub(super) fn parse(text: &[u8]) -> Result<Self, TwilioError> {
        let pairs: Vec<_> = url::form_urlencoded::parse(text)
            .take(MAX_PARAMETERS + 1)
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        if pairs.len() > MAX_PARAMETERS {
            return Err(TwilioError::parameter(20_001, "Too many parameters"));
        }
        Ok(Self(pairs))
    }

    /// Reads the form in a request's body.
    pub(super) async fn read(
        shared: &Shared,
        request: &HttpRequest,
        payload: &mut web::Payload,
    ) -> Result<Self, TwilioError> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let kind = kind.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(ApiError::UnsupportedMediaType("application/x-www-form-urlencoded").into());
        }
        let body = body::read(request, payload, FORM_BYTES, &shared.large, &shared.state.settings).await?;
        Self::parse(&body.bytes)
    }

    /// The first value of a parameter, unless it is empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.first(name).filter(|value| !value.is_empty())
    }

    /// The first value of a parameter, whatever it is.
    pub(super) fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Everything but these parameters.
    pub(super) fn without<'a>(&'a self, names: &'a [&str]) -> impl Iterator<Item = (&'a str, &'a str)> {
        let kept = self.0.iter().filter(|(name, _)| !names.contains(&name.as_str()));
        kept.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The caller's key for this request (header `I-Twilio-Idempotency-Token`), with the hash of what it says.
    pub(super) fn idempotency(&self, request: &HttpRequest) -> Result<Option<Idempotency>, TwilioError> {
        let mut values = request.headers().get_all("i-twilio-idempotency-token");
        let Some(value) = values.next() else { return Ok(None) };
        match value.to_str() {
            Ok(key) if body::is_idempotency_key(key) && values.next().is_none() => {
                Ok(Some(Idempotency { key: key.to_owned(), request_hash: self.hash() }))
            }
            _ => Err(TwilioError::parameter(
                20_001,
                "The header I-Twilio-Idempotency-Token must be there once and have 1 to 200 visible characters",
            )),
        }
    }

    /// First 16 bytes of SHA-256 over the parameters, in whichever order they came.
    fn hash(&self) -> [u8; 16] {
        let mut pairs: Vec<_> = self.0.iter().collect();
        pairs.sort_unstable();
        let mut hash = Sha256::new();
        for text in pairs.into_iter().flat_map(|(name, value)| [name, value]) {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        let mut first = [0; 16];
        first.copy_from_slice(&hash.finalize()[..16]);
        first
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn form(text: &str) -> Form {
        Form::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_form_is_read_as_browsers_write_it() {
        let form = form("To=%2B12125550123&Body=50+%25+off+%F0%9F%8E%89&Body=again&From=");
        assert_eq!(form.get("To"), Some("+12125550123"));
        assert_eq!(form.get("Body"), Some("50 % off 🎉"));
        assert_eq!((form.get("From"), form.first("From")), (None, Some("")));
        assert_eq!((form.get("SendAt"), form.first("SendAt")), (None, None));
        let without: Vec<_> = form.without(&["Body", "From"]).collect();
        assert_eq!(without, [("To", "+12125550123")]);
    }

    #[test]
    fn a_form_has_a_bounded_number_of_parameters() {
        assert!(Form::parse("a=1&".repeat(200).as_bytes()).is_ok());
        assert!(Form::parse("a=1&".repeat(201).as_bytes()).is_err());
    }

    #[test]
    fn a_request_s_hash_is_about_what_it_says() {
        let key_of = |token: &str, text: &str| {
            let request = TestRequest::post().insert_header(("I-Twilio-Idempotency-Token", token)).to_http_request();
            form(text).idempotency(&request)
        };
        let hash_of = |text: &str| key_of("one", text).unwrap().unwrap().request_hash;
        assert_eq!(hash_of("a=1&b=2"), hash_of("b=2&a=1"));
        for other in ["a=1&b=3", "a=1", "a=1b&=2", "a=1&b=2&b=2"] {
            assert_ne!(hash_of(other), hash_of("a=1&b=2"), "{other}");
        }
        assert!(key_of("", "a=1").is_err());
        assert!(key_of(&"x".repeat(201), "a=1").is_err());
        assert_eq!(form("a=1").idempotency(&TestRequest::post().to_http_request()), Ok(None));
    }
}
