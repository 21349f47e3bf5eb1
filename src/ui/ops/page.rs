//! The page of operations.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::HttpRequest;
use askama::Template;
use sendwheel_actors::domain::directory::Role;
use sendwheel_actors::domain::ids::MessageId;
use sendwheel_actors::engine::api::{DeadLetter, PageRequest};
use sendwheel_actors::engine::operations::{NodeStatus, PartitionStatus};

use super::chart::Chart;
use super::lanes::Lane;
use super::lateness;
use crate::api::auth::require;
use crate::api::health::unready;
use crate::api::paging::Query;
use crate::ui::answer::{Answer, ok};
use crate::ui::entry::channel_name;
use crate::ui::error::{PageError, sentence};
use crate::ui::visitor::{Frame, Visitor};
use crate::ui::when;

/// Dead letters of a page.
const PAGE: usize = 25;
/// What is due is counted in steps of so many minutes, over an hour.
const STEP_MINUTES: u64 = 5;
const STEPS: usize = 12;

/// A message that was given up, without what it says.
struct Letter {
    id: MessageId,
    account: String,
    channel: &'static str,
    since: String,
    why: String,
}

impl Letter {
    fn of(visitor: &Visitor, letter: &DeadLetter) -> Self {
        let message = &letter.view.message;
        let account = visitor.auth.directory.account(letter.account);
        let failure = message.attempts.last().and_then(|attempt| attempt.failure.as_ref());
        let reason = || message.reason.as_ref().map(|reason| sentence(&reason.detail()));
        Self {
            id: letter.message,
            account: account.map_or_else(|| "the system".into(), |account| account.name.clone()),
            channel: channel_name(message.channel),
            since: when::moment(&visitor.zone, message.since, visitor.now()),
            why: failure.map(|failure| sentence(&failure.detail)).or_else(reason).unwrap_or_default(),
        }
    }
}

/// The node in words.
struct Node {
    name: String,
    started: String,
    state: &'static str,
    is_ready: bool,
    draining: bool,
    owned: String,
    contacts: usize,
    store: String,
    used: String,
    warnings: Vec<String>,
}

impl Node {
    fn of(visitor: &Visitor, status: NodeStatus) -> Self {
        let reason = unready(status.readiness);
        Self {
            name: status.node.to_string(),
            started: when::moment(&visitor.zone, status.started_at, visitor.now()),
            state: match reason {
                None => "Ready",
                Some("starting") => "Starting",
                Some("stopping") => "Stopping",
                Some("out_of_space") => "Out of space",
                Some(_) => "Store unavailable",
            },
            is_ready: reason.is_none(),
            draining: status.draining,
            owned: format!("{} of {}", status.partitions_owned, status.partitions),
            contacts: status.active_contacts,
            store: format!("{} {}", status.store.backend, status.store.version),
            used: format!("{:.1} % ({} MB)", status.usage.share * 100.0, status.usage.bytes / 1_000_000),
            warnings: status.store.warnings,
        }
    }
}

/// The partitions of a shard, together.
#[derive(Default)]
struct Shard {
    partitions: usize,
    pending: u64,
    commits: u64,
    phases: BTreeMap<&'static str, usize>,
}

impl Shard {
    fn phases(&self) -> String {
        self.phases.iter().map(|(phase, count)| format!("{count} {phase}")).collect::<Vec<_>>().join(", ")
    }
}

fn by_shard(partitions: &[PartitionStatus]) -> BTreeMap<usize, Shard> {
    let mut shards: BTreeMap<usize, Shard> = BTreeMap::new();
    for status in partitions {
        let shard = shards.entry(status.shard).or_default();
        shard.partitions += 1;
        shard.pending += status.pending;
        shard.commits += status.seq;
        *shard.phases.entry(status.phase).or_default() += 1;
    }
    shards
}

#[derive(Template)]
#[template(path = "ops/page.html")]
struct OpsPage {
    frame: Frame,
    told: Option<&'static str>,
    node: Node,
    pending: u64,
    due: Chart,
    lateness: Chart,
    lanes: Vec<Lane>,
    letters: Vec<Letter>,
    more: Option<String>,
    shards: BTreeMap<usize, Shard>,
}

async fn due(visitor: &Visitor) -> Result<Chart, PageError> {
    let step = Duration::from_secs(STEP_MINUTES * 60);
    let found = visitor.engine().due_soon(step, STEPS).await?;
    let all: u64 = found.counts.iter().sum();
    let label = |number: usize| {
        let at = found.from.plus(step * u32::try_from(number).unwrap_or_default());
        when::day_and_time(&visitor.zone, at, visitor.now()).1
    };
    let most = found.counts.iter().enumerate().max_by_key(|(number, count)| (**count, STEPS - number));
    let desc = match most {
        Some((number, most)) if all > 0 => format!(
            "{}{all} messages are due in the next hour; most of them, {most}, in the {STEP_MINUTES} minutes from {}.",
            if found.is_whole { "" } else { "At least " },
            label(number)
        ),
        _ => "Nothing is due in the next hour.".to_owned(),
    };
    let counts = found.counts.iter().enumerate().map(|(number, count)| (label(number), *count)).collect();
    Ok(Chart::of(("due", "Due in the next hour", "From"), desc, counts))
}

/// What is told after a step, by the word in the address.
const TOLD: [(&str, &str); 6] = [
    ("paused", "Paused: what is due from it waits."),
    ("resumed", "Resumed."),
    ("limited", "The limit is set."),
    ("requeued", "A new message with the same content is on its way."),
    ("draining", "Draining: nothing is handed over until it goes on."),
    ("going_on", "It goes on."),
];

/// The page.
pub(in crate::ui) async fn ops_page(visitor: Visitor, request: HttpRequest) -> Answer {
    require(Role::Operator, &visitor.auth)?;
    let mut query = Query::of(&request, &["told", "letters"]);
    let (word, cursor) = (query.take("told"), query.take("letters"));
    query.finish()?;
    let engine = visitor.engine();
    let letters = engine.dead_letters(PageRequest { cursor, limit: PAGE }).await?;
    let mut lanes = engine.lanes().await?;
    lanes.sort_by_key(|lane| (std::cmp::Reverse(lane.backlog.iter().sum::<usize>()), lane.lane));
    let partitions = engine.partitions().await?;
    ok(&OpsPage {
        frame: visitor.frame("ops"),
        told: word.and_then(|word| TOLD.iter().find(|(name, _)| *name == word)).map(|(_, text)| *text),
        node: Node::of(&visitor, engine.node().await?),
        pending: partitions.iter().map(|status| status.pending).sum(),
        due: due(&visitor).await?,
        lateness: lateness::chart(&visitor.shared.state.metrics.render()),
        lanes: lanes.iter().map(|lane| Lane::of(lane, &visitor.auth.directory)).collect(),
        letters: letters.items.iter().map(|letter| Letter::of(&visitor, letter)).collect(),
        more: letters.next_cursor.map(|next| {
            let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
            format!("/ops?letters={next}")
        }),
        shards: by_shard(&partitions),
    })
}
