//! The suite, run on every backend.

use tempfile::TempDir;

use super::redis_server::RedisServer;
use super::*;
use crate::store::StoreUrl;
use crate::store::memory::{MemoryStore, no_faults};

pub(super) struct Memory {
    clock: Arc<ManualClock>,
    store: Arc<MemoryStore>,
}

impl Backend for Memory {
    async fn start() -> Self {
        let clock = manual_clock();
        let partitions = PartitionCount::new(PARTITIONS).unwrap();
        let store = MemoryStore::new(partitions, Arc::clone(&clock) as _, IdSource::seeded(7), no_faults());
        Self { clock, store: Arc::new(store) }
    }

    async fn open(&self) -> SharedStore {
        Arc::clone(&self.store) as SharedStore
    }

    async fn restart(&mut self, store: SharedStore) -> SharedStore {
        drop(store);
        self.store.crash();
        self.store = Arc::new(self.store.reopen(no_faults()));
        self.open().await
    }

    fn pass(&self, by: Duration) {
        self.clock.advance(by);
    }
}

pub(super) struct Embedded {
    pub(super) dir: TempDir,
    restarts: u32,
}

impl Embedded {
    pub(super) fn url(&self) -> StoreUrl {
        StoreUrl::Embedded(self.dir.path().to_owned())
    }
}

impl Backend for Embedded {
    async fn start() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), restarts: 0 }
    }

    async fn open(&self) -> SharedStore {
        crate::store::open(&self.url(), &settings()).await.unwrap()
    }

    /// Every other time without `close`, as a process that died leaves it.
    async fn restart(&mut self, store: SharedStore) -> SharedStore {
        self.restarts += 1;
        if self.restarts.is_multiple_of(2) {
            store.close().await.unwrap();
        }
        drop(store);
        self.open().await
    }
}

impl Backend for RedisServer {
    async fn start() -> Self {
        RedisServer::launch(&[]).await
    }

    async fn open(&self) -> SharedStore {
        crate::store::open(&self.url(), &settings()).await.unwrap()
    }

    async fn restart(&mut self, store: SharedStore) -> SharedStore {
        drop(store);
        self.kill_and_relaunch().await;
        self.open().await
    }
}

macro_rules! conformance {
    ($name:ident: $backend:ty { $($module:ident: $($test:ident),+;)+ }) => {
        mod $name {
            use super::*;
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    super::super::$module::$test::<$backend>().await;
                }
            )+)+
        }
    };
}

macro_rules! on_every_backend {
    ({ $($all:tt)+ } shared { $($shared:tt)+ }) => {
        conformance!(memory: Memory { $($all)+ $($shared)+ });
        conformance!(embedded: Embedded { $($all)+ });
        conformance!(redis: RedisServer { $($all)+ $($shared)+ });
    };
}

on_every_backend!({
    fencing:
        a_commit_raises_the_head,
        a_stale_sequence_number_is_fenced,
        a_stale_token_is_fenced,
        a_partition_without_a_head_takes_no_commit,
        a_redrawn_token_keeps_the_lease_and_fences_late_batches,
        of_two_writers_with_one_head_one_wins,
        partitions_commit_side_by_side;
    records:
        later_mutations_see_earlier_ones,
        a_move_in_an_index_is_unindex_and_index,
        an_entry_is_moved_only_from_where_it_stands,
        what_is_not_there_is_removed_without_complaint,
        an_entry_that_moved_survives_a_late_unindex,
        a_contacts_own_entries_are_written_moved_and_removed_by_the_batch,
        counters_stand_apart_and_start_at_zero,
        records_come_back_in_the_order_asked_for,
        indexes_and_scopes_stand_apart,
        hints_name_contacts_until_they_are_removed,
        everything_acknowledged_outlives_a_restart,
        a_store_tells_about_itself_until_it_is_closed;
    paging:
        every_cursor_reads_on_where_it_points,
        a_hundred_thousand_equal_scores_page_without_gap_or_repeat,
        a_range_from_the_start_finds_what_came_before_the_last_find;
} shared {
    leases:
        a_lease_is_held_against_others_and_taken_back_by_its_node,
        a_lease_runs_out_unless_it_is_renewed,
        a_lease_that_ran_out_is_neither_renewed_nor_redrawn;
});
