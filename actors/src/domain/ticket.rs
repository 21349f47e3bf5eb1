//! A ticket: all that waiting in the wheel or a lane needs to know of a message, in 72 bytes,
//! and the due index member that it is read from.
//!
//! The member is a pure function of the message record, and nothing that an attempt changes is in it: it names
//! the estimated cost, not what was charged. Its bytes are big-endian and begin with the creation time, so that
//! members of one score sort in order of creation.

mod position;
mod queued;

use super::address::{Channel, Destination};
use super::clock::UnixMs;
use super::ids::{AccountNo, CampaignNo, ContactId, LaneNo, MessageId};
use super::message::{Class, Message};

pub use position::Position;
pub use queued::QueuedTicket;

/// What a due entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TicketKind {
    /// A message to hand over.
    Message = 0,
    /// A deleted contact to clean up.
    Cleanup = 1,
    /// A contact whose messages are to be planned again.
    Replan = 2,
}

/// What waits. 72 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// The message (nil for a cleanup).
    pub message: MessageId,
    /// The contact.
    pub contact: ContactId,
    /// Its score: with the message id, the generation that tells a live ticket from a stale one.
    pub due_at: UnixMs,
    /// Ties are broken by creation.
    pub created_us: u64,
    /// The lane.
    pub lane: LaneNo,
    /// The campaign, or zero.
    pub campaign: CampaignNo,
    /// The account.
    pub account: AccountNo,
    /// Where it goes, as far as limits are concerned.
    pub destination: Destination,
    /// What the lane is charged.
    pub cost: u16,
    kind_and_channel: u8,
    class: Class,
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ticket({:?} {} due {})", self.kind(), self.message, self.due_at)
    }
}

/// Set in memory only: where the entry stands is no part of it.
const MAY_BE_PARKED: u8 = 0x08;
const CHANNEL_BITS: u8 = 0x03;

/// Bytes of a due member.
pub const MEMBER_LEN: usize = 8 + 1 + 16 + 16 + 4 + 1 + 2 + 4 + 4 + 4;

/// A due member that is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the due index holds a member that this version cannot read ({len} bytes)")]
pub struct MemberError {
    /// Its length.
    pub len: usize,
}

impl Ticket {
    /// The ticket of a message.
    #[must_use]
    pub fn of_message(message: &Message) -> Self {
        Self {
            message: message.id,
            contact: message.contact,
            due_at: message.due_at,
            created_us: message.created_us,
            lane: message.lane,
            campaign: message.campaign,
            account: message.account,
            destination: Destination::of(&message.to),
            cost: message.estimated_cost,
            kind_and_channel: (TicketKind::Message as u8) << 4 | message.channel as u8,
            class: message.class,
        }
    }

    /// The ticket that cleans a deleted contact up.
    #[must_use]
    pub fn cleanup(account: AccountNo, contact: ContactId, at: UnixMs) -> Self {
        Self::of_contact(TicketKind::Cleanup, account, contact, at)
    }

    /// The ticket that plans again what is pending for a contact whose clock was changed.
    #[must_use]
    pub fn replan(account: AccountNo, contact: ContactId, at: UnixMs) -> Self {
        Self::of_contact(TicketKind::Replan, account, contact, at)
    }

    fn of_contact(kind: TicketKind, account: AccountNo, contact: ContactId, at: UnixMs) -> Self {
        Self {
            message: MessageId::from_bytes([0; 16]),
            contact,
            due_at: at,
            created_us: 0,
            lane: LaneNo(0),
            campaign: CampaignNo(0),
            account,
            destination: Destination::NONE,
            cost: 0,
            kind_and_channel: (kind as u8) << 4,
            class: Class::Transactional,
        }
    }

    /// The same ticket, marked as one whose entry may stand in index `waiting`: it was read from there, or it was made
    /// from its message's record, which does not tell. One without the mark was committed to `due` or read from
    /// there, and its lane keeps it only while nothing can have parked its entry.
    #[must_use]
    pub const fn parked(mut self) -> Self {
        self.kind_and_channel |= MAY_BE_PARKED;
        self
    }

