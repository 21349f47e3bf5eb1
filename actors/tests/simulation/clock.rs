//! The time of a run. It goes on over processes, it passes while one stands still, and its wall clock may be
//! set. The oracle counts in milliseconds since the run began, which nobody sets.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use sendwheel_actors::domain::clock::{BootUs, Clock, UnixMs};
use tokio::time::Instant;

/// 2026-11-23T08:00:00Z: where every run begins.
pub const BEGIN_MS: i64 = 1_795_420_800_000;

/// From here on the wall clock was ahead by so much of what it showed at first, ms.
#[derive(Debug, Clone, Copy)]
struct Setting {
    from: i64,
    ahead: i64,
}

#[derive(Debug)]
struct Times {
    passed: Duration,
    /// The process that runs began; its runtime's paused clock tells the time since then.
    began: Option<Instant>,
    settings: Vec<Setting>,
}

impl Times {
    fn elapsed(&self) -> Duration {
        self.passed + self.began.map_or(Duration::ZERO, |at| at.elapsed())
    }

    fn elapsed_ms(&self) -> i64 {
        i64::try_from(self.elapsed().as_millis()).unwrap()
    }

    /// Each setting, with when the next one began.
    fn stretches(&self) -> impl DoubleEndedIterator<Item = (Setting, Option<i64>)> {
        self.settings.iter().enumerate().map(|(at, setting)| {
            let end = self.settings.get(at + 1).map(|next| next.from);
            (*setting, end)
        })
    }
}

/// The clock of a run.
#[derive(Debug)]
pub struct SimClock(Mutex<Times>);

impl Default for SimClock {
    fn default() -> Self {
        let settings = vec![Setting { from: 0, ahead: 0 }];
        Self(Mutex::new(Times { passed: Duration::ZERO, began: None, settings }))
    }
}

impl SimClock {
    fn times(&self) -> MutexGuard<'_, Times> {
        self.0.lock().unwrap()
    }

    /// Milliseconds since the run began.
    pub fn elapsed_ms(&self) -> i64 {
        self.times().elapsed_ms()
    }

    /// A process begins; called inside its runtime.
    pub fn process_begins(&self) {
        #[expect(clippy::disallowed_methods, reason = "the paused clock of the runtime is this clock's source")]
        let now = Instant::now();
        self.times().began = Some(now);
    }

    /// The process ends, and nothing runs for a while; called inside its runtime.
    pub fn process_ends(&self, downtime: Duration) {
        let mut times = self.times();
        (times.passed, times.began) = (times.elapsed() + downtime, None);
    }

    /// Time passes, and no timer of the process has seen it: it was suspended.
    pub fn pass(&self, by: Duration) {
        self.times().passed += by;
    }

    /// Somebody sets the wall clock.
    pub fn set_wall(&self, by_ms: i64) {
        let mut times = self.times();
        let ahead = times.settings.last().map_or(0, |last| last.ahead) + by_ms;
        let from = times.elapsed_ms();
        times.settings.push(Setting { from, ahead });
    }

    /// When the wall clock first showed this or more; that may still be to come.
    pub fn first_reached(&self, wall: i64) -> i64 {
        let times = self.times();
        let reached = times.stretches().find_map(|(setting, end)| {
            let at = (wall - BEGIN_MS - setting.ahead).max(setting.from);
            end.is_none_or(|end| at < end).then_some(at)
        });
        reached.unwrap_or(i64::MAX)
    }

    /// Whether somebody set it back since then.
    pub fn was_set_back_since(&self, elapsed: i64) -> bool {
        let times = self.times();
        times.settings.windows(2).any(|pair| pair[1].from >= elapsed && pair[1].ahead < pair[0].ahead)
    }

    /// When the wall clock last showed this.
    pub fn last_shown(&self, wall: i64) -> i64 {
        let now = self.elapsed_ms();
        let shown = self.times().stretches().rev().find_map(|(setting, end)| {
            let at = wall - BEGIN_MS - setting.ahead;
            (setting.from..=end.unwrap_or(now)).contains(&at).then_some(at)
        });
        shown.unwrap_or_else(|| self.first_reached(wall))
    }

    /// The latest that the wall clock ever showed.
    pub fn latest(&self) -> i64 {
        let times = self.times();
        let now = times.elapsed_ms();
        let ends = times.stretches().map(|(setting, end)| BEGIN_MS + end.unwrap_or(now) + setting.ahead);
        ends.max().unwrap_or(BEGIN_MS)
    }
}

impl Clock for SimClock {
    fn now(&self) -> UnixMs {
        let times = self.times();
        UnixMs(BEGIN_MS + times.elapsed_ms() + times.settings.last().map_or(0, |last| last.ahead))
    }

    fn boot(&self) -> BootUs {
        BootUs(1_000_000 + u64::try_from(self.times().elapsed().as_micros()).unwrap())
    }
}
