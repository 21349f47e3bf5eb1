//! What operators see and do.

use std::time::Duration;

use super::handle::Engine;
use super::lists::{Source, unread};
use crate::contact::registry::CountActive;
use crate::domain::address::Channel;
use crate::domain::clock::UnixMs;
use crate::domain::directory::{Limit, Sender};
use crate::domain::ids::{MessageId, SenderId};
use crate::domain::message::StateName;
use crate::domain::ticket::{Ticket, TicketKind};
use crate::partition::DescribePartition;
use crate::protocol::api::{
    Caller, Created, DeadLetter, EngineError, EngineResult, MessageView, Page, PageRequest, SenderPatch,
};
use crate::protocol::operations::{DueSoon, LaneView, NodeStatus, PartitionStatus};
use crate::sender::pool::{DescribePool, SetDraining};
use crate::store::keys::AttentionMember;
use crate::store::{Entry, Index, Member, RangeQuery};
use crate::wheel::actor::DescribeWheel;

/// Entries of a partition that are counted.
const MAX_COUNTED: usize = 500;

/// An actor that does not answer is gone: the node is stopping.
fn gone(_: actix::MailboxError) -> EngineError {
    EngineError::Stopping
}

impl Engine {
    /// This node at a glance.
    ///
    /// # Errors
    /// The store.
    pub async fn node(&self) -> EngineResult<NodeStatus> {
        let node = &self.node;
        let mut active_contacts = 0;
        for shard in &node.routes().shards {
            active_contacts += shard.registry.send(CountActive).await.map_err(gone)?;
        }
        Ok(NodeStatus {
            node: node.settings.node,
            boot: node.boot.0,
            started_at: node.started_at,
            shards: node.settings.shards,
            partitions_owned: node.health.partitions_open(),
            partitions: usize::from(node.partitions.get()),
            active_contacts,
            readiness: node.health.readiness(),
            draining: node.health.is_draining(),
            store: node.store.describe().await.map_err(|error| unread(&error))?,
            usage: node.store.usage().await.map_err(|error| unread(&error))?,
        })
    }

