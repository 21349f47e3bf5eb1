//! Everybody's last step with a contact, for ten seconds: what an undo takes back.
//!
//! It is a memory of this process and nothing more: whoever loses it cancels or schedules by hand.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::clock::{BootUs, UnixMs};
use crate::domain::ids::{ContactId, MessageId, SeriesId};
use crate::domain::message::Author;

/// How long a step can be undone.
pub const UNDO_WITHIN: Duration = Duration::from_secs(10);
/// Steps kept of people, and as many of programs; beyond that the oldest can no longer be undone.
const MAX_STEPS: usize = 100_000;

/// Latest steps of all people (or programs) that are looked at for those of one.
const MAX_LOOKED_AT: usize = 10_000;

/// A step that can be undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// This message was scheduled, for this moment.
    Scheduled(MessageId, UnixMs),
    /// These messages were cancelled together.
    Canceled(Vec<MessageId>),
    /// This message was scheduled, for this moment, and begins a series.
    Repeated(SeriesId, UnixMs),
    /// This series was cancelled.
    CanceledSeries(SeriesId),
}

/// That somebody can undo their last step with a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undoable {
    /// The contact.
    pub contact: ContactId,
    /// Steps of one action, with several contacts, have its number.
    pub action: u64,
    /// For how long.
    pub left: Duration,
    /// How many messages the step cancelled; none for one that scheduled.
    pub canceled: usize,
    /// For when the step scheduled a message, if it did.
    pub due_at: Option<UnixMs>,
}

type Whose = (ContactId, Author);

#[derive(Debug, Default)]
struct Steps {
    /// With the number of their action.
    last: HashMap<Whose, (u64, BootUs, Step)>,
    /// Those of one action side by side.
    order: VecDeque<(u64, BootUs, Whose)>,
    actions: u64,
}

impl Steps {
    /// Forgets what nobody can undo any more, and then the oldest until there are no more than so many.
    fn forget(&mut self, now: BootUs, keep: usize) {
        while let Some((action, at, whose)) = self.order.front().copied()
            && (now.since(at) > UNDO_WITHIN || self.order.len() > keep)
        {
            self.order.pop_front();
            if self.last.get(&whose).is_some_and(|(of, ..)| *of == action) {
                self.last.remove(&whose);
            }
        }
    }
}

/// The steps. Those of people stand apart: a program that schedules a campaign takes no place from them.
#[derive(Debug, Default)]
pub struct UndoLog {
    people: Mutex<Steps>,
    programs: Mutex<Steps>,
}

impl UndoLog {
    fn steps_of(&self, author: Author) -> MutexGuard<'_, Steps> {
        let steps = match author {
            Author::User(_) => &self.people,
            Author::ApiKey(_) | Author::System => &self.programs,
        };
        steps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers the steps of one action, one with each contact; each takes the place of the one before.
    pub fn remember(&self, author: Author, steps: impl IntoIterator<Item = (ContactId, Step)>, now: BootUs) {
        let mut log = self.steps_of(author);
        log.actions += 1;
        let action = log.actions;
        for (contact, step) in steps {
            log.forget(now, MAX_STEPS - 1);
            log.order.push_back((action, now, (contact, author)));
            log.last.insert((contact, author), (action, now, step));
        }
    }

    /// Forgets what nobody can undo any more, and gives its memory back: called every now and then.
    pub fn forget_old(&self, now: BootUs) {
        for steps in [&self.people, &self.programs] {
            let mut steps = steps.lock().unwrap_or_else(PoisonError::into_inner);
            steps.forget(now, MAX_STEPS);
            if steps.order.len() * 4 < steps.order.capacity() {
                steps.order.shrink_to_fit();
                steps.last.shrink_to_fit();
            }
        }
    }

    /// How long the last step of somebody with a contact can still be undone.
    pub fn left(&self, contact: ContactId, author: Author, now: BootUs) -> Option<Duration> {
        let steps = self.steps_of(author);
        let (_, at, _) = steps.last.get(&(contact, author))?;
        UNDO_WITHIN.checked_sub(now.since(*at)).filter(|left| !left.is_zero())
    }

    /// The last steps of somebody with everybody that can still be undone, the latest first.
    pub fn of(&self, author: Author, now: BootUs) -> Vec<Undoable> {
        let steps = self.steps_of(author);
        let latest = steps.order.iter().rev().take(MAX_LOOKED_AT);
        let young =
            latest.take_while(|(_, at, _)| now.since(*at) < UNDO_WITHIN).filter(|(.., whose)| whose.1 == author);
        let undoable = young.filter_map(|(action, at, whose)| {
            let (_, _, step) = steps.last.get(whose).filter(|(of, ..)| of == action)?;
            let (canceled, due_at) = match step {
                Step::Canceled(ids) => (ids.len(), None),
                Step::CanceledSeries(_) => (1, None),
                Step::Scheduled(_, due_at) | Step::Repeated(_, due_at) => (0, Some(*due_at)),
            };
            Some(Undoable { contact: whose.0, action: *action, left: UNDO_WITHIN - now.since(*at), canceled, due_at })
        });
        undoable.collect()
    }

