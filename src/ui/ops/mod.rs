//! How the installation runs, for operators: what is due, how late messages go, lanes, dead letters, nodes.
//!
//! What belongs where: [`page`] is the page; [`actions`] what its buttons do; [`lanes`] a lane in words; [`lateness`]
//! reads the histogram that `/metrics` shows; [`chart`] draws bars. It asks the engine as the endpoints under
//! `/admin/v1` do, and needs the role operator as they do. It shows nothing of what messages say.

pub(super) mod actions;
mod chart;
mod lanes;
mod lateness;
pub(super) mod page;
