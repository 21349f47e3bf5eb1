//! Where a store is: the text from the settings, parsed once.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use secrecy::SecretString;

/// Where a store is.
#[derive(Clone)]
pub enum StoreUrl {
    /// A directory of this machine: `embedded:DIR`.
    Embedded(PathBuf),
    /// One Redis server: `redis://[user:password@]host[:port]/[database]`, `rediss://` with TLS.
    Redis(SecretString),
    /// Nodes of a Redis Cluster, of which one suffices: `redis-cluster://[user:password@]host:port,host:port`.
    RedisCluster(Vec<SecretString>),
}

/// Why a text is not a store's address. It never repeats the text, which may carry a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StoreUrlError {
    /// Another scheme, or none.
    #[error("the store url must begin with `embedded:`, `redis://`, `rediss://` or `redis-cluster://`")]
    Scheme,
    /// `embedded:` with nothing behind it.
    #[error("the store url names no directory: write `embedded:DIR`")]
    NoDirectory,
    /// No host, or not a URL.
    #[error("the store url is not a valid Redis address: write `redis://host:port` or `redis-cluster://host:port,…`")]
    Address,
}

impl FromStr for StoreUrl {
    type Err = StoreUrlError;

    fn from_str(text: &str) -> Result<Self, StoreUrlError> {
        if let Some(dir) = text.strip_prefix("embedded:") {
            return if dir.is_empty() { Err(StoreUrlError::NoDirectory) } else { Ok(Self::Embedded(dir.into())) };
        }
        if text.starts_with("redis://") || text.starts_with("rediss://") {
            return valid_redis(text.to_owned()).map(Self::Redis);
        }
        let Some(nodes) = text.strip_prefix("redis-cluster://") else {
            return Err(StoreUrlError::Scheme);
        };
        // Credentials stand once, before the first host, and hold for every node.
        let (credentials, hosts) = nodes.rsplit_once('@').map_or((None, nodes), |(user, hosts)| (Some(user), hosts));
        let credentials = credentials.map_or(String::new(), |user| format!("{user}@"));
        hosts
            .trim_end_matches('/')
            .split(',')
            .map(|host| valid_redis(format!("redis://{credentials}{host}")))
            .collect::<Result<_, _>>()
            .map(Self::RedisCluster)
    }
}

fn valid_redis(text: String) -> Result<SecretString, StoreUrlError> {
    let url = url::Url::parse(&text).map_err(|_| StoreUrlError::Address)?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err(StoreUrlError::Address);
    }
    Ok(SecretString::from(text))
}

/// `user:password@` is left out.
impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded(dir) => write!(f, "embedded:{}", dir.display()),
            Self::Redis(url) => write!(f, "redis://{}", host_and_port(url)),
            Self::RedisCluster(nodes) => {
                f.write_str("redis-cluster://")?;
                for (at, node) in nodes.iter().enumerate() {
                    write!(f, "{}{}", if at == 0 { "" } else { "," }, host_and_port(node))?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn host_and_port(url: &SecretString) -> String {
    use secrecy::ExposeSecret;
    let parsed = url::Url::parse(url.expose_secret());
    parsed.map_or(String::new(), |url| format!("{}:{}", url.host_str().unwrap_or_default(), url.port().unwrap_or(6379)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_url_is_parsed_and_shown_without_its_password() {
        for (text, shown) in [
            ("embedded:data/store", "embedded:data/store"),
            ("redis://localhost", "redis://localhost:6379"),
            ("redis://me:geheim@db:6380/2", "redis://db:6380"),
            ("rediss://:geheim@db", "redis://db:6379"),
            ("redis-cluster://a:7000,b:7001", "redis-cluster://a:7000,b:7001"),
            ("redis-cluster://me:geheim@a:7000,b:7001/", "redis-cluster://a:7000,b:7001"),
        ] {
            let url: StoreUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), shown, "{text}");
            assert_eq!(format!("{url:?}"), shown, "{text}");
        }
    }

    #[test]
    fn what_is_no_store_url_is_refused_with_what_to_write() {
        for (text, error) in [
            ("", StoreUrlError::Scheme),
            ("postgres://geheim@db", StoreUrlError::Scheme),
            ("embedded:", StoreUrlError::NoDirectory),
            ("redis://", StoreUrlError::Address),
            ("redis://:geheim@", StoreUrlError::Address),
            ("redis-cluster://a:7000,", StoreUrlError::Address),
            ("redis-cluster://a:port", StoreUrlError::Address),
        ] {
            let found = text.parse::<StoreUrl>().unwrap_err();
            assert_eq!(found, error, "{text}");
            assert!(!found.to_string().contains("geheim"));
        }
    }
}
