//! The session's cookie, and the proof that a request with it comes from our own pages.
//!
//! A browser sends the cookie along whoever made it ask. `SameSite=Lax` keeps it from most of what other sites
//! do; beyond that, whatever changes something must come from our own origin, as the browser itself says, and
//! carry a token that only our pages can read.

use actix_web::cookie::time::Duration as CookieDuration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName};
use sendwheel_actors::domain::session::SessionToken;

/// The header with the second token.
pub(crate) static X_CSRF_TOKEN: HeaderName = HeaderName::from_static("x-csrf-token");
static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// How this installation's cookie is spelled, and which origin is ours.
#[derive(Debug, Clone)]
pub(crate) struct SessionCookie {
    name: &'static str,
    is_secure: bool,
    /// Scheme, host and port that browsers reach us under.
    origin: String,
}

/// Which pages made a browser ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asker {
    /// Ours.
    OurPages,
    /// Somebody else's, or the address bar.
    Others,
    /// No browser says so: a program, or a browser of long ago.
    Unknown,
}

impl SessionCookie {
    /// The cookie of an installation that is reached under this URL.
    pub(crate) fn of(public_url: &str) -> Self {
        let origin = url::Url::parse(public_url).map(|url| url.origin().ascii_serialization()).unwrap_or_default();
        let is_secure = origin.starts_with("https://");
        // The prefix makes browsers refuse it from a neighbouring host name or without TLS.
        let name = if is_secure { "__Host-sendwheel_session" } else { "sendwheel_session" };
        Self { name, is_secure, origin }
    }

    /// Its name.
    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    fn with(&self, value: String, seconds: i64) -> Cookie<'static> {
        Cookie::build(self.name, value)
            .path("/")
            .http_only(true)
            .same_site(SameSite::Lax)
            .secure(self.is_secure)
            .max_age(CookieDuration::seconds(seconds))
            .finish()
    }

    /// The cookie of a session that may last so long.
    pub(crate) fn begin(&self, token: &SessionToken, lifetime: std::time::Duration) -> Cookie<'static> {
        self.with(token.expose().to_owned(), i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX))
    }

    /// What makes a browser forget it.
    pub(crate) fn end(&self) -> Cookie<'static> {
        self.with(String::new(), 0)
    }

    /// Which pages made a browser ask.
    pub(crate) fn asker(&self, headers: &HeaderMap) -> Asker {
        if let Some(site) = headers.get(&SEC_FETCH_SITE) {
            return if site.as_bytes() == b"same-origin" { Asker::OurPages } else { Asker::Others };
        }
        let Some(origin) = headers.get(header::ORIGIN) else { return Asker::Unknown };
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        // On this machine people may say localhost where the settings say 127.0.0.1. Elsewhere the host is what
        // the request claims, and proves nothing.
        let is_same_host = is_loopback(host) && origin.as_bytes() == format!("http://{host}").as_bytes();
        let is_ours = !self.origin.is_empty() && origin.as_bytes() == self.origin.as_bytes();
        if is_ours || is_same_host { Asker::OurPages } else { Asker::Others }
    }
}

/// Whether a `Host` names this machine.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

/// Whether a method only reads (RFC 9110 section 9.2.1).
pub(crate) fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use sendwheel_actors::domain::source::IdSource;

    use super::*;

    #[test]
    fn the_cookie_is_kept_from_scripts_other_sites_and_plain_connections() {
        let token = SessionToken::new(&IdSource::seeded(1));
        let lifetime = std::time::Duration::from_secs(60);
        let secure = SessionCookie::of("https://messages.example.com/sub").begin(&token, lifetime).to_string();
        let expected =
            format!("__Host-sendwheel_session={}; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=60", token.expose());
        assert_eq!(secure, expected);
        let plain = SessionCookie::of("http://127.0.0.1:8080");
        assert_eq!(plain.end().to_string(), "sendwheel_session=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0");
    }

    #[test]
    fn our_pages_are_known_by_what_the_browser_says() {
        let public = SessionCookie::of("https://messages.example.com");
        let local = SessionCookie::of("http://127.0.0.1:8080");
        for (cookie, headers, expected) in [
            (&public, &[("Sec-Fetch-Site", "same-origin")][..], Asker::OurPages),
            (&public, &[("Sec-Fetch-Site", "same-origin"), ("Origin", "null")], Asker::OurPages),
            (&public, &[("Sec-Fetch-Site", "same-site")], Asker::Others),
            (&public, &[("Sec-Fetch-Site", "cross-site"), ("Origin", "https://messages.example.com")], Asker::Others),
            (&public, &[("Sec-Fetch-Site", "none")], Asker::Others),
            (&public, &[("Origin", "https://messages.example.com")], Asker::OurPages),
            (&public, &[("Origin", "http://messages.example.com")], Asker::Others),
            (&public, &[("Origin", "https://messages.example.com.evil.example")], Asker::Others),
            (&public, &[("Origin", "null")], Asker::Others),
            (&public, &[("Origin", "https://evil.example"), ("Host", "evil.example")], Asker::Others),
            (&public, &[], Asker::Unknown),
            (&local, &[("Origin", "http://localhost:8080"), ("Host", "localhost:8080")], Asker::OurPages),
            (&local, &[("Origin", "http://[::1]:8080"), ("Host", "[::1]:8080")], Asker::OurPages),
            (&local, &[("Origin", "http://localhost:9090"), ("Host", "localhost:8080")], Asker::Others),
            (&local, &[("Origin", "http://rebound.example"), ("Host", "rebound.example")], Asker::Others),
            (&local, &[("Origin", "http://127.0.0.1.evil.example"), ("Host", "127.0.0.1.evil.example")], Asker::Others),
        ] {
            let mut request = TestRequest::post();
            for (name, value) in headers {
                request = request.insert_header((*name, *value));
            }
            assert_eq!(cookie.asker(request.to_http_request().headers()), expected, "{headers:?}");
        }
    }
}
