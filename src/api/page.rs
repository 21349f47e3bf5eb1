//! Small pages for people who come by a link in a mail. They load nothing, run no script, and are shown in no frame.

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};

/// A page of its own. `title` and `body` are HTML, so nothing of a request or of anybody's goes in here unescaped.
pub(crate) fn page_with(status: StatusCode, title: &str, body: &str) -> HttpResponse {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:12vh auto;padding:0 1.5rem;\
         color:#1d2733}}button{{font:inherit;padding:.6rem 1.4rem;border:0;border-radius:.4rem;background:#1a56db;\
         color:#fff;cursor:pointer}}input{{font:inherit;display:block;width:100%;box-sizing:border-box;\
         padding:.5rem .7rem;margin:.3rem 0 1rem;border:1px solid #6b7785;border-radius:.4rem}}\
         .wrong{{color:#b42318}}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    );
    HttpResponse::build(status)
        .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header(("X-Robots-Tag", "noindex"))
        .insert_header((
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        ))
        .body(html)
}
