//! Echoes: how much likelier than usual a contact is to be active in the hours after an active hour.
//!
//! The week's shape cannot say it: who clicks now may click again within the hour, or be done for the day. It is
//! learned over many contacts, as the ratio of what followed active hours to what the week's shape had foretold.

use super::week::{Week, bin_of};

/// How many hours an active hour is followed.
pub(super) const HOURS: usize = 24;
/// Expected active hours, of the shape alone, that stand beside what was counted.
const PRIOR: f32 = 20.0;

/// What followed active hours, hour by hour.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Echo {
    /// Active hours met so many hours after another.
    pub(super) met: [f32; HOURS],
    /// Active hours foretold for those hours.
    pub(super) foretold: [f32; HOURS],
}

impl Echo {
    pub(super) const fn new() -> Self {
        Self { met: [0.0; HOURS], foretold: [0.0; HOURS] }
    }

    /// Takes in an active hour, `step` hours after the one that `recent` ends with, and what is foretold after it.
    pub(super) fn learn(&mut self, recent: u64, step: u32, foretold: &Week, hour: u32) {
        for after in 1..=HOURS as u32 {
            let slot = after as usize - 1;
            if after >= step && recent >> (after - step) & 1 == 1 {
                self.met[slot] += 1.0;
            }
            self.foretold[slot] += chance(foretold[bin_of(i64::from(hour) + i64::from(after))]);
        }
    }

    /// The factor on the chance of activity so many hours after an active hour that has just been.
    pub(super) fn factor(&self, after: usize) -> f32 {
        let (met, foretold) = (self.met.iter().sum::<f32>(), self.foretold.iter().sum::<f32>());
        // Who was just active is livelier than average at every hour: that is no echo.
        let usual = (met + PRIOR) / (foretold + PRIOR);
        let slot = after.clamp(1, HOURS) - 1;
        (self.met[slot] + PRIOR * usual) / (self.foretold[slot] + PRIOR) / usual
    }
}

/// The chance that an hour is active at all, of the active hours expected in it.
pub(super) fn chance(expected: f32) -> f32 {
    1.0 - (-expected.max(0.0)).exp()
}
