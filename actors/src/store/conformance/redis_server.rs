//! A `redis-server` of a test's own: on a free port, in a directory of its own, ended with the test.

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::eventually;
use crate::store::StoreUrl;

pub(crate) struct RedisServer {
    child: Child,
    port: u16,
    options: Vec<String>,
    dir: TempDir,
}

fn spawn(port: u16, dir: &TempDir, options: &[String]) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--dir"])
        .arg(dir.path())
        .args(["--save", "", "--appendonly", "yes", "--appendfsync", "everysec"])
        .args(options)
        // Where this locale is installed, it sorts letters otherwise than bytes do.
        .env("LC_ALL", "en_US.UTF-8")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("cannot start redis-server ({error}): these tests need it; install Redis 7 (Debian: redis-server)")
        })
}

impl RedisServer {
    /// Starts a server, with options after the usual ones, and waits until it answers.
    pub(crate) async fn launch(options: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let child = spawn(port, &dir, &options);
        let mut server = Self { child, port, options, dir };
        server.answers().await;
        server
    }

    pub(crate) fn url(&self) -> StoreUrl {
        format!("redis://127.0.0.1:{}", self.port).parse().unwrap()
    }

    pub(crate) fn client(&self) -> redis::Client {
        redis::Client::open(format!("redis://127.0.0.1:{}", self.port)).unwrap()
    }

    /// Stops or continues the process.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Runs a command beside the store.
    pub(crate) async fn command(&self, words: &[&str]) -> redis::Value {
        let mut connection = self.client().get_multiplexed_async_connection().await.unwrap();
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query_async(&mut connection).await.unwrap()
    }

    /// Ends it without warning.
    pub(crate) fn kill(&mut self) {
        // It may have been ended before; waiting for it again is no error.
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it without warning and starts it again on the same data.
    pub(crate) async fn kill_and_relaunch(&mut self) {
        self.kill();
        self.child = spawn(self.port, &self.dir, &self.options);
        self.answers().await;
    }

    async fn answers(&mut self) {
        let password = self.options.iter().skip_while(|option| *option != "--requirepass").nth(1).cloned();
        let client = self.client();
        let child = &mut self.child;
        eventually("redis-server answers", async || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("redis-server ended at once: {status}");
            }
            let mut connection = client.get_multiplexed_async_connection().await.ok()?;
            if let Some(password) = &password {
                redis::cmd("AUTH").arg(password).query_async::<()>(&mut connection).await.ok()?;
            }
            redis::cmd("PING").query_async::<String>(&mut connection).await.ok()
        })
        .await;
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // It may have ended already; a test that fails must not fail again here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
