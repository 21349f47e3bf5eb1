//! How a run differs from others.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::quiet::{Quiet, Window};

/// What callers do most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Focus {
    Messages,
    Contacts,
}

/// Drawn from the seed. Rates are per thousand calls, unless they say otherwise.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub crash: u32,
    pub fail: u32,
    pub unknown: u32,
    /// Commits that nobody hears of, and that arrive later.
    pub late: u32,
    pub renew_fails: u32,
    /// Renewals that take seconds.
    pub renew_slow: u32,
    pub slow: u32,
    /// Moments at which the process stands still for a while, per hundred thousand.
    pub suspend: u32,
    /// Another node takes leases that ran out.
    pub has_rival: bool,
    /// Operations before which somebody sets the wall clock, per thousand.
    pub clock_set: u32,
    /// Processes that come back under another name, per thousand.
    pub renamed: u32,
    pub focus: Focus,
    pub operations: u32,
    pub contacts: usize,
    pub active_contacts: usize,
    pub lane_bound: usize,
    pub wheel_page: usize,
    pub partitions: u16,
    pub shards: usize,
    /// Settled messages leave after this long.
    pub retention: Option<Duration>,
    pub sweep_every: Duration,
    /// Many messages at once for one contact.
    pub floods: u32,
    /// When each provider is down, ms since the beginning.
    pub down: [(i64, i64); 2],
    /// The account has a webhook that is told how messages end.
    pub has_webhook: bool,
    /// The account has quiet hours, and contacts move from zone to zone.
    pub quiet: Option<Quiet>,
    /// Some messages have a status callback.
    pub has_callbacks: bool,
    /// Commits of new work that the store has no room for.
    pub no_room: u32,
    /// Operations before which two contacts are merged, per thousand.
    pub merges: u32,
    /// Operations before which somebody schedules a message that repeats, or takes one back, per thousand.
    pub repeats: u32,
}

/// Mostly a minute or two; some last longer than the run.
fn some_window(rng: &mut StdRng) -> Window {
    let from = rng.random_range(0..4);
    let minutes = if rng.random_bool(0.2) { rng.random_range(10..240) } else { rng.random_range(1..3) };
    Window { from, to: from + minutes }
}

impl Plan {
    pub fn of_seed(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed ^ 0x9e37_79b9);
        let is_calm = rng.random_range(0..4) == 0;
        let rate = |rng: &mut StdRng, most: u32| if is_calm { 0 } else { rng.random_range(0..=most) };
        let mut down = || {
            let from = rng.random_range(0..60_000);
            (from, from + rng.random_range(0..20_000))
        };
        let down = [down(), down()];
        let some = |rng: &mut StdRng, share: f64, most: u32| {
            if rng.random_bool(share) { rng.random_range(1..=most) } else { 0 }
        };
        Self {
            crash: rate(&mut rng, 4),
            fail: rate(&mut rng, 25),
            unknown: rate(&mut rng, 25),
            late: rate(&mut rng, 12),
            renew_fails: if rng.random_bool(0.3) { 900 } else { 30 },
            renew_slow: if rng.random_bool(0.25) { 500 } else { 0 },
            slow: rng.random_range(0..120),
            suspend: some(&mut rng, 0.5, 150),
            has_rival: rng.random_bool(0.6),
            clock_set: some(&mut rng, 0.3, 40),
            renamed: if rng.random_bool(0.3) { 400 } else { 0 },
            focus: if rng.random_bool(0.2) { Focus::Contacts } else { Focus::Messages },
            operations: rng.random_range(60..180),
            contacts: rng.random_range(2..9),
            active_contacts: rng.random_range(1..5),
            lane_bound: rng.random_range(1..5),
            wheel_page: rng.random_range(1..6),
            partitions: [1, 2, 4][rng.random_range(0..3)],
            shards: rng.random_range(1..3),
            retention: rng.random_bool(0.4).then(|| Duration::from_secs(rng.random_range(15..45))),
            sweep_every: Duration::from_secs(rng.random_range(5..15)),
            floods: u32::from(rng.random_bool(0.3)),
            down,
            has_webhook: rng.random_bool(0.3),
            quiet: rng.random_bool(0.3).then(|| Quiet {
                home: some_window(&mut rng),
                berlin: some_window(&mut rng),
                conversation_exempt: rng.random_bool(0.5),
            }),
            has_callbacks: rng.random_bool(0.3),
            no_room: some(&mut rng, 0.3, 60),
            merges: some(&mut rng, 0.5, 120),
            repeats: some(&mut rng, 0.5, 150),
        }
    }
}
