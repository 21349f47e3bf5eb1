//! What stands around the node of a run: its providers, its store's server or disk, its wall clock.

use std::path::Path;

use anyhow::Context as _;

use super::Faults;
use crate::clock::SetClock;
use crate::disk::Disk;
use crate::fault::Means;
use crate::node::NodeOptions;
use crate::redis::{Redis, RedisOptions};
use crate::scenario::StoreKind;
use crate::sink::Gate;
use crate::sink::proxy::Proxy;
use crate::sink::sms::{SmsSink, TWILIO_SID, TWILIO_TOKEN};
use crate::sink::smtp::{SmtpOptions, SmtpSink};

/// What a sink keeps.
const KEPT: usize = 1_000_000;

/// Everything but the node.
pub(super) struct World {
    pub(super) smtp: SmtpSink,
    pub(super) sms: SmsSink,
    pub(super) redis: Option<Redis>,
    /// Copies it; every commit waits for it.
    pub(super) replica: Option<Redis>,
    /// Between the node and Redis.
    pub(super) path: Option<Proxy>,
    /// Under the embedded store.
    pub(super) disk: Option<Disk>,
    /// The node's, or that of Redis, which nodes go by.
    pub(super) clock: Option<SetClock>,
    /// What is not there, and why.
    pub(super) missing: Vec<String>,
}

impl World {
    pub(super) async fn start(store: &StoreKind, has_replica: bool) -> anyhow::Result<Self> {
        let (smtp, sms) = (SmtpSink::start(SmtpOptions::default()).await?, SmsSink::start(KEPT).await?);
        let mut missing = Vec::new();
        let mut have = |what: &str, error: &anyhow::Error| missing.push(format!("{what}: {error:#}"));
        let clock = SetClock::new().inspect_err(|error| have("the clock was not set", error)).ok();
        let (mut redis, mut replica, mut path, mut disk) = (None, None, None, None);
        match store {
            StoreKind::Embedded => {
                disk = Disk::mount().inspect_err(|error| have("the disk was neither full nor slow", error)).ok();
            }
            StoreKind::OwnRedis => {
                let environment = clock.as_ref().map(SetClock::environment).unwrap_or_default();
                // What it answered is kept when it is killed: less is no fault of the node.
                let options = RedisOptions { is_durable: true, environment, ..RedisOptions::default() };
                let server = Redis::start_with(options.clone()).await?;
                if has_replica {
                    let copy =
                        Redis::start_with(RedisOptions { replica_of: Some(server.address()), ..options }).await?;
                    copy.is_in_step().await?;
                    replica = Some(copy);
                }
                path = Some(Proxy::start(server.address()).await?);
                redis = Some(server);
            }
            StoreKind::Url(_) => anyhow::bail!("faults need a store of their own: `embedded` or `redis`"),
        }
        Ok(Self { smtp, sms, redis, replica, path, disk, clock, missing })
    }

    /// How the node is started among all this.
    pub(super) fn node(&self, binary: &Path, run: &Faults) -> NodeOptions {
        let mut options = NodeOptions::new(binary)
            .set("email.transport", "smtp")
            .set("email.smtp.url", self.smtp.url())
            .set("sms.transport", "twilio")
            .set("sms.twilio.base_url", self.sms.url())
            .set("sms.twilio.account_sid", TWILIO_SID)
            .set("sms.twilio.auth_token", TWILIO_TOKEN)
            // A minute between attempts is kind to providers and long for a run; and what a dead process had in its
            // hands is taken up when its attempt must be over.
            .set("email.retry_base", "2s")
            .set("sms.retry_base", "2s")
            .set("email.smtp.command_timeout", "8s")
            .set("email.smtp.attempt_timeout", "10s")
            .set("sms.twilio.attempt_timeout", "10s");
        if let Some(path) = &self.path {
            options = options.store(format!("redis://{}", path.address()));
        } else if let Some(clock) = &self.clock {
            options = options.with_environment(clock.environment());
        }
        if self.replica.is_some() {
            options = options.set("store.wait_replicas", "1");
        }
        if let Some(disk) = &self.disk {
            let store = format!("embedded:{}", disk.path().join("store").display());
            options = options.store(store).set("store.memtable", "4MiB");
        }
        match run.bug {
            Some(bug) => options.set("planted_bug", bug),
            None => options,
        }
    }

    pub(super) fn means(&self) -> Means {
        Means {
            has_store_server: self.redis.is_some(),
            has_replica: self.replica.is_some(),
            has_disk: self.disk.is_some(),
            has_clock: self.clock.is_some(),
        }
    }

    pub(super) fn redis(&mut self) -> anyhow::Result<&mut Redis> {
        self.redis.as_mut().context("the store has no server")
    }

    /// The server dies, and its replica takes its place.
    pub(super) async fn fail_over(&mut self) -> anyhow::Result<()> {
        self.redis()?.kill_9().await?;
        std::mem::swap(&mut self.redis, &mut self.replica);
        self.redis()?.promote().await?;
        let address = self.redis()?.address();
        self.path.as_ref().context("the way to the store can be led elsewhere")?.lead_to(address);
        Ok(())
    }

    /// The server that died comes back as the replica of the other.
    pub(super) async fn rejoin(&mut self) -> anyhow::Result<()> {
        let address = self.redis()?.address();
        let replica = self.replica.as_mut().context("the store has no replica")?;
        replica.set_primary(Some(address));
        replica.restart().await?;
        replica.is_in_step().await
    }

    pub(super) fn disk(&self) -> anyhow::Result<&Disk> {
        self.disk.as_ref().context("the store has no disk of its own")
    }

    pub(super) fn set_gate(&self, gate: Gate) {
        self.smtp.set_gate(gate);
        self.sms.set_gate(gate);
    }

    /// At the end of a run all is well, or it would never come to rest.
    pub(super) fn behave(&self) {
        self.sms.behave();
        self.smtp.behave();
    }
}
