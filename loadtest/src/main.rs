//! `loadtest`: measures a node from outside, and prints a table and JSON.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program speaks to its terminal")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, Parser, Subcommand};
use sendwheel_loadtest::progress::Progress;
use sendwheel_loadtest::scenario::cancel::{self, Cancel};
use sendwheel_loadtest::scenario::deletion::{self, Deletion};
use sendwheel_loadtest::scenario::drain::{self, Channel, Drain};
use sendwheel_loadtest::scenario::faults::{self, Faults};
use sendwheel_loadtest::scenario::lanes::{self, LanesRun};
use sendwheel_loadtest::scenario::steady::{self, Steady};
use sendwheel_loadtest::scenario::submit::{self, Load};
use sendwheel_loadtest::scenario::takeover::{self, Takeover};
use sendwheel_loadtest::scenario::{Outcome, StoreKind, Target, TargetOptions, figures, growth, pending};
use sendwheel_loadtest::sink::sms::{SmsSink, TWILIO_SID, TWILIO_TOKEN};
use sendwheel_loadtest::sink::smtp::{SmtpOptions, SmtpSink};
use sendwheel_loadtest::{bugs, report, wall};

/// Contacts of a run with faults.
const FAULTS_CONTACTS: usize = 300;

/// Measures a Sendwheel node.
#[derive(Parser)]
#[command(name = "loadtest", version)]
struct Cli {
    #[command(flatten)]
    target: TargetArgs,
    /// Writes the figures as JSON to this file.
    #[arg(long, global = true)]
    json: Option<PathBuf>,
    /// Writes the figures and charts as a page to this file.
    #[arg(long, global = true)]
    html: Option<PathBuf>,
    /// Gives a scenario up after this many seconds.
    #[arg(long, global = true, default_value_t = 900)]
    limit: u64,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args)]
struct TargetArgs {
    /// The built `sendwheel`: a node of its own is started for every scenario. Default: beside this program.
    #[arg(long, global = true)]
    binary: Option<PathBuf>,
    /// The store of such a node: `embedded`, `redis` (started for the run), or a redis:// address.
    #[arg(long, global = true, default_value = "embedded")]
    store: StoreKind,
    /// Measures the node at this address instead.
    #[arg(long, global = true, requires = "api_key", conflicts_with = "binary")]
    url: Option<String>,
    /// An API key of that node, with the admin role.
    #[arg(long, global = true, env = "SENDWHEEL_API_KEY", hide_env_values = true)]
    api_key: Option<String>,
    /// The process of that node, to read its memory.
    #[arg(long, global = true)]
    pid: Option<u32>,
    /// Contacts to spread the messages over.
    #[arg(long, global = true, default_value_t = 10_000)]
    contacts: usize,
}