    /// Every partition on this node.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn partitions(&self) -> EngineResult<Vec<PartitionStatus>> {
        let mut out = Vec::new();
        for (number, shard) in self.node.routes().shards.iter().enumerate() {
            let wheel = shard.wheel.send(DescribeWheel).await.map_err(gone)?;
            for (partition, actor) in &shard.partitions {
                let brief = actor.send(DescribePartition).await.map_err(gone)?;
                let window = wheel.windows.iter().find(|(of, ..)| of == partition);
                out.push(PartitionStatus {
                    partition: *partition,
                    shard: number,
                    phase: brief.phase,
                    seq: brief.seq,
                    loaded_until: window.map_or(UnixMs(0), |(_, until)| *until),
                    pending: self.node.pending_of(*partition).load(std::sync::atomic::Ordering::Relaxed).max(0) as u64,
                });
            }
        }
        out.sort_by_key(|status| status.partition);
        Ok(out)
    }

    /// How many messages are due in each of so many steps from now on, over all accounts.
    ///
    /// # Errors
    /// The store.
    pub async fn due_soon(&self, step: Duration, steps: usize) -> EngineResult<DueSoon> {
        let from = self.node.clock.now();
        let step_ms = i64::try_from(step.as_millis().max(1)).unwrap_or(i64::MAX);
        let count = i64::try_from(steps).unwrap_or(i64::MAX);
        let query = |partition| RangeQuery {
            partition,
            index: Index::Due,
            after: Some(Entry { score: from, member: Member::from_slice(b"") }),
            to: UnixMs(from.0.saturating_add(step_ms.saturating_mul(count)).saturating_sub(1)),
            limit: MAX_COUNTED,
            descending: false,
        };
        let queries: Vec<_> = self.node.partitions.iter().map(query).collect();
        let found = self.read_ranges(&queries).await?;
        let mut counts = vec![0; steps];
        for entry in found.iter().flatten() {
            let ticket = Ticket::from_entry(entry.score, &entry.member).ok();
            let is_message =
                ticket.is_some_and(|it| it.kind() == TicketKind::Message && it.channel() != Channel::Webhook);
            let at = usize::try_from((entry.score.0 - from.0) / step_ms).ok();
            if let Some(count) = at.filter(|_| is_message).and_then(|at| counts.get_mut(at)) {
                *count += 1;
            }
        }
        Ok(DueSoon { from, counts, is_whole: found.iter().all(|entries| entries.len() < MAX_COUNTED) })
    }

    /// Every lane on this node.
    ///
    /// # Errors
    /// The node is stopping.
    pub async fn lanes(&self) -> EngineResult<Vec<LaneView>> {
        let directory = self.directory();
        let mut out = Vec::new();
        for channel in Channel::ALL {
            let status = self.node.routes().pools.of(channel).send(DescribePool).await.map_err(gone)?;
            out.extend(status.lanes.iter().map(|lane| LaneView {
                lane: lane.lane,
                sender: directory.sender_of_lane(lane.lane).map(|sender| sender.id),
                account: lane.account,
                channel,
                backlog: lane.backlog,
                held: lane.held,
                parked: lane.parked,
                in_flight: lane.in_flight,
                limit: lane.limit,
                paused: lane.paused,
                breaker: lane.breaker.name(),
                blocked_for: lane.next_at.map(|at| at.since(status.at)).filter(|wait| !wait.is_zero()),
            }));
        }
        Ok(out)
    }

    /// Pauses, resumes or limits a lane, of any account.
    ///
    /// # Errors
    /// Not found, the store.
    pub async fn set_lane(
        &self,
        caller: &Caller,
        sender: SenderId,
        paused: Option<bool>,
        limit: Option<Option<Limit>>,
    ) -> EngineResult<Sender> {
        let patch = SenderPatch { paused, limit, ..SenderPatch::default() };
        self.directory.patch_sender(&self.node, caller, None, sender, &patch, None).await
    }

    /// Messages that were given up, over all accounts, oldest first within each account.
    ///
    /// # Errors
    /// A cursor that is none, the store.
    pub async fn dead_letters(&self, page: PageRequest) -> EngineResult<Page<DeadLetter>> {
        let directory = self.directory();
        let mut accounts = directory.account_numbers();
        // The cursor begins with the account's number: accounts are walked one after another.
        let (mut account, mut cursor) = match page.cursor.as_deref().map(|text| text.split_once('.')) {
            None => (accounts.next(), None),
            Some(Some((number, rest))) => {
                let number = number.parse().ok();
                let at = accounts.find(|account| Some(account.0) == number);
                (at, (!rest.is_empty()).then(|| rest.to_owned()))
            }
            Some(None) => {
                let detail = "not a cursor of this list: take `next_cursor` of its last page as it is";
                return Err(EngineError::field("/cursor", "invalid_cursor", detail));
            }
        };
        let mut items = Vec::new();
        while let Some(no) = account {
            let request = PageRequest { cursor: cursor.take(), limit: page.limit - items.len() };
            let listed = self.merged(Source::Up(Index::Attention(no)), None, UnixMs::MAX, &request).await?;
            for found in listed.items.iter().filter_map(|entry| AttentionMember::decode(&entry.member).ok()) {
                if found.state == StateName::Failed
                    && let Ok(message) = self.record(found.message).await
                {
                    let view = self.view(message).await?;
                    items.push(DeadLetter { account: no, message: found.message, view });
                }
            }
            if let Some(next) = listed.next_cursor {
                if items.len() >= page.limit {
                    return Ok(Page { items, next_cursor: Some(format!("{}.{next}", no.0)) });
                }
                cursor = Some(next);
                continue;
            }
            account = accounts.next();
            if let Some(next) = account
                && items.len() >= page.limit
            {
                return Ok(Page { items, next_cursor: Some(format!("{}.", next.0)) });
            }
        }
        Ok(Page { items, next_cursor: None })
    }

    /// Revives a dead letter of any account, on behalf of that account.
    ///
    /// # Errors
    /// As [`Engine::requeue`].
    pub async fn requeue_dead_letter(&self, caller: &Caller, id: MessageId) -> EngineResult<Created<MessageView>> {
        let message = self.record(id).await?;
        let caller = Caller { account: message.account, ..*caller };
        if message.channel == Channel::Webhook {
            return self.revived(&caller, message).await;
        }
        self.requeued(&caller, message).await
    }

    /// Hands nothing over any more (or again): what is due waits in its lanes.
    pub fn set_draining(&self, draining: bool) {
        self.node.health.set_draining(draining);
        for pool in self.node.routes().pools.all() {
            pool.do_send(SetDraining(draining));
        }
    }
}
