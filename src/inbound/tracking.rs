//! `/t/o/{token}` and `/t/c/{token}`: the picture and the links of a tracked mail.
//!
//! Both answer whoever asks, at once, and alike: a recipient's link works whatever becomes of us, and nobody learns
//! from an answer whether a mail is known. A link leads where its signed token says, which is where the mail led; there
//! is no other way to make us redirect. What is told of it is kept beside the answer, unless a machine asked.

use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use sendwheel_actors::domain::tracking::{Engagement, Tracked, is_machine};

use crate::api::origin::origin_of;
use crate::api::page::page_with;
use crate::api::{ApiSettings, Shared};

/// A picture of one transparent pixel.
const PIXEL: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

fn token(request: &HttpRequest) -> &str {
    request.match_info().get("token").unwrap_or_default()
}

/// Whether the request is one that a reader's program makes, and comes from where readers are.
fn is_by_a_reader(request: &HttpRequest, settings: &ApiSettings) -> bool {
    let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let fetches_ahead = ["purpose", "sec-purpose", "x-purpose", "x-moz"]
        .into_iter()
        .filter_map(text)
        .any(|purpose| purpose.to_ascii_lowercase().contains("prefetch") || purpose.contains("preview"));
    let origin = origin_of(request, &settings.trusted_proxies);
    let is_scanner = origin.is_some_and(|origin| settings.scanners.iter().any(|network| network.contains(origin)));
    request.method() == Method::GET && !is_scanner && !is_machine(text("user-agent"), fetches_ahead)
}

/// Keeps it, beside the answer. Bounded by the requests that the engine takes at once.
fn note(shared: &web::Data<Shared>, request: &HttpRequest, what: Tracked, engagement: Engagement) {
    if !is_by_a_reader(request, &shared.state.settings) {
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

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn what_scanners_and_programs_ask_for_is_not_read() {
        let networks = |text: &str| text.split(' ').map(|network| network.parse().unwrap()).collect();
        let settings = ApiSettings {
            trusted_proxies: networks("10.0.0.0/8"),
            scanners: networks("40.107.0.0/16 2a01:111:f400::/48"),
            ..ApiSettings::default()
        };
        let is_read = |peer: &str, headers: &[(&str, &str)]| {
            let mut request = TestRequest::get().peer_addr(SocketAddr::new(peer.parse().unwrap(), 1));
            for (name, value) in [("User-Agent", "Thunderbird/140.0")].iter().chain(headers) {
                request = request.insert_header((*name, *value));
            }
            is_by_a_reader(&request.to_http_request(), &settings)
        };
        assert!(is_read("203.0.113.9", &[]));
        assert!(!is_read("40.107.3.4", &[]) && !is_read("2a01:111:f400::7", &[]));
        // Behind a proxy it is what the proxy says; from elsewhere nobody is believed.
        assert!(!is_read("10.0.0.1", &[("X-Forwarded-For", "40.107.3.4")]));
        assert!(is_read("203.0.113.9", &[("X-Forwarded-For", "40.107.3.4")]));
        assert!(!is_read("203.0.113.9", &[("Sec-Purpose", "prefetch")]));
        assert!(!is_read("203.0.113.9", &[("User-Agent", "python-requests/2.32")]));
    }
}