#[derive(Subcommand, Clone)]
enum Command {
    /// Schedules in batches: messages a second.
    ScheduleBatch {
        /// Messages in all.
        #[arg(long, default_value_t = 100_000)]
        messages: usize,
        /// Requests at once.
        #[arg(long, default_value_t = 8)]
        clients: usize,
        /// Lines of one batch.
        #[arg(long, default_value_t = 500)]
        lines: usize,
    },
    /// Schedules one by one in a closed loop: messages a second, and how long answers take.
    ScheduleSingle {
        /// Messages in all.
        #[arg(long, default_value_t = 20_000)]
        messages: usize,
        /// Clients, each waiting for its answer.
        #[arg(long, default_value_t = 64)]
        clients: usize,
    },
    /// Many SMS due at one instant, on transport `discard`: from due to last settled.
    Drain {
        /// Messages in all.
        #[arg(long, default_value_t = 50_000)]
        messages: usize,
    },
    /// A steady rate, each message due a little ahead: how late they begin.
    Steady {
        /// Messages a second.
        #[arg(long, default_value_t = 1_000)]
        rate: usize,
        /// For so many seconds.
        #[arg(long, default_value_t = 30)]
        seconds: u64,
        /// Scheduled so many milliseconds ahead.
        #[arg(long, default_value_t = 2_000)]
        ahead_ms: u64,
        /// Sends through Twilio's API to a recording sink and reads lateness there.
        #[arg(long)]
        through_sink: bool,
    },
    /// Many emails due at one instant over SMTP: from due to last settled.
    Email {
        /// Messages in all.
        #[arg(long, default_value_t = 20_000)]
        messages: usize,
        /// A mail server that takes and forgets, such as Postfix's smtp-sink: `host:port`. Default: our own sink.
        #[arg(long)]
        smtp: Option<String>,
        /// Connections that the node may open.
        #[arg(long, default_value_t = 16)]
        connections: u32,
    },
    /// Many SMS due at one instant, each posted to a provider's HTTP API: from due to last settled.
    Sms {
        /// Messages in all.
        #[arg(long, default_value_t = 50_000)]
        messages: usize,
        /// Where to post, such as `loadtest sink` prints it: a URL. Default: a sink of our own.
        #[arg(long)]
        sink: Option<String>,
        /// Connections that the node may open.
        #[arg(long, default_value_t = 64)]
        connections: u32,
    },
    /// Is a provider's HTTP API that takes and forgets, until it is ended: prints its URL.
    Sink,
    /// Takes back: message by message, and contacts with everything that is pending for them.
    Cancel {
        /// Messages that are cancelled one by one, and as many by lists.
        #[arg(long, default_value_t = 50_000)]
        messages: usize,
        /// Clients, each waiting for its answer.
        #[arg(long, default_value_t = 64)]
        clients: usize,
        /// Contacts that are deleted.
        #[arg(long, default_value_t = 20)]
        leaving: usize,
        /// What is pending for each of them.
        #[arg(long, default_value_t = 1_000)]
        pending: usize,
    },
    /// The same steady load while more and more wait: processor time a message, lateness, restart.
    Growth {
        /// Messages waiting, smallest first.
        #[arg(long, value_delimiter = ',', default_value = "10000,100000,1000000,10000000")]
        sizes: Vec<usize>,
        /// Messages a second of the steady load.
        #[arg(long, default_value_t = 2_000)]
        rate: usize,
        /// For so many seconds at every size.
        #[arg(long, default_value_t = 20)]
        seconds: u64,
    },
    /// Many far-future messages: memory, disk, and how long a restart takes.
    Pending {
        /// Messages in all.
        #[arg(long, default_value_t = 1_000_000)]
        messages: usize,
    },
    /// A contact with many pending messages is deleted while others' are due: answer, end, and the others' lateness.
    Deletion {
        /// Pending messages of the contact.
        #[arg(long, default_value_t = 10_000)]
        messages: usize,
        /// Messages of others a second.
        #[arg(long, default_value_t = 200)]
        rate: usize,
        /// For so many seconds, once without the deletion and once with it.
        #[arg(long, default_value_t = 15)]
        seconds: u64,
    },
    /// One number at one message a second has far more due, while others send at a steady rate: their lateness without it
    /// and with it. Fails if any of them waits for it.
    Lanes {
        /// Messages that are due in the lane that stands still.
        #[arg(long, default_value_t = 100_000)]
        messages: usize,
        /// Messages of others a second.
        #[arg(long, default_value_t = 500)]
        rate: usize,
        /// For so many seconds, once without it and once with it.
        #[arg(long, default_value_t = 20)]
        seconds: u64,
    },
    /// A load while the node is killed and suspended, its store stands still and its providers answer badly; then the
    /// oracle judges what arrived.
    Faults {
        /// Repeats the choices of a run. Default: from the clock, and printed.
        #[arg(long)]
        seed: Option<u64>,
        /// For so many seconds.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// Messages a second.
        #[arg(long, default_value_t = 200)]
        rate: usize,
    },
    /// Two nodes on one Redis: the one that was suspended for longer than its lease must not go on.
    Takeover,
    /// Plants a bug for each invariant in a node, and shows that the oracle finds it and its seed; and that it finds
    /// nothing in the same run without the bug. Needs a `sendwheel` built with `--features planted-bugs`.
    Bugs {
        /// This one only.
        #[arg(long)]
        bug: Option<String>,
        /// Repeats the choices of a run.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Every scenario on both stores, each with a node of its own.
    All {
        /// Divides the sizes by this.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        divide: u32,
    },
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("loadtest: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(cli: &Cli) -> anyhow::Result<()> {
    if let Command::Sink = cli.command {
        let sink = SmsSink::start(0).await?;
        println!("{}", sink.url());
        return tokio::signal::ctrl_c().await.context("wait for the end");
    }
    let limit = Duration::from_secs(cli.limit);
    let (runs, is_one) = match cli.command.clone() {
        Command::All { divide } => (everything(&cli.target, divide)?, false),
        command => (vec![(target_of(&cli.target)?, command)], true),
    };
    let (mut outcomes, mut failures) = (Vec::new(), Vec::new());
    for (target, command) in runs {
        let measured = tokio::time::timeout(limit, Box::pin(measure(&target, cli.target.contacts, command)));
        match measured.await.unwrap_or_else(|_| bail!("gave up after {} s", limit.as_secs())) {
            Ok(outcome) => {
                print!("{}", figures::table(std::slice::from_ref(&outcome)));
                outcomes.push(outcome);
            }
            Err(error) => {
                eprintln!("failed: {error:#}");
                failures.push(format!("{error:#}"));
            }
        }
    }
    if !is_one {
        println!("\n{}", figures::table(&outcomes));
    }
    if let Some(file) = &cli.html {
        std::fs::write(file, report::html(&outcomes)).with_context(|| format!("write {}", file.display()))?;
    }
    if let Some(file) = &cli.json {
        let text = serde_json::to_string_pretty(&outcomes).context("write the figures as JSON")?;
        std::fs::write(file, text).with_context(|| format!("write {}", file.display()))?;
    }
    if failures.is_empty() { Ok(()) } else { bail!("{} scenario(s) failed", failures.len()) }
}

fn binary_of(args: &TargetArgs) -> anyhow::Result<PathBuf> {
    if let Some(binary) = &args.binary {
        return Ok(binary.clone());
    }
    let beside = std::env::current_exe().context("find this program's own path")?.with_file_name("sendwheel");
    if !beside.is_file() {
        bail!("no `sendwheel` beside this program: build it, or give --binary or --url");
    }
    Ok(beside)
}

fn target_of(args: &TargetArgs) -> anyhow::Result<TargetOptions> {
    match (&args.url, &args.api_key) {
        (Some(url), Some(key)) => Ok(TargetOptions::Given { url: url.clone(), api_key: key.clone(), pid: args.pid }),
        (Some(_), None) => bail!("--url needs --api-key"),
        _ => Ok(TargetOptions::Own { binary: binary_of(args)?, store: args.store.clone() }),
    }
}

fn everything(args: &TargetArgs, divide: u32) -> anyhow::Result<Vec<(TargetOptions, Command)>> {
    let by = divide as usize;
    let commands = [
        Command::ScheduleBatch { messages: 100_000 / by, clients: 8, lines: 500 },
        Command::ScheduleSingle { messages: 20_000 / by, clients: 64 },
        Command::Drain { messages: 50_000 / by },
        Command::Steady { rate: 1_000, seconds: u64::from((30 / divide).max(3)), ahead_ms: 2_000, through_sink: false },
        Command::Email { messages: 20_000 / by, smtp: None, connections: 16 },
        Command::Pending { messages: 1_000_000 / by },
        Command::Deletion { messages: 10_000 / by, rate: 200, seconds: 15 },
        Command::Lanes { messages: 100_000 / by, rate: 500, seconds: 15 },
    ];
    let binary = binary_of(args)?;
    let stores = [StoreKind::Embedded, StoreKind::OwnRedis];
    let of = |store: &StoreKind| TargetOptions::Own { binary: binary.clone(), store: store.clone() };
    Ok(stores
        .iter()
        .flat_map(|store| commands.iter().map(move |command| (store, command)))
        .map(|(store, command)| (of(store), command.clone()))
        .collect())
}

async fn measure(options: &TargetOptions, contacts: usize, command: Command) -> anyhow::Result<Outcome> {
    match command {
        Command::ScheduleBatch { messages, clients, lines } => {
            let target = Target::prepare(options, contacts, &[]).await?;
            submit::batch(&target, Load { messages, clients, lines }).await
        }
        Command::ScheduleSingle { messages, clients } => {
            let target = Target::prepare(options, contacts, &[]).await?;
            submit::single(&target, messages, clients).await
        }
        Command::Drain { messages } => {
            let target = Target::prepare(options, contacts, &[]).await?;
            drain::run(&target, Channel::Sms, Drain::of(messages)).await
        }
        Command::Steady { rate, seconds, ahead_ms, through_sink } => {
            let run = Steady { rate, lasting: Duration::from_secs(seconds), ahead: Duration::from_millis(ahead_ms) };
            if !through_sink {
                let target = Target::prepare(options, contacts, &[]).await?;
                return steady::run(&target, run, None).await;
            }
            let sink = SmsSink::start(1_000_000).await?;
            let settings = [
                ("sms.transport", "twilio".to_owned()),
                ("sms.twilio.base_url", sink.url()),
                ("sms.twilio.account_sid", TWILIO_SID.to_owned()),
                ("sms.twilio.auth_token", TWILIO_TOKEN.to_owned()),
            ];
            let target = Target::prepare(options, contacts, &settings).await?;
            steady::run(&target, run, Some(&sink)).await
        }
        Command::Email { messages, smtp, connections } => {
            let sink = match &smtp {
                Some(_) => None,
                None => Some(SmtpSink::start(SmtpOptions { keep_bytes: 0, ..SmtpOptions::default() }).await?),
            };
            let url = smtp
                .map(|address| format!("smtp://{address}"))
                .or_else(|| sink.as_ref().map(SmtpSink::url))
                .context("a mail server to send to")?;
            let settings = [
                ("email.transport", "smtp".to_owned()),
                ("email.smtp.url", url),
                ("email.smtp.connections", connections.to_string()),
            ];
            let target = Target::prepare(options, contacts, &settings).await?;
            let mut outcome = drain::run(&target, Channel::Email, Drain::of(messages)).await?;
            if let Some(sink) = &sink {
                drain::note_sink(&mut outcome, sink);
            }
            Ok(outcome)
        }
        Command::Sms { messages, sink, connections } => {
            let own = if sink.is_none() { Some(SmsSink::start(0).await?) } else { None };
            let url = sink.or_else(|| own.as_ref().map(SmsSink::url)).context("a sink to post to")?;
            let settings = [
                ("sms.transport", "http".to_owned()),
                ("sms.http.url", url),
                ("sms.http.connections", connections.to_string()),
            ];
            let target = Target::prepare(options, contacts, &settings).await?;
            drain::run(&target, Channel::SmsOverHttp, Drain::of(messages)).await
        }
        Command::Cancel { messages, clients, leaving, pending } => {
            let target = Target::prepare(options, contacts, &[]).await?;
            cancel::run(&target, Cancel { messages, clients, contacts: leaving, pending }).await
        }
        Command::Growth { sizes, rate, seconds } => {
            let mut target = Target::prepare(options, contacts, &[]).await?;
            let load = Steady { rate, lasting: Duration::from_secs(seconds), ahead: Duration::from_millis(2_000) };
            growth::run(&mut target, &sizes, load).await
        }
        Command::Pending { messages } => {
            let mut target = Target::prepare(options, contacts, &[]).await?;
            pending::run(&mut target, Load { messages, clients: 8, lines: 1_000 }).await
        }
        Command::Deletion { messages, rate, seconds } => {
            let target = Target::prepare(options, contacts, &[]).await?;
            let others = Steady { rate, lasting: Duration::from_secs(seconds), ahead: Duration::from_millis(1_000) };
            deletion::run(&target, Deletion { messages, others }).await
        }
        Command::Lanes { messages, rate, seconds } => {
            let others = Steady { rate, lasting: Duration::from_secs(seconds), ahead: Duration::from_millis(1_000) };
            lanes::run(options, contacts, LanesRun { backlog: messages, others, let_off: 0 }).await
        }
        Command::Faults { seed, seconds, rate } => {
            let seed = seed.unwrap_or_else(|| wall::now_ms().unsigned_abs());
            // Few contacts, so that many messages of one wait for their turn.
            let contacts = contacts.min(FAULTS_CONTACTS);
            faults::run(options, contacts, &Faults::drawn(seed, Duration::from_secs(seconds), rate)).await
        }
        Command::Takeover => takeover::run(options, &Takeover { seed: wall::now_ms().unsigned_abs(), bug: None }).await,
        Command::Bugs { bug, seed } => Box::pin(find_bugs(options, bug.as_deref(), seed)).await,
        Command::All { .. } | Command::Sink => bail!("no scenario of its own"),
    }
}

/// One after another, so that what each needs of the machine is there.
async fn find_bugs(options: &TargetOptions, only: Option<&str>, seed: u64) -> anyhow::Result<Outcome> {
    let TargetOptions::Own { binary, .. } = options else { bail!("bugs need a node of their own: give --binary") };
    let wanted = match only {
        None => bugs::ALL.to_vec(),
        Some(name) => vec![bugs::Bug::named(name).with_context(|| format!("no bug is called `{name}`"))?],
    };
    let mut outcome = Outcome::new("bugs", "both");
    let bar = Progress::of("bugs", wanted.len());
    for bug in &wanted {
        outcome.note(bug.is_found(binary, seed).await?);
        bug.is_not_found_without(binary, seed).await?;
        bar.more(1);
    }
    outcome.figure("bugs planted and found", wanted.len() as f64, "bugs");
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }
}
