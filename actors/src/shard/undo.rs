//! Everybody's last step with a contact, for ten seconds: what an undo takes back.
//!
//! It is a memory of this process and nothing more: whoever loses it cancels or schedules by hand.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::clock::{BootUs, UnixMs};
use crate::domain::ids::{ContactId, MessageId, SeriesId};
use crate::domain::message::Author;

/// How long a step can be undone.
pub const UNDO_WITHIN: Duration = Duration::from_secs(10);
/// Steps kept; beyond that the oldest can no longer be undone.
const MAX_STEPS: usize = 100_000;

/// Latest steps of everybody that are looked at for those of one.
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

/// The steps.
#[derive(Debug, Default)]
pub struct UndoLog(Mutex<Steps>);

impl UndoLog {
    /// Remembers the steps of one action, one with each contact; each takes the place of the one before.
    pub fn remember(&self, author: Author, steps: impl IntoIterator<Item = (ContactId, Step)>, now: BootUs) {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Steps { last, order, actions } = &mut *log;
        *actions += 1;
        for (contact, step) in steps {
            while let Some((action, at, whose)) = order.front().copied()
                && (now.since(at) > UNDO_WITHIN || order.len() >= MAX_STEPS)
            {
                order.pop_front();
                if last.get(&whose).is_some_and(|(of, ..)| *of == action) {
                    last.remove(&whose);
                }
            }
            order.push_back((*actions, now, (contact, author)));
            last.insert((contact, author), (*actions, now, step));
        }
    }

    /// How long the last step of somebody with a contact can still be undone.
    pub fn left(&self, contact: ContactId, author: Author, now: BootUs) -> Option<Duration> {
        let steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, at, _) = steps.last.get(&(contact, author))?;
        UNDO_WITHIN.checked_sub(now.since(*at)).filter(|left| !left.is_zero())
    }

    /// The last steps of somebody with everybody that can still be undone, the latest first.
    pub fn of(&self, author: Author, now: BootUs) -> Vec<Undoable> {
        let steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
        let mut steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
        assert!(log.0.lock().unwrap().order.len() < 15);
    }

    #[test]
    fn what_others_did_is_not_mine_to_undo() {
        let log = UndoLog::default();
        log.remember(Author::System, [(ANN, step(1))], seconds(1));
        let other = Author::User(crate::domain::ids::UserId::from_bytes([1; 16]));
        assert_eq!(log.take(ANN, other, seconds(2)), None);
    }
}
