//! The load window of one partition: how far its due index has been read into the wheel.
//!
//! Everything up to the frontier (a position in the index: due time, then member) is in the wheel or
//! has come out of it; everything beyond is in the store alone. A load moves the frontier. While its
//! read is under way nobody knows which of the changes inside its range the read has seen, so those
//! changes are kept here, and when the page arrives they overrule it: a ticket that was armed or
//! removed meanwhile is taken from them, not from the page. A page that was cut short moves the frontier
//! only to its last entry; what was armed beyond that is forgotten, since the next load reads it.
//!
//! So no ticket is skipped and none is repeated. One case is left to the wheel: a ticket whose commit a
//! read has seen, but whose arming arrives after that load finished. It is inserted twice and comes out once.
//!
//! When a read fails the frontier stays where it was. When the partition is lost, drop the window.

use std::collections::HashMap;

use crate::domain::clock::UnixMs;
use crate::domain::ids::{ContactId, MessageId};
use crate::domain::ticket::{Ticket, TicketKind};
use crate::store::contract::{Entry, Member};

/// What to do with a ticket that was just committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Armed {
    /// Insert it into the wheel now.
    Insert,
    /// Leave it: the load that is under way, or a later one, brings it.
    Beyond,
}

/// A range of the due index to read: entries after `after`, up to and including `to`, at most `limit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// Where to go on (exclusive); from the start if `None`.
    pub after: Option<Entry>,
    /// The last due time wanted.
    pub to: UnixMs,
    /// At most this many.
    pub limit: usize,
}

/// The position up to and including which all is loaded; an empty member precedes all of its due time.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Frontier(Entry);

impl Frontier {
    fn at_score(score: UnixMs) -> Self {
        Self(Entry { score, member: Member::new() })
    }

    fn after_all_of(score: UnixMs) -> Self {
        Self::at_score(UnixMs(score.0.saturating_add(1)))
    }

    fn covers(&self, ticket: &Ticket) -> bool {
        ticket.due_at < self.0.score
            || (ticket.due_at == self.0.score && ticket.member().as_slice() <= self.0.member.as_slice())
    }
}

/// A ticket's name: message and due time; the rest tells tickets without a message apart.
type Name = (MessageId, UnixMs, ContactId, TicketKind);

const fn name(ticket: &Ticket) -> Name {
    (ticket.message, ticket.due_at, ticket.contact, ticket.kind())
}

#[derive(Debug)]
struct Loading {
    to: UnixMs,
    /// Changes inside the range since the load began: armed (the ticket) or removed (`None`).
    changes: HashMap<Name, Option<Ticket>>,
}

/// The load window of one partition.
#[derive(Debug)]
pub struct Window {
    page: usize,
    frontier: Frontier,
    loading: Option<Loading>,
}

impl Window {
    /// A window that has loaded nothing. `page`: the most entries one load reads, at least 1.
    #[must_use]
    pub fn new(page: usize) -> Self {
        Self { page: page.max(1), frontier: Frontier::at_score(UnixMs(i64::MIN)), loading: None }
    }

    /// A ticket was committed to the due index. For a ticket that was replaced, call
    /// [`Window::disarm`] with the old one first.
    pub fn arm(&mut self, ticket: &Ticket) -> Armed {
        if self.frontier.covers(ticket) {
            return Armed::Insert;
        }
        self.note(ticket, Some(*ticket));
        Armed::Beyond
    }

    /// A ticket was removed from the due index by a commit. It must be cancelled in the wheel as well.
    pub fn disarm(&mut self, ticket: &Ticket) {
        if !self.frontier.covers(ticket) {
            self.note(ticket, None);
        }
    }

    fn note(&mut self, ticket: &Ticket, change: Option<Ticket>) {
        if let Some(loading) = self.loading.as_mut().filter(|loading| ticket.due_at <= loading.to) {
            loading.changes.insert(name(ticket), change);
        }
    }

    /// Begins a load up to `to`; `None` while one is under way, or if nothing is left up to there.
    /// Every change from here on is remembered, so the read may happen at any later moment. End it with
    /// [`Window::finish_load`] or [`Window::fail_load`].
    pub fn begin_load(&mut self, to: UnixMs) -> Option<Load> {
        if !self.wants_more(to) {
            return None;
        }
        self.loading = Some(Loading { to, changes: HashMap::new() });
        let after = (self.frontier.0.score.0 != i64::MIN).then(|| self.frontier.0.clone());
        Some(Load { after, to, limit: self.page })
    }

    /// The page arrived, in index order. Pushes what must be inserted into the wheel. `was_full`: the
    /// read returned as many entries as the limit allowed, so there may be more. Ignored without a load.
    pub fn finish_load(&mut self, page: &[Ticket], was_full: bool, out: &mut Vec<Ticket>) {
        let Some(loading) = self.loading.take() else { return };
        match page.last() {
            Some(last) if was_full => {
                self.frontier = Frontier(Entry { score: last.due_at, member: Member::from_slice(&last.member()) });
            }
            // A page without one readable ticket says nothing about how far it went: stay, and lose nothing.
            None if was_full => return,
            _ => self.frontier = Frontier::after_all_of(loading.to),
        }
        if loading.changes.is_empty() {
            out.extend_from_slice(page);
            return;
        }
        out.extend(page.iter().filter(|ticket| !loading.changes.contains_key(&name(ticket))));
        let first = out.len();
        out.extend(loading.changes.into_values().flatten().filter(|ticket| self.frontier.covers(ticket)));
        // The map's order is arbitrary; a replay must see the same one.
        out[first..].sort_unstable_by_key(|ticket| (ticket.order(), ticket.message, ticket.contact));
    }

    /// The read failed. The window stays as it was; the next load reads the same range again.
    pub fn fail_load(&mut self) {
        self.loading = None;
    }

    /// The last millisecond that is loaded completely.
    #[must_use]
    pub fn end(&self) -> UnixMs {
        UnixMs(self.frontier.0.score.0.saturating_sub(1))
    }

    /// Whether a load up to `horizon` would begin now.
    #[must_use]
    pub fn wants_more(&self, horizon: UnixMs) -> bool {
        self.loading.is_none() && self.frontier.0.score <= horizon
    }
}
