//! How a page goes out: with a policy that lets it load and run nothing but ours, and that keeps it out of caches
//! and frames.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, HttpResponseBuilder};
use askama::Template;

use super::error::PageError;

/// What a page's handler answers.
pub(super) type Answer = Result<HttpResponse, PageError>;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

fn guarded(response: &mut HttpResponseBuilder) -> &mut HttpResponseBuilder {
    response
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::REFERRER_POLICY, "same-origin"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header(("X-Robots-Tag", "noindex"))
}

/// A page.
pub(super) fn page(status: StatusCode, template: &impl Template) -> HttpResponse {
    let html = template.render().expect("templates call nothing that fails, and a string takes any length");
    guarded(&mut HttpResponse::build(status))
        .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
        .body(html)
}

/// A page that is as it should be.
pub(super) fn ok(template: &impl Template) -> Answer {
    Ok(page(StatusCode::OK, template))
}

/// Sends the browser on with a GET, so that going back or loading anew posts nothing twice.
pub(super) fn see(path: &str) -> HttpResponse {
    guarded(&mut HttpResponse::SeeOther()).insert_header((header::LOCATION, path)).finish()
}
