//! The server under test as a process of its own: started, killed, suspended and restarted on the same
//! data. It dies with its value, and a failing test shows what it logged.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use crate::client::Client;
use crate::wait;
use crate::wall::Stopwatch;

/// The API key that every node of the harness is bootstrapped with.
pub const API_KEY: &str = "sw_harness_0123456789abcdef0123456789abcdef";
/// Log lines kept.
const LINES_KEPT: usize = 4_000;
/// What the node prints before its address.
const LISTENING: &str = "listening on http://";

/// How a node is started.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    binary: PathBuf,
    store: Option<String>,
    environment: Vec<(String, String)>,
    surroundings: Vec<(String, String)>,
    ready_within: Duration,
}

impl NodeOptions {
    /// A node of the built binary at this path, with the embedded store in a temporary folder.
    #[must_use]
    pub fn new(binary: impl Into<PathBuf>) -> Self {
        Self {
            binary: binary.into(),
            store: None,
            environment: Vec::new(),
            surroundings: Vec::new(),
            ready_within: Duration::from_secs(30),
        }
    }

    /// Uses this store (`redis://…`) instead of the embedded one.
    #[must_use]
    pub fn store(mut self, url: impl Into<String>) -> Self {
        self.store = Some(url.into());
        self
    }

    /// Sets a setting by its name in the file: `set("email.smtp.url", …)`.
    #[must_use]
    pub fn set(mut self, setting: &str, value: impl Into<String>) -> Self {
        let name = format!("SENDWHEEL_{}", setting.to_ascii_uppercase().replace('.', "__"));
        self.environment.push((name, value.into()));
        self
    }

    /// Adds to its environment what is no setting of ours.
    #[must_use]
    pub fn with_environment(mut self, variables: Vec<(String, String)>) -> Self {
        self.surroundings.extend(variables);
        self
    }

    /// How long a start may take until `/readyz` says 200.
    #[must_use]
    pub fn ready_within(mut self, limit: Duration) -> Self {
        self.ready_within = limit;
        self
    }
}

#[derive(Default)]
struct Log(Mutex<VecDeque<String>>);

impl Log {
    fn push(&self, line: String) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LINES_KEPT {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    fn text(&self) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().fold(String::new(), |text, line| text + line + "\n")
    }
}

/// A node and its data.
pub struct Node {
    options: NodeOptions,
    data: TempDir,
    log: Arc<Log>,
    child: Option<Child>,
    address: String,
    started_in: Duration,
}

impl Node {
    /// Starts a node on an empty store and waits until it is ready.
    ///
    /// # Errors
    /// When the binary cannot be run, ends, or is not ready in time; with its log.
    pub async fn start(options: NodeOptions) -> anyhow::Result<Self> {
        let data = TempDir::with_prefix("sendwheel-node-").context("make a data folder")?;
        let mut node = Self {
            options,
            data,
            log: Arc::default(),
            child: None,
            address: "127.0.0.1:0".to_owned(),
            started_in: Duration::ZERO,
        };
        node.launch().await?;
        Ok(node)
    }

    /// Starts the process again on the same data, settings and address.
    ///
    /// # Errors
    /// When it still runs, and as for [`Node::start`].
    pub async fn restart(&mut self) -> anyhow::Result<Duration> {
        if self.child.is_some() {
            bail!("end the node before restarting it");
        }
        self.launch().await?;
        Ok(self.started_in)
    }

    /// Starts the process again, and waits only until it answers: a node that has reasons not to be ready.
    ///
    /// # Errors
    /// As for [`Node::restart`].
    pub async fn restart_unready(&mut self) -> anyhow::Result<()> {
        if self.child.is_some() {
            bail!("end the node before restarting it");
        }
        self.spawn().await
    }

    async fn launch(&mut self) -> anyhow::Result<()> {
        let watch = Stopwatch::start();
        self.spawn().await?;
        let client = self.client();
        let ready = wait::until("the node to be ready", self.options.ready_within, || async {
            client.is_ready().await.then_some(())
        });
        ready.await.map_err(|error| anyhow!("{error}\n{}", self.log()))?;
        self.started_in = watch.elapsed();
        Ok(())
    }

