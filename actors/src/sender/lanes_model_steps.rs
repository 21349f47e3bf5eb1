//! The steps of the lanes' model.

use std::time::Duration;

use proptest::prelude::*;

use super::lanes::LaneConfig;
use super::lanes_model_limits::ACCOUNT_LIMITS;
use crate::domain::directory::Limit;
use crate::domain::ids::{AccountNo, LaneNo};

pub(super) const LANES: u32 = 4;

/// Entries that are read for shelves at a time.
pub(super) const SHELF_PAGE: usize = 3;

#[derive(Debug, Clone)]
pub(super) enum Step {
    Schedule { n: u32, due: i64, lane: u32, class: usize, to: u32 },
    Readmit(u32),
    Cancel(u32),
    Next(usize),
    End(usize, usize),
    Pause(u32, bool),
    LimitAccount(u32, usize),
    Drain(bool),
    Fail(u32),
    Lead(u64),
    Wait(u64),
    BeginRefill,
    EndRefill(bool),
    Reload,
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0u32..40, 0i64..6, 0u32..LANES, 0usize..3, 0u32..4)
            .prop_map(|(n, due, lane, class, to)| Step::Schedule { n, due, lane, class, to }),
        2 => (0u32..40).prop_map(Step::Readmit),
        3 => (0u32..40).prop_map(Step::Cancel),
        6 => (1usize..6).prop_map(Step::Next),
        6 => (0usize..8, 0usize..4).prop_map(|(which, how)| Step::End(which, how)),
        1 => (0u32..LANES, any::<bool>()).prop_map(|(lane, paused)| Step::Pause(lane, paused)),
        1 => (1u32..4, 0..ACCOUNT_LIMITS.len()).prop_map(|(account, which)| Step::LimitAccount(account, which)),
        1 => any::<bool>().prop_map(Step::Drain),
        1 => (0u32..LANES).prop_map(Step::Fail),
        1 => prop_oneof![Just(0u64), 1u64..1_500_000].prop_map(Step::Lead),
        2 => (0u64..1_500_000).prop_map(Step::Wait),
        2 => Just(Step::BeginRefill),
        2 => any::<bool>().prop_map(Step::EndRefill),
        1 => Just(Step::Reload),
    ]
}

/// Lanes 0 and 1 are limited, 2 and 3 are not.
pub(super) fn config(lane: u32, paused: bool) -> LaneConfig {
    let limit = (lane < 2).then_some(Limit { rate: 4, per: Duration::from_secs(1), burst: 2 });
    LaneConfig { lane: LaneNo(lane), account: AccountNo(1 + lane % 3), limit, paused }
}
