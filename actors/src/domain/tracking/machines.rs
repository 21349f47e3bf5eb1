//! Machines that load a mail's pictures and follow its links before, or without, anybody reading it.

use std::time::Duration;

/// Whatever comes this soon after a mail was handed over is its scanner: nobody reads that fast.
pub const INSTANT: Duration = Duration::from_secs(10);

/// Parts of the names of programs that no reader uses; in lowercase.
const MACHINES: [&str; 28] = [
    "bot",
    "crawl",
    "spider",
    "scan",
    "preview",
    "prefetch",
    "monitor",
    "headless",
    "phantomjs",
    "curl/",
    "wget/",
    "libwww",
    "python",
    "java/",
    "okhttp",
    "go-http-client",
    "node-fetch",
    "axios/",
    "ruby",
    "perl",
    "barracuda",
    "mimecast",
    "proofpoint",
    "symantec",
    "trendmicro",
    "fireeye",
    "forcepoint",
    "facebookexternalhit",
];

/// Whether a request is a machine's, by the name that it gives itself and by whether it says that it only fetches
/// ahead. Apple's Mail Privacy Protection loads every picture of every mail, under the bare name `Mozilla/5.0`; the
/// picture proxies of Gmail and Yahoo load when somebody reads, and count.
#[must_use]
pub fn is_machine(user_agent: Option<&str>, fetches_ahead: bool) -> bool {
    let name = user_agent.unwrap_or_default().trim().to_ascii_lowercase();
    fetches_ahead || name.is_empty() || name == "mozilla/5.0" || MACHINES.iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_count_and_machines_do_not() {
        for (name, is_one) in [
            (Some("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"), false),
            (Some("Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"), false),
            (Some("YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html"), false),
            (Some("Mozilla/4.0 (compatible; ms-office; MSOffice 16)"), false),
            (Some("Thunderbird/140.0"), false),
            (Some("Mozilla/5.0"), true),
            (Some(" mozilla/5.0 "), true),
            (Some("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"), true),
            (Some("Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/140.0"), true),
            (Some("SkypeUriPreview Preview/0.5"), true),
            (Some("BarracudaSentinel (EE)"), true),
            (Some("python-requests/2.32"), true),
            (Some(""), true),
            (None, true),
        ] {
            assert_eq!(is_machine(name, false), is_one, "{name:?}");
        }
        assert!(is_machine(Some("Thunderbird/140.0"), true));
    }
}
