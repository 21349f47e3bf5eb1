//! HTTP clients for URLs that users set: they connect to no address that [`Reach`] does not allow.
//!
//! The addresses of a name are looked at where they are resolved for the connection, so that there is no moment
//! between check and use in which the name could change (DNS rebinding). An address in the URL itself is not
//! resolved by anybody: `domain::egress::check_url` must have seen the URL, also when it was stored long ago.
//! Redirects are not followed and no proxy is used: either would connect somewhere else.

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::ClientBuilder;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::domain::egress::Reach;

/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 16;

/// A name without an address that may be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the host has no public address: use one that everyone can reach")]
pub struct NotPublic;

/// Lets a client reach what `reach` allows, and nothing by way of others.
pub fn restrict(client: ClientBuilder, reach: Reach) -> ClientBuilder {
    let resolver = ReachResolver::new(reach, Arc::new(SystemResolver));
    client.dns_resolver(resolver).no_proxy().redirect(reqwest::redirect::Policy::none())
}

/// Whether a request failed because its host has no address that may be reached.
#[must_use]
pub fn is_refused(error: &reqwest::Error) -> bool {
    std::iter::successors(std::error::Error::source(error), |error| error.source()).any(|error| error.is::<NotPublic>())
}

/// Drops the addresses that may not be reached from what another resolver finds.
pub struct ReachResolver {
    reach: Reach,
    inner: Arc<dyn Resolve>,
}

impl std::fmt::Debug for ReachResolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReachResolver").field("reach", &self.reach).finish_non_exhaustive()
    }
}

impl ReachResolver {
    /// A resolver that asks `inner`.
    #[must_use]
    pub fn new(reach: Reach, inner: Arc<dyn Resolve>) -> Self {
        Self { reach, inner }
    }
}

impl Resolve for ReachResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.reach;
        let found = self.inner.resolve(name);
        Box::pin(async move {
            let allowed: Vec<SocketAddr> =
                found.await?.filter(|address| reach.allows(address.ip())).take(MAX_ADDRESSES).collect();
            if allowed.is_empty() {
                return Err(NotPublic.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// The machine's resolver, as other clients use it.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // The client puts the URL's port in the place of this one.
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers with the next of these, and then with the last again.
    struct Scripted(Mutex<Vec<Vec<SocketAddr>>>);

    impl Scripted {
        fn new(answers: &[&[&str]]) -> Arc<Self> {
            let address = |text: &&str| SocketAddr::new(text.parse().unwrap(), 0);
            let answers = answers.iter().rev().map(|answer| answer.iter().map(address).collect()).collect();
            Arc::new(Self(Mutex::new(answers)))
        }
    }

    impl Resolve for Scripted {
        fn resolve(&self, _: Name) -> Resolving {
            let mut answers = self.0.lock().unwrap();
            let answer = if answers.len() > 1 { answers.pop().unwrap() } else { answers[0].clone() };
            Box::pin(async move { Ok(Box::new(answer.into_iter()) as Addrs) })
        }
    }

    async fn resolved(reach: Reach, answers: &[&[&str]]) -> Vec<Result<Vec<String>, String>> {
        let resolver = ReachResolver::new(reach, Scripted::new(answers));
        let mut results = Vec::new();
        for _ in answers {
            let result = resolver.resolve("example.com".parse().unwrap()).await;
            results.push(match result {
                Ok(addresses) => Ok(addresses.map(|address| address.ip().to_string()).collect()),
                Err(error) => Err(error.to_string()),
            });
        }
        results
    }

    #[tokio::test]
    async fn addresses_that_are_not_public_are_dropped_every_time_a_name_is_resolved() {
        let answers: [&[&str]; 4] =
            [&["93.184.216.34", "10.0.0.1", "2606:4700::1111", "::1"], &["127.0.0.1"], &["::ffff:10.0.0.1"], &[]];
        let none = || Err(NotPublic.to_string());
        assert_eq!(
            resolved(Reach::Public, &answers).await,
            [Ok(vec!["93.184.216.34".to_owned(), "2606:4700::1111".to_owned()]), none(), none(), none()]
        );
        let all = resolved(Reach::Anywhere, &answers).await;
        assert_eq!(all[0].as_ref().unwrap().len(), 4);
        assert_eq!(all[1], Ok(vec!["127.0.0.1".to_owned()]));
    }

    #[tokio::test]
    async fn only_so_many_addresses_are_tried() {
        let many: Vec<String> = (1..=100).map(|n| format!("93.184.216.{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(resolved(Reach::Public, &[&many]).await[0].as_ref().unwrap().len(), MAX_ADDRESSES);
    }

    /// A server on loopback that redirects every request to itself; gives its port and what it was asked for.
    async fn server() -> (u16, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let asked = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = vec![0; 4096];
                let length = stream.read(&mut request).await.unwrap_or(0);
                let line = String::from_utf8_lossy(&request[..length]).lines().next().unwrap_or_default().to_owned();
                asked.lock().unwrap().push(line);
                let answer = format!(
                    "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:{port}/next\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        (port, seen)
    }

    fn client(reach: Reach, answers: &[&[&str]]) -> reqwest::Client {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = restrict(reqwest::Client::builder().timeout(Duration::from_secs(10)), reach);
        builder.dns_resolver(ReachResolver::new(reach, Scripted::new(answers))).build().unwrap()
    }

    #[tokio::test]
    async fn a_name_that_turns_to_loopback_is_not_connected_to() {
        let (port, seen) = server().await;
        let url = format!("http://hook.example.com:{port}/");
        let error = client(Reach::Public, &[&["127.0.0.1"]]).get(&url).send().await.unwrap_err();
        assert!(is_refused(&error) && error.is_connect(), "{error:?}");
        assert!(seen.lock().unwrap().is_empty());

        // The same with every address allowed arrives, and a redirect is not followed.
        let answer = client(Reach::Anywhere, &[&["127.0.0.1"]]).get(&url).send().await.unwrap();
        assert_eq!(answer.status(), 302);
        assert_eq!(*seen.lock().unwrap(), ["GET / HTTP/1.1"]);
    }

    #[tokio::test]
    async fn the_machine_s_own_names_are_refused() {
        let (port, seen) = server().await;
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client =
            |reach| restrict(reqwest::Client::builder().timeout(Duration::from_secs(10)), reach).build().unwrap();
        let url = format!("http://localhost:{port}/");
        let error = client(Reach::Public).get(&url).send().await.unwrap_err();
        assert!(is_refused(&error), "{error:?}");
        assert!(seen.lock().unwrap().is_empty());
        assert_eq!(client(Reach::Anywhere).get(&url).send().await.unwrap().status(), 302);
        // Somebody else's failure is not taken for a refusal.
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let error = client(Reach::Anywhere).get(format!("http://localhost:{gone}/")).send().await.unwrap_err();
        assert!(!is_refused(&error));
    }
}
