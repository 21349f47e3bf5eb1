//! `sendwheel doctor`: looks at everything that a node depends on, and says what to do about it.
//!
//! Each check stands alone and has its own time limit: one that hangs or fails hides no other. Nothing is
//! sent, and nothing is changed, except that an embedded store which no node holds is opened and closed.

mod checks;
mod dns;

use std::fmt;

use clap::Args;

use super::client::NodeArgs;
use super::serve::SettingsArgs;
use super::{Failure, Outcome, say};
use crate::config::Settings;

/// Checks everything.
#[derive(Args)]
#[command(
    after_help = "Exit code 1 if a check failed. With an API key, the domains of the account's email senders are checked too.

Examples:
  sendwheel doctor --config sendwheel.toml
  sendwheel doctor --domain example.com"
)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    node: NodeArgs,
    /// A domain that mail is sent from, besides those with a DKIM key; may be given more than once
    #[arg(long, value_name = "DOMAIN")]
    domain: Vec<String>,
}

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Ok,
    /// Could not be checked from here.
    Skip,
    Warn,
    Fail,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    level: Level,
    area: &'static str,
    what: String,
    /// What to do about it.
    advice: Option<String>,
}

impl Finding {
    fn new(level: Level, area: &'static str, what: impl Into<String>) -> Self {
        Self { level, area, what: what.into(), advice: None }
    }

    fn ok(area: &'static str, what: impl Into<String>) -> Self {
        Self::new(Level::Ok, area, what)
    }

    fn skip(area: &'static str, what: impl Into<String>) -> Self {
        Self::new(Level::Skip, area, what)
    }

    fn warn(area: &'static str, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..Self::new(Level::Warn, area, what) }
    }

    fn fail(area: &'static str, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..Self::new(Level::Fail, area, what) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Ok => "ok",
            Level::Skip => "skip",
            Level::Warn => "warn",
            Level::Fail => "FAIL",
        };
        write!(f, "{level:<5} {:<9} {}", self.area, self.what)?;
        match &self.advice {
            Some(advice) => write!(f, "\n{:16}{advice}", ""),
            None => Ok(()),
        }
    }
}

pub(crate) async fn run(args: DoctorArgs) -> Outcome {
    let settings = match Settings::load(&args.settings.flags()) {
        Ok(settings) => settings,
        Err(error) => {
            for problem in error.problems {
                say(Finding::new(Level::Fail, "settings", problem.to_string()))?;
            }
            // The other checks would look at what nobody meant.
            return Err(Failure::Reported);
        }
    };
    let mut worst = Level::Ok;
    let mut tell = |findings: Vec<Finding>| -> Outcome {
        for finding in findings {
            worst = worst.max(finding.level);
            say(finding)?;
        }
        Ok(())
    };
    tell(checks::settings(&settings))?;
    tell(checks::folder(&settings))?;
    tell(checks::store(&settings).await)?;
    tell(checks::email(&settings).await)?;
    tell(checks::sms(&settings).await)?;
    let mut domains = args.domain;
    domains.extend(checks::sender_domains(&args.node).await);
    tell(dns::domains(&settings, domains).await)?;
    if worst == Level::Fail { Err(Failure::Reported) } else { Ok(()) }
}
