//! The limits of the lanes' model, and whether what was sent kept them over every window (I6).

use std::collections::BTreeMap;
use std::time::Duration;

use super::lanes_model_steps::config;
use crate::domain::clock::BootUs;
use crate::domain::destination_limits::DestinationLimits;
use crate::domain::directory::Limit;
use crate::domain::ids::LaneNo;
use crate::domain::ticket::Ticket;

/// What the largest message costs.
pub(super) const MAX_COST: u16 = 3;

const fn a_second(rate: u32, burst: u32) -> Limit {
    Limit { rate, per: Duration::from_secs(1), burst }
}

/// What an account may be limited to.
pub(super) const ACCOUNT_LIMITS: [Option<Limit>; 3] = [None, Some(a_second(5, 3)), Some(a_second(30, 1))];

/// Destinations 1 and 2 are limited, 0 and 3 are not.
pub(super) fn destinations() -> DestinationLimits {
    DestinationLimits::of_prefixes([(1, a_second(2, 1)), (2, a_second(20, 3))], None)
}

/// A message that was sent.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) at: BootUs,
    pub(super) ticket: Ticket,
    pub(super) account_limit: Option<Limit>,
    /// How many limits its account had had before.
    pub(super) limits_before: usize,
}

/// The limited lanes, the accounts while their limit stays the same, the destinations and the channel.
pub(super) fn check_limits(sent: &[Sent], channel: Option<Limit>, destinations: &DestinationLimits) {
    for lane in [LaneNo(0), LaneNo(1)] {
        let limit = config(lane.0, false).limit.expect("it is limited");
        check_limit(sent.iter().filter(|sent| sent.ticket.lane == lane), limit);
    }
    let (mut of_accounts, mut of_destinations) = (BTreeMap::new(), BTreeMap::new());
    for one in sent {
        if let Some(limit) = one.account_limit {
            let all = of_accounts.entry((one.ticket.account, one.limits_before)).or_insert((limit, Vec::new()));
            all.1.push(one);
        }
        if let Some((key, limit)) = destinations.of(one.ticket.destination) {
            of_destinations.entry(key).or_insert((limit, Vec::new())).1.push(one);
        }
    }
    of_accounts.into_values().chain(of_destinations.into_values()).for_each(|(limit, sent)| check_limit(sent, limit));
    if let Some(limit) = channel {
        check_limit(sent, limit);
    }
}

/// Burst and rate, and one of the largest messages in any case.
fn check_limit<'a>(sent: impl IntoIterator<Item = &'a Sent>, limit: Limit) {
    let sent: Vec<_> = sent.into_iter().collect();
    assert!(sent.is_sorted_by_key(|sent| sent.at));
    assert_eq!(limit.per, Duration::from_secs(1));
    let (burst, rate) = (u64::from(limit.burst.max(u32::from(MAX_COST))), u64::from(limit.rate));
    for (from, first) in sent.iter().enumerate() {
        let mut units = 0;
        for one in &sent[from..] {
            units += u64::from(one.ticket.cost);
            let window_us = one.at.0 - first.at.0 + 250_000;
            assert!(units * 1_000_000 <= burst * 1_000_000 + rate * window_us, "{units} units in {window_us} µs");
        }
    }
}
