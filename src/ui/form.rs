//! What a page posts: fields as browsers write them, bounded as the API's bodies are.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, web};
use sendwheel_actors::engine::api::Idempotency;
use sha2::{Digest, Sha256};

use super::error::PageError;
use super::multipart::{self, File, boundary_of};
use super::visitor::Visitor;
use crate::api::ApiError;
use crate::api::{Shared, body};

/// Bytes of a form. A character may take four bytes, and each of them three.
const FORM_BYTES: usize = 2 * 1024 * 1024;

/// The fields of a form, in their order, and the files that were chosen in it.
#[derive(Debug)]
pub(super) struct Form {
    fields: Vec<(String, String)>,
    files: Vec<File>,
}

impl Form {
    /// Reads one.
    pub(super) async fn read(
        shared: &Shared,
        request: &HttpRequest,
        payload: &mut web::Payload,
    ) -> Result<Self, ApiError> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if let Some(boundary) = kind.and_then(boundary_of) {
            let settings = &shared.state.settings;
            let body = body::read(request, payload, settings.large_bytes, &shared.large, settings).await?;
            let (fields, files) = multipart::read(&body.bytes, boundary)
                .map_err(|_| ApiError::field("", "invalid_form", "the form did not arrive whole: send it again"))?;
            let fields = fields.into_iter().map(|(name, value)| (name, value.replace("\r\n", "\n"))).collect();
            return Ok(Self { fields, files });
        }
        if !kind.is_some_and(|kind| kind.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded")) {
            return Err(ApiError::UnsupportedMediaType("application/x-www-form-urlencoded"));
        }
        let body = body::read(request, payload, FORM_BYTES, &shared.large, &shared.state.settings).await?;
        // Browsers write line breaks as CR LF.
        let fields = url::form_urlencoded::parse(&body.bytes)
            .map(|(name, value)| (name.into_owned(), value.replace("\r\n", "\n")))
            .collect();
        Ok(Self { fields, files: Vec::new() })
    }

    /// A form of these fields.
    #[cfg(test)]
    pub(super) const fn of(fields: Vec<(String, String)>) -> Self {
        Self { fields, files: Vec::new() }
    }

    /// A field's value; empty when it is not there.
    pub(super) fn get(&self, name: &str) -> &str {
        self.fields.iter().find(|(given, _)| given == name).map_or("", |(_, value)| value)
    }

    /// A field's value without blanks around it, unless it is empty then.
    pub(super) fn given(&self, name: &str) -> Option<&str> {
        Some(self.get(name).trim()).filter(|value| !value.is_empty())
    }

    /// What names the request, if it makes something: so that posting it twice makes it once.
    pub(super) fn once(&self) -> Option<Idempotency> {
        self.given("once").map(|key| Idempotency { key: key.to_owned(), request_hash: self.hash() })
    }

    /// The files that were chosen.
    pub(super) fn files(&self) -> &[File] {
        &self.files
    }

    /// Every value of a field that may be there several times.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// First 16 bytes of a hash over its fields but the tokens: whether a repetition is one.
    pub(super) fn hash(&self) -> [u8; 16] {
        let mut hash = Sha256::new();
        for (name, value) in self.fields.iter().filter(|(name, _)| name != "csrf" && name != "once") {
            hash.update(name.len().to_be_bytes());
            hash.update(name);
            hash.update(value.len().to_be_bytes());
            hash.update(value);
        }
        for file in &self.files {
            hash.update(Sha256::digest(file.bytes()));
        }
        hash.finalize()[..16].try_into().expect("a SHA-256 has 32 bytes")
    }
}

/// What somebody who is signed in posted, with the proof that it comes from our pages.
pub(super) struct Posted {
    pub(super) visitor: Visitor,
    pub(super) form: Form,
}

impl FromRequest for Posted {
    type Error = PageError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, PageError>>>>;
    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let shared = request.app_data::<web::Data<Shared>>().expect("the routes are mounted with their state");
        let (shared, request) = (web::Data::clone(shared), request.clone());
        let payload = web::Payload::from_request(&request, payload);
        Box::pin(async move {
            let mut payload = payload.await.map_err(|_| ApiError::BodyIncomplete)?;
            let form = Form::read(&shared, &request, &mut payload).await?;
            let visitor = Visitor::of_form(&shared, &request, form.get("csrf"))?;
            Ok(Self { visitor, form })
        })
    }
}
