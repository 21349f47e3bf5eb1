//! A URL that notices are posted to.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::{Position, Url};

use super::AddressError;

/// An `http` or `https` URL. It may carry a token, so `Debug` does not show it; where it may lead is another question
/// (`domain::egress`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WebUrl(String);

impl WebUrl {
    /// Parses a URL.
    ///
    /// # Errors
    /// No URL, or none for HTTP.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let url = Url::parse(text).map_err(|_| AddressError::NotAUrl)?;
        let is_http = matches!(url.scheme(), "https" | "http") && url.has_host();
        if is_http { Ok(Self(url.into())) } else { Err(AddressError::NotAUrl) }
    }

    /// As much of a URL as everyone may see: without path and query, where tokens are.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn host_of(text: &str) -> Result<Self, AddressError> {
        let url = Url::parse(text).map_err(|_| AddressError::NotAUrl)?;
        Self::parse(&format!("{}://{}", url.scheme(), &url[Position::BeforeHost..Position::AfterPort]))
    }

    /// The URL as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

text_address!(WebUrl);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_for_http_are_read() {
        for text in ["https://e.com", "http://127.0.0.1:8080/x?y=z", "https://[::1]/"] {
            let url = WebUrl::parse(text).unwrap();
            assert_eq!(WebUrl::parse(url.as_str()), Ok(url));
        }
        for text in ["", "e.com", "ftp://e.com", "mailto:a@e.com", "https://", "file:///etc/passwd"] {
            assert_eq!(WebUrl::parse(text), Err(AddressError::NotAUrl), "{text}");
        }
    }

    #[test]
    fn what_may_be_a_token_is_left_out_where_only_the_host_is_shown() {
        for (text, host) in [
            ("https://e.com/hook/s3cret?token=s3cret#s3cret", "https://e.com/"),
            ("https://user:s3cret@e.com:8443/", "https://e.com:8443/"),
        ] {
            assert_eq!(WebUrl::host_of(text).unwrap().as_str(), host);
            assert!(!format!("{:?}", WebUrl::parse(text)).contains("s3cret"));
        }
    }
}
