//! What a page posts: fields as browsers write them, bounded as the API's bodies are.

use actix_web::http::header;
use actix_web::{HttpRequest, web};
use sha2::{Digest, Sha256};

use super::error::PageError;
use super::visitor::Visitor;
use crate::api::ApiError;
use crate::api::{Shared, body};

/// Bytes of a form. A character may take four bytes, and each of them three.
const FORM_BYTES: usize = 2 * 1024 * 1024;

/// The fields of a form, in their order.
#[derive(Debug)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads one.
    pub(super) async fn read(
        shared: &Shared,
        request: &HttpRequest,
        payload: &mut web::Payload,
    ) -> Result<Self, ApiError> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if !kind.is_some_and(|kind| kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded")) {
            return Err(ApiError::UnsupportedMediaType("application/x-www-form-urlencoded"));
        }
        let body = body::read(request, payload, FORM_BYTES, &shared.large, &shared.state.settings).await?;
        // Browsers write line breaks as CR LF.
        let fields = url::form_urlencoded::parse(&body.bytes)
            .map(|(name, value)| (name.into_owned(), value.replace("\r\n", "\n")))
            .collect();
        Ok(Self(fields))
    }

    /// Reads one of somebody who is signed in, with the proof that it comes from our pages.
    pub(super) async fn of_visitor(
        shared: &web::Data<Shared>,
        request: &HttpRequest,
        mut payload: web::Payload,
    ) -> Result<(Visitor, Self), PageError> {
        let form = Self::read(shared, request, &mut payload).await?;
        let visitor = Visitor::of_form(shared, request, form.get("csrf"))?;
        Ok((visitor, form))
    }

    /// A field's value; empty when it is not there.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(given, _)| given == name).map_or("", |(_, value)| value)
    }

    /// A field's value without blanks around it, unless it is empty then.
    pub(super) fn given(&self, name: &str) -> Option<&str> {
        Some(self.get(name).trim()).filter(|value| !value.is_empty())
    }

    /// First 16 bytes of a hash over its fields but the tokens: whether a repetition is one.
    pub(super) fn hash(&self) -> [u8; 16] {
        let mut hash = Sha256::new();
        for (name, value) in self.0.iter().filter(|(name, _)| name != "csrf" && name != "once") {
            hash.update(name.len().to_be_bytes());
            hash.update(name);
            hash.update(value.len().to_be_bytes());
            hash.update(value);
        }
        hash.finalize()[..16].try_into().expect("a SHA-256 has 32 bytes")
    }
}
