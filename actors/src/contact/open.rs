//! What a contact decided and the journal has not confirmed yet, in order, with what it takes to go back.
//!
//! A store that is full refuses new work, and it alone. What the contact decided since then may build on it (a
//! message that is not there, an activity that was noted), so all of it is taken back, and decided again without what
//! was refused: who cancels meanwhile hears nothing of it. Nothing of it has happened, since effects wait for their
//! commit.

use std::collections::VecDeque;

use super::actor::ReplyTo;
use super::command::ContactCommand;
use super::decision::Effect;
use super::overlay::Changed;
use crate::domain::contact::Contact;

/// What happens when a commit is durable.
#[derive(Debug)]
pub(super) struct Performance {
    pub(super) effects: Vec<Effect>,
    pub(super) reply: ReplyTo,
    /// What it was decided from, if that may have to be decided again; new work is refused instead.
    pub(super) again: Option<Box<ContactCommand>>,
}

/// A decision that is not durable yet.
#[derive(Debug)]
pub(super) struct OpenCommit {
    /// Of the decision itself, then of those that changed nothing but were decided upon it.
    pub(super) performances: Vec<Performance>,
    pub(super) changed: Changed,
    pub(super) is_growth: bool,
    /// The contact's record before, if it was changed.
    pub(super) contact_before: Option<Option<Box<Contact>>>,
}

/// What is left of them when they are taken back.
#[derive(Debug, Default)]
pub(super) struct TakenBack {
    /// The contact's record before all of them, if any of them changed it.
    pub(super) contact: Option<Option<Box<Contact>>>,
    /// Who hears that there is no room.
    pub(super) refused: Vec<ReplyTo>,
    /// What is decided again, in order.
    pub(super) again: VecDeque<(ContactCommand, ReplyTo)>,
}

/// The open commits of one contact.
#[derive(Debug, Default)]
pub(super) struct OpenCommits {
    commits: VecDeque<OpenCommit>,
    growth: usize,
}

impl OpenCommits {
    pub(super) fn is_empty(&self) -> bool {
        self.commits.is_empty()
    }

    /// Whether the store may refuse one of them, and so what is decided now may have to be decided again. New messages
    /// are not: they are new work themselves, or the same as one that is.
    pub(super) fn may_take_back(&self, command: &ContactCommand) -> bool {
        self.growth > 0 && !matches!(command, ContactCommand::Schedule(..))
    }

    pub(super) fn push(&mut self, commit: OpenCommit) {
        self.growth += usize::from(commit.is_growth);
        self.commits.push_back(commit);
    }

    /// The oldest one: it is durable.
    pub(super) fn pop(&mut self) -> Option<OpenCommit> {
        let first = self.commits.pop_front()?;
        self.growth -= usize::from(first.is_growth);
        Some(first)
    }

    /// The newest one.
    pub(super) fn last(&mut self) -> Option<&mut OpenCommit> {
        self.commits.back_mut()
    }

    /// Everybody who waits for one of them.
    pub(super) fn take_replies(&mut self) -> impl Iterator<Item = ReplyTo> + use<> {
        let open = std::mem::take(self).commits;
        open.into_iter().flat_map(|commit| commit.performances).map(|performance| performance.reply)
    }

    /// The store refused the oldest one: none of them is applied.
    pub(super) fn take_back(&mut self) -> TakenBack {
        let mut back = TakenBack::default();
        for OpenCommit { performances, contact_before, .. } in std::mem::take(self).commits {
            // The first one that changed it knows how it was before all of them.
            back.contact = back.contact.or(contact_before);
            for Performance { reply, again, .. } in performances {
                match again {
                    Some(command) => back.again.push_back((*command, reply)),
                    None => back.refused.push(reply),
                }
            }
        }
        back
    }
}
