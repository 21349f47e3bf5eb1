//! When the contacts of each account, and of all of them, are active: what a contact of which little is known is
//! taken to be like; and what became of their smart messages.
//!
//! Every partition keeps its own part of it in the store, a record of some 900 bytes an account; here stands the sum,
//! and what each partition has learned and not written yet. So events of one partition write nothing that another
//! one writes, and learning costs no read. It is statistics: a crash loses what was learned since the last writing
//! ([`WRITE_EVERY`]), while the contacts' own habits, which are in their records, lose nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::habit::{AccountHabits, Lesson, Profile};
use crate::domain::ids::{AccountNo, Partition};
use crate::domain::lift::{Step, Tally};
use crate::domain::plan::smart::Arm;

/// How often a partition writes what it has learned.
pub const WRITE_EVERY: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
struct Known {
    of_all: Profile,
    by_account: BTreeMap<AccountNo, AccountHabits>,
    unwritten: BTreeMap<(Partition, AccountNo), AccountHabits>,
    read: BTreeSet<Partition>,
}

/// The profiles; as many as there are accounts with activity.
#[derive(Debug, Default)]
pub struct Habits(Mutex<Known>);

impl Habits {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a contact of this account is measured against.
    #[must_use]
    pub fn of(&self, account: AccountNo) -> Profile {
        let known = self.known();
        let own = known.by_account.get(&account);
        own.map_or_else(|| Profile::default().leaning_on(&known.of_all), |own| own.profile.leaning_on(&known.of_all))
    }

    /// Takes in what an event taught that is durable by now.
    pub fn learn(&self, partition: Partition, account: AccountNo, lesson: &Lesson) {
        let mut known = self.known();
        known.of_all.take_in(lesson);
        known.by_account.entry(account).or_default().profile.take_in(lesson);
        known.unwritten.entry((partition, account)).or_default().profile.take_in(lesson);
    }

    /// Counts what became of a smart message.
    pub fn count(&self, partition: Partition, account: AccountNo, arm: Arm, step: Step) {
        let mut known = self.known();
        known.by_account.entry(account).or_default().tally.count(arm, step);
        known.unwritten.entry((partition, account)).or_default().tally.count(arm, step);
    }

    /// What became of an account's smart messages.
    #[must_use]
    pub fn tally(&self, account: AccountNo) -> Tally {
        self.known().by_account.get(&account).map(|habits| habits.tally).unwrap_or_default()
    }

    /// Adds a partition's part, as it was read. A partition that is opened anew is known already.
    pub fn add(&self, partition: Partition, profiles: impl IntoIterator<Item = (AccountNo, AccountHabits)>) {
        let mut known = self.known();
        if !known.read.insert(partition) {
            return;
        }
        for (account, profile) in profiles {
            known.of_all.add(&profile.profile);
            known.by_account.entry(account).or_default().add(&profile);
        }
    }

    /// Whether a partition's part was read.
    #[must_use]
    pub fn has_read(&self, partition: Partition) -> bool {
        self.known().read.contains(&partition)
    }

    /// What a partition has learned and not written yet: it is to be written now.
    #[must_use]
    pub fn take_unwritten(&self, partition: Partition) -> Vec<(AccountNo, AccountHabits)> {
        let mut known = self.known();
        let of_partition = (partition, AccountNo(0))..=(partition, AccountNo(u32::MAX));
        let keys: Vec<_> = known.unwritten.range(of_partition).map(|(key, _)| *key).collect();
        keys.into_iter().filter_map(|key| Some((key.1, known.unwritten.remove(&key)?))).collect()
    }

    /// Puts back what could not be written.
    pub fn put_back(&self, partition: Partition, profiles: Vec<(AccountNo, AccountHabits)>) {
        let mut known = self.known();
        for (account, profile) in profiles {
            known.unwritten.entry((partition, account)).or_default().add(&profile);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::UnixMs;
    use crate::domain::habit::{Habit, choose};

    const DAY_MS: i64 = 86_400_000;

    /// An account's contacts are active at this hour of every day.
    fn learn(habits: &Habits, partition: u16, account: u32, hour: i64, days: i64) {
        for day in 0..days {
            let at = UnixMs(1_699_833_600_000 + day * DAY_MS + hour * 3_600_000);
            let lesson = Habit::default().take_in(at, &habits.of(AccountNo(account))).unwrap();
            habits.learn(Partition(partition), AccountNo(account), &lesson);
        }
    }

    /// The hour at which an unknown contact of the account is written to.
    fn hour_of(habits: &Habits, account: u32) -> usize {
        let candidates: Vec<_> =
            (0..24).map(|hour| UnixMs(1_699_833_600_000 + 90 * DAY_MS + hour * 3_600_000)).collect();
        choose(&Habit::default(), &habits.of(AccountNo(account)), candidates[0], &candidates).unwrap().index
    }

    /// The chance of that hour.
    fn chance_of(habits: &Habits, account: u32) -> f32 {
        let at = UnixMs(1_699_833_600_000 + 90 * DAY_MS + 15 * 3_600_000);
        choose(&Habit::default(), &habits.of(AccountNo(account)), at, &[at]).unwrap().chance
    }

    #[test]
    fn an_account_is_like_its_own_contacts_and_a_new_one_like_everybodys() {
        let habits = Habits::default();
        learn(&habits, 1, 1, 9, 90);
        learn(&habits, 2, 1, 9, 90);
        learn(&habits, 1, 2, 20, 60);
        assert_eq!((hour_of(&habits, 1), hour_of(&habits, 2), hour_of(&habits, 3)), (9, 20, 9));
    }

    #[test]
    fn what_a_partition_learned_is_written_once_and_read_back_as_it_was() {
        let habits = Habits::default();
        learn(&habits, 1, 1, 9, 20);
        learn(&habits, 2, 1, 15, 40);
        habits.count(Partition(1), AccountNo(1), Arm::Chosen, Step::Sent);
        let written = habits.take_unwritten(Partition(1));
        assert_eq!(written.len(), 1);
        assert!(habits.take_unwritten(Partition(1)).is_empty());
        habits.put_back(Partition(1), written);
        let after = Habits::default();
        for partition in [Partition(1), Partition(2)] {
            let written = habits.take_unwritten(partition);
            after.add(partition, written.clone());
            after.add(partition, written);
        }
        assert_eq!((hour_of(&habits, 1), hour_of(&after, 1)), (15, 15));
        let before = chance_of(&habits, 1);
        assert!((before - chance_of(&after, 1)).abs() < before / 100.0, "{before} {}", chance_of(&after, 1));
        assert_eq!(
            (after.tally(AccountNo(1)), after.tally(AccountNo(2))),
            (habits.tally(AccountNo(1)), Tally::default())
        );
        assert_ne!(after.tally(AccountNo(1)), Tally::default());
        assert!(after.has_read(Partition(1)) && !after.has_read(Partition(3)));
    }
}
