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
    last: HashMap<Whose, (BootUs, Step)>,
    order: VecDeque<(BootUs, Whose)>,
}

/// The steps.
#[derive(Debug, Default)]
pub struct UndoLog(Mutex<Steps>);

impl UndoLog {
    /// Remembers a step; it takes the place of the one before.
    pub fn remember(&self, contact: ContactId, author: Author, step: Step, now: BootUs) {
        let mut steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Steps { last, order } = &mut *steps;
        while let Some((at, whose)) = order.front().copied()
            && (now.since(at) > UNDO_WITHIN || order.len() >= MAX_STEPS)
        {
            order.pop_front();
            if last.get(&whose).is_some_and(|(of, _)| *of == at) {
                last.remove(&whose);
            }
        }
        order.push_back((now, (contact, author)));
        last.insert((contact, author), (now, step));
    }

    /// How long the last step of somebody with a contact can still be undone.
    pub fn left(&self, contact: ContactId, author: Author, now: BootUs) -> Option<Duration> {
        let steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, _) = steps.last.get(&(contact, author))?;
        UNDO_WITHIN.checked_sub(now.since(*at)).filter(|left| !left.is_zero())
    }

    /// The last steps of somebody with everybody that can still be undone, the latest first.
    pub fn of(&self, author: Author, now: BootUs) -> Vec<Undoable> {
        let steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let latest = steps.order.iter().rev().take(MAX_LOOKED_AT);
        let young = latest.take_while(|(at, _)| now.since(*at) < UNDO_WITHIN).filter(|(_, whose)| whose.1 == author);
        let undoable = young.filter_map(|(at, whose)| {
            let (_, step) = steps.last.get(whose).filter(|(of, _)| of == at)?;
            let (canceled, due_at) = match step {
                Step::Canceled(ids) => (ids.len(), None),
                Step::CanceledSeries(_) => (1, None),
                Step::Scheduled(_, due_at) | Step::Repeated(_, due_at) => (0, Some(*due_at)),
            };
            Some(Undoable { contact: whose.0, left: UNDO_WITHIN - now.since(*at), canceled, due_at })
        });
        undoable.collect()
    }

    /// The last step of somebody with a contact, if it is young enough. It can be undone once.
    pub fn take(&self, contact: ContactId, author: Author, now: BootUs) -> Option<Step> {
        let mut steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, step) = steps.last.remove(&(contact, author))?;
        (now.since(at) <= UNDO_WITHIN).then_some(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: ContactId = ContactId::from_bytes([1; 16]);
    const BEN: ContactId = ContactId::from_bytes([2; 16]);

    const fn step(n: u8) -> Step {
        Step::Scheduled(MessageId::from_bytes([n; 16]), UnixMs(0))
    }

    const fn seconds(n: u64) -> BootUs {
        BootUs(n * 1_000_000)
    }

    #[test]
    fn the_last_step_with_a_contact_is_undone_once() {
        let log = UndoLog::default();
        log.remember(ANN, Author::System, step(1), seconds(1));
        log.remember(BEN, Author::System, step(2), seconds(2));
        log.remember(ANN, Author::System, step(3), seconds(3));
        assert_eq!(log.take(ANN, Author::System, seconds(4)), Some(step(3)));
        assert_eq!(log.take(ANN, Author::System, seconds(4)), None);
        assert_eq!(log.take(BEN, Author::System, seconds(4)), Some(step(2)));
    }

    #[test]
    fn a_step_can_be_undone_for_ten_seconds() {
        let log = UndoLog::default();
        log.remember(ANN, Author::System, step(1), seconds(1));
        log.remember(BEN, Author::System, step(2), seconds(1));
        assert_eq!(log.left(ANN, Author::System, seconds(4)), Some(Duration::from_secs(7)));
        assert_eq!(log.left(ANN, Author::System, seconds(12)), None);
        assert_eq!(log.take(ANN, Author::System, seconds(11)), Some(step(1)));
        assert_eq!(log.take(BEN, Author::System, seconds(12)), None);
    }

    #[test]
    fn what_somebody_can_undo_is_listed_the_latest_first() {
        let log = UndoLog::default();
        let other = Author::User(crate::domain::ids::UserId::from_bytes([1; 16]));
        log.remember(ANN, Author::System, step(1), seconds(1));
        log.remember(BEN, Author::System, step(2), seconds(2));
        log.remember(ANN, Author::System, Step::Canceled(vec![MessageId::from_bytes([1; 16])]), seconds(5));
        log.remember(ANN, other, step(3), seconds(6));
        let listed = |now| log.of(Author::System, seconds(now)).into_iter();
        let brief = |one: Undoable| (one.contact, one.left.as_secs(), one.canceled);
        assert_eq!(listed(7).map(brief).collect::<Vec<_>>(), [(ANN, 8, 1), (BEN, 5, 0)]);
        assert_eq!(listed(13).map(brief).collect::<Vec<_>>(), [(ANN, 2, 1)]);
        let _ = log.take(ANN, Author::System, seconds(13));
        assert_eq!(listed(13).count(), 0);
    }

    #[test]
    fn steps_that_are_too_old_are_forgotten() {
        let log = UndoLog::default();
        for n in 0..200 {
            log.remember(ANN, Author::System, step(1), seconds(n));
        }
        assert!(log.0.lock().unwrap().order.len() < 15);
    }

    #[test]
    fn what_others_did_is_not_mine_to_undo() {
        let log = UndoLog::default();
        log.remember(ANN, Author::System, step(1), seconds(1));
        let other = Author::User(crate::domain::ids::UserId::from_bytes([1; 16]));
        assert_eq!(log.take(ANN, other, seconds(2)), None);
    }
}
