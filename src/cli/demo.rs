//! `sendwheel demo`: a whole node in one process with something to see, and nothing to clean up.
//!
//! Messages go to files only. The folder is temporary and goes with the process, unless `--data` names one;
//! then its sign-in and key are kept in it, readable by its owner only, and the next demo goes on with them.

mod sample;

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use sendwheel_actors::domain::ids::MessageId;
use sendwheel_actors::domain::message::{Author, Message, StateName};
use sendwheel_actors::domain::source::IdSource;
use sendwheel_actors::engine::api::Caller;
use sendwheel_actors::engine::events::Subscription;
use sendwheel_actors::engine::operations::Readiness;
use sha2::{Digest, Sha256};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use self::sample::Planned;
use super::{Failure, Outcome, note, say};
use crate::config::{Flags, Settings};
use crate::shutdown::{StopSignals, Stopped, stop};
use crate::startup::{self, Node};
use crate::telemetry;

/// Tries Sendwheel out.
#[derive(Args)]
#[command(
    after_help = "Nothing is sent: mails and texts are written to files.\n\nExamples:\n  sendwheel demo\n  sendwheel demo --data ./demo"
)]
pub(crate) struct DemoArgs {
    /// Keep everything in this folder, and go on with it the next time
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where to listen [default: 127.0.0.1:8080, or a free port if that is taken]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// End when the sample messages that are due within a minute are delivered
    #[arg(long)]
    exit_after_delivery: bool,
}

const DEFAULT_LISTEN: &str = "127.0.0.1:8080";
/// How long partitions may take to open, and the sample messages to be delivered.
const READY_WITHIN: Duration = Duration::from_secs(30);
const DELIVERED_WITHIN: Duration = Duration::from_secs(60);
/// How often what no event told is looked up.
const LOOK: Duration = Duration::from_secs(1);

pub(crate) async fn run(args: DemoArgs) -> Outcome {
    let mut signals = StopSignals::listen().context("cannot listen for signals")?;
    let temporary = match args.data {
        Some(_) => None,
        None => Some(tempfile::Builder::new().prefix("sendwheel-demo-").tempdir().context("cannot make a folder")?),
    };
    let folder = match (&args.data, &temporary) {
        (Some(folder), _) => folder.clone(),
        (None, temporary) => temporary.as_ref().map(|folder| folder.path().to_owned()).unwrap_or_default(),
    };
    let secrets = secrets_of(&folder)?;
    let settings = settings(&folder, &secrets, args.listen.as_deref())?;
    telemetry::start_log(&settings.log);
    let listener = bind(&settings, args.listen.is_some())?;
    let metrics = telemetry::start_metrics().context("cannot keep metrics")?;
    actix_web::rt::spawn(telemetry::keep_up(metrics.clone()));
    let node = startup::start(&settings, listener, metrics).await?;
    let outcome = tokio::select! {
        outcome = play(&node, &settings, &secrets, args.exit_after_delivery) => outcome,
        _ = signals.next() => say(if temporary.is_some() { "\nstopping; the folder goes too" } else { "\nstopping" }),
    };
    match stop(node, settings.shutdown_deadline, &mut signals).await {
        Stopped::InOrder { .. } => outcome,
        Stopped::AtOnce => {
            drop(temporary);
            std::process::exit(1)
        }
    }
}

/// The demo's passwords and API key.
struct Secrets {
    password: SecretString,
    api_key: SecretString,
    /// Of the sample's users, in their order.
    users: [SecretString; sample::USERS.len()],
}

/// Those kept in the folder, or new ones, kept there from now on. A folder of an earlier demo has no users yet.
fn secrets_of(folder: &Path) -> anyhow::Result<Secrets> {
    let file = folder.join("demo-secrets");
    let cannot = || format!("cannot use {}", file.display());
    let kept = match fs::read_to_string(&file) {
        Ok(text) => text.lines().map(SecretString::from).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error).with_context(cannot),
    };
    if kept.len() == 1 {
        bail!("{} is not what the demo wrote: remove the folder, or choose another", file.display())
    }
    let (ids, count) = (IdSource::from_os(), kept.len());
    let mut kept = kept.into_iter();
    let mut made = Vec::new();
    let mut next = |new: fn(&IdSource) -> SecretString| {
        kept.next().unwrap_or_else(|| {
            let secret = new(&ids);
            made.push(secret.clone());
            secret
        })
    };
    let secrets = Secrets {
        password: next(startup::new_password),
        api_key: next(startup::new_api_key),
        users: std::array::from_fn(|_| next(startup::new_password)),
    };
    if !made.is_empty() {
        fs::create_dir_all(folder).with_context(cannot)?;
        let mut options = fs::OpenOptions::new();
        options.append(true).create_new(count == 0).mode(0o600);
        let mut file = options.open(&file).with_context(cannot)?;
        for secret in made {
            writeln!(file, "{}", secret.expose_secret()).with_context(cannot)?;
        }
    }
    Ok(secrets)
}

