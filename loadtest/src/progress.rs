//! How far a run is, on stderr where that is a terminal, and nowhere else.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How often a bar is drawn anew that nobody moves.
const TICK: Duration = Duration::from_millis(200);

/// One step of a run; its bar goes with it.
#[derive(Debug)]
pub struct Progress(ProgressBar);

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Progress {
    /// A step of so many parts.
    #[must_use]
    pub fn of(step: &'static str, parts: usize) -> Self {
        let bar = ProgressBar::new(u64::try_from(parts).unwrap_or(u64::MAX)).with_message(step);
        Self::shown(bar.with_style(style("{msg:<28} {wide_bar} {human_pos}/{human_len} {elapsed}, {eta} left")))
    }

    /// A step that takes about so long.
    #[must_use]
    pub fn lasting(step: &'static str, time: Duration) -> Self {
        let bar = ProgressBar::new(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)).with_message(step);
        Self::shown(bar.with_style(style("{msg:<28} {wide_bar} {elapsed}")))
    }

    /// A step of which nobody knows how long it takes.
    #[must_use]
    pub fn waiting(step: &'static str) -> Self {
        let bar = ProgressBar::new_spinner().with_message(step);
        Self::shown(bar.with_style(style("{msg:<28} {spinner} {elapsed}")))
    }

    fn shown(bar: ProgressBar) -> Self {
        if !bar.is_hidden() {
            bar.enable_steady_tick(TICK);
        }
        Self(bar)
    }

    /// So many parts are done by now.
    pub fn at(&self, parts: usize) {
        self.0.set_position(u64::try_from(parts).unwrap_or(u64::MAX));
    }

    /// So many more are done.
    pub fn more(&self, parts: usize) {
        self.0.inc(u64::try_from(parts).unwrap_or(0));
    }

    /// Moves it with the time until the work has ended.
    pub async fn beside<T>(&self, work: impl Future<Output = T>) -> T {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = ticks.tick() => self.0.set_position(u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)),
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_bar_counts_and_does_not_hold_its_work_up() {
        let bar = Progress::of("parts", 10);
        bar.at(3);
        bar.more(2);
        assert_eq!(bar.0.position(), 5);
        let timed = Progress::lasting("time", Duration::from_secs(60));
        assert_eq!(timed.beside(async { 7 }).await, 7);
    }
}