    /// Whether its entry may stand in index `waiting` as well as in `due`.
    #[must_use]
    pub const fn may_be_parked(&self) -> bool {
        self.kind_and_channel & MAY_BE_PARKED != 0
    }

    /// What it is about.
    #[must_use]
    pub const fn kind(&self) -> TicketKind {
        match self.kind_and_channel >> 4 {
            1 => TicketKind::Cleanup,
            2 => TicketKind::Replan,
            _ => TicketKind::Message,
        }
    }

    /// The channel its message travels on.
    #[must_use]
    pub const fn channel(&self) -> Channel {
        match self.kind_and_channel & CHANNEL_BITS {
            1 => Channel::Sms,
            2 => Channel::Webhook,
            _ => Channel::Email,
        }
    }

    /// How urgent its message is.
    #[must_use]
    pub const fn class(&self) -> Class {
        self.class
    }

    /// Due time, then creation: the order in which a lane serves a class.
    #[must_use]
    pub const fn order(&self) -> (UnixMs, u64) {
        (self.due_at, self.created_us)
    }

    /// The member under which it stands in the due index (or in `waiting`), with score [`Ticket::due_at`].
    #[must_use]
    pub fn member(&self) -> [u8; MEMBER_LEN] {
        let mut out = [0; MEMBER_LEN];
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            out[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        put(&self.created_us.to_be_bytes());
        put(&[self.kind_and_channel & !MAY_BE_PARKED]);
        put(self.message.as_bytes());
        put(self.contact.as_bytes());
        put(&self.lane.0.to_be_bytes());
        put(&[self.class as u8]);
        put(&self.cost.to_be_bytes());
        put(&self.account.0.to_be_bytes());
        put(&self.campaign.0.to_be_bytes());
        put(&self.destination.0.to_be_bytes());
        out
    }

    /// The ticket that an index entry stands for.
    ///
    /// # Errors
    /// A member of another length or with unknown kinds, or a time that is none of ours.
    pub fn from_entry(due_at: UnixMs, member: &[u8]) -> Result<Self, MemberError> {
        let error = || MemberError { len: member.len() };
        if member.len() != MEMBER_LEN
            || member[8] >> 4 > 2
            || member[0] != 0
            || !(0..=UnixMs::MAX.0).contains(&due_at.0)
        {
            return Err(error());
        }
        Channel::from_byte(member[8] & 0x0f).ok_or_else(error)?;
        let u32_at = |at: usize| u32::from_be_bytes([member[at], member[at + 1], member[at + 2], member[at + 3]]);
        let id_at = |at: usize| -> [u8; 16] { member[at..at + 16].try_into().expect("sixteen bytes were sliced") };
        Ok(Self {
            created_us: u64::from_be_bytes(member[..8].try_into().expect("eight bytes were sliced")),
            kind_and_channel: member[8],
            message: MessageId::from_bytes(id_at(9)),
            contact: ContactId::from_bytes(id_at(25)),
            lane: LaneNo(u32_at(41)),
            class: Class::from_byte(member[45]).ok_or_else(error)?,
            cost: u16::from_be_bytes([member[46], member[47]]),
            account: AccountNo(u32_at(48)),
            campaign: CampaignNo(u32_at(52)),
            destination: Destination(u32_at(56)),
            due_at,
        })
    }
}

#[cfg(test)]
pub(crate) mod fixtures {
    use super::*;