/// The demo's settings: its own, whatever file and environment say, so that nothing real is sent.
fn settings(folder: &Path, secrets: &Secrets, listen: Option<&str>) -> Result<Settings, Failure> {
    let folder = folder.to_str().context("the folder's name is not text")?;
    let file = format!(
        "bootstrap = {{ account = \"Demo\", time_zone = \"America/New_York\", admin_password = {:?}, api_key = {:?} }}\n\
         log.level = \"warn\"\nshutdown.deadline = \"5s\"\n",
        secrets.password.expose_secret(),
        secrets.api_key.expose_secret(),
    );
    let flags =
        Flags { data: Some(folder.into()), listen: Some(listen.unwrap_or(DEFAULT_LISTEN).into()), ..Flags::default() };
    Ok(Settings::merge(Some(("demo-secrets", &file)), [], &flags)?)
}

/// Binds the port, or a free one if nobody asked for this one.
fn bind(settings: &Settings, is_wanted: bool) -> anyhow::Result<TcpListener> {
    let address = settings.server.listen;
    match startup::bind(address) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && !is_wanted => {
            startup::bind((address.ip(), 0).into()).context("cannot find a free port")
        }
        bound => bound.with_context(|| format!("cannot listen on {address}: choose another address with --listen")),
    }
}

/// Makes the sample account, tells about it, and follows what happens to its messages.
async fn play(node: &Node, settings: &Settings, secrets: &Secrets, exit_after_delivery: bool) -> Outcome {
    wait_until_ready(node).await?;
    let caller = caller(node, &secrets.api_key)?;
    let mut events = node.engine.subscribe(caller.account, None);
    sample::users(&node.engine, &caller, &secrets.users).await.context("cannot make the sample users")?;
    let people = sample::people(&node.engine, &caller).await.context("cannot make the sample contacts")?;
    let planned = sample::schedule(&node.engine, &caller, &people).await.context("cannot schedule the samples")?;
    introduce(node, settings, secrets, &people[0].1.to_string(), &planned)?;
    let names: HashMap<_, _> = people.iter().map(|(name, id)| (*id, *name)).collect();
    let mut follower = Follower { node, caller, names, shown: HashMap::new(), latest: Duration::ZERO };
    let due: Vec<_> = planned.iter().filter(|planned| planned.is_due_soon).map(|planned| planned.id).collect();
    let clock = node.engine.clock();
    let mut deadline = exit_after_delivery.then(|| clock.boot().plus(DELIVERED_WITHIN));
    loop {
        follower.follow(&mut events, &due).await?;
        if deadline.is_some() && follower.all_delivered(&due) {
            let latest = follower.latest.as_millis();
            return say(format_args!(
                "\n{} of {} delivered, the latest {latest} ms after its time",
                due.len(),
                due.len()
            ));
        }
        if deadline.take_if(|deadline| clock.boot() >= *deadline).is_some() {
            return Err(Failure::Failed(anyhow!("not every sample message was delivered within a minute")));
        }
    }
}

async fn wait_until_ready(node: &Node) -> anyhow::Result<()> {
    let ready = async {
        while node.engine.readiness() != Readiness::Ready {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let late = || format!("the node did not become ready within {} s", READY_WITHIN.as_secs());
    timeout(READY_WITHIN, ready).await.with_context(late)
}

/// The demo as a caller of the engine: by its key, as any program would be.
fn caller(node: &Node, key: &SecretString) -> anyhow::Result<Caller> {
    let hash: [u8; 32] = Sha256::digest(key.expose_secret()).into();
    let directory = node.engine.directory();
    let key = directory
        .key_by_hash(&hash)
        .context("the folder holds another installation: choose another with --data, or remove it")?;
    Ok(Caller {
        account: key.account,
        author: Author::ApiKey(key.id),
        role: key.role,
        user: None,
        test: false,
        origin: None,
        bulk: false,
    })
}

fn introduce(
    node: &Node,
    settings: &Settings,
    secrets: &Secrets,
    contact: &str,
    planned: &[Planned],
) -> Result<(), Failure> {
    let url = &node.public_url;
    let key = secrets.api_key.expose_secret();
    let users = sample::USERS.iter().zip(&secrets.users).map(|(user, password)| {
        format!("\n  {:<8}  {} with password {}{}", user.title, user.email, password.expose_secret(), user.note)
    });
    let users: String = users.collect();
    say(format_args!(
        "Sendwheel demo: messages are written to files, none is sent

  URL       {url}
  Sign-in   {} with password {} (operator){users}
  API key   {key}
  Outbox    {}

Schedule one yourself:

  curl {url}/v1/contacts/{contact}/messages \\
    -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\
    -d '{{\"channel\": \"sms\", \"body\": \"Hello {{{{ contact.name }}}}\", \"send\": \"now\"}}'

Scheduled:
",
        settings.bootstrap.admin_email,
        secrets.password.expose_secret(),
        settings.outbox_dir.display(),
    ))?;
    for planned in planned {
        let line = format!("  {:<7} {:<5}  {:<14}  {}", planned.when, planned.channel.name(), planned.to, planned.what);
        say(line.trim_end())?;
    }
    say("\nWhat happens (Ctrl-C ends it):\n")
}

/// Follows messages and tells each one's end once.
struct Follower<'a> {
    node: &'a Node,
    caller: Caller,
    names: HashMap<sendwheel_actors::domain::ids::ContactId, &'static str>,
    shown: HashMap<MessageId, StateName>,
    latest: Duration,
}

impl Follower<'_> {
    /// Tells what events bring for a moment; then looks at `watched`, of which no event may have come.
    async fn follow(&mut self, events: &mut Subscription, watched: &[MessageId]) -> Outcome {
        let clock = self.node.engine.clock();
        let until = clock.boot().plus(LOOK);
        loop {
            match timeout(until.since(clock.boot()), events.coming.recv()).await {
                Ok(Ok(event)) => {
                    if let Some((message, state)) = event.happened.message {
                        self.tell(message, state).await?;
                    }
                }
                // Fallen behind: the look below makes up for what was missed.
                Ok(Err(RecvError::Lagged(_))) => {}
                Ok(Err(RecvError::Closed)) => return Err(anyhow!("the engine has stopped").into()),
                Err(_) => break,
            }
        }
        for message in watched {
            match self.node.engine.message(&self.caller, *message).await {
                Ok(view) => self.tell(*message, view.state_name()).await?,
                Err(error) => note(error),
            }
        }
        Ok(())
    }

    async fn tell(&mut self, id: MessageId, state: StateName) -> Outcome {
        if !is_worth_telling(state) || self.shown.insert(id, state) == Some(state) {
            return Ok(());
        }
        match self.node.engine.message(&self.caller, id).await {
            Ok(view) => {
                self.latest = self.latest.max(lateness(&view.message).unwrap_or_default());
                let name = self.names.get(&view.message.contact).copied().unwrap_or("another contact");
                say(line(&view.message, state, name))
            }
            Err(error) => {
                note(error);
                Ok(())
            }
        }
    }

    fn all_delivered(&self, due: &[MessageId]) -> bool {
        due.iter().all(|id| matches!(self.shown.get(id), Some(StateName::Submitted | StateName::Delivered)))
    }
}

