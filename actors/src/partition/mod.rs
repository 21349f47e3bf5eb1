//! Partitions: the leases under which this node serves them, and their sweeps.

mod actor;
mod habits;
mod replanning;
mod sweep;
mod upkeep;

pub(crate) use sweep::resume_held;

pub use actor::{BeginPartition, CommitFailed, DescribePartition, PartitionActor, ReleasePartition};
pub use upkeep::{PlanAgain, WriteHabits};
