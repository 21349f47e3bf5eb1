//! Style, scripts and icon, compiled in. Their addresses carry a hash of what they hold, so browsers keep them for
//! good and a new version is never shown with the style of the old one.

use std::sync::LazyLock;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};
use sha2::{Digest, Sha256};

use super::error::PageError;

/// A file of the pages.
struct Asset {
    name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
}

const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

static FILES: [Asset; 5] = [
    Asset { name: "app.css", kind: CSS, bytes: include_bytes!("static/app.css") },
    Asset { name: "app.js", kind: JS, bytes: include_bytes!("static/app.js") },
    Asset { name: "htmx.js", kind: JS, bytes: include_bytes!("static/htmx.min.js") },
    Asset { name: "sse.js", kind: JS, bytes: include_bytes!("static/hx-sse.min.js") },
    Asset { name: "icon.svg", kind: "image/svg+xml", bytes: include_bytes!("static/icon.svg") },
];

/// Where each file is found: with the hash of all of them, since they are of one version.
pub(super) struct Paths {
    version: String,
    pub(super) css: String,
    pub(super) app: String,
    pub(super) htmx: String,
    pub(super) sse: String,
    pub(super) icon: String,
}

static PATHS: LazyLock<Paths> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for file in &FILES {
        hash.update(file.bytes);
    }
    let version = hex::encode(&hash.finalize()[..8]);
    let path = |name: &str| format!("/assets/{version}/{name}");
    Paths {
        css: path("app.css"),
        app: path("app.js"),
        htmx: path("htmx.js"),
        sse: path("sse.js"),
        icon: path("icon.svg"),
        version,
    }
});

/// Where the files are found.
pub(super) fn paths() -> &'static Paths {
    &PATHS
}

/// A file. Under another version's address it is the one of now, and not kept.
pub(super) async fn asset(request: HttpRequest) -> Result<HttpResponse, PageError> {
    let part = |name| request.match_info().get(name).unwrap_or_default();
    let file = FILES.iter().find(|file| file.name == part("name")).ok_or(PageError::not_found())?;
    let is_ours = part("version") == PATHS.version;
    let tag = format!("\"{}\"", PATHS.version);
    let known = request.headers().get(header::IF_NONE_MATCH);
    let mut response = match known {
        Some(known) if known.as_bytes() == tag.as_bytes() => HttpResponse::NotModified(),
        _ => HttpResponse::Ok(),
    };
    let keep = if is_ours { "public, max-age=31536000, immutable" } else { "no-cache" };
    response
        .insert_header((header::ETAG, tag.clone()))
        .insert_header((header::CACHE_CONTROL, keep))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CONTENT_TYPE, file.kind));
    Ok(if known.is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        response.finish()
    } else {
        response.body(file.bytes)
    })
}
