//! Stopping: no new work, in flight finished up to a deadline, flushed, leases given back, store closed.

use std::time::Duration;

use futures_util::future::join_all;

use super::handle::Engine;
use crate::directory::upkeep::Uses;
use crate::partition::{ReleasePartition, WriteHabits};
use crate::sender::pool::{DescribePool, SetDraining};
use crate::wheel::actor::StopWheel;

/// Between two looks at what is still in flight.
const LOOK_EVERY: Duration = Duration::from_millis(10);

impl Engine {
    /// No new work; what is in flight is finished, up to the deadline; then leases are given back and the
    /// store is closed. How many attempts were left unfinished: their claims stay for the next start.
    pub async fn shutdown(&self, deadline: Duration) -> usize {
        let node = &self.node;
        node.health.stop();
        let routes = node.routes();
        for shard in &routes.shards {
            shard.wheel.do_send(StopWheel);
        }
        for pool in routes.pools.all() {
            pool.do_send(SetDraining(true));
        }
        let until = node.clock.boot().plus(deadline);
        let left = loop {
            let left = self.underway().await;
            if left == 0 || node.clock.boot() >= until {
                break left;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        };
        let partitions = routes.shards.iter().flat_map(|shard| &shard.partitions);
        join_all(partitions.clone().map(|(_, partition)| partition.send(WriteHabits))).await;
        join_all(partitions.map(|(_, partition)| partition.send(ReleasePartition))).await;
        if let Err(error) = self.directory.write_uses(node, Uses::All).await {
            tracing::warn!(%error, "the last uses of keys and sessions were not written");
        }
        self.directory.release().await;
        if let Err(error) = node.store.close().await {
            tracing::error!(%error, "the store did not close cleanly");
        }
        self.arbiters.stop();
        left
    }

    /// Permits and requests under way.
    async fn underway(&self) -> usize {
        let routes = self.node.routes();
        let mut left = 0;
        for pool in routes.pools.all() {
            left += pool.send(DescribePool).await.map_or(0, |status| status.in_flight);
        }
        let requests = |shard: &crate::shard::ShardRoutes| shard.inflight.load(std::sync::atomic::Ordering::Relaxed);
        left + routes.shards.iter().map(requests).sum::<usize>()
    }
}
