//! `sendwheel serve`: a node, until it is told to stop.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use secrecy::ExposeSecret;

use super::{Failure, Outcome, say};
use crate::config::{DEFAULT_FILE, Flags, Settings};
use crate::shutdown::{StopSignals, Stopped, stop};
use crate::startup::{self, Credentials, Secret};
use crate::telemetry;

/// Runs a node.
#[derive(Args)]
#[command(
    after_help = "Every setting is a key of the file, a variable SENDWHEEL_SECTION__KEY, or one of these flags, which win.
On the first start on an empty store a sign-in and an API key are printed, once.

Examples:
  sendwheel serve
  sendwheel serve --print-config > sendwheel.toml
  sendwheel serve --config sendwheel.toml
  sendwheel serve --store redis://localhost:6379 --listen 0.0.0.0:8080"
)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(super) settings: SettingsArgs,
    /// Print every setting with its default and what it means, and exit
    #[arg(long)]
    print_config: bool,
}

/// Where settings come from.
#[derive(Args, Clone, Default)]
pub(crate) struct SettingsArgs {
    /// The settings file
    #[arg(long, env = "SENDWHEEL_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// This node's folder: its name, the outbox, and the embedded store [default: ./sendwheel-data]
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// embedded:DIR, redis://… or redis-cluster://host:port,host:port [default: embedded:./sendwheel-data]
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// Where to listen; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
}

impl SettingsArgs {
    /// The flags of the settings' reader.
    pub(super) fn flags(self) -> Flags {
        Flags { config: self.config, data: self.data, store: self.store, listen: self.listen }
    }
}

pub(crate) async fn run(args: ServeArgs) -> Outcome {
    if args.print_config {
        return say(DEFAULT_FILE.trim_end());
    }
    let settings = Settings::load(&args.settings.flags())?;
    telemetry::start_log(&settings.log);
    let mut signals = StopSignals::listen().context("cannot listen for signals")?;
    let listener = startup::bind(settings.server.listen).with_context(|| {
        format!("cannot listen on {}: choose another address with --listen", settings.server.listen)
    })?;
    let metrics = telemetry::start_metrics().context("cannot keep metrics")?;
    actix_web::rt::spawn(telemetry::keep_up(metrics.clone()));
    #[cfg(feature = "planted-bugs")]
    plant_bug()?;
    let node = tokio::select! {
        started = startup::start(&settings, listener, metrics) => started?,
        // Nothing was promised yet, so there is nothing to finish.
        name = signals.next() => {
            tracing::warn!(signal = name, "stopped while starting");
            return Ok(());
        }
    };
    say(format_args!("listening on http://{}", node.address))?;
    if let Some(first) = &node.first {
        greet(first)?;
    }
    let name = signals.next().await;
    tracing::info!(signal = name, "stopping");
    match stop(node, settings.shutdown_deadline, &mut signals).await {
        Stopped::InOrder { .. } => Ok(()),
        // Not by returning: that would wait for tasks that were just told not to matter.
        Stopped::AtOnce => std::process::exit(1),
    }
}

/// Breaks a promise on purpose, for the load harness.
#[cfg(feature = "planted-bugs")]
fn plant_bug() -> anyhow::Result<()> {
    use sendwheel_actors::domain::planted::Bug;
    let Ok(name) = std::env::var(crate::config::PLANTED_BUG) else { return Ok(()) };
    name.parse::<Bug>().with_context(|| format!("cannot use {}", crate::config::PLANTED_BUG))?.plant();
    tracing::error!(bug = name, "a bug is planted: this node breaks a promise on purpose");
    Ok(())
}

/// Tells the first sign-in and key, as far as they were made here.
fn greet(first: &Credentials) -> Result<(), Failure> {
    if let Secret::Made(password) = &first.admin_password {
        say(format_args!("first sign-in: {} with password {}", first.admin_email, password.expose_secret()))?;
    }
    if let Secret::Made(key) = &first.api_key {
        say(format_args!("first API key: {}", key.expose_secret()))?;
    }
    Ok(())
}
