//! Connections to Redis: one server or a cluster, with both timeouts always set.
//!
//! A connection is shared by all callers, whose commands it pipelines; it reconnects by itself. Errors
//! are judged here, once: what is known not to have been executed, and what may have been.

use std::fmt;
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::{Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult, ServerErrorKind};
use secrecy::ExposeSecret;

use super::scripts::Script;
use super::settings::RedisSettings;
use crate::store::contract::{CommitError, StoreError};
use crate::store::url::StoreUrl;

/// A shared connection.
#[derive(Clone)]
pub(super) enum Link {
    Single(ConnectionManager),
    Cluster(ClusterConnection),
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Single(_) => "Link(single)",
            Self::Cluster(_) => "Link(cluster)",
        })
    }
}

impl Link {
    /// Connects; `extra` is added to the response timeout, for commands that wait at the server.
    pub(super) async fn open(url: &StoreUrl, settings: &RedisSettings, extra: Duration) -> Result<Self, StoreError> {
        let response_timeout = settings.response_timeout + extra;
        let opened = match url {
            StoreUrl::Redis(url) => {
                // One retry: a caller hears within two connection timeouts that the server is not there.
                let config = ConnectionManagerConfig::new()
                    .set_connection_timeout(Some(settings.connection_timeout))
                    .set_response_timeout(Some(response_timeout))
                    .set_number_of_retries(1)
                    .set_min_delay(Duration::from_millis(50))
                    .set_max_delay(Duration::from_millis(200));
                match redis::Client::open(url.expose_secret()) {
                    Ok(client) => ConnectionManager::new_with_config(client, config).await.map(Self::Single),
                    Err(error) => Err(error),
                }
            }
            StoreUrl::RedisCluster(nodes) => {
                let client = ClusterClientBuilder::new(nodes.iter().map(ExposeSecret::expose_secret))
                    .connection_timeout(settings.connection_timeout)
                    .response_timeout(response_timeout)
                    .overall_response_timeout(Some(response_timeout * 2))
                    .build();
                match client {
                    Ok(client) => client.get_async_connection().await.map(Self::Cluster),
                    Err(error) => Err(error),
                }
            }
            StoreUrl::Embedded(_) => {
                return Err(StoreError::Unusable("an embedded store has no server to connect to".to_owned()));
            }
        };
        opened.map_err(|error| match error.kind() {
            ErrorKind::InvalidClientConfig | ErrorKind::AuthenticationFailed => {
                StoreError::Unusable(format!("cannot connect to {url}: {}; check the store url", error.category()))
            }
            _ => StoreError::Unavailable(format!("cannot connect to {url}: {}", text(&error))),
        })
    }

    pub(super) const fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }

    pub(super) async fn run<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<T> {
        match self {
            Self::Single(connection) => command.query_async(&mut connection.clone()).await,
            Self::Cluster(connection) => command.query_async(&mut connection.clone()).await,
        }
    }

    async fn run_all<T: FromRedisValue>(&self, pipeline: &Pipeline) -> RedisResult<T> {
        match self {
            Self::Single(connection) => pipeline.query_async(&mut connection.clone()).await,
            Self::Cluster(connection) => pipeline.query_async(&mut connection.clone()).await,
        }
    }

    /// Runs a script by its hash; one that the server does not have (it was restarted, say) was not
    /// executed, and is sent again in full, which also loads it.
    pub(super) async fn script<T: FromRedisValue>(
        &self,
        script: &Script,
        arguments: impl Fn(&mut Cmd),
    ) -> RedisResult<T> {
        let mut command = redis::cmd("EVALSHA");
        command.arg(script.hash());
        arguments(&mut command);
        match self.run(&command).await {
            Err(error) if is_unknown_script(&error) => self.run(&script.in_full(arguments)).await,
            result => result,
        }
    }

    /// As [`Link::script`], followed by `WAIT`: the reply, and how many replicas have it.
    pub(super) async fn script_and_wait<T: FromRedisValue>(
        &self,
        script: &Script,
        replicas: u32,
        timeout: Duration,
        arguments: impl Fn(&mut Cmd),
    ) -> RedisResult<(T, u32)> {
        let mut wait = redis::cmd("WAIT");
        wait.arg(replicas).arg(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
        let mut command = redis::cmd("EVALSHA");
        command.arg(script.hash());
        arguments(&mut command);
        let both = |command: Cmd| {
            let mut pipeline = redis::pipe();
            pipeline.add_command(command).add_command(wait.clone());
            pipeline
        };
        match self.run_all(&both(command)).await {
            Err(error) if is_unknown_script(&error) => self.run_all(&both(script.in_full(arguments))).await,
            result => result,
        }
    }
}

fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) || error.code() == Some("NOSCRIPT")
}

/// What happened, without what was sent.
pub(super) fn text(error: &RedisError) -> String {
    match (error.code(), error.is_timeout()) {
        (Some(code), _) => format!("the server answered {code}: {}", error.detail().unwrap_or("no detail")),
        (None, true) => "no answer in time".to_owned(),
        (None, false) => error.to_string(),
    }
}

pub(super) fn store_error(error: &RedisError) -> StoreError {
    if error.code() == Some("OOM") { StoreError::OutOfSpace } else { StoreError::Unavailable(text(error)) }
}

/// Judges a failed commit: what the server refused before it executed anything was not applied; of
/// everything else nobody knows.
pub(super) fn commit_error(error: &RedisError) -> CommitError {
    use ServerErrorKind as S;
    // The script for everything but new work may use the reserve.
    if error.code() == Some("OOM") {
        return CommitError::NoRoom;
    }
    let is_refused = match error.kind() {
        ErrorKind::Server(kind) => matches!(
            kind,
            S::BusyLoading
                | S::NoScript
                | S::Moved
                | S::Ask
                | S::TryAgain
                | S::ClusterDown
                | S::CrossSlot
                | S::MasterDown
                | S::ReadOnly
                | S::NoPerm
        ),
        ErrorKind::Extension => {
            matches!(error.code(), Some("MISCONF" | "NOREPLICAS" | "NOAUTH" | "BUSY" | "WRONGPASS"))
        }
        ErrorKind::AuthenticationFailed
        | ErrorKind::InvalidClientConfig
        | ErrorKind::ClusterConnectionNotFound
        | ErrorKind::Client => true,
        _ => error.is_connection_refusal(),
    };
    if is_refused { CommitError::Unavailable(text(error)) } else { CommitError::Unknown(text(error)) }
}
