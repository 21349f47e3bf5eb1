//! The journal: group commit. Many actors' decisions become one fenced, durable batch per partition, and
//! each actor hears when its decision is safe.

mod actor;
mod batching;

pub use actor::{ClosePartition, Commit, Committed, Journal, OpenPartition, Refused, Requester, Undone};
