//! Whose turn it is among the tickets of one contact in one line, and what waits for that.

use std::collections::VecDeque;

use super::held::HeldTickets;
use super::quick_map::QuickMap;
use crate::domain::destination_limits::DestinationKey;
use crate::domain::ids::ContactId;
use crate::domain::message::Class;
use crate::domain::ticket::QueuedTicket;

/// What a contact's turn is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turned {
    Permit,
    Held,
}

/// What a contact's later tickets wait for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ahead {
    /// A permit, with its id.
    Permit(u64, QueuedTicket),
    /// A ticket that is held for a destination.
    Held(DestinationKey, QueuedTicket),
}

impl Ahead {
    pub(super) const fn ticket(&self) -> &QueuedTicket {
        match self {
            Self::Permit(_, ticket) | Self::Held(_, ticket) => ticket,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Turn {
    pub(super) ahead: Option<Ahead>,
    /// In order.
    pub(super) aside: VecDeque<QueuedTicket>,
}

impl Turn {
    pub(super) fn step_aside(&mut self, ticket: QueuedTicket) {
        let at = self.aside.partition_point(|other| other.order(&ticket).is_lt());
        self.aside.insert(at, ticket);
    }

    /// Whether it comes after all that the contact has under way, held or aside.
    pub(super) fn is_last(&self, ticket: &QueuedTicket) -> bool {
        let last = self.aside.back().or(self.ahead.as_ref().map(Ahead::ticket));
        last.is_none_or(|last| ticket.order(last).is_gt())
    }

    pub(super) fn find_aside(&self, ticket: &QueuedTicket) -> Option<usize> {
        self.aside.binary_search_by(|other| other.order(ticket)).ok()
    }
}

/// The turns of a lane. Only a lane with permits or held tickets has any.
#[derive(Debug, Default)]
pub(super) struct Turns {
    pub(super) of: QuickMap<(Class, ContactId), Turn>,
    /// Tickets aside, by class.
    pub(super) aside: [usize; 3],
    pub(super) held: HeldTickets,
}

pub(super) const fn who(ticket: &QueuedTicket) -> (Class, ContactId) {
    (ticket.class(), ticket.contact)
}
