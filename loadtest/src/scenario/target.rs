//! The node that a run drives: started for it on an empty store, or one that is there already.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context as _, bail};

use crate::client::Client;
use crate::node::{Node, NodeOptions};
use crate::progress::Progress;
use crate::redis::Redis;
use crate::wall;
use crate::workload::{self, Cast};

/// Which store a node of the harness's own uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreKind {
    /// In a temporary folder.
    Embedded,
    /// A Redis server started for the run.
    OwnRedis,
    /// This store.
    Url(String),
}

impl FromStr for StoreKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "embedded" => Ok(Self::Embedded),
            "redis" => Ok(Self::OwnRedis),
            url if url.starts_with("redis://") || url.starts_with("redis-cluster://") => Ok(Self::Url(url.to_owned())),
            _ => Err("not a store: expected `embedded`, `redis` or a redis:// address".to_owned()),
        }
    }
}

impl StoreKind {
    /// How tables call it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::OwnRedis | Self::Url(_) => "redis",
        }
    }
}

/// What a run drives.
#[derive(Debug, Clone)]
pub enum TargetOptions {
    /// A node started for the run.
    Own {
        /// The built binary.
        binary: PathBuf,
        /// Its store.
        store: StoreKind,
    },
    /// A node that is there. It must be on `discard` transports, and is left with the run's data.
    Given {
        /// `http://host:port`
        url: String,
        /// A key with the admin role.
        api_key: String,
        /// Its process, where it runs on this machine.
        pid: Option<u32>,
    },
}

/// A node under measurement, with contacts and senders.
pub struct Target {
    /// Speaks to it.
    pub client: Client,
    /// Whom to send to, and from what.
    pub cast: Cast,
    /// This run's part of every token.
    pub run: String,
    /// How tables call its store.
    pub store: &'static str,
    /// The node, when it is the run's own.
    pub node: Option<Node>,
    /// The Redis server, when it is the run's own.
    pub redis: Option<Redis>,
    pid: Option<u32>,
}

impl Target {
    /// Starts or finds the node, and makes `contacts` contacts. `settings` are for a node of the run's
    /// own, on top of `discard` for both channels.
    ///
    /// # Errors
    /// When the node does not start or refuses the preparations.
    pub async fn prepare(
        options: &TargetOptions,
        contacts: usize,
        settings: &[(&str, String)],
    ) -> anyhow::Result<Self> {
        let _bar = Progress::waiting("start a node, make contacts");
        let run = format!("{:x}", wall::now_ms());
        let (client, store, node, redis, pid) = match options {
            TargetOptions::Given { url, api_key, pid } => {
                if !settings.is_empty() {
                    bail!("this scenario needs settings of its own: give --binary instead of --url");
                }
                (Client::new(url, api_key), "given", None, None, *pid)
            }
            TargetOptions::Own { binary, store } => {
                let mut options =
                    NodeOptions::new(binary).set("email.transport", "discard").set("sms.transport", "discard");
                for (name, value) in settings {
                    options = options.set(name, value.clone());
                }
                let mut redis = None;
                match store {
                    StoreKind::Embedded => {}
                    StoreKind::Url(url) => options = options.store(url),
                    StoreKind::OwnRedis => {
                        let own = Redis::start().await?;
                        options = options.store(own.url());
                        redis = Some(own);
                    }
                }
                let node = Node::start(options).await.context("start the node to measure")?;
                (node.client(), store.name(), Some(node), redis, None)
            }
        };
        let cast = workload::cast(&client, contacts).await.context("prepare contacts and senders")?;
        Ok(Self { client, cast, run, store, node, redis, pid })
    }

    /// The process id of a Redis of the run's own.
    #[must_use]
    pub fn redis_pid(&self) -> Option<u32> {
        self.redis.as_ref().and_then(Redis::pid)
    }

    /// The node's process id, where it is known.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.node.as_ref().and_then(Node::pid).or(self.pid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_named_or_given_by_its_address() {
        assert_eq!("embedded".parse(), Ok(StoreKind::Embedded));
        assert_eq!("redis".parse(), Ok(StoreKind::OwnRedis));
        assert_eq!("redis://h:1".parse(), Ok(StoreKind::Url("redis://h:1".into())));
        assert!("postgres://h".parse::<StoreKind>().is_err());
    }
}
