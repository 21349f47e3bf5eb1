//! `/t/o/{token}` and `/t/c/{token}`: the picture and the links of a tracked mail.
//!
//! Both answer whoever asks, at once, and alike: a recipient's link works whatever becomes of us, and nobody learns
//! from an answer whether a mail is known. A link leads where its signed token says, which is where the mail led; there
//! is no other way to make us redirect. What is told of it is kept beside the answer, unless a machine asked.

use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use sendwheel_actors::domain::tracking::{Engagement, Tracked, is_machine};

use crate::api::Shared;
use crate::api::page::page_with;

/// A picture of one transparent pixel.
const PIXEL: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

fn token(request: &HttpRequest) -> &str {
    request.match_info().get("token").unwrap_or_default()
}

/// Whether the request is one that a reader's program makes.
fn is_by_a_reader(request: &HttpRequest) -> bool {
    let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let fetches_ahead = ["purpose", "sec-purpose", "x-purpose", "x-moz"]
        .into_iter()
        .filter_map(text)
        .any(|purpose| purpose.to_ascii_lowercase().contains("prefetch") || purpose.contains("preview"));
    request.method() == Method::GET && !is_machine(text("user-agent"), fetches_ahead)
}

/// Keeps it, beside the answer. Bounded by the requests that the engine takes at once.
fn note(shared: &web::Data<Shared>, request: &HttpRequest, what: Tracked, engagement: Engagement) {
    if !is_by_a_reader(request) {
        return;
    }
    let engine = shared.state.engine.clone();
    actix_web::rt::spawn(async move {
        if let Err(error) = engine.tracked(what, engagement).await {
            tracing::debug!(%error, "an open or a click was not kept");
        }
    });
}

/// The picture of a mail.
#[utoipa::path(get, path = "/t/o/{token}", tag = "recipients", params(("token" = String, Path)),
    responses((status = 200, body = Vec<u8>, content_type = "image/gif")))]
pub(crate) async fn opened(shared: web::Data<Shared>, request: HttpRequest) -> HttpResponse {
    if let Ok(what) = shared.state.engine.opened_by(token(&request)) {
        note(&shared, &request, what, Engagement::Opened);
    }
    HttpResponse::Ok().content_type("image/gif").insert_header((header::CACHE_CONTROL, "no-store, private")).body(PIXEL)
}

/// A link of a mail.
#[utoipa::path(get, path = "/t/c/{token}", tag = "recipients", params(("token" = String, Path)),
    responses((status = 302, description = "To where the mail's link led"), (status = 404, description = "A page: the link does not work", content_type = "text/html")))]
pub(crate) async fn clicked(shared: web::Data<Shared>, request: HttpRequest) -> HttpResponse {
    let known = shared.state.engine.clicked_by(token(&request)).ok();
    // As a header has it: what is not ASCII in it was signed as its author wrote it.
    let Some((what, link)) = known.and_then(|(what, link)| Some((what, url::Url::parse(&link).ok()?))) else {
        let text = "<p>It is incomplete. Use the link in the mail itself, or answer that mail.</p>";
        return page_with(StatusCode::NOT_FOUND, "This link does not work", text);
    };
    note(&shared, &request, what, Engagement::Clicked);
    HttpResponse::build(StatusCode::FOUND)
        .insert_header((header::LOCATION, link.as_str()))
        .insert_header((header::CACHE_CONTROL, "no-store, private"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .finish()
}
