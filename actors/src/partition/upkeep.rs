//! What an open partition does beside serving: it reads and writes what is known of habits, and plans again what is
//! pending when rules have changed.

use std::sync::Arc;
use std::time::Duration;

use actix::{Addr, Context, Handler, Message as ActixMessage, ResponseFuture};
use tokio::sync::Mutex;

use super::actor::PartitionActor;
use super::habits;
use super::replanning::{plan_again, plan_near};
use crate::domain::ids::Partition;
use crate::shard::Node;
use crate::store::keys::WaitingScope;

/// Between two tries to plan again what is due soon.
const AGAIN: Duration = Duration::from_millis(250);

/// Whoever has it plans again.
pub(super) type Turn = Arc<Mutex<()>>;

/// Write what was learned of habits; answered when that is durable, or failed.
#[derive(Debug, Clone, Copy, ActixMessage)]
#[rtype(result = "()")]
pub struct WriteHabits;

/// Plan again what is pending, if what it was planned by has changed.
#[derive(Debug, Clone, Copy, ActixMessage)]
#[rtype(result = "()")]
pub struct PlanAgain;

/// What is due soon was planned again: the wheel may run.
#[derive(Debug, ActixMessage)]
#[rtype(result = "()")]
pub(super) struct NearIsPlanned {
    pub(super) epoch: u32,
    pub(super) scopes: Vec<WaitingScope>,
}

/// Plans again what is due soon, however often it takes, and tells the partition; one that was opened anew since has
/// its own.
pub(super) fn plan_soon(node: Arc<Node>, partition: Partition, then: NearIsPlanned, actor: Addr<PartitionActor>) {
    actix::spawn(async move {
        while let Err(error) = plan_near(&node, partition).await {
            tracing::warn!(%partition, %error, "what is due soon could not be planned by the new rules of zones yet, trying again");
            tokio::time::sleep(AGAIN).await;
            if !matches!(actor.send(IsOpen(then.epoch)).await, Ok(true)) {
                return;
            }
        }
        actor.do_send(then);
    });
}

/// Whether that opening of it is served still.
#[derive(Debug, Clone, Copy, ActixMessage)]
#[rtype(result = "bool")]
pub(super) struct IsOpen(u32);

impl Handler<IsOpen> for PartitionActor {
    type Result = bool;

    fn handle(&mut self, IsOpen(epoch): IsOpen, _: &mut Context<Self>) -> bool {
        self.opening().is_some_and(|(_, _, now)| now == epoch)
    }
}

/// What follows when a partition was opened. Waits beside the actors.
pub(super) fn after_opening(node: Arc<Node>, partition: Partition, epoch: u32, turn: Turn) {
    actix::spawn(async move {
        if let Err(error) = habits::read(&node, partition).await {
            tracing::warn!(%partition, %error, "what is known of habits could not be read yet");
        }
        replan(node, partition, epoch, turn).await;
    });
}

async fn replan(node: Arc<Node>, partition: Partition, epoch: u32, turn: Turn) {
    let _mine = turn.lock().await;
    if let Err(error) = plan_again(&node, partition, epoch).await {
        tracing::warn!(%partition, %error, "what is pending could not all be planned again: it is taken up with the next sweep");
    }
}

impl Handler<WriteHabits> for PartitionActor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: WriteHabits, _: &mut Context<Self>) -> Self::Result {
        let Some((node, partition, epoch)) = self.opening() else { return Box::pin(async {}) };
        Box::pin(async move {
            if let Err(error) = habits::write(&node, partition, epoch).await {
                tracing::warn!(%partition, %error, "what was learned of habits could not be written yet");
            }
        })
    }
}

impl Handler<PlanAgain> for PartitionActor {
    type Result = ();

    fn handle(&mut self, _: PlanAgain, _: &mut Context<Self>) {
        if let Some((node, partition, epoch)) = self.opening() {
            actix::spawn(replan(node, partition, epoch, Arc::clone(&self.replanning)));
        }
    }
}
