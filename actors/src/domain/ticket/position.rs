//! Where a ticket stands among all others of its line.

use super::{Ticket, TicketKind};
use crate::domain::address::Channel;
use crate::domain::clock::UnixMs;
use crate::domain::ids::MessageId;

/// Due time, creation and message: a total order, that of a lane's class and of an index's entries of one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// When it is due.
    pub due_at: UnixMs,
    /// When it was created, µs.
    pub created_us: u64,
    /// Which message.
    pub message: MessageId,
}

/// Bytes that all members of one position and channel begin with.
const PREFIX_LEN: usize = 8 + 1 + 16;

impl Position {
    /// The first one of a due time and creation.
    #[must_use]
    pub const fn first_of((due_at, created_us): (UnixMs, u64)) -> Self {
        Self { due_at, created_us, message: MessageId::from_bytes([0; 16]) }
    }

    /// Due time and creation, as [`Ticket::order`].
    #[must_use]
    pub const fn order(self) -> (UnixMs, u64) {
        (self.due_at, self.created_us)
    }

    /// The one behind it, between which and this nothing fits.
    #[must_use]
    pub const fn next(self) -> Self {
        match u128::from_be_bytes(*self.message.as_bytes()).checked_add(1) {
            Some(message) => Self { message: MessageId::from_bytes(message.to_be_bytes()), ..self },
            None => Self::first_of((self.due_at, self.created_us + 1)),
        }
    }

    /// What the member of a message in this position begins with: with its score, before that member and behind all
    /// that come before it.
    #[must_use]
    pub fn member_prefix(self, channel: Channel) -> [u8; PREFIX_LEN] {
        let mut out = [0; PREFIX_LEN];
        out[..8].copy_from_slice(&self.created_us.to_be_bytes());
        out[8] = (TicketKind::Message as u8) << 4 | channel as u8;
        out[9..].copy_from_slice(self.message.as_bytes());
        out
    }
}

impl Ticket {
    /// Where it stands.
    #[must_use]
    pub const fn position(&self) -> Position {
        Position { due_at: self.due_at, created_us: self.created_us, message: self.message }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fixtures::ticket;
    use super::*;

    fn at(due: i64, created_us: u64, message: u128) -> Position {
        Position { due_at: UnixMs(due), created_us, message: MessageId::from_bytes(message.to_be_bytes()) }
    }

    #[test]
    fn nothing_fits_between_a_position_and_the_next() {
        assert_eq!(at(1, 2, 3).next(), at(1, 2, 4));
        assert_eq!(at(1, 2, u128::MAX).next(), at(1, 3, 0));
        assert!(Position::first_of((UnixMs(1), 2)) <= at(1, 2, 0));
    }

    proptest! {
        #[test]
        fn a_prefix_stands_before_its_member_and_behind_those_before(
            one in (0i64..2, 0u64..2, 0u32..3),
            other in (0i64..2, 0u64..2, 0u32..3),
        ) {
            let of = |(due, created, n): (i64, u64, u32)| Ticket { created_us: created, ..ticket(n, due) };
            let (one, other) = (of(one), of(other));
            let prefix = (one.due_at, one.position().member_prefix(one.channel()).to_vec());
            let entry = |ticket: &Ticket| (ticket.due_at, ticket.member().to_vec());
            prop_assert!(prefix < entry(&one));
            prop_assert_eq!(entry(&other) < prefix, other.position() < one.position());
        }
    }
}