    /// Runs the binary until it says where it listens.
    async fn spawn(&mut self) -> anyhow::Result<()> {
        let data = self.data.path();
        let store = self.options.store.clone().unwrap_or_else(|| format!("embedded:{}", data.join("store").display()));
        let mut command = Command::new(&self.options.binary);
        // What is set for the harness, or left in a developer's shell, is no setting of this node.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SENDWHEEL_")) {
            command.env_remove(name);
        }
        let mut child = command
            .args(["serve", "--listen", &self.address, "--store", &store, "--data"])
            .arg(data)
            .env("SENDWHEEL_BOOTSTRAP__API_KEY", API_KEY)
            .env("SENDWHEEL_BOOTSTRAP__ADMIN_PASSWORD", "harness-password")
            .env("SENDWHEEL_OUTBOX__DIR", data.join("outbox"))
            .envs(self.options.environment.iter().chain(&self.options.surroundings).map(|(name, value)| (name, value)))
            .current_dir(data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("run {}", self.options.binary.display()))?;
        let address = watch::Sender::new(None);
        if let Some(stdout) = child.stdout.take() {
            tokio::spawn(follow(stdout, "out", Arc::clone(&self.log), Some(address.clone())));
        }
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(follow(stderr, "err", Arc::clone(&self.log), None));
        }
        self.child = Some(child);
        self.address = self.learn_address(address.subscribe()).await?;
        Ok(())
    }

    async fn learn_address(&mut self, mut told: watch::Receiver<Option<String>>) -> anyhow::Result<String> {
        let child = self.child.as_mut().context("the process was just started")?;
        let failure = tokio::select! {
            address = told.wait_for(Option::is_some) => match address {
                Ok(address) => return Ok(address.clone().unwrap_or_default()),
                Err(_) => "it closed its output before saying where it listens".to_owned(),
            },
            ended = child.wait() => format!("it ended with {ended:?}"),
            () = tokio::time::sleep(self.options.ready_within) => format!("it did not print `{LISTENING}ADDRESS`"),
        };
        bail!("the node did not start: {failure}\n{}", self.log())
    }

    /// Where it listens: `http://host:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A client with the bootstrap key.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(&self.url(), API_KEY)
    }

    /// The folder with its data and outbox.
    #[must_use]
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// How long the last start took, from running the binary to ready.
    #[must_use]
    pub fn started_in(&self) -> Duration {
        self.started_in
    }

    /// Its process id, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// The last lines that it logged, in all its lives.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.text()
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let id = self.pid().context("the node does not run")?;
        let pid = i32::try_from(id).ok().and_then(Pid::from_raw).context("a process id above zero")?;
        kill_process(pid, signal).context("send a signal to the node")
    }

    /// Ends the process at once, as a crash would.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn kill_9(&mut self) -> anyhow::Result<()> {
        let mut child = self.child.take().context("the node does not run")?;
        child.kill().await.context("kill the node")
    }

    /// Asks it to end (SIGTERM).
    ///
    /// # Errors
    /// When it does not run.
    pub fn ask_to_end(&self) -> anyhow::Result<()> {
        self.signal(Signal::TERM)
    }

    /// Asks it to end and waits for it.
    ///
    /// # Errors
    /// When it does not run, or has not ended `within` the time.
    pub async fn terminate(&mut self, within: Duration) -> anyhow::Result<ExitStatus> {
        self.ask_to_end()?;
        self.ended(within).await
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it does not run, or has not ended `within` the time.
    pub async fn ended(&mut self, within: Duration) -> anyhow::Result<ExitStatus> {
        let mut child = self.child.take().context("the node does not run")?;
        match tokio::time::timeout(within, child.wait()).await {
            Ok(status) => status.context("wait for the node"),
            Err(_) => bail!("the node did not end within {within:?}\n{}", self.log()),
        }
    }

    /// Stops it where it stands (SIGSTOP), as a suspended machine would.
    ///
    /// # Errors
    /// When it does not run.
    pub fn suspend(&self) -> anyhow::Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on after [`Node::suspend`].
    ///
    /// # Errors
    /// When it does not run.
    pub fn resume(&self) -> anyhow::Result<()> {
        self.signal(Signal::CONT)
    }
}

