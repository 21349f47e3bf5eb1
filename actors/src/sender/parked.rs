//! What the store holds of one line (one class of one lane) in index `waiting`, as far as its lane knows.
//!
//! A floor stands for it: nothing that lies there, or is on its way there, and is not in the lane comes before it.
//! A refill that is being read may not see what is parked meanwhile, so that is kept apart until its end.

use super::terms::Rest;
use crate::domain::clock::UnixMs;

/// Due time and creation.
pub(super) type Place = (UnixMs, u64);

/// Before everything.
pub(super) const BOTTOM: Place = (UnixMs(i64::MIN), 0);

/// A line with tickets in index `waiting`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parked {
    floor: Place,
    /// The first of what was parked since the refill that is being read began.
    since: Option<Place>,
    is_refilling: bool,
    /// What that read returns may hold tickets that were dropped here since: it is to be read again.
    is_stale: bool,
}

impl Parked {
    /// Something lies there, from this place on.
    pub(super) const fn from(floor: Place) -> Self {
        Self { floor, since: None, is_refilling: false, is_stale: false }
    }

    /// More lies there, from this place on.
    pub(super) fn note(&mut self, from: Place) {
        self.floor = self.floor.min(from);
        if self.is_refilling {
            self.since = Some(self.since.map_or(from, |since| since.min(from)));
        }
    }

    /// Whether a ticket that does not come from there may have others there before it, or stand there itself.
    pub(super) fn may_precede(&self, ticket: Place) -> bool {
        self.floor <= ticket
    }

    /// Nothing that is parked comes before this.
    pub(super) const fn floor(&self) -> Place {
        self.floor
    }

    pub(super) const fn is_refilling(&self) -> bool {
        self.is_refilling
    }

    pub(super) const fn begin_refill(&mut self) {
        (self.is_refilling, self.since) = (true, None);
    }

    /// Tickets of the line were dropped.
    pub(super) const fn drop_tickets(&mut self) {
        self.is_stale = self.is_refilling;
    }

    /// A refill was read; `rest`: what lies there behind it. What there is still, and how much of what was read may be
    /// taken in.
    pub(super) fn end_refill(self, rest: Rest) -> (Option<Self>, Taken) {
        let rest = if self.is_stale { Rest::Unread } else { rest };
        let floor = match rest {
            Rest::Unread => Some(self.floor),
            Rest::From(position) => Some(position.order()),
            Rest::Nothing => None,
        };
        let floor = [floor, self.since].into_iter().flatten().min();
        let taken = match self.since {
            _ if self.is_stale => Taken::Nothing,
            Some(place) => Taken::Before(place),
            None => Taken::All,
        };
        (floor.map(Self::from), taken)
    }
}

/// How much of a refill may be taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    Nothing,
    /// What comes before that place.
    Before(Place),
    All,
}

impl Taken {
    /// How many of these, which are in order.
    pub(super) fn count(self, places: impl ExactSizeIterator<Item = Place>) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Before(end) => places.take_while(|place| *place < end).count(),
            Self::All => places.len(),
        }
    }
}
