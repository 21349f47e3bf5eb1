//! The command line: what each command takes, and the exit codes (0 done, 1 failed, 2 wrong usage).
//!
//! Results go to stdout, everything about the running of a command (logs, progress, problems) to stderr,
//! so that a pipe carries only what was asked for.

mod client;
mod demo;
mod doctor;
mod events;
mod import;
mod send;
mod serve;
mod smart_send;
mod status;
mod tail;

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::ConfigError;

/// `sendwheel`.
#[derive(Parser)]
#[command(
    name = "sendwheel",
    version,
    about = "Schedules email and SMS to contacts and hands each message over at its moment, once.",
    after_help = "Try it: sendwheel demo\nExit codes: 0 done, 1 failed, 2 wrong usage.",
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Try it out: one process, a sample account, messages written to a local outbox
    Demo(demo::DemoArgs),
    /// Run a node
    Serve(serve::ServeArgs),
    /// Schedule one message through a node's API
    Send(send::SendArgs),
    /// Import contacts from a CSV file
    Import(import::ImportArgs),
    /// Follow what happens, live
    Tail(tail::TailArgs),
    /// Try smart send time on a history of events
    SmartSend(smart_send::SmartSendArgs),
    /// Show a node's health at a glance
    Status(status::StatusArgs),
    /// Check settings, store, clock, providers and DNS, and say what to do
    Doctor(doctor::DoctorArgs),
}

/// Why a command did not do what it should.
#[derive(Debug)]
enum Failure {
    /// Wrong usage: exit code 2.
    Usage(String),
    /// It went wrong: exit code 1.
    Failed(anyhow::Error),
    /// It went wrong and everything was already said: exit code 1.
    Reported,
    /// Nobody reads our output any more: no failure (`sendwheel tail | head`).
    OutputClosed,
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<client::ClientError> for Failure {
    fn from(error: client::ClientError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::OutputClosed } else { Self::Failed(error.into()) }
    }
}

/// What a command ends with.
type Outcome = Result<(), Failure>;

/// Runs the command that this process was started with.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors: clap prints them to stdout and says 0.
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let system = actix_web::rt::System::new();
    exit_code(system.block_on(run(cli.command)))
}

async fn run(command: Command) -> Outcome {
    match command {
        Command::Demo(args) => demo::run(args).await,
        Command::Serve(args) => serve::run(args).await,
        Command::Send(args) => send::run(args).await,
        Command::Import(args) => import::run(args).await,
        Command::Tail(args) => tail::run(args).await,
        Command::SmartSend(args) => smart_send::run(args).await,
        Command::Status(args) => status::run(args).await,
        Command::Doctor(args) => doctor::run(args).await,
    }
}

fn exit_code(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(()) | Err(Failure::OutputClosed) => ExitCode::SUCCESS,
        Err(Failure::Usage(what)) => {
            note(&what);
            ExitCode::from(2)
        }
        Err(Failure::Failed(error)) => {
            note(format_args!("{error:#}"));
            ExitCode::FAILURE
        }
        Err(Failure::Reported) => ExitCode::FAILURE,
    }
}

/// Writes a line of the result to stdout.
fn say(line: impl fmt::Display) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Writes a line about the command itself to stderr. Nothing to be done if nobody takes it.
fn note(line: impl fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "sendwheel: {line}");
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parses(line: &str) -> bool {
        Cli::try_parse_from(line.split_whitespace()).is_ok()
    }

    #[test]
    fn the_command_line_is_consistent_in_itself() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_documented_command_line_is_understood() {
        for line in [
            "sendwheel demo",
            "sendwheel demo --data ./d --exit-after-delivery",
            "sendwheel serve",
            "sendwheel serve --config f.toml --data d --store redis://h --listen 127.0.0.1:0",
            "sendwheel serve --print-config",
            "sendwheel send --to ann@example.com --subject Hi Hello",
            "sendwheel send --to +12125550123 --at 2026-12-01T09:00 --tz America/New_York Hello",
            "sendwheel send --to +12125550123 --url http://h --api-key sw_x -",
            "sendwheel import f.csv",
            "sendwheel tail",
            "sendwheel smart-send backtest events.csv",
            "sendwheel smart-send backtest events.csv --window 48h --seed 7 --json",
            "sendwheel status",
            "sendwheel doctor --config f.toml",
        ] {
            assert!(parses(line), "{line}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_wrong_usage() {
        for line in
            ["sendwheel", "sendwheel fly", "sendwheel send Hello", "sendwheel serve --port 1", "sendwheel import"]
        {
            let error = Cli::try_parse_from(line.split_whitespace()).err().unwrap();
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }
}