impl Drop for Node {
    #[allow(clippy::print_stderr, reason = "a failed test shows what the node said")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- log of the node ---\n{}--- end ---", self.log());
        }
    }
}

async fn follow(
    stream: impl AsyncRead + Unpin,
    name: &'static str,
    log: Arc<Log>,
    address: Option<watch::Sender<Option<String>>>,
) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let (Some(sender), Some(found)) = (&address, address_in(&line)) {
            sender.send_replace(Some(found));
        }
        log.push(format!("{name} | {line}"));
    }
}

/// The address behind `listening on http://`, up to the first character that cannot be part of one.
fn address_in(line: &str) -> Option<String> {
    let (_, rest) = line.split_once(LISTENING)?;
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '[' | ']' | '-');
    let address: String = rest.chars().take_while(|&c| is_part(c)).collect();
    (!address.is_empty()).then_some(address)
}

/// Resident memory of a process in bytes, as the kernel counts it.
#[must_use]
pub fn resident_bytes(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Processor time that a process has used, of all its threads, in user and kernel mode. Its resolution is 10 ms.
#[must_use]
pub fn processor_time(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything; the 14th and 15th field are counted from behind it.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    // proc(5): a hundredth of a second on every architecture that this runs on.
    Some(Duration::from_millis(ticks * 10))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_address_is_found_inside_a_decorated_line() {
        let found = |line: &str| address_in(line);
        assert_eq!(found("sendwheel listening on http://127.0.0.1:4711, ready").as_deref(), Some("127.0.0.1:4711"));
        assert_eq!(found("listening on http://[::1]:80/").as_deref(), Some("[::1]:80"));
        assert_eq!(found("listening on http://"), None);
        assert_eq!(found("starting"), None);
    }

    #[test]
    fn a_setting_becomes_its_environment_variable() {
        let options = NodeOptions::new("x").set("email.smtp.url", "smtp://h");
        assert_eq!(options.environment, [("SENDWHEEL_EMAIL__SMTP__URL".to_owned(), "smtp://h".to_owned())]);
    }

    #[test]
    fn this_process_has_resident_memory() {
        assert!(resident_bytes(std::process::id()).unwrap() > 100_000);
        assert_eq!(resident_bytes(u32::MAX), None);
    }

    #[test]
    fn this_process_has_used_the_processor() {
        let before = processor_time(std::process::id()).unwrap();
        let watch = Stopwatch::start();
        let mut spent = before;
        while spent <= before && !watch.is_past(Duration::from_secs(20)) {
            spent = processor_time(std::process::id()).unwrap();
        }
        assert!(spent > before && spent - before <= Duration::from_secs(20), "{before:?} {spent:?}");
        assert_eq!(processor_time(u32::MAX), None);
    }

    fn script(folder: &TempDir, text: &str) -> PathBuf {
        let path = folder.path().join("node");
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[tokio::test]
    async fn a_node_that_ends_at_once_is_reported_with_its_log() {
        let folder = TempDir::new().unwrap();
        let binary = script(&folder, "echo 'unknown key `x`' >&2; exit 1");
        let Err(error) = Node::start(NodeOptions::new(binary)).await else { panic!("it cannot have started") };
        assert!(error.to_string().contains("did not start"), "{error}");
    }

    #[tokio::test]
    async fn a_node_that_never_listens_is_given_up() {
        let folder = TempDir::new().unwrap();
        let binary = script(&folder, "exec sleep 60");
        let options = NodeOptions::new(binary).ready_within(Duration::from_millis(100));
        let Err(error) = Node::start(options).await else { panic!("it cannot have started") };
        assert!(error.to_string().contains("did not print"), "{error}");
    }
}
