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

    /// Takes in what [`heard`] found.
    pub(super) fn learn(&mut self, met: u32, foretold: &[f32; HOURS]) {
        for (slot, expected) in foretold.iter().enumerate() {
            self.met[slot] += (met >> slot & 1) as f32;
            self.foretold[slot] += expected;
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

/// Of an active hour, `step` hours after the one that `recent` ends with: which hours before it were active (bit `n`:
/// `n + 1` hours before), and what the week's shape foretells of the hours after it.
pub(super) fn heard(recent: u64, step: u32, week: &Week, hour: u32) -> (u32, [f32; HOURS]) {
    let was_active = |after: u32| after >= step && recent >> (after - step) & 1 == 1;
    let met = (1..=HOURS as u32).filter(|after| was_active(*after)).fold(0, |met, after| met | 1 << (after - 1));
    (met, std::array::from_fn(|slot| chance(week[bin_of(i64::from(hour) + slot as i64 + 1)])))
}

/// The chance that an hour is active at all, of the active hours expected in it.
pub(super) fn chance(expected: f32) -> f32 {
    1.0 - (-expected.max(0.0)).exp()
}
