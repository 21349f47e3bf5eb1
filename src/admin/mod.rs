//! What operators see and do: nodes, partitions, lanes, dead letters, draining. All of it needs the role
//! operator, and reaches over every account.

pub(crate) mod dead_letters;
pub(crate) mod drain;
pub(crate) mod lanes;
pub(crate) mod nodes;
pub(crate) mod partitions;
