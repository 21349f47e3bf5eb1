//! A ticket as it waits in its lane: 56 bytes, in the order in which it is served.
//!
//! The lane knows number and account. Of the rest nothing can be left out, since the ticket must become the
//! due member again; but no time that we write needs all of its eight bytes.

use std::cmp::Ordering;

use super::{MAY_BE_PARKED, Position, Ticket};
use crate::domain::address::Destination;
use crate::domain::clock::UnixMs;
use crate::domain::ids::{AccountNo, CampaignNo, ContactId, LaneNo, MessageId};
use crate::domain::message::Class;
use crate::domain::planted::Bug;

/// Due time in milliseconds (up to the year 9999) in six bytes, creation in microseconds (up to the year
/// 4253) in seven; big-endian, so that bytes sort as times do.
const TIMES: usize = DUE + 7;
const DUE: usize = 6;

/// Where the class stands among kind and channel, which leave these two bits free: none, the one or the other.
const CLASS_BITS: u8 = 0x44;
const TRANSACTIONAL: u8 = 0x04;
const CAMPAIGN: u8 = 0x40;

/// A ticket without what its lane knows anyway.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct QueuedTicket {
    times: [u8; TIMES],
    /// The message.
    pub message: MessageId,
    /// The contact.
    pub contact: ContactId,
    campaign: [u8; 4],
    destination: [u8; 4],
    cost: [u8; 2],
    kind_channel_and_class: u8,
}

impl std::fmt::Debug for QueuedTicket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "QueuedTicket({} due {})", self.message, self.due_at())
    }
}

impl QueuedTicket {
    /// What a lane keeps of a ticket.
    #[must_use]
    pub fn of(ticket: &Ticket) -> Self {
        let due = u64::try_from(ticket.due_at.0).unwrap_or(0);
        debug_assert!(due >> 48 == 0 && ticket.created_us >> 56 == 0, "checked where a ticket is read");
        let mut times = [0; TIMES];
        times[..6].copy_from_slice(&due.to_be_bytes()[2..]);
        times[6..].copy_from_slice(&ticket.created_us.to_be_bytes()[1..]);
        let class = match ticket.class {
            Class::Conversation => 0,
            Class::Transactional => TRANSACTIONAL,
            Class::Campaign => CAMPAIGN,
        };
        Self {
            times,
            message: ticket.message,
            contact: ticket.contact,
            campaign: ticket.campaign.0.to_ne_bytes(),
            destination: ticket.destination.0.to_ne_bytes(),
            cost: ticket.cost.to_ne_bytes(),
            kind_channel_and_class: ticket.kind_and_channel | class,
        }
    }

    /// The ticket again, in the lane of this number and account.
    #[must_use]
    pub fn ticket(&self, lane: LaneNo, account: AccountNo) -> Ticket {
        Ticket {
            message: self.message,
            contact: self.contact,
            due_at: self.due_at(),
            created_us: self.created_us(),
            lane,
            campaign: CampaignNo(u32::from_ne_bytes(self.campaign)),
            account,
            destination: self.destination(),
            cost: self.cost(),
            kind_and_channel: self.kind_channel_and_class & !CLASS_BITS,
            class: self.class(),
        }
    }

    /// See [`Ticket::parked`].
    #[must_use]
    pub const fn parked(mut self) -> Self {
        self.kind_channel_and_class |= MAY_BE_PARKED;
        self
    }

    /// See [`Ticket::may_be_parked`].
    #[must_use]
    pub const fn may_be_parked(&self) -> bool {
        self.kind_channel_and_class & MAY_BE_PARKED != 0
    }

    /// Its score.
    #[must_use]
    pub fn due_at(&self) -> UnixMs {
        let mut due = [0; 8];
        due[2..].copy_from_slice(&self.times[..6]);
        UnixMs(i64::from_be_bytes(due))
    }

    /// What the lane is charged.
    #[must_use]
    pub const fn cost(&self) -> u16 {
        u16::from_ne_bytes(self.cost)
    }

    /// See [`Ticket::destination`].
    #[must_use]
    pub const fn destination(&self) -> Destination {
        Destination(u32::from_ne_bytes(self.destination))
    }

    /// How urgent its message is.
    #[must_use]
    pub const fn class(&self) -> Class {
        match self.kind_channel_and_class & CLASS_BITS {
            0 => Class::Conversation,
            TRANSACTIONAL => Class::Transactional,
            _ => Class::Campaign,
        }
    }

    /// Where it stands.
    #[must_use]
    pub fn position(&self) -> Position {
        Position { due_at: self.due_at(), created_us: self.created_us(), message: self.message }
    }

    fn created_us(&self) -> u64 {
        let mut created = [0; 8];
        created[1..].copy_from_slice(&self.times[DUE..]);
        u64::from_be_bytes(created)
    }

    /// Due time and creation, then the message, to make the order total.
    #[must_use]
    pub fn order(&self, other: &Self) -> Ordering {
        let from = if Bug::OrderOfCreation.is_planted() { DUE } else { 0 };
        self.times[from..].cmp(&other.times[from..]).then_with(|| self.message.cmp(&other.message))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fixtures::ticket;
    use super::*;
    use crate::domain::address::Channel;

    #[test]
    fn it_takes_fifty_six_bytes() {
        assert_eq!((size_of::<QueuedTicket>(), align_of::<QueuedTicket>()), (56, 1));
    }

    proptest! {
        #[test]
        fn it_is_the_ticket_again_and_sorts_as_it_does(
            (n, due, created) in (0u32..100, 0..=UnixMs::MAX.0, 0u64..1 << 56),
            (m, other_due, other_created) in (0u32..100, 0..=UnixMs::MAX.0, 0u64..1 << 56),
            (class, channel) in (0usize..3, 0usize..Channel::ALL.len()),
            (cost, campaign, destination, is_parked) in (any::<u16>(), any::<u32>(), any::<u32>(), any::<bool>()),
        ) {
            let mut first = ticket(n, due).with_class(Class::ALL[class]).in_lane(7, 8).costing(cost).to(destination).on(Channel::ALL[channel]);
            (first.created_us, first.campaign) = (created, CampaignNo(campaign));
            first = if is_parked { first.parked() } else { first };
            let queued = QueuedTicket::of(&first);
            prop_assert_eq!(queued.ticket(LaneNo(7), AccountNo(8)), first);
            prop_assert_eq!(first.channel(), Channel::ALL[channel]);
            prop_assert_eq!((queued.due_at(), queued.cost(), queued.class()), (first.due_at, cost, first.class()));
            for (other_due, other_created) in [(other_due, other_created), (due, other_created), (due, created)] {
                let mut other = ticket(m, other_due);
                other.created_us = other_created;
                let expected = (first.order(), first.message).cmp(&(other.order(), other.message));
                prop_assert_eq!(queued.order(&QueuedTicket::of(&other)), expected);
            }
        }
    }
}
