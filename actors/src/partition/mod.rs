//! Partitions: the leases under which this node serves them, and their sweeps.

mod actor;
mod habits;
mod sweep;

pub(crate) use sweep::resume_held;

pub use actor::{BeginPartition, CommitFailed, DescribePartition, PartitionActor, ReleasePartition, WriteHabits};
