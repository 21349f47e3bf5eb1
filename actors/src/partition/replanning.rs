//! What is pending in a partition is planned again when what it was planned by has changed: an account's rules or zone,
//! or the rules of zones (a newer release comes with the program).
//!
//! It walks the due index, so what is due first is planned first, and waits for each page to be durable. Only then the
//! partition notes what it was planned by: whatever ends it before, it begins again. Planned again without a change, a
//! message stays as it is. What comes due meanwhile is held against the rules at its last check.
//!
//! Rules of zones are not held against a message then: an instant that old ones resolved to looks like any other. So
//! after a newer release of them, what is due within [`NEAR`] is planned again before the partition's wheel runs: no
//! message of the next hours goes by an old clock.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::contact::command::ContactCommand;
use crate::contact::registry::Deliver;
use crate::domain::clock::UnixMs;
use crate::domain::ids::{AccountNo, ContactId, Partition};
use crate::domain::plan::PlannedBy;
use crate::domain::ticket::{Ticket, TicketKind};
use crate::domain::zone::tzdb_version;
use crate::journal::{Commit, Requester};
use crate::shard::Node;
use crate::store::{Entry, Index, Mutation, RangeQuery, RecordKey, StoreError, Table, codec, keys};

const PAGE: usize = 256;
const PAUSE: Duration = Duration::from_millis(20);
/// How far ahead new rules of zones hold before anything is handed over; a zone's clocks move by a day at most.
const NEAR: Duration = Duration::from_secs(48 * 60 * 60);
/// Contacts remembered as done; beyond it some are planned twice, which changes nothing.
const MAX_REMEMBERED: usize = 65_536;

/// Whose messages are to be planned again.
enum Whose {
    Everybodys,
    Of(BTreeSet<AccountNo>),
}

impl Whose {
    fn has(&self, account: AccountNo) -> bool {
        match self {
            Self::Everybodys => true,
            Self::Of(accounts) => accounts.contains(&account),
        }
    }
}

async fn planned_by(node: &Node, partition: Partition) -> Result<PlannedBy, StoreError> {
    let key = RecordKey { partition, table: Table::Planned, key: keys::planned() };
    let found = node.store.get(std::slice::from_ref(&key)).await?.into_iter().next().flatten();
    Ok(found.map(|bytes| codec::decode::<PlannedBy>(&bytes)).transpose()?.unwrap_or_default())
}

/// Whether these are other rules of zones than those of this program. A partition that was never planned again was
/// planned by those that came with its first one.
fn has_other_zones(before: &PlannedBy) -> bool {
    before.zones != tzdb_version() && !before.zones.is_empty()
}

/// Whether a partition waits for [`plan_near`].
pub(super) async fn is_zoned_anew(node: &Node, partition: Partition) -> Result<bool, StoreError> {
    Ok(has_other_zones(&planned_by(node, partition).await?))
}

/// Plans again what is due within [`NEAR`], by the rules of zones of this program.
pub(super) async fn plan_near(node: &Node, partition: Partition) -> Result<(), StoreError> {
    walk(node, partition, &Whose::Everybodys, node.clock.now().plus(NEAR)).await
}

/// Plans again whatever was planned by something else than what holds now.
pub(super) async fn plan_again(node: &Node, partition: Partition, epoch: u32) -> Result<(), StoreError> {
    let before = planned_by(node, partition).await?;
    let directory = node.directory.load_full();
    let is_newer = |account: &&crate::domain::directory::Account| account.rules_changed_at > before.rules_until;
    let changed: BTreeSet<AccountNo> = directory.accounts().filter(is_newer).map(|account| account.no).collect();
    let rules_until = directory.accounts().map(|account| account.rules_changed_at).max().unwrap_or_default();
    let now = PlannedBy { zones: tzdb_version().into(), rules_until: rules_until.max(before.rules_until) };
    if now == before {
        return Ok(());
    }
    let whose = if has_other_zones(&before) { Whose::Everybodys } else { Whose::Of(changed) };
    if !matches!(&whose, Whose::Of(accounts) if accounts.is_empty()) {
        walk(node, partition, &whose, UnixMs::MAX).await?;
    }
    let (durable, is_durable) = oneshot::channel();
    node.shard(partition).journal.do_send(Commit {
        partition,
        epoch,
        mutations: vec![Mutation::Put(Table::Planned, keys::planned(), codec::encode(&now))],
        is_growth: false,
        hints_to_add: Vec::new(),
        hints_to_remove: Vec::new(),
        requester: Requester::Waiting(durable),
    });
    is_durable.await.map_err(|_| dropped())
}

fn dropped() -> StoreError {
    StoreError::Unavailable("the partition was dropped meanwhile".into())
}

async fn walk(node: &Node, partition: Partition, whose: &Whose, to: UnixMs) -> Result<(), StoreError> {
    let mut done = HashSet::new();
    let mut after: Option<Entry> = None;
    while !node.health.is_stopping() {
        let query =
            RangeQuery { partition, index: Index::Due, after: after.take(), to, limit: PAGE, descending: false };
        let page = node.store.ranges(std::slice::from_ref(&query)).await?.into_iter().next().unwrap_or_default();
        let tickets = page.iter().filter_map(|entry| Ticket::from_entry(entry.score, &entry.member).ok());
        let contacts: Vec<ContactId> = tickets
            .filter(|ticket| ticket.kind() == TicketKind::Message && whose.has(ticket.account))
            .map(|ticket| ticket.contact)
            .filter(|contact| done.insert(*contact))
            .collect();
        if done.len() > MAX_REMEMBERED {
            done.clear();
        }
        let answers: Vec<_> = contacts
            .into_iter()
            .map(|contact| {
                let (reply, answer) = oneshot::channel();
                let command = ContactCommand::ReplanPending(None);
                node.shard(partition).registry.do_send(Deliver { contact, command, reply: Some(reply) });
                answer
            })
            .collect();
        for answer in answers {
            if !matches!(answer.await, Ok(Ok(_))) {
                return Err(dropped());
            }
        }
        if page.len() < PAGE {
            return Ok(());
        }
        after = page.into_iter().next_back();
        tokio::time::sleep(PAUSE).await;
    }
    Err(dropped())
}
