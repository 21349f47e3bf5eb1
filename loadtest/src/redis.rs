//! A Redis server of our own: a free port, a temporary folder, appended to disk every second or before each answer, and
//! the faults that a process can have.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use crate::wait;

/// How long a start or an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// A free port may be taken between asking for it and using it: so many tries.
const TRIES: u32 = 5;

/// How a server is started.
#[derive(Debug, Clone, Default)]
pub struct RedisOptions {
    /// What it has answered is on its disk, so that an end at any moment loses nothing; else within a second.
    pub is_durable: bool,
    /// The server that it copies.
    pub replica_of: Option<SocketAddr>,
    /// Added to its environment.
    pub environment: Vec<(String, String)>,
}

/// A running (or killed) Redis server; it ends with this value.
pub struct Redis {
    options: RedisOptions,
    folder: TempDir,
    address: SocketAddr,
    child: Option<Child>,
}

impl Redis {
    /// Starts an empty server and waits until it answers.
    ///
    /// # Errors
    /// When `redis-server` is not installed or does not start.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(RedisOptions::default()).await
    }

    /// The same with these options.
    ///
    /// # Errors
    /// As for [`Redis::start`].
    pub async fn start_with(options: RedisOptions) -> anyhow::Result<Self> {
        let mut last = None;
        for _ in 0..TRIES {
            let folder = TempDir::with_prefix("sendwheel-redis-").context("make a folder for redis")?;
            let address = TcpListener::bind(("127.0.0.1", 0)).await?.local_addr()?;
            let mut redis = Self { options: options.clone(), folder, address, child: None };
            match redis.launch().await {
                Ok(()) => return Ok(redis),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("no try was made")))
    }

    async fn launch(&mut self) -> anyhow::Result<()> {
        let port = self.address.port().to_string();
        let fsync = if self.options.is_durable { "always" } else { "everysec" };
        let mut command = Command::new("redis-server");
        if let Some(primary) = self.options.replica_of {
            command.args(["--replicaof", &primary.ip().to_string(), &primary.port().to_string()]);
        }
        let child = command
            .envs(self.options.environment.iter().map(|(name, value)| (name, value)))
            .args(["--port", &port, "--bind", "127.0.0.1", "--daemonize", "no", "--save", ""])
            .args(["--appendonly", "yes", "--appendfsync", fsync, "--maxmemory-policy", "noeviction"])
            .arg("--dir")
            .arg(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("run redis-server: is it installed?")?;
        let child = self.child.insert(child);
        let address = self.address;
        let answers = wait::until("redis to answer", PATIENCE, || async { ping(address).await.then_some(()) });
        tokio::select! {
            answered = answers => Ok(answered?),
            ended = child.wait() => bail!("redis-server ended with {ended:?}"),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address as the setting `store.url` takes it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Its process id, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let id = self.pid().context("redis does not run")?;
        let pid = i32::try_from(id).ok().and_then(Pid::from_raw).context("a process id above zero")?;
        kill_process(pid, signal).context("send a signal to redis")
    }

    /// Stops it where it stands (SIGSTOP): connections stay, nothing answers.
    ///
    /// # Errors
    /// When it does not run.
    pub fn suspend(&self) -> anyhow::Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on after [`Redis::suspend`].
    ///
    /// # Errors
    /// When it does not run.
    pub fn resume(&self) -> anyhow::Result<()> {
        self.signal(Signal::CONT)
    }

    /// Ends it at once. What was written within the last second may be lost, unless it is durable.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn kill_9(&mut self) -> anyhow::Result<()> {
        self.child.take().context("redis does not run")?.kill().await.context("kill redis")
    }

    /// Starts it again on the same port and data.
    ///
    /// # Errors
    /// When it still runs, or does not start.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        if self.child.is_some() {
            bail!("end redis before restarting it");
        }
        self.launch().await
    }

    /// Copies that server from its next start on; nobody, if there is none.
    pub fn set_primary(&mut self, primary: Option<SocketAddr>) {
        self.options.replica_of = primary;
    }

    /// Makes a replica a server of its own: it has what it has copied.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn promote(&mut self) -> anyhow::Result<()> {
        let answer = self.ask("REPLICAOF NO ONE").await?;
        if !answer.starts_with("+OK") {
            bail!("redis was not promoted: {answer}");
        }
        self.set_primary(None);
        Ok(())
    }

    /// Waits until a replica is in step with its primary.
    ///
    /// # Errors
    /// When it is not in time.
    pub async fn is_in_step(&self) -> anyhow::Result<()> {
        let linked = wait::until("the replica to be in step", PATIENCE, || async {
            let info = self.ask("INFO replication").await.ok()?;
            info.contains("master_link_status:up").then_some(())
        });
        Ok(linked.await?)
    }

    /// Its answer to an inline command, such as `INFO memory`: at most 64 KiB.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn ask(&self, command: &str) -> anyhow::Result<String> {
        tokio::time::timeout(PATIENCE, ask(self.address, command)).await.context("redis did not answer")?
    }
}

async fn ask(address: SocketAddr, command: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    // QUIT ends the answer, so that it can be read to its end.
    stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).await?;
    let mut text = String::new();
    stream.take(64 * 1024).read_to_string(&mut text).await?;
    Ok(text)
}

async fn ping(address: SocketAddr) -> bool {
    let answer = tokio::time::timeout(Duration::from_secs(1), ask(address, "PING")).await;
    matches!(answer, Ok(Ok(text)) if text.starts_with("+PONG"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_survives_a_clean_wait_and_a_kill() {
        let mut redis = Redis::start().await.unwrap();
        assert!(redis.ask("SET k v").await.unwrap().starts_with("+OK"));
        // WAITAOF needs 7.2; a rewrite is the way of 7.0 to know that the file has it.
        assert!(redis.ask("BGREWRITEAOF").await.unwrap().starts_with('+'));
        wait::until("the rewrite", PATIENCE, || async {
            redis
                .ask("INFO persistence")
                .await
                .ok()
                .filter(|info| info.contains("aof_rewrite_in_progress:0") && info.contains("aof_rewrite_scheduled:0"))
        })
        .await
        .unwrap();
        redis.kill_9().await.unwrap();
        assert!(!ping(redis.address()).await);
        redis.restart().await.unwrap();
        assert!(redis.ask("GET k").await.unwrap().contains("\r\nv\r\n"));
    }

    #[tokio::test]
    async fn a_suspended_server_is_silent_until_it_goes_on() {
        let redis = Redis::start().await.unwrap();
        redis.suspend().unwrap();
        assert!(!ping(redis.address()).await);
        redis.resume().unwrap();
        assert!(redis.ask("PING").await.unwrap().starts_with("+PONG"));
    }
}