/// Only ends: the way there would be noise.
const fn is_worth_telling(state: StateName) -> bool {
    !matches!(state, StateName::Scheduled | StateName::Queued | StateName::Sending)
}

/// How long after its due time the message's attempt began.
fn lateness(message: &Message) -> Option<Duration> {
    message.attempts.last().map(|attempt| attempt.started_at.since(message.due_at))
}

/// `14:03:05.004Z  sms    Ann Baker       submitted   4 ms after its time`
fn line(message: &Message, state: StateName, name: &str) -> String {
    let started = message.attempts.last().map(|attempt| attempt.started_at);
    let at = started.unwrap_or(message.updated_at).to_datetime().format("%H:%M:%S%.3fZ");
    let rest = match (state, lateness(message)) {
        (StateName::Submitted | StateName::Delivered, Some(late)) => format!("{} ms after its time", late.as_millis()),
        _ => String::new(),
    };
    format!("  {at}  {:<5}  {name:<14}  {:<10}  {rest}", message.channel.name(), state.as_str()).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_kept_for_the_next_demo_and_from_others() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("demo");
        let first = secrets_of(&inside).unwrap();
        let again = secrets_of(&inside).unwrap();
        assert_eq!(first.api_key.expose_secret(), again.api_key.expose_secret());
        assert_eq!(first.password.expose_secret(), again.password.expose_secret());
        let users = |secrets: &Secrets| secrets.users.each_ref().map(|one| one.expose_secret().to_owned());
        assert_eq!(users(&first), users(&again));
        assert_ne!(users(&first)[0], users(&first)[1]);
        let mode = fs::metadata(inside.join("demo-secrets")).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }

    #[test]
    fn a_folder_of_an_earlier_demo_gets_the_users_that_it_has_not() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("demo-secrets"), "a password\nsw_a key\n").unwrap();
        let first = secrets_of(folder.path()).unwrap();
        assert_eq!((first.password.expose_secret(), first.api_key.expose_secret()), ("a password", "sw_a key"));
        let again = secrets_of(folder.path()).unwrap();
        assert_eq!(first.users[1].expose_secret(), again.users[1].expose_secret());
        fs::write(folder.path().join("demo-secrets"), "something else").unwrap();
        assert!(secrets_of(folder.path()).is_err());
    }

    #[test]
    fn the_demo_sends_nothing_and_stays_in_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = secrets_of(folder.path()).unwrap();
        let settings = settings(folder.path(), &secrets, None).unwrap();
        assert_eq!(settings.email.transport, crate::config::EmailTransport::Outbox);
        assert_eq!(settings.sms.transport, crate::config::SmsTransport::Outbox);
        assert!(settings.outbox_dir.starts_with(folder.path()));
        assert!(settings.store.url.expose().ends_with(folder.path().to_str().unwrap()));
    }

    #[test]
    fn a_taken_port_is_given_up_unless_it_was_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let settings = settings(folder.path(), &secrets_of(folder.path()).unwrap(), Some(&address)).unwrap();
        assert!(bind(&settings, true).is_err());
        assert_ne!(bind(&settings, false).unwrap().local_addr().unwrap().to_string(), address);
    }
}