    /// A ticket of message and contact `n`, due at `due_ms`, created at `n` µs, in lane 1 of account 1, one unit, to
    /// nowhere in particular.
    pub(crate) fn ticket(n: u32, due_ms: i64) -> Ticket {
        Ticket {
            message: MessageId::from_bytes((u128::from(n) + 1).to_be_bytes()),
            contact: ContactId::from_bytes((u128::from(n) + 1).to_be_bytes()),
            due_at: UnixMs(due_ms),
            created_us: u64::from(n),
            lane: LaneNo(1),
            campaign: CampaignNo(0),
            account: AccountNo(1),
            destination: Destination::NONE,
            cost: 1,
            kind_and_channel: Channel::Sms as u8,
            class: Class::Transactional,
        }
    }

    impl Ticket {
        pub(crate) fn with_class(mut self, class: Class) -> Self {
            self.class = class;
            self
        }

        pub(crate) fn with_contact(mut self, n: u32) -> Self {
            self.contact = ContactId::from_bytes((u128::from(n) + 1).to_be_bytes());
            self
        }

        pub(crate) fn in_lane(mut self, lane: u32, account: u32) -> Self {
            self.lane = LaneNo(lane);
            self.account = AccountNo(account);
            self
        }

        pub(crate) fn on(mut self, channel: Channel) -> Self {
            self.kind_and_channel = self.kind_and_channel & !CHANNEL_BITS | channel as u8;
            self
        }

        pub(crate) fn to(mut self, destination: u32) -> Self {
            self.destination = Destination(destination);
            self
        }

        pub(crate) fn costing(mut self, cost: u16) -> Self {
            self.cost = cost;
            self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket() -> Ticket {
        Ticket {
            message: MessageId::from_bytes([1; 16]),
            contact: ContactId::from_bytes([2; 16]),
            due_at: UnixMs(1_000),
            created_us: 77,
            lane: LaneNo(3),
            campaign: CampaignNo(4),
            account: AccountNo(5),
            destination: Destination(0x0708_090a),
            cost: 6,
            kind_and_channel: Channel::Sms as u8,
            class: Class::Campaign,
        }
    }

    #[test]
    fn a_ticket_is_its_member_and_score() {
        assert_eq!(Ticket::from_entry(UnixMs(1_000), &ticket().member()), Ok(ticket()));
        let cleanup = Ticket::cleanup(AccountNo(1), ContactId::from_bytes([9; 16]), UnixMs(5));
        assert_eq!(Ticket::from_entry(UnixMs(5), &cleanup.member()).unwrap().kind(), TicketKind::Cleanup);
    }

    #[test]
    fn a_member_stays_within_sixty_bytes_and_a_ticket_within_seventy_two() {
        assert_eq!(MEMBER_LEN, 60);
        assert_eq!(size_of::<Ticket>(), 72);
    }

    #[test]
    fn where_a_ticket_stands_is_no_part_of_its_member() {
        assert!(ticket().parked().may_be_parked() && !ticket().may_be_parked());
        assert_eq!(ticket().parked().member(), ticket().member());
        assert_eq!((ticket().parked().kind(), ticket().parked().channel()), (TicketKind::Message, Channel::Sms));
        assert!(!Ticket::from_entry(UnixMs(1), &ticket().parked().member()).unwrap().may_be_parked());
        let queued = QueuedTicket::of(&ticket());
        assert_eq!(queued.parked(), QueuedTicket::of(&ticket().parked()));
        assert!(queued.parked().may_be_parked() && !queued.may_be_parked());
    }

    #[test]
    fn members_of_one_score_sort_by_creation() {
        let mut later = ticket();
        later.created_us = 300;
        later.message = MessageId::from_bytes([0; 16]);
        assert!(ticket().member() < later.member());
    }

    #[test]
    fn members_of_other_versions_are_refused() {
        let member = ticket().member();
        assert!(Ticket::from_entry(UnixMs(0), &member[1..]).is_err());
        assert!(Ticket::from_entry(UnixMs(-1), &member).is_err());
        for (at, byte) in [(0, 1), (8, 0x30), (8, 0x07), (45, 9)] {
            let mut bad = member;
            bad[at] = byte;
            assert!(Ticket::from_entry(UnixMs(0), &bad).is_err());
        }
    }
}