    /// The last step of somebody with a contact, if it is young enough. It can be undone once.
    pub fn take(&self, contact: ContactId, author: Author, now: BootUs) -> Option<Step> {
        let mut steps = self.steps_of(author);
        let (_, at, step) = steps.last.remove(&(contact, author))?;
        (now.since(at) <= UNDO_WITHIN).then_some(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: ContactId = ContactId::from_bytes([1; 16]);
    const BEN: ContactId = ContactId::from_bytes([2; 16]);
    const CAT: ContactId = ContactId::from_bytes([3; 16]);

    const fn step(n: u8) -> Step {
        Step::Scheduled(MessageId::from_bytes([n; 16]), UnixMs(0))
    }

    const fn seconds(n: u64) -> BootUs {
        BootUs(n * 1_000_000)
    }

    #[test]
    fn the_last_step_with_a_contact_is_undone_once() {
        let log = UndoLog::default();
        log.remember(Author::System, [(ANN, step(1))], seconds(1));
        log.remember(Author::System, [(BEN, step(2))], seconds(2));
        log.remember(Author::System, [(ANN, step(3))], seconds(3));
        assert_eq!(log.take(ANN, Author::System, seconds(4)), Some(step(3)));
        assert_eq!(log.take(ANN, Author::System, seconds(4)), None);
        assert_eq!(log.take(BEN, Author::System, seconds(4)), Some(step(2)));
    }

    #[test]
    fn a_step_can_be_undone_for_ten_seconds() {
        let log = UndoLog::default();
        log.remember(Author::System, [(ANN, step(1))], seconds(1));
        log.remember(Author::System, [(BEN, step(2))], seconds(1));
        assert_eq!(log.left(ANN, Author::System, seconds(4)), Some(Duration::from_secs(7)));
        assert_eq!(log.left(ANN, Author::System, seconds(12)), None);
        assert_eq!(log.take(ANN, Author::System, seconds(11)), Some(step(1)));
        assert_eq!(log.take(BEN, Author::System, seconds(12)), None);
    }

    #[test]
    fn what_somebody_can_undo_is_listed_the_latest_first() {
        let log = UndoLog::default();
        let other = Author::User(crate::domain::ids::UserId::from_bytes([1; 16]));
        log.remember(Author::System, [(ANN, step(1))], seconds(1));
        log.remember(Author::System, [(BEN, step(2))], seconds(2));
        log.remember(Author::System, [(ANN, Step::Canceled(vec![MessageId::from_bytes([1; 16])]))], seconds(5));
        log.remember(other, [(ANN, step(3))], seconds(6));
        let listed = |now| log.of(Author::System, seconds(now)).into_iter();
        let brief = |one: Undoable| (one.contact, one.left.as_secs(), one.canceled);
        assert_eq!(listed(7).map(brief).collect::<Vec<_>>(), [(ANN, 8, 1), (BEN, 5, 0)]);
        assert_eq!(listed(13).map(brief).collect::<Vec<_>>(), [(ANN, 2, 1)]);
        let _ = log.take(ANN, Author::System, seconds(13));
        assert_eq!(listed(13).count(), 0);
    }

    #[test]
    fn what_was_done_together_is_told_from_what_was_done_before() {
        let log = UndoLog::default();
        log.remember(Author::System, [(CAT, step(1))], seconds(1));
        log.remember(Author::System, [(ANN, step(2)), (BEN, step(3))], seconds(1));
        let listed: Vec<_> = log.of(Author::System, seconds(2)).iter().map(|one| (one.contact, one.action)).collect();
        assert_eq!(listed, [(BEN, 2), (ANN, 2), (CAT, 1)]);
        // At the same moment, but another step: it takes the place of the one before, which is listed no more.
        log.remember(Author::System, [(BEN, step(4))], seconds(1));
        let listed: Vec<_> = log.of(Author::System, seconds(2)).iter().map(|one| (one.contact, one.action)).collect();
        assert_eq!(listed, [(BEN, 3), (ANN, 2), (CAT, 1)]);
    }

    #[test]
    fn steps_that_are_too_old_are_forgotten() {
        let log = UndoLog::default();
        for n in 0..200 {
            log.remember(Author::System, [(ANN, step(1))], seconds(n));
        }
        assert!(log.programs.lock().unwrap().order.len() < 15);
        log.forget_old(seconds(300));
        let steps = log.programs.lock().unwrap();
        assert_eq!((steps.order.capacity(), steps.last.capacity()), (0, 0), "nothing is left of them");
    }

    #[test]
    fn a_campaign_takes_no_place_from_what_a_person_did() {
        let log = UndoLog::default();
        let person = Author::User(crate::domain::ids::UserId::from_bytes([1; 16]));
        log.remember(person, [(ANN, step(1))], seconds(1));
        let key = Author::ApiKey(crate::domain::ids::ApiKeyId::from_bytes([2; 16]));
        let contact = |n: usize| ContactId::from_bytes((n as u128).to_be_bytes());
        log.remember(key, (0..=MAX_STEPS).map(|n| (contact(n), step(2))), seconds(2));
        assert_eq!(log.of(person, seconds(3)).len(), 1);
        assert_eq!(log.take(ANN, person, seconds(3)), Some(step(1)));
        assert_eq!(log.programs.lock().unwrap().order.len(), MAX_STEPS);
        assert_eq!(log.take(contact(0), key, seconds(3)), None, "the oldest of more than are kept");
        assert_eq!(log.take(contact(1), key, seconds(3)), Some(step(2)));
    }

    #[test]
    fn what_others_did_is_not_mine_to_undo() {
        let log = UndoLog::default();
        log.remember(Author::System, [(ANN, step(1))], seconds(1));
        let other = Author::User(crate::domain::ids::UserId::from_bytes([1; 16]));
        assert_eq!(log.take(ANN, other, seconds(2)), None);
    }
}
